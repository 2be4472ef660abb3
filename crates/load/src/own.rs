//! What the load itself costs, and whether it, not the server, is what limits a run.

use crate::drive::Tally;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use std::fs;
use std::time::{Duration, Instant};

/// A thread that computes for this share of the time has none left.
const BUSY_MAX: f64 = 0.9;
/// The share of the time that a thread may wait for a processor before that is what is measured.
const WAITING_MAX: f64 = 0.2;
/// Requests that were sent this much too late, one in a hundred.
const LAG_US_MAX: u64 = 5_000;
/// The share of requests that may find every connection busy.
const QUEUED_MAX: f64 = 0.01;

/// A reading of the clocks that tell what this process costs.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    at: Instant,
    process: Duration,
    thread: Duration,
    waited: Duration,
}

/// What the load cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Own {
    /// Processor time of this process, user and system.
    pub cpu_ms: u64,
    /// The same for one request, in microseconds.
    pub cpu_us_per_request: f64,
    /// The share of the time in which the sending thread computed.
    pub busy: f64,
    /// The share of the time in which it could have, and found no processor free.
    pub waited_for_processor: f64,
    /// The share of requests that found every connection busy.
    pub queued: f64,
    /// How late requests went out that found a connection: the median, in microseconds.
    pub lag_p50_us: u64,
    /// 99 of 100 were less late.
    pub lag_p99_us: u64,
    /// The latest.
    pub lag_max_us: u64,
}

/// Which side limits a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Neither: the server answered what came.
    None,
    /// The server, or the number of connections to it.
    Server,
    /// The load: its figures say little about the server.
    Load,
}

impl Start {
    /// Read the clocks. The thread that calls this must be the one that sends.
    pub fn now() -> Start {
        Start {
            at: Instant::now(),
            process: cpu(ClockId::ProcessCPUTime),
            thread: cpu(ClockId::ThreadCPUTime),
            waited: waited_for_processor(),
        }
    }

    /// Return what was spent since, for the requests of `tally`.
    pub fn cost(&self, tally: &Tally) -> Own {
        let wall = self.at.elapsed().as_secs_f64().max(1e-9);
        let process = cpu(ClockId::ProcessCPUTime) - self.process;
        let share = |time: Duration| time.as_secs_f64() / wall;
        let per = |time: Duration, count: u64| time.as_secs_f64() * 1e6 / count.max(1) as f64;
        Own {
            cpu_ms: u64::try_from(process.as_millis()).unwrap_or(u64::MAX),
            cpu_us_per_request: per(process, tally.sent),
            busy: share(cpu(ClockId::ThreadCPUTime) - self.thread),
            waited_for_processor: share(waited_for_processor().saturating_sub(self.waited)),
            queued: tally.queued as f64 / tally.sent.max(1) as f64,
            lag_p50_us: tally.lag.value_at_quantile(0.5),
            lag_p99_us: tally.lag.value_at_quantile(0.99),
            lag_max_us: tally.lag.max(),
        }
    }
}

impl Own {
    /// Tell which side limits, and why.
    pub fn limit(&self, tally: &Tally) -> (Limit, String) {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        if self.busy >= BUSY_MAX {
            let why = format!(
                "the load computed {} of the time: lower the rate, or load from more machines",
                percent(self.busy)
            );
            return (Limit::Load, why);
        }
        if self.waited_for_processor >= WAITING_MAX {
            let why = format!(
                "the load waited for a processor {} of the time: it shares them with others",
                percent(self.waited_for_processor)
            );
            return (Limit::Load, why);
        }
        if self.queued > QUEUED_MAX || tally.unsent > 0 {
            let why = format!(
                "{} of the requests found every connection waiting for an answer, and {} were never \
                 sent; more --connections tell whether that is all",
                percent(self.queued),
                tally.unsent
            );
            return (Limit::Server, why);
        }
        if self.lag_p99_us > LAG_US_MAX {
            let why = format!(
                "one request in a hundred went out {:.1} ms late, or later, though a connection was \
                 free",
                self.lag_p99_us as f64 / 1e3
            );
            return (Limit::Load, why);
        }
        (Limit::None, "the server answered what came".to_owned())
    }
}

/// Let this process open so many files, as far as the system allows.
///
/// # Errors
/// When it does not; with what to change.
pub fn raise_open_files(files: u64) -> Result<(), String> {
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= files) {
        return Ok(());
    }
    let fits = now.maximum.is_none_or(|most| most >= files);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(files), ..now });
    if fits && raised.is_ok() {
        return Ok(());
    }
    let most = now.maximum.unwrap_or(files);
    Err(format!(
        "{files} open files are needed and {most} are allowed here: use fewer --connections, or raise \
         the limit (ulimit -Hn)"
    ))
}

