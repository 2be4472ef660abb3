//! The order of steps at the seam: what is visible before, during and after the sync; what a veto
//! gives back; what the ledger takes for itself.

mod common;

use common::watched::Watched;
use common::*;
use onrush::journal::FakeDisk;
use onrush::*;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// What a caller sees of the only unit and of the first reservations.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    free: u32,
    states: [Option<State>; 2],
    durable: Lsn,
}

fn seen(engine: &Engine, sku: SkuIx) -> Seen {
    let state = |n| engine.look(ReservationSeq(n)).map(|r| r.state);
    let free = engine.units(sku).expect("it exists").free;
    Seen { free, states: [state(0), state(1)], durable: engine.durable_lsn() }
}

/// INV-2, INV-4: in the middle of every sync, callers see exactly what they saw before the batch.
#[test]
fn nothing_is_visible_before_it_is_durable() {
    let clock = ManualClock::new();
    let disk = Watched::new(FakeDisk::new(1));
    let base = parts(&FakeDisk::new(0), &clock);
    let parts = Parts { storage: Arc::new(disk.clone()), ..base };
    let (engine, driver) = Engine::open_driven(parts, options()).expect("opens");
    let (driver, engine) = (Mutex::new(driver), engine);
    let settle = || driver.lock().expect("one thread").settle();
    let mut put = engine.put_campaign(spec("drop", &[("unit", 1)]));
    settle();
    let campaign = granted(put.try_take().expect("settled").expect("healthy"));
    let sku = campaign.sku("unit").expect("it has it").ix;
    let looks: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let (their_looks, theirs) = (looks.clone(), engine.clone());
    let look = move || their_looks.lock().expect("one thread").push(seen(&theirs, sku));
    disk.at_sync(Some(Box::new(look)));
    let reserve = |buyer: &str| {
        engine.reserve(&ReserveRequest::new(&campaign, "unit", engine.buyer(buyer), "k"))
    };
    type Step<'a> = (&'a str, Box<dyn Fn() + 'a>, u32, Option<State>);
    let first = ReservationSeq(0);
    let steps: [Step<'_>; 5] = [
        ("hold", Box::new(|| drop(reserve("ann"))), 0, Some(State::Held)),
        ("release", Box::new(|| drop(engine.release(first, None))), 1, Some(State::Released)),
        ("supply", Box::new(|| drop(engine.supply(sku, 4, by()))), 5, Some(State::Released)),
        ("withdraw", Box::new(|| drop(engine.supply(sku, -4, by()))), 1, Some(State::Released)),
        ("hold", Box::new(|| drop(reserve("ben"))), 0, Some(State::Released)),
    ];
    for (what, act, free_after, state_after) in steps {
        let before = seen(&engine, sku);
        act();
        looks.lock().expect("one thread").clear();
        settle();
        let during = looks.lock().expect("one thread").clone();
        assert!(!during.is_empty(), "{what}: it was synced");
        // Units are taken before; they come back after.
        let taken = before.free.min(free_after);
        for look in &during {
            assert!(look.free <= taken, "{what}: {look:?} in the middle of the sync");
            assert_eq!((look.states, look.durable), (before.states, before.durable), "{what}");
        }
        let after = seen(&engine, sku);
        assert_eq!((after.free, after.states[0]), (free_after, state_after), "{what}");
        assert!(after.durable > before.durable);
    }
    // An expiry gives back like a release.
    let before = seen(&engine, sku);
    clock.advance(HOUR + 1);
    looks.lock().expect("one thread").clear();
    settle();
    let during = looks.lock().expect("one thread").clone();
    assert_eq!(during.first(), Some(&before), "expired and not durable: still held");
    assert_eq!(seen(&engine, sku).free, 1);
    disk.at_sync(None);
}

#[test]
fn a_queued_release_frees_nothing_yet() {
    let mut world = World::new(1);
    let campaign = world.put(spec("drop", &[("unit", 1)]));
    let held = world.hold(&campaign, "unit", "ann", 1);
    let _released = world.engine.release(held.seq, None);
    let mut early = world.ask(&campaign, "unit", "ben", "k", 1);
    assert_eq!(refused(early.try_take().expect("at once").expect("healthy")).code(), "all_held");
    assert_eq!(world.engine.look(held.seq), Some(held.clone()));
    world.driver.turn();
    assert_eq!(world.engine.look(held.seq).expect("posted").state, State::Released);
    done(world.reserve(&campaign, "unit", "ben", "k", 1));
    world.check();
}

