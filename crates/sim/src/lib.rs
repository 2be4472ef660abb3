//! Whole sales in one process: the real ledger, journal, engine and gateway (below its socket) on a
//! simulated disk, clock, crowd, payment provider and operators, everything from one seed.
//!
//! A `plan` is written down first and then lived (`history`): buyers ask, the ledger takes a turn
//! (`turn`), things break (`faults`), and in the end everybody comes back (`finish`). The
//! `oracle` follows the journal record by record with core's naive model and has to agree with each
//! record, each answer and each refusal (`front`). What fails is made shorter (`shrink`).
//! `docs/simulation.md` tells how to use it and what it does not cover: a disk that claims a sync
//! which it did not do.
//!
//! A seed below a hundred million means the first script (`plan`), later ones the second (`script`),
//! which has lines, stores and batches besides. New kinds of requests join in a script of their own (a
//! step), `world.rs` (how it is asked), a model like `line.rs` or `store.rs` (its records), a file like
//! `line_asks.rs` or `store_asks.rs` (its answer) and `turn.rs` (which records belong to it).

mod batch;
pub mod clock;
mod compare;
mod counter;
pub mod crash_points;
mod faults;
mod finish;
pub mod front;
pub mod history;
mod http;
pub mod lexicon;
pub mod line;
pub mod line_asks;
mod operators;
pub mod oracle;
mod papers;
pub mod plan;
mod provider;
pub mod random;
pub mod record;
pub mod said;
mod script;
pub mod shrink;
mod spec;
pub mod step;
pub mod store;
pub mod store_asks;
mod turn;
pub mod waits;
pub mod world;
