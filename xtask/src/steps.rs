//! The steps of the test command, in order. Each is a name, a reason and a function.

use crate::process::{Counts, cargo, command, run};
use crate::{setup, tidy};
use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};
use std::path::{Path, PathBuf};

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It held, with these tests counted.
    Passed(Counts),
    /// It did not.
    Failed(Counts),
    /// It cannot run here, or there is nothing to run yet.
    Skipped(String),
}

/// A step of the test command.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Its name, to select it by.
    pub name: &'static str,
    /// What it checks.
    pub checks: &'static str,
    /// How.
    pub run: fn(&Path) -> Result<End>,
}

/// Every step, cheap ones first.
pub const STEPS: &[Step] = &[
    Step { name: "setup", checks: "programs that the steps need, whole lockfiles", run: set_up },
    Step { name: "fmt", checks: "formatting", run: format },
    Step { name: "tidy", checks: "the rules of the house", run: tidy },
    Step { name: "clippy", checks: "every target compiles without a warning", run: clippy },
    Step { name: "tests", checks: "unit, property and integration tests", run: tests },
    Step { name: "doctests", checks: "examples in the documentation", run: doc_tests },
    Step { name: "doc", checks: "documentation, no broken link", run: doc },
    Step {
        name: "web",
        checks: "pages in a real browser, built as committed",
        run: crate::web::run,
    },
    Step { name: "loom", checks: "interleavings: all of a part, many of the whole", run: loom },
    Step {
        name: "tsan",
        checks: "real threads under ThreadSanitizer, where nightly can",
        run: crate::sanitizer::threads,
    },
    Step { name: "simulator", checks: "whole sales from seeds, crashed at will", run: simulator },
    Step { name: "prove", checks: "every planted bug is found", run: prove },
    Step { name: "crashes", checks: "kills, power cuts, calls that fail under load", run: crashes },
    Step { name: "linear", checks: "what is told over HTTP is linearizable", run: linear },
    Step { name: "corpora", checks: "fuzz corpora as plain tests", run: corpora },
    Step { name: "fuzz", checks: "corpora, changed blindly for a while", run: fuzz },
    Step { name: "fuzz-build", checks: "fuzz targets compile", run: fuzz_build },
    Step {
        name: "compare",
        checks: "the comparison's checks catch a rival that cheats",
        run: compare,
    },
    Step { name: "ratchet", checks: "no request costs more instructions", run: ratchet },
];

/// The package that runs the corpora; its tests are a step of their own.
const FUZZ_PACKAGE: &str = "onrush-fuzz";

/// The manifests that have a lockfile: the workspace and the two packages outside it.
const LOCKED: [&str; 3] = ["Cargo.toml", "fuzz/Cargo.toml", crate::compare::MANIFEST];

/// Lockfiles are looked at here rather than by the late steps that build with them: a crate that gains
/// a dependency leaves the lockfiles of the packages outside the workspace behind.
fn set_up(root: &Path) -> Result<End> {
    let mut all = Found::default();
    let none = Counts::default();
    all.add(if setup::prepare(root)? { End::Passed(none) } else { End::Failed(none) });
    for manifest in LOCKED {
        let arguments = ["update", "--workspace", "--locked", "--manifest-path", manifest];
        all.add(ended(cargo(root).args(arguments))?);
    }
    Ok(all.end("nothing to set up"))
}

fn format(root: &Path) -> Result<End> {
    let mut all = Found::default();
    all.add(ended(cargo(root).args(["fmt", "--all", "--check"]))?);
    let compare = ["fmt", "--manifest-path", crate::compare::MANIFEST, "--check"];
    all.add(ended(cargo(root).args(compare))?);
    Ok(all.end("nothing to format"))
}

fn clippy(root: &Path) -> Result<End> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    ended(cargo(root).args(arguments))
}

/// Check the rules; each counts as a test.
///
/// # Errors
/// When the project cannot be read.
pub fn tidy(root: &Path) -> Result<End> {
    let mut counts = Counts::default();
    for checked in tidy::check(root)? {
        let tidy::Report { findings, notes } = &checked.report;
        let verdict = if findings.is_empty() { "ok  " } else { "FAIL" };
        println!("{verdict} {:<13} {}", checked.rule, checked.demands);
        findings.iter().for_each(|finding| println!("       {finding}"));
        notes.iter().for_each(|note| println!("       (note) {note}"));
        counts.passed += u64::from(findings.is_empty());
        counts.failed += u64::from(!findings.is_empty());
    }
    Ok(if counts.failed == 0 { End::Passed(counts) } else { End::Failed(counts) })
}

