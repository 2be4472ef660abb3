//! `POST /v1/campaigns/{campaign}/tickets`: joining the line.
//!
//! Groups and invite lists decide the class at once. Where a campaign has a hook, it is asked before
//! a ticket is given out for the first time, and never again for the same buyer.

use super::eligibility::{Applicant, AskError, Verdict};
use super::figures::Counted;
use super::lines::{Hook, Lines, Settings};
use super::token::{TICKET_CHARS, TicketToken};
use super::wait::LineWait;
use crate::config::OnFailure;
use crate::errors::Code;
use crate::funnel::Source;
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::Caller;
use crate::problem::Problem;
use crate::risk::UsedProof;
use crate::routes::Route;
use crate::waiting::{Waiting, What};
use crate::wire::{push_json_string, push_timestamp, push_u64, read_json};
use http::header::AUTHORIZATION;
use onrush::{
    BuyerDigest, Campaign, Decision, Engine, EngineError, JoinRequest, Pending, Ticket, Timestamp,
};
use serde::Deserialize;
use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// When to come back after the hook gave no answer.
const RETRY_MS_HOOK: u32 = 3_000;

/// Groups that a back end may name for a buyer.
const GROUPS_NAMED_MAX: usize = 64;

/// What a client sends; all of it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinBody<'a> {
    /// For whom, when a back end asks.
    #[serde(borrow, default)]
    pub(crate) buyer: Option<Cow<'a, str>>,
    /// The buyer's groups, when a back end asks.
    #[serde(borrow, default)]
    pub(crate) groups: Vec<Cow<'a, str>>,
}

/// Somebody who is joining.
#[derive(Clone, Debug)]
pub(crate) struct Joiner {
    pub(crate) lines: Arc<Lines>,
    pub(crate) campaign: Arc<Campaign>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) buyer: BuyerDigest,
    /// Where the buyer comes from.
    pub(crate) from: Box<Source<'static>>,
    /// The proof that was shown with the join.
    pub(crate) proof: Option<UsedProof>,
}

/// A ticket on its way.
pub(crate) enum Joining {
    /// The ledger decides.
    Deciding(Pending<Ticket>),
    /// The hook is asked first.
    Asking(Pin<Box<dyn Future<Output = Asked> + Send>>),
}

/// What came of it.
pub(crate) type Asked = Result<Result<Decision<Ticket>, EngineError>, Problem>;

impl std::fmt::Debug for Joining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Joining(…)")
    }
}

impl Gateway {
    pub(crate) fn join(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: JoinBody<'_> = match ask.body.is_empty() {
            true => JoinBody::default(),
            false => read_json(ask.headers, ask.body)?,
        };
        if body.groups.len() > GROUPS_NAMED_MAX {
            return Err(Problem::invalid(format!("groups: at most {GROUPS_NAMED_MAX}")));
        }
        let caller = self.caller(ask, now)?;
        let buyer = caller.buyer(body.buyer.as_deref(), &self.engine)?;
        let groups = match &caller {
            Caller::Buyer(_) if !body.groups.is_empty() => {
                return Err(Problem::invalid("groups: only a shop's back end names them"));
            }
            Caller::Buyer(buyer) => buyer.groups,
            Caller::BackEnd(_) => self.lines.bits(&body.groups),
        };
        let campaign = self.visible(campaign, now)?;
        let settings = self.lines.settings(&campaign)?;
        let lines = self.lines.clone();
        let from = Box::new(Source::of(ask));
        let mut joiner = Joiner { lines, campaign, settings, buyer, from, proof: None };
        let class = joiner.settings.classes.of(buyer, groups);
        let (class, proof) = match &caller {
            Caller::Buyer(buyer) => {
                let light = |tier: &str| joiner.settings.classes.named(tier);
                self.look_at_join(&joiner.campaign, buyer, ask, class, light, now)?
            }
            Caller::BackEnd(_) => (class, None),
        };
        joiner.proof = proof;
        let joining = match (&joiner.settings.hook, class) {
            (None, Some(class)) => {
                let Joiner { campaign, buyer, .. } = &joiner;
                let request = JoinRequest { campaign, buyer: *buyer, class };
                Joining::Deciding(self.engine.join(&request))
            }
            (_, class) => {
                let token = bearer_jwt(ask);
                let named = body.buyer.as_deref().map(str::to_owned);
                let asking = joiner.clone().asking(self.engine.clone(), class, token, named);
                Joining::Asking(Box::pin(asking))
            }
        };
        let what = What::Line(Box::new(LineWait::Join(joining, joiner)));
        Ok(Reply::Wait(Waiting::of(Route::LineJoin, what)))
    }
}

impl Joiner {
    /// Find the ticket there is, or ask whether there may be one.
    async fn asking(
        self,
        engine: Engine,
        class: Option<u8>,
        token: Option<String>,
        named: Option<String>,
    ) -> Asked {
        let (ix, buyer) = (self.campaign.ix(), self.buyer);
        let known = engine.inspect(move |ledger| {
            let line = ledger.line(ix)?;
            Some(line.ticket(line.ticket_of(buyer)?)?.class)
        });
        // Whoever has a place keeps it, whatever lists and hooks say by now.
        let class = match (known.await, class, &self.settings.hook) {
            (Err(error), ..) => return Ok(Err(error)),
            (Ok(Some(known)), ..) => known,
            (Ok(None), None, _) => {
                self.lines.figures.count(Counted::NotEligible);
                return Err(not_eligible());
            }
            (Ok(None), Some(class), None) => class,
            (Ok(None), Some(class), Some(hook)) => {
                let applicant = self.applicant(&engine, class, token, named);
                self.judged(hook, applicant, class).await?
            }
        };
        let campaign = &*self.campaign;
        Ok(engine.join(&JoinRequest { campaign, buyer, class }).await)
    }

