//! The least that hyper can do with the same requests: the measure of the other cases.

use crate::tape::Tape;
use crate::{Case, shop, tapes};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;

/// Answer "hello" to a reserve.
pub(crate) fn case() -> Case {
    Case {
        tapes: tapes(serve),
        requests: vec![shop::reserve("a-token-of-eighty-eight-characters-".repeat(3).get(..88))],
        next: 0,
        status: "200",
        driver: None,
        _keep: Box::new(()),
    }
}

fn serve(tape: Tape) {
    tokio::spawn(async move {
        let hello = service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new());
        let _ = http.serve_connection(TokioIo::new(tape), hello).await;
    });
}
