//! Time (INV-7): steps of the wall clock near a switch and in a sale, restarts around the opening,
//! and what the ledger decides when callers and clock disagree.

mod common;

use common::*;
use onrush::journal::FakeDisk;
use onrush::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const OPENS: u64 = T0 + 60 * SECOND;
const CLOSES: u64 = OPENS + 600 * SECOND;

/// A world a minute before its sale opens.
fn before_the_sale() -> (World, Arc<Campaign>) {
    let mut world = World::new(1);
    let mut sale = spec("drop", &[("unit", 50)]);
    sale.terms.schedule = Schedule {
        opens_at: Some(Timestamp(OPENS)),
        closes_at: Some(Timestamp(CLOSES)),
        ..Schedule::default()
    };
    let campaign = world.put(sale);
    (world, campaign)
}

/// Let time pass as a running engine sees it: a turn at least every 50 ms near what matters.
fn pass(world: &mut World, ms: u64) {
    for step in (0..ms).step_by(50) {
        world.clock.advance(50.min(ms - step));
        world.driver.turn();
    }
    world.driver.settle();
}

fn code(world: &mut World, campaign: &Campaign, buyer: &str) -> &'static str {
    match world.reserve(campaign, "unit", buyer, "k", 1) {
        Decision::Done(held) => {
            let stamp = world.driver.ledger().stamp().0;
            assert!((OPENS..CLOSES).contains(&stamp), "a hold at {stamp}");
            assert_eq!(held.expires_at.0, stamp + HOUR);
            "done"
        }
        other => refused(other).code(),
    }
}

#[test]
fn the_sale_opens_and_closes_to_the_millisecond() {
    let (mut world, campaign) = before_the_sale();
    world.clock.advance(60 * SECOND - 1);
    assert_eq!(code(&mut world, &campaign, "a"), "not_open");
    world.clock.advance(1);
    assert_eq!(code(&mut world, &campaign, "a"), "done");
    world.clock.advance(CLOSES - OPENS - 1);
    assert_eq!(code(&mut world, &campaign, "b"), "done");
    world.clock.advance(1);
    assert_eq!(code(&mut world, &campaign, "c"), "ended");
    assert_eq!(world.engine.status().clock_steps, 0);
}

#[test]
fn steps_of_an_hour_near_a_switch_and_in_the_sale_change_nothing() {
    for step in [HOUR as i64, -(HOUR as i64)] {
        for before_ms in [9_000, 1_000, 1] {
            let (mut world, campaign) = before_the_sale();
            pass(&mut world, 60 * SECOND - before_ms);
            world.clock.step_wall(step);
            assert_eq!(code(&mut world, &campaign, "a"), "not_open", "step {step}");
            pass(&mut world, before_ms);
            assert_eq!(code(&mut world, &campaign, "a"), "done", "step {step}");
            pass(&mut world, 10 * SECOND);
            // Back again, in the middle of the sale.
            world.clock.step_wall(-step);
            assert_eq!(code(&mut world, &campaign, "b"), "done");
            world.clock.step_wall(2 * step);
            assert_eq!(code(&mut world, &campaign, "c"), "done");
            let left = CLOSES - OPENS - 10 * SECOND;
            world.clock.advance(left - 1);
            assert_eq!(code(&mut world, &campaign, "d"), "done");
            world.clock.advance(1);
            assert_eq!(code(&mut world, &campaign, "e"), "ended");
            assert!(world.engine.status().clock_steps >= 2, "each is told");
        }
    }
}

/// Far from a switch the wall clock is believed, in both directions, but time never runs back.
#[test]
fn steps_far_from_a_switch_are_followed() {
    let (mut world, campaign) = before_the_sale();
    world.clock.step_wall(-(HOUR as i64));
    pass(&mut world, 70 * SECOND);
    assert_eq!(code(&mut world, &campaign, "a"), "not_open", "the opening is an hour later now");
    let stamp = world.engine.now();
    world.clock.step_wall(HOUR as i64);
    world.driver.settle();
    assert!(world.engine.now() >= stamp);
    assert_eq!(code(&mut world, &campaign, "a"), "done", "corrected: it is past the opening");
}

