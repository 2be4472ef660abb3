//! Opportunity prices of the running stores: learned from the orders that were routed, solved again
//! every so many of them, on a thread of its own so that no order waits for a solve.
//!
//! Prices are an estimate that only weighs one plan against another: an order that is not counted
//! because the thread is behind, and the first orders after a start, cost nothing but a little of it.

use super::ask::{Wanted, order_of};
use super::live::Net;
use crate::wire::Details;
use onrush_router::order::Order;
use onrush_router::plan::Plan;
use onrush_router::prices::Pricer;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Orders that wait to be counted; more are left out.
const WAITING_MAX: usize = 1_024;
/// Orders kept to learn from again when the network is built anew.
const RECENT_MAX: usize = 2_000;

/// An order that was routed.
pub(super) struct Routed {
    pub(super) net: Arc<Net>,
    pub(super) wanted: Wanted,
    pub(super) details: Option<Box<[u8]>>,
    pub(super) order: Order,
    pub(super) plan: Plan,
}

/// The thread; it starts with the first order and ends when dropped.
#[derive(Default)]
pub(super) struct Pricing(Option<(SyncSender<Routed>, JoinHandle<()>)>);

impl Pricing {
    /// Count an order, where the policy asks for prices. Waits for nothing.
    pub(super) fn observe(&mut self, routed: Routed) {
        if !routed.net.rules.policy().prices.enabled {
            return;
        }
        if self.0.is_none() {
            let (to, from) = sync_channel(WAITING_MAX);
            let named = thread::Builder::new().name("onrush-prices".to_owned());
            match named.spawn(move || Learned::default().follow(&from)) {
                Ok(thread) => self.0 = Some((to, thread)),
                Err(error) => {
                    tracing::error!(%error, "no thread to price what stores have");
                    return;
                }
            }
        }
        if let Some((to, _)) = &self.0 {
            // Behind, or ended by a panic that was logged: it is left out.
            let _ = to.try_send(routed);
        }
    }
}

impl Drop for Pricing {
    fn drop(&mut self) {
        if let Some((to, thread)) = self.0.take() {
            drop(to);
            if thread.join().is_err() {
                tracing::error!("the thread that prices what stores have panicked");
            }
        }
    }
}

/// What the thread knows.
#[derive(Default)]
struct Learned {
    pricer: Option<(Arc<Net>, Pricer)>,
    recent: VecDeque<(Wanted, Option<Box<[u8]>>)>,
    counted: u64,
}

impl Learned {
    fn follow(mut self, from: &Receiver<Routed>) {
        while let Ok(routed) = from.recv() {
            self.observe(routed);
        }
    }

    fn observe(&mut self, routed: Routed) {
        let Routed { net, wanted, details, order, plan } = routed;
        let mut pricer = match self.pricer.take() {
            Some((known, pricer)) if Arc::ptr_eq(&known, &net) => pricer,
            Some((before, pricer)) => self.resumed(&pricer, &before, &net),
            None => Pricer::new(&net.network, &net.rules, None, None),
        };
        pricer.observe(&net.network, &net.rules, &order, &plan);
        self.pricer = Some((net, pricer));
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((wanted, details));
        self.counted += 1;
    }

    /// Go on with a network that was built anew, from what the orders before it were like.
    fn resumed(&self, pricer: &Pricer, before: &Net, net: &Net) -> Pricer {
        let read = |(wanted, details): &(Wanted, Option<Box<[u8]>>)| {
            let details = details.as_deref().map(Details::decode).transpose().ok()?;
            order_of(net, wanted, &details.unwrap_or_default()).ok()
        };
        let orders: Vec<Order> = self.recent.iter().filter_map(read).collect();
        let (before, counted) = (&before.network, self.counted as f64);
        pricer.resume(before, &net.network, &net.rules, &orders, counted)
    }
}
