//! `GET /v1/campaigns/{campaign}/tickets/{ticket}`: how far it is. The crowd's own path: one MAC, a
//! few loads, one buffer.
//!
//! The ticket alone is enough: nobody else can have it, and what it opens is bound to its buyer. Who
//! shows an identity beside it must be that buyer. Whatever is wrong with a ticket, the answer is the
//! same, so it tells nothing about anybody's place.

use super::figures::Counted;
use super::jwt::Claims;
use super::routes::ticket_part;
use super::token::{PassToken, TicketToken};
use crate::answer::Answer;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway};
use crate::identity::{Caller, DEV_BUYER, SESSION};
use crate::jitter::Jitter;
use crate::problem::Problem;
use crate::public::has_etag;
use crate::routes::Route;
use crate::wire::{push_json_string, push_timestamp, push_u64};
use http::header::{AUTHORIZATION, CACHE_CONTROL, ETAG};
use http::{HeaderName, HeaderValue, StatusCode};
use onrush::{Campaign, Eta, LineView, Odds, Pass, Phase, Standing, TicketNo, Timestamp};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::sync::Arc;

/// Says when to look again where there is no body to say it.
const NEXT_POLL: HeaderName = HeaderName::from_static("onrush-next-poll-ms");

/// Shortest and longest time between two looks, before jitter doubles it at most.
const POLL_MS_MIN: u64 = 1_000;
const POLL_MS_MAX: u64 = 30_000;

/// What does not change soon is looked at this often.
const POLL_MS_SETTLED: u64 = 60_000;

/// Looks a second that the crowd as a whole is asked for towards the end; a core answers more.
const LOOKS_PER_SECOND: u64 = 30_000;

/// Of the time that is left, looks take this many.
const LOOKS_UNTIL_THEN: u64 = 8;

