//! How records about stores change the state, with their assertions, and the audit of it.

use super::apply::{Applied, StockMove, Touched, ensure};
use super::check::Violation;
use super::nodes::{NodeChange, NodeStock, Planned, Reason, Shipment, ShipmentState, StockMoved};
use super::state::Ledger;
use crate::reservation::State;
use onrush_types::limits::{
    NODE_STOCK_MAX, NODES_MAX, PLANS_PER_RESERVATION_MAX, SHIPMENTS_PER_PLAN_MAX, SUPPLY_MAX,
};
use onrush_types::planted;
use onrush_types::{NodeNo, ReservationSeq, SkuIx, Timestamp};
use std::collections::BTreeMap;

impl Ledger {
    pub(super) fn apply_nodes(&mut self, change: &NodeChange, stamp: Timestamp) -> Applied {
        match change {
            NodeChange::Node { node, name, attributes, .. } => {
                self.apply_node(*node, name, attributes)
            }
            NodeChange::Stock(moved) => self.apply_stock(moved),
            NodeChange::Planned(planned) => self.apply_planned(planned, stamp),
            NodeChange::Rejected { seq, shipment, reason, also_off, withdrawn, .. } => {
                self.apply_rejected(*seq, *shipment, *reason, (*also_off, *withdrawn), stamp)
            }
            NodeChange::Dispatched { seq, shipment, .. } => {
                self.hand_over(*seq, *shipment, stamp)?;
                self.drop_note(*seq);
                Ok((Touched::Order(*seq), None))
            }
            NodeChange::Collected { seq, .. } => self.apply_collected(*seq, stamp),
            NodeChange::Routing(routing) => {
                let last = self.nodes.routing.as_ref().map_or(0, |routing| routing.version);
                ensure(routing.version == last + 1, "routing policies are numbered in order")?;
                self.nodes.routing = Some(routing.clone());
                Ok((Touched::Routing, None))
            }
        }
    }

    /// Return the SKU whose own units a record about stores may move.
    pub(super) fn sku_of_nodes(&self, change: &NodeChange) -> Option<SkuIx> {
        match change {
            NodeChange::Stock(moved) => Some(moved.sku),
            NodeChange::Rejected { seq, .. } => self.reservation(*seq).map(|r| r.sku),
            _ => None,
        }
    }

    fn apply_node(&mut self, node: NodeNo, name: &str, attributes: &str) -> Applied {
        ensure(node.index() <= self.nodes.list.len(), "stores are numbered densely")?;
        ensure(node.index() < NODES_MAX, "more stores than the ledger holds")?;
        if node.index() == self.nodes.list.len() {
            self.nodes.insert(name.into(), attributes.into())?;
        }
        let n = &mut self.nodes.list[node.index()];
        ensure(&*n.name == name, "a store changed its name")?;
        n.attributes = attributes.into();
        Ok((Touched::Node(node), None))
    }

    fn apply_stock(&mut self, moved: &StockMoved) -> Applied {
        let StockMoved { node, sku, units, supplies, safety, attributes, .. } = moved;
        ensure(node.index() < self.nodes.list.len(), "stock at a store that does not exist")?;
        let s = self.skus.get(sku.index()).ok_or("stock of a SKU that does not exist")?;
        let from_stores = self.campaigns[s.campaign.index()].terms.supply_from_stores;
        ensure(*supplies == from_stores, "the stores' stock is the supply, or it is not")?;
        let n = u32::try_from(units.unsigned_abs()).map_err(|_| "more units than a slot holds")?;
        let key = (*node, *sku);
        if !self.nodes.stock.contains_key(&key) {
            ensure(self.nodes.stock.len() < NODE_STOCK_MAX, "more stock than the ledger holds")?;
            self.nodes.holders.insert((*sku, *node));
        }
        let stock = self.nodes.stock.entry(key).or_default();
        if *units >= 0 {
            let all = stock.supplied.checked_add(n).filter(|&all| all <= SUPPLY_MAX);
            stock.supplied = all.ok_or("more units than a store holds")?;
            stock.free += n;
        } else {
            stock.free = stock.free.checked_sub(n).ok_or("a store gave up more than was free")?;
            stock.written_off += n;
        }
        (stock.safety, stock.attributes) = (*safety, attributes.clone());
        stock.check()?;
        let stock = if *supplies && n > 0 { Some(self.move_supply(*sku, *units)?) } else { None };
        Ok((Touched::Node(*node), stock))
    }

