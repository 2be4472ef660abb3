//! What goes out: a whole answer, or events for as long as both ends want.

use super::watch::Watch;
use crate::line::Listener;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;

/// What is handed over at a time: the connection's one buffer stays small, however long the answer.
const PIECE_BYTES_MAX: usize = 16 * 1_024;

/// The body of an answer.
pub(super) enum Sending {
    /// All that is left of it is there.
    Whole(Bytes),
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
            Sending::Whole(rest) if rest.is_empty() => Poll::Ready(None),
            Sending::Whole(rest) => {
                let piece = rest.split_to(rest.len().min(PIECE_BYTES_MAX));
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Sending::Events(listener, watch) => {
                let next = std::task::ready!(listener.poll_next(cx));
                watch.sent(Instant::now());
                Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Sending::Whole(rest) => rest.is_empty(),
            Sending::Events(..) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Sending::Whole(rest) => SizeHint::with_exact(rest.len() as u64),
            Sending::Events(..) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn a_long_answer_goes_out_in_pieces_and_whole() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("runtime");
        let long: Bytes = (0..2 * PIECE_BYTES_MAX + 1).map(|n| n as u8).collect();
        let mut body = Sending::Whole(long.clone());
        assert_eq!(body.size_hint().exact(), Some(long.len() as u64));
        let mut pieces = Vec::new();
        while !body.is_end_stream() {
            let frame = runtime.block_on(body.frame()).expect("more").expect("no failure");
            pieces.push(frame.into_data().expect("data"));
        }
        assert_eq!(pieces.iter().map(Bytes::len).max(), Some(PIECE_BYTES_MAX));
        assert_eq!(pieces.concat(), long);
        assert!(runtime.block_on(body.frame()).is_none());
    }
}
