//! The gateway against a bare hyper "hello": the same core, the same load, the same run.
//!
//! Each server is a process of its own on core 0; 64 keep-alive connections ask from core 1, one
//! request at a time each. Rounds alternate, so that a drift of the machine meets all of them.

use crate::server::{Measured, Server, compared, pin_to};
use crate::{Row, Setup, client, median};
use onrush::{Engine, Name, Timestamp};
use onrush_gateway::config::{LineBody, When};
use onrush_gateway::{Config, serve};
use std::path::Path;

const ROUNDS: usize = 5;
const REQUESTS: u32 = 150_000;
const BATCHES: u32 = 3_000;
const BATCH: u32 = 100;
const STREAMS: u32 = 8;
const LINES: u32 = 40_000;
const UNITS: u32 = 100_000_000;

/// Measure both ratios.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let hello = Server::start(&["hello"]);
    let shop = Server::start(&["shop", &dir.path().join("shop").to_string_lossy(), "supplied"]);
    let empty = Server::start(&["shop", &dir.path().join("empty").to_string_lossy(), "empty"]);
    let [admin, token] = shop.words() else { panic!("a shop says where its operators ask") };
    let admin = admin.parse().expect("an address");
    pin_to(1);
    let (mut holds, mut batches, mut streams) = (Vec::new(), Vec::new(), Vec::new());
    let (mut refusals, mut strangers) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS as u32 {
        // Everybody's session is opened before the clock runs; "hello" is asked the same.
        let buyers = client::sessions(shop.addr, round * REQUESTS, REQUESTS);
        let asks = client::reserves(&buyers);
        let bare = hello.measure(&asks, REQUESTS, "200");
        let hold = shop.measure(&asks, REQUESTS, "201");
        // Each connection is a buyer's own, or that of a proxy with another buyer each time.
        let own = client::sessions(empty.addr, round * 1_000, client::CONNECTIONS as u32);
        let refusal = empty.measure(&client::reserves(&own), REQUESTS, "409");
        let losers = client::sessions(empty.addr, round * 1_000, 1_000);
        let stranger = empty.measure(&client::reserves(&losers), REQUESTS, "409");
        let from = (ROUNDS as u32 + round) * REQUESTS;
        let asks = client::batches(token, from, BATCHES, BATCH);
        batches.push(shop.measure_at(admin, &asks, BATCHES, BATCH, "200"));
        let from = |stream| (round * STREAMS + stream) * LINES;
        let lines: Vec<Vec<u8>> =
            (0..STREAMS).map(|stream| client::stream(token, from(stream), LINES)).collect();
        streams.push(shop.measure_streams(admin, &lines, LINES));
        holds.push((hold, bare));
        refusals.push((refusal, bare));
        strangers.push((stranger, bare));
    }
    vec![
        row("gateway, durable reserve ÷ bare hyper hello", "≥ 0.85 ×", 0.85, &holds),
        row("gateway, sold-out refusal ÷ bare hyper hello", "≥ 0.95 ×", 0.95, &refusals),
        row("the same, another buyer at each request", "≥ 0.95 ×", 0.95, &strangers),
        batch_row("gateway, batches of 100: accepted durable a second, one server core", &batches),
        batch_row("gateway, eight streams of lines: the same", &streams),
    ]
}

fn row(
    what: &'static str,
    target: &'static str,
    least: f64,
    rounds: &[(Measured, Measured)],
) -> Row {
    let (ratio, measured) = compared(rounds);
    Row { what, target, measured, reached: ratio >= least }
}

fn batch_row(what: &'static str, rounds: &[Measured]) -> Row {
    let (rate, low, high) = median(rounds.iter().map(|r| r.rate).collect());
    let (cpu_us, _, _) = median(rounds.iter().map(|r| r.cpu_us).collect());
    Row {
        what,
        target: "≥ 700 k/s",
        measured: format!(
            "{:.0} k/s ({:.0}–{:.0}); {cpu_us:.2} µs of server CPU each",
            rate / 1e3,
            low / 1e3,
            high / 1e3
        ),
        reached: rate >= 700e3,
    }
}

/// Be one of the servers: `hello`, `shop FOLDER supplied|empty`, `queue FOLDER`, or `drop FOLDER OPENS_AT_MS`. Does
/// not return.
pub(crate) fn be_server(args: &[String]) -> ! {
    pin_to(0);
    match args {
        [name] if name == "hello" => crate::hello::serve(),
        [name, folder, supply] if name == "shop" => {
            be_shop(Path::new(folder), if supply == "empty" { 0 } else { UNITS }, Other::Nothing)
        }
        [name, folder] if name == "queue" => be_shop(Path::new(folder), UNITS, Other::Queue),
        [name, folder, opens_at] if name == "drop" => {
            let opens_at = opens_at.parse().expect("milliseconds");
            be_shop(Path::new(folder), 10_000, Other::OpensAt(Timestamp(opens_at)))
        }
        other => panic!("no such server: {other:?}"),
    }
}

/// What a shop has beside the plain campaign.
enum Other {
    Nothing,
    OpensAt(Timestamp),
    /// A second campaign, whose line nobody is called up from before its sale.
    Queue,
}

fn be_shop(folder: &Path, supply: u32, other: Other) -> ! {
    let mut config = Config::dev(supply, 1, crate::start::HOLD);
    config.server.workers = 1;
    config.listen.public = "127.0.0.1:0".parse().expect("address");
    config.listen.admin = "127.0.0.1:0".parse().expect("address");
    config.campaigns[0].buyers_expected = 4_000_000;
    match other {
        Other::Nothing => {}
        Other::OpensAt(opens_at) => {
            config.campaigns[0].buyers_expected = 10_000;
            config.campaigns[0].opens_at = Some(When(opens_at));
        }
        Other::Queue => {
            crate::overload::raise_file_limit();
            config.server.connections_max = 30_000;
            config.server.connections_per_worker_max = 30_000;
            config.line.streams_max = 30_000;
            let mut queue = config.campaigns[0].clone();
            queue.campaign = Some(Name::new("queue").expect("a name"));
            queue.line = Some(LineBody::default());
            config.campaigns.push(queue);
        }
    }
    let engine = Engine::open(folder, onrush::Options::default()).expect("open");
    let running = serve(&config, engine, std::future::pending()).expect("serve");
    let token = running.admin_token.as_deref().unwrap_or_default();
    println!("{} {} {token}", running.public_addr, running.admin_addr);
    running.wait().expect("served");
    std::process::exit(0)
}
