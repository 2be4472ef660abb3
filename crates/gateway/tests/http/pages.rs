//! Pages without a browser: forms, who may send them, and what everybody's bytes are.

use crate::client::{Answer, Ask, ask};
use crate::server::Server;
use serde_json::json;

pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A browser without scripts: cookies, and the form of the page it has.
#[derive(Default)]
pub(crate) struct Browser {
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) page: String,
}

impl Browser {
    pub(crate) fn open(&mut self, server: &Server, path: &str) -> Answer {
        let answer = self.with_cookies(ask("GET", path)).to(server.public);
        self.page = String::from_utf8(answer.body.clone()).expect("UTF-8");
        answer
    }

    /// Send a form and follow the way back.
    pub(crate) fn send(&mut self, server: &Server, path: &str, form: &str) -> Answer {
        let answer = self.post(server, path, form, &[]);
        assert_eq!(answer.status, 303, "{}", String::from_utf8_lossy(&answer.body));
        let back = answer.header("location").expect("the page").to_owned();
        assert!(back.starts_with("/drop/drop"), "{back}");
        self.open(server, &back);
        answer
    }

    pub(crate) fn post(
        &mut self,
        server: &Server,
        path: &str,
        form: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        let request = self.with_cookies(ask("POST", path).header("content-type", FORM));
        let request = more.iter().fold(request, |ask, (name, value)| ask.header(name, value));
        let answer = request.text(form).to(server.public);
        for (name, value) in &answer.headers {
            if name.eq_ignore_ascii_case("set-cookie") {
                let pair = value.split(';').next().expect("a cookie");
                let (name, value) = pair.split_once('=').expect("a pair");
                self.cookies.retain(|(known, _)| known != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        answer
    }

    pub(crate) fn with_cookies(&self, ask: Ask) -> Ask {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        match pairs.is_empty() {
            true => ask,
            false => ask.header("cookie", &pairs.join("; ")),
        }
    }

    /// Return the value of the first hidden field of this name.
    pub(crate) fn field(&self, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) =
            self.page.split_once(&start).unwrap_or_else(|| panic!("{name}: {}", self.page));
        rest.split('"').next().expect("a value").to_owned()
    }

    pub(crate) fn is_in(&self, stage: &str) {
        let wanted = format!("data-stage=\"{stage}\"");
        assert!(self.page.contains(&wanted), "{stage}: {}", self.page);
    }
}

pub(crate) fn signed_in(server: &Server, name: &str) -> Browser {
    let mut browser = Browser::default();
    browser.send(server, "/drop/drop/signin", &format!("name={name}&lang=en"));
    browser
}

#[test]
fn everybody_without_a_session_gets_the_same_bytes() {
    let server = Server::dev();
    server.open_campaign("drop", 3, 1);
    // The first decision of a phase is recorded, and the campaign is another one from then on.
    server.reserve("drop", "zoe", "k1");
    let first = ask("GET", "/drop/drop").to(server.public);
    assert_eq!(first.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = first.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(first.header("vary"), Some("Accept-Encoding, Accept-Language, Cookie"));
    server.reserve("drop", "ann", "k1");
    let second = ask("GET", "/drop/drop").to(server.public);
    assert_eq!(first.body, second.body, "within 200 ms");
    server.clock.advance(200);
    let third = ask("GET", "/drop/drop").to(server.public);
    assert_ne!(first.body, third.body, "one is held by now");
    let text = String::from_utf8(third.body).expect("UTF-8");
    assert!(!text.contains("csrf") && !text.contains("<script>") && !text.contains("style="));
    let zh = ask("GET", "/drop/drop").header("accept-language", "zh").to(server.public);
    assert!(String::from_utf8(zh.body).expect("UTF-8").contains("<html lang=\"zh-CN\">"));
    let small = ask("GET", "/drop/drop").header("accept-encoding", "gzip").to(server.public);
    assert_eq!(small.header("content-encoding"), Some("gzip"));
    assert!(small.body.starts_with(&[0x1f, 0x8b]) && small.body.len() < text.len());
    ask("GET", "/drop/none").to(server.public).is_problem("not_found");
    ask("GET", "/drop/drop").to(server.admin).is_problem("not_found");
}

#[test]
fn a_form_reserves_once_and_releases() {
    let server = Server::dev();
    server.open_campaign("drop", 5, 3);
    let mut ann = signed_in(&server, "ann");
    ann.is_in("open");
    let form = |ann: &Browser| {
        let (csrf, key) = (ann.field("csrf"), ann.field("key"));
        format!("csrf={csrf}&key={key}&sku=unit&quantity=2&lang=en")
    };
    let sent = form(&ann);
    for _ in 0..3 {
        ann.send(&server, "/drop/drop/reserve", &sent);
        ann.is_in("held");
    }
    assert_eq!(server.units("drop"), (3, 2), "the same form is the same wish");
    let id = ann.field("reservation");
    let release = format!("csrf={}&reservation={id}&lang=en", ann.field("csrf"));
    ann.send(&server, "/drop/drop/release", &release);
    ann.is_in("open");
    assert_eq!(server.units("drop"), (5, 0));
    let again = form(&ann);
    assert_ne!(again, sent, "a new page is a new wish");
    ann.send(&server, "/drop/drop/reserve", &again);
    assert_eq!(server.units("drop"), (3, 2));
    let pay =
        format!("csrf={}&reservation={}&lang=en", ann.field("csrf"), ann.field("reservation"));
    ann.send(&server, "/drop/drop/pay", &pay);
    ann.send(&server, "/drop/drop/pay", &pay);
    assert!(ann.page.contains("Bought:"), "{}", ann.page);
    assert_eq!(server.units("drop"), (3, 0));
}

#[test]
fn a_form_without_its_token_does_nothing() {
    let server = Server::dev();
    server.open_campaign("drop", 5, 1);
    let mut ann = signed_in(&server, "ann");
    let ben = signed_in(&server, "ben");
    let (key, csrf) = (ann.field("key"), ann.field("csrf"));
    for token in ["", "x", &ben.field("csrf"), &format!("{csrf}0")] {
        let form = format!("csrf={token}&key={key}&sku=unit&lang=en");
        let answer = ann.send(&server, "/drop/drop/reserve", &form);
        assert!(answer.header("location").is_some_and(|to| to.ends_with("said=stale")));
    }
    let good = format!("csrf={csrf}&key={key}&sku=unit&lang=en");
    let evil = [("origin", "https://evil.example")];
    ann.post(&server, "/drop/drop/reserve", &good, &evil).is_problem("forbidden");
    ann.post(&server, "/drop/drop/signin", "name=eve", &evil).is_problem("forbidden");
    let opaque = [("origin", "null")];
    ann.post(&server, "/drop/drop/reserve", &good, &opaque).is_problem("forbidden");
    let json = ask("POST", "/drop/drop/reserve").text("{}").to(server.public);
    json.is_problem("unsupported_media");
    ann.post(&server, "/drop/drop/nothing", &good, &[]).is_problem("not_found");
    assert_eq!(server.units("drop"), (5, 0), "nothing happened");
    // The header that `--dev` believes does not stand in for a session.
    let header = ask("POST", "/drop/drop/reserve").header("content-type", FORM).buyer("ann");
    assert_eq!(header.text(&good).to(server.public).status, 303);
    assert_eq!(server.units("drop"), (5, 0));
    ann.send(&server, "/drop/drop/reserve", &good);
    assert_eq!(server.units("drop"), (4, 1), "the right one works");
}

#[test]
fn nothing_of_a_request_leads_elsewhere_or_is_shown_as_markup() {
    let server = Server::dev();
    server.open_campaign("drop", 5, 1);
    let mut ann = Browser::default();
    let evil = "lang=https%3A%2F%2Fevil.example%2F%22%3E%3Cscript%3E&at=%22%3E%3Cb%3E";
    let form = format!("name=ann&{evil}");
    let answer = ann.send(&server, "/drop/drop/signin", &form);
    assert!(answer.header("location").is_some_and(|to| to.starts_with("/drop/drop?")));
    ann.open(&server, &format!("/drop/drop?said=%3Cscript%3Ealert(1)%3C/script%3E&{evil}"));
    assert!(!ann.page.contains("evil.example") && !ann.page.contains("alert(1)"), "{}", ann.page);
    assert!(ann.page.contains("That did not work"), "an unknown word is no text of ours");
}

#[test]
fn a_reservation_of_somebody_else_cannot_be_released_or_paid() {
    let server = Server::dev();
    server.open_campaign("drop", 5, 1);
    let id = server.held("drop", "ann", "k1");
    let mut ben = signed_in(&server, "ben");
    let form = format!("csrf={}&reservation={id}&lang=en", ben.field("csrf"));
    for action in ["release", "pay"] {
        let answer = ben.send(&server, &format!("/drop/drop/{action}"), &form);
        assert!(answer.header("location").is_some_and(|to| to.ends_with("said=not_found")));
    }
    assert_eq!(server.units("drop"), (4, 1));
    let page = ben.with_cookies(ask("GET", &format!("/drop/drop/pay/{id}"))).to(server.public);
    page.is_problem("not_found");
}

#[test]
fn there_is_no_pretend_payment_without_dev() {
    let server = Server::start(|config, _| {
        config.pages.payment_url = Some("https://shop.example/pay?r={reservation}".to_owned());
    });
    assert_eq!(
        ask("POST", "/drop/drop/pay")
            .header("content-type", FORM)
            .text("")
            .to(server.public)
            .status,
        404
    );
}

#[test]
fn a_session_is_renewed_while_its_buyer_waits_in_line() {
    let server = Server::dev();
    server.put(
        "drop",
        json!({"preheat_at": "2026-12-01T11:00:00Z", "opens_at": "2026-12-01T14:00:00Z", "line": {},
            "skus": [{"sku": "unit", "price": 100, "supply": 1}]}),
    );
    let mut ann = signed_in(&server, "ann");
    ann.is_in("soon");
    let form = format!("csrf={}&lang=en", ann.field("csrf"));
    ann.send(&server, "/drop/drop/join", &form);
    ann.is_in("joined");
    let fresh = ann.open(&server, "/drop/drop");
    assert!(fresh.header("set-cookie").is_none(), "it is young");
    server.clock.advance(8 * 60_000);
    let renewed = ann.open(&server, "/drop/drop");
    let cookie = renewed.header("set-cookie").expect("half of its life is over");
    assert!(cookie.starts_with("onrush_session=") && cookie.contains("; HttpOnly"));
    // Without a place in line a session ends when it says.
    let mut ben = signed_in(&server, "ben");
    server.clock.advance(8 * 60_000);
    assert!(ben.open(&server, "/drop/drop").header("set-cookie").is_none());
    server.clock.advance(8 * 60_000);
    ben.open(&server, "/drop/drop");
    assert!(ben.page.contains("Come in"), "signed out");
}

#[test]
fn files_of_pages_are_kept_by_browsers_and_renewed_by_name() {
    let server = Server::dev();
    server.open_campaign("drop", 1, 1);
    let mut page = Browser::default();
    page.open(&server, "/drop/drop");
    let at = page.page.find("drop.js?v=").expect("the script");
    let digest: String = page.page[at + 10..].chars().take(16).collect();
    let named = ask("GET", &format!("/assets/drop.js?v={digest}")).to(server.public);
    assert_eq!(named.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(named.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(named.header("x-content-type-options"), Some("nosniff"));
    let etag = named.header("etag").expect("an ETag");
    let other = ask("GET", "/assets/drop.js?v=0").to(server.public);
    assert_eq!(other.header("cache-control"), Some("no-cache"));
    let same = ask("GET", "/assets/drop.js").header("if-none-match", etag).to(server.public);
    assert_eq!((same.status, same.body.len()), (304, 0));
    ask("GET", "/assets/none.js").to(server.public).is_problem("not_found");
}
