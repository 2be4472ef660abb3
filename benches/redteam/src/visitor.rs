//! One entry to a drop: who it seems to be, when it comes, and what it does when it is asked.

use crate::looks::Look;
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// What a visitor does with a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// Nothing: it goes on asking without.
    Never,
    /// Waits it out, which needs no code at all.
    Waits,
    /// Solves it, and answers after so many milliseconds at least and at most.
    Solves(u64, u64),
}

/// One account that wants a unit.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Its place in the list of kinds of its drop.
    pub kind: usize,
    /// The account's name.
    pub account: String,
    /// The client it seems to be.
    pub look: Look,
    /// The address it comes from.
    pub address: String,
    /// The device token it shows.
    pub device: Option<String>,
    /// The payment instrument that the shop knows of it.
    pub card: Option<String>,
    /// The phone number that the shop knows of it.
    pub phone: Option<String>,
    /// Where it wants the unit: latitude and longitude.
    pub place: (f64, f64),
    /// When it asks for a ticket, in milliseconds from the beginning; what is before joining opens is a
    /// probe.
    pub joins: Vec<u64>,
    /// What it does when it is asked.
    pub answering: Answering,
    /// How long it takes to use its pass, at least and at most.
    pub reacts_ms: (u64, u64),
    /// How long it takes to pay, at least and at most; nothing: it never does.
    pub pays_ms: Option<(u64, u64)>,
}

/// What a kind of visitor is called, and what it costs its owner.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Whether it is a program.
    pub is_program: bool,
    /// How many accounts came.
    pub accounts: u32,
    /// Over how many payment instruments.
    pub cards: u32,
    /// Whether each account needs an address that no data centre has.
    pub residential: bool,
    /// Whether each account needs a whole browser.
    pub browser: bool,
}

/// Everybody who comes to a drop, and the kinds they are of.
#[derive(Clone, Debug, Default)]
pub struct Crowd {
    /// The kinds.
    pub kinds: Vec<Kind>,
    /// Everybody.
    pub visitors: Vec<Visitor>,
}

impl Crowd {
    /// Put two crowds into one drop.
    pub fn and(mut self, other: Crowd) -> Crowd {
        let first = self.kinds.len();
        self.kinds.extend(other.kinds);
        let moved = other.visitors.into_iter().map(|v| Visitor { kind: v.kind + first, ..v });
        self.visitors.extend(moved);
        self
    }
}

/// Draw a number between two, both included.
pub(crate) fn between(dice: &mut ChaCha8Rng, (least, most): (u64, u64)) -> u64 {
    least + dice.random_range(0..=most - least)
}

/// Draw a time whose logarithm is even between two: many are short, some are long.
pub(crate) fn skewed(dice: &mut ChaCha8Rng, (least, most): (u64, u64)) -> u64 {
    let (low, high) = ((least.max(1) as f64).ln(), (most.max(2) as f64).ln());
    (low + (high - low) * dice.random::<f64>()).exp() as u64
}
