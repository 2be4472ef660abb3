//! `cargo xtask mutants [PART…]`: is every line of the core and the journal held by some test?
//!
//! `cargo mutants` lists small changes and builds each: a day for the thousands of these two packages.
//! Here all are built at once, each behind a switch (`rewrite.rs`), and the environment says which one
//! is on; a run takes minutes, since only the tests that reach a mutant are asked about it (`judge.rs`).
//! What the compiler refuses is no mutant and is left out; constants have no switch and are listed.
//!
//! The tests of the two packages are asked first, then those of the engine, and last the simulator.

mod judge;
mod rewrite;

use crate::process::{command, run, succeeds};
use crate::steps::target_folder;
use anyhow::{Context, Result, bail};
use judge::{End, Test};
use rewrite::{Mutant, Spot};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The packages whose lines are changed.
const CHANGED: [&str; 2] = ["core", "journal"];
/// A crate that the changed packages ask which mutant is on; no part of this workspace.
const SWITCH: &str = include_str!("switch.txt");
const SWITCH_MANIFEST: &str = "[package]\nname = \"mutant_switch\"\nedition = \"2024\"\n";
/// What the simulator is asked about a mutant that no test found.
const HISTORIES: [&[&str]; 5] = [
    &["--jobs", "1", "--seeds", "0..400"],
    &["--jobs", "1", "--seeds", "100000000..100000400"],
    &["--jobs", "1", "--seeds", "200000000..200000400"],
    &["--jobs", "1", "--crash-points", "--seeds", "0..6"],
    &["--jobs", "1", "--crash-points", "--seeds", "100000000..100000006"],
];

type Builder = fn(&Path) -> Result<Vec<Test>>;
/// Whom mutants are shown to, as long as some are left, and what builds those tests.
const STAGES: [(&str, Builder); 2] =
    [("the tests of core and journal", own), ("the engine's tests and the simulator", others)];

/// The mutants of each file, by its path in the tree.
type Files = BTreeMap<String, Vec<Mutant>>;

/// Run all mutants, or those whose names hold one of `parts`; return whether every one was caught.
///
/// # Errors
/// When `cargo mutants` is missing, the tree does not build, or a test fails without any mutant.
pub fn run_all(root: &Path, parts: &[String]) -> Result<bool> {
    if !succeeds(command("cargo", root).args(["mutants", "--version"])) {
        bail!("the list of mutants is cargo-mutants': cargo install cargo-mutants");
    }
    let files = list(root)?;
    let work = target_folder(root)?.join("mutants");
    let built = build(root, &work, &files)?;
    let named =
        |mutant: &&Mutant| parts.is_empty() || parts.iter().any(|p| mutant.name.contains(p));
    let mutants: Vec<&Mutant> = files.values().flatten().filter(named).collect();
    let viable: Vec<&Mutant> =
        mutants.iter().copied().filter(|m| built.reached_as.contains_key(&m.id)).collect();
    let without: Vec<&&Mutant> =
        mutants.iter().filter(|mutant| built.without.contains(&mutant.id)).collect();
    without.iter().for_each(|mutant| println!("no switch  {}", mutant.name));

    let mut left: Vec<u32> = viable.iter().map(|mutant| mutant.id).collect();
    for (who, tests) in STAGES {
        if left.is_empty() {
            break;
        }
        let tests = judge::measure(tests(&work)?, &work)?;
        let ends = judge::judge(&left, &tests, &built.reached_as)?;
        let before = left.len();
        left.retain(|id| matches!(ends[id], End::Survived | End::Unreached));
        println!("{} of {before} were caught by {who}", before - left.len());
    }
    for mutant in viable.iter().filter(|mutant| left.contains(&mutant.id)) {
        println!("survived   {}", mutant.name);
    }
    let found = viable.len() - left.len();
    println!(
        "{found} of {} caught ({:.1} %); {} do not compile, {} have no switch",
        viable.len(),
        found as f64 * 100.0 / viable.len().max(1) as f64,
        mutants.len() - viable.len() - without.len(),
        without.len()
    );
    Ok(left.is_empty())
}

