//! Keep-alive HTTP/1.1 connections to one address, handed out one request at a time.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Longest body of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A request without an answer.
#[derive(Debug)]
pub struct NoAnswer {
    /// `false`: the connection could not be made, so nothing was asked.
    pub sent: bool,
    /// What happened, in words.
    pub cause: String,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.sent { "no answer" } else { "no connection" };
        write!(f, "{what}: {}", self.cause)
    }
}

impl std::error::Error for NoAnswer {}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// A request, without what the client adds.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// GET, POST, …
    pub method: Method,
    /// The path.
    pub path: &'a str,
    /// Further headers.
    pub headers: &'a [(&'static str, &'a str)],
    /// A JSON body, or nothing.
    pub body: String,
}

/// Connections to one address. Cheap to clone; stays on its thread.
#[derive(Clone, Debug)]
pub struct Client(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    addr: SocketAddr,
    token: RefCell<Option<HeaderValue>>,
    idle: RefCell<VecDeque<SendRequest<Full<Bytes>>>>,
    slots: Arc<Semaphore>,
    timeout: Duration,
    opened: Cell<u64>,
}

impl Client {
    /// Use at most `connections` connections to `addr`; an answer must come within `timeout`.
    pub fn new(addr: SocketAddr, connections: usize, timeout: Duration) -> Client {
        Client(Rc::new(Inner {
            addr,
            token: RefCell::new(None),
            idle: RefCell::default(),
            slots: Arc::new(Semaphore::new(connections)),
            timeout,
            opened: Cell::new(0),
        }))
    }

    /// Show this bearer token from now on.
    ///
    /// # Errors
    /// When it cannot stand in a header.
    pub fn set_token(&self, token: &str) -> Result<(), String> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
            .map_err(|_| "the token has characters that no header can hold".to_owned())?;
        value.set_sensitive(true);
        *self.0.token.borrow_mut() = Some(value);
        Ok(())
    }

    /// Return how many connections were opened so far.
    pub fn opened(&self) -> u64 {
        self.0.opened.get()
    }

    /// Wait for a free connection slot, for a caller that must not start more than it can send.
    pub async fn slot(&self) -> OwnedSemaphorePermit {
        self.0.slots.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Send a request and wait for its answer. The caller holds a [`slot`](Client::slot).
    ///
    /// # Errors
    /// [`NoAnswer`]; the connection is closed then.
    pub async fn send(&self, ask: Ask<'_>) -> Result<Answer, NoAnswer> {
        let request = self.request(ask);
        let mut connection = self.connection().await?;
        let lost = |cause: String| NoAnswer { sent: true, cause };
        let exchange = async {
            let response = connection.send_request(request).await.map_err(|e| lost(chain(&e)))?;
            let status = response.status().as_u16();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|e| lost(e.to_string()))?.to_bytes();
            Ok(Answer { status, body })
        };
        let answer = tokio::time::timeout(self.0.timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(lost(format!("nothing within {:?}", self.0.timeout))))?;
        self.0.idle.borrow_mut().push_back(connection);
        Ok(answer)
    }

    async fn connection(&self) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
        loop {
            // A `let` of its own: the borrow must end before the await.
            let idle = self.0.idle.borrow_mut().pop_back();
            let Some(mut idle) = idle else { return self.open().await };
            // One that the server closed meanwhile must not make an outcome unknown.
            if idle.ready().await.is_ok() {
                return Ok(idle);
            }
        }
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
        let unsent = |cause: String| NoAnswer { sent: false, cause };
        let connect = TcpStream::connect(self.0.addr);
        let stream = tokio::time::timeout(self.0.timeout, connect)
            .await
            .map_err(|_| unsent("connecting took too long".to_owned()))?
            .map_err(|e| unsent(e.to_string()))?;
        stream.set_nodelay(true).map_err(|e| unsent(e.to_string()))?;
        let (mut connection, driver) =
            handshake(TokioIo::new(stream)).await.map_err(|e| unsent(chain(&e)))?;
        // It ends with the connection; its error is seen by the request under way.
        tokio::task::spawn_local(async move {
            let _ = driver.await;
        });
        connection.ready().await.map_err(|e| unsent(chain(&e)))?;
        self.0.opened.set(self.0.opened.get() + 1);
        Ok(connection)
    }

    fn request(&self, ask: Ask<'_>) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(Bytes::from(ask.body)));
        *request.method_mut() = ask.method;
        *request.uri_mut() = ask.path.parse().expect("paths are made of names and ids");
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&self.0.addr.to_string());
        headers.insert(HOST, host.expect("an address is ASCII"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &*self.0.token.borrow() {
            headers.insert(AUTHORIZATION, token.clone());
        }
        for &(name, value) in ask.headers {
            headers.insert(name, HeaderValue::from_str(value).expect("made of names and keys"));
        }
        request
    }
}

/// Write an error with what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
