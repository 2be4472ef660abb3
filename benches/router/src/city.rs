//! Benchmark B: a city in an hour. 247 real stores, a lunch peak, capacities, one-hour promises.

use crate::data::Data;
use crate::dice::Dice;
use crate::published::{label, place};
use crate::report::{figure, note, section};
use onrush_router::delivery::Delivery;
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::{NodeIx, NodeKind, NodeSpec};
use onrush_router::order::{Line, Order};
use onrush_router::plan::Plan;
use onrush_router::policy::Policy;
use onrush_router::prices::Pricer;
use onrush_router::{Router, Ruleset};
use onrush_types::Timestamp;

const ORDERS: usize = 20_000;
const SKUS: usize = 60;
/// 11:00 to 13:00 in Shenyang.
const PEAK_STARTS: u64 = 1_794_366_000_000;
const PEAK_MS: u64 = 2 * 3_600_000;
const CAPACITY: u32 = 50;

const POLICY: &str = "[costs]\nfixed_per_shipment = 5\nper_unit = 0.2\nper_unit_km = 0.4\n\
    unfilled_fixed = 0\nunfilled_per_unit = 60\n[split]\nlimit = 1\n\
    [delivery.one_hour]\nmin_confidence = 0.99\n";

fn stores(data: &Data) -> Option<Vec<NodeSpec>> {
    let rows = data.read("stores_shenyang.csv")?;
    let mut seen = std::collections::HashMap::new();
    let node = |row: &Vec<String>| {
        // Two stores may share a name.
        let count = seen.entry(row[0].clone()).or_insert(0);
        *count += 1;
        let name = if *count > 1 { format!("{}-{count}", row[0]) } else { row[0].clone() };
        let (lat, lon) = (row[1].parse().ok()?, row[2].parse().ok()?);
        let mut node = NodeSpec::new(label(&name), NodeKind::Store, place(lat, lon));
        node.capacity_per_hour = Some(CAPACITY);
        node.handling_minutes = 8.0;
        Some(node)
    };
    Some(rows.iter().filter_map(node).collect())
}

fn network(nodes: &[NodeSpec]) -> Network {
    let mut dice = Dice::new(11);
    let mut rows = Vec::new();
    for node in nodes {
        for sku in 0..SKUS {
            if dice.unit() < 0.85 {
                rows.push(StockSpec {
                    node: node.name.clone(),
                    sku: label(&format!("sku-{sku:02}")),
                    on_hand: 2 + dice.below(14) as u32,
                    safety_stock: 0,
                    channel_quotas: Vec::new(),
                });
            }
        }
    }
    Network::build(nodes.to_vec(), rows).expect("a network")
}

/// Stores stand where people live: buyers are drawn around them, twice as many in the centre.
fn orders(network: &Network, seed: u64) -> Vec<Order> {
    let mut dice = Dice::new(seed);
    let nodes = network.nodes();
    let count = nodes.len() as f64;
    let lat = nodes.iter().map(|node| node.position.lat()).sum::<f64>() / count;
    let lon = nodes.iter().map(|node| node.position.lon()).sum::<f64>() / count;
    let centre = place(lat, lon).on_sphere();
    let weights: Vec<f64> = nodes
        .iter()
        .map(|node| if node.position.on_sphere().km(centre) < 8.0 { 2.0 } else { 1.0 })
        .collect();
    let mut orders: Vec<Order> = (0..ORDERS)
        .map(|n| {
            let near = &nodes[dice.pick(&weights)].position;
            let (dy, dx) = (dice.normal() * 1.5 / 111.0, dice.normal() * 1.5 / 83.0);
            let mut lines: Vec<Line> = Vec::new();
            for _ in 0..=dice.below(3) {
                // Some things are wanted more often than others.
                let sku = (dice.unit().powi(2) * SKUS as f64) as usize;
                let sku = network.find_sku(&format!("sku-{sku:02}")).expect("stocked");
                if lines.iter().all(|line| line.sku != sku) {
                    lines.push(Line { sku, units: 1 });
                }
            }
            // A peak in the middle of the two hours.
            let at = (dice.unit() + dice.unit()) / 2.0 * PEAK_MS as f64;
            let placed = Timestamp(PEAK_STARTS + at as u64);
            let to = place(near.lat() + dy, near.lon() + dx);
            let order = Order::new(label(&format!("o{n}")), placed, to, lines);
            Order { delivery: Delivery::OneHour, ..order }
        })
        .collect();
    orders.sort_by_key(|order| order.placed);
    orders
}

/// Promises given and kept.
#[derive(Default)]
struct Kept {
    given: u32,
    kept: u32,
    cost: f64,
}

