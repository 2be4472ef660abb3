//! The line: who may come in, in which order, and when.
//!
//! * [`draw`] is the rule that anybody can recompute: commitment, turn, and a plain sort.
//! * [`wheel`] gives the same order lazily, for millions of tickets, without a sort at the start.
//! * [`log2`], [`key`] and [`list`] are the integers and digests that both are made of.
//! * [`terms`] are what an operator says, [`outflow`] how fast people are let in, [`tickets`] the table
//!   of everybody who joined.
//!
//! Everything here is a pure function of its arguments; secrets, time and public values come from
//! the engine. `docs/draw.md` tells the same to people who do not read Rust.

pub mod chi2;
pub mod draw;
pub mod eta;
pub mod fairness;
pub mod fairness_facts;
pub mod key;
pub mod list;
pub mod log2;
pub mod outflow;
pub mod terms;
pub mod tickets;
pub mod wheel;

pub use draw::{Drawing, Seed, Spots, Turn};
pub use eta::{Chances, Eta, Forecast, Forecaster, Odds, Sample};
pub use key::{Key, Spot, Weights};
pub use list::{ListDigest, Participants, Pseudonym, Pseudonyms};
pub use wheel::{Order, Places, Wheel};
