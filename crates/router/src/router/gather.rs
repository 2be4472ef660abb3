//! Gathering candidates: from the destination's cell, from rare SKUs' holders, then from afar.

use super::bound::{Reach, beats, has_any, outside_bound};
use crate::cost::Cost;
use crate::decide::{Decision, Problem, Scratch, WideScratch, decide_wide};
use crate::delivery::Delivery;
use crate::geo::Position;
use crate::limits::{CANDIDATES_MAX, SEARCH_NODES_MAX};
use crate::node::NodeIx;
use crate::offer::{Desk, LineOffer, Offer};
use crate::plan::Proof;

/// A SKU held by at most this many nodes is looked up from its holders.
const RARE_HOLDERS_MAX: usize = 32;
/// Nodes of the cell looked at between two decisions.
const STEP_NODES: usize = 8;
/// Nodes then looked at by their true distance, to close the proof.
const CLOSING_NODES_MAX: usize = 64;
/// Nodes with a missing line that are enough when every line is filled.
const ENOUGH_FOUND: usize = 3;
/// Holders of a missing line that are looked at when no near node has it.
const HOLDERS_LOOKED_AT: usize = 8;
/// Offers kept before the cheapest are chosen.
const OFFERS_MAX: usize = 64;
/// Working memory of one router: the offers for one order and the decision over them.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// The first is decided, the others are ruled out; as many as were ever needed.
    problems: Vec<Problem>,
    scratch: Scratch,
    wide: WideScratch,
    pub(super) decision: Decision,
    pub(super) need: Vec<u32>,
    pub(super) offers: Vec<Offer>,
    pub(super) lines: Vec<LineOffer>,
    asked: Vec<LineOffer>,
    /// Offers in the decision, by the order of their nodes, then those to rule out.
    pub(super) chosen: Vec<u16>,
    seen: Vec<u32>,
    epoch: u32,
    looked_at: u32,
    /// Offers were dropped that were not beaten.
    is_full: bool,
    /// No plan over the offers weighs less.
    bound: Cost,
    /// Offers changed since the last decision.
    is_stale: bool,
    /// Nodes farther than this are in no plan that beats the decision.
    reach: Reach,
}