/// A closed caller changes nothing: what was queued is decided, counted and remembered.
#[test]
fn a_request_whose_caller_is_gone_still_lands() {
    let mut world = World::new(1);
    let mut sale = spec("drop", &[("unit", 5)]);
    sale.terms.limit_per_buyer = 1;
    let campaign = world.put(sale);
    drop(world.ask(&campaign, "unit", "ann", "k", 1));
    assert_eq!(world.engine.status().reserves_in_flight, 1);
    assert_eq!(refused(world.reserve(&campaign, "unit", "ann", "k", 1)), Refusal::KeyInFlight);
    assert_eq!(world.engine.status().reserves_in_flight, 0, "the credit came back");
    let held = already(world.reserve(&campaign, "unit", "ann", "k", 1));
    assert_eq!(held.state, State::Held);
    let second = world.reserve(&campaign, "unit", "ann", "other", 1);
    assert_eq!(refused(second), Refusal::LimitReached { limit: 1 });
    world.check();
}

/// Queue a reserve, change the world before it is decided, and expect the veto to undo all of it.
fn vetoed(spoil: impl FnOnce(&mut World, &Campaign), expected: &str) {
    let mut world = World::new(1);
    let mut sale = spec("drop", &[("unit", 5)]);
    sale.terms.schedule.closes_at = Some(Timestamp(T0 + 2 * HOUR));
    let campaign = world.put(sale);
    let sku = world.sku(&campaign, "unit");
    let mut pending = world.ask(&campaign, "unit", "ann", "k", 3);
    assert_eq!(world.view(sku), SlotView { free: 2, held: 3 });
    spoil(&mut world, &campaign);
    world.driver.settle();
    let refusal = refused(pending.try_take().expect("settled").expect("healthy"));
    assert_eq!(refusal.code(), expected);
    assert_eq!(world.view(sku), SlotView { free: 5, held: 0 }, "the units are back");
    assert_eq!(campaign.buyers(), 0, "the claim is back");
    assert_eq!(world.engine.status().vetoes, 1);
    assert_eq!(world.engine.status().reserves_in_flight, 0);
    world.check();
}

#[test]
fn a_veto_gives_back_units_and_claims_exactly() {
    let gone = |world: &mut World, _: &Campaign| world.clock.advance(2 * HOUR);
    vetoed(gone, "ended");
    let closed = |world: &mut World, campaign: &Campaign| {
        drop(world.engine.move_phase(campaign, Phase::Closed, by()));
    };
    vetoed(closed, "ended");
    let paused = |world: &mut World, campaign: &Campaign| {
        drop(world.engine.move_phase(campaign, Phase::Paused, by()));
    };
    vetoed(paused, "paused");
    let limited = |world: &mut World, _: &Campaign| {
        let mut less = spec("drop", &[("unit", 5)]);
        less.terms.limit_per_buyer = 2;
        drop(world.engine.put_campaign(less));
    };
    vetoed(limited, "limit_reached");
}

/// A sale of one unit a buyer in which ann's hold has expired.
fn with_an_expired_hold(supply: u32, units: u32) -> (World, Arc<Campaign>, Reservation) {
    let mut world = World::new(1);
    let mut sale = spec("drop", &[("unit", supply)]);
    sale.terms.hold = DurationMs(60 * SECOND);
    sale.terms.limit_per_buyer = units.max(3);
    let campaign = world.put(sale);
    let held = world.hold(&campaign, "unit", "ann", units);
    world.clock.advance(61 * SECOND);
    world.driver.settle();
    (world, campaign, held)
}

fn pay_late(world: &World, held: &Reservation) -> Pending<Reservation> {
    world.engine.confirm(held.seq, vec![pay("late", held.price.amount)], None)
}

#[test]
fn late_money_takes_a_free_unit_like_a_caller() {
    let (mut world, campaign, held) = with_an_expired_hold(2, 2);
    let paid = pay_late(&world, &held);
    assert_eq!(done(world.done(paid)).state, State::Sold);
    assert_eq!(world.view(world.sku(&campaign, "unit")), SlotView { free: 0, held: 0 });
    assert!(world.driver.ledger().refunds().is_empty());
    world.check();
}

