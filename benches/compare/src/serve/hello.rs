//! The least that hyper can do: one answer for everything.

use anyhow::Result;
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use tokio::net::TcpListener;

/// Serve until the process ends.
///
/// # Errors
/// When a connection cannot be accepted.
pub(super) async fn serve(listener: TcpListener) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let hello = service_fn(|_: Request<Incoming>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
            });
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new());
            // A client that goes away is no error here.
            let _ = http.serve_connection(TokioIo::new(stream), hello).await;
        });
    }
}
