//! One deadline per connection, and a look at the raw bytes of request heads.
//!
//! | the connection | its deadline |
//! |---|---|
//! | is new, or receives a head | `header_timeout` after the start, or after the head's first part |
//! | receives a body | `body_timeout`; then the request is answered 408 |
//! | has its request handled | none: the engine always answers |
//! | was answered | `idle_timeout`, within which the answer must be taken and the next head begin |
//! | listens to events | `idle_timeout` after the last one was taken |
//! | streams reservations | `idle_timeout` after the last bytes came or went |
//!
//! The deadline is a number that requests move, and one timer of the worker looks at those of all its
//! connections now and then (`rounds`), so a request moves no timer of the runtime. A deadline is
//! noticed at most one [`tick`](Timeouts::tick), the shortest of the three, after it has passed.
//!
//! A line feed without a carriage return ends a line for some parsers and not for others; a proxy
//! and a server that disagree can be made to see different requests. So a head with one is cut off.
//! Source: RFC 9112 §2.2, §11.2.

// Relaxed in this file: a connection's deadline is used on the one thread of its worker.

use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The deadline of one connection.
#[derive(Debug)]
pub(super) struct Watch {
    base: Instant,
    timeouts: Timeouts,
    deadline_ms: AtomicU64,
    /// Waiting for the first byte of a head.
    idle: AtomicBool,
    /// The next bytes belong to a head.
    in_head: AtomicBool,
    /// The deadline is a body's.
    in_body: AtomicBool,
    /// The body missed it.
    body_is_late: AtomicBool,
    /// Anything else did: the connection is to end.
    over: AtomicBool,
    /// Bytes of an answer wait to be taken.
    unwritten: AtomicBool,
    /// The connection's task.
    task: Mutex<Option<Waker>>,
}

/// The deadlines of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) header: Duration,
    pub(super) body: Duration,
    pub(super) idle: Duration,
}

/// What a look at the deadline found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It has not passed.
    Fine,
    /// The body missed it: the request will be answered, in `idle_timeout`.
    Late,
    /// The connection is over.
    Over,
}

impl Timeouts {
    /// The longest time in which a deadline is noticed.
    pub(super) fn tick(&self) -> Duration {
        let Timeouts { header, body, idle } = *self;
        header.min(body).min(idle).max(Duration::from_millis(1))
    }
}

impl Watch {
    pub(super) fn new(timeouts: Timeouts) -> Watch {
        let watch = Watch {
            base: Instant::now(),
            timeouts,
            deadline_ms: AtomicU64::new(0),
            idle: AtomicBool::new(false),
            in_head: AtomicBool::new(true),
            in_body: AtomicBool::new(false),
            body_is_late: AtomicBool::new(false),
            over: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
            task: Mutex::new(None),
        };
        watch.set(watch.base, timeouts.header);
        watch
    }

    /// A head is complete and its request is being handled.
    pub(super) fn handling(&self) {
        self.in_head.store(false, Ordering::Relaxed);
        self.idle.store(false, Ordering::Relaxed);
        self.in_body.store(false, Ordering::Relaxed);
        self.deadline_ms.store(u64::MAX, Ordering::Relaxed);
    }

    /// The request's body is being read.
    pub(super) fn reading_body(&self, now: Instant) {
        self.set(now, self.timeouts.body);
        self.in_body.store(true, Ordering::Relaxed);
        self.body_is_late.store(false, Ordering::Relaxed);
    }

    /// Tell whether the body missed its deadline. The connection's task is polled when it does.
    pub(super) fn body_is_late(&self) -> bool {
        self.body_is_late.load(Ordering::Relaxed)
    }

    /// The answer is made.
    pub(super) fn answered(&self, now: Instant) {
        self.set(now, self.timeouts.idle);
        self.in_body.store(false, Ordering::Relaxed);
        self.idle.store(true, Ordering::Relaxed);
        self.in_head.store(true, Ordering::Relaxed);
    }

    /// The request is answered while its body comes: bytes of it are no head's, and each moves the
    /// deadline.
    pub(super) fn streaming(&self, now: Instant) {
        self.handling();
        self.set(now, self.timeouts.idle);
    }

    /// A head is about to be written.
    pub(super) fn writing(&self) {
        self.unwritten.store(true, Ordering::Relaxed);
    }

    /// Tell whether the socket took all that it was given since [`writing`](Watch::writing).
    pub(super) fn has_written_all(&self) -> bool {
        !self.unwritten.load(Ordering::Relaxed)
    }

    /// Part of an answer that goes on was taken.
    pub(super) fn sent(&self, now: Instant) {
        self.set(now, self.timeouts.idle);
    }

    /// Look at the deadline.
    pub(super) fn look(&self, now: Instant) -> Look {
        let deadline_ms = self.deadline_ms.load(Ordering::Relaxed);
        if deadline_ms == u64::MAX || self.base + Duration::from_millis(deadline_ms) > now {
            return Look::Fine;
        }
        if !self.in_body.load(Ordering::Relaxed) {
            self.over.store(true, Ordering::Relaxed);
            return Look::Over;
        }
        self.body_is_late.store(true, Ordering::Relaxed);
        self.set(now, self.timeouts.idle);
        Look::Late
    }

    /// Tell whether a look found the connection to be over.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Name the task that serves the connection.
    pub(super) fn served_by(&self, task: &Waker) {
        *self.task.lock() = Some(task.clone());
    }

