//! Where it comes from, when, and how sure that is: told with the hold, before anything is bought.
//!
//! A promise takes nothing and waits for nothing: it is the plan that would be made now. The plan
//! itself is made when the reservation is sold, from what the stores have then.

use super::Stores;
use super::ask::{NoOrder, Wanted, delivery_of, order_of};
use super::live::{Net, with_planner};
use crate::errors::Code;
use crate::problem::Problem;
use crate::wire::{Details, push_json_string, push_timestamp, push_u64};
use onrush::Timestamp;
use onrush_router::order::Order;
use onrush_router::plan::Plan;

/// What can be said about a request before it is asked for.
#[derive(Debug)]
pub(crate) enum Outlook {
    /// Nothing: it says no place, or no store has the SKU.
    Open,
    /// This promise, as JSON.
    Promised(Vec<u8>),
    /// It cannot get there that way.
    Refused(Problem),
}

impl Outlook {
    /// Return the promise, as JSON.
    pub(crate) fn promise(self) -> Option<Vec<u8>> {
        match self {
            Outlook::Promised(promise) => Some(promise),
            Outlook::Open | Outlook::Refused(_) => None,
        }
    }
}

impl Stores {
    /// Tell what a hold would be promised. One decision of the router; no lock, no waiting.
    pub(crate) fn outlook(&self, wanted: &Wanted, details: &Details<'_>) -> Outlook {
        let Some(net) = self.net() else { return Outlook::Open };
        match order_of(&net, wanted, details) {
            Err(NoOrder::NotAtStores | NoOrder::NoPlace) => Outlook::Open,
            Err(other) => Outlook::Refused(Problem::invalid(other.to_string())),
            Ok(order) => match promised(&net, &order) {
                Some(plan) => Outlook::Promised(promise_json(&net, &order, &plan)),
                None => Outlook::Refused(out_of_reach(details)),
            },
        }
    }
}

/// Return the plan for an order that stores can serve whole.
pub(super) fn promised(net: &Net, order: &Order) -> Option<Plan> {
    let mut plan = Plan::default();
    with_planner(|planner| {
        planner.on(&net.network, &net.rules, |router| router.plan(order, &mut plan));
    });
    (plan.unfilled.is_empty() && !plan.shipments.is_empty()).then_some(plan)
}

fn out_of_reach(details: &Details<'_>) -> Problem {
    let word = delivery_of(details).as_str();
    let detail = format!(
        "no store that has it can serve {word:?} there in time; try another delivery, or collect it \
         at a store"
    );
    Problem::new(Code::OutOfReach, detail)
}

/// Write a promise: the whole order's, then each shipment's.
pub(super) fn promise_json(net: &Net, order: &Order, plan: &Plan) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    out.extend_from_slice(b"{\"delivery\":\"");
    out.extend_from_slice(order.delivery.as_str().as_bytes());
    out.push(b'"');
    if let Some(promise) = plan.promise() {
        push_promise(&mut out, promise.at, promise.confidence);
    }
    out.extend_from_slice(b",\"from\":[");
    for (at, shipment) in plan.shipments.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"node\":" } else { b",{\"node\":" });
        push_json_string(&mut out, net.name(shipment.node));
        out.extend_from_slice(b",\"quantity\":");
        let units: u32 = plan.picks_of(shipment).iter().map(|pick| pick.units).sum();
        push_u64(&mut out, u64::from(units));
        push_promise(&mut out, shipment.promise.at, shipment.promise.confidence);
        out.extend_from_slice(b",\"km\":");
        push_thousandths(&mut out, (shipment.km * 1_000.0).round() as u64);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    out
}

fn push_promise(out: &mut Vec<u8>, at: Timestamp, confidence: f64) {
    out.extend_from_slice(b",\"at\":\"");
    push_timestamp(out, at);
    out.extend_from_slice(b"\",\"confidence\":");
    push_thousandths(out, (confidence.clamp(0.0, 1.0) * 1_000.0).round() as u64);
}

/// Append a number of thousandths as a decimal.
fn push_thousandths(out: &mut Vec<u8>, thousandths: u64) {
    push_u64(out, thousandths / 1_000);
    let rest = thousandths % 1_000;
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

fn digit(n: u64) -> u8 {
    b'0' + (n % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_json_numbers() {
        for (thousandths, text) in [(0, "0.000"), (7, "0.007"), (950, "0.950"), (12_340, "12.340")]
        {
            let mut out = Vec::new();
            push_thousandths(&mut out, thousandths);
            assert_eq!(String::from_utf8(out.clone()).expect("ASCII"), text);
            let read: f64 = serde_json::from_slice(&out).expect("JSON");
            assert_eq!((read * 1_000.0).round() as u64, thousandths);
        }
    }
}