    /// Move a SKU's own units with its stores' stock.
    fn move_supply(&mut self, sku: SkuIx, units: i64) -> Result<(SkuIx, StockMove), String> {
        let s = self.sku_mut(sku)?;
        let n = units.unsigned_abs() as u32;
        if units > 0 {
            let all = s.supplied.checked_add(n).filter(|&all| all <= SUPPLY_MAX);
            s.supplied = all.ok_or("more units than a slot holds")?;
            s.free += n;
            return Ok((sku, StockMove::Add(n)));
        }
        s.free = s.free.checked_sub(n).ok_or("withdrew more than was free")?;
        s.withdrawn += n;
        Ok((sku, StockMove::Keep(n)))
    }

    fn apply_planned(&mut self, planned: &Planned, stamp: Timestamp) -> Applied {
        let Planned { seq, attempt, shipments, note } = planned;
        let open = self.open_units(*seq);
        let sku = self.reservation(*seq).ok_or("no such reservation")?.sku;
        let before = self.order(*seq).map_or(0, |order| order.attempt);
        ensure(*attempt == before + 1, "plans are numbered in order")?;
        ensure(*attempt <= PLANS_PER_RESERVATION_MAX, "too many plans for one reservation")?;
        let count = (1..=SHIPMENTS_PER_PLAN_MAX).contains(&shipments.len());
        ensure(count, "a plan has one to seven shipments")?;
        let units: u64 = shipments.iter().map(|shipment| u64::from(shipment.units)).sum();
        ensure(open > 0 && units == u64::from(open), "a plan covers exactly what is open")?;
        for shipment in shipments {
            ensure(shipment.units > 0, "a shipment carries something")?;
            let refused = self.order(*seq).is_some_and(|o| o.is_refused_by(shipment.node));
            ensure(!refused, "a store that refused the order was planned again")?;
            let stock = self.nodes.stock_mut(shipment.node, sku)?;
            let free = stock.free.checked_sub(shipment.units);
            stock.free = free.ok_or("a plan takes more than a store has")?;
            stock.assigned += shipment.units;
            stock.check()?;
        }
        let order = self.nodes.orders.entry(seq.0).or_default();
        order.attempt = *attempt;
        order.note = note.clone();
        let (attempt, state, since) = (*attempt, ShipmentState::Assigned, stamp);
        order.shipments.extend(shipments.iter().map(|&planned| Shipment {
            planned,
            attempt,
            state,
            since,
        }));
        Ok((Touched::Order(*seq), None))
    }

    /// Move a shipment out of `Assigned`; return it and its reservation's SKU.
    fn end_shipment(
        &mut self,
        seq: ReservationSeq,
        shipment: u8,
        to: ShipmentState,
        stamp: Timestamp,
    ) -> Result<(Shipment, SkuIx), String> {
        let sku = self.reservation(seq).ok_or("no such reservation")?.sku;
        let order = self.nodes.orders.get_mut(&seq.0).ok_or("the reservation has no plan")?;
        let s = order.shipments.get_mut(usize::from(shipment)).ok_or("no such shipment")?;
        ensure(s.state == ShipmentState::Assigned, "only an assigned shipment moves on")?;
        (s.state, s.since) = (to, stamp);
        Ok((*s, sku))
    }

