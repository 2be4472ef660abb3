//! The check that a join or a reserve may need: the page's side of challenges.
//!
//! With a script a worker answers a challenge before the button is pressed and leaves the proof in a
//! cookie. Without one a form gets a challenge of the kind `wait`, and the same form trades it for the
//! proof once its time is over. Either way the form that needs it carries what the cookie holds.
//!
//! A check is begun unasked only where a join or a reserve is next, and never while somebody waits in
//! line: a session is renewed there, and a proof is good in its own session only.

use super::forms::Back;
use super::show::Looker;
use super::{Pages, cookie};
use crate::answer::Answer;
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::cookie_named;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue};
use onrush::{Campaign, Phase, Timestamp};
use onrush_risk::challenge::CHALLENGE_MS;
use serde::Serialize;
use serde_json::{Value, json};

/// The cookie with a proof; the page's script may write it, too.
pub(super) const PROOF_COOKIE: &str = "onrush_proof";

/// The cookie with a challenge of the kind `wait` and the time from which it can be answered.
pub(super) const WAIT_COOKIE: &str = "onrush_check";

/// The cookie with the device's token.
pub(super) const DEVICE_COOKIE: &str = "onrush_device";

/// Days of a drop: nobody is known by it for longer.
const DEVICE_COOKIE_S: u64 = 7 * 24 * 3_600;
const DEVICE_BYTES: usize = 16;

/// What came of a form that was refused for want of a proof, and of one that began to wait.
pub(super) const ASKED: [&str; 2] = ["challenge_required", "check_wait"];

/// Stages in which a join or a reserve is next.
const STAGES: [&str; 5] = ["soon", "join", "open", "served", "passed_over"];

/// A proof lasts half an hour, so nobody proves anything earlier than this before the start.
const EARLY_MS: u64 = 25 * 60_000;

/// A check as the page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    level: u8,
    /// The buyer was asked, or everybody is: a script says what it does. Otherwise it is silent.
    is_shown: bool,
    /// Of a challenge that is answered by waiting: from when on.
    pub(super) until_unix: Option<u64>,
}

impl Gateway {
    /// Tell whether the page has something to check. `fresh_session`: what was proven is of a session
    /// that this very answer replaces.
    pub(super) fn check_of(
        &self,
        campaign: &Campaign,
        looker: &Looker<'_>,
        ask: &Ask<'_>,
        stage: &str,
        fresh_session: bool,
        now: Timestamp,
    ) -> Option<Check> {
        let (_, session) = looker.session.as_ref()?;
        let asked = looker.said.as_deref().is_some_and(|said| ASKED.contains(&said));
        let is_next = STAGES.contains(&stage) && !(stage == "soon" && is_far(campaign, now));
        if !asked && !is_next {
            return None;
        }
        let proof = cookie_named(ask.headers, PROOF_COOKIE).filter(|_| !fresh_session);
        let wanted = self.challenge_wanted(campaign, session.buyer, ask.headers, proof, now)?;
        let waits = cookie_named(ask.headers, WAIT_COOKIE).and_then(Waits::read);
        let until_unix = waits.map(|waits| waits.until_unix);
        let is_shown = asked || wanted.from_everybody || until_unix.is_some();
        Some(Check { level: wanted.level, is_shown, until_unix })
    }

