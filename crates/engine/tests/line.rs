//! The line, from joining to buying: one ticket a buyer, places that anybody can recompute and no
//! restart changes, passes that are used once.

mod common;

use common::crowd::*;
use common::*;
use onrush::*;

#[test]
fn a_drop_with_a_line_from_joining_to_buying() {
    let (mut world, campaign) = opened(1, 300, &waiting_line("drop", 20));
    let tickets = 300;
    let places = places(&world, &campaign, tickets);
    assert_eq!(places, independent(&world, &campaign, 0), "the wheel gives the order of the rule");
    // As many passes are out as there are units.
    let view = world.engine.line(&campaign).expect("it has a line");
    assert_eq!((view.serving, view.outstanding, view.joined, view.length), (20, 20, 300, 300));
    assert!(!view.all_sold && view.free == 20);
    let mut bought = 0;
    for number in 0..tickets {
        let (buyer, number) = (buyer(number), TicketNo(number));
        match world.engine.standing(&campaign, number).expect("a ticket") {
            Standing::Served { pass } => {
                assert!(places[number.index()] < 20 && pass.place == places[number.index()]);
                done(world.reserve_with(&campaign, &buyer, PassShown::Valid(pass)));
                let used = world.engine.standing(&campaign, number);
                assert_eq!(used, Some(Standing::Used));
                bought += 1;
            }
            Standing::Waiting { place, ahead, .. } => {
                assert_eq!((place, ahead), (places[number.index()], place - 20));
            }
            other => panic!("{buyer} is {other:?}"),
        }
    }
    assert_eq!(bought, 20);
    let view = world.engine.line(&campaign).expect("it has a line");
    assert_eq!((view.serving, view.outstanding, view.free, view.held), (20, 0, 0, 20));
    assert_eq!(world.engine.status().settles_in_flight, 0, "the draw's place in the queue is free");
    world.check();
}

/// The answers in the order of the contract: repeat, phase, pass, risk, limit, stock.
#[test]
fn a_pass_has_its_place_among_the_answers() {
    struct Refusing;
    impl Screen for Refusing {
        fn screen(&self, _: &ReserveRequest<'_>, _: Timestamp) -> Verdict {
            Verdict::Refuse
        }
    }
    let (mut world, campaign) = opened(2, 3, &waiting_line("drop", 3));
    let pass = |world: &World, n: u32| match world.standing(&campaign, n) {
        Standing::Served { pass } => PassShown::Valid(pass),
        other => panic!("{other:?}"),
    };
    let [first, second] = [0, 1].map(|n| pass(&world, n));
    let ask = |world: &mut World, n: u32, pass| world.reserve_with(&campaign, &buyer(n), pass);
    assert_eq!(refused(ask(&mut world, 0, PassShown::NotShown)), Refusal::PassRequired);
    assert_eq!(refused(ask(&mut world, 0, PassShown::Invalid)), Refusal::PassInvalid);
    assert_eq!(refused(ask(&mut world, 0, second)), Refusal::PassInvalid, "of another buyer");
    let PassShown::Valid(right) = first else { panic!("valid") };
    for wrong in [
        Pass { place: right.place + 1, ..right },
        Pass { number: TicketNo(99), ..right },
        Pass { place: u32::MAX, ..right },
    ] {
        assert_eq!(refused(ask(&mut world, 0, PassShown::Valid(wrong))), Refusal::PassInvalid);
    }
    let held = done(ask(&mut world, 0, first));
    // A repeat needs no pass; another key with the same pass is no repeat.
    let repeat = ask(&mut world, 0, PassShown::NotShown);
    assert_eq!(already(repeat).seq, held.seq);
    let again = |world: &mut World| {
        let buyer = world.engine.buyer(&buyer(0));
        let mut ask = ReserveRequest::new(&campaign, "unit", buyer, "another key");
        ask.pass = first;
        let pending = world.engine.reserve(&ask);
        world.done(pending)
    };
    assert_eq!(refused(again(&mut world)), Refusal::PassInvalid, "used, before the limit");
    let paused = world.engine.move_phase(&campaign, Phase::Paused, by());
    granted(world.done(paused));
    assert_eq!(refused(ask(&mut world, 1, PassShown::NotShown)), Refusal::Paused);
    let opened = world.engine.move_phase(&campaign, Phase::Open, by());
    granted(world.done(opened));
    let screen: Option<std::sync::Arc<dyn Screen>> = Some(std::sync::Arc::new(Refusing));
    world.options.screen = screen;
    let mut world = world.restart();
    assert_eq!(refused(ask(&mut world, 1, PassShown::NotShown)), Refusal::PassRequired);
    assert_eq!(refused(ask(&mut world, 1, second)), Refusal::RefusedRisk);
    world.check();
}

