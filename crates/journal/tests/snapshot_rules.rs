//! What a snapshot announces, how its writing is spread over syncs, and whose snapshots let segments
//! go (C10 to C12).

mod common;

use common::*;
use onrush_journal::{
    FakeDisk, JournalError, JournalId, Loss, SnapshotError, SnapshotHeader, SnapshotReader,
    SnapshotWriter, Storage, VerifiedSnapshot, find_snapshots, layout, remove_old_snapshots,
};
use onrush_types::Lsn;
use std::sync::Arc;

const OURS: JournalId = JournalId([7; 16]);

fn begin(disk: &FakeDisk, journal: JournalId, lsn: u64) -> SnapshotWriter {
    let header = SnapshotHeader { journal, lsn: Lsn(lsn), fingerprint: 1 };
    SnapshotWriter::create(Arc::new(disk.clone()), header).unwrap()
}

fn write(disk: &FakeDisk, journal: JournalId, lsn: u64) -> VerifiedSnapshot {
    let mut writer = begin(disk, journal, lsn);
    writer.write_chunk(1, b"state").unwrap();
    writer.finish().unwrap()
}

/// A caller makes room for what is announced: an announcement beyond the file or the limit is refused
/// before that, and so is one that is none.
#[test]
fn c11_what_is_announced_is_bounded() {
    const MAGIC: u64 = 64;
    const LENGTH: u64 = 64 + 12;
    let most = layout::CHUNK_BYTES_MAX as u32;
    for (at, value) in [
        (MAGIC, u32::from_le_bytes(*b"CHNX")),
        // One byte too many, with room for it in the file.
        (LENGTH, most + 1),
        // Within the limit, but reaching into the file's end.
        (LENGTH, most - 1_000_000),
    ] {
        let disk = FakeDisk::new(1);
        let mut writer = begin(&disk, OURS, 5);
        let whole = if value == most + 1 { most as usize } else { 100 };
        writer.write_chunk(1, &vec![3; whole]).unwrap();
        writer.write_chunk(2, &[4; 100]).unwrap();
        writer.finish().unwrap();
        let mut reader = SnapshotReader::open(&disk, Lsn(5), 1).unwrap();
        let info = reader.next_chunk().unwrap().expect("a chunk");
        assert_eq!((info.kind, info.bytes as usize), (1, whole));
        let name = disk.list().unwrap().pop().unwrap();
        disk.open(&name).unwrap().write_at(at, &value.to_le_bytes()).unwrap();
        let mut reader = SnapshotReader::open(&disk, Lsn(5), 1).unwrap();
        let error = reader.next_chunk().unwrap_err();
        let what = "no chunk starts here";
        assert_eq!(error, SnapshotError::Damaged { file: name, offset: 64, what }, "{value}");
    }
}

/// The journal's commits share the disk: they wait for a quarter of a MiB at most.
#[test]
fn a_large_snapshot_is_synced_piece_by_piece() {
    let disk = FakeDisk::new(1);
    let mut writer = begin(&disk, OURS, 5);
    let mut syncs = Vec::new();
    for _ in 0..9 {
        let before = disk.operations().syncs;
        writer.write_chunk(1, &[3; 100 * 1_024]).unwrap();
        syncs.push(disk.operations().syncs - before);
    }
    assert_eq!(syncs, [0, 0, 1, 0, 0, 1, 0, 0, 1], "once for each 256 KiB");
    let before = disk.operations().syncs;
    writer.finish().unwrap();
    assert_eq!(disk.operations().syncs - before, 1);
}

#[test]
fn old_snapshots_are_gone_for_good_when_that_is_said() {
    let disk = FakeDisk::new(1);
    for lsn in [3, 5, 9] {
        write(&disk, OURS, lsn);
    }
    let newest = write(&disk, OURS, 12);
    assert_eq!(remove_old_snapshots(&disk, &newest), Ok(2));
    disk.power_cut(Loss::Everything);
    assert_eq!(find_snapshots(&disk).unwrap(), [Lsn(12), Lsn(9)]);
    let before = disk.operations();
    assert_eq!(remove_old_snapshots(&disk, &newest), Ok(0));
    assert_eq!(disk.operations(), before, "nothing to do, nothing done");
}

#[test]
fn snapshots_of_another_journal_let_no_segment_go() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 60, 4).unwrap();
    let foreign = JournalId([8; 16]);
    let [older, newer] = [write(&disk, OURS, 30), write(&disk, OURS, 50)];
    let [foreign_older, foreign_newer] = [write(&disk, foreign, 31), write(&disk, foreign, 51)];
    for (newest, older) in
        [(&foreign_newer, &older), (&newer, &foreign_older), (&foreign_newer, &foreign_older)]
    {
        assert_eq!(journal.remove_segments(newest, older), Err(JournalError::NotCovered));
    }
    assert!(journal.remove_segments(&newer, &older).unwrap() >= 2);
}

/// The newest may hold everything that is durable: then nothing was appended since.
#[test]
fn segments_go_below_a_snapshot_of_the_last_record() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 60, 4).unwrap();
    let (older, newest) = (write(&disk, OURS, 59), write(&disk, OURS, 60));
    assert!(journal.remove_segments(&newest, &older).unwrap() >= 3);
    let before = disk.operations();
    assert_eq!(journal.remove_segments(&newest, &older), Ok(0));
    assert_eq!(disk.operations(), before, "nothing to do, nothing done");
    drop(journal);
    disk.power_cut(Loss::Everything);
    assert_eq!(open_after(&disk, Lsn(59)).unwrap().2, expected(60).split_off(59));
}
