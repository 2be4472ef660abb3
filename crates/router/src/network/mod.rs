//! The network: nodes, what they have, and every number a decision reads.
//!
//! Built once from an operator's lists; nodes are numbered in the order of their names, so the order
//! of rows decides nothing. Afterwards only stock, quotas, capacity, prices and acceptance change,
//! each behind its own atomic: any number of threads may plan and take at once.

mod build;

pub use build::NetworkError;

use crate::calendar::{Calendar, CalendarError, Hours};
use crate::capacity::Capacity;
use crate::geo::{Position, Spot};
use crate::label::Label;
use crate::limits::{CHANNELS_MAX, ENTRIES_MAX, NODES_MAX};
use crate::node::{Acceptance, NodeIx, NodeKind, NodeSpec, Owner};
use crate::order::{ChannelNo, SkuNo};
use crate::search::Cells;
use crate::stock::{Entry, EntryIx, PairIndex, Quota};
use build::{intern, within};
use onrush_types::Timestamp;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Stock of one SKU at one node as an operator states it.
#[derive(Clone, Debug)]
pub struct StockSpec {
    /// The node's name.
    pub node: Label,
    /// The SKU's name.
    pub sku: Label,
    /// Units on hand.
    pub on_hand: u32,
    /// Units kept for the node itself.
    pub safety_stock: u32,
    /// Most units a channel may take; channels not named have no limit.
    pub channel_quotas: Vec<(Label, u32)>,
}

/// A node as decisions read it.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: Label,
    /// Kind of place.
    pub kind: NodeKind,
    /// Who runs it.
    pub owner: Owner,
    /// Where it is.
    pub position: Position,
    /// Its groups, as bits in the order of [`Network::groups`].
    pub groups: u64,
    /// Which calendar it follows; `None` works around the clock.
    pub calendar: Option<u32>,
    /// Shipments it can prepare in an hour; `None` is no limit.
    pub capacity: Option<Capacity>,
    /// Time to prepare a shipment.
    pub handling_ms: u64,
    /// Cost to prepare a shipment, in currency units.
    pub handling_cost: f64,
    /// How likely it accepts.
    pub acceptance: Acceptance,
}

/// Nodes, stock, quotas, calendars and the spatial index.
#[derive(Debug)]
pub struct Network {
    nodes: Vec<Node>,
    node_by_name: HashMap<Label, NodeIx>,
    skus: Vec<Label>,
    sku_by_name: HashMap<Label, SkuNo>,
    channels: Vec<Label>,
    groups: Vec<Label>,
    entries: Vec<Entry>,
    /// Node and SKU of each entry.
    pairs: Vec<(u32, u32)>,
    pair_index: PairIndex,
    /// Entries sorted by SKU; `holder_starts[sku]` is where a SKU's begin.
    holders: Vec<EntryIx>,
    holder_starts: Vec<u32>,
    /// SKUs of which the last search found no unit anywhere; advice that a return of units clears.
    sold_out: Vec<AtomicBool>,
    quotas: HashMap<(EntryIx, ChannelNo), Quota>,
    hours: Vec<Hours>,
    calendars: Vec<Calendar>,
    cells: Cells,
}

impl Network {
    /// Build a network.
    ///
    /// # Errors
    /// When names repeat, stock names an unknown node, a pair of node and SKU repeats, or there is
    /// more of anything than [`crate::limits`] allows.
    pub fn build(mut specs: Vec<NodeSpec>, stock: Vec<StockSpec>) -> Result<Network, NetworkError> {
        within("nodes", specs.len(), NODES_MAX)?;
        within("stock rows", stock.len(), ENTRIES_MAX)?;
        specs.sort_by(|a, b| a.name.cmp(&b.name));
        let positions: Vec<Position> = specs.iter().map(|spec| spec.position).collect();
        let mut network = Network {
            nodes: Vec::with_capacity(specs.len()),
            node_by_name: HashMap::with_capacity(specs.len()),
            skus: Vec::new(),
            sku_by_name: HashMap::new(),
            channels: Vec::new(),
            groups: Vec::new(),
            entries: Vec::with_capacity(stock.len()),
            pairs: Vec::with_capacity(stock.len()),
            pair_index: PairIndex::default(),
            holders: Vec::new(),
            holder_starts: Vec::new(),
            sold_out: Vec::new(),
            quotas: HashMap::new(),
            hours: Vec::new(),
            calendars: Vec::new(),
            cells: Cells::build(&positions),
        };
        let mut hours_seen = HashMap::new();
        for spec in specs {
            network.add_node(spec, &mut hours_seen)?;
        }
        network.add_stock(stock)?;
        Ok(network)
    }

