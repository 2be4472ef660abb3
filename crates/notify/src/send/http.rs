//! One HTTP request on its own connection: small, bounded, and only to where it may go.
//!
//! The name is resolved once, the addresses are checked, and the connection goes to a checked
//! address: a name that answers differently the second time gains nothing. Redirects are not
//! followed. TLS certificates are checked against Mozilla's roots and those the operator adds.

use super::Outcome;
use super::guard::is_public;
use crate::limits::ANSWER_BYTES_MAX;
use bytes::Bytes;
use http::header::{HOST, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use onrush_types::DurationMs;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Longest time to find, reach and shake hands with the other side.
const CONNECT_MS_MAX: u64 = 5_000;

/// Where a request goes: an absolute `https` or `http` address without a login in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    uri: Uri,
    is_tls: bool,
    host: String,
    port: u16,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The path of a push endpoint is an address of somebody.
        write!(f, "Target({}, …)", self.host)
    }
}

/// Why a text is not a [`Target`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetError;

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write an absolute address such as https://shop.example/hooks, without a login")
    }
}

impl std::error::Error for TargetError {}

impl Target {
    /// Read an address.
    ///
    /// # Errors
    /// When it is not absolute, of another scheme, or carries a login.
    pub fn parse(text: &str) -> Result<Target, TargetError> {
        let uri: Uri = text.parse().map_err(|_| TargetError)?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(TargetError),
        };
        let authority = uri.authority().ok_or(TargetError)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(TargetError);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let host = host.to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Target { is_tls, host, port, uri })
    }

    /// Tell whether TLS protects it.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Return its host, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Return its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Return its origin as RFC 6454 writes it.
    pub fn origin(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.authority())
    }

    /// Return host and port, the port only where it is not the scheme's own.
    fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.is_tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }
}

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The public internet only.
    Public,
    /// Anything the machine reaches: for services the operator names, and for tests.
    Anywhere,
}

/// Makes requests.
#[derive(Clone)]
pub struct Http {
    tls: TlsConnector,
    reach: Reach,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({:?})", self.reach)
    }
}

/// What a request carries.
#[derive(Debug)]
pub(crate) struct Post {
    pub(crate) method: Method,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<DurationMs>,
    /// Up to [`ANSWER_BYTES_MAX`]; empty when it could not be read.
    pub(crate) body: Bytes,
}

