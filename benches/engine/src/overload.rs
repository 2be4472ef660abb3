//! More than can be served, and people who only wait: what both cost those who buy.
//!
//! A crowd of connections, each always with one request under way, is an overload that does not end:
//! whoever was answered asks again at once. Latency counts from when a request was sent. The peak is
//! that of 64 connections; ten and a hundred times as many ask for the same.

use crate::server::{Server, pin_to};
use crate::{Row, Setup, client, median};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const ROUNDS: u32 = 5;
const REQUESTS: u32 = 60_000;
/// How many times the connections of the peak, how many that is, and what the row is called.
const CROWDS: [(u32, usize, &str); 2] = [
    (10, 640, "640 connections, 10 × those of the peak: accepted a second ÷ peak"),
    (100, 6_400, "6,400 connections, 100 × those of the peak: accepted a second ÷ peak"),
];
const WAITING: usize = 20_000;
/// Of connections and files beside those who wait.
const SPARE: u64 = 2_000;

/// Measure goodput and latencies of too large crowds.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let shop = Server::start(&["shop", &dir.path().join("shop").to_string_lossy(), "supplied"]);
    pin_to(1);
    raise_file_limit();
    let mut rows = Vec::new();
    for (times, crowd, goodput_of) in CROWDS {
        let mut rounds: Vec<Flood> = Vec::new();
        for round in 0..ROUNDS {
            rounds.push(flood(&shop, crowd, (times * ROUNDS + round) * 4 * REQUESTS));
        }
        let of = |figure: fn(&Flood) -> f64| median(rounds.iter().map(figure).collect());
        let spread = |(middle, low, high): (f64, f64, f64), digits: usize| {
            format!("{middle:.digits$} ({low:.digits$}–{high:.digits$})")
        };
        let goodput = of(|round| round.goodput);
        rows.push(Row {
            what: goodput_of,
            target: "≥ 0.95 ×",
            measured: format!("{} ×", spread(goodput, 2)),
            reached: goodput.0 >= 0.95,
        });
        let accepted = of(|round| round.accepted_p99_ms);
        rows.push(Row {
            what: "the same: p99 of the accepted, from when sent",
            target: "≤ 50 ms",
            measured: format!("{} ms", spread(accepted, 1)),
            reached: accepted.0 <= 50.0,
        });
        let refused_us: Vec<u32> =
            rounds.iter().flat_map(|round| &round.refused_us).copied().collect();
        let (refused, refused_p99_ms) = (refused_us.len(), p99_ms(refused_us));
        rows.push(Row {
            what: "the same: p99 of the refused, all rounds together",
            target: "≤ 20 ms",
            measured: match refused > 0 {
                true => format!("{refused_p99_ms:.1} ms, of {refused}"),
                false => "nobody was refused".to_owned(),
            },
            reached: refused_p99_ms <= 20.0,
        });
        let after = of(|round| round.after);
        rows.push(Row {
            what: "the same: accepted in the first second after it ÷ peak",
            target: "≥ 0.95 ×",
            measured: format!("{} ×", spread(after, 2)),
            reached: after.0 >= 0.95,
        });
    }
    rows
}

struct Flood {
    goodput: f64,
    accepted_p99_ms: f64,
    refused_us: Vec<u32>,
    after: f64,
}

fn flood(shop: &Server, crowd: usize, from: u32) -> Flood {
    let asks = client::reserves(&client::sessions(shop.addr, from, 3 * REQUESTS));
    let part = |n: u32| &asks[(n * REQUESTS) as usize..((n + 1) * REQUESTS) as usize];
    let peak = Timed::of(client::timed(shop.addr, part(0), client::CONNECTIONS));
    let flood = Timed::of(client::timed(shop.addr, part(1), crowd));
    // The peak's first second, after the crowd has gone.
    let second = part(2).len().min(peak.rate as usize);
    let after = Timed::of(client::timed(shop.addr, &part(2)[..second], client::CONNECTIONS));
    Flood {
        goodput: flood.rate / peak.rate,
        accepted_p99_ms: p99_ms(flood.accepted_us),
        refused_us: flood.refused_us,
        after: after.rate / peak.rate,
    }
}

/// A crowd's answers.
struct Timed {
    /// Accepted a second.
    rate: f64,
    accepted_us: Vec<u32>,
    refused_us: Vec<u32>,
}

impl Timed {
    fn of((answers, took): (Vec<client::Told>, Duration)) -> Timed {
        let (mut accepted_us, mut refused_us) = (Vec::new(), Vec::new());
        for told in answers {
            match told.status {
                201 => accepted_us.push(told.took_us),
                503 => refused_us.push(told.took_us),
                other => panic!("an answer nobody expected: {other}"),
            }
        }
        Timed { rate: accepted_us.len() as f64 / took.as_secs_f64(), accepted_us, refused_us }
    }
}

fn p99_ms(mut took_us: Vec<u32>) -> f64 {
    took_us.sort_unstable();
    let at = (took_us.len() * 99 / 100).min(took_us.len().saturating_sub(1));
    took_us.get(at).map_or(0.0, |&us| f64::from(us) / 1e3)
}

/// Measure what 20,000 people on a line's events cost, in memory and to those who reserve.
pub(crate) fn idle(setup: &Setup) -> Vec<Row> {
    let count = waiting();
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let start = |name: &str| Server::start(&["queue", &dir.path().join(name).to_string_lossy()]);
    let (quiet, busy) = (start("quiet"), start("busy"));
    pin_to(1);
    let before = settled_bytes(&busy);
    let waiting: Vec<TcpStream> = (0..count).map(|_| listen(&busy)).collect();
    let each = (busy.resident_bytes() - before) as f64 / count as f64;
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let asks = client::reserves(&client::sessions(quiet.addr, round * REQUESTS, REQUESTS));
        let alone = quiet.measure(&asks, REQUESTS, "201");
        let asks = client::reserves(&client::sessions(busy.addr, round * REQUESTS, REQUESTS));
        let beside = busy.measure(&asks, REQUESTS, "201");
        rounds.push(beside.rate / alone.rate);
    }
    drop(waiting);
    let (ratio, low, high) = median(rounds);
    vec![
        Row {
            what: "people on a line's events: memory of the server for each",
            target: "≤ 8 KiB",
            measured: format!("{:.1} KiB, of {count}", each / 1_024.0),
            reached: each <= 8_192.0,
        },
        Row {
            what: "durable reserves beside them ÷ without",
            target: "≥ 0.95 ×",
            measured: format!("{ratio:.2} × ({low:.2}–{high:.2})"),
            reached: ratio >= 0.95,
        },
    ]
}

/// Return the memory of a server once it touches no more of what it set aside for buyers, which it does
/// in the background.
fn settled_bytes(server: &Server) -> u64 {
    let mut before = server.resident_bytes();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = server.resident_bytes();
        if now == before {
            return now;
        }
        before = now;
    }
}

/// Listen to the events of the line that nobody is called up from.
fn listen(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr).expect("connect");
    stream
        .write_all(b"GET /v1/campaigns/queue/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n")
        .expect("write");
    let mut head = [0; 15];
    stream.read_exact(&mut head).expect("a status");
    assert_eq!(&head[..12], b"HTTP/1.1 200");
    stream
}

/// Let this process, and the servers it starts, have as many connections as the crowd needs.
pub(crate) fn raise_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: maximum, maximum };
    setrlimit(Resource::Nofile, raised).expect("a limit that is allowed");
}

/// Return how many people can wait within the limit of open files.
fn waiting() -> usize {
    raise_file_limit();
    let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    WAITING.min(most.saturating_sub(SPARE) as usize)
}
