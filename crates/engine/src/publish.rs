//! What happens between the sync and the wake, in the order that makes a crash safe and a reader
//! right: units that are free again, read table and claims, units that are kept, catalogue, durable LSN,
//! callers.
//!
//! Stock goes back *after* the record that frees it is durable. The other way round, a crash between
//! the two would sell a unit whose earlier hold the journal still knows (INV-2).
//!
//! Whoever sees that a hold is over finds its units free: they go back *before* the read table says so.
//! The other way round, somebody who was told of a release, or whose limit it had freed, could be told
//! next that all units are held, which no order of the two explains (linearizability; found by
//! `onrush-linear`). Nobody is told of a unit that is taken between the two before the next batch.
//! What is sold is kept *after* the table says so: in between, `all_held` promises too little.

use crate::catalogue::Dirt;
use crate::flight::{Claimed, Work};
use crate::owner::{Batch, Fatal, Landing, Owner};
use crate::shared::{Shared, posting};
use onrush_core::ledger::{
    Answer, Change, Effect, Ledger, Record, ReservationState, StockMove, Touched, WaitChange,
};
use onrush_core::refusal::Refusal;
use onrush_types::planted;
use onrush_types::{CampaignIx, Lsn, ReservationSeq, SkuIx, TicketNo};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// One record of a batch, as far as the mirror needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posted {
    pub(crate) effect: Effect,
    /// The request in flight that it answers.
    pub(crate) credit: Option<u32>,
    /// The ticket that was used or came back, to be told.
    ticket: Option<TicketNo>,
    /// What of the catalogue it makes stale.
    dirt: Option<(CampaignIx, Dirt)>,
}

impl Posted {
    pub(crate) fn new(record: &Record, effect: Effect, credit: Option<u32>) -> Posted {
        let dirt = match record.change {
            Change::Campaign { campaign, .. }
            | Change::Phase { campaign, .. }
            | Change::Line { campaign, .. }
            | Change::Wait(WaitChange::Terms { campaign, .. }) => Some((campaign, Dirt::Terms)),
            Change::Sku { campaign, .. } => Some((campaign, Dirt::Skus)),
            _ => None,
        };
        let ticket = match &record.change {
            Change::Reserved(reserved) => reserved.pass.map(|pass| pass.number),
            Change::Returned { number, .. } => Some(*number),
            _ => None,
        };
        Posted { effect, credit, ticket, dirt }
    }
}

impl Posted {
    /// Return the campaign it is about.
    fn campaign(&self, ledger: &Ledger) -> Option<CampaignIx> {
        let of_sku = |sku: SkuIx| ledger.skus().get(sku.index()).map(|sku| sku.campaign);
        match self.effect.touched {
            Touched::Campaign(ix) | Touched::Line(ix) | Touched::Ticket(ix, _) => Some(ix),
            Touched::Sku(sku) | Touched::Waitlist(sku) => of_sku(sku),
            Touched::New(seq, _) | Touched::Reservation(seq, _) => {
                of_sku(ledger.reservation(seq)?.sku)
            }
            Touched::Deadlines(first, _) => of_sku(ledger.reservation(first)?.sku),
            Touched::Order(seq) => of_sku(ledger.reservation(seq)?.sku),
            Touched::Refund(_) | Touched::Node(_) | Touched::Routing => None,
        }
    }
}

