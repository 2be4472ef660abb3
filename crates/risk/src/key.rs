//! Digests under a key that lives as long as one campaign.
//!
//! SipHash-2-4 (Aumasson, Bernstein 2012) is a keyed function: without the key a digest says nothing
//! about what it was made of, and equal things in two campaigns have unrelated digests. The key is
//! overwritten when it is dropped; from then on the digests are noise.

use siphasher::sip::SipHasher24;
use std::fmt;
use std::hash::Hasher;
use zeroize::Zeroizing;

/// The key of one campaign.
pub struct RiskKey(Zeroizing<[u8; 32]>);

/// The digest of something that requests have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId(pub u64);

/// What a digest was made of. Equal bytes of two kinds have unrelated digests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The first 24 bits of an IPv4 address or the first 48 of an IPv6 one.
    Address = 1,
    /// A token in a cookie.
    Device = 2,
    /// A buyer.
    Account = 3,
    /// A delivery address.
    Destination = 4,
    /// A payment instrument, as the shop names it.
    Payment = 5,
    /// A phone number, as the shop names it.
    Phone = 6,
    /// A TLS digest.
    Tls = 7,
    /// How a request looks and when it came.
    Behaviour = 8,
}

impl RiskKey {
    /// Make a key of random bytes.
    pub fn new(random: [u8; 32]) -> RiskKey {
        RiskKey(Zeroizing::new(random))
    }

    /// Return the digest of `bytes` as a `kind` of thing. Never 0, which tables use for "nobody".
    pub fn digest(&self, kind: Kind, bytes: &[u8]) -> EntityId {
        let mut hasher = self.hasher(kind);
        hasher.write(bytes);
        EntityId(hasher.finish().max(1))
    }

    /// As [`digest`](RiskKey::digest), of several texts in their order.
    pub fn digest_all<'a>(
        &self,
        kind: Kind,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> EntityId {
        let mut hasher = self.hasher(kind);
        for part in parts {
            // Its length keeps "ab" and "c" apart from "a" and "bc".
            hasher.write_u32(part.len() as u32);
            hasher.write(part);
        }
        EntityId(hasher.finish().max(1))
    }

    fn hasher(&self, kind: Kind) -> SipHasher24 {
        let key: &[u8; 16] = self.0.first_chunk().expect("16 of 32 bytes");
        let mut hasher = SipHasher24::new_with_key(key);
        hasher.write_u8(kind as u8);
        hasher
    }

    /// Return the part of the key with which challenges are signed.
    pub fn signing(&self) -> &[u8] {
        &self.0[16..]
    }
}

impl fmt::Debug for RiskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RiskKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_depend_on_key_kind_and_bytes() {
        let (one, two) = (RiskKey::new([1; 32]), RiskKey::new([2; 32]));
        let digest = one.digest(Kind::Device, b"token");
        assert_eq!(digest, one.digest(Kind::Device, b"token"));
        assert_ne!(digest, two.digest(Kind::Device, b"token"));
        assert_ne!(digest, one.digest(Kind::Payment, b"token"));
        assert_ne!(digest, one.digest(Kind::Device, b"tokeN"));
        let all = |parts: &[&'static [u8]]| one.digest_all(Kind::Behaviour, parts.iter().copied());
        assert_eq!(all(&[b"ab", b"c"]), all(&[b"ab", b"c"]));
        assert_ne!(all(&[b"ab", b"c"]), all(&[b"a", b"bc"]));
        assert_ne!(all(&[b"a", b"b"]), all(&[b"b", b"a"]));
        assert_eq!(format!("{one:?}"), "RiskKey(…)");
    }
}
