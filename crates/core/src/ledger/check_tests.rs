//! What the audit is for: a ledger that was tampered with is found out, each promise by its name.

use super::apply_tests::{HOLD, NOW, at, ledger, reserved};
use super::state::Extra;
use super::*;
use crate::reservation::State;
use onrush_types::limits::RESERVATIONS_PER_BUYER_MAX;
use onrush_types::*;

fn audited(tamper: impl FnOnce(&mut Ledger)) -> String {
    let mut ledger = ledger();
    assert_eq!(ledger.audit(), Ok(()));
    tamper(&mut ledger);
    ledger.audit().expect_err("it was tampered with").to_string()
}

fn extra_of(ledger: &mut Ledger, seq: u32) -> &mut Extra {
    let extra = ledger.reservation(ReservationSeq(seq)).expect("it was made").extra;
    &mut ledger.extras[extra as usize]
}

/// Two are held, one is sold, two are free.
#[test]
fn units_that_are_lost_or_counted_twice_are_found() {
    let said = audited(|ledger| ledger.skus[0].free += 1);
    assert!(said.starts_with("INV-1: SkuIx(0) says Conservation { supplied: 5, free: 3"), "{said}");
    assert!(said.ends_with("its reservations 2 held, 1 sold"), "{said}");
    // The sum holds, and still a unit is where no reservation has it.
    let said = audited(|ledger| {
        ledger.skus[0].free -= 1;
        ledger.skus[0].held += 1;
    });
    assert!(said.starts_with("INV-1: "), "{said}");
    let said = audited(|ledger| {
        ledger.skus[0].free -= 1;
        ledger.skus[0].sold += 1;
    });
    assert!(said.starts_with("INV-1: "), "{said}");
}

/// Of 120 that were paid for a unit of 100, 20 are due back.
#[test]
fn money_that_is_kept_or_given_twice_is_found() {
    let said = audited(|ledger| extra_of(ledger, 1).lines[0].refunded += 1);
    assert_eq!(said, "INV-8: ReservationSeq(1) is sold and keeps 99, not 100");
    let said = audited(|ledger| extra_of(ledger, 1).lines[0].refunded = 0);
    assert_eq!(said, "INV-8: ReservationSeq(1) is sold and keeps 120, not 100");
    let said = audited(|ledger| {
        ledger.reservations.get_mut(1).expect("it was made").state = State::Cancelled;
    });
    assert_eq!(said, "INV-8: ReservationSeq(1) is cancelled and keeps 100, not 0");
}

/// A journal could say more than the ledger ever decides: the audit looks at what came of it.
#[test]
fn more_reservations_than_one_buyer_may_have_are_found() {
    let mut ledger = ledger();
    let once_more = |ledger: &mut Ledger| {
        let seq = ledger.reservation_count();
        let hold = Reserved { expires_at: NOW + HOLD + HOLD, details: None, ..reserved(seq, 9) };
        let free = Change::Released { seq: hold.seq, key: None };
        for change in [Change::Reserved(hold), free] {
            ledger.apply(&at(NOW + HOLD, change)).expect("it follows");
        }
    };
    (0..RESERVATIONS_PER_BUYER_MAX).for_each(|_| once_more(&mut ledger));
    assert_eq!(ledger.audit(), Ok(()));
    once_more(&mut ledger);
    let said = ledger.audit().expect_err("one too many").to_string();
    let buyer = BuyerDigest([9; 16]);
    assert_eq!(said, format!("INV-6: {buyer:?} has 17 reservations in one campaign"));
}
