//! Plans against brute force over the whole network, and the properties every plan has.

mod common;

use common::{label, order, place, rules, stock, store, with};
use onrush_router::cost::Cost;
use onrush_router::delivery::Delivery;
use onrush_router::fulfil::{Waiting, improve};
use onrush_router::geo::Position;
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::NodeSpec;
use onrush_router::order::Order;
use onrush_router::plan::Plan;
use onrush_router::{Router, Ruleset};
use proptest::prelude::*;

const POLICY: &str = "[costs]\nfixed_per_shipment = 5\nper_unit = 0.5\nper_unit_km = 0.02\n\
    unfilled_fixed = 3\nunfilled_per_unit = 9\n[distance]\nmax_km = 400\n[split]\nlimit = 3\n";

#[derive(Clone, Debug)]
struct World {
    nodes: Vec<NodeSpec>,
    rows: Vec<StockSpec>,
    order: Vec<(usize, u32)>,
    at: (f64, f64),
}

fn worlds(most: usize) -> impl Strategy<Value = World> {
    let spots = prop::collection::vec((40.0f64..44.0, 120.0f64..126.0), 1..=most);
    let need = prop::collection::vec(1u32..=3, 1..=4);
    (spots, need, 40.0f64..44.0, 120.0f64..126.0, any::<u64>()).prop_map(
        |(spots, need, lat, lon, seed)| {
            let mut dice = common::Dice(seed);
            let mut nodes = Vec::new();
            let mut rows = Vec::new();
            for (n, (lat, lon)) in spots.into_iter().enumerate() {
                let name = format!("n{n:03}");
                let mut node = store(&name, lat, lon);
                node.handling_cost = dice.roll(4) as f64;
                nodes.push(node);
                for sku in 0..need.len() {
                    let on_hand = dice.roll(5) as u32;
                    let mut row = stock(&name, &format!("s{sku}"), on_hand);
                    row.safety_stock = dice.roll(2) as u32;
                    rows.push(row);
                }
            }
            World { nodes, rows, order: need.into_iter().enumerate().collect(), at: (lat, lon) }
        },
    )
}

fn build(world: &World) -> (Network, Order) {
    let network = Network::build(world.nodes.clone(), world.rows.clone()).expect("a network");
    let names: Vec<(String, u32)> =
        world.order.iter().map(|&(sku, units)| (format!("s{sku}"), units)).collect();
    let lines: Vec<(&str, u32)> = names.iter().map(|(sku, units)| (sku.as_str(), *units)).collect();
    let asked = order(&network, &lines, world.at.0, world.at.1);
    (network, asked)
}

/// Every set of at most three nodes, cheapest units first: right by inspection.
fn brute(network: &Network, rules: &Ruleset, order: &Order) -> Cost {
    let costs = &rules.policy().costs;
    let to = order.destination.on_sphere();
    let nodes: Vec<(Cost, Cost, Vec<u32>)> = network
        .nodes()
        .iter()
        .enumerate()
        .filter_map(|(n, node)| {
            let ix = onrush_router::node::NodeIx(n as u32);
            let km = network.spot(ix).km(to) * rules.policy().detour;
            let have = order.lines.iter().map(|line| {
                let entry = network.entry_of(ix, line.sku).map(|e| network.entry(e));
                entry.map_or(0, |entry| entry.available(entry.safety()))
            });
            let fixed =
                Cost::from_units(costs.fixed_per_shipment) + Cost::from_units(node.handling_cost);
            let unit = Cost::from_units(costs.per_unit + costs.per_unit_km * km);
            (km <= rules.policy().max_km).then(|| (fixed, unit, have.collect()))
        })
        .collect();
    let count = nodes.len();
    let mut sets: Vec<Vec<usize>> = vec![vec![]];
    for a in 0..count {
        sets.push(vec![a]);
        for b in a + 1..count {
            sets.push(vec![a, b]);
            sets.extend((b + 1..count).map(|c| vec![a, b, c]));
        }
    }
    let (unfilled_fixed, unfilled_unit) = rules.policy().unfilled();
    let price = |set: &Vec<usize>, leave: bool| -> Option<Cost> {
        let mut total: Cost = set.iter().map(|&n| nodes[n].0).sum();
        if leave {
            total += unfilled_fixed;
        }
        for (l, line) in order.lines.iter().enumerate() {
            let mut units: Vec<Cost> = Vec::new();
            for &n in set {
                units.extend((0..nodes[n].2[l]).map(|_| nodes[n].1));
            }
            if leave {
                units.extend((0..line.units).map(|_| unfilled_unit));
            }
            units.sort_unstable();
            total += units.get(..line.units as usize)?.iter().copied().sum();
        }
        Some(total)
    };
    let priced = sets.iter().flat_map(|set| [price(set, false), price(set, true)]);
    priced.flatten().min().expect("leaving everything is a plan")
}

