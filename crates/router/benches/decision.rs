//! The decision and the whole plan of one order, under Criterion.

use criterion::{Criterion, criterion_group, criterion_main};
use onrush_router::cost::Cost;
use onrush_router::decide::{Decision, Problem, Scratch, decide};
use onrush_router::geo::Position;
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::{NodeKind, NodeSpec};
use onrush_router::order::{Line, Order};
use onrush_router::plan::Plan;
use onrush_router::policy::Policy;
use onrush_router::{Label, Router, Ruleset};
use onrush_types::Timestamp;
use std::hint::black_box;

/// Sixteen nodes, nearer ones dearer to use; every third lacks every second line.
fn problem(lines: usize, divided: bool) -> Problem {
    let mut problem = Problem::default();
    problem.reset(&vec![2; lines], 3, Cost::from_units(17.5), Cost::from_units(4.0));
    for n in 0..16u32 {
        let distance = f64::from(n) * 0.15;
        let candidate = problem.add_candidate(Cost::from_units(9.0 - distance));
        for line in 0..lines {
            let lacks = (n as usize + line).is_multiple_of(3);
            let have = if lacks { 0 } else { 2 - u32::from(divided && n % 2 == 0) };
            problem.offer(candidate, line, have, Cost::from_units(0.4 + distance));
        }
    }
    problem
}

fn decisions(criterion: &mut Criterion) {
    let (mut scratch, mut decision) = (Scratch::default(), Decision::default());
    for (name, divided) in [("whole", false), ("divided", true)] {
        for lines in [1, 3, 5] {
            let problem = problem(lines, divided);
            criterion.bench_function(&format!("decide/{name}/{lines}"), |bench| {
                bench.iter(|| decide(black_box(&problem), &mut scratch, &mut decision));
            });
        }
    }
}

fn plans(criterion: &mut Criterion) {
    let label = |text: &str| Label::new(text).expect("a label");
    let place = |lat, lon| Position::new(lat, lon).expect("on the globe");
    let names: Vec<Label> = (0..247).map(|n| label(&format!("s{n:03}"))).collect();
    let nodes = names.iter().enumerate().map(|(n, name)| {
        let at = place(41.6 + (n % 16) as f64 * 0.02, 123.2 + (n / 16) as f64 * 0.02);
        NodeSpec::new(name.clone(), NodeKind::Store, at)
    });
    let row = |(n, name): (usize, &Label)| StockSpec {
        node: name.clone(),
        sku: label(["tea", "milk"][n % 2]),
        on_hand: 9,
        safety_stock: 1,
        channel_quotas: Vec::new(),
    };
    let stock = names.iter().enumerate().map(row).collect();
    let network = Network::build(nodes.collect(), stock).expect("a network");
    let rules = Ruleset::new(Policy::default(), &network);
    let lines =
        ["tea", "milk"].map(|sku| Line { sku: network.find_sku(sku).expect("known"), units: 1 });
    let order = Order::new(label("o"), Timestamp(0), place(41.75, 123.35), lines.to_vec());
    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    criterion.bench_function("plan/247 stores, 2 lines", |bench| {
        bench.iter(|| router.plan(black_box(&order), &mut plan));
    });
}

criterion_group!(benches, decisions, plans);
criterion_main!(benches);
