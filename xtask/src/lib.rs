//! Project automation: the test command, the tidy rules, benches and fuzzing.
//!
//! Start with `steps.rs`, the steps of `cargo xtask test`; `tidy` holds the rules of the house.

#![expect(clippy::print_stdout, reason = "this is a program for people at a terminal")]

pub mod compare;
pub mod mutants;
pub mod process;
pub mod prove;
pub mod ratchet;
pub mod sanitizer;
pub mod setup;
pub mod steps;
pub mod test;
pub mod tidy;
pub mod web;
