//! Asking through the gateway, below its sockets: the same requests as headers and bodies.

use crate::batch::Batch;
use crate::lexicon::{CLERK, Lexicon, WEBHOOK_SECRET};
use crate::said::{How, Said};
use crate::world::{Ask, Waits, World, currency};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use onrush::ledger::naive_model::Line;
use onrush::{Lsn, ReservationSeq, Timestamp};
use onrush_gateway::answer::Answer;
use onrush_gateway::config::{ApiKeySection, PaymentSection, Scope};
use onrush_gateway::{Config, Gateway, Reply, Route, Side, Waiting};
use sha2::Sha256;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// What an entry of a batch may be refused with.
const REFUSALS: [&str; 11] = [
    "key_reused",
    "key_in_flight",
    "not_open",
    "paused",
    "ended",
    "pass_required",
    "pass_invalid",
    "limit_reached",
    "sold_out",
    "all_held",
    "overloaded",
];

/// A request as text.
pub(crate) struct Request {
    pub(crate) side: Side,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Return the gateway's configuration: buyers are believed by name, one provider signs.
pub(crate) fn config(lexicon: &Lexicon) -> Config {
    let mut config = Config::default();
    config.dev = true;
    config.payments = vec![PaymentSection {
        provider: crate::world::name("bank"),
        secret_files: vec![lexicon.secret_file.clone()],
        method: None,
    }];
    config.api_keys = vec![ApiKeySection {
        name: crate::world::name("clerk"),
        scope: vec![Scope::Metrics],
        secret_file: lexicon.clerk_file.clone(),
    }];
    config
}

/// Ask for something.
pub(crate) fn ask(world: &World, gateway: &Gateway, ask: &Ask, lexicon: &Lexicon) -> Waits {
    let request = request(world, ask, lexicon);
    send(world, gateway, &request)
}

/// Look at a reservation as a buyer; returns whether it was shown, and its state.
pub(crate) fn look(
    world: &World,
    gateway: &Gateway,
    n: usize,
    buyer: u8,
    lexicon: &Lexicon,
) -> Option<Said> {
    let mut request = Request::of(Side::Public, Method::GET, reservation_path(world, n));
    request.header("x-onrush-buyer", &lexicon.buyers[usize::from(buyer)]);
    send(world, gateway, &request).take(world)
}

/// Send a notice that the provider did not sign, or signed long ago; returns whether it was believed.
pub(crate) fn forged(world: &World, gateway: &Gateway, n: usize, line: &Line, old: bool) -> bool {
    let secret: &[u8] = if old { WEBHOOK_SECRET } else { b"somebody else's secret" };
    let at = world.now().0 / 1_000 - if old { 3_600 } else { 0 };
    let request = notice(world, n, line, secret, at);
    let said = send(world, gateway, &request).take(world);
    said.is_none_or(|said| said.code != "unauthenticated")
}

/// Let a clerk who may only read figures cancel a sale; returns whether that went through.
pub(crate) fn overstepped(world: &World, gateway: &Gateway, n: usize, lexicon: &Lexicon) -> bool {
    let body = "{\"reason\":\"a drill\"}".to_owned();
    let mut request = admin(world, n, "cancel", body, lexicon);
    let value = HeaderValue::from_str(&format!("Bearer {CLERK}")).expect("plain text");
    request.headers.insert(AUTHORIZATION, value);
    let said = send(world, gateway, &request).take(world);
    said.is_none_or(|said| said.code != "forbidden")
}

/// Open a session and use it after its end; returns whether it was believed.
pub(crate) fn outlived(world: &World, gateway: &Gateway, buyer: u8, lexicon: &Lexicon) -> bool {
    let mut open = Request::of(Side::Public, Method::POST, "/v1/sessions".to_owned());
    open.header("x-onrush-buyer", &lexicon.buyers[usize::from(buyer)]);
    let opened = open.handle(gateway, world.now(), world);
    let Reply::Ready(opened) = opened else { return true };
    let body = std::str::from_utf8(&opened.body).unwrap_or_default();
    let Some(session) = field(body, "\"session\":\"") else { return true };
    let nobodys = reservation_path(world, u32::MAX as usize);
    let mut look = Request::of(Side::Public, Method::GET, nobodys);
    look.header("onrush-session", session);
    let code = |now: Timestamp| match look.handle(gateway, now, world) {
        Reply::Ready(answer) => answer.code.map(|code| code.as_str()),
        Reply::Wait(_) | Reply::Events(..) | Reply::Stream(..) => None,
    };
    let end = world.now() + onrush::DurationMs::from_secs(15 * 60);
    code(world.now()) != Some("not_found") || code(end) != Some("unauthenticated")
}

/// Send a batch as an operator's back end.
pub(crate) fn batch(
    world: &World,
    gateway: &Gateway,
    camp: usize,
    asks: &[Ask],
    lexicon: &Lexicon,
) -> Batch {
    let entry = |ask: &Ask| {
        let Ask::Reserve { sku, buyer, units, key, .. } = *ask else {
            unreachable!("a batch has reserves")
        };
        let (key, buyer) = (&lexicon.keys[usize::from(key)], &lexicon.buyers[usize::from(buyer)]);
        let sku = world.sku(sku).1;
        format!(
            "{{\"key\":\"{key}\",\"buyer\":\"{buyer}\",\"sku\":\"{sku}\",\"quantity\":{units}}}"
        )
    };
    let entries: Vec<String> = asks.iter().map(entry).collect();
    let campaign = world.campaign(camp).name();
    let body = format!("{{\"campaign\":\"{campaign}\",\"reservations\":[{}]}}", entries.join(","));
    let request = operator("/admin/v1/reservations:batch".to_owned(), body, lexicon);
    match request.handle(gateway, world.now(), world) {
        Reply::Wait(waiting) => Batch::Waits(waiting),
        Reply::Ready(answer) | Reply::Events(answer, _) | Reply::Stream(answer, _) => {
            Batch::Said(vec![said(&answer, world); asks.len()])
        }
    }
}

/// Take the answers of a batch that was waited for.
pub(crate) fn take_batch(waiting: &mut Waiting, world: &World) -> Option<Vec<Said>> {
    match Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => None,
        Poll::Ready(settled) => {
            let answer = settled.answer(&world.engine, &world.jitter);
            let body = std::str::from_utf8(&answer.body).unwrap_or_default();
            Some(
                body.split("{\"status\":")
                    .skip(1)
                    .map(|entry| said_of_entry(entry, world))
                    .collect(),
            )
        }
    }
}

