//! Problem documents (RFC 9457): how every refusal and error looks from outside.

use crate::answer::{Answer, Content};
use crate::errors::Code;
use crate::jitter::Jitter;
use crate::routes::Route;
use crate::wire::{prepared, push_json_string, push_timestamp, push_u64};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use onrush::{EngineError, Name, Refusal, Timestamp};
use std::borrow::Cow;

/// Shortest wait suggested where the engine names none.
const RETRY_MS_KEY_IN_FLIGHT: u32 = 200;
const RETRY_MS_ALL_HELD: u32 = 2_000;
const RETRY_MS_PAUSED: u32 = 3_000;
const RETRY_MS_STOPPING: u32 = 1_500;
const RETRY_MS_DISK_FULL: u32 = 5_000;

/// A refusal or an error on its way to the client.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Which one.
    pub code: Code,
    /// What exactly is wrong, in words for the one who reads it.
    pub detail: Cow<'static, str>,
    /// The least time to wait before asking again; jitter is added.
    pub retry_ms: Option<u32>,
    /// When the sale opens.
    pub opens_at: Option<Timestamp>,
    /// SKUs that could be asked for instead.
    pub alternatives: Vec<Name>,
    /// Stores near the buyer that still have it.
    pub near: Vec<NearStore>,
    /// Whether one can wait for units that come back.
    pub waitlist: bool,
}

/// A store near a buyer that still has what is sold out.
#[derive(Clone, Debug, PartialEq)]
pub struct NearStore {
    /// Its name.
    pub node: String,
    /// What it has.
    pub sku: String,
    /// Road kilometres.
    pub km: f64,
    /// Units free there.
    pub units: u32,
}

