//! What each durable record changes in the network. Whatever is not simple makes it stale, and it is
//! built anew from the ledger.

use super::image::{OpenOrder, OpenOrders, OpenShipment};
use super::live::Net;
use onrush::ledger::{Change, NodeChange, PaidOutcome, Planned, Reason, StockMoved};
use onrush::{ReservationSeq, SkuIx};
use onrush_router::stock::EntryIx;

/// What a record means for whoever follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing.
    None,
    /// A reservation was sold; if stores have its SKU it becomes an order.
    Sold(ReservationSeq),
    /// A store refused part of an order: it is sourced again.
    Open(ReservationSeq),
    /// Units of a SKU came back or were added.
    More(SkuIx, u32),
    /// The network has to be built anew.
    Stale,
}

/// Tell which reservation a record opened for planning, whatever it does to the network.
pub(super) fn opened(change: &Change) -> News {
    match change {
        Change::Confirmed { seq, .. } => News::Sold(*seq),
        Change::Paid(paid) => match paid.outcome {
            PaidOutcome::Sold | PaidOutcome::Retaken => News::Sold(paid.seq),
            PaidOutcome::Partial | PaidOutcome::Refund => News::None,
        },
        Change::Nodes(change) => match &**change {
            NodeChange::Rejected { seq, .. } => News::Open(*seq),
            _ => News::None,
        },
        _ => News::None,
    }
}

/// Let the network follow a record.
pub(super) fn follow(net: &Net, open: &mut OpenOrders, change: &Change) -> News {
    match change {
        Change::Cancelled { seq, restock, .. } => cancelled(net, open, *seq, *restock),
        Change::Nodes(change) => match &**change {
            NodeChange::Node { .. } | NodeChange::Routing(_) => News::Stale,
            NodeChange::Stock(moved) => stock(net, moved),
            NodeChange::Planned(planned) => planned_by(open, planned),
            NodeChange::Rejected { seq, shipment, reason, .. } => {
                rejected(net, open, *seq, *shipment, *reason)
            }
            NodeChange::Dispatched { seq, shipment, .. } => {
                left(net, open, *seq, |s| s.place == *shipment);
                News::None
            }
            NodeChange::Collected { seq, .. } => {
                left(net, open, *seq, |_| true);
                News::None
            }
        },
        other => opened(other),
    }
}

fn stock(net: &Net, moved: &StockMoved) -> News {
    // A quota may have changed with it.
    if !moved.attributes.is_empty() || net.network.quotas().next().is_some() {
        return News::Stale;
    }
    let pair = net.node(moved.node).zip(net.sku(moved.sku));
    let Some(entry) = pair.and_then(|(node, sku)| net.network.entry_of(node, sku)) else {
        return News::Stale;
    };
    let units = moved.units.unsigned_abs() as u32;
    if moved.units < 0 {
        if !net.network.entry(entry).take(units, 0) {
            return News::Stale;
        }
        net.network.entry(entry).confirm(units);
        net.network.entry(entry).withdraw(units);
        return News::None;
    }
    if !net.network.supply(entry, units) {
        return News::Stale;
    }
    if units > 0 { News::More(moved.sku, units) } else { News::None }
}

/// Our own plans are known already; a plan of somebody else is in the ledger only.
fn planned_by(open: &OpenOrders, planned: &Planned) -> News {
    let known = open.get(&planned.seq.0).is_some_and(|order| order.attempt >= planned.attempt);
    if known { News::None } else { News::Stale }
}

fn rejected(
    net: &Net,
    open: &mut OpenOrders,
    seq: ReservationSeq,
    place: u8,
    reason: Reason,
) -> News {
    let Some((order, shipment)) = take(open, seq, place) else { return News::Open(seq) };
    if let Some(entry) = entry_of(net, &order, &shipment) {
        let e = net.network.entry(entry);
        match reason {
            Reason::NotInStock => {
                e.withdraw(shipment.units);
                e.write_off();
            }
            Reason::Damaged => e.withdraw(shipment.units),
            Reason::TooBusy => put_back(net, entry, shipment.units),
        }
    }
    give_back(net, &order, &shipment);
    if let Some(node) = net.node(shipment.node) {
        let node = net.network.node(node);
        if reason != Reason::Damaged {
            node.acceptance.rejected();
        }
        if let (Reason::TooBusy, Some((capacity, slot))) =
            (reason, node.capacity.as_ref().zip(shipment.slot))
        {
            capacity.fill(slot);
        }
    }
    News::Open(seq)
}

fn cancelled(net: &Net, open: &mut OpenOrders, seq: ReservationSeq, restock: bool) -> News {
    let Some(order) = open.remove(&seq.0) else { return News::None };
    let mut more = 0;
    for shipment in order.shipments.iter().filter(|shipment| !shipment.left) {
        if let Some(entry) = entry_of(net, &order, shipment) {
            if restock {
                put_back(net, entry, shipment.units);
                more += shipment.units;
            } else {
                net.network.entry(entry).withdraw(shipment.units);
            }
        }
        give_back(net, &order, shipment);
    }
    if more > 0 { News::More(order.sku, more) } else { News::None }
}

fn left(
    net: &Net,
    open: &mut OpenOrders,
    seq: ReservationSeq,
    which: impl Fn(&OpenShipment) -> bool,
) {
    let Some(order) = open.get_mut(&seq.0) else { return };
    let (gone, stay): (Vec<_>, Vec<_>) =
        order.shipments.iter().copied().partition(|s| which(s) && !s.left);
    for shipment in gone {
        if let Some(entry) = entry_of(net, order, &shipment) {
            net.network.entry(entry).dispatch(shipment.units);
        }
        if let Some(node) = net.node(shipment.node) {
            net.network.node(node).acceptance.accepted();
        }
    }
    order.shipments = stay;
    if order.shipments.is_empty() {
        open.remove(&seq.0);
    }
}

fn take(
    open: &mut OpenOrders,
    seq: ReservationSeq,
    place: u8,
) -> Option<(OpenOrder, OpenShipment)> {
    let order = open.get_mut(&seq.0)?;
    let at = order.shipments.iter().position(|s| s.place == place && !s.left)?;
    let shipment = order.shipments.remove(at);
    let of = order.clone();
    if order.shipments.is_empty() {
        open.remove(&seq.0);
    }
    Some((of, shipment))
}

fn entry_of(net: &Net, order: &OpenOrder, shipment: &OpenShipment) -> Option<EntryIx> {
    let (node, sku) = net.node(shipment.node).zip(net.sku(order.sku))?;
    net.network.entry_of(node, sku)
}

fn put_back(net: &Net, entry: EntryIx, units: u32) {
    net.network.entry(entry).put_back(units);
    // Tells searches that the SKU is there again.
    let _ = net.network.supply(entry, 0);
}

/// Return a shipment's slot and its part of a quota.
fn give_back(net: &Net, order: &OpenOrder, shipment: &OpenShipment) {
    let Some(node) = net.node(shipment.node) else { return };
    if let Some((capacity, slot)) = net.network.node(node).capacity.as_ref().zip(shipment.slot) {
        capacity.give_back(slot);
    }
    let channel = order.channel.as_ref().and_then(|name| net.network.find_channel(name));
    let entry = entry_of(net, order, shipment);
    if let Some(quota) = entry.zip(channel).and_then(|(e, c)| net.network.quota(e, c)) {
        quota.give_back(shipment.units);
    }
}
