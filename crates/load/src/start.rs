//! A crowd around the opening of a sale: is anything accepted early, and how soon is the first?
//!
//! A few connections ask for units without a pause, each on a thread of its own with a blocking
//! socket, so that no runtime stands between an answer and the clock. Sale time is read from
//! `/v1/time` on the same connection; with the moments before and after, on a clock that does not
//! step, that gives bounds within which sale time lies at any later moment. Whatever the bounds prove
//! is a finding on the slowest machine: a hold that was told before the opening, a refusal of a request
//! that was sent after it. How long the first hold took is a figure.

use onrush::{DurationMs, Timestamp};
use onrush_gateway::wire::parse_timestamp;
use serde::Deserialize;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Readings of sale time on each new connection.
const READINGS: usize = 8;
/// Far longer than any answer takes.
const HANG: Duration = Duration::from_secs(30);
/// Findings that are kept.
const WRONG_MAX: usize = 8;

/// What to play.
#[derive(Clone, Debug)]
pub struct Rush {
    /// Where the server listens for buyers; it must run with `--dev`.
    pub public: SocketAddr,
    /// The campaign.
    pub campaign: String,
    /// A SKU of it with enough units.
    pub sku: String,
    /// When it opens.
    pub opens_at: Timestamp,
    /// How long its holds live.
    pub hold: DurationMs,
    /// Connections that ask at once.
    pub connections: usize,
    /// How long before the opening they begin.
    pub before: Duration,
    /// Holds after which a connection has seen enough.
    pub holds_each: u64,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Requests answered.
    pub asked: u64,
    /// Requests that were told that the sale is not open.
    pub not_open: u64,
    /// Holds.
    pub held: u64,
    /// Connections that broke and were made again.
    pub broken: u64,
    /// What may not be, in words; empty when all is well.
    pub wrong: Vec<String>,
    /// Milliseconds from the opening to the first hold, by the server's sale time.
    pub decided_after_ms: Option<u64>,
    /// Microseconds from the opening until the first hold was told, at most.
    pub told_after_us: Option<i64>,
}

/// Play a crowd around an opening. Blocks until every connection has its holds, or gave up.
///
/// # Panics
/// When a thread cannot be started.
pub fn rush(plan: &Rush) -> Report {
    let reports: Vec<Report> = thread::scope(|scope| {
        let callers: Vec<_> = (0..plan.connections)
            .map(|n| scope.spawn(move || Caller::new(plan, n).play()))
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("a caller does not panic")).collect()
    });
    reports.into_iter().fold(Report::default(), Report::plus)
}

impl Report {
    fn plus(mut self, other: Report) -> Report {
        self.asked += other.asked;
        self.not_open += other.not_open;
        self.held += other.held;
        self.broken += other.broken;
        self.wrong.extend(other.wrong);
        self.wrong.truncate(WRONG_MAX);
        let told = [self.told_after_us, other.told_after_us];
        self.told_after_us = told.into_iter().flatten().min();
        let decided = [self.decided_after_ms, other.decided_after_ms];
        self.decided_after_ms = decided.into_iter().flatten().min();
        self
    }
}

/// Ask once for `path`, on a connection of its own.
///
/// # Errors
/// When the connection fails.
pub fn get(addr: SocketAddr, path: &str, token: &str) -> io::Result<(u16, Vec<u8>)> {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: onrush\r\nAuthorization: Bearer {token}\r\n\r\n");
    Stream::open(addr)?.ask(request.as_bytes())
}

/// Between which bounds sale time lies at a moment, in microseconds since 1970, as far as readings of
/// it prove.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    origin: Instant,
    least_us: i64,
    most_us: i64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds::new()
    }
}

impl Bounds {
    /// Know nothing yet.
    pub fn new() -> Bounds {
        Bounds { origin: Instant::now(), least_us: i64::MIN / 2, most_us: i64::MAX / 2 }
    }

