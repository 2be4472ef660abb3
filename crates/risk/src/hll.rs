//! How many distinct accounts something was seen with: a HyperLogLog of 16 registers in 8 bytes.
//!
//! Flajolet et al. 2007, with linear counting for small numbers. 16 registers of 4 bits: exact enough
//! to tell a household from a farm (a standard error of 26 %), no more.

/// A sketch of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distinct(pub u64);

const REGISTERS: usize = 16;

/// `alpha · m²` for m = 16.
const SCALE: f32 = 0.673 * 256.0;

/// `16 · ln(16 / zeros)` by the number of registers that are zero; the first place is not used.
const LINEAR: [f32; REGISTERS + 1] = [
    0.0,
    44.361_42,
    33.271_065,
    26.783_62,
    22.180_71,
    18.610_414,
    15.693_267,
    13.226_857,
    11.090_355,
    9.205_827,
    7.520_058,
    5.995_094,
    4.602_913,
    3.322_229_4,
    2.136_502_2,
    1.032_616_3,
    0.0,
];

impl Distinct {
    /// Add one of whom `hash` is a uniform digest.
    #[inline]
    pub fn with(self, hash: u64) -> Distinct {
        let at = (hash >> 60) as u32 * 4;
        let rank = ((hash << 4).leading_zeros() + 1).min(15);
        let known = (self.0 >> at) as u32 & 15;
        if rank > known { Distinct(self.0 & !(15 << at) | u64::from(rank) << at) } else { self }
    }

    /// Return how many there are for certain: each register that is set was set by another one.
    #[inline]
    pub fn at_least(self) -> u32 {
        let any = self.0 | self.0 >> 1;
        ((any | any >> 2) & 0x1111_1111_1111_1111).count_ones()
    }

    /// Return about how many there are.
    #[inline]
    pub fn estimate(self) -> f32 {
        if self.0 == 0 {
            return 0.0;
        }
        let any = self.0 | self.0 >> 1;
        let any = (any | any >> 2) & 0x1111_1111_1111_1111;
        let zeros = REGISTERS - any.count_ones() as usize;
        // With so many zeros the other estimate is at most 35: linear counting, without the sum.
        if zeros >= 5 {
            return LINEAR[zeros];
        }
        let mut sum = 0.0;
        for at in 0..REGISTERS {
            let rank = (self.0 >> (at * 4)) as u32 & 15;
            // 2^-rank, by its exponent.
            sum += f32::from_bits((127 - rank) << 23);
        }
        let raw = SCALE / sum;
        if raw <= 40.0 && zeros > 0 { LINEAR[zeros] } else { raw }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// splitmix64: uniform enough to stand for keyed digests.
    fn mix(n: u64) -> u64 {
        let z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[test]
    fn linear_counting_is_what_it_says() {
        for (zeros, told) in LINEAR.iter().enumerate().skip(1) {
            let exact = 16.0 * (16.0 / zeros as f64).ln();
            assert!((f64::from(*told) - exact).abs() < 1e-4, "{zeros}: {told} {exact}");
        }
    }

    #[test]
    fn estimates_are_near_exact_counts() {
        for exact in [1u64, 2, 4, 8, 16, 64, 256, 1_000, 10_000] {
            let trials = 400;
            let mut errors = 0.0;
            let mut sum = 0.0;
            for trial in 0..trials {
                let all = (0..exact).map(|n| mix(trial * 1_000_003 + n + 1));
                let sketch = all.fold(Distinct::default(), Distinct::with);
                let told = f64::from(sketch.estimate());
                errors += ((told - exact as f64) / exact as f64).powi(2);
                sum += told;
            }
            let (error, mean) = ((errors / trials as f64).sqrt(), sum / trials as f64);
            assert!(error < 0.36, "{exact}: error {error}");
            assert!((mean / exact as f64 - 1.0).abs() < 0.12, "{exact}: mean {mean}");
        }
    }

    #[test]
    fn the_same_one_counts_once_and_the_estimate_never_falls() {
        let mut sketch = Distinct::default();
        assert_eq!(sketch.estimate(), 0.0);
        for n in 0..2_000 {
            let next = sketch.with(mix(n));
            assert_eq!(next.with(mix(n)), next);
            assert!(next.estimate() >= sketch.estimate() * 0.7, "{n}");
            sketch = next;
        }
    }

    #[test]
    fn never_claims_more_than_there_are_for_certain() {
        let mut sketch = Distinct::default();
        let mut reached = 0;
        for n in 1..=64u64 {
            let hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            sketch = sketch.with(hash).with(hash);
            assert!(u64::from(sketch.at_least()) <= n, "{n}: {}", sketch.at_least());
            reached = reached.max(sketch.at_least());
        }
        assert_eq!((Distinct::default().at_least(), reached), (0, 16));
    }
}
