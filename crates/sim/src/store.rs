//! Stores, as plainly as the naive model tells the rest: what each has of what, and which sale became
//! which shipments. No store gives more than it has (INV-15); a sale is planned once, whole, and nothing
//! of it is lost or sent twice (INV-16).

use crate::oracle::{Holds, Oracle, broken};
use onrush::ledger::{Ledger, NodeChange, Planned, Reason, ShipmentState, StockMoved};
use onrush::{NodeNo, ReservationSeq, SkuIx, Timestamp};
use onrush_types::limits::SHIPMENTS_PER_PLAN_MAX;
use std::collections::BTreeMap;

/// All stores.
#[derive(Debug, Default)]
pub struct Stores {
    /// What is kept with each.
    pub nodes: Vec<String>,
    /// What they have, by store and SKU.
    pub stock: BTreeMap<(usize, usize), Stock>,
    /// What sales became.
    pub orders: BTreeMap<usize, Order>,
    /// Campaigns whose supply they are.
    pub supply: Vec<bool>,
    /// The routing policy in force: its version, its text.
    pub(crate) policy: (u32, String),
    /// Something of it was changed in this turn.
    pub(crate) touched: bool,
}

/// What a store has of a SKU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stock {
    /// Units ever supplied.
    pub supplied: u32,
    /// Units no order has.
    pub free: u32,
    /// Units of orders, still there.
    pub assigned: u32,
    /// Units that left.
    pub gone: u32,
    /// Units missing, damaged or taken away.
    pub off: u32,
    /// Units it keeps for itself.
    pub safety: u32,
}

/// What a sale became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Plans made.
    pub attempt: u16,
    /// Store, units, where it stands.
    pub shipments: Vec<(usize, u32, ShipmentState)>,
    /// The pick-up code was redeemed.
    pub collected: bool,
}

impl Order {
    /// Count the units under way or with the buyer.
    pub fn live(&self) -> u32 {
        self.shipments.iter().filter(|s| s.2.is_live()).map(|s| s.1).sum()
    }

    /// Tell whether a store refused it.
    pub fn refused_by(&self, node: usize) -> bool {
        self.shipments.iter().any(|s| s.0 == node && s.2.is_rejected())
    }

    /// Return the places of what a store has to do.
    pub fn assigned_to(&self, node: usize) -> Vec<usize> {
        let places = self.shipments.iter().enumerate();
        let theirs = places.filter(|(_, s)| s.0 == node && s.2 == ShipmentState::Assigned);
        theirs.map(|(place, _)| place).collect()
    }

    /// Tell whether any of it left its store.
    pub fn has_left(&self) -> bool {
        self.shipments.iter().any(|s| s.2 == ShipmentState::HandedOver)
    }
}

impl Oracle {
    /// Tell whether the stores' stock is the supply of a SKU.
    pub(crate) fn is_from_stores(&self, sku: usize) -> bool {
        self.stores.supply.get(self.model.skus[sku].camp).copied().unwrap_or(false)
    }

    /// Return the units of a sale that no store has to do or did.
    pub(crate) fn open_units(&self, n: usize) -> u32 {
        let Some(r) = self.model.res.get(n).filter(|r| r.state == "sold") else { return 0 };
        r.units - self.stores.orders.get(&n).map_or(0, Order::live)
    }

    /// Return what a store has free of a SKU.
    pub(crate) fn free_at(&self, node: usize, sku: usize) -> u32 {
        self.stores.stock.get(&(node, sku)).map_or(0, |stock| stock.free)
    }

    /// Follow a record about stores.
    pub(crate) fn stored(&mut self, change: &NodeChange) -> Holds {
        self.stores.touched = true;
        match change {
            NodeChange::Node { node, attributes, .. } => {
                let (at, count) = (node.index(), self.stores.nodes.len());
                if at > count {
                    return broken("INV-15", format!("store {at} follows {count} stores"));
                }
                self.stores.nodes.resize(count.max(at + 1), String::new());
                self.stores.nodes[at] = attributes.to_string();
                Ok(())
            }
            NodeChange::Stock(moved) => self.stock_moved(moved),
            NodeChange::Planned(planned) => self.planned(planned),
            NodeChange::Rejected { seq, shipment, reason, also_off, withdrawn, .. } => {
                let off = (*also_off, *withdrawn);
                self.rejected(seq.index(), usize::from(*shipment), *reason, off)
            }
            NodeChange::Dispatched { seq, shipment, .. } => {
                self.handed_over(seq.index(), usize::from(*shipment))
            }
            NodeChange::Collected { seq, .. } => self.collected(seq.index()),
            NodeChange::Routing(routing) => {
                let last = self.stores.policy.0;
                if routing.version != last + 1 {
                    return broken("INV-16", format!("{routing:?} follows version {last}"));
                }
                self.stores.policy = (routing.version, routing.text.to_string());
                Ok(())
            }
        }
    }

