//! The check through the LSN: the journal is the order, and every answer has to fit into it.
//!
//! 1. An answer names a reservation, its state and an LSN: as of that LSN the journal says the same. (After
//!    a restart that is the LSN that was recovered, not that of the last change.)
//! 2. What was called after an answer was heard comes after it: a change has a higher LSN than every
//!    answer heard before anybody asked for it.
//! 3. Nobody sees the past: an answer about a reservation is not older than one heard before the call.
//! 4. A refusal had its reason at some moment between call and answer: counting every unit that *may*
//!    have been taken then, fewer were left than were asked for.
//!
//! 5. Played in the order of LSNs, at none of them is more taken than there is, or than a buyer may
//!    have, and a reservation goes only where its diagram leads.
//!
//! One pass over the events and one over the journal: O(n).

use crate::gauge::Gauge;
use crate::history::{Ask, Event, History, Moment, Op, Said};
use crate::order::{Order, Units};
use onrush::State;
use onrush_load::verdict::{Check, Verdict};
use std::collections::HashMap;

/// Hold a history against the journal.
pub fn check(history: &History, order: &Order) -> Verdict {
    let mut sweep = Sweep::new(history, order);
    for event in history.events() {
        match event {
            Event::Called(n) => sweep.call(n),
            Event::Heard(n) => sweep.hear(n),
            Event::Crashed(at) => sweep.crash(at),
        }
    }
    sweep.causes();
    Verdict { checks: vec![sweep.answers, sweep.times, sweep.refusals, sweep.units, sweep.moves] }
}

/// One reservation that somebody wants, by its key.
#[derive(Default)]
struct Key {
    sku: u32,
    buyer: u32,
    units: u32,
    reservation: Option<u32>,
    /// The highest LSN heard before the first call of each kind.
    asked: [Option<u64>; 5],
    calls: [u32; 5],
    /// The highest LSN heard of it.
    known: u64,
    /// Reserves that may take, or may have taken, its units; and those that may claim them.
    taking: u32,
    claiming: u32,
    taken: bool,
    /// A caller was told that it was made.
    is_made: bool,
    freed: bool,
    again: Again,
    in_stock: bool,
    in_owned: bool,
}

/// Units that late money takes again.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Again {
    #[default]
    No,
    Asked,
    Freed,
}

struct Sweep<'a> {
    history: &'a History,
    order: &'a Order,
    keys: Vec<Key>,
    key_of: Vec<usize>,
    key_of_reservation: HashMap<u32, usize>,
    stock: Vec<Gauge>,
    owned: HashMap<(u32, u32), Gauge>,
    /// What was known at each call: of everything, of the reservation.
    before: Vec<(u64, u64)>,
    hanging: Vec<usize>,
    /// The highest LSN heard.
    floor: u64,
    /// The highest LSN up to which freed units are certainly free.
    settled: u64,
    /// The first entry of the journal above `settled`.
    next: usize,
    now: u64,
    answers: Check,
    times: Check,
    refusals: Check,
    units: Check,
    moves: Check,
    /// There are reservations that nobody was told of.
    is_untold: bool,
}

