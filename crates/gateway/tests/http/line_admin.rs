//! Steering a line while people wait in it.

use crate::client::Answer;
use crate::queue::{UNTIL_OPEN_MS, join, serving, settled, ticket, with_line};
use crate::server::Server;
use serde_json::{Value, json};

fn operate(server: &Server, action: &str, body: Value) -> Answer {
    server.operate("POST", &format!("/admin/v1/campaigns/drop/{action}"), Some(body))
}

fn line(server: &Server) -> Value {
    server.operate("GET", "/admin/v1/campaigns/drop/line", None).json()
}

#[test]
fn the_outflow_is_changed_while_people_wait() {
    let server = Server::dev();
    with_line(&server, 50, json!({"outflow": {"inside": 1}}));
    let tickets: Vec<String> = (0..4).map(|n| ticket(&server, &format!("b-{n}"))).collect();
    server.clock.advance(UNTIL_OPEN_MS);
    serving(&server, 1);
    let seen = line(&server);
    assert_eq!((&seen["joined"], &seen["now_serving"]), (&json!(4), &json!(1)));
    assert_eq!((&seen["outstanding"], &seen["free"]), (&json!(1), &json!(50)));
    assert_eq!(seen["outflow"]["inside"], 1);
    let changed = operate(&server, "outflow", json!({"inside": 3, "reason": "the shop is idle"}));
    assert_eq!(changed.status, 200, "{}", String::from_utf8_lossy(&changed.body));
    server.clock.advance(1_000);
    serving(&server, 3);
    assert_eq!(line(&server)["now_serving"], 3);
    let states: Vec<String> =
        tickets.iter().map(|t| settled(&server, t)["state"].to_string()).collect();
    assert_eq!(states.iter().filter(|state| *state == "\"served\"").count(), 3, "{states:?}");
    for (body, says) in [
        (json!({"inside": 0, "reason": "x"}), "inside"),
        (json!({"inside": 1, "reason": " "}), "reason"),
        (json!({"inside": 1}), "reason"),
        (json!({"people": 1, "reason": "x"}), "people"),
    ] {
        let refused = operate(&server, "outflow", body).is_problem("invalid_request");
        assert!(refused["detail"].as_str().expect("text").contains(says), "{refused}");
    }
}

/// What one person was told is held against how long it took.
#[test]
fn waits_are_held_against_what_was_told() {
    let server = Server::dev();
    with_line(&server, 50, json!({"outflow": {"per_second": 1}}));
    let tickets: Vec<String> = (0..12).map(|n| ticket(&server, &format!("b-{n}"))).collect();
    let nothing =
        json!({"open": 0, "judged": 0, "within_p50": 0, "within_p90": 0, "error_ms_median": null});
    assert_eq!(line(&server)["promises"], nothing);
    server.clock.advance(UNTIL_OPEN_MS);
    let mut told = None;
    for second in 1.. {
        serving(&server, second);
        let seen = tickets.iter().map(|ticket| settled(&server, ticket));
        told = seen.filter(|seen| !seen["eta"].is_null()).max_by_key(|seen| seen["ahead"].as_u64());
        if told.is_some() || second == 11 {
            break;
        }
        server.clock.advance(1_000);
    }
    let told = told.expect("somebody was told how long it takes");
    let open = line(&server)["promises"]["open"].as_u64().expect("a number");
    assert!(open >= 1, "{told}");
    let before = line(&server)["now_serving"].as_u64().expect("a number") as u32;
    for place in before..12 {
        server.clock.advance(1_000);
        serving(&server, place + 1);
    }
    let kept = &line(&server)["promises"];
    let figure = |name: &str| kept[name].as_u64().expect("a number");
    assert_eq!((figure("open"), figure("judged")), (0, open));
    assert!(figure("within_p50") <= figure("within_p90") && figure("within_p90") <= open, "{kept}");
    assert!(kept["error_ms_median"].is_u64(), "{kept}");
    let judged = crate::queue::figure(&server, "onrush_line_eta_judged{campaign=\"drop\"}");
    assert_eq!(judged, open);
}

#[test]
fn a_ticket_is_found_by_its_number() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let ann = join(&server, "ann").json();
    let ben = ticket(&server, "ben");
    let show = |number: &str| {
        server.operate("GET", &format!("/admin/v1/campaigns/drop/tickets/{number}"), None)
    };
    let seen = show("0").json();
    assert_eq!((&seen["number"], &seen["tier"]), (&json!(0), &json!("everyone")));
    assert_eq!((&seen["state"], &seen["joined_at"]), (&json!("before_draw"), &ann["joined_at"]));
    server.clock.advance(UNTIL_OPEN_MS);
    serving(&server, 1);
    settled(&server, ann["ticket"].as_str().expect("text"));
    settled(&server, &ben);
    let states = ["0", "1"].map(|number| show(number).json());
    let served = states.iter().find(|seen| seen["state"] == "served").expect("one was called up");
    assert_eq!(
        (&served["position"], &served["pass_until"]),
        (&json!(1), &json!("2026-12-01T12:12:00.000Z"))
    );
    for number in ["2", "x", "-1", "4294967296"] {
        show(number).is_problem("not_found");
    }
}

#[test]
fn everybody_is_told_and_it_can_be_taken_back() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let anns = ticket(&server, "ann");
    let said = operate(&server, "message", json!({"text": " Ten minutes late ", "reason": "x"}));
    assert_eq!(said.json(), json!({"text": "Ten minutes late", "at": "2026-12-01T12:00:00.000Z"}));
    assert_eq!(crate::queue::poll(&server, &anns).json()["message"], "Ten minutes late");
    let back = operate(&server, "message", json!({"reason": "on time after all"}));
    assert_eq!(back.json(), json!({"text": null, "at": null}));
    assert!(crate::queue::poll(&server, &anns).json().get("message").is_none());
    let long = json!({"text": "x".repeat(501), "reason": "x"});
    operate(&server, "message", long).is_problem("invalid_request");
}

#[test]
fn a_shop_says_how_it_does() {
    let server = Server::dev();
    with_line(&server, 1_000, json!({"outflow": {"per_second": 10}}));
    ticket(&server, "ann");
    for (latency_ms, ok) in [(20, true), (9_000, true), (20, false)] {
        let report = json!({"latency_ms": latency_ms, "ok": ok});
        assert_eq!(operate(&server, "shop-health", report).status, 204);
        server.clock.advance(1_000);
    }
    let health = json!({"latency_ms": 1, "ok": "yes"});
    operate(&server, "shop-health", health).is_problem("invalid_request");
    // However badly it does, somebody is let in: nobody would find out otherwise that it is well.
    server.clock.advance(UNTIL_OPEN_MS);
    serving(&server, 1);
    server.open_campaign("plain", 1, 1);
    let body = json!({"latency_ms": 1, "ok": true});
    let path = "/admin/v1/campaigns/plain/shop-health";
    server.operate("POST", path, Some(body)).is_problem("not_found");
}
