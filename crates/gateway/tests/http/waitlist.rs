//! The waitlist over HTTP: the whole story of a unit that comes back, and what is refused.

use crate::client::{Answer, ask};
use crate::server::Server;
use serde_json::{Value, json};

const LINE: &str = "/v1/campaigns/drop/waitlist";

/// A sold-out campaign of one `unit`, held by ann for ten minutes, with offers of two minutes.
fn sold_out() -> (Server, String) {
    let server = Server::dev();
    server.put(
        "drop",
        json!({"opens_at": "2026-12-01T11:00:00Z", "closes_at": "2026-12-01T13:00:00Z",
            "limit_per_buyer": 1, "hold": "10m", "waitlist": {"offer": "2m"},
            "skus": [{"sku": "unit", "price": 100, "supply": 1}]}),
    );
    let held = server.held("drop", "ann", "k");
    (server, held)
}

fn join(server: &Server, buyer: &str) -> Answer {
    ask("POST", LINE).buyer(buyer).json(&json!({"sku": "unit"})).to(server.public)
}

fn look(server: &Server, buyer: &str) -> Answer {
    ask("GET", &format!("{LINE}/unit")).buyer(buyer).to(server.public)
}

fn leave(server: &Server, buyer: &str) -> Answer {
    ask("DELETE", &format!("{LINE}/unit")).buyer(buyer).to(server.public)
}

fn release(server: &Server, buyer: &str, id: &str) {
    let answer = ask("DELETE", &format!("/v1/reservations/{id}")).buyer(buyer).to(server.public);
    assert_eq!(answer.status, 200);
}

/// Return the answer without its poll interval, after looking at that.
fn told(answer: &Answer, status: u16, poll_ms: Option<std::ops::RangeInclusive<u64>>) -> Value {
    let mut json = answer.json();
    assert_eq!(answer.status, status, "{json}");
    let poll = json.as_object_mut().expect("an object").remove("poll_after_ms");
    match poll_ms {
        Some(range) => assert!(range.contains(&poll.expect("a poll").as_u64().expect("a number"))),
        None => assert_eq!(poll, None),
    }
    json
}

fn waiting(number: u32, ahead: u32) -> Value {
    json!({"campaign": "drop", "sku": "unit", "state": "waiting", "number": number,
        "quantity": 1, "ahead": ahead})
}

#[test]
fn a_unit_that_comes_back_goes_down_the_line() {
    let (server, held) = sold_out();
    let soon = || Some(2_000..=4_000);
    let short = server.reserve("drop", "ben", "k").is_problem("all_held");
    assert_eq!(short["waitlist"], true, "one can wait");
    assert_eq!(told(&join(&server, "ben"), 201, soon()), waiting(0, 0));
    assert_eq!(told(&join(&server, "cem"), 201, soon()), waiting(1, 1));
    assert_eq!(told(&join(&server, "dan"), 201, soon()), waiting(2, 2));
    assert_eq!(told(&join(&server, "cem"), 200, soon()), waiting(1, 1), "asked again");
    assert_eq!(told(&look(&server, "cem"), 200, soon()), waiting(1, 1));
    assert_eq!(told(&leave(&server, "dan"), 200, None)["state"], "left");
    leave(&server, "dan").is_problem("not_found");
    // Ann gives up; the unit is ben's for two minutes, and never dan's, who asks for it directly.
    release(&server, "ann", &held);
    server.reserve("drop", "dan", "k").is_problem("all_held");
    let ben = told(&look(&server, "ben"), 200, None);
    assert_eq!((&ben["state"], &ben["number"]), (&json!("offered"), &Value::Null));
    let offer = &ben["offer"];
    assert_eq!((&offer["state"], &offer["quantity"]), (&json!("held"), &json!(1)));
    assert_eq!(offer["expires_at"], "2026-12-01T12:02:00.000Z");
    let id = offer["reservation"].as_str().expect("an id");
    let seen = ask("GET", &format!("/v1/reservations/{id}")).buyer("ben").to(server.public);
    assert_eq!((seen.status, seen.text("state").as_str()), (200, "held"));
    assert_eq!(told(&look(&server, "cem"), 200, soon()), waiting(1, 0), "moved up");
    // Left unpaid it is cem's, who pays.
    let before = server.engine.durable_lsn();
    server.clock.advance(120_000);
    server.wait_until(|status| status.durable_lsn > before);
    assert_eq!(told(&look(&server, "ben"), 200, None)["state"], "missed");
    let cem = told(&look(&server, "cem"), 200, None);
    let id = cem["offer"]["reservation"].as_str().expect("an id");
    let payments = json!({"payments": [{"method": "card", "amount": 100, "currency": "CNY",
        "reference": "tx-1"}]});
    let path = format!("/admin/v1/reservations/{id}/confirm");
    assert_eq!(server.operate("POST", &path, Some(payments)).text("state"), "sold");
    assert_eq!(told(&look(&server, "cem"), 200, None)["state"], "bought");
    let sold = server.reserve("drop", "dan", "k").is_problem("sold_out");
    assert_eq!(sold["waitlist"], true);
}

