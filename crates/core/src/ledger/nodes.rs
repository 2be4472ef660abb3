//! Stores: what they have, and the orders that sales become there.
//!
//! ```text
//! sold ─ planned ─► assigned ──┬─ dispatched, collected ─► handed over
//!   ▲                          ├─ rejected (why) ─► open again: planned without that store
//!   └────── cancelled ─────────┴─ taken back
//! ```
//!
//! **Conservation per store and SKU**, checked after each record that moves units: `free + assigned
//! + gone + written off = supplied`.
//!
//! **Routed exactly once**: the live shipments of a sold reservation never carry more units than
//! were sold, and a plan covers exactly what is open when it is made.

use super::record::By;
use onrush_types::planted;
use onrush_types::{NodeNo, ReservationSeq, SkuIx, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A change of stores, their stock or their orders.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeChange {
    /// A store was added, or what is kept with it changed.
    Node {
        /// Its number.
        node: NodeNo,
        /// Its name.
        name: Box<str>,
        /// Position, hours and the rest, as the edge encoded them; not looked into.
        attributes: Box<str>,
        /// Who did it and why.
        by: By,
    },
    /// A store's stock of a SKU changed.
    Stock(StockMoved),
    /// A sold reservation became an order at stores.
    Planned(Planned),
    /// A store refused a shipment; its units are open again.
    Rejected {
        /// Which reservation.
        seq: ReservationSeq,
        /// Its place among the reservation's shipments.
        shipment: u8,
        /// Why.
        reason: Reason,
        /// Free units of the SKU written off at the store besides: its count was wrong.
        also_off: u32,
        /// Free units of the SKU withdrawn with it, where the stores' stock is the supply.
        withdrawn: u32,
        /// Who did it and why.
        by: By,
    },
    /// A shipment left its store.
    Dispatched {
        /// Which reservation.
        seq: ReservationSeq,
        /// Its place among the reservation's shipments.
        shipment: u8,
        /// Who did it and why.
        by: By,
    },
    /// The buyer collected everything; the code cannot be used again.
    Collected {
        /// Which reservation.
        seq: ReservationSeq,
        /// Who handed it over, and why.
        by: By,
    },
    /// The routing policy changed.
    Routing(Routing),
}

/// The record of a change of one store's stock of one SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockMoved {
    /// Which store.
    pub node: NodeNo,
    /// Which SKU.
    pub sku: SkuIx,
    /// Free units added; negative takes free ones away.
    pub units: i64,
    /// The SKU's own units moved with them: the stores' stock is the supply.
    pub supplies: bool,
    /// Units the store keeps for itself; they are not part of its stock here.
    pub safety: u32,
    /// Channel quotas and the rest, as the edge encoded them; not looked into.
    pub attributes: Box<str>,
    /// Who did it and why.
    pub by: By,
}

/// The record of a plan: it covers exactly what is open of a sold reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Which reservation.
    pub seq: ReservationSeq,
    /// 1 for the first plan, one more for each that answers a rejection.
    pub attempt: u16,
    /// What each store sends: one to seven shipments.
    pub shipments: Vec<PlannedShipment>,
    /// The explanation, as the edge encoded it; not looked into.
    pub note: Box<[u8]>,
}

/// What one store sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedShipment {
    /// Which store.
    pub node: NodeNo,
    /// How many units.
    pub units: u32,
    /// In the buyer's hands, or ready to collect, by this time.
    pub promise_at: Timestamp,
    /// How sure that is, in ten-thousandths.
    pub sure: u16,
}

/// Why a store refuses a shipment. Numbers are part of the journal format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// The shelf is empty: the units and the store's free ones are written off.
    NotInStock = 1,
    /// The units cannot be sent: they are written off.
    Damaged = 2,
    /// Nobody has time: the units are free again, for other orders.
    TooBusy = 3,
}

impl Reason {
    /// Every reason, in the order of its number.
    pub const ALL: [Reason; 3] = [Reason::NotInStock, Reason::Damaged, Reason::TooBusy];

    /// Return the reason with this number.
    pub const fn from_u8(number: u8) -> Option<Reason> {
        match number {
            1 => Some(Reason::NotInStock),
            2 => Some(Reason::Damaged),
            3 => Some(Reason::TooBusy),
            _ => None,
        }
    }

    /// Return the word that the outside sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::NotInStock => "not_in_stock",
            Reason::Damaged => "damaged",
            Reason::TooBusy => "too_busy",
        }
    }
}

/// The routing policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routing {
    /// Dense from 1.
    pub version: u32,
    /// The policy's TOML; not looked into.
    pub text: Arc<str>,
    /// Who put it and why.
    pub by: By,
}

