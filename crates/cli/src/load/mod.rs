//! `onrush load`: a crowd against a server, and the check of what it was told.

mod text;
mod view;

use crate::args::{LoadArgs, Pattern};
use crate::out::{Failure, Out};
use onrush_load::arrivals::Arrivals;
use onrush_load::capacity::{Range, Trial, find};
use onrush_load::crowd::CrowdSpec;
use onrush_load::drive::Tally;
use onrush_load::outcome::Outcome;
use onrush_load::page::page;
use onrush_load::session::{How, Kind, Session, Site};
use onrush_load::target::Target;
use onrush_load::threshold::Threshold;
use onrush_load::trace::Trace;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use view::View;

/// Somebody without an answer asks again for this long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The part of a trial that warms up.
const TRIAL_WARM_UP: u32 = 5;

pub(crate) fn run(args: &LoadArgs, out: &Out) -> Result<(), Failure> {
    let site = site(args)?;
    let plan = Plan::of(args)?;
    let session = Session::open(site).map_err(Failure::of)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    // Relaxed: the flag alone is read, nothing is published by it.
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).map_err(Failure::of)?;
    let seed = args.seed.unwrap_or_else(by_the_clock);
    let load = Load { args, out, session, plan, seed, interrupted };
    let outcome = if args.find_capacity { load.capacity()? } else { load.once()? };
    if let Some(file) = &args.report {
        std::fs::write(file, page(&outcome)).map_err(|e| {
            Failure::Failed(format!("{}: the report cannot be written: {e}", file.display()))
        })?;
    }
    out.result(&outcome, || text::of(&outcome, out.colour))?;
    match (outcome.holds, outcome.stopped) {
        (true, _) => Ok(()),
        (false, true) => Err(Failure::Failed("interrupted: the run proves nothing".to_owned())),
        (false, false) => {
            Err(Failure::NotHeld("a promise or a threshold did not hold, see above".to_owned()))
        }
    }
}

/// Arrivals of a run, in numbers and in words.
struct Plan {
    arrivals: Arrivals,
    count: u32,
    duration: Duration,
    words: String,
    notes: Vec<String>,
}

struct Load<'a> {
    args: &'a LoadArgs,
    out: &'a Out,
    session: Session,
    plan: Plan,
    seed: u64,
    interrupted: Arc<AtomicBool>,
}