#[test]
fn a_look_has_an_etag_that_changes_with_the_place() {
    let (server, _) = sold_out();
    join(&server, "ben");
    join(&server, "cem");
    let first = look(&server, "cem");
    let etag = first.header("etag").expect("an ETag").to_owned();
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let again = || {
        let look = ask("GET", &format!("{LINE}/unit")).buyer("cem");
        look.header("if-none-match", &etag).to(server.public)
    };
    for _ in 0..3 {
        assert_eq!((again().status, again().body.len()), (304, 0));
    }
    leave(&server, "ben");
    let moved = again();
    assert_eq!((moved.status, moved.text("ahead").as_str()), (200, "0"));
}

#[test]
fn what_a_waitlist_refuses() {
    let (server, held) = sold_out();
    let post = |body: Value| ask("POST", LINE).buyer("ben").json(&body).to(server.public);
    post(json!({"sku": "unit", "quantity": 0})).is_problem("invalid_request");
    post(json!({"sku": "unit", "more": 1})).is_problem("invalid_request");
    post(json!({"sku": ""})).is_problem("invalid_request");
    post(json!({"sku": "none"})).is_problem("not_found");
    post(json!({"sku": "unit", "quantity": 2})).is_problem("limit_reached");
    post(json!({"sku": "unit", "buyer": "cem"})).is_problem("invalid_request");
    let nobody = ask("POST", LINE).json(&json!({"sku": "unit"})).to(server.public);
    nobody.is_problem("unauthenticated");
    look(&server, "ben").is_problem("not_found");
    let wrong = ask("PUT", &format!("{LINE}/unit")).buyer("ben").to(server.public);
    wrong.is_problem("method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("GET, HEAD, DELETE"));
    let back_end = ask("POST", LINE).bearer(&server.token);
    let back_end = back_end.json(&json!({"sku": "unit", "buyer": "eve"})).to(server.public);
    assert_eq!(back_end.status, 201, "a back end asks for its buyer");
    leave(&server, "eve");
    release(&server, "ann", &held);
    post(json!({"sku": "unit"})).is_problem("units_free");
    server.open_campaign("plain", 0, 1);
    let plain = ask("POST", "/v1/campaigns/plain/waitlist").buyer("ben");
    plain.json(&json!({"sku": "unit"})).to(server.public).is_problem("not_found");
    let short = server.reserve("plain", "ben", "k").is_problem("sold_out");
    assert_eq!(short["waitlist"], Value::Null, "nothing to wait for there");
}

/// The close ends the line and tells everybody, the restart before it changes nothing.
#[test]
fn a_line_survives_a_restart_and_ends_with_the_sale() {
    let (server, _) = sold_out();
    for buyer in ["ben", "cem"] {
        join(&server, buyer);
    }
    let server = server.restart(|config, _| config.dev = true);
    assert_eq!(told(&look(&server, "cem"), 200, Some(2_000..=4_000)), waiting(1, 1));
    let body = json!({"to": "closed", "reason": "a test"});
    assert_eq!(server.operate("POST", "/admin/v1/campaigns/drop/phase", Some(body)).status, 200);
    look(&server, "cem").is_problem("ended");
    join(&server, "dan").is_problem("ended");
}

#[test]
fn operators_see_the_lines_and_their_terms() {
    let (server, held) = sold_out();
    for buyer in ["ben", "cem", "dan"] {
        join(&server, buyer);
    }
    leave(&server, "cem");
    release(&server, "ann", &held);
    let path = "/admin/v1/campaigns/drop/waitlist";
    assert_eq!(
        server.operate("GET", path, None).json(),
        json!({"lines": [{"sku": "unit", "waiting": 1, "units_wished": 1, "joined": 3,
            "offers": 1, "left": 1, "skipped": 0}], "next_after": null})
    );
    let after = server.operate("GET", &format!("{path}?after=0"), None);
    assert_eq!(after.json()["lines"], json!([]));
    ask("GET", path).buyer("ben").to(server.admin).is_problem("forbidden");
    server.operate("GET", "/admin/v1/campaigns/none/waitlist", None).is_problem("not_found");
    let metrics = server.operate("GET", "/metrics", None);
    let metrics = String::from_utf8(metrics.body).expect("text");
    assert!(metrics.contains("onrush_buyers_waiting{campaign=\"drop\",sku=\"unit\"} 1"));
    let campaign = server.operate("GET", "/admin/v1/campaigns/drop", None);
    assert_eq!(campaign.json()["waitlist_offer_ms"], 120_000);
    let shown = ask("GET", "/v1/campaigns/drop").to(server.public);
    assert_eq!(shown.json()["policy"]["waitlist_offer_ms"], 120_000);
    // It cannot be taken away from under those who wait.
    let put = json!({"opens_at": "2026-12-01T11:00:00Z", "closes_at": "2026-12-01T13:00:00Z",
        "limit_per_buyer": 1, "hold": "10m",
        "skus": [{"sku": "unit", "price": 100, "supply": 1}]});
    let refused = server.operate("PUT", "/admin/v1/campaigns/drop", Some(put));
    let detail = refused.is_problem("invalid_request")["detail"].to_string();
    assert!(detail.contains("waitlist: 1 wait"), "{detail}");
}
