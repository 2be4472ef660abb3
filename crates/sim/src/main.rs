//! The command: run seeds, tell a history, keep the ledger of seeds. See [`HELP`].

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people at a terminal"
)]

use onrush::journal::Loss;
use onrush_sim::crash_points;
use onrush_sim::history::{Lived, Stats, hush_panics, live};
use onrush_sim::lexicon::Lexicon;
use onrush_sim::oracle::Violation;
use onrush_sim::plan::Plan;
use onrush_sim::record::{self, Entry};
use onrush_sim::shrink::shrink;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const HELP: &str = "\
onrush-sim --seeds A..B [--jobs N] [--crash-points] [--record]
    live through the histories of these seeds; with --crash-points each one again and again, with
    the power cut at each change of its disk; with --record add the range to crates/sim/LEDGER.md;
    seeds from 100000000 on have lines, stores and batches in their histories
onrush-sim --seed N [--trace] [--crash-points]
    live through one history; --trace tells it line by line

Seeds of crates/sim/regressions.txt run first. The first broken promise ends the run: it prints the
seed and the shortest history found that breaks the same promise.";

/// Seeds that one thread takes at a time.
const STRIDE: u64 = 16;

struct Arguments {
    seeds: Option<Range<u64>>,
    seed: Option<u64>,
    jobs: usize,
    crash_points: bool,
    record: bool,
    trace: bool,
    as_typed: String,
}

/// A seed that broke a promise, and in which way it was lived.
struct Found {
    seed: u64,
    cut: Option<(u64, Loss)>,
    violation: Violation,
}

fn main() -> ExitCode {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let arguments = match parse(&typed) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    hush_panics();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

fn parse(typed: &[String]) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        seeds: None,
        seed: None,
        jobs: 1,
        crash_points: false,
        record: false,
        trace: false,
        as_typed: typed.join(" "),
    };
    let mut words = typed.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} wants a value"));
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text}: not a number"));
        match word.as_str() {
            "--seeds" => {
                let text = value()?;
                let (from, to) = text.split_once("..").ok_or("--seeds wants A..B")?;
                arguments.seeds = Some(number(from)?..number(to)?);
            }
            "--seed" => arguments.seed = Some(number(value()?)?),
            "--jobs" => arguments.jobs = number(value()?)?.clamp(1, 256) as usize,
            "--crash-points" => arguments.crash_points = true,
            "--record" => arguments.record = true,
            "--trace" => arguments.trace = true,
            other => return Err(format!("{other}: not known")),
        }
    }
    if arguments.seeds.is_some() == arguments.seed.is_some() {
        return Err("name seeds with --seeds A..B, or one with --seed N".to_owned());
    }
    Ok(arguments)
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let lexicon = Lexicon::learn();
    match (&arguments.seeds, arguments.seed) {
        (Some(seeds), _) => run_many(arguments, seeds, &lexicon),
        (None, Some(seed)) => Ok(run_one(arguments, seed, &lexicon)),
        (None, None) => Err("name a seed".to_owned()),
    }
}

fn run_one(arguments: &Arguments, seed: u64, lexicon: &Lexicon) -> bool {
    if arguments.crash_points {
        return tell_crash_points(seed, lexicon);
    }
    let plan = Plan::of(seed);
    let lived = live(&plan, lexicon, arguments.trace, None);
    if arguments.trace {
        println!("seed {seed}: {:?}", plan.setup);
    }
    lived.story.iter().for_each(|line| println!("{line}"));
    match lived.violation {
        None => {
            println!("seed {seed}: every promise held; {:?}", lived.stats);
            true
        }
        Some(violation) => {
            tell_failure(&Found { seed, cut: None, violation }, &plan, lexicon);
            false
        }
    }
}

fn tell_crash_points(seed: u64, lexicon: &Lexicon) -> bool {
    let crashed = crash_points::everywhere(seed, lexicon);
    println!("seed {seed}: {} crash points", crashed.points);
    match crashed.violation {
        None => true,
        Some((at, loss, violation)) => {
            let cut = (at != u64::MAX).then_some((at, loss));
            let found = Found { seed, cut, violation };
            tell_failure(&found, &crash_points::plan(seed), lexicon);
            false
        }
    }
}

fn tell_failure(found: &Found, plan: &Plan, lexicon: &Lexicon) {
    let Found { seed, cut, violation } = found;
    println!("FAILED seed {seed} {violation}");
    if let Some((at, loss)) = cut {
        println!("with the power cut at change {at} ({loss:?})");
    }
    // A planted bug is found once it is found; nobody reads its story.
    if std::env::var_os("ONRUSH_PLANTED").is_some() {
        return;
    }
    let short = shrink(plan, violation.promise, lexicon, *cut);
    println!(
        "\nthe shortest history found that breaks {} ({} steps):",
        violation.promise,
        short.steps.len()
    );
    println!("{:?}", short.setup);
    let Lived { violation, story, .. } = live(&short, lexicon, true, *cut);
    story.iter().for_each(|line| println!("{line}"));
    if let Some(violation) = violation {
        println!("{violation}");
    }
}

