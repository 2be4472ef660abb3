//! Frames: many records under one header, checksum and link of the chain.
//!
//! [`RawFrame`] is what was read from a disk; only [`RawFrame::check`] makes a [`Frame`] of it, whose
//! records can be walked without further errors. Layout (little endian, offsets in bytes):
//!
//! ```text
//!  0  magic "OJF1"        24 segment number   48 first LSN      64 payload bytes
//!  4  CRC-32C of 8..end   32 place in segment 56 synced LSN     68 records
//!  8  journal id (16)     36 start of its run                   72 chain before, 16 bytes
//!                         40 epoch                              88 zero (8)
//! 96  records, each: length (4), bytes; then zeros up to a whole sector
//! ```

use crate::chain::Chain;
use crate::layout::{
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, JournalId, RECORD_BYTES_MAX, RECORD_HEADER_BYTES,
    SECTOR_BYTES, array_at, sectors_up, u32_at, u64_at,
};
use onrush_types::Lsn;
use onrush_types::planted;
use std::fmt;

pub(crate) const FRAME_MAGIC: [u8; 4] = *b"OJF1";

/// The fields of a frame's header that its writer chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The journal it belongs to.
    pub journal: JournalId,
    /// The segment it belongs in.
    pub segment: u64,
    /// Where in the segment it starts; a multiple of 512.
    pub offset: u32,
    /// Where in the segment the run began that it was written and synced with. Everything before,
    /// here and in earlier segments, was synced when this frame was written.
    pub run_offset: u32,
    /// How many times the journal had been opened; grows by one with each opening.
    pub epoch: u64,
    /// The LSN of its first record, or of the next one if it has none.
    pub first_lsn: Lsn,
    /// The last LSN that was synced when this frame was written.
    pub synced_lsn: Lsn,
    /// The chain's value before this frame, shortened.
    pub chain_before: [u8; 16],
}

/// Bytes that claim to be a frame. Nothing about them is trusted yet.
#[derive(Clone, Copy, Debug)]
pub struct RawFrame<'a> {
    bytes: &'a [u8],
    payload_bytes: usize,
}

impl<'a> RawFrame<'a> {
    /// Return how many bytes the frame that starts with `header` claims to take with its padding.
    ///
    /// # Errors
    /// When no frame can start so: wrong magic, or a length out of bounds.
    pub fn claimed_bytes(header: &[u8]) -> Result<usize, FrameFault> {
        if header.len() < FRAME_HEADER_BYTES {
            return Err(FrameFault::TooShort);
        }
        if header[..4] != FRAME_MAGIC {
            return Err(FrameFault::NoMagic);
        }
        let payload_bytes = u32_at(header, 64) as usize;
        if payload_bytes > FRAME_BYTES_MAX - FRAME_HEADER_BYTES {
            return Err(FrameFault::LengthOutOfBounds);
        }
        Ok(sectors_up(FRAME_HEADER_BYTES + payload_bytes))
    }

    /// Return which journal, segment and byte of it a frame that starts with `header` claims to be for,
    /// unchecked: the rest of the frame may be missing.
    pub(crate) fn claimed_place(header: &[u8]) -> Option<(JournalId, u64, u32)> {
        RawFrame::claimed_bytes(header).ok()?;
        Some((JournalId(array_at(header, 8)), u64_at(header, 24), u32_at(header, 32)))
    }

