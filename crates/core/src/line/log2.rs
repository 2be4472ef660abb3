//! An exact logarithm in integers, so that every language gets the same number.
//!
//! Floating-point logarithms differ in their last bits between libraries, and a draw that somebody
//! else recomputes must not. The method is the classic one, a bit for each squaring: if a number
//! from 1 up to 2 squares to 2 or more, the next bit of its logarithm is 1 and the square is halved
//! (Knuth, *The Art of Computer Programming* 1, 1.2.2, exercise 25; Turner, *A Fast Binary
//! Logarithm Algorithm*, IEEE Signal Processing Magazine 27(5), 2010).

/// Bits behind the point.
pub const FRACTION_BITS: u32 = 48;

/// The largest value of [`minus_log2`]: 64, for the number 0.
pub const MINUS_LOG2_MAX: u64 = 64 << FRACTION_BITS;

/// Return −log2((u + 1) / 2⁶⁴) with 48 bits behind the point.
///
/// Never rises when `u` rises. Each square is cut down to 64 bits and the fraction of the logarithm
/// is cut, not rounded, so the result errs upwards, by less than 2⁻⁴⁷. Cost: 48 multiplications.
#[inline]
pub const fn minus_log2(u: u64) -> u64 {
    let Some(number) = u.checked_add(1) else { return 0 };
    let zeros = number.leading_zeros();
    // The number is 2^(63 − zeros) × mantissa / 2⁶³.
    let mut mantissa = number << zeros;
    let mut fraction = 0_u64;
    let mut bit = 0;
    while bit < FRACTION_BITS {
        let square = mantissa as u128 * mantissa as u128;
        let carry = (square >> 127) as u64;
        mantissa = (square >> (63 + carry)) as u64;
        fraction = fraction << 1 | carry;
        bit += 1;
    }
    ((zeros as u64 + 1) << FRACTION_BITS) - fraction
}

/// Return [`minus_log2`] of each of `u`, in about the time of one: the multiplications of one wait
/// for each other, those of several do not.
#[inline]
pub fn minus_log2_of<const N: usize>(u: [u64; N]) -> [u64; N] {
    // The number 2⁶⁴ does not fit; its result is put right at the end.
    let number = u.map(|u| u.wrapping_add(1).max(1));
    let zeros = number.map(u64::leading_zeros);
    let mut mantissa: [u64; N] = std::array::from_fn(|n| number[n] << zeros[n]);
    let mut fraction = [0_u64; N];
    for _ in 0..FRACTION_BITS {
        for n in 0..N {
            let square = u128::from(mantissa[n]) * u128::from(mantissa[n]);
            let carry = (square >> 127) as u64;
            mantissa[n] = (square >> (63 + carry)) as u64;
            fraction[n] = fraction[n] << 1 | carry;
        }
    }
    std::array::from_fn(|n| match u[n] {
        u64::MAX => 0,
        _ => ((u64::from(zeros[n]) + 1) << FRACTION_BITS) - fraction[n],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_two_are_exact() {
        for exponent in 0..64 {
            assert_eq!(minus_log2((1 << exponent) - 1), (64 - exponent) << FRACTION_BITS);
        }
        assert_eq!(minus_log2(u64::MAX), 0);
        assert_eq!(minus_log2(0), MINUS_LOG2_MAX);
        assert_eq!(minus_log2(u64::MAX - 1), 1, "the least that is above zero");
    }

    proptest! {
        #[test]
        fn is_the_logarithm(u: u64) {
            let exact = 64.0 - (u as f64 + 1.0).log2();
            let ours = minus_log2(u) as f64 / (1_u64 << FRACTION_BITS) as f64;
            // An f64 near 64 has 46 bits behind the point.
            prop_assert!((ours - exact).abs() < 1e-12, "{ours} {exact}");
        }

        #[test]
        fn several_are_each(u: [u64; 5], edge in 0_usize..5) {
            let mut u = u;
            u[edge] = [0, 1, u64::MAX - 1, u64::MAX, 1 << 63][edge];
            prop_assert_eq!(minus_log2_of(u), u.map(minus_log2));
        }

        #[test]
        fn never_rises(u: u64, step in 0..1_u64 << 40) {
            let more = u.saturating_add(step);
            prop_assert!(minus_log2(u) >= minus_log2(more));
        }
    }
}
