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
use http::StatusCode;
use onrush::Timestamp;
use onrush_risk::Stage;
use onrush_risk::challenge::{AnswerError, ChallengeKind, Issued, TOKEN_CHARS_MAX};
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

impl Gateway {
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
