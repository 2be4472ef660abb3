//! Events after their head: the connection without a parser.
//!
//! A listener waits for minutes and asks nothing more. Once hyper has read the request and written the
//! head, the connection is taken out of it, and with it some 24 KiB of buffers for requests that will
//! not come. What is left are a task, a socket and a pointer to the bytes that everybody is sent, in
//! chunks (RFC 9112 §7.1) that were framed once for all of them. The head said `connection: close`.

use super::landing::Door;
use super::watch::Watch;
use super::worker::Worker;
use crate::line::Listener;
use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The chunk that ends an answer.
const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// Bytes that a client may send behind its request before the connection is over: a stray line, and
/// no more, since a second request would never be answered.
const STRAY_BYTES_MAX: usize = 64;

/// A connection that is sent events for as long as both ends want.
struct Telling<S> {
    stream: S,
    listener: Listener,
    watch: Arc<Watch>,
    /// What is left of a chunk.
    rest: Bytes,
    /// The chunk is the last.
    ending: bool,
    stray_bytes: usize,
}

/// Send events until the listener's end, or until the client is gone or takes nothing more.
pub(super) async fn tell<S>(
    stream: S,
    listener: Listener,
    watch: Arc<Watch>,
    worker: Arc<Worker>,
    mut door: Door,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (rest, ending, stray_bytes) = (Bytes::new(), false, 0);
    let mut telling = Telling { stream, listener, watch, rest, ending, stray_bytes };
    poll_fn(|cx| {
        let (waker, is_new) = door.open(&worker.landing, cx);
        if is_new {
            telling.watch.served_by(cx.waker());
        }
        telling.poll(&mut Context::from_waker(waker))
    })
    .await
}

impl<S: AsyncRead + AsyncWrite + Unpin> Telling<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.watch.is_over() || self.is_left(cx)? {
            return Poll::Ready(Ok(()));
        }
        loop {
            while !self.rest.is_empty() {
                let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.rest))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.rest = self.rest.slice(written..);
            }
            if self.ending {
                return Pin::new(&mut self.stream).poll_shutdown(cx);
            }
            let told = ready!(self.listener.poll_next(cx));
            self.watch.sent(Instant::now());
            self.ending = told.is_none();
            self.rest = told.map_or(LAST_CHUNK, |told| told.chunk());
        }
    }

    /// Tell whether the client has closed its side, or goes on as if it would be answered. Asks to be
    /// woken when it does.
    fn is_left(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut bytes = [0; STRAY_BYTES_MAX];
        loop {
            let mut read = ReadBuf::new(&mut bytes);
            let Poll::Ready(read_some) = Pin::new(&mut self.stream).poll_read(cx, &mut read) else {
                return Ok(false);
            };
            read_some?;
            self.stray_bytes += read.filled().len();
            if read.filled().is_empty() || self.stray_bytes > STRAY_BYTES_MAX {
                return Ok(true);
            }
        }
    }
}
