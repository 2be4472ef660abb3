//! The part of the image that keeps stores, their stock and their orders. An image without stores
//! has none of these chunks, so it is the same bytes as before there were stores.

use super::super::nodes::{
    NodeState, NodeStock, Nodes, OrderState, PlannedShipment, Routing, Shipment, ShipmentState,
};
use super::super::record::By;
use super::{Chunk, ChunkReader, Loaded, SnapshotError, bad, halves};
use crate::ledger::Ledger;
use onrush_types::planted;
use onrush_types::{NodeNo, SkuIx, Timestamp};

pub(super) const HEAD: u32 = 64;
const NODES: u32 = 65;
const STOCK: u32 = 66;
const ORDERS: u32 = 67;
pub(super) const ROUTING: u32 = 68;

/// A store is at most 1.2 KiB, an order some 16 KiB at the worst: chunks stay below 4 MiB.
const NODE_ROWS: usize = 2_048;
const STOCK_ROWS: usize = 8_192;
const ORDER_ROWS: usize = 192;

pub(super) fn chunks<E>(
    nodes: &Nodes,
    put: &mut impl FnMut(u32, Chunk) -> Result<(), E>,
) -> Result<(), E> {
    if !nodes.list.is_empty() {
        put(HEAD, Chunk { words: counts(nodes).to_vec(), bytes: Vec::new() })?;
    }
    for rows in nodes.list.chunks(NODE_ROWS) {
        let mut chunk = Chunk::default();
        for node in rows {
            chunk.words.push(pair(node.accepted, node.rejected));
            chunk.put_text(&node.name);
            chunk.put_text(&node.attributes);
        }
        put(NODES, chunk)?;
    }
    let mut stock = nodes.stock.iter().peekable();
    while stock.peek().is_some() {
        let mut chunk = Chunk::default();
        for (&(node, sku), s) in stock.by_ref().take(STOCK_ROWS) {
            let words = [
                pair(node.0, sku.0),
                pair(s.supplied, s.free),
                pair(s.assigned, s.gone),
                pair(s.written_off, s.safety),
            ];
            chunk.words.extend(words);
            chunk.put_text(&s.attributes);
        }
        put(STOCK, chunk)?;
    }
    let mut orders = nodes.orders.iter().peekable();
    while orders.peek().is_some() {
        let mut chunk = Chunk::default();
        for (&seq, order) in orders.by_ref().take(ORDER_ROWS) {
            order_words(&mut chunk, seq, order);
        }
        put(ORDERS, chunk)?;
    }
    if let Some(routing) = &nodes.routing {
        let mut chunk = Chunk { words: vec![u64::from(routing.version)], bytes: Vec::new() };
        chunk.put_text(&routing.text);
        chunk.put_text(&routing.by.who);
        chunk.put_text(&routing.by.why);
        put(ROUTING, chunk)?;
    }
    Ok(())
}

fn counts(nodes: &Nodes) -> [u64; 3] {
    [nodes.list.len(), nodes.stock.len(), nodes.orders.len()].map(|n| n as u64)
}

fn order_words(chunk: &mut Chunk, seq: u32, order: &OrderState) {
    let shape = u64::from(order.attempt) << 16 | order.shipments.len() as u64;
    let collected_at = planted!("image-forgets-code", 0, order.collected_at.0);
    chunk.words.extend([u64::from(seq) << 32 | shape, collected_at]);
    chunk.words.push(order.note.len() as u64);
    chunk.bytes.extend_from_slice(&order.note);
    for s in &order.shipments {
        let PlannedShipment { node, units, promise_at, sure } = s.planned;
        let last = u64::from(s.attempt) << 32 | u64::from(sure) << 16 | s.state as u64;
        chunk.words.extend([pair(node.0, units), promise_at.0, s.since.0, last]);
    }
}

