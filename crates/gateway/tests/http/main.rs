//! The gateway over real sockets: every route, every precedence, and what hostile bytes do.

mod admin;
mod back_end;
mod batch;
mod client;
mod contract;
mod identity;
mod line;
mod line_eligible;
mod line_events;
mod line_gate;
mod proxy;
mod queue;
mod raw;
mod server;
mod stopping;
mod waitlist;