    /// Take the frame at the start of `bytes`, without looking past its lengths.
    ///
    /// # Errors
    /// As for [`RawFrame::claimed_bytes`], or when `bytes` ends before the payload does.
    pub fn new(bytes: &'a [u8]) -> Result<RawFrame<'a>, FrameFault> {
        RawFrame::claimed_bytes(bytes)?;
        let payload_bytes = u32_at(bytes, 64) as usize;
        match bytes.get(..FRAME_HEADER_BYTES + payload_bytes) {
            Some(bytes) => Ok(RawFrame { bytes, payload_bytes }),
            None => Err(FrameFault::TooShort),
        }
    }

    /// Check the checksum and every length, and trust the frame from here on.
    ///
    /// Whether it belongs to this journal and this place is for the caller to ask next: see
    /// [`Frame::belongs`].
    ///
    /// # Errors
    /// The first thing found wrong. Cost: one pass of CRC-32C and one look at each record's length.
    pub fn check(self) -> Result<Frame<'a>, FrameFault> {
        if planted!(
            "checksum-unchecked",
            false,
            crc32c::crc32c(&self.bytes[8..]) != u32_at(self.bytes, 4)
        ) {
            return Err(FrameFault::Checksum);
        }
        let header = FrameHeader {
            journal: JournalId(array_at(self.bytes, 8)),
            segment: u64_at(self.bytes, 24),
            offset: u32_at(self.bytes, 32),
            run_offset: u32_at(self.bytes, 36),
            epoch: u64_at(self.bytes, 40),
            first_lsn: Lsn(u64_at(self.bytes, 48)),
            synced_lsn: Lsn(u64_at(self.bytes, 56)),
            chain_before: array_at(self.bytes, 72),
        };
        let records = u32_at(self.bytes, 68);
        let payload = &self.bytes[FRAME_HEADER_BYTES..];
        if count_records(payload) != Some(records) {
            return Err(FrameFault::Records);
        }
        let sound = header.run_offset <= header.offset
            && (header.offset as usize).is_multiple_of(SECTOR_BYTES)
            && header.synced_lsn < header.first_lsn
            && header.first_lsn.0.checked_add(u64::from(records)).is_some();
        if !sound {
            return Err(FrameFault::Fields);
        }
        debug_assert_eq!(payload.len(), self.payload_bytes);
        Ok(Frame { bytes: self.bytes, header, records })
    }
}

/// Count the records, if they fill the payload exactly.
fn count_records(payload: &[u8]) -> Option<u32> {
    let (mut at, mut records) = (0, 0);
    while at < payload.len() {
        let bytes = u32_at(payload.get(at..at + RECORD_HEADER_BYTES)?, 0) as usize;
        if bytes == 0 || bytes > RECORD_BYTES_MAX {
            return None;
        }
        at += RECORD_HEADER_BYTES + bytes;
        records += 1;
    }
    (at == payload.len()).then_some(records)
}

/// A frame whose checksum and lengths hold.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    header: FrameHeader,
    records: u32,
}

impl<'a> Frame<'a> {
    /// Return the header.
    pub fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// Return how many records it holds; none in a durable mark.
    pub fn record_count(&self) -> u32 {
        self.records
    }

    /// Return the LSN after its last record.
    pub fn next_lsn(&self) -> Lsn {
        Lsn(self.header.first_lsn.0 + u64::from(self.records))
    }

    /// Return the bytes it takes in the segment, with its padding.
    pub fn bytes_in_segment(&self) -> usize {
        sectors_up(self.bytes.len())
    }

    /// Tell whether it was written by the journal `id` for this place.
    pub fn belongs(&self, id: JournalId, segment: u64, offset: u64) -> bool {
        self.header.journal == id
            && self.header.segment == segment
            && u64::from(self.header.offset) == offset
    }

    /// Return the chain's value after this frame, or nothing if it does not follow `before`.
    pub fn link(&self, before: Chain) -> Option<Chain> {
        (self.header.chain_before == before.short()).then(|| before.then(self.bytes))
    }

    /// Walk the records in order.
    pub fn records(&self) -> Records<'a> {
        Records { rest: &self.bytes[FRAME_HEADER_BYTES..], next: self.header.first_lsn }
    }
}

/// The records of one frame, in order, each with its LSN.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    next: Lsn,
}

