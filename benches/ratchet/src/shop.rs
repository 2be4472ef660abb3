//! The gateway on tapes, over an engine without threads on a real disk.

use crate::{CONNECTIONS, Case, tapes};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use onrush::{Clock, Driver, DurationMs, Engine, Options, Parts, Secret, Timestamp};
use onrush_gateway::config::{LineBody, OutflowBody};
use onrush_gateway::server::Inline;
use onrush_gateway::{Ask, Config, Gateway, Jitter, Reply, Side};
use std::sync::Arc;
use tempfile::TempDir;

/// Sold out: everybody asks again and again on a connection of their own.
pub(crate) fn refusal() -> Case {
    let mut world = World::new(Config::dev(0, 1, HOLD));
    let sessions = world.sessions(CONNECTIONS);
    let requests = sessions.iter().map(|session| reserve(Some(session))).collect();
    world.case(requests, "409")
}

/// Units enough: each request is another buyer's, and is held durably.
pub(crate) fn hold(buyers: usize) -> Case {
    let mut world = World::new(Config::dev(1_000_000, 1, HOLD));
    let sessions = world.sessions(buyers);
    let requests = sessions.iter().map(|session| reserve(Some(session))).collect();
    world.case(requests, "201")
}

/// A line in which nearly everybody waits and looks.
pub(crate) fn poll() -> Case {
    let mut config = Config::dev(10, 1, HOLD);
    let outflow = OutflowBody { per_second: Some(1), inside: Some(1), ..OutflowBody::default() };
    config.campaigns[0].line = Some(LineBody { outflow, ..LineBody::default() });
    let mut world = World::new(config);
    let path = "/v1/campaigns/demo/tickets";
    let look = |n| {
        let ticket = world.asked(path, n, "\"ticket\":\"");
        Bytes::from(format!("GET {path}/{ticket} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
    };
    let requests = (0..10 * CONNECTIONS).map(look).collect();
    world.case(requests, "200")
}

/// Return the bytes of a reserve.
pub(crate) fn reserve(session: Option<&str>) -> Bytes {
    let session = session.expect("a token");
    let body = r#"{"sku":"unit","quantity":1}"#;
    let length = body.len();
    Bytes::from(format!(
        "POST /v1/campaigns/demo/reservations HTTP/1.1\r\nhost: localhost\r\n\
         authorization: Bearer {session}\r\nidempotency-key: k-1\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    ))
}

const HOLD: DurationMs = DurationMs::from_secs(3_600);

/// A clock that stands still, so that texts with times in them keep their length.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        Timestamp(1_796_126_400_000)
    }

    fn monotonic_ns(&self) -> u64 {
        1_000_000_000
    }
}

struct World {
    config: Config,
    gateway: Arc<Gateway>,
    driver: Driver,
    dir: TempDir,
}

impl World {
    fn new(config: Config) -> World {
        let dir = tempfile::tempdir().expect("folder");
        let on_disk = Parts::on_disk(dir.path()).expect("parts");
        let secret = Secret::from_bytes([7; 32]);
        let parts = Parts { clock: Arc::new(Still), secret, ..on_disk };
        let options = Options { snapshot_every: None, ..Options::default() };
        let (engine, mut driver) = Engine::open_driven(parts, options).expect("open");
        for body in &config.campaigns {
            let put = engine.put_campaign(body.spec(body.campaign.clone().expect("named")));
            driver.settle();
            assert!(put.wait().expect("put").granted().is_some());
        }
        let gateway = Arc::new(Gateway::new(&config, engine).expect("gateway"));
        World { config, gateway, driver, dir }
    }

    /// Open sessions of so many buyers.
    fn sessions(&mut self, buyers: usize) -> Vec<String> {
        (0..buyers).map(|n| self.asked("/v1/sessions", n, "\"session\":\"")).collect()
    }

    /// Ask as buyer `n` and return what stands after `mark` in the answer, up to the next quote.
    fn asked(&mut self, path: &str, n: usize, mark: &str) -> String {
        let mut headers = HeaderMap::new();
        let buyer = HeaderValue::from_str(&format!("buyer-{n}")).expect("ASCII");
        headers.insert("x-onrush-buyer", buyer);
        let (side, method) = (Side::Public, &Method::POST);
        let (headers, body, query, peer, memo) = (&headers, &b""[..], None, None, None);
        let ask = Ask { side, method, path, query, headers, body, peer, memo };
        let (gateway, jitter) = (&self.gateway, Jitter::new(1));
        let answer = match gateway.handle(&ask, gateway.engine().now(), &jitter) {
            Reply::Ready(answer) => answer,
            Reply::Wait(waiting) => {
                self.driver.settle();
                waiting.wait().answer(gateway.engine(), &jitter)
            }
            Reply::Events(..) | Reply::Stream(..) => panic!("{path} is answered at once"),
        };
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let at = text.find(mark).unwrap_or_else(|| panic!("no {mark} in {text}")) + mark.len();
        text[at..].split('"').next().expect("the rest").to_owned()
    }

    fn case(self, requests: Vec<Bytes>, status: &'static str) -> Case {
        let World { config, gateway, driver, dir } = self;
        let inline = Inline::new(&config, gateway, Side::Public);
        let tapes = tapes(|tape| assert!(inline.serve(tape), "room for all"));
        Case {
            tapes,
            requests,
            next: 0,
            status,
            driver: Some(driver),
            _keep: Box::new((inline, dir)),
        }
    }
}
