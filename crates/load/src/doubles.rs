//! What a shop and its payment provider sign, with keys made for a rehearsal: buyers' tokens and notices of
//! payments, so that a server under load checks each of them as on the day.
//!
//! Sources: RFC 7519 with HS256 (RFC 7518 §3.2); the Standard Webhooks specification.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use onrush::Timestamp;
use serde_json::json;
use sha2::Sha256;
use std::fmt;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a token is good.
const TOKEN_LIFE: Duration = Duration::from_secs(300);

/// Stands for whoever issues tokens of buyers. Every request has a fresh one.
#[derive(Clone)]
pub struct Issuer {
    /// The claims that are the same for everybody, as JSON without its closing brace.
    claims: String,
    key: Hmac<Sha256>,
}

/// Stands for a payment provider.
#[derive(Clone)]
pub struct Provider {
    /// Its name in addresses.
    pub(crate) name: String,
    key: Hmac<Sha256>,
}

/// Whoever signs; neither of them has to be there.
#[derive(Clone, Debug, Default)]
pub struct Doubles {
    /// Buyers show its tokens instead of a header that only `--dev` believes.
    pub issuer: Option<Issuer>,
    /// Payments are told of by its notices instead of the admin side.
    pub provider: Option<Provider>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer(…)")
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({}, …)", self.name)
    }
}

impl Issuer {
    /// Sign tokens of this `iss` and `aud` with a secret.
    pub fn new(issuer: &str, audience: Option<&str>, secret: &[u8]) -> Issuer {
        let mut claims = json!({ "iss": issuer });
        if let Some(audience) = audience {
            claims["aud"] = audience.into();
        }
        let mut claims = claims.to_string();
        claims.pop();
        Issuer { claims, key: keyed(secret) }
    }

    /// Append the token of a buyer whose name needs no escapes in JSON.
    pub(crate) fn push_token(&self, buyer: &str, now: Timestamp, out: &mut Vec<u8>) {
        let exp = (now.0 + TOKEN_LIFE.as_millis() as u64) / 1_000;
        let claims = format!(r#"{},"sub":"{buyer}","exp":{exp}}}"#, self.claims);
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims));
        let tag = tag(&self.key, &[signed.as_bytes()]);
        out.extend_from_slice(signed.as_bytes());
        out.push(b'.');
        out.extend_from_slice(URL_SAFE_NO_PAD.encode(tag).as_bytes());
    }
}

impl Provider {
    /// Sign notices of the provider `name` with a secret.
    pub fn new(name: &str, secret: &[u8]) -> Provider {
        Provider { name: name.to_owned(), key: keyed(secret) }
    }

    /// Append the headers that sign `body`.
    pub(crate) fn push_headers(&self, body: &[u8], now: Timestamp, out: &mut Vec<u8>) {
        let at = (now.0 / 1_000).to_string();
        // The same notice has the same name: its digest is as good as any.
        let id = format!("msg_{}", URL_SAFE_NO_PAD.encode(&tag(&self.key, &[body])[..12]));
        let parts = [id.as_bytes(), b".", at.as_bytes(), b".", body];
        let signature = STANDARD.encode(tag(&self.key, &parts));
        write!(
            out,
            "webhook-id: {id}\r\nwebhook-timestamp: {at}\r\nwebhook-signature: v1,{signature}\r\n"
        )
        .expect("a buffer takes everything");
    }
}

/// Return the wall clock's time: a server compares what is signed with its own.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_millis() as u64)
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

fn tag(key: &Hmac<Sha256>, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = key.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
