//! Who takes part in a draw, without saying who they are.
//!
//! A pseudonym belongs to one buyer in one campaign; its key belongs to the campaign and is never
//! published, so lists of two campaigns cannot be joined. The list is pseudonym and class in the
//! order of joining, no more, and its digest fixes it before the seed is known to anybody outside.

use hmac::{Hmac, KeyInit, Mac};
use onrush_types::BuyerDigest;
use sha2::{Digest, Sha256};
use std::fmt;

/// A buyer in one campaign, for the public.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pseudonym(pub [u8; 16]);

/// Shows all of it, in hexadecimal: it is public.
impl fmt::Display for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pseudonym({self})")
    }
}

/// Makes the pseudonyms of one campaign.
#[derive(Clone)]
pub struct Pseudonyms {
    keyed: Hmac<Sha256>,
}

impl Pseudonyms {
    /// Use a campaign's pseudonym key.
    pub fn new(key: &[u8; 32]) -> Pseudonyms {
        Pseudonyms { keyed: keyed(key) }
    }

    /// Return the pseudonym of `buyer`: the first 16 bytes of HMAC-SHA256(key, buyer digest).
    /// Cost: two blocks of SHA-256.
    pub fn of(&self, buyer: BuyerDigest) -> Pseudonym {
        Pseudonym(first(&mac(&self.keyed, &buyer.0)))
    }
}

impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonyms(…)")
    }
}

/// The digest of a list of participants.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListDigest(pub [u8; 32]);

impl fmt::Debug for ListDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ListDigest(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A list of participants that only grows, of which the digest is kept and not the list.
#[derive(Clone, Debug, Default)]
pub struct Participants {
    so_far: Sha256,
    count: u32,
}

impl Participants {
    /// Add the next participant in the order of joining.
    ///
    /// # Panics
    /// After 2³² − 1 participants; tickets are numbered in 32 bits.
    pub fn push(&mut self, pseudonym: Pseudonym, class: u8) {
        let mut entry = [0; 17];
        entry[..16].copy_from_slice(&pseudonym.0);
        entry[16] = class;
        self.so_far.update(entry);
        self.count = self.count.checked_add(1).expect("tickets are numbered in 32 bits");
    }

    /// Return how many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Return the digest so far: SHA-256 over pseudonym and class (one byte) of each in turn.
    /// Cost: one block, however many there are.
    pub fn digest(&self) -> ListDigest {
        ListDigest(self.so_far.clone().finalize().into())
    }
}

/// Start HMAC-SHA256 with `key`: the blocks of its pads are absorbed once and copied afterwards.
pub(super) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}

pub(super) fn mac(keyed: &Hmac<Sha256>, message: &[u8]) -> [u8; 32] {
    let mut mac = keyed.clone();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

pub(super) fn first<const N: usize>(bytes: &[u8; 32]) -> [u8; N] {
    *bytes.first_chunk().expect("at most 32 bytes are asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_plain_bytes() {
        let mut list = Participants::default();
        assert_eq!(list.digest(), ListDigest(Sha256::digest([]).into()));
        list.push(Pseudonym([1; 16]), 0);
        let early = list.digest();
        list.push(Pseudonym([2; 16]), 7);
        let bytes = [&[1; 16][..], &[0], &[2; 16], &[7]].concat();
        assert_eq!(list.digest(), ListDigest(Sha256::digest(&bytes).into()));
        assert_ne!(list.digest(), early, "asking does not end the list");
        assert_eq!(list.count(), 2);
    }

    #[test]
    fn a_pseudonym_needs_the_key() {
        let buyer = BuyerDigest([9; 16]);
        let (one, two) = (Pseudonyms::new(&[1; 32]), Pseudonyms::new(&[2; 32]));
        assert_eq!(one.of(buyer), one.of(buyer));
        assert_ne!(one.of(buyer), two.of(buyer));
        assert_eq!(one.of(buyer).to_string().len(), 32);
        assert_eq!(format!("{one:?}"), "Pseudonyms(…)", "no key in a log");
    }

    #[test]
    fn what_is_public_is_shown_whole() {
        assert_eq!(
            format!("{:?}", Pseudonym([0xa1; 16])),
            format!("Pseudonym({})", "a1".repeat(16))
        );
        let digest = format!("{:?}", ListDigest([0x0f; 32]));
        assert_eq!(digest, format!("ListDigest({})", "0f".repeat(32)));
    }
}
