//! The least that hyper can do: one `current_thread` runtime, one static answer.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;

/// Serve "hello" on a free port, printed first. Does not return.
pub(crate) fn serve() -> ! {
    crate::pin_to(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("runtime").block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        println!("{}", listener.local_addr().expect("address"));
        loop {
            let (stream, _) = listener.accept().await.expect("connection");
            stream.set_nodelay(true).expect("nodelay");
            tokio::spawn(async move {
                let hello = service_fn(|_| async {
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
                });
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new());
                let _ = http.serve_connection(TokioIo::new(stream), hello).await;
            });
        }
    })
}
