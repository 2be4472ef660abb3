//! Exact, explained order routing.

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

pub use label::{Label, LabelError};
pub use offer::Excluded;
pub use router::{Ask, Routed, Router};
pub use rules::Ruleset;
