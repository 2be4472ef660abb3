//! Costs as whole micro-units of the policy's currency.
//!
//! Sums of integers do not depend on the order of the terms, so a decision cannot depend on the
//! order of its nodes. The bounds below keep every sum the router forms inside an `i64`.

use crate::limits::{COST_MICROS_MAX, LINES_MAX, UNITS_PER_LINE_MAX};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Sub};

/// An amount in millionths of the policy's currency unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(pub i64);

// The decision multiplies every cost by eight to count shipments in the low bits.
const _: () = assert!(
    (COST_MICROS_MAX as i128) * (LINES_MAX as i128) * (UNITS_PER_LINE_MAX as i128) * 16
        < i64::MAX as i128,
    "the dearest order the limits allow fits the decision's arithmetic"
);

impl Cost {
    /// Nothing.
    pub const ZERO: Cost = Cost(0);
    /// The largest rate that a policy may state or a distance may produce.
    pub const MAX_RATE: Cost = Cost(COST_MICROS_MAX);

    /// Round an amount in currency units to micro-units, clamped to what a rate may be.
    ///
    /// Not-a-number becomes zero; policies and files are checked before they get here.
    #[inline]
    pub fn from_units(units: f64) -> Cost {
        let micros = (units * 1e6).round();
        Cost((micros as i64).clamp(-COST_MICROS_MAX, COST_MICROS_MAX))
    }

    /// Return the amount in currency units.
    #[inline]
    pub fn to_units(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Return this amount, or the largest rate when it is larger.
    #[inline]
    pub fn clamp_rate(self) -> Cost {
        Cost(self.0.clamp(0, COST_MICROS_MAX))
    }
}

impl Add for Cost {
    type Output = Cost;
    #[inline]
    fn add(self, other: Cost) -> Cost {
        Cost(self.0 + other.0)
    }
}

impl AddAssign for Cost {
    #[inline]
    fn add_assign(&mut self, other: Cost) {
        self.0 += other.0;
    }
}

impl Sub for Cost {
    type Output = Cost;
    #[inline]
    fn sub(self, other: Cost) -> Cost {
        Cost(self.0 - other.0)
    }
}

impl Mul<u32> for Cost {
    type Output = Cost;
    #[inline]
    fn mul(self, units: u32) -> Cost {
        Cost(self.0 * i64::from(units))
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(items: I) -> Cost {
        items.fold(Cost::ZERO, Add::add)
    }
}

impl fmt::Display for Cost {
    /// Write the amount with as many decimals as it needs, between two and six.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, micros) =
            (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        let digits = format!("{micros:06}");
        let kept = digits.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{whole}.{}", &digits[..kept])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_two_to_six_decimals() {
        for (micros, text) in
            [(0, "0.00"), (8_759_000, "8.759"), (-1, "-0.000001"), (12_500_000, "12.50")]
        {
            assert_eq!(Cost(micros).to_string(), text);
        }
    }

    #[test]
    fn rounds_to_the_nearest_micro_unit_and_clamps() {
        assert_eq!(Cost::from_units(0.000_541), Cost(541));
        assert_eq!(Cost::from_units(1e300), Cost::MAX_RATE);
        assert_eq!(Cost::from_units(f64::NAN), Cost::ZERO);
    }
}
