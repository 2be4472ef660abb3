//! Instructions that a request costs, counted by valgrind and kept in a file: they may fall, and rise
//! by at most 3 %.
//!
//! Counts are of user code, by symbol; what is inlined counts for the function that it is part of.
//! They follow the compiler, the dependencies and the C library: renew the file with any of those.
//! Format of valgrind's file: "Callgrind Format Specification", valgrind's manual.

use crate::process::{Counts, cargo, command, run};
use crate::steps::{End, metadata};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The cases, as `benches/ratchet` names them. The first is the measure, not ours to keep.
const CASES: [&str; 4] = ["hello", "refusal", "hold", "poll"];

/// Where the counts are kept.
const KEPT: &str = "benches/ratchet/counts.txt";

/// Growth that is taken for noise of linking and layout.
const GROWTH_PERCENT_MAX: u64 = 3;

/// Allocations that a hundred requests may have more: a table that grows now and then.
const ALLOCATIONS_MORE_MAX: u64 = 10;

/// Functions that cost a request fewer instructions are not kept by name.
const NAMED_FROM: u64 = 40;

/// Functions that are named when a case has grown.
const NAMED_MAX: usize = 8;

/// What one request of a case costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cost {
    instructions: u64,
    /// Calls of the allocator in a hundred requests.
    allocations: u64,
    /// Instructions of each function itself.
    functions: BTreeMap<String, u64>,
}

/// Count every case; compare with what is kept, or keep it with `write`.
///
/// # Errors
/// When valgrind or the program cannot be run or say what is not understood.
pub fn ratchet(root: &Path, write: bool) -> Result<End> {
    let build = ["build", "--release", "-p", "onrush-bench-ratchet"];
    if !run(cargo(root).args(build))?.ok {
        return Ok(End::Failed(Counts::default()));
    }
    let target = PathBuf::from(&metadata(root)?.target_directory);
    let program = target.join("release/onrush-bench-ratchet");
    let folder = target.join("ratchet");
    std::fs::create_dir_all(&folder).context("a folder for valgrind's files")?;
    let costs: Result<Vec<(&str, Cost)>> = CASES
        .iter()
        .map(|case| Ok((*case, count(root, &program, &folder.join(case), case)?)))
        .collect();
    let costs = costs?;
    if write {
        std::fs::write(root.join(KEPT), text(&costs)).context(KEPT)?;
        println!("kept in {KEPT}");
    }
    let kept = read(&std::fs::read_to_string(root.join(KEPT)).context(KEPT)?)?;
    let mut counts = Counts::default();
    for (case, now) in &costs {
        let before = kept.get(*case).with_context(|| format!("{KEPT} has no {case}"))?;
        let verdict = compare(case, before, now);
        counts.passed += u64::from(verdict.is_ok());
        counts.failed += u64::from(verdict.is_err());
        println!("{}", verdict.unwrap_or_else(|grown| grown));
    }
    Ok(if counts.failed == 0 { End::Passed(counts) } else { End::Failed(counts) })
}

/// Run one case under valgrind.
fn count(root: &Path, program: &Path, out: &Path, case: &str) -> Result<Cost> {
    let mut valgrind = command("valgrind", root);
    valgrind.args(["--tool=callgrind", "--toggle-collect=*counted*"]);
    valgrind.args(["--compress-strings=no", "--compress-pos=no"]);
    valgrind.arg(format!("--callgrind-out-file={}", out.display()));
    let ran = valgrind.arg(program).arg(case).output().context("valgrind cannot be started")?;
    let errors = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success(), "{case} failed under valgrind: {errors}");
    let requests = String::from_utf8_lossy(&ran.stdout);
    let requests = requests.trim().split_once(' ').context("the program tells its requests")?;
    let profile = std::fs::read_to_string(out).context("valgrind's file")?;
    let cost = parse(&profile, requests.0.parse()?, requests.1.parse()?);
    ensure!(cost.instructions > 0, "nothing was counted: valgrind did not find the function");
    Ok(cost)
}

/// Read what valgrind wrote: the cost of each function itself in `counted` requests, and calls of the
/// allocator, which valgrind counts in all requests.
fn parse(profile: &str, counted: u64, all: u64) -> Cost {
    const ALLOCATORS: [&str; 5] =
        ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];
    let mut functions: BTreeMap<String, u64> = BTreeMap::new();
    let (mut function, mut called) = (String::new(), "");
    let mut allocations = 0;
    let mut is_call = false;
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            function = plain(name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            called = name;
        } else if let Some(rest) = line.strip_prefix("calls=") {
            // The next line has the cost of the calls, which the called functions have too.
            is_call = true;
            if ALLOCATORS.contains(&called) {
                let count = rest.split(' ').next().and_then(|n| n.parse::<u64>().ok());
                allocations += count.unwrap_or(0);
            }
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            let cost = line.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
            if !std::mem::take(&mut is_call) {
                *functions.entry(function.clone()).or_default() += cost;
            }
        }
    }
    let instructions = functions.values().sum::<u64>() / counted;
    functions.values_mut().for_each(|cost| *cost /= counted);
    functions.retain(|_, cost| *cost >= NAMED_FROM);
    let allocations = allocations * 100 / all;
    Cost { instructions, allocations, functions }
}

/// Drop from a symbol what differs from build to build: the hash, and what the linker appended.
fn plain(symbol: &str) -> String {
    let symbol = symbol.split(".llvm.").next().unwrap_or_default();
    let symbol = symbol.split('\'').next().unwrap_or_default();
    match symbol.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            name.to_owned()
        }
        _ => symbol.to_owned(),
    }
}

