//! `GET /v1/campaigns/{campaign}/events`: what everybody in line may know, sent to all of them as
//! the same bytes when it changes.

use super::lines::Message;
use super::streams::Listener;
use crate::answer::{Answer, Content};
use crate::config::{Shown, StockShown};
use crate::errors::Code;
use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{push_json_string, push_timestamp, push_u64};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use onrush::{Campaign, Engine, Phase, Timestamp};
use std::sync::Arc;

/// Told to nginx, which would otherwise keep events until it has a buffer full.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

/// SKUs whose stock is added up for the line; a campaign with more says nothing about its stock.
const SKUS_SUMMED_MAX: usize = 256;

/// When to come back after there was no room for a listener.
const RETRY_MS_FULL: u32 = 10_000;

impl Gateway {
    pub(crate) fn events(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let campaign = self.visible(name, now)?;
        let head = Answer::of(StatusCode::OK, Route::LineEvents, Content::Events, Bytes::new());
        let head = head.with(UNBUFFERED, HeaderValue::from_static("no"));
        if ask.method == Method::HEAD {
            return Ok(Reply::Ready(head));
        }
        let listener = self.listener(&campaign, now).ok_or_else(|| {
            let detail = "too many are listening already; look at your ticket instead, which says \
                          when to look again";
            Problem { retry_ms: Some(RETRY_MS_FULL), ..Problem::new(Code::Overloaded, detail) }
        })?;
        Ok(Reply::Events(head, listener))
    }

    fn listener(&self, campaign: &Arc<Campaign>, now: Timestamp) -> Option<Listener> {
        let message = self.lines.message(campaign.ix());
        let first = || frame(&self.engine, campaign, message.as_ref(), now);
        self.lines.streams.listen(campaign.ix(), first)
    }

    /// Tell listeners what changed. Cost: one short text for each campaign that has had any.
    pub fn follow_lines(&self) {
        let listened = self.lines.streams.campaigns();
        if listened.is_empty() {
            return;
        }
        let now = self.engine.now();
        let all = self.engine.campaigns();
        for campaign in listened.iter().filter_map(|ix| all.get(ix.index())) {
            let message = self.lines.message(campaign.ix());
            let state = frame(&self.engine, campaign, message.as_ref(), now);
            self.lines.streams.say(campaign.ix(), state);
        }
    }

    /// Show listeners that this end is there.
    pub fn beat_streams(&self) {
        self.lines.streams.beat();
    }

    /// End every stream of events.
    pub fn end_streams(&self) {
        self.lines.streams.end();
    }

    /// Read invite lists again whose files changed. Blocks on files.
    pub fn refresh_invites(&self) {
        self.lines.refresh_invites(&self.engine);
    }

    /// Tell whether there are invite lists to read again.
    pub fn has_invites(&self) -> bool {
        self.lines.has_invites()
    }
}

/// Write the state of a campaign as one event.
fn frame(
    engine: &Engine,
    campaign: &Campaign,
    message: Option<&Message>,
    now: Timestamp,
) -> Vec<u8> {
    let phase = campaign.phase(now);
    let line = engine.line(campaign);
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"event: line\ndata: {\"phase\":\"");
    out.extend_from_slice(phase.as_str().as_bytes());
    out.extend_from_slice(b"\",\"paused\":");
    let paused = phase == Phase::Paused || line.as_ref().is_some_and(|line| line.paused);
    out.extend_from_slice(if paused { b"true" } else { b"false" });
    let stock = stock(engine, campaign);
    let all_sold = line.as_ref().map_or_else(|| stock.is_some_and(|s| s.all_sold), |l| l.all_sold);
    out.extend_from_slice(b",\"sold_out\":");
    out.extend_from_slice(if all_sold { b"true" } else { b"false" });
    if let Some(stock) = stock {
        out.extend_from_slice(b",\"available\":");
        push_available(&mut out, campaign, stock.free);
    }
    if let Some(line) = &line {
        for (field, value) in [("now_serving", line.serving), ("joined", line.joined)] {
            out.extend_from_slice(format!(",\"{field}\":").as_bytes());
            push_u64(&mut out, u64::from(value));
        }
    }
    if let Some(Message { text, at }) = message {
        out.extend_from_slice(b",\"message\":{\"text\":");
        push_json_string(&mut out, text);
        out.extend_from_slice(b",\"at\":\"");
        push_timestamp(&mut out, *at);
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(b"}\n\n");
    out
}

#[derive(Clone, Copy)]
struct Stock {
    free: u64,
    all_sold: bool,
}

fn stock(engine: &Engine, campaign: &Campaign) -> Option<Stock> {
    if campaign.skus().len() > SKUS_SUMMED_MAX {
        return None;
    }
    let mut sum = Stock { free: 0, all_sold: campaign.skus().len() > 0 };
    for sku in campaign.skus() {
        let units = engine.units(sku.ix)?;
        sum.free += u64::from(units.free);
        sum.all_sold &= units.free == 0 && units.held == 0;
    }
    Some(sum)
}

fn push_available(out: &mut Vec<u8>, campaign: &Campaign, free: u64) {
    let shown = Shown::of(campaign.terms());
    match shown.stock {
        StockShown::Exact => push_u64(out, free),
        StockShown::Band if free == 0 => out.extend_from_slice(b"\"none\""),
        StockShown::Band if free <= u64::from(shown.few_at) => out.extend_from_slice(b"\"few\""),
        StockShown::Band => out.extend_from_slice(b"\"many\""),
    }
}
