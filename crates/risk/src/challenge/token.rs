//! Challenges and proofs as text: fixed fields and a MAC, in hexadecimal.
//!
//! HMAC-SHA-256, cut to 16 bytes. The first byte says which of the two it is, so that neither passes
//! for the other.

use super::ChallengeKind;
use hmac::{Hmac, KeyInit, Mac};
use onrush_types::{BuyerDigest, Timestamp};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const MAC_BYTES: usize = 16;
const CHALLENGE: u8 = 1;
const PROOF: u8 = 2;
const CHALLENGE_BYTES: usize = 1 + 2 + 4 + 1 + 1 + 4 + 8 + 16 + 8;
const PROOF_BYTES: usize = 1 + 2 + 4 + 1 + 1 + 2 + 8 + 16 + 8;

/// Longest text of either.
pub const TOKEN_CHARS_MAX: usize = 2 * (CHALLENGE_BYTES + MAC_BYTES);

/// Whose it is. Never an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The buyer.
    pub buyer: BuyerDigest,
    /// The session it was asked for in; 0 where there is none.
    pub session: u64,
}

/// What a challenge's token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeToken {
    /// Of which campaign.
    pub campaign: u16,
    /// Its number, dense from 0.
    pub number: u32,
    /// How it is answered.
    pub kind: ChallengeKind,
    /// Its level, 1 to 3.
    pub level: u8,
    /// Squarings, bits or seconds.
    pub cost: u32,
    /// When it was given out.
    pub issued_at: Timestamp,
    /// To whom.
    pub holder: Holder,
}

/// What a proof says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProofToken {
    /// Of which campaign.
    pub campaign: u16,
    /// Of which challenge.
    pub number: u32,
    /// Its level.
    pub level: u8,
    /// It was answered by waiting.
    pub by_waiting: bool,
    /// The time it took over the time expected, in thousandths.
    pub ratio_thousandths: u16,
    /// Until when it can be used.
    pub until: Timestamp,
    /// Whose it is.
    pub holder: Holder,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// It is none of ours, or was given out under a key that is gone.
    Forged,
    /// It is ours, and another buyer's.
    Stolen,
    /// It is over, or of another session of the same buyer.
    Late,
}

impl ChallengeToken {
    pub(super) fn sealed(&self, key: &[u8]) -> String {
        let mut bytes = [0; CHALLENGE_BYTES + MAC_BYTES];
        let mut w = Writer { bytes: &mut bytes, at: 0 };
        w.put(&[CHALLENGE]);
        w.put(&self.campaign.to_le_bytes());
        w.put(&self.number.to_le_bytes());
        w.put(&[self.kind as u8, self.level]);
        w.put(&self.cost.to_le_bytes());
        w.put(&self.issued_at.0.to_le_bytes());
        w.holder(&self.holder);
        seal(&mut bytes, key)
    }

    pub(super) fn open(text: &str, key: &[u8]) -> Result<ChallengeToken, TokenError> {
        let bytes: [u8; CHALLENGE_BYTES + MAC_BYTES] = unseal(text, key, CHALLENGE)?;
        let mut r = Reader(&bytes[1..]);
        Ok(ChallengeToken {
            campaign: u16::from_le_bytes(r.take()),
            number: u32::from_le_bytes(r.take()),
            kind: match r.take() {
                [1] => ChallengeKind::TimeLock,
                [2] => ChallengeKind::Work,
                [3] => ChallengeKind::Wait,
                [4] => ChallengeKind::Outside,
                _ => return Err(TokenError::Forged),
            },
            level: u8::from_le_bytes(r.take()),
            cost: u32::from_le_bytes(r.take()),
            issued_at: Timestamp(u64::from_le_bytes(r.take())),
            holder: r.holder(),
        })
    }
}

impl ProofToken {
    pub(super) fn sealed(&self, key: &[u8]) -> String {
        let mut bytes = [0; PROOF_BYTES + MAC_BYTES];
        let mut w = Writer { bytes: &mut bytes, at: 0 };
        w.put(&[PROOF]);
        w.put(&self.campaign.to_le_bytes());
        w.put(&self.number.to_le_bytes());
        w.put(&[self.level, u8::from(self.by_waiting)]);
        w.put(&self.ratio_thousandths.to_le_bytes());
        w.put(&self.until.0.to_le_bytes());
        w.holder(&self.holder);
        seal(&mut bytes, key)
    }

    pub(super) fn open(text: &str, key: &[u8]) -> Result<ProofToken, TokenError> {
        let bytes: [u8; PROOF_BYTES + MAC_BYTES] = unseal(text, key, PROOF)?;
        let mut r = Reader(&bytes[1..]);
        Ok(ProofToken {
            campaign: u16::from_le_bytes(r.take()),
            number: u32::from_le_bytes(r.take()),
            level: u8::from_le_bytes(r.take()),
            by_waiting: r.take() == [1],
            ratio_thousandths: u16::from_le_bytes(r.take()),
            until: Timestamp(u64::from_le_bytes(r.take())),
            holder: r.holder(),
        })
    }
}

fn mac(bytes: &[u8], key: &[u8]) -> [u8; MAC_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(bytes);
    *mac.finalize().into_bytes().first_chunk().expect("16 of 32 bytes")
}

fn seal(bytes: &mut [u8], key: &[u8]) -> String {
    let (fields, end) = bytes.split_at_mut(bytes.len() - MAC_BYTES);
    end.copy_from_slice(&mac(fields, key));
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        text
    })
}

/// Check length, kind and MAC. No allocation.
fn unseal<const N: usize>(text: &str, key: &[u8], kind: u8) -> Result<[u8; N], TokenError> {
    let text = text.as_bytes();
    if text.len() != N * 2 {
        return Err(TokenError::Forged);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    let (fields, end) = bytes.split_at(N - MAC_BYTES);
    let is_ours = mac(fields, key).ct_eq(end).into() && bytes[0] == kind;
    if is_ours { Ok(bytes) } else { Err(TokenError::Forged) }
}

/// Lower case only: a token has one text.
fn digit(c: u8) -> Result<u8, TokenError> {
    match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(TokenError::Forged),
    }
}

struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    fn put(&mut self, field: &[u8]) {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
    }
    fn holder(&mut self, holder: &Holder) {
        self.put(&holder.buyer.0);
        self.put(&holder.session.to_le_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_first_chunk().expect("the length was checked");
        self.0 = rest;
        *taken
    }
    fn holder(&mut self) -> Holder {
        Holder { buyer: BuyerDigest(self.take()), session: u64::from_le_bytes(self.take()) }
    }
}
