//! Who is believed, and who is not: JWTs, sessions, API keys, cookies, other origins.

use crate::client::{Answer, ask};
use crate::server::{START_MS, Server, file, reserve};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use onrush_gateway::Config;
use onrush_gateway::config::{SessionKeySection, Span};
use serde_json::{Value, json};
use std::path::Path;

const NOW: u64 = START_MS / 1_000;
const SECRET: &str = "a shared secret of more than 32 bytes";
const RSA: &str = include_str!("keys/rsa.pem");
const EC: &str = include_str!("keys/p256.pem");
const ED: &str = include_str!("keys/ed25519.pem");

fn key(algorithm: Algorithm) -> EncodingKey {
    match algorithm {
        Algorithm::RS256 => EncodingKey::from_rsa_pem(RSA.as_bytes()),
        Algorithm::ES256 => EncodingKey::from_ec_pem(EC.as_bytes()),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(ED.as_bytes()),
        _ => Ok(EncodingKey::from_secret(SECRET.as_bytes())),
    }
    .expect("a key")
}

fn jwks() -> Value {
    let keys = [(Algorithm::RS256, "rsa"), (Algorithm::ES256, "ec"), (Algorithm::EdDSA, "ed")];
    let keys: Vec<Value> = keys
        .into_iter()
        .map(|(algorithm, id)| {
            let jwk = Jwk::from_encoding_key(&key(algorithm), algorithm).expect("a JWK");
            let mut jwk = serde_json::to_value(jwk).expect("JSON");
            jwk["kid"] = id.into();
            jwk
        })
        .collect();
    json!({"keys": keys})
}

/// A server that believes the issuer `login` by its public keys.
fn with_jwks() -> Server {
    Server::start(|config, dir| {
        config.dev = true;
        config.identity.issuer = Some("login".to_owned());
        config.identity.jwks_file = Some(file(dir, "jwks.json", &jwks().to_string()));
        config.identity.leeway = Some(Span(onrush::DurationMs(0)));
    })
}

fn claims() -> Value {
    json!({"iss": "login", "sub": "ann", "exp": NOW + 60})
}

fn token(algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
    encode(&header, claims, &key(algorithm)).expect("a token")
}

/// Ask for a session with a token.
fn session(server: &Server, token: &str) -> Answer {
    ask("POST", "/v1/sessions").bearer(token).to(server.public)
}

#[test]
fn each_algorithm_is_believed_with_its_own_key_only() {
    let server = with_jwks();
    server.open_campaign("drop", 9, 1);
    let algorithms = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
    let ids = ["rsa", "ec", "ed"];
    for (at, algorithm) in algorithms.into_iter().enumerate() {
        for (of, id) in ids.into_iter().enumerate() {
            let answer = session(&server, &token(algorithm, Some(id), &claims()));
            if at == of {
                assert_eq!(answer.status, 201, "{id}");
            } else {
                answer.is_problem("unauthenticated");
            }
        }
        for kid in [None, Some("none"), Some("")] {
            session(&server, &token(algorithm, kid, &claims())).is_problem("unauthenticated");
        }
        // On the hot path too, and for the same buyer.
        let direct = reserve("drop").key("k").bearer(&token(algorithm, Some(ids[at]), &claims()));
        assert!(matches!(direct.to(server.public).status, 200 | 201));
    }
    assert_eq!(server.units("drop"), (8, 1), "one buyer, one key, one hold");
}

#[test]
fn tricks_with_headers_are_refused() {
    let server = with_jwks();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let rsa_public = jwks()["keys"][0]["n"].as_str().expect("a modulus").to_owned();
    // HS256 with the public key as the secret.
    let header = Header { kid: Some("rsa".to_owned()), ..Header::new(Algorithm::HS256) };
    for secret in [rsa_public.as_bytes(), RSA.as_bytes(), b""] {
        let forged = encode(&header, &claims(), &EncodingKey::from_secret(secret)).expect("token");
        session(&server, &forged).is_problem("unauthenticated");
    }
    // No signature at all.
    for alg in ["none", "None", "NONE", "HS256", "RS256"] {
        let header = part(&json!({"alg": alg, "typ": "JWT", "kid": "rsa"}));
        session(&server, &format!("{header}.{}.", part(&claims()))).is_problem("unauthenticated");
    }
}

