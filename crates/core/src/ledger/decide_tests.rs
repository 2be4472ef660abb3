//! Decisions at their edges: holds that are halved, reviews that a crash cut in two, and what
//! operators and shops say that is refused in words.

use super::apply_tests::{self as fixed, HOLD, NOW, at, ledger, name, paid, reserved};
use super::extend_tests::{self as open, Nothing, ask, by, is_invalid, perform, put};
use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms, Wave};
use crate::refusal::Refusal;
use crate::reservation::State;
use onrush_types::limits::{HOLD_CLASSES_MAX, SUPPLY_MAX, TEXT_BYTES_MAX};
use onrush_types::*;

const LATER: Timestamp = Timestamp(NOW.0 + HOLD.0);

/// Reserve with a hold that is to be halved so often; return how long it lives.
fn lives(ledger: &mut Ledger, key: u64, halvings: u8) -> u64 {
    let answer = perform(ledger, Action::Reserve(ask(key, halvings)), open::NOW);
    let Answer::Done(Subject::Reservation(seq)) = answer else { panic!("not held: {answer:?}") };
    ledger.reservation(seq).expect("held").expires_at.since(open::NOW).0
}

#[test]
fn a_halved_hold_leaves_time_to_pay() {
    for (hold, halvings, lived) in [
        (300_000, 0, 300_000),
        (300_000, 1, 150_000),
        (300_000, 2, 75_000),
        (300_000, 3, 37_500),
        (300_000, 9, 37_500),
        (240_000, 3, 30_000),
        (239_000, 3, 30_000),
        (59_000, 1, 30_000),
        (30_000, 1, 30_000),
        (10_000, 3, 10_000),
    ] {
        let mut ledger = Ledger::new([1, 2]);
        put(&mut ledger, hold);
        assert_eq!(lives(&mut ledger, 1, halvings), lived, "{hold} ms, halved {halvings} times");
    }
}

/// Half of the durations that a ledger keeps apart are left to campaigns: beyond that, a hold is only
/// halved to a duration that is known.
#[test]
fn halving_does_not_use_up_the_durations() {
    let mut ledger = Ledger::new([1, 2]);
    put(&mut ledger, 300_000);
    for n in 0..HOLD_CLASSES_MAX as u64 / 2 - 2 {
        ledger.hold_class(DurationMs(500_000 + n)).expect("there is room");
    }
    assert_eq!(ledger.hold_classes.len(), HOLD_CLASSES_MAX / 2 - 1);
    assert_eq!(lives(&mut ledger, 1, 1), 150_000, "the last new one");
    assert_eq!(lives(&mut ledger, 2, 2), 300_000, "the whole time");
    assert_eq!(lives(&mut ledger, 3, 1), 150_000, "a known one");
    assert_eq!(ledger.hold_classes.len(), HOLD_CLASSES_MAX / 2);
}

/// An accepted hold whose price was paid is two records. A crash may keep the first alone: asking
/// again sells it.
#[test]
fn an_acceptance_that_lost_its_sale_sells_when_asked_again() {
    for (amount, answer, state) in [
        (100, Answer::Done(Subject::Reservation(ReservationSeq(5))), State::Sold),
        (99, Answer::Already(Subject::Reservation(ReservationSeq(5))), State::Held),
    ] {
        let mut ledger = ledger();
        let (seq, expires_at) = (ReservationSeq(5), LATER + HOLD);
        for change in [
            Change::Reserved(Reserved { review: true, expires_at, ..reserved(5, 9) }),
            paid(5, "p5", amount, PaidOutcome::Partial),
            Change::Accepted { seq, by: by() },
        ] {
            ledger.apply(&at(LATER, change)).expect("it follows");
        }
        let judge = || Action::Judge { seq, accept: true, by: by() };
        assert_eq!(perform(&mut ledger, judge(), LATER), answer);
        assert_eq!(ledger.reservation(seq).map(|r| r.state), Some(state), "{amount} paid");
        ledger.audit().expect("units and money add up");
    }
}

fn confirm(reference: &str) -> Action {
    let Change::Paid(Paid { seq, line, .. }) = paid(0, reference, 100, PaidOutcome::Sold) else {
        unreachable!("that is what it makes")
    };
    Action::Confirm { seq, lines: vec![line], key: None }
}

#[test]
fn a_payment_has_a_reference_of_bounded_length() {
    let bounds = format!("1 to {TEXT_BYTES_MAX} bytes");
    for bytes in [0, TEXT_BYTES_MAX + 1, 10 * TEXT_BYTES_MAX] {
        let mut ledger = ledger();
        let answer = perform(&mut ledger, confirm(&"r".repeat(bytes)), LATER);
        assert!(is_invalid(&answer, &bounds), "{bytes}: {answer:?}");
        assert_eq!(ledger.digest(), fixed::ledger().digest(), "a refusal changes nothing");
    }
    for bytes in [1, TEXT_BYTES_MAX] {
        let answer = perform(&mut ledger(), confirm(&"r".repeat(bytes)), LATER);
        assert!(matches!(answer, Answer::Done(_)), "{bytes}: {answer:?}");
    }
}

