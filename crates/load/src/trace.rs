//! Recorded arrivals, compressed in time.
//!
//! A file has one arrival a line: an offset in seconds (`12.5`), or a time (`2011-12-05 08:26:00`,
//! `2026-12-01T12:00:00.250Z`). With several columns the first line names them, and the one called `at`,
//! `offset`, `time` or `timestamp` counts; further columns are passed over. A time to the minute or the
//! second says nothing about the moment within it, so arrivals of one stamp are spread evenly up to the
//! next possible one; the figures say so.

use onrush_gateway::wire::parse_timestamp;
use std::time::Duration;

/// Arrivals kept at most.
const ARRIVALS_MAX: usize = 20_000_000;
const COLUMNS: [&str; 4] = ["at", "offset", "time", "timestamp"];

/// Recorded arrivals.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// From the first one on, in order.
    pub offsets: Vec<Duration>,
    /// Arrivals of one stamp were spread over this.
    pub spread: Option<Duration>,
}

impl Trace {
    /// Read a file's text.
    ///
    /// # Errors
    /// With the line that cannot be read and what is expected.
    pub fn read(text: &str) -> Result<Trace, String> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let mut column = 0;
        let mut times = Vec::new();
        let mut stamped = false;
        let first = lines.next().ok_or("the trace is empty")?;
        if moment(cell(first.1, 0)).is_none() || !cell(first.1, 1).is_empty() {
            let named = |name: &str| COLUMNS.contains(&name.to_ascii_lowercase().as_str());
            column = cells(first.1).position(named).ok_or_else(|| {
                let text = "is neither a time nor a line of column names with `at` or `time`";
                format!("line 1: {:?} {text}", shortened(first.1))
            })?;
        } else {
            times.push(stamp(first.1, column, 1, &mut stamped)?);
        }
        for (n, line) in lines {
            times.push(stamp(line, column, n + 1, &mut stamped)?);
            if times.len() > ARRIVALS_MAX {
                return Err(format!("more than {ARRIVALS_MAX} arrivals; cut the file"));
            }
        }
        times.sort_by(f64::total_cmp);
        let start = *times.first().ok_or("the trace has no arrivals")?;
        times.iter_mut().for_each(|time| *time -= start);
        let resolution = stamped.then(|| resolution(&times)).flatten();
        if let Some(width) = resolution {
            spread(&mut times, width);
        }
        let offsets = times.into_iter().map(Duration::from_secs_f64).collect();
        Ok(Trace { offsets, spread: resolution.map(Duration::from_secs_f64) })
    }

    /// Play it in `into`, whatever it took.
    pub fn compressed(&self, into: Duration) -> Vec<Duration> {
        let took = self.offsets.last().copied().unwrap_or_default();
        if took.is_zero() {
            return self.offsets.clone();
        }
        let factor = into.as_secs_f64() / took.as_secs_f64();
        self.offsets.iter().map(|at| at.mul_f64(factor)).collect()
    }
}

fn stamp(line: &str, column: usize, number: usize, stamped: &mut bool) -> Result<f64, String> {
    let text = cell(line, column);
    let (seconds, is_stamp) = moment(text).ok_or_else(|| {
        format!(
            "line {number}: {:?} is no time; write seconds (12.5) or 2026-12-01T12:00:00Z",
            shortened(text)
        )
    })?;
    *stamped |= is_stamp;
    Ok(seconds)
}

/// Read an offset or a time, in seconds, and tell which it was.
fn moment(text: &str) -> Option<(f64, bool)> {
    if let Ok(seconds) = text.parse::<f64>() {
        return (seconds.is_finite() && (0.0..1e10).contains(&seconds)).then_some((seconds, false));
    }
    let mut full = text.replacen(' ', "T", 1);
    if full.len() == 16 {
        full += ":00";
    }
    if full.len() == 19 {
        full += "Z";
    }
    parse_timestamp(&full).ok().map(|at| (at.0 as f64 / 1e3, true))
}

/// Return 60 when all times are whole minutes, 1 for whole seconds.
fn resolution(times: &[f64]) -> Option<f64> {
    let whole = |width: f64| times.iter().all(|time| time % width == 0.0);
    [60.0, 1.0].into_iter().find(|&width| whole(width))
}

fn spread(times: &mut [f64], width: f64) {
    for same in times.chunk_by_mut(|a, b| a == b) {
        let step = width / same.len() as f64;
        same.iter_mut().enumerate().for_each(|(n, time)| *time += step * n as f64);
    }
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split(',').map(|cell| cell.trim().trim_matches('"'))
}

fn cell(line: &str, column: usize) -> &str {
    cells(line).nth(column).unwrap_or("")
}

fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(trace: &Trace) -> Vec<u128> {
        trace.offsets.iter().map(Duration::as_millis).collect()
    }

    #[test]
    fn offsets_begin_at_the_first_and_are_compressed_evenly() {
        let trace = Trace::read("10\n\n12.5\n11\n").expect("a trace");
        assert_eq!((ms(&trace), trace.spread), (vec![0, 1_000, 2_500], None));
        let fast = trace.compressed(Duration::from_secs(1));
        assert_eq!(fast, [0, 400, 1_000].map(Duration::from_millis));
    }

    #[test]
    fn times_of_one_minute_are_spread_over_it() {
        let text = "invoice,time,sku\n1,2011-12-05 08:26:00,a\n2,2011-12-05 08:26:00,b\n\
                    3,2011-12-05 08:27,c\n";
        let trace = Trace::read(text).expect("a trace");
        assert_eq!(ms(&trace), [0, 30_000, 60_000]);
        assert_eq!(trace.spread, Some(Duration::from_secs(60)));
        let exact = Trace::read("2026-12-01T12:00:00.250Z\n2026-12-01T12:00:00.5Z\n");
        assert_eq!(exact.map(|trace| (ms(&trace), trace.spread)), Ok((vec![0, 250], None)));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        for (text, says) in [
            ("", "empty"),
            ("who,when\n", "column names"),
            ("at,x\n", "no arrivals"),
            ("1\n2\nx\n", "line 3"),
            ("1\n-5\n", "line 2"),
        ] {
            assert!(Trace::read(text).is_err_and(|e| e.contains(says)), "{text:?}");
        }
    }
}
