//! Bounds on nodes not looked at, and which offers can be dropped.

use crate::cost::Cost;
use crate::geo::km_to_chord2;
use crate::node::NodeIx;
use crate::offer::{Desk, LineOffer, Offer};
use crate::order::SkuNo;

/// The least a plan weighs that uses a node at some distance: everything from there, or one unit from
/// there and a second shipment (or something left) besides.
struct Beyond {
    /// Everything from there, without distance.
    all: Cost,
    /// One unit from there, without distance.
    some: Cost,
    /// Weighed cost of one unit over one road kilometre, in currency units.
    unit_km: f64,
    units: u32,
}

impl Beyond {
    fn of(desk: &Desk<'_>) -> Beyond {
        let (costs, weights) = (&desk.rules.policy().costs, desk.terms.weights);
        let (fixed, shipped, least) = least_terms(desk);
        let (unfilled_fixed, unfilled_unit) = desk.rules.policy().unfilled();
        let units = desk.order.units();
        let second = fixed.min(unfilled_fixed + (unfilled_unit - least).clamp_rate());
        Beyond {
            all: fixed + shipped * units,
            some: fixed + shipped + second + least * (units - 1),
            unit_km: weights.distance * costs.per_unit_km * (1.0 - 1e-9),
            units,
        }
    }

    fn bound(&self, road_km: f64) -> Cost {
        let distance = Cost::from_units(self.unit_km * road_km);
        let all = self.all + distance * self.units;
        if self.units == 1 { all } else { all.min(self.some + distance) }
    }
}

/// The least a shipment costs, a unit shipped, and a unit shipped or left.
fn least_terms(desk: &Desk<'_>) -> (Cost, Cost, Cost) {
    let (costs, weights) = (&desk.rules.policy().costs, desk.terms.weights);
    let shipment = Cost::from_units(weights.shipment * costs.fixed_per_shipment);
    let fixed = (shipment + desk.rules.least_priority()).clamp_rate();
    let shipped = Cost::from_units(costs.per_unit);
    (fixed, shipped, shipped.min(desk.rules.policy().unfilled().1))
}

/// How far a node can be and still be in a plan that beats the one found, as squared chords.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    /// A node that ships everything.
    pub(super) whole: f64,
    /// A node that ships a part.
    pub(super) part: f64,
}

impl Default for Reach {
    fn default() -> Reach {
        Reach::EVERYWHERE
    }
}

impl Reach {
    /// Nothing is ruled out.
    pub(super) const EVERYWHERE: Reach = Reach { whole: f64::INFINITY, part: f64::INFINITY };

    /// Rule out what cannot weigh less than `cost`.
    pub(super) fn of(desk: &Desk<'_>, cost: Cost) -> Reach {
        let Some(detour) = desk.rules.detour() else { return Reach::EVERYWHERE };
        if desk.order.pickup.is_some() {
            // Handing over at the chosen node costs less than a shipment.
            return Reach::EVERYWHERE;
        }
        let beyond = Beyond::of(desk);
        // Distances are rounded to whole micro-units: stay on the far side of that.
        let slack = 2.0e-6 * f64::from(beyond.units + 1);
        let chord2 = |base: Cost, units: u32| {
            let left = ((cost - base).to_units() + slack).max(0.0);
            let road_km = left / (beyond.unit_km * f64::from(units));
            let is_far = !road_km.is_finite();
            if is_far { f64::INFINITY } else { km_to_chord2(road_km / detour) * (1.0 + 1e-9) }
        };
        let whole = chord2(beyond.all, beyond.units);
        if beyond.units == 1 {
            return Reach { whole, part: whole };
        }
        let part = chord2(beyond.some, 1);
        Reach { whole: whole.max(part), part }
    }
}

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
    let beyond = Beyond::of(desk);
    let bound = beyond.bound(road_km);
    if bound >= wanted || desk.credit.is_some() || desk.order.pickup.is_some() {
        return bound;
    }
    let lines = desk.order.lines.iter();
    let gone: u32 =
        lines.filter(|line| desk.network.is_sold_out(line.sku)).map(|line| line.units).sum();
    if gone == 0 {
        return bound;
    }
    let (unfilled_fixed, unfilled_unit) = desk.rules.policy().unfilled();
    let units = beyond.units;
    let left = unfilled_fixed.clamp_rate() + unfilled_unit.clamp_rate() * gone;
    if gone == units {
        // Nothing to ship: every plan leaves everything.
        return left;
    }
    let (fixed, shipped, least) = least_terms(desk);
    let distance = Cost::from_units(beyond.unit_km * road_km);
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
