//! One real day of orders, compressed in time.
//!
//! The file is read twice: once to find the busiest day, once to read that day. What the day does not
//! tell is derived and said: stock from the day's demand, seconds within a minute from the order of
//! the lines.

use crate::out::Failure;
use flate2::read::MultiGzDecoder;
use onrush::limits::{QUANTITY_MAX, RESERVATIONS_PER_BUYER_MAX};
use onrush_load::crowd::{Behaviour, Visit};
use onrush_load::verdict::grouped;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Duration;

/// Of each SKU there is this share of what the day asked for, rounded up.
const STOCK_PERCENT: u64 = 90;
/// Between two steps of a buyer.
const THINK: Duration = Duration::from_millis(300);

/// A day, ready to be played.
pub(super) struct Day {
    date: String,
    pub(super) visits: Vec<Visit>,
    skus: BTreeMap<String, Sku>,
    pub(super) limit: u32,
    pub(super) facts: Vec<String>,
}

#[derive(Default)]
struct Sku {
    price: i64,
    demand: u64,
}

#[derive(Deserialize)]
struct Row {
    invoice: String,
    sku: String,
    quantity: i64,
    time: String,
    unit_price: f64,
    customer: String,
}

/// A line of an order, equal SKUs of one invoice added up.
struct Line {
    minute: u32,
    invoice: String,
    sku: String,
    quantity: u64,
    cancelled: bool,
}

impl Day {
    pub(super) fn campaign(&self) -> String {
        format!("day-{}", self.date)
    }

    /// Return the campaign for `PUT /admin/v1/campaigns/{campaign}`.
    pub(super) fn body(&self, hold_ms: u64) -> Value {
        let skus = self
            .skus
            .iter()
            .map(|(name, sku)| json!({"sku": name, "price": sku.price, "supply": sku.supply()}));
        json!({
            "currency": "GBP", "opens_at": "2000-01-01T00:00:00Z", "limit_per_buyer": self.limit,
            "hold": format!("{hold_ms}ms"), "buyers_expected": self.visits.len().max(1),
            "skus": skus.collect::<Vec<_>>(),
        })
    }
}