#[test]
fn who_and_why_are_asked_for_and_bounded() {
    let most = TEXT_BYTES_MAX;
    for (who, why, said) in [
        (0, 1, "say who"),
        (1, 0, "say who"),
        (most + 1, 1, "at most 200 bytes"),
        (1, most + 1, "at most 200 bytes"),
        (10 * most, 10 * most, "at most 200 bytes"),
        (most, most, ""),
        (1, 1, ""),
    ] {
        let by = By::new(&"w".repeat(who), &"y".repeat(why));
        let action = Action::Supply { sku: SkuIx(0), units: 1, by };
        let answer = perform(&mut ledger(), action, LATER);
        let taken = matches!(answer, Answer::Done(_));
        assert!(if said.is_empty() { taken } else { is_invalid(&answer, said) }, "{answer:?}");
    }
}

/// Five units were supplied; two are free, two on hold, one is sold.
#[test]
fn supply_is_refused_with_what_would_have_fitted() {
    let room = i64::from(SUPPLY_MAX) - 5;
    let most = format!("at most {room} more units fit");
    for (units, said) in [
        (room, ""),
        (room + 1, most.as_str()),
        (i64::from(u32::MAX) + 1, &most),
        (i64::MAX, &most),
        (-2, ""),
        (-3, "only 2 units are free to withdraw"),
        (-(1 << 32), "only 2 units are free to withdraw"),
        (i64::MIN, "only 2 units are free to withdraw"),
        (0, "must not be zero"),
    ] {
        let mut ledger = ledger();
        let before = ledger.digest();
        let action = Action::Supply { sku: SkuIx(0), units, by: by() };
        let answer = perform(&mut ledger, action, LATER);
        if said.is_empty() {
            assert!(matches!(answer, Answer::Done(Subject::Sku(SkuIx(0)))), "{units}: {answer:?}");
            let s = &ledger.skus()[0];
            let withdrawn = i64::from(s.withdrawn);
            assert_eq!(i64::from(s.supplied) - withdrawn, 5 + units, "{units}");
            assert_eq!(i64::from(s.free), 2 + units, "{units}");
        } else {
            assert!(is_invalid(&answer, said), "{units}: {answer:?}");
            assert_eq!(ledger.digest(), before, "a refusal changes nothing");
        }
    }
}

/// Units that callers have taken and not reserved yet are not withdrawn, free though they are.
#[test]
fn units_that_are_being_taken_are_not_withdrawn() {
    struct Taken;
    impl Take for Taken {
        fn take(&mut self, _: SkuIx, _: u32) -> bool {
            false
        }

        fn commitment(&mut self, campaign: CampaignIx, name: &Name, lane: u8) -> [u8; 32] {
            Nothing.commitment(campaign, name, lane)
        }
    }
    let action = Action::Supply { sku: SkuIx(0), units: -1, by: by() };
    let answer = ledger().perform(action, LATER, &mut Taken, &mut |_, _| {}).expect("applies");
    assert!(is_invalid(&answer, "free to withdraw"), "{answer:?}");
}

fn put_waves(waves: &[(&str, u32)], skus: Vec<SkuSpec>) -> Answer {
    let wave = |&(sku, units): &(&str, u32)| Wave { at: LATER, sku: name(sku), units };
    let waves = waves.iter().map(wave).collect();
    let terms = Terms { waves, ..Terms::open_now(Currency::CNY) };
    let spec = CampaignSpec::new(name("d"), terms, skus);
    perform(&mut ledger(), Action::Put(Box::new(spec)), LATER)
}

#[test]
fn a_wave_is_of_a_sku_of_its_campaign_and_fits_it() {
    let sku = |called, supply| SkuSpec::new(name(called), 100, supply);
    let full = SUPPLY_MAX - 10;
    let too_many = format!("s would be supplied {} units", u64::from(SUPPLY_MAX) + 1);
    for (waves, skus, said) in [
        (vec![("s", 1)], vec![sku("s", 0)], ""),
        (vec![("t", 1)], vec![sku("s", 0)], "t is not a SKU of this campaign"),
        (vec![("t", 1)], vec![], "t is not a SKU of this campaign"),
        (vec![("s", 1), ("t", 1)], vec![sku("s", 0)], "t is not a SKU of this campaign"),
        (vec![("s", 10)], vec![sku("s", full)], ""),
        (vec![("s", 11)], vec![sku("s", full)], &too_many),
        (vec![("s", 4), ("s", 6)], vec![sku("s", full)], ""),
        (vec![("s", 4), ("s", 7)], vec![sku("s", full)], &too_many),
        (vec![("t", 11), ("s", 10)], vec![sku("s", full), sku("t", 0)], ""),
        (vec![("t", 11), ("s", 11)], vec![sku("t", 0), sku("s", full)], &too_many),
    ] {
        let answer = put_waves(&waves, skus);
        let done = matches!(answer, Answer::Done(_));
        assert!(if said.is_empty() { done } else { is_invalid(&answer, said) }, "{answer:?}");
    }
}

#[test]
fn a_campaign_that_does_not_exist_is_not_supplied() {
    let action = Action::Supply { sku: SkuIx(1), units: 1, by: by() };
    assert_eq!(perform(&mut ledger(), action, LATER), Answer::Refused(Refusal::NotFound));
}
