//! What is asked about one SKU: a few callers at once, few units, few buyers, so that everything meets.
//!
//! Callers reserve, double-click, walk away and ask again with the same key, look, pay, release and
//! cancel. When they are done, everything that stayed open is asked again until it is answered, so that
//! the end is known.

use crate::history::{Ask, History, Op, Said, Terms};
use hyper::Method;
use onrush::State;
use onrush_load::client::{Answer, Ask as Request, Client};
use onrush_load::told::state_named;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::Deserialize;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Callers of one SKU at once, and what each of them asks.
const CALLERS: u32 = 4;
const STEPS: u32 = 8;
const BUYERS: u32 = 3;
/// No more keys for one SKU: a server remembers sixteen of a buyer.
const KEYS_MAX: usize = 16;
/// Price of a unit, in minor units.
pub(crate) const PRICE: i64 = 100;
/// One call in so many is given up early.
const IMPATIENT_ONE_IN: u32 = 24;
const PATIENCE: Duration = Duration::from_secs(20);
/// The wait before a server that is gone is asked again.
const GONE: Duration = Duration::from_millis(4);

/// Where calls go and what was seen of them.
pub(crate) struct World {
    pub(crate) public: Client,
    pub(crate) admin: Client,
    pub(crate) history: RefCell<History>,
    pub(crate) start: Instant,
}

impl World {
    pub(crate) fn us(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}

/// A SKU and those who want it.
pub(crate) struct Story {
    world: Rc<World>,
    campaign: Rc<str>,
    name: String,
    sku: u32,
    /// The longest time a caller takes between two steps.
    think: Duration,
    wanted: RefCell<Vec<Wanted>>,
    rng: RefCell<ChaCha8Rng>,
}

#[derive(Clone, Debug, Default)]
struct Wanted {
    buyer: u32,
    quantity: u32,
    id: Option<Box<str>>,
    was_sold: bool,
    /// A reserve got no answer.
    open: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    id: Box<str>,
    state: String,
    lsn: u64,
    code: String,
}

impl Story {
    pub(crate) fn new(
        world: Rc<World>,
        campaign: Rc<str>,
        name: String,
        terms: Terms,
        think: Duration,
        seed: u64,
    ) -> Story {
        let sku = world.history.borrow_mut().sku(terms);
        let rng = RefCell::new(ChaCha8Rng::seed_from_u64(seed));
        Story { world, campaign, name, sku, think, wanted: RefCell::default(), rng }
    }

    /// Play it to its end.
    pub(crate) async fn play(&self) {
        let callers = [(); CALLERS as usize].map(|()| self.caller());
        let [a, b, c, d] = callers;
        tokio::join!(a, b, c, d);
        let keys = self.wanted.borrow().len() as u32;
        for key in 0..keys {
            while self.of(key).open {
                self.ask(key, Ask::Reserve, PATIENCE).await;
            }
            while self.of(key).id.is_some() && self.ask(key, Ask::Look, PATIENCE).await.is_none() {}
        }
    }

    async fn caller(&self) {
        for _ in 0..STEPS {
            let (key, ask) = self.choose();
            let patience = match self.below(IMPATIENT_ONE_IN) {
                0 => Duration::from_micros(u64::from(200 + self.below(6_000))),
                _ => PATIENCE,
            };
            self.ask(key, ask, patience).await;
            let think = self.think.mul_f64(self.rng.borrow_mut().random::<f64>());
            sleep(think).await;
        }
    }

    fn choose(&self) -> (u32, Ask) {
        let pick = self.below(100);
        let keys = self.wanted.borrow().len();
        if pick < 40 && keys < KEYS_MAX || keys == 0 {
            let quantity = if self.below(4) == 0 { 2 } else { 1 };
            let buyer = self.below(BUYERS);
            self.wanted.borrow_mut().push(Wanted { buyer, quantity, ..Wanted::default() });
            return (keys as u32, Ask::Reserve);
        }
        // What is there is asked about most, and of that the newest.
        let wanted = self.wanted.borrow().clone();
        let known: Vec<u32> =
            (0..keys as u32).filter(|&key| wanted[key as usize].id.is_some()).collect();
        let is_again = known.is_empty() || pick < 48;
        let pool = if is_again { (0..keys as u32).collect() } else { known };
        let back = self.below(pool.len() as u32).min(self.below(4)) as usize;
        let key = pool[pool.len() - 1 - back];
        let ask = match (pick, &wanted[key as usize]) {
            _ if is_again => Ask::Reserve,
            (..68, _) => Ask::Release,
            (..78, _) => Ask::Confirm,
            (..88, Wanted { was_sold: true, .. }) => Ask::Cancel,
            _ => Ask::Look,
        };
        (key, ask)
    }

