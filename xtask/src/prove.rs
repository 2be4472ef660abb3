//! `cargo xtask prove-checkers`: a checker that finds nothing proves nothing, so each planted bug
//! (`onrush_types::planted!`) is switched on in turn, and something has to find it.
//!
//! One build has all the bugs; the environment names the one that is on. The simulator looks first;
//! what is not its to find has a test, named in `TESTED`.

use crate::process::{cargo, command, run};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Histories of each script that the simulator may need for one bug.
const SEEDS_MAX: u64 = 4_000;
/// Where the simulator's scripts begin; see `crates/sim/src/plan.rs`.
const SCRIPTS: [u64; 3] = [0, 100_000_000, 200_000_000];
/// Most bugs need few: every script is tried with so many before either goes on.
const SEEDS_FIRST: u64 = 250;
/// A run that takes longer hangs, and is found that way; a busy machine must not look like that.
const SECONDS_MAX: u64 = 180;

/// Bugs that the simulator cannot see, with the package, its test binary and the test that do: it has
/// no drafts, and its batches are too small for the frames that a cut tail must not bring back.
const TESTED: &[(&str, &str, &str, &str)] = &[
    ("draft-shown", "onrush-gateway", "http", "drafts_do_not_exist_for_buyers"),
    ("tail-not-cut", "onrush-journal", "crashes", "c8_a_cut_tail_never_comes_back"),
];

/// What a bug came to.
struct Proof {
    bug: String,
    place: String,
    finder: Option<String>,
    seeds: String,
    took: Duration,
}

/// Switch on every planted bug, or those named, and print what found it; return whether all were
/// found.
///
/// # Errors
/// When the checkers cannot be built, or fail without any bug.
pub fn run_all(root: &Path, names: &[String]) -> Result<bool> {
    let bugs = planted(root)?;
    if let Some(unknown) = names.iter().find(|name| !bugs.contains_key(*name)) {
        bail!("no bug is called `{unknown}`");
    }
    let target = root.join("target/planted");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or(target, |t| Path::new(&t).join("planted"));
    let mut build = cargo(root);
    build.args(["build", "--profile", "planted", "-p", "onrush-sim"]);
    if !run(flagged(&mut build, &target))?.ok {
        bail!("the simulator does not build with `--cfg onrush_planted`");
    }
    let simulator = target.join("planted/onrush-sim");
    let clean = look(root, &simulator, "", 500)?;
    if clean.is_some() {
        bail!(
            "the simulator fails without any bug: run `cargo run --release -p onrush-sim -- --seeds 0..500`"
        );
    }
    let mut proofs = Vec::new();
    for (bug, place) in &bugs {
        if names.is_empty() || names.contains(bug) {
            let proof = prove(root, (bug.as_str(), place.as_str()), &simulator, &target)?;
            println!("{}", line(&proof));
            proofs.push(proof);
        }
    }
    println!("\n{}", table(&proofs));
    Ok(proofs.iter().all(|proof| proof.finder.is_some()))
}

/// Find every planted bug in the sources: its name, and where it is.
fn planted(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut bugs = BTreeMap::new();
    for package in ["core", "journal", "engine", "gateway"] {
        let folder = root.join("crates").join(package).join("src");
        for file in sources(&folder)? {
            let text =
                std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let place = file.strip_prefix(root.join("crates")).unwrap_or(&file);
            for after in text.split("planted!(").skip(1) {
                let name =
                    after.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                let name =
                    name.with_context(|| format!("a bug without a name in {}", place.display()))?;
                let known = bugs.insert(name.to_owned(), place.display().to_string());
                if known.is_some() {
                    bail!("two bugs are called `{name}`");
                }
            }
        }
    }
    Ok(bugs)
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.append(&mut sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(files)
}

fn flagged<'a>(command: &'a mut Command, target: &Path) -> &'a mut Command {
    command.env("RUSTFLAGS", "--cfg onrush_planted").env("CARGO_TARGET_DIR", target)
}