    /// Ask the hook, and return the class to join in.
    async fn judged(&self, hook: &Hook, applicant: Applicant, class: u8) -> Result<u8, Problem> {
        let verdict = tokio::time::timeout(hook.deadline, hook.whom.ask(applicant)).await;
        let failure = match verdict {
            Ok(Ok(Verdict::Admit { tier })) => {
                let named = tier.and_then(|tier| self.settings.classes.named(&tier));
                return Ok(named.unwrap_or(class));
            }
            Ok(Ok(Verdict::Refuse)) => {
                self.lines.figures.count(Counted::NotEligible);
                return Err(not_eligible());
            }
            Ok(Err(AskError(why))) => why,
            Err(_) => "no answer in time".to_owned(),
        };
        self.lines.figures.count(Counted::HookFailed);
        tracing::debug!(why = failure, "the eligibility hook gave no answer");
        match hook.on_failure {
            OnFailure::Admit => Ok(class),
            OnFailure::Refuse => Err(not_known()),
        }
    }

    /// Sign the ticket. The same one is the same text as long as its key signs.
    pub(crate) fn token(&self, ticket: &Ticket, now: Timestamp) -> [u8; TICKET_CHARS] {
        let token = TicketToken {
            campaign: self.campaign.ix(),
            buyer: self.buyer,
            number: ticket.number.0,
            class: ticket.class,
            lane: ticket.lane,
            issued_at: ticket.joined_at,
            by_old_key: false,
        };
        self.lines.tokens.ticket(&token, now)
    }

    /// Write the ticket as its holder sees it.
    pub(crate) fn written(&self, ticket: &Ticket, engine: &Engine) -> Vec<u8> {
        let Joiner { campaign, settings, buyer, .. } = self;
        let text = self.token(ticket, engine.now());
        let mut out = Vec::with_capacity(320);
        out.extend_from_slice(b"{\"ticket\":\"");
        out.extend_from_slice(&text);
        out.extend_from_slice(b"\",\"campaign\":");
        push_json_string(&mut out, campaign.name().as_str());
        out.extend_from_slice(b",\"number\":");
        push_u64(&mut out, u64::from(ticket.number.0));
        let tier = settings.classes.rules.get(usize::from(ticket.class));
        out.extend_from_slice(b",\"tier\":");
        push_json_string(&mut out, tier.map_or("", |rule| &rule.name));
        out.extend_from_slice(b",\"class\":");
        push_u64(&mut out, u64::from(ticket.class));
        out.extend_from_slice(b",\"lane\":");
        push_u64(&mut out, u64::from(ticket.lane));
        if let Some(pseudonym) = engine.pseudonym(campaign, *buyer) {
            out.extend_from_slice(format!(",\"pseudonym\":\"{pseudonym}\"").as_bytes());
        }
        out.extend_from_slice(b",\"joined_at\":\"");
        push_timestamp(&mut out, ticket.joined_at);
        out.extend_from_slice(b"\"}");
        out
    }

    fn applicant(
        &self,
        engine: &Engine,
        class: u8,
        token: Option<String>,
        buyer: Option<String>,
    ) -> Applicant {
        let rule = self.settings.classes.rules.get(usize::from(class));
        let pseudonym = engine.pseudonym(&self.campaign, self.buyer);
        Applicant {
            campaign: self.campaign.name().to_string(),
            pseudonym: pseudonym.map(|pseudonym| pseudonym.to_string()).unwrap_or_default(),
            tier: rule.map(|rule| rule.name.clone()).unwrap_or_default(),
            buyer,
            token,
        }
    }
}

impl Joining {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Asked> {
        match self {
            Joining::Deciding(pending) => Pin::new(pending).poll(cx).map(Ok),
            Joining::Asking(asked) => asked.as_mut().poll(cx),
        }
    }

    /// Block until it is decided.
    pub(crate) fn wait(self) -> Asked {
        match self {
            Joining::Deciding(pending) => Ok(pending.wait()),
            Joining::Asking(asked) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(asked),
                    Err(_) => Err(not_known()),
                }
            }
        }
    }
}

/// Return the token that was shown, if it is a JWT: sessions and keys say nothing to others.
fn bearer_jwt(ask: &Ask<'_>) -> Option<String> {
    let value = ask.headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (_, token) = value.split_once(' ')?;
    token.contains('.').then(|| token.trim().to_owned())
}

fn not_eligible() -> Problem {
    let detail = "this sale, or this part of it, is by invitation, and this account is not among \
                  those invited; join with the account that was";
    Problem::new(Code::NotEligible, detail)
}

fn not_known() -> Problem {
    let detail = "it could not be told whether you may join; nothing was decided, ask again";
    Problem { retry_ms: Some(RETRY_MS_HOOK), ..Problem::new(Code::Overloaded, detail) }
}