pub(super) fn load(ledger: &mut Ledger, kind: u32, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let nodes = &mut ledger.nodes;
    match kind {
        HEAD => nodes.expected = Some([r.word()?, r.word()?, r.word()?]),
        NODES => {
            while r.more() {
                let [accepted, rejected] = halves(r.word()?);
                let (name, attributes) = (text(r)?, text(r)?);
                nodes.insert(name, attributes).map_err(|_| bad("two stores of one name"))?;
                let node: &mut NodeState = nodes.list.last_mut().ok_or(bad("no store"))?;
                (node.accepted, node.rejected) = (accepted, rejected);
            }
        }
        STOCK => {
            while r.more() {
                load_stock(ledger, r)?;
            }
        }
        ORDERS => {
            while r.more() {
                load_order(ledger, r)?;
            }
        }
        ROUTING => {
            let version = r.word()? as u32;
            let (text, who, why) = (text(r)?, text(r)?, text(r)?);
            let by = By { who, why };
            nodes.routing = Some(Routing { version, text: text.into(), by });
        }
        _ => return Err(bad("kind of chunk")),
    }
    Ok(())
}

/// Refuse an image that lacks rows it said it has.
pub(super) fn check_complete(nodes: &Nodes) -> Result<(), SnapshotError> {
    let expected = nodes.expected.unwrap_or_default();
    let found = counts(nodes);
    if expected == found { Ok(()) } else { Err(bad("stores are missing")) }
}

fn load_stock(ledger: &mut Ledger, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let [node, sku] = halves(r.word()?);
    let [supplied, free] = halves(r.word()?);
    let [assigned, gone] = halves(r.word()?);
    let [written_off, safety] = halves(r.word()?);
    let attributes = text(r)?;
    let stock = NodeStock { supplied, free, assigned, gone, written_off, safety, attributes };
    let key = (NodeNo(node), SkuIx(sku));
    let nodes = &mut ledger.nodes;
    let known = key.0.index() < nodes.list.len() && key.1.index() < ledger.skus.len();
    if !known || stock.check().is_err() || nodes.stock.insert(key, stock).is_some() {
        return Err(bad("a store's stock"));
    }
    nodes.holders.insert((key.1, key.0));
    Ok(())
}

fn load_order(ledger: &mut Ledger, r: &mut ChunkReader<'_>) -> Loaded<()> {
    let [seq, shape] = halves(r.word()?);
    let collected_at = Timestamp(r.word()?);
    let length = r.word()? as usize;
    let note = r.take(length)?.into();
    let count = shape & 0xffff;
    let attempt = (shape >> 16) as u16;
    let mut order = OrderState { attempt, shipments: Vec::new(), note, collected_at };
    let sku = ledger.reservations.get(seq).ok_or(bad("an order without a reservation"))?.sku;
    for _ in 0..count {
        let [node, units] = halves(r.word()?);
        let (promise_at, since, last) = (Timestamp(r.word()?), Timestamp(r.word()?), r.word()?);
        let node = NodeNo(node);
        if !ledger.nodes.stock.contains_key(&(node, sku)) {
            return Err(bad("an order at a store that has no such stock"));
        }
        let planned = PlannedShipment { node, units, promise_at, sure: (last >> 16) as u16 };
        let state = ShipmentState::from_u8(last as u8).ok_or(bad("a shipment's state"))?;
        order.shipments.push(Shipment { planned, attempt: (last >> 32) as u16, state, since });
    }
    match ledger.nodes.orders.insert(seq, order) {
        None => Ok(()),
        Some(_) => Err(bad("an order twice")),
    }
}

fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn text(r: &mut ChunkReader<'_>) -> Loaded<Box<str>> {
    let length = r.word()? as usize;
    let text = std::str::from_utf8(r.take(length)?).map_err(|_| bad("a text"))?;
    Ok(text.into())
}

impl Chunk {
    fn put_text(&mut self, text: &str) {
        self.words.push(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }
}
