//! Plants one violation of each class and sees that exactly its check finds it.

use crate::check::{Rules, check};
use crate::told::{Acknowledgement, Asked, Told, Unknown};
use crate::truth::{PaymentTruth, ReservationTruth, SkuTruth, Truth};
use crate::verdict::Verdict;
use onrush::State;

const RULES: Rules = Rules { limit_per_buyer: 1, quiet: true };

fn ack(asked: Asked, who: u32, status: u16, state: State) -> Acknowledgement {
    Acknowledgement {
        asked,
        buyer: format!("buyer-{who}").into(),
        key: format!("key-{who}").into(),
        sku: "unit".into(),
        quantity: 1,
        status,
        id: format!("id-{who}").into(),
        state,
        lsn: u64::from(who),
    }
}

fn pay(who: u32) -> Asked {
    Asked::Pay { reference: format!("ref-{who}").into(), amount: 100 }
}

fn reservation(
    who: u32,
    state: State,
    paid: &[i64],
    refunds: &[i64],
) -> (String, ReservationTruth) {
    let payment = |&amount: &i64| PaymentTruth { reference: format!("ref-{who}"), amount };
    let truth = ReservationTruth {
        buyer: Some(format!("digest-{who}")),
        sku: "unit".to_owned(),
        quantity: 1,
        state,
        amount: 100,
        payments: paid.iter().map(payment).collect(),
        refunds: refunds.to_vec(),
    };
    (format!("id-{who}"), truth)
}

/// Five buyers: 1 bought, 2 never paid, 3 released, 4 paid late without luck, 5 cancelled.
fn sale() -> (Told, Truth) {
    let mut told = Told::default();
    for who in 1..=5 {
        told.acknowledged.push(ack(Asked::Reserve, who, 201, State::Held));
    }
    told.acknowledged.extend([
        ack(Asked::Reserve, 1, 200, State::Held),
        ack(pay(1), 1, 200, State::Sold),
        ack(Asked::Release, 3, 200, State::Released),
        ack(pay(4), 4, 200, State::Expired),
        ack(pay(5), 5, 200, State::Sold),
        ack(Asked::Cancel, 5, 200, State::Cancelled),
    ]);
    let units = SkuTruth { supplied: 3, free: 2, held: 0, sold: 1, withdrawn: 0 };
    let truth = Truth {
        skus: [("unit".to_owned(), units)].into(),
        reservations: [
            reservation(1, State::Sold, &[100], &[]),
            reservation(2, State::Expired, &[], &[]),
            reservation(3, State::Released, &[], &[]),
            reservation(4, State::Expired, &[100], &[100]),
            reservation(5, State::Cancelled, &[100], &[100]),
        ]
        .into(),
    };
    (told, truth)
}

fn of(truth: &mut Truth, who: u32) -> &mut ReservationTruth {
    truth.reservations.get_mut(&format!("id-{who}")).expect("in the sale")
}

fn sku(truth: &mut Truth) -> &mut SkuTruth {
    truth.skus.get_mut("unit").expect("in the sale")
}

/// Plant a violation and return the checks that found something.
fn found(plant: impl FnOnce(&mut Told, &mut Truth)) -> Vec<&'static str> {
    let (mut told, mut truth) = sale();
    plant(&mut told, &mut truth);
    broken(&check(&told, &truth, RULES))
}

fn broken(verdict: &Verdict) -> Vec<&'static str> {
    let broken = verdict.checks.iter().filter(|check| check.violations > 0);
    broken.map(|check| check.name).collect()
}

#[test]
fn a_right_sale_passes_and_everything_was_looked_at() {
    let (told, truth) = sale();
    let verdict = check(&told, &truth, RULES);
    assert!(verdict.holds(), "{verdict}");
    for check in &verdict.checks {
        assert!(check.looked_at > 0, "{} looked at nothing", check.name);
    }
}

#[test]
fn an_oversell_is_found() {
    let found = found(|told, truth| {
        for who in 6..=8 {
            told.acknowledged.push(ack(Asked::Reserve, who, 201, State::Held));
            truth.reservations.extend([reservation(who, State::Sold, &[100], &[])]);
        }
        *sku(truth) = SkuTruth { supplied: 3, free: 0, held: 0, sold: 4, withdrawn: 0 };
    });
    assert_eq!(found, ["units oversold", "SKUs out of balance"]);
}

#[test]
fn a_count_that_differs_from_its_reservations_is_found() {
    let planted = |_: &mut Told, truth: &mut Truth| {
        *sku(truth) = SkuTruth { supplied: 3, free: 1, held: 0, sold: 2, withdrawn: 0 };
    };
    assert_eq!(found(planted), ["SKUs out of balance"]);
}

#[test]
fn a_lost_hold_is_found() {
    assert_eq!(
        found(|_, truth| drop(truth.reservations.remove("id-2"))),
        ["acknowledged holds lost"]
    );
    assert_eq!(found(|_, truth| of(truth, 2).quantity = 2), ["acknowledged holds lost"]);
    let given_away = |_: &mut Told, truth: &mut Truth| of(truth, 2).state = State::Released;
    assert_eq!(found(given_away), ["acknowledged holds lost"], "nobody asked to release it");
    let asked_without_answer = |told: &mut Told, truth: &mut Truth| {
        of(truth, 2).state = State::Released;
        told.unknown.push(Unknown {
            asked: Asked::Release,
            buyer: "buyer-2".into(),
            key: "key-2".into(),
            id: Some("id-2".into()),
        });
    };
    assert_eq!(found(asked_without_answer), [""; 0]);
}

