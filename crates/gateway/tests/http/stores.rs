//! Stores over HTTP: the whole story of an order, refusals, and what operators import and read.

use crate::chain::*;
use crate::client::ask;
use crate::server::Server;
use serde_json::{Value, json};

#[test]
fn a_hold_is_promised_sold_planned_and_collected_once() {
    let server = chain();
    assert_eq!(server.units("drop"), (9, 0), "one unit is the center's own");
    let body = wish(json!({"delivery": "pickup", "pickup_node": "center", "quantity": 2}));
    let held = reserve(&server, "ann", &body);
    assert_eq!(held.status, 201, "{}", String::from_utf8_lossy(&held.body));
    let promise = held.json()["promise"].clone();
    assert_eq!(
        (&promise["delivery"], &promise["from"][0]["node"]),
        (&json!("pickup"), &json!("center"))
    );
    assert_eq!(promise["from"][0]["quantity"], 2);
    assert!(promise["confidence"].as_f64().is_some_and(|sure| sure > 0.9 && sure <= 1.0));
    assert!(promise["at"].as_str().is_some_and(|at| at.starts_with("2026-12-01T12:")), "{promise}");
    let again = reserve(&server, "ann", &body);
    assert_eq!((again.status, again.json()["promise"].is_object()), (200, true));

    let id = held.text("id");
    let told = ask("GET", &format!("/v1/reservations/{id}/promise")).buyer("ann");
    let before = told.clone().to(server.public).json();
    assert_eq!((&before["routed"], &before["code"]), (&json!(false), &Value::Null));
    assert_eq!(before["promise"]["from"][0]["node"], "center");
    pay(&server, &id, 200);
    let planned = order_in(&server, &id, "assigned");
    assert_eq!(planned["shipments"][0]["node"], "center");
    assert_eq!(units(&server, "center"), [0, 2, 0, 0]);
    let after = told.clone().to(server.public).json();
    assert_eq!((&after["routed"], &after["from"][0]["quantity"]), (&json!(true), &json!(2)));
    let code = after["code"].as_str().expect("a code for its owner").to_owned();
    ask("GET", &format!("/v1/reservations/{id}/promise"))
        .buyer("bob")
        .to(server.public)
        .is_problem("not_found");

    act(&server, &id, "collect", json!({"code": "00000000"})).is_problem("invalid_request");
    assert_eq!(order(&server, &id)["state"], "assigned");
    let collected = act(&server, &id, "collect", json!({"code": code.to_lowercase()}));
    assert_eq!(collected.text("state"), "handed_over");
    act(&server, &id, "collect", json!({"code": code})).is_problem("already_final");
    assert_eq!(units(&server, "center"), [0, 0, 2, 0]);
    assert_eq!(
        told.to(server.public).json()["code"],
        Value::Null,
        "a code is shown until it counts"
    );
    audit(&server);
}

#[test]
fn a_rejection_is_sourced_again_without_that_store() {
    let server = chain();
    let id = sold(&server, "ann", &wish(json!({"delivery": "one_hour"})));
    assert_eq!(order_in(&server, &id, "assigned")["shipments"][0]["node"], "center");
    let sure = |name| node(&server, name)["accept_estimate"].as_f64().expect("an estimate");
    let before = sure("center");
    let wrong = act(&server, &id, "reject", json!({"node": "center", "why": "lunch"}));
    wrong.is_problem("invalid_request");
    act(&server, &id, "reject", json!({"node": "north", "why": "too_busy"}))
        .is_problem("not_found");
    let refused = json!({"node": "center", "why": "not_in_stock", "reason": "shelf is empty"});
    assert_eq!(act(&server, &id, "reject", refused.clone()).status, 200);
    until(|| order(&server, &id)["plans"] == 2);
    let planned = order(&server, &id);
    assert_eq!(planned["shipments"][0]["state"], "rejected_not_in_stock");
    assert_eq!(planned["shipments"][1]["state"], "assigned");
    assert_ne!(planned["shipments"][1]["node"], "center");
    assert_eq!(units(&server, "center"), [0, 0, 0, 2], "the count was wrong");
    assert_eq!(server.units("drop").0, 6, "and the sale has two units fewer");
    until(|| sure("center") < before);
    assert_eq!(act(&server, &id, "reject", refused).status, 200, "it is known");
    let to = planned["shipments"][1]["node"].as_str().expect("a name").to_owned();
    assert_eq!(act(&server, &id, "dispatch", json!({"node": to})).text("state"), "handed_over");
    assert_eq!(act(&server, &id, "dispatch", json!({"node": to})).status, 200);
    let late = act(&server, &id, "reject", json!({"node": to, "why": "too_busy"}));
    late.is_problem("already_final");
    audit(&server);
}

