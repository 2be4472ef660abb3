//! `onrush demo --page`: both pages are there, with a crowd at the door, before the sale begins.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// The demo, killed at the end. Its server ends by itself: it watches its standard input.
struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(address: &str, path: &str, headers: &str) -> String {
    ask(address, &format!("GET {path}"), headers, "")
}

fn post(address: &str, path: &str, body: &str) -> String {
    ask(address, &format!("POST {path}"), "content-type: application/json\r\n", body)
}

fn ask(address: &str, what: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = body.len();
    write!(
        stream,
        "{what} HTTP/1.1\r\nhost: {address}\r\n{headers}content-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
    .expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}

fn json(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"))
}

#[test]
fn both_pages_are_there_with_a_crowd_at_the_door() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_onrush"))
        .args(["demo", "--units", "10", "--buyers", "60", "--hold", "1s", "--no-kill", "--page"])
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let _demo = Demo(child);
    let mut said = Vec::new();
    for line in lines.map_while(Result::ok) {
        let is_last = line.contains("people at the door");
        said.push(line);
        if is_last {
            break;
        }
    }
    let after = |start: &str| {
        let found = said.iter().find_map(|line| line.trim().strip_prefix(start));
        found.unwrap_or_else(|| panic!("no {start:?} in {said:?}")).to_owned()
    };
    let page = after("Join a sale by hand: http://");
    let console = after("Steer it (the link is good once): http://");
    let (public, path) = page.split_once('/').expect("a path");
    let shown = get(public, &format!("/{path}"), "accept-language: en\r\n");
    assert!(shown.starts_with("HTTP/1.1 200") && shown.contains("Onrush demo"), "{shown}");
    let (admin, path) = console.split_once('/').expect("a path");
    let path = path.split('#').next().expect("a path");
    assert!(get(admin, &format!("/{path}"), "").starts_with("HTTP/1.1 200"));
    let (_, code) = console.split_once("#once=").expect("a code");
    let visit = json(&post(admin, "/admin/v1/sign-in", &format!(r#"{{"code":"{code}"}}"#)));
    let bearer = format!("authorization: Bearer {}\r\n", visit["token"].as_str().expect("a token"));
    // The crowd joins at once; whoever looks sees it, well before the sale begins.
    loop {
        let line = json(&get(admin, "/admin/v1/campaigns/door/line", &bearer));
        if line["joined"].as_u64().expect("a count") >= 80 {
            break;
        }
        std::thread::yield_now();
    }
    // Counted as they are answered, which is after they are in line.
    let joined = |row: &Value| row["joined"].as_u64().expect("a count");
    let by_link = loop {
        let funnel = json(&get(admin, "/admin/v1/campaigns/door/funnel", &bearer));
        let rows = funnel["sources"].as_array().expect("rows").clone();
        if rows.iter().map(joined).sum::<u64>() >= 80 {
            break rows.iter().filter(|row| row["touchpoint"] != "").map(joined).sum::<u64>();
        }
        std::thread::yield_now();
    };
    assert_eq!(by_link, 54, "two of three came by a link");
    let campaign = json(&get(public, "/v1/campaigns/door", ""));
    let phase = campaign["phase"].as_str().expect("a word");
    assert!(matches!(phase, "preheat" | "open"), "there is time to join: {campaign}");
}
