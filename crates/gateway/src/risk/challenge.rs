//! `POST /v1/campaigns/{campaign}/challenges`: get a challenge, or answer one.
//!
//! `{"kind","level"}` gets one; `{"challenge","answer"}` answers it and gets the proof, which goes into the
//! header `Onrush-Proof` of the join or reserve. Both before and after the opening, so that nobody has to
//! solve anything in the rush.

use super::evidence::holder;
use super::outside::{ANSWER_CHARS_MAX, Outside};
use super::sale::{Sale, count};
use crate::answer::Answer;
use crate::errors::Code;
use crate::funnel::{Source, Step};
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::Caller;
use crate::problem::Problem;
use crate::routes::Route;
use crate::stores::Later;
use crate::waiting::Waiting;
use crate::wire::{format_timestamp, json, read_json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use onrush::{BuyerDigest, Campaign, Timestamp};
use onrush_risk::challenge::{AnswerError, ChallengeKind, Holder, Issued, TOKEN_CHARS_MAX};
use onrush_risk::{RuleAction, Stage};
use serde::Deserialize;
use serde_json::{Value, json as value};
use std::borrow::Cow;
use std::sync::Arc;

/// What a client sends.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeBody<'a> {
    /// `time_lock`, `work`, `wait` or `outside`; a time lock when left out.
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    /// The level that was asked for, 1 to 3.
    #[serde(default)]
    level: Option<u8>,
    /// The challenge that is answered.
    #[serde(borrow, default)]
    challenge: Option<Cow<'a, str>>,
    /// Its answer: base64url without padding; empty for a wait.
    #[serde(borrow, default)]
    answer: Option<Cow<'a, str>>,
    /// What an outside challenge gave back, in place of an answer.
    #[serde(borrow, default)]
    outside: Option<Cow<'a, str>>,
}

/// A challenge that the policy asks some buyers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The highest level there is a rule for.
    pub(crate) level: u8,
    /// It asks everybody, whatever their score.
    pub(crate) from_everybody: bool,
}

/// A proof with less time left is as good as none: it might be over before it is used.
const PROOF_LEFT_MS_MIN: u64 = 120_000;

impl Gateway {
    /// Tell which challenge the buyer may be asked for here. `None`: none, or `proof` answers it.
    pub(crate) fn challenge_wanted(
        &self,
        campaign: &Campaign,
        buyer: BuyerDigest,
        headers: &HeaderMap,
        proof: Option<&str>,
        now: Timestamp,
    ) -> Option<Wanted> {
        let policy = self.risks.policy.load();
        let rules = policy.rules.iter().filter(|rule| rule.action == RuleAction::Challenge);
        let from_everybody =
            rules.clone().any(|rule| rule.worst_percent >= 100.0 && rule.at_least <= 0.0);
        let level = rules.map(|rule| rule.level).max()?;
        let sale = self.risks.sale(campaign, now)?;
        let is_good = proof.zip(sale.challenges.get()).is_some_and(|(proof, challenges)| {
            let opened = challenges.open_proof(proof, holder(&sale.key, buyer, headers), now);
            opened.is_ok_and(|proof| {
                proof.level >= level
                    && proof.until.since(now).0 >= PROOF_LEFT_MS_MIN
                    && !challenges.is_used(&proof)
            })
        });
        (!is_good).then_some(Wanted { level, from_everybody })
    }