/// Two reserves with one pass are under way at once: callers see it unused, the ledger does not.
#[test]
fn a_pass_is_used_once_whatever_is_under_way() {
    let mut spec = waiting_line("drop", 2);
    spec.terms.limit_per_buyer = 2;
    let (mut world, campaign) = opened(3, 1, &spec);
    let Standing::Served { pass } = world.standing(&campaign, 0) else { panic!("called up") };
    let buyer = world.engine.buyer(&buyer(0));
    let asked: Vec<_> = ["one", "two"]
        .iter()
        .map(|key| {
            let mut ask = ReserveRequest::new(&campaign, "unit", buyer, key);
            ask.pass = PassShown::Valid(pass);
            world.engine.reserve(&ask)
        })
        .collect();
    let mut answers = asked.into_iter().map(|asked| world.done(asked)).collect::<Vec<_>>();
    assert_eq!(refused(answers.pop().expect("two")), Refusal::PassInvalid);
    done(answers.pop().expect("two"));
    let units = world.view(world.sku(&campaign, "unit"));
    assert_eq!(units, SlotView { free: 1, held: 1 }, "what the second took is back");
    world.check();
}

#[test]
fn a_campaign_without_a_line_needs_no_pass() {
    let mut world = World::new(4);
    let campaign = world.put(spec("plain", &[("unit", 1)]));
    assert_eq!(refused(world.join(&campaign, "ann")), Refusal::NotFound);
    assert_eq!(world.engine.line(&campaign), None);
    assert_eq!(world.engine.standing(&campaign, TicketNo(0)), None);
    done(world.reserve_with(&campaign, "ann", PassShown::Invalid));
}

/// Two tiers, two lanes: each is drawn by itself, and a public value turns the second.
#[test]
fn members_come_early_and_everybody_later() {
    let mut spec = waiting_line("drop", 1_000);
    let tier = |text: &str, weight, after| Tier {
        name: name(text),
        groups: vec![text.to_owned()],
        weight,
        after: DurationMs(after),
    };
    spec.line = Some(LineTerms {
        tiers: vec![tier("all", 1, 30 * SECOND), tier("gold", 5, 0), tier("silver", 2, 0)],
        public_value_source: "the last digits of tonight's lottery".to_owned(),
        ..spec.line.expect("a line")
    });
    let mut world = World::new(5);
    let campaign = world.put(spec);
    world.crowd(&campaign, 0, 40, 1);
    world.crowd(&campaign, 40, 80, 2);
    world.crowd(&campaign, 80, 160, 0);
    world.pass_time(OPENS - DRAWS);
    let late = world.ask_to_join(&campaign, "late", 1);
    let opens_at = Some(Timestamp(T0 + OPENS));
    assert_eq!(refused(world.done(late)), Refusal::NotOpen { opens_at });
    let set = world.engine.set_public_value(&campaign, 0, "4711", by());
    done(world.done(set));
    world.pass_time(DRAWS);
    let view = world.view_of(&campaign);
    let state: Vec<_> = view.lanes.iter().map(|l| (l.participants, l.drawn.is_some())).collect();
    assert_eq!(state, [(80, true), (80, false)]);
    assert_eq!((view.length, view.serving), (80, 80), "never past a lane that was not drawn");
    assert_eq!(places(&world, &campaign, 80), independent(&world, &campaign, 0));
    let before =
        Standing::BeforeDraw { opens_at: Some(Timestamp(T0 + OPENS + 30_000)), joined: 80 };
    assert_eq!(world.standing(&campaign, 100), before);
    // A member who is late is behind the members' draw; everybody joins the later draw still.
    world.crowd(&campaign, 160, 161, 1);
    world.crowd(&campaign, 161, 163, 0);
    world.pass_time(30 * SECOND);
    let view = world.view_of(&campaign);
    assert_eq!((view.lanes[1].base, view.lanes[1].participants), (81, 82));
    let mut order: Vec<u32> = (80..163).filter(|n| *n != 160).collect();
    order.sort_by_key(|n| match world.standing(&campaign, *n) {
        Standing::Served { pass } => pass.place,
        other => panic!("{other:?}"),
    });
    let ranks = independent(&world, &campaign, 1);
    let joined: Vec<u32> = (80..160).chain(161..163).collect();
    let mut expected: Vec<_> = joined.iter().zip(&ranks).collect();
    expected.sort_by_key(|(_, place)| **place);
    let expected: Vec<u32> = expected.into_iter().map(|(n, _)| *n).collect();
    assert_eq!(order, expected);
    assert_eq!(view.lanes[0].public_value.as_deref(), Some("4711"));
    assert_eq!(view.lanes[1].public_value, None, "none was set, and the draw says so");
    world.check();
}

