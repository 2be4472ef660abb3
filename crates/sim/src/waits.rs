//! The waitlist, as plainly as the naive model tells the rest: lists of who waits. Nobody passes
//! (INV-14): the first in line is offered what comes back; while somebody waits, nobody reserves.

use crate::front::Flying;
use crate::lexicon::Lexicon;
use crate::oracle::{Holds, Oracle, broken};
use onrush::ledger::WaitChange;
use onrush::ledger::naive_model::Res;
use onrush::{CampaignIx, Phase};
use onrush_types::limits::RESERVATIONS_PER_BUYER_MAX;

/// All lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// How long an offer lives, by campaign; none: nobody can wait there.
    pub offer_ms: Vec<Option<u64>>,
    /// Those who wait, by SKU.
    pub lines: Vec<Line>,
}

/// Who waits for a SKU, first come first.
#[derive(Debug, Default)]
pub struct Line {
    /// Wishes ever accepted.
    joined: u32,
    /// Number, buyer, units.
    pub wishes: Vec<(u32, u8, u32)>,
}

impl Lines {
    /// Tell whether somebody waits for `sku`.
    pub fn is_waiting(&self, sku: usize) -> bool {
        self.lines.get(sku).is_some_and(|line| !line.wishes.is_empty())
    }

    /// Return the place of a buyer.
    pub fn place(&self, sku: usize, buyer: u8) -> Option<usize> {
        self.lines.get(sku)?.wishes.iter().position(|wish| wish.1 == buyer)
    }

    /// Note a campaign's terms.
    pub fn terms(&mut self, campaign: CampaignIx, offer_ms: Option<u64>) {
        self.offer_ms.resize(self.offer_ms.len().max(campaign.index() + 1), None);
        self.offer_ms[campaign.index()] = offer_ms;
    }

    fn line(&mut self, sku: usize) -> &mut Line {
        if self.lines.len() <= sku {
            self.lines.resize_with(sku + 1, Line::default);
        }
        &mut self.lines[sku]
    }
}

impl Oracle {
    /// Follow a record of the waitlist; returns the reservation that it made, if it is an offer.
    pub(crate) fn waited(
        &mut self,
        change: &WaitChange,
        lexicon: &Lexicon,
    ) -> Result<Option<usize>, crate::oracle::Violation> {
        match change {
            WaitChange::Terms { campaign, terms } => {
                self.waits.terms(*campaign, terms.map(|terms| terms.offer.0));
            }
            WaitChange::Joined { sku, wish } => {
                let (sku, units) = (sku.index(), wish.quantity.get());
                let Some(buyer) = lexicon.buyer_of(wish.buyer) else {
                    return broken("INV-14", "nobody joined");
                };
                let expected = self.join(sku, buyer, units);
                if expected != "done" {
                    let what = format!("buyer {buyer} joined; it should be {expected}");
                    return broken("INV-14", what);
                }
                let line = self.waits.line(sku);
                if wish.number != line.joined {
                    return broken("INV-14", format!("wish {} after {}", wish.number, line.joined));
                }
                line.joined += 1;
                line.wishes.push((wish.number, buyer, units));
            }
            WaitChange::Left { sku, number } => {
                let line = self.waits.line(sku.index());
                let at = line.wishes.iter().position(|wish| wish.0 == *number);
                let Some(at) = at else { return broken("INV-14", "nobody left") };
                line.wishes.remove(at);
            }
            WaitChange::Skipped { sku, number } => {
                let sku = sku.index();
                let first = self.waits.line(sku).wishes.first().copied();
                let Some((_, buyer, _)) = first.filter(|wish| wish.0 == *number) else {
                    return broken("INV-14", format!("wish {number} was skipped, not the first"));
                };
                if self.limit(sku, buyer, 1).is_none() {
                    return broken("INV-14", format!("buyer {buyer} was skipped below the limit"));
                }
                self.waits.line(sku).wishes.remove(0);
            }
            WaitChange::Offered(offered) => {
                let wish = offered.wish;
                let first = self.waits.line(offered.sku.index()).wishes.first().copied();
                let theirs = first.filter(|first| {
                    first.0 == wish.number && lexicon.buyer_of(wish.buyer) == Some(first.1)
                });
                let Some((_, buyer, units)) = theirs else {
                    return broken(
                        "INV-14",
                        format!("wish {} was met before its turn", wish.number),
                    );
                };
                let given = (offered.sku.index(), wish.quantity.get());
                self.offered(given, buyer, units, offered.amount, offered.expires_at.0)?;
                if offered.seq.index() + 1 != self.model.res.len() {
                    return broken("INV-10", "reservation numbers are dense");
                }
                return Ok(Some(offered.seq.index()));
            }
        }
        Ok(None)
    }

