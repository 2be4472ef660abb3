//! Payment providers and their signatures.
//!
//! Source: the Standard Webhooks specification: `HMAC-SHA256(secret, "{id}.{timestamp}.{body}")`
//! over the raw body, `v1,` before the base64 of each signature, several signatures separated by
//! spaces, a timestamp that is at most five minutes off.

use crate::config::{ConfigErrors, PaymentSection};
use crate::errors::Code;
use crate::problem::Problem;
use crate::secrets::{read_secret, secret_error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use onrush::{Name, Timestamp};
use onrush_types::planted;
use sha2::Sha256;
use std::path::Path;

/// How far a notice's timestamp may be off, in seconds.
const WINDOW_SECS: u64 = 300;

/// Signatures that are looked at in one header.
const SIGNATURES_MAX: usize = 8;

/// All payment providers.
#[derive(Debug, Default)]
pub(crate) struct Providers(Vec<Provider>);

/// One payment provider.
pub(crate) struct Provider {
    pub(crate) name: Name,
    /// The payment method its lines carry.
    pub(crate) method: Name,
    secrets: Vec<Hmac<Sha256>>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({}, {} secrets)", self.name, self.secrets.len())
    }
}

impl Providers {
    /// Read the secrets.
    pub(crate) fn load(sections: &[PaymentSection]) -> Result<Providers, ConfigErrors> {
        let mut providers = Vec::with_capacity(sections.len());
        for section in sections {
            let name = section.provider.clone();
            let secrets = section.secret_files.iter().map(|path| secret(path));
            providers.push(Provider {
                method: section.method.clone().unwrap_or_else(|| name.clone()),
                secrets: secrets.collect::<Result<_, _>>()?,
                name,
            });
        }
        Ok(Providers(providers))
    }

    /// Find the provider whose secret signed this body just now.
    ///
    /// A provider that is not configured answers as one whose signature is wrong.
    pub(crate) fn verified(
        &self,
        name: &str,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<&Provider, Problem> {
        let provider = self.0.iter().find(|provider| provider.name.as_str() == name);
        provider
            .and_then(|provider| provider.signed(headers, body, now).then_some(provider))
            .ok_or_else(|| {
                let detail = "the notice is not signed by this provider, or its timestamp is more \
                              than five minutes off; check the secret and the clock";
                Problem::new(Code::Unauthenticated, detail)
            })
    }
}

impl Provider {
    fn signed(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let (Some(id), Some(sent_at), Some(signatures)) =
            (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"))
        else {
            return false;
        };
        let is_recent =
            sent_at.parse::<u64>().is_ok_and(|at| at.abs_diff(now.0 / 1_000) <= WINDOW_SECS);
        let given = signatures.split(' ').take(SIGNATURES_MAX);
        let given =
            given.filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok());
        let given: Vec<Vec<u8>> = given.collect();
        planted!("old-notice-believed", true, is_recent)
            && self.secrets.iter().any(|secret| {
                let mut mac = secret.clone();
                for part in [id.as_bytes(), b".", sent_at.as_bytes(), b".", body] {
                    mac.update(part);
                }
                // `verify_slice` compares in constant time.
                given.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
            })
    }
}

fn secret(path: &Path) -> Result<Hmac<Sha256>, ConfigErrors> {
    let field = "payments.secret_files";
    let wrong = || {
        let problem = "must be `whsec_` and base64 of at least 24 bytes, as the provider shows it";
        secret_error(path, field, problem)
    };
    let bytes = read_secret(path, field)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong())?;
    let secret = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text));
    match secret {
        Ok(secret) if secret.len() >= 24 => {
            Ok(Hmac::new_from_slice(&secret).expect("HMAC takes keys of any length"))
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, with its published signature.
    #[test]
    fn agrees_with_the_published_example() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("secret");
        std::fs::write(&path, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").expect("write");
        let section = PaymentSection {
            provider: Name::new("acme").expect("name"),
            secret_files: vec![path],
            method: None,
        };
        let providers = Providers::load(&[section]).expect("loads");
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".parse().expect("value"));
        headers.insert("webhook-timestamp", "1614265330".parse().expect("value"));
        let signature = "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        headers.insert("webhook-signature", signature.parse().expect("value"));
        let body = br#"{"test": 2432232314}"#;
        let check = |name: &str, body: &[u8], secs: u64| {
            providers.verified(name, &headers, body, Timestamp(secs * 1_000)).is_ok()
        };
        assert!(check("acme", body, 1_614_265_330));
        assert!(check("acme", body, 1_614_265_330 + 300) && check("acme", body, 1_614_265_030));
        assert!(!check("acme", body, 1_614_265_330 + 301) && !check("acme", body, 1_614_265_029));
        assert!(!check("acme", br#"{"test": 2432232315}"#, 1_614_265_330));
        assert!(!check("other", body, 1_614_265_330));
    }
}
