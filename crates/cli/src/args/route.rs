//! The arguments of `route` and `simulate`.

use crate::route::Files;
use clap::{Args, Subcommand, ValueEnum};
use onrush_router::explain::Language;
use std::path::PathBuf;

/// What both read.
#[derive(Debug, Args)]
pub(crate) struct RouteFiles {
    /// Nodes: node,kind,lat,lon and optional columns
    #[arg(long, value_name = "FILE")]
    nodes: PathBuf,
    /// Stock: node,sku,on_hand and optional columns
    #[arg(long, value_name = "FILE")]
    inventory: PathBuf,
    /// Orders, one row a line: order,time,lat,lon,sku,quantity and optional columns
    #[arg(long, value_name = "FILE")]
    orders: PathBuf,
    /// The policy (TOML); without one, the plain exact router
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Leave bad rows out and count them
    #[arg(long)]
    pub(crate) skip_bad: bool,
}

impl RouteFiles {
    pub(crate) fn paths(&self) -> Files<'_> {
        Files {
            nodes: &self.nodes,
            inventory: &self.inventory,
            orders: &self.orders,
            policy: self.policy.as_deref(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lang {
    /// English
    En,
    /// Chinese
    Zh,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Language {
        match lang {
            Lang::En => Language::English,
            Lang::Zh => Language::Chinese,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  onrush route --nodes nodes.csv --inventory inventory.csv --orders orders.csv \\
    --policy policy.toml --out plans.jsonl
  cat orders.csv | onrush route --nodes n.csv --inventory i.csv --orders - --policy p.toml > plans.jsonl
  onrush route --nodes n.csv --inventory i.csv --orders o.csv --out plans.jsonl --summary

One JSON plan a line, in the order of the input: what each node ships and when it arrives, what is
unfilled, the cost, the plans that lost and by how much, and why. Each plan takes its stock before the
next order is looked at. One of the files may be `-`, standard input. A bad row stops the command with
its line and what is wrong, unless --skip-bad is given.

Exit codes: 0 routed, 1 a file cannot be used, 2 wrong command line.")]
pub(crate) struct RouteArgs {
    #[command(flatten)]
    pub(crate) files: RouteFiles,
    /// Where plans go; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) out: PathBuf,
    /// Print the figures of all plans: to standard output, or to standard error when plans go there
    #[arg(long)]
    pub(crate) summary: bool,
    /// Take nothing: plan every order as if it were the first
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The language of `why`
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub(crate) lang: Lang,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  onrush simulate --nodes nodes.csv --inventory inventory.csv --orders day.csv \\
    --policy today.toml --against tomorrow.toml --plots plots/
  onrush simulate --nodes n.csv --inventory i.csv --orders o.csv --policy p.toml --json
  onrush simulate risk --policy new.toml onrush-data

Each policy replays the orders on its own copy of the stock. The hindsight bound is what no policy
could have gone below, even knowing every order beforehand. With --against, the second policy is also
asked as a shadow of the first: how it would decide each order on the stock the first one left.

Exit codes: 0 done, 1 a file cannot be used, 2 wrong command line.")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct SimulateArgs {
    #[command(subcommand)]
    pub(crate) other: Option<Simulated>,
    #[command(flatten)]
    pub(crate) files: Option<RouteFiles>,
    /// A second policy to compare with
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// Draw the figures into this folder, as SVG
    #[arg(long, value_name = "DIR")]
    pub(crate) plots: Option<PathBuf>,
}

/// What else can be simulated.
#[derive(Debug, Subcommand)]
pub(crate) enum Simulated {
    /// Replay a recorded drop under another risk policy or model
    Risk(RiskArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  onrush simulate risk --policy new.toml onrush-data
  onrush simulate risk --model mine.txt --json recordings/

Signals are taken as they were recorded (`risk.record = true`); what people would have done differently
cannot be known. Whoever would have been asked for a challenge is counted once as passing and once as
failing it.

Exit codes: 0 done, 1 a file cannot be used, 2 wrong command line.")]
pub(crate) struct RiskArgs {
    /// The policy; left out: the one that is built in
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// A model beside the scorecard; left out: the scorecard
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// A data folder, or a folder of recordings (*.risk)
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}
