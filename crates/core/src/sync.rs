//! Atomics, from `std` or, under `--cfg loom` and `--cfg shuttle`, from a model checker.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(any(loom, shuttle)))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};

/// Let shuttle switch threads before a lock that it does not know. Nothing in any other build.
#[inline]
pub(crate) fn point() {
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
}
