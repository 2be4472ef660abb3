//! What happens between the sync and the wake, in the order that makes a crash safe and a reader
//! right: read table and claims, slots, catalogue, durable LSN, callers.
//!
//! Stock goes back *after* the record that frees it is durable. The other way round, a crash between
//! the two would sell a unit whose earlier hold the journal still knows (INV-2).

use crate::catalogue::Dirt;
use crate::flight::{Claimed, Work};
use crate::owner::{Batch, Fatal, Landing, Owner};
use crate::shared::{Shared, posting};
use onrush_core::ledger::{Answer, Change, Effect, Ledger, Record, StockMove, Touched};
use onrush_core::refusal::Refusal;
use onrush_types::planted;
use onrush_types::{CampaignIx, SkuIx};
use std::sync::atomic::Ordering;

/// One record of a batch, as far as the mirror needs it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posted {
    pub(crate) effect: Effect,
    /// The request in flight that it answers.
    pub(crate) credit: Option<u32>,
    /// What of the catalogue it makes stale.
    dirt: Option<(CampaignIx, Dirt)>,
}

impl Posted {
    pub(crate) fn new(record: &Record, effect: Effect, credit: Option<u32>) -> Posted {
        let dirt = match record.change {
            Change::Campaign { campaign, .. } | Change::Phase { campaign, .. } => {
                Some((campaign, Dirt::Terms))
            }
            Change::Sku { campaign, .. } => Some((campaign, Dirt::Skus)),
            _ => None,
        };
        Posted { effect, credit, dirt }
    }
}

impl Owner {
    /// Mirror the durable batch and wake its callers.
    pub(crate) fn publish(&mut self) -> Result<(), Fatal> {
        let (batch, shared, ledger) = self.batch_mut();
        post(batch, shared, ledger);
        move_stock(batch, shared, ledger);
        for landing in &batch.landings {
            if let (Some(claimed), Ok(answer)) = (&landing.claimed, &landing.outcome) {
                undo(shared, landing.credit, claimed, units_exist(answer));
                // Relaxed: a figure for people.
                shared.counters.vetoes.fetch_add(1, Ordering::Relaxed);
            }
        }
        refresh_catalogue(batch, shared, ledger);
        check_slots(batch, shared, ledger)?;
        if !batch.posted.is_empty() {
            shared.publish_lsn(ledger.lsn());
        }
        batch.clear();
        let mut landings = std::mem::take(&mut batch.landings);
        for Landing { credit, outcome, .. } in landings.drain(..) {
            self.wake(credit, outcome);
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

/// 1: the read table, and with it the claims.
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
            Touched::Sku(sku) => shared.make_sku(ledger, sku),
            Touched::Campaign(_) | Touched::Refund(_) => {}
        }
    }
}

/// 2: the slots. Units that were freed and taken again within the batch never reach them.
fn move_stock(batch: &mut Batch, shared: &Shared, ledger: &Ledger) {
    for posted in &batch.posted {
        let Some((sku, moved)) = posted.effect.stock else { continue };
        shared.make_sku(ledger, sku);
        let slot = shared.slots.get(sku.index()).expect("made above");
        match moved {
            StockMove::Keep(units) => slot.keep(units),
            StockMove::Add(units) => slot.add(units),
            StockMove::GiveBack(mut units) => {
                for reused in batch.reused.iter_mut().filter(|reused| reused.0 == sku) {
                    let skipped = planted!("retaken-given-back", 0, reused.1.min(units));
                    reused.1 -= skipped;
                    units -= skipped;
                }
                if units > 0 {
                    slot.give_back(units);
                }
            }
        }
    }
}

/// Tell whether the ledger has the units that a vetoed reserve took. Where it has fewer than the slot
/// said, returning them would repeat the error.
fn units_exist(answer: &Answer) -> bool {
    !matches!(answer, Answer::Refused(Refusal::SoldOut { .. } | Refusal::AllHeld { .. }))
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
