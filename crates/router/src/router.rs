//! From an order to a plan: gather candidates, decide, prove, take.
//!
//! Candidates are read from the destination's cell, nearest first, in steps. After each step the
//! decision is made anew and compared with a bound on every plan that uses a node not yet looked
//! at; the search ends when that bound is no lower. SKUs that few nodes have are looked up from the
//! SKU instead, so a rare unit at the far end of the network is found without a search.
//!
//! A node that another beats in everything (fixed cost, each unit's cost, and enough stock) is left
//! out of the decision: exchanging one for the other never costs more.

use crate::cost::Cost;
use crate::decide::{self, Decision, Problem, Scratch};
use crate::delivery::Promise;
use crate::geo::Position;
use crate::limits::{CANDIDATES_MAX, SEARCH_NODES_MAX};
use crate::network::Network;
use crate::node::NodeIx;
use crate::offer::{Desk, LineOffer, Offer};
use crate::order::Order;
use crate::plan::{Pick, Plan, Proof, Shipment, Unfilled};
use crate::rules::Ruleset;

/// A SKU held by at most this many nodes is looked up from its holders.
const RARE_HOLDERS_MAX: usize = 32;
/// Nodes of the cell looked at between two decisions.
const STEP_NODES: usize = 8;
/// Nodes with a missing line that are enough when every line is filled.
const ENOUGH_FOUND: usize = 3;
/// Holders of a missing line that are looked at when no near node has it.
const HOLDERS_LOOKED_AT: usize = 8;
/// Offers kept before the cheapest are chosen.
const OFFERS_MAX: usize = 64;
/// Conflicts with other threads before an order is handed back.
const TRIES_MAX: usize = 64;

/// Plans orders on one thread. Make one for each thread; they share the network and the rules.
#[derive(Debug)]
pub struct Router<'a> {
    network: &'a Network,
    rules: &'a Ruleset,
    work: Work,
}

/// What became of [`Router::route`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// The plan's stock, quotas and slots are held for this order.
    Held,
    /// Other threads took the same units every time; nothing is held. Try again later.
    Contended,
}

/// Limits on one planning call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// Nodes that must not ship: those that rejected the order before.
    pub without: &'a [NodeIx],
    /// A plan this order holds already: its units and slots count as free.
    pub credit: Option<&'a Plan>,
}

#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) problem: Problem,
    pub(crate) scratch: Scratch,
    pub(crate) decision: Decision,
    need: Vec<u32>,
    offers: Vec<Offer>,
    lines: Vec<LineOffer>,
    asked: Vec<LineOffer>,
    /// Offers in the decision, by the order of their nodes.
    chosen: Vec<u16>,
    seen: Vec<u32>,
    epoch: u32,
    looked_at: u32,
    is_cut: bool,
}

impl<'a> Router<'a> {
    /// Start planning on a network under some rules.
    pub fn new(network: &'a Network, rules: &'a Ruleset) -> Router<'a> {
        Router { network, rules, work: Work::default() }
    }

    /// Return the network.
    pub fn network(&self) -> &'a Network {
        self.network
    }

    /// Return the rules.
    pub fn rules(&self) -> &'a Ruleset {
        self.rules
    }

    /// Write the cheapest plan into `out`; take nothing.
    ///
    /// Deterministic: the same network, prices and order give the same bytes. Allocates only while
    /// working memory grows, and when the search leaves the destination's cell.
    pub fn plan(&mut self, order: &Order, out: &mut Plan) {
        self.plan_with(order, Ask::default(), out);
    }

    /// Write the cheapest plan within `ask` into `out`; take nothing.
    pub fn plan_with(&mut self, order: &Order, ask: Ask<'_>, out: &mut Plan) {
        out.clear();
        let mut desk = Desk::new(self.network, self.rules, order);
        (desk.without, desk.credit) = (ask.without, ask.credit);
        let proof = self.work.search(&desk);
        self.work.write(&desk, proof, out);
    }

    /// Plan and take; on a conflict with another thread, plan again with what is left.
    pub fn route(&mut self, order: &Order, out: &mut Plan) -> Routed {
        self.route_with(order, Ask::default(), out)
    }

    /// Plan within `ask` and take. The credit is not given back here.
    pub fn route_with(&mut self, order: &Order, ask: Ask<'_>, out: &mut Plan) -> Routed {
        for _ in 0..TRIES_MAX {
            self.plan_with(order, ask, out);
            if self.network.hold(out).is_ok() {
                return Routed::Held;
            }
        }
        out.clear();
        Routed::Contended
    }

    /// Say when and how surely an order would arrive, before anything is bought.
    pub fn promise(&mut self, order: &Order, plan: &mut Plan) -> Option<Promise> {
        self.plan(order, plan);
        if plan.unfilled.is_empty() { plan.promise() } else { None }
    }
}