impl Work {
    /// Gather candidates and decide until the decision is proven or the search is at its limit.
    pub(super) fn search(&mut self, desk: &Desk<'_>) -> Proof {
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
        if self.look_at_rare(desk) {
            // Every node that has any of the lines was looked at.
            self.decide(desk);
            return self.proof(None);
        }
        let cells = desk.network.cells();
        let near = cells.near(target(desk));
        let step = if near.is_complete { near.nodes.len().max(1) } else { STEP_NODES };
        let mut looked = 0;
        while looked < near.nodes.len() {
            let end = (looked + step).min(near.nodes.len());
            near.nodes[looked..end].iter().for_each(|&node| self.look_within(desk, NodeIx(node)));
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
        if self.decision.unfilled.is_empty() {
            return self.close(desk, bound);
        }
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
        self.is_full = false;
        self.is_stale = true;
        self.reach = Reach::EVERYWHERE;
    }

    fn is_chosen_only(&self, desk: &Desk<'_>) -> bool {
        desk.order.delivery == Delivery::Pickup && !desk.rules.policy().pickup_transfers
    }

    /// Look at all holders of rare SKUs; say whether every line was rare.
    fn look_at_rare(&mut self, desk: &Desk<'_>) -> bool {
        let mut is_all = true;
        for line in &desk.order.lines {
            let holders = desk.network.holders(line.sku);
            if holders.len() <= RARE_HOLDERS_MAX {
                holders.iter().for_each(|&e| self.look_at(desk, desk.network.node_of(e)));
            } else {
                is_all = false;
            }
        }
        is_all
    }

    /// Try to close the proof of a filled order by true distances: towards a cell's rim, the list
    /// around its centre bounds little.
    fn close(&mut self, desk: &Desk<'_>, mut bound: Cost) -> Proof {
        let cells = desk.network.cells();
        let mut left = CLOSING_NODES_MAX;
        for node in cells.by_distance(desk.to) {
            let node = NodeIx(node);
            let km = || desk.to.km(desk.network.spot(node));
            if desk.to.chord2(desk.network.spot(node)) > self.reach.whole || left == 0 {
                bound = bound.max(outside_bound(desk, km(), self.decision.cost));
                break;
            }
            if self.seen[node.index()] != self.epoch {
                left -= 1;
                self.look_within(desk, node);
                self.decide(desk);
            }
        }
        self.proof(Some(bound))
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

    /// Ask a node unless the decision so far rules it out by its distance.
    fn look_within(&mut self, desk: &Desk<'_>, node: NodeIx) {
        let chord2 = desk.to.chord2(desk.network.spot(node));
        if chord2 <= self.reach.whole {
            // From far away only a plan without a second shipment pays.
            self.look_for(desk, node, chord2 > self.reach.part);
        }
    }

    fn look_at(&mut self, desk: &Desk<'_>, node: NodeIx) {
        self.look_for(desk, node, false);
    }

    /// Ask a node once; keep its offer unless another beats it in everything.
    fn look_for(&mut self, desk: &Desk<'_>, node: NodeIx, everything: bool) {
        let seen = &mut self.seen[node.index()];
        if *seen == self.epoch {
            return;
        }
        *seen = self.epoch;
        self.looked_at += 1;
        self.asked.clear();
        let Ok(offer) = desk.ask_for(node, everything, &mut self.asked) else { return };
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
            self.is_full = true;
            let worst = (0..OFFERS_MAX).max_by_key(|&at| self.rank(at)).unwrap_or(0);
            self.remove(worst);
        }
        self.is_stale = true;
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
                if !self.chosen.contains(&at) {
                    self.chosen.push(at);
                }
            }
        }
        let decided = self.chosen.len().min(CANDIDATES_MAX);
        self.chosen[..decided].sort_unstable_by_key(|&at| self.offers[usize::from(at)].node);
    }

    fn decide(&mut self, desk: &Desk<'_>) {
        if !std::mem::take(&mut self.is_stale) {
            return;
        }
        self.choose();
        let policy = desk.rules.policy();
        let (unfilled_fixed, unfilled_unit) = policy.unfilled();
        let split = policy.split.limit_for(desk.order.value);
        let lines = self.need.len();
        let count = self.chosen.len().div_ceil(CANDIDATES_MAX).max(1);
        if self.problems.len() < count {
            self.problems.resize_with(count, Problem::default);
        }
        for (n, problem) in self.problems[..count].iter_mut().enumerate() {
            problem.reset(&self.need, split, unfilled_fixed, unfilled_unit);
            let rest = &self.chosen[n * CANDIDATES_MAX..];
            for &at in &rest[..rest.len().min(CANDIDATES_MAX)] {
                let at = usize::from(at);
                let candidate = problem.add_candidate(self.offers[at].fixed);
                for (line, offer) in self.lines[at * lines..][..lines].iter().enumerate() {
                    problem.offer(candidate, line, offer.available, offer.unit);
                }
            }
        }
        let problems = &self.problems[..count];
        self.bound = decide_wide(problems, &mut self.scratch, &mut self.wide, &mut self.decision);
        self.reach = Reach::of(desk, self.decision.cost);
        if count > 1 {
            // Shipments come by the order of their nodes, wherever the decision found them.
            let (offers, chosen) = (&self.offers, &self.chosen);
            let node = |candidate: u16| offers[usize::from(chosen[usize::from(candidate)])].node;
            self.decision.takes.sort_unstable_by_key(|take| (node(take.candidate), take.line));
        }
    }

    fn proof(&self, outside: Option<Cost>) -> Proof {
        Proof {
            looked_at: self.looked_at,
            candidates: self.chosen.len() as u32,
            bound: self.bound,
            outside,
            is_cut: self.is_full || self.bound < self.decision.cost,
        }
    }
}

fn target(desk: &Desk<'_>) -> Position {
    match desk.order.pickup {
        Some(node) if desk.order.delivery.is_collected() => desk.network.node(node).position,
        _ => desk.order.destination,
    }
}
