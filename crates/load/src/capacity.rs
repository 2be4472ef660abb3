//! Finds the highest rate at which a server keeps its thresholds.
//!
//! ```text
//! start ─ keeps ─► twice as much ─ … ─ breaks ─► halfway between the last two ─ … ─► close enough
//!       └ breaks ─► half as much ─ …
//! ```
//!
//! Each rate is tried up to three times, and two outcomes that agree decide: one bad moment of a shared
//! machine is no limit. The search is pure; what a trial is, is an argument.

use crate::drive::Tally;
use crate::outcome::Outcome;
use crate::own::Limit;
use crate::threshold::Judged;
use serde::Serialize;

/// Trials of one rate at most.
const TRIALS: usize = 3;
/// The rate that broke and the one that held may differ by this factor at the end.
const CLOSE: f64 = 1.05;
/// Rates tried at most.
const RATES_MAX: usize = 40;

/// What to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The rate to begin with.
    pub start: f64,
    /// No rate above it is tried.
    pub most: f64,
}

/// What one trial showed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// Arrivals a second that were asked for.
    pub rate: f64,
    /// Answers a second that came.
    pub answered_per_second: f64,
    /// The thresholds.
    pub thresholds: Vec<Judged>,
    /// All of them held, and something was answered.
    pub holds: bool,
    /// Which side limited it.
    pub limited_by: Limit,
    /// Why.
    pub why: String,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Capacity {
    /// The highest rate that held; 0 when none did.
    pub rate: f64,
    /// The lowest rate above it that broke; none when the highest rate asked for held.
    pub breaks_at: Option<f64>,
    /// The side that limited the trials that broke there.
    pub limited_by: Limit,
    /// Why, in the words of one of these trials.
    pub why: String,
    /// Every trial, in order.
    pub trials: Vec<Trial>,
}

impl Trial {
    /// Judge a run at a rate. It holds if every check and threshold did, each threshold had something to
    /// measure, and everybody who came could ask.
    pub fn of(rate: f64, outcome: &Outcome, tally: &Tally) -> Trial {
        let measured = outcome.thresholds.iter().all(|threshold| threshold.found.is_some());
        let holds = outcome.holds && measured && tally.figures.answered > 0 && tally.unsent == 0;
        let (mut limited_by, mut why) = (outcome.limited_by, outcome.limit_why.clone());
        if !holds && limited_by == Limit::None {
            (limited_by, why) = (Limit::Server, "it broke a threshold or a promise".to_owned());
        }
        Trial {
            rate,
            answered_per_second: outcome.figures.answered_per_second,
            thresholds: outcome.thresholds.clone(),
            holds,
            limited_by,
            why,
        }
    }
}

/// Search. `attempt` plays a trial at a rate; its number tells repetitions apart.
///
/// # Errors
/// The first error of a trial.
pub fn find<E>(
    range: Range,
    mut attempt: impl FnMut(f64, u32) -> Result<Trial, E>,
) -> Result<Capacity, E> {
    let mut trials: Vec<Trial> = Vec::new();
    let mut bracket = Bracket::new(range);
    let mut n = 0;
    while let Some(rate) = bracket.next() {
        let (mut held, mut broke) = (0, 0);
        while held.max(broke) <= TRIALS / 2 {
            n += 1;
            let trial = attempt(rate, n)?;
            if trial.holds {
                held += 1
            } else {
                broke += 1
            }
            trials.push(trial);
        }
        bracket.learn(rate, held > broke);
    }
    let breaks_at = bracket.breaks;
    let last = breaks_at
        .and_then(|rate| trials.iter().rev().find(|trial| trial.rate == rate && !trial.holds));
    let (limited_by, why) = match last {
        Some(trial) => (trial.limited_by, trial.why.clone()),
        None => (Limit::None, "the highest rate that was asked for held".to_owned()),
    };
    Ok(Capacity { rate: bracket.holds, breaks_at, limited_by, why, trials })
}

/// Between a rate that held and one that broke.
#[derive(Clone, Copy, Debug)]
struct Bracket {
    range: Range,
    /// 0: none yet.
    holds: f64,
    breaks: Option<f64>,
    tried: usize,
}

impl Bracket {
    fn new(range: Range) -> Bracket {
        Bracket { range, holds: 0.0, breaks: None, tried: 0 }
    }

    /// Return the rate to try next.
    fn next(&self) -> Option<f64> {
        if self.tried >= RATES_MAX {
            return None;
        }
        let rate = match self.breaks {
            None if self.holds == 0.0 => self.range.start.min(self.range.most),
            None if self.holds >= self.range.most => return None,
            None => (self.holds * 2.0).min(self.range.most),
            Some(breaks) if self.holds == 0.0 => breaks / 2.0,
            Some(breaks) if breaks / self.holds <= CLOSE => return None,
            Some(breaks) => (breaks * self.holds).sqrt(),
        };
        (rate >= 1.0).then(|| rounded(rate)).filter(|&rate| {
            // Rounding must not ask again what is known.
            rate != self.holds && Some(rate) != self.breaks
        })
    }

