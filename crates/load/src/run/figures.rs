//! Counts and latencies of a run.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest latency that is told apart: ten minutes.
const LATENCY_US_MAX: u64 = 600_000_000;

/// Kinds of requests with a histogram of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A reserve that was granted.
    Granted,
    /// A reserve that was refused.
    Refused,
    /// Payments, releases, cancellations.
    Settled,
}

/// The figures of a run, so far.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Visitors that came.
    pub arrived: u64,
    /// Requests that were answered.
    pub answered: u64,
    /// Holds that were acknowledged as new.
    pub holds: u64,
    /// Repeats that were answered with an earlier hold.
    pub repeats: u64,
    /// Sales that were acknowledged.
    pub sales: u64,
    /// Payments that were acknowledged.
    pub payments: u64,
    /// Refusals by their code.
    pub refusals: BTreeMap<String, u64>,
    /// Requests without an answer.
    pub unanswered: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Requests that were given up without a final answer.
    pub given_up: u64,
    /// How long the run took.
    pub took: Duration,
    latency: [Histogram<u64>; 3],
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            arrived: 0,
            answered: 0,
            holds: 0,
            repeats: 0,
            sales: 0,
            payments: 0,
            refusals: BTreeMap::new(),
            unanswered: 0,
            retries: 0,
            given_up: 0,
            took: Duration::ZERO,
            latency: [histogram(), histogram(), histogram()],
        }
    }
}

/// Percentiles in microseconds, from the intended time of each request.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// How many requests.
    pub count: u64,
    /// Median.
    pub p50_us: u64,
    /// 9 of 10 were faster.
    pub p90_us: u64,
    /// 99 of 100 were faster.
    pub p99_us: u64,
    /// 999 of 1,000 were faster.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// The figures as data.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)] // The fields of `Figures`, and the latencies.
pub struct Summary {
    pub arrived: u64,
    pub answered: u64,
    pub answered_per_second: f64,
    pub holds: u64,
    pub repeats: u64,
    pub sales: u64,
    pub payments: u64,
    pub refusals: BTreeMap<String, u64>,
    pub unanswered: u64,
    pub retries: u64,
    pub given_up: u64,
    pub took_ms: u64,
    pub granted: Latency,
    pub refused: Latency,
    pub settled: Latency,
}

impl Latency {
    /// Read the percentiles of a histogram in microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Latency {
        Latency {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p999_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        }
    }
}

/// Make a histogram of latencies in microseconds: three digits are kept, up to ten minutes.
pub(crate) fn histogram() -> Histogram<u64> {
    let made = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
    made.expect("the bounds are in order and three digits are allowed")
}

/// Count one latency.
pub(crate) fn record(histogram: &mut Histogram<u64>, latency: Duration) {
    let us = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_US_MAX);
    histogram.saturating_record(us.clamp(1, LATENCY_US_MAX));
}

impl Figures {
    /// Note an answer that came so long after it was due.
    pub(crate) fn answered(&mut self, kind: Kind, latency: Duration) {
        self.answered += 1;
        record(&mut self.latency[kind as usize], latency);
    }

    /// Note only how long it took.
    pub(crate) fn timed(&mut self, kind: Kind, latency: Duration) {
        record(&mut self.latency[kind as usize], latency);
    }

    /// Return all latencies of a kind.
    pub(crate) fn histogram(&self, kind: Kind) -> &Histogram<u64> {
        &self.latency[kind as usize]
    }

    pub(crate) fn refused(&mut self, code: &str) {
        match self.refusals.get_mut(code) {
            Some(count) => *count += 1,
            None => {
                self.refusals.insert(code.to_owned(), 1);
            }
        }
    }

    /// Return the latencies of a kind of request.
    pub fn latency(&self, kind: Kind) -> Latency {
        Latency::of(&self.latency[kind as usize])
    }

    /// Return the figures as data.
    pub fn summary(&self) -> Summary {
        let seconds = self.took.as_secs_f64();
        Summary {
            arrived: self.arrived,
            answered: self.answered,
            answered_per_second: if seconds > 0.0 { self.answered as f64 / seconds } else { 0.0 },
            holds: self.holds,
            repeats: self.repeats,
            sales: self.sales,
            payments: self.payments,
            refusals: self.refusals.clone(),
            unanswered: self.unanswered,
            retries: self.retries,
            given_up: self.given_up,
            took_ms: u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            granted: self.latency(Kind::Granted),
            refused: self.latency(Kind::Refused),
            settled: self.latency(Kind::Settled),
        }
    }
}
