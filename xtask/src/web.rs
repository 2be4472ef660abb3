//! The pages: their scripts are checked and built again, what was committed must be the same, people
//! click through them in a real browser, and the client package talks to a real server. Screenshots
//! stay in `target/web`.

use crate::process::{Counts, cargo, command, run as run_program};
use crate::steps::{End, ended, metadata};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const CLIENT_TESTS: &str = "client/tests/client.test.mjs";

/// Run all of it; each file that must be the same counts as a test.
///
/// # Errors
/// When a program cannot be started or a folder cannot be read.
pub fn run(root: &Path) -> Result<End> {
    let web = root.join("web");
    let target = PathBuf::from(&metadata(root)?.target_directory);
    let built = target.join("web/dist");
    let install = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
    let builds = [&["run", "build", "--"][..], &["run", "build:client"]];
    for arguments in [&install[..], &["run", "check"]].into_iter().chain(builds) {
        let mut npm = command("npm", &web);
        npm.args(arguments);
        if arguments.contains(&"build") {
            npm.arg(&built);
        }
        if let End::Failed(counts) = ended(&mut npm)? {
            return Ok(End::Failed(counts));
        }
    }
    let mut counts = compare(&web.join("dist"), &built)?;
    ended(cargo(root).args(["build", "-p", "onrush-cli"]))?;
    let program = target.join("debug/onrush");
    let mut clicks = command("node", &web);
    clicks.arg("tests/run.mjs").arg(program).arg(target.join("web/shots"));
    let mut client = command("node", &web);
    client.args(["--test", "--test-reporter=./client/tests/report.mjs", CLIENT_TESTS]);
    client.env("ONRUSH", target.join("debug/onrush"));
    let mut ok = true;
    for step in [&mut client, &mut clicks] {
        counts += match ended(step)? {
            End::Passed(counts) => counts,
            End::Failed(counts) => {
                ok = false;
                counts
            }
            skipped @ End::Skipped(_) => return Ok(skipped),
        };
    }
    Ok(if ok && counts.failed == 0 { End::Passed(counts) } else { End::Failed(counts) })
}

/// Measure what an open console costs a busy server (`cargo xtask bench console [RATE] [SECONDS]`).
///
/// # Errors
/// When a program cannot be started.
pub fn cost(root: &Path, arguments: &[String]) -> Result<bool> {
    let built = run_program(cargo(root).args(["build", "--release", "-p", "onrush-cli"]))?;
    let program = PathBuf::from(&metadata(root)?.target_directory).join("release/onrush");
    let mut measure = command("node", &root.join("web"));
    measure.arg("tests/cost.mjs").arg(program).args(arguments);
    Ok(built.ok && run_program(&mut measure)?.ok)
}

/// Compare what was committed with what was built just now.
fn compare(committed: &Path, built: &Path) -> Result<Counts> {
    let mut counts = Counts::default();
    for name in names(committed)?.union(&names(built)?) {
        let same = fs::read(committed.join(name)).ok() == fs::read(built.join(name)).ok();
        counts.passed += u64::from(same);
        counts.failed += u64::from(!same);
        if !same {
            println!(
                "web/dist/{name} is not what its source builds to; run `npm run build` in web/"
            );
        }
    }
    Ok(counts)
}

fn names(folder: &Path) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_differs_or_is_missing_fails() {
        let (one, two) = (tempfile::tempdir().expect("a"), tempfile::tempdir().expect("b"));
        let put = |folder: &tempfile::TempDir, name: &str, text: &str| {
            fs::write(folder.path().join(name), text).expect("written");
        };
        put(&one, "same", "x");
        put(&two, "same", "x");
        put(&one, "changed", "x");
        put(&two, "changed", "y");
        put(&two, "new", "x");
        let counts = compare(one.path(), two.path()).expect("read");
        assert_eq!((counts.passed, counts.failed), (1, 2));
        assert!(compare(&one.path().join("none"), two.path()).is_err());
    }
}
