//! No plan uses a node that is closed, full, out of reach, protected or beyond its quota, and an order
//! is left only where no node is any other: plans against books of their own.

mod common;

use common::{label, order, place, rules, stock, store, ts};
use jiff::civil::{Weekday, time};
use jiff::tz::{TimeZone, offset};
use onrush_router::calendar::Hours;
use onrush_router::delivery::Delivery;
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::{NodeKind, NodeSpec};
use onrush_router::order::Order;
use onrush_router::plan::Plan;
use onrush_router::{Routed, Router};
use proptest::prelude::*;
use std::collections::BTreeMap;

const HOUR_MS: u64 = 3_600_000;
const MAX_KM: f64 = 60.0;
/// Leaving a unit costs more than any shipment, so whoever can be served is.
const COSTS: &str = "[costs]\nfixed_per_shipment = 5\nper_unit_km = 0.02\nunfilled_fixed = 300\n\
    unfilled_per_unit = 900\n[distance]\nmax_km = 60\n[filters]\nmin_accept = 0.4\n";
/// The first instant of Wednesday, 11 November, at the stores: UTC and eight hours.
const FIRST: &str = "2026-11-10T16:00:00Z";

/// A node as its operator would describe it, with whole hours.
#[derive(Clone, Debug)]
struct Place {
    kind: NodeKind,
    at: (f64, f64),
    accept: f64,
    per_hour: Option<u32>,
    /// From and until, on the days that are not closed; past midnight where `until` is not later.
    hours: Option<(u64, u64)>,
    /// A day of the week, from Monday.
    closed: usize,
    cut_off: Option<u64>,
    handling_min: u64,
    free: u32,
    safety: u32,
    quota: Option<u32>,
}

#[derive(Clone, Debug)]
struct Wanted {
    after_min: u64,
    units: u32,
    at: (f64, f64),
    delivery: Delivery,
    live: bool,
}

fn places() -> impl Strategy<Value = Place> {
    let where_ = (41.0f64..42.2, 123.0f64..124.2);
    let kinds = prop::sample::select(NodeKind::ALL.to_vec());
    let times =
        prop::option::weighted(0.8, (0u64..24, 0u64..24).prop_filter("both", |(a, b)| a != b));
    let cut_off = prop::option::weighted(0.4, 0u64..24);
    let load = (prop::option::of(1u32..3), prop::option::weighted(0.3, 0u32..3), 0u64..90);
    let units = (0u32..6, 0u32..3, prop::sample::select(vec![0.3, 0.9, 1.0]));
    (where_, kinds, times, 0usize..7, cut_off, load, units).prop_map(
        |(at, kind, hours, closed, cut_off, (per_hour, quota, handling_min), units)| Place {
            kind,
            at,
            accept: units.2,
            per_hour,
            hours,
            closed,
            cut_off,
            handling_min,
            free: units.0 + units.1,
            safety: units.1,
            quota,
        },
    )
}

fn wishes() -> impl Strategy<Value = Wanted> {
    let delivery = prop::sample::select(vec![
        Delivery::Standard,
        Delivery::Standard,
        Delivery::OneHour,
        Delivery::FourHours,
        Delivery::SameDay,
        Delivery::NextDay,
        Delivery::ShipFromStore,
    ]);
    let at = (41.0f64..42.2, 123.0f64..124.2);
    (0u64..3_000, 1u32..4, at, delivery, any::<bool>()).prop_map(
        |(after_min, units, at, delivery, live)| Wanted { after_min, units, at, delivery, live },
    )
}

fn network(places: &[Place]) -> Network {
    let mut nodes: Vec<NodeSpec> = Vec::new();
    let mut rows: Vec<StockSpec> = Vec::new();
    for (n, place) in places.iter().enumerate() {
        let name = format!("n{n:02}");
        let mut node = store(&name, place.at.0, place.at.1);
        node.kind = place.kind;
        node.capacity_per_hour = place.per_hour;
        node.handling_minutes = place.handling_min as f64;
        node.accept_rate = place.accept;
        node.hours = place.hours.map(|(from, until)| {
            let hour = |hour: u64| time(hour as i8, 0, 0, 0);
            let zone = TimeZone::fixed(offset(8));
            let mut hours = Hours::daily(hour(from), hour(until), zone);
            hours.week[place.closed] = None;
            hours.cut_off = place.cut_off.map(hour);
            hours
        });
        let mut row = stock(&name, "milk", place.free);
        row.safety_stock = place.safety;
        row.channel_quotas = place.quota.map(|quota| (label("live"), quota)).into_iter().collect();
        nodes.push(node);
        rows.push(row);
    }
    let mut network = Network::build(nodes, rows).expect("a network");
    network.compile_hours(ts(FIRST), ts("2026-11-20T00:00:00Z")).expect("hours");
    network.intern_channel(&label("live")).expect("room for a channel");
    network
}

/// What is left at the nodes, by addition and subtraction alone.
struct Books {
    places: Vec<Place>,
    protect: u32,
    prepared: BTreeMap<(usize, u64), u32>,
}

impl Books {
    fn available(&self, n: usize, live: bool) -> u32 {
        let place = &self.places[n];
        let kept = if place.kind == NodeKind::Store { self.protect } else { 0 };
        let above = place.free.saturating_sub(place.safety + kept);
        if live { above.min(place.quota.unwrap_or(u32::MAX)) } else { above }
    }

    fn has_room(&self, n: usize, at_ms: u64) -> bool {
        let used = self.prepared.get(&(n, at_ms / HOUR_MS)).copied().unwrap_or(0);
        self.places[n].per_hour.is_none_or(|most| used < most)
    }

