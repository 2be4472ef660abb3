//! Rivals in Rust: this program again, as a server (`--serve`), in front of what keeps the books.

use super::postgres::Database;
use super::redis::{Fronted, Store, Sync};
use super::{Setup, plain_requests};
use crate::check::{Ask, Books};
use crate::client::Requests;
use crate::process::{Running, Server};
use anyhow::{Context, Result};
use std::net::SocketAddr;

/// The least that hyper can do.
#[derive(Debug)]
pub(crate) struct Hello {
    server: Running,
    addr: SocketAddr,
}

/// Start the ceiling.
///
/// # Errors
/// When it does not start.
pub(crate) fn hello(setup: &Setup) -> Result<Hello> {
    let (server, addr) = start(setup, 1, &["hello"])?;
    Ok(Hello { server, addr })
}

impl super::Contestant for Hello {
    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.server.id()]
    }

    fn requests(&mut self, asks: &[Ask]) -> Result<Requests> {
        Ok(plain_requests(asks))
    }

    fn mark(&self) -> Option<&'static str> {
        None
    }

    fn counted(&self) -> u16 {
        200
    }

    fn books(&mut self) -> Result<Option<Books>> {
        Ok(None)
    }

    fn configuration(&self) -> String {
        "hyper 1, one current_thread runtime, the same requests, answered without a look at them"
            .to_owned()
    }
}

/// Start axum in front of a Redis.
///
/// # Errors
/// When one of them does not start.
pub(crate) fn redis(setup: &Setup, sync: Sync) -> Result<Fronted> {
    let store = Store::start(setup, sync)?;
    let url = format!("redis://{}/", store.addr);
    let (front, addr) = start(setup, setup.place.workers(), &["redis", &url, &store.sha])?;
    let configuration = "axum 0.8, one multiplexed connection (redis crate)".to_owned();
    Ok(Fronted { front, addr, store, configuration })
}

/// axum in front of a PostgreSQL.
#[derive(Debug)]
pub(crate) struct OnPostgres {
    front: Running,
    addr: SocketAddr,
    database: Database,
    configuration: String,
}

/// Start axum with a pool: one call of a function for each request.
///
/// # Errors
/// When one of them does not start.
pub(crate) fn postgres_each(setup: &Setup, pool: usize) -> Result<OnPostgres> {
    let database = Database::start(setup)?;
    let arguments = ["postgres-each", &database.url(), &pool.to_string()];
    let (front, addr) = start(setup, setup.place.workers(), &arguments)?;
    let configuration = format!("axum 0.8, tokio-postgres, {pool} connections");
    Ok(OnPostgres { front, addr, database, configuration })
}

/// Start axum with one task that takes what has queued into one transaction.
///
/// # Errors
/// When one of them does not start.
pub(crate) fn postgres_batch(setup: &Setup) -> Result<OnPostgres> {
    let database = Database::start(setup)?;
    let arguments = ["postgres-batch", &database.url()];
    let (front, addr) = start(setup, setup.place.workers(), &arguments)?;
    let configuration = "axum 0.8, tokio-postgres, one transaction for all that wait".to_owned();
    Ok(OnPostgres { front, addr, database, configuration })
}

impl super::Contestant for OnPostgres {
    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.front.id(), self.database.id()]
    }

    fn requests(&mut self, asks: &[Ask]) -> Result<Requests> {
        Ok(plain_requests(asks))
    }

    fn books(&mut self) -> Result<Option<Books>> {
        self.database.books().map(Some)
    }

    fn configuration(&self) -> String {
        format!("{}; {}", self.configuration, self.database.configuration())
    }
}

fn start(setup: &Setup, workers: usize, arguments: &[&str]) -> Result<(Running, SocketAddr)> {
    let me = std::env::current_exe().context("finding this program")?;
    let folder = setup.below("server")?;
    let workers = workers.to_string();
    let arguments = ["--serve", workers.as_str()].into_iter().chain(arguments.iter().copied());
    let mut server = Server::new(me, &folder).args(arguments).start(setup.place)?;
    let line: serde_json::Value = serde_json::from_str(&server.first_line()?)?;
    let addr = line["addr"].as_str().context("no address")?.parse()?;
    Ok((server, addr))
}
