//! What operators and back ends can do, and what nobody else can.

use crate::client::{Ask, ask};
use crate::server::{Server, file};
use onrush_gateway::config::{ApiKeySection, Scope};
use serde_json::{Value, json};

fn name(text: &str) -> onrush::Name {
    onrush::Name::new(text).expect("name")
}

/// A server with one key of each scope: the key's text is its scope 40 times cut to 40 characters.
fn with_keys() -> Server {
    Server::start(|config, dir| {
        config.dev = true;
        for scope in [Scope::Reserve, Scope::Confirm, Scope::Admin, Scope::Metrics] {
            let secret_file = file(dir, scope.as_str(), &key(scope));
            let name = name(&format!("shop-{}", scope.as_str()));
            config.api_keys.push(ApiKeySection { name, scope: vec![scope], secret_file });
        }
    })
}

fn key(scope: Scope) -> String {
    scope.as_str().repeat(40)[..40].to_owned()
}

/// Every request of the admin side that needs a token, with the least scope that may make it.
fn requests(id: &str) -> Vec<(Scope, Ask)> {
    let campaign = json!({"skus": []});
    let reason = json!({"reason": "test"});
    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    let supply = with(with(reason.clone(), "sku", "unit".into()), "quantity", 1.into());
    let phase = with(reason.clone(), "to", "paused".into());
    let judge = with(reason.clone(), "accept", true.into());
    let value = with(reason.clone(), "public_value", "4 8 15".into());
    let health = json!({"latency_ms": 40, "ok": true});
    let reservation = |action: &str| format!("/admin/v1/reservations/{id}{action}");
    vec![
        (Scope::Admin, ask("GET", "/admin/v1/campaigns")),
        (Scope::Admin, ask("GET", "/admin/v1/campaigns/drop")),
        (Scope::Admin, ask("PUT", "/admin/v1/campaigns/drop").json(&campaign)),
        (Scope::Admin, ask("POST", "/admin/v1/campaigns/drop/supply").json(&supply)),
        (Scope::Admin, ask("POST", "/admin/v1/campaigns/drop/phase").json(&phase)),
        (Scope::Admin, ask("GET", "/admin/v1/campaigns/drop/reservations")),
        (Scope::Confirm, ask("GET", &reservation(""))),
        (Scope::Confirm, ask("POST", &reservation("/confirm")).json(&json!({}))),
        (Scope::Admin, ask("POST", &reservation("/cancel")).json(&reason)),
        (Scope::Admin, ask("POST", &reservation("/judge")).json(&judge)),
        (Scope::Admin, ask("GET", "/admin/v1/refunds")),
        (Scope::Admin, ask("POST", "/admin/v1/refunds/0/paid").json(&json!({"reference": "r"}))),
        (Scope::Metrics, ask("GET", "/metrics")),
        (Scope::Admin, ask("GET", "/admin/v1/campaigns/drop/line")),
        (Scope::Admin, ask("GET", "/admin/v1/campaigns/drop/tickets/0")),
        (Scope::Admin, ask("POST", "/admin/v1/campaigns/drop/outflow").json(&reason)),
        (Scope::Admin, ask("POST", "/admin/v1/campaigns/drop/draw").json(&value)),
        (Scope::Admin, ask("POST", "/admin/v1/campaigns/drop/message").json(&reason)),
        (Scope::Confirm, ask("POST", "/admin/v1/campaigns/drop/shop-health").json(&health)),
    ]
}

#[test]
fn every_route_needs_its_scope() {
    let server = with_keys();
    server.open_campaign("drop", 2, 1);
    let id = server.held("drop", "ann", "k");
    let before = server.engine.durable_lsn();
    for (needs, request) in requests(&id) {
        request.to(server.admin).is_problem("unauthenticated");
        request.clone().bearer("x").to(server.admin).is_problem("unauthenticated");
        request.clone().buyer("ann").to(server.admin).is_problem("forbidden");
        for has in [Scope::Reserve, Scope::Confirm, Scope::Metrics] {
            if has != needs {
                request.clone().bearer(&key(has)).to(server.admin).is_problem("forbidden");
            }
        }
    }
    assert_eq!(server.engine.durable_lsn(), before, "nothing was done");
    for (needs, request) in requests(&id) {
        for has in [needs, Scope::Admin] {
            let answer = request.clone().bearer(&key(has)).to(server.admin);
            assert!(!matches!(answer.status, 401 | 403), "{request:?}");
        }
    }
    for path in ["/openapi.json", "/docs/errors/paused"] {
        ask("GET", path).to(server.admin).is_problem("unauthenticated");
        assert_eq!(ask("GET", path).bearer(&key(Scope::Metrics)).to(server.admin).status, 200);
    }
    let page = ask("GET", "/docs/api").to(server.admin);
    assert_eq!(page.status, 200, "it has nothing secret");
    let page = String::from_utf8(page.body).expect("UTF-8");
    assert!(
        page.contains("/v1/campaigns/{campaign}/reservations") && page.contains("id=\"Reserve\"")
    );
    for (path, said) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
        let answer = ask("GET", path).to(server.admin);
        assert_eq!((answer.status, answer.body), (200, said.as_bytes().to_vec()));
    }
}

