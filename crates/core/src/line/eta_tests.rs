//! The figures of the estimator, each by itself.

use super::*;

fn chances(ahead: u32, free: u32, held: u32, (back, units): (u32, u32)) -> Odds {
    let (share_back_milli, units_per_pass_milli) = (back, units);
    Chances { ahead, free, held, share_back_milli, units_per_pass_milli }.odds()
}

#[test]
fn odds_change_where_the_normal_variable_says() {
    // (ahead, held, (share back, units a pass)): the first free units with even and with good odds.
    for (ahead, held, shares, possible, likely) in [
        (100, 40, (250, 1_000), 78, 104),
        (100, 100, (500, 2_000), 125, 177),
        (400, 100, (500, 500), 132, 170),
        (10, 40, (0, 1_000), 7, 15),
        (10, 40, (2_000, 1_000), 0, 0),
    ] {
        for free in 0..likely + 20 {
            let expected = match free {
                _ if free >= likely => Odds::Likely,
                _ if free >= possible => Odds::Possible,
                _ => Odds::Unlikely,
            };
            assert_eq!(chances(ahead, free, held, shares), expected, "{ahead} {held} {free}");
        }
    }
    let alone = [0, 1, 2].map(|free| chances(0, free, 0, (0, 1_000)));
    assert_eq!(alone, [Odds::None, Odds::Possible, Odds::Likely]);
    assert_eq!(chances(10, 19, 40, (250, 2_000)), Odds::Possible);
    assert_eq!(chances(10, 10, 40, (500, 2_000)), Odds::Likely);
    // A margin of exactly one in ten, 801 ÷ 625, is not beyond it.
    for (free, expected) in [
        (389_821, Odds::Unlikely),
        (389_822, Odds::Possible),
        (391_424, Odds::Possible),
        (391_425, Odds::Likely),
    ] {
        assert_eq!(chances(781_247, free, 2, (500, 500)), expected, "{free}");
    }
}

#[test]
fn a_forecast_goes_evenly_between_its_powers_of_two_and_on_beyond_them() {
    let mut forecast = Forecast { known: 3, ..Forecast::default() };
    forecast.ms[..4].copy_from_slice(&[(100., 150.), (200., 400.), (400., 1_000.), (9., 9.)]);
    for (ahead, p50_ms, p90_ms) in [
        (0, 100, 150),
        (1, 200, 400),
        (2, 300, 700),
        (3, 400, 1_000),
        (5, 600, 1_500),
        (7, 800, 2_000),
        (39, 4_000, 10_000),
    ] {
        assert_eq!(forecast.eta(ahead), Some(Eta { p50_ms, p90_ms }), "{ahead}");
    }
    assert_eq!(Forecast { known: 0, ..forecast }.eta(0), None);
}

fn sample(at: u64, served: u32) -> Sample {
    let at = Timestamp(1_000_000 + at);
    Sample { at, served, waiting: 0, per_second: None, paused: false }
}

#[test]
fn forecasts_are_made_for_no_more_people_than_wait() {
    let mut forecaster = Forecaster::new();
    (0..10).for_each(|n| forecaster.tick(sample(n * 1_000, n as u32 * 5)));
    assert_eq!(forecaster.forecast().known, OCTAVES, "every power of two is told");
    assert!(forecaster.octaves.iter().all(|octave| octave.probes.is_empty()), "nobody waits");
    forecaster.tick(Sample { waiting: 4, ..sample(10_000, 50) });
    let made: Vec<usize> = forecaster.octaves.iter().map(|octave| octave.probes.len()).collect();
    assert_eq!((&made[..4], made[4..].iter().sum()), (&[1, 1, 1, 0][..], 0));
}

#[test]
fn a_forecast_is_late_once_its_time_is_past_and_counts_once() {
    let probe = Probe {
        asked: Timestamp(1_000_000),
        target: 10,
        shown: (500.0, 800.0),
        late: (false, false),
    };
    let mut octave = Octave { half: 0.0, nine: 1.0, seen: 0, probes: VecDeque::from([probe]) };
    let step = STEP_MAX;
    for (at, served, half, nine, seen) in [
        (500, 9, 0.0, 1.0, 0),
        (501, 9, 0.5 * step, 1.0, 0),
        (800, 9, 0.5 * step, 1.0, 0),
        (801, 9, 0.5 * step, 1.0 + 0.9 * step, 0),
        (900, 9, 0.5 * step, 1.0 + 0.9 * step, 0),
        (950, 10, 0.5 * step, 1.0 + 0.9 * step, 1),
        (960, 11, 0.5 * step, 1.0 + 0.9 * step, 1),
    ] {
        octave.learn(&sample(at, served));
        assert_eq!((octave.half, octave.nine, octave.seen), (half, nine, seen), "at {at}");
    }
    assert!(octave.probes.is_empty());
}

#[test]
fn forecasts_under_way_are_few_and_apart() {
    let mut octave = Octave::default();
    let shown = (800.0, 900.0);
    for (at, made) in [(0, 1), (99, 1), (100, 2), (199, 2), (200, 3)] {
        octave.ask(&sample(at, 0), 1, shown);
        assert_eq!(octave.probes.len(), made, "at {at}");
    }
    (3..40).for_each(|n| octave.ask(&sample(n * 100, 0), 1, shown));
    assert_eq!(octave.probes.len(), PROBES_MAX);
}

#[test]
fn a_long_past_is_thinned_evenly() {
    let mut past = Past::default();
    // What was before, at a rate, is of another measure and forgotten; its effort stays counted.
    for at in [0, 1_000] {
        past.push(&Sample { per_second: Some(50), ..sample(at, 0) });
    }
    let mut now = 1_000;
    let mut push = |past: &mut Past, times| {
        for _ in 0..times {
            now += 1_000;
            past.push(&sample(now, now as u32));
        }
        (past.points.len(), past.spacing)
    };
    assert_eq!(push(&mut past, 1), (1, 0.0));
    assert_eq!(past.points[0].effort, 100_000.0);
    assert_eq!(push(&mut past, POINTS_MAX - 1), (POINTS_MAX, 0.0));
    assert_eq!(push(&mut past, 1), (POINTS_MAX / 2 + 1, 2_000.0), "every second one");
    assert_eq!(push(&mut past, 1).0, POINTS_MAX / 2 + 1, "not due yet");
    assert_eq!(push(&mut past, 1).0, POINTS_MAX / 2 + 2);
    assert_eq!(push(&mut past, 2).0, POINTS_MAX / 2 + 3);
}

#[test]
fn the_pace_is_that_of_half_as_many_as_are_ahead() {
    let point = |(effort, served)| Point { effort, served };
    let points = [(0., 0.), (1_000., 100.), (1_100., 200.), (1_200., 300.)].map(point).to_vec();
    let now = point((1_200., 300.));
    let past = Past { points, now, pace: 1.0, ..Past::default() };
    // Slow at first, then ten times as quick.
    for (calls, ms) in [(200., 200.), (400., 400.), (600., 2_400.), (2_000., 8_000.)] {
        assert_eq!(past.ms_for(calls), Some(ms), "{calls}");
    }
    let one = Past { points: vec![point((0., 0.))], now: point((40., 1.)), ..past.clone() };
    assert_eq!(one.ms_for(2.), Some(80.), "one call is enough to tell");
    let nobody = Past { points: vec![point((0., 0.))], now: point((40., 0.)), ..past };
    assert_eq!(nobody.ms_for(2.), None);
}
