//! The command line.

mod after;
mod load;
mod route;

pub(crate) use after::{RehearseArgs, ReportArgs};
pub(crate) use load::{Line, LoadArgs, Pattern};
pub(crate) use route::{Lang, RiskArgs, RouteArgs, SimulateArgs, Simulated};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use data_encoding::HEXLOWER_PERMISSIVE;
use onrush_core::line::Pseudonym;
use onrush_gateway::config::Span;
use onrush_gateway::wire::parse_duration;
use std::net::SocketAddr;
use std::path::PathBuf;

const EXIT_CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 a check did not hold.
Environment: ONRUSH_PUBLIC and ONRUSH_ADMIN set the listen addresses, ONRUSH_LOG the log level
(error, warn, info, debug), NO_COLOR switches colours off.";

/// Sell a few units to a large crowd: never one twice, never one lost.
#[derive(Debug, Parser)]
#[command(name = "onrush", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Args {
    /// Print results as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a whole sale with a crowd, kill the server in the middle, and check the outcome
    Demo(DemoArgs),
    /// Serve buyers and operators over HTTP
    Serve(ServeArgs),
    /// Check a configuration or a routing policy: effective values and dangers
    Check(CheckArgs),
    /// Route orders to stores and warehouses, each at least cost, and say why
    Route(RouteArgs),
    /// Replay recorded orders under one or two routing policies, side by side
    Simulate(SimulateArgs),
    /// Replay a data folder and prove that everything in it holds
    Verify(VerifyArgs),
    /// Repeat the draw of a line from what was published, and tell a rank
    VerifyDraw(VerifyDrawArgs),
    /// Tell from a data folder how fair the line of a campaign was
    Fairness(FairnessArgs),
    /// Rehearse a sale on this machine, and say go or no-go
    Rehearse(RehearseArgs),
    /// Tell what a sale came to: one HTML file from its data folder
    Report(ReportArgs),
    /// Write the orders, payments and refunds of a data folder
    Export(ExportArgs),
    /// Send a crowd to a server and check what it was told
    Load(Box<LoadArgs>),
    /// Explain an error code
    Explain(ExplainArgs),
    /// Write a commented configuration to start from
    Init(InitArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  onrush completions bash > /etc/bash_completion.d/onrush")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush demo
  onrush demo --units 100 --buyers 5000 --seed 3 --keep ./demo-data
  onrush demo --trace online_retail.csv.gz

The demo starts its own server on free ports with a temporary data folder, lets a crowd loose on it
over HTTP, kills the server with SIGKILL once in the middle, starts it again on the same folder, waits
until every hold has been paid for or has expired, and compares what the crowd was told with what is.
Then, on a terminal, it opens a page for you: a second sale, with a crowd at the door.

A trace is a CSV file, perhaps gzipped, with the columns invoice, sku, quantity, time, unit_price,
customer and country; invoices that start with C take earlier ones back.

Exit codes: 0 everything held, 1 failed, 2 wrong command line, 3 a promise did not hold.")]
pub(crate) struct DemoArgs {
    /// Units on sale
    #[arg(long, default_value = "1k", value_parser = count)]
    pub(crate) units: u32,
    /// People who want one
    #[arg(long, default_value = "20k", value_parser = count)]
    pub(crate) buyers: u32,
    /// What the crowd follows from: the same seed gives the same crowd
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long a hold lives
    #[arg(long, default_value = "5s", value_parser = span)]
    pub(crate) hold: Span,
    /// Keep the data in this folder, which must be empty or not there yet
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// Let the server live
    #[arg(long)]
    pub(crate) no_kill: bool,
    /// Then open a sale with a crowd at the door, to join by hand; on a terminal this is done anyway
    #[arg(long)]
    pub(crate) page: bool,
    /// Do not open it
    #[arg(long, conflicts_with = "page")]
    pub(crate) no_page: bool,
    /// Replay the busiest day of these orders instead
    #[arg(long, value_name = "FILE", conflicts_with_all = ["units", "buyers"])]
    pub(crate) trace: Option<PathBuf>,
    /// With --trace: the time into which the day is compressed
    #[arg(long, default_value = "8s", value_parser = span)]
    pub(crate) into: Span,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush serve --dev
  onrush serve --config onrush.toml --data /var/lib/onrush
  ONRUSH_PUBLIC=127.0.0.1:0 ONRUSH_ADMIN=127.0.0.1:0 onrush serve --dev --supply 50 --hold 30s

The first line on stdout is JSON with the addresses, printed once both sides accept; with --dev also
the admin token. Ctrl-C or SIGTERM stops it without losing anything; twice stops it at once. If the
journal fails the process ends with exit code 1: start it again, clients ask again with the same key.")]
pub(crate) struct ServeArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data folder; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "onrush-data")]
    pub(crate) data: PathBuf,
    /// For development: believe `X-Onrush-Buyer`, print an admin token; without a configuration, sell
    /// SKU `unit` in the campaign `demo`
    #[arg(long)]
    pub(crate) dev: bool,
    /// With --dev and an empty data folder: units on sale
    #[arg(long, default_value = "1k", value_parser = count)]
    pub(crate) supply: u32,
    /// With --dev and an empty data folder: units one buyer may have
    #[arg(long, default_value = "1", value_parser = count)]
    pub(crate) limit: u32,
    /// With --dev and an empty data folder: how long a hold lives
    #[arg(long, default_value = "5m", value_parser = span)]
    pub(crate) hold: Span,
    /// Stop when stdin closes: for a parent process that may be killed
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush check
  onrush check --config onrush.toml --strict
  onrush check --policy policy.toml --nodes nodes.csv