fn tests(root: &Path) -> Result<End> {
    let arguments = ["test", "--workspace", "--exclude", FUZZ_PACKAGE, "--no-fail-fast"];
    let mut all = Found::default();
    all.add(ended(cargo(root).args(arguments).args(["--lib", "--bins", "--tests"]))?);
    // The whole workspace with the feature, and not one package: the rest stays as it was built.
    let features = ["--features", "onrush-cli/parquet", "--test", "report", "parquet"];
    all.add(ended(cargo(root).args(["test", "--workspace"]).args(features))?);
    Ok(all.end("no tests"))
}

fn doc_tests(root: &Path) -> Result<End> {
    ended(cargo(root).args(["test", "--workspace", "--doc", "--no-fail-fast"]))
}

fn doc(root: &Path) -> Result<End> {
    // Libraries only: the engine's library and the command share the name `onrush`.
    let arguments = ["doc", "--workspace", "--no-deps", "--lib"];
    ended(cargo(root).args(arguments).env("RUSTDOCFLAGS", "-D warnings"))
}

/// Model checkers: the flag of the compiler, and what the names of their tests begin with.
const CHECKERS: [(&str, &str); 2] = [("loom", "loom_"), ("shuttle", "shuttle_")];

fn loom(root: &Path) -> Result<End> {
    let metadata = metadata(root)?;
    let mut all = Found::default();
    for (checker, begins) in CHECKERS {
        // A folder of its own: the flag would rebuild everything else.
        let target = PathBuf::from(&metadata.target_directory).join(checker);
        let flag = format!("--cfg {checker}");
        for package in metadata.workspace_packages() {
            let tests = package.targets.iter().filter(|t| t.is_test());
            for test in tests.filter(|test| test.name.starts_with(begins)) {
                let arguments =
                    ["test", "--release", "-p", package.name.as_str(), "--test", &test.name];
                let mut command = cargo(root);
                command.args(arguments).env("RUSTFLAGS", &flag).env("CARGO_TARGET_DIR", &target);
                all.add(ended(&mut command)?);
            }
        }
    }
    Ok(all.end("no tests/loom_*.rs or tests/shuttle_*.rs in any crate yet"))
}

/// Histories that each run of the tests lives through, and histories crashed at each of their changes:
/// as many of each script.
const HISTORIES: u64 = 300_000;
const CRASHED_EVERYWHERE: u64 = 42_000;
/// Where the scripts begin; see `crates/sim/src/plan.rs`.
const SCRIPTS: [u64; 3] = [0, 100_000_000, 200_000_000];

/// The seeds are those that nobody records: `crates/sim/LEDGER.md` starts ten million after each script.
fn simulator(root: &Path) -> Result<End> {
    let mut all = Found::default();
    let seeds = |first: u64, count: u64| format!("{first}..{}", first + count);
    let histories = SCRIPTS.map(|first| seeds(first, HISTORIES / 3));
    let crashed = SCRIPTS.map(|first| seeds(first, CRASHED_EVERYWHERE / 3));
    let lived = histories.iter().map(|seeds| vec!["--seeds", seeds]);
    let crashed = crashed.iter().map(|seeds| vec!["--crash-points", "--seeds", seeds]);
    for arguments in lived.chain(crashed) {
        let mut command = cargo(root);
        command.args(["run", "--quiet", "--release", "-p", "onrush-sim", "--", "--jobs", "2"]);
        let End::Passed(mut counts) = ended(command.args(&arguments))? else {
            all.add(End::Failed(Counts::default()));
            continue;
        };
        counts.passed += 1;
        all.add(End::Passed(counts));
    }
    Ok(all.end("no simulator"))
}

fn prove(root: &Path) -> Result<End> {
    let one = |passed| Counts { passed: u64::from(passed), failed: 0, skipped: 0 };
    let found = crate::prove::run_all(root, &[])?;
    Ok(if found { End::Passed(one(true)) } else { End::Failed(one(false)) })
}

/// Blows of each kind in the test command; `docs/invariants.md` says how many ran by hand.
const BLOWS: &str = "200";
/// Each of the first so many system calls of each kind fails in each way.
const CALLS: &str = "5";
/// Operations over HTTP that each run of the tests checks.
const OPERATIONS: &str = "200000";

fn crashes(root: &Path) -> Result<End> {
    let blows = ["--kills", BLOWS, "--cuts", BLOWS, "--calls", CALLS];
    against(root, "onrush-crashes", &blows)
}

fn linear(root: &Path) -> Result<End> {
    against(root, "onrush-linear", &["--operations", OPERATIONS])
}

