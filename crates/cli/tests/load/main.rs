//! `onrush load` against a real server and against wrong ones: exit codes, the result, the report.

mod double;
mod schema;

use double::{Bug, SUPPLY, TARGET, shop};
use onrush_load::admin::put_campaign;
use onrush_load::client::Client;
use onrush_load::run::block_on;
use onrush_load::server::{Launch, Server};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn onrush(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onrush"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn result(output: &Output) -> Value {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}\n{err}"))
}

fn server(home: &Path, supply: u32) -> Server {
    let program = env!("CARGO_BIN_EXE_onrush").into();
    let launch = Launch { program, home: home.to_owned(), supply, limit: 1, hold_ms: 1_000 };
    let server = launch.start(None).expect("it starts");
    std::fs::write(home.join("token"), &server.token).expect("written");
    server
}

fn result_schema() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/load-result.schema.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("the schema")).expect("JSON")
}

#[test]
fn a_crowd_with_bots_is_played_checked_and_reported() {
    let home = tempfile::tempdir().expect("a folder");
    let server = server(home.path(), 120);
    let (public, admin) = (server.public.to_string(), server.admin.to_string());
    let output = onrush(
        home.path(),
        &[
            "load",
            &public,
            "--admin",
            &admin,
            "--admin-token-file",
            "token",
            "--rate",
            "300",
            "--duration",
            "2s",
            "--ramp",
            "1s",
            "--warm-up",
            "500ms",
            "--seed",
            "1",
            "--crowd",
            "bots",
            "--think",
            "100ms",
            "--settle",
            "--drain",
            "60s",
            "--slo",
            "errors<50%",
            "--slo",
            "rate>1",
            "--report",
            "report.html",
            "--json",
        ],
    );
    let value = result(&output);
    assert_eq!(code(&output), 0, "{value:#}\n{}", text(&output.stderr));
    assert_eq!(schema::faults(&result_schema(), &value), [""; 0]);
    assert_eq!((&value["holds"], &value["figures"]["arrived"]), (&true.into(), &450.into()));
    assert!(value["figures"]["holds"].as_u64() >= Some(120));
    let checks = value["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|check| check["name"] == "units leaked"), "{checks:?}");
    assert!(checks.iter().any(|c| c["promise"] == "INV-4" && c["what"] == "holds"), "{checks:?}");
    let bots =
        value["crowd"].as_array().expect("a crowd").iter().filter(|part| part["bot"] == true);
    assert_eq!(bots.count(), 4);
    assert!(value["load"]["cpu_us_per_request"].as_f64() > Some(0.0));

    let report = std::fs::read_to_string(home.path().join("report.html")).expect("the report");
    for outside in ["http://", "https://", "src=", "href=", "url(", "@import", "<script"] {
        assert!(!report.contains(outside), "{outside} in the report");
    }
    for part in
        ["<svg", "Latency by share of requests", "units oversold", "@media print", "Bots were"]
    {
        assert!(report.contains(part), "{part} is missing");
    }
    server.stop().expect("it stops");
}

#[test]
fn the_capacity_of_a_server_is_searched_between_two_rates() {
    let home = tempfile::tempdir().expect("a folder");
    let server = server(home.path(), 1_000_000);
    let public = server.public.to_string();
    let base = ["load", &public, "--rate", "50", "--rate-max", "100", "--step", "500ms"];
    let easy = ["--find-capacity", "--slo", "p99<60s", "--json"];
    let output = onrush(home.path(), &[&base[..], &easy].concat());
    let value = result(&output);
    assert_eq!(schema::faults(&result_schema(), &value), [""; 0]);
    assert_eq!(value["capacity"]["rate"], 100.0, "{}", value["capacity"]);
    assert_eq!(value["capacity"]["breaks_at"], Value::Null);
    assert_eq!(code(&output), 0);
    let never = ["--find-capacity", "--slo", "p99<0us", "--json"];
    let output = onrush(home.path(), &[&base[..], &never].concat());
    let value = result(&output);
    assert_eq!((code(&output), &value["capacity"]["rate"]), (3, &0.0.into()));
    server.stop().expect("it stops");
}

/// Make a campaign with a waiting line that is open.
fn with_line(server: &Server, campaign: &str, supply: u32) {
    let body = json!({
        "opens_at": "2026-01-01T00:00:00Z", "closes_at": "2100-01-01T00:00:00Z",
        "skus": [{"sku": "unit", "price": 100, "supply": supply}],
        "line": {"outflow": {"per_second": 500}},
    });
    let made = block_on(async {
        let client = Client::new(server.admin, 1, Duration::from_secs(20));
        client.set_token(&server.token).expect("a token");
        put_campaign(&client, campaign, &body).await
    });
    made.expect("a runtime").expect("it is made");
}

#[test]
fn a_crowd_waits_in_a_real_line_and_nobody_is_passed() {
    let home = tempfile::tempdir().expect("a folder");
    let server = server(home.path(), 1);
    let (public, admin) = (server.public.to_string(), server.admin.to_string());
    // Who listens hears at once that all is sold; who polls may look up to a minute later.
    for (line, campaign, supply) in
        [("auto", "one", 60), ("poll", "two", 60), ("listen", "three", 30)]
    {
        with_line(&server, campaign, supply);
        let output = onrush(
            home.path(),
            &[
                "load",
                &public,
                "--admin",
                &admin,
                "--admin-token-file",
                "token",
                "--campaign",
                campaign,
                "--line",
                line,
                "--rate",
                "100",
                "--duration",
                "500ms",
                "--think",
                "20ms",
                "--json",
            ],
        );
        let value = result(&output);
        assert_eq!(code(&output), 0, "{line}: {value:#}");
        assert_eq!(schema::faults(&result_schema(), &value), [""; 0]);
        let queue = &value["line"];
        assert_eq!(
            (&queue["joined"], &queue["left"]),
            (&50.into(), &0.into()),
            "{line}: {value:#}"
        );
        assert_eq!(value["figures"]["sales"], supply.min(50), "{line}: {value:#}");
        assert_eq!(queue["events"].as_u64() > Some(0), line == "listen", "{queue}");
        let checks = value["checks"].to_string();
        assert!(checks.contains("tickets ahead of earlier ones"), "{checks}");
    }
    server.stop().expect("it stops");
}

#[test]
fn recorded_arrivals_are_played_compressed() {
    let home = tempfile::tempdir().expect("a folder");
    let server = server(home.path(), 10);
    let public = server.public.to_string();
    let minutes = (0..30).map(|n| format!("{n},2011-12-05 09:{:02}:00\n", n / 2));
    let trace = "invoice,time\n".to_owned() + &minutes.collect::<String>();
    std::fs::write(home.path().join("day.csv"), trace).expect("written");
    let args = ["load", &public, "--trace", "day.csv", "--duration", "500ms", "--json"];
    let value = result(&onrush(home.path(), &args));
    assert_eq!(
        (&value["figures"]["arrived"], &value["figures"]["holds"]),
        (&30.into(), &10.into())
    );
    assert!(value["notes"].to_string().contains("exact to 60 s"), "{}", value["notes"]);
    server.stop().expect("it stops");
}

#[test]
fn a_wrong_server_is_exit_code_3_and_a_right_one_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("shop.toml"), TARGET).expect("written");
    for (bug, crowd, broken) in [
        (Bug::None, "mixed", None),
        (Bug::Oversells, "plain", Some("units oversold")),
        (Bug::Forgets, "plain", Some("acknowledged units lost")),
        (Bug::Doubles, "double-clicks", Some("reservations doubled")),
        (Bug::NoLimit, "grabs", Some("buyers over their limit")),
    ] {
        let addr = shop(bug).to_string();
        let output = onrush(
            dir.path(),
            &[
                "load",
                &addr,
                "--target",
                "shop.toml",
                "--limit",
                "1",
                "--seed",
                "1",
                "--rate",
                "400",
                "--duration",
                "250ms",
                "--connections",
                "8",
                "--crowd",
                crowd,
                "--think",
                "1ms",
                "--json",
            ],
        );
        let value = result(&output);
        assert_eq!(schema::faults(&result_schema(), &value), [""; 0]);
        assert_eq!(code(&output), if broken.is_some() { 3 } else { 0 }, "{bug:?}: {value:#}");
        let found: Vec<&str> = value["checks"]
            .as_array()
            .expect("checks")
            .iter()
            .filter(|check| check["violations"] != 0)
            .filter_map(|check| check["name"].as_str())
            .collect();
        assert_eq!(found.contains(&broken.unwrap_or("")), broken.is_some(), "{bug:?}: {found:?}");
        assert_eq!(value["settings"]["target"], "a shop of a few lines");
        if bug == Bug::None {
            assert_eq!(value["figures"]["holds"], SUPPLY);
        }
    }
}

