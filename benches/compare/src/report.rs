//! The table as it goes into `docs/performance.md`, and the same as JSON.

use crate::rounds::Round;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fmt::Write;

/// The row that others are compared with.
pub(crate) const OURS: &str = "onrush";

/// The ceiling.
const CEILING: &str = "hyper";

/// From this share on, a side is said to be the limit.
const BUSY: f64 = 0.9;

/// Between these lines of a document stands what was printed last.
const MARKS: [&str; 2] = ["<!-- compare: begin -->", "<!-- compare: end -->"];

/// A row: measured and checked, or left out.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Short name.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) what: String,
    /// Its rounds, in order; empty when it was left out.
    pub(crate) rounds: Vec<Round>,
    /// What became of its check, or why it was left out.
    pub(crate) checked: Checked,
    /// Versions and settings.
    pub(crate) configuration: String,
}

/// What became of a row's check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// Books and answers agree.
    Holds,
    /// It keeps no books.
    Ceiling,
    /// What was found.
    Broken(Vec<String>),
    /// Why there are no figures.
    LeftOut(String),
}

/// Everything that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// Machine, date, load of others.
    pub(crate) machine: Vec<String>,
    /// Processors of the server side.
    pub(crate) processors: usize,
    /// All rows.
    pub(crate) rows: Vec<Row>,
}

/// A figure that was asked for.
struct Target {
    what: &'static str,
    least: f64,
    names: &'static [&'static str],
    figure: Figure,
}

/// How a figure is made of rounds.
enum Figure {
    /// The first of the names ÷ the ceiling.
    OfCeiling,
    /// Ours ÷ the first of the names.
    Ahead,
    /// The best of the names' processor seconds ÷ ours.
    CpuAhead,
    /// Counted answers a second.
    Rate,
}

const DURABLE_RIVALS: &[&str] =
    &["axum-redis-always", "nginx-redis-always", "node-redis-always", "postgres", "postgres-batch"];

const TARGETS: [Target; 9] = [
    Target {
        what: "durable reserve, session and pass checked ÷ bare hyper",
        least: 0.85,
        names: &[OURS],
        figure: Figure::OfCeiling,
    },
    Target {
        what: "sold-out refusal ÷ bare hyper",
        least: 0.95,
        names: &["onrush-sold-out"],
        figure: Figure::OfCeiling,
    },
    Target {
        what: "durable reserve ÷ axum + Redis always",
        least: 3.8,
        names: &["axum-redis-always"],
        figure: Figure::Ahead,
    },
    Target {
        what: "÷ PostgreSQL batched in the application",
        least: 3.5,
        names: &["postgres-batch"],
        figure: Figure::Ahead,
    },
    Target {
        what: "÷ nginx + Lua + Redis always",
        least: 6.0,
        names: &["nginx-redis-always"],
        figure: Figure::Ahead,
    },
    Target {
        what: "÷ Node + Redis always",
        least: 9.0,
        names: &["node-redis-always"],
        figure: Figure::Ahead,
    },
    Target {
        what: "÷ PostgreSQL, a transaction a request, best pool",
        least: 20.0,
        names: &["postgres"],
        figure: Figure::Ahead,
    },
    Target {
        what: "CPU-seconds of the best of those five ÷ ours",
        least: 3.5,
        names: DURABLE_RIVALS,
        figure: Figure::CpuAhead,
    },
    Target {
        what: "batch of 100: accepted durable a second",
        least: 700_000.0,
        names: &["onrush-batch"],
        figure: Figure::Rate,
    },
];

impl Report {
    /// Tell whether every row was measured and its check held.
    pub(crate) fn holds(&self) -> bool {
        self.rows.iter().all(|row| matches!(row.checked, Checked::Holds | Checked::Ceiling))
    }

