//! A gateway on a temporary data folder, with a clock that only tests move.

use crate::client::{Answer, Ask, ask};
use onrush::{Clock, Engine, Options, Parts, Timestamp};
use onrush_gateway::config::Listen;
use onrush_gateway::{Config, Running, serve};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// 2026-12-01T12:00:00Z.
pub const START_MS: u64 = 1_796_126_400_000;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct HandClock(AtomicU64);

impl HandClock {
    pub fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Acquire))
    }

    pub fn advance(&self, ms: u64) {
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

pub struct Server {
    pub public: SocketAddr,
    pub admin: SocketAddr,
    pub token: String,
    pub clock: Arc<HandClock>,
    pub engine: Engine,
    running: Option<Running>,
    dir: Arc<TempDir>,
}

impl Server {
    /// Start with `--dev` and no campaign.
    pub fn dev() -> Server {
        Server::start(|config, _| config.dev = true)
    }

    /// Start with a configuration that `edit` completes; it may write files into the folder.
    pub fn start(edit: impl FnOnce(&mut Config, &Path)) -> Server {
        let dir = Arc::new(tempfile::tempdir().expect("folder"));
        let clock = Arc::new(HandClock(AtomicU64::new(START_MS)));
        Server::on(dir, clock, edit)
    }

    /// Stop, and start again on the same data.
    pub fn restart(mut self, edit: impl FnOnce(&mut Config, &Path)) -> Server {
        let (dir, clock) = (self.dir.clone(), self.clock.clone());
        self.halt();
        drop(self);
        Server::on(dir, clock, edit)
    }

    fn on(dir: Arc<TempDir>, clock: Arc<HandClock>, edit: impl FnOnce(&mut Config, &Path)) -> Server {
        let mut parts = Parts::on_disk(dir.path().join("data")).expect("parts");
        parts.clock = clock.clone();
        let options = Options { segment_bytes: 1 << 20, ..Options::default() };
        let engine = Engine::open_with(parts, options).expect("engine");
        let mut config = Config::default();
        config.listen.public = "127.0.0.1:0".parse().expect("address");
        config.listen.admin = "127.0.0.1:0".parse().expect("address");
        config.server.workers = 2;
        edit(&mut config, dir.path());
        let running = serve(&config, engine.clone(), std::future::pending()).expect("serves");
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

    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("running")
    }

    /// Stop serving, wait for it, and shut the engine down.
    pub fn halt(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
            running.wait().expect("the journal is fine");
        }
    }

    /// Ask the admin side with its token.
    #[track_caller]
    pub fn operate(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let request = ask(method, path).bearer(&self.token);
        match body {
            Some(body) => request.json(&body).to(self.admin),
            None => request.to(self.admin),
        }
    }

    /// Make a campaign of one SKU `unit` at 100, open since an hour.
    #[track_caller]
    pub fn open_campaign(&self, name: &str, supply: u32, limit: u32) {
        let body = json!({
            "opens_at": "2026-12-01T11:00:00Z", "limit_per_buyer": limit,
            "skus": [{"sku": "unit", "price": 100, "supply": supply}],
        });
        self.put(name, body);
    }

    #[track_caller]
    pub fn put(&self, name: &str, body: Value) {
        let answer = self.operate("PUT", &format!("/admin/v1/campaigns/{name}"), Some(body));
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Ask for units of `unit` in `campaign`.
    pub fn reserve(&self, campaign: &str, buyer: &str, key: &str) -> Answer {
        reserve(campaign).buyer(buyer).key(key).to(self.public)
    }

    /// Reserve, and return the id of the new hold.
    #[track_caller]
    pub fn held(&self, campaign: &str, buyer: &str, key: &str) -> String {
        let answer = self.reserve(campaign, buyer, key);
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        answer.text("id")
    }

    /// Return (free, held) of the SKU `unit`.
    pub fn units(&self, campaign: &str) -> (u32, u32) {
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

/// A request for one `unit`, without identity and key.
pub fn reserve(campaign: &str) -> Ask {
    ask("POST", &format!("/v1/campaigns/{campaign}/reservations")).text(r#"{"sku":"unit"}"#)
}

/// Write a file and return its path.
pub fn file(dir: &Path, name: &str, content: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).expect("write");
    path
}

fn tcp(listen: &Listen) -> SocketAddr {
    match listen {
        Listen::Tcp(addr) => *addr,
        Listen::Unix(_) => panic!("a TCP address"),
    }
}
