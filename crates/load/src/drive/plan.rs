//! What guests do next: when they come, after they hold something, when they get no answer.

use super::{Crowd, Due, Queueing, Step};
use crate::crowd::{Behaviour, Guest};
use crate::drive::case::Case;
use crate::told::{Asked, Unknown};
use std::time::Duration;

/// Who pays late waits this much longer than the hold lives.
const LATE_BY: Duration = Duration::from_millis(1_500);
/// The wait before a request without an answer is sent again.
pub(super) const RETRY: Duration = Duration::from_millis(100);
/// Accounts of somebody who has many.
const ACCOUNTS: u16 = 8;
/// Times that a replayed request is sent.
const REPLAYS: u32 = 4;
/// Attempts of a bot that asks in a loop.
const LOOPS_MAX: u32 = 20;
/// Times that a hoarder takes what it let expire.
const HOARDS_MAX: u32 = 3;
/// Looks of somebody who refreshes, before and after.
const REFRESHES: u32 = 3;

impl Crowd<'_> {
    pub(super) fn arrive(&mut self, guest: Guest) {
        self.tally.arrived(&guest);
        let at = guest.at;
        match guest.behaviour {
            Behaviour::Grabs => self.come(guest, 1, at),
            Behaviour::ManyAccounts => {
                for account in 1..ACCOUNTS {
                    let mut other = guest;
                    other.who.account = account;
                    self.come(other, 0, at);
                }
            }
            _ => {}
        }
        self.come(guest, 0, at);
    }

    fn come(&mut self, guest: Guest, wish: u16, at: Duration) {
        let case = self.cases.add(Case::new(guest, wish));
        if guest.behaviour == Behaviour::Refreshes && self.spec.shop.knows(Step::Page) {
            self.plan(at, case, Step::Page);
        } else {
            self.enter(case, at);
        }
    }

    /// Go to the line first where there is one, or ask at once.
    pub(super) fn enter(&mut self, case: u32, at: Duration) {
        if self.spec.queueing != Queueing::Auto && self.spec.shop.knows(Step::Join) {
            self.plan(at, case, Step::Join);
            if self.cases[case].guest.behaviour == Behaviour::DoubleClicks {
                self.plan(at, case, Step::Join);
            }
        } else {
            self.reserve(case, at);
        }
    }

    /// Ask for units, in the way of the guest.
    pub(super) fn reserve(&mut self, case: u32, at: Duration) {
        let times = match self.cases[case].guest.behaviour {
            Behaviour::DoubleClicks => 2,
            Behaviour::Replays => REPLAYS,
            _ => 1,
        };
        for _ in 0..times {
            self.plan(at, case, Step::Reserve);
        }
    }

    pub(super) fn plan(&mut self, at: Duration, case: u32, step: Step) {
        self.plan_part(at, case, step, 0, 0);
    }

    fn plan_part(&mut self, at: Duration, case: u32, step: Step, part: u8, amount: i64) {
        if !self.spec.shop.knows(step) {
            return;
        }
        let due = Due { at, order: 0, case, step, part, amount, tries: 0, since: at, open: false };
        self.push(due);
    }

    pub(super) fn push(&mut self, mut due: Due) {
        self.cases[due.case].open += 1;
        due.order = self.order;
        self.order += 1;
        self.agenda[self.spec.shop.side(due.step) as usize].push(due);
    }

    /// Return the step as it is to be sent now; `None`: it has become pointless.
    pub(super) fn still_wanted(&self, due: &Due) -> Option<Step> {
        let case = &self.cases[due.case];
        match due.step {
            Step::Reserve | Step::ReserveWithPass if case.done && due.tries == 0 => None,
            Step::Reserve if case.pass.is_some() => Some(Step::ReserveWithPass),
            Step::Look | Step::Listen | Step::Return if case.done || case.ticket.is_none() => None,
            Step::Look if case.pass.is_some() => None,
            Step::Look if due.tries == 0 && case.look_at != Some(due.at) => None,
            Step::Listen if case.stream.is_some() => None,
            step => Some(step),
        }
    }

    pub(super) fn drop_due(&mut self, due: &Due) {
        self.streams -= usize::from(due.step == Step::Listen);
        self.cases.close_one(due.case);
    }

    /// Ask again later, or give up when patience is at its end.
    pub(super) fn again(&mut self, due: Due, wait: Duration, now: Duration) {
        if now > due.since + self.spec.patience {
            return self.give_up(&due);
        }
        self.tally.figures.retries += 1;
        self.push(Due { at: now + wait, tries: due.tries + 1, ..due });
    }

    pub(super) fn give_up(&mut self, due: &Due) {
        self.tally.figures.given_up += 1;
        if due.open {
            self.unknown(due);
        }
    }

    pub(super) fn unknown(&mut self, due: &Due) {
        let Some(asked) = self.asked(due) else { return };
        let case = &self.cases[due.case];
        let (who, id) = (case.who(), case.id.clone());
        let (buyer, key) = (who.buyer(), who.key(case.wish));
        self.told.unknown.push(Unknown { asked, buyer, key, id });
    }

    /// At the end of a run: whatever is under way has no known outcome.
    pub(super) fn give_up_all(&mut self) {
        for tag in 0..self.flights.len() {
            let Some(flight) = self.flights[tag].take() else { continue };
            if flight.due.step != Step::Listen {
                self.give_up(&Due { open: true, ..flight.due });
            }
        }
        for heap in std::mem::take(&mut self.agenda) {
            for due in heap.into_iter().filter(|due| due.open) {
                self.give_up(&due);
            }
        }
        self.flying = 0;
    }

    /// Return what a server can be held to.
    pub(super) fn asked(&self, due: &Due) -> Option<Asked> {
        let case = &self.cases[due.case];
        match due.step {
            Step::Reserve | Step::ReserveWithPass => Some(Asked::Reserve),
            Step::Pay | Step::SettleFree => {
                let key = case.who().key(case.wish);
                let reference = format!("{key}-p{}", due.part).into();
                Some(Asked::Pay { reference, amount: due.amount })
            }
            Step::Release => Some(Asked::Release),
            Step::Cancel => Some(Asked::Cancel),
            Step::Page | Step::Join | Step::Look | Step::Return | Step::Listen | Step::LookAt => {
                None
            }
        }
    }

    /// Plan what a guest does with a hold.
    pub(super) fn follow(&mut self, case: u32, now: Duration) {
        let Case { guest, price, .. } = self.cases[case];
        let soon = now + guest.think;
        let pays = self.spec.shop.pays();
        let half = price / 2;
        match guest.behaviour {
            Behaviour::NeverPays | Behaviour::Abandons => {}
            Behaviour::Hoards => self.hoard(case, now),
            Behaviour::Releases => self.plan(soon, case, Step::Release),
            _ if !pays => {}
            Behaviour::DoubleClicks => {
                self.pay(soon, case, 1, price);
                self.pay(soon, case, 1, price);
            }
            Behaviour::PaysLate => self.pay(soon + self.spec.hold + LATE_BY, case, 1, price),
            Behaviour::PaysInParts if half > 0 => {
                self.pay(soon, case, 1, half);
                self.pay(soon + guest.think, case, 2, price - half);
            }
            Behaviour::PaysHalf if half > 0 => self.pay(soon, case, 1, half),
            Behaviour::PaysHalf => {}
            Behaviour::Refreshes => {
                self.plan(soon, case, Step::LookAt);
                self.pay(soon, case, 1, price);
            }
            Behaviour::Buys
            | Behaviour::Grabs
            | Behaviour::Cancels
            | Behaviour::PaysInParts
            | Behaviour::Loops
            | Behaviour::Replays
            | Behaviour::ManyAccounts => self.pay(soon, case, 1, price),
        }
    }

    fn pay(&mut self, at: Duration, case: u32, part: u8, amount: i64) {
        let free = amount == 0 && self.spec.shop.knows(Step::SettleFree);
        self.plan_part(at, case, if free { Step::SettleFree } else { Step::Pay }, part, amount);
    }

    /// Take it again as soon as it is free, and never pay.
    fn hoard(&mut self, at: u32, now: Duration) {
        let Case { guest, rounds, wish, .. } = self.cases[at];
        if rounds + 1 < HOARDS_MAX {
            let mut next = Case::new(guest, wish + 1);
            next.rounds = rounds + 1;
            let next = self.cases.add(next);
            self.enter(next, now + self.spec.hold);
        }
    }

    /// A bot that asks in a loop heeds no advice: at once, with a new key.
    pub(super) fn loops_on(&mut self, at: u32, now: Duration) -> bool {
        let Case { guest, rounds, wish, .. } = self.cases[at];
        if guest.behaviour != Behaviour::Loops || rounds + 1 >= LOOPS_MAX {
            return false;
        }
        let mut next = Case::new(guest, wish + 1);
        next.rounds = rounds + 1;
        next.ticket = self.cases[at].ticket.clone();
        let next = self.cases.add(next);
        self.reserve(next, now);
        true
    }

    /// Somebody who refreshes looks again, or asks at last.
    pub(super) fn refreshed(&mut self, at: u32, step: Step, now: Duration) {
        let case = &mut self.cases[at];
        case.rounds += 1;
        let (rounds, soon) = (case.rounds, now + case.guest.think / REFRESHES);
        match step {
            Step::Page if rounds < REFRESHES => self.plan(soon, at, Step::Page),
            Step::Page => self.enter(at, soon),
            Step::LookAt if rounds < 2 * REFRESHES => self.plan(soon, at, Step::LookAt),
            _ => {}
        }
    }
}
