//! Benchmark C: real baskets with real stamps over 457 nodes placed on a real chain.
//!
//! Baskets, stamps and stores: *Complete Journey* (dunnhumby), 457 stores; each store stands where one
//! of a US chain's stores does, every so many in that file's order, and a basket goes to its household's
//! usual store's surroundings. Without that file, UCI Online Retail, with homes drawn by population.
//! Stock is derived from the baskets' first half, as no public set has it: a node keeps of a product
//! what was bought there, and half a standard deviation.

use crate::data::Data;
use crate::dice::Dice;
use crate::nearest::{nearest_each_item, units};
use crate::published::{label, place};
use crate::report::{note, section};
use onrush_router::geo::Position;
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::{NodeKind, NodeSpec};
use onrush_router::order::{Line, Order, SkuNo};
use onrush_router::plan::Plan;
use onrush_router::policy::Policy;
use onrush_router::prices::{Forecast, Pricer};
use onrush_router::{Router, Ruleset};
use onrush_types::Timestamp;
use std::collections::{BTreeMap, HashMap};

const NODES: usize = 457;
/// Baskets of more lines are wholesale orders.
const LINES_MAX: usize = 12;
/// Units of one line are cut to this, for the same reason.
const UNITS_MAX: u32 = 12;

const POLICY: &str = "[costs]\nfixed_per_shipment = 6\nper_unit = 0.3\nper_unit_km = 0.0008\n\
    unfilled_fixed = 12\nunfilled_per_unit = 8\n[split]\nlimit = 7\n";

struct Basket {
    placed: Timestamp,
    to: Position,
    /// Where it was really bought, if that is known.
    store: Option<usize>,
    lines: Vec<(String, u32)>,
}

/// Baskets of the Complete Journey: `household_id, store_id, basket_id, product_id, quantity,
/// transaction_timestamp`.
fn complete_journey(data: &Data, places: &[Position]) -> Option<Vec<Basket>> {
    let rows = data.read("completejourney.csv.gz")?;
    let mut stores: BTreeMap<u32, usize> = BTreeMap::new();
    for row in &rows {
        stores.insert(row[1].parse().ok()?, 0);
    }
    stores.values_mut().zip(0..).for_each(|(place, n)| *place = n % places.len());
    let mut visits: HashMap<&str, HashMap<usize, u32>> = HashMap::new();
    for row in &rows {
        let store = stores[&row[1].parse().ok()?];
        *visits.entry(&row[0]).or_default().entry(store).or_insert(0) += 1;
    }
    let mut dice = Dice::new(43);
    let mut homes: BTreeMap<&str, Position> = BTreeMap::new();
    let mut households: Vec<&str> = visits.keys().copied().collect();
    households.sort_unstable();
    for household in households {
        let usual = visits[household].iter().max_by_key(|&(&store, &count)| (count, store));
        let at = places[*usual.expect("a visit").0];
        let (lat, lon) = (at.lat() + dice.normal() * 0.05, at.lon() + dice.normal() * 0.05);
        homes.insert(household, place(lat, lon));
    }
    let mut found: BTreeMap<&str, Basket> = BTreeMap::new();
    for row in &rows {
        let Some(count) = row[4].parse::<u32>().ok().filter(|&q| q > 0) else { continue };
        let (placed, to) = (stamp(&row[5])?, homes[row[0].as_str()]);
        let store = Some(stores[&row[1].parse().ok()?]);
        let basket =
            found.entry(&row[2]).or_insert(Basket { placed, to, store, lines: Vec::new() });
        add_line(basket, &row[3], count);
    }
    Some(in_time(found.into_values()))
}

fn add_line(basket: &mut Basket, sku: &str, count: u32) {
    let count = count.min(UNITS_MAX);
    match basket.lines.iter_mut().find(|(have, _)| have == sku) {
        Some((_, units)) => *units = (*units + count).min(UNITS_MAX),
        None => basket.lines.push((sku.to_owned(), count)),
    }
}

