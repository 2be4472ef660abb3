//! Reminders through the whole service: asked for over HTTP, sent by the owner thread, received by
//! servers that speak the real protocols.

use crate::client::{Answer, Ask, ask};
use crate::doubles::{http, smtp};
use crate::log;
use crate::server::{Server, file};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use onrush_gateway::config::{
    ApiKeySection, Config, MailSection, MailTls, PushSection, Scope, WebhookSection, WechatSection,
};
use serde_json::{Value, json};
use std::path::Path;

/// From the clock's start to the campaign's.
const UNTIL_START_MS: u64 = 3_600_000;
const LEAD_MS: u64 = 600_000;
const PATH: &str = "/v1/campaigns/drop/reminders";
/// A point on the curve: the generator, as a browser's key.
const POINT: &str =
    "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";

fn notify(config: &mut Config, dir: &Path) {
    config.dev = true;
    config.side = Some(dir.join("data/side"));
    config.notify.page = Some("https://shop.example/drops/{campaign}".to_owned());
    config.notify.public_url = Some("https://drop.shop.example".to_owned());
}

fn with_mail(port: u16) -> impl Fn(&mut Config, &Path) {
    move |config, dir| {
        notify(config, dir);
        config.notify.per_second = 20;
        config.notify.mail = Some(MailSection {
            server: format!("127.0.0.1:{port}"),
            tls: MailTls::None,
            from: "Shop <drops@shop.example>".to_owned(),
            user: None,
            password_file: None,
        });
    }
}

/// A campaign that opens in an hour.
fn announce(server: &Server) {
    let body = json!({"title": "Winter, drop", "opens_at": "2026-12-01T13:00:00Z",
        "skus": [{"sku": "unit", "price": 100, "supply": 9}]});
    server.put("drop", body);
}

fn mail_body(address: &str) -> Value {
    json!({"channel": "mail", "address": address, "consent": true, "locale": "en",
        "consent_at": "2026-12-01T11:59:00Z"})
}

fn remind(server: &Server, buyer: &str, body: &Value) -> Answer {
    ask("POST", PATH).json(body).buyer(buyer).to(server.public)
}

fn count(server: &Server, channel: &str, state: &str) -> u64 {
    let path = "/admin/v1/campaigns/drop/reminders";
    let answer = server.operate("GET", path, None);
    assert_eq!(answer.status, 200);
    assert!(!String::from_utf8_lossy(&answer.body).contains('@'), "counts only");
    answer.json()["channels"][channel][state].as_u64().expect("a count")
}

fn wait_for(server: &Server, channel: &str, state: &str, wanted: u64) {
    while count(server, channel, state) != wanted {
        std::thread::yield_now();
    }
}

