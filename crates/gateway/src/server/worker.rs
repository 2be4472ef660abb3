//! A worker: one thread, one runtime, its connections.

use super::connection::Limits;
use super::landing::Landing;
use super::rounds::Rounds;
use crate::gateway::{Gateway, Side};
use crate::jitter::Jitter;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};

/// What the connections of one thread share.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) side: Side,
    pub(super) gateway: Arc<Gateway>,
    pub(super) limits: Arc<Limits>,
    pub(super) jitter: Jitter,
    stopped: watch::Receiver<bool>,
    pub(super) landing: Arc<Landing>,
    pub(super) rounds: Arc<Rounds>,
    connections: AtomicUsize,
    /// Taken when the worker stops; its clones live as long as the connections that hold them.
    alive: parking_lot::Mutex<Option<mpsc::Sender<()>>>,
    all_gone: parking_lot::Mutex<Option<mpsc::Receiver<()>>>,
}

/// A place among the connections; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    worker: Arc<Worker>,
    _alive: Option<mpsc::Sender<()>>,
}

impl Worker {
    pub(super) fn new(
        side: Side,
        gateway: Arc<Gateway>,
        limits: Arc<Limits>,
        stopped: watch::Receiver<bool>,
        seed: u64,
    ) -> Worker {
        let (alive, all_gone) = mpsc::channel(1);
        Worker {
            side,
            gateway,
            limits,
            jitter: Jitter::new(seed),
            stopped,
            landing: Arc::default(),
            rounds: Arc::default(),
            connections: AtomicUsize::new(0),
            alive: parking_lot::Mutex::new(Some(alive)),
            all_gone: parking_lot::Mutex::new(Some(all_gone)),
        }
    }

    /// Return how many connections it has.
    pub(super) fn load(&self) -> usize {
        // Relaxed: a hint for spreading; the bound is kept by `enter`.
        self.connections.load(Ordering::Relaxed)
    }

    /// Take a place, unless the worker or the server is full.
    pub(super) fn enter(self: &Arc<Worker>) -> Option<Place> {
        let limits = &self.limits;
        let (mine_max, all, all_max) = match self.side {
            Side::Public => (limits.per_worker_max, &limits.public, limits.public_max),
            Side::Admin => (limits.admin_max, &limits.admin, limits.admin_max),
        };
        // Relaxed: the counts guard nothing but themselves.
        if self.connections.fetch_add(1, Ordering::Relaxed) >= mine_max {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        if all.fetch_add(1, Ordering::Relaxed) >= all_max {
            all.fetch_sub(1, Ordering::Relaxed);
            self.connections.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        self.gateway.metrics().accepted();
        let alive = self.alive.lock().clone();
        Some(Place { worker: self.clone(), _alive: alive })
    }

    /// Start what its connections need, on the current runtime.
    pub(super) fn start(&self) {
        tokio::spawn(self.landing.clone().serve());
        let tick = self.limits.timeouts.tick();
        tokio::spawn(self.rounds.clone().go(self.stopped.clone(), tick));
    }

    /// Accept until stopped, then wait for the connections, at most `grace`.
    pub(super) async fn run(self: Arc<Worker>, accept: impl Future<Output = ()>, grace: Duration) {
        self.start();
        accept.await;
        self.gateway.end_streams();
        *self.alive.lock() = None;
        let all_gone = self.all_gone.lock().take();
        let Some(mut all_gone) = all_gone else { return };
        if tokio::time::timeout(grace, all_gone.recv()).await.is_err() {
            let left = self.load();
            tracing::warn!(left, "connections were cut: requests took longer than stop_timeout");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let limits = &self.worker.limits;
        let all = match self.worker.side {
            Side::Public => &limits.public,
            Side::Admin => &limits.admin,
        };
        // Relaxed: as in `enter`.
        all.fetch_sub(1, Ordering::Relaxed);
        self.worker.connections.fetch_sub(1, Ordering::Relaxed);
        self.worker.gateway.metrics().closed();
    }
}

/// Make a runtime for one thread.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