    fn stock_moved(&mut self, moved: &StockMoved) -> Holds {
        let (node, sku) = (moved.node.index(), moved.sku.index());
        let n = moved.units.unsigned_abs() as u32;
        let supplies = self.is_from_stores(sku);
        let stock = self.stores.stock.entry((node, sku)).or_default();
        if moved.supplies != supplies || moved.units < 0 && stock.free < n {
            return broken("INV-15", format!("{moved:?} of {stock:?}"));
        }
        stock.safety = moved.safety;
        if moved.units >= 0 {
            (stock.supplied, stock.free) = (stock.supplied + n, stock.free + n);
        } else {
            (stock.free, stock.off) = (stock.free - n, stock.off + n);
        }
        if supplies && moved.units > 0 {
            self.model.skus[sku].supplied += n;
            self.got_units(sku);
        } else if supplies && n > 0 {
            self.lose_units(sku, n)?;
        }
        Ok(())
    }

    /// Units that stores lost leave the sale too: only such as nobody has.
    fn lose_units(&mut self, sku: usize, n: u32) -> Holds {
        let free = self.model.figures(sku)[0];
        if free < n {
            return broken("INV-2", format!("{n} units of SKU {sku} withdrawn, {free} are free"));
        }
        self.model.skus[sku].withdrawn += n;
        self.touch_sku(sku);
        Ok(())
    }

    fn planned(&mut self, planned: &Planned) -> Holds {
        let n = planned.seq.index();
        let open = self.open_units(n);
        let order = self.stores.orders.get(&n).cloned().unwrap_or_default();
        let units: u32 = planned.shipments.iter().map(|s| s.units).sum();
        let count = (1..=SHIPMENTS_PER_PLAN_MAX).contains(&planned.shipments.len());
        if open == 0 || units != open || planned.attempt != order.attempt + 1 || !count {
            let what = format!("#{n}, of which {open} units are open, is planned: {planned:?}");
            return broken("INV-16", what);
        }
        let sku = self.model.res[n].sku;
        for shipment in &planned.shipments {
            let node = shipment.node.index();
            let stock = self.stores.stock.entry((node, sku)).or_default();
            if shipment.units == 0 || stock.free < shipment.units || order.refused_by(node) {
                let what = format!("store {node} with {stock:?} is to send #{n}: {shipment:?}");
                return broken("INV-15", what);
            }
            stock.free -= shipment.units;
            stock.assigned += shipment.units;
        }
        let order = self.stores.orders.entry(n).or_default();
        order.attempt = planned.attempt;
        let new = planned.shipments.iter();
        order.shipments.extend(new.map(|s| (s.node.index(), s.units, ShipmentState::Assigned)));
        Ok(())
    }

    /// Move a shipment out of `Assigned`; return its store's stock and its units.
    fn ended(
        &mut self,
        n: usize,
        shipment: usize,
        to: ShipmentState,
    ) -> Result<(&mut Stock, u32), crate::oracle::Violation> {
        let order = self.stores.orders.get_mut(&n);
        let found = order.and_then(|order| order.shipments.get_mut(shipment));
        let Some(s) = found.filter(|s| s.2 == ShipmentState::Assigned) else {
            return broken("INV-16", format!("shipment {shipment} of #{n} is {to:?} and nobody's"));
        };
        s.2 = to;
        let (node, units) = (s.0, s.1);
        let sku = self.model.res[n].sku;
        let stock = self.stores.stock.entry((node, sku)).or_default();
        stock.assigned -= units;
        Ok((stock, units))
    }

