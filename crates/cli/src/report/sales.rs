//! What was sold: the campaigns, the way there, by SKU, by who brought the buyers, and what stayed unserved.

use super::groups::{Kept, Named, Outcomes};
use super::series::{Event, Series};
use super::table::{Cell, Curves, Section, Table};
use super::{Read, name_of};
use onrush::ledger::Ledger;
use onrush::{CampaignIx, Currency, SkuIx};

/// Campaigns that get curves of their own.
const CURVES_MAX: usize = 12;
const MINUTE_MS: f64 = 60_000.0;
const SECOND_MS: f64 = 1_000.0;

/// The first look: what each campaign came to.
pub(super) fn campaigns(read: &Read) -> Section {
    let mut table = Table::new(
        "campaigns",
        &[
            "campaign",
            "phase",
            "opened_at",
            "closed_at",
            "supplied",
            "sold_units",
            "sell_through",
            "sold",
            "amount",
            "currency",
        ],
    );
    let ledger = read.ledger();
    for (n, campaign) in ledger.campaigns().iter().enumerate() {
        let of = |sku: &&onrush::ledger::SkuState| sku.campaign.index() == n;
        let supplied: u64 =
            ledger.skus().iter().filter(of).map(|sku| u64::from(sku.supplied)).sum();
        let (tally, sold) = (&read.tally.campaigns[n], &read.groups.campaigns[n]);
        let currency = campaign.terms.currency;
        table.push(vec![
            Cell::text(campaign.name.as_str()),
            Cell::Word(campaign.reached.as_str()),
            Cell::time(tally.opened_at),
            Cell::time(tally.closed_at),
            Cell::Count(supplied),
            Cell::Count(sold.sold_units),
            Cell::share(sold.sold_units, supplied),
            Cell::Count(sold.sold),
            Cell::Money(sold.amount, currency),
            Cell::text(currency.as_str()),
        ]);
    }
    Section::new("overview").table(table)
}

/// Joins, holds and sales by time.
pub(super) fn timeline(read: &Read) -> Section {
    let columns = &["campaign", "at", "width_ms", "joins", "holds", "sales"];
    let mut whole = Table { only_csv: true, ..Table::new("timeline", columns) };
    let mut opening = Table { only_csv: true, ..Table::new("opening", columns) };
    let mut section = Section::new("timeline").note("note_timeline");
    for (n, tally) in read.tally.campaigns.iter().enumerate() {
        let name = name_of(read.ledger(), CampaignIx(n as u16));
        rows(&name, &tally.whole, &mut whole);
        if let Some(series) = &tally.opening {
            rows(&name, series, &mut opening);
        }
        if n < CURVES_MAX {
            section.charts.push(curves(
                "chart_whole",
                "axis_minutes",
                MINUTE_MS,
                &name,
                &tally.whole,
            ));
            let first = tally.opening.as_ref();
            section.charts.extend(
                first.map(|s| curves("chart_opening", "axis_seconds", SECOND_MS, &name, s)),
            );
        }
    }
    section.table(whole).table(opening)
}

fn rows(name: &str, series: &Series, table: &mut Table) {
    for (at, counts) in series.cells() {
        let start = [Cell::text(name), Cell::Time(at), Cell::Ms(series.width_ms())];
        table.push(start.into_iter().chain(counts.map(Cell::Count)).collect());
    }
}

fn curves(title: &'static str, x: &'static str, unit_ms: f64, of: &str, series: &Series) -> Curves {
    let events = [("joins", Event::Joined), ("holds", Event::Held), ("sales", Event::Sold)];
    let has = |event: Event| series.cells().any(|(_, counts)| counts[event as usize] > 0);
    let lines = events.into_iter().filter(|&(_, event)| has(event));
    let lines = lines.map(|(name, event)| (name, series.points(event, unit_ms)));
    Curves { title, subject: of.to_owned(), x, y: "axis_a_second", lines: lines.collect() }
}