/// Shape before identity, identity before existence, on this side too.
#[test]
fn the_order_of_checks_is_the_same() {
    let server = with_keys();
    let nothing = json!({"reason": "x", "sku": "u", "quantity": 1});
    let supply = |body: &Value| ask("POST", "/admin/v1/campaigns/none/supply").json(body);
    let mut bad = nothing.clone();
    bad["reason"] = " ".into();
    supply(&bad).to(server.admin).is_problem("invalid_request");
    supply(&nothing).to(server.admin).is_problem("unauthenticated");
    supply(&nothing).bearer(&key(Scope::Confirm)).to(server.admin).is_problem("forbidden");
    supply(&nothing).bearer(&key(Scope::Admin)).to(server.admin).is_problem("not_found");
    let confirm = |currency: &str| {
        let payment =
            json!({"method": "card", "amount": 1, "currency": currency, "reference": "r"});
        ask("POST", "/admin/v1/reservations/x/confirm").json(&json!({"payments": [payment]}))
    };
    confirm("?").to(server.admin).is_problem("invalid_request");
    confirm("CNY").to(server.admin).is_problem("unauthenticated");
    confirm("CNY").bearer(&key(Scope::Metrics)).to(server.admin).is_problem("forbidden");
    confirm("CNY").bearer(&key(Scope::Confirm)).to(server.admin).is_problem("not_found");
}

#[test]
fn public_addresses_do_not_exist_on_the_admin_side() {
    let server = Server::dev();
    for path in ["/v1/time", "/v1/campaigns/drop", "/v1/reservations/x"] {
        ask("GET", path).bearer(&server.token).to(server.admin).is_problem("not_found");
    }
}

#[test]
fn a_campaign_is_made_shown_and_changed() {
    let server = Server::dev();
    let body = json!({"campaign": "drop", "title": "Drop", "opens_at": "2026-12-01T20:00:00+08:00",
        "closes_at": "2026-12-02T00:00:00+08:00", "limit_per_buyer": 3, "hold": "2m",
        "skus": [{"sku": "unit", "price": 100, "supply": 5}]});
    server.put("drop", body.clone());
    server.put("drop", body.clone());
    let shown = server.operate("GET", "/admin/v1/campaigns/drop", None).json();
    assert_eq!(shown["phase"], "open");
    assert_eq!(shown["hold_ms"], 120_000);
    assert_eq!(
        shown["skus"],
        json!([{"sku": "unit", "price": 100, "limit_per_buyer": 3, "supplied": 5, "free": 5,
            "held": 0, "sold": 0, "withdrawn": 0}]),
        "supply acts once"
    );
    let supply = |sku: &str, quantity: i64, reason: &str| {
        let body = json!({"sku": sku, "quantity": quantity, "reason": reason});
        server.operate("POST", "/admin/v1/campaigns/drop/supply", Some(body))
    };
    assert_eq!(supply("unit", 3, "found").json(), json!({"free": 8, "held": 0}));
    assert_eq!(supply("unit", -6, "broken").json(), json!({"free": 2, "held": 0}));
    supply("unit", -3, "more").is_problem("invalid_request");
    supply("unit", 0, "none").is_problem("invalid_request");
    supply("unit", 1, " ").is_problem("invalid_request");
    supply("none", 1, "x").is_problem("not_found");
    let list = server.operate("GET", "/admin/v1/campaigns", None).json();
    assert_eq!(list["campaigns"][0]["campaign"], "drop");
    assert_eq!(list["next_after"], Value::Null);
}

