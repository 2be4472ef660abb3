//! The live funnel: who came from where, and how far, by what real requests say.

use crate::client::{Answer, Connection, ask};
use crate::pages::Browser;
use crate::queue::{UNTIL_OPEN_MS, serving, settled, until, with_line};
use crate::server::{Server, reserve};
use serde_json::{Value, json};

const STEPS: [&str; 6] = ["arrived", "challenged", "joined", "passed", "held", "paid"];

/// The counts of a source, as the console reads them.
#[track_caller]
fn row(server: &Server, channel: &str, touchpoint: &str) -> [u64; 6] {
    let funnel = server.operate("GET", "/admin/v1/campaigns/drop/funnel", None).json();
    let is_it = |row: &&Value| row["channel"] == channel && row["touchpoint"] == touchpoint;
    let found = funnel["sources"].as_array().expect("rows").iter().find(is_it);
    STEPS.map(|step| found.map_or(0, |row| row[step].as_u64().expect("a number")))
}

fn paid(server: &Server, id: &str) -> Answer {
    let payment = json!({"method": "card", "amount": 100, "currency": "CNY", "reference": id});
    let path = format!("/admin/v1/reservations/{id}/confirm");
    server.operate("POST", &path, Some(json!({"payments": [payment]})))
}

#[test]
fn people_of_a_link_are_followed_to_their_payment() {
    let server = Server::dev();
    with_line(&server, 5, json!({}));
    let join = |buyer: &str, query: &str| {
        let path = format!("/v1/campaigns/drop/tickets{query}");
        ask("POST", &path).buyer(buyer).to(server.public)
    };
    let ticket = join("ann", "?touchpoint=push&channel=app").text("ticket");
    assert_eq!(join("ann", "").status, 200, "the same place again");
    assert_eq!(join("ben", "").status, 201);
    assert_eq!(row(&server, "app", "push"), [0, 0, 1, 0, 0, 0]);
    assert_eq!(row(&server, "", ""), [0, 0, 1, 0, 0, 0]);

    server.clock.advance(UNTIL_OPEN_MS);
    settled(&server, &ticket);
    serving(&server, 2);
    let pass = until(&server, &ticket, "served")["pass"].as_str().expect("a pass").to_owned();
    until(&server, &ticket, "served");
    assert_eq!(row(&server, "app", "push"), [0, 0, 1, 1, 0, 0], "called up once");

    let hold = || reserve("drop").buyer("ann").key("k1").header("onrush-pass", &pass);
    let id = hold().to(server.public).text("id");
    assert_eq!(hold().to(server.public).status, 200, "a repeat");
    assert_eq!(row(&server, "app", "push"), [0, 0, 1, 1, 1, 0], "the pass says whose it is");
    for _ in 0..2 {
        assert_eq!(paid(&server, &id).status, 200);
    }
    assert_eq!(row(&server, "app", "push"), [0, 0, 1, 1, 1, 1]);
    assert_eq!(row(&server, "", ""), [0, 0, 1, 0, 0, 0], "ben has not looked");
}

