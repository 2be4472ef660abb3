//! A gateway on a temporary data folder, with a clock that only tests move.

use crate::client::{Answer, Ask, ask};
use onrush::journal::FakeDisk;
use onrush::{
    CampaignSpec, Clock, Currency, Driver, Engine, Name, Options, Parts, SkuSpec, Status, Terms,
    Timestamp,
};
use onrush_gateway::config::Listen;
use onrush_gateway::{Config, Running, serve};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// 2026-12-01T12:00:00Z.
pub(crate) const START_MS: u64 = 1_796_126_400_000;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub(crate) struct HandClock(AtomicU64);

impl HandClock {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Acquire))
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::AcqRel);
    }
}

impl Clock for HandClock {
    fn wall(&self) -> Timestamp {
        self.now()
    }

    fn monotonic_ns(&self) -> u64 {
        (self.now().0 - START_MS + 1) * 1_000_000
    }
}

pub(crate) struct Server {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) token: String,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) engine: Engine,
    running: Option<Running>,
    dir: Arc<TempDir>,
}

impl Server {
    /// Start with `--dev` and no campaign.
    pub(crate) fn dev() -> Server {
        Server::start(|config, _| config.dev = true)
    }

    /// Start with a configuration that `edit` completes; it may write files into the folder.
    pub(crate) fn start(edit: impl FnOnce(&mut Config, &Path)) -> Server {
        let dir = Arc::new(tempfile::tempdir().expect("folder"));
        let clock = Arc::new(HandClock(AtomicU64::new(START_MS)));
        Server::on(dir, clock, edit)
    }

    /// Stop, and start again on the same data.
    pub(crate) fn restart(mut self, edit: impl FnOnce(&mut Config, &Path)) -> Server {
        let (dir, clock) = (self.dir.clone(), self.clock.clone());
        self.halt();
        drop(self);
        Server::on(dir, clock, edit)
    }

    /// Stop, let `act` use the data without a gateway, and start again.
    pub(crate) fn restart_with(mut self, act: impl FnOnce(&Engine)) -> Server {
        let (dir, clock) = (self.dir.clone(), self.clock.clone());
        self.halt();
        drop(self);
        let options = Options { segment_bytes: 1 << 20, ..Options::default() };
        let engine = Engine::open_with(parts(dir.path(), &clock), options).expect("engine");
        act(&engine);
        engine.shutdown().expect("no failure");
        drop(engine);
        Server::on(dir, clock, |config, _| config.dev = true)
    }

    /// Start on an engine that decides only when the driver takes a turn, with room for
    /// `reserves_max` reserves under way. There is an open campaign `drop` with two of `unit`, none
    /// of `rare`, and a limit of one.
    pub(crate) fn driven(reserves_max: u32) -> (Server, Driver) {
        Server::driven_on(None, reserves_max)
    }

    /// As [`driven`](Server::driven), on a disk that the test can break.
    pub(crate) fn driven_on(disk: Option<FakeDisk>, reserves_max: u32) -> (Server, Driver) {
        let dir = Arc::new(tempfile::tempdir().expect("folder"));
        let clock = Arc::new(HandClock(AtomicU64::new(START_MS)));
        let options = Options { segment_bytes: 1 << 20, reserves_max, ..Options::default() };
        let mut parts = parts(dir.path(), &clock);
        if let Some(disk) = disk {
            parts.storage = Arc::new(disk);
        }
        let (engine, mut driver) = Engine::open_driven(parts, options).expect("engine");
        let config = config(dir.path(), |config, _| config.dev = true);
        let sku = |name, supply| {
            let name = Name::new(name).expect("name");
            SkuSpec { supply, limit_per_buyer: 1, ..SkuSpec::new(name, 100, supply) }
        };
        let mut terms = Terms::open_now(Currency::CNY);
        terms.limit_per_buyer = 1;
        let name = Name::new("drop").expect("name");
        let skus = vec![sku("unit", 2), sku("rare", 0)];
        let put = engine.put_campaign(CampaignSpec::new(name, terms, skus));
        driver.settle();
        assert!(put.wait().expect("decided").granted().is_some());
        (Server::serve(dir, clock, engine, &config), driver)
    }