fn plan(network: &Network, rules: &Ruleset, order: &Order) -> Plan {
    let mut plan = Plan::default();
    Router::new(network, rules).plan(order, &mut plan);
    plan
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_plan_is_the_minimum_over_the_whole_network(world in worlds(22)) {
        let (network, order) = build(&world);
        let rules = rules(&network, POLICY);
        let plan = plan(&network, &rules, &order);
        let least = brute(&network, &rules, &order);
        prop_assert!(plan.proof.bound <= least && least <= plan.cost);
        // Every node is looked at; more than one decision holds can stay undecided, seldom.
        prop_assert_eq!(plan.proof.covers_network(), !plan.proof.is_cut);
        if !plan.proof.is_cut {
            prop_assert_eq!(plan.cost, least);
        }
        prop_assert_eq!(plan.weighed, plan.cost, "no weights, no prices");
        prop_assert_eq!(plan.shipped_units() + plan.unfilled_units(), order.units());
        for shipment in &plan.shipments {
            prop_assert!(shipment.km <= 400.0);
            let parts = shipment.terms.total();
            prop_assert_eq!(parts, shipment.cost, "terms add up");
        }
        for pick in &plan.picks {
            let levels = network.entry(pick.entry).levels();
            prop_assert!(pick.units + levels.safety <= levels.free);
        }
    }

    #[test]
    fn permuting_rows_changes_no_byte(world in worlds(18), seed in any::<u64>()) {
        let (network, asked) = build(&world);
        let mut other = world.clone();
        let mut dice = common::Dice(seed);
        other.nodes.sort_by_cached_key(|_| dice.roll(u64::MAX));
        other.rows.sort_by_cached_key(|_| dice.roll(u64::MAX));
        let (permuted, _) = build(&other);
        let a = plan(&network, &rules(&network, POLICY), &asked);
        let b = plan(&permuted, &rules(&permuted, POLICY), &asked);
        prop_assert_eq!(format!("{a:?}"), format!("{b:?}"));
    }

    #[test]
    fn adding_stock_never_raises_cost(world in worlds(12), at in any::<prop::sample::Index>()) {
        let (network, asked) = build(&world);
        let rules = rules(&network, POLICY);
        let before = plan(&network, &rules, &asked).cost;
        let (entry, ..) = network.entries().nth(at.index(world.rows.len())).expect("a row");
        prop_assert!(network.supply(entry, 2));
        prop_assert!(plan(&network, &rules, &asked).cost <= before);
    }

    #[test]
    fn a_hold_window_never_gets_worse(world in worlds(10), count in 2usize..8) {
        let (network, asked) = build(&world);
        let rules = rules(&network, POLICY);
        let mut router = Router::new(&network, &rules);
        let mut window: Vec<Waiting> = Vec::new();
        for n in 0..count {
            let shifted = place(40.0 + (world.at.0 - 40.0 + n as f64) % 4.0, world.at.1);
            let order = Order { destination: shifted, ..asked.clone() };
            let mut plan = Plan::default();
            router.route(&order, &mut plan);
            window.push(Waiting { order, plan });
        }
        // Cancelling the first frees units that the others may prefer.
        network.give_back(&window.remove(0).plan);
        let before: Cost = window.iter().map(|waiting| waiting.plan.weighed).sum();
        let saved = improve(&mut router, &mut window, 8);
        let after: Cost = window.iter().map(|waiting| waiting.plan.weighed).sum();
        prop_assert_eq!(before - saved, after);
        prop_assert!(saved >= Cost::ZERO);
        for waiting in &window {
            network.give_back(&waiting.plan);
        }
        for (.., entry) in network.entries() {
            let levels = entry.levels();
            prop_assert_eq!((levels.held, levels.free), (0, levels.supplied));
        }
    }
}

#[test]
fn more_candidates_than_a_decision_holds_are_mostly_proven_all_the_same() {
    let mut dice = common::Dice(21);
    let (mut wide, mut proven) = (0, 0);
    while wide < 40 {
        let mut nodes = Vec::new();
        let mut rows = Vec::new();
        for n in 0..40 {
            let name = format!("n{n:03}");
            nodes.push(store(&name, 40.0 + dice.unit() * 4.0, 120.0 + dice.unit() * 6.0));
            for sku in 0..3 {
                rows.push(stock(&name, &format!("s{sku}"), dice.roll(4) as u32));
            }
        }
        let network = Network::build(nodes, rows).expect("a network");
        let rules = rules(&network, POLICY);
        let lines = [("s0", 3), ("s1", 3), ("s2", 2)];
        let asked = order(&network, &lines, 40.0 + dice.unit() * 4.0, 120.0 + dice.unit() * 6.0);
        let plan = plan(&network, &rules, &asked);
        if plan.proof.candidates > 16 {
            wide += 1;
            proven += u32::from(plan.proof.covers_network());
            if plan.proof.covers_network() {
                assert_eq!(plan.cost, brute(&network, &rules, &asked));
            }
            let names = plan.shipments.iter().map(|shipment| shipment.node);
            assert!(names.is_sorted(), "shipments by the order of their nodes");
        }
    }
    assert!(proven >= 30, "{proven} of {wide} proven");
}

