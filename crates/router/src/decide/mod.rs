//! The decision for one order: the cheapest set of nodes and units, proven.
//!
//! A [`Problem`] is a small fixed-charge assignment: each candidate node has a cost for being used
//! at all (shipment, handling, lateness, rejection, the price of its slot) and a cost for each unit
//! of each line (unit, distance, the opportunity price of that unit). What no node ships is
//! *unfilled*, at a cost of its own: once for the order, and for each unit. [`decide`] returns a
//! minimum over every set of at most `split` nodes and every way to divide the units among them.
//!
//! Two exact methods, chosen by the data:
//! - [`partition`]: no node has some but not all of a line, and there are few lines. Then a line is
//!   never worth dividing, and the minimum runs over partitions of the lines (dynamic program over
//!   subsets, Bellman 1962; `O(N·2^L + 3^L)`).
//! - [`branch`]: everything else, by branch and bound on the linear relaxation in which a node's
//!   fixed cost is spread over the units it could ship (Efroymson and Ray 1966).
//!
//! **Ties.** Costs are integers, scaled so that their low three bits count shipments: among plans
//! of equal cost the one with fewer shipments wins, then the one found first. Candidates are in the
//! order of their nodes' names, so the order of rows in a file decides nothing.

pub mod branch;
mod forced;
pub mod partition;
mod wide;

pub(crate) use wide::{WideScratch, decide_wide};

pub use forced::{best_with, best_without};

use crate::cost::Cost;
use crate::limits::{CANDIDATES_MAX, LINES_MAX, PARTITION_LINES_MAX, SPLIT_MAX};

/// Stands for "cannot"; far above any real cost, small enough to add a few of.
pub(crate) const NEVER: i64 = 1 << 58;

/// The factor that makes room for the shipment count.
pub(crate) const SCALE: i64 = 8;

/// One order's choice, ready to be decided. Reuse it: `reset` keeps its memory.
#[derive(Debug, Default)]
pub struct Problem {
    candidates: usize,
    lines: usize,
    split: usize,
    fixed: [i64; CANDIDATES_MAX],
    need: Vec<u32>,
    /// `[line * CANDIDATES_MAX + candidate]`
    unit: Vec<i64>,
    available: Vec<u32>,
    unfilled_fixed: i64,
    unfilled_unit: i64,
}

impl Clone for Problem {
    fn clone(&self) -> Problem {
        let mut copy = Problem::default();
        copy.clone_from(self);
        copy
    }

    /// Copy into memory that is kept.
    fn clone_from(&mut self, from: &Problem) {
        self.candidates = from.candidates;
        self.lines = from.lines;
        self.split = from.split;
        self.fixed = from.fixed;
        self.need.clone_from(&from.need);
        self.unit.clone_from(&from.unit);
        self.available.clone_from(&from.available);
        self.unfilled_fixed = from.unfilled_fixed;
        self.unfilled_unit = from.unfilled_unit;
    }
}

impl Problem {
    /// Start over with the given units for each line.
    ///
    /// # Panics
    /// With no line, more than [`LINES_MAX`], or a split limit outside 1 ..= [`SPLIT_MAX`].
    pub fn reset(&mut self, need: &[u32], split: usize, unfilled_fixed: Cost, unfilled_unit: Cost) {
        assert!(!need.is_empty() && need.len() <= LINES_MAX, "an order has 1 to {LINES_MAX} lines");
        assert!((1..=SPLIT_MAX).contains(&split), "the split limit is 1 to {SPLIT_MAX}");
        self.candidates = 0;
        self.lines = need.len();
        self.split = split;
        self.need.clear();
        self.need.extend_from_slice(need);
        self.unit.clear();
        self.unit.resize(need.len() * CANDIDATES_MAX, Cost::MAX_RATE.0);
        self.available.clear();
        self.available.resize(need.len() * CANDIDATES_MAX, 0);
        self.unfilled_fixed = unfilled_fixed.clamp_rate().0;
        self.unfilled_unit = unfilled_unit.clamp_rate().0;
    }

    /// Add a candidate and return its place. Costs below zero count as zero.
    ///
    /// # Panics
    /// When there are [`CANDIDATES_MAX`] already.
    pub fn add_candidate(&mut self, fixed: Cost) -> usize {
        assert!(self.candidates < CANDIDATES_MAX, "at most {CANDIDATES_MAX} candidates");
        self.fixed[self.candidates] = fixed.clamp_rate().0;
        self.candidates += 1;
        self.candidates - 1
    }

