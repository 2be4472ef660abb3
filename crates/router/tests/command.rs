//! `route` and `simulate` over text, as the command line calls them.

mod common;

use onrush_router::cli::{CliError, RouteArgs, SimulateArgs, run_route, run_simulate};
use onrush_router::document::PlanDocument;
use onrush_router::explain::Language;

const NODES: &str = "node,kind,lat,lon,opens,closes,time_zone,cut_off\n\
    near,store,41.80,123.40,09:00,21:00,Asia/Shanghai,12:00\n\
    far,store,41.90,123.40,,,,\n\
    depot,warehouse,42.80,123.40,,,,\n";
const INVENTORY: &str = "node,sku,on_hand,safety_stock,channel_quota\n\
    near,milk,2,,\nfar,milk,5,1,live:1\ndepot,milk,50,,\nfar,tea,3,,\ndepot,tea,9,,\n";
const ORDERS: &str = "order,time,lat,lon,sku,quantity,channel,delivery\n\
    o2,2026-11-11T02:00:00Z,41.80,123.40,milk,1,,\n\
    o1,2026-11-11T02:00:01Z,41.80,123.40,milk,1,,\n\
    o2,2026-11-11T02:00:00Z,41.80,123.40,tea,1,,\n\
    o3,2026-11-11T02:00:02Z,41.80,123.40,coffee,2,,\n\
    o4,2026-11-11T04:12:00Z,41.80,123.40,milk,1,,same_day\n";
const POLICY: &str = "[costs]\nfixed_per_shipment = 5\nper_unit = 0.5\nper_unit_km = 0.01\n\
    unfilled_fixed = 3\nunfilled_per_unit = 40\n[split]\nlimit = 2\n";

type Args<'a> = RouteArgs<&'a [u8], &'a [u8], &'a [u8], &'a [u8]>;

fn args<'a>(orders: &'a str, policy: &str, skip_bad: bool) -> Args<'a> {
    RouteArgs {
        nodes: NODES.as_bytes(),
        inventory: INVENTORY.as_bytes(),
        orders: orders.as_bytes(),
        past: None,
        policy: policy.to_owned(),
        skip_bad,
        dry_run: false,
        language: Language::English,
    }
}

