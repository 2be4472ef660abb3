//! Snapshots: a container of checksummed chunks. What the chunks mean is the caller's affair.
//!
//! A snapshot is written under a temporary name, synced, renamed, and then read back whole from the
//! disk; only that makes a [`VerifiedSnapshot`], without which no segment is removed. A reader checks
//! each chunk before it hands out its bytes: what it gives to rkyv, whose own check accepts flipped
//! bytes, is what was written. Layout (little endian):
//!
//! ```text
//! header, 64 bytes:  magic "ONRUSHS1" (8), CRC-32C of 12..64 (4), version (4), journal id (16),
//!                    LSN (8), layout fingerprint (8), zero (16)
//! chunk, 32 bytes:   magic "CHNK" (4), CRC-32C of 8..32 and the bytes (4), kind (4), bytes (4),
//!                    index (4), zero (4), LSN (8); then the bytes, then zeros up to 16
//! footer, 64 bytes:  magic "SEND" (4), CRC-32C of 8..64 (4), chunks (4), zero (12), length of the
//!                    file (8), SHA-256 of everything before the footer (32)
//! ```

mod read;
mod write;

pub use read::{ChunkInfo, SnapshotReader, find_snapshots};
pub use write::{SNAPSHOTS_KEPT, SnapshotWriter, VerifiedSnapshot, remove_old_snapshots};

use crate::layout::{JournalId, array_at, u32_at, u64_at};
use crate::storage::StorageError;
use onrush_types::Lsn;
use std::fmt;

pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const CHUNK_HEADER_BYTES: usize = 32;
pub(crate) const FOOTER_BYTES: usize = 64;
pub(crate) const CHUNK_ALIGN: usize = 16;
const MAGIC: [u8; 8] = *b"ONRUSHS1";
const CHUNK_MAGIC: [u8; 4] = *b"CHNK";
const FOOTER_MAGIC: [u8; 4] = *b"SEND";
const VERSION: u32 = 1;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// The journal it belongs to.
    pub journal: JournalId,
    /// It holds the effect of every record up to here.
    pub lsn: Lsn,
    /// Stands for the layout of the chunks' bytes; another value means they cannot be read.
    pub fingerprint: u64,
}

impl SnapshotHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..8].copy_from_slice(&MAGIC);
        out[12..16].copy_from_slice(&VERSION.to_le_bytes());
        out[16..32].copy_from_slice(&self.journal.0);
        out[32..40].copy_from_slice(&self.lsn.0.to_le_bytes());
        out[40..48].copy_from_slice(&self.fingerprint.to_le_bytes());
        let checksum = crc32c::crc32c(&out[12..]);
        out[8..12].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<SnapshotHeader, &'static str> {
        if bytes[0..8] != MAGIC || u32_at(bytes, 8) != crc32c::crc32c(&bytes[12..]) {
            return Err("its header is not whole");
        }
        if u32_at(bytes, 12) != VERSION {
            return Err("it was written by another version of the format");
        }
        Ok(SnapshotHeader {
            journal: JournalId(array_at(bytes, 16)),
            lsn: Lsn(u64_at(bytes, 32)),
            fingerprint: u64_at(bytes, 40),
        })
    }
}

/// Write a chunk's header, given its bytes.
pub(crate) fn encode_chunk(info: ChunkInfo, lsn: Lsn, bytes: &[u8]) -> [u8; CHUNK_HEADER_BYTES] {
    let mut out = [0; CHUNK_HEADER_BYTES];
    out[0..4].copy_from_slice(&CHUNK_MAGIC);
    out[8..12].copy_from_slice(&info.kind.to_le_bytes());
    out[12..16].copy_from_slice(&info.bytes.to_le_bytes());
    out[16..20].copy_from_slice(&info.index.to_le_bytes());
    out[24..32].copy_from_slice(&lsn.0.to_le_bytes());
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&out[8..]), bytes);
    out[4..8].copy_from_slice(&checksum.to_le_bytes());
    out
}

/// The last 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) chunks: u32,
    pub(crate) file_bytes: u64,
    pub(crate) digest: [u8; 32],
}

impl Footer {
    pub(crate) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut out = [0; FOOTER_BYTES];
        out[0..4].copy_from_slice(&FOOTER_MAGIC);
        out[8..12].copy_from_slice(&self.chunks.to_le_bytes());
        out[24..32].copy_from_slice(&self.file_bytes.to_le_bytes());
        out[32..64].copy_from_slice(&self.digest);
        let checksum = crc32c::crc32c(&out[8..]);
        out[4..8].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; FOOTER_BYTES]) -> Option<Footer> {
        let whole = bytes[0..4] == FOOTER_MAGIC && u32_at(bytes, 4) == crc32c::crc32c(&bytes[8..]);
        whole.then(|| Footer {
            chunks: u32_at(bytes, 8),
            file_bytes: u64_at(bytes, 24),
            digest: array_at(bytes, 32),
        })
    }
}

pub(crate) fn is_chunk(bytes: &[u8; CHUNK_HEADER_BYTES]) -> bool {
    bytes[0..4] == CHUNK_MAGIC
}

/// Why a snapshot could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The disk failed or was full. The snapshots from before are untouched.
    Storage(StorageError),
    /// The file is not what was written: use the one before, or replay the whole journal.
    Damaged {
        /// Which file.
        file: String,
        /// Where.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// The chunks have a layout that this program does not read: use the program that wrote it, or
    /// replay the whole journal.
    Layout {
        /// Which file.
        file: String,
        /// The fingerprint it states.
        found: u64,
        /// The fingerprint wanted.
        wanted: u64,
    },
    /// A chunk is longer than the limit.
    ChunkSize {
        /// How long it is.
        bytes: usize,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Storage(e) => e.fmt(f),
            SnapshotError::Damaged { file, offset, what } => write!(
                f,
                "{file} is damaged at byte {offset}: {what}. Remove it: the snapshot before it, or \
                 the journal alone, gives the same state"
            ),
            SnapshotError::Layout { file, found, wanted } => write!(
                f,
                "{file} has layout {found:016x}, this program reads {wanted:016x}: use the program \
                 that wrote it, or remove the file to replay the journal"
            ),
            SnapshotError::ChunkSize { bytes } => write!(
                f,
                "a snapshot chunk has at most {} bytes, this one has {bytes}",
                crate::layout::CHUNK_BYTES_MAX
            ),
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            SnapshotError::Storage(e) => Some(e),
            _ => None,
        }
    }
}

impl From<StorageError> for SnapshotError {
    fn from(error: StorageError) -> SnapshotError {
        SnapshotError::Storage(error)
    }
}
