//! Stores, asked: what operators, stores, buyers at the counter and the router want, and what each must
//! be told. The history is its own router: it proposes plans, good ones mostly.

use crate::counter;
use crate::history::{Flow, Run};
use crate::oracle::{Holds, Oracle, broken};
use crate::plan::StoreStep;
use crate::store::Order;
use crate::turn::Records;
use crate::world::{Ask, Waits, World, by};
use onrush::ledger::{Change, NodeChange, Planned, PlannedShipment, Reason, StockHow};
use onrush::{NodeNo, Phase, ReservationSeq, SkuIx, Timestamp};
use onrush_types::limits::PLANS_PER_RESERVATION_MAX;

/// Shipments that a history proposes at most.
const SHIPMENTS: usize = 3;

/// Something asked about stores.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say what the variants say")]
pub enum StoreAsk {
    Put { node: usize, attributes: u8 },
    Add { node: usize, sku: usize, units: i64 },
    Count { node: usize, sku: usize, on_hand: u32, safety: u32 },
    Plan { n: usize, attempt: u16, shipments: [(usize, u32); SHIPMENTS] },
    Dispatch { n: usize, node: usize },
    Reject { n: usize, node: usize, reason: Reason },
    Collect { n: usize },
    Policy { replaces: u32, which: u8 },
}

impl StoreAsk {
    /// Return the reservation it is about.
    pub(crate) fn subject(self) -> Option<usize> {
        match self {
            StoreAsk::Plan { n, .. }
            | StoreAsk::Dispatch { n, .. }
            | StoreAsk::Reject { n, .. }
            | StoreAsk::Collect { n } => Some(n),
            StoreAsk::Put { .. }
            | StoreAsk::Add { .. }
            | StoreAsk::Count { .. }
            | StoreAsk::Policy { .. } => None,
        }
    }

    fn planned(n: usize, attempt: u16, shipments: &[(usize, u32)]) -> Planned {
        let shipment = |&(node, units): &(usize, u32)| PlannedShipment {
            node: NodeNo(node as u32),
            units,
            promise_at: Timestamp(crate::clock::T0 + 3_600_000),
            sure: 9_500,
        };
        let carries = shipments.iter().filter(|shipment| shipment.1 > 0);
        let (seq, shipments) = (ReservationSeq(n as u32), carries.map(shipment).collect());
        Planned { seq, attempt, shipments, note: Box::from(*b"a drill") }
    }
}

