//! Web Push: the double is a push service and a browser in one.

use crate::doubles::http::{Double, Got};
use crate::parts::{NOW, anywhere, closed_port, send};
use aes_gcm::aead::Aead;
use aes_gcm::{Aes128Gcm, KeyInit, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use onrush_notify::send::{Http, PushHosts, PushSender, Reach, Senders, Vapid};
use onrush_notify::{Address, Outcome};
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::{PublicKey, SecretKey};
use serde_json::Value;
use sha2::Sha256;

const AUTH: [u8; 16] = [9; 16];

fn browser() -> SecretKey {
    SecretKey::from_slice(&[3; 32]).expect("a key")
}

fn address(endpoint: &str) -> Address {
    let point = URL_SAFE_NO_PAD.encode(browser().public_key().to_sec1_bytes());
    Address::push(endpoint, &point, &URL_SAFE_NO_PAD.encode(AUTH)).expect("a subscription")
}

fn sender(http: Http, hosts: &[&str]) -> Senders {
    let key = URL_SAFE_NO_PAD.encode([7; 32]);
    let vapid = Vapid::new(&key, "mailto:ops@shop.example").expect("a key");
    let hosts = PushHosts(hosts.iter().map(|host| (*host).to_owned()).collect());
    Senders { push: Some(PushSender::new(http, vapid, hosts, true)), ..Senders::default() }
}

fn post(double: &Double) -> Outcome {
    let endpoint = format!("http://127.0.0.1:{}/push/canary", double.port);
    send(&sender(anywhere(), &["127.0.0.1"]), address(&endpoint))
}

/// Decrypt as a browser does (RFC 8291 §3.4, RFC 8188), written from the RFCs' text.
fn decrypt(body: &[u8]) -> Vec<u8> {
    let hash = |key: &[u8], text: &[u8]| -> Vec<u8> {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("a key");
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    };
    let (salt, rest) = body.split_at(16);
    assert_eq!(rest[..5], [0, 0, 16, 0, 65], "record size 4096, a key id of 65 bytes");
    let (sender, sealed) = rest[5..].split_at(65);
    let theirs = PublicKey::from_sec1_bytes(sender).expect("a point");
    let shared = browser().diffie_hellman(&theirs);
    let receiver = browser().public_key().to_sec1_bytes();
    let info = [b"WebPush: info\0", receiver.as_ref(), sender, &[1]].concat();
    let input = hash(&hash(&AUTH, shared.raw_secret_bytes()), &info);
    let extracted = hash(salt, &input);
    let key = hash(&extracted, b"Content-Encoding: aes128gcm\0\x01");
    let nonce = hash(&extracted, b"Content-Encoding: nonce\0\x01");
    let key: [u8; 16] = key[..16].try_into().expect("16 bytes");
    let nonce: [u8; 12] = nonce[..12].try_into().expect("12 bytes");
    let mut text =
        Aes128Gcm::new(&key.into()).decrypt(&Nonce::from(nonce), sealed).expect("sealed");
    assert_eq!(text.pop(), Some(2), "the last record's mark");
    text
}

/// Check the token as a push service does (RFC 8292), and return its claims.
fn verified(got: &Got) -> Value {
    let shown = got.header("authorization").strip_prefix("vapid t=").expect("a token").to_owned();
    let (token, key) = shown.split_once(", k=").expect("a key");
    let key = URL_SAFE_NO_PAD.decode(key).expect("base64url");
    let key = VerifyingKey::from_sec1_bytes(&key).expect("a point");
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let signature = Signature::from_slice(&signature).expect("a signature");
    key.verify(signed.as_bytes(), &signature).expect("signed by this key");
    let (head, claims) = signed.split_once('.').expect("two parts");
    let read = |part| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    assert_eq!(read(head), serde_json::json!({"typ": "JWT", "alg": "ES256"}));
    read(claims)
}

#[test]
fn a_browser_can_read_what_its_service_got_and_cannot_forge() {
    let double = Double::answering(201);
    assert_eq!(post(&double), Outcome::Sent);
    let got = double.next();
    assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/push/canary"));
    assert_eq!(got.header("content-encoding"), "aes128gcm");
    assert_eq!(got.header("ttl"), "600", "until the start");
    assert_eq!((got.header("urgency"), got.header("topic").len()), ("high", 32));
    let claims = verified(&got);
    assert_eq!(claims["aud"], format!("http://127.0.0.1:{}", double.port));
    assert_eq!(claims["sub"], "mailto:ops@shop.example");
    let expires = claims["exp"].as_u64().expect("a number") - NOW.0 / 1_000;
    assert!((1..=86_400).contains(&expires), "at most a day");
    let payload: Value = serde_json::from_slice(&decrypt(&got.body)).expect("JSON");
    assert_eq!(payload["url"], "https://shop.example/drops/drop");
    assert_eq!(payload["opens_at"], "2026-12-01T12:00:00.000Z");
    assert!(payload["title"].as_str().is_some_and(|title| title.contains("冬季 Drop")));
    assert!(payload["unsubscribe"].as_str().is_some_and(|url| url.contains("/v1/unsubscribe/")));
    // The service itself sees nothing of it.
    let clear = String::from_utf8_lossy(&got.body).into_owned();
    assert!(!clear.contains("shop.example"));
    let key = sender(anywhere(), &[]).push.expect("configured").public_key();
    assert!(got.header("authorization").ends_with(&key), "the key browsers subscribed to");
}

#[test]
fn each_answer_of_a_service_means_what_it_says() {
    for (status, expected) in [
        (200, "sent"),
        (201, "sent"),
        (202, "sent"),
        (400, "refused"),
        (403, "refused"),
        (404, "refused"),
        (410, "refused"),
        (413, "refused"),
        (301, "refused"),
        (429, "later"),
        (500, "later"),
        (503, "later"),
    ] {
        let double = Double::answering(status);
        let named = match post(&double) {
            Outcome::Sent => "sent",
            Outcome::Refused(_) => "refused",
            Outcome::Later { .. } => "later",
            Outcome::Unknown(_) => "unknown",
        };
        assert_eq!(named, expected, "{status}");
        assert_eq!(double.rest().len(), 1, "{status}: asked once");
    }
    let double = Double::scripted(Box::new(|_| Some((429, "retry-after: 30\r\n", String::new()))));
    let after = Some(onrush_types::DurationMs(30_000));
    assert!(matches!(post(&double), Outcome::Later { after: a, .. } if a == after));
    let silent = Double::scripted(Box::new(|_| None));
    assert!(matches!(post(&silent), Outcome::Unknown(_)), "it may have it");
    let endpoint = format!("http://127.0.0.1:{}/x", closed_port());
    let outcome = send(&sender(anywhere(), &["127.0.0.1"]), address(&endpoint));
    assert!(matches!(outcome, Outcome::Later { .. }), "{outcome:?}");
}

#[test]
fn a_buyer_cannot_steer_a_post_into_a_private_network() {
    let double = Double::answering(201);
    // The host is not on the list.
    let endpoint = format!("http://127.0.0.1:{}/x", double.port);
    let outcome = send(&sender(anywhere(), &["push.example"]), address(&endpoint));
    assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    // It is on the list, but its name leads home.
    let public = Http::new(Reach::Public, None).expect("a client");
    for host in ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1"] {
        let endpoint = format!("http://{host}:{}/x", double.port);
        let listed = host.trim_matches(['[', ']']);
        let outcome = send(&sender(public.clone(), &[listed]), address(&endpoint));
        let wanted = Outcome::Refused("the address leads into a private network");
        // A machine without IPv6 does not resolve `[::1]` to anything it could reach either.
        assert_eq!(outcome, wanted, "{host}");
    }
    assert!(double.rest().is_empty(), "nothing came");
}

#[test]
fn an_endpoint_is_checked_when_a_buyer_subscribes() {
    let key = URL_SAFE_NO_PAD.encode([7; 32]);
    let vapid = Vapid::new(&key, "https://shop.example").expect("a key");
    let push = PushSender::new(anywhere(), vapid, PushHosts::default(), false);
    assert!(push.check("https://fcm.googleapis.com/fcm/send/x").is_ok());
    for bad in [
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com:8443/x",
        "https://127.0.0.1/x",
        "https://u:p@fcm.googleapis.com/x",
        "https://evil.example/x",
        "nonsense",
    ] {
        let said = push.check(bad).expect_err(bad);
        assert!(!said.contains("evil") && !said.contains("/x"), "{said}");
    }
    assert!(Vapid::new("short", "mailto:a@b.example").is_err());
    assert!(Vapid::new(&key, "ops@shop.example").is_err());
}
