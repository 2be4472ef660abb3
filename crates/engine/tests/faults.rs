//! A disk that fails and a disk that is full: what callers are told, and what a restart finds.

mod common;

use common::story::{HOLD_MS, Story, check_prefixes};
use common::*;
use onrush::journal::{FakeDisk, Loss};
use onrush::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Every sync of a history fails in turn, and every write; the promises are those of a power cut.
#[test]
fn a_failed_sync_or_write_anywhere_loses_nothing_that_was_told() {
    type Plan = fn(&FakeDisk, u64);
    let plans: [(&str, Plan); 2] = [
        ("sync", |disk, at| disk.fail_sync(disk.operations().syncs + at)),
        ("write", |disk, at| disk.fail_write(disk.operations().writes + at)),
    ];
    let mut failed = 0;
    for (what, plan) in plans {
        for at in 0..36 {
            for loss in [None, Some(Loss::Everything), Some(Loss::Random)] {
                let _case = Case(format!("{what} {at} fails, then {loss:?}"));
                let mut world = World::new(at);
                let mut story = Story::new(&mut world, at);
                plan(&world.disk, at);
                if story.run(&mut world, 40) {
                    continue;
                }
                failed += 1;
                assert!(world.engine.status().failed.is_some());
                let mut world = match loss {
                    None => world.restart(),
                    Some(loss) => world.crash(loss).expect("recovers"),
                };
                story.check_recovered(&mut world);
                let mut world = world.crash(Loss::Everything).expect("the recovery is durable");
                story.check_recovered(&mut world);
                story.check_quiet(&mut world);
            }
        }
    }
    assert!(failed > 150, "{failed} histories met their fault");
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_the_key_tells() {
    for seed in 0..20 {
        let _case = Case(format!("seed {seed}"));
        let mut world = World::new(seed);
        let campaign = world.put(spec("drop", &[("unit", 10)]));
        let told = world.hold(&campaign, "unit", "ann", 2);
        let hooks = Arc::new(AtomicU32::new(0));
        let counted = hooks.clone();
        world.engine.on_failure(move |error| {
            assert!(matches!(error, EngineError::JournalFailed { .. }));
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let durable = world.engine.durable_lsn();
        world.disk.fail_sync(world.disk.operations().syncs);
        let mut in_flight = world.ask(&campaign, "unit", "ben", "k", 3);
        let mut releasing = world.engine.release(told.seq, None);
        assert_eq!(world.driver.turn(), Turn::Failed);
        assert_eq!(in_flight.try_take(), Some(Err(EngineError::OutcomeUnknown)));
        assert_eq!(releasing.try_take(), Some(Err(EngineError::OutcomeUnknown)));
        let mut late = world.ask(&campaign, "unit", "cem", "k", 1);
        let late = late.try_take().expect("there at once");
        assert!(matches!(late, Err(EngineError::JournalFailed { .. })), "{late:?}");
        let mut late = world.engine.confirm(told.seq, vec![pay("p", 200)], None);
        assert!(matches!(late.try_take(), Some(Err(EngineError::JournalFailed { .. }))));
        assert_eq!(world.driver.settle(), Turn::Failed);
        assert_eq!(world.engine.durable_lsn(), durable, "nothing became durable");
        assert_eq!(world.engine.look(told.seq), Some(told.clone()), "reads stay what they were");
        assert_eq!(world.engine.look(ReservationSeq(1)), None);
        assert!(world.engine.inspect(Ledger::lsn).wait().is_err());
        assert!(matches!(world.engine.shutdown(), Err(EngineError::JournalFailed { .. })));
        assert_eq!(hooks.load(Ordering::Relaxed), 1, "told once");
        let mut world = world.crash(Loss::Random).expect("recovers");
        let campaign = world.engine.campaign("drop").expect("it was durable");
        let state = world.engine.look(told.seq).expect("it was told").state;
        assert!(matches!(state, State::Held | State::Released), "{state:?}");
        granted(world.reserve(&campaign, "unit", "ben", "k", 3));
        already(world.reserve(&campaign, "unit", "ben", "k", 3));
        world.check();
        check_prefixes(&world.disk, world.driver.ledger());
    }
}

use onrush::ledger::Ledger;

/// A hook that is set when it is too late is called all the same.
#[test]
fn a_failure_hook_set_after_the_failure_is_called() {
    let mut world = World::new(1);
    world.put(spec("drop", &[("unit", 1)]));
    world.disk.fail_sync(world.disk.operations().syncs);
    let _pending = world.engine.put_campaign(spec("more", &[]));
    assert_eq!(world.driver.turn(), Turn::Failed);
    let hooks = Arc::new(AtomicU32::new(0));
    let counted = hooks.clone();
    world.engine.on_failure(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(hooks.load(Ordering::Relaxed), 1);
}

/// Fill the journal until new holds are refused; returns the campaign and what is held.
fn fill(world: &mut World) -> (Arc<Campaign>, Vec<Reservation>) {
    let mut sale = spec("drop", &[("unit", 10_000)]);
    sale.terms.hold = DurationMs(HOLD_MS);
    let campaign = world.put(sale);
    let used = world.disk.operations().bytes;
    assert!(used > 0);
    world.driver.settle();
    // From here on not one byte more than what is prepared.
    world.disk.set_capacity(Some(0));
    let mut held = Vec::new();
    for n in 0..10_000 {
        match world.reserve(&campaign, "unit", &format!("buyer-{n}"), "k", 1) {
            Decision::Done(reservation) => held.push(reservation),
            Decision::Already(_) => unreachable!("every buyer is new"),
            Decision::Refused(refusal) => {
                assert_eq!(refusal, Refusal::DiskFull);
                assert_eq!(refusal.code(), "overloaded");
                return (campaign, held);
            }
        }
    }
    panic!("the disk never filled");
}

#[test]
fn a_full_disk_refuses_new_holds_and_lets_live_ones_end() {
    let mut world = World::new(4);
    let (campaign, held) = fill(&mut world);
    let sku = world.sku(&campaign, "unit");
    assert!(held.len() > 3, "{} holds", held.len());
    let before = world.view(sku);
    // What a veto took is back, whole: units, the buyer's limit, the key.
    for _ in 0..3 {
        let refusal = refused(world.reserve(&campaign, "unit", "late", "k", 10));
        assert_eq!(refusal, Refusal::DiskFull);
    }
    assert_eq!(world.view(sku), before);
    let put = world.engine.put_campaign(spec("more", &[("x", 1)]));
    assert_eq!(refused(world.done(put)), Refusal::DiskFull, "a campaign is new work");
    let supply = world.engine.supply(sku, 5, by());
    assert_eq!(refused(world.done(supply)), Refusal::DiskFull, "so is supply");
    let paid = world.engine.confirm(held[0].seq, vec![pay("p", 100)], None);
    assert_eq!(done(world.done(paid)).state, State::Sold);
    let released = world.engine.release(held[1].seq, None);
    assert_eq!(done(world.done(released)).state, State::Released);
    let paused = world.engine.move_phase(&campaign, Phase::Paused, by());
    done(world.done(paused));
    let resumed = world.engine.move_phase(&campaign, Phase::Open, by());
    done(world.done(resumed));
    world.clock.advance(HOLD_MS + 1);
    world.driver.settle();
    assert_eq!(world.engine.look(held[2].seq).expect("held").state, State::Expired);
    assert_eq!(world.view(sku), SlotView { free: 9_999, held: 0 }, "one was sold");
    world.check();
    let refusal = refused(world.reserve(&campaign, "unit", "late", "k", 10));
    assert_eq!(refusal, Refusal::DiskFull);
    // Room again: service resumes by itself, and what was acknowledged is there.
    world.disk.set_capacity(None);
    for _ in 0..4 {
        world.driver.turn();
    }
    done(world.reserve(&campaign, "unit", "late", "k", 10));
    let world = world.crash(Loss::Everything).expect("recovers");
    assert_eq!(world.engine.look(held[0].seq).expect("told").state, State::Sold);
    assert_eq!(world.engine.look(held[1].seq).expect("told").state, State::Released);
    world.check();
}

/// A disk that stays full through restarts, and every operator's action: the engine never fails, and
/// the last room is never used up by what is new.
#[test]
fn a_full_disk_never_fails_the_engine() {
    let mut world = World::new(5);
    let (campaign, held) = fill(&mut world);
    let sku = world.sku(&campaign, "unit");
    for round in 0..200 {
        let asks = [
            world.engine.supply(sku, 1, by()),
            world.engine.supply(sku, 2, By::new(&"w".repeat(200), &"y".repeat(200))),
        ];
        for ask in asks {
            assert_eq!(refused(world.done(ask)), Refusal::DiskFull, "round {round}");
        }
        let _pending = world.ask(&campaign, "unit", &format!("late-{round}"), "k", 1);
    }
    let released = world.engine.release(held[0].seq, None);
    done(world.done(released));
    let mut ended = 1;
    for reservation in &held[1..] {
        let ask = world.engine.release(reservation.seq, None);
        match world.done(ask) {
            Decision::Done(_) => ended += 1,
            // The reserve is one small segment here; what no longer fits waits, unharmed.
            other => assert_eq!(refused(other), Refusal::DiskFull),
        }
    }
    assert!(ended > 3, "{ended} of {} ended in the last room", held.len());
    assert_eq!(world.engine.status().failed, None);
    world.check();
    let mut world = world.restart();
    assert_eq!(world.engine.status().failed, None, "a full disk opens");
    world.disk.set_capacity(None);
    for _ in 0..8 {
        world.driver.turn();
    }
    world.clock.advance(HOLD_MS + 1);
    world.driver.settle();
    assert_eq!(world.view(sku), SlotView { free: 10_000, held: 0 });
    world.check();
}