    pub(crate) fn challenge(
        &self,
        name: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: ChallengeBody<'_> = match ask.body.is_empty() {
            true => ChallengeBody::default(),
            false => read_json(ask.headers, ask.body)?,
        };
        let buyer = match self.caller(ask, now)? {
            Caller::Buyer(buyer) => buyer,
            Caller::BackEnd(_) => {
                let detail = "a back end is not asked for challenges; a buyer gets them here";
                return Err(Problem::new(Code::Forbidden, detail));
            }
        };
        let campaign = self.visible(name, now)?;
        let Some(sale) = self.risks.sale(&campaign, now) else {
            let detail = "this campaign asks nobody for a challenge";
            return Err(Problem::new(Code::NotFound, detail));
        };
        let holder = holder(&sale.key, buyer.digest, ask.headers);
        // Who asks is seen, and nothing is decided by it.
        let (seen, _) = self.evidence(&sale, &campaign, &buyer, ask, (Stage::Beacon, None), now);
        sale.sketches.observe(&seen, now);
        if let (Some(token), Some(answer)) = (&body.challenge, &body.outside) {
            return self.outside_answer(sale, token, holder, answer, (&campaign, ask), now);
        }
        if let Some(token) = &body.challenge {
            let wrong = || Problem::invalid("answer: base64url without padding, at most 512 bytes");
            let answer = body.answer.as_deref().unwrap_or_default();
            if token.len() > TOKEN_CHARS_MAX || answer.len() > 700 {
                return Err(wrong());
            }
            let answer = URL_SAFE_NO_PAD.decode(answer).map_err(|_| wrong())?;
            return match sale.challenges().answer(token, holder, &answer, now) {
                Ok(proof) => {
                    count(&sale.figures.passed);
                    let source = Source::of(ask);
                    self.lines.funnels.count(campaign.name(), &source, Step::Challenged);
                    Ok(Reply::Ready(proven(&proof)))
                }
                Err(why) => {
                    count(&sale.figures.failed);
                    Err(not_taken(why))
                }
            };
        }
        let kind = self.kind_named(body.kind.as_deref().unwrap_or("time_lock"), now)?;
        let status = self.engine.status();
        let load = status.reserves_in_flight as f32 / status.reserves_in_flight_max.max(1) as f32;
        let mut level = body.level.unwrap_or(1);
        if let (ChallengeKind::Outside, Some(outside)) = (kind, self.offered(now)) {
            level = level.min(outside.level);
        }
        let issued = sale.challenges().issue(holder, kind, level, load, now).ok_or_else(|| {
            let detail = "this campaign has given out all its challenges; reserve without one";
            Problem::new(Code::Overloaded, detail)
        })?;
        count(&sale.figures.issued);
        let mut body = written(&issued);
        if let (ChallengeKind::Outside, Some(outside)) = (kind, self.offered(now)) {
            body["site_key"] = outside.site_key.as_str().into();
        }
        Ok(Reply::Ready(Answer::json(StatusCode::CREATED, Route::Challenge, json(&body))))
    }

    fn kind_named(&self, name: &str, now: Timestamp) -> Result<ChallengeKind, Problem> {
        Ok(match name {
            "time_lock" => ChallengeKind::TimeLock,
            "work" => ChallengeKind::Work,
            "wait" => ChallengeKind::Wait,
            "outside" if self.offered(now).is_some() => ChallengeKind::Outside,
            // Not set up, or not answering: the own one takes its place.
            "outside" => ChallengeKind::TimeLock,
            _ => return Err(Problem::invalid("kind: time_lock, work, wait or outside")),
        })
    }

    fn offered(&self, now: Timestamp) -> Option<&Arc<Outside>> {
        self.risks.outside.as_ref().filter(|outside| outside.is_offered(now))
    }

    /// Ask whoever gave an outside challenge out whether it was answered. What is none of ours, or was
    /// answered, is not asked about.
    fn outside_answer(
        &self,
        sale: Arc<Sale>,
        token: &str,
        holder: Holder,
        answer: &str,
        (campaign, ask): (&Campaign, &Ask<'_>),
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        if token.len() > TOKEN_CHARS_MAX || answer.is_empty() || answer.len() > ANSWER_CHARS_MAX {
            return Err(Problem::invalid("outside: 1 to 2048 characters"));
        }
        let refused = |sale: &Sale, why| {
            count(&sale.figures.failed);
            not_taken(why)
        };
        let open = sale.challenges().is_open_outside(token, holder, now);
        open.map_err(|why| refused(&sale, why))?;
        let Some(outside) = self.risks.outside.clone() else { return Err(not_told()) };
        let (token, answer) = (token.to_owned(), answer.to_owned());
        let (funnels, source) = (self.lines.funnels.clone(), Source::of(ask));
        let campaign = campaign.name().clone();
        let steps = async move {
            match outside.judge(&answer, now).await {
                Some(true) => {
                    let proof = sale.challenges().answer_outside(&token, holder, now);
                    let proof = proof.map_err(|why| refused(&sale, why))?;
                    count(&sale.figures.passed);
                    funnels.count(&campaign, &source, Step::Challenged);
                    Ok(proven(&proof))
                }
                Some(false) => Err(refused(&sale, AnswerError::Wrong)),
                None => {
                    count(&sale.figures.outside_failed);
                    Err(not_told())
                }
            }
        };
        Ok(Reply::Wait(Waiting::later(Route::Challenge, Later::new(steps))))
    }
}

fn proven(proof: &str) -> Answer {
    Answer::json(StatusCode::OK, Route::Challenge, json(&value!({"proof": proof})))
}

fn not_told() -> Problem {
    let detail = "who gave this check out could not be asked whether it was answered; get a challenge \
                  of another kind: time_lock, work or wait";
    Problem::new(Code::ChallengeRequired, detail)
}

fn written(issued: &Issued) -> Value {
    let mut body = value!({
        "challenge": issued.token,
        "kind": match issued.kind {
            ChallengeKind::TimeLock => "time_lock",
            ChallengeKind::Work => "work",
            ChallengeKind::Wait => "wait",
            ChallengeKind::Outside => "outside",
        },
        "until": format_timestamp(issued.until),
    });
    match (issued.kind, &issued.modulus) {
        (ChallengeKind::TimeLock, Some((modulus, base))) => {
            body["squarings"] = issued.cost.into();
            body["modulus"] = URL_SAFE_NO_PAD.encode(modulus).into();
            body["base"] = URL_SAFE_NO_PAD.encode(base).into();
        }
        (ChallengeKind::Work, _) => body["zero_bits"] = issued.cost.into(),
        (ChallengeKind::Outside, _) => {}
        _ => body["wait_ms"] = (u64::from(issued.cost) * 1_000).into(),
    }
    body
}

fn not_taken(why: AnswerError) -> Problem {
    let again = |detail: &'static str| Problem::new(Code::ChallengeRequired, detail);
    match why {
        AnswerError::Forged => again(
            "this challenge was given to another account, session or campaign, or before a restart; \
             get a new one",
        ),
        AnswerError::Late => again("this challenge is over; get a new one"),
        AnswerError::Used => again("this challenge was answered before; get a new one"),
        AnswerError::Wrong => {
            again("the answer is wrong; get a new challenge, or one of kind wait")
        }
        AnswerError::Early(ms) => {
            let detail = format!("the waiting time is not over; answer again in {ms} ms");
            Problem::new(Code::ChallengeRequired, detail)
        }
    }
}
