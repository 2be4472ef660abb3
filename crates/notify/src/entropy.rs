//! Randomness as an argument: keys, nonces and jitter.

use std::fmt;

/// A source of random bytes.
pub trait Entropy {
    /// Fill `bytes`.
    ///
    /// # Errors
    /// When the source has none.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy>;

    /// Draw an array.
    ///
    /// # Errors
    /// When the source has none.
    fn array<const N: usize>(&mut self) -> Result<[u8; N], NoEntropy>
    where
        Self: Sized,
    {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

impl<T: Entropy + ?Sized> Entropy for &mut T {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        (**self).fill(bytes)
    }
}

/// The source has no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoEntropy;

impl fmt::Display for NoEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the system has no randomness; check /dev/urandom")
    }
}

impl std::error::Error for NoEntropy {}

/// The system's source, for the edge.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NoEntropy> {
        getrandom::fill(bytes).map_err(|_| NoEntropy)
    }
}
