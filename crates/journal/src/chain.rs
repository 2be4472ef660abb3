//! The hash chain over frames: one value stands for everything written before it.
//!
//! Two journals with equal chain values hold equal frames in equal order (SHA-256, FIPS 180-4). The
//! checksum of a frame finds what a disk does; the chain finds a frame that is whole but does not
//! belong here, such as one left over from before a cut.

use crate::layout::JournalId;
use sha2::{Digest, Sha256};
use std::fmt;

/// The chain's value after some frame, or before the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chain([u8; 32]);

impl Chain {
    /// Return the value before the first frame of the journal `id`.
    pub fn start(id: JournalId) -> Chain {
        let mut hash = Sha256::new();
        hash.update(b"onrush journal 1");
        hash.update(id.0);
        Chain(hash.finalize().into())
    }

    /// Return the value after a frame, given its header and payload without padding.
    ///
    /// Cost: one pass of SHA-256, no allocation.
    pub fn then(self, frame: &[u8]) -> Chain {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(frame);
        Chain(hash.finalize().into())
    }

    /// Return the first sixteen bytes, as kept in the next frame.
    pub fn short(self) -> [u8; 16] {
        crate::layout::array_at(&self.0, 0)
    }

    /// Return all bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Chain {
        Chain(bytes)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chain({self})")
    }
}