#[test]
fn a_release_that_was_forgotten_is_found() {
    let planted = |_: &mut Told, truth: &mut Truth| of(truth, 3).state = State::Expired;
    assert_eq!(found(planted), ["acknowledged holds lost"]);
}

#[test]
fn a_lost_sale_is_found() {
    let lost = found(|_, truth| {
        of(truth, 1).state = State::Expired;
        of(truth, 1).refunds = vec![100];
        *sku(truth) = SkuTruth { supplied: 3, free: 3, held: 0, sold: 0, withdrawn: 0 };
    });
    assert_eq!(lost, ["acknowledged sales lost"]);
    let cancelled_unasked = found(|told, _| {
        told.acknowledged.retain(|ack| ack.asked != Asked::Cancel);
    });
    assert_eq!(cancelled_unasked, ["acknowledged sales lost"]);
}

#[test]
fn a_lost_payment_is_found() {
    let lost = found(|_, truth| {
        of(truth, 4).payments.clear();
        of(truth, 4).refunds.clear();
    });
    assert_eq!(lost, ["acknowledged payments lost"]);
}

#[test]
fn a_doubled_reservation_is_found() {
    let doubled = found(|told, truth| {
        let mut second = ack(Asked::Reserve, 2, 201, State::Held);
        second.id = "id-2b".into();
        told.acknowledged.push(second);
        let (_, mut twin) = reservation(2, State::Expired, &[], &[]);
        twin.buyer = Some("digest-2".to_owned());
        truth.reservations.insert("id-2b".to_owned(), twin);
    });
    assert_eq!(doubled, ["reservations or payments doubled"]);
    let shared = found(|told, _| told.acknowledged[1].id = "id-1".into());
    assert!(shared.contains(&"reservations or payments doubled"), "{shared:?}");
}

#[test]
fn a_payment_booked_twice_is_found() {
    let twice = found(|_, truth| {
        let again = of(truth, 4).payments[0].clone();
        of(truth, 4).payments.push(again);
        of(truth, 4).refunds.push(100);
    });
    assert_eq!(twice, ["reservations or payments doubled"]);
}

#[test]
fn a_reservation_nobody_asked_for_is_found() {
    let made_up = |_: &mut Told, truth: &mut Truth| {
        truth.reservations.extend([reservation(9, State::Expired, &[], &[])]);
    };
    assert_eq!(found(made_up), ["reservations nobody asked for"]);
    let unanswered = |told: &mut Told, truth: &mut Truth| {
        truth.reservations.extend([reservation(9, State::Expired, &[], &[])]);
        let (buyer, key) = ("buyer-9".into(), "key-9".into());
        told.unknown.push(Unknown { asked: Asked::Reserve, buyer, key, id: None });
    };
    assert_eq!(found(unanswered), [""; 0], "one request had no answer");
}

#[test]
fn a_buyer_over_the_limit_is_found() {
    let over = found(|told, truth| {
        let mut more = ack(Asked::Reserve, 6, 201, State::Held);
        more.buyer = "buyer-1".into();
        told.acknowledged.push(more);
        let (id, mut second) = reservation(6, State::Sold, &[100], &[]);
        second.buyer = Some("digest-1".to_owned());
        truth.reservations.insert(id, second);
        *sku(truth) = SkuTruth { supplied: 3, free: 1, held: 0, sold: 2, withdrawn: 0 };
    });
    assert_eq!(over, ["buyers over their limit"]);
    let by_the_servers_names = found(|told, truth| {
        told.acknowledged.push(ack(Asked::Reserve, 6, 201, State::Held));
        let (id, mut second) = reservation(6, State::Sold, &[100], &[]);
        second.buyer = Some("digest-1".to_owned());
        truth.reservations.insert(id, second);
        *sku(truth) = SkuTruth { supplied: 3, free: 1, held: 0, sold: 2, withdrawn: 0 };
    });
    assert_eq!(by_the_servers_names, ["buyers over their limit"]);
}

#[test]
fn a_buyer_with_two_names_is_found() {
    let two_names = found(|told, truth| {
        let mut second = ack(Asked::Reserve, 6, 201, State::Held);
        second.buyer = "buyer-2".into();
        told.acknowledged.push(second);
        truth.reservations.extend([reservation(6, State::Expired, &[], &[])]);
    });
    assert_eq!(two_names, ["buyers over their limit"]);
}

#[test]
fn leaked_units_are_found() {
    let unfree = |_: &mut Told, truth: &mut Truth| {
        *sku(truth) = SkuTruth { supplied: 4, free: 2, held: 0, sold: 1, withdrawn: 0 };
    };
    assert_eq!(found(unfree), ["SKUs out of balance", "units leaked"]);
    let still_held = |_: &mut Told, truth: &mut Truth| {
        of(truth, 2).state = State::Held;
        *sku(truth) = SkuTruth { supplied: 3, free: 1, held: 1, sold: 1, withdrawn: 0 };
    };
    assert_eq!(found(still_held), ["units leaked"]);
    let (told, mut truth) = sale();
    still_held(&mut Told::default(), &mut truth);
    let early = Rules { quiet: false, ..RULES };
    assert!(check(&told, &truth, early).holds(), "a hold may live while the sale runs");
}

#[test]
fn money_that_was_kept_lost_or_paid_back_twice_is_found() {
    type Plant = fn(&mut Truth);
    let plants: [Plant; 4] = [
        |truth| of(truth, 4).refunds.clear(),
        |truth| of(truth, 4).refunds.push(100),
        |truth| of(truth, 1).refunds.push(100),
        |truth| of(truth, 4).refunds = vec![200, -100],
    ];
    for plant in plants {
        assert_eq!(found(|_, truth| plant(truth)), ["money kept or refunded wrongly"]);
    }
}
