//! Hand-off codes: a place, and all else a buyer has here, on another device.
//!
//! A code is 16 letters and digits for a screen or a QR code, good once and for a short time. Only
//! its keyed digest is kept, in memory: after a restart a new one is made. 80 bits that live for
//! two minutes cannot be guessed at any rate a server answers.

use crate::errors::Code;
use crate::problem::Problem;
use hmac::{Hmac, KeyInit, Mac};
use onrush::{BuyerDigest, DurationMs, Timestamp};
use parking_lot::Mutex;
use sha2::Sha256;
use std::collections::BTreeMap;

/// Codes that live at one time; older ones go first when their time is over.
const CODES_MAX: usize = 65_536;

/// Letters and digits of which none looks like another (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters of a code, without the dashes between groups of four.
const CODE_CHARS: usize = 16;

/// Who takes up a place on another device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handed {
    pub(crate) buyer: BuyerDigest,
    pub(crate) groups: u64,
}

/// The codes that were given out and not taken up.
pub(crate) struct Handoffs {
    key: Hmac<Sha256>,
    ttl: DurationMs,
    codes: Mutex<Codes>,
}

#[derive(Default)]
struct Codes {
    made: u64,
    /// By the code's digest, of which a client cannot choose any part.
    live: BTreeMap<[u8; 16], (Handed, Timestamp)>,
}

impl std::fmt::Debug for Handoffs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handoffs(…)")
    }
}

impl Handoffs {
    pub(crate) fn new(key: &[u8; 32], ttl: DurationMs) -> Handoffs {
        let key = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        Handoffs { key, ttl, codes: Mutex::default() }
    }

    /// Make a code for a buyer; returns it and when it ends.
    pub(crate) fn give(
        &self,
        handed: Handed,
        now: Timestamp,
    ) -> Result<(String, Timestamp), Problem> {
        let mut codes = self.codes.lock();
        if codes.live.len() >= CODES_MAX {
            codes.live.retain(|_, (_, until)| *until > now);
        }
        if codes.live.len() >= CODES_MAX {
            let detail = "too many hand-off codes are waiting to be used; ask again shortly";
            let problem = Problem::new(Code::Overloaded, detail);
            return Err(Problem { retry_ms: Some(self.ttl.0 as u32), ..problem });
        }
        codes.made += 1;
        // Nobody without the key can tell it from chance, and no two are the same.
        let drawn =
            self.mac(b"code", &[&handed.buyer.0, &now.0.to_be_bytes(), &codes.made.to_be_bytes()]);
        let code: String = drawn[..CODE_CHARS]
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte & 31)]))
            .collect();
        let until = now + self.ttl;
        codes.live.insert(self.digest(code.as_bytes()), (handed, until));
        let groups: Vec<&str> = [0, 4, 8, 12].map(|at| &code[at..at + 4]).into();
        Ok((groups.join("-"), until))
    }

    /// Take a code up: whoever comes second finds nothing.
    pub(crate) fn take(&self, code: &str, now: Timestamp) -> Option<Handed> {
        let mut plain = [0; CODE_CHARS];
        let mut letters = code.bytes().filter(|byte| !matches!(byte, b'-' | b' '));
        for place in &mut plain {
            *place = match letters.next()?.to_ascii_uppercase() {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                letter => letter,
            };
        }
        if letters.next().is_some() {
            return None;
        }
        let (handed, until) = self.codes.lock().live.remove(&self.digest(&plain))?;
        (until > now).then_some(handed)
    }

    fn digest(&self, code: &[u8]) -> [u8; 16] {
        *self.mac(b"kept", &[code]).first_chunk().expect("32 bytes")
    }

    fn mac(&self, purpose: &[u8; 4], parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.key.clone();
        mac.update(purpose);
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn handed(n: u8) -> Handed {
        Handed { buyer: BuyerDigest([n; 16]), groups: u64::from(n) }
    }

    #[test]
    fn a_code_is_good_once_and_for_its_time() {
        let all = Handoffs::new(&[1; 32], DurationMs(1_000));
        let (code, until) = all.give(handed(1), NOW).expect("room");
        assert_eq!((code.len(), until), (19, Timestamp(NOW.0 + 1_000)));
        let (other, _) = all.give(handed(2), NOW).expect("room");
        assert_ne!(code, other);
        assert_eq!(all.take(&code, Timestamp(until.0 - 1)), Some(handed(1)));
        assert_eq!(all.take(&code, NOW), None, "it was taken up");
        assert_eq!(all.take(&other, until), None, "its time is over");
        assert_eq!(all.take(&other, NOW), None, "and it is gone");
        for bad in ["", "0", "0000-0000-0000-0000", "0000-0000-0000-0000-0", "ééééééééé"] {
            assert_eq!(all.take(bad, NOW), None, "{bad}");
        }
    }

    #[test]
    fn a_code_may_be_typed_carelessly() {
        let all = Handoffs::new(&[1; 32], DurationMs(1_000));
        let (code, _) = all.give(handed(3), NOW).expect("room");
        let typed = code.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l");
        assert_eq!(all.take(&typed, NOW), Some(handed(3)));
    }

    #[test]
    fn there_is_room_for_so_many_and_old_ones_make_room() {
        let all = Handoffs::new(&[1; 32], DurationMs(1_000));
        for n in 0..CODES_MAX {
            assert!(all.give(handed(n as u8), NOW).is_ok());
        }
        let full = all.give(handed(0), Timestamp(NOW.0 + 999)).expect_err("full");
        assert_eq!(full.code, Code::Overloaded);
        assert!(all.give(handed(0), Timestamp(NOW.0 + 1_000)).is_ok());
    }
}
