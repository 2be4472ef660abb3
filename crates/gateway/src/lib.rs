//! The HTTP gateway of Onrush: buyers on one listener, operators on another.
//!
//! A request's life: bytes become a head and a body in [`server`] → [`gateway::Gateway::handle`]
//! matches the address, checks the shape and who asks → one call of the engine → its decision
//! becomes an [`answer::Answer`] or a problem document. `handle` needs no socket, runtime or clock,
//! so a simulator can call it.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | one TOML file, read strictly |
//! | [`server`] | listeners, workers, connections, deadlines; the only part that knows tokio |
//! | [`gateway`], `routes` | from a request to its route |
//! | `identity` | who is asking: JWT, session, API key |
//! | `public`, `admin` | what can be asked on either side |
//! | `line` | tickets, passes, and what people in line see |
//! | `funnel` | how far people of each channel and touchpoint come |
//! | `stores` | a live router: promises, orders at stores, what stores do with them |
//! | `waitlist` | waiting for units that come back |
//! | `pages` | what a buyer sees: pages from templates, their forms, scripts and styles |
//! | `reminders` | notify me: its routes, and the owner thread behind them |
//! | [`errors`], [`problem`] | every refusal, in one table |
//! | [`wire`] | the shapes of requests and answers |
//! | `metrics`, `openapi`, `api_page` | what it says about itself |
//!
//! The gateway holds no state that matters: everything it would miss after a restart is the
//! engine's. It knows nothing of journals, and asks the router where an order goes.

pub mod answer;
pub mod config;
pub mod errors;
pub mod gateway;
pub mod problem;
pub mod server;
pub mod wire;

mod admin;
mod api_page;
mod cors;
mod funnel;
mod identity;
mod jitter;
mod line;
mod metrics;
mod openapi;
mod pages;
mod providers;
mod public;
mod reminders;
mod risk;
mod routes;
mod secrets;
mod stores;
mod waiting;
mod waitlist;

pub use admin::ReservationStream;
pub use answer::Answer;
pub use config::{Config, ConfigError, ConfigErrors, check};
pub use gateway::{Ask, Gateway, Reply, Side};
pub use identity::{IssuerError, SessionMemo};
pub use jitter::Jitter;
pub use line::{Applicant, AskError, Asking, Eligibility, Listener, Told, Verdict};
pub use metrics::Metrics;
pub use onrush_risk as scoring;
pub use pages::money_text;
pub use reminders::TicketLink;
pub use routes::Route;
pub use server::{Running, ServeError, serve};
pub use waiting::{Settled, Waiting};
