//! `onrush report` on folders that the real engine wrote: every figure against what was counted by hand, or
//! by another command.

mod sale;
mod wellformed;

use sale::{Shop, name};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn onrush(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onrush"))
        .args(args)
        .current_dir(dir)
        .output()
        .expect("it runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn value(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(output)))
}

/// Return the rows of a table, each as the values of some columns.
fn rows(report: &Value, table: &str, columns: &[&str]) -> Vec<Vec<Value>> {
    let rows = report["tables"][table].as_array().unwrap_or_else(|| panic!("no table {table}"));
    let cells = |row: &Value| {
        columns
            .iter()
            .map(|&column| row.get(column).unwrap_or_else(|| panic!("{table}.{column}")).clone())
            .collect()
    };
    rows.iter().map(cells).collect()
}

fn expect(report: &Value, table: &str, columns: &[&str], expected: Value) {
    assert_eq!(Value::from(rows(report, table, columns)), expected, "{table}");
}

/// Make the sale once and report on it.
fn reported(args: &[&str]) -> (tempfile::TempDir, Value) {
    let dir = tempfile::tempdir().expect("a folder");
    sale::sell(&dir.path().join("data"));
    let all = [&["report", "data", "--json"], args].concat();
    let output = onrush(dir.path(), &all);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = value(&output);
    (dir, report)
}

#[test]
fn sales_are_those_that_were_made() {
    let (_dir, report) = reported(&[]);
    expect(
        &report,
        "campaigns",
        &["campaign", "phase", "supplied", "sold_units", "sold", "amount", "currency"],
        json!([["drop", "closed", 18, 8, 8, 6 * 1_000 + 2 * 300, "CNY"]]),
    );
    let columns = ["sku", "supplied", "free", "held", "sold_units", "withdrawn", "sell_through"];
    let skus = json!([["jacket", 15, 9, 0, 6, 0, 0.4], ["cap", 3, 0, 0, 2, 1, 0.666_667]]);
    expect(&report, "skus", &columns, skus);
    expect(
        &report,
        "skus",
        &["sku", "first_sold_at", "last_sold_at", "all_taken_after_ms", "amount"],
        json!([
            ["jacket", "2027-01-15T08:00:20.000Z", "2027-01-15T08:06:40.000Z", 9_000, 6_000],
            ["cap", "2027-01-15T08:00:30.000Z", "2027-01-15T08:05:30.000Z", 9_000, 600],
        ]),
    );
    let sum = |table: &str, column: &str| -> u64 {
        rows(&report, table, &[column]).iter().map(|row| row[0].as_u64().expect("a count")).sum()
    };
    for table in ["timeline", "opening"] {
        assert_eq!((sum(table, "joins"), sum(table, "holds")), (0, 14), "{table}: with the offer");
        // The cancelled cap was a sale, and the late jacket became one.
        assert_eq!(sum(table, "sales"), 9, "{table}");
    }
    let second = rows(&report, "opening", &["holds", "sales"]);
    assert_eq!(second[9], [json!(4), json!(0)], "a jacket and three caps in second 9");
    assert_eq!(second[30], [json!(0), json!(2)], "two caps in second 30");
}

#[test]
fn sources_guides_and_regions_are_those_that_were_named() {
    let (_dir, report) = reported(&[]);
    let columns = ["step", "people"];
    expect(&report, "funnel", &columns, json!([["holds", 14], ["sold", 8]]));
    expect(
        &report,
        "sources",
        &["channel", "touchpoint", "holds", "sold", "sold_units", "amount"],
        json!([
            [null, null, 4, 2, 2, 600],
            ["app", "push", 5, 3, 3, 3_000],
            ["web", "push", 5, 3, 3, 3_000],
        ]),
    );
    expect(
        &report,
        "sellers",
        &["kind", "name", "holds", "sold", "amount"],
        json!([["guide", "mei", 5, 3, 3_000], ["store", "=sh-1", 5, 5, 5_000]]),
    );
    // Four holds are too few to be told where they go.
    expect(
        &report,
        "unserved_regions",
        &["region", "holds", "sold_units", "unpaid_units"],
        json!([["31–32°N 121–122°E", 6, 5, 1], ["others", 4, 1, 3]]),
    );
    expect(
        &report,
        "unserved_skus",
        &["sku", "unpaid_holds", "too_late_units", "wishes", "wished_units", "offered_units"],
        json!([["jacket", 4, 0, 0, 0, 0], ["cap", 1, 1, 1, 1, 1]]),
    );
}

#[test]
fn money_orders_and_times_are_those_that_were() {
    let (_dir, report) = reported(&[]);
    expect(
        &report,
        "refunds",
        &["due", "due_amount", "paid_out", "paid_out_amount"],
        json!([[2, 700, 1, 300]]),
    );
    let open = rows(&report, "refunds_open", &["provider", "amount"]);
    let mut amounts: Vec<i64> = open.iter().map(|row| row[1].as_i64().expect("money")).collect();
    amounts.sort_unstable();
    assert_eq!(amounts, [300, 400]);
    expect(&report, "late_money", &["retaken", "too_late"], json!([[1, 1]]));
    let latency = rows(&report, "latency", &["span", "count", "p50_ms", "max_ms"]);
    let [paid, planned, sent] = latency.as_slice() else { panic!("{latency:?}") };
    assert_eq!(paid[..2], [json!("hold_to_paid"), json!(8)]);
    assert!(near(&paid[2], 20_000), "most paid after twenty seconds: {paid:?}");
    assert!(near(&paid[3], 21_000), "the caps, held in second 9 and paid in second 30: {paid:?}");
    assert_eq!((&planned[1], &sent[1]), (&json!(2), &json!(2)));
    assert!(near(&planned[3], 370_000) && near(&sent[3], 430_000), "{planned:?} {sent:?}");
    expect(
        &report,
        "orders",
        &["orders", "split", "resourced", "plans_max", "collected", "open_units"],
        json!([[2, 0, 1, 2, 0, 0]]),
    );
    expect(
        &report,
        "stores",
        &["store", "shipments", "units", "handed_over", "promise_kept", "too_busy"],
        json!([["s1", 2, 1, 1, 0.0, 1], ["s2", 1, 1, 1, 1.0, 0]]),
    );
    expect(
        &report,
        "by_hand",
        &["did", "on", "who", "why"],
        json!([
            ["did_supply", "jacket: 5", "olga", "more came"],
            ["did_phase", "closed", "olga", "enough"],
        ]),
    );
}

/// Three digits are kept of a span.
fn near(value: &Value, ms: u64) -> bool {
    value.as_u64().is_some_and(|found| found.abs_diff(ms) * 500 <= ms)
}

#[test]
fn the_proof_is_that_of_verify() {
    let (dir, report) = reported(&[]);
    let verify = value(&onrush(dir.path(), &["verify", "data", "--json"]));
    for field in ["holds", "chain", "lsn", "records"] {
        assert_eq!(report[field], verify[field], "{field}");
    }
    let found = rows(&report, "checks", &["must_not_be", "found", "looked_at"]);
    let checks = verify["checks"].as_array().expect("checks");
    let checks: Vec<Vec<Value>> = checks
        .iter()
        .map(|c| vec![c["name"].clone(), c["violations"].clone(), c["looked_at"].clone()])
        .collect();
    assert_eq!(found, checks);
    let written = rows(&report, "batches", &["syncs", "records_mean", "records_max"]);
    let [syncs, mean, most] = &written[0][..] else { panic!("{written:?}") };
    let syncs = syncs.as_f64().expect("a count");
    let records = verify["records"].as_f64().expect("a count");
    assert!((mean.as_f64().expect("a mean") * syncs - records).abs() < syncs / 50.0, "{written:?}");
    assert!(most.as_u64() >= Some(1) && syncs <= records, "{written:?}");
}

#[test]
fn the_page_is_whole_in_both_languages_and_names_nobody() {
    let (dir, _) = reported(&["--csv", "tables", "--out", "en.html"]);
    let zh = onrush(dir.path(), &["report", "data", "--lang", "zh", "--out", "zh.html"]);
    assert_eq!(zh.status.code(), Some(0), "{}", stderr(&zh));
    for (file, lang, says) in [
        ("en.html", "en", ["Proof of conservation", "Everything that was checked holds."]),
        ("zh.html", "zh-CN", ["守恒证明", "所有检查均成立。"]),
    ] {
        let page = std::fs::read_to_string(dir.path().join(file)).expect("written");
        wellformed::check(&page).unwrap_or_else(|what| panic!("{file}: {what}"));
        assert!(page.contains(&format!("<html lang=\"{lang}\">")));
        assert!(page.contains("@media print") && page.contains("prefers-color-scheme:dark"));
        for part in says {
            assert!(page.contains(part), "{file}: {part}");
        }
        assert!(page.contains("CNY 6,600.00") || page.contains("CNY 66.00"), "{file}: the amount");
        assert!(!page.contains("<script") && !page.contains("url("), "{file} asks for nothing");
    }
    // A key without words would stand in the page as it is.
    let zh = std::fs::read_to_string(dir.path().join("zh.html")).expect("written");
    for part in zh.split("<th scope=\"col\"").skip(1).chain(zh.split("<caption ").skip(1)) {
        let text = part.split(['>', '<']).nth(1).unwrap_or_default();
        let is_known = !text.is_ascii() || ["SKU", "p50", "p90", "p99"].contains(&text);
        assert!(is_known, "{text:?} has no Chinese words");
    }
    let buyers = value_lines(&onrush(dir.path(), &["export", "data"]));
    assert_eq!(buyers.len(), 8);
    let mut texts = vec![std::fs::read_to_string(dir.path().join("en.html")).expect("written")];
    for entry in std::fs::read_dir(dir.path().join("tables")).expect("a folder") {
        texts.push(std::fs::read_to_string(entry.expect("an entry").path()).expect("a table"));
    }
    for buyer in buyers.iter().map(|order| order["buyer"].as_str().expect("a digest")) {
        assert!(texts.iter().all(|text| !text.contains(&buyer[..8])), "{buyer} is named");
    }
}

fn value_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn csv_has_every_table_with_the_same_cells() {
    let (dir, report) = reported(&["--csv", "tables"]);
    let tables = report["tables"].as_object().expect("tables");
    for (id, expected) in tables {
        let path = dir.path().join("tables").join(format!("{id}.csv"));
        let mut csv = csv::Reader::from_path(&path).unwrap_or_else(|e| panic!("{id}: {e}"));
        let columns = csv.headers().expect("a first line").clone();
        let read: Vec<csv::StringRecord> = csv.records().map(|row| row.expect("a row")).collect();
        let expected = expected.as_array().expect("rows");
        assert_eq!(read.len(), expected.len(), "{id}");
        for (row, expected) in read.iter().zip(expected) {
            for (column, cell) in columns.iter().zip(row) {
                let text = match &expected[column] {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                assert_eq!(cell.trim_start_matches('\''), text, "{id}.{column}");
            }
        }
    }
    let sellers = std::fs::read_to_string(dir.path().join("tables/sellers.csv")).expect("written");
    assert!(sellers.contains("'=sh-1"), "no cell is a formula: {sellers}");
}

#[test]
fn recordings_and_changes_of_risk_are_counted() {
    use onrush_risk::recording::{Decided, RecordedRow, header};
    use onrush_risk::{Signals, Stage};
    let dir = tempfile::tempdir().expect("a folder");
    sale::sell(&dir.path().join("data"));
    let mut file = header().into_bytes();
    for (n, action) in [0, 0, 2, 4].into_iter().enumerate() {
        let stage = if n == 0 { Stage::Join } else { Stage::Reserve };
        let row = RecordedRow::Decided(Decided {
            at: onrush::Timestamp(n as u64),
            account: n as u64,
            stage,
            action,
            level: 0,
            units: 1,
            probability: n as f32 / 3.0,
            shadow: -1.0,
            signals: Signals::ZERO,
        });
        file.extend(row.encode());
    }
    let ended = RecordedRow::Ended {
        at: onrush::Timestamp(9),
        account: 1,
        units: 1,
        outcome: onrush_risk::Outcome::Expired,
    };
    file.extend(ended.encode());
    file.extend([1, 2, 3]);
    let side = dir.path().join("data/side/risk");
    std::fs::create_dir_all(&side).expect("a folder");
    std::fs::write(side.join("drop-1.risk"), file).expect("a recording");
    let audit = r#"{"at":"2027-01-15T08:00:00.000Z","who":"olga","what":"policy 2","why":"bots"}"#;
    std::fs::write(side.join("audit.jsonl"), format!("{audit}\n{{\"at\":")).expect("an audit");
    let output = onrush(dir.path(), &["report", "data", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = value(&output);
    expect(
        &report,
        "risk_actions",
        &["recording", "stage", "admit", "weight", "challenge", "review", "refuse"],
        json!([["drop-1", "joining", 1, 0, 0, 0, 0], ["drop-1", "reserving", 1, 0, 1, 0, 1],]),
    );
    let scores: Vec<u64> = rows(&report, "risk_scores", &["requests"])
        .iter()
        .map(|row| row[0].as_u64().expect("a count"))
        .collect();
    assert_eq!(scores, [1, 0, 0, 1, 0, 0, 1, 0, 0, 1], "0, 1/3, 2/3 and 1");
    let columns = ["sold", "released", "expired", "cancelled", "unreadable"];
    expect(&report, "risk_ends", &columns, json!([[0, 0, 1, 0, 0]]));
    expect(&report, "risk_audit", &["who", "what", "why"], json!([["olga", "policy 2", "bots"]]));
    std::fs::write(side.join("broken.risk"), "something else").expect("written");
    let broken = onrush(dir.path(), &["report", "data"]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(stderr(&broken).contains("broken.risk"), "{}", stderr(&broken));
}

#[test]
fn a_folder_in_use_and_a_damaged_one_are_told_apart() {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    let mut shop = Shop::open(&data);
    let spec = onrush::CampaignSpec::new(
        name("drop"),
        onrush::Terms::open_now(onrush::Currency::CNY),
        vec![onrush::SkuSpec::new(name("unit"), 100, 5)],
    );
    let pending = shop.engine.put_campaign(spec);
    shop.done(pending);
    let running = onrush(dir.path(), &["report", "data"]);
    assert_eq!(running.status.code(), Some(1), "{}", stderr(&running));
    assert!(stderr(&running).contains("in use by another process"), "{}", stderr(&running));
    assert!(!dir.path().join("report.html").exists(), "nothing is written");
    shop.engine.shutdown().expect("stopped");
    drop(shop);
    let segment = data.join("journal/segment-000000000001.journal");
    let mut bytes = std::fs::read(&segment).expect("a segment");
    bytes[600] ^= 1;
    std::fs::write(&segment, bytes).expect("written");
    let damaged = onrush(dir.path(), &["report", "data"]);
    assert_eq!(damaged.status.code(), Some(3), "{}", stderr(&damaged));
    assert!(stderr(&damaged).contains("damaged journal"), "{}", stderr(&damaged));
    let nothing = onrush(dir.path(), &["report", "nowhere"]);
    assert_eq!(nothing.status.code(), Some(1));
    assert!(stderr(&nothing).contains("no data folder of onrush"), "{}", stderr(&nothing));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn without_parquet_it_says_how_to_get_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = onrush(dir.path(), &["report", "data", "--parquet", "tables"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("--features parquet") && said.contains("--csv"), "{said}");
    assert!(!dir.path().join("tables").exists(), "nothing was begun");
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_has_every_table_with_the_same_cells() {
    use onrush_gateway::wire::parse_timestamp;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let (dir, report) = reported(&["--parquet", "tables"]);
    let tables = report["tables"].as_object().expect("tables");
    let mut kinds = [false; 5];
    for (id, expected) in tables {
        let path = dir.path().join("tables").join(format!("{id}.parquet"));
        let file = std::fs::File::open(&path).unwrap_or_else(|e| panic!("{id}: {e}"));
        let reader = SerializedFileReader::new(file).unwrap_or_else(|e| panic!("{id}: {e}"));
        let expected = expected.as_array().expect("rows");
        let read = reader.get_row_iter(None).expect("rows").map(|row| row.expect("a row"));
        let read: Vec<_> = read.collect();
        assert_eq!(read.len(), expected.len(), "{id}");
        for (row, expected) in read.iter().zip(expected) {
            assert_eq!(row.len(), expected.as_object().expect("a row").len(), "{id}");
            for (column, cell) in row.get_column_iter() {
                let expected = &expected[column.as_str()];
                let (kind, same) = match cell {
                    // What is missing is of no kind.
                    Field::Null => (5, expected.is_null()),
                    Field::Long(n) => (0, expected.as_i64() == Some(*n)),
                    Field::Double(n) => (1, expected.as_f64() == Some(*n)),
                    Field::Bool(holds) => (2, expected.as_bool() == Some(*holds)),
                    Field::TimestampMillis(ms) => {
                        let at = parse_timestamp(expected.as_str().unwrap_or_default());
                        (3, at.map(|at| at.0 as i64) == Ok(*ms))
                    }
                    Field::Str(text) => {
                        let expected =
                            expected.as_str().map_or_else(|| expected.to_string(), str::to_owned);
                        (4, *text == expected)
                    }
                    other => panic!("{id}.{column}: {other:?}"),
                };
                assert!(same, "{id}.{column}: {cell:?}, not {expected}");
                kinds.get_mut(kind).into_iter().for_each(|seen| *seen = true);
            }
        }
    }
    assert_eq!(kinds, [true; 5], "every kind of column is in the sale");
}
