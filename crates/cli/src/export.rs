//! `onrush export DIR`: orders, payments, refunds, and what stores have and send, as JSON lines or CSV with the same fields.

use crate::args::{ExportArgs, Format, What};
use crate::out::{Failure, Out};
use onrush::ledger::{
    Change, NodeStock, OrderState, PaidOutcome, Record, RefundDue, Shipment, WaitChange,
};
use onrush::{Lsn, NodeNo, ReservationSeq, SkuIx, State, Timestamp};
use onrush_gateway::wire::format_timestamp;
use onrush_load::folder::Folder;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};

type Fields = Map<String, Value>;

pub(crate) fn run(args: &ExportArgs, out: &Out) -> Result<(), Failure> {
    if out.json && args.format == Format::Csv {
        return Err(Failure::Usage("--json and --format csv exclude each other".to_owned()));
    }
    let mut times = Times::default();
    let folder = Folder::read(&args.dir, |lsn, record| times.visit(lsn, record));
    let folder = folder.map_err(Failure::of)?;
    let Some(into) = &args.out else {
        let mut text = Vec::new();
        write(args.format, table(args.what, &folder, &times), &mut text)?;
        return out.raw(&text);
    };
    std::fs::create_dir_all(into)
        .map_err(|e| Failure::Failed(format!("{}: {e}", into.display())))?;
    let extension = match args.format {
        Format::Jsonl => "jsonl",
        Format::Csv => "csv",
    };
    let all = [
        (What::Orders, "orders"),
        (What::Payments, "payments"),
        (What::Refunds, "refunds"),
        (What::Shipments, "shipments"),
        (What::Stock, "stock"),
    ];
    for (what, name) in all {
        let path = into.join(format!("{name}.{extension}"));
        let fail = |e: std::io::Error| Failure::Failed(format!("{}: {e}", path.display()));
        let mut file = BufWriter::new(File::create(&path).map_err(fail)?);
        write(args.format, table(what, &folder, &times), &mut file)?;
        file.flush().map_err(fail)?;
        out.note(path.display());
    }
    Ok(())
}

/// When things happened: the ledger keeps states, the journal tells the times.
#[derive(Default)]
struct Times {
    reserved: Vec<Timestamp>,
    sold: HashMap<u32, (Timestamp, Lsn)>,
    paid: HashMap<(u32, usize), Timestamp>,
    lines: HashMap<u32, usize>,
}

impl Times {
    fn visit(&mut self, lsn: Lsn, record: &Record) {
        match &record.change {
            Change::Reserved(_) | Change::Wait(WaitChange::Offered(_)) => {
                self.reserved.push(record.stamp)
            }
            Change::Confirmed { seq, .. } => drop(self.sold.insert(seq.0, (record.stamp, lsn))),
            Change::Paid(paid) => {
                let line = self.lines.entry(paid.seq.0).or_default();
                self.paid.insert((paid.seq.0, *line), record.stamp);
                *line += 1;
                if matches!(paid.outcome, PaidOutcome::Sold | PaidOutcome::Retaken) {
                    self.sold.insert(paid.seq.0, (record.stamp, lsn));
                }
            }
            _ => {}
        }
    }
}

/// Return the columns and the rows of a table.
fn table<'a>(
    what: What,
    folder: &'a Folder,
    times: &'a Times,
) -> (&'static [&'static str], Box<dyn Iterator<Item = Fields> + 'a>) {
    let ledger = &folder.replayed.ledger;
    let all = (0..ledger.reservation_count()).map(ReservationSeq);
    match what {
        What::Orders => {
            let sold = all.filter_map(move |seq| order(folder, times, seq));
            (ORDER, Box::new(sold))
        }
        What::Payments => {
            let lines = all.flat_map(move |seq| payments(folder, times, seq));
            (PAYMENT, Box::new(lines))
        }
        What::Refunds => {
            let refunds = ledger.refunds().iter().enumerate();
            (REFUND, Box::new(refunds.map(move |(n, due)| refund(folder, n, due))))
        }
        What::Shipments => {
            let orders = ledger.orders();
            let rows = orders.flat_map(move |(seq, order)| shipments(folder, seq, order));
            (SHIPMENT, Box::new(rows))
        }
        What::Stock => {
            let rows = ledger.node_stocks();
            let rows = rows.filter_map(move |(node, sku, s)| stock(folder, node, sku, s));
            (STOCK, Box::new(rows))
        }
    }
}

