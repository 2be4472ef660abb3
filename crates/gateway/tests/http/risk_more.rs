//! Risk with others: outside challenges, payment instruments, tokens that tell ages, what Prometheus
//! sees, and what is kept over a restart.

use crate::client::{Answer, ask};
use crate::line_eligible::{ok, service};
use crate::queue::figure;
use crate::risk::{MODEL, browser, challenge, watched, with_proof};
use crate::server::{START_MS, Server, file, reserve};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use onrush_gateway::config::{OutsideSection, Span};
use onrush_risk::recording::{RecordedRow, read};
use onrush_risk::{Signal, Signals};
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A server that knows whom to ask about outside challenges.
fn with_outside(addr: SocketAddr) -> Server {
    let server = Server::start(|config, dir| {
        watched(config, dir);
        config.risk.outside = Some(OutsideSection {
            url: format!("http://{addr}/siteverify"),
            secret_file: file(dir, "outside", "secret&1\n"),
            site_key: "page-7".to_owned(),
            deadline: Span(onrush::DurationMs(300)),
            level: 2,
        });
    });
    server.open_campaign("drop", 10, 2);
    server
}

fn outside(server: &Server, buyer: &str) -> Value {
    let issued = challenge(server, buyer, json!({"kind": "outside", "level": 3}));
    assert_eq!(issued.status, 201, "{}", String::from_utf8_lossy(&issued.body));
    issued.json()
}

fn answer(server: &Server, buyer: &str, issued: &Value, text: &str) -> Answer {
    challenge(server, buyer, json!({"challenge": issued["challenge"], "outside": text}))
}

