//! A scenario table for each delivery form.

mod common;

use common::{label, order, place, rules, stock, store, ts};
use jiff::civil::{date, time};
use jiff::tz::TimeZone;
use onrush_router::calendar::Hours;
use onrush_router::delivery::Delivery;
use onrush_router::limits::NEARBY_NODES_MAX;
use onrush_router::network::Network;
use onrush_router::node::NodeKind;
use onrush_router::order::Order;
use onrush_router::plan::Plan;
use onrush_router::{Routed, Router};

/// Shenyang: three stores a few kilometres apart, one in another city, one warehouse.
fn city() -> Network {
    let zone = TimeZone::get("Asia/Shanghai").expect("a zone");
    let day = Hours {
        cut_off: Some(time(20, 0, 0, 0)),
        holidays: vec![date(2026, 11, 13)],
        ..Hours::daily(time(9, 0, 0, 0), time(21, 0, 0, 0), zone)
    };
    let at = |name: &str, lat: f64| {
        let mut node = store(name, lat, 123.40);
        node.hours = Some(day.clone());
        node.handling_minutes = 10.0;
        node
    };
    let mut centre = at("centre", 41.80);
    centre.capacity_per_hour = Some(2);
    let mut depot = at("depot", 41.90);
    depot.kind = NodeKind::Warehouse;
    let nodes = vec![centre, at("north", 41.83), at("south", 41.74), at("dalian", 38.91), depot];
    let mut own = stock("south", "wine", 1);
    own.safety_stock = 1;
    let rows = vec![
        stock("centre", "milk", 9),
        stock("north", "milk", 9),
        stock("dalian", "milk", 9),
        stock("depot", "milk", 99),
        stock("north", "tea", 1),
        own,
    ];
    let mut network = Network::build(nodes, rows).expect("a network");
    network.compile_hours(ts("2026-11-11T00:00:00Z"), ts("2026-11-16T00:00:00Z")).expect("hours");
    network
}

struct Case {
    form: Delivery,
    /// UTC; local time is eight hours later.
    placed: &'static str,
    sku: &'static str,
    pickup: Option<&'static str>,
    deadline: Option<&'static str>,
    /// Node and the promised time, or nothing.
    expect: Option<(&'static str, &'static str)>,
}

const fn case(form: Delivery, placed: &'static str, sku: &'static str) -> Case {
    Case { form, placed, sku, pickup: None, deadline: None, expect: None }
}

fn asked(network: &Network, case: &Case) -> Order {
    Order {
        placed: ts(case.placed),
        delivery: case.form,
        pickup: case.pickup.and_then(|name| network.find_node(name)),
        deadline: case.deadline.map(ts),
        ..order(network, &[(case.sku, 1)], 41.801, 123.40)
    }
}

fn check(policy: &str, cases: &[Case]) {
    let network = city();
    let rules = rules(&network, policy);
    for (n, case) in cases.iter().enumerate() {
        let mut plan = Plan::default();
        Router::new(&network, &rules).plan(&asked(&network, case), &mut plan);
        let found =
            plan.shipments.first().map(|s| (network.node(s.node).name.as_str(), s.promise.at));
        let expected = case.expect.map(|(node, at)| (node, ts(at)));
        assert_eq!(found, expected, "case {n}: {:?} at {}", case.form, case.placed);
    }
}

#[test]
fn within_hours_of_the_order() {
    let noon = "2026-11-11T04:00:00Z";
    check(
        "",
        &[
            Case {
                expect: Some(("centre", "2026-11-11T05:00:00Z")),
                ..case(Delivery::OneHour, noon, "milk")
            },
            Case {
                expect: Some(("centre", "2026-11-11T08:00:00Z")),
                ..case(Delivery::FourHours, noon, "milk")
            },
            // 20:30 local: after the cut-off, nobody delivers tonight.
            case(Delivery::OneHour, "2026-11-11T12:30:00Z", "milk"),
            // 08:55 local: the doors open in time.
            Case {
                expect: Some(("centre", "2026-11-11T01:55:00Z")),
                ..case(Delivery::OneHour, "2026-11-11T00:55:00Z", "milk")
            },
        ],
    );
}

