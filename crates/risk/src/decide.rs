//! From a score to what is done, with the reasons. A pure function of the policy, the score, the
//! thresholds of this drop and what the request showed.

use crate::evidence::Evidence;
use crate::policy::{Policy, RuleAction};
use crate::score::{Reason, Risk};

/// What is done with a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Action {
    /// Nothing.
    #[default]
    Admit = 0,
    /// Less weight in the draw; at a reserve: nothing.
    Weight = 1,
    /// The answer to a challenge of this level is asked for.
    Challenge(u8) = 2,
    /// The hold waits for a look.
    Review = 3,
    /// Refused, on proof.
    Refuse(Proof) = 4,
}

/// What a refusal rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proof {
    /// A used proof or token was shown again.
    Replay,
    /// A proof or token was shown that is none of ours, or somebody else's.
    Forged,
    /// Something was used that no person sees.
    Honeypot,
}

/// What is done, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Decision {
    /// What is done.
    pub action: Action,
    /// The place of the rule that it follows from; none where it follows from no rule.
    pub rule: Option<u8>,
    /// Whether its weight in the draw is lowered besides.
    pub weight: bool,
    /// The score.
    pub probability: f64,
    /// Why.
    pub reasons: [Reason; 3],
}

impl Action {
    /// Return the word that operators and recordings use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Admit => "admit",
            Action::Weight => "weight",
            Action::Challenge(_) => "challenge",
            Action::Review => "review",
            Action::Refuse(_) => "refuse",
        }
    }

    /// Return its number in recordings.
    pub const fn number(self) -> u8 {
        match self {
            Action::Admit => 0,
            Action::Weight => 1,
            Action::Challenge(_) => 2,
            Action::Review => 3,
            Action::Refuse(_) => 4,
        }
    }
}

impl Proof {
    /// Return the word that operators see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Proof::Replay => "replay",
            Proof::Forged => "forged",
            Proof::Honeypot => "honeypot",
        }
    }
}

