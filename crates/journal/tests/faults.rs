//! Disks that fail, fill up, lie in the wrong place or rot (C6, C13 to C16).

mod common;

use common::world::World;
use common::*;
use onrush_journal::{
    Damage, FakeDisk, JournalError, JournalId, Loss, Options, Prepared, Storage, StorageError,
    layout,
};
use onrush_types::Lsn;
use std::collections::BTreeMap;

/// Every file's content.
fn contents(disk: &FakeDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list().unwrap();
    names.into_iter().map(|name| (name.clone(), disk.content(&name).unwrap())).collect()
}

/// A journal of `count` records over several segments, ended cleanly.
fn ended(count: u64) -> FakeDisk {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, count, 4).unwrap();
    journal.mark().unwrap();
    disk
}

fn damage(disk: &FakeDisk) -> Damage {
    let before = contents(disk);
    match open_error(disk) {
        JournalError::Damaged(damage) => {
            assert_eq!(contents(disk), before, "a refusal changes nothing");
            damage
        }
        other => panic!("{other}"),
    }
}

#[test]
fn c6_every_flipped_bit_of_a_marked_journal_is_refused_or_harmless() {
    let good = ended(40);
    let (mut refused, mut harmless) = (0, 0);
    for (name, content) in contents(&good) {
        for byte in 0..content.len() {
            let disk = good.fork();
            assert!(disk.flip_bit(&name, (byte * 8 + byte % 8) as u64));
            match open(&disk) {
                Ok((_, _, records)) => {
                    assert!(records == expected(40), "byte {byte} of {name} lost records");
                    harmless += 1;
                }
                Err(_) => {
                    let place = damage(&disk);
                    assert!(place.lsn <= Lsn(41) && place.proof.len() > 10, "{place}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 6_000 && harmless > 6_000, "{refused} refused, {harmless} harmless");
}

#[test]
fn c6_the_refusal_names_file_place_and_lsn() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    for n in 1..=3 {
        journal.append(&record(n)).unwrap();
        journal.commit().unwrap();
    }
    // Header, mark, then one sector for each record: the second lies at 1,536.
    assert!(disk.flip_bit("segment-000000000001.journal", (1_536 + 100) * 8));
    drop(journal);
    let found = damage(&disk);
    assert_eq!((found.file.as_str(), found.offset), ("segment-000000000001.journal", 1_536));
    assert_eq!(found.lsn, Lsn(2));
    let text = JournalError::Damaged(found).to_string();
    for part in ["segment-000000000001.journal", "byte 1536", "LSN 2", "restore"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn c16_only_the_last_unmarked_batch_can_pass_for_a_torn_tail() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    for n in 1..=3 {
        journal.append(&record(n)).unwrap();
        journal.commit().unwrap();
    }
    let last = (2_048 + 100) * 8;
    let unmarked = disk.fork();
    assert!(unmarked.flip_bit("segment-000000000001.journal", last));
    let (_, recovered, records) = open(&unmarked).unwrap();
    assert_eq!(records, expected(2));
    let cut = recovered.cut.expect("it is told");
    assert_eq!((cut.offset, cut.bytes), (2_048, 512));
    journal.mark().unwrap();
    assert!(disk.flip_bit("segment-000000000001.journal", last));
    assert_eq!(damage(&disk).lsn, Lsn(3), "a mark closes the window");
}

#[test]
fn c6_a_damaged_mark_does_not_take_what_follows() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 1, 1).unwrap();
    journal.mark().unwrap();
    fill(&mut journal, 2, 1).unwrap();
    // Header, mark, first record, mark, second record: no LSN is lost with the second mark, and the
    // second record is synced though nothing states its LSN.
    assert!(disk.flip_bit("segment-000000000001.journal", (1_536 + 50) * 8));
    let found = damage(&disk);
    assert_eq!((found.offset, found.lsn), (1_536, Lsn(2)));
}

#[test]
fn c6_a_lost_end_and_the_header_after_it_are_refused() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    let second = "segment-000000000002.journal";
    while disk.content(second).unwrap()[512..1_024] == [0; 512] {
        let next = journal.last_lsn().0 + 1;
        fill(&mut journal, next, 1).unwrap();
    }
    let last = journal.last_lsn();
    // The first frame of the second segment is of the run that began the segment; it still states
    // the last LSN of the first.
    let header = disk.content(second).unwrap()[..512].to_vec();
    disk.open(second).unwrap().write_at(0, &[0; 512]).unwrap();
    assert_eq!(open(&disk.fork()).unwrap().2.len() as u64, last.0 - 1, "it looks torn (C16)");
    let first = disk.content("segment-000000000001.journal").unwrap();
    let end = first.chunks(512).rposition(|sector| sector != [0; 512]).unwrap();
    assert!(disk.flip_bit("segment-000000000001.journal", (end * 512 + 60) as u64 * 8));
    assert_eq!(damage(&disk.fork()).lsn, Lsn(last.0 - 1));
    // The header alone proves it as well.
    let file = disk.open(second).unwrap();
    file.write_at(0, &header).unwrap();
    file.write_at(512, &[0; 512]).unwrap();
    let found = damage(&disk);
    assert!(found.lsn == Lsn(last.0 - 1) && found.proof.contains("header"), "{found}");
}

#[test]
fn c6_a_lost_sector_under_later_records_is_refused() {
    let good = ended(40);
    for name in good.list().unwrap() {
        let content = good.content(&name).unwrap();
        for (at, sector) in content.chunks(512).enumerate() {
            if sector.iter().all(|&byte| byte == 0) {
                continue;
            }
            let disk = good.fork();
            let file = disk.open(&name).unwrap();
            file.write_at(at as u64 * 512, &[0; 512]).unwrap();
            match open(&disk) {
                Ok((_, _, records)) => assert_eq!(records, expected(40), "sector {at} of {name}"),
                Err(_) => {
                    let found = damage(&disk);
                    assert!((found.file, found.offset) <= (name.clone(), at as u64 * 512));
                }
            }
        }
    }
}

#[test]
fn c6_a_frame_of_another_history_is_refused() {
    let live = |other: Option<u64>| {
        let disk = FakeDisk::new(1);
        let (mut journal, ..) = open(&disk).unwrap();
        for n in 1..=30 {
            let mut bytes = record(n);
            bytes[0] ^= u8::from(other == Some(n));
            journal.append(&bytes).unwrap();
            journal.commit().unwrap();
            prepare(&mut journal).unwrap();
        }
        journal.mark().unwrap();
        disk
    };
    let good = contents(&live(None));
    assert!(good.len() > 4, "several segments");
    for n in 1..=30 {
        let other = contents(&live(Some(n)));
        // The first sector that differs is the frame's; those after it differ by the chain.
        let (name, at) = good
            .iter()
            .find_map(|(name, bytes)| {
                let differs = |(a, b): (&[u8], &[u8])| a != b;
                let pairs = bytes.chunks(512).zip(other[name].chunks(512));
                pairs.into_iter().position(differs).map(|at| (name, at * 512))
            })
            .unwrap();
        let disk = live(None);
        disk.open(name).unwrap().write_at(at as u64, &other[name][at..at + 512]).unwrap();
        let found = damage(&disk);
        assert_eq!(found.lsn, Lsn(n + 1), "the frame after it tells: {found}");
    }
}

#[test]
fn c6_missing_and_shortened_files_are_refused() {
    let good = ended(60);
    let names: Vec<String> =
        good.list().unwrap().into_iter().filter(|n| n.ends_with(".journal")).collect();
    assert!(names.len() >= 5);
    // All but the two that are merely ready.
    for (at, name) in names[..names.len() - 2].iter().enumerate() {
        let disk = good.fork();
        disk.remove(name).unwrap();
        let error = open_error(&disk);
        if at == 0 {
            assert!(matches!(error, JournalError::Truncated { oldest } if oldest > Lsn(1)));
        } else {
            assert_eq!(error, JournalError::SegmentMissing { number: at as u64 + 1 });
        }
        for bytes in [0, 512, 1_000, SEGMENT_BYTES - 512] {
            let disk = good.fork();
            disk.truncate(name, bytes);
            damage(&disk);
        }
    }
}

#[test]
fn c1_a_journal_that_lost_its_beginning_is_not_taken_for_a_new_one() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 2, 1).unwrap();
    drop(journal);
    assert!(disk.flip_bit("segment-000000000001.journal", 20 * 8));
    assert!(damage(&disk).proof.contains("written after it"));
    // Only the ready ones are left.
    disk.remove("segment-000000000001.journal").unwrap();
    assert!(damage(&disk).proof.contains("earlier segments"));
}

