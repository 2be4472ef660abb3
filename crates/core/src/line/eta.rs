//! How long it will take until so many more people were called up, learned from what happened.
//!
//! The middle estimate is the pace of the latest people, half as many as are ahead. Around it stand two
//! corrections for each power of two of people ahead. They come from the estimator's own forecasts:
//! it makes some at every tick, waits until they come true or are overdue, and moves the correction
//! up when time took longer than shown and down when it did not, in the proportion that leaves half
//! of them, or one in ten, behind (adaptive conformal inference; Gibbs and Candès, NeurIPS 2021).
//! So the shown range is as wide as this line was hard to foresee so far, and nothing is assumed
//! about how people arrive or shops behave.
//!
//! A whole line may end before a long forecast comes true; until then it borrows the corrections of
//! the longest that did.
//!
//! Memory is bounded: `POINTS_MAX` points of the past and `PROBES_MAX` forecasts for each power
//! of two. Floating point is fine here: nothing of this is journaled or decided by.

use onrush_types::Timestamp;
use std::collections::VecDeque;

/// Points of the past that are kept; beyond it every second one is dropped.
const POINTS_MAX: usize = 1_024;
/// Own forecasts under way for each power of two of people ahead.
const PROBES_MAX: usize = 16;
/// Own forecasts within the time that one of them takes: more would all tell the same, and a
/// correction would run far before it is seen to be enough.
const PROBES_A_WAIT: f32 = 8.0;
/// Powers of two of people ahead: up to 67 million.
const OCTAVES: usize = 27;

/// A range for a wait: half of the waits end within `p50_ms`, nine in ten within `p90_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eta {
    /// Half of the waits end within it.
    pub p50_ms: u64,
    /// Nine of ten waits end within it.
    pub p90_ms: u64,
}

/// What is known of a line at one tick of its outflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Timestamp,
    /// People called up so far; never falls.
    pub served: u32,
    /// People behind them.
    pub waiting: u32,
    /// People a second that the operator allows; `None` when only the stock bounds the outflow.
    pub per_second: Option<u32>,
    /// Nobody is called up now, by the operator's will.
    pub paused: bool,
}

/// How likely it is that the stock reaches somebody in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odds {
    /// In nine of ten such cases it does.
    Likely,
    /// Nobody can say.
    Possible,
    /// In nine of ten such cases it does not.
    Unlikely,
    /// Everything is sold.
    None,
}

/// What the odds of one place follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chances {
    /// People before this place who were not called up yet, and passes that are out.
    pub ahead: u32,
    /// Units that nobody holds.
    pub free: u32,
    /// Held units.
    pub held: u32,
    /// How many thousandths of held units come back, as measured.
    pub share_back_milli: u32,
    /// How many thousandths of a unit a pass takes, as measured.
    pub units_per_pass_milli: u32,
}

impl Chances {
    /// Return the odds of this place.
    ///
    /// Those ahead take about `ahead × units per pass`, give or take the root of it, and about the
    /// measured share of held units comes back, give or take the root of that; the odds compare the
    /// two as normal variables at one and nine in ten.
    pub fn odds(&self) -> Odds {
        let share = f64::from(self.share_back_milli.min(1_000)) / 1_000.0;
        let back = f64::from(self.held) * share;
        let units = f64::from(self.free) + back;
        if self.free == 0 && self.held == 0 {
            return Odds::None;
        }
        let each = f64::from(self.units_per_pass_milli) / 1_000.0;
        let wanted = f64::from(self.ahead) * each;
        // Buying or not is a coin for each person; several units at once make it no steadier.
        let doubt = (wanted * each.max(1.0) + back * (1.0 - share) + 1.0).sqrt();
        // One unit must be left for this place.
        let margin = (units - 0.5 - wanted) / doubt;
        match margin {
            _ if margin > ONE_IN_TEN => Odds::Likely,
            _ if margin < -ONE_IN_TEN => Odds::Unlikely,
            _ => Odds::Possible,
        }
    }
}

/// Standard deviations beyond which a normal variable is once in ten times.
const ONE_IN_TEN: f64 = 1.2816;

/// Learns from an outflow and forecasts it.
#[derive(Clone, Debug)]
pub struct Forecaster {
    past: Past,
    octaves: Vec<Octave>,
    latest: Option<Sample>,
}