    fn rejected(
        &mut self,
        n: usize,
        shipment: usize,
        reason: Reason,
        (also_off, withdrawn): (u32, u32),
    ) -> Holds {
        let to = match reason {
            Reason::NotInStock => ShipmentState::NotInStock,
            Reason::Damaged => ShipmentState::Damaged,
            Reason::TooBusy => ShipmentState::TooBusy,
        };
        let (stock, units) = self.ended(n, shipment, to)?;
        let all_off = if reason == Reason::NotInStock { stock.free } else { 0 };
        let lost = if reason == Reason::TooBusy { 0 } else { units + all_off };
        stock.off += lost;
        stock.free = if lost == 0 { stock.free + units } else { stock.free - all_off };
        let sku = self.model.res[n].sku;
        let most = if self.is_from_stores(sku) { lost.min(self.model.figures(sku)[0]) } else { 0 };
        // Callers may have taken some of them, or the slot does not have them yet.
        let busy = self.flying_units[sku] > 0 || self.added(sku);
        if also_off != all_off || withdrawn > most || withdrawn < most && !busy {
            let what = format!("#{n} was refused: {also_off} more off, {withdrawn} withdrawn");
            return broken("INV-15", format!("{what}; it should be {all_off} and {most}"));
        }
        if withdrawn > 0 { self.lose_units(sku, withdrawn) } else { Ok(()) }
    }

    fn handed_over(&mut self, n: usize, shipment: usize) -> Holds {
        let (stock, units) = self.ended(n, shipment, ShipmentState::HandedOver)?;
        stock.gone += units;
        Ok(())
    }

    fn collected(&mut self, n: usize) -> Holds {
        let open = self.open_units(n);
        let sold = self.model.res.get(n).is_some_and(|r| r.state == "sold");
        let order = self.stores.orders.get_mut(&n).filter(|order| !order.collected);
        let Some(order) = order.filter(|_| sold && open == 0) else {
            return broken("INV-16", format!("the code of #{n} was redeemed; {open} are open"));
        };
        order.collected = true;
        for shipment in 0..order.shipments.len() {
            if self.stores.orders[&n].shipments[shipment].2 == ShipmentState::Assigned {
                self.handed_over(n, shipment)?;
            }
        }
        Ok(())
    }

    /// A sale is cancelled: what has not left goes back, or is written off.
    pub(crate) fn taken_back(&mut self, n: usize, restock: bool) -> Holds {
        let Some(order) = self.stores.orders.get(&n) else { return Ok(()) };
        if restock && order.has_left() {
            return broken("INV-16", format!("#{n} has left its store, and is free again"));
        }
        self.stores.touched = true;
        for shipment in 0..order.shipments.len() {
            if self.stores.orders[&n].shipments[shipment].2 == ShipmentState::Assigned {
                let (stock, units) = self.ended(n, shipment, ShipmentState::TakenBack)?;
                *(if restock { &mut stock.free } else { &mut stock.off }) += units;
            }
        }
        Ok(())
    }

    /// Compare every store and order with the ledger's (INV-15, 16).
    pub(crate) fn compare_stores(&self, ledger: &Ledger) -> Holds {
        let counts = (ledger.nodes().len(), ledger.node_stocks().count(), ledger.order_count());
        let Stores { nodes, stock, orders, policy, .. } = &self.stores;
        let in_force = ledger.routing().map(|routing| (routing.version, routing.text.to_string()));
        if in_force.unwrap_or_default() != *policy {
            return broken("INV-16", format!("another policy is in force than {policy:?}"));
        }
        if counts != (nodes.len(), stock.len(), orders.len()) {
            return broken("INV-15", format!("{counts:?} stores, stocks and orders"));
        }
        for (at, (seen, known)) in ledger.nodes().iter().zip(nodes).enumerate() {
            if &*seen.attributes != known.as_str() {
                return broken("INV-15", format!("store {at} is {seen:?}; it should be {known}"));
            }
        }
        for (&(node, sku), known) in stock {
            let seen = ledger.node_stock(NodeNo(node as u32), SkuIx(sku as u32));
            let seen = seen.map(|s| Stock {
                supplied: s.supplied,
                free: s.free,
                assigned: s.assigned,
                gone: s.gone,
                off: s.written_off,
                safety: s.safety,
            });
            let Stock { supplied, free, assigned, gone, off, .. } = *known;
            if seen != Some(*known) || free + assigned + gone + off != supplied {
                let what = format!("store {node} has {seen:?} of SKU {sku}");
                return broken("INV-15", format!("{what}; it should be {known:?}"));
            }
        }
        for (&n, known) in orders {
            let seen = ledger.order(ReservationSeq(n as u32)).map(|order| Order {
                attempt: order.attempt,
                shipments: (order.shipments.iter())
                    .map(|s| (s.planned.node.index(), s.planned.units, s.state))
                    .collect(),
                collected: order.collected_at != Timestamp(0),
            });
            if seen.as_ref() != Some(known) {
                let what = format!("#{n} became {seen:?}; it should be {known:?}");
                return broken("INV-16", what);
            }
        }
        Ok(())
    }
}
