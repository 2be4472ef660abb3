//! The slot and the seam under every interleaving: run with
//! `RUSTFLAGS="--cfg loom" cargo test -p onrush-core --release --test loom_slot`.
//!
//! The seam models the order of `docs/architecture.md`, "Two regimes, one seam": a caller takes and then queues its
//! record; the ledger makes records durable and only then gives units back. The journal here is a
//! list that grows record by record, and a crash may keep any prefix of it, so each prefix is
//! checked as it comes to be (INV-2). The ledger's own veto is left out on purpose: the order alone
//! must keep the promise, and two wrong orders are shown to break it.

#![cfg(loom)]

use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;
use onrush_core::front::{Shortage, Slot, SlotView};

/// Make a slot with `free` and `held` units.
fn slot(free: u32, held: u32) -> Slot {
    let slot = Slot::default();
    slot.add(free + held);
    if held > 0 {
        slot.take(held).expect("just added");
    }
    slot
}

#[test]
fn takers_race_with_what_comes_back_and_what_is_kept() {
    loom::model(|| {
        let slot = Arc::new(slot(1, 2));
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let slot = slot.clone();
                thread::spawn(move || u32::from(slot.take(1).is_ok()))
            })
            .collect();
        slot.give_back(1);
        slot.keep(1);
        let took: u32 = takers.into_iter().map(|t| t.join().expect("a taker")).sum();
        assert!(took >= 1, "one unit was free all the time");
        assert_eq!(slot.look(), SlotView { free: 2 - took, held: took });
    });
}

#[test]
fn a_take_of_several_is_all_or_nothing() {
    loom::model(|| {
        let slot = Arc::new(slot(2, 0));
        let other = slot.clone();
        let pair = thread::spawn(move || other.take(2).is_ok());
        let single = slot.take(1);
        let pair = pair.join().expect("a taker");
        assert!(pair != single.is_ok(), "either the pair or the single one");
        if let Err(shortage) = single {
            assert_eq!(shortage, Shortage::AllHeld { free: 0 });
        }
        assert_eq!(
            slot.look(),
            SlotView { free: if pair { 0 } else { 1 }, held: 2 - u32::from(!pair) }
        );
    });
}

/// Who takes a returned or an added unit sees what was written before it came back.
fn publishes(from: fn() -> Slot, by: fn(&Slot)) {
    loom::model(move || {
        let slot = Arc::new(from());
        let board = Arc::new(AtomicU64::new(0));
        let (their_slot, their_board) = (slot.clone(), board.clone());
        let taker = thread::spawn(move || {
            if their_slot.take(1).is_ok() {
                assert_eq!(their_board.load(Ordering::Relaxed), 1, "the board was written before");
            }
        });
        // Relaxed: the slot's own Release is what is under test.
        board.store(1, Ordering::Relaxed);
        by(&slot);
        taker.join().expect("the taker");
    });
}

#[test]
fn a_unit_given_back_publishes_the_board() {
    publishes(|| slot(0, 1), |slot| slot.give_back(1));
}

#[test]
fn an_added_unit_publishes_the_board() {
    publishes(Slot::default, |slot| slot.add(1));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Entry {
    Hold,
    Release,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As designed.
    Right,
    /// The releasing side returns the unit while its record is still on its way.
    GiveBackBeforeDurable,
    /// The record is queued on the strength of a look, and the unit taken afterwards.
    PushBeforeTake,
}

struct Seam {
    order: Order,
    supply: u32,
    slot: Slot,
    queue: Mutex<Vec<Entry>>,
    /// What a restart would find, whole or cut at any record.
    durable: Mutex<Vec<Entry>>,
}

impl Seam {
    /// Start with `supply` units of which `held` are held durably.
    fn new(order: Order, supply: u32, held: u32) -> Arc<Seam> {
        let durable = Mutex::new(vec![Entry::Hold; held as usize]);
        let queue = Mutex::new(Vec::new());
        Arc::new(Seam { order, supply, slot: slot(supply - held, held), queue, durable })
    }

    fn push(&self, entry: Entry) {
        self.queue.lock().expect("the queue").push(entry);
    }

    fn reserve(&self) {
        if self.order == Order::PushBeforeTake {
            if self.slot.look().shortage(1).is_none() {
                self.push(Entry::Hold);
                let _lost_race_is_found_too_late = self.slot.take(1);
            }
        } else if self.slot.take(1).is_ok() {
            self.push(Entry::Hold);
        }
    }

    fn release(&self) {
        if self.order == Order::GiveBackBeforeDurable {
            self.slot.give_back(1);
        }
        self.push(Entry::Release);
    }

    /// The ledger thread's work on one batch: make it durable record by record, then give back.
    fn batch(&self) {
        let batch = std::mem::take(&mut *self.queue.lock().expect("the queue"));
        let mut released = 0;
        for entry in batch {
            let mut durable = self.durable.lock().expect("the journal");
            durable.push(entry);
            assert!(held(&durable) <= self.supply, "a prefix of the journal oversells");
            released += u32::from(entry == Entry::Release);
        }
        if released > 0 && self.order == Order::Right {
            self.slot.give_back(released);
        }
    }

    /// Once quiet, the slot says what the journal says (INV-3).
    fn check_quiet(&self) {
        let held = held(&self.durable.lock().expect("the journal"));
        assert_eq!(self.slot.look(), SlotView { free: self.supply - held, held });
    }
}

/// Count what a journal holds.
fn held(entries: &[Entry]) -> u32 {
    let count = |kind| entries.iter().filter(|entry| **entry == kind).count() as u32;
    count(Entry::Hold).checked_sub(count(Entry::Release)).expect("released what was held")
}

/// One buyer gives up the only unit while another asks for it.
fn release_meets_reserve(order: Order) {
    loom::model(move || {
        let seam = Seam::new(order, 1, 1);
        let (releaser, taker) = (seam.clone(), seam.clone());
        let releaser = thread::spawn(move || releaser.release());
        let taker = thread::spawn(move || taker.reserve());
        seam.batch();
        releaser.join().expect("the releaser");
        seam.batch();
        taker.join().expect("the taker");
        seam.batch();
        seam.check_quiet();
    });
}

/// Two buyers ask for the only unit.
fn two_reserves_race(order: Order) {
    loom::model(move || {
        let seam = Seam::new(order, 1, 0);
        let takers: Vec<_> = (0..2)
            .map(|_| {
                let seam = seam.clone();
                thread::spawn(move || seam.reserve())
            })
            .collect();
        seam.batch();
        for taker in takers {
            taker.join().expect("a taker");
        }
        seam.batch();
        seam.check_quiet();
        assert_eq!(seam.durable.lock().expect("the journal").len(), 1, "one of them got it");
    });
}

#[test]
fn no_prefix_oversells_when_a_release_meets_a_reserve() {
    release_meets_reserve(Order::Right);
}

#[test]
fn no_prefix_oversells_when_two_reserves_race() {
    two_reserves_race(Order::Right);
}

#[test]
#[should_panic(expected = "a prefix of the journal oversells")]
fn giving_back_before_durable_oversells() {
    release_meets_reserve(Order::GiveBackBeforeDurable);
}

#[test]
#[should_panic(expected = "a prefix of the journal oversells")]
fn pushing_before_taking_oversells() {
    two_reserves_race(Order::PushBeforeTake);
}
