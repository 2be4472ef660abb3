//! What can go wrong with a journal, and what to do then.

use crate::storage::StorageError;
use onrush_types::Lsn;
use std::fmt;

/// Why the journal could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalError {
    /// A write or sync failed, now or earlier. The journal accepts nothing more: what the failed
    /// commit held may or may not be on the disk, and only opening the journal anew tells.
    Failed(StorageError),
    /// The disk failed while the journal was being opened or read. Nothing was changed by it.
    Storage(StorageError),
    /// What was synced is no longer there as it was written. Nothing was changed.
    Damaged(Damage),
    /// The records asked for are no longer kept.
    Truncated {
        /// The oldest that is.
        oldest: Lsn,
    },
    /// A segment between others is missing.
    SegmentMissing {
        /// Its number.
        number: u64,
    },
    /// The snapshot is ahead of the journal: its end was lost, or it is another one's.
    SnapshotAhead {
        /// The snapshot's LSN.
        snapshot: Lsn,
        /// The journal's last.
        last: Lsn,
    },
    /// The file was written by another version of the format.
    Version {
        /// Which file.
        file: String,
        /// The version it states.
        version: u32,
    },
    /// The prepared segments are used up; the disk must get room, and preparing go on.
    NoRoom,
    /// A record is empty or longer than the limit.
    RecordSize {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// A batch is being written; hand it back before taking the next.
    BatchInFlight,
    /// Segments may be removed only below two different snapshots that were read back.
    NotCovered,
}

/// Where and how a journal is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The damaged file.
    pub file: String,
    /// The first byte that is not what was written, or the start of the frame that holds it.
    pub offset: u64,
    /// The first LSN that cannot be read any more.
    pub lsn: Lsn,
    /// What is wrong there.
    pub what: String,
    /// What proves that it was synced once.
    pub proof: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { file, offset, lsn, what, proof } = self;
        write!(
            f,
            "{file} is damaged at byte {offset}, from LSN {lsn} on: {what}; {proof}. Nothing was \
             changed: restore this file from a copy, or the folder from a backup"
        )
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JournalError::Failed(e) => write!(
                f,
                "the journal stopped for good: {e}. Check the disk, then start again: what was \
                 acknowledged is kept"
            ),
            JournalError::Storage(e) => e.fmt(f),
            JournalError::Damaged(damage) => damage.fmt(f),
            JournalError::Truncated { oldest } => write!(
                f,
                "records below LSN {oldest} are no longer kept: start from a snapshot at or after it"
            ),
            JournalError::SegmentMissing { number } => write!(
                f,
                "{} is missing: restore it from a copy",
                crate::layout::segment_name(*number)
            ),
            JournalError::SnapshotAhead { snapshot, last } => write!(
                f,
                "the snapshot is at LSN {snapshot}, but the journal ends at {last}: restore the \
                 journal's files from a copy, the snapshot alone misses what came after"
            ),
            JournalError::Version { file, version } => write!(
                f,
                "{file} has format version {version}, this program reads {}: use the program \
                 that wrote it",
                crate::segment::FORMAT_VERSION
            ),
            JournalError::NoRoom => {
                f.write_str("the prepared segments are used up: make room on the disk")
            }
            JournalError::RecordSize { bytes, bytes_max } => {
                write!(f, "a record has 1 to {bytes_max} bytes, this one has {bytes}")
            }
            JournalError::BatchInFlight => {
                f.write_str("a batch is being written: hand it back before taking the next")
            }
            JournalError::NotCovered => f.write_str(
                "segments are removed only below the older of two snapshots that were read back",
            ),
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            JournalError::Failed(e) | JournalError::Storage(e) => Some(e),
            _ => None,
        }
    }
}

impl From<StorageError> for JournalError {
    fn from(error: StorageError) -> JournalError {
        JournalError::Storage(error)
    }
}

/// Why a journal could not be opened: its own error, or one of the caller's replay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenError<E> {
    /// The journal's.
    Journal(JournalError),
    /// The replay refused a record.
    Replay {
        /// Which one.
        lsn: Lsn,
        /// Why.
        error: E,
    },
}

impl<E: fmt::Display> fmt::Display for OpenError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Journal(e) => e.fmt(f),
            OpenError::Replay { lsn, error } => {
                write!(f, "the record at LSN {lsn} cannot be replayed: {error}")
            }
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for OpenError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Journal(e) => Some(e),
            OpenError::Replay { error, .. } => Some(error),
        }
    }
}

impl<E> From<JournalError> for OpenError<E> {
    fn from(error: JournalError) -> OpenError<E> {
        OpenError::Journal(error)
    }
}

impl<E> From<StorageError> for OpenError<E> {
    fn from(error: StorageError) -> OpenError<E> {
        OpenError::Journal(JournalError::Storage(error))
    }
}
