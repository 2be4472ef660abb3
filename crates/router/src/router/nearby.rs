//! Stores near a buyer that still have something: what to offer when it is sold out online.

use super::Router;
use crate::geo::{Position, Spot};
use crate::limits::NEARBY_NODES_MAX;
use crate::node::{NodeIx, NodeKind};
use crate::order::SkuNo;
use crate::stock::EntryIx;

/// A store that has what was asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearby {
    /// Which store.
    pub node: NodeIx,
    /// Road kilometres from the place that was asked about.
    pub km: f64,
    /// Units it can hand over, above safety stock and what the policy protects.
    pub available: u32,
}

impl Router<'_> {
    /// Return the stores nearest to a place that can hand over `units` of a SKU, nearest first.
    ///
    /// Channels' quotas and delivery forms do not count: whoever walks in may buy. Only stores that
    /// the policy lets take part; at most `most`. Looks at no more than [`NEARBY_NODES_MAX`] nodes, the
    /// nearest in a straight line where more have the SKU; `O(1)` while it is sold out everywhere.
    pub fn nearby(&self, sku: SkuNo, units: u32, near: Position, most: usize) -> Vec<Nearby> {
        let network = self.network;
        if most == 0 || network.is_sold_out(sku) {
            return Vec::new();
        }
        let to = near.on_sphere();
        let store = |ix: EntryIx| self.store_with(ix, units.max(1), to);
        let holders = network.holders(sku);
        let mut found: Vec<Nearby> = if holders.len() <= NEARBY_NODES_MAX {
            holders.iter().filter_map(|&ix| store(ix)).collect()
        } else {
            let nodes = network.cells().by_distance(to).take(NEARBY_NODES_MAX);
            let entries = nodes.filter_map(|node| network.entry_of(NodeIx(node), sku));
            entries.filter_map(store).take(most).collect()
        };
        found.sort_by(|a, b| a.km.total_cmp(&b.km).then(a.node.cmp(&b.node)));
        found.truncate(most);
        found
    }

    /// Return the node of an entry if it is a store that may sell so many units to whoever walks in.
    fn store_with(&self, ix: EntryIx, units: u32, to: Spot) -> Option<Nearby> {
        let (network, rules) = (self.network, self.rules);
        let node = network.node_of(ix);
        let kind = network.node(node).kind;
        if kind != NodeKind::Store || !rules.is_allowed(node) {
            return None;
        }
        let entry = network.entry(ix);
        let available = entry.available(entry.safety().saturating_add(rules.protected(kind)));
        let km = || rules.km(node, network.spot(node), to);
        (available >= units).then(|| Nearby { node, km: km(), available })
    }
}
