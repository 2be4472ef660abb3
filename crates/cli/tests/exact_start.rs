//! The opening of a sale by the real binary, while its wall clock is stepped and it is killed: nothing
//! is accepted early, nobody who comes after the opening is told that it has not come.
//!
//! The server's clock is stepped with libfaketime, which leaves its monotonic clock alone; the crowd's
//! clocks are this machine's. Only what cannot be on any machine fails: figures of time are printed.

#![allow(clippy::print_stderr, reason = "figures for who runs this by hand")]

use onrush::{DurationMs, Timestamp};
use onrush_gateway::wire::format_timestamp;
use onrush_load::start::{Bounds, Report, Rush, get, rush};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const HOLD: DurationMs = DurationMs(3_600_000);
/// Longer than anything here takes.
const HANG: Duration = Duration::from_secs(60);

/// Where Debian and others put the library.
fn libfaketime() -> PathBuf {
    let folders = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(Path::new);
    let inner = folders.iter().flat_map(|folder| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path())
    });
    let all = folders.iter().map(|folder| folder.to_path_buf()).chain(inner);
    let mut found = all.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    found.find(|path| path.exists()).expect("libfaketime: run `cargo xtask test setup`")
}

/// A server whose wall clock is off by what a file says.
struct Server {
    folder: tempfile::TempDir,
    child: Child,
    public: SocketAddr,
    admin: SocketAddr,
    token: String,
}

impl Server {
    /// Start with a sale that opens at `opens_at`, and a clock that is off by `offset`.
    fn start(opens_at: Timestamp, offset: &str) -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
             [[campaigns]]\ncampaign = \"drop\"\nopens_at = \"{}\"\nhold = \"1h\"\n\
             [[campaigns.skus]]\nsku = \"unit\"\nprice = 100\nsupply = 10000\n",
            format_timestamp(opens_at)
        );
        std::fs::write(folder.path().join("onrush.toml"), config).expect("written");
        step(folder.path(), offset);
        let (child, public, admin, token) = launch(folder.path(), None);
        Server { folder, child, public, admin, token }
    }

    /// Let its wall clock be off by so many seconds from now on.
    fn step(&self, offset: &str) {
        step(self.folder.path(), offset);
    }

    /// Kill it, and start it again where it was.
    fn restart(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        let at = (self.public, self.admin);
        (self.child, self.public, self.admin, self.token) = launch(self.folder.path(), Some(at));
    }

    /// Read sale time, in milliseconds.
    fn sale_ms(&self) -> u64 {
        let (_, body) = get(self.public, "/v1/time", "").expect("it answers");
        let time: Value = serde_json::from_slice(&body).expect("JSON");
        time["unix_ms"].as_u64().expect("a number")
    }

    /// Return how many steps of its clock it saw and did not follow.
    fn steps_seen(&self) -> u64 {
        let (_, page) = get(self.admin, "/metrics", &self.token).expect("it answers");
        let page = String::from_utf8(page).expect("text");
        let figure = page.lines().find_map(|line| line.strip_prefix("onrush_clock_steps_total "));
        figure.and_then(|figure| figure.parse().ok()).expect("a figure")
    }

    fn plan(&self, opens_at: Timestamp) -> Rush {
        Rush {
            public: self.public,
            campaign: "drop".to_owned(),
            sku: "unit".to_owned(),
            opens_at,
            hold: HOLD,
            connections: 4,
            before: Duration::from_millis(1_000),
            holds_each: 20,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another name first: a server that reads it meanwhile sees the old offset or the new one.
fn step(folder: &Path, offset: &str) {
    std::fs::write(folder.join("offset.new"), format!("{offset}\n")).expect("written");
    std::fs::rename(folder.join("offset.new"), folder.join("offset")).expect("renamed");
}

fn launch(
    folder: &Path,
    at: Option<(SocketAddr, SocketAddr)>,
) -> (Child, SocketAddr, SocketAddr, String) {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_onrush"));
    command
        .args(["serve", "--dev", "--config", "onrush.toml", "--data", "data"])
        .arg("--until-stdin-closes")
        .current_dir(folder)
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME_TIMESTAMP_FILE", folder.join("offset"))
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env_remove("ONRUSH_PUBLIC")
        .env_remove("ONRUSH_ADMIN")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log.expect("a log"));
    if let Some((public, admin)) = at {
        command.env("ONRUSH_PUBLIC", public.to_string()).env("ONRUSH_ADMIN", admin.to_string());
    }
    let mut child = command.spawn().expect("the binary runs");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("it says that it is ready");
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        panic!("{error}: {line}{log}");
    });
    let addr = |name: &str| ready[name].as_str().and_then(|text| text.parse().ok());
    let token = ready["admin_token"].as_str().unwrap_or_default().to_owned();
    (child, addr("public").expect("one"), addr("admin").expect("one"), token)
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_millis() as u64
}

fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let gives_up = Instant::now() + HANG;
    while !reached() {
        assert!(Instant::now() < gives_up, "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

fn check(what: &str, report: &Report, plan: &Rush) {
    assert_eq!(report.wrong, Vec::<String>::new(), "{what}");
    assert_eq!(report.held, plan.connections as u64 * plan.holds_each, "{what}");
    assert!(report.not_open > 0, "{what}: nobody asked before the opening");
    eprintln!(
        "{what}: first hold decided {:?} ms after the opening, told at most {:?} µs after it; {} \
         asked, {} too early, {} connections broke",
        report.decided_after_ms, report.told_after_us, report.asked, report.not_open, report.broken
    );
}

/// An hour off until it is corrected, then stepped by hours and seconds and smeared from 9 s before the
/// opening until after it.
#[test]
fn steps_of_the_clock_do_not_move_the_opening() {
    let opens_at = Timestamp(unix_ms() + 14_000);
    let server = Server::start(opens_at, "-3600");
    assert!(server.sale_ms() < unix_ms() - 3_000_000, "libfaketime does not reach the server");
    server.step("+0");
    wait_until("the correction", || server.sale_ms() + 60_000 > unix_ms());
    wait_until("the last ten seconds", || server.sale_ms() + 9_500 > opens_at.0);
    assert_eq!(server.steps_seen(), 0, "what came before was followed");
    let mut bounds = Bounds::new();
    for _ in 0..20 {
        bounds.read(server.public).expect("it answers");
    }
    // An hour ahead, back again, an hour behind; a leap second by a step; one by a smear.
    for offset in ["+3600", "+0", "-3600", "+0", "-1", "+1"] {
        server.step(offset);
        if offset == "+3600" {
            wait_until("the step", || server.steps_seen() > 0);
        }
        thread::sleep(Duration::from_millis(200));
        bounds.read(server.public).expect("it answers");
        assert!(!bounds.contradict(), "sale time followed a step by {offset}");
    }
    for tenth in 0..=10 {
        server.step(&format!("-0.{tenth:02}"));
        thread::sleep(Duration::from_millis(50));
    }
    bounds.read(server.public).expect("it answers");
    assert!(!bounds.contradict(), "sale time followed a smear");
    let plan = server.plan(opens_at);
    let report = thread::scope(|scope| {
        let crowd = scope.spawn(|| rush(&plan));
        let mut steps = ["+3600", "-3600", "-1", "+0"].into_iter().cycle();
        while !crowd.is_finished() {
            server.step(steps.next().expect("endless"));
            thread::sleep(Duration::from_millis(20));
        }
        crowd.join().expect("no panic")
    });
    check("clock stepped", &report, &plan);
    assert!(server.steps_seen() > 0);
}

/// Killed a millisecond before the opening, and one after it, in the middle of the crowd.
#[test]
fn a_restart_around_the_opening_lets_nobody_in_early() {
    thread::scope(|scope| {
        for (what, after_us) in [("killed before", -1_000), ("killed after", 1_000)] {
            scope.spawn(move || {
                let opens_at = Timestamp(unix_ms() + 5_000);
                let mut server = Server::start(opens_at, "+0");
                let mut bounds = Bounds::new();
                for _ in 0..20 {
                    bounds.read(server.public).expect("it answers");
                }
                let plan = server.plan(opens_at);
                let crowd = thread::spawn({
                    let plan = plan.clone();
                    move || rush(&plan)
                });
                let due_us = opens_at.0 as i64 * 1_000 + after_us;
                let left = due_us - bounds.most_at(Instant::now());
                thread::sleep(Duration::from_micros(u64::try_from(left).unwrap_or(0)));
                server.restart();
                let report = crowd.join().expect("no panic");
                check(what, &report, &plan);
                assert!(report.broken > 0, "{what}: it was killed under the crowd");
            });
        }
    });
}
