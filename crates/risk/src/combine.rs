//! Several scorers as one: a weighted mean of their log-odds.

use crate::score::{Risk, Scorer, sigmoid};
use crate::signals::Signals;
use std::sync::Arc;

/// Log-odds beyond this say nothing more.
const LOGIT_MAX: f64 = 12.0;

/// A weighted combination.
#[derive(Debug)]
pub struct Combined {
    parts: Vec<(Arc<dyn Scorer>, f64)>,
}

impl Combined {
    /// Combine scorers with weights above 0, which need not add up to 1.
    ///
    /// # Errors
    /// When there is no part, or a weight is not above 0.
    pub fn new(parts: Vec<(Arc<dyn Scorer>, f64)>) -> Result<Combined, &'static str> {
        if parts.is_empty() {
            return Err("a combination has at least one scorer");
        }
        if parts.iter().any(|(_, weight)| !weight.is_finite() || *weight <= 0.0) {
            return Err("a scorer's weight in a combination is above 0");
        }
        let sum: f64 = parts.iter().map(|(_, weight)| weight).sum();
        let parts = parts.into_iter().map(|(scorer, weight)| (scorer, weight / sum)).collect();
        Ok(Combined { parts })
    }
}

impl Scorer for Combined {
    fn score(&self, signals: &Signals) -> Risk {
        let mut all = Risk::default();
        let mut logit = 0.0;
        for (scorer, weight) in &self.parts {
            let risk = scorer.score(signals);
            let p = risk.probability;
            logit += weight * (p / (1.0 - p)).ln().clamp(-LOGIT_MAX, LOGIT_MAX);
            for reason in risk.reasons {
                if let Some(signal) = reason.signal {
                    all.because(signal, reason.weight * *weight as f32);
                }
            }
        }
        // Nonsense of a part stays nonsense, for the guard to find.
        all.probability = sigmoid(logit);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scorecard::Scorecard;
    use crate::signals::Signal;

    #[derive(Debug)]
    struct Fixed(f64);

    impl Scorer for Fixed {
        fn score(&self, _: &Signals) -> Risk {
            Risk::plain(self.0)
        }
    }

    fn both(a: f64, b: f64, weight: f64) -> f64 {
        let parts: Vec<(Arc<dyn Scorer>, f64)> =
            vec![(Arc::new(Fixed(a)), 1.0), (Arc::new(Fixed(b)), weight)];
        Combined::new(parts).expect("two parts").score(&Signals::ZERO).probability
    }

    #[test]
    fn is_a_mean_of_log_odds() {
        assert!((both(0.9, 0.1, 1.0) - 0.5).abs() < 1e-12);
        assert!((both(0.9, 0.9, 3.0) - 0.9).abs() < 1e-12);
        assert!(both(0.9, 0.1, 3.0) < 0.5);
        assert!((both(1.0, 0.0, 1.0) - 0.5).abs() < 1e-12, "certainty is bounded");
        assert!(both(f64::NAN, 0.1, 1.0).is_nan());
        assert!(Combined::new(vec![]).is_err());
        assert!(Combined::new(vec![(Arc::new(Scorecard), 0.0)]).is_err());
    }

    #[test]
    fn keeps_the_reasons_of_its_parts() {
        let parts: Vec<(Arc<dyn Scorer>, f64)> =
            vec![(Arc::new(Scorecard), 1.0), (Arc::new(Fixed(0.2)), 1.0)];
        let mut signals = Signals::ZERO;
        signals.set(Signal::Honeypot, 1.0);
        let risk = Combined::new(parts).expect("two parts").score(&signals);
        assert_eq!(risk.reasons[0].signal, Some(Signal::Honeypot));
    }
}
