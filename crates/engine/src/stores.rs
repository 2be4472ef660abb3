//! Stores: what they have, and the orders that sales become there.
//!
//! The engine keeps the books: which store has what, which sold reservation became which shipments,
//! and that no unit is sent twice. Who decides *which* store is a router above, which reads the
//! state with [`Engine::inspect`], follows it with [`Engine::events`], and proposes plans here; a
//! plan that no longer fits is refused and made anew.

use crate::engine::Engine;
use crate::front::ReserveRequest;
use crate::owner::RECORD_BYTES_MAX;
use crate::pending::Pending;
use crate::shared::{Reservation, Shared};
use onrush_core::ledger::{By, Ledger, NodeAction, Planned, Reason, StockHow};
use onrush_types::limits::{
    NAME_BYTES_MAX, NODE_ATTRIBUTES_BYTES_MAX, PLAN_NOTE_BYTES_MAX, ROUTING_BYTES_MAX,
    SHIPMENTS_PER_PLAN_MAX, TEXT_BYTES_MAX,
};
use onrush_types::{NodeNo, ReservationSeq, SkuIx};
use std::sync::atomic::Ordering;

const BY_BYTES: usize = 64 + 2 * TEXT_BYTES_MAX;
const _: () = assert!(
    RECORD_BYTES_MAX > BY_BYTES + NAME_BYTES_MAX + NODE_ATTRIBUTES_BYTES_MAX,
    "a store's record fits"
);
const _: () = assert!(
    RECORD_BYTES_MAX > 64 + 18 * SHIPMENTS_PER_PLAN_MAX + PLAN_NOTE_BYTES_MAX,
    "a plan's record fits"
);

impl Engine {
    /// Return how many stores there are. One load.
    pub fn store_count(&self) -> u32 {
        // Relaxed: a figure that stands alone.
        self.shared.stores.load(Ordering::Relaxed)
    }

    /// Tell whether a buyer used the key of this request before, or is using it right now.
    ///
    /// For layers that refuse on their own account: a repeat is the engine's to answer, always.
    pub fn is_repeat(&self, ask: &ReserveRequest<'_>) -> bool {
        self.shared.is_repeat(ask)
    }

    /// Add a store, or change what is kept with it. Putting the same again is answered `Already`.
    pub fn put_node(&self, name: &str, attributes: &str, by: By) -> Pending<NodeNo> {
        let (name, attributes) = (name.into(), attributes.into());
        self.act(NodeAction::Put { name, attributes, by })
    }

    /// Change a store's stock of a SKU. Where the stores' stock is the campaign's supply, the SKU's
    /// units move in the same record.
    pub fn move_stock(&self, node: NodeNo, sku: SkuIx, how: StockHow, by: By) -> Pending<NodeNo> {
        self.act(NodeAction::Stock { node, sku, how, by })
    }

    /// Make a sold reservation an order at stores. The plan covers exactly what is open of it; one
    /// that is planned already is answered `Already`, one that no longer fits is refused.
    pub fn plan(&self, planned: Planned) -> Pending<Reservation> {
        self.act(NodeAction::Plan(planned))
    }

    /// Note that a store refuses what it was assigned; its units are open again.
    pub fn reject(
        &self,
        seq: ReservationSeq,
        node: NodeNo,
        reason: Reason,
        by: By,
    ) -> Pending<Reservation> {
        self.act(NodeAction::Reject { seq, node, reason, by })
    }

    /// Note that what a store was assigned left it.
    pub fn dispatch(&self, seq: ReservationSeq, node: NodeNo, by: By) -> Pending<Reservation> {
        self.act(NodeAction::Dispatch { seq, node, by })
    }

    /// Note that the buyer collected it. The caller has checked the code; a second time is refused
    /// `already_final`.
    pub fn collect(&self, seq: ReservationSeq, by: By) -> Pending<Reservation> {
        self.act(NodeAction::Collect { seq, by })
    }

    /// Put a routing policy in place of version `replaces` (0: there was none). Resolves to its
    /// version.
    pub fn put_routing(&self, replaces: u32, text: &str, by: By) -> Pending<u32> {
        self.act(NodeAction::Routing { replaces, text: text.into(), by })
    }
}

impl Shared {
    pub(crate) fn publish_stores(&self, ledger: &Ledger) {
        // Relaxed: a figure that stands alone; what it counts is read from the ledger.
        self.stores.store(ledger.nodes().len() as u32, Ordering::Relaxed);
    }
}

/// An upper bound of the bytes that a request's records take in the journal.
pub(crate) fn bytes_max(ask: &NodeAction) -> usize {
    match ask {
        NodeAction::Routing { text, .. } => RECORD_BYTES_MAX + text.len().min(ROUTING_BYTES_MAX),
        NodeAction::Reject { .. } | NodeAction::Dispatch { .. } => {
            RECORD_BYTES_MAX * SHIPMENTS_PER_PLAN_MAX
        }
        _ => RECORD_BYTES_MAX,
    }
}

/// Tell whether a request adds work for later: on a full disk it waits. What a store refused or
/// handed over is noted as long as there is room at all.
pub(crate) fn is_new(ask: &NodeAction) -> bool {
    match ask {
        NodeAction::Put { .. } | NodeAction::Plan(_) | NodeAction::Routing { .. } => true,
        NodeAction::Stock { how, .. } => !matches!(how, StockHow::Add(units) if *units < 0),
        NodeAction::Reject { .. } | NodeAction::Dispatch { .. } | NodeAction::Collect { .. } => {
            false
        }
    }
}
