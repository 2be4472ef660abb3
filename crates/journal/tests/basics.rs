//! What a journal does while nothing goes wrong.

mod common;

use common::*;
use onrush_journal::{
    FakeDisk, Journal, JournalError, JournalReader, Loss, OpenError, Options, Prepare, Storage,
    verify,
};
use onrush_types::Lsn;
use std::convert::Infallible;
use std::sync::Arc;

#[test]
fn a_new_journal_is_empty_and_opens_again() {
    let disk = FakeDisk::new(1);
    let (journal, recovered, records) = open(&disk).unwrap();
    assert!(recovered.created && records.is_empty());
    assert_eq!((journal.durable_lsn(), journal.last_lsn()), (Lsn(0), Lsn(0)));
    let chain = journal.chain();
    drop(journal);
    let (_, recovered, records) = open(&disk).unwrap();
    assert!(!recovered.created && records.is_empty() && recovered.cut.is_none());
    assert_eq!(recovered.chain, chain);
}

#[test]
fn records_come_back_in_order_across_segments() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 100, 7).unwrap();
    assert_eq!(journal.durable_lsn(), Lsn(100));
    let chain = journal.chain();
    drop(journal);
    let (journal, recovered, records) = open(&disk).unwrap();
    assert_eq!(records, expected(100));
    assert_eq!((recovered.last_lsn, recovered.replayed, recovered.chain), (Lsn(100), 100, chain));
    assert_eq!((recovered.oldest_lsn, journal.durable_lsn()), (Lsn(1), Lsn(100)));
}

#[test]
fn replay_starts_after_the_given_lsn() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 60, 7).unwrap();
    drop(journal);
    for after in [0, 1, 6, 7, 8, 33, 59, 60] {
        let (_, recovered, records) = open_after(&disk, Lsn(after)).unwrap();
        assert_eq!(records, expected(60).split_off(after as usize), "after {after}");
        assert_eq!(recovered.replayed, 60 - after);
    }
    let ahead = JournalError::SnapshotAhead { snapshot: Lsn(61), last: Lsn(60) };
    assert_eq!(open_after(&disk, Lsn(61)).unwrap_err(), OpenError::Journal(ahead));
}

#[test]
fn the_replay_can_refuse_a_record() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 5, 1).unwrap();
    drop(journal);
    let refuse = |lsn: Lsn, _: &[u8]| if lsn == Lsn(3) { Err("unknown record") } else { Ok(()) };
    let error = Journal::open(Arc::new(disk), &options(), Lsn::ZERO, refuse).unwrap_err();
    assert_eq!(error, OpenError::Replay { lsn: Lsn(3), error: "unknown record" });
}

#[test]
fn the_size_of_a_record_is_limited() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    let most = journal.record_bytes_max();
    assert_eq!(most, SEGMENT_BYTES as usize - 512 - 96 - 4);
    for bytes in [0, most + 1] {
        let error = journal.append(&vec![1; bytes]).unwrap_err();
        assert_eq!(error, JournalError::RecordSize { bytes, bytes_max: most });
    }
    assert_eq!(journal.append(&vec![1; most]), Ok(Lsn(1)));
    assert_eq!(journal.commit(), Ok(Lsn(1)));
    drop(journal);
    assert_eq!(open(&disk).unwrap().2, [(Lsn(1), vec![1; most])]);
}

#[test]
fn a_commit_is_one_write_and_one_sync() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    let before = disk.operations();
    for n in 1..=2 {
        journal.append(&record(n)).unwrap();
    }
    assert_eq!(disk.operations(), before, "appending touches no disk");
    journal.commit().unwrap();
    let after = disk.operations();
    assert_eq!((after.writes - before.writes, after.syncs - before.syncs), (1, 1));
    assert_eq!(after.bytes - before.bytes, 512);
    journal.commit().unwrap();
    assert_eq!(disk.operations(), after, "nothing to commit, nothing done");
}

#[test]
fn what_waits_for_the_next_commit_is_counted() {
    let (mut journal, ..) = open(&FakeDisk::new(1)).unwrap();
    assert_eq!(journal.pending_bytes(), 0);
    for waits in [96 + 104, 96 + 2 * 104] {
        journal.append(&[1; 100]).unwrap();
        assert_eq!(journal.pending_bytes(), waits, "a frame's header, and the records");
    }
    journal.commit().unwrap();
    assert_eq!(journal.pending_bytes(), 0);
}

