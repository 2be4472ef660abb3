//! The line of a campaign as an operator writes it: `[campaigns.line]` in the TOML file, `line` in
//! `PUT /admin/v1/campaigns/{campaign}`; and the sections that all lines share.

use super::fields::{Span, name, name_option};
use onrush::{LineTerms, Outflow, Tier};
use onrush_types::{DurationMs, Name};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Longest time a join may wait for an eligibility hook.
pub(super) const HOOK_DEADLINE_MS_MAX: u64 = 10_000;

/// Origins that a gate may send people back to.
const RETURN_ORIGINS_MAX: usize = 32;

/// The line of one campaign. Left out: there is none, and nobody needs a pass.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineBody {
    /// Who joins under which conditions. The tier without groups and invites is everybody; without
    /// one, everybody has weight 1 and enters when the sale opens.
    pub tiers: Vec<TierBody>,
    /// How long somebody who was called up may use the pass.
    pub pass: Span,
    /// How long after that the place can be taken up again.
    pub grace: Span,
    /// How fast people are let in.
    pub outflow: OutflowBody,
    /// Where the public value comes from that turns the wheel, in words; empty: there is none.
    pub public_value: String,
    /// Only members of a tier with groups or invites may join.
    pub invite_only: bool,
    /// Give passes as JWTs too, for a shop that checks them by itself.
    pub jwt: bool,
    /// The page where people wait, for a gate to send them to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_page: Option<String>,
    /// Shops that people may be sent back to, as origins.
    pub return_origins: Vec<String>,
    /// Who is asked, once at joining, whether a buyer may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<HookBody>,
}

impl Default for LineBody {
    fn default() -> LineBody {
        LineBody {
            tiers: Vec::new(),
            pass: Span::secs(120),
            grace: Span::secs(300),
            outflow: OutflowBody::default(),
            public_value: String::new(),
            invite_only: false,
            jwt: false,
            waiting_page: None,
            return_origins: Vec::new(),
            eligibility: None,
        }
    }
}

/// People who join under the same conditions.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TierBody {
    /// Its name.
    #[serde(with = "name")]
    pub name: Name,
    /// The groups whose members are in it; each is one of `identity.groups`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The list of those who were invited, one of `[[invite_lists]]`.
    #[serde(with = "name_option", default, skip_serializing_if = "Option::is_none")]
    pub invites: Option<Name>,
    /// Its weight in the draw: twice the weight, twice the chance to be first.
    #[serde(default = "one")]
    pub weight: u8,
    /// How long after the sale opens it may enter.
    #[serde(default = "at_once")]
    pub after: Span,
}

fn one() -> u8 {
    1
}

fn at_once() -> Span {
    Span::secs(0)
}

/// How fast people are let in; every limit that is set holds.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutflowBody {
    /// People a second at most; left out: as many as the stock allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_second: Option<u32>,
    /// People with a pass or a hold at one time, at most; left out: as many as the stock allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inside: Option<u32>,
    /// Passes out for each unit that can still be sold, at most, however few come.
    pub passes_per_unit_max: u32,
    /// A shop that answers slower than this gets fewer people.
    pub shop_latency_max: Span,
}

impl Default for OutflowBody {
    fn default() -> OutflowBody {
        OutflowBody {
            per_second: None,
            inside: None,
            passes_per_unit_max: 3,
            shop_latency_max: Span::secs(1),
        }
    }
}

/// An HTTP hook that says whether a buyer may join.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HookBody {
    /// Where to ask: `http://host:port/path`.
    pub url: String,
    /// How long to wait for the answer.
    #[serde(default = "soon")]
    pub deadline: Span,
    /// What counts when there is none.
    pub on_failure: OnFailure,
}

fn soon() -> Span {
    Span(onrush_types::DurationMs(300))
}

/// What counts when the eligibility hook gives no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The buyer may join.
    Admit,
    /// The buyer may not join now, and is told to come back.
    Refuse,
}