/// Restarts at every stage: nobody's place changes, nor whose turn it is.
#[test]
fn a_restart_at_any_stage_changes_nobodys_place() {
    let mut spec = waiting_line("drop", 10);
    spec.line.as_mut().expect("a line").outflow.per_second = Some(2);
    let (world, campaign) = opened(6, 60, &spec);
    let expected = places(&world, &campaign, 60);
    // The same drop with a restart at each tenth of a second around the draw and in the queue.
    for at in [30_000, 59_900, 60_000, 60_100, 60_300, 63_000, 85_000] {
        let _case = Case(format!("a restart at {at} ms"));
        let mut world = World::new(6);
        world.put(spec.clone());
        let campaign = world.engine.campaign("drop").expect("put");
        world.crowd(&campaign, 0, 60, 0);
        world.pass_time(at);
        let before = world.engine.line(&campaign).map(|line| line.serving);
        let mut world = world.restart();
        world.driver.settle();
        let campaign = world.engine.campaign("drop").expect("it is durable");
        let after = world.engine.line(&campaign).map(|line| line.serving);
        assert_eq!(before, after, "whose turn it is");
        assert_eq!(already(world.join(&campaign, &buyer(7))).number, TicketNo(7));
        world.pass_time((OPENS + 100).saturating_sub(at));
        let lane = &world.view_of(&campaign).lanes[0];
        assert_eq!((lane.participants, lane.drawn.is_some()), (60, true));
        for (n, place) in expected.iter().enumerate() {
            let found = match world.standing(&campaign, n as u32) {
                Standing::Waiting { place, .. } => Some(place),
                Standing::Served { pass } => Some(pass.place),
                _ => None,
            };
            assert!(found.is_none_or(|found| found == *place), "ticket {n}: {found:?}");
            assert_eq!(found.is_none(), at == 85_000 && *place < 10, "ticket {n}");
        }
        assert_eq!(independent(&world, &campaign, 0), expected);
        world.check();
    }
}

/// Places are counted by a thread that may be slower than the ledger: nobody sees a wrong one.
#[test]
fn a_place_that_is_being_counted_is_told_about() {
    let mut world = World::new(7);
    let campaign = world.put(waiting_line("drop", 5));
    world.crowd(&campaign, 0, 200, 0);
    // A restart forgets the wheel; turns alone do not bring it back.
    world.pass_time(OPENS);
    let expected = places(&world, &campaign, 200);
    let mut world = world.restart();
    world.driver.turn();
    let mut off = 0;
    for n in 0..200 {
        match world.standing(&campaign_of(&world), n) {
            Standing::Ranking { about } => off = off.max(about.abs_diff(expected[n as usize])),
            other => panic!("{other:?}"),
        }
    }
    assert!(off <= 200, "{off}");
    let back = world.engine.return_to_line(&campaign_of(&world), TicketNo(3));
    assert!(matches!(refused(world.done(back)), Refusal::Overloaded { .. }));
    while world.driver.index() {}
    assert_eq!(places(&world, &campaign_of(&world), 200), expected);
}

