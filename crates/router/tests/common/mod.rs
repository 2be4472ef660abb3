//! Small worlds for the tests.
#![allow(dead_code)]

use onrush_router::delivery::Delivery;
use onrush_router::geo::Position;
use onrush_router::network::{Network, StockSpec};
use onrush_router::node::{NodeKind, NodeSpec};
use onrush_router::order::{Line, Order};
use onrush_router::policy::Policy;
use onrush_router::{Label, Ruleset};
use onrush_types::Timestamp;

pub(crate) fn label(text: &str) -> Label {
    Label::new(text).expect("a label")
}

pub(crate) fn place(lat: f64, lon: f64) -> Position {
    Position::new(lat, lon).expect("on the globe")
}

pub(crate) fn ts(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().expect("an instant");
    Timestamp(at.as_millisecond() as u64)
}

pub(crate) fn store(name: &str, lat: f64, lon: f64) -> NodeSpec {
    NodeSpec::new(label(name), NodeKind::Store, place(lat, lon))
}

pub(crate) fn stock(node: &str, sku: &str, on_hand: u32) -> StockSpec {
    StockSpec {
        node: label(node),
        sku: label(sku),
        on_hand,
        safety_stock: 0,
        channel_quotas: Vec::new(),
    }
}

pub(crate) fn order(network: &Network, lines: &[(&str, u32)], lat: f64, lon: f64) -> Order {
    let line = |&(sku, units): &(&str, u32)| Line {
        sku: network.find_sku(sku).expect("a known SKU"),
        units,
    };
    let lines = lines.iter().map(line).collect();
    Order::new(label("o1"), ts("2026-11-11T04:00:00Z"), place(lat, lon), lines)
}

pub(crate) fn with(order: Order, delivery: Delivery) -> Order {
    Order { delivery, ..order }
}

pub(crate) fn rules(network: &Network, toml: &str) -> Ruleset {
    Ruleset::new(Policy::from_toml(toml).expect("a policy"), network)
}

/// A tiny generator with a stated seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }

    pub(crate) fn unit(&mut self) -> f64 {
        self.roll(1 << 53) as f64 / (1u64 << 53) as f64
    }
}