    /// Have the connection's task look at what has changed.
    pub(super) fn wake(&self) {
        if let Some(task) = &*self.task.lock() {
            task.wake_by_ref();
        }
    }

    fn set(&self, now: Instant, timeout: Duration) {
        let at = now.duration_since(self.base) + timeout;
        self.deadline_ms.store(at.as_millis() as u64, Ordering::Relaxed);
    }

    /// A head has begun and not ended.
    fn began(&self) {
        if self.idle.swap(false, Ordering::Relaxed) {
            self.set(Instant::now(), self.timeouts.header);
        }
    }
}

/// A stream that tells its [`Watch`] what happens.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub(super) stream: S,
    pub(super) watch: Arc<Watch>,
    pub(super) heads: Heads,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let new = &buf.filled()[before..];
        if !new.is_empty() && self.watch.in_head.load(Ordering::Relaxed) {
            if self.heads.look(new) == Seen::BareLineFeed {
                buf.set_filled(before);
                let what = "a line feed without a carriage return in a head";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
            }
            if self.heads.is_complete() {
                self.heads = Heads::default();
                self.watch.in_head.store(false, Ordering::Relaxed);
            } else {
                self.watch.began();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let is_all = matches!(written, Poll::Ready(Ok(taken)) if taken == bytes.len());
        self.watch.unwritten.store(!is_all, Ordering::Relaxed);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Follows one head over its reads.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// The last byte that was seen.
    last: u8,
    /// Bytes of the present line that came with earlier reads.
    line_bytes: usize,
    /// A line that is not empty has ended: the next empty one ends the head.
    begun: bool,
    complete: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Fine,
    BareLineFeed,
}

impl Heads {
    fn is_complete(&self) -> bool {
        self.complete
    }

    /// Look at bytes of a head up to its end.
    fn look(&mut self, bytes: &[u8]) -> Seen {
        let mut line_from = 0;
        for at in memchr::memchr_iter(b'\n', bytes) {
            let before = if at == 0 { self.last } else { bytes[at - 1] };
            if before != b'\r' {
                return Seen::BareLineFeed;
            }
            // Nothing but the carriage return came before the line feed.
            let is_empty = self.line_bytes + (at - line_from) == 1;
            if is_empty && self.begun {
                self.complete = true;
                return Seen::Fine;
            }
            // Empty lines before a request line are skipped by parsers (RFC 9112 §2.2).
            self.begun |= !is_empty;
            self.line_bytes = 0;
            line_from = at + 1;
        }
        self.line_bytes += bytes.len() - line_from;
        self.last = bytes.last().copied().unwrap_or(self.last);
        Seen::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feed `bytes` in pieces of `size`; tell how many were looked at before the head's end.
    fn feed(bytes: &[u8], size: usize) -> Result<Option<usize>, usize> {
        let mut heads = Heads::default();
        let mut fed = 0;
        for piece in bytes.chunks(size) {
            if heads.look(piece) == Seen::BareLineFeed {
                return Err(fed);
            }
            fed += piece.len();
            if heads.is_complete() {
                return Ok(Some(fed));
            }
        }
        Ok(None)
    }

    #[test]
    fn deadlines_move_with_the_request() {
        let secs = Duration::from_secs;
        let timeouts = Timeouts { header: secs(10), body: secs(20), idle: secs(60) };
        assert_eq!(timeouts.tick(), secs(10));
        let watch = Watch::new(timeouts);
        let start = watch.base;
        assert_eq!(watch.look(start + secs(9)), Look::Fine);
        watch.handling();
        let late = start + secs(1_000);
        assert_eq!(watch.look(late), Look::Fine, "the engine has its time");
        watch.reading_body(late);
        assert_eq!(watch.look(late + secs(15)), Look::Fine);
        assert!(!watch.body_is_late());
        assert_eq!(watch.look(late + secs(20)), Look::Late);
        assert!(watch.body_is_late() && !watch.is_over(), "it is answered, not cut");
        watch.answered(late);
        assert_eq!(watch.look(late + secs(59)), Look::Fine);
        assert_eq!(watch.look(late + secs(60)), Look::Over);
        assert!(watch.is_over());
        let new = Watch::new(timeouts);
        assert_eq!(new.look(new.base + secs(10)), Look::Over, "no head came");
    }

    #[test]
    fn finds_the_end_of_a_head_however_it_is_cut() {
        let head = b"POST / HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n";
        let mut request = head.to_vec();
        request.extend_from_slice(b"{\n\"a\": 1\n}");
        for size in 1..=request.len() {
            let seen = feed(&request, size).expect("line feeds in a body are fine");
            let expected = head.len().div_ceil(size) * size;
            assert_eq!(seen, Some(expected.min(request.len())), "pieces of {size}");
            assert_eq!(feed(&head[..head.len() - 1], size), Ok(None), "pieces of {size}");
        }
    }

    #[test]
    fn refuses_a_bare_line_feed_in_any_line() {
        for request in [
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\nhost: a\n\r\n",
            "GET / HTTP/1.1\r\nhost: a\r\n\n",
            "GET / HTTP/1.1\r\n\nhost: a\r\n\r\n",
            "\nGET / HTTP/1.1\r\n\r\n",
        ] {
            for size in 1..=request.len() {
                assert!(feed(request.as_bytes(), size).is_err(), "{request:?} by {size}");
            }
        }
        assert!(feed(b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", 3).is_ok());
    }
}
