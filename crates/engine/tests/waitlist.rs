//! The waitlist in the engine: what comes back is never seen by anybody but the first in line, an
//! offer is a hold in every respect, and no crash or restart moves a place (INV-14).

mod common;

use common::watched::Watched;
use common::*;
use onrush::journal::{FakeDisk, Loss};
use onrush::*;
use std::sync::{Arc, Mutex};

const OFFER_MS: u64 = 60 * SECOND;

fn with_line(supply: u32) -> CampaignSpec {
    let mut sale = spec("drop", &[("unit", supply), ("other", supply)]);
    sale.terms.limit_per_buyer = 2;
    sale.terms.hold = DurationMs(600 * SECOND);
    sale.waitlist = Some(WaitTerms { offer: DurationMs(OFFER_MS) });
    sale
}

/// A sold-out sale of one unit, held by ann.
fn sold_out() -> (World, Arc<Campaign>, Reservation) {
    let mut world = World::new(1);
    let campaign = world.put(with_line(1));
    let held = world.hold(&campaign, "unit", "ann", 1);
    (world, campaign, held)
}

fn ask_to_wait(world: &World, campaign: &Campaign, buyer: &str, units: u32) -> Pending<WaitTicket> {
    let (quantity, buyer) = (Quantity::new(units).expect("legal"), world.engine.buyer(buyer));
    world.engine.join_waitlist(&WaitRequest { campaign, sku: "unit", quantity, buyer })
}

fn join(world: &mut World, campaign: &Campaign, buyer: &str) -> Decision<WaitTicket> {
    let pending = ask_to_wait(world, campaign, buyer, 1);
    world.done(pending)
}

fn standing(world: &World, campaign: &Campaign, buyer: &str) -> Option<Waitlisted> {
    let sku = world.sku(campaign, "unit");
    world.engine.waitlisted(campaign, sku, world.engine.buyer(buyer))
}

fn ahead(world: &World, campaign: &Campaign, buyer: &str) -> Option<u32> {
    standing(world, campaign, buyer).and_then(|s| s.place).map(|place| place.ahead)
}

#[track_caller]
fn offer(world: &World, campaign: &Campaign, buyer: &str) -> Reservation {
    standing(world, campaign, buyer).and_then(|s| s.offer).expect("an offer")
}

#[test]
fn a_released_unit_goes_to_the_first_in_line_and_nobody_sees_it_free() {
    let (mut world, campaign, held) = sold_out();
    let sku = world.sku(&campaign, "unit");
    let first = done(join(&mut world, &campaign, "ben"));
    assert_eq!((first.sku, first.number), (sku, 0));
    assert_eq!(done(join(&mut world, &campaign, "cem")).number, 1);
    assert_eq!(already(join(&mut world, &campaign, "ben")), first, "asking again");
    assert_eq!(ahead(&world, &campaign, "cem"), Some(1));
    // The release and another buyer's reserve come in one batch, in this order.
    let released = world.engine.release(held.seq, None);
    let mut direct = world.ask(&campaign, "unit", "dan", "k", 1);
    let refusal = refused(direct.try_take().expect("at once").expect("healthy"));
    assert_eq!(refusal.code(), "all_held");
    assert_eq!(world.driver.turn(), Turn::Busy);
    assert_eq!(done(world.done(released)).state, State::Released);
    let offered = offer(&world, &campaign, "ben");
    assert_eq!((offered.state, offered.quantity), (State::Held, Quantity::ONE));
    assert_eq!(offered.expires_at, world.engine.now() + DurationMs(OFFER_MS));
    assert_eq!(world.view(sku), SlotView { free: 0, held: 1 });
    assert_eq!(ahead(&world, &campaign, "cem"), Some(0));
    assert_eq!(ahead(&world, &campaign, "ben"), None);
    world.check();
    // Left unpaid it goes on; paid it is sold.
    world.clock.advance(OFFER_MS);
    world.driver.settle();
    assert_eq!(offer(&world, &campaign, "ben").state, State::Expired);
    let offered = offer(&world, &campaign, "cem");
    let paid = world.engine.confirm(offered.seq, vec![pay("p", 100)], None);
    assert_eq!(done(world.done(paid)).state, State::Sold);
    let view = world.engine.wait_view(sku);
    assert_eq!((view.waiting, view.joined, view.figures.offers), (0, 2, 2));
    world.check();
}

