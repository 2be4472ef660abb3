//! `onrush demo`: a whole sale over real HTTP, with a crowd and a crash, checked from outside.

mod door;
mod report;
mod sale;
mod trace;

use crate::args::DemoArgs;
use crate::out::{Failure, Out};
use onrush_load::arrivals::Arrivals;
use onrush_load::crowd::{CrowdSpec, MIXED, Visit};
use onrush_load::run::{Figures, block_on};
use onrush_load::server::Launch;
use sale::{Sale, When};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Notify;

/// The time in which the crowd of the demo arrives.
const ARRIVE_WITHIN: Duration = Duration::from_secs(5);
/// The longest time somebody takes between two steps.
const THINK_MAX: Duration = Duration::from_millis(1_500);

pub(crate) fn run(args: &DemoArgs, out: &Out) -> Result<(), Failure> {
    let home = Home::make(args.keep.as_deref())?;
    let program = std::env::current_exe().map_err(Failure::of)?;
    let hold_ms = args.hold.0.0;
    if !(1_000..=60_000).contains(&hold_ms) {
        return Err(Failure::Usage("--hold of the demo is between 1s and 60s".to_owned()));
    }
    let mut launch =
        Launch { program, home: home.path().to_owned(), supply: args.units, limit: 1, hold_ms };
    let door = Launch { supply: 1, ..launch.clone() };
    let sale = match &args.trace {
        None => crowd_sale(args, launch),
        Some(file) => {
            launch.supply = 1;
            let day = trace::read(file, args.into.duration())?;
            trace_sale(args, launch, day)
        }
    };
    let interrupted = Arc::new(Notify::new());
    let notify = interrupted.clone();
    ctrlc::set_handler(move || notify.notify_one()).map_err(Failure::of)?;
    let played = block_on(async {
        tokio::select! {
            played = sale.play(out) => played,
            () = interrupted.notified() => Err(Failure::Failed("interrupted".to_owned())),
        }
    });
    let outcome = played.map_err(Failure::of)??;
    let kept = home.keep();
    out.result(&outcome.value(kept.as_deref()), || outcome.text(kept.as_deref(), out.colour))?;
    if !outcome.verdict.holds() {
        let text = "a promise did not hold, see above; keep the data with --keep and report it";
        return Err(Failure::NotHeld(text.to_owned()));
    }
    let is_watched = out.progress && std::io::stdin().is_terminal();
    if args.page || (is_watched && !args.no_page) {
        return block_on(door::open(&door, out, &interrupted)).map_err(Failure::of)?;
    }
    Ok(())
}

/// A crowd wants one unit each.
fn crowd_sale(args: &DemoArgs, launch: Launch) -> Sale {
    let crowd = CrowdSpec {
        buyers: args.buyers,
        arrivals: Arrivals::Poisson {
            per_second: f64::from(args.buyers) / ARRIVE_WITHIN.as_secs_f64(),
        },
        mix: MIXED,
        skus: vec!["unit".to_owned()],
        think_max: THINK_MAX,
        seed: args.seed,
    };
    let half = u64::from(args.units.min(args.buyers)).div_ceil(2);
    let facts = vec![format!(
        "{} units, {} buyers, seed {}, holds of {} s",
        onrush_load::verdict::grouped(args.units.into()),
        onrush_load::verdict::grouped(args.buyers.into()),
        args.seed,
        launch.hold_ms as f64 / 1e3,
    )];
    Sale {
        visits: Box::new(crowd.visits()),
        expected: args.buyers.into(),
        campaign: "demo".to_owned(),
        put: None,
        limit: launch.limit,
        kill_when: kill_when(args, move |figures| figures.holds >= half),
        come_back_max: 3,
        facts,
        launch,
    }
}

/// Real orders of one day want what they wanted.
fn trace_sale(args: &DemoArgs, launch: Launch, day: trace::Day) -> Sale {
    let half = day.visits.len() as u64 / 2;
    Sale {
        expected: day.visits.len() as u64,
        campaign: day.campaign(),
        put: Some(day.body(launch.hold_ms)),
        limit: day.limit,
        kill_when: kill_when(args, move |figures| figures.arrived >= half),
        come_back_max: 0,
        facts: day.facts,
        visits: Box::new(day.visits.into_iter()) as Box<dyn Iterator<Item = Visit>>,
        launch,
    }
}

fn kill_when(args: &DemoArgs, when: impl Fn(&Figures) -> bool + 'static) -> Option<When> {
    (!args.no_kill).then(|| Rc::new(when) as When)
}

/// The folder the demo works in.
enum Home {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Home {
    fn make(keep: Option<&Path>) -> Result<Home, Failure> {
        let Some(dir) = keep else {
            let dir = tempfile::Builder::new().prefix("onrush-demo-").tempdir();
            return dir.map(Home::Temporary).map_err(Failure::of);
        };
        let fail = |e: std::io::Error| Failure::Failed(format!("{}: {e}", dir.display()));
        std::fs::create_dir_all(dir).map_err(fail)?;
        if std::fs::read_dir(dir).map_err(fail)?.next().is_some() {
            let text = format!("{} is not empty; name a new folder with --keep", dir.display());
            return Err(Failure::Failed(text));
        }
        dir.canonicalize().map(Home::Kept).map_err(fail)
    }

    fn path(&self) -> &Path {
        match self {
            Home::Temporary(dir) => dir.path(),
            Home::Kept(dir) => dir,
        }
    }

    fn keep(&self) -> Option<PathBuf> {
        match self {
            Home::Temporary(_) => None,
            Home::Kept(dir) => Some(dir.join("data")),
        }
    }
}
