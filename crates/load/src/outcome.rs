//! The outcome of a run as data: `docs/load-result.schema.json` describes it.

use crate::capacity::Capacity;
use crate::crowd::{Behaviour, Mix};
use crate::drive::{Slice, Tally};
use crate::own::{Limit, Own, ServerCost};
use crate::run::{Kind, Latency, Summary};
use crate::threshold::Judged;
use crate::verdict::{Check, Verdict};
use hdrhistogram::Histogram;
use serde::Serialize;

/// The version of the schema.
const SCHEMA: u32 = 1;

/// What was played.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// What the target is called.
    pub target: String,
    /// Its address.
    pub address: String,
    /// How people arrive, in words.
    pub arrivals: String,
    /// Arrivals a second, on average; where a trace or a spike says, what that came to.
    pub rate: f64,
    /// How long people arrive.
    pub duration_ms: u64,
    /// What was not measured at the start.
    pub warm_up_ms: u64,
    /// Connections at most.
    pub connections: usize,
    /// What the crowd follows from.
    pub seed: u64,
    /// How it queues.
    pub queueing: &'static str,
}

/// The outcome of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The version of this shape.
    pub schema: u32,
    /// Every check and every threshold held, and the run was not broken off.
    pub holds: bool,
    /// It was broken off.
    pub stopped: bool,
    /// What was played.
    pub settings: Settings,
    /// What the reader should know, in words.
    pub notes: Vec<String>,
    /// Counts.
    pub figures: Summary,
    /// Connections opened.
    pub connections_opened: u64,
    /// Latencies by kind, each from the intended time of a request.
    pub latencies: Latencies,
    /// By time.
    pub series: Vec<Slice>,
    /// Who came, and what each kind got.
    pub crowd: Vec<Part>,
    /// The line, where there was one.
    pub line: Option<LineFigures>,
    /// What the load cost.
    pub load: Own,
    /// Which side limited the run.
    pub limited_by: Limit,
    /// Why.
    pub limit_why: String,
    /// What the server cost, where it is on this machine and was named.
    pub server: Option<ServerCost>,
    /// The promises; nothing where nobody could compare.
    pub checks: Option<Vec<Check>>,
    /// What was asked for.
    pub thresholds: Vec<Judged>,
    /// What `--find-capacity` found.
    pub capacity: Option<Capacity>,
}

/// Latencies by kind.
#[derive(Clone, Debug, Serialize)]
pub struct Latencies {
    /// Reserves, granted or refused.
    pub reserves: Curve,
    /// Reserves that were granted.
    pub granted: Curve,
    /// Reserves that were refused.
    pub refused: Curve,
    /// Payments, releases, cancellations.
    pub settled: Curve,
    /// Joining a line.
    pub joined: Curve,
    /// Looks at a place in line.
    pub looked: Curve,
    /// Pages, and looks at a reservation.
    pub paged: Curve,
}

/// Percentiles, and the whole distribution at a few dozen points.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    /// The usual percentiles.
    #[serde(flatten)]
    pub latency: Latency,
    /// Share of requests (0 to 1) and the latency they stayed within, in microseconds.
    pub curve: Vec<(f64, u64)>,
}

/// Those who behave alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// How, as on the command line.
    pub behaviour: &'static str,
    /// The same in words.
    pub words: &'static str,
    /// A program and not a person.
    pub bot: bool,
    /// The share of the crowd that was asked for, from 0 to 1.
    pub share: f64,
    /// How many came.
    pub guests: u64,
    /// Their holds.
    pub holds: u64,
    /// Their share of all units held, from 0 to 1.
    pub units_share: f64,
    /// Their sales.
    pub sales: u64,
}

/// The line as the crowd met it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LineFigures {
    /// New tickets.
    pub joined: u64,
    /// Passes that were shown.
    pub called_up: u64,
    /// Told that all is sold.
    pub in_vain: u64,
    /// Left, since it took too long.
    pub left: u64,
    /// Pieces of streams that were heard.
    pub events: u64,
    /// From joining to the pass.
    pub waits: Latency,
}