impl<'a> Sweep<'a> {
    fn new(history: &'a History, order: &'a Order) -> Sweep<'a> {
        let mut index: HashMap<(u32, u32), usize> = HashMap::new();
        let (mut keys, mut key_of) = (Vec::new(), Vec::with_capacity(history.ops.len()));
        for op in &history.ops {
            let n = *index.entry((op.sku, op.key)).or_insert_with(|| {
                let (sku, buyer, units) = (op.sku, op.buyer, op.quantity);
                keys.push(Key { sku, buyer, units, ..Key::default() });
                keys.len() - 1
            });
            key_of.push(n);
        }
        let mut key_of_reservation = HashMap::new();
        for (op, &key) in history.ops.iter().zip(&key_of) {
            let Some((_, Said::Is { id, .. })) = &op.heard else { continue };
            let Some(reservation) = order.reservation(id) else { continue };
            // The first answer names it; one that differs is found when it is heard.
            keys[key].reservation.get_or_insert(reservation);
            key_of_reservation.entry(reservation).or_insert(key);
        }
        let born = order.entries().iter().filter(|entry| entry.state == State::Held).count();
        Sweep {
            history,
            order,
            is_untold: born > key_of_reservation.len(),
            keys,
            key_of,
            key_of_reservation,
            stock: history.skus.iter().map(|sku| Gauge::new(sku.supply)).collect(),
            owned: HashMap::new(),
            before: vec![(0, 0); history.ops.len()],
            hanging: Vec::new(),
            floor: 0,
            settled: 0,
            next: 0,
            now: 0,
            answers: Check::new("answers the journal does not bear out", "INV-4", "answers"),
            times: Check::new("answers out of real-time order", "INV-5", "answers, causes"),
            refusals: Check::new("refusals without a reason", "INV-3", "refusals"),
            units: Check::new("LSNs with too much taken", "INV-2", "units taken"),
            moves: Check::new("reservations that went astray", "INV-5", "changes"),
        }
    }

    fn call(&mut self, n: usize) {
        let (op, key) = (&self.history.ops[n], self.key_of[n]);
        self.now = op.called.at;
        self.before[n] = (self.floor, self.keys[key].known);
        let k = &mut self.keys[key];
        k.asked[op.ask as usize].get_or_insert(self.floor);
        k.calls[op.ask as usize] += 1;
        match op.ask {
            Ask::Reserve => {
                k.taking += u32::from(may_take(op));
                k.claiming += u32::from(may_claim(op));
            }
            Ask::Confirm if k.again == Again::No && self.is_taken_again(key) => {
                self.keys[key].again = Again::Asked;
            }
            _ => {}
        }
        self.count(key);
        if op.heard.is_none() {
            self.hanging.push(n);
        }
    }

    fn hear(&mut self, n: usize) {
        let (op, key) = (&self.history.ops[n], self.key_of[n]);
        let (heard, said) = op.heard.as_ref().expect("this is its answer");
        self.now = heard.at;
        match said {
            Said::Is { id, state, lsn, new } => self.hear_state(n, id, *state, *lsn, *new),
            Said::NoUnits | Said::Limit => {
                let no_units = *said == Said::NoUnits;
                let holds = match no_units {
                    true => self.stock[op.sku as usize].lacked(op.quantity, op.called.at),
                    false => self.owned(key).lacked(op.quantity, op.called.at),
                };
                let history = self.history;
                self.refusals.look(holds && op.ask == Ask::Reserve, || {
                    let of_sku = history.ops.iter().filter(|other| other.sku == op.sku);
                    format!("{}, of {}", tell(op), story(history, op.sku, of_sku))
                });
            }
            Said::Final | Said::Expired => {
                let allowed: &[State] = match said {
                    Said::Final => &[State::Sold, State::Cancelled],
                    _ => &[State::Expired],
                };
                let was = self.ever(key, allowed);
                self.refusals.look(was && op.ask == Ask::Release, || tell(op));
            }
            Said::Nothing => {}
            Said::Strange(_) => self.answers.look(false, || tell(op)),
        }
        if op.ask == Ask::Reserve {
            let k = &mut self.keys[key];
            k.taking -= u32::from(may_take(op));
            k.claiming -= u32::from(may_claim(op));
            k.taken |= matches!(said, Said::Is { .. });
            self.count(key);
        }
    }

    fn hear_state(&mut self, n: usize, id: &str, state: State, lsn: u64, new: bool) {
        let (op, key) = (&self.history.ops[n], self.key_of[n]);
        let reservation = self.order.reservation(id);
        let entry = reservation.and_then(|r| self.order.as_of(r, lsn));
        let same = entry.is_some_and(|entry| entry.state == state);
        // One key is one reservation, and one reservation one key.
        let own = reservation.is_some_and(|r| self.key_of_reservation.get(&r) == Some(&key))
            && self.keys[key].reservation == reservation;
        let (floor, known) = self.before[n];
        // What was made by this call is newer than all that was heard before it. Its state is read when
        // the answer is written, so somebody may have been quicker to pay.
        let born = self.entries_of(key).next().is_some_and(|entry| entry.lsn > floor);
        let once = !new || !std::mem::replace(&mut self.keys[key].is_made, true);
        self.answers.look(same && own && once, || tell(op));
        let fresh = lsn >= known && (!new || born);
        self.times
            .look(fresh, || format!("{}; before it LSN {floor}, {known} were heard", tell(op)));
        self.floor = self.floor.max(lsn);
        let k = &mut self.keys[key];
        k.known = k.known.max(lsn);
        // A caller who is woken is woken after units went back; who looks may be quicker.
        let first = k.calls[op.ask as usize] == 1;
        let woken = new || (first && matches!(op.ask, Ask::Release | Ask::Confirm | Ask::Cancel));
        if woken && lsn > known {
            self.settle(lsn);
        }
    }

    /// What an answer says that was sent before the crash and heard after it holds up to this moment.
    fn crash(&mut self, at: u64) {
        self.now = at;
        for n in std::mem::take(&mut self.hanging) {
            let (op, key) = (&self.history.ops[n], self.key_of[n]);
            if op.ask == Ask::Reserve {
                let k = &mut self.keys[key];
                k.taking -= 1;
                k.claiming -= 1;
                k.taken |= k.reservation.is_some() || self.is_untold;
                self.count(key);
            }
        }
        // A server that starts again has given back all that was freed.
        self.settle(self.floor);
    }

    /// Units freed up to `lsn` are free.
    fn settle(&mut self, lsn: u64) {
        self.settled = self.settled.max(lsn);
        let entries = self.order.entries();
        while let Some(entry) = entries.get(self.next).filter(|entry| entry.lsn <= self.settled) {
            self.next += 1;
            if entry.units != Units::Freed {
                continue;
            }
            let Some(&key) = self.key_of_reservation.get(&entry.reservation) else { continue };
            let k = &mut self.keys[key];
            match k.again {
                Again::Asked if k.freed => k.again = Again::Freed,
                _ => k.freed = true,
            }
            self.count(key);
        }
    }

    /// Count the units of a key where they may be taken.
    fn count(&mut self, key: usize) {
        let k = &self.keys[key];
        let again = k.again == Again::Asked;
        let in_stock = again || (!k.freed && (k.taken || k.taking > 0));
        let in_owned = again || (!k.freed && (k.taken || k.claiming > 0));
        let (units, now) = (k.units, self.now);
        let turn = |gauge: &mut Gauge, was: bool, is: bool| match (was, is) {
            (false, true) => gauge.add(units),
            (true, false) => gauge.take_off(units, now),
            _ => {}
        };
        let (sku, before) = (k.sku as usize, (k.in_stock, k.in_owned));
        turn(&mut self.stock[sku], before.0, in_stock);
        turn(self.owned(key), before.1, in_owned);
        let k = &mut self.keys[key];
        (k.in_stock, k.in_owned) = (in_stock, in_owned);
    }

    fn owned(&mut self, key: usize) -> &mut Gauge {
        let Key { sku, buyer, .. } = self.keys[key];
        let limit = self.history.skus[sku as usize].limit;
        self.owned.entry((sku, buyer)).or_insert_with(|| Gauge::new(limit))
    }

    fn entries_of(&self, key: usize) -> impl Iterator<Item = &'a crate::order::Entry> {
        let reservation = self.keys[key].reservation;
        let of = self.order.of(reservation.unwrap_or(u32::MAX));
        of.iter().filter_map(|&lsn| self.order.at(lsn))
    }

    fn is_taken_again(&self, key: usize) -> bool {
        self.entries_of(key).filter(|entry| entry.units == Units::Taken).count() > 1
    }

    fn ever(&self, key: usize, states: &[State]) -> bool {
        self.entries_of(key).any(|entry| states.contains(&entry.state))
    }

    /// Every change of a reservation that was told of was asked for, and comes after all that was heard
    /// before it was.
    fn causes(&mut self) {
        let mut taken = vec![0; self.history.skus.len()];
        let mut owned: HashMap<(u32, u32), u32> = HashMap::new();
        let mut states: HashMap<u32, State> = HashMap::new();
        for entry in self.order.entries() {
            let Some(&key) = self.key_of_reservation.get(&entry.reservation) else { continue };
            let ask = match entry.state {
                // Time asks for it; the hold came before.
                State::Held | State::Review | State::Expired => Ask::Reserve,
                State::Sold => Ask::Confirm,
                State::Released => Ask::Release,
                State::Cancelled => Ask::Cancel,
            };
            let from = states.insert(entry.reservation, entry.state);
            let fits = from.is_none_or(|from| from == entry.state || from.can_move_to(entry.state));
            self.moves.look(fits, || format!("{entry:?} after {from:?}"));
            let k = &self.keys[key];
            let asked = k.asked[ask as usize];
            self.times.look(asked.is_some_and(|floor| entry.lsn > floor), || {
                let floor = asked.map_or("nobody asked for it".to_owned(), |floor| {
                    format!("LSN {floor} was heard before anybody asked for it")
                });
                format!("SKU {}, LSN {}: {:?}; {floor}", k.sku, entry.lsn, entry.state)
            });
            let terms = self.history.skus[k.sku as usize];
            let (taken, owned) =
                (&mut taken[k.sku as usize], owned.entry((k.sku, k.buyer)).or_default());
            match entry.units {
                Units::Stay => {}
                Units::Freed => (*taken, *owned) = (*taken - k.units, *owned - k.units),
                Units::Taken => {
                    (*taken, *owned) = (*taken + k.units, *owned + k.units);
                    let (taken, owned, lsn) = (*taken, *owned, entry.lsn);
                    self.units.look(taken <= terms.supply && owned <= terms.limit, || {
                        format!("LSN {lsn}: {taken} taken, {owned} by one buyer; {terms:?}")
                    });
                }
            }
        }
    }
}

fn may_take(op: &Op) -> bool {
    matches!(op.heard, None | Some((_, Said::Is { .. })))
}

fn may_claim(op: &Op) -> bool {
    may_take(op) || matches!(op.heard, Some((_, Said::NoUnits)))
}

/// Describe what was asked of a SKU for whoever looks for the error, with the deaths of the server.
pub(crate) fn story<'a>(history: &History, sku: u32, ops: impl Iterator<Item = &'a Op>) -> String {
    let ops: Vec<String> = ops.map(tell).collect();
    let crashes: Vec<u64> = history.crashes.iter().map(|crash| crash.at).collect();
    let terms = history.skus[sku as usize];
    format!("{terms:?}, crashes at {crashes:?}\n           {}", ops.join("\n           "))
}

/// Describe an operation for whoever looks for the error.
pub(crate) fn tell(op: &Op) -> String {
    let Op { sku, buyer, key, quantity, ask, called: Moment { at, .. }, heard } = op;
    let heard = match heard {
        Some((moment, said)) => format!("{}: {said:?}", moment.at),
        None => "never".to_owned(),
    };
    format!("SKU {sku}, buyer {buyer}, key {key}: {ask:?} of {quantity} at {at}, heard at {heard}")
}
