//! Counts stores and their orders again, by other means than the ledger's: what each store has, and
//! that a sale is never on its way twice.

use crate::verdict::Check;
use onrush::Lsn;
use onrush::ledger::{NodeChange, Planned, Reason, StockMoved};
use std::collections::HashMap;

/// Stores counted so far.
#[derive(Debug)]
pub(crate) struct Stores {
    /// Free units by store and SKU.
    free: HashMap<(u32, u32), i64>,
    orders: HashMap<u32, Vec<Shipment>>,
    units: Check,
    routes: Check,
}

#[derive(Clone, Copy, Debug)]
struct Shipment {
    node: u32,
    sku: u32,
    units: u32,
    at: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Store,
    Left,
    Refused,
}

/// What the records said of a reservation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sale {
    pub(crate) sku: u32,
    pub(crate) quantity: u32,
    pub(crate) is_sold: bool,
}

impl Default for Stores {
    fn default() -> Stores {
        Stores {
            free: HashMap::new(),
            orders: HashMap::new(),
            units: Check::new(
                "LSNs at which a store gave what it had not",
                "INV-15",
                "store records",
            ),
            routes: Check::new("sales routed twice, or not whole", "INV-16", "plans, hand-overs"),
        }
    }
}

impl Stores {
    /// Return the checks, where there was anything to look at.
    pub(crate) fn checks(&self) -> impl Iterator<Item = &Check> {
        [&self.units, &self.routes].into_iter().filter(|check| check.looked_at > 0)
    }

    /// Count one record about stores; `sale` is the reservation it is about.
    pub(crate) fn visit(&mut self, lsn: Lsn, change: &NodeChange, sale: Option<Sale>) {
        match change {
            NodeChange::Node { .. } | NodeChange::Routing(_) => {}
            NodeChange::Stock(moved) => self.stock(lsn, moved),
            NodeChange::Planned(planned) => self.planned(lsn, planned, sale),
            NodeChange::Rejected { seq, shipment, reason, also_off, .. } => {
                let Some(s) = self.leave(lsn, seq.0, usize::from(*shipment), Place::Refused) else {
                    return;
                };
                match reason {
                    Reason::TooBusy => self.give(lsn, (s.node, s.sku), i64::from(s.units)),
                    Reason::Damaged => {}
                    Reason::NotInStock => self.give(lsn, (s.node, s.sku), -i64::from(*also_off)),
                }
            }
            NodeChange::Dispatched { seq, shipment, .. } => {
                self.leave(lsn, seq.0, usize::from(*shipment), Place::Left);
            }
            NodeChange::Collected { seq, .. } => {
                let order = self.orders.entry(seq.0).or_default();
                for shipment in order.iter_mut().filter(|s| s.at == Place::Store) {
                    shipment.at = Place::Left;
                }
                let left: u32 = order.iter().filter(|s| s.at == Place::Left).map(|s| s.units).sum();
                let whole = sale.is_some_and(|sale| sale.is_sold && left == sale.quantity);
                self.routes.look(whole, || format!("{lsn}: {seq:?} collected, {left} units left"));
            }
        }
    }

    /// A sale was taken back.
    pub(crate) fn cancel(&mut self, lsn: Lsn, seq: u32, restock: bool) {
        let order = self.orders.get_mut(&seq).map(std::mem::take).unwrap_or_default();
        for shipment in order.iter().filter(|s| s.at == Place::Store && restock) {
            self.give(lsn, (shipment.node, shipment.sku), i64::from(shipment.units));
        }
    }

    fn stock(&mut self, lsn: Lsn, moved: &StockMoved) {
        self.give(lsn, (moved.node.0, moved.sku.0), moved.units);
    }

    fn planned(&mut self, lsn: Lsn, planned: &Planned, sale: Option<Sale>) {
        let Some(sale) = sale else {
            return self.routes.violate(|| format!("{lsn}: a plan for what was never reserved"));
        };
        for shipment in &planned.shipments {
            let (node, units) = (shipment.node.0, shipment.units);
            self.give(lsn, (node, sale.sku), -i64::from(units));
            let (sku, at) = (sale.sku, Place::Store);
            let order = self.orders.entry(planned.seq.0).or_default();
            order.push(Shipment { node, sku, units, at });
        }
        let order = &self.orders[&planned.seq.0];
        let live: u32 = order.iter().filter(|s| s.at != Place::Refused).map(|s| s.units).sum();
        let whole = sale.is_sold && live == sale.quantity;
        let (seq, quantity) = (planned.seq, sale.quantity);
        self.routes
            .look(whole, || format!("{lsn}: {seq:?} has {live} units on their way of {quantity}"));
    }

    fn leave(&mut self, lsn: Lsn, seq: u32, place: usize, to: Place) -> Option<Shipment> {
        let shipment = self.orders.get_mut(&seq).and_then(|order| order.get_mut(place));
        let there = shipment.as_ref().is_some_and(|s| s.at == Place::Store);
        self.routes.look(there, || format!("{lsn}: shipment {place} of {seq} moved on twice"));
        let shipment = shipment?;
        shipment.at = to;
        Some(*shipment)
    }

    fn give(&mut self, lsn: Lsn, (node, sku): (u32, u32), units: i64) {
        let free = self.free.entry((node, sku)).or_default();
        *free += units;
        let has = *free;
        self.units.look(has >= 0, || format!("{lsn}: store {node} has {has} units of SKU {sku}"));
    }
}