    /// Ask, and note call and answer. `None`: it stays open, or nothing was done.
    async fn ask(&self, key: u32, ask: Ask, patience: Duration) -> Option<()> {
        let wanted = self.of(key);
        let client = match ask {
            Ask::Confirm | Ask::Cancel => &self.world.admin,
            Ask::Reserve | Ask::Release | Ask::Look => &self.world.public,
        };
        let slot = client.slot().await;
        let op = {
            let mut history = self.world.history.borrow_mut();
            let called = history.moment(self.world.us());
            let Wanted { buyer, quantity, .. } = wanted;
            history.call(Op { sku: self.sku, buyer, key, quantity, ask, called, heard: None })
        };
        let (method, path, headers, body) = self.request(key, ask, &wanted);
        let headers: Vec<(&'static str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let request = Request { method, path: &path, headers: &headers, body };
        let answer = timeout(patience, client.send(request)).await;
        drop(slot);
        let heard = match &answer {
            Ok(Ok(answer)) => said(answer),
            Ok(Err(lost)) if !lost.sent => Some(Said::Nothing),
            Ok(Err(_)) | Err(_) => None,
        };
        let done = !matches!(heard, None | Some(Said::Nothing));
        self.learn(key, ask, heard.as_ref());
        if let Some(heard) = heard {
            self.world.history.borrow_mut().hear(op, self.world.us(), heard);
        }
        if done {
            return Some(());
        }
        sleep(GONE).await;
        None
    }

    fn learn(&self, key: u32, ask: Ask, said: Option<&Said>) {
        let mut wanted = self.wanted.borrow_mut();
        let wanted = &mut wanted[key as usize];
        if ask == Ask::Reserve {
            // Whoever was turned away before may have an open request still.
            match said {
                None => wanted.open = true,
                Some(Said::Nothing) => {}
                Some(_) => wanted.open = false,
            }
        }
        if let Some(Said::Is { id, state, .. }) = said {
            wanted.id.get_or_insert_with(|| id.clone());
            wanted.was_sold |= *state == State::Sold;
        }
    }

    fn request(
        &self,
        key: u32,
        ask: Ask,
        wanted: &Wanted,
    ) -> (Method, String, Vec<(&'static str, String)>, String) {
        let Wanted { buyer, quantity, id, .. } = wanted;
        let (campaign, sku) = (&self.campaign, &self.name);
        let id = id.as_deref().unwrap_or_default();
        let who = ("x-onrush-buyer", format!("{campaign}-{sku}-{buyer}"));
        let under = |what: &str| ("idempotency-key", format!("{sku}-{key}{what}"));
        match ask {
            Ask::Reserve => {
                let path = format!("/v1/campaigns/{campaign}/reservations");
                let body = json!({"sku": sku, "quantity": quantity});
                (Method::POST, path, vec![who, under("")], body.to_string())
            }
            Ask::Release => {
                let path = format!("/v1/reservations/{id}");
                (Method::DELETE, path, vec![who, under("-r")], String::new())
            }
            Ask::Look => (Method::GET, format!("/v1/reservations/{id}"), vec![who], String::new()),
            Ask::Confirm => {
                let path = format!("/admin/v1/reservations/{id}/confirm");
                let amount = PRICE * i64::from(*quantity);
                let reference = format!("{campaign}-{sku}-{key}");
                let payment = json!({"method": "card", "amount": amount, "currency": "CNY", "reference": reference});
                let body = json!({"payments": [payment]});
                (Method::POST, path, vec![under("-p")], body.to_string())
            }
            Ask::Cancel => {
                let path = format!("/admin/v1/reservations/{id}/cancel");
                let body = json!({"reason": "the buyer changed their mind", "restock": true});
                (Method::POST, path, vec![under("-c")], body.to_string())
            }
        }
    }

    fn of(&self, key: u32) -> Wanted {
        self.wanted.borrow()[key as usize].clone()
    }

    fn below(&self, n: u32) -> u32 {
        self.rng.borrow_mut().random_range(0..n)
    }
}

/// Read an answer; `None` when it says that nobody knows.
fn said(answer: &Answer) -> Option<Said> {
    let body: Body = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = match (answer.status, body.code.as_str()) {
        (200 | 201, _) => match state_named(&body.state) {
            Some(state) => {
                Said::Is { id: body.id, state, lsn: body.lsn, new: answer.status == 201 }
            }
            None => Said::Strange(format!("{} without a state", answer.status)),
        },
        (409, "sold_out" | "all_held") => Said::NoUnits,
        (409, "limit_reached") => Said::Limit,
        (409, "already_final") => Said::Final,
        (410, "expired") => Said::Expired,
        (409, "key_in_flight") | (429, _) | (503, "overloaded" | "stopping") => Said::Nothing,
        (503, _) => return None,
        (status, code) => Said::Strange(format!("{status} {code}")),
    };
    Some(said)
}