/// Ask cargo-mutants for its list.
fn list(root: &Path) -> Result<Files> {
    let mut list = command("cargo", root);
    list.args(["mutants", "--list", "--json"]);
    list.args(CHANGED.iter().flat_map(|package| ["-p".to_owned(), format!("onrush-{package}")]));
    let listed = list.stdin(Stdio::null()).output().context("cargo mutants")?;
    let listed: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout)?;
    let mut files = Files::new();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for (n, mutant) in listed.iter().enumerate() {
        let text = |key: &str| mutant[key].as_str().unwrap_or_default().to_owned();
        let file = text("file");
        if !texts.contains_key(&file) {
            texts.insert(file.clone(), std::fs::read_to_string(root.join(&file))?);
        }
        let at = |end: &str| byte(&texts[&file], &mutant["span"][end]);
        let span = at("start")?..at("end")?;
        let (name, replacement) = (text("name"), text("replacement"));
        let mutant = Mutant { id: n as u32 + 1, name, replacement, span };
        files.entry(file).or_default().push(mutant);
    }
    Ok(files)
}

/// Turn a line and a column, both from 1, into a byte.
fn byte(text: &str, place: &serde_json::Value) -> Result<usize> {
    let number = |key: &str| place[key].as_u64().context("a mutant without a place");
    let (line, column) = (number("line")? as usize, number("column")? as usize);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let chars = text[start..].char_indices().nth(column - 1);
    Ok(chars.map_or(text.len(), |(offset, _)| start + offset))
}

/// What was built.
struct Built {
    /// The place by which each mutant is reached: the first mutant there.
    reached_as: BTreeMap<u32, u32>,
    without: BTreeSet<u32>,
}

/// Copy the tree, build all mutants in, and leave out what the compiler refuses until it builds.
fn build(root: &Path, work: &Path, files: &Files) -> Result<Built> {
    let tree = work.join("tree");
    copy(root, &tree)?;
    let mut refused = BTreeSet::new();
    loop {
        let mut spots: BTreeMap<&str, Vec<Spot>> = BTreeMap::new();
        let mut built = Built { reached_as: BTreeMap::new(), without: BTreeSet::new() };
        for (file, mutants) in files {
            let source = std::fs::read_to_string(root.join(file))?;
            let rewritten = rewrite::rewrite(&source, mutants, &refused)?;
            std::fs::write(tree.join(file), &rewritten.text)?;
            built.without.extend(rewritten.without);
            built.reached_as.extend(rewritten.reached_as);
            spots.insert(file, rewritten.spots);
        }
        let new = refusals(work, &spots)?;
        if new.is_empty() {
            return Ok(built);
        }
        println!("{} mutants do not compile", new.len());
        refused.extend(new);
    }
}

fn copy(root: &Path, tree: &Path) -> Result<()> {
    if tree.exists() {
        std::fs::remove_dir_all(tree)?;
    }
    let files = command("git", root).args(["ls-files", "-co", "--exclude-standard"]).output()?;
    for file in String::from_utf8(files.stdout)?.lines().filter(|f| root.join(f).is_file()) {
        let to = tree.join(file);
        std::fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        std::fs::copy(root.join(file), to)?;
    }
    let switch = tree.join("crates/mutant_switch");
    std::fs::create_dir_all(switch.join("src"))?;
    std::fs::write(switch.join("Cargo.toml"), SWITCH_MANIFEST)?;
    std::fs::write(switch.join("src/lib.rs"), SWITCH)?;
    for package in CHANGED {
        let manifest = tree.join("crates").join(package).join("Cargo.toml");
        let with = "[dependencies]\nmutant_switch = { path = \"../mutant_switch\" }\n";
        let text = std::fs::read_to_string(&manifest)?.replacen("[dependencies]\n", with, 1);
        std::fs::write(manifest, text)?;
    }
    Ok(())
}

