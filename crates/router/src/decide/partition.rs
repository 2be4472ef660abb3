//! The exact minimum when a line is never worth dividing: a dynamic program over sets of lines.
//!
//! `alone[T]` is the cheapest single node for the set `T`; `best[k][T]` the cheapest partition of
//! `T` into at most `k` such sets. The part that holds the lowest line of `T` is chosen first, so
//! each partition is seen once. Two parts may name the same node; merging them is never dearer, so
//! the minimum stands. Source: the set-partitioning recurrence of Bellman (1962).

use super::{Decision, Method, NEVER, Problem, SCALE, Take};
use crate::cost::Cost;
use crate::limits::{CANDIDATES_MAX, PARTITION_LINES_MAX, SPLIT_MAX};

const SETS: usize = 1 << PARTITION_LINES_MAX;

/// Working memory of the dynamic program.
#[derive(Clone, Debug)]
pub struct Tables {
    alone: [i64; SETS],
    alone_by: [u8; SETS],
    best: [[i64; SETS]; SPLIT_MAX],
    first_part: [[u8; SETS]; SPLIT_MAX],
}

impl Default for Tables {
    fn default() -> Tables {
        Tables {
            alone: [NEVER; SETS],
            alone_by: [0; SETS],
            best: [[NEVER; SETS]; SPLIT_MAX],
            first_part: [[0; SETS]; SPLIT_MAX],
        }
    }
}

/// Solve `problem`, which must be all-or-nothing with at most [`PARTITION_LINES_MAX`] lines.
pub(super) fn solve(problem: &Problem, tables: &mut Tables, out: &mut Decision) {
    let sets = 1usize << problem.lines;
    fill_alone(problem, tables, sets);
    // More shipments than lines never help.
    let layers = problem.split.min(problem.lines);
    fill_best(tables, layers, sets);

    let (mut shipped, mut total) = (0, NEVER);
    let unfilled = unfilled_costs(problem, sets);
    for set in (0..sets).rev() {
        let cost = tables.best[layers - 1][set] + unfilled[(sets - 1) ^ set];
        if cost < total {
            (shipped, total) = (set, cost);
        }
    }
    out.method = Method::Partition;
    out.weighed = (sets * problem.candidates) as u32;
    out.cost = Cost(total / SCALE);
    out.root_bound = out.cost;
    write_plan(problem, tables, layers, shipped, out);
}

fn fill_alone(problem: &Problem, tables: &mut Tables, sets: usize) {
    tables.alone[..sets].fill(NEVER);
    tables.alone[0] = 0;
    let mut sums = [0i64; SETS];
    for candidate in 0..problem.candidates {
        sums[0] = problem.fixed[candidate] * SCALE + 1;
        for line in 0..problem.lines {
            let at = line * CANDIDATES_MAX + candidate;
            let cost = if problem.available[at] == 0 {
                NEVER
            } else {
                problem.unit[at] * i64::from(problem.need[line]) * SCALE
            };
            let (low, high) = sums.split_at_mut(1 << line);
            for (sum, without) in high[..1 << line].iter_mut().zip(low.iter()) {
                *sum = without + cost;
            }
        }
        let best = tables.alone.iter_mut().zip(tables.alone_by.iter_mut());
        for (&sum, (alone, by)) in sums[..sets].iter().zip(best).skip(1) {
            if sum < *alone {
                (*alone, *by) = (sum, candidate as u8);
            }
        }
    }
}

fn fill_best(tables: &mut Tables, layers: usize, sets: usize) {
    tables.best[0][..sets].copy_from_slice(&tables.alone[..sets]);
    for set in 0..sets {
        tables.first_part[0][set] = set as u8;
    }
    for layer in 1..layers {
        let (done, rest) = tables.best.split_at_mut(layer);
        let (before, now) = (&done[layer - 1], &mut rest[0]);
        now[0] = 0;
        for (set, cheapest) in now.iter_mut().enumerate().take(sets).skip(1) {
            let lowest = set & set.wrapping_neg();
            let others = set ^ lowest;
            // The whole set in one part, or as it was with one shipment fewer.
            let mut best = tables.alone[set];
            let mut part = set;
            let mut left = others;
            while left != 0 {
                // `left` runs over the non-empty subsets of `others` that later parts ship.
                let first = set ^ left;
                let cost = tables.alone[first] + before[left];
                if cost < best {
                    (best, part) = (cost, first);
                }
                left = (left - 1) & others;
            }
            *cheapest = best;
            tables.first_part[layer][set] = part as u8;
        }
    }
}

fn unfilled_costs(problem: &Problem, sets: usize) -> [i64; SETS] {
    let mut costs = [0i64; SETS];
    for (set, cost) in costs.iter_mut().enumerate().take(sets).skip(1) {
        let units: i64 = (0..problem.lines)
            .filter(|line| set & (1 << line) != 0)
            .map(|line| i64::from(problem.need[line]))
            .sum();
        *cost = (problem.unfilled_fixed + problem.unfilled_unit * units) * SCALE;
    }
    costs
}

fn write_plan(
    problem: &Problem,
    tables: &Tables,
    layers: usize,
    shipped: usize,
    out: &mut Decision,
) {
    let (mut set, mut layer) = (shipped, layers);
    while set != 0 {
        layer -= 1;
        let part = usize::from(tables.first_part[layer][set]);
        let candidate = u16::from(tables.alone_by[part]);
        for line in (0..problem.lines).filter(|line| part & (1 << line) != 0) {
            out.takes.push(Take { candidate, line: line as u16, units: problem.need[line] });
        }
        set ^= part;
    }
    for line in (0..problem.lines).filter(|line| shipped & (1 << line) == 0) {
        out.unfilled.push((line as u16, problem.need[line]));
    }
}
