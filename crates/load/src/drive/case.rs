//! A guest's story so far.

use crate::crowd::{Behaviour, Guest};
use crate::template::{Fill, Who};
use std::ops::{Index, IndexMut};
use std::time::Duration;

/// One wish of one account of a guest.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) guest: Guest,
    /// Which wish: each has a key of its own.
    pub(super) wish: u16,
    /// Things that are due or under way.
    pub(super) open: u32,
    pub(super) id: Option<Box<str>>,
    pub(super) price: i64,
    pub(super) currency: Box<str>,
    pub(super) ticket: Option<Box<str>>,
    pub(super) pass: Option<Box<str>>,
    /// The place, as told last.
    pub(super) position: Option<u64>,
    /// Since when it waits in a line.
    pub(super) joined: Option<Duration>,
    /// The request on which it listens to events.
    pub(super) stream: Option<u32>,
    /// When it looks next: an earlier plan is void then.
    pub(super) look_at: Option<Duration>,
    /// It has what it came for, or has given up.
    pub(super) done: bool,
    /// It was told that its unit is sold.
    pub(super) sold: bool,
    /// How often it did what its behaviour repeats.
    pub(super) rounds: u32,
}

impl Case {
    pub(super) fn new(guest: Guest, wish: u16) -> Case {
        Case {
            guest,
            wish,
            open: 0,
            id: None,
            price: 0,
            currency: "".into(),
            ticket: None,
            pass: None,
            position: None,
            joined: None,
            stream: None,
            look_at: None,
            done: false,
            sold: false,
            rounds: 0,
        }
    }

    pub(super) fn who(&self) -> Who {
        self.guest.who
    }

    /// Tell whether nobody waits for the answer to a reserve.
    pub(super) fn walks_away(&self) -> bool {
        self.guest.behaviour == Behaviour::Abandons
    }

    pub(super) fn fill<'a>(&'a self, skus: &'a [String], part: u8, amount: i64) -> Fill<'a> {
        Fill {
            who: self.guest.who,
            wish: self.wish,
            sku: &skus[usize::from(self.guest.sku)],
            quantity: self.guest.quantity,
            id: self.id.as_deref().unwrap_or(""),
            ticket: self.ticket.as_deref().unwrap_or(""),
            pass: self.pass.as_deref().unwrap_or(""),
            part,
            amount,
            currency: &self.currency,
        }
    }
}

/// Cases by number; numbers are used again.
#[derive(Debug, Default)]
pub(super) struct Cases {
    all: Vec<Option<Case>>,
    free: Vec<u32>,
}

impl Cases {
    pub(super) fn add(&mut self, case: Case) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.all[at as usize] = Some(case);
                at
            }
            None => {
                self.all.push(Some(case));
                self.all.len() as u32 - 1
            }
        }
    }

    /// Something of a case came to its end; the last one ends the case.
    pub(super) fn close_one(&mut self, at: u32) {
        let case = &mut self[at];
        case.open -= 1;
        if case.open == 0 {
            self.all[at as usize] = None;
            self.free.push(at);
        }
    }
}

impl Index<u32> for Cases {
    type Output = Case;

    fn index(&self, at: u32) -> &Case {
        self.all[at as usize].as_ref().expect("a case lives while something of it is open")
    }
}

impl IndexMut<u32> for Cases {
    fn index_mut(&mut self, at: u32) -> &mut Case {
        self.all[at as usize].as_mut().expect("a case lives while something of it is open")
    }
}
