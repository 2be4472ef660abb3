//! The whole engine under shuttle: callers, the ledger thread, a journal on a disk in memory, switched
//! at random where they meet. Run with
//! `RUSTFLAGS="--cfg shuttle" cargo test -p onrush --release --test shuttle_engine`.
//!
//! What shuttle orders: slots, credits, queues, cells with their wakers, the bell, and each step to and
//! from the claim table. What is real beside it (the claim table's and other locks, the read table, the
//! catalogue's pointer) is decided without a switch in between; `docs/decisions` says why. Callers
//! sleep until they are woken, so a lost wake-up is a deadlock, which shuttle reports.

#![cfg(shuttle)]

mod common;

use common::*;
use onrush::journal::FakeDisk;
use onrush::*;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread::{self, Thread};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Schedules of each kind that each test runs.
const SCHEDULES: usize = 2_000;
/// Changes of priority in one schedule of the second kind (Burckhardt et al., "A Randomized Scheduler
/// with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010).
const CHANGES: usize = 3;

type Caller = Box<dyn FnOnce(&Engine) + Send>;

/// Run `body` under many schedules.
fn explore(body: fn()) {
    let mut config = shuttle::Config::new();
    config.stack_size = 1 << 20;
    shuttle::Runner::new(RandomScheduler::new(SCHEDULES), config.clone()).run(body);
    shuttle::Runner::new(PctScheduler::new(CHANGES, SCHEDULES), config).run(body);
}

/// Let `callers` ask at the same time while the ledger thread takes turns; then all must be well.
fn together(world: World, callers: Vec<Caller>) -> World {
    let World { disk, clock, options, engine, mut driver } = world;
    let (left, count) = (Arc::new(AtomicUsize::new(0)), callers.len());
    let threads: Vec<_> = callers
        .into_iter()
        .map(|caller| {
            let (engine, left) = (engine.clone(), left.clone());
            thread::spawn(move || {
                caller(&engine);
                // Release: pairs with the Acquire below; what this caller asked was decided.
                left.fetch_add(1, Ordering::Release);
            })
        })
        .collect();
    loop {
        // Acquire: pairs with the Release of each caller.
        let all = left.load(Ordering::Acquire) == count;
        let turn = driver.turn();
        assert_ne!(turn, Turn::Failed, "{:?}", engine.status().failed);
        if all && matches!(turn, Turn::Idle { .. }) {
            break;
        }
        thread::yield_now();
    }
    threads.into_iter().for_each(|caller| caller.join().expect("a caller"));
    let status = engine.status();
    assert_eq!((status.reserves_in_flight, status.settles_in_flight), (0, 0), "credits are back");
    let world = World { disk, clock, options, engine, driver };
    world.check();
    world
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Sleep until the answer is there.
fn wait<T>(mut pending: Pending<T>) -> Decision<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match Pin::new(&mut pending).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer.expect("the engine is healthy"),
            Poll::Pending => thread::park(),
        }
    }
}

fn reserve(engine: &Engine, buyer: &str, key: &str, units: u32) -> Decision<Reservation> {
    let campaign = engine.campaign("drop").expect("it is durable");
    let mut ask = ReserveRequest::new(&campaign, "unit", engine.buyer(buyer), key);
    ask.quantity = Quantity::new(units).expect("a few");
    wait(engine.reserve(&ask))
}

/// Whoever is told finds it, durable (INV-4).
fn told(engine: &Engine, r: &Reservation, state: State) {
    assert!(engine.durable_lsn() >= r.lsn, "told before it was durable");
    assert_eq!(engine.look(r.seq).map(|seen| seen.state), Some(state));
}

fn sale(units: u32, limit: u32) -> World {
    let mut world = World::open(FakeDisk::new(1), ManualClock::new(), small()).expect("opens");
    let mut sale = spec("drop", &[("unit", units)]);
    sale.terms.limit_per_buyer = limit;
    world.put(sale);
    world
}

fn small() -> Options {
    Options { reserves_max: 3, settles_max: 3, joins_max: 2, ..options() }
}

/// INV-2, INV-3: three callers want four of two units, in parts, and give some back.
#[test]
fn a_crowd_sells_what_there_is_and_leaks_nothing() {
    explore(|| {
        let buyer = |name: &'static str, units: u32, keeps: bool| -> Caller {
            Box::new(move |engine| {
                let Decision::Done(held) = reserve(engine, name, "k", units) else { return };
                told(engine, &held, State::Held);
                if keeps {
                    let paid = engine.confirm(held.seq, vec![pay(name, held.price.amount)], None);
                    told(engine, &done(wait(paid)), State::Sold);
                } else {
                    told(engine, &done(wait(engine.release(held.seq, None))), State::Released);
                }
            })
        };
        let callers = vec![buyer("ann", 1, true), buyer("ben", 2, false), buyer("cem", 1, true)];
        let world = together(sale(2, 2), callers);
        let units = world.driver.ledger().skus()[0].units();
        assert_eq!(units.held, 0);
        assert!(units.sold <= 2, "{units:?}");
    });
}

