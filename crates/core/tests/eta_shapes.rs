//! What the estimator shows, against what then happened, over five shapes of a crowd; and odds,
//! against who was reached.

mod crowds;

use crowds::{SHAPES, Trace, happen, score};
use onrush_core::line::{Chances, Odds};

#[test]
fn shown_waits_are_honest_over_each_shape() {
    for seed in [1, 2, 3] {
        for shape in &SHAPES {
            let score = score(&happen(shape, seed), seed);
            let what = format!("{}, seed {seed}: {score:?}", shape.name);
            assert!(score.shown > 5_000, "{what}");
            assert!((0.80..=0.97).contains(&score.within_p90), "{what}");
            assert!((0.35..=0.65).contains(&score.within_p50), "{what}");
            assert!(score.p90_to_real <= 2.0, "{what}");
        }
    }
}

#[test]
fn the_same_past_gives_the_same_forecast() {
    let trace = happen(&SHAPES[4], 9);
    let (one, two) = (score(&trace, 1), score(&trace, 1));
    assert_eq!(format!("{one:?}"), format!("{two:?}"));
}

/// Compare the odds of every tenth place with whether it was called up, and return how many of
/// those who were told so were, and how many were told so.
fn reached(trace: &Trace, told: Odds) -> (usize, usize) {
    let (mut reached, mut asked) = (0, 0);
    for tick in trace.ticks.iter().filter(|tick| tick.at_ms % 10_000 == 0 && tick.at_ms > 20_000) {
        for ahead in (0..tick.waiting).step_by(10) {
            if tick.chances(ahead).odds() == told {
                asked += 1;
                reached += usize::from(((tick.served + ahead) as usize) < trace.served_at_ms.len());
            }
        }
    }
    (reached, asked)
}

#[test]
fn odds_are_kept() {
    // In this shape the stock ends in the middle of the line, and a fifth of the holds come back.
    for seed in [1, 2, 3, 4] {
        let trace = happen(&SHAPES[1], seed);
        let (served, told) = reached(&trace, Odds::Likely);
        assert!(told > 1_000 && served * 10 >= told * 9, "likely: {served} of {told}");
        let (served, told) = reached(&trace, Odds::Unlikely);
        assert!(told > 1_000 && served * 10 <= told, "unlikely: {served} of {told}");
        assert_eq!(
            reached(&trace, Odds::None).1,
            0,
            "nobody is sent away while units may come back"
        );
    }
}

#[test]
fn odds_say_what_anybody_would() {
    let odds = |ahead, free, held| {
        Chances { ahead, free, held, share_back_milli: 100, units_per_pass_milli: 900 }.odds()
    };
    assert_eq!(odds(0, 0, 0), Odds::None);
    assert_eq!(odds(2_300, 500, 0), Odds::Unlikely);
    assert_eq!(odds(0, 500, 0), Odds::Likely);
    assert_eq!(odds(550, 500, 0), Odds::Possible);
    assert_eq!(odds(400, 500, 0), Odds::Likely);
    assert_eq!(odds(640, 500, 0), Odds::Unlikely);
    assert_eq!(odds(640, 500, 2_000), Odds::Likely, "200 of the held ones come back");
    assert_eq!(odds(0, 0, 1), Odds::Possible, "the last unit is held by somebody else");
}
