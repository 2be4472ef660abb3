//! Calls from pages of other origins: an allow-list, never a wildcard, as answers carry credentials.
//!
//! Source: the Fetch standard, *CORS protocol*.

use crate::answer::Answer;
use crate::config::CorsSection;
use crate::errors::Code;
use crate::jitter::Jitter;
use crate::problem::Problem;
use crate::routes::Route;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// Which origins may call.
#[derive(Debug)]
pub(crate) struct Cors {
    origins: Vec<HeaderValue>,
    max_age: HeaderValue,
}

impl Cors {
    pub(crate) fn new(section: &CorsSection) -> Cors {
        let origins = section.origins.iter();
        Cors {
            origins: origins.filter_map(|origin| HeaderValue::from_str(origin).ok()).collect(),
            max_age: HeaderValue::from(section.max_age.0.0 / 1_000),
        }
    }

    /// Let a listed origin see the answer.
    pub(crate) fn allow(&self, mut answer: Answer, headers: &HeaderMap) -> Answer {
        if self.origins.is_empty() {
            return answer;
        }
        // Caches must not give one origin what was written for another.
        answer.headers.push((VARY, HeaderValue::from_static("Origin")));
        if let Some(origin) = self.listed(headers) {
            let yes = HeaderValue::from_static("true");
            let shown = HeaderValue::from_static("ETag, Onrush-Next-Poll-Ms, Retry-After");
            answer.headers.push((ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()));
            answer.headers.push((ACCESS_CONTROL_ALLOW_CREDENTIALS, yes));
            answer.headers.push((ACCESS_CONTROL_EXPOSE_HEADERS, shown));
        }
        answer
    }

    /// Answer a browser that asks what it may send.
    pub(crate) fn preflight(
        &self,
        headers: &HeaderMap,
        methods: &'static str,
        jitter: &Jitter,
    ) -> Answer {
        if headers.contains_key(ORIGIN) && self.listed(headers).is_none() {
            let detail = "this origin is not on the list; add it to `cors.origins`";
            return Problem::new(Code::Forbidden, detail).answer(Route::Preflight, jitter);
        }
        let answer = Answer::empty(StatusCode::NO_CONTENT, Route::Preflight).allow(methods);
        if !headers.contains_key(ORIGIN) {
            return answer;
        }
        let may_send = HeaderValue::from_static(
            "authorization, content-type, idempotency-key, if-none-match, onrush-device, \
             onrush-field, onrush-pass, onrush-proof, onrush-session",
        );
        answer
            .with(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods))
            .with(ACCESS_CONTROL_ALLOW_HEADERS, may_send)
            .with(ACCESS_CONTROL_MAX_AGE, self.max_age.clone())
    }

    /// Refuse what a foreign page made a browser send with its cookie.
    pub(crate) fn check_cookie_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let host = origin.as_bytes().splitn(3, |&byte| byte == b'/').nth(2);
        let own = headers.get(HOST).map(HeaderValue::as_bytes);
        if self.listed(headers).is_some() || (host.is_some() && host == own) {
            return Ok(());
        }
        let detail = "a page of another origin may not use the session cookie; list it in \
                      `cors.origins`";
        Err(Problem::new(Code::Forbidden, detail))
    }

    fn listed(&self, headers: &HeaderMap) -> Option<&HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.origins.iter().find(|listed| *listed == origin)
    }
}