    /// State what a candidate can ship of a line, and at what cost a unit.
    #[inline]
    pub fn offer(&mut self, candidate: usize, line: usize, available: u32, unit: Cost) {
        debug_assert!(candidate < self.candidates && line < self.lines);
        let at = line * CANDIDATES_MAX + candidate;
        self.available[at] = available.min(self.need[line]);
        self.unit[at] = unit.clamp_rate().0;
    }

    /// Restate the cost of using a candidate at all.
    #[inline]
    pub(crate) fn set_fixed(&mut self, candidate: usize, fixed: Cost) {
        self.fixed[candidate] = fixed.clamp_rate().0;
    }

    /// Return the number of candidates.
    pub fn candidates(&self) -> usize {
        self.candidates
    }

    /// Return the most candidates a plan may use.
    pub fn split(&self) -> usize {
        self.split
    }

    /// Return the units each line asks for.
    pub fn need(&self) -> &[u32] {
        &self.need
    }

    /// Return what a candidate can ship of a line.
    #[inline]
    pub fn available(&self, candidate: usize, line: usize) -> u32 {
        self.available[line * CANDIDATES_MAX + candidate]
    }

    /// Return a candidate's cost for one unit of a line.
    #[inline]
    pub fn unit(&self, candidate: usize, line: usize) -> Cost {
        Cost(self.unit[line * CANDIDATES_MAX + candidate])
    }

    /// Return the cost of using a candidate at all.
    #[inline]
    pub fn fixed(&self, candidate: usize) -> Cost {
        Cost(self.fixed[candidate])
    }

    /// Say whether no candidate has some but not all units of a line.
    fn is_all_or_nothing(&self) -> bool {
        (0..self.lines).all(|line| {
            let row = &self.available[line * CANDIDATES_MAX..][..self.candidates];
            row.iter().all(|&have| have == 0 || have == self.need[line])
        })
    }

    /// Price a plan from scratch: the reference the solvers are held against.
    pub fn price(&self, takes: &[Take], unfilled: &[(u16, u32)]) -> Cost {
        let mut used = 0u32;
        let mut total = Cost::ZERO;
        for take in takes {
            let candidate = usize::from(take.candidate);
            if used & (1 << candidate) == 0 {
                used |= 1 << candidate;
                total += self.fixed(candidate);
            }
            total += self.unit(candidate, usize::from(take.line)) * take.units;
        }
        if unfilled.iter().any(|&(_, units)| units > 0) {
            total += Cost(self.unfilled_fixed);
        }
        total + unfilled.iter().map(|&(_, units)| Cost(self.unfilled_unit) * units).sum()
    }
}

/// Units of one line from one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Take {
    /// The candidate's place in the problem.
    pub candidate: u16,
    /// The line's place in the order.
    pub line: u16,
    /// How many, at least one.
    pub units: u32,
}

/// What [`decide`] found. Reuse it: it keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Sorted by candidate, then line.
    pub takes: Vec<Take>,
    /// Line and units that no node ships.
    pub unfilled: Vec<(u16, u32)>,
    /// The total, under the prices of the problem.
    pub cost: Cost,
    /// Which method proved it.
    pub method: Method,
    /// Sets of nodes (or partial sets) that were weighed.
    pub weighed: u32,
    /// The linear relaxation's value at the root, when the method has one: never above `cost`.
    pub root_bound: Cost,
}

impl Decision {
    /// Return the candidates that ship, as a bit mask.
    pub fn used(&self) -> u32 {
        self.takes.iter().fold(0, |mask, take| mask | 1 << take.candidate)
    }
}

/// How a decision was proven minimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Every partition of the lines was weighed.
    #[default]
    Partition,
    /// Every set left out had a bound at or above the decision's cost.
    BranchAndBound,
}

/// Working memory of [`decide`]; one for each thread.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    partition: partition::Tables,
    branch: branch::Search,
}

/// Write the cheapest plan for `problem` into `out`.
///
/// Exact; the same problem gives the same bytes. Allocates only while `scratch` and `out` grow to
/// the largest problem seen.
pub fn decide(problem: &Problem, scratch: &mut Scratch, out: &mut Decision) {
    out.takes.clear();
    out.unfilled.clear();
    if problem.lines <= PARTITION_LINES_MAX && problem.is_all_or_nothing() {
        partition::solve(problem, &mut scratch.partition, out);
    } else {
        branch::solve(problem, &mut scratch.branch, out);
    }
    out.takes.sort_unstable_by_key(|take| (take.candidate, take.line));
    debug_assert_eq!(problem.price(&out.takes, &out.unfilled), out.cost);
    debug_assert!(out.root_bound <= out.cost);
    debug_assert!(out.used().count_ones() as usize <= problem.split);
}

#[cfg(test)]
mod tests;
