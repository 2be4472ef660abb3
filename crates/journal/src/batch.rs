//! A batch: what one commit writes and syncs.
//!
//! A batch is a list of runs, each one contiguous write to one segment followed by its own sync. A
//! run is written only after the run before it was synced; that is what every frame states.
//!
//! Checksums and chain are computed here and not while records come in: most of a commit's work then
//! runs on the thread that writes, which need not be the one that decides.

use crate::chain::Chain;
use crate::frame::{FrameHeader, seal};
use crate::layout::{SECTOR_BYTES, SEGMENT_HEADER_BYTES};
use crate::segment::SegmentHeader;
use crate::storage::{StorageError, StorageFile};
use onrush_types::Lsn;
use onrush_types::planted;
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

/// A part of a batch's buffer that still lacks checksum and chain.
#[derive(Debug)]
pub(crate) struct Part {
    /// Where in the buffer it starts and ends, without padding.
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: PartKind,
}

#[derive(Debug)]
pub(crate) enum PartKind {
    /// The header of a segment that begins.
    Segment(SegmentHeader),
    /// A frame, and how many records it has.
    Frame(FrameHeader, u32),
}

/// A batch on its way to the disk. Taken by `Journal::take_batch`, handed back to
/// `Journal::synced`; in between it may be written by another thread.
#[derive(Debug)]
#[must_use = "write it and hand it back to the journal, or nothing is ever committed again"]
pub struct Batch {
    pub(crate) buffer: Vec<u8>,
    pub(crate) runs: Vec<Run>,
    pub(crate) parts: Vec<Part>,
    /// Before the batch; after it, once it was sealed.
    pub(crate) chain: Chain,
    pub(crate) last_lsn: Lsn,
    pub(crate) outcome: Option<Result<(), StorageError>>,
}

impl Batch {
    pub(crate) fn empty(chain: Chain) -> Batch {
        let (buffer, runs, parts) = (Vec::new(), Vec::new(), Vec::new());
        Batch { buffer, runs, parts, chain, last_lsn: Lsn::ZERO, outcome: None }
    }

    /// Seal every frame, write every run and sync it, in order; stop at the first failure, which the
    /// journal is told when the batch is handed back.
    ///
    /// Cost: CRC-32C and SHA-256 over the bytes; one write and one sync a run; one run unless the
    /// batch crosses into the next segment.
    pub fn write_and_sync(&mut self) {
        if self.outcome.is_none() {
            self.seal();
            self.outcome = Some(self.runs.iter().try_for_each(|run| run.commit(&self.buffer)));
        }
    }

    /// Give every header its checksum, and every frame its link.
    fn seal(&mut self) {
        for Part { start, end, kind } in self.parts.drain(..) {
            let bytes = &mut self.buffer[start..end];
            match kind {
                PartKind::Segment(header) => {
                    assert_eq!(bytes.len(), SEGMENT_HEADER_BYTES, "a header is one sector");
                    bytes.copy_from_slice(&SegmentHeader { chain: self.chain, ..header }.encode());
                }
                PartKind::Frame(header, records) => {
                    let header = FrameHeader { chain_before: self.chain.short(), ..header };
                    seal(bytes, &header, records);
                    self.chain = self.chain.then(bytes);
                }
            }
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
        planted!("commit-unsynced", Ok(()), self.file.sync_data())
    }
}
