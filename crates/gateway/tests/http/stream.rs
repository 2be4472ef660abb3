//! Reservations line by line: each line has its own outcome, in order, while the request goes on.

use crate::client::{Ask, Connection, ask};
use crate::server::{Server, file};
use onrush::{By, Driver, SkuIx};
use onrush_gateway::config::{ApiKeySection, Scope};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The name as somebody else may write it: escaped, beside another field.
const PATH: &str = "/admin/v1/reservations:stream?from=shop&campaign=dr%6Fp";

fn head_to(path: &str, token: &str, kind: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: onrush.test\r\nauthorization: Bearer {token}\r\n\
         content-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes()
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

fn line(buyer: &str, key: &str) -> String {
    format!("{{\"sku\":\"unit\",\"buyer\":\"{buyer}\",\"key\":\"{key}\"}}\n")
}

/// A stream and what it said so far.
struct Stream {
    connection: Connection,
    /// Of the chunk that is being read.
    text: String,
}

impl Stream {
    fn open(server: &Server) -> Stream {
        let mut connection = Connection::open(server.admin);
        connection.send(&head_to(PATH, &server.token, "application/x-ndjson"));
        Stream { connection, text: String::new() }
    }

    fn send(&mut self, lines: &str) {
        self.connection.send(&chunk(lines));
    }

    fn finish(&mut self) {
        self.connection.send(b"0\r\n\r\n");
    }

    /// Read the head of the answer, which comes with the first outcome at the latest.
    fn head(&mut self) {
        let head = self.connection.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("content-type: application/x-ndjson"), "{head}");
    }

    /// Read the next chunk; nothing at the end.
    fn chunk(&mut self) -> Option<String> {
        let size = self.connection.until("\r\n");
        let size = usize::from_str_radix(size.trim(), 16).expect("a size");
        let rest = self.connection.until("\r\n");
        if size == 0 {
            return None;
        }
        assert_eq!(rest.len(), size + 2, "no line holds a carriage return");
        Some(rest)
    }

    /// Read the next outcome, as its status and the reservation's id or the problem's code.
    fn outcome(&mut self) -> Option<(u64, String)> {
        if self.text.trim().is_empty() {
            self.text = self.chunk()?;
        }
        let (first, rest) = self.text.split_once('\n').expect("whole lines");
        let told: Value = serde_json::from_str(first).expect("JSON");
        self.text = rest.to_owned();
        let text = told["reservation"]["id"].as_str().or(told["problem"]["code"].as_str());
        let text = text.expect("an id or a code").to_owned();
        Some((told["status"].as_u64().expect("a status"), text))
    }

    fn outcomes(&mut self) -> Vec<(u64, String)> {
        std::iter::from_fn(|| self.outcome()).collect()
    }
}

fn server() -> Server {
    let server = Server::dev();
    server.open_campaign("drop", 3, 1);
    server
}

#[test]
fn each_line_has_its_outcome_in_order() {
    let server = server();
    let mut stream = Stream::open(&server);
    stream.send(&line("ann", "k"));
    stream.head();
    let ann = stream.outcome().expect("told before the request ends");
    assert_eq!(ann.0, 201);
    let wrong = "{\"sku\":\"unit\"}\n[1]\nnot json\n\n  \n";
    let unknown = "{\"sku\":\"nothing\",\"buyer\":\"x\",\"key\":\"k\"}\n";
    stream.send(&format!("{}{wrong}{unknown}", line("ann", "k")));
    // A line in pieces, and a last one without its line feed.
    let bob = line("bob", "k");
    stream.send(&bob[..10]);
    stream.send(&bob[10..]);
    stream.send(&format!("{}{}", line("cat", "k"), line("dan", "k").trim_end()));
    stream.finish();
    let told = stream.outcomes();
    let shapes: Vec<(u64, &str)> =
        told.iter().map(|(n, text)| (*n, if *n < 300 { "" } else { text.as_str() })).collect();
    let invalid = (400, "invalid_request");
    let refused = (409, "all_held");
    let expected =
        [(200, ""), invalid, invalid, invalid, (404, "not_found"), (201, ""), (201, ""), refused];
    assert_eq!(shapes, expected);
    assert_eq!(told[0].1, ann.1, "the repeat names the same reservation");
    // The connection is as good as before.
    let time = ask("GET", "/healthz");
    stream.connection.send(&time.bytes());
    assert_eq!(stream.connection.answer().expect("an answer").status, 200);
}

#[test]
fn a_stream_as_a_whole_is_refused_with_a_problem() {
    let server = Server::start(|config, dir| {
        config.dev = true;
        let secret_file = file(dir, "c", &"c".repeat(40));
        let name = onrush::Name::new("confirmer").expect("name");
        config.api_keys.push(ApiKeySection { name, scope: vec![Scope::Confirm], secret_file });
    });
    server.open_campaign("drop", 3, 1);
    let lines = "application/x-ndjson";
    let (nameless, unknown) =
        ("/admin/v1/reservations:stream", "/admin/v1/reservations:stream?campaign=none");
    let cases = [
        (PATH, "nobody", lines, "unauthenticated"),
        (PATH, &"c".repeat(40), lines, "forbidden"),
        (PATH, &server.token, "application/json", "unsupported_media"),
        (nameless, &server.token, lines, "invalid_request"),
        (unknown, &server.token, lines, "not_found"),
    ];
    for (path, token, kind, code) in cases {
        let mut connection = Connection::open(server.admin);
        connection.send(&head_to(path, token, kind));
        connection.answer().expect("an answer").is_problem(code);
        // Lines that still come are not taken for a request.
        connection.is_closed();
    }
    let public: Ask = ask("POST", PATH);
    public.to(server.public).is_problem("not_found");
    assert_eq!(server.units("drop"), (3, 0));
}

