//! The command line of `onrush load`.

use super::{Span, address, count, span};
use clap::{Args as ClapArgs, ValueEnum};
use onrush_load::crowd::{BOTS, MIXED, Mix, PLAIN, mix_named};
use onrush_load::drive::Queueing;
use onrush_load::threshold::Threshold;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pattern {
    /// At random, so many a second on average
    Poisson,
    /// Evenly
    Constant,
    /// A rush at the start; half of all come within a quarter of the duration
    Spike,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Line {
    /// Join when a pass is asked for, then look
    Auto,
    /// Join first, and look as often as the server says
    Poll,
    /// Join first, and listen to the stream of events
    Listen,
}

impl From<Line> for Queueing {
    fn from(line: Line) -> Queueing {
        match line {
            Line::Auto => Queueing::Auto,
            Line::Poll => Queueing::Poll,
            Line::Listen => Queueing::Listen,
        }
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush load 127.0.0.1:8080 --rate 2k --duration 10s
  onrush load 127.0.0.1:8080 --admin 127.0.0.1:9090 --admin-token-file token --crowd bots --settle
  onrush load 10.0.0.5:8080 --api-key-file key --campaign drop --sku jacket --slo 'p99<50ms'
  onrush load 127.0.0.1:8080 --find-capacity --slo 'p99<50ms' --report capacity.html
  onrush load 127.0.0.1:3000 --target shop.toml --rate 5k --duration 30s

Arrivals do not wait for answers; latency counts from the time a request was due, so that a stalled
server cannot hide it. With an admin token the crowd also pays, and what it was told is compared with
what the server has. docs/load.md tells how to test your own sale and how to read the result.

Exit codes: 0 done and everything held, 1 failed, 2 wrong command line, 3 a promise or a threshold did
not hold.")]
pub(crate) struct LoadArgs {
    /// The public address: HOST:PORT or http://HOST:PORT
    #[arg(value_parser = address)]
    pub(crate) url: SocketAddr,
    /// The campaign
    #[arg(long, default_value = "demo")]
    pub(crate) campaign: String,
    /// SKUs to ask for, the first ones more often; all of the campaign with an admin token
    #[arg(long, value_delimiter = ',')]
    pub(crate) sku: Vec<String>,
    /// Arrivals a second
    #[arg(long, default_value = "1k", value_parser = count)]
    pub(crate) rate: u32,
    /// How long people arrive
    #[arg(long, default_value = "10s", value_parser = span)]
    pub(crate) duration: Span,
    /// How they arrive
    #[arg(long, value_enum, default_value_t = Pattern::Poisson)]
    pub(crate) arrivals: Pattern,
    /// Grow evenly to the rate within this time
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) ramp: Option<Span>,
    /// Leave what is due in this time out of the latencies; it is checked all the same
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) warm_up: Option<Span>,
    /// Recorded arrivals, compressed into --duration: a line each with seconds or a time, or a CSV file
    /// with a column `at` or `time`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "arrivals", "ramp"])]
    pub(crate) trace: Option<PathBuf>,
    /// How they behave: plain, mixed, bots, or weights as in buys=60,never-pays=20,bot-loops=5
    #[arg(long, default_value = "plain", value_parser = crowd)]
    pub(crate) crowd: Crowd,
    /// How they meet a waiting line
    #[arg(long, value_enum, default_value_t = Line::Auto)]
    pub(crate) line: Line,
    /// Streams of events at most, with --line listen
    #[arg(long, default_value = "10k", value_parser = count)]
    pub(crate) streams: u32,
    /// How long people stay in the line
    #[arg(long, default_value = "10m", value_parser = span)]
    pub(crate) stay: Span,
    /// The longest time people take between two steps
    #[arg(long, default_value = "1s", value_parser = span)]
    pub(crate) think: Span,
    /// Connections at most
    #[arg(long, default_value = "128", value_parser = count)]
    pub(crate) connections: u32,
    /// An answer that takes longer is none
    #[arg(long, default_value = "10s", value_parser = span)]
    pub(crate) timeout: Span,
    /// How long requests that wait for a connection are still sent after the last arrival
    #[arg(long, default_value = "10s", value_parser = span)]
    pub(crate) drain: Span,
    /// What the crowd follows from; without it, the time, so that everybody is new. The result says it
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Ask as a shop's back end with the API key in this file; without it, as a buyer of --dev
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// The admin address, to pay and to check
    #[arg(long, value_name = "ADDRESS", value_parser = address, requires = "admin_token_file")]
    pub(crate) admin: Option<SocketAddr>,
    /// The file with the admin token
    #[arg(long, value_name = "FILE", requires = "admin")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Before the check, wait until nothing is held any more: then leaks are found too
    #[arg(long, requires = "admin")]
    pub(crate) settle: bool,
    /// Load another HTTP service, described in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["admin", "api_key_file", "campaign", "line"])]
    pub(crate) target: Option<PathBuf>,
    /// With --target: units one buyer may have there
    #[arg(long, value_name = "COUNT", value_parser = count, requires = "target")]
    pub(crate) limit: Option<u32>,
    /// A threshold, such as 'p99<50ms', 'granted.p99.9<1s', 'errors<=0.1%', 'rate>=20k' or 'bots<5%'
    #[arg(long, alias = "threshold", value_name = "THRESHOLD")]
    pub(crate) slo: Vec<Threshold>,
    /// Threshold: 99 of 100 granted reserves must be answered within this time
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) p99: Option<Span>,
    /// Threshold: requests that may stay without an answer
    #[arg(long, value_name = "COUNT", value_parser = super::count_or_none)]
    pub(crate) unanswered_max: Option<u32>,
    /// Search the highest rate that keeps the thresholds, from --rate on
    #[arg(long, requires = "slo", conflicts_with_all = ["trace", "ramp"])]
    pub(crate) find_capacity: bool,
    /// With --find-capacity: the highest rate that is tried
    #[arg(long, default_value = "1m", value_parser = count)]
    pub(crate) rate_max: u32,
    /// With --find-capacity: how long people arrive in one trial
    #[arg(long, default_value = "3s", value_parser = span)]
    pub(crate) step: Span,
    /// The process of the server, if it is on this machine: tells its processor time and its memory
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Write the outcome as one HTML file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Draw no live view
    #[arg(long)]
    pub(crate) no_tui: bool,
}

/// A mix of behaviours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd(pub(crate) Mix);

fn crowd(text: &str) -> Result<Crowd, String> {
    match text {
        "plain" => Ok(Crowd(PLAIN)),
        "mixed" => Ok(Crowd(MIXED)),
        "bots" => Ok(Crowd(BOTS)),
        _ => mix_named(text).map(Crowd),
    }
}
