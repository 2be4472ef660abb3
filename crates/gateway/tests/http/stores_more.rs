//! Stores over HTTP: restarts, crowds on scarce stock, the routing policy, and who may do what.

use crate::chain::*;
use crate::client::ask;
use crate::server::{Server, file};
use onrush_gateway::config::{ApiKeySection, Scope};
use serde_json::json;
use std::collections::BTreeMap;

/// Every sale is one order, and no store has promised more than it has, however many ask at once.
#[test]
fn scarce_stock_is_sold_and_routed_exactly_once() {
    let server = chain();
    let won: Vec<String> = std::thread::scope(|scope| {
        let crowd: Vec<_> = (0..8)
            .map(|n| {
                let server = &server;
                scope.spawn(move || {
                    let mut won = Vec::new();
                    for m in 0..4 {
                        let buyer = format!("b{n}-{m}");
                        let held = reserve(server, &buyer, &wish(json!({})));
                        if held.status == 201 {
                            let id = held.text("id");
                            pay(server, &id, 100);
                            won.push(id);
                        } else {
                            assert!(matches!(held.status, 409), "{}", held.status);
                        }
                    }
                    won
                })
            })
            .collect();
        crowd.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    assert_eq!(won.len(), 9, "every unit was sold, none twice");
    let mut taken: BTreeMap<String, u64> = BTreeMap::new();
    for id in &won {
        let order = order_in(&server, id, "assigned");
        assert_eq!(
            (&order["plans"], order["shipments"].as_array().map(Vec::len)),
            (&json!(1), Some(1))
        );
        let node = order["shipments"][0]["node"].as_str().expect("a name").to_owned();
        *taken.entry(node).or_default() += 1;
    }
    let expected = [("center", 2), ("far", 1), ("north", 4), ("太原街店", 2)];
    assert_eq!(taken, expected.map(|(name, units)| (name.to_owned(), units)).into());
    assert_eq!(near(&server, "drop").len(), 0, "nothing is left anywhere");
    audit(&server);
}

#[test]
fn a_restart_loses_no_order_and_doubles_none() {
    let server = chain();
    let planned =
        sold(&server, "ann", &wish(json!({"delivery": "pickup", "pickup_node": "center"})));
    order_in(&server, &planned, "assigned");
    let code = |server: &Server| {
        let promise = ask("GET", &format!("/v1/reservations/{planned}/promise")).buyer("ann");
        promise.to(server.public).text("code")
    };
    let before = code(&server);
    act(&server, &sold(&server, "bob", &wish(json!({}))), "dispatch", json!({"node": "center"}));
    // Sold in the last moment: whether it was planned before the stop or not, it is planned once.
    let late = sold(&server, "eve", &wish(json!({"quantity": 2})));
    let server = server.restart(|config, _| config.dev = true);
    let order = order_in(&server, &late, "assigned");
    assert_eq!(order["plans"], 1);
    assert_eq!(code(&server), before, "codes outlive a restart");
    assert_eq!(crate::chain::order(&server, &planned)["plans"], 1);
    audit(&server);
    let id = sold(&server, "fay", &wish(json!({})));
    order_in(&server, &id, "assigned");
    audit(&server);
}

/// What was sold while nobody followed is found and planned at the next start.
#[test]
fn a_sale_that_nobody_planned_is_found_at_the_start() {
    let server = chain();
    let [lat, lon] = HERE;
    let details = format!(r#"{{"destination":{{"lat":{lat},"lon":{lon},"crs":"wgs84"}}}}"#);
    let server = server.restart_with(|engine| {
        let campaign = engine.campaign("drop").expect("it is there");
        let ask = onrush::ReserveRequest {
            details: Some(details.as_bytes()),
            ..onrush::ReserveRequest::new(&campaign, "unit", engine.buyer("ann"), "k")
        };
        let held = engine.reserve(&ask).wait().expect("decided").granted().expect("held");
        let line = onrush::PaymentLine {
            provider: onrush::Name::new("bank").expect("a name"),
            method: onrush::Name::new("card").expect("a name"),
            reference: "r".into(),
            money: onrush::Money { amount: 100, currency: onrush::Currency::CNY },
        };
        let sold = engine.confirm(held.seq, vec![line], None).wait().expect("decided");
        assert!(sold.granted().is_some());
        let open = engine.inspect(move |ledger| ledger.open_units(held.seq)).wait();
        assert_eq!(open.expect("looked"), 1, "sold, and no plan");
    });
    let listed = || server.operate("GET", "/admin/v1/orders?state=assigned", None).json();
    until(|| listed()["orders"].as_array().is_some_and(|orders| orders.len() == 1));
    audit(&server);
}

/// Sold before any store had it: the first stock makes orders of what was sold.
#[test]
fn the_first_stock_serves_what_was_sold_before() {
    let server = Server::dev();
    campaign(&server, "drop", "own");
    let supply = json!({"sku": "unit", "quantity": 9, "reason": "test"});
    server.operate("POST", "/admin/v1/campaigns/drop/supply", Some(supply));
    assert_eq!(csv(&server, "/admin/v1/nodes", NODES).status, 200);
    let id = sold(&server, "ann", &wish(json!({})));
    let unknown = server.operate("GET", &format!("/admin/v1/orders/{id}"), None);
    unknown.is_problem("not_found");
    assert_eq!(csv(&server, "/admin/v1/campaigns/drop/stock", STOCK).status, 200);
    assert_eq!(order_in(&server, &id, "assigned")["shipments"][0]["node"], "center");
    audit(&server);
}

#[test]
fn a_policy_is_checked_versioned_and_tried_first() {
    let server = chain();
    let policy = "version = 1\n[filters]\nexclude_nodes = [\"center\"]\n";
    let put = |replaces: u32, policy: &str| {
        let body = json!({"replaces": replaces, "policy": policy, "reason": "test"});
        server.operate("PUT", "/admin/v1/routing", Some(body))
    };
    let said = put(0, "version = 1\n[split]\nlimits = 5\n").is_problem("invalid_request");
    assert!(said["detail"].as_str().is_some_and(|text| text.contains("limits")), "{said}");
    let dry = |body: serde_json::Value| {
        server.operate("POST", "/admin/v1/routing/dry-run", Some(body)).json()
    };
    let order = json!({"campaign": "drop", "order": wish(json!({}))});
    let plain = dry(order.clone());
    assert_eq!(plain["shipments"][0]["node"], "center");
    assert!(plain["why"].as_array().is_some_and(|why| why.len() > 1), "{plain}");
    let mut other = order.clone();
    (other["policy"], other["lang"]) = (policy.into(), "zh".into());
    let tried = dry(other);
    assert_ne!(tried["shipments"][0]["node"], "center");
    assert!(tried["why"].to_string().contains("策略"), "{tried}");
    assert_eq!(server.units("drop"), (9, 0), "a dry run takes nothing");

    assert_eq!(put(0, policy).json()["version"], 1);
    put(0, "version = 1\n").is_problem("invalid_request");
    let shown = server.operate("GET", "/admin/v1/routing", None).json();
    assert_eq!((&shown["version"], &shown["reason"]), (&json!(1), &json!("test")));
    until(|| dry(order.clone())["shipments"][0]["node"] != "center");
    let id = sold(&server, "ann", &wish(json!({})));
    let planned = order_in(&server, &id, "assigned");
    assert_ne!(planned["shipments"][0]["node"], "center");
    let why = &planned["why"];
    assert_eq!((&why["policy"], &why["proven"]), (&json!(1), &json!(true)), "{why}");
    for (lang, word) in [("en", "ships"), ("zh", "发出")] {
        let path = format!("/admin/v1/orders/{id}?lang={lang}");
        let why = server.operate("GET", &path, None).json()["why"].clone();
        assert!(why[0].as_str().is_some_and(|text| text.contains(word)), "{why}");
    }
    assert_eq!(put(1, "version = 1\n").json()["version"], 2);
    let server = server.restart(|config, _| config.dev = true);
    assert_eq!(server.operate("GET", "/admin/v1/routing", None).json()["version"], 2);
}

/// The hour begins with the hold: payment, planning and a store that refuses do not move it.
#[test]
fn what_was_promised_stays_promised() {
    let server = chain();
    let held = reserve(&server, "ann", &wish(json!({"delivery": "one_hour"}))).json();
    let at = held["promise"]["at"].clone();
    assert!(at.is_string(), "{held}");
    server.clock.advance(8_000);
    let id = held["id"].as_str().expect("an id");
    let told = ask("GET", &format!("/v1/reservations/{id}/promise")).buyer("ann");
    assert_eq!(told.to(server.public).json()["promise"]["at"], at);
    pay(&server, id, 100);
    let planned = order_in(&server, id, "assigned");
    assert_eq!(planned["shipments"][0]["at"], at);
    server.clock.advance(20_000);
    let busy = json!({"node": planned["shipments"][0]["node"], "why": "too_busy"});
    assert_eq!(act(&server, id, "reject", busy).status, 200);
    until(|| order(&server, id)["plans"] == 2);
    let again = order_in(&server, id, "assigned");
    assert_eq!(again["shipments"][1]["at"], at, "{again}");
    audit(&server);
}

/// A promise is a plan: it knows what the order is worth, as the plan will.
#[test]
fn nothing_is_promised_that_the_policy_will_not_plan() {
    let server = chain();
    let policy = "version = 1\n[split]\nmin_value = 1000\n";
    let body = json!({"replaces": 0, "policy": policy, "reason": "test"});
    assert_eq!(server.operate("PUT", "/admin/v1/routing", Some(body)).status, 200);
    // Five are nowhere in one store, and too little money for two parcels.
    let five = wish(json!({"quantity": 5}));
    let dry = json!({"campaign": "drop", "order": five});
    until(|| {
        let planned = server.operate("POST", "/admin/v1/routing/dry-run", Some(dry.clone()));
        planned.json()["unfilled"][0].is_object()
    });
    reserve(&server, "ann", &five).is_problem("out_of_reach");
    let id = sold(&server, "bob", &wish(json!({"quantity": 4})));
    assert_eq!(order_in(&server, &id, "assigned")["shipments"][0]["node"], "north");
}

#[test]
fn a_transfer_is_collected_with_a_code() {
    let server = chain();
    let id = sold(&server, "ann", &wish(json!({"delivery": "transfer", "pickup_node": "center"})));
    order_in(&server, &id, "assigned");
    let told = ask("GET", &format!("/v1/reservations/{id}/promise")).buyer("ann");
    let told = told.to(server.public).json();
    let code = told["code"].as_str().unwrap_or_else(|| panic!("no code: {told}"));
    assert_eq!(act(&server, &id, "collect", json!({"code": code})).status, 200);
}

/// Where far more orders are expected than there are units, a unit costs what later orders lose, also
/// after the network was built anew.
#[test]
fn prices_are_learned_as_orders_come() {
    let server = chain();
    let put = |replaces: u32, more: &str| {
        let policy = format!(
            "version = 1\n{more}[prices]\nenabled = true\nreprice_every = 1\nhorizon_orders = 500\n"
        );
        let body = json!({"replaces": replaces, "policy": policy, "reason": "test"});
        assert_eq!(server.operate("PUT", "/admin/v1/routing", Some(body)).status, 200);
    };
    let dry = || {
        let order = json!({"campaign": "drop", "order": wish(json!({}))});
        server.operate("POST", "/admin/v1/routing/dry-run", Some(order)).json()
    };
    let is_priced = || dry()["why"].to_string().contains("later orders");
    put(0, "");
    assert!(!is_priced(), "nothing was learned yet");
    let id = sold(&server, "ann", &wish(json!({})));
    order_in(&server, &id, "assigned");
    until(is_priced);
    put(1, "[distance]\ndetour = 1.4\n");
    let id = sold(&server, "bob", &wish(json!({})));
    assert_eq!(order_in(&server, &id, "assigned")["why"]["policy"], 2);
    until(is_priced);
    audit(&server);
}

#[test]
fn every_route_about_stores_needs_its_scope() {
    let key = |scope: Scope| scope.as_str().repeat(40)[..40].to_owned();
    let server = Server::start(|config, dir| {
        config.dev = true;
        for scope in [Scope::Reserve, Scope::Confirm, Scope::Admin, Scope::Metrics] {
            let secret_file = file(dir, scope.as_str(), &key(scope));
            let name = onrush::Name::new(&format!("shop-{}", scope.as_str())).expect("a name");
            config.api_keys.push(ApiKeySection { name, scope: vec![scope], secret_file });
        }
    });
    campaign(&server, "drop", "stores");
    stocked(&server, "drop");
    let id = sold(&server, "ann", &wish(json!({})));
    order_in(&server, &id, "assigned");
    let text = |path: &str, text: &str| {
        ask("POST", path).header("content-type", "text/csv").body(text.as_bytes())
    };
    let order = |what: &str| format!("/admin/v1/orders/{id}{what}");
    let stock = json!({"campaign": "drop", "sku": "unit", "quantity": 1, "reason": "x"});
    let node = json!({"kind": "store", "lat": 1, "lon": 2});
    let routing = json!({"replaces": 0, "policy": "version = 1", "reason": "x"});
    let dry = json!({"campaign": "drop", "order": wish(json!({}))});
    let requests = vec![
        (Scope::Admin, ask("GET", "/admin/v1/nodes")),
        (Scope::Admin, text("/admin/v1/nodes", NODES)),
        (Scope::Admin, ask("GET", "/admin/v1/nodes/center")),
        (Scope::Admin, ask("PUT", "/admin/v1/nodes/new").json(&node)),
        (Scope::Admin, ask("POST", "/admin/v1/nodes/center/stock").json(&stock)),
        (Scope::Admin, text("/admin/v1/campaigns/drop/stock", STOCK)),
        (Scope::Confirm, ask("GET", "/admin/v1/orders")),
        (Scope::Confirm, ask("GET", &order(""))),
        (
            Scope::Confirm,
            ask("POST", &order("/reject")).json(&json!({"node": "x", "why": "damaged"})),
        ),
        (Scope::Confirm, ask("POST", &order("/dispatch")).json(&json!({"node": "x"}))),
        (Scope::Confirm, ask("POST", &order("/collect")).json(&json!({"code": "x"}))),
        (Scope::Admin, ask("GET", "/admin/v1/routing")),
        (Scope::Admin, ask("PUT", "/admin/v1/routing").json(&routing)),
        (Scope::Admin, ask("POST", "/admin/v1/routing/dry-run").json(&dry)),
    ];
    let before = server.engine.durable_lsn();
    for (needs, request) in &requests {
        request.clone().to(server.admin).is_problem("unauthenticated");
        request.clone().buyer("ann").to(server.admin).is_problem("forbidden");
        for has in [Scope::Reserve, Scope::Confirm, Scope::Metrics] {
            if has != *needs {
                request.clone().bearer(&key(has)).to(server.admin).is_problem("forbidden");
            }
        }
    }
    assert_eq!(server.engine.durable_lsn(), before, "nothing was done");
    for (needs, request) in &requests {
        for has in [*needs, Scope::Admin] {
            let answer = request.clone().bearer(&key(has)).to(server.admin);
            assert!(!matches!(answer.status, 401 | 403), "{request:?}");
        }
    }
}
