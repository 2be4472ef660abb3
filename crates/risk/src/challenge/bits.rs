//! One bit for each challenge.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Bits(Box<[AtomicU64]>);

impl Bits {
    pub(super) fn new(bits: u32) -> Bits {
        Bits((0..bits.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Set a bit. `false`: it was set, or there is none.
    pub(super) fn set(&self, at: u32) -> bool {
        let Some(word) = self.0.get(at as usize / 64) else { return false };
        let bit = 1 << (at % 64);
        // Relaxed: the bit itself is all there is to see; one of two callers finds it clear.
        word.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    pub(super) fn get(&self, at: u32) -> bool {
        // Relaxed: as in `set`.
        self.0
            .get(at as usize / 64)
            .is_none_or(|word| word.load(Ordering::Relaxed) & 1 << (at % 64) != 0)
    }

    pub(super) fn clear(&self, at: u32) {
        if let Some(word) = self.0.get(at as usize / 64) {
            // Relaxed: as in `set`.
            word.fetch_and(!(1 << (at % 64)), Ordering::Relaxed);
        }
    }
}
