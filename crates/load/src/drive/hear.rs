//! What an answer leads to.

use super::plan::RETRY;
use super::tally::Timed;
use super::{Crowd, Due, Flight, Step};
use crate::crowd::Behaviour;
use crate::target::Class;
use crate::told::{Acknowledgement, state_named};
use crate::wire::Heard;
use onrush::State;
use serde::Deserialize;
use std::time::Duration;

/// A reservation, as far as it is read.
#[derive(Debug, Deserialize)]
struct Held<'a> {
    #[serde(borrow)]
    id: &'a str,
    #[serde(borrow)]
    state: &'a str,
    #[serde(default)]
    lsn: u64,
    #[serde(borrow, default)]
    price: Option<Price<'a>>,
}

#[derive(Debug, Deserialize)]
struct Price<'a> {
    amount: i64,
    #[serde(borrow)]
    currency: &'a str,
}

/// An answer that was heard.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    retry_after_ms: Option<u64>,
}

impl Answer<'_> {
    pub(super) fn granted(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Return the code of a refusal.
    pub(super) fn code(&self) -> &str {
        text_after(self.body, b"\"code\":\"").unwrap_or("no_code")
    }

    /// Return how long the server says to wait.
    pub(super) fn wait(&self) -> Option<Duration> {
        let said = number_after(self.body, b"\"retry_after_ms\":").or(self.retry_after_ms);
        said.map(Duration::from_millis)
    }
}