/// From the line to the sale, and who brought the buyers.
pub(super) fn funnel(read: &Read) -> Section {
    let ledger = read.ledger();
    let mut steps = Table::new("funnel", &["campaign", "step", "people", "of_step_before"]);
    for (n, _) in ledger.campaigns().iter().enumerate() {
        let ix = CampaignIx(n as u16);
        let outcomes = &read.groups.campaigns[n];
        let line = ledger.line(ix);
        let in_line = line.map(|line| {
            let (joined, served, used) = (line.joined(), line.served(), line.used());
            [("joined", joined), ("called_up", served), ("used_pass", used)]
        });
        let mut before = None;
        let line_steps = in_line.into_iter().flatten().map(|(step, n)| (step, u64::from(n)));
        let sale_steps = [("holds", outcomes.holds), ("sold", outcomes.sold)];
        for (step, count) in line_steps.chain(sale_steps) {
            let share = before.map_or(Cell::Nothing, |before| Cell::share(count, before));
            let name = Cell::Text(name_of(ledger, ix));
            steps.push(vec![name, Cell::Word(step), Cell::Count(count), share]);
            before = Some(count);
        }
    }
    let mut sources = Table::new(
        "sources",
        &[
            "campaign",
            "channel",
            "touchpoint",
            "holds",
            "sold",
            "sold_of_holds",
            "sold_units",
            "amount",
            "currency",
        ],
    );
    for ((ix, channel, touchpoint), outcomes) in read.groups.sources.rows() {
        let names = [Cell::text(channel), Cell::text(touchpoint)];
        sources.push(brought(ledger, *ix, names, outcomes));
    }
    for (ix, outcomes) in read.groups.sources.rest() {
        sources.push(brought(ledger, ix, [Cell::Word("others"), Cell::Nothing], outcomes));
    }
    Section::new("funnel").note("note_funnel").table(steps).table(sources)
}

/// Guides, and the stores that brought buyers.
pub(super) fn sellers(read: &Read) -> Section {
    let columns = &[
        "campaign",
        "kind",
        "name",
        "holds",
        "sold",
        "sold_of_holds",
        "sold_units",
        "amount",
        "currency",
    ];
    let mut table = Table::new("sellers", columns);
    let mut add = |kind: &'static str, kept: &Kept<Named>| {
        for ((ix, name, _), outcomes) in kept.rows() {
            let names = [Cell::Word(kind), Cell::text(name)];
            table.push(brought(read.ledger(), *ix, names, outcomes));
        }
        for (ix, outcomes) in kept.rest() {
            let names = [Cell::Word(kind), Cell::Word("others")];
            table.push(brought(read.ledger(), ix, names, outcomes));
        }
    };
    add("guide", &read.groups.guides);
    add("store", &read.groups.stores);
    Section::new("sellers").table(table)
}

fn brought(ledger: &Ledger, ix: CampaignIx, names: [Cell; 2], outcomes: &Outcomes) -> Vec<Cell> {
    let currency = currency_of(ledger, ix);
    let figures = [
        Cell::Count(outcomes.holds),
        Cell::Count(outcomes.sold),
        Cell::share(outcomes.sold, outcomes.holds),
        Cell::Count(outcomes.sold_units),
        Cell::Money(outcomes.amount, currency),
        Cell::text(currency.as_str()),
    ];
    [Cell::Text(name_of(ledger, ix))].into_iter().chain(names).chain(figures).collect()
}

