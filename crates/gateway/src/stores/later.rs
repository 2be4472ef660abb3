//! An answer that takes several steps of the engine, as one future.

use crate::answer::Answer;
use crate::problem::Problem;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

type Outcome = Result<Answer, Problem>;

/// The answer to come. What it has asked of the engine is decided even when nobody waits for it any
/// more; steps that it had not come to are not taken.
pub(crate) struct Later(Pin<Box<dyn Future<Output = Outcome> + Send>>);

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

impl Later {
    pub(crate) fn new(steps: impl Future<Output = Outcome> + Send + 'static) -> Later {
        Later(Box::pin(steps))
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.0.as_mut().poll(cx)
    }

    /// Block until it is there.
    pub(crate) fn wait(self) -> Outcome {
        block_on(self.0)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Wait on this thread for a future.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