#[test]
fn a_server_whose_journal_goes_backwards_is_caught_without_an_admin_token() {
    let dir = tempfile::tempdir().expect("a folder");
    for (bug, exit) in [(Bug::None, 0), (Bug::Inverts, 3)] {
        let addr = shop(bug).to_string();
        // One connection: each request is sent after the answer before it.
        let output = onrush(
            dir.path(),
            &[
                "load",
                &addr,
                "--rate",
                "500",
                "--duration",
                "200ms",
                "--connections",
                "1",
                "--json",
            ],
        );
        assert_eq!(code(&output), exit, "{:#}", result(&output));
    }
}

#[test]
fn bad_input_is_named_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a folder");
    let write =
        |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
    write("typo.toml", "name = 'x'\n[reserve]\npath = '/r'\nbody = '{byer}'\n");
    write("bad.csv", "at\n1\nx\n");
    let addr = shop(Bug::None).to_string();
    for (args, exit, says) in [
        (&["--slo", "p98<5ms"][..], 2, "p99.9"),
        (&["--crowd", "buyers"], 2, "double-clicks"),
        (&["--find-capacity"], 2, "--slo"),
        (&["--rate", "ten"], 2, "10k"),
        (&["--ramp", "20s"], 2, "--duration"),
        (&["--target", "nowhere.toml"], 1, "nowhere.toml"),
        (&["--target", "typo.toml"], 1, "{buyer}"),
        (&["--trace", "bad.csv"], 1, "line 3"),
        (&["--server-pid", "4294967295"], 1, "is it the server"),
    ] {
        let output = onrush(dir.path(), &[&["load", &addr], args].concat());
        let said = text(&output.stderr);
        assert_eq!(code(&output), exit, "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}
