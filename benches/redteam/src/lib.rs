//! A red team against risk: a drop is played over real sockets at a real gateway with `[risk]`, a line
//! with weights, challenges and passes; nine of ten entries are programs.
//!
//! Time is simulated: a clock that this program moves, and an engine that decides when it is told to.
//! So ten minutes of joining and an hour of selling take seconds. The same seed sends the same crowd;
//! the draw and the key of the digests are random, as in every drop. What is modelled and what is not stands in `docs/risk.md`.
//!
//! | module | |
//! |---|---|
//! | [`people`] | people, and the unlucky ones among them |
//! | [`families`] | programs by what their owners put into them: calibrated on some, tested on others |
//! | [`looks`] | the headers each of them sends |
//! | [`drop`](mod@drop) | one drop from the first probe to the last unit |
//! | [`scene`], [`wire`] | the gateway with its clock, and a connection to it |
//! | [`tally`], [`table`], [`labels`] | what came of it, and how it is written down |

pub mod drop;
pub mod families;
pub mod labels;
pub mod looks;
pub mod people;
pub mod scene;
pub mod table;
pub mod tally;
pub mod visitor;
pub mod wire;

pub use drop::{Plan, play};