impl Kept {
    /// The road decides: the model's mean with the stated spread, as a normal draw.
    fn count(
        &mut self,
        rules: &Ruleset,
        network: &Network,
        order: &Order,
        plan: &Plan,
        road: &mut Dice,
    ) {
        if !plan.unfilled.is_empty() || plan.shipments.is_empty() {
            return;
        }
        let shipment = &plan.shipments[0];
        let rule = rules.policy().rule(order.delivery);
        let handling = network.node(shipment.node).handling_ms as f64;
        let mean = handling + (rule.start_minutes + shipment.km / rule.speed_kmh * 60.0) * 60_000.0;
        let took = mean * (1.0 + rule.spread * road.normal());
        self.given += 1;
        self.cost += plan.cost.to_units();
        self.kept +=
            u32::from(shipment.start.0 as f64 + took <= (order.placed.0 + 3_600_000) as f64);
    }
}

/// The nearest store decides alone, or the next ones are asked too.
fn nearest_first(nodes: &[NodeSpec], seed: u64, asked: usize) -> Kept {
    let network = network(nodes);
    let rules = Ruleset::new(Policy::from_toml(POLICY).expect("a policy"), &network);
    let (mut kept, mut road) = (Kept::default(), Dice::new(77));
    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    for order in orders(&network, seed) {
        let to = order.destination.on_sphere();
        let mut others: Vec<NodeIx> = (0..network.nodes().len() as u32).map(NodeIx).collect();
        others.sort_by(|&a, &b| network.spot(a).chord2(to).total_cmp(&network.spot(b).chord2(to)));
        for turn in 0..asked {
            let mut left_out = others.clone();
            left_out.remove(turn);
            let ask = onrush_router::Ask { without: &left_out, credit: None };
            router.plan_with(&order, ask, &mut plan);
            if plan.unfilled.is_empty() && network.hold(&plan).is_ok() {
                kept.count(&rules, &network, &order, &plan, &mut road);
                break;
            }
        }
    }
    kept
}

fn exact(nodes: &[NodeSpec], seed: u64, prices: &str) -> Kept {
    let network = network(nodes);
    let text = format!("{POLICY}{prices}");
    let rules = Ruleset::new(Policy::from_toml(&text).expect("a policy"), &network);
    let mut pricer =
        rules.policy().prices.enabled.then(|| Pricer::new(&network, &rules, None, None));
    let (mut kept, mut road) = (Kept::default(), Dice::new(77));
    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    for order in orders(&network, seed) {
        router.plan(&order, &mut plan);
        // A promise is for the whole order: what cannot be kept whole is not promised.
        if plan.unfilled.is_empty() && network.hold(&plan).is_ok() {
            kept.count(&rules, &network, &order, &plan, &mut road);
        } else {
            plan.clear();
        }
        // Who is not promised anything is demand as well.
        if let Some(pricer) = &mut pricer {
            pricer.observe(&network, &rules, &order, &plan);
        }
    }
    kept
}

pub(crate) fn run(data: &Data) {
    section("B. A city in an hour: 247 stores, 20,000 orders in a two-hour lunch peak");
    let Some(nodes) = stores(data) else { return };
    println!(
        "buyers are drawn around the stores (no public map of orders), stock is drawn (seed 11)\n"
    );
    let nearest = nearest_first(&nodes, 21, 1);
    let next = nearest_first(&nodes, 21, 5);
    let greedy = exact(&nodes, 21, "");
    let priced = exact(&nodes, 21, "[prices]\nenabled = true\nreprice_every = 2000\n");
    let stated = exact(
        &nodes,
        21,
        "[prices]\nenabled = true\nreprice_every = 2000\nhorizon_orders = 20000\n",
    );
    for (name, kept) in [
        ("nearest store, alone", &nearest),
        ("nearest first, up to five stores asked", &next),
        ("exact", &greedy),
        ("exact + prices, horizon guessed", &priced),
        ("exact + prices, horizon stated", &stated),
    ] {
        let each = kept.cost / f64::from(kept.given.max(1));
        note(&format!("{name}: promised, cost an order"), &format!("{} at {each:.2}", kept.given));
    }
    let share = f64::from(greedy.kept) / f64::from(greedy.given.max(1));
    figure(
        "promises kept (exact)",
        &format!("{:.2} %", share * 100.0),
        ">= 99 % of given",
        share >= 0.99,
    );
    let more = f64::from(greedy.given) / f64::from(nearest.given.max(1));
    figure(
        "promised (exact), against nearest-first",
        &format!("{more:.3} x"),
        ">= 1.1 x",
        more >= 1.1,
    );
    let more = f64::from(greedy.given) / f64::from(next.given.max(1));
    note("promised (exact), against nearest-first over five stores", &format!("{more:.3} x"));
}
