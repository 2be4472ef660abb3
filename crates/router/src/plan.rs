//! What the router decided for one order, and what becomes of it at the nodes.

use crate::capacity::SlotIx;
use crate::cost::Cost;
use crate::delivery::Promise;
use crate::network::Network;
use crate::node::NodeIx;
use crate::order::{ChannelNo, SkuNo};
use crate::stock::EntryIx;
use onrush_types::Timestamp;
use std::ops::Range;

/// A plan. Reuse it: planning into it keeps its memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// In the order of their nodes' names.
    pub shipments: Vec<Shipment>,
    /// Units of every shipment, in one list.
    pub picks: Vec<Pick>,
    /// Units no node ships.
    pub unfilled: Vec<Unfilled>,
    /// What it costs: shipping, units, distance, handling, and what is unfilled.
    pub cost: Cost,
    /// What the decision weighed: cost under the policy's weights, lateness, rejection, priorities
    /// and opportunity prices included.
    pub weighed: Cost,
    /// How far the proof of the minimum reaches.
    pub proof: Proof,
    /// The channel whose quotas it takes.
    pub channel: Option<ChannelNo>,
}

/// What one node sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Shipment {
    /// Which node.
    pub node: NodeIx,
    /// Its picks, as a range of [`Plan::picks`].
    pub picks: Range<u32>,
    /// When the node starts.
    pub start: Timestamp,
    /// The slot it takes, at nodes with a capacity.
    pub slot: Option<SlotIx>,
    /// Road kilometres.
    pub km: f64,
    /// When it arrives, and how sure that is.
    pub promise: Promise,
    /// What it costs.
    pub cost: Cost,
    /// What was weighed, term by term.
    pub terms: TermCosts,
}

/// Units of one SKU from one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The node's stock of the SKU.
    pub entry: EntryIx,
    /// The order's line.
    pub line: u16,
    /// Which SKU.
    pub sku: SkuNo,
    /// How many.
    pub units: u32,
    /// Units that must stay free at the node.
    pub floor: u32,
}

/// Units of one SKU that no node ships.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfilled {
    /// The order's line.
    pub line: u16,
    /// Which SKU.
    pub sku: SkuNo,
    /// How many.
    pub units: u32,
}

/// A shipment's part in the weighed cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TermCosts {
    /// Sending anything at all.
    pub shipment: Cost,
    /// Its units.
    pub units: Cost,
    /// Its kilometres.
    pub distance: Cost,
    /// Preparing it.
    pub handling: Cost,
    /// The risk of arriving late.
    pub lateness: Cost,
    /// The risk of rejection.
    pub rejection: Cost,
    /// The policy's priorities.
    pub priority: Cost,
    /// What the units would be worth to later orders.
    pub opportunity: Cost,
    /// What the slot would be worth to later orders.
    pub slot: Cost,
}

impl TermCosts {
    /// Return the sum.
    pub fn total(&self) -> Cost {
        [
            self.shipment,
            self.units,
            self.distance,
            self.handling,
            self.lateness,
            self.rejection,
            self.priority,
            self.opportunity,
            self.slot,
        ]
        .into_iter()
        .sum()
    }
}

/// A certificate: why no plan for this order is cheaper under the prices used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Nodes that were looked at.
    pub looked_at: u32,
    /// Nodes that could ship and are not beaten in everything by another.
    pub candidates: u32,
    /// No plan over the candidates weighs less: the weighed cost itself unless they were cut.
    pub bound: Cost,
    /// No plan that uses a node not looked at weighs less than this; `None` is no such node.
    pub outside: Option<Cost>,
    /// Candidates were more than one decision holds, and some of those left out could not be ruled
    /// out.
    pub is_cut: bool,
}

impl Default for Proof {
    fn default() -> Proof {
        Proof { looked_at: 0, candidates: 0, bound: Cost::ZERO, outside: None, is_cut: false }
    }
}

impl Proof {
    /// Say whether the plan is proven minimal over every node of the network.
    pub fn covers_network(&self) -> bool {
        !self.is_cut && self.outside.is_none_or(|outside| outside >= self.bound)
    }
}

impl Plan {
    /// Empty the plan and keep its memory.
    pub fn clear(&mut self) {
        self.shipments.clear();
        self.picks.clear();
        self.unfilled.clear();
        self.cost = Cost::ZERO;
        self.weighed = Cost::ZERO;
        self.proof = Proof::default();
        self.channel = None;
    }

