//! A table that grows while others read it: a fixed directory of chunks, each made once.

use std::sync::OnceLock;

/// An append-only, bounded table of `T`, readable without a lock while it grows.
///
/// Entries never move, so a reference stays good. A chunk is allocated whole when its first entry
/// is [`ensure`](ChunkTable::ensure)d; a growing `Vec` would copy, and would need twice the memory
/// while it does.
#[derive(Debug)]
pub struct ChunkTable<T> {
    directory: Box<[OnceLock<Box<[T]>>]>,
    chunk_shift: u32,
}

impl<T: Default> ChunkTable<T> {
    /// Make an empty table of at most `entries_max` entries in chunks of `chunk_entries`.
    ///
    /// # Panics
    /// When `chunk_entries` is not a power of two.
    pub fn new(chunk_entries: usize, entries_max: usize) -> ChunkTable<T> {
        assert!(chunk_entries.is_power_of_two(), "chunks are indexed by shift and mask");
        let chunks = entries_max.div_ceil(chunk_entries);
        ChunkTable {
            directory: (0..chunks).map(|_| OnceLock::new()).collect(),
            chunk_shift: chunk_entries.trailing_zeros(),
        }
    }

    /// Return entry `index`, or `None` where no chunk has been made. O(1), no lock.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        let chunk = self.directory.get(index >> self.chunk_shift)?.get()?;
        chunk.get(index & ((1 << self.chunk_shift) - 1))
    }

    /// Return entry `index`, making its chunk when it is the first there, or `None` when `index`
    /// is beyond the table's bound.
    pub fn ensure(&self, index: usize) -> Option<&T> {
        let entries = 1usize << self.chunk_shift;
        let chunk = self
            .directory
            .get(index >> self.chunk_shift)?
            .get_or_init(|| (0..entries).map(|_| T::default()).collect());
        chunk.get(index & (entries - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn grows_by_chunks_up_to_its_bound() {
        let table: ChunkTable<AtomicU32> = ChunkTable::new(4, 10);
        assert!(table.get(0).is_none(), "nothing is allocated before it is asked for");
        table.ensure(5).expect("within the bound").store(7, Ordering::Relaxed);
        assert_eq!(table.get(5).map(|v| v.load(Ordering::Relaxed)), Some(7));
        assert!(table.get(4).is_some() && table.get(3).is_none());
        assert!(table.ensure(11).is_some(), "the bound is rounded up to whole chunks");
        assert!(table.ensure(12).is_none());
    }
}
