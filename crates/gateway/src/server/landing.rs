//! Wakes many requests of one worker with one signal.
//!
//! The ledger answers a whole batch at once. Waking each request's task from its thread would cost it
//! a system call per request; here the first wake of a batch rings the worker and the rest only
//! leave their names, which the worker then wakes on its own thread.

use parking_lot::Mutex;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use tokio::sync::Notify;

/// Requests of one worker whose answers have come; at most one entry a request under way.
#[derive(Debug, Default)]
pub(super) struct Landing {
    landed: Mutex<Vec<Waker>>,
    bell: Notify,
}

/// Stands in for a task's waker on other threads.
struct Name {
    task: Waker,
    landing: Arc<Landing>,
}

impl Landing {
    /// Wait for `future`, which is woken from another thread.
    pub(super) async fn land<F: Future + Unpin>(self: &Arc<Landing>, mut future: F) -> F::Output {
        poll_fn(|cx| {
            let name = Name { task: cx.waker().clone(), landing: self.clone() };
            let waker = Waker::from(Arc::new(name));
            Pin::new(&mut future).poll(&mut Context::from_waker(&waker))
        })
        .await
    }

    /// Wake what has landed, for ever. Runs on the worker's own runtime.
    pub(super) async fn serve(self: Arc<Landing>) {
        let mut batch = Vec::new();
        loop {
            self.bell.notified().await;
            std::mem::swap(&mut batch, &mut *self.landed.lock());
            batch.drain(..).for_each(Waker::wake);
        }
    }
}

impl Wake for Name {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let is_first = {
            let mut landed = self.landing.landed.lock();
            landed.push(self.task.clone());
            landed.len() == 1
        };
        // Who finds others there knows that the bell was rung and not yet answered.
        if is_first {
            self.landing.bell.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;
    use tokio::sync::oneshot;

    #[test]
    fn everybody_who_waits_is_woken() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        runtime.block_on(async {
            let landing = Arc::new(Landing::default());
            tokio::spawn(landing.clone().serve());
            for _ in 0..50 {
                let (senders, tasks): (Vec<_>, Vec<_>) = (0..64)
                    .map(|n| {
                        let (sender, receiver) = oneshot::channel::<u32>();
                        let landing = landing.clone();
                        let task = tokio::spawn(async move { landing.land(receiver).await });
                        ((n, sender), task)
                    })
                    .unzip();
                tokio::task::yield_now().await;
                let ledger = thread::spawn(move || {
                    senders.into_iter().for_each(|(n, sender)| sender.send(n).expect("awaited"));
                });
                for (n, task) in tasks.into_iter().enumerate() {
                    assert_eq!(task.await.expect("no panic"), Ok(n as u32));
                }
                ledger.join().expect("no panic");
            }
        });
    }
}