/// Run a program against the command.
fn against(root: &Path, program: &str, arguments: &[&str]) -> Result<End> {
    let Some(folder) = build_attackers(root, &[])? else {
        return Ok(End::Failed(Counts::default()));
    };
    ended(command(folder.join(program), root).arg(folder.join("onrush")).args(arguments))
}

/// Build the command with `profile` and attack it with `program` as `arguments` say.
///
/// # Errors
/// When a program cannot be started.
pub fn attack(root: &Path, program: &str, profile: &[&str], arguments: &[String]) -> Result<bool> {
    let Some(folder) = build_attackers(root, profile)? else { return Ok(false) };
    // What is asked for by hand takes longer than a step may.
    let mut command = command(folder.join(program), root);
    let status = command.arg(folder.join("onrush")).args(arguments).status();
    Ok(status.with_context(|| format!("`{program}` did not start"))?.success())
}

/// Build the command and what attacks it; return their folder.
fn build_attackers(root: &Path, profile: &[&str]) -> Result<Option<PathBuf>> {
    let packages =
        ["build", "-p", "onrush-cli", "-p", "onrush-load", "-p", "onrush-linear", "--bins"];
    let built = run(cargo(root).args(packages).args(profile))?.ok;
    let target = PathBuf::from(&metadata(root)?.target_directory);
    Ok(built.then(|| target.join(if profile.is_empty() { "debug" } else { "release" })))
}

fn corpora(root: &Path) -> Result<End> {
    ended(cargo(root).args(["test", "-p", FUZZ_PACKAGE, "--lib", "--tests", "--no-fail-fast"]))
}

/// Seconds for each target; a fuzzer that sees coverage is `cargo xtask fuzz`.
const FUZZ_SECONDS: &str = "30";

fn fuzz(root: &Path) -> Result<End> {
    let arguments = ["run", "--quiet", "-p", FUZZ_PACKAGE, "--bin", "mutate", "--"];
    ended(cargo(root).args(arguments).args(["fuzz/corpus", FUZZ_SECONDS]))
}

fn fuzz_build(root: &Path) -> Result<End> {
    let target = PathBuf::from(&metadata(root)?.target_directory).join("fuzz");
    let arguments = ["check", "--locked", "--manifest-path", "fuzz/Cargo.toml"];
    ended(cargo(root).args(arguments).env("CARGO_TARGET_DIR", target))
}

fn compare(root: &Path) -> Result<End> {
    let target = crate::compare::own_target(&target_folder(root)?);
    let arguments = ["test", "--locked", "--manifest-path", crate::compare::MANIFEST];
    ended(cargo(root).args(arguments).env("CARGO_TARGET_DIR", target))
}

/// Return where cargo builds.
///
/// # Errors
/// When cargo does not tell.
pub fn target_folder(root: &Path) -> Result<PathBuf> {
    Ok(PathBuf::from(metadata(root)?.target_directory))
}

fn ratchet(root: &Path) -> Result<End> {
    crate::ratchet::ratchet(root, false)
}

/// The ends of several commands of one step.
#[derive(Default)]
struct Found {
    counts: Counts,
    ran: bool,
    failed: bool,
}

impl Found {
    fn add(&mut self, end: End) {
        self.ran = true;
        if let End::Passed(counts) | End::Failed(counts) = end {
            self.counts += counts;
        }
        self.failed |= matches!(end, End::Failed(_));
    }

    fn end(self, nothing: &str) -> End {
        match self {
            Found { ran: false, .. } => End::Skipped(nothing.to_owned()),
            Found { failed: true, counts, .. } => End::Failed(counts),
            Found { counts, .. } => End::Passed(counts),
        }
    }
}

pub(crate) fn ended(command: &mut std::process::Command) -> Result<End> {
    let ran = run(command)?;
    Ok(if ran.ok { End::Passed(ran.counts) } else { End::Failed(ran.counts) })
}

pub(crate) fn metadata(root: &Path) -> Result<Metadata> {
    let manifest = root.join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().context("cargo metadata failed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<&str> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
    }

    #[test]
    fn one_failure_among_several_commands_fails_the_step() {
        let counts = |passed, failed| Counts { passed, failed, skipped: 0 };
        let mut all = Found::default();
        all.add(End::Passed(counts(2, 0)));
        all.add(End::Failed(counts(1, 1)));
        all.add(End::Passed(counts(4, 0)));
        assert_eq!(all.end("-"), End::Failed(counts(7, 1)));
        assert_eq!(Found::default().end("none"), End::Skipped("none".to_owned()));
    }
}