/// A store as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Its name.
    pub name: Box<str>,
    /// What is kept with it.
    pub attributes: Box<str>,
    /// Shipments it handed over.
    pub accepted: u32,
    /// Shipments it refused though the units were fit: empty shelf, no time.
    pub rejected: u32,
}

/// A store's stock of a SKU. `free + assigned + gone + written_off = supplied`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStock {
    /// Units ever supplied.
    pub supplied: u32,
    /// Units no order has.
    pub free: u32,
    /// Units of orders, still at the store.
    pub assigned: u32,
    /// Units dispatched or collected.
    pub gone: u32,
    /// Units found missing or damaged, or taken out of the sale.
    pub written_off: u32,
    /// Units the store keeps for itself, not part of the above.
    pub safety: u32,
    /// What is kept with it.
    pub attributes: Box<str>,
}

impl NodeStock {
    pub(super) fn check(&self) -> Result<(), String> {
        let NodeStock { supplied, free, assigned, gone, written_off, .. } = self;
        let parts = [free, assigned, gone, written_off];
        let all: u64 = parts.into_iter().map(|&units| u64::from(units)).sum();
        if all == u64::from(*supplied) {
            return Ok(());
        }
        Err(format!(
            "a store's conservation broke: {free} free + {assigned} assigned + {gone} gone + \
             {written_off} written off, {supplied} supplied"
        ))
    }
}

/// What a sold reservation became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderState {
    /// How many plans were made.
    pub attempt: u16,
    /// Every shipment ever planned, in order.
    pub shipments: Vec<Shipment>,
    /// The latest plan's explanation; dropped once everything was handed over.
    pub note: Box<[u8]>,
    /// When the buyer collected it with the code; zero: not yet.
    pub collected_at: Timestamp,
}

/// One shipment of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipment {
    /// What was planned.
    pub planned: PlannedShipment,
    /// By which plan.
    pub attempt: u16,
    /// Where it stands.
    pub state: ShipmentState,
    /// Since when.
    pub since: Timestamp,
}

/// Where a shipment stands. Numbers are part of the snapshot format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ShipmentState {
    /// The store has it to do.
    Assigned = 1,
    /// It left the store.
    HandedOver = 2,
    /// The store refused it: not in stock.
    NotInStock = 3,
    /// The store refused it: damaged.
    Damaged = 4,
    /// The store refused it: too busy.
    TooBusy = 5,
    /// The sale was cancelled before it left.
    TakenBack = 6,
}

impl ShipmentState {
    /// Return the state with this number.
    pub const fn from_u8(number: u8) -> Option<ShipmentState> {
        match number {
            1 => Some(ShipmentState::Assigned),
            2 => Some(ShipmentState::HandedOver),
            3 => Some(ShipmentState::NotInStock),
            4 => Some(ShipmentState::Damaged),
            5 => Some(ShipmentState::TooBusy),
            6 => Some(ShipmentState::TakenBack),
            _ => None,
        }
    }

    /// Return the word that the outside sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            ShipmentState::Assigned => "assigned",
            ShipmentState::HandedOver => "handed_over",
            ShipmentState::NotInStock => "rejected_not_in_stock",
            ShipmentState::Damaged => "rejected_damaged",
            ShipmentState::TooBusy => "rejected_too_busy",
            ShipmentState::TakenBack => "taken_back",
        }
    }

    /// Tell whether its units are on their way to the buyer or with the buyer.
    pub const fn is_live(self) -> bool {
        matches!(self, ShipmentState::Assigned | ShipmentState::HandedOver)
    }

    /// Tell whether the store refused it.
    pub const fn is_rejected(self) -> bool {
        matches!(self, ShipmentState::NotInStock | ShipmentState::Damaged | ShipmentState::TooBusy)
    }

    pub(super) const fn of(reason: Reason) -> ShipmentState {
        match reason {
            Reason::NotInStock => ShipmentState::NotInStock,
            Reason::Damaged => ShipmentState::Damaged,
            Reason::TooBusy => ShipmentState::TooBusy,
        }
    }
}

impl OrderState {
    /// Return the units of its live shipments.
    pub fn live_units(&self) -> u32 {
        let live = self.shipments.iter().filter(|shipment| shipment.state.is_live());
        live.map(|shipment| shipment.planned.units).sum()
    }

    /// Tell whether `node` refused a shipment of it.
    pub fn is_refused_by(&self, node: NodeNo) -> bool {
        let refused = |s: &Shipment| s.planned.node == node && s.state.is_rejected();
        planted!("refuser-asked-again", false, self.shipments.iter().any(refused))
    }
}

