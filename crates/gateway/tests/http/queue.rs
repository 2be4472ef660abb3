//! People in line, for the tests of the line.

use crate::client::{Answer, ask};
use crate::server::Server;
use serde_json::{Value, json};

/// A campaign that opens ten minutes after the start of the clock, with a line.
pub(crate) fn with_line(server: &Server, supply: u32, line: Value) {
    let body = json!({
        "preheat_at": "2026-12-01T11:00:00Z", "opens_at": "2026-12-01T12:10:00Z",
        "closes_at": "2026-12-01T20:00:00Z",
        "skus": [{"sku": "unit", "price": 100, "supply": supply}], "line": line,
    });
    server.put("drop", body);
}

/// Until the campaign of [`with_line`] opens.
pub(crate) const UNTIL_OPEN_MS: u64 = 600_000;

pub(crate) fn join(server: &Server, buyer: &str) -> Answer {
    ask("POST", "/v1/campaigns/drop/tickets").buyer(buyer).to(server.public)
}

/// Join, and return the ticket's text.
#[track_caller]
pub(crate) fn ticket(server: &Server, buyer: &str) -> String {
    let answer = join(server, buyer);
    assert!(matches!(answer.status, 200 | 201), "{}", String::from_utf8_lossy(&answer.body));
    answer.text("ticket")
}

pub(crate) fn poll(server: &Server, ticket: &str) -> Answer {
    ask("GET", &format!("/v1/campaigns/drop/tickets/{ticket}")).to(server.public)
}

pub(crate) fn post(server: &Server, ticket: &str, action: &str, buyer: &str) -> Answer {
    let path = format!("/v1/campaigns/drop/tickets/{ticket}/{action}");
    ask("POST", &path).buyer(buyer).to(server.public)
}

/// Look until the ticket is in this state.
#[track_caller]
pub(crate) fn until(server: &Server, ticket: &str, state: &str) -> Value {
    let mut last = Value::Null;
    for _ in 0..100_000 {
        last = poll(server, ticket).json();
        if last["state"] == state {
            return last;
        }
        std::thread::yield_now();
    }
    panic!("never {state}: {last}");
}

/// Look until the ticket has its place, and return what is seen then.
#[track_caller]
pub(crate) fn settled(server: &Server, ticket: &str) -> Value {
    loop {
        let seen = poll(server, ticket).json();
        if seen["state"] != "before_draw" && seen["state"] != "ranking" {
            return seen;
        }
        std::thread::yield_now();
    }
}

/// Wait until so many places were called up.
pub(crate) fn serving(server: &Server, places: u32) {
    let campaign = server.engine.campaign("drop").expect("campaign");
    while server.engine.line(&campaign).expect("a line").serving < places {
        std::thread::yield_now();
    }
}

pub(crate) fn reserve_with(server: &Server, buyer: &str, key: &str, pass: &str) -> Answer {
    let request = crate::server::reserve("drop").buyer(buyer).key(key);
    request.header("onrush-pass", pass).to(server.public)
}

/// Read a counter of the metrics page.
#[track_caller]
pub(crate) fn figure(server: &Server, line: &str) -> u64 {
    let page = server.operate("GET", "/metrics", None);
    let page = String::from_utf8(page.body).expect("UTF-8");
    let found = page.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
    let text = found.unwrap_or_else(|| panic!("no {line} in {page}"));
    text.parse().expect("a number")
}