    fn apply_rejected(
        &mut self,
        seq: ReservationSeq,
        shipment: u8,
        reason: Reason,
        (also_off, withdrawn): (u32, u32),
        stamp: Timestamp,
    ) -> Applied {
        let (s, sku) = self.end_shipment(seq, shipment, ShipmentState::of(reason), stamp)?;
        let (node, units) = (s.planned.node, s.planned.units);
        let stock = self.nodes.stock_mut(node, sku)?;
        stock.assigned =
            stock.assigned.checked_sub(units).ok_or("refused what was not assigned")?;
        let all_off = if reason == Reason::NotInStock { stock.free } else { 0 };
        ensure(also_off == all_off, "an empty shelf has no free units left")?;
        let lost = match reason {
            Reason::TooBusy => planted!("refused-not-given-back", units, 0),
            Reason::Damaged | Reason::NotInStock => units + also_off,
        };
        stock.free = stock.free - also_off + if lost == 0 { units } else { 0 };
        stock.written_off += lost;
        stock.check()?;
        if reason != Reason::Damaged {
            self.nodes.list[node.index()].rejected += 1;
        }
        ensure(withdrawn <= lost, "no more is withdrawn than was lost")?;
        if withdrawn == 0 {
            return Ok((Touched::Order(seq), None));
        }
        let moved = self.move_supply(sku, -i64::from(withdrawn))?;
        Ok((Touched::Order(seq), Some(moved)))
    }

    fn hand_over(
        &mut self,
        seq: ReservationSeq,
        shipment: u8,
        stamp: Timestamp,
    ) -> Result<(), String> {
        let (s, sku) = self.end_shipment(seq, shipment, ShipmentState::HandedOver, stamp)?;
        let stock = self.nodes.stock_mut(s.planned.node, sku)?;
        let assigned = stock.assigned.checked_sub(s.planned.units);
        stock.assigned = assigned.ok_or("handed over what was not assigned")?;
        stock.gone += s.planned.units;
        stock.check()?;
        self.nodes.list[s.planned.node.index()].accepted += 1;
        Ok(())
    }

    fn apply_collected(&mut self, seq: ReservationSeq, stamp: Timestamp) -> Applied {
        ensure(self.open_units(seq) == 0, "collected before all of it was planned")?;
        let order = self.nodes.orders.get_mut(&seq.0).ok_or("the reservation has no plan")?;
        ensure(order.collected_at == Timestamp(0), "a pick-up code was redeemed twice")?;
        let sold = self.reservations.get(seq.0).is_some_and(|r| r.state == State::Sold);
        ensure(sold, "collected what is not sold")?;
        planted!("code-redeemed-twice", (), order.collected_at = stamp);
        let places = order.shipments.len();
        for place in 0..places {
            let order = &self.nodes.orders[&seq.0];
            if order.shipments[place].state == ShipmentState::Assigned {
                self.hand_over(seq, place as u8, stamp)?;
            }
        }
        self.drop_note(seq);
        Ok((Touched::Order(seq), None))
    }

    /// Forget why a plan won once nothing of it can change any more.
    fn drop_note(&mut self, seq: ReservationSeq) {
        let open = self.open_units(seq);
        if let Some(order) = self.nodes.orders.get_mut(&seq.0) {
            let waits = order.shipments.iter().any(|s| s.state == ShipmentState::Assigned);
            if open == 0 && !waits {
                order.note = Box::default();
            }
        }
    }

