//! What a policy did to a list of orders.

use crate::cost::Cost;
use crate::network::Network;
use crate::order::Order;
use crate::plan::Plan;
use serde::Serialize;

/// Counts while orders are routed.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    orders: u64,
    units: u64,
    cost: Cost,
    split: u64,
    shipments: u64,
    unfilled_units: u64,
    unfilled_orders: u64,
    /// Road metres of each shipment.
    metres: Vec<u32>,
    promised: u64,
    confidence: f64,
    capacity_shipments: u64,
    /// Places that nodes with a capacity have in one slot.
    places: u64,
    /// First and last slot that was used.
    slots: Option<(u32, u32)>,
    rejections: f64,
    quota_units: u64,
    /// Units of every quota together.
    quotas: u64,
    proven: u64,
    cost_by_part: Vec<f64>,
}

/// Orders in one point of the cost curve.
pub const CURVE_ORDERS: u64 = 200;

impl Tally {
    /// Count one routed order.
    pub fn add(&mut self, network: &Network, order: &Order, plan: &Plan) {
        if self.orders == 0 {
            let capacities = network.nodes().iter().filter_map(|node| node.capacity.as_ref());
            self.places = capacities.map(|capacity| u64::from(capacity.per_hour())).sum();
            self.quotas = network.quotas().map(|(.., quota)| u64::from(quota.most())).sum();
        }
        self.orders += 1;
        self.units += u64::from(order.units());
        self.cost += plan.cost;
        self.split += u64::from(plan.shipments.len() > 1);
        self.shipments += plan.shipments.len() as u64;
        self.unfilled_units += u64::from(plan.unfilled_units());
        self.unfilled_orders += u64::from(!plan.unfilled.is_empty());
        self.proven += u64::from(plan.proof.covers_network());
        for shipment in &plan.shipments {
            self.metres.push((shipment.km * 1_000.0).min(4e9) as u32);
            self.confidence += shipment.promise.confidence;
            let node = network.node(shipment.node);
            self.rejections += 1.0 - node.acceptance.estimate();
            if let (Some(_), Some(slot)) = (&node.capacity, shipment.slot) {
                self.capacity_shipments += 1;
                let (first, last) = self.slots.unwrap_or((slot.0, slot.0));
                self.slots = Some((first.min(slot.0), last.max(slot.0)));
            }
        }
        self.promised += u64::from(plan.unfilled.is_empty());
        if let Some(channel) = plan.channel {
            let quotas = plan.picks.iter().filter(|p| network.quota(p.entry, channel).is_some());
            self.quota_units += quotas.map(|pick| u64::from(pick.units)).sum::<u64>();
        }
        if self.orders.is_multiple_of(CURVE_ORDERS) {
            self.cost_by_part.push(self.cost.to_units());
        }
    }

    /// Return the figures; `bound` is a lower bound on the cost of any policy, in currency units.
    pub fn finish(mut self, bound: Option<f64>) -> Kpis {
        self.metres.sort_unstable();
        let shipments = self.shipments.max(1) as f64;
        let orders = self.orders.max(1) as f64;
        let p95 = (self.metres.len() * 95).div_ceil(100).saturating_sub(1);
        let km = |metres: u64| metres as f64 / 1_000.0;
        let cost = self.cost.to_units();
        let slots = self.slots.map_or(0, |(first, last)| u64::from(last - first) + 1);
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        Kpis {
            orders: self.orders,
            units: self.units,
            cost,
            cost_per_order: cost / orders,
            split_rate: self.split as f64 / orders,
            packages_per_order: self.shipments as f64 / orders,
            distance_km_mean: km(self.metres.iter().map(|&m| u64::from(m)).sum()) / shipments,
            distance_km_p95: km(u64::from(self.metres.get(p95).copied().unwrap_or(0))),
            on_time: self.confidence / shipments,
            unfilled_units: self.unfilled_units,
            unfilled_orders: self.unfilled_orders,
            expected_rejections: self.rejections,
            capacity_shipments: self.capacity_shipments,
            capacity_use: share(self.capacity_shipments, self.places * slots),
            quota_units: self.quota_units,
            quota_use: share(self.quota_units, self.quotas),
            proven: self.proven as f64 / orders,
            hindsight_bound: bound,
            above_bound_percent: bound.filter(|b| *b > 0.0).map(|b| (cost / b - 1.0) * 100.0),
            cost_curve: self.cost_by_part,
        }
    }
}

/// Figures of one policy.
#[derive(Clone, Debug, Serialize)]
pub struct Kpis {
    /// Orders routed.
    pub orders: u64,
    /// Units asked for.
    pub units: u64,
    /// What everything cost.
    pub cost: f64,
    /// Cost for each order.
    pub cost_per_order: f64,
    /// Share of orders in more than one shipment.
    pub split_rate: f64,
    /// Shipments for each order.
    pub packages_per_order: f64,
    /// Mean road kilometres of a shipment.
    pub distance_km_mean: f64,
    /// 95th percentile of a shipment's road kilometres.
    pub distance_km_p95: f64,
    /// Mean confidence of the shipments' promises.
    pub on_time: f64,
    /// Units no node shipped.
    pub unfilled_units: u64,
    /// Orders with such units.
    pub unfilled_orders: u64,
    /// Rejections to expect from the nodes' acceptance.
    pub expected_rejections: f64,
    /// Shipments that took a place in a slot.
    pub capacity_shipments: u64,
    /// Their share of all places from the first slot used to the last, at nodes with a capacity.
    pub capacity_use: Option<f64>,
    /// Units that used a channel's quota.
    pub quota_units: u64,
    /// Their share of all quotas.
    pub quota_use: Option<f64>,
    /// Share of plans proven minimal over the whole network.
    pub proven: f64,
    /// No policy could have cost less, knowing every order beforehand; absent when not computed.
    pub hindsight_bound: Option<f64>,
    /// Cost above that bound.
    pub above_bound_percent: Option<f64>,
    /// Cost after every [`CURVE_ORDERS`] orders.
    #[serde(skip)]
    pub cost_curve: Vec<f64>,
}

impl Kpis {
    /// Return the figures as names and texts, in the order they are printed.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let percent = |share: f64| format!("{:.2} %", share * 100.0);
        let optional = |value: Option<f64>, unit: &str| {
            value.map_or_else(|| "not computed".to_owned(), |value| format!("{value:.2}{unit}"))
        };
        let of_share = |share: Option<f64>| share.map_or_else(|| "none stated".to_owned(), percent);
        vec![
            ("orders", self.orders.to_string()),
            ("cost", format!("{:.2}", self.cost)),
            ("cost an order", format!("{:.4}", self.cost_per_order)),
            ("split rate", percent(self.split_rate)),
            ("packages an order", format!("{:.4}", self.packages_per_order)),
            ("distance mean", format!("{:.2} km", self.distance_km_mean)),
            ("distance p95", format!("{:.2} km", self.distance_km_p95)),
            ("on time (expected)", percent(self.on_time)),
            ("unfilled units", self.unfilled_units.to_string()),
            ("unfilled orders", self.unfilled_orders.to_string()),
            ("rejections (expected)", format!("{:.1}", self.expected_rejections)),
            ("capacity use", of_share(self.capacity_use)),
            ("quota use", of_share(self.quota_use)),
            ("proven over the network", percent(self.proven)),
            ("hindsight bound", optional(self.hindsight_bound, "")),
            ("above the bound", optional(self.above_bound_percent, " %")),
        ]
    }
}