#[test]
fn by_the_end_of_a_day_on_the_nodes_clock() {
    let noon = "2026-11-11T04:00:00Z";
    check(
        "",
        &[
            Case {
                expect: Some(("centre", "2026-11-11T15:59:59.999Z")),
                ..case(Delivery::SameDay, noon, "milk")
            },
            Case {
                expect: Some(("centre", "2026-11-12T15:59:59.999Z")),
                ..case(Delivery::NextDay, noon, "milk")
            },
            // After the cut-off the same day is gone, the next is not.
            case(Delivery::SameDay, "2026-11-11T12:30:00Z", "milk"),
            Case {
                expect: Some(("centre", "2026-11-12T15:59:59.999Z")),
                ..case(Delivery::NextDay, "2026-11-11T12:30:00Z", "milk")
            },
            // The 13th is a holiday: an order late on the 12th cannot arrive on the 13th.
            case(Delivery::NextDay, "2026-11-12T12:30:00Z", "milk"),
        ],
    );
}

#[test]
fn in_a_window_the_buyer_chose() {
    let network = city();
    let rules = rules(&network, "");
    let mut wanted = asked(&network, &case(Delivery::Scheduled, "2026-11-11T01:00:00Z", "milk"));
    wanted.window_opens = Some(ts("2026-11-11T08:00:00Z"));
    wanted.deadline = Some(ts("2026-11-11T10:00:00Z"));
    let mut plan = Plan::default();
    Router::new(&network, &rules).plan(&wanted, &mut plan);
    let shipment = &plan.shipments[0];
    assert!(shipment.start >= ts("2026-11-11T07:30:00Z"), "not hours too early");
    assert!(shipment.start <= ts("2026-11-11T08:00:00Z"));
    assert_eq!(shipment.promise.at, ts("2026-11-11T10:00:00Z"));
    assert!(shipment.promise.confidence > 0.99);
}

#[test]
fn collected_at_a_chosen_node() {
    let noon = "2026-11-11T04:00:00Z";
    let network = city();
    let rules = rules(&network, "");
    let mut plan = Plan::default();
    let mut chosen = |name, sku, form| {
        let case = Case { pickup: Some(name), ..case(form, noon, sku) };
        Router::new(&network, &rules).plan(&asked(&network, &case), &mut plan);
        let node = plan.shipments.first().map(|s| network.node(s.node).name.to_string());
        (node, plan.shipments.first().map(|s| s.km))
    };
    // Order here, collect there: another city is no distance.
    assert_eq!(chosen("dalian", "milk", Delivery::Pickup), (Some("dalian".into()), Some(0.0)));
    assert_eq!(chosen("centre", "tea", Delivery::Pickup), (None, None), "it has none");
    // An urgent transfer brings the unit from the nearest store that has it.
    let (node, km) = chosen("centre", "tea", Delivery::Transfer);
    assert_eq!(node.as_deref(), Some("north"));
    assert!((km.expect("a road") - 4.4).abs() < 0.1, "{km:?}");
    assert_eq!(chosen("dalian", "tea", Delivery::Transfer).0, None, "another city is too far");
    assert_eq!(chosen("centre", "milk", Delivery::Transfer), (Some("centre".into()), Some(0.0)));
}

#[test]
fn a_pick_up_after_closing_is_ready_when_the_doors_open() {
    let network = city();
    let rules = rules(&network, "");
    let late =
        Case { pickup: Some("centre"), ..case(Delivery::Pickup, "2026-11-11T12:45:00Z", "milk") };
    let mut plan = Plan::default();
    Router::new(&network, &rules).plan(&asked(&network, &late), &mut plan);
    let at = plan.shipments[0].promise.at;
    assert!(at > ts("2026-11-12T01:00:00Z") && at < ts("2026-11-12T01:30:00Z"), "{at:?}");
}

