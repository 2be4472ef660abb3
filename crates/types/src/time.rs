//! Time as a value. Nothing in this crate reads a clock.

use std::fmt;
use std::ops::{Add, Sub};

/// Milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Later than every time an operator can write down.
    pub const FAR_FUTURE: Timestamp = Timestamp(u64::MAX);

    /// Return how long after `earlier` this is, or zero.
    #[inline]
    pub const fn since(self, earlier: Timestamp) -> DurationMs {
        DurationMs(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

impl Add<DurationMs> for Timestamp {
    type Output = Timestamp;
    #[inline]
    fn add(self, d: DurationMs) -> Timestamp {
        Timestamp(self.0.saturating_add(d.0))
    }
}

impl Sub<DurationMs> for Timestamp {
    type Output = Timestamp;
    #[inline]
    fn sub(self, d: DurationMs) -> Timestamp {
        Timestamp(self.0.saturating_sub(d.0))
    }
}

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DurationMs(pub u64);

impl DurationMs {
    /// Return a length of `s` seconds.
    pub const fn from_secs(s: u64) -> DurationMs {
        DurationMs(s.saturating_mul(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), DurationMs(0));
        assert_eq!(Timestamp(5) - DurationMs(9), Timestamp(0));
        assert_eq!(Timestamp::FAR_FUTURE + DurationMs(1), Timestamp::FAR_FUTURE);
    }
}
