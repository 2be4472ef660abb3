//! What follows from a score, as data: a TOML file with a version.
//!
//! Rules name shares of this drop ("the worst 1 %") and a floor below which nobody is touched. No rule
//! can refuse: a refusal needs proof, and what counts as proof is a list of its own.

use crate::limits::POLICY_BYTES_MAX;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A policy.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its version: grows with each change, kept with each decision that is recorded.
    pub version: u32,
    /// What to say of it.
    #[serde(default)]
    pub name: String,
    /// The tier of those who get less weight.
    #[serde(default = "later")]
    pub weight_tier: String,
    /// Rules; the strongest of those that apply counts.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What one cluster may have.
    #[serde(default)]
    pub caps: Caps,
    /// What counts where the scorer fails.
    #[serde(default)]
    pub fallback: Fallback,
}

/// What follows for the worst of this drop.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What follows.
    pub action: RuleAction,
    /// For so many percent of this drop at most, the worst ones.
    pub worst_percent: f64,
    /// And only from this probability on.
    pub at_least: f64,
    /// The level of a challenge, 1 to 3.
    #[serde(default = "one")]
    pub level: u8,
}

/// What a rule can do. A refusal is not among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// Join in the tier named `weight_tier`, with less weight in the draw.
    Weight,
    /// Ask for the answer to a challenge.
    Challenge,
    /// Hold it for a look.
    Review,
}

/// What one cluster of accounts may have, and what holds that are never paid cost it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Caps {
    /// Units that one cluster may hold or own; 0: no cap.
    pub cluster_units: u32,
    /// Accounts that one payment instrument may stand for; where it stands for more, none of them gets
    /// a unit. At most 15; 0: no cap.
    pub payment_accounts: u32,
    /// Unpaid holds that cost nothing.
    pub unpaid_free: u32,
    /// From then on each one takes so many units off what the cluster may have, down to 1.
    pub unpaid_costs: u32,
    /// And halves its next holds once more, at most three times.
    pub unpaid_halves: bool,
}

impl Default for Caps {
    fn default() -> Caps {
        Caps {
            cluster_units: 8,
            payment_accounts: 6,
            unpaid_free: 1,
            unpaid_costs: 2,
            unpaid_halves: true,
        }
    }
}

/// What counts where the scorer fails.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fallback {
    /// The probability that a failed scorer says.
    pub probability: f64,
}

/// A policy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the risk policy cannot be used: {}", self.0)
    }
}

impl std::error::Error for PolicyError {}

/// Rules in one policy.
pub const RULES_MAX: usize = 32;

impl Default for Policy {
    /// The policy that needs no training: a challenge for whoever is rather a program than not, and for
    /// the worst 1 % where that is not quite so sure; from nine in ten on a harder one, and less weight
    /// in the draw; a look at the worst 0.1 %.
    fn default() -> Policy {
        let rule = |action, worst_percent, at_least, level| Rule {
            action,
            worst_percent,
            at_least,
            level,
        };
        Policy {
            version: 1,
            name: "built in".to_owned(),
            weight_tier: later(),
            rules: vec![
                rule(RuleAction::Challenge, 100.0, 0.5, 1),
                rule(RuleAction::Challenge, 100.0, 0.9, 2),
                rule(RuleAction::Weight, 100.0, 0.9, 1),
                rule(RuleAction::Challenge, 1.0, 0.2, 1),
                rule(RuleAction::Review, 0.1, 0.95, 1),
            ],
            caps: Caps::default(),
            fallback: Fallback::default(),
        }
    }
}