#[test]
fn a_mark_follows_once_and_only_when_idle() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    journal.append(b"a").unwrap();
    let before = disk.operations().syncs;
    journal.mark().unwrap();
    assert_eq!(disk.operations().syncs, before, "a batch on its way needs no mark");
    journal.commit().unwrap();
    journal.mark().unwrap();
    journal.mark().unwrap();
    assert_eq!(disk.operations().syncs, before + 2, "one commit, one mark");
    assert_eq!(journal.durable_lsn(), Lsn(1), "a mark has no LSN");
    journal.append(b"b").unwrap();
    journal.commit().unwrap();
    journal.append(b"c").unwrap();
    let before = disk.operations().syncs;
    journal.mark().unwrap();
    assert_eq!(disk.operations().syncs, before, "records on their way need no mark");
    assert_eq!((journal.durable_lsn(), journal.last_lsn()), (Lsn(2), Lsn(3)));
}

#[test]
fn room_is_counted_to_the_byte() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    let most = |room: &dyn Fn(usize) -> bool| (1..).take_while(|bytes| room(*bytes)).count();
    let rooms = |journal: &Journal| {
        let for_new = most(&|bytes| journal.has_room_for_new(bytes));
        (most(&|bytes| journal.has_room(bytes)), for_new)
    };
    // A whole segment: seven sectors, of which three frames may lose 607 bytes each.
    assert_eq!(rooms(&journal), (3_584 - 3 * 607, 3_584 - 3 * 607));
    for (ready, room, for_new) in [
        (2, 1_763, 1_763),
        (2, 1_763, 1_763),
        (2, 1_763, 1_763),
        // The last one is kept: what is new has the rest of the one in use.
        (1, 1_763, 928),
        (1, 1_763, 928),
        (1, 1_763, 416),
        (0, 928, 0),
    ] {
        journal.append(&[7; 900]).unwrap();
        journal.commit().unwrap();
        assert_eq!((journal.ready_segments(), rooms(&journal)), (ready, (room, for_new)));
    }
    // Two frames and a sector are left: another frame while there is one, then what is open.
    for room in [928, 928, 928, 624, 320, 16] {
        journal.append(&[7; 300]).unwrap();
        assert_eq!(rooms(&journal), (room, 0));
    }
}

#[test]
fn opening_writes_only_the_last_run_and_a_mark() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 5, 1).unwrap();
    drop(journal);
    let before = disk.operations();
    drop(open(&disk).unwrap());
    let after = disk.operations();
    assert_eq!((after.writes - before.writes, after.bytes - before.bytes), (2, 1_024));
}

#[test]
fn the_next_batch_is_built_while_one_is_written() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    journal.append(&record(1)).unwrap();
    let mut batch = journal.take_batch().unwrap().unwrap();
    assert_eq!((batch.last_lsn(), batch.bytes()), (Lsn(1), 512));
    journal.append(&record(2)).unwrap();
    assert_eq!(journal.take_batch().unwrap_err(), JournalError::BatchInFlight);
    assert_eq!(journal.durable_lsn(), Lsn(0));
    batch.write_and_sync();
    assert_eq!(journal.synced(batch), Ok(Lsn(1)));
    assert_eq!(journal.commit(), Ok(Lsn(2)));
    drop(journal);
    disk.power_cut(Loss::Everything);
    assert_eq!(open(&disk).unwrap().2, expected(2));
}

#[test]
fn a_batch_handed_back_unwritten_stops_the_journal() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    journal.append(&record(1)).unwrap();
    let batch = journal.take_batch().unwrap().unwrap();
    assert!(matches!(journal.synced(batch), Err(JournalError::Failed(_))));
    assert!(matches!(journal.append(b"x"), Err(JournalError::Failed(_))));
}

#[test]
fn segments_are_prepared_on_another_thread() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    while journal.ready_segments() == 2 {
        let next = journal.last_lsn().0 + 1;
        journal.append(&record(next)).unwrap();
        journal.commit().unwrap();
    }
    let mut job = journal.prepare().expect("one is wanted");
    assert!(journal.prepare().is_none(), "one at a time");
    let job = std::thread::spawn(move || {
        while job.step() == Prepare::More {}
        job
    });
    let job = job.join().unwrap();
    assert_eq!(journal.ready_segments(), 1);
    journal.prepared(job).unwrap();
    assert_eq!(journal.ready_segments(), 2);
    assert!(journal.prepare().is_none(), "enough are ready");
}

#[test]
fn sizes_out_of_bounds_are_refused_with_the_remedy() {
    let good = options();
    let bad = [
        (Options { segment_bytes: 4_095, ..good.clone() }, "4 KiB"),
        (Options { segment_bytes: 4_096 + 100, ..good.clone() }, "multiple of 512"),
        (Options { segment_bytes: (1 << 30) + 512, ..good.clone() }, "1 GiB"),
        (Options { frame_bytes: 0, ..good.clone() }, "256 KiB"),
        (Options { frame_bytes: 1_000, ..good.clone() }, "multiple of 512"),
        (Options { frame_bytes: 512 * 513, ..good.clone() }, "256 KiB"),
        (Options { ready_segments: 1, ..good.clone() }, "2 to 64"),
        (Options { ready_segments: 65, ..good.clone() }, "2 to 64"),
    ];
    for (options, remedy) in bad {
        let disk = FakeDisk::new(1);
        let nothing = |_: Lsn, _: &[u8]| Ok::<(), Infallible>(());
        let error =
            Journal::open(Arc::new(disk.clone()), &options, Lsn::ZERO, nothing).unwrap_err();
        assert!(error.to_string().contains(remedy), "{error}");
        assert_eq!(disk.operations().changes, 0);
    }
}

