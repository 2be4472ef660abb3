//! When people may join, come back, be called up and be told about it: each moment, and the one
//! before it.

use super::*;
use crate::line::outflow::WHOLE;
use crate::line::terms::Tier;
use crate::refusal::Refusal;

const LATE: u64 = 20_000;

fn due(sale: &Sale, now: u64) -> Option<u32> {
    match sale.ledger.due_served(CAMPAIGN, WHOLE, Timestamp(now)) {
        Some(Change::Served { through, .. }) => Some(through),
        other => {
            assert_eq!(other, None);
            None
        }
    }
}

fn next(sale: &Sale, now: u64) -> Option<u64> {
    sale.ledger.next_served_at(CAMPAIGN, Timestamp(now)).map(|at| at.0)
}

/// Class 0 enters when the sale opens, class 1 a while later.
fn two_lanes() -> LineTerms {
    let tier = |text: &str, after| Tier {
        name: name(text),
        groups: vec![],
        weight: 1,
        after: DurationMs(after),
    };
    LineTerms { tiers: vec![tier("first", 0), tier("late", LATE)], ..terms() }
}

fn join(sale: &mut Sale, now: u64, class: u8) -> Answer {
    let buyer = buyer(sale.line().joined());
    sale.act(now, Action::Join { campaign: CAMPAIGN, buyer, class })
}

#[test]
fn a_draw_before_an_opening_by_hand_closes_the_first_lane_alone() {
    let mut timed = spec(two_lanes());
    let schedule = &mut timed.terms.schedule;
    (schedule.draw_at, schedule.opens_at) = (Some(Timestamp(OPENS - 8_000)), None);
    let mut sale = Sale::put(timed);
    assert!(matches!(join(&mut sale, OPENS - 8_001, 0), Answer::Done(_)));
    sale.switch(OPENS - 8_000);
    let refused = Answer::Refused(Refusal::NotOpen { opens_at: None });
    assert_eq!(join(&mut sale, OPENS - 8_000, 0), refused);
    assert!(matches!(join(&mut sale, OPENS - 8_000, 1), Answer::Done(_)));
}

#[test]
fn a_later_lane_closes_as_long_before_its_start_as_the_first() {
    let mut timed = spec(two_lanes());
    timed.terms.schedule.draw_at = Some(Timestamp(OPENS - 1_000));
    let mut sale = Sale::put(timed);
    sale.switch(OPENS - 1_000);
    let refused = |at| Answer::Refused(Refusal::NotOpen { opens_at: Some(Timestamp(at)) });
    assert_eq!(join(&mut sale, OPENS - 1_000, 0), refused(OPENS));
    sale.switch(OPENS);
    assert!(matches!(join(&mut sale, OPENS, 0), Answer::Done(_)), "behind the draw");
    let closes = OPENS + LATE - 1_000;
    assert!(matches!(join(&mut sale, closes - 1, 1), Answer::Done(_)));
    assert_eq!(join(&mut sale, closes, 1), refused(OPENS + LATE));
    assert!(matches!(join(&mut sale, OPENS + LATE, 1), Answer::Done(_)));
}

#[test]
fn nobody_comes_back_to_a_sale_that_is_over() {
    let mut sale = Sale::open(spec(terms()), 2);
    sale.record(OPENS, served(1, 0));
    let to = Phase::Closed;
    sale.act(OPENS + 1, Action::Move { campaign: CAMPAIGN, to, by: by() });
    assert_eq!(sale.come_back(OPENS + PASS, 0), Answer::Refused(Refusal::Ended));
    let mut planned = spec(terms());
    planned.terms.schedule.closes_at = Some(Timestamp(OPENS + PASS + 1));
    let mut sale = Sale::open(planned, 3);
    sale.record(OPENS, served(2, 0));
    let ticket = Subject::Ticket(CAMPAIGN, TicketNo(0));
    assert_eq!(sale.come_back(OPENS + PASS, 0), Answer::Done(ticket));
    assert_eq!(sale.come_back(OPENS + PASS + 1, 1), Answer::Refused(Refusal::Ended));
}

#[test]
fn a_public_value_has_1_to_200_bytes() {
    for (bytes, fits) in [(0, false), (1, true), (200, true), (201, false), (202, false)] {
        let source = "dice".to_owned();
        let mut timed = spec(LineTerms { public_value_source: source, ..terms() });
        timed.terms.schedule.draw_at = Some(Timestamp(OPENS - 1_000));
        let mut sale = Sale::put(timed);
        sale.switch(OPENS - 1_000);
        let (campaign, value) = (CAMPAIGN, "7".repeat(bytes));
        let set = Action::SetPublicValue { campaign, lane: 0, value: value.clone(), by: by() };
        match sale.act(OPENS - 1_000, set) {
            Answer::Done(_) if fits => {
                assert_eq!(sale.line().lanes[0].public_value, Some(value));
            }
            Answer::Refused(Refusal::Invalid(what)) if !fits => {
                assert!(what.starts_with("value: "), "{what}");
            }
            other => panic!("{bytes} bytes: {other:?}"),
        }
    }
}

