//! Counts a journal again, record by record, by other means than the ledger's.
//!
//! The ledger checks itself while it replays; this is the second opinion. It knows only what the
//! records say and checks the promises at *every* LSN, where the final state would show a passing
//! oversell no longer.

use crate::stores::{Sale, Stores};
use crate::told::{Asked, Told};
use crate::verdict::{Check, Verdict};
use onrush::ledger::{Change, Holds, NodeChange, Paid, PaidOutcome, Record, Reserved, WaitChange};
use onrush::{BuyerDigest, DurationMs, Lsn, Phase, State, Timestamp};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

/// What payments did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Money {
    /// They did not cover the price yet.
    pub partial: u64,
    /// They covered the price in time.
    pub sold: u64,
    /// They came late and found units.
    pub retaken: u64,
    /// They are due back whole.
    pub refunded: u64,
}

/// A journal counted so far.
#[derive(Debug)]
pub struct History {
    last: Lsn,
    stamp: Timestamp,
    campaigns: Vec<Campaign>,
    skus: Vec<Sku>,
    reservations: Vec<Reservation>,
    owned: HashMap<(u16, BuyerDigest), u64>,
    owned_of_sku: HashMap<(u32, BuyerDigest), u64>,
    payments: HashSet<(String, String)>,
    /// Reservations by the LSN of their first record.
    born: HashMap<u64, usize>,
    order: Check,
    stock: Check,
    limits: Check,
    moves: Check,
    times: Check,
    money: Check,
    stores: Stores,
    /// What payments did.
    pub outcomes: Money,
}

#[derive(Debug)]
struct Campaign {
    open: bool,
    limit: u32,
}

#[derive(Debug)]
struct Sku {
    name: String,
    campaign: u16,
    limit: u32,
    there: u64,
    taken: u64,
}

#[derive(Debug)]
struct Reservation {
    sku: usize,
    quantity: u32,
    buyer: BuyerDigest,
    state: State,
    expires_at: Timestamp,
}

impl Default for History {
    fn default() -> History {
        History {
            last: Lsn::ZERO,
            stamp: Timestamp(0),
            campaigns: Vec::new(),
            skus: Vec::new(),
            reservations: Vec::new(),
            owned: HashMap::new(),
            owned_of_sku: HashMap::new(),
            payments: HashSet::new(),
            born: HashMap::new(),
            order: Check::new("records out of order", "INV-10", "records"),
            stock: Check::new("LSNs at which stock was oversold", "INV-2", "stock records"),
            limits: Check::new("LSNs at which a limit was broken", "INV-6", "holds"),
            moves: Check::new("reservations with two outcomes", "INV-5", "outcomes"),
            times: Check::new("holds or expiries at the wrong time", "INV-7", "holds, expiries"),
            money: Check::new("payments booked twice", "INV-5", "payments"),
            stores: Stores::default(),
            outcomes: Money::default(),
        }
    }
}

