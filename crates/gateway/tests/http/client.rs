//! A small blocking client that sends exactly what a test writes.

use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Far longer than any answer takes; only a hang meets it.
const HANG: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error} in {}", String::from_utf8_lossy(&self.body));
        })
    }

    /// Return a field as text.
    pub(crate) fn text(&self, field: &str) -> String {
        match &self.json()[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// Assert that this is the problem document of `code`, whole and true to its page.
    #[track_caller]
    pub(crate) fn is_problem(&self, code: &str) -> Value {
        let body = String::from_utf8_lossy(&self.body);
        let page = onrush_gateway::errors::explain(code).expect("a known code");
        assert_eq!(self.status, page.status, "{body}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{body}");
        let json = self.json();
        assert_eq!(json["code"], code, "{body}");
        assert_eq!(json["type"], format!("/docs/errors/{code}"));
        assert_eq!(json["title"], page.title);
        assert_eq!(json["status"], page.status);
        assert_eq!(json["retryable"], page.retryable);
        assert!(json["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        if let Some(ms) = json["retry_after_ms"].as_u64() {
            let seconds = self.header("retry-after").expect("Retry-After").parse::<u64>();
            assert_eq!(seconds.expect("a number"), ms.div_ceil(1_000).max(1));
        }
        json
    }
}

/// A connection.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(addr: SocketAddr) -> Connection {
        let stream = TcpStream::connect(addr).expect("connect");
        stream.set_read_timeout(Some(HANG)).expect("timeout");
        stream.set_write_timeout(Some(HANG)).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        Connection { stream, read: Vec::new() }
    }

    /// Send raw bytes; a peer that closed already is no error.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Say that nothing more comes.
    pub(crate) fn finish_sending(&self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    /// Read one answer; `None` when the server closed instead.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let head_end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more() {
                assert!(self.read.is_empty(), "half an answer: {:?}", self.read);
                return None;
            }
        };
        let head = String::from_utf8(self.read[..head_end].to_vec()).expect("ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut answer =
            Answer { status: status.parse().expect("a number"), headers, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |n| n.parse().expect("a number"));
        while self.read.len() < head_end + length {
            assert!(self.more(), "half a body");
        }
        answer.body = self.read[head_end..head_end + length].to_vec();
        self.read.drain(..head_end + length);
        Some(answer)
    }

    /// Read a head and what follows until the server closes, which must be nothing.
    fn head(&mut self) -> Answer {
        while self.more() {}
        let text = String::from_utf8(std::mem::take(&mut self.read)).expect("ASCII");
        let (head, rest) = text.split_once("\r\n\r\n").expect("a head");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = rest.as_bytes().to_vec();
        Answer { status: status.parse().expect("a number"), headers, body }
    }

    /// Read until `needle` has come, and return everything up to its end, heads and chunks included.
    #[track_caller]
    pub(crate) fn until(&mut self, needle: &str) -> String {
        loop {
            let found = self.read.windows(needle.len()).position(|part| part == needle.as_bytes());
            if let Some(at) = found {
                let read = self.read.drain(..at + needle.len()).collect();
                return String::from_utf8(read).expect("UTF-8");
            }
            let before = String::from_utf8_lossy(&self.read).into_owned();
            assert!(self.more(), "closed before {needle:?}: {before}");
        }
    }

    /// Read answers until the server closes.
    pub(crate) fn all_answers(&mut self) -> Vec<Answer> {
        std::iter::from_fn(|| self.answer()).collect()
    }

    /// Do something, and tell whether the server still listens.
    pub(crate) fn is_open_after(&mut self, act: impl FnOnce(&mut Connection)) -> bool {
        act(self);
        let short = Some(Duration::from_millis(1));
        self.stream.set_read_timeout(short).expect("timeout");
        let read = self.stream.read(&mut [0; 1]);
        self.stream.set_read_timeout(Some(HANG)).expect("timeout");
        read.is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    /// Assert that the server closes without another answer.
    #[track_caller]
    pub(crate) fn is_closed(&mut self) {
        let answer = self.answer();
        assert!(answer.is_none(), "{answer:?}");
    }

    /// Read until the server closes, whatever comes before.
    #[track_caller]
    pub(crate) fn is_ended(&mut self) {
        while self.more() {}
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                self.read.extend_from_slice(&buffer[..n]);
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("the server hangs"),
            Err(error) if error.kind() == ErrorKind::TimedOut => panic!("the server hangs"),
            Err(_) => false,
        }
    }
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: String,
    path: String,
    host: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub(crate) fn ask(method: &str, path: &str) -> Ask {
    let (method, path, host) = (method.to_owned(), path.to_owned(), "onrush.test".to_owned());
    Ask { method, path, host, headers: vec![], body: vec![] }
}

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Ask a host of this name.
    pub(crate) fn host(mut self, name: &str) -> Ask {
        self.host = name.to_owned();
        self
    }

    /// Be this buyer, as `--dev` allows.
    pub(crate) fn buyer(self, name: &str) -> Ask {
        self.header("x-onrush-buyer", name)
    }

    pub(crate) fn bearer(self, token: &str) -> Ask {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn key(self, key: &str) -> Ask {
        self.header("idempotency-key", key)
    }

    pub(crate) fn json(self, body: &Value) -> Ask {
        self.text(&body.to_string())
    }

    pub(crate) fn text(self, body: &str) -> Ask {
        self.header("content-type", "application/json").body(body.as_bytes())
    }

    pub(crate) fn body(mut self, body: &[u8]) -> Ask {
        self.body = body.to_vec();
        self
    }

    pub(crate) fn readdress(&mut self, path: &str) {
        self.path = path.to_owned();
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Ask { method, path, host, .. } = self;
        let mut out = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
        for (name, value) in &self.headers {
            out += &format!("{name}: {value}\r\n");
        }
        if !self.body.is_empty() || self.method == "POST" || self.method == "PUT" {
            out += &format!("content-length: {}\r\n", self.body.len());
        }
        let mut out = out.into_bytes();
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    /// Send it, for an answer that has no body whatever its length says.
    pub(crate) fn to_head(&self, addr: SocketAddr) -> Answer {
        let mut connection = Connection::open(addr);
        connection.send(&self.bytes());
        connection.finish_sending();
        connection.head()
    }

    /// Send it on its own connection.
    #[track_caller]
    pub(crate) fn to(&self, addr: SocketAddr) -> Answer {
        let mut connection = Connection::open(addr);
        connection.send(&self.bytes());
        connection.answer().expect("an answer")
    }
}
