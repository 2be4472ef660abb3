//! A double of the shop's hook: says yes to whoever may join, and counts how often it was asked.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const YES: &str = r#"{"eligible": true}"#;
/// Largest question that is read.
const QUESTION_BYTES_MAX: u64 = 64 << 10;
/// Somebody who connects and says nothing is not waited for longer.
const SILENT_MAX: Duration = Duration::from_secs(5);

/// A running double. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Double {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    asked: AtomicU64,
    over: AtomicBool,
}

impl Double {
    /// Listen on a free port of the loopback address.
    pub(super) fn start() -> io::Result<Double> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let thread = thread::Builder::new().name("double".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                // Acquire: pairs with the store in `drop`, which the connection that woke us came after.
                if own.over.load(Ordering::Acquire) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                // One after the other: each question is one short request.
                if answer(stream).is_ok() {
                    // Relaxed: a figure that stands alone.
                    own.asked.fetch_add(1, Ordering::Relaxed);
                }
            }
        })?;
        Ok(Double { address, shared, thread: Some(thread) })
    }

    /// Return how often it was asked.
    pub(super) fn asked(&self) -> u64 {
        // Relaxed: a figure that stands alone.
        self.shared.asked.load(Ordering::Relaxed)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        // Release: pairs with the load in the thread, which the connection below wakes.
        self.shared.over.store(true, Ordering::Release);
        let woken = TcpStream::connect(self.address);
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

/// Read one request, and say yes.
fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENT_MAX))?;
    stream.set_write_timeout(Some(SILENT_MAX))?;
    let mut reader = BufReader::new(stream.take(QUESTION_BYTES_MAX));
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
    let mut stream = reader.into_inner().into_inner();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{YES}",
        YES.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_yes_and_counts() {
        let double = Double::start().expect("a port");
        for _ in 0..3 {
            let mut stream = TcpStream::connect(double.address).expect("it listens");
            write!(stream, "POST /eligible HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{{}}")
                .expect("sent");
            let mut text = String::new();
            stream.read_to_string(&mut text).expect("an answer");
            assert!(text.starts_with("HTTP/1.1 200") && text.ends_with(YES), "{text}");
        }
        let address = double.address;
        while double.asked() < 3 {
            thread::yield_now();
        }
        drop(double);
        assert!(TcpStream::connect(address).is_err(), "it ended");
    }
}
