//! The pure heart of Onrush. No I/O, no clock, no randomness, no threads: time and digests are
//! arguments, so the same code runs in production, in replay and under a simulator.
//!
//! Two regimes meet at a bounded queue that the engine owns:
//!
//! * [`front`] is above it: shared memory, atomics, many caller threads. It answers the crowd and
//!   may refuse what the ledger would have allowed, never the reverse.
//! * [`ledger`] is below it: one owner, plain data. [`ledger::Ledger::perform`] turns an action into
//!   records, [`ledger::Ledger::apply`] is the only way state changes, live and in replay alike.
//!
//! The order in which people may come is a third thing, drawn and not raced for: [`mod@line`].
//!
//! Start with [`reservation::State`], then [`phase::Phase`], then the two modules above.

pub mod campaign;
pub mod front;
pub mod ledger;
pub mod line;
pub mod phase;
pub mod refusal;
pub mod reservation;
pub mod sale_clock;
pub mod wait_queue;

mod sync;