impl History {
    /// Count one more record.
    pub fn visit(&mut self, lsn: Lsn, record: &Record) {
        let follows = lsn.0 == self.last.0 + 1 && record.stamp >= self.stamp;
        let (last, stamp) = (self.last, self.stamp);
        self.order
            .look(follows, || format!("{lsn} at {:?} after {last} at {stamp:?}", record.stamp));
        (self.last, self.stamp) = (lsn, record.stamp);
        match &record.change {
            Change::Campaign { campaign, terms, .. } => {
                let limit = terms.limit_per_buyer;
                match self.campaigns.get_mut(campaign.index()) {
                    Some(known) => known.limit = limit,
                    None => self.campaigns.push(Campaign { open: false, limit }),
                }
            }
            Change::Sku { sku, campaign, name, limit_per_buyer, supply, .. } => {
                match self.skus.get_mut(sku.index()) {
                    Some(known) => {
                        known.limit = *limit_per_buyer;
                        known.there += u64::from(*supply);
                    }
                    None => self.skus.push(Sku {
                        name: name.to_string(),
                        campaign: campaign.0,
                        limit: *limit_per_buyer,
                        there: u64::from(*supply),
                        taken: 0,
                    }),
                }
            }
            Change::Supplied { sku, units, .. } => {
                self.skus[sku.index()].there += u64::from(*units);
            }
            Change::Withdrawn { sku, units, .. } => self.withdraw(lsn, sku.index(), *units),
            Change::Phase { campaign, to, .. } => {
                self.campaigns[campaign.index()].open = *to == Phase::Open;
            }
            Change::Reserved(r) => self.reserve(lsn, r),
            Change::Wait(WaitChange::Offered(offered)) => self.reserve(lsn, &offered.hold()),
            Change::Wait(_) => {}
            Change::Paid(paid) => self.pay(lsn, paid),
            Change::Confirmed { seq, .. } => self.become_(lsn, seq.0, State::Sold),
            Change::Accepted { seq, .. } => self.become_(lsn, seq.0, State::Held),
            Change::Released { seq, .. } | Change::Rejected { seq, .. } => {
                self.become_(lsn, seq.0, State::Released);
                self.give_back(seq.0);
            }
            Change::Extended { holds, more, .. } => self.put_off(*holds, *more),
            Change::Expired { seq } => {
                let due = self.reservations[seq.0 as usize].expires_at;
                let late = record.stamp >= due;
                self.times.look(late, || format!("{lsn}: {seq:?} expired before {due:?}"));
                self.become_(lsn, seq.0, State::Expired);
                self.give_back(seq.0);
            }
            Change::Cancelled { seq, restock, .. } => {
                self.become_(lsn, seq.0, State::Cancelled);
                self.give_back(seq.0);
                self.stores.cancel(lsn, seq.0, *restock);
                if !restock {
                    let r = &self.reservations[seq.0 as usize];
                    self.withdraw(lsn, r.sku, r.quantity);
                }
            }
            Change::Nodes(change) => self.visit_stores(lsn, change),
            // The line decides who may come, not what is there.
            Change::Refunded { .. }
            | Change::Line { .. }
            | Change::Joined { .. }
            | Change::Drawn { .. }
            | Change::Served { .. }
            | Change::Returned { .. }
            | Change::Outflow { .. }
            | Change::PublicValue { .. } => {}
        }
    }

    /// Return what was found in the records alone.
    pub fn verdict(&self) -> Verdict {
        let checks =
            [&self.order, &self.stock, &self.limits, &self.moves, &self.times, &self.money];
        Verdict { checks: checks.into_iter().chain(self.stores.checks()).cloned().collect() }
    }

    fn visit_stores(&mut self, lsn: Lsn, change: &NodeChange) {
        let seq = match change {
            NodeChange::Planned(planned) => Some(planned.seq),
            NodeChange::Rejected { seq, .. } | NodeChange::Collected { seq, .. } => Some(*seq),
            _ => None,
        };
        let sale = seq.and_then(|seq| self.reservations.get(seq.0 as usize)).map(|r| Sale {
            sku: r.sku as u32,
            quantity: r.quantity,
            is_sold: r.state == State::Sold,
        });
        self.stores.visit(lsn, change, sale);
        match change {
            NodeChange::Stock(moved) if moved.supplies => {
                let units = moved.units.unsigned_abs();
                if moved.units < 0 {
                    self.withdraw(lsn, moved.sku.index(), units as u32);
                } else {
                    self.skus[moved.sku.index()].there += units;
                }
            }
            NodeChange::Rejected { withdrawn, .. } if *withdrawn > 0 => {
                if let Some(sale) = sale {
                    self.withdraw(lsn, sale.sku as usize, *withdrawn);
                }
            }
            _ => {}
        }
    }

    /// Check that each new hold that was acknowledged stands in the journal at the LSN that was told,
    /// and no two were told the same.
    pub fn at_their_lsn(&self, told: &Told) -> Check {
        let mut check = Check::new("holds not at the LSN told", "INV-4", "holds");
        let mut seen = HashSet::new();
        let new = |asked: &Asked, status| *asked == Asked::Reserve && status == 201;
        for ack in told.acknowledged.iter().filter(|ack| new(&ack.asked, ack.status)) {
            if ack.state != State::Held {
                continue;
            }
            let found = self.born.get(&ack.lsn).map(|&seq| &self.reservations[seq]);
            let same = found
                .is_some_and(|r| self.skus[r.sku].name == *ack.sku && r.quantity == ack.quantity);
            let first = seen.insert(ack.lsn);
            check.look(same && first, || {
                format!("LSN {}: {} of {} for {}", ack.lsn, ack.quantity, ack.sku, ack.buyer)
            });
        }
        check
    }

