//! What buyers may rely on: answers, codes, and which code wins when several apply.

use crate::client::{Answer, Ask, Connection, ask};
use crate::server::{Server, reserve};
use onrush::DurationMs;
use onrush::journal::FakeDisk;
use onrush_gateway::Config;
use serde_json::json;

#[test]
fn a_hold_is_made_looked_at_and_released() {
    let server = Server::dev();
    server.open_campaign("drop", 2, 1);
    let made = server.reserve("drop", "ann", "k1");
    assert_eq!(made.status, 201);
    let body = made.json();
    assert_eq!(body["campaign"], "drop");
    assert_eq!(body["sku"], "unit");
    assert_eq!(body["quantity"], 1);
    assert_eq!(body["state"], "held");
    assert_eq!(body["price"], json!({"amount": 100, "currency": "CNY"}));
    assert_eq!(body["expires_at"], "2026-12-01T12:05:00.000Z");
    assert!(body["lsn"].as_u64().is_some_and(|lsn| lsn > 0));
    assert_eq!(made.header("cache-control"), Some("no-store"));
    assert_eq!(server.units("drop"), (1, 1));

    let path = format!("/v1/reservations/{}", made.text("id"));
    let looked = ask("GET", &path).buyer("ann").to(server.public);
    assert_eq!((looked.status, looked.json()), (200, body));

    for _ in 0..2 {
        let released = ask("DELETE", &path).buyer("ann").to(server.public);
        assert_eq!((released.status, released.text("state").as_str()), (200, "released"));
    }
    assert_eq!(server.units("drop"), (2, 0));
    let looked = ask("GET", &path).buyer("ann").to(server.public);
    assert_eq!((looked.status, looked.text("state").as_str()), (200, "released"));
}

#[test]
fn a_repeat_gets_the_same_reservation_with_its_present_state() {
    let server = Server::dev();
    server.open_campaign("drop", 5, 2);
    let first = server.reserve("drop", "ann", "k1");
    let again = server.reserve("drop", "ann", "k1");
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.json(), again.json());
    let other = ask("POST", "/v1/campaigns/drop/reservations")
        .text(r#"{"sku":"unit","quantity":2}"#)
        .buyer("ann")
        .key("k1")
        .to(server.public);
    other.is_problem("key_reused");
    // Another buyer may use the same key.
    assert_eq!(server.reserve("drop", "bob", "k1").status, 201);
    assert_eq!(server.units("drop"), (3, 2));

    let path = format!("/v1/reservations/{}", first.text("id"));
    ask("DELETE", &path).buyer("ann").to(server.public);
    let again = server.reserve("drop", "ann", "k1");
    assert_eq!((again.status, again.text("state").as_str()), (200, "released"));

    let to = json!({"to": "closed", "reason": "over"});
    assert_eq!(server.operate("POST", "/admin/v1/campaigns/drop/phase", Some(to)).status, 200);
    let after = server.reserve("drop", "bob", "k1");
    assert_eq!((after.status, after.text("state").as_str()), (200, "held"), "after the end");
    server.reserve("drop", "bob", "k2").is_problem("ended");
}

#[test]
fn repeats_survive_a_restart() {
    let server = Server::dev();
    server.open_campaign("drop", 5, 2);
    let id = server.held("drop", "ann", "k1");
    let server = server.restart(|config, _| config.dev = true);
    let again = server.reserve("drop", "ann", "k1");
    assert_eq!((again.status, again.text("id")), (200, id));
    assert_eq!(server.units("drop"), (4, 1));
}