/// A forecast for every number of people ahead, small enough to be handed to every reader.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// For 1, 2, 4, … people ahead: both ends, in milliseconds; empty while nothing can be said.
    known: usize,
    ms: [(f32, f32); OCTAVES],
}

impl Default for Forecaster {
    fn default() -> Forecaster {
        Forecaster::new()
    }
}

impl Forecaster {
    /// Know nothing yet.
    pub fn new() -> Forecaster {
        let octaves = (0..OCTAVES).map(|_| Octave::default()).collect();
        Forecaster { past: Past::default(), octaves, latest: None }
    }

    /// Take a tick of the outflow into account. Ticks that go back in time are left out. Cost:
    /// O(octaves × probes), about a microsecond.
    pub fn tick(&mut self, sample: Sample) {
        if self.latest.is_some_and(|latest| sample.at <= latest.at || sample.served < latest.served)
        {
            return;
        }
        self.past.push(&sample);
        self.latest = Some(sample);
        for octave in &mut self.octaves {
            octave.learn(&sample);
        }
        if sample.paused {
            return;
        }
        for at in 0..OCTAVES {
            let ahead = 1_u32 << at;
            if ahead > sample.waiting {
                break;
            }
            let Some(shown) = self.shown(at) else { continue };
            self.octaves[at].ask(&sample, ahead, shown);
        }
    }

    /// Return what is forecast now.
    pub fn forecast(&self) -> Forecast {
        let mut forecast = Forecast::default();
        if self.latest.is_none_or(|sample| sample.paused) {
            return forecast;
        }
        for at in 0..OCTAVES {
            let Some(shown) = self.shown(at) else { break };
            forecast.ms[at] = shown;
            forecast.known = at + 1;
        }
        forecast
    }

    /// Return both ends for 2^`at` people ahead.
    fn shown(&self, at: usize) -> Option<(f32, f32)> {
        let base = self.past.ms_for((1_u32 << at) as f64)?;
        let (half, nine) = self.corrections(at);
        let half = base * f64::from(half).exp();
        let nine = (base * f64::from(nine).exp()).max(half);
        Some((half as f32, nine as f32))
    }

    /// Return the corrections of an octave, or while it has seen little, those of the next lower
    /// one that has seen more.
    fn corrections(&self, at: usize) -> (f32, f32) {
        let seen = self.octaves[..=at].iter().rev().find(|octave| octave.seen >= SEEN_MIN);
        seen.map_or((0.0, NINE_AT_FIRST), |octave| (octave.half, octave.nine))
    }
}

impl Default for Forecast {
    fn default() -> Forecast {
        Forecast { known: 0, ms: [(0.0, 0.0); OCTAVES] }
    }
}

impl Forecast {
    /// Return the range for somebody with `ahead` people before; `None` while nothing can be said:
    /// nobody was called up yet, or the line is paused. Cost: a few nanoseconds.
    pub fn eta(&self, ahead: u32) -> Option<Eta> {
        // Whoever has nobody before him waits for one call, his own.
        let calls = ahead.saturating_add(1);
        let top = self.known.checked_sub(1)?;
        let at = (calls.ilog2() as usize).min(top);
        let next = (at + 1).min(top);
        let part = f64::from(calls) / f64::from(1_u32 << at) - 1.0;
        let between = |low: f32, high: f32| {
            let (low, high) = (f64::from(low), f64::from(high));
            // Beyond the table, and between its powers of two, time grows with people.
            let ms = if next > at { low + (high - low) * part } else { low * (1.0 + part) };
            ms.round() as u64
        };
        let ((half, nine), (half_next, nine_next)) = (self.ms[at], self.ms[next]);
        Some(Eta { p50_ms: between(half, half_next), p90_ms: between(nine, nine_next) })
    }
}

/// Forecasts that must have come true before an octave speaks for itself.
const SEEN_MIN: u32 = 6;
/// The upper correction before anything was seen: e^0.42, half as long again.
const NINE_AT_FIRST: f32 = 0.42;
/// How far one forecast that came true moves a correction: a share of the width of the range, so
/// that what is easy to foresee is not shaken by the learning itself.
const STEP_SHARE: f32 = 0.2;
const STEP_MIN: f32 = 0.01;
const STEP_MAX: f32 = 0.15;
/// Corrections stay within a factor of e^2 down and e^3 up.
const CORRECTION_MIN: f32 = -2.0;
const CORRECTION_MAX: f32 = 3.0;

