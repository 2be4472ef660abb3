//! Decisions about stores, their stock, and the orders that sales become there.

use super::action::{Answer, Subject, Take};
use super::catalogue::check_by;
use super::decide::{Outcome, Sink, already, done, refuse};
use super::nodes::{
    NodeChange, NodeStock, Planned, Reason, Routing, Shipment, ShipmentState, StockMoved,
};
use super::nodes_apply::free_by_count;
use super::record::{By, Change};
use super::state::Ledger;
use crate::phase::Phase;
use crate::refusal::Refusal;
use crate::reservation::State;
use onrush_types::limits::{
    NAME_BYTES_MAX, NODE_ATTRIBUTES_BYTES_MAX, NODE_STOCK_MAX, NODES_MAX, PLAN_NOTE_BYTES_MAX,
    PLANS_PER_RESERVATION_MAX, ROUTING_BYTES_MAX, SHIPMENTS_PER_PLAN_MAX, SUPPLY_MAX,
    TEXT_BYTES_MAX,
};
use onrush_types::planted;
use onrush_types::{NodeNo, ReservationSeq, SkuIx, Timestamp};

/// A request about stores. Names were resolved and shapes checked by the layer above.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeAction {
    /// Add a store, or change what is kept with it.
    Put {
        /// Its name.
        name: Box<str>,
        /// Position, hours and the rest; at most [`NODE_ATTRIBUTES_BYTES_MAX`] bytes.
        attributes: Box<str>,
        /// Who and why.
        by: By,
    },
    /// Change a store's stock of a SKU.
    Stock {
        /// Which store.
        node: NodeNo,
        /// Which SKU.
        sku: SkuIx,
        /// How.
        how: StockHow,
        /// Who and why.
        by: By,
    },
    /// Make a sold reservation, or what is open of one, an order at stores.
    Plan(Planned),
    /// A store refuses what it was assigned of a reservation.
    Reject {
        /// Which reservation.
        seq: ReservationSeq,
        /// Which store.
        node: NodeNo,
        /// Why.
        reason: Reason,
        /// Who and why.
        by: By,
    },
    /// What a store was assigned of a reservation left it.
    Dispatch {
        /// Which reservation.
        seq: ReservationSeq,
        /// Which store.
        node: NodeNo,
        /// Who and why.
        by: By,
    },
    /// The buyer collected it; whoever asks has checked the code.
    Collect {
        /// Which reservation.
        seq: ReservationSeq,
        /// Who and why.
        by: By,
    },
    /// Put a routing policy.
    Routing {
        /// The version it replaces, 0 for none: two operators do not overwrite each other.
        replaces: u32,
        /// Its TOML, at most [`ROUTING_BYTES_MAX`] bytes, checked above.
        text: Box<str>,
        /// Who and why.
        by: By,
    },
}

/// How a store's stock changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StockHow {
    /// So many more for sale; negative takes free ones away.
    Add(i64),
    /// So many were counted at the store, those of orders that have not left included.
    Count {
        /// Units there.
        on_hand: u32,
        /// Of those, units the store keeps for itself.
        safety: u32,
        /// Channel quotas and the rest; at most [`TEXT_BYTES_MAX`] bytes.
        attributes: Box<str>,
    },
}

impl Ledger {
    pub(super) fn perform_nodes(
        &mut self,
        ask: NodeAction,
        now: Timestamp,
        take: &mut dyn Take,
        sink: Sink<'_>,
    ) -> Outcome {
        match ask {
            NodeAction::Put { name, attributes, by } => {
                self.put_node(name, attributes, by, now, sink)
            }
            NodeAction::Stock { node, sku, how, by } => {
                self.node_stock_moves((node, sku), how, by, now, take, sink)
            }
            NodeAction::Plan(planned) => self.plan(planned, now, sink),
            NodeAction::Reject { seq, node, reason, by } => {
                self.reject((seq, node), reason, by, now, take, sink)
            }
            NodeAction::Dispatch { seq, node, by } => self.dispatch(seq, node, by, now, sink),
            NodeAction::Collect { seq, by } => self.collect(seq, by, now, sink),
            NodeAction::Routing { replaces, text, by } => {
                self.put_routing(replaces, text, by, now, sink)
            }
        }
    }

