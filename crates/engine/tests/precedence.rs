//! Which refusal comes first: every combination of causes that can apply at once, and repeats, which
//! come before all of them.

mod common;

use common::*;
use onrush::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    New,
    Repeat,
    Reused,
    InFlight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Open,
    NotOpen,
    Paused,
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stock {
    Free,
    SoldOut,
    AllHeld,
}

/// What speaks against a request for two units.
#[derive(Clone, Copy, Debug)]
struct Causes {
    bad_shape: bool,
    unknown_sku: bool,
    key: Key,
    when: When,
    verdict: Verdict,
    limit: bool,
    stock: Stock,
    no_credit: bool,
}

impl Causes {
    /// Name the answer that the contract gives.
    fn answer(&self) -> &'static str {
        if self.bad_shape {
            return "invalid_request";
        }
        if self.unknown_sku {
            return "not_found";
        }
        match self.key {
            Key::Repeat => return "already",
            Key::Reused => return "key_reused",
            Key::InFlight => return "key_in_flight",
            Key::New => {}
        }
        match self.when {
            When::NotOpen => return "not_open",
            When::Paused => return "paused",
            When::Ended => return "ended",
            When::Open => {}
        }
        match self.verdict {
            Verdict::NotEligible => return "not_eligible",
            Verdict::Refuse => return "refused_risk",
            // What only shortens or looks at a hold refuses nothing.
            _ => {}
        }
        match (self.limit, self.stock, self.no_credit) {
            (true, _, _) => "limit_reached",
            (_, Stock::SoldOut, _) => "sold_out",
            (_, Stock::AllHeld, _) => "all_held",
            (_, _, true) => "overloaded",
            _ => "done",
        }
    }

    /// Tell whether the causes can meet: nobody has a reservation before the sale opens, a pause
    /// decides what is in flight, and what is in flight is held.
    fn possible(&self) -> bool {
        let used = self.key != Key::New;
        let before = self.when == When::NotOpen && (used || self.stock == Stock::AllHeld);
        let flying = self.key == Key::InFlight
            && (self.when == When::Paused || self.stock == Stock::SoldOut);
        !before && !flying
    }
}

/// A screen that answers as it is told.
struct Told(Arc<AtomicU8>);

impl Screen for Told {
    fn screen(&self, _: &ReserveRequest<'_>, _: Timestamp) -> Verdict {
        VERDICTS[usize::from(self.0.load(Ordering::Relaxed))]
    }
}

const VERDICTS: [Verdict; 3] = [Verdict::Admit, Verdict::NotEligible, Verdict::Refuse];
const UNITS: u32 = 2;

/// Make every cause true, ask, and return the code of the answer.
fn ask_under(causes: Causes) -> &'static str {
    let verdict = Arc::new(AtomicU8::new(0));
    let flying = causes.key == Key::InFlight;
    let reserves_max = if flying && !causes.no_credit { 2 } else { 1 };
    let screen: Option<Arc<dyn Screen>> = Some(Arc::new(Told(verdict.clone())));
    let mut world = World::with(1, Options { reserves_max, screen, ..options() });
    let elsewhere = world.put(spec("elsewhere", &[("unit", 5)]));
    let mine = if causes.key == Key::New { 0 } else { UNITS };
    let others = if causes.stock == Stock::AllHeld { UNITS } else { 0 };
    let rest = if causes.stock == Stock::Free { UNITS } else { 0 };
    let mut drop = spec("drop", &[("unit", mine + others + rest)]);
    let opens_at = if causes.when == When::NotOpen { T0 + 100 * SECOND } else { T0 };
    drop.terms.schedule.opens_at = Some(Timestamp(opens_at));
    drop.terms.schedule.closes_at = Some(Timestamp(T0 + 200 * SECOND));
    drop.terms.limit_per_buyer = match (causes.limit, causes.key) {
        (false, _) => 10,
        (true, Key::New) => UNITS - 1,
        (true, _) => UNITS,
    };
    let campaign = world.put(drop.clone());
    if others > 0 {
        let limit_was = drop.terms.limit_per_buyer;
        drop.terms.limit_per_buyer = 10;
        world.put(drop.clone());
        world.hold(&campaign, "unit", "somebody", others);
        drop.terms.limit_per_buyer = limit_was;
        world.put(drop);
    }
    let buyer = world.engine.buyer("ann");
    let mut ask = ReserveRequest::new(&campaign, "unit", buyer, "k");
    ask.quantity = Quantity::new(UNITS).expect("two");
    let mut earlier = ask;
    earlier.details = (causes.key == Key::Reused).then_some(b"another request");
    if mine > 0 && !flying {
        let pending = world.engine.reserve(&earlier);
        let held = done(world.done(pending));
        if causes.stock == Stock::SoldOut {
            let paid = world.engine.confirm(held.seq, vec![pay("p", 200)], None);
            assert_eq!(done(world.done(paid)).state, State::Sold);
        }
    }
    if causes.when == When::Paused {
        let paused = world.engine.move_phase(&campaign, Phase::Paused, by());
        done(world.done(paused));
    }
    let mut in_flight = flying.then(|| world.engine.reserve(&earlier));
    if causes.when == When::Ended {
        world.clock.advance(200 * SECOND);
    }
    if causes.no_credit && !flying {
        in_flight = Some(world.ask(&elsewhere, "unit", "somebody", "f", 1));
    }
    verdict.store(
        VERDICTS.iter().position(|v| *v == causes.verdict).expect("one of them") as u8,
        Ordering::Relaxed,
    );
    ask.key = if causes.bad_shape { "" } else { "k" };
    ask.sku = if causes.unknown_sku { "nothing" } else { "unit" };
    let code = answer_of(&mut world, &campaign, &ask);
    drop_and_check(world, in_flight);
    code
}