    /// Write it as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        for line in &self.machine {
            let _ = writeln!(out, "{line}");
        }
        let head = [
            "what",
            "a second",
            "÷ bare hyper",
            "server CPU-s a million",
            "Onrush is faster by",
            "the limit",
            "checked",
        ];
        let _ = writeln!(out, "\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
        for row in &self.rows {
            let _ = writeln!(out, "| {} |", self.cells(row).join(" | "));
        }
        let _ = writeln!(
            out,
            "\n| figure | to reach | measured | by server CPU | |\n|---|---|---|---|---|"
        );
        for target in &TARGETS {
            let Some(of_rounds) = self.figure(target) else { continue };
            let middle = Spread::of(of_rounds);
            let verdict = if middle.median >= target.least { "reached" } else { "**missed**" };
            let unit = if matches!(target.figure, Figure::Rate) { "" } else { " ×" };
            let (what, least) = (target.what, number(target.least));
            let cpu =
                self.by_cpu(target).map_or("–".to_owned(), |by| format!("{} ×", Spread::of(by)));
            let _ =
                writeln!(out, "| {what} | ≥ {least}{unit} | {middle}{unit} | {cpu} | {verdict} |");
        }
        if let Some(line) = self.four_cores() {
            let _ = writeln!(out, "\n{line}");
        }
        let _ = writeln!(out, "\nWith what:\n");
        for row in self.rows.iter().filter(|row| !row.configuration.is_empty()) {
            let _ = writeln!(out, "- {}: {}", row.what, row.configuration);
        }
        out
    }

    /// Write it as JSON.
    pub(crate) fn json(&self) -> Value {
        let round = |round: &Round| {
            json!({
                "per_second": round.rate, "server_cpu_s_per_million": round.cpu_per_million,
                "ledger_cpu_s_per_million": round.serial_per_million,
                "told_to_come_back": round.busy, "server_busy": round.server_busy, "client_busy": round.client_busy,
            })
        };
        let row = |row: &Row| {
            let rounds: Vec<Value> = row.rounds.iter().map(round).collect();
            let (verdict, found) = match &row.checked {
                Checked::Holds => ("holds", Vec::new()),
                Checked::Ceiling => ("ceiling", Vec::new()),
                Checked::Broken(faults) => ("broken", faults.clone()),
                Checked::LeftOut(reason) => ("left_out", vec![reason.clone()]),
            };
            json!({
                "name": row.name, "what": row.what, "rounds": rounds, "check": verdict,
                "found": found, "configuration": row.configuration,
            })
        };
        let figure = |target: &Target| {
            let spread = |figures: Option<Vec<f64>>| {
                let spread = figures.map(Spread::of);
                spread.map(|s| json!({"median": s.median, "min": s.min, "max": s.max}))
            };
            let (measured, by_cpu) = (spread(self.figure(target)), spread(self.by_cpu(target)));
            json!({
                "what": target.what, "at_least": target.least, "measured": measured,
                "by_server_cpu": by_cpu,
            })
        };
        let rows: Vec<Value> = self.rows.iter().map(row).collect();
        let figures: Vec<Value> = TARGETS.iter().map(figure).collect();
        json!({"holds": self.holds(), "machine": self.machine, "rows": rows, "figures": figures})
    }

    fn cells(&self, row: &Row) -> Vec<String> {
        let what = row.what.clone();
        if let Checked::LeftOut(reason) = &row.checked {
            let none = || "–".to_owned();
            return vec![
                what,
                none(),
                none(),
                none(),
                none(),
                none(),
                format!("left out: {reason}"),
            ];
        }
        let of = |figure: fn(&Round) -> f64| Spread::of(row.rounds.iter().map(figure).collect());
        let paired = |ratio: Option<Vec<f64>>, same: bool| match ratio {
            Some(ratio) if !same => Spread::of(ratio).to_string(),
            _ => "–".to_owned(),
        };
        let busy = of(|round| round.busy);
        let checked = match &row.checked {
            Checked::Holds if busy.max > 0.0 => {
                let percent = |share: f64| format!("{:.1}", share * 100.0);
                let (median, max) = (percent(busy.median), percent(busy.max));
                format!("holds; {median} % told to come back, {max} % at most")
            }
            Checked::Holds => "holds".to_owned(),
            Checked::Broken(faults) => format!("**broken**: {}", faults.join("; ")),
            Checked::Ceiling | Checked::LeftOut(_) => "–".to_owned(),
        };
        let ahead = paired(self.ratio(OURS, row.name), row.name.starts_with(OURS));
        vec![
            what,
            of(|round| round.rate).to_string(),
            paired(self.ratio(row.name, CEILING), row.name == CEILING),
            of(|round| round.cpu_per_million).to_string(),
            ahead,
            self.limit(row),
            checked,
        ]
    }

    /// Tell which side had nothing left.
    fn limit(&self, row: &Row) -> String {
        let middle =
            |figure: fn(&Round) -> f64| Spread::of(row.rounds.iter().map(figure).collect()).median;
        let server = middle(|round| round.server_busy) / self.processors as f64;
        let client = middle(|round| round.client_busy);
        let who = match (server >= BUSY, client >= BUSY) {
            (true, true) => "both",
            (true, false) => "server",
            (false, true) => "load",
            (false, false) => "neither",
        };
        format!("{who} ({:.0} %, load {:.0} %)", server * 100.0, client * 100.0)
    }

    /// What four cores would do by calculation, if nothing but processor time counted.
    fn four_cores(&self) -> Option<String> {
        let rounds = &self.row(OURS)?.rounds;
        let all = Spread::of(rounds.iter().map(|round| round.cpu_per_million).collect()).median;
        let serial: Vec<f64> = rounds.iter().filter_map(|round| round.serial_per_million).collect();
        let serial = (serial.len() == rounds.len()).then(|| Spread::of(serial).median)?;
        let reach = (4e6 / all).min(1e6 / serial);
        Some(format!(
            "Four cores, by calculation and not measured: a durable reserve takes {all:.1} µs of processor \
             time, {serial:.1} µs of it on the ledger's one thread, so four cores have time for \
             min(4 ÷ {all:.1}, 1 ÷ {serial:.1}) per µs = {} a second, if the load comes from elsewhere.",
            number(reach)
        ))
    }

    /// Return a target's ratio by processor time, which others on the machine disturb less.
    fn by_cpu(&self, target: &Target) -> Option<Vec<f64>> {
        let (less, more) = match target.figure {
            Figure::OfCeiling => (target.names[0], CEILING),
            Figure::Ahead => (OURS, target.names[0]),
            Figure::CpuAhead | Figure::Rate => return None,
        };
        let pairs = self.row(less)?.rounds.iter().zip(&self.row(more)?.rounds);
        Some(pairs.map(|(less, more)| more.cpu_per_million / less.cpu_per_million).collect())
    }

    fn figure(&self, target: &Target) -> Option<Vec<f64>> {
        let rates = |name: &str| -> Option<Vec<f64>> {
            Some(self.row(name)?.rounds.iter().map(|round| round.rate).collect())
        };
        match target.figure {
            Figure::OfCeiling => self.ratio(target.names[0], CEILING),
            Figure::Ahead => self.ratio(OURS, target.names[0]),
            Figure::Rate => rates(target.names[0]),
            Figure::CpuAhead => {
                // "The best" means nothing while one of them is missing.
                let rivals: Option<Vec<&Row>> = target.names.iter().map(|n| self.row(n)).collect();
                let (rivals, ours) = (rivals?, self.row(OURS)?);
                let best = |n: usize| {
                    let cpu = rivals.iter().filter_map(|row| row.rounds.get(n));
                    cpu.map(|round| round.cpu_per_million).min_by(f64::total_cmp)
                };
                let rounds = ours.rounds.iter().enumerate();
                rounds.map(|(n, round)| Some(best(n)? / round.cpu_per_million)).collect()
            }
        }
    }

    /// Return the ratio of two rows in each round.
    fn ratio(&self, above: &str, below: &str) -> Option<Vec<f64>> {
        let pairs = self.row(above)?.rounds.iter().zip(&self.row(below)?.rounds);
        Some(pairs.map(|(above, below)| above.rate / below.rate).collect())
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name && !row.rounds.is_empty())
    }
}

