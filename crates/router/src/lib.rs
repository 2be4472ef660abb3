//! Exact, explained order routing.

pub mod cost;
pub mod decide;
pub mod limits;
