//! Pick-up codes: eight characters that the buyer shows and the store redeems once.
//!
//! A code is derived from a key of the data folder and the reservation, so none is stored and none
//! can be read from a journal. That it counts once is the ledger's (`collect`), not the code's.
//! Forty bits, and a guess needs the reservation's id and an API key besides.

use hmac::{Hmac, KeyInit, Mac};
use onrush::ReservationSeq;
use onrush_types::planted;
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// Crockford's alphabet: no letter that is read as a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CHARS: usize = 8;

/// Makes and checks codes.
pub(crate) struct Codes([u8; 32]);

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codes")
    }
}

impl Codes {
    pub(super) fn new(key: [u8; 32]) -> Codes {
        Codes(key)
    }

    /// Return a reservation's code.
    pub(super) fn of(&self, seq: ReservationSeq) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("a key of any length is taken");
        mac.update(&seq.0.to_le_bytes());
        let digest = mac.finalize().into_bytes();
        let chars = digest.iter().take(CHARS);
        chars.map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
    }

    /// Tell whether `text` is a reservation's code. Takes equally long for every wrong one; case,
    /// blanks and hyphens do not matter, and letters are read as the digits they look like.
    pub(super) fn fits(&self, seq: ReservationSeq, text: &str) -> bool {
        let read: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-'))
            .map(|c| match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            })
            .collect();
        planted!("code-unchecked", true, self.of(seq).as_bytes().ct_eq(read.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_its_reservation_only() {
        let codes = Codes::new([7; 32]);
        let (one, two) = (ReservationSeq(1), ReservationSeq(2));
        let code = codes.of(one);
        assert_eq!(code.len(), 8);
        assert!(codes.fits(one, &code) && !codes.fits(two, &code));
        let spoken = format!("{} - {}", &code[..4].to_lowercase(), &code[4..]);
        assert!(codes.fits(one, &spoken.replace('0', "o").replace('1', "l")));
        assert!(!codes.fits(one, "") && !codes.fits(one, &code[1..]));
        assert_ne!(Codes::new([8; 32]).of(one), code);
    }
}
