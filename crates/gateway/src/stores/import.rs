//! Stores and stock from CSV, in the columns of `onrush route`: every bad row with its line, nothing
//! imported unless all rows are good or the bad ones are to be left out.
//!
//! Rows go to the ledger some at a time, each a record of its own; importing the same file again
//! changes nothing, so an import that was cut off is simply repeated.

use super::Stores;
use super::columns::{Cells, attributes_of, check};
use crate::answer::Answer;
use crate::errors::Code;
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::json;
use csv::{ReaderBuilder, StringRecord};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use onrush::ledger::StockHow;
use onrush::{By, Decision, Engine, NodeNo, Pending, SkuIx};
use onrush_router::csv::{NODE_COLUMNS, read_stock};
use onrush_router::network::StockSpec;
use serde_json::{Value, json as value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows under way at once.
const WINDOW: usize = 1_024;
/// Bad rows told; the rest is counted.
const BAD_TOLD: usize = 20;

/// Rows of a file, read and not yet imported.
pub(super) struct File<T> {
    rows: Vec<(u64, T)>,
    bad: Vec<(u64, String)>,
    unknown_columns: Vec<String>,
}

/// Tell whether a body is CSV.
pub(super) fn check_media(headers: &HeaderMap) -> Result<(), Problem> {
    let is_csv = headers.get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes().split(|&b| b == b';').next().unwrap_or_default();
        kind.trim_ascii().eq_ignore_ascii_case(b"text/csv")
    });
    if is_csv && !headers.contains_key(CONTENT_ENCODING) {
        return Ok(());
    }
    let detail = "send CSV with `Content-Type: text/csv` and without compression";
    Err(Problem::new(Code::UnsupportedMedia, detail))
}

/// Read stores.
pub(super) fn nodes(body: &[u8]) -> Result<File<(String, Cells)>, Problem> {
    read(body, NODE_COLUMNS, 4, |header, record| {
        let cells = header.iter().zip(record).map(|(column, cell)| (column.trim(), cell.trim()));
        let known =
            cells.filter(|(column, cell)| NODE_COLUMNS.contains(column) && !cell.is_empty());
        let mut cells: Cells = known.map(|(c, v)| (c.to_owned(), v.to_owned())).collect();
        let name = cells.remove("node").ok_or("node is empty")?;
        check(&name, &cells)?;
        Ok((name, cells))
    })
}

const STOCK_COLUMNS: &[&str] = &["node", "sku", "on_hand", "safety_stock", "channel_quota"];

/// A row of stock, and its quotas as they were written.
pub(super) type Stock = (StockSpec, String);

/// Read stock.
pub(super) fn stock(body: &[u8]) -> Result<File<Stock>, Problem> {
    let quota = |header: &StringRecord, record: &StringRecord| {
        let at = header.iter().position(|column| column.trim() == "channel_quota")?;
        record.get(at).map(|cell| cell.trim().to_owned())
    };
    let mut seen = BTreeMap::new();
    let mut line = 1;
    read(body, STOCK_COLUMNS, 3, |header, record| {
        line += 1;
        let mut file = csv::Writer::from_writer(Vec::new());
        file.write_record(header).and_then(|()| file.write_record(record)).map_err(text)?;
        let file = file.into_inner().map_err(text)?;
        let mut rows = read_stock(file.as_slice()).map_err(text)?;
        if let Some(bad) = rows.bad.pop() {
            return Err(bad.message);
        }
        let spec = rows.rows.pop().ok_or("the row is empty")?;
        let key = (spec.node.clone(), spec.sku.clone());
        if seen.insert(key, line).is_some() {
            return Err("this node and sku have a row already; keep one".to_owned());
        }
        Ok((spec, quota(header, record).unwrap_or_default()))
    })
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn read<T>(
    body: &[u8],
    columns: &[&str],
    required: usize,
    mut each: impl FnMut(&StringRecord, &StringRecord) -> Result<T, String>,
) -> Result<File<T>, Problem> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(body);
    let header = reader.headers().map_err(|_| Problem::invalid("line 1: not UTF-8"))?.clone();
    let header: StringRecord =
        header.iter().map(|name| name.trim().trim_start_matches('\u{feff}')).collect();
    for column in &columns[..required] {
        match header.iter().filter(|have| have == column).count() {
            1 => {}
            0 => {
                let has: Vec<&str> = header.iter().collect();
                let has = has.join(",");
                let detail = format!("line 1: column {column} is missing; the header has: {has}");
                return Err(Problem::invalid(detail));
            }
            _ => return Err(Problem::invalid(format!("line 1: column {column} appears twice"))),
        }
    }
    let unknown = header.iter().filter(|name| !columns.contains(name)).map(str::to_owned);
    let mut file = File { rows: Vec::new(), bad: Vec::new(), unknown_columns: unknown.collect() };
    let mut record = StringRecord::new();
    loop {
        let line = reader.position().line();
        let read = reader.read_record(&mut record);
        let line = record.position().map_or(line, csv::Position::line);
        match read {
            Ok(false) => return Ok(file),
            Ok(true) if record.len() != header.len() => {
                let (has, want) = (record.len(), header.len());
                file.bad.push((line, format!("{has} cells, but the header has {want}")));
            }
            Ok(true) => match each(&header, &record) {
                Ok(row) => file.rows.push((line, row)),
                Err(problem) => file.bad.push((line, problem)),
            },
            Err(_) => {
                file.bad.push((line, "the row is not UTF-8; save the file as UTF-8".to_owned()));
            }
        }
    }
}