/// Read one outcome of a batch: its status, then the reservation or the problem.
fn said_of_entry(entry: &str, world: &World) -> Said {
    let status = entry.split(',').next().unwrap_or_default();
    match (status, field(entry, "\"code\":\"")) {
        ("201", _) => read(How::Done, entry, world),
        ("200", _) => read(How::Already, entry, world),
        (_, Some("journal_failed")) => Said::only(How::Unknown),
        (_, code) => {
            let known = |known: &&&str| Some(**known) == code;
            Said::refused(REFUSALS.iter().find(known).copied().unwrap_or("not known"), None)
        }
    }
}

/// Take an answer that was waited for.
pub(crate) fn take(waiting: &mut Waiting, world: &World) -> Option<Said> {
    let route = waiting.route();
    match Pin::new(waiting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => None,
        Poll::Ready(settled) => {
            let answer = settled.answer(&world.engine, &world.jitter);
            debug_assert_eq!(answer.route, route);
            Some(said(&answer, world))
        }
    }
}

pub(crate) fn send(world: &World, gateway: &Gateway, request: &Request) -> Waits {
    match request.handle(gateway, world.now(), world) {
        Reply::Ready(answer) => Waits::Said(said(&answer, world)),
        Reply::Wait(waiting) => Waits::Http(waiting),
        Reply::Events(answer, _) | Reply::Stream(answer, _) => Waits::Said(said(&answer, world)),
    }
}