#[test]
fn what_no_store_can_serve_waits_and_is_listed_with_the_reason() {
    let server = chain();
    let body = wish(json!({"delivery": "pickup", "pickup_node": "north"}));
    let id = sold(&server, "ann", &body);
    order_in(&server, &id, "assigned");
    act(&server, &id, "reject", json!({"node": "north", "why": "too_busy"}));
    let listed = || server.operate("GET", "/admin/v1/orders?state=unrouted", None).json();
    until(|| listed()["orders"][0]["id"] == id.as_str());
    let why = order(&server, &id)["why"].clone();
    assert_eq!(why["refused_by"], json!(["north"]));
    assert!(why["en"].as_array().is_some_and(|all| !all.is_empty()));
    assert_eq!(
        server.operate("GET", "/admin/v1/orders?state=assigned", None).json()["orders"],
        json!([])
    );

    let nowhere = sold(&server, "bob", &json!({"sku": "unit"}));
    let why = order_in(&server, &nowhere, "unrouted")["why"]["problem"].to_string();
    assert!(why.contains("neither a destination"), "{why}");
    let cancel = |id: &str| format!("/admin/v1/reservations/{id}/cancel");
    for id in [&id, &nowhere] {
        let body = json!({"reason": "no store", "restock": true});
        assert_eq!(server.operate("POST", &cancel(id), Some(body)).status, 200);
    }
    assert_eq!(listed()["orders"], json!([]));
    assert_eq!(server.units("drop"), (9, 0));
    audit(&server);
}

#[test]
fn more_stock_serves_what_waited() {
    let server = Server::dev();
    campaign(&server, "drop", "own");
    let supply = json!({"sku": "unit", "quantity": 9, "reason": "test"});
    server.operate("POST", "/admin/v1/campaigns/drop/supply", Some(supply));
    stocked(&server, "drop");
    assert_eq!(server.units("drop"), (9, 0), "the stores' stock is not this campaign's supply");
    let body = wish(json!({"quantity": 5, "delivery": "pickup", "pickup_node": "north"}));
    reserve(&server, "ann", &body).is_problem("out_of_reach");
    let three = sold(
        &server,
        "ann",
        &wish(json!({"quantity": 3, "delivery": "pickup", "pickup_node": "north"})),
    );
    order_in(&server, &three, "assigned");
    let two = json!({"sku": "unit", "quantity": 2, "delivery": "pickup", "pickup_node": "north"});
    reserve(&server, "bob", &two).is_problem("out_of_reach");
    let count = json!({"campaign": "drop", "sku": "unit", "on_hand": 5, "reason": "recount"});
    let moved = server.operate("POST", "/admin/v1/nodes/north/stock", Some(count));
    assert_eq!(moved.json()["stock"][0]["free"], 2, "five there, three of an order");
    until(|| reserve(&server, "bob", &two).status != 409);
    let id = reserve(&server, "bob", &two).text("id");
    pay(&server, &id, 200);
    order_in(&server, &id, "assigned");
    audit(&server);
}