impl Gateway {
    pub(crate) fn poll(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Answer, Problem> {
        let (campaign, ticket) = self.shown_ticket(part, ask, now)?;
        self.lines.figures.count(Counted::Polled);
        let standing = self.engine.standing(&campaign, TicketNo(ticket.number));
        let mut standing = standing.ok_or_else(no_ticket)?;
        if campaign.phase(now) >= Phase::Closed && !matches!(standing, Standing::Used) {
            // Whoever waits when the sale ends waits for nothing.
            standing = Standing::Lost;
        }
        let line = self.engine.line(&campaign).ok_or_else(no_ticket)?;
        let promised = match standing {
            Standing::Waiting { place, eta: Some(eta), .. } => Some((place, eta)),
            _ => None,
        };
        self.lines.promises.looked(campaign.ix(), promised, line.serving, now);
        let mut out = Vec::with_capacity(512);
        self.write_standing(&mut out, &campaign, &ticket, &standing, &line, now)?;
        let etag = etag(&out);
        let look_in = jitter.spread(next_look_ms(&standing, &line, now) as u32);
        let next = HeaderValue::from(look_in);
        let answer = if has_etag(ask.headers, &etag) {
            self.lines.figures.count(Counted::PolledSame);
            Answer::empty(StatusCode::NOT_MODIFIED, Route::LinePoll)
        } else {
            out.extend_from_slice(b",\"next_poll_ms\":");
            push_u64(&mut out, u64::from(look_in));
            out.push(b'}');
            Answer::json(StatusCode::OK, Route::LinePoll, out)
        };
        let cache = HeaderValue::from_static("private, no-cache");
        Ok(answer.with(ETAG, etag).with(NEXT_POLL, next).with(CACHE_CONTROL, cache))
    }

    /// Open the ticket of an address, for whoever may see it.
    pub(crate) fn shown_ticket(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<(Arc<Campaign>, TicketToken), Problem> {
        let (campaign, text) = ticket_part(part);
        let campaign = self.visible(campaign, now)?;
        let opened = self.lines.tokens.open_ticket(text, campaign.ix(), now);
        let ticket = opened.map_err(|_| no_ticket())?;
        let shows_identity = ask.headers.contains_key(AUTHORIZATION)
            || ask.headers.contains_key(&SESSION)
            || ask.headers.contains_key(&DEV_BUYER);
        if shows_identity
            && let Some(Caller::Buyer(buyer)) =
                self.identity.caller(ask.headers, ask.memo, &self.engine, now)?
            && buyer.digest != ticket.buyer
        {
            self.lines.figures.refused(super::figures::Refused::OtherBuyer);
            return Err(no_ticket());
        }
        Ok((campaign, ticket))
    }

    fn write_standing(
        &self,
        out: &mut Vec<u8>,
        campaign: &Arc<Campaign>,
        ticket: &TicketToken,
        standing: &Standing,
        line: &LineView,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let phase = campaign.phase(now);
        out.extend_from_slice(b"{\"number\":");
        push_u64(out, u64::from(ticket.number));
        out.extend_from_slice(b",\"phase\":\"");
        out.extend_from_slice(phase.as_str().as_bytes());
        out.extend_from_slice(b"\",\"state\":\"");
        out.extend_from_slice(state(standing).as_bytes());
        out.push(b'"');
        match standing {
            Standing::BeforeDraw { opens_at, joined } => {
                if let Some(opens_at) = opens_at {
                    push_time(out, b",\"opens_at\":\"", *opens_at);
                }
                push_number(out, b",\"joined\":", u64::from(*joined));
            }
            Standing::Ranking { about } => push_number(out, b",\"about\":", u64::from(*about)),
            Standing::Waiting { place, ahead, eta, odds } => {
                push_number(out, b",\"position\":", u64::from(*place) + 1);
                push_number(out, b",\"ahead\":", u64::from(*ahead));
                if let Some(eta) = eta {
                    push_number(out, b",\"eta\":{\"p50_ms\":", rounded(eta.p50_ms));
                    push_number(out, b",\"p90_ms\":", rounded(eta.p90_ms));
                    out.push(b'}');
                }
                out.extend_from_slice(b",\"odds\":\"");
                out.extend_from_slice(odds_word(*odds).as_bytes());
                push_number(out, b"\",\"left\":", line.free + line.held);
            }
            Standing::Served { pass } => self.write_pass(out, campaign, ticket, pass, now)?,
            Standing::PassedOver { until } => push_time(out, b",\"return_until\":\"", *until),
            Standing::Returning | Standing::Used | Standing::Lost => {}
        }
        push_number(out, b",\"now_serving\":", u64::from(line.serving));
        if phase == Phase::Paused || line.paused {
            out.extend_from_slice(b",\"paused\":true");
        }
        if line.all_sold {
            out.extend_from_slice(b",\"sold_out\":true");
        }
        if let Some(message) = self.lines.message(campaign.ix()) {
            out.extend_from_slice(b",\"message\":");
            push_json_string(out, &message.text);
        }
        if ticket.by_old_key {
            let fresh = self.lines.tokens.ticket(ticket, now);
            out.extend_from_slice(b",\"ticket\":\"");
            out.extend_from_slice(&fresh);
            out.push(b'"');
        }
        Ok(())
    }

    fn write_pass(
        &self,
        out: &mut Vec<u8>,
        campaign: &Arc<Campaign>,
        ticket: &TicketToken,
        pass: &Pass,
        now: Timestamp,
    ) -> Result<(), Problem> {
        self.lines.figures.count(Counted::PassShown);
        self.lines.funnels.passed(campaign.name(), pass.number);
        let token = PassToken {
            campaign: ticket.campaign,
            buyer: ticket.buyer,
            number: pass.number.0,
            class: ticket.class,
            place: pass.place,
            until: pass.until,
        };
        out.extend_from_slice(b",\"pass\":\"");
        out.extend_from_slice(&self.lines.tokens.pass(&token, now));
        push_time(out, b"\",\"pass_until\":\"", pass.until);
        let settings = self.lines.settings(campaign)?;
        if settings.jwt {
            out.extend_from_slice(b",\"pass_jwt\":\"");
            out.extend_from_slice(self.pass_jwt(campaign, ticket, pass, now).as_bytes());
            out.push(b'"');
        }
        Ok(())
    }

    /// Write a pass for a shop that checks it by itself.
    pub(crate) fn pass_jwt(
        &self,
        campaign: &Campaign,
        ticket: &TicketToken,
        pass: &Pass,
        now: Timestamp,
    ) -> String {
        let name = campaign.name().as_str();
        let pseudonym = self.engine.pseudonym(campaign, ticket.buyer);
        let claims = Claims {
            iss: self.lines.jwts.issuer.clone(),
            aud: name.to_owned(),
            sub: pseudonym.map(|pseudonym| pseudonym.to_string()).unwrap_or_default(),
            jti: format!("{name}/{}/{}", pass.number, pass.until.0),
            exp: pass.until.0 / 1_000,
            number: pass.number.0,
            place: pass.place,
            class: ticket.class,
        };
        self.lines.jwts.sign(&claims, now)
    }
}

/// Return the word of a standing.
pub(crate) fn state(standing: &Standing) -> &'static str {
    match standing {
        Standing::BeforeDraw { .. } => "before_draw",
        Standing::Ranking { .. } => "ranking",
        Standing::Waiting { .. } => "waiting",
        Standing::Served { .. } => "served",
        Standing::PassedOver { .. } => "passed_over",
        Standing::Returning => "returning",
        Standing::Used => "used",
        Standing::Lost => "lost",
    }
}

/// Return the word for how likely it is that something is left.
pub(crate) fn odds_word(odds: Odds) -> &'static str {
    match odds {
        Odds::Likely => "likely",
        Odds::Possible => "possible",
        Odds::Unlikely => "unlikely",
        Odds::None => "none",
    }
}

