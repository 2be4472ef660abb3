//! The load, the same for everybody: prepared bytes out, an answer in, over keep-alive connections with
//! one request each under way.
//!
//! One thread on epoll, two system calls a request, nothing allocated for an answer but what is kept of
//! it: a fast server must not wait for its client. What is kept: the status of each answer, and each
//! text that follows a mark (`"id":`) in its body.

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Connections that ask at a time.
pub(crate) const CONNECTIONS: usize = 64;

/// No server takes this long for any answer; one that does hangs.
const SILENCE_SECONDS_MAX: i64 = 30;

/// An answer is never longer: a batch of 100 has some 25 KiB, a page of a list some 300 KiB.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// A text that is kept is never longer.
const TEXT_BYTES_MAX: usize = 1_024;

/// Requests as they go over the wire.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Requests {
    /// Add a `POST` with a JSON body; `headers` are whole lines.
    pub(crate) fn post(&mut self, path: &str, headers: &str, body: &str) {
        let length = body.len();
        let head = "HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
        write!(self.bytes, "POST {path} {head}content-length: {length}\r\n{headers}\r\n{body}")
            .expect("memory takes it");
        self.ends.push(self.bytes.len());
    }

    /// Add a `GET`; `headers` are whole lines.
    pub(crate) fn get(&mut self, path: &str, headers: &str) {
        write!(self.bytes, "GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
            .expect("memory takes it");
        self.ends.push(self.bytes.len());
    }

    /// Return how many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn at(&self, n: usize) -> &[u8] {
        let from = if n == 0 { 0 } else { self.ends[n - 1] };
        &self.bytes[from..self.ends[n]]
    }
}

/// What was answered, in no particular order of time.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    status: Vec<u16>,
    texts: Vec<u8>,
    /// Of each kept text: its request, and where it ends in `texts`.
    kept: Vec<(u32, usize)>,
}

impl Answers {
    /// Return the status of each request, in their order.
    pub(crate) fn status(&self) -> &[u16] {
        &self.status
    }

    /// Return the texts that followed the mark, each with its request, in the order they came.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut from = 0;
        self.kept.iter().map(move |&(request, end)| {
            let text = std::str::from_utf8(&self.texts[from..end]).unwrap_or_default();
            from = end;
            (request as usize, text)
        })
    }

    /// Return one text for each request, in their order; empty where there was none.
    pub(crate) fn text_of_each(&self) -> Vec<String> {
        let mut each = vec![String::new(); self.status.len()];
        self.texts().for_each(|(request, text)| text.clone_into(&mut each[request]));
        each
    }

    fn keep(&mut self, request: usize, head: &[u8], body: &[u8], mark: Option<&memmem::Finder>) {
        let digit = |at: usize| u16::from(head[at].wrapping_sub(b'0'));
        self.status[request] = digit(9) * 100 + digit(10) * 10 + digit(11);
        for at in
            mark.into_iter().flat_map(|mark| mark.find_iter(body).map(|n| n + mark.needle().len()))
        {
            let text = body[at..].strip_prefix(b"\"").unwrap_or(&body[at..]);
            let text = &text[..text.len().min(TEXT_BYTES_MAX)];
            let end = text.iter().position(|byte| matches!(byte, b'"' | b',' | b'}'));
            self.texts.extend_from_slice(&text[..end.unwrap_or(0)]);
            self.kept.push((request as u32, self.texts.len()));
        }
    }
}

/// A whole run of the load.
#[derive(Debug)]
pub(crate) struct Run {
    /// What was answered.
    pub(crate) answers: Answers,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    /// Processor time of the load itself.
    pub(crate) client_cpu: Duration,
}

/// Ask every request once, as fast as answers come.
///
/// # Errors
/// When a connection breaks, an answer is no HTTP or has no length, or nothing comes for long: a server
/// that loses requests has no figures.
pub(crate) fn run(addr: SocketAddr, requests: &Requests, mark: Option<&str>) -> Result<Run> {
    let mark = mark.map(|mark| memmem::Finder::new(mark.as_bytes()));
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut links = Vec::new();
    for n in 0..CONNECTIONS.min(requests.len()) {
        let stream = TcpStream::connect(addr).with_context(|| format!("connecting to {addr}"))?;
        stream.set_nodelay(true)?;
        epoll::add(&epoll, &stream, epoll::EventData::new_u64(n as u64), epoll::EventFlags::IN)?;
        links.push(Link { stream, buffer: vec![0; 1 << 16], have: 0, request: n });
    }
    let mut answers = Answers { status: vec![0; requests.len()], ..Answers::default() };
    let (cpu, started) = (thread_cpu(), Instant::now());
    for (n, link) in links.iter_mut().enumerate() {
        link.stream.write_all(requests.at(n))?;
    }
    let (mut next, mut answered) = (links.len(), 0);
    let mut events = Vec::with_capacity(CONNECTIONS);
    let silence = Timespec { tv_sec: SILENCE_SECONDS_MAX, tv_nsec: 0 };
    while answered < requests.len() {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), Some(&silence)) {
            Ok(0) => bail!("no answer for {SILENCE_SECONDS_MAX} s, {answered} came before"),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let link = &mut links[{ event.data }.u64() as usize];
            let Some(whole) = link.read()? else { continue };
            let (head, body) = link.buffer[..whole.end].split_at(whole.head);
            answers.keep(link.request, head, body, mark.as_ref());
            (link.have, answered) = (0, answered + 1);
            if next < requests.len() {
                link.request = next;
                // The socket blocks, but its buffer is empty: what was in it has been answered.
                link.stream.write_all(requests.at(next))?;
                next += 1;
            }
        }
    }
    Ok(Run { answers, took: started.elapsed(), client_cpu: thread_cpu() - cpu })
}

