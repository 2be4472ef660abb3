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

#[cfg(test)]
mod tests {
    use super::super::terms::LineTerms;
    use super::super::{ListDigest, Seed, Turn};
    use super::*;
    use crate::campaign::Terms;
    use crate::ledger::{By, DrawFacts, PassUse, Reserved};
    use onrush_types::*;

    const AT: Timestamp = Timestamp(5_000);

    /// Two campaigns, each with the SKU of its number.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new([1, 2]);
        let name = |n: u16| Name::new(&format!("c{n}")).expect("a name");
        let mut apply = |change| ledger.apply(&Record { stamp: AT, change }).expect("it applies");
        for n in 0..2 {
            let (campaign, terms) = (CampaignIx(n), Box::new(Terms::open_now(Currency::CNY)));
            apply(Change::Campaign { campaign, name: name(n), terms });
        }
        for n in 0..2 {
            let (sku, campaign) = (SkuIx(u32::from(n)), CampaignIx(n));
            let (price, limit_per_buyer, supply) = (0, 1, 5);
            apply(Change::Sku { sku, campaign, name: name(n), price, limit_per_buyer, supply });
        }
        ledger
    }

    fn reserved(campaign: CampaignIx, pass: Option<PassUse>) -> Change {
        Change::Reserved(Reserved {
            pass,
            seq: ReservationSeq(0),
            sku: SkuIx(u32::from(campaign.0)),
            quantity: Quantity::ONE,
            buyer: BuyerDigest([4; 16]),
            key: KeyDigest(1),
            request: RequestDigest(0),
            amount: 0,
            expires_at: Timestamp(9_000),
            review: false,
            details: None,
        })
    }

    /// What is told of a campaign's line, and the fact that it is.
    fn told(campaign: CampaignIx) -> Vec<(Change, Fact)> {
        let (buyer, number) = (BuyerDigest([4; 16]), TicketNo(7));
        let terms = LineTerms::equal();
        let weights = terms.weights();
        let pseudonym = Pseudonyms::new(&[9; 32]).of(buyer);
        let (count, list_digest, turn, seed) = (3, ListDigest([1; 32]), Turn(17), Seed([2; 32]));
        let facts = DrawFacts { lane: 1, count, list_digest, turn, seed };
        let (by, per_second, at) = (None, Some(20), AT);
        let phase = |to| Change::Phase { campaign, to, by: by.clone() };
        vec![
            (
                Change::Line { campaign, terms: Box::new(terms), commitments: vec![] },
                Fact::Weights(weights),
            ),
            (
                Change::Joined { campaign, number, buyer, class: 3, lane: 1 },
                Fact::Joined { class: 3, lane: 1, pseudonym, at },
            ),
            (
                Change::Drawn { campaign, public_value: None, facts },
                Fact::Drawn { lane: 1, count, seed, turn, at },
            ),
            (
                Change::Served { campaign, through: 50, returned: 2, per_second },
                Fact::Called { through: 50, again: 2, per_second, at },
            ),
            (Change::Returned { campaign, number, place: 9 }, Fact::Returned { number: 7 }),
            (phase(Phase::Paused), Fact::Paused { paused: true, at }),
            (phase(Phase::Open), Fact::Paused { paused: false, at }),
            (
                reserved(campaign, Some(PassUse { number, place: 9 })),
                Fact::Used { number: 7, place: 9, at },
            ),
        ]
    }

    #[test]
    fn each_record_of_the_line_is_read_and_those_of_others_are_not() {
        let ledger = ledger();
        let reader = FactReader::new(CampaignIx(1), Pseudonyms::new(&[9; 32]));
        let read = |change| reader.read(&Record { stamp: AT, change }, &ledger);
        for (change, fact) in told(CampaignIx(1)) {
            let found = read(change.clone()).unwrap_or_else(|| panic!("nothing of {change:?}"));
            assert_eq!(format!("{found:?}"), format!("{fact:?}"));
        }
        for (change, _) in told(CampaignIx(0)) {
            assert!(read(change.clone()).is_none(), "of another line: {change:?}");
        }
        let campaign = CampaignIx(1);
        for change in [
            reserved(campaign, None),
            Change::Phase { campaign, to: Phase::Closed, by: None },
            Change::Expired { seq: ReservationSeq(0) },
            Change::Withdrawn { sku: SkuIx(1), units: 1, by: By::new("a test", "to see") },
        ] {
            assert!(read(change.clone()).is_none(), "no fact of a line: {change:?}");
        }
    }
}
