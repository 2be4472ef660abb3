//! Each atomic operation says, beside it, why its ordering is enough; `SeqCst` names its partner.
//!
//! The comment stands on a line of the call or within the three lines above it. It also counts for
//! the operations of the same ordering that follow without a larger gap, and, where it says
//! `Relaxed here and below`, to the end of the function; where it says `Relaxed in this file`, as a
//! file of counters may, for all of it.

use super::source::{Source, Tree};
use super::{Finding, Report, scan};

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];
const LINES_ABOVE: usize = 3;

/// Check every Rust file that is not a test.
pub fn check(tree: &Tree) -> Report {
    Report { findings: tree.product().flat_map(file).collect(), notes: Vec::new() }
}

fn file(source: &Source) -> Vec<Finding> {
    let Ok(parsed) = syn::parse_file(&source.text) else { return Vec::new() };
    let lines: Vec<&str> = source.text.lines().collect();
    let mut findings = Vec::new();
    let whole = |ordering: &str| {
        let said = format!("{ordering} in this file");
        lines.iter().filter_map(|line| comment(line)).any(|text| text.contains(&said))
    };
    let mut reasoned: Option<(String, usize)> = None;
    for named in scan::paths(&parsed) {
        let [.., before, ordering] = &named.parts[..] else { continue };
        if before != "Ordering" || !(ORDERINGS.contains(&ordering.as_str()) || ordering == "*") {
            continue;
        }
        let mut report = |what: String| {
            findings.push(Finding::new(&source.path, named.line, what));
        };
        if named.import {
            report(format!("import `Ordering` and write `Ordering::{ordering}` at each use"));
            continue;
        }
        let from = named.call.saturating_sub(LINES_ABOVE + 1);
        let beside: Vec<&str> = lines[from..named.line].iter().filter_map(|l| comment(l)).collect();
        let follows = reasoned.as_ref().is_some_and(|(before, line)| {
            before == ordering && (*line..=line + LINES_ABOVE).contains(&named.call)
        });
        if ordering == "SeqCst" {
            if !beside.iter().any(|text| text.contains("partner")) {
                let why = "name the partner that needs one order over all, or use a weaker one";
                report(format!("`Ordering::SeqCst` without its partner; {why}"));
            }
        } else if !beside.is_empty()
            || follows
            || said_above(&lines[..named.line], ordering)
            || whole(ordering)
        {
            reasoned = Some((ordering.clone(), named.line));
        } else {
            let why = "say in a comment above it which operation it pairs with, or why none";
            report(format!("`Ordering::{ordering}` has no reason; {why}"));
        }
    }
    findings
}

/// Look for `Relaxed here and below` between the line and the head of its function.
fn said_above(lines: &[&str], ordering: &str) -> bool {
    let head = |line: &&&str| line.split_whitespace().take(4).any(|word| word == "fn");
    let body = lines.iter().rev().take_while(|line| !head(line));
    body.filter_map(|line| comment(line))
        .any(|text| text.contains(&format!("{ordering} here and below")))
}

/// Return the text of a `//` comment; documentation is no reason for an ordering.
fn comment(line: &str) -> Option<&str> {
    let (_, text) = line.split_once("//")?;
    let documentation = text.starts_with('/') || text.starts_with('!');
    (!documentation && !text.trim().is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let path = "crates/core/src/a.rs".to_owned();
        let tree = Tree::of(vec![(path, text.as_bytes().to_vec())]);
        check(&tree).findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn catches_an_operation_without_a_reason() {
        let found = found("fn f() {\n a.load(Ordering::Acquire);\n}");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/core/src/a.rs:2: `Ordering::Acquire`"), "{found:?}");
        let far = "fn f() {\n// pairs with g\n let a = 1;\n let b = 1;\n let c = 1;\n x.load(Ordering::Acquire);\n}";
        assert_eq!(super::tests::found(far).len(), 1, "four lines away");
    }

    #[test]
    fn accepts_a_reason_above_beside_and_around() {
        for text in [
            "fn f() {\n // Acquire: pairs with g\n a.load(Ordering::Acquire);\n}",
            "fn f() {\n a.load(Ordering::Acquire); // pairs with g\n}",
            "fn f() {\n // pairs with g\n a.b.c(\n 1,\n 2,\n 3,\n 4,\n Ordering::AcqRel);\n}",
            "fn f() { let x = std::cmp::Ordering::Less; }",
            "#[cfg(test)] mod t { fn f() { a.load(Ordering::SeqCst); } }",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_reason_counts_for_a_run_and_where_it_says_so_for_the_function() {
        let ops = |first: &str, gap: usize, ordering: &str| {
            let gap = " g();\n".repeat(gap);
            let load = |ordering| format!(" a.load(Ordering::{ordering});\n");
            format!("fn f() {{\n // {first}\n{}{gap}{}}}\n", load("Relaxed"), load(ordering))
        };
        assert!(found(&ops("Relaxed: locked", 2, "Relaxed")).is_empty());
        assert_eq!(found(&ops("Relaxed: locked", 3, "Relaxed")).len(), 1, "too far");
        assert!(found(&ops("Relaxed here and below: locked", 9, "Relaxed")).is_empty());
        assert_eq!(found(&ops("Relaxed here and below: locked", 9, "Acquire")).len(), 1);
        let file = "// Relaxed in this file: counters\nfn f() {\n g();\n g();\n g();\n";
        assert!(found(&format!("{file} a.load(Ordering::Relaxed);\n}}")).is_empty());
        assert_eq!(found(&format!("{file} a.load(Ordering::Acquire);\n}}")).len(), 1);
        let next = "fn h() {\n g();\n g();\n a.load(Ordering::Relaxed);\n}";
        let text = ops("Relaxed here and below: locked", 9, "Relaxed") + next;
        assert_eq!(found(&text).len(), 1, "another function");
    }

    #[test]
    fn wants_a_partner_for_seq_cst() {
        assert_eq!(found("fn f() {\n // to be safe\n a.load(Ordering::SeqCst);\n}").len(), 1);
        assert!(
            found("fn f() {\n // partner: g's store\n a.load(Ordering::SeqCst);\n}").is_empty()
        );
    }

    #[test]
    fn refuses_bare_names_and_documentation_as_reason() {
        assert_eq!(found("use std::sync::atomic::Ordering::Relaxed;").len(), 1);
        assert_eq!(found("use std::sync::atomic::Ordering::*;").len(), 1);
        assert_eq!(found("/// Loads.\nfn f() { a.load(Ordering::Relaxed); }").len(), 1);
        assert_eq!(found("fn f() { m!(a.load(Ordering::Relaxed)); }").len(), 1, "in a macro");
    }
}
