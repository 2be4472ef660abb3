//! One step of one visitor: what is asked, and what the answer leads to.

use super::figures::Kind;
use super::{Identity, Run};
use crate::client::{Answer, Ask};
use crate::crowd::{Behaviour, Visit};
use crate::told::{Acknowledgement, Asked, state_named};
use hyper::Method;
use onrush::State;
use serde::Deserialize;
use serde_json::json;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;
use std::time::Duration;

/// Who pays late waits this much longer than the hold lives.
const LATE_BY: Duration = Duration::from_millis(1_500);
/// The wait before a request without an answer is sent again.
const RETRY: Duration = Duration::from_millis(100);

/// A visitor's story so far.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) visit: Visit,
    pub(super) id: RefCell<Option<Box<str>>>,
    price: RefCell<Price>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Price {
    amount: i64,
    currency: String,
}

/// What a visitor asks for.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Reserve,
    Pay { reference: Box<str>, amount: i64 },
    Release,
    Cancel,
}

/// A step and when it is due. The earliest is the greatest, as a heap wants it.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) at: Duration,
    pub(super) order: u64,
    pub(super) case: Rc<Case>,
    pub(super) step: Step,
    pub(super) tries: u32,
    /// When it was due for the first time.
    pub(super) since: Duration,
    /// It was sent and may have been done.
    pub(super) open: bool,
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl Case {
    pub(super) fn new(visit: Visit) -> Case {
        Case { visit, id: RefCell::default(), price: RefCell::default() }
    }
}

impl Step {
    pub(super) fn asked(&self) -> Asked {
        match self {
            Step::Reserve => Asked::Reserve,
            Step::Pay { reference, amount } => {
                Asked::Pay { reference: reference.clone(), amount: *amount }
            }
            Step::Release => Asked::Release,
            Step::Cancel => Asked::Cancel,
        }
    }
}

/// What is read of any answer: a reservation or a problem.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    id: Option<Box<str>>,
    state: Option<String>,
    lsn: u64,
    price: Option<Price>,
    code: Option<String>,
    retry_after_ms: Option<u64>,
}

impl Run {
    pub(super) async fn perform(&self, due: Due) {
        let sent = self.send(&due).await;
        let latency = self.start.elapsed().saturating_sub(due.at);
        match sent {
            Ok(answer) => self.hear(due, &answer, latency),
            Err(lost) => {
                self.figures.borrow_mut().unanswered += 1;
                let open = due.open || lost.sent;
                let wait = RETRY * due.tries.clamp(1, 5) + due.case.visit.think / 20;
                self.again(Due { open, ..due }, wait);
            }
        }
    }

    async fn send(&self, due: &Due) -> Result<Answer, crate::client::NoAnswer> {
        let visit = &due.case.visit;
        let id = due.case.id.borrow().clone().unwrap_or_default();
        let (method, path, key, body) = match &due.step {
            Step::Reserve => {
                let path = format!("/v1/campaigns/{}/reservations", self.spec.campaign);
                (Method::POST, path, visit.key.to_string(), self.reserve_body(visit))
            }
            Step::Release => {
                let path = format!("/v1/reservations/{id}");
                (Method::DELETE, path, format!("{}-r", visit.key), String::new())
            }
            Step::Pay { reference, amount } => {
                let currency = &due.case.price.borrow().currency;
                let payment = json!({"method": "card", "amount": amount, "currency": currency, "reference": reference});
                let payments = if *amount > 0 { vec![payment] } else { Vec::new() };
                let path = format!("/admin/v1/reservations/{id}/confirm");
                (
                    Method::POST,
                    path,
                    reference.to_string(),
                    json!({"payments": payments}).to_string(),
                )
            }
            Step::Cancel => {
                let path = format!("/admin/v1/reservations/{id}/cancel");
                let body = json!({"reason": "the buyer changed their mind", "restock": true});
                (Method::POST, path, format!("{}-c", visit.key), body.to_string())
            }
        };
        let mut headers = vec![("idempotency-key", key.as_str())];
        let as_buyer = matches!(due.step, Step::Reserve | Step::Release);
        if as_buyer && self.spec.identity == Identity::DevHeader {
            headers.push(("x-onrush-buyer", &visit.buyer));
        }
        let client = self.client_of(&due.step);
        client.send(Ask { method, path: &path, headers: &headers, body }).await
    }

