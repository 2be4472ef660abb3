//! The line in front of somebody else's shop: the gate itself, and the example configurations of
//! nginx and Caddy with the real programs.

use crate::client::{Answer, Ask, Connection, ask};
use crate::proxy::{Proxy, Shop};
use crate::queue::{UNTIL_OPEN_MS, figure, settled, ticket, until, with_line};
use crate::server::Server;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use onrush::DurationMs;
use onrush_gateway::config::Span;
use serde_json::{Value, json};

const GATE: &str = "/v1/campaigns/drop/gate";
const SHOP: &str = "http://shop.example";

/// A line in front of the shop, in which ann was called up and ben was not.
fn world() -> (Server, String, String) {
    let server = Server::dev();
    let (ann, ben) = queue(&server, "http://wait.shop.example/?lang=en");
    (server, ann, ben)
}

fn queue(server: &Server, waiting_page: &str) -> (String, String) {
    let line = json!({"jwt": true, "waiting_page": waiting_page, "return_origins": [SHOP],
        "outflow": {"inside": 1}});
    with_line(server, 5, line);
    let (ann, ben) = (ticket(server, "ann"), ticket(server, "ben"));
    server.clock.advance(UNTIL_OPEN_MS);
    crate::queue::serving(server, 1);
    let ann_is_first = settled(server, &ann)["state"] == "served";
    if ann_is_first { (ann, ben) } else { (ben, ann) }
}

fn enter(ticket: &str, back: &str) -> Ask {
    let back = back.replace(':', "%3A").replace('/', "%2F").replace('?', "%3F");
    ask("GET", &format!("/v1/campaigns/drop/tickets/{ticket}/enter?return={back}"))
}

fn location(answer: &Answer) -> String {
    assert!(matches!(answer.status, 302 | 303), "{answer:?}");
    answer.header("location").expect("a target").to_owned()
}

/// Take the pass out of an address, and the cookie of an answer.
fn pass_in(address: &str) -> String {
    address.split_once("onrush_pass=").expect("a pass").1.to_owned()
}

fn cookie_of(answer: &Answer) -> String {
    let cookies = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let mut ours = cookies.filter(|(_, value)| value.starts_with("onrush_pass="));
    let cookie = &ours.next().expect("a cookie").1;
    for part in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    cookie.split(';').next().expect("a pair").to_owned()
}

#[test]
fn the_gate_opens_for_a_pass_and_sends_others_to_wait() {
    let (server, first, second) = world();
    let gate = |path: &str| ask("GET", &format!("{GATE}{path}"));
    let from = |request: Ask, url: &str| request.header("x-original-url", url);
    let closed = from(gate(""), "http://shop.example/p?x=1&y=2").to(server.public);
    closed.is_problem("pass_required");
    assert_eq!(
        closed.header("onrush-redirect"),
        Some(
            "http://wait.shop.example/?lang=en&campaign=drop\
             &return=http%3A%2F%2Fshop.example%2Fp%3Fx%3D1%26y%3D2"
        )
    );
    let foreign = from(gate(""), "http://evil.example/").to(server.public);
    assert_eq!(
        foreign.header("onrush-redirect"),
        Some("http://wait.shop.example/?lang=en&campaign=drop")
    );
    let moved = from(gate("?redirect=1"), "http://shop.example/").to(server.public);
    assert_eq!(
        location(&moved),
        closed.header("onrush-redirect").expect("said").replace("%2Fp%3Fx%3D1%26y%3D2", "%2F")
    );

    // Called up: on to the shop with a pass. Not called up: back to wait. Elsewhere: nowhere.
    let back = location(&enter(&first, "http://shop.example/p?x=1").to(server.public));
    assert!(back.starts_with("http://shop.example/p?x=1&onrush_pass=ey"), "{back}");
    let wait = location(&enter(&second, "http://shop.example/p").to(server.public));
    assert!(wait.starts_with("http://wait.shop.example/?lang=en&campaign=drop&return="), "{wait}");
    enter(&first, "http://evil.example/").to(server.public).is_problem("invalid_request");
    enter("x", "http://shop.example/").to(server.public).is_problem("not_found");

    let open = from(gate(""), &back).to(server.public);
    assert_eq!((open.status, open.body.len()), (204, 0));
    let cookie = cookie_of(&open);
    let known = gate("").header("cookie", &format!("a=b; {cookie}"));
    let known = known.to(server.public);
    assert_eq!((known.status, known.header("set-cookie")), (204, None));
    let pass = until(&server, &first, "served")["pass"].as_str().expect("a pass").to_owned();
    assert_eq!(gate("").header("onrush-pass", &pass).to(server.public).status, 204);

    let mut changed = cookie.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).expect("ASCII");
    gate("").header("cookie", &changed).to(server.public).is_problem("pass_invalid");
    let forged = back.replace("onrush_pass=ey", "onrush_pass=ez");
    from(gate(""), &forged).to(server.public).is_problem("pass_invalid");
    server.clock.advance(120_000);
    gate("").header("cookie", &cookie).to(server.public).is_problem("pass_invalid");
    let late = from(gate(""), &back).to(server.public);
    late.is_problem("pass_invalid");
    let redirect = late.header("onrush-redirect").expect("where to wait");
    assert!(redirect.ends_with("return=http%3A%2F%2Fshop.example%2Fp%3Fx%3D1"), "{redirect}");
    assert_eq!(figure(&server, "onrush_gate_opened_total"), 3);
    assert_eq!(figure(&server, "onrush_gate_closed_total"), 7);
}

