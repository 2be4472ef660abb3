//! PostgreSQL with a sale in it: tables that are filled and analysed, so that plans fit.

use super::{Setup, supplies};
use crate::check::{Books, Row, Units};
use crate::process::{Running, Server, finish, free_port};
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio_postgres::NoTls;

const SCHEMA: &str = include_str!("schema.sql");

/// Orders of each SKU, sold earlier, that the tables start with.
const EARLIER_ORDERS: u32 = 100_000;

/// What differs from the defaults, none of it against PostgreSQL: no checkpoint, no vacuum and no
/// statistics are written within a round; commits are synced as they are by default.
const SETTINGS: [&str; 13] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "synchronous_commit=on",
    "fsync=on",
    "wal_level=minimal",
    "max_wal_senders=0",
    "shared_buffers=512MB",
    "max_wal_size=16GB",
    "min_wal_size=2GB",
    "checkpoint_timeout=1h",
    "autovacuum=off",
    "jit=off",
    "max_connections=100",
];

/// A PostgreSQL of its own.
#[derive(Debug)]
pub(crate) struct Database {
    server: Running,
    addr: SocketAddr,
    version: String,
}

impl Database {
    /// Start it and fill its tables.
    ///
    /// # Errors
    /// When PostgreSQL is not there or does not start.
    pub(crate) fn start(setup: &Setup) -> Result<Database> {
        let programs = programs().context("PostgreSQL is not there")?;
        let version = finish(Command::new(programs.join("postgres")).arg("--version"))?;
        let folder = setup.below("postgres")?;
        // It refuses to run as root.
        let user = rustix::process::getuid().is_root().then(|| "postgres".to_owned());
        if let Some(user) = &user {
            finish(Command::new("chown").arg(user).arg(&folder))?;
        }
        let data = folder.join("data").to_string_lossy().into_owned();
        let mut initdb = Command::new("setpriv");
        if let Some(user) = &user {
            initdb.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        initdb.arg(programs.join("initdb")).args(["-D", &data, "-U", "shop", "--auth=trust"]);
        finish(initdb.args(["-E", "UTF8", "--locale=C"]).current_dir(&folder))?;
        let addr = free_port()?;
        let port = addr.port().to_string();
        let server = Server::new(programs.join("postgres"), &folder)
            .args(["-D", &data, "-p", &port])
            .args(SETTINGS.iter().flat_map(|setting| ["-c", setting]))
            .owned_by(user)
            .ended_by(Signal::QUIT)
            .start(setup.place)?;
        let version = version.split_whitespace().nth(2).unwrap_or("?").to_owned();
        let mut database = Database { server, addr, version };
        // It listens before it serves.
        let url = database.url();
        let ready = || block_on(async { connect(&url).await.map(drop) }).ok();
        database.server.wait_until(|_| ready())?;
        block_on(database.fill())?;
        Ok(database)
    }

    async fn fill(&self) -> Result<()> {
        let client = connect(&self.url()).await?;
        client.batch_execute(SCHEMA).await?;
        for (sku, units) in supplies() {
            let insert = "INSERT INTO stock VALUES ($1, $2)";
            client.execute(insert, &[&sku, &(units as i64)]).await?;
        }
        // Of the same SKUs, so that statistics know them; by buyers whom nobody else is named like.
        let earlier = format!(
            "INSERT INTO orders (sku, buyer, key) SELECT sku, 'earlier-' || n, 'k-1' \
             FROM stock, generate_series(1, {EARLIER_ORDERS}) n; VACUUM ANALYZE;"
        );
        // VACUUM wants no transaction around it.
        for statement in earlier.split_inclusive(';') {
            client.batch_execute(statement).await?;
        }
        Ok(())
    }

    /// Return how to connect.
    pub(crate) fn url(&self) -> String {
        format!("host=127.0.0.1 port={} user=shop dbname=postgres", self.addr.port())
    }

    /// Return its first process.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Read the books.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn books(&self) -> Result<Books> {
        block_on(async {
            let client = connect(&self.url()).await?;
            let mut books = Books::default();
            for (sku, supply) in supplies() {
                let left =
                    client.query_one("SELECT free FROM stock WHERE sku = $1", &[&sku]).await?;
                books.units.insert(sku.to_owned(), Units { supply, left: left.get(0) });
            }
            let orders = "SELECT sku, buyer, id FROM orders WHERE buyer NOT LIKE 'earlier-%'";
            for order in client.query(orders, &[]).await? {
                let id = order.get::<_, i64>(2).to_string();
                books.rows.push(Row { sku: order.get(0), id, buyer: Some(order.get(1)) });
            }
            Ok(books)
        })
    }

    /// Return version and settings.
    pub(crate) fn configuration(&self) -> String {
        let shown = SETTINGS.iter().filter(|s| !s.contains("addresses") && !s.contains("socket"));
        let shown: Vec<&str> = shown.copied().collect();
        format!(
            "PostgreSQL {}, {}, {EARLIER_ORDERS} earlier orders of each SKU, analysed, TCP",
            self.version,
            shown.join(" ")
        )
    }
}

/// Connect and drive the connection beside.
///
/// # Errors
/// When PostgreSQL refuses.
pub(crate) async fn connect(url: &str) -> Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("the connection to PostgreSQL broke: {error}");
        }
    });
    Ok(client)
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Find the newest version's programs: Debian keeps them off the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let folders = versions.map(|version| version.path().join("bin"));
    let newest = folders.filter(|folder| folder.join("postgres").exists()).max_by_key(|folder| {
        let version = folder.parent().and_then(Path::file_name).unwrap_or_default();
        version.to_string_lossy().parse::<u32>().unwrap_or(0)
    });
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest.or_else(|| std::env::split_paths(&path).find(|folder| folder.join("postgres").is_file()))
}