    /// A sale is about to be cancelled: what has not left its store goes back, or is written off.
    pub(super) fn take_plan_back(
        &mut self,
        seq: ReservationSeq,
        restock: bool,
        stamp: Timestamp,
    ) -> Result<(), String> {
        ensure(!(restock && self.has_left(seq)), "what left its store cannot be free again")?;
        let order = planted!("cancel-keeps-plan", None, self.nodes.orders.get(&seq.0));
        let Some(order) = order else { return Ok(()) };
        for place in 0..order.shipments.len() {
            let shipment = self.nodes.orders[&seq.0].shipments[place];
            if shipment.state != ShipmentState::Assigned {
                continue;
            }
            let to = ShipmentState::TakenBack;
            let (s, sku) = self.end_shipment(seq, place as u8, to, stamp)?;
            let stock = self.nodes.stock_mut(s.planned.node, sku)?;
            let assigned = stock.assigned.checked_sub(s.planned.units);
            stock.assigned = assigned.ok_or("took back what was not assigned")?;
            let to = if restock { &mut stock.free } else { &mut stock.written_off };
            *to += s.planned.units;
            stock.check()?;
        }
        if let Some(order) = self.nodes.orders.get_mut(&seq.0) {
            order.note = Box::default();
        }
        Ok(())
    }

    /// Count every store's stock again from the orders, and every order against its sale. O(all).
    pub(super) fn audit_nodes(&self) -> Result<(), Violation> {
        let mut counted: BTreeMap<(NodeNo, SkuIx), (u64, u64)> = BTreeMap::new();
        for (&seq, order) in &self.nodes.orders {
            let Some(r) = self.reservation(ReservationSeq(seq)) else {
                return violated("INV-16", format!("order {seq} has no reservation"));
            };
            let live = order.live_units();
            let most = if r.state == State::Sold { r.quantity.get() } else { 0 };
            let gone = |s: &&Shipment| s.state == ShipmentState::HandedOver;
            let left: u32 = order.shipments.iter().filter(gone).map(|s| s.planned.units).sum();
            if live > most.max(left) || left > r.quantity.get() {
                let what = format!("order {seq}: {live} units on their way, {most} sold");
                return violated("INV-16", what);
            }
            for s in &order.shipments {
                let (assigned, gone) = counted.entry((s.planned.node, r.sku)).or_default();
                match s.state {
                    ShipmentState::Assigned => *assigned += u64::from(s.planned.units),
                    ShipmentState::HandedOver => *gone += u64::from(s.planned.units),
                    _ => {}
                }
            }
        }
        let mut supplied: BTreeMap<SkuIx, u64> = BTreeMap::new();
        for (&key, stock) in &self.nodes.stock {
            let said = (u64::from(stock.assigned), u64::from(stock.gone));
            let found = counted.remove(&key).unwrap_or_default();
            if stock.check().is_err() || said != found {
                let what = format!("{key:?} says {stock:?}, its orders {found:?}");
                return violated("INV-15", what);
            }
            *supplied.entry(key.1).or_default() += u64::from(stock.supplied);
        }
        if let Some((key, _)) = counted.pop_first() {
            return violated("INV-15", format!("an order takes stock of {key:?}, which has none"));
        }
        self.audit_supply(&supplied)
    }

    /// Where the stores' stock is the supply, both are the same units.
    fn audit_supply(&self, supplied: &BTreeMap<SkuIx, u64>) -> Result<(), Violation> {
        for (n, s) in self.skus.iter().enumerate() {
            let from_stores = self.campaigns[s.campaign.index()].terms.supply_from_stores;
            let at_stores = supplied.get(&SkuIx(n as u32)).copied().unwrap_or(0);
            if from_stores && u64::from(s.supplied) != at_stores {
                let what = format!("SKU {n}: supplied {}, its stores {at_stores}", s.supplied);
                return violated("INV-15", what);
            }
        }
        Ok(())
    }
}

fn violated(promise: &'static str, what: String) -> Result<(), Violation> {
    Err(Violation { promise, what })
}

/// What a count says must be free: what is there, less what orders have and the store keeps.
pub(super) fn free_by_count(stock: Option<&NodeStock>, on_hand: u32, safety: u32) -> u32 {
    let assigned = planted!("count-forgets-orders", 0, stock.map_or(0, |stock| stock.assigned));
    on_hand.saturating_sub(assigned).saturating_sub(safety)
}
