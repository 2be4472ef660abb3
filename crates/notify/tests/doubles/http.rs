//! An HTTP server that keeps every request and answers as it is told.

use super::{Secure, Stream, plain};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Far longer than anything takes; only a hang meets it.
const HANG: Duration = Duration::from_secs(60);

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What to answer; `None` closes the connection without a word.
pub(crate) type Script = Box<dyn FnMut(&Got) -> Option<(u16, &'static str, String)> + Send>;

pub(crate) struct Double {
    pub(crate) port: u16,
    got: Receiver<Got>,
}

impl Double {
    /// Answer everything with `status`.
    pub(crate) fn answering(status: u16) -> Double {
        Double::scripted(Box::new(move |_| Some((status, "", String::new()))))
    }

    /// Answer as `script` says: status, one more header line, body.
    pub(crate) fn scripted(script: Script) -> Double {
        Double::secured(script, plain())
    }

    pub(crate) fn secured(mut script: Script, secure: Secure) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let (tell, got) = channel();
        // Ends with the process: it waits in `accept`, and a test's end is the process's.
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let _ = socket.set_read_timeout(Some(HANG));
                serve(secure(socket), &mut script, &tell);
            }
        });
        Double { port, got }
    }

    /// Wait for the next request.
    pub(crate) fn next(&self) -> Got {
        self.got.recv_timeout(HANG).expect("a request")
    }

    /// Return what has come and was not looked at.
    pub(crate) fn rest(&self) -> Vec<Got> {
        self.got.try_iter().collect()
    }
}

fn serve(mut stream: Box<dyn Stream>, script: &mut Script, tell: &Sender<Got>) {
    let Some(got) = request(&mut *stream) else { return };
    let answer = script(&got);
    let _ = tell.send(got);
    let Some((status, header, body)) = answer else { return };
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{header}\r\n");
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
    let _ = stream.flush();
}

fn request(stream: &mut dyn Stream) -> Option<Got> {
    let mut read = Vec::new();
    let mut more = |read: &mut Vec<u8>| -> Option<()> {
        let mut buffer = [0; 4_096];
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => read.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
        Some(())
    };
    let end = loop {
        match read.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) => break at + 4,
            None => more(&mut read)?,
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut got = Got { method, path, headers, body: Vec::new() };
    let length: usize = got.header("content-length").parse().unwrap_or(0);
    while read.len() < end + length {
        more(&mut read)?;
    }
    got.body = read[end..end + length].to_vec();
    Some(got)
}