#[test]
fn as_many_segments_are_ready_as_asked() {
    let disk = FakeDisk::new(1);
    let nothing = |_: Lsn, _: &[u8]| Ok::<(), Infallible>(());
    let options = Options { ready_segments: 5, ..options() };
    let open = || Journal::open(Arc::new(disk.clone()), &options, Lsn::ZERO, nothing).unwrap().0;
    let mut journal = open();
    assert_eq!(journal.ready_segments(), 5);
    for n in 1..=4 {
        journal.append(&[1; 3_000]).unwrap();
        assert_eq!(journal.ready_segments(), 5 - n, "each record fills a segment");
    }
    assert!(!journal.has_room_for_new(900) && journal.has_room(900));
    journal.commit().unwrap();
    drop(journal);
    assert_eq!(open().last_lsn(), Lsn(4));
}

/// What is promised to fit does, to the last byte: with one segment left, however full the current one
/// is, and however the bytes are cut into records.
#[test]
fn what_is_promised_to_fit_fits_to_the_last_byte() {
    for (last, piece) in [(1, 900), (1_500, 900), (2_900, 1_200), (3_000, 300), (3_000, 1_200)] {
        let disk = FakeDisk::new(1);
        let nothing = |_: Lsn, _: &[u8]| Ok::<(), Infallible>(());
        // One frame may have a whole segment: then nothing is kept back for more frames.
        let options = Options { frame_bytes: 8_192, ..options() };
        let mut journal =
            Journal::open(Arc::new(disk.clone()), &options, Lsn::ZERO, nothing).unwrap().0;
        while journal.ready_segments() > 1 {
            journal.append(&[1; 3_000]).unwrap();
        }
        journal.append(&vec![2; last]).unwrap();
        if journal.ready_segments() < 1 {
            continue;
        }
        let most = (1..20_000).rev().find(|bytes| journal.has_room(*bytes)).unwrap();
        assert!(most > 2_000, "{most} bytes fit a whole segment");
        let mut left = most;
        while left > 4 {
            let record = vec![3; piece.min(left - 4)];
            assert!(journal.append(&record).is_ok(), "{left} of {most} bytes after {last}");
            left -= record.len() + 4;
        }
        journal.commit().unwrap();
    }
}

#[test]
fn a_disk_in_memory_counts_what_its_files_have() {
    let disk = FakeDisk::new(1);
    assert_eq!(disk.used_bytes(), 0);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 100, 7).unwrap();
    let files = disk.list().unwrap();
    let bytes: usize = files.iter().map(|file| disk.content(file).unwrap().len()).sum();
    assert!(bytes > 0);
    assert_eq!(disk.used_bytes(), bytes as u64);
}

#[test]
fn a_reader_follows_the_writer_across_segments() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    let mut readers: Vec<_> = [1, 2, 9]
        .map(|from| (from, JournalReader::open(Arc::new(disk.clone()), Lsn(from)).unwrap()))
        .into();
    let mut seen = [const { Vec::new() }; 3];
    for total in [3, 4, 20, 21, 80] {
        fill(&mut journal, total, 6).unwrap();
        for ((_, reader), seen) in readers.iter_mut().zip(&mut seen) {
            // Never past what it is told is durable, even where more is.
            for durable in [Lsn(total - 1), Lsn(total)] {
                while let Some((lsn, record)) = reader.next(durable).unwrap() {
                    assert!(lsn <= durable);
                    seen.push((lsn, record.to_vec()));
                }
            }
        }
    }
    for ((from, reader), seen) in readers.iter().zip(seen) {
        assert_eq!(seen, expected(80).split_off(*from as usize - 1), "from {from}");
        assert_eq!(reader.next_lsn(), Lsn(81));
    }
}

#[test]
fn verify_reads_everything_and_changes_nothing() {
    let disk = FakeDisk::new(1);
    let nothing = |_: Lsn, _: &[u8]| Ok::<(), Infallible>(());
    assert_eq!(verify(&disk, Lsn::ZERO, nothing), Ok(None));
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 30, 4).unwrap();
    let before = disk.operations();
    let found = verify(&disk, Lsn::ZERO, nothing).unwrap().unwrap();
    assert_eq!((found.last_lsn, found.replayed, found.oldest_lsn), (Lsn(30), 30, Lsn(1)));
    assert_eq!((found.chain, found.id, found.torn), (journal.chain(), journal.id(), None));
    assert_eq!(disk.operations(), before);
}
