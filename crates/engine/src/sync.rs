//! Locks, atomics and queues for what callers and the ledger thread hand each other: the real ones
//! or, under `--cfg loom` and `--cfg shuttle`, those of a model checker with the same faces.
//!
//! Loom tries every interleaving of a part; shuttle, many of the whole engine. Everything else that
//! threads share is real under shuttle too: no lock of that kind is held where shuttle may switch.

#[cfg(loom)]
use loom as checker;
#[cfg(shuttle)]
use shuttle as checker;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use crossbeam_queue::ArrayQueue;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::thread::{Thread, current, park_timeout};

#[cfg(any(loom, shuttle))]
pub(crate) use checked::{ArrayQueue, Mutex, park_timeout};
#[cfg(any(loom, shuttle))]
pub(crate) use checker::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
#[cfg(any(loom, shuttle))]
pub(crate) use checker::thread::{Thread, current};

#[cfg(any(loom, shuttle))]
mod checked {
    use super::checker;
    use checker::sync::MutexGuard;
    use std::collections::VecDeque;
    use std::time::Duration;

    /// Park for good: a model in which the timeout never comes finds every lost wake-up.
    pub(crate) fn park_timeout(_: Duration) {
        checker::thread::park();
    }

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(checker::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("nobody panics with the lock")
        }
    }

    /// The plainest bounded queue.
    pub(crate) struct ArrayQueue<T> {
        items: Mutex<VecDeque<T>>,
        capacity: usize,
    }

    impl<T: Default> ArrayQueue<T> {
        pub(crate) fn new(capacity: usize) -> ArrayQueue<T> {
            ArrayQueue { items: Mutex::default(), capacity }
        }

        pub(crate) fn push(&self, item: T) -> Result<(), T> {
            let mut items = self.items.lock();
            if items.len() == self.capacity {
                return Err(item);
            }
            items.push_back(item);
            Ok(())
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.items.lock().pop_front()
        }

        pub(crate) fn len(&self) -> usize {
            self.items.lock().len()
        }

        pub(crate) fn is_empty(&self) -> bool {
            self.len() == 0
        }
    }
}
