//! Shown waits over five shapes of a crowd, polled as the gateway tells people to.

use crate::crowds::{SHAPES, Score, happen, score};
use crate::{Row, Setup};

const SEEDS: u64 = 10;

/// Score each shape over several seeds, and tell the worst.
pub(crate) fn run(_: &Setup) -> Vec<Row> {
    let rows = SHAPES.iter().map(|shape| {
        let scores: Vec<Score> =
            (1..=SEEDS).map(|seed| score(&happen(shape, seed), seed)).collect();
        let range = |of: fn(&Score) -> f64| {
            let values = scores.iter().map(of);
            values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        let (half, nine) = (range(|s| s.within_p50), range(|s| s.within_p90));
        let (_, wide) = range(|s| s.p90_to_real);
        let percent = |(low, high): (f64, f64)| format!("{:.0}–{:.0} %", low * 100.0, high * 100.0);
        Row {
            what: format!("shown waits, {}", shape.name),
            target: "80–97 % ≤ p90, 35–65 % ≤ p50, p90 ≤ 2 × real",
            measured: format!(
                "{} ≤ p90, {} ≤ p50, p90 {wide:.2} × real at most, over {SEEDS} seeds",
                percent(nine),
                percent(half)
            ),
            reached: nine.0 >= 0.80
                && nine.1 <= 0.97
                && half.0 >= 0.35
                && half.1 <= 0.65
                && wide <= 2.0,
        }
    });
    rows.collect()
}
