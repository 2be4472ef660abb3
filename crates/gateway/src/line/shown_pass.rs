//! The `Onrush-Pass` header of a reserve.
//!
//! Where a campaign has no line nothing is looked at, so those reserves cost what they did. The
//! engine gives the answer in the order of the contract: whether a pass was needed, and whether it
//! was good, is only said after the phase. That a pass is used once is the ledger's to decide.

use super::figures::{Counted, Refused};
use crate::gateway::Gateway;
use http::HeaderMap;
use onrush::{BuyerDigest, Campaign, Pass, PassShown, Refusal, TicketNo, Timestamp};

impl Gateway {
    /// Read the pass of a reserve. One load where the campaign has no line, one MAC where it has.
    #[inline]
    pub(crate) fn pass_shown(
        &self,
        campaign: &Campaign,
        buyer: BuyerDigest,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> PassShown {
        if campaign.line().is_none() {
            return PassShown::NotShown;
        }
        // What is not text is no pass of ours either.
        let shown = headers.get("onrush-pass").map(|value| value.to_str().unwrap_or_default());
        self.pass_read(campaign, buyer, shown, now)
    }

    /// Read a pass that came as text.
    pub(crate) fn pass_read(
        &self,
        campaign: &Campaign,
        buyer: BuyerDigest,
        shown: Option<&str>,
        now: Timestamp,
    ) -> PassShown {
        let (Some(text), Some(_)) = (shown, campaign.line()) else { return PassShown::NotShown };
        match self.lines.tokens.open_pass(text, campaign.ix(), Some(buyer), now) {
            Ok(pass) => {
                self.lines.figures.count(Counted::PassUsed);
                let number = TicketNo(pass.number);
                PassShown::Valid(Pass { number, place: pass.place, until: pass.until })
            }
            Err(_) => PassShown::Invalid,
        }
    }

    /// Count a pass that was good once and is used up.
    pub(crate) fn count_replay(&self, pass: PassShown, refusal: &Refusal) {
        if matches!((pass, refusal), (PassShown::Valid(_), Refusal::PassInvalid)) {
            self.lines.figures.refused(Refused::Replayed);
        }
    }
}
