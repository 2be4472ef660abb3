//! Mail: what a server gets, and what each of its refusals means.

use crate::doubles::smtp::Double;
use crate::parts::{closed_port, send};
use onrush_notify::send::{MailSender, MailServer, MailTls, Senders};
use onrush_notify::{Address, Outcome};
use std::sync::{Arc, Mutex};

fn senders(port: u16, login: bool) -> Senders {
    let login = login.then(|| ("drops".to_owned(), "pass word".to_owned().into()));
    let host = "127.0.0.1".to_owned();
    let server = MailServer { host, port, tls: MailTls::None, login, roots: None };
    let mail = MailSender::new(server, "店铺 Shop <drops@shop.example>").expect("a sender");
    Senders { mail: Some(mail), ..Senders::default() }
}

fn ann() -> Address {
    Address::mail("ann@people.example").expect("a mailbox")
}

#[test]
fn a_mail_arrives_whole_with_its_way_out() {
    let double = Double::open();
    assert_eq!(send(&senders(double.port, false), ann()), Outcome::Sent);
    let got = double.next();
    assert_eq!((got.from.as_str(), got.to.as_str()), ("drops@shop.example", "ann@people.example"));
    let leave = format!("<https://drop.shop.example/v1/unsubscribe/{}>", "x".repeat(68));
    assert_eq!(got.header("List-Unsubscribe"), leave);
    assert_eq!(got.header("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert_eq!(got.header("Message-ID"), "<0123456789abcdef0123456789abcdef@shop.example>");
    assert_eq!(got.header("Date"), "Tue, 01 Dec 2026 11:50:00 +0000");
    assert_eq!(got.header("To"), "ann@people.example");
    assert_eq!(got.header("Auto-Submitted"), "auto-generated");
    assert_eq!(got.header("Content-Language"), "zh");
    assert!(got.header("From").contains("<drops@shop.example>"), "{}", got.header("From"));
    assert!(got.header("Content-Type").contains("utf-8"));
    assert_eq!(got.body().trim_end(), "您预约的「冬季 Drop」即将开售。\n.前往");
    assert_eq!(words(&got.header("Subject")), "冬季 Drop 将于 2026-12-01 20:00 (UTC+08:00) 开售");
    // Whatever a reader decodes, the bytes on the wire are ASCII in short lines (RFC 5322 §2.1.1).
    assert!(got.text.is_ascii() && got.text.lines().all(|line| line.len() <= 998));
    assert!(double.rest().is_empty());
}

/// Decode encoded words (RFC 2047), base64 only, as the composer writes them.
fn words(text: &str) -> String {
    use base64::Engine as _;
    let mut out = String::new();
    let mut was_encoded = false;
    for part in text.split(' ') {
        let inside = part.strip_prefix("=?utf-8?b?").and_then(|part| part.strip_suffix("?="));
        match inside {
            Some(encoded) => {
                // Space between two encoded words is not part of the text.
                if !out.is_empty() && !was_encoded {
                    out.push(' ');
                }
                let bytes = base64::engine::general_purpose::STANDARD.decode(encoded);
                out += &String::from_utf8(bytes.expect("base64")).expect("UTF-8");
            }
            None => {
                if !out.is_empty() {
                    out.push(' ');
                }
                out += part;
            }
        }
        was_encoded = inside.is_some();
    }
    out
}

#[test]
fn the_login_is_shown_before_anything_else() {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let double = Double::scripted(Box::new(move |line| {
        heard.lock().expect("lock").push(line.to_owned());
        None
    }));
    assert_eq!(send(&senders(double.port, true), ann()), Outcome::Sent);
    double.next();
    let said = said.lock().expect("lock");
    let verbs: Vec<&str> =
        said.iter().map(|line| line.split(' ').next().expect("a verb")).collect();
    assert_eq!(verbs[..5], ["EHLO", "AUTH", "MAIL", "RCPT", "DATA"]);
    // PLAIN (RFC 4616): nothing, user, password.
    assert_eq!(said[1], "AUTH PLAIN AGRyb3BzAHBhc3Mgd29yZA==");
}

#[test]
fn each_refusal_means_what_it_says() {
    let later = |outcome: &Outcome| matches!(outcome, Outcome::Later { .. });
    let refused = |outcome: &Outcome| matches!(outcome, Outcome::Refused(_));
    let unknown = |outcome: &Outcome| matches!(outcome, Outcome::Unknown(_));
    type Meaning = fn(&Outcome) -> bool;
    let table: [(&str, &'static str, Meaning); 11] = [
        ("EHLO", "421 go away", later),
        ("AUTH", "535 wrong password", later),
        ("MAIL", "550 who are you", later),
        ("RCPT", "450 mailbox busy", later),
        ("RCPT", "550 no such mailbox", refused),
        ("RCPT", "", later),
        ("DATA", "451 not now", later),
        ("DATA", "554 no", refused),
        (".", "451 try again", later),
        (".", "554 looks like spam", refused),
        (".", "", unknown),
    ];
    for (at, answer, meaning) in table {
        let double = Double::scripted(Box::new(move |line| line.starts_with(at).then_some(answer)));
        let outcome = send(&senders(double.port, true), ann());
        assert!(meaning(&outcome), "{at} {answer:?}: {outcome:?}");
        assert!(double.rest().is_empty(), "{at} {answer:?}");
    }
    assert!(later(&send(&senders(closed_port(), false), ann())));
}

#[test]
fn a_sender_that_is_no_mailbox_is_refused_at_the_start() {
    for bad in ["", "drops", "drops@", "a@b.example, c@d.example"] {
        let host = "127.0.0.1".to_owned();
        let server = MailServer { host, port: 25, tls: MailTls::None, login: None, roots: None };
        assert!(MailSender::new(server, bad).is_err(), "{bad}");
    }
}
