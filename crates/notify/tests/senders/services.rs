//! The shop's own system, and WeChat.

use crate::doubles::http::Double;
use crate::parts::{NOW, anywhere, send};
use onrush_notify::send::{
    Http, Reach, Senders, Target, WebhookSender, WechatSender, WechatTemplate, signature,
};
use onrush_notify::{Address, Outcome};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

fn webhook(http: Http, port: u16) -> Senders {
    let target = Target::parse(&format!("http://127.0.0.1:{port}/hooks?x=1")).expect("a target");
    let secrets =
        vec![b"the new secret of 24 byte".to_vec(), b"the old secret of 24 byte".to_vec()];
    let webhook = Some(WebhookSender::new(http, target, secrets));
    Senders { webhook, ..Senders::default() }
}

fn customer() -> Address {
    Address::webhook("customer-7").expect("a reference")
}

#[test]
fn the_shop_can_verify_who_sent_what() {
    let double = Double::answering(204);
    assert_eq!(send(&webhook(anywhere(), double.port), customer()), Outcome::Sent);
    let got = double.next();
    assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/hooks?x=1"));
    assert_eq!(got.header("content-type"), "application/cloudevents+json");
    let (id, at) = (got.header("webhook-id"), got.header("webhook-timestamp"));
    assert_eq!(at, (NOW.0 / 1_000).to_string());
    let secrets: [&[u8]; 2] = [b"the new secret of 24 byte", b"the old secret of 24 byte"];
    let expected = secrets.map(|secret| signature(secret, id, NOW.0 / 1_000, &got.body));
    assert_eq!(got.header("webhook-signature"), expected.join(" "));
    let event = got.json();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(
        (event["id"].as_str(), event["type"].as_str()),
        (Some(id), Some("onrush.reminder.due"))
    );
    assert_eq!(event["time"], "2026-12-01T11:50:00.000Z");
    assert_eq!(event["data"]["recipient"], "customer-7");
    assert_eq!(event["data"]["campaign"], "drop");
    assert_eq!(event["data"]["opens_at"], "2026-12-01T12:00:00.000Z");
    assert_eq!(event["data"]["link"], "https://shop.example/drops/drop");
}

#[test]
fn a_webhook_into_a_private_network_needs_permission() {
    let double = Double::answering(204);
    let public = Http::new(Reach::Public, None).expect("a client");
    let outcome = send(&webhook(public, double.port), customer());
    assert_eq!(outcome, Outcome::Refused("the address leads into a private network"));
    assert!(double.rest().is_empty());
}

#[test]
fn a_channel_that_is_gone_refuses() {
    let outcome = send(&Senders::default(), customer());
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
}

fn wechat(port: u16) -> Senders {
    let template = WechatTemplate {
        id: "tpl-1".to_owned(),
        page: "pages/drop/index?c={campaign}".to_owned(),
        fields: vec![
            ("thing1".to_owned(), "提醒：{title}，请准时参加不要错过本次活动哦".to_owned()),
            ("time2".to_owned(), "{time}".to_owned()),
        ],
    };
    let base = format!("http://127.0.0.1:{port}");
    let secret = "app secret".to_owned().into();
    let made = WechatSender::new(anywhere(), &base, "wx1", secret, template).expect("a sender");
    Senders { wechat: Some(made), ..Senders::default() }
}

fn user() -> Address {
    Address::wechat("oUpF8uMuAJO_M2pxb1Q9zNjWeS6o").expect("an openid")
}

/// The API: hands out tokens `t1`, `t2`, … and answers a message with what `answers` says next.
fn api(answers: Vec<&'static str>) -> Double {
    let tokens = AtomicU32::new(0);
    let answers = Mutex::new(answers.into_iter());
    Double::scripted(Box::new(move |got| {
        if got.path == "/cgi-bin/stable_token" {
            // Relaxed: one thread counts.
            let n = tokens.fetch_add(1, Ordering::Relaxed) + 1;
            let body = json!({"access_token": format!("t{n}"), "expires_in": 7_200}).to_string();
            return Some((200, "content-type: application/json\r\n", body));
        }
        let answer = answers.lock().expect("lock").next();
        answer.map(|body| (200, "", body.to_owned()))
    }))
}

#[test]
fn a_subscribe_message_has_the_shape_the_api_wants() {
    let double = api(vec![r#"{"errcode":0,"errmsg":"ok"}"#]);
    assert_eq!(send(&wechat(double.port), user()), Outcome::Sent);
    let token = double.next();
    assert_eq!(
        token.json(),
        json!({"grant_type": "client_credential", "appid": "wx1", "secret": "app secret",
            "force_refresh": false})
    );
    let message = double.next();
    assert_eq!(message.path, "/cgi-bin/message/subscribe/send?access_token=t1");
    let thing: String = "提醒：冬季 Drop，请准时参加不要错过本次活动哦".chars().take(20).collect();
    assert_eq!(
        message.json(),
        json!({"touser": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "template_id": "tpl-1",
            "page": "pages/drop/index?c=drop", "lang": "zh_CN",
            "data": {"thing1": {"value": thing}, "time2": {"value": "2026-12-01 20:00"}}})
    );
}

#[test]
fn a_token_is_kept_and_renewed_once_when_it_is_refused() {
    let expired = r#"{"errcode":42001,"errmsg":"access_token expired"}"#;
    let ok = r#"{"errcode":0}"#;
    let double = api(vec![ok, expired, ok, expired, expired]);
    let senders = wechat(double.port);
    assert_eq!(send(&senders, user()), Outcome::Sent);
    assert_eq!(send(&senders, user()), Outcome::Sent);
    assert!(matches!(send(&senders, user()), Outcome::Later { .. }), "refused twice");
    let asked: Vec<String> = double.rest().into_iter().map(|got| got.path).collect();
    let send = |n: u32| format!("/cgi-bin/message/subscribe/send?access_token=t{n}");
    let token = || "/cgi-bin/stable_token".to_owned();
    assert_eq!(asked, [token(), send(1), send(1), token(), send(2), send(2), token(), send(3)]);
}

#[test]
fn each_code_of_the_api_means_what_it_says() {
    for (answer, expected) in [
        (r#"{"errcode":43101}"#, "refused"),
        (r#"{"errcode":40003}"#, "refused"),
        (r#"{"errcode":40037}"#, "refused"),
        (r#"{"errcode":47003}"#, "refused"),
        (r#"{"errcode":99999}"#, "refused"),
        (r#"{"errcode":-1}"#, "later"),
        (r#"{"errcode":45009}"#, "later"),
        ("<html>", "unknown"),
    ] {
        let double = api(vec![answer]);
        let named = match send(&wechat(double.port), user()) {
            Outcome::Sent => "sent",
            Outcome::Refused(_) => "refused",
            Outcome::Later { .. } => "later",
            Outcome::Unknown(_) => "unknown",
        };
        assert_eq!(named, expected, "{answer}");
    }
    let silent = api(Vec::new());
    assert!(matches!(send(&wechat(silent.port), user()), Outcome::Unknown(_)));
    let wrong = json!({"errcode": 40013, "errmsg": "invalid appid"}).to_string();
    let no_token = Double::scripted(Box::new(move |_| Some((200, "", wrong.clone()))));
    let outcome = send(&wechat(no_token.port), user());
    assert!(matches!(outcome, Outcome::Later { .. }), "{outcome:?}");
    let got: Value = no_token.next().json();
    assert_eq!(got["appid"], "wx1");
}
