//! Hostile and broken bytes to the port: a clean 4xx or a close, and nothing held afterwards.

use crate::client::{Connection, ask};
use crate::server::{Server, reserve};
use onrush::DurationMs;
use onrush_gateway::config::Span;

fn span(ms: u64) -> Span {
    Span(DurationMs(ms))
}

/// A server whose deadlines are short enough to wait for.
fn impatient() -> Server {
    let server = Server::start(|config, _| {
        config.dev = true;
        config.server.header_timeout = span(150);
        config.server.body_timeout = span(150);
        config.server.idle_timeout = span(300);
    });
    server.open_campaign("drop", 5, 5);
    server
}

const HEAD: &str = "POST /v1/campaigns/drop/reservations HTTP/1.1\r\nhost: a\r\n\
    content-type: application/json\r\nx-onrush-buyer: ann\r\nidempotency-key: k\r\n";
const BODY: &str = "{\"sku\":\"unit\"}";

/// Send bytes, close the sending side, and return the statuses of what came back.
fn statuses(server: &Server, bytes: &[u8]) -> Vec<u16> {
    let mut connection = Connection::open(server.public);
    connection.send(bytes);
    connection.finish_sending();
    connection.all_answers().iter().map(|answer| answer.status).collect()
}

#[test]
fn broken_requests_are_refused_or_cut_and_hold_nothing() {
    let server = impatient();
    let length = BODY.len();
    let with = |headers: &str, body: &str| format!("{HEAD}{headers}\r\n{body}");
    let wrong_hosts = HEAD.replace("host: a", "host: a\r\n folded: x");
    for request in [
        // Half a request, at every kind of place.
        "P".to_owned(),
        HEAD[..60].to_owned(),
        HEAD.to_owned(),
        with(&format!("content-length: {length}\r\n"), &BODY[..5]),
        with("transfer-encoding: chunked\r\n", "e\r\n{\"sku\":"),
        // Line feeds alone.
        with(&format!("content-length: {length}\r\n"), BODY).replace("\r\n", "\n"),
        with(&format!("content-length: {length}\n"), BODY),
        // Two lengths, or a length that is none.
        with(&format!("content-length: {length}\r\ncontent-length: 5\r\n"), BODY),
        with(&format!("content-length: {length}, 5\r\n"), BODY),
        with("content-length: -1\r\n", BODY),
        with("content-length: +14\r\n", BODY),
        with("content-length: 0x0e\r\n", BODY),
        with("content-length: 99999999999999999999\r\n", BODY),
        // Codings that are unknown, not last, or wrongly framed.
        with("transfer-encoding: gzip\r\n", BODY),
        with("transfer-encoding: chunked, gzip\r\n", BODY),
        with("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        with("transfer-encoding: chunked\r\n", "-1\r\n{}\r\n0\r\n\r\n"),
        with("transfer-encoding: chunked\r\n", "ffffffffffffffffff\r\n{}\r\n"),
        // Folded lines, spaces before colons, bytes that do not belong.
        format!("{wrong_hosts}content-length: {length}\r\n\r\n{BODY}"),
        with(&format!("content-length : {length}\r\n"), BODY),
        with(&format!("content-length: {length}\r\nx: a\0b\r\n"), BODY),
        with(&format!("content-length: {length}\r\nx\u{7f}: b\r\n"), BODY),
        // Request lines.
        "POST  /v1/time HTTP/1.1\r\n\r\n".to_owned(),
        "GET /v1/time\r\n\r\n".to_owned(),
        "GET /v1/time HTTP/9.9\r\n\r\n".to_owned(),
        "GET /v1/time HTTP/2.0\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".to_owned(),
        "G\u{e9}T / HTTP/1.1\r\n\r\n".to_owned(),
    ] {
        let seen = statuses(&server, request.as_bytes());
        assert!(seen.iter().all(|status| (400..500).contains(status)), "{request:?}: {seen:?}");
        assert_eq!(server.units("drop"), (5, 0), "{request:?}");
    }
    let seen = statuses(&server, with(&format!("content-length: {length}\r\n"), BODY).as_bytes());
    assert_eq!(seen, [201], "the same request, whole");
}

/// With both, the transfer coding counts and the length must not be believed by anybody behind.
#[test]
fn a_length_beside_a_transfer_coding_cannot_smuggle() {
    let server = impatient();
    let smuggled = "GET /v1/time HTTP/1.1\r\nhost: a\r\n\r\n";
    for (first, second) in [
        ("content-length: 4\r\n", "transfer-encoding: chunked\r\n"),
        ("transfer-encoding: chunked\r\n", "content-length: 4\r\n"),
    ] {
        let chunked = format!("e\r\n{BODY}\r\n0\r\n\r\n");
        let request = format!("{HEAD}{first}{second}\r\n{chunked}{smuggled}");
        let seen = statuses(&server, request.as_bytes());
        let fine = seen.is_empty() || seen.iter().all(|status| (400..500).contains(status));
        // Reading it as chunked and closing afterwards is the other way RFC 9112 §6.1 allows.
        let (first, rest) = seen.split_first().map_or((0, [].as_slice()), |(f, rest)| (*f, rest));
        let chunked_only = matches!(first, 200 | 201) && rest.len() <= 1;
        assert!(fine || chunked_only, "{seen:?}");
        assert!(server.units("drop").1 <= 1);
    }
}

#[test]
fn heads_have_a_size_and_a_number() {
    let server = impatient();
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    for headers in [format!("x: {}\r\n", "a".repeat(17_000)), many] {
        let request = format!("GET /v1/time HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
        assert_eq!(statuses(&server, request.as_bytes()), [431]);
    }
    let fits: String = (0..90).map(|n| format!("x-{n}: 1\r\n")).collect();
    let request = format!("GET /v1/time HTTP/1.1\r\nhost: a\r\n{fits}\r\n");
    assert_eq!(statuses(&server, request.as_bytes()), [200]);
    for length in [2_000, 70_000] {
        let request = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(length));
        let seen = statuses(&server, request.as_bytes());
        assert!(matches!(seen.as_slice(), [414 | 431]), "{length}: {seen:?}");
    }
}

#[test]
fn what_comes_too_slowly_is_cut() {
    let server = impatient();
    // Nothing, half a head, a head byte by byte: closed without an answer.
    for sent in ["", "GET /v1/time HTTP/1.1\r\nhost: a\r\n"] {
        let mut connection = Connection::open(server.public);
        connection.send(sent.as_bytes());
        connection.is_closed();
    }
    let mut connection = Connection::open(server.public);
    let mut trickle = "GET /v1/time HTTP/1.1\r\nx: ".bytes().chain(std::iter::repeat(b'a'));
    while connection.is_open_after(|c| c.send(&[trickle.next().expect("endless")])) {}
    // Half a body: told so.
    let mut connection = Connection::open(server.public);
    connection.send(format!("{HEAD}content-length: 14\r\n\r\n{{").as_bytes());
    let answer = connection.answer().expect("an answer");
    answer.is_problem("too_slow");
    assert_eq!(answer.header("connection"), Some("close"));
    connection.is_closed();
    // A connection that is kept and not used.
    let mut connection = Connection::open(server.public);
    connection.send(&ask("GET", "/v1/time").bytes());
    assert_eq!(connection.answer().expect("an answer").status, 200);
    connection.is_closed();
    assert_eq!(server.units("drop"), (5, 0));
}

#[test]
fn bodies_may_be_chunked_waited_for_and_pipelined() {
    let server = impatient();
    let chunked = format!(
        "{HEAD}transfer-encoding: chunked\r\n\r\n7\r\n{}\r\n7\r\n{}\r\n0\r\n\r\n",
        &BODY[..7],
        &BODY[7..]
    );
    assert_eq!(statuses(&server, chunked.as_bytes()), [201]);
    // Too much, whether it is stated or found out on the way.
    let much = "x".repeat(5_000);
    let stated = format!("{HEAD}content-length: 5000\r\n\r\n{much}");
    let found = format!("{HEAD}transfer-encoding: chunked\r\n\r\n1388\r\n{much}\r\n0\r\n\r\n");
    for request in [stated, found] {
        assert_eq!(statuses(&server, request.as_bytes()), [413]);
    }
    let mut connection = Connection::open(server.public);
    let expect = HEAD.replace("key: k", "key: k2");
    connection
        .send(format!("{expect}expect: 100-continue\r\ncontent-length: 14\r\n\r\n").as_bytes());
    let interim = connection.answer().expect("an interim answer");
    assert_eq!(interim.status, 100);
    connection.send(BODY.as_bytes());
    assert_eq!(connection.answer().expect("an answer").status, 201);
    // Several at once: answered in order, on one connection.
    let mut connection = Connection::open(server.public);
    let mut all = Vec::new();
    for n in 3..6 {
        all.extend(reserve("drop").buyer("ann").key(&format!("k{n}")).bytes());
    }
    all.extend(ask("GET", "/v1/time").bytes());
    connection.send(&all);
    let seen: Vec<u16> = (0..4).map(|_| connection.answer().expect("an answer").status).collect();
    assert_eq!(seen, [201, 201, 201, 200]);
    assert_eq!(server.units("drop"), (0, 5));
}

#[test]
fn old_clients_and_bodies_where_none_belongs() {
    let server = impatient();
    let old = HEAD.replace("HTTP/1.1", "HTTP/1.0");
    let request = format!("{old}content-length: 14\r\n\r\n{BODY}");
    assert_eq!(statuses(&server, request.as_bytes()), [201]);
    // Without a length an old client's body is empty or ends with the connection: never a hold
    // that it did not ask for.
    let request = format!("{}\r\n", old.replace("key: k", "key: k2"));
    let seen = statuses(&server, request.as_bytes());
    assert!(matches!(seen.as_slice(), [] | [400]), "{seen:?}");
    let chunked = format!(
        "{}transfer-encoding: chunked\r\n\r\ne\r\n{BODY}\r\n0\r\n\r\n",
        old.replace("key: k", "key: k3")
    );
    let seen = statuses(&server, chunked.as_bytes());
    assert!(matches!(seen.as_slice(), [] | [400]), "{seen:?}");
    assert_eq!(server.units("drop"), (4, 1));
    let get = "GET /v1/time HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    assert_eq!(statuses(&server, get.as_bytes()), [200]);
}

#[test]
fn connections_have_a_limit() {
    let server = Server::start(|config, _| {
        config.dev = true;
        config.server.connections_max = 3;
    });
    let mut kept: Vec<Connection> = (0..3).map(|_| Connection::open(server.public)).collect();
    for connection in &mut kept {
        connection.send(&ask("GET", "/v1/time").bytes());
        assert_eq!(connection.answer().expect("an answer").status, 200);
    }
    let mut over = Connection::open(server.public);
    let answer = over.answer().expect("an answer without asking");
    assert_eq!((answer.status, answer.text("code").as_str()), (503, "overloaded"));
    over.is_closed();
    // The admin side has its own places: an operator gets in.
    assert_eq!(server.operate("GET", "/admin/v1/campaigns", None).status, 200);
    drop(kept.pop());
    loop {
        let mut next = Connection::open(server.public);
        next.send(&ask("GET", "/v1/time").bytes());
        if next.answer().is_some_and(|answer| answer.status == 200) {
            break;
        }
    }
}

#[test]
fn each_worker_may_have_its_own_socket() {
    let server = Server::start(|config, _| {
        config.dev = true;
        config.server.accept = onrush_gateway::config::Accept::ReusePort;
        config.server.workers = 3;
    });
    server.open_campaign("drop", 40, 1);
    for n in 0..40 {
        assert_eq!(server.reserve("drop", &format!("b{n}"), "k").status, 201);
    }
    assert_eq!(server.units("drop"), (0, 40));
}
