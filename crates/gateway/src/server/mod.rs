//! Sockets, threads and deadlines: the only part of the gateway that knows a runtime.
//!
//! ```text
//! acceptor thread ── admin connections, key refresh, shutdown signal
//!    │ sockets (or SO_REUSEPORT: each worker accepts its own)
//!    ▼
//! worker 0..N ── one current-thread runtime each; a connection never moves to another
//! ```
//!
//! Stopping: no new connections → requests under way are answered, idle connections closed → after
//! `stop_timeout` what is left is cut → the engine finishes what it accepted and syncs. A reservation
//! whose connection was cut exists, and the repeat with its key returns it.

mod accept;
mod connection;
mod events;
mod inline;
mod landing;
mod rounds;
mod sending;
mod watch;
mod worker;

use crate::config::{Accept, Config, ConfigErrors, Listen};
use crate::gateway::{Gateway, Side};
use crate::identity::{Issuer, dev_token};
use accept::{Sockets, accept_admin, accept_public, bind, hand_off};
use connection::Limits;
pub use inline::Inline;
use onrush::{Decision, Engine, EngineError};
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch as channel;
use worker::{Worker, runtime};

/// How often lines are looked at for listeners.
const LINES_EVERY: Duration = Duration::from_millis(100);

/// How often invite lists are looked at.
const INVITES_EVERY: Duration = Duration::from_secs(5);

/// Longest time in which a listener hears nothing.
const HEARTBEAT_MAX: Duration = Duration::from_secs(15);

