//! What operators do with a line: how fast it moves, what turns the wheel, what everybody is told,
//! and what it looks like.

use super::lines::Message;
use super::poll::{odds_word, state};
use super::routes::ticket_part;
use crate::admin::{by, checked_reason};
use crate::answer::Answer;
use crate::config::{OutflowBody, Scope};
use crate::errors::Code;
use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::{Waiting, What};
use crate::wire::{format_timestamp, json, read_json};
use http::StatusCode;
use onrush::{LaneView, Standing, TicketNo, Timestamp};
use onrush_types::limits::TEXT_BYTES_MAX;
use serde::Deserialize;
use serde_json::{Value, json as value};
use std::borrow::Cow;

/// When to come back while a list is being closed.
const RETRY_MS_CLOSING: u32 = 1_000;

/// Longest message to a line, in bytes.
const MESSAGE_BYTES_MAX: usize = 500;

/// `POST …/outflow`: all of it, as it should be from now on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OutflowPost<'a> {
    #[serde(default)]
    per_second: Option<u32>,
    #[serde(default)]
    inside: Option<u32>,
    #[serde(default)]
    passes_per_unit_max: Option<u32>,
    #[serde(default)]
    shop_latency_ms_max: Option<u32>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

/// `POST …/draw`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DrawPost<'a> {
    #[serde(default)]
    lane: u8,
    #[serde(borrow)]
    public_value: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

/// `POST …/message`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessagePost<'a> {
    /// Empty or left out: what was said is taken back.
    #[serde(borrow, default)]
    text: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

/// `POST …/shop-health`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShopHealthPost {
    latency_ms: u32,
    ok: bool,
}

impl Gateway {
    pub(crate) fn set_outflow(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: OutflowPost<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        let default = OutflowBody::default();
        let mut outflow = OutflowBody {
            per_second: body.per_second,
            inside: body.inside,
            passes_per_unit_max: body.passes_per_unit_max.unwrap_or(default.passes_per_unit_max),
            ..default
        }
        .terms();
        if let Some(ms) = body.shop_latency_ms_max {
            outflow.shop_latency_ms_max = ms;
        }
        outflow.check().map_err(|error| Problem::invalid(error.to_string()))?;
        let by = by(&*self.authorised(ask, now, Scope::Operate)?, reason);
        let campaign = self.engine.campaign(name).ok_or_else(Problem::not_found)?;
        self.lines.settings(&campaign)?;
        let pending = self.engine.set_outflow(&campaign, outflow, by);
        Ok(Reply::Wait(Waiting::of(Route::AdminOutflow, What::Campaign(pending))))
    }

    pub(crate) fn set_public_value(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: DrawPost<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        if body.public_value.is_empty() || body.public_value.len() > TEXT_BYTES_MAX {
            let detail = format!("public_value: 1 to {TEXT_BYTES_MAX} bytes");
            return Err(Problem::invalid(detail));
        }
        let by = by(&*self.authorised(ask, now, Scope::Operate)?, reason);
        let campaign = self.engine.campaign(name).ok_or_else(Problem::not_found)?;
        self.lines.settings(&campaign)?;
        let view = self.engine.line(&campaign);
        let lane = view.as_ref().and_then(|view| view.lanes.get(usize::from(body.lane)));
        let is_over =
            |lane: &LaneView| lane.drawn.is_none() && lane.closes_at.is_some_and(|at| at <= now);
        if lane.is_some_and(is_over) && self.engine.closed_list(&campaign, body.lane).is_none() {
            // Whoever knows the value must not be able to choose who takes part.
            let detail = "the list of participants is being closed; send the value when GET …/draw \
                          shows its digest";
            let problem = Problem::new(Code::Overloaded, detail);
            return Err(Problem { retry_ms: Some(RETRY_MS_CLOSING), ..problem });
        }
        let pending = self.engine.set_public_value(&campaign, body.lane, &body.public_value, by);
        Ok(Reply::Wait(Waiting::of(Route::AdminDraw, What::Campaign(pending))))
    }

    /// Messages are not journaled: they are gone after a restart, and say so in the log.
    pub(crate) fn set_message(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let body: MessagePost<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        if body.text.len() > MESSAGE_BYTES_MAX {
            return Err(Problem::invalid(format!("text: at most {MESSAGE_BYTES_MAX} bytes")));
        }
        let key = self.authorised(ask, now, Scope::Operate)?;
        let campaign = self.engine.campaign(name).ok_or_else(Problem::not_found)?;
        let (who, campaign_name) = (key.name.as_str(), campaign.name().as_str());
        tracing::info!(who, campaign = campaign_name, text = %body.text, reason, "message");
        let text = body.text.trim();
        let message = (!text.is_empty()).then(|| Message { text: text.to_owned(), at: now });
        let shown = value!({"text": message.as_ref().map(|message| &message.text),
            "at": message.as_ref().map(|message| format_timestamp(message.at))});
        self.lines.tell(campaign.ix(), message);
        Ok(Answer::json(StatusCode::OK, Route::AdminMessage, json(&shown)))
    }

