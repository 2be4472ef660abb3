//! Compares what a crowd was told with what is.
//!
//! Pure: nothing here asks a server. Each check is one class of violation, so that a broken server is
//! named by what it broke; `check_tests.rs` plants one of each.

use crate::told::{Acknowledgement, Asked, Told};
use crate::truth::{ReservationTruth, Truth};
use crate::verdict::{Check, Verdict};
use onrush::State;
use std::collections::{BTreeMap, HashMap, HashSet};

/// What the run knows about the sale.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Units one buyer may hold or own.
    pub limit_per_buyer: u32,
    /// Every hold had time to expire: nothing may be held any more.
    pub quiet: bool,
}

/// Compare. `truth` must have been read after the last answer.
pub fn check(told: &Told, truth: &Truth, rules: Rules) -> Verdict {
    let mut checks = vec![
        oversold(truth),
        unbalanced(truth),
        lost_holds(told, truth),
        lost_sales(told, truth),
        lost_payments(told, truth),
        doubled(told, truth),
        made_up(told, truth),
        over_limit(told, truth, rules.limit_per_buyer),
        wrong_refunds(truth),
    ];
    if rules.quiet {
        checks.push(leaked(truth));
    }
    Verdict { checks }
}

/// INV-2: reservations that hold or own units never exceed what there is.
fn oversold(truth: &Truth) -> Check {
    let mut check = Check::new("units oversold", "INV-2", "SKUs");
    for (name, sku) in &truth.skus {
        let taken = taken(truth, name, State::counts_towards_limit);
        let there = sku.supplied.saturating_sub(sku.withdrawn);
        check.look(taken <= there, || format!("{name}: {taken} taken of {there}"));
    }
    check
}

/// INV-1: free + held + sold + withdrawn = supplied, and the reservations say the same.
fn unbalanced(truth: &Truth) -> Check {
    let mut check = Check::new("SKUs out of balance", "INV-1", "SKUs");
    for (name, sku) in &truth.skus {
        let sum = sku.free + sku.held + sku.sold + sku.withdrawn;
        let held = taken(truth, name, State::is_held);
        let sold = taken(truth, name, |state| state == State::Sold);
        let holds = sum == sku.supplied && held == sku.held && sold == sku.sold;
        let say = || format!("{name}: {sku:?}; its reservations hold {held} and own {sold}");
        check.look(holds, say);
    }
    check
}

fn taken(truth: &Truth, sku: &str, counts: impl Fn(State) -> bool) -> u64 {
    let of_sku = truth.reservations.values().filter(|r| r.sku == sku && counts(r.state));
    of_sku.map(|r| u64::from(r.quantity)).sum()
}

/// INV-4: what was told to be held is there, and nothing happened to it that nobody asked for.
fn lost_holds(told: &Told, truth: &Truth) -> Check {
    let mut check = Check::new("acknowledged holds lost", "INV-4", "acknowledgements");
    let given_back = asked_ids(told, &Asked::Release);
    for ack in told.acknowledged.iter().filter(|ack| ack.asked == Asked::Reserve) {
        let found = truth.reservations.get(&*ack.id);
        let same = found.is_some_and(|r| r.sku == *ack.sku && r.quantity == ack.quantity);
        let asked =
            found.is_none_or(|r| r.state != State::Released || given_back.contains(&*ack.id));
        check.look(same && asked, || describe(ack, found));
    }
    let released = |ack: &&Acknowledgement| ack.state == State::Released;
    for ack in told.acknowledged.iter().filter(released) {
        let found = truth.reservations.get(&*ack.id);
        check.look(found.is_some_and(|r| r.state == State::Released), || describe(ack, found));
    }
    check
}

/// INV-4: what was told to be sold is sold, unless the shop was asked to cancel it.
fn lost_sales(told: &Told, truth: &Truth) -> Check {
    let mut check = Check::new("acknowledged sales lost", "INV-4", "acknowledgements");
    let cancelled = asked_ids(told, &Asked::Cancel);
    for ack in told.acknowledged.iter() {
        let found = truth.reservations.get(&*ack.id);
        let state = found.map(|r| r.state);
        let asked = cancelled.contains(&*ack.id);
        let holds = match ack.state {
            State::Sold if asked => matches!(state, Some(State::Sold | State::Cancelled)),
            State::Sold => state == Some(State::Sold),
            State::Cancelled => state == Some(State::Cancelled) && asked,
            _ => continue,
        };
        check.look(holds, || describe(ack, found));
    }
    check
}

/// The reservations for which something was asked, with or without an answer.
fn asked_ids<'a>(told: &'a Told, asked: &Asked) -> HashSet<&'a str> {
    let acknowledged = told.acknowledged.iter().filter(|ack| ack.asked == *asked);
    let unknown = told.unknown.iter().filter(|unknown| unknown.asked == *asked);
    let unknown = unknown.filter_map(|unknown| unknown.id.as_deref());
    acknowledged.map(|ack| &*ack.id).chain(unknown).collect()
}

/// INV-4 and INV-5: money that was acknowledged is booked, where it belongs and as much as it was.
fn lost_payments(told: &Told, truth: &Truth) -> Check {
    let mut check = Check::new("acknowledged payments lost", "INV-4", "acknowledgements");
    for ack in &told.acknowledged {
        let Asked::Pay { reference, amount } = &ack.asked else { continue };
        let found = truth.reservations.get(&*ack.id);
        let booked = found.is_some_and(|r| {
            r.payments.iter().any(|p| p.reference == **reference && p.amount == *amount)
        });
        check.look(booked, || format!("payment {reference}: {}", describe(ack, found)));
    }
    check
}