impl Crowd<'_> {
    pub(super) fn hear(&mut self, tag: u32, heard: Heard<'_>, now: Duration) {
        if let Heard::Piece(bytes) = heard {
            return self.hear_piece(tag, bytes, now);
        }
        let Some(flight) = self.land(tag) else { return };
        let due = flight.due;
        if due.step == Step::Listen {
            self.stream_ended(due, now);
        } else if let Heard::Answer { status, retry_after_ms, body } = heard {
            let answer = Answer { status, body, retry_after_ms };
            self.answered(&flight, &answer, now);
        } else if let Heard::Lost { sent } = heard {
            self.lost(&flight, sent, now);
        }
        self.cases.close_one(due.case);
    }

    fn lost(&mut self, flight: &Flight, sent: bool, now: Duration) {
        let due = flight.due;
        if flight.abandoned {
            self.tally.abandoned += 1;
            return self.unknown(&due);
        }
        self.tally.unanswered(now);
        let think = self.cases[due.case].guest.think;
        let wait = RETRY * due.tries.clamp(1, 5) + think / 20;
        self.again(Due { open: due.open || sent, ..due }, wait, now);
    }

    fn answered(&mut self, flight: &Flight, answer: &Answer<'_>, now: Duration) {
        let due = flight.due;
        let latency = now.saturating_sub(due.at);
        if self.spec.shop.target.is_some() {
            return self.answered_other(due, answer, latency, now);
        }
        let kind = match due.step {
            Step::Reserve | Step::ReserveWithPass if answer.granted() => Timed::Granted,
            Step::Reserve | Step::ReserveWithPass => Timed::Refused,
            Step::Pay | Step::SettleFree | Step::Release | Step::Cancel => Timed::Settled,
            Step::Join | Step::Return => Timed::Joined,
            Step::Look | Step::Listen => Timed::Looked,
            Step::Page | Step::LookAt => Timed::Paged,
        };
        self.tally.answered(kind, latency, due.at, now);
        match due.step {
            Step::Page | Step::LookAt => self.refreshed(due.case, due.step, now),
            Step::Join | Step::Return => self.joined(flight, answer, now),
            Step::Look => self.looked(flight, answer, now),
            _ if answer.granted() => self.granted(flight, answer, now),
            _ => self.refused(due, answer, now),
        }
    }

    fn refused(&mut self, due: Due, answer: &Answer<'_>, now: Duration) {
        let code = answer.code();
        self.tally.refused(answer.status, code);
        let reserves = due.step.reserves();
        let wait = answer.wait();
        let think = self.cases[due.case].guest.think;
        match (answer.status, code) {
            // The journal failed while it was under way: nobody knows.
            (503, "journal_failed") => {
                self.again(Due { open: true, ..due }, wait.unwrap_or(RETRY), now);
            }
            _ if reserves && self.loops_on(due.case, now) => {}
            (429 | 500.., _) | (409, "key_in_flight") => {
                self.again(due, wait.unwrap_or(RETRY), now);
            }
            (409, "all_held") if due.tries < self.spec.come_back_max => {
                // Whoever comes back is a new arrival: patience starts again.
                let at = now + wait.unwrap_or(RETRY) + think;
                self.push(Due { at, since: at, tries: due.tries + 1, ..due });
            }
            (403, "pass_required" | "pass_invalid") if reserves => self.wants_pass(due, now),
            _ => {}
        }
    }

    fn granted(&mut self, flight: &Flight, answer: &Answer<'_>, now: Duration) {
        let due = flight.due;
        let held = serde_json::from_slice::<Held<'_>>(answer.body).ok();
        let Some((held, state)) =
            held.and_then(|held| state_named(held.state).map(|state| (held, state)))
        else {
            return self.tally.refused(answer.status, "2xx without id and state");
        };
        self.acknowledge(&due, answer.status, held.id, state, held.lsn);
        let case = &mut self.cases[due.case];
        let first = case.id.is_none();
        let behaviour = case.guest.behaviour;
        case.id = Some(held.id.into());
        case.done = true;
        match due.step {
            Step::Reserve | Step::ReserveWithPass => {
                if answer.status == 201 {
                    let out_of_order = held.lsn < flight.mark;
                    self.tally.held(behaviour, due.case_quantity(self), held.lsn, out_of_order);
                } else {
                    self.tally.figures.repeats += 1;
                }
                // The twin of a double click finds the story already begun.
                if first {
                    let case = &mut self.cases[due.case];
                    if let Some(price) = held.price {
                        (case.price, case.currency) = (price.amount, price.currency.into());
                    }
                    self.follow(due.case, now);
                }
            }
            Step::Pay | Step::SettleFree => {
                let case = &mut self.cases[due.case];
                // A payment that was sent twice is one sale.
                let sold = state == State::Sold && !std::mem::replace(&mut case.sold, true);
                self.tally.paid(behaviour, sold);
                if behaviour == Behaviour::Cancels && sold {
                    let think = self.cases[due.case].guest.think;
                    self.plan(now + think, due.case, Step::Cancel);
                }
            }
            _ => {}
        }
    }

    fn acknowledge(&mut self, due: &Due, status: u16, id: &str, state: State, lsn: u64) {
        let Some(asked) = self.asked(due) else { return };
        let case = &self.cases[due.case];
        let who = case.who();
        self.told.acknowledged.push(Acknowledgement {
            asked,
            buyer: who.buyer(),
            key: who.key(case.wish),
            sku: self.spec.skus[usize::from(case.guest.sku)].as_str().into(),
            quantity: case.guest.quantity,
            status,
            id: id.into(),
            state,
            lsn,
        });
    }

    /// Read the answer of a described target.
    fn answered_other(&mut self, due: Due, answer: &Answer<'_>, latency: Duration, now: Duration) {
        let target = self.spec.shop.target.as_ref().expect("the caller looked");
        let step = match due.step {
            Step::Pay => target.confirm.as_ref(),
            Step::Release => target.release.as_ref(),
            _ => Some(&target.reserve),
        };
        let Some(step) = step else { return };
        let class = step.class(answer.status, answer.body);
        let kind = match (due.step, class) {
            (Step::Pay | Step::Release, _) => Timed::Settled,
            (_, Class::Accepted) => Timed::Granted,
            (..) => Timed::Refused,
        };
        self.tally.answered(kind, latency, due.at, now);
        match class {
            Class::Accepted => {
                let id = step.id_in(answer.body);
                self.accepted_other(due, answer.status, id, now);
            }
            Class::Again => {
                self.tally.refused(answer.status, "asked again");
                self.again(due, answer.wait().unwrap_or(RETRY), now);
            }
            Class::Refused => {
                self.tally.refused(answer.status, "refused");
                let _ = due.step.reserves() && self.loops_on(due.case, now);
            }
            Class::Failed => {
                self.tally.figures.given_up += 1;
                self.tally.refused(answer.status, "error");
            }
        }
    }

    fn accepted_other(&mut self, due: Due, status: u16, id: Option<Box<str>>, now: Duration) {
        let behaviour = self.cases[due.case].guest.behaviour;
        let known = id.clone().or_else(|| self.cases[due.case].id.clone());
        let state = match due.step {
            Step::Pay => State::Sold,
            Step::Release => State::Released,
            _ => State::Held,
        };
        if let Some(id) = known {
            self.acknowledge(&due, status, &id, state, 0);
        }
        let case = &mut self.cases[due.case];
        let first = !case.done;
        case.done = true;
        case.id = id.or_else(|| case.id.take());
        match due.step {
            Step::Pay => self.tally.paid(behaviour, true),
            Step::Release => self.tally.released += 1,
            _ if first => {
                self.tally.held(behaviour, due.case_quantity(self), 0, false);
                self.follow(due.case, now);
            }
            _ => self.tally.figures.repeats += 1,
        }
    }
}

impl Due {
    fn case_quantity(&self, crowd: &Crowd<'_>) -> u32 {
        crowd.cases[self.case].guest.quantity
    }
}

/// Return the text that stands after `mark`, up to the next quote.
pub(super) fn text_after<'a>(body: &'a [u8], mark: &[u8]) -> Option<&'a str> {
    let from = memchr::memmem::find(body, mark)? + mark.len();
    let length = memchr::memchr(b'"', &body[from..])?;
    std::str::from_utf8(&body[from..from + length]).ok()
}

/// Return the number that stands after the last `mark`.
pub(super) fn number_after(body: &[u8], mark: &[u8]) -> Option<u64> {
    let from = memchr::memmem::rfind(body, mark)? + mark.len();
    let digits = body[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&body[from..from + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_waits_are_found_in_problems() {
        let body = br#"{"type":"x","code":"all_held","retry_after_ms":1234,"retryable":true}"#;
        let answer = Answer { status: 409, body, retry_after_ms: Some(9_000) };
        assert_eq!(
            (answer.code(), answer.wait()),
            ("all_held", Some(Duration::from_millis(1_234)))
        );
        let bare = Answer { status: 429, body: b"slow down", retry_after_ms: Some(9_000) };
        assert_eq!((bare.code(), bare.wait()), ("no_code", Some(Duration::from_secs(9))));
    }
}
