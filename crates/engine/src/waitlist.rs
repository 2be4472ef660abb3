//! The waitlist above the queue: a durable copy of every line for those who ask, and the calls that
//! join and leave.
//!
//! Joining is crowd work, so it takes the lane of the reserves: when the ledger looks at it, it has
//! decided every reserve that was queued before, and knows whether units are free. A payment never
//! waits behind it. While somebody waits, the front refuses reserves of that SKU after two loads; the
//! ledger would refuse them all the same (INV-14).

use crate::catalogue::Campaign;
use crate::engine::Engine;
use crate::flight::LaneKind;
use crate::pending::{Decision, Pending, View};
use crate::shared::{Reservation, Shared};
use onrush_core::front::{ChunkTable, SlotView};
use onrush_core::ledger::{Action, Change, Ledger, Record, Subject, WaitAction, WaitChange};
use onrush_core::phase::Phase;
use onrush_core::refusal::Refusal;
use onrush_core::wait_queue::{WaitFigures, WaitQueue, Wish};
use onrush_types::limits::SKUS_MAX;
use onrush_types::planted;
use onrush_types::{BuyerDigest, CampaignIx, KeyDigest, Quantity, SkuIx};
use parking_lot::RwLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A request to wait for units.
#[derive(Clone, Copy, Debug)]
pub struct WaitRequest<'a> {
    /// The campaign; its newest terms count.
    pub campaign: &'a Campaign,
    /// The SKU's name.
    pub sku: &'a str,
    /// How many units. They may come back, and are offered, one by one.
    pub quantity: Quantity,
    /// For whom.
    pub buyer: BuyerDigest,
}

/// A wish that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTicket {
    /// Which SKU.
    pub sku: SkuIx,
    /// Its number in the line, which never changes: lower numbers come first.
    pub number: u32,
}

/// How a buyer stands in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waitlisted {
    /// The wish, while it waits.
    pub place: Option<WaitPlace>,
    /// The latest hold of the SKU that the waitlist offered, whatever became of it.
    pub offer: Option<Reservation>,
}

/// A wish that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitPlace {
    /// Its number in the line.
    pub number: u32,
    /// Units still wished for.
    pub quantity: Quantity,
    /// Buyers who come before.
    pub ahead: u32,
}

/// The line before a SKU in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitView {
    /// Buyers who wait now.
    pub waiting: u32,
    /// Wishes ever accepted.
    pub joined: u32,
    /// What became of those that are over.
    pub figures: WaitFigures,
}

impl View for WaitTicket {
    fn of(_: &Shared, subject: Subject) -> Option<WaitTicket> {
        let Subject::Wish(sku, number) = subject else { return None };
        Some(WaitTicket { sku, number })
    }
}

impl Engine {
    /// Ask to be offered units of a SKU that come back.
    ///
    /// Resolves to `Done` once the place is durable, to `Already` with the same place when the buyer
    /// waits already, whatever the quantity, or to a refusal: `NotFound` where there is no waitlist,
    /// `UnitsFree` when there is nothing to wait for.
    pub fn join_waitlist(&self, ask: &WaitRequest<'_>) -> Pending<WaitTicket> {
        match self.shared.may_wait(ask, self.now()) {
            Ok(action) => self.shared.send(LaneKind::Reserve, Action::Wait(action)),
            Err(Stop::Refused(refusal)) => Pending::refused(refusal),
            Err(Stop::Waits(ticket)) => Pending::ready(Ok(Decision::Already(ticket))),
        }
    }

    /// Leave a line. An offer that was made before is a hold: release that one.
    pub fn leave_waitlist(&self, sku: SkuIx, buyer: BuyerDigest) -> Pending<WaitTicket> {
        // In the lane of the joins: a leave never overtakes the join before it.
        self.shared.send(LaneKind::Reserve, Action::Wait(WaitAction::Leave { sku, buyer }))
    }

