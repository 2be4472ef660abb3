//! The check by search: is there any order of the operations of a SKU that explains its answers?
//!
//! Linearizability is a property of each object (Herlihy and Wing, theorem 1), so each SKU, with the
//! buyers and keys that are its own, is searched alone. The search is that of `todc-utils` (Wing and
//! Gong, extended by Lowe); the object is stock.rs. LSNs and the journal are not looked at.

use crate::by_lsn::story;
use crate::history::{Ask, History, Op, Said};
use crate::stock::{Step, Stock, Wish};
use onrush::State;
use onrush_load::verdict::Check;
use std::collections::BTreeSet;
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History as Actions};

/// Holds may end this much earlier than they were seen to be asked for: clocks are read apart.
const EARLY_US: u64 = 20_000;
/// What the check counts.
pub(crate) const WHAT: &str = "SKUs searched";
/// Longer stories are not searched: the search may need exponential time.
pub const OPS_MAX: usize = 96;

/// Search each SKU.
pub fn check(history: &History) -> Check {
    let mut check = Check::new("SKUs no order explains", "INV-5", WHAT);
    let mut of_sku: Vec<Vec<&Op>> = vec![Vec::new(); history.skus.len()];
    let done = |op: &&Op| !matches!(op.heard, Some((_, Said::Nothing)));
    for op in history.ops.iter().filter(done) {
        of_sku[op.sku as usize].push(op);
    }
    for (sku, ops) in of_sku.iter().enumerate() {
        if ops.len() > OPS_MAX {
            continue;
        }
        check.look(is_explained(history, sku, ops), || {
            story(history, sku as u32, ops.iter().copied())
        });
    }
    check
}

/// Something that happens between two moments, the second of which may never come.
struct Span {
    from: u64,
    to: Option<u64>,
    step: Step,
}

fn is_explained(history: &History, sku: usize, ops: &[&Op]) -> bool {
    let terms = history.skus[sku];
    let mut spans: Vec<Span> = ops.iter().filter_map(|op| asked(op, ops)).collect();
    spans.extend(ops.iter().filter_map(|op| told(op)));
    let keys = ops.iter().map(|op| op.key as usize + 1).max().unwrap_or(0);
    for key in 0..keys as u32 {
        let of: Vec<&Op> = ops.iter().copied().filter(|op| op.key == key).collect();
        spans.extend(expiry(&of, ops, terms.hold_us));
        spans.extend(losses(history, &of));
    }
    let begin = Step::Begin(terms, keys);
    let mut actions = vec![(0, Action::Call(begin.clone())), (0, Action::Response(begin))];
    // Calls come before answers at the same place; what has no end ends after everything.
    let mut ends: Vec<(u64, bool, usize)> = Vec::new();
    for (n, span) in spans.iter().enumerate() {
        ends.push((span.from, false, n));
        ends.push((span.to.unwrap_or(u64::MAX), true, n));
    }
    ends.sort_unstable();
    for (_, is_end, n) in ends {
        let step = spans[n].step.clone();
        let action = if is_end { Action::Response(step) } else { Action::Call(step) };
        actions.push((n + 1, action));
    }
    WGLChecker::<Stock>::is_linearizable(Actions::from_actions(actions))
}

// Moments are doubled, so that what begins by itself can stand before one of them, and what nobody
// heard of right before it too. Each open end doubles the search, so an end is given wherever what
// comes after it cannot tell any more whether the step was there.

/// What was asked, until it was answered.
fn asked(op: &Op, ops: &[&Op]) -> Option<Span> {
    let wish = Wish { key: op.key, buyer: op.buyer, quantity: op.quantity };
    let said = op.heard.as_ref().map(|(_, said)| said.clone());
    let excused = match said {
        Some(Said::Limit) => ops.iter().any(|other| excuses(other, op)),
        Some(Said::NoUnits) => ops.iter().any(|other| takes_again(other, op)),
        _ => false,
    };
    let step = if excused { Step::Excused } else { Step::Asked(wish, op.ask, said) };
    let to = match &op.heard {
        Some((heard, _)) => Some(2 * heard.at + 1),
        None => open_end(op, ops)?,
    };
    Some(Span { from: 2 * op.called.at + 1, to, step })
}

/// What an answer tells, at some time during the call.
fn told(op: &Op) -> Option<Span> {
    let (heard, Said::Is { state, .. }) = op.heard.as_ref()? else { return None };
    let step = Step::Told(op.key, *state);
    Some(Span { from: 2 * op.called.at + 1, to: Some(2 * heard.at + 1), step })
}

