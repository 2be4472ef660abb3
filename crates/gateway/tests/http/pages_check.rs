//! The check on the drop page, without a browser: by forms alone, and what a form says of who sent it.

use crate::client::{Answer, ask};
use crate::pages::{Browser, signed_in};
use crate::server::Server;
use serde_json::{Value, json};

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0";

/// What a browser sends with a form, but for its cookies.
const SHOWN: [(&str, &str); 6] = [
    ("user-agent", AGENT),
    ("accept", "text/html,*/*"),
    ("accept-language", "en"),
    ("accept-encoding", "gzip"),
    ("origin", "http://onrush.test"),
    ("sec-fetch-site", "same-origin"),
];

fn watched() -> Server {
    let server = Server::start(|config, dir| {
        config.dev = true;
        config.risk.enabled = true;
        config.side = Some(dir.join("side"));
    });
    server.open_campaign("drop", 5, 3);
    server
}

/// Ask everybody for a challenge of this level.
fn ask_everybody(server: &Server, version: u32, level: u8) {
    let policy = format!(
        "version = {version}\n[[rules]]\naction = \"challenge\"\nworst_percent = 100.0\n\
         at_least = 0.0\nlevel = {level}\n"
    );
    let body = json!({"policy": policy, "reason": "test"});
    let put = server.operate("PUT", "/admin/v1/risk/policy", Some(body));
    assert_eq!(put.status, 200, "{}", String::from_utf8_lossy(&put.body));
}

fn risk(server: &Server) -> Value {
    server.operate("GET", "/admin/v1/campaigns/drop/risk", None).json()
}

fn reserve_form(browser: &Browser) -> String {
    format!("csrf={}&key={}&sku=unit&memo=&lang=en", browser.field("csrf"), browser.field("key"))
}

fn check_form(browser: &Browser) -> String {
    format!("csrf={}&lang=en", browser.field("csrf"))
}

#[track_caller]
fn said(answer: &Answer, word: &str) {
    let to = answer.header("location").expect("the page");
    assert!(to.ends_with(&format!("said={word}")), "{to}");
}

