//! Passes: the right of somebody who was called up to reserve once.

use super::LineShared;
use onrush_core::ledger::PassUse;
use onrush_core::refusal::Refusal;
use onrush_types::planted;
use onrush_types::{BuyerDigest, TicketNo, Timestamp};

/// The right to reserve once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The ticket it belongs to.
    pub number: TicketNo,
    /// The ticket's place.
    pub place: u32,
    /// Until when it can be used.
    pub until: Timestamp,
}

/// What came with a reserve, as far as the layer above could tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PassShown {
    /// No pass.
    #[default]
    NotShown,
    /// Something that is no pass of ours, or not for this campaign.
    Invalid,
    /// A pass whose signature, campaign and buyer are right. Whether it can still be used is the
    /// engine's to say.
    Valid(Pass),
}

impl LineShared {
    /// Return the pass to use, or the refusal: the place of `pass` in the order of the contract.
    pub(crate) fn check(
        &self,
        shown: PassShown,
        buyer: BuyerDigest,
        now: Timestamp,
    ) -> Result<PassUse, Refusal> {
        let pass = match shown {
            PassShown::NotShown => return Err(Refusal::PassRequired),
            PassShown::Invalid => return Err(Refusal::PassInvalid),
            PassShown::Valid(pass) => pass,
        };
        let ticket = self.tickets.read(pass.number).ok_or(Refusal::PassInvalid)?;
        // A place that is being counted again after a restart is for the ledger to check.
        let other_place = ticket.place.is_some_and(|place| place != pass.place);
        let is_theirs = planted!("pass-of-anybody", true, ticket.buyer == buyer);
        if !is_theirs || ticket.used || other_place || !self.is_up(pass, now) {
            return Err(Refusal::PassInvalid);
        }
        Ok(PassUse { number: pass.number, place: pass.place })
    }

    fn is_up(&self, pass: Pass, now: Timestamp) -> bool {
        let published = self.published.load();
        // The pause that a sale has just left may have made it valid for longer than it says.
        let now = published.paused_at.map_or(now, |paused| now.min(paused));
        published.up_until(pass).is_some_and(|until| now < until)
    }
}

impl super::view::Published {
    /// Return until when a pass can be used, by what is durable; `None`: it was not called up.
    fn up_until(&self, pass: Pass) -> Option<Timestamp> {
        let again = self.returns.binary_search_by_key(&pass.number, |known| known.0);
        let at = match again {
            Ok(at) => self.returns[at].1,
            Err(_) => self.called_at(pass.place),
        };
        at.map(|at| at + self.view.pass)
    }
}
