//! The tables are bounded (INV-9): the last place is given, one more is refused, by the decision in
//! words and by the journal's own check.

use super::apply_tests::{HOLD, NOW, at, campaign, ledger, name, paid, reserved, sku};
use super::extend_tests::{ask, is_invalid, perform};
use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms, WaitTerms};
use crate::refusal::Refusal;
use onrush_types::limits::{
    CAMPAIGNS_MAX, HOLD_CLASSES_MAX, PAYMENTS_PER_RESERVATION_MAX, RESERVATIONS_MAX, SKUS_MAX,
    SKUS_PER_CAMPAIGN_MAX,
};
use onrush_types::*;
use std::ops::Range;

const LATER: Timestamp = Timestamp(NOW.0 + HOLD.0);

fn put(ledger: &mut Ledger, called: &str, skus: Range<usize>) -> Answer {
    let sku = |n| SkuSpec::new(name(&format!("s{n}")), 100, 1);
    let terms = Terms::open_now(Currency::CNY);
    let spec = CampaignSpec::new(name(called), terms, skus.map(sku).collect());
    perform(ledger, Action::Put(Box::new(spec)), LATER)
}

/// Return what the journal's own check says of a record.
fn refused(ledger: &mut Ledger, change: Change) -> String {
    ledger.apply(&at(LATER, change)).expect_err("it is one too many").what
}

#[test]
fn a_campaign_and_a_data_folder_have_so_many_skus() {
    let mut ledger = Ledger::new([1, 2]);
    let most = SKUS_PER_CAMPAIGN_MAX;
    let no_room = "no room for that many";
    for skus in [0..1_100, 1_100..2_200, 2_000..most - 1] {
        assert!(matches!(put(&mut ledger, "c", skus), Answer::Done(_)));
    }
    assert!(is_invalid(&put(&mut ledger, "c", most - 1..most + 1), no_room));
    assert_eq!(ledger.skus().len(), most - 1, "a refusal adds none");
    assert!(matches!(put(&mut ledger, "c", most - 2..most), Answer::Done(_)));
    assert!(is_invalid(&put(&mut ledger, "c", most..most + 1), no_room));
    assert!(matches!(put(&mut ledger, "c", 0..5), Answer::Already(_)), "what is known needs none");
    // Other campaigns have used all places but one.
    let one = ledger.skus[0].clone();
    ledger.skus.resize(SKUS_MAX - 1, one);
    assert!(is_invalid(&put(&mut ledger, "d", 0..2), no_room));
    assert!(matches!(put(&mut ledger, "d", 0..1), Answer::Done(_)));
    assert!(is_invalid(&put(&mut ledger, "d", 1..2), no_room));
    let what = refused(&mut ledger, sku(SKUS_MAX as u32, "t", 1));
    assert!(what.contains("more SKUs than the ledger holds"), "{what}");
}

#[test]
fn a_data_folder_has_so_many_campaigns() {
    let mut ledger = Ledger::new([1, 2]);
    for n in 0..CAMPAIGNS_MAX {
        ledger.apply(&at(NOW, campaign(n as u16, &format!("c{n}")))).expect("there is room");
    }
    assert!(is_invalid(&put(&mut ledger, "d", 0..1), "no room for another campaign"));
    assert!(matches!(put(&mut ledger, "c1023", 0..1), Answer::Done(_)), "a known one may change");
    let what = refused(&mut ledger, campaign(CAMPAIGNS_MAX as u16, "d"));
    assert!(what.contains("more campaigns than the ledger holds"), "{what}");
}

fn put_holds(ledger: &mut Ledger, hold: u64, offer: Option<u64>) -> Answer {
    let terms = Terms { hold: DurationMs(hold), ..Terms::open_now(Currency::CNY) };
    let waitlist = offer.map(|offer| WaitTerms { offer: DurationMs(offer) });
    let spec = CampaignSpec { waitlist, ..CampaignSpec::new(name("c"), terms, Vec::new()) };
    perform(ledger, Action::Put(Box::new(spec)), LATER)
}

/// Each duration of a hold, an offer's too, is kept apart from the others.
#[test]
fn durations_of_holds_are_counted_before_they_are_used() {
    let mut ledger = Ledger::new([1, 2]);
    for n in 1..HOLD_CLASSES_MAX as u64 - 2 {
        let answer = put_holds(&mut ledger, 10_000 + n, None);
        assert!(matches!(answer, Answer::Done(_)), "{n}: {answer:?}");
    }
    let too_many = "too many different durations";
    let done = |answer| matches!(answer, Answer::Done(_));
    assert!(done(put_holds(&mut ledger, 20_000, Some(20_001))), "two new ones");
    assert_eq!(ledger.hold_classes.len(), HOLD_CLASSES_MAX - 1);
    assert!(is_invalid(&put_holds(&mut ledger, 30_000, Some(30_001)), too_many));
    assert_eq!(ledger.hold_classes.len(), HOLD_CLASSES_MAX - 1, "a refusal adds none");
    assert!(done(put_holds(&mut ledger, 30_000, Some(30_000))), "one is new, and used twice");
    assert_eq!(ledger.hold_classes.len(), HOLD_CLASSES_MAX);
    assert!(is_invalid(&put_holds(&mut ledger, 40_000, None), too_many));
    assert!(is_invalid(&put_holds(&mut ledger, 10_001, Some(40_000)), too_many));
    assert!(done(put_holds(&mut ledger, 10_001, Some(10_002))), "those that were used before");
    let mut change = campaign(0, "c");
    if let Change::Campaign { terms, .. } = &mut change {
        terms.hold = DurationMs(40_000);
    }
    let what = refused(&mut ledger, change);
    assert!(what.contains("more hold durations than the ledger keeps apart"), "{what}");
}

#[test]
fn a_reservation_has_so_many_payments() {
    let mut ledger = ledger();
    let part = |n| paid(0, &format!("part{n}"), 1, PaidOutcome::Partial);
    for n in 0..PAYMENTS_PER_RESERVATION_MAX {
        ledger.apply(&at(LATER, part(n))).unwrap_or_else(|e| panic!("{n}: {e}"));
    }
    let what = refused(&mut ledger, part(PAYMENTS_PER_RESERVATION_MAX));
    assert!(what.contains("too many payment lines"), "{what}");
}

/// So many reservations are 17 GB: only their count is made here.
#[test]
fn a_data_folder_remembers_so_many_reservations() {
    let mut ledger = ledger();
    ledger.reservations.len = RESERVATIONS_MAX as u32;
    let answer = perform(&mut ledger, Action::Reserve(ask(7, 0)), LATER);
    assert!(matches!(answer, Answer::Refused(Refusal::Overloaded { .. })), "{answer:?}");
    let hold = Reserved { expires_at: LATER + HOLD, ..reserved(RESERVATIONS_MAX as u32, 9) };
    let what = refused(&mut ledger, Change::Reserved(hold));
    assert!(what.contains("more reservations than the ledger holds"), "{what}");
}
