//! Replaying orders under a policy, and two policies side by side.

mod bound;
mod kpi;
mod shadow;
pub mod svg;

pub use bound::hindsight_bound;
pub use kpi::{CURVE_ORDERS, Kpis, Tally};
pub use shadow::{Shadow, ShadowTally};

use crate::network::Network;
use crate::order::Order;
use crate::plan::Plan;
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
