//! What came of the sales: how long things took, orders at stores, refunds due, and what was done by hand.

use super::batches::Batches;
use super::sales::currency_of;
use super::table::{Cell, Section, Table};
use super::{Read, name_of};
use hdrhistogram::Histogram;
use onrush::ledger::{OrderState, ShipmentState};
use onrush::{CampaignIx, NodeNo, State};
use std::collections::BTreeMap;

/// How long things took, as far as stamps tell, and how the journal was written.
pub(super) fn latency(read: &Read, batches: &Batches) -> Section {
    let mut spans = Table::new(
        "latency",
        &["campaign", "span", "count", "p50_ms", "p90_ms", "p99_ms", "max_ms"],
    );
    let mut late = Table::new("late_money", &["campaign", "retaken", "too_late"]);
    for (n, tally) in read.tally.campaigns.iter().enumerate() {
        let name = Cell::Text(name_of(read.ledger(), CampaignIx(n as u16)));
        spans.push(span(name.clone(), "hold_to_paid", &tally.paid_after));
        late.push(vec![name, Cell::Count(tally.retaken), Cell::Count(tally.too_late)]);
    }
    spans.push(span(Cell::Nothing, "sold_to_planned", &read.tally.planned_after));
    spans.push(span(Cell::Nothing, "sold_to_handed_over", &read.tally.handed_over_after));
    let mut written = Table::new(
        "batches",
        &["syncs", "records_mean", "records_p50", "records_p99", "records_max", "bytes"],
    );
    let records = &batches.records;
    written.push(vec![
        Cell::Count(records.len()),
        if records.is_empty() { Cell::Nothing } else { Cell::Number(rounded(records.mean())) },
        Cell::Count(records.value_at_quantile(0.5)),
        Cell::Count(records.value_at_quantile(0.99)),
        Cell::Count(records.max()),
        Cell::Count(batches.bytes),
    ]);
    Section::new("latency").note("note_latency").table(spans).table(late).table(written)
}