/// `[line]`: what all lines share.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineSection {
    /// How long one key signs tickets and passes.
    pub key_period: Span,
    /// How long after that it still opens them.
    pub key_overlap: Span,
    /// Raising it ends all earlier keys at once.
    pub key_generation: u32,
    /// The `iss` of passes that are JWTs.
    pub issuer: String,
    /// Event streams open at one time.
    pub streams_max: usize,
    /// How long a hand-off code is good.
    pub handoff_ttl: Span,
}

impl Default for LineSection {
    fn default() -> LineSection {
        LineSection {
            key_period: Span::secs(7 * 24 * 3_600),
            key_overlap: Span::secs(7 * 24 * 3_600),
            key_generation: 0,
            issuer: "onrush".to_owned(),
            streams_max: 10_000,
            handoff_ttl: Span::secs(120),
        }
    }
}

/// `[[invite_lists]]`: buyers who were invited, one identity a line.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct InviteListSection {
    /// Its name, as tiers use it.
    #[serde(with = "name")]
    pub name: Name,
    /// The file; read again when it changes.
    pub file: PathBuf,
}

/// What the gateway keeps of a line that the engine does not decide by.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct LineShown {
    /// The invite list of each class.
    pub(crate) invites: Vec<Option<String>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) jwt: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting_page: Option<String>,
    pub(crate) return_origins: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) eligibility: Option<HookBody>,
}

impl LineSection {
    /// Return the field that is wrong, and what to write instead.
    pub(super) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        if self.key_period.0.0 < 60_000 {
            return Err(("line.key_period", "must be 1m or more"));
        }
        if self.key_overlap > self.key_period {
            return Err(("line.key_overlap", "must be at most key_period"));
        }
        if self.issuer.is_empty() {
            return Err(("line.issuer", "must not be empty: other shops check it"));
        }
        if !(1_000..=3_600_000).contains(&self.handoff_ttl.0.0) {
            return Err(("line.handoff_ttl", "must be between 1s and 1h"));
        }
        Ok(())
    }
}

impl LineBody {
    /// Return the tiers in the order of their classes: everybody first.
    pub(crate) fn classes(&self) -> Vec<TierBody> {
        let is_everybody = |tier: &&TierBody| tier.groups.is_empty() && tier.invites.is_none();
        let everybody = self.tiers.iter().find(is_everybody).cloned().unwrap_or_else(|| TierBody {
            name: Name::new("everyone").expect("a plain word is a name"),
            groups: Vec::new(),
            invites: None,
            weight: one(),
            after: at_once(),
        });
        let others = self.tiers.iter().filter(|tier| !is_everybody(tier)).cloned();
        std::iter::once(everybody).chain(others).collect()
    }

    /// Write a line that there is.
    pub(crate) fn of(terms: &LineTerms, shown: &LineShown) -> LineBody {
        let invites = |at: usize| shown.invites.get(at).cloned().flatten();
        let tiers = terms.tiers.iter().enumerate().map(|(at, tier)| TierBody {
            name: tier.name.clone(),
            groups: tier.groups.clone(),
            invites: invites(at).and_then(|name| Name::new(&name).ok()),
            weight: tier.weight,
            after: Span(tier.after),
        });
        LineBody {
            tiers: tiers.collect(),
            pass: Span(terms.pass),
            grace: Span(terms.grace),
            outflow: OutflowBody {
                per_second: terms.outflow.per_second,
                inside: terms.outflow.inside,
                passes_per_unit_max: terms.outflow.passes_per_unit_max,
                shop_latency_max: Span(DurationMs(terms.outflow.shop_latency_ms_max.into())),
            },
            public_value: terms.public_value_source.clone(),
            invite_only: terms.invite_only,
            jwt: shown.jwt,
            waiting_page: shown.waiting_page.clone(),
            return_origins: shown.return_origins.clone(),
            eligibility: shown.eligibility.clone(),
        }
    }

    /// Make the engine's terms of it.
    pub(crate) fn terms(&self) -> LineTerms {
        let tiers = self.classes().into_iter().map(|tier| Tier {
            name: tier.name,
            groups: tier.groups,
            weight: tier.weight,
            after: tier.after.0,
        });
        LineTerms {
            tiers: tiers.collect(),
            pass: self.pass.0,
            grace: self.grace.0,
            outflow: self.outflow.terms(),
            public_value_source: self.public_value.clone(),
            invite_only: self.invite_only,
        }
    }

