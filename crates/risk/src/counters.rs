//! Counts that forget: a request counts 1 when it comes and `e^(-t/τ)` after `t`.
//!
//! Three of them with τ of 1 s, 1 min and 1 h share one time stamp. The decay is computed as
//! `(1 - x/256)^256` by eight squarings: the same bits on every machine, within 2 % of `e^-x` for
//! every x that still matters, and no call into a mathematics library.

/// Time constants, in milliseconds.
const TAU_MS: [f32; 3] = [1_000.0, 60_000.0, 3_600_000.0];

/// One over 256 of them.
const RATE: [f32; 3] =
    [1.0 / (256.0 * TAU_MS[0]), 1.0 / (256.0 * TAU_MS[1]), 1.0 / (256.0 * TAU_MS[2])];

/// Counts over a second, a minute and an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    /// Weights at the time of the last event.
    pub weights: [f32; 3],
}

impl Counts {
    /// Let `elapsed_ms` pass.
    #[inline]
    pub fn decayed(self, elapsed_ms: u32) -> Counts {
        let elapsed = elapsed_ms as f32;
        // Four lanes, of which three are used: the compiler makes one of them.
        let mut decays = [0, 1, 2, 2].map(|at: usize| (1.0 - elapsed * RATE[at]).max(0.0));
        for _ in 0..8 {
            decays = decays.map(|decay| decay * decay);
        }
        let [second, minute, hour] = self.weights;
        Counts { weights: [second * decays[0], minute * decays[1], hour * decays[2]] }
    }

    /// Count one event.
    #[inline]
    pub fn plus_one(self) -> Counts {
        Counts { weights: self.weights.map(|weight| weight + 1.0) }
    }
}

/// Return about `e^(-t/60 s)`.
#[inline]
pub(crate) fn decay_minute(elapsed_ms: u32) -> f32 {
    let mut decay = (1.0 - elapsed_ms as f32 * RATE[1]).max(0.0);
    for _ in 0..8 {
        decay *= decay;
    }
    decay
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decay_is_near_the_exponential_and_falls(ms in 0u32..1_200_000, more in 200u32..200_000) {
            let exact = (-f64::from(ms) / 60_000.0).exp() as f32;
            let told = decay_minute(ms);
            prop_assert!((told - exact).abs() <= 0.02 * exact.max(0.05), "{} {}", told, exact);
            prop_assert!(decay_minute(ms + more) <= told);
            let all = Counts { weights: [1.0; 3] }.decayed(ms);
            prop_assert_eq!(all.weights[1], told);
        }

        #[test]
        fn counts_follow_the_exact_sum(gaps in proptest::collection::vec(0u32..5_000, 1..60)) {
            let mut counts = Counts::default();
            for gap in &gaps {
                counts = counts.decayed(*gap).plus_one();
            }
            for (at, tau) in TAU_MS.iter().enumerate() {
                let mut age = 0f64;
                let mut exact = 0f64;
                for gap in gaps.iter().rev() {
                    exact += (-age / f64::from(*tau)).exp();
                    age += f64::from(*gap);
                }
                let told = f64::from(counts.weights[at]);
                prop_assert!((told - exact).abs() <= 0.05 * exact, "{} {}", told, exact);
            }
        }
    }
}
