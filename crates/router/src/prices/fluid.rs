//! The fluid problem and its dual, solved by the exact decision and projected subgradients.
//!
//! For prices `λ ≥ 0` on stock entries, `L(λ) = Σ_c w_c · cost_c(λ) − Σ_e λ_e · s_e`, where
//! `cost_c(λ)` is the exact minimum for class `c` with `λ` added to its units. `L` is concave, its
//! subgradient is expected use minus stock, and **every** `λ ≥ 0` gives a lower bound on the cost of
//! serving the classes from the stock, in whole or fractional plans: with the actual orders as
//! classes, on every policy in hindsight (weak duality). Prices are whole micro-units, so the bound
//! is computed without rounding.

use crate::cost::Cost;
use crate::decide::{Decision, Problem, Scratch, decide};
use crate::limits::CANDIDATES_MAX;
use crate::network::Network;
use crate::node::NodeIx;
use crate::offer::{Desk, LineOffer, Offer};
use crate::order::Order;
use crate::rules::Ruleset;
use crate::stock::EntryIx;
use std::collections::HashMap;

/// One class, ready to be decided at any prices.
#[derive(Debug)]
struct Class {
    base: Problem,
    /// `[line * CANDIDATES_MAX + candidate]`: which price applies; `NO_PRICE` for none.
    price_of: Vec<u32>,
    /// Every node that could serve the class is a candidate.
    is_whole: bool,
}

const NO_PRICE: u32 = u32::MAX;

/// How the dual is climbed.
#[derive(Clone, Copy, Debug)]
pub struct Climb {
    /// Subgradient steps.
    pub steps: usize,
    /// First step, as a share of the cost scale.
    pub first: f64,
    /// Last step, as a share of the cost scale; in between geometric.
    pub last: f64,
}

/// Classes, stock and prices of one fluid problem.
#[derive(Debug, Default)]
pub struct Fluid {
    classes: Vec<Class>,
    weights: Vec<f64>,
    entries: Vec<EntryIx>,
    place_of: HashMap<EntryIx, u32>,
    stock: Vec<f64>,
    prices: Vec<i64>,
    exact: Vec<f64>,
    use_: Vec<f64>,
    average: Vec<f64>,
    scratch: Scratch,
    decision: Decision,
    problem: Problem,
}

impl Fluid {
    /// Add a class and return its number.
    pub fn add_class(&mut self, network: &Network, rules: &Ruleset, order: &Order) -> u32 {
        self.add(&Desk::new(network, rules, order))
    }

    /// Add a class as if every node worked at once and nothing could be late: never dearer, so
    /// bounds stay bounds whatever the hours and slots.
    pub fn add_timeless_class(&mut self, network: &Network, rules: &Ruleset, order: &Order) -> u32 {
        self.add(&Desk { ignore_time: true, ..Desk::new(network, rules, order) })
    }

