//! Deadlines that an operator puts off, as operators and buyers see them.

use crate::client::{Ask, ask};
use crate::server::Server;
use onrush_gateway::wire::parse_timestamp;
use serde_json::{Value, json};

fn extend(server: &Server, path: &str, more_ms: u64) -> crate::client::Answer {
    let body = json!({"more_ms": more_ms, "reason": "the bank is down"});
    server.operate("POST", path, Some(body))
}

fn look(id: &str, buyer: &str) -> Ask {
    ask("GET", &format!("/v1/reservations/{id}")).buyer(buyer)
}

fn deadline(seen: &Value) -> u64 {
    parse_timestamp(seen["expires_at"].as_str().expect("a time")).expect("a time").0
}

#[test]
fn live_holds_of_a_campaign_are_put_off_and_others_are_not() {
    let server = Server::dev();
    server.open_campaign("drop", 3, 1);
    server.open_campaign("other", 1, 1);
    let (ann, ben) = (server.held("drop", "ann", "k1"), server.held("drop", "ben", "k1"));
    let (cid, eve) = (server.held("drop", "cid", "k1"), server.held("other", "eve", "k1"));
    ask("DELETE", &format!("/v1/reservations/{ben}")).buyer("ben").to(server.public);
    let before = deadline(&look(&ann, "ann").to(server.public).json());
    let other = deadline(&look(&eve, "eve").to(server.public).json());
    let told = extend(&server, "/admin/v1/campaigns/drop/extend", 600_000);
    assert_eq!(told.status, 200);
    assert_eq!(told.json(), json!({"campaign": "drop", "holds": 2, "more_ms": 600_000}));
    for (id, buyer) in [(&ann, "ann"), (&cid, "cid")] {
        let seen = look(id, buyer).to(server.public).json();
        assert_eq!((seen["state"].as_str(), deadline(&seen)), (Some("held"), before + 600_000));
    }
    assert_eq!(deadline(&look(&eve, "eve").to(server.public).json()), other);
    // Who asks again with the same key is told the new deadline too.
    let again = server.reserve("drop", "ann", "k1").json();
    assert_eq!(deadline(&again), before + 600_000);
    // One of them once more; it stays what it is after a restart.
    let one = extend(&server, &format!("/admin/v1/reservations/{ann}/extend"), 60_000).json();
    assert_eq!((one["id"].as_str(), deadline(&one)), (Some(&*ann), before + 660_000));
    let server = server.restart(|config, _| config.dev = true);
    let seen = look(&ann, "ann").to(server.public).json();
    assert_eq!((seen["state"].as_str(), deadline(&seen)), (Some("held"), before + 660_000));
    let story = server.operate("GET", &format!("/admin/v1/reservations/{ann}/timeline"), None);
    let story = story.json();
    let events = story["events"].as_array().expect("events");
    let what: Vec<&str> = events.iter().filter_map(|event| event["what"].as_str()).collect();
    assert_eq!(what, ["held", "extended", "extended"]);
    assert_eq!(
        (&events[1]["more_ms"], &events[1]["why"]),
        (&600_000.into(), &"the bank is down".into())
    );
    assert_eq!((&events[2]["more_ms"], &events[2]["by"]), (&60_000.into(), &events[1]["by"]));
    // Read from behind its beginning, it is still known that it was live.
    let after = events[0]["lsn"].as_u64().expect("an LSN") + 1;
    let path = format!("/admin/v1/reservations/{ann}/timeline?from={after}");
    let rest = server.operate("GET", &path, None).json();
    assert_eq!(rest["events"].as_array().map(Vec::len), Some(2));
    // What was over before is not told of it, read from wherever.
    for from in [1, after] {
        let path = format!("/admin/v1/reservations/{ben}/timeline?from={from}");
        let story = server.operate("GET", &path, None).json();
        let events = story["events"].as_array().expect("events");
        assert!(events.iter().all(|event| event["what"] != "extended"), "{events:?}");
    }
}

#[test]
fn what_cannot_be_put_off_is_refused() {
    let server = Server::dev();
    server.open_campaign("drop", 3, 3);
    let none = extend(&server, "/admin/v1/campaigns/drop/extend", 60_000).json();
    assert_eq!(none["holds"], 0, "nothing is on hold");
    let id = server.held("drop", "ann", "k1");
    let one = format!("/admin/v1/reservations/{id}/extend");
    for path in ["/admin/v1/campaigns/drop/extend", &one] {
        for more_ms in [0, 999, 86_400_001] {
            extend(&server, path, more_ms).is_problem("invalid_request");
        }
        let body = |body: Value| server.operate("POST", path, Some(body));
        body(json!({"more_ms": 60_000, "reason": " "})).is_problem("invalid_request");
        body(json!({"more_ms": 60_000})).is_problem("invalid_request");
        body(json!({"more_ms": -1, "reason": "x"})).is_problem("invalid_request");
        body(json!({"more_ms": 1, "until": 2, "reason": "x"})).is_problem("invalid_request");
    }
    extend(&server, "/admin/v1/campaigns/none/extend", 60_000).is_problem("not_found");
    extend(&server, "/admin/v1/reservations/none/extend", 60_000).is_problem("not_found");
    for _ in 0..6 {
        assert_eq!(extend(&server, &one, 86_400_000).status, 200);
    }
    extend(&server, &one, 86_400_000).is_problem("invalid_request");
    ask("DELETE", &format!("/v1/reservations/{id}")).buyer("ann").to(server.public);
    extend(&server, &one, 60_000).is_problem("already_final");
}
