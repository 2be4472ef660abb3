//! The outcome of a run as one HTML file that needs nothing from outside, and prints.

use crate::outcome::{Outcome, Part};
use crate::own::Limit;
use crate::plot::{Axis, Chart, Line, escaped};
use crate::verdict::grouped;
use std::fmt::Write;

/// The style of a report: follows the reader's light or dark, and prints.
pub const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1b1b1b;--pale:#666;--rule:#d8d8d8;--ground:#fff;--good:#1f7a4d;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e8e8e8;--pale:#a0a0a0;--rule:#3a3a3a;--ground:#141414;--good:#5cc28f;--bad:#ff8a80}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:54rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--rule)}
.lead{color:var(--pale);margin:.2rem 0 1rem}.ok{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{padding:.25rem .5rem;text-align:left;border-bottom:1px solid var(--rule)}
th{font-weight:600;color:var(--pale)}.r{text-align:right}figure{margin:1rem 0}svg{max-width:100%;height:auto}
figure svg .g{stroke:var(--rule);stroke-width:.6;fill:none}.n{font-size:11px;fill:var(--pale)}.t{font-size:13px;font-weight:600;fill:var(--ink)}
figcaption{font-size:.85rem;color:var(--pale)}figcaption span{margin-right:1rem;white-space:nowrap}li.e{color:var(--pale);font-size:.85rem}
@media print{:root{--ink:#000;--pale:#444;--ground:#fff;--rule:#ccc}body{margin:0;max-width:none;font-size:11px}h2,figure,tr{break-inside:avoid}}
";

/// Write the page.
pub fn page(outcome: &Outcome) -> String {
    let mut out = String::from("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    let title = format!("Load on {}", escaped(&outcome.settings.target));
    let _ = write!(
        out,
        "<meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main>"
    );
    head(outcome, &title, &mut out);
    thresholds(outcome, &mut out);
    checks(outcome, &mut out);
    capacity(outcome, &mut out);
    latencies(outcome, &mut out);
    out += &rates_chart(outcome).svg();
    out += &latency_chart(outcome).svg();
    out += &distribution(outcome).svg();
    answers(outcome, &mut out);
    crowd(&outcome.crowd, &mut out);
    line(outcome, &mut out);
    costs(outcome, &mut out);
    out += "</main></body></html>\n";
    out
}

fn head(outcome: &Outcome, title: &str, out: &mut String) {
    let s = &outcome.settings;
    let (class, word) =
        if outcome.holds { ("ok", "Everything held.") } else { ("bad", "Something did not hold.") };
    let _ = write!(
        out,
        "<h1>{title}</h1><p class=\"lead\">{} · {} · {:.1} s · {} connections · seed {}</p>\
         <p class=\"{class}\">{word}</p>",
        escaped(&s.address),
        escaped(&s.arrivals),
        s.duration_ms as f64 / 1e3,
        s.connections,
        s.seed
    );
    let limited = match outcome.limited_by {
        Limit::None => "Neither side was the limit",
        Limit::Server => "The server was the limit",
        Limit::Load => "The load itself was the limit",
    };
    let _ = write!(out, "<p>{limited}: {}.</p>", escaped(&outcome.limit_why));
    for note in &outcome.notes {
        let _ = write!(out, "<p>{}</p>", escaped(note));
    }
}

fn thresholds(outcome: &Outcome, out: &mut String) {
    if outcome.thresholds.is_empty() {
        return;
    }
    *out += "<h2>Thresholds</h2>";
    let rows = outcome.thresholds.iter().map(|t| {
        let found =
            t.found.map_or("nothing to measure".to_owned(), |f| format!("{f:.3}{}", t.unit));
        vec![
            verdict(t.holds),
            escaped(&format!("{} {} {}{}", t.name, t.must_be, t.limit, t.unit)),
            found,
        ]
    });
    table(&["", "must be", "-found"], rows, out);
}

fn checks(outcome: &Outcome, out: &mut String) {
    *out += "<h2>Promises</h2>";
    let Some(checks) = &outcome.checks else {
        *out += "<p>Nothing was compared: without an admin token or a [check] nobody can say what the \
                 server has.</p>";
        return;
    };
    let rows = checks.iter().map(|c| {
        let looked = format!("{} {}", grouped(c.looked_at), c.what);
        vec![verdict(c.violations == 0), c.name.to_owned(), grouped(c.violations), looked]
    });
    table(&["", "must not be there", "-found", "looked at"], rows, out);
    let examples = checks.iter().flat_map(|check| &check.examples);
    let items: String =
        examples.map(|text| format!("<li class=\"e\">{}</li>", escaped(text))).collect();
    if !items.is_empty() {
        let _ = write!(out, "<ul>{items}</ul>");
    }
}

fn capacity(outcome: &Outcome, out: &mut String) {
    let Some(found) = &outcome.capacity else { return };
    let breaks =
        found.breaks_at.map_or(String::new(), |rate| format!(", broke at {rate:.0} a second"));
    let _ = write!(
        out,
        "<h2>Capacity</h2><p>Held at <b>{:.0} a second</b>{breaks}. {}</p>",
        found.rate,
        escaped(&found.why)
    );
    let rows = found.trials.iter().map(|trial| {
        let found = trial.thresholds.iter().map(|t| {
            let found = t.found.map_or("–".to_owned(), |found| format!("{found:.2}{}", t.unit));
            format!("{} {found}", t.name)
        });
        let found = found.collect::<Vec<_>>().join(", ");
        let rates = [trial.rate, trial.answered_per_second].map(|rate| grouped(rate as u64));
        let [asked, answered] = rates;
        vec![verdict(trial.holds), asked, answered, escaped(&found)]
    });
    table(&["", "-asked a second", "-answered", "thresholds"], rows, out);
}

fn latencies(outcome: &Outcome, out: &mut String) {
    *out += "<h2>Latency from the intended time, ms</h2>";
    let rows = outcome.latencies.present().into_iter().map(|(name, curve)| {
        let l = &curve.latency;
        let times = [l.p50_us, l.p90_us, l.p99_us, l.p999_us, l.max_us];
        let times = times.map(|us| format!("{:.2}", us as f64 / 1e3));
        [name.to_owned(), grouped(l.count)].into_iter().chain(times).collect()
    });
    let columns = ["", "-answers", "-p50", "-p90", "-p99", "-p99.9", "-max"];
    table(&columns, rows.collect::<Vec<_>>().into_iter(), out);
}

fn rates_chart(outcome: &Outcome) -> Chart<'static> {
    let width = width_s(outcome);
    let line = |name: &str, value: fn(&crate::drive::Slice) -> u64| Line {
        name: name.to_owned(),
        points: timed(outcome, move |slice| value(slice) as f64 / width),
    };
    Chart {
        title: "What came and what was answered",
        x: ("seconds", Axis::Linear),
        y: ("a second", Axis::Linear),
        lines: vec![
            line("arrivals", |s| s.arrived),
            line("granted", |s| s.granted),
            line("refused", |s| s.refused),
            line("without an answer", |s| s.unanswered),
        ],
    }
}

fn latency_chart(outcome: &Outcome) -> Chart<'static> {
    let line = |name: &str, value: fn(&crate::drive::Slice) -> u64| {
        let points = outcome.series.iter().filter(|slice| slice.answered > 0);
        let points = points.map(|s| (s.at_ms as f64 / 1e3, value(s) as f64 / 1e3));
        Line { name: name.to_owned(), points: points.collect() }
    };
    Chart {
        title: "Latency over time",
        x: ("seconds", Axis::Linear),
        y: ("ms", Axis::Log),
        lines: vec![
            line("p50", |s| s.p50_us),
            line("p99", |s| s.p99_us),
            line("max", |s| s.max_us),
        ],
    }
}

fn distribution(outcome: &Outcome) -> Chart<'static> {
    let lines = outcome.latencies.present().into_iter().map(|(name, curve)| {
        // Of a thousand requests none tells about one in ten thousand.
        let most = 1.0 - 1.0 / curve.latency.count.max(1) as f64;
        let seen = curve.curve.iter().map(|&(share, us)| (share.min(most), us as f64 / 1e3));
        Line { name: name.to_owned(), points: seen.collect() }
    });
    Chart {
        title: "Latency by share of requests",
        x: ("share of requests", Axis::Nines),
        y: ("ms", Axis::Log),
        lines: lines.collect(),
    }
}

fn answers(outcome: &Outcome, out: &mut String) {
    let f = &outcome.figures;
    *out += "<h2>Answers</h2>";
    let fixed = [
        ("arrived", f.arrived),
        ("answered", f.answered),
        ("holds", f.holds),
        ("repeats", f.repeats),
        ("sales", f.sales),
        ("without an answer", f.unanswered),
        ("sent again", f.retries),
        ("given up", f.given_up),
    ];
    let fixed = fixed.into_iter().map(|(name, count)| (name.to_owned(), count));
    let refusals = f.refusals.iter().map(|(code, count)| (format!("refused: {code}"), *count));
    let rows = fixed.chain(refusals).map(|(name, count)| vec![escaped(&name), grouped(count)]);
    table(&["", "-count"], rows, out);
}

fn crowd(parts: &[Part], out: &mut String) {
    *out += "<h2>Crowd</h2>";
    let rows = parts.iter().map(|part| {
        vec![
            part.words.to_owned(),
            format!("{:.1} %", part.share * 100.0),
            grouped(part.guests),
            grouped(part.holds),
            format!("{:.1} %", part.units_share * 100.0),
            grouped(part.sales),
        ]
    });
    table(&["", "-share", "-guests", "-holds", "-of all units", "-sales"], rows, out);
    if parts.iter().any(|part| part.bot) {
        let bots = parts.iter().filter(|part| part.bot);
        let (of_crowd, of_units) =
            bots.fold((0.0, 0.0), |sum, part| (sum.0 + part.share, sum.1 + part.units_share));
        let _ = write!(
            out,
            "<p>Bots were {:.1} % of the crowd and held {:.1} % of the units.</p>",
            of_crowd * 100.0,
            of_units * 100.0
        );
    }
}

fn line(outcome: &Outcome, out: &mut String) {
    let Some(line) = &outcome.line else { return };
    let _ = write!(
        out,
        "<h2>Line</h2><p>{} joined, {} were called up after {:.1} s (median) and {:.1} s (99 of 100), {} \
         were told that all is sold, {} left.</p>",
        grouped(line.joined),
        grouped(line.called_up),
        line.waits.p50_us as f64 / 1e6,
        line.waits.p99_us as f64 / 1e6,
        grouped(line.in_vain),
        grouped(line.left)
    );
}

fn costs(outcome: &Outcome, out: &mut String) {
    let load = &outcome.load;
    let _ = write!(
        out,
        "<h2>Cost</h2><p>The load spent {:.2} s of processor time, {:.2} µs a request; its sending thread \
         computed {:.0} % of the time. One request in a hundred went out {:.2} ms late or more.</p>",
        load.cpu_ms as f64 / 1e3,
        load.cpu_us_per_request,
        load.busy * 100.0,
        load.lag_p99_us as f64 / 1e3
    );
    let Some(server) = &outcome.server else { return };
    let grown = server.growth_bytes_per_hold;
    let _ = write!(
        out,
        "<p>The server spent {:.2} s, {:.2} s for a million requests; its memory went from {} to {} \
         bytes{}.</p>",
        server.cpu_ms as f64 / 1e3,
        server.cpu_s_per_million,
        grouped(server.resident_bytes_before),
        grouped(server.resident_bytes_after),
        grown.map_or(String::new(), |bytes| format!(", {bytes:.0} for each hold"))
    );
}

fn timed(outcome: &Outcome, value: impl Fn(&crate::drive::Slice) -> f64) -> Vec<(f64, f64)> {
    outcome.series.iter().map(|slice| (slice.at_ms as f64 / 1e3, value(slice))).collect()
}

/// How wide a slice is, in seconds.
fn width_s(outcome: &Outcome) -> f64 {
    match outcome.series.as_slice() {
        [a, b, ..] => (b.at_ms - a.at_ms).max(1) as f64 / 1e3,
        _ => 1.0,
    }
}

fn verdict(holds: bool) -> String {
    let (class, word) = if holds { ("ok", "ok") } else { ("bad", "FAIL") };
    format!("<span class=\"{class}\">{word}</span>")
}

/// Write a table; a column whose name starts with `-` stands to the right. Cells are HTML already.
fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>, out: &mut String) {
    let class = |column: &str| if column.starts_with('-') { " class=\"r\"" } else { "" };
    *out += "<table><tr>";
    for column in columns {
        let _ = write!(out, "<th{}>{}</th>", class(column), column.trim_start_matches('-'));
    }
    *out += "</tr>";
    for row in rows {
        *out += "<tr>";
        for (column, cell) in columns.iter().zip(row) {
            let _ = write!(out, "<td{}>{cell}</td>", class(column));
        }
        *out += "</tr>";
    }
    *out += "</table>";
}
