//! Binding, accepting, and spreading connections over workers.

use super::ServeError;
use super::connection::{Limits, serve_connection};
use super::worker::Worker;
use crate::config::{Accept, Config, Listen};
use crate::gateway::Gateway;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

/// Connections the kernel keeps until they are accepted; it may keep fewer.
const BACKLOG: u32 = 4_096;

/// Connections handed to a worker that it has not taken yet.
const LANE_MAX: usize = 1_024;

/// How long to wait when there is no file descriptor left: closing connections frees some.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Sent to a connection over the limit before it is closed.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\ncontent-length: 184\r\nretry-after: 2\r\n\
    connection: close\r\n\r\n\
    {\"type\":\"/docs/errors/overloaded\",\"title\":\"Too much at once\",\"status\":503,\
    \"code\":\"overloaded\",\"detail\":\"too many connections; come back shortly\",\
    \"retryable\":true,\"retry_after_ms\":2000}";

/// Listeners that are bound and not served yet.
pub(super) struct Sockets {
    pub(super) public: Vec<StdListener>,
    pub(super) public_addr: Listen,
    pub(super) admin: AdminSocket,
    pub(super) admin_addr: Listen,
}

pub(super) enum AdminSocket {
    Tcp(StdListener),
    Unix(StdUnixListener),
}

/// Bind both addresses; the public one `copies` times, sharing the port.
pub(super) fn bind(
    runtime: &Runtime,
    config: &Config,
    copies: usize,
) -> Result<Sockets, ServeError> {
    let _in_runtime = runtime.enter();
    let fail = |listen: &Listen| {
        let listen = listen.clone();
        move |error| ServeError::Listen { listen, error }
    };
    let listen = &config.listen;
    let share = copies > 1 || config.server.accept == Accept::ReusePort;
    let Listen::Tcp(mut addr) = listen.public else {
        let error = io::Error::new(ErrorKind::Unsupported, "the public side listens on TCP");
        return Err(fail(&listen.public)(error));
    };
    let mut public = Vec::with_capacity(copies);
    for _ in 0..copies {
        let listener = bind_tcp(addr, share).map_err(fail(&listen.public))?;
        addr = listener.local_addr().map_err(fail(&listen.public))?;
        public.push(listener);
    }
    let (admin, admin_addr) = match &listen.admin {
        Listen::Tcp(addr) => {
            let listener = bind_tcp(*addr, false).map_err(fail(&listen.admin))?;
            let addr = listener.local_addr().map_err(fail(&listen.admin))?;
            (AdminSocket::Tcp(listener), Listen::Tcp(addr))
        }
        Listen::Unix(path) => {
            let listener = bind_unix(path).map_err(fail(&listen.admin))?;
            (AdminSocket::Unix(listener), listen.admin.clone())
        }
    };
    Ok(Sockets { public, public_addr: Listen::Tcp(addr), admin, admin_addr })
}

fn bind_tcp(addr: SocketAddr, share: bool) -> io::Result<StdListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    if share {
        socket.set_reuseport(true)?;
    }
    socket.bind(addr)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Bind a Unix socket; one that a killed process left behind is replaced.
fn bind_unix(path: &std::path::Path) -> io::Result<StdUnixListener> {
    let listener = match StdUnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            StdUnixListener::bind(path)?
        }
        other => other?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Accept for one worker that has its own listener.
pub(super) async fn accept_public(
    listener: StdListener,
    worker: Arc<Worker>,
    mut stopped: watch::Receiver<bool>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the listener cannot be served"),
    };
    while let Some((stream, peer)) = next(&mut stopped, || listener.accept()).await {
        admit(stream, peer.ip(), &worker);
    }
}