impl Work {
    /// Gather candidates and decide until the decision is proven or the search is at its limit.
    pub(crate) fn search(&mut self, desk: &Desk<'_>) -> Proof {
        self.start(desk);
        if let (true, Some(node)) = (self.is_chosen_only(desk), desk.order.pickup) {
            self.look_at(desk, node);
            self.decide(desk);
            return self.proof(None);
        }
        // The chosen node first: only it may give a unit that no other node has.
        if let Some(node) = desk.order.pickup {
            self.look_at(desk, node);
        }
        self.look_at_rare(desk);
        let cells = desk.network.cells();
        let near = cells.near(target(desk));
        let step = if near.is_complete { near.nodes.len().max(1) } else { STEP_NODES };
        let mut looked = 0;
        while looked < near.nodes.len() {
            let end = (looked + step).min(near.nodes.len());
            near.nodes[looked..end].iter().for_each(|&node| self.look_at(desk, NodeIx(node)));
            looked = end;
            self.decide(desk);
            let beyond_km = cells.beyond_km(&near, desk.to, looked);
            if beyond_km == f64::INFINITY {
                return self.proof(None);
            }
            let outside = outside_bound(desk, beyond_km, self.decision.cost);
            if outside >= self.decision.cost {
                return self.proof(Some(outside));
            }
        }
        let bound = outside_bound(
            desk,
            cells.beyond_km(&near, desk.to, near.nodes.len()),
            self.decision.cost,
        );
        self.widen(desk, bound)
    }

