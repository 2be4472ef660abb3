//! Onrush: a flash-sale engine for Rust services.
//!
//! A crowd wants a few units at one second. The engine decides who gets one, never sells a unit
//! twice, never loses a sale it confirmed, and never leaks a unit, on one ordinary box, with every
//! answer durable before it is given.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use onrush::*;
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let engine = Engine::open(dir, Options::default())?;
//! let campaign = engine.put_campaign(CampaignSpec::new(
//!     Name::new("drop")?,
//!     Terms::open_now(Currency::CNY),
//!     vec![SkuSpec::new(Name::new("jacket")?, 129_900, 1_000)],
//! ));
//! let campaign = campaign.wait()?.granted().ok_or("refused")?;
//! let hold = engine.reserve(&ReserveRequest::new(&campaign, "jacket", engine.buyer("ann"), "key-1"));
//! match hold.wait()? {
//!     Decision::Done(r) | Decision::Already(r) => println!("held {} until {:?}", r.id, r.expires_at),
//!     Decision::Refused(refusal) => println!("sorry: {refusal}"),
//! }
//! engine.shutdown()?;
//! # Ok(())
//! # }
//! ```
//!
//! `docs/architecture.md` tells the life of one reservation; `docs/invariants.md` what is promised
//! and which test would catch it being broken. No async runtime is needed: a [`Pending`] is a future
//! and has [`wait`](Pending::wait).

/// The README's example is compiled with the doc tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod admission;
mod background;
mod bell;
mod catalogue;
mod clock;
mod credits;
mod engine;
mod error;
mod events;
mod flight;
mod front;
mod line;
mod open;
mod owner;
mod pending;
mod public_id;
mod publish;
mod replay;
mod secret;
mod shared;
mod snapshots;
mod status;
mod stores;
mod sync;
mod waitlist;
mod wakes;

pub use catalogue::{Campaign, Sku};
pub use clock::{Clock, SystemClock};
pub use engine::Engine;
pub use error::{EngineError, EventsError, OpenError};
pub use events::Events;
pub use front::{ReserveRequest, Screen, Verdict};
pub use line::{
    DrawView, Eta, JoinRequest, LaneView, LineView, Odds, Pass, PassShown, Standing, Ticket,
    pseudonyms,
};
pub use onrush_core::campaign::{CampaignSpec, SkuSpec, SpecError, Terms, WaitTerms, Wave};
pub use onrush_core::front::SlotView;
pub use onrush_core::ledger;
pub use onrush_core::ledger::{By, PaymentLine};
pub use onrush_core::line::outflow::Outflow;
pub use onrush_core::line::terms::{LineTerms, Tier};
pub use onrush_core::line::{self as draw_rule, Pseudonym};
pub use onrush_core::phase::{Phase, Schedule};
pub use onrush_core::refusal::Refusal;
pub use onrush_core::reservation::State;
pub use onrush_core::wait_queue::WaitFigures;
pub use onrush_journal as journal;
pub use onrush_types::*;
pub use open::{Driver, Options, Parts, QUEUE_MAX};
pub use owner::Turn;
pub use pending::{Decision, Extended, Inspect, Pending};
pub use public_id::{PUBLIC_ID_CHARS, PublicId};
pub use replay::{Replayed, replay, replay_storage};
pub use secret::Secret;
pub use shared::Reservation;
pub use status::Status;
pub use waitlist::{WaitPlace, WaitRequest, WaitTicket, WaitView, Waitlisted};
pub use wakes::BatchWakes;
