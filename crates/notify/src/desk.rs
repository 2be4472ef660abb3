//! The counter in front of the owner thread: orders go in, answers come out, nobody blocks.

use crate::limits::ORDERS_MAX;
use crate::records::{Done, Order};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};

/// An order with whom to tell.
#[derive(Debug)]
pub(crate) struct Slip {
    pub(crate) order: Order,
    pub(crate) tell: oneshot::Sender<Done>,
}

/// Where orders are handed in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk(mpsc::Sender<Slip>);

/// The other side of a desk, for the owner.
#[derive(Debug)]
pub struct Orders(pub(crate) mpsc::Receiver<Slip>);

impl Desk {
    /// Make a desk for [`ORDERS_MAX`] orders.
    pub fn new() -> (Desk, Orders) {
        let (sender, receiver) = mpsc::channel(ORDERS_MAX);
        (Desk(sender), Orders(receiver))
    }

    /// Hand an order in. The order is carried out even when the answer is dropped.
    ///
    /// # Errors
    /// When [`ORDERS_MAX`] orders wait already, or the owner is gone: a `Full` that says which.
    pub fn order(&self, order: Order) -> Result<Answer, Full> {
        let (tell, told) = oneshot::channel();
        match self.0.try_send(Slip { order, tell }) {
            Ok(()) => Ok(Answer(told)),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Full::Queue),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Full::Closed),
        }
    }
}

/// Why an order was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Too many orders wait; ask again in a moment.
    Queue,
    /// The owner stopped.
    Closed,
}

/// An order's answer, once it is durable. A future; [`wait`](Answer::wait) blocks.
#[derive(Debug)]
#[must_use = "wait for it or await it"]
pub struct Answer(oneshot::Receiver<Done>);

/// The owner stopped before the order was known to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reminders stopped before this was recorded; ask again after the restart")
    }
}

impl std::error::Error for Closed {}

impl Answer {
    /// Block until it is there.
    ///
    /// # Errors
    /// When the owner stopped first.
    pub fn wait(self) -> Result<Done, Closed> {
        self.0.blocking_recv().map_err(|_| Closed)
    }
}

impl Future for Answer {
    type Output = Result<Done, Closed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Done, Closed>> {
        Pin::new(&mut self.0).poll(cx).map(|done| done.map_err(|_| Closed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onrush_types::BuyerDigest;

    #[test]
    fn a_desk_holds_so_many_orders_and_says_when_nobody_serves() {
        let order = || Order::Erase { buyer: BuyerDigest([1; 16]) };
        let (desk, mut orders) = Desk::new();
        let first = desk.order(order()).expect("room");
        for _ in 1..ORDERS_MAX {
            drop(desk.order(order()).expect("room"));
        }
        assert_eq!(desk.order(order()).map(drop), Err(Full::Queue));
        let slip = orders.0.try_recv().expect("the first");
        slip.tell.send(Done::Gone(3)).expect("somebody waits");
        assert_eq!(first.wait(), Ok(Done::Gone(3)));
        let second = desk.order(order()).expect("room again");
        drop(orders);
        assert_eq!(second.wait(), Err(Closed));
        assert_eq!(desk.order(order()).map(drop), Err(Full::Closed));
    }
}