    /// Wait until the engine's figures are as `reached` wants them.
    pub(crate) fn wait_until(&self, reached: impl Fn(&Status) -> bool) {
        while !reached(&self.engine.status()) {
            std::thread::yield_now();
        }
    }

    fn on(
        dir: Arc<TempDir>,
        clock: Arc<HandClock>,
        edit: impl FnOnce(&mut Config, &Path),
    ) -> Server {
        let config = config(dir.path(), edit);
        let options = config.engine.options();
        let engine = Engine::open_with(parts(dir.path(), &clock), options).expect("engine");
        Server::serve(dir, clock, engine, &config)
    }

    fn serve(dir: Arc<TempDir>, clock: Arc<HandClock>, engine: Engine, config: &Config) -> Server {
        let running = serve(config, engine.clone(), std::future::pending()).expect("serves");
        Server {
            public: tcp(&running.public_addr),
            admin: tcp(&running.admin_addr),
            token: running.admin_token.clone().unwrap_or_default(),
            clock,
            engine,
            running: Some(running),
            dir,
        }
    }

    /// Return the path of a file in its folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Return the folder of this server's files.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().expect("running")
    }

    /// Stop serving, wait for it, and shut the engine down.
    pub(crate) fn halt(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
            let outcome = running.wait();
            let failed = self.engine.status().failed;
            assert_eq!(outcome.is_err(), failed.is_some(), "{outcome:?}");
        }
    }

    /// Ask the admin side with its token.
    #[track_caller]
    pub(crate) fn operate(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = ask(method, path).bearer(&self.token);
        match body {
            Some(body) => request.json(&body).to(self.admin),
            None => request.to(self.admin),
        }
    }

    /// Make a campaign of one SKU `unit` at 100, open since an hour.
    #[track_caller]
    pub(crate) fn open_campaign(&self, name: &str, supply: u32, limit: u32) {
        let body = json!({
            "opens_at": "2026-12-01T11:00:00Z", "limit_per_buyer": limit,
            "skus": [{"sku": "unit", "price": 100, "supply": supply}],
        });
        self.put(name, body);
    }

    #[track_caller]
    pub(crate) fn put(&self, name: &str, body: Value) {
        let answer = self.operate("PUT", &format!("/admin/v1/campaigns/{name}"), Some(body));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Ask for units of `unit` in `campaign`.
    pub(crate) fn reserve(&self, campaign: &str, buyer: &str, key: &str) -> Answer {
        reserve(campaign).buyer(buyer).key(key).to(self.public)
    }

    /// Reserve, and return the id of the new hold.
    #[track_caller]
    pub(crate) fn held(&self, campaign: &str, buyer: &str, key: &str) -> String {
        let answer = self.reserve(campaign, buyer, key);
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        answer.text("id")
    }

    /// Return (free, held) of the SKU `unit`.
    pub(crate) fn units(&self, campaign: &str) -> (u32, u32) {
        let campaign = self.engine.campaign(campaign).expect("campaign");
        let sku = campaign.sku("unit").expect("SKU");
        let units = self.engine.units(sku.ix).expect("slot");
        (units.free, units.held)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
    }
}

fn config(dir: &Path, edit: impl FnOnce(&mut Config, &Path)) -> Config {
    let mut config = Config::default();
    config.listen.public = "127.0.0.1:0".parse().expect("address");
    config.listen.admin = "127.0.0.1:0".parse().expect("address");
    config.server.workers = 2;
    config.engine.segment_bytes = Some(1 << 20);
    edit(&mut config, dir);
    config
}

fn parts(dir: &Path, clock: &Arc<HandClock>) -> Parts {
    let parts = Parts::on_disk(dir.join("data")).expect("parts");
    Parts { clock: clock.clone(), ..parts }
}

/// A request for one `unit`, without identity and key.
pub(crate) fn reserve(campaign: &str) -> Ask {
    ask("POST", &format!("/v1/campaigns/{campaign}/reservations")).text(r#"{"sku":"unit"}"#)
}

/// Write a file and return its path.
pub(crate) fn file(dir: &Path, name: &str, content: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).expect("write");
    path
}

fn tcp(listen: &Listen) -> SocketAddr {
    match listen {
        Listen::Tcp(addr) => *addr,
        // A test that listens on a socket uses its path.
        Listen::Unix(_) => SocketAddr::from(([127, 0, 0, 1], 0)),
    }
}