Exit codes: 0 usable, 1 the file cannot be read, 3 it is not valid (or has dangers, with --strict).")]
pub(crate) struct CheckArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "onrush.toml")]
    pub(crate) config: PathBuf,
    /// A routing policy instead; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub(crate) policy: Option<PathBuf>,
    /// With --policy: nodes, to find names that none of them has
    #[arg(long, value_name = "FILE", requires = "policy")]
    pub(crate) nodes: Option<PathBuf>,
    /// Dangers count as well
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush verify onrush-data
  onrush verify backup-2026-11-22 --json

The server must be stopped. Every record is replayed and checked twice, by the ledger and by counting
again; nothing in the folder is changed.

Exit codes: 0 everything holds, 1 the folder cannot be read, 3 something does not hold.")]
pub(crate) struct VerifyArgs {
    /// The data folder
    pub(crate) dir: PathBuf,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush verify-draw draw.json
  onrush verify-draw draw.json participants-1.json participants-2.json
  onrush verify-draw draw.json --pseudonym 00112233445566778899aabbccddeeff

The files are the answers of GET /v1/campaigns/CAMPAIGN/draw and of the pages of its participants, in
order. No server is asked. docs/draw.md tells what a draw that holds proves, and what it does not.

Exit codes: 0 the draw holds, 1 a file cannot be read, 3 the draw does not hold, or the pseudonym is not
in its list.")]
pub(crate) struct VerifyDrawArgs {
    /// What was published of one draw, then the pages of its participants
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Tell the rank of this participant: 32 hexadecimal digits, from the ticket
    #[arg(long, value_parser = pseudonym)]
    pub(crate) pseudonym: Option<Pseudonym>,
    /// The commitment that was seen before the draw: 64 hexadecimal digits
    #[arg(long, value_parser = digest)]
    pub(crate) commitment: Option<[u8; 32]>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush fairness onrush-data --campaign drop
  onrush fairness onrush-data --campaign drop --json

The server must be stopped. Every place is computed again from the journal's list and seed.

Exit codes: 0 nobody came out of turn, 1 the folder cannot be read, 3 somebody did.")]
pub(crate) struct FairnessArgs {
    /// The data folder
    pub(crate) dir: PathBuf,
    /// The campaign
    #[arg(long)]
    pub(crate) campaign: String,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush export onrush-data > orders.jsonl
  onrush export onrush-data --what payments --format csv > payments.csv
  onrush export onrush-data --format csv --out books/

The server must be stopped. Orders are sold reservations, with where they go and who brought them.
JSON lines and CSV have the same fields.")]
pub(crate) struct ExportArgs {
    /// The data folder
    pub(crate) dir: PathBuf,
    /// The format
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    pub(crate) format: Format,
    /// What to write to stdout
    #[arg(long, value_enum, default_value_t = What::Orders)]
    pub(crate) what: What,
    /// Write all of them into this folder instead
    #[arg(long, value_name = "FOLDER", conflicts_with = "what")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Sold reservations
    Orders,
    /// Payment lines
    Payments,
    /// Refunds due or paid out
    Refunds,
    /// What sales became at stores
    Shipments,
    /// What stores have
    Stock,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  onrush explain sold_out\n  onrush explain --json")]
pub(crate) struct ExplainArgs {
    /// The code, as in a problem document; all codes when left out
    pub(crate) code: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  onrush init\n  onrush init --config /etc/onrush/onrush.toml")]
pub(crate) struct InitArgs {
    /// Where to write it; an existing file is left alone
    #[arg(long, value_name = "FILE", default_value = "onrush.toml")]
    pub(crate) config: PathBuf,
}

/// Read a number with an optional `k` or `m`: 500, 10k, 1.5m.
fn count(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is not a number such as 500, 10k or 1m");
    let lower = text.to_ascii_lowercase();
    let (digits, factor) = match lower.strip_suffix(['k', 'm']) {
        Some(digits) if lower.ends_with('k') => (digits, 1e3),
        Some(digits) => (digits, 1e6),
        None => (lower.as_str(), 1.0),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(wrong());
    }
    let number = digits.parse::<f64>().map_err(|_| wrong())? * factor;
    let whole = number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&number);
    if whole { Ok(number as u32) } else { Err(wrong()) }
}

/// Read a number that may be 0.
fn count_or_none(text: &str) -> Result<u32, String> {
    if text == "0" { Ok(0) } else { count(text) }
}

fn pseudonym(text: &str) -> Result<Pseudonym, String> {
    hexadecimal(text).map(Pseudonym)
}

fn digest(text: &str) -> Result<[u8; 32], String> {
    hexadecimal(text)
}

/// Read exactly `N` bytes in hexadecimal digits.
pub(crate) fn hexadecimal<const N: usize>(text: &str) -> Result<[u8; N], String> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| format!("{text:?} is not {} hexadecimal digits", 2 * N))
}

fn span(text: &str) -> Result<Span, String> {
    parse_duration(text).map(Span)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    use std::net::ToSocketAddrs;
    if text.starts_with("https://") {
        return Err("TLS is not spoken here; give the address behind the proxy".to_owned());
    }
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let found = bare.to_socket_addrs().map_err(|e| format!("{e}; write HOST:PORT"))?;
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(|| format!("{bare} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn counts_take_k_and_m() {
        for (text, number) in [("7", 7), ("10k", 10_000), ("1.5m", 1_500_000), ("2K", 2_000)] {
            assert_eq!(count(text), Ok(number));
        }
        for bad in ["", "k", "0", "-1", "1.5", "1e3", "inf", "10g", "9999m", "1 k"] {
            assert!(count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_take_a_scheme() {
        let expected: SocketAddr = "127.0.0.1:8080".parse().expect("address");
        for text in ["127.0.0.1:8080", "http://127.0.0.1:8080", "http://127.0.0.1:8080/"] {
            assert_eq!(address(text), Ok(expected));
        }
        assert!(address("https://127.0.0.1:8080").is_err_and(|e| e.contains("TLS")));
        assert!(address("127.0.0.1").is_err());
    }
}
