//! Decisions about those who wait: who may join, who is next, what is offered.
//!
//! **The rules.** One line for each SKU, first come first served. A buyer joins while nothing is free
//! for anybody else: no unit is free, or others wait already. A unit that becomes free is offered to
//! the first in line as an ordinary hold with a short deadline; when it ends unsold, the unit goes to
//! the next. A wish for several units is met in parts, as units come back: no unit lies idle while
//! somebody waits, and nobody is passed. Whoever has reached the limit when the turn comes is skipped
//! and loses the place. Nothing is offered while the sale is paused; the line ends with the sale.
//! Where the campaign has a line at the door too, its people go first: nobody joins the waitlist of a
//! SKU that may still come back to them, until all of them were called up or the SKU is sold.
//!
//! **Nobody passes** (INV-14): while somebody waits for a SKU, direct reserves are refused and late
//! money falls due back, whatever is free.

use super::action::{Answer, Subject, Take};
use super::decide::{Outcome, RETRY_MS, Sink, refuse};
use super::line::LineState;
use super::record::{Change, Reserved};
use super::state::{CampaignState, Ledger};
use crate::campaign::WaitTerms;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::wait_queue::{WaitQueue, Wish};
use onrush_types::limits::{RESERVATIONS_MAX, WAITING_MAX};
use onrush_types::planted;
use onrush_types::{
    BuyerDigest, CampaignIx, KeyDigest, Quantity, RequestDigest, ReservationSeq, SkuIx, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A decided change of a waitlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitChange {
    /// A campaign got a waitlist, other terms for it, or none from now on.
    Terms {
        /// Which campaign.
        campaign: CampaignIx,
        /// The terms.
        terms: Option<WaitTerms>,
    },
    /// A buyer joined.
    Joined {
        /// Which SKU's line.
        sku: SkuIx,
        /// The wish.
        wish: Wish,
    },
    /// A buyer left.
    Left {
        /// Which SKU's line.
        sku: SkuIx,
        /// The number of the wish.
        number: u32,
    },
    /// Units were set aside for the first in line: the record of the hold as well.
    Offered(Offered),
    /// The first in line had reached the limit and lost the place.
    Skipped {
        /// Which SKU's line.
        sku: SkuIx,
        /// The number of the wish.
        number: u32,
    },
}

/// The record of an offer, and of the hold that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Which SKU.
    pub sku: SkuIx,
    /// The wish that it meets: who, under which number, and the units offered (the wish may be for
    /// more).
    pub wish: Wish,
    /// The hold's sequence number.
    pub seq: ReservationSeq,
    /// Price of all units, in the campaign's currency.
    pub amount: i64,
    /// Until when the units are kept.
    pub expires_at: Timestamp,
}

impl Offered {
    /// Return the hold that it is.
    pub fn hold(&self) -> Reserved {
        Reserved {
            seq: self.seq,
            sku: self.sku,
            quantity: self.wish.quantity,
            buyer: self.wish.buyer,
            key: KeyDigest::OFFER,
            request: RequestDigest(0),
            amount: self.amount,
            expires_at: self.expires_at,
            review: false,
            details: None,
            pass: None,
        }
    }
}

/// What buyers ask of a waitlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitAction {
    /// Join the line.
    Join {
        /// Which SKU's.
        sku: SkuIx,
        /// For whom.
        buyer: BuyerDigest,
        /// Units wished for.
        quantity: Quantity,
    },
    /// Leave the line.
    Leave {
        /// Which SKU's.
        sku: SkuIx,
        /// For whom.
        buyer: BuyerDigest,
    },
}

/// The waitlists of all SKUs.
#[derive(Debug, Default)]
pub(super) struct Waits {
    pub(super) terms: BTreeMap<CampaignIx, WaitTerms>,
    /// SKUs for which somebody ever waited.
    pub(super) queues: BTreeMap<SkuIx, WaitQueue>,
    /// Buyers who wait, over all SKUs.
    pub(super) waiting: usize,
    /// SKUs that may have a unit for somebody who waits. Derived: every such SKU of an open campaign
    /// is in it.
    pub(super) ready: BTreeSet<SkuIx>,
}

impl Waits {
    /// Tell whether somebody waits for `sku`.
    #[inline]
    pub(super) fn is_waiting(&self, sku: SkuIx) -> bool {
        self.waiting > 0 && self.queues.get(&sku).is_some_and(WaitQueue::is_waiting)
    }
}

impl Ledger {
    /// Return the terms of a campaign's waitlist, if it has one.
    pub fn wait_terms(&self, campaign: CampaignIx) -> Option<WaitTerms> {
        self.waits.terms.get(&campaign).copied()
    }

    /// Return the line before a SKU, if there ever was one.
    pub fn wait_queue(&self, sku: SkuIx) -> Option<&WaitQueue> {
        self.waits.queues.get(&sku)
    }

    /// Return all SKUs for which somebody ever waited, with their lines.
    pub fn wait_queues(&self) -> impl Iterator<Item = (SkuIx, &WaitQueue)> {
        self.waits.queues.iter().map(|(sku, queue)| (*sku, queue))
    }

    pub(super) fn wait(&mut self, action: WaitAction, now: Timestamp, sink: Sink<'_>) -> Outcome {
        match action {
            WaitAction::Join { sku, buyer, quantity } => {
                self.join_waitlist(sku, buyer, quantity, now, sink)
            }
            WaitAction::Leave { sku, buyer } => {
                let Some(wish) = self.wait_queue(sku).and_then(|queue| queue.wish_of(buyer)) else {
                    return refuse(Refusal::NotFound);
                };
                let number = wish.number;
                self.record(Change::Wait(WaitChange::Left { sku, number }), now, sink)?;
                Ok(Answer::Done(Subject::Wish(sku, number)))
            }
        }
    }

