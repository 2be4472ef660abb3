//! Records about the line that do not follow from what was before are refused, and what a put and a
//! live change leave of each other.

use super::*;
use crate::refusal::Refusal;
use onrush_types::limits::{RETURNS_MAX, TICKETS_MAX};

fn line_record(terms: LineTerms, seed: u8) -> Change {
    let commitments = vec![Seed([seed; 32]).commitment()];
    Change::Line { campaign: CAMPAIGN, terms: Box::new(terms), commitments }
}

fn joined(number: u32, class: u8, lane: u8) -> Change {
    let (campaign, buyer) = (CAMPAIGN, buyer(number));
    Change::Joined { campaign, number: TicketNo(number), buyer, class, lane }
}

fn returned(number: u32) -> Change {
    Change::Returned { campaign: CAMPAIGN, number: TicketNo(number), place: number }
}

fn reserved(seq: u32, pass: Option<u32>) -> Change {
    Change::Reserved(Reserved {
        seq: ReservationSeq(seq),
        sku: SkuIx(0),
        quantity: Quantity::ONE,
        buyer: buyer(pass.unwrap_or(seq)),
        key: KeyDigest(7),
        request: RequestDigest(0),
        amount: 100,
        expires_at: Timestamp(OPENS + HOLD),
        review: false,
        details: None,
        pass: pass.map(|n| PassUse { number: TicketNo(n), place: n }),
    })
}

#[test]
fn the_terms_and_the_promise_of_a_published_line_stay() {
    let longer = LineTerms { pass: DurationMs(PASS + 1), ..terms() };
    for (changed, seed) in [(longer, 1), (terms(), 9)] {
        let mut sale = Sale::put(spec(terms()));
        let said = sale.refused(2_000, line_record(changed, seed));
        assert!(said.contains("changed after it was published"), "{said}");
    }
    let mut sale = Sale::put(spec(terms()));
    let said = sale.refused(
        2_000,
        Change::Line { campaign: CAMPAIGN, terms: Box::new(terms()), commitments: vec![] },
    );
    assert!(said.contains("one commitment for each lane"), "{said}");
}

#[test]
fn a_live_outflow_stays_until_the_terms_say_another_one() {
    let outflow = |n| Outflow { per_second: Some(n), ..Outflow::default() };
    let mut sale = Sale::put(spec(LineTerms { outflow: outflow(10), ..terms() }));
    let set = Action::SetOutflow { campaign: CAMPAIGN, outflow: outflow(25), by: by() };
    assert_eq!(sale.act(2_000, set), Answer::Done(Subject::Campaign(CAMPAIGN)));
    for (said, live) in [(10, 25), (11, 11), (10, 10)] {
        sale.record(2_000, line_record(LineTerms { outflow: outflow(said), ..terms() }, 1));
        assert_eq!(
            (sale.line().outflow, sale.line().terms.outflow),
            (outflow(live), outflow(said))
        );
    }
}

#[test]
fn a_line_comes_before_the_draw_or_never() {
    for (reached, fits) in [(Phase::Preheat, true), (Phase::Draw, false), (Phase::Open, false)] {
        let mut sale = Sale::put(CampaignSpec { line: None, ..spec(terms()) });
        sale.record(2_000, Change::Phase { campaign: CAMPAIGN, to: reached, by: None });
        let change = line_record(terms(), 1);
        if fits {
            sale.record(2_000, change);
            assert_eq!(sale.line().stock().free, 20, "it counts what was there before it");
        } else {
            let said = sale.refused(2_000, change);
            assert!(said.contains("a line came after the draw"), "{reached:?}: {said}");
        }
    }
}

