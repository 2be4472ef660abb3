//! `cargo xtask compare`: Onrush beside what one would otherwise use, on one machine, in alternating
//! rounds, each with the same load and a check of its books.
//!
//! Life of a run: every contestant of `rivals` is set up (its servers, its stock) and timed once;
//! `rounds` measures them in turns; each then sells its last units to three times as many buyers, and
//! `check` compares everything that was told with its books; `report` writes the table.

mod check;
mod client;
mod machine;
mod process;
mod report;
mod rivals;
mod rounds;
mod serve;

use anyhow::{Context, Result, bail, ensure};
use process::Place;
use report::{Checked, Report, Row};
use rivals::Setup;
use rounds::{Entrant, Round};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask compare [OPTION…]

  --smoke           one short round of everybody, with all checks
  --rounds N        rounds of everybody, in turns (7)
  --seconds S       length of a round (3)
  --unpinned        servers and load on any core; without it core 0 serves and core 1 asks
  --only A,B        these rows only (--list)
  --partial         measure the others when a row cannot be set up
  --folder DIR      where data folders are made: the disk that is measured (the system's folder)
  --json            JSON on stdout instead of Markdown
  --write FILE      put the table between the marks of a document
  --list            the rows' names

Exit code 3: a check did not hold, or a row was left out.";

struct Options {
    rounds: usize,
    seconds: f64,
    place: Place,
    only: Option<Vec<String>>,
    partial: bool,
    folder: PathBuf,
    json: bool,
    write: Option<PathBuf>,
    onrush: PathBuf,
    sources: PathBuf,
    list: bool,
    shown: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "--serve" => serve::run(rest).map(|()| true),
        Some((first, _)) if first == "--help" || first == "-h" => {
            println!("{HELP}");
            Ok(true)
        }
        _ => Options::read(&arguments).and_then(|options| run(&options)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Options {
    fn read(arguments: &[String]) -> Result<Options> {
        let mut options = Options {
            rounds: 7,
            seconds: 3.0,
            place: Place::Pinned,
            only: None,
            partial: false,
            folder: std::env::temp_dir(),
            json: false,
            write: None,
            onrush: PathBuf::from("target/release/onrush"),
            sources: PathBuf::from("benches/compare"),
            list: false,
            shown: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value =
                || arguments.next().with_context(|| format!("{argument} takes a value"));
            let mut seen = vec![argument.clone()];
            match argument.as_str() {
                "--smoke" => (options.rounds, options.seconds) = (1, 0.5),
                "--unpinned" => options.place = Place::Free,
                "--partial" => options.partial = true,
                "--json" => options.json = true,
                "--list" => options.list = true,
                "--rounds" | "--seconds" | "--only" => {
                    let value = value()?;
                    seen.push(value.clone());
                    match argument.as_str() {
                        "--rounds" => options.rounds = value.parse()?,
                        "--seconds" => options.seconds = value.parse()?,
                        _ => options.only = Some(value.split(',').map(str::to_owned).collect()),
                    }
                }
                "--folder" => options.folder = value()?.into(),
                "--write" => options.write = Some(value()?.into()),
                "--onrush" => options.onrush = value()?.into(),
                "--sources" => options.sources = value()?.into(),
                unknown => bail!("`{unknown}` is no option; see cargo xtask compare --help"),
            }
            if !["--folder", "--write", "--onrush", "--sources"].contains(&argument.as_str()) {
                options.shown.extend(seen);
            }
        }
        ensure!(options.rounds > 0 && options.seconds > 0.0, "rounds and seconds are above 0");
        Ok(options)
    }
}

fn run(options: &Options) -> Result<bool> {
    let mut entries = rivals::all();
    if options.list {
        entries.iter().for_each(|entry| println!("{:<20} {}", entry.name, entry.what));
        return Ok(true);
    }
    if let Some(only) = &options.only {
        let unknown = only.iter().find(|name| !entries.iter().any(|e| e.name == **name));
        ensure!(unknown.is_none(), "{unknown:?} is no row; see --list");
        entries.retain(|entry| only.iter().any(|name| name == entry.name));
    }
    machine::on_disk(&options.folder)?;
    let folder = tempfile::Builder::new().prefix("onrush-compare-").tempdir_in(&options.folder)?;
    // PostgreSQL runs as a user of its own and must find its folder in here.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    process::clean_up_on_interrupt(folder.path())?;
    let setup = Setup {
        folder: folder.path().to_owned(),
        place: options.place,
        onrush: std::fs::canonicalize(&options.onrush)
            .with_context(|| format!("no binary {}", options.onrush.display()))?,
        sources: options.sources.clone(),
    };
    let machine = describe(options, &setup)?;
    options.place.settle()?;
    let (entrants, left_out) = enter_all(entries, &setup, options)?;
    let rows = measure(entrants, left_out, options.rounds);
    let processors = options.place.workers();
    let report = Report { machine, processors, rows };
    if options.json {
        println!("{:#}", report.json());
    } else {
        println!("{}", report.markdown());
    }
    if let Some(path) = &options.write {
        let document = std::fs::read_to_string(path)?;
        let replaced = report::between_marks(&document, &report.markdown());
        std::fs::write(path, replaced.with_context(|| path.display().to_string())?)?;
    }
    Ok(report.holds())
}

fn describe(options: &Options, setup: &Setup) -> Result<Vec<String>> {
    let command =
        ["cargo xtask compare"].into_iter().chain(options.shown.iter().map(String::as_str));
    let command: Vec<&str> = command.collect();
    let sync = machine::sync_time(&setup.folder)?.as_micros();
    let place = match options.place {
        Place::Pinned => "servers on core 0, the load on core 1",
        Place::Free => "servers and load on any core",
    };
    let Options { rounds, seconds, .. } = options;
    Ok(vec![
        format!("`{}`, {}:", command.join(" "), machine::date()),
        format!(
            "{}; {} connections, {place}; medians of {rounds} alternating rounds of some {seconds} s, \
             lowest and highest in brackets.",
            machine::describe(),
            client::CONNECTIONS,
        ),
        format!(
            "A write of 512 bytes and its fdatasync took {sync} µs. Before the run {:.1} others wanted a \
             processor (load average of a minute).",
            machine::load()
        ),
    ])
}

type LeftOut = Vec<(&'static str, &'static str, String)>;

/// Set everybody up; refuse to go on without a row, unless that was said to be fine.
fn enter_all(
    entries: Vec<rivals::Entry>,
    setup: &Setup,
    options: &Options,
) -> Result<(Vec<Entrant>, LeftOut)> {
    let (mut entrants, mut left_out) = (Vec::new(), Vec::new());
    for entry in entries {
        let (name, what) = (entry.name, entry.what);
        eprintln!("setting up {name}");
        match rounds::enter(entry, setup, options.seconds) {
            Ok(entrant) => entrants.push(entrant),
            Err(error) => {
                eprintln!("{name} is left out: {error:#}");
                left_out.push((name, what, format!("{error:#}")));
            }
        }
    }
    if !left_out.is_empty() && !options.partial {
        let rows: Vec<String> =
            left_out.iter().map(|(name, _, why)| format!("\n  {name}: {why}")).collect();
        bail!("rows that cannot be measured:{}\nmeasure the others with --partial", rows.concat());
    }
    Ok((entrants, left_out))
}

/// Measure in turns, forwards and backwards, then check everybody.
fn measure(mut entrants: Vec<Entrant>, left_out: LeftOut, rounds: usize) -> Vec<Row> {
    let mut measured: Vec<Result<Vec<Round>, String>> =
        entrants.iter().map(|_| Ok(Vec::new())).collect();
    for round in 0..rounds {
        let turns: Vec<usize> = match round % 2 {
            0 => (0..entrants.len()).collect(),
            _ => (0..entrants.len()).rev().collect(),
        };
        for n in turns {
            let Ok(rounds) = &mut measured[n] else { continue };
            match entrants[n].round() {
                Ok(figures) => {
                    eprintln!(
                        "round {} {:<20} {:>9.0}/s",
                        round + 1,
                        entrants[n].name,
                        figures.rate
                    );
                    rounds.push(figures);
                }
                Err(error) => measured[n] = Err(format!("in round {}: {error:#}", round + 1)),
            }
        }
    }
    let mut rows: Vec<Row> =
        entrants.into_iter().zip(measured).map(|(entrant, rounds)| row(entrant, rounds)).collect();
    rows.extend(left_out.into_iter().map(|(name, what, why)| Row {
        name,
        what: what.to_owned(),
        rounds: Vec::new(),
        checked: Checked::LeftOut(why),
        configuration: String::new(),
    }));
    rows
}

fn row(entrant: Entrant, rounds: Result<Vec<Round>, String>) -> Row {
    let (name, what) = (entrant.name, entrant.what.clone());
    let configuration = entrant.configuration.clone();
    eprintln!("checking {name}");
    let (rounds, checked) = match rounds {
        Err(why) => (Vec::new(), Checked::LeftOut(why)),
        Ok(rounds) => match entrant.check() {
            Ok(None) => (rounds, Checked::Ceiling),
            Ok(Some(faults)) if faults.is_empty() => (rounds, Checked::Holds),
            Ok(Some(faults)) => {
                (rounds, Checked::Broken(faults.iter().map(ToString::to_string).collect()))
            }
            // Figures of somebody whose books cannot be read are worth nothing.
            Err(error) => (Vec::new(), Checked::LeftOut(format!("its check: {error:#}"))),
        },
    };
    Row { name, what, rounds, checked, configuration }
}
