//! A crowd over HTTP that checks what it was told.
//!
//! Arrivals are open-loop: they come when they are due, however slow the server is, and latency
//! counts from that moment, so that a stalled server cannot hide its queue (*coordinated omission*,
//! Gil Tene, *How NOT to Measure Latency*). The crowd keeps every acknowledgement and every unknown
//! outcome; afterwards they are compared with the truth, read from outside.
//!
//! | module | idea |
//! |---|---|
//! | [`arrivals`] | when requests are due: constant, Poisson, a spike |
//! | [`crowd`] | who comes and how they behave, from a seed |
//! | [`client`] | keep-alive HTTP/1.1 |
//! | [`run`](mod@run) | plays a crowd against a server |
//! | [`server`] | a server as a child process, to be killed |
//! | [`start`](mod@start) | a crowd around the opening: nothing early, and how soon the first |
//! | [`told`] | what the server said |
//! | [`truth`], [`admin`], [`folder`] | what is: over the admin API, or from a data folder |
//! | [`check`](mod@check), [`history`] | compares the two; the verdict |
//!
//! Everything but [`start`](mod@start) runs on one thread with tokio's `current_thread` runtime;
//! nothing here decides stock.

pub mod admin;
pub mod arrivals;
pub mod check;
pub mod client;
pub mod crash;
pub mod crowd;
pub mod folder;
pub mod history;
pub mod run;
pub mod server;
pub mod start;
mod stores;
pub mod told;
pub mod truth;
pub mod verdict;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod history_tests;
