//! What goes out: a whole answer, or events for as long as both ends want.

use super::watch::Watch;
use crate::line::Listener;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// The body of an answer.
pub(super) enum Sending {
    /// All of it is there.
    Whole(Full<Bytes>),
    /// It goes on. Each event that is taken moves the connection's deadline.
    Events(Listener, Arc<Watch>),
}

impl Body for Sending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Sending::Whole(body) => Pin::new(body).poll_frame(cx),
            Sending::Events(listener, watch) => {
                let next = std::task::ready!(listener.poll_next(cx));
                watch.sent(Instant::now());
                Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Sending::Whole(body) => body.is_end_stream(),
            Sending::Events(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Sending::Whole(body) => body.size_hint(),
            Sending::Events(..) => SizeHint::default(),
        }
    }
}