#[test]
fn a_large_network_agrees_with_a_scan_of_all_its_nodes() {
    let mut dice = common::Dice(7);
    let mut nodes = Vec::new();
    let mut rows = Vec::new();
    for n in 0..3_000 {
        let name = format!("n{n:04}");
        // Dense in the south-west, thin elsewhere.
        let (lat, lon) = (30.0 + dice.unit().powi(3) * 15.0, 100.0 + dice.unit().powi(3) * 20.0);
        nodes.push(store(&name, lat, lon));
        for sku in 0..3 {
            // s2 is rare.
            if dice.roll(if sku == 2 { 400 } else { 3 }) == 0 {
                rows.push(stock(&name, &format!("s{sku}"), 1 + dice.roll(3) as u32));
            }
        }
    }
    let network = Network::build(nodes, rows).expect("a network");
    let rules = rules(&network, POLICY);
    let mut router = Router::new(&network, &rules);
    let mut proven = 0;
    for n in 0..300 {
        let (lat, lon) = (30.0 + dice.unit() * 15.0, 100.0 + dice.unit() * 20.0);
        let sku = ["s0", "s1", "s2"][n % 3];
        let asked = order(&network, &[(sku, 1)], lat, lon);
        let mut plan = Plan::default();
        router.plan(&asked, &mut plan);
        assert_eq!(plan.cost, brute_single(&network, &rules, &asked), "order {n}");
        proven += usize::from(plan.proof.covers_network());
    }
    assert!(proven >= 290, "{proven} of 300 proven over the network");
}

/// One unit: the nearest node that has it, or nothing.
fn brute_single(network: &Network, rules: &Ruleset, order: &Order) -> Cost {
    let costs = &rules.policy().costs;
    let to: Position = order.destination;
    let one = |entry: &onrush_router::stock::EntryIx| {
        let km = network.spot(network.node_of(*entry)).km(to.on_sphere()) * rules.policy().detour;
        let unit = Cost::from_units(costs.per_unit + costs.per_unit_km * km);
        (km <= rules.policy().max_km).then(|| Cost::from_units(costs.fixed_per_shipment) + unit)
    };
    let shipped = network.holders(order.lines[0].sku).iter().filter_map(one).min();
    let (fixed, unit) = rules.policy().unfilled();
    shipped.unwrap_or(Cost(i64::MAX)).min(fixed + unit)
}

#[test]
fn filters_priorities_and_protection_are_obeyed() {
    let mut nodes = vec![store("a", 41.0, 123.0), store("b", 41.1, 123.0), store("c", 41.2, 123.0)];
    nodes[1].groups = vec![label("vip")];
    let rows = vec![stock("a", "x", 1), stock("b", "x", 1), stock("c", "x", 3)];
    let network = Network::build(nodes, rows).expect("a network");
    let asked = order(&network, &[("x", 1)], 41.0, 123.0);
    let node = |toml: &str| {
        let plan = plan(&network, &rules(&network, toml), &asked);
        plan.shipments.first().map(|s| network.node(s.node).name.to_string())
    };
    assert_eq!(node("").as_deref(), Some("a"));
    assert_eq!(node("[filters]\nexclude_nodes = [\"a\"]\n").as_deref(), Some("b"));
    assert_eq!(node("[filters]\ngroups = [\"vip\"]\n").as_deref(), Some("b"));
    assert_eq!(node("[[priority]]\ngroup = \"vip\"\ncost = -1\n").as_deref(), Some("b"));
    assert_eq!(node("[protect]\nstore = 1\n").as_deref(), Some("c"));
    assert_eq!(node("[protect]\nstore = 3\n"), None);
    assert_eq!(node("[filters]\nkinds = [\"warehouse\"]\n"), None);
    let collected =
        with(Order { pickup: network.find_node("c"), ..asked.clone() }, Delivery::Pickup);
    let plan = plan(&network, &rules(&network, ""), &collected);
    assert_eq!(network.node(plan.shipments[0].node).name.as_str(), "c");
    assert_eq!(plan.cost, Cost::ZERO, "handing over ships nothing");
}