impl Owner {
    /// Mirror the durable batch and wake its callers.
    pub(crate) fn publish(&mut self) -> Result<(), Fatal> {
        let (batch, shared, ledger) = self.batch_mut();
        free_units(batch, shared, ledger);
        post(batch, shared, ledger);
        keep_units(batch, shared);
        for landing in &batch.landings {
            if let (Some(claimed), Ok(answer)) = (&landing.claimed, &landing.outcome) {
                let exist = units_exist(answer) || are_free(shared, ledger, claimed);
                undo(shared, landing.credit, claimed, exist);
                // Relaxed: a figure for people.
                shared.counters.vetoes.fetch_add(1, Ordering::Relaxed);
            }
        }
        refresh_catalogue(batch, shared, ledger);
        publish_lines(batch, shared, ledger);
        check_slots(batch, shared, ledger)?;
        if !batch.posted.is_empty() {
            shared.publish_lsn(ledger.lsn());
        }
        batch.clear();
        let mut landings = std::mem::take(&mut batch.landings);
        if !landings.is_empty() {
            self.shared.wakes.around(|| {
                for Landing { credit, outcome, .. } in landings.drain(..) {
                    self.wake(credit, outcome);
                }
            });
        }
        let (batch, shared, ledger) = self.batch_mut();
        batch.landings = landings;
        let inspections = std::mem::take(&mut batch.inspections);
        let mut prunes = Vec::new();
        for (credit, work) in inspections {
            match work {
                Work::Inspect(look) => look(ledger),
                Work::Prune(snapshots) => prunes.push(snapshots),
                Work::Reserve(..) | Work::Act(_) => unreachable!("decided in the lane"),
            }
            shared.flights.give_back(credit);
        }
        for snapshots in prunes {
            self.journal.remove_segments(&snapshots.0, &snapshots.1)?;
        }
        Ok(())
    }
}

/// 2: the read table, and with it the claims.
fn post(batch: &Batch, shared: &Shared, ledger: &Ledger) {
    let catalogue = shared.catalogue.load();
    for posted in &batch.posted {
        let lsn = posted.effect.lsn;
        match posted.effect.touched {
            Touched::New(seq, state) => {
                let r = ledger.reservation(seq).expect("just recorded");
                let campaign = ledger.skus()[r.sku.index()].campaign;
                let claims = &catalogue.list[campaign.index()].claims;
                claims.land(r.buyer, posted.credit, seq, &shared.links, |previous| {
                    let entry = onrush_core::front::Posting { state, ..posting(r, lsn, previous) };
                    shared.board.post(seq, &entry);
                });
            }
            Touched::Reservation(seq, state) => shared.board.move_to(seq, state, lsn),
            Touched::Deadlines(first, last) => put_off(shared, ledger, (first, last), lsn),
            Touched::Sku(sku) => shared.make_sku(ledger, sku),
            Touched::Node(_) => shared.publish_stores(ledger),
            Touched::Campaign(_)
            | Touched::Refund(_)
            | Touched::Order(_)
            | Touched::Routing
            | Touched::Waitlist(_)
            | Touched::Line(_)
            | Touched::Ticket(..) => {}
        }
    }
    // Whoever got an offer leaves the line after it can be seen.
    shared.waits.follow(&batch.waits, ledger);
}

/// Tell of deadlines that were put off. The table is as of the record before, so what is live there
/// was put off.
fn put_off(
    shared: &Shared,
    ledger: &Ledger,
    (first, last): (ReservationSeq, ReservationSeq),
    lsn: Lsn,
) {
    let campaign = |r: &ReservationState| ledger.skus()[r.sku.index()].campaign;
    let its = ledger.reservation(first).map(campaign);
    for seq in (first.0..=last.0).map(ReservationSeq) {
        if let Some(r) = ledger.reservation(seq).filter(|r| Some(campaign(r)) == its) {
            planted!("deadline-untold", (), shared.board.put_off(seq, r.expires_at, lsn));
        }
    }
}

/// 1: units that are free again, or new. Those that were taken again within the batch are never free in
/// the slots.
fn free_units(batch: &mut Batch, shared: &Shared, ledger: &Ledger) {
    let Batch { posted, reused, .. } = batch;
    for posted in posted {
        let Some((sku, moved)) = posted.effect.stock else { continue };
        shared.make_sku(ledger, sku);
        let slot = shared.slots.get(sku.index()).expect("made above");
        match moved {
            StockMove::Keep(_) => {}
            StockMove::Add(units) => {
                let reused = taken_again(reused, sku, units);
                slot.add_held(reused);
                slot.add(units - reused);
            }
            StockMove::GiveBack(units) => {
                let units =
                    units - planted!("retaken-given-back", 0, taken_again(reused, sku, units));
                if units > 0 {
                    slot.give_back(units);
                }
            }
        }
    }
}

/// 3: units that are sold or withdrawn.
fn keep_units(batch: &Batch, shared: &Shared) {
    for posted in &batch.posted {
        if let Some((sku, StockMove::Keep(units))) = posted.effect.stock {
            shared.slots.get(sku.index()).expect("made when units were added").keep(units);
        }
    }
}

