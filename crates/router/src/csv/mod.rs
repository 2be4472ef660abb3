//! Reading nodes, inventory and orders from CSV; columns are found by name, in any order.
//!
//! A bad row never stops the reading: every one is reported with its line and what is wrong, and the
//! caller decides whether to go on without them. Columns that are not known are named, not guessed.

mod nodes;
mod orders;
mod stock;

pub use nodes::{COLUMNS as NODE_COLUMNS, read_nodes};
pub use orders::{Names, read_orders};
pub use stock::read_stock;

use ::csv::{ReaderBuilder, StringRecord};
use onrush_types::Timestamp;
use std::fmt;
use std::io::Read;

/// Bad rows that are kept word for word; the rest is counted.
pub const BAD_ROWS_KEPT: usize = 100;

/// What a file had.
#[derive(Clone, Debug, Default)]
pub struct Rows<T> {
    /// What was read.
    pub rows: Vec<T>,
    /// The first bad rows.
    pub bad: Vec<BadRow>,
    /// How many rows were bad.
    pub bad_count: usize,
    /// Columns that were not read.
    pub unknown_columns: Vec<String>,
}

impl<T> Rows<T> {
    fn new() -> Rows<T> {
        Rows { rows: Vec::new(), bad: Vec::new(), bad_count: 0, unknown_columns: Vec::new() }
    }

    fn refuse(&mut self, line: u64, message: String) {
        self.bad_count += 1;
        if self.bad.len() < BAD_ROWS_KEPT {
            self.bad.push(BadRow { line, message });
        }
    }
}

/// One row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Line in the file, from 1; the header is line 1.
    pub line: u64,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Why a file cannot be read at all.
#[derive(Debug)]
#[non_exhaustive]
pub enum CsvError {
    /// The reader failed.
    Io(std::io::Error),
    /// A column that must be there is not.
    MissingColumn {
        /// Its name.
        column: &'static str,
        /// The columns the file has.
        found: String,
    },
    /// A quote spans lines, or is never closed: what follows it cannot be told apart.
    OpenQuote {
        /// The line on which it opens.
        line: u64,
    },
    /// A column appears twice.
    ColumnTwice {
        /// Its name.
        column: String,
    },
}

impl fmt::Display for CsvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CsvError::Io(error) => write!(f, "reading failed: {error}"),
            CsvError::MissingColumn { column, found } => {
                write!(f, "line 1: column {column} is missing; the header has: {found}")
            }
            CsvError::OpenQuote { line } => {
                write!(f, "line {line}: a quote opens and is not closed on this line; close it")
            }
            CsvError::ColumnTwice { column } => {
                write!(f, "line 1: column {column} appears twice; remove one")
            }
        }
    }
}

impl std::error::Error for CsvError {}

/// One row with its columns by number of the wanted list.
struct Row<'a> {
    record: &'a StringRecord,
    places: &'a [Option<usize>],
}

impl Row<'_> {
    /// A cell without surrounding blanks; `None` when absent or empty.
    fn get(&self, column: usize) -> Option<&str> {
        let cell = self.record.get(self.places[column]?)?.trim();
        (!cell.is_empty()).then_some(cell)
    }
}

/// Read every row; `each` turns one into a value or says what is wrong.
///
/// The first `required` of `columns` must be there and filled.
fn read_rows<T>(
    input: impl Read,
    columns: &'static [&'static str],
    required: usize,
    mut each: impl FnMut(&Row<'_>) -> Result<Option<T>, String>,
) -> Result<Rows<T>, CsvError> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(input);
    let header = reader.headers().map_err(io_error)?.clone();
    let mut rows = Rows::new();
    let places = find_columns(&header, columns, required, &mut rows.unknown_columns)?;
    let mut record = StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(rows),
            Ok(true) => {}
            Err(error) if matches!(error.kind(), ::csv::ErrorKind::Utf8 { .. }) => {
                rows.refuse(line, "the row is not UTF-8; save the file as UTF-8".to_owned());
                continue;
            }
            Err(error) => return Err(io_error(error)),
        }
        let line = record.position().map_or(line, ::csv::Position::line);
        if record.iter().any(|cell| cell.contains('\n')) {
            return Err(CsvError::OpenQuote { line });
        }
        if record.len() != header.len() {
            let message = format!("{} cells, but the header has {}", record.len(), header.len());
            rows.refuse(line, message);
            continue;
        }
        let row = Row { record: &record, places: &places };
        if let Some(empty) = (0..required).find(|&column| row.get(column).is_none()) {
            rows.refuse(line, format!("{} is empty", columns[empty]));
            continue;
        }
        match each(&row) {
            Ok(Some(value)) => rows.rows.push(value),
            Ok(None) => {}
            Err(message) => rows.refuse(line, message),
        }
    }
}

fn find_columns(
    header: &StringRecord,
    columns: &'static [&'static str],
    required: usize,
    unknown: &mut Vec<String>,
) -> Result<Vec<Option<usize>>, CsvError> {
    let mut places = vec![None; columns.len()];
    for (at, name) in header.iter().enumerate() {
        let name = name.trim().trim_start_matches('\u{feff}');
        match columns.iter().position(|column| *column == name) {
            Some(column) if places[column].is_some() => {
                return Err(CsvError::ColumnTwice { column: name.to_owned() });
            }
            Some(column) => places[column] = Some(at),
            None => unknown.push(name.to_owned()),
        }
    }
    match (0..required).find(|&column| places[column].is_none()) {
        Some(column) => Err(CsvError::MissingColumn {
            column: columns[column],
            found: header.iter().collect::<Vec<_>>().join(","),
        }),
        None => Ok(places),
    }
}

fn io_error(error: ::csv::Error) -> CsvError {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => CsvError::Io(error),
        other => CsvError::Io(std::io::Error::other(format!("{other:?}"))),
    }
}

/// Read a number within a range.
fn number(name: &str, text: &str, least: f64, most: f64) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| format!("{name} {text:?} is not a number"))?;
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("{name} {text} is not between {least} and {most}"))
    }
}

/// Read a whole number of units.
fn units(name: &str, text: &str, least: u32, most: u32) -> Result<u32, String> {
    let value: u64 = text
        .parse()
        .map_err(|_| format!("{name} {text:?} is not a whole number of at least {least}"))?;
    match u32::try_from(value) {
        Ok(value) if (least..=most).contains(&value) => Ok(value),
        _ => Err(format!("{name} {text} is not between {least} and {most}")),
    }
}

/// Read an instant: RFC 3339, a date with a time (taken as UTC), or seconds since 1970.
fn instant(name: &str, text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{name} {text:?} is not a time; write it as 2026-11-11T12:00:00Z");
    if let Ok(seconds) = text.parse::<u64>() {
        let ms = seconds.checked_mul(1_000).filter(|ms| *ms < 253_402_300_800_000);
        return ms.map(Timestamp).ok_or_else(wrong);
    }
    let at: jiff::Timestamp = match text.parse() {
        Ok(at) => at,
        Err(_) => {
            let civil: jiff::civil::DateTime = text.parse().map_err(|_| wrong())?;
            let utc = civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
            utc.timestamp()
        }
    };
    u64::try_from(at.as_millisecond()).map(Timestamp).map_err(|_| wrong())
}
