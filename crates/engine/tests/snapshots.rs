//! Snapshots and readers: a recovery from a snapshot and one from the journal alone give the same
//! state to the byte (INV-10); nothing that is still needed is removed; readers see what is durable.

mod common;

use common::story::{HOLD_MS, Story, check_prefixes};
use common::*;
use onrush::journal::{FakeDisk, Loss, Storage, find_snapshots, oldest_lsn};
use onrush::ledger::Record;
use onrush::*;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

const NO_WAIT: Duration = Duration::ZERO;

/// A world with a history and snapshots taken at random places in it.
fn with_snapshots(seed: u64) -> (World, Story) {
    // Small segments: several lie below the older snapshot.
    let mut world = World::with(seed, Options { segment_bytes: 4 * 1_024, ..options() });
    let mut story = Story::new(&mut world, seed);
    let mut random = Random::new(seed ^ 0xabc);
    for _ in 0..6 {
        assert!(story.run(&mut world, 4 + random.below(8) as usize));
        let taken = world.driver.snapshot().expect("there is room");
        assert_eq!(taken, world.driver.ledger().lsn(), "of everything durable");
    }
    assert!(story.run(&mut world, 5), "and a tail behind the last");
    (world, story)
}

fn snapshot_files(disk: &FakeDisk) -> Vec<String> {
    let names = disk.list().expect("the disk lists");
    names.into_iter().filter(|name| name.contains("snapshot")).collect()
}

#[test]
fn a_snapshot_and_its_tail_give_what_the_journal_gives() {
    for seed in 0..8 {
        let _case = Case(format!("seed {seed}"));
        let (world, story) = with_snapshots(seed);
        assert_eq!(find_snapshots(&world.disk).expect("lists").len(), 2, "two are kept");
        assert_eq!(oldest_lsn(&world.disk), Ok(Some(Lsn(1))), "nothing is removed in a sale");
        let digest = world.driver.ledger().digest();
        let mut world = world.crash(Loss::Everything).expect("opens");
        assert_eq!(world.driver.ledger().digest(), digest);
        story.check_recovered(&mut world);
        story.check_quiet(&mut world);
        check_prefixes(&world.disk, world.driver.ledger());
    }
}

#[test]
fn a_damaged_snapshot_falls_back_to_the_one_before_and_to_the_journal() {
    for seed in 0..25 {
        let _case = Case(format!("seed {seed}"));
        let (world, story) = with_snapshots(3);
        let digest = world.driver.ledger().digest();
        let files = snapshot_files(&world.disk);
        assert_eq!(files.len(), 2);
        let mut random = Random::new(seed);
        let mut world = world;
        for file in files {
            let bits = 8 * world.disk.content(&file).expect("listed").len() as u64;
            assert!(world.disk.flip_bit(&file, random.below(bits)));
            world = world.crash(Loss::Nothing).expect("a damaged snapshot is no error");
            assert_eq!(world.driver.ledger().digest(), digest);
            story.check_recovered(&mut world);
        }
        // The next snapshot is good again.
        world.hold(&world.engine.campaign("drop").expect("kept"), "hat", "zoe", 1);
        world.driver.snapshot().expect("a snapshot of the whole");
        let digest = world.driver.ledger().digest();
        let world = world.crash(Loss::Everything).expect("opens");
        assert_eq!(world.driver.ledger().digest(), digest);
    }
}

#[test]
fn a_power_cut_while_a_snapshot_is_taken_harms_nothing() {
    let mut cut_short = 0;
    for at in 0..14 {
        for loss in [Loss::Everything, Loss::Random, Loss::Nothing] {
            let _case = Case(format!("cut at change {at} of the snapshot, {loss:?}"));
            let (world, story) = with_snapshots(5);
            let mut world = world;
            let digest = world.driver.ledger().digest();
            world.disk.cut_power_at(world.disk.operations().changes + at);
            cut_short += u32::from(world.driver.snapshot().is_err());
            let mut world = world.crash(loss).expect("opens");
            assert_eq!(world.driver.ledger().digest(), digest);
            story.check_recovered(&mut world);
            story.check_quiet(&mut world);
        }
    }
    assert!(cut_short > 10, "{cut_short} snapshots were cut short");
}

#[test]
fn a_snapshot_without_room_fails_alone() {
    let (mut world, story) = with_snapshots(6);
    world.disk.set_capacity(Some(0));
    world.driver.snapshot().expect_err("there is no room");
    let campaign = world.engine.campaign("drop").expect("kept");
    let held = granted(world.reserve(&campaign, "hat", "zoe", "k", 1));
    world.disk.set_capacity(None);
    assert_eq!(world.driver.snapshot(), Ok(world.driver.ledger().lsn()));
    let mut world = world.crash(Loss::Everything).expect("opens");
    assert_eq!(world.engine.look(held.seq).map(|r| r.id), Some(held.id));
    story.check_recovered(&mut world);
}

