//! The `onrush` command. It decides nothing of a sale: each module reads its arguments, calls the crate
//! that does the work, and says what came of it. `report` and `rehearse` put together what others found.
//!
//! Exit codes: 0 done, 1 failed, 2 the command line was wrong, 3 a check did not hold. Results go to
//! stdout, everything else to stderr.

mod args;
mod check;
mod demo;
mod explain;
mod export;
mod fairness;
mod init;
mod load;
mod out;
mod progress;
mod rehearse;
mod report;
mod route;
mod serve;
mod simulate_risk;
mod verify;
mod verify_draw;

use args::{Args, Command};
use clap::{CommandFactory, Parser};
use out::{Failure, Out};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    let out = Out::new(args.json);
    match run(args.command, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => out.fail(&failure),
    }
}

fn run(command: Command, out: &Out) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(&args, out),
        Command::Serve(args) => serve::run(&args, out),
        Command::Check(args) => check::run(&args, out),
        Command::Route(args) => route::route(&args, out),
        Command::Simulate(args) => match &args.other {
            Some(args::Simulated::Risk(risk)) => simulate_risk::simulate(risk, out),
            None => route::simulate(&args, out),
        },
        Command::Verify(args) => verify::run(&args, out),
        Command::VerifyDraw(args) => verify_draw::run(&args, out),
        Command::Fairness(args) => fairness::run(&args, out),
        Command::Rehearse(args) => rehearse::run(&args, out),
        Command::Report(args) => report::run(&args, out),
        Command::Export(args) => export::run(&args, out),
        Command::Load(args) => load::run(&args, out),
        Command::Explain(args) => explain::run(&args, out),
        Command::Init(args) => init::run(&args, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "onrush", &mut script);
            out.raw(&script)
        }
    }
}
