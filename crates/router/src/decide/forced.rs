//! The best plan that uses a given candidate, and the best that does not: what losers lost by.

use super::{Decision, Problem, Scratch, branch, decide};
use crate::cost::Cost;

/// Return the best plan in which `candidate` ships at least one unit, if it can ship any.
///
/// Exact: the condition is tried on each line the candidate has, one search each. For explanations,
/// not for the hot path.
pub fn best_with(problem: &Problem, candidate: usize, scratch: &mut Scratch) -> Option<Decision> {
    let mut best: Option<Decision> = None;
    for line in 0..problem.lines {
        if problem.available(candidate, line) == 0 {
            continue;
        }
        let mut decision = Decision::default();
        branch::solve_forced(problem, (candidate, line), &mut scratch.branch, &mut decision);
        decision.takes.sort_unstable_by_key(|take| (take.candidate, take.line));
        debug_assert_eq!(problem.price(&decision.takes, &decision.unfilled), decision.cost);
        if best.as_ref().is_none_or(|b| decision.cost < b.cost) {
            best = Some(decision);
        }
    }
    best
}

/// Return the best plan in which `candidate` ships nothing. Costs one decision.
pub fn best_without(problem: &Problem, candidate: usize, scratch: &mut Scratch) -> Decision {
    let mut without = problem.clone();
    for line in 0..problem.lines {
        without.offer(candidate, line, 0, Cost::MAX_RATE);
    }
    let mut decision = Decision::default();
    decide(&without, scratch, &mut decision);
    decision
}