/// In the middle of every sync that frees or adds units for somebody who waits, and after it, callers
/// see none of them free.
#[test]
fn no_caller_ever_sees_what_is_offered() {
    let clock = ManualClock::new();
    let disk = Watched::new(FakeDisk::new(1));
    let parts = Parts { storage: Arc::new(disk.clone()), ..parts(&FakeDisk::new(0), &clock) };
    let (engine, driver) = Engine::open_driven(parts, options()).expect("opens");
    let driver = Mutex::new(driver);
    let settle = || driver.lock().expect("one thread").settle();
    let mut sale = with_line(2);
    let wave = Wave { at: Timestamp(T0 + 20 * SECOND), sku: name("unit"), units: 1 };
    sale.terms.waves = vec![wave];
    let put = engine.put_campaign(sale);
    settle();
    let campaign = granted(put.wait().expect("healthy"));
    let sku = campaign.sku("unit").expect("it has it").ix;
    let holds: Vec<Reservation> = ["ann", "abe"]
        .map(|buyer| {
            let ask = ReserveRequest::new(&campaign, "unit", engine.buyer(buyer), "k");
            let pending = engine.reserve(&ask);
            settle();
            done(pending.wait().expect("healthy"))
        })
        .into();
    for n in 0..7 {
        let (quantity, buyer) = (Quantity::ONE, engine.buyer(&format!("w{n}")));
        let ask = WaitRequest { campaign: &campaign, sku: "unit", quantity, buyer };
        let joined = engine.join_waitlist(&ask);
        settle();
        done(joined.wait().expect("healthy"));
    }
    let seen: Arc<Mutex<Vec<u32>>> = Arc::default();
    let (theirs, looks) = (engine.clone(), seen.clone());
    disk.at_sync(Some(Box::new(move || {
        looks.lock().expect("one thread").push(theirs.units(sku).expect("exists").free);
    })));
    type Step<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let steps: [Step<'_>; 4] = [
        ("release", Box::new(|| drop(engine.release(holds[0].seq, None)))),
        ("supply", Box::new(|| drop(engine.supply(sku, 1, by())))),
        ("wave", Box::new(|| clock.advance(20 * SECOND))),
        ("expiry", Box::new(|| clock.advance(OFFER_MS))),
    ];
    for (n, (what, act)) in steps.iter().enumerate() {
        act();
        while driver.lock().expect("one thread").turn() == Turn::Busy {
            assert_eq!(engine.units(sku).expect("exists").free, 0, "{what}");
        }
        let offered = engine.waitlisted(&campaign, sku, engine.buyer(&format!("w{n}")));
        assert!(offered.is_some_and(|s| s.offer.is_some()), "{what}: offered to w{n}");
    }
    let seen = seen.lock().expect("one thread").clone();
    assert!(seen.len() >= 4 && seen.iter().all(|free| *free == 0), "{seen:?}");
    // The three offers expired together, and three others have them.
    assert_eq!(engine.wait_view(sku).waiting, 1);
    disk.at_sync(None);
    let driver = driver.lock().expect("one thread");
    driver.check_mirror().expect("callers and ledger agree");
}

/// The moment a hold expires, the waiting person wins against any direct reserve.
#[test]
fn an_expiry_serves_the_line_before_a_direct_reserve() {
    let (mut world, campaign, held) = sold_out();
    done(join(&mut world, &campaign, "ben"));
    world.clock.advance(held.expires_at.0 - world.engine.now().0);
    let asks: Vec<_> =
        (0..20).map(|n| world.ask(&campaign, "unit", &format!("d{n}"), "k", 1)).collect();
    world.driver.settle();
    for mut ask in asks {
        let answer = ask.try_take().expect("answered").expect("healthy");
        assert_eq!(refused(answer).code(), "all_held");
    }
    assert_eq!(offer(&world, &campaign, "ben").state, State::Held);
    world.check();
}

/// INV-8: late money never takes a unit past those who wait, not even one freed in its own batch.
#[test]
fn late_money_stays_behind_the_line() {
    let (mut world, campaign, late) = sold_out();
    world.clock.advance(late.expires_at.0 - world.engine.now().0);
    world.driver.settle();
    let held = world.hold(&campaign, "unit", "dan", 1);
    assert_eq!(world.engine.look(late.seq).expect("known").state, State::Expired);
    done(join(&mut world, &campaign, "ben"));
    let _released = world.engine.release(held.seq, None);
    let paid = world.engine.confirm(late.seq, vec![pay("late", 100)], None);
    assert_eq!(done(world.done(paid)).state, State::Expired);
    let due: Vec<_> = world.driver.ledger().refunds().iter().map(|due| due.amount).collect();
    assert_eq!(due, [100], "one refund due");
    let offered = offer(&world, &campaign, "ben");
    assert_eq!(offered.state, State::Held);
    // Nobody waits any more: late money takes like any caller.
    let released = world.engine.release(offered.seq, None);
    done(world.done(released));
    let paid = world.engine.confirm(late.seq, vec![pay("later", 100)], None);
    assert_eq!(done(world.done(paid)).state, State::Sold);
    world.check();
}

