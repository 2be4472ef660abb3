//! Events over a raw socket: the same frame for everybody, at once, through to the end.

use crate::client::{Connection, ask};
use crate::queue::{UNTIL_OPEN_MS, figure, join, reserve_with, ticket, until, with_line};
use crate::server::Server;
use onrush::DurationMs;
use onrush_gateway::config::Span;
use serde_json::{Value, json};

fn listen(server: &Server) -> Connection {
    let mut connection = Connection::open(server.public);
    connection.send(&ask("GET", "/v1/campaigns/drop/events").bytes());
    connection
}

/// Read the next event's data.
#[track_caller]
fn event(connection: &mut Connection) -> Value {
    connection.until("event: line\n");
    let data = connection.until("\n\n");
    serde_json::from_str(data.strip_prefix("data: ").expect("data").trim()).expect("JSON")
}

/// Read events until one fits.
#[track_caller]
fn event_where(connection: &mut Connection, fits: impl Fn(&Value) -> bool) -> Value {
    loop {
        let event = event(connection);
        if fits(&event) {
            return event;
        }
    }
}

#[test]
fn everybody_hears_what_changes() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let mut first = listen(&server);
    let head = first.until("\r\n\r\n").to_lowercase();
    for line in [
        "http/1.1 200 ok",
        "content-type: text/event-stream",
        "x-accel-buffering: no",
        "cache-control: no-store",
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let state = event(&mut first);
    assert_eq!((&state["phase"], &state["joined"]), (&json!("preheat"), &json!(0)));
    assert_eq!((&state["available"], &state["sold_out"]), (&json!(1), &json!(false)));
    let mut second = listen(&server);
    assert_eq!(event(&mut second), state, "the present state comes first");

    assert_eq!(join(&server, "ann").status, 201);
    for connection in [&mut first, &mut second] {
        event_where(connection, |event| event["joined"] == 1);
    }
    let text = json!({"text": "Doors open on time \u{1f389}", "reason": "test"});
    let said = server.operate("POST", "/admin/v1/campaigns/drop/message", Some(text));
    assert_eq!(said.status, 200);
    for connection in [&mut first, &mut second] {
        let event = event_where(connection, |event| event.get("message").is_some());
        assert_eq!(event["message"]["text"], "Doors open on time \u{1f389}");
    }
    server.clock.advance(UNTIL_OPEN_MS);
    event_where(&mut first, |event| event["phase"] == "open" && event["now_serving"] == 1);
    let anns = ticket(&server, "ann");
    let pass = until(&server, &anns, "served")["pass"].as_str().expect("a pass").to_owned();
    let held = reserve_with(&server, "ann", "k", &pass);
    let payment = json!({"method": "card", "amount": 100, "currency": "CNY", "reference": "r"});
    let confirm = format!("/admin/v1/reservations/{}/confirm", held.text("id"));
    server.operate("POST", &confirm, Some(json!({"payments": [payment]})));
    for connection in [&mut first, &mut second] {
        let event = event_where(connection, |event| event["sold_out"] == true);
        assert_eq!(event["available"], 0);
    }
    assert_eq!(figure(&server, "onrush_line_listeners"), 2);
}

#[test]
fn a_silent_line_is_still_alive_and_a_stop_ends_it_whole() {
    let mut server = Server::start(|config, _| {
        config.dev = true;
        config.server.idle_timeout = Span(DurationMs(300));
    });
    with_line(&server, 1, json!({}));
    let mut connection = listen(&server);
    event(&mut connection);
    // Comments come, and longer than any silent connection may last.
    for _ in 0..8 {
        connection.until(":\n\n");
    }
    server.halt();
    // The last chunk of RFC 9112 §7.1: it was ended, not cut.
    connection.until("0\r\n\r\n");
}

#[test]
fn there_is_room_for_so_many_and_who_leaves_makes_room() {
    let server = Server::start(|config, _| {
        config.dev = true;
        config.line.streams_max = 1;
        config.server.idle_timeout = Span(DurationMs(150));
    });
    with_line(&server, 1, json!({}));
    let mut first = listen(&server);
    event(&mut first);
    let refused = ask("GET", "/v1/campaigns/drop/events").to(server.public);
    let detail = refused.is_problem("overloaded");
    assert!(detail["detail"].as_str().expect("text").contains("ticket"), "{detail}");
    let head = ask("HEAD", "/v1/campaigns/drop/events").to_head(server.public);
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    drop(first);
    // The server sees the end of the stream it reads.
    while figure(&server, "onrush_line_listeners") > 0 {
        std::thread::yield_now();
    }
    event(&mut listen(&server));
    ask("GET", "/v1/campaigns/none/events").to(server.public).is_problem("not_found");
}

#[test]
fn events_are_plain_for_whom_chunks_are_new() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let mut old = Connection::open(server.public);
    old.send(b"GET /v1/campaigns/drop/events HTTP/1.0\r\nhost: localhost\r\n\r\n");
    let head = old.until("\r\n\r\n").to_lowercase();
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert_eq!(old.until("event: line\n"), "event: line\n", "no size of a chunk before it");
    let mut new = listen(&server);
    let head = new.until("\r\n\r\n").to_lowercase();
    assert!(head.contains("transfer-encoding: chunked") && head.contains("connection: close"));
    let size = new.until("\r\n");
    let size = usize::from_str_radix(size.trim(), 16).expect("a size");
    let frame = new.until("\n\n");
    assert_eq!(frame.len(), size);
    assert_eq!(new.until("\r\n"), "\r\n", "the chunk's end");
}

#[test]
fn who_asks_on_behind_events_is_let_go() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let mut connection = listen(&server);
    event(&mut connection);
    connection.send(b"\r\n");
    assert_eq!(join(&server, "ann").status, 201);
    event_where(&mut connection, |event| event["joined"] == 1);
    // A second request would never be answered: better an end than a client that waits.
    let second = ask("GET", "/v1/campaigns/drop").header("x-more", &"x".repeat(64));
    connection.send(&second.bytes());
    connection.is_ended();
    while figure(&server, "onrush_line_listeners") > 0 {
        std::thread::yield_now();
    }
}
