//! How fast, and when again: a token bucket and exponential backoff. Time and randomness are
//! arguments.
//!
//! In any window of `t` seconds at most `rate × t + burst` attempts start.

use crate::limits::{BACKOFF_MS_MAX, BACKOFF_MS_MIN, TICK_MS};
use onrush_types::{DurationMs, Timestamp};

/// A token bucket in thousandths of an attempt.
#[derive(Clone, Debug)]
pub struct Bucket {
    per_second: u32,
    credit_milli: u64,
    at: Timestamp,
}

impl Bucket {
    /// Make a full bucket.
    pub fn new(per_second: u32, now: Timestamp) -> Bucket {
        let mut bucket = Bucket { per_second, credit_milli: 0, at: now };
        bucket.credit_milli = bucket.most_milli();
        bucket
    }

    /// Return how many attempts may start at once after a pause: two ticks' worth, at least one.
    pub fn burst(&self) -> u64 {
        self.most_milli() / 1_000
    }

    /// Return how many attempts may start now.
    pub fn available(&mut self, now: Timestamp) -> u64 {
        let since = now.since(self.at);
        // A clock that was set back earns nothing until it is past where it was.
        if now > self.at {
            self.at = now;
            let earned = since.0.saturating_mul(u64::from(self.per_second));
            self.credit_milli = self.credit_milli.saturating_add(earned).min(self.most_milli());
        }
        self.credit_milli / 1_000
    }

    /// Take `count` of what [`available`](Bucket::available) returned.
    ///
    /// # Panics
    /// When there were fewer.
    pub fn take(&mut self, count: u64) {
        let cost = count * 1_000;
        assert!(cost <= self.credit_milli, "more attempts than the rate allows");
        self.credit_milli -= cost;
    }

    fn most_milli(&self) -> u64 {
        (u64::from(self.per_second) * 2 * TICK_MS).max(1_000)
    }
}

/// Return how long to wait after `attempts` refusals: doubling from [`BACKOFF_MS_MIN`] to
/// [`BACKOFF_MS_MAX`], the upper half of it at random by `chance`, but at least what the other side
/// `asked` for, within the same bound.
pub fn backoff(attempts: u8, asked: Option<DurationMs>, chance: u32) -> DurationMs {
    let doubled = BACKOFF_MS_MIN.saturating_mul(1 << attempts.saturating_sub(1).min(32));
    let full = doubled.min(BACKOFF_MS_MAX);
    let half = full / 2;
    let spread = (u128::from(chance) * u128::from(full - half + 1)) >> 32;
    let wait = half + spread as u64;
    DurationMs(wait.max(asked.map_or(0, |asked| asked.0.min(BACKOFF_MS_MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_window_has_more_than_the_rate(
            per_second in 1_u32..500,
            steps in proptest::collection::vec((0_u64..3_000, 0_u64..100), 1..60),
        ) {
            let mut now = Timestamp(1_000_000);
            let mut bucket = Bucket::new(per_second, now);
            let burst = bucket.burst();
            let mut started: Vec<(Timestamp, u64)> = Vec::new();
            for (pause_ms, wanted) in steps {
                now = now + DurationMs(pause_ms);
                let count = bucket.available(now).min(wanted);
                bucket.take(count);
                started.push((now, count));
            }
            for from in 0..started.len() {
                let mut sum = 0;
                for (at, count) in &started[from..] {
                    sum += count;
                    let window_ms = at.since(started[from].0).0;
                    prop_assert!(sum * 1_000 <= u64::from(per_second) * window_ms + burst * 1_000 + 999);
                }
            }
        }
    }

    #[test]
    fn a_steady_bucket_reaches_its_rate_and_a_clock_set_back_earns_nothing() {
        let mut bucket = Bucket::new(20, Timestamp(0));
        let mut total = 0;
        for tick in 0..=100 {
            let count = bucket.available(Timestamp(tick * TICK_MS));
            bucket.take(count);
            total += count;
        }
        assert_eq!(total, 20 * 10 + bucket.burst());
        assert_eq!(bucket.available(Timestamp(0)), 0);
        assert_eq!(bucket.available(Timestamp(10_050)), 1);
        assert_eq!(Bucket::new(1, Timestamp(0)).burst(), 1);
    }

    #[test]
    fn waits_double_spread_and_end() {
        assert_eq!(backoff(1, None, 0), DurationMs(1_000));
        assert_eq!(backoff(1, None, u32::MAX), DurationMs(2_000));
        assert_eq!(backoff(2, None, u32::MAX), DurationMs(4_000));
        assert_eq!(backoff(200, None, u32::MAX), DurationMs(BACKOFF_MS_MAX));
        assert_eq!(backoff(200, None, 0), DurationMs(BACKOFF_MS_MAX / 2));
        assert_eq!(backoff(1, Some(DurationMs(30_000)), 0), DurationMs(30_000));
        assert_eq!(backoff(1, Some(DurationMs(1)), 0), DurationMs(1_000));
        assert_eq!(backoff(1, Some(DurationMs(u64::MAX)), 0), DurationMs(BACKOFF_MS_MAX));
    }
}
