//! The exact minimum in general: branch and bound over which nodes ship.
//!
//! **Bound.** For a node not yet decided, spread its fixed cost over the units it could ship at
//! most (rounded down): a node that ships any of them pays at least that. Every line then takes its
//! cheapest units, independently. The value never exceeds the true minimum of the branch (the
//! relaxation of Efroymson and Ray 1966, extended to limited stock). "Unfilled" is one more node
//! that has everything and does not count as a shipment.
//!
//! **Incumbent.** The nodes that the relaxation uses, at their full fixed costs, are a plan.
//! **Branching.** On the undecided node whose fixed cost the bound covers least; used first, then
//! not used.
//! A branch whose relaxation uses no undecided node is solved by it.

use super::{Decision, Method, Problem, SCALE, Take};
use crate::cost::Cost;
use crate::limits::CANDIDATES_MAX;

/// The place of "unfilled" among the nodes.
const NOBODY: usize = CANDIDATES_MAX;
const NODES: usize = CANDIDATES_MAX + 1;

/// Working memory of the search.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Units of each line still to place.
    need: Vec<u32>,
    /// `[line * NODES + node]`, scaled.
    unit: Vec<i64>,
    have: Vec<u32>,
    /// Nodes that have any of a line, by unit cost plus spread fixed cost; see `order_ends`.
    order: Vec<u8>,
    order_ends: Vec<usize>,
    fixed: [i64; NODES],
    /// Fixed cost spread over what the node could ship, rounded down.
    spread: [i64; NODES],
    candidates: usize,
    split: u32,
    could_ship: [u32; NODES],
    best: i64,
    best_set: u32,
    /// The set priced last: branches often come back to it.
    priced: u32,
    weighed: u32,
    /// Costs and units of one set's plan, line by line; see `LastShipment`.
    segments: Vec<Segment>,
    /// For each line, where its segments end and the units that nobody of the set has.
    line_ends: Vec<(usize, u32)>,
}

/// Units of one line that a set of nodes ships at one cost.
#[derive(Clone, Copy, Debug)]
struct Segment {
    cost: i64,
    units: u32,
}

/// What the relaxation of one branch says.
struct Relaxed {
    /// `i64::MAX` when the branch has no plan.
    bound: i64,
    used: u32,
    /// The undecided node whose fixed cost is least covered.
    loosest: usize,
}

/// Solve any problem within the limits.
pub(super) fn solve(problem: &Problem, search: &mut Search, out: &mut Decision) {
    search.load(problem);
    search.run(0, 0, out);
}

/// Solve `problem` under the condition that `node` ships at least one unit of `line`.
pub(super) fn solve_forced(
    problem: &Problem,
    (node, line): (usize, usize),
    search: &mut Search,
    out: &mut Decision,
) {
    debug_assert!(problem.available(node, line) > 0);
    search.load(problem);
    let at = line * NODES + node;
    search.need[line] -= 1;
    search.have[at] -= 1;
    search.run(1 << node, search.unit[at], out);
    let place = Take { candidate: node as u16, line: line as u16, units: 1 };
    match out.takes.iter_mut().find(|t| (t.candidate, t.line) == (place.candidate, place.line)) {
        Some(take) => take.units += 1,
        None => out.takes.push(place),
    }
}

impl Search {
    fn run(&mut self, chosen: u32, paid: i64, out: &mut Decision) {
        let everyone = ((1u32 << self.candidates) - 1) | 1 << NOBODY;
        let root = self.relax(chosen, everyone).bound;
        self.visit(chosen, everyone);
        out.method = Method::BranchAndBound;
        out.weighed = self.weighed;
        out.root_bound = Cost((root + paid) / SCALE);
        out.cost = Cost((self.best + paid) / SCALE);
        self.write_plan(out);
    }

