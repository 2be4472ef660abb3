//! A challenge of somebody else's in place of the own ones: a page shows it with a site key, and the
//! token that it gives back is shown to an endpoint of the *siteverify* kind.
//!
//! ```text
//! POST /siteverify   secret=…&response=…      application/x-www-form-urlencoded
//! 200                {"success": true}
//! ```
//! Plain HTTP to a proxy beside this server. No address and no account goes there. Any other answer, or
//! none in time, is a failure: the page is told to take an own challenge. After five failures in a row
//! none is given out for half a minute.

use crate::config::{ConfigErrors, OutsideSection};
use crate::line::{Call, exchange, post};
use crate::secrets::{read_secret, secret_error};
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use onrush::Timestamp;
use serde::Deserialize;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest token of an answer.
pub(super) const ANSWER_CHARS_MAX: usize = 2_048;

/// Failures in a row after which it is not offered for a while, and for how long.
const FAILURES_MAX: u32 = 5;
const PAUSE_MS: u64 = 30_000;

/// Whom to ask, and how it went.
pub(super) struct Outside {
    uri: Uri,
    secret: Zeroizing<Vec<u8>>,
    deadline: Duration,
    pub(super) site_key: String,
    pub(super) level: u8,
    calls: Arc<AtomicUsize>,
    failures: AtomicU32,
    paused_until_ms: AtomicU64,
}

#[derive(Deserialize)]
struct Told {
    success: bool,
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outside({})", self.uri)
    }
}

impl Outside {
    /// Read the secret.
    ///
    /// # Errors
    /// When it cannot be read, or the address cannot be asked at.
    pub(super) fn load(section: &OutsideSection) -> Result<Outside, ConfigErrors> {
        let field = "risk.outside.secret_file";
        let secret = read_secret(&section.secret_file, field)?;
        if secret.is_empty() {
            return Err(secret_error(&section.secret_file, field, "is empty"));
        }
        let uri = section.url.parse().map_err(|e: http::uri::InvalidUri| {
            ConfigErrors::one("configuration", "risk.outside.url", e.to_string())
        })?;
        Ok(Outside {
            uri,
            secret: Zeroizing::new(secret),
            deadline: Duration::from_millis(section.deadline.0.0),
            site_key: section.site_key.clone(),
            level: section.level,
            calls: Arc::default(),
            failures: AtomicU32::new(0),
            paused_until_ms: AtomicU64::new(0),
        })
    }

    /// Tell whether it can be offered now.
    pub(super) fn is_offered(&self, now: Timestamp) -> bool {
        // Relaxed: a time that stands alone.
        now.0 >= self.paused_until_ms.load(Ordering::Relaxed)
    }

    /// Ask whether an answer is right; nothing where there is no telling.
    pub(super) async fn judge(&self, answer: &str, now: Timestamp) -> Option<bool> {
        let told = self.ask(answer).await;
        match &told {
            // Relaxed: a count that stands alone.
            Ok(_) => self.failures.store(0, Ordering::Relaxed),
            Err(why) => {
                tracing::debug!(why, "the outside challenge gave no answer");
                // Relaxed: as above; one failure more or less is no matter.
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_MAX {
                    // Relaxed: as in `is_offered`.
                    self.failures.store(0, Ordering::Relaxed);
                    self.paused_until_ms.store(now.0 + PAUSE_MS, Ordering::Relaxed);
                }
            }
        }
        told.ok()
    }

    async fn ask(&self, answer: &str) -> Result<bool, String> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err("there is no runtime to ask on".to_owned());
        }
        let _call = Call::start(self.calls.clone()).map_err(|error| error.0)?;
        let mut body = Zeroizing::new(String::with_capacity(64 + answer.len()));
        body.push_str("secret=");
        push_escaped(&mut body, &self.secret);
        body.push_str("&response=");
        push_escaped(&mut body, answer.as_bytes());
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let request = post(&self.uri, "application/x-www-form-urlencoded").body(body);
        let request = request.map_err(|error| error.to_string())?;
        let told = tokio::time::timeout(self.deadline, exchange(&self.uri, request)).await;
        let body = told.map_err(|_| "no answer in time".to_owned())?.map_err(|error| error.0)?;
        let told: Told = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        Ok(told.success)
    }
}

/// Write bytes as a form does: all but letters, digits and `-._~` as `%` and two digits.
fn push_escaped(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            _ => {
                out.push('%');
                out.push(char::from(DIGITS[usize::from(byte >> 4)]));
                out.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_field_ends_it() {
        let mut out = String::new();
        push_escaped(&mut out, "a-B.9_~ &=+%é".as_bytes());
        assert_eq!(out, "a-B.9_~%20%26%3D%2B%25%C3%A9");
    }
}
