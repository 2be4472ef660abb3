//! A crowd over HTTP that checks what it was told.
//!
//! Arrivals are open-loop: they come when they are due, however slow the server is, and latency
//! counts from that moment, so that a stalled server cannot hide its queue (*coordinated omission*,
//! Gil Tene, *How NOT to Measure Latency*). The crowd keeps every acknowledgement and every unknown
//! outcome; afterwards they are compared with the truth, read from outside.
//!
//! | module | idea |
//! |---|---|
//! | [`arrivals`], [`trace`] | when requests are due: constant, Poisson, a spike, a ramp, as recorded |
//! | [`crowd`] | who comes and how they behave, from a seed |
//! | [`target`], [`template`] | any other HTTP service, described in a file |
//! | [`wire`] | many HTTP/1.1 connections on one thread, without a task for each |
//! | [`drive`] | plays a crowd over a wire, and watches the order of what it is told |
//! | [`client`] | keep-alive HTTP/1.1 for everything that is not load |
//! | [`run`](mod@run) | plays a crowd against a server that is killed and started again meanwhile |
//! | [`server`] | a server as a child process, to be killed |
//! | [`start`](mod@start) | a crowd around the opening: nothing early, and how soon the first |
//! | [`told`] | what the server said |
//! | [`truth`], [`admin`], [`folder`] | what is: over the admin API, or from a data folder |
//! | [`check`](mod@check), [`history`], [`count`] | compares the two; the verdict |
//! | [`threshold`], [`capacity`] | what a run must reach, and at which rate it still does |
//! | [`own`] | what the load costs, and whether it is the limit |
//! | [`session`] | one run from the first connection to the verdict |
//! | [`outcome`], [`page`], [`plot`] | all of it as data, as one HTML file, as curves |
//!
//! Load is sent by one thread without a runtime ([`drive`]); what is asked beside it, and crowds whose
//! server is killed, run on tokio's `current_thread`. Nothing here decides stock.

pub mod admin;
pub mod arrivals;
pub mod capacity;
pub mod check;
pub mod client;
pub mod count;
pub mod crash;
pub mod crowd;
pub mod doubles;
pub mod drive;
pub mod folder;
pub mod history;
pub mod outcome;
pub mod own;
pub mod page;
pub mod plot;
pub mod run;
pub mod server;
pub mod session;
pub mod start;
mod stores;
pub mod target;
pub mod template;
pub mod threshold;
pub mod told;
pub mod trace;
pub mod truth;
pub mod verdict;
pub mod wire;

#[cfg(test)]
mod check_tests;
#[cfg(test)]
mod history_tests;
