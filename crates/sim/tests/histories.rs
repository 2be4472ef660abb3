//! A few histories with every run of the tests; `cargo xtask test simulator` lives through more.

use onrush_sim::crash_points;
use onrush_sim::history::{Lived, live};
use onrush_sim::lexicon::Lexicon;
use onrush_sim::plan::{LineStep, Plan, SECOND_SCRIPT, Step, StoreStep, THIRD_SCRIPT};
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
fn a_hundred_with_lines_stores_and_batches_keep_every_promise() {
    let lexicon = Lexicon::learn();
    let (mut records, mut crashes) = (0, 0);
    for seed in SECOND_SCRIPT..SECOND_SCRIPT + 100 {
        let Lived { violation, stats, .. } = live(&Plan::of(seed), &lexicon, false, None);
        assert_eq!(violation, None, "seed {seed}");
        records += stats.records;
        crashes += stats.crashes;
    }
    assert!(records > 3_000 && crashes > 100, "{records} records, {crashes} crashes");
}

#[test]
fn a_hundred_in_which_deadlines_are_put_off_keep_every_promise() {
    let lexicon = Lexicon::learn();
    let mut told = String::new();
    for seed in THIRD_SCRIPT..THIRD_SCRIPT + 100 {
        let Lived { violation, story, .. } = live(&Plan::of(seed), &lexicon, true, None);
        assert_eq!(violation, None, "seed {seed}");
        told.extend(story.iter().flat_map(|line| [line, "\n"]));
    }
    for record in ["Extended { holds: Campaign(", "Extended { holds: One("] {
        let times = told.lines().filter(|line| line.contains("LSN") && line.contains(record));
        assert!(times.count() > 20, "{record}");
    }
}

/// What a history never gets to, it does not check.
#[test]
fn the_second_script_gets_to_every_part() {
    let lexicon = Lexicon::learn();
    let mut told = String::new();
    for seed in SECOND_SCRIPT..SECOND_SCRIPT + 60 {
        let lived = live(&Plan::of(seed), &lexicon, true, None);
        told.extend(lived.story.iter().flat_map(|line| [line, "\n"]));
    }
    for record in [
        "Joined {",
        "Drawn {",
        "Served {",
        "Returned {",
        "Outflow {",
        "PublicValue {",
        "pass: Some(PassUse",
        "Nodes(Stock(",
        "Nodes(Planned(",
        "Nodes(Rejected {",
        "Nodes(Dispatched {",
        "Nodes(Collected {",
        "Nodes(Routing(",
    ] {
        assert!(told.lines().any(|line| line.contains("LSN") && line.contains(record)), "{record}");
    }
    for refusal in ["pass_required", "pass_invalid", "not_eligible"] {
        assert!(told.contains(refusal), "nobody was told {refusal}");
    }
}

#[test]
fn seeds_of_the_first_script_have_nothing_of_the_second() {
    let is_new = |step: &Step| matches!(step, Step::Line(_) | Step::Store(_) | Step::Batch { .. });
    for seed in 0..200 {
        assert!(!Plan::of(seed).steps.iter().any(is_new), "seed {seed}");
    }
    let second: Vec<Step> =
        (0..200).flat_map(|seed| Plan::of(SECOND_SCRIPT + seed).steps).collect();
    assert!(second.iter().any(|step| matches!(step, Step::Line(LineStep::Redeem { .. }))));
    assert!(second.iter().any(|step| matches!(step, Step::Store(StoreStep::Plan { .. }))));
    assert!(second.iter().any(|step| matches!(step, Step::Batch { .. })));
}

#[test]
fn four_histories_survive_a_power_cut_at_each_change() {
    let lexicon = Lexicon::learn();
    let seeds = [0, 1, SECOND_SCRIPT, SECOND_SCRIPT + 1];
    let crashed = seeds.map(|seed| crash_points::everywhere(seed, &lexicon));
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
