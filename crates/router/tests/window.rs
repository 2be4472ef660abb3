//! The hold window: plans that wait are improved together, and never made worse.

mod common;

use common::{label, order, rules, stock, store};
use onrush_router::cost::Cost;
use onrush_router::network::Network;
use onrush_router::order::Order;
use onrush_router::plan::Plan;
use onrush_router::simulate::{rehearse, replay};
use onrush_router::window::{Waiting, improve};
use onrush_router::{Router, Ruleset};
use onrush_types::Timestamp;
use proptest::prelude::*;

const POLICY: &str =
    "[costs]\nfixed_per_shipment = 5\nper_unit_km = 0.05\nunfilled_per_unit = 40\n";

/// `near` has one milk and the only tea; `far` has more milk.
fn world() -> Network {
    let nodes = vec![store("far", 41.9, 123.4), store("near", 41.8, 123.4)];
    let rows = vec![stock("near", "milk", 1), stock("near", "tea", 1), stock("far", "milk", 9)];
    Network::build(nodes, rows).expect("a network")
}

/// A milk order takes the unit that the basket after it needs.
fn orders(network: &Network) -> Vec<Order> {
    let milk = order(network, &[("milk", 1)], 41.82, 123.4);
    let mut basket = order(network, &[("milk", 1), ("tea", 1)], 41.8, 123.4);
    basket.id = label("o2");
    basket.placed = Timestamp(milk.placed.0 + 60_000);
    vec![milk, basket]
}

fn held(router: &mut Router<'_>, orders: Vec<Order>) -> Vec<Waiting> {
    let hold = |order: Order| {
        let mut plan = Plan::default();
        router.route(&order, &mut plan);
        Waiting { order, plan }
    };
    orders.into_iter().map(hold).collect()
}

#[test]
fn an_order_gives_up_a_unit_that_another_needs_more() {
    let network = world();
    let rules = rules(&network, POLICY);
    let mut router = Router::new(&network, &rules);
    let mut window = held(&mut router, orders(&network));
    let shipments = |window: &[Waiting]| -> Vec<usize> {
        window.iter().map(|waiting| waiting.plan.shipments.len()).collect()
    };
    assert_eq!(shipments(&window), [1, 2], "the basket is split");
    let before: Cost = window.iter().map(|waiting| waiting.plan.weighed).sum();
    let saved = improve(&mut router, &mut window, 4);
    assert_eq!(shipments(&window), [1, 1]);
    assert!(saved > Cost::from_units(3.0), "{saved}");
    assert_eq!(before - saved, window.iter().map(|waiting| waiting.plan.weighed).sum());
    for (.., entry) in network.entries() {
        let levels = entry.levels();
        assert_eq!(levels.free + levels.held, levels.supplied);
    }
    let far = network.find_node("far").expect("known");
    assert_eq!(window[0].plan.shipments[0].node, far);
}

#[test]
fn units_of_another_channel_stay_where_they_are() {
    let mut rows = vec![stock("near", "milk", 1), stock("near", "tea", 1), stock("far", "milk", 9)];
    rows[0].channel_quotas = vec![(label("live"), 1)];
    let nodes = vec![store("far", 41.9, 123.4), store("near", 41.8, 123.4)];
    let network = Network::build(nodes, rows).expect("a network");
    let rules = rules(&network, POLICY);
    let mut router = Router::new(&network, &rules);
    let mut two = orders(&network);
    two[0].channel = network.find_channel("live");
    let mut window = held(&mut router, two);
    assert_eq!(improve(&mut router, &mut window, 4), Cost::ZERO);
}

#[test]
fn a_replay_with_a_window_pays_less_and_keeps_the_order_of_the_input() {
    let run = |minutes: u32| {
        let network = world();
        let rules = rules(&network, &format!("{POLICY}[hold]\nminutes = {minutes}\n"));
        let mut seen = Vec::new();
        let tally = replay(&network, &rules, &orders(&network), None, |_, order, plan| {
            seen.push((order.id.to_string(), plan.shipments.len()));
        });
        (tally.finish(None).cost, seen)
    };
    let (without, split) = run(0);
    assert_eq!(split, [("o1".to_owned(), 1), ("o2".to_owned(), 2)]);
    let (too_short, _) = run(1);
    assert_eq!(too_short, without, "the second order came when the first was picked");
    let (with, whole) = run(2);
    assert_eq!(whole, [("o1".to_owned(), 1), ("o2".to_owned(), 1)]);
    assert!(with < without - 3.0, "{with} {without}");
}

#[test]
fn a_dry_run_takes_nothing() {
    let network = world();
    let rules = rules(&network, POLICY);
    let tally = rehearse(&network, &rules, &orders(&network), |_, _, plan| {
        assert_eq!(plan.shipments.len(), 1, "each order is the first");
    });
    assert_eq!(tally.finish(None).orders, 2);
    assert!(network.entries().all(|(.., entry)| entry.levels().held == 0));
}

/// Scarce stock at a few nodes with places for one shipment an hour, and a row of orders.
fn scarce(seed: u64, count: usize) -> (Network, Ruleset, Vec<Order>) {
    let mut dice = common::Dice(seed);
    let (mut nodes, mut rows) = (Vec::new(), Vec::new());
    for n in 0..5 {
        let name = format!("n{n}");
        let mut node = store(&name, 41.0 + dice.unit(), 123.0 + dice.unit());
        node.capacity_per_hour = (dice.roll(2) == 0).then_some(1 + dice.roll(2) as u32);
        nodes.push(node);
        for sku in 0..3 {
            rows.push(stock(&name, &format!("s{sku}"), dice.roll(4) as u32));
        }
    }
    let network = Network::build(nodes, rows).expect("a network");
    let rules = rules(&network, POLICY);
    let mut orders = Vec::new();
    for _ in 0..count {
        let mut lines = vec![("s0", 1 + dice.roll(2) as u32)];
        if dice.roll(2) == 0 {
            lines.push((["s1", "s2"][dice.roll(2) as usize], 1));
        }
        let (lat, lon) = (41.0 + dice.unit(), 123.0 + dice.unit());
        orders.push(order(&network, &lines, lat, lon));
    }
    (network, rules, orders)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn exchanges_lose_nothing_and_leak_nothing(seed in any::<u64>(), count in 2usize..10) {
        let (network, rules, orders) = scarce(seed, count);
        let mut router = Router::new(&network, &rules);
        let mut window = held(&mut router, orders);
        let weighed = |window: &[Waiting]| -> Cost { window.iter().map(|w| w.plan.weighed).sum() };
        let before = weighed(&window);
        let saved = improve(&mut router, &mut window, 4);
        prop_assert!(saved >= Cost::ZERO);
        prop_assert_eq!(before - saved, weighed(&window));
        for waiting in &window {
            network.give_back(&waiting.plan);
        }
        for (.., entry) in network.entries() {
            let levels = entry.levels();
            prop_assert_eq!((levels.held, levels.free), (0, levels.supplied));
        }
        let slots = window.iter().flat_map(|w| &w.plan.shipments);
        for (node, slot) in slots.filter_map(|s| s.slot.map(|slot| (s.node, slot))) {
            let capacity = network.node(node).capacity.as_ref().expect("it has slots");
            prop_assert_eq!(capacity.left(slot), capacity.per_hour());
        }
    }
}