    /// Return how a buyer stands in the line before a SKU, if they wait or ever got an offer. Durable
    /// facts only; O(chunks of the line), below a microsecond up to some 100,000 who wait.
    pub fn waitlisted(
        &self,
        campaign: &Campaign,
        sku: SkuIx,
        buyer: BuyerDigest,
    ) -> Option<Waitlisted> {
        let shared = &self.shared;
        // The line first: a wish leaves it after its offer can be seen, so no look misses both.
        let place = shared.waits.place(sku, buyer);
        let mut offer = None;
        let catalogue = shared.catalogue.load();
        let campaign = catalogue.list.get(campaign.ix.index())?;
        campaign.claims.reservations(buyer, &shared.board, |seq, posting| {
            if posting.sku == sku && posting.key == KeyDigest::OFFER {
                offer = shared.described(seq, posting);
            }
            offer.is_none()
        });
        (place.is_some() || offer.is_some()).then_some(Waitlisted { place, offer })
    }

    /// Return the line before a SKU in figures. Durable facts only.
    pub fn wait_view(&self, sku: SkuIx) -> WaitView {
        self.shared.waits.view(sku)
    }
}

/// Why a request to wait ends before the queue.
enum Stop {
    Refused(Refusal),
    Waits(WaitTicket),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl Shared {
    /// Refuse what the ledger would refuse too, without its time.
    fn may_wait(
        &self,
        ask: &WaitRequest<'_>,
        now: onrush_types::Timestamp,
    ) -> Result<WaitAction, Stop> {
        let catalogue = self.catalogue.load();
        let campaign = catalogue.list.get(ask.campaign.ix.index()).ok_or(Refusal::NotFound)?;
        let sku = campaign.sku(ask.sku).ok_or(Refusal::NotFound)?.ix;
        if campaign.waitlist.is_none() {
            return Err(Refusal::NotFound.into());
        }
        if let Some(place) = self.waits.place(sku, ask.buyer) {
            return Err(Stop::Waits(WaitTicket { sku, number: place.number }));
        }
        match campaign.phase(now) {
            Phase::Open | Phase::Paused => {}
            Phase::Closed | Phase::Settled => return Err(Refusal::Ended.into()),
            Phase::Draft => return Err(Refusal::NotFound.into()),
            Phase::Scheduled | Phase::Preheat | Phase::Draw => {
                let opens_at = campaign.terms.schedule.opens_at;
                return Err(Refusal::NotOpen { opens_at }.into());
            }
        }
        let free = self.slots.get(sku.index()).map_or(0, |slot| slot.look().free);
        if free > 0 && !self.waits.is_waiting(sku) {
            // Where there is a line, free units are for those whose turn it is.
            let refusal = match campaign.line {
                Some(_) => Refusal::PassRequired,
                None => Refusal::UnitsFree { free },
            };
            return Err(refusal.into());
        }
        Ok(WaitAction::Join { sku, buyer: ask.buyer, quantity: ask.quantity })
    }

    /// Refuse a reserve of what somebody waits for.
    #[inline]
    pub(crate) fn stop_behind_waitlist(&self, sku: SkuIx, seen: SlotView) -> Result<(), Refusal> {
        if planted!("waitlist-unseen", true, !self.waits.is_waiting(sku)) {
            return Ok(());
        }
        let (held, free) = (seen.held > 0, 0);
        Err(if held { Refusal::AllHeld { free } } else { Refusal::SoldOut { free } })
    }
}

/// The durable copy of all lines.
#[derive(Debug)]
pub(crate) struct WaitRooms(ChunkTable<WaitRoom>);

#[derive(Debug, Default)]
struct WaitRoom {
    waiting: AtomicU32,
    queue: RwLock<WaitQueue>,
}

/// What a durable record changes in a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WaitMove {
    Joined(SkuIx, Wish),
    Left(SkuIx, u32),
    Met(SkuIx, u32, Quantity),
    Skipped(SkuIx, u32),
    Ended(CampaignIx),
}

impl WaitMove {
    pub(crate) fn of(record: &Record) -> Option<WaitMove> {
        Some(match &record.change {
            Change::Phase { campaign, to, .. } if *to >= Phase::Closed => {
                WaitMove::Ended(*campaign)
            }
            Change::Wait(change) => match change {
                WaitChange::Joined { sku, wish } => WaitMove::Joined(*sku, *wish),
                WaitChange::Left { sku, number } => WaitMove::Left(*sku, *number),
                WaitChange::Skipped { sku, number } => WaitMove::Skipped(*sku, *number),
                WaitChange::Offered(o) => WaitMove::Met(o.sku, o.wish.number, o.wish.quantity),
                WaitChange::Terms { .. } => return None,
            },
            _ => return None,
        })
    }
}

