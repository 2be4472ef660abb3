//! Redis with the stock, the buyers and the orders of a sale, behind a server that speaks HTTP.

use super::{Setup, plain_requests, supplies};
use crate::check::{Ask, Books, Row, Units};
use crate::client::Requests;
use crate::process::{Running, Server, finish, free_port};
use anyhow::{Context, Result, ensure};
use redis::{Commands, Connection};
use std::net::SocketAddr;
use std::process::Command;

/// The reservation, as every server in front of Redis calls it.
pub(crate) const SCRIPT: &str = include_str!("reserve.lua");

/// Orders read at a time.
const PAGE: isize = 50_000;

/// When Redis syncs its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Once a second: what came since is lost with the power.
    EverySecond,
    /// Before it answers.
    Always,
}

impl Sync {
    /// Return its name in Redis's configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Sync::EverySecond => "everysec",
            Sync::Always => "always",
        }
    }
}

/// A Redis of its own with a sale in it.
#[derive(Debug)]
pub(crate) struct Store {
    server: Running,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// The script's name, for `EVALSHA`.
    pub(crate) sha: String,
    sync: Sync,
    version: String,
}

impl Store {
    /// Start it and fill the stock.
    ///
    /// # Errors
    /// When Redis is not there or does not start.
    pub(crate) fn start(setup: &Setup, sync: Sync) -> Result<Store> {
        let version = finish(Command::new("redis-server").arg("--version"));
        let version = version.context("redis-server is not there")?;
        let (folder, addr) = (setup.below("redis")?, free_port()?);
        let port = addr.port().to_string();
        let dir = folder.to_string_lossy().into_owned();
        // No snapshots and no rewriting of the log: neither shall disturb a round.
        let arguments = [
            "--bind",
            "127.0.0.1",
            "--port",
            &port,
            "--dir",
            &dir,
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            sync.name(),
            "--auto-aof-rewrite-percentage",
            "0",
            "--daemonize",
            "no",
        ];
        let mut server = Server::new("redis-server", &folder).args(arguments).start(setup.place)?;
        server.wait_for(addr)?;
        let version = version.split_whitespace().find_map(|word| word.strip_prefix("v="));
        let version = version.unwrap_or("?").to_owned();
        let mut store = Store { server, addr, sha: String::new(), sync, version };
        let mut redis = store.connect()?;
        store.sha = redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query(&mut redis)?;
        for (sku, units) in supplies() {
            redis.set::<_, _, ()>(format!("stock:{sku}"), units)?;
        }
        Ok(store)
    }

    fn connect(&self) -> Result<Connection> {
        Ok(redis::Client::open(format!("redis://{}/", self.addr))?.get_connection()?)
    }

    /// Read the books.
    ///
    /// # Errors
    /// When Redis does not answer, or its lists of buyers and orders differ.
    pub(crate) fn books(&self) -> Result<Books> {
        let mut redis = self.connect()?;
        let mut books = Books::default();
        for (sku, supply) in supplies() {
            let left = redis.get(format!("stock:{sku}"))?;
            books.units.insert(sku.to_owned(), Units { supply, left });
            let orders: isize = redis.llen(format!("orders:{sku}"))?;
            let buyers: isize = redis.hlen(format!("buyers:{sku}"))?;
            ensure!(orders == buyers, "{sku}: {orders} orders of {buyers} buyers");
            for from in (0..orders).step_by(PAGE as usize) {
                let page: Vec<String> =
                    redis.lrange(format!("orders:{sku}"), from, from + PAGE - 1)?;
                for (n, order) in page.iter().enumerate() {
                    let buyer = order.split(' ').next().map(str::to_owned);
                    let id = (from as usize + n + 1).to_string();
                    books.rows.push(Row { sku: sku.to_owned(), id, buyer });
                }
            }
        }
        Ok(books)
    }

    fn configuration(&self) -> String {
        let Store { version, sync, .. } = self;
        format!("Redis {version}, appendonly, appendfsync {}, no snapshots, TCP", sync.name())
    }
}

/// A server in front of a Redis.
#[derive(Debug)]
pub(crate) struct Fronted {
    /// The server.
    pub(crate) front: Running,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Its Redis.
    pub(crate) store: Store,
    /// Versions and settings of the server.
    pub(crate) configuration: String,
}

impl super::Contestant for Fronted {
    fn addr(&self) -> SocketAddr {
        self.addr
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.front.id(), self.store.server.id()]
    }

    fn requests(&mut self, asks: &[Ask]) -> Result<Requests> {
        Ok(plain_requests(asks))
    }

    fn books(&mut self) -> Result<Option<Books>> {
        self.store.books().map(Some)
    }

    fn configuration(&self) -> String {
        format!("{}; {}", self.configuration, self.store.configuration())
    }
}
