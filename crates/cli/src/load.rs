//! `onrush load`: a crowd against a server, and the check of what it was told.

use crate::args::{Crowd, LoadArgs, Pattern};
use crate::out::{Failure, Out};
use onrush_load::admin::{self, Terms};
use onrush_load::arrivals::Arrivals;
use onrush_load::check::{Rules, check};
use onrush_load::client::Client;
use onrush_load::crowd::{CrowdSpec, MIXED, PLAIN};
use onrush_load::run::{Identity, Latency, RunSpec, Summary, block_on};
use onrush_load::verdict::{Verdict, grouped};
use serde::Serialize;
use serde_json::json;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const ADMIN_CONNECTIONS: usize = 32;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(10);
const THINK_MAX: Duration = Duration::from_secs(1);
/// How long a hold is taken to live where no admin says it.
const HOLD_GUESS: Duration = Duration::from_secs(300);

/// A limit that was asked for.
#[derive(Debug, Serialize)]
struct Threshold {
    name: &'static str,
    at_most: f64,
    found: f64,
    holds: bool,
}

/// What a run came to.
struct Loaded {
    figures: Summary,
    connections: u64,
    verdict: Option<Verdict>,
    thresholds: Vec<Threshold>,
}

pub(crate) fn run(args: &LoadArgs, out: &Out) -> Result<(), Failure> {
    let loaded = block_on(play(args, out)).map_err(Failure::of)??;
    let value = json!({
        "figures": loaded.figures,
        "connections_opened": loaded.connections,
        "checks": loaded.verdict.as_ref().map(|verdict| &verdict.checks),
        "thresholds": loaded.thresholds,
    });
    out.result(&value, || text(&loaded, out.colour))?;
    let held = loaded.verdict.as_ref().is_none_or(Verdict::holds);
    if held && loaded.thresholds.iter().all(|threshold| threshold.holds) {
        Ok(())
    } else {
        Err(Failure::NotHeld("a promise or a threshold did not hold, see above".to_owned()))
    }
}

async fn play(args: &LoadArgs, out: &Out) -> Result<Loaded, Failure> {
    let public = Client::new(args.url, args.connections as usize, ANSWER_WITHIN);
    let identity = match &args.api_key_file {
        Some(file) => {
            public.set_token(&secret(file)?).map_err(Failure::Failed)?;
            Identity::ApiKey
        }
        None => Identity::DevHeader,
    };
    let mut admin = None;
    let mut terms = None;
    if let (Some(addr), Some(file)) = (args.admin, &args.admin_token_file) {
        let client = Client::new(addr, ADMIN_CONNECTIONS, ANSWER_WITHIN);
        client.set_token(&secret(file)?).map_err(Failure::Failed)?;
        terms = Some(admin::terms(&client, &args.campaign).await.map_err(Failure::of)?);
        admin = Some(client);
    }
    let mut before = Default::default();
    if let Some(admin) = &admin {
        let truth = admin::truth(admin, &args.campaign).await.map_err(Failure::of)?;
        before = truth.reservations.into_keys().collect();
    }
    let visits = crowd(args, terms.as_ref())?.visits();
    let hold = terms.as_ref().map_or(HOLD_GUESS, |terms| Duration::from_millis(terms.hold_ms));
    let spec = RunSpec {
        campaign: args.campaign.clone(),
        identity,
        hold,
        patience: PATIENCE,
        come_back_max: 0,
        details: String::new(),
    };
    let progress = crate::progress::Progress::new(out, visit_count(args)?.into());
    let watched = progress.clone();
    let mut played =
        onrush_load::run::run(&spec, &public, admin.as_ref(), visits, move |f| watched.show(f))
            .await;
    played.told.before = before;
    let mut verdict = None;
    if let (Some(admin), Some(terms)) = (&admin, &terms) {
        if args.settle {
            progress.say("waiting until nothing is held any more");
            settle(admin, &args.campaign, hold).await?;
        }
        let truth = admin::truth(admin, &args.campaign).await.map_err(Failure::of)?;
        let rules = Rules { limit_per_buyer: terms.limit_per_buyer, quiet: args.settle };
        verdict = Some(check(&played.told, &truth, rules));
    }
    progress.finish();
    let figures = played.figures.summary();
    let thresholds = thresholds(args, &figures);
    Ok(Loaded { figures, connections: public.opened(), verdict, thresholds })
}