    fn offered(
        &mut self,
        (sku, given): (usize, u32),
        buyer: u8,
        units: u32,
        amount: i64,
        expires: u64,
    ) -> Holds {
        let camp = self.model.skus[sku].camp;
        let offer_ms = self.waits.offer_ms.get(camp).copied().flatten().unwrap_or(0);
        if self.model.camps[camp].phase != Phase::Open {
            return broken("INV-7", format!("an offer of SKU {sku} while the sale is not open"));
        }
        if self.model.figures(sku)[0] < given || given > units {
            return broken("INV-2", format!("{given} units offered to buyer {buyer}"));
        }
        if let Some(limit) = self.limit(sku, buyer, given) {
            return broken("INV-6", format!("buyer {buyer} was offered more than {limit}"));
        }
        let price = self.model.skus[sku].price * i64::from(given);
        if (price, self.model.now + offer_ms) != (amount, expires) {
            return broken("INV-14", format!("an offer for {amount} until {expires}"));
        }
        let line = self.waits.line(sku);
        line.wishes[0].2 -= given;
        if line.wishes[0].2 == 0 {
            line.wishes.remove(0);
        }
        self.model.res.push(Res {
            unaccepted: false,
            sku,
            buyer,
            units: given,
            key: (0, 0),
            state: "held",
            amount,
            expires,
            lines: vec![],
            confirm_keys: vec![],
            release_key: None,
        });
        Ok(())
    }

    /// A line ends with its sale.
    pub(crate) fn end_lines(&mut self, camp: usize) {
        let skus = self.model.skus.iter().enumerate().filter(|(_, sku)| sku.camp == camp);
        for (sku, _) in skus {
            if let Some(line) = self.waits.lines.get_mut(sku) {
                line.wishes.clear();
            }
        }
    }

    /// Return what joining comes to when the ledger looks at it.
    pub(crate) fn join(&self, sku: usize, buyer: u8, units: u32) -> String {
        let camp = self.model.skus[sku].camp;
        if self.waits.offer_ms.get(camp).copied().flatten().is_none() {
            return "not_found".into();
        }
        if self.waits.place(sku, buyer).is_some() {
            return "already".into();
        }
        match self.model.camps[camp].phase {
            Phase::Open | Phase::Paused => {}
            Phase::Closed | Phase::Settled => return "ended".into(),
            _ => return "not_open".into(),
        }
        if let Some(limit) = self.limit(sku, buyer, units) {
            return format!("limit_reached {limit}");
        }
        let free = self.model.figures(sku)[0];
        if free > 0 && !self.waits.is_waiting(sku) {
            return format!("units_free {free}");
        }
        "done".into()
    }

    /// Return what a request to wait is told at once; nothing when the ledger decides.
    pub(crate) fn join_at_once(&self, sku: usize, buyer: u8, now: u64) -> Option<String> {
        let camp = self.model.skus[sku].camp;
        if self.waits.offer_ms.get(camp).copied().flatten().is_none() {
            return Some("not_found".into());
        }
        if self.waits.place(sku, buyer).is_some() {
            return Some("already".into());
        }
        match self.model.camps[camp].phase_at(now) {
            Phase::Open | Phase::Paused => {}
            Phase::Closed | Phase::Settled => return Some("ended".into()),
            _ => return Some("not_open".into()),
        }
        let free = self.model.figures(sku)[0] - self.flying_units[sku];
        (free > 0 && !self.waits.is_waiting(sku)).then(|| format!("units_free {free}"))
    }

    /// Return the limit that so many more units would pass, if they would.
    pub(crate) fn limit(&self, sku: usize, buyer: u8, units: u32) -> Option<u32> {
        let camp = self.model.skus[sku].camp;
        let full = self.model.of_buyer(camp, buyer).count() >= RESERVATIONS_PER_BUYER_MAX;
        self.model.over_limit(sku, buyer, units).or(full.then_some(16))
    }

    /// Once a turn is over, nothing lies idle that the first in line may have.
    pub(crate) fn nothing_idle(&self, flying: &[Flying]) -> Holds {
        for (sku, line) in self.waits.lines.iter().enumerate() {
            let Some(&(number, buyer, _)) = line.wishes.first() else { continue };
            let free = self.model.figures(sku)[0];
            let open = self.model.camp_of(sku).phase == Phase::Open;
            // Units that callers had taken come back to the slot after the turn; the next one offers.
            let taken = flying.iter().any(|flying| flying.is_for(sku));
            if open && free > 0 && !taken && !self.added(sku) {
                return broken(
                    "INV-14",
                    format!(
                        "{free} units of SKU {sku} lie idle; wish {number} of buyer {buyer} waits"
                    ),
                );
            }
        }
        Ok(())
    }
}
