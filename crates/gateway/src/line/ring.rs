//! Keys that follow the clock: each period has its own, and the one before it stays good for a
//! stated time. Nothing is stored: all of them follow from one root, so a restart changes none.
//!
//! ```text
//! period n-1      │ period n                          │ period n+1
//! signs and opens │ signs and opens                   │ …
//!                 │ ── overlap ──┤ n-1 opens no more  │
//! ```
//!
//! The `generation` is part of the root: raising it in the configuration ends all earlier keys at
//! once. Source of the derivation: RFC 2104 as a pseudo-random function, as in RFC 5869.

use arc_swap::ArcSwap;
use hmac::{Hmac, KeyInit, Mac};
use onrush::{DurationMs, Timestamp};
use sha2::Sha256;
use std::sync::Arc;

/// A key per period, made by `make` from 32 bytes that nobody else can know.
pub(crate) struct Ring<K> {
    root: [u8; 32],
    period: DurationMs,
    overlap: DurationMs,
    make: fn(u64, [u8; 32]) -> K,
    now: ArcSwap<Pair<K>>,
}

/// The keys of one period.
#[derive(Debug)]
pub(crate) struct Pair<K> {
    /// Which period.
    pub(crate) period: u64,
    /// Signs, and opens.
    pub(crate) current: K,
    /// Opens as long as the overlap lasts.
    pub(crate) previous: K,
}

impl<K> std::fmt::Debug for Ring<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring(every {} ms)", self.period.0)
    }
}

impl<K> Ring<K> {
    /// Make the keys of the period that `now` is in.
    ///
    /// # Panics
    /// When the period is zero; the configuration does not allow it.
    pub(crate) fn new(
        root: [u8; 32],
        period: DurationMs,
        overlap: DurationMs,
        make: fn(u64, [u8; 32]) -> K,
        now: Timestamp,
    ) -> Ring<K> {
        assert!(period.0 > 0, "a key lives for some time");
        let first = Arc::new(pair(&root, now.0 / period.0, make));
        Ring { root, period, overlap, make, now: ArcSwap::new(first) }
    }

    /// Return the keys in force at `now`. One load; two derivations when a period begins.
    pub(crate) fn at(&self, now: Timestamp) -> Arc<Pair<K>> {
        let period = now.0 / self.period.0;
        let known = self.now.load();
        if known.period == period {
            return arc_swap::Guard::into_inner(known);
        }
        // Two threads may both make them: they make the same ones.
        let new = Arc::new(pair(&self.root, period, self.make));
        self.now.store(new.clone());
        new
    }

    /// Return the key of the next period. One derivation.
    pub(crate) fn next(&self, now: Timestamp) -> K {
        key_of(&self.root, now.0 / self.period.0 + 1, self.make)
    }

    /// Tell whether the key of the period before still opens at `now`.
    pub(crate) fn overlaps(&self, now: Timestamp) -> bool {
        now.0 % self.period.0 < self.overlap.0
    }
}

fn pair<K>(root: &[u8; 32], period: u64, make: fn(u64, [u8; 32]) -> K) -> Pair<K> {
    let current = key_of(root, period, make);
    Pair { period, current, previous: key_of(root, period.saturating_sub(1), make) }
}

fn key_of<K>(root: &[u8; 32], period: u64, make: fn(u64, [u8; 32]) -> K) -> K {
    let mut mac = Hmac::<Sha256>::new_from_slice(root).expect("HMAC takes any key length");
    mac.update(&period.to_be_bytes());
    make(period, mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(root: u8) -> Ring<[u8; 32]> {
        Ring::new([root; 32], DurationMs(1_000), DurationMs(300), |_, key| key, Timestamp(5_500))
    }

    #[test]
    fn a_key_is_the_next_periods_previous_one_and_then_gone() {
        let ring = ring(1);
        let old = ring.at(Timestamp(5_999)).current;
        assert_eq!(ring.at(Timestamp(5_000)).current, old);
        let pair = ring.at(Timestamp(6_000));
        assert_eq!(pair.previous, old);
        assert_ne!(pair.current, old);
        assert!(ring.overlaps(Timestamp(6_299)) && !ring.overlaps(Timestamp(6_300)));
        assert_eq!(ring.next(Timestamp(5_000)), pair.current);
        let pair = ring.at(Timestamp(7_000));
        assert!(pair.previous != old && pair.current != old);
        assert_eq!(ring.at(Timestamp(5_500)).current, old, "the clock may be set back");
    }

    #[test]
    fn another_root_gives_other_keys() {
        let at = Timestamp(5_500);
        assert_ne!(ring(1).at(at).current, ring(2).at(at).current);
        assert_eq!(ring(1).at(at).current, ring(1).at(at).current, "a restart changes nothing");
    }
}
