//! Power cuts at every change of the disk, in every phase of a journal's life (C1 to C5, C7 to C9).

mod common;

use common::world::World;
use onrush_journal::{FakeDisk, JournalError, Loss};

/// Each crash is tried with these outcomes, the random ones with as many seeds.
const LOSSES: [Loss; 8] = [
    Loss::Everything,
    Loss::Nothing,
    Loss::Random,
    Loss::Random,
    Loss::Random,
    Loss::Random,
    Loss::Percent(10),
    Loss::Percent(90),
];

/// A life with everything in it: small and large records, batches over several frames and segments,
/// marks, preparing.
fn story(world: &mut World) -> Result<(), JournalError> {
    world.open()?;
    for round in 0..9 {
        for n in 0..=(round * 3 % 7) {
            world.append(1 + (round * 331 + n * 97) % 1_200)?;
        }
        world.commit()?;
        if round % 3 == 0 {
            world.mark()?;
        }
        world.prepare()?;
    }
    Ok(())
}

/// Return the number of changes that a story makes on a disk.
fn changes(story: impl Fn(&mut World) -> Result<(), JournalError>) -> u64 {
    let mut world = World::new(FakeDisk::new(1));
    story(&mut world).unwrap();
    world.disk.operations().changes
}

#[test]
fn c1_to_c5_power_cut_at_every_change() {
    let total = changes(story);
    assert!(total > 60, "the story is worth cutting: {total}");
    for at in 0..total {
        for (seed, loss) in LOSSES.into_iter().enumerate() {
            let mut world = World::new(FakeDisk::new(at * 100 + seed as u64));
            world.disk.cut_power_at(at);
            story(&mut world).expect_err("the power goes");
            world.crash_and_check(loss);
        }
    }
}

#[test]
fn c5_process_killed_at_every_change() {
    for at in 0..changes(story) {
        let mut world = World::new(FakeDisk::new(at));
        world.disk.cut_power_at(at);
        story(&mut world).expect_err("the power goes");
        // Nothing is lost but the process: all that was written is seen, and may never be stored.
        world.disk.kill();
        world.open().unwrap();
        world.prove();
    }
}

#[test]
fn c7_c8_power_cut_at_every_change_of_a_recovery() {
    let total = changes(story);
    let mut recoveries = 0;
    for at in (0..total).step_by(3) {
        for first in [Loss::Random, Loss::Percent(30)] {
            let mut world = World::new(FakeDisk::new(at));
            world.disk.cut_power_at(at);
            story(&mut world).expect_err("the power goes");
            world.disk.power_cut(first);
            for during in 0.. {
                let mut world = world.fork();
                world.disk.reseed(at * 1_000 + during);
                world.disk.cut_power_at(world.disk.operations().changes + during);
                let whole = world.open().is_ok();
                if !whole {
                    recoveries += 1;
                    world.disk.power_cut(Loss::Random);
                    world.open().expect("a recovery cut short is recovered");
                }
                world.disk.power_cut(Loss::Random);
                world.open().expect("a recovery is durable");
                world.prove();
                if whole {
                    break;
                }
            }
        }
    }
    assert!(recoveries > 200, "{recoveries} recoveries were cut short");
}

#[test]
fn c7_what_was_read_from_memory_is_made_durable() {
    for seed in 0..50 {
        let mut world = World::new(FakeDisk::new(seed));
        world.open().unwrap();
        world.append(2_000).unwrap();
        world.commit().unwrap();
        world.append(2_500).unwrap();
        world.append(100).unwrap();
        // The sync fails, the pages stay readable and clean: a later sync would do nothing.
        world.disk.fail_sync(world.disk.operations().syncs);
        assert!(matches!(world.commit(), Err(JournalError::Failed(_))));
        world.disk.kill();
        world.open().unwrap();
        assert_eq!(world.acked.len(), 3, "all of it is readable");
        world.prove();
        assert_eq!(world.acked.len(), 5);
    }
}

#[test]
fn c8_a_cut_tail_never_comes_back() {
    for seed in 0..200 {
        let mut world = World::new(FakeDisk::new(seed));
        world.open().unwrap();
        world.append(100).unwrap();
        world.commit().unwrap();
        // Several frames of one run, some of which survive behind a torn one.
        for _ in 0..3 {
            world.append(600).unwrap();
        }
        world.disk.cut_power_at(world.disk.operations().changes);
        world.commit().unwrap_err();
        world.disk.power_cut(Loss::Random);
        world.open().unwrap();
        // Frames of the same sizes now take the same places.
        while world.acked.len() < 6 {
            world.append(600).unwrap();
            world.commit().unwrap();
            world.prepare().unwrap();
            let mut fork = world.fork();
            fork.disk.power_cut(Loss::Random);
            fork.open().unwrap();
        }
    }
}

#[test]
fn c8_a_cut_frame_that_was_never_zeroed_is_neither_taken_nor_proof() {
    let mut stale = 0;
    for seed in 0..200 {
        let mut world = World::new(FakeDisk::new(seed));
        world.open().unwrap();
        world.append(100).unwrap();
        world.commit().unwrap();
        // Two frames of two sectors in one run; the first is torn, the second may be whole.
        world.append(600).unwrap();
        world.append(600).unwrap();
        world.disk.cut_power_at(world.disk.operations().changes);
        world.commit().unwrap_err();
        world.disk.power_cut(Loss::Random);
        // Zeroing them fails, and the system forgets that it did.
        world.disk.fail_sync(world.disk.operations().syncs);
        if world.open().is_ok() {
            continue;
        }
        world.disk.kill();
        world.open().unwrap();
        // The new mark and record take the place of the torn frame exactly.
        if world.acked.len() > 1 {
            continue;
        }
        world.append(100).unwrap();
        world.commit().unwrap();
        world.disk.power_cut(Loss::Everything);
        let segment = world.disk.content("segment-000000000001.journal").unwrap();
        stale += u32::from(segment[2_560..2_564] == *b"OJF1");
        world.open().expect("a frame of an earlier epoch proves nothing");
        assert_eq!(world.acked.len(), 2);
        world.prove();
    }
    assert!(stale > 5, "{stale} had the old frame behind the new one");
}

#[test]
fn c9_a_prepared_segment_is_used_only_when_its_name_is_durable() {
    let mut world = World::new(FakeDisk::new(3));
    world.open().unwrap();
    for _ in 0..2 {
        world.append(2_900).unwrap();
        world.commit().unwrap();
    }
    // Killed between rename and the sync of the folder.
    let mut job = world.journal.as_mut().unwrap().prepare().unwrap();
    let before = world.disk.operations().changes;
    world.disk.cut_power_at(before + 4);
    while job.step() == onrush_journal::Prepare::More {}
    assert_eq!(world.disk.operations().changes, before + 5, "create, zeros, sync, rename, sync");
    world.disk.kill();
    world.open().unwrap();
    for _ in 0..2 {
        world.append(2_900).unwrap();
        world.commit().unwrap();
    }
    world.disk.power_cut(Loss::Everything);
    world.open().unwrap();
    assert_eq!(world.acked.len(), 4, "both segments that were ready are still there");
}
