//! Benchmark A: the network of Jasin and Sinha (2015), as Ma (2023) states it.

use crate::dice::Dice;
use crate::nearest::nearest_each_item;
use crate::report::{figure, note, section};
use onrush_router::Label;
use onrush_router::Ruleset;
use onrush_router::geo::{KM_PER_MILE, Position};
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::{NodeKind, NodeSpec};
use onrush_router::order::{Line, Order};
use onrush_router::policy::Policy;
use onrush_router::prices::Forecast;
use onrush_router::simulate::{hindsight_bound, replay};
use onrush_types::Timestamp;

pub(crate) const ORDERS: usize = 10_000;
const SKUS: usize = 20;
const TYPES: usize = 25;

const CITIES: [(f64, f64, f64); 10] = [
    (40.6943, -73.9249, 18_680_025.0),
    (34.1141, -118.4068, 12_531_334.0),
    (41.8375, -87.6866, 8_586_888.0),
    (25.784, -80.2101, 6_076_316.0),
    (32.7935, -96.7667, 5_910_669.0),
    (29.786, -95.3885, 5_724_418.0),
    (40.0077, -75.1339, 5_540_199.0),
    (33.7628, -84.422, 5_151_496.0),
    (38.9047, -77.0163, 5_066_973.0),
    (42.3188, -71.0852, 4_465_966.0),
];

const CENTRES: [(f64, f64); 5] = [
    (37.7448, -121.3985),
    (39.9797, -86.3833),
    (41.2776, -75.4973),
    (32.9709, -97.3348),
    (33.9114, -81.0501),
];

/// One drawn instance: network, rates and how to draw orders.
pub(crate) struct World {
    pub(crate) nodes: Vec<NodeSpec>,
    pub(crate) stock: Vec<StockSpec>,
    types: Vec<Vec<usize>>,
    type_rates: Vec<f64>,
    city_rates: Vec<f64>,
    farthest_miles: f64,
}

impl World {
    pub(crate) fn draw(seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let mut types = Vec::new();
        for size in 1..=5 {
            for _ in 0..TYPES / 5 {
                let mut skus: Vec<usize> = (0..SKUS).collect();
                for at in 0..size {
                    let other = at + dice.below(SKUS - at);
                    skus.swap(at, other);
                }
                skus.truncate(size);
                skus.sort_unstable();
                types.push(skus);
            }
        }
        // A random share for each size, and within a size for each type.
        let sizes = shares(&mut dice, 5);
        let type_rates: Vec<f64> = sizes
            .iter()
            .flat_map(|size| shares(&mut dice, TYPES / 5).into_iter().map(move |t| t * size))
            .collect();
        let people: f64 = CITIES.iter().map(|city| city.2).sum();
        let city_rates: Vec<f64> = CITIES.iter().map(|city| city.2 / people).collect();
        let mut world = World {
            nodes: Vec::new(),
            stock: Vec::new(),
            types,
            type_rates,
            city_rates,
            farthest_miles: 0.0,
        };
        world.lay_in(&mut dice);
        world
    }

    /// Stock: expected demand of the cities for which a centre is the nearest that stocks the SKU,
    /// plus half a standard deviation.
    fn lay_in(&mut self, dice: &mut Dice) {
        let name = |n: usize| label(&format!("centre-{n}"));
        for (n, &(lat, lon)) in CENTRES.iter().enumerate() {
            self.nodes.push(NodeSpec::new(name(n), NodeKind::Warehouse, place(lat, lon)));
        }
        for sku in 0..SKUS {
            let mut stocked: Vec<bool> = CENTRES.iter().map(|_| dice.unit() < 0.75).collect();
            if !stocked.contains(&true) {
                stocked[dice.below(CENTRES.len())] = true;
            }
            let rate: f64 = (0..TYPES)
                .filter(|&t| self.types[t].contains(&sku))
                .map(|t| self.type_rates[t])
                .sum();
            let mut chance = vec![0.0; CENTRES.len()];
            for (city, share) in self.city_rates.iter().enumerate() {
                let nearest = (0..CENTRES.len())
                    .filter(|&c| stocked[c])
                    .min_by(|&a, &b| miles(a, city).total_cmp(&miles(b, city)))
                    .expect("stocked somewhere");
                chance[nearest] += rate * share;
            }
            for (centre, &p) in chance.iter().enumerate().filter(|&(c, _)| stocked[c]) {
                let mean = ORDERS as f64 * p;
                let units = mean + 0.5 * (mean * (1.0 - p)).sqrt();
                self.stock.push(StockSpec {
                    node: name(centre),
                    sku: label(&format!("sku-{sku:02}")),
                    on_hand: units.round() as u32,
                    safety_stock: 0,
                    channel_quotas: Vec::new(),
                });
            }
        }
        let all = (0..CENTRES.len()).flat_map(|c| (0..CITIES.len()).map(move |city| (c, city)));
        self.farthest_miles = all.map(|(c, city)| miles(c, city)).fold(0.0, f64::max);
    }