    fn add(&mut self, desk: &Desk<'_>) -> u32 {
        let (order, rules) = (desk.order, desk.rules);
        let (offers, lines, is_whole) = candidates(desk);
        let count = order.lines.len();
        let need: Vec<u32> = order.lines.iter().map(|line| line.units).collect();
        let policy = rules.policy();
        let (unfilled_fixed, unfilled_unit) = policy.unfilled();
        let mut base = Problem::default();
        base.reset(&need, policy.split.limit_for(order.value), unfilled_fixed, unfilled_unit);
        let mut price_of = vec![NO_PRICE; count * CANDIDATES_MAX];
        for (at, offer) in offers.iter().enumerate() {
            let candidate = base.add_candidate(offer.fixed);
            for line in 0..count {
                let have = &lines[at * count + line];
                if have.available > 0 {
                    base.offer(candidate, line, need[line], offer.unit);
                    price_of[line * CANDIDATES_MAX + candidate] = self.place(have.entry);
                }
            }
        }
        self.classes.push(Class { base, price_of, is_whole });
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

    /// Say whether no class was cut to fewer nodes than could serve it.
    pub fn is_whole(&self) -> bool {
        self.classes.iter().all(|class| class.is_whole)
    }

    /// Read what is left at every entry above its safety stock.
    pub fn read_stock(&mut self, network: &Network) {
        for (place, &entry) in self.entries.iter().enumerate() {
            let stock = network.entry(entry);
            self.stock[place] = f64::from(stock.available(stock.safety()));
        }
    }

    /// Read everything that is left at every entry, safety stock included.
    pub fn read_all_stock(&mut self, network: &Network) {
        for (place, &entry) in self.entries.iter().enumerate() {
            self.stock[place] = f64::from(network.entry(entry).available(0));
        }
    }

    /// Climb the dual from the current prices; leave the average of the later half as prices.
    ///
    /// Returns the best lower bound seen, in currency units. Deterministic.
    pub fn climb(&mut self, climb: Climb) -> f64 {
        let scale = self.cost_scale();
        let mut best = f64::NEG_INFINITY;
        self.average.fill(0.0);
        let from = climb.steps / 2;
        for step in 0..climb.steps {
            self.round_prices();
            best = best.max(self.evaluate());
            let part = step as f64 / climb.steps.max(2) as f64;
            let size = climb.first * (climb.last / climb.first).powf(part) * scale;
            for place in 0..self.entries.len() {
                let (used, have) = (self.use_[place], self.stock[place]);
                let gap = (used - have) / used.max(have).max(1.0);
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

    /// Return the prices in micro-units, entry by entry.
    pub fn prices(&self) -> impl Iterator<Item = (EntryIx, i64)> {
        self.entries.iter().copied().zip(self.prices.iter().copied())
    }

    /// Return `L` at the current prices and leave the expected use behind, in currency units.
    fn evaluate(&mut self) -> f64 {
        self.use_.fill(0.0);
        let mut value = 0.0;
        for (class, &weight) in self.classes.iter().zip(&self.weights) {
            if weight <= 0.0 {
                continue;
            }
            class.price(&self.prices, &self.stock, &mut self.problem);
            decide(&self.problem, &mut self.scratch, &mut self.decision);
            value += weight * self.decision.cost.to_units();
            for take in &self.decision.takes {
                let at = usize::from(take.line) * CANDIDATES_MAX + usize::from(take.candidate);
                self.use_[class.price_of[at] as usize] += weight * f64::from(take.units);
            }
        }
        let held = self.prices.iter().zip(&self.stock);
        value - held.map(|(&price, stock)| Cost(price).to_units() * stock).sum::<f64>()
    }

    fn round_prices(&mut self) {
        for (price, exact) in self.prices.iter_mut().zip(&self.exact) {
            *price = exact.round() as i64;
        }
    }

    /// A typical cost of using a node, in micro-units: the size of a price that changes a decision.
    fn cost_scale(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for Class { base, .. } in &self.classes {
            let nodes = 0..base.candidates();
            let units = nodes.flat_map(|n| (0..base.need().len()).map(move |line| (n, line)));
            let offered = units.filter(|&(n, line)| base.available(n, line) > 0);
            if let Some(least) = offered.map(|(n, line)| base.fixed(n) + base.unit(n, line)).min() {
                sum += least.0 as f64;
                count += 1.0;
            }
        }
        if count > 0.0 { sum / count } else { 0.0 }
    }

    fn place(&mut self, entry: EntryIx) -> u32 {
        *self.place_of.entry(entry).or_insert_with(|| {
            self.entries.push(entry);
            self.stock.push(0.0);
            self.prices.push(0);
            self.exact.push(0.0);
            self.use_.push(0.0);
            self.average.push(0.0);
            self.entries.len() as u32 - 1
        })
    }
}

impl Class {
    /// Write the class at given prices; entries without stock cannot serve it.
    fn price(&self, prices: &[i64], stock: &[f64], into: &mut Problem) {
        into.clone_from(&self.base);
        for line in 0..self.base.need().len() {
            for candidate in 0..self.base.candidates() {
                let place = self.price_of[line * CANDIDATES_MAX + candidate];
                if place == NO_PRICE {
                    continue;
                }
                let place = place as usize;
                let have = if stock[place] > 0.0 { self.base.need()[line] } else { 0 };
                let unit = self.base.unit(candidate, line) + Cost(prices[place]);
                into.offer(candidate, line, have, unit);
            }
        }
    }
}

/// Nodes that could serve a class, at most as many as one decision holds, cheapest first.
fn candidates(desk: &Desk<'_>) -> (Vec<Offer>, Vec<LineOffer>, bool) {
    let cells = desk.network.cells();
    let near = cells.near(desk.order.destination);
    let mut nodes: Vec<u32> = near.nodes.to_vec();
    if !near.is_complete {
        for line in &desk.order.lines {
            let holders = desk.network.holders(line.sku);
            nodes.extend(
                holders.iter().take(2 * CANDIDATES_MAX).map(|&e| desk.network.node_of(e).0),
            );
        }
        nodes.sort_unstable();
        nodes.dedup();
    }
    let count = desk.order.lines.len();
    let mut found: Vec<(Offer, Vec<LineOffer>)> = Vec::new();
    for node in nodes {
        let mut lines = Vec::with_capacity(count);
        if let Ok(offer) = desk.ask(NodeIx(node), &mut lines) {
            found.push((offer, lines));
        }
    }
    let is_whole = near.is_complete && found.len() <= CANDIDATES_MAX;
    let have = |lines: &[LineOffer]| lines.iter().filter(|line| line.available > 0).count();
    found.sort_by_key(|(offer, lines)| {
        (offer.fixed + offer.unit * have(lines) as u32, std::cmp::Reverse(have(lines)), offer.node)
    });
    // Every line keeps its nearest few, whatever else they have.
    let mut kept: Vec<usize> = Vec::new();
    for round in 0..CANDIDATES_MAX {
        for line in 0..count {
            let with_line = (0..found.len()).filter(|&at| found[at].1[line].available > 0);
            if let Some(at) =
                with_line.min_by_key(|&at| (kept.contains(&at), found[at].0.unit, found[at].0.node))
                && !kept.contains(&at)
                && kept.len() < CANDIDATES_MAX
            {
                kept.push(at);
            }
        }
        if round + 1 == found.len() {
            break;
        }
    }
    kept.sort_unstable_by_key(|&at| found[at].0.node);
    let offers = kept.iter().map(|&at| found[at].0).collect();
    let lines = kept.iter().flat_map(|&at| found[at].1.iter().copied()).collect();
    (offers, lines, is_whole)
}