#[test]
fn added_units_serve_the_line_and_the_rest_is_free() {
    let (mut world, campaign, _) = sold_out();
    let sku = world.sku(&campaign, "unit");
    for buyer in ["ben", "cem"] {
        done(join(&mut world, &campaign, buyer));
    }
    let supplied = world.engine.supply(sku, 5, by());
    done(world.done(supplied));
    assert_eq!(world.view(sku), SlotView { free: 3, held: 3 });
    done(world.reserve(&campaign, "unit", "dan", "k", 1));
    world.check();
    assert_eq!(refused(join(&mut world, &campaign, "eve")), Refusal::UnitsFree { free: 2 });
}

/// An offer stands among the buyer's reservations: repeats, limits and looks know it.
#[test]
fn an_offer_is_a_reservation_in_every_respect() {
    let (mut world, campaign, held) = sold_out();
    let [ben, cem] = ["ben", "cem"].map(|buyer| world.engine.buyer(buyer));
    let elsewhere = done(world.reserve(&campaign, "other", "ben", "other", 1));
    done(join(&mut world, &campaign, "ben"));
    let released = world.engine.release(held.seq, None);
    done(world.done(released));
    let offered = offer(&world, &campaign, "ben");
    assert_eq!(world.engine.reservations_of(&campaign, ben), [offered.clone(), elsewhere.clone()]);
    assert_eq!(world.engine.look_as(offered.seq, ben), Some(offered.clone()));
    assert_eq!(world.engine.look_as(offered.seq, cem), None);
    // Two of two: the front refuses a third at once, and the earlier key still tells the same.
    let mut third = world.ask(&campaign, "other", "ben", "third", 1);
    let refusal = refused(third.try_take().expect("at once").expect("healthy"));
    assert_eq!(refusal, Refusal::LimitReached { limit: 2 });
    assert_eq!(already(world.reserve(&campaign, "other", "ben", "other", 1)), elsewhere);
    assert_eq!(refused(join(&mut world, &campaign, "ben")), Refusal::LimitReached { limit: 2 });
    let mut world = world.restart();
    assert_eq!(offer(&world, &campaign, "ben"), offered);
    world.check();
    let released = world.engine.release(offered.seq, Some("r"));
    assert_eq!(done(world.done(released)).state, State::Released);
    assert_eq!(world.view(world.sku(&campaign, "unit")), SlotView { free: 1, held: 0 });
}

/// A buyer's own reserves are in flight while the offer is decided: together they pass no limit, and
/// what was vetoed comes back.
#[test]
fn an_offer_and_the_buyers_own_reserves_together_keep_the_limit() {
    for in_flight in [1, 2] {
        let (mut world, campaign, held) = sold_out();
        let supplied = world.engine.supply(world.sku(&campaign, "other"), 4, by());
        done(world.done(supplied));
        done(join(&mut world, &campaign, "ben"));
        let _released = world.engine.release(held.seq, None);
        let mut asks: Vec<_> = (0..in_flight)
            .map(|n| world.ask(&campaign, "other", "ben", &format!("k{n}"), 1))
            .collect();
        world.driver.settle();
        assert_eq!(offer(&world, &campaign, "ben").state, State::Held, "decided first");
        done(asks.remove(0).try_take().expect("settled").expect("healthy"));
        for mut ask in asks {
            let answer = ask.try_take().expect("settled").expect("healthy");
            assert_eq!(refused(answer), Refusal::LimitReached { limit: 2 });
        }
        assert_eq!(world.view(world.sku(&campaign, "other")), SlotView { free: 4, held: 1 });
        assert_eq!(world.engine.status().vetoes, in_flight - 1);
        world.check();
    }
}

/// Whoever was told that all units are on hold may join at once: the ledger has decided the reserve
/// that took the last one when it looks at the join.
#[test]
fn a_join_comes_after_the_reserves_before_it() {
    let mut world = World::new(1);
    let campaign = world.put(with_line(1));
    let mut last = world.ask(&campaign, "unit", "ann", "k", 1);
    let mut short = world.ask(&campaign, "unit", "ben", "k", 1);
    assert_eq!(refused(short.try_take().expect("at once").expect("healthy")).code(), "all_held");
    assert_eq!(done(join(&mut world, &campaign, "ben")).number, 0);
    done(last.try_take().expect("settled").expect("healthy"));
    world.check();
}