#[test]
fn pick_up_may_be_fed_by_a_transfer_when_the_policy_says_so() {
    let network = city();
    let rules = rules(&network, "[pickup]\ntransfers = true\n");
    let wanted =
        Case { pickup: Some("centre"), ..case(Delivery::Pickup, "2026-11-11T04:00:00Z", "tea") };
    let mut plan = Plan::default();
    Router::new(&network, &rules).plan(&asked(&network, &wanted), &mut plan);
    assert_eq!(network.node(plan.shipments[0].node).name.as_str(), "north");
}

#[test]
fn shipped_by_stores_only_and_sold_in_a_store() {
    let network = city();
    let rules = rules(&network, "[filters]\nexclude_nodes = [\"centre\", \"north\", \"dalian\"]\n");
    let noon = "2026-11-11T04:00:00Z";
    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    router.plan(&asked(&network, &case(Delivery::ShipFromStore, noon, "milk")), &mut plan);
    assert!(plan.shipments.is_empty(), "the depot is no store");
    router.plan(&asked(&network, &case(Delivery::Standard, noon, "milk")), &mut plan);
    assert_eq!(network.node(plan.shipments[0].node).name.as_str(), "depot");
    // The last bottle is safety stock: online may not have it, the buyer in the store may.
    router.plan(&asked(&network, &case(Delivery::Standard, noon, "wine")), &mut plan);
    assert!(plan.shipments.is_empty());
    let bought = Case { pickup: Some("south"), ..case(Delivery::InStoreHome, noon, "wine") };
    assert_eq!(router.route(&asked(&network, &bought), &mut plan), Routed::Held);
    assert_eq!(network.node(plan.shipments[0].node).name.as_str(), "south");
}

#[test]
fn a_full_slot_sends_the_order_next_door() {
    let network = city();
    let rules = rules(&network, "");
    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    let nodes: Vec<String> = (0..3)
        .map(|_| {
            let wanted = asked(&network, &case(Delivery::OneHour, "2026-11-11T04:00:00Z", "milk"));
            assert_eq!(router.route(&wanted, &mut plan), Routed::Held);
            network.node(plan.shipments[0].node).name.to_string()
        })
        .collect();
    assert_eq!(nodes, ["centre", "centre", "north"]);
}

#[test]
fn a_live_channel_has_its_quota_and_its_weights() {
    let mut rows = vec![stock("a", "x", 5), stock("b", "x", 5)];
    rows[0].channel_quotas = vec![(label("live"), 1)];
    let nodes = vec![store("a", 41.0, 123.0), store("b", 41.2, 123.0)];
    let network = Network::build(nodes, rows).expect("a network");
    let rules = rules(&network, "[[weights]]\nchannel = \"live\"\nmax_km = 20\n");
    let mut router = Router::new(&network, &rules);
    let mut plan = Plan::default();
    let mut live = order(&network, &[("x", 1)], 41.0, 123.0);
    live.channel = network.find_channel("live");
    assert_eq!(router.route(&live, &mut plan), Routed::Held);
    assert_eq!(network.node(plan.shipments[0].node).name.as_str(), "a");
    router.plan(&live, &mut plan);
    assert!(plan.shipments.is_empty(), "quota used, b beyond the channel's 20 km");
    live.channel = None;
    live.destination = place(41.0, 123.0);
    router.plan(&live, &mut plan);
    assert_eq!(network.node(plan.shipments[0].node).name.as_str(), "a", "others have no quota");
}

