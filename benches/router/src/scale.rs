//! Benchmark D: one chain's 16,022 stores and all 198,252, a million orders.

use crate::data::Data;
use crate::dice::Dice;
use crate::published::{label, place};
use crate::report::{figure, micros, note, quantile, section};
use onrush_router::geo::Position;
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::{NodeKind, NodeSpec};
use onrush_router::order::{Line, Order, SkuNo};
use onrush_router::plan::Plan;
use onrush_router::policy::Policy;
use onrush_router::search::Cells;
use onrush_router::{Router, Ruleset};
use onrush_types::Timestamp;
use std::time::{Duration, Instant};

const ORDERS: usize = 1_000_000;
const SKUS: usize = 20;

const POLICY: &str = "[costs]\nfixed_per_shipment = 5\nper_unit = 0.4\nper_unit_km = 0.01\n\
    unfilled_fixed = 10\nunfilled_per_unit = 30\n[split]\nlimit = 3\n";

/// Stock follows demand: a store has half as much again of each of its SKUs as buyers nearest to it
/// will ask for on average, and at least two.
fn network(places: &[Position], demand: &[u32]) -> Network {
    let mut dice = Dice::new(31);
    let mut nodes = Vec::with_capacity(places.len());
    let mut rows = Vec::new();
    for (n, &at) in places.iter().enumerate() {
        let name = label(&format!("s{n:06}"));
        // Two units an order over the SKUs, each at half the nodes.
        let mean = 1.5 * f64::from(demand[n]) * 2.0 / (SKUS as f64 / 2.0);
        for sku in 0..SKUS {
            if dice.unit() < 0.5 {
                rows.push(StockSpec {
                    node: name.clone(),
                    sku: label(&format!("sku-{sku:02}")),
                    on_hand: 3 + mean.round() as u32,
                    safety_stock: 1,
                    channel_quotas: Vec::new(),
                });
            }
        }
        nodes.push(NodeSpec::new(name, NodeKind::Store, at));
    }
    Network::build(nodes, rows).expect("a network")
}

/// How many of as many other buyers each store is the nearest to.
fn demand(places: &[Position], cumulative: &[f64], cities: &[(Position, f64)]) -> Vec<u32> {
    let cells = Cells::build(places);
    let mut dice = Dice::new(33);
    let mut order = Order::new(label("o"), Timestamp(0), cities[0].0, Vec::new());
    let mut demand = vec![0; places.len()];
    for _ in 0..ORDERS {
        draw(cumulative, cities, &mut dice, &mut order);
        let to = order.destination.on_sphere();
        let near = cells.near(order.destination).nodes.iter().copied();
        let nearest =
            near.min_by(|&a, &b| cells.spot(a).chord2(to).total_cmp(&cells.spot(b).chord2(to)));
        demand[nearest.expect("nodes") as usize] += 1;
    }
    demand
}

fn cities(data: &Data) -> Option<Vec<(Position, f64)>> {
    let rows = data.read("cities.csv.gz")?;
    let us = rows.iter().filter(|row| row[2] == "US");
    let city = |row: &Vec<String>| {
        Some((place(row[4].parse().ok()?, row[5].parse().ok()?), row[6].parse().ok()?))
    };
    Some(us.filter_map(city).collect())
}

/// Buyers live around cities, as many as the city has people; one to three SKUs each.
fn draw(cumulative: &[f64], cities: &[(Position, f64)], dice: &mut Dice, into: &mut Order) {
    let at = dice.unit() * cumulative[cumulative.len() - 1];
    let city = cities[cumulative.partition_point(|&sum| sum < at)].0;
    let (dy, dx) = (dice.normal() * 0.1, dice.normal() * 0.1);
    into.destination =
        place((city.lat() + dy).clamp(-89.0, 89.0), (city.lon() + dx).clamp(-180.0, 180.0));
    into.lines.clear();
    for _ in 0..=dice.below(3) {
        let sku = SkuNo(dice.below(SKUS) as u32);
        if into.lines.iter().all(|line| line.sku != sku) {
            into.lines.push(Line { sku, units: 1 });
        }
    }
}

fn run_one(name: &str, places: &[Position], cities: &[(Position, f64)], limit: Option<Duration>) {
    let mut sum = 0.0;
    let add = |city: &(Position, f64)| {
        sum += city.1;
        sum
    };
    let cumulative: Vec<f64> = cities.iter().map(add).collect();
    let demand = demand(places, &cumulative, cities);
    let start = Instant::now();
    let network = network(places, &demand);
    let rules = Ruleset::new(Policy::from_toml(POLICY).expect("a policy"), &network);
    note(&format!("{name}: network and cells built in"), &format!("{:.2?}", start.elapsed()));
    let mut router = Router::new(&network, &rules);
    let mut dice = Dice::new(32);
    let mut order = Order::new(label("o"), Timestamp(0), cities[0].0, Vec::new());
    let mut plan = Plan::default();
    let mut times = Vec::with_capacity(ORDERS);
    let (mut proven, mut unfilled) = (0u32, 0u32);
    for _ in 0..ORDERS {
        draw(&cumulative, cities, &mut dice, &mut order);
        let start = Instant::now();
        router.plan(&order, &mut plan);
        let held = network.hold(&plan);
        times.push(start.elapsed());
        assert!(held.is_ok(), "one thread");
        proven += u32::from(plan.proof.covers_network());
        unfilled += plan.unfilled_units();
    }
    let total: Duration = times.iter().sum();
    times.sort_unstable();
    let rate = ORDERS as f64 / total.as_secs_f64();
    note(&format!("{name}: orders a second, planned and taken"), &format!("{rate:.0}"));
    note(&format!("{name}: p50"), &micros(quantile(&times, 0.5)));
    let p99 = quantile(&times, 0.99);
    match limit {
        Some(limit) => {
            figure(&format!("{name}: p99"), &micros(p99), &format!("<= {limit:?}"), p99 <= limit)
        }
        None => note(&format!("{name}: p99"), &micros(p99)),
    }
    note(&format!("{name}: p99.9"), &micros(quantile(&times, 0.999)));
    let share = f64::from(proven) / ORDERS as f64 * 100.0;
    note(&format!("{name}: proven over the whole network"), &format!("{share:.2} %"));
    note(&format!("{name}: units unfilled"), &unfilled.to_string());
}

pub(crate) fn run(data: &Data) {
    section("D. Scale: 1,000,000 orders of 1-3 SKUs, each SKU at half the nodes");
    let (Some(rows), Some(cities)) = (data.read("stores_us.csv.gz"), cities(data)) else { return };
    let at = |row: &&Vec<String>| Some(place(row[1].parse().ok()?, row[2].parse().ok()?));
    let chain: Vec<Position> =
        rows.iter().filter(|row| row[0] == "starbucks").filter_map(|row| at(&row)).collect();
    let all: Vec<Position> = rows.iter().filter_map(|row| at(&row)).collect();
    run_one(&format!("{} nodes", chain.len()), &chain, &cities, None);
    run_one(&format!("{} nodes", all.len()), &all, &cities, Some(Duration::from_micros(20)));
}
