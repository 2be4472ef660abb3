//! One connection to the gateway: requests as bytes, header order included.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Far longer than any answer takes; only a hang meets it.
const HANG: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body; null where it is none.
    pub body: Value,
}

impl Answer {
    /// Return the code of a problem, or nothing.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// A keep-alive connection that is asked one thing at a time.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Connect.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(addr: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(addr).context("the gateway does not listen")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANG))?;
        Ok(Connection { stream, read: Vec::new() })
    }

    /// Send a request, call `meanwhile` until the answer begins, and return it.
    ///
    /// # Errors
    /// When the connection ends or what comes is no answer.
    pub fn ask(&mut self, request: &[u8], mut meanwhile: impl FnMut()) -> Result<Answer> {
        self.stream.write_all(request)?;
        self.stream.set_nonblocking(true)?;
        loop {
            let first = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
            let what = || format!("after {:?}", String::from_utf8_lossy(first));
            if self.more().with_context(what)? {
                break;
            }
            meanwhile();
        }
        self.stream.set_nonblocking(false)?;
        let head_end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head = std::str::from_utf8(&self.read[..head_end])?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let end = head_end + length.unwrap_or(0);
        while self.read.len() < end {
            self.more()?;
        }
        let body = serde_json::from_slice(&self.read[head_end..end]).unwrap_or(Value::Null);
        self.read.drain(..end);
        Ok(Answer { status, body })
    }

    /// Read what is there; `false`: nothing is yet.
    fn more(&mut self) -> Result<bool> {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the gateway closed the connection"),
            Ok(n) => {
                self.read.extend_from_slice(&buffer[..n]);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::yield_now();
                Ok(false)
            }
            Err(error) => Err(error).context("no answer"),
        }
    }
}

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// Begin one.
    pub fn new(method: &str, path: &str) -> Request {
        Request { bytes: format!("{method} {path} HTTP/1.1\r\nHost: shop.example\r\n").into() }
    }

    /// Add a header.
    pub fn header(mut self, name: &str, value: &str) -> Request {
        for part in [name, ": ", value, "\r\n"] {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self
    }

    /// Add a header that may be left out.
    pub fn with(self, name: &str, value: Option<&str>) -> Request {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// End it with a JSON body, or with none.
    pub fn json(self, body: &str) -> Vec<u8> {
        let length = body.len().to_string();
        let kind = (!body.is_empty()).then_some("application/json");
        let mut bytes = self.with("Content-Type", kind).header("Content-Length", &length).bytes;
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body.as_bytes());
        bytes
    }
}