/// Snapshots are taken by a thread of their own while a crowd reserves.
#[test]
fn snapshots_are_taken_while_the_sale_runs() {
    let disk = FakeDisk::new(1);
    let options = Options { snapshot_every: Some(60), segment_bytes: 1 << 20, ..options() };
    let engine = Engine::open_with(parts(&disk, &ManualClock::new()), options).expect("opens");
    let put = engine.put_campaign(spec("drop", &[("unit", 1 << 30)]));
    let campaign = granted(put.wait().expect("healthy"));
    let mut held = Vec::new();
    while engine.status().snapshots < 3 {
        let buyer = engine.buyer(&format!("buyer-{}", held.len()));
        let ask = ReserveRequest::new(&campaign, "unit", buyer, "k");
        held.push(done(engine.reserve(&ask).wait().expect("healthy")));
    }
    assert_eq!(engine.status().snapshots_failed, 0);
    let digest = engine.inspect(|ledger| ledger.digest()).wait().expect("healthy");
    engine.shutdown().expect("healthy");
    drop(engine);
    disk.power_cut(Loss::Everything);
    assert!(!find_snapshots(&disk).expect("lists").is_empty());
    let world = World::open(disk, ManualClock::new(), common::options()).expect("opens");
    assert_eq!(world.driver.ledger().digest(), digest);
    for reservation in held {
        assert_eq!(world.engine.look(reservation.seq).map(|r| r.id), Some(reservation.id));
    }
    check_prefixes(&world.disk, world.driver.ledger());
}

/// Segments go only when every campaign is settled and two snapshots cover them; readers below are
/// told where to start.
#[test]
fn segments_are_removed_after_settlement_and_not_before() {
    let (mut world, _) = with_snapshots(7);
    let campaign = world.engine.campaign("drop").expect("kept");
    let closed = world.engine.move_phase(&campaign, Phase::Closed, by());
    done(world.done(closed));
    world.clock.advance(HOLD_MS + 1);
    world.driver.settle();
    world.driver.snapshot().expect("there is room");
    world.driver.settle();
    assert_eq!(oldest_lsn(&world.disk), Ok(Some(Lsn(1))), "it is not settled yet");
    let mut early = world.engine.events(Lsn(1)).expect("all is kept");
    let settled = world.engine.move_phase(&campaign, Phase::Settled, by());
    done(world.done(settled));
    world.driver.snapshot().expect("there is room");
    world.driver.settle();
    let oldest = oldest_lsn(&world.disk).expect("readable").expect("some are kept");
    assert!(oldest > Lsn(20), "removed up to {oldest}");
    let truncated = EventsError::Truncated { oldest };
    assert_eq!(world.engine.events(Lsn(1)).expect_err("it is gone"), truncated);
    assert_eq!(world.engine.events(Lsn(oldest.0 - 1)).expect_err("it is gone"), truncated);
    let mut rest = world.engine.events(oldest).expect("it is kept");
    assert_eq!(rest.next(NO_WAIT).expect("readable").map(|(lsn, _)| lsn), Some(oldest));
    // A reader that was open reads what it still holds, or is told; it never skips.
    let mut expected = Lsn(1);
    loop {
        match early.next(NO_WAIT) {
            Ok(Some((lsn, _))) => assert_eq!(lsn, expected),
            Ok(None) => break,
            Err(error) => {
                assert_eq!(error, truncated);
                break;
            }
        }
        expected = expected.next();
    }
    let digest = world.driver.ledger().digest();
    let world = world.crash(Loss::Everything).expect("opens without them");
    assert_eq!(world.driver.ledger().digest(), digest);
    world.check();
}

fn records(engine: &Engine, from: Lsn) -> Vec<(Lsn, Record)> {
    let mut events = engine.events(from).expect("it is kept");
    let mut found = Vec::new();
    while let Some(event) = events.next(NO_WAIT).expect("readable") {
        found.push(event);
    }
    found
}

#[test]
fn events_are_read_from_any_lsn_and_only_when_durable() {
    let (mut world, _) = with_snapshots(8);
    let mut all = Vec::new();
    replay_storage(&world.disk, &mut |lsn, record, _| all.push((lsn, record.clone())))
        .expect("replays");
    let last = world.engine.durable_lsn();
    assert_eq!(all.len() as u64, last.0);
    for from in (1..=last.0).step_by(7).chain([last.0]) {
        assert_eq!(records(&world.engine, Lsn(from)), all[from as usize - 1..], "from {from}");
    }
    let mut following = world.engine.events(last.next()).expect("the end");
    assert_eq!(following.next(NO_WAIT), Ok(None));
    let campaign = world.engine.campaign("drop").expect("kept");
    let skus = [world.sku(&campaign, "hat"), world.sku(&campaign, "coat")];
    let _queued = skus.map(|sku| world.engine.supply(sku, 1, by()));
    assert_eq!(following.next(NO_WAIT), Ok(None), "queued is not durable");
    world.driver.turn();
    for n in [1, 2] {
        let (lsn, _) = following.next(NO_WAIT).expect("readable").expect("there");
        assert_eq!(lsn.0, last.0 + n);
    }
    assert_eq!(following.next(NO_WAIT), Ok(None));
}

/// A follower that waits is woken by the next durable record.
#[test]
fn a_follower_is_woken() {
    let disk = FakeDisk::new(1);
    let parts = parts(&disk, &ManualClock::new());
    let engine = Engine::open_with(parts, options()).expect("opens");
    let follower = engine.clone();
    let follower = thread::spawn(move || {
        let mut events = follower.events(Lsn(1)).expect("from the start");
        let mut seen = Vec::new();
        while seen.len() < 40 {
            if let Some((lsn, _)) = events.next(Duration::from_secs(3_600)).expect("readable") {
                assert!(lsn <= follower.durable_lsn());
                seen.push(lsn.0);
            }
        }
        seen
    });
    let put = engine.put_campaign(spec("drop", &[("unit", 50)]));
    let campaign: Arc<Campaign> = granted(put.wait().expect("healthy"));
    for n in 0..38 {
        let buyer = engine.buyer(&format!("buyer-{n}"));
        let ask = ReserveRequest::new(&campaign, "unit", buyer, "k");
        done(engine.reserve(&ask).wait().expect("healthy"));
    }
    assert_eq!(follower.join().expect("no panic"), (1..=40).collect::<Vec<u64>>());
}
