//! What no policy could have paid less than, knowing every order beforehand.

use crate::delivery::Delivery;
use crate::limits::BOUND_CLASSES_MAX;
use crate::network::Network;
use crate::order::Order;
use crate::prices::fluid::{Climb, Fluid};
use crate::rules::Ruleset;
use std::collections::HashMap;

/// Steps spent on the bound: coarse, then fine.
const CLIMBS: [Climb; 2] = [
    Climb { steps: 500, first: 0.6, last: 0.006 },
    Climb { steps: 1_000, first: 0.04, last: 0.001 },
];
/// Decisions spent at most; with more classes there are fewer steps, and the bound is looser.
const DECISIONS_MAX: usize = 12_000_000;
/// Each climb takes this many steps at least.
const STEPS_MIN: usize = 60;

/// Return a certified lower bound on what any policy would have paid that knew every order
/// beforehand, in currency units.
///
/// Hours, slots, deadlines, weights and risks are left out, which only lowers it, as does the bound
/// that stands in for orders with more possible nodes than one decision holds, and a climb that is
/// cut short because the orders are many and all different. `None` when there are more than
/// [`BOUND_CLASSES_MAX`] different orders, or when distances are not great circles: then the
/// relaxation could leave plans out. Needs the network as it was before the first order.
pub fn hindsight_bound(network: &Network, rules: &Ruleset, orders: &[Order]) -> Option<f64> {
    rules.detour()?;
    let mut plain = rules.policy().clone();
    plain.weights.clear();
    plain.priorities.clear();
    (plain.costs.per_rejection, plain.costs.per_late_shipment) = (0.0, 0.0);
    let plain = Ruleset::new(plain, network);
    let classes = alike(orders);
    if classes.len() > BOUND_CLASSES_MAX {
        return None;
    }
    let mut fluid = Fluid::default();
    for (order, count) in &classes {
        let class = fluid.add_timeless_class(network, &plain, order);
        fluid.set_weight(class, *count);
    }
    fluid.read_all_stock(network);
    if orders.iter().all(|order| order.delivery != Delivery::InStoreHome) {
        fluid.read_stock(network);
    }
    let planned: usize = CLIMBS.iter().map(|climb| climb.steps).sum();
    let share = DECISIONS_MAX as f64 / (planned * classes.len().max(1)) as f64;
    let bounds = CLIMBS.map(|climb| {
        let steps = (climb.steps as f64 * share.min(1.0)) as usize;
        fluid.climb(Climb { steps: steps.max(STEPS_MIN), ..climb })
    });
    bounds.into_iter().reduce(f64::max)
}

/// Put orders together that cost the same whatever node serves them; return one of each with its
/// number, in the order of the input.
fn alike(orders: &[Order]) -> Vec<(&Order, f64)> {
    let mut known: HashMap<_, usize> = HashMap::with_capacity(orders.len());
    let mut classes: Vec<(&Order, f64)> = Vec::new();
    for order in orders {
        let mut lines: Vec<_> = order.lines.iter().map(|line| (line.sku.0, line.units)).collect();
        lines.sort_unstable();
        let to = order.destination;
        let bits = [to.lat(), to.lon(), order.value].map(f64::to_bits);
        let key = (bits, order.delivery, order.channel, order.pickup, lines);
        let class = *known.entry(key).or_insert(classes.len());
        if class == classes.len() {
            classes.push((order, 0.0));
        }
        classes[class].1 += 1.0;
    }
    classes
}
