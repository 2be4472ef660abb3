//! What the console asks besides figures: who one is, links, a campaign's editor, a reservation's story.

use crate::client::{Answer, ask};
use crate::server::{Server, file};
use onrush::Name;
use onrush_gateway::config::{ApiKeySection, Scope};
use serde_json::{Value, json};

const KEYS: [(&str, Scope); 3] =
    [("viewer", Scope::View), ("operator", Scope::Operate), ("shop", Scope::Confirm)];

fn secret(name: &str) -> String {
    format!("{name:x>40}")
}

/// A server with a key for each role, and an owner's token.
fn server() -> Server {
    let server = Server::start(|config, dir| {
        config.dev = true;
        for (name, scope) in KEYS {
            config.api_keys.push(ApiKeySection {
                name: Name::new(name).expect("a name"),
                scope: vec![scope],
                secret_file: file(dir, &format!("{name}.key"), &secret(name)),
            });
        }
    });
    server.open_campaign("drop", 5, 3);
    server
}

fn as_key(server: &Server, key: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = ask(method, path).bearer(key);
    match body {
        Some(body) => request.json(&body).to(server.admin),
        None => request.to(server.admin),
    }
}

#[test]
fn a_role_may_what_it_may_and_no_more() {
    let server = server();
    let id = server.held("drop", "ann", "k1");
    let campaign = json!({"opens_at": "2026-12-01T11:00:00Z", "limit_per_buyer": 3,
        "skus": [{"sku": "unit", "price": 100, "supply": 5}]});
    let supply = json!({"sku": "unit", "quantity": 1, "reason": "test"});
    let link = json!({"name": "ben", "role": "viewer", "reason": "test"});
    // Path, body, and whether viewer, operator and shop may.
    let table = [
        ("GET", "/admin/v1/me".to_owned(), None, [true, true, true]),
        ("GET", "/admin/v1/campaigns/drop".to_owned(), None, [true, true, false]),
        ("GET", "/admin/v1/campaigns/drop/funnel".to_owned(), None, [true, true, false]),
        ("GET", "/metrics".to_owned(), None, [true, true, false]),
        ("GET", "/admin/v1/refunds".to_owned(), None, [true, true, false]),
        ("GET", format!("/admin/v1/reservations/{id}"), None, [true, true, true]),
        ("GET", format!("/admin/v1/reservations/{id}/timeline"), None, [true, true, true]),
        ("GET", "/admin/v1/orders".to_owned(), None, [true, true, true]),
        ("GET", "/admin/v1/campaigns/drop/terms".to_owned(), None, [true, true, false]),
        (
            "POST",
            "/admin/v1/campaigns/drop/check".to_owned(),
            Some(campaign.clone()),
            [true, true, false],
        ),
        ("POST", "/admin/v1/campaigns/drop/supply".to_owned(), Some(supply), [false, true, false]),
        ("PUT", "/admin/v1/campaigns/drop".to_owned(), Some(campaign), [false, false, false]),
        ("POST", "/admin/v1/links".to_owned(), Some(link), [false, false, false]),
        (
            "POST",
            format!("/admin/v1/reservations/{id}/confirm"),
            Some(json!({"payments": []})),
            [false, false, true],
        ),
    ];
    for (method, path, body, may) in table {
        for ((name, _), may) in KEYS.iter().zip(may) {
            let answer = as_key(&server, &secret(name), method, &path, body.clone());
            let is_refused = answer.status == 403;
            assert_eq!(!is_refused, may, "{name}: {method} {path}: {}", answer.status);
        }
        let owner = server.operate(method, &path, body.clone());
        assert!(owner.status != 403, "{method} {path}");
    }
    let told = as_key(&server, &secret("viewer"), "GET", "/admin/v1/me", None).json();
    assert_eq!(told, json!({"name": "viewer", "role": "viewer", "scopes": ["view"]}));
    let shop = as_key(&server, &secret("shop"), "GET", "/admin/v1/me", None).json();
    assert_eq!(shop["role"], Value::Null);
    let me = server.operate("GET", "/admin/v1/me", None).json();
    assert_eq!(me["role"], "owner");
}

fn sign_in(server: &Server, code: &str) -> Answer {
    ask("POST", "/admin/v1/sign-in").json(&json!({"code": code})).to(server.admin)
}

