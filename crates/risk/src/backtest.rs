//! A recorded drop under another policy or model: who would have been asked what, and who would have
//! won.
//!
//! Signals are taken as they were recorded; what people would have done differently cannot be known.
//! Whoever would have been asked for a challenge is counted twice over: as passing it (`winners`), and
//! as failing it (`winners_if_challenges_fail`). The truth is between.

use crate::calibrate::Calibration;
use crate::decide::{Action, decide};
use crate::evidence::{ChallengePassed, Evidence, Stage};
use crate::key::EntityId;
use crate::policy::Policy;
use crate::recording::{Decided, RecordedRow};
use crate::score::Scorer;
use crate::signals::Signal;
use serde::Serialize;
use std::collections::BTreeSet;

/// Requests between two readings of the thresholds, as in a running sale.
pub const CALIBRATE_EVERY: u32 = 256;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Requests that were decided.
    pub requests: u64,
    /// Accounts that asked.
    pub accounts: u64,
    /// What was done: admit, weight, challenge, review, refuse.
    pub before: [u64; 5],
    /// What would have been done.
    pub after: [u64; 5],
    /// Accounts that were asked for a challenge.
    pub challenged_before: u64,
    /// Accounts that would have been.
    pub challenged_after: u64,
    /// Units that were granted.
    pub units: u64,
    /// Accounts that won.
    pub winners_before: u64,
    /// Accounts that would have won, if all pass their challenges.
    pub winners: u64,
    /// Of these, who had won before too.
    pub winners_kept: u64,
    /// Accounts that would have won, if all fail their challenges.
    pub winners_if_challenges_fail: u64,
    /// Of these, who had won before too.
    pub winners_kept_if_challenges_fail: u64,
}

/// Replay `rows` under `policy` with `scorer`.
pub fn backtest(rows: &[RecordedRow], policy: &Policy, scorer: &dyn Scorer) -> Report {
    let mut report = Report::default();
    let mut scores = Calibration::default();
    let mut thresholds = Vec::new();
    read_thresholds(policy, &scores, &mut thresholds);
    let mut sets = Sets::default();
    let mut asks = Vec::new();
    for row in rows {
        let RecordedRow::Decided(decided) = row else { continue };
        if decided.stage == Stage::Beacon {
            continue;
        }
        let risk = scorer.score(&decided.signals);
        scores.add(risk.probability);
        if scores.samples().is_multiple_of(CALIBRATE_EVERY) {
            read_thresholds(policy, &scores, &mut thresholds);
        }
        let action = decide(policy, &risk, &thresholds, &shown(decided)).action;
        report.requests += 1;
        report.before[usize::from(decided.action.min(4))] += 1;
        report.after[usize::from(action.number())] += 1;
        sets.accounts.insert(decided.account);
        if decided.action == 2 {
            sets.challenged_before.insert(decided.account);
        }
        if matches!(action, Action::Challenge(_)) {
            sets.challenged_after.insert(decided.account);
        }
        if decided.stage == Stage::Reserve {
            report.units += u64::from(decided.units);
            if decided.units > 0 {
                sets.won.insert(decided.account);
            }
            asks.push((decided.account, u64::from(decided.units.max(1)), action));
        }
    }
    let passes =
        |action: &Action| matches!(action, Action::Admit | Action::Weight | Action::Review);
    let all = winners(&asks, report.units, |action| {
        passes(action) || matches!(action, Action::Challenge(_))
    });
    let few = winners(&asks, report.units, passes);
    report.accounts = sets.accounts.len() as u64;
    report.challenged_before = sets.challenged_before.len() as u64;
    report.challenged_after = sets.challenged_after.len() as u64;
    report.winners_before = sets.won.len() as u64;
    report.winners = all.len() as u64;
    report.winners_kept = all.intersection(&sets.won).count() as u64;
    report.winners_if_challenges_fail = few.len() as u64;
    report.winners_kept_if_challenges_fail = few.intersection(&sets.won).count() as u64;
    report
}

