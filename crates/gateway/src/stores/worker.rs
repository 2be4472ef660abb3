//! The thread that follows the engine for the stores. It holds nothing that a restart would miss.

use super::live::Live;
use super::sourcing::Sourcing;
use onrush::{Engine, EngineError};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the thread sleeps at most; a durable record wakes it at once.
const IDLE: Duration = Duration::from_millis(50);

/// The running thread. Dropping it ends the thread and waits for that.
pub(super) struct Worker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}

impl Worker {
    pub(super) fn start(engine: Engine, live: Arc<Live>) -> io::Result<Worker> {
        let stop: Arc<AtomicBool> = Arc::default();
        let stopped = stop.clone();
        let named = thread::Builder::new().name("onrush-stores".to_owned());
        let thread = named.spawn(move || run(&engine, &live, &stopped))?;
        Ok(Worker { stop, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `run`.
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that follows the stores panicked");
        }
    }
}

fn run(engine: &Engine, live: &Live, stop: &AtomicBool) {
    // Acquire: pairs with the Release in `drop`.
    let stopped = || stop.load(Ordering::Acquire);
    while !stopped() {
        let ended = Sourcing::open(engine, live).and_then(|mut sourcing| {
            while !stopped() {
                sourcing.step(IDLE)?;
            }
            Ok(())
        });
        match ended {
            Ok(()) => return,
            Err(Ended::Engine(error)) => {
                tracing::debug!(%error, "the engine ended; its stores are not followed any more");
                return;
            }
            Err(Ended::Lost(what)) => {
                // The ledger has everything: start over from it.
                tracing::warn!(what, "reading the stores anew");
                thread::sleep(IDLE);
            }
        }
    }
}

/// Why following ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The engine stopped or failed.
    Engine(EngineError),
    /// The copy cannot be kept current; it has to be made anew.
    Lost(String),
}

impl From<EngineError> for Ended {
    fn from(error: EngineError) -> Ended {
        Ended::Engine(error)
    }
}
