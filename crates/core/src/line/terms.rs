//! What an operator says about the line of a campaign.

use super::key::{CLASSES_MAX, Weights};
use super::outflow::Outflow;
use crate::campaign::{SpecError, wrong};
use onrush_types::limits::{
    PASS_MS_MAX, PASS_MS_MIN, TEXT_BYTES_MAX, TIER_AFTER_MS_MAX, TIER_GROUPS_MAX,
};
use onrush_types::{DurationMs, Name};

/// The terms of a line. All but `outflow` stay as they are once the campaign is published: people
/// joined under them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineTerms {
    /// One to eight tiers; a ticket's class is the place of its tier here. Class 0 is everybody.
    pub tiers: Vec<Tier>,
    /// How long somebody who was called up may use the pass.
    pub pass: DurationMs,
    /// How long after that the place can be taken up again.
    pub grace: DurationMs,
    /// How fast people are let in.
    pub outflow: Outflow,
    /// Where the public value comes from that turns the wheel, in words; empty: there is none.
    pub public_value_source: String,
    /// Only members of a group may join: nobody is in class 0.
    pub invite_only: bool,
}

/// People who join under the same conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its name.
    pub name: Name,
    /// The groups whose members are in it, as the shop names them.
    pub groups: Vec<String>,
    /// Its weight in the draw, 1 to 255: twice the weight, twice the chance to be first.
    pub weight: u8,
    /// How long after the sale opens it may enter.
    pub after: DurationMs,
}

impl LineTerms {
    /// Terms of a line in which everybody has the same chance: passes of two minutes, five minutes
    /// to come back.
    pub fn equal() -> LineTerms {
        LineTerms {
            tiers: vec![Tier {
                name: Name::new("everyone").expect("a legal name"),
                groups: Vec::new(),
                weight: 1,
                after: DurationMs(0),
            }],
            pass: DurationMs::from_secs(120),
            grace: DurationMs::from_secs(300),
            outflow: Outflow::default(),
            public_value_source: String::new(),
            invite_only: false,
        }
    }

    /// Return when each lane starts, counted from the opening of the sale, the first lane first.
    pub fn lanes(&self) -> Vec<DurationMs> {
        let mut lanes: Vec<DurationMs> = self.tiers.iter().map(|tier| tier.after).collect();
        lanes.sort_unstable();
        lanes.dedup();
        lanes
    }

    /// Return the lane in which the tier of `class` enters; `None`: no such class.
    pub fn lane_of(&self, class: u8) -> Option<u8> {
        let after = self.tiers.get(usize::from(class))?.after;
        self.lanes().iter().position(|lane| *lane == after).map(|lane| lane as u8)
    }

    /// Return the weight of each class.
    ///
    /// # Panics
    /// When the terms were not checked.
    pub fn weights(&self) -> Weights {
        let weights: Vec<u8> = self.tiers.iter().map(|tier| tier.weight).collect();
        Weights::new(&weights).expect("terms are checked where they enter")
    }

