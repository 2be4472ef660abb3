//! Exact, explained order routing: the best store for every order, in microseconds, and why.
//!
//! Stores and warehouses become one forward stock. [`Network`](network::Network) holds what they
//! have and when they work, [`Ruleset`] what an operator wants, and a [`Router`] finds for each
//! order the cheapest set of nodes (proven, not ranked), takes its stock atomically, and explains
//! itself. Neither the sale engine nor a service is needed.
//!
//! ```
//! use onrush_router::{Label, Routed, Router, Ruleset};
//! use onrush_router::geo::Position;
//! use onrush_router::network::{Network, StockSpec};
//! use onrush_router::node::{NodeKind, NodeSpec};
//! use onrush_router::order::{Line, Order};
//! use onrush_router::plan::Plan;
//! use onrush_router::policy::Policy;
//! use onrush_types::Timestamp;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Label::new("store-1")?;
//! let stock = StockSpec {
//!     node: store.clone(),
//!     sku: Label::new("milk")?,
//!     on_hand: 5,
//!     safety_stock: 1,
//!     channel_quotas: Vec::new(),
//! };
//! let node = NodeSpec::new(store, NodeKind::Store, Position::new(41.80, 123.40)?);
//! let network = Network::build(vec![node], vec![stock])?;
//! let rules = Ruleset::new(Policy::default(), &network);
//!
//! let milk = network.find_sku("milk").ok_or("unknown SKU")?;
//! let to = Position::new(41.81, 123.41)?;
//! let order = Order::new(Label::new("o1")?, Timestamp(0), to, vec![Line { sku: milk, units: 2 }]);
//! let mut plan = Plan::default();
//! assert_eq!(Router::new(&network, &rules).route(&order, &mut plan), Routed::Held);
//! assert_eq!(plan.shipped_units(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! **What holds.** The same network, prices and order give the same bytes; the order of rows in a
//! file decides nothing. No plan uses a node that is closed, full, out of reach or protected. A plan
//! is the minimum over its candidates, and its [`Proof`](plan::Proof) says how far beyond them. Units
//! are taken all or none, by any number of threads. Nothing here reads a clock, draws randomness or
//! starts a thread; files come as readers and writers.
//!
//! **Where to look.** One order's life: [`order`] → `router` (gather, decide, prove) → [`decide`] →
//! [`plan`] (take) → [`fulfil`] (confirm, reject, source again),
//! [`window`] (improved together until picked). What it costs: [`cost`],
//! [`delivery`], [`prices`]. Files: [`csv`], [`policy`], [`document`], [`cli`].

pub mod calendar;
pub mod capacity;
pub mod cli;
pub mod cost;
pub mod crs;
pub mod csv;
pub mod decide;
pub mod delivery;
pub mod document;
pub mod explain;
pub mod fulfil;
pub mod geo;
mod label;
pub mod limits;
pub mod network;
pub mod node;
mod offer;
pub mod order;
pub mod plan;
pub mod policy;
pub mod prices;
mod router;
mod rules;
pub mod search;
pub mod simulate;
pub mod stock;
pub mod window;

pub use label::{Label, LabelError};
pub use offer::Excluded;
pub use router::{Ask, Nearby, Planner, Routed, Router};
pub use rules::Ruleset;
