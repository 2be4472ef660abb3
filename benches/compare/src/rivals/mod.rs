//! The contestants: each a way to sell units over HTTP, with the same work and books to check.
//!
//! The work: one SKU's stock goes down by one, a buyer has at most one unit of a SKU, an order is
//! recorded, a repeat with the same key gets the same order. Rivals know no sessions and no passes;
//! that is work of Onrush's alone.

mod nginx;
mod node;
mod onrush;
mod postgres;
mod redis;
mod rust;

pub(crate) use postgres::connect as postgres_connect;

use crate::check::{Answer, Ask, Books, PLENTY, SCARCE, Told};
use crate::client::{Answers, Requests};
use crate::process::Place;
use anyhow::Result;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Units of [`PLENTY`]: more than a run can ask for.
pub(crate) const PLENTY_UNITS: u64 = 200_000_000;

/// Units of [`SCARCE`], over which the check lets three times as many buyers fight.
pub(crate) const SCARCE_UNITS: u64 = 500;

/// What every contestant is set up with.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// A folder of its own, on the disk that is measured.
    pub(crate) folder: PathBuf,
    /// Where servers run.
    pub(crate) place: Place,
    /// The `onrush` binary.
    pub(crate) onrush: PathBuf,
    /// The folder with the sources of rivals that are not Rust.
    pub(crate) sources: PathBuf,
}

impl Setup {
    /// Make a folder in this one's.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn below(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// Somebody who sells units over HTTP.
pub(crate) trait Contestant {
    /// Return where the load goes.
    fn addr(&self) -> SocketAddr;

    /// Return its processes; what they started counts, too.
    fn processes(&self) -> Vec<u32>;

    /// Return the requests for `asks`, making ready what they need first.
    ///
    /// # Errors
    /// When it does not answer as it should.
    fn requests(&mut self, asks: &[Ask]) -> Result<Requests>;

    /// Return the mark before each order's id in an answer; `None` where there is none to look for.
    fn mark(&self) -> Option<&'static str> {
        Some("\"id\":")
    }

    /// Return the asks in one request.
    fn asks_per_request(&self) -> usize {
        1
    }

    /// Return how many of `asks` asks got what the row counts.
    fn counted_in(&self, asks: usize, answers: &Answers) -> usize {
        if self.asks_per_request() == 1 { asks } else { answers.texts().count() }
    }

    /// Return the status of the answer that the row counts.
    fn counted(&self) -> u16 {
        201
    }

    /// Return what was told, ask by ask.
    fn told(&self, asks: &[Ask], answers: &Answers) -> Vec<Told> {
        let texts = answers.text_of_each();
        let accepted = |status: u16| matches!(status, 200 | 201);
        let tell = |((ask, status), text): ((&Ask, &u16), String)| Told {
            ask: *ask,
            answer: if accepted(*status) { Answer::Accepted(text) } else { Answer::Refused },
        };
        asks.iter().zip(answers.status()).zip(texts).map(tell).collect()
    }

    /// Read its books; `None` where it keeps none: a ceiling.
    ///
    /// # Errors
    /// When they cannot be read.
    fn books(&mut self) -> Result<Option<Books>>;

    /// Return versions and settings, one line.
    fn configuration(&self) -> String;

    /// Return the share of its processor time that only one thread can do, if it tells.
    fn serial_cpu(&self) -> Option<std::time::Duration> {
        None
    }
}

/// How a contestant is set up: several ways are tried, and the fastest is measured.
pub(crate) struct Entry {
    /// A short name, to select it by.
    pub(crate) name: &'static str,
    /// The row's text.
    pub(crate) what: &'static str,
    /// Ways to set it up, each with a name.
    pub(crate) ways: Vec<(&'static str, Make)>,
}

/// Set a contestant up.
pub(crate) type Make = Box<dyn Fn(&Setup) -> Result<Box<dyn Contestant>>>;

/// Return everybody, ceilings first.
pub(crate) fn all() -> Vec<Entry> {
    fn one<C: Contestant + 'static>(
        name: &'static str,
        what: &'static str,
        make: impl Fn(&Setup) -> Result<C> + 'static,
    ) -> Entry {
        Entry { name, what, ways: vec![("", boxed(make))] }
    }
    use self::redis::Sync::{Always, EverySecond};
    let mut entries = vec![
        one("hyper", "bare hyper, \"hello\"", rust::hello),
        one("nginx", "nginx, `return 200`", nginx::bare),
        one("onrush", "**Onrush**, durable, session and pass checked", onrush::with_pass),
        one("onrush-session", "**Onrush**, durable, session checked", onrush::with_session),
        one("onrush-sold-out", "**Onrush**, sold-out refusal", onrush::sold_out),
        one("onrush-batch", "**Onrush**, durable, 100 in a request of a back end", onrush::batch),
    ];
    let redis: [(&str, &str, redis::Sync); 2] =
        [("everysec", "everysec", EverySecond), ("always", "always", Always)];
    for (_, _, sync) in redis {
        let always = sync == Always;
        let pick = |a: &'static str, b: &'static str| if always { a } else { b };
        let name = pick("axum-redis-always", "axum-redis");
        let what = pick("axum + Redis, one script, always", "axum + Redis, one script, everysec");
        entries.push(one(name, what, move |setup| rust::redis(setup, sync)));
        let name = pick("nginx-redis-always", "nginx-redis");
        let what = pick("nginx + Lua + Redis, always", "nginx + Lua + Redis, everysec");
        entries.push(one(name, what, move |setup| nginx::lua(setup, sync)));
        let name = pick("node-redis-always", "node-redis");
        let what = pick("fastify + ioredis, always", "fastify + ioredis, everysec");
        entries.push(one(name, what, move |setup| node::redis(setup, sync)));
    }
    let pool =
        |name: &'static str, size| (name, boxed(move |s: &Setup| rust::postgres_each(s, size)));
    entries.push(Entry {
        name: "postgres",
        what: "axum + PostgreSQL, one function a request, best pool",
        ways: vec![pool("pool 4", 4), pool("pool 16", 16), pool("pool 64", 64)],
    });
    let what = "axum + PostgreSQL, batched in the application";
    entries.push(one("postgres-batch", what, rust::postgres_batch));
    entries
}

fn boxed<C: Contestant + 'static>(make: impl Fn(&Setup) -> Result<C> + 'static) -> Make {
    Box::new(move |setup| Ok(Box::new(make(setup)?)))
}

/// Write the request that every rival understands: `POST /reserve {"sku","buyer","key"}`.
fn plain_requests(asks: &[Ask]) -> Requests {
    let mut requests = Requests::default();
    for ask in asks {
        let (sku, buyer, key) = (ask.sku, ask.buyer_name(), ask.key_name());
        let body = format!(r#"{{"sku":"{sku}","buyer":"{buyer}","key":"{key}"}}"#);
        requests.post("/reserve", "", &body);
    }
    requests
}

/// Return each SKU with the units it starts with.
fn supplies() -> [(&'static str, u64); 2] {
    [(PLENTY, PLENTY_UNITS), (SCARCE, SCARCE_UNITS)]
}

/// Write `text` into a file of `folder`.
fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path)
}
