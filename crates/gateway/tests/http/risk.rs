//! Risk over real sockets: who is asked, what an answer opens, what a cluster may have, and that
//! nothing raw is kept.

use crate::client::{Answer, Ask, ask};
use crate::log;
use crate::queue::with_line;
use crate::server::{Server, file, reserve};
use onrush_gateway::Config;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

pub(crate) fn watched(config: &mut Config, dir: &Path) {
    config.dev = true;
    config.risk.enabled = true;
    config.side = Some(dir.join("side"));
}

fn server() -> Server {
    let server = Server::start(watched);
    server.open_campaign("drop", 10, 2);
    server
}

/// Send what a browser sends.
pub(crate) fn browser(ask: Ask) -> Ask {
    ask.header("user-agent", AGENT)
        .header("accept", "*/*")
        .header("accept-language", "en")
        .header("accept-encoding", "gzip")
        .header("origin", "https://shop.example")
        .header("sec-fetch-site", "same-origin")
}

pub(crate) fn challenge(server: &Server, buyer: &str, body: Value) -> Answer {
    ask("POST", "/v1/campaigns/drop/challenges").buyer(buyer).json(&body).to(server.public)
}

/// Wait a challenge out, and return the proof.
fn waited(server: &Server, buyer: &str) -> String {
    let issued = challenge(server, buyer, json!({"kind": "wait", "level": 1}));
    assert_eq!(issued.status, 201, "{}", String::from_utf8_lossy(&issued.body));
    let answer = json!({"challenge": issued.text("challenge"), "answer": ""});
    let early = challenge(server, buyer, answer.clone()).is_problem("challenge_required");
    assert!(early["detail"].as_str().expect("text").contains("5000 ms"), "{early}");
    server.clock.advance(5_000);
    let passed = challenge(server, buyer, answer);
    assert_eq!(passed.status, 200, "{}", String::from_utf8_lossy(&passed.body));
    passed.text("proof")
}

pub(crate) fn with_proof(server: &Server, buyer: &str, key: &str, proof: &str) -> Answer {
    reserve("drop").buyer(buyer).key(key).header("onrush-proof", proof).to(server.public)
}

#[test]
fn a_browser_is_let_through_and_a_loop_is_asked() {
    let server = server();
    let seen = browser(reserve("drop").buyer("ann").key("k1")).to(server.public);
    assert_eq!(seen.status, 201, "{}", String::from_utf8_lossy(&seen.body));
    let asked = server.reserve("drop", "bot", "k1").is_problem("challenge_required");
    assert!(asked["detail"].as_str().expect("text").contains("/challenges"), "{asked}");
    assert_eq!(server.units("drop"), (9, 1), "nothing was taken");
    let shown = server.operate("GET", "/admin/v1/campaigns/drop/risk", None).json();
    assert_eq!(
        (&shown["actions"]["admit"], &shown["actions"]["challenge"]),
        (&json!(1), &json!(1))
    );
    let reasons = &shown["recent"][0]["reasons"];
    assert_eq!(reasons[0]["signal"], "agent_tool", "{shown}");
    assert_eq!(shown["model"]["name"], "scorecard");
}

#[test]
fn a_back_end_is_not_looked_at() {
    let server = server();
    let body = json!({"sku": "unit", "buyer": "ann"});
    let path = "/v1/campaigns/drop/reservations";
    let answer = ask("POST", path).bearer(&server.token).key("k1").json(&body).to(server.public);
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
}

#[test]
fn a_proof_opens_once_for_its_owner() {
    let server = server();
    let proof = waited(&server, "ann");
    with_proof(&server, "bob", "k1", &proof).is_problem("refused_risk");
    with_proof(&server, "bob", "k2", "00").is_problem("challenge_required");
    assert_eq!(with_proof(&server, "ann", "k1", &proof).status, 201);
    with_proof(&server, "ann", "k2", &proof).is_problem("challenge_required");
    assert_eq!(server.reserve("drop", "ann", "k1").status, 200, "a repeat is not asked");
    let shown = server.operate("GET", "/admin/v1/campaigns/drop/risk", None).json();
    assert_eq!(shown["recent"][1]["proof"], Value::Null);
    let refused = shown["recent"].as_array().expect("a list").iter();
    let refused: Vec<_> = refused.filter(|noted| noted["action"] == "refuse").collect();
    assert_eq!((refused.len(), &refused[0]["proof"]), (1, &json!("forged")));
}

#[test]
fn a_proof_whose_request_came_to_nothing_is_kept() {
    let server = Server::start(watched);
    server.open_campaign("drop", 1, 1);
    let id = browser(reserve("drop").buyer("eve").key("k")).to(server.public).text("id");
    let proof = waited(&server, "ann");
    with_proof(&server, "ann", "k1", &proof).is_problem("all_held");
    let path = format!("/v1/reservations/{id}");
    assert_eq!(ask("DELETE", &path).buyer("eve").to(server.public).status, 200);
    assert_eq!(with_proof(&server, "ann", "k2", &proof).status, 201);
}