    fn learn(&mut self, rate: f64, held: bool) {
        self.tried += 1;
        if held {
            self.holds = self.holds.max(rate);
        } else {
            self.breaks = Some(self.breaks.map_or(rate, |breaks| breaks.min(rate)));
        }
    }
}

/// Keep three digits: nobody needs more of a rate.
fn rounded(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 2.0).max(1.0);
    (rate / unit).round() * unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::PLAIN;
    use crate::outcome::Settings;
    use crate::own::Start;
    use crate::threshold::Threshold;
    use std::convert::Infallible;

    fn trial(rate: f64, holds: bool) -> Trial {
        let limited_by = if holds { Limit::None } else { Limit::Server };
        let why = format!("at {rate}");
        Trial { rate, answered_per_second: rate, thresholds: Vec::new(), holds, limited_by, why }
    }

    fn search(start: f64, most: f64, limit: f64) -> Capacity {
        let found =
            find(Range { start, most }, |rate, _| Ok::<_, Infallible>(trial(rate, rate <= limit)));
        found.unwrap_or_else(|never| match never {})
    }

    #[test]
    fn the_limit_is_found_from_below_and_from_above() {
        for limit in [30.0, 950.0, 1_000.0, 1_001.0, 47_300.0, 800_000.0] {
            let found = search(1_000.0, 1e6, limit);
            let breaks = found.breaks_at.expect("it broke");
            assert!(found.rate <= limit && limit < breaks, "{limit}: {found:?}");
            assert!(breaks / found.rate <= 1.06, "{limit}: {} to {breaks}", found.rate);
            assert_eq!((found.limited_by, found.why), (Limit::Server, format!("at {breaks}")));
            assert!(found.trials.len() <= 2 * 20, "{limit}: {}", found.trials.len());
        }
    }

    #[test]
    fn the_highest_rate_may_hold_and_the_lowest_may_break() {
        let found = search(1_000.0, 5_000.0, 1e9);
        assert_eq!((found.rate, found.breaks_at, found.limited_by), (5_000.0, None, Limit::None));
        let found = search(1_000.0, 5_000.0, 0.0);
        assert_eq!((found.rate, found.limited_by), (0.0, Limit::Server));
        assert!(found.breaks_at.is_some_and(|rate| rate < 2.0));
    }

    #[test]
    fn one_bad_moment_is_no_limit_and_one_good_one_is_no_proof() {
        let range = Range { start: 1_000.0, most: 2_000.0 };
        let mut seen = Vec::new();
        let found = find(range, |rate, n| {
            seen.push(rate);
            // At 1,000 the first trial fails by chance; at 2,000 the first holds by chance.
            let first = seen.iter().filter(|&&other| other == rate).count() == 1;
            Ok::<_, Infallible>(trial(rate, (rate < 1_500.0) != first || n == 0))
        });
        let found = found.unwrap_or_else(|never| match never {});
        assert!((1_000.0..2_000.0).contains(&found.rate), "{found:?}");
        assert_eq!(seen.iter().filter(|&&rate| rate == 1_000.0).count(), 3);
        assert_eq!(found.breaks_at.map(|rate| rate < 2_000.0), Some(true));
    }

    #[test]
    fn a_trial_that_measured_nothing_does_not_hold() {
        let settings = Settings {
            target: String::new(),
            address: String::new(),
            arrivals: String::new(),
            rate: 5.0,
            duration_ms: 1,
            warm_up_ms: 0,
            connections: 1,
            seed: 1,
            queueing: "auto",
        };
        let mut tally = Tally::empty();
        let slo: Threshold = "p99<1s".parse().expect("a threshold");
        let judge = |tally: &Tally| {
            let own = Start::now().cost(tally);
            let mut outcome = Outcome::new(settings.clone(), &PLAIN, tally, own);
            (outcome.limited_by, outcome.limit_why) = (Limit::None, String::new());
            outcome.measured(vec![slo.judge(tally)]);
            Trial::of(5.0, &outcome, tally)
        };
        tally.figures.answered = 1;
        let nothing = judge(&tally);
        assert_eq!((nothing.holds, nothing.limited_by), (false, Limit::Server));
        tally.reserves.record(10).expect("in range");
        let fast = judge(&tally);
        assert_eq!((fast.holds, fast.limited_by), (true, Limit::None));
        tally.unsent = 1;
        assert!(!judge(&tally).holds, "somebody could not ask");
        tally.unsent = 0;
        tally.reserves.record(2_000_000).expect("in range");
        assert!(!judge(&tally).holds, "one was too slow");
    }

    #[test]
    fn an_error_ends_the_search() {
        let range = Range { start: 1_000.0, most: 2_000.0 };
        assert_eq!(find(range, |_, _| Err::<Trial, _>("gone")), Err("gone"));
    }
}