    /// Read sale time once.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn read(&mut self, public: SocketAddr) -> io::Result<()> {
        self.read_on(&mut Stream::open(public)?)
    }

    fn read_on(&mut self, stream: &mut Stream) -> io::Result<()> {
        let from = Instant::now();
        let (_, body) = stream.ask(b"GET /v1/time HTTP/1.1\r\nHost: onrush\r\n\r\n")?;
        let time: Time = serde_json::from_slice(&body)?;
        self.learn(Timestamp(time.unix_ms), from, Instant::now());
        Ok(())
    }

    /// Tell whether the readings contradict each other: sale time did not go on evenly.
    pub fn contradict(&self) -> bool {
        self.least_us > self.most_us
    }

    /// Sale time was `at`, cut to a millisecond, at some moment between `from` and `to`.
    fn learn(&mut self, at: Timestamp, from: Instant, to: Instant) {
        let at_us = at.0 as i64 * 1_000;
        self.least_us = self.least_us.max(at_us - self.since_us(to));
        self.most_us = self.most_us.min(at_us + 1_000 - self.since_us(from));
    }

    /// Return the least that sale time can be at `moment`.
    pub fn least_at(&self, moment: Instant) -> i64 {
        self.least_us + self.since_us(moment)
    }

    /// Return the most that sale time can be at `moment`.
    pub fn most_at(&self, moment: Instant) -> i64 {
        self.most_us + self.since_us(moment)
    }

    fn since_us(&self, moment: Instant) -> i64 {
        match moment.checked_duration_since(self.origin) {
            Some(after) => after.as_micros() as i64,
            None => -((self.origin - moment).as_micros() as i64),
        }
    }
}

/// One connection and what it saw.
struct Caller<'a> {
    plan: &'a Rush,
    n: usize,
    report: Report,
}

#[derive(Deserialize)]
struct Time {
    unix_ms: u64,
}

#[derive(Deserialize)]
struct Answered {
    code: Option<String>,
    expires_at: Option<String>,
}

impl Caller<'_> {
    fn new(plan: &Rush, n: usize) -> Caller<'_> {
        Caller { plan, n, report: Report::default() }
    }

    fn play(mut self) -> Report {
        let gives_up = Instant::now() + self.plan.before + HANG;
        while self.report.held < self.plan.holds_each {
            if Instant::now() > gives_up {
                let held = self.report.held;
                self.wrong(format!("only {held} holds within {HANG:?}"));
                break;
            }
            match self.connection(gives_up) {
                Ok(()) => {}
                // The server is being killed, or is not back yet.
                Err(_) => {
                    self.report.broken += 1;
                    thread::yield_now();
                }
            }
        }
        self.report
    }

    /// Ask on one connection until it breaks or there are enough holds.
    fn connection(&mut self, gives_up: Instant) -> io::Result<()> {
        let mut stream = Stream::open(self.plan.public)?;
        let mut bounds = Bounds::new();
        for _ in 0..READINGS {
            bounds.read_on(&mut stream)?;
        }
        let opens_us = self.plan.opens_at.0 as i64 * 1_000;
        let ahead = opens_us - bounds.least_at(Instant::now());
        let early = u64::try_from(ahead).map_or(Duration::ZERO, Duration::from_micros);
        thread::sleep(early.saturating_sub(self.plan.before));
        while self.report.held < self.plan.holds_each && Instant::now() < gives_up {
            let request = self.request();
            let sent = Instant::now();
            let (status, body) = stream.ask(request.as_bytes())?;
            let came = Instant::now();
            let answered: Answered = serde_json::from_slice(&body)?;
            self.report.asked += 1;
            self.judge(status, &answered, (sent, came), &bounds);
        }
        Ok(())
    }

    fn judge(
        &mut self,
        status: u16,
        answered: &Answered,
        (sent, came): (Instant, Instant),
        bounds: &Bounds,
    ) {
        let opens_us = self.plan.opens_at.0 as i64 * 1_000;
        let late_by = bounds.least_at(sent) - opens_us;
        let after_us = bounds.most_at(came) - opens_us;
        match (status, answered.code.as_deref(), &answered.expires_at) {
            (200 | 201, _, Some(expires_at)) => {
                self.report.held += 1;
                let expires_at = parse_timestamp(expires_at).unwrap_or(Timestamp(0));
                let stamp = expires_at - self.plan.hold;
                if stamp < self.plan.opens_at {
                    self.wrong(format!("a hold was decided {stamp:?}, before the opening"));
                }
                if after_us < 0 {
                    self.wrong(format!("a hold was told {} µs before the opening", -after_us));
                }
                let decided = stamp.since(self.plan.opens_at).0;
                self.report.decided_after_ms.get_or_insert(decided);
                self.report.told_after_us.get_or_insert(after_us);
            }
            (403, Some("not_open"), _) => {
                self.report.not_open += 1;
                if late_by >= 0 {
                    self.wrong(format!("not_open for a request {late_by} µs after the opening"));
                }
            }
            // Killed in the middle: the same key is asked for again.
            (503, _, _) | (409, Some("key_in_flight"), _) => {}
            (status, code, _) => self.wrong(format!("status {status}, code {code:?}")),
        }
    }

    /// Ask for one unit, for a new buyer after each hold.
    fn request(&self) -> String {
        let body = format!("{{\"sku\":\"{}\"}}", self.plan.sku);
        format!(
            "POST /v1/campaigns/{}/reservations HTTP/1.1\r\nHost: onrush\r\n\
             X-Onrush-Buyer: early-{}-{}\r\nIdempotency-Key: k\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.plan.campaign,
            self.n,
            self.report.held,
            body.len()
        )
    }

    fn wrong(&mut self, what: String) {
        if self.report.wrong.len() < WRONG_MAX {
            self.report.wrong.push(what);
        }
    }
}

