//! `cargo xtask bench risk`: one table, measured in one run on this machine, on one thread.
//!
//! Arguments: `--accounts N` (default 1,000,000) for the figures that fill the sketches; `--largest` also
//! fills them with 10 million entities.
#![allow(clippy::print_stdout)]

mod models;

use models::forest;
use onrush_risk::backtest::{CALIBRATE_EVERY, read_thresholds};
use onrush_risk::challenge::{ChallengeKind, Challenges, Holder};
use onrush_risk::limits::SKETCH_BYTES_MAX;
use onrush_risk::{
    Calibration, Combined, EntityId, Evidence, Guarded, Policy, RiskKey, Scorecard, Scorer,
    Signals, Sketches, Stage, decide,
};
use onrush_types::{BuyerDigest, Timestamp};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

#[global_allocator]
static COUNTED: dhat::Alloc = dhat::Alloc;

const BEGAN: Timestamp = Timestamp(1_000_000);

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let after =
        |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
    let accounts = after("--accounts").and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    println!("| what | target | measured | reached |\n|---|---|---|---|");
    score(accounts);
    for (trees, target_ns) in [(100, 500), (264, 3_000)] {
        walk(trees, target_ns);
    }
    challenges();
    if args.iter().any(|arg| arg == "--largest") {
        largest();
    }
}

fn row(what: &str, target: &str, measured: &str, reached: bool) {
    println!("| {what} | {target} | {measured} | {} |", if reached { "yes" } else { "NO" });
}

/// splitmix64: stands for keyed digests.
fn id(n: u64) -> EntityId {
    let z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    EntityId((z ^ (z >> 27)) | 1)
}

/// A request of somebody: an account with its device behind one of many prefixes, at an address.
fn request(n: u64, accounts: u64) -> Evidence {
    let who = id(n).0 % accounts;
    Evidence {
        address: Some(id(10_000_000_000 + who / 40)),
        device: Some(id(20_000_000_000 + who)),
        destination: Some(id(30_000_000_000 + who / 2)),
        payment: Some(id(40_000_000_000 + who)),
        tls: Some(id(50_000_000_000 + who % 300)),
        behaviour: id(60_000_000_000 + who % 3_000),
        opens_at: Some(BEGAN),
        ..Evidence::of(id(who), Stage::Reserve)
    }
}

/// All that a reserve costs: count, score, calibrate, decide, claim.
struct Desk {
    sketches: Sketches,
    scorer: Guarded<Scorecard>,
    scores: Calibration,
    thresholds: Vec<Option<f64>>,
    policy: Policy,
}

impl Desk {
    fn look(&mut self, evidence: &Evidence, now: Timestamp) {
        let signals = self.sketches.observe(evidence, now);
        let risk = self.scorer.score(&signals);
        self.scores.add(risk.probability);
        if self.scores.samples().is_multiple_of(CALIBRATE_EVERY) {
            read_thresholds(&self.policy, &self.scores, &mut self.thresholds);
        }
        let decision = decide(&self.policy, &risk, &self.thresholds, evidence);
        black_box(decision);
        let _ = black_box(self.sketches.claim(evidence.account, 1, 8, now));
    }
}

fn score(accounts: u64) {
    let mut desk = Desk {
        sketches: Sketches::new(accounts as usize, BEGAN),
        scorer: Guarded::new(Scorecard, 0.0),
        scores: Calibration::default(),
        thresholds: Vec::new(),
        policy: Policy::default(),
    };
    let at = |n: u64| Timestamp(BEGAN.0 + n / 1_000);
    for n in 0..accounts {
        desk.look(&request(n, accounts), at(n));
    }
    let asked: Vec<Evidence> = (0..400_000).map(|n| request(accounts + n, accounts)).collect();
    let mut times: Vec<u32> = Vec::with_capacity(asked.len());
    for (n, evidence) in asked.iter().enumerate() {
        let begin = Instant::now();
        desk.look(evidence, at(accounts + n as u64));
        times.push(begin.elapsed().as_nanos() as u32);
    }
    times.sort_unstable();
    let p = |share: f64| times[(times.len() as f64 * share) as usize];
    let (p50, p99) = (p(0.5), p(0.99));
    let what = format!("score with all counters, {accounts} accounts");
    row(&format!("{what}: p50"), "≤ 700 ns", &format!("{p50} ns"), p50 <= 700);
    row(&format!("{what}: p99"), "≤ 2,000 ns", &format!("{p99} ns"), p99 <= 2_000);
    let begin = Instant::now();
    for (n, evidence) in asked.iter().enumerate() {
        desk.look(evidence, at(accounts + 400_000 + n as u64));
    }
    let rate = asked.len() as f64 / begin.elapsed().as_secs_f64();
    row("scores a second and core", "≥ 1 M", &format!("{:.2} M", rate / 1e6), rate >= 1e6);
    let profiler = dhat::Profiler::builder().testing().build();
    let before = dhat::HeapStats::get().total_blocks;
    for (n, evidence) in asked.iter().take(20_000).enumerate() {
        desk.look(evidence, at(accounts + 800_000 + n as u64));
    }
    let blocks = dhat::HeapStats::get().total_blocks - before;
    drop(profiler);
    row("allocations of 20,000 scores", "0", &blocks.to_string(), blocks == 0);
}