#[test]
fn people_are_called_up_a_spacing_apart() {
    let mut sale = Sale::open(spec(terms()), 3);
    assert_eq!(due(&sale, OPENS), Some(3));
    sale.record(OPENS, served(3, 0));
    assert_eq!(due(&sale, OPENS + 60), None, "nobody is behind them");
    sale.join(OPENS, 2);
    assert_eq!((due(&sale, OPENS), due(&sale, OPENS + 19)), (None, None));
    assert_eq!(due(&sale, OPENS + 20), Some(5));
}

#[test]
fn a_second_call_counts_for_the_spacing_too() {
    let mut sale = Sale::open(spec(terms()), 2);
    sale.record(OPENS, served(2, 0));
    sale.come_back(OPENS + PASS, 0);
    sale.record(OPENS + PASS, served(2, 1));
    sale.come_back(OPENS + PASS, 1);
    assert_eq!(due(&sale, OPENS + PASS + 19), None);
    assert_eq!(due(&sale, OPENS + PASS + 20), Some(2));
}

#[test]
fn people_are_called_up_in_an_open_sale_only() {
    // Planned and noted phase must both be open: a switch is due before anybody is called up.
    let mut planned = spec(terms());
    planned.terms.schedule.closes_at = Some(Timestamp(OPENS + 50_000));
    let mut sale = Sale::put(planned.clone());
    sale.draw(OPENS);
    sale.join(OPENS, 2);
    assert_eq!(due(&sale, OPENS), None, "the opening is not noted yet");
    assert_eq!(next(&sale, OPENS), None);
    let mut sale = Sale::open(planned, 2);
    assert_eq!(due(&sale, OPENS + 49_999), Some(2));
    assert_eq!(due(&sale, OPENS + 50_000), None, "the end is not noted yet");
    let to = Phase::Paused;
    sale.act(OPENS + 1, Action::Move { campaign: CAMPAIGN, to, by: by() });
    assert_eq!(due(&sale, OPENS + 2), None);
}

#[test]
fn the_next_call_waits_for_the_spacing_and_then_for_passes_to_lapse() {
    let mut sale = Sale::open(spec(terms()), 0);
    assert_eq!(next(&sale, OPENS), None, "nobody is there");
    sale.join(OPENS, 2);
    assert_eq!(next(&sale, OPENS), None, "nothing holds them back but an action");
    sale.record(OPENS, served(2, 0));
    assert_eq!(next(&sale, OPENS), None, "nobody is behind them");
    sale.join(OPENS, 3);
    let (first, second) = (OPENS + PASS, OPENS + 1_000 + PASS);
    assert_eq!(next(&sale, OPENS), Some(OPENS + 20));
    assert_eq!(next(&sale, OPENS + 19), Some(OPENS + 20));
    assert_eq!(next(&sale, OPENS + 20), Some(first));
    sale.record(OPENS + 1_000, served(3, 0));
    assert_eq!(next(&sale, OPENS + 1_000), Some(OPENS + 1_020));
    assert_eq!(next(&sale, OPENS + 1_500), Some(first));
    assert_eq!(next(&sale, first - 1), Some(first));
    assert_eq!(next(&sale, first), Some(second), "each lapse once");
    assert_eq!(next(&sale, second - 1), Some(second));
    assert_eq!(next(&sale, second), None);
    let to = Phase::Paused;
    sale.act(OPENS + 1_000, Action::Move { campaign: CAMPAIGN, to, by: by() });
    assert_eq!(next(&sale, OPENS + 1_500), None, "not in a pause");
}

#[test]
fn who_came_back_is_waited_for_like_who_is_new() {
    let mut sale = Sale::open(spec(terms()), 2);
    sale.record(OPENS, served(1, 0));
    sale.record(OPENS + 1_000, served(2, 0));
    assert_eq!(next(&sale, OPENS + 2_000), None);
    sale.come_back(OPENS + PASS, 0);
    assert_eq!(next(&sale, OPENS + PASS), Some(OPENS + 1_000 + PASS));
}

#[test]
fn the_next_call_waits_for_the_rate() {
    let outflow = Outflow { per_second: Some(10), ..Outflow::default() };
    let mut sale = Sale::open(spec(LineTerms { outflow, ..terms() }), 4);
    // A fifth of a second was saved up; the third person is a tenth of a second away.
    assert_eq!(due(&sale, OPENS), Some(2));
    sale.record(
        OPENS,
        Change::Served { campaign: CAMPAIGN, through: 2, returned: 0, per_second: Some(10) },
    );
    assert_eq!(next(&sale, OPENS + 10), Some(OPENS + 20));
    assert_eq!(next(&sale, OPENS + 20), Some(OPENS + 100));
    assert_eq!(next(&sale, OPENS + 99), Some(OPENS + 100));
    assert_eq!((due(&sale, OPENS + 99), due(&sale, OPENS + 100)), (None, Some(3)));
    assert_eq!(next(&sale, OPENS + 100), Some(OPENS + PASS));
}
