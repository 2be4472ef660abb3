//! Plants one violation of each class in a journal and sees that exactly its check finds it.

use crate::history::{self, History};
use crate::told::{Acknowledgement, Asked, Told};
use onrush::ledger::{Change, Paid, PaidOutcome, PaymentLine, Record, Reserved};
use onrush::{
    BuyerDigest, By, CampaignIx, Currency, KeyDigest, Lsn, Money, Name, Phase, Quantity,
    RequestDigest, ReservationSeq, SkuIx, State, Terms, Timestamp,
};

const CAMPAIGN: CampaignIx = CampaignIx(0);
const SKU: SkuIx = SkuIx(0);

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// A campaign with two units, one for each buyer, open.
fn opening() -> Vec<Change> {
    let terms = Box::new(Terms::open_now(Currency::CNY));
    vec![
        Change::Campaign { campaign: CAMPAIGN, name: name("drop"), terms },
        Change::Sku {
            sku: SKU,
            campaign: CAMPAIGN,
            name: name("unit"),
            price: 100,
            limit_per_buyer: 1,
            supply: 2,
        },
        Change::Phase { campaign: CAMPAIGN, to: Phase::Open, by: None },
    ]
}

fn reserved(seq: u32, buyer: u8) -> Change {
    Change::Reserved(Reserved {
        seq: ReservationSeq(seq),
        sku: SKU,
        quantity: Quantity::ONE,
        buyer: BuyerDigest([buyer; 16]),
        key: KeyDigest(1),
        request: RequestDigest(1),
        amount: 100,
        expires_at: Timestamp(1_000),
        review: false,
        details: None,
        pass: None,
    })
}

fn paid(seq: u32, reference: &str, outcome: PaidOutcome) -> Change {
    let line = PaymentLine {
        provider: name("shop"),
        method: name("card"),
        reference: reference.into(),
        money: Money { amount: 100, currency: Currency::CNY },
    };
    Change::Paid(Paid { seq: ReservationSeq(seq), line, key: None, outcome })
}

fn expired(seq: u32) -> Change {
    Change::Expired { seq: ReservationSeq(seq) }
}

/// Count a journal; all records of `later` are stamped after the deadline of the holds.
fn counted(changes: Vec<Change>, later: Vec<Change>) -> History {
    let mut history = History::default();
    let early = changes.into_iter().map(|change| (Timestamp(10), change));
    let late = later.into_iter().map(|change| (Timestamp(1_000), change));
    for (n, (stamp, change)) in early.chain(late).enumerate() {
        history.visit(Lsn(n as u64 + 1), &Record { stamp, change });
    }
    history
}

fn broken(history: &History) -> Vec<&'static str> {
    let checks = history.verdict().checks;
    checks.iter().filter(|check| check.violations > 0).map(|check| check.name).collect()
}

/// Play `changes` after the opening, then `later` after the deadline; return what is found.
fn found(changes: Vec<Change>, later: Vec<Change>) -> Vec<&'static str> {
    broken(&counted([opening(), changes].concat(), later))
}

#[test]
fn a_right_journal_passes() {
    let first = vec![reserved(0, 1), reserved(1, 2), paid(0, "a", PaidOutcome::Sold)];
    let by = By::new("ann", "sent back");
    let later = vec![
        expired(1),
        paid(1, "b", PaidOutcome::Retaken),
        Change::Cancelled { seq: ReservationSeq(0), restock: true, by },
        reserved(2, 3),
        Change::Released { seq: ReservationSeq(2), key: None },
        reserved(3, 1),
    ];
    let history = counted([opening(), first].concat(), later);
    assert_eq!(broken(&history), [""; 0]);
    assert_eq!(history.outcomes, history::Money { partial: 0, sold: 1, retaken: 1, refunded: 0 });
    for check in history.verdict().checks {
        assert!(check.looked_at > 0, "{} looked at nothing", check.name);
    }
}

#[test]
fn an_oversell_is_found_even_when_it_passes() {
    let three = vec![reserved(0, 1), reserved(1, 2), reserved(2, 3)];
    assert_eq!(
        found(three, vec![expired(0), expired(1), expired(2)]),
        ["LSNs at which stock was oversold"]
    );
    let withdrawn = Change::Withdrawn { sku: SKU, units: 2, by: By::new("ann", "damaged") };
    assert_eq!(
        found(vec![reserved(0, 1), withdrawn], vec![]),
        ["LSNs at which stock was oversold"]
    );
    let late = vec![expired(0), reserved(1, 2), reserved(2, 3), paid(0, "a", PaidOutcome::Retaken)];
    assert_eq!(found(vec![reserved(0, 1)], late), ["LSNs at which stock was oversold"]);
}

#[test]
fn a_broken_limit_is_found() {
    let twice = vec![reserved(0, 1), reserved(1, 1)];
    assert_eq!(found(twice, vec![]), ["LSNs at which a limit was broken"]);
}

#[test]
fn two_outcomes_are_found() {
    let changes = vec![reserved(0, 1), paid(0, "a", PaidOutcome::Sold)];
    let again = vec![Change::Confirmed { seq: ReservationSeq(0), key: None }];
    assert_eq!(found(changes, again), ["reservations with two outcomes"]);
}

#[test]
fn holds_and_expiries_at_the_wrong_time_are_found() {
    let wrong = ["holds or expiries at the wrong time"];
    assert_eq!(found(vec![reserved(0, 1), expired(0)], vec![]), wrong, "before its deadline");
    let closed = Change::Phase { campaign: CAMPAIGN, to: Phase::Closed, by: None };
    assert_eq!(found(vec![closed, reserved(0, 1)], vec![]), wrong, "after the close");
}

#[test]
fn a_payment_booked_twice_is_found() {
    let again =
        vec![reserved(0, 1), paid(0, "a", PaidOutcome::Sold), paid(0, "a", PaidOutcome::Refund)];
    assert_eq!(found(again, vec![]), ["payments booked twice"]);
}

#[test]
fn a_gap_and_a_step_back_are_found() {
    let record = |ms| Record { stamp: Timestamp(ms), change: opening().remove(0) };
    for (lsn, ms) in [(3, 10), (2, 9)] {
        let mut history = History::default();
        history.visit(Lsn(1), &record(10));
        history.visit(Lsn(lsn), &record(ms));
        assert_eq!(broken(&history), ["records out of order"]);
    }
}

#[test]
fn a_hold_that_is_not_at_its_lsn_is_found() {
    let history = counted([opening(), vec![reserved(0, 1), reserved(1, 2)]].concat(), vec![]);
    let told = |lsns: &[u64]| {
        let ack = |&lsn: &u64| Acknowledgement {
            asked: Asked::Reserve,
            buyer: format!("buyer-{lsn}").into(),
            key: "key".into(),
            sku: "unit".into(),
            quantity: 1,
            status: 201,
            id: format!("id-{lsn}").into(),
            state: State::Held,
            lsn,
        };
        Told { acknowledged: lsns.iter().map(ack).collect(), ..Told::default() }
    };
    let violations = |lsns: &[u64]| history.at_their_lsn(&told(lsns)).violations;
    assert_eq!(violations(&[4, 5]), 0);
    assert_eq!(violations(&[4, 4]), 1, "two were told the same");
    assert_eq!(violations(&[4, 6]), 1, "the journal ends before");
    assert_eq!(violations(&[3, 5]), 1, "another record stands there");
}
