//! What the gateway keeps for all lines: keys, codes, listeners, and each campaign's settings.
//!
//! Settings are read from a campaign's terms once and kept as long as the terms are the same; the
//! crowd finds them with one load.

use super::eligibility::{Classes, Eligibility, Rule};
use super::figures::Figures;
use super::handoff::Handoffs;
use super::hook::HttpHook;
use super::invites::InviteList;
use super::jwt::{Jwts, jwt_key};
use super::promises::Promises;
use super::ring::Ring;
use super::streams::Streams;
use super::token::{Tokens, mac_key};
use crate::config::{Config, ConfigErrors, HookBody, LineShown, OnFailure, Shown};
use crate::errors::Code;
use crate::funnel::Funnels;
use crate::problem::Problem;
use arc_swap::ArcSwap;
use onrush::{Campaign, CampaignIx, Engine, LineTerms, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Everything about lines that is no decision.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) tokens: Tokens,
    pub(crate) jwts: Jwts,
    pub(crate) handoffs: Handoffs,
    pub(crate) streams: Streams,
    pub(crate) figures: Arc<Figures>,
    pub(crate) funnels: Arc<Funnels>,
    pub(crate) promises: Promises,
    /// The names of groups, each at its bit.
    groups: Vec<String>,
    invites: Vec<Arc<InviteList>>,
    settings: ArcSwap<BTreeMap<CampaignIx, Arc<Settings>>>,
    messages: ArcSwap<BTreeMap<CampaignIx, Message>>,
    /// Asked where a campaign has no hook of its own.
    pub(crate) own: Option<Arc<dyn Eligibility>>,
}

/// The gateway's part of one line.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Kept, so that another campaign object cannot have its address.
    campaign: Arc<Campaign>,
    pub(crate) classes: Classes,
    pub(crate) jwt: bool,
    pub(crate) waiting_page: Option<String>,
    pub(crate) return_origins: Vec<String>,
    pub(crate) hook: Option<Hook>,
}

/// Who is asked, for how long, and what counts without an answer.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) whom: Arc<dyn Eligibility>,
    pub(crate) deadline: Duration,
    pub(crate) on_failure: OnFailure,
}

/// What an operator says to everybody in line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) at: Timestamp,
}

impl Lines {
    /// Derive the keys, and read the invite lists.
    pub(crate) fn new(config: &Config, engine: &Engine) -> Result<Lines, ConfigErrors> {
        let section = &config.line;
        let (period, overlap) = (section.key_period.0, section.key_overlap.0);
        let root = |purpose: &str| {
            engine.derive_key(&format!("onrush line {purpose} v1 {}", section.key_generation))
        };
        let now = engine.now();
        let figures: Arc<Figures> = Arc::default();
        let ring = Ring::new(root("tokens"), period, overlap, mac_key, now);
        let jwt_ring = Ring::new(root("jwt"), period, overlap, jwt_key, now);
        let invites = config.invite_lists.iter();
        let invites = invites.map(|list| InviteList::load(list, engine).map(Arc::new));
        Ok(Lines {
            tokens: Tokens::new(ring, figures.clone()),
            jwts: Jwts::new(jwt_ring, section.issuer.clone()),
            handoffs: Handoffs::new(&root("hand-off"), section.handoff_ttl.0),
            streams: Streams::new(section.streams_max),
            figures,
            funnels: Arc::default(),
            promises: Promises::default(),
            groups: config.identity.groups.clone(),
            invites: invites.collect::<Result<_, _>>()?,
            settings: ArcSwap::default(),
            messages: ArcSwap::default(),
            own: None,
        })
    }

    /// Return the settings of a campaign's line.
    ///
    /// # Errors
    /// `not_found` when the campaign has no line.
    pub(crate) fn settings(&self, campaign: &Arc<Campaign>) -> Result<Arc<Settings>, Problem> {
        let known = self.settings.load();
        if let Some(settings) = known.get(&campaign.ix())
            && Arc::ptr_eq(&settings.campaign, campaign)
        {
            return Ok(settings.clone());
        }
        let terms = campaign.line().ok_or_else(no_line)?;
        let settings = Arc::new(self.read(campaign, terms));
        let mut all = BTreeMap::clone(&known);
        all.insert(campaign.ix(), settings.clone());
        self.settings.store(Arc::new(all));
        Ok(settings)
    }

    fn read(&self, campaign: &Arc<Campaign>, terms: &LineTerms) -> Settings {
        let shown = Shown::of(campaign.terms()).line.unwrap_or_default();
        let rules = terms.tiers.iter().enumerate().map(|(class, tier)| Rule {
            name: tier.name.to_string(),
            groups: self.bits(&tier.groups),
            invites: shown.invites.get(class).and_then(|list| self.list(list.as_deref()?)),
            weight: tier.weight,
            after_ms: tier.after.0,
        });
        let classes = Classes { rules: rules.collect(), invite_only: terms.invite_only };
        let hook = shown.eligibility.as_ref().and_then(hook_of);
        let own = self.own.as_ref().map(|own| Hook {
            whom: own.clone(),
            deadline: OWN_DEADLINE,
            on_failure: OnFailure::Refuse,
        });
        let LineShown { jwt, waiting_page, return_origins, .. } = shown;
        let (campaign, hook) = (campaign.clone(), hook.or(own));
        Settings { campaign, classes, jwt, waiting_page, return_origins, hook }
    }

    /// Return the bits of these groups; names that mean nothing have none.
    pub(crate) fn bits(&self, names: &[impl AsRef<str>]) -> u64 {
        let known = self.groups.iter().take(64).enumerate();
        let named = known.filter(|(_, group)| names.iter().any(|name| name.as_ref() == *group));
        named.fold(0, |bits, (at, _)| bits | 1 << at)
    }

    /// Return the names of groups and invite lists that a campaign may use.
    pub(crate) fn known(&self) -> (&[String], Vec<onrush::Name>) {
        let lists = self.invites.iter().filter_map(|list| onrush::Name::new(&list.name).ok());
        (&self.groups, lists.collect())
    }

    /// Read invite lists again whose files changed. Blocks on files.
    pub(crate) fn refresh_invites(&self, engine: &Engine) {
        self.invites.iter().for_each(|list| list.refresh(engine));
    }

    /// Tell whether there is any invite list.
    pub(crate) fn has_invites(&self) -> bool {
        !self.invites.is_empty()
    }

    /// Say something to everybody in line, or take it back.
    pub(crate) fn tell(&self, campaign: CampaignIx, message: Option<Message>) {
        self.messages.rcu(|messages| {
            let mut messages = BTreeMap::clone(messages);
            match message.clone() {
                Some(message) => drop(messages.insert(campaign, message)),
                None => drop(messages.remove(&campaign)),
            }
            messages
        });
    }

    /// Return what is being said.
    pub(crate) fn message(&self, campaign: CampaignIx) -> Option<Message> {
        self.messages.load().get(&campaign).cloned()
    }

    fn list(&self, name: &str) -> Option<Arc<InviteList>> {
        self.invites.iter().find(|list| list.name == name).cloned()
    }
}

/// How long an embedder's own eligibility may take.
const OWN_DEADLINE: Duration = Duration::from_millis(300);

fn hook_of(body: &HookBody) -> Option<Hook> {
    let uri = body.url.parse().ok()?;
    let whom: Arc<dyn Eligibility> = Arc::new(HttpHook::new(uri));
    Some(Hook { whom, deadline: body.deadline.duration(), on_failure: body.on_failure })
}

pub(super) fn no_line() -> Problem {
    Problem::new(Code::NotFound, "this campaign has no line: reserve directly, without a pass")
}