    /// Compile every node's hours for the days between two instants.
    ///
    /// Nodes with hours are closed outside the days compiled last; a new network has none.
    ///
    /// # Errors
    /// When an instant is outside the years the time zone database covers.
    pub fn compile_hours(&mut self, from: Timestamp, to: Timestamp) -> Result<(), CalendarError> {
        self.calendars =
            self.hours.iter().map(|hours| hours.compile(from, to)).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Return the nodes in the order of their names.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Return a node.
    #[inline]
    pub fn node(&self, node: NodeIx) -> &Node {
        &self.nodes[node.index()]
    }

    /// Find a node by name.
    pub fn find_node(&self, name: &str) -> Option<NodeIx> {
        self.node_by_name.get(name).copied()
    }

    /// Find a SKU by name.
    pub fn find_sku(&self, name: &str) -> Option<SkuNo> {
        self.sku_by_name.get(name).copied()
    }

    /// Find a channel by name.
    pub fn find_channel(&self, name: &str) -> Option<ChannelNo> {
        self.channels.iter().position(|have| have.as_str() == name).map(|n| ChannelNo(n as u8))
    }

    /// Return the groups' names, in the order of their bits.
    pub fn groups(&self) -> &[Label] {
        &self.groups
    }

    /// Return the channels' names, in the order of their numbers.
    pub fn channels(&self) -> &[Label] {
        &self.channels
    }

    /// Return a SKU's name.
    pub fn sku_name(&self, sku: SkuNo) -> &Label {
        &self.skus[sku.0 as usize]
    }

    /// Return how many SKUs have a number.
    pub fn skus(&self) -> usize {
        self.skus.len()
    }

    /// Return a SKU's number, giving it one when it is new: orders may ask for what no node has.
    ///
    /// # Errors
    /// Beyond [`crate::limits::SKUS_MAX`] SKUs.
    pub fn intern_sku(&mut self, name: &Label) -> Result<SkuNo, NetworkError> {
        let sku = intern(&mut self.skus, &mut self.sku_by_name, name)?;
        let end = self.holders.len() as u32;
        self.holder_starts.resize(self.skus.len() + 1, end);
        self.sold_out.resize_with(self.skus.len(), AtomicBool::default);
        Ok(sku)
    }

    /// Return a channel's number, giving it one when it is new.
    ///
    /// # Errors
    /// Beyond [`CHANNELS_MAX`] channels.
    pub fn intern_channel(&mut self, name: &Label) -> Result<ChannelNo, NetworkError> {
        if let Some(known) = self.find_channel(name.as_str()) {
            return Ok(known);
        }
        within("channels", self.channels.len() + 1, CHANNELS_MAX)?;
        self.channels.push(name.clone());
        Ok(ChannelNo(self.channels.len() as u8 - 1))
    }

    /// Find the entry of a node and SKU. `O(1)`.
    #[inline]
    pub fn entry_of(&self, node: NodeIx, sku: SkuNo) -> Option<EntryIx> {
        self.pair_index.get(node.0, sku.0)
    }

    /// Return an entry.
    #[inline]
    pub fn entry(&self, entry: EntryIx) -> &Entry {
        &self.entries[entry.0 as usize]
    }

    /// Return every entry with its node and SKU.
    pub fn entries(&self) -> impl Iterator<Item = (EntryIx, NodeIx, SkuNo, &Entry)> {
        self.pairs
            .iter()
            .zip(&self.entries)
            .enumerate()
            .map(|(n, (&(node, sku), entry))| (EntryIx(n as u32), NodeIx(node), SkuNo(sku), entry))
    }

    /// Return the node an entry belongs to.
    #[inline]
    pub fn node_of(&self, entry: EntryIx) -> NodeIx {
        NodeIx(self.pairs[entry.0 as usize].0)
    }

    /// Return the entries of one SKU, by node.
    #[inline]
    pub fn holders(&self, sku: SkuNo) -> &[EntryIx] {
        let starts = &self.holder_starts[sku.0 as usize..];
        &self.holders[starts[0] as usize..starts[1] as usize]
    }

    /// Say whether no node has a unit of a SKU above its safety stock.
    ///
    /// `O(1)` while a SKU stays sold out; otherwise up to one look at each of its holders.
    pub fn is_sold_out(&self, sku: SkuNo) -> bool {
        let mark = &self.sold_out[sku.0 as usize];
        // Relaxed: advice about where to search; takes decide on the entries themselves.
        if mark.load(Ordering::Relaxed) {
            return true;
        }
        let is_out = self.holders(sku).iter().all(|&ix| {
            let entry = self.entry(ix);
            entry.available(entry.safety()) == 0
        });
        if is_out {
            // Relaxed: as above; pairs with the load.
            mark.store(true, Ordering::Relaxed);
        }
        is_out
    }

    /// Units of an entry are free again: its SKU may be searched for.
    pub(crate) fn mark_returned(&self, entry: EntryIx) {
        let sku = self.pairs[entry.0 as usize].1;
        // Relaxed: advice, as in `is_sold_out`; a search that misses it finds the unit next time.
        self.sold_out[sku as usize].store(false, Ordering::Relaxed);
    }

    /// Add units to an entry; false when more than the limit would ever have been supplied.
    #[must_use]
    pub fn supply(&self, entry: EntryIx, units: u32) -> bool {
        let is_supplied = self.entry(entry).supply(units);
        self.mark_returned(entry);
        is_supplied
    }

    /// Announced units of a transfer arrived and can be taken; see [`Entry::arrive`].
    #[must_use]
    pub fn arrive(&self, entry: EntryIx, units: u32) -> bool {
        let is_supplied = self.entry(entry).arrive(units);
        self.mark_returned(entry);
        is_supplied
    }

    /// Return a channel's quota on an entry, if it has one.
    #[inline]
    pub fn quota(&self, entry: EntryIx, channel: ChannelNo) -> Option<&Quota> {
        if self.quotas.is_empty() { None } else { self.quotas.get(&(entry, channel)) }
    }

    /// Return every quota. In no particular order.
    pub fn quotas(&self) -> impl Iterator<Item = (EntryIx, ChannelNo, &Quota)> {
        self.quotas.iter().map(|(&(entry, channel), quota)| (entry, channel, quota))
    }

    /// Return a node's calendar; `None` works around the clock.
    #[inline]
    pub fn calendar(&self, node: NodeIx) -> Option<&Calendar> {
        static CLOSED: Calendar = Calendar::CLOSED;
        let calendar = self.node(node).calendar?;
        Some(self.calendars.get(calendar as usize).unwrap_or(&CLOSED))
    }

    /// Return the hours a node stated.
    pub fn hours(&self, node: NodeIx) -> Option<&Hours> {
        self.node(node).calendar.map(|calendar| &self.hours[calendar as usize])
    }

    /// Return the spatial index.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// Return a node's point on the unit sphere.
    #[inline]
    pub fn spot(&self, node: NodeIx) -> Spot {
        self.cells.spot(node.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> Label {
        Label::new(text).expect("a label")
    }

    fn node(name: &str) -> NodeSpec {
        let position = Position::new(1.0, 2.0).expect("on the globe");
        NodeSpec::new(label(name), NodeKind::Store, position)
    }

    fn stock(node: &str, sku: &str) -> StockSpec {
        StockSpec {
            node: label(node),
            sku: label(sku),
            on_hand: 3,
            safety_stock: 1,
            channel_quotas: vec![(label("live"), 2)],
        }
    }

    #[test]
    fn numbers_follow_names_whatever_the_order_of_rows() {
        let rows = vec![stock("b", "y"), stock("a", "x"), stock("b", "x")];
        let mut network = Network::build(vec![node("b"), node("a")], rows).expect("a network");
        assert_eq!(network.find_node("a"), Some(NodeIx(0)));
        let x = network.find_sku("x").expect("known");
        let nodes: Vec<NodeIx> = network.holders(x).iter().map(|&e| network.node_of(e)).collect();
        assert_eq!(nodes, [NodeIx(0), NodeIx(1)]);
        assert_eq!(network.entry_of(NodeIx(0), SkuNo(1)), None);
        let new = network.intern_sku(&label("z")).expect("room");
        assert!(network.holders(new).is_empty());
        let live = network.find_channel("live").expect("from the quotas");
        let entry = network.entry_of(NodeIx(1), x).expect("stocked");
        assert_eq!(network.quota(entry, live).map(Quota::left), Some(2));
    }

    #[test]
    fn refuses_what_is_listed_twice_or_nowhere() {
        let twice = Network::build(vec![node("a"), node("a")], Vec::new());
        assert_eq!(twice.err(), Some(NetworkError::NodeTwice { node: label("a") }));
        let twice = Network::build(vec![node("a")], vec![stock("a", "x"), stock("a", "x")]);
        let expected = NetworkError::StockTwice { node: label("a"), sku: label("x") };
        assert_eq!(twice.err(), Some(expected));
        let nowhere = Network::build(vec![node("a")], vec![stock("q", "x")]);
        assert_eq!(nowhere.err(), Some(NetworkError::UnknownNode { node: label("q") }));
    }
}