    fn note(
        &mut self,
        change: NodeChange,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Result<(), super::apply::Divergence> {
        self.record(Change::Nodes(Box::new(change)), now, sink)
    }

    fn put_node(
        &mut self,
        name: Box<str>,
        attributes: Box<str>,
        by: By,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let known = self.node_named(&name);
        if let Err(what) = check_by(&by).and_then(|()| check_node(&name, &attributes)) {
            return invalid(what);
        }
        if known.is_none() && self.nodes.list.len() >= NODES_MAX {
            return invalid(format!("node: at most {NODES_MAX} stores in one data folder"));
        }
        let node = known.unwrap_or(NodeNo(self.nodes.list.len() as u32));
        if known.is_some_and(|node| self.nodes.list[node.index()].attributes == attributes) {
            return Ok(Answer::Already(Subject::Node(node)));
        }
        self.note(NodeChange::Node { node, name, attributes, by }, now, sink)?;
        Ok(Answer::Done(Subject::Node(node)))
    }

    fn node_stock_moves(
        &mut self,
        (node, sku): (NodeNo, SkuIx),
        how: StockHow,
        by: By,
        now: Timestamp,
        take: &mut dyn Take,
        sink: Sink<'_>,
    ) -> Outcome {
        let known = node.index() < self.nodes.list.len() && sku.index() < self.skus.len();
        if !known {
            return refuse(Refusal::NotFound);
        }
        if let Err(what) = check_by(&by) {
            return invalid(what);
        }
        let stock = self.node_stock(node, sku);
        let free = stock.map_or(0, |stock| stock.free);
        let (units, safety, attributes) = match how {
            StockHow::Add(units) => {
                let kept = stock.map(|stock| (stock.safety, stock.attributes.clone()));
                let (safety, attributes) = kept.unwrap_or_default();
                (units, safety, attributes)
            }
            StockHow::Count { on_hand, safety, attributes } => {
                let target = free_by_count(stock, on_hand, safety);
                (i64::from(target) - i64::from(free), safety, attributes)
            }
        };
        let same = stock.is_some_and(|stock| {
            units == 0 && stock.safety == safety && stock.attributes == attributes
        });
        if same {
            return Ok(Answer::Already(Subject::Node(node)));
        }
        if attributes.len() > TEXT_BYTES_MAX {
            return invalid(format!("channel_quota: at most {TEXT_BYTES_MAX} bytes"));
        }
        if let Err(refusal) = self.stock_may_move(sku, stock, units) {
            return refuse(refusal);
        }
        let supplies = self.campaign_of(sku).terms.supply_from_stores;
        let n = units.unsigned_abs() as u32;
        if supplies && units < 0 && !planted!("store-untaken", true, take.take(sku, n)) {
            return refuse(self.on_hold(sku));
        }
        let moved = StockMoved { node, sku, units, supplies, safety, attributes, by };
        self.note(NodeChange::Stock(moved), now, sink)?;
        Ok(Answer::Done(Subject::Node(node)))
    }

    fn stock_may_move(
        &self,
        sku: SkuIx,
        stock: Option<&NodeStock>,
        units: i64,
    ) -> Result<(), Refusal> {
        let say = |what: String| Err(Refusal::Invalid(what));
        let s = &self.skus[sku.index()];
        let c = &self.campaigns[s.campaign.index()];
        if c.reached == Phase::Settled {
            return Err(Refusal::Ended);
        }
        if stock.is_none() && self.nodes.stock.len() >= NODE_STOCK_MAX {
            return say(format!("at most {NODE_STOCK_MAX} pairs of store and SKU"));
        }
        let from_stores = c.terms.supply_from_stores;
        if units >= 0 {
            let at_store = SUPPLY_MAX - stock.map_or(0, |stock| stock.supplied);
            let room = if from_stores { at_store.min(SUPPLY_MAX - s.supplied) } else { at_store };
            if units > i64::from(room) {
                return say(format!("at most {room} more units fit this SKU"));
            }
            return Ok(());
        }
        let free = stock.map_or(0, |stock| stock.free);
        if planted!("store-below-zero", false, units.unsigned_abs() > u64::from(free)) {
            return say(format!("only {free} units are free there"));
        }
        if from_stores && units.unsigned_abs() > u64::from(s.free) {
            return Err(self.on_hold(sku));
        }
        Ok(())
    }

    /// Buyers hold, or own unrouted, what the stores want to take away.
    fn on_hold(&self, sku: SkuIx) -> Refusal {
        let s = &self.skus[sku.index()];
        Refusal::Invalid(format!(
            "only {} units over all stores are neither held nor sold; {} are on hold: try again \
             after those are decided",
            s.free, s.held
        ))
    }

    fn plan(&mut self, planned: Planned, now: Timestamp, sink: Sink<'_>) -> Outcome {
        let seq = planned.seq;
        let Some(r) = self.reservation(seq) else { return refuse(Refusal::NotFound) };
        let sku = r.sku;
        if r.state != State::Sold {
            return refuse(Refusal::AlreadyFinal);
        }
        let open = self.open_units(seq);
        if open == 0 {
            return already(seq);
        }
        let attempt = self.order(seq).map_or(0, |order| order.attempt) + 1;
        if attempt > PLANS_PER_RESERVATION_MAX {
            return invalid("too many plans were refused; cancel the sale".to_owned());
        }
        let units: u64 = planned.shipments.iter().map(|s| u64::from(s.units)).sum();
        let count = planned.shipments.len();
        if planned.attempt != attempt
            || units != u64::from(open)
            || !(1..=SHIPMENTS_PER_PLAN_MAX).contains(&count)
            || planned.shipments.iter().any(|s| s.units == 0)
            || planned.note.len() > PLAN_NOTE_BYTES_MAX
        {
            return invalid(format!("plan {attempt} must cover the {open} open units"));
        }
        for (at, shipment) in planned.shipments.iter().enumerate() {
            let node = shipment.node;
            let twice = planned.shipments[..at].iter().any(|before| before.node == node);
            let refused = self.order(seq).is_some_and(|order| order.is_refused_by(node));
            let free = self.node_stock(node, sku).map_or(0, |stock| stock.free);
            if twice || refused || free < shipment.units {
                let what = format!("store {node} has {free} units for it: plan it anew");
                return invalid(what);
            }
        }
        self.note(NodeChange::Planned(planned), now, sink)?;
        done(seq)
    }

    /// Return the places of what `node` has to do for a reservation, or why it has nothing.
    fn assigned_to(&self, seq: ReservationSeq, node: NodeNo) -> Result<Vec<u8>, Refusal> {
        let order = self.order(seq).ok_or(Refusal::NotFound)?;
        let at_node = |s: &&Shipment| s.planned.node == node;
        if !order.shipments.iter().any(|s| at_node(&s)) {
            return Err(Refusal::NotFound);
        }
        let places = order.shipments.iter().enumerate();
        let open = places.filter(|(_, s)| at_node(s) && s.state == ShipmentState::Assigned);
        Ok(open.map(|(place, _)| place as u8).collect())
    }

    fn reject(
        &mut self,
        (seq, node): (ReservationSeq, NodeNo),
        reason: Reason,
        by: By,
        now: Timestamp,
        take: &mut dyn Take,
        sink: Sink<'_>,
    ) -> Outcome {
        if let Err(what) = check_by(&by) {
            return invalid(what);
        }
        let places = match self.assigned_to(seq, node) {
            Err(refusal) => return refuse(refusal),
            Ok(places) => places,
        };
        if places.is_empty() {
            let refused = self.order(seq).is_some_and(|order| order.is_refused_by(node));
            return if refused { already(seq) } else { refuse(Refusal::AlreadyFinal) };
        }
        for shipment in places {
            let planned = self.nodes.orders[&seq.0].shipments[usize::from(shipment)].planned;
            let sku = self.reservation(seq).expect("it has an order").sku;
            let free = self.node_stock(node, sku).map_or(0, |stock| stock.free);
            let also_off = if reason == Reason::NotInStock { free } else { 0 };
            let lost = if reason == Reason::TooBusy { 0 } else { planned.units + also_off };
            let withdrawn = planted!("lost-stays-for-sale", 0, self.withdraw_lost(sku, lost, take));
            let by = by.clone();
            let change = NodeChange::Rejected { seq, shipment, reason, also_off, withdrawn, by };
            self.note(change, now, sink)?;
        }
        done(seq)
    }

    /// Take up to `lost` free units out of the sale: stores do not have what it counted on. Fewer
    /// where buyers hold them; those sales stay unrouted and are for the operator.
    fn withdraw_lost(&self, sku: SkuIx, lost: u32, take: &mut dyn Take) -> u32 {
        if !self.campaign_of(sku).terms.supply_from_stores {
            return 0;
        }
        let most = lost.min(self.skus[sku.index()].free);
        let (mut taken, mut step) = (0, most);
        // Callers may have taken what is not decided yet: halve until it fits, O(log units).
        while step > 0 && taken < most {
            let ask = step.min(most - taken);
            if take.take(sku, ask) {
                taken += ask;
            } else {
                step = ask / 2;
            }
        }
        taken
    }

    fn dispatch(
        &mut self,
        seq: ReservationSeq,
        node: NodeNo,
        by: By,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        if let Err(what) = check_by(&by) {
            return invalid(what);
        }
        let places = match self.assigned_to(seq, node) {
            Err(refusal) => return refuse(refusal),
            Ok(places) => places,
        };
        if places.is_empty() {
            let order = self.order(seq).expect("it was looked at");
            let left =
                |s: &Shipment| s.planned.node == node && s.state == ShipmentState::HandedOver;
            let left = order.shipments.iter().any(left);
            return if left { already(seq) } else { refuse(Refusal::AlreadyFinal) };
        }
        for shipment in places {
            let change = NodeChange::Dispatched { seq, shipment, by: by.clone() };
            self.note(change, now, sink)?;
        }
        done(seq)
    }

    fn collect(&mut self, seq: ReservationSeq, by: By, now: Timestamp, sink: Sink<'_>) -> Outcome {
        if let Err(what) = check_by(&by) {
            return invalid(what);
        }
        let sold = self.reservation(seq).is_some_and(|r| r.state == State::Sold);
        let Some(order) = self.order(seq) else { return refuse(Refusal::NotFound) };
        if !sold || order.collected_at != Timestamp(0) {
            return refuse(Refusal::AlreadyFinal);
        }
        if self.open_units(seq) > 0 {
            let what = "part of it was refused and has no store yet; look again shortly";
            return invalid(what.to_owned());
        }
        self.note(NodeChange::Collected { seq, by }, now, sink)?;
        done(seq)
    }

    fn put_routing(
        &mut self,
        replaces: u32,
        text: Box<str>,
        by: By,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        if let Err(what) = check_by(&by) {
            return invalid(what);
        }
        if text.len() > ROUTING_BYTES_MAX {
            return invalid(format!("policy: at most {ROUTING_BYTES_MAX} bytes"));
        }
        let last = self.nodes.routing.as_ref();
        let version = last.map_or(0, |routing| routing.version);
        if last.is_some_and(|routing| *routing.text == *text) {
            return Ok(Answer::Already(Subject::Routing(version)));
        }
        if planted!("policy-overtaken", false, replaces != version) {
            return invalid(format!("replaces: the policy in force is version {version}"));
        }
        let routing = Routing { version: version + 1, text: text.into(), by };
        self.note(NodeChange::Routing(routing), now, sink)?;
        Ok(Answer::Done(Subject::Routing(version + 1)))
    }
}

fn invalid(what: String) -> Outcome {
    refuse(Refusal::Invalid(what))
}

fn check_node(name: &str, attributes: &str) -> Result<(), String> {
    let clean = name.trim() == name && !name.chars().any(char::is_control);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !clean {
        return Err(format!(
            "node: a name has 1 to {NAME_BYTES_MAX} bytes, no control characters and no blanks \
             around it"
        ));
    }
    if attributes.len() > NODE_ATTRIBUTES_BYTES_MAX {
        return Err(format!("node: what is kept with it has {NODE_ATTRIBUTES_BYTES_MAX} bytes"));
    }
    Ok(())
}
