//! `cargo xtask bench load`: processor time a request of `onrush load` and of wrk for the same load, side
//! by side in one run.
//!
//! A bare hyper "hello" has core 0, the generator core 1 alone. Both keep 64 connections busy with one
//! request each; rounds alternate. wrk comes from its Debian package (`apt-get install wrk`). Processor
//! time is what the kernel counted for the child: user and system, its start included.
//!
//! Arguments: `--rounds N` (7), `--seconds N` (4).
#![allow(clippy::print_stdout)]

mod hello;

use onrush_load::arrivals::Arrivals;
use onrush_load::crowd::{CrowdSpec, PLAIN};
use onrush_load::drive::Queueing;
use onrush_load::session::{How, Kind, Session, Site};
use onrush_load::target::Target;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CONNECTIONS: usize = 64;
/// Far more than the server can answer: every connection is always busy, as wrk's are.
const RATE: u32 = 1_000_000;

/// The requests that both send.
const CASES: [(&str, &str, &str); 2] = [
    ("GET, always the same", "name = 'hello'\n[reserve]\nmethod = 'GET'\npath = '/'\n", ""),
    (
        "POST, a buyer and a key of its own in each",
        "name = 'hello'\n[reserve]\npath = '/'\nheaders = { 'content-type' = 'application/json', \
         'idempotency-key' = '{key}' }\nbody = '{\"sku\":\"unit\",\"buyer\":\"{buyer}\"}'\n",
        "local n = 0\nrequest = function()\n n = n + 1\n return wrk.format('POST', '/', {['content-type'] = \
         'application/json', ['idempotency-key'] = '1-' .. n}, '{\"sku\":\"unit\",\"buyer\":\"buyer-1-' .. n .. \
         '\"}')\nend\n",
    ),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("--hello") => hello::serve(),
        Some("--load") => return load(&args[1..]),
        _ => {}
    }
    let number = |name: &str, default: u32| {
        let at = args.iter().position(|arg| arg == name);
        at.map_or(default, |at| args[at + 1].parse().expect("a number"))
    };
    let (rounds, seconds) = (number("--rounds", 7), number("--seconds", 4));
    if Command::new("wrk").arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        println!("wrk is not there: apt-get install wrk");
        return;
    }
    println!(
        "| request | onrush load | wrk | load ÷ wrk, processor time a request |\n|---|---|---|---|"
    );
    for (n, (name, ..)) in CASES.iter().enumerate() {
        let server = Server::start();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(measure(|| run_load(n, server.addr, seconds)));
            theirs.push(measure(|| run_wrk(n, server.addr, seconds)));
        }
        let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.0 / theirs.0).collect();
        let (ratio, low, high) = median(ratios);
        println!(
            "| {name} | {} | {} | {ratio:.2} ({low:.2}–{high:.2}) |",
            row(&ours, seconds),
            row(&theirs, seconds)
        );
    }
}

/// Processor time a request in microseconds, and requests.
type Measured = (f64, f64);

fn measure(run: impl FnOnce() -> f64) -> Measured {
    let before = children_cpu_us();
    let requests = run();
    ((children_cpu_us() - before) / requests, requests)
}

fn row(runs: &[Measured], seconds: u32) -> String {
    let (cpu, low, high) = median(runs.iter().map(|run| run.0).collect());
    let (requests, ..) = median(runs.iter().map(|run| run.1).collect());
    format!("{cpu:.2} µs ({low:.2}–{high:.2}) at {:.0} a second", requests / f64::from(seconds))
}

fn run_load(case: usize, addr: SocketAddr, seconds: u32) -> f64 {
    let me = std::env::current_exe().expect("this program");
    let args = [case.to_string(), addr.to_string(), seconds.to_string()];
    let output = Command::new(me).arg("--load").args(args).output().expect("a load");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of answers")
}

fn run_wrk(case: usize, addr: SocketAddr, seconds: u32) -> f64 {
    let mut command = Command::new("taskset");
    command.args(["-c", "1", "wrk", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
    let script = std::env::temp_dir().join(format!("onrush-bench-load-{}.lua", std::process::id()));
    if !CASES[case].2.is_empty() {
        fs::write(&script, CASES[case].2).expect("the script is written");
        command.arg("-s").arg(&script);
    }
    let output = command.arg(format!("http://{addr}/")).output().expect("wrk runs");
    let _ = fs::remove_file(&script);
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.contains(" requests in ")).expect("wrk tells");
    line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}

/// Be the load: keep every connection busy for so many seconds, and print how many answers came.
fn load(args: &[String]) {
    pin_to(1);
    let [case, addr, seconds] = args else { panic!("--load CASE ADDRESS SECONDS") };
    let case: usize = case.parse().expect("a number");
    let seconds: u32 = seconds.parse().expect("a number");
    let target = Box::new(Target::read(CASES[case].1).expect("a target"));
    let public = addr.parse().expect("an address");
    let session = Session::open(Site { public, kind: Kind::Other { target, limit: None } });
    let duration = Duration::from_secs(seconds.into());
    let how = How {
        connections: CONNECTIONS,
        streams_max: 0,
        timeout: Duration::from_secs(10),
        patience: Duration::ZERO,
        duration,
        drain: Duration::ZERO,
        warm_up: Duration::ZERO,
        queueing: Queueing::Auto,
        stay: Duration::ZERO,
        come_back_max: 0,
        arrivals: String::new(),
        thresholds: Vec::new(),
        server_pid: None,
    };
    let crowd = CrowdSpec {
        buyers: RATE * seconds,
        arrivals: Arrivals::Poisson { per_second: f64::from(RATE) },
        mix: PLAIN,
        skus: vec!["unit".to_owned()],
        think_max: Duration::ZERO,
        seed: 1,
    };
    let session = session.expect("the server is there");
    let (outcome, _) = session.run(&how, crowd, &mut |_, _| true).expect("it runs");
    println!("{}", outcome.figures.answered);
}

struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start() -> Server {
        let me = std::env::current_exe().expect("this program");
        let mut command = Command::new(me);
        let mut child = command.arg("--hello").stdout(Stdio::piped()).spawn().expect("a server");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("its address");
        Server { child, addr: line.trim().parse().expect("an address") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Return the processor time of children that have ended, in microseconds. The server has not.
fn children_cpu_us() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("this process");
    let fields = stat.rsplit_once(')').expect("a name in brackets").1;
    let ticks = fields.split_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    ticks as f64 * 1e6 / rustix::param::clock_ticks_per_second() as f64
}

pub(crate) fn pin_to(core: usize) {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).expect("pin to a core");
}

fn median(mut runs: Vec<f64>) -> (f64, f64, f64) {
    runs.sort_by(f64::total_cmp);
    (runs[runs.len() / 2], runs[0], runs[runs.len() - 1])
}