impl Http {
    /// Make a client; `roots` are certificates in PEM that are trusted besides Mozilla's.
    ///
    /// # Errors
    /// When `roots` is not PEM with certificates.
    pub fn new(reach: Reach, roots: Option<&[u8]>) -> Result<Http, String> {
        let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in roots.into_iter().flat_map(CertificateDer::pem_slice_iter) {
            let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
            store
                .add(certificate)
                .map_err(|error| format!("has an unusable certificate: {error}"))?;
        }
        // The provider is named: two in one process would panic at the first handshake.
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring supports TLS 1.2 and 1.3")
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Http { tls: TlsConnector::from(Arc::new(tls)), reach })
    }

    /// Make one request.
    ///
    /// # Errors
    /// The outcome that follows: `Later` while nothing was sent, `Unknown` afterwards.
    pub(crate) async fn send(&self, target: &Target, post: Post) -> Result<Answered, Outcome> {
        let connecting = self.connect(target);
        let most = Duration::from_millis(CONNECT_MS_MAX);
        let wire = match tokio::time::timeout(most, connecting).await {
            Ok(wire) => wire?,
            Err(_) => return Err(later("the service was not reached in time")),
        };
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(wire)).await;
        let (mut requests, connection) = shaken.map_err(|_| later("the connection broke"))?;
        // Ends when the sender is dropped, at the latest with this call.
        let driving = tokio::spawn(connection);
        let mut request = http::Request::new(Full::new(post.body));
        *request.method_mut() = post.method;
        *request.uri_mut() = target.path().parse().map_err(|_| refused())?;
        let host = HeaderValue::from_str(&target.authority()).map_err(|_| refused())?;
        request.headers_mut().insert(HOST, host);
        for (name, value) in post.headers {
            request.headers_mut().insert(name, value);
        }
        let answer = requests.send_request(request).await;
        let answer =
            answer.map_err(|_| Outcome::Unknown("the connection broke after the request"))?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| {
            let seconds: u64 = value.to_str().ok()?.trim().parse().ok()?;
            Some(DurationMs::from_secs(seconds))
        });
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        driving.abort();
        Ok(Answered { status, retry_after, body: body.map(|b| b.to_bytes()).unwrap_or_default() })
    }

    async fn connect(&self, target: &Target) -> Result<Box<dyn Wire>, Outcome> {
        let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|_| later("the service's name does not resolve"))?.collect();
        let allowed: Vec<SocketAddr> = match self.reach {
            Reach::Anywhere => found,
            Reach::Public => found.into_iter().filter(|addr| is_public(addr.ip())).collect(),
        };
        if allowed.is_empty() {
            return Err(Outcome::Refused("the address leads into a private network"));
        }
        let socket = TcpStream::connect(allowed.as_slice()).await;
        let socket = socket.map_err(|_| later("the service is not reachable"))?;
        if !target.is_tls {
            return Ok(Box::new(socket));
        }
        let name = ServerName::try_from(target.host.clone()).map_err(|_| refused())?;
        let secured = self.tls.connect(name, socket).await;
        Ok(Box::new(secured.map_err(|_| later("the TLS handshake failed"))?))
    }
}

/// Tell what a plain status means for a reminder.
pub(crate) fn judged(answered: &Answered) -> Outcome {
    let Answered { status, retry_after, .. } = answered;
    match status.as_u16() {
        200..=299 => Outcome::Sent,
        408 | 425 | 429 => Outcome::Later { after: *retry_after, why: "the service is busy" },
        500..=599 => Outcome::Later { after: *retry_after, why: "the service failed" },
        300..=399 => Outcome::Refused("the service redirects; redirects are not followed"),
        _ => Outcome::Refused("the service refused the reminder"),
    }
}

fn later(why: &'static str) -> Outcome {
    Outcome::Later { after: None, why }
}

fn refused() -> Outcome {
    Outcome::Refused("the address cannot be requested")
}

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_absolute_and_has_no_login() {
        let target = Target::parse("https://Push.Example/a?b=c").expect("valid");
        assert_eq!((target.host(), target.port(), target.is_tls()), ("push.example", 443, true));
        assert_eq!((target.origin().as_str(), target.path()), ("https://push.example", "/a?b=c"));
        let target = Target::parse("http://[::1]:8080").expect("valid");
        assert_eq!((target.host(), target.origin().as_str()), ("::1", "http://[::1]:8080"));
        assert_eq!(target.path(), "/");
        for bad in
            ["", "/a", "push.example", "ftp://a/", "https://", "https://u:p@a/", "https://a b/"]
        {
            assert_eq!(Target::parse(bad), Err(TargetError), "{bad}");
        }
        assert!(!format!("{:?}", Target::parse("https://a/secret")).contains("secret"));
    }

    #[test]
    fn a_status_means_the_same_everywhere() {
        let judged = |status| {
            let status = StatusCode::from_u16(status).expect("a status");
            let retry_after = Some(DurationMs(7));
            judged(&Answered { status, retry_after, body: Bytes::new() })
        };
        assert!([200, 201, 202, 204].map(judged).iter().all(|o| *o == Outcome::Sent));
        for status in [408, 429, 500, 503] {
            let after = Some(DurationMs(7));
            assert!(matches!(judged(status), Outcome::Later { after: a, .. } if a == after));
        }
        assert!(
            [301, 400, 401, 404, 410].map(judged).iter().all(|o| matches!(o, Outcome::Refused(_)))
        );
    }
}
