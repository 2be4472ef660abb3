//! `GET /admin/v1/reservations/{id}/timeline`: what the journal says of one reservation.
//!
//! A part of the journal is read on a thread of its own, one request at a time, so that nothing of the
//! sale waits for it; where more is left the answer says from where to go on. The ledger keeps states
//! only: who did what, when and why is in the journal.

use crate::answer::Answer;
use crate::config::Scope;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway, Reply};
use crate::line::parameter;
use crate::problem::Problem;
use crate::routes::Route;
use crate::stores::Later;
use crate::waiting::Waiting;
use crate::wire::{format_timestamp, json};
use http::StatusCode;
use onrush::ledger::{Change, Holds, Ledger, NodeChange, PaidOutcome, Record, WaitChange};
use onrush::{By, CampaignIx, DurationMs, Engine, EventsError, Lsn, ReservationSeq, Timestamp};
use serde_json::{Value, json as value};
use std::thread;
use std::time::Duration;
use tokio::sync::oneshot;

/// Records read for one answer: some tenths of a second.
const RECORDS_MAX: u64 = 250_000;

/// Refunds looked through for those of one reservation, the latest first.
const REFUNDS_MAX: usize = 100_000;

/// What one reading came to.
struct Part {
    events: Vec<Value>,
    /// Where to go on; `None`: everything was read.
    next: Option<Lsn>,
    /// Where the journal that is kept begins.
    begins: Option<Lsn>,
}

impl Gateway {
    pub(crate) fn show_timeline(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let from = match parameter(ask.query.unwrap_or_default(), "from") {
            None => Lsn(1),
            Some(text) => Lsn(text.parse().map_err(|_| Problem::invalid("from: a number"))?),
        };
        self.authorised_any(ask, now, &[Scope::Confirm, Scope::View])?;
        let seq = self.known(id)?;
        let id = id.to_owned();
        let turn = self.timelines.clone().try_acquire_owned().map_err(|_| {
            Problem::new(Code::Overloaded, "another timeline is being read; ask again in a moment")
        })?;
        let refunds = self.engine.inspect(move |ledger| refunds_of(ledger, seq));
        let engine = self.engine.clone();
        let steps = async move {
            let refunds = refunds.await.map_err(|error| Problem::of_error(&error))?;
            let (done, part) = oneshot::channel();
            let named = thread::Builder::new().name("onrush-timeline".to_owned());
            let started = named.spawn(move || {
                let part = read(&engine, seq, &refunds, from);
                // Whoever has the answer may ask for the next part at once.
                drop(turn);
                // Whoever asked may be gone by now.
                let _ = done.send(part);
            });
            let part = match started {
                Ok(_) => part.await.map_err(|_| unreadable("the reading was broken off"))?,
                Err(error) => return Err(unreadable(&error.to_string())),
            };
            let part = part.map_err(|error| unreadable(&error.to_string()))?;
            let body = value!({
                "id": id, "events": part.events, "next_from": part.next.map(|lsn| lsn.0),
                "journal_begins": part.begins.map(|lsn| lsn.0),
            });
            Ok(Answer::json(StatusCode::OK, Route::AdminTimeline, json(&body)))
        };
        Ok(Reply::Wait(Waiting::later(Route::AdminTimeline, Later::new(steps))))
    }
}

fn unreadable(why: &str) -> Problem {
    Problem::new(Code::Overloaded, format!("the journal could not be read: {why}"))
}

fn refunds_of(ledger: &Ledger, seq: ReservationSeq) -> Vec<u32> {
    let all = ledger.refunds().iter().enumerate().rev().take(REFUNDS_MAX);
    all.filter(|(_, due)| due.seq == seq).map(|(number, _)| number as u32).collect()
}

