//! The fluid problem solved to its optimum by HiGHS: columns are whole plans, the exact decision finds
//! the next ones (Dantzig and Wolfe 1960), and the duals of the supply rows are the prices.
//!
//! The first-order method reaches nearly the same prices without C++; this one also says how good a
//! bound can get at all.

use super::Fluid;
use crate::cost::Cost;
use highs::{Col, HighsModelStatus, RowProblem, Sense};
use std::collections::BTreeMap;

/// Times new plans are asked for before the best prices so far are taken.
const ROUNDS_MAX: usize = 60;
/// The gap between plans and bound at which prices count as optimal.
const GAP: f64 = 1e-6;

/// One plan of one class.
struct Column {
    class: usize,
    /// At zero prices, in currency units.
    cost: f64,
    /// Resource and units.
    uses: Vec<(u32, u32)>,
}

impl Fluid {
    /// Find optimal prices and leave them; return the best lower bound seen, in currency units.
    ///
    /// Deterministic. When HiGHS fails, the best prices found before stay.
    pub fn solve(&mut self) -> f64 {
        let mut columns: Vec<Column> = Vec::new();
        let mut best = (f64::NEG_INFINITY, self.prices.clone());
        for class in 0..self.classes.len() {
            let (cost, uses) = (self.classes[class].unfilled_cost().to_units(), Vec::new());
            columns.push(Column { class, cost, uses });
        }
        for _ in 0..ROUNDS_MAX {
            let bound = self.add_columns(&mut columns);
            if bound > best.0 {
                best = (bound, self.prices.clone());
            }
            let Some((value, duals)) = self.master(&columns) else { break };
            if value - best.0 <= GAP * value.abs().max(1.0) {
                break;
            }
            for (price, dual) in self.prices.iter_mut().zip(duals) {
                *price = Cost::from_units(dual).clamp_rate().0;
            }
        }
        self.prices = best.1;
        for (exact, &price) in self.exact.iter_mut().zip(&self.prices) {
            *exact = price as f64;
        }
        best.0
    }

    /// Decide every class at the current prices, add the plans, and return `L` there.
    fn add_columns(&mut self, columns: &mut Vec<Column>) -> f64 {
        let mut value = 0.0;
        for class in (0..self.classes.len()).filter(|&c| self.weights[c] > 0.0).collect::<Vec<_>>()
        {
            value += self.weights[class] * self.decide(class).to_units();
            let mut uses: BTreeMap<u32, u32> = BTreeMap::new();
            let add = |place, units| *uses.entry(place).or_default() += units;
            self.classes[class].uses(&self.decision, add);
            let priced: i64 = uses
                .iter()
                .map(|(&place, &units)| self.prices[place as usize] * i64::from(units))
                .sum();
            let cost = Cost(self.decision.cost.0 - priced).to_units();
            columns.push(Column { class, cost, uses: uses.into_iter().collect() });
        }
        let held = self.prices.iter().zip(&self.supply).filter(|(price, _)| **price > 0);
        value - held.map(|(&price, supply)| Cost(price).to_units() * supply).sum::<f64>()
    }

