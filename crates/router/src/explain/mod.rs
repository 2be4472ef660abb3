//! Why a plan won: its terms, what lost and by how much, who was left out, and what would change it.
//!
//! Computed on demand, with the network as it was when the plan was made (before its units are
//! taken). The comparison runs over at most [`CANDIDATES_MAX`] nodes: those of the plan, then those
//! nearest; its cost is a few dozen decisions.

mod text;

pub use text::Language;

use crate::cost::Cost;
use crate::decide::{self, Decision, Problem, Scratch};
use crate::limits::CANDIDATES_MAX;
use crate::network::Network;
use crate::node::NodeIx;
use crate::offer::{Desk, Excluded, LineOffer, Offer};
use crate::order::Order;
use crate::plan::{Plan, Proof};
use crate::router::Router;

/// Losing plans that are told.
const ALTERNATIVES_MAX: usize = 3;
/// Nodes left out that are told.
const EXCLUDED_MAX: usize = 3;
/// Nodes near the destination that are asked.
const ASKED_MAX: usize = 24;

/// Why one plan won.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The certificate.
    pub proof: Proof,
    /// What the plan weighs.
    pub weighed: Cost,
    /// The best plans that use other nodes, cheapest first.
    pub alternatives: Vec<Alternative>,
    /// Near nodes that could not ship, nearest first.
    pub excluded: Vec<Counterfactual>,
}

/// A plan that lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// Its nodes, by name.
    pub nodes: Vec<NodeIx>,
    /// What it weighs.
    pub weighed: Cost,
    /// How much more than the plan that won; the store would win if it were cheaper by more.
    pub more: Cost,
}

/// A node that was left out, and whether it would have won otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counterfactual {
    /// Which node.
    pub node: NodeIx,
    /// Why it was left out.
    pub why: Excluded,
    /// It would be in the best plan if only time had not forbidden it.
    pub would_win: bool,
}

impl Router<'_> {
    /// Explain a plan that [`Router::plan`] made and nobody has taken yet.
    pub fn explain(&self, order: &Order, plan: &Plan) -> Explanation {
        let desk = Desk::new(self.network(), self.rules(), order);
        let mut table = Table::gather(&desk, plan);
        let mut scratch = Scratch::default();
        let alternatives = table.alternatives(&desk, plan, &mut scratch);
        let excluded = table.excluded.clone();
        let excluded = excluded
            .into_iter()
            .map(|(node, why)| {
                let is_late = matches!(why, Excluded::Late { .. });
                let would_win = is_late && table.would_win(&desk, node, &mut scratch);
                Counterfactual { node, why, would_win }
            })
            .collect();
        Explanation { proof: plan.proof, weighed: plan.weighed, alternatives, excluded }
    }
}

/// The nodes a plan is compared with.
struct Table {
    offers: Vec<Offer>,
    lines: Vec<LineOffer>,
    excluded: Vec<(NodeIx, Excluded)>,
}

impl Table {
    fn gather(desk: &Desk<'_>, plan: &Plan) -> Table {
        let mut table = Table { offers: Vec::new(), lines: Vec::new(), excluded: Vec::new() };
        for shipment in &plan.shipments {
            table.ask(desk, shipment.node);
        }
        for node in nearest(desk) {
            if plan.shipments.iter().all(|shipment| shipment.node != node) {
                table.ask(desk, node);
            }
        }
        table.excluded.truncate(EXCLUDED_MAX);
        table
    }

    fn ask(&mut self, desk: &Desk<'_>, node: NodeIx) {
        if self.offers.len() == CANDIDATES_MAX {
            return;
        }
        match desk.ask(node, &mut self.lines) {
            Ok(offer) => self.offers.push(offer),
            Err(why) => self.excluded.push((node, why)),
        }
    }

    fn problem(&self, desk: &Desk<'_>) -> Problem {
        let policy = desk.rules.policy();
        let (fixed, unit) = policy.unfilled();
        let need: Vec<u32> = desk.order.lines.iter().map(|line| line.units).collect();
        let mut problem = Problem::default();
        problem.reset(&need, policy.split.limit_for(desk.order.value), fixed, unit);
        for (at, offer) in self.offers.iter().enumerate() {
            let candidate = problem.add_candidate(offer.fixed);
            for (line, have) in self.lines[at * need.len()..][..need.len()].iter().enumerate() {
                problem.offer(candidate, line, have.available, have.unit);
            }
        }
        problem
    }

    /// The best plans without each node of the plan, and with each node that lost.
    fn alternatives(
        &self,
        desk: &Desk<'_>,
        plan: &Plan,
        scratch: &mut Scratch,
    ) -> Vec<Alternative> {
        let problem = self.problem(desk);
        let mut found: Vec<Alternative> = Vec::new();
        let chosen: Vec<NodeIx> = plan.shipments.iter().map(|shipment| shipment.node).collect();
        for candidate in 0..self.offers.len() {
            let is_chosen = chosen.contains(&self.offers[candidate].node);
            let decision = if is_chosen {
                Some(decide::best_without(&problem, candidate, scratch))
            } else if candidate < chosen.len() + ALTERNATIVES_MAX {
                decide::best_with(&problem, candidate, scratch)
            } else {
                None
            };
            let Some(decision) = decision else { continue };
            let nodes = self.nodes(&decision);
            let is_new = nodes != chosen && found.iter().all(|have| have.nodes != nodes);
            if is_new && decision.cost >= plan.weighed {
                let more = decision.cost - plan.weighed;
                found.push(Alternative { nodes, weighed: decision.cost, more });
            }
        }
        found.sort_by(|a, b| (a.weighed, &a.nodes).cmp(&(b.weighed, &b.nodes)));
        found.truncate(ALTERNATIVES_MAX);
        found
    }

    fn nodes(&self, decision: &Decision) -> Vec<NodeIx> {
        let used = decision.used();
        let used = (0..self.offers.len()).filter(|at| used & (1 << at) != 0);
        let mut nodes: Vec<NodeIx> = used.map(|at| self.offers[at].node).collect();
        nodes.sort_unstable();
        nodes
    }

    /// Would the node be used if time did not forbid it?
    fn would_win(&mut self, desk: &Desk<'_>, node: NodeIx, scratch: &mut Scratch) -> bool {
        if self.offers.len() == CANDIDATES_MAX {
            return false;
        }
        let free = Desk { ignore_time: true, ..Desk::new(desk.network, desk.rules, desk.order) };
        let start = self.lines.len();
        let Ok(offer) = free.ask(node, &mut self.lines) else { return false };
        self.offers.push(offer);
        let mut decision = Decision::default();
        decide::decide(&self.problem(desk), scratch, &mut decision);
        let wins = self.nodes(&decision).contains(&node);
        self.offers.pop();
        self.lines.truncate(start);
        wins
    }
}

/// The nodes nearest to where the order goes, nearest first.
fn nearest(desk: &Desk<'_>) -> Vec<NodeIx> {
    let cells = desk.network.cells();
    cells.by_distance(desk.to).take(ASKED_MAX).map(NodeIx).collect()
}

/// Return a node's name.
fn name(network: &Network, node: NodeIx) -> &str {
    network.node(node).name.as_str()
}
