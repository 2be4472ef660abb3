//! Keyed digests that stand for what a person or a client sent, so that nothing below the edge
//! knows who somebody is.

use std::fmt;

/// A buyer, as a keyed 128-bit digest of the identity the shop vouches for.
///
/// Digests under a secret key are uniformly distributed and cannot be chosen by a client, so tables
/// may use their bits as the hash. Two buyers share one with probability n²/2¹²⁹.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuyerDigest(pub [u8; 16]);

impl BuyerDigest {
    /// Return 64 uniformly distributed bits of the digest, for use as a table hash.
    #[inline]
    pub const fn hash64(self) -> u64 {
        let b = self.0;
        u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])
    }
}

/// Shows the first four bytes only: enough to follow one buyer through a trace, not to join tables.
impl fmt::Debug for BuyerDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "BuyerDigest({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// The digest of an idempotency key under the engine's secret; compared only within one buyer,
/// campaign and route, where at most sixteen live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyDigest(pub u64);

impl KeyDigest {
    /// Stands where no client sent a key: a hold that the waitlist offered. No key has this digest.
    pub const OFFER: KeyDigest = KeyDigest(0);
}

/// The digest of a request after defaults were filled in: equal keys with unequal request digests
/// are `key_reused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestDigest(pub u32);
