//! Plans as JSON: one line for each order.

use crate::cost::Cost;
use crate::delivery::Promise;
use crate::explain::{Explanation, Language};
use crate::network::Network;
use crate::order::Order;
use crate::plan::Plan;
use serde::Serialize;

/// A plan as it is written and read outside the router.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct PlanDocument {
    /// The order's name.
    pub order: String,
    /// What each node ships.
    pub shipments: Vec<ShipmentDocument>,
    /// What no node ships.
    pub unfilled: Vec<LineDocument>,
    /// What the plan costs, in currency units.
    pub cost: f64,
    /// Plans that lost, cheapest first.
    pub alternatives: Vec<AlternativeDocument>,
    /// Why the plan won, in sentences.
    pub why: Vec<String>,
}

/// What one node ships.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct ShipmentDocument {
    /// The node's name.
    pub node: String,
    /// Its lines.
    pub lines: Vec<LineDocument>,
    /// What it costs, in currency units.
    pub cost: f64,
    /// When it arrives.
    pub promise: PromiseDocument,
}

/// Units of one SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct LineDocument {
    /// The SKU's name.
    pub sku: String,
    /// How many.
    pub quantity: u32,
}

/// A time and how sure it is.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct PromiseDocument {
    /// RFC 3339, UTC.
    pub at: String,
    /// Between 0 and 1.
    pub confidence: f64,
}

/// A plan that lost.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct AlternativeDocument {
    /// Its nodes; none stands for leaving the order unfilled.
    pub nodes: Vec<String>,
    /// How much more it weighs than the plan that won, in currency units.
    pub more: f64,
}

impl PlanDocument {
    /// Put names to a plan.
    pub fn new(
        network: &Network,
        order: &Order,
        plan: &Plan,
        why: Option<(&Explanation, Language)>,
    ) -> PlanDocument {
        let line =
            |sku, quantity| LineDocument { sku: network.sku_name(sku).to_string(), quantity };
        let name = |node| network.node(node).name.to_string();
        let shipments = plan.shipments.iter().map(|shipment| ShipmentDocument {
            node: name(shipment.node),
            lines: plan.picks_of(shipment).iter().map(|p| line(p.sku, p.units)).collect(),
            cost: shipment.cost.to_units(),
            promise: promise(shipment.promise),
        });
        let lost = why.iter().flat_map(|(explanation, _)| &explanation.alternatives);
        PlanDocument {
            order: order.id.to_string(),
            shipments: shipments.collect(),
            unfilled: plan.unfilled.iter().map(|left| line(left.sku, left.units)).collect(),
            cost: plan.cost.to_units(),
            alternatives: lost
                .map(|alternative| AlternativeDocument {
                    nodes: alternative.nodes.iter().map(|&node| name(node)).collect(),
                    more: Cost::to_units(alternative.more),
                })
                .collect(),
            why: why.map_or_else(Vec::new, |(explanation, language)| {
                explanation.sentences(network, plan, language)
            }),
        }
    }
}

fn promise(promise: Promise) -> PromiseDocument {
    let at = i64::try_from(promise.at.0).ok();
    let at = at.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    PromiseDocument {
        at: at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
        confidence: (promise.confidence * 1e4).round() / 1e4,
    }
}