fn campaign_of(world: &World) -> std::sync::Arc<Campaign> {
    world.engine.campaign("drop").expect("it is durable")
}

/// No-shows: passed over, back within the grace, lost after it.
#[test]
fn who_does_not_come_may_come_back_once() {
    let (mut world, campaign) = opened(8, 4, &waiting_line("drop", 1));
    let of = |world: &World, place: u32| {
        let is_it = |n: &u32| places_or(world, &campaign, *n) == Some(place);
        (0..4).find(is_it)
    };
    let first = of(&world, 0).expect("somebody is first");
    let Standing::Served { pass } = world.standing(&campaign, first) else { panic!("called up") };
    assert_eq!(pass.until, Timestamp(T0 + OPENS + 20_000));
    world.pass_time(20_000);
    let until = Timestamp(T0 + OPENS + 50_000);
    assert_eq!(world.standing(&campaign, first), Standing::PassedOver { until });
    let shown = PassShown::Valid(pass);
    let stale = world.reserve_with(&campaign, &buyer(first), shown);
    assert_eq!(refused(stale), Refusal::PassInvalid);
    let view = world.view_of(&campaign);
    assert_eq!((view.serving, view.outstanding), (2, 1), "the next one is up");
    let back = world.engine.return_to_line(&campaign, TicketNo(first));
    assert_eq!(done(world.done(back)).number, TicketNo(first));
    assert_eq!(world.standing(&campaign, first), Standing::Returning);
    world.pass_time(20_000);
    let Standing::Served { pass } = world.standing(&campaign, first) else { panic!("up again") };
    assert_eq!(world.view_of(&campaign).serving, 2, "ahead of those who were never called");
    let mut world = world.restart();
    world.driver.settle();
    assert_eq!(world.standing(&campaign_of(&world), first), Standing::Served { pass });
    done(world.reserve_with(&campaign_of(&world), &buyer(first), PassShown::Valid(pass)));
    assert_eq!(world.standing(&campaign_of(&world), first), Standing::Used);
    world.check();
}

fn places_or(world: &World, campaign: &Campaign, n: u32) -> Option<u32> {
    match world.standing(campaign, n) {
        Standing::Waiting { place, .. } => Some(place),
        Standing::Served { pass } => Some(pass.place),
        _ => None,
    }
}

#[test]
fn sold_out_is_told_with_the_sale_that_makes_it_so() {
    let mut spec = waiting_line("drop", 1);
    spec.skus[0].price = 0;
    let (mut world, campaign) = opened(9, 3, &spec);
    let first = (0..3).find(|n| places_or(&world, &campaign, *n) == Some(0)).expect("a first");
    let Standing::Served { pass } = world.standing(&campaign, first) else { panic!("called up") };
    let held = done(world.reserve_with(&campaign, &buyer(first), PassShown::Valid(pass)));
    let odds = |world: &World, n| match world.standing(&campaign, n) {
        Standing::Waiting { odds, eta, .. } => (odds, eta.is_some()),
        other => panic!("{other:?}"),
    };
    let waiting = (0..3).find(|n| *n != first).expect("others");
    assert_ne!(odds(&world, waiting).0, Odds::None, "the hold may come back");
    let sold = world.engine.confirm(held.seq, vec![], None);
    done(world.done(sold));
    assert!(world.view_of(&campaign).all_sold);
    assert_eq!(odds(&world, waiting), (Odds::None, false));
    world.pass_time(5_000);
    assert_eq!(world.view_of(&campaign).serving, 1, "nobody is called up in vain");
    let sku = world.sku(&campaign, "unit");
    let more = world.engine.supply(sku, 1, by());
    done(world.done(more));
    assert!(!world.view_of(&campaign).all_sold);
    assert_eq!(world.view_of(&campaign).serving, 2);
}

