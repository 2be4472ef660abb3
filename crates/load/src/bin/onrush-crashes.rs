//! `onrush-crashes PROGRAM [--kills N] [--cuts N] [--calls N] [--seed N] [--folder DIR]`: crash the
//! `onrush` binary PROGRAM so often, let each of its first N system calls of each kind fail, and say
//! whether it kept its word. Exit code 3 when it did not.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use onrush_load::crash::disk::CutDisk;
use onrush_load::crash::inject;
use onrush_load::crash::{Blow, Total, strike};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: onrush-crashes PROGRAM [--kills N] [--cuts N] [--calls N] [--seed N] \
                     [--folder DIR]";

struct Wish {
    program: PathBuf,
    kills: u64,
    cuts: u64,
    calls: u32,
    seed: u64,
    folder: PathBuf,
}

fn main() -> ExitCode {
    let Some(wish) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let kinds = [(Blow::Kill, wish.kills, "kill -9"), (Blow::PowerCut, wish.cuts, "power cuts")];
    let (mut held, mut broken, mut skipped) = (0, 0, 0);
    for (blow, blows, name) in kinds.into_iter().filter(|kind| kind.1 > 0) {
        let why_not = if blow == Blow::PowerCut { CutDisk::why_not() } else { None };
        if let Some(why) = why_not {
            println!("skipped: {blows} {name}: {why}");
            skipped += 1;
            continue;
        }
        match strike_all(&wish, blow, blows, name) {
            Ok(true) => held += 1,
            Ok(false) => broken += 1,
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    if wish.calls > 0 {
        match inject::why_not().map_or_else(|| Ok(fail_calls(&wish)), Err) {
            Err(why) => {
                println!("skipped: system calls that fail: {why}");
                skipped += 1;
            }
            Ok(Ok(true)) => held += 1,
            Ok(Ok(false)) => broken += 1,
            Ok(Err(error)) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    let word = if broken == 0 { "ok" } else { "FAILED" };
    println!("test result: {word}. {held} passed; {broken} failed; {skipped} ignored");
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) }
}

fn strike_all(wish: &Wish, blow: Blow, blows: u64, name: &str) -> std::io::Result<bool> {
    if blows == 0 {
        return Ok(true);
    }
    let home = wish.folder.join(name.replace(' ', ""));
    let Total { sales, blows, unanswered, violations, looked_at } =
        strike(&wish.program, &home, blow, blows, wish.seed, |total, verdict| {
            if !verdict.holds() {
                println!(
                    "sale {} (seed {}):\n{verdict}",
                    total.sales - 1,
                    wish.seed + total.sales - 1
                );
            }
        })?;
    println!(
        "{name}: {blows} in {sales} sales, {unanswered} requests cut off, {looked_at} things \
         compared, {violations} violations"
    );
    if violations > 0 {
        println!("the folder is kept: {}", home.display());
    }
    Ok(violations == 0)
}

fn fail_calls(wish: &Wish) -> std::io::Result<bool> {
    let home = wish.folder.join("calls");
    let inject::Total { failed, ended, refused, violations, looked_at } =
        inject::fail_each(&wish.program, &home, wish.calls, wish.seed, |fault, outcome| {
            if outcome.verdict.checks.iter().any(|check| check.violations > 0) {
                println!("{fault:?}:\n{}", outcome.verdict);
            }
        })?;
    println!(
        "system calls: {failed} failed, {ended} servers ended, {refused} folders refused after a disk \
         that lied, {looked_at} things compared, {violations} violations"
    );
    Ok(violations == 0 && failed > 0)
}

fn read(mut arguments: impl Iterator<Item = String>) -> Option<Wish> {
    let program = PathBuf::from(arguments.next()?);
    let folder = std::env::temp_dir().join(format!("onrush-crashes-{}", std::process::id()));
    let mut wish = Wish { program, kills: 0, cuts: 0, calls: 0, seed: 1, folder };
    while let Some(name) = arguments.next() {
        let value = arguments.next()?;
        match name.as_str() {
            "--kills" => wish.kills = value.parse().ok()?,
            "--cuts" => wish.cuts = value.parse().ok()?,
            "--calls" => wish.calls = value.parse().ok()?,
            "--seed" => wish.seed = value.parse().ok()?,
            "--folder" => wish.folder = Path::new(&value).to_owned(),
            _ => return None,
        }
    }
    Some(wish)
}