    pub(crate) fn network(&self) -> Network {
        Network::build(self.nodes.clone(), self.stock.clone()).expect("a network")
    }

    pub(crate) fn policy(&self, prices: &str) -> Policy {
        let per_km = 0.000_541 / KM_PER_MILE;
        let unfilled = 2.0 * (0.423 + 0.000_541 * self.farthest_miles);
        let text = format!(
            "[costs]\nfixed_per_shipment = 8.759\nper_unit = 0.423\nper_unit_km = {per_km}\n\
             unfilled_fixed = {}\nunfilled_per_unit = {unfilled}\n[distance]\ndetour = 1.0\n{prices}",
            2.0 * 8.759,
        );
        Policy::from_toml(&text).expect("a policy")
    }

    /// Draw a sequence of orders.
    pub(crate) fn orders(&self, network: &Network, seed: u64) -> Vec<Order> {
        let mut dice = Dice::new(seed);
        let one = |n| {
            let kind = dice.pick(&self.type_rates);
            let city = dice.pick(&self.city_rates);
            self.order(network, n, kind, city)
        };
        (0..ORDERS).map(one).collect()
    }

    /// One example of each class with its expected number of orders.
    pub(crate) fn rates(&self, network: &Network) -> Vec<(Order, f64)> {
        let mut classes = Vec::new();
        for (kind, rate) in self.type_rates.iter().enumerate() {
            for (city, share) in self.city_rates.iter().enumerate() {
                let order = self.order(network, 0, kind, city);
                classes.push((order, ORDERS as f64 * rate * share));
            }
        }
        classes
    }

    fn order(&self, network: &Network, n: usize, kind: usize, city: usize) -> Order {
        let line = |&sku: &usize| Line {
            sku: network.find_sku(&format!("sku-{sku:02}")).expect("stocked somewhere"),
            units: 1,
        };
        let lines = self.types[kind].iter().map(line).collect();
        let to = place(CITIES[city].0, CITIES[city].1);
        Order::new(label(&format!("o{n}")), Timestamp(n as u64 * 60_000), to, lines)
    }
}

const WORLDS: u64 = 10;

/// What each policy costs above the bound, in percent, summed over the worlds.
#[derive(Default)]
struct Gaps {
    rows: Vec<(&'static str, Vec<f64>)>,
}

impl Gaps {
    fn add(&mut self, policy: &'static str, gap: f64) {
        match self.rows.iter_mut().find(|(name, _)| *name == policy) {
            Some((_, gaps)) => gaps.push(gap),
            None => self.rows.push((policy, vec![gap])),
        }
    }