    /// Tell whether a node works without a break from an instant until what it prepares is ready.
    fn open_for(&self, n: usize, at_ms: u64, handling_ms: u64) -> bool {
        let end = at_ms + handling_ms;
        (at_ms / HOUR_MS..=end.saturating_sub(1).max(at_ms) / HOUR_MS)
            .all(|hour| open_in(&self.places[n], hour))
    }
}

/// Tell whether a node works in an hour since 1970.
fn open_in(place: &Place, hour: u64) -> bool {
    let Some((from, until)) = place.hours else { return true };
    let (day, hour) = ((hour + 8) / 24, (hour + 8) % 24);
    let works = |day: u64| (day + 3) % 7 != place.closed as u64;
    if until > from {
        return works(day) && (from..until).contains(&hour);
    }
    (works(day) && hour >= from) || (works(day - 1) && hour < until)
}

fn km(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (lat_a, lat_b) = (a.0.to_radians(), b.0.to_radians());
    let (dlat, dlon) = (lat_b - lat_a, (b.1 - a.1).to_radians());
    let h = (dlat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (dlon / 2.0).sin().powi(2);
    2.0 * 6_371.0 * h.sqrt().asin()
}

fn asked(network: &Network, wanted: &Wanted) -> Order {
    let mut order = order(network, &[("milk", wanted.units)], wanted.at.0, wanted.at.1);
    order.placed = ts(FIRST);
    order.placed.0 += wanted.after_min * 60_000;
    order.delivery = wanted.delivery;
    order.channel = wanted.live.then(|| network.find_channel("live").expect("known"));
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_plan_asks_for_what_a_node_cannot_do(
        places in prop::collection::vec(places(), 1..10),
        mut wanted in prop::collection::vec(wishes(), 1..25),
        protect in 0u32..2,
    ) {
        wanted.sort_by_key(|wanted| wanted.after_min);
        let network = network(&places);
        let rules = rules(&network, &format!("{COSTS}[protect]\nstore = {protect}\n"));
        let detour = rules.policy().detour;
        let mut books = Books { places, protect, prepared: BTreeMap::new() };
        let mut router = Router::new(&network, &rules);
        let mut plan = Plan::default();
        for wanted in &wanted {
            let asked = asked(&network, wanted);
            prop_assert_eq!(router.route(&asked, &mut plan), Routed::Held);
            if wanted.delivery == Delivery::Standard && plan.shipments.is_empty() {
                let able = (0..books.places.len()).find(|&n| is_able(&books, n, wanted, &asked, detour));
                prop_assert_eq!(able, None, "left, though somebody could");
            }
            for shipment in &plan.shipments {
                let n = shipment.node.index();
                let place = &books.places[n];
                let handling_ms = place.handling_min * 60_000;
                prop_assert!(shipment.start >= asked.placed);
                prop_assert!(books.open_for(n, shipment.start.0, handling_ms), "closed");
                prop_assert!(books.has_room(n, shipment.start.0), "full");
                prop_assert!(place.accept >= 0.4, "it refuses too much");
                let road = km(place.at, wanted.at) * detour;
                prop_assert!(road <= MAX_KM * 1.01, "out of reach: {road} km");
                prop_assert!(
                    wanted.delivery != Delivery::ShipFromStore || place.kind == NodeKind::Store
                );
                let units: u32 = plan.picks[shipment.picks.start as usize..shipment.picks.end as usize]
                    .iter()
                    .map(|pick| pick.units)
                    .sum();
                prop_assert!(units <= books.available(n, wanted.live), "protected");
                *books.prepared.entry((n, shipment.start.0 / HOUR_MS)).or_default() += 1;
                books.places[n].free -= units;
                if let (true, Some(quota)) = (wanted.live, books.places[n].quota.as_mut()) {
                    *quota -= units;
                }
            }
            prop_assert_eq!(plan.shipped_units() + plan.unfilled_units(), wanted.units);
        }
    }
}

/// Tell whether a node could surely ship something: in reach with two percent to spare, and open with
/// a place at one of the next whole hours that come before any cut-off.
fn is_able(books: &Books, n: usize, wanted: &Wanted, order: &Order, detour: f64) -> bool {
    let place = &books.places[n];
    let is_near = km(place.at, wanted.at) * detour <= MAX_KM * 0.98;
    let may = place.accept >= 0.4 && books.available(n, wanted.live) > 0;
    if !is_near || !may || place.cut_off.is_some() {
        return false;
    }
    let first = order.placed.0.div_ceil(HOUR_MS);
    (first..first + 40)
        .filter(|&hour| books.open_for(n, hour * HOUR_MS, place.handling_min * 60_000))
        .take(12)
        .any(|hour| books.has_room(n, hour * HOUR_MS))
}

#[test]
fn the_days_of_the_books_are_those_of_the_calendar() {
    let zone = TimeZone::fixed(offset(8));
    let first = jiff::Timestamp::from_millisecond(ts(FIRST).0 as i64).expect("in range");
    let day = (ts(FIRST).0 / HOUR_MS + 8) / 24;
    let weekday = zone.to_datetime(first).date().weekday();
    assert_eq!(weekday, Weekday::Wednesday);
    assert_eq!((day + 3) % 7, weekday.to_monday_zero_offset() as u64);
    let by_router = place(41.8, 123.4).on_sphere().km(place(42.3, 124.4).on_sphere());
    let ours = km((41.8, 123.4), (42.3, 124.4));
    assert!((by_router - ours).abs() < 0.01 * ours, "{by_router} against {ours}");
}
