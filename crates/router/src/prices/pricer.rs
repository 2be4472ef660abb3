//! Keeps a network's prices current: counts orders, solves again, follows in between.

use super::fluid::{Climb, Fluid};
use super::forecast::Forecast;
use crate::network::Network;
use crate::order::Order;
use crate::plan::Plan;
use crate::rules::Ruleset;

/// Steps of the first solve and of those that start from the last prices.
const COLD: Climb = Climb { steps: 300, first: 0.3, last: 0.003 };
const WARM: Climb = Climb { steps: 60, first: 0.04, last: 0.004 };

/// A full slot's price, as a multiple of a shipment's fixed cost.
const SLOT_PRICE_TOP: f64 = 1.0;
/// How steeply a slot's price rises with its use.
const SLOT_STEEPNESS: f64 = 50.0;

/// Solves prices for one network.
#[derive(Debug)]
pub struct Pricer {
    prior: Forecast,
    /// Orders the prior weighs as much as, against those seen.
    trust_orders: f64,
    /// Orders expected in all; `None` is taken from the stock that is left.
    horizon_orders: Option<f64>,
    seen: Forecast,
    fluid: Fluid,
    /// Classes of the prior and of the seen forecast in the fluid problem.
    prior_classes: Vec<u32>,
    seen_classes: Vec<u32>,
    seen_folds: u32,
    since: u32,
    is_warm: bool,
}

impl Pricer {
    /// Start with a forecast, or without one and learn as it goes.
    ///
    /// `trust_orders` bounds how many seen orders weigh as much as the forecast; how much it is
    /// worth within that bound is read from how well it foretells the orders seen.
    pub fn new(
        network: &Network,
        rules: &Ruleset,
        prior: Option<Forecast>,
        trust_orders: Option<f64>,
    ) -> Pricer {
        let prior = prior.unwrap_or_default();
        let stated = rules.policy().prices.horizon_orders;
        let horizon_orders = stated.or((prior.total() > 0.0).then(|| prior.total()));
        let mut pricer = Pricer {
            trust_orders: trust_orders.unwrap_or(f64::INFINITY),
            horizon_orders,
            prior,
            seen: Forecast::default(),
            fluid: Fluid::default(),
            prior_classes: Vec::new(),
            seen_classes: Vec::new(),
            seen_folds: 0,
            since: 0,
            is_warm: false,
        };
        let add = |order| pricer.fluid.add_class(network, rules, order);
        pricer.prior_classes = pricer.prior.examples.iter().map(add).collect();
        if pricer.prior.total() > 0.0 {
            pricer.reprice(network, rules);
        }
        pricer
    }

    /// Count an order that was routed; solve again when it is time.
    pub fn observe(&mut self, network: &Network, rules: &Ruleset, order: &Order, plan: &Plan) {
        self.seen.add(order, 1.0);
        price_slots(network, rules, plan);
        self.since += 1;
        if self.since >= rules.policy().prices.reprice_every {
            self.reprice(network, rules);
        }
    }

    /// Solve with what is left of stock and demand, and set the network's prices.
    pub fn reprice(&mut self, network: &Network, rules: &Ruleset) {
        self.since = 0;
        self.add_seen_classes(network, rules);
        self.fluid.read_stock(network);
        self.set_weights(network);
        self.fluid.climb(if self.is_warm { WARM } else { COLD });
        self.is_warm = true;
        for (entry, price) in self.fluid.prices() {
            network.entry(entry).set_price_micros(price);
        }
    }

    fn add_seen_classes(&mut self, network: &Network, rules: &Ruleset) {
        if self.seen_folds != self.seen.folds {
            // Folding renumbered the classes.
            self.seen_folds = self.seen.folds;
            self.fluid.clear_classes();
            let add = |order| self.fluid.add_class(network, rules, order);
            self.prior_classes = self.prior.examples.iter().map(add).collect();
            self.seen_classes.clear();
        }
        for order in &self.seen.examples[self.seen_classes.len()..] {
            self.seen_classes.push(self.fluid.add_class(network, rules, order));
        }
    }

    fn set_weights(&mut self, network: &Network) {
        let left = self.orders_left(network);
        let seen = self.seen.total();
        let trust = self.trust_orders.min(self.prior.worth_against(&self.seen));
        let prior_part = match (self.prior.total() > 0.0, seen > 0.0) {
            (true, true) => 1.0 / (1.0 + seen / trust.max(1.0)),
            (true, false) => 1.0,
            (false, _) => 0.0,
        };
        for (&class, share) in self.prior_classes.iter().zip(self.prior.shares()) {
            self.fluid.set_weight(class, left * prior_part * share);
        }
        for (&class, share) in self.seen_classes.iter().zip(self.seen.shares()) {
            self.fluid.set_weight(class, left * (1.0 - prior_part) * share);
        }
    }

    /// Orders still to come before the stock is renewed.
    fn orders_left(&self, network: &Network) -> f64 {
        let seen = self.seen.total();
        if let Some(horizon) = self.horizon_orders
            && seen < horizon
        {
            return horizon - seen;
        }
        // Stock was laid in for the demand: it covers about as many orders as it has units for.
        let units: f64 =
            network.entries().map(|(.., entry)| f64::from(entry.available(entry.safety()))).sum();
        units / self.seen.units_per_order().max(1.0)
    }
}

/// Raise the price of the slots a plan took: `(b^u − 1)/(b − 1)` of a shipment at use `u`.
fn price_slots(network: &Network, rules: &Ruleset, plan: &Plan) {
    let top = rules.policy().costs.fixed_per_shipment * SLOT_PRICE_TOP * 1e6;
    for shipment in &plan.shipments {
        let capacity = network.node(shipment.node).capacity.as_ref();
        if let Some((capacity, slot)) = capacity.zip(shipment.slot) {
            let used = 1.0 - f64::from(capacity.left(slot)) / f64::from(capacity.per_hour().max(1));
            let share = (SLOT_STEEPNESS.powf(used) - 1.0) / (SLOT_STEEPNESS - 1.0);
            capacity.set_price_micros(slot, (top * share) as i64);
        }
    }
}
