//! From the ledger to a network: what is copied on the ledger's thread, and what is built of it.
//!
//! The copy is short work per store, stock row and open order; the building happens elsewhere.

use super::columns::{cells_of, specs};
use super::live::Net;
use crate::wire::Details;
use onrush::ledger::{Ledger, Routing, ShipmentState};
use onrush::{Lsn, NodeNo, ReservationSeq, SkuIx, Timestamp};
use onrush_router::capacity::SlotIx;
use onrush_router::limits::ON_HAND_MAX;
use onrush_router::network::{Network, NetworkError, StockSpec};
use onrush_router::policy::Policy;
use onrush_router::{Label, Ruleset};
use std::collections::{BTreeMap, BTreeSet};

const DAY_MS: u64 = 86_400_000;
/// Opening hours are compiled for so many days before and after now.
const HOURS_BEFORE_DAYS: u64 = 2;
const HOURS_AFTER_DAYS: u64 = 45;

/// Everything of the ledger that a network is built of.
pub(super) struct Image {
    pub(super) lsn: Lsn,
    nodes: Vec<(Box<str>, Box<str>, u32, u32)>,
    stock: Vec<StockRow>,
    /// Names of the SKUs that stores have, with their campaigns'.
    skus: BTreeMap<SkuIx, (String, String)>,
    sku_count: usize,
    routing: Option<Routing>,
    open: OpenOrders,
}

struct StockRow {
    node: NodeNo,
    sku: SkuIx,
    free: u32,
    assigned: u32,
    quotas: Box<str>,
}

/// Orders with a shipment that has not left, or that count against a quota.
pub(super) type OpenOrders = BTreeMap<u32, OpenOrder>;

/// An order as far as the network must know it to undo it.
#[derive(Clone, Debug)]
pub(super) struct OpenOrder {
    pub(super) sku: SkuIx,
    pub(super) attempt: u16,
    pub(super) channel: Option<Box<str>>,
    pub(super) shipments: Vec<OpenShipment>,
}

/// A shipment that has not left.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenShipment {
    /// Its place among the order's shipments.
    pub(super) place: u8,
    pub(super) node: NodeNo,
    pub(super) units: u32,
    pub(super) slot: Option<SlotIx>,
    /// It left, and counts against a quota only.
    pub(super) left: bool,
}

impl Image {
    pub(super) fn copy(ledger: &Ledger) -> Image {
        let nodes = ledger.nodes().iter();
        let nodes = nodes.map(|n| (n.name.clone(), n.attributes.clone(), n.accepted, n.rejected));
        let stock = ledger.node_stocks().map(|(node, sku, s)| StockRow {
            node,
            sku,
            free: s.free,
            assigned: s.assigned,
            quotas: s.attributes.clone(),
        });
        let stock: Vec<StockRow> = stock.collect();
        let skus: BTreeSet<SkuIx> = stock.iter().map(|row| row.sku).collect();
        let name = |sku: &SkuIx| {
            let s = &ledger.skus()[sku.index()];
            let campaign = &ledger.campaigns()[s.campaign.index()];
            (*sku, (campaign.name.to_string(), s.name.to_string()))
        };
        let has_quotas = stock.iter().any(|row| !row.quotas.is_empty());
        Image {
            lsn: ledger.lsn(),
            nodes: nodes.collect(),
            skus: skus.iter().map(name).collect(),
            sku_count: ledger.skus().len(),
            routing: ledger.routing().cloned(),
            open: open_orders(ledger, has_quotas),
            stock,
        }
    }

    /// Build the network, with hours around `now`.
    pub(super) fn build(self, now: Timestamp) -> Result<(Net, OpenOrders), NetworkError> {
        let cells: Vec<_> = self.nodes.iter().map(|node| cells_of(&node.1)).collect();
        let named = self.nodes.iter().zip(&cells).map(|(node, cells)| (&*node.0, cells));
        let rows = specs(named).expect("the header is ours and memory does not fail");
        for bad in &rows.bad {
            tracing::warn!(%bad, "a store is left out: what is kept with it cannot be read");
        }
        let known: BTreeSet<&str> = rows.rows.iter().map(|spec| spec.name.as_str()).collect();
        let labels = self.sku_labels();
        let stock = self.stock.iter().filter_map(|row| {
            let name = &*self.nodes[row.node.index()].0;
            Some(StockSpec {
                node: Label::new(known.get(name)?).ok()?,
                sku: labels.get(&row.sku)?.clone(),
                on_hand: (row.free + row.assigned).min(ON_HAND_MAX),
                safety_stock: 0,
                channel_quotas: quotas(&row.quotas),
            })
        });
        let stock = stock.collect();
        let mut network = Network::build(rows.rows, stock)?;
        let day = |days| now.0.saturating_sub(HOURS_BEFORE_DAYS * DAY_MS) + days * DAY_MS;
        let hours_until = Timestamp(day(HOURS_BEFORE_DAYS + HOURS_AFTER_DAYS));
        if let Err(error) = network.compile_hours(Timestamp(day(0)), hours_until) {
            tracing::warn!(%error, "stores with opening hours count as closed");
        }
        let (policy, version) = self.policy();
        for channel in policy.weights.iter().filter_map(|weights| weights.channel.as_ref()) {
            network.intern_channel(channel)?;
        }
        let rules = Ruleset::new(policy, &network);
        let mut skus = vec![None; self.sku_count];
        for (sku, label) in &labels {
            skus[sku.index()] = network.find_sku(label.as_str());
        }
        let nodes: Vec<_> = self.nodes.iter().map(|node| network.find_node(&node.0)).collect();
        let mut numbers = vec![NodeNo(0); network.nodes().len()];
        for (number, node) in nodes.iter().enumerate() {
            if let Some(node) = node {
                numbers[node.index()] = NodeNo(number as u32);
            }
        }
        let net = Net { network, rules, policy: version, skus, nodes, numbers, hours_until };
        self.replay_onto(&net);
        Ok((net, self.open))
    }