    /// Check all that can be checked without knowing the ledger.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), SpecError> {
        if self.tiers.is_empty() || self.tiers.len() > CLASSES_MAX {
            return Err(wrong("line.tiers", format!("must be 1 to {CLASSES_MAX}")));
        }
        if self.tiers.iter().all(|tier| tier.after.0 > 0) {
            let what = "one tier must enter when the sale opens (after = 0)";
            return Err(wrong("line.tiers", what.to_owned()));
        }
        for (at, tier) in self.tiers.iter().enumerate() {
            self.check_tier(at, tier)?;
        }
        if !(PASS_MS_MIN..=PASS_MS_MAX).contains(&self.pass.0) {
            return Err(wrong("line.pass", "must be between 1 second and 1 day".to_owned()));
        }
        if self.grace.0 > PASS_MS_MAX {
            return Err(wrong("line.grace", "must be at most 1 day".to_owned()));
        }
        if self.public_value_source.len() > TEXT_BYTES_MAX {
            let what = format!("at most {TEXT_BYTES_MAX} bytes");
            return Err(wrong("line.public_value_source", what));
        }
        self.outflow.check()
    }

    fn check_tier(&self, at: usize, tier: &Tier) -> Result<(), SpecError> {
        let field = |name: &str| format!("line.tiers.{}.{name}", tier.name);
        if self.tiers[..at].iter().any(|other| other.name == tier.name) {
            return Err(wrong(&field("name"), "appears twice; give each its own name".to_owned()));
        }
        if tier.weight == 0 {
            return Err(wrong(&field("weight"), "must be 1 to 255".to_owned()));
        }
        if tier.after.0 > TIER_AFTER_MS_MAX {
            return Err(wrong(&field("after"), "must be at most 31 days".to_owned()));
        }
        let too_long = |group: &String| group.is_empty() || group.len() > TEXT_BYTES_MAX;
        if tier.groups.len() > TIER_GROUPS_MAX || tier.groups.iter().any(too_long) {
            let what =
                format!("at most {TIER_GROUPS_MAX} groups of 1 to {TEXT_BYTES_MAX} bytes each");
            return Err(wrong(&field("groups"), what));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(name: &str, weight: u8, after: u64) -> Tier {
        let name = Name::new(name).expect("a name");
        Tier { name, groups: vec![], weight, after: DurationMs(after) }
    }

    #[test]
    fn lanes_are_the_different_times_in_order() {
        let mut terms = LineTerms::equal();
        terms.tiers = vec![tier("all", 1, 600), tier("gold", 3, 0), tier("silver", 2, 600)];
        assert_eq!(terms.check(), Ok(()));
        assert_eq!(terms.lanes(), [DurationMs(0), DurationMs(600)]);
        assert_eq!(
            [0, 1, 2, 3].map(|class| terms.lane_of(class)),
            [Some(1), Some(0), Some(1), None]
        );
        assert_eq!(terms.weights().iter().collect::<Vec<_>>(), [1, 3, 2]);
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        type Edit = fn(&mut LineTerms);
        let changes: [(&str, Edit); 12] = [
            ("line.tiers", |t| t.tiers.clear()),
            ("line.tiers", |t| t.tiers = vec![tier("a", 1, 0); 9]),
            ("line.tiers", |t| t.tiers[0].after = DurationMs(1)),
            ("line.tiers.everyone.weight", |t| t.tiers[0].weight = 0),
            ("line.tiers.everyone.name", |t| t.tiers.push(tier("everyone", 1, 0))),
            ("line.tiers.late.after", |t| t.tiers.push(tier("late", 1, TIER_AFTER_MS_MAX + 1))),
            ("line.tiers.everyone.groups", |t| t.tiers[0].groups = vec![String::new()]),
            ("line.pass", |t| t.pass = DurationMs(999)),
            ("line.grace", |t| t.grace = DurationMs(PASS_MS_MAX + 1)),
            ("line.public_value_source", |t| t.public_value_source = "x".repeat(201)),
            ("line.outflow.per_second", |t| t.outflow.per_second = Some(0)),
            ("line.outflow.passes_per_unit_max", |t| t.outflow.passes_per_unit_max = 0),
        ];
        for (field, edit) in changes {
            let mut terms = LineTerms::equal();
            edit(&mut terms);
            assert_eq!(terms.check().expect_err(field).field, field);
        }
    }

    #[test]
    fn each_limit_is_reached_and_not_passed() {
        type Edit = fn(&mut LineTerms, usize);
        let limits: [(&str, usize, Edit); 7] = [
            ("line.tiers", CLASSES_MAX, |t, n| {
                t.tiers = (0..n).map(|n| tier(&format!("t{n}"), 1, n as u64)).collect();
            }),
            ("line.tiers.late.after", TIER_AFTER_MS_MAX as usize, |t, n| {
                t.tiers.push(tier("late", 1, n as u64));
            }),
            ("line.tiers.everyone.groups", TIER_GROUPS_MAX, |t, n| {
                t.tiers[0].groups = (0..n).map(|n| n.to_string()).collect();
            }),
            ("line.tiers.everyone.groups", TEXT_BYTES_MAX, |t, n| {
                t.tiers[0].groups = vec!["vip".to_owned(), "x".repeat(n)];
            }),
            ("line.pass", PASS_MS_MAX as usize, |t, n| t.pass = DurationMs(n as u64)),
            ("line.grace", PASS_MS_MAX as usize, |t, n| t.grace = DurationMs(n as u64)),
            ("line.public_value_source", TEXT_BYTES_MAX, |t, n| {
                t.public_value_source = "x".repeat(n);
            }),
        ];
        for (field, most, edit) in limits {
            for more in 0..3 {
                let mut terms = LineTerms::equal();
                edit(&mut terms, most + more);
                let found = terms.check().map_err(|e| e.field.clone());
                let expected = if more == 0 { Ok(()) } else { Err(field.into()) };
                assert_eq!(found, expected, "{field}: {more} past {most}");
            }
        }
    }
}
