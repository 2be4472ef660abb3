//! Who may join, and in which class: groups and invite lists at once, and then, where a campaign
//! has one, a hook that is asked once and has a deadline.
//!
//! Nothing here is on the way of a reservation: whoever holds a ticket was let join.

use super::invites::InviteList;
use onrush::BuyerDigest;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Says whether a buyer may join a line.
///
/// The gateway asks once for each ticket, not for one that is given out already, and waits no longer
/// than the campaign's deadline; what counts after that is the campaign's `on_failure`.
pub trait Eligibility: fmt::Debug + Send + Sync {
    /// Start asking. Must not block; dropping the future takes the question back.
    fn ask(&self, applicant: Applicant) -> Asking;
}

/// A question under way.
pub type Asking = Pin<Box<dyn Future<Output = Result<Verdict, AskError>> + Send>>;

/// Who wants to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applicant {
    /// The campaign's name.
    pub campaign: String,
    /// The buyer's pseudonym in this campaign, as the ticket will show it.
    pub pseudonym: String,
    /// The tier that groups and invite lists put the buyer in.
    pub tier: String,
    /// The buyer as a back end named it.
    pub buyer: Option<String>,
    /// The buyer's own token, where a token was shown: the hook can tell from it who asks.
    pub token: Option<String>,
}

/// What was decided about an applicant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// May join; in another tier where one is named.
    Admit {
        /// The tier's name.
        tier: Option<String>,
    },
    /// May not.
    Refuse,
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskError(pub String);

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What decides the class of a buyer at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Classes {
    /// By class; class 0 is everybody.
    pub(crate) rules: Vec<Rule>,
    pub(crate) invite_only: bool,
}

/// Who is in a class.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// One bit a configured group.
    pub(crate) groups: u64,
    pub(crate) invites: Option<Arc<InviteList>>,
    pub(crate) weight: u8,
    pub(crate) after_ms: u64,
}

impl Classes {
    /// Return the best class a buyer is in: the earliest to enter, then the heaviest, then the first
    /// listed. `None`: the sale is not for this buyer.
    pub(crate) fn of(&self, buyer: BuyerDigest, groups: u64) -> Option<u8> {
        let is_in = |rule: &Rule| {
            rule.groups & groups != 0 || rule.invites.as_ref().is_some_and(|list| list.has(buyer))
        };
        let members = self.rules.iter().enumerate().skip(1).filter(|(_, rule)| is_in(rule));
        let everybody = self.rules.iter().enumerate().take(usize::from(!self.invite_only));
        let best = everybody
            .chain(members)
            .min_by_key(|(class, rule)| (rule.after_ms, u8::MAX - rule.weight, *class));
        best.map(|(class, _)| class as u8)
    }

    /// Return the class of a tier.
    pub(crate) fn named(&self, tier: &str) -> Option<u8> {
        self.rules.iter().position(|rule| rule.name == tier).map(|class| class as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(groups: u64, weight: u8, after_ms: u64) -> Rule {
        Rule { groups, weight, after_ms, ..Rule::default() }
    }

    #[test]
    fn a_buyer_gets_the_best_class_it_is_in() {
        let rules =
            vec![rule(0, 1, 600), rule(0b001, 2, 0), rule(0b010, 5, 0), rule(0b100, 9, 600)];
        let classes = Classes { rules, invite_only: false };
        let buyer = BuyerDigest([1; 16]);
        for (groups, class) in [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 1), (8, 0)] {
            assert_eq!(classes.of(buyer, groups), Some(class), "groups {groups:b}");
        }
        let invited = Classes { invite_only: true, ..classes };
        assert_eq!(invited.of(buyer, 8), None);
        assert_eq!(invited.of(buyer, 4), Some(3));
    }
}
