//! The command lines of what is asked before and after a sale: `onrush rehearse`, `onrush report`.

use super::{Lang, Pattern, count, span};
use clap::Args as ClapArgs;
use onrush_gateway::config::Span;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush report onrush-data
  onrush report onrush-data --out winter-drop.html --lang zh
  onrush report onrush-data --csv tables/ --json

The server must be stopped, or the folder a copy. The page needs nothing else: it can be mailed, printed
and kept. Nobody is named in it.

Exit codes: 0 done, 1 the folder cannot be read, 3 it is damaged, or something in it does not hold.")]
pub(crate) struct ReportArgs {
    /// The data folder
    pub(crate) dir: PathBuf,
    /// The page
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub(crate) out: PathBuf,
    /// Write each table as a CSV file into this folder, too
    #[arg(long, value_name = "FOLDER")]
    pub(crate) csv: Option<PathBuf>,
    /// Write each table as a Parquet file into this folder, too; only in a build with the feature `parquet`
    #[arg(long, value_name = "FOLDER")]
    pub(crate) parquet: Option<PathBuf>,
    /// The language of the page
    #[arg(long, value_enum, default_value_t = Lang::En)]
    pub(crate) lang: Lang,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  onrush rehearse --config onrush.toml --expected 100k
  onrush rehearse --config onrush.toml --data /var/lib/onrush --shape poisson --certificate proxy.pem

Run it on the machine of the sale. A server is started on loopback ports with a copy of the configuration
and a scratch folder beside the data folder; the shop's hooks are doubles, reminders are left out. The real
data folder is not opened and nothing outside is asked; names of hooks are looked up.

Exit codes: 0 go, 1 no-go or it could not be rehearsed, 2 wrong command line.")]
pub(crate) struct RehearseArgs {
    /// The configuration of the sale
    #[arg(long, value_name = "FILE", default_value = "onrush.toml")]
    pub(crate) config: PathBuf,
    /// Where the data folder is, or will be: the scratch folder is made beside it
    #[arg(long, value_name = "DIR", default_value = "onrush-data")]
    pub(crate) data: PathBuf,
    /// The campaign; the next to open when left out
    #[arg(long)]
    pub(crate) campaign: Option<String>,
    /// How many people come; the campaign's buyers_expected when left out
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) expected: Option<u32>,
    /// How they come
    #[arg(long, value_enum, default_value_t = Pattern::Spike)]
    pub(crate) shape: Pattern,
    /// Within which time
    #[arg(long, default_value = "30s", value_parser = span)]
    pub(crate) duration: Span,
    /// The part of holds that is paid for, to judge how long units stand idle
    #[arg(long, default_value_t = 0.7, value_parser = share)]
    pub(crate) pay_rate: f64,
    /// Units of each SKU that has none in the configuration; a tenth of the people when left out
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) units: Option<u32>,
    /// A certificate of the proxy in front, in PEM; several may be named
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate: Vec<PathBuf>,
    /// What the crowd follows from; without it, the time
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// Read a share above 0, up to 1.
fn share(text: &str) -> Result<f64, String> {
    let found = text.parse::<f64>().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    found.ok_or_else(|| format!("{text:?} is not a share such as 0.7"))
}
