//! Segments: files of fixed size, zeroed before use, each starting with one sector of header.
//!
//! ```text
//!  0  magic "ONRUSHJ1"      32 segment number      64 chain before its first frame (32)
//!  8  CRC-32C of 12..512    40 epoch               96 zero
//! 12  version (4)           48 first LSN
//! 16  journal id (16)       56 segment bytes
//! ```

use crate::chain::Chain;
use crate::layout::{JournalId, SEGMENT_HEADER_BYTES, array_at, segment_name, u32_at, u64_at};
use crate::storage::StorageFile;
use onrush_types::Lsn;
use std::sync::Arc;

const SEGMENT_MAGIC: [u8; 8] = *b"ONRUSHJ1";
/// The version of segments, frames and marks together.
pub const FORMAT_VERSION: u32 = 1;

/// What a segment says about itself. Its presence proves that every segment before it was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The journal it belongs to.
    pub journal: JournalId,
    /// Its number; names and numbers agree.
    pub number: u64,
    /// How many times the journal had been opened when it was begun.
    pub epoch: u64,
    /// The LSN of the first record in it.
    pub first_lsn: Lsn,
    /// Its size.
    pub bytes: u64,
    /// The chain's value before its first frame.
    pub chain: Chain,
}

impl SegmentHeader {
    /// Write the header into its sector.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut out = [0; SEGMENT_HEADER_BYTES];
        out[0..8].copy_from_slice(&SEGMENT_MAGIC);
        out[12..16].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        out[16..32].copy_from_slice(&self.journal.0);
        out[32..40].copy_from_slice(&self.number.to_le_bytes());
        out[40..48].copy_from_slice(&self.epoch.to_le_bytes());
        out[48..56].copy_from_slice(&self.first_lsn.0.to_le_bytes());
        out[56..64].copy_from_slice(&self.bytes.to_le_bytes());
        out[64..96].copy_from_slice(&self.chain.to_bytes());
        let checksum = crc32c::crc32c(&out[12..]);
        out[8..12].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Read a header back.
    ///
    /// # Errors
    /// When the sector is no header, or one of another version of the format.
    pub fn decode(sector: &[u8]) -> Result<SegmentHeader, HeaderFault> {
        let whole = sector.len() >= SEGMENT_HEADER_BYTES
            && sector[0..8] == SEGMENT_MAGIC
            && u32_at(sector, 8) == crc32c::crc32c(&sector[12..SEGMENT_HEADER_BYTES]);
        if !whole {
            return Err(HeaderFault::NoHeader);
        }
        let version = u32_at(sector, 12);
        if version != FORMAT_VERSION {
            return Err(HeaderFault::Version { version });
        }
        Ok(SegmentHeader {
            journal: JournalId(array_at(sector, 16)),
            number: u64_at(sector, 32),
            epoch: u64_at(sector, 40),
            first_lsn: Lsn(u64_at(sector, 48)),
            bytes: u64_at(sector, 56),
            chain: Chain::from_bytes(array_at(sector, 64)),
        })
    }
}

/// Why a sector is not a segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderFault {
    /// Wrong magic or checksum.
    NoHeader,
    /// Whole, but of another version of the format.
    Version {
        /// The version it states.
        version: u32,
    },
}

/// An open segment file.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) bytes: u64,
}

impl Segment {
    pub(crate) fn name(&self) -> String {
        segment_name(self.number)
    }
}
