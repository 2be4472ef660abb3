//! Frames of the journal, from bytes nobody vouches for.

use onrush_journal::frame::RawFrame;
use onrush_journal::layout::{FRAME_BYTES_MAX, FRAME_HEADER_BYTES, SECTOR_BYTES};

/// Check the frame in `data` after its first byte, which says whether to mend the checksum first: a
/// fuzzer does not guess one. Returns the number of records of a frame that passes.
///
/// # Panics
/// When a frame passes and contradicts itself.
pub fn frame(data: &[u8]) -> Option<u32> {
    let (mend, bytes) = data.split_first()?;
    let mut bytes = bytes.to_vec();
    if mend & 1 == 1 {
        mend_checksum(&mut bytes);
    }
    let raw = RawFrame::new(&bytes).ok()?;
    let claimed = RawFrame::claimed_bytes(&bytes).expect("it was taken");
    let frame = raw.check().ok()?;
    let header = *frame.header();
    assert_eq!(frame.bytes_in_segment(), claimed);
    assert!(claimed.is_multiple_of(SECTOR_BYTES) && claimed <= FRAME_BYTES_MAX + SECTOR_BYTES);
    assert!(header.synced_lsn < header.first_lsn, "a frame vouches for what came before it only");
    assert!(header.run_offset <= header.offset);
    let mut next = header.first_lsn;
    for (lsn, record) in frame.records() {
        assert_eq!(lsn, next, "records are numbered without gaps");
        assert!(!record.is_empty());
        next = lsn.next();
    }
    assert_eq!(next, frame.next_lsn(), "the header counts the records that are there");
    Some(frame.record_count())
}

/// Write the checksum that the frame's own length asks for, where there is a whole frame.
fn mend_checksum(bytes: &mut [u8]) {
    let Some(length) = bytes.get(64..68) else { return };
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    let Some(covered) = length.checked_add(FRAME_HEADER_BYTES).and_then(|end| bytes.get(8..end))
    else {
        return;
    };
    let checksum = crc32c::crc32c(covered);
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
}