/// Return how many files a process started from here may open at most; nothing where that is not limited.
pub fn open_files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// What a server process on this machine costs, read from `/proc`.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
    cpu: Duration,
    resident_bytes: u64,
}

/// What a server cost during a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ServerCost {
    /// Its processor time.
    pub cpu_ms: u64,
    /// The same for a million requests, in seconds.
    pub cpu_s_per_million: f64,
    /// Its memory before.
    pub resident_bytes_before: u64,
    /// Its memory after.
    pub resident_bytes_after: u64,
    /// The growth for each new hold; nothing without holds.
    pub growth_bytes_per_hold: Option<f64>,
}

impl Process {
    /// Read a process.
    ///
    /// # Errors
    /// When there is none of this number here, or it cannot be read.
    pub fn read(pid: u32) -> Result<Process, String> {
        let no =
            |what: String| format!("process {pid}: {what}; is it the server, on this machine?");
        let read = |name: &str| {
            fs::read_to_string(format!("/proc/{pid}/{name}")).map_err(|e| no(e.to_string()))
        };
        let (stat, status) = (read("stat")?, read("status")?);
        // The name may hold spaces and brackets: what counts comes after the last bracket.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks = ticks.sum::<Result<u64, _>>().map_err(|e| no(e.to_string()))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|kb| kb.trim().trim_end_matches("kB").trim().parse().ok());
        let resident: u64 = resident.ok_or_else(|| no("it has no memory".to_owned()))?;
        let ticks_per_second = rustix::param::clock_ticks_per_second();
        let cpu = Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64);
        Ok(Process { pid, cpu, resident_bytes: resident * 1_024 })
    }

    /// Return what it cost since it was read.
    ///
    /// # Errors
    /// As [`read`](Process::read).
    pub fn cost(&self, tally: &Tally) -> Result<ServerCost, String> {
        let now = Process::read(self.pid)?;
        let cpu = now.cpu.saturating_sub(self.cpu);
        let grown = now.resident_bytes as f64 - self.resident_bytes as f64;
        let holds = tally.figures.holds;
        Ok(ServerCost {
            cpu_ms: u64::try_from(cpu.as_millis()).unwrap_or(u64::MAX),
            cpu_s_per_million: cpu.as_secs_f64() * 1e6 / tally.sent.max(1) as f64,
            resident_bytes_before: self.resident_bytes,
            resident_bytes_after: now.resident_bytes,
            growth_bytes_per_hold: (holds > 0).then(|| grown / holds as f64),
        })
    }
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// How long this thread waited for a processor though it could have run; nothing where the kernel does
/// not tell.
fn waited_for_processor() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = stat.split_whitespace().nth(1).and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Own = Own {
        cpu_ms: 0,
        cpu_us_per_request: 0.0,
        busy: 0.5,
        waited_for_processor: 0.0,
        queued: 0.0,
        lag_p50_us: 10,
        lag_p99_us: 100,
        lag_max_us: 100,
    };

    #[test]
    fn the_side_that_limits_is_named() {
        let tally = Tally::empty();
        for (own, limit, says) in [
            (QUIET, Limit::None, "answered what came"),
            (Own { busy: 0.95, queued: 0.5, ..QUIET }, Limit::Load, "95 %"),
            (Own { waited_for_processor: 0.3, ..QUIET }, Limit::Load, "30 %"),
            (Own { queued: 0.5, lag_p99_us: 9_000, ..QUIET }, Limit::Server, "--connections"),
            (Own { lag_p99_us: 9_000, ..QUIET }, Limit::Load, "9.0 ms late"),
        ] {
            let (found, why) = own.limit(&tally);
            assert_eq!(found, limit, "{why}");
            assert!(why.contains(says), "{why}");
        }
        let mut unsent = Tally::empty();
        unsent.unsent = 1;
        assert_eq!(QUIET.limit(&unsent).0, Limit::Server);
    }

    #[test]
    fn more_files_than_there_may_be_are_refused_with_what_to_do() {
        assert_eq!(raise_open_files(8), Ok(()));
        if getrlimit(Resource::Nofile).maximum.is_some() {
            assert!(raise_open_files(u64::MAX - 1).is_err_and(|e| e.contains("--connections")));
        }
    }

    #[test]
    fn a_process_is_read_and_one_that_is_not_there_is_named() {
        let me = Process::read(std::process::id()).expect("this process");
        assert!(me.resident_bytes > 1 << 16);
        let cost = me.cost(&Tally::empty()).expect("still there");
        assert_eq!(cost.growth_bytes_per_hold, None);
        assert!(Process::read(u32::MAX).is_err_and(|e| e.contains("is it the server")));
    }
}
