//! Snapshots: written whole or not at all, checked before use, and the condition for removing
//! segments (C10 to C12).

mod common;

use common::*;
use onrush_journal::{
    FakeDisk, JournalError, JournalId, JournalReader, Loss, SnapshotError, SnapshotHeader,
    SnapshotReader, SnapshotWriter, Storage, VerifiedSnapshot, find_snapshots, layout,
    remove_old_snapshots,
};
use onrush_types::Lsn;
use std::sync::Arc;

const LAYOUT: u64 = 0xfeed;

fn header(lsn: u64) -> SnapshotHeader {
    SnapshotHeader { journal: JournalId([7; 16]), lsn: Lsn(lsn), fingerprint: LAYOUT }
}

/// Chunks of every awkward length.
fn chunks(lsn: u64) -> Vec<(u32, Vec<u8>)> {
    let lengths = [0, 1, 15, 16, 17, 500, 4_000];
    let chunk = |&length: &usize| (length as u32 + 7, vec![(lsn as usize + length) as u8; length]);
    lengths.iter().map(chunk).collect()
}

fn write(disk: &FakeDisk, lsn: u64) -> Result<VerifiedSnapshot, SnapshotError> {
    let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), header(lsn))?;
    for (kind, bytes) in chunks(lsn) {
        writer.write_chunk(kind, &bytes)?;
    }
    writer.finish()
}

fn read(disk: &FakeDisk, lsn: u64) -> Result<Vec<(u32, Vec<u8>)>, SnapshotError> {
    let mut reader = SnapshotReader::open(disk, Lsn(lsn), LAYOUT)?;
    assert_eq!(reader.header(), header(lsn));
    let mut found = Vec::new();
    while let Some(info) = reader.next_chunk()? {
        assert_eq!(info.index as usize, found.len());
        let mut bytes = vec![0; info.bytes as usize];
        reader.read_chunk(&mut bytes)?;
        found.push((info.kind, bytes));
        assert_eq!(found.last(), chunks(lsn).get(found.len() - 1), "bytes handed out are right");
    }
    Ok(found)
}

/// The newest snapshot that can be read, as an engine chooses it.
fn newest(disk: &FakeDisk) -> Option<u64> {
    let found = find_snapshots(disk).unwrap();
    found.into_iter().map(|lsn| lsn.0).find(|&lsn| read(disk, lsn).is_ok())
}

#[test]
fn a_snapshot_reads_back_as_written() {
    let disk = FakeDisk::new(1);
    let proof = write(&disk, 5).unwrap();
    assert_eq!((proof.lsn(), proof.journal()), (Lsn(5), JournalId([7; 16])));
    disk.power_cut(Loss::Everything);
    assert_eq!(read(&disk, 5).unwrap(), chunks(5));
    assert_eq!(find_snapshots(&disk).unwrap(), [Lsn(5)]);
    let error = SnapshotReader::open(&disk, Lsn(5), 1).unwrap_err();
    assert!(matches!(error, SnapshotError::Layout { found: LAYOUT, wanted: 1, .. }), "{error}");
}

#[test]
fn a_chunk_is_limited() {
    let disk = FakeDisk::new(1);
    let mut writer = SnapshotWriter::create(Arc::new(disk), header(1)).unwrap();
    let bytes = layout::CHUNK_BYTES_MAX + 1;
    assert_eq!(writer.write_chunk(1, &vec![0; bytes]), Err(SnapshotError::ChunkSize { bytes }));
    assert_eq!(writer.write_chunk(1, &vec![0; bytes - 1]), Ok(()));
    writer.finish().unwrap();
}

#[test]
fn c10_a_snapshot_cut_short_at_any_change_leaves_the_one_before() {
    let ready = || {
        let disk = FakeDisk::new(1);
        drop(open(&disk).unwrap());
        write(&disk, 5).unwrap();
        disk
    };
    let disk = ready();
    let before = disk.operations().changes;
    write(&disk, 9).unwrap();
    let total = disk.operations().changes;
    assert!(total > before + 5);
    for at in before..total {
        for seed in 0..6 {
            let disk = ready();
            disk.reseed(at * 10 + seed);
            disk.cut_power_at(at);
            write(&disk, 9).unwrap_err();
            disk.power_cut(if seed == 0 { Loss::Nothing } else { Loss::Random });
            // Whatever is there under its own name is whole.
            for lsn in find_snapshots(&disk).unwrap() {
                assert_eq!(read(&disk, lsn.0).unwrap(), chunks(lsn.0));
            }
            assert!(newest(&disk) >= Some(5));
            drop(open(&disk).unwrap());
            let names = disk.list().unwrap();
            assert!(names.iter().all(|name| !name.ends_with(".tmp")), "{names:?}");
        }
    }
}