/// What an import did.
#[derive(Default)]
struct Report {
    changed: usize,
    same: usize,
}

impl<T> File<T> {
    /// Refuse a file with bad rows, unless they are to be left out.
    fn check(&self, skip_bad: bool) -> Result<(), Problem> {
        if self.bad.is_empty() || skip_bad {
            return Ok(());
        }
        let told = self.bad.iter().take(BAD_TOLD);
        let told: Vec<String> = told.map(|(line, what)| format!("line {line}: {what}")).collect();
        let (count, told) = (self.bad.len(), told.join("; "));
        Err(Problem::invalid(format!(
            "nothing was imported: {count} bad rows ({told}); mend them, or leave them out with \
             ?skip_bad=true"
        )))
    }

    fn answer(self, route: Route, rows: usize, report: &Report) -> Answer {
        let bad = self.bad.iter().take(BAD_TOLD);
        let bad = bad.map(|(line, problem)| value!({"line": line, "problem": problem}));
        let body = value!({
            "rows": rows, "changed": report.changed, "same": report.same,
            "bad_count": self.bad.len(), "bad": bad.collect::<Vec<Value>>(),
            "unknown_columns": self.unknown_columns,
        });
        Answer::json(StatusCode::OK, route, json(&body))
    }
}

/// Import stores.
pub(super) async fn import_nodes(
    engine: Engine,
    stores: Arc<Stores>,
    mut file: File<(String, Cells)>,
    skip_bad: bool,
    by: By,
) -> Result<Answer, Problem> {
    file.check(skip_bad)?;
    let rows = std::mem::take(&mut file.rows);
    let count = rows.len();
    let put =
        |(name, cells): &(String, Cells)| engine.put_node(name, &attributes_of(cells), by.clone());
    let report = send(&rows, put, &mut file.bad).await?;
    stores.wake(&engine);
    Ok(file.answer(Route::AdminNodesImport, count, &report))
}

/// Where a row of stock goes, by the ledger's numbers.
pub(super) struct Targets {
    pub(super) nodes: BTreeMap<Box<str>, NodeNo>,
    pub(super) skus: BTreeMap<String, SkuIx>,
}

/// Import a campaign's stock.
pub(super) async fn import_stock(
    engine: Engine,
    stores: Arc<Stores>,
    mut file: File<Stock>,
    targets: Targets,
    skip_bad: bool,
    by: By,
) -> Result<Answer, Problem> {
    let read = std::mem::take(&mut file.rows);
    let count = read.len();
    let mut rows = Vec::with_capacity(count);
    for (line, (spec, quotas)) in read {
        let node = targets.nodes.get(spec.node.as_str());
        let sku = targets.skus.get(spec.sku.as_str());
        match (node, sku) {
            (Some(&node), Some(&sku)) => rows.push((line, (node, sku, spec, quotas))),
            (None, _) => {
                let what = format!("there is no node {}; import the nodes first", spec.node);
                file.bad.push((line, what));
            }
            (_, None) => {
                let what = format!("sku {} is not in this campaign", spec.sku);
                file.bad.push((line, what));
            }
        }
    }
    file.bad.sort();
    file.check(skip_bad)?;
    let count_of = |(node, sku, spec, quotas): &(NodeNo, SkuIx, StockSpec, String)| {
        let (on_hand, safety) = (spec.on_hand, spec.safety_stock);
        let how = StockHow::Count { on_hand, safety, attributes: quotas.as_str().into() };
        engine.move_stock(*node, *sku, how, by.clone())
    };
    let report = send(&rows, count_of, &mut file.bad).await?;
    stores.wake(&engine);
    Ok(file.answer(Route::AdminStockImport, count, &report))
}

/// Send rows to the ledger, a window at a time. A row that it refuses is a bad one.
async fn send<T>(
    rows: &[(u64, T)],
    ask: impl Fn(&T) -> Pending<NodeNo>,
    bad: &mut Vec<(u64, String)>,
) -> Result<Report, Problem> {
    let mut report = Report::default();
    for window in rows.chunks(WINDOW) {
        let asked: Vec<_> = window.iter().map(|(line, row)| (*line, ask(row))).collect();
        for (line, pending) in asked {
            match pending.await.map_err(|error| Problem::of_error(&error))? {
                Decision::Done(_) => report.changed += 1,
                Decision::Already(_) => report.same += 1,
                Decision::Refused(refusal) => bad.push((line, refusal.to_string())),
            }
        }
    }
    Ok(report)
}
