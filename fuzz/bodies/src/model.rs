//! Models and policies as operators upload them.

use onrush_risk::forest::Forest;
use onrush_risk::{Policy, SIGNALS, Scorer, Signals};

/// Load `data` as a model, and where it is one, ask it. Returns whether it was one.
///
/// # Panics
/// When a model that loads says something that is no probability of ordinary signals.
pub fn model(data: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(policy) = Policy::from_toml(text)
    {
        assert_eq!(
            Policy::from_toml(&policy.to_toml()).as_ref(),
            Ok(&policy),
            "a policy comes back"
        );
    }
    let Ok(forest) = Forest::load(data) else { return false };
    for value in [0.0, 1.0, -1.0, 1e30] {
        let risk = forest.score(&Signals::new([value; SIGNALS]));
        // Finite leaves can add up to more than a number holds; the guard around a scorer finds that.
        assert!(risk.is_sound() || risk.probability.is_nan(), "{risk:?}");
    }
    let _ = forest.probability(&[f32::NAN; SIGNALS]);
    true
}