/// What was learned about one power of two of people ahead.
#[derive(Clone, Debug)]
struct Octave {
    /// Logarithms of what a wait is longer than the middle estimate.
    half: f32,
    nine: f32,
    seen: u32,
    probes: VecDeque<Probe>,
}

/// An own forecast that has not come true yet.
#[derive(Clone, Copy, Debug)]
struct Probe {
    asked: Timestamp,
    /// It comes true when so many were called up.
    target: u32,
    shown: (f32, f32),
    late: (bool, bool),
}

impl Default for Octave {
    fn default() -> Octave {
        Octave { half: 0.0, nine: NINE_AT_FIRST, seen: 0, probes: VecDeque::new() }
    }
}

impl Octave {
    fn learn(&mut self, sample: &Sample) {
        let Octave { half, nine, seen, probes } = self;
        probes.retain_mut(|probe| {
            let took = sample.at.since(probe.asked).0 as f32;
            let done = sample.served >= probe.target;
            *seen += u32::from(done);
            let step = ((*nine - *half) * STEP_SHARE).clamp(STEP_MIN, STEP_MAX);
            settle(half, 0.5 * step, 0.5 * step, took > probe.shown.0, done, &mut probe.late.0);
            settle(nine, 0.9 * step, 0.1 * step, took > probe.shown.1, done, &mut probe.late.1);
            !done
        });
    }

    /// Forecast once more, if the forecasts under way are not too many yet or too close.
    fn ask(&mut self, sample: &Sample, ahead: u32, shown: (f32, f32)) {
        let spacing = shown.0 / PROBES_A_WAIT;
        let close = |probe: &Probe| (sample.at.since(probe.asked).0 as f32) < spacing;
        if self.probes.len() < PROBES_MAX && !self.probes.back().is_some_and(close) {
            let target = sample.served.saturating_add(ahead);
            let probe = Probe { asked: sample.at, target, shown, late: (false, false) };
            self.probes.push_back(probe);
        }
    }
}

/// Move a correction once for each forecast: up as soon as it is late, down when it came in time.
fn settle(correction: &mut f32, up: f32, down: f32, late: bool, done: bool, told: &mut bool) {
    if late && !*told {
        *told = true;
        *correction = (*correction + up).min(CORRECTION_MAX);
    } else if done && !*told {
        *correction = (*correction - down).max(CORRECTION_MIN);
    }
}

/// How many were called up, over the effort that the operator allowed: a second at a rate of 50
/// counts twice a second at 25, and a pause counts nothing. So a new rate is believed at once.
#[derive(Clone, Debug, Default)]
struct Past {
    points: Vec<Point>,
    /// Effort between points that are kept.
    spacing: f64,
    now: Point,
    at: Option<Timestamp>,
    /// Effort in a millisecond, now.
    pace: f64,
    bounded: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Point {
    effort: f64,
    served: f64,
}

/// People whose time is looked at least, so that one quick call does not promise a quick line.
const PEOPLE_MIN: f64 = 16.0;

impl Past {
    fn push(&mut self, sample: &Sample) {
        let bounded = sample.per_second.is_some();
        if let Some(at) = self.at {
            self.now.effort += self.pace * sample.at.since(at).0 as f64;
        }
        if bounded != self.bounded {
            // Efforts with and without a rate cannot be compared.
            self.points.clear();
        }
        self.bounded = bounded;
        self.at = Some(sample.at);
        self.pace = if sample.paused { 0.0 } else { sample.per_second.map_or(1.0, f64::from) };
        self.now.served = f64::from(sample.served);
        let due = |last: &Point| self.now.effort >= last.effort + self.spacing;
        if self.points.last().is_none_or(due) {
            self.points.push(self.now);
        }
        if self.points.len() > POINTS_MAX {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            let span = self.now.effort - self.points[0].effort;
            self.spacing = span / (POINTS_MAX / 2) as f64;
        }
    }

    /// Return the time that `calls` more would take at the pace of the latest.
    fn ms_for(&self, calls: f64) -> Option<f64> {
        let effort_each = self.effort_each((calls / 2.0).max(PEOPLE_MIN))?;
        let ms = calls * effort_each / self.pace;
        ms.is_finite().then_some(ms)
    }