/// What was reached stays reached, whatever the clock says after a restart.
#[test]
fn a_restart_around_the_opening_keeps_what_was_reached() {
    for offset in [-1_i64, 0, 1] {
        let (mut world, campaign) = before_the_sale();
        world.clock.advance((60 * SECOND).saturating_add_signed(offset));
        let expected = if offset < 0 { "not_open" } else { "done" };
        assert_eq!(code(&mut world, &campaign, "a"), expected, "{offset} ms");
        let mut world = world.restart();
        let campaign = world.engine.campaign("drop").expect("it is kept");
        assert_eq!(code(&mut world, &campaign, "b"), expected, "{offset} ms, after the restart");
        // An hour back while it was down: the sale goes on from the journal's last stamp.
        world.clock.step_wall(-(HOUR as i64));
        let mut world = world.restart();
        let campaign = world.engine.campaign("drop").expect("it is kept");
        assert_eq!(code(&mut world, &campaign, "c"), expected, "{offset} ms, an hour back");
        world.check();
    }
}

#[test]
fn a_restart_after_the_close_does_not_open_again() {
    let (mut world, campaign) = before_the_sale();
    world.clock.advance(CLOSES - T0);
    assert_eq!(code(&mut world, &campaign, "a"), "ended");
    world.driver.settle();
    for _ in 0..2 {
        world.clock.step_wall(-2 * HOUR as i64);
        world = world.restart();
        let campaign = world.engine.campaign("drop").expect("it is kept");
        assert_eq!(code(&mut world, &campaign, "a"), "ended");
    }
}

/// The ledger decides by its own time: what a caller queued before the close is vetoed after it.
#[test]
fn a_planned_close_vetoes_what_is_queued() {
    let (mut world, campaign) = before_the_sale();
    world.clock.advance(CLOSES - T0 - 1);
    let mut asks: Vec<_> =
        (0..5).map(|n| world.ask(&campaign, "unit", &format!("b{n}"), "k", 2)).collect();
    world.clock.advance(1);
    world.driver.settle();
    for ask in &mut asks {
        let answer = ask.try_take().expect("decided").expect("healthy");
        assert_eq!(refused(answer), Refusal::Ended);
    }
    assert_eq!(world.view(world.sku(&campaign, "unit")), SlotView { free: 50, held: 0 });
    assert_eq!(world.driver.ledger().campaigns()[0].reached, Phase::Closed);
    world.check();
}

/// The first buyers wait for one sync, their own: the opening is recorded with them.
#[test]
fn the_opening_shares_the_first_reserves_sync() {
    for (waits_ms, syncs) in [(0, 1), (4, 1), (5, 2)] {
        let (mut world, campaign) = before_the_sale();
        world.clock.advance(60 * SECOND + waits_ms);
        let before = world.engine.status().syncs;
        world.driver.settle();
        assert_eq!(code(&mut world, &campaign, "a"), "done");
        assert_eq!(world.engine.status().syncs - before, syncs, "after {waits_ms} ms");
        assert_eq!(world.driver.ledger().campaigns()[0].reached, Phase::Open);
    }
}

/// Clocks of a turn that begins so long before the time at which callers see them.
#[derive(Debug)]
struct Late {
    clock: Arc<ManualClock>,
    /// Milliseconds that monotonic readings are behind, until both clocks were compared.
    behind_ms: AtomicU64,
    compared: AtomicBool,
}

impl Clock for Late {
    fn wall(&self) -> Timestamp {
        self.compared.store(true, Ordering::Relaxed);
        self.clock.wall()
    }

    fn monotonic_ns(&self) -> u64 {
        let behind_ms = self.behind_ms.load(Ordering::Relaxed);
        if self.compared.swap(false, Ordering::Relaxed) {
            self.behind_ms.store(0, Ordering::Relaxed);
        }
        self.clock.monotonic_ns() - behind_ms * 1_000_000
    }
}

/// The ledger's turn began before the opening, a caller that saw the sale open comes into it: what
/// callers were let through by time is not refused by an earlier one.
#[test]
fn a_turn_that_began_before_the_opening_serves_who_came_after_it() {
    let clock = ManualClock::new();
    let late = Arc::new(Late {
        clock: clock.clone(),
        behind_ms: AtomicU64::new(0),
        compared: AtomicBool::new(false),
    });
    let parts = Parts { clock: late.clone(), ..parts(&FakeDisk::new(1), &clock) };
    let (engine, mut driver) = Engine::open_driven(parts, options()).expect("opens");
    let mut sale = spec("drop", &[("unit", 50)]);
    sale.terms.schedule.opens_at = Some(Timestamp(OPENS));
    drop(engine.put_campaign(sale));
    driver.settle();
    let campaign = engine.campaign("drop").expect("put");
    clock.advance(60 * SECOND - 5);
    driver.settle();
    clock.advance(6);
    let mut ask = engine.reserve(&ReserveRequest::new(&campaign, "unit", engine.buyer("a"), "k"));
    late.behind_ms.store(4, Ordering::Relaxed);
    driver.turn();
    let held = done(ask.try_take().expect("decided").expect("healthy"));
    assert_eq!(held.expires_at.0, OPENS + 1 + HOUR, "decided a millisecond after the opening");
    assert_eq!(driver.ledger().campaigns()[0].reached, Phase::Open);
    assert_eq!(engine.status().vetoes, 0);
}