    pub(crate) fn shop_health(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let body: ShopHealthPost = read_json(ask.headers, ask.body)?;
        self.authorised(ask, now, Scope::Confirm)?;
        let campaign = self.engine.campaign(name).ok_or_else(Problem::not_found)?;
        self.lines.settings(&campaign)?;
        self.engine.report_shop(&campaign, body.latency_ms, body.ok);
        Ok(Answer::empty(StatusCode::NO_CONTENT, Route::AdminShopHealth))
    }

    pub(crate) fn show_line(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let campaign = self.engine.campaign(name).ok_or_else(Problem::not_found)?;
        self.lines.settings(&campaign)?;
        let line = self.engine.line(&campaign).ok_or_else(Problem::not_found)?;
        let lanes = line.lanes.iter().enumerate().map(|(number, lane)| {
            value!({"lane": number, "participants": lane.participants,
                "arrivals": lane.arrivals, "drawn": lane.drawn.is_some(),
                "public_value": lane.public_value,
                "closes_at": lane.closes_at.map(format_timestamp),
                "opens_at": lane.starts_at.map(format_timestamp)})
        });
        let message = self.lines.message(campaign.ix()).map(|message| message.text);
        let kept = self.lines.promises.kept(campaign.ix(), line.serving, now);
        let body = value!({
            "campaign": campaign.name().as_str(), "phase": campaign.phase(now).as_str(),
            "joined": line.joined, "places": line.length, "now_serving": line.serving,
            "outstanding": line.outstanding, "returning": line.returning,
            "per_minute": line.per_minute, "outflow": {
                "per_second": line.outflow.per_second, "inside": line.outflow.inside,
                "passes_per_unit_max": line.outflow.passes_per_unit_max,
                "shop_latency_ms_max": line.outflow.shop_latency_ms_max,
            },
            "units_per_pass_milli": line.units_per_pass_milli,
            "share_back_milli": line.share_back_milli,
            "paused": line.paused, "sold_out": line.all_sold, "free": line.free,
            "held": line.held, "lanes": lanes.collect::<Vec<Value>>(),
            "listeners": self.lines.streams.open(), "message": message, "promises": {
                "open": kept.open, "judged": kept.judged, "within_p50": kept.within_p50,
                "within_p90": kept.within_p90, "error_ms_median": kept.error_ms_median,
            },
        });
        Ok(Answer::json(StatusCode::OK, Route::AdminLine, json(&body)))
    }

    pub(crate) fn show_ticket(
        &self,
        part: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let (name, number) = ticket_part(part);
        let number: u32 = number.parse().map_err(|_| Problem::not_found())?;
        let campaign = self.engine.campaign(name).ok_or_else(Problem::not_found)?;
        let settings = self.lines.settings(&campaign)?;
        let number = TicketNo(number);
        let ticket = self.engine.ticket(&campaign, number).ok_or_else(Problem::not_found)?;
        let standing = self.engine.standing(&campaign, number).ok_or_else(Problem::not_found)?;
        let tier = settings.classes.rules.get(usize::from(ticket.class)).map(|rule| &rule.name);
        let mut body = value!({
            "number": number.0, "tier": tier, "class": ticket.class, "lane": ticket.lane,
            "joined_at": format_timestamp(ticket.joined_at), "state": state(&standing),
        });
        match standing {
            Standing::Waiting { place, ahead, eta, odds } => {
                body["position"] = (u64::from(place) + 1).into();
                body["ahead"] = ahead.into();
                body["odds"] = odds_word(odds).into();
                body["eta"] = eta.map_or(
                    Value::Null,
                    |eta| value!({"p50_ms": eta.p50_ms, "p90_ms": eta.p90_ms}),
                );
            }
            Standing::Served { pass } => {
                body["position"] = (u64::from(pass.place) + 1).into();
                body["pass_until"] = format_timestamp(pass.until).into();
            }
            Standing::PassedOver { until } => body["return_until"] = format_timestamp(until).into(),
            _ => {}
        }
        Ok(Answer::json(StatusCode::OK, Route::AdminTicket, json(&body)))
    }
}