    fn join_waitlist(
        &mut self,
        sku: SkuIx,
        buyer: BuyerDigest,
        quantity: Quantity,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(s) = self.skus.get(sku.index()) else { return refuse(Refusal::NotFound) };
        let (campaign, free, held) = (s.campaign, s.free, s.held);
        if self.wait_terms(campaign).is_none() {
            return refuse(Refusal::NotFound);
        }
        let queue = self.wait_queue(sku);
        if let Some(wish) = queue.and_then(|queue| queue.wish_of(buyer)) {
            return Ok(Answer::Already(Subject::Wish(sku, wish.number)));
        }
        match self.open(campaign, now) {
            Ok(()) | Err(Refusal::Paused) => {}
            Err(refusal) => return refuse(refusal),
        }
        let latest = self.latest_of(campaign, buyer);
        if let Some(limit) = self.limit_passed(campaign, latest, sku, quantity) {
            return refuse(Refusal::LimitReached { limit });
        }
        if planted!("wait-though-free", false, free > 0) && !self.waits.is_waiting(sku) {
            // Where there is a line, free units are for those whose turn it is.
            let in_line = self.line(campaign).is_some();
            return refuse(if in_line {
                Refusal::PassRequired
            } else {
                Refusal::UnitsFree { free }
            });
        }
        // What is on hold may come back, and then it is for those in line before it is for others.
        let line_goes_first = |line: &LineState| line.served() < line.joined();
        if held > 0 && self.line(campaign).is_some_and(line_goes_first) {
            return refuse(Refusal::PassRequired);
        }
        let full = queue.is_some_and(|queue| !queue.has_room());
        if full || self.waits.waiting >= WAITING_MAX {
            return refuse(Refusal::Overloaded { retry_after_ms: RETRY_MS });
        }
        let number = queue.map_or(0, WaitQueue::next_number);
        let wish = Wish { number, buyer, quantity };
        self.record(Change::Wait(WaitChange::Joined { sku, wish }), now, sink)?;
        Ok(Answer::Done(Subject::Wish(sku, number)))
    }

    /// Return why a direct reserve of `sku` has to stand back, if somebody waits.
    pub(super) fn behind_waitlist(&self, sku: SkuIx) -> Option<Refusal> {
        let held = self.skus[sku.index()].held;
        let shortage =
            if held > 0 { Refusal::AllHeld { free: 0 } } else { Refusal::SoldOut { free: 0 } };
        self.waits.is_waiting(sku).then_some(shortage)
    }

    /// Return what the waitlists owe at `now`: an offer to the first in a line whose SKU has free
    /// units, or the news that the first one is skipped. Record it and ask again until `None`.
    ///
    /// The units of an offer are taken when this returns. Where callers took them before, the line
    /// waits for what becomes of that. O(1) when nothing is due.
    pub fn due_offer(&mut self, now: Timestamp, take: &mut dyn Take) -> Option<Change> {
        let now = now.max(self.stamp);
        let mut from = Bound::Unbounded;
        while let Some(&sku) = self.waits.ready.range((from, Bound::Unbounded)).next() {
            from = Bound::Excluded(sku);
            let s = &self.skus[sku.index()];
            let owed = s.free > 0 && self.waits.is_waiting(sku);
            // A campaign that is opened again notes its SKUs anew.
            if !owed || self.campaigns[s.campaign.index()].reached != Phase::Open {
                self.waits.ready.remove(&sku);
            } else if self.open(s.campaign, now).is_ok()
                && let Some(change) = self.next_offer(sku, now, take)
            {
                return Some(Change::Wait(change));
            }
        }
        None
    }

    fn next_offer(&self, sku: SkuIx, now: Timestamp, take: &mut dyn Take) -> Option<WaitChange> {
        let s = &self.skus[sku.index()];
        let wish = self.wait_queue(sku)?.head()?;
        let latest = self.latest_of(s.campaign, wish.buyer);
        let allowed =
            |quantity: &Quantity| self.limit_passed(s.campaign, latest, sku, *quantity).is_none();
        if !allowed(&Quantity::ONE) {
            return Some(WaitChange::Skipped { sku, number: wish.number });
        }
        if self.reservations.len as usize >= RESERVATIONS_MAX {
            return None;
        }
        let most = wish.quantity.get().min(s.free);
        let sizes = (1..=most).rev().filter_map(|units| Quantity::new(units).ok());
        let quantity = sizes.filter(allowed).find(|size| take.take(sku, size.get()))?;
        Some(WaitChange::Offered(Offered {
            sku,
            wish: Wish { quantity, ..wish },
            seq: ReservationSeq(self.reservations.len),
            amount: s.price * i64::from(quantity.get()),
            expires_at: now + self.wait_terms(s.campaign)?.offer,
        }))
    }

    /// Refuse to take the waitlist away from under those who wait.
    pub(super) fn check_waitlist_kept(
        &self,
        campaign: &CampaignState,
        terms: Option<WaitTerms>,
    ) -> Result<(), String> {
        let waiting: u64 = campaign
            .skus
            .values()
            .filter_map(|sku| self.wait_queue(*sku))
            .map(|queue| u64::from(queue.waiting()))
            .sum();
        if terms.is_none() && waiting > 0 {
            return Err(format!("waitlist: {waiting} wait; it ends when the campaign is closed"));
        }
        Ok(())
    }
}
