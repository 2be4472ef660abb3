//! A byte for each ticket or reservation: its source, and whether it went on from there.
//!
//! | bits | meaning |
//! |---|---|
//! | 0–5 | its source's row + 1; 0: it was not seen to begin |
//! | 7 | it went on |
//!
//! Chunks come with their first mark and stay; there are at most [`CHUNKS`] of them. What has a higher
//! number is not told apart: it counts each time, for the row of those that say nothing.

// Relaxed in this file: each byte stands alone, and its own order of changes is all that counts; what
// is counted for it is read by nobody who needs more.

use super::Row;
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// Marks that come at once.
const CHUNK: usize = 1 << 16;

/// So that there are at most 64 MiB of them.
pub(super) const CHUNKS: usize = 1 << 10;

const WENT_ON: u8 = 1 << 7;
const ROW: u8 = (1 << 6) - 1;

/// Marks by number.
pub(super) struct Marks(Box<[OnceLock<Box<[AtomicU8]>>]>);

impl Default for Marks {
    fn default() -> Marks {
        Marks((0..CHUNKS).map(|_| OnceLock::new()).collect())
    }
}

impl fmt::Debug for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Marks")
    }
}

impl Marks {
    /// Note where a number is from; `false`: it was seen before.
    #[inline]
    pub(super) fn begin(&self, number: u32, row: Row) -> bool {
        let Some(mark) = self.mark(number) else { return true };
        mark.compare_exchange(0, row.0 + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Note that a number went on, and tell where it was from; `None`: it went on before.
    pub(super) fn go_on(&self, number: u32) -> Option<Row> {
        let Some(mark) = self.mark(number) else { return Some(Row::default()) };
        let before = mark.fetch_or(WENT_ON, Ordering::Relaxed);
        (before & WENT_ON == 0).then_some(Row((before & ROW).saturating_sub(1)))
    }

    /// Tell where a number was from.
    pub(super) fn row(&self, number: u32) -> Row {
        let mark = self.mark(number).map_or(0, |mark| mark.load(Ordering::Relaxed));
        Row((mark & ROW).saturating_sub(1))
    }

    #[inline]
    fn mark(&self, number: u32) -> Option<&AtomicU8> {
        let number = number as usize;
        let chunk = self.0.get(number / CHUNK)?;
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| AtomicU8::new(0)).collect());
        chunk.get(number % CHUNK)
    }
}