impl Load<'_> {
    fn once(&self) -> Result<Outcome, Failure> {
        let plan = &self.plan;
        let how = self.how(plan.duration, &plan.words);
        let crowd = self.crowd(plan.arrivals.clone(), plan.count, self.seed)?;
        let view = View::open(self.out, self.args.no_tui, &plan.words, plan.count.into());
        let played = self.session.run(&how, crowd, &mut |tally, now| self.go_on(&view, tally, now));
        drop(view);
        let (mut outcome, _) = played.map_err(Failure::of)?;
        outcome.notes.extend(plan.notes.iter().cloned());
        Ok(outcome)
    }

    fn capacity(&self) -> Result<Outcome, Failure> {
        let args = self.args;
        let range = Range { start: args.rate.into(), most: args.rate_max.into() };
        let mut played: Vec<(Trial, Outcome)> = Vec::new();
        let found = find(range, |rate, n| {
            let (trial, outcome) = self.trial(rate, n)?;
            played.push((trial.clone(), outcome));
            Ok::<_, Failure>(trial)
        })?;
        // Shown in full: the last run that held at the capacity; where none did, the last of all.
        let held = played.iter().rposition(|(trial, _)| trial.holds && trial.rate == found.rate);
        let shown = held.unwrap_or(played.len() - 1);
        let (_, mut outcome) = played.swap_remove(shown);
        outcome.holds &= found.rate > 0.0;
        outcome.limited_by = found.limited_by;
        outcome.limit_why = found.why.clone();
        let refused: u64 = outcome.figures.refusals.values().sum();
        if refused > 0 {
            outcome.notes.push(format!(
                "{:.0} % of the answers were refusals: the rate is that of such a mix; supply more units \
                 to measure holds",
                refused as f64 * 100.0 / outcome.figures.answered.max(1) as f64
            ));
        }
        outcome.capacity = Some(found);
        Ok(outcome)
    }

    fn trial(&self, rate: f64, n: u32) -> Result<(Trial, Outcome), Failure> {
        let args = self.args;
        let duration = args.step.duration();
        let count = arrivals((rate * duration.as_secs_f64()).max(1.0))?;
        let words = format!("{} at {rate:.0} a second", pattern_word(args.arrivals));
        let mut how = self.how(duration, &words);
        how.warm_up = duration / TRIAL_WARM_UP;
        how.drain = duration / TRIAL_WARM_UP;
        let pattern = pattern(args.arrivals, rate, duration);
        // Everybody is new in each trial: who came before has reached the limit.
        let crowd =
            self.crowd(pattern, count, self.seed.wrapping_mul(1_000_003).wrapping_add(n.into()))?;
        let title = format!("trial {n}: {words}");
        let view = View::open(self.out, args.no_tui, &title, count.into());
        let played = self.session.run(&how, crowd, &mut |tally, now| self.go_on(&view, tally, now));
        drop(view);
        let (outcome, tally) = played.map_err(Failure::of)?;
        if outcome.stopped {
            return Err(Failure::Failed("interrupted: no capacity was found".to_owned()));
        }
        let trial = Trial::of(rate, &outcome, &tally);
        if !self.out.json {
            let word = if trial.holds { "holds" } else { "breaks" };
            let text = trial.thresholds.iter().map(text::threshold).collect::<Vec<_>>().join(", ");
            self.out.note(format_args!("  {rate:>9.0} a second {word}: {text}"));
        }
        Ok((trial, outcome))
    }

    fn how(&self, duration: Duration, words: &str) -> How {
        let args = self.args;
        let mut thresholds = args.slo.clone();
        thresholds.extend(args.p99.map(|span| Threshold::granted_p99(span.0.0)));
        thresholds.extend(args.unanswered_max.map(Threshold::unanswered));
        How {
            connections: args.connections as usize,
            streams_max: if args.line == crate::args::Line::Listen {
                args.streams as usize
            } else {
                0
            },
            timeout: args.timeout.duration(),
            patience: PATIENCE,
            duration,
            drain: args.drain.duration(),
            warm_up: args.warm_up.map_or(Duration::ZERO, |span| span.duration()),
            queueing: args.line.into(),
            stay: args.stay.duration(),
            come_back_max: 0,
            arrivals: words.to_owned(),
            thresholds,
            server_pid: args.server_pid,
        }
    }

    fn crowd(&self, arrivals: Arrivals, buyers: u32, seed: u64) -> Result<CrowdSpec, Failure> {
        let skus = match (self.args.sku.is_empty(), self.session.skus()) {
            (false, _) => self.args.sku.clone(),
            (true, Some([])) => {
                return Err(Failure::Failed("the campaign has no SKU".to_owned()));
            }
            (true, Some(skus)) => skus.to_vec(),
            (true, None) => vec!["unit".to_owned()],
        };
        if let Some(sku) = skus.iter().find(|sku| sku.contains(['"', '\\']) || !sku.is_ascii()) {
            return Err(Failure::Usage(format!(
                "--sku {sku:?} cannot stand in a request as it is"
            )));
        }
        let (mix, think_max) = (self.args.crowd.0, self.args.think.duration());
        Ok(CrowdSpec { buyers, arrivals, mix, skus, think_max, seed })
    }

    fn go_on(&self, view: &View, tally: &Tally, now: Duration) -> bool {
        view.show(tally, now);
        // Relaxed: the flag alone is read, nothing is published by it.
        !self.interrupted.load(Ordering::Relaxed)
    }
}

impl Plan {
    fn of(args: &LoadArgs) -> Result<Plan, Failure> {
        if let Some(file) = &args.trace {
            return Plan::recorded(file, args.duration.duration());
        }
        let rate = f64::from(args.rate);
        let duration = args.duration.duration();
        let mut words = format!("{} at {rate:.0} a second", pattern_word(args.arrivals));
        let mut pattern = pattern(args.arrivals, rate, duration);
        let mut seconds = duration.as_secs_f64();
        if let Some(ramp) = args.ramp {
            if args.arrivals == Pattern::Spike || ramp.duration() > duration {
                let text = "--ramp fits constant and poisson arrivals, and into --duration";
                return Err(Failure::Usage(text.to_owned()));
            }
            let over = ramp.duration();
            pattern = Arrivals::Ramp { to: Box::new(pattern), over };
            seconds -= over.as_secs_f64() / 2.0;
            words += &format!(", after a ramp of {:.1} s", over.as_secs_f64());
        }
        let count = arrivals(rate * seconds)?;
        Ok(Plan { arrivals: pattern, count, duration, words, notes: Vec::new() })
    }