#[test]
fn c6_a_shortened_segment_whose_header_is_left_is_refused() {
    let disk = FakeDisk::new(1);
    let options = Options { segment_bytes: 16 * 1024, ..options() };
    let nothing = |_: Lsn, _: &[u8]| Ok::<(), std::convert::Infallible>(());
    let storage = std::sync::Arc::new(disk.clone());
    let (mut journal, _) =
        onrush_journal::Journal::open(storage, &options, Lsn::ZERO, nothing).unwrap();
    while journal.ready_segments() == 2 {
        journal.append(&[5; 900]).unwrap();
        journal.commit().unwrap();
    }
    drop(journal);
    for name in ["segment-000000000001.journal", "segment-000000000002.journal"] {
        let disk = disk.fork();
        disk.truncate(name, 8 * 1024);
        assert_eq!(damage(&disk).file, name);
    }
}

#[test]
fn files_of_other_journals_and_versions_are_refused() {
    let good = ended(20);
    let other = FakeDisk::new(2);
    let options = Options { new_id: JournalId([8; 16]), ..options() };
    let nothing = |_: Lsn, _: &[u8]| Ok::<(), std::convert::Infallible>(());
    let storage = std::sync::Arc::new(other.clone());
    drop(onrush_journal::Journal::open(storage, &options, Lsn::ZERO, nothing).unwrap());
    let names = good.list().unwrap();
    let foreign = other.content("segment-000000000001.journal").unwrap();
    let last = names.last().unwrap();
    let mut renumbered = foreign.clone();
    let number: u64 = names.len() as u64;
    renumbered[32..40].copy_from_slice(&number.to_le_bytes());
    reseal(&mut renumbered);
    for content in [foreign, renumbered] {
        let disk = good.fork();
        disk.open(last).unwrap().write_at(0, &content).unwrap();
        damage(&disk);
    }
    let disk = good.fork();
    let mut newer = disk.content(&names[0]).unwrap();
    newer[12..16].copy_from_slice(&9_u32.to_le_bytes());
    reseal(&mut newer);
    disk.open(&names[0]).unwrap().write_at(0, &newer).unwrap();
    let version = JournalError::Version { file: names[0].clone(), version: 9 };
    assert_eq!(open_error(&disk), version);
}

