//! Answers that come: futures that can also be waited for, without any runtime.

use crate::catalogue::Campaign;
use crate::error::EngineError;
use crate::shared::{Reservation, Shared};
use onrush_core::ledger::{Answer, Ledger, Subject};
use onrush_core::refusal::Refusal;
use onrush_types::{NodeNo, SkuIx};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// The engine's answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision<T> {
    /// It was done, and is durable.
    Done(T),
    /// It had been done before: the same key, or nothing left to do. `T` is the present state.
    Already(T),
    /// It was not done, and nothing was changed.
    Refused(Refusal),
}

impl<T> Decision<T> {
    /// Return what was done, now or before.
    pub fn granted(self) -> Option<T> {
        match self {
            Decision::Done(value) | Decision::Already(value) => Some(value),
            Decision::Refused(_) => None,
        }
    }
}

/// How many live holds were put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extended {
    /// So many.
    pub holds: u32,
}

/// What an answer's subject looks like to the caller.
pub(crate) trait View: Sized {
    fn of(shared: &Shared, subject: Subject) -> Option<Self>;
}

impl View for Reservation {
    fn of(shared: &Shared, subject: Subject) -> Option<Reservation> {
        let Subject::Reservation(seq) = subject else { return None };
        shared.reservation(seq)
    }
}

impl View for Arc<Campaign> {
    fn of(shared: &Shared, subject: Subject) -> Option<Arc<Campaign>> {
        let Subject::Campaign(ix) = subject else { return None };
        shared.catalogue.load().list.get(ix.index()).cloned()
    }
}

impl View for SkuIx {
    fn of(_: &Shared, subject: Subject) -> Option<SkuIx> {
        let Subject::Sku(ix) = subject else { return None };
        Some(ix)
    }
}

impl View for u32 {
    fn of(_: &Shared, subject: Subject) -> Option<u32> {
        match subject {
            Subject::Refund(number) | Subject::Routing(number) => Some(number),
            _ => None,
        }
    }
}

impl View for Extended {
    fn of(_: &Shared, subject: Subject) -> Option<Extended> {
        let Subject::Extended(holds) = subject else { return None };
        Some(Extended { holds })
    }
}

impl View for NodeNo {
    fn of(_: &Shared, subject: Subject) -> Option<NodeNo> {
        let Subject::Node(node) = subject else { return None };
        Some(node)
    }
}

/// A request under way. Resolves once its outcome is durable; a refusal that needs no record is
/// there at once. Dropping it changes nothing: what was queued is decided all the same.
#[must_use = "only the answer tells whether it was granted"]
pub struct Pending<T>(Inner<T>);

enum Inner<T> {
    Ready(Option<Result<Decision<T>, EngineError>>),
    Flying { shared: Arc<Shared>, credit: u32, view: fn(&Shared, Subject) -> Option<T> },
}

impl<T> std::fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self.0, Inner::Ready(_)) { "Pending(ready)" } else { "Pending" })
    }
}

impl<T> Unpin for Pending<T> {}

impl<T> Pending<T> {
    pub(crate) fn ready(outcome: Result<Decision<T>, EngineError>) -> Pending<T> {
        Pending(Inner::Ready(Some(outcome)))
    }

    pub(crate) fn refused(refusal: Refusal) -> Pending<T> {
        Pending::ready(Ok(Decision::Refused(refusal)))
    }

    pub(crate) fn flying(shared: &Arc<Shared>, credit: u32) -> Pending<T>
    where
        T: View,
    {
        Pending(Inner::Flying { shared: shared.clone(), credit, view: T::of })
    }

    /// Block until the answer is there.
    ///
    /// # Errors
    /// When the engine failed or was stopped; see [`EngineError`].
    ///
    /// # Panics
    /// When it was polled to its end before.
    pub fn wait(mut self) -> Result<Decision<T>, EngineError> {
        block_on(&mut self)
    }