#[test]
fn a_campaign_without_a_waiting_page_only_says_no() {
    let server = Server::dev();
    with_line(&server, 1, json!({}));
    let closed = ask("GET", &format!("{GATE}?redirect=1")).to(server.public);
    closed.is_problem("pass_required");
    assert_eq!(closed.header("onrush-redirect"), None);
    ask("GET", "/v1/campaigns/none/gate").to(server.public).is_problem("not_found");
    server.open_campaign("plain", 1, 1);
    ask("GET", "/v1/campaigns/plain/gate").to(server.public).is_problem("not_found");
}

/// What a shop does that trusts nobody: the key set, and a library that shares no code with ours.
#[test]
fn a_pass_is_checked_offline_by_another_library() {
    let (server, first, _) = world();
    let seen = until(&server, &first, "served");
    let token = seen["pass_jwt"].as_str().expect("a JWT").to_owned();
    let keys = ask("GET", "/.well-known/jwks.json").to(server.public);
    assert_eq!(keys.header("content-type"), Some("application/json"));
    assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
    let parts: Vec<&str> = token.split('.').collect();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    let header: Value = serde_json::from_slice(&decoded(parts[0])).expect("JSON");
    assert_eq!(header["alg"], "EdDSA");
    let keys = keys.json();
    let keys = keys["keys"].as_array().expect("keys");
    let key = keys.iter().find(|key| key["kid"] == header["kid"]).expect("its key");
    assert_eq!(
        (&key["kty"], &key["crv"], &key["use"]),
        (&"OKP".into(), &"Ed25519".into(), &"sig".into())
    );
    let public = decoded(key["x"].as_str().expect("x"));
    let public = ed25519_compact::PublicKey::from_slice(&public).expect("a public key");
    let signature = ed25519_compact::Signature::from_slice(&decoded(parts[2])).expect("64 bytes");
    let signed = format!("{}.{}", parts[0], parts[1]);
    assert!(public.verify(&signed, &signature).is_ok());
    assert!(public.verify(format!("{signed}x"), &signature).is_err());
    let claims: Value = serde_json::from_slice(&decoded(parts[1])).expect("JSON");
    let until = seen["pass_until"].as_str().expect("a time");
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("onrush"), &json!("drop")));
    assert_eq!(until, "2026-12-01T12:12:00.000Z");
    assert_eq!(claims["exp"], (crate::server::START_MS + UNTIL_OPEN_MS + 120_000) / 1_000);
    assert_eq!(claims["sub"].as_str().map(str::len), Some(32), "a pseudonym, nobody's name");
    let again = crate::queue::poll(&server, &first).json();
    assert_eq!(again["pass_jwt"], token.as_str(), "the same pass has the same `jti`");
}

/// Through a real proxy, as the example says: sent to wait, called up, back with a pass, and in.
fn through_a_proxy(start: impl FnOnce(&Server, &Shop) -> Proxy) {
    let server = Server::start(|config, _| {
        config.dev = true;
        config.server.idle_timeout = Span(DurationMs(900));
    });
    let (first, second) = queue(&server, "http://wait.shop.example/");
    let shop = Shop::open();
    let proxy = start(&server, &shop);
    let to_shop = |path: &str| ask("GET", path).host("shop.example");
    let sent = to_shop("/p?x=1").to(proxy.shop);
    let target = location(&sent);
    let back = "http%3A%2F%2Fshop.example%2Fp%3Fx%3D1";
    assert_eq!(target, format!("http://wait.shop.example/?campaign=drop&return={back}"));
    assert_eq!(to_shop("/static/logo.svg").to(proxy.shop).body, b"GET /static/logo.svg");
    assert_eq!(shop.asked(), 1, "nobody came through without a pass");

    // On the waiting side the routes are Onrush's.
    let to_wait = |request: Ask| request.host("wait.shop.example").to(proxy.wait);
    let waits = location(&to_wait(enter(&second, "http://shop.example/p")));
    assert!(waits.starts_with("http://wait.shop.example/"), "{waits}");
    let on = location(&to_wait(enter(&first, "http://shop.example/p?x=1")));
    let path = on.strip_prefix(SHOP).expect("back to the shop");
    let entered = to_shop(path).to(proxy.shop);
    assert_eq!(entered.status, 200, "{entered:?}");
    let cookie = cookie_of(&entered);
    assert!(entered.headers.iter().any(|(_, value)| value == "shop=1"), "the shop's own too");
    let next = to_shop("/cart").header("cookie", &cookie).to(proxy.shop);
    assert_eq!((next.status, next.body.as_slice()), (200, b"GET /cart".as_slice()));
    let posted = ask("POST", "/buy").host("shop.example").header("cookie", &cookie).body(b"x=1");
    assert_eq!(posted.to(proxy.shop).body, b"POST /buy");
    let forged = format!("{}A", &cookie[..cookie.len() - 1]);
    assert!(location(&to_shop("/cart").header("cookie", &forged).to(proxy.shop)).contains("wait"));
    let forged = path.replace(&pass_in(path)[..20], "AAAA");
    assert!(location(&to_shop(&forged).to(proxy.shop)).contains("wait"));

    // Events come through at once, and comments keep them open.
    let mut events = Connection::open(proxy.wait);
    let request = ask("GET", "/v1/campaigns/drop/events").host("wait.shop.example");
    events.send(&request.bytes());
    events.until("event: line\ndata: {");
    events.until(":\n\n");
    let text = json!({"text": "soon", "reason": "test"});
    server.operate("POST", "/admin/v1/campaigns/drop/message", Some(text));
    events.until("\"text\":\"soon\"");
}

#[test]
fn nginx_asks_the_gate_for_each_request() {
    through_a_proxy(Proxy::nginx);
}

#[test]
fn caddy_asks_the_gate_for_each_request() {
    through_a_proxy(Proxy::caddy);
}