impl Run<'_> {
    /// Put the stores and what they have first.
    pub(crate) fn set_up_stores(&mut self) -> Flow {
        for node in 0..usize::from(self.plan.setup.nodes) {
            self.send(Ask::Store(StoreAsk::Put { node, attributes: 0 }), None, false)?;
            self.turn_without_waves()?;
        }
        for at in 0..self.plan.setup.stock.len() {
            let (node, sku, units) = self.plan.setup.stock[at];
            let (node, units) = (usize::from(node), i64::from(units));
            self.send(Ask::Store(StoreAsk::Add { node, sku, units }), None, false)?;
            self.turn_without_waves()?;
        }
        Ok(())
    }

    /// Let somebody do something about stores, if there are any.
    pub(crate) fn store_step(&mut self, step: StoreStep) -> Flow {
        let nodes = self.oracle.stores.nodes.len();
        if nodes == 0 {
            return Ok(());
        }
        let at = |node: u8| usize::from(node) % nodes;
        let model = &self.oracle.model;
        let sku = |sku: u8| usize::from(sku) % model.skus.len();
        let orders: Vec<usize> = self.oracle.stores.orders.keys().copied().collect();
        let order = |which: u16| orders.get(usize::from(which) % orders.len().max(1)).copied();
        let (ask, times) = match step {
            // Head office speaks, too; mostly it knows which policy is in force.
            StoreStep::Put { node, attributes: 2 } => {
                let replaces = self.oracle.stores.policy.0 + u32::from(node == 2);
                (StoreAsk::Policy { replaces, which: model.res.len() as u8 }, 1)
            }
            StoreStep::Put { node, attributes } => {
                (StoreAsk::Put { node: at(node), attributes }, 1)
            }
            StoreStep::Add { node, sku: s, units } => {
                (StoreAsk::Add { node: at(node), sku: sku(s), units: units.into() }, 1)
            }
            StoreStep::Count { node, sku: s, on_hand, safety } => {
                let (on_hand, safety) = (on_hand.into(), safety.into());
                (StoreAsk::Count { node: at(node), sku: sku(s), on_hand, safety }, 1)
            }
            StoreStep::Plan { which, first, times, off } => {
                let sold = model.res.iter().enumerate().filter(|(_, r)| r.state == "sold");
                let sold: Vec<usize> = sold.map(|(n, _)| n).collect();
                let Some(&n) = sold.get(usize::from(which) % sold.len().max(1)) else {
                    return Ok(());
                };
                (self.oracle.proposal(n, at(first), off), times)
            }
            StoreStep::Dispatch { which, node } => match order(which) {
                Some(n) => (StoreAsk::Dispatch { n, node: at(node) }, 1),
                None => return Ok(()),
            },
            StoreStep::Reject { which, node, reason } => match order(which) {
                Some(n) => (StoreAsk::Reject { n, node: at(node), reason }, 1),
                None => return Ok(()),
            },
            StoreStep::Collect { which, times } => match order(which) {
                Some(n) => {
                    self.wrong_codes(n)?;
                    (StoreAsk::Collect { n }, times)
                }
                None => return Ok(()),
            },
        };
        (0..times).try_for_each(|_| self.send(Ask::Store(ask), None, false))
    }

    /// The router comes back and plans what it can; what stays open is in nobody's reach (INV-16).
    pub(crate) fn router_returns(&mut self) -> Flow {
        if self.oracle.stores.nodes.is_empty() {
            return Ok(());
        }
        for n in 0..self.oracle.model.res.len() {
            if self.oracle.open_units(n) > 0 {
                let ask = self.oracle.proposal(n, 0, 0);
                self.send(Ask::Store(ask), None, false)?;
                self.settle()?;
            }
        }
        Ok(self.oracle.nothing_unrouted()?)
    }
}

impl Oracle {
    /// Propose a plan for what is open of a sale, the stores asked from `first` on; `off` units too
    /// many. Where the stores have too little, the first is asked for the rest.
    fn proposal(&self, n: usize, first: usize, off: i8) -> StoreAsk {
        let sku = self.model.res[n].sku;
        let order = self.stores.orders.get(&n).cloned().unwrap_or_default();
        let mut rest = self.open_units(n);
        let mut shipments = [(0, 0); SHIPMENTS];
        let nodes = self.stores.nodes.len();
        for (at, shipment) in shipments.iter_mut().enumerate().take(nodes) {
            let node = (first + at) % nodes;
            let free = if order.refused_by(node) { 0 } else { self.free_at(node, sku) };
            *shipment = (node, free.min(rest));
            rest -= free.min(rest);
        }
        shipments[0].1 = (shipments[0].1 + rest).saturating_add_signed(off.into());
        StoreAsk::Plan { n, attempt: order.attempt + 1, shipments }
    }

    fn nothing_unrouted(&self) -> Holds {
        for n in 0..self.model.res.len() {
            let open = self.open_units(n);
            let order = self.stores.orders.get(&n).cloned().unwrap_or_default();
            let sku = self.model.res[n].sku;
            let willing = (0..self.stores.nodes.len()).filter(|node| !order.refused_by(*node));
            let free: u32 = willing.map(|node| self.free_at(node, sku)).sum();
            if open > 0 && free >= open && order.attempt < PLANS_PER_RESERVATION_MAX {
                return broken("INV-16", format!("{open} units of #{n} are open, {free} are free"));
            }
        }
        Ok(())
    }