pub(crate) fn request(world: &World, ask: &Ask, lexicon: &Lexicon) -> Request {
    let key = |key: Option<u8>| key.map(|key| &*lexicon.keys[usize::from(key)]);
    match *ask {
        Ask::Reserve { sku, buyer, units, key: k, .. } => {
            let (campaign, sku) = world.sku(sku);
            let path = format!("/v1/campaigns/{}/reservations", campaign.name());
            let body = format!("{{\"sku\":\"{sku}\",\"quantity\":{units}}}");
            let mut request = Request::of(Side::Public, Method::POST, path).json(body);
            request.header("x-onrush-buyer", &lexicon.buyers[usize::from(buyer)]);
            request.key(key(Some(k)));
            request
        }
        Ask::Release { n, key: k, buyer } => {
            let mut request = Request::of(Side::Public, Method::DELETE, reservation_path(world, n));
            request.header("x-onrush-buyer", &lexicon.buyers[usize::from(buyer)]);
            request.key(key(k));
            request
        }
        // The provider knows no keys; a back end that has one speaks on the admin side.
        Ask::Confirm { n, line: Some(line), key: None } => {
            notice(world, n, &line, WEBHOOK_SECRET, world.now().0 / 1_000)
        }
        Ask::Confirm { n, line, key: k } => {
            let lines: Vec<String> = line.iter().map(payment).collect();
            let body = format!("{{\"payments\":[{}]}}", lines.join(","));
            let mut request = admin(world, n, "confirm", body, lexicon);
            request.key(key(k));
            request
        }
        Ask::Cancel { n, restock } => admin(
            world,
            n,
            "cancel",
            format!("{{\"reason\":\"a drill\",\"restock\":{restock}}}"),
            lexicon,
        ),
        Ask::Judge { n, accept } => admin(
            world,
            n,
            "judge",
            format!("{{\"reason\":\"a drill\",\"accept\":{accept}}}"),
            lexicon,
        ),
        Ask::Extend { camp, one, more_ms } => {
            let body = format!("{{\"reason\":\"a drill\",\"more_ms\":{more_ms}}}");
            match one {
                Some(n) => admin(world, n, "extend", body, lexicon),
                None => {
                    let name = world.campaign(camp).name();
                    operator(format!("/admin/v1/campaigns/{name}/extend"), body, lexicon)
                }
            }
        }
        Ask::Refunded { refund } => {
            let path = format!("/admin/v1/refunds/{refund}/paid");
            operator(path, "{\"reference\":\"a drill\"}".to_owned(), lexicon)
        }
        Ask::Supply { sku, units } => {
            let (campaign, sku) = world.sku(sku);
            let path = format!("/admin/v1/campaigns/{}/supply", campaign.name());
            let body = format!("{{\"sku\":\"{sku}\",\"quantity\":{units},\"reason\":\"a drill\"}}");
            operator(path, body, lexicon)
        }
        Ask::Move { camp, to } => {
            let path = format!("/admin/v1/campaigns/{}/phase", world.campaign(camp).name());
            let body = format!("{{\"to\":\"{}\",\"reason\":\"a drill\"}}", to.as_str());
            operator(path, body, lexicon)
        }
        Ask::Put { .. } | Ask::Join { .. } | Ask::Leave { .. } | Ask::Line(_) | Ask::Store(_) => {
            unreachable!("asked of the engine itself, see `World::ask`")
        }
    }
}

