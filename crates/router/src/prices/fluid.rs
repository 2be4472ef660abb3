//! The fluid problem and its dual, solved by the exact decision and projected subgradients.
//!
//! Two things are scarce and have a price `λ ≥ 0`: the units of a stock entry, and the places of a
//! node's slots, of which every shipment takes one. `L(λ) = Σ_c w_c · cost_c(λ) − Σ_r λ_r · s_r`,
//! where `cost_c(λ)` is the exact minimum for class `c` with the prices added. `L` is concave, its
//! subgradient is expected use minus supply, and **every** `λ ≥ 0` gives a lower bound on the cost of
//! serving the classes from the supply, in whole or fractional plans: with the actual orders as
//! classes, on every policy in hindsight (weak duality). Prices are whole micro-units, so the bound
//! is computed without rounding. A class with more nodes than one decision holds counts with a lower
//! bound on its cost ([`crate::decide`]), which keeps `L` a bound.

mod classes;
#[cfg(feature = "highs")]
mod highs;

use crate::cost::Cost;
use crate::decide::{Decision, Problem, Scratch, WideScratch, decide_wide};
use crate::network::Network;
use crate::node::NodeIx;
use crate::offer::Desk;
use crate::order::Order;
use crate::rules::Ruleset;
use crate::stock::EntryIx;
use classes::Class;
use std::collections::HashMap;

/// What is scarce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Units of one SKU at one node.
    Units(EntryIx),
    /// Places in a node's slots: one for each shipment.
    Places(NodeIx),
}

/// How the dual is climbed.
#[derive(Clone, Copy, Debug)]
pub struct Climb {
    /// Subgradient steps.
    pub steps: usize,
    /// First step of a resource that is asked for as much as can be, as a share of the cost scale.
    pub first: f64,
    /// Last such step; in between geometric.
    pub last: f64,
}

/// Classes, supply and prices of one fluid problem.
#[derive(Debug, Default)]
pub struct Fluid {
    classes: Vec<Class>,
    weights: Vec<f64>,
    resources: Vec<Resource>,
    place_of: HashMap<Resource, u32>,
    /// How much there is of each resource.
    supply: Vec<f64>,
    prices: Vec<i64>,
    exact: Vec<f64>,
    use_: Vec<f64>,
    /// The most that could be asked of each resource, and at least its supply.
    range: Vec<f64>,
    average: Vec<f64>,
    scratch: Scratch,
    wide: WideScratch,
    decision: Decision,
    problems: Vec<Problem>,
}

impl Fluid {
    /// Add a class and return its number. Its nodes are the nearest few for each line.
    pub fn add_class(&mut self, network: &Network, rules: &Ruleset, order: &Order) -> u32 {
        let class = Class::new(&Desk::new(network, rules, order), |r| self.place(r));
        self.push(class)
    }

    /// Add a class with every node that could serve it, as if every node worked at once and nothing
    /// could be late: never dearer, so bounds stay bounds whatever the hours and slots.
    pub fn add_timeless_class(&mut self, network: &Network, rules: &Ruleset, order: &Order) -> u32 {
        let desk = Desk { ignore_time: true, ..Desk::new(network, rules, order) };
        let class = Class::whole(&desk, |r| self.place(r));
        self.push(class)
    }

    fn push(&mut self, class: Class) -> u32 {
        self.classes.push(class);
        self.weights.push(0.0);
        self.classes.len() as u32 - 1
    }

    /// Forget every class; keep prices of entries by forgetting nothing else.
    pub fn clear_classes(&mut self) {
        self.classes.clear();
        self.weights.clear();
    }

    /// Set how many orders of a class are expected.
    pub fn set_weight(&mut self, class: u32, orders: f64) {
        self.weights[class as usize] = orders.max(0.0);
    }

    /// Read what is left at every entry above its safety stock. Places are without limit until
    /// [`Fluid::set_places`] states them.
    pub fn read_stock(&mut self, network: &Network) {
        self.read(|entry| {
            let stock = network.entry(entry);
            stock.available(stock.safety())
        });
    }

    /// Read everything that is left at every entry, safety stock included.
    pub fn read_all_stock(&mut self, network: &Network) {
        self.read(|entry| network.entry(entry).available(0));
    }

    fn read(&mut self, units: impl Fn(EntryIx) -> u32) {
        for (supply, &resource) in self.supply.iter_mut().zip(&self.resources) {
            *supply = match resource {
                Resource::Units(entry) => f64::from(units(entry)),
                Resource::Places(_) => f64::INFINITY,
            };
        }
    }