#[test]
fn claims_are_checked_one_by_one() {
    let server = with_jwks();
    let with = |field: &str, value: Value| {
        let mut claims = claims();
        match value {
            Value::Null if field != "nbf" => {
                drop(claims.as_object_mut().expect("map").remove(field))
            }
            value => claims[field] = value,
        }
        token(Algorithm::EdDSA, Some("ed"), &claims)
    };
    for (field, bad) in [
        ("exp", json!(null)),
        ("exp", json!(NOW)),
        ("exp", json!(NOW - 1)),
        ("exp", json!((NOW + 60).to_string())),
        ("exp", json!(-1)),
        ("exp", json!([NOW + 60])),
        ("nbf", json!(NOW + 1)),
        ("nbf", json!("tomorrow")),
        ("nbf", json!(null)),
        ("nbf", json!({})),
        ("sub", json!(null)),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("iss", json!(null)),
        ("iss", json!("other")),
        ("iss", json!(["login", "other"])),
        ("aud", json!("some other service")),
    ] {
        session(&server, &with(field, bad.clone())).is_problem("unauthenticated");
    }
    let long = with("sub", json!("x".repeat(257)));
    session(&server, &long).is_problem("invalid_request");
    for fine in [with("nbf", json!(NOW)), with("exp", json!(NOW as f64 + 0.5)), with("x", json!(1))]
    {
        assert_eq!(session(&server, &fine).status, 201);
    }
    // Every bit of the signed text counts.
    let good = token(Algorithm::EdDSA, Some("ed"), &claims());
    assert_eq!(session(&server, &good).status, 201);
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone().into_bytes();
        bad[at] = if bad[at] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(bad).expect("ASCII");
        session(&server, &bad).is_problem("unauthenticated");
    }
    for bad in ["", ".", "..", "a.b.c", "Bearer", &"x.".repeat(5_000)] {
        session(&server, bad).is_problem("unauthenticated");
    }
    for scheme in ["Basic abc", "bearer", "Bearer", "Token x"] {
        let request = ask("POST", "/v1/sessions").header("authorization", scheme);
        request.to(server.public).is_problem("unauthenticated");
    }
    // The clock decides, not the token's age at the door.
    server.clock.advance(60_000);
    session(&server, &good).is_problem("unauthenticated");
}

#[test]
fn a_shared_secret_and_an_audience() {
    let server = Server::start(|config, dir| {
        config.identity.issuer = Some("login".to_owned());
        config.identity.audience = Some("onrush".to_owned());
        config.identity.secret_file = Some(file(dir, "secret", SECRET));
        config.identity.leeway = Some(Span(onrush::DurationMs(5_000)));
    });
    let with = |field: &str, value: Value| {
        let mut claims = claims();
        claims["aud"] = "onrush".into();
        claims[field] = value;
        token(Algorithm::HS256, None, &claims)
    };
    assert_eq!(session(&server, &with("x", json!(1))).status, 201);
    assert_eq!(session(&server, &with("aud", json!(["a", "onrush"]))).status, 201);
    assert_eq!(session(&server, &with("exp", json!(NOW - 4))).status, 201, "within the leeway");
    for bad in [
        with("aud", json!("other")),
        with("exp", json!(NOW - 5)),
        token(Algorithm::HS256, None, &claims()),
        token(Algorithm::EdDSA, None, &claims()),
    ] {
        session(&server, &bad).is_problem("unauthenticated");
    }
    // Without --dev a buyer's name is only a header.
    reserve("drop").buyer("ann").key("k").to(server.public).is_problem("unauthenticated");
}

#[test]
fn key_files_that_cannot_be_trusted_are_refused_at_the_start() {
    let try_keys = |content: &str| {
        let dir = tempfile::tempdir().expect("folder");
        let mut config = Config::default();
        config.identity.issuer = Some("login".to_owned());
        config.identity.jwks_file = Some(file(dir.path(), "jwks", content));
        let options = onrush::Options { segment_bytes: 1 << 20, ..Default::default() };
        let engine = onrush::Engine::open(dir.path().join("data"), options).expect("engine");
        let tried = onrush_gateway::Gateway::new(&config, engine).map(drop);
        tried.expect_err("refused").to_string()
    };
    let mut oct = jwks();
    oct["keys"][0] = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "x"});
    let mut confused = jwks();
    confused["keys"][1]["alg"] = "RS256".into();
    let mut twice = jwks();
    twice["keys"][1]["kid"] = "rsa".into();
    let mut weak = jwks();
    weak["keys"][0]["n"] = "x".repeat(100).into();
    for (content, named) in [
        ("nonsense".to_owned(), "JSON Web Key Set"),
        (json!({"keys": []}).to_string(), "1 to 64"),
        (oct.to_string(), "identity.secret_file"),
        (confused.to_string(), "`alg`"),
        (twice.to_string(), "same `kid`"),
        (weak.to_string(), "2048"),
    ] {
        let error = try_keys(&content);
        assert!(error.contains("identity.jwks_file") && error.contains(named), "{error}");
    }
}

