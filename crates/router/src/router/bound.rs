//! Bounds on nodes not looked at, and which offers can be dropped.

use crate::cost::Cost;
use crate::node::NodeIx;
use crate::offer::{Desk, LineOffer, Offer};
use crate::order::SkuNo;

/// No plan that uses a node at least `beyond_km` away weighs less: it pays one shipment, one unit
/// over that distance, for every other unit the cheaper of shipping and leaving it, and for SKUs
/// that no node has what leaving them costs. Those are only looked for when the rest is not enough
/// to reach `wanted`.
pub(crate) fn outside_bound(desk: &Desk<'_>, beyond_km: f64, wanted: Cost) -> Cost {
    let Some(detour) = desk.rules.detour() else { return Cost::ZERO };
    let road_km = beyond_km * detour;
    if road_km > desk.terms.max_km {
        return Cost(i64::MAX);
    }
    let (costs, weights) = (&desk.rules.policy().costs, desk.terms.weights);
    let shipment = Cost::from_units(weights.shipment * costs.fixed_per_shipment);
    let fixed = (shipment + desk.rules.least_priority()).clamp_rate();
    let shipped = Cost::from_units(costs.per_unit);
    let (unfilled_fixed, unfilled_unit) = desk.rules.policy().unfilled();
    let least = shipped.min(unfilled_unit);
    let rate = weights.distance * costs.per_unit_km * road_km * (1.0 - 1e-9);
    let distance = Cost::from_units(rate);
    let units = desk.order.units();
    // Everything from beyond travels that far; otherwise a second shipment or leaving a unit is
    // paid for as well.
    let all = fixed + (shipped + distance) * units;
    let second = fixed.min(unfilled_fixed + (unfilled_unit - least).clamp_rate());
    let some = fixed + shipped + distance + second + least * (units - 1);
    let bound = if units == 1 { all } else { all.min(some) };
    if bound >= wanted || desk.credit.is_some() || desk.order.pickup.is_some() {
        return bound;
    }
    let lines = desk.order.lines.iter();
    let gone: u32 =
        lines.filter(|line| desk.network.is_sold_out(line.sku)).map(|line| line.units).sum();
    if gone == 0 {
        return bound;
    }
    let left = unfilled_fixed.clamp_rate() + unfilled_unit.clamp_rate() * gone;
    if gone == units {
        // Nothing to ship: every plan leaves everything.
        return left;
    }
    fixed + shipped + distance + least * (units - gone - 1) + left
}

/// Say whether a node has any unit of a SKU above its safety stock.
pub(super) fn has_any(desk: &Desk<'_>, node: NodeIx, sku: SkuNo) -> bool {
    desk.network.entry_of(node, sku).is_some_and(|entry| {
        let entry = desk.network.entry(entry);
        entry.available(entry.safety()) > 0
    })
}

/// Say whether `a` can stand in for `b` in any plan without raising its cost.
pub(super) fn beats(
    a: &Offer,
    a_lines: &[LineOffer],
    b: &Offer,
    b_lines: &[LineOffer],
    need: &[u32],
) -> bool {
    let cheaper =
        a.fixed <= b.fixed
            && a_lines.iter().zip(b_lines).zip(need).all(|((a, b), &need)| {
                b.available == 0 || (a.available >= need && a.unit <= b.unit)
            });
    // Equals keep the first name, whichever was asked first.
    cheaper && (a.node < b.node || !is_equal(a, a_lines, b, b_lines))
}

fn is_equal(a: &Offer, a_lines: &[LineOffer], b: &Offer, b_lines: &[LineOffer]) -> bool {
    a.fixed == b.fixed
        && a_lines
            .iter()
            .zip(b_lines)
            .all(|(a, b)| a.available == b.available && (a.available == 0 || a.unit == b.unit))
}
