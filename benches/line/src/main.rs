//! `cargo xtask bench line`: one table, measured in one run on this machine, with real fdatasync.
//!
//! Arguments: names of sections to run (`crowd wheel eta http vain`), `--people N` for the sections
//! that fill a line (default 10,000,000), and `--folder PATH` for where the data goes.
#![allow(clippy::print_stdout)]

#[allow(dead_code, reason = "shared with the engine's bench, which asks more of it")]
#[path = "../../engine/src/client.rs"]
mod client;
mod crowd;
#[allow(dead_code, reason = "shared with the tests of the estimator, which look at more of it")]
#[path = "../../../crates/core/tests/crowds/mod.rs"]
mod crowds;
mod eta;
#[path = "../../engine/src/hello.rs"]
mod hello;
mod http;
#[path = "../../engine/src/machine.rs"]
mod machine;
#[allow(dead_code, reason = "shared with the bench of the engine, whose servers say more")]
#[path = "../../engine/src/server.rs"]
mod server;
mod vain;
mod wheel;

use std::path::PathBuf;

/// A row of the table.
struct Row {
    what: String,
    target: &'static str,
    measured: String,
    reached: bool,
}

type Section = fn(&Setup) -> Vec<Row>;

/// What every section is given.
struct Setup {
    /// People of the sections that fill a line.
    people: u32,
    /// Where data folders are made: the disk that is measured.
    folder: PathBuf,
}

fn main() {
    let all: Vec<String> = std::env::args().skip(1).collect();
    if all.first().is_some_and(|first| first == "--serve") {
        http::be_server(&all[1..]);
    }
    let mut setup = Setup { people: 10_000_000, folder: PathBuf::from("target/bench") };
    let mut wanted = Vec::new();
    let mut args = all.iter().cloned();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--people" => {
                let number = args.next().and_then(|n| n.replace('_', "").parse().ok());
                setup.people = number.expect("--people takes a number");
            }
            "--folder" => setup.folder = args.next().expect("--folder takes a path").into(),
            name => wanted.push(name.to_owned()),
        }
    }
    std::fs::create_dir_all(&setup.folder).expect("the folder for data can be made");
    let sections: [(&str, Section); 5] = [
        ("wheel", wheel::run),
        ("crowd", crowd::run),
        ("eta", eta::run),
        ("http", http::run),
        ("vain", vain::run),
    ];
    let known = |name: &String| sections.iter().any(|(section, _)| section == name);
    assert!(wanted.iter().all(known), "sections are {:?}", sections.map(|(name, _)| name));
    println!("{}\n\n`cargo xtask bench line {}`", machine::describe(), all.join(" "));
    println!("\n| what | to reach | measured | |\n|---|---|---|---|");
    for (name, section) in sections {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            for Row { what, target, measured, reached } in section(&setup) {
                let verdict = match (target, reached) {
                    ("", _) => "",
                    (_, true) => "reached",
                    (_, false) => "**missed**",
                };
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
