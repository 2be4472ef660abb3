//! One connection: heads and bodies in, answers out.

use super::events;
use super::landing::{Door, hushed};
use super::sending::{Lines, Sending};
use super::watch::{Heads, Timeouts, Watch, Watched};
use super::worker::{Place, Worker};
use crate::admin::ReservationStream;
use crate::answer::Answer;
use crate::config::ServerSection;
use crate::errors::Code;
use crate::gateway::{Ask, Reply};
use crate::identity::SessionMemo;
use crate::line::Listener;
use crate::problem::Problem;
use crate::routes::Route;
use bytes::{Bytes, BytesMut};
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// Bytes kept of what a client sent ahead, and of a head: the limit of both.
const BUFFER_BYTES_MAX: usize = 16 * 1_024;

/// Connections of the admin side.
const ADMIN_CONNECTIONS_MAX: usize = 256;

/// Bounds that all workers share.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) public: AtomicUsize,
    pub(super) public_max: usize,
    pub(super) per_worker_max: usize,
    pub(super) admin: AtomicUsize,
    pub(super) admin_max: usize,
    pub(super) timeouts: Timeouts,
}

impl Limits {
    pub(super) fn new(section: &ServerSection) -> Limits {
        Limits {
            public: AtomicUsize::new(0),
            public_max: section.connections_max,
            per_worker_max: section.connections_per_worker_max,
            admin: AtomicUsize::new(0),
            admin_max: ADMIN_CONNECTIONS_MAX,
            timeouts: Timeouts {
                header: section.header_timeout.duration(),
                body: section.body_timeout.duration(),
                idle: section.idle_timeout.duration(),
            },
        }
    }
}

