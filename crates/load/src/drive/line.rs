//! The waiting line as a guest meets it: join, look or listen, be called up, ask with a pass.

use super::hear::{Answer, number_after};
use super::plan::RETRY;
use super::{Crowd, Due, Flight, Queueing, Step};
use serde::Deserialize;
use std::time::Duration;

/// Who listens looks this often all the same: a stream may be cut in the middle of an event.
const LOOK_WHILE_LISTENING: Duration = Duration::from_secs(20);
/// The wait before the next look where the server does not say one.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
struct Ticket<'a> {
    #[serde(borrow)]
    ticket: &'a str,
    number: u64,
}

#[derive(Deserialize)]
struct Standing<'a> {
    #[serde(borrow)]
    state: &'a str,
    position: Option<u64>,
    #[serde(default)]
    now_serving: u64,
    #[serde(borrow, default)]
    pass: Option<&'a str>,
    #[serde(borrow, default)]
    ticket: Option<&'a str>,
    #[serde(default)]
    sold_out: bool,
    next_poll_ms: Option<u64>,
}

impl Crowd<'_> {
    /// A reserve was refused for want of a good pass.
    pub(super) fn wants_pass(&mut self, due: Due, now: Duration) {
        let case = &mut self.cases[due.case];
        if due.tries >= 3 || case.done {
            return;
        }
        case.pass = None;
        if case.ticket.is_some() {
            self.look(due.case, now);
        } else {
            self.plan(now, due.case, Step::Join);
        }
    }

    pub(super) fn joined(&mut self, flight: &Flight, answer: &Answer<'_>, now: Duration) {
        let due = flight.due;
        if !answer.granted() {
            let code = answer.code();
            self.tally.refused(answer.status, code);
            match (answer.status, code) {
                (_, "not_open") | (429 | 500.., _) => {
                    let wait = answer.wait().unwrap_or(LOOK_AGAIN);
                    self.stay(Due { at: now + wait, ..due }, now);
                }
                // A sale without a line.
                (404, _) if due.step == Step::Join => self.reserve(due.case, now),
                _ => self.cases[due.case].done = true,
            }
            return;
        }
        if due.step == Step::Return {
            return self.look(due.case, now + RETRY);
        }
        let Ok(ticket) = serde_json::from_slice::<Ticket<'_>>(answer.body) else {
            return self.tally.refused(answer.status, "2xx without a ticket");
        };
        if answer.status == 201 {
            self.tally.in_line.joined += 1;
            self.tally.order.joined(ticket.number, flight.mark);
        }
        let case = &mut self.cases[due.case];
        case.ticket = Some(ticket.ticket.into());
        case.joined.get_or_insert(due.at);
        self.look(due.case, now);
    }

    pub(super) fn looked(&mut self, flight: &Flight, answer: &Answer<'_>, now: Duration) {
        let due = flight.due;
        let standing = serde_json::from_slice::<Standing<'_>>(answer.body).ok();
        let Some(standing) = standing.filter(|_| answer.granted()) else {
            self.tally.refused(answer.status, answer.code());
            if answer.status == 429 || answer.status >= 500 {
                self.look(due.case, now + answer.wait().unwrap_or(LOOK_AGAIN));
            }
            return;
        };
        let case = &mut self.cases[due.case];
        if let Some(fresh) = standing.ticket {
            case.ticket = Some(fresh.into());
        }
        match (standing.state, standing.pass) {
            ("served", Some(pass)) => {
                let waited = now.saturating_sub(case.joined.unwrap_or(now));
                let (pass, position, think) = (pass.into(), case.position, case.guest.think);
                case.pass = Some(pass);
                self.tally.in_line.called_up(waited);
                self.tally.order.served(position, standing.now_serving);
                self.stop_listening(due.case);
                self.reserve(due.case, now + think);
            }
            ("passed_over", _) => self.plan(now, due.case, Step::Return),
            ("used" | "lost", _) => self.leave(due.case),
            _ if standing.sold_out => {
                self.tally.in_line.in_vain += 1;
                self.leave(due.case);
            }
            (state, _) => {
                if let (Some(position), "waiting") = (standing.position, state) {
                    let before = case.position.replace(position);
                    self.tally.order.waiting(position, before, flight.mark);
                }
                self.wait_on(due.case, standing.next_poll_ms, now);
            }
        }
    }

    /// Wait in line: listen where that is possible, else look when told to.
    fn wait_on(&mut self, at: u32, next_poll_ms: Option<u64>, now: Duration) {
        let told = next_poll_ms.map_or(LOOK_AGAIN, Duration::from_millis);
        if self.cases[at].stream.is_some() {
            return self.look(at, now + LOOK_WHILE_LISTENING);
        }
        if self.spec.queueing == Queueing::Listen && self.streams < self.spec.streams_max {
            self.streams += 1;
            self.plan(now, at, Step::Listen);
            return self.look(at, now + LOOK_WHILE_LISTENING);
        }
        self.look(at, now + told);
    }

    /// Plan a look, unless somebody has waited for too long.
    fn look(&mut self, at: u32, when: Duration) {
        let case = &mut self.cases[at];
        let since = case.joined.unwrap_or(when);
        if when > since + self.spec.stay {
            self.tally.in_line.left += 1;
            return self.leave(at);
        }
        case.look_at = Some(when);
        self.plan(when, at, Step::Look);
    }

    /// Ask the same again, as long as somebody stays.
    fn stay(&mut self, due: Due, now: Duration) {
        if now > due.since + self.spec.stay {
            self.tally.in_line.left += 1;
            return;
        }
        self.push(Due { tries: due.tries + 1, ..due });
    }

    fn leave(&mut self, at: u32) {
        self.cases[at].done = true;
        self.stop_listening(at);
    }

    fn stop_listening(&mut self, at: u32) {
        if let Some(tag) = self.cases[at].stream {
            self.ended.push(tag);
        }
    }

    /// A piece of the stream of events came.
    pub(super) fn hear_piece(&mut self, tag: u32, bytes: &[u8], now: Duration) {
        let Some(Some(flight)) = self.flights.get(tag as usize) else { return };
        let at = flight.due.case;
        self.tally.in_line.events += 1;
        let case = &self.cases[at];
        if case.pass.is_some() || case.done {
            return;
        }
        let serving = number_after(bytes, b"\"now_serving\":");
        let turn = match (serving, case.position) {
            (Some(serving), Some(position)) => serving >= position,
            // Drawn meanwhile: a look tells the place.
            (Some(serving), None) => serving > 0,
            (None, _) => false,
        };
        let over = memchr::memmem::find(bytes, b"\"sold_out\":true").is_some();
        if turn || over {
            self.look(at, now);
        }
    }

    /// The stream broke off, was refused, or is not needed any more.
    pub(super) fn stream_ended(&mut self, due: Due, now: Duration) {
        self.streams -= 1;
        let case = &mut self.cases[due.case];
        case.stream = None;
        if !case.done && case.pass.is_none() {
            self.look(due.case, now + LOOK_AGAIN);
        }
    }
}