    /// Return what something asked about stores comes to, where it is not recorded.
    pub(crate) fn store_answer(&self, ask: StoreAsk) -> String {
        match ask {
            StoreAsk::Put { node, attributes } => {
                let same = self.stores.nodes.get(node).is_some_and(|n| *n == kept(attributes));
                if same { "already" } else { "done" }.to_owned()
            }
            StoreAsk::Add { node, sku, units } => {
                let safety = self.stores.stock.get(&(node, sku)).map_or(0, |stock| stock.safety);
                self.stock_answer((node, sku), units, safety).to_owned()
            }
            StoreAsk::Count { node, sku, on_hand, safety } => {
                let units = self.counted((node, sku), on_hand, safety);
                self.stock_answer((node, sku), units, safety).to_owned()
            }
            StoreAsk::Plan { n, attempt, shipments } => self.plan_answer(n, attempt, &shipments),
            StoreAsk::Dispatch { n, node } => {
                let left = |o: &Order| o.has_left_from(node);
                self.store_s_answer(n, node, left)
            }
            StoreAsk::Reject { n, node, .. } => {
                self.store_s_answer(n, node, |order| order.refused_by(node))
            }
            StoreAsk::Collect { n } => self.collect_answer(n).to_owned(),
            StoreAsk::Policy { replaces, which } => {
                let (version, text) = &self.stores.policy;
                match () {
                    () if *version > 0 && text == counter::policy(which) => "already",
                    () if replaces != *version => "invalid_request",
                    () => "done",
                }
                .to_owned()
            }
        }
    }

    /// Return how many units a count adds to what is free.
    fn counted(&self, at: (usize, usize), on_hand: u32, safety: u32) -> i64 {
        let stock = self.stores.stock.get(&at).copied().unwrap_or_default();
        let target = on_hand.saturating_sub(stock.assigned).saturating_sub(safety);
        i64::from(target) - i64::from(stock.free)
    }

    fn stock_answer(&self, at: (usize, usize), units: i64, safety: u32) -> &'static str {
        let stock = self.stores.stock.get(&at);
        if units == 0 && stock.is_some_and(|stock| stock.safety == safety) {
            return "already";
        }
        if self.model.camp_of(at.1).phase == Phase::Settled {
            return "ended";
        }
        let lost = if units < 0 { units.unsigned_abs() as u32 } else { 0 };
        let short = self.model.figures(at.1)[0].saturating_sub(self.flying_units[at.1]) < lost;
        let supplies = self.is_from_stores(at.1) && lost > 0;
        let refused =
            lost > stock.map_or(0, |stock| stock.free) || supplies && (short || self.added(at.1));
        if refused { "invalid_request" } else { "done" }
    }

    fn plan_answer(&self, n: usize, attempt: u16, shipments: &[(usize, u32)]) -> String {
        let Some(r) = self.model.res.get(n) else { return "not_found".to_owned() };
        if r.state != "sold" {
            return "already_final".to_owned();
        }
        let open = self.open_units(n);
        if open == 0 {
            return format!("already {n}");
        }
        let order = self.stores.orders.get(&n).cloned().unwrap_or_default();
        let units: u32 = shipments.iter().map(|shipment| shipment.1).sum();
        let fits = shipments
            .iter()
            .filter(|shipment| shipment.1 > 0)
            .all(|&(node, units)| !order.refused_by(node) && self.free_at(node, r.sku) >= units);
        let next = attempt == order.attempt + 1 && attempt <= PLANS_PER_RESERVATION_MAX;
        if units == open && fits && next { format!("done {n}") } else { "invalid_request".into() }
    }

    /// Return what a store's word on what it has to do comes to; `said` tells that it said so before.
    fn store_s_answer(&self, n: usize, node: usize, said: impl Fn(&Order) -> bool) -> String {
        let order = self.stores.orders.get(&n);
        let Some(order) = order.filter(|order| order.shipments.iter().any(|s| s.0 == node)) else {
            return "not_found".to_owned();
        };
        match order.assigned_to(node).is_empty() {
            false => format!("done {n}"),
            true if said(order) => format!("already {n}"),
            true => "already_final".to_owned(),
        }
    }

    fn collect_answer(&self, n: usize) -> &'static str {
        let sold = self.model.res.get(n).is_some_and(|r| r.state == "sold");
        match self.stores.orders.get(&n) {
            None => "not_found",
            Some(order) if !sold || order.collected => "already_final",
            Some(_) if self.open_units(n) > 0 => "invalid_request",
            Some(_) => "done",
        }
    }

    /// Count the records at the front of `rest` that answer `ask`.
    pub(crate) fn store_records(&self, ask: StoreAsk, rest: &Records) -> usize {
        let Some((_, first)) = rest.first() else { return 0 };
        let Change::Nodes(change) = &first.change else { return 0 };
        let places = |n: usize, node: usize| {
            self.stores.orders.get(&n).map_or(Vec::new(), |order| order.assigned_to(node))
        };
        // A store's word is one record for each shipment that it was assigned.
        let all = |places: Vec<usize>, seq: ReservationSeq, n: usize, shipment: u8| {
            let first = places.first() == Some(&usize::from(shipment)) && seq.index() == n;
            if first { places.len() } else { 0 }
        };
        let is_it = match (&**change, ask) {
            (
                NodeChange::Node { node, attributes, .. },
                StoreAsk::Put { node: n, attributes: a },
            ) => node.index() == n && **attributes == *kept(a),
            (NodeChange::Stock(moved), StoreAsk::Add { node, sku, units }) => {
                (moved.node.index(), moved.sku.index(), moved.units) == (node, sku, units)
            }
            (NodeChange::Stock(moved), StoreAsk::Count { node, sku, on_hand, safety }) => {
                let units = self.counted((node, sku), on_hand, safety);
                let seen = (moved.node.index(), moved.sku.index(), moved.units, moved.safety);
                seen == (node, sku, units, safety)
            }
            (NodeChange::Planned(planned), StoreAsk::Plan { n, attempt, shipments }) => {
                *planned == StoreAsk::planned(n, attempt, &shipments)
            }
            (
                NodeChange::Rejected { seq, shipment, reason: r, .. },
                StoreAsk::Reject { n, node, reason },
            ) => {
                return if *r == reason { all(places(n, node), *seq, n, *shipment) } else { 0 };
            }
            (NodeChange::Dispatched { seq, shipment, .. }, StoreAsk::Dispatch { n, node }) => {
                return all(places(n, node), *seq, n, *shipment);
            }
            (NodeChange::Collected { seq, .. }, StoreAsk::Collect { n }) => seq.index() == n,
            (NodeChange::Routing(routing), StoreAsk::Policy { replaces, which }) => {
                (routing.version, &*routing.text) == (replaces + 1, counter::policy(which))
            }
            _ => false,
        };
        usize::from(is_it)
    }
}