#[test]
fn a_line_that_is_too_long_ends_the_stream() {
    let server = server();
    let mut stream = Stream::open(&server);
    stream.send(&line("ann", "k"));
    stream.head();
    assert_eq!(stream.outcome().expect("one").0, 201);
    stream.send(&"x".repeat(5_000));
    assert_eq!(stream.outcome(), Some((413, "too_large".to_owned())));
    assert_eq!(stream.outcome(), None);
    stream.connection.is_closed();
}

#[test]
fn more_lines_than_may_be_under_way_all_have_their_outcome() {
    let server = server();
    let mut stream = Stream::open(&server);
    for piece in 0..50 {
        let lines: String = (0..100).map(|n| line(&format!("b-{piece}-{n}"), "k")).collect();
        stream.send(&lines);
    }
    stream.finish();
    stream.head();
    let told = stream.outcomes();
    assert_eq!(told.len(), 5_000);
    assert_eq!(told.iter().filter(|(status, _)| *status == 201).count(), 3);
    assert_eq!(told.iter().filter(|(_, code)| code == "all_held").count(), 4_997);
}

/// A queue of eight, and a ledger that decides when it is told to.
#[test]
fn where_nobody_is_let_in_the_stream_waits_instead_of_being_refused() {
    let (server, mut driver) = Server::driven(8);
    let added = server.engine.supply(SkuIx(0), 48, By::new("test", "more"));
    driver.settle();
    assert!(added.wait().expect("decided").granted().is_some());
    let mut stream = Stream::open(&server);
    let lines: String = (0..50).map(|n| line(&format!("b-{n}"), "k")).collect();
    stream.send(&lines);
    stream.finish();
    // The ledger decides nothing until eight are in, so the ninth line has met a full queue.
    server.wait_until(|status| status.reserves_in_flight == 8);
    let told = while_driven(driver, || {
        stream.head();
        stream.outcomes()
    });
    assert_eq!(told.len(), 50);
    assert!(told.iter().all(|(status, _)| *status == 201), "{told:?}");
}

/// Let the ledger decide while `read` reads what it decided.
fn while_driven<T>(mut driver: Driver, read: impl FnOnce() -> T) -> T {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Acquire) {
                driver.turn();
                thread::yield_now();
            }
        });
        let _done = Done(&is_done);
        read()
    })
}

#[test]
fn a_stream_waits_for_what_another_has_under_way() {
    let (server, mut driver) = Server::driven(2);
    let added = server.engine.supply(SkuIx(0), 48, By::new("test", "more"));
    driver.settle();
    assert!(added.wait().expect("decided").granted().is_some());
    let mut first = Stream::open(&server);
    first.send(&format!("{}{}", line("ann", "k"), line("bob", "k")));
    server.wait_until(|status| status.reserves_in_flight == 2);
    let mut second = Stream::open(&server);
    second.send(&format!("{}{}", line("ann", "k"), line("cat", "k")));
    second.finish();
    // A repeat that is in flight is told at once; the other line finds no room, and waits.
    second.head();
    assert_eq!(second.outcome(), Some((409, "key_in_flight".to_owned())));
    let told = while_driven(driver, || {
        first.head();
        [first.outcome(), first.outcome(), second.outcome(), second.outcome()]
    });
    let statuses = told.map(|told| told.map(|(status, _)| status));
    assert_eq!(statuses, [Some(201), Some(201), Some(201), None]);
}

#[test]
fn a_stop_answers_the_lines_under_way_and_ends_the_stream() {
    let (server, mut driver) = Server::driven(8);
    let mut stream = Stream::open(&server);
    stream.send(&line("ann", "k"));
    server.wait_until(|status| status.reserves_in_flight == 1);
    server.running().stop();
    driver.settle();
    stream.head();
    assert_eq!(stream.outcome().expect("it was under way").0, 201);
    assert_eq!(stream.outcome(), None);
    stream.connection.is_closed();
}

#[test]
fn a_stream_on_which_nothing_comes_is_cut() {
    let server = Server::start(|config, _| {
        config.dev = true;
        config.server.idle_timeout = onrush_gateway::config::Span(onrush::DurationMs(300));
    });
    server.open_campaign("drop", 3, 1);
    let mut stream = Stream::open(&server);
    stream.send(&line("ann", "k"));
    stream.head();
    assert_eq!(stream.outcome().expect("one").0, 201);
    stream.connection.is_closed();
    assert_eq!(server.units("drop"), (2, 1));
}