fn crowd(args: &LoadArgs, terms: Option<&Terms>) -> Result<CrowdSpec, Failure> {
    let skus = match (args.sku.is_empty(), terms) {
        (false, _) => args.sku.clone(),
        (true, Some(terms)) if !terms.skus.is_empty() => terms.skus.clone(),
        (true, Some(_)) => return Err(Failure::Failed("the campaign has no SKU".to_owned())),
        (true, None) => vec!["unit".to_owned()],
    };
    let per_second = f64::from(args.rate);
    Ok(CrowdSpec {
        buyers: visit_count(args)?,
        arrivals: match args.arrivals {
            Pattern::Poisson => Arrivals::Poisson { per_second },
            Pattern::Constant => Arrivals::Constant { per_second },
            Pattern::Spike => Arrivals::Spike { half_life: args.duration.duration() / 4 },
        },
        mix: match args.crowd {
            Crowd::Plain => PLAIN,
            Crowd::Mixed => MIXED,
        },
        skus,
        think_max: THINK_MAX,
        seed: args.seed,
    })
}

fn visit_count(args: &LoadArgs) -> Result<u32, Failure> {
    let count = f64::from(args.rate) * args.duration.duration().as_secs_f64();
    if count >= 1.0 && count <= f64::from(u32::MAX) {
        Ok(count as u32)
    } else {
        Err(Failure::Usage(
            "--rate times --duration must be 1 to 4,294,967,295 arrivals".to_owned(),
        ))
    }
}

async fn settle(admin: &Client, campaign: &str, hold: Duration) -> Result<(), Failure> {
    let until = Instant::now() + hold + Duration::from_secs(15);
    while Instant::now() < until {
        let truth = admin::units(admin, campaign).await.map_err(Failure::of)?;
        if truth.units().held == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn secret(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file);
    text.map_err(|e| Failure::Failed(format!("{}: cannot be read: {e}", file.display())))
}

fn thresholds(args: &LoadArgs, figures: &Summary) -> Vec<Threshold> {
    let mut all = Vec::new();
    let mut add = |name, at_most: f64, found: f64| {
        all.push(Threshold { name, at_most, found, holds: found <= at_most });
    };
    if let Some(p99) = args.p99 {
        let found = figures.granted.p99_us as f64 / 1e3;
        add("p99 of granted reserves, ms", p99.0.0 as f64, found);
    }
    if let Some(most) = args.unanswered_max {
        add("requests without an answer", f64::from(most), figures.unanswered as f64);
    }
    all
}

fn text(loaded: &Loaded, colour: bool) -> String {
    let mut out = String::new();
    let f = &loaded.figures;
    let _ = writeln!(
        out,
        "{} arrived, {} answers in {:.1} s ({:.0} a second) over {} connections",
        grouped(f.arrived),
        grouped(f.answered),
        f.took_ms as f64 / 1e3,
        f.answered_per_second,
        loaded.connections,
    );
    let _ = writeln!(
        out,
        "{} holds, {} repeats, {} sales; {} without an answer, {} sent again, {} given up",
        grouped(f.holds),
        grouped(f.repeats),
        grouped(f.sales),
        grouped(f.unanswered),
        grouped(f.retries),
        grouped(f.given_up),
    );
    for (code, count) in &f.refusals {
        let _ = writeln!(out, "  {code:<24} {:>10}", grouped(*count));
    }
    let head = ["answers", "p50 ms", "p99 ms", "p99.9 ms", "max ms"].map(|h| format!("{h:>11}"));
    let _ = writeln!(out, "\nfrom when due  {}", head.concat());
    for (name, l) in [("granted", &f.granted), ("refused", &f.refused), ("settled", &f.settled)] {
        let _ = writeln!(out, "{name:<15}{}", row(l));
    }
    match &loaded.verdict {
        Some(verdict) => {
            let _ = write!(out, "\n{}", verdict.table(colour));
        }
        None => out += "\nnot checked; with --admin and --admin-token-file it is\n",
    }
    for t in &loaded.thresholds {
        let word = if t.holds { "ok  " } else { "FAIL" };
        let _ = writeln!(out, "  {word} {}: {} of at most {}", t.name, t.found, t.at_most);
    }
    out
}

fn row(l: &Latency) -> String {
    let times = [l.p50_us, l.p99_us, l.p999_us, l.max_us];
    let times = times.map(|us| format!("{:>11.2}", us as f64 / 1e3)).concat();
    format!("{:>11}{times}", grouped(l.count))
}