/// The ledger's tables of stores.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) list: Vec<NodeState>,
    pub(super) names: BTreeMap<Box<str>, NodeNo>,
    pub(super) stock: BTreeMap<(NodeNo, SkuIx), NodeStock>,
    /// The keys of `stock`, by SKU.
    pub(super) holders: BTreeSet<(SkuIx, NodeNo)>,
    /// Orders by reservation.
    pub(super) orders: BTreeMap<u32, OrderState>,
    pub(super) routing: Option<Routing>,
    /// Rows that an image said it has, until all were read.
    pub(super) expected: Option<[u64; 3]>,
}

impl Nodes {
    pub(super) fn insert(&mut self, name: Box<str>, attributes: Box<str>) -> Result<(), String> {
        let node = NodeNo(self.list.len() as u32);
        if self.names.insert(name.clone(), node).is_some() {
            return Err("two stores have one name".to_owned());
        }
        self.list.push(NodeState { name, attributes, accepted: 0, rejected: 0 });
        Ok(())
    }

    pub(super) fn stock_mut(&mut self, node: NodeNo, sku: SkuIx) -> Result<&mut NodeStock, String> {
        self.stock.get_mut(&(node, sku)).ok_or_else(|| "the store has no such stock".to_owned())
    }
}

impl super::Ledger {
    /// Return all stores, by number.
    pub fn nodes(&self) -> &[NodeState] {
        &self.nodes.list
    }

    /// Find a store by name.
    pub fn node_named(&self, name: &str) -> Option<NodeNo> {
        self.nodes.names.get(name).copied()
    }

    /// Return a store's stock of a SKU, if it ever had any.
    pub fn node_stock(&self, node: NodeNo, sku: SkuIx) -> Option<&NodeStock> {
        self.nodes.stock.get(&(node, sku))
    }

    /// Return every store's stock, by store and SKU.
    pub fn node_stocks(&self) -> impl Iterator<Item = (NodeNo, SkuIx, &NodeStock)> {
        self.nodes.stock.iter().map(|(&(node, sku), stock)| (node, sku, stock))
    }

    /// Return what one store has, by SKU.
    pub fn stock_of(&self, node: NodeNo) -> impl Iterator<Item = (SkuIx, &NodeStock)> {
        let range = (node, SkuIx(0))..=(node, SkuIx(u32::MAX));
        self.nodes.stock.range(range).map(|(&(_, sku), stock)| (sku, stock))
    }

    /// Return who has, or had, a SKU.
    pub fn holders_of(&self, sku: SkuIx) -> impl Iterator<Item = (NodeNo, &NodeStock)> {
        let range = (sku, NodeNo(0))..=(sku, NodeNo(u32::MAX));
        self.nodes
            .holders
            .range(range)
            .map(move |&(_, node)| (node, &self.nodes.stock[&(node, sku)]))
    }

    /// Tell whether sales of a SKU become orders at stores: its supply is theirs, or one of them
    /// has, or had, some.
    pub fn is_routed(&self, sku: SkuIx) -> bool {
        let from_stores = self
            .skus
            .get(sku.index())
            .is_some_and(|s| self.campaigns[s.campaign.index()].terms.supply_from_stores);
        from_stores || self.holders_of(sku).next().is_some()
    }

    /// Return what a reservation became at stores, if it was planned.
    pub fn order(&self, seq: ReservationSeq) -> Option<&OrderState> {
        self.nodes.orders.get(&seq.0)
    }

    /// Return every order, by reservation.
    pub fn orders(&self) -> impl Iterator<Item = (ReservationSeq, &OrderState)> {
        self.nodes.orders.iter().map(|(&seq, order)| (ReservationSeq(seq), order))
    }

    /// Return how many orders were ever planned.
    pub fn order_count(&self) -> usize {
        self.nodes.orders.len()
    }

    /// Return the units of a sold reservation that no live shipment carries; zero for what is not
    /// sold.
    pub fn open_units(&self, seq: ReservationSeq) -> u32 {
        let sold = self.reservation(seq).filter(|r| r.state == crate::reservation::State::Sold);
        let live = self.order(seq).map_or(0, OrderState::live_units);
        let live = planted!("planned-twice", live.saturating_sub(1), live);
        sold.map_or(0, |r| r.quantity.get().saturating_sub(live))
    }

    /// Return the routing policy in force, if one was put.
    pub fn routing(&self) -> Option<&Routing> {
        self.nodes.routing.as_ref()
    }

    /// Tell whether any part of a reservation has left its store.
    pub(super) fn has_left(&self, seq: ReservationSeq) -> bool {
        let shipments = self.order(seq).map_or(&[][..], |order| &order.shipments);
        shipments.iter().any(|shipment| shipment.state == ShipmentState::HandedOver)
    }
}
