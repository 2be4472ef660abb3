//! One order class, ready to be decided at any prices.

use super::Resource;
use crate::cost::Cost;
use crate::decide::{Decision, Problem};
use crate::limits::CANDIDATES_MAX;
use crate::node::NodeIx;
use crate::offer::{Desk, LineOffer, Offer};
use crate::router::outside_bound;

/// No price applies.
pub(super) const NO_PRICE: u32 = u32::MAX;

/// Nodes of one whole class; what is beyond counts with a bound.
const WHOLE_NODES_MAX: usize = 1_024;

/// Candidates of one class with the resources they use.
#[derive(Debug, Default)]
pub(super) struct Class {
    base: Vec<Problem>,
    /// For each problem `[line * CANDIDATES_MAX + candidate]`: the units' resource.
    units_of: Vec<Vec<u32>>,
    /// For each problem and candidate: the resource of its places.
    places_of: Vec<[u32; CANDIDATES_MAX]>,
    /// No plan with a node that is not a candidate weighs less, at any prices; `None` is no such node.
    outside: Option<Cost>,
}

impl Class {
    /// Make a class of the few nodes that serve it best. For pricing.
    pub(super) fn new(desk: &Desk<'_>, place: impl FnMut(Resource) -> u32) -> Class {
        let mut class = Class::default();
        class.fill(desk, few(desk, near(desk)), place);
        class
    }

    /// Make a class of every node that could serve it. For bounds.
    pub(super) fn whole(desk: &Desk<'_>, place: impl FnMut(Resource) -> u32) -> Class {
        let mut class = Class::default();
        let cells = desk.network.cells();
        let near = cells.near(desk.order.destination);
        let mut nodes = near.nodes.to_vec();
        let holders = desk.order.lines.iter().flat_map(|line| desk.network.holders(line.sku));
        let holders: Vec<u32> = holders.map(|&entry| desk.network.node_of(entry).0).collect();
        let is_known = near.is_complete || holders.len() <= WHOLE_NODES_MAX;
        if !near.is_complete && is_known {
            nodes.extend(holders);
        }
        nodes.extend(desk.order.pickup.map(|node| node.0));
        nodes.sort_unstable();
        nodes.dedup();
        if !is_known {
            let beyond_km = cells.beyond_km(&near, desk.to, near.nodes.len());
            class.outside = Some(outside_bound(desk, beyond_km, Cost(i64::MAX)));
        }
        let mut found = ask(desk, nodes);
        // The most promising first: they are the ones that are decided.
        found.sort_by_key(|(offer, lines)| {
            let have = lines.iter().filter(|line| line.available > 0).count() as u32;
            (std::cmp::Reverse(have), offer.fixed + offer.unit * have, offer.node)
        });
        class.fill(desk, found, place);
        class
    }

    fn fill(&mut self, desk: &Desk<'_>, found: Found, mut place: impl FnMut(Resource) -> u32) {
        let (order, policy) = (desk.order, desk.rules.policy());
        let need: Vec<u32> = order.lines.iter().map(|line| line.units).collect();
        let (unfilled_fixed, unfilled_unit) = policy.unfilled();
        let chunks = found.len().div_ceil(CANDIDATES_MAX).max(1);
        for n in 0..chunks {
            let mut problem = Problem::default();
            problem.reset(
                &need,
                policy.split.limit_for(order.value),
                unfilled_fixed,
                unfilled_unit,
            );
            let mut units_of = vec![NO_PRICE; need.len() * CANDIDATES_MAX];
            let mut places_of = [NO_PRICE; CANDIDATES_MAX];
            for (offer, lines) in found.iter().skip(n * CANDIDATES_MAX).take(CANDIDATES_MAX) {
                // Prices are added when the class is decided: the base has none.
                let candidate = problem.add_candidate(desk.unpriced_fixed(offer));
                if !desk.ignore_time && desk.network.node(offer.node).capacity.is_some() {
                    places_of[candidate] = place(Resource::Places(offer.node));
                }
                for (line, have) in lines.iter().enumerate().filter(|(_, l)| l.available > 0) {
                    problem.offer(candidate, line, need[line], offer.unit);
                    let at = line * CANDIDATES_MAX + candidate;
                    units_of[at] = place(Resource::Units(have.entry));
                }
            }
            self.base.push(problem);
            self.units_of.push(units_of);
            self.places_of.push(places_of);
        }
    }

    /// Return how many problems the class is.
    pub(super) fn problems(&self) -> usize {
        self.base.len()
    }

    /// Write the class at given prices; entries without stock cannot serve it.
    pub(super) fn price(&self, prices: &[i64], supply: &[f64], into: &mut Vec<Problem>) {
        if into.len() < self.base.len() {
            into.resize_with(self.base.len(), Problem::default);
        }
        for (n, (base, into)) in self.base.iter().zip(into).enumerate() {
            into.clone_from(base);
            for candidate in 0..base.candidates() {
                let place = self.places_of[n][candidate];
                if place != NO_PRICE {
                    let price = Cost(prices[place as usize]);
                    into.set_fixed(candidate, base.fixed(candidate) + price);
                }
            }
            for line in 0..base.need().len() {
                for candidate in 0..base.candidates() {
                    let place = self.units_of[n][line * CANDIDATES_MAX + candidate];
                    if place == NO_PRICE {
                        continue;
                    }
                    let place = place as usize;
                    let have = if supply[place] > 0.0 { base.need()[line] } else { 0 };
                    into.offer(
                        candidate,
                        line,
                        have,
                        base.unit(candidate, line) + Cost(prices[place]),
                    );
                }
            }
        }
    }

