//! `GET /v1/campaigns/{campaign}`: what a drop page shows.
//!
//! Every visitor asks for it, often, so it is written at most once every 200 ms per campaign and
//! shared, except that a change of phase or terms shows at once. The ETag is a digest of the body:
//! who has it already gets 304.

use crate::answer::Answer;
use crate::config::{Shown, StockShown};
use crate::gateway::{Ask, Gateway};
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{push_json_string, push_money, push_timestamp, push_u64};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use onrush::{Campaign, CampaignIx, Engine, Phase, Timestamp};
use parking_lot::RwLock;
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::sync::Arc;

/// How old the shown stock may be.
const VIEW_AGE_MS_MAX: u64 = 200;

/// The written form of every campaign that was asked for; at most one per campaign.
#[derive(Debug, Default)]
pub(crate) struct CampaignViews(RwLock<BTreeMap<CampaignIx, Arc<View>>>);

#[derive(Debug)]
struct View {
    made_at: Timestamp,
    phase: Phase,
    /// Kept, so that another campaign object cannot have its address.
    campaign: Arc<Campaign>,
    body: Bytes,
    etag: HeaderValue,
}

impl Gateway {
    pub(crate) fn campaign(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let campaign = self.visible(name, now)?;
        let view = self.views.view(&self.engine, campaign, now);
        let is_known = has_etag(ask.headers, &view.etag);
        let answer = match is_known {
            true => Answer::empty(StatusCode::NOT_MODIFIED, Route::Campaign),
            false => Answer::json(StatusCode::OK, Route::Campaign, view.body.clone()),
        };
        let cache = HeaderValue::from_static("no-cache");
        Ok(answer.with(ETAG, view.etag.clone()).with(CACHE_CONTROL, cache))
    }
}

impl CampaignViews {
    fn view(&self, engine: &Engine, campaign: Arc<Campaign>, now: Timestamp) -> Arc<View> {
        let phase = campaign.phase(now);
        let fits = |view: &&Arc<View>| {
            view.phase == phase
                && Arc::ptr_eq(&view.campaign, &campaign)
                && now.since(view.made_at).0 < VIEW_AGE_MS_MAX
                && view.made_at.since(now).0 < VIEW_AGE_MS_MAX
        };
        if let Some(view) = self.0.read().get(&campaign.ix()).filter(fits) {
            return view.clone();
        }
        let mut views = self.0.write();
        if let Some(view) = views.get(&campaign.ix()).filter(fits) {
            return view.clone();
        }
        // Written under the lock: of a crowd that finds it old, one writes and the rest wait.
        let ix = campaign.ix();
        let view = Arc::new(View::write(engine, campaign, phase, now));
        views.insert(ix, view.clone());
        view
    }
}

impl View {
    fn write(engine: &Engine, campaign: Arc<Campaign>, phase: Phase, now: Timestamp) -> View {
        let body = written(engine, &campaign, phase, now);
        // Unkeyed: it identifies a version of public text, and no table is hashed by it.
        let mut hasher = SipHasher13::new();
        hasher.write(&body);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let etag = HeaderValue::from_str(&etag).expect("hexadecimal digits in quotes");
        View { made_at: now, phase, campaign, body: body.into(), etag }
    }
}

fn written(engine: &Engine, campaign: &Campaign, phase: Phase, now: Timestamp) -> Vec<u8> {
    let terms = campaign.terms();
    let shown = Shown::of(terms);
    let mut out = Vec::with_capacity(512 + campaign.skus().len() * 128);
    out.extend_from_slice(b"{\"campaign\":");
    push_json_string(&mut out, campaign.name().as_str());
    if let Some(title) = &shown.title {
        out.extend_from_slice(b",\"title\":");
        push_json_string(&mut out, title);
    }
    out.extend_from_slice(b",\"phase\":");
    push_json_string(&mut out, phase.as_str());
    let schedule = &terms.schedule;
    for (field, at) in [
        ("preheat_at", schedule.preheat_at),
        ("draw_at", schedule.draw_at),
        ("opens_at", schedule.opens_at),
        ("closes_at", schedule.closes_at),
        ("next_switch_at", schedule.next_switch_after(now)),
    ] {
        if let Some(at) = at {
            out.extend_from_slice(format!(",\"{field}\":\"").as_bytes());
            push_timestamp(&mut out, at);
            out.push(b'"');
        }
    }
    push_waves(&mut out, campaign, now);
    out.extend_from_slice(b",\"skus\":[");
    for (at, sku) in campaign.skus().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"sku\":" } else { b",{\"sku\":" });
        push_json_string(&mut out, sku.name.as_str());
        out.extend_from_slice(b",\"price\":");
        push_money(&mut out, &sku.price);
        out.extend_from_slice(b",\"limit_per_buyer\":");
        push_u64(&mut out, u64::from(sku.limit_per_buyer));
        out.extend_from_slice(b",\"available\":");
        let free = engine.units(sku.ix).map_or(0, |units| units.free);
        push_available(&mut out, &shown, free);
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"policy\":{\"limit_per_buyer\":");
    push_u64(&mut out, u64::from(terms.limit_per_buyer));
    out.extend_from_slice(b",\"hold_ms\":");
    push_u64(&mut out, terms.hold.0);
    if campaign.line().is_some() {
        out.extend_from_slice(b",\"line\":true");
    }
    if let Some(waitlist) = campaign.waitlist() {
        out.extend_from_slice(b",\"waitlist_offer_ms\":");
        push_u64(&mut out, waitlist.offer.0);
    }
    out.extend_from_slice(match shown.stock {
        StockShown::Exact => b",\"stock\":\"exact\"}}",
        StockShown::Band => b",\"stock\":\"band\"}}".as_slice(),
    });
    out
}

/// Name the supplies that are still to come, without their size.
fn push_waves(out: &mut Vec<u8>, campaign: &Campaign, now: Timestamp) {
    let mut coming = campaign.terms().waves.iter().filter(|wave| wave.at > now).peekable();
    if coming.peek().is_none() {
        return;
    }
    out.extend_from_slice(b",\"waves\":[");
    for (n, wave) in coming.enumerate() {
        out.extend_from_slice(if n == 0 { b"{\"at\":\"" } else { b",{\"at\":\"" });
        push_timestamp(out, wave.at);
        out.extend_from_slice(b"\",\"sku\":");
        push_json_string(out, wave.sku.as_str());
        out.push(b'}');
    }
    out.push(b']');
}

fn push_available(out: &mut Vec<u8>, shown: &Shown, free: u32) {
    match shown.stock {
        StockShown::Exact => push_u64(out, u64::from(free)),
        StockShown::Band if free == 0 => out.extend_from_slice(b"\"none\""),
        StockShown::Band if free <= shown.few_at => out.extend_from_slice(b"\"few\""),
        StockShown::Band => out.extend_from_slice(b"\"many\""),
    }
}

/// Tell whether the client has this version. RFC 9110 §13.1.2, weak comparison.
pub(crate) fn has_etag(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let Some(known) = headers.get(IF_NONE_MATCH) else { return false };
    let mut listed = known.as_bytes().split(|&byte| byte == b',');
    listed.any(|one| {
        let one = one.trim_ascii();
        one == b"*" || one.strip_prefix(b"W/").unwrap_or(one) == etag.as_bytes()
    })
}