#[test]
fn a_session_is_enough_for_everything_a_buyer_does() {
    let server = with_jwks();
    server.open_campaign("drop", 9, 9);
    let opened = session(&server, &token(Algorithm::EdDSA, Some("ed"), &claims()));
    let text = opened.text("session");
    assert_eq!(opened.text("expires_at"), "2026-12-01T12:15:00.000Z");
    assert_eq!(text.len(), 88);
    let made = reserve("drop").bearer(&text).key("k1").to(server.public);
    assert_eq!(made.status, 201);
    let path = format!("/v1/reservations/{}", made.text("id"));
    let by_header = ask("GET", &path).header("onrush-session", &text).to(server.public);
    assert_eq!(by_header.status, 200);
    // The JWT and the name in --dev are the same buyer.
    assert_eq!(ask("GET", &path).buyer("ann").to(server.public).status, 200);
    // A session does not open another one.
    session(&server, &text).is_problem("unauthenticated");
    let by_header = ask("POST", "/v1/sessions").header("onrush-session", &text);
    by_header.buyer("ann").to(server.public).is_problem("unauthenticated");
    // A wrong proof is not saved by a good one behind it.
    let wrong = text.replace(&text[..4], "AAAA");
    let mixed = ask("GET", &path).bearer(&wrong).header("onrush-session", &text);
    mixed.to(server.public).is_problem("unauthenticated");
    server.clock.advance(15 * 60_000);
    ask("GET", &path).bearer(&text).to(server.public).is_problem("unauthenticated");
}

#[test]
fn every_changed_bit_of_a_session_is_refused_over_http() {
    let server = Server::dev();
    let opened = ask("POST", "/v1/sessions").buyer("ann").to(server.public);
    let text = opened.text("session");
    let bytes = URL_SAFE_NO_PAD.decode(&text).expect("base64");
    let mut connection = crate::client::Connection::open(server.public);
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let request = ask("GET", "/v1/reservations/x").bearer(&URL_SAFE_NO_PAD.encode(changed));
        connection.send(&request.bytes());
        connection.answer().expect("an answer").is_problem("unauthenticated");
    }
    connection.send(&ask("GET", "/v1/reservations/x").bearer(&text).bytes());
    connection.answer().expect("an answer").is_problem("not_found");
}

#[test]
fn session_keys_rotate_with_overlap() {
    let start = |ids: &'static [u8]| {
        move |config: &mut Config, dir: &Path| {
            config.dev = true;
            for id in ids {
                let secret = format!("{id}").repeat(40);
                let secret_file = file(dir, &format!("key-{id}"), &secret);
                config.sessions.keys.push(SessionKeySection { id: *id, secret_file });
            }
        }
    };
    let server = Server::start(start(&[1]));
    let old = ask("POST", "/v1/sessions").buyer("ann").to(server.public).text("session");
    let look = |server: &Server, text: &str| {
        ask("GET", "/v1/reservations/x").bearer(text).to(server.public)
    };
    let server = server.restart(start(&[2, 1]));
    look(&server, &old).is_problem("not_found");
    let new = ask("POST", "/v1/sessions").buyer("ann").to(server.public).text("session");
    let server = server.restart(start(&[2]));
    look(&server, &old).is_problem("unauthenticated");
    look(&server, &new).is_problem("not_found");
}

#[test]
fn cookies_are_out_of_reach_and_bound_to_their_origin() {
    let server = Server::start(|config, _| {
        config.dev = true;
        config.cors.origins = vec!["https://shop.example".to_owned()];
    });
    server.open_campaign("drop", 9, 9);
    let opened = ask("POST", "/v1/sessions").json(&json!({"cookie": true})).buyer("ann");
    let opened = opened.to(server.public);
    assert_eq!(opened.json()["session"], Value::Null);
    let cookie = opened.header("set-cookie").expect("a cookie").to_owned();
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=900"] {
        assert!(cookie.split("; ").any(|found| found == part), "{cookie}");
    }
    let pair = cookie.split(';').next().expect("a pair");
    let send = |key: &str, origin: Option<&str>| {
        let request = reserve("drop").header("cookie", &format!("a=b; {pair}; c=d")).key(key);
        match origin {
            Some(origin) => request.header("origin", origin).to(server.public),
            None => request.to(server.public),
        }
    };
    assert_eq!(send("k1", None).status, 201);
    assert_eq!(send("k2", Some("https://shop.example")).status, 201);
    assert_eq!(send("k3", Some("https://onrush.test")).status, 201, "its own page");
    for foreign in ["https://evil.example", "null", "https://shop.example.evil.example"] {
        send("k4", Some(foreign)).is_problem("forbidden");
    }
    assert_eq!(server.units("drop"), (6, 3));
}