    /// State how many shipments each node can prepare for the expected orders.
    pub fn set_places(&mut self, places: impl Fn(NodeIx) -> f64) {
        for (supply, &resource) in self.supply.iter_mut().zip(&self.resources) {
            if let Resource::Places(node) = resource {
                *supply = places(node);
            }
        }
    }

    /// Climb the dual from the current prices; leave the average of the later half as prices.
    ///
    /// Returns the best lower bound seen, in currency units. Deterministic.
    pub fn climb(&mut self, climb: Climb) -> f64 {
        let scale = self.cost_scale();
        self.measure_ranges();
        let mut best = f64::NEG_INFINITY;
        self.average.fill(0.0);
        let from = climb.steps / 2;
        for step in 0..climb.steps {
            self.round_prices();
            best = best.max(self.evaluate());
            let part = step as f64 / climb.steps.max(2) as f64;
            let size = climb.first * (climb.last / climb.first).powf(part) * scale;
            for place in 0..self.resources.len() {
                let (used, have) = (self.use_[place], self.supply[place]);
                // What has no limit has no price.
                let gap =
                    if have == f64::INFINITY { -1.0 } else { (used - have) / self.range[place] };
                self.exact[place] = (self.exact[place] + size * gap).max(0.0);
            }
            if step >= from {
                let share = 1.0 / (climb.steps - from) as f64;
                for (sum, price) in self.average.iter_mut().zip(&self.exact) {
                    *sum += share * price;
                }
            }
        }
        self.exact.copy_from_slice(&self.average);
        self.round_prices();
        best.max(self.evaluate())
    }

    /// Find how far use and supply of each resource can be apart: what a step is measured by. It stays
    /// the same from step to step, or nodes that can stand in for each other would not rise together.
    fn measure_ranges(&mut self) {
        self.range.fill(0.0);
        for (class, &weight) in self.classes.iter().zip(&self.weights) {
            class.could_use(|place, units| self.range[place as usize] += weight * f64::from(units));
        }
        for (range, &supply) in self.range.iter_mut().zip(&self.supply) {
            *range = range.max(supply).max(1.0);
        }
    }

    /// Return the prices in micro-units, resource by resource.
    pub fn prices(&self) -> impl Iterator<Item = (Resource, i64)> {
        self.resources.iter().copied().zip(self.prices.iter().copied())
    }

    /// Return `L` at the current prices and leave the expected use behind, in currency units.
    fn evaluate(&mut self) -> f64 {
        self.use_.fill(0.0);
        let mut value = 0.0;
        for class in 0..self.classes.len() {
            let weight = self.weights[class];
            if weight <= 0.0 {
                continue;
            }
            value += weight * self.decide(class).to_units();
            let class = &self.classes[class];
            class.uses(&self.decision, |place, units| {
                self.use_[place as usize] += weight * f64::from(units);
            });
        }
        let held = self.prices.iter().zip(&self.supply).filter(|(price, _)| **price > 0);
        value - held.map(|(&price, supply)| Cost(price).to_units() * supply).sum::<f64>()
    }

    /// Decide a class at the current prices; return a bound that no plan of it goes below.
    fn decide(&mut self, class: usize) -> Cost {
        let class = &self.classes[class];
        class.price(&self.prices, &self.supply, &mut self.problems);
        let problems = &self.problems[..class.problems()];
        let bound = decide_wide(problems, &mut self.scratch, &mut self.wide, &mut self.decision);
        class.bound(bound)
    }

    fn round_prices(&mut self) {
        for (price, exact) in self.prices.iter_mut().zip(&self.exact) {
            *price = exact.round() as i64;
        }
    }

    /// A typical cost of using a node, in micro-units: the size of a price that changes a decision.
    fn cost_scale(&self) -> f64 {
        let least: Vec<i64> = self.classes.iter().filter_map(Class::least_cost).collect();
        let count = least.len().max(1) as f64;
        least.into_iter().map(|cost| cost as f64).sum::<f64>() / count
    }

    fn place(&mut self, resource: Resource) -> u32 {
        *self.place_of.entry(resource).or_insert_with(|| {
            self.resources.push(resource);
            self.supply.push(0.0);
            self.prices.push(0);
            self.exact.push(0.0);
            self.use_.push(0.0);
            self.range.push(0.0);
            self.average.push(0.0);
            self.resources.len() as u32 - 1
        })
    }
}
