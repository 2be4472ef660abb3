//! Reads the facts of one line out of a journal's records.

use super::fairness::Fact;
use super::list::Pseudonyms;
use crate::ledger::{Change, Ledger, Record};
use crate::phase::Phase;
use onrush_types::CampaignIx;

/// Reads the facts of the line of one campaign.
#[derive(Debug)]
pub struct FactReader {
    campaign: CampaignIx,
    pseudonyms: Pseudonyms,
}

impl FactReader {
    /// Read about the line of `campaign`, whose list was made with `pseudonyms`.
    pub fn new(campaign: CampaignIx, pseudonyms: Pseudonyms) -> FactReader {
        FactReader { campaign, pseudonyms }
    }

    /// Return what `record` tells about the line; `ledger` is as of the record. `None`: nothing.
    ///
    /// # Panics
    /// When `record` was not applied to `ledger`.
    pub fn read(&self, record: &Record, ledger: &Ledger) -> Option<Fact> {
        let at = record.stamp;
        let (of, fact) = match &record.change {
            Change::Line { campaign, terms, .. } => (*campaign, Fact::Weights(terms.weights())),
            Change::Joined { campaign, buyer, class, lane, .. } => {
                if *campaign != self.campaign {
                    return None;
                }
                let pseudonym = self.pseudonyms.of(*buyer);
                (*campaign, Fact::Joined { class: *class, lane: *lane, pseudonym, at })
            }
            Change::Drawn { campaign, facts, .. } => {
                let (lane, count, seed, turn) = (facts.lane, facts.count, facts.seed, facts.turn);
                (*campaign, Fact::Drawn { lane, count, seed, turn, at })
            }
            Change::Served { campaign, through, returned, per_second } => {
                let (through, again, per_second) = (*through, *returned, *per_second);
                (*campaign, Fact::Called { through, again, per_second, at })
            }
            Change::Returned { campaign, number, .. } => {
                (*campaign, Fact::Returned { number: number.0 })
            }
            Change::Phase { campaign, to: to @ (Phase::Paused | Phase::Open), .. } => {
                (*campaign, Fact::Paused { paused: *to == Phase::Paused, at })
            }
            Change::Reserved(reserved) => {
                let pass = reserved.pass?;
                let of = ledger.skus()[reserved.sku.index()].campaign;
                (of, Fact::Used { number: pass.number.0, place: pass.place, at })
            }
            _ => return None,
        };
        (of == self.campaign).then_some(fact)
    }
}