impl WaitRooms {
    pub(crate) fn new() -> WaitRooms {
        WaitRooms(ChunkTable::new(1_024, SKUS_MAX))
    }

    /// Tell whether somebody waits. Two loads.
    #[inline]
    pub(crate) fn is_waiting(&self, sku: SkuIx) -> bool {
        let room = self.0.get(sku.index());
        // Relaxed: a hint for refusing early; the ledger decides.
        room.is_some_and(|room| room.waiting.load(Ordering::Relaxed) > 0)
    }

    fn place(&self, sku: SkuIx, buyer: BuyerDigest) -> Option<WaitPlace> {
        let queue = self.0.get(sku.index())?.queue.read();
        let Wish { number, quantity, .. } = queue.wish_of(buyer)?;
        Some(WaitPlace { number, quantity, ahead: queue.ahead_of(number) })
    }

    fn view(&self, sku: SkuIx) -> WaitView {
        let Some(room) = self.0.get(sku.index()) else { return WaitView::default() };
        let queue = room.queue.read();
        WaitView { waiting: queue.waiting(), joined: queue.next_number(), figures: queue.figures() }
    }

    /// Copy the lines of a ledger that was just recovered.
    pub(crate) fn mirror(&self, ledger: &Ledger) {
        for (sku, queue) in ledger.wait_queues() {
            self.change(sku, |mine| *mine = queue.clone());
        }
    }

    /// Repeat what durable records changed. Ledger thread only, after the sync and after the offers
    /// among them can be seen.
    pub(crate) fn follow(&self, moves: &[WaitMove], ledger: &Ledger) {
        for moved in moves {
            let followed = match *moved {
                WaitMove::Joined(sku, wish) => self.change(sku, |queue| queue.join(wish)),
                WaitMove::Left(sku, number) => self.change(sku, |queue| queue.leave(number)),
                WaitMove::Skipped(sku, number) => self.change(sku, |queue| queue.skip(number)),
                WaitMove::Met(sku, number, units) => {
                    self.change(sku, |queue| queue.meet(number, units))
                }
                WaitMove::Ended(campaign) => {
                    let of_campaign = |sku: &SkuIx| ledger.skus()[sku.index()].campaign == campaign;
                    let ended = ledger.wait_queues().map(|(sku, _)| sku).filter(of_campaign);
                    ended.for_each(|sku| self.change(sku, WaitQueue::end));
                    Ok(())
                }
            };
            followed.expect("the copy follows the ledger's line");
        }
    }

    fn change<T>(&self, sku: SkuIx, change: impl FnOnce(&mut WaitQueue) -> T) -> T {
        let room = self.0.ensure(sku.index()).expect("the ledger bounds SKUs");
        let mut queue = room.queue.write();
        let changed = change(&mut queue);
        // Relaxed: as in `is_waiting`.
        room.waiting.store(queue.waiting(), Ordering::Relaxed);
        changed
    }

    /// Check the copy against the ledger's lines. Only when nothing is under way.
    pub(crate) fn check(&self, ledger: &Ledger) -> Result<(), String> {
        for (sku, theirs) in ledger.wait_queues() {
            let room = self.0.get(sku.index()).ok_or_else(|| format!("{sku:?} has no room"))?;
            let mine = room.queue.read();
            let same = mine.iter().eq(theirs.iter()) && mine.figures() == theirs.figures();
            if !same || mine.next_number() != theirs.next_number() {
                return Err(format!("callers see another line before {sku:?} than the ledger"));
            }
            let s = &ledger.skus()[sku.index()];
            let open = ledger.campaigns()[s.campaign.index()].reached == Phase::Open;
            if open && theirs.is_waiting() && s.free > 0 {
                return Err(format!("{} of {sku:?} are free while somebody waits", s.free));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "waitlist_tests.rs"]
mod tests;
