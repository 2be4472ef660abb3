//! Who may join, and as what: groups, invite lists, a hook that answers, refuses, fails or sleeps.

use crate::client::{Answer, Connection, ask};
use crate::queue::{figure, join, with_line};
use crate::server::{Server, file};
use onrush_gateway::config::InviteListSection;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

fn name(text: &str) -> onrush::Name {
    onrush::Name::new(text).expect("name")
}

/// A server that knows a group and a list.
fn server() -> Server {
    Server::start(|config, dir| {
        config.dev = true;
        config.identity.groups = vec!["gold".to_owned(), "silver".to_owned()];
        let list = "# who was asked\n\n  vera \nviktor\n";
        let file = file(dir, "vip.txt", list);
        config.invite_lists.push(InviteListSection { name: name("vip"), file });
    })
}

fn join_as(server: &Server, buyer: &str, groups: &[&str]) -> Answer {
    let body = json!({"buyer": buyer, "groups": groups});
    let request = ask("POST", "/v1/campaigns/drop/tickets").bearer(&server.token).json(&body);
    request.to(server.public)
}

#[test]
fn groups_and_lists_make_tiers() {
    let server = server();
    let tiers = json!([
        {"name": "gold", "groups": ["gold"], "weight": 5},
        {"name": "everybody", "after": "10m"},
        {"name": "asked", "invites": "vip", "weight": 2},
    ]);
    with_line(&server, 1, json!({"tiers": tiers}));
    let seen = |answer: Answer| {
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        (answer.text("tier"), answer.json()["class"].clone(), answer.json()["lane"].clone())
    };
    assert_eq!(seen(join(&server, "ann")), ("everybody".to_owned(), json!(0), json!(1)));
    assert_eq!(seen(join(&server, "vera")), ("asked".to_owned(), json!(2), json!(0)));
    let gold = seen(join_as(&server, "gus", &["gold"]));
    assert_eq!(gold, ("gold".to_owned(), json!(1), json!(0)));
    assert_eq!(seen(join_as(&server, "sam", &["silver", "?"])).0, "everybody");
    assert_eq!(seen(join_as(&server, "viktor", &["gold"])).0, "gold", "the heavier one");
}

#[test]
fn an_invited_sale_tells_others_what_to_do_and_lists_are_read_again() {
    let server = server();
    let tiers = json!([{"name": "asked", "invites": "vip"}]);
    with_line(&server, 1, json!({"tiers": tiers, "invite_only": true}));
    let refused = join(&server, "ann").is_problem("not_eligible");
    assert!(refused["detail"].as_str().expect("text").contains("invit"), "{refused}");
    assert_eq!(join(&server, "vera").status, 201);
    let list = server.file("vip.txt");
    std::fs::write(&list, "ann\n").expect("write");
    // A file's time is coarse; the list was read in this same moment.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(10);
    std::fs::File::options()
        .append(true)
        .open(&list)
        .and_then(|f| f.set_modified(later))
        .expect("time");
    server.running().gateway().refresh_invites();
    assert_eq!(join(&server, "ann").status, 201);
    join(&server, "viktor").is_problem("not_eligible");
    assert_eq!(join(&server, "vera").status, 200, "who has a place keeps it");
    assert_eq!(figure(&server, "onrush_line_not_eligible_total"), 2);
}

/// A service that gives these answers in turn, and hands over what it was asked.
pub(crate) fn service(answers: &[&str]) -> (SocketAddr, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let addr = listener.local_addr().expect("address");
    let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
    let (send, asked) = channel();
    std::thread::spawn(move || {
        // Connections without an answer are kept open: their askers wait until they give up.
        let mut kept = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().expect("accept");
            let seen = read_request(&stream);
            if send.send(seen).is_err() {
                return;
            }
            let _ = (&stream).write_all(answer.as_bytes());
            if answer.is_empty() {
                kept.push(stream);
            }
        }
    });
    (addr, asked)
}

fn read_request(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (head, String::from_utf8(body).expect("UTF-8"))
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn with_hook(server: &Server, addr: SocketAddr, on_failure: &str) {
    let tiers = json!([{"name": "all"}, {"name": "gold", "groups": ["gold"]}]);
    let hook = json!({"url": format!("http://{addr}/may?x=1"), "deadline": "2s",
        "on_failure": on_failure});
    with_line(server, 1, json!({"tiers": tiers, "eligibility": hook}));
}

#[test]
fn a_hook_is_asked_once_and_decides() {
    let server = server();
    let answers = [
        ok(r#"{"eligible": true}"#),
        ok(r#"{"eligible": false}"#),
        ok(r#"{"eligible": true, "tier": "gold"}"#),
    ];
    let answers: Vec<&str> = answers.iter().map(String::as_str).collect();
    let (addr, asked) = service(&answers);
    with_hook(&server, addr, "refuse");
    assert_eq!(join_as(&server, "ann", &[]).status, 201);
    let (head, body) = asked.recv().expect("asked");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert!(head.starts_with("POST /may?x=1 HTTP/1.1\r\n"), "{head}");
    let campaign = server.engine.campaign("drop").expect("campaign");
    let pseudonym = server.engine.pseudonym(&campaign, server.engine.buyer("ann"));
    let pseudonym = pseudonym.expect("a line").to_string();
    assert_eq!(
        body,
        json!({"campaign": "drop", "buyer": "ann", "tier": "all", "pseudonym": pseudonym})
    );
    assert_eq!(join_as(&server, "ann", &[]).status, 200, "and not asked again");
    join_as(&server, "ben", &[]).is_problem("not_eligible");
    assert_eq!(join_as(&server, "cat", &[]).text("tier"), "gold");
    assert_eq!(asked.iter().take(2).count(), 2);
}

#[test]
fn a_hook_that_fails_counts_as_was_said() {
    let server = server();
    let error = "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n";
    let not_json = ok("yes");
    let huge = ok(&format!("{{\"eligible\": true, \"x\": \"{}\"}}", "x".repeat(5_000)));
    let (addr, asked) = service(&[error, &not_json, &huge, "nonsense\r\n\r\n"]);
    with_hook(&server, addr, "refuse");
    for buyer in ["ann", "ben", "cat", "dan"] {
        let refused = join(&server, buyer).is_problem("overloaded");
        assert!(refused["retry_after_ms"].as_u64() >= Some(3_000), "{refused}");
    }
    assert_eq!(asked.iter().count(), 4);
    // Now nobody listens there.
    join(&server, "eve").is_problem("overloaded");
    with_hook(&server, addr, "admit");
    assert_eq!(join(&server, "eve").status, 201);
    assert_eq!(figure(&server, "onrush_line_hook_failures_total"), 6);
}

#[test]
fn a_hook_that_sleeps_is_not_waited_for_and_holds_nobody_up() {
    let server = server();
    let (addr, asked) = service(&["", ""]);
    let hook =
        json!({"url": format!("http://{addr}/"), "deadline": "200ms", "on_failure": "admit"});
    with_line(&server, 1, json!({"eligibility": hook}));
    let mut connection = Connection::open(server.public);
    connection.send(&ask("POST", "/v1/campaigns/drop/tickets").buyer("ann").bytes());
    asked.recv().expect("asked");
    // Others are served meanwhile, on every worker.
    for _ in 0..4 {
        assert_eq!(ask("GET", "/v1/time").to(server.public).status, 200);
    }
    assert_eq!(connection.answer().expect("an answer").status, 201);
    drop(asked);
}
