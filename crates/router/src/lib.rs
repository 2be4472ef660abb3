//! Exact, explained order routing.

pub mod calendar;
pub mod capacity;
pub mod cost;
pub mod crs;
pub mod decide;
pub mod delivery;
pub mod geo;
mod label;
pub mod limits;
pub mod network;
pub mod node;
pub mod order;
pub mod search;
pub mod stock;

pub use label::{Label, LabelError};
