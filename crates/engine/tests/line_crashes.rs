//! Power cuts at every change of the disk while people join, are drawn, called up and buy: whoever was
//! told of a place has it, and nobody has two.

mod common;

use common::crowd::*;
use common::*;
use onrush::journal::Loss;
use onrush::*;
use std::collections::HashMap;
use std::sync::Arc;

const CROWD: u32 = 24;

/// What buyers were told before the power went.
#[derive(Default)]
struct Told {
    tickets: HashMap<u32, Ticket>,
    places: HashMap<u32, u32>,
    bought: Vec<u32>,
    /// Joined again after the cut, by whoever was not told.
    again: u32,
}

fn campaign(world: &World) -> Arc<Campaign> {
    world.engine.campaign("drop").expect("it is durable")
}

fn sale() -> CampaignSpec {
    let mut spec = waiting_line("drop", 8);
    spec.line.as_mut().expect("a line").outflow.per_second = Some(20);
    spec
}

/// Live the whole drop, or as much of it as the power lets; returns whether it lasted.
fn live(world: &mut World, told: &mut Told) -> bool {
    for n in 0..CROWD {
        let mut asked = world.ask_to_join(&campaign(world), &buyer(n), 0);
        // Several in one batch now and then.
        if n % 3 != 0 {
            let settled = world.driver.settle();
            if matches!(settled, Turn::Failed) {
                return false;
            }
            match asked.try_take() {
                Some(Ok(decision)) => drop(told.tickets.insert(n, granted(decision))),
                other => panic!("{other:?}"),
            }
        }
    }
    for _ in 0..8 {
        world.clock.advance(OPENS / 6);
        if matches!(world.driver.settle(), Turn::Failed) {
            return false;
        }
        if !buy(world, told) {
            return false;
        }
    }
    true
}

/// Look at every ticket, and let every second one that is called up buy.
fn buy(world: &mut World, told: &mut Told) -> bool {
    let campaign = campaign(world);
    for (n, ticket) in told.tickets.clone() {
        let standing = world.engine.standing(&campaign, ticket.number);
        let place = match standing.expect("it was told of") {
            Standing::Waiting { place, .. } => place,
            Standing::Served { pass } => {
                if n % 2 == 0 {
                    let buyer = world.engine.buyer(&buyer(n));
                    let mut ask = ReserveRequest::new(&campaign, "unit", buyer, "k");
                    ask.pass = PassShown::Valid(pass);
                    let mut asked = world.engine.reserve(&ask);
                    if matches!(world.driver.settle(), Turn::Failed) {
                        return false;
                    }
                    let answer = asked.try_take().expect("settled").expect("healthy");
                    if answer.granted().is_some() {
                        told.bought.push(n);
                    }
                }
                pass.place
            }
            _ => continue,
        };
        let known = told.places.insert(n, place);
        assert!(known.is_none_or(|known| known == place), "the place of {n} changed");
    }
    true
}

/// Check what was told against what was recovered, and let the drop go on to its end.
fn check_recovered(world: &mut World, told: &mut Told) {
    world.driver.settle();
    for n in 0..CROWD {
        let decision = world.join(&campaign(world), &buyer(n));
        match told.tickets.get(&n) {
            Some(ticket) => assert_eq!(already(decision), *ticket, "the ticket of {n}"),
            // Nobody told them: it was kept or lost, and asking again gives one place either way.
            None => match decision {
                Decision::Refused(Refusal::NotOpen { .. }) => {}
                decision => {
                    told.again += 1;
                    told.tickets.insert(n, granted(decision));
                }
            },
        }
    }
    let at = world.clock.wall_ms() - T0;
    world.pass_time((OPENS + 1_000).saturating_sub(at));
    assert!(buy(world, told), "the disk is well again");
    for n in told.bought.clone() {
        let standing = world.standing(&campaign(world), told.tickets[&n].number.0);
        assert_eq!(standing, Standing::Used, "what was bought stays bought: {n}");
    }
    let view = world.view_of(&campaign(world));
    let ranks = independent(world, &campaign(world), 0);
    for (n, ticket) in &told.tickets {
        let place = ranks.get(ticket.number.index()).copied().unwrap_or(ticket.number.0);
        let known = told.places.get(n).copied().unwrap_or(place);
        assert_eq!(known, place, "the place of {n}, by the rule");
    }
    assert!(view.joined as usize >= told.tickets.len());
    world.check();
}

fn start(seed: u64) -> World {
    let mut world = World::new(seed);
    world.put(sale());
    world
}

#[test]
fn a_power_cut_at_any_change_keeps_everybodys_place() {
    let seed = 21;
    let mut world = start(seed);
    let before = world.disk.operations().changes;
    let mut told = Told::default();
    assert!(live(&mut world, &mut told), "nothing fails by itself");
    assert!(told.bought.len() > 2 && told.places.len() > 8, "{:?}", told.places);
    let total = world.disk.operations().changes - before;
    check_recovered(&mut world, &mut told);
    assert!(total > 20, "the history is worth cutting: {total}");
    for at in 0..total {
        for loss in [Loss::Everything, Loss::Random] {
            let _case = Case(format!("seed {seed}, cut at change {at}, {loss:?}"));
            let mut world = start(seed);
            world.disk.reseed(seed ^ (at << 8));
            world.disk.cut_power_at(world.disk.operations().changes + at);
            let mut told = Told::default();
            assert!(!live(&mut world, &mut told), "the power goes");
            let mut world = world.crash(loss).expect("a torn tail is no damage");
            check_recovered(&mut world, &mut told);
        }
    }
}

/// A put that is cut short leaves a draft, never a sale that lets everybody in.
#[test]
fn a_put_that_is_cut_short_never_loses_the_line() {
    let mut drafts = 0;
    // What came before decides where in the put the journal goes on in another segment.
    for filled in (6_000..14_000).step_by(500) {
        for at in 0..8 {
            let _case = Case(format!("{filled} bytes before, cut at change {at}"));
            let mut world = World::new(30);
            let mut filler = spec("filler", &[]);
            filler.terms.attributes = "x".repeat(filled);
            world.put(filler);
            world.disk.cut_power_at(world.disk.operations().changes + at);
            let mut sale = sale();
            sale.terms.attributes = "x".repeat(3_000);
            let asked = world.engine.put_campaign(sale.clone());
            world.driver.settle();
            drop(asked);
            let mut world = world.crash(Loss::Nothing).expect("a torn tail is no damage");
            world.driver.settle();
            if let Some(campaign) = world.engine.campaign("drop") {
                let visible = campaign.phase(world.engine.now()) != Phase::Draft;
                assert!(campaign.line_terms().is_some() || !visible, "visible without a line");
                drafts += u32::from(!visible);
            }
            let campaign = world.put(sale);
            assert!(campaign.line_terms().is_some(), "repeating the put heals it");
            done(world.join(&campaign, "ann"));
        }
    }
    assert!(drafts > 0, "no cut hit the middle of a put");
}
