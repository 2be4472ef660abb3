//! Go or no-go: every reason with its figure and what to do next.

use serde::Serialize;
use std::fmt::Write;

/// How much a reason weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Weight {
    /// All is well.
    Fine,
    /// Somebody should look at it; no reason to stop.
    Look,
    /// No sale before it is mended.
    Stop,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Reason {
    /// What was looked at, in a word.
    pub(super) about: &'static str,
    /// How it stands.
    pub(super) weight: Weight,
    /// The figure, with its limit.
    pub(super) found: String,
    /// What to do; empty when all is well.
    pub(super) next: String,
}

/// All reasons.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Reasons {
    pub(super) list: Vec<Reason>,
}

impl Reason {
    pub(super) fn fine(about: &'static str, found: impl Into<String>) -> Reason {
        Reason { about, weight: Weight::Fine, found: found.into(), next: String::new() }
    }

    pub(super) fn look(
        about: &'static str,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Reason {
        Reason { about, weight: Weight::Look, found: found.into(), next: next.into() }
    }

    pub(super) fn stop(
        about: &'static str,
        found: impl Into<String>,
        next: impl Into<String>,
    ) -> Reason {
        Reason { about, weight: Weight::Stop, found: found.into(), next: next.into() }
    }
}

impl Reasons {
    /// Tell whether nothing speaks against the sale. Nothing looked at is no proof.
    pub(super) fn go(&self) -> bool {
        !self.list.is_empty() && self.list.iter().all(|reason| reason.weight < Weight::Stop)
    }

    /// Write the table, worst first.
    pub(super) fn table(&self, colour: bool) -> String {
        let mut list: Vec<&Reason> = self.list.iter().collect();
        list.sort_by_key(|reason| std::cmp::Reverse(reason.weight));
        let mut out = String::new();
        for reason in list {
            let (word, ink) = match reason.weight {
                Weight::Fine => ("ok  ", "32"),
                Weight::Look => ("look", "33"),
                Weight::Stop => ("STOP", "1;31"),
            };
            let word = if colour { format!("\x1b[{ink}m{word}\x1b[0m") } else { word.to_owned() };
            let _ = writeln!(out, "  {word} {:<14} {}", reason.about, reason.found);
            if !reason.next.is_empty() {
                let _ = writeln!(out, "       {:<14} → {}", "", reason.next);
            }
        }
        let _ = writeln!(out, "\n{}", if self.go() { "GO" } else { "NO-GO" });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reason_to_stop_is_enough_and_none_at_all_proves_nothing() {
        let mut reasons = Reasons::default();
        assert!(!reasons.go());
        reasons.list.push(Reason::fine("books", "all held"));
        reasons.list.push(Reason::look("clock", "unknown", "ask it"));
        assert!(reasons.go());
        reasons.list.push(Reason::stop("capacity", "too slow", "fewer"));
        assert!(!reasons.go());
        let table = reasons.table(false);
        assert!(table.find("STOP").zip(table.find("look")).is_some_and(|(stop, look)| stop < look));
        assert!(table.ends_with("NO-GO\n") && table.contains("→ fewer"), "{table}");
    }
}
