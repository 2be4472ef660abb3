//! The command line's contract: help, exit codes, JSON, what is said when something is wrong.

use onrush_load::server::Launch;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn onrush(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onrush"))
        .args(args)
        .current_dir(dir)
        .env_remove("ONRUSH_PUBLIC")
        .env_remove("ONRUSH_ADMIN")
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stdout(output)))
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn every_command_has_help_with_an_example() {
    let dir = folder();
    let top = stdout(&onrush(dir.path(), &["--help"]));
    for part in ["Exit codes: 0 done, 1 failed, 2", "ONRUSH_PUBLIC", "NO_COLOR"] {
        assert!(top.contains(part), "{part} is missing:\n{top}");
    }
    for command in [
        "demo",
        "serve",
        "check",
        "route",
        "simulate",
        "verify",
        "verify-draw",
        "fairness",
        "rehearse",
        "report",
        "export",
        "load",
        "explain",
        "init",
        "completions",
    ] {
        assert!(top.contains(&format!("\n  {command} ")), "{command} is not listed");
        let help = onrush(dir.path(), &[command, "--help"]);
        assert_eq!(code(&help), 0);
        let help = stdout(&help);
        assert!(help.contains("Example") && help.contains(&format!("onrush {command}")), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
}

#[test]
fn a_wrong_command_line_is_exit_code_2() {
    let dir = folder();
    for args in [
        &["--nonsense"][..],
        &["nonsense"],
        &["serve", "--supply", "many"],
        &["serve", "--hold", "5"],
        &["demo", "--trace", "x", "--units", "5"],
        &["demo", "--hold", "1ms"],
        &["load", "https://127.0.0.1:1"],
        &["load", "127.0.0.1:1", "--admin", "127.0.0.1:2"],
        &["export", ".", "--format", "xml"],
        &["report", ".", "--lang", "fr"],
        &["rehearse", "--pay-rate", "0"],
        &["rehearse", "--expected", "many"],
        &["verify-draw"],
        &["verify-draw", "draw.json", "--pseudonym", "00"],
        &["verify-draw", "draw.json", "--commitment", "nonsense"],
    ] {
        let output = onrush(dir.path(), args);
        assert_eq!(code(&output), 2, "{args:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty(), "{args:?}");
        assert!(!output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn what_cannot_be_done_is_exit_code_1_and_says_what_to_do() {
    let dir = folder();
    std::fs::write(dir.path().join("file"), "x").expect("written");
    std::fs::create_dir_all(dir.path().join("empty/journal")).expect("made");
    std::fs::write(dir.path().join("empty/secret"), "x").expect("written");
    for (args, says) in [
        (&["verify", "nowhere"][..], "no data folder of onrush"),
        (&["verify", "."], "no data folder of onrush"),
        (&["verify", "empty"], "there is no journal yet"),
        (&["export", "nowhere"], "no data folder of onrush"),
        (&["fairness", "nowhere", "--campaign", "drop"], "no data folder of onrush"),
        (&["report", "nowhere"], "no data folder of onrush"),
        (&["report", "empty"], "there is no journal yet"),
        (&["rehearse"], "onrush.toml"),
        (&["rehearse", "--config", "nowhere.toml"], "nowhere.toml"),
        (&["verify-draw", "nowhere.json"], "nowhere.json"),
        (&["verify-draw", "file"], "is not the JSON of a draw"),
        (&["explain", "nonsense"], "`onrush explain` lists all"),
        (&["check"], "onrush init"),
        (&["serve"], "onrush serve --dev"),
        (&["serve", "--config", "nowhere.toml"], "nowhere.toml"),
        (&["serve", "--dev", "--data", "file"], "file"),
        (&["demo", "--keep", "."], "is not empty"),
        (&["demo", "--trace", "nowhere.csv"], "nowhere.csv"),
        (&["demo", "--trace", "file"], "has no orders"),
        (&["load", "127.0.0.1:1"], "is the server running there?"),
    ] {
        let output = onrush(dir.path(), args);
        assert_eq!(code(&output), 1, "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(says), "{args:?}: {}", stderr(&output));
    }
}

#[test]
fn a_bad_configuration_is_named_with_its_line() {
    let dir = folder();
    let bad = "[listen]\npublic = \"127.0.0.1:8080\"\nadmn = \"127.0.0.1:9090\"\n";
    std::fs::write(dir.path().join("onrush.toml"), bad).expect("written");
    let check = onrush(dir.path(), &["check"]);
    assert_eq!(code(&check), 3, "{}", stderr(&check));
    assert!(stdout(&check).contains("line 3") && stdout(&check).contains("admn"));
    let value = json(&onrush(dir.path(), &["check", "--json"]));
    assert_eq!((&value["valid"], &value["errors"][0]["line"]), (&false.into(), &3.into()));
    let serve = onrush(dir.path(), &["serve", "--dev"]);
    assert_eq!(code(&serve), 1);
    assert!(stderr(&serve).contains("line 3"), "{}", stderr(&serve));
    assert!(!dir.path().join("onrush-data").exists(), "nothing is made for a bad configuration");
}

#[test]
fn init_writes_a_valid_configuration_and_overwrites_nothing() {
    let dir = folder();
    assert_eq!(code(&onrush(dir.path(), &["init"])), 0);
    let check = onrush(dir.path(), &["check", "--json"]);
    assert_eq!(code(&check), 0, "{}", stdout(&check));
    let value = json(&check);
    assert_eq!(value["valid"], true);
    assert!(value["effective"].is_object());
    let dangers = value["dangers"].as_array().expect("a list");
    assert!(!dangers.is_empty(), "nobody can reserve yet");
    assert_eq!(code(&onrush(dir.path(), &["check", "--strict"])), 3);
    std::fs::write(dir.path().join("onrush.toml"), "mine").expect("written");
    assert_eq!(code(&onrush(dir.path(), &["init"])), 1);
    let kept = std::fs::read_to_string(dir.path().join("onrush.toml")).expect("still there");
    assert_eq!(kept, "mine");
}

#[test]
fn codes_are_explained_as_text_and_json() {
    let dir = folder();
    let all = json(&onrush(dir.path(), &["explain", "--json"]));
    let all = all.as_array().expect("a list");
    assert!(all.len() > 20);
    for page in all {
        let code = page["code"].as_str().expect("a code");
        let one = json(&onrush(dir.path(), &["explain", code, "--json"]));
        assert_eq!(&one, page);
    }
    let text = stdout(&onrush(dir.path(), &["explain", "all_held"]));
    assert!(text.contains("409") && text.contains("What to do"), "{text}");
}

#[test]
fn completions_name_the_commands() {
    let dir = folder();
    let script = stdout(&onrush(dir.path(), &["completions", "bash"]));
    assert!(
        script.contains("verify")
            && script.contains("--until-stdin-closes") == script.contains("--dev")
    );
}

#[test]
fn a_server_says_where_it_is_and_stops_on_sigterm() {
    let dir = folder();
    let mut child = Command::new(env!("CARGO_BIN_EXE_onrush"))
        .args(["serve", "--dev"])
        .current_dir(dir.path())
        .env("ONRUSH_PUBLIC", "127.0.0.1:0")
        .env("ONRUSH_ADMIN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let ready: Value = serde_json::from_str(&line).expect("JSON");
    for side in ["public", "admin"] {
        let addr = ready[side].as_str().expect("an address");
        assert!(!addr.ends_with(":0"), "{addr}");
        std::net::TcpStream::connect(addr).expect("it accepts");
    }
    assert!(ready["admin_token"].as_str().is_some_and(|token| token.len() >= 32));
    let second = onrush(dir.path(), &["serve", "--dev"]);
    assert_eq!(code(&second), 1, "two servers on one data folder");
    assert!(stderr(&second).contains("onrush-data"), "{}", stderr(&second));
    let verify = onrush(dir.path(), &["verify", "onrush-data"]);
    assert_eq!(code(&verify), 1, "the folder is in use: {}", stderr(&verify));
    let term = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status();
    assert!(term.expect("a shell").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("X-Onrush-Buyer"), "a warning about --dev");
    assert_eq!(code(&onrush(dir.path(), &["verify", "onrush-data"])), 0);
}

#[test]
fn supply_acts_on_an_empty_folder_only() {
    let home = folder();
    let program = env!("CARGO_BIN_EXE_onrush").into();
    let mut launch =
        Launch { program, home: home.path().to_owned(), supply: 5, limit: 1, hold_ms: 1_000 };
    launch.start(None).expect("it starts").stop().expect("it stops");
    launch.supply = 9;
    launch.start(None).expect("it starts").stop().expect("it stops");
    let value = json(&onrush(home.path(), &["verify", "data", "--json"]));
    assert_eq!(value["campaigns"][0]["skus"]["unit"]["supplied"], 5);
    assert_eq!(value["campaigns"][0]["campaign"], "demo");
}

/// One small sale, then everything that can be asked about its folder.
#[test]
fn a_sale_its_folder_and_its_damage() {
    let dir = folder();
    let args =
        ["demo", "--units", "30", "--buyers", "300", "--hold", "1s", "--keep", "kept", "--json"];
    let demo = onrush(dir.path(), &args);
    assert_eq!(code(&demo), 0, "{}\n{}", stdout(&demo), stderr(&demo));
    let value = json(&demo);
    assert_eq!(value["holds"], true);
    assert_eq!(value["units"]["supplied"], 30);
    assert!(value["killed"]["holds_told"].as_u64().is_some_and(|holds| holds >= 15));
    let sold = value["units"]["sold"].as_u64().expect("a number");
    assert!(sold > 0 && value["units"]["held"] == 0);

    let verify = onrush(dir.path(), &["verify", "kept/data", "--json"]);
    assert_eq!(code(&verify), 0, "{}", stdout(&verify));
    let verified = json(&verify);
    assert_eq!(
        (&verified["chain"], &verified["lsn"]),
        (&value["chain"], &value["lsn"]),
        "the demo and verify read the same journal"
    );
    assert_eq!(verified["campaigns"][0]["outcomes"]["sold"], sold);

    let orders = stdout(&onrush(dir.path(), &["export", "kept/data"]));
    let orders: Vec<Value> =
        orders.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(orders.len() as u64, sold);
    assert!(orders.iter().all(|o| o["sku"] == "unit" && o["channel"] == "mini_program"));
    assert!(orders.iter().all(|o| o["sold_at"].is_string() && o["delivery"] == "one_hour"));
    let out = onrush(dir.path(), &["export", "kept/data", "--format", "csv", "--out", "books"]);
    assert_eq!(code(&out), 0, "{}", stderr(&out));
    let lines = |name: &str| {
        let text = std::fs::read_to_string(dir.path().join("books").join(name)).expect("written");
        text.lines().count() as u64 - 1
    };
    assert_eq!(lines("orders.csv"), sold);
    assert!(lines("payments.csv") >= sold);
    assert_eq!(lines("refunds.csv"), value["refunds"].as_u64().expect("a number"));

    flip_a_bit(&dir.path().join("kept/data/journal"));
    let damaged = onrush(dir.path(), &["verify", "kept/data"]);
    assert_eq!(code(&damaged), 3, "{}\n{}", stdout(&damaged), stderr(&damaged));
    assert!(stderr(&damaged).contains("damaged"), "{}", stderr(&damaged));
}

#[test]
fn a_trace_is_played_and_what_is_derived_is_said() {
    let dir = folder();
    let mut trace = "invoice,sku,quantity,time,unit_price,customer,country\n".to_owned();
    trace += "1,another day,1,2011-12-04 09:00:00,1.00,7,Here\n";
    for n in 0..40 {
        trace += &format!("{n},mug,{},2011-12-05 09:{n:02}:00,2.50,{n},Here\n", n % 3 + 1);
        trace += &format!("{n},gift,1,2011-12-05 09:{n:02}:00,0.0,{n},Here\n");
    }
    trace += "C40,mug,-1,2011-12-05 10:00:00,2.50,0,Here\n";
    std::fs::write(dir.path().join("day.csv"), trace).expect("written");
    let args = ["demo", "--trace", "day.csv", "--into", "1s", "--hold", "1s", "--json"];
    let demo = onrush(dir.path(), &args);
    assert_eq!(code(&demo), 0, "{}\n{}", stdout(&demo), stderr(&demo));
    let value = json(&demo);
    let facts = value["facts"].to_string();
    for part in
        ["orders of 2011-12-05: 80 lines of 2 SKUs, 119 units", "90 %", "1 lines were taken"]
    {
        assert!(facts.contains(part), "{part}: {facts}");
    }
    // 90 % of 79 mugs and of 40 gifts, rounded up.
    assert_eq!(value["units"]["supplied"], 72 + 36);
    assert_eq!(value["outcomes"]["cancelled"], 1);
    assert!(value["figures"]["refusals"].to_string().contains("409"), "stock is short");
}

/// Flip a bit in the middle of what is written; the zeros between frames say nothing.
fn flip_a_bit(journal: &Path) {
    let entries = std::fs::read_dir(journal).expect("a folder");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let written = files.filter_map(|path| {
        let bytes = std::fs::read(&path).expect("a file");
        bytes.iter().rposition(|&byte| byte != 0).map(|last| (last, path, bytes))
    });
    let (last, path, mut bytes) = written.max_by_key(|(last, ..)| *last).expect("a segment");
    let at = (last / 2..).find(|&at| bytes[at] != 0).expect("the last byte is not zero");
    bytes[at] ^= 1;
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn load_checks_what_it_was_told_and_keeps_thresholds() {
    let home = folder();
    let program = env!("CARGO_BIN_EXE_onrush").into();
    let launch =
        Launch { program, home: home.path().to_owned(), supply: 50, limit: 1, hold_ms: 1_000 };
    let server = launch.start(None).expect("it starts");
    std::fs::write(home.path().join("token"), &server.token).expect("written");
    let (public, admin) = (server.public.to_string(), format!("http://{}", server.admin));
    let base = ["load", &public, "--rate", "200", "--duration", "1s", "--json"];
    let checked =
        ["--admin", &admin, "--admin-token-file", "token", "--settle", "--crowd", "mixed"];
    let output = onrush(home.path(), &[&base[..], &checked].concat());
    assert_eq!(code(&output), 0, "{}\n{}", stdout(&output), stderr(&output));
    let value = json(&output);
    assert_eq!(value["figures"]["arrived"], 200);
    assert!(value["figures"]["holds"].as_u64().is_some_and(|holds| holds >= 50));
    assert!(value["checks"].as_array().is_some_and(|checks| checks.len() >= 10));

    let again = onrush(home.path(), &[&base[..], &checked, &["--seed", "2"]].concat());
    assert_eq!(code(&again), 0, "what was there before is not held against it: {}", stdout(&again));

    let strict = onrush(home.path(), &[&base[..], &["--seed", "3", "--p99", "0ms"]].concat());
    assert_eq!(json(&strict)["thresholds"][0]["at_most"], 0.0);
    let granted = json(&strict)["figures"]["granted"]["count"].as_u64();
    assert_eq!(code(&strict), if granted > Some(0) { 3 } else { 0 });

    std::fs::write(home.path().join("wrong"), "x".repeat(48)).expect("written");
    let wrong = ["--admin", &admin, "--admin-token-file", "wrong"];
    let refused = onrush(home.path(), &[&base[..], &wrong].concat());
    assert_eq!(code(&refused), 1);
    assert!(stderr(&refused).contains("admin token"), "{}", stderr(&refused));
    server.stop().expect("it stops");
}

/// A recording of two programs that took what two people came for.
#[test]
fn a_recorded_drop_is_replayed_under_another_policy() {
    use onrush_risk::recording::{Decided, RecordedRow, header};
    use onrush_risk::{Signal, Signals, Stage};
    let dir = folder();
    let mut file = header().into_bytes();
    for account in 1..=4u64 {
        let mut signals = Signals::ZERO;
        let is_program = account <= 2;
        signals.set(Signal::AgentTool, f32::from(u8::from(is_program)));
        signals.set(Signal::HeadersMissing, f32::from(u8::from(is_program)));
        let row = RecordedRow::Decided(Decided {
            at: onrush::Timestamp(account),
            account,
            stage: Stage::Reserve,
            action: 0,
            level: 0,
            units: u32::from(is_program),
            probability: 0.0,
            shadow: -1.0,
            signals,
        });
        file.extend(row.encode());
    }
    let side = dir.path().join("data/side/risk");
    std::fs::create_dir_all(&side).expect("a folder");
    std::fs::write(side.join("drop-1.risk"), file).expect("a recording");
    let policy =
        "version = 2\n[[rules]]\naction = \"challenge\"\nworst_percent = 100\nat_least = 0.5\n";
    std::fs::write(dir.path().join("new.toml"), policy).expect("a policy");
    let ran = onrush(dir.path(), &["simulate", "risk", "--policy", "new.toml", "--json", "data"]);
    assert_eq!(code(&ran), 0, "{}", stderr(&ran));
    let report = &json(&ran)["recordings"][0]["report"];
    assert_eq!((&report["units"], &report["after"][2]), (&2.into(), &2.into()), "{report}");
    assert_eq!(report["winners_kept_if_challenges_fail"], 0);
    let plain = onrush(dir.path(), &["simulate", "risk", "data"]);
    assert!(stdout(&plain).contains("drop-1.risk"), "{}", stdout(&plain));
    let none = onrush(dir.path(), &["simulate", "risk", "."]);
    assert_eq!(code(&none), 1);
    assert!(stderr(&none).contains("risk.record"), "{}", stderr(&none));
    assert_eq!(code(&onrush(dir.path(), &["simulate"])), 2, "what routing needs is still needed");
}
