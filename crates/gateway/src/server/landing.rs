//! Wakes the connections of one worker: from its own thread at once, from others with one signal.
//!
//! The ledger answers a whole batch at once. Waking each connection's task from its thread would cost
//! it a system call each. Here wakes only leave names, and one signal, after the last of the batch,
//! has the worker wake them on its own thread. A signal at the first would wake a worker on the same
//! core for one name, and again for the next. From other threads the first wake is the signal.

use onrush::BatchWakes;
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use tokio::sync::Notify;

/// Connections of one worker that were woken from elsewhere; at most a few entries a request.
#[derive(Debug, Default)]
pub(super) struct Landing {
    landed: Mutex<Vec<Arc<Name>>>,
    bell: Notify,
}

/// Stands in for a task's waker.
#[derive(Debug)]
struct Name {
    task: Waker,
    landing: Arc<Landing>,
}

/// Holds the waker that everything within a connection's task is polled with. It is made once, not
/// for each request.
#[derive(Debug, Default)]
pub(super) struct Door(Option<Known>);

#[derive(Debug)]
struct Known {
    task: Waker,
    ours: Waker,
}

/// Whether wakes on this thread go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hush {
    Off,
    On,
    /// There was a wake.
    Broken,
}

thread_local! {
    /// The landing whose connections are served on this thread, by its address.
    static HERE: Cell<usize> = const { Cell::new(0) };
    static HUSH: Cell<Hush> = const { Cell::new(Hush::Off) };
    /// While a batch is woken on this thread: the workers to ring at its end.
    static BATCH: RefCell<Option<Vec<Arc<Landing>>>> = const { RefCell::new(None) };
}

/// Rings each worker once, at the end of a batch.
#[derive(Debug)]
pub(super) struct OnceABatch;

impl BatchWakes for OnceABatch {
    fn begin(&self) {
        BATCH.set(Some(Vec::new()));
    }

    fn end(&self) {
        for landing in BATCH.take().into_iter().flatten() {
            landing.bell.notify_one();
        }
    }
}

/// Leave a bell to the end of the batch that is woken on this thread; tell whether there is one.
fn is_left_to_the_end(landing: &Arc<Landing>) -> bool {
    BATCH.with_borrow_mut(|batch| match batch {
        Some(landings) => {
            landings.push(landing.clone());
            true
        }
        None => false,
    })
}

impl Landing {
    /// Wake what has landed, for ever. Runs on the worker's own runtime.
    pub(super) async fn serve(self: Arc<Landing>) {
        HERE.set(address(&self));
        let mut batch = Vec::new();
        loop {
            self.bell.notified().await;
            std::mem::swap(&mut batch, &mut *self.landed.lock());
            for name in batch.drain(..) {
                name.task.wake_by_ref();
            }
        }
    }
}

impl Door {
    /// Return the waker for a poll of the task behind `cx`, and whether the task's own is a new one.
    pub(super) fn open(&mut self, landing: &Arc<Landing>, cx: &Context<'_>) -> (&Waker, bool) {
        let is_new = !self.0.as_ref().is_some_and(|known| known.task.will_wake(cx.waker()));
        if is_new {
            self.0 = None;
        }
        let known = self.0.get_or_insert_with(|| {
            let name = Name { task: cx.waker().clone(), landing: landing.clone() };
            Known { task: cx.waker().clone(), ours: Waker::from(Arc::new(name)) }
        });
        (&known.ours, is_new)
    }
}

/// Run `f` and hold back the wakes it causes on this thread; tell whether there were any.
///
/// For polls that are known to wake the task they are part of for nothing.
pub(super) fn hushed<T>(f: impl FnOnce() -> T) -> (T, bool) {
    struct Restore;
    impl Drop for Restore {
        fn drop(&mut self) {
            HUSH.set(Hush::Off);
        }
    }
    let _restore = Restore;
    HUSH.set(Hush::On);
    let done = f();
    (done, HUSH.get() == Hush::Broken)
}

