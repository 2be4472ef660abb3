//! What a journal is opened with, and what opening and preparing tell.

use crate::chain::Chain;
use crate::layout::{FRAME_BYTES_MAX, JournalId, READY_SEGMENTS_MIN, SEGMENT_BYTES_DEFAULT};
use onrush_types::Lsn;

/// What a journal is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size of new segments: a multiple of 512 between 4 KiB and 1 GiB. Existing ones keep theirs.
    pub segment_bytes: u64,
    /// Where a frame is closed, a record larger than that having its own: a multiple of 512 up to
    /// [`FRAME_BYTES_MAX`]. Small values are for tests; room is
    /// then promised more cautiously.
    pub frame_bytes: usize,
    /// How many segments are kept zeroed ahead, 2 to 64: the last is the reserve for a full disk, the
    /// others carry a burst while more are prepared.
    pub ready_segments: usize,
    /// The id for a journal that has to be created: random, never used before. An existing journal
    /// keeps its own.
    pub new_id: JournalId,
}

impl Options {
    /// Return the usual options, given a random id.
    pub fn new(new_id: JournalId) -> Options {
        Options {
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            frame_bytes: FRAME_BYTES_MAX,
            ready_segments: READY_SEGMENTS_MIN,
            new_id,
        }
    }
}

/// What opening found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Whether the journal was created.
    pub created: bool,
    /// The oldest LSN that is kept, or would be: the first of the oldest segment.
    pub oldest_lsn: Lsn,
    /// The last record; all up to here are durable now.
    pub last_lsn: Lsn,
    /// Records handed to the replay.
    pub replayed: u64,
    /// The chain's value after the last frame found.
    pub chain: Chain,
    /// The torn tail that was cut, if there was one.
    pub cut: Option<Cut>,
}

/// A torn tail: written, never synced, never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub file: String,
    /// Where the kept part ends.
    pub offset: u64,
    /// How many bytes after that were not zero.
    pub bytes: u64,
}

/// How preparing segments stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Prepared {
    /// Enough segments are ready.
    Enough,
    /// Call again.
    More,
    /// The disk is full; call again later.
    DiskFull,
}
