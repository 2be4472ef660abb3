//! `onrush-linear PROGRAM [--operations N] [--seed N] [--folder DIR]`: record so many operations
//! against the `onrush` binary PROGRAM, which is killed and stopped meanwhile, and say whether they are
//! linearizable. Exit code 3 when they are not.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use onrush_linear::play::{Figures, Plan, play};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: onrush-linear PROGRAM [--operations N] [--seed N] [--folder DIR]";

fn main() -> ExitCode {
    let Some(plan) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let seed = plan.seed;
    let figures = play(&plan, |figures, verdict| {
        if !verdict.holds() {
            println!("seed {}:\n{verdict}", seed + figures.folders - 1);
        }
    });
    match figures {
        Ok(figures) => {
            tell(&figures);
            if figures.violations > 0 {
                println!("the folder is kept: {}", plan.home.display());
                return ExitCode::from(3);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(figures: &Figures) {
    let Figures { operations, open, searched, crashes, pauses, folders, violations } = figures;
    println!(
        "{operations} operations on {folders} data folders, {open} of them without an answer, \
         {searched} SKUs searched, {crashes} kills, {pauses} pauses, {violations} violations"
    );
    let word =
        if *violations == 0 { "ok. 1 passed; 0 failed" } else { "FAILED. 0 passed; 1 failed" };
    println!("test result: {word}; 0 ignored");
}

fn read(mut arguments: impl Iterator<Item = String>) -> Option<Plan> {
    let program = PathBuf::from(arguments.next()?);
    let home = std::env::temp_dir().join(format!("onrush-linear-{}", std::process::id()));
    let mut plan = Plan { program, home, operations: 10_000, seed: 1 };
    while let Some(name) = arguments.next() {
        let value = arguments.next()?;
        match name.as_str() {
            "--operations" => plan.operations = value.parse().ok()?,
            "--seed" => plan.seed = value.parse().ok()?,
            "--folder" => plan.home = PathBuf::from(value),
            _ => return None,
        }
    }
    Some(plan)
}
