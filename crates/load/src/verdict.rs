//! The outcome of a check, as data and as a table.

use serde::Serialize;
use std::fmt::{self, Write};

/// Violations described in words; the others are only counted.
const EXAMPLES_MAX: usize = 5;

/// One promise and how it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What must not be there.
    pub name: &'static str,
    /// The promise of `docs/invariants.md`.
    pub promise: &'static str,
    /// How many things were looked at.
    pub looked_at: u64,
    /// What `looked_at` counts.
    pub what: &'static str,
    /// How many of them broke the promise.
    pub violations: u64,
    /// The first violations, in words.
    pub examples: Vec<String>,
}

impl Check {
    /// Begin a check.
    pub fn new(name: &'static str, promise: &'static str, what: &'static str) -> Check {
        Check { name, promise, looked_at: 0, what, violations: 0, examples: Vec::new() }
    }

    /// Count one thing that was looked at; a violation is described only if it is one of the first.
    pub fn look(&mut self, holds: bool, describe: impl FnOnce() -> String) {
        self.looked_at += 1;
        if !holds {
            self.violate(describe);
        }
    }

    /// Note a violation.
    pub fn violate(&mut self, describe: impl FnOnce() -> String) {
        self.violations += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(describe());
        }
    }
}

/// Checks together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Each promise.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// Tell whether everything held. Nothing looked at is no proof: an empty verdict does not hold.
    pub fn holds(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.violations == 0)
    }

    /// Return the number of violations of the check called `name`; 0 when there is none.
    pub fn violations(&self, name: &str) -> u64 {
        self.checks.iter().filter(|check| check.name == name).map(|check| check.violations).sum()
    }

    /// Add the checks of another verdict.
    pub fn extend(&mut self, other: Verdict) {
        self.checks.extend(other.checks);
    }

    /// Write the table, in colour if asked.
    pub fn table(&self, colour: bool) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "  {:<46} {:>9}  {:<26} promise", "", "found", "looked at");
        for check in &self.checks {
            let word = match (check.violations == 0, colour) {
                (true, false) => "ok  ",
                (false, false) => "FAIL",
                (true, true) => "\x1b[32mok  \x1b[0m",
                (false, true) => "\x1b[1;31mFAIL\x1b[0m",
            };
            let looked = format!("{} {}", grouped(check.looked_at), check.what);
            let (name, promise) = (check.name, check.promise);
            let found = grouped(check.violations);
            let _ = writeln!(out, "  {word} {name:<41} {found:>9}  {looked:<26} {promise}");
            for example in &check.examples {
                let _ = writeln!(out, "         {example}");
            }
        }
        out
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(false))
    }
}

/// Write a number with commas between thousands.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_verdict_proves_nothing() {
        assert!(!Verdict::default().holds());
    }

    #[test]
    fn the_table_shows_each_check_and_the_first_violations() {
        let mut check = Check::new("oversold", "INV-2", "SKUs");
        for n in 0..12 {
            check.look(n < 3, || format!("SKU {n}"));
        }
        let verdict = Verdict { checks: vec![Check::new("leaked", "INV-3", "SKUs"), check] };
        assert!(!verdict.holds());
        let table = verdict.to_string();
        assert!(table.contains("ok   leaked") && table.contains("FAIL oversold"), "{table}");
        assert!(table.contains("SKU 3") && table.contains("SKU 7") && !table.contains("SKU 8"));
        assert_eq!((verdict.violations("oversold"), verdict.violations("leaked")), (9, 0));
    }

    #[test]
    fn thousands_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), text);
        }
    }
}