/// INV-5: one key is one reservation, one reservation one key; a payment is booked once.
fn doubled(told: &Told, truth: &Truth) -> Check {
    let mut check = Check::new("reservations or payments doubled", "INV-5", "keys and payments");
    let mut id_of: HashMap<(&str, &str), &str> = HashMap::new();
    let mut owner_of: HashMap<&str, (&str, &str)> = HashMap::new();
    for ack in told.acknowledged.iter().filter(|ack| ack.asked == Asked::Reserve) {
        let who = (&*ack.buyer, &*ack.key);
        let first = *id_of.entry(who).or_insert(&ack.id);
        let owner = *owner_of.entry(&ack.id).or_insert(who);
        check.look(first == &*ack.id && owner == who, || {
            format!("{who:?} was told {first} and {}, which is {owner:?}'s", ack.id)
        });
    }
    let mut booked: BTreeMap<&str, u32> = BTreeMap::new();
    for payment in truth.reservations.values().flat_map(|r| &r.payments) {
        *booked.entry(&payment.reference).or_default() += 1;
    }
    for (reference, times) in booked {
        check.look(times == 1, || format!("payment {reference} is booked {times} times"));
    }
    check
}

/// INV-5: every reservation belongs to a request whose caller was told of it, or never got an answer.
fn made_up(told: &Told, truth: &Truth) -> Check {
    let mut check = Check::new("reservations nobody asked for", "INV-5", "reservations");
    let known: HashSet<&str> = told.acknowledged.iter().map(|ack| &*ack.id).collect();
    let reserves = told.unknown.iter().filter(|unknown| unknown.asked == Asked::Reserve);
    let mut unanswered = reserves.map(|u| (&u.buyer, &u.key)).collect::<HashSet<_>>().len();
    for (id, r) in truth.reservations.iter().filter(|(id, _)| !told.before.contains(*id)) {
        let expected = known.contains(&**id) || unanswered > 0;
        if !known.contains(&**id) {
            unanswered = unanswered.saturating_sub(1);
        }
        check.look(expected, || format!("{id}: {r:?}"));
    }
    check
}

/// INV-6: nobody holds or owns more than the limit, by the names the crowd used and by those the
/// server keeps; and one buyer has one name there.
fn over_limit(told: &Told, truth: &Truth, limit: u32) -> Check {
    let mut check = Check::new("buyers over their limit", "INV-6", "buyers");
    let mut name_of: HashMap<&str, &str> = HashMap::new();
    let mut tag_of: HashMap<&str, &str> = HashMap::new();
    for ack in &told.acknowledged {
        name_of.insert(&ack.id, &ack.buyer);
        let found = truth.reservations.get(&*ack.id);
        let Some(tag) = found.and_then(|r| r.buyer.as_deref()) else { continue };
        let first = *tag_of.entry(&ack.buyer).or_insert(tag);
        if first != tag {
            check.violate(|| format!("{} is {first} and {tag} to the server", ack.buyer));
        }
    }
    let (mut by_name, mut by_tag) = (BTreeMap::new(), BTreeMap::new());
    for (id, r) in truth.reservations.iter().filter(|(_, r)| r.state.counts_towards_limit()) {
        let units = u64::from(r.quantity);
        if let Some(&name) = name_of.get(id.as_str()) {
            *by_name.entry(name).or_insert(0) += units;
        }
        if let Some(tag) = r.buyer.as_deref() {
            *by_tag.entry(tag).or_insert(0) += units;
        }
    }
    check.looked_at = by_name.len().max(by_tag.len()) as u64;
    for (buyer, units) in by_name.into_iter().chain(by_tag) {
        if units > u64::from(limit) {
            check.violate(|| format!("{buyer} has {units} units"));
        }
    }
    check
}

/// INV-8: a sale keeps exactly its price; anything else that is over keeps nothing. So money that came
/// late or was too much or too little is due back exactly once.
fn wrong_refunds(truth: &Truth) -> Check {
    let mut check = Check::new("money kept or refunded wrongly", "INV-8", "paid reservations");
    let paid = truth.reservations.iter().filter(|(_, r)| !r.payments.is_empty());
    for (id, r) in paid.filter(|(_, r)| !r.state.is_held()) {
        let paid: i64 = r.payments.iter().map(|p| p.amount).sum();
        let back: i64 = r.refunds.iter().sum();
        let price = if r.state == State::Sold { r.amount } else { 0 };
        let positive = r.refunds.iter().all(|&amount| amount > 0);
        check.look(positive && paid - back == price, || {
            format!("{id} is {}: paid {paid}, back {back}, price {price}", r.state.as_str())
        });
    }
    check
}

/// INV-3: once quiet, every unit that is not sold is free again.
fn leaked(truth: &Truth) -> Check {
    let mut check = Check::new("units leaked", "INV-3", "units");
    for (name, sku) in &truth.skus {
        let should = sku.supplied.saturating_sub(sku.sold + sku.withdrawn);
        let missing = should.saturating_sub(sku.free).max(sku.held);
        check.looked_at += sku.supplied;
        if missing > 0 {
            let say = || format!("{name}: {missing} units neither free nor sold: {sku:?}");
            check.violate(say);
            check.violations += missing - 1;
        }
    }
    check
}

fn describe(ack: &Acknowledgement, found: Option<&ReservationTruth>) -> String {
    let told = format!(
        "{} was told {} {} of {} ({}, LSN {})",
        ack.buyer,
        ack.state.as_str(),
        ack.quantity,
        ack.sku,
        ack.id,
        ack.lsn
    );
    match found {
        Some(r) => format!("{told}; it is {} {} of {}", r.state.as_str(), r.quantity, r.sku),
        None => format!("{told}; there is no such reservation"),
    }
}
