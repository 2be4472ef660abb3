//! What a configuration comes to, and what about it is dangerous: `onrush check`.

use super::{Config, JWKS_REFRESH_DEFAULT, LEEWAY_DEFAULT, Listen};
use crate::wire::{format_duration, format_timestamp};
use onrush_types::Timestamp;
use serde_json::{Value, json};

/// What `onrush check` shows.
#[derive(Clone, Debug)]
pub struct Report {
    /// Every value as it will be used, defaults included.
    pub effective: Value,
    /// What to look at before a sale, worst first as far as it is ordered.
    pub dangers: Vec<Danger>,
}

/// Something that is allowed and probably wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Danger {
    /// Which field.
    pub field: String,
    /// What may happen and what to do.
    pub problem: String,
}

impl std::fmt::Display for Danger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// Look at a configuration as of `now`. Reads no file.
pub fn check(config: &Config, now: Timestamp) -> Report {
    let mut dangers = Vec::new();
    let mut say = |field: &str, problem: String| {
        dangers.push(Danger { field: field.to_owned(), problem });
    };
    listeners(config, &mut say);
    identity(config, &mut say);
    config.notify.dangers(&mut say);
    config.pages.dangers(&mut say);
    for campaign in &config.campaigns {
        let name = campaign.campaign.as_ref().map_or("?", |name| name.as_str());
        campaign_dangers(campaign, name, now, &mut say);
    }
    Report { effective: effective(config), dangers }
}

fn listeners(config: &Config, say: &mut impl FnMut(&str, String)) {
    let is_open = |listen: &Listen| match listen {
        Listen::Tcp(addr) => !addr.ip().is_loopback(),
        Listen::Unix(_) => false,
    };
    let listen = &config.listen;
    if is_open(&listen.public) && !listen.tls_proxy {
        let text = "is reachable from elsewhere without TLS: put a proxy that ends TLS in front \
                    and say `tls_proxy = true`";
        say("listen.public", text.to_owned());
    }
    if is_open(&listen.admin) {
        let text = "is reachable from elsewhere: API keys would travel unprotected; use a loopback \
                    address or a Unix socket";
        say("listen.admin", text.to_owned());
    }
    if listen.tls_proxy && listen.trusted_proxies.is_empty() {
        let text = "is empty: behind a proxy every client has the proxy's address; list it";
        say("listen.trusted_proxies", text.to_owned());
    }
    if listen.trusted_proxies.iter().any(|range| range.to_string().ends_with("/0")) {
        let text = "believes everybody: any client can choose its address";
        say("listen.trusted_proxies", text.to_owned());
    }
}

fn identity(config: &Config, say: &mut impl FnMut(&str, String)) {
    if config.dev {
        let text = "believes whatever `X-Onrush-Buyer` says; never where others can reach it";
        say("--dev", text.to_owned());
    }
    let has_reserve = config.api_keys.iter().any(|key| key.scope.contains(&super::Scope::Reserve));
    if !config.identity.is_configured() && !has_reserve && !config.dev {
        let text = "no issuer, no shared secret and no API key with the scope \"reserve\": nobody \
                    can reserve";
        say("identity", text.to_owned());
    }
    if config.identity.is_configured() && config.identity.audience.is_none() {
        let text = "is not set: tokens that carry an `aud` are refused";
        say("identity.audience", text.to_owned());
    }
    if !config.dev && !config.api_keys.iter().any(|key| key.scope.contains(&super::Scope::Admin)) {
        let text = "none has the scope \"admin\": nobody can pause a sale";
        say("api_keys", text.to_owned());
    }
    if config.sessions.ttl.0.0 > 24 * 3_600 * 1_000 {
        let text = "is longer than a day: a session cannot be called back";
        say("sessions.ttl", text.to_owned());
    }
    if config.cors.origins.iter().any(|origin| origin.starts_with("http://")) {
        let text = "lists a page without TLS: what it shows can be changed on the way";
        say("cors.origins", text.to_owned());
    }
}