#[test]
fn c11_every_flipped_bit_is_found_before_its_bytes_are_used() {
    let good = FakeDisk::new(1);
    write(&good, 5).unwrap();
    write(&good, 9).unwrap();
    let name = find_snapshot_name(&good, 9);
    let content = good.content(&name).unwrap();
    let mut padding = 0;
    for byte in 0..content.len() {
        let disk = good.fork();
        disk.flip_bit(&name, (byte * 8 + byte % 8) as u64);
        match read(&disk, 9) {
            Ok(found) => {
                assert_eq!(found, chunks(9), "byte {byte}");
                padding += 1;
            }
            Err(_) => assert_eq!(newest(&disk), Some(5), "the one before serves"),
        }
    }
    let most: usize = chunks(9).iter().map(|(_, bytes)| bytes.len().wrapping_neg() % 16).sum();
    assert!(padding <= most, "only padding may change unseen: {padding} of {most}");
    for bytes in (0..content.len() as u64).step_by(7) {
        let disk = good.fork();
        disk.truncate(&name, bytes);
        assert!(read(&disk, 9).is_err(), "cut to {bytes}");
    }
}

fn find_snapshot_name(disk: &FakeDisk, lsn: u64) -> String {
    let suffix = format!("{lsn}.snap");
    disk.list().unwrap().into_iter().find(|name| name.ends_with(&suffix)).unwrap()
}

#[test]
fn c11_chunks_of_another_snapshot_are_refused() {
    let disk = FakeDisk::new(1);
    write(&disk, 5).unwrap();
    write(&disk, 9).unwrap();
    let five = disk.content(&find_snapshot_name(&disk, 5)).unwrap();
    let nine = disk.open(&find_snapshot_name(&disk, 9)).unwrap();
    nine.write_at(0, &five).unwrap();
    assert!(read(&disk, 9).is_err(), "its header states another LSN");
    let disk = FakeDisk::new(1);
    write(&disk, 5).unwrap();
    write(&disk, 9).unwrap();
    disk.open(&find_snapshot_name(&disk, 9)).unwrap().write_at(64, &five[64..200]).unwrap();
    assert!(read(&disk, 9).is_err(), "its chunks are of another LSN");
}

#[test]
fn c11_a_mixture_of_two_snapshots_at_one_lsn_is_refused() {
    let versions = [1, 2].map(|fill: u8| {
        let disk = FakeDisk::new(1);
        let mut writer = SnapshotWriter::create(Arc::new(disk.clone()), header(9)).unwrap();
        for _ in 0..2 {
            writer.write_chunk(3, &[fill; 16]).unwrap();
        }
        writer.finish().unwrap();
        disk
    });
    // The second chunk of one, whole and with its checksum, in the other.
    let name = find_snapshot_name(&versions[0], 9);
    let chunk = &versions[1].content(&name).unwrap()[64 + 48..64 + 96];
    versions[0].open(&name).unwrap().write_at(64 + 48, chunk).unwrap();
    let error = SnapshotReader::open(&versions[0], Lsn(9), LAYOUT).unwrap().verify().unwrap_err();
    assert!(
        matches!(&error, SnapshotError::Damaged { what, .. } if what.contains("digest")),
        "{error}"
    );
}

