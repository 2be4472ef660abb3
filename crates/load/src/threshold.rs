//! What a run must reach: `p99<50ms`, `errors<=0.1%`, `rate>=20k`.
//!
//! A threshold names a figure, a comparison and a value with the unit of that figure.

use crate::drive::Tally;
use crate::run::Kind;
use hdrhistogram::Histogram;
use onrush_gateway::wire::parse_duration;
use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// A figure, a comparison, a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    figure: Figure,
    compare: Compare,
    /// In the unit of the figure.
    limit: f64,
}

/// A threshold and what was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The figure.
    pub name: String,
    /// `<`, `<=`, `>` or `>=`.
    pub must_be: &'static str,
    /// In `unit`.
    pub limit: f64,
    /// The same, where the figure must not be above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// What limit and figure are in.
    pub unit: &'static str,
    /// What was measured; nothing where there was nothing to measure.
    pub found: Option<f64>,
    /// It was kept, or there was nothing to measure.
    pub holds: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    Latency(Of, f64),
    Rate,
    HoldRate,
    Count(Counted),
    Errors,
    Bots,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Reserves,
    Granted,
    Refused,
    Settled,
    Joins,
    Looks,
    Waits,
    Lag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Holds,
    Sales,
    Answered,
    Unanswered,
    GivenUp,
    Unsent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Below,
    AtMost,
    Above,
    AtLeast,
}

const LATENCIES: [(&str, Of); 8] = [
    ("reserves", Of::Reserves),
    ("granted", Of::Granted),
    ("refused", Of::Refused),
    ("settled", Of::Settled),
    ("joins", Of::Joins),
    ("looks", Of::Looks),
    ("waits", Of::Waits),
    ("lag", Of::Lag),
];
const QUANTILES: [(&str, f64); 7] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("max", 1.0),
];
const OTHERS: [(&str, Figure); 10] = [
    ("rate", Figure::Rate),
    ("holds.rate", Figure::HoldRate),
    ("holds", Figure::Count(Counted::Holds)),
    ("sales", Figure::Count(Counted::Sales)),
    ("answered", Figure::Count(Counted::Answered)),
    ("unanswered", Figure::Count(Counted::Unanswered)),
    ("given_up", Figure::Count(Counted::GivenUp)),
    ("unsent", Figure::Count(Counted::Unsent)),
    ("errors", Figure::Errors),
    ("bots", Figure::Bots),
];
const COMPARES: [(&str, Compare); 4] = [
    ("<=", Compare::AtMost),
    (">=", Compare::AtLeast),
    ("<", Compare::Below),
    (">", Compare::Above),
];

impl FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> Result<Threshold, String> {
        let (at, (sign, compare)) = COMPARES
            .iter()
            .filter_map(|entry| text.find(entry.0).map(|at| (at, *entry)))
            .min_by_key(|(at, (sign, _))| (*at, std::cmp::Reverse(sign.len())))
            .ok_or_else(|| format!("{text:?} compares nothing; write it as in \"p99<50ms\""))?;
        let (name, value) = (text[..at].trim(), text[at + sign.len()..].trim());
        let figure = figure_named(name).ok_or_else(|| {
            let names = OTHERS.map(|(name, _)| name).join(", ");
            let of = LATENCIES.map(|(name, _)| name).join(", ");
            format!(
                "{name:?} is no figure; there are p50, p75, p90, p95, p99, p99.9 and max (of \
                 reserves, or as in granted.p99: {of}), and {names}"
            )
        })?;
        let limit = figure.value(value)?;
        Ok(Threshold { figure, compare, limit })
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.figure.unit();
        write!(f, "{}{}{}{unit}", self.figure.name(), self.compare.sign(), self.limit)
    }
}

impl Threshold {
    /// Say that a latency must be at most so many milliseconds: `granted.p99<=MS`.
    pub fn granted_p99(at_most_ms: u64) -> Threshold {
        let figure = Figure::Latency(Of::Granted, 0.99);
        Threshold { figure, compare: Compare::AtMost, limit: at_most_ms as f64 }
    }