    /// Let a fresh network be as far as the orders are: units assigned, slots and quotas taken,
    /// acceptance counted.
    fn replay_onto(&self, net: &Net) {
        for (number, (_, _, accepted, rejected)) in self.nodes.iter().enumerate() {
            let Some(node) = net.node(NodeNo(number as u32)) else { continue };
            let acceptance = &net.network.node(node).acceptance;
            (0..*accepted).for_each(|_| acceptance.accepted());
            (0..*rejected).for_each(|_| acceptance.rejected());
        }
        for row in &self.stock {
            let entry = net.node(row.node).zip(net.sku(row.sku));
            let Some(entry) = entry.and_then(|(n, s)| net.network.entry_of(n, s)) else { continue };
            if net.network.entry(entry).take(row.assigned, 0) {
                net.network.entry(entry).confirm(row.assigned);
            }
        }
        for order in self.open.values() {
            let channel = order.channel.as_ref().and_then(|name| net.network.find_channel(name));
            for shipment in &order.shipments {
                let Some(node) = net.node(shipment.node) else { continue };
                let capacity = net.network.node(node).capacity.as_ref();
                if let (Some((capacity, slot)), false) =
                    (capacity.zip(shipment.slot), shipment.left)
                {
                    // A slot that is over, or full since, has no place to keep.
                    let _ = capacity.take(slot);
                }
                let entry = net.sku(order.sku).and_then(|s| net.network.entry_of(node, s));
                let quota = entry.zip(channel).and_then(|(e, c)| net.network.quota(e, c));
                if let Some(quota) = quota {
                    let _ = quota.take(shipment.units.min(quota.left()));
                }
            }
        }
    }

    /// A SKU goes by its own name; where two campaigns share it, by both names.
    fn sku_labels(&self) -> BTreeMap<SkuIx, Label> {
        let mut used = BTreeSet::new();
        let label = |(sku, (campaign, name)): (&SkuIx, &(String, String))| {
            let text =
                if used.insert(name.clone()) { name.clone() } else { format!("{campaign}/{name}") };
            Some((*sku, Label::new(&text).ok()?))
        };
        self.skus.iter().filter_map(label).collect()
    }

    fn policy(&self) -> (Policy, u32) {
        let Some(routing) = &self.routing else { return (Policy::default(), 0) };
        match Policy::from_toml(&routing.text) {
            Ok(policy) => (policy, routing.version),
            Err(problems) => {
                let version = routing.version;
                tracing::error!(version, %problems, "the routing policy cannot be read; default");
                (Policy::default(), routing.version)
            }
        }
    }
}

fn open_orders(ledger: &Ledger, all_live: bool) -> OpenOrders {
    let mut open = OpenOrders::new();
    for (seq, order) in ledger.orders() {
        let live = order.shipments.iter().enumerate().filter(|(_, s)| match s.state {
            ShipmentState::Assigned => true,
            state => all_live && state.is_live(),
        });
        let shipments: Vec<OpenShipment> = live
            .map(|(place, s)| OpenShipment {
                place: place as u8,
                node: s.planned.node,
                units: s.planned.units,
                // When it starts is not journaled; it was planned for about then.
                slot: Some(SlotIx::of(s.since)),
                left: s.state != ShipmentState::Assigned,
            })
            .collect();
        if let (Some(r), false) = (ledger.reservation(seq), shipments.is_empty()) {
            let (sku, attempt, channel) = (r.sku, order.attempt, channel_of(ledger, seq));
            open.insert(seq.0, OpenOrder { sku, attempt, channel, shipments });
        }
    }
    open
}

fn channel_of(ledger: &Ledger, seq: ReservationSeq) -> Option<Box<str>> {
    let details = Details::decode(ledger.details(seq)?).ok()?;
    Some(details.attribution?.channel?.as_ref().into())
}

/// Read channel quotas as the inventory's column has them; they were checked when they came.
fn quotas(text: &str) -> Vec<(Label, u32)> {
    let quota = |part: &str| {
        let (channel, units) = part.split_once(':')?;
        Some((Label::new(channel.trim()).ok()?, units.trim().parse().ok()?))
    };
    text.split(';').filter_map(quota).collect()
}
