//! A batch: what one commit writes and syncs.
//!
//! A batch is a list of runs, each one contiguous write to one segment followed by its own sync. A
//! run is written only after the run before it was synced; that is what every frame states.

use crate::layout::SECTOR_BYTES;
use crate::storage::{StorageError, StorageFile};
use onrush_types::Lsn;
use std::sync::Arc;

/// One contiguous piece of a batch.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) file: Arc<dyn StorageFile>,
    /// Where in the segment it goes.
    pub(crate) offset: u64,
    /// Where in the batch's buffer it starts and ends.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A sealed batch on its way to the disk. Taken by `Journal::take_batch`, handed back to
/// `Journal::synced`; in between it may be written by another thread.
#[derive(Debug)]
#[must_use = "write it and hand it back to the journal, or nothing is ever committed again"]
pub struct Batch {
    pub(crate) buffer: Vec<u8>,
    pub(crate) runs: Vec<Run>,
    pub(crate) last_lsn: Lsn,
    pub(crate) outcome: Option<Result<(), StorageError>>,
}

impl Batch {
    /// Write every run and sync it, in order; stop at the first failure, which the journal is told
    /// when the batch is handed back.
    ///
    /// Cost: one write and one sync a run; one run unless the batch crosses into the next segment.
    pub fn write_and_sync(&mut self) {
        if self.outcome.is_none() {
            self.outcome = Some(self.runs.iter().try_for_each(|run| run.commit(&self.buffer)));
        }
    }

    /// Return the LSN of its last record.
    pub fn last_lsn(&self) -> Lsn {
        self.last_lsn
    }

    /// Return how many bytes it writes.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }
}

impl Run {
    fn commit(&self, buffer: &[u8]) -> Result<(), StorageError> {
        let bytes = &buffer[self.start..self.end];
        assert!(bytes.len().is_multiple_of(SECTOR_BYTES), "a run is whole sectors");
        assert!(self.offset.is_multiple_of(SECTOR_BYTES as u64), "a run starts on a sector");
        self.file.write_at(self.offset, bytes)?;
        self.file.sync_data()
    }
}