#[test]
fn a_delivery_that_cannot_be_is_refused_before_anything_is_held() {
    let server = chain();
    let unknown = wish(json!({"delivery": "pickup", "pickup_node": "moon"}));
    let said = reserve(&server, "ann", &unknown).is_problem("invalid_request");
    assert!(said["detail"].as_str().is_some_and(|text| text.contains("moon")), "{said}");
    let far =
        json!({"sku": "unit", "delivery": "one_hour", "destination": {"lat": 31.2, "lon": 121.4}});
    reserve(&server, "ann", &far).is_problem("out_of_reach");
    assert_eq!(server.units("drop"), (9, 0));
    // A winner is told so, even where the same wish could not be granted any more.
    let body = wish(json!({"delivery": "pickup", "pickup_node": "太原街店", "quantity": 2}));
    let id = reserve(&server, "ann", &body).text("id");
    pay(&server, &id, 200);
    order_in(&server, &id, "assigned");
    assert_eq!(reserve(&server, "ann", &body).status, 200);
    let other = wish(json!({"delivery": "pickup", "pickup_node": "太原街店"}));
    reserve(&server, "bob", &other).is_problem("out_of_reach");
    // Phase and stock come first.
    let pause = json!({"to": "paused", "reason": "test"});
    server.operate("POST", "/admin/v1/campaigns/drop/phase", Some(pause));
    reserve(&server, "bob", &far).is_problem("paused");
}