    /// Say that at most so many requests may stay without an answer.
    pub fn unanswered(at_most: u32) -> Threshold {
        let figure = Figure::Count(Counted::Unanswered);
        Threshold { figure, compare: Compare::AtMost, limit: at_most.into() }
    }

    /// Compare with what was counted.
    pub fn judge(&self, tally: &Tally) -> Judged {
        let found = self.figure.found(tally);
        let holds = found.is_none_or(|found| match self.compare {
            Compare::Below => found < self.limit,
            Compare::AtMost => found <= self.limit,
            Compare::Above => found > self.limit,
            Compare::AtLeast => found >= self.limit,
        });
        let upper = matches!(self.compare, Compare::Below | Compare::AtMost);
        Judged {
            name: self.figure.name(),
            must_be: self.compare.sign(),
            limit: self.limit,
            at_most: upper.then_some(self.limit),
            unit: self.figure.unit(),
            found,
            holds,
        }
    }
}

impl Compare {
    fn sign(self) -> &'static str {
        COMPARES.iter().find(|entry| entry.1 == self).map_or("", |entry| entry.0)
    }
}

impl Figure {
    fn name(self) -> String {
        if let Figure::Latency(of, quantile) = self {
            let quantile = QUANTILES.iter().find(|entry| entry.1 == quantile);
            let quantile = quantile.map_or("", |entry| entry.0);
            let of = LATENCIES.iter().find(|entry| entry.1 == of).map_or("", |entry| entry.0);
            return if of == "reserves" { quantile.to_owned() } else { format!("{of}.{quantile}") };
        }
        OTHERS.iter().find(|entry| entry.1 == self).map_or("", |entry| entry.0).to_owned()
    }

    fn unit(self) -> &'static str {
        match self {
            Figure::Latency(..) => "ms",
            Figure::Rate | Figure::HoldRate => "/s",
            Figure::Count(_) => "",
            Figure::Errors | Figure::Bots => "%",
        }
    }

    fn value(self, text: &str) -> Result<f64, String> {
        match self {
            Figure::Latency(..) => milliseconds(text),
            Figure::Errors | Figure::Bots => text
                .strip_suffix('%')
                .and_then(|number| number.trim().parse::<f64>().ok())
                .filter(|share| (0.0..=100.0).contains(share))
                .ok_or_else(|| format!("{text:?} is no share; write it as in \"0.1%\"")),
            Figure::Rate | Figure::HoldRate | Figure::Count(_) => {
                number(text.strip_suffix("/s").unwrap_or(text))
                    .ok_or_else(|| format!("{text:?} is no number such as 500, 10k or 1m"))
            }
        }
    }

    fn found(self, tally: &Tally) -> Option<f64> {
        let figures = &tally.figures;
        let seconds = figures.took.as_secs_f64();
        let rate = |count: u64| (seconds > 0.0).then(|| count as f64 / seconds);
        match self {
            Figure::Latency(of, quantile) => {
                let histogram = of.histogram(tally);
                let us = histogram.value_at_quantile(quantile);
                (!histogram.is_empty()).then_some(us as f64 / 1e3)
            }
            Figure::Rate => rate(figures.answered),
            Figure::HoldRate => rate(figures.holds),
            Figure::Count(counted) => Some(match counted {
                Counted::Holds => figures.holds,
                Counted::Sales => figures.sales,
                Counted::Answered => figures.answered,
                Counted::Unanswered => figures.unanswered,
                Counted::GivenUp => figures.given_up,
                Counted::Unsent => tally.unsent,
            } as f64),
            Figure::Errors => {
                let wrong = figures.unanswered + figures.given_up + tally.unsent;
                percent(wrong, tally.sent + tally.unsent)
            }
            Figure::Bots => {
                let units = |bots_only: bool| -> u64 {
                    let all = crate::crowd::Behaviour::ALL.iter().zip(&tally.by_behaviour);
                    let counted = all.filter(|(b, _)| !bots_only || b.is_bot());
                    counted.map(|(_, by)| by.units).sum()
                };
                percent(units(true), units(false))
            }
        }
    }
}

