//! A sale of a few lines that answers like Onrush, and can be told to break one promise.

use crate::virtual_net::{Asked, Reply, Server};
use onrush::State;
use onrush_load::truth::{PaymentTruth, ReservationTruth, SkuTruth, Truth};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

pub(crate) const PRICE: i64 = 100;

/// What the sale gets wrong, now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    None,
    /// Sells a few more than there are.
    Oversells,
    /// Acknowledges a hold and forgets it.
    Forgets,
    /// Makes a second reservation of a repeated key.
    Doubles,
    /// Lets a buyer have more than the limit.
    NoLimit,
    /// Tells an older place in the journal.
    Inverts,
    /// Loses a payment.
    LosesMoney,
}

pub(crate) struct Sale {
    pub(crate) supply: u64,
    pub(crate) bug: Bug,
    pub(crate) takes: Duration,
    pub(crate) reservations: BTreeMap<String, Held>,
    by_key: HashMap<(String, String), String>,
    lsn: u64,
    count: u64,
}

pub(crate) struct Held {
    pub(crate) buyer: String,
    pub(crate) state: State,
    pub(crate) paid: Vec<(String, i64)>,
}

impl Sale {
    pub(crate) fn new(supply: u64, bug: Bug) -> Sale {
        Sale {
            supply,
            bug,
            takes: Duration::from_millis(2),
            reservations: BTreeMap::new(),
            by_key: HashMap::new(),
            lsn: 0,
            count: 0,
        }
    }

    fn taken(&self) -> u64 {
        let counts = |held: &&Held| matches!(held.state, State::Held | State::Sold);
        self.reservations.values().filter(counts).count() as u64
    }

    fn reserve(&mut self, asked: &Asked<'_>) -> (u16, Value) {
        let buyer = asked.header("x-onrush-buyer").expect("who").to_owned();
        let key = asked.header("idempotency-key").expect("a key").to_owned();
        self.count += 1;
        let wrong = self.count.is_multiple_of(7);
        let who = (buyer.clone(), key);
        if let Some(id) = self.by_key.get(&who)
            && self.bug != Bug::Doubles
        {
            return (200, self.shown(id));
        }
        let has = self
            .reservations
            .values()
            .filter(|held| held.buyer == buyer && matches!(held.state, State::Held | State::Sold));
        let doubles = self.bug == Bug::Doubles && self.by_key.contains_key(&who);
        if has.count() > 0 && self.bug != Bug::NoLimit && !doubles {
            return (409, json!({"code": "limit_reached"}));
        }
        let more = if self.bug == Bug::Oversells { 2 } else { 0 };
        if self.taken() >= self.supply + more {
            return (409, json!({"code": "sold_out"}));
        }
        self.lsn += 1;
        let id = format!("r{}", self.count);
        let held = Held { buyer, state: State::Held, paid: Vec::new() };
        self.reservations.insert(id.clone(), held);
        let mut answer = self.shown(&id);
        self.by_key.insert(who, id.clone());
        if self.bug == Bug::Forgets && wrong {
            self.reservations.remove(&id);
        }
        if self.bug == Bug::Inverts && wrong {
            answer["lsn"] = json!(1);
        }
        (201, answer)
    }

    fn shown(&self, id: &str) -> Value {
        let state = self.reservations.get(id).map_or(State::Held, |held| held.state);
        json!({"id": id, "state": state.as_str(), "lsn": self.lsn,
               "price": {"amount": PRICE, "currency": "CNY"}})
    }

    fn settle(&mut self, asked: &Asked<'_>) -> (u16, Value) {
        let mut parts = asked.path.split('/').skip(4);
        let (id, action) = (parts.next().unwrap_or_default(), parts.next());
        let id = if asked.method == "DELETE" { asked.path.rsplit('/').next() } else { Some(id) };
        let id = id.unwrap_or_default().to_owned();
        let loses = self.bug == Bug::LosesMoney && self.lsn.is_multiple_of(5);
        let Some(held) = self.reservations.get_mut(&id) else {
            return (404, json!({"code": "not_found"}));
        };
        self.lsn += 1;
        match (asked.method, action) {
            ("DELETE", _) => held.state = State::Released,
            (_, Some("cancel")) => held.state = State::Cancelled,
            _ => {
                let body: Value = serde_json::from_str(asked.body).expect("JSON");
                let line = &body["payments"][0];
                let reference = line["reference"].as_str().expect("a reference").to_owned();
                let known = held.paid.iter().any(|(known, _)| *known == reference);
                if !known && !loses {
                    held.paid.push((reference, line["amount"].as_i64().expect("an amount")));
                }
                let paid: i64 = held.paid.iter().map(|(_, amount)| amount).sum();
                if paid >= PRICE {
                    held.state = State::Sold;
                }
            }
        }
        (200, self.shown(&id))
    }

    /// What an operator would read.
    pub(crate) fn truth(&self) -> Truth {
        let mut truth = Truth::default();
        let mut sku = SkuTruth { supplied: self.supply, ..SkuTruth::default() };
        for (id, held) in &self.reservations {
            sku.held += u64::from(held.state == State::Held);
            sku.sold += u64::from(held.state == State::Sold);
            let paid: i64 = held.paid.iter().map(|(_, amount)| amount).sum();
            let keeps = if held.state == State::Sold { PRICE } else { 0 };
            let back = if held.state == State::Held { 0 } else { paid - keeps };
            let reservation = ReservationTruth {
                buyer: None,
                sku: "unit".to_owned(),
                quantity: 1,
                state: held.state,
                amount: PRICE,
                payments: held
                    .paid
                    .iter()
                    .map(|(reference, amount)| PaymentTruth {
                        reference: reference.clone(),
                        amount: *amount,
                    })
                    .collect(),
                refunds: if back > 0 { vec![back] } else { Vec::new() },
            };
            truth.reservations.insert(id.clone(), reservation);
        }
        sku.free = sku.supplied.saturating_sub(sku.held + sku.sold);
        truth.skus.insert("unit".to_owned(), sku);
        truth
    }
}

impl Server for Sale {
    fn ask(&mut self, asked: &Asked<'_>) -> Option<Reply> {
        let (status, body) = if asked.path.ends_with("/reservations") {
            self.reserve(asked)
        } else if asked.method == "GET" {
            (200, json!({"campaign": "drop"}))
        } else {
            self.settle(asked)
        };
        Some(Reply { at: asked.now + self.takes, status, body: body.to_string() })
    }
}
