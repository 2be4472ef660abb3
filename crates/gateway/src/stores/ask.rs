//! From what was journaled with a reservation to an order that the router understands.

use super::live::Net;
use crate::wire::{Crs, Delivery, Details, parse_timestamp};
use onrush::{SkuIx, Timestamp};
use onrush_router::Label;
use onrush_router::crs;
use onrush_router::geo::Position;
use onrush_router::node::NodeIx;
use onrush_router::order::{Line, Order};
use std::fmt;

/// Why a reservation cannot be routed as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoOrder {
    /// No store has, or had, the SKU.
    NotAtStores,
    /// It says neither where it goes nor where it is collected.
    NoPlace,
    /// It is collected at a store that does not exist.
    UnknownNode(String),
    /// A field cannot be used.
    Invalid(String),
}

impl fmt::Display for NoOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoOrder::NotAtStores => f.write_str("no store has this SKU"),
            NoOrder::NoPlace => f.write_str(
                "the order has neither a destination nor a pick-up node; cancel it, or serve it by \
                 hand",
            ),
            NoOrder::UnknownNode(node) => write!(
                f,
                "pickup_node: there is no store {node:?}; GET /v1/campaigns/{{campaign}}/stores \
                 lists those that have it"
            ),
            NoOrder::Invalid(what) => f.write_str(what),
        }
    }
}

/// What is asked for, apart from how it gets there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) sku: SkuIx,
    pub(crate) units: u32,
    /// What the buyer pays, in currency units.
    pub(crate) value: f64,
    /// When it was put on hold: what it was promised then counts from there.
    pub(crate) placed: Timestamp,
    /// When a store can begin.
    pub(crate) ready: Timestamp,
}

/// Make the router's order.
///
/// # Errors
/// What is missing or wrong.
pub(super) fn order_of(
    net: &Net,
    wanted: &Wanted,
    details: &Details<'_>,
) -> Result<Order, NoOrder> {
    let sku = net.sku(wanted.sku).ok_or(NoOrder::NotAtStores)?;
    let delivery = delivery_of(details);
    let pickup = pickup_of(net, details, delivery)?;
    let destination = match (&details.destination, pickup) {
        (Some(place), _) => {
            let place = system(place.crs).to_wgs84(place.lat, place.lon);
            place.map_err(|error| NoOrder::Invalid(format!("destination: {error}")))?
        }
        (None, Some(node)) if delivery.is_collected() => net.network.node(node).position,
        (None, _) => return Err(NoOrder::NoPlace),
    };
    let id = Label::new("order").expect("a word is a label");
    let lines = vec![Line { sku, units: wanted.units }];
    let mut order = Order::new(id, wanted.placed, destination, lines);
    order.ready = Some(wanted.ready);
    (order.delivery, order.pickup, order.value) = (delivery, pickup, wanted.value);
    if let Some(window) = &details.window {
        let time = |text: &str| parse_timestamp(text).map_err(|e| NoOrder::Invalid(e.to_string()));
        order.window_opens = Some(time(&window.from)?);
        order.deadline = Some(time(&window.to)?);
    }
    let channel = details.attribution.as_ref().and_then(|by| by.channel.as_deref());
    order.channel = channel.and_then(|name| net.network.find_channel(name));
    Ok(order)
}

/// A pick-up node says how it gets to the buyer; so does nothing at all.
pub(super) fn delivery_of(details: &Details<'_>) -> Delivery {
    let plain = match details.pickup_node {
        Some(_) => Delivery::Pickup,
        None => Delivery::Standard,
    };
    details.delivery.unwrap_or(plain)
}

/// Where it is collected, or the store it was bought in.
fn pickup_of(
    net: &Net,
    details: &Details<'_>,
    delivery: Delivery,
) -> Result<Option<NodeIx>, NoOrder> {
    if let Some(name) = &details.pickup_node {
        let node = net.network.find_node(name);
        return node.map(Some).ok_or_else(|| NoOrder::UnknownNode(name.to_string()));
    }
    if delivery.is_collected() {
        let word = delivery.as_str();
        let what = format!("pickup_node: name the store for delivery {word:?}");
        return Err(NoOrder::Invalid(what));
    }
    let store = details.attribution.as_ref().and_then(|by| by.store.as_deref());
    let sold_in = store.filter(|_| delivery == Delivery::InStoreHome);
    Ok(sold_in.and_then(|name| net.network.find_node(name)))
}

/// Convert a place on a map to a position.
pub(super) fn position(lat: f64, lon: f64, crs: Crs) -> Result<Position, String> {
    system(crs).to_wgs84(lat, lon).map_err(|error| error.to_string())
}

fn system(crs: Crs) -> crs::Crs {
    match crs {
        Crs::Wgs84 => crs::Crs::Wgs84,
        Crs::Gcj02 => crs::Crs::Gcj02,
        Crs::Bd09 => crs::Crs::Bd09,
    }
}

/// Return an amount in currency units, as policies state values. Every currency counts as one of two
/// decimals, as everywhere in a policy.
pub(crate) fn in_units(amount: i64) -> f64 {
    amount as f64 / 100.0
}
