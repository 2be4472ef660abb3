//! The ledger under arbitrary actions: it never diverges, its promises hold after every batch, and a
//! replay of its records and a reload of its image rebuild it to the byte.

use crate::actions::action;
use crate::input::Input;
use crate::snapshot::reload;
use onrush_core::ledger::{Change, Ledger, Record, Take, WaitChange, decode, encode};
use onrush_core::reservation::State;
use onrush_types::{CampaignIx, DurationMs, Name, SkuIx, Timestamp};
use std::collections::BTreeSet;

/// Actions in one run: enough for every combination of a few, and quick.
const ACTIONS_MAX: usize = 256;
/// The promises are counted again after so many actions.
const BATCH: usize = 16;

/// What a run reached.
#[derive(Debug)]
pub struct Reached {
    /// Every record, in order.
    pub records: Vec<Record>,
    /// The kinds of changes among them.
    pub changes: BTreeSet<&'static str>,
    /// States in which reservations ended.
    pub states: BTreeSet<&'static str>,
    /// The ledger as it ended.
    pub ledger: Ledger,
}

/// Read actions and times off `data` and perform them.
///
/// # Panics
/// When a promise breaks.
pub fn ledger(data: &[u8]) -> Reached {
    let mut run = Run {
        ledger: Ledger::new([5, 6]),
        replayed: Ledger::new([7, 8]),
        records: Vec::new(),
        now: Timestamp(1_000_000),
    };
    let mut input = Input::new(data);
    for n in 0..ACTIONS_MAX {
        if !input.more() {
            break;
        }
        run.pass_time(&mut input);
        run.perform(&mut input);
        if n % BATCH == BATCH - 1 {
            run.audit();
        }
    }
    run.audit();
    assert_eq!(run.replayed.digest(), run.ledger.digest(), "INV-10: a replay is another state");
    assert_eq!(reload(&run.ledger).digest(), run.ledger.digest(), "INV-10: so is an image");
    let (states, changes) = (states(&run.ledger), run.records.iter().map(kind).collect());
    Reached { records: run.records, changes, states, ledger: run.ledger }
}

struct Run {
    ledger: Ledger,
    replayed: Ledger,
    records: Vec<Record>,
    now: Timestamp,
}

impl Run {
    /// Let time pass, sometimes, and do what falls due, as the engine does before each batch.
    fn pass_time(&mut self, input: &mut Input<'_>) {
        let step = input.below(8);
        if step > 4 {
            self.now = self.now + DurationMs::from_secs(u64::from(input.below(90)));
        }
        let from = self.records.len();
        let mut records = Vec::new();
        while let Some(change) = self.ledger.due_switch(self.now) {
            let mut sink = |record: &Record, _| records.push(record.clone());
            self.ledger.record(change, self.now, &mut sink).expect("a switch that is due applies");
        }
        while let Some(seq) = self.ledger.due_expiry(self.now) {
            let mut sink = |record: &Record, _| records.push(record.clone());
            let change = Change::Expired { seq };
            self.ledger.record(change, self.now, &mut sink).expect("an expiry that is due applies");
        }
        let mut take = Takes { gets: input.below(8) != 7 };
        while let Some(change) = self.ledger.due_offer(self.now, &mut take) {
            let mut sink = |record: &Record, _| records.push(record.clone());
            self.ledger.record(change, self.now, &mut sink).expect("an offer that is due applies");
        }
        if let Some(at) = self.ledger.next_due_at() {
            assert!(at > self.now, "something due was left");
        }
        self.records.extend(records);
        self.replay(from);
    }

    fn perform(&mut self, input: &mut Input<'_>) {
        let from = self.records.len();
        let mut take = Takes { gets: input.below(8) != 7 };
        let action = action(input, &self.ledger, self.now);
        let records = &mut self.records;
        let mut sink = |record: &Record, _| records.push(record.clone());
        let answer = self.ledger.perform(action, self.now, &mut take, &mut sink);
        answer.expect("what was decided applies");
        self.replay(from);
    }

    /// Send the new records through their bytes into the second ledger.
    fn replay(&mut self, from: usize) {
        for record in &self.records[from..] {
            let mut bytes = Vec::new();
            encode(record, &mut bytes);
            let read = decode(&bytes).expect("what was encoded decodes");
            assert_eq!(read, *record, "a record changed on its way through the journal");
            self.replayed.apply(&read).expect("INV-10: what was decided applies in replay");
        }
    }

    fn audit(&self) {
        if let Err(violation) = self.ledger.audit() {
            panic!("{violation}");
        }
    }
}

/// Stands in for the stock that callers share.
struct Takes {
    gets: bool,
}

impl Take for Takes {
    fn take(&mut self, _: SkuIx, _: u32) -> bool {
        self.gets
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, lane: u8) -> [u8; 32] {
        [lane; 32]
    }
}

fn states(ledger: &Ledger) -> BTreeSet<&'static str> {
    let all = (0..ledger.reservation_count()).map(onrush_types::ReservationSeq);
    all.filter_map(|seq| ledger.reservation(seq)).map(|r| State::as_str(r.state)).collect()
}

/// Name the kind of a record's change.
fn kind(record: &Record) -> &'static str {
    match record.change {
        Change::Campaign { .. } => "campaign",
        Change::Sku { .. } => "sku",
        Change::Supplied { .. } => "supplied",
        Change::Withdrawn { .. } => "withdrawn",
        Change::Phase { .. } => "phase",
        Change::Reserved(_) => "reserved",
        Change::Paid(_) => "paid",
        Change::Confirmed { .. } => "confirmed",
        Change::Released { .. } => "released",
        Change::Expired { .. } => "expired",
        Change::Extended { .. } => "extended",
        Change::Accepted { .. } => "accepted",
        Change::Rejected { .. } => "rejected",
        Change::Cancelled { .. } => "cancelled",
        Change::Nodes(_) => "stores",
        Change::Refunded { .. } => "refunded",
        Change::Wait(WaitChange::Terms { .. }) => "waitlist",
        Change::Wait(WaitChange::Joined { .. }) => "wish",
        Change::Wait(WaitChange::Left { .. }) => "left",
        Change::Wait(WaitChange::Offered(_)) => "offered",
        Change::Wait(WaitChange::Skipped { .. }) => "skipped",
        Change::Line { .. } => "line",
        Change::Joined { .. } => "joined",
        Change::Drawn { .. } => "drawn",
        Change::Served { .. } => "served",
        Change::Returned { .. } => "returned",
        Change::Outflow { .. } => "outflow",
        Change::PublicValue { .. } => "public value",
    }
}
