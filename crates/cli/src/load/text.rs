//! The outcome of a run as text for people.

use onrush_load::outcome::Outcome;
use onrush_load::own::Limit;
use onrush_load::run::Latency;
use onrush_load::threshold::Judged;
use onrush_load::verdict::{Verdict, grouped};
use std::fmt::Write;

pub(super) fn of(outcome: &Outcome, colour: bool) -> String {
    let mut out = String::new();
    head(outcome, &mut out);
    latencies(outcome, &mut out);
    crowd(outcome, &mut out);
    match &outcome.checks {
        Some(checks) => {
            let verdict = Verdict { checks: checks.clone() };
            let _ = write!(out, "\n{}", verdict.table(colour));
        }
        None => out += "\nnot checked; with --admin and --admin-token-file it is\n",
    }
    for judged in &outcome.thresholds {
        let word = if judged.holds { "ok  " } else { "FAIL" };
        let _ = writeln!(out, "  {word} {}", threshold(judged));
    }
    capacity(outcome, &mut out);
    costs(outcome, &mut out);
    for note in &outcome.notes {
        let _ = writeln!(out, "note: {note}");
    }
    out
}

/// Say what a threshold asked for, and what was found.
pub(super) fn threshold(judged: &Judged) -> String {
    let Judged { name, must_be, limit, unit, .. } = judged;
    match judged.found {
        Some(found) => format!("{name} {found:.3}{unit}, must be {must_be} {limit}{unit}"),
        None => format!("{name}: nothing to measure, must be {must_be} {limit}{unit}"),
    }
}

fn head(outcome: &Outcome, out: &mut String) {
    let f = &outcome.figures;
    let _ = writeln!(
        out,
        "{} arrived, {} answers in {:.1} s ({} a second) over {} connections",
        grouped(f.arrived),
        grouped(f.answered),
        f.took_ms as f64 / 1e3,
        grouped(f.answered_per_second as u64),
        grouped(outcome.connections_opened),
    );
    let _ = writeln!(
        out,
        "{} holds, {} repeats, {} sales; {} without an answer, {} sent again, {} given up",
        grouped(f.holds),
        grouped(f.repeats),
        grouped(f.sales),
        grouped(f.unanswered),
        grouped(f.retries),
        grouped(f.given_up),
    );
    for (code, count) in &f.refusals {
        let _ = writeln!(out, "  {code:<24} {:>10}", grouped(*count));
    }
    if let Some(line) = &outcome.line {
        let _ = writeln!(
            out,
            "{} joined the line, {} were called up after {:.1} s (median), {} came in vain, {} left",
            grouped(line.joined),
            grouped(line.called_up),
            line.waits.p50_us as f64 / 1e6,
            grouped(line.in_vain),
            grouped(line.left),
        );
    }
}

fn latencies(outcome: &Outcome, out: &mut String) {
    let head = ["answers", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms"];
    let _ = writeln!(out, "\nfrom when due  {}", head.map(|h| format!("{h:>11}")).concat());
    for (name, curve) in outcome.latencies.present() {
        let _ = writeln!(out, "{name:<15}{}", row(&curve.latency));
    }
}

fn row(l: &Latency) -> String {
    let times = [l.p50_us, l.p90_us, l.p99_us, l.p999_us, l.max_us];
    let times = times.map(|us| format!("{:>11.2}", us as f64 / 1e3)).concat();
    format!("{:>11}{times}", grouped(l.count))
}

fn crowd(outcome: &Outcome, out: &mut String) {
    if outcome.crowd.len() < 2 {
        return;
    }
    let head = ["share", "guests", "holds", "of units", "sales"].map(|h| format!("{h:>11}"));
    let _ = writeln!(out, "\n{:<24}{}", "crowd", head.concat());
    for part in &outcome.crowd {
        let shares = [part.share, part.units_share].map(|share| format!("{:.1} %", share * 100.0));
        let [share, units] = shares;
        let _ = writeln!(
            out,
            "{:<24}{share:>11}{:>11}{:>11}{units:>11}{:>11}",
            part.words,
            grouped(part.guests),
            grouped(part.holds),
            grouped(part.sales),
        );
    }
}

fn capacity(outcome: &Outcome, out: &mut String) {
    let Some(found) = &outcome.capacity else { return };
    let _ = writeln!(out, "\ncapacity: {} a second", grouped(found.rate as u64));
    if let Some(breaks) = found.breaks_at {
        let _ = writeln!(out, "at {} a second it breaks", grouped(breaks as u64));
    }
}

fn costs(outcome: &Outcome, out: &mut String) {
    let load = &outcome.load;
    let _ = writeln!(
        out,
        "\nthe load: {:.2} s of processor time, {:.1} µs a request, busy {:.0} % of the time, p99 of its own \
         lag {:.2} ms",
        load.cpu_ms as f64 / 1e3,
        load.cpu_us_per_request,
        load.busy * 100.0,
        load.lag_p99_us as f64 / 1e3,
    );
    if let Some(server) = &outcome.server {
        let grown = server.growth_bytes_per_hold;
        let _ = writeln!(
            out,
            "the server: {:.2} s of processor time, {:.2} s for a million requests, {} MiB{}",
            server.cpu_ms as f64 / 1e3,
            server.cpu_s_per_million,
            server.resident_bytes_after >> 20,
            grown.map_or(String::new(), |bytes| format!(", grown {bytes:.0} bytes for each hold")),
        );
    }
    let limit = match outcome.limited_by {
        Limit::None => "nobody",
        Limit::Server => "the server",
        Limit::Load => "the load itself, not the server",
    };
    let _ = writeln!(out, "the limit was {limit}: {}", outcome.limit_why);
}
