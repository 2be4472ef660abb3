//! The waitlist: `POST /v1/campaigns/{campaign}/waitlist`, `GET` and `DELETE …/waitlist/{sku}`.
//!
//! A buyer asks to be offered units that come back, looks how many are ahead, and learns of an offer
//! with the poll that follows it. An offer is a reservation like any other: it is paid, released and
//! looked at as one. What is told is durable; nothing here is kept.

mod listing;
mod schemas;

pub(crate) use listing::WaitRow;
pub(crate) use schemas::schemas;

use crate::answer::Answer;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway, Reply};
use crate::jitter::Jitter;
use crate::problem::Problem;
use crate::public::has_etag;
use crate::routes::Route;
use crate::waiting::{Waiting, What};
use crate::wire::{push_timestamp, push_u64, read_json};
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderValue, StatusCode};
use onrush::{
    BuyerDigest, Campaign, Decision, Engine, Phase, Quantity, Reservation, Sku, State, Timestamp,
    WaitRequest, WaitTicket, Waitlisted,
};
use onrush_types::limits::NAME_BYTES_MAX;
use serde::Deserialize;
use siphasher::sip::SipHasher13;
use std::borrow::Cow;
use std::hash::Hasher;
use std::sync::Arc;

/// Least waits between two polls, by how many are ahead.
const POLL_MS: [(u32, u32); 4] = [(9, 2_000), (99, 5_000), (999, 10_000), (u32::MAX, 20_000)];
/// So often at least a poll comes within the time for which an offer is kept.
const POLLS_PER_OFFER: u64 = 4;
const POLL_MS_MIN: u32 = 500;

/// `POST /v1/campaigns/{campaign}/waitlist`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinBody<'a> {
    #[serde(borrow)]
    sku: Cow<'a, str>,
    #[serde(default = "one")]
    quantity: u32,
    #[serde(borrow, default)]
    buyer: Option<Cow<'a, str>>,
}

fn one() -> u32 {
    1
}

/// Whose place in which line an answer is about.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    campaign: Arc<Campaign>,
    sku: Sku,
    buyer: BuyerDigest,
}

impl Gateway {
    pub(crate) fn wait_join(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: JoinBody<'_> = read_json(ask.headers, ask.body)?;
        let quantity = Quantity::new(body.quantity).map_err(|e| Problem::invalid(e.to_string()))?;
        if body.sku.is_empty() || body.sku.len() > NAME_BYTES_MAX {
            return Err(Problem::invalid(format!("sku: 1 to {NAME_BYTES_MAX} characters")));
        }
        let caller = self.caller(ask, now)?;
        let buyer = caller.buyer(body.buyer.as_deref(), &self.engine)?;
        let campaign = self.visible(campaign, now)?;
        let sku = campaign.sku(&body.sku).ok_or_else(Problem::not_found)?.clone();
        let request = WaitRequest { campaign: &campaign, sku: sku.name.as_str(), quantity, buyer };
        let pending = self.engine.join_waitlist(&request);
        let what = What::Wish(pending, Place { campaign: campaign.clone(), sku, buyer });
        Ok(Reply::Wait(Waiting::of(Route::WaitJoin, what)))
    }

    pub(crate) fn wait_look(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Answer, Problem> {
        let place = self.place(part, ask, now)?;
        let standing = place.standing(&self.engine).ok_or_else(|| place.nothing(now))?;
        let mut body = place.written(&standing);
        // Unkeyed: it identifies a version of one buyer's text, and no table is hashed by it.
        let mut hasher = SipHasher13::new();
        hasher.write(&body);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let etag = HeaderValue::from_str(&etag).expect("hexadecimal digits in quotes");
        let answer = if has_etag(ask.headers, &etag) {
            Answer::empty(StatusCode::NOT_MODIFIED, Route::WaitLook)
        } else {
            place.push_poll(&mut body, &standing, jitter);
            Answer::json(StatusCode::OK, Route::WaitLook, body)
        };
        let cache = HeaderValue::from_static("private, no-cache");
        Ok(answer.with(ETAG, etag).with(CACHE_CONTROL, cache))
    }

    pub(crate) fn wait_leave(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let place = self.place(part, ask, now)?;
        let pending = self.engine.leave_waitlist(place.sku.ix, place.buyer);
        let what = What::Wish(pending, place);
        Ok(Reply::Wait(Waiting::of(Route::WaitLeave, what)))
    }

    /// Read `{campaign}/waitlist/{sku}` and who asks.
    fn place(&self, part: &str, ask: &Ask<'_>, now: Timestamp) -> Result<Place, Problem> {
        let (campaign, sku) = part.split_once("/waitlist/").ok_or_else(Problem::not_found)?;
        let buyer = self.caller(ask, now)?.buyer(None, &self.engine)?;
        let campaign = self.visible(campaign, now)?;
        let sku = campaign.sku(sku).ok_or_else(Problem::not_found)?.clone();
        Ok(Place { campaign, sku, buyer })
    }
}

impl Place {
    fn standing(&self, engine: &Engine) -> Option<Waitlisted> {
        engine.waitlisted(&self.campaign, self.sku.ix, self.buyer)
    }

