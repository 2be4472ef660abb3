//! The hand-off of a request under every interleaving: run with
//! `RUSTFLAGS="--cfg loom" cargo test -p onrush --release --test loom_flight`.
//!
//! A caller fills and sends, the ledger thread lands, the caller polls, sleeps or walks away. Every
//! outcome reaches the caller that asked, no wake-up is lost, each credit comes back exactly once (a
//! second return panics). The model is made of the engine's own source.

#![cfg(loom)]
#![allow(dead_code, unused_imports, unreachable_pub, reason = "modules of the engine, in part")]

#[path = "../src/credits.rs"]
mod credits;
#[path = "../src/error.rs"]
mod error;
#[path = "../src/flight.rs"]
mod flight;
#[path = "../src/sync.rs"]
mod sync;

use flight::{Flights, Landed, LaneKind, Work};
use loom::sync::Arc;
use loom::thread::{self, Thread};
use onrush_core::ledger::{Action, Answer, Subject};
use onrush_types::ReservationSeq;
use std::task::{Wake, Waker};

const LANE: LaneKind = LaneKind::Settle;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

fn flights(credits: u32) -> Arc<Flights> {
    Arc::new(Flights::new(1, credits, 1))
}

/// Queue a request that is known by its number.
fn ask(flights: &Flights, number: u32) -> Option<u32> {
    let credit = flights.credit(LANE)?;
    flights.fill(credit, Work::Act(Action::Release { seq: ReservationSeq(number), key: None }));
    flights.send(credit);
    Some(credit)
}

/// Wait as a blocked caller does.
fn wait(flights: &Flights, credit: u32) -> Landed {
    let waker = Waker::from(std::sync::Arc::new(Unpark(thread::current())));
    loop {
        match flights.poll(credit, &waker) {
            Some(landed) => return landed,
            None => thread::park(),
        }
    }
}

/// Decide one request, as the ledger thread does; tell whether there was one.
fn land_one(flights: &Flights) -> bool {
    let Some((credit, work)) = flights.next(LANE) else { return false };
    let Work::Act(Action::Release { seq, .. }) = work else { panic!("another's work") };
    let outcome = Ok(Answer::Done(Subject::Reservation(seq)));
    if let Some(waker) = flights.land(credit, outcome) {
        waker.wake();
    }
    true
}

fn answer_to(number: u32) -> Landed {
    Ok(Answer::Done(Subject::Reservation(ReservationSeq(number))))
}

fn all_back(flights: &Flights) {
    assert_eq!(flights.in_use(LANE), 0, "every credit is back");
}

#[test]
fn a_waiting_caller_is_woken_with_its_outcome() {
    loom::model(|| {
        let flights = flights(1);
        let credit = ask(&flights, 7).expect("the credit is free");
        let ledger = flights.clone();
        let ledger = thread::spawn(move || assert!(land_one(&ledger)));
        assert_eq!(wait(&flights, credit), answer_to(7));
        ledger.join().expect("the ledger");
        all_back(&flights);
    });
}

#[test]
fn a_caller_that_walks_away_returns_its_credit_once() {
    loom::model(|| {
        let flights = flights(1);
        let credit = ask(&flights, 7).expect("the credit is free");
        let ledger = flights.clone();
        let ledger = thread::spawn(move || assert!(land_one(&ledger)));
        // It may look once before it goes, and may find the outcome then.
        if flights.poll(credit, Waker::noop()).is_none() {
            flights.abandon(credit);
        }
        ledger.join().expect("the ledger");
        all_back(&flights);
    });
}

#[test]
fn a_credit_that_is_used_again_carries_nothing_over() {
    loom::model(|| {
        let flights = flights(1);
        let first = ask(&flights, 1).expect("the credit is free");
        let ledger = flights.clone();
        let ledger = thread::spawn(move || {
            let landed = u32::from(land_one(&ledger));
            landed + u32::from(land_one(&ledger))
        });
        flights.abandon(first);
        let second = ask(&flights, 2);
        let mut landed = ledger.join().expect("the ledger");
        while land_one(&flights) {
            landed += 1;
        }
        assert_eq!(landed, 1 + u32::from(second.is_some()));
        if let Some(credit) = second {
            assert_eq!(flights.poll(credit, Waker::noop()), Some(answer_to(2)));
        }
        all_back(&flights);
    });
}

#[test]
fn two_callers_with_one_credit_never_share_it() {
    loom::model(|| {
        let flights = flights(1);
        let other = flights.clone();
        let other = thread::spawn(move || ask(&other, 2).map(|credit| (credit, 2)));
        let mine = ask(&flights, 1).map(|credit| (credit, 1));
        let theirs = other.join().expect("the other");
        assert!(mine.is_some() != theirs.is_some(), "one credit, one caller");
        assert!(land_one(&flights));
        for (credit, number) in [mine, theirs].into_iter().flatten() {
            assert_eq!(flights.poll(credit, Waker::noop()), Some(answer_to(number)));
        }
        all_back(&flights);
    });
}
