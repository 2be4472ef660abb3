//! The gateway against a bare hyper "hello": the same core, the same load, the same run.
//!
//! Each server is a process of its own on core 0; 64 keep-alive connections ask from core 1, one
//! request at a time each. Rounds alternate, so that a drift of the machine meets all of them.

use crate::{Row, Setup, client, median};
use onrush::{Engine, Timestamp};
use onrush_gateway::config::When;
use onrush_gateway::{Config, serve};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ROUNDS: usize = 5;
const REQUESTS: u32 = 150_000;
const BATCHES: u32 = 3_000;
const BATCH: u32 = 100;
const UNITS: u32 = 100_000_000;

/// Measure both ratios.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let hello = Server::start(&["hello"]);
    let shop = Server::start(&["shop", &dir.path().join("shop").to_string_lossy(), "supplied"]);
    let empty = Server::start(&["shop", &dir.path().join("empty").to_string_lossy(), "empty"]);
    pin_to(1);
    let (mut holds, mut refusals, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS as u32 {
        // Everybody's session is opened before the clock runs; "hello" is asked the same.
        let buyers = client::sessions(shop.addr, round * REQUESTS, REQUESTS);
        let asks = client::reserves(&buyers);
        let bare = hello.measure(&asks, "200");
        let hold = shop.measure(&asks, "201");
        let losers = client::sessions(empty.addr, round * 1_000, 1_000);
        let refusal = empty.measure(&client::reserves(&losers), "409");
        let from = (ROUNDS as u32 + round) * REQUESTS;
        batches.push(shop.measure_batches(&client::batches(&shop.token, from, BATCHES, BATCH)));
        holds.push((hold, bare));
        refusals.push((refusal, bare));
    }
    vec![
        row("gateway, durable reserve ÷ bare hyper hello", "≥ 0.80 ×", 0.80, &holds),
        row("gateway, sold-out refusal ÷ bare hyper hello", "≥ 0.95 ×", 0.95, &refusals),
        batch_row(&batches),
    ]
}

/// One round of one server.
#[derive(Clone, Copy)]
struct Measured {
    /// Answers a second.
    rate: f64,
    /// Processor time of the server for one answer, in microseconds: steadier than the rate where
    /// others use the machine too.
    cpu_us: f64,
}

fn row(
    what: &'static str,
    target: &'static str,
    least: f64,
    rounds: &[(Measured, Measured)],
) -> Row {
    let of = |f: fn(&(Measured, Measured)) -> f64| median(rounds.iter().map(f).collect());
    let (ratio, low, high) = of(|(ours, bare)| ours.rate / bare.rate);
    let (cpu, _, _) = of(|(ours, bare)| bare.cpu_us / ours.cpu_us);
    let (ours, bare) = (of(|r| r.0.cpu_us).0, of(|r| r.1.cpu_us).0);
    let rate = of(|r| r.1.rate).0;
    let measured = format!(
        "{ratio:.2} × ({low:.2}–{high:.2}) of {rate:.0} req/s; by server CPU {cpu:.2} × \
         ({ours:.1} ÷ {bare:.1} µs)"
    );
    Row { what, target, measured, reached: ratio >= least }
}

fn batch_row(rounds: &[Measured]) -> Row {
    let (rate, low, high) = median(rounds.iter().map(|r| r.rate).collect());
    let (cpu_us, _, _) = median(rounds.iter().map(|r| r.cpu_us).collect());
    Row {
        what: "gateway, batches of 100: accepted durable a second, one server core",
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

pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
    admin: SocketAddr,
    token: String,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Server {
        let me = std::env::current_exe().expect("this program");
        let mut command = Command::new(me);
        command.arg("--serve").args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a server");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("its address");
        let mut words = line.split_whitespace();
        let addr = words.next().and_then(|word| word.parse().ok()).expect("an address");
        let admin = words.next().map_or(addr, |word| word.parse().expect("an address"));
        Server { child, addr, admin, token: words.next().unwrap_or_default().to_owned() }
    }
}

impl Server {
    fn measure(&self, requests: &[Vec<u8>], status: &str) -> Measured {
        let before = self.cpu_ticks();
        let rate = client::rate(self.addr, requests, REQUESTS, status);
        Measured { rate, cpu_us: self.cpu_us_since(before, REQUESTS) }
    }

    /// Measure the reservations of whole batches.
    fn measure_batches(&self, requests: &[Vec<u8>]) -> Measured {
        let before = self.cpu_ticks();
        let rate = client::rate(self.admin, requests, BATCHES, "200") * f64::from(BATCH);
        Measured { rate, cpu_us: self.cpu_us_since(before, BATCHES * BATCH) }
    }

    fn cpu_us_since(&self, before: u64, answers: u32) -> f64 {
        // A tick is 10 ms on Linux.
        (self.cpu_ticks() - before) as f64 * 10_000.0 / f64::from(answers)
    }

    /// Return the processor time that the server has used, user and system.
    fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("the server runs");
        let after_name = stat.rsplit_once(')').expect("a name in brackets").1;
        let mut fields = after_name.split_whitespace().skip(11);
        let mut tick = || fields.next().and_then(|n| n.parse::<u64>().ok()).expect("a number");
        tick() + tick()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Be one of the servers: `hello`, `shop FOLDER supplied|empty`, or `drop FOLDER OPENS_AT_MS`. Does
/// not return.
pub(crate) fn be_server(args: &[String]) -> ! {
    pin_to(0);
    match args {
        [name] if name == "hello" => crate::hello::serve(),
        [name, folder, supply] if name == "shop" => {
            be_shop(Path::new(folder), if supply == "empty" { 0 } else { UNITS }, None)
        }
        [name, folder, opens_at] if name == "drop" => {
            let opens_at = opens_at.parse().expect("milliseconds");
            be_shop(Path::new(folder), 10_000, Some(Timestamp(opens_at)))
        }
        other => panic!("no such server: {other:?}"),
    }
}

fn be_shop(folder: &Path, supply: u32, opens_at: Option<Timestamp>) -> ! {
    let mut config = Config::dev(supply, 1, crate::start::HOLD);
    config.server.workers = 1;
    config.listen.public = "127.0.0.1:0".parse().expect("address");
    config.listen.admin = "127.0.0.1:0".parse().expect("address");
    config.campaigns[0].buyers_expected = if opens_at.is_some() { 10_000 } else { 4_000_000 };
    if let Some(opens_at) = opens_at {
        config.campaigns[0].opens_at = Some(When(opens_at));
    }
    let engine = Engine::open(folder, onrush::Options::default()).expect("open");
    let running = serve(&config, engine, std::future::pending()).expect("serve");
    let token = running.admin_token.as_deref().unwrap_or_default();
    println!("{} {} {token}", running.public_addr, running.admin_addr);
    running.wait().expect("served");
    std::process::exit(0)
}

fn pin_to(core: usize) {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).expect("pin to a core");
}
