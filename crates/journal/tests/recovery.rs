//! What recovery takes for the continuation of the journal, to the field: everything else is refused
//! where it is damage, and cut where it can be a torn tail (C2, C6, C8).

mod common;

use common::*;
use onrush_journal::frame::RawFrame;
use onrush_journal::{Damage, FakeDisk, JournalError, OpenError, SegmentHeader, Storage, verify};
use onrush_types::Lsn;
use std::convert::Infallible;

const FIRST: &str = "segment-000000000001.journal";
const SECOND: &str = "segment-000000000002.journal";

type Change = fn(&mut SegmentHeader);

fn damage(disk: &FakeDisk) -> Damage {
    match open_error(disk) {
        JournalError::Damaged(damage) => damage,
        other => panic!("{other}"),
    }
}

/// Change eight bytes of the frame at `start`, and give it a checksum that holds.
fn restate(disk: &FakeDisk, start: usize, at: usize, value: u64) {
    let mut frame = disk.content(FIRST).unwrap().split_off(start);
    frame[at..at + 8].copy_from_slice(&value.to_le_bytes());
    let end = 96 + u32::from_le_bytes(frame[64..68].try_into().unwrap()) as usize;
    let checksum = crc32c::crc32c(&frame[8..end]);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
    disk.open(FIRST).unwrap().write_at(start as u64, &frame[..end]).unwrap();
}

/// A journal that has just begun its second segment, with one record a commit.
fn just_in_the_second_segment() -> (FakeDisk, Lsn) {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    while disk.content(SECOND).unwrap()[..512] == [0; 512] {
        let next = journal.last_lsn().0 + 1;
        fill(&mut journal, next, 1).unwrap();
    }
    (disk, journal.last_lsn())
}

#[test]
fn c6_a_segment_is_entered_only_where_each_field_of_its_header_continues() {
    let good = FakeDisk::new(1);
    let (mut journal, ..) = open(&good).unwrap();
    fill(&mut journal, 40, 3).unwrap();
    let header = SegmentHeader::decode(&good.content(SECOND).unwrap()).unwrap();
    let changes: [(&str, Change); 4] = [
        ("a later first LSN", |header| header.first_lsn = header.first_lsn.next()),
        ("an earlier first LSN", |header| header.first_lsn = Lsn(header.first_lsn.0 - 1)),
        ("another chain", |header| header.chain = header.chain.then(b"another")),
        ("an earlier epoch", |header| header.epoch = 0),
    ];
    for (what, change) in changes {
        let (disk, mut changed) = (good.fork(), header);
        change(&mut changed);
        disk.open(SECOND).unwrap().write_at(0, &changed.encode()).unwrap();
        let found = damage(&disk);
        assert_eq!((found.file.as_str(), found.lsn), (FIRST, header.first_lsn), "{what}");
        // Nobody begins a segment before the one in front of it is synced.
        assert!(found.proof.contains("the header at byte 0"), "{what}: {found}");
        assert!(found.proof.contains("written after that was synced"), "{what}: {found}");
    }
}

/// A frame whose checksum and link hold, but that states another LSN or an earlier opening, is not
/// what was appended there: its records are not handed out, under no number.
#[test]
fn c2_a_last_frame_that_does_not_continue_is_cut_and_told() {
    const EPOCH: usize = 40;
    const FIRST_LSN: usize = 48;
    for (at, value) in [(FIRST_LSN, 4), (EPOCH, 0)] {
        let disk = FakeDisk::new(1);
        let (mut journal, ..) = open(&disk).unwrap();
        fill(&mut journal, 3, 1).unwrap();
        drop(journal);
        restate(&disk, 2_048, at, value);
        let (_, recovered, records) = open(&disk).unwrap();
        assert_eq!(records, expected(2), "byte {at} = {value}");
        let cut = recovered.cut.expect("it is told");
        assert_eq!((cut.offset, cut.bytes), (2_048, 512), "byte {at} = {value}");
    }
}

/// The frame that begins a later segment proves that there was a journal, even where it is all that is
/// left: nothing is begun over it.
#[test]
fn c1_the_first_frame_of_a_later_segment_proves_a_lost_beginning() {
    let (disk, last) = just_in_the_second_segment();
    let second = disk.content(SECOND).unwrap();
    let frame = RawFrame::new(&second[512..]).unwrap().check().unwrap();
    assert_eq!((frame.header().run_offset, frame.next_lsn()), (0, last.next()));
    let zeros = vec![0; SEGMENT_BYTES as usize];
    disk.open(FIRST).unwrap().write_at(0, &zeros).unwrap();
    disk.open(SECOND).unwrap().write_at(0, &zeros[..512]).unwrap();
    disk.open(SECOND).unwrap().write_at(1_024, &zeros[1_024..]).unwrap();
    let found = damage(&disk);
    assert_eq!((found.file.as_str(), found.lsn), (FIRST, Lsn(1)));
    assert!(found.proof.contains(SECOND) && found.proof.contains("written after it"), "{found}");
    assert_eq!(disk.content(SECOND).unwrap()[512..1_024], second[512..1_024], "it is left there");
}

#[test]
fn an_image_without_any_journal_is_a_lost_journal() {
    let disk = FakeDisk::new(1);
    let lost = JournalError::SnapshotAhead { snapshot: Lsn(5), last: Lsn(0) };
    let error = open_after(&disk, Lsn(5)).unwrap_err();
    assert_eq!(error, OpenError::Journal(lost.clone()));
    let nothing = |_: Lsn, _: &[u8]| Ok::<(), Infallible>(());
    assert_eq!(verify(&disk, Lsn(5), nothing), Err(OpenError::Journal(lost)));
    assert_eq!(disk.operations().changes, 0, "nothing is begun");
}

/// A torn tail of several sectors is one stretch: it is told as one, and zeroed with one write.
#[test]
fn c8_a_torn_tail_is_zeroed_in_one_piece() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 1, 1).unwrap();
    // A frame of three sectors behind the header, the mark and the first record.
    journal.append(&[9; 1_400]).unwrap();
    journal.commit().unwrap();
    drop(journal);
    assert!(disk.flip_bit(FIRST, (1_536 + 100) * 8));
    let before = disk.operations();
    let (_, recovered, records) = open(&disk).unwrap();
    assert_eq!(records, expected(1));
    let cut = recovered.cut.expect("it is told");
    assert_eq!((cut.file.as_str(), cut.offset, cut.bytes), (FIRST, 1_536, 1_536));
    let after = disk.operations();
    assert_eq!(after.writes - before.writes, 3, "the last run again, the zeros, a mark");
    assert_eq!(after.bytes - before.bytes, 512 + 1_536 + 512);
}
