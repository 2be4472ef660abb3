//! Sizes, limits and file names of the format; `docs/journal-format.md` has the diagrams.

use crate::storage::StorageError;
use onrush_types::Lsn;
use std::fmt;

/// The unit that a disk writes whole or not at all. Frames start on it, so that a sector which was
/// synced is never written again with other content.
pub const SECTOR_BYTES: usize = 512;

/// Bytes of a segment's header: one sector.
pub const SEGMENT_HEADER_BYTES: usize = SECTOR_BYTES;

/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 96;

/// Bytes of one frame with header and padding. Small enough that hashing works in the second-level
/// cache, large enough that the header costs nothing.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Bytes of one record. A small segment lowers it further, see [`record_bytes_max`].
pub const RECORD_BYTES_MAX: usize = 64 * 1024;

/// Bytes in front of each record: its length.
pub const RECORD_HEADER_BYTES: usize = 4;

/// The smallest segment: tests and simulations cross segments often with it.
pub const SEGMENT_BYTES_MIN: u64 = 4 * 1024;

/// The largest segment: offsets are kept in 32 bits.
pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// The usual segment: half a second at a million records a second.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;

/// Segments kept zeroed ahead of the one in use, at least: the next, and the reserve that only
/// records which end something may enter when the disk is full.
pub const READY_SEGMENTS_MIN: usize = 2;

/// Segments kept zeroed ahead, at most.
pub const READY_SEGMENTS_MAX: usize = 64;

/// Bytes zeroed and synced by one step of preparing a segment. Measured beside small commits on a
/// virtual disk: 64 MiB in steps of 1 MiB take 350 ms, of 4 MiB 60 to 115 ms, and the commits are no
/// slower.
pub const PREPARE_STEP_BYTES: u64 = 4 << 20;

/// Bytes of one snapshot chunk.
pub const CHUNK_BYTES_MAX: usize = 4 << 20;

const _: () = assert!(FRAME_BYTES_MAX.is_multiple_of(SECTOR_BYTES), "frames end on a sector");
const _: () = assert!(FRAME_HEADER_BYTES < SECTOR_BYTES, "a frame's header is one sector's");
const _: () = assert!(
    FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + RECORD_BYTES_MAX <= FRAME_BYTES_MAX,
    "the largest record fits one frame"
);
const _: () = assert!(SEGMENT_BYTES_MAX <= u32::MAX as u64, "offsets are kept in 32 bits");
const _: () = assert!(
    SEGMENT_BYTES_MIN >= (SEGMENT_HEADER_BYTES + 2 * SECTOR_BYTES) as u64,
    "a segment holds its header, a frame and a mark"
);

/// Return the largest record that fits a segment of `segment_bytes`.
pub const fn record_bytes_max(segment_bytes: u64) -> usize {
    let room =
        segment_bytes as usize - SEGMENT_HEADER_BYTES - FRAME_HEADER_BYTES - RECORD_HEADER_BYTES;
    if room < RECORD_BYTES_MAX { room } else { RECORD_BYTES_MAX }
}

/// Round up to whole sectors.
#[inline]
pub(crate) const fn sectors_up(bytes: usize) -> usize {
    bytes.next_multiple_of(SECTOR_BYTES)
}

/// Who a journal is: sixteen random bytes chosen when it is created, kept in every segment and
/// frame, so that a file of another journal is never taken for one of this.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct JournalId(pub [u8; 16]);

impl fmt::Debug for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JournalId({self})")
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The name under which a segment is prepared; it gets its own name once it is zeroed and synced.
pub(crate) const PREPARING_NAME: &str = "segment.tmp";

/// The name under which a snapshot is written before it is whole.
pub(crate) const SNAPSHOT_TEMP_NAME: &str = "snapshot.tmp";

pub(crate) fn segment_name(number: u64) -> String {
    format!("segment-{number:012}.journal")
}

pub(crate) fn segment_number(name: &str) -> Option<u64> {
    number_between(name, "segment-", ".journal")
}

pub(crate) fn snapshot_name(lsn: Lsn) -> String {
    format!("snapshot-{:020}.snap", lsn.0)
}

pub(crate) fn snapshot_lsn(name: &str) -> Option<Lsn> {
    number_between(name, "snapshot-", ".snap").map(Lsn)
}

/// Parse names exactly as they are written, so that a stray copy is not taken for a file of ours.
fn number_between(name: &str, before: &str, after: &str) -> Option<u64> {
    let digits = name.strip_prefix(before)?.strip_suffix(after)?;
    let number = digits.parse().ok()?;
    let canonical =
        if before == "segment-" { segment_name(number) } else { snapshot_name(Lsn(number)) };
    (canonical == name).then_some(number)
}

/// Little-endian reads from a slice that the caller has checked to be long enough.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// Check the sizes given by the caller.
pub(crate) fn check_sizes(
    segment_bytes: u64,
    frame_bytes: usize,
    ready_segments: usize,
) -> Result<(), StorageError> {
    if !(READY_SEGMENTS_MIN..=READY_SEGMENTS_MAX).contains(&ready_segments) {
        let remedy = "keep 2 to 64 segments ready";
        return Err(StorageError::invalid("choose how many segments are ready", "", remedy));
    }
    let segment_whole = segment_bytes.is_multiple_of(SECTOR_BYTES as u64);
    if !segment_whole || !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&segment_bytes) {
        let remedy = "use a multiple of 512 between 4 KiB and 1 GiB";
        return Err(StorageError::invalid("choose the segment size", "", remedy));
    }
    let frame_whole = frame_bytes.is_multiple_of(SECTOR_BYTES);
    if !frame_whole || !(SECTOR_BYTES..=FRAME_BYTES_MAX).contains(&frame_bytes) {
        let remedy = "use a multiple of 512 up to 256 KiB";
        return Err(StorageError::invalid("choose the frame size", "", remedy));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_only_as_they_are_written() {
        assert_eq!(segment_number(&segment_name(7)), Some(7));
        assert_eq!(segment_number(&segment_name(u64::MAX)), Some(u64::MAX));
        assert_eq!(snapshot_lsn(&snapshot_name(Lsn(9))), Some(Lsn(9)));
        for stray in ["segment-7.journal", "segment-+00000000007.journal", "segment-.journal"] {
            assert_eq!(segment_number(stray), None, "{stray}");
        }
        assert_eq!(snapshot_lsn("snapshot-9.snap"), None);
        assert_eq!(snapshot_lsn(&segment_name(9)), None);
    }

    #[test]
    fn a_journal_is_named_by_its_bytes() {
        let mut bytes = [0; 16];
        (bytes[0], bytes[15]) = (0xa7, 9);
        assert_eq!(JournalId(bytes).to_string(), "a7000000000000000000000000000009");
    }

    #[test]
    fn the_record_limit_follows_small_segments() {
        assert_eq!(record_bytes_max(4096), 4096 - 512 - 96 - 4);
        assert_eq!(record_bytes_max(SEGMENT_BYTES_DEFAULT), RECORD_BYTES_MAX);
    }
}
