//! What goes out: a whole answer, or events or outcomes for as long as both ends want.

use super::watch::Watch;
use super::worker::Worker;
use crate::admin::ReservationStream;
use crate::line::Listener;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// What is handed over at a time: the connection's one buffer stays small, however long the answer.
const PIECE_BYTES_MAX: usize = 16 * 1_024;

/// A stream that was not let in tries again after this.
const AGAIN: Duration = Duration::from_millis(5);

/// The body of an answer.
pub(super) enum Sending {
    /// All that is left of it is there.
    Whole(Bytes),
    /// It goes on once the connection is out of hyper's hands (`events`): nothing comes here.
    Elsewhere,
    /// It goes on. Each event that is taken moves the connection's deadline.
    Events(Listener, Arc<Watch>),
    /// It goes on while the request does.
    Lines(Box<Lines>),
}

/// A stream of reservations, what brings its lines, and where it runs.
pub(super) struct Lines {
    pub(super) stream: Box<ReservationStream>,
    pub(super) body: Incoming,
    pub(super) worker: Arc<Worker>,
    pub(super) watch: Arc<Watch>,
    pub(super) again: Option<Pin<Box<Sleep>>>,
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
            Sending::Elsewhere => Poll::Pending,
            Sending::Events(listener, watch) => {
                let next = std::task::ready!(listener.poll_next(cx));
                watch.sent(Instant::now());
                Poll::Ready(next.map(|told| Ok(Frame::data(told.bytes()))))
            }
            Sending::Lines(lines) => {
                let next = std::task::ready!(lines.poll_next(cx));
                Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Sending::Whole(rest) => rest.is_empty(),
            Sending::Elsewhere | Sending::Events(..) | Sending::Lines(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Sending::Whole(rest) => SizeHint::with_exact(rest.len() as u64),
            Sending::Elsewhere | Sending::Events(..) | Sending::Lines(_) => SizeHint::default(),
        }
    }
}

impl Lines {
    /// Bring lines for as long as the stream can do with more, and return outcomes.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Lines { stream, body, worker, watch, again } = self;
        loop {
            if worker.rounds.stopping() {
                stream.stop();
            }
            if let Poll::Ready(next) = stream.poll(&worker.gateway, &worker.jitter, cx) {
                match &next {
                    Some(_) => watch.sent(Instant::now()),
                    None => watch.answered(Instant::now()),
                }
                return Poll::Ready(next);
            }
            if stream.waits_for_room() {
                let sleep = again.get_or_insert_with(|| Box::pin(tokio::time::sleep(AGAIN)));
                std::task::ready!(sleep.as_mut().poll(cx));
                *again = None;
                continue;
            }
            if !stream.wants_more() {
                return Poll::Pending;
            }
            match std::task::ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    watch.sent(Instant::now());
                    // Trailers mean nothing here.
                    if let Ok(bytes) = frame.into_data() {
                        stream.take(&bytes);
                    }
                }
                // What was cut off in the middle of a line was not asked.
                Some(Err(_)) => stream.stop(),
                None => stream.end(),
            }
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
