//! What the fuzz targets check, as plain functions: a fuzzer calls them with bytes it makes up, a
//! test calls them with the committed corpora on any toolchain.
//!
//! Each body panics where a promise breaks and returns what it reached, so that the test over the
//! corpus can also tell whether the corpus still reaches what it was made for.
//!
//! | target | bytes are | promise |
//! |---|---|---|
//! | [`record()`] | a journal record | decoding never panics; what decodes, encodes to the same bytes |
//! | [`frame()`] | a journal frame | checking never panics; a frame that passes is consistent |
//! | [`snapshot()`] | chunks of a snapshot | loading never panics; what loads, saves and loads as the same state |
//! | [`model()`] | a risk model or policy | loading never panics; a model that loads, ends |
//! | [`config()`] | a configuration file | reading never panics, and gives the same again |
//! | [`request()`] | an address and a JSON body | the gateway answers as its contract says; the ledger adds up |
//! | [`token()`] | a session token, made up or changed | nothing is believed but what was given out |
//! | [`connection()`] | whatever comes to the port | HTTP or a close comes back; nothing is held |
//! | [`ledger()`] | actions and times | INV-1, 5, 6, 8 after every batch; replay and snapshot agree to the byte (INV-10) |

pub mod actions;
mod config;
mod connection;
mod frame;
pub mod input;
mod ledger;
mod model;
mod record;
mod request;
pub mod snapshot;

pub use config::config;
pub use connection::connection;
pub use frame::frame;
pub use ledger::{Reached, ledger};
pub use model::model;
pub use record::record;
pub use request::{request, token};
pub use snapshot::snapshot;

/// A body under the name of its target, for whoever runs them all.
pub type Body = fn(&[u8]);

/// Every target: its name is that of its corpus folder and of its file in `fuzz_targets`.
pub const TARGETS: [(&str, Body); 9] = [
    ("config", |data| {
        config(data);
    }),
    ("connection", |data| {
        connection(data);
    }),
    ("frame", |data| {
        frame(data);
    }),
    ("ledger", |data| {
        ledger(data);
    }),
    ("model", |data| {
        model(data);
    }),
    ("record", |data| {
        record(data);
    }),
    ("request", |data| {
        request(data);
    }),
    ("snapshot", |data| {
        snapshot(data);
    }),
    ("token", |data| {
        token(data);
    }),
];