    /// Mix the plans at least cost; return the value and each resource's dual.
    fn master(&self, columns: &[Column]) -> Option<(f64, Vec<f64>)> {
        let mut problem = RowProblem::default();
        let mut of_class: Vec<Vec<(Col, f64)>> = vec![Vec::new(); self.classes.len()];
        let mut of_resource: Vec<Vec<(Col, f64)>> = vec![Vec::new(); self.resources.len()];
        for column in columns.iter().filter(|column| self.weights[column.class] > 0.0) {
            let x = problem.add_column(column.cost, 0.0..);
            of_class[column.class].push((x, 1.0));
            for &(place, units) in &column.uses {
                of_resource[place as usize].push((x, f64::from(units)));
            }
        }
        let mut rows = 0;
        for (class, terms) in of_class.iter().enumerate().filter(|(_, terms)| !terms.is_empty()) {
            let weight = self.weights[class];
            problem.add_row(weight..=weight, terms);
            rows += 1;
        }
        let limited: Vec<usize> = (0..self.resources.len())
            .filter(|&place| !of_resource[place].is_empty() && self.supply[place].is_finite())
            .collect();
        for &place in &limited {
            problem.add_row(..=self.supply[place], &of_resource[place]);
        }
        let mut model = problem.optimise(Sense::Minimise);
        model.make_quiet();
        let solved = model.solve();
        if solved.status() != HighsModelStatus::Optimal {
            return None;
        }
        let solution = solved.get_solution();
        let mut duals = vec![0.0; self.resources.len()];
        for (&place, dual) in limited.iter().zip(&solution.dual_rows()[rows..]) {
            // More supply lowers the cost: duals are at most zero.
            duals[place] = (-dual).max(0.0);
        }
        Some((solved.objective_value(), duals))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Climb;
    use super::*;
    use crate::geo::Position;
    use crate::network::{Network, StockSpec};
    use crate::node::{NodeKind, NodeSpec};
    use crate::order::{Line, Order};
    use crate::policy::Policy;
    use crate::{Label, Ruleset};
    use onrush_types::Timestamp;

    fn label(text: &str) -> Label {
        Label::new(text).expect("a label")
    }

    /// Twelve nodes with four SKUs, scarce, and sixty classes of orders.
    fn world() -> (Network, Ruleset, Vec<Order>) {
        let mut state = 5u64;
        let mut dice = move |sides: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % sides
        };
        let (mut nodes, mut rows) = (Vec::new(), Vec::new());
        for n in 0..12 {
            let at = Position::new(41.0 + dice(100) as f64 / 50.0, 123.0 + dice(100) as f64 / 50.0);
            let name = label(&format!("n{n:02}"));
            nodes.push(NodeSpec::new(name.clone(), NodeKind::Store, at.expect("on the globe")));
            for sku in 0..4 {
                rows.push(StockSpec {
                    node: name.clone(),
                    sku: label(&format!("s{sku}")),
                    on_hand: dice(20) as u32,
                    safety_stock: 0,
                    channel_quotas: Vec::new(),
                });
            }
        }
        let network = Network::build(nodes, rows).expect("a network");
        let text = "[costs]\nfixed_per_shipment = 5\nper_unit_km = 0.1\nunfilled_per_unit = 40\n";
        let rules = Ruleset::new(Policy::from_toml(text).expect("a policy"), &network);
        let order = |n: u64, dice: &mut dyn FnMut(u64) -> u64| {
            let at = Position::new(41.0 + dice(100) as f64 / 50.0, 123.0 + dice(100) as f64 / 50.0);
            let sku = |name: String| network.find_sku(&name).expect("stocked");
            let mut lines =
                vec![Line { sku: sku(format!("s{}", n % 4)), units: 1 + dice(2) as u32 }];
            if dice(2) == 0 {
                lines.push(Line { sku: sku(format!("s{}", (n + 1) % 4)), units: 1 });
            }
            let at = at.expect("on the globe");
            Order::new(label(&format!("o{n}")), Timestamp(0), at, lines)
        };
        let orders = (0..60).map(|n| order(n, &mut dice)).collect();
        (network, rules, orders)
    }

    #[test]
    fn the_first_order_method_comes_close_to_the_optimum_and_never_above() {
        let (network, rules, orders) = world();
        let fluid = || {
            let mut fluid = Fluid::default();
            for order in &orders {
                let class = fluid.add_timeless_class(&network, &rules, order);
                fluid.set_weight(class, 5.0);
            }
            fluid.read_stock(&network);
            fluid
        };
        let optimum = fluid().solve();
        let climbed = fluid().climb(Climb { steps: 1_500, first: 0.3, last: 0.000_5 });
        assert!(climbed <= optimum * (1.0 + 1e-6), "{climbed} {optimum}");
        assert!(climbed >= optimum * 0.995, "{climbed} {optimum}");
    }
}
