//! How many reserves may be under way, so that none waits long for its turn.
//!
//! A reserve waits for the batch that is at the disk and then for its own: for two batches. What is
//! under way is at most what two batches have (Little's law), so the bound follows from how long they
//! take: a batch of `n` that took longer than half of [`QUEUE_WAIT_MS_MAX`] lowers it to as many of the
//! `n` as would have been in time; a quick one lets it grow by half. Falling at once and growing by
//! steps keeps it near the bound (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms",
//! 1989). Whoever is over it is told `overloaded` before anything is touched.
//!
//! It never falls below [`ADMITTED_MIN`]: so few are decided in a millisecond or two, and what a batch
//! of them takes longer than that is the disk's time, which fewer of them would not shorten.

use crate::sync::{AtomicU32, Ordering};
use onrush_types::limits::QUEUE_WAIT_MS_MAX;

/// Reserves under way that are let in however long batches take.
pub(crate) const ADMITTED_MIN: u32 = 1_024;

const BATCH_NS_MAX: u64 = QUEUE_WAIT_MS_MAX * 1_000_000 / 2;

/// The bound, moved by the ledger thread and read by callers.
#[derive(Debug)]
pub(crate) struct Admission {
    admitted: AtomicU32,
    most: u32,
}

impl Admission {
    /// Begin with as many as there are credits.
    pub(crate) fn new(most: u32) -> Admission {
        Admission { admitted: AtomicU32::new(most), most }
    }

    /// Return how many may be under way now.
    #[inline]
    pub(crate) fn admitted(&self) -> u32 {
        // Relaxed: a bound that stands alone; whoever sees the last one is a batch late.
        self.admitted.load(Ordering::Relaxed)
    }

    /// Ledger thread: a batch with so many reserves took so long, from the first look at the queue to
    /// the last answer.
    pub(crate) fn batch_took(&self, reserves: u32, took_ns: u64) {
        let now = self.admitted();
        let next = if took_ns > BATCH_NS_MAX {
            let in_time = u64::from(reserves) * BATCH_NS_MAX / took_ns;
            // Two batches: the one at the disk and the one that waits.
            now.min(2 * in_time as u32).max(ADMITTED_MIN)
        } else if took_ns <= BATCH_NS_MAX / 2 {
            now + now / 2
        } else {
            now
        };
        // Relaxed: as in `admitted`; only this thread stores.
        self.admitted.store(next.min(self.most), Ordering::Relaxed);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn falls_to_what_is_in_time_and_grows_back() {
        let admission = Admission::new(65_536);
        admission.batch_took(30_000, 30 * MS);
        assert_eq!(admission.admitted(), 20_000, "two batches of 10,000 in 10 ms each");
        admission.batch_took(10_000, 10 * MS);
        assert_eq!(admission.admitted(), 20_000, "just in time: as it is");
        admission.batch_took(100, 5 * MS);
        assert_eq!(admission.admitted(), 30_000);
        for _ in 0..2 {
            admission.batch_took(1, 0);
        }
        assert_eq!(admission.admitted(), 65_536, "never more than there are credits");
    }

    #[test]
    fn a_slow_disk_leaves_what_costs_no_time() {
        let admission = Admission::new(65_536);
        admission.batch_took(3, 4_000 * MS);
        assert_eq!(admission.admitted(), ADMITTED_MIN);
        let small = Admission::new(256);
        small.batch_took(3, 4_000 * MS);
        assert_eq!(small.admitted(), 256, "where there are fewer credits, all of them");
    }

    #[test]
    fn more_than_was_admitted_does_not_raise_it() {
        let admission = Admission::new(65_536);
        admission.batch_took(4_000, 20 * MS);
        assert_eq!(admission.admitted(), 4_000);
        admission.batch_took(30_000, 20 * MS);
        assert_eq!(admission.admitted(), 4_000);
    }
}
