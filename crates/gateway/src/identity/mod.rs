//! Who is asking. One place decides; handlers get a [`Caller`] and nothing else.
//!
//! What is shown is looked at in this order, and the first one found decides, even when it is
//! wrong: `Authorization`, `Onrush-Session`, the cookie `onrush_session`, and with `--dev`
//! `X-Onrush-Buyer`. A wrong token never falls back to a weaker proof.

mod api_key;
mod jwt;
mod links;
mod session;

pub(crate) use api_key::{ApiKey, ApiKeys, dev_token};
pub use jwt::IssuerError;
pub(crate) use jwt::{Claims, Issuer};
pub(crate) use links::{Links, Visit};
pub use session::SessionMemo;
pub(crate) use session::{SESSION_CHARS, Session, Sessions};

use crate::config::{Config, ConfigErrors, Scope};
use crate::errors::Code;
use crate::problem::Problem;
use arc_swap::ArcSwapOption;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName};
use onrush::{BuyerDigest, Engine, Timestamp};
use onrush_types::limits::BUYER_BYTES_MAX;
use std::sync::Arc;

/// Names of the headers that say who asks, made once: a text would be parsed at each look.
pub(crate) static SESSION: HeaderName = HeaderName::from_static("onrush-session");
pub(crate) static DEV_BUYER: HeaderName = HeaderName::from_static("x-onrush-buyer");

/// Name of the session cookie.
pub(crate) const COOKIE_NAME: &str = "onrush_session";

/// Who a request comes from.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// A buyer.
    Buyer(Buyer),
    /// A shop's back end or an operator.
    BackEnd(Arc<ApiKey>),
}

/// A buyer whose identity was proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buyer {
    pub(crate) digest: BuyerDigest,
    /// One bit a configured group.
    pub(crate) groups: u64,
    /// Whether a browser sent the proof by itself, as it does with cookies.
    pub(crate) by_cookie: bool,
    /// When the proof was given out, where it says so.
    pub(crate) since: Option<Timestamp>,
    /// When the account was made, where its token says so.
    pub(crate) account_at: Option<Timestamp>,
}

impl Buyer {
    fn of(digest: BuyerDigest, groups: u64) -> Buyer {
        Buyer { digest, groups, by_cookie: false, since: None, account_at: None }
    }
}

/// Everything needed to tell who is asking.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) issuer: ArcSwapOption<Issuer>,
    pub(crate) sessions: Sessions,
    pub(crate) api_keys: ApiKeys,
    pub(crate) links: Links,
    dev: bool,
}

impl Identity {
    /// Read keys and secrets.
    pub(crate) fn new(config: &Config, engine: &Engine) -> Result<Identity, ConfigErrors> {
        let issuer = match config.identity.is_configured() {
            true => Some(Issuer::load(&config.identity)?.into()),
            false => None,
        };
        Ok(Identity {
            issuer: ArcSwapOption::new(issuer),
            sessions: Sessions::load(&config.sessions, engine)?,
            api_keys: ApiKeys::load(config, engine)?,
            links: Links::new(engine),
            dev: config.dev,
        })
    }

    /// Tell who shows these headers; nobody is `None`.
    pub(crate) fn caller(
        &self,
        headers: &HeaderMap,
        memo: Option<&SessionMemo>,
        engine: &Engine,
        now: Timestamp,
    ) -> Result<Option<Caller>, Problem> {
        if let Some(value) = headers.get(AUTHORIZATION) {
            let token = bearer(value.as_bytes())?;
            return self.bearer(token, memo, engine, now).map(Some);
        }
        if let Some(value) = headers.get(&SESSION) {
            let token = value.to_str().map_err(|_| unauthenticated())?;
            return self.session(token, memo, now, false).map(Some);
        }
        if let Some(token) = cookie(headers) {
            return self.session(token, memo, now, true).map(Some);
        }
        match headers.get(&DEV_BUYER) {
            Some(value) if self.dev => {
                let name = value.to_str().map_err(|_| unauthenticated())?;
                let digest = engine.buyer(checked_buyer(name)?);
                Ok(Some(Caller::Buyer(Buyer::of(digest, 0))))
            }
            _ => Ok(None),
        }
    }

