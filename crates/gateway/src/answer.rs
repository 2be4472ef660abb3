//! What the gateway answers: a status, a body that is ready, and few prepared headers.

use crate::errors::Code;
use crate::routes::Route;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

/// What a page of ours may load and do: only its own origin, no script or style in the page itself.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

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

    /// Make the server's response of it.
    pub fn into_http(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        match self.content {
            Content::Empty => {}
            Content::Json => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            Content::Problem => {
                let kind = HeaderValue::from_static("application/problem+json");
                headers.insert(CONTENT_TYPE, kind);
            }
            Content::Html => {
                let kind = HeaderValue::from_static("text/html; charset=utf-8");
                headers.insert(CONTENT_TYPE, kind);
                let policy = "default-src 'none'; style-src 'unsafe-inline'";
                headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
            }
            Content::Page => {
                let kind = HeaderValue::from_static("text/html; charset=utf-8");
                headers.insert(CONTENT_TYPE, kind);
                headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
                headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
                headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            }
            Content::Asset(kind) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                // A picture that is opened by itself is a page, too.
                headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
                headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            }
            Content::Text => {
                let kind = HeaderValue::from_static("text/plain; charset=utf-8");
                headers.insert(CONTENT_TYPE, kind);
            }
            Content::Calendar => {
                let kind = HeaderValue::from_static("text/calendar; charset=utf-8");
                headers.insert(CONTENT_TYPE, kind);
            }
            Content::Metrics => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            Content::Events => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            }
        }
        // What a buyer is told is theirs alone, unless a handler says how it may be kept.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in self.headers {
            if name == CACHE_CONTROL {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
        response
    }
}
