//! A load that costs little: prepared bytes out, an answer in, 64 connections, one core.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const CONNECTIONS: usize = 64;

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
        let mut answers = Vec::new();
        for task in tasks {
            answers.extend(task.await.expect("connection"));
        }
        answers
    })
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
