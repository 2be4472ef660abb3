//! `GET /v1/campaigns/{campaign}/draw` and its participants: all that is needed to draw again.
//!
//! One lane at a time (`?lane=0`). While people join there are the rule, the commitment, the weights
//! and where the public value will come from; once the list is closed also the list and its digest, so
//! that nobody can be added after the public value is known; after the draw also what decided it. The
//! list is pseudonym and class in the order of joining, no more.

use crate::answer::Answer;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway};
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{format_timestamp, json, push_u64};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};
use onrush::draw_rule::ListDigest;
use onrush::draw_rule::draw::RULE;
use onrush::{Campaign, LaneView, LineTerms, LineView, Timestamp};
use serde_json::{Value, json as value};

/// Participants of one page: some 400 kB.
const PARTICIPANTS_MAX: u32 = 10_000;

/// Which lane, and which part of its list.
struct Part {
    lane: u8,
    after: Option<u32>,
    limit: u32,
}

impl Gateway {
    pub(crate) fn draw(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let part = Part::read(ask.query)?;
        let campaign = self.visible(name, now)?;
        let (terms, line) = self.drawn_line(&campaign)?;
        let lane = line.lanes.get(usize::from(part.lane)).ok_or_else(no_lane)?;
        let closed = self.engine.closed_list(&campaign, part.lane);
        let body = described(&campaign, terms, &line, (lane, closed), part.lane);
        let answer = Answer::json(StatusCode::OK, Route::LineDraw, json(&body));
        // What was drawn never changes; what was not may, any moment.
        let cache = if lane.drawn.is_some() { "public, max-age=60" } else { "no-cache" };
        Ok(answer.with(CACHE_CONTROL, HeaderValue::from_static(cache)))
    }

    pub(crate) fn participants(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let part = Part::read(ask.query)?;
        let campaign = self.visible(name, now)?;
        let (_, line) = self.drawn_line(&campaign)?;
        let lane = line.lanes.get(usize::from(part.lane)).ok_or_else(no_lane)?;
        let closed = self.engine.closed_list(&campaign, part.lane).map(|(count, _)| count);
        let Some(count) = lane.drawn.as_ref().map(|drawn| drawn.count).or(closed) else {
            let detail = "the list is published once it is closed";
            let problem = Problem::new(Code::NotOpen, detail);
            return Err(Problem { opens_at: lane.closes_at.or(lane.starts_at), ..problem });
        };
        let from = part.after.map_or(0, |after| after.saturating_add(1));
        let page = self.engine.participants(&campaign, part.lane, from, part.limit as usize);
        let mut out = Vec::with_capacity(64 + page.len() * 40);
        out.extend_from_slice(b"{\"participants\":[");
        for (at, (pseudonym, class)) in page.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"[\"" } else { b",[\"" });
            push_hex(&mut out, &pseudonym.0);
            out.extend_from_slice(b"\",");
            push_u64(&mut out, u64::from(*class));
            out.push(b']');
        }
        out.extend_from_slice(b"],\"next_after\":");
        let next = from.saturating_add(page.len() as u32);
        match next < count && !page.is_empty() {
            true => push_u64(&mut out, u64::from(next - 1)),
            false => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
        let cache = HeaderValue::from_static("public, max-age=3600");
        let answer = Answer::json(StatusCode::OK, Route::LineParticipants, out);
        Ok(answer.with(CACHE_CONTROL, cache))
    }

    fn drawn_line<'a>(
        &self,
        campaign: &'a Campaign,
    ) -> Result<(&'a LineTerms, std::sync::Arc<LineView>), Problem> {
        let line = self.engine.line(campaign);
        campaign.line().zip(line).ok_or_else(super::lines::no_line)
    }
}

fn described(
    campaign: &Campaign,
    terms: &LineTerms,
    line: &LineView,
    (lane, closed): (&LaneView, Option<(u32, ListDigest)>),
    number: u8,
) -> Value {
    let source = Some(&terms.public_value_source).filter(|source| !source.is_empty());
    let weights: Vec<u8> = terms.tiers.iter().map(|tier| tier.weight).collect();
    let tiers = terms.tiers.iter().enumerate().map(|(class, tier)| {
        value!({"class": class, "tier": tier.name.as_str(), "weight": tier.weight,
            "after_ms": tier.after.0})
    });
    let mut body = value!({
        "campaign": campaign.name().as_str(), "lane": number, "lanes": line.lanes.len(),
        "state": match (&lane.drawn, closed) {
            (Some(_), _) => "drawn",
            (None, Some(_)) => "closed",
            (None, None) => "joining",
        },
        "opens_at": lane.starts_at.map(format_timestamp),
        "rule": RULE, "commitment": hex(&lane.commitment),
        "public_value_source": source, "weights": weights,
        "tiers": tiers.collect::<Vec<Value>>(), "joined": lane.participants,
        "closes_at": lane.closes_at.map(format_timestamp),
    });
    if let (Some((count, list_digest)), None) = (closed, &lane.drawn) {
        body["count"] = count.into();
        body["list_digest"] = hex(&list_digest.0).into();
        body["public_value"] = lane.public_value.as_deref().into();
    }
    if let Some(drawn) = &lane.drawn {
        body["count"] = drawn.count.into();
        body["list_digest"] = hex(&drawn.list_digest.0).into();
        body["public_value"] = lane.public_value.as_deref().into();
        body["turn"] = hex(&drawn.turn.0.to_be_bytes()).into();
        body["seed"] = hex(&drawn.seed.0).into();
    }
    body
}

impl Part {
    fn read(query: Option<&str>) -> Result<Part, Problem> {
        let mut part = Part { lane: 0, after: None, limit: PARTICIPANTS_MAX };
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let wrong = |field: &str| Problem::invalid(format!("{field}: not a number here"));
            match pair.split_once('=') {
                Some(("lane", text)) => part.lane = text.parse().map_err(|_| wrong("lane"))?,
                Some(("after", text)) => {
                    part.after = Some(text.parse().map_err(|_| wrong("after"))?);
                }
                Some(("limit", text)) => {
                    let limit: u32 = text.parse().map_err(|_| wrong("limit"))?;
                    part.limit = limit.clamp(1, PARTICIPANTS_MAX);
                }
                _ => {
                    let detail = "query: only `lane`, `after` and `limit` are known";
                    return Err(Problem::invalid(detail));
                }
            }
        }
        Ok(part)
    }
}

fn no_lane() -> Problem {
    Problem::new(Code::NotFound, "this line has no such lane; they are counted from 0")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len() * 2);
    push_hex(&mut out, bytes);
    String::from_utf8(out).expect("digits")
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}