#[test]
fn a_work_puzzle_is_found_by_trying() {
    let server = server();
    let issued = challenge(&server, "ann", json!({"kind": "work"}));
    let (token, bits) =
        (issued.text("challenge"), issued.json()["zero_bits"].as_u64().expect("bits"));
    let is_found = |n: &u32| {
        let hash = Sha256::new().chain_update(&token).chain_update(n.to_le_bytes()).finalize();
        u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]).leading_zeros()) >= bits
    };
    let found = (0u32..).find(is_found).expect("one of 2^15");
    use base64::Engine as _;
    let answer = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(found.to_le_bytes());
    let passed = challenge(&server, "ann", json!({"challenge": token, "answer": answer}));
    assert_eq!(passed.status, 200, "{}", String::from_utf8_lossy(&passed.body));
    assert_eq!(with_proof(&server, "ann", "k1", &passed.text("proof")).status, 201);
    let again = challenge(&server, "ann", json!({"challenge": token, "answer": answer}));
    again.is_problem("challenge_required");
}

#[test]
fn a_time_lock_says_what_to_square() {
    let server = server();
    let issued = challenge(&server, "ann", json!({"level": 3})).json();
    assert_eq!((&issued["kind"], &issued["squarings"]), (&json!("time_lock"), &json!(120_000)));
    assert_eq!(issued["modulus"].as_str().map(str::len), Some(171), "1,024 bits");
    let wrong = json!({"challenge": issued["challenge"], "answer": "AAAA"});
    let told = challenge(&server, "ann", wrong).is_problem("challenge_required");
    assert!(told["detail"].as_str().expect("text").contains("wrong"), "{told}");
    challenge(&server, "ann", json!({"kind": "riddle"})).is_problem("invalid_request");
    let long = json!({"challenge": "0".repeat(500)});
    challenge(&server, "ann", long).is_problem("invalid_request");
}

/// Three accounts with one device, one unit each.
fn farmed(server: &Server, n: u32, key: &str) -> Answer {
    let ask = browser(reserve("drop").buyer(&format!("farm-{n}")).key(key));
    ask.header("onrush-device", "one-device-of-a-farm").to(server.public)
}

pub(crate) fn put_policy(server: &Server, text: &str) -> Answer {
    let body = json!({"policy": text, "reason": "test"});
    server.operate("PUT", "/admin/v1/risk/policy", Some(body))
}

const CAPPED: &str = "version = 2\n[caps]\ncluster_units = 2\nunpaid_free = 0\nunpaid_costs = 1\n";

