//! From an order to a plan: gather candidates, decide, prove, take.
//!
//! Candidates are read from the destination's cell, nearest first, in steps. After each step the
//! decision is made anew and compared with a bound on every plan that uses a node not yet looked
//! at; the search ends when that bound is no lower. SKUs that few nodes have are looked up from the
//! SKU instead, so a rare unit at the far end of the network is found without a search.
//!
//! A node that another beats in everything (fixed cost, each unit's cost, and enough stock) is left
//! out of the decision: exchanging one for the other never costs more.

mod bound;
mod gather;
mod nearby;
mod planner;
mod write;

pub(crate) use bound::outside_bound;
pub use nearby::Nearby;
pub use planner::Planner;

use crate::delivery::Promise;
use crate::network::Network;
use crate::node::NodeIx;
use crate::offer::Desk;
use crate::order::Order;
use crate::plan::Plan;
use crate::rules::Ruleset;
use gather::Work;

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