/// Serve a connection until it ends, breaks, misses a deadline or the server stops.
pub(super) async fn serve_connection<S>(
    stream: S,
    peer: Option<IpAddr>,
    worker: Arc<Worker>,
    _place: Place,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let watch = Arc::new(Watch::new(worker.limits.timeouts));
    let io = Watched { stream, watch: watch.clone(), heads: Heads::default() };
    let talk = Arc::new(Talk {
        worker: worker.clone(),
        watch: watch.clone(),
        peer,
        memo: SessionMemo::default(),
        listener: Mutex::default(),
    });
    let asked = talk.clone();
    let service = service_fn(move |request| respond(asked.clone(), request));
    let mut builder = http1::Builder::new();
    builder.max_buf_size(BUFFER_BYTES_MAX);
    // One `send` of one buffer costs less than gathering head and body, which are small.
    builder.writev(false);
    // A client may close its side after its request and still wait for the answer.
    builder.half_close(true);
    // In a box, so that a task that only tells events is small.
    let mut connection = Box::new(builder.serve_connection(TokioIo::new(io), service));
    let _entry = worker.rounds.enter(watch.clone());
    let mut door = Door::default();
    let mut stopping = false;
    let ended = poll_fn(|cx| {
        let (waker, is_new) = door.open(&worker.landing, cx);
        if is_new {
            watch.served_by(cx.waker());
        }
        let cx = &mut Context::from_waker(waker);
        loop {
            if let Poll::Ready(ended) = Pin::new(&mut *connection).poll(cx) {
                return Poll::Ready(ended.map(|()| None));
            }
            if stopping || !worker.rounds.stopping() {
                break;
            }
            stopping = true;
            Pin::new(&mut *connection).graceful_shutdown();
        }
        if watch.is_over() {
            return Poll::Ready(Ok(None));
        }
        // Nothing but events is left once the head is out.
        let listener = if watch.has_written_all() { talk.listener.lock().take() } else { None };
        if listener.is_some() { Poll::Ready(Ok(listener)) } else { Poll::Pending }
    })
    .await;
    let ended = match ended {
        Ok(None) => Ok(()),
        Ok(Some(listener)) => {
            let stream = connection.into_parts().io.into_inner().stream;
            drop(talk);
            let told = events::tell(stream, listener, watch, worker, door).await;
            told.map_err(|error| error.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

/// What the requests of one connection share.
struct Talk {
    worker: Arc<Worker>,
    watch: Arc<Watch>,
    peer: Option<IpAddr>,
    memo: SessionMemo,
    /// Who is to be told events once their head is out.
    listener: Mutex<Option<Listener>>,
}

async fn respond(
    talk: Arc<Talk>,
    request: Request<Incoming>,
) -> Result<Response<Sending>, Infallible> {
    let started = Instant::now();
    talk.watch.handling();
    let (mut parts, body) = request.into_parts();
    let (mut answer, more) = talk.answer(&parts, body, started).await;
    let done = Instant::now();
    match more {
        More::Lines(..) => talk.watch.streaming(done),
        More::Nothing | More::Events(_) => talk.watch.answered(done),
    }
    if let More::Events(_) = more {
        answer = answer.with(CONNECTION, HeaderValue::from_static("close"));
    }
    talk.worker.gateway.metrics().answered(answer.route, answer.code, done - started);
    let response = answer.into_http(std::mem::take(&mut parts.headers));
    Ok(match more {
        More::Nothing => response.map(Sending::Whole),
        More::Events(listener) if parts.version == Version::HTTP_11 => {
            talk.watch.writing();
            *talk.listener.lock() = Some(listener);
            response.map(|_| Sending::Elsewhere)
        }
        // Without chunks an answer ends with its connection, which hyper knows how to do.
        More::Events(listener) => response.map(|_| Sending::Events(listener, talk.watch.clone())),
        More::Lines(stream, body) => {
            let (worker, watch) = (talk.worker.clone(), talk.watch.clone());
            let lines = Lines { stream, body, worker, watch, again: None };
            response.map(|_| Sending::Lines(Box::new(lines)))
        }
    })
}

/// What comes after the head of an answer that goes on.
enum More {
    Nothing,
    Events(Listener),
    Lines(Box<ReservationStream>, Incoming),
}

impl Talk {
    async fn answer(&self, parts: &Parts, body: Incoming, started: Instant) -> (Answer, More) {
        let Worker { side, gateway, jitter, .. } = &*self.worker;
        let engine = gateway.engine();
        if gateway.is_streamed(*side, &parts.method, parts.uri.path()) {
            return self.stream(parts, body);
        }
        let body = match self.read_body(body, &parts.headers, started).await {
            Ok(bytes) => bytes,
            Err(problem) => {
                // What is left of the body would be taken for the next request.
                let close = HeaderValue::from_static("close");
                return (
                    problem.answer(Route::None, jitter).with(CONNECTION, close),
                    More::Nothing,
                );
            }
        };
        let ask = self.ask(parts, &body);
        match gateway.handle(&ask, engine.now(), jitter) {
            Reply::Ready(answer) | Reply::Stream(answer, _) => (answer, More::Nothing),
            Reply::Events(head, listener) => (head, More::Events(listener)),
            Reply::Wait(waiting) => {
                let answer = waiting.await.answer(engine, jitter);
                (gateway.finish(answer, &ask), More::Nothing)
            }
        }
    }

    /// Begin an answer whose request goes on.
    fn stream(&self, parts: &Parts, body: Incoming) -> (Answer, More) {
        let Worker { gateway, jitter, .. } = &*self.worker;
        match gateway.handle(&self.ask(parts, &[]), gateway.engine().now(), jitter) {
            Reply::Stream(head, stream) => (head, More::Lines(stream, body)),
            Reply::Ready(answer) => {
                // What is left of the body would be taken for the next request.
                let close = HeaderValue::from_static("close");
                (answer.with(CONNECTION, close), More::Nothing)
            }
            Reply::Events(..) | Reply::Wait(_) => unreachable!("a stream is opened at once"),
        }
    }

    fn ask<'a>(&'a self, parts: &'a Parts, body: &'a [u8]) -> Ask<'a> {
        Ask {
            side: self.worker.side,
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
            body,
            peer: self.peer,
            memo: Some(&self.memo),
        }
    }

    /// Read a whole body before its deadline.
    async fn read_body(
        &self,
        mut body: Incoming,
        headers: &HeaderMap,
        started: Instant,
    ) -> Result<Bytes, Problem> {
        if body.is_end_stream() {
            return Ok(Bytes::new());
        }
        let most = self.worker.gateway.body_bytes_max(self.worker.side, headers);
        if body.size_hint().lower() > most as u64 {
            return Err(too_large(most));
        }
        let first = poll_fn(|cx| Poll::Ready(first_frame(&mut body, cx))).await?;
        if body.is_end_stream() {
            return Ok(first);
        }
        self.watch.reading_body(started);
        let mut read = pin!(collect(body, first, most));
        let read = poll_fn(|cx| match read.as_mut().poll(cx) {
            Poll::Pending if self.watch.body_is_late() => {
                let detail = "the body did not arrive in time";
                Poll::Ready(Err(Problem::new(Code::TooSlow, detail)))
            }
            other => other,
        })
        .await;
        self.watch.handling();
        read
    }
}

/// Take the part of a body that came with its head. Mostly that is all of it.
///
/// Taking it wakes the one who brings the next part: the very task that is being polled. Where no
/// part is to come that wake would only poll the connection once more for nothing.
fn first_frame(body: &mut Incoming, cx: &mut Context<'_>) -> Result<Bytes, Problem> {
    let (polled, woken) = hushed(|| Pin::new(&mut *body).poll_frame(cx));
    if woken && !body.is_end_stream() {
        cx.waker().wake_by_ref();
    }
    match polled {
        Poll::Ready(Some(frame)) => Ok(frame.map_err(broken)?.into_data().unwrap_or_default()),
        Poll::Ready(None) | Poll::Pending => Ok(Bytes::new()),
    }
}

/// Collect the frames; a body of one frame is not copied.
async fn collect(mut body: Incoming, first: Bytes, most: usize) -> Result<Bytes, Problem> {
    if first.len() > most {
        return Err(too_large(most));
    }
    let mut only = first;
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(broken)?;
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if only.len() + all.len() + data.len() > most {
            return Err(too_large(most));
        }
        if only.is_empty() && all.is_empty() {
            only = data;
        } else {
            all.extend_from_slice(&std::mem::take(&mut only));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { only } else { all.freeze() })
}

fn broken(_: hyper::Error) -> Problem {
    Problem::invalid("the body ended early or is misframed")
}

fn too_large(most: usize) -> Problem {
    Problem::new(Code::TooLarge, format!("this body may have at most {most} bytes"))
}
