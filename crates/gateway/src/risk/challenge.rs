//! `POST /v1/campaigns/{campaign}/challenges`: get a challenge, or answer one.
//!
//! `{"kind","level"}` gets one; `{"challenge","answer"}` answers it and gets the proof, which goes into the
//! header `Onrush-Proof` of the join or reserve. Both before and after the opening, so that nobody has to
//! solve anything in the rush.

use super::evidence::holder;
use super::sale::count;
use crate::answer::Answer;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway};
use crate::identity::Caller;
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{format_timestamp, json, read_json};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode};
use onrush::{BuyerDigest, Campaign, Timestamp};
use onrush_risk::challenge::{AnswerError, ChallengeKind, Issued, TOKEN_CHARS_MAX};
use onrush_risk::{RuleAction, Stage};
use serde::Deserialize;
use serde_json::{Value, json as value};
use std::borrow::Cow;

/// What a client sends.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeBody<'a> {
    /// `time_lock`, `work` or `wait`; a time lock when left out.
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
    ) -> Result<Answer, Problem> {
        let body: ChallengeBody<'_> = match ask.body.is_empty() {
            true => ChallengeBody::default(),
            false => read_json(ask.headers, ask.body)?,
        };
        let buyer = match self.caller(ask, now)? {
            Caller::Buyer(buyer) => buyer.digest,
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
        let holder = holder(&sale.key, buyer, ask.headers);
        // Who asks is seen, and nothing is decided by it.
        let (seen, _) = self.evidence(&sale, &campaign, buyer, ask, (Stage::Beacon, None), now);
        sale.sketches.observe(&seen, now);
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
                    let body = json(&value!({"proof": proof}));
                    Ok(Answer::json(StatusCode::OK, Route::Challenge, body))
                }
                Err(why) => {
                    count(&sale.figures.failed);
                    Err(not_taken(why))
                }
            };
        }
        let kind = match body.kind.as_deref().unwrap_or("time_lock") {
            "time_lock" => ChallengeKind::TimeLock,
            "work" => ChallengeKind::Work,
            "wait" => ChallengeKind::Wait,
            _ => return Err(Problem::invalid("kind: time_lock, work or wait")),
        };
        let status = self.engine.status();
        let load = status.reserves_in_flight as f32 / status.reserves_in_flight_max.max(1) as f32;
        let level = body.level.unwrap_or(1);
        let issued = sale.challenges().issue(holder, kind, level, load, now).ok_or_else(|| {
            let detail = "this campaign has given out all its challenges; reserve without one";
            Problem::new(Code::Overloaded, detail)
        })?;
        count(&sale.figures.issued);
        Ok(Answer::json(StatusCode::CREATED, Route::Challenge, json(&written(&issued))))
    }
}

fn written(issued: &Issued) -> Value {
    let mut body = value!({
        "challenge": issued.token,
        "kind": match issued.kind {
            ChallengeKind::TimeLock => "time_lock",
            ChallengeKind::Work => "work",
            ChallengeKind::Wait => "wait",
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