fn campaign_dangers(
    campaign: &super::CampaignBody,
    name: &str,
    now: Timestamp,
    say: &mut impl FnMut(&str, String),
) {
    let field = |part: &str| format!("campaigns.{name}.{part}");
    match campaign.opens_at {
        None => say(&field("opens_at"), "is not set: an operator must open the sale".to_owned()),
        Some(at) if at.0 < now => {
            let at = format_timestamp(at.0);
            say(&field("opens_at"), format!("{at} is past: the sale opens at once"));
        }
        Some(_) => {}
    }
    if campaign.closes_at.is_some_and(|at| at.0 <= now) {
        say(&field("closes_at"), "is past: the sale is over".to_owned());
    }
    if let (Some(from), Some(closes)) = (campaign.runs_from(now), campaign.closes_at)
        && campaign.hold.0 > closes.0.since(from)
    {
        let hold = format_duration(campaign.hold.0);
        let text = format!("{hold} is longer than the sale: unpaid units never come back in it");
        say(&field("hold"), text);
    }
    if let Some(line) = &campaign.line {
        line_dangers(campaign, line, &mut |part, problem: &str| {
            say(&field(&format!("line.{part}")), problem.to_owned());
        });
    }
    if campaign.waitlist.as_ref().is_some_and(|list| list.offer.0 > campaign.hold.0) {
        let text = "is longer than `hold`: a unit that comes back sells slower than a new one";
        say(&field("waitlist.offer"), text.to_owned());
    }
    if campaign.skus.is_empty() {
        say(&field("skus"), "there are none: nothing can be reserved".to_owned());
    }
    let mut supply: u64 = 0;
    for sku in &campaign.skus {
        let later = campaign.waves.iter().any(|wave| wave.sku == sku.sku);
        if sku.supply == 0 && !later {
            let text = "is 0 and no wave brings any: it is sold out from the start".to_owned();
            say(&field(&format!("skus.{}.supply", sku.sku)), text);
        }
        if sku.price == 0 {
            let text = "is 0: a hold is sold by a confirm without payments".to_owned();
            say(&field(&format!("skus.{}.price", sku.sku)), text);
        }
        if sku.limit_per_buyer.is_some_and(|limit| limit > campaign.limit_per_buyer) {
            let text = "is more than the campaign allows one buyer in all".to_owned();
            say(&field(&format!("skus.{}.limit_per_buyer", sku.sku)), text);
        }
        supply += u64::from(sku.supply);
    }
    if supply > 0 && u64::from(campaign.limit_per_buyer) >= supply {
        let text = "lets one buyer take the whole supply".to_owned();
        say(&field("limit_per_buyer"), text);
    }
}

fn line_dangers(
    campaign: &super::CampaignBody,
    line: &super::LineBody,
    say: &mut impl FnMut(&str, &str),
) {
    if campaign.preheat_at.is_none() && campaign.opens_at.is_some() {
        let text =
            "joining begins as soon as the campaign is published: set `preheat_at` to name a time";
        say("tiers", text);
    }
    if line.public_value.is_empty() {
        let text = "is not set: whoever runs the server could have chosen the draw; name a source \
                    that nobody can know before joining ends";
        say("public_value", text);
    }
    if line.grace.0.0 == 0 {
        say("grace", "is 0: who is a second late has lost the place");
    }
    if line.waiting_page.as_ref().is_some_and(|page| page.starts_with("http://")) {
        say("waiting_page", "has no TLS: passes can be read on the way");
    }
    if line.return_origins.iter().any(|origin| origin.starts_with("http://")) {
        say("return_origins", "lists a shop without TLS: passes can be read on the way");
    }
    if line.waiting_page.is_some() && line.return_origins.is_empty() {
        say("return_origins", "is empty: nobody who waited finds back to the shop");
    }
}

fn effective(config: &Config) -> Value {
    let engine = config.engine.options();
    let mut identity = json!(config.identity);
    identity["leeway"] = json!(config.identity.leeway.unwrap_or(LEEWAY_DEFAULT));
    identity["jwks_refresh"] = json!(config.identity.jwks_refresh.unwrap_or(JWKS_REFRESH_DEFAULT));
    let mut server = json!(config.server);
    server["workers"] = json!(crate::server::worker_count(config.server.workers));
    json!({
        "listen": config.listen,
        "server": server,
        "identity": identity,
        "sessions": config.sessions,
        "cors": config.cors,
        "line": config.line,
        "invite_lists": config.invite_lists,
        "risk": config.risk,
        "engine": {
            "reserves_max": engine.reserves_max,
            "settles_max": engine.settles_max,
            "segment_bytes": engine.segment_bytes,
            "snapshot_every": engine.snapshot_every,
        },
        "api_keys": config.api_keys,
        "payments": config.payments,
        "notify": config.notify,
        "pages": config.pages,
        "campaigns": config.campaigns,
        "dev": config.dev,
    })
}