#[test]
fn an_outside_challenge_is_judged_outside_and_opens_once() {
    let answers = [ok(r#"{"success": false}"#), ok(r#"{"success": true, "hostname": "x"}"#)];
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let (addr, asked) = service(&answers);
    let server = with_outside(addr);
    let issued = outside(&server, "ann");
    assert_eq!((&issued["kind"], &issued["site_key"]), (&json!("outside"), &json!("page-7")));
    // What is not this buyer's, or is no answer, is not asked about.
    answer(&server, "bob", &issued, "t").is_problem("challenge_required");
    answer(&server, "ann", &issued, "").is_problem("invalid_request");
    answer(&server, "ann", &issued, &"x".repeat(2_049)).is_problem("invalid_request");
    answer(&server, "ann", &issued, "no").is_problem("challenge_required");
    let passed = answer(&server, "ann", &issued, "a=b&c");
    assert_eq!(passed.status, 200, "{}", String::from_utf8_lossy(&passed.body));
    let seen: Vec<(String, String)> = asked.iter().take(2).collect();
    assert!(seen[1].0.starts_with("POST /siteverify HTTP/1.1\r\n"), "{}", seen[1].0);
    assert_eq!(seen[1].1, "secret=secret%261&response=a%3Db%26c", "and no more");
    answer(&server, "ann", &issued, "a=b&c").is_problem("challenge_required");
    assert_eq!(with_proof(&server, "ann", "k1", &passed.text("proof")).status, 201);
    with_proof(&server, "ann", "k2", &passed.text("proof")).is_problem("challenge_required");
}

#[test]
fn an_outside_challenge_is_no_way_around_its_judge() {
    let (addr, _asked) = service(&[]);
    let server = with_outside(addr);
    let issued = outside(&server, "ann");
    let own = json!({"challenge": issued["challenge"], "answer": ""});
    challenge(&server, "ann", own).is_problem("challenge_required");
    let lock = challenge(&server, "ann", json!({"kind": "time_lock"})).json();
    answer(&server, "ann", &lock, "t").is_problem("challenge_required");
}

#[test]
fn an_outside_service_that_fails_leaves_the_own_challenge() {
    let error = "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n";
    let not_json = ok("yes");
    // The third one sleeps; then nobody listens.
    let (addr, asked) = service(&[error, &not_json, ""]);
    let server = with_outside(addr);
    let issued = outside(&server, "ann");
    for _ in 0..5 {
        let told = answer(&server, "ann", &issued, "t").is_problem("challenge_required");
        assert!(told["detail"].as_str().expect("text").contains("time_lock"), "{told}");
    }
    drop(asked);
    assert_eq!(figure(&server, "onrush_risk_outside_failures_total{campaign=\"drop\"}"), 5);
    assert_eq!(outside(&server, "ann")["kind"], "time_lock", "not offered for a while");
    server.clock.advance(30_000);
    assert_eq!(outside(&server, "ann")["kind"], "outside");
}

/// A request of one of many accounts with one card.
fn with_card(server: &Server, path: &str, n: u32) -> Answer {
    let mut request = browser(ask("POST", path).buyer(&format!("card-{n}")).key("k"));
    request = request.header("onrush-device", &format!("device-{n:04}")).header("x-card", "4711");
    request.text(r#"{"sku":"unit"}"#).to(server.public)
}

#[test]
fn a_card_stands_for_some_accounts_and_not_for_many() {
    let server = Server::start(|config, dir| {
        watched(config, dir);
        config.risk.payment_header = Some("x-card".to_owned());
        config.listen.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        // Nothing but the cap is looked at.
        let policy = "version = 1\n[caps]\ncluster_units = 0\npayment_accounts = 6\n";
        config.risk.policy_file = Some(file(dir, "policy.toml", policy));
    });
    server.open_campaign("drop", 100, 2);
    let reserve = |n| with_card(&server, "/v1/campaigns/drop/reservations", n);
    for n in 0..6 {
        assert_eq!(reserve(n).status, 201, "six friends, one card");
    }
    let rest: Vec<u16> = (6..30).map(|n| reserve(n).status).collect();
    assert_eq!(rest.last(), Some(&409), "thirty accounts are no friends: {rest:?}");
    let first = rest.iter().position(|status| *status == 409).expect("one is held to the cap");
    assert!(rest[first..].iter().all(|status| *status == 409), "{rest:?}");
    assert_eq!(reserve(0).status, 200, "what was held before stays");
    let other = browser(ask("POST", "/v1/campaigns/drop/reservations").buyer("ann").key("k"));
    let other = other.header("x-card", "4712").text(r#"{"sku":"unit"}"#).to(server.public);
    assert_eq!(other.status, 201);
}

/// What was recorded of everybody, in order.
fn recorded(server: &mut Server) -> Vec<Signals> {
    server.halt();
    let folder = std::fs::read_dir(server.file("side/risk")).expect("a folder");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let file = files.filter(|path| path.extension().is_some_and(|e| e == "risk")).max();
    let rows = read(&std::fs::read(file.expect("a recording")).expect("bytes")).expect("rows");
    let decided = rows.into_iter().filter_map(|row| match row {
        RecordedRow::Decided(row) => Some(row.signals),
        _ => None,
    });
    decided.collect()
}

#[test]
fn tokens_tell_how_old_they_and_their_accounts_are() {
    const SECRET: &str = "a shared secret of more than 32 bytes";
    let mut server = Server::start(|config, dir| {
        watched(config, dir);
        config.risk.record = true;
        config.identity.issuer = Some("login".to_owned());
        config.identity.secret_file = Some(file(dir, "secret", SECRET));
        config.identity.account_claim = Some("registered".to_owned());
    });
    server.open_campaign("drop", 10, 9);
    let now = START_MS / 1_000;
    let claims = json!({"iss": "login", "sub": "ann", "exp": now + 600, "iat": now - 90,
        "registered": now - 86_400 * 10});
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let jwt = encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token");
    let reserve = |key: &str| browser(reserve("drop").key(key));
    assert_eq!(reserve("k1").bearer(&jwt).to(server.public).status, 201);
    let session = ask("POST", "/v1/sessions").bearer(&jwt).to(server.public).text("session");
    server.clock.advance(45_000);
    assert_eq!(reserve("k2").header("onrush-session", &session).to(server.public).status, 201);
    assert_eq!(reserve("k3").buyer("bob").to(server.public).status, 201);
    let ages = recorded(&mut server);
    let ages: Vec<(f32, f32)> =
        ages.iter().map(|s| (s.get(Signal::TokenAge), s.get(Signal::AccountAge))).collect();
    assert_eq!(ages, [(90.0, 10.0), (45.0, -1.0), (0.0, -1.0)]);
}

#[test]
fn figures_tell_what_was_done_and_by_which_rule() {
    let server = Server::start(watched);
    server.open_campaign("drop", 10, 2);
    assert_eq!(browser(reserve("drop").buyer("ann").key("k")).to(server.public).status, 201);
    server.reserve("drop", "bot", "k").is_problem("challenge_required");
    challenge(&server, "bot", json!({"kind": "wait"}));
    let of = |name: &str, labels: &str| {
        figure(&server, &format!("onrush_risk_{name}{{campaign=\"drop\",{labels}}}"))
    };
    assert_eq!(of("decisions_total", "action=\"admit\""), 1);
    assert_eq!(of("decisions_total", "action=\"challenge\""), 1);
    assert_eq!(of("decisions_total", "action=\"refuse\""), 0);
    assert_eq!(of("rules_total", "rule=\"1\""), 1, "rather a program than not");
    assert_eq!(of("challenges_total", "result=\"issued\""), 1);
    assert_eq!(of("challenges_total", "result=\"passed\""), 0);
    assert_eq!(figure(&server, "onrush_risk_score_duration_seconds_count"), 2);
    assert_eq!(figure(&server, "onrush_risk_fallbacks_total"), 0);
    assert_eq!(figure(&server, "onrush_risk_policy_version"), 1);
}

#[test]
fn models_put_in_force_survive_a_restart() {
    let server = Server::start(watched);
    server.open_campaign("drop", 10, 2);
    let put = |query: &str| {
        let path = format!("/admin/v1/risk/model?reason=test{query}");
        let answer = ask("PUT", &path).bearer(&server.token).body(MODEL.as_bytes());
        assert_eq!(answer.to(server.admin).status, 200);
    };
    put("");
    put("&shadow=true");
    put("&shadow=true");
    let server = server.restart(watched);
    // Whoever shows no device is a program, says the model.
    browser(reserve("drop").buyer("ann").key("k"))
        .to(server.public)
        .is_problem("challenge_required");
    let shown = server.operate("GET", "/admin/v1/campaigns/drop/risk", None).json();
    assert_eq!(
        (&shown["model"]["name"], &shown["model"]["shadows"]),
        (&json!("uploaded"), &json!(2))
    );
}

#[test]
fn a_proof_whose_join_came_to_nothing_is_kept() {
    let server = Server::start(watched);
    let body = json!({
        "preheat_at": "2026-12-01T12:05:00Z", "opens_at": "2026-12-01T12:10:00Z",
        "skus": [{"sku": "unit", "price": 100, "supply": 1}], "line": {},
    });
    server.put("drop", body);
    let issued = challenge(&server, "ann", json!({"kind": "wait"}));
    server.clock.advance(5_000);
    let answer = json!({"challenge": issued.text("challenge"), "answer": ""});
    let proof = challenge(&server, "ann", answer).text("proof");
    let join = || {
        let join = ask("POST", "/v1/campaigns/drop/tickets").buyer("ann");
        join.header("onrush-proof", &proof).to(server.public)
    };
    join().is_problem("not_open");
    server.clock.advance(300_000);
    assert_eq!(join().status, 201);
    join().is_problem("challenge_required");
}