#[test]
fn a_reminder_is_asked_for_sent_and_left() {
    let mail = smtp::Double::open();
    let server = Server::start(with_mail(mail.port));
    announce(&server);
    let made = remind(&server, "ann", &mail_body("ann@people.example"));
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    assert_eq!(
        made.json(),
        json!({"campaign": "drop", "channel": "mail", "state": "waiting",
            "send_at": "2026-12-01T12:50:00.000Z"})
    );
    assert_eq!(remind(&server, "ann", &mail_body("ann2@people.example")).status, 200);
    server.clock.advance(UNTIL_START_MS - LEAD_MS);
    let got = mail.next();
    assert_eq!(got.to, "ann2@people.example");
    assert_eq!(got.header("Subject"), "Winter, drop opens at 2026-12-01 21:00 (UTC+08:00)");
    assert!(got.body().contains("https://shop.example/drops/drop"));
    wait_for(&server, "mail", "sent", 1);
    assert_eq!(remind(&server, "ann", &mail_body("ann@people.example")).text("state"), "sent");

    // The way out: a page with a button, and the mail program's own button.
    let link = got.header("List-Unsubscribe");
    let path =
        link.trim_matches(['<', '>']).strip_prefix("https://drop.shop.example").expect("ours");
    let page = ask("GET", path).to(server.public);
    let text = String::from_utf8(page.body.clone()).expect("UTF-8");
    assert!(page.status == 200 && text.contains("lang=\"en\"") && text.contains("method=\"post\""));
    assert_eq!(count(&server, "mail", "sent"), 1, "looking is not leaving");
    let leave = ask("POST", path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(b"List-Unsubscribe=One-Click");
    for _ in 0..2 {
        let left = leave.to(server.public);
        assert_eq!(
            (left.status, left.header("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
    }
    assert_eq!(count(&server, "mail", "sent"), 0);
    let mut forged = path.to_owned();
    forged.replace_range(path.len() - 1.., if path.ends_with('A') { "B" } else { "A" });
    ask("GET", &forged).to(server.public).is_problem("not_found");
    ask("POST", &forged).to(server.public).is_problem("not_found");
    assert!(mail.rest().is_empty(), "once");
}

#[test]
fn a_restart_in_the_middle_sends_each_once() {
    let mail = smtp::Double::open();
    let mut server = Server::start(with_mail(mail.port));
    announce(&server);
    for n in 0..32 {
        let made =
            remind(&server, &format!("buyer-{n}"), &mail_body(&format!("p{n}@people.example")));
        assert_eq!(made.status, 201);
    }
    server.clock.advance(UNTIL_START_MS - LEAD_MS);
    let mut told = std::collections::BTreeSet::new();
    // Four at a time: what twenty a second earn in two looks.
    for round in 0..8 {
        for _ in 0..4 {
            assert!(told.insert(mail.next().to), "twice");
        }
        assert!(mail.rest().is_empty(), "more than the rate");
        if round == 3 {
            // A restart finds the bucket full.
            server = server.restart(with_mail(mail.port));
        } else {
            server.clock.advance(200);
        }
    }
    wait_for(&server, "mail", "sent", 32);
    assert_eq!((told.len(), count(&server, "mail", "waiting")), (32, 0));
    server.clock.advance(60_000);
    server.halt();
    assert!(mail.rest().is_empty());
}

#[test]
fn no_file_and_no_log_line_holds_an_address() {
    log::capture();
    let mail = smtp::Double::scripted(Box::new(|line| {
        line.contains("canary-refused")
            .then_some("550 no such mailbox canary-refused@people.example")
    }));
    let mut server = Server::start(with_mail(mail.port));
    announce(&server);
    for name in ["canary-ann", "canary-refused", "canary-erased"] {
        let made = remind(&server, name, &mail_body(&format!("{name}@people.example")));
        assert_eq!(made.status, 201);
    }
    let bad = remind(&server, "canary-bad", &mail_body("canary-bad@@people.example"));
    let said = bad.is_problem("invalid_request")["detail"].to_string();
    assert!(said.contains("address") && !said.contains("canary"), "{said}");
    let erased = json!({"buyer": "canary-erased"});
    let answer = server.operate("POST", "/admin/v1/buyers/erase", Some(erased.clone()));
    assert_eq!((answer.status, answer.json()), (200, json!({"removed": 1})));
    let again = server.operate("POST", "/admin/v1/buyers/erase", Some(erased));
    assert_eq!(again.json(), json!({"removed": 0}));
    server.clock.advance(UNTIL_START_MS - LEAD_MS);
    assert_eq!(mail.next().to, "canary-ann@people.example");
    wait_for(&server, "mail", "failed", 1);
    server.halt();
    assert!(mail.rest().is_empty());
    let mut files = 0;
    for file in walk(server.folder()) {
        let bytes = std::fs::read(&file).expect("read");
        assert!(!bytes.windows(6).any(|six| six == b"canary"), "{}", file.display());
        files += 1;
    }
    assert!(files > 3, "journal, secret, side store");
    let lines = log::lines();
    assert!(lines.iter().any(|line| line.contains("not sent")), "the log was captured");
    assert!(!lines.iter().any(|line| line.contains("canary") || line.contains("people.example")));
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries =
        std::fs::read_dir(folder).expect("folder").map(|entry| entry.expect("entry").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn every_channel_arrives_with_a_ticket_where_one_is_issued() {
    let (shop, browser, api) = (
        http::Double::answering(204),
        http::Double::answering(201),
        http::Double::scripted(Box::new(|got| {
            let token = r#"{"access_token":"t","expires_in":7200}"#.to_owned();
            let ok = r#"{"errcode":0}"#.to_owned();
            Some((200, "", if got.path.ends_with("stable_token") { token } else { ok }))
        })),
    );
    let (shop_port, browser_port, api_port) = (shop.port, browser.port, api.port);
    let server = Server::start(|config, dir| {
        notify(config, dir);
        config.notify.webhook = Some(WebhookSection {
            url: format!("http://127.0.0.1:{shop_port}/hooks"),
            secret_files: vec![file(dir, "whsec", &format!("whsec_{}", STANDARD.encode([5; 24])))],
            allow_private: true,
        });
        config.notify.push = Some(PushSection {
            key_file: file(dir, "vapid", &URL_SAFE_NO_PAD.encode([7; 32])),
            subject: "mailto:ops@shop.example".to_owned(),
            hosts: vec!["127.0.0.1".to_owned()],
            allow_private: true,
        });
        config.notify.wechat = Some(WechatSection {
            app_id: "wx1".to_owned(),
            secret_file: file(dir, "wechat", "app secret"),
            template_id: "tpl".to_owned(),
            app_page: "pages/drop?c={campaign}".to_owned(),
            fields: [("thing1".to_owned(), "{title}".to_owned())].into(),
            api_url: format!("http://127.0.0.1:{api_port}"),
        });
        let name = onrush::Name::new("shop").expect("name");
        let secret_file = file(dir, "key", &"s".repeat(40));
        config.api_keys.push(ApiKeySection { name, scope: vec![Scope::Reserve], secret_file });
    });
    announce(&server);
    let ann = server.engine.buyer("ann");
    let issue = move |campaign: &onrush::Campaign, buyer: onrush::BuyerDigest| {
        (buyer == ann).then(|| format!("https://shop.example/t/{}", campaign.name()))
    };
    assert!(server.running().gateway().issue_tickets_with(Box::new(issue)));
    assert!(
        !server.running().gateway().issue_tickets_with(Box::new(|_, _| None)),
        "the first counts"
    );

    let offered = ask("GET", PATH).to(server.public).json();
    assert_eq!(offered["channels"], json!(["webhook", "push", "wechat"]));
    assert_eq!(offered["open"], true);
    let consent = |mut body: Value| {
        body["consent"] = true.into();
        body["consent_at"] = "2026-12-01T11:59:00Z".into();
        body
    };
    let endpoint = format!("http://127.0.0.1:{browser_port}/push/1");
    let subscription = json!({"endpoint": endpoint, "expirationTime": null,
        "keys": {"p256dh": POINT, "auth": URL_SAFE_NO_PAD.encode([1; 16])}});
    // A back end names the buyer.
    let body = consent(json!({"channel": "webhook", "address": "customer-7", "buyer": "ann"}));
    assert_eq!(ask("POST", PATH).json(&body).bearer(&"s".repeat(40)).to(server.public).status, 201);
    let body = consent(json!({"channel": "push", "subscription": subscription}));
    assert_eq!(remind(&server, "ann", &body).status, 201);
    let body = consent(json!({"channel": "wechat", "address": "oUpF8uMuAJO_M2pxb1Q9"}));
    assert_eq!(remind(&server, "bob", &body).status, 201);

    server.clock.advance(UNTIL_START_MS - LEAD_MS);
    let hook = shop.next();
    assert_eq!(hook.json()["data"]["link"], "https://shop.example/t/drop");
    let signed = format!("{}.{}.", hook.header("webhook-id"), hook.header("webhook-timestamp"));
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&[5; 24]).expect("a key");
    mac.update(signed.as_bytes());
    mac.update(&hook.body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(hook.header("webhook-signature"), format!("v1,{signature}"));
    let push = browser.next();
    let key = offered["push_public_key"].as_str().expect("a key");
    assert!(push.header("authorization").ends_with(&format!("k={key}")));
    assert!(api.next().path.ends_with("stable_token"));
    let message = api.next().json();
    assert_eq!(message["touser"], "oUpF8uMuAJO_M2pxb1Q9");
    assert_eq!(message["data"]["thing1"]["value"], "Winter, drop");
    for channel in ["webhook", "push", "wechat"] {
        wait_for(&server, channel, "sent", 1);
    }
    let page = server.operate("GET", "/metrics", None);
    let page = String::from_utf8(page.body).expect("UTF-8");
    for line in [
        "onrush_reminders{channel=\"push\",state=\"sent\"} 1",
        "onrush_reminder_attempts_total 3",
        "onrush_reminder_retries_total 0",
    ] {
        assert!(page.contains(line), "{line}");
    }
}

/// The place is there before its holder is, once, and only where it cannot be the wrong one.
#[test]
fn a_reminder_carries_a_place_in_line() {
    let mail = smtp::Double::open();
    let server = Server::start(|config, dir| {
        with_mail(mail.port)(config, dir);
        config.notify.tickets = true;
        config.identity.groups = vec!["gold".to_owned()];
    });
    let announce = |name: &str, line: Value| {
        let body = json!({"opens_at": "2026-12-01T13:00:00Z", "line": line,
            "skus": [{"sku": "unit", "price": 100, "supply": 9}]});
        server.put(name, body);
    };
    announce("drop", json!({}));
    announce("tiered", json!({"tiers": [{"name": "all"}, {"name": "gold", "groups": ["gold"]}]}));
    assert_eq!(remind(&server, "ann", &mail_body("ann@example.com")).status, 201);
    let path = PATH.replace("drop", "tiered");
    let tiered = ask("POST", &path).json(&mail_body("bob@example.com")).buyer("bob");
    assert_eq!(tiered.to(server.public).status, 201);
    server.clock.advance(UNTIL_START_MS - LEAD_MS);
    let mut letters = [mail.next(), mail.next()];
    letters.sort_by_key(|letter| letter.to == "bob@example.com");
    let [ann, bob] = letters.map(|letter| letter.body());
    assert!(!bob.contains("#ticket="), "{bob}");
    let link = ann.split_once("https://shop.example/drops/drop#ticket=").expect("a link").1;
    let ticket = link.split_whitespace().next().expect("a ticket");
    let place = ask("GET", &format!("/v1/campaigns/drop/tickets/{ticket}")).to(server.public);
    assert_eq!(place.status, 200, "{}", String::from_utf8_lossy(&place.body));
    let joined = ask("POST", "/v1/campaigns/drop/tickets").buyer("ann").to(server.public);
    assert_eq!((joined.status, joined.text("ticket").as_str()), (200, ticket), "the same place");
}

#[test]
fn a_reminder_is_taken_back_on_one_channel_or_all() {
    let mail = smtp::Double::open();
    let server = Server::start(with_mail(mail.port));
    announce(&server);
    for buyer in ["ann", "bob"] {
        remind(&server, buyer, &mail_body(&format!("{buyer}@people.example")));
    }
    let delete = |body: Option<Value>| {
        let request = ask("DELETE", PATH).buyer("ann");
        let request = match body {
            Some(body) => {
                let length = body.to_string().len().to_string();
                request.header("content-length", &length).json(&body)
            }
            None => request,
        };
        request.to(server.public)
    };
    assert_eq!(delete(Some(json!({"channel": "push"}))).json(), json!({"removed": 0}));
    assert_eq!(delete(None).json(), json!({"removed": 1}));
    assert_eq!(delete(None).json(), json!({"removed": 0}));
    delete(Some(json!({"channel": "pigeon"}))).is_problem("invalid_request");
    delete(Some(json!({"buyer": "bob"}))).is_problem("invalid_request");
    ask("DELETE", PATH).to(server.public).is_problem("unauthenticated");
    server.clock.advance(UNTIL_START_MS - LEAD_MS);
    assert_eq!(mail.next().to, "bob@people.example");
}

#[test]
fn each_mistake_says_what_to_do() {
    let mail = smtp::Double::open();
    let server = Server::start(with_mail(mail.port));
    announce(&server);
    let good = mail_body("ann@people.example");
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let without = |field: &str| {
        let mut body = good.clone();
        body.as_object_mut().expect("an object").remove(field);
        body
    };
    for (body, words) in [
        (with("address", json!("ann")), "address: write one mail address"),
        (without("address"), "address: required"),
        (with("consent", json!(false)), "consent: must be true"),
        (without("consent"), "consent: must be true"),
        (without("consent_at"), "consent_at"),
        (with("consent_at", json!("yesterday")), "consent_at"),
        (with("consent_at", json!("2026-12-01T12:05:01Z")), "consent_at: is in the future"),
        (with("channel", json!("pigeon")), "channel: one of"),
        (with("channel", json!("push")), "use one of mail"),
        (with("locale", json!("fr")), "locale"),
        (
            with("subscription", json!({"endpoint": "x", "keys": {"p256dh": "", "auth": ""}})),
            "only for",
        ),
        (with("adress", json!("x")), "unknown field"),
        (with("buyer", json!("bob")), "only a shop's back end"),
    ] {
        let problem = remind(&server, "ann", &body).is_problem("invalid_request");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains(words), "{words}: {detail}");
    }
    let post = |path: &str| -> Ask { ask("POST", path).json(&good) };
    post(PATH).to(server.public).is_problem("unauthenticated");
    let elsewhere = post("/v1/campaigns/other/reminders").buyer("ann");
    elsewhere.to(server.public).is_problem("not_found");
    ask("PATCH", PATH).to(server.public).is_problem("method_not_allowed");
    assert_eq!(count(&server, "mail", "waiting"), 0, "none of it was kept");
    // The family's fifth is one too many for a mailbox.
    for n in 0..4 {
        assert_eq!(remind(&server, &format!("f{n}"), &good).status, 201);
    }
    remind(&server, "f4", &good).is_problem("limit_reached");
    server.clock.advance(UNTIL_START_MS);
    remind(&server, "ann", &good).is_problem("already_open");
    assert_eq!(ask("GET", PATH).to(server.public).json()["open"], false);
    wait_for(&server, "mail", "missed", 4);
    let to = json!({"to": "closed", "reason": "over"});
    assert_eq!(server.operate("POST", "/admin/v1/campaigns/drop/phase", Some(to)).status, 200);
    remind(&server, "ann", &good).is_problem("ended");
    assert!(mail.rest().is_empty(), "never after the start");
}

#[test]
fn a_shop_without_reminders_still_has_a_calendar() {
    let server = Server::dev();
    announce(&server);
    let refused = remind(&server, "ann", &mail_body("ann@people.example"));
    let detail = refused.is_problem("invalid_request")["detail"].to_string();
    assert!(detail.contains("calendar.ics"), "{detail}");
    ask("GET", "/v1/unsubscribe/x").to(server.public).is_problem("invalid_request");
    assert_eq!(ask("GET", PATH).to(server.public).json()["channels"], json!([]));
    let erased = server.operate("POST", "/admin/v1/buyers/erase", Some(json!({"buyer": "ann"})));
    assert_eq!(erased.json(), json!({"removed": 0}));

    let path = "/v1/campaigns/drop/calendar.ics";
    let file = ask("GET", path).to(server.public);
    assert_eq!(
        (file.status, file.header("content-type")),
        (200, Some("text/calendar; charset=utf-8"))
    );
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"drop.ics\""));
    let text = String::from_utf8(file.body).expect("UTF-8");
    for line in ["DTSTART:20261201T130000Z", "SUMMARY:Winter\\, drop", "UID:drop@"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert_eq!(ask("HEAD", path).to_head(server.public).status, 200);
    server.put("later", json!({"skus": []}));
    let unplanned = ask("GET", "/v1/campaigns/later/calendar.ics").to(server.public);
    unplanned.is_problem("invalid_request");
    ask("GET", "/v1/campaigns/none/calendar.ics").to(server.public).is_problem("not_found");
    server
        .put("draft", json!({"published": false, "opens_at": "2026-12-01T13:00:00Z", "skus": []}));
    ask("GET", "/v1/campaigns/draft/calendar.ics").to(server.public).is_problem("not_found");
}

#[test]
fn only_operators_count_and_erase() {
    let mail = smtp::Double::open();
    let server = Server::start(|config, dir| {
        with_mail(mail.port)(config, dir);
        let name = onrush::Name::new("shop").expect("name");
        let secret_file = file(dir, "key", &"s".repeat(40));
        config.api_keys.push(ApiKeySection { name, scope: vec![Scope::Reserve], secret_file });
    });
    announce(&server);
    for request in [
        ask("GET", "/admin/v1/campaigns/drop/reminders"),
        ask("POST", "/admin/v1/buyers/erase").json(&json!({"buyer": "ann"})),
    ] {
        request.clone().to(server.admin).is_problem("unauthenticated");
        request.clone().bearer(&"s".repeat(40)).to(server.admin).is_problem("forbidden");
        request.to(server.public).is_problem("not_found");
    }
    server
        .operate("POST", "/admin/v1/buyers/erase", Some(json!({"buyer": ""})))
        .is_problem("invalid_request");
    server.operate("GET", "/admin/v1/campaigns/none/reminders", None).is_problem("not_found");
}

#[test]
fn a_configuration_that_cannot_work_is_refused_at_the_start() {
    let start = |edit: &dyn Fn(&mut Config, &Path)| {
        let dir = tempfile::tempdir().expect("folder");
        let engine = onrush::Engine::open(dir.path().join("data"), onrush::Options::default());
        let mut config = Config::default();
        with_mail(25)(&mut config, dir.path());
        edit(&mut config, dir.path());
        let refused = onrush_gateway::Gateway::new(&config, engine.expect("engine"));
        refused.expect_err("refused").to_string()
    };
    let said = start(&|config, _| config.side = None);
    assert!(said.contains("data folder"), "{said}");
    let said = start(&|config, _| {
        config.notify.mail.as_mut().expect("configured").from = "nobody".to_owned();
    });
    assert!(said.contains("notify.mail") && said.contains("mailbox"), "{said}");
    let said = start(&|config, dir| {
        config.notify.push = Some(PushSection {
            key_file: file(dir, "vapid", "too short"),
            subject: "mailto:a@b.example".to_owned(),
            hosts: vec!["push.example".to_owned()],
            allow_private: false,
        });
    });
    assert!(said.contains("openssl rand 32") && !said.contains("too short"), "{said}");
    let said = start(&|config, dir| {
        config.notify.webhook = Some(WebhookSection {
            url: "https://shop.example/".to_owned(),
            secret_files: vec![file(dir, "plain", "secret")],
            allow_private: false,
        });
    });
    assert!(said.contains("whsec_"), "{said}");
    let said = start(&|config, dir| config.notify.ca_file = Some(dir.join("missing.pem")));
    assert!(said.contains("notify.ca_file"), "{said}");
}