    /// Tell somebody who does not wait why: the line ended, or they are not in it.
    fn nothing(&self, now: Timestamp) -> Problem {
        let over = matches!(self.campaign.phase(now), Phase::Closed | Phase::Settled);
        if over && self.campaign.waitlist().is_some() {
            return Problem::new(Code::Ended, "the sale is over, and the waitlist with it");
        }
        Problem::not_found()
    }

    /// Write the answer to a join or a leave that was decided.
    pub(crate) fn answer(
        &self,
        decision: Decision<WaitTicket>,
        route: Route,
        engine: &Engine,
        jitter: &Jitter,
    ) -> Result<Answer, Problem> {
        let (status, ticket) = match decision {
            Decision::Done(ticket) if route == Route::WaitJoin => (StatusCode::CREATED, ticket),
            Decision::Done(ticket) | Decision::Already(ticket) => (StatusCode::OK, ticket),
            Decision::Refused(refusal) => return Err(Problem::of_refusal(refusal)),
        };
        let standing = self.standing(engine).filter(|_| route == Route::WaitJoin);
        let body = match standing {
            Some(standing) => {
                let mut body = self.written(&standing);
                self.push_poll(&mut body, &standing, jitter);
                body
            }
            // A leave; or the line moved on since, and the next look tells what became of it.
            None => {
                let mut body = self.begun(if route == Route::WaitJoin { "joined" } else { "left" });
                push_figure(&mut body, "number", ticket.number);
                body.push(b'}');
                body
            }
        };
        Ok(Answer::json(status, route, body))
    }

    /// Write everything but the poll interval, which is drawn anew each time.
    fn written(&self, standing: &Waitlisted) -> Vec<u8> {
        let mut out = self.begun(state_of(standing));
        if let Some(place) = standing.place {
            push_figure(&mut out, "number", place.number);
            push_figure(&mut out, "quantity", place.quantity.get());
            push_figure(&mut out, "ahead", place.ahead);
        }
        if let Some(offer) = &standing.offer {
            push_offer(&mut out, offer);
        }
        out.push(b'}');
        out
    }

    fn begun(&self, state: &str) -> Vec<u8> {
        // Names and states need no escaping: their types cannot hold a quote.
        let (campaign, sku) = (self.campaign.name(), &self.sku.name);
        format!("{{\"campaign\":\"{campaign}\",\"sku\":\"{sku}\",\"state\":\"{state}\"")
            .into_bytes()
    }

    /// Say when to look again, while something may still come.
    fn push_poll(&self, body: &mut Vec<u8>, standing: &Waitlisted, jitter: &Jitter) {
        let Some(place) = standing.place else { return };
        let by_distance = POLL_MS.iter().find(|(ahead, _)| place.ahead <= *ahead);
        let (_, by_distance) = by_distance.expect("the last row fits all");
        let offer = self.campaign.waitlist().map_or(u64::MAX, |terms| terms.offer.0);
        // Jitter at most doubles it.
        let in_time = offer / POLLS_PER_OFFER / 2;
        let least = u64::from(*by_distance).min(in_time).max(u64::from(POLL_MS_MIN));
        body.pop();
        push_figure(body, "poll_after_ms", jitter.spread(least as u32));
        body.push(b'}');
    }
}

/// Name how a buyer stands: by a live offer, else by the wish, else by what became of the last offer.
pub(crate) fn state_of(standing: &Waitlisted) -> &'static str {
    match (standing.offer.as_ref().map(|offer| offer.state), standing.place) {
        (Some(State::Held | State::Review), _) => "offered",
        (_, Some(_)) => "waiting",
        (Some(State::Sold), _) => "bought",
        (Some(State::Expired), _) => "missed",
        (Some(State::Released), _) => "declined",
        (Some(State::Cancelled) | None, _) => "cancelled",
    }
}

fn push_offer(out: &mut Vec<u8>, offer: &Reservation) {
    out.extend_from_slice(b",\"offer\":{\"reservation\":\"");
    out.extend_from_slice(offer.id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"state\":\"");
    out.extend_from_slice(offer.state.as_str().as_bytes());
    out.push(b'"');
    push_figure(out, "quantity", offer.quantity.get());
    out.extend_from_slice(b",\"expires_at\":\"");
    push_timestamp(out, offer.expires_at);
    out.extend_from_slice(b"\"}");
}

fn push_figure(out: &mut Vec<u8>, name: &str, figure: u32) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    push_u64(out, u64::from(figure));
}