/// INV-5, INV-6: one buyer, limit one, three tabs, two of them with one key.
#[test]
fn one_buyer_in_three_tabs_gets_one() {
    explore(|| {
        let granted = Arc::new(AtomicUsize::new(0));
        let tab = |key: &'static str| -> Caller {
            let granted = granted.clone();
            Box::new(move |engine| {
                match reserve(engine, "ann", key, 1) {
                    Decision::Done(held) => {
                        told(engine, &held, State::Held);
                        // Relaxed: read after every thread was joined.
                        granted.fetch_add(1, Ordering::Relaxed);
                    }
                    Decision::Already(held) => told(engine, &held, State::Held),
                    Decision::Refused(refusal) => {
                        let known = ["limit_reached", "key_in_flight"];
                        assert!(known.contains(&refusal.code()), "{refusal:?}");
                    }
                }
            })
        };
        let callers = vec![tab("one"), tab("one"), tab("two")];
        let world = together(sale(3, 1), callers);
        // Relaxed: every thread was joined.
        assert_eq!(granted.load(Ordering::Relaxed), 1);
        assert_eq!(world.driver.ledger().reservation_count(), 1);
    });
}

/// Whoever sees a release finds the unit free: nobody else wants it.
#[test]
fn a_release_is_not_seen_before_its_unit_is_free() {
    explore(|| {
        let mut world = sale(1, 1);
        let campaign = world.engine.campaign("drop").expect("put");
        let held = world.hold(&campaign, "unit", "ann", 1);
        let leaves: Caller = Box::new(move |engine| {
            done(wait(engine.release(held.seq, None)));
        });
        let follows: Caller = Box::new(move |engine| {
            while engine.look(held.seq).map(|r| r.state) != Some(State::Released) {
                thread::yield_now();
            }
            let mine = done(reserve(engine, "ben", "k", 1));
            told(engine, &mine, State::Held);
        });
        together(world, vec![leaves, follows]);
    });
}

/// INV-14: a unit that comes back goes to whom waits for it, whoever else asks.
#[test]
fn nobody_passes_whom_waits() {
    explore(|| {
        let mut world = World::open(FakeDisk::new(1), ManualClock::new(), small()).expect("opens");
        let mut sale = spec("drop", &[("unit", 1)]);
        sale.waitlist = Some(WaitTerms { offer: DurationMs(HOUR) });
        let campaign = world.put(sale);
        let held = world.hold(&campaign, "unit", "ann", 1);
        let ask = WaitRequest {
            campaign: &campaign,
            sku: "unit",
            quantity: Quantity::ONE,
            buyer: world.engine.buyer("ben"),
        };
        let waits = world.engine.join_waitlist(&ask);
        done(world.done(waits));
        let leaves: Caller = Box::new(move |engine| {
            done(wait(engine.release(held.seq, None)));
        });
        let pushes: Caller = Box::new(move |engine| {
            let refusal = refused(reserve(engine, "cem", "k", 1));
            assert_eq!(refusal.code(), "all_held", "it is held or offered, all the time");
        });
        let world = together(world, vec![leaves, pushes]);
        let of_ben = world.engine.reservations_of(&campaign, world.engine.buyer("ben"));
        assert_eq!(of_ben.len(), 1, "the unit was offered to whom waited");
    });
}

/// INV-13: one pass in two hands is good for one reservation, and what the other took is back.
#[test]
fn a_pass_in_two_hands_is_used_once() {
    explore(|| {
        let mut waiting = common::crowd::waiting_line("drop", 2);
        waiting.terms.limit_per_buyer = 2;
        let (world, campaign) = common::crowd::opened(3, 1, &waiting);
        let Standing::Served { pass } = world.standing(&campaign, 0) else { panic!("called up") };
        let granted = Arc::new(AtomicUsize::new(0));
        let hand = |key: &'static str| -> Caller {
            let (campaign, granted) = (campaign.clone(), granted.clone());
            Box::new(move |engine| {
                let buyer = engine.buyer(&common::crowd::buyer(0));
                let mut ask = ReserveRequest::new(&campaign, "unit", buyer, key);
                ask.pass = PassShown::Valid(pass);
                match wait(engine.reserve(&ask)) {
                    // Relaxed: read after every thread was joined.
                    Decision::Done(_) => drop(granted.fetch_add(1, Ordering::Relaxed)),
                    Decision::Already(other) => panic!("nobody used this key: {other:?}"),
                    Decision::Refused(refusal) => assert_eq!(refusal, Refusal::PassInvalid),
                }
            })
        };
        together(world, vec![hand("one"), hand("two")]);
        // Relaxed: every thread was joined.
        assert_eq!(granted.load(Ordering::Relaxed), 1);
    });
}

/// INV-9: with one place in the queue, a caller is decided or told to come back, and the place is not
/// lost to one who walks away.
#[test]
fn a_full_queue_refuses_and_loses_no_place() {
    explore(|| {
        let options = Options { reserves_max: 1, ..small() };
        let mut world = World::open(FakeDisk::new(1), ManualClock::new(), options).expect("opens");
        world.put(spec("drop", &[("unit", 3)]));
        let stays = |name: &'static str| -> Caller {
            Box::new(move |engine| match reserve(engine, name, "k", 1) {
                Decision::Done(held) => told(engine, &held, State::Held),
                Decision::Already(held) => panic!("nobody asked before: {held:?}"),
                Decision::Refused(refusal) => assert_eq!(refusal.code(), "overloaded"),
            })
        };
        let goes: Caller = Box::new(|engine| {
            let campaign = engine.campaign("drop").expect("put");
            let buyer = engine.buyer("cem");
            drop(engine.reserve(&ReserveRequest::new(&campaign, "unit", buyer, "k")));
        });
        together(world, vec![stays("ann"), stays("ben"), goes]);
    });
}
