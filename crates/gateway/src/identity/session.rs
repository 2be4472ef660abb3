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
use parking_lot::Mutex;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

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

    /// Read a session back. Two SHA-256 blocks, no allocation; none of either where `memo` has seen
    /// this very token to be good. Whether it has expired is looked at each time.
    pub(crate) fn verify(
        &self,
        token: &str,
        memo: Option<&SessionMemo>,
        now: Timestamp,
    ) -> Result<Session, Problem> {
        let session = match memo {
            Some(memo) => memo.seen(token, || self.check(token))?,
            None => self.check(token)?,
        };
        if planted!("session-for-ever", false, session.expires_at <= now) {
            Err(unauthenticated())
        } else {
            Ok(session)
        }
    }

    /// Read a session whose signature is good, whatever its time.
    fn check(&self, token: &str) -> Result<Session, Problem> {
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
        Ok(Session {
            buyer: BuyerDigest(*bytes[2..].first_chunk().expect("16 bytes")),
            groups: long(18),
            expires_at: Timestamp(long(26)),
        })
    }
}

/// The last token that was shown on a connection and had a good signature.
///
/// A buyer's connection shows the same one again and again. Tokens are compared in constant time: how
/// long that takes tells nothing about the one that is kept. Only for one gateway, whose keys are fixed.
#[derive(Default)]
pub struct SessionMemo(Mutex<Option<Seen>>);

struct Seen {
    token: [u8; SESSION_CHARS],
    session: Session,
}

impl std::fmt::Debug for SessionMemo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionMemo(…)")
    }
}

impl SessionMemo {
    fn seen(
        &self,
        token: &str,
        check: impl FnOnce() -> Result<Session, Problem>,
    ) -> Result<Session, Problem> {
        let mut last = self.0.lock();
        if let Some(seen) = last.as_ref().filter(|seen| seen.is(token)) {
            return Ok(seen.session);
        }
        let session = check()?;
        // What passed the check has this length.
        if let Ok(token) = token.as_bytes().try_into() {
            *last = Some(Seen { token, session });
        }
        Ok(session)
    }
}

impl Seen {
    /// Compare all characters, a word at a time; a length that differs is no secret.
    fn is(&self, token: &str) -> bool {
        let (kept, _) = self.token.as_chunks::<8>();
        let (shown, rest) = token.as_bytes().as_chunks::<8>();
        if kept.len() != shown.len() || !rest.is_empty() {
            return false;
        }
        let same =
            |(a, b): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*a).ct_eq(&u64::from_ne_bytes(*b));
        kept.iter().zip(shown).map(same).fold(Choice::from(1), |all, one| all & one).into()
    }
}

const _: () = assert!(SESSION_CHARS.is_multiple_of(8), "a token is whole words");

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
        let at = |ms| sessions.verify(&token, None, Timestamp(NOW.0 + ms));
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
            assert!(sessions.verify(&changed, None, NOW).is_err(), "bit {bit}");
        }
        for bit in 0..token.len() * 8 {
            let mut changed = token.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(sessions.verify(&changed, None, NOW).is_err(), "character bit {bit}");
            }
        }
        for length in 0..token.len() {
            assert!(sessions.verify(&token[..length], None, NOW).is_err());
        }
        assert!(sessions.verify(&format!("{token}A"), None, NOW).is_err());
    }

    #[test]
    fn an_old_key_verifies_until_it_is_taken_out() {
        let old = sessions(&[(1, b"old")]);
        let token = old.sign(&old.open(BuyerDigest([7; 16]), 0, NOW));
        assert!(sessions(&[(2, b"new"), (1, b"old")]).verify(&token, None, NOW).is_ok());
        assert!(sessions(&[(2, b"new")]).verify(&token, None, NOW).is_err());
        assert!(sessions(&[(1, b"new")]).verify(&token, None, NOW).is_err());
        let both = sessions(&[(2, b"new"), (1, b"old")]);
        let token = both.sign(&both.open(BuyerDigest([7; 16]), 0, NOW));
        assert!(sessions(&[(2, b"new")]).verify(&token, None, NOW).is_ok(), "the first key signs");
    }

    #[test]
    fn a_memo_saves_the_check_of_the_same_token_and_of_no_other() {
        let sessions = sessions(&[(1, b"a")]);
        let memo = SessionMemo::default();
        let sign = |buyer| sessions.sign(&sessions.open(BuyerDigest([buyer; 16]), 0, NOW));
        let (token, other) = (sign(7), sign(8));
        let buyer = |token: &str| sessions.verify(token, Some(&memo), NOW).map(|s| s.buyer.0[0]);
        assert_eq!(buyer(&token).expect("good"), 7);
        let again = memo.seen(&token, || panic!("checked again")).expect("good");
        assert_eq!(again.buyer.0[0], 7);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(buyer(&changed).is_err(), "character {at}");
        }
        for shown in [&token[..80], &token[..87], &format!("{token}A"), ""] {
            assert!(buyer(shown).is_err(), "{shown}");
        }
        assert_eq!(buyer(&token).expect("still kept"), 7);
        assert_eq!(buyer(&other).expect("another's"), 8);
        assert_eq!(buyer(&token).expect("checked once more"), 7);
        let late = Timestamp(NOW.0 + 1_000);
        assert!(sessions.verify(&token, Some(&memo), late).is_err(), "its time is looked at");
    }
}
