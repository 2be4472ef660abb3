//! `cargo xtask redteam`: play drops with nine programs for each person, and say who got the units.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for a terminal")]

use anyhow::{Context, Result, bail};
use onrush_bench_redteam::families::{Family, calibration, programs, test};
use onrush_bench_redteam::people::people;
use onrush_bench_redteam::scene::Setting;
use onrush_bench_redteam::table::{self, Row};
use onrush_bench_redteam::tally::{Outcome, Prices};
use onrush_bench_redteam::{Plan, play};
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const HELP: &str = "\
cargo xtask redteam [OPTION…]

Plays a drop for each family of programs: nine of ten entries are its accounts, the others people;
once without [risk] and once with it. Time is simulated; the same seed sends the same crowds.

  --people N       people in each drop (default 1000); nine times as many programs
  --units N        units for sale (default: a fiftieth of all entries)
  --alone N        people of a drop without programs (default 30000; 0: none)
  --set NAME       calibration, test or both (default both)
  --family WORDS   only families whose name has these words
  --policy FILE    another policy
  --model FILE     a model beside the scorecard
  --seed N         (default 6)
  --quick          without the drops in which cards are not told
  --record FOLDER  play one drop of all families together, and leave a recording and labels.csv
  --write FILE     put the tables between the marks of this document";

#[derive(Clone, Debug)]
struct Options {
    people: u32,
    units: Option<u32>,
    alone: u32,
    set: String,
    family: String,
    setting: Setting,
    seed: u64,
    quick: bool,
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        println!("{HELP}");
        return Ok(());
    }
    let options = options(&arguments)?;
    if options.setting.record.is_some() {
        return record(&options);
    }
    let mut text = String::new();
    let mut all = Vec::new();
    for (name, list) in [("calibration", calibration()), ("test", test())] {
        if options.set != "both" && options.set != name {
            continue;
        }
        let list = list.into_iter().filter(|family| family.name.contains(&options.family));
        let rows = list.map(|family| row(&options, family)).collect::<Result<Vec<Row>>>()?;
        let title = match name {
            "test" => "Families that were only tested on",
            _ => "Families by which points and policy were chosen",
        };
        writeln!(text, "{}", table::families(title, &rows, &Prices::default()))?;
        all.extend(rows);
    }
    let defended: Vec<&Outcome> = all.iter().map(|row| &row.defended).collect();
    writeln!(text, "{}", table::people("People among programs, all drops together", &defended))?;
    if options.alone > 0 {
        let alone = alone(&options)?;
        let title = "People alone: the worst of the drop are people";
        writeln!(text, "{}", table::people(title, &[&alone]))?;
    }
    println!("{text}");
    match &options.write {
        Some(file) => table::write_into(file, &text),
        None => Ok(()),
    }
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        people: 1_000,
        units: None,
        alone: 30_000,
        set: "both".to_owned(),
        family: String::new(),
        setting: Setting { defended: true, told_cards: true, ..Setting::default() },
        seed: 6,
        quick: false,
        write: None,
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--quick" {
            options.quick = true;
            continue;
        }
        let value = rest.next().with_context(|| format!("{argument} needs a value; see --help"))?;
        let path = || Some(PathBuf::from(value));
        match argument.as_str() {
            "--people" => options.people = value.parse()?,
            "--units" => options.units = Some(value.parse()?),
            "--alone" => options.alone = value.parse()?,
            "--seed" => options.seed = value.parse()?,
            "--set" => options.set = value.clone(),
            "--family" => options.family = value.clone(),
            "--policy" => options.setting.policy = path(),
            "--model" => options.setting.model = path(),
            "--record" => options.setting.record = path(),
            "--write" => options.write = path(),
            other => bail!("{other} is no option; see --help"),
        }
    }
    Ok(options)
}

fn row(options: &Options, family: Family) -> Result<Row> {
    let begin = Instant::now();
    let crowd = || {
        people(options.people, options.seed).and(programs(
            &family,
            options.people * 9,
            options.seed,
        ))
    };
    let units = options.units.unwrap_or(options.people / 5);
    let drop = |setting: Setting| {
        play(&crowd(), &Plan { setting, units, seed: options.seed })
            .with_context(|| format!("the drop of {}", family.name))
    };
    let open = drop(Setting { defended: false, ..options.setting.clone() })?;
    let defended = drop(options.setting.clone())?;
    let blind = match options.quick {
        true => None,
        false => Some(drop(Setting { told_cards: false, ..options.setting.clone() })?),
    };
    let (before, after, took) = (open.share(), defended.share(), begin.elapsed());
    eprintln!("{}: {before:.3} → {after:.4} of the units, {took:.0?}", family.name);
    Ok(Row { family, open, defended, blind })
}

fn alone(options: &Options) -> Result<Outcome> {
    let crowd = people(options.alone, options.seed);
    let plan =
        Plan { setting: options.setting.clone(), units: options.alone / 50, seed: options.seed };
    play(&crowd, &plan).context("the drop of people alone")
}

/// Play one drop of all families together, each as a part of nine tenths, and label who was what.
fn record(options: &Options) -> Result<()> {
    let folder = options.setting.record.clone().context("no folder")?;
    let list = if options.set == "test" { test() } else { calibration() };
    let each = options.people * 9 / list.len() as u32;
    let mut crowd = people(options.people, options.seed);
    for family in &list {
        let mut family = programs(family, each, options.seed);
        // Accounts, devices and cards of two families are not the same.
        for visitor in &mut family.visitors {
            let kind = family.kinds[0].name;
            for name in [&mut visitor.device, &mut visitor.card, &mut visitor.phone] {
                *name = name.take().map(|text| format!("{text}-{kind}"));
            }
            visitor.account = format!("{}-{kind}", visitor.account).replace([' ', ','], "-");
        }
        crowd = crowd.and(family);
    }
    let units = options.units.unwrap_or(options.people / 5);
    let plan = Plan { setting: options.setting.clone(), units, seed: options.seed };
    let outcome = play(&crowd, &plan)?;
    let rows = onrush_bench_redteam::labels::write(&folder, &crowd, &outcome)?;
    println!("{rows} accounts are labelled in {}", folder.join("labels.csv").display());
    Ok(())
}
