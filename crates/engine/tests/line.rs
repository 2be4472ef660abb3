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
    world.check();
}
