//! What can happen in a history: a step names what it is about by a number that is taken modulo what is
//! there when its turn comes.

use crate::plan::{BATCH_MAX, Flow};
use onrush::Phase;
use onrush::journal::Loss;
use onrush::ledger::Reason;

/// What somebody does, or what befalls.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say what the variants say")]
pub enum Step {
    /// A buyer asks for units, `times` at once (a double click).
    Reserve {
        buyer: u8,
        sku: u8,
        units: u8,
        key: u8,
        review: bool,
        times: u8,
        vanish: bool,
    },
    /// Somebody looks at a reservation: its buyer, or another one.
    Look {
        buyer: u8,
        which: u16,
    },
    /// Money is on its way: `copies` notices of it come after `lag` steps or more.
    Pay {
        which: u16,
        sum: Sum,
        lag: u8,
        copies: u8,
        key: Option<u8>,
    },
    /// A trusted back end confirms without money.
    Free {
        which: u16,
        key: Option<u8>,
    },
    /// A buyer gives a hold up.
    Release {
        which: u16,
        key: Option<u8>,
        times: u8,
        vanish: bool,
    },
    /// A buyer wants to wait for units that come back, or no more.
    Join {
        buyer: u8,
        sku: u8,
        units: u8,
    },
    Leave {
        buyer: u8,
        sku: u8,
    },
    /// Operators.
    Cancel {
        which: u16,
        restock: bool,
    },
    Judge {
        which: u16,
        accept: bool,
    },
    /// Of one hold, or of all of a campaign.
    Extend {
        camp: u8,
        which: Option<u16>,
        more_ms: u64,
    },
    Refunded {
        which: u16,
    },
    Supply {
        sku: u8,
        units: i32,
    },
    Move {
        camp: u8,
        to: Phase,
    },
    Put {
        camp: u8,
        limit: u32,
        hold_ms: u64,
        price: i64,
    },
    /// A back end reserves for several buyers in one request: buyer, SKU, units, key.
    Batch {
        camp: u8,
        entries: [(u8, u8, u8, u8); BATCH_MAX],
    },
    /// Something about a line.
    Line(LineStep),
    /// Something about stores.
    Store(StoreStep),
    /// The ledger takes a turn.
    Turn,
    /// Time passes.
    Pass {
        ms: u64,
    },
    /// Time passes to the next moment at which something is planned, or a millisecond off it.
    PassTo {
        off_ms: i8,
    },
    /// The wall clock steps.
    StepWall {
        ms: i64,
    },
    /// A snapshot is taken.
    Snapshot,
    /// Something breaks.
    Fault(Fault),
}

/// What somebody does about a line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say what the variants say")]
pub enum LineStep {
    /// A buyer wants a place, `times` at once.
    Join { camp: u8, buyer: u8, class: u8, times: u8 },
    /// A buyer reserves with a pass: mostly their own.
    Redeem { buyer: u8, with: u8, sku: u8, units: u8, key: u8, times: u8 },
    /// A buyer who was passed over comes back.
    Return { camp: u8, buyer: u8 },
    /// An operator changes how fast people are let in.
    Flow { camp: u8, flow: Flow },
    /// An operator sets the public value of a draw.
    Value { camp: u8, lane: u8, value: u8 },
}

/// What somebody does about stores.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say what the variants say")]
pub enum StoreStep {
    /// What is kept with a store changes.
    Put { node: u8, attributes: u8 },
    /// Its stock of a SKU changes by so many.
    Add { node: u8, sku: u8, units: i8 },
    /// So many were counted there, of which it keeps some.
    Count { node: u8, sku: u8, on_hand: u8, safety: u8 },
    /// A sale is planned, the stores asked from `first` on, `times` at once; `off` units too many.
    Plan { which: u16, first: u8, times: u8, off: i8 },
    /// A store sends what it was assigned.
    Dispatch { which: u16, node: u8 },
    /// A store refuses it.
    Reject { which: u16, node: u8, reason: Reason },
    /// A buyer shows the pick-up code, `times` at once.
    Collect { which: u16, times: u8 },
}

/// How much money comes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sum {
    /// The price.
    Exact,
    /// Half of it.
    Half,
    /// More.
    Over,
    /// As many units of another currency.
    Foreign,
    /// The price, under the reference of an earlier payment, perhaps of another reservation.
    Again,
}

/// What breaks. `after` counts changes, syncs or writes of the disk from that moment.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say what the variants say")]
pub enum Fault {
    /// The power goes, now or in the middle of a change.
    PowerCut {
        after: u16,
        loss: Loss,
    },
    /// The process dies, now or in the middle of a change.
    Kill {
        after: u16,
    },
    /// The recovery from a power cut is cut itself.
    CutRecovery {
        after: u16,
        loss: Loss,
    },
    FailSync {
        after: u16,
    },
    FailWrite {
        after: u16,
    },
    /// A write lands so many sectors away.
    Misdirect {
        after: u16,
        sectors: i8,
    },
    /// The disk has room for so many bytes more.
    Fill {
        leave: u32,
    },
    /// There is room again.
    Room,
    /// A bit of a file flips while nobody runs.
    FlipBit {
        at: u32,
    },
}
