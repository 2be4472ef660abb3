//! Counts that forget: a request counts 1 when it comes and `e^(-t/τ)` after `t`.
//!
//! Three of them with τ of 1 s, 1 min and 1 h share one time stamp. The decay is computed as
//! `(1 - x/256)^256` by eight squarings: the same bits on every machine, within 2 % of `e^-x` for
//! every x that still matters, and no call into a mathematics library.

/// Time constants, in milliseconds.
const TAU_MS: [f32; 3] = [1_000.0, 60_000.0, 3_600_000.0];

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
        let [second, minute, hour] = self.weights;
        Counts {
            weights: [
                second * decay(elapsed / TAU_MS[0]),
                minute * decay(elapsed / TAU_MS[1]),
                hour * decay(elapsed / TAU_MS[2]),
            ],
        }
    }

    /// Count one event.
    #[inline]
    pub fn plus_one(self) -> Counts {
        Counts { weights: self.weights.map(|weight| weight + 1.0) }
    }
}

/// Return about `e^-x` for `x ≥ 0`.
#[inline]
pub(crate) fn decay(x: f32) -> f32 {
    if x >= 16.0 {
        return 0.0;
    }
    let mut y = 1.0 - x / 256.0;
    for _ in 0..8 {
        y *= y;
    }
    y
}

/// Return about `e^(-t/60 s)`.
#[inline]
pub(crate) fn decay_minute(elapsed_ms: u32) -> f32 {
    decay(elapsed_ms as f32 / TAU_MS[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decay_is_near_the_exponential_and_falls(x in 0f32..20.0, more in 0.001f32..3.0) {
            let exact = f64::from(-x).exp() as f32;
            prop_assert!((decay(x) - exact).abs() <= 0.02 * exact.max(0.05), "{} {}", decay(x), exact);
            prop_assert!(decay(x + more) <= decay(x));
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