/// Units of each SKU, and how fast they went.
pub(super) fn skus(read: &Read) -> Section {
    let ledger = read.ledger();
    let mut table = Table::new(
        "skus",
        &[
            "campaign",
            "sku",
            "supplied",
            "free",
            "held",
            "sold_units",
            "withdrawn",
            "sell_through",
            "first_sold_at",
            "all_taken_after_ms",
            "last_sold_at",
            "amount",
            "currency",
        ],
    );
    for (n, sku) in ledger.skus().iter().enumerate() {
        let (tally, sold) = (&read.tally.skus[n], &read.groups.skus[n]);
        let opened_at = read.tally.campaigns[sku.campaign.index()].opened_at;
        let taken = tally.all_taken_at.zip(opened_at);
        let taken = taken.map(|(at, opened)| Cell::Ms(at.0.saturating_sub(opened.0)));
        let currency = currency_of(ledger, sku.campaign);
        table.push(vec![
            Cell::Text(name_of(ledger, sku.campaign)),
            Cell::text(sku.name.as_str()),
            Cell::Count(sku.supplied.into()),
            Cell::Count(sku.free.into()),
            Cell::Count(sku.held.into()),
            Cell::Count(sku.sold.into()),
            Cell::Count(sku.withdrawn.into()),
            Cell::share(sku.sold.into(), sku.supplied.into()),
            Cell::time(tally.first_sold_at),
            taken.unwrap_or(Cell::Nothing),
            Cell::time(tally.last_sold_at),
            Cell::Money(sold.amount, currency),
            Cell::text(currency.as_str()),
        ]);
    }
    Section::new("skus").table(table)
}

/// What was wanted and not sold, as far as the journal knows.
pub(super) fn unserved(read: &Read) -> Section {
    let ledger = read.ledger();
    let mut by_sku = Table::new(
        "unserved_skus",
        &[
            "campaign",
            "sku",
            "unpaid_holds",
            "unpaid_units",
            "too_late_units",
            "wishes",
            "wished_units",
            "offered_units",
            "left",
            "skipped",
            "unrouted_units",
        ],
    );
    for (n, sku) in ledger.skus().iter().enumerate() {
        let (tally, outcomes) = (&read.tally.skus[n], &read.groups.skus[n]);
        let queue = ledger.wait_queue(SkuIx(n as u32));
        let figures = queue.map(|queue| (queue.next_number(), queue.figures())).unwrap_or_default();
        let (wishes, figures) = figures;
        by_sku.push(vec![
            Cell::Text(name_of(ledger, sku.campaign)),
            Cell::text(sku.name.as_str()),
            Cell::Count(outcomes.unpaid),
            Cell::Count(outcomes.unpaid_units),
            Cell::Count(tally.too_late_units),
            Cell::Count(wishes.into()),
            Cell::Count(tally.wished_units),
            Cell::Count(tally.offered_units),
            Cell::Count(figures.left.into()),
            Cell::Count(figures.skipped.into()),
            Cell::Count(outcomes.unrouted_units),
        ]);
    }
    let mut by_place = Table::new(
        "unserved_regions",
        &["campaign", "region", "holds", "sold_units", "unpaid_units", "unrouted_units"],
    );
    for (place, ix, outcomes) in read.groups.places.crowded() {
        let region = place.map_or(Cell::Word("others"), |(_, lat, lon)| {
            Cell::Text(format!("{} {}", degrees(lat, 'N', 'S'), degrees(lon, 'E', 'W')))
        });
        by_place.push(vec![
            Cell::Text(name_of(ledger, ix)),
            region,
            Cell::Count(outcomes.holds),
            Cell::Count(outcomes.sold_units),
            Cell::Count(outcomes.unpaid_units),
            Cell::Count(outcomes.unrouted_units),
        ]);
    }
    let section = Section::new("unserved").note("note_unserved").table(by_sku);
    section.note("note_regions").table(by_place)
}

/// Write the edge of a square of one degree, as maps do.
fn degrees(edge: i16, positive: char, negative: char) -> String {
    if edge >= 0 {
        format!("{edge}–{}°{positive}", edge + 1)
    } else {
        format!("{}–{}°{negative}", -edge - 1, -edge)
    }
}

pub(super) fn currency_of(ledger: &Ledger, ix: CampaignIx) -> Currency {
    ledger.campaigns()[ix.index()].terms.currency
}

#[cfg(test)]
mod tests {
    use super::degrees;

    #[test]
    fn squares_are_named_by_their_edges() {
        assert_eq!(degrees(31, 'N', 'S'), "31–32°N");
        assert_eq!(degrees(0, 'N', 'S'), "0–1°N");
        assert_eq!(degrees(-1, 'N', 'S'), "0–1°S");
        assert_eq!(degrees(-34, 'N', 'S'), "33–34°S");
    }
}