/// Ask; a refusal or a repeat must be there at once and must not have touched anything.
fn answer_of(world: &mut World, campaign: &Campaign, ask: &ReserveRequest<'_>) -> &'static str {
    let sku = world.sku(campaign, "unit");
    let before = (world.view(sku), world.engine.status().reserves_in_flight, campaign.buyers());
    let mut pending = world.engine.reserve(ask);
    match pending.try_take() {
        None => {
            done(world.done(pending));
            "done"
        }
        Some(answer) => {
            let status = world.engine.status();
            let after = (world.view(sku), status.reserves_in_flight, campaign.buyers());
            assert_eq!(after, before, "an early answer touches nothing");
            match answer.expect("healthy") {
                Decision::Already(_) => "already",
                other => refused(other).code(),
            }
        }
    }
}

fn drop_and_check(mut world: World, in_flight: Option<Pending<Reservation>>) {
    drop(in_flight);
    world.driver.settle();
    world.check();
    assert_eq!(world.engine.status().reserves_in_flight, 0, "every credit came back");
}

#[test]
fn of_all_causes_the_earliest_in_the_contract_answers() {
    let mut met = 0;
    let two = [false, true];
    for (bad_shape, unknown_sku) in [(false, false), (true, false), (false, true), (true, true)] {
        for key in [Key::New, Key::Repeat, Key::Reused, Key::InFlight] {
            for when in [When::Open, When::NotOpen, When::Paused, When::Ended] {
                for stock in [Stock::Free, Stock::SoldOut, Stock::AllHeld] {
                    for verdict in VERDICTS {
                        for (limit, no_credit) in two.map(|l| two.map(|c| (l, c))).concat() {
                            let causes = Causes {
                                bad_shape,
                                unknown_sku,
                                key,
                                when,
                                verdict,
                                limit,
                                stock,
                                no_credit,
                            };
                            if causes.possible() {
                                assert_eq!(ask_under(causes), causes.answer(), "{causes:?}");
                                met += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(met > 1_000, "{met} combinations met");
}

#[test]
fn a_draft_answers_like_nothing_at_all() {
    let mut world = World::new(1);
    let mut draft = spec("drop", &[("unit", 5)]);
    draft.terms.published = false;
    let campaign = world.put(draft);
    assert_eq!(refused(world.reserve(&campaign, "unit", "ann", "k", 1)), Refusal::NotFound);
}

#[test]
fn stopping_comes_after_repeats_and_the_phase() {
    let mut world = World::new(1);
    let campaign = world.put(spec("drop", &[("unit", 5)]));
    let mut later = spec("later", &[("unit", 5)]);
    later.terms.schedule.opens_at = Some(Timestamp(T0 + HOUR));
    let later = world.put(later);
    let held = world.hold(&campaign, "unit", "ann", 1);
    world.engine.shutdown().expect("healthy");
    assert_eq!(already(world.reserve(&campaign, "unit", "ann", "k", 1)), held);
    assert_eq!(refused(world.reserve(&later, "unit", "ann", "k", 1)).code(), "not_open");
    assert_eq!(refused(world.reserve(&campaign, "unit", "ben", "k", 1)), Refusal::Stopping);
    let late = world.engine.release(held.seq, None);
    assert_eq!(refused(world.done(late)), Refusal::Stopping);
}

/// Repeats are answered with the present state: sold out, after the end, after a restart.
#[test]
fn a_repeat_is_answered_whatever_happened_since() {
    let mut world = World::new(1);
    let mut drop = spec("drop", &[("unit", 3)]);
    drop.terms.schedule.closes_at = Some(Timestamp(T0 + 60 * SECOND));
    let campaign = world.put(drop);
    let [sold, released, expired] = ["ann", "ben", "cem"].map(|buyer| {
        let held = world.hold(&campaign, "unit", buyer, 1);
        assert_eq!(already(world.reserve(&campaign, "unit", buyer, "k", 1)), held);
        held
    });
    let paid = world.engine.confirm(sold.seq, vec![pay("p", 100)], Some("c"));
    assert_eq!(done(world.done(paid)).state, State::Sold);
    let given_up = world.engine.release(released.seq, Some("r"));
    assert_eq!(done(world.done(given_up)).state, State::Released);
    world.hold(&campaign, "unit", "dan", 1);
    assert_eq!(world.view(world.sku(&campaign, "unit")).free, 0, "nothing is left");
    world.clock.advance(61 * SECOND);
    world.driver.settle();
    world.clock.advance(HOUR);
    world.driver.settle();
    for round in 0..2 {
        let campaign = world.engine.campaign("drop").expect("it is kept");
        let all = [
            ("ann", sold.id, State::Sold),
            ("ben", released.id, State::Released),
            ("cem", expired.id, State::Expired),
        ];
        for (buyer, id, state) in all {
            let again = already(world.reserve(&campaign, "unit", buyer, "k", 1));
            assert_eq!((again.id, again.state), (id, state), "{buyer}, round {round}");
            let other = world.reserve(&campaign, "unit", buyer, "k", 2);
            assert_eq!(refused(other), Refusal::KeyReused, "{buyer}, round {round}");
        }
        let paid = world.engine.confirm(sold.seq, vec![pay("p", 100)], Some("c"));
        assert_eq!(already(world.done(paid)).state, State::Sold);
        let released = world.engine.release(released.seq, Some("r"));
        assert_eq!(already(world.done(released)).state, State::Released);
        assert_eq!(refused(world.reserve(&campaign, "unit", "eve", "k", 1)), Refusal::Ended);
        world = world.restart();
    }
}

/// The keys of confirm and release are the buyer's, in that campaign, on that route.
#[test]
fn a_key_of_a_confirm_or_a_release_is_not_used_for_another() {
    let mut world = World::new(1);
    let campaign = world.put(spec("drop", &[("unit", 9)]));
    let first = done(world.reserve(&campaign, "unit", "ann", "1", 1));
    let second = done(world.reserve(&campaign, "unit", "ann", "2", 1));
    let third = done(world.reserve(&campaign, "unit", "ann", "3", 1));
    let paid = world.engine.confirm(first.seq, vec![pay("p", 100)], Some("x"));
    done(world.done(paid));
    let given_up = world.engine.release(second.seq, Some("x"));
    done(world.done(given_up));
    for _ in 0..2 {
        let paid = world.engine.confirm(third.seq, vec![pay("q", 100)], Some("x"));
        assert_eq!(refused(world.done(paid)), Refusal::KeyReused);
        let given_up = world.engine.release(third.seq, Some("x"));
        assert_eq!(refused(world.done(given_up)), Refusal::KeyReused);
        let elsewhere = world.engine.confirm(third.seq, vec![pay("p", 100)], Some("y"));
        assert_eq!(refused(world.done(elsewhere)), Refusal::KeyReused, "a payment counts once");
        world = world.restart();
    }
    assert_eq!(world.engine.look(third.seq).expect("it exists").state, State::Held);
    world.check();
}