#[test]
fn c11_a_snapshot_that_does_not_read_back_proves_nothing() {
    let disk = FakeDisk::new(1);
    write(&disk, 5).unwrap();
    let before = disk.operations().writes;
    disk.misdirect_write(before + 7, -1);
    let error = write(&disk, 9).unwrap_err();
    assert!(matches!(error, SnapshotError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("Remove it"), "{error}");
    assert_eq!(newest(&disk), Some(5));
}

#[test]
fn a_full_disk_leaves_the_snapshot_before() {
    let disk = FakeDisk::new(1);
    write(&disk, 5).unwrap();
    disk.set_capacity(Some(6_000));
    assert!(matches!(write(&disk, 9), Err(SnapshotError::Storage(e)) if e.is_full()));
    assert_eq!(newest(&disk), Some(5));
}

#[test]
fn a_snapshot_without_a_journal_is_a_lost_journal() {
    let disk = FakeDisk::new(1);
    write(&disk, 5).unwrap();
    let lost = JournalError::SnapshotAhead { snapshot: Lsn(5), last: Lsn(0) };
    assert_eq!(open_error(&disk), lost);
    assert!(lost.to_string().contains("restore the journal"), "{lost}");
    assert_eq!(disk.list().unwrap().len(), 1, "nothing is begun");
}

#[test]
fn two_snapshots_are_kept() {
    let disk = FakeDisk::new(1);
    for lsn in [3, 5, 9] {
        write(&disk, lsn).unwrap();
    }
    let proof = write(&disk, 12).unwrap();
    assert_eq!(remove_old_snapshots(&disk, &proof), Ok(2));
    assert_eq!(find_snapshots(&disk).unwrap(), [Lsn(12), Lsn(9)]);
    assert_eq!(remove_old_snapshots(&disk, &proof), Ok(0));
    disk.power_cut(Loss::Everything);
    assert_eq!(find_snapshots(&disk).unwrap(), [Lsn(12), Lsn(9)]);
}

#[test]
fn segments_go_only_below_the_older_of_two_snapshots() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 60, 4).unwrap();
    let (older, newer) = (write(&disk, 30).unwrap(), write(&disk, 50).unwrap());
    for (newest, older) in [(&older, &newer), (&newer, &newer)] {
        assert_eq!(journal.remove_segments(newest, older), Err(JournalError::NotCovered));
    }
    let ahead = write(&disk, 61).unwrap();
    assert_eq!(journal.remove_segments(&ahead, &newer), Err(JournalError::NotCovered));
    let removed = journal.remove_segments(&newer, &older).unwrap();
    assert!(removed >= 2, "{removed}");
    // The older snapshot still has everything that follows it.
    disk.power_cut(Loss::Everything);
    for after in [30, 50, 60] {
        let (_, recovered, records) = open_after(&disk, Lsn(after)).unwrap();
        assert_eq!(records, expected(60).split_off(after as usize));
        assert!(recovered.oldest_lsn > Lsn(1) && recovered.oldest_lsn <= Lsn(31));
    }
    assert!(matches!(open_error(&disk), JournalError::Truncated { oldest } if oldest <= Lsn(31)));
}

#[test]
fn c12_removing_cut_short_at_any_change_leaves_a_journal() {
    let ready = || {
        let disk = FakeDisk::new(1);
        let (mut journal, ..) = open(&disk).unwrap();
        fill(&mut journal, 100, 4).unwrap();
        let (older, newer) = (write(&disk, 80).unwrap(), write(&disk, 90).unwrap());
        (disk, journal, older, newer)
    };
    let (disk, mut journal, older, newer) = ready();
    let before = disk.operations().changes;
    assert!(journal.remove_segments(&newer, &older).unwrap() >= 3);
    for at in before..disk.operations().changes {
        for seed in 0..6 {
            let (disk, mut journal, older, newer) = ready();
            disk.reseed(seed);
            disk.cut_power_at(at);
            journal.remove_segments(&newer, &older).unwrap_err();
            disk.power_cut(if seed == 0 { Loss::Nothing } else { Loss::Random });
            let (_, _, records) = open_after(&disk, Lsn(80)).unwrap();
            assert_eq!(records, expected(100).split_off(80));
        }
    }
}

#[test]
fn c12_segments_below_a_gap_are_removed_at_the_next_opening() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 60, 4).unwrap();
    drop(journal);
    // Names may become durable in another order than they were removed in.
    disk.remove("segment-000000000002.journal").unwrap();
    let (_, recovered, _) = open_after(&disk, Lsn(50)).unwrap();
    assert!(recovered.oldest_lsn > Lsn(1));
    let names = disk.list().unwrap();
    assert!(!names.contains(&"segment-000000000001.journal".to_owned()), "{names:?}");
}

#[test]
fn a_reader_below_the_oldest_segment_is_told() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 60, 4).unwrap();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let mut slow = JournalReader::open(storage.clone(), Lsn(1)).unwrap();
    assert!(slow.next(Lsn(60)).unwrap().is_some());
    let (older, newer) = (write(&disk, 50).unwrap(), write(&disk, 55).unwrap());
    assert!(journal.remove_segments(&newer, &older).unwrap() > 2);
    let oldest = onrush_journal::oldest_lsn(&disk).unwrap().unwrap();
    assert!(oldest > Lsn(20));
    let error = JournalReader::open(storage.clone(), Lsn(oldest.0 - 1)).unwrap_err();
    assert_eq!(error, JournalError::Truncated { oldest });
    // One that was under way reads what it has open, then learns the same.
    let end = loop {
        match slow.next(Lsn(60)) {
            Ok(Some((lsn, bytes))) => assert_eq!(bytes, record(lsn.0)),
            other => break other.map(|_| ()),
        }
    };
    assert_eq!(end, Err(JournalError::Truncated { oldest }));
    let mut reader = JournalReader::open(storage, oldest).unwrap();
    assert_eq!(reader.next(Lsn(60)).unwrap(), Some((oldest, record(oldest.0).as_slice())));
}
