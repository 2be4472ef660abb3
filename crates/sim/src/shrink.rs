//! Making a failing history shorter: leave out steps, faults among them, as long as the same promise
//! breaks. Halves first, then quarters, down to single steps (Zeller and Hildebrandt, "Simplifying
//! and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002).

use crate::history::live;
use crate::lexicon::Lexicon;
use crate::plan::Plan;
use onrush::journal::Loss;

/// Return the shortest plan found that breaks `promise`.
pub fn shrink(plan: &Plan, promise: &str, lexicon: &Lexicon, cut: Option<(u64, Loss)>) -> Plan {
    let fails = |plan: &Plan| {
        live(plan, lexicon, false, cut).violation.is_some_and(|v| v.promise == promise)
    };
    let mut best = plan.clone();
    let mut length = best.steps.len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        let mut shorter = false;
        while at < best.steps.len() {
            let mut candidate = best.clone();
            let end = (at + length).min(best.steps.len());
            candidate.steps.drain(at..end);
            if fails(&candidate) {
                best = candidate;
                shorter = true;
            } else {
                at += length;
            }
        }
        if length == 1 && !shorter {
            break;
        }
        length = if length == 1 { 1 } else { length.div_ceil(2) };
    }
    best
}
