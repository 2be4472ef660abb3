//! Bytes on a connection to a server with the product's own parser settings.

use onrush::{Engine, Options, Parts};
use onrush_gateway::config::{Listen, Span};
use onrush_gateway::{Config, Running, serve};
use onrush_types::DurationMs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

/// No connection is held longer than this once everything was sent.
const HANG: Duration = Duration::from_secs(30);
const DEADLINE: DurationMs = DurationMs(2_000);

struct Server {
    _running: Running,
    public: SocketAddr,
}

/// Send bytes, say that no more come, and read until the server closes. Returns how many answers came.
///
/// # Panics
/// When the connection is held, or what comes back is not HTTP, or tells of a fault of the server's own.
pub fn connection(data: &[u8]) -> usize {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(start);
    let mut stream = TcpStream::connect(server.public).expect("it accepts");
    stream.set_read_timeout(Some(HANG)).expect("a timeout");
    stream.set_write_timeout(Some(HANG)).expect("a timeout");
    // The server may close before it has read everything: that is no error.
    let _ = stream.write_all(data);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    if let Err(error) = stream.read_to_end(&mut said) {
        let held =
            matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
        assert!(!held, "the connection is held");
    }
    assert!(said.is_empty() || said.starts_with(b"HTTP/1."), "not HTTP: {said:?}");
    let text = String::from_utf8_lossy(&said);
    let statuses: Vec<&str> = text.match_indices("HTTP/1.").map(|(at, _)| &text[at..]).collect();
    for status in &statuses {
        let code = status.split(' ').nth(1).unwrap_or_default();
        assert!(code != "500", "a fault of the server's own: {text}");
    }
    statuses.len()
}

fn start() -> Server {
    let folder = std::env::temp_dir().join(format!("onrush-fuzz-{}", std::process::id()));
    let parts = Parts::on_disk(&folder).expect("a folder");
    let options = Options { segment_bytes: 1 << 20, ..Options::default() };
    let engine = Engine::open_with(parts, options).expect("a new folder opens");
    let mut config = Config::dev(1_000, 1, DurationMs(60_000));
    config.listen.public = "127.0.0.1:0".parse().expect("an address");
    config.listen.admin = "127.0.0.1:0".parse().expect("an address");
    config.server.header_timeout = Span(DEADLINE);
    config.server.body_timeout = Span(DEADLINE);
    config.server.idle_timeout = Span(DEADLINE);
    let running = serve(&config, engine, std::future::pending()).expect("it serves");
    let Listen::Tcp(public) = running.public_addr else { unreachable!("asked for above") };
    Server { _running: running, public }
}