/// A blocking keep-alive connection.
struct Stream {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Stream {
    fn open(addr: SocketAddr) -> io::Result<Stream> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(HANG))?;
        Ok(Stream { stream, read: Vec::new() })
    }

    /// Send a request and read the answer: its status and its body.
    fn ask(&mut self, request: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        self.stream.write_all(request)?;
        let head_end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.read[..head_end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.read.len() < head_end + length {
            self.more()?;
        }
        let body = self.read[head_end..head_end + length].to_vec();
        self.read.drain(..head_end + length);
        Ok((status.ok_or(io::ErrorKind::InvalidData)?, body))
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4_096];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.read.extend_from_slice(&buffer[..n]);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Rush {
        Rush {
            public: ([127, 0, 0, 1], 1).into(),
            campaign: "drop".to_owned(),
            sku: "unit".to_owned(),
            opens_at: Timestamp(1_800_000_000_000),
            hold: DurationMs(60_000),
            connections: 1,
            before: Duration::ZERO,
            holds_each: 1,
        }
    }

    /// What is planted is found, and what may be is not.
    #[test]
    fn findings_are_what_the_bounds_prove() {
        let plan = plan();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        // Sale time is 100 ms before the opening, 10 to 14 ms after the start.
        let mut bounds = Bounds { origin: start, ..Bounds::new() };
        bounds.learn(plan.opens_at - DurationMs(100), at(10), at(14));
        let held =
            |expires_at: &str| Answered { code: None, expires_at: Some(expires_at.to_owned()) };
        let not_open = || Answered { code: Some("not_open".to_owned()), expires_at: None };
        let (in_time, early) = ("2027-01-15T08:01:00.000Z", "2027-01-15T08:00:59.999Z");
        type Case = (u16, Answered, (u64, u64), &'static str);
        let cases: [Case; 7] = [
            (201, held(in_time), (109, 110), ""),
            (201, held(early), (120, 121), "before the opening"),
            // At 108 ms it is at most 99 ms later than the reading's beginning: surely early.
            (201, held(in_time), (100, 108), "µs before the opening"),
            (403, not_open(), (113, 130), ""),
            // Sent at 114 ms: at least 100 ms later than the reading's end.
            (403, not_open(), (114, 130), "not_open for a request"),
            (503, not_open(), (114, 130), ""),
            (500, Answered { code: None, expires_at: None }, (0, 1), "status 500"),
        ];
        for (status, answered, (sent, came), wrong) in cases {
            let mut caller = Caller::new(&plan, 0);
            caller.judge(status, &answered, (at(sent), at(came)), &bounds);
            let found = caller.report.wrong.join("; ");
            assert_eq!(found.is_empty(), wrong.is_empty(), "{status}: {found}");
            assert!(found.contains(wrong), "{status}: {found}");
        }
    }
}