#[test]
fn sold_out_online_is_offered_from_stores_nearby() {
    let mut rows = vec![stock("far", "x", 5), stock("near", "x", 3), stock("depot", "x", 9)];
    rows.extend([stock("nearest", "x", 1), stock("empty", "x", 0)]);
    rows.iter_mut().for_each(|row| row.channel_quotas = vec![(label("online"), 0)]);
    rows[3].safety_stock = 1;
    let mut nodes = vec![store("far", 41.3, 123.0), store("near", 41.1, 123.0)];
    nodes.extend([store("nearest", 41.0, 123.0), store("empty", 41.0, 123.0)]);
    let mut depot = store("depot", 41.0, 123.0);
    depot.kind = NodeKind::Warehouse;
    nodes.push(depot);
    let network = Network::build(nodes, rows).expect("a network");
    let rules = rules(&network, "");
    let mut router = Router::new(&network, &rules);
    let mut online = order(&network, &[("x", 2)], 41.0, 123.0);
    online.channel = network.find_channel("online");
    let mut plan = Plan::default();
    router.plan(&online, &mut plan);
    assert_eq!(plan.unfilled_units(), 2, "the channel has nothing left");
    let x = network.find_sku("x").expect("known");
    let offered = |router: &Router<'_>, units, most| -> Vec<String> {
        let near = router.nearby(x, units, online.destination, most);
        near.iter().map(|store| network.node(store.node).name.to_string()).collect()
    };
    assert_eq!(offered(&router, 1, 5), ["near", "far"], "stores only, above their safety stock");
    assert_eq!(offered(&router, 4, 5), ["far"]);
    assert_eq!(offered(&router, 1, 1), ["near"]);
    let km = router.nearby(x, 1, online.destination, 1)[0].km;
    assert!((km - 11.12 * 1.32).abs() < 0.1, "{km}");
}

/// Where a whole chain has it, only those around the place are looked at; the nearest come first all
/// the same.
#[test]
fn of_a_large_chain_the_nearest_are_named() {
    let name = |n: usize| format!("n{n:04}");
    let count = NEARBY_NODES_MAX + 300;
    let nodes = (0..count).map(|n| store(&name(n), 30.0 + n as f64 * 0.01, 120.0)).collect();
    let rows = (0..count).map(|n| stock(&name(n), "x", (n % 2) as u32)).collect();
    let network = Network::build(nodes, rows).expect("a network");
    let rules = rules(&network, "");
    let router = Router::new(&network, &rules);
    let x = network.find_sku("x").expect("known");
    let at = place(30.0 + 400.4 * 0.01, 120.0);
    let near = router.nearby(x, 1, at, 3);
    let names: Vec<_> = near.iter().map(|s| network.node(s.node).name.to_string()).collect();
    assert_eq!(names, ["n0401", "n0399", "n0403"]);
    assert!(router.nearby(x, 2, at, 3).is_empty());
}

#[test]
fn units_in_transfer_can_be_taken_once_they_arrive() {
    let nodes = vec![store("here", 41.0, 123.0), store("there", 41.1, 123.0)];
    let rows = vec![stock("here", "x", 0), stock("there", "x", 2)];
    let network = Network::build(nodes, rows).expect("a network");
    let rules = rules(&network, "[filters]\nexclude_nodes = [\"there\"]\n");
    let mut router = Router::new(&network, &rules);
    let wanted = order(&network, &[("x", 1)], 41.0, 123.0);
    let here = network.find_node("here").expect("known");
    let entry = network.entry_of(here, wanted.lines[0].sku).expect("stocked");
    let mut plan = Plan::default();
    let mut shipped = || {
        router.plan(&wanted, &mut plan);
        plan.shipped_units()
    };
    network.entry(entry).announce(1);
    assert_eq!((shipped(), network.entry(entry).levels().in_transfer), (0, 1));
    assert!(!network.arrive(entry, 2), "two were never on their way");
    assert!(network.arrive(entry, 1));
    assert_eq!((shipped(), network.entry(entry).levels().in_transfer), (1, 0));
    assert!(network.entry(entry).levels().is_conserved());
    assert!(!network.arrive(entry, 1), "it arrives once");
}