impl Policy {
    /// Read a policy, strictly.
    ///
    /// # Errors
    /// The line and what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Policy, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError(format!("it has more than {POLICY_BYTES_MAX} bytes")));
        }
        let policy: Policy = toml::from_str(text).map_err(|e| PolicyError(e.to_string()))?;
        policy.check()?;
        Ok(policy)
    }

    /// Write it as [`from_toml`](Policy::from_toml) reads it.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("plain data is TOML")
    }

    /// Check what types do not.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), PolicyError> {
        let wrong = |what: &str| Err(PolicyError(what.to_owned()));
        if self.version == 0 {
            return wrong("version: 1 or more");
        }
        if self.rules.len() > RULES_MAX {
            return wrong("rules: at most 32");
        }
        if !(0.0..=1.0).contains(&self.fallback.probability) {
            return wrong("fallback.probability: 0 to 1");
        }
        if self.caps.payment_accounts > 15 {
            return wrong("caps.payment_accounts: at most 15; more cannot be told for certain");
        }
        for rule in &self.rules {
            if !(0.0..=100.0).contains(&rule.worst_percent) {
                return wrong("rules.worst_percent: 0 to 100");
            }
            if !(0.0..=1.0).contains(&rule.at_least) {
                return wrong("rules.at_least: 0 to 1");
            }
            if !(1..=3).contains(&rule.level) {
                return wrong("rules.level: 1 to 3");
            }
        }
        Ok(())
    }
}

impl Caps {
    /// Return the units that a cluster with so many unpaid holds may have in a campaign where one buyer
    /// may have `per_buyer`; nothing: no cap. A cluster that pays may always have what one buyer may.
    pub fn units(&self, unpaid: u32, per_buyer: u32) -> Option<u32> {
        if self.cluster_units == 0 {
            return None;
        }
        let counted = unpaid.saturating_sub(self.unpaid_free);
        let cost = counted.saturating_mul(self.unpaid_costs);
        Some(self.cluster_units.max(per_buyer).saturating_sub(cost).max(1))
    }

    /// Return how often its next hold is halved.
    pub fn halvings(&self, unpaid: u32) -> u8 {
        let counted = unpaid.saturating_sub(self.unpaid_free).min(3) as u8;
        if self.unpaid_halves { counted } else { 0 }
    }
}

fn one() -> u8 {
    1
}

fn later() -> String {
    "later".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_policy_survives_being_written() {
        let policy = Policy::default();
        assert_eq!(policy.check(), Ok(()));
        assert_eq!(Policy::from_toml(&policy.to_toml()), Ok(policy));
    }

    #[test]
    fn wrong_policies_are_refused_in_words() {
        let rule = |line: &str| format!("version = 1\n[[rules]]\n{line}\n");
        for (text, words) in [
            ("version = 0".to_owned(), "version"),
            ("name = \"x\"".to_owned(), "version"),
            ("version = 1\ncolour = 2".to_owned(), "colour"),
            (rule("action = \"refuse\"\nworst_percent = 1\nat_least = 0.5"), "refuse"),
            (rule("action = \"review\"\nworst_percent = 101\nat_least = 0.5"), "worst_percent"),
            (rule("action = \"review\"\nworst_percent = 1\nat_least = nan"), "at_least"),
            (rule("action = \"challenge\"\nworst_percent = 1\nat_least = 0\nlevel = 4"), "level"),
            ("version = 1\n[fallback]\nprobability = 2".to_owned(), "probability"),
            ("version = 1\n[caps]\npayment_accounts = 16".to_owned(), "payment_accounts"),
            ("#".repeat(POLICY_BYTES_MAX + 1), "bytes"),
        ] {
            let told = Policy::from_toml(&text).expect_err(&text).to_string();
            assert!(told.contains(words), "{text}: {told}");
        }
    }

    #[test]
    fn unpaid_holds_lower_the_cap_and_shorten_the_hold() {
        let caps = Caps { cluster_units: 5, ..Caps::default() };
        let told: Vec<_> = (0..6).map(|n| (caps.units(n, 1), caps.halvings(n))).collect();
        let (units, halvings): (Vec<_>, Vec<_>) = told.into_iter().unzip();
        assert_eq!(units, [Some(5), Some(5), Some(3), Some(1), Some(1), Some(1)]);
        assert_eq!(halvings, [0, 0, 1, 2, 3, 3]);
        let none = Caps { cluster_units: 0, unpaid_halves: false, ..caps.clone() };
        assert_eq!((none.units(9, 1), none.halvings(9)), (None, 0));
        assert_eq!(caps.units(0, 20), Some(20), "one buyer's limit is no cluster's crime");
    }
}