    /// Return the effort for each of the latest `calls`, or of all there were.
    fn effort_each(&self, calls: f64) -> Option<f64> {
        let from = self.now.served - calls;
        let at = self.points.partition_point(|point| point.served <= from);
        let start = match at.checked_sub(1) {
            None => *self.points.first()?,
            Some(before) => self.points[before],
        };
        let served = self.now.served - start.served;
        if served < 1.0 {
            return None;
        }
        Some((self.now.effort - start.effort) / served)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(ms: u64, served: u32) -> Sample {
        let at = Timestamp(5_000_000 + ms);
        Sample { at, served, waiting: 100_000, per_second: Some(50), paused: false }
    }

    /// Call up 50 people a second for `seconds`, from a state that was left at `from`.
    fn run(forecaster: &mut Forecaster, from: u64, seconds: u64) {
        (from * 5..(from + seconds) * 5)
            .for_each(|tick| forecaster.tick(sample(tick * 200, tick as u32 * 10)));
    }

    fn ms(forecaster: &Forecaster, ahead: u32) -> u64 {
        forecaster.forecast().eta(ahead).expect("an estimate").p50_ms
    }

    #[test]
    fn says_nothing_before_anybody_was_called_up_or_in_a_pause() {
        let mut forecaster = Forecaster::new();
        assert_eq!(forecaster.forecast().eta(0), None);
        forecaster.tick(sample(0, 0));
        forecaster.tick(sample(200, 0));
        assert_eq!(forecaster.forecast().eta(0), None);
        run(&mut forecaster, 1, 10);
        assert!(forecaster.forecast().eta(0).is_some());
        forecaster.tick(Sample { paused: true, ..sample(11_000, 550) });
        assert_eq!(forecaster.forecast().eta(0), None);
        forecaster.tick(sample(60_000, 550));
        forecaster.tick(sample(60_200, 550));
        let after = ms(&forecaster, 999);
        assert!((15_000..28_000).contains(&after), "the pause is no part of the pace: {after}");
    }

    #[test]
    fn a_new_rate_is_believed_at_once() {
        let mut forecaster = Forecaster::new();
        run(&mut forecaster, 0, 60);
        let before = ms(&forecaster, 4_999);
        assert!((80_000..125_000).contains(&before), "{before}");
        forecaster.tick(Sample { per_second: Some(25), ..sample(60_000, 3_000) });
        let after = ms(&forecaster, 4_999);
        assert!((160_000..250_000).contains(&after), "{after}");
        forecaster.tick(Sample { per_second: None, ..sample(60_200, 3_000) });
        assert_eq!(forecaster.forecast().eta(0), None, "no rate, no comparison: wait for calls");
        forecaster.tick(Sample { per_second: None, ..sample(61_200, 3_100) });
        assert!((8_000..13_000).contains(&ms(&forecaster, 999)), "100 in a second");
    }

    #[test]
    fn the_range_grows_with_the_people_ahead_and_is_a_range() {
        let mut forecaster = Forecaster::new();
        run(&mut forecaster, 0, 300);
        let forecast = forecaster.forecast();
        let mut last = Eta { p50_ms: 0, p90_ms: 0 };
        for ahead in (0..200_000).step_by(7) {
            let eta = forecast.eta(ahead).expect("an estimate");
            assert!(eta.p50_ms <= eta.p90_ms, "{ahead}: {eta:?}");
            // Corrections of two octaves differ a little.
            assert!(eta.p50_ms as f64 >= last.p50_ms as f64 * 0.8, "{ahead}: {last:?} {eta:?}");
            last = eta;
        }
    }

    #[test]
    fn time_and_people_never_go_back() {
        let mut forecaster = Forecaster::new();
        run(&mut forecaster, 0, 10);
        let before = forecaster.forecast();
        forecaster.tick(sample(500, 10_000));
        forecaster.tick(sample(10_000, 3));
        assert_eq!(forecaster.forecast(), before);
    }

    #[test]
    fn memory_is_bounded() {
        let mut forecaster = Forecaster::new();
        run(&mut forecaster, 0, 4_000);
        assert!(forecaster.past.points.len() <= POINTS_MAX);
        assert!(forecaster.octaves.iter().all(|octave| octave.probes.len() <= PROBES_MAX));
        assert!((80_000..125_000).contains(&ms(&forecaster, 4_999)), "and thinning loses nothing");
    }
}

#[cfg(test)]
#[path = "eta_tests.rs"]
mod figures;
