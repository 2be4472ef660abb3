//! The engine inside an axum service: a pending answer is a future, so a handler awaits it.
//!
//! `cargo run -p onrush-examples --bin axum-service`, then
//! `curl -X POST localhost:3000/buy -H 'content-type: application/json' -d '{"buyer":"ann","key":"1"}'`
#![allow(clippy::print_stdout)]

use axum::{Json, Router, extract::State as Extract, http::StatusCode, routing::post};
use onrush::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Deserialize)]
struct Buy {
    buyer: String,
    key: String,
}

#[derive(Serialize)]
struct Answer {
    id: Option<String>,
    state: &'static str,
    why: Option<String>,
}

#[derive(Clone)]
struct Shop {
    engine: Engine,
    campaign: Arc<Campaign>,
}

async fn buy(Extract(shop): Extract<Shop>, Json(ask): Json<Buy>) -> (StatusCode, Json<Answer>) {
    let buyer = shop.engine.buyer(&ask.buyer);
    let asked =
        shop.engine.reserve(&ReserveRequest::new(&shop.campaign, "jacket", buyer, &ask.key));
    let granted = |status, r: Reservation| {
        (status, Answer { id: Some(r.id.to_string()), state: r.state.as_str(), why: None })
    };
    let (status, answer) = match asked.await {
        Ok(Decision::Done(r)) => granted(StatusCode::CREATED, r),
        Ok(Decision::Already(r)) => granted(StatusCode::OK, r),
        Ok(Decision::Refused(why)) => {
            let answer = Answer { id: None, state: why.code(), why: Some(why.to_string()) };
            (StatusCode::CONFLICT, answer)
        }
        Err(e) => {
            let answer = Answer { id: None, state: "unknown", why: Some(e.to_string()) };
            (StatusCode::SERVICE_UNAVAILABLE, answer)
        }
    };
    (status, Json(answer))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let engine = Engine::open(dir.path(), Options::default())?;
    // A service that cannot record must not go on: whoever supervises it starts it again.
    engine.on_failure(|_| std::process::exit(1));
    let put = engine.put_campaign(CampaignSpec::new(
        Name::new("drop")?,
        Terms::open_now(Currency::CNY),
        vec![SkuSpec::new(Name::new("jacket")?, 129_900, 1_000)],
    ));
    let campaign = put.await?.granted().ok_or("refused")?;
    let app = Router::new().route("/buy", post(buy)).with_state(Shop { engine, campaign });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