impl<'a> Iterator for Records<'a> {
    type Item = (Lsn, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(Lsn, &'a [u8])> {
        let (length, rest) = self.rest.split_first_chunk::<RECORD_HEADER_BYTES>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let lsn = self.next;
        self.rest = rest;
        self.next = lsn.next();
        Some((lsn, record))
    }
}

/// Fill in the header and checksum of a frame whose records already stand behind the space for it.
///
/// # Panics
/// When the frame would not be readable again: the writer's own mistake, found before it is written.
pub(crate) fn seal(frame: &mut [u8], header: &FrameHeader, records: u32) {
    assert!((FRAME_HEADER_BYTES..=FRAME_BYTES_MAX).contains(&frame.len()), "frame size");
    assert!(header.synced_lsn < header.first_lsn, "a frame states only what came before it");
    assert!(header.run_offset <= header.offset, "a run starts at or before its frames");
    let payload_bytes = (frame.len() - FRAME_HEADER_BYTES) as u32;
    frame[0..4].copy_from_slice(&FRAME_MAGIC);
    frame[8..24].copy_from_slice(&header.journal.0);
    frame[24..32].copy_from_slice(&header.segment.to_le_bytes());
    frame[32..36].copy_from_slice(&header.offset.to_le_bytes());
    frame[36..40].copy_from_slice(&header.run_offset.to_le_bytes());
    frame[40..48].copy_from_slice(&header.epoch.to_le_bytes());
    frame[48..56].copy_from_slice(&header.first_lsn.0.to_le_bytes());
    frame[56..64].copy_from_slice(&header.synced_lsn.0.to_le_bytes());
    frame[64..68].copy_from_slice(&payload_bytes.to_le_bytes());
    frame[68..72].copy_from_slice(&records.to_le_bytes());
    frame[72..88].copy_from_slice(&header.chain_before);
    frame[88..96].fill(0);
    let checksum = crc32c::crc32c(&frame[8..]);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameFault {
    /// The bytes end before the frame does.
    TooShort,
    /// They do not start as a frame does.
    NoMagic,
    /// The payload's length is beyond the limit.
    LengthOutOfBounds,
    /// The checksum does not match.
    Checksum,
    /// The records do not fill the payload exactly.
    Records,
    /// A field contradicts another.
    Fields,
}

impl fmt::Display for FrameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrameFault::TooShort => "the file ends inside a frame",
            FrameFault::NoMagic => "no frame starts here",
            FrameFault::LengthOutOfBounds => "the frame's length is out of bounds",
            FrameFault::Checksum => "the frame's checksum does not match",
            FrameFault::Records => "the frame's records do not fill it",
            FrameFault::Fields => "the frame's header contradicts itself",
        })
    }
}

impl std::error::Error for FrameFault {}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(lengths: &[usize]) -> Vec<u8> {
        let mut payload = Vec::new();
        for &length in lengths {
            payload.extend_from_slice(&(length as u32).to_le_bytes());
            payload.resize(payload.len() + length, 7);
        }
        payload
    }

    #[test]
    fn records_fill_their_frame_exactly() {
        assert_eq!(count_records(&[]), Some(0));
        assert_eq!(count_records(&records(&[1, 5, RECORD_BYTES_MAX])), Some(3));
        assert_eq!(count_records(&records(&[1, RECORD_BYTES_MAX + 1])), None, "too long");
        assert_eq!(count_records(&records(&[1, 0])), None, "empty");
        let whole = records(&[2, 3]);
        for cut in (1..whole.len()).filter(|cut| *cut != 6) {
            assert_eq!(count_records(&whole[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_frame_claims_no_more_than_there_may_be() {
        let mut header = [0; FRAME_HEADER_BYTES];
        header[..4].copy_from_slice(&FRAME_MAGIC);
        for (payload, claimed) in [
            (0, Ok(512)),
            (416, Ok(512)),
            (417, Ok(1_024)),
            (FRAME_BYTES_MAX - FRAME_HEADER_BYTES, Ok(FRAME_BYTES_MAX)),
            (FRAME_BYTES_MAX - FRAME_HEADER_BYTES + 1, Err(FrameFault::LengthOutOfBounds)),
        ] {
            header[64..68].copy_from_slice(&(payload as u32).to_le_bytes());
            assert_eq!(RawFrame::claimed_bytes(&header), claimed, "{payload} bytes");
        }
        assert_eq!(RawFrame::claimed_bytes(&header[..95]), Err(FrameFault::TooShort));
    }
}