fn code_in(path: &str) -> &str {
    path.split_once("/console#once=").expect("a link").1
}

#[test]
fn the_first_link_lets_an_owner_in_once_who_makes_links_for_others() {
    let server = Server::dev();
    let link = server.running().console_link.clone().expect("nobody else is an owner");
    assert!(link.starts_with(&format!("http://{}/console#once=", server.admin)), "{link}");
    let owner = sign_in(&server, code_in(&link));
    assert_eq!(owner.status, 200, "{}", String::from_utf8_lossy(&owner.body));
    assert_eq!(owner.text("role"), "owner");
    sign_in(&server, code_in(&link)).is_problem("unauthenticated");
    sign_in(&server, "").is_problem("unauthenticated");
    let wanted = |role: &str| json!({"name": "ben", "role": role, "reason": "new here"});
    let make = |role: &str| {
        as_key(&server, &owner.text("token"), "POST", "/admin/v1/links", Some(wanted(role)))
    };
    make("king").is_problem("invalid_request");
    let made = make("operator");
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    let ben = sign_in(&server, code_in(&made.text("path")));
    assert_eq!((ben.text("role").as_str(), ben.text("name").as_str()), ("operator", "ben"));
    let by_ben =
        as_key(&server, &ben.text("token"), "POST", "/admin/v1/links", Some(wanted("viewer")));
    by_ben.is_problem("forbidden");
    let late = make("viewer").text("path");
    server.clock.advance(30 * 60_000);
    sign_in(&server, code_in(&late)).is_problem("unauthenticated");
    let still = as_key(&server, &ben.text("token"), "GET", "/admin/v1/campaigns", None);
    assert_eq!(still.status, 200);
    server.clock.advance(12 * 3_600_000);
    let over = as_key(&server, &ben.text("token"), "GET", "/admin/v1/campaigns", None);
    over.is_problem("unauthenticated");
}

#[test]
fn there_is_no_link_where_a_key_lets_an_owner_in() {
    let server = Server::start(|config, dir| {
        config.api_keys.push(ApiKeySection {
            name: Name::new("boss").expect("a name"),
            scope: vec![Scope::Admin],
            secret_file: file(dir, "boss.key", &secret("boss")),
        });
    });
    assert_eq!(server.running().console_link, None);
}

#[test]
fn a_campaign_is_written_as_it_was_put() {
    let server = Server::dev();
    let body = json!({
        "title": "Winter", "currency": "EUR", "preheat_at": "2026-12-01T13:00:00Z",
        "draw_at": "2026-12-01T13:30:00Z",
        "opens_at": "2026-12-01T14:00:00Z", "closes_at": "2026-12-01T15:00:00Z",
        "limit_per_buyer": 2, "hold": "7m", "buyers_expected": 500, "stock": "band", "few_at": 7,
        "skus": [{"sku": "a", "price": 100, "supply": 3}, {"sku": "b", "price": 250, "limit_per_buyer": 1}],
        "waves": [{"at": "2026-12-01T14:30:00Z", "sku": "a", "quantity": 9}],
        "line": {"pass": "3m", "outflow": {"per_second": 5}, "public_value": "the lottery of Sunday"},
        "waitlist": {"offer": "1m"},
    });
    server.put("drop", body);
    let terms = server.operate("GET", "/admin/v1/campaigns/drop/terms", None).json();
    assert_eq!(terms["title"], "Winter");
    assert_eq!(terms["hold"], "7m");
    assert_eq!(terms["line"]["pass"], "3m");
    assert_eq!(terms["line"]["outflow"]["per_second"], 5);
    assert_eq!(terms["waves"][0]["quantity"], 9);
    // Put again it changes nothing, and written again it is the same.
    let check = |body: &Value| {
        let told = server.operate("POST", "/admin/v1/campaigns/drop/check", Some(body.clone()));
        assert_eq!(told.status, 200, "{}", String::from_utf8_lossy(&told.body));
        told.json()
    };
    let same = check(&terms);
    assert_eq!(
        (&same["is_new"], &same["terms_change"], &same["skus_new"], &same["skus_changed"]),
        (&json!(false), &json!(false), &json!([]), &json!([]))
    );
    server.put("drop", terms.clone());
    assert_eq!(server.operate("GET", "/admin/v1/campaigns/drop/terms", None).json(), terms);
    let mut other = terms.clone();
    other["hold"] = "8m".into();
    other["skus"] = json!([{"sku": "a", "price": 90}, {"sku": "c", "price": 1, "supply": 4}]);
    let told = check(&other);
    assert_eq!(told["terms_change"], true);
    assert_eq!(
        (&told["skus_new"], &told["skus_changed"], &told["skus_left_out"], &told["units_new"]),
        (&json!(["c"]), &json!(["a"]), &json!(1), &json!(4))
    );
    let shown = server.operate("GET", "/admin/v1/campaigns/drop", None).json();
    assert_eq!(shown["hold_ms"], 420_000, "nothing was changed by checking");
}

