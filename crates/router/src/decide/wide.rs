//! More candidates than one decision holds: decide over the first, then rule the others out.
//!
//! The candidates come in several [`Problem`]s of the same order; the first has the most promising.
//! For every candidate there is a bound on all plans that use it: its fixed cost, one unit from it,
//! and for every other unit the cheapest any candidate offers, with fixed costs spread as in
//! [`super::branch`]. Whoever's bound is no lower than the best plan found cannot be part of a better
//! one. When those that remain fit into one decision, that decision completes the proof; otherwise the
//! lowest bound says how much a better plan could save at most.

use super::{Decision, NEVER, Problem, SCALE, Scratch, decide};
use crate::cost::Cost;
use crate::limits::CANDIDATES_MAX;

/// Working memory of [`decide_wide`].
#[derive(Debug, Default)]
pub(crate) struct WideScratch {
    /// Cheapest unit of each line, fixed costs spread, unscaled.
    least: Vec<i64>,
    /// Candidates not ruled out, by their place over all problems.
    left: Vec<u16>,
    narrow: Problem,
    second: Decision,
}

/// Decide over all `problems` and return a bound that no plan goes below.
///
/// `out` is the best plan found; its candidates count on through the problems, [`CANDIDATES_MAX`] to
/// each. The bound equals its cost when it is proven minimal.
pub(crate) fn decide_wide(
    problems: &[Problem],
    scratch: &mut Scratch,
    wide: &mut WideScratch,
    out: &mut Decision,
) -> Cost {
    decide(&problems[0], scratch, out);
    if problems.len() == 1 {
        return out.cost;
    }
    wide.fill_least(problems);
    let bound = wide.rule_out(problems, out.cost.0);
    if bound >= out.cost.0 {
        return out.cost;
    }
    if wide.left.len() > CANDIDATES_MAX {
        return Cost(bound);
    }
    wide.narrow_to_left(problems);
    decide(&wide.narrow, scratch, &mut wide.second);
    if wide.second.cost < out.cost {
        std::mem::swap(out, &mut wide.second);
        for take in &mut out.takes {
            take.candidate = wide.left[usize::from(take.candidate)];
        }
    }
    out.cost
}

impl WideScratch {
    fn fill_least(&mut self, problems: &[Problem]) {
        let first = &problems[0];
        let units: i64 = first.need.iter().map(|&need| i64::from(need)).sum();
        let leave = first.unfilled_unit + first.unfilled_fixed / units.max(1);
        self.least.clear();
        self.least.resize(first.lines, leave);
        for problem in problems {
            for candidate in 0..problem.candidates {
                let rows = (0..problem.lines).map(|line| line * CANDIDATES_MAX + candidate);
                let could: u32 = rows.clone().map(|at| problem.available[at]).sum();
                let spread = problem.fixed[candidate] / i64::from(could.max(1));
                for (line, at) in rows.enumerate().filter(|&(_, at)| problem.available[at] > 0) {
                    self.least[line] = self.least[line].min(problem.unit[at] + spread);
                }
            }
        }
    }

    /// Keep the candidates whose bound is below `best`; return the lowest bound of those beyond the
    /// first problem.
    fn rule_out(&mut self, problems: &[Problem], best: i64) -> i64 {
        let mut lowest = i64::MAX;
        self.left.clear();
        for (n, problem) in problems.iter().enumerate() {
            for candidate in 0..problem.candidates {
                let bound = self.bound_of(problem, candidate);
                if bound < best {
                    self.left.push((n * CANDIDATES_MAX + candidate) as u16);
                }
                if n > 0 {
                    lowest = lowest.min(bound);
                }
            }
        }
        lowest
    }

    fn bound_of(&self, problem: &Problem, candidate: usize) -> i64 {
        let mut bound = problem.fixed[candidate];
        let mut first_unit = NEVER;
        for (line, (&need, &least)) in problem.need.iter().zip(&self.least).enumerate() {
            let at = line * CANDIDATES_MAX + candidate;
            if problem.available[at] == 0 {
                bound += least * i64::from(need);
                continue;
            }
            let unit = least.min(problem.unit[at]);
            bound += unit * i64::from(need);
            first_unit = first_unit.min(problem.unit[at] - unit);
        }
        // Without any unit to ship there is no plan to bound.
        if first_unit == NEVER { NEVER / SCALE } else { bound + first_unit }
    }