/// Accept on the admin side.
pub(super) async fn accept_admin(
    socket: AdminSocket,
    worker: Arc<Worker>,
    mut stopped: watch::Receiver<bool>,
) {
    let listener = match socket {
        AdminSocket::Tcp(listener) => return accept_public(listener, worker, stopped).await,
        AdminSocket::Unix(listener) => match UnixListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the socket cannot be served"),
        },
    };
    while let Some((stream, _)) = next(&mut stopped, || listener.accept()).await {
        if let Some(place) = worker.enter() {
            tokio::spawn(serve_connection(stream, None, worker.clone(), place));
        }
    }
}

/// Where the acceptor hands sockets to a worker.
pub(super) struct Lane {
    worker: Arc<Worker>,
    sockets: mpsc::Sender<(StdStream, IpAddr)>,
}

pub(super) fn lane(worker: Arc<Worker>) -> (Lane, mpsc::Receiver<(StdStream, IpAddr)>) {
    let (sockets, taken) = mpsc::channel(LANE_MAX);
    (Lane { worker, sockets }, taken)
}

/// Accept for all workers, handing each connection to the one with the fewest.
pub(super) async fn hand_off(
    listener: StdListener,
    lanes: Vec<Lane>,
    limits: Arc<Limits>,
    gateway: Arc<Gateway>,
    mut stopped: watch::Receiver<bool>,
) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the listener cannot be served"),
    };
    while let Some((stream, peer)) = next(&mut stopped, || listener.accept()).await {
        let waiting = |lane: &Lane| LANE_MAX - lane.sockets.capacity();
        let least = lanes.iter().min_by_key(|lane| lane.worker.load() + waiting(lane));
        let Some(lane) = least else { continue };
        // Relaxed: as in `Worker::enter`, which keeps the bound; this only saves the hand-over.
        if limits.public.load(Ordering::Relaxed) >= limits.public_max {
            refuse(stream, &gateway);
            continue;
        }
        let Ok(stream) = stream.into_std() else { continue };
        if let Err(mpsc::error::TrySendError::Full((stream, _))) =
            lane.sockets.try_send((stream, peer.ip()))
        {
            drop(stream);
            gateway.metrics().refused();
        }
    }
}

/// Take sockets from the acceptor.
pub(super) async fn receive(
    mut sockets: mpsc::Receiver<(StdStream, IpAddr)>,
    worker: Arc<Worker>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let (stream, peer) = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => break,
            socket = sockets.recv() => match socket {
                Some(socket) => socket,
                None => break,
            },
        };
        match TcpStream::from_std(stream) {
            Ok(stream) => admit(stream, peer, &worker),
            Err(error) => tracing::debug!(%error, "a socket could not be taken over"),
        }
    }
}

/// Serve a connection, or say that there is no room.
fn admit(stream: TcpStream, peer: IpAddr, worker: &Arc<Worker>) {
    match worker.enter() {
        Some(place) => {
            // Answers are written whole; waiting to fill a segment only delays them.
            let _ = stream.set_nodelay(true);
            tokio::spawn(serve_connection(stream, Some(peer), worker.clone(), place));
        }
        None => refuse(stream, &worker.gateway),
    }
}

fn refuse(stream: TcpStream, gateway: &Gateway) {
    gateway.metrics().refused();
    // A new socket's send buffer is empty: what does not fit now never will.
    let _ = stream.try_write(FULL);
}

/// Accept the next connection; `None` once stopped.
async fn next<T, F: Future<Output = io::Result<T>>>(
    stopped: &mut watch::Receiver<bool>,
    accept: impl Fn() -> F,
) -> Option<T> {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return None,
            accepted = accept() => accepted,
        };
        match accepted {
            Ok(accepted) => return Some(accepted),
            // The client gave up before it was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted
                        | ErrorKind::ConnectionReset
                        | ErrorKind::ConnectionRefused
                        | ErrorKind::Interrupted
                ) => {}
            Err(error) => {
                tracing::warn!(%error, "accepting is paused; raise the limit on open files");
                tokio::time::sleep(EXHAUSTED_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_states_its_own_length() {
        let text = std::str::from_utf8(FULL).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