/// Put `text` between the marks of `document`.
///
/// # Errors
/// When the marks are not there, once each and in order.
pub(crate) fn between_marks(document: &str, text: &str) -> Result<String> {
    let [begin, end] = MARKS;
    let parts = document.split_once(begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(end)?;
        Some((before, after))
    });
    let (before, after) = parts.with_context(|| format!("it has no lines {begin} and {end}"))?;
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

/// The middle, the least and the most of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Spread {
        figures.sort_by(f64::total_cmp);
        let at = |n: usize| figures.get(n).copied().unwrap_or(f64::NAN);
        let (last, half) = (figures.len().saturating_sub(1), figures.len() / 2);
        let even = figures.len().is_multiple_of(2);
        let median = if even { (at(half.wrapping_sub(1)) + at(half)) / 2.0 } else { at(half) };
        Spread { median, min: at(0), max: at(last) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}–{})", number(self.median), number(self.min), number(self.max))
    }
}

/// Write with as many digits as mean something, thousands apart.
fn number(figure: f64) -> String {
    if figure.abs() < 9.995 {
        return format!("{figure:.2}");
    }
    if figure.abs() < 999.5 {
        return format!("{figure:.1}");
    }
    let digits = format!("{figure:.0}");
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(rate: f64, cpu_per_million: f64) -> Round {
        let serial_per_million = Some(cpu_per_million / 4.0);
        Round {
            rate,
            cpu_per_million,
            serial_per_million,
            busy: 0.0,
            server_busy: 0.95,
            client_busy: 0.3,
        }
    }

    fn row(name: &'static str, rates: &[f64], cpu: f64) -> Row {
        let rounds = rates.iter().map(|&rate| round(rate, cpu)).collect();
        let (what, configuration) = (name.to_owned(), "v1".to_owned());
        Row { name, what, rounds, checked: Checked::Holds, configuration }
    }

    fn report(rows: Vec<Row>) -> Report {
        Report { machine: vec!["a machine".to_owned()], processors: 1, rows }
    }

    #[test]
    fn pairs_rounds_rather_than_medians() {
        let hyper = row(CEILING, &[100.0, 200.0, 400.0], 8.0);
        let ours = row(OURS, &[50.0, 180.0, 400.0], 9.0);
        let text = report(vec![hyper, ours]).markdown();
        assert!(text.contains("| onrush | 180.0 (50.0–400.0) | 0.90 (0.50–1.00) |"), "{text}");
        assert!(
            text.contains("≥ 0.85 × | 0.90 (0.50–1.00) × | 0.89 (0.89–0.89) × | reached |"),
            "{text}"
        );
        assert!(text.contains("server (95 %, load 30 %)"), "{text}");
    }

    #[test]
    fn shows_what_was_missed_broken_and_left_out() {
        let mut rival = row("postgres-batch", &[100.0], 30.0);
        rival.checked = Checked::Broken(vec!["units sold twice: 3".to_owned()]);
        let mut gone = row("nginx", &[], 1.0);
        gone.checked = Checked::LeftOut("no nginx".to_owned());
        let report = report(vec![row(OURS, &[300.0], 9.0), rival, gone]);
        let text = report.markdown();
        assert!(text.contains("3.00 (3.00–3.00) × | 3.33 (3.33–3.33) × | **missed** |"), "{text}");
        assert!(text.contains("**broken**: units sold twice: 3"), "{text}");
        assert!(text.contains("left out: no nginx"), "{text}");
        assert!(!report.holds());
        assert_eq!(report.json()["holds"], false);
    }

    #[test]
    fn compares_processor_time_with_the_best_only_when_all_are_there() {
        let mut rows: Vec<Row> =
            DURABLE_RIVALS.iter().map(|name| row(name, &[10.0], 32.0)).collect();
        rows[1].rounds[0].cpu_per_million = 30.0;
        rows.push(row(OURS, &[100.0], 10.0));
        let text = report(rows.clone()).markdown();
        assert!(text.contains("≥ 3.50 × | 3.00 (3.00–3.00) × | – | **missed** |"), "{text}");
        rows.remove(0);
        assert!(!report(rows).markdown().contains("CPU-seconds of the best"));
    }

    #[test]
    fn says_how_many_were_told_to_come_back() {
        let mut ours = row(OURS, &[100.0, 100.0, 100.0], 8.0);
        (ours.rounds[0].busy, ours.rounds[1].busy) = (0.2, 0.05);
        let text = report(vec![ours]).markdown();
        assert!(text.contains("holds; 5.0 % told to come back, 20.0 % at most"), "{text}");
    }

    #[test]
    fn calculates_four_cores_from_the_thread_that_is_alone() {
        let text = report(vec![row(OURS, &[100.0], 8.0)]).markdown();
        assert!(text.contains("= 500,000 a second"), "{text}");
    }

    #[test]
    fn replaces_what_stands_between_the_marks() {
        let [begin, end] = MARKS;
        let document = format!("a\n{begin}\nold\n{end}\nb\n");
        let replaced = between_marks(&document, "new\n").expect("marked");
        assert_eq!(replaced, format!("a\n{begin}\n\nnew\n\n{end}\nb\n"));
        assert_eq!(between_marks(&replaced, "new\n").expect("marked"), replaced);
        assert!(between_marks("a\nb\n", "new").is_err());
    }

    #[test]
    fn writes_numbers_that_can_be_read() {
        let cases = [(0.8512, "0.85"), (9.994, "9.99"), (76.04, "76.0"), (129_500.4, "129,500")];
        cases.iter().for_each(|&(figure, text)| assert_eq!(number(figure), text));
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(Spread::of(vec![3.0, 1.0]).median, 2.0);
    }
}
