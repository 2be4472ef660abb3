//! How many orders a second `simulate` replays on one core.

use crate::published::World;
use crate::report::{figure, note, section};
use onrush_router::Ruleset;
use onrush_router::order::Order;
use onrush_router::simulate::replay;
use std::time::Instant;

const ROUNDS: usize = 20;

pub(crate) fn run() {
    section("Replay: the published network's orders, one core");
    let world = World::draw(1);
    let orders: Vec<Order> = world.orders(&world.network(), 2);
    for (name, prices, is_target) in [
        ("exact", "", true),
        (
            "exact + prices, solved every 1,000 orders",
            "[prices]\nenabled = true\nreprice_every = 1000\n",
            false,
        ),
    ] {
        let start = Instant::now();
        let mut building = std::time::Duration::ZERO;
        for _ in 0..ROUNDS {
            let built = Instant::now();
            let network = world.network();
            let rules = Ruleset::new(world.policy(prices), &network);
            building += built.elapsed();
            let tally = replay(&network, &rules, &orders, None, |_, _, _| {});
            assert_eq!(tally.finish(None).orders, orders.len() as u64);
        }
        let rate = (ROUNDS * orders.len()) as f64 / (start.elapsed() - building).as_secs_f64();
        let value = format!("{rate:.0}");
        let what = format!("orders a second, {name}");
        if is_target {
            figure(&what, &value, ">= 300000", rate >= 300_000.0);
        } else {
            note(&what, &value);
        }
    }
}