/// Return how many of `units` were taken again in their batch.
fn taken_again(reused: &mut BTreeMap<SkuIx, u32>, sku: SkuIx, units: u32) -> u32 {
    let Some(left) = reused.get_mut(&sku) else { return 0 };
    let again = (*left).min(units);
    *left -= again;
    again
}

/// Tell whether the ledger has the units that a vetoed reserve took. Where it has fewer than the slot
/// said, returning them would repeat the error.
fn units_exist(answer: &Answer) -> bool {
    !matches!(answer, Answer::Refused(Refusal::SoldOut { .. } | Refusal::AllHeld { .. }))
}

/// Tell whether the ledger still has what a reserve took that stood back behind those who wait.
fn are_free(shared: &Shared, ledger: &Ledger, claimed: &Claimed) -> bool {
    let slot = shared.slots.get(claimed.sku.index()).expect("it was taken from");
    let free = ledger.skus()[claimed.sku.index()].free;
    slot.look().free.checked_add(claimed.quantity).is_some_and(|back| back <= free)
}

/// Undo what a reserve took when the ledger did not record it.
pub(crate) fn undo(shared: &Shared, credit: u32, claimed: &Claimed, units_exist: bool) {
    let catalogue = shared.catalogue.load();
    let claims = &catalogue.list[claimed.campaign.index()].claims;
    planted!("veto-keeps-claim", (), claims.undo(claimed.buyer, credit, &shared.links));
    let slot = shared.slots.get(claimed.sku.index()).expect("it was taken from");
    if planted!("veto-leaks-units", false, units_exist) {
        slot.give_back(claimed.quantity);
    } else {
        slot.keep(claimed.quantity);
    }
}

/// 3: the catalogue, after the slots of new SKUs have their units.
fn refresh_catalogue(batch: &Batch, shared: &Shared, ledger: &Ledger) {
    let dirt = |ix: CampaignIx| {
        let of_campaign = batch.posted.iter().filter_map(|posted| posted.dirt);
        of_campaign.filter(|dirt| dirt.0 == ix).map(|dirt| dirt.1).max().unwrap_or(Dirt::None)
    };
    if batch.posted.iter().any(|posted| posted.dirt.is_some()) {
        shared.update_catalogue(ledger, dirt);
    }
}

/// 4: the lines that the batch touched: their tickets, then what everybody may know.
fn publish_lines(batch: &Batch, shared: &Shared, ledger: &Ledger) {
    if ledger.waiting_lines().next().is_none() {
        return;
    }
    let catalogue = shared.catalogue.load();
    let mut touched = Vec::new();
    for posted in &batch.posted {
        let Some(ix) = posted.campaign(ledger) else { continue };
        let Some(line) = &catalogue.list[ix.index()].line else { continue };
        if let Some(number) = posted.ticket {
            line.tickets.tell(number);
        }
        if touched.last() != Some(&ix) && !touched.contains(&ix) {
            touched.push(ix);
        }
    }
    for ix in &touched {
        if let Some(line) = &catalogue.list[ix.index()].line {
            line.publish(ledger);
        }
    }
    if !touched.is_empty() {
        shared.index_bell.ring();
    }
}

/// A slot never has more free units than the ledger: takes lower it first, and only this thread
/// raises it. Checked in production for every SKU that moved (INV-2).
fn check_slots(batch: &Batch, shared: &Shared, ledger: &Ledger) -> Result<(), Fatal> {
    for posted in &batch.posted {
        let Some((sku, _)) = posted.effect.stock else { continue };
        check_slot(shared, ledger, sku)?;
    }
    Ok(())
}

fn check_slot(shared: &Shared, ledger: &Ledger, sku: SkuIx) -> Result<(), Fatal> {
    let slot = shared.slots.get(sku.index()).expect("it moved");
    let (seen, known) = (slot.look().free, ledger.skus()[sku.index()].free);
    if seen > known {
        let what = format!("the slot of {sku:?} has {seen} free units, the ledger {known}");
        return Err(Fatal::Mirror(what));
    }
    Ok(())
}