impl Of {
    fn histogram(self, tally: &Tally) -> &Histogram<u64> {
        match self {
            Of::Reserves => &tally.reserves,
            Of::Granted => tally.figures.histogram(Kind::Granted),
            Of::Refused => tally.figures.histogram(Kind::Refused),
            Of::Settled => tally.figures.histogram(Kind::Settled),
            Of::Joins => &tally.joins,
            Of::Looks => &tally.looks,
            Of::Waits => &tally.in_line.waits,
            Of::Lag => &tally.lag,
        }
    }
}

fn figure_named(name: &str) -> Option<Figure> {
    if let Some((_, figure)) = OTHERS.iter().find(|entry| entry.0 == name) {
        return Some(*figure);
    }
    let latency = |of: &str, quantile: &str| {
        let of = LATENCIES.iter().find(|entry| entry.0 == of)?.1;
        let quantile = QUANTILES.iter().find(|entry| entry.0 == quantile)?.1;
        Some(Figure::Latency(of, quantile))
    };
    latency("reserves", name)
        .or_else(|| name.split_once('.').and_then(|(of, quantile)| latency(of, quantile)))
}

/// Read a time, also below a millisecond: `800us`, `2.5ms`, `1s`.
fn milliseconds(text: &str) -> Result<f64, String> {
    let part = |suffix: &str, factor: f64| {
        let number = text.strip_suffix(suffix)?.trim().parse::<f64>().ok()?;
        (number.is_finite() && number >= 0.0).then_some(number * factor)
    };
    part("us", 1e-3)
        .or_else(|| part("µs", 1e-3))
        .or_else(|| part("ms", 1.0))
        .map_or_else(|| parse_duration(text).map(|ms| ms.0 as f64), Ok)
}

/// Read a number with an optional `k` or `m`.
pub fn number(text: &str) -> Option<f64> {
    let lower = text.trim().to_ascii_lowercase();
    let (digits, factor) = match lower.as_bytes().last()? {
        b'k' => (&lower[..lower.len() - 1], 1e3),
        b'm' => (&lower[..lower.len() - 1], 1e6),
        _ => (lower.as_str(), 1.0),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| digits.parse::<f64>().ok()).flatten().map(|number| number * factor)
}

fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_read_and_written_alike() {
        for (text, written) in [
            ("p99<50ms", "p99<50ms"),
            ("granted.p99.9 <= 1s", "granted.p99.9<=1000ms"),
            ("lag.max<800us", "lag.max<0.8ms"),
            ("rate>=20k", "rate>=20000/s"),
            ("holds.rate>1.5k/s", "holds.rate>1500/s"),
            ("errors<=0.1%", "errors<=0.1%"),
            ("unanswered<=0", "unanswered<=0"),
        ] {
            let read: Threshold = text.parse().expect(text);
            assert_eq!(read.to_string(), written);
            assert_eq!(written.parse(), Ok(read), "{written}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_there_is() {
        for (text, says) in [
            ("p99", "compares nothing"),
            ("p98<5ms", "p99.9"),
            ("granted.p9<5ms", "granted.p99"),
            ("p99<5", "duration"),
            ("errors<1", "0.1%"),
            ("errors<101%", "0.1%"),
            ("rate>x", "10k"),
        ] {
            let error = text.parse::<Threshold>().expect_err(text);
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_threshold_holds_up_to_its_limit() {
        let mut tally = Tally::empty();
        let judge = |text: &str, tally: &Tally| text.parse::<Threshold>().expect(text).judge(tally);
        assert_eq!(judge("p99<1ms", &tally).found, None);
        assert!(judge("p99<1ms", &tally).holds, "there is nothing that broke it");
        tally.figures.unanswered = 1;
        tally.sent = 1_000;
        for (text, holds) in [
            ("unanswered<=1", true),
            ("unanswered<1", false),
            ("unanswered>=1", true),
            ("unanswered>1", false),
            ("errors<=0.1%", true),
            ("errors<0.1%", false),
        ] {
            assert_eq!(judge(text, &tally).holds, holds, "{text}");
        }
        assert_eq!(judge("unanswered>=1", &tally).at_most, None);
        assert_eq!(judge("unanswered<1", &tally).at_most, Some(1.0));
    }
}