    /// `POST /drop/{campaign}/check`: begin to wait, or trade what was waited for.
    pub(super) fn form_check(
        &self,
        campaign: &Campaign,
        back: Back,
        ask: &Ask<'_>,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Answer {
        let name = campaign.name().as_str();
        let asked = |body: Value| {
            let body = body.to_string();
            let answer = self.challenge(name, &Ask { headers, body: body.as_bytes(), ..*ask }, now);
            // Only an outside challenge is waited for, and a form has none.
            let read = |reply| match reply {
                Reply::Ready(answer) => serde_json::from_slice::<Value>(&answer.body).ok(),
                _ => None,
            };
            answer.map(|reply| read(reply).unwrap_or_default())
        };
        if let Some(waits) = cookie_named(ask.headers, WAIT_COOKIE).and_then(Waits::read) {
            if now.0 < waits.until_unix {
                return back.saying("check_wait");
            }
            // One that is not taken is of an earlier session, or from before a restart: begin again.
            if let Ok(answer) = asked(json!({"challenge": waits.token, "answer": ""})) {
                return self.pages.proven(back, answer["proof"].as_str().unwrap_or_default());
            }
        }
        let level = match self.identity.caller(headers, ask.memo, &self.engine, now) {
            Ok(Some(crate::identity::Caller::Buyer(buyer))) => {
                self.challenge_wanted(campaign, buyer.digest, headers, None, now)
            }
            _ => None,
        };
        let Some(level) = level.map(|wanted| wanted.level) else { return back.home() };
        match asked(json!({"kind": "wait", "level": level})) {
            Ok(given) => {
                let until = now.0 + given["wait_ms"].as_u64().unwrap_or_default();
                let value = format!("{}.{until}", given["challenge"].as_str().unwrap_or_default());
                let age_s = CHALLENGE_MS / 1_000;
                let kept = cookie(self.pages.dev, WAIT_COOKIE, &value, back.path(), age_s);
                back.keeping(kept).saying("check_wait")
            }
            Err(problem) => back.saying(problem.code.as_str()),
        }
    }

    /// Return the cookie that a device is known by, where risk is looked at and it has none.
    pub(super) fn device_cookie(&self, ask: &Ask<'_>) -> Option<HeaderValue> {
        let is_known = cookie_named(ask.headers, DEVICE_COOKIE).is_some();
        if is_known || !self.risks.settings().enabled {
            return None;
        }
        let mut random = [0; DEVICE_BYTES];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        let token = URL_SAFE_NO_PAD.encode(random);
        Some(self.pages.cookie(DEVICE_COOKIE, &token, "/", DEVICE_COOKIE_S))
    }
}

impl Pages {
    /// Go back with a proof, and without what was waited for.
    fn proven(&self, back: Back, proof: &str) -> Answer {
        let path = back.path().to_owned();
        let kept = cookie(self.dev, PROOF_COOKIE, proof, &path, CHALLENGE_MS / 1_000);
        let gone = cookie(self.dev, WAIT_COOKIE, "", &path, 0);
        back.keeping(for_scripts(&kept)).keeping(gone).saying("checked")
    }
}

/// Tell whether it is too early for a proof: nothing can be joined yet, and the start is far away.
fn is_far(campaign: &Campaign, now: Timestamp) -> bool {
    let opens_at = campaign.terms().schedule.opens_at;
    campaign.phase(now) != Phase::Preheat && opens_at.is_none_or(|at| at.since(now).0 > EARLY_MS)
}

/// Let the page's script replace a cookie. A proof is worth nothing to anybody but its buyer.
fn for_scripts(cookie: &HeaderValue) -> HeaderValue {
    let text = cookie.to_str().unwrap_or_default().replace("; HttpOnly", "");
    HeaderValue::from_str(&text).unwrap_or_else(|_| cookie.clone())
}

/// What [`WAIT_COOKIE`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waits<'a> {
    token: &'a str,
    until_unix: u64,
}

impl Waits<'_> {
    fn read(text: &str) -> Option<Waits<'_>> {
        let (token, until) = text.split_once('.')?;
        Some(Waits { token, until_unix: until.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_read_back() {
        let waits = Waits::read("0a1b.1796162400000");
        assert_eq!(waits, Some(Waits { token: "0a1b", until_unix: 1_796_162_400_000 }));
        for bad in ["", "0a1b", "0a1b.", "0a1b.x", "0a1b.-1"] {
            assert_eq!(Waits::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_proof_is_for_scripts() {
        let kept = cookie(false, PROOF_COOKIE, "a", "/drop/d", 5);
        assert_eq!(
            for_scripts(&kept),
            "onrush_proof=a; Path=/drop/d; Max-Age=5; Secure; SameSite=Lax"
        );
    }
}
