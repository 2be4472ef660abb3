//! The rules of one operator, as one versioned TOML file.
//!
//! Unknown fields are refused, every error names its line and what to write instead, and everything
//! has a default, so that an empty file is the plain exact router. See `docs/routing.md` for every
//! field.

mod check;
mod effective;
mod file;

pub use check::{PolicyError, Problems};
pub use effective::PolicyDanger;

use crate::cost::Cost;
use crate::delivery::{Delivery, Rule};
use crate::label::Label;
use crate::limits::SPLIT_MAX;
use crate::node::{NodeKind, Owner};

/// The version of the file's form that this router reads.
pub const POLICY_VERSION: u32 = 1;

/// A checked policy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What shipping and not shipping cost.
    pub costs: Costs,
    /// Road kilometres for each straight one.
    pub detour: f64,
    /// Farthest road distance for any order, in km.
    pub max_km: f64,
    /// How many shipments an order may become.
    pub split: Split,
    /// Opportunity prices.
    pub prices: Prices,
    /// Which nodes take part.
    pub filters: Filters,
    /// Nodes to favour or to spare.
    pub priorities: Vec<Priority>,
    /// Units that stay at every node of a kind, on top of its safety stock.
    pub protect: [u32; NodeKind::ALL.len()],
    /// Limits and terms for orders of one kind.
    pub weights: Vec<Weights>,
    /// One rule for each delivery form, in the order of [`Delivery::ALL`].
    pub deliveries: [Rule; Delivery::ALL.len()],
    /// A node that lacks what is collected there may get it from another.
    pub pickup_transfers: bool,
    /// How long a plan may be improved before it is picked, in minutes.
    pub hold_minutes: f64,
}

/// Costs in currency units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Each shipment.
    pub fixed_per_shipment: f64,
    /// Each unit.
    pub per_unit: f64,
    /// Each unit and road kilometre.
    pub per_unit_km: f64,
    /// Once for an order with anything unfilled.
    pub unfilled_fixed: f64,
    /// Each unit that is not shipped.
    pub unfilled_per_unit: f64,
    /// A shipment that its node rejects.
    pub per_rejection: f64,
    /// A shipment that arrives after it was due.
    pub per_late_shipment: f64,
    /// Handing over at the node where the order is collected.
    pub fixed_per_pickup: f64,
}

/// Split limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    /// Most shipments of one order.
    pub limit: usize,
    /// Orders of a known value below this are never split.
    pub min_value: f64,
}

impl Split {
    /// Return the limit for an order of a given value; zero stands for unknown.
    pub fn limit_for(&self, value: f64) -> usize {
        if value > 0.0 && value < self.min_value { 1 } else { self.limit }
    }
}

/// Opportunity prices: whether, how often, and from what.
#[derive(Clone, Debug, PartialEq)]
pub struct Prices {
    /// Weigh what a unit would be worth to later orders.
    pub enabled: bool,
    /// Orders between two background solves.
    pub reprice_every: u32,
    /// A file of past orders to learn rates from; absent learns as it goes.
    pub forecast: Option<String>,
    /// Orders expected before stock is renewed; absent is taken from the forecast or the stock.
    pub horizon_orders: Option<f64>,
}

/// Which nodes take part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filters {
    /// Kinds that may ship, as bits; zero is all.
    pub kinds: u8,
    /// Only nodes run by this owner.
    pub owner: Option<Owner>,
    /// Only nodes of one of these groups; empty is all.
    pub groups: Vec<Label>,
    /// Never nodes of these groups.
    pub exclude_groups: Vec<Label>,
    /// Never these nodes.
    pub exclude_nodes: Vec<Label>,
    /// Never nodes less likely to accept.
    pub min_accept: f64,
}

/// A term added to the cost of using the nodes of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Priority {
    /// The group.
    pub group: Label,
    /// Currency units; positive spares the nodes.
    pub cost: f64,
}

/// Limits and terms for orders of one kind; the first that matches counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// Orders of this channel; absent is every channel.
    pub channel: Option<Label>,
    /// Orders of this form; absent is every form.
    pub delivery: Option<Delivery>,
    /// Factor on the cost of a shipment.
    pub shipment: f64,
    /// Factor on the cost of distance.
    pub distance: f64,
    /// Factor on the cost of handling.
    pub handling: f64,
    /// Factor on the cost of lateness.
    pub lateness: f64,
    /// Factor on the cost of rejection.
    pub rejection: f64,
    /// Farthest road distance, in km.
    pub max_km: f64,
}

impl Weights {
    /// No change to any term.
    pub const NEUTRAL: Weights = Weights {
        channel: None,
        delivery: None,
        shipment: 1.0,
        distance: 1.0,
        handling: 1.0,
        lateness: 1.0,
        rejection: 1.0,
        max_km: f64::INFINITY,
    };
}

impl Default for Policy {
    /// The plain exact router: no prices, every node, splits up to five shipments.
    fn default() -> Policy {
        Policy {
            costs: Costs {
                fixed_per_shipment: 1.0,
                per_unit: 0.0,
                per_unit_km: 0.01,
                unfilled_fixed: 0.0,
                unfilled_per_unit: 1_000.0,
                per_rejection: 0.0,
                per_late_shipment: 0.0,
                fixed_per_pickup: 0.0,
            },
            detour: 1.32,
            max_km: f64::INFINITY,
            split: Split { limit: 5, min_value: 0.0 },
            prices: Prices {
                enabled: false,
                reprice_every: 200,
                forecast: None,
                horizon_orders: None,
            },
            filters: Filters::default(),
            priorities: Vec::new(),
            protect: [0; NodeKind::ALL.len()],
            weights: Vec::new(),
            deliveries: Delivery::ALL.map(Delivery::default_rule),
            pickup_transfers: false,
            hold_minutes: 0.0,
        }
    }
}

impl Policy {
    /// Read a policy and check every field.
    ///
    /// # Errors
    /// Every problem found, each with its line.
    pub fn from_toml(text: &str) -> Result<Policy, Problems> {
        check::read(text)
    }

    /// Return the rule of a delivery form.
    #[inline]
    pub fn rule(&self, delivery: Delivery) -> &Rule {
        &self.deliveries[delivery as usize]
    }

    /// Return the cost of an order with anything unfilled, and of each such unit.
    pub fn unfilled(&self) -> (Cost, Cost) {
        let Costs { unfilled_fixed, unfilled_per_unit, .. } = self.costs;
        (Cost::from_units(unfilled_fixed), Cost::from_units(unfilled_per_unit))
    }
}

const _: () = assert!(SPLIT_MAX >= 5, "the default split limit is allowed");
