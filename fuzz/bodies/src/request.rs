//! Requests to the gateway below its sockets: bodies and tokens that somebody made up.

use crate::input::Input;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use onrush::journal::{FakeDisk, JournalId};
use onrush::{
    CampaignSpec, Clock, Currency, Driver, Engine, Name, Options, Parts, Secret, SkuSpec, Terms,
    Timestamp, WaitTerms,
};
use onrush_gateway::{Answer, Ask, Config, Gateway, Jitter, Reply, Side};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

const NOW: u64 = 1_796_126_400_000;
/// Requests that one world lives through: what they leave behind stays bounded.
const REQUESTS_MAX: u32 = 256;

/// Addresses that take a body; `ID` is a reservation that is there. Those of stores are left out: they
/// start a thread, which a world without threads cannot wait for.
const ROUTES: [(Side, &str, &str); 18] = [
    (Side::Public, "POST", "/v1/campaigns/drop/reservations"),
    (Side::Public, "POST", "/v1/campaigns/drop/waitlist"),
    (Side::Public, "POST", "/v1/campaigns/drop/reminders"),
    (Side::Public, "POST", "/v1/campaigns/drop/tickets"),
    (Side::Public, "POST", "/v1/payments/bank"),
    (Side::Public, "POST", "/v1/sessions"),
    (Side::Admin, "PUT", "/admin/v1/campaigns/drop"),
    (Side::Admin, "PUT", "/admin/v1/campaigns/other"),
    (Side::Admin, "POST", "/admin/v1/campaigns/drop/supply"),
    (Side::Admin, "POST", "/admin/v1/campaigns/drop/phase"),
    (Side::Admin, "POST", "/admin/v1/reservations:batch"),
    (Side::Admin, "POST", "/admin/v1/reservations/ID/confirm"),
    (Side::Admin, "POST", "/admin/v1/reservations/ID/cancel"),
    (Side::Admin, "POST", "/admin/v1/reservations/ID/judge"),
    (Side::Admin, "POST", "/admin/v1/campaigns/drop/outflow"),
    (Side::Admin, "POST", "/admin/v1/campaigns/drop/draw"),
    (Side::Admin, "POST", "/admin/v1/buyers/erase"),
    (Side::Admin, "POST", "/admin/v1/campaigns/drop/message"),
];

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn wall(&self) -> Timestamp {
        Timestamp(NOW)
    }

    fn monotonic_ns(&self) -> u64 {
        0
    }
}

