//! A process that dies at any point sends nothing twice and forgets nobody.

use crate::world::{DROP, OPENS, World, buyer, mail};
use onrush_notify::{Key, Order, Outcome, State, Store, StoreError};
use onrush_types::DurationMs;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn a_crash_between_the_marks_is_unknown_and_never_sent_again() {
    let mut world = World::new();
    world.crowd(6);
    world.at(600_000);
    let jobs = world.due();
    assert_eq!(jobs.len(), 4, "the burst");
    // One was handed over and recorded, one handed over, two not even that.
    world.finish(&[(jobs[0].key, Outcome::Sent)]);
    let mut world = world.crash();
    assert_eq!((world.count(State::Sent), world.count(State::Unknown)), (1, 3));
    assert_eq!(world.count(State::Waiting), 2);
    let mut later = Vec::new();
    for _ in 0..100 {
        world.advance(100);
        let due = world.due();
        world.finish(&due.iter().map(|job| (job.key, Outcome::Sent)).collect::<Vec<_>>());
        later.extend(due.into_iter().map(|job| job.key));
    }
    assert_eq!(later.len(), 2);
    assert!(later.iter().all(|key| jobs.iter().all(|job| job.key != *key)));
}

#[test]
fn a_retry_keeps_its_place_over_a_restart() {
    let mut world = World::new();
    world.crowd(1);
    world.at(600_000);
    world.all_due(&Outcome::Later { after: Some(DurationMs(30_000)), why: "busy" });
    let mut world = world.crash();
    world.advance(29_999);
    assert!(world.due().is_empty());
    world.advance(1);
    let jobs = world.due();
    assert_eq!((jobs.len(), jobs[0].attempt), (1, 2));
    assert_eq!(jobs[0].address, mail(0));
}

#[test]
fn a_store_is_opened_with_its_own_secret_and_by_one_process() {
    let mut world = World::new();
    world.crowd(1);
    assert!(matches!(Store::open(world.dir.path(), &[5; 32]), Err(StoreError::Database(_))));
    let World { notifier, dir, .. } = world;
    drop(notifier);
    assert!(matches!(Store::open(dir.path(), &[4; 32]), Err(StoreError::WrongSecret)));
    assert_eq!(Store::open(dir.path(), &[5; 32]).expect("its own").len(), 1);
}

/// What a schedule does at one step.
#[derive(Clone, Copy, Debug)]
enum Step {
    Tick,
    Finish,
    Crash,
    TakeBack(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Tick),
        4 => Just(Step::Finish),
        1 => Just(Step::Crash),
        1 => (0..30_u32).prop_map(Step::TakeBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_nobody_is_told_twice(
        steps in proptest::collection::vec(step(), 1..60),
        answers in proptest::collection::vec(0_u8..4, 1..20),
    ) {
        let mut world = World::new();
        world.crowd(30);
        world.at(600_000);
        let mut answers = answers.into_iter().cycle();
        let mut under_way: Vec<Key> = Vec::new();
        let mut taken: BTreeMap<Key, u32> = BTreeMap::new();
        let mut gone = 0;
        let quiet = std::iter::repeat_n([Step::Tick, Step::Finish], 100).flatten();
        for step in steps.into_iter().chain(quiet) {
            match step {
                Step::Tick => {
                    world.advance(500);
                    let jobs = world.due();
                    under_way.extend(jobs.iter().map(|job| job.key));
                }
                Step::Finish => {
                    let ended: Vec<_> = under_way.drain(..).map(|key| {
                        let outcome = match answers.next() {
                            Some(0) => Outcome::Later { after: None, why: "busy" },
                            Some(1) => Outcome::Unknown("broke"),
                            _ => Outcome::Sent,
                        };
                        // What the other side may have: taken for good.
                        if !matches!(outcome, Outcome::Later { .. }) {
                            *taken.entry(key).or_default() += 1;
                        }
                        (key, outcome)
                    }).collect();
                    world.finish(&ended);
                }
                Step::Crash => {
                    // Whatever was in somebody's hands may have been handed over.
                    for key in under_way.drain(..) {
                        *taken.entry(key).or_default() += 1;
                    }
                    world = world.crash();
                }
                Step::TakeBack(n) => {
                    let order = Order::TakeBack { buyer: buyer(n), campaign: DROP, channel: None };
                    if world.order(order) == onrush_notify::Done::Gone(1) {
                        gone += 1;
                    }
                }
            }
            prop_assert!(taken.values().all(|times| *times <= 1), "{taken:?}");
        }
        // Everybody who stayed came to an end, and the figures say the same after a restart.
        let ends = |world: &World| State::ALL.map(|state| world.count(state));
        let before = ends(&world);
        prop_assert_eq!(before[State::Sending as usize], 0);
        prop_assert_eq!(before.iter().sum::<u32>() + gone, 30);
        prop_assert!(world.now < OPENS);
        let world = world.crash();
        prop_assert_eq!(ends(&world), before);
    }
}