impl Problem {
    /// Make a problem of `code` with its detail.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Problem {
        let detail = detail.into();
        let (retry_ms, opens_at, alternatives, near) = (None, None, Vec::new(), Vec::new());
        Problem { code, detail, retry_ms, opens_at, alternatives, near, waitlist: false }
    }

    /// Make an `invalid_request`.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(Code::InvalidRequest, detail)
    }

    /// Make the one answer for what does not exist and for what belongs to somebody else.
    pub fn not_found() -> Problem {
        Problem::new(
            Code::NotFound,
            "there is no such thing, or it is not yours; check the address",
        )
    }

    /// Say what the engine refused.
    pub fn of_refusal(refusal: Refusal) -> Problem {
        let (code, retry_ms) = match &refusal {
            Refusal::NotFound => return Problem::not_found(),
            Refusal::Invalid(_) => (Code::InvalidRequest, None),
            Refusal::KeyReused => (Code::KeyReused, None),
            Refusal::KeyInFlight => (Code::KeyInFlight, Some(RETRY_MS_KEY_IN_FLIGHT)),
            Refusal::NotOpen { .. } => (Code::NotOpen, None),
            Refusal::Paused => (Code::Paused, Some(RETRY_MS_PAUSED)),
            Refusal::Ended => (Code::Ended, None),
            Refusal::NotEligible => (Code::NotEligible, None),
            Refusal::PassRequired => (Code::PassRequired, None),
            Refusal::PassInvalid => (Code::PassInvalid, None),
            Refusal::ChallengeRequired => (Code::ChallengeRequired, None),
            Refusal::RefusedRisk => (Code::RefusedRisk, None),
            Refusal::LimitReached { .. } => (Code::LimitReached, None),
            Refusal::SoldOut { .. } => (Code::SoldOut, None),
            Refusal::AllHeld { .. } => (Code::AllHeld, Some(RETRY_MS_ALL_HELD)),
            Refusal::UnitsFree { .. } => (Code::UnitsFree, None),
            Refusal::AlreadyFinal => (Code::AlreadyFinal, None),
            Refusal::Expired => (Code::Expired, None),
            Refusal::Overloaded { retry_after_ms } => (Code::Overloaded, Some(*retry_after_ms)),
            Refusal::DiskFull => (Code::Overloaded, Some(RETRY_MS_DISK_FULL)),
            Refusal::Stopping => (Code::Stopping, Some(RETRY_MS_STOPPING)),
            // A refusal this gateway does not know yet must not look like success.
            _ => (Code::Forbidden, None),
        };
        let opens_at = match refusal {
            Refusal::NotOpen { opens_at } => opens_at,
            _ => None,
        };
        let detail = match &refusal {
            // The crowd's answers are not formatted each time.
            Refusal::SoldOut { free: 0 } => Cow::Borrowed("all units are sold"),
            Refusal::AllHeld { free: 0 } => {
                Cow::Borrowed("all units are on hold; some may come back")
            }
            other => Cow::Owned(other.to_string()),
        };
        Problem { retry_ms, opens_at, ..Problem::new(code, detail) }
    }

    /// Say that the machinery failed, without telling how it is built.
    pub fn of_error(error: &EngineError) -> Problem {
        let (code, detail) = match error {
            EngineError::Stopped => (Code::Stopping, "the service is restarting"),
            _ => (
                Code::JournalFailed,
                "it is not known whether this was recorded; ask again with the same \
                 Idempotency-Key once the service is back",
            ),
        };
        Problem { retry_ms: Some(RETRY_MS_STOPPING), ..Problem::new(code, detail) }
    }

    /// Name SKUs, then stores near the buyer.
    fn push_alternatives(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(b",\"alternatives\":[");
        for (at, name) in self.alternatives.iter().enumerate() {
            body.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
            body.extend_from_slice(name.as_str().as_bytes());
            body.push(b'"');
        }
        for (at, store) in self.near.iter().enumerate() {
            let first = at == 0 && self.alternatives.is_empty();
            body.extend_from_slice(if first { b"{\"node\":" } else { b",{\"node\":" });
            push_json_string(body, &store.node);
            body.extend_from_slice(b",\"sku\":");
            push_json_string(body, &store.sku);
            body.extend_from_slice(format!(",\"km\":{:.1},\"units\":", store.km).as_bytes());
            push_u64(body, u64::from(store.units));
            body.push(b'}');
        }
        body.push(b']');
    }

    /// Make an answer of it, of about 300 bytes.
    pub fn answer(self, route: Route, jitter: &Jitter) -> Answer {
        let mut wait_ms = None;
        let body = prepared(|body| wait_ms = self.write(body, jitter));
        let status = self.code.page().status;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut answer = Answer::of(status, route, Content::Problem, body);
        answer.code = Some(self.code);
        if let Some(wait_ms) = wait_ms {
            let seconds = HeaderValue::from(wait_ms.div_ceil(1000).max(1));
            answer.headers.push((RETRY_AFTER, seconds));
        }
        if self.code == Code::Unauthenticated {
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers.push((http::header::WWW_AUTHENTICATE, scheme));
        }
        answer
    }

    /// Append the document, and return the wait it asks for.
    pub(crate) fn write(&self, body: &mut Vec<u8>, jitter: &Jitter) -> Option<u32> {
        let page = self.code.page();
        body.extend_from_slice(b"{\"type\":\"/docs/errors/");
        body.extend_from_slice(page.code.as_bytes());
        body.extend_from_slice(b"\",\"title\":\"");
        body.extend_from_slice(page.title.as_bytes());
        body.extend_from_slice(b"\",\"status\":");
        push_u64(body, u64::from(page.status));
        body.extend_from_slice(b",\"code\":\"");
        body.extend_from_slice(page.code.as_bytes());
        body.extend_from_slice(b"\",\"detail\":");
        push_json_string(body, &self.detail);
        body.extend_from_slice(b",\"retryable\":");
        body.extend_from_slice(if page.retryable { b"true" } else { b"false" });
        let wait_ms = self.retry_ms.map(|least| jitter.spread(least));
        if let Some(wait_ms) = wait_ms {
            body.extend_from_slice(b",\"retry_after_ms\":");
            push_u64(body, u64::from(wait_ms));
        }
        if let Some(opens_at) = self.opens_at {
            body.extend_from_slice(b",\"opens_at\":\"");
            push_timestamp(body, opens_at);
            body.push(b'"');
        }
        if !self.alternatives.is_empty() || !self.near.is_empty() {
            self.push_alternatives(body);
        }
        if self.waitlist {
            body.extend_from_slice(b",\"waitlist\":true");
        }
        body.push(b'}');
        wait_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_and_a_library_are_told_the_same_about_asking_again() {
        for refusal in [
            Refusal::NotFound,
            Refusal::Invalid("no".to_owned()),
            Refusal::KeyReused,
            Refusal::KeyInFlight,
            Refusal::NotOpen { opens_at: None },
            Refusal::Paused,
            Refusal::Ended,
            Refusal::NotEligible,
            Refusal::PassRequired,
            Refusal::PassInvalid,
            Refusal::ChallengeRequired,
            Refusal::RefusedRisk,
            Refusal::LimitReached { limit: 1 },
            Refusal::SoldOut { free: 0 },
            Refusal::AllHeld { free: 0 },
            Refusal::UnitsFree { free: 1 },
            Refusal::AlreadyFinal,
            Refusal::Expired,
            Refusal::Overloaded { retry_after_ms: 1 },
            Refusal::DiskFull,
            Refusal::Stopping,
        ] {
            let page = Problem::of_refusal(refusal.clone()).code.page();
            assert_eq!((page.code, page.retryable), (refusal.code(), refusal.retryable()));
        }
    }
}
