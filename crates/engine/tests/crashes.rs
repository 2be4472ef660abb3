//! Power cuts at every change of the disk in a random history: what callers were told is there
//! again, and nothing else is broken (INV-1 to INV-5, INV-10).

mod common;

use common::story::Story;
use common::*;
use onrush::Turn;
use onrush::journal::{Loss, Storage};

const TURNS: usize = 40;

/// Each crash is tried with these outcomes: lost, kept, torn and reordered.
const LOSSES: [Loss; 5] =
    [Loss::Everything, Loss::Nothing, Loss::Random, Loss::Percent(15), Loss::Percent(85)];

/// Return how many changes a whole history makes on its disk.
fn changes(seed: u64) -> u64 {
    let mut world = World::new(seed);
    let mut story = Story::new(&mut world, seed);
    let before = world.disk.operations().changes;
    assert!(story.run(&mut world, TURNS), "nothing fails by itself");
    assert!(story.granted > 40, "seed {seed}: {} granted", story.granted);
    let total = world.disk.operations().changes - before;
    story.check_recovered(&mut world);
    story.check_quiet(&mut world);
    total
}

/// Live until change `at`, lose power there, and check the recovery; returns whether it came so far.
fn cut(seed: u64, at: u64, loss: Loss) -> bool {
    let mut world = World::new(seed);
    let mut story = Story::new(&mut world, seed);
    world.disk.reseed(seed ^ (at << 8));
    world.disk.cut_power_at(world.disk.operations().changes + at);
    if story.run(&mut world, TURNS) {
        return false;
    }
    let mut world = world.crash(loss).expect("a torn tail is no damage");
    story.check_recovered(&mut world);
    // Life goes on, and what it adds is as safe as what was there.
    assert!(story.run(&mut world, 3));
    let mut world = world.crash(Loss::Everything).expect("all of it was synced");
    story.check_recovered(&mut world);
    story.check_quiet(&mut world);
    true
}

#[test]
fn a_power_cut_at_any_change_loses_nothing_that_was_told() {
    // A second history with torn and reordered writes only.
    for (seed, losses) in [(11, &LOSSES[..]), (12, &LOSSES[2..3])] {
        let total = changes(seed);
        assert!(total > 50, "the history is worth cutting: {total}");
        for at in 0..total {
            for &loss in losses {
                let _case = Case(format!("seed {seed}, cut at change {at}, {loss:?}"));
                assert!(cut(seed, at, loss), "the power goes");
            }
        }
    }
}

#[test]
fn a_power_cut_with_whatever_else_in_flight() {
    let mut cuts = 0;
    for seed in 100..160 {
        let at = Random::new(seed).below(80);
        let _case = Case(format!("seed {seed}, cut at change {at}"));
        cuts += u32::from(cut(seed, at, Loss::Random));
    }
    assert!(cuts > 40, "{cuts} histories were cut");
}

/// `kill -9`: written and not synced stays visible, and is made durable before it counts.
#[test]
fn a_killed_process_loses_nothing_that_was_told() {
    for seed in 0..12 {
        for at in (seed..80).step_by(12) {
            let _case = Case(format!("seed {seed}, killed at change {at}"));
            let mut world = World::new(seed);
            let mut story = Story::new(&mut world, seed);
            world.disk.cut_power_at(world.disk.operations().changes + at);
            if story.run(&mut world, TURNS) {
                continue;
            }
            let mut world = world.restart();
            story.check_recovered(&mut world);
            let mut world = world.crash(Loss::Everything).expect("a recovery is durable");
            story.check_recovered(&mut world);
            story.check_quiet(&mut world);
        }
    }
}

/// A recovery may be cut short like anything else.
#[test]
fn a_power_cut_during_a_recovery_loses_nothing_either() {
    let mut cut_short = 0;
    for seed in 20..26 {
        for during in 0..12 {
            let _case = Case(format!("seed {seed}, cut at change {during} of the recovery"));
            let mut world = World::new(seed);
            let mut story = Story::new(&mut world, seed);
            world.disk.cut_power_at(world.disk.operations().changes + 30 + seed);
            story.run(&mut world, TURNS);
            let World { disk, clock, options, .. } = world;
            disk.power_cut(Loss::Random);
            disk.cut_power_at(disk.operations().changes + during);
            if World::open(disk.clone(), clock.clone(), options.clone()).is_err() {
                cut_short += 1;
            }
            disk.power_cut(Loss::Random);
            let mut world = World::open(disk, clock, options).expect("recovers");
            story.check_recovered(&mut world);
            story.check_quiet(&mut world);
        }
    }
    assert!(cut_short > 10, "{cut_short} recoveries were cut short");
}

/// After a clean end a flipped bit is refused or does not matter; nothing is lost silently.
#[test]
fn a_flipped_bit_is_refused_or_harmless() {
    let mut refused = 0;
    for seed in 0..150 {
        let _case = Case(format!("seed {seed}"));
        let mut random = Random::new(seed);
        let mut world = World::new(3);
        let mut story = Story::new(&mut world, 3);
        assert!(story.run(&mut world, 10));
        // A mark states that all of it was synced.
        world.clock.advance(200);
        while world.driver.turn() == Turn::Busy {}
        let digest = world.driver.ledger().digest();
        let names = world.disk.list().expect("the disk lists");
        let file = names[random.below(names.len() as u64) as usize].clone();
        let content = world.disk.content(&file).expect("listed");
        let used = content.iter().rposition(|&byte| byte != 0).map_or(512, |last| last + 1);
        assert!(world.disk.flip_bit(&file, random.below(used as u64 * 8)));
        match world.crash(Loss::Nothing) {
            Ok(mut world) => {
                assert_eq!(world.driver.ledger().digest(), digest, "{file}: silently different");
                story.check_recovered(&mut world);
            }
            Err(error) => {
                assert!(error.to_string().contains(&file), "{error} names the place");
                refused += 1;
            }
        }
    }
    assert!(refused > 20, "{refused} flips met something that counts");
}
