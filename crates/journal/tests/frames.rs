//! Frames and headers as bytes: whatever is read from a disk is judged, never trusted.

mod common;

use common::*;
use onrush_journal::frame::{FrameFault, RawFrame};
use onrush_journal::{FakeDisk, JournalError, JournalId, JournalReader, SegmentHeader, Storage};
use onrush_types::Lsn;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// One segment with frames of several records.
fn segment() -> Vec<u8> {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    for n in 1..=9 {
        journal.append(&record(n)).unwrap();
        if n % 3 == 0 {
            journal.commit().unwrap();
        }
    }
    disk.content("segment-000000000001.journal").unwrap()
}

/// Walk the frames of a segment by their own lengths.
fn frames(segment: &[u8]) -> Vec<usize> {
    let mut starts = vec![512];
    while let Ok(bytes) = RawFrame::claimed_bytes(&segment[*starts.last().unwrap()..]) {
        starts.push(starts.last().unwrap() + bytes);
    }
    starts.pop();
    starts
}

#[test]
fn a_segment_is_a_header_and_frames_as_documented() {
    let segment = segment();
    let header = SegmentHeader::decode(&segment).unwrap();
    assert_eq!((header.number, header.first_lsn, header.bytes), (1, Lsn(1), SEGMENT_BYTES));
    assert_eq!(header.encode(), segment[..512]);
    let mut next = 1;
    for start in frames(&segment) {
        let frame = RawFrame::new(&segment[start..]).unwrap().check().unwrap();
        assert!(frame.belongs(header.journal, 1, start as u64));
        assert_eq!(frame.header().first_lsn, Lsn(next));
        for (lsn, bytes) in frame.records() {
            assert_eq!((lsn, bytes), (Lsn(next), record(next).as_slice()));
            next += 1;
        }
        assert_eq!(frame.next_lsn(), Lsn(next));
    }
    assert_eq!(next, 10);
}

#[test]
fn the_chain_is_as_documented() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 5, 1).unwrap();
    let segment = disk.content("segment-000000000001.journal").unwrap();
    let mut chain =
        Sha256::new().chain_update(b"onrush journal 1").chain_update([7; 16]).finalize();
    assert_eq!(segment[64..96], chain[..]);
    for start in frames(&segment) {
        assert_eq!(segment[start + 72..start + 88], chain[..16]);
        let payload = u32::from_le_bytes(segment[start + 64..start + 68].try_into().unwrap());
        let frame = &segment[start..start + 96 + payload as usize];
        chain = Sha256::new().chain_update(chain).chain_update(frame).finalize();
    }
    assert_eq!(journal.chain().to_bytes(), chain[..]);
}