#[test]
fn joining_has_its_refusals() {
    let mut world = World::new(1);
    let mut sale = with_line(0);
    sale.terms.schedule.opens_at = Some(Timestamp(T0 + SECOND));
    sale.terms.schedule.closes_at = Some(Timestamp(T0 + 1_000 * SECOND));
    let campaign = world.put(sale.clone());
    let opens_at = sale.terms.schedule.opens_at;
    assert_eq!(refused(join(&mut world, &campaign, "ann")), Refusal::NotOpen { opens_at });
    world.clock.advance(SECOND);
    done(join(&mut world, &campaign, "ann"));
    let paused = world.engine.move_phase(&campaign, Phase::Paused, by());
    done(world.done(paused));
    assert_eq!(done(join(&mut world, &campaign, "ben")).number, 1, "paused: places are kept");
    let sku = world.sku(&campaign, "unit");
    let leave = world.engine.leave_waitlist(sku, world.engine.buyer("ann"));
    done(world.done(leave));
    let again = world.engine.leave_waitlist(sku, world.engine.buyer("ann"));
    assert_eq!(refused(world.done(again)), Refusal::NotFound);
    assert_eq!(ahead(&world, &campaign, "ben"), Some(0));
    let none = world.put(spec("plain", &[("unit", 0)]));
    assert_eq!(refused(join(&mut world, &none, "ann")), Refusal::NotFound);
    // The close ends the line and tells everybody.
    world.clock.advance(1_000 * SECOND);
    world.driver.settle();
    assert_eq!(standing(&world, &campaign, "ben"), None);
    assert_eq!(refused(join(&mut world, &campaign, "cem")), Refusal::Ended);
    assert_eq!(world.engine.wait_view(sku).joined, 2);
    world.check();
}

/// A full disk makes no offers, and lets nobody pass meanwhile.
#[test]
fn a_full_disk_keeps_the_line_waiting() {
    let (mut world, campaign, held) = sold_out();
    done(join(&mut world, &campaign, "ben"));
    world.driver.settle();
    // From here on not one byte more than what is prepared.
    world.disk.set_capacity(Some(0));
    let mut fillers = (0..5_000).map(|n| format!("filler-{n}"));
    let full = fillers.find(|filler| match join(&mut world, &campaign, filler) {
        Decision::Refused(refusal) => refusal == Refusal::DiskFull,
        _ => false,
    });
    assert!(full.is_some(), "the disk fills");
    let released = world.engine.release(held.seq, None);
    assert_eq!(done(world.done(released)).state, State::Released, "a live hold may end");
    assert!(standing(&world, &campaign, "ben").expect("waits").offer.is_none());
    let refusal = refused(world.reserve(&campaign, "unit", "dan", "k", 1));
    assert_eq!(refusal, Refusal::SoldOut { free: 0 }, "nobody passes");
    world.disk.set_capacity(None);
    for _ in 0..4 {
        world.driver.turn();
    }
    assert_eq!(offer(&world, &campaign, "ben").state, State::Held);
    assert_eq!(world.engine.status().failed, None);
    world.check();
}

/// A line of forty with gaps, some served: killed and opened again, also from a snapshot, everybody
/// stands where they stood.
#[test]
fn a_restart_in_the_middle_of_the_line_changes_nobodys_place() {
    let (mut world, campaign, mut held) = sold_out();
    let sku = world.sku(&campaign, "unit");
    let buyers: Vec<String> = (0..40).map(|n| format!("w{n}")).collect();
    for buyer in &buyers {
        done(join(&mut world, &campaign, buyer));
    }
    for n in [3, 4, 17, 39] {
        let leave = world.engine.leave_waitlist(sku, world.engine.buyer(&buyers[n]));
        done(world.done(leave));
    }
    for round in 0..12 {
        let released = world.engine.release(held.seq, None);
        done(world.done(released));
        let all = |world: &World| -> Vec<Option<Waitlisted>> {
            buyers.iter().map(|buyer| standing(world, &campaign, buyer)).collect()
        };
        let before = all(&world);
        let digest = world.driver.ledger().digest();
        if round == 5 {
            world.driver.snapshot().expect("taken");
        }
        world = if round % 2 == 0 {
            world.restart()
        } else {
            world.crash(Loss::Everything).expect("all of it was synced")
        };
        assert_eq!(world.driver.ledger().digest(), digest);
        // What a restart names as the record of an old state is the last one recovered.
        let place = |s: &Option<Waitlisted>| s.as_ref().and_then(|s| s.place);
        let offer = |s: &Option<Waitlisted>| {
            s.as_ref().and_then(|s| s.offer.as_ref().map(|o| (o.seq, o.state, o.expires_at)))
        };
        let after = all(&world);
        assert!(before.iter().map(place).eq(after.iter().map(place)), "round {round}");
        assert!(before.iter().map(offer).eq(after.iter().map(offer)), "round {round}");
        world.check();
        let mut holders = after.iter().flatten().filter_map(|s| s.offer.clone());
        held = holders.rfind(|offer| offer.state == State::Held).expect("one holds");
    }
    assert_eq!(world.engine.wait_view(sku).waiting, 24);
}
