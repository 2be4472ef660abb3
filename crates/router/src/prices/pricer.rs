//! Keeps a network's prices current: counts orders, solves again, follows in between.

#[cfg(not(feature = "highs"))]
use super::fluid::Climb;
use super::fluid::{Fluid, Resource};
use super::forecast::Forecast;
use crate::capacity::{Capacity, SLOT_MS, SlotIx};
use crate::network::Network;
use crate::node::NodeIx;
use crate::order::Order;
use crate::plan::Plan;
use crate::rules::Ruleset;
use onrush_types::Timestamp;
use std::collections::HashMap;

/// Steps of the first solve and of those that start from the last prices.
#[cfg(not(feature = "highs"))]
const COLD: Climb = Climb { steps: 300, first: 0.3, last: 0.003 };
#[cfg(not(feature = "highs"))]
const WARM: Climb = Climb { steps: 60, first: 0.04, last: 0.004 };

/// A full slot's price, as a multiple of a shipment's fixed cost.
const SLOT_PRICE_TOP: f64 = 1.0;
/// How steeply a slot's price rises with its use.
const SLOT_STEEPNESS: f64 = 50.0;
/// Slots from now on that carry a solved price; later ones are priced when they come nearer.
const SLOTS_PRICED: u32 = 12;

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
    /// When the newest order was placed, and the newest at the last solve.
    now: Timestamp,
    solved_at: Timestamp,
    /// Orders an hour since the solve before.
    rate: Option<f64>,
    /// Solved prices of a place at a node, where they are above zero.
    place_prices: HashMap<NodeIx, i64>,
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
            now: Timestamp(0),
            solved_at: Timestamp(0),
            rate: None,
            place_prices: HashMap::new(),
        };
        let add = |order| pricer.fluid.add_class(network, rules, order);
        pricer.prior_classes = pricer.prior.examples.iter().map(add).collect();
        if pricer.prior.total() > 0.0 {
            pricer.reprice(network, rules);
        }
        pricer
    }

    /// Go on with a network that was built anew: `recent` orders stand for the `seen` that were routed
    /// on the one `before`, whose prices of units are kept until it is time to solve again.
    pub fn resume(
        &self,
        before: &Network,
        network: &Network,
        rules: &Ruleset,
        recent: &[Order],
        seen: f64,
    ) -> Pricer {
        for (_, node, sku, entry) in before.entries().filter(|(.., e)| e.price_micros() != 0) {
            let node = network.find_node(before.node(node).name.as_str());
            let sku = network.find_sku(before.sku_name(sku).as_str());
            let known = node.zip(sku).and_then(|(node, sku)| network.entry_of(node, sku));
            if let Some(known) = known {
                network.entry(known).set_price_micros(entry.price_micros());
            }
        }
        let mut pricer = Pricer::new(network, rules, None, None);
        for order in recent {
            pricer.seen.add(order, seen / recent.len() as f64);
        }
        (pricer.since, pricer.rate) = (self.since, self.rate);
        (pricer.now, pricer.solved_at) = (self.now, self.solved_at);
        pricer
    }

    /// Count an order that was routed; solve again when it is time.
    pub fn observe(&mut self, network: &Network, rules: &Ruleset, order: &Order, plan: &Plan) {
        self.seen.add(order, 1.0);
        if self.solved_at == Timestamp(0) {
            self.solved_at = order.placed;
        }
        self.now = self.now.max(order.placed);
        self.price_slots(network, rules, plan);
        self.since += 1;
        if self.since >= rules.policy().prices.reprice_every {
            self.reprice(network, rules);
        }
    }

    /// Solve with what is left of stock, slots and demand, and set the network's prices.
    pub fn reprice(&mut self, network: &Network, rules: &Ruleset) {
        let took = self.now.0.saturating_sub(self.solved_at.0);
        if self.since > 0 && took > 0 {
            self.rate = Some(f64::from(self.since) * SLOT_MS as f64 / took as f64);
        }
        (self.since, self.solved_at) = (0, self.now);
        self.add_seen_classes(network, rules);
        self.fluid.read_stock(network);
        self.set_places(network);
        self.set_weights(network);
        self.solve();
        self.is_warm = true;
        self.set_prices(network);
    }

    #[cfg(not(feature = "highs"))]
    fn solve(&mut self) {
        self.fluid.climb(if self.is_warm { WARM } else { COLD });
    }

    #[cfg(feature = "highs")]
    fn solve(&mut self) {
        self.fluid.solve();
    }

    /// State how many shipments each node can prepare for the orders to come: as many an hour as it
    /// has places left in this slot and the next, for as long as they last at the rate of late.
    fn set_places(&mut self, network: &Network) {
        let Some(rate) = self.rate else { return };
        let hours = self.orders_left(network) / rate;
        let slot = SlotIx::of(self.now);
        let ahead = (slot.next().start().0 - self.now.0) as f64 / SLOT_MS as f64;
        self.fluid.set_places(|node| {
            let Some(capacity) = &network.node(node).capacity else { return f64::INFINITY };
            let left = capacity.left(slot) + capacity.left(slot.next());
            (f64::from(left) / (1.0 + ahead)).min(f64::from(capacity.per_hour())) * hours
        });
    }

    fn set_prices(&mut self, network: &Network) {
        let slot = SlotIx::of(self.now).0;
        self.place_prices.clear();
        for (resource, price) in self.fluid.prices() {
            match resource {
                Resource::Units(entry) => network.entry(entry).set_price_micros(price),
                Resource::Places(node) => {
                    if price > 0 {
                        self.place_prices.insert(node, price);
                    }
                    let Some(capacity) = &network.node(node).capacity else { continue };
                    for slot in slot..slot + SLOTS_PRICED {
                        capacity.set_price_micros(SlotIx(slot), price);
                    }
                }
            }
        }
    }

    /// Raise the price of the slots a plan took: `(b^u − 1)/(b − 1)` of a shipment at use `u`, and
    /// never below what was solved.
    fn price_slots(&self, network: &Network, rules: &Ruleset, plan: &Plan) {
        let top = rules.policy().costs.fixed_per_shipment * SLOT_PRICE_TOP * 1e6;
        for shipment in &plan.shipments {
            let capacity = network.node(shipment.node).capacity.as_ref();
            if let Some((capacity, slot)) = capacity.zip(shipment.slot) {
                let solved = self.place_prices.get(&shipment.node).copied().unwrap_or(0);
                let by_use = (top * share_of_top(capacity, slot)) as i64;
                capacity.set_price_micros(slot, by_use.max(solved));
            }
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

/// How much of the highest price a slot's use stands for.
fn share_of_top(capacity: &Capacity, slot: SlotIx) -> f64 {
    let used = 1.0 - f64::from(capacity.left(slot)) / f64::from(capacity.per_hour().max(1));
    (SLOT_STEEPNESS.powf(used) - 1.0) / (SLOT_STEEPNESS - 1.0)
}
