//! A second policy beside the live one: asked for every order on the same stock, never obeyed.
//!
//! Both see the same network at the same instant, opportunity prices included; only the live plan is
//! taken. That shows what the other policy would decide today, not what it would lead to tomorrow:
//! for that, replay each on its own stock.

use crate::cost::Cost;
use crate::network::Network;
use crate::order::Order;
use crate::plan::Plan;
use crate::router::Router;
use crate::rules::Ruleset;
use serde::Serialize;

/// Asks the shadow policy. One for each thread.
#[derive(Debug)]
pub struct Shadow<'a> {
    router: Router<'a>,
    plan: Plan,
    tally: ShadowTally,
}

impl<'a> Shadow<'a> {
    /// Put `rules` beside whatever is live on the network.
    pub fn new(network: &'a Network, rules: &'a Ruleset) -> Shadow<'a> {
        let (router, plan) = (Router::new(network, rules), Plan::default());
        Shadow { router, plan, tally: ShadowTally::default() }
    }

    /// Plan the order under the shadow policy, compare with the live plan, take nothing.
    ///
    /// Call it before the live plan is taken. Costs one decision.
    pub fn compare(&mut self, order: &Order, live: &Plan) -> &Plan {
        self.router.plan(order, &mut self.plan);
        self.tally.add(live, &self.plan);
        &self.plan
    }

    /// Return what was counted so far.
    pub fn tally(&self) -> &ShadowTally {
        &self.tally
    }

    /// Stop, and return what was counted.
    pub fn finish(self) -> ShadowTally {
        self.tally
    }
}

/// How a shadow policy's decisions differ from the live ones. Costs in currency units.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ShadowTally {
    /// Orders asked.
    pub orders: u64,
    /// Orders that would come from other nodes, or in other units from the same.
    pub different: u64,
    /// Of those, how many would cost less at once.
    pub cheaper: u64,
    /// Of those, how many would cost more at once.
    pub dearer: u64,
    /// What all orders cost as they were decided.
    pub live_cost: f64,
    /// What they would have cost as the shadow decided, each on the live stock.
    pub shadow_cost: f64,
    /// Units that the live plans leave unfilled.
    pub live_unfilled: u64,
    /// Units that the shadow plans leave unfilled.
    pub shadow_unfilled: u64,
}

impl ShadowTally {
    fn add(&mut self, live: &Plan, shadow: &Plan) {
        self.orders += 1;
        if live.picks != shadow.picks {
            self.different += 1;
            self.cheaper += u64::from(shadow.cost < live.cost);
            self.dearer += u64::from(shadow.cost > live.cost);
        }
        self.live_cost += Cost::to_units(live.cost);
        self.shadow_cost += Cost::to_units(shadow.cost);
        self.live_unfilled += u64::from(live.unfilled_units());
        self.shadow_unfilled += u64::from(shadow.unfilled_units());
    }

    /// Return the figures as names and texts, in the order they are printed.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let share = self.different as f64 / self.orders.max(1) as f64 * 100.0;
        vec![
            ("decided differently", format!("{} ({share:.2} %)", self.different)),
            ("cheaper at once", self.cheaper.to_string()),
            ("dearer at once", self.dearer.to_string()),
            ("cost as decided", format!("{:.2}", self.live_cost)),
            ("cost as the shadow decides", format!("{:.2}", self.shadow_cost)),
            ("unfilled units", self.live_unfilled.to_string()),
            ("unfilled in the shadow", self.shadow_unfilled.to_string()),
        ]
    }
}
