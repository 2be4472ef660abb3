//! What a waitlist owes: who stands back while somebody waits, what an offer costs, where the ledger
//! looks for offers, and what the audit and the image know of it.

use super::*;

const FIRST: SkuIx = SkuIx(0);
const SECOND: SkuIx = SkuIx(1);

type Spoil = fn(&mut Ledger);

fn told(ledger: &mut Ledger, change: Change) {
    ledger.apply(&Record { stamp: Timestamp(START), change }).expect("follows");
}

fn released(ledger: &mut Ledger, seq: u32) {
    told(ledger, Change::Released { seq: ReservationSeq(seq), key: None });
}

fn asked(ledger: &mut Ledger, action: Action) -> Answer {
    let sink = &mut |_: &Record, _: Effect| ();
    ledger.perform(action, Timestamp(START), &mut Grants, sink).expect("no divergence")
}

fn reserve(sku: SkuIx, of: u8, units: u32) -> Action {
    Action::Reserve(Reserve {
        sku,
        quantity: Quantity::new(units).expect("in range"),
        buyer: buyer(of),
        key: KeyDigest(1_000 + u64::from(of)),
        request: RequestDigest(0),
        review: false,
        halvings: 0,
        details: None,
        pass: None,
    })
}

/// A unit that came back is for those who wait, though the ledger has it free (INV-14).
#[test]
fn who_did_not_wait_stands_back_while_a_free_unit_is_not_offered_yet() {
    let mut ledger = with_a_line();
    for (seq, refusal) in [(0, Refusal::AllHeld { free: 0 }), (1, Refusal::SoldOut { free: 0 })] {
        released(&mut ledger, seq);
        assert_eq!(ledger.skus()[0].free, seq + 1);
        assert_eq!(asked(&mut ledger, reserve(FIRST, 6, 1)), Answer::Refused(refusal));
    }
    let other = asked(&mut ledger, reserve(SECOND, 6, 1));
    assert!(matches!(other, Answer::Done(_)), "nobody waits for the other SKU: {other:?}");
}

#[test]
fn an_offer_costs_the_price_of_its_units() {
    let mut pair = start();
    for (act, expected) in [
        (Act::Reserve { sku: 0, buyer: 1, units: 3 }, "done"),
        (Act::Join { sku: 0, buyer: 3, units: 3 }, "done"),
    ] {
        assert_eq!(pair.step(&act).0, expected);
    }
    let mut ledger = pair.ledger;
    released(&mut ledger, 0);
    let offer = ledger.due_offer(Timestamp(START), &mut Grants).expect("one is due");
    let Change::Wait(WaitChange::Offered(offered)) = &offer else { panic!("{offer:?}") };
    assert_eq!((offered.wish.quantity.get(), offered.amount), (3, 300));
    assert_eq!(offered.expires_at, Timestamp(START + OFFER));
    told(&mut ledger, offer);
    assert_eq!(ledger.reservation(ReservationSeq(1)).map(|r| r.amount), Some(300));
}

/// Asking what is due costs nothing where nothing is: only SKUs with a free unit and somebody who waits
/// are looked at, also after a pause.
#[test]
fn only_where_somebody_waits_and_a_unit_is_free_is_looked_for_offers() {
    let mut ledger = with_a_line();
    assert!(ledger.waits.ready.is_empty(), "nothing is free");
    // Somebody once waited for the second SKU, of which units are free now.
    assert!(matches!(asked(&mut ledger, reserve(SECOND, 5, 3)), Answer::Done(_)));
    let (sku, quantity) = (SECOND, Quantity::ONE);
    let join = WaitAction::Join { sku, buyer: buyer(6), quantity };
    assert!(matches!(asked(&mut ledger, Action::Wait(join)), Answer::Done(_)));
    let leave = WaitAction::Leave { sku, buyer: buyer(6) };
    assert!(matches!(asked(&mut ledger, Action::Wait(leave)), Answer::Done(_)));
    released(&mut ledger, 2);
    assert!(ledger.skus()[1].free == 3 && ledger.waits.ready.is_empty(), "nobody waits");
    for to in [Phase::Paused, Phase::Open] {
        let moved = Action::Move { campaign: CampaignIx(0), to, by: by() };
        assert!(matches!(asked(&mut ledger, moved), Answer::Done(_)));
        assert!(ledger.waits.ready.is_empty(), "neither of them is owed anything");
    }
    released(&mut ledger, 0);
    assert!(ledger.waits.ready.iter().eq([&FIRST]), "a unit for those who wait");
}

#[test]
fn the_audit_names_what_is_wrong_with_a_line() {
    let wrong: [(&str, Spoil); 4] = [
        ("units are free, and nobody will look", |ledger| ledger.waits.ready.clear()),
        ("waits without terms", |ledger| ledger.waits.terms.clear()),
        ("waits for a sale that is over", |ledger| ledger.campaigns[0].reached = Phase::Closed),
        ("2 wait, 3 were counted", |ledger| ledger.waits.waiting += 1),
    ];
    for (what, spoil) in wrong {
        let mut ledger = with_a_line();
        released(&mut ledger, 0);
        ledger.audit().expect("it is whole");
        spoil(&mut ledger);
        let violation = ledger.audit().expect_err(what);
        assert_eq!(violation.promise, "INV-14");
        assert!(violation.what.contains(what), "{what}: {violation}");
    }
    let mut ledger = with_a_line();
    ledger.waits.ready.clear();
    ledger.audit().expect("nothing is free, so there is nothing to look for");
}

/// The end of the image says how many rows a waitlist has: terms, wishes, and the end of each line.
#[test]
fn the_image_counts_each_row_of_a_line() {
    let ledger = with_a_line();
    let rows: usize = ledger.wait_chunks().map(|(words, _)| words.len() / 4).sum();
    assert_eq!((rows, ledger.waits.rows()), (4, 4), "terms, two wishes, one end");
    let without = Ledger::new([1, 2]);
    assert_eq!((without.wait_chunks().count(), without.waits.rows()), (0, 0));
}
