//! The one test command: every step in order, on to the next after a failure, a table at the end.

use crate::process::Counts;
use crate::steps::{End, STEPS, Step};
use anyhow::{Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// A step that is over.
#[derive(Debug)]
struct Over {
    name: &'static str,
    verdict: &'static str,
    counts: Counts,
    reason: String,
    took: Duration,
}

/// Run the named steps, or all; return whether everything held.
///
/// # Errors
/// When a name is no step.
pub fn run(root: &Path, names: &[String]) -> Result<bool> {
    let steps = select(names)?;
    let mut over = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        println!("\n=== {}/{} {}: {} ===", n + 1, steps.len(), step.name, step.checks);
        let started = Instant::now();
        let end = (step.run)(root);
        over.push(account(step.name, end, started.elapsed()));
        let Over { verdict, reason, took, .. } = over.last().expect("just pushed");
        println!("--- {} {verdict} in {}{reason}", step.name, seconds(*took));
    }
    println!("\n{}", table(&over));
    Ok(over.iter().all(|step| step.counts.failed == 0))
}

fn select(names: &[String]) -> Result<Vec<Step>> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("`{unknown}` is no step; the steps are {}", known.join(", "));
    }
    let chosen = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(chosen).copied().collect())
}

/// A step that fails counts as one failure, a step that is left out as one skipped, where its runner
/// counted none.
fn account(name: &'static str, end: Result<End>, took: Duration) -> Over {
    let (verdict, counts, reason) = match end {
        Ok(End::Passed(counts)) if counts.failed == 0 => ("passed", counts, String::new()),
        Ok(End::Passed(mut counts) | End::Failed(mut counts)) => {
            counts.failed = counts.failed.max(1);
            ("FAILED", counts, String::new())
        }
        Ok(End::Skipped(reason)) => {
            ("skipped", Counts { skipped: 1, ..Counts::default() }, format!(": {reason}"))
        }
        Err(error) => ("FAILED", Counts { failed: 1, ..Counts::default() }, format!(": {error:#}")),
    };
    Over { name, verdict, counts, reason, took }
}

fn table(over: &[Over]) -> String {
    let mut text = format!(
        "{:<11} {:<8} {:>7} {:>7} {:>8} {:>9}\n",
        "step", "result", "passed", "failed", "skipped", "time"
    );
    let mut all = Counts::default();
    let mut took = Duration::ZERO;
    for step in over {
        let Counts { passed, failed, skipped } = step.counts;
        let (name, verdict, reason) = (step.name, step.verdict, &step.reason);
        let time = seconds(step.took);
        text += &format!(
            "{name:<11} {verdict:<8} {passed:>7} {failed:>7} {skipped:>8} {time:>9}{reason}\n"
        );
        all += step.counts;
        took += step.took;
    }
    text += &format!("{:>53}\n", seconds(took));
    text + &format!("{} passed, {} failed, {} skipped", all.passed, all.failed, all.skipped)
}

fn seconds(took: Duration) -> String {
    let tenths = took.as_millis() / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts { passed, failed, skipped }
    }

    #[test]
    fn every_way_a_step_ends_is_counted() {
        let of = |end| account("x", end, Duration::ZERO).counts;
        assert_eq!(of(Ok(End::Passed(counts(3, 0, 1)))), counts(3, 0, 1));
        assert_eq!(of(Ok(End::Failed(counts(3, 2, 0)))), counts(3, 2, 0));
        assert_eq!(of(Ok(End::Failed(counts(0, 0, 0)))), counts(0, 1, 0), "did not compile");
        assert_eq!(of(Ok(End::Passed(counts(1, 1, 0)))), counts(1, 1, 0));
        assert_eq!(of(Ok(End::Skipped("no nightly".to_owned()))), counts(0, 0, 1));
        assert_eq!(of(Err(anyhow!("no cargo"))), counts(0, 1, 0));
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let over = [
            account("a", Ok(End::Passed(counts(3, 0, 1))), Duration::from_millis(1_250)),
            account("b", Ok(End::Failed(counts(1, 2, 0))), Duration::ZERO),
            account("c", Ok(End::Skipped("why".to_owned())), Duration::ZERO),
        ];
        let table = table(&over);
        assert_eq!(table.lines().last(), Some("4 passed, 2 failed, 2 skipped"));
        assert!(table.contains("1.2 s"), "{table}");
        assert!(table.contains(": why"), "{table}");
    }

    #[test]
    fn selects_by_name_in_the_order_of_the_steps() {
        let names =
            |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
        let chosen = select(&names(&["tidy", "fmt"])).expect("both are steps");
        assert_eq!(chosen.iter().map(|step| step.name).collect::<Vec<_>>(), ["fmt", "tidy"]);
        assert_eq!(select(&[]).expect("all").len(), STEPS.len());
        assert!(select(&names(&["tydi"])).expect_err("a typo").to_string().contains("tidy"));
    }
}
