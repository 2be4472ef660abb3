//! Reminders before a sale: kept encrypted beside the journal, sent once, at a bounded rate.
//!
//! A buyer asks to be told, on a channel of theirs, before a campaign opens. The life of one
//! reminder: an [`Order`] reaches the owner thread through the [`Desk`] → the [`Store`] seals the
//! address under the buyer's own key and commits → at the start minus the lead time the
//! [`Notifier`] marks it *sending*, durably → a sender hands it over → the outcome is committed and
//! the address is destroyed.
//!
//! | module | idea |
//! |---|---|
//! | [`address`], [`row`] | what is known of a reminder, and the states it passes through |
//! | `vault`, [`store`] | personal data under a key per person; a side store beside the journal |
//! | [`rate`], [`notifier`] | what is due, how fast, what a failure means; no clock, no runtime |
//! | [`text`], [`calendar`], [`token`] | what people read, their calendar, the way out |
//! | [`send`] | webhook, Web Push, mail, WeChat |
//! | [`desk`], [`worker`] | the queue in front of the one owner thread, and that thread |
//!
//! **At most once.** A reminder is marked before it is handed over and after; what a crash or a
//! broken connection leaves in between is `unknown` and is never sent again. Retries follow only
//! where the other side said no or was not reached.
//!
//! It knows nothing of the engine: campaigns come through [`Campaigns`], time and randomness are
//! arguments everywhere but in [`worker`].

pub mod address;
pub mod calendar;
pub mod desk;
pub mod entropy;
pub mod limits;
pub mod notifier;
pub mod rate;
pub mod row;
pub mod send;
pub mod store;
pub mod text;
pub mod token;
pub mod worker;

mod records;
mod tables;
mod vault;

pub use address::{Address, AddressError, Channel, Locale, Subscription};
pub use desk::{Answer, Closed, Desk, Full};
pub use entropy::{Entropy, NoEntropy};
pub use notifier::{Campaigns, Facts, Job, Links, Notifier, Policy, Stage};
pub use records::{Done, Figures, Key, Order, Tally};
pub use row::State;
pub use send::Outcome;
pub use store::{Store, StoreError};
pub use worker::{Running, start};
