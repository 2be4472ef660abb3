//! What can be proved: conservation at each record, the chain, the draws, and that nobody was passed.

use super::table::{Cell, Section, Table};
use super::{Read, name_of};
use onrush::ledger::{Drawn, LineState};
use onrush::{CampaignIx, TicketNo};
use onrush_core::line::draw::{self, Fault, Published, RULE};
use onrush_core::line::fairness::Report as Fairness;
use onrush_load::verdict::Check;

/// The same checks as `onrush verify`, with the chain's value.
pub(super) fn section(read: &Read) -> Section {
    let replayed = &read.folder.replayed;
    let mut journal = Table::new("journal", &["fact", "value"]);
    let mut fact = |name: &'static str, value: Cell| journal.push(vec![Cell::Word(name), value]);
    fact("records", Cell::Count(replayed.records));
    fact("oldest_lsn", Cell::Count(replayed.oldest_lsn.0));
    fact("last_lsn", Cell::Count(replayed.ledger.lsn().0));
    fact("chain", Cell::Text(read.folder.chain()));
    fact("torn_tail", replayed.torn.as_deref().map_or(Cell::Nothing, Cell::text));
    let mut checks = Table::new(
        "checks",
        &["holds_word", "must_not_be", "found", "looked_at", "counted", "promise"],
    );
    for check in &read.verdict.checks {
        checks.push(row(check));
    }
    let mut examples = Table::new("examples", &["must_not_be", "example"]);
    for check in &read.verdict.checks {
        for example in &check.examples {
            examples.push(vec![Cell::Word(check.name), Cell::text(example)]);
        }
    }
    Section::new("proof").note("note_proof").table(journal).table(checks).table(examples)
}

fn row(check: &Check) -> Vec<Cell> {
    vec![
        Cell::Holds(check.violations == 0),
        Cell::Word(check.name),
        Cell::Count(check.violations),
        Cell::Count(check.looked_at),
        Cell::Word(check.what),
        Cell::text(check.promise),
    ]
}

/// What the lines did, and whether their draws follow the rule. Returns whether all of it holds, too.
pub(super) fn fairness(read: &Read) -> (Section, bool) {
    let mut tables = Tables::new();
    for (n, tally) in read.tally.campaigns.iter().enumerate() {
        let ix = CampaignIx(n as u16);
        let line = read.ledger().line(ix);
        if let (Some((_, history)), Some(line)) = (&tally.line, line) {
            tables.add(read, ix, line, &history.report());
        }
    }
    let section = Section::new("fairness").note("note_fairness");
    let section = section.table(tables.lines).table(tables.draws).table(tables.tiers);
    (section, tables.hold)
}

struct Tables {
    lines: Table,
    tiers: Table,
    draws: Table,
    hold: bool,
}

impl Tables {
    fn new() -> Tables {
        let lines = [
            "campaign",
            "holds_word",
            "tickets",
            "called_up",
            "used_pass",
            "not_come",
            "came_back",
            "out_of_turn",
            "uniformity_p",
            "eta_within_p50",
            "eta_within_p90",
        ];
        let tiers = [
            "campaign",
            "tier",
            "weight",
            "tickets",
            "called_up",
            "used_pass",
            "wait_p50_ms",
            "wait_p90_ms",
        ];
        let draws =
            ["campaign", "lane", "holds_word", "people", "commitment", "list_digest", "faults"];
        Tables {
            lines: Table::new("lines", &lines),
            tiers: Table::new("tiers", &tiers),
            draws: Table::new("draws", &draws),
            hold: true,
        }
    }

    fn add(&mut self, read: &Read, ix: CampaignIx, line: &LineState, report: &Fairness) {
        self.hold &= report.inversions == 0;
        let name = name_of(read.ledger(), ix);
        self.lines.push(line_row(&name, report));
        for tier in &report.tiers {
            let terms = line.terms.tiers.get(usize::from(tier.class));
            self.tiers.push(vec![
                Cell::text(&name),
                Cell::text(terms.map_or("", |terms| terms.name.as_str())),
                Cell::Count(tier.weight.into()),
                Cell::Count(tier.tickets.into()),
                Cell::Count(tier.called.into()),
                Cell::Count(tier.used.into()),
                Cell::Ms(tier.wait_p50_ms),
                Cell::Ms(tier.wait_p90_ms),
            ]);
        }
        for (number, lane) in line.lanes.iter().enumerate() {
            let Some(drawn) = lane.drawn else { continue };
            let faults = faults(read, ix, line, number, &drawn);
            self.hold &= faults.is_empty();
            let commitment = line.commitments.get(number).map_or(Cell::Nothing, |c| hex(c));
            self.draws.push(vec![
                Cell::text(&name),
                Cell::Count(number as u64),
                Cell::Holds(faults.is_empty()),
                Cell::Count(drawn.count.into()),
                commitment,
                hex(&drawn.list_digest.0),
                Cell::text(&faults.join("; ")),
            ]);
        }
    }
}

fn line_row(name: &str, report: &Fairness) -> Vec<Cell> {
    let eta = |share: fn(&onrush_core::line::fairness::EtaReport) -> f64| {
        report.eta.as_ref().map_or(Cell::Nothing, |eta| Cell::Share(share(eta)))
    };
    vec![
        Cell::text(name),
        Cell::Holds(report.inversions == 0),
        Cell::Count(report.tickets.into()),
        Cell::Count(report.called.into()),
        Cell::Count(report.used.into()),
        Cell::Count(report.unused.into()),
        Cell::Count(report.came_back.into()),
        Cell::Count(report.inversions.into()),
        report.uniformity.map_or(Cell::Nothing, |u| Cell::Number(u.p)),
        eta(|eta| eta.within_p50),
        eta(|eta| eta.within_p90),
    ]
}

/// Draw a lane again, as `onrush verify-draw` does with what is published.
fn faults(
    read: &Read,
    ix: CampaignIx,
    line: &LineState,
    lane: usize,
    drawn: &Drawn,
) -> Vec<String> {
    let name = &read.ledger().campaigns()[ix.index()].name;
    let pseudonyms = onrush::pseudonyms(&read.secret, ix, name);
    let tickets = (0..line.joined()).filter_map(|number| line.ticket(TicketNo(number)));
    let of_lane = tickets.filter(|ticket| usize::from(ticket.lane) == lane);
    let participants = of_lane.take(drawn.count as usize);
    let participants = participants.map(|ticket| (pseudonyms.of(ticket.buyer), ticket.class));
    let published = Published {
        rule: RULE.to_owned(),
        commitment: line.commitments.get(lane).copied().unwrap_or_default(),
        seed: drawn.seed,
        list_digest: drawn.list_digest,
        public_value: line.lanes[lane].public_value.clone(),
        turn: drawn.turn,
        weights: line.terms.weights(),
        participants: participants.collect(),
    };
    let found = draw::verify(&published).err().unwrap_or_default();
    found.iter().map(Fault::to_string).collect()
}

fn hex(bytes: &[u8]) -> Cell {
    Cell::Text(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
