//! The gateway without sockets, runtimes and clocks, as a simulator drives it.

use http::{HeaderMap, HeaderValue, Method};
use onrush::{
    By, CampaignSpec, Currency, Driver, Engine, Name, Options, Parts, Phase, SkuSpec, Terms,
    Timestamp,
};
use onrush_gateway::{Ask, Config, Gateway, Jitter, Reply, Side};
use std::net::IpAddr;
use tempfile::TempDir;

struct World {
    gateway: Gateway,
    driver: Driver,
    jitter: Jitter,
    _dir: TempDir,
}

fn world(edit: impl FnOnce(&mut Config)) -> World {
    let dir = tempfile::tempdir().expect("folder");
    let parts = Parts::on_disk(dir.path()).expect("parts");
    let options = Options { segment_bytes: 1 << 20, ..Options::default() };
    let (engine, mut driver) = Engine::open_driven(parts, options).expect("engine");
    let name = |text| Name::new(text).expect("name");
    let put = engine.put_campaign(CampaignSpec::new(
        name("drop"),
        Terms::open_now(Currency::CNY),
        vec![SkuSpec::new(name("unit"), 100, 2)],
    ));
    driver.settle();
    assert!(put.wait().expect("decided").granted().is_some());
    let mut config = Config::default();
    config.dev = true;
    edit(&mut config);
    let gateway = Gateway::new(&config, engine).expect("gateway");
    World { gateway, driver, jitter: Jitter::new(7), _dir: dir }
}

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(*name, HeaderValue::from_str(value).expect("value"));
    }
    headers
}

impl World {
    fn reserve(&self, buyer: &str, key: &str) -> Reply {
        let headers = headers(&[
            ("content-type", "application/json"),
            ("x-onrush-buyer", buyer),
            ("idempotency-key", key),
            ("onrush-device", "one-device-of-two"),
        ]);
        let ask = Ask {
            side: Side::Public,
            method: &Method::POST,
            path: "/v1/campaigns/drop/reservations",
            query: None,
            headers: &headers,
            body: br#"{"sku":"unit"}"#,
            peer: None,
            memo: None,
        };
        self.gateway.handle(&ask, self.gateway.engine().now(), &self.jitter)
    }
}

#[test]
fn a_reserve_waits_for_the_ledger_and_a_refusal_does_not() {
    let mut world = world(|_| {});
    let Reply::Wait(waiting) = world.reserve("ann", "k") else { panic!("decided too early") };
    let Reply::Ready(refused) = world.reserve("ann", "k2") else { panic!("refusals are ready") };
    assert_eq!(refused.status, 409);
    world.driver.settle();
    let answer = waiting.wait().answer(world.gateway.engine(), &world.jitter);
    assert_eq!(answer.status, 201);
    let Reply::Ready(again) = world.reserve("ann", "k") else { panic!("repeats are ready") };
    assert_eq!((again.status.as_u16(), &again.body), (200, &answer.body));
}

#[test]
fn the_given_time_decides_who_is_believed_and_what_is_shown() {
    let world = world(|_| {});
    let ask = |headers: &HeaderMap, method: &Method, path: &str, now: u64| {
        let ask = Ask {
            side: Side::Public,
            method,
            path,
            query: None,
            headers,
            body: b"",
            peer: None,
            memo: None,
        };
        match world.gateway.handle(&ask, Timestamp(now), &world.jitter) {
            Reply::Ready(answer) => answer,
            Reply::Wait(_) | Reply::Events(..) | Reply::Stream(..) => panic!("nothing to wait for"),
        }
    };
    let time = ask(&headers(&[]), &Method::GET, "/v1/time", 1_796_126_400_123);
    assert_eq!(
        time.body.as_ref(),
        br#"{"now":"2026-12-01T12:00:00.123Z","unix_ms":1796126400123}"#
    );
    let ann = headers(&[("x-onrush-buyer", "ann")]);
    let opened = ask(&ann, &Method::POST, "/v1/sessions", 1_000);
    let body: serde_json::Value = serde_json::from_slice(&opened.body).expect("JSON");
    let session = headers(&[("onrush-session", body["session"].as_str().expect("text"))]);
    let path = "/v1/reservations/x";
    assert_eq!(ask(&session, &Method::GET, path, 900_999).status, 404);
    assert_eq!(ask(&session, &Method::GET, path, 901_000).status, 401);
}