    /// Keep what the engine does not.
    pub(crate) fn shown(&self) -> LineShown {
        let invites = self.classes().into_iter().map(|tier| tier.invites.map(|n| n.to_string()));
        LineShown {
            invites: invites.collect(),
            jwt: self.jwt,
            waiting_page: self.waiting_page.clone(),
            return_origins: self.return_origins.clone(),
            eligibility: self.eligibility.clone(),
        }
    }

    /// Check what the engine does not know: names of groups and lists, addresses, the hook.
    ///
    /// # Errors
    /// The field that is wrong, and what to write instead.
    pub(crate) fn check(&self, groups: &[String], lists: &[Name]) -> Result<(), (String, String)> {
        let wrong = |field: &str, problem: &str| Err((field.to_owned(), problem.to_owned()));
        let plain = self.tiers.iter().filter(|t| t.groups.is_empty() && t.invites.is_none());
        if plain.count() > 1 {
            let problem = "two have neither groups nor invites; only one can be everybody";
            return wrong("line.tiers", problem);
        }
        for tier in &self.tiers {
            let field = |name: &str| format!("line.tiers.{}.{name}", tier.name);
            if let Some(unknown) = tier.groups.iter().find(|group| !groups.contains(group)) {
                let problem = format!("{unknown:?} means nothing here; list it in identity.groups");
                return Err((field("groups"), problem));
            }
            if let Some(unknown) = tier.invites.as_ref().filter(|list| !lists.contains(list)) {
                let problem = format!("there is no [[invite_lists]] named {:?}", unknown.as_str());
                return Err((field("invites"), problem));
            }
        }
        if self.invite_only && self.classes().len() < 2 {
            return wrong("line.invite_only", "no tier has groups or invites: nobody could join");
        }
        let is_page = |page: &String| page.starts_with("https://") || page.starts_with("http://");
        if self.waiting_page.as_ref().is_some_and(|page| !is_page(page) || !is_visible(page)) {
            return wrong("line.waiting_page", "write a whole address: https://wait.shop.example/");
        }
        if self.return_origins.len() > RETURN_ORIGINS_MAX {
            return wrong("line.return_origins", "at most 32");
        }
        if let Some(bad) = self.return_origins.iter().find(|o| !super::load::is_origin(o)) {
            let problem = format!("{bad:?} is not an origin; write https://shop.example, no path");
            return Err(("line.return_origins".to_owned(), problem));
        }
        self.eligibility.as_ref().map_or(Ok(()), HookBody::check)
    }
}

impl OutflowBody {
    /// Make the engine's settings of it.
    pub(crate) fn terms(&self) -> Outflow {
        Outflow {
            per_second: self.per_second,
            inside: self.inside,
            passes_per_unit_max: self.passes_per_unit_max,
            shop_latency_ms_max: u32::try_from(self.shop_latency_max.0.0).unwrap_or(u32::MAX),
        }
    }
}

impl HookBody {
    fn check(&self) -> Result<(), (String, String)> {
        if !is_plain_http(&self.url) {
            let problem = "write http://host:port/path; for TLS, a proxy beside this server";
            return Err(("line.eligibility.url".to_owned(), problem.to_owned()));
        }
        if !(1..=HOOK_DEADLINE_MS_MAX).contains(&self.deadline.0.0) {
            let problem = "must be between 1ms and 10s";
            return Err(("line.eligibility.deadline".to_owned(), problem.to_owned()));
        }
        Ok(())
    }
}

/// Tell whether this is an address that a hook can be asked at.
pub(super) fn is_plain_http(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty())
    })
}

/// Return how the configuration writes a field of the engine's terms.
pub(crate) fn as_written(field: &str) -> String {
    field
        .replace("line.public_value_source", "line.public_value")
        .replace("line.outflow.shop_latency_ms_max", "line.outflow.shop_latency_max")
}

/// Tell whether a text can stand in a header.
fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