#[test]
fn a_draft_takes_other_terms_and_lanes_and_a_published_line_keeps_its_promise() {
    let done = Answer::Done(Subject::Campaign(CAMPAIGN));
    let put = |sale: &mut Sale, line: &LineTerms, published| {
        let mut spec = spec(line.clone());
        spec.terms.published = published;
        sale.act(2_000, Action::Put(Box::new(spec)))
    };
    let mut draft = spec(terms());
    draft.terms.published = false;
    let mut sale = Sale::put(draft);
    let longer = LineTerms { pass: DurationMs(PASS + 1), ..terms() };
    assert_eq!(put(&mut sale, &longer, false), done);
    assert_eq!(sale.line().terms, longer, "with the same commitments");
    let mut lanes = longer;
    lanes.tiers.push(lanes.tiers[0].clone());
    (lanes.tiers[1].name, lanes.tiers[1].after) = (name("late"), DurationMs(500));
    sale.takes.seed = 3;
    assert_eq!(put(&mut sale, &lanes, false), done);
    let promised = [3, 4].map(|seed| Seed([seed; 32]).commitment());
    assert_eq!((sale.line().lanes.len(), &sale.line().commitments[..]), (2, &promised[..]));
    assert_eq!(put(&mut sale, &lanes, true), done);
    // From now on the promise stands, whatever seeds would be drawn for a new line.
    sale.takes.seed = 7;
    assert_eq!(put(&mut sale, &lanes, true), Answer::Already(Subject::Campaign(CAMPAIGN)));
    lanes.outflow.inside = Some(5);
    assert_eq!(put(&mut sale, &lanes, true), done);
    assert_eq!(
        (sale.line().outflow.inside, &sale.line().commitments[..]),
        (Some(5), &promised[..])
    );
}

#[test]
fn a_ticket_for_the_draw_is_made_until_joining_closes() {
    let closes = OPENS - 2_000;
    let mut timed = spec(terms());
    timed.terms.schedule.draw_at = Some(Timestamp(closes));
    let mut sale = Sale::put(timed);
    sale.record(closes - 1, joined(0, 0, 0));
    let said = sale.refused(closes, joined(1, 0, 0));
    assert!(said.contains("a draw that was closed"), "{said}");
}

#[test]
fn the_last_ticket_of_a_line_is_made_and_no_more() {
    let last = TICKETS_MAX as u32 - 1;
    let mut sale = Sale::open(spec(terms()), 0);
    sale.line_mut().tickets.pretend_made(last);
    let join = |n| Action::Join { campaign: CAMPAIGN, buyer: buyer(n), class: 0 };
    let ticket = Subject::Ticket(CAMPAIGN, TicketNo(last));
    assert_eq!(sale.act(OPENS, join(0)), Answer::Done(ticket));
    let full = Refusal::Overloaded { retry_after_ms: 1_000 };
    assert_eq!(sale.act(OPENS, join(1)), Answer::Refused(full));
    let (number, buyer) = (TicketNo(last + 1), buyer(1));
    let one_more = Change::Joined { campaign: CAMPAIGN, number, buyer, class: 0, lane: 0 };
    let said = sale.refused(OPENS, one_more);
    assert!(said.contains("more tickets than a line holds"), "{said}");
}

#[test]
fn nobody_enters_a_lane_behind_which_others_came() {
    let mut lanes = terms();
    lanes.tiers.push(lanes.tiers[0].clone());
    (lanes.tiers[1].name, lanes.tiers[1].after) = (name("late"), DurationMs(500));
    let mut sale = Sale::put(spec(lanes));
    sale.line_mut().lanes[1].arrivals = 1;
    let mut ticket = crate::line::tickets::TicketRow {
        buyer: buyer(0),
        joined_at: Timestamp(OPENS),
        class: 0,
        lane: 0,
        place: None,
        used: false,
        returned: false,
    };
    let said = sale.line_mut().add_ticket(&ticket, true).expect_err("its place would be taken");
    assert!(said.contains("after which others entered"), "{said}");
    ticket.lane = 1;
    sale.line_mut().add_ticket(&ticket, true).expect("the last lane");
    ticket.lane = 2;
    assert!(sale.line_mut().add_ticket(&ticket, true).is_err(), "no such lane");
}