#[test]
fn the_epoch_grows_with_each_opening() {
    let disk = FakeDisk::new(1);
    for _ in 0..3 {
        drop(open(&disk).unwrap());
    }
    let segment = disk.content("segment-000000000001.journal").unwrap();
    let epoch = |start: usize| {
        let frame = RawFrame::new(&segment[start..]).unwrap().check().unwrap();
        assert_eq!(frame.record_count(), 0, "a mark");
        frame.header().epoch
    };
    assert_eq!(frames(&segment).into_iter().map(epoch).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn every_flipped_bit_of_a_frame_is_found() {
    let segment = segment();
    let start = frames(&segment)[1];
    let bytes = 96 + u32::from_le_bytes(segment[start + 64..start + 68].try_into().unwrap());
    let frame = &segment[start..start + bytes as usize];
    assert!(RawFrame::new(frame).unwrap().check().is_ok());
    for bit in 0..frame.len() * 8 {
        let mut flipped = frame.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(RawFrame::new(&flipped).and_then(RawFrame::check).is_err(), "bit {bit}");
    }
    for end in 0..frame.len() {
        assert_eq!(RawFrame::new(&frame[..end]).unwrap_err(), FrameFault::TooShort);
    }
}

#[test]
fn every_flipped_bit_of_a_segment_header_is_found() {
    let segment = segment();
    for bit in 0..512 * 8 {
        let mut flipped = segment[..512].to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(SegmentHeader::decode(&flipped).is_err(), "bit {bit}");
    }
    assert!(SegmentHeader::decode(&segment[..511]).is_err());
}

/// Give changed bytes a checksum that holds, to reach the checks behind it.
fn reseal(frame: &mut [u8]) {
    let end = 96 + u32::from_le_bytes(frame[64..68].try_into().unwrap()) as usize;
    if let Some(covered) = frame.get(8..end) {
        let checksum = crc32c::crc32c(covered);
        frame[4..8].copy_from_slice(&checksum.to_le_bytes());
    }
}

#[test]
fn records_that_do_not_fill_the_frame_are_refused() {
    let segment = segment();
    let start = frames(&segment)[1];
    let good = &segment[start..start + 1_024];
    let with = |at: usize, value: u32| {
        let mut frame = good.to_vec();
        frame[at..at + 4].copy_from_slice(&value.to_le_bytes());
        reseal(&mut frame);
        RawFrame::new(&frame).and_then(RawFrame::check).map(|_| ()).unwrap_err()
    };
    let records = u32::from_le_bytes(good[68..72].try_into().unwrap());
    let first = u32::from_le_bytes(good[96..100].try_into().unwrap());
    assert_eq!(with(68, records + 1), FrameFault::Records, "one record too many");
    assert_eq!(with(68, records - 1), FrameFault::Records, "one too few");
    assert_eq!(with(96, first + 1), FrameFault::Records, "a longer first record");
    assert_eq!(with(96, 0), FrameFault::Records, "an empty record");
    assert_eq!(with(96, u32::MAX), FrameFault::Records, "a record beyond the frame");
    assert_eq!(with(64, 300 * 1024), FrameFault::LengthOutOfBounds);
    assert_eq!(with(32, 513), FrameFault::Fields, "a place off the sectors");
    assert_eq!(with(36, u32::MAX), FrameFault::Fields, "a run that starts behind it");
    assert_eq!(with(60, u32::MAX), FrameFault::Fields, "a synced LSN that is still to come");
    assert_eq!(with(56, 1), FrameFault::Fields, "a synced LSN that is its own first");
}

#[test]
fn a_frame_belongs_to_one_place_of_one_journal() {
    let segment = segment();
    let start = frames(&segment)[1];
    let frame = RawFrame::new(&segment[start..]).unwrap().check().unwrap();
    let (id, start) = (frame.header().journal, start as u64);
    let other = JournalId([9; 16]);
    assert!(frame.belongs(id, 1, start));
    for (journal, number, offset) in
        [(other, 1, start), (id, 2, start), (id, 1, start + 512), (id, 2, 0), (other, 2, start)]
    {
        assert!(!frame.belongs(journal, number, offset), "{journal} {number} {offset}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        if bytes.len() >= 4 {
            bytes[..4].copy_from_slice(b"OJF1");
        }
        if bytes.len() >= 96 {
            let payload = (bytes.len() as u32).saturating_sub(96);
            bytes[64..68].copy_from_slice(&payload.to_le_bytes());
            reseal(&mut bytes);
        }
        if let Ok(frame) = RawFrame::new(&bytes).and_then(RawFrame::check) {
            prop_assert_eq!(frame.records().count(), frame.record_count() as usize);
        }
        let _ = SegmentHeader::decode(&bytes);
    }

    #[test]
    fn mutated_frames_never_panic(changes in proptest::collection::vec((0_usize..900, any::<u8>()), 1..8)) {
        let segment = segment();
        let start = frames(&segment)[1];
        let mut frame = segment[start..start + 1_024].to_vec();
        for (at, value) in changes {
            frame[at] = value;
        }
        reseal(&mut frame);
        if let Ok(frame) = RawFrame::new(&frame).and_then(RawFrame::check) {
            prop_assert_eq!(frame.records().count(), frame.record_count() as usize);
            prop_assert!(frame.records().all(|(_, record)| !record.is_empty()));
        }
    }
}

/// Each field of a header has to continue what was read: one of another journal, with the right frames
/// behind it, is damage, and never an excuse for records that are gone.
#[test]
fn a_reader_enters_only_the_segment_that_continues() {
    let changes: [fn(&mut SegmentHeader); 3] = [
        |header| header.journal = JournalId([9; 16]),
        |header| header.first_lsn = header.first_lsn.next(),
        |header| header.chain = header.chain.then(b"another"),
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let disk = FakeDisk::new(1);
        let (mut journal, ..) = open(&disk).unwrap();
        fill(&mut journal, 40, 3).unwrap();
        let storage: Arc<dyn Storage> = Arc::new(disk.clone());
        let second = "segment-000000000002.journal";
        let mut header = SegmentHeader::decode(&disk.content(second).unwrap()).unwrap();
        let next = header.first_lsn;
        change(&mut header);
        let mut reader = JournalReader::open(storage.clone(), Lsn(1)).unwrap();
        for lsn in 1..next.0 {
            assert_eq!(reader.next(Lsn(40)).unwrap().unwrap().0, Lsn(lsn));
        }
        storage.open(second).unwrap().write_at(0, &header.encode()).unwrap();
        storage.remove("segment-000000000001.journal").unwrap();
        match reader.next(Lsn(40)) {
            Err(JournalError::Damaged(damage)) => assert_eq!(damage.lsn, next, "change {n}"),
            // What begins later than it says tells that what was before is gone.
            Err(JournalError::Truncated { oldest }) => {
                assert_eq!((n, oldest), (1, next.next()));
            }
            other => panic!("change {n}: {other:?}"),
        }
    }
}