/// The one answer to every ticket that is not accepted.
pub(crate) fn no_ticket() -> Problem {
    let detail = "this is no ticket of this line, or it is out of date, or not yours; join with \
                  `POST …/tickets`: who has a place is given the same one again";
    Problem::new(Code::NotFound, detail)
}

/// Return when to look again: sooner the nearer it is, and sooner the nearer the end of the stock, so
/// that who only looks does not wait on for what is gone.
fn next_look_ms(standing: &Standing, line: &LineView, now: Timestamp) -> u64 {
    let at_the_end = || {
        let minute = u64::from(line.per_minute) * u64::from(line.units_per_pass_milli) / 1_000;
        let waiting = line.joined.saturating_sub(line.serving);
        until_the_end_ms(line.free + line.to_come, minute, u64::from(waiting))
    };
    let in_time = |left_ms: u64| (left_ms / LOOKS_UNTIL_THEN).clamp(POLL_MS_MIN, POLL_MS_MAX);
    match standing {
        Standing::Used | Standing::Lost => POLL_MS_SETTLED,
        _ if line.all_sold => POLL_MS_SETTLED,
        Standing::BeforeDraw { opens_at, .. } => {
            opens_at.map_or(POLL_MS_MAX, |at| in_time(at.since(now).0))
        }
        Standing::Ranking { .. } | Standing::Returning => POLL_MS_MIN,
        Standing::Waiting { eta: Some(Eta { p50_ms, .. }), .. } => {
            in_time(*p50_ms).min(at_the_end())
        }
        // Nobody knows how fast it will go: the further away, the less a look tells.
        Standing::Waiting { ahead, eta: None, .. } => {
            in_time(u64::from(*ahead) * 50).min(at_the_end())
        }
        Standing::Served { .. } | Standing::PassedOver { .. } => 5 * POLL_MS_MIN,
    }
}

/// Return when to look again if `left` units nobody holds go at `a_minute`: half the time until then,
/// and often once only holds stand between the crowd and the end; never more often than the crowd of
/// `waiting` can be answered.
fn until_the_end_ms(left: u64, a_minute: u64, waiting: u64) -> u64 {
    let left_ms = if left == 0 { Some(0) } else { (left * 60_000).checked_div(a_minute) };
    let bearable = waiting * 1_000 / LOOKS_PER_SECOND;
    left_ms.map_or(u64::MAX, |ms| (ms / 2).max(POLL_MS_MIN).max(bearable))
}

/// Cut what nobody can know anyway, so that a number does not change with every look.
fn rounded(ms: u64) -> u64 {
    let step = if ms < 10_000 { 500 } else { 5_000 };
    ms.div_ceil(step) * step
}

fn push_number(out: &mut Vec<u8>, field: &[u8], value: u64) {
    out.extend_from_slice(field);
    push_u64(out, value);
}

/// Append a time after `field`, which ends with an opening quote.
fn push_time(out: &mut Vec<u8>, field: &[u8], at: Timestamp) {
    out.extend_from_slice(field);
    push_timestamp(out, at);
    out.push(b'"');
}

fn etag(body: &[u8]) -> HeaderValue {
    // Unkeyed: it identifies a version of one holder's answer, and no table is hashed by it.
    let mut hasher = SipHasher13::new();
    hasher.write(body);
    let mut quoted = [b'"'; 18];
    for (place, nibble) in quoted[1..17].iter_mut().zip((0..16).rev()) {
        *place = b"0123456789abcdef"[(hasher.finish() >> (nibble * 4)) as usize & 15];
    }
    HeaderValue::from_bytes(&quoted).expect("hexadecimal digits in quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_closer_towards_the_end() {
        let of = until_the_end_ms;
        assert_eq!(of(600, 0, 400), u64::MAX, "nothing is sold: the end is not in sight");
        assert_eq!(of(600, 600, 400), 30_000, "half of the minute that is left");
        assert_eq!(of(60, 600, 400), 3_000);
        assert_eq!(of(10, 600, 400), POLL_MS_MIN);
        assert_eq!(of(0, 0, 400), POLL_MS_MIN, "only holds are left");
        assert_eq!(of(0, 600, 3_000_000), 100_000, "no more than can be answered");
    }
}