    fn narrow_to_left(&mut self, problems: &[Problem]) {
        let first = &problems[0];
        let (fixed, unit) = (Cost(first.unfilled_fixed), Cost(first.unfilled_unit));
        self.narrow.reset(&first.need, first.split, fixed, unit);
        for &place in &self.left {
            let problem = &problems[usize::from(place) / CANDIDATES_MAX];
            let from = usize::from(place) % CANDIDATES_MAX;
            let to = self.narrow.add_candidate(problem.fixed(from));
            for line in 0..problem.lines {
                let (have, unit) = (problem.available(from, line), problem.unit(from, line));
                self.narrow.offer(to, line, have, unit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Forty candidates in three problems, and their best plan of at most two nodes by trying all.
    fn problems(seed: u64, need: &[u32]) -> (Vec<Problem>, Cost) {
        let mut state = seed;
        let mut dice = move |sides: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % sides
        };
        let (leave_fixed, leave_unit) = (Cost(3_000), Cost(9_000));
        let mut all: Vec<Problem> = Vec::new();
        for n in 0..40 {
            if n % CANDIDATES_MAX == 0 {
                let mut problem = Problem::default();
                problem.reset(need, 2, leave_fixed, leave_unit);
                all.push(problem);
            }
            let problem = all.last_mut().expect("one was added");
            let candidate = problem.add_candidate(Cost(dice(6_000) as i64));
            for (line, &units) in need.iter().enumerate() {
                let have = dice(u64::from(units) + 1) as u32;
                problem.offer(candidate, line, have, Cost(dice(6_000) as i64));
            }
        }
        let best = brute(&all, need, (leave_fixed.0, leave_unit.0));
        (all, best)
    }

    fn brute(all: &[Problem], need: &[u32], leave: (i64, i64)) -> Cost {
        let nodes: Vec<(&Problem, usize)> =
            all.iter().flat_map(|p| (0..p.candidates()).map(move |c| (p, c))).collect();
        let mut sets: Vec<Vec<usize>> = vec![vec![]];
        for a in 0..nodes.len() {
            sets.push(vec![a]);
            sets.extend((a + 1..nodes.len()).map(|b| vec![a, b]));
        }
        let price = |set: &Vec<usize>| {
            let mut total: i64 = set.iter().map(|&n| nodes[n].0.fixed(nodes[n].1).0).sum();
            let mut left = 0;
            for (line, &units) in need.iter().enumerate() {
                let mut offers: Vec<i64> = Vec::new();
                for &n in set {
                    let (problem, candidate) = nodes[n];
                    let have = problem.available(candidate, line);
                    offers.extend((0..have).map(|_| problem.unit(candidate, line).0));
                }
                offers.extend((0..units).map(|_| i64::MAX));
                offers.sort_unstable();
                for unit in offers.into_iter().take(units as usize) {
                    // Leaving a unit that could be shipped pays only when it is cheaper.
                    let is_left = unit > leave.1;
                    left += i64::from(is_left);
                    total += if is_left { leave.1 } else { unit };
                }
            }
            total + if left > 0 { leave.0 } else { 0 }
        };
        Cost(sets.iter().map(price).min().expect("the empty set"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn the_bound_is_below_every_plan_and_the_plan_exact_when_it_says_so(
            seed in any::<u64>(),
            need in prop::collection::vec(1u32..=3, 1..=3),
        ) {
            let (all, best) = problems(seed, &need);
            let mut out = Decision::default();
            let bound = decide_wide(&all, &mut Scratch::default(), &mut WideScratch::default(), &mut out);
            prop_assert!(bound <= best, "{bound:?} {best:?}");
            prop_assert!(out.cost >= best);
            if bound == out.cost {
                prop_assert_eq!(out.cost, best);
            }
            // The plan prices to what it says, candidates counted through all problems.
            let fixed: Cost = {
                let mut used: Vec<u16> = out.takes.iter().map(|take| take.candidate).collect();
                used.dedup();
                used.iter().map(|&c| {
                    let c = usize::from(c);
                    all[c / CANDIDATES_MAX].fixed(c % CANDIDATES_MAX)
                }).sum()
            };
            let units: Cost = out.takes.iter().map(|take| {
                let c = usize::from(take.candidate);
                all[c / CANDIDATES_MAX].unit(c % CANDIDATES_MAX, usize::from(take.line)) * take.units
            }).sum();
            let left: u32 = out.unfilled.iter().map(|&(_, units)| units).sum();
            let leave = if left > 0 { Cost(3_000) + Cost(9_000) * left } else { Cost::ZERO };
            prop_assert_eq!(fixed + units + leave, out.cost);
        }
    }

    #[test]
    fn most_of_forty_candidates_are_ruled_out() {
        let proven = (0..200).filter(|&seed| {
            let (all, best) = problems(seed, &[2, 1]);
            let mut out = Decision::default();
            let bound =
                decide_wide(&all, &mut Scratch::default(), &mut WideScratch::default(), &mut out);
            bound == out.cost && out.cost == best
        });
        let proven = proven.count();
        assert!(proven > 120, "{proven} of 200");
    }
}