/// Give a changed segment header its checksum.
fn reseal(segment: &mut [u8]) {
    let checksum = crc32c::crc32c(&segment[12..512]);
    segment[8..12].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn c13_after_a_failed_sync_nothing_is_tried_again() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, 3, 1).unwrap();
    journal.append(&record(4)).unwrap();
    disk.fail_sync(disk.operations().syncs);
    let first = journal.commit().unwrap_err();
    assert!(matches!(&first, JournalError::Failed(e) if e.failure().errno == Some(5)), "{first}");
    let after = disk.operations();
    assert_eq!(journal.commit(), Err(first.clone()));
    assert_eq!(journal.append(b"x"), Err(first.clone()));
    assert_eq!(journal.mark(), Err(first.clone()));
    assert_eq!(journal.prepare_step(), Err(first.clone()));
    assert_eq!(journal.take_batch().unwrap_err(), first);
    assert!(journal.prepare().is_none());
    assert!(!journal.has_room(1) && !journal.has_room_for_new(1));
    assert_eq!(disk.operations(), after, "the disk is left alone");
    assert_eq!(journal.durable_lsn(), Lsn(3), "what was acknowledged stays so");
    assert!(journal.failure().is_some());
}

#[test]
fn c13_every_failing_write_and_sync_is_survived() {
    let story = |world: &mut World| -> Result<(), JournalError> {
        world.open()?;
        for n in 0..25 {
            world.append(1 + n * 173 % 900)?;
            world.append(40)?;
            world.commit()?;
            world.prepare()?;
        }
        world.mark()
    };
    let mut whole = World::new(FakeDisk::new(1));
    story(&mut whole).unwrap();
    let total = whole.disk.operations();
    assert!(total.writes > 20 && total.syncs > 20);
    for (count, sync) in [(total.writes, false), (total.syncs, true)] {
        for at in 0..count {
            for end in [Loss::Random, Loss::Everything] {
                let mut world = World::new(FakeDisk::new(at));
                if sync {
                    world.disk.fail_sync(at)
                } else {
                    world.disk.fail_write(at)
                }
                story(&mut world).expect_err("the fault shows");
                // First the process ends, later the power: pages that only look stored are lost.
                let mut killed = world.fork();
                killed.disk.kill();
                killed.open().unwrap();
                killed.prove();
                world.crash_and_check(end);
            }
        }
    }
}

