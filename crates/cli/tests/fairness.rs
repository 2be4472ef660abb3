//! `onrush fairness` on a data folder in which a line ran.

use onrush::*;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const T0: u64 = 1_800_000_000_000;

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
struct ManualClock {
    passed_ms: AtomicU64,
}

impl Clock for ManualClock {
    fn wall(&self) -> Timestamp {
        // Relaxed: one thread moves and reads it.
        Timestamp(T0 + self.passed_ms.load(Ordering::Relaxed))
    }

    fn monotonic_ns(&self) -> u64 {
        // Relaxed: as above.
        self.passed_ms.load(Ordering::Relaxed) * 1_000_000
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a legal name")
}

/// 50 units for 400 people of two tiers who join before the opening at second 60; members have three
/// times the weight.
fn drop_with_a_line() -> CampaignSpec {
    let tier = |text: &str, weight| Tier {
        name: name(text),
        groups: vec![text.to_owned()],
        weight,
        after: DurationMs(0),
    };
    CampaignSpec {
        waitlist: None,
        name: name("drop"),
        terms: Terms {
            limit_per_buyer: 1,
            schedule: Schedule {
                preheat_at: Some(Timestamp(T0)),
                draw_at: None,
                opens_at: Some(Timestamp(T0 + 60_000)),
                closes_at: None,
            },
            ..Terms::open_now(Currency::CNY)
        },
        skus: vec![SkuSpec::new(name("unit"), 100, 50)],
        line: Some(LineTerms {
            tiers: vec![tier("everyone", 1), tier("members", 3)],
            pass: DurationMs(10_000),
            outflow: Outflow { per_second: Some(4), ..Outflow::default() },
            ..LineTerms::equal()
        }),
    }
}

/// Run the sale into `dir`: every fourth person is a member, every fifth never comes.
fn sell(dir: &Path) {
    let clock = Arc::new(ManualClock::default());
    // The seed of the draw follows from the secret: one draw, whenever the test runs.
    std::fs::create_dir_all(dir).expect("folder");
    std::fs::write(dir.join("secret"), "07".repeat(32)).expect("written");
    let parts = Parts { clock: clock.clone(), ..Parts::on_disk(dir).expect("parts") };
    let (engine, mut driver) = Engine::open_driven(parts, Options::default()).expect("open");
    let put = engine.put_campaign(drop_with_a_line());
    let plain = CampaignSpec { name: name("plain"), line: None, ..drop_with_a_line() };
    let other = engine.put_campaign(plain);
    driver.settle();
    assert!(other.wait().expect("put").granted().is_some());
    let campaign = put.wait().expect("put").granted().expect("granted");
    let buyer = |n: u32| engine.buyer(&format!("buyer-{n}"));
    let joined: Vec<_> = (0..400)
        .map(|n| {
            let class = u8::from(n % 4 == 0);
            engine.join(&JoinRequest { campaign: &campaign, buyer: buyer(n), class })
        })
        .collect();
    driver.settle();
    for joined in joined {
        assert!(joined.wait().expect("joined").granted().is_some());
    }
    for _ in 0..2_500 {
        // Relaxed: this thread alone moves it.
        clock.passed_ms.fetch_add(100, Ordering::Relaxed);
        driver.settle();
        for n in (0..400).filter(|n| n % 5 != 0) {
            let Some(Standing::Served { pass }) = engine.standing(&campaign, TicketNo(n)) else {
                continue;
            };
            let mut ask = ReserveRequest::new(&campaign, "unit", buyer(n), "k");
            ask.pass = PassShown::Valid(pass);
            drop(engine.reserve(&ask));
            driver.settle();
        }
    }
    let line = engine.line(&campaign).expect("it has a line");
    assert_eq!((line.free, line.held), (0, 50), "all were taken");
}

fn fairness(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onrush"));
    command.args(["fairness", "data"]).args(args).current_dir(dir).output().expect("it runs")
}

#[test]
fn tells_what_the_line_of_a_sale_did() {
    let dir = tempfile::tempdir().expect("folder");
    sell(&dir.path().join("data"));
    let output = fairness(dir.path(), &["--campaign", "drop", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["holds"], &report["inversions"]), (&true.into(), &0.into()));
    assert_eq!((&report["tickets"], &report["used"]), (&400.into(), &50.into()));
    let called = report["called"].as_u64().expect("a number");
    assert!((51..=90).contains(&called), "a fifth never came: {called}");
    assert_eq!(report["unused"], called - 50);
    assert!(report["uniformity"]["p"].as_f64().expect("a number") > 0.001);
    let tiers = report["tiers"].as_array().expect("tiers");
    assert_eq!((&tiers[0]["tier"], &tiers[1]["tier"]), (&"everyone".into(), &"members".into()));
    assert_eq!((&tiers[0]["tickets"], &tiers[1]["tickets"]), (&300.into(), &100.into()));
    let share = |tier: &Value| {
        let of = |field: &str| tier[field].as_f64().expect("a number");
        of("called") / of("tickets")
    };
    assert!(share(&tiers[1]) > 1.5 * share(&tiers[0]), "members are called earlier: {tiers:?}");
    assert!(report["eta"]["shown"].as_u64().expect("a number") > 50);
    let text = String::from_utf8(fairness(dir.path(), &["--campaign", "drop"]).stdout);
    let text = text.expect("text");
    for part in ["out of turn   0", "members", "shown waits", "χ²"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn the_report_says_the_same_and_draws_again() {
    let dir = tempfile::tempdir().expect("folder");
    sell(&dir.path().join("data"));
    let output = fairness(dir.path(), &["--campaign", "drop", "--json"]);
    let alone: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut command = Command::new(env!("CARGO_BIN_EXE_onrush"));
    let output = command.args(["report", "data", "--json"]).current_dir(dir.path()).output();
    let output = output.expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let tables = &report["tables"];
    let line = &tables["lines"][0];
    for (column, field) in [
        ("tickets", "tickets"),
        ("called_up", "called"),
        ("used_pass", "used"),
        ("not_come", "unused"),
        ("came_back", "came_back"),
        ("out_of_turn", "inversions"),
    ] {
        assert_eq!(line[column], alone[field], "{column}");
    }
    assert_eq!(line["uniformity_p"], alone["uniformity"]["p"]);
    assert_eq!(tables["lines"].as_array().map(Vec::len), Some(1), "the other has no line");
    let tiers = tables["tiers"].as_array().expect("tiers");
    for (row, tier) in tiers.iter().zip(alone["tiers"].as_array().expect("tiers")) {
        for (column, field) in [("tier", "tier"), ("tickets", "tickets"), ("called_up", "called")] {
            assert_eq!(row[column], tier[field], "{column}");
        }
    }
    let draws = tables["draws"].as_array().expect("draws");
    assert_eq!(draws.len(), 1);
    assert_eq!((&draws[0]["holds_word"], &draws[0]["people"]), (&true.into(), &400.into()));
    let steps: Vec<&Value> =
        tables["funnel"].as_array().expect("steps").iter().map(|row| &row["people"]).collect();
    assert_eq!(steps[..2], [&Value::from(400), &alone["called"]]);
    assert_eq!(steps[2..4], [&Value::from(50), &Value::from(50)], "each pass is a hold");
    let joins: u64 = tables["timeline"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| row["joins"].as_u64().expect("a count"))
        .sum();
    assert_eq!(joins, 400);
}

#[test]
fn says_where_there_is_no_line() {
    let dir = tempfile::tempdir().expect("folder");
    sell(&dir.path().join("data"));
    for (campaign, says) in [("nowhere", "there is no campaign"), ("plain", "has no line")] {
        let output = fairness(dir.path(), &["--campaign", campaign]);
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(says), "{said}");
    }
}