#[test]
fn a_client_is_where_listed_proxies_say() {
    let world = world(|config| {
        config.listen.trusted_proxies =
            vec!["10.0.0.0/8".parse().expect("range"), "::1".parse().expect("range")];
    });
    let client = |peer: &str, forwarded: &[&str]| {
        let list: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
        let headers = headers(&list);
        let ask = Ask {
            side: Side::Public,
            method: &Method::GET,
            path: "/",
            query: None,
            headers: &headers,
            body: b"",
            peer: Some(peer.parse().expect("address")),
            memo: None,
        };
        world.gateway.client_addr(&ask).expect("a peer")
    };
    let at = |text: &str| text.parse::<IpAddr>().expect("address");
    // Nobody may speak for others unless listed.
    assert_eq!(client("203.0.113.5", &["198.51.100.1"]), at("203.0.113.5"));
    assert_eq!(client("10.0.0.1", &[]), at("10.0.0.1"));
    assert_eq!(client("10.0.0.1", &["198.51.100.1"]), at("198.51.100.1"));
    // What a client wrote before the first honest entry is not believed.
    assert_eq!(client("10.0.0.1", &["192.0.2.66, 198.51.100.1"]), at("198.51.100.1"));
    assert_eq!(client("::1", &["192.0.2.66", "198.51.100.1, 10.9.9.9"]), at("198.51.100.1"));
    assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown"]), at("10.0.0.1"));
}

/// A sale whose risk is looked at, where the accounts of one device may have one unit together.
fn capped() -> World {
    let dir = tempfile::tempdir().expect("folder");
    let file = dir.path().join("policy.toml");
    std::fs::write(&file, "version = 1\n[caps]\ncluster_units = 1\n").expect("a file");
    world(|config| {
        config.risk.enabled = true;
        config.risk.policy_file = Some(file);
    })
}

impl World {
    /// Let the ledger do this before whatever is queued after it.
    fn turn_to(&mut self, to: Phase) {
        let campaign = self.gateway.engine().campaign("drop").expect("a campaign");
        let by = By::new("operator", "a test");
        drop(self.gateway.engine().move_phase(&campaign, to, by));
    }

    fn status(&self, reply: Reply) -> u16 {
        let answer = match reply {
            Reply::Ready(answer) => answer,
            Reply::Wait(waiting) => waiting.wait().answer(self.gateway.engine(), &self.jitter),
            _ => panic!("no events were asked for"),
        };
        answer.status.as_u16()
    }
}

#[test]
fn what_a_vetoed_reserve_claimed_is_given_back() {
    let mut world = capped();
    // The sale is paused in the queue before this reserve, which does not know.
    world.turn_to(Phase::Paused);
    let Reply::Wait(waiting) = world.reserve("ann", "k") else { panic!("let through") };
    world.driver.settle();
    let vetoed = waiting.wait().answer(world.gateway.engine(), &world.jitter);
    assert_eq!(vetoed.status, 403, "paused");
    world.turn_to(Phase::Open);
    world.driver.settle();
    let next = world.reserve("ben", "k");
    assert!(matches!(next, Reply::Wait(_)), "the one unit of the device is free again");
    world.driver.settle();
    assert_eq!(world.status(next), 201);
    let over = world.reserve("cat", "k");
    assert_eq!(world.status(over), 409, "and taken now");
}

#[test]
fn what_a_vetoed_reserve_claimed_is_given_back_when_nobody_waits() {
    let mut world = capped();
    world.turn_to(Phase::Paused);
    let Reply::Wait(waiting) = world.reserve("ann", "k") else { panic!("let through") };
    drop(waiting);
    world.driver.settle();
    world.turn_to(Phase::Open);
    world.driver.settle();
    // The thread beside the engine gives it back when it comes to it.
    let next = loop {
        match world.reserve("ben", "k") {
            Reply::Ready(answer) => assert_eq!(answer.status, 409),
            next => break next,
        }
        std::thread::yield_now();
    };
    world.driver.settle();
    assert_eq!(world.status(next), 201);
}