    fn recorded(file: &Path, into: Duration) -> Result<Plan, Failure> {
        let fail = |e: &dyn std::fmt::Display| Failure::Failed(format!("{}: {e}", file.display()));
        let text = read_text(file).map_err(|e| fail(&e))?;
        let trace = Trace::read(&text).map_err(|e| fail(&e))?;
        let took = trace.offsets.last().copied().unwrap_or_default();
        let times = trace.compressed(into);
        let count = arrivals(times.len() as f64)?;
        let words = format!(
            "{count} recorded arrivals of {:.0} s in {:.1} s",
            took.as_secs_f64(),
            into.as_secs_f64()
        );
        let note = trace.spread.map(|width| {
            format!(
                "the trace is exact to {} s: arrivals of one stamp were spread evenly over that",
                width.as_secs()
            )
        });
        let arrivals = Arrivals::Trace(times.into());
        Ok(Plan { arrivals, count, duration: into, words, notes: note.into_iter().collect() })
    }
}

fn site(args: &LoadArgs) -> Result<Site, Failure> {
    let kind = match &args.target {
        Some(file) => {
            let fail =
                |e: &dyn std::fmt::Display| Failure::Failed(format!("{}: {e}", file.display()));
            let text = std::fs::read_to_string(file).map_err(|e| fail(&e))?;
            let target = Box::new(Target::read(&text).map_err(|e| fail(&e))?);
            Kind::Other { target, limit: args.limit }
        }
        None => {
            let admin_token = args.admin_token_file.as_deref().map(secret).transpose()?;
            Kind::Onrush {
                campaign: args.campaign.clone(),
                api_key: args.api_key_file.as_deref().map(secret).transpose()?,
                admin: args.admin.zip(admin_token),
                settle: args.settle,
                doubles: Box::default(),
            }
        }
    };
    Ok(Site { public: args.url, kind })
}

pub(crate) fn pattern(pattern: Pattern, per_second: f64, duration: Duration) -> Arrivals {
    match pattern {
        Pattern::Poisson => Arrivals::Poisson { per_second },
        Pattern::Constant => Arrivals::Constant { per_second },
        Pattern::Spike => Arrivals::Spike { half_life: duration / 4 },
    }
}

pub(crate) fn pattern_word(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Poisson => "random arrivals",
        Pattern::Constant => "even arrivals",
        Pattern::Spike => "a rush that dies away, on average",
    }
}

fn arrivals(count: f64) -> Result<u32, Failure> {
    if count >= 1.0 && count <= f64::from(u32::MAX) {
        return Ok(count as u32);
    }
    let text = "--rate times --duration must be 1 to 4,294,967,295 arrivals";
    Err(Failure::Usage(text.to_owned()))
}

/// Return a seed that no earlier run had.
pub(crate) fn by_the_clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(1, |since| u64::try_from(since.as_millis()).unwrap_or(1))
}

fn secret(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file);
    let text =
        text.map_err(|e| Failure::Failed(format!("{}: cannot be read: {e}", file.display())));
    text.map(|text| text.trim().to_owned())
}

/// Longest trace that is read, unpacked.
const TRACE_BYTES_MAX: u64 = 2 << 30;

/// Read a file, gzipped if its name says so.
fn read_text(file: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let opened = std::fs::File::open(file)?;
    let mut text = String::new();
    if file.extension().is_some_and(|kind| kind == "gz") {
        flate2::read::GzDecoder::new(opened).take(TRACE_BYTES_MAX).read_to_string(&mut text)?;
    } else {
        opened.take(TRACE_BYTES_MAX).read_to_string(&mut text)?;
    }
    Ok(text)
}