fn walk(trees: usize, target_ns: u128) {
    let forest = forest(trees, 6);
    let rows: Vec<Signals> = (0..1_000u64)
        .map(|n| Signals::new(std::array::from_fn(|at| (id(n * 64 + at as u64).0 % 100) as f32)))
        .collect();
    let rounds = 100;
    let begin = Instant::now();
    for _ in 0..rounds {
        rows.iter().for_each(|row| {
            black_box(forest.score(black_box(row)));
        });
    }
    let ns = begin.elapsed().as_nanos() / (rounds * rows.len() as u128);
    let target = format!("≤ {target_ns} ns");
    row(
        &format!("forest of {trees} trees, depth 6"),
        &target,
        &format!("{ns} ns"),
        ns <= target_ns,
    );
    let both: Vec<(Arc<dyn Scorer>, f64)> =
        vec![(Arc::new(forest), 2.0), (Arc::new(Scorecard), 1.0)];
    let both = Combined::new(both).expect("two parts");
    let begin = Instant::now();
    rows.iter().for_each(|row| {
        black_box(both.score(black_box(row)));
    });
    let ns = begin.elapsed().as_nanos() / rows.len() as u128;
    row("the same with the scorecard", "-", &format!("{ns} ns"), true);
}

fn challenges() {
    let mut n = 0u64;
    let mut random = |bytes: &mut [u8]| {
        bytes.chunks_mut(8).for_each(|chunk| {
            n += 1;
            chunk.copy_from_slice(&id(n).0.to_le_bytes()[..chunk.len()]);
        });
    };
    let begin = Instant::now();
    let desk = Challenges::new(&RiskKey::new([7; 32]), 1, &mut random);
    let made = begin.elapsed().as_millis();
    row("making a campaign's time lock", "-", &format!("{made} ms"), true);
    let holder = Holder { buyer: BuyerDigest([1; 16]), session: 0 };
    let issued = desk.issue(holder, ChallengeKind::TimeLock, 3, 0.0, BEGAN).expect("room");
    let answer = desk.solve(&issued).expect("a time lock");
    let begin = Instant::now();
    let proof = desk.answer(&issued.token, holder, &answer, Timestamp(BEGAN.0 + 500));
    let checked = begin.elapsed().as_micros();
    let proof = proof.expect("right");
    row("checking a time lock of 120,000 squarings", "-", &format!("{checked} µs"), true);
    let begin = Instant::now();
    for _ in 0..100_000 {
        black_box(desk.open_proof(black_box(&proof), holder, BEGAN)).expect("ours");
    }
    let ns = begin.elapsed().as_nanos() / 100_000;
    row("checking a proof on the hot path", "-", &format!("{ns} ns"), true);
}

fn largest() {
    let sketches = Sketches::new(10_000_000, BEGAN);
    let begin = Instant::now();
    for n in 0..10_000_000u64 {
        let evidence =
            Evidence { device: Some(id(n)), ..Evidence::of(id(n + (1 << 40)), Stage::Join) };
        sketches.observe(&evidence, Timestamp(BEGAN.0 + n / 1_000));
    }
    let figures = sketches.figures();
    let ns = begin.elapsed().as_nanos() / 10_000_000;
    let mib = figures.bytes as f64 / f64::from(1 << 20);
    let what = "sketches after 20 M entities came";
    row(what, "≤ 512 MiB", &format!("{mib:.1} MiB"), figures.bytes <= SKETCH_BYTES_MAX as u64);
    row("of these remembered", "-", &format!("{}, {ns} ns a request", figures.entities), true);
}