    fn reserve(&mut self, lsn: Lsn, r: &Reserved) {
        let open = self.campaigns[usize::from(self.skus[r.sku.index()].campaign)].open;
        self.times.look(open, || format!("{lsn}: a hold while the sale was not open"));
        let seq = self.reservations.len();
        self.born.insert(lsn.0, seq);
        self.reservations.push(Reservation {
            sku: r.sku.index(),
            quantity: r.quantity.get(),
            buyer: r.buyer,
            state: if r.review { State::Review } else { State::Held },
            expires_at: r.expires_at,
        });
        self.take(lsn, seq);
    }

    /// Deadlines were put off: of one, or of all of a campaign that live.
    fn put_off(&mut self, holds: Holds, more: DurationMs) {
        let skus = &self.skus;
        for (seq, r) in self.reservations.iter_mut().enumerate() {
            let is_meant = match holds {
                Holds::Campaign(campaign) => skus[r.sku].campaign == campaign.0,
                Holds::One(one) => one.0 as usize == seq,
            };
            if is_meant && r.state.is_held() {
                r.expires_at = r.expires_at + more;
            }
        }
    }

    fn pay(&mut self, lsn: Lsn, paid: &Paid) {
        let line = &paid.line;
        let payment = (line.provider.to_string(), line.reference.to_string());
        let new = self.payments.insert(payment);
        self.money.look(new, || format!("{lsn}: {} again", line.reference));
        match paid.outcome {
            PaidOutcome::Partial => self.outcomes.partial += 1,
            PaidOutcome::Sold => {
                self.outcomes.sold += 1;
                self.become_(lsn, paid.seq.0, State::Sold);
            }
            PaidOutcome::Retaken => {
                self.outcomes.retaken += 1;
                self.become_(lsn, paid.seq.0, State::Sold);
                self.take(lsn, paid.seq.0 as usize);
            }
            PaidOutcome::Refund => self.outcomes.refunded += 1,
        }
    }

    fn take(&mut self, lsn: Lsn, seq: usize) {
        let r = &self.reservations[seq];
        let units = u64::from(r.quantity);
        let sku = &mut self.skus[r.sku];
        sku.taken += units;
        let (taken, there, name) = (sku.taken, sku.there, &sku.name);
        self.stock.look(taken <= there, || format!("{lsn}: {name}: {taken} taken of {there}"));
        let limit = self.campaigns[usize::from(sku.campaign)].limit;
        let of_campaign = self.owned.entry((sku.campaign, r.buyer)).or_default();
        *of_campaign += units;
        let of_sku = self.owned_of_sku.entry((r.sku as u32, r.buyer)).or_default();
        *of_sku += units;
        let within = *of_campaign <= u64::from(limit) && *of_sku <= u64::from(sku.limit);
        let has = *of_campaign;
        self.limits.look(within, || format!("{lsn}: {:?} has {has} units", r.buyer));
    }

    fn give_back(&mut self, seq: u32) {
        let r = &self.reservations[seq as usize];
        let units = u64::from(r.quantity);
        let sku = &mut self.skus[r.sku];
        sku.taken -= units;
        let maps = self.owned.get_mut(&(sku.campaign, r.buyer)).into_iter();
        for units_owned in maps.chain(self.owned_of_sku.get_mut(&(r.sku as u32, r.buyer))) {
            *units_owned -= units;
        }
    }

    fn withdraw(&mut self, lsn: Lsn, sku: usize, units: u32) {
        let sku = &mut self.skus[sku];
        sku.there = sku.there.saturating_sub(u64::from(units));
        let (taken, there) = (sku.taken, sku.there);
        self.stock.look(taken <= there, || format!("{lsn}: {taken} taken of {there}"));
    }

    fn become_(&mut self, lsn: Lsn, seq: u32, to: State) {
        let r = &mut self.reservations[seq as usize];
        let from = std::mem::replace(&mut r.state, to);
        self.moves.look(from.can_move_to(to), || {
            format!("{lsn}: reservation {seq} went from {} to {}", from.as_str(), to.as_str())
        });
    }
}