/// `cargo` in the copied tree: quick to build, quick enough to run, asserting what a debug build does.
fn cargo(work: &Path, arguments: &[&str]) -> Command {
    let mut cargo = command("cargo", &work.join("tree"));
    cargo.args(arguments).env("CARGO_TARGET_DIR", work.join("target"));
    cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
    cargo.env("RUSTFLAGS", "--cap-lints allow -Awarnings");
    cargo
}

/// Check the changed packages; return the mutants in which the compiler found errors.
fn refusals(work: &Path, spots: &BTreeMap<&str, Vec<Spot>>) -> Result<BTreeSet<u32>> {
    let arguments = ["check", "-p", "onrush-core", "-p", "onrush-journal", "--lib", "--keep-going"];
    let mut check = cargo(work, &arguments);
    let ran = check.args(["--message-format", "json"]).stderr(Stdio::null()).output()?;
    let mut refused = BTreeSet::new();
    let mut elsewhere = Vec::new();
    for line in String::from_utf8_lossy(&ran.stdout).lines() {
        let Ok(said) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let message = &said["message"];
        let here = message["spans"].as_array().into_iter().flatten();
        if message["level"] != "error" || here.clone().next().is_none() {
            continue;
        }
        let mut hit = here.filter_map(|span| {
            let start = span["byte_start"].as_u64()? as usize;
            let spots = spots.get(span["file_name"].as_str()?)?.iter();
            let around = spots.filter(|spot| spot.bytes.contains(&start));
            around.min_by_key(|spot| spot.bytes.len()).map(|spot| spot.id)
        });
        match hit.next() {
            Some(id) => drop(refused.insert(id)),
            None => elsewhere.push(message["rendered"].to_string()),
        }
    }
    if refused.is_empty() && !ran.status.success() {
        bail!("the tree does not build with its mutants:\n{}", elsewhere.join("\n"));
    }
    Ok(refused)
}

fn own(work: &Path) -> Result<Vec<Test>> {
    tests(work, &["-p", "onrush-core", "-p", "onrush-journal"])
}

fn others(work: &Path) -> Result<Vec<Test>> {
    let mut others = tests(work, &["-p", "onrush"])?;
    if !run(&mut cargo(work, &["build", "--profile", "planted", "-p", "onrush-sim"]))?.ok {
        bail!("the simulator does not build with mutants");
    }
    let simulator = work.join("target/planted/onrush-sim");
    for arguments in HISTORIES {
        others.push(Test::new(simulator.clone(), work.join("tree/crates/sim"), arguments));
    }
    Ok(others)
}

/// Build the tests of some packages and list them.
fn tests(work: &Path, packages: &[&str]) -> Result<Vec<Test>> {
    let mut build = cargo(work, &["test", "--no-run", "--message-format", "json"]);
    let built = build.args(packages).stderr(Stdio::inherit()).output()?;
    if !built.status.success() {
        bail!("the tests of {packages:?} do not build with mutants");
    }
    let mut tests = Vec::new();
    for line in String::from_utf8_lossy(&built.stdout).lines() {
        let said: serde_json::Value = serde_json::from_str(line)?;
        let (Some(program), Some(manifest)) =
            (said["executable"].as_str(), said["manifest_path"].as_str())
        else {
            continue;
        };
        let folder = Path::new(manifest).parent().context("a manifest lies in a folder")?;
        let listed = Command::new(program).args(["--list", "--format", "terse"]).output()?;
        for name in String::from_utf8_lossy(&listed.stdout).lines() {
            if let Some(name) = name.strip_suffix(": test") {
                tests.push(Test::named(PathBuf::from(program), folder.to_owned(), name));
            }
        }
    }
    Ok(tests)
}