/// Baskets of at most [`LINES_MAX`] lines by time.
fn in_time(baskets: impl Iterator<Item = Basket>) -> Vec<Basket> {
    let mut baskets: Vec<Basket> = baskets.filter(|b| b.lines.len() <= LINES_MAX).collect();
    baskets.sort_by_key(|basket| basket.placed);
    baskets
}

fn online_retail(data: &Data) -> Option<Vec<Basket>> {
    let rows = data.read("online_retail.csv.gz")?;
    let cities = data.read("cities.csv.gz")?;
    let cities: Vec<(Position, f64)> = cities
        .iter()
        .filter(|row| row[2] == "US")
        .filter_map(|row| {
            Some((place(row[4].parse().ok()?, row[5].parse().ok()?), row[6].parse().ok()?))
        })
        .collect();
    let weights: Vec<f64> = cities.iter().map(|city| city.1).collect();
    let mut homes: HashMap<String, Position> = HashMap::new();
    let mut dice = Dice::new(41);
    let mut found: BTreeMap<String, Basket> = BTreeMap::new();
    for row in &rows {
        let (invoice, sku, customer) = (&row[0], &row[1], &row[5]);
        let Some(count) = row[2].parse::<i64>().ok().filter(|&q| q > 0) else { continue };
        if invoice.starts_with('C') {
            continue;
        }
        let home = if customer.is_empty() { invoice } else { customer };
        let to = *homes.entry(home.clone()).or_insert_with(|| cities[dice.pick(&weights)].0);
        let placed = stamp(&row[3])?;
        let basket = found.entry(invoice.clone()).or_insert(Basket {
            placed,
            to,
            store: None,
            lines: Vec::new(),
        });
        add_line(basket, sku, u32::try_from(count).unwrap_or(UNITS_MAX));
    }
    Some(in_time(found.into_values()))
}

/// `2010-12-01 08:26:00` as an instant; months are counted as 31 days, order is what matters.
fn stamp(text: &str) -> Option<Timestamp> {
    let mut parts = text.split(['-', ' ', ':']).map(|part| part.parse::<u64>().ok());
    let mut next = || parts.next().flatten();
    let (year, month, day) = (next()?, next()?, next()?);
    let (hour, minute) = (next()?, next()?);
    let days = (year - 1970) * 372 + (month - 1) * 31 + day - 1;
    Some(Timestamp((days * 1_440 + hour * 60 + minute) * 60_000))
}

/// Stock each SKU where it was bought in the first half (or, where that is not known, at the nearest of
/// some nodes drawn for it), as many units as were bought there and half a standard deviation.
fn network(places: &[Position], past: &[Basket]) -> Network {
    let spots: Vec<_> = places.iter().map(|place| place.on_sphere()).collect();
    // A SKU is kept at as many nodes as can hold about twenty units of it each, drawn for each SKU.
    let mut wanted: HashMap<&str, u32> = HashMap::new();
    for (sku, count) in past.iter().flat_map(|basket| &basket.lines) {
        *wanted.entry(sku).or_insert(0) += count;
    }
    let mut stocked: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut demand: BTreeMap<(&str, usize), f64> = BTreeMap::new();
    let mut dice = Dice::new(42);
    for basket in past {
        let to = basket.to.on_sphere();
        for (sku, count) in &basket.lines {
            if let Some(store) = basket.store {
                *demand.entry((sku, store)).or_insert(0.0) += f64::from(*count);
                continue;
            }
            let nodes = stocked.entry(sku).or_insert_with(|| {
                let count = (wanted[sku.as_str()] as usize / 20).clamp(2, places.len() / 4);
                (0..count).map(|_| dice.below(places.len())).collect()
            });
            let nearest = nodes.iter().copied();
            let nearest =
                nearest.min_by(|&a, &b| spots[a].chord2(to).total_cmp(&spots[b].chord2(to)));
            *demand.entry((sku, nearest.expect("some nodes"))).or_insert(0.0) += f64::from(*count);
        }
    }
    let name = |n: usize| label(&format!("s{n:03}"));
    let nodes = places.iter().enumerate();
    let nodes = nodes.map(|(n, &at)| NodeSpec::new(name(n), NodeKind::Store, at)).collect();
    let row = |(&(sku, node), &mean): (&(&str, usize), &f64)| StockSpec {
        node: name(node),
        sku: label(sku.trim()),
        on_hand: (mean + 0.5 * mean.sqrt()).round() as u32,
        safety_stock: 0,
        channel_quotas: Vec::new(),
    };
    Network::build(nodes, demand.iter().map(row).collect()).expect("a network")
}