#[test]
fn a_check_is_done_by_waiting_with_forms_alone() {
    let server = watched();
    ask_everybody(&server, 2, 1);
    let mut ann = signed_in(&server, "ann");
    assert!(ann.page.contains(r#"id="check" data-level="1""#), "{}", ann.page);
    let form = reserve_form(&ann);
    let refused = ann.send(&server, "/drop/drop/reserve", &form);
    said(&refused, "challenge_required");
    assert!(ann.page.contains("One more check is needed first."));
    let check = check_form(&ann);
    said(&ann.send(&server, "/drop/drop/check", &check), "check_wait");
    assert!(ann.page.contains(r#"http-equiv="refresh" content="6""#), "{}", ann.page);
    said(&ann.send(&server, "/drop/drop/check", &check), "check_wait");
    assert_eq!(risk(&server)["challenges"]["issued"], 1, "the same one is waited for");
    server.clock.advance(5_000);
    let proven = ann.send(&server, "/drop/drop/check", &check);
    said(&proven, "checked");
    let kept = proven.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let kept: Vec<&str> = kept.map(|(_, value)| value.as_str()).collect();
    assert!(kept[0].starts_with("onrush_proof=") && !kept[0].contains("HttpOnly"), "{kept:?}");
    assert!(kept[1].starts_with("onrush_check=; Path=/drop/drop; Max-Age=0;"), "{kept:?}");
    assert!(!ann.page.contains(r#"id="check""#), "nothing is left to do");
    ann.send(&server, "/drop/drop/reserve", &form);
    ann.is_in("held");
    assert_eq!(risk(&server)["challenges"]["passed"], 1);
    // It opened one hold; the next thing that is wanted needs another.
    ann.open(&server, "/drop/drop?lang=en&said=challenge_required");
    assert!(ann.page.contains(r#"id="check""#), "{}", ann.page);
}

#[test]
fn a_check_of_another_session_begins_again() {
    let server = watched();
    ask_everybody(&server, 2, 1);
    let mut ann = signed_in(&server, "ann");
    let check = check_form(&ann);
    ann.send(&server, "/drop/drop/check", &check);
    let first = ann.cookies.iter().find(|(name, _)| name == "onrush_check").cloned();
    // Sessions of one moment are the same text.
    server.clock.advance(6_000);
    let mut again = signed_in(&server, "ann");
    again.cookies.push(first.expect("a challenge"));
    let check = check_form(&again);
    said(&again.send(&server, "/drop/drop/check", &check), "check_wait");
    let figures = risk(&server)["challenges"].clone();
    assert_eq!((&figures["issued"], &figures["failed"]), (&json!(2), &json!(1)));
}

#[test]
fn a_form_shows_what_its_browser_shows() {
    let server = watched();
    let mut ann = signed_in(&server, "ann");
    let form = reserve_form(&ann);
    let granted = ann.post(&server, "/drop/drop/reserve", &form, &SHOWN);
    assert!(granted.header("location").is_some_and(|to| !to.contains("said=")));
    let mut bot = signed_in(&server, "bot");
    let form = reserve_form(&bot);
    let loops = [("user-agent", "python-requests/2.32")];
    said(&bot.post(&server, "/drop/drop/reserve", &form, &loops), "challenge_required");
    let told = risk(&server);
    assert_eq!((&told["actions"]["admit"], &told["actions"]["challenge"]), (&json!(1), &json!(1)));
}

#[test]
fn a_form_cannot_say_more_than_its_cookies_and_fields() {
    let server = watched();
    let mut ann = signed_in(&server, "ann");
    let form = reserve_form(&ann);
    let mut shown = SHOWN.to_vec();
    shown.extend([("onrush-field", "x"), ("idempotency-key", "k"), ("x-onrush-buyer", "bob")]);
    ann.post(&server, "/drop/drop/reserve", &form, &shown);
    ann.open(&server, "/drop/drop?lang=en");
    ann.is_in("held");
}

#[test]
fn who_fills_the_field_that_nobody_sees_is_a_program() {
    let server = watched();
    let mut bot = signed_in(&server, "bot");
    assert!(bot.page.contains(r#"<p hidden><input name="memo""#), "{}", bot.page);
    let form = reserve_form(&bot).replace("memo=", "memo=x");
    said(&bot.post(&server, "/drop/drop/reserve", &form, &SHOWN), "refused_risk");
    assert_eq!(risk(&server)["recent"][0]["proof"], "honeypot");
    assert_eq!(server.units("drop"), (5, 0));
}

#[test]
fn a_device_is_known_by_a_cookie_where_risk_is_looked_at() {
    let server = watched();
    let stranger = ask("GET", "/drop/drop").to(server.public);
    assert!(stranger.header("set-cookie").is_none(), "the same bytes for everybody");
    let mut ann = signed_in(&server, "ann");
    let first = ann.open(&server, "/drop/drop?lang=en");
    let cookie = first.header("set-cookie").expect("a device").to_owned();
    assert!(cookie.starts_with("onrush_device=") && cookie.contains("; HttpOnly"), "{cookie}");
    let (pair, _) = cookie.split_once(';').expect("a pair");
    let (name, value) = pair.split_once('=').expect("a pair");
    assert_eq!(value.len(), 22, "128 bits");
    ann.cookies.push((name.to_owned(), value.to_owned()));
    assert!(ann.open(&server, "/drop/drop?lang=en").header("set-cookie").is_none(), "it is kept");
    let off = Server::dev();
    off.open_campaign("drop", 1, 1);
    let mut ben = signed_in(&off, "ben");
    assert!(ben.open(&off, "/drop/drop?lang=en").header("set-cookie").is_none());
}

#[test]
fn nobody_is_checked_long_before_the_start() {
    let server = watched();
    ask_everybody(&server, 2, 1);
    let opens_at = |minutes: u64| {
        let at = 12 * 60 + minutes;
        json!({"opens_at": format!("2026-12-01T{:02}:{:02}:00Z", at / 60, at % 60),
            "skus": [{"sku": "unit", "price": 100, "supply": 1}]})
    };
    let mut ann = signed_in(&server, "ann");
    for (name, minutes, is_checked) in [("far", 40, false), ("near", 20, true)] {
        server.put(name, opens_at(minutes));
        ann.open(&server, &format!("/drop/{name}?lang=en"));
        assert_eq!(ann.page.contains(r#"id="check""#), is_checked, "{name}");
        assert!(ann.page.contains("data-renew="), "it is looked at again when it is time");
    }
}