fn run_many(arguments: &Arguments, seeds: &Range<u64>, lexicon: &Lexicon) -> Result<bool, String> {
    let mode = if arguments.crash_points { "crash points" } else { "histories" };
    let ledger = Path::new(env!("CARGO_MANIFEST_DIR")).join("LEDGER.md");
    if arguments.record {
        let known = record::read(&ledger).map_err(|e| format!("{}: {e}", ledger.display()))?;
        if let Some(entry) = record::overlap(&known, mode, seeds) {
            let Range { start, end } = entry.seeds;
            return Err(format!("seeds {start}..{end} ran already; take others"));
        }
    }
    // A planted bug is looked for in the seeds that were named, so that their number means something.
    let planted = std::env::var_os("ONRUSH_PLANTED").is_some();
    let once = regressions(include_str!("../regressions.txt")).filter(|_| !planted);
    for seed in once {
        if let Some(violation) = live(&Plan::of(seed), lexicon, false, None).violation {
            let found = Found { seed, cut: None, violation };
            tell_failure(&found, &Plan::of(seed), lexicon);
            return Ok(false);
        }
    }
    let started = Instant::now();
    let (found, total, stats) = all(arguments, seeds, lexicon);
    let secs = started.elapsed().as_secs_f64();
    if let Some(found) = &found {
        let plan = if arguments.crash_points {
            crash_points::plan(found.seed)
        } else {
            Plan::of(found.seed)
        };
        tell_failure(found, &plan, lexicon);
    }
    let rate = total as f64 / secs / arguments.jobs as f64;
    println!(
        "{total} {mode}, {} steps, {} records, {} crashes, {} refused damage, {} changes of disks, {} \
         broken; {secs:.1} s, {rate:.0}/s a job",
        stats.actions,
        stats.records,
        stats.crashes,
        stats.refused,
        stats.changes,
        u8::from(found.is_some())
    );
    if arguments.record && found.is_none() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        let (date, steps, crashes) = (record::date(now), stats.actions, stats.crashes);
        let rest = format!("{date} | {steps} | {crashes} | `{}`", arguments.as_typed);
        let entry = Entry { mode: mode.to_owned(), seeds: seeds.clone(), count: total, rest };
        record::append(&ledger, entry).map_err(|e| format!("{}: {e}", ledger.display()))?;
    }
    Ok(found.is_none())
}

/// Read the seeds that found something once: a number a line, then why.
fn regressions(text: &str) -> impl Iterator<Item = u64> {
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok())
}

/// Run all seeds on so many threads; the failure with the lowest seed is returned.
fn all(
    arguments: &Arguments,
    seeds: &Range<u64>,
    lexicon: &Lexicon,
) -> (Option<Found>, u64, Stats) {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let results = Mutex::new((None::<Found>, 0u64, Stats::default()));
    let work = || {
        let (mut total, mut stats) = (0, Stats::default());
        // Relaxed: the counter hands out numbers and publishes nothing; the flag only saves time.
        while !stop.load(Ordering::Relaxed) {
            // Relaxed: as above.
            let from = next.fetch_add(STRIDE, Ordering::Relaxed);
            if from >= seeds.end {
                break;
            }
            for seed in from..seeds.end.min(from + STRIDE) {
                let (found, count) = one(arguments.crash_points, seed, lexicon, &mut stats);
                total += count;
                if let Some(found) = found {
                    // Relaxed: as above.
                    stop.store(true, Ordering::Relaxed);
                    let mut results = results.lock().expect("no thread panics with it");
                    if results.0.as_ref().is_none_or(|known| found.seed < known.seed) {
                        results.0 = Some(found);
                    }
                    break;
                }
            }
        }
        let mut results = results.lock().expect("no thread panics with it");
        results.1 += total;
        results.2.add(&stats);
    };
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(work);
        }
    });
    results.into_inner().expect("no thread panics with it")
}

fn one(
    crash_points: bool,
    seed: u64,
    lexicon: &Lexicon,
    stats: &mut Stats,
) -> (Option<Found>, u64) {
    if crash_points {
        let crashed = crash_points::everywhere(seed, lexicon);
        stats.add(&crashed.stats);
        let found = crashed.violation.map(|(at, loss, violation)| {
            let cut = (at != u64::MAX).then_some((at, loss));
            Found { seed, cut, violation }
        });
        return (found, crashed.points);
    }
    let lived = live(&Plan::of(seed), lexicon, false, None);
    stats.add(&lived.stats);
    (lived.violation.map(|violation| Found { seed, cut: None, violation }), 1)
}
