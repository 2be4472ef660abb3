//! `POST /v1/sessions`: a buyer's JWT for a short-lived session.
//!
//! A session cannot be exchanged for another one, so it ends when it says; a hand-off code stands
//! for the identity of who made it, once.

use crate::answer::Answer;
use crate::config::Scope;
use crate::errors::Code;
use crate::gateway::{Ask, Gateway};
use crate::identity::{Buyer, COOKIE_NAME, Caller};
use crate::line::Handed;
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{SessionBody, format_timestamp, json, read_json};
use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use onrush::{BuyerDigest, DurationMs, Timestamp};
use serde_json::json as value;

impl Gateway {
    pub(crate) fn open_session(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Answer, Problem> {
        let body: SessionBody<'_> = match ask.body.is_empty() {
            true => SessionBody::default(),
            false => read_json(ask.headers, ask.body)?,
        };
        let (digest, groups) = match body.handoff.as_deref() {
            Some(code) => {
                let Handed { buyer, groups } = self.taken_up(code, now)?;
                (buyer, groups)
            }
            None => self.opener(ask, body.buyer.as_deref(), now)?,
        };
        let session = self.identity.sessions.open(digest, groups, now);
        let token = self.identity.sessions.sign(&session);
        let expires_at = format_timestamp(session.expires_at);
        if !body.cookie {
            let body = value!({"session": token, "expires_at": expires_at});
            return Ok(Answer::json(StatusCode::CREATED, Route::Session, json(&body)));
        }
        let cookie = session_cookie(&token, self.identity.sessions.ttl());
        let answer = Answer::json(
            StatusCode::CREATED,
            Route::Session,
            json(&value!({"expires_at": expires_at})),
        );
        Ok(answer.with(SET_COOKIE, cookie))
    }

    /// Tell for whom a session is opened, and with which groups.
    fn opener(
        &self,
        ask: &Ask<'_>,
        named: Option<&str>,
        now: Timestamp,
    ) -> Result<(BuyerDigest, u64), Problem> {
        let caller = self.caller(ask, now)?;
        match &caller {
            Caller::Buyer(Buyer { digest, groups, .. }) => {
                self.refuse_session_for_session(ask)?;
                named.map_or(Ok(()), |_| caller.buyer(named, &self.engine).map(drop))?;
                Ok((*digest, *groups))
            }
            Caller::BackEnd(key) => {
                key.require(Scope::Reserve)?;
                Ok((caller.buyer(named, &self.engine)?, 0))
            }
        }
    }

    /// Only a JWT (or with `--dev` the buyer's name) opens a session.
    fn refuse_session_for_session(&self, ask: &Ask<'_>) -> Result<(), Problem> {
        let by_jwt = ask.headers.get(AUTHORIZATION).map(|value| value.as_bytes().contains(&b'.'));
        let by_name = by_jwt.is_none()
            && !ask.headers.contains_key("onrush-session")
            && ask.headers.contains_key("x-onrush-buyer");
        match by_jwt == Some(true) || by_name {
            true => Ok(()),
            false => {
                let detail = "a session is opened with your login's token, not with a session";
                Err(Problem::new(Code::Unauthenticated, detail))
            }
        }
    }
}

/// Write the session cookie: out of reach of scripts, over TLS only, not sent by foreign forms.
fn session_cookie(token: &str, ttl: DurationMs) -> HeaderValue {
    let age = ttl.0 / 1_000;
    let cookie =
        format!("{COOKIE_NAME}={token}; Path=/; Max-Age={age}; HttpOnly; Secure; SameSite=Lax");
    HeaderValue::from_str(&cookie).expect("a token is base64url")
}