/// Until when a request without an answer may have done something; `None` when it did nothing that
/// could be seen.
fn open_end(op: &Op, ops: &[&Op]) -> Option<Option<u64>> {
    let answers = answers(ops, op.key);
    let end = match op.ask {
        Ask::Look => return None,
        // Once the reservation is there, asking for it again changes nothing.
        Ask::Reserve => answers.first().copied(),
        Ask::Release => {
            last_in(&answers, &[State::Released, State::Expired, State::Sold, State::Cancelled])
        }
        Ask::Confirm => last_in(&answers, &[State::Sold, State::Released, State::Cancelled]),
        Ask::Cancel => last_in(&answers, &[State::Cancelled]),
    };
    match end {
        Some((heard, _)) if heard < op.called.at => None,
        end => Some(end.map(|(heard, _)| 2 * heard)),
    }
}

/// The answers that name the reservation of a key: when, and its state.
fn answers(ops: &[&Op], key: u32) -> Vec<(u64, State)> {
    let mut answers: Vec<(u64, State)> = ops
        .iter()
        .filter(|op| op.key == key)
        .filter_map(|op| match &op.heard {
            Some((heard, Said::Is { state, .. })) => Some((heard.at, *state)),
            _ => None,
        })
        .collect();
    answers.sort_unstable_by_key(|(at, _)| *at);
    answers
}

fn last_in(answers: &[(u64, State)], states: &[State]) -> Option<(u64, State)> {
    answers.last().copied().filter(|(_, state)| states.contains(state))
}

/// Tell whether `other` may have claimed, for a moment during `op`, what it did not get in the end:
/// a claim comes before the units, and is taken back when they are gone.
fn excuses(other: &Op, op: &Op) -> bool {
    let ended = |op: &Op| op.heard.as_ref().map_or(u64::MAX, |(heard, _)| heard.at);
    let refused = matches!(other.heard, Some((_, Said::NoUnits)));
    let meets = other.called.at < ended(op) && op.called.at < ended(other);
    refused && meets && other.buyer == op.buyer && other.key != op.key
}

/// Tell whether `other` may have paid late during `op`: units are taken again when that is decided, and
/// count towards the buyer's limit only once it is durable. Between, the buyer is told of no units.
fn takes_again(other: &Op, op: &Op) -> bool {
    let ended = |op: &Op| op.heard.as_ref().map_or(u64::MAX, |(heard, _)| heard.at);
    let meets = other.called.at < ended(op) && op.called.at < ended(other);
    other.ask == Ask::Confirm && meets && other.buyer == op.buyer && other.key != op.key
}

/// A hold may end once its time is over, counted from the first request for it: before somebody was told
/// so, before it was sold so late that it may have been sold again, or after all that was told of it.
fn expiry(of: &[&Op], ops: &[&Op], hold_us: u64) -> Option<Span> {
    let first = of.iter().find(|op| op.ask == Ask::Reserve)?;
    let due = (first.called.us + hold_us).saturating_sub(EARLY_US);
    let moments = ops.iter().flat_map(|op| {
        let heard = op.heard.as_ref().map(|(heard, _)| *heard);
        std::iter::once(op.called).chain(heard)
    });
    let from = moments.filter(|moment| moment.us >= due).map(|moment| moment.at).min()?;
    let answers = answers(of, first.key);
    let told = of.iter().filter_map(|op| match &op.heard {
        Some((heard, Said::Expired | Said::Is { state: State::Expired, .. })) => Some(heard.at),
        _ => None,
    });
    let told = told.min();
    let sold =
        |(at, state): &(u64, State)| *at >= from && matches!(state, State::Sold | State::Cancelled);
    let sold = answers.iter().find(|answer| sold(answer)).map(|(at, _)| *at);
    let held = answers.last().filter(|(_, state)| *state == State::Held).map(|(at, _)| *at);
    let (from, to) = match (told.or(sold), held) {
        (Some(end), _) => (2 * from, Some(2 * end)),
        (None, Some(last)) => (2 * from.max(last), None),
        (None, None) => return None,
    };
    Some(Span { from, to, step: Step::Expire(first.key) })
}

/// Each reserve that was open when the server died may have lost its units then, unless the reservation
/// was there afterwards.
fn losses(history: &History, of: &[&Op]) -> Vec<Span> {
    let answers = of.iter().filter_map(|op| match &op.heard {
        Some((heard, Said::Is { new, .. })) => Some((heard.at, *new)),
        _ => None,
    });
    let first = answers.min();
    if first.is_some_and(|(_, new)| !new) {
        return Vec::new();
    }
    let open = of.iter().filter(|op| op.ask == Ask::Reserve && op.heard.is_none());
    let crash = |op: &&Op| {
        let crash = history.crashes.iter().find(|crash| crash.at > op.called.at)?;
        first.is_none_or(|(at, _)| crash.at < at).then_some((crash.at, op.key))
    };
    let crashes: BTreeSet<(u64, u32)> = open.filter_map(crash).collect();
    let lose =
        |(at, key)| Span { from: 2 * at, to: first.map(|(at, _)| 2 * at), step: Step::Lose(key) };
    crashes.into_iter().map(lose).collect()
}