#[test]
fn c14_a_full_disk_keeps_a_reserve_and_serves_again() {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    disk.set_capacity(Some(3 * SEGMENT_BYTES));
    let bytes = 200 + layout::RECORD_HEADER_BYTES;
    let mut new = 0;
    while journal.has_room_for_new(bytes) {
        journal.append(&[1; 200]).unwrap();
        journal.commit().unwrap();
        assert_ne!(journal.prepare_step().unwrap(), Prepared::More);
        new += 1;
    }
    assert_eq!(journal.ready_segments(), 1, "the reserve is untouched");
    assert!(new >= 10, "{new} before it");
    let mut ending = 0;
    while journal.has_room(bytes) {
        journal.append(&[2; 200]).unwrap();
        journal.commit().unwrap();
        assert_eq!(journal.prepare_step().unwrap(), Prepared::DiskFull, "no failure");
        ending += 1;
    }
    assert!(ending >= 6, "{ending} from the reserve");
    let last = journal.last_lsn();
    assert_eq!(journal.append(&[3; 200]), Err(JournalError::NoRoom));
    assert_eq!((journal.commit(), journal.last_lsn()), (Ok(last), last), "nothing changed");
    journal.mark().unwrap();
    disk.set_capacity(None);
    assert_eq!(prepare(&mut journal), Ok(Prepared::Enough));
    assert!(journal.has_room_for_new(bytes), "service resumes");
    journal.append(&[4; 200]).unwrap();
    assert_eq!(journal.commit(), Ok(last.next()));
    drop(journal);
    disk.power_cut(Loss::Everything);
    assert_eq!(open(&disk).unwrap().2.len() as u64, last.0 + 1);
}

#[test]
fn c14_a_full_disk_can_be_opened_but_not_begun() {
    let disk = FakeDisk::new(1);
    disk.set_capacity(Some(SEGMENT_BYTES - 1));
    let error = open_error(&disk);
    assert!(matches!(&error, JournalError::Storage(StorageError::Full(_))), "{error}");
    assert!(error.to_string().contains("make room"), "{error}");
    assert_eq!(disk.list().unwrap(), [""; 0], "its room is given back");
    disk.set_capacity(Some(SEGMENT_BYTES));
    let (mut journal, ..) = open(&disk).unwrap();
    assert_eq!(journal.ready_segments(), 0);
    assert!(!journal.has_room_for_new(5_000) && journal.has_room(500));
    journal.append(b"fits here").unwrap();
    journal.commit().unwrap();
    drop(journal);
    let (journal, _, records) = open(&disk).unwrap();
    assert_eq!((journal.durable_lsn(), records.len()), (Lsn(1), 1));
}