impl Outcome {
    /// Put together what came of a run.
    pub fn new(settings: Settings, mix: &Mix, tally: &Tally, load: Own) -> Outcome {
        let (limited_by, limit_why) = load.limit(tally);
        let line = &tally.in_line;
        Outcome {
            schema: SCHEMA,
            holds: true,
            stopped: false,
            settings,
            notes: Vec::new(),
            figures: tally.figures.summary(),
            connections_opened: tally.connections,
            latencies: Latencies::of(tally),
            series: tally.series.slices().to_vec(),
            crowd: parts(mix, tally),
            line: (line.joined > 0).then(|| LineFigures {
                joined: line.joined,
                called_up: line.called_up,
                in_vain: line.in_vain,
                left: line.left,
                events: line.events,
                waits: Latency::of(&line.waits),
            }),
            load,
            limited_by,
            limit_why,
            server: None,
            checks: None,
            thresholds: Vec::new(),
            capacity: None,
        }
    }

    /// Add the verdict on what was told.
    pub fn judged(&mut self, verdict: Verdict) {
        self.holds &= verdict.holds();
        self.checks = Some(verdict.checks);
    }

    /// Add thresholds.
    pub fn measured(&mut self, thresholds: Vec<Judged>) {
        self.holds &= thresholds.iter().all(|threshold| threshold.holds);
        self.thresholds.extend(thresholds);
    }

    /// Note that the run was broken off: it proves nothing.
    pub fn broken_off(&mut self) {
        self.stopped = true;
        self.holds = false;
        self.notes.push("the run was broken off: what it shows is not the whole".to_owned());
    }
}

impl Latencies {
    fn of(tally: &Tally) -> Latencies {
        let kind = |kind| Curve::of(tally.figures.histogram(kind));
        Latencies {
            reserves: Curve::of(&tally.reserves),
            granted: kind(Kind::Granted),
            refused: kind(Kind::Refused),
            settled: kind(Kind::Settled),
            joined: Curve::of(&tally.joins),
            looked: Curve::of(&tally.looks),
            paged: Curve::of(&tally.pages),
        }
    }

    /// Return those that have something in them, with their names.
    pub fn present(&self) -> Vec<(&'static str, &Curve)> {
        let all = [
            ("reserves", &self.reserves),
            ("granted", &self.granted),
            ("refused", &self.refused),
            ("settled", &self.settled),
            ("joined", &self.joined),
            ("looked", &self.looked),
            ("paged", &self.paged),
        ];
        all.into_iter().filter(|(_, curve)| curve.latency.count > 0).collect()
    }
}

impl Curve {
    fn of(histogram: &Histogram<u64>) -> Curve {
        let points = histogram.iter_quantiles(5).map(|step| {
            (step.quantile_iterated_to().min(1.0), histogram.value_at_quantile(step.quantile()))
        });
        let curve = if histogram.is_empty() { Vec::new() } else { points.collect() };
        Curve { latency: Latency::of(histogram), curve }
    }
}

fn parts(mix: &Mix, tally: &Tally) -> Vec<Part> {
    let weights: u32 = mix.iter().map(|(_, weight)| weight).sum();
    let units: u64 = tally.by_behaviour.iter().map(|by| by.units).sum();
    let of = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let came = mix.iter().filter(|(_, weight)| *weight > 0);
    came.map(|&(behaviour, weight)| {
        let by = &tally.by_behaviour[behaviour as usize];
        Part {
            behaviour: Behaviour::word(behaviour),
            words: behaviour.as_str(),
            bot: behaviour.is_bot(),
            share: of(weight.into(), weights.into()),
            guests: by.guests,
            holds: by.holds,
            units_share: of(by.units as f64, units as f64),
            sales: by.sales,
        }
    })
    .collect()
}