const ORDER: &[&str] = &[
    "reservation",
    "campaign",
    "sku",
    "quantity",
    "amount",
    "currency",
    "buyer",
    "reserved_at",
    "sold_at",
    "lsn",
    "delivery",
    "pickup_node",
    "lat",
    "lon",
    "crs",
    "window_from",
    "window_to",
    "channel",
    "touchpoint",
    "guide",
    "store",
];
const PAYMENT: &[&str] = &[
    "reservation",
    "provider",
    "method",
    "reference",
    "amount",
    "currency",
    "refunded",
    "paid_at",
];
const REFUND: &[&str] =
    &["refund", "reservation", "provider", "reference", "amount", "currency", "done"];

const SHIPMENT: &[&str] = &[
    "reservation",
    "shipment",
    "node",
    "quantity",
    "state",
    "since",
    "plan",
    "promised_at",
    "confidence",
];
const STOCK: &[&str] = &[
    "node",
    "campaign",
    "sku",
    "supplied",
    "free",
    "assigned",
    "handed_over",
    "written_off",
    "safety_stock",
];

fn order(folder: &Folder, times: &Times, seq: ReservationSeq) -> Option<Fields> {
    let ledger = &folder.replayed.ledger;
    let r = ledger.reservation(seq).filter(|r| r.state == State::Sold)?;
    let sku = &ledger.skus()[r.sku.index()];
    let campaign = &ledger.campaigns()[sku.campaign.index()];
    let details = ledger.details(seq).and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let details = details.unwrap_or_default();
    let sold = times.sold.get(&seq.0);
    let buyer: String = r.buyer.0.iter().map(|byte| format!("{byte:02x}")).collect();
    let (place, window, by) =
        (&details["destination"], &details["window"], &details["attribution"]);
    fields(json!({
        "reservation": folder.id_of(seq).as_str(),
        "campaign": campaign.name.as_str(),
        "sku": sku.name.as_str(),
        "quantity": r.quantity.get(),
        "amount": r.amount,
        "currency": campaign.terms.currency.as_str(),
        "buyer": buyer,
        "reserved_at": times.reserved.get(seq.0 as usize).copied().map(format_timestamp),
        "sold_at": sold.map(|&(at, _)| format_timestamp(at)),
        "lsn": sold.map(|&(_, lsn)| lsn.0),
        "delivery": details["delivery"],
        "pickup_node": details["pickup_node"],
        "lat": place["lat"], "lon": place["lon"], "crs": place["crs"],
        "window_from": window["from"], "window_to": window["to"],
        "channel": by["channel"], "touchpoint": by["touchpoint"], "guide": by["guide"],
        "store": by["store"],
    }))
}

fn payments(folder: &Folder, times: &Times, seq: ReservationSeq) -> Vec<Fields> {
    let lines = folder.replayed.ledger.lines(seq).iter().enumerate();
    let row = |(n, line): (usize, &onrush::ledger::Line)| {
        let payment = &line.payment;
        fields(json!({
            "reservation": folder.id_of(seq).as_str(),
            "provider": payment.provider.as_str(),
            "method": payment.method.as_str(),
            "reference": payment.reference,
            "amount": payment.money.amount,
            "currency": payment.money.currency.as_str(),
            "refunded": line.refunded,
            "paid_at": times.paid.get(&(seq.0, n)).copied().map(format_timestamp),
        }))
    };
    lines.filter_map(row).collect()
}