fn prove(
    root: &Path,
    (bug, place): (&str, &str),
    simulator: &Path,
    target: &Path,
) -> Result<Proof> {
    let started = Instant::now();
    let proof = |finder, seeds: &str| Proof {
        bug: bug.to_owned(),
        place: place.to_owned(),
        finder,
        seeds: seeds.to_owned(),
        took: started.elapsed(),
    };
    if let Some((_, package, binary, test)) = TESTED.iter().find(|(name, ..)| *name == bug) {
        let mut tests = cargo(root);
        tests.args([
            "test",
            "--quiet",
            "--profile",
            "planted",
            "-p",
            package,
            "--test",
            binary,
            test,
        ]);
        flagged(&mut tests, target).env("ONRUSH_PLANTED", bug).stdout(Stdio::null());
        let found = !tests.stderr(Stdio::null()).status()?.success();
        return Ok(proof(found.then(|| format!("{package}: {test}")), "–"));
    }
    Ok(match look(root, simulator, bug, SEEDS_MAX)? {
        Some((promise, seeds)) => proof(Some(format!("simulator, {promise}")), &seeds),
        None => proof(None, ""),
    })
}

/// Run the simulator with a bug; return the promise it saw broken, and in which seed of which script,
/// counted from 1.
fn look(root: &Path, simulator: &Path, bug: &str, seeds: u64) -> Result<Option<(String, String)>> {
    let first = seeds.min(SEEDS_FIRST);
    for part in [0..first, first..seeds] {
        for (n, script) in SCRIPTS.into_iter().enumerate() {
            let seeds = script + part.start..script + part.end;
            if let Some((promise, seed)) = look_in(root, simulator, bug, seeds)? {
                let place = seed.map_or("?".to_owned(), |seed| (seed - script + 1).to_string());
                let of = ["", " of the second script", " of the third script"][n];
                return Ok(Some((promise, place + of)));
            }
        }
    }
    Ok(None)
}

/// The same for some seeds; the seed is not known of a run that hangs or ends without a word.
fn look_in(
    root: &Path,
    simulator: &Path,
    bug: &str,
    seeds: Range<u64>,
) -> Result<Option<(String, Option<u64>)>> {
    let mut look = command(simulator, root);
    let range = format!("{}..{}", seeds.start, seeds.end);
    look.args(["--seeds", &range, "--jobs", "2"]).env("ONRUSH_PLANTED", bug);
    let mut child = look.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let until = Instant::now() + Duration::from_secs(SECONDS_MAX);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            return Ok(Some(("hangs".to_owned(), None)));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if status.success() {
        return Ok(None);
    }
    let mut said = String::new();
    child.stdout.take().context("piped")?.read_to_string(&mut said)?;
    let Some(rest) = said.lines().find_map(|line| line.strip_prefix("FAILED seed ")) else {
        // It ended without a word: an abort, or a stack that ran over.
        return Ok(Some((format!("{status}"), None)));
    };
    let mut words = rest.split(' ');
    let seed: Option<u64> = words.next().and_then(|seed| seed.parse().ok());
    let promise = words.next().unwrap_or_default().trim_end_matches(':').to_owned();
    Ok(Some((promise, seed)))
}

fn line(proof: &Proof) -> String {
    let finder = proof.finder.as_deref().unwrap_or("NOT FOUND");
    let took = proof.took.as_millis();
    format!("| `{}` | {} | {finder} | {} | {took} ms |", proof.bug, proof.place, proof.seeds)
}

fn table(proofs: &[Proof]) -> String {
    let mut text =
        "| bug | planted in | found by | seeds | time |\n|---|---|---|---|---|\n".to_owned();
    for proof in proofs {
        text += &line(proof);
        text.push('\n');
    }
    let found = proofs.iter().filter(|proof| proof.finder.is_some()).count();
    text + &format!("{found} of {} planted bugs found", proofs.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_is_seen_and_has_a_name_of_its_own() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the project");
        let bugs = planted(root).expect("names are unique");
        assert!(bugs.len() >= 50, "{} bugs are planted", bugs.len());
        for (tested, ..) in TESTED {
            assert!(bugs.contains_key(*tested), "{tested} is planted nowhere");
        }
    }

    #[test]
    fn a_survivor_is_told() {
        let proof = |finder: Option<&str>| Proof {
            bug: "a".to_owned(),
            place: "b".to_owned(),
            finder: finder.map(str::to_owned),
            seeds: "1".to_owned(),
            took: Duration::ZERO,
        };
        let table = table(&[proof(Some("x")), proof(None)]);
        assert!(table.contains("NOT FOUND") && table.ends_with("1 of 2 planted bugs found"));
    }
}
