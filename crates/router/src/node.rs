//! A node: a place that holds stock and hands over orders.

use crate::calendar::Hours;
use crate::geo::Position;
use crate::label::Label;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

/// A node's place in its network; nodes are numbered in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(pub u32);

impl NodeIx {
    /// Return the position of this id in a dense table.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What kind of place a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// A shop that serves walk-in buyers too.
    #[default]
    Store,
    /// A place that only ships.
    Warehouse,
    /// Compartments that buyers open themselves.
    Locker,
    /// A machine that sells and hands over by itself.
    VendingMachine,
}

impl NodeKind {
    /// Every kind.
    pub const ALL: [NodeKind; 4] =
        [NodeKind::Store, NodeKind::Warehouse, NodeKind::Locker, NodeKind::VendingMachine];

    /// Return the kind's bit in a set of kinds.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Return the name used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            NodeKind::Store => "store",
            NodeKind::Warehouse => "warehouse",
            NodeKind::Locker => "locker",
            NodeKind::VendingMachine => "vending_machine",
        }
    }
}

impl FromStr for NodeKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<NodeKind, UnknownKind> {
        NodeKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// A kind of node the router does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownKind;

impl fmt::Display for UnknownKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a node's kind is one of store, warehouse, locker, vending_machine")
    }
}

impl std::error::Error for UnknownKind {}

/// Who runs a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The brand itself.
    #[default]
    Own,
    /// A franchise partner.
    Franchise,
}

impl Owner {
    /// Return the name that files use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Owner::Own => "own",
            Owner::Franchise => "franchise",
        }
    }
}

impl FromStr for Owner {
    type Err = UnknownOwner;

    fn from_str(text: &str) -> Result<Owner, UnknownOwner> {
        match text {
            "own" => Ok(Owner::Own),
            "franchise" => Ok(Owner::Franchise),
            _ => Err(UnknownOwner),
        }
    }
}

/// An owner the router does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownOwner;

impl fmt::Display for UnknownOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an owner is own or franchise")
    }
}

impl std::error::Error for UnknownOwner {}

/// A node as an operator states it.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Unique in the network.
    pub name: Label,
    /// Kind of place.
    pub kind: NodeKind,
    /// Where it is, in WGS-84.
    pub position: Position,
    /// Groups that policies name.
    pub groups: Vec<Label>,
    /// Opening hours; `None` works around the clock.
    pub hours: Option<Hours>,
    /// Shipments it can prepare in one hour; `None` is no limit.
    pub capacity_per_hour: Option<u32>,
    /// Time to prepare a shipment, in minutes.
    pub handling_minutes: f64,
    /// Cost to prepare a shipment, in currency units.
    pub handling_cost: f64,
    /// Share of orders it accepts, between 0 and 1, before any history.
    pub accept_rate: f64,
    /// Who runs it.
    pub owner: Owner,
}

impl NodeSpec {
    /// State a node with everything optional at its default.
    pub fn new(name: Label, kind: NodeKind, position: Position) -> NodeSpec {
        NodeSpec {
            name,
            kind,
            position,
            groups: Vec::new(),
            hours: None,
            capacity_per_hour: None,
            handling_minutes: 0.0,
            handling_cost: 0.0,
            accept_rate: 1.0,
            owner: Owner::Own,
        }
    }
}

/// Orders the stated accept rate weighs as much as.
const PRIOR_ORDERS: f64 = 20.0;

/// How likely a node accepts an order: the stated rate, moved by what happened since.
///
/// The mean of a Beta distribution whose prior weighs twenty orders.
#[derive(Debug)]
pub struct Acceptance {
    stated: f64,
    /// Accepted in the high 32 bits, rejected in the low 32.
    counts: AtomicU64,
}

impl Acceptance {
    /// Start from a stated rate between 0 and 1.
    pub fn new(stated: f64) -> Acceptance {
        Acceptance { stated: stated.clamp(0.0, 1.0), counts: AtomicU64::new(0) }
    }

    /// Return the estimate.
    #[inline]
    pub fn estimate(&self) -> f64 {
        // Relaxed: an estimate; nothing else is read through it.
        let counts = self.counts.load(Ordering::Relaxed);
        if counts == 0 {
            return self.stated;
        }
        let (accepted, rejected) = ((counts >> 32) as f64, (counts & 0xFFFF_FFFF) as f64);
        (PRIOR_ORDERS * self.stated + accepted) / (PRIOR_ORDERS + accepted + rejected)
    }

    /// Count one accepted order.
    pub fn accepted(&self) {
        // Relaxed: a counter; 2³² orders at one node are beyond any network's life.
        self.counts.fetch_add(1 << 32, Ordering::Relaxed);
    }

    /// Count one rejected order.
    pub fn rejected(&self) {
        // Relaxed: as above.
        self.counts.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acceptance_moves_with_what_happened() {
        let acceptance = Acceptance::new(0.9);
        assert_eq!(acceptance.estimate(), 0.9);
        for _ in 0..20 {
            acceptance.rejected();
        }
        assert!((acceptance.estimate() - 0.45).abs() < 1e-9);
        for _ in 0..40 {
            acceptance.accepted();
        }
        assert!((acceptance.estimate() - 58.0 / 80.0).abs() < 1e-9);
    }

    #[test]
    fn kinds_have_distinct_names_and_bits() {
        let bits = NodeKind::ALL.iter().fold(0, |set, kind| {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert_eq!(set & kind.bit(), 0);
            set | kind.bit()
        });
        assert_eq!(bits, 0b1111);
        assert!("shop".parse::<NodeKind>().is_err());
    }
}