/// Read off the score from which on each rule's share is. No allocation where `thresholds` had as many
/// before.
pub fn read_thresholds(policy: &Policy, scores: &Calibration, thresholds: &mut Vec<Option<f64>>) {
    thresholds.clear();
    let rules = policy.rules.iter();
    thresholds.extend(rules.map(|rule| scores.threshold(rule.worst_percent / 100.0)));
}

#[derive(Default)]
struct Sets {
    accounts: BTreeSet<u64>,
    challenged_before: BTreeSet<u64>,
    challenged_after: BTreeSet<u64>,
    won: BTreeSet<u64>,
}

/// First come, first served, each account once, until nothing is left.
fn winners(
    asks: &[(u64, u64, Action)],
    mut units: u64,
    passes: impl Fn(&Action) -> bool,
) -> BTreeSet<u64> {
    let mut won = BTreeSet::new();
    for (account, wanted, action) in asks {
        if *wanted <= units && passes(action) && won.insert(*account) {
            units -= wanted;
        }
    }
    won
}

/// Return what the signals say of proofs and challenges.
fn shown(decided: &Decided) -> Evidence {
    let s = &decided.signals;
    let level = s.get(Signal::ChallengeLevel) as u8;
    let ratio = s.get(Signal::ChallengeTime);
    Evidence {
        replay: s.get(Signal::Replay) > 0.0,
        honeypot: s.get(Signal::Honeypot) > 0.0,
        challenge: (level > 0).then_some(ChallengePassed { level, ratio, by_waiting: false }),
        ..Evidence::of(EntityId(decided.account), decided.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Rule, RuleAction};
    use crate::scorecard::Scorecard;
    use crate::signals::Signals;
    use onrush_types::Timestamp;

    fn row(account: u64, tool: bool, units: u32) -> RecordedRow {
        let mut signals = Signals::ZERO;
        signals.set(Signal::AgentTool, f32::from(u8::from(tool)));
        signals.set(Signal::HeadersMissing, f32::from(u8::from(tool)));
        RecordedRow::Decided(Decided {
            at: Timestamp(account),
            account,
            stage: Stage::Reserve,
            action: 0,
            level: 0,
            units,
            probability: 0.0,
            shadow: -1.0,
            signals,
        })
    }

    fn policy(action: RuleAction) -> Policy {
        let rule = Rule { action, worst_percent: 100.0, at_least: 0.5, level: 1 };
        Policy { version: 2, rules: vec![rule], ..Policy::default() }
    }

    #[test]
    fn units_go_to_the_next_in_order() {
        // Two bots took both units before two people came.
        let rows = [row(1, true, 1), row(2, true, 1), row(3, false, 0), row(4, false, 0)];
        let report = backtest(&rows, &policy(RuleAction::Challenge), &Scorecard);
        assert_eq!((report.requests, report.accounts, report.units), (4, 4, 2));
        assert_eq!((report.before, report.after), ([4, 0, 0, 0, 0], [2, 0, 2, 0, 0]));
        assert_eq!((report.challenged_before, report.challenged_after), (0, 2));
        assert_eq!((report.winners, report.winners_kept), (2, 2), "if they pass");
        let fail = (report.winners_if_challenges_fail, report.winners_kept_if_challenges_fail);
        assert_eq!(fail, (2, 0), "if they fail");
    }

    #[test]
    fn a_share_needs_a_crowd() {
        let mut worst = policy(RuleAction::Challenge);
        worst.rules[0].worst_percent = 2.0;
        let mut rows: Vec<_> = (0..1_000).map(|n| row(n, false, 0)).collect();
        rows.extend((0..5).map(|n| row(5_000 + n, true, 0)));
        let report = backtest(&rows, &worst, &Scorecard);
        assert_eq!(report.after[2], 5);
        let few = backtest(&rows[995..], &worst, &Scorecard);
        assert_eq!(few.after[2], 0, "ten requests are no crowd");
    }
}