/// Read the busiest day of a file and compress it.
pub(super) fn read(path: &Path, into: Duration) -> Result<Day, Failure> {
    let fail = |problem: String| Failure::Failed(format!("{}: {problem}", path.display()));
    let mut lines_on: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows(path).map_err(fail)? {
        let row = row.map_err(fail)?;
        if row.quantity > 0 {
            *lines_on.entry(row.time.get(..10).unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    let busiest = lines_on.iter().max_by_key(|&(_, lines)| *lines);
    let Some((date, _)) = busiest else { return Err(fail("has no orders".to_owned())) };
    let of_day = rows(path).map_err(fail)?.filter_map(Result::ok);
    Ok(day(date, of_day.filter(|row| row.time.starts_with(date.as_str())), into))
}

/// The orders of a day as they are read.
#[derive(Default)]
struct Book {
    lines: Vec<Line>,
    skus: BTreeMap<String, Sku>,
    line_of: HashMap<(String, String), usize>,
    bought: HashMap<(String, String), usize>,
    taken_back: u32,
    others_back: u32,
    skipped: u32,
}

impl Book {
    fn enter(&mut self, row: Row) {
        let sku = name(&row.sku);
        if row.invoice.starts_with('C') {
            match self.bought.remove(&(row.customer, sku)) {
                Some(at) => {
                    self.lines[at].cancelled = true;
                    self.taken_back += 1;
                }
                None => self.others_back += 1,
            }
            return;
        }
        let quantity = u64::try_from(row.quantity).unwrap_or(0);
        if quantity == 0 || row.unit_price < 0.0 {
            self.skipped += 1;
            return;
        }
        self.skus.entry(sku.clone()).or_default().price = (row.unit_price * 100.0).round() as i64;
        let key = (row.invoice.clone(), sku.clone());
        if let Some(&at) = self.line_of.get(&key) {
            self.lines[at].quantity += quantity;
            return;
        }
        self.line_of.insert(key, self.lines.len());
        self.bought.insert((row.customer, sku.clone()), self.lines.len());
        let minute = minute_of(&row.time);
        self.lines.push(Line { minute, invoice: row.invoice, sku, quantity, cancelled: false });
    }

    /// Cut lines to what one reservation may have, and add up the demand; return how many were cut.
    fn close(&mut self) -> usize {
        let most = u64::from(QUANTITY_MAX);
        let cut = self.lines.iter().filter(|line| line.quantity > most).count();
        for line in &mut self.lines {
            line.quantity = line.quantity.min(most);
            self.skus.entry(line.sku.clone()).or_default().demand += line.quantity;
        }
        cut
    }
}

impl Sku {
    fn supply(&self) -> u64 {
        (self.demand * STOCK_PERCENT).div_ceil(100)
    }
}

fn day(date: &str, rows: impl Iterator<Item = Row>, into: Duration) -> Day {
    let mut book = Book::default();
    rows.for_each(|row| book.enter(row));
    let cut = book.close();
    let Book { lines, skus, taken_back, others_back, skipped, .. } = book;
    let (visits, limit, hours) = visits(lines, into);
    let demand: u64 = skus.values().map(|sku| sku.demand).sum();
    let stock: u64 = skus.values().map(Sku::supply).sum();
    let seconds = into.as_secs_f64();
    let facts = vec![
        format!(
            "orders of {date}: {} lines of {} SKUs, {} units asked for",
            grouped(visits.len() as u64),
            grouped(skus.len() as u64),
            grouped(demand),
        ),
        format!(
            "compressed: {hours:.1} h into {seconds} s, {:.0} times as fast; minute stamps spread evenly",
            hours * 3_600.0 / seconds,
        ),
        format!(
            "stock is derived: {STOCK_PERCENT} % of the day's demand of each SKU, {} units",
            grouped(stock),
        ),
        format!(
            "each line is one reservation; an invoice counts as a new buyer after \
             {RESERVATIONS_PER_BUYER_MAX} lines; {cut} lines cut to {QUANTITY_MAX} units"
        ),
        format!(
            "{taken_back} lines were taken back the same day and are cancelled; {others_back} refer \
             to other days, {skipped} are no orders: left out"
        ),
    ];
    Day { date: date.to_owned(), visits, skus, limit, facts }
}

/// Return the visits, the units of the greediest buyer, and the hours of the day.
fn visits(mut lines: Vec<Line>, into: Duration) -> (Vec<Visit>, u32, f64) {
    lines.sort_by_key(|line| line.minute);
    let first = lines.first().map_or(0, |line| line.minute);
    let span = f64::from(lines.last().map_or(0, |line| line.minute) - first + 1);
    let mut in_minute: HashMap<u32, u32> = HashMap::new();
    for line in &lines {
        *in_minute.entry(line.minute).or_default() += 1;
    }
    let mut seen: HashMap<u32, u32> = HashMap::new();
    let mut of_invoice: HashMap<String, usize> = HashMap::new();
    let mut units: HashMap<String, u64> = HashMap::new();
    let visits = lines.into_iter().enumerate().map(|(n, line)| {
        let before = seen.entry(line.minute).or_default();
        let within = f64::from(*before) / f64::from(in_minute[&line.minute]);
        *before += 1;
        let place = of_invoice.entry(line.invoice.clone()).or_default();
        let buyer = format!("{}-{}", line.invoice, *place / RESERVATIONS_PER_BUYER_MAX);
        *place += 1;
        *units.entry(buyer.clone()).or_default() += line.quantity;
        Visit {
            at: into.mul_f64((f64::from(line.minute - first) + within) / span),
            buyer: buyer.into(),
            key: format!("line-{n}").into(),
            sku: line.sku.into(),
            quantity: line.quantity as u32,
            behaviour: if line.cancelled { Behaviour::Cancels } else { Behaviour::Buys },
            think: THINK,
        }
    });
    let visits: Vec<Visit> = visits.collect();
    let limit = units.into_values().max().unwrap_or(1);
    (visits, u32::try_from(limit).unwrap_or(u32::MAX), span / 60.0)
}

type Rows = Box<dyn Iterator<Item = Result<Row, String>>>;

fn rows(path: &Path) -> Result<Rows, String> {
    let file = File::open(path).map_err(|e| format!("cannot be read: {e}"))?;
    let zipped = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = match zipped {
        true => Box::new(MultiGzDecoder::new(BufReader::new(file))),
        false => Box::new(BufReader::new(file)),
    };
    let rows = csv::Reader::from_reader(reader).into_deserialize::<Row>();
    Ok(Box::new(rows.map(|row| row.map_err(|e| format!("is no trace: {e}")))))
}

/// Make a name of a SKU: other characters become `_`.
fn name(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = text.chars().map(|c| if allowed(c) { c } else { '_' }).take(64).collect();
    if name.is_empty() || name.starts_with('.') { format!("_{name}") } else { name }
}

/// Read the minute of the day of `2011-12-05 08:26:00`.
fn minute_of(time: &str) -> u32 {
    let part = |at: std::ops::Range<usize>| time.get(at).and_then(|text| text.parse().ok());
    part(11..13).unwrap_or(0) * 60 + part(14..16).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(invoice: &str, sku: &str, quantity: i64, minute: &str, customer: &str) -> Row {
        Row {
            invoice: invoice.to_owned(),
            sku: sku.to_owned(),
            quantity,
            time: format!("2011-12-05 08:{minute}:00"),
            unit_price: 2.55,
            customer: customer.to_owned(),
        }
    }

    #[test]
    fn a_day_becomes_visits_in_their_order_and_stock_follows_demand() {
        let rows = [
            row("1", "a b", 6, "00", "x"),
            row("1", "a b", 4, "00", "x"),
            row("2", "c", 5_000, "01", "y"),
            row("C3", "a b", -10, "03", "x"),
            row("C4", "c", -1, "03", "nobody"),
            row("5", "c", -3, "03", ""),
        ];
        let day = day("2011-12-05", rows.into_iter(), Duration::from_secs(2));
        let got: Vec<_> = day
            .visits
            .iter()
            .map(|v| (&*v.sku, v.quantity, v.at.as_millis(), v.behaviour))
            .collect();
        let expected = [("a_b", 10, 0, Behaviour::Cancels), ("c", 1_000, 1_000, Behaviour::Buys)];
        assert_eq!(got, expected);
        assert_eq!(day.limit, 1_000);
        let body = day.body(5_000);
        assert_eq!(body["skus"][0], json!({"sku": "a_b", "price": 255, "supply": 9}));
        assert_eq!(body["skus"][1]["supply"], 900);
        assert!(day.facts[3].contains("1 lines cut"), "{:?}", day.facts);
        assert!(
            day.facts[4].starts_with("1 lines were taken back") && day.facts[4].contains("1 refer")
        );
    }

    #[test]
    fn an_invoice_counts_as_a_new_buyer_after_sixteen_lines() {
        let rows = (0..33).map(|n| row("1", &format!("s{n}"), 1, "00", "x"));
        let day = day("2011-12-05", rows, Duration::from_secs(1));
        let mut of_buyer: BTreeMap<&str, usize> = BTreeMap::new();
        for visit in &day.visits {
            *of_buyer.entry(&visit.buyer).or_default() += 1;
        }
        assert_eq!(
            of_buyer.into_iter().collect::<Vec<_>>(),
            [("1-0", 16), ("1-1", 16), ("1-2", 1)]
        );
        assert!(day.visits.is_sorted_by_key(|visit| visit.at));
    }
}
