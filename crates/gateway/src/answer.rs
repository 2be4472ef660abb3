//! What the gateway answers: a status, a body that is ready, and few prepared headers.

use crate::errors::Code;
use crate::routes::Route;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// A complete answer, free of any server's types until [`into_http`](Answer::into_http).
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// What the body is.
    pub content: Content,
    /// The body.
    pub body: Bytes,
    /// Headers beyond those that follow from `content`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The refusal's code, where it is one.
    pub code: Option<Code>,
    /// The route that answered, for the figures.
    pub route: Route,
}

/// The kinds of body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// No body.
    Empty,
    /// JSON.
    Json,
    /// A problem document (RFC 9457).
    Problem,
    /// A page.
    Html,
    /// A page with scripts and styles of its own origin, and nothing else.
    Page,
    /// A file that pages load, of this media type.
    Asset(&'static str),
    /// Plain text.
    Text,
    /// A calendar file (RFC 5545).
    Calendar,
    /// OpenMetrics text.
    Metrics,
    /// Server-sent events.
    Events,
    /// JSON documents, one a line.
    Lines,
}

impl Answer {
    /// Answer with JSON.
    pub fn json(status: StatusCode, route: Route, body: impl Into<Bytes>) -> Answer {
        Answer::of(status, route, Content::Json, body.into())
    }

    /// Answer with a body of some kind.
    pub fn of(status: StatusCode, route: Route, content: Content, body: Bytes) -> Answer {
        Answer { status, content, body, headers: Vec::new(), code: None, route }
    }

    /// Answer without a body.
    pub fn empty(status: StatusCode, route: Route) -> Answer {
        Answer::of(status, route, Content::Empty, Bytes::new())
    }

    /// Add a header.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.headers.push((name, value));
        self
    }

    /// Name the methods an address takes.
    pub fn allow(self, methods: &'static str) -> Answer {
        self.with(ALLOW, HeaderValue::from_static(methods))
    }

    /// Make the server's response of it in `headers`, whose entries go and whose memory is used.
    pub fn into_http(self, mut headers: HeaderMap) -> Response<Bytes> {
        headers.clear();
        if let Some(kind) = self.content.kind() {
            headers.insert(CONTENT_TYPE, kind);
        }
        match self.content {
            Content::Html => {
                headers.insert(CONTENT_SECURITY_POLICY, PLAIN_POLICY.clone());
            }
            Content::Page => {
                headers.insert(CONTENT_SECURITY_POLICY, PAGE_POLICY.clone());
                headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
                headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF.clone());
            }
            Content::Asset(kind) => {
                let is_script = kind.starts_with("text/javascript");
                let policy = if is_script { &WORKER_POLICY } else { &FILE_POLICY };
                headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
                headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF.clone());
            }
            _ => {}
        }
        // What a buyer is told is theirs alone, unless a handler says how it may be kept.
        headers.insert(CACHE_CONTROL, NO_STORE.clone());
        for (name, value) in self.headers {
            if name == CACHE_CONTROL {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

// Prepared: making a value looks at each of its characters.
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
static PLAIN_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
/// What a page of ours may load and do: only its own origin, no script or style in the page itself.
static PAGE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);
/// A picture that is opened by itself is a page, too.
static FILE_POLICY: HeaderValue = HeaderValue::from_static("sandbox");
/// What a script may do that runs as a worker, and so has a policy of its own.
static WORKER_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; connect-src 'self'");
static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

impl Content {
    /// Return the media type.
    fn kind(self) -> Option<HeaderValue> {
        static JSON: HeaderValue = HeaderValue::from_static("application/json");
        static PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
        static HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
        static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
        static CALENDAR: HeaderValue = HeaderValue::from_static("text/calendar; charset=utf-8");
        static METRICS: HeaderValue =
            HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
        static EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
        static LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
        let known = match self {
            Content::Empty => return None,
            Content::Asset(kind) => return Some(HeaderValue::from_static(kind)),
            Content::Json => &JSON,
            Content::Problem => &PROBLEM,
            Content::Html | Content::Page => &HTML,
            Content::Text => &TEXT,
            Content::Calendar => &CALENDAR,
            Content::Metrics => &METRICS,
            Content::Events => &EVENTS,
            Content::Lines => &LINES,
        };
        Some(known.clone())
    }
}