/// A hold lives to its deadline and no longer; one that is paid after the close is sold.
#[test]
fn holds_end_on_time_and_may_be_paid_after_the_close() {
    let (mut world, campaign) = before_the_sale();
    world.clock.advance(CLOSES - T0 - 1);
    let [paid, unpaid] = ["a", "b"].map(|buyer| world.hold(&campaign, "unit", buyer, 1));
    world.clock.advance(1);
    world.driver.settle();
    let confirmed = world.engine.confirm(paid.seq, vec![pay("p", 100)], None);
    assert_eq!(done(world.done(confirmed)).state, State::Sold);
    world.clock.advance(unpaid.expires_at.0 - world.engine.now().0 - 1);
    world.driver.settle();
    assert_eq!(world.engine.look(unpaid.seq).expect("held").state, State::Held);
    world.clock.advance(1);
    world.driver.settle();
    assert_eq!(world.engine.look(unpaid.seq).expect("held").state, State::Expired);
    world.check();
}

/// Equal deadlines expire in the order of the holds, mixed durations by their deadlines, each once.
#[test]
fn deadlines_are_kept_when_hold_durations_mix() {
    let mut world = World::new(1);
    let mut sale = spec("drop", &[("unit", 30)]);
    let mut deadlines = Vec::new();
    for (n, minutes) in [5, 1, 3, 5, 1].into_iter().enumerate() {
        sale.terms.hold = DurationMs(minutes * 60 * SECOND);
        let campaign = world.put(sale.clone());
        for buyer in 0..2 {
            let held = world.hold(&campaign, "unit", &format!("{n}-{buyer}"), 1);
            assert_eq!(held.expires_at, world.engine.now() + sale.terms.hold);
            deadlines.push((held.seq, held.expires_at));
        }
        world.clock.advance(7 * SECOND);
        world.driver.settle();
    }
    for _ in 0..400 {
        world.clock.advance(SECOND);
        world.driver.settle();
        let now = world.engine.now();
        for (seq, expires_at) in &deadlines {
            let state = world.engine.look(*seq).expect("it was held").state;
            let expected = if now >= *expires_at { State::Expired } else { State::Held };
            assert_eq!(state, expected, "{seq:?} until {expires_at:?}, now {now:?}");
        }
        world.check();
    }
}

/// The engine asks to be woken for the next thing that is due, and not too late.
#[test]
fn an_idle_turn_sleeps_no_longer_than_to_what_is_due() {
    let (mut world, campaign) = before_the_sale();
    let sleep_ms = |world: &mut World| match world.driver.settle() {
        Turn::Idle { sleep_ms } => sleep_ms,
        other => panic!("{other:?}"),
    };
    world.clock.advance(60 * SECOND - 13);
    assert!((1..=13).contains(&sleep_ms(&mut world)), "the opening is 13 ms away");
    world.clock.advance(13);
    // An opening waits a moment for the first reserve, to share its sync.
    assert_eq!(sleep_ms(&mut world), 1);
    world.clock.advance(5);
    world.driver.settle();
    assert_eq!(world.driver.ledger().campaigns()[0].reached, Phase::Open, "nobody called");
    let held = world.hold(&campaign, "unit", "a", 1);
    world.clock.advance(held.expires_at.0 - world.engine.now().0 - 7);
    world.driver.settle();
    assert!((1..=7).contains(&sleep_ms(&mut world)), "the deadline is 7 ms away");
}

/// Planned waves add their units when their time comes, once, also over a restart.
#[test]
fn waves_come_on_time_and_once() {
    let mut world = World::new(1);
    let mut sale = spec("drop", &[("unit", 1)]);
    let wave = |after: u64, units| Wave { at: Timestamp(T0 + after), sku: name("unit"), units };
    sale.terms.waves = vec![wave(10 * SECOND, 4), wave(20 * SECOND, 7)];
    let campaign = world.put(sale);
    let sku = world.sku(&campaign, "unit");
    for (after, free) in [(9_999, 1), (1, 5), (9_999, 5), (1, 12), (HOUR, 12)] {
        world.clock.advance(after);
        world.driver.settle();
        assert_eq!(world.view(sku).free, free);
        world = world.restart();
        assert_eq!(world.view(sku).free, free);
        world.check();
    }
}
