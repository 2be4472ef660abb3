//! What a scorer is.

use crate::signals::{Signal, Signals};
use std::fmt;

/// Turns signals into a probability with reasons.
///
/// Called for each request on the caller's thread: it must not allocate, lock or block, and must end
/// in a time that does not depend on who asks. [`Guarded`](crate::Guarded) stands around every scorer
/// that counts: a panic or nonsense becomes the stated default.
pub trait Scorer: fmt::Debug + Send + Sync {
    /// Return how likely these signals are those of a program, and why.
    fn score(&self, signals: &Signals) -> Risk;
}

/// What a scorer says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Risk {
    /// From 0, a person, to 1, a program.
    pub probability: f64,
    /// What weighed most, the heaviest first; fewer than three where less weighed.
    pub reasons: [Reason; 3],
}

/// A signal that raised a score, and by how much. The weight's unit is the scorer's own.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reason {
    /// Which signal; `None`: no reason.
    pub signal: Option<Signal>,
    /// By how much.
    pub weight: f32,
}

impl Risk {
    /// Say a probability without reasons.
    pub fn plain(probability: f64) -> Risk {
        Risk { probability, ..Risk::default() }
    }

    /// Note that `signal` raised the score by `weight`, if that is among the three heaviest.
    #[inline]
    pub fn because(&mut self, signal: Signal, weight: f32) {
        if weight <= self.reasons[2].weight {
            return;
        }
        let at = self.reasons.iter().position(|reason| reason.weight < weight).unwrap_or(2);
        for behind in (at + 1..3).rev() {
            self.reasons[behind] = self.reasons[behind - 1];
        }
        self.reasons[at] = Reason { signal: Some(signal), weight };
    }

    /// Tell whether it is a probability.
    pub fn is_sound(&self) -> bool {
        (0.0..=1.0).contains(&self.probability)
    }
}

/// Return `1 / (1 + e^-x)`.
#[inline]
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_three_heaviest_reasons_in_order() {
        let mut risk = Risk::plain(0.5);
        let all = [(0, 1.0), (1, 3.0), (2, 0.0), (3, 2.0), (4, 4.0), (5, 2.0)];
        for (place, weight) in all {
            risk.because(Signal::ALL[place], weight);
        }
        let told: Vec<_> =
            risk.reasons.iter().map(|r| (r.signal.map(|s| s as u8), r.weight)).collect();
        assert_eq!(told, [(Some(4), 4.0), (Some(1), 3.0), (Some(3), 2.0)]);
    }

    #[test]
    fn what_is_no_probability_is_not_sound() {
        for wrong in [f64::NAN, f64::INFINITY, -0.01, 1.01] {
            assert!(!Risk::plain(wrong).is_sound());
        }
        assert!(Risk::plain(0.0).is_sound() && Risk::plain(1.0).is_sound());
    }
}