    /// Return the picks of one shipment.
    pub fn picks_of(&self, shipment: &Shipment) -> &[Pick] {
        &self.picks[shipment.picks.start as usize..shipment.picks.end as usize]
    }

    /// Return the units that are shipped.
    pub fn shipped_units(&self) -> u32 {
        self.picks.iter().map(|pick| pick.units).sum()
    }

    /// Return the units that are not.
    pub fn unfilled_units(&self) -> u32 {
        self.unfilled.iter().map(|unfilled| unfilled.units).sum()
    }

    /// Return the promise for the whole order: the latest shipment, all of them on time.
    pub fn promise(&self) -> Option<Promise> {
        let at = self.shipments.iter().map(|shipment| shipment.promise.at).max()?;
        let confidence = self.shipments.iter().map(|s| s.promise.confidence).product();
        Some(Promise { at, confidence })
    }
}

/// What stood in the way of a take; everything taken before it was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// Another order took these units.
    Stock(EntryIx),
    /// Another order of the channel took the quota.
    Quota(EntryIx),
    /// Another order took the node's last place in the slot.
    Slot(NodeIx, SlotIx),
}

impl Network {
    /// Take every unit, quota and slot of a plan, or none.
    ///
    /// Safe from any number of threads. Each pair of node and SKU is taken atomically; a take that
    /// fails later in the plan returns what was taken before it.
    ///
    /// # Errors
    /// The first thing that another order took meanwhile.
    pub fn hold(&self, plan: &Plan) -> Result<(), Conflict> {
        for (n, pick) in plan.picks.iter().enumerate() {
            if let Err(conflict) = self.hold_pick(pick, plan.channel) {
                plan.picks[..n].iter().for_each(|pick| self.give_back_pick(pick, plan.channel));
                return Err(conflict);
            }
        }
        for (n, shipment) in plan.shipments.iter().enumerate() {
            if let Err(conflict) = self.hold_slot(shipment) {
                plan.shipments[..n].iter().for_each(|before| self.give_back_slot(before));
                plan.picks.iter().for_each(|pick| self.give_back_pick(pick, plan.channel));
                return Err(conflict);
            }
        }
        Ok(())
    }

    /// Return everything a held plan took.
    ///
    /// # Panics
    /// When the plan was not held.
    pub fn give_back(&self, plan: &Plan) {
        plan.picks.iter().for_each(|pick| self.give_back_pick(pick, plan.channel));
        plan.shipments.iter().for_each(|shipment| self.give_back_slot(shipment));
    }

    /// Turn a held plan into a sold one.
    ///
    /// # Panics
    /// When the plan was not held.
    pub fn confirm(&self, plan: &Plan) {
        for pick in &plan.picks {
            self.entry(pick.entry).confirm(pick.units);
        }
    }

    pub(crate) fn hold_pick(
        &self,
        pick: &Pick,
        channel: Option<ChannelNo>,
    ) -> Result<(), Conflict> {
        let quota = channel.and_then(|channel| self.quota(pick.entry, channel));
        if quota.is_some_and(|quota| !quota.take(pick.units)) {
            return Err(Conflict::Quota(pick.entry));
        }
        if self.entry(pick.entry).take(pick.units, pick.floor) {
            return Ok(());
        }
        if let Some(quota) = quota {
            quota.give_back(pick.units);
        }
        Err(Conflict::Stock(pick.entry))
    }

    pub(crate) fn give_back_pick(&self, pick: &Pick, channel: Option<ChannelNo>) {
        self.entry(pick.entry).give_back(pick.units);
        self.mark_returned(pick.entry);
        self.give_back_quota(pick, channel);
    }

    pub(crate) fn give_back_quota(&self, pick: &Pick, channel: Option<ChannelNo>) {
        if let Some(quota) = channel.and_then(|channel| self.quota(pick.entry, channel)) {
            quota.give_back(pick.units);
        }
    }

    pub(crate) fn hold_slot(&self, shipment: &Shipment) -> Result<(), Conflict> {
        let capacity = self.node(shipment.node).capacity.as_ref();
        match capacity.zip(shipment.slot) {
            Some((capacity, slot)) if !capacity.take(slot) => {
                Err(Conflict::Slot(shipment.node, slot))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn give_back_slot(&self, shipment: &Shipment) {
        let capacity = self.node(shipment.node).capacity.as_ref();
        if let Some((capacity, slot)) = capacity.zip(shipment.slot) {
            capacity.give_back(slot);
        }
    }
}
