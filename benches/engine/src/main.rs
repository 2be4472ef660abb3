//! `cargo xtask bench engine`: one table, measured in one run on this machine, with real fdatasync.
//!
//! Arguments: names of sections to run (`slot refusal reserve durable single gateway
//! overload idle start memory recovery`), and
//! `--buyers N` for the sections that fill a sale (default 10,000,000).
#![allow(clippy::print_stdout)]

mod client;
mod durable;
mod gateway;
mod hello;
mod machine;
mod memory;
mod overload;
mod recovery;
mod reserve;
mod sale;
mod server;
mod slot;
mod start;

use std::path::PathBuf;

/// A row of the table.
struct Row {
    what: &'static str,
    target: &'static str,
    measured: String,
    reached: bool,
}

type Section = fn(&Setup) -> Vec<Row>;

/// What every section is given.
struct Setup {
    /// Buyers of the sections that fill a sale.
    buyers: u32,
    /// Where data folders are made: the disk that is measured.
    folder: PathBuf,
}

fn main() {
    let mut setup = Setup { buyers: 10_000_000, folder: PathBuf::from("target/bench") };
    let mut wanted = Vec::new();
    let all: Vec<String> = std::env::args().skip(1).collect();
    if all.first().is_some_and(|first| first == "--serve") {
        gateway::be_server(&all[1..]);
    }
    let mut args = all.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--buyers" => {
                let number = args.next().and_then(|n| n.replace('_', "").parse().ok());
                setup.buyers = number.expect("--buyers takes a number");
            }
            "--folder" => setup.folder = args.next().expect("--folder takes a path").into(),
            name => wanted.push(name.to_owned()),
        }
    }
    std::fs::create_dir_all(&setup.folder).expect("the folder for data can be made");
    let sections: [(&str, Section); 11] = [
        ("slot", slot::run),
        ("refusal", reserve::refusals),
        ("reserve", reserve::run),
        ("durable", durable::run),
        ("single", durable::single),
        ("gateway", gateway::run),
        ("overload", overload::run),
        ("idle", overload::idle),
        ("start", start::run),
        ("memory", memory::run),
        ("recovery", recovery::run),
    ];
    println!("{}", machine::describe());
    println!("\n| what | to reach | measured | |\n|---|---|---|---|");
    for (name, section) in sections {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            for Row { what, target, measured, reached } in section(&setup) {
                let verdict = if reached { "reached" } else { "**missed**" };
                println!("| {what} | {target} | {measured} | {verdict} |");
            }
        }
    }
}

/// Return the median of some runs, with their spread.
fn median(mut runs: Vec<f64>) -> (f64, f64, f64) {
    runs.sort_by(f64::total_cmp);
    (runs[runs.len() / 2], runs[0], runs[runs.len() - 1])
}