/// A rate, changed live, and a shop that is slow.
#[test]
fn the_outflow_follows_the_operator_and_the_shop() {
    let mut spec = waiting_line("drop", 1_000);
    spec.line.as_mut().expect("a line").outflow.per_second = Some(10);
    let (mut world, campaign) = opened(10, 900, &spec);
    let serving = |world: &World| world.view_of(&campaign).serving;
    let start = serving(&world);
    world.pass_time(5_000);
    assert_eq!(serving(&world) - start, 50);
    let Standing::Waiting { eta: Some(eta), .. } = world.standing(&campaign, last(&world)) else {
        panic!("somebody waits, and it is known how long")
    };
    let ideal = u64::from(900 - serving(&world)) * 100;
    assert!(eta.p50_ms.abs_diff(ideal) < ideal / 5 && eta.p90_ms >= eta.p50_ms, "{eta:?} {ideal}");
    let faster = Outflow { per_second: Some(40), ..Outflow::default() };
    let set = world.engine.set_outflow(&campaign, faster, by());
    done(world.done(set));
    let start = serving(&world);
    world.pass_time(2_000);
    assert!((80..=88).contains(&(serving(&world) - start)), "{}", serving(&world) - start);
    world.engine.report_shop(&campaign, 5_000, true);
    let start = serving(&world);
    world.pass_time(2_000);
    assert!((36..=44).contains(&(serving(&world) - start)), "{}", serving(&world) - start);
    let journaled = world.engine.campaign("drop").expect("put");
    let terms = journaled.line_terms().expect("a line");
    assert_eq!(terms.outflow.per_second, Some(10), "the terms are what was put");
    assert_eq!(world.view_of(&campaign).outflow, faster);
    world.check();
}

fn last(world: &World) -> u32 {
    let campaign = campaign_of(world);
    let place = |n: &u32| places_or(world, &campaign, *n).unwrap_or(0);
    (0..900).max_by_key(place).expect("a crowd")
}

/// What comes back goes to the line first, and to the waitlist, without a pass, once nobody is left
/// in line.
#[test]
fn a_line_and_a_waitlist_in_one_sale() {
    let mut spec = waiting_line("drop", 1);
    spec.waitlist = Some(WaitTerms { offer: DurationMs(60 * SECOND) });
    let (mut world, campaign) = opened(11, 2, &spec);
    let by_place = |world: &World, place| {
        (0..2).find(|n| places_or(world, &campaign, *n) == Some(place)).expect("in line")
    };
    let [first, second] = [0, 1].map(|place| by_place(&world, place));
    let take = |world: &mut World, n: u32| match world.standing(&campaign, n) {
        Standing::Served { pass } => {
            done(world.reserve_with(&campaign, &buyer(n), PassShown::Valid(pass)))
        }
        other => panic!("{n} is {other:?}"),
    };
    let held = take(&mut world, first);
    let ask = WaitRequest {
        campaign: &campaign,
        sku: "unit",
        quantity: Quantity::ONE,
        buyer: world.engine.buyer("cem"),
    };
    let early = world.engine.join_waitlist(&ask);
    assert_eq!(refused(world.done(early)), Refusal::PassRequired, "one is still in line");
    let released = world.engine.release(held.seq, None);
    done(world.done(released));
    world.pass_time(1_000);
    let held = take(&mut world, second);
    let waits = world.engine.join_waitlist(&ask);
    done(world.done(waits));
    let released = world.engine.release(held.seq, None);
    done(world.done(released));
    let offered = world.engine.reservations_of(&campaign, world.engine.buyer("cem"));
    assert_eq!((offered.len(), offered[0].state), (1, State::Held));
    let view = world.view_of(&campaign);
    assert_eq!((view.free, view.held), (0, 1));
    world.check();
    let world = world.restart();
    world.check();
}