#[test]
fn the_defaults_are_part_of_the_request() {
    let server = Server::dev();
    server.open_campaign("drop", 5, 2);
    let first = server.held("drop", "ann", "k1");
    let spelled = ask("POST", "/v1/campaigns/drop/reservations")
        .text(r#"{"quantity":1,"sku":"unit","destination":null,"window":null}"#)
        .buyer("ann")
        .key("k1")
        .to(server.public);
    assert_eq!((spelled.status, spelled.text("id")), (200, first));
}

#[test]
fn an_expired_hold_says_so_and_frees_its_unit() {
    let server = Server::dev();
    server.open_campaign("drop", 1, 1);
    let id = server.held("drop", "ann", "k1");
    server.reserve("drop", "bob", "k1").is_problem("all_held");
    server.clock.advance(300_000);
    let path = format!("/v1/reservations/{id}");
    // The ledger's own alarm rings in real time; any work wakes it earlier.
    while ask("GET", &path).buyer("ann").to(server.public).text("state") != "expired" {
        assert_eq!(server.operate("GET", "/admin/v1/campaigns", None).status, 200);
    }
    ask("DELETE", &path).buyer("ann").to(server.public).is_problem("expired");
    let looked = ask("GET", &path).buyer("ann").to(server.public);
    assert_eq!((looked.status, looked.text("state").as_str()), (200, "expired"));
    assert_eq!(server.reserve("drop", "bob", "k2").status, 201);
}

#[test]
fn a_sold_unit_is_final_and_counts() {
    let server = Server::dev();
    server.open_campaign("drop", 1, 1);
    let id = server.held("drop", "ann", "k1");
    let pay = json!({"payments": [
        {"method": "card", "amount": 100, "currency": "CNY", "reference": "r1"}]});
    let path = format!("/admin/v1/reservations/{id}/confirm");
    for _ in 0..2 {
        let sold = server.operate("POST", &path, Some(pay.clone()));
        assert_eq!((sold.status, sold.text("state").as_str()), (200, "sold"));
    }
    let path = format!("/v1/reservations/{id}");
    ask("DELETE", &path).buyer("ann").to(server.public).is_problem("already_final");
    server.reserve("drop", "bob", "k1").is_problem("sold_out");
    server.reserve("drop", "ann", "k2").is_problem("limit_reached");
}

#[test]
fn refusals_say_when_and_what_instead() {
    let server = Server::dev();
    server.put(
        "drop",
        json!({"opens_at": "2026-12-01T11:00:00Z", "limit_per_buyer": 9, "skus": [
            {"sku": "unit", "price": 100, "supply": 1},
            {"sku": "other", "price": 100, "supply": 9},
            {"sku": "empty", "price": 100}]}),
    );
    server.held("drop", "ann", "k1");
    let held = server.reserve("drop", "bob", "k1").is_problem("all_held");
    assert_eq!(held["alternatives"], json!(["other"]));
    assert!((2_000..=4_000).contains(&held["retry_after_ms"].as_u64().expect("a wait")));
    let body = r#"{"sku":"empty"}"#;
    let sold_out = ask("POST", "/v1/campaigns/drop/reservations").text(body).buyer("a").key("k");
    assert!(sold_out.to(server.public).is_problem("sold_out")["retry_after_ms"].is_null());

    server.put("soon", json!({"opens_at": "2026-12-01T13:00:00+00:00", "skus": []}));
    let soon = server.reserve("soon", "ann", "k1");
    assert_eq!(soon.status, 404, "no such SKU comes before the phase");
    server.put(
        "soon",
        json!({"opens_at": "2026-12-01T13:00:00+00:00",
            "skus": [{"sku": "unit", "price": 1, "supply": 1}]}),
    );
    let soon = server.reserve("soon", "ann", "k1").is_problem("not_open");
    assert_eq!(soon["opens_at"], "2026-12-01T13:00:00.000Z");
    let to = json!({"to": "paused", "reason": "look into it"});
    server.operate("POST", "/admin/v1/campaigns/drop/phase", Some(to));
    let paused = server.reserve("drop", "bob", "k2").is_problem("paused");
    assert!(paused["retry_after_ms"].is_number());
}

/// What `onrush serve --dev` without a configuration offers.
#[test]
fn the_dev_campaign_supplies_once() {
    let dev = |supply: u32| {
        move |config: &mut Config, _: &std::path::Path| {
            let demo = Config::dev(supply, 2, DurationMs::from_secs(60));
            config.campaigns = demo.campaigns;
            (config.dev, config.only_when_empty) = (demo.dev, demo.only_when_empty);
        }
    };
    let server = Server::start(dev(3));
    let made = server.reserve("demo", "ann", "k1").json();
    assert_eq!(made["expires_at"], "2026-12-01T12:01:00.000Z");
    assert_eq!(made["price"], json!({"amount": 100, "currency": "CNY"}));
    let server = server.restart(dev(9));
    assert_eq!(server.units("demo"), (2, 1), "only an empty folder is supplied");
    server.held("demo", "ann", "k2");
    server.reserve("demo", "ann", "k3").is_problem("limit_reached");
}

/// Each step of the documented order, from a request that fails in every later step too.
#[test]
fn the_earlier_check_wins() {
    let server = Server::dev();
    server.open_campaign("drop", 2, 1);
    server.open_campaign("paused", 1, 1);
    let bad = |campaign: &str| ask("POST", &format!("/v1/campaigns/{campaign}/reservations"));
    let send = |request: Ask| -> Answer { request.to(server.public) };

    // ann reached her limit with k1; bob holds the rest.
    server.held("drop", "ann", "k1");
    server.held("drop", "bob", "k1");
    // Shape before identity, campaign and everything else.
    send(bad("nowhere").text(r#"{"sku":1}"#)).is_problem("invalid_request");
    send(bad("nowhere").text(r#"{"sku":"unit","quantity":0}"#).key("k"))
        .is_problem("invalid_request");
    send(reserve("nowhere")).is_problem("invalid_request");
    // Identity before campaign.
    send(reserve("nowhere").key("k")).is_problem("unauthenticated");
    send(reserve("drop").key("k1")).is_problem("unauthenticated");
    // Campaign (and SKU) before repeat, phase, limit and stock.
    send(reserve("nowhere").key("k1").buyer("ann")).is_problem("not_found");
    send(bad("drop").text(r#"{"sku":"none"}"#).key("k1").buyer("ann")).is_problem("not_found");
    // Repeat before limit and stock ...
    assert_eq!(server.reserve("drop", "ann", "k1").status, 200);
    let other = bad("drop").text(r#"{"sku":"unit","quantity":9}"#);
    send(other.clone().key("k1").buyer("ann")).is_problem("key_reused");
    // ... limit before stock ...
    server.reserve("drop", "ann", "k2").is_problem("limit_reached");
    send(other.clone().key("k3").buyer("cid")).is_problem("limit_reached");
    // ... and stock at the end.
    server.reserve("drop", "cid", "k1").is_problem("all_held");
    // Phase before limit and stock, repeat before phase.
    for (to, code) in [("paused", "paused"), ("closed", "ended")] {
        let body = json!({"to": to, "reason": "test"});
        server.operate("POST", "/admin/v1/campaigns/drop/phase", Some(body));
        server.reserve("drop", "ann", "k2").is_problem(code);
        server.reserve("drop", "cid", "k2").is_problem(code);
        assert_eq!(server.reserve("drop", "ann", "k1").status, 200);
        send(other.clone().key("k1").buyer("ann")).is_problem("key_reused");
        send(bad("drop").text(r#"{"sku":"none"}"#).key("k").buyer("a")).is_problem("not_found");
    }
}

/// An engine that decides only when the test says so shows what is in flight meanwhile.
#[test]
fn what_is_in_flight_and_what_is_full() {
    let (server, mut driver) = Server::driven(1);
    // Nobody decides yet: ann's request stays under way and takes the only place.
    let mut ann = Connection::open(server.public);
    ann.send(&reserve("drop").buyer("ann").key("k1").bytes());
    server.wait_until(|status| status.reserves_in_flight == 1);
    server.reserve("drop", "ann", "k1").is_problem("key_in_flight");
    let other = r#"{"sku":"unit","quantity":2}"#;
    let other = ask("POST", "/v1/campaigns/drop/reservations").text(other).buyer("ann").key("k1");
    other.to(server.public).is_problem("key_reused");
    // Limit and stock come before capacity.
    server.reserve("drop", "ann", "k2").is_problem("limit_reached");
    let more = r#"{"sku":"rare","quantity":1}"#;
    let more = ask("POST", "/v1/campaigns/drop/reservations").text(more).buyer("bob").key("k1");
    more.to(server.public).is_problem("sold_out");
    let full = server.reserve("drop", "bob", "k1").is_problem("overloaded");
    assert!((200..=400).contains(&full["retry_after_ms"].as_u64().expect("a wait")));
    driver.settle();
    let answer = ann.answer().expect("an answer");
    assert_eq!((answer.status, answer.text("state").as_str()), (201, "held"));
    assert_eq!(server.units("drop"), (1, 1), "what was refused touched nothing");
}

/// A disk that fails its sync leaves the outcome open, and says how to learn it.
#[test]
fn an_unknown_outcome_says_to_ask_again_with_the_same_key() {
    let disk = FakeDisk::new(7);
    let (server, mut driver) = Server::driven_on(Some(disk.clone()), 8);
    let mut ann = Connection::open(server.public);
    ann.send(&reserve("drop").buyer("ann").key("k1").bytes());
    server.wait_until(|status| status.reserves_in_flight == 1);
    disk.fail_sync(disk.operations().syncs);
    driver.turn();
    let unknown = ann.answer().expect("an answer").is_problem("journal_failed");
    assert!(unknown["detail"].as_str().is_some_and(|text| text.contains("same Idempotency-Key")));
    assert!(unknown["retry_after_ms"].is_number());
    // What comes later is not recorded either, and operators see why.
    server.reserve("drop", "bob", "k1").is_problem("journal_failed");
    let ready = ask("GET", "/readyz").to(server.admin);
    assert_eq!(ready.status, 503);
    assert!(ready.body.starts_with(b"the journal failed"));
    let figures = server.operate("GET", "/metrics", None);
    let figures = String::from_utf8(figures.body).expect("UTF-8");
    assert!(figures.contains("onrush_engine_healthy 0\n"), "{figures}");
}

/// The documented place of `stopping`: after phase, so that winners are still told.
#[test]
fn a_stopping_engine_still_tells_what_was_decided() {
    let server = Server::dev();
    server.open_campaign("drop", 2, 1);
    server.open_campaign("over", 2, 1);
    let to = json!({"to": "closed", "reason": "over"});
    server.operate("POST", "/admin/v1/campaigns/over/phase", Some(to));
    let id = server.held("drop", "ann", "k1");
    server.engine.shutdown().expect("stops");
    let again = server.reserve("drop", "ann", "k1");
    assert_eq!((again.status, again.text("id")), (200, id.clone()));
    server.reserve("over", "ann", "k1").is_problem("ended");
    server.reserve("drop", "bob", "k1").is_problem("stopping");
    let path = format!("/v1/reservations/{id}");
    assert_eq!(ask("GET", &path).buyer("ann").to(server.public).status, 200);
    ask("DELETE", &path).buyer("ann").to(server.public).is_problem("stopping");
    assert_eq!(server.units("drop"), (1, 1));
    let ready = ask("GET", "/readyz").to(server.admin);
    assert_eq!((ready.status, ready.body.as_slice()), (503, b"stopping\n".as_slice()));
}

#[test]
fn drafts_do_not_exist_for_buyers() {
    let server = Server::dev();
    server.put(
        "secret",
        json!({"published": false, "opens_at": "2026-12-01T11:00:00Z",
            "skus": [{"sku": "unit", "price": 1, "supply": 1}]}),
    );
    let draft = server.reserve("secret", "ann", "k");
    let nothing = server.reserve("nothing", "ann", "k");
    assert_eq!(draft.body, nothing.body);
    draft.is_problem("not_found");
    let draft = ask("GET", "/v1/campaigns/secret").to(server.public);
    assert_eq!(draft.body, nothing.body);
}

#[test]
fn wrong_shapes_name_the_field() {
    let server = Server::dev();
    server.open_campaign("drop", 1, 1);
    for (body, named) in [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "object"),
        (r#"["unit"]"#, "object"),
        ("\"unit\"", "object"),
        ("{}", "sku"),
        (r#"{"sku":""}"#, "sku"),
        (r#"{"sku":null}"#, "null"),
        (r#"{"sku":"unit","colour":"red"}"#, "colour"),
        (r#"{"sku":"unit","sku":"unit"}"#, "duplicate"),
        (r#"{"sku":"unit","quantity":0}"#, "quantity"),
        (r#"{"sku":"unit","quantity":1001}"#, "quantity"),
        (r#"{"sku":"unit","quantity":-1}"#, "-1"),
        (r#"{"sku":"unit","quantity":1.5}"#, "1.5"),
        (r#"{"sku":"unit","quantity":"1"}"#, "string"),
        (r#"{"sku":"unit"} x"#, "trailing"),
        (r#"{"sku":"unit","destination":{"lat":100,"lon":0}}"#, "destination.lat"),
        (r#"{"sku":"unit","destination":{"lat":1e999,"lon":0}}"#, "range"),
        (r#"{"sku":"unit","delivery":"teleport"}"#, "teleport"),
        (r#"{"sku":"unit","delivery":"pickup"}"#, "pickup_node"),
        (r#"{"sku":"unit","buyer":"eve"}"#, "buyer"),
    ] {
        let request = ask("POST", "/v1/campaigns/drop/reservations").text(body);
        let answer = request.buyer("ann").key("k").to(server.public);
        let problem = answer.is_problem("invalid_request");
        assert!(problem["detail"].as_str().is_some_and(|d| d.contains(named)), "{body}: {problem}");
    }
    let deep = "[".repeat(4_000);
    let request = ask("POST", "/v1/campaigns/drop/reservations").text(&deep);
    request.buyer("ann").key("k").to(server.public).is_problem("invalid_request");
    for key in ["", &"x".repeat(65), "ключ"] {
        reserve("drop").buyer("ann").key(key).to(server.public).is_problem("invalid_request");
    }
    let two = reserve("drop").buyer("ann").key("a").key("b");
    two.to(server.public).is_problem("invalid_request");
    assert_eq!(server.units("drop"), (1, 0));
    assert_eq!(server.reserve("drop", "ann", &"x".repeat(64)).status, 201);
}

#[test]
fn media_types_and_sizes() {
    let server = Server::dev();
    server.open_campaign("drop", 4, 4);
    let path = "/v1/campaigns/drop/reservations";
    let body = br#"{"sku":"unit"}"#;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let request = ask("POST", path).header("content-type", kind).body(body);
        request.buyer("ann").key("k").to(server.public).is_problem("unsupported_media");
    }
    let packed = reserve("drop").header("content-encoding", "gzip").buyer("ann").key("k");
    packed.to(server.public).is_problem("unsupported_media");
    let kind = "Application/JSON; charset=utf-8";
    let request = ask("POST", path).header("content-type", kind).body(body).buyer("ann").key("k");
    assert_eq!(request.to(server.public).status, 201);

    let padded = |size: usize| {
        let json = r#"{"sku":"unit"}"#;
        ask("POST", path).text(&format!("{json}{}", " ".repeat(size - json.len())))
    };
    assert_eq!(padded(4_096).buyer("ann").key("k2").to(server.public).status, 201);
    let answer = padded(4_097).buyer("ann").key("k3").to(server.public);
    answer.is_problem("too_large");
    assert_eq!(answer.header("connection"), Some("close"));
    let long = ask("GET", &format!("/v1/campaigns/{}", "x".repeat(1_100)));
    long.to(server.public).is_problem("uri_too_long");
}

#[test]
fn addresses_and_methods() {
    let server = Server::dev();
    for (method, path, allow) in [
        ("PUT", "/v1/time", "GET, HEAD"),
        ("GET", "/v1/campaigns/drop/reservations", "POST"),
        ("POST", "/v1/reservations/x", "GET, HEAD, DELETE"),
        ("GET", "/v1/sessions", "POST"),
        ("PATCH", "/v1/campaigns/drop", "GET, HEAD"),
    ] {
        let answer = ask(method, path).to(server.public);
        answer.is_problem("method_not_allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    for path in ["/", "/v2/time", "/admin/v1/campaigns", "/metrics", "/healthz", "/openapi.json"] {
        ask("GET", path).bearer(&server.token).to(server.public).is_problem("not_found");
    }
    let head = ask("HEAD", "/v1/time").to_head(server.public);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert!(head.header("content-length").is_some_and(|length| length != "0"));
}

#[test]
fn time_and_campaign_are_public_and_cacheable() {
    let server = Server::dev();
    let time = ask("GET", "/v1/time").to(server.public);
    assert_eq!(time.status, 200);
    assert_eq!(time.text("now"), "2026-12-01T12:00:00.000Z");
    assert_eq!(time.text("unix_ms"), "1796126400000");
    assert!(time.header("date").is_some());

    server.put(
        "drop",
        json!({"title": "A \"drop\"", "opens_at": "2026-12-01T12:00:10Z", "stock": "band",
            "few_at": 2, "closes_at": "2026-12-01T13:00:00Z", "limit_per_buyer": 2, "hold": "90s",
            "skus": [{"sku": "unit", "price": 129_900, "supply": 3, "limit_per_buyer": 1}],
            "waves": [{"at": "2026-12-01T12:30:00Z", "sku": "unit", "quantity": 5}]}),
    );
    let get = || ask("GET", "/v1/campaigns/drop");
    let first = get().to(server.public);
    assert_eq!(
        first.json(),
        json!({"campaign": "drop", "title": "A \"drop\"", "phase": "scheduled",
            "opens_at": "2026-12-01T12:00:10.000Z", "closes_at": "2026-12-01T13:00:00.000Z",
            "next_switch_at": "2026-12-01T12:00:10.000Z",
            "waves": [{"at": "2026-12-01T12:30:00.000Z", "sku": "unit"}],
            "skus": [{"sku": "unit", "price": {"amount": 129_900, "currency": "CNY"},
                "limit_per_buyer": 1, "available": "many"}],
            "policy": {"limit_per_buyer": 2, "hold_ms": 90_000, "stock": "band"}})
    );
    let etag = first.header("etag").expect("an ETag").to_owned();
    for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        let same = get().header("if-none-match", &known).to(server.public);
        assert_eq!((same.status, same.body.len()), (304, 0), "{known}");
        assert_eq!(same.header("etag"), Some(etag.as_str()));
    }
    // What a countdown needs, of one moment.
    let time = || ask("GET", "/v1/time?campaign=drop").to(server.public).json();
    assert_eq!(
        time(),
        json!({"now": "2026-12-01T12:00:00.000Z", "unix_ms": 1_796_126_400_000_u64,
            "campaign": "drop", "phase": "scheduled",
            "next_switch_at": "2026-12-01T12:00:10.000Z",
            "next_switch_unix_ms": 1_796_126_410_000_u64})
    );
    ask("GET", "/v1/time?campaign=none").to(server.public).is_problem("not_found");
    for query in ["?", "?x=1", "?campaign=drop&x=1"] {
        let answer = ask("GET", &format!("/v1/time{query}")).to(server.public);
        assert_eq!(answer.status, if query == "?" { 200 } else { 400 }, "{query}");
    }
    // At the very millisecond of the switch the phase is another, and so is the ETag.
    server.clock.advance(9_999);
    assert_eq!(get().to(server.public).text("phase"), "scheduled");
    server.clock.advance(1);
    let open = get().header("if-none-match", &etag).to(server.public);
    assert_eq!((open.status, open.text("phase").as_str()), (200, "open"));
    assert_eq!(time()["phase"], "open");
    assert_eq!(time()["next_switch_at"], "2026-12-01T13:00:00.000Z");
    for (buyer, shown) in [("ann", "few"), ("bob", "few"), ("cid", "none")] {
        server.held("drop", buyer, "k");
        server.clock.advance(200);
        assert_eq!(get().to(server.public).json()["skus"][0]["available"], shown);
    }
}

#[test]
fn exact_stock_is_a_number() {
    let server = Server::dev();
    server.open_campaign("drop", 3, 1);
    server.held("drop", "ann", "k");
    let shown = ask("GET", "/v1/campaigns/drop").to(server.public);
    assert_eq!(shown.json()["skus"][0]["available"], 2);
}

#[test]
fn details_are_kept_with_the_reservation() {
    let server = Server::dev();
    server.open_campaign("drop", 3, 3);
    let body = json!({"sku": "unit", "destination": {"lat": 31.23, "lon": 121.47, "crs": "gcj02"},
        "delivery": "one_hour", "attribution": {"channel": "mini_program", "guide": "g-118"}});
    let request = ask("POST", "/v1/campaigns/drop/reservations").json(&body).buyer("ann").key("k");
    let made = request.to(server.public);
    assert_eq!(made.status, 201);
    let path = format!("/admin/v1/reservations/{}", made.text("id"));
    let shown = server.operate("GET", &path, None).json();
    assert_eq!(
        shown["details"],
        json!({"destination": {"lat": 31.23, "lon": 121.47, "crs": "gcj02"},
            "delivery": "one_hour", "attribution": {"channel": "mini_program", "guide": "g-118"}})
    );
    // Another destination is another request.
    let mut other = body.clone();
    other["destination"]["lat"] = json!(31.24);
    let request = ask("POST", "/v1/campaigns/drop/reservations").json(&other).buyer("ann").key("k");
    request.to(server.public).is_problem("key_reused");
}

#[test]
fn every_problem_type_leads_to_a_page() {
    let server = Server::dev();
    for page in onrush_gateway::errors::all() {
        let path = format!("/docs/errors/{}", page.code);
        let shown = ask("GET", &path).to(server.public);
        let text = String::from_utf8(shown.body.clone()).expect("UTF-8");
        assert_eq!(shown.status, 200);
        assert!(text.contains(page.title) && text.contains(page.action), "{text}");
    }
    ask("GET", "/docs/errors/nothing").to(server.public).is_problem("not_found");
}
