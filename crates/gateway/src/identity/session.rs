//! Session tokens: what a buyer gets once for a JWT, so that the hot path checks two SHA-256 blocks
//! instead of an asymmetric signature.
//!
//! ```text
//! version 1 │ key id 1 │ buyer 16 │ groups 8 │ expires at, ms 8 │ HMAC-SHA256 32   = 66 bytes
//! ```
//! in base64url without padding: exactly 88 characters, with no spare bits that could differ
//! unnoticed. Integers are big-endian. The MAC covers everything before it and is compared in
//! constant time. Source: RFC 2104, RFC 4648 §5.

use super::unauthenticated;
use crate::config::{ConfigErrors, SessionsSection};
use crate::problem::Problem;
use crate::secrets::{read_secret, secret_error};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use onrush::{BuyerDigest, DurationMs, Engine, Timestamp};
use onrush_types::planted;
use sha2::Sha256;

const VERSION: u8 = 1;
const MAC_AT: usize = 1 + 1 + 16 + 8 + 8;
const BYTES: usize = MAC_AT + 32;

/// Characters of a session token.
pub(crate) const SESSION_CHARS: usize = 88;

const _: () = assert!(BYTES.is_multiple_of(3) && BYTES / 3 * 4 == SESSION_CHARS, "no spare bits");

/// What a session says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) buyer: BuyerDigest,
    pub(crate) groups: u64,
    pub(crate) expires_at: Timestamp,
}

/// The keys that sign and verify sessions.
pub(crate) struct Sessions {
    /// The first one signs. Each has absorbed its key, so that a check starts from there.
    keys: Vec<(u8, Hmac<Sha256>)>,
    ttl: DurationMs,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sessions({} keys)", self.keys.len())
    }
}

impl Sessions {
    /// Read the keys; without any, derive one from the data folder's secret.
    pub(crate) fn load(
        section: &SessionsSection,
        engine: &Engine,
    ) -> Result<Sessions, ConfigErrors> {
        let mut keys = Vec::with_capacity(section.keys.len().max(1));
        for key in &section.keys {
            let secret = read_secret(&key.secret_file, "sessions.keys.secret_file")?;
            if secret.len() < 32 {
                let problem = "has less than 32 bytes; make one with `openssl rand -hex 32`";
                return Err(secret_error(&key.secret_file, "sessions.keys.secret_file", problem));
            }
            keys.push((key.id, mac_of(&secret)));
        }
        if keys.is_empty() {
            keys.push((0, mac_of(&engine.derive_key("onrush session v1"))));
        }
        Ok(Sessions { keys, ttl: section.ttl.0 })
    }

    /// Make a session that starts now.
    pub(crate) fn open(&self, buyer: BuyerDigest, groups: u64, now: Timestamp) -> Session {
        Session { buyer, groups, expires_at: now + self.ttl }
    }

    /// Return how long a session lives.
    pub(crate) fn ttl(&self) -> DurationMs {
        self.ttl
    }

    /// Write and sign a session with the first key.
    pub(crate) fn sign(&self, session: &Session) -> String {
        let (id, mac) = self.keys.first().expect("there is always one key");
        let mut bytes = [0; BYTES];
        bytes[0] = VERSION;
        bytes[1] = *id;
        bytes[2..18].copy_from_slice(&session.buyer.0);
        bytes[18..26].copy_from_slice(&session.groups.to_be_bytes());
        bytes[26..34].copy_from_slice(&session.expires_at.0.to_be_bytes());
        let mut mac = mac.clone();
        mac.update(&bytes[..MAC_AT]);
        bytes[MAC_AT..].copy_from_slice(&mac.finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Read a session back. Two SHA-256 blocks, no allocation.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Session, Problem> {
        let mut bytes = [0; BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes);
        if token.len() != SESSION_CHARS || length != Ok(BYTES) || bytes[0] != VERSION {
            return Err(unauthenticated());
        }
        let (_, mac) =
            self.keys.iter().find(|(id, _)| *id == bytes[1]).ok_or_else(unauthenticated)?;
        let mut mac = mac.clone();
        mac.update(&bytes[..MAC_AT]);
        mac.verify_slice(&bytes[MAC_AT..]).map_err(|_| unauthenticated())?;
        let long = |at: usize| u64::from_be_bytes(*bytes[at..].first_chunk().expect("8 bytes"));
        let session = Session {
            buyer: BuyerDigest(*bytes[2..].first_chunk().expect("16 bytes")),
            groups: long(18),
            expires_at: Timestamp(long(26)),
        };
        if planted!("session-for-ever", false, session.expires_at <= now) {
            Err(unauthenticated())
        } else {
            Ok(session)
        }
    }
}

fn mac_of(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions(keys: &[(u8, &[u8])]) -> Sessions {
        let keys = keys.iter().map(|(id, secret)| (*id, mac_of(secret))).collect();
        Sessions { keys, ttl: DurationMs(1_000) }
    }

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    #[test]
    fn reads_back_what_it_signed_until_it_expires() {
        let sessions = sessions(&[(1, b"a")]);
        let session = sessions.open(BuyerDigest([7; 16]), 5, NOW);
        let token = sessions.sign(&session);
        assert_eq!(token.len(), SESSION_CHARS);
        let at = |ms| sessions.verify(&token, Timestamp(NOW.0 + ms));
        assert_eq!(at(0).expect("valid"), session);
        assert_eq!(at(999).expect("valid"), session);
        assert!(at(1_000).is_err());
    }

    #[test]
    fn every_bit_counts() {
        let sessions = sessions(&[(1, b"a"), (0, b"b"), (3, b"c")]);
        let token = sessions.sign(&sessions.open(BuyerDigest([7; 16]), 5, NOW));
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert!(sessions.verify(&changed, NOW).is_err(), "bit {bit}");
        }
        for bit in 0..token.len() * 8 {
            let mut changed = token.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(sessions.verify(&changed, NOW).is_err(), "character bit {bit}");
            }
        }
        for length in 0..token.len() {
            assert!(sessions.verify(&token[..length], NOW).is_err());
        }
        assert!(sessions.verify(&format!("{token}A"), NOW).is_err());
    }

    #[test]
    fn an_old_key_verifies_until_it_is_taken_out() {
        let old = sessions(&[(1, b"old")]);
        let token = old.sign(&old.open(BuyerDigest([7; 16]), 0, NOW));
        assert!(sessions(&[(2, b"new"), (1, b"old")]).verify(&token, NOW).is_ok());
        assert!(sessions(&[(2, b"new")]).verify(&token, NOW).is_err());
        assert!(sessions(&[(1, b"new")]).verify(&token, NOW).is_err());
        let both = sessions(&[(2, b"new"), (1, b"old")]);
        let token = both.sign(&both.open(BuyerDigest([7; 16]), 0, NOW));
        assert!(sessions(&[(2, b"new")]).verify(&token, NOW).is_ok(), "the first key signs");
    }
}
