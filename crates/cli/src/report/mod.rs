//! `onrush report DIR`: what a sale came to, from its data folder alone, as one HTML file, CSV, Parquet and JSON.
//!
//! The journal is read twice: once to replay it, as `onrush verify` does, and once to count its writes.
//! No buyer is named, not even by a digest.

mod after;
mod batches;
mod groups;
mod html;
#[cfg(feature = "parquet")]
mod parquet;
mod proof;
mod risk;
mod sales;
mod series;
mod table;
mod tally;
mod words;

use crate::args::ReportArgs;
use crate::export::guarded;
use crate::out::{Failure, Out};
use groups::Groups;
use html::Head;
use onrush::ledger::Ledger;
use onrush::{CampaignIx, Secret};
use onrush_load::folder::{Folder, FolderError};
use onrush_load::verdict::{Verdict, grouped};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use table::{Cell, Report, Table};
use tally::Tally;
use words::Words;

/// Return how many bytes the journal of a data folder took.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn journal_bytes(data: &Path) -> std::io::Result<u64> {
    batches::read(&data.join("journal")).map(|batches| batches.bytes)
}

/// Half a minute of compile time is not everybody's price for it.
const NO_PARQUET: &str = "this program was built without Parquet: build one that has it with `cargo build \
     --release -p onrush-cli --features parquet`, or use --csv, which what reads Parquet reads, too";

/// A data folder, read.
struct Read {
    folder: Folder,
    secret: Secret,
    tally: Tally,
    groups: Groups,
    verdict: Verdict,
}

pub(crate) fn run(args: &ReportArgs, out: &Out) -> Result<(), Failure> {
    if args.parquet.is_some() && !cfg!(feature = "parquet") {
        return Err(Failure::Usage(NO_PARQUET.to_owned()));
    }
    let read = Read::of(&args.dir)?;
    let batches = batches::read(&args.dir.join("journal")).map_err(Failure::of)?;
    let (fairness, lines_hold) = proof::fairness(&read);
    let report = Report {
        sections: vec![
            sales::campaigns(&read),
            sales::timeline(&read),
            sales::funnel(&read),
            sales::skus(&read),
            proof::section(&read),
            fairness,
            risk::section(&args.dir).map_err(Failure::Failed)?,
            after::latency(&read, &batches),
            sales::unserved(&read),
            after::routing(&read),
            after::refunds(&read),
            sales::sellers(&read),
            after::by_hand(&read),
        ],
    };
    let holds = read.verdict.holds() && lines_hold;
    let (records, lsn) = (read.folder.replayed.records, read.ledger().lsn().0);
    let head = Head { holds, records, lsn };
    write_html(&args.out, &head, &report, Words::new(args.lang))?;
    if let Some(folder) = &args.csv {
        write_csv(folder, &report)?;
    }
    #[cfg(feature = "parquet")]
    if let Some(folder) = &args.parquet {
        parquet::write(folder, &report)?;
    }
    let value = json!({
        "holds": holds, "records": records, "lsn": lsn, "chain": read.folder.chain(),
        "html": args.out, "csv": args.csv, "parquet": args.parquet,
        "tables": report.json(),
    });
    out.result(&value, || text(args, &report, &value))?;
    if holds {
        Ok(())
    } else {
        let what = "something in the folder does not hold; the report says what";
        Err(Failure::NotHeld(what.to_owned()))
    }
}

impl Read {
    fn of(dir: &Path) -> Result<Read, Failure> {
        let secret = Folder::secret(dir).map_err(unread)?;
        let mut tally = Tally::new(secret.clone());
        let folder = Folder::read_beside(dir, |_, record, ledger| tally.visit(record, ledger));
        let folder = folder.map_err(unread)?;
        let groups = Groups::of(&folder.replayed.ledger);
        let verdict = folder.verdict();
        Ok(Read { folder, secret, tally, groups, verdict })
    }

    fn ledger(&self) -> &Ledger {
        &self.folder.replayed.ledger
    }
}

/// Say why there is no report, and what to do.
fn unread(error: FolderError) -> Failure {
    match error {
        FolderError::Broken(what) => Failure::NotHeld(format!(
            "{what}; there is no report on a damaged journal: restore a backup, or keep the folder for the \
             maintainers"
        )),
        other => Failure::of(other),
    }
}

fn name_of(ledger: &Ledger, campaign: CampaignIx) -> String {
    ledger.campaigns()[campaign.index()].name.to_string()
}

fn write_html(to: &Path, head: &Head, report: &Report, words: Words) -> Result<(), Failure> {
    let fail = |e: std::io::Error| Failure::Failed(format!("{}: {e}", to.display()));
    let mut file = BufWriter::new(File::create(to).map_err(fail)?);
    html::write(head, report, words, &mut file).map_err(fail)?;
    file.flush().map_err(fail)
}

/// Write each table as a file of its own, also those that are empty: a program looks for them.
fn write_csv(folder: &Path, report: &Report) -> Result<(), Failure> {
    let fail = |path: &Path, e: &dyn std::fmt::Display| {
        Failure::Failed(format!("{}: {e}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|e| fail(folder, &e))?;
    for table in report.tables() {
        let path = folder.join(format!("{}.csv", table.id));
        let file = File::create(&path).map_err(|e| fail(&path, &e))?;
        write_rows(table, file).map_err(|e| fail(&path, &e))?;
    }
    Ok(())
}

fn write_rows(table: &Table, file: File) -> Result<(), csv::Error> {
    let mut csv = csv::Writer::from_writer(BufWriter::new(file));
    csv.write_record(&table.columns)?;
    for row in &table.rows {
        csv.write_record(row.iter().map(cell))?;
    }
    csv.flush().map_err(csv::Error::from)
}

fn cell(cell: &Cell) -> String {
    match cell.value() {
        Value::Null => String::new(),
        Value::String(text) => guarded(&text),
        other => other.to_string(),
    }
}

/// Say the first figures and where the rest is.
fn text(args: &ReportArgs, report: &Report, value: &Value) -> String {
    let mut text = String::new();
    let campaigns = value["tables"]["campaigns"].as_array();
    for campaign in campaigns.into_iter().flatten() {
        let count = |name: &str| grouped(campaign[name].as_u64().unwrap_or_default());
        let name = campaign["campaign"].as_str().unwrap_or_default();
        text += &format!(
            "{name}: {} of {} units sold in {} sales\n",
            count("sold_units"),
            count("supplied"),
            count("sold")
        );
    }
    text += &format!("chain {}\n", value["chain"].as_str().unwrap_or_default());
    text += &format!("wrote {}\n", args.out.display());
    for folder in args.csv.iter().chain(&args.parquet) {
        text += &format!("wrote {} tables to {}\n", report.tables().count(), folder.display());
    }
    text
}