#[test]
fn a_bad_campaign_is_refused_with_its_field() {
    let server = Server::dev();
    for (body, named) in [
        (json!({"colour": 1}), "colour"),
        (json!({"campaign": "other"}), "campaign"),
        (json!({"hold": 300}), "units"),
        (json!({"hold": "5"}), "duration"),
        (json!({"hold": "1ms"}), "hold"),
        (json!({"opens_at": "2026-12-01T20:00:00"}), "offset"),
        (json!({"opens_at": "2026-12-02T20:00:00Z", "closes_at": "2026-12-01T20:00:00Z"}), "sched"),
        (json!({"currency": "rmb"}), "upper-case"),
        (json!({"limit_per_buyer": 0}), "limit_per_buyer"),
        (json!({"skus": [{"sku": "a b", "price": 1}]}), "position 1"),
        (json!({"skus": [{"sku": "a", "price": -1}]}), "price"),
        (json!({"skus": [{"sku": "a", "price": 1}, {"sku": "a", "price": 1}]}), "twice"),
        (json!({"waves": [{"at": "2026-12-01T20:00:00Z", "sku": "a", "quantity": 1}]}), "waves"),
    ] {
        let answer = server.operate("PUT", "/admin/v1/campaigns/drop", Some(body.clone()));
        let problem = answer.is_problem("invalid_request");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(named), "{body}: {detail}");
    }
    let bad_name = server.operate("PUT", "/admin/v1/campaigns/a%20b", Some(json!({})));
    bad_name.is_problem("invalid_request");
    assert!(server.engine.campaigns().is_empty());
}

#[test]
fn a_campaign_of_many_skus_fits() {
    let server = Server::start(|config, _| {
        config.dev = true;
        config.engine.segment_bytes = Some(8 << 20);
    });
    let skus: Vec<Value> =
        (0..2_000).map(|n| json!({"sku": format!("sku-{n}"), "price": n, "supply": 1})).collect();
    let body = json!({"skus": skus});
    assert!(body.to_string().len() > 64 * 1_024);
    // Without a token even the body is not read.
    let answer = ask("PUT", "/admin/v1/campaigns/big").json(&body).to(server.admin);
    answer.is_problem("too_large");
    server.put("big", body);
    assert_eq!(server.engine.campaign("big").expect("made").skus().len(), 2_000);
}

#[test]
fn payments_refunds_and_cancels() {
    let server = with_keys();
    server.open_campaign("drop", 3, 3);
    let id = server.held("drop", "ann", "k");
    let act = |action: &str, body: Value| {
        server.operate("POST", &format!("/admin/v1/reservations/{id}/{action}"), Some(body))
    };
    let pay = |reference: &str, amount: i64, method: &str| {
        json!({"payments": [{"method": method, "amount": amount, "currency": "CNY",
            "reference": reference}]})
    };
    assert_eq!(act("confirm", json!({})).is_problem("invalid_request")["code"], "invalid_request");
    assert_eq!(act("confirm", pay("p", 40, "points")).text("state"), "held");
    assert_eq!(act("confirm", pay("c", 70, "card")).text("state"), "sold");
    act("confirm", pay("c", 71, "card")).is_problem("key_reused");
    for bad in [
        json!({"payments": [{"method": "card", "amount": 0, "currency": "CNY", "reference": "x"}]}),
        json!({"payments": [{"method": "card", "amount": 1, "currency": "cny", "reference": "x"}]}),
        json!({"payments": [{"method": "card", "amount": 1, "currency": "CNY", "reference": ""}]}),
        json!({"payments": [{"method": "a b", "amount": 1, "currency": "CNY", "reference": "x"}]}),
        json!({"payment": []}),
    ] {
        act("confirm", bad).is_problem("invalid_request");
    }
    let shown = server.operate("GET", &format!("/admin/v1/reservations/{id}"), None).json();
    assert_eq!(shown["state"], "sold");
    assert_eq!(shown["payments"].as_array().map(Vec::len), Some(2));
    assert_eq!(shown["payments"][0]["provider"], "dev");

    // Ten too much are due back at once, the rest when the sale is taken back.
    let refunds = || server.operate("GET", "/admin/v1/refunds", None).json()["refunds"].clone();
    assert_eq!(refunds()[0]["money"], json!({"amount": 10, "currency": "CNY"}));
    assert_eq!(refunds()[0]["reservation"], id);
    let cancelled = act("cancel", json!({"reason": "asked for it"}));
    assert_eq!((cancelled.status, cancelled.text("state").as_str()), (200, "cancelled"));
    assert_eq!(server.units("drop"), (3, 0));
    let due: i64 = refunds()
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|refund| refund["money"]["amount"].as_i64())
        .sum();
    assert_eq!(due, 110, "all that was paid goes back");
    for refund in refunds().as_array().expect("a list") {
        let number = refund["refund"].as_str().expect("a number");
        let path = format!("/admin/v1/refunds/{number}/paid");
        for _ in 0..2 {
            let paid = server.operate("POST", &path, Some(json!({"reference": "out-1"})));
            assert_eq!(paid.json(), json!({"refund": number, "paid": true}));
        }
    }
    assert_eq!(refunds(), json!([]));
    let path = "/admin/v1/refunds/99/paid";
    server.operate("POST", path, Some(json!({"reference": "x"}))).is_problem("not_found");
    let missing = server.operate("GET", "/admin/v1/reservations/aaaaaaaaaaaaaaaaaaaaaaaaaa", None);
    missing.is_problem("not_found");
}

