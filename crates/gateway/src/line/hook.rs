//! An HTTP hook that says who may join: one small POST for each ticket, over plain HTTP to a service
//! beside this one.
//!
//! ```text
//! POST /eligible   {"campaign","pseudonym","tier","buyer"}     authorization: the buyer's JWT, if shown
//! 200              {"eligible": true, "tier": "gold"}          tier: optional, one of the campaign's
//! ```
//! Any other answer is no answer, and `on_failure` counts.

use super::eligibility::{Applicant, AskError, Asking, Eligibility, Verdict};
use crate::wire::json;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json as value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpStream;

/// Calls under way at one time; more get no answer.
const CALLS_MAX: usize = 512;

/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 * 1_024;

/// Asks a service over HTTP.
#[derive(Debug)]
pub(crate) struct HttpHook {
    uri: Uri,
    calls: Arc<AtomicUsize>,
}

#[derive(Deserialize)]
struct Answer {
    eligible: bool,
    #[serde(default)]
    tier: Option<String>,
}

/// One call under way; given back when dropped.
pub(crate) struct Call(Arc<AtomicUsize>);

impl HttpHook {
    /// Ask at this address, which the configuration has checked.
    pub(crate) fn new(uri: Uri) -> HttpHook {
        HttpHook { uri, calls: Arc::default() }
    }
}

impl Eligibility for HttpHook {
    fn ask(&self, applicant: Applicant) -> Asking {
        let (uri, calls) = (self.uri.clone(), self.calls.clone());
        Box::pin(async move {
            let _call = Call::start(calls)?;
            asked(uri, applicant).await
        })
    }
}

impl Call {
    /// Begin a call unless too many are under way.
    pub(crate) fn start(calls: Arc<AtomicUsize>) -> Result<Call, AskError> {
        // Relaxed: the count guards nothing but itself.
        let before = calls.fetch_add(1, Ordering::Relaxed);
        let call = Call(calls);
        if before >= CALLS_MAX {
            return Err(AskError(format!("{CALLS_MAX} calls are under way")));
        }
        Ok(call)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Relaxed: as in `start`.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn asked(uri: Uri, applicant: Applicant) -> Result<Verdict, AskError> {
    let request = question(&uri, applicant)?;
    let body = exchange(&uri, request).await?;
    let answer: Answer = serde_json::from_slice(&body).map_err(|e| AskError(e.to_string()))?;
    let Answer { eligible, tier } = answer;
    Ok(if eligible { Verdict::Admit { tier } } else { Verdict::Refuse })
}

/// Send one request on a connection of its own, and return the body of a 200; bounded in size, not in
/// time.
pub(crate) async fn exchange(uri: &Uri, request: Request<Full<Bytes>>) -> Result<Bytes, AskError> {
    let failed = |error: &dyn std::fmt::Display| AskError(error.to_string());
    let host = uri.host().unwrap_or_default();
    // A literal IPv6 address stands in brackets in a URI and without them in a socket's address.
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((plain, uri.port_u16().unwrap_or(80)));
    let stream = stream.await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let mut connection = std::pin::pin!(connection);
    let answer = async {
        let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
        if answer.status() != StatusCode::OK {
            return Err(AskError(format!("answered {}", answer.status())));
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok(body.map_err(|error| failed(&error))?.to_bytes())
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        body = answer.as_mut() => body,
        ended = connection.as_mut() => match ended {
            // The last of the answer may have come with the end.
            Ok(()) => answer.await,
            Err(error) => Err(failed(&error)),
        },
    }
}

fn question(uri: &Uri, applicant: Applicant) -> Result<Request<Full<Bytes>>, AskError> {
    let body = json(&value!({
        "campaign": applicant.campaign, "pseudonym": applicant.pseudonym,
        "tier": applicant.tier, "buyer": applicant.buyer,
    }));
    let mut request = post(uri, "application/json");
    if let Some(token) = &applicant.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Full::new(Bytes::from(body))).map_err(|error| AskError(error.to_string()))
}

/// Begin a POST that is the only one on its connection.
pub(crate) fn post(uri: &Uri, content: &str) -> http::request::Builder {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, authority)
        .header(CONTENT_TYPE, content)
        .header(CONNECTION, "close")
}
