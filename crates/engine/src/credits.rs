//! The free credits of a lane: a lock-free stack, so that the credit used last is used next and its
//! cell is still in the cache. (A queue would walk through every cell before it comes back to one.)
//!
//! ```text
//! head   turns (32) │ index of the top, or NONE (32)
//! ```
//!
//! Every change of the head counts up `turns`, so a pop that was overtaken cannot take a head that
//! only looks the same (the ABA problem; Treiber, "Systems Programming: Coping with Parallelism",
//! IBM RJ 5118, 1986). Links are indexes, not pointers, and are never freed.

use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;

const NONE: u32 = u32::MAX;
/// Stands in the link of a credit that is not on the stack.
const TAKEN: u32 = u32::MAX - 1;

#[derive(Debug)]
pub(crate) struct Credits {
    head: CachePadded<AtomicU64>,
    used: CachePadded<AtomicUsize>,
    /// Below each free credit, the next one.
    below: Box<[AtomicU32]>,
    /// The number of the first credit.
    from: u32,
}

impl Credits {
    /// Make the credits `from .. to`, all free.
    pub(crate) fn new(from: u32, to: u32) -> Credits {
        let count = to - from;
        let below = (0..count).map(|n| AtomicU32::new(if n + 1 < count { n + 1 } else { NONE }));
        Credits {
            head: CachePadded::new(AtomicU64::new(if count > 0 { 0 } else { u64::from(NONE) })),
            used: CachePadded::new(AtomicUsize::new(0)),
            below: below.collect(),
            from,
        }
    }

    /// Take a free credit.
    #[inline]
    pub(crate) fn pop(&self) -> Option<u32> {
        // Acquire: pairs with the Release in `push`, so that the link below the top is there.
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let top = head as u32;
            if top == NONE {
                return None;
            }
            // Relaxed: if the link moved, so did `turns`, and the exchange fails.
            let below = self.below[top as usize].load(Ordering::Relaxed);
            // AcqRel: Acquire as above for the next guess; Release keeps the chain of pushes whole.
            match self.head.compare_exchange_weak(
                head,
                turned(head, below),
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    // Relaxed: read again only by the push of this credit, by whoever it went to.
                    self.below[top as usize].store(TAKEN, Ordering::Relaxed);
                    // Relaxed: a figure for people.
                    self.used.fetch_add(1, Ordering::Relaxed);
                    return Some(self.from + top);
                }
                Err(seen) => head = seen,
            }
        }
    }

    /// Give a credit back.
    ///
    /// # Panics
    /// When it was given back before: two requests would share its cell.
    pub(crate) fn push(&self, credit: u32) {
        let top = credit - self.from;
        // Relaxed: written by the pop of this credit, handed on with it.
        let was = self.below[top as usize].load(Ordering::Relaxed);
        assert_eq!(was, TAKEN, "a credit came back twice");
        // Relaxed: only the first guess.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // Relaxed: published by the Release of the exchange.
            self.below[top as usize].store(head as u32, Ordering::Relaxed);
            // Release: pairs with the Acquire in `pop`.
            match self.head.compare_exchange_weak(
                head,
                turned(head, top),
                Ordering::Release,
                Ordering::Relaxed, // the failed value is only the next guess
            ) {
                Ok(_) => break,
                Err(seen) => head = seen,
            }
        }
        // Relaxed: a figure for people.
        self.used.fetch_sub(1, Ordering::Relaxed);
    }

    /// Return how many credits are taken.
    pub(crate) fn used(&self) -> usize {
        // Relaxed: a figure for people.
        self.used.load(Ordering::Relaxed)
    }
}

/// Return the head one turn later, with another top.
fn turned(head: u64, top: u32) -> u64 {
    ((head >> 32).wrapping_add(1) << 32) | u64::from(top)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn hands_out_each_credit_once_and_the_last_one_first() {
        let credits = Credits::new(10, 13);
        let taken: HashSet<u32> = std::iter::from_fn(|| credits.pop()).collect();
        assert_eq!(taken, HashSet::from([10, 11, 12]));
        assert_eq!(credits.used(), 3);
        credits.push(12);
        credits.push(10);
        assert_eq!(credits.pop(), Some(10));
        assert_eq!(credits.pop(), Some(12));
        assert_eq!(credits.pop(), None);
        assert_eq!(Credits::new(0, 0).pop(), None);
    }

    #[test]
    #[should_panic(expected = "twice")]
    fn notices_a_credit_that_comes_back_twice() {
        let credits = Credits::new(0, 2);
        let credit = credits.pop().expect("free");
        credits.push(credit);
        credits.push(credit);
    }

    #[test]
    fn racing_threads_never_share_a_credit() {
        let credits = Credits::new(0, 8);
        let owners: Vec<AtomicU32> = (0..8).map(|_| AtomicU32::new(0)).collect();
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..50_000 {
                        let Some(credit) = credits.pop() else { continue };
                        let owner = &owners[credit as usize];
                        assert_eq!(owner.fetch_add(1, Ordering::Relaxed), 0, "two owners");
                        owner.fetch_sub(1, Ordering::Relaxed);
                        credits.push(credit);
                    }
                });
            }
        });
        assert_eq!(credits.used(), 0);
        assert_eq!(std::iter::from_fn(|| credits.pop()).count(), 8);
    }
}