/// Ask once and return the status and the body.
///
/// # Errors
/// As [`run`].
pub(crate) fn ask(addr: SocketAddr, requests: &Requests) -> Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(SILENCE_SECONDS_MAX as u64)))?;
    stream.write_all(requests.at(0))?;
    let mut link = Link { stream, buffer: vec![0; 1 << 16], have: 0, request: 0 };
    let whole = loop {
        if let Some(whole) = link.read()? {
            break whole;
        }
    };
    let mut answers = Answers { status: vec![0], ..Answers::default() };
    let (head, body) = link.buffer[..whole.end].split_at(whole.head);
    answers.keep(0, head, body, None);
    Ok((answers.status[0], body.to_vec()))
}

/// A connection and the request that is under way on it.
struct Link {
    stream: TcpStream,
    buffer: Vec<u8>,
    have: usize,
    request: usize,
}

impl Link {
    /// Read what is there; tell where the answer ends once it is whole.
    fn read(&mut self) -> Result<Option<Whole>> {
        if self.have == self.buffer.len() {
            ensure!(
                self.have < ANSWER_BYTES_MAX,
                "an answer of more than {ANSWER_BYTES_MAX} bytes"
            );
            self.buffer.resize(self.have * 2, 0);
        }
        match self.stream.read(&mut self.buffer[self.have..]) {
            Ok(0) => bail!("the server closed a connection with a request under way"),
            Ok(read) => self.have += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("reading an answer"),
        }
        whole(&self.buffer[..self.have])
    }
}

/// Where the parts of a whole answer end.
#[derive(Debug, PartialEq, Eq)]
struct Whole {
    head: usize,
    end: usize,
}

fn whole(have: &[u8]) -> Result<Option<Whole>> {
    let Some(end) = memmem::find(have, b"\r\n\r\n") else { return Ok(None) };
    let head = &have[..end + 4];
    ensure!(head.len() > 16 && head.starts_with(b"HTTP/1."), "an answer that is no HTTP");
    let length = content_length(head).context("an answer without content-length")?;
    let whole = Whole { head: head.len(), end: head.len() + length };
    Ok((have.len() >= whole.end).then_some(whole))
}

fn content_length(head: &[u8]) -> Option<usize> {
    // Without the first letter: servers write it large or small.
    for at in memmem::find_iter(head, b"ontent-") {
        let rest = &head[at + 7..];
        if rest.len() > 7 && rest[..7].eq_ignore_ascii_case(b"length:") {
            let end = memchr::memchr(b'\r', rest)?;
            return std::str::from_utf8(&rest[7..end]).ok()?.trim().parse().ok();
        }
    }
    None
}

fn thread_cpu() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_whole_answer_from_a_part() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Type: a\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(whole(answer).expect("HTTP"), Some(Whole { head: 60, end: 62 }));
        for cut in 0..answer.len() {
            assert_eq!(whole(&answer[..cut]).expect("HTTP"), None, "{cut}");
        }
        assert!(whole(b"HTTP/1.1 200 OK\r\nserver: x\r\n\r\n").is_err(), "no length");
        assert!(whole(b"SSH-2.0-x-and-more-and-more\r\n\r\n").is_err(), "no HTTP");
    }

    #[test]
    fn keeps_status_and_each_marked_text() {
        let mut answers = Answers { status: vec![0; 2], ..Answers::default() };
        let mark = memmem::Finder::new("\"id\":");
        let head = b"HTTP/1.1 201 Created\r\n\r\n";
        answers.keep(1, head, br#"{"id":"r7","x":{"id":12}}"#, Some(&mark));
        answers.keep(0, head, br#"{"id":3,"y":1}"#, Some(&mark));
        assert_eq!(answers.status(), [201, 201]);
        let texts: Vec<_> = answers.texts().collect();
        assert_eq!(texts, [(1, "r7"), (1, "12"), (0, "3")]);
        assert_eq!(answers.text_of_each(), ["3", "12"]);
    }

    #[test]
    fn asks_every_request_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
        let addr = listener.local_addr().expect("address");
        let server = std::thread::spawn(move || {
            let serve = |mut stream: TcpStream| {
                std::thread::spawn(move || {
                    let (mut seen, mut buffer) = (0, [0; 4_096]);
                    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"id\":1}";
                        // In two parts, as a slow server might.
                        stream.write_all(&answer.as_bytes()[..20]).expect("writing");
                        stream.write_all(&answer.as_bytes()[20..]).expect("writing");
                        seen += 1;
                    }
                    seen
                })
            };
            let links: Vec<_> =
                (0..CONNECTIONS).map(|_| serve(listener.accept().expect("link").0)).collect();
            links.into_iter().map(|link| link.join().expect("a link")).sum::<usize>()
        });
        let mut requests = Requests::default();
        (0..1_000).for_each(|_| requests.post("/", "", "{}"));
        let run = run(addr, &requests, Some("\"id\":")).expect("a run");
        assert!(run.answers.status().iter().all(|&status| status == 200));
        assert_eq!(run.answers.texts().count(), 1_000);
        assert_eq!(server.join().expect("the server"), 1_000);
    }
}