impl Wake for Name {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if HERE.get() == address(&self.landing) {
            match HUSH.get() {
                Hush::Off => self.task.wake_by_ref(),
                Hush::On | Hush::Broken => HUSH.set(Hush::Broken),
            }
            return;
        }
        let is_first = {
            let mut landed = self.landing.landed.lock();
            landed.push(self.clone());
            landed.len() == 1
        };
        // Who finds others there knows that the bell was rung and not yet answered, or will be rung.
        if is_first && !is_left_to_the_end(&self.landing) {
            self.landing.bell.notify_one();
        }
    }
}

fn address(landing: &Arc<Landing>) -> usize {
    Arc::as_ptr(landing) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{Future, poll_fn};
    use std::pin::Pin;
    use std::task::Poll;
    use std::thread;
    use tokio::sync::oneshot;

    async fn landed<F: Future + Unpin>(landing: Arc<Landing>, mut future: F) -> F::Output {
        let mut door = Door::default();
        poll_fn(|cx| {
            let (waker, _) = door.open(&landing, cx);
            Pin::new(&mut future).poll(&mut Context::from_waker(waker))
        })
        .await
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().expect("runtime")
    }

    #[test]
    fn everybody_who_waits_is_woken() {
        runtime().block_on(async {
            let landing = Arc::new(Landing::default());
            tokio::spawn(landing.clone().serve());
            for _ in 0..50 {
                let (senders, tasks): (Vec<_>, Vec<_>) = (0..64)
                    .map(|n| {
                        let (sender, receiver) = oneshot::channel::<u32>();
                        let task = tokio::spawn(landed(landing.clone(), receiver));
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

    #[test]
    fn a_batch_rings_once_and_at_its_end() {
        runtime().block_on(async {
            let landing = Arc::new(Landing::default());
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..3).map(|_| oneshot::channel::<u32>()).unzip();
            let tasks: Vec<_> = receivers
                .into_iter()
                .map(|receiver| tokio::spawn(landed(landing.clone(), receiver)))
                .collect();
            tokio::task::yield_now().await;
            let rung = Arc::new(std::sync::atomic::AtomicBool::new(false));
            let (bell, heard) = (landing.clone(), rung.clone());
            tokio::spawn(async move {
                bell.bell.notified().await;
                heard.store(true, std::sync::atomic::Ordering::Release);
                bell.serve().await;
            });
            tokio::task::yield_now().await;
            OnceABatch.begin();
            for sender in senders {
                sender.send(7).expect("awaited");
                tokio::task::yield_now().await;
                assert!(!rung.load(std::sync::atomic::Ordering::Acquire), "too early");
            }
            OnceABatch.end();
            tokio::task::yield_now().await;
            assert!(rung.load(std::sync::atomic::Ordering::Acquire));
            landing.bell.notify_one();
            for task in tasks {
                assert_eq!(task.await.expect("no panic"), Ok(7));
            }
        });
    }

    #[test]
    fn a_wake_from_the_same_thread_needs_no_bell() {
        runtime().block_on(async {
            let landing = Arc::new(Landing::default());
            tokio::spawn(landing.clone().serve());
            let (sender, receiver) = oneshot::channel::<u32>();
            let task = tokio::spawn(landed(landing.clone(), receiver));
            tokio::task::yield_now().await;
            sender.send(7).expect("awaited");
            assert!(landing.landed.lock().is_empty());
            assert_eq!(task.await.expect("no panic"), Ok(7));
        });
    }

    #[test]
    fn a_held_back_wake_is_told_and_later_ones_go_through() {
        runtime().block_on(async {
            let landing = Arc::new(Landing::default());
            tokio::spawn(landing.clone().serve());
            tokio::task::yield_now().await;
            let mut door = Door::default();
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                let (waker, is_new) = door.open(&landing, cx);
                assert_eq!(is_new, polls == 1, "made once");
                let ((), broken) = hushed(|| waker.wake_by_ref());
                assert!(broken);
                assert!(!hushed(|| ()).1);
                if polls == 1 {
                    waker.wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            assert_eq!(polls, 2, "only the wake that went through polled again");
        });
    }
}
