//! The drop page: what a buyer sees, rendered here from templates, in two languages.
//!
//! | file | idea |
//! |---|---|
//! | `view` | what a page shows, read from the engine |
//! | `forms` | what a page's forms do: the same routes as everybody's, then back to the page |
//! | `check` | the challenge that a join or reserve may need |
//! | `console` | the operators' page, which is a script that asks the admin API |
//! | `near` | stores around a place |
//! | `look` | templates, texts and files, the product's or a brand's |
//! | `texts` | words, numbers, money, times |
//! | `assets` | scripts, styles, a brand's files |
//!
//! The server renders every state, so a page works without a script; the script keeps it fresh.
//! Who has no session sees the same bytes as everybody else, written at most every 200 ms.
//!
//! A form is believed when it carries a token made from the session it came with, and its origin is
//! ours. Nothing of a request is ever a target of a redirect but this page.

mod assets;
mod check;
mod console;
mod forms;
mod look;
mod near;
mod show;
mod texts;
mod view;

pub(crate) use console::matched as console_matched;

use crate::config::{Config, ConfigErrors, PagesSection};
use crate::routes::{GET, Matched, Route, is_get, one};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, Method};
use look::{Look, Words};
use onrush::{Campaign, CampaignIx, Engine, Phase, Timestamp};
use parking_lot::RwLock;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use texts::Lang;
pub use texts::money as money_text;

/// The part of a cookie that keeps it from travelling without TLS.
const SECURE: &str = "; Secure";

/// Bytes of a form's token, before it is text.
const TOKEN_BYTES: usize = 18;

/// Everything pages are made of.
pub(crate) struct Pages {
    look: Arc<Look>,
    section: PagesSection,
    /// There is a pretend payment page, and anybody can be anybody.
    dev: bool,
    key: Hmac<Sha256>,
    /// One for each campaign and language that was asked for.
    prepared: RwLock<BTreeMap<(CampaignIx, Lang), Arc<Prepared>>>,
}

/// The page of everybody without a session.
struct Prepared {
    made_at: Timestamp,
    phase: Phase,
    /// Kept, so that another campaign object cannot have its address.
    campaign: Arc<Campaign>,
    plain: Bytes,
    gzip: Bytes,
}

impl std::fmt::Debug for Pages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pages({:?})", self.section)
    }
}

impl Pages {
    /// Read a brand's folder, where there is one.
    ///
    /// # Errors
    /// When a file cannot be used; the error names it.
    pub(crate) fn new(config: &Config, engine: &Engine) -> Result<Pages, ConfigErrors> {
        let section = config.pages.clone();
        let key = engine.derive_key("onrush page forms v1");
        Ok(Pages {
            look: Look::of(section.brand.as_deref())?,
            section,
            dev: config.dev,
            key: Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"),
            prepared: RwLock::default(),
        })
    }

    fn words(&self, lang: Lang) -> &Words {
        self.look.words(lang)
    }

    /// Make a token for a session's forms. A stranger knows no session, so no token; the salt makes
    /// each page's token another text, so that nothing can be learnt from how well pages compress.
    fn form_token(&self, session: &str, now: Timestamp) -> String {
        let salt = format!("{:x}", now.0);
        let tag = self.tag(&[b"form", salt.as_bytes(), b".", session.as_bytes()]);
        format!("{salt}.{tag}")
    }

    /// Make an idempotency key: the same for a button however often it is pressed, another for
    /// another SKU, on the next page, and after `had` became more.
    fn idempotency_key(&self, session: &str, now: Timestamp, had: usize, sku: &str) -> String {
        let (now, had) = (now.0.to_be_bytes(), had.to_be_bytes());
        self.tag(&[b"once", session.as_bytes(), &now, &had, sku.as_bytes()])
    }

    fn is_form_token(&self, session: &str, shown: &str) -> bool {
        let Some((salt, shown)) = shown.split_once('.') else { return false };
        let tag = self.tag(&[b"form", salt.as_bytes(), b".", session.as_bytes()]);
        bool::from(tag.as_bytes().ct_eq(shown.as_bytes()))
    }

    fn tag(&self, parts: &[&[u8]]) -> String {
        let mut mac = self.key.clone();
        parts.iter().for_each(|part| mac.update(part));
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..TOKEN_BYTES])
    }
}

/// Write a cookie: out of reach of scripts, over TLS only (but for `--dev`, which has none), not sent
/// by foreign forms.
fn cookie(dev: bool, name: &str, value: &str, path: &str, age_s: u64) -> HeaderValue {
    let cookie =
        format!("{name}={value}; Path={path}; Max-Age={age_s}; HttpOnly{SECURE}; SameSite=Lax");
    let cookie = HeaderValue::from_str(&cookie).expect("tokens, codes and names are plain ASCII");
    with_or_without_tls(dev, &cookie)
}

/// Leave out of a cookie that it needs TLS, with `--dev`.
fn with_or_without_tls(dev: bool, cookie: &HeaderValue) -> HeaderValue {
    let Some(text) = cookie.to_str().ok().filter(|_| dev) else { return cookie.clone() };
    HeaderValue::from_str(&text.replace(SECURE, "")).unwrap_or_else(|_| cookie.clone())
}

/// Match an address of pages; `None`: it is none.
pub(crate) fn matched<'a>(method: &Method, path: &'a str) -> Option<Matched<'a>> {
    if let Some(name) = path.strip_prefix("/assets/") {
        return Some(one(name, is_get(method), Route::Asset, GET));
    }
    let rest = path.strip_prefix("/drop/")?;
    let Some((campaign, action)) = rest.split_once('/') else {
        return Some(one(rest, is_get(method), Route::DropPage, GET));
    };
    if campaign.is_empty() || action.is_empty() {
        return Some(Matched::Nothing);
    }
    Some(match (action, is_get(method)) {
        ("draw", true) => Matched::Route(Route::DrawPage, campaign),
        ("draw", false) => Matched::Methods(GET),
        (pay, true) if pay.starts_with("pay/") => Matched::Route(Route::SandboxPage, rest),
        (other, _) if other.contains('/') => Matched::Nothing,
        (_, _) if method == Method::POST => Matched::Route(Route::DropForm, rest),
        _ => Matched::Methods("POST"),
    })
}

#[cfg(test)]
mod tests;
