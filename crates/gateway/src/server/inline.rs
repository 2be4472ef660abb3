//! A worker without a thread or a listener: it serves streams that somebody else brings.
//!
//! The whole way of a request can so be walked on one thread, over streams in memory.

use super::connection::{Limits, serve_connection};
use super::worker::Worker;
use crate::config::Config;
use crate::gateway::{Gateway, Side};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch as channel;

/// Serves streams on the runtime of its caller, with the limits and deadlines of a listener's.
///
/// Dropping it tells its connections to end as they do when a server stops.
#[derive(Debug)]
pub struct Inline {
    worker: Arc<Worker>,
    stop: channel::Sender<bool>,
}

impl Inline {
    /// Make a worker on the current runtime, which must be of one thread and have timers.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn new(config: &Config, gateway: Arc<Gateway>, side: Side) -> Inline {
        let (stop, stopped) = channel::channel(false);
        let limits = Arc::new(Limits::new(&config.server));
        let worker = Arc::new(Worker::new(side, gateway, limits, stopped, 1));
        worker.start();
        Inline { worker, stop }
    }

    /// Serve a stream in a task of its own; return `false`, and close it, where there is no room.
    ///
    /// # Panics
    /// Outside of a runtime.
    pub fn serve<S>(&self, stream: S) -> bool
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Some(place) = self.worker.enter() else { return false };
        tokio::spawn(serve_connection(stream, None, self.worker.clone(), place));
        true
    }
}

impl Drop for Inline {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