#[test]
fn other_origins_by_the_list_only() {
    let server = Server::start(|config, _| {
        config.dev = true;
        config.cors.origins = vec!["https://shop.example".to_owned()];
        config.cors.max_age = Span(onrush::DurationMs(120_000));
    });
    server.open_campaign("drop", 1, 1);
    let preflight = |origin: &str| {
        ask("OPTIONS", "/v1/campaigns/drop/reservations")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .to(server.public)
    };
    let allowed = preflight("https://shop.example");
    assert_eq!(allowed.status, 204);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(allowed.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(allowed.header("access-control-max-age"), Some("120"));
    assert!(allowed.header("access-control-allow-headers").is_some_and(|headers| {
        headers.contains("idempotency-key") && headers.contains("authorization")
    }));
    let refused = preflight("https://evil.example");
    refused.is_problem("forbidden");
    assert_eq!(refused.header("access-control-allow-origin"), None);
    ask("OPTIONS", "/v1/nothing")
        .header("origin", "https://shop.example")
        .to(server.public)
        .is_problem("not_found");

    for (origin, allowed) in [("https://shop.example", true), ("https://evil.example", false)] {
        let time = ask("GET", "/v1/time").header("origin", origin).to(server.public);
        assert_eq!(time.header("access-control-allow-origin").is_some(), allowed);
        assert_eq!(time.header("vary"), Some("Origin"));
        // What was waited for, and refusals, can be read by the page as well.
        let made = reserve("drop").buyer("ann").key("k").header("origin", origin).to(server.public);
        assert_eq!(made.header("access-control-allow-origin").is_some(), allowed);
        let refused = reserve("drop").key("k").header("origin", origin).to(server.public);
        refused.is_problem("unauthenticated");
        assert_eq!(refused.header("access-control-allow-origin").is_some(), allowed);
    }
}

#[test]
fn nobody_sees_what_belongs_to_somebody_else() {
    let server = Server::dev();
    server.open_campaign("drop", 9, 9);
    let of_ann = server.held("drop", "ann", "k");
    let of_bob = server.held("drop", "bob", "k");
    assert_ne!(of_ann, of_bob);
    let nothing = "b".repeat(26);
    let changed = format!("{}{}", &of_ann[1..], &of_ann[..1]);
    for method in ["GET", "DELETE"] {
        let missing =
            ask(method, &format!("/v1/reservations/{nothing}")).buyer("ann").to(server.public);
        missing.is_problem("not_found");
        for id in [&of_bob, &changed, "x", "0", "%00", &"a".repeat(300)] {
            let request = ask(method, &format!("/v1/reservations/{id}")).buyer("ann");
            let answer = request.to(server.public);
            assert_eq!((answer.status, &answer.body), (404, &missing.body), "{method} {id}");
        }
    }
    for (buyer, own, other) in [("ann", &of_ann, &of_bob), ("bob", &of_bob, &of_ann)] {
        let look = |id: &str| ask("GET", &format!("/v1/reservations/{id}")).buyer(buyer);
        assert_eq!(look(own).to(server.public).text("state"), "held");
        look(other).to(server.public).is_problem("not_found");
        // Repeating somebody else's key makes one's own reservation, never theirs.
        let again = server.reserve("drop", buyer, "k");
        assert_eq!((again.status, again.text("id")), (200, own.clone()));
    }
    assert_eq!(server.units("drop"), (7, 2));
}

#[test]
fn refreshed_keys_are_believed_without_a_restart() {
    let mut path = std::path::PathBuf::new();
    let server = Server::start(|config, dir| {
        config.identity.issuer = Some("login".to_owned());
        let mut first = jwks();
        first["keys"].as_array_mut().expect("keys").truncate(1);
        path = file(dir, "jwks.json", &first.to_string());
        config.identity.jwks_file = Some(path.clone());
        config.identity.jwks_refresh = Some(Span(onrush::DurationMs(100)));
    });
    let by_ed = token(Algorithm::EdDSA, Some("ed"), &claims());
    session(&server, &by_ed).is_problem("unauthenticated");
    std::fs::write(&path, jwks().to_string()).expect("write");
    while session(&server, &by_ed).status != 201 {
        std::thread::yield_now();
    }
}
