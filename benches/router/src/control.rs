//! Benchmark E: a tree of regional and front warehouses, where taking the cheapest now is known to
//! be near the best. Prices should gain about nothing, and lose nothing.

use crate::dice::Dice;
use crate::nearest::nearest_each_item;
use crate::published::{label, place};
use crate::report::{figure, note, section};
use onrush_router::Ruleset;
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::{NodeKind, NodeSpec};
use onrush_router::order::{Line, Order};
use onrush_router::policy::Policy;
use onrush_router::simulate::{hindsight_bound, replay};
use onrush_types::Timestamp;

const ORDERS: usize = 10_000;
const REGIONS: usize = 3;
const FRONTS: usize = 4;
const SKUS: usize = 12;

const POLICY: &str = "[costs]\nfixed_per_shipment = 4\nper_unit = 0.5\nper_unit_km = 0.01\n\
    unfilled_fixed = 20\nunfilled_per_unit = 10\n[distance]\ndetour = 1.0\n";

fn front_place(region: usize, front: usize) -> (f64, f64) {
    let (dy, dx) = [(0.6, 0.0), (-0.6, 0.0), (0.0, 0.8), (0.0, -0.8)][front];
    (30.0 + dy, 105.0 + 6.0 * region as f64 + dx)
}

/// Every region: one deep warehouse, four fronts with about their own demand.
fn network() -> Network {
    let mut nodes = Vec::new();
    let mut rows = Vec::new();
    let mean = ORDERS as f64 * 2.0 / (SKUS * REGIONS * FRONTS) as f64;
    let mut add = |name: String, lat, lon, units: f64| {
        let name = label(&name);
        nodes.push(NodeSpec::new(name.clone(), NodeKind::Warehouse, place(lat, lon)));
        for sku in 0..SKUS {
            rows.push(StockSpec {
                node: name.clone(),
                sku: label(&format!("sku-{sku:02}")),
                on_hand: units as u32,
                safety_stock: 0,
                channel_quotas: Vec::new(),
            });
        }
    };
    for region in 0..REGIONS {
        add(format!("region-{region}"), 30.0, 105.0 + 6.0 * region as f64, mean * 2.0);
        for front in 0..FRONTS {
            let (lat, lon) = front_place(region, front);
            add(format!("front-{region}-{front}"), lat, lon, mean - 0.5 * mean.sqrt());
        }
    }
    Network::build(nodes, rows).expect("a network")
}

fn orders(network: &Network) -> Vec<Order> {
    let mut dice = Dice::new(51);
    let one = |n: usize| {
        let (lat, lon) = front_place(dice.below(REGIONS), dice.below(FRONTS));
        let first = dice.below(SKUS);
        let second = (first + 1 + dice.below(SKUS - 1)) % SKUS;
        let third = (first + 1 + dice.below(SKUS - 1)) % SKUS;
        let mut skus = vec![first];
        if dice.unit() < 0.6 {
            skus.push(second);
        }
        if dice.unit() < 0.4 && third != second {
            skus.push(third);
        }
        let find = |sku: usize| network.find_sku(&format!("sku-{sku:02}")).expect("stocked");
        let lines = skus.into_iter().map(|sku| Line { sku: find(sku), units: 1 }).collect();
        Order::new(label(&format!("o{n}")), Timestamp(n as u64), place(lat, lon), lines)
    };
    (0..ORDERS).map(one).collect()
}

pub(crate) fn run() {
    section("E. Control: 3 regional and 12 front warehouses, 10,000 orders");
    let fresh = |prices: &str| {
        let network = network();
        let policy = Policy::from_toml(&format!("{POLICY}{prices}")).expect("a policy");
        let rules = Ruleset::new(policy, &network);
        (network, rules)
    };
    let (network, rules) = fresh("");
    let orders = orders(&network);
    let bound = hindsight_bound(&network, &rules, &orders).expect("fifteen nodes");
    let gap = |cost: f64| (cost / bound - 1.0) * 100.0;
    let nearest = gap(nearest_each_item(&network, &rules, &orders));
    let run = |prices: &str| {
        let (network, rules) = fresh(prices);
        gap(replay(&network, &rules, &orders, None, |_, _, _| {}).finish(None).cost)
    };
    let myopic = run("");
    let priced = run("[prices]\nenabled = true\nreprice_every = 500\nhorizon_orders = 10000\n");
    note("nearest for each item, above the bound", &format!("{nearest:.2} %"));
    note("exact, above the bound", &format!("{myopic:.2} %"));
    note("exact + prices, above the bound", &format!("{priced:.2} %"));
    let gain = myopic - priced;
    figure("gain of prices", &format!("{gain:.2} points"), "near 0", gain.abs() <= 1.0);
}