/// A caller that took the unit first keeps it, though its record comes later in the batch.
#[test]
fn late_money_never_takes_what_a_caller_took_before() {
    let (mut world, campaign, held) = with_an_expired_hold(1, 1);
    let mut taken = world.ask(&campaign, "unit", "ben", "k", 1);
    let paid = pay_late(&world, &held);
    assert_eq!(done(world.done(paid)).state, State::Expired);
    let taken = done(taken.try_take().expect("settled").expect("healthy"));
    assert_eq!(taken.state, State::Held);
    let refunds = world.driver.ledger().refunds();
    assert_eq!(refunds.iter().map(|due| due.amount).collect::<Vec<_>>(), [100], "one refund due");
    world.check();
    // The same payment again changes nothing.
    let again = pay_late(&world, &held);
    assert_eq!(already(world.done(again)).state, State::Expired);
    assert_eq!(world.driver.ledger().refunds().len(), 1);
}

/// Units freed earlier in the batch serve late money without ever being free for callers.
#[test]
fn late_money_takes_units_freed_in_the_same_batch() {
    for (released_units, late_units) in [(1, 1), (3, 1), (3, 3), (2, 2)] {
        let (mut world, campaign, held) = with_an_expired_hold(3, late_units);
        let sku = world.sku(&campaign, "unit");
        let others = world.hold(&campaign, "unit", "ben", released_units);
        let rest = 3 - released_units;
        if rest > 0 {
            world.hold(&campaign, "unit", "cem", rest);
        }
        assert_eq!(world.view(sku).free, 0);
        let _released = world.engine.release(others.seq, None);
        let paid = pay_late(&world, &held);
        assert_eq!(world.driver.turn(), Turn::Busy);
        assert_eq!(world.view(sku).free, released_units - late_units);
        assert_eq!(done(world.done(paid)).state, State::Sold);
        world.check();
    }
}

/// Two releases, two late payments, a withdrawal and a queued reserve share one batch: what was freed
/// is used once, and what the reserve has taken is not touched.
#[test]
fn units_freed_in_a_batch_are_used_once() {
    let (mut world, campaign, held) = with_an_expired_hold(5, 1);
    let sku = world.sku(&campaign, "unit");
    let second = world.hold(&campaign, "unit", "eve", 1);
    world.clock.advance(61 * SECOND);
    world.driver.settle();
    let [ben, cem] = ["ben", "cem"].map(|buyer| world.hold(&campaign, "unit", buyer, 2));
    let mut queued = world.ask(&campaign, "unit", "dan", "k", 1);
    assert_eq!(world.view(sku), SlotView { free: 0, held: 5 });
    let _one = world.engine.release(ben.seq, None);
    let mut first = pay_late(&world, &held);
    let mut withdrawn = world.engine.supply(sku, -1, by());
    let mut nothing_left = world.engine.confirm(second.seq, vec![pay("late 2", 100)], None);
    let _two = world.engine.release(cem.seq, None);
    let mut too_much = world.engine.supply(sku, -3, by());
    assert_eq!(world.driver.turn(), Turn::Busy);
    let answer = |pending: &mut Pending<Reservation>| {
        granted(pending.try_take().expect("decided").expect("healthy")).state
    };
    assert_eq!(answer(&mut first), State::Sold);
    done(withdrawn.try_take().expect("decided").expect("healthy"));
    assert_eq!(answer(&mut nothing_left), State::Expired, "both were used: a refund is due");
    let refusal = refused(too_much.try_take().expect("decided").expect("healthy"));
    assert_eq!(refusal.code(), "invalid_request");
    assert_eq!(answer(&mut queued), State::Held, "what was taken above the queue is kept");
    assert_eq!(world.view(sku), SlotView { free: 2, held: 1 });
    world.check();
}