/// Decide. `thresholds` has one for each rule: the score from which on the worst share of this drop
/// is; `None` where that is not known yet, and the rule does not apply then.
///
/// A challenge that was passed at its level is not asked for again. What was answered by waiting costs
/// weight instead: nobody without a puzzle is locked out.
pub fn decide(
    policy: &Policy,
    risk: &Risk,
    thresholds: &[Option<f64>],
    evidence: &Evidence,
) -> Decision {
    let Risk { probability, reasons } = *risk;
    let mut decision = Decision { probability, reasons, ..Decision::default() };
    let proof = [
        (evidence.forged, Proof::Forged),
        (evidence.replay, Proof::Replay),
        (evidence.honeypot, Proof::Honeypot),
    ];
    if let Some((_, proof)) = proof.into_iter().find(|(is, _)| *is) {
        decision.action = Action::Refuse(proof);
        return decision;
    }
    let passed = evidence.challenge.map_or(0, |challenge| challenge.level);
    decision.weight = evidence.challenge.is_some_and(|challenge| challenge.by_waiting);
    for (at, rule) in policy.rules.iter().enumerate() {
        let everybody = rule.worst_percent >= 100.0;
        let threshold = thresholds.get(at).copied().flatten();
        let is_worst = everybody || threshold.is_some_and(|from| probability >= from);
        if !is_worst || probability < rule.at_least {
            continue;
        }
        let action = match rule.action {
            RuleAction::Weight => {
                decision.weight = true;
                if decision.action == Action::Admit {
                    decision.rule = Some(at as u8);
                }
                continue;
            }
            RuleAction::Challenge if passed >= rule.level => continue,
            RuleAction::Challenge => Action::Challenge(rule.level),
            RuleAction::Review => Action::Review,
        };
        // A challenge comes before a look: who answers it is looked at all the same.
        let strength = |action: Action| match action {
            Action::Challenge(level) => 10 + level,
            other => other.number(),
        };
        if strength(action) > strength(decision.action) {
            (decision.action, decision.rule) = (action, Some(at as u8));
        }
    }
    if decision.action == Action::Admit && decision.weight {
        decision.action = Action::Weight;
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{ChallengePassed, Stage};
    use crate::key::EntityId;
    use crate::policy::Rule;

    fn evidence() -> Evidence {
        Evidence::of(EntityId(1), Stage::Reserve)
    }

    fn policy(rules: &[(RuleAction, f64, f64, u8)]) -> Policy {
        let rules = rules.iter().map(|(action, worst_percent, at_least, level)| Rule {
            action: *action,
            worst_percent: *worst_percent,
            at_least: *at_least,
            level: *level,
        });
        Policy { rules: rules.collect(), ..Policy::default() }
    }

    #[test]
    fn no_score_refuses_and_every_proof_does() {
        let policy = policy(&[(RuleAction::Review, 100.0, 0.0, 1)]);
        let risk = Risk::plain(1.0);
        assert_eq!(decide(&policy, &risk, &[None], &evidence()).action, Action::Review);
        for (shown, proof) in [
            (Evidence { replay: true, ..evidence() }, Proof::Replay),
            (Evidence { forged: true, replay: true, ..evidence() }, Proof::Forged),
            (Evidence { honeypot: true, ..evidence() }, Proof::Honeypot),
        ] {
            let told = decide(&Policy::default(), &Risk::plain(0.0), &[], &shown);
            assert_eq!(told.action, Action::Refuse(proof));
        }
    }

    #[test]
    fn a_rule_needs_its_share_and_its_floor() {
        let policy = policy(&[(RuleAction::Challenge, 1.0, 0.5, 2)]);
        let act = |p, threshold| decide(&policy, &Risk::plain(p), &[threshold], &evidence()).action;
        assert_eq!(act(0.9, None), Action::Admit, "the drop is not known yet");
        assert_eq!(act(0.9, Some(0.95)), Action::Admit, "not among the worst");
        assert_eq!(act(0.4, Some(0.3)), Action::Admit, "under the floor");
        assert_eq!(act(0.5, Some(0.5)), Action::Challenge(2));
    }

    #[test]
    fn a_decision_names_the_rule_it_follows_from() {
        let policy = policy(&[
            (RuleAction::Weight, 100.0, 0.3, 1),
            (RuleAction::Challenge, 100.0, 0.5, 1),
            (RuleAction::Challenge, 100.0, 0.9, 2),
        ]);
        let rule = |p| {
            let told = decide(&policy, &Risk::plain(p), &[], &evidence());
            (told.action.as_str(), told.rule, told.weight)
        };
        assert_eq!(rule(0.1), ("admit", None, false));
        assert_eq!(rule(0.3), ("weight", Some(0), true));
        assert_eq!(rule(0.6), ("challenge", Some(1), true));
        assert_eq!(rule(0.9), ("challenge", Some(2), true));
        let proof = Evidence { honeypot: true, ..evidence() };
        assert_eq!(decide(&policy, &Risk::plain(0.9), &[], &proof).rule, None);
    }

    #[test]
    fn a_challenge_is_asked_for_once_and_waiting_costs_weight() {
        let policy = policy(&[
            (RuleAction::Challenge, 100.0, 0.5, 2),
            (RuleAction::Challenge, 100.0, 0.5, 1),
            (RuleAction::Review, 100.0, 0.9, 1),
        ]);
        let with = |level, by_waiting| Evidence {
            challenge: Some(ChallengePassed { level, ratio: 1.0, by_waiting }),
            ..evidence()
        };
        let act = |p, e: &Evidence| decide(&policy, &Risk::plain(p), &[], e);
        assert_eq!(act(0.6, &evidence()).action, Action::Challenge(2));
        assert_eq!(act(0.95, &evidence()).action, Action::Challenge(2), "before the look");
        assert_eq!(act(0.6, &with(1, false)).action, Action::Challenge(2));
        assert_eq!(act(0.6, &with(2, false)).action, Action::Admit);
        assert_eq!(act(0.95, &with(3, false)).action, Action::Review);
        let waited = act(0.6, &with(2, true));
        assert_eq!((waited.action, waited.weight), (Action::Weight, true));
    }
}