    fn start(&mut self, desk: &Desk<'_>) {
        self.need.clear();
        self.need.extend(desk.order.lines.iter().map(|line| line.units));
        self.offers.clear();
        self.lines.clear();
        self.seen.resize(desk.network.nodes().len(), 0);
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            self.seen.fill(0);
            self.epoch = 1;
        }
        self.looked_at = 0;
        self.is_cut = false;
    }

    fn is_chosen_only(&self, desk: &Desk<'_>) -> bool {
        desk.order.delivery == crate::delivery::Delivery::Pickup
            && !desk.rules.policy().pickup_transfers
    }

    fn look_at_rare(&mut self, desk: &Desk<'_>) {
        if desk.network.nodes().len() <= RARE_HOLDERS_MAX {
            return;
        }
        for line in &desk.order.lines {
            let holders = desk.network.holders(line.sku);
            if holders.len() <= RARE_HOLDERS_MAX {
                holders.iter().for_each(|&e| self.look_at(desk, desk.network.node_of(e)));
            }
        }
    }

    /// Look beyond the cell for what no near node has: nearest first, then from the SKU's holders.
    ///
    /// Lines that near nodes can fill are not searched further: a far node that has everything might
    /// still save a shipment, and the proof says by how much at most.
    fn widen(&mut self, desk: &Desk<'_>, near_bound: Cost) -> Proof {
        if self.missing(desk).next().is_none() {
            return self.proof(Some(near_bound));
        }
        let cells = desk.network.cells();
        let is_single = self.need.len() == 1;
        let (mut found, mut bound) = (0, near_bound);
        for node in cells.by_distance(desk.to).take(SEARCH_NODES_MAX) {
            let node = NodeIx(node);
            let has_missing =
                self.missing(desk).any(|line| has_any(desk, node, desk.order.lines[line].sku));
            if has_missing && self.seen[node.index()] != self.epoch {
                self.look_at(desk, node);
                self.decide(desk);
                found += 1;
            }
            if found == 0 {
                continue;
            }
            let km = desk.to.km(desk.network.spot(node));
            if is_single {
                bound = outside_bound(desk, km, self.decision.cost);
            }
            let is_filled = self.decision.unfilled.is_empty();
            if bound >= self.decision.cost || (is_filled && !is_single && found >= ENOUGH_FOUND) {
                return self.proof(Some(bound));
            }
        }
        self.look_at_missing(desk);
        self.decide(desk);
        self.proof(Some(bound))
    }

    /// Lines that the offers so far cannot fill and that somebody still has.
    fn missing<'b>(&'b self, desk: &'b Desk<'_>) -> impl Iterator<Item = usize> + 'b {
        let lines = self.need.len();
        (0..lines).filter(move |&line| {
            let offers = 0..self.offers.len();
            let offered: u32 = offers.map(|offer| self.lines[offer * lines + line].available).sum();
            offered < self.need[line] && !desk.network.is_sold_out(desk.order.lines[line].sku)
        })
    }

    /// Look at the nearest holders of what is still missing. `O(holders)`.
    fn look_at_missing(&mut self, desk: &Desk<'_>) {
        let missing: Vec<usize> = self.missing(desk).collect();
        for line in missing {
            let sku = desk.order.lines[line].sku;
            let mut nearest: Vec<(f64, NodeIx)> = Vec::with_capacity(HOLDERS_LOOKED_AT + 1);
            for &entry in desk.network.holders(sku) {
                // Entries of one SKU lie side by side: this reads memory in order.
                let stock = desk.network.entry(entry);
                if stock.available(stock.safety()) == 0 {
                    continue;
                }
                let node = desk.network.node_of(entry);
                let key = (desk.to.chord2(desk.network.spot(node)), node);
                let at = nearest.partition_point(|have| (have.0, have.1) < key);
                if at < HOLDERS_LOOKED_AT {
                    nearest.insert(at, key);
                    nearest.truncate(HOLDERS_LOOKED_AT);
                }
            }
            nearest.iter().for_each(|&(_, node)| self.look_at(desk, node));
        }
    }

    /// Ask a node once; keep its offer unless another beats it in everything.
    fn look_at(&mut self, desk: &Desk<'_>, node: NodeIx) {
        let seen = &mut self.seen[node.index()];
        if *seen == self.epoch {
            return;
        }
        *seen = self.epoch;
        self.looked_at += 1;
        self.asked.clear();
        let Ok(offer) = desk.ask(node, &mut self.asked) else { return };
        let lines = self.need.len();
        let mut at = 0;
        while at < self.offers.len() {
            let have = &self.lines[at * lines..][..lines];
            if beats(&self.offers[at], have, &offer, &self.asked, &self.need) {
                return;
            }
            if beats(&offer, &self.asked, &self.offers[at], have, &self.need) {
                self.remove(at);
            } else {
                at += 1;
            }
        }
        if self.offers.len() == OFFERS_MAX {
            self.is_cut = true;
            let worst = (0..OFFERS_MAX).max_by_key(|&at| self.rank(at)).unwrap_or(0);
            self.remove(worst);
        }
        self.offers.push(offer);
        self.lines.extend_from_slice(&self.asked);
    }

    fn remove(&mut self, at: usize) {
        let lines = self.need.len();
        self.offers.remove(at);
        self.lines.drain(at * lines..(at + 1) * lines);
    }

    /// Few units missing first, then cheap, then by name.
    fn rank(&self, at: usize) -> (u32, Cost, NodeIx) {
        let lines = self.need.len();
        let offer = &self.offers[at];
        let row = &self.lines[at * lines..][..lines];
        let missing = row.iter().zip(&self.need).map(|(have, need)| need - have.available).sum();
        let units = row.iter().filter(|have| have.available > 0);
        let cost = offer.fixed + units.map(|have| have.unit * have.available).sum();
        (missing, cost, offer.node)
    }

    /// Keep at most as many offers as one decision holds: the cheapest of each line in turn.
    fn choose(&mut self) {
        let lines = self.need.len();
        self.chosen.clear();
        if self.offers.len() <= CANDIDATES_MAX {
            self.chosen.extend(0..self.offers.len() as u16);
        } else {
            self.is_cut = true;
            let mut order: Vec<u16> = (0..self.offers.len() as u16).collect();
            order.sort_by_key(|&at| self.rank(usize::from(at)));
            for line in 0..lines {
                let best = order
                    .iter()
                    .copied()
                    .filter(|&at| self.lines[usize::from(at) * lines + line].available > 0)
                    .min_by_key(|&at| {
                        let offer = &self.offers[usize::from(at)];
                        (offer.fixed + self.lines[usize::from(at) * lines + line].unit, offer.node)
                    });
                if let Some(best) = best.filter(|best| !self.chosen.contains(best))
                    && self.chosen.len() < CANDIDATES_MAX
                {
                    self.chosen.push(best);
                }
            }
            for at in order {
                if self.chosen.len() < CANDIDATES_MAX && !self.chosen.contains(&at) {
                    self.chosen.push(at);
                }
            }
        }
        self.chosen.sort_unstable_by_key(|&at| self.offers[usize::from(at)].node);
    }

    fn decide(&mut self, desk: &Desk<'_>) {
        self.choose();
        let policy = desk.rules.policy();
        let (unfilled_fixed, unfilled_unit) = policy.unfilled();
        let split = policy.split.limit_for(desk.order.value);
        self.problem.reset(&self.need, split, unfilled_fixed, unfilled_unit);
        let lines = self.need.len();
        for &at in &self.chosen {
            let at = usize::from(at);
            let candidate = self.problem.add_candidate(self.offers[at].fixed);
            for (line, offer) in self.lines[at * lines..][..lines].iter().enumerate() {
                self.problem.offer(candidate, line, offer.available, offer.unit);
            }
        }
        decide::decide(&self.problem, &mut self.scratch, &mut self.decision);
    }

    fn proof(&self, outside: Option<Cost>) -> Proof {
        Proof {
            looked_at: self.looked_at,
            candidates: self.chosen.len() as u32,
            bound: self.decision.cost,
            outside,
            is_cut: self.is_cut,
        }
    }

    pub(crate) fn write(&self, desk: &Desk<'_>, proof: Proof, out: &mut Plan) {
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

fn target(desk: &Desk<'_>) -> Position {
    match desk.order.pickup {
        Some(node) if desk.order.delivery.is_collected() => desk.network.node(node).position,
        _ => desk.order.destination,
    }
}

/// No plan that uses a node at least `beyond_km` away weighs less: it pays one shipment, one unit
/// over that distance, for every other unit the cheaper of shipping and leaving it, and for SKUs
/// that no node has what leaving them costs. Those are only looked for when the rest is not enough
/// to reach `wanted`.
fn outside_bound(desk: &Desk<'_>, beyond_km: f64, wanted: Cost) -> Cost {
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
fn has_any(desk: &Desk<'_>, node: NodeIx, sku: crate::order::SkuNo) -> bool {
    desk.network.entry_of(node, sku).is_some_and(|entry| {
        let entry = desk.network.entry(entry);
        entry.available(entry.safety()) > 0
    })
}

/// Say whether `a` can stand in for `b` in any plan without raising its cost.
fn beats(a: &Offer, a_lines: &[LineOffer], b: &Offer, b_lines: &[LineOffer], need: &[u32]) -> bool {
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