#[test]
fn nobody_is_called_up_for_nothing_or_past_the_number_inside() {
    let inside = |n| Outflow { inside: Some(n), ..Outflow::default() };
    let mut sale = Sale::open(spec(LineTerms { outflow: inside(5), ..terms() }), 9);
    sale.record(OPENS, served(1, 0));
    sale.reserve(OPENS, 0, 1);
    let said = sale.refused(OPENS + 20, served(1, 0));
    assert!(said.contains("nobody was called up"), "{said}");
    for (limit, through, fits) in [(5, 5, true), (4, 5, false), (4, 4, true), (1, 2, false)] {
        let mut sale = Sale::open(spec(terms()), 9);
        sale.record(OPENS, served(1, 0));
        sale.reserve(OPENS, 0, 1);
        let (campaign, outflow) = (CAMPAIGN, inside(limit));
        sale.act(OPENS, Action::SetOutflow { campaign, outflow, by: by() });
        // One holds; the others have passes.
        if fits {
            sale.record(OPENS + 20, served(through, 0));
        } else {
            let said = sale.refused(OPENS + 20, served(through, 0));
            assert!(said.contains("more people inside"), "{limit}, {through}: {said}");
        }
    }
}

#[test]
fn a_used_ticket_does_not_come_back_and_another_does_once() {
    let sale = || {
        let mut sale = Sale::open(spec(terms()), 3);
        sale.record(OPENS, served(2, 0));
        sale.reserve(OPENS, 0, 1);
        sale
    };
    let said = sale().refused(OPENS + PASS, returned(0));
    assert!(said.contains("came back that cannot"), "{said}");
    let mut twice = sale();
    twice.record(OPENS + PASS, returned(1));
    let said = twice.refused(OPENS + PASS, returned(1));
    assert!(said.contains("came back that cannot"), "{said}");
    for (now, number) in [(OPENS + PASS - 1, 1), (OPENS + PASS + GRACE, 1), (OPENS + PASS, 2)] {
        let said = sale().refused(now, returned(number));
        assert!(said.contains("was not passed over"), "{now}, {number}: {said}");
    }
}

#[test]
fn as_many_may_come_back_as_there_is_room_for() {
    let most = RETURNS_MAX;
    for (waiting, again, fits) in [
        (most - 1, 0, true),
        (0, most - 1, true),
        (40_000, most - 40_001, true),
        (most, 0, false),
        (0, most, false),
        (40_000, most - 40_000, false),
    ] {
        let sale = || {
            let mut sale = Sale::open(spec(terms()), 2);
            sale.record(OPENS, served(1, 0));
            let line = sale.line_mut();
            line.waiting = (0..waiting as u32).map(|n| n + 9).collect();
            let at = Timestamp(OPENS);
            line.again = (0..again as u32).map(|n| Again { number: TicketNo(n + 9), at }).collect();
            sale
        };
        let answer = sale().come_back(OPENS + PASS, 0);
        if fits {
            assert_eq!(answer, Answer::Done(Subject::Ticket(CAMPAIGN, TicketNo(0))));
            sale().record(OPENS + PASS, returned(0));
        } else {
            let full = Refusal::Overloaded { retry_after_ms: 1_000 };
            assert_eq!(answer, Answer::Refused(full), "{waiting}, {again}");
            let said = sale().refused(OPENS + PASS, returned(0));
            assert!(said.contains("more than may come back"), "{waiting}, {again}: {said}");
        }
    }
}

#[test]
fn a_hold_in_a_sale_with_a_line_comes_with_a_pass() {
    let mut sale = Sale::open(spec(terms()), 2);
    sale.record(OPENS, served(1, 0));
    sale.record(OPENS, reserved(0, Some(0)));
    for (pass, words) in [
        (None, "without a pass"),
        (Some(0), "used before"),
        (Some(1), "not called up, or over"),
        (Some(5), "of no ticket"),
    ] {
        let mut sale = Sale::open(spec(terms()), 2);
        sale.record(OPENS, served(1, 0));
        sale.record(OPENS, reserved(0, Some(0)));
        let said = sale.refused(OPENS, reserved(1, pass));
        assert!(said.contains(words), "{said} ({words})");
    }
    let mut plain = Sale::put(CampaignSpec { line: None, ..spec(terms()) });
    plain.switch(OPENS);
    let said = plain.refused(OPENS, reserved(0, Some(0)));
    assert!(said.contains("a sale without a line"), "{said}");
}
