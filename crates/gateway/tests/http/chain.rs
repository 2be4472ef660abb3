//! A small chain of stores behind a gateway, and the words the tests of stores use.

use crate::client::{Answer, Ask, ask};
use crate::server::Server;
use serde_json::{Value, json};

pub(crate) const NODES: &str = include_str!("../data/nodes.csv");
pub(crate) const STOCK: &str = include_str!("../data/stock.csv");

/// A buyer next to the store `center`.
pub(crate) const HERE: [f64; 2] = [41.8010, 123.4310];

pub(crate) fn csv(server: &Server, path: &str, text: &str) -> Answer {
    ask("POST", path)
        .bearer(&server.token)
        .header("content-type", "text/csv")
        .body(text.as_bytes())
        .to(server.admin)
}

/// A campaign `drop` whose supply is the stores' stock: nine units of `unit`, one kept back.
pub(crate) fn chain() -> Server {
    let server = Server::dev();
    campaign(&server, "drop", "stores");
    stocked(&server, "drop");
    server
}

pub(crate) fn campaign(server: &Server, name: &str, supply: &str) {
    server.put(
        name,
        json!({"opens_at": "2026-12-01T11:00:00Z", "limit_per_buyer": 5, "supply": supply,
            "skus": [{"sku": "unit", "price": 100}]}),
    );
}

#[track_caller]
pub(crate) fn stocked(server: &Server, campaign: &str) {
    let nodes = csv(server, "/admin/v1/nodes", NODES);
    assert_eq!(nodes.status, 200, "{}", String::from_utf8_lossy(&nodes.body));
    assert_eq!(nodes.json()["changed"], 4);
    let stock = csv(server, &format!("/admin/v1/campaigns/{campaign}/stock"), STOCK);
    assert_eq!(stock.status, 200, "{}", String::from_utf8_lossy(&stock.body));
    assert_eq!(stock.json()["changed"], 4);
    until(|| near(server, campaign).len() == 3);
}

/// Wait until something that another thread does is done.
pub(crate) fn until(reached: impl Fn() -> bool) {
    while !reached() {
        std::thread::yield_now();
    }
}

/// Names of the stores near [`HERE`] that have a unit, nearest first. The warehouse is none.
pub(crate) fn near(server: &Server, campaign: &str) -> Vec<String> {
    let [lat, lon] = HERE;
    let path = format!("/v1/campaigns/{campaign}/stores?sku=unit&lat={lat}&lon={lon}");
    let stores = ask("GET", &path).to(server.public).json();
    let names = stores["stores"].as_array().expect("a list").iter();
    names.map(|store| store["node"].as_str().expect("a name").to_owned()).collect()
}

pub(crate) fn wish(more: Value) -> Value {
    let [lat, lon] = HERE;
    let mut body = json!({"sku": "unit", "destination": {"lat": lat, "lon": lon}});
    for (field, value) in more.as_object().expect("an object") {
        body[field] = value.clone();
    }
    body
}

pub(crate) fn reserve(server: &Server, buyer: &str, body: &Value) -> Answer {
    request(buyer, body).to(server.public)
}

fn request(buyer: &str, body: &Value) -> Ask {
    ask("POST", "/v1/campaigns/drop/reservations").buyer(buyer).key(buyer).json(body)
}

#[track_caller]
pub(crate) fn sold(server: &Server, buyer: &str, body: &Value) -> String {
    let held = reserve(server, buyer, body);
    assert_eq!(held.status, 201, "{}", String::from_utf8_lossy(&held.body));
    let id = held.text("id");
    pay(server, &id, held.json()["price"]["amount"].as_i64().expect("a price"));
    id
}

#[track_caller]
pub(crate) fn pay(server: &Server, id: &str, amount: i64) {
    let payment = json!({"method": "card", "amount": amount, "currency": "CNY", "reference": id});
    let path = format!("/admin/v1/reservations/{id}/confirm");
    let paid = server.operate("POST", &path, Some(json!({"payments": [payment]})));
    assert_eq!(paid.text("state"), "sold");
}

pub(crate) fn order(server: &Server, id: &str) -> Value {
    let answer = server.operate("GET", &format!("/admin/v1/orders/{id}"), None);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.json()
}

/// Wait until an order stands there.
pub(crate) fn order_in(server: &Server, id: &str, state: &str) -> Value {
    until(|| order(server, id)["state"] == state);
    order(server, id)
}

pub(crate) fn act(server: &Server, id: &str, what: &str, body: Value) -> Answer {
    server.operate("POST", &format!("/admin/v1/orders/{id}/{what}"), Some(body))
}

pub(crate) fn node(server: &Server, name: &str) -> Value {
    server.operate("GET", &format!("/admin/v1/nodes/{name}"), None).json()
}

/// (free, assigned, handed over, written off) of `unit` at a store.
pub(crate) fn units(server: &Server, name: &str) -> [u64; 4] {
    let node = node(server, name);
    ["free", "assigned", "handed_over", "written_off"]
        .map(|field| node["stock"][0][field].as_u64().expect("a number"))
}

pub(crate) fn audit(server: &Server) {
    let audit = server.engine.inspect(|ledger| ledger.audit()).wait().expect("looked");
    audit.unwrap_or_else(|violation| panic!("{violation}"));
}