fn refund(folder: &Folder, number: usize, due: &RefundDue) -> Fields {
    let line = folder.replayed.ledger.lines(due.seq).get(usize::from(due.line));
    let row = json!({
        "refund": number,
        "reservation": folder.id_of(due.seq).as_str(),
        "provider": line.map(|line| line.payment.provider.as_str()),
        "reference": line.map(|line| &*line.payment.reference),
        "amount": due.amount,
        "currency": due.currency.as_str(),
        "done": due.done,
    });
    fields(row).unwrap_or_default()
}

fn shipments(folder: &Folder, seq: ReservationSeq, order: &OrderState) -> Vec<Fields> {
    let nodes = folder.replayed.ledger.nodes();
    let row = |(n, s): (usize, &Shipment)| {
        fields(json!({
            "reservation": folder.id_of(seq).as_str(),
            "shipment": n,
            "node": nodes.get(s.planned.node.index()).map(|node| &*node.name),
            "quantity": s.planned.units,
            "state": s.state.as_str(),
            "since": format_timestamp(s.since),
            "plan": s.attempt,
            "promised_at": format_timestamp(s.planned.promise_at),
            "confidence": f64::from(s.planned.sure) / 1e4,
        }))
    };
    order.shipments.iter().enumerate().filter_map(row).collect()
}

fn stock(folder: &Folder, node: NodeNo, sku: SkuIx, stock: &NodeStock) -> Option<Fields> {
    let ledger = &folder.replayed.ledger;
    let of = ledger.skus().get(sku.index())?;
    let campaign = ledger.campaigns().get(of.campaign.index())?;
    fields(json!({
        "node": &*ledger.nodes().get(node.index())?.name,
        "campaign": campaign.name.as_str(),
        "sku": of.name.as_str(),
        "supplied": stock.supplied,
        "free": stock.free,
        "assigned": stock.assigned,
        "handed_over": stock.gone,
        "written_off": stock.written_off,
        "safety_stock": stock.safety,
    }))
}

fn fields(row: Value) -> Option<Fields> {
    match row {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

fn write(
    format: Format,
    (columns, rows): (&[&str], Box<dyn Iterator<Item = Fields> + '_>),
    mut to: impl Write,
) -> Result<(), Failure> {
    match format {
        Format::Jsonl => {
            for row in rows {
                serde_json::to_writer(&mut to, &row).map_err(Failure::of)?;
                to.write_all(b"\n").map_err(Failure::of)?;
            }
        }
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(to);
            csv.write_record(columns).map_err(Failure::of)?;
            for row in rows {
                csv.write_record(columns.iter().map(|&name| cell(&row[name])))
                    .map_err(Failure::of)?;
            }
            csv.flush().map_err(Failure::of)?;
        }
    }
    Ok(())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => guarded(text),
        other => other.to_string(),
    }
}

/// Write a text for a spreadsheet: one that it would run as a formula gets an apostrophe before it.
pub(crate) fn guarded(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_never_becomes_a_formula() {
        assert_eq!(cell(&json!("=1+1")), "'=1+1");
        assert_eq!(cell(&json!("@cmd")), "'@cmd");
        assert_eq!(cell(&json!("shop")), "shop");
        assert_eq!(cell(&json!(-5)), "-5", "a number is no text");
        assert_eq!(cell(&Value::Null), "");
    }

    #[test]
    fn both_formats_have_the_same_fields() {
        let row = || fields(json!({"a": 1, "b": "x,y"})).expect("an object");
        let written = |format| {
            let mut text = Vec::new();
            write(format, (&["a", "b"], Box::new(std::iter::once(row()))), &mut text)
                .unwrap_or_else(|e| panic!("{e:?}"));
            String::from_utf8(text).expect("UTF-8")
        };
        assert_eq!(written(Format::Csv), "a,b\n1,\"x,y\"\n");
        assert_eq!(written(Format::Jsonl), "{\"a\":1,\"b\":\"x,y\"}\n");
    }
}
