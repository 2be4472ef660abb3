//! Many reservations in one request: each has its own outcome.

use crate::client::{Ask, ask};
use crate::server::{Server, file};
use onrush_gateway::config::{ApiKeySection, Scope};
use serde_json::{Value, json};

fn server() -> Server {
    let server = Server::start(|config, dir| {
        config.dev = true;
        for (text, scope) in [("reserve", Scope::Reserve), ("confirm", Scope::Confirm)] {
            let secret_file = file(dir, text, &text[..1].repeat(40));
            let name = onrush::Name::new(text).expect("name");
            config.api_keys.push(ApiKeySection { name, scope: vec![scope], secret_file });
        }
    });
    server.open_campaign("drop", 3, 1);
    server
}

fn entry(buyer: &str, key: &str) -> Value {
    json!({"sku": "unit", "buyer": buyer, "key": key})
}

fn batch_as(token: &str, entries: &[Value]) -> Ask {
    let body = json!({"campaign": "drop", "reservations": entries});
    ask("POST", "/admin/v1/reservations:batch").json(&body).bearer(token)
}

fn batch(entries: &[Value]) -> Ask {
    batch_as(&"r".repeat(40), entries)
}

/// Return the outcomes as (status, reservation id or problem code).
fn outcomes(server: &Server, entries: &[Value]) -> Vec<(u64, String)> {
    let answer = batch(entries).to(server.admin);
    assert_eq!(answer.status, 200);
    let outcomes = answer.json()["outcomes"].as_array().expect("outcomes").clone();
    let outcome = |o: &Value| {
        let text = o["reservation"]["id"].as_str().or(o["problem"]["code"].as_str());
        (o["status"].as_u64().expect("a status"), text.expect("an id or a code").to_owned())
    };
    outcomes.iter().map(outcome).collect()
}

#[test]
fn each_entry_has_its_own_outcome_and_a_repeat_finds_it() {
    let server = server();
    let wrong = json!({"sku": "", "buyer": "dan", "key": "k"});
    let far = json!({"sku": "unit", "buyer": "dan", "key": "k", "quantity": 1001});
    let entries = [
        entry("ann", "k"),
        wrong,
        entry("ann", "k2"),
        entry("bob", "k"),
        entry("", "k"),
        entry("cat", ""),
        far,
        json!({"sku": "nothing", "buyer": "dan", "key": "k"}),
        entry("cat", "k"),
        entry("dan", "k"),
    ];
    let first = outcomes(&server, &entries);
    let shapes: Vec<(u64, &str)> = first
        .iter()
        .map(|(status, text)| (*status, if *status == 201 { "" } else { text.as_str() }))
        .collect();
    let invalid = (400, "invalid_request");
    // Ann's second key races her first: it is told so at once, or once the first is decided.
    assert!([(409, "key_in_flight"), (409, "limit_reached")].contains(&shapes[2]), "{shapes:?}");
    assert_eq!(shapes[..2], [(201, ""), invalid]);
    assert_eq!(shapes[3..8], [(201, ""), invalid, invalid, invalid, (404, "not_found")]);
    assert_eq!(shapes[8..], [(201, ""), (409, "all_held")]);

    // The same batch again changes nothing and names the same reservations.
    let again = outcomes(&server, &entries);
    for (before, after) in first.iter().zip(&again) {
        if before.0 == 201 {
            assert_eq!(*after, (200, before.1.clone()));
        }
    }
    let look = ask("GET", &format!("/v1/reservations/{}", first[0].1)).buyer("ann");
    assert_eq!(look.to(server.public).text("state"), "held");
}

#[test]
fn a_batch_as_a_whole_is_refused_before_anything_is_taken() {
    let server = server();
    let one = [entry("ann", "k")];
    batch(&one).to(server.public).is_problem("not_found");
    batch_as(&"c".repeat(40), &one).to(server.admin).is_problem("forbidden");
    batch_as("nobody", &one).to(server.admin).is_problem("unauthenticated");
    batch(&[]).to(server.admin).is_problem("invalid_request");
    let many: Vec<Value> = (0..=1_000).map(|n| entry(&format!("b-{n}"), "k")).collect();
    batch(&many).to(server.admin).is_problem("invalid_request");
    let misspelt = [entry("ann", "k"), json!({"sku": "unit", "buyer": "b", "key": "k", "sku_": 1})];
    batch(&misspelt).to(server.admin).is_problem("invalid_request");
    // Nothing of all this was taken.
    let taken = outcomes(&server, &[entry("x", "k"), entry("y", "k"), entry("z", "k")]);
    assert!(taken.iter().all(|(status, _)| *status == 201), "{taken:?}");
}

#[test]
fn a_thousand_in_one_batch_never_oversell() {
    let server = server();
    let many: Vec<Value> = (0..1_000).map(|n| entry(&format!("b-{n}"), "k")).collect();
    let found = outcomes(&server, &many);
    let count = |what: fn(&(u64, String)) -> bool| found.iter().filter(|o| what(o)).count();
    assert_eq!(count(|o| o.0 == 201), 3);
    assert_eq!(count(|o| o.1 == "all_held"), 997);
}