#[test]
fn sold_out_names_stores_near_the_buyer() {
    let server = Server::dev();
    server.put(
        "drop",
        json!({"opens_at": "2026-12-01T11:00:00Z",
        "skus": [{"sku": "unit", "price": 100, "supply": 1}]}),
    );
    stocked(&server, "drop");
    sold(&server, "ann", &json!({"sku": "unit"}));
    let plain = reserve(&server, "bob", &json!({"sku": "unit"})).is_problem("sold_out");
    assert_eq!(plain["alternatives"], Value::Null, "nobody said where");
    let said = reserve(&server, "bob", &wish(json!({}))).is_problem("sold_out");
    let names: Vec<&str> = said["alternatives"]
        .as_array()
        .expect("stores")
        .iter()
        .map(|store| store["node"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["center", "太原街店", "north"], "a warehouse sells to nobody who walks in");
    assert_eq!(said["alternatives"][0]["units"], 2);
    assert!(said["alternatives"][1]["km"].as_f64().is_some_and(|km| (3.0..8.0).contains(&km)));
    assert_eq!(near(&server, "drop"), names);
}

/// Where the stores' stock is the supply, what is on hold is at the stores still, and not for others.
#[test]
fn units_on_hold_are_offered_to_nobody_else() {
    let server = chain();
    let all = [("ann", 5), ("bob", 4)].map(|(buyer, quantity)| {
        let held = reserve(&server, buyer, &wish(json!({"quantity": quantity})));
        assert_eq!(held.status, 201, "{}", String::from_utf8_lossy(&held.body));
        held.json()
    });
    let late = reserve(&server, "cem", &wish(json!({}))).is_problem("all_held");
    assert_eq!(late["alternatives"], Value::Null);
    let again = reserve(&server, "bob", &wish(json!({"quantity": 4})));
    assert_eq!(again.status, 200, "a repeat");
    assert_eq!(again.json()["promise"]["from"], all[1]["promise"]["from"]);
    assert!(all[1]["promise"]["at"].is_string(), "{}", all[1]);
}

#[test]
fn files_are_imported_whole_or_not_at_all() {
    let server = Server::dev();
    campaign(&server, "drop", "stores");
    let bad = "node,kind,lat,lon,colour\na,store,41,123,red\nb,shop,41,123,\n,store,1,2,\nc,store,91,2,\nd,store\n";
    let said = csv(&server, "/admin/v1/nodes", bad).is_problem("invalid_request");
    let said = said["detail"].as_str().expect("words").to_owned();
    for part in
        ["4 bad rows", "line 3: ", "line 4: node is empty", "line 5: lat 91", "line 6: 2 cells"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(server.operate("GET", "/admin/v1/nodes", None).json()["nodes"], json!([]));
    let kept = csv(&server, "/admin/v1/nodes?skip_bad=true", bad).json();
    assert_eq!((&kept["changed"], &kept["bad_count"]), (&json!(1), &json!(4)));
    assert_eq!(kept["unknown_columns"], json!(["colour"]));
    let stock = "node,sku,on_hand\na,unit,5\nx,unit,1\na,milk,1\na,unit,6\na,unit,-1\n";
    let path = "/admin/v1/campaigns/drop/stock";
    let said = csv(&server, path, stock).is_problem("invalid_request");
    let said = said["detail"].as_str().expect("words").to_owned();
    for part in ["line 3: there is no node x", "line 4: sku milk", "line 5: ", "line 6: on_hand"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(server.units("drop"), (0, 0));
    assert_eq!(csv(&server, &format!("{path}?skip_bad=true"), stock).json()["changed"], 1);
    assert_eq!(server.units("drop"), (5, 0), "a store's stock is the supply");
    let same = csv(&server, path, "node,sku,on_hand\na,unit,5\n").json();
    assert_eq!((&same["changed"], &same["same"]), (&json!(0), &json!(1)));
    csv(&server, path, "node,sku\n").is_problem("invalid_request");
    csv(&server, "/admin/v1/campaigns/none/stock", stock).is_problem("not_found");
    server.operate("POST", path, Some(json!({}))).is_problem("unsupported_media");
    let hand = json!({"sku": "unit", "quantity": 1, "reason": "test"});
    let refused = server.operate("POST", "/admin/v1/campaigns/drop/supply", Some(hand));
    refused.is_problem("invalid_request");
}

#[test]
fn stores_are_put_shown_and_listed() {
    let server = chain();
    let path = "/admin/v1/nodes/%E5%A4%AA%E5%8E%9F%E8%A1%97%E5%BA%97";
    let shown = server.operate("GET", path, None).json();
    assert_eq!((&shown["node"], &shown["group"]), (&json!("太原街店"), &json!("city;old")));
    let put = json!({"kind": "store", "lat": 41.79, "lon": 123.39, "opens": "09:00",
        "closes": "21:00", "time_zone": "Asia/Shanghai", "reason": "new hours"});
    assert_eq!(server.operate("PUT", path, Some(put)).status, 200);
    assert_eq!(server.operate("GET", path, None).json()["closes"], "21:00");
    let wrong =
        json!({"kind": "store", "lat": 41.79, "lon": 123.39, "opens": "25:00", "closes": "1"});
    server.operate("PUT", path, Some(wrong)).is_problem("invalid_request");
    let first = server.operate("GET", "/admin/v1/nodes?limit=3", None).json();
    assert_eq!(
        (first["nodes"].as_array().map(Vec::len), &first["next_after"]),
        (Some(3), &json!(2))
    );
    let rest = server.operate("GET", "/admin/v1/nodes?after=2", None).json();
    assert_eq!(rest["nodes"][0]["node"], "far");
    server.operate("GET", "/admin/v1/nodes/none", None).is_problem("not_found");
    let stock = json!({"campaign": "drop", "sku": "unit", "quantity": -99, "reason": "x"});
    let refused = server.operate("POST", "/admin/v1/nodes/far/stock", Some(stock));
    refused.is_problem("invalid_request");
    // At noon UTC it is 20:00 in the city: the store still serves, an hour and a half later not.
    let body = wish(json!({"delivery": "pickup", "pickup_node": "太原街店"}));
    until(|| node(&server, "%E5%A4%AA%E5%8E%9F%E8%A1%97%E5%BA%97")["closes"] == "21:00");
    assert_eq!(reserve(&server, "ann", &body).status, 201);
}
