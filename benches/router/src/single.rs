//! One decision: how fast, and against enumeration of every set of nodes.

use crate::dice::Dice;
use crate::report::{figure, micros, note, quantile, section};
use onrush_router::cost::Cost;
use onrush_router::decide::{Decision, Problem, Scratch, decide};
use std::time::{Duration, Instant};

const ROUNDS: usize = 200_000;
const CHECKED: usize = 10_000;
/// What leaving anything costs, and each unit left.
const LEAVE: (f64, f64) = (17.5, 4.0);

/// A random order over sixteen nodes, none of which beats another in everything.
fn problem(dice: &mut Dice, divided: bool, into: &mut Problem) {
    let lines = 1 + dice.below(5);
    let need: Vec<u32> = (0..lines).map(|_| 1 + dice.below(3) as u32).collect();
    into.reset(&need, 1 + dice.below(5), Cost::from_units(LEAVE.0), Cost::from_units(LEAVE.1));
    for n in 0..16 {
        // Nearer nodes are dearer to use: no node is dominated.
        let distance = f64::from(n) * 0.15 + dice.unit() * 0.1;
        let fixed = 9.0 - distance + dice.unit() * 0.05;
        let candidate = into.add_candidate(Cost::from_units(fixed));
        for (line, &units) in need.iter().enumerate() {
            let have = match (divided, dice.below(10)) {
                (_, 0..4) => 0,
                (true, 4..8) => 1 + dice.below(units as usize) as u32,
                _ => units,
            };
            let unit = Cost::from_units(0.4 + distance + dice.unit() * 0.3);
            into.offer(candidate, line, have, unit);
        }
    }
}

fn time(divided: bool) -> (Vec<Duration>, u32, u32) {
    let mut dice = Dice::new(if divided { 2 } else { 1 });
    let problems: Vec<Problem> = (0..2_000)
        .map(|_| {
            let mut one = Problem::default();
            problem(&mut dice, divided, &mut one);
            one
        })
        .collect();
    let (mut scratch, mut decision) = (Scratch::default(), Decision::default());
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let problem = &problems[round % problems.len()];
        let start = Instant::now();
        decide(problem, &mut scratch, &mut decision);
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let weighed = problems.iter().map(|problem| {
        decide(problem, &mut scratch, &mut decision);
        decision.weighed
    });
    let mut weighed: Vec<u32> = weighed.collect();
    weighed.sort_unstable();
    (times, weighed[weighed.len() / 2], weighed[weighed.len() * 99 / 100])
}

/// The least cost over every set of at most `split` nodes, cheapest units first.
fn enumerate(problem: &Problem, split: usize) -> Cost {
    let mut best = Cost(i64::MAX);
    for set in 0u32..1 << problem.candidates() {
        if set.count_ones() as usize > split {
            continue;
        }
        for leave in [false, true] {
            if let Some(cost) = place(problem, set, leave) {
                best = best.min(cost);
            }
        }
    }
    best
}

fn place(problem: &Problem, set: u32, leave: bool) -> Option<Cost> {
    let mut total: Cost = (0..problem.candidates())
        .filter(|node| set & (1 << node) != 0)
        .map(|node| problem.fixed(node))
        .sum();
    if leave {
        total += Cost::from_units(LEAVE.0);
    }
    for (line, &need) in problem.need().iter().enumerate() {
        let mut offers: Vec<(Cost, u32)> = (0..problem.candidates())
            .filter(|node| set & (1 << node) != 0)
            .map(|node| (problem.unit(node, line), problem.available(node, line)))
            .collect();
        if leave {
            offers.push((Cost::from_units(LEAVE.1), need));
        }
        offers.sort_unstable();
        let mut left = need;
        for (unit, have) in offers {
            let units = have.min(left);
            total += unit * units;
            left -= units;
        }
        if left > 0 {
            return None;
        }
    }
    Some(total)
}

pub(crate) fn run() {
    section("One order: 16 candidates that do not beat each other, 1-5 lines");
    for (name, divided) in [("whole lines", false), ("lines that must be divided", true)] {
        let (times, half, most) = time(divided);
        let (p50, p99) = (quantile(&times, 0.5), quantile(&times, 0.99));
        let fast = |duration: Duration, limit| duration <= Duration::from_micros(limit);
        figure(&format!("decision p50, {name}"), &micros(p50), "<= 2 µs", fast(p50, 2));
        figure(&format!("decision p99, {name}"), &micros(p99), "<= 10 µs", fast(p99, 10));
        note(&format!("sets weighed p50, p99, {name}"), &format!("{half}, {most}"));
    }
    let (mut scratch, mut decision) = (Scratch::default(), Decision::default());
    let mut dice = Dice::new(3);
    let (mut equal, mut equal_mip) = (0, 0);
    let mut one = Problem::default();
    for tried in 0..CHECKED {
        problem(&mut dice, tried % 2 == 0, &mut one);
        decide(&one, &mut scratch, &mut decision);
        equal += usize::from(decision.cost == enumerate(&one, one.split()));
        equal_mip += usize::from(Some(decision.cost) == by_mip(&one));
    }
    let is_all = |count: usize| count == CHECKED;
    let of = |count: usize| format!("{count} of {CHECKED}");
    let target = "10000 of 10000";
    figure("equal to enumeration of every node set", &of(equal), target, is_all(equal));
    if cfg!(feature = "highs") {
        figure("equal to the MIP solver HiGHS", &of(equal_mip), target, is_all(equal_mip));
    } else {
        note("equal to the MIP solver HiGHS", "not built: --features highs");
    }
}

#[cfg(feature = "highs")]
fn by_mip(problem: &Problem) -> Option<Cost> {
    crate::mip::least_cost(problem, (Cost::from_units(LEAVE.0), Cost::from_units(LEAVE.1)))
}

#[cfg(not(feature = "highs"))]
fn by_mip(_: &Problem) -> Option<Cost> {
    None
}
