//! The rule every section compares with: each item from the nearest node that has it.

use onrush_router::network::Network;
use onrush_router::node::NodeIx;
use onrush_router::order::Order;
use onrush_router::{Ruleset, cost::Cost};

/// Route orders by the rule and return what it costs.
pub(crate) fn nearest_each_item(network: &Network, rules: &Ruleset, orders: &[Order]) -> f64 {
    let costs = &rules.policy().costs;
    let mut total = 0.0;
    let mut used: Vec<NodeIx> = Vec::new();
    for order in orders {
        used.clear();
        let to = order.destination.on_sphere();
        let mut unfilled = 0;
        for line in &order.lines {
            let mut holders: Vec<(f64, NodeIx)> = network
                .holders(line.sku)
                .iter()
                .map(|&entry| network.node_of(entry))
                .map(|node| (rules.km(node, network.spot(node), to), node))
                .collect();
            holders.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
            let mut left = line.units;
            for (km, node) in holders {
                let Some(entry) = network.entry_of(node, line.sku) else { continue };
                let entry = network.entry(entry);
                let units = entry.available(entry.safety()).min(left);
                if units > 0 && entry.take(units, entry.safety()) {
                    left -= units;
                    total += (costs.per_unit + costs.per_unit_km * km) * f64::from(units);
                    if !used.contains(&node) {
                        used.push(node);
                        total += costs.fixed_per_shipment;
                    }
                }
                if left == 0 {
                    break;
                }
            }
            unfilled += left;
        }
        if unfilled > 0 {
            total += costs.unfilled_fixed + costs.unfilled_per_unit * f64::from(unfilled);
        }
    }
    total
}

/// Return a cost in currency units.
pub(crate) fn units(cost: Cost) -> f64 {
    cost.to_units()
}