    /// Return the answer if it is there already, without blocking or waking anybody later.
    pub fn try_take(&mut self) -> Option<Result<Decision<T>, EngineError>> {
        match self.poll_with(Waker::noop()) {
            Poll::Ready(answer) => Some(answer),
            Poll::Pending => None,
        }
    }

    fn poll_with(&mut self, waker: &Waker) -> Poll<Result<Decision<T>, EngineError>> {
        match &mut self.0 {
            Inner::Ready(outcome) => Poll::Ready(outcome.take().expect("polled after its end")),
            Inner::Flying { shared, credit, view } => {
                let Some(landed) = shared.flights.poll(*credit, waker) else {
                    return Poll::Pending;
                };
                let answer = landed.map(|answer| decision(shared, answer, *view));
                self.0 = Inner::Ready(None);
                Poll::Ready(answer)
            }
        }
    }
}

fn decision<T>(
    shared: &Shared,
    answer: Answer,
    view: fn(&Shared, Subject) -> Option<T>,
) -> Decision<T> {
    let see = |subject| view(shared, subject).expect("what was answered is mirrored before");
    match answer {
        Answer::Done(subject) => Decision::Done(see(subject)),
        Answer::Already(subject) => Decision::Already(see(subject)),
        Answer::Refused(refusal) => Decision::Refused(refusal),
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<Decision<T>, EngineError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_with(cx.waker())
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        if let Inner::Flying { shared, credit, .. } = &self.0 {
            shared.flights.abandon(*credit);
        }
    }
}

/// A look at the ledger's durable state, under way.
#[must_use = "wait for it or await it"]
#[derive(Debug)]
pub struct Inspect<T>(pub(crate) Arc<Mutex<Seen<T>>>);

#[derive(Debug)]
pub(crate) enum Seen<T> {
    Waiting(Option<Waker>),
    There(Result<T, EngineError>),
    Taken,
}

/// Fills an [`Inspect`]; answers `Stopped` when it is dropped without having looked.
pub(crate) struct Looker<T>(Arc<Mutex<Seen<T>>>);

impl<T> Inspect<T> {
    pub(crate) fn new() -> (Inspect<T>, Looker<T>) {
        let seen = Arc::new(Mutex::new(Seen::Waiting(None)));
        (Inspect(seen.clone()), Looker(seen))
    }

    /// Block until the look was taken.
    ///
    /// # Errors
    /// When the engine failed or was stopped.
    pub fn wait(mut self) -> Result<T, EngineError> {
        block_on(&mut self)
    }
}

impl<T> Looker<T> {
    /// Look, unless whoever asked is gone: deciding waits meanwhile.
    pub(crate) fn look(self, ledger: &Ledger, f: impl FnOnce(&Ledger) -> T) {
        if Arc::strong_count(&self.0) > 1 {
            self.put(Ok(f(ledger)));
        }
    }

    /// Answer that nobody can look any more.
    pub(crate) fn refuse(self, error: EngineError) {
        self.put(Err(error));
    }

    fn put(&self, outcome: Result<T, EngineError>) {
        let before = std::mem::replace(&mut *self.0.lock(), Seen::There(outcome));
        if let Seen::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> Drop for Looker<T> {
    fn drop(&mut self) {
        if matches!(&*self.0.lock(), Seen::Waiting(_)) {
            self.put(Err(EngineError::Stopped));
        }
    }
}

impl<T> Future for Inspect<T> {
    type Output = Result<T, EngineError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut seen = self.0.lock();
        match std::mem::replace(&mut *seen, Seen::Taken) {
            Seen::There(outcome) => Poll::Ready(outcome),
            Seen::Waiting(_) => {
                *seen = Seen::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
            Seen::Taken => panic!("polled after its end"),
        }
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future + Unpin>(future: &mut F) -> F::Output {
    thread_local! {
        static WAKER: RefCell<Waker> =
            RefCell::new(Waker::from(Arc::new(Unpark(thread::current()))));
    }
    WAKER.with_borrow(|waker| {
        let mut cx = Context::from_waker(waker);
        loop {
            match Pin::new(&mut *future).poll(&mut cx) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    })
}