#[test]
fn c14_the_promise_of_room_is_kept() {
    for bytes in [1_usize, 100, 507, 508, 509, 900, 2_000, 3_484] {
        let disk = FakeDisk::new(1);
        let (mut journal, ..) = open(&disk).unwrap();
        let (mut appended, mut promised) = (0, 0);
        loop {
            let room = journal.has_room(3 * (bytes + layout::RECORD_HEADER_BYTES));
            let before = appended;
            while appended < before + 3 && journal.append(&vec![1; bytes]).is_ok() {
                appended += 1;
            }
            assert!(!room || appended == before + 3, "{bytes}: {appended}");
            promised += u32::from(room);
            if appended < before + 3 {
                break;
            }
        }
        assert!(promised > 0 || bytes >= 900, "{bytes}: never promised");
        journal.commit().unwrap();
        drop(journal);
        assert_eq!(open(&disk).unwrap().2.len(), appended);
    }
}

#[test]
fn c15_a_write_in_the_wrong_place_is_refused_or_harmless() {
    let story = |world: &mut World| -> Result<(), JournalError> {
        world.open()?;
        for n in 0..14 {
            world.append(1 + n * 131 % 600)?;
            world.commit()?;
            world.prepare()?;
        }
        world.mark()
    };
    let mut whole = World::new(FakeDisk::new(1));
    story(&mut whole).unwrap();
    let (mut refused, mut harmless) = (0, 0);
    for write in 0..whole.disk.operations().writes {
        for sectors in [-5, -3, -2, -1, 1, 2, 3, 5] {
            let mut world = World::new(FakeDisk::new(1));
            world.disk.misdirect_write(write, sectors);
            story(&mut world).unwrap();
            world.disk.kill();
            // The comparison inside panics if anything acknowledged is missing or changed.
            match world.open() {
                Ok(()) => harmless += 1,
                Err(JournalError::Damaged(_)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(refused > 100 && harmless > 20, "{refused} refused, {harmless} harmless");
}

#[test]
fn c15_the_last_batch_in_the_wrong_place_is_refused() {
    for sectors in [1, 2, 3] {
        let mut world = World::new(FakeDisk::new(1));
        world.open().unwrap();
        world.append(100).unwrap();
        world.commit().unwrap();
        world.disk.misdirect_write(world.disk.operations().writes, sectors);
        world.append(100).unwrap();
        world.commit().unwrap();
        world.disk.kill();
        match world.open() {
            Err(JournalError::Damaged(found)) => assert!(found.proof.contains("wrong place")),
            other => panic!("{other:?}"),
        }
    }
}

/// Two faults at once: a write of two sectors goes astray over what was synced, and the power goes
/// before all of it is there. What is left is no whole frame, and still no torn tail.
#[test]
fn c15_a_torn_write_in_the_wrong_place_is_refused() {
    let (mut refused, mut harmless) = (0, 0);
    for seed in 0..64 {
        let mut world = World::new(FakeDisk::new(seed));
        world.open().unwrap();
        for _ in 0..2 {
            world.append(100).unwrap();
            world.commit().unwrap();
        }
        let done = world.disk.operations();
        world.disk.misdirect_write(done.writes, -1);
        world.disk.cut_power_at(done.changes + 1);
        world.append(600).unwrap();
        world.commit().unwrap_err();
        world.disk.power_cut(Loss::Percent(50));
        world.disk.forget_faults();
        // The comparison inside panics if anything acknowledged is missing or changed.
        match world.open() {
            Ok(()) => harmless += 1,
            Err(JournalError::Damaged(found)) if found.proof.contains("wrong place") => {
                refused += 1
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 10 && harmless > 10, "{refused} refused, {harmless} harmless");
}
