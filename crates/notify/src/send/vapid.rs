//! Who posts to a push service: a VAPID token (RFC 8292), an ES256 JWT for the service's origin.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use onrush_types::Timestamp;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::json;
use std::fmt;

/// How long a token is good for; §2 allows a day.
const TOKEN_SECS: u64 = 12 * 3_600;

/// The key that browsers subscribe to, and who answers for it.
pub struct Vapid {
    key: SigningKey,
    subject: String,
}

impl fmt::Debug for Vapid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vapid(…)")
    }
}

impl Vapid {
    /// Read a private key: 32 bytes in base64url. `subject` is a `mailto:` or `https:` address at
    /// which a push service reaches the operator.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn new(key: &str, subject: &str) -> Result<Vapid, &'static str> {
        let wrong = "the key is 32 bytes in base64url; make one with \
                     `openssl rand 32 | basenc --base64url | tr -d =`";
        let bytes = URL_SAFE_NO_PAD.decode(key.trim().trim_end_matches('=')).map_err(|_| wrong)?;
        let key = SigningKey::from_slice(&bytes).map_err(|_| wrong)?;
        if !subject.starts_with("mailto:") && !subject.starts_with("https://") {
            return Err("the subject starts with mailto: or https://");
        }
        Ok(Vapid { key, subject: subject.to_owned() })
    }

    /// Return the public key as browsers take it (`applicationServerKey`).
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key.verifying_key().to_sec1_point(false).as_bytes())
    }

    /// Write the `Authorization` header for a push service at `origin`.
    pub(super) fn authorization(&self, origin: &str, now: Timestamp) -> String {
        let head = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
        let claims = json!({"aud": origin, "exp": now.0 / 1_000 + TOKEN_SECS, "sub": self.subject});
        let signed = format!("{head}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        // Deterministic (RFC 6979): no randomness is needed.
        let signature: Signature = self.key.sign(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
        format!("vapid t={signed}.{signature}, k={}", self.public_key())
    }
}
