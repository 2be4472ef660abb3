//! Limits of putting deadlines off, and records of it that do not follow.

use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms};
use crate::phase::Schedule;
use crate::refusal::Refusal;
use onrush_types::limits::{EXTEND_MS_MAX, EXTEND_MS_MIN, HOLD_CLASSES_MAX, HOLD_MS_MAX};
use onrush_types::*;

pub(super) const NOW: Timestamp = Timestamp(1_000_000);

pub(super) struct Nothing;

impl Take for Nothing {
    fn take(&mut self, _: SkuIx, _: u32) -> bool {
        true
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, lane: u8) -> [u8; 32] {
        [lane; 32]
    }
}

pub(super) fn by() -> By {
    By::new("test", "the bank is down")
}

pub(super) fn perform(ledger: &mut Ledger, action: Action, now: Timestamp) -> Answer {
    ledger.perform(action, now, &mut Nothing, &mut |_, _| {}).expect("applies")
}

fn extend(ledger: &mut Ledger, holds: Holds, more: u64) -> Answer {
    let more = DurationMs(more);
    perform(ledger, Action::Extend { holds, more, by: by() }, NOW)
}

pub(super) fn put(ledger: &mut Ledger, hold: u64) {
    let terms = Terms {
        published: true,
        schedule: Schedule { opens_at: Some(NOW), ..Schedule::default() },
        currency: Currency::CNY,
        limit_per_buyer: 1_000,
        hold: DurationMs(hold),
        buyers_expected: 1,
        waves: vec![],
        supply_from_stores: false,
        attributes: String::new(),
    };
    let name = |text| Name::new(text).expect("a name");
    let sku = SkuSpec { name: name("s"), price: 100, limit_per_buyer: 1_000, supply: 900 };
    let spec = CampaignSpec::new(name("c"), terms, vec![sku]);
    let answer = perform(ledger, Action::Put(Box::new(spec)), NOW);
    assert!(matches!(answer, Answer::Done(_) | Answer::Already(_)), "{answer:?}");
    while let Some(change) = ledger.due_switch(NOW) {
        ledger.record(change, NOW, &mut |_, _| {}).expect("a switch applies");
    }
}

pub(super) fn ask(key: u64, halvings: u8) -> Reserve {
    Reserve {
        sku: SkuIx(0),
        quantity: Quantity::ONE,
        buyer: BuyerDigest([key as u8; 16]),
        key: KeyDigest(key),
        request: RequestDigest(0),
        review: false,
        halvings,
        details: None,
        pass: None,
    }
}

fn hold(ledger: &mut Ledger, key: u64) -> Holds {
    match perform(ledger, Action::Reserve(ask(key, 0)), NOW) {
        Answer::Done(Subject::Reservation(seq)) => Holds::One(seq),
        other => panic!("not held: {other:?}"),
    }
}

pub(super) fn is_invalid(answer: &Answer, said: &str) -> bool {
    matches!(answer, Answer::Refused(Refusal::Invalid(what)) if what.contains(said))
}

#[test]
fn a_hold_never_lives_longer_than_any_may() {
    let mut ledger = Ledger::new([1, 2]);
    put(&mut ledger, HOLD_MS_MAX - EXTEND_MS_MIN);
    let one = hold(&mut ledger, 1);
    let before = ledger.digest();
    assert!(is_invalid(&extend(&mut ledger, one, EXTEND_MS_MIN + 1), "7 days"));
    assert!(is_invalid(&extend(&mut ledger, one, EXTEND_MS_MAX), "7 days"));
    assert_eq!(ledger.digest(), before, "a refusal changes nothing");
    assert!(matches!(extend(&mut ledger, one, EXTEND_MS_MIN), Answer::Done(_)));
    let expires_at = ledger.reservation(ReservationSeq(0)).expect("held").expires_at;
    assert_eq!(expires_at, NOW + DurationMs(HOLD_MS_MAX));
    assert_eq!(ledger.held_at(ReservationSeq(0)), Some(NOW), "it was made when it was made");
    let all = Holds::Campaign(CampaignIx(0));
    assert!(is_invalid(&extend(&mut ledger, all, EXTEND_MS_MIN), "7 days"));
}

/// Durations are kept apart up to a bound; campaigns still find room once extensions do not.
#[test]
fn durations_are_bounded_and_some_are_left_to_campaigns() {
    let mut ledger = Ledger::new([1, 2]);
    put(&mut ledger, 10_000);
    let one = hold(&mut ledger, 1);
    let mut steps = 0;
    let refused = loop {
        match extend(&mut ledger, one, EXTEND_MS_MIN + steps) {
            Answer::Done(_) => steps += 1,
            refused => break refused,
        }
    };
    assert!(is_invalid(&refused, "too many different durations"), "{refused:?}");
    assert_eq!(steps, HOLD_CLASSES_MAX as u64 * 3 / 4 - 1);
    // A duration that is known is no new one.
    let other = hold(&mut ledger, 2);
    assert!(matches!(extend(&mut ledger, other, EXTEND_MS_MIN), Answer::Done(_)));
    let third = hold(&mut ledger, 3);
    put(&mut ledger, 77_777);
    // Nor is it where campaigns have used what extensions left to them.
    assert!(matches!(extend(&mut ledger, third, EXTEND_MS_MIN), Answer::Done(_)));
    let what = extend(&mut ledger, third, EXTEND_MS_MIN + 9_999);
    assert!(is_invalid(&what, "too many different durations"), "{what:?}");
}

#[test]
fn records_that_do_not_follow_are_refused() {
    let mut ledger = Ledger::new([1, 2]);
    put(&mut ledger, 10_000);
    let one = hold(&mut ledger, 1);
    let seq = ReservationSeq(0);
    let apply = |ledger: &mut Ledger, holds, more| {
        let change = Change::Extended { holds, more: DurationMs(more), by: by() };
        ledger.apply(&Record { stamp: NOW, change }).map_err(|error| error.what)
    };
    let all = Holds::Campaign(CampaignIx(0));
    for (holds, more, said) in [
        (one, 0, "at a time"),
        (all, EXTEND_MS_MAX + 1, "at a time"),
        (Holds::Campaign(CampaignIx(1)), 5_000, "no live hold"),
        (Holds::One(ReservationSeq(1)), 5_000, "no live hold"),
    ] {
        let what = apply(&mut ledger, holds, more).expect_err("it does not follow");
        assert!(what.contains(said), "{what}");
    }
    let effect = apply(&mut ledger, all, 5_000).expect("it follows");
    assert_eq!((effect.touched, effect.stock), (Touched::Deadlines(seq, seq), None));
    for _ in 0..6 {
        apply(&mut ledger, one, EXTEND_MS_MAX).expect("up to a week");
    }
    let what = apply(&mut ledger, one, EXTEND_MS_MAX).expect_err("more than a week");
    assert!(what.contains("the longest"), "{what}");
    assert_eq!(ledger.due_expiry(NOW + DurationMs(15_000 + 6 * EXTEND_MS_MAX - 1)), None);
    assert_eq!(ledger.due_expiry(NOW + DurationMs(15_000 + 6 * EXTEND_MS_MAX)), Some(seq));
    ledger.record(Change::Released { seq, key: None }, NOW, &mut |_, _| {}).expect("released");
    let what = apply(&mut ledger, one, 5_000).expect_err("it is over");
    assert!(what.contains("no live hold"), "{what}");
}