#[test]
fn a_cluster_has_a_cap_and_unpaid_holds_lower_it() {
    let server = server();
    assert_eq!(put_policy(&server, CAPPED).status, 200);
    let first = farmed(&server, 1, "k");
    assert_eq!((first.status, farmed(&server, 2, "k").status), (201, 201));
    farmed(&server, 3, "k").is_problem("limit_reached");
    // Somebody else behind the same address is not held to it.
    let other = browser(reserve("drop").buyer("ann").key("k")).to(server.public);
    assert_eq!(other.status, 201);
    // Both expire unpaid: what the cluster may have falls to one, and its hold is a quarter as long.
    server.clock.advance(300_000);
    while server.units("drop") != (10, 0) {
        assert_eq!(server.operate("GET", "/admin/v1/campaigns", None).status, 200);
    }
    let held = loop {
        let answer = farmed(&server, 4, "k");
        assert!(
            matches!(answer.status, 201 | 200 | 409),
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let shown = server.operate("GET", "/admin/v1/campaigns/drop/risk", None).json();
        if answer.status == 201 {
            break (answer, shown);
        }
    };
    farmed(&server, 5, "k").is_problem("limit_reached");
    assert!(held.1["capped"].as_u64() >= Some(1));
}

#[test]
fn a_policy_needs_a_reason_a_new_version_and_survives() {
    let server = server();
    put_policy(&server, "version = 1").is_problem("invalid_request");
    put_policy(&server, "version = 2\n[[rules]]\naction = \"refuse\"")
        .is_problem("invalid_request");
    let body = json!({"policy": CAPPED, "reason": " "});
    server.operate("PUT", "/admin/v1/risk/policy", Some(body)).is_problem("invalid_request");
    assert_eq!(put_policy(&server, CAPPED).json()["version"], 2);
    let audit = std::fs::read_to_string(server.file("side/risk/audit.jsonl")).expect("an audit");
    assert!(audit.contains("policy 2") && audit.contains("test"), "{audit}");
    let server = server.restart(watched);
    let shown = server.operate("GET", "/admin/v1/risk/policy", None).json();
    assert_eq!(shown["version"], 2);
    assert!(shown["policy"].as_str().expect("text").contains("cluster_units = 2"));
}

/// Everybody whose device is unknown is a program, says this model.
pub(crate) const MODEL: &str = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nobjective=binary sigmoid:1\n\
     feature_names=device_absent\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\n\
     split_gain=1\nthreshold=0.5\ndecision_type=0\nleft_child=-1\nright_child=-2\n\
     leaf_value=-9 9\n\nend of trees\n";

#[test]
fn a_model_is_put_in_force_without_a_pause() {
    let server = server();
    let put = |query: &str, body: &str| {
        let path = format!("/admin/v1/risk/model?{query}");
        ask("PUT", &path).bearer(&server.token).body(body.as_bytes()).to(server.admin)
    };
    put("reason=test", "tree").is_problem("invalid_request");
    put("", MODEL).is_problem("invalid_request");
    let seen = |buyer: &str| browser(reserve("drop").buyer(buyer).key("k")).to(server.public);
    let shadow = put("reason=test&shadow=true", MODEL);
    assert_eq!((shadow.status, shadow.json()["trees"].clone()), (200, json!(1)));
    assert_eq!(seen("ann").status, 201, "a shadow only records");
    assert_eq!(put("reason=test", MODEL).status, 200);
    seen("bob").is_problem("challenge_required");
    let shown = server.operate("GET", "/admin/v1/campaigns/drop/risk", None).json();
    assert_eq!(
        (&shown["model"]["name"], &shown["model"]["shadows"]),
        (&json!("uploaded"), &json!(1))
    );
    assert_eq!(shown["shadow_differs"], 1);
}

#[test]
fn who_waits_a_challenge_out_joins_with_less_weight() {
    let server = Server::start(|config, dir| {
        watched(config, dir);
        config.identity.groups = vec!["nobody".to_owned()];
    });
    let later = json!({"name": "later", "groups": ["nobody"], "weight": 1});
    let tiers = json!([{"name": "everyone", "weight": 4}, later]);
    with_line(&server, 1, json!({"tiers": tiers}));
    let join = |buyer: &str| ask("POST", "/v1/campaigns/drop/tickets").buyer(buyer);
    join("bot").to(server.public).is_problem("challenge_required");
    let proof = waited(&server, "bot");
    let light = join("bot").header("onrush-proof", &proof).to(server.public);
    assert_eq!((light.status, light.text("tier").as_str()), (201, "later"));
    let person = browser(join("ann")).to(server.public);
    assert_eq!((person.status, person.text("tier").as_str()), (201, "everyone"));
}

/// Everything a request carries that names somebody is looked for in every file that is left.
#[test]
fn nothing_raw_is_kept() {
    log::capture();
    let canaries =
        ["203.0.113.77", "canary-device-0001", "canary-buyer", "canary-card", "canary-phone"];
    let mut server = Server::start(|config, dir| {
        watched(config, dir);
        config.risk.record = true;
        config.risk.payment_header = Some("x-card".to_owned());
        config.risk.phone_header = Some("x-phone".to_owned());
        config.listen.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        file(dir, "marker", "canary-marker");
    });
    server.open_campaign("drop", 10, 2);
    for key in ["k1", "k2"] {
        let answer = browser(reserve("drop").buyer("canary-buyer").key(key))
            .header("x-forwarded-for", "203.0.113.77")
            .header("onrush-device", "canary-device-0001")
            .header("x-card", "canary-card")
            .header("x-phone", "canary-phone")
            .to(server.public);
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    }
    // Who is refused is not written down either.
    let path = "/v1/reservations/canary-device-0001";
    let stranger = ask("GET", path).bearer("canary-card").header("x-forwarded-for", "203.0.113.77");
    stranger.to(server.public).is_problem("unauthenticated");
    let shown = server.operate("GET", "/admin/v1/campaigns/drop/risk", None);
    let entities = shown.json()["sketches"]["entities"].as_u64();
    assert_eq!(entities, Some(5), "account, address, device, card and phone were seen");
    server.halt();
    let mut files = 0;
    let mut recorded = 0;
    let mut open = vec![server.folder().to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("a file");
            let has = |text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
            if path.extension().is_some_and(|e| e == "risk") {
                recorded = onrush_risk::recording::read(&bytes).expect("a recording").len();
            }
            files += usize::from(has("canary-marker"));
            for canary in canaries {
                assert!(!has(canary), "{canary} in {}", path.display());
            }
        }
    }
    assert_eq!(files, 1, "the search finds what is there");
    let lines = log::lines();
    assert!(lines.iter().any(|line| line.contains("refused")), "the stranger was noted");
    for canary in canaries {
        let told: Vec<_> = lines.iter().filter(|line| line.contains(canary)).collect();
        assert!(told.is_empty(), "{canary} in {told:?}");
    }
    assert_eq!(recorded, 2);
}