#[test]
fn a_check_refuses_what_a_put_refuses_and_warns() {
    let server = Server::dev();
    let check = |body: Value| server.operate("POST", "/admin/v1/campaigns/new/check", Some(body));
    check(json!({"limit_per_buyer": 0, "skus": []})).is_problem("invalid_request");
    check(json!({"nonsense": 1})).is_problem("invalid_request");
    let told = check(json!({"opens_at": "2026-12-01T11:00:00Z", "published": false,
        "skus": [{"sku": "a", "price": 1}]}));
    let told = told.json();
    assert_eq!(told["is_new"], true);
    let warnings = ["opens_at_once", "closed_by_hand", "no_units", "no_line", "draft"];
    assert_eq!(told["warnings"], json!(warnings));
    let list = server.operate("GET", "/admin/v1/campaigns", None).json();
    assert_eq!(list["campaigns"], json!([]), "nothing was made");
}

#[test]
fn a_timeline_tells_who_did_what_and_why() {
    let server = server();
    let other = server.held("drop", "eve", "k1");
    let id = server.held("drop", "ann", "k1");
    let paid = json!({"payments": [{"method": "card", "amount": 100, "currency": "CNY", "reference": "p1"}]});
    let path = format!("/admin/v1/reservations/{id}");
    assert_eq!(server.operate("POST", &format!("{path}/confirm"), Some(paid)).status, 200);
    let cancel = json!({"reason": "it was broken", "restock": false});
    assert_eq!(server.operate("POST", &format!("{path}/cancel"), Some(cancel)).status, 200);
    let refunds = server.operate("GET", "/admin/v1/refunds", None).json();
    let refund = refunds["refunds"][0]["refund"].as_str().expect("a number").to_owned();
    let back = json!({"reference": "back-1"});
    let paid_back = server.operate("POST", &format!("/admin/v1/refunds/{refund}/paid"), Some(back));
    assert_eq!(paid_back.status, 200);
    let told = server.operate("GET", &format!("{path}/timeline"), None).json();
    let events = told["events"].as_array().expect("a list");
    let words: Vec<&str> = events.iter().filter_map(|event| event["what"].as_str()).collect();
    assert_eq!(words, ["held", "paid", "cancelled", "refunded"], "{told}");
    assert_eq!((&events[1]["amount"], &events[1]["reference"]), (&json!(100), &json!("p1")));
    let (by, why) = (&events[2]["by"], &events[2]["why"]);
    assert_eq!((by, why), (&json!("dev"), &json!("it was broken")));
    assert_eq!(events[3]["why"], "back-1");
    assert_eq!(told["next_from"], Value::Null);
    // From later on there is less to tell.
    let from = events[2]["lsn"].as_u64().expect("a number");
    let rest = server.operate("GET", &format!("{path}/timeline?from={from}"), None).json();
    assert_eq!(rest["events"], json!(events[2..]));
    let eve = server.operate("GET", &format!("/admin/v1/reservations/{other}/timeline"), None);
    assert_eq!(eve.json()["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        ask("DELETE", &format!("/v1/reservations/{other}")).buyer("eve").to(server.public).status,
        200
    );
    let eve =
        server.operate("GET", &format!("/admin/v1/reservations/{other}/timeline"), None).json();
    assert_eq!(eve["events"][1]["what"], "released");
    server.operate("GET", &format!("{path}/timeline?from=x"), None).is_problem("invalid_request");
    server.operate("GET", "/admin/v1/reservations/none/timeline", None).is_problem("not_found");
}
