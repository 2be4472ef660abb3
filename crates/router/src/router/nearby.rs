//! Stores near a buyer that still have something: what to offer when it is sold out online.

use super::Router;
use crate::geo::Position;
use crate::node::{NodeIx, NodeKind};
use crate::order::SkuNo;

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
    /// the policy lets take part; at most `most`. `O(holders of the SKU)`.
    pub fn nearby(&self, sku: SkuNo, units: u32, near: Position, most: usize) -> Vec<Nearby> {
        let (network, rules) = (self.network, self.rules);
        let to = near.on_sphere();
        let mut found: Vec<Nearby> = Vec::new();
        for &ix in network.holders(sku) {
            let node = network.node_of(ix);
            let facts = network.node(node);
            if facts.kind != NodeKind::Store || !rules.is_allowed(node) {
                continue;
            }
            let entry = network.entry(ix);
            let floor = entry.safety().saturating_add(rules.protected(facts.kind));
            let available = entry.available(floor);
            if available < units.max(1) {
                continue;
            }
            let km = rules.km(node, network.spot(node), to);
            let at = found.partition_point(|have| (have.km, have.node) < (km, node));
            if at < most {
                found.insert(at, Nearby { node, km, available });
                found.truncate(most);
            }
        }
        found
    }
}