    fn reserve_body(&self, visit: &Visit) -> String {
        let mut body = format!(r#"{{"sku":"{}","quantity":{}"#, visit.sku, visit.quantity);
        if self.spec.identity == Identity::ApiKey {
            body += &format!(r#","buyer":"{}""#, visit.buyer);
        }
        if !self.spec.details.is_empty() {
            body += ",";
            body += &self.spec.details;
        }
        body + "}"
    }

    fn hear(&self, due: Due, answer: &Answer, latency: Duration) {
        let said: Said = serde_json::from_slice(&answer.body).unwrap_or_default();
        let reserve = matches!(due.step, Step::Reserve);
        let granted = (200..300).contains(&answer.status);
        let kind = match (reserve, granted) {
            (true, true) => Kind::Granted,
            (true, false) => Kind::Refused,
            (false, _) => Kind::Settled,
        };
        self.figures.borrow_mut().answered(kind, latency);
        if granted {
            return self.granted(due, answer.status, said);
        }
        let code = said.code.as_deref().unwrap_or("no_code");
        self.figures.borrow_mut().refused(&format!("{} {code}", answer.status));
        let wait = said.retry_after_ms.map_or(RETRY, Duration::from_millis);
        match (answer.status, code) {
            // The journal failed while it was under way: nobody knows.
            (503, "journal_failed") => self.again(Due { open: true, ..due }, wait),
            (429 | 500.., _) | (409, "key_in_flight") => self.again(due, wait),
            // A restarted server may have another token; the caller replaces it.
            (401, _) if !reserve => self.again(due, wait),
            (409, "all_held") if due.tries < self.spec.come_back_max => {
                // Whoever comes back is a new arrival: patience starts again.
                let at = self.start.elapsed() + wait + due.case.visit.think;
                self.push(Due { at, since: at, tries: due.tries + 1, ..due });
            }
            _ => {}
        }
    }

    fn granted(&self, due: Due, status: u16, said: Said) {
        let id = said.id.or_else(|| due.case.id.borrow().clone());
        let state = said.state.as_deref().and_then(state_named);
        let (Some(id), Some(state)) = (id, state) else {
            self.figures.borrow_mut().refused("2xx without id and state");
            return;
        };
        let visit = &due.case.visit;
        let known = due.case.id.replace(Some(id.clone()));
        let mut figures = self.figures.borrow_mut();
        match due.step {
            Step::Reserve if status == 201 => figures.holds += 1,
            Step::Reserve => figures.repeats += 1,
            Step::Pay { .. } => {
                figures.payments += 1;
                figures.sales += u64::from(state == State::Sold);
            }
            Step::Release | Step::Cancel => {}
        }
        drop(figures);
        self.told.borrow_mut().acknowledged.push(Acknowledgement {
            asked: due.step.asked(),
            buyer: visit.buyer.clone(),
            key: visit.key.clone(),
            sku: visit.sku.clone(),
            quantity: visit.quantity,
            status,
            id,
            state,
            lsn: said.lsn,
        });
        match due.step {
            // The twin of a double click finds the story already begun.
            Step::Reserve if known.is_none() => {
                *due.case.price.borrow_mut() = said.price.unwrap_or_default();
                self.follow(&due.case);
            }
            Step::Pay { .. } if visit.behaviour == Behaviour::Cancels && state == State::Sold => {
                self.plan(self.start.elapsed() + visit.think, &due.case, Step::Cancel);
            }
            _ => {}
        }
    }

    /// Plan what a visitor does with a hold.
    fn follow(&self, case: &Rc<Case>) {
        let visit = &case.visit;
        let price = case.price.borrow().amount;
        let soon = self.start.elapsed() + visit.think;
        let pay = |part: u8, amount| Step::Pay {
            reference: format!("{}-p{part}", visit.key).into(),
            amount,
        };
        let half = price / 2;
        match visit.behaviour {
            Behaviour::NeverPays | Behaviour::Abandons | Behaviour::Hoards => {}
            Behaviour::Releases => self.plan(soon, case, Step::Release),
            _ if self.admin.is_none() => {}
            Behaviour::Buys
            | Behaviour::Grabs
            | Behaviour::Cancels
            | Behaviour::Refreshes
            | Behaviour::Loops
            | Behaviour::Replays
            | Behaviour::ManyAccounts => self.plan(soon, case, pay(1, price)),
            Behaviour::DoubleClicks => {
                self.plan(soon, case, pay(1, price));
                self.plan(soon, case, pay(1, price));
            }
            Behaviour::PaysLate => {
                self.plan(soon + self.spec.hold + LATE_BY, case, pay(1, price));
            }
            Behaviour::PaysInParts if half > 0 => {
                self.plan(soon, case, pay(1, half));
                self.plan(soon + visit.think, case, pay(2, price - half));
            }
            Behaviour::PaysInParts => self.plan(soon, case, pay(1, price)),
            Behaviour::PaysHalf if half > 0 => self.plan(soon, case, pay(1, half)),
            Behaviour::PaysHalf => {}
        }
    }
}
