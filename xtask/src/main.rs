//! `cargo xtask`: see [`HELP`].

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people at a terminal"
)]

use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use xtask::process::{cargo, run};
use xtask::steps::{self, End, STEPS};
use xtask::test;

const HELP: &str = "\
cargo xtask test [STEP…]       run every step, or those named, and print a table
cargo xtask tidy               check the rules of the house only
cargo xtask bench NAME [ARG…]  build and run benches/NAME in release; `console`: its cost
cargo xtask compare [ARG…]     Onrush beside Redis, PostgreSQL and others; --smoke, --help
cargo xtask redteam [ARG…]     programs and people at a gateway with risk; --write FILE, --help
cargo xtask crashes [ARG…]     crash a release build: --kills N --cuts N --calls N --seed N
cargo xtask linear [ARG…]      is a release build linearizable? --operations N --seed N
cargo xtask ratchet [--write]  count instructions a request; with --write keep the counts
cargo xtask prove-checkers [BUG…]  switch on each planted bug; something must find it
cargo xtask mutants [PART…]    change core and journal in each small way; a test must fail
cargo xtask corpus             write the fuzz corpora again
cargo xtask fuzz TARGET [ARG…] fuzz a target (nightly and cargo-fuzz); ARGs go to libFuzzer
cargo xtask --help             this text

The steps of `test`, in order:";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<bool> {
    let root = root()?;
    let (command, rest) = match arguments {
        [] => ("--help", arguments),
        [command, rest @ ..] => (command.as_str(), rest),
    };
    match command {
        "test" => test::run(&root, rest),
        "tidy" => Ok(matches!(steps::tidy(&root)?, End::Passed(_))),
        "bench" => bench(&root, rest),
        "redteam" => redteam(&root, rest),
        "compare" => xtask::compare::compare(&root, rest),
        "crashes" => steps::attack(&root, "onrush-crashes", &["--release"], rest),
        "linear" => steps::attack(&root, "onrush-linear", &["--release"], rest),
        "ratchet" => ratchet(&root, rest),
        "prove-checkers" => xtask::prove::run_all(&root, rest),
        "mutants" => xtask::mutants::run_all(&root, rest),
        "corpus" => {
            let corpus =
                ["run", "--quiet", "-p", "onrush-fuzz", "--bin", "corpus", "--", "fuzz/corpus"];
            Ok(run(cargo(&root).args(corpus))?.ok)
        }
        "fuzz" => fuzz(&root, rest),
        "-h" | "--help" | "help" => {
            println!("{HELP}");
            STEPS.iter().for_each(|step| println!("  {:<11} {}", step.name, step.checks));
            Ok(true)
        }
        unknown => bail!("`{unknown}` is no command; see cargo xtask --help"),
    }
}

fn bench(root: &Path, arguments: &[String]) -> Result<bool> {
    let Some((name, rest)) = arguments.split_first() else {
        bail!("name a bench: {}", benches(root).join(", "));
    };
    // It needs a browser, so it is a script beside the tests of the pages.
    if name == "console" {
        return xtask::web::cost(root, rest);
    }
    if !benches(root).contains(name) {
        bail!("there is no benches/{name}; there are: {}", benches(root).join(", "));
    }
    let package = format!("onrush-bench-{name}");
    let mut command = cargo(root);
    command.args(["run", "--release", "-p", &package]);
    let manifest = std::fs::read_to_string(root.join("benches").join(name).join("Cargo.toml"))?;
    if manifest.contains("\nhighs = [") {
        if xtask::setup::prepare_solver(root)? {
            command.args(["--features", "highs"]);
        } else {
            println!("without cmake and libclang the comparison with a MIP solver is left out");
        }
    }
    Ok(run(command.arg("--").args(rest))?.ok)
}

fn redteam(root: &Path, arguments: &[String]) -> Result<bool> {
    let package = ["run", "--release", "-p", "onrush-bench-redteam", "--"];
    // Not `run`: all drops together take longer than a step may.
    let status = cargo(root).args(package).args(arguments).status();
    Ok(status.context("the red team did not start")?.success())
}

fn ratchet(root: &Path, arguments: &[String]) -> Result<bool> {
    let write = match arguments {
        [] => false,
        [flag] if flag == "--write" => true,
        other => bail!("ratchet takes --write or nothing, not {other:?}"),
    };
    Ok(matches!(xtask::ratchet::ratchet(root, write)?, End::Passed(_)))
}

fn benches(root: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(root.join("benches")).into_iter().flatten().flatten();
    // The comparison is a workspace of its own, with a command of its own.
    let member = |manifest: String| !manifest.contains("\n[workspace]");
    let benches = folders
        .filter(|entry| std::fs::read_to_string(entry.path().join("Cargo.toml")).is_ok_and(member));
    let mut names: Vec<String> =
        benches.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn fuzz(root: &Path, arguments: &[String]) -> Result<bool> {
    let Some((target, rest)) = arguments.split_first() else {
        bail!("name a target: the files of fuzz/fuzz_targets, without `.rs`");
    };
    let mut command = xtask::process::command("cargo", root);
    command.args(["+nightly", "fuzz", "run", target, "--"]).args(rest);
    // The toolchain that runs this one must not win over `+nightly`.
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    let ok = run(&mut command)?.ok;
    if !ok {
        println!("fuzzing needs `rustup toolchain install nightly` and `cargo install cargo-fuzz`");
    }
    Ok(ok)
}

/// The folder above this package.
fn root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().map(Path::to_owned).context("xtask has no folder above it")
}
