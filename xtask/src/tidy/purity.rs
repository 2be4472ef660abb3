//! Below the gateway nothing reads a clock, draws randomness, starts a thread or does I/O, except in
//! the modules made for it: what these crates decide must be the same in production, in replay and
//! in a simulation.

use super::source::{Source, Tree};
use super::{Finding, Report, scan};

/// Where the rule holds.
const FOLDERS: [&str; 5] =
    ["crates/types/", "crates/core/", "crates/journal/", "crates/router/", "crates/engine/"];

/// What must not be named there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ban {
    Clock,
    Chance,
    Threads,
    Io,
}

impl Ban {
    fn remedy(self) -> &'static str {
        match self {
            Ban::Clock => "reads a clock; take the time as an argument",
            Ban::Chance => "draws randomness; take the seed or the key as an argument",
            Ban::Threads => "starts or names threads; leave that to the engine's modules for it",
            Ban::Io => "does I/O; go through the `Storage` trait or take the data as an argument",
        }
    }
}

/// Paths, given by parts in a row.
const BANNED: &[(&[&str], Ban)] = &[
    (&["Instant", "now"], Ban::Clock),
    (&["SystemTime", "now"], Ban::Clock),
    (&["Zoned", "now"], Ban::Clock),
    (&["Timestamp", "now"], Ban::Clock),
    (&["rand"], Ban::Chance),
    (&["fastrand"], Ban::Chance),
    (&["getrandom"], Ban::Chance),
    (&["RandomState"], Ban::Chance),
    (&["std", "thread"], Ban::Threads),
    (&["thread", "spawn"], Ban::Threads),
    (&["thread", "sleep"], Ban::Threads),
    (&["std", "fs"], Ban::Io),
    (&["std", "net"], Ban::Io),
    (&["std", "env"], Ban::Io),
    (&["std", "process"], Ban::Io),
    (&["fs", "File"], Ban::Io),
    (&["rustix", "process", "setpriority_process"], Ban::Threads),
    (&["rustix"], Ban::Io),
];

/// The modules made for it.
const ALLOWED: &[(&str, &[Ban])] = &[
    ("crates/journal/src/disk.rs", &[Ban::Io]),
    ("crates/engine/src/clock.rs", &[Ban::Clock]),
    ("crates/engine/src/secret.rs", &[Ban::Chance, Ban::Io]),
    // Only under `--cfg onrush_planted`, which no release can have.
    ("crates/types/src/planting.rs", &[Ban::Io]),
    // Makes the data folder before the journal's disk takes over.
    ("crates/engine/src/open.rs", &[Ban::Io]),
    // The engine's threads, and how callers sleep and wake.
    ("crates/engine/src/background.rs", &[Ban::Threads]),
    ("crates/engine/src/bell.rs", &[Ban::Threads]),
    ("crates/engine/src/engine.rs", &[Ban::Threads]),
    ("crates/engine/src/pending.rs", &[Ban::Threads]),
    ("crates/engine/src/sync.rs", &[Ban::Threads]),
];

/// Check every file of those crates, tests left out.
pub fn check(tree: &Tree) -> Report {
    let inside = |source: &&Source| {
        FOLDERS.iter().any(|folder| source.path.starts_with(&format!("{folder}src/")))
    };
    Report { findings: tree.product().filter(inside).flat_map(file).collect(), notes: Vec::new() }
}

fn file(source: &Source) -> Vec<Finding> {
    let parsed = match syn::parse_file(&source.text) {
        Ok(parsed) => parsed,
        Err(error) => {
            return vec![Finding::new(&source.path, error.span().start().line, error.to_string())];
        }
    };
    let allowed = ALLOWED.iter().find(|(path, _)| *path == source.path).map_or(&[][..], |a| a.1);
    let mut findings = Vec::new();
    for named in scan::paths(&parsed) {
        let hit = BANNED.iter().find(|(parts, _)| named.contains(parts));
        if let Some(&(_, ban)) = hit.filter(|(_, ban)| !allowed.contains(ban)) {
            let what = format!("`{}` {}", named.parts.join("::"), ban.remedy());
            findings.push(Finding::new(&source.path, named.line, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let tree = Tree::of(vec![(path.to_owned(), text.as_bytes().to_vec())]);
        check(&tree).findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn catches_each_planted_violation() {
        let planted = [
            ("fn f() { std::time::Instant::now(); }", "clock"),
            ("use std::time::SystemTime;\nfn f() { SystemTime::now(); }", "clock"),
            ("use std::fs;", "I/O"),
            ("use std::{collections::BTreeMap, net::TcpStream};", "I/O"),
            ("fn f() { std::thread::spawn(|| ()); }", "threads"),
            ("fn f() -> u64 { rand::random() }", "randomness"),
            ("type M = HashMap<u8, u8, std::hash::RandomState>;", "randomness"),
            ("fn f() { assert_eq!(std::env::var(\"A\"), x); }", "I/O"),
            ("fn f() { getrandom::fill(&mut x); }", "randomness"),
        ];
        for (text, word) in planted {
            let found = found("crates/core/src/a.rs", text);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains(word), "{text}: {found:?}");
        }
    }

    #[test]
    fn names_the_line() {
        let found = found("crates/router/src/a.rs", "fn f() {\n\n  Instant::now();\n}");
        assert!(found[0].starts_with("crates/router/src/a.rs:3: `Instant::now`"), "{found:?}");
    }

    #[test]
    fn lets_tests_arguments_and_other_crates_be() {
        assert!(found("crates/core/tests/a.rs", "use std::thread;").is_empty());
        assert!(found("crates/gateway/src/a.rs", "use std::net::TcpListener;").is_empty());
        assert!(found("crates/core/src/a.rs", "fn f(now: std::time::Instant) {}").is_empty());
        assert!(
            found("crates/core/src/a.rs", "#[cfg(test)] mod t { use std::thread; }").is_empty()
        );
    }

    #[test]
    fn allows_each_named_module_its_own_ban_only() {
        assert!(found("crates/journal/src/disk.rs", "use std::fs::File;").is_empty());
        assert_eq!(found("crates/journal/src/disk.rs", "use std::thread;").len(), 1);
        assert_eq!(found("crates/journal/src/frame.rs", "use std::fs::File;").len(), 1);
        assert!(found("crates/engine/src/clock.rs", "fn f() { Instant::now(); }").is_empty());
    }
}