fn orders(network: &mut Network, baskets: &[Basket]) -> Vec<Order> {
    let mut one = |(n, basket): (usize, &Basket)| {
        let mut lines: Vec<Line> = Vec::new();
        for (sku, units) in &basket.lines {
            let sku: SkuNo = network.intern_sku(&label(sku.trim())).expect("room");
            if lines.iter().all(|line| line.sku != sku) {
                lines.push(Line { sku, units: *units });
            }
        }
        Order::new(label(&format!("o{n}")), basket.placed, basket.to, lines)
    };
    baskets.iter().enumerate().map(&mut one).collect()
}

pub(crate) fn run(data: &Data) {
    section("C. A year of baskets: the first half stocks 457 stores, the second half is routed");
    let Some(rows) = data.read("stores_us.csv.gz") else { return };
    let chain: Vec<&Vec<String>> = rows.iter().filter(|row| row[0] == "walgreens").collect();
    let step = chain.len() / NODES;
    let places: Vec<Position> = chain
        .iter()
        .step_by(step)
        .take(NODES)
        .filter_map(|row| Some(place(row[1].parse().ok()?, row[2].parse().ok()?)))
        .collect();
    let (name, baskets) = match complete_journey(data, &places) {
        Some(baskets) => ("Complete Journey", baskets),
        None => match online_retail(data) {
            Some(baskets) => ("UCI Online Retail", baskets),
            None => return,
        },
    };
    println!("baskets: {name}\n");
    let (past, live) = baskets.split_at(baskets.len() / 2);
    note("baskets of at most 12 lines, routed", &live.len().to_string());
    let fresh = |prices: &str| {
        let mut network = network(&places, past);
        let (past, live) = (orders(&mut network, past), orders(&mut network, live));
        let policy = Policy::from_toml(&format!("{POLICY}{prices}")).expect("a policy");
        let rules = Ruleset::new(policy, &network);
        (network, rules, past, live)
    };
    let (network, rules, _, live) = fresh("");
    // No policy pays less than each order alone on the untouched stock.
    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    let mut bound = 0.0;
    for order in &live {
        router.plan(order, &mut plan);
        bound += units(plan.weighed);
    }
    note("each order alone on the whole stock (no policy can do it)", &format!("{bound:.0}"));
    let gap = |cost: f64| format!("{cost:.0}, +{:.2} %", (cost / bound - 1.0) * 100.0);
    note("nearest for each item", &gap(nearest_each_item(&network, &rules, &live)));
    note("exact", &gap(routed(fresh(""), false)));
    let prices = "[prices]\nenabled = true\nreprice_every = 10000\n";
    note("exact + prices, learned from the first half", &gap(routed(fresh(prices), true)));
    note("exact + prices, learned as it goes", &gap(routed(fresh(prices), false)));
}

type World = (Network, Ruleset, Vec<Order>, Vec<Order>);

fn routed((network, rules, past, live): World, learn: bool) -> f64 {
    let prices = rules.policy().prices.enabled;
    let forecast = (prices && learn).then(|| Forecast::learn(&past));
    let mut pricer = prices.then(|| Pricer::new(&network, &rules, forecast, None));
    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    let mut total = 0.0;
    for order in &live {
        router.route(order, &mut plan);
        total += units(plan.cost);
        if let Some(pricer) = &mut pricer {
            pricer.observe(&network, &rules, order, &plan);
        }
    }
    total
}