    fn mean(&self, policy: &str) -> f64 {
        let row = self.rows.iter().find(|(name, _)| *name == policy);
        row.map_or(f64::NAN, |(_, gaps)| gaps.iter().sum::<f64>() / gaps.len() as f64)
    }
}

const HORIZON: &str = "[prices]\nenabled = true\nreprice_every = 200\nhorizon_orders = 10000\n";
const RARELY: &str = "[prices]\nenabled = true\nreprice_every = 1000\nhorizon_orders = 10000\n";
const OPEN: &str = "[prices]\nenabled = true\nreprice_every = 200\n";

fn run_world(seed: u64, gaps: &mut Gaps) {
    let world = World::draw(seed);
    let fresh = |prices: &str| {
        let network = world.network();
        let rules = Ruleset::new(world.policy(prices), &network);
        (network, rules)
    };
    let (network, rules) = fresh("");
    let orders = world.orders(&network, 1_000 + seed);
    let bound = hindsight_bound(&network, &rules, &orders).expect("five nodes");
    let gap = |cost: f64| (cost / bound - 1.0) * 100.0;
    gaps.add(NEAREST, gap(nearest_each_item(&network, &rules, &orders)));
    let run = |prices: &str, forecast: Option<Forecast>| {
        let (network, rules) = fresh(prices);
        gap(replay(&network, &rules, &orders, forecast, |_, _, _| {}).finish(None).cost)
    };
    gaps.add(GREEDY, run("", None));
    let rates = world.rates(&network);
    let known = || Forecast::rates(rates.iter().map(|(order, count)| (order, *count)));
    gaps.add("exact + prices, known rates, solved 10 times", run(RARELY, Some(known())));
    gaps.add(KNOWN, run(HORIZON, Some(known())));
    let past = world.orders(&network, 5_000 + seed);
    gaps.add(LEARNED, run(HORIZON, Some(Forecast::learn(&past))));
    gaps.add("exact + prices, nothing known but the horizon", run(HORIZON, None));
    gaps.add(NOTHING, run(OPEN, None));
    let mut dice = Dice::new(9_000 + seed);
    let wrong = rates
        .iter()
        .map(|(order, count)| (order, if dice.unit() < 0.5 { count * 2.0 } else { count / 2.0 }));
    gaps.add(WRONG, run(HORIZON, Some(Forecast::rates(wrong))));
}

const NEAREST: &str = "nearest stocked centre for each item";
const GREEDY: &str = "exact, no prices";
const KNOWN: &str = "exact + prices, known rates, solved 50 times";
const LEARNED: &str = "exact + prices, rates from one past sequence";
const NOTHING: &str = "exact + prices, nothing known, learned as it goes";
const WRONG: &str = "exact + prices, each rate doubled or halved at random";

pub(crate) fn run() {
    section("A. Published network: 10 cities, 5 centres, 20 SKUs, 10,000 orders, 10 drawn worlds");
    let mut gaps = Gaps::default();
    for seed in 0..WORLDS {
        run_world(seed, &mut gaps);
    }
    println!(
        "{:<58} {:>8} {:>8} {:>8}   above the hindsight bound, %",
        "policy", "mean", "best", "worst"
    );
    for (name, row) in &gaps.rows {
        let best = row.iter().copied().fold(f64::INFINITY, f64::min);
        let worst = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        println!("{name:<58} {:>8.2} {best:>8.2} {worst:>8.2}", gaps.mean(name));
    }
    println!();
    let percent = |value: f64| format!("{value:.2} %");
    let (nearest, greedy, known) = (gaps.mean(NEAREST), gaps.mean(GREEDY), gaps.mean(KNOWN));
    figure("known rates, re-priced: above the bound", &percent(known), "<= 2.0 %", known <= 2.0);
    let closed = (1.0 - known / nearest) * 100.0;
    figure("share of the nearest-node gap closed", &percent(closed), ">= 85 %", closed >= 85.0);
    let learned = gaps.mean(LEARNED);
    figure("rates from one past sequence", &percent(learned), "<= 2.5 %", learned <= 2.5);
    let nothing = gaps.mean(NOTHING);
    figure("no forecast", &percent(nothing), "<= 3.5 %", nothing <= 3.5);
    let wrong = gaps.mean(WRONG);
    figure("rates wrong by a factor 2", &percent(wrong), "better than exact", wrong < greedy);
    note("published for this network: nearest, exact, re-solved 50 x", "13.7, 7.9, 1.9 %");
}

fn shares(dice: &mut Dice, count: usize) -> Vec<f64> {
    let draws: Vec<f64> = (0..count).map(|_| dice.unit()).collect();
    let sum: f64 = draws.iter().sum();
    draws.into_iter().map(|draw| draw / sum).collect()
}

fn miles(centre: usize, city: usize) -> f64 {
    let (lat, lon) = CENTRES[centre];
    let to = place(CITIES[city].0, CITIES[city].1);
    place(lat, lon).on_sphere().km(to.on_sphere()) / KM_PER_MILE
}

pub(crate) fn place(lat: f64, lon: f64) -> Position {
    Position::new(lat, lon).expect("on the globe")
}

pub(crate) fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}
