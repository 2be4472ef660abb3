//! The line at the door: tickets, passes, what people in it see, and how other shops use it.
//!
//! | module | idea |
//! |---|---|
//! | `ring`, `token`, `jwt` | signed tickets and passes, keys that follow the clock |
//! | `eligibility`, `invites`, `hook` | who may join, and in which class |
//! | `lines` | what is kept: keys, codes, listeners, each campaign's settings |
//! | `join`, `poll`, `handing`, `shown_pass` | a place: got, looked at, moved, used |
//! | `frame`, `streams` | one event for everybody who listens |
//! | `draw` | what anybody needs to draw again |
//! | `gate`, `query` | the line in front of somebody else's shop |
//! | `admin`, `page`, `figures` | what operators do and see |
//! | `routes`, `dispatch` | addresses |
//!
//! Nothing here orders anybody: places, passes and their single use are the engine's. What is lost
//! in a restart is hand-off codes and a message.

mod admin;
mod ahead;
mod dispatch;
mod draw;
mod eligibility;
mod figures;
mod frame;
mod gate;
mod handing;
mod handoff;
mod hook;
mod invites;
mod join;
mod jwt;
mod lines;
mod openapi;
mod page;
mod poll;
mod promises;
mod ring;
mod shown_pass;
mod streams;
mod token;
mod wait;

pub(crate) mod query;
pub(crate) mod routes;

pub(crate) use ahead::tickets_ahead;
pub use eligibility::{Applicant, AskError, Asking, Eligibility, Verdict};
pub(crate) use handoff::Handed;
pub(crate) use hook::{Call, exchange, post};
pub(crate) use lines::Lines;
pub(crate) use openapi::{line_operation, line_parameters, line_schemas};
pub(crate) use page::LinePage;
pub(crate) use poll::{odds_word, state};
pub(crate) use query::parameter;
pub use streams::{Listener, Told};
pub(crate) use token::TicketToken;
pub(crate) use wait::{LineDone, LineWait};
