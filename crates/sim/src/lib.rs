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
//! New kinds of requests join in `plan.rs` (a step), `world.rs` (how it is asked), `oracle.rs` (its
//! records, its answer without one) and `turn.rs` (which records belong to it).

pub mod clock;
pub mod crash_points;
mod faults;
mod finish;
pub mod front;
pub mod history;
mod http;
pub mod lexicon;
pub mod oracle;
pub mod plan;
pub mod random;
pub mod record;
pub mod said;
pub mod shrink;
mod turn;
pub mod waits;
pub mod world;
