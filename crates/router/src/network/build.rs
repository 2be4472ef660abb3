//! Building a network from an operator's lists.

use super::{Network, Node, StockSpec};
use crate::capacity::Capacity;
use crate::label::Label;
use crate::limits::{GROUPS_MAX, SKUS_MAX};
use crate::node::{Acceptance, NodeIx, NodeSpec};
use crate::order::SkuNo;
use crate::stock::{Entry, EntryIx, PairIndex, Quota};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;

impl Network {
    pub(super) fn add_node(
        &mut self,
        spec: NodeSpec,
        hours_seen: &mut HashMap<String, u32>,
    ) -> Result<(), NetworkError> {
        let ix = NodeIx(self.nodes.len() as u32);
        if self.node_by_name.insert(spec.name.clone(), ix).is_some() {
            return Err(NetworkError::NodeTwice { node: spec.name });
        }
        let mut groups = 0;
        for group in &spec.groups {
            groups |= 1 << self.group_bit(group)?;
        }
        let calendar = spec.hours.map(|hours| {
            // Hours are compared by what they say: chains share a handful of calendars.
            let key = format!("{hours:?}");
            *hours_seen.entry(key).or_insert_with(|| {
                self.hours.push(hours);
                self.hours.len() as u32 - 1
            })
        });
        self.nodes.push(Node {
            name: spec.name,
            kind: spec.kind,
            owner: spec.owner,
            position: spec.position,
            groups,
            calendar,
            capacity: spec.capacity_per_hour.map(Capacity::new),
            handling_ms: (spec.handling_minutes.max(0.0) * 60_000.0) as u64,
            handling_cost: spec.handling_cost,
            acceptance: Acceptance::new(spec.accept_rate),
        });
        Ok(())
    }

    fn group_bit(&mut self, group: &Label) -> Result<usize, NetworkError> {
        if let Some(bit) = self.groups.iter().position(|have| have == group) {
            return Ok(bit);
        }
        within("groups", self.groups.len() + 1, GROUPS_MAX)?;
        self.groups.push(group.clone());
        Ok(self.groups.len() - 1)
    }

    pub(super) fn add_stock(&mut self, mut stock: Vec<StockSpec>) -> Result<(), NetworkError> {
        stock.sort_by(|a, b| (&a.sku, &a.node).cmp(&(&b.sku, &b.node)));
        if let Some(pair) =
            stock.windows(2).find(|w| w[0].sku == w[1].sku && w[0].node == w[1].node)
        {
            let StockSpec { node, sku, .. } = pair[0].clone();
            return Err(NetworkError::StockTwice { node, sku });
        }
        for spec in stock {
            let node = self
                .find_node(spec.node.as_str())
                .ok_or(NetworkError::UnknownNode { node: spec.node })?;
            let sku = intern(&mut self.skus, &mut self.sku_by_name, &spec.sku)?;
            let entry = EntryIx(self.entries.len() as u32);
            self.entries.push(Entry::new(spec.on_hand, spec.safety_stock));
            self.pairs.push((node.0, sku.0));
            for (channel, units) in &spec.channel_quotas {
                let channel = self.intern_channel(channel)?;
                self.quotas.insert((entry, channel), Quota::new(*units));
            }
        }
        self.pair_index = PairIndex::build(&self.pairs);
        // Rows are sorted by SKU, and SKUs are numbered in that order: holders are contiguous.
        self.holders = (0..self.entries.len() as u32).map(EntryIx).collect();
        let start_of = |sku: usize| self.pairs.partition_point(|&(_, have)| (have as usize) < sku);
        self.sold_out.resize_with(self.skus.len(), AtomicBool::default);
        self.holder_starts = (0..=self.skus.len()).map(|sku| start_of(sku) as u32).collect();
        Ok(())
    }
}

pub(super) fn intern(
    names: &mut Vec<Label>,
    by_name: &mut HashMap<Label, SkuNo>,
    name: &Label,
) -> Result<SkuNo, NetworkError> {
    if let Some(&known) = by_name.get(name) {
        return Ok(known);
    }
    within("SKUs", names.len() + 1, SKUS_MAX)?;
    let sku = SkuNo(names.len() as u32);
    names.push(name.clone());
    by_name.insert(name.clone(), sku);
    Ok(sku)
}

pub(super) fn within(what: &'static str, have: usize, most: usize) -> Result<(), NetworkError> {
    if have > most { Err(NetworkError::TooMany { what, most }) } else { Ok(()) }
}

/// Why a network cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NetworkError {
    /// Two nodes share a name.
    NodeTwice {
        /// The name.
        node: Label,
    },
    /// Two rows state the same node and SKU.
    StockTwice {
        /// The node.
        node: Label,
        /// The SKU.
        sku: Label,
    },
    /// Stock at a node that is not in the network.
    UnknownNode {
        /// The name.
        node: Label,
    },
    /// More than a limit allows.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        most: usize,
    },
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetworkError::NodeTwice { node } => {
                write!(f, "node {node} is listed twice; keep one of the rows")
            }
            NetworkError::StockTwice { node, sku } => {
                write!(f, "stock of {sku} at {node} is listed twice; add the rows up into one")
            }
            NetworkError::UnknownNode { node } => {
                write!(f, "stock at {node}, which the node list does not have; add the node first")
            }
            NetworkError::TooMany { what, most } => {
                write!(f, "more than {most} {what}; divide the network into regions")
            }
        }
    }
}

impl std::error::Error for NetworkError {}
