//! A few histories with every run of the tests; `cargo xtask test simulator` lives through more.

use onrush_sim::crash_points;
use onrush_sim::history::{Lived, live};
use onrush_sim::lexicon::Lexicon;
use onrush_sim::plan::{Plan, Step};
use onrush_sim::shrink::shrink;

#[test]
fn a_hundred_histories_keep_every_promise() {
    let lexicon = Lexicon::learn();
    let mut records = 0;
    let mut crashes = 0;
    for seed in 0..100 {
        let Lived { violation, stats, .. } = live(&Plan::of(seed), &lexicon, false, None);
        assert_eq!(violation, None, "seed {seed}");
        records += stats.records;
        crashes += stats.crashes;
    }
    assert!(records > 3_000 && crashes > 100, "{records} records, {crashes} crashes");
}

#[test]
fn three_histories_survive_a_power_cut_at_each_change() {
    let lexicon = Lexicon::learn();
    let crashed: Vec<_> = (0..3).map(|seed| crash_points::everywhere(seed, &lexicon)).collect();
    assert!(crashed.iter().all(|crashed| crashed.violation.is_none()), "{crashed:?}");
    assert!(crashed.iter().map(|crashed| crashed.points).sum::<u64>() > 30);
}

#[test]
fn a_seed_tells_the_same_story_each_time_and_has_a_fault() {
    let lexicon = Lexicon::learn();
    for seed in 200..220 {
        let plan = Plan::of(seed);
        assert!(plan.steps.iter().any(|step| matches!(step, Step::Fault(_))), "seed {seed}");
        let [first, second] = [(); 2].map(|()| live(&plan, &lexicon, true, None));
        assert_eq!(first.story, second.story, "seed {seed}");
        assert!(!first.story.is_empty());
    }
}

#[test]
fn what_does_not_fail_is_not_made_shorter() {
    let lexicon = Lexicon::learn();
    let plan = Plan::with(7, 20);
    let short = shrink(&plan, "INV-1", &lexicon, None);
    assert_eq!(short.steps, plan.steps);
}
