//! A look at a ticket over HTTP against a bare hyper "hello": the same core, the same load, the same
//! run.
//!
//! Each server is a process of its own on core 0; 64 keep-alive connections ask from core 1, one
//! request at a time each. Rounds alternate, so that a drift of the machine meets all of them.

use crate::{Row, Setup, client, hello, median};
use onrush::{DurationMs, Engine};
use onrush_gateway::config::{LineBody, OutflowBody};
use onrush_gateway::{Config, serve};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ROUNDS: usize = 7;
const REQUESTS: u32 = 150_000;
const PEOPLE: u32 = 50_000;

/// Measure looks that find news and looks that find none.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let bare = Server::start(&["hello"]);
    let line = Server::start(&["line", &dir.path().to_string_lossy()]);
    pin_to(1);
    let (plain, known) = looks(line.addr);
    let (mut news, mut none) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (hello, poll) = (bare.measure(&plain, "200"), line.measure(&plain, "200"));
        news.push((poll, hello));
        let (hello, poll) = (bare.measure(&known, "200"), line.measure(&known, "304"));
        none.push((poll, hello));
    }
    vec![
        row("poll over HTTP ÷ bare hyper hello, one server core", "≥ 0.9 ×", &news),
        row("the same, nothing new (304)", "≥ 0.9 ×", &none),
    ]
}

/// Let people join, and return their looks: plain, and with the entity tag of the present answer.
fn looks(addr: SocketAddr) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let join = |n: u32| {
        let head = "POST /v1/campaigns/demo/tickets HTTP/1.1\r\nhost: localhost\r\n\
                    content-length: 0\r\n";
        format!("{head}x-onrush-buyer: buyer-{n}\r\n\r\n").into_bytes()
    };
    let joins: Vec<Vec<u8>> = (0..PEOPLE).map(join).collect();
    let tickets = client::ask(addr, &joins, PEOPLE, true);
    let paths: Vec<String> = tickets
        .iter()
        .map(|answer| format!("/v1/campaigns/demo/tickets/{}", text(answer, "\"ticket\":\"")))
        .collect();
    let look = |path: &String, more: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n").into_bytes()
    };
    let plain: Vec<Vec<u8>> = paths.iter().map(|path| look(path, "")).collect();
    // One connection at a time answers in the order of the requests; the path is in neither, so each
    // is asked by itself.
    let known = paths.iter().take(2_000).map(|path| {
        let answer = client::ask(addr, &[look(path, "")], 1, true).remove(0);
        let tag = text(&answer, "etag: \"");
        look(path, &format!("if-none-match: \"{tag}\"\r\n"))
    });
    let known = known.collect();
    (plain, known)
}

/// Return what stands after `mark` up to the next quote.
fn text(answer: &str, mark: &str) -> String {
    let at = answer.find(mark).unwrap_or_else(|| panic!("no {mark} in {answer}")) + mark.len();
    answer[at..].split('"').next().expect("the rest").to_owned()
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

fn row(what: &str, target: &'static str, rounds: &[(Measured, Measured)]) -> Row {
    let of = |f: fn(&(Measured, Measured)) -> f64| median(rounds.iter().map(f).collect());
    let (ratio, low, high) = of(|(ours, bare)| ours.rate / bare.rate);
    let (cpu, _, _) = of(|(ours, bare)| bare.cpu_us / ours.cpu_us);
    let (ours, bare) = (of(|r| r.0.cpu_us).0, of(|r| r.1.cpu_us).0);
    let rate = of(|r| r.1.rate).0;
    let measured = format!(
        "{ratio:.2} × ({low:.2}–{high:.2}) of {rate:.0} req/s; by server CPU {cpu:.2} × \
         ({ours:.1} ÷ {bare:.1} µs)"
    );
    Row { what: what.to_owned(), target, measured, reached: ratio >= 0.9 }
}

struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(args: &[&str]) -> Server {
        let me = std::env::current_exe().expect("this program");
        let mut command = Command::new(me);
        command.arg("--serve").args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a server");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("its address");
        Server { child, addr: line.trim().parse().expect("an address") }
    }

    fn measure(&self, requests: &[Vec<u8>], status: &str) -> Measured {
        let before = self.cpu_ticks();
        let rate = client::rate(self.addr, requests, REQUESTS, status);
        // A tick is 10 ms on Linux.
        let cpu_us = (self.cpu_ticks() - before) as f64 * 10_000.0 / f64::from(REQUESTS);
        Measured { rate, cpu_us }
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

/// Be one of the servers: `hello`, or `line FOLDER`. Does not return.
pub(crate) fn be_server(args: &[String]) -> ! {
    pin_to(0);
    match args {
        [name] if name == "hello" => hello::serve(),
        [name, folder] if name == "line" => be_line(Path::new(folder)),
        other => panic!("no such server: {other:?}"),
    }
}

/// Serve a sale in which nearly everybody waits.
fn be_line(folder: &Path) -> ! {
    let mut config = Config::dev(10, 1, DurationMs::from_secs(3_600));
    config.server.workers = 1;
    config.listen.public = "127.0.0.1:0".parse().expect("address");
    config.listen.admin = "127.0.0.1:0".parse().expect("address");
    let outflow = OutflowBody { per_second: Some(1), inside: Some(1), ..OutflowBody::default() };
    config.campaigns[0].line = Some(LineBody { outflow, ..LineBody::default() });
    let engine = Engine::open(folder, onrush::Options::default()).expect("open");
    let running = serve(&config, engine, std::future::pending()).expect("serve");
    println!("{}", running.public_addr);
    running.wait().expect("served");
    std::process::exit(0)
}

fn pin_to(core: usize) {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).expect("pin to a core");
}
