//! A channel order to the nearest store, over HTTP: stores and their stock come by CSV, a live
//! stream's buyer is told where it comes from before paying, and the store redeems the code once.
//!
//! `cargo run -p onrush-examples --bin store-orders`
#![allow(clippy::print_stdout)]

use onrush::{Engine, Options};
use onrush_gateway::config::Listen;
use onrush_gateway::{Config, serve};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const NODES: &str = "node,kind,lat,lon\n\
                     bund,store,31.2400,121.4900\n\
                     xuhui,store,31.1900,121.4400\n";
const STOCK: &str = "node,sku,on_hand,safety_stock,channel_quota\n\
                     bund,jacket,3,1,live:1\n\
                     xuhui,jacket,5,,\n";

/// Send one request with `headers`, each ending a line, and return the answer.
fn ask(to: SocketAddr, line: &str, headers: &str, body: &str) -> Result<Value, Box<dyn Error>> {
    let mut stream = TcpStream::connect(to)?;
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\nhost: example\r\nconnection: close\r\n{headers}\
         content-length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("half an answer")?;
    if !head.starts_with("HTTP/1.1 20") {
        return Err(format!("{line}: {body}").into());
    }
    Ok(serde_json::from_str(body)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let engine = Engine::open(dir.path(), Options::default())?;
    let mut config = Config::default();
    config.dev = true;
    (config.listen.public, config.listen.admin) = ("127.0.0.1:0".parse()?, "127.0.0.1:0".parse()?);
    let running = serve(&config, engine, std::future::pending())?;
    let (Listen::Tcp(public), Listen::Tcp(admin)) = (&running.public_addr, &running.admin_addr)
    else {
        return Err("both sides listen on TCP here".into());
    };
    let (public, admin) = (*public, *admin);
    let token = running.admin_token.clone().unwrap_or_default();
    let operator =
        |kind: &str| format!("authorization: Bearer {token}\r\ncontent-type: {kind}\r\n");
    let (as_json, as_csv) = (operator("application/json"), operator("text/csv"));

    // The campaign's supply is the stores' stock.
    let campaign = json!({"opens_at": "2026-01-01T00:00:00Z", "supply": "stores",
        "skus": [{"sku": "jacket", "price": 129_900}]});
    ask(admin, "PUT /admin/v1/campaigns/drop", &as_json, &campaign.to_string())?;
    ask(admin, "POST /admin/v1/nodes", &as_csv, NODES)?;
    ask(admin, "POST /admin/v1/campaigns/drop/stock", &as_csv, STOCK)?;
    let near = "GET /v1/campaigns/drop/stores?sku=jacket&lat=31.235&lon=121.485";
    while ask(public, near, "", "")?["stores"].as_array().is_none_or(Vec::is_empty) {
        std::thread::yield_now();
    }

    // A buyer of the live stream chooses the nearest store and is told when it is ready there.
    let wish = json!({"sku": "jacket", "delivery": "pickup", "pickup_node": "bund",
        "destination": {"lat": 31.235, "lon": 121.485}, "attribution": {"channel": "live"}});
    let buyer = "content-type: application/json\r\nx-onrush-buyer: ann\r\nidempotency-key: 1\r\n";
    let reserve = "POST /v1/campaigns/drop/reservations";
    let held = ask(public, reserve, buyer, &wish.to_string())?;
    println!("held, promised: {}", held["promise"]);

    let id = held["id"].as_str().ok_or("no id")?;
    let payment = json!({"payments": [{"method": "card", "amount": 129_900, "currency": "CNY",
        "reference": "p-1"}]});
    let confirm = format!("POST /admin/v1/reservations/{id}/confirm");
    ask(admin, &confirm, &as_json, &payment.to_string())?;
    let promise = format!("GET /v1/reservations/{id}/promise");
    let planned = loop {
        let promise = ask(public, &promise, buyer, "")?;
        if promise["routed"] == true {
            break promise;
        }
        std::thread::yield_now();
    };
    println!("at the store: {}", planned["from"][0]);
    let order = ask(admin, &format!("GET /admin/v1/orders/{id}?lang=en"), &as_json, "")?;
    println!("why: {}", order["why"]);

    let code = json!({"code": planned["code"]});
    let collect = format!("POST /admin/v1/orders/{id}/collect");
    let collected = ask(admin, &collect, &as_json, &code.to_string())?;
    println!("collected: {}", collected["state"]);
    let twice = ask(admin, &collect, &as_json, &code.to_string());
    println!("a second time: {}", twice.err().ok_or("it counted twice")?);
    running.stop();
    running.wait()?;
    Ok(())
}
