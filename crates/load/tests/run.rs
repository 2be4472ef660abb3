//! A crowd against a server of a few lines that misbehaves on purpose.

use onrush_load::arrivals::Arrivals;
use onrush_load::client::Client;
use onrush_load::crowd::{CrowdSpec, PLAIN, Visit};
use onrush_load::run::{Identity, Kind, Played, RunSpec, block_on, run};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// What the server does with a request; `None` closes the connection without an answer.
type Reply = fn(u32) -> Option<(u16, &'static str)>;

const HELD: &str = r#"{"id":"r1","state":"held","lsn":4,"price":{"amount":100,"currency":"CNY"}}"#;

/// Answer requests one after the other, and tell the key of each.
fn server(reply: Reply) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("bound");
    let (keys, seen) = channel();
    thread::spawn(move || {
        let mut count = 0;
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream, reply, &mut count, &keys);
        }
    });
    (addr, seen)
}

fn serve(stream: TcpStream, reply: Reply, count: &mut u32, keys: &Sender<String>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let mut stream = stream;
    loop {
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line == "\r\n" {
                    break;
                }
                continue;
            };
            match name {
                "idempotency-key" => key = value.to_owned(),
                "content-length" => length = value.parse().expect("a length"),
                _ => {}
            }
        }
        reader.read_exact(&mut vec![0; length]).expect("the body");
        let _ = keys.send(key);
        *count += 1;
        let Some((status, body)) = reply(*count) else { return };
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn play(addr: SocketAddr, buyers: u32) -> Played {
    let spec = RunSpec {
        campaign: "demo".to_owned(),
        identity: Identity::DevHeader,
        hold: Duration::from_secs(1),
        patience: Duration::from_secs(20),
        come_back_max: 0,
        details: String::new(),
    };
    let crowd = CrowdSpec {
        buyers,
        arrivals: Arrivals::Constant { per_second: 1e6 },
        mix: PLAIN,
        skus: vec!["unit".to_owned()],
        think_max: Duration::ZERO,
        seed: 3,
    };
    let visits: Vec<Visit> = crowd.visits().collect();
    block_on(async {
        let client = Client::new(addr, 1, Duration::from_secs(20));
        run(&spec, &client, None, visits.into_iter(), |_| {}).await
    })
    .expect("a runtime")
}

#[test]
fn whoever_gets_no_answer_asks_again_with_the_same_key() {
    let (addr, keys) = server(|n| (n > 2).then_some((201, HELD)));
    let played = play(addr, 1);
    let keys: Vec<String> = keys.try_iter().collect();
    assert_eq!(keys, [keys[0].clone(), keys[0].clone(), keys[0].clone()]);
    assert!(!keys[0].is_empty());
    assert_eq!((played.figures.unanswered, played.figures.retries), (2, 2));
    assert_eq!(played.told.acknowledged.len(), 1);
    assert_eq!(&*played.told.acknowledged[0].id, "r1");
    assert!(played.told.unknown.is_empty(), "the outcome is known in the end");
}

#[test]
fn an_overloaded_server_is_asked_again_and_a_refusal_is_final() {
    let (addr, keys) = server(|n| match n {
        1 => Some((503, r#"{"code":"overloaded","retry_after_ms":1}"#)),
        2 => Some((409, r#"{"code":"sold_out"}"#)),
        _ => Some((201, HELD)),
    });
    let played = play(addr, 1);
    assert_eq!(keys.try_iter().count(), 2);
    assert_eq!(played.figures.refusals["503 overloaded"], 1);
    assert_eq!(played.figures.refusals["409 sold_out"], 1);
    assert!(played.told.acknowledged.is_empty());
}

/// All requests are due at once, one connection answers one each 5 ms: who is last waited for all.
/// Measured from when it was sent, everybody would have waited 5 ms only.
#[test]
fn latency_counts_from_when_a_request_was_due() {
    const STALL: Duration = Duration::from_millis(5);
    let (addr, _keys) = server(|_| {
        thread::sleep(STALL);
        Some((409, r#"{"code":"sold_out"}"#))
    });
    let played = play(addr, 20);
    let latency = played.figures.latency(Kind::Refused);
    assert_eq!(latency.count, 20);
    // Three digits are kept: allow for the rounding.
    let all = STALL.as_micros() as u64 * 20 * 99 / 100;
    assert!(latency.max_us >= all, "{latency:?}");
    assert!(latency.p50_us >= all / 2, "{latency:?}");
}