fn routed(orders: &str, policy: &str) -> Vec<PlanDocument> {
    let mut out = Vec::new();
    run_route(args(orders, policy, false), &mut out).expect("routed");
    let text = String::from_utf8(out).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn plans_follow_the_input_and_explain_themselves() {
    let plans = routed(ORDERS, POLICY);
    let ids: Vec<&str> = plans.iter().map(|plan| plan.order.as_str()).collect();
    assert_eq!(ids, ["o2", "o1", "o3", "o4"]);
    // One shipment with both beats two.
    assert_eq!(plans[0].shipments.len(), 1);
    assert_eq!(plans[0].shipments[0].node, "far");
    assert_eq!(plans[0].shipments[0].lines.len(), 2);
    let km = 0.1f64.to_radians() * 6_371.008_8 * 1.32;
    assert!((plans[0].cost - (5.0 + 2.0 * (0.5 + 0.01 * km))).abs() < 1e-5);
    assert_eq!(plans[0].alternatives[0].nodes, ["depot"], "everything in one parcel, farther");
    assert!(plans[0].why.last().expect("a proof").starts_with("proven"));
    assert_eq!(plans[1].shipments[0].node, "near");
    assert_eq!(plans[2].cost, 3.0 + 2.0 * 40.0);
    assert_eq!(plans[2].unfilled[0].quantity, 2);
    // 12:12 local, the cut-off was noon: tomorrow is too late for the same day.
    assert_eq!(plans[3].shipments[0].node, "far");
    assert!(
        plans[3].why.iter().any(|why| why.contains("if its cut-off were 13 minutes later")),
        "{:?}",
        plans[3].why
    );
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let bytes = |orders: &str| {
        let mut out = Vec::new();
        run_route(args(orders, POLICY, false), &mut out).expect("routed");
        out
    };
    assert_eq!(bytes(ORDERS), bytes(ORDERS));
}

#[test]
fn chinese_explanations_are_chinese() {
    let mut out = Vec::new();
    let chinese = RouteArgs { language: Language::Chinese, ..args(ORDERS, POLICY, false) };
    run_route(chinese, &mut out).expect("routed");
    let text = String::from_utf8(out).expect("UTF-8");
    assert!(text.contains("截单时间晚 13 分钟即可胜出"), "{text}");
}

#[test]
fn bad_rows_stop_or_are_counted() {
    let orders = format!("{ORDERS}o5,2026-11-11T02:00:00Z,95,0,milk,1,,\n");
    let mut out = Vec::new();
    match run_route(args(&orders, POLICY, false), &mut out) {
        Err(error @ CliError::BadRows(..)) => {
            let text = error.to_string();
            assert!(text.contains("orders line 7: lat 95 is not between -90 and 90"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(out.is_empty(), "nothing is routed from a file that is refused");
    let summary = run_route(args(&orders, POLICY, true), &mut out).expect("routed");
    assert_eq!(summary.skipped, [("orders", 1)]);
    assert_eq!(summary.kpis.orders, 4);
}

#[test]
fn simulate_compares_two_policies_under_one_bound() {
    let simulate = SimulateArgs {
        route: args(ORDERS, POLICY, false),
        other: Some((
            POLICY.replace("limit = 2", "limit = 1") + "[filters]\nkinds = [\"warehouse\"]\n",
            None,
        )),
    };
    let found = run_simulate(simulate).expect("simulated");
    let costs: Vec<f64> = found.kpis.iter().map(|(_, kpis)| kpis.cost).collect();
    assert!(costs[0] < costs[1], "{costs:?}");
    for (_, kpis) in &found.kpis {
        let bound = kpis.hindsight_bound.expect("a small network");
        assert!(bound > 0.0 && bound <= kpis.cost + 1e-6, "{bound} {}", kpis.cost);
    }
    assert!(found.table().contains("above the bound"));
    assert!(found.plots.iter().all(|(name, svg)| name.ends_with(".svg") && svg.contains("</svg>")));
}

fn simulated(nodes: &str, inventory: &str, orders: &str) -> (f64, f64) {
    let route = RouteArgs {
        nodes: nodes.as_bytes(),
        inventory: inventory.as_bytes(),
        ..args(orders, POLICY, false)
    };
    let found = run_simulate(SimulateArgs { route, other: None }).expect("simulated");
    let (_, kpis) = &found.kpis[0];
    (kpis.cost, kpis.hindsight_bound.expect("so few orders have a bound"))
}

#[test]
fn equal_nodes_share_one_price_and_the_bound_is_tight() {
    let nodes = "node,kind,lat,lon\na,store,41.8,123.4\nb,store,41.8,123.4\nc,store,41.8,123.4\n";
    let mut orders = String::from("order,time,lat,lon,sku,quantity\n");
    (0..100).for_each(|n| orders += &format!("o{n},{n},41.9,123.4,milk,1\n"));
    let (cost, bound) =
        simulated(nodes, "node,sku,on_hand\na,milk,10\nb,milk,10\nc,milk,10\n", &orders);
    assert!(bound <= cost + 1e-6 && bound > 0.99 * cost, "{bound} of {cost}");
    let (same, alone) = simulated(
        "node,kind,lat,lon\na,store,41.8,123.4\n",
        "node,sku,on_hand\na,milk,30\n",
        &orders,
    );
    assert!((same - cost).abs() < 1e-6 && alone > 0.99 * cost, "{alone} of {same}");
}

#[test]
fn orders_to_everywhere_have_a_bound() {
    let mut orders = String::from("order,time,lat,lon,sku,quantity\n");
    for n in 0..60 {
        let (lat, lon) = (41.7 + f64::from(n % 8) * 0.0307, 123.3 + f64::from(n) * 0.0049);
        orders += &format!("o{n},2026-11-11T02:00:{n:02}Z,{lat},{lon},milk,1\n");
    }
    let (cost, bound) = simulated(NODES, "node,sku,on_hand\nnear,milk,20\nfar,milk,20\n", &orders);
    assert!(bound <= cost + 1e-6 && bound > 0.9 * cost, "{bound} of {cost}");
}

#[test]
fn prices_save_a_scarce_unit_for_the_order_that_needs_it() {
    // Milk orders near the store can also be served from the depot; tea is only there. With a
    // forecast the milk orders leave the store's slot in the shipment to the baskets.
    let nodes = "node,kind,lat,lon\ns,store,41.8,123.4\nd,warehouse,42.1,123.4\n";
    let inventory = "node,sku,on_hand\ns,milk,20\nd,milk,80\ns,tea,20\n";
    let mut orders = String::from("order,time,lat,lon,sku,quantity\n");
    for n in 0..40 {
        orders += &format!("m{n},{n},41.8,123.4,milk,1\n");
        if n >= 20 {
            orders += &format!("b{n},{n},41.8,123.4,milk,1\nb{n},{n},41.8,123.4,tea,1\n");
        }
    }
    let cost = |prices: &str| {
        let args = RouteArgs {
            nodes: nodes.as_bytes(),
            inventory: inventory.as_bytes(),
            orders: orders.as_bytes(),
            past: prices.contains("past").then_some(orders.as_bytes()),
            policy: format!("{POLICY}[prices]\n{prices}"),
            skip_bad: false,
            dry_run: false,
            language: Language::English,
        };
        run_route(args, &mut Vec::new()).expect("routed").kpis.cost
    };
    let greedy = cost("enabled = false\n");
    let priced = cost("enabled = true\nreprice_every = 5\nforecast = \"past.csv\"\n");
    assert!(priced < greedy - 15.0 * 5.0, "{priced} {greedy}");
}
