//! Replaying orders under a policy, and two policies side by side.

mod kpi;
mod shadow;
pub mod svg;

pub use kpi::{CURVE_ORDERS, Kpis, Tally};
pub use shadow::{Shadow, ShadowTally};

use crate::delivery::Delivery;
use crate::network::Network;
use crate::order::Order;
use crate::plan::Plan;
use crate::prices::fluid::{Climb, Fluid};
use crate::prices::{Forecast, Pricer};
use crate::router::Router;
use crate::rules::Ruleset;
use crate::window::{Waiting, improve};

/// Times a hold window's plans are improved before it ends.
const WINDOW_ROUNDS: usize = 4;

/// Replay orders on a fresh network under one policy; stock, slots and quotas are taken.
///
/// `each` sees every order with its plan while the plan is not taken. With a hold window the orders of
/// each window are improved together first, and seen when it ends, in the order of the input.
pub fn replay(
    network: &Network,
    rules: &Ruleset,
    orders: &[Order],
    forecast: Option<Forecast>,
    mut each: impl FnMut(&Router<'_>, &Order, &Plan),
) -> Tally {
    let mut tally = Tally::default();
    let mut router = Router::new(network, rules);
    let prices = &rules.policy().prices;
    let mut pricer = prices.enabled.then(|| Pricer::new(network, rules, forecast, None));
    let hold_ms = (rules.policy().hold_minutes * 60_000.0) as u64;
    let mut window: Vec<Waiting> = Vec::new();
    let mut plan = Plan::default();
    for order in orders {
        let is_over = |first: &Waiting| order.placed.0 >= first.order.placed.0 + hold_ms;
        if window.first().is_some_and(is_over) {
            end_window(&mut router, &mut window, &mut tally, &mut each);
        }
        router.plan(order, &mut plan);
        if hold_ms == 0 {
            each(&router, order, &plan);
            tally.add(network, order, &plan);
        }
        let held = network.hold(&plan);
        debug_assert!(held.is_ok(), "nobody else takes from a replay's network");
        if let Some(pricer) = &mut pricer {
            pricer.observe(network, rules, order, &plan);
        }
        if hold_ms > 0 {
            window.push(Waiting { order: order.clone(), plan: plan.clone() });
        }
    }
    end_window(&mut router, &mut window, &mut tally, &mut each);
    tally
}

/// Improve the plans of a window together, show them, and let them go to be picked.
fn end_window(
    router: &mut Router<'_>,
    window: &mut Vec<Waiting>,
    tally: &mut Tally,
    each: &mut impl FnMut(&Router<'_>, &Order, &Plan),
) {
    let network = router.network();
    improve(router, window, WINDOW_ROUNDS);
    for Waiting { order, plan } in window.drain(..) {
        network.give_back(&plan);
        each(router, &order, &plan);
        let held = network.hold(&plan);
        debug_assert!(held.is_ok(), "what was given back a moment ago is free");
        tally.add(network, &order, &plan);
    }
}

/// Plan every order on the network as it is and take nothing: a dry run.
pub fn rehearse(
    network: &Network,
    rules: &Ruleset,
    orders: &[Order],
    mut each: impl FnMut(&Router<'_>, &Order, &Plan),
) -> Tally {
    let mut tally = Tally::default();
    let mut router = Router::new(network, rules);
    let mut plan = Plan::default();
    for order in orders {
        router.plan(order, &mut plan);
        each(&router, order, &plan);
        tally.add(network, order, &plan);
    }
    tally
}

/// Steps spent on the bound: coarse, then fine.
const BOUND_CLIMBS: [Climb; 2] = [
    Climb { steps: 500, first: 0.3, last: 0.003 },
    Climb { steps: 1_000, first: 0.02, last: 0.000_5 },
];

/// Return a certified lower bound on what any policy would have paid that knew every order
/// beforehand, in currency units.
///
/// Hours, slots, deadlines, weights and risks are left out, which only lowers it, as does the bound
/// that stands in for orders with more possible nodes than one decision holds. `None` when orders are
/// too many to tell apart, or when distances are not great circles: then the relaxation could leave
/// plans out. Needs the network as it was before the first order.
pub fn hindsight_bound(network: &Network, rules: &Ruleset, orders: &[Order]) -> Option<f64> {
    rules.detour()?;
    let mut plain = rules.policy().clone();
    plain.weights.clear();
    plain.priorities.clear();
    (plain.costs.per_rejection, plain.costs.per_late_shipment) = (0.0, 0.0);
    let plain = Ruleset::new(plain, network);
    let classes = Forecast::learn_exactly(orders)?;
    let mut fluid = Fluid::default();
    for (order, count) in classes.weights() {
        let class = fluid.add_timeless_class(network, &plain, order);
        fluid.set_weight(class, count);
    }
    fluid.read_all_stock(network);
    if orders.iter().all(|order| order.delivery != Delivery::InStoreHome) {
        fluid.read_stock(network);
    }
    let bounds = BOUND_CLIMBS.map(|climb| fluid.climb(climb));
    bounds.into_iter().reduce(f64::max)
}
