//! Units of a SKU that one reservation asks for.

use crate::limits::QUANTITY_MAX;
use std::fmt;
use std::num::NonZeroU16;

/// Between 1 and [`QUANTITY_MAX`] units of one SKU.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(NonZeroU16);

impl Quantity {
    /// One unit.
    pub const ONE: Quantity = Quantity(NonZeroU16::MIN);

    /// Check `units` against the limits.
    ///
    /// # Errors
    /// When `units` is zero or above [`QUANTITY_MAX`].
    pub const fn new(units: u32) -> Result<Quantity, QuantityError> {
        if units == 0 || units > QUANTITY_MAX {
            return Err(QuantityError { units });
        }
        match NonZeroU16::new(units as u16) {
            Some(n) => Ok(Quantity(n)),
            None => Err(QuantityError { units }),
        }
    }

    /// Return the number of units.
    #[inline]
    pub const fn get(self) -> u32 {
        self.0.get() as u32
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({})", self.0)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of units outside 1 ..= [`QUANTITY_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantityError {
    /// What was asked for.
    pub units: u32,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "quantity {} is not between 1 and {QUANTITY_MAX}", self.units)
    }
}

impl std::error::Error for QuantityError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_exactly_the_stated_range() {
        assert_eq!(Quantity::new(0), Err(QuantityError { units: 0 }));
        assert_eq!(Quantity::new(1), Ok(Quantity::ONE));
        assert_eq!(Quantity::new(QUANTITY_MAX).map(Quantity::get), Ok(QUANTITY_MAX));
        assert!(Quantity::new(QUANTITY_MAX + 1).is_err());
        assert!(Quantity::new(65_537).is_err(), "no wrap-around to 1");
    }
}