impl Order {
    fn has_left_from(&self, node: usize) -> bool {
        self.shipments
            .iter()
            .any(|s| s.0 == node && s.2 == onrush::ledger::ShipmentState::HandedOver)
    }
}

/// Ask the engine.
pub(crate) fn ask(world: &World, ask: StoreAsk) -> Waits {
    let engine = &world.engine;
    let at = |node: usize| NodeNo(node as u32);
    let seq = |n: usize| ReservationSeq(n as u32);
    let sku = |sku: usize| SkuIx(sku as u32);
    match ask {
        StoreAsk::Put { node, attributes } => {
            Waits::Node(engine.put_node(&format!("n{node}"), &kept(attributes), by()))
        }
        StoreAsk::Add { node, sku: s, units } => {
            Waits::Node(engine.move_stock(at(node), sku(s), StockHow::Add(units), by()))
        }
        StoreAsk::Count { node, sku: s, on_hand, safety } => {
            let how = StockHow::Count { on_hand, safety, attributes: Box::default() };
            Waits::Node(engine.move_stock(at(node), sku(s), how, by()))
        }
        StoreAsk::Plan { n, attempt, shipments } => {
            Waits::Reservation(engine.plan(StoreAsk::planned(n, attempt, &shipments)))
        }
        StoreAsk::Dispatch { n, node } => {
            Waits::Reservation(engine.dispatch(seq(n), at(node), by()))
        }
        StoreAsk::Reject { n, node, reason } => {
            Waits::Reservation(engine.reject(seq(n), at(node), reason, by()))
        }
        StoreAsk::Collect { n } => Waits::Reservation(engine.collect(seq(n), by())),
        StoreAsk::Policy { replaces, which } => {
            Waits::Policy(engine.put_routing(replaces, counter::policy(which), by()))
        }
    }
}

/// Return what is kept with a store.
fn kept(attributes: u8) -> String {
    format!("{{\"kept\":{attributes}}}")
}