    /// Lower a bound over the candidates to one over every node.
    pub(super) fn bound(&self, candidates: Cost) -> Cost {
        self.outside.map_or(candidates, |outside| outside.min(candidates))
    }

    /// Call `each` with every resource that a decision uses, and how much of it.
    pub(super) fn uses(&self, decision: &Decision, mut each: impl FnMut(u32, u32)) {
        let mut last = None;
        for take in &decision.takes {
            let candidate = usize::from(take.candidate);
            let (n, candidate) = (candidate / CANDIDATES_MAX, candidate % CANDIDATES_MAX);
            each(self.units_of[n][usize::from(take.line) * CANDIDATES_MAX + candidate], take.units);
            let place = self.places_of[n][candidate];
            if last != Some(take.candidate) && place != NO_PRICE {
                each(place, 1);
            }
            last = Some(take.candidate);
        }
    }

    /// Call `each` with every resource that a decision could use, and how much of it at most.
    pub(super) fn could_use(&self, mut each: impl FnMut(u32, u32)) {
        for (n, problem) in self.base.iter().enumerate() {
            for candidate in 0..problem.candidates() {
                if self.places_of[n][candidate] != NO_PRICE {
                    each(self.places_of[n][candidate], 1);
                }
                for (line, &need) in problem.need().iter().enumerate() {
                    let place = self.units_of[n][line * CANDIDATES_MAX + candidate];
                    if place != NO_PRICE {
                        each(place, need);
                    }
                }
            }
        }
    }

    /// Return the cost of shipping nothing.
    #[cfg(feature = "highs")]
    pub(super) fn unfilled_cost(&self) -> Cost {
        let need = self.base[0].need().iter().enumerate();
        self.base[0]
            .price(&[], &need.map(|(line, &units)| (line as u16, units)).collect::<Vec<_>>())
    }

    /// Return the least cost of one unit from anywhere, in micro-units.
    pub(super) fn least_cost(&self) -> Option<i64> {
        let one = |problem: &Problem, candidate: usize| {
            let lines = 0..problem.need().len();
            let offered = lines.filter(|&line| problem.available(candidate, line) > 0);
            offered.map(|line| (problem.fixed(candidate) + problem.unit(candidate, line)).0).min()
        };
        let all = self.base.iter().flat_map(|p| (0..p.candidates()).filter_map(move |c| one(p, c)));
        all.min()
    }
}

type Found = Vec<(Offer, Vec<LineOffer>)>;

fn ask(desk: &Desk<'_>, nodes: Vec<u32>) -> Found {
    let one = |node: u32| {
        let mut lines = Vec::with_capacity(desk.order.lines.len());
        desk.ask(NodeIx(node), &mut lines).ok().map(|offer| (offer, lines))
    };
    nodes.into_iter().filter_map(one).collect()
}

/// The cell's nodes and, for rare SKUs, some holders.
fn near(desk: &Desk<'_>) -> Found {
    let near = desk.network.cells().near(desk.order.destination);
    let mut nodes: Vec<u32> = near.nodes.to_vec();
    if !near.is_complete {
        for line in &desk.order.lines {
            let mut holders: Vec<(f64, u32)> = Vec::new();
            for &entry in desk.network.holders(line.sku) {
                let node = desk.network.node_of(entry);
                let key = (desk.to.chord2(desk.network.spot(node)), node.0);
                let at = holders.partition_point(|have| *have < key);
                if at < CANDIDATES_MAX {
                    holders.insert(at, key);
                    holders.truncate(CANDIDATES_MAX);
                }
            }
            nodes.extend(holders.into_iter().map(|(_, node)| node));
        }
        nodes.sort_unstable();
        nodes.dedup();
    }
    ask(desk, nodes)
}

/// At most as many nodes as one decision holds: every line keeps its nearest few in turn.
fn few(desk: &Desk<'_>, mut found: Found) -> Found {
    let have = |lines: &[LineOffer]| lines.iter().filter(|line| line.available > 0).count();
    found.sort_by_key(|(offer, lines)| {
        (offer.fixed + offer.unit * have(lines) as u32, std::cmp::Reverse(have(lines)), offer.node)
    });
    let mut is_kept = vec![false; found.len()];
    let mut kept: Vec<usize> = Vec::new();
    for _ in 0..CANDIDATES_MAX {
        for line in 0..desk.order.lines.len() {
            let left =
                (0..found.len()).filter(|&at| !is_kept[at] && found[at].1[line].available > 0);
            if let Some(at) = left.min_by_key(|&at| (found[at].0.unit, found[at].0.node))
                && kept.len() < CANDIDATES_MAX
            {
                is_kept[at] = true;
                kept.push(at);
            }
        }
    }
    kept.sort_unstable_by_key(|&at| found[at].0.node);
    kept.into_iter().map(|at| found[at].clone()).collect()
}
