//! When requests are due, relative to the start of a run.
//!
//! The times depend on the pattern and the seed only, never on the server.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::time::Duration;

/// A pattern of arrivals.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrivals {
    /// Evenly, so many a second.
    Constant {
        /// Arrivals a second; more than 0.
        per_second: f64,
    },
    /// At random, so many a second on average, each independent of the others.
    Poisson {
        /// Arrivals a second; more than 0.
        per_second: f64,
    },
    /// A rush at the start that dies away, as at the opening of a sale: the intervals are random,
    /// and half of all comes within `half_life`.
    Spike {
        /// The time in which half of those who are still to come arrive.
        half_life: Duration,
    },
    /// Another pattern whose rate grows evenly from nothing to what it is within `over`; a crowd of
    /// the same size takes half of `over` longer.
    Ramp {
        /// The pattern that is reached; constant or Poisson.
        to: Box<Arrivals>,
        /// How long that takes.
        over: Duration,
    },
    /// Times that were recorded; what is asked for beyond them does not come.
    Trace(Arc<[Duration]>),
}

impl Arrivals {
    /// Return the due times of `count` arrivals, in order.
    pub fn times(self, count: u32, seed: u64) -> Box<dyn Iterator<Item = Duration> + Send> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut at = 0.0_f64;
        let mut then = move |step: f64| {
            let due = at;
            at += step;
            Duration::from_secs_f64(due)
        };
        match self {
            Arrivals::Constant { per_second } => {
                // A sum of rounded steps would drift over millions of arrivals.
                let at = move |n| Duration::from_secs_f64(f64::from(n) / per_second);
                Box::new((0..count).map(at))
            }
            Arrivals::Poisson { per_second } => {
                Box::new((0..count).map(move |_| then(exponential(&mut rng) / per_second)))
            }
            Arrivals::Spike { half_life } => {
                let mean = half_life.as_secs_f64() / std::f64::consts::LN_2;
                // The order statistics of exponential times: with `left` to come, the next one
                // comes `left` times as fast.
                let left = move |n| f64::from(count - n);
                Box::new((0..count).map(move |n| then(exponential(&mut rng) * mean / left(n))))
            }
            Arrivals::Ramp { to, over } => {
                Box::new(to.times(count, seed).map(move |at| ramped(at, over)))
            }
            Arrivals::Trace(times) => {
                Box::new((0..times.len().min(count as usize)).map(move |n| times[n]))
            }
        }
    }
}

/// Return when somebody comes in a ramp who would come at `at` without: the time by which as many have
/// come. In the ramp their number grows with the square of the time.
fn ramped(at: Duration, over: Duration) -> Duration {
    let (at_s, over_s) = (at.as_secs_f64(), over.as_secs_f64());
    if at_s < over_s / 2.0 {
        Duration::from_secs_f64((2.0 * at_s * over_s).sqrt())
    } else {
        at + over / 2
    }
}

/// Draw from the exponential distribution with mean 1.
fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    // `random` is in [0, 1): the logarithm's argument is never 0.
    -(1.0 - rng.random::<f64>()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(arrivals: Arrivals, count: u32, seed: u64) -> Vec<f64> {
        arrivals.times(count, seed).map(|at| at.as_secs_f64()).collect()
    }

    #[test]
    fn constant_arrivals_are_even() {
        let times = seconds(Arrivals::Constant { per_second: 4.0 }, 5, 1);
        assert_eq!(times, [0.0, 0.25, 0.5, 0.75, 1.0]);
    }

    #[test]
    fn poisson_arrivals_keep_their_rate_and_vary_as_they_should() {
        let times = seconds(Arrivals::Poisson { per_second: 100.0 }, 20_000, 7);
        let span = times.last().expect("some");
        assert!((190.0..210.0).contains(span), "{span}");
        let gaps: Vec<f64> = times.windows(2).map(|w| w[1] - w[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // An exponential's deviation equals its mean.
        assert!((0.95..1.05).contains(&(variance.sqrt() / mean)), "{variance} {mean}");
    }

    #[test]
    fn half_of_a_spike_comes_within_its_half_life() {
        let half_life = Duration::from_secs(2);
        let times = seconds(Arrivals::Spike { half_life }, 10_000, 7);
        for (within, share) in [(2.0, 0.5), (4.0, 0.75), (6.0, 0.875)] {
            let came = times.iter().filter(|&&at| at <= within).count() as f64 / 10_000.0;
            assert!((came - share).abs() < 0.02, "{came} within {within} s");
        }
        assert!(times.is_sorted());
    }

    #[test]
    fn a_ramp_grows_evenly_and_then_keeps_its_rate() {
        let to = Box::new(Arrivals::Constant { per_second: 100.0 });
        let times = seconds(Arrivals::Ramp { to, over: Duration::from_secs(4) }, 1_000, 1);
        let by = |second: f64| times.iter().filter(|&&at| at < second).count() as i64;
        // The number that came is 100 t² / 8 in the ramp, and 100 a second afterwards.
        for (second, came) in [(1.0, 13), (2.0, 50), (4.0, 200), (5.0, 300), (11.0, 900)] {
            assert!((by(second) - came).abs() <= 1, "{} by {second} s", by(second));
        }
        assert!(times.is_sorted());
    }

    #[test]
    fn a_trace_comes_as_it_was_and_no_longer() {
        let times: Vec<Duration> = [3, 5, 5].map(Duration::from_millis).into();
        let trace = Arrivals::Trace(times.clone().into());
        assert_eq!(trace.clone().times(2, 1).collect::<Vec<_>>(), times[..2]);
        assert_eq!(trace.times(9, 1).collect::<Vec<_>>(), times);
    }

    #[test]
    fn a_seed_gives_the_same_times_again() {
        let poisson = || Arrivals::Poisson { per_second: 10.0 };
        assert_eq!(seconds(poisson(), 50, 3), seconds(poisson(), 50, 3));
        assert_ne!(seconds(poisson(), 50, 3), seconds(poisson(), 50, 4));
    }
}
