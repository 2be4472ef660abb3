//! What stands around a scorer: a panic or a number that is no probability becomes the stated default,
//! and a scorer that fails often is not asked any more.
//!
//! A scorer that does not return cannot be stopped from inside; the models that can be loaded here all
//! end, because a tree has a bounded depth and no way back. Whoever writes a scorer of their own runs
//! it on a thread of its own (the gateway's `Isolated`).

use crate::score::{Risk, Scorer};
use crate::signals::Signals;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

/// After so many failures a scorer is not asked any more.
pub const FAULTS_MAX: u32 = 8;

/// A scorer that cannot hurt.
#[derive(Debug)]
pub struct Guarded<S> {
    scorer: S,
    default: f64,
    faults: AtomicU32,
}

impl<S: Scorer> Guarded<S> {
    /// Say `default` wherever `scorer` fails.
    pub fn new(scorer: S, default: f64) -> Guarded<S> {
        let default = if (0.0..=1.0).contains(&default) { default } else { 0.0 };
        Guarded { scorer, default, faults: AtomicU32::new(0) }
    }

    /// Return the scorer inside.
    pub fn inner(&self) -> &S {
        &self.scorer
    }

    /// Return how often it failed.
    pub fn faults(&self) -> u32 {
        // Relaxed: a figure that stands alone.
        self.faults.load(Ordering::Relaxed)
    }

    /// Tell whether it failed so often that it is not asked any more.
    pub fn is_off(&self) -> bool {
        self.faults() >= FAULTS_MAX
    }
}

impl<S: Scorer> Guarded<S> {
    /// Score; also tell whether the default had to be said.
    #[inline]
    pub fn told(&self, signals: &Signals) -> (Risk, bool) {
        if self.is_off() {
            return (Risk::plain(self.default), true);
        }
        // A scorer has no state that a panic could leave half changed: it is asked by reference.
        match catch_unwind(AssertUnwindSafe(|| self.scorer.score(signals))) {
            Ok(risk) if risk.is_sound() => (risk, false),
            _ => {
                // Relaxed: nothing is published by it; one call more or less is no matter.
                self.faults.fetch_add(1, Ordering::Relaxed);
                (Risk::plain(self.default), true)
            }
        }
    }
}

impl<S: Scorer> Scorer for Guarded<S> {
    fn score(&self, signals: &Signals) -> Risk {
        self.told(signals).0
    }
}

impl Scorer for std::sync::Arc<dyn Scorer> {
    fn score(&self, signals: &Signals) -> Risk {
        (**self).score(signals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scorecard::Scorecard;
    use crate::signals::Signal;

    #[derive(Debug)]
    struct Bad;

    impl Scorer for Bad {
        fn score(&self, signals: &Signals) -> Risk {
            match signals.get(Signal::Beacons) as u32 {
                0 => panic!("a bug in somebody's scorer"),
                1 => Risk::plain(f64::NAN),
                2 => Risk::plain(7.0),
                _ => Risk::plain(0.9),
            }
        }
    }

    #[test]
    fn a_panic_and_nonsense_become_the_default_and_then_it_is_off() {
        let guarded = Guarded::new(Bad, 0.25);
        let mut signals = Signals::ZERO;
        for wrong in 0..3 {
            signals.set(Signal::Beacons, wrong as f32);
            assert_eq!(guarded.score(&signals), Risk::plain(0.25));
        }
        signals.set(Signal::Beacons, 3.0);
        assert_eq!((guarded.score(&signals).probability, guarded.faults()), (0.9, 3));
        signals.set(Signal::Beacons, 1.0);
        for _ in 3..FAULTS_MAX {
            guarded.score(&signals);
        }
        signals.set(Signal::Beacons, 3.0);
        assert!(guarded.is_off());
        assert_eq!(guarded.score(&signals), Risk::plain(0.25), "it is not asked any more");
    }

    #[test]
    fn a_default_that_is_no_probability_is_zero() {
        assert_eq!(Guarded::new(Bad, f64::NAN).score(&Signals::ZERO), Risk::plain(0.0));
        let card = Guarded::new(Scorecard, 0.0);
        assert_eq!(card.score(&Signals::ZERO), Scorecard.score(&Signals::ZERO));
    }
}