    fn load(&mut self, problem: &Problem) {
        let lines = problem.lines;
        self.need.clear();
        self.need.extend_from_slice(&problem.need);
        self.unit.clear();
        self.unit.resize(lines * NODES, 0);
        self.have.clear();
        self.have.resize(lines * NODES, 0);
        self.candidates = problem.candidates;
        self.split = problem.split as u32;
        (self.best, self.best_set, self.weighed) = (i64::MAX, 0, 0);
        self.priced = u32::MAX;
        let mut could_ship = [0u32; NODES];
        for line in 0..lines {
            for (candidate, could) in could_ship.iter_mut().take(problem.candidates).enumerate() {
                let (from, to) = (line * CANDIDATES_MAX + candidate, line * NODES + candidate);
                self.unit[to] = problem.unit[from] * SCALE;
                self.have[to] = problem.available[from];
                *could += problem.available[from];
            }
            self.unit[line * NODES + NOBODY] = problem.unfilled_unit * SCALE;
            self.have[line * NODES + NOBODY] = problem.need[line];
            could_ship[NOBODY] += problem.need[line];
        }
        for candidate in 0..problem.candidates {
            self.fixed[candidate] = problem.fixed[candidate] * SCALE + 1;
        }
        self.fixed[NOBODY] = problem.unfilled_fixed * SCALE;
        for (spread, (fixed, could)) in
            self.spread.iter_mut().zip(self.fixed.iter().zip(could_ship))
        {
            *spread = fixed / i64::from(could.max(1));
        }
        self.could_ship = could_ship;
        self.sort_lines(lines);
    }

    fn sort_lines(&mut self, lines: usize) {
        self.order.clear();
        self.order_ends.clear();
        for line in 0..lines {
            let (start, row) = (self.order.len(), line * NODES);
            let nodes = (0..self.candidates).chain([NOBODY]);
            self.order.extend(nodes.filter(|&n| self.have[row + n] > 0).map(|n| n as u8));
            let (unit, spread) = (&self.unit, &self.spread);
            self.order[start..].sort_unstable_by_key(|&n| {
                (unit[row + usize::from(n)] + spread[usize::from(n)], n)
            });
            self.order_ends.push(self.order.len());
        }
    }

    /// Explore the plans that pay for every node of `chosen` and use none outside `allowed`.
    fn visit(&mut self, chosen: u32, allowed: u32) {
        self.weighed += 1;
        let full = (chosen & !(1 << NOBODY)).count_ones() >= self.split;
        let allowed = if full { (chosen | 1 << NOBODY) & allowed } else { allowed };
        let relaxed = self.relax(chosen, allowed);
        if relaxed.bound >= self.best {
            return;
        }
        let set = relaxed.used | chosen;
        if set != self.priced && (set & !(1 << NOBODY)).count_ones() <= self.split {
            self.priced = set;
            let cost = self.relax(set, set).bound;
            if cost < self.best {
                (self.best, self.best_set) = (cost, set);
            }
        }
        if relaxed.used & !chosen == 0 {
            return;
        }
        if (chosen & !(1 << NOBODY)).count_ones() + 1 == self.split {
            self.try_each(chosen, allowed);
            return;
        }
        self.visit(chosen | 1 << relaxed.loosest, allowed);
        self.visit(chosen, allowed & !(1 << relaxed.loosest));
    }

    /// One shipment is left: price every node for it, which is quicker than branching on each.
    ///
    /// The set without it is placed once; a node then takes over what nobody has and the dearest units
    /// that it ships for less. Exact, since the node is the only one added.
    fn try_each(&mut self, chosen: u32, allowed: u32) {
        let last = allowed & !chosen & !(1 << NOBODY);
        self.try_last(chosen, last);
        if allowed & !chosen & 1 << NOBODY != 0 {
            self.try_last(chosen | 1 << NOBODY, last);
        }
    }

    fn try_last(&mut self, set: u32, last: u32) {
        self.weighed += 1;
        let (base, is_whole) = self.place_set(set);
        if is_whole && base < self.best {
            (self.best, self.best_set) = (base, set);
        }
        for node in bits(last) {
            self.weighed += 1;
            if let Some(cost) = self.with_last(base, node)
                && cost < self.best
            {
                (self.best, self.best_set) = (cost, set | 1 << node);
            }
        }
    }

    /// Place every line over a set; return the cost of what it ships, and whether that is everything.
    fn place_set(&mut self, set: u32) -> (i64, bool) {
        let mut segments = std::mem::take(&mut self.segments);
        segments.clear();
        self.line_ends.clear();
        let mut cost: i64 = bits(set).map(|node| self.fixed[node]).sum();
        let mut is_whole = true;
        for line in 0..self.need.len() {
            let missing = self.place(line, set, set, |_, units, unit| {
                cost += unit * i64::from(units);
                segments.push(Segment { cost: unit, units });
            });
            is_whole &= missing == 0;
            self.line_ends.push((segments.len(), missing));
        }
        self.segments = segments;
        (cost, is_whole)
    }

