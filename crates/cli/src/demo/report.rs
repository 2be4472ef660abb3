//! What came of a sale, as data and as text.

use onrush::State;
use onrush_load::history::Money;
use onrush_load::run::{Latency, Summary};
use onrush_load::truth::Truth;
use onrush_load::verdict::{Verdict, grouped};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// The crash.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Killed {
    /// Holds that had been acknowledged.
    pub(super) holds_told: u64,
    /// How long the server was away.
    pub(super) away_ms: u64,
}

/// What came of a sale.
pub(super) struct Outcome {
    pub(super) facts: Vec<String>,
    pub(super) killed: Option<Killed>,
    pub(super) figures: Summary,
    pub(super) truth: Truth,
    pub(super) verdict: Verdict,
    pub(super) lsn: u64,
    pub(super) chain: String,
    pub(super) money: Money,
}

impl Outcome {
    pub(super) fn value(&self, kept: Option<&Path>) -> Value {
        json!({
            "holds": self.verdict.holds(),
            "facts": self.facts,
            "killed": self.killed,
            "figures": self.figures,
            "units": self.truth.units(),
            "outcomes": State::ALL.iter().map(|&state| {
                (state.as_str().to_owned(), self.truth.count(state).into())
            }).collect::<serde_json::Map<String, Value>>(),
            "money": self.money,
            "refunds": self.truth.refunds(),
            "checks": self.verdict.checks,
            "lsn": self.lsn,
            "chain": self.chain,
            "data": kept,
        })
    }

    pub(super) fn text(&self, kept: Option<&Path>, colour: bool) -> String {
        let mut out = String::from("\nOnrush demo\n");
        for fact in &self.facts {
            let _ = writeln!(out, "  {fact}");
        }
        self.told(&mut out);
        self.found(&mut out);
        let _ = write!(out, "\n{}", self.verdict.table(colour));
        let _ = writeln!(out, "\n  {}", self.summary());
        let _ = writeln!(out, "  chain {} at LSN {}", self.chain, grouped(self.lsn));
        out += "\nWhere to look next\n";
        let _ = match kept {
            Some(data) => {
                let data = data.display();
                writeln!(out, "  onrush verify {data}\n  onrush export {data}")
            }
            None => writeln!(out, "  onrush demo --keep DIR   then: onrush verify DIR/data"),
        };
        out += "  onrush serve --dev       a server to try by hand; docs/cli.md has all commands\n";
        out
    }

    /// Say what the crowd met.
    fn told(&self, out: &mut String) {
        let figures = &self.figures;
        if let Some(killed) = &self.killed {
            let _ = writeln!(
                out,
                "  crash    killed with SIGKILL after {} holds, back in {} ms; {} requests had no \
                 answer, {} were sent again",
                grouped(killed.holds_told),
                killed.away_ms,
                grouped(figures.unanswered),
                grouped(figures.retries),
            );
        }
        let _ = writeln!(
            out,
            "  told     {} holds, {} repeats, {} payments, {} sales; {} answers in {:.1} s",
            grouped(figures.holds),
            grouped(figures.repeats),
            grouped(figures.payments),
            grouped(figures.sales),
            grouped(figures.answered),
            figures.took_ms as f64 / 1e3,
        );
        let refusals: Vec<String> =
            figures.refusals.iter().map(|(code, n)| format!("{code} {}", grouped(*n))).collect();
        let _ = writeln!(out, "  refused  {}", refusals.join(" · "));
        for (name, l) in [("held", figures.granted), ("refused", figures.refused)] {
            let _ = writeln!(out, "  {name:<8} {}", latency(&l));
        }
    }

    /// Say what is there in the end.
    fn found(&self, out: &mut String) {
        let (money, units) = (self.money, self.truth.units());
        let _ = writeln!(
            out,
            "  money    {} payments sold, {} came late and were sold again, {} were parts, {} are due \
             back whole",
            grouped(money.sold),
            grouped(money.retaken),
            grouped(money.partial),
            grouped(money.refunded),
        );
        let _ = writeln!(
            out,
            "  found    {} supplied = {} sold + {} free + {} held + {} withdrawn; {} refunds due",
            grouped(units.supplied),
            grouped(units.sold),
            grouped(units.free),
            grouped(units.held),
            grouped(units.withdrawn),
            grouped(self.truth.refunds() as u64),
        );
    }

    fn summary(&self) -> String {
        let broken = self.verdict.checks.iter().filter(|check| check.violations > 0).count();
        match broken {
            0 => format!("All {} checks held.", self.verdict.checks.len()),
            n => format!("{n} of {} checks did not hold.", self.verdict.checks.len()),
        }
    }
}

fn latency(l: &Latency) -> String {
    let ms = |us: u64| format!("{:.1}", us as f64 / 1e3);
    format!(
        "{} answers, from when they were due: p50 {} ms, p99 {} ms, p99.9 {} ms, max {} ms",
        grouped(l.count),
        ms(l.p50_us),
        ms(l.p99_us),
        ms(l.p999_us),
        ms(l.max_us)
    )
}
