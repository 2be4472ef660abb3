//! Signed unsubscribe links: whoever has the mail can leave, with no login.
//!
//! ```text
//! version 1 │ channel 1 │ locale 1 │ buyer 16 │ HMAC-SHA256 32   = 51 bytes
//! ```
//! in base64url without padding: exactly 68 characters, no spare bits. The MAC covers everything
//! before it and is compared in constant time. A link does not expire: leaving must always work.

use crate::address::{Channel, Locale};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use onrush_types::BuyerDigest;
use sha2::Sha256;
use std::fmt;

const VERSION: u8 = 1;
const MAC_AT: usize = 19;
const BYTES: usize = MAC_AT + 32;

/// Characters of a token.
pub const TOKEN_CHARS: usize = 68;

const _: () = assert!(BYTES.is_multiple_of(3) && BYTES / 3 * 4 == TOKEN_CHARS, "no spare bits");

/// Signs and reads the tokens of unsubscribe links.
pub struct Unsubscribe(Hmac<Sha256>);

/// Whom a link belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// The buyer.
    pub buyer: BuyerDigest,
    /// The channel that is to fall silent.
    pub channel: Channel,
    /// The language of the page.
    pub locale: Locale,
}

impl fmt::Debug for Unsubscribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unsubscribe(…)")
    }
}

impl Unsubscribe {
    /// Use a key derived from `secret`.
    pub fn new(secret: &[u8; 32]) -> Unsubscribe {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key length");
        mac.update(b"unsubscribe v1");
        let key = mac.finalize().into_bytes();
        Unsubscribe(Hmac::new_from_slice(&key).expect("HMAC takes any key length"))
    }

    /// Write the token of a buyer and channel.
    pub fn sign(&self, buyer: BuyerDigest, channel: Channel, locale: Locale) -> String {
        let mut bytes = [0; BYTES];
        bytes[..3].copy_from_slice(&[VERSION, channel as u8, locale as u8]);
        bytes[3..MAC_AT].copy_from_slice(&buyer.0);
        let mut mac = self.0.clone();
        mac.update(&bytes[..MAC_AT]);
        bytes[MAC_AT..].copy_from_slice(&mac.finalize().into_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Read a token back; `None` when it was not signed here.
    pub fn read(&self, token: &str) -> Option<Leaving> {
        if token.len() != TOKEN_CHARS {
            return None;
        }
        let mut bytes = [0; BYTES];
        URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok().filter(|length| *length == BYTES)?;
        let mut mac = self.0.clone();
        mac.update(&bytes[..MAC_AT]);
        mac.verify_slice(&bytes[MAC_AT..]).ok()?;
        if bytes[0] != VERSION {
            return None;
        }
        Some(Leaving {
            buyer: BuyerDigest(*bytes[3..].first_chunk()?),
            channel: Channel::numbered(bytes[1])?,
            locale: Locale::numbered(bytes[2])?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_reads_back_and_every_bit_counts() {
        let keys = Unsubscribe::new(&[1; 32]);
        let buyer = BuyerDigest([7; 16]);
        let token = keys.sign(buyer, Channel::Mail, Locale::En);
        let leaving = Leaving { buyer, channel: Channel::Mail, locale: Locale::En };
        assert_eq!(keys.read(&token), Some(leaving));
        assert_eq!(Unsubscribe::new(&[2; 32]).read(&token), None);
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64");
        for bit in 0..BYTES * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.read(&URL_SAFE_NO_PAD.encode(changed)), None, "bit {bit}");
        }
        for length in 0..token.len() {
            assert_eq!(keys.read(&token[..length]), None);
        }
        assert_eq!(keys.read(&format!("{token}A")), None);
    }
}