    /// The cost of the set placed last with one more node; `None` when something is still missing.
    fn with_last(&self, base: i64, node: usize) -> Option<i64> {
        let mut cost = base + self.fixed[node];
        let mut start = 0;
        for (line, &(end, missing)) in self.line_ends.iter().enumerate() {
            let at = line * NODES + node;
            let (unit, mut have) = (self.unit[at], self.have[at]);
            if have < missing {
                return None;
            }
            cost += unit * i64::from(missing);
            have -= missing;
            // Segments come cheapest first: the dearest are taken over first.
            for segment in self.segments[start..end].iter().rev() {
                if have == 0 || segment.cost <= unit {
                    break;
                }
                let units = segment.units.min(have);
                cost -= (segment.cost - unit) * i64::from(units);
                have -= units;
            }
            start = end;
        }
        Some(cost)
    }

    fn relax(&self, chosen: u32, allowed: u32) -> Relaxed {
        let mut bound: i64 = bits(chosen).map(|node| self.fixed[node]).sum();
        let mut used = 0u32;
        let mut carried = [0u32; NODES];
        for line in 0..self.need.len() {
            if bound >= self.best {
                break;
            }
            let left = self.place(line, chosen, allowed, |node, units, cost| {
                bound += cost * i64::from(units);
                used |= 1 << node;
                carried[node] += units;
            });
            if left > 0 {
                return Relaxed { bound: i64::MAX, used, loosest: NOBODY };
            }
        }
        // Deciding the node whose fixed cost the bound understates most moves the bound most.
        let slack =
            |node: usize| self.spread[node] * i64::from(self.could_ship[node] - carried[node]);
        let open = bits(used & !chosen);
        let loosest = open.max_by_key(|&node| (slack(node), NODES - node)).unwrap_or(NOBODY);
        Relaxed { bound, used, loosest }
    }

    /// Place a line's units, cheapest first; chosen nodes cost their units, undecided ones also
    /// their spread fixed cost. Return the units nobody allowed has.
    fn place(
        &self,
        line: usize,
        chosen: u32,
        allowed: u32,
        mut each: impl FnMut(usize, u32, i64),
    ) -> u32 {
        let row = line * NODES;
        let start = if line == 0 { 0 } else { self.order_ends[line - 1] };
        let mut undecided = self.order[start..self.order_ends[line]]
            .iter()
            .map(|&node| usize::from(node))
            .filter(|&node| allowed & !chosen & (1 << node) != 0)
            .peekable();
        let mut paid = chosen & allowed;
        let mut left = self.need[line];
        while left > 0 {
            let cheapest_paid = bits(paid)
                .filter(|&node| self.have[row + node] > 0)
                .min_by_key(|&node| self.unit[row + node]);
            let cheapest_open = undecided.peek().copied();
            let open_cost = |node: usize| self.unit[row + node] + self.spread[node];
            let (node, cost) = match (cheapest_paid, cheapest_open) {
                (Some(a), Some(b)) if self.unit[row + a] > open_cost(b) => (b, open_cost(b)),
                (Some(a), _) => (a, self.unit[row + a]),
                (None, Some(b)) => (b, open_cost(b)),
                (None, None) => break,
            };
            if chosen & (1 << node) == 0 {
                undecided.next();
            }
            paid &= !(1 << node);
            let units = self.have[row + node].min(left);
            if units > 0 {
                each(node, units, cost);
            }
            left -= units;
        }
        left
    }

    fn write_plan(&self, out: &mut Decision) {
        for line in 0..self.need.len() {
            self.place(line, self.best_set, self.best_set, |node, units, _| {
                if node == NOBODY {
                    out.unfilled.push((line as u16, units));
                } else {
                    let (candidate, line) = (node as u16, line as u16);
                    out.takes.push(Take { candidate, line, units });
                }
            });
        }
    }
}

/// The places of the set bits, lowest first.
fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let bit = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            bit
        })
    })
}
