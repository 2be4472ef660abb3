//! A load that costs little: prepared bytes out, an answer in, 64 connections, one core.
//!
//! It never sleeps. Waking a client that does costs the server's core a signal to the other one, the
//! more often the slower the server is, so a slow server would be charged for its client as well.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const CONNECTIONS: usize = 64;
/// Lines that a stream sends at a time.
const CHUNK_LINES: usize = 100;

/// Open `count` sessions of buyers from number `from` on, and return their tokens.
pub(crate) fn sessions(addr: SocketAddr, from: u32, count: u32) -> Vec<String> {
    let requests: Vec<Vec<u8>> = (from..from + count)
        .map(|n| {
            let head = "POST /v1/sessions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n";
            format!("{head}x-onrush-buyer: buyer-{n}\r\n\r\n").into_bytes()
        })
        .collect();
    let answers = ask(addr, &requests, count, true);
    let token = |answer: String| {
        let at = answer.find("\"session\":\"").expect("a session") + 11;
        answer[at..].split('"').next().expect("a token").to_owned()
    };
    answers.into_iter().map(token).collect()
}

/// Return the bytes of a reserve for each session.
pub(crate) fn reserves(sessions: &[String]) -> Vec<Vec<u8>> {
    let body = r#"{"sku":"unit","quantity":1}"#;
    let length = body.len();
    let reserve = |session: &String| {
        format!(
            "POST /v1/campaigns/demo/reservations HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer {session}\r\nidempotency-key: k-1\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    };
    sessions.iter().map(|session| reserve(session).into_bytes()).collect()
}

/// Return the bytes of so many batches, each of reservations for buyers of their own.
pub(crate) fn batches(token: &str, from: u32, count: u32, size: u32) -> Vec<Vec<u8>> {
    let batch = |batch: u32| {
        let first = from + batch * size;
        let entry = |n| format!(r#"{{"sku":"unit","buyer":"batch-{n}","key":"k-1"}}"#);
        let entries: Vec<String> = (first..first + size).map(entry).collect();
        let body = format!(r#"{{"campaign":"demo","reservations":[{}]}}"#, entries.join(","));
        let length = body.len();
        format!(
            "POST /admin/v1/reservations:batch HTTP/1.1\r\nhost: localhost\r\n\
             authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    };
    (0..count).map(batch).collect()
}

/// Return the bytes of a stream of reservations, each for a buyer of its own: a head and chunks of lines.
pub(crate) fn stream(token: &str, from: u32, lines: u32) -> Vec<u8> {
    let head = "POST /admin/v1/reservations:stream?campaign=demo HTTP/1.1\r\nhost: localhost\r\n";
    let mut bytes = format!(
        "{head}authorization: Bearer {token}\r\ncontent-type: application/x-ndjson\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    let line = |n| format!("{{\"sku\":\"unit\",\"buyer\":\"stream-{n}\",\"key\":\"k-1\"}}\n");
    let all: Vec<String> = (from..from + lines).map(line).collect();
    for some in all.chunks(CHUNK_LINES) {
        let text = some.concat();
        bytes.push_str(&format!("{:x}\r\n{text}\r\n", text.len()));
    }
    bytes.push_str("0\r\n\r\n");
    bytes.into_bytes()
}

/// Send streams, each over a connection of its own, and return accepted reservations a second.
pub(crate) fn streamed(addr: SocketAddr, streams: &[Vec<u8>], lines: u32) -> f64 {
    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let accepted = tokio::task::LocalSet::new().block_on(&runtime.expect("runtime"), async {
        let tasks: Vec<_> = streams
            .iter()
            .map(|stream| tokio::task::spawn_local(one_stream(addr, stream.clone())))
            .collect();
        let mut accepted = 0;
        for task in tasks {
            accepted += task.await.expect("connection");
        }
        accepted
    });
    assert_eq!(accepted, lines * streams.len() as u32, "each line was accepted");
    f64::from(accepted) / started.elapsed().as_secs_f64()
}

async fn one_stream(addr: SocketAddr, bytes: Vec<u8>) -> u32 {
    const MARK: &[u8] = b"{\"status\":201,";
    let (mut from, mut to) = TcpStream::connect(addr).await.expect("connect").into_split();
    let sent = tokio::task::spawn_local(async move {
        to.write_all(&bytes).await.expect("write");
        to
    });
    let (mut accepted, mut tail) = (0, Vec::new());
    let mut buffer = vec![0; 65_536];
    loop {
        let read = from.read(&mut buffer).await.expect("read");
        assert!(read > 0, "the stream ended early after {accepted}");
        tail.extend_from_slice(&buffer[..read]);
        accepted += tail.windows(MARK.len()).filter(|part| *part == MARK).count() as u32;
        if tail.ends_with(b"\r\n0\r\n\r\n") {
            drop(sent.await.expect("sent"));
            return accepted;
        }
        // A mark may come in two pieces.
        tail.drain(..tail.len().saturating_sub(MARK.len() - 1));
    }
}

/// Ask `count` times and return answers a second; every answer must have `status`.
pub(crate) fn rate(addr: SocketAddr, requests: &[Vec<u8>], count: u32, status: &str) -> f64 {
    let started = Instant::now();
    let answers = ask(addr, requests, count, false);
    let rate = f64::from(count) / started.elapsed().as_secs_f64();
    for answer in answers {
        assert!(answer[9..].starts_with(status), "expected {status}: {answer}");
    }
    rate
}

/// Ask each request in turn, over all connections; keep whole answers, or status lines only. With
/// as many requests as connections, each connection asks its own again and again, as a buyer's does.
pub(crate) fn ask(addr: SocketAddr, requests: &[Vec<u8>], count: u32, whole: bool) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let next = Rc::new(Cell::new(0));
    let requests = Rc::new(requests.to_vec());
    tokio::task::LocalSet::new().block_on(&runtime.expect("runtime"), async {
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let own = (!whole && requests.len() == CONNECTIONS).then_some(number);
                let (requests, next) = (requests.clone(), next.clone());
                tokio::task::spawn_local(connection(addr, requests, own, next, count, whole))
            })
            .collect();
        let awake = tokio::task::spawn_local(stay_awake());
        let mut answers = Vec::new();
        for task in tasks {
            answers.extend(task.await.expect("connection"));
        }
        awake.abort();
        answers
    })
}

/// Keep the runtime from waiting: between two of its rounds it only looks what has come.
async fn stay_awake() {
    loop {
        tokio::task::yield_now().await;
    }
}

async fn connection(
    addr: SocketAddr,
    requests: Rc<Vec<Vec<u8>>>,
    own: Option<usize>,
    next: Rc<Cell<u32>>,
    count: u32,
    whole: bool,
) -> Vec<String> {
    let mut stream = TcpStream::connect(addr).await.expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    let mut buffer = vec![0; 65_536];
    let mut answers = Vec::new();
    loop {
        let n = next.get();
        if n >= count {
            return answers;
        }
        next.set(n + 1);
        let request = own.unwrap_or(n as usize % requests.len());
        stream.write_all(&requests[request]).await.expect("write");
        let mut have = 0;
        loop {
            have += stream.read(&mut buffer[have..]).await.expect("read");
            if complete(&buffer[..have]) {
                break;
            }
        }
        let keep = if whole { have } else { 12 };
        answers.push(String::from_utf8_lossy(&buffer[..keep]).into_owned());
    }
}

/// What one request came to.
pub(crate) struct Told {
    pub(crate) status: u16,
    /// From when it was sent.
    pub(crate) took_us: u32,
}

/// Ask each request once over so many connections, each with one request under way; return what was
/// told, and how long all of it took once the connections were open.
pub(crate) fn timed(
    addr: SocketAddr,
    requests: &[Vec<u8>],
    connections: usize,
) -> (Vec<Told>, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let requests = Rc::new(requests.to_vec());
    let next = Rc::new(Cell::new(0));
    tokio::task::LocalSet::new().block_on(&runtime.expect("runtime"), async {
        let mut open = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(addr).await.expect("connect");
            stream.set_nodelay(true).expect("nodelay");
            open.push(stream);
        }
        let started = Instant::now();
        let tasks: Vec<_> = open
            .into_iter()
            .map(|stream| {
                let (requests, next) = (requests.clone(), next.clone());
                tokio::task::spawn_local(timed_connection(stream, requests, next))
            })
            .collect();
        let awake = tokio::task::spawn_local(stay_awake());
        let mut told = Vec::with_capacity(requests.len());
        for task in tasks {
            told.extend(task.await.expect("connection"));
        }
        awake.abort();
        (told, started.elapsed())
    })
}

async fn timed_connection(
    mut stream: TcpStream,
    requests: Rc<Vec<Vec<u8>>>,
    next: Rc<Cell<usize>>,
) -> Vec<Told> {
    let mut buffer = vec![0; 4_096];
    let mut told = Vec::new();
    loop {
        let n = next.get();
        let Some(request) = requests.get(n) else { return told };
        next.set(n + 1);
        let sent = Instant::now();
        stream.write_all(request).await.expect("write");
        let mut have = 0;
        while !complete(&buffer[..have]) {
            have += stream.read(&mut buffer[have..]).await.expect("read");
        }
        let status = std::str::from_utf8(&buffer[9..12]).ok().and_then(|text| text.parse().ok());
        let status = status.expect("a status");
        told.push(Told { status, took_us: sent.elapsed().as_micros() as u32 });
    }
}

/// Tell whether `bytes` hold a whole answer.
pub(crate) fn complete(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = std::str::from_utf8(&bytes[..end]).expect("ASCII");
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    bytes.len() >= end + 4 + length.unwrap_or(0)
}
