//! What falls due: a wave that finds no room, a wave whose SKU comes late, and when the clock must
//! not follow a step.

use super::apply_tests::{at, campaign, name, reserved, sku};
use super::extend_tests::{by, perform};
use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms, Wave};
use crate::phase::{Phase, Schedule};
use onrush_types::limits::SUPPLY_MAX;
use onrush_types::*;

const OPENS: Timestamp = Timestamp(1_000_000);
const CLOSES: Timestamp = Timestamp(2_000_000);

fn planned(schedule: Schedule) -> Ledger {
    let mut ledger = Ledger::new([1, 2]);
    let mut change = campaign(0, "c");
    if let Change::Campaign { terms, .. } = &mut change {
        terms.schedule = schedule;
    }
    ledger.apply(&at(Timestamp(1), change)).expect("it follows");
    ledger
}

fn both() -> Schedule {
    Schedule { opens_at: Some(OPENS), closes_at: Some(CLOSES), ..Schedule::default() }
}

/// A sale that is open, or opens or closes within ten seconds, goes by a clock that never steps; and
/// one that is over, or far away, holds up no correction.
#[test]
fn the_clock_is_frozen_around_a_switch_and_while_a_sale_is_open() {
    use Phase::*;
    assert!(!Ledger::new([1, 2]).clock_is_frozen(OPENS));
    for (reached, now, frozen) in [
        (Scheduled, 500_000, false),
        (Scheduled, 989_999, false),
        (Scheduled, 990_000, true),
        (Scheduled, 999_999, true),
        (Scheduled, 1_000_000, true),
        (Draft, 989_999, false),
        (Preheat, 989_999, false),
        (Open, 500_000, true),
        (Open, 1_500_000, true),
        (Paused, 1_500_000, true),
        (Open, 1_999_999, true),
        (Open, 2_000_000, false),
        (Closed, 1_500_000, false),
        (Closed, 1_995_000, false),
        (Settled, 1_995_000, false),
        (Settled, 2_500_000, false),
    ] {
        let mut ledger = planned(both());
        ledger.campaigns[0].reached = reached;
        assert_eq!(ledger.clock_is_frozen(Timestamp(now)), frozen, "{reached:?} at {now}");
    }
}

#[test]
fn the_next_switch_is_told_before_it_comes() {
    assert_eq!(Ledger::new([1, 2]).next_switch_at(), Timestamp::FAR_FUTURE);
    let mut ledger = planned(both());
    for (at, to) in [(OPENS, Phase::Open), (CLOSES, Phase::Closed)] {
        assert_eq!(ledger.next_switch_at(), at);
        assert_eq!(ledger.due_switch(Timestamp(at.0 - 1)), None);
        let change = ledger.due_switch(at).expect("it is due");
        assert_eq!(change, Change::Phase { campaign: CampaignIx(0), to, by: None });
        ledger.record(change, at, &mut |_, _| {}).expect("it follows");
    }
    assert_eq!(ledger.next_switch_at(), Timestamp::FAR_FUTURE);
}

/// The engine asks this to know whether it must be on time for a deadline.
#[test]
fn a_hold_is_live_until_it_is_over() {
    for review in [false, true] {
        let mut ledger = planned(both());
        let now = OPENS;
        let record = |ledger: &mut Ledger, change| {
            ledger.record(change, now, &mut |_, _| {}).expect("it follows");
        };
        record(&mut ledger, sku(0, "s", 5));
        let open = ledger.due_switch(now).expect("it opens");
        record(&mut ledger, open);
        assert!(!ledger.has_live_hold(), "a duration is known, and nobody holds anything");
        let hold = |seq, more| Reserved { expires_at: now + DurationMs(more), ..reserved(seq, 1) };
        for (seq, more) in [(0, 10_000), (1, 5_000)] {
            record(&mut ledger, Change::Reserved(Reserved { review, ..hold(seq, more) }));
        }
        for seq in [ReservationSeq(0), ReservationSeq(1)] {
            assert!(ledger.has_live_hold(), "{seq:?}");
            record(&mut ledger, Change::Released { seq, key: None });
        }
        assert!(!ledger.has_live_hold());
        assert_eq!(ledger.due_expiry(Timestamp::FAR_FUTURE), None);
    }
}

fn terms(waves: Vec<Wave>) -> Terms {
    Terms { waves, ..Terms::open_now(Currency::CNY) }
}

fn put(ledger: &mut Ledger, waves: Vec<Wave>, skus: Vec<SkuSpec>) {
    let spec = CampaignSpec::new(name("c"), terms(waves), skus);
    let answer = perform(ledger, Action::Put(Box::new(spec)), OPENS);
    assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    while let Some(change) = ledger.due_switch(OPENS) {
        ledger.record(change, OPENS, &mut |_, _| {}).expect("it follows");
    }
}

/// A sale that is open already gets a second SKU with a wave of its own: it comes when it should, not
/// when something else happens to be looked at.
#[test]
fn a_wave_of_a_sku_that_came_late_is_due_at_its_time() {
    let mut ledger = Ledger::new([1, 2]);
    put(&mut ledger, Vec::new(), vec![SkuSpec::new(name("s"), 100, 5)]);
    assert_eq!(ledger.next_due_at(), None);
    let wave = Wave { at: CLOSES, sku: name("t"), units: 3 };
    put(&mut ledger, vec![wave], vec![SkuSpec::new(name("t"), 100, 0)]);
    assert_eq!(ledger.next_due_at(), Some(CLOSES));
    let change = ledger.due_switch(CLOSES).expect("the wave");
    let (sku, source) = (SkuIx(1), Source::Wave(0));
    assert_eq!(change, Change::Supplied { sku, units: 3, source });
}

/// Units supplied by hand may have used the room that a wave was planned for: what fits comes.
#[test]
fn a_wave_brings_what_still_fits() {
    for (by_hand, comes) in [(9, 10), (10, 10), (11, 9), (20, 0)] {
        let mut ledger = Ledger::new([1, 2]);
        let wave = Wave { at: CLOSES, sku: name("s"), units: 10 };
        put(&mut ledger, vec![wave], vec![SkuSpec::new(name("s"), 100, SUPPLY_MAX - 20)]);
        let (sku, source) = (SkuIx(0), Source::Operator(by()));
        let supplied = Change::Supplied { sku, units: by_hand, source };
        ledger.record(supplied, OPENS, &mut |_, _| {}).expect("it follows");
        let change = ledger.due_switch(CLOSES).expect("the wave");
        assert_eq!(change, Change::Supplied { sku, units: comes, source: Source::Wave(0) });
        ledger.record(change, CLOSES, &mut |_, _| {}).expect("it follows");
        assert_eq!(ledger.skus()[0].supplied, SUPPLY_MAX - 20 + by_hand + comes);
        assert_eq!(ledger.due_switch(CLOSES), None);
    }
}
