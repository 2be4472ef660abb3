//! Writing a decision out as a plan.

use super::gather::Work;
use crate::cost::Cost;
use crate::decide;
use crate::delivery::Promise;
use crate::offer::{Desk, Offer};
use crate::plan::{Pick, Plan, Proof, Shipment, Unfilled};

impl Work {
    pub(super) fn write(&self, desk: &Desk<'_>, proof: Proof, out: &mut Plan) {
        out.channel = desk.order.channel;
        out.weighed = self.decision.cost;
        out.proof = proof;
        let mut takes = self.decision.takes.as_slice();
        while let Some(first) = takes.first() {
            let same = takes.iter().take_while(|take| take.candidate == first.candidate).count();
            let (mine, rest) = takes.split_at(same);
            self.write_shipment(desk, mine, out);
            takes = rest;
        }
        for &(line, units) in &self.decision.unfilled {
            let sku = desk.order.lines[usize::from(line)].sku;
            out.unfilled.push(Unfilled { line, sku, units });
        }
        let (fixed, unit) = desk.rules.policy().unfilled();
        out.cost = out.shipments.iter().map(|shipment| shipment.cost).sum();
        if !out.unfilled.is_empty() {
            out.cost += fixed.clamp_rate() + unit.clamp_rate() * out.unfilled_units();
        }
    }

    fn write_shipment(&self, desk: &Desk<'_>, takes: &[decide::Take], out: &mut Plan) {
        let at = usize::from(self.chosen[usize::from(takes[0].candidate)]);
        let offer = &self.offers[at];
        let from = out.picks.len() as u32;
        let mut terms = desk.fixed_terms(offer);
        let costs = &desk.rules.policy().costs;
        let mut units = 0;
        for take in takes {
            let line = usize::from(take.line);
            let have = &self.lines[at * self.need.len() + line];
            let entry = desk.network.entry(have.entry);
            let floor = desk.floor(offer.node, entry.safety());
            let sku = desk.order.lines[line].sku;
            out.picks.push(Pick {
                entry: have.entry,
                line: take.line,
                sku,
                units: take.units,
                floor,
            });
            terms.opportunity += (have.unit - offer.unit) * take.units;
            units += take.units;
        }
        terms.units = Cost::from_units(costs.per_unit) * units;
        terms.distance = offer.unit * units - terms.units;
        let paid_unit = Cost::from_units(costs.per_unit + costs.per_unit_km * offer.km);
        let handling = Cost::from_units(desk.network.node(offer.node).handling_cost);
        let cost = Cost::from_units(desk.fixed_rate(offer.node)) + handling + paid_unit * units;
        out.shipments.push(Shipment {
            node: offer.node,
            picks: from..out.picks.len() as u32,
            start: offer.start,
            slot: offer.slot,
            km: offer.km,
            promise: promise(desk, offer),
            cost,
            terms,
        });
    }
}

fn promise(desk: &Desk<'_>, offer: &Offer) -> Promise {
    let arrival = desk.arrival(offer.node, offer.start, offer.km);
    let mut promise = arrival.promise(offer.due, offer.accept);
    // What is collected waits for the doors to open.
    if let (true, Some(node)) = (desk.order.delivery.is_collected(), desk.order.pickup)
        && let Some(calendar) = desk.network.calendar(node)
        && let Some(shift) = calendar.shift_at(promise.at)
    {
        promise.at = promise.at.max(shift.opens);
    }
    promise
}
