//! Servers under measurement: each a process of its own on core 0, asked from core 1.

use crate::{client, median};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// One round of one server.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// Answers a second.
    pub(crate) rate: f64,
    /// Processor time of the server for one answer, in microseconds: steadier than the rate where
    /// others use the machine too.
    pub(crate) cpu_us: f64,
}

/// Say how rounds of ours compare with rounds of the bare server: the median ratio, and the words.
pub(crate) fn compared(rounds: &[(Measured, Measured)]) -> (f64, String) {
    let of = |f: fn(&(Measured, Measured)) -> f64| median(rounds.iter().map(f).collect());
    let (ratio, low, high) = of(|(ours, bare)| ours.rate / bare.rate);
    let (cpu, _, _) = of(|(ours, bare)| bare.cpu_us / ours.cpu_us);
    let (ours, bare) = (of(|r| r.0.cpu_us).0, of(|r| r.1.cpu_us).0);
    let rate = of(|r| r.1.rate).0;
    let measured = format!(
        "{ratio:.2} × ({low:.2}–{high:.2}) of {rate:.0} req/s; by server CPU {cpu:.2} × \
         ({ours:.1} ÷ {bare:.1} µs)"
    );
    (ratio, measured)
}

/// A server, ended when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
    words: Vec<String>,
}

impl Server {
    /// Start this program as one of its servers. It prints its address first, then what else is to be
    /// known, in one line.
    pub(crate) fn start(args: &[&str]) -> Server {
        let me = std::env::current_exe().expect("this program");
        let mut command = Command::new(me);
        command.arg("--serve").args(args).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a server");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("its address");
        let mut words = line.split_whitespace().map(str::to_owned);
        let addr = words.next().and_then(|word| word.parse().ok()).expect("an address");
        Server { child, addr, words: words.collect() }
    }

    /// Return what it printed after its address.
    pub(crate) fn words(&self) -> &[String] {
        &self.words
    }

    /// Ask `count` times and expect one status.
    pub(crate) fn measure(&self, requests: &[Vec<u8>], count: u32, status: &str) -> Measured {
        self.measure_at(self.addr, requests, count, 1, status)
    }

    /// Ask `count` times at one of its addresses; each answer counts as `each`.
    pub(crate) fn measure_at(
        &self,
        addr: SocketAddr,
        requests: &[Vec<u8>],
        count: u32,
        each: u32,
        status: &str,
    ) -> Measured {
        let before = self.cpu_ticks();
        let rate = client::rate(addr, requests, count, status) * f64::from(each);
        // A tick is 10 ms on Linux.
        let used_us = (self.cpu_ticks() - before) as f64 * 10_000.0;
        Measured { rate, cpu_us: used_us / f64::from(count * each) }
    }

    /// Send streams of so many lines to one of its addresses; each line must be accepted.
    pub(crate) fn measure_streams(
        &self,
        addr: SocketAddr,
        streams: &[Vec<u8>],
        lines: u32,
    ) -> Measured {
        let before = self.cpu_ticks();
        let rate = client::streamed(addr, streams, lines);
        let used_us = (self.cpu_ticks() - before) as f64 * 10_000.0;
        Measured { rate, cpu_us: used_us / f64::from(lines * streams.len() as u32) }
    }

    /// Return the memory that the server has in use.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()));
        let pages = statm.expect("the server runs").split_whitespace().nth(1).map(str::parse);
        pages.expect("its second field").unwrap_or(0_u64) * rustix::param::page_size() as u64
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

pub(crate) fn pin_to(core: usize) {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).expect("pin to a core");
}
