//! A small red team: a few hundred entries, nine tenths of them programs, over real sockets.

use onrush_bench_redteam::families::{Family, calibration, programs, test};
use onrush_bench_redteam::people::people;
use onrush_bench_redteam::scene::Setting;
use onrush_bench_redteam::tally::Outcome;
use onrush_bench_redteam::{Plan, play};

const PEOPLE: u32 = 30;

fn family(list: Vec<Family>, name: &str) -> Family {
    list.into_iter().find(|family| family.name == name).expect("a family of this name")
}

fn drop_of(family: &Family, defended: bool) -> Outcome {
    let crowd = people(PEOPLE, 1).and(programs(family, PEOPLE * 9, 1));
    let setting = Setting { defended, told_cards: true, ..Setting::default() };
    play(&crowd, &Plan { setting, units: 12, seed: 1 }).expect("the gateway answers")
}

#[test]
fn loops_get_most_of_it_without_the_defence_and_next_to_nothing_with_it() {
    let family = family(test(), "plain loop");
    let open = drop_of(&family, false);
    assert!(open.share() > 0.6, "nine of ten entries: {}", open.share());
    let defended = drop_of(&family, true);
    assert_eq!(defended.of(true, |t| t.sold.into()), 0, "{:?}", defended.tallies);
    assert_eq!(defended.of(false, |t| t.sold.into()), 12, "people get all of it");
    let asked = defended.of(true, |t| t.challenged.into());
    assert_eq!(asked, u64::from(PEOPLE * 9), "each of them is asked");
    assert_eq!(defended.of(false, |t| t.refused.into()), 0);
}

#[test]
fn solvers_that_share_cards_are_weighted_down_and_people_are_not() {
    let family = family(calibration(), "native solver");
    let defended = drop_of(&family, true);
    let light = defended.of(true, |t| t.light.into());
    assert!(light * 2 > u64::from(PEOPLE * 9), "most stand behind: {light}");
    assert!(defended.of(true, |t| t.solved.into()) > 0, "they solve what they are asked");
    assert_eq!(defended.of(false, |t| (t.light + t.refused).into()), 0, "{:?}", defended.tallies);
    assert!(defended.share() < drop_of(&family, false).share() / 2.0);
}

#[test]
fn the_same_seed_makes_the_same_crowd() {
    let crowd = |seed| {
        let all = calibration().into_iter().chain(test());
        let bots = all.map(|family| programs(&family, 50, seed));
        format!("{:?}", bots.fold(people(200, seed), |all, some| all.and(some)))
    };
    assert_eq!(crowd(1), crowd(1));
    assert_ne!(crowd(1), crowd(2));
}
