//! The bytes of records about stores: kinds 64 to 79, in the form of `codec.rs`.

use super::super::nodes::{NodeChange, Planned, PlannedShipment, Reason, Routing, StockMoved};
use super::{DecodeError, Reader, Writer, bad};
use onrush_types::limits::SHIPMENTS_PER_PLAN_MAX;
use onrush_types::{NodeNo, ReservationSeq, SkuIx, Timestamp};
use std::ops::RangeInclusive;

const NODE: u8 = 64;
const STOCK: u8 = 65;
const PLANNED: u8 = 66;
const REJECTED: u8 = 67;
const DISPATCHED: u8 = 68;
const COLLECTED: u8 = 69;
const ROUTING: u8 = 70;

/// The kinds that are kept for stores.
pub(super) const KINDS: RangeInclusive<u8> = 64..=79;

/// The stock record's flags.
const SUPPLIES: u8 = 1;
const AWAY: u8 = 2;

pub(super) fn encode(w: &mut Writer<'_>, change: &NodeChange) {
    match change {
        NodeChange::Node { node, name, attributes, by } => {
            w.head(NODE, 0, 0, node.0);
            w.text(name);
            w.text(attributes);
            w.by(by);
        }
        NodeChange::Stock(moved) => {
            let away = if moved.units < 0 { AWAY } else { 0 };
            w.head(STOCK, u8::from(moved.supplies) | away, 0, moved.node.0);
            w.u32(moved.sku.0);
            let units = u32::try_from(moved.units.unsigned_abs());
            w.u32(units.expect("units are bounded where they enter"));
            w.u32(moved.safety);
            w.text(&moved.attributes);
            w.by(&moved.by);
        }
        NodeChange::Planned(planned) => {
            w.head(PLANNED, 0, planned.attempt, planned.seq.0);
            w.u16(planned.shipments.len() as u16);
            for shipment in &planned.shipments {
                w.u32(shipment.node.0);
                w.u32(shipment.units);
                w.u64(shipment.promise_at.0);
                w.u16(shipment.sure);
            }
            let length = u16::try_from(planned.note.len());
            w.u16(length.expect("notes are bounded where they enter"));
            w.bytes(&planned.note);
        }
        NodeChange::Rejected { seq, shipment, reason, also_off, withdrawn, by } => {
            w.head(REJECTED, *reason as u8, u16::from(*shipment), seq.0);
            w.u32(*also_off);
            w.u32(*withdrawn);
            w.by(by);
        }
        NodeChange::Dispatched { seq, shipment, by } => {
            w.head(DISPATCHED, 0, u16::from(*shipment), seq.0);
            w.by(by);
        }
        NodeChange::Collected { seq, by } => {
            w.head(COLLECTED, 0, 0, seq.0);
            w.by(by);
        }
        NodeChange::Routing(routing) => {
            w.head(ROUTING, 0, 0, routing.version);
            w.text(&routing.text);
            w.by(&routing.by);
        }
    }
}

pub(super) fn decode(
    r: &mut Reader<'_>,
    kind: u8,
    flag: u8,
    small: u16,
    index: u32,
) -> Result<NodeChange, DecodeError> {
    let flag_used = matches!(kind, STOCK | REJECTED);
    let small_used = matches!(kind, PLANNED | REJECTED | DISPATCHED);
    if (!flag_used && flag != 0) || (!small_used && small != 0) {
        return Err(bad("a field that this kind does not use"));
    }
    let seq = ReservationSeq(index);
    let shipment = || u8::try_from(small).map_err(|_| bad("shipment"));
    Ok(match kind {
        NODE => NodeChange::Node {
            node: NodeNo(index),
            name: r.text()?.into(),
            attributes: r.text()?.into(),
            by: r.by()?,
        },
        STOCK => NodeChange::Stock(read_stock(r, flag, NodeNo(index))?),
        PLANNED => NodeChange::Planned(read_planned(r, small, seq)?),
        REJECTED => NodeChange::Rejected {
            seq,
            shipment: shipment()?,
            reason: Reason::from_u8(flag).ok_or(bad("reason"))?,
            also_off: r.u32()?,
            withdrawn: r.u32()?,
            by: r.by()?,
        },
        DISPATCHED => NodeChange::Dispatched { seq, shipment: shipment()?, by: r.by()? },
        COLLECTED => NodeChange::Collected { seq, by: r.by()? },
        ROUTING => {
            NodeChange::Routing(Routing { version: index, text: r.text()?.into(), by: r.by()? })
        }
        _ => return Err(bad("kind")),
    })
}

fn read_stock(r: &mut Reader<'_>, flag: u8, node: NodeNo) -> Result<StockMoved, DecodeError> {
    if flag > SUPPLIES | AWAY {
        return Err(bad("flag"));
    }
    let (sku, n) = (SkuIx(r.u32()?), i64::from(r.u32()?));
    let away = flag & AWAY != 0;
    if away && n == 0 {
        return Err(bad("no units taken away"));
    }
    Ok(StockMoved {
        node,
        sku,
        units: if away { -n } else { n },
        supplies: flag & SUPPLIES != 0,
        safety: r.u32()?,
        attributes: r.text()?.into(),
        by: r.by()?,
    })
}

fn read_planned(
    r: &mut Reader<'_>,
    attempt: u16,
    seq: ReservationSeq,
) -> Result<Planned, DecodeError> {
    let count = usize::from(r.u16()?);
    if count > SHIPMENTS_PER_PLAN_MAX {
        return Err(bad("too many shipments"));
    }
    let mut shipments = Vec::with_capacity(count);
    for _ in 0..count {
        shipments.push(PlannedShipment {
            node: NodeNo(r.u32()?),
            units: r.u32()?,
            promise_at: Timestamp(r.u64()?),
            sure: r.u16()?,
        });
    }
    let length = r.u16()?;
    Ok(Planned { seq, attempt, shipments, note: r.take(usize::from(length))?.into() })
}

#[cfg(test)]
#[path = "nodes_codec_tests.rs"]
pub(super) mod tests;
