//! This program as a server: the ceiling, and what stands in front of Redis and PostgreSQL.

mod hello;
mod postgres;
mod redis;

use anyhow::{Context, Result, bail};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::Deserialize;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Be the server that `arguments` name: `WORKERS NAME …`.
///
/// # Errors
/// When it cannot start; otherwise it does not return.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (workers, rest) = arguments.split_first().context("no number of workers")?;
    let workers: usize = workers.parse()?;
    let mut builder = if workers == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    if workers > 1 {
        builder.worker_threads(workers);
    }
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    builder.enable_all().build()?.block_on(async {
        match rest[..] {
            ["hello"] => hello::serve(listen().await?).await,
            ["redis", url, sha] => serve(redis::Desk::open(url, sha).await?).await,
            ["postgres-each", url, pool] => {
                serve(postgres::Each::open(url, pool.parse()?).await?).await
            }
            ["postgres-batch", url] => serve(postgres::Batched::open(url).await?).await,
            _ => bail!("no such server: {rest:?}"),
        }
    })
}

/// A wish as it comes over the wire.
#[derive(Debug, Deserialize)]
struct Wish {
    sku: String,
    buyer: String,
    key: String,
}

/// What became of a wish.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Held(i64),
    Repeat(i64),
    Refused(&'static str),
}

impl Outcome {
    fn named(name: &str, id: Option<i64>) -> Result<Outcome> {
        Ok(match (name, id) {
            ("held", Some(id)) => Outcome::Held(id),
            ("repeat", Some(id)) => Outcome::Repeat(id),
            ("limit", _) => Outcome::Refused("limit"),
            ("sold_out", _) => Outcome::Refused("sold_out"),
            other => bail!("no such outcome: {other:?}"),
        })
    }
}

/// Where a wish is decided.
trait Decide: Send + Sync + 'static {
    fn decide(&self, wish: &Wish) -> impl Future<Output = Result<Outcome>> + Send;
}

async fn serve<D: Decide>(desk: D) -> Result<()> {
    let app = Router::new().route("/reserve", post(reserve::<D>)).with_state(Arc::new(desk));
    let listener = listen().await?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).await?)
}

async fn reserve<D: Decide>(State(desk): State<Arc<D>>, Json(wish): Json<Wish>) -> Response {
    let held = |status, id| {
        let buyer = &wish.buyer;
        (status, format!(r#"{{"id":{id},"buyer":"{buyer}","state":"held"}}"#))
    };
    let (status, body) = match desk.decide(&wish).await {
        Ok(Outcome::Held(id)) => held(StatusCode::CREATED, id),
        Ok(Outcome::Repeat(id)) => held(StatusCode::OK, id),
        Ok(Outcome::Refused(code)) => (StatusCode::CONFLICT, format!(r#"{{"code":"{code}"}}"#)),
        Err(error) => {
            eprintln!("{error:#}");
            (StatusCode::INTERNAL_SERVER_ERROR, String::new())
        }
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Listen on a free port and say which.
async fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!(r#"{{"addr":"{}"}}"#, listener.local_addr()?);
    Ok(listener)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::net::SocketAddr;
    use std::sync::Mutex;
    use tokio::sync::Barrier;

    /// A server that looks at the stock, waits, and only then takes, whoever asks: what the check must
    /// catch. Two always look before either takes, so an odd number of units is oversold for sure.
    struct Careless {
        orders: Arc<Mutex<Vec<(String, String)>>>,
        units: usize,
        both_looked: Barrier,
    }

    impl Decide for Careless {
        async fn decide(&self, wish: &Wish) -> Result<Outcome> {
            let free = self.orders.lock().expect("orders").len() < self.units;
            self.both_looked.wait().await;
            if !free {
                return Ok(Outcome::Refused("sold_out"));
            }
            let mut orders = self.orders.lock().expect("orders");
            orders.push((wish.sku.clone(), wish.buyer.clone()));
            Ok(Outcome::Held(orders.len() as i64))
        }
    }

    /// Serve it from a thread of its own; return its address and its orders.
    #[expect(clippy::type_complexity, reason = "one caller")]
    pub(crate) fn careless(units: usize) -> (SocketAddr, Arc<Mutex<Vec<(String, String)>>>) {
        assert!(units % 2 == 1, "or the last pair may fit");
        let orders = Arc::new(Mutex::new(Vec::new()));
        let desk = Careless { orders: orders.clone(), units, both_looked: Barrier::new(2) };
        let (send, addr) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("runtime").block_on(async {
                let app = Router::new().route("/reserve", post(reserve::<Careless>));
                let listener = listen().await.expect("port");
                send.send(listener.local_addr().expect("address")).expect("the test waits");
                axum::serve(listener, app.with_state(Arc::new(desk))).await.expect("served");
            });
        });
        (addr.recv().expect("an address"), orders)
    }
}