struct World {
    gateway: Gateway,
    driver: Driver,
    jitter: Jitter,
    /// A reservation, and ann's session.
    id: String,
    session: String,
    left: u32,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

fn in_world<T>(act: impl FnOnce(&mut World) -> T) -> T {
    WORLD.with_borrow_mut(|world| {
        if world.as_ref().is_none_or(|world| world.left == 0) {
            *world = Some(World::new());
        }
        let world = world.as_mut().expect("just made");
        world.left -= 1;
        act(world)
    })
}

/// Send a body to an address; the first byte chooses which. Returns the status.
///
/// # Panics
/// When an answer is not one of the contract's, or the ledger does not add up afterwards.
pub fn request(data: &[u8]) -> Option<u16> {
    let mut input = Input::new(data);
    let (side, method, path) = ROUTES[input.below(ROUTES.len() as u32) as usize];
    let body = input.bytes(usize::MAX);
    in_world(|world| {
        let path = path.replace("ID", &world.id);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("idempotency-key", HeaderValue::from_static("k"));
        headers.insert("x-onrush-buyer", HeaderValue::from_static("bob"));
        let method = Method::from_bytes(method.as_bytes()).expect("of the table");
        if side == Side::Admin {
            let value = format!("Bearer {}", world.operator());
            let value = HeaderValue::from_str(&value).expect("text");
            headers.remove("x-onrush-buyer");
            headers.insert(AUTHORIZATION, value);
        }
        let answer = world.ask(side, &method, &path, &headers, body)?;
        let status = answer.status.as_u16();
        assert!(status != 500, "an answer of the machine's own fault: {path}");
        world.driver.ledger().audit().expect("the ledger adds up");
        Some(status)
    })
}

/// Show a token that was made up, or ann's with a few bytes changed. Returns whether it was believed.
///
/// # Panics
/// When a token that nobody gave out is believed.
pub fn token(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let (place, changes) = (input.below(4), input.flag());
    in_world(|world| {
        let mut token = world.session.clone().into_bytes();
        if changes {
            while input.more() {
                let at = usize::from(input.byte()) % token.len();
                token[at] ^= input.byte();
            }
        } else {
            token = input.bytes(4_096).to_vec();
        }
        let own = token == world.session.as_bytes();
        let (name, before): (HeaderName, &[u8]) = match place {
            0 => (AUTHORIZATION, b"Bearer "),
            1 => (HeaderName::from_static("onrush-session"), b""),
            2 => (COOKIE, b"onrush_session="),
            _ => (AUTHORIZATION, b""),
        };
        let Ok(value) = HeaderValue::from_bytes(&[before, &token].concat()) else { return false };
        let mut headers = HeaderMap::new();
        headers.insert(name, value);
        let path = format!("/v1/reservations/{}", world.id);
        let answer = world.ask(Side::Public, &Method::GET, &path, &headers, b"");
        let status = answer.expect("a look is answered at once").status.as_u16();
        let is_believed = status == 200;
        assert!(!is_believed || own || is_same(&token, world), "a made-up token is believed");
        assert!(is_believed || matches!(status, 401 | 404), "{status}");
        is_believed
    })
}

/// Text around the token that means nothing: a cookie among others, spaces.
fn is_same(token: &[u8], world: &World) -> bool {
    let text = String::from_utf8_lossy(token);
    text.contains(&world.session)
}

impl World {
    fn new() -> World {
        let parts = Parts {
            storage: Arc::new(FakeDisk::new(1)),
            clock: Arc::new(Still),
            secret: Secret::from_bytes([9; 32]),
            new_journal: JournalId([5; 16]),
        };
        let options = Options { segment_bytes: 1 << 20, ..Options::default() };
        let (engine, mut driver) = Engine::open_driven(parts, options).expect("a new disk opens");
        let name = |text| Name::new(text).expect("a name");
        let mut spec = CampaignSpec::new(
            name("drop"),
            Terms::open_now(Currency::CNY),
            vec![SkuSpec::new(name("unit"), 100, 1_000)],
        );
        spec.waitlist = Some(WaitTerms { offer: onrush::DurationMs(60_000) });
        let put = engine.put_campaign(spec);
        driver.settle();
        assert!(put.wait().expect("decided").granted().is_some());
        let mut config = Config::default();
        config.dev = true;
        let gateway = Gateway::new(&config, engine).expect("no file is read");
        let (id, session) = (String::new(), String::new());
        let mut world =
            World { gateway, driver, jitter: Jitter::new(7), id, session, left: REQUESTS_MAX };
        let mut ann = HeaderMap::new();
        ann.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        ann.insert("idempotency-key", HeaderValue::from_static("k"));
        ann.insert("x-onrush-buyer", HeaderValue::from_static("ann"));
        let (reserve, body) = ("/v1/campaigns/drop/reservations", br#"{"sku":"unit"}"#);
        world.id = world.field(&ann, reserve, body, "id");
        world.session = world.field(&ann, "/v1/sessions", b"", "session");
        world
    }

    /// The admin token that `--dev` prints.
    fn operator(&self) -> String {
        let key = self.gateway.engine().derive_key("onrush dev admin token v1");
        key[..24].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn field(&mut self, headers: &HeaderMap, path: &str, body: &[u8], field: &str) -> String {
        let answer = self.ask(Side::Public, &Method::POST, path, headers, body);
        let answer = answer.expect("it is decided");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        body[field].as_str().expect("text").to_owned()
    }

    /// `None`: it is not decided by the ledger alone, or goes on.
    fn ask(
        &mut self,
        side: Side,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Answer> {
        let ask = Ask { side, method, path, query: None, headers, body, peer: None, memo: None };
        match self.gateway.handle(&ask, Timestamp(NOW), &self.jitter) {
            Reply::Ready(answer) => Some(answer),
            Reply::Events(..) | Reply::Stream(..) => None,
            Reply::Wait(mut waiting) => {
                self.driver.settle();
                let polled = Pin::new(&mut waiting).poll(&mut Context::from_waker(Waker::noop()));
                match polled {
                    Poll::Ready(settled) => {
                        Some(settled.answer(self.gateway.engine(), &self.jitter))
                    }
                    Poll::Pending => None,
                }
            }
        }
    }
}