/// Start serving `engine` as `config` says, until `shutdown` is ready.
///
/// Returns once both listeners accept. Campaigns of the configuration are made or updated first.
/// `shutdown` is polled on a runtime with timers and sockets.
///
/// # Errors
/// When a key file, a campaign or an address cannot be used. Nothing keeps running then.
pub fn serve(
    config: &Config,
    engine: Engine,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<Running, ServeError> {
    let gateway = Arc::new(Gateway::new(config, engine.clone()).map_err(ServeError::Config)?);
    engine.tell_of_wakes(Arc::new(landing::OnceABatch));
    if config.notify.tickets {
        gateway.issue_tickets_ahead();
    }
    make_campaigns(config, &engine)?;
    if config.dev {
        tracing::warn!("--dev: X-Onrush-Buyer is believed; anybody can be anybody");
    }
    let limits = Arc::new(Limits::new(&config.server));
    let acceptor = runtime().map_err(ServeError::Thread)?;
    let workers = worker_count(config.server.workers);
    let own_listeners = workers == 1 || config.server.accept == Accept::ReusePort;
    let sockets = bind(&acceptor, config, if own_listeners { workers } else { 1 })?;
    let (public_addr, admin_addr) = (sockets.public_addr.clone(), sockets.admin_addr.clone());
    let (stop, stopped) = channel::channel(false);
    let stop = Arc::new(stop);
    let plan = Plan { config: config.clone(), gateway: gateway.clone(), limits, stopped };
    let threads = plan.start(acceptor, sockets, workers, own_listeners, stop.clone(), shutdown)?;
    let reminders = gateway.reminders.start(&engine).map_err(ServeError::Thread)?;
    let admin_token = config.dev.then(|| dev_token(&engine));
    let console_link = gateway.first_link(config, &admin_addr);
    Ok(Running {
        public_addr,
        admin_addr,
        admin_token,
        console_link,
        gateway,
        engine,
        stop,
        threads,
        reminders,
    })
}

/// A gateway that is serving. Dropping it asks it to stop and does not wait.
#[derive(Debug)]
pub struct Running {
    /// Where the public listener accepts; the port is the real one.
    pub public_addr: Listen,
    /// Where the admin listener accepts.
    pub admin_addr: Listen,
    /// With `--dev`, the token of the admin side.
    pub admin_token: Option<String>,
    /// Where no API key has the scope `admin`: a link that signs an owner in to the console, once.
    pub console_link: Option<String>,
    gateway: Arc<Gateway>,
    engine: Engine,
    stop: Arc<channel::Sender<bool>>,
    threads: Vec<JoinHandle<()>>,
    reminders: Option<onrush_notify::Running>,
}

impl Running {
    /// Return the gateway, for its figures.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Ask it to stop. Returns at once; asking again changes nothing.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Wait until it stopped serving, then shut the engine down.
    ///
    /// # Errors
    /// When the engine's journal failed.
    pub fn wait(mut self) -> Result<(), EngineError> {
        for thread in std::mem::take(&mut self.threads) {
            if thread.join().is_err() {
                tracing::error!("a serving thread panicked; stopping");
                self.stop();
            }
        }
        // After the last request: nobody hands an order in any more.
        if let Some(reminders) = self.reminders.take() {
            reminders.wait();
        }
        self.engine.shutdown()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Why serving could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// A key or secret file cannot be used.
    Config(ConfigErrors),
    /// A campaign of the configuration was refused.
    Campaign {
        /// Which one.
        campaign: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An address cannot be listened on.
    Listen {
        /// Which one.
        listen: Listen,
        /// Why.
        error: io::Error,
    },
    /// A thread or its runtime could not be started.
    Thread(io::Error),
    /// The engine failed.
    Engine(EngineError),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServeError::Config(errors) => errors.fmt(f),
            ServeError::Campaign { campaign, problem } => {
                write!(f, "campaign {campaign}: {problem}")
            }
            ServeError::Listen { listen, error } => {
                write!(f, "cannot listen on {listen}: {error}; choose another address or port")
            }
            ServeError::Thread(error) => write!(f, "a serving thread did not start: {error}"),
            ServeError::Engine(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServeError {}

/// What the threads are started from.
struct Plan {
    config: Config,
    gateway: Arc<Gateway>,
    limits: Arc<Limits>,
    stopped: channel::Receiver<bool>,
}

impl Plan {
    fn start(
        self,
        acceptor: Runtime,
        sockets: Sockets,
        workers: usize,
        own_listeners: bool,
        stop: Arc<channel::Sender<bool>>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Vec<JoinHandle<()>>, ServeError> {
        let mut threads = Vec::with_capacity(workers + 1);
        let mut lanes = Vec::new();
        let mut listeners = sockets.public.into_iter();
        let grace = self.config.server.stop_timeout.duration();
        for number in 0..workers {
            let worker = self.worker(number, Side::Public);
            let stopped = self.stopped.clone();
            let name = format!("onrush-http-{number}");
            let work: Box<dyn FnOnce(Runtime) + Send> = if own_listeners {
                let listener = listeners.next().expect("one was bound for each worker");
                let accept = accept_public(listener, worker.clone(), stopped);
                Box::new(move |runtime| runtime.block_on(worker.run(accept, grace)))
            } else {
                let (lane, sockets) = accept::lane(worker.clone());
                lanes.push(lane);
                let receive = accept::receive(sockets, worker.clone(), stopped);
                Box::new(move |runtime| runtime.block_on(worker.run(receive, grace)))
            };
            threads.push(spawn(name, work)?);
        }
        let hand_off = listeners.next().map(|listener| {
            hand_off(
                listener,
                lanes,
                self.limits.clone(),
                self.gateway.clone(),
                self.stopped.clone(),
            )
        });
        let admin = self.worker(workers, Side::Admin);
        let accept_admin = accept_admin(sockets.admin, admin.clone(), self.stopped.clone());
        let refresh = refresh_keys(self.config.clone(), self.gateway.clone());
        let follow = follow_lines(self.config.clone(), self.gateway.clone(), self.stopped.clone());
        let mut stopped = self.stopped.clone();
        let work = move || {
            acceptor.block_on(async move {
                tokio::spawn(refresh);
                tokio::spawn(follow);
                hand_off.map(tokio::spawn);
                tokio::spawn(async move {
                    tokio::select! {
                        () = shutdown => {}
                        _ = stopped.wait_for(|stop| *stop) => {}
                    }
                    stop.send_replace(true);
                });
                admin.run(accept_admin, grace).await;
            });
        };
        let thread = thread::Builder::new().name("onrush-http-accept".to_owned()).spawn(work);
        threads.push(thread.map_err(ServeError::Thread)?);
        Ok(threads)
    }

    fn worker(&self, number: usize, side: Side) -> Arc<Worker> {
        // Two engines that start together must not draw the same waits: the seed is the secret's.
        let seed = self.gateway.engine().derive_key(&format!("onrush jitter v1 {number}"));
        let seed = u64::from_le_bytes(*seed.first_chunk().expect("32 bytes"));
        let since = self.gateway.engine().now().0;
        Arc::new(Worker::new(
            side,
            self.gateway.clone(),
            self.limits.clone(),
            self.stopped.clone(),
            seed ^ since,
        ))
    }
}

fn spawn(
    name: String,
    work: Box<dyn FnOnce(Runtime) + Send>,
) -> Result<JoinHandle<()>, ServeError> {
    let runtime = runtime().map_err(ServeError::Thread)?;
    let thread = thread::Builder::new().name(name).spawn(move || work(runtime));
    thread.map_err(ServeError::Thread)
}

/// Return how many threads serve: as configured, or one a core with one left for the ledger.
pub(crate) fn worker_count(configured: usize) -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    match configured {
        0 => cores.saturating_sub(1).max(1),
        n => n.min(256),
    }
}

fn make_campaigns(config: &Config, engine: &Engine) -> Result<(), ServeError> {
    if config.only_when_empty && !engine.campaigns().is_empty() {
        return Ok(());
    }
    for body in &config.campaigns {
        let Some(name) = body.campaign.clone() else { continue };
        let campaign = name.to_string();
        let outcome = engine.put_campaign(body.spec(name)).wait().map_err(ServeError::Engine)?;
        if let Decision::Refused(refusal) = outcome {
            return Err(ServeError::Campaign { campaign, problem: refusal.to_string() });
        }
    }
    Ok(())
}

/// Tell listeners what changed in their lines.
async fn follow_lines(config: Config, gateway: Arc<Gateway>, mut stopped: channel::Receiver<bool>) {
    // Twice in the time after which a connection that takes nothing is cut.
    let beats = (config.server.idle_timeout.duration() / 3).min(HEARTBEAT_MAX);
    let mut beat = tokio::time::interval(beats.max(LINES_EVERY));
    let mut look = tokio::time::interval(LINES_EVERY);
    let mut invites = tokio::time::interval(INVITES_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = look.tick() => gateway.follow_lines(),
            _ = beat.tick() => gateway.beat_streams(),
            _ = invites.tick(), if gateway.has_invites() => {
                let gateway = gateway.clone();
                tokio::task::spawn_blocking(move || gateway.refresh_invites());
            }
        }
    }
}

/// Read the issuer's keys again now and then; a file that cannot be used leaves the old keys.
async fn refresh_keys(config: Config, gateway: Arc<Gateway>) {
    if config.identity.jwks_file.is_none() {
        return;
    }
    let every =
        config.identity.jwks_refresh.unwrap_or(crate::config::JWKS_REFRESH_DEFAULT).duration();
    loop {
        tokio::time::sleep(every.max(std::time::Duration::from_millis(100))).await;
        match Issuer::load(&config.identity) {
            Ok(issuer) => gateway.identity.issuer.store(Some(Arc::new(issuer))),
            Err(error) => tracing::warn!(%error, "the issuer's keys were not refreshed"),
        }
    }
}
