//! The gateway over real sockets: every route, every precedence, and what hostile bytes do.

mod admin;
mod back_end;
mod batch;
mod chain;
mod client;
mod contract;
mod identity;
mod raw;
mod server;
mod stopping;
mod stores;
mod stores_more;
mod waitlist;