#[test]
fn a_page_remembers_where_its_buyer_came_from() {
    let server = Server::dev();
    server.open_campaign("drop", 5, 3);
    let mut browser = Browser::default();
    let first = browser.open(&server, "/drop/drop?touchpoint=qr%20code&channel=store");
    let cookie = first.header("set-cookie").expect("where from").to_owned();
    assert!(cookie.starts_with("onrush_from=channel=store&touchpoint=qr%20code;"), "{cookie}");
    assert!(cookie.contains("Path=/drop/drop;") && cookie.contains("HttpOnly"), "{cookie}");
    let (name, value) = cookie.split(';').next().and_then(|c| c.split_once('=')).expect("a pair");
    browser.cookies.push((name.to_owned(), value.to_owned()));
    for path in ["/drop/drop", "/drop/drop?touchpoint=qr%20code&channel=store"] {
        assert_eq!(browser.open(&server, path).header("set-cookie"), None, "known: {path}");
    }
    assert_eq!(row(&server, "store", "qr code"), [1, 0, 0, 0, 0, 0]);
    browser.send(&server, "/drop/drop/signin", "name=ann&lang=en");
    let key = browser.field("key");
    let form = format!("csrf={}&key={key}&sku=unit&lang=en", browser.field("csrf"));
    browser.send(&server, "/drop/drop/reserve", &form);
    browser.is_in("held");
    assert_eq!(row(&server, "store", "qr code"), [1, 0, 0, 0, 1, 0]);
    let form =
        format!("csrf={}&reservation={}", browser.field("csrf"), browser.field("reservation"));
    browser.send(&server, "/drop/drop/pay", &form);
    assert_eq!(row(&server, "store", "qr code"), [1, 0, 0, 0, 1, 1]);
    assert_eq!(row(&server, "", ""), [0; 6]);
    // Who came by no link has no cookie, and counts at each look before signing in.
    for looks in 1..=2 {
        assert_eq!(ask("GET", "/drop/drop").to(server.public).header("set-cookie"), None);
        assert_eq!(row(&server, "", ""), [looks, 0, 0, 0, 0, 0]);
    }
    // Another link brings the same browser again.
    browser.open(&server, "/drop/drop?touchpoint=mail");
    assert_eq!(row(&server, "", "mail"), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn a_back_end_says_where_each_of_many_came_from() {
    let server = Server::dev();
    server.open_campaign("drop", 9, 3);
    let from = |touchpoint: &str| json!({"touchpoint": touchpoint});
    let body = json!({"campaign": "drop", "reservations": [
        {"sku": "unit", "buyer": "ann", "key": "a", "attribution": from("counter")},
        {"sku": "unit", "buyer": "ben", "key": "b", "attribution": from("counter")},
        {"sku": "unit", "buyer": "cem", "key": "c"},
        {"sku": "none", "buyer": "dan", "key": "d", "attribution": from("counter")}]});
    for _ in 0..2 {
        let path = "/admin/v1/reservations:batch";
        assert_eq!(server.operate("POST", path, Some(body.clone())).status, 200);
    }
    assert_eq!(row(&server, "", "counter"), [0, 0, 0, 0, 2, 0], "a refusal holds nothing");
    assert_eq!(row(&server, "", ""), [0, 0, 0, 0, 1, 0]);
    let line = json!({"sku": "unit", "buyer": "eve", "key": "e", "attribution": from("counter")});
    let request = ask("POST", "/admin/v1/reservations:stream?campaign=drop")
        .bearer(&server.token)
        .header("content-type", "application/x-ndjson")
        .text(&format!("{line}\n"));
    let mut stream = Connection::open(server.admin);
    stream.send(&request.bytes());
    stream.until("\"status\":201");
    assert_eq!(row(&server, "", "counter"), [0, 0, 0, 0, 3, 0]);
}

#[test]
fn an_answered_challenge_is_its_sources() {
    let server = Server::start(|config, dir| {
        config.dev = true;
        config.risk.enabled = true;
        config.side = Some(dir.join("side"));
    });
    server.open_campaign("drop", 5, 3);
    let send = |body: Value| {
        let path = "/v1/campaigns/drop/challenges?channel=app&touchpoint=push";
        ask("POST", path).buyer("ann").json(&body).to(server.public)
    };
    let given = send(json!({"kind": "wait", "level": 1})).json();
    let answer = json!({"challenge": given["challenge"], "answer": ""});
    assert_eq!(send(answer.clone()).status, 403, "too early");
    assert_eq!(row(&server, "app", "push"), [0; 6]);
    server.clock.advance(given["wait_ms"].as_u64().expect("a time"));
    assert_eq!(send(answer).status, 200);
    assert_eq!(row(&server, "app", "push"), [0, 1, 0, 0, 0, 0]);
}