/// Tell how a case does; an error when it grew too much.
fn compare(case: &str, before: &Cost, now: &Cost) -> Result<String, String> {
    let (was, is) = (before.instructions, now.instructions);
    let head = format!(
        "{case}: {is} instructions a request ({was} kept), {} allocations in 100 ({} kept)",
        now.allocations, before.allocations
    );
    let may_have = was + was * GROWTH_PERCENT_MAX / 100;
    if is <= may_have && now.allocations <= before.allocations + ALLOCATIONS_MORE_MAX {
        let fell = is + is * GROWTH_PERCENT_MAX / 100 < was
            || now.allocations + ALLOCATIONS_MORE_MAX < before.allocations;
        let hint = "; it fell: `cargo xtask ratchet --write` keeps that";
        return Ok(head + if fell { hint } else { "" });
    }
    let names: BTreeSet<&String> = before.functions.keys().chain(now.functions.keys()).collect();
    let of = |cost: &Cost, name: &String| cost.functions.get(name).copied().unwrap_or(0);
    let grown = names.into_iter().filter_map(|name| {
        let (was, is) = (of(before, name), of(now, name));
        (is > was).then(|| (is - was, was, is, name))
    });
    let mut grown: Vec<_> = grown.collect();
    grown.sort_unstable_by(|a, b| b.cmp(a));
    let mut told = format!("{head}: grew past what may be noise. Most of it in");
    for (more, was, is, name) in grown.into_iter().take(NAMED_MAX) {
        let _ = write!(told, "\n  +{more:<6} {name} ({was} → {is})");
    }
    told += "\nfind a cheaper way, or keep it with `cargo xtask ratchet --write` and say why";
    Err(told)
}

/// Write costs as they are kept: `case`, number, and what it counts.
fn text(costs: &[(&str, Cost)]) -> String {
    let mut text = String::from(
        "# Instructions a request, and allocations in a hundred, by `cargo xtask ratchet --write`. One\n\
         # thread, connections in memory; user code only. Functions from 40 instructions on.\n",
    );
    for (case, cost) in costs {
        let _ = writeln!(text, "\n{case} {} instructions", cost.instructions);
        let _ = writeln!(text, "{case} {} allocations", cost.allocations);
        let mut functions: Vec<_> = cost.functions.iter().collect();
        functions.sort_unstable_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (name, cost) in functions {
            let _ = writeln!(text, "{case} {cost} in {name}");
        }
    }
    text
}

fn read(text: &str) -> Result<BTreeMap<String, Cost>> {
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(3, ' ');
        let (Some(case), Some(number), Some(what)) = (words.next(), words.next(), words.next())
        else {
            anyhow::bail!("{KEPT}: {line:?} is not `case number what`; write the file again");
        };
        let number: u64 = number.parse().with_context(|| format!("{KEPT}: {line:?}"))?;
        let cost = costs.entry(case.to_owned()).or_default();
        match what.strip_prefix("in ") {
            Some(function) => {
                cost.functions.insert(function.to_owned(), number);
            }
            None if what == "instructions" => cost.instructions = number,
            None => cost.allocations = number,
        }
    }
    Ok(costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
version: 1
events: Ir
fn=shop::sell::h0123456789abcdef
12 300
cfn=malloc
calls=20 0
13 5000
14 100
fn=malloc
fi=other.c
7 5000
fn=hyper::parse
fe=x.rs
1 1600
totals: 7000
";

    #[test]
    fn a_functions_own_cost_leaves_out_what_it_calls() {
        let cost = parse(PROFILE, 10, 20);
        assert_eq!((cost.instructions, cost.allocations), (700, 100));
        let expected = [("hyper::parse", 160), ("malloc", 500), ("shop::sell", 40)];
        let expected = expected.map(|(name, cost)| (name.to_owned(), cost));
        assert_eq!(cost.functions, BTreeMap::from(expected));
    }

    #[test]
    fn a_build_gives_its_symbols_other_ends() {
        assert_eq!(plain("a::b::h00ff00ff00ff00ff.llvm.123"), "a::b");
        assert_eq!(plain("<a as b>::c::h0011223344556677'2"), "<a as b>::c");
        assert_eq!(plain("a::hello"), "a::hello");
    }

    #[test]
    fn what_is_written_reads_back() {
        let cost = parse(PROFILE, 10, 10);
        let costs = read(&text(&[("hold", cost.clone())])).expect("our own format");
        assert_eq!(costs, BTreeMap::from([("hold".to_owned(), cost)]));
        assert!(read("hold many instructions").is_err());
        assert!(read("hold").is_err());
    }

    #[test]
    fn three_percent_pass_and_more_names_the_function() {
        let before = parse(PROFILE, 10, 10);
        let with = |more: u64| {
            let mut now = before.clone();
            now.instructions += more;
            *now.functions.get_mut("hyper::parse").expect("there") += more;
            now
        };
        assert!(compare("hold", &before, &with(21)).is_ok());
        let grown = compare("hold", &before, &with(22)).expect_err("22 of 700 is more than 3 %");
        assert!(grown.contains("+22     hyper::parse (160 → 182)"), "{grown}");
        assert!(!grown.contains("malloc"), "{grown}");
        let more = |allocations| Cost { allocations, ..before.clone() };
        assert!(compare("hold", &before, &more(210)).is_ok(), "one in ten requests");
        assert!(compare("hold", &before, &more(211)).is_err(), "more than that");
        let fell = compare("hold", &with(100), &before).expect("less is fine");
        assert!(fell.contains("--write"), "{fell}");
    }
}
