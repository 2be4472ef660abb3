//! Those who act for others: a shop's back end, and payment providers.

use crate::client::{Ask, ask};
use crate::server::{START_MS, Server, file, reserve};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use onrush_gateway::config::{ApiKeySection, PaymentSection, Scope};
use serde_json::{Value, json};

const NOW: u64 = START_MS / 1_000;

#[test]
fn back_ends_act_for_the_buyers_they_name() {
    let secret = "r".repeat(40);
    let server = Server::start(|config, dir| {
        config.dev = true;
        for (text, scope) in [("reserve", Scope::Reserve), ("confirm", Scope::Confirm)] {
            let secret_file = file(dir, text, &text[..1].repeat(40));
            let name = onrush::Name::new(text).expect("name");
            config.api_keys.push(ApiKeySection { name, scope: vec![scope], secret_file });
        }
    });
    server.open_campaign("drop", 9, 1);
    let path = "/v1/campaigns/drop/reservations";
    let for_ann = |request: Ask| request.json(&json!({"sku": "unit", "buyer": "ann"}));
    let made = for_ann(ask("POST", path)).bearer(&secret).key("k").to(server.public);
    assert_eq!(made.status, 201);
    let id = made.text("id");
    // It is ann's own: she sees it, and her limit counts it.
    let look = ask("GET", &format!("/v1/reservations/{id}"));
    assert_eq!(look.clone().buyer("ann").to(server.public).status, 200);
    assert_eq!(look.clone().bearer(&secret).to(server.public).status, 200);
    look.clone().bearer(&"c".repeat(40)).to(server.public).is_problem("forbidden");
    server.reserve("drop", "ann", "k2").is_problem("limit_reached");
    reserve("drop").bearer(&secret).key("k").to(server.public).is_problem("invalid_request");
    for_ann(ask("POST", path))
        .bearer(&"c".repeat(40))
        .key("k")
        .to(server.public)
        .is_problem("forbidden");
    for bad in ["", &"x".repeat(257)] {
        let body = json!({"sku": "unit", "buyer": bad});
        let request = ask("POST", path).json(&body).bearer(&secret).key("k");
        request.to(server.public).is_problem("invalid_request");
    }
    let opened = ask("POST", "/v1/sessions").json(&json!({"buyer": "ann"})).bearer(&secret);
    let text = opened.to(server.public).text("session");
    assert_eq!(look.bearer(&text).to(server.public).status, 200);
}

fn notice(id: &str, reference: &str, amount: i64) -> Value {
    json!({"event_id": "e1", "reservation": id, "reference": reference, "amount": amount,
        "currency": "CNY", "paid_at": "2026-12-01T12:00:00Z"})
}

fn signed(secret: &[u8], body: &str, at: u64) -> Ask {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).expect("a key");
    mac.update(format!("msg_1.{at}.{body}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    ask("POST", "/v1/payments/acme")
        .text(body)
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", &at.to_string())
        .header("webhook-signature", &format!("v1,{signature}"))
}

#[test]
fn payment_notices_count_once_and_are_never_lost() {
    let (old, new) = ([1; 24], [2; 24]);
    let server = Server::start(|config, dir| {
        config.dev = true;
        let secret = |name: &str, bytes: &[u8]| {
            file(dir, name, &format!("whsec_{}", STANDARD.encode(bytes)))
        };
        config.payments.push(PaymentSection {
            provider: onrush::Name::new("acme").expect("name"),
            secret_files: vec![secret("new", &new), secret("old", &old)],
            method: None,
        });
    });
    server.open_campaign("drop", 9, 9);
    let id = server.held("drop", "ann", "k");
    let send =
        |secret: &[u8], body: &Value| signed(secret, &body.to_string(), NOW).to(server.public);

    let body = notice(&id, "p1", 100);
    send(&[3; 24], &body).is_problem("unauthenticated");
    let stale = signed(&new, &body.to_string(), NOW - 301).to(server.public);
    stale.is_problem("unauthenticated");
    let unsigned = ask("POST", "/v1/payments/acme").json(&body).to(server.public);
    unsigned.is_problem("unauthenticated");
    assert_eq!(server.units("drop"), (8, 1), "nothing happened so far");
    for secret in [&new, &old, &new] {
        let answer = send(secret, &body);
        assert_eq!((answer.status, answer.text("state").as_str()), (200, "sold"));
    }
    send(&new, &notice(&id, "p1", 99)).is_problem("key_reused");
    // Paid twice with another reference: recorded, and due back.
    assert_eq!(send(&new, &notice(&id, "p2", 100)).status, 200);
    // Late money for a released hold: recorded, and due back.
    let gone = server.held("drop", "bob", "k");
    ask("DELETE", &format!("/v1/reservations/{gone}")).buyer("bob").to(server.public);
    assert_eq!(send(&new, &notice(&gone, "p3", 100)).text("state"), "released");
    let refunds = server.operate("GET", "/admin/v1/refunds", None).json();
    assert_eq!(refunds["refunds"].as_array().map(Vec::len), Some(2));

    send(&new, &notice("x", "p4", 100)).is_problem("not_found");
    for (field, bad) in [
        ("amount", json!(0)),
        ("currency", json!("yuan")),
        ("paid_at", json!("yesterday")),
        ("reference", json!("")),
        ("event_id", json!("")),
        ("note", json!("hello")),
    ] {
        let mut body = notice(&id, "p5", 100);
        body[field] = bad;
        send(&new, &body).is_problem("invalid_request");
    }
    // A provider that is not configured looks like a wrong signature.
    let mut other = signed(&new, &body.to_string(), NOW);
    other.readdress("/v1/payments/other");
    other.to(server.public).is_problem("unauthenticated");
}