fn notice(world: &World, n: usize, line: &Line, secret: &[u8], at: u64) -> Request {
    let id = world.engine.id_of(ReservationSeq(n as u32));
    let body = format!(
        "{{\"event_id\":\"e\",\"reservation\":\"{id}\",\"reference\":\"p{}\",\"amount\":{},\
         \"currency\":\"{}\",\"paid_at\":\"2027-01-15T08:00:00Z\"}}",
        line.reference,
        line.amount,
        currency(line).as_str()
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key");
    mac.update(format!("e.{at}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let path = "/v1/payments/bank".to_owned();
    let mut request = Request::of(Side::Public, Method::POST, path).json(body);
    request.header("webhook-id", "e");
    request.header("webhook-timestamp", &at.to_string());
    request.header("webhook-signature", &signature);
    request
}

fn payment(line: &Line) -> String {
    let (reference, amount, currency) = (line.reference, line.amount, currency(line));
    format!(
        "{{\"provider\":\"bank\",\"method\":\"bank\",\"reference\":\"p{reference}\",\
         \"amount\":{amount},\"currency\":\"{}\"}}",
        currency.as_str()
    )
}

pub(crate) fn admin(
    world: &World,
    n: usize,
    what: &str,
    body: String,
    lexicon: &Lexicon,
) -> Request {
    let id = world.engine.id_of(ReservationSeq(n as u32));
    operator(format!("/admin/v1/reservations/{id}/{what}"), body, lexicon)
}

pub(crate) fn operator(path: String, body: String, lexicon: &Lexicon) -> Request {
    let mut request = Request::of(Side::Admin, Method::POST, path).json(body);
    let value = HeaderValue::from_str(&format!("Bearer {}", lexicon.token));
    request.headers.insert(AUTHORIZATION, value.expect("hexadecimal"));
    request
}

fn reservation_path(world: &World, n: usize) -> String {
    format!("/v1/reservations/{}", world.engine.id_of(ReservationSeq(n as u32)))
}

impl Request {
    pub(crate) fn of(side: Side, method: Method, path: String) -> Request {
        Request { side, method, path, headers: HeaderMap::new(), body: String::new() }
    }

    pub(crate) fn handle(&self, gateway: &Gateway, now: Timestamp, world: &World) -> Reply {
        let ask = onrush_gateway::Ask {
            side: self.side,
            method: &self.method,
            path: &self.path,
            query: None,
            headers: &self.headers,
            body: self.body.as_bytes(),
            peer: None,
            memo: None,
        };
        gateway.handle(&ask, now, &world.jitter)
    }

    fn json(mut self, body: String) -> Request {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = body;
        self
    }

    pub(crate) fn header(&mut self, name: &'static str, value: &str) {
        self.headers.insert(name, HeaderValue::from_str(value).expect("plain text"));
    }

    fn key(&mut self, key: Option<&str>) {
        if let Some(key) = key {
            self.header("idempotency-key", key);
        }
    }
}

/// Read an answer as a client would.
fn said(answer: &Answer, world: &World) -> Said {
    let body = std::str::from_utf8(&answer.body).unwrap_or_default();
    match (answer.status.as_u16(), answer.code) {
        (_, Some(code)) if code.as_str() == "journal_failed" => Said::only(How::Unknown),
        (_, Some(code)) => Said::refused(code.as_str(), None),
        (status, None) => {
            let how = match status {
                201 => How::Done,
                _ if matches!(answer.route, Route::Reserve | Route::LineJoin) => How::Already,
                _ => How::Ok,
            };
            let ticket = match answer.route {
                Route::LineJoin => world.papers.keep_ticket(body, world),
                _ => None,
            };
            Said { ticket, ..read(how, body, world) }
        }
    }
}

/// Read the reservation in a body.
fn read(how: How, body: &str, world: &World) -> Said {
    let seq = field(body, "\"id\":\"").and_then(|id| world.engine.seq_of(id));
    let state = field(body, "\"state\":\"").unwrap_or_default();
    let state = onrush::State::ALL.iter().find(|known| known.as_str() == state);
    let lsn = field(body, "\"lsn\":").and_then(|lsn| lsn.parse().ok());
    Said {
        seq: seq.map(ReservationSeq::index),
        state: state.map_or("", |state| state.as_str()),
        lsn: Lsn(lsn.unwrap_or_default()),
        ..Said::only(how)
    }
}

/// Return what stands between `before` and the next quote, comma or brace.
pub(crate) fn field<'a>(body: &'a str, before: &str) -> Option<&'a str> {
    let rest = &body[body.find(before)? + before.len()..];
    rest.split(['"', ',', '}']).next()
}