/// Read records from `from` on, at most [`RECORDS_MAX`].
fn read(
    engine: &Engine,
    seq: ReservationSeq,
    refunds: &[u32],
    from: Lsn,
) -> Result<Part, EventsError> {
    let (mut records, begins) = match engine.events(from) {
        // What is older is in a snapshot only, without its story.
        Err(EventsError::Truncated { oldest }) => (engine.events(oldest)?, Some(oldest)),
        opened => (opened?, None),
    };
    let its = campaign_of(engine, seq);
    let mut events = Vec::new();
    let mut next = None;
    let mut life = if from.0 > 1 || begins.is_some() { Life::Unknown } else { Life::Over };
    // Deadlines that were put off before it is known whether it was live then.
    let mut unsure = 0;
    for _ in 0..RECORDS_MAX {
        let Some((lsn, record)) = records.next(Duration::ZERO)? else {
            next = None;
            break;
        };
        next = Some(Lsn(lsn.0 + 1));
        let of_all = match &record.change {
            Change::Extended { holds: Holds::Campaign(ix), more, by } if its == Some(*ix) => {
                (life != Life::Over).then(|| extended(*more, by))
            }
            _ => None,
        };
        let is_of_all = of_all.is_some();
        unsure += usize::from(of_all.is_some() && life == Life::Unknown);
        if let Some(mut event) = of_all.or_else(|| event(&record, seq, refunds)) {
            let what = event["what"].as_str().unwrap_or_default();
            let (before, after) = if is_of_all { (life, life) } else { lived(what) };
            if life == Life::Unknown && before != Life::Unknown {
                if before == Life::Over {
                    events.clear();
                }
                unsure = 0;
            }
            life = after;
            event["lsn"] = lsn.0.into();
            event["at"] = format_timestamp(record.stamp).into();
            events.push(event);
        }
    }
    let is_live = engine.look(seq).is_some_and(|r| r.state.is_held());
    if unsure > 0 && !is_live {
        events.clear();
    }
    Ok(Part { events, next, begins })
}

/// What is known of a hold while its story is read from somewhere in the middle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    Unknown,
    Live,
    /// Not made yet, or not a hold any more.
    Over,
}

/// Tell what an event says of the hold before and after it.
fn lived(what: &str) -> (Life, Life) {
    match what {
        "held" | "under_review" | "offered" => (Life::Over, Life::Live),
        "accepted" | "paid_in_part" | "extended" => (Life::Live, Life::Live),
        "paid" | "sold" | "released" | "expired" | "rejected" => (Life::Live, Life::Over),
        _ => (Life::Over, Life::Over),
    }
}

fn extended(more: DurationMs, by: &By) -> Value {
    value!({"what": "extended", "more_ms": more.0, "by": &*by.who, "why": &*by.why})
}

fn campaign_of(engine: &Engine, seq: ReservationSeq) -> Option<CampaignIx> {
    let reservation = engine.look(seq)?;
    Some(engine.campaign(reservation.campaign.as_str())?.ix())
}

/// Write a record that is about the reservation; `None`: it is about something else.
fn event(record: &Record, of: ReservationSeq, refunds: &[u32]) -> Option<Value> {
    let is = |seq: &ReservationSeq| *seq == of;
    let what = |word: &str| value!({"what": word});
    let by_hand = |word: &str, by: &By| value!({"what": word, "by": &*by.who, "why": &*by.why});
    Some(match &record.change {
        Change::Reserved(r) if r.seq == of => value!({
            "what": if r.review { "under_review" } else { "held" },
            "quantity": r.quantity.get(), "until": format_timestamp(r.expires_at),
        }),
        Change::Wait(WaitChange::Offered(offered)) if offered.seq == of => value!({
            "what": "offered", "quantity": offered.wish.quantity.get(),
            "until": format_timestamp(offered.expires_at),
        }),
        Change::Paid(paid) if paid.seq == of => value!({
            "what": match paid.outcome {
                PaidOutcome::Partial => "paid_in_part",
                PaidOutcome::Sold => "paid",
                PaidOutcome::Retaken => "paid_late",
                PaidOutcome::Refund => "paid_for_nothing",
            },
            "amount": paid.line.money.amount, "currency": paid.line.money.currency.as_str(),
            "method": paid.line.method.as_str(), "provider": paid.line.provider.as_str(),
            "reference": &*paid.line.reference,
        }),
        Change::Confirmed { seq, .. } if is(seq) => what("sold"),
        Change::Released { seq, .. } if is(seq) => what("released"),
        Change::Expired { seq } if is(seq) => what("expired"),
        Change::Accepted { seq, by } if is(seq) => by_hand("accepted", by),
        Change::Rejected { seq, by } if is(seq) => by_hand("rejected", by),
        Change::Extended { holds, more, by } if *holds == Holds::One(of) => extended(*more, by),
        Change::Cancelled { seq, restock, by } if is(seq) => {
            let mut event = by_hand("cancelled", by);
            event["restock"] = (*restock).into();
            event
        }
        Change::Refunded { refund, by } if refunds.contains(refund) => by_hand("refunded", by),
        Change::Nodes(change) => match &**change {
            NodeChange::Planned(planned) if planned.seq == of => what("routed"),
            NodeChange::Rejected { seq, by, .. } if is(seq) => by_hand("refused_by_store", by),
            NodeChange::Dispatched { seq, by, .. } if is(seq) => by_hand("dispatched", by),
            NodeChange::Collected { seq, by } if is(seq) => by_hand("collected", by),
            _ => return None,
        },
        _ => return None,
    })
}
