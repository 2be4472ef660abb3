//! What operators did, and what was planned: the records of campaigns, supply, phases and refunds.

use crate::oracle::{Holds, Oracle, broken};
use onrush::Phase;
use onrush::ledger::naive_model::{Camp, Sku};
use onrush::ledger::{Change, Holds as HoldsMeant, Source};

impl Oracle {
    /// Follow such a record.
    pub(crate) fn other(&mut self, change: &Change) -> Holds {
        let done = |what: &str, expected: &str| match expected {
            "done" => Ok(()),
            other => broken("INV-1", format!("{what}; it should be {other}")),
        };
        match change {
            Change::Refunded { refund, .. } => match self.model.refunds.get_mut(*refund as usize) {
                Some(due) if !due.3 => due.3 = true,
                _ => return broken("INV-8", format!("refund {refund} is paid out twice")),
            },
            Change::Supplied { sku, units, source: Source::Operator(_) } => {
                done("units were supplied", &self.model.supply(sku.index(), *units as i32, false))?;
                self.freed.push(sku.index());
                self.touched.1.push(sku.index());
            }
            Change::Supplied { sku, units, source: Source::Wave(_) } => {
                let camp = self.model.skus[sku.index()].camp;
                if self.model.due_wave(camp) != Some((sku.index(), *units)) {
                    return broken(
                        "INV-7",
                        format!(
                            "a wave of {units} units; planned is {:?}",
                            self.model.camps[camp].waves.first()
                        ),
                    );
                }
                self.model.skus[sku.index()].supplied += units;
                self.model.camps[camp].waves.remove(0);
                self.freed.push(sku.index());
                self.touched.1.push(sku.index());
            }
            Change::Withdrawn { sku, units, .. } => {
                let expected = self.model.supply(sku.index(), -(*units as i32), false);
                done("units were withdrawn", &expected)?;
                self.touched.1.push(sku.index());
            }
            Change::Phase { campaign, to, by: None } => {
                let c = &mut self.model.camps[campaign.index()];
                if c.phase == *to || c.phase_at(self.model.now) != *to {
                    return broken("INV-7", format!("{:?} became {to:?} by itself", c.phase));
                }
                c.phase = *to;
                self.line_phase(campaign.index(), *to, false);
                if *to >= Phase::Closed {
                    self.end_lines(campaign.index());
                }
            }
            Change::Phase { campaign, to, by: Some(_) } => {
                let expected = self.model.move_phase(campaign.index(), *to);
                done("a campaign was moved", &expected)?;
                self.line_phase(campaign.index(), *to, true);
                if *to >= Phase::Closed {
                    self.end_lines(campaign.index());
                }
            }
            Change::Campaign { .. } | Change::Sku { .. } => self.terms(change),
            other => return broken("INV-10", format!("a record nobody expects: {other:?}")),
        }
        Ok(())
    }

    /// Deadlines were put off: each of them can be seen.
    pub(crate) fn extended(&mut self, holds: HoldsMeant, more_ms: u64) -> Holds {
        let (camp, one) = match holds {
            HoldsMeant::Campaign(ix) => (ix.index(), None),
            HoldsMeant::One(seq) => (0, Some(seq.index())),
        };
        let before: Vec<u64> = self.model.res.iter().map(|r| r.expires).collect();
        let expected = self.model.extend(camp, one, more_ms);
        if !expected.starts_with("done") {
            return broken("INV-7", format!("deadlines were put off; it should be {expected}"));
        }
        let now = self.model.res.iter().map(|r| r.expires);
        let moved: Vec<usize> =
            now.zip(before).enumerate().filter(|(_, (a, b))| a != b).map(|(n, _)| n).collect();
        self.touch_reservations(&moved);
        Ok(())
    }

    fn terms(&mut self, change: &Change) {
        match change {
            Change::Campaign { campaign, terms, .. } => {
                let camp = Camp {
                    opens: terms.schedule.opens_at.map_or(u64::MAX, |at| at.0),
                    closes: terms.schedule.closes_at.map_or(u64::MAX, |at| at.0),
                    draw: terms.schedule.draw_at.map_or(u64::MAX, |at| at.0),
                    waves: Vec::new(),
                    limit: terms.limit_per_buyer,
                    hold: terms.hold.0,
                    phase: Phase::Scheduled,
                };
                self.stores.supply.resize(self.model.camps.len().max(campaign.index() + 1), false);
                self.stores.supply[campaign.index()] = terms.supply_from_stores;
                match self.model.camps.get_mut(campaign.index()) {
                    // What came of its waves, and where it stands, is not changed by new terms.
                    Some(known) => {
                        let (waves, phase) = (std::mem::take(&mut known.waves), known.phase);
                        *known = Camp { waves, phase, ..camp };
                    }
                    None => self.model.camps.push(camp),
                }
            }
            Change::Sku { sku, campaign, price, limit_per_buyer, supply, .. } => {
                let new = Sku {
                    camp: campaign.index(),
                    price: *price,
                    limit: *limit_per_buyer,
                    supplied: *supply,
                    withdrawn: 0,
                };
                match self.model.skus.get_mut(sku.index()) {
                    Some(known) => (known.price, known.limit) = (new.price, new.limit),
                    None => self.model.skus.push(new),
                }
                self.flying_units.resize(self.model.skus.len(), 0);
                self.touched.1.push(sku.index());
            }
            _ => {}
        }
    }
}
