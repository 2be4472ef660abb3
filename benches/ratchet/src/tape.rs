//! A connection in memory: it hands over one request at a time and notes the answer.

use bytes::Bytes;
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The server's end is the stream; clones are the client's.
#[derive(Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    request: Option<Bytes>,
    reader: Option<Waker>,
    status: &'static str,
    under_way: bool,
}

impl Tape {
    /// Send a request whose answer must have `status`.
    pub(crate) fn send(&self, request: Bytes, status: &'static str) {
        let mut inner = self.0.lock();
        assert!(!inner.under_way, "one request at a time");
        inner.request = Some(request);
        inner.status = status;
        inner.under_way = true;
        if let Some(reader) = inner.reader.take() {
            reader.wake();
        }
    }

    /// Tell whether the last request was answered.
    pub(crate) fn is_answered(&self) -> bool {
        !self.0.lock().under_way
    }
}

impl AsyncRead for Tape {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        match inner.request.take() {
            Some(request) => {
                buf.put_slice(&request);
                Poll::Ready(Ok(()))
            }
            None => {
                inner.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Tape {
    /// Note what was written; an answer begins with its status line.
    fn written(&self, first: &[u8]) {
        let mut inner = self.0.lock();
        let status = std::str::from_utf8(&first[9..12]);
        assert_eq!(status, Ok(inner.status), "{}", String::from_utf8_lossy(first));
        inner.under_way = false;
    }
}

impl AsyncWrite for Tape {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.written(&bytes[0]);
        Poll::Ready(Ok(bytes.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