/// Late money and a new request of the same buyer race for the limit: the money was first.
#[test]
fn late_money_counts_towards_the_limit_of_what_is_queued() {
    let (mut world, campaign, held) = with_an_expired_hold(9, 2);
    let sku = world.sku(&campaign, "unit");
    let mut second = world.ask(&campaign, "unit", "ann", "second", 2);
    let paid = pay_late(&world, &held);
    assert_eq!(done(world.done(paid)).state, State::Sold);
    let second = refused(second.try_take().expect("settled").expect("healthy"));
    assert_eq!(second, Refusal::LimitReached { limit: 3 });
    assert_eq!(world.view(sku), SlotView { free: 7, held: 0 });
    world.check();
}

/// After the close late money is a refund due, whatever is free (INV-7, INV-8).
#[test]
fn late_money_after_the_close_becomes_one_refund() {
    let (mut world, campaign, held) = with_an_expired_hold(5, 1);
    let closed = world.engine.move_phase(&campaign, Phase::Closed, by());
    let paid = pay_late(&world, &held);
    done(world.done(closed));
    assert_eq!(done(world.done(paid)).state, State::Expired);
    assert_eq!(world.driver.ledger().refunds().len(), 1);
    assert_eq!(world.view(world.sku(&campaign, "unit")), SlotView { free: 5, held: 0 });
    world.check();
}

/// A withdrawal never takes what a caller has taken.
#[test]
fn a_withdrawal_takes_like_a_caller() {
    let mut world = World::new(1);
    let campaign = world.put(spec("drop", &[("unit", 3)]));
    let sku = world.sku(&campaign, "unit");
    let mut pending = world.ask(&campaign, "unit", "ann", "k", 2);
    let too_many = world.engine.supply(sku, -2, by());
    assert_eq!(refused(world.done(too_many)).code(), "invalid_request");
    done(pending.try_take().expect("settled").expect("healthy"));
    let last = world.engine.supply(sku, -1, by());
    done(world.done(last));
    assert_eq!(world.view(sku), SlotView { free: 0, held: 2 });
    world.check();
}

/// A full lane is an ordinary answer, and reserves never crowd out what settles (INV-9).
#[test]
fn full_lanes_refuse_and_recover() {
    let mut world = World::with(1, Options { reserves_max: 3, settles_max: 2, ..options() });
    let campaign = world.put(spec("drop", &[("unit", 9)]));
    let held = world.hold(&campaign, "unit", "ann", 1);
    let asks: Vec<_> = ["b", "c", "d", "e"]
        .map(|buyer| world.ask(&campaign, "unit", buyer, "k", 1))
        .into_iter()
        .map(|mut pending| pending.try_take())
        .collect();
    assert_eq!(asks.iter().filter(|answer| answer.is_none()).count(), 3);
    let overloaded = asks.into_iter().flatten().next().expect("one was refused");
    assert_eq!(refused(overloaded.expect("healthy")).code(), "overloaded");
    assert_eq!(world.view(world.sku(&campaign, "unit")).held, 4, "nothing was taken for it");
    let mut releases = [0, 1, 2].map(|_| world.engine.release(held.seq, None));
    let third = releases[2].try_take().expect("at once").expect("healthy");
    assert_eq!(refused(third).code(), "overloaded");
    world.driver.settle();
    done(releases[0].try_take().expect("settled").expect("healthy"));
    already(releases[1].try_take().expect("settled").expect("healthy"));
    done(world.reserve(&campaign, "unit", "f", "k", 1));
    world.check();
}

struct Counting(AtomicU32);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A future is woken once its answer is durable; the latest waker counts.
#[test]
fn a_future_is_woken_when_it_is_durable() {
    let mut world = World::new(1);
    let campaign = world.put(spec("drop", &[("unit", 1)]));
    let mut pending = world.ask(&campaign, "unit", "ann", "k", 1);
    let [first, second] = [0, 1].map(|_| Arc::new(Counting(AtomicU32::new(0))));
    for counting in [&first, &second] {
        let waker = Waker::from(counting.clone());
        let mut cx = Context::from_waker(&waker);
        assert!(Pin::new(&mut pending).poll(&mut cx).is_pending());
    }
    world.driver.turn();
    let woken = [&first, &second].map(|counting| counting.0.load(Ordering::Relaxed));
    assert_eq!(woken, [0, 1]);
    let answer = Pin::new(&mut pending).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answer, Poll::Ready(Ok(Decision::Done(_)))));
}
