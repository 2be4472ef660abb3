//! The gateway over real sockets: every route, every precedence, and what hostile bytes do.

mod admin;
mod back_end;
mod batch;
mod chain;
mod client;
mod console;
mod contract;
#[path = "../../../notify/tests/doubles/mod.rs"]
mod doubles;
mod extend;
mod funnel;
mod identity;
mod line;
mod line_admin;
mod line_eligible;
mod line_events;
mod line_gate;
mod log;
mod pages;
mod pages_check;
mod proxy;
mod queue;
mod raw;
mod reminders;
mod risk;
mod risk_more;
mod server;
mod stopping;
mod stores;
mod stores_more;
mod stream;
mod waitlist;
