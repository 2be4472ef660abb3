//! `POST /admin/v1/reservations:batch`: many reservations in one request, for a shop's back end.
//!
//! Each entry is a reservation of its own, with its own idempotency key and its own outcome, in the
//! order of the request; one that is refused does not touch the others. All of them are in the
//! engine's queue before the first is waited for, so they share its syncs.

use crate::answer::Answer;
use crate::config::Scope;
use crate::funnel::{Funnels, Row};
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::Caller;
use crate::jitter::Jitter;
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::{What, granted};
use crate::wire::{BatchBody, BatchEntry, Details, push_reservation, push_u64, read_json};
use http::StatusCode;
use onrush::{
    Campaign, Decision, EngineError, Pending, Quantity, Reservation, ReserveRequest, Timestamp,
};
use onrush_types::limits::{KEY_BYTES_MAX, NAME_BYTES_MAX, RESERVATIONS_PER_BATCH_MAX};
use onrush_types::planted;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Bytes of an entry's answer, to make room for once.
const ENTRY_BYTES: usize = 320;

type Outcome = Result<Decision<Reservation>, EngineError>;

/// The entries of a batch on their way; a future of [`Batched`].
#[derive(Debug)]
pub(crate) struct Batch {
    entries: Vec<Entry>,
    /// Entries before this one have their outcome.
    landed: usize,
    funnels: Arc<Funnels>,
}

/// One reservation of many.
#[derive(Debug)]
pub(super) enum Entry {
    Flying(Pending<Reservation>, Row),
    Landed(Outcome),
    Wrong(Problem),
}

/// The outcomes of a batch, in the order of its entries.
#[derive(Debug)]
pub(crate) struct Batched(Vec<Entry>);

impl Gateway {
    pub(crate) fn reserve_batch(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        let body: BatchBody<'_> = read_json(ask.headers, ask.body)?;
        let count = body.reservations.len();
        if count == 0 || count > RESERVATIONS_PER_BATCH_MAX {
            let detail = format!("reservations: 1 to {RESERVATIONS_PER_BATCH_MAX} in one batch");
            return Err(Problem::invalid(detail));
        }
        let key = self.authorised(ask, now, Scope::Reserve)?;
        let campaign = self.visible(&body.campaign, now)?;
        let caller = Caller::BackEnd(key);
        let entries = body.reservations.into_iter().map(|entry| {
            self.reserve_entry(&campaign, &caller, entry).unwrap_or_else(Entry::Wrong)
        });
        let funnels = self.lines.funnels.clone();
        let batch = Batch { entries: entries.collect(), landed: 0, funnels };
        Ok(super::campaigns::wait(Route::AdminBatch, What::Batch(batch)))
    }

    pub(super) fn reserve_entry(
        &self,
        campaign: &Arc<Campaign>,
        caller: &Caller,
        entry: BatchEntry<'_>,
    ) -> Result<Entry, Problem> {
        let BatchEntry { key, buyer, sku, quantity, .. } = entry;
        let quantity = Quantity::new(quantity).map_err(|e| Problem::invalid(e.to_string()))?;
        if sku.is_empty() || sku.len() > NAME_BYTES_MAX {
            return Err(Problem::invalid(format!("sku: 1 to {NAME_BYTES_MAX} characters")));
        }
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            let detail = format!("key: 1 to {KEY_BYTES_MAX} characters, one for each reservation");
            return Err(Problem::invalid(detail));
        }
        let BatchEntry { destination, delivery, pickup_node, window, attribution, pass, .. } =
            entry;
        let details = Details { destination, delivery, pickup_node, window, attribution };
        let encoded = details.encode().map_err(Problem::invalid)?;
        let buyer = caller.buyer(Some(&buyer), &self.engine)?;
        let pass = self.pass_read(campaign, buyer, pass.as_deref(), self.engine.now());
        let from = self.row_of(campaign, details.attribution.as_ref(), pass);
        let pending = self.engine.reserve(&ReserveRequest {
            campaign,
            sku: &sku,
            quantity,
            buyer,
            key: &key,
            review: false,
            details: encoded.as_deref(),
            pass,
        });
        Ok(Entry::Flying(pending, from))
    }
}

impl Batch {
    /// Block until every entry has its outcome.
    pub(crate) fn wait(self) -> Batched {
        let wait = |entry| match entry {
            Entry::Flying(pending, from) => landed(&self.funnels, from, pending.wait()),
            other => other,
        };
        Batched(self.entries.into_iter().map(wait).collect())
    }

    /// Poll one entry after the other: only the first that is still on its way is to be woken for.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Batched> {
        while let Some(entry) = self.entries.get_mut(self.landed) {
            if let Entry::Flying(pending, from) = entry {
                let outcome = std::task::ready!(Pin::new(pending).poll(cx));
                *entry = landed(&self.funnels, *from, outcome);
            }
            self.landed += 1;
        }
        Poll::Ready(Batched(std::mem::take(&mut self.entries)))
    }
}

impl Batched {
    /// Write every outcome: a status, and the reservation or the problem.
    pub(crate) fn answer(self, jitter: &Jitter) -> Answer {
        let mut out = Vec::with_capacity(32 + ENTRY_BYTES * self.0.len());
        out.extend_from_slice(b"{\"outcomes\":[");
        for (at, entry) in self.0.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            push_outcome(&mut out, entry, jitter);
        }
        out.extend_from_slice(b"]}");
        Answer::json(StatusCode::OK, Route::AdminBatch, out)
    }
}

impl Entry {
    /// See whether it was decided at once.
    pub(super) fn look(&mut self, funnels: &Funnels) {
        if let Entry::Flying(pending, from) = self
            && let Some(outcome) = pending.try_take()
        {
            *self = landed(funnels, *from, outcome);
        }
    }
}

/// Note an entry's outcome, for the funnel as well.
pub(super) fn landed(funnels: &Funnels, from: Row, outcome: Outcome) -> Entry {
    funnels.reserved(from, &outcome);
    Entry::Landed(outcome)
}

/// Write an outcome: a status, and the reservation or the problem.
///
/// # Panics
/// When the entry has not landed.
pub(super) fn push_outcome(out: &mut Vec<u8>, entry: Entry, jitter: &Jitter) {
    let decided = match entry {
        Entry::Landed(outcome) => outcome.map_err(|e| Problem::of_error(&e)).and_then(granted),
        Entry::Wrong(problem) => Err(problem),
        Entry::Flying(..) => unreachable!("only what has landed is written"),
    };
    out.extend_from_slice(b"{\"status\":");
    match decided {
        Ok((new, reservation)) => {
            let created = planted!("batch-says-created", true, new);
            push_u64(out, if created { 201 } else { 200 });
            out.extend_from_slice(b",\"reservation\":");
            push_reservation(out, &reservation);
        }
        Err(problem) => {
            push_u64(out, u64::from(problem.code.page().status));
            out.extend_from_slice(b",\"problem\":");
            problem.write(out, jitter);
        }
    }
    out.push(b'}');
}
