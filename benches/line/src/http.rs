//! A look at a ticket over HTTP against a bare hyper "hello": the same core, the same load, the same
//! run.
//!
//! Each server is a process of its own on core 0; 64 keep-alive connections ask from core 1, one
//! request at a time each. Rounds alternate, so that a drift of the machine meets all of them.

use crate::server::{Measured, Server, compared, pin_to};
use crate::{Row, Setup, client, hello};
use onrush::{DurationMs, Engine};
use onrush_gateway::config::{LineBody, OutflowBody};
use onrush_gateway::{Config, serve};
use std::net::SocketAddr;
use std::path::Path;

const ROUNDS: usize = 7;
const REQUESTS: u32 = 150_000;
const PEOPLE: u32 = 50_000;

/// Measure looks that find news and looks that find none.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let bare = Server::start(&["hello"]);
    let line = Server::start(&["line", &dir.path().to_string_lossy()]);
    pin_to(1);
    let (plain, known) = looks(line.addr);
    let (mut news, mut none) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (hello, poll) =
            (bare.measure(&plain, REQUESTS, "200"), line.measure(&plain, REQUESTS, "200"));
        news.push((poll, hello));
        let (hello, poll) =
            (bare.measure(&known, REQUESTS, "200"), line.measure(&known, REQUESTS, "304"));
        none.push((poll, hello));
    }
    vec![
        row("poll over HTTP ÷ bare hyper hello, one server core", "≥ 0.9 ×", &news),
        row("the same, nothing new (304)", "≥ 0.9 ×", &none),
    ]
}

/// Let people join, and return their looks: plain, and with the entity tag of the present answer.
fn looks(addr: SocketAddr) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let join = |n: u32| {
        let head = "POST /v1/campaigns/demo/tickets HTTP/1.1\r\nhost: localhost\r\n\
                    content-length: 0\r\n";
        format!("{head}x-onrush-buyer: buyer-{n}\r\n\r\n").into_bytes()
    };
    let joins: Vec<Vec<u8>> = (0..PEOPLE).map(join).collect();
    let tickets = client::ask(addr, &joins, PEOPLE, true);
    let paths: Vec<String> = tickets
        .iter()
        .map(|answer| format!("/v1/campaigns/demo/tickets/{}", text(answer, "\"ticket\":\"")))
        .collect();
    let look = |path: &String, more: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n").into_bytes()
    };
    let plain: Vec<Vec<u8>> = paths.iter().map(|path| look(path, "")).collect();
    // One connection at a time answers in the order of the requests; the path is in neither, so each
    // is asked by itself.
    let known = paths.iter().take(2_000).map(|path| {
        let answer = client::ask(addr, &[look(path, "")], 1, true).remove(0);
        let tag = text(&answer, "etag: \"");
        look(path, &format!("if-none-match: \"{tag}\"\r\n"))
    });
    let known = known.collect();
    (plain, known)
}

/// Return what stands after `mark` up to the next quote.
fn text(answer: &str, mark: &str) -> String {
    let at = answer.find(mark).unwrap_or_else(|| panic!("no {mark} in {answer}")) + mark.len();
    answer[at..].split('"').next().expect("the rest").to_owned()
}

fn row(what: &str, target: &'static str, rounds: &[(Measured, Measured)]) -> Row {
    let (ratio, measured) = compared(rounds);
    Row { what: what.to_owned(), target, measured, reached: ratio >= 0.9 }
}

/// Be one of the servers: `hello`, or `line FOLDER`. Does not return.
pub(crate) fn be_server(args: &[String]) -> ! {
    pin_to(0);
    match args {
        [name] if name == "hello" => hello::serve(),
        [name, folder] if name == "line" => be_line(Path::new(folder)),
        other => panic!("no such server: {other:?}"),
    }
}

/// Serve a sale in which nearly everybody waits.
fn be_line(folder: &Path) -> ! {
    let mut config = Config::dev(10, 1, DurationMs::from_secs(3_600));
    config.server.workers = 1;
    config.listen.public = "127.0.0.1:0".parse().expect("address");
    config.listen.admin = "127.0.0.1:0".parse().expect("address");
    let outflow = OutflowBody { per_second: Some(1), inside: Some(1), ..OutflowBody::default() };
    config.campaigns[0].line = Some(LineBody { outflow, ..LineBody::default() });
    let engine = Engine::open(folder, onrush::Options::default()).expect("open");
    let running = serve(&config, engine, std::future::pending()).expect("serve");
    println!("{}", running.public_addr);
    running.wait().expect("served");
    std::process::exit(0)
}
