//! The stage: a gateway on loopback in front of an engine whose clock and turns are ours.

use crate::wire::{Answer, Connection, Request};
use anyhow::{Context, Result, anyhow, ensure};
use onrush::journal::{FakeDisk, JournalId};
use onrush::{Clock, Driver, DurationMs, Engine, Options, Parts, Secret, Timestamp};
use onrush_gateway::config::{Listen, RiskSection, Span};
use onrush_gateway::{Config, Running, serve};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// 2026-12-01T12:00:00Z, where each drop begins.
pub const START_MS: u64 = 1_796_126_400_000;

/// A clock that stands still until it is moved.
#[derive(Debug)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn wall(&self) -> Timestamp {
        // Acquire: pairs with the Release in `Scene::advance_to`.
        Timestamp(self.0.load(Ordering::Acquire))
    }

    fn monotonic_ns(&self) -> u64 {
        (self.wall().0 - START_MS + 1) * 1_000_000
    }
}

/// What stands on the stage.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// Whether risk is looked at.
    pub defended: bool,
    /// Whether the proxy in front tells payment instruments and phones.
    pub told_cards: bool,
    /// Where a recording goes, if one is wanted.
    pub record: Option<PathBuf>,
    /// The policy; left out: the one that is built in.
    pub policy: Option<PathBuf>,
    /// A model beside the scorecard; left out: the scorecard alone.
    pub model: Option<PathBuf>,
}

/// A running gateway with one connection to each side.
#[derive(Debug)]
pub struct Scene {
    clock: Arc<HandClock>,
    driver: Driver,
    engine: Engine,
    running: Option<Running>,
    token: String,
    public: Connection,
    admin: Connection,
}

impl Scene {
    /// Start a gateway.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(setting: &Setting) -> Result<Scene> {
        let clock = Arc::new(HandClock(AtomicU64::new(START_MS)));
        let parts = Parts {
            storage: Arc::new(FakeDisk::new(1)),
            clock: clock.clone(),
            secret: Secret::from_bytes([7; 32]),
            new_journal: JournalId([7; 16]),
        };
        let options =
            Options { segment_bytes: 1 << 20, snapshot_every: None, ..Options::default() };
        let (engine, driver) = Engine::open_driven(parts, options)?;
        let running = serve(&config(setting)?, engine.clone(), std::future::pending())
            .map_err(|e| anyhow!("{e}"))?;
        let token = running.admin_token.clone().context("no token of an operator")?;
        let public = Connection::open(tcp(&running.public_addr)?)?;
        let admin = Connection::open(tcp(&running.admin_addr)?)?;
        Ok(Scene { clock, driver, engine, running: Some(running), token, public, admin })
    }

    /// Return the engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Move the clock, and do all that is due then.
    pub fn advance_to(&mut self, ms: u64) {
        let at = START_MS + ms;
        // Relaxed: only this thread moves it.
        if at > self.clock.0.load(Ordering::Relaxed) {
            // Release: pairs with the Acquire in `wall`.
            self.clock.0.store(at, Ordering::Release);
        }
        self.driver.settle();
    }

    /// Ask the public side.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        let driver = &mut self.driver;
        self.public.ask(request, || {
            driver.turn();
        })
    }

    /// Ask the admin side, and demand that it is done.
    ///
    /// # Errors
    /// When it is not.
    pub fn operate(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let request = Request::new(method, path)
            .header("Authorization", &format!("Bearer {}", self.token))
            .json(&text);
        let driver = &mut self.driver;
        let answer = self.admin.ask(&request, || {
            driver.turn();
        })?;
        ensure!(answer.status == 200, "{method} {path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// Wait until what the engine decided was seen by risk: it follows on a thread of its own.
    ///
    /// # Errors
    /// When the operator's view cannot be read.
    pub fn followed(&mut self) -> Result<()> {
        loop {
            self.driver.settle();
            let decided = self.engine.durable_lsn().0;
            let seen = self.operate("GET", "/admin/v1/campaigns/drop/risk", &json!(null))?;
            if seen["followed_lsn"].as_u64() >= Some(decided) {
                return Ok(());
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
            // Nothing is under way, and what is not wanted any more may fail.
            let _ = running.wait();
        }
    }
}

fn config(setting: &Setting) -> Result<Config> {
    let mut config = Config::default();
    config.dev = true;
    config.side = setting.record.clone();
    config.listen.public = "127.0.0.1:0".parse().map_err(|e| anyhow!("{e}"))?;
    config.listen.admin = "127.0.0.1:0".parse().map_err(|e| anyhow!("{e}"))?;
    config.listen.trusted_proxies = vec!["127.0.0.0/8".parse().map_err(|e| anyhow!("{e}"))?];
    config.server.workers = 1;
    // A drop without the other side may take this machine a while.
    config.server.idle_timeout = Span(DurationMs(86_400_000));
    config.identity.groups = vec!["nobody".to_owned()];
    let told = |name: &str| setting.told_cards.then(|| name.to_owned());
    config.risk = RiskSection {
        enabled: setting.defended,
        policy_file: setting.policy.clone(),
        model_file: setting.model.clone(),
        ja4_header: Some("x-ja4".to_owned()),
        payment_header: told("x-card"),
        phone_header: told("x-phone"),
        record: setting.record.is_some(),
        ..RiskSection::default()
    };
    Ok(config)
}

fn tcp(listen: &Listen) -> Result<SocketAddr> {
    match listen {
        Listen::Tcp(addr) => Ok(*addr),
        Listen::Unix(path) => Err(anyhow!("{} is no address", path.display())),
    }
}
