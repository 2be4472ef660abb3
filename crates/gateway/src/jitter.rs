//! Spreads retries so that refused clients do not come back in one wave.
//!
//! Source: Marsaglia, *Xorshift RNGs* (2003), the 64-bit triple (13, 7, 17). Not for secrets.

use std::sync::atomic::{AtomicU64, Ordering};

/// A small generator, one per worker.
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// Start from `seed`, drawn by the edge.
    pub fn new(seed: u64) -> Jitter {
        // Zero is the one state xorshift cannot leave.
        Jitter(AtomicU64::new(seed | 1))
    }

    /// Return between `least_ms` and twice that.
    pub fn spread(&self, least_ms: u32) -> u32 {
        // Relaxed load and store: the number guards nothing; two threads that draw at once may draw
        // the same, which costs nothing.
        let mut x = self.0.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        // Relaxed: as above.
        self.0.store(x, Ordering::Relaxed);
        let span = u64::from(least_ms) + 1;
        least_ms.saturating_add(((u128::from(x) * u128::from(span)) >> 64) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_within_once_and_twice_the_least_and_moves() {
        for seed in [0, 1, u64::MAX] {
            let jitter = Jitter::new(seed);
            let drawn: Vec<u32> = (0..1000).map(|_| jitter.spread(1000)).collect();
            assert!(drawn.iter().all(|ms| (1000..=2000).contains(ms)));
            assert!(drawn.iter().any(|ms| *ms < 1300) && drawn.iter().any(|ms| *ms > 1700));
            assert_eq!(jitter.spread(0), 0);
            assert_eq!(jitter.spread(u32::MAX), u32::MAX);
        }
    }
}