#[test]
fn lists_come_in_pages() {
    let server = Server::dev();
    server.open_campaign("drop", 9, 9);
    server.open_campaign("other", 9, 9);
    let mut made: Vec<String> = Vec::new();
    for n in 0..5 {
        made.push(server.held("drop", "ann", &format!("k{n}")));
        server.held("other", "ann", &format!("k{n}"));
    }
    let mut seen: Vec<String> = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/admin/v1/campaigns/drop/reservations?limit=2{after}");
        let page = server.operate("GET", &path, None).json();
        for row in page["reservations"].as_array().expect("a list") {
            assert_eq!(row["campaign"], "drop");
            seen.push(row["id"].as_str().expect("an id").to_owned());
        }
        match page["next_after"].as_u64() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, made);
    for query in ["limit=x", "limit=501", "after=-1", "page=1", "limit"] {
        let path = format!("/admin/v1/campaigns/drop/reservations?{query}");
        server.operate("GET", &path, None).is_problem("invalid_request");
    }
}

#[test]
fn figures_count_what_happened() {
    let server = with_keys();
    server.open_campaign("drop", 1, 1);
    server.held("drop", "ann", "k");
    server.reserve("drop", "bob", "k").is_problem("all_held");
    let page = ask("GET", "/metrics").bearer(&key(Scope::Metrics)).to(server.admin);
    assert!(page.header("content-type").is_some_and(|kind| kind.contains("openmetrics")));
    let text = String::from_utf8(page.body).expect("UTF-8");
    let path = "path=\"/v1/campaigns/{campaign}/reservations\"";
    for line in [
        format!("onrush_http_requests_total{{method=\"POST\",{path},code=\"ok\"}} 1"),
        format!("onrush_http_requests_total{{method=\"POST\",{path},code=\"all_held\"}} 1"),
        format!("onrush_http_request_duration_seconds_count{{method=\"POST\",{path}}} 2"),
        "onrush_units_free{campaign=\"drop\",sku=\"unit\"} 0".to_owned(),
        "onrush_units_held{campaign=\"drop\",sku=\"unit\"} 1".to_owned(),
        "onrush_engine_healthy 1".to_owned(),
        "# EOF".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nin\n{text}");
    }
    let inf = text.lines().find(|line| line.contains(path) && line.contains("le=\"+Inf\""));
    assert!(inf.is_some_and(|line| line.ends_with(" 2")), "{inf:?}");
}

#[test]
fn the_document_describes_the_routes() {
    let server = Server::dev();
    let document = server.operate("GET", "/openapi.json", None).json();
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/v1/campaigns/{campaign}/reservations"]["post"].is_object());
    assert!(document["paths"]["/admin/v1/reservations/{id}/confirm"]["post"].is_object());
}

#[test]
fn the_admin_side_may_be_a_unix_socket() {
    use std::io::{Read, Write};
    let mut path = std::path::PathBuf::new();
    let server = Server::start(|config, dir| {
        path = dir.join("admin.sock");
        config.dev = true;
        config.listen.admin = onrush_gateway::config::Listen::Unix(path.clone());
    });
    let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("connect");
    let request = ask("GET", "/admin/v1/campaigns").bearer(&server.token);
    stream.write_all(&request.header("connection", "close").bytes()).expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("read");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}
