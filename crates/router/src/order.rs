//! An order as the router sees it: names already turned into numbers of one network.

use crate::delivery::Delivery;
use crate::geo::Position;
use crate::label::Label;
use crate::node::NodeIx;
use onrush_types::Timestamp;

/// A SKU's place in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkuNo(pub u32);

/// A sales channel's place in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNo(pub u8);

/// Units of one SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which SKU.
    pub sku: SkuNo,
    /// How many, at least one, at most [`crate::limits::UNITS_PER_LINE_MAX`].
    pub units: u32,
}

/// One order. Lines name distinct SKUs.
#[derive(Clone, Debug)]
pub struct Order {
    /// The order's own name.
    pub id: Label,
    /// When it was placed: what is due an hour after the order is due an hour after this.
    pub placed: Timestamp,
    /// When work on it can begin, where that is later than `placed`: it was paid, or a store refused
    /// it, since.
    pub ready: Option<Timestamp>,
    /// Where it goes; for a collected order the position of the buyer, if known.
    pub destination: Position,
    /// The node where it is collected, or the store it was bought in.
    pub pickup: Option<NodeIx>,
    /// What is asked for.
    pub lines: Vec<Line>,
    /// How it reaches the buyer.
    pub delivery: Delivery,
    /// Not before this time: the start of a chosen window.
    pub window_opens: Option<Timestamp>,
    /// Due by this time; stands above what the delivery form says.
    pub deadline: Option<Timestamp>,
    /// The channel that sold it.
    pub channel: Option<ChannelNo>,
    /// What the buyer pays, in currency units; zero when unknown.
    pub value: f64,
    /// Who brought the buyer; carried, never weighed.
    pub attribution: Option<Label>,
    /// Orders of a higher priority are improved first in a hold window.
    pub priority: u8,
}

impl Order {
    /// State an order with everything optional at its default.
    pub fn new(id: Label, placed: Timestamp, destination: Position, lines: Vec<Line>) -> Order {
        Order {
            id,
            placed,
            ready: None,
            destination,
            pickup: None,
            lines,
            delivery: Delivery::Standard,
            window_opens: None,
            deadline: None,
            channel: None,
            value: 0.0,
            attribution: None,
            priority: 0,
        }
    }

    /// Return when work on it can begin.
    pub fn begins(&self) -> Timestamp {
        self.ready.map_or(self.placed, |ready| ready.max(self.placed))
    }

    /// Return the units of all lines.
    pub fn units(&self) -> u32 {
        self.lines.iter().map(|line| line.units).sum()
    }
}