fn span(campaign: Cell, what: &'static str, spans: &Histogram<u64>) -> Vec<Cell> {
    let at = |share: f64| {
        if spans.is_empty() { Cell::Nothing } else { Cell::Ms(spans.value_at_quantile(share)) }
    };
    let max = if spans.is_empty() { Cell::Nothing } else { Cell::Ms(spans.max()) };
    vec![campaign, Cell::Word(what), Cell::Count(spans.len()), at(0.5), at(0.9), at(0.99), max]
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Shipments of one store.
#[derive(Clone, Copy, Debug, Default)]
struct StoreRow {
    shipments: u64,
    units: u64,
    assigned: u64,
    handed_over: u64,
    kept: u64,
    not_in_stock: u64,
    damaged: u64,
    too_busy: u64,
    taken_back: u64,
}

/// Orders of one campaign.
#[derive(Clone, Copy, Debug, Default)]
struct OrderRow {
    orders: u64,
    split: u64,
    resourced: u64,
    plans_max: u64,
    collected: u64,
    open_units: u64,
}

/// Orders at stores: who sends, who refused, what was planned again, which promises were kept.
pub(super) fn routing(read: &Read) -> Section {
    let ledger = read.ledger();
    let mut stores: BTreeMap<NodeNo, StoreRow> = BTreeMap::new();
    let mut campaigns = vec![OrderRow::default(); ledger.campaigns().len()];
    for (seq, order) in ledger.orders() {
        for shipment in &order.shipments {
            stores.entry(shipment.planned.node).or_default().add(shipment);
        }
        if let Some(reservation) = ledger.reservation(seq) {
            let campaign = ledger.skus()[reservation.sku.index()].campaign;
            let open = if reservation.state == State::Sold { ledger.open_units(seq) } else { 0 };
            campaigns[campaign.index()].add(order, open);
        }
    }
    let mut by_campaign = Table::new(
        "orders",
        &["campaign", "orders", "split", "resourced", "plans_max", "collected", "open_units"],
    );
    for (n, row) in campaigns.iter().enumerate().filter(|(_, row)| row.orders > 0) {
        let name = Cell::Text(name_of(ledger, CampaignIx(n as u16)));
        let figures =
            [row.orders, row.split, row.resourced, row.plans_max, row.collected, row.open_units];
        by_campaign.push([name].into_iter().chain(figures.map(Cell::Count)).collect());
    }
    let mut by_store = Table::new(
        "stores",
        &[
            "store",
            "shipments",
            "units",
            "assigned",
            "handed_over",
            "promise_kept",
            "not_in_stock",
            "damaged",
            "too_busy",
            "taken_back",
        ],
    );
    for (node, row) in &stores {
        let name = ledger.nodes().get(node.index()).map_or("", |node| &node.name);
        by_store.push(vec![
            Cell::text(name),
            Cell::Count(row.shipments),
            Cell::Count(row.units),
            Cell::Count(row.assigned),
            Cell::Count(row.handed_over),
            Cell::share(row.kept, row.handed_over),
            Cell::Count(row.not_in_stock),
            Cell::Count(row.damaged),
            Cell::Count(row.too_busy),
            Cell::Count(row.taken_back),
        ]);
    }
    Section::new("routing").note("note_routing").table(by_campaign).table(by_store)
}

impl StoreRow {
    fn add(&mut self, shipment: &onrush::ledger::Shipment) {
        self.shipments += 1;
        let units = u64::from(shipment.planned.units);
        match shipment.state {
            ShipmentState::Assigned => self.assigned += 1,
            ShipmentState::HandedOver => {
                self.handed_over += 1;
                self.kept += u64::from(shipment.since <= shipment.planned.promise_at);
            }
            ShipmentState::NotInStock => self.not_in_stock += 1,
            ShipmentState::Damaged => self.damaged += 1,
            ShipmentState::TooBusy => self.too_busy += 1,
            ShipmentState::TakenBack => self.taken_back += 1,
        }
        if shipment.state.is_live() {
            self.units += units;
        }
    }
}

impl OrderRow {
    fn add(&mut self, order: &OrderState, open_units: u32) {
        self.orders += 1;
        let live = order.shipments.iter().filter(|shipment| shipment.state.is_live()).count();
        self.split += u64::from(live > 1);
        self.resourced += u64::from(order.attempt > 1);
        self.plans_max = self.plans_max.max(order.attempt.into());
        self.collected += u64::from(order.collected_at.0 > 0);
        self.open_units += u64::from(open_units);
    }
}

/// How many refunds and how much money: due, then paid out.
type Sums = [(u64, i64); 2];

/// Money that has to go back, or went.
pub(super) fn refunds(read: &Read) -> Section {
    let ledger = read.ledger();
    let mut sums: BTreeMap<(CampaignIx, [u8; 3]), Sums> = BTreeMap::new();
    let mut open = Table::new(
        "refunds_open",
        &["campaign", "refund", "reservation", "provider", "amount", "currency"],
    );
    for (number, due) in ledger.refunds().iter().enumerate() {
        let Some(reservation) = ledger.reservation(due.seq) else { continue };
        let campaign = ledger.skus()[reservation.sku.index()].campaign;
        let sum = sums.entry((campaign, due.currency.to_bytes())).or_default();
        let (count, amount) = &mut sum[usize::from(due.done)];
        *count += 1;
        *amount += due.amount;
        if !due.done {
            let line = ledger.lines(due.seq).get(usize::from(due.line));
            open.push(vec![
                Cell::Text(name_of(ledger, campaign)),
                Cell::Count(number as u64),
                Cell::Text(read.folder.id_of(due.seq).to_string()),
                Cell::text(line.map_or("", |line| line.payment.provider.as_str())),
                Cell::Money(due.amount, due.currency),
                Cell::text(due.currency.as_str()),
            ]);
        }
    }
    let mut table = Table::new(
        "refunds",
        &["campaign", "currency", "due", "due_amount", "paid_out", "paid_out_amount"],
    );
    for ((campaign, code), [due, done]) in sums {
        let fallback = currency_of(ledger, campaign);
        let currency = onrush::Currency::from_bytes(code).unwrap_or(fallback);
        table.push(vec![
            Cell::Text(name_of(ledger, campaign)),
            Cell::text(currency.as_str()),
            Cell::Count(due.0),
            Cell::Money(due.1, currency),
            Cell::Count(done.0),
            Cell::Money(done.1, currency),
        ]);
    }
    Section::new("refunds").note("note_refunds").table(table).table(open)
}

/// What operators did.
pub(super) fn by_hand(read: &Read) -> Section {
    let mut table = Table::new("by_hand", &["at", "campaign", "did", "on", "who", "why"]);
    for deed in &read.tally.by_hand {
        table.push(vec![
            Cell::Time(deed.at),
            Cell::text(&deed.campaign),
            Cell::Word(deed.what),
            Cell::text(&deed.on),
            Cell::text(&deed.who),
            Cell::text(&deed.why),
        ]);
    }
    let mut reviews = Table::new("reviews", &["campaign", "accepted", "rejected"]);
    for (n, tally) in read.tally.campaigns.iter().enumerate() {
        if tally.accepted + tally.rejected > 0 {
            let name = Cell::Text(name_of(read.ledger(), CampaignIx(n as u16)));
            reviews.push(vec![name, Cell::Count(tally.accepted), Cell::Count(tally.rejected)]);
        }
    }
    let section = Section::new("by_hand").table(table).table(reviews);
    if read.tally.by_hand_more > 0 { section.note("note_by_hand_more") } else { section }
}