    /// As [`caller`](Identity::caller), where nobody is refused.
    pub(crate) fn someone(
        &self,
        headers: &HeaderMap,
        memo: Option<&SessionMemo>,
        engine: &Engine,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        self.caller(headers, memo, engine, now)?.ok_or_else(|| {
            let detail = "show who you are: `Authorization: Bearer` with your token or session";
            Problem::new(Code::Unauthenticated, detail)
        })
    }

    fn bearer(
        &self,
        token: &str,
        memo: Option<&SessionMemo>,
        engine: &Engine,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        // A JWT has two dots; a session and an API key have none.
        if token.as_bytes().contains(&b'.') {
            let issuer = self.issuer.load();
            let issuer = issuer.as_ref().ok_or_else(unauthenticated)?;
            let claims = issuer.verify(token, now)?;
            let digest = engine.buyer(checked_buyer(&claims.sub)?);
            let Claims { groups, since, account_at, .. } = claims;
            return Ok(Caller::Buyer(Buyer { since, account_at, ..Buyer::of(digest, groups) }));
        }
        if token.len() == SESSION_CHARS
            && let Ok(caller) = self.session(token, memo, now, false)
        {
            return Ok(caller);
        }
        let found = self.api_keys.find(token).or_else(|| self.links.find(token, now));
        found.map(Caller::BackEnd).ok_or_else(unauthenticated)
    }

    fn session(
        &self,
        token: &str,
        memo: Option<&SessionMemo>,
        now: Timestamp,
        by_cookie: bool,
    ) -> Result<Caller, Problem> {
        let session = self.sessions.verify(token, memo, now)?;
        let Session { buyer: digest, groups, expires_at } = session;
        let since = Some(Timestamp(expires_at.0.saturating_sub(self.sessions.ttl().0)));
        Ok(Caller::Buyer(Buyer { by_cookie, since, ..Buyer::of(digest, groups) }))
    }
}

impl Caller {
    /// Tell for whom the caller asks: itself, or the buyer that a back end names.
    pub(crate) fn buyer(
        &self,
        named: Option<&str>,
        engine: &Engine,
    ) -> Result<BuyerDigest, Problem> {
        match (self, named) {
            (Caller::Buyer(buyer), None) => Ok(buyer.digest),
            (Caller::Buyer(_), Some(_)) => {
                Err(Problem::invalid("buyer: only a shop's back end names the buyer"))
            }
            (Caller::BackEnd(key), named) => {
                key.require(Scope::Reserve)?;
                let named = named.ok_or_else(|| {
                    Problem::invalid("buyer: name the buyer this reservation is for")
                })?;
                Ok(engine.buyer(checked_buyer(named)?))
            }
        }
    }
}

/// Check the length of a buyer's identity.
pub(crate) fn checked_buyer(name: &str) -> Result<&str, Problem> {
    match name.len() {
        1..=BUYER_BYTES_MAX => Ok(name),
        _ => Err(Problem::invalid(format!("buyer: 1 to {BUYER_BYTES_MAX} bytes"))),
    }
}

/// The one answer to every token that is not accepted: it does not tell what was wrong.
pub(crate) fn unauthenticated() -> Problem {
    Problem::new(
        Code::Unauthenticated,
        "the token is malformed, expired or not signed by a known key; log in again",
    )
}

fn bearer(value: &[u8]) -> Result<&str, Problem> {
    let (scheme, token) = value.split_at_checked(7).ok_or_else(unauthenticated)?;
    if !scheme.eq_ignore_ascii_case(b"bearer ") {
        return Err(unauthenticated());
    }
    std::str::from_utf8(token.trim_ascii()).map_err(|_| unauthenticated())
}

/// Find the session cookie. RFC 6265 §5.4: pairs separated by `; `.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, COOKIE_NAME)
}

/// Find a cookie.
pub(crate) fn cookie_named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut pairs = headers
        .get_all(COOKIE)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}
