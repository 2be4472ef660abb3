//! Records that do not follow from the state are refused, and damaged images are not loaded.

use super::*;
use crate::campaign::Terms;
use crate::phase::{Phase, Schedule};
use onrush_types::*;
use proptest::prelude::*;

pub(super) const NOW: Timestamp = Timestamp(100_000);
pub(super) const HOLD: DurationMs = DurationMs(10_000);

pub(super) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(super) fn by() -> By {
    By::new("test", "reason")
}

pub(super) fn at(stamp: Timestamp, change: Change) -> Record {
    Record { stamp, change }
}

pub(super) fn campaign(ix: u16, called: &str) -> Change {
    let terms = Terms {
        published: true,
        schedule: Schedule { opens_at: Some(NOW), ..Schedule::default() },
        currency: Currency::CNY,
        limit_per_buyer: 2,
        hold: HOLD,
        buyers_expected: 1,
        waves: vec![],
        supply_from_stores: false,
        attributes: String::new(),
    };
    Change::Campaign { campaign: CampaignIx(ix), name: name(called), terms: Box::new(terms) }
}

pub(super) fn sku(ix: u32, called: &str, supply: u32) -> Change {
    let (sku, campaign, name) = (SkuIx(ix), CampaignIx(0), name(called));
    Change::Sku { sku, campaign, name, price: 100, limit_per_buyer: 2, supply }
}

pub(super) fn reserved(seq: u32, buyer: u8) -> Reserved {
    Reserved {
        seq: ReservationSeq(seq),
        sku: SkuIx(0),
        quantity: Quantity::ONE,
        buyer: BuyerDigest([buyer; 16]),
        key: KeyDigest(u64::from(seq)),
        request: RequestDigest(0),
        amount: 100,
        expires_at: NOW + HOLD,
        review: false,
        details: (seq == 0).then(|| Box::from(*b"gift")),
        pass: None,
    }
}

pub(super) fn paid(seq: u32, reference: &str, amount: i64, outcome: PaidOutcome) -> Change {
    let money = Money { amount, currency: Currency::CNY };
    let (provider, method) = (name("shop"), name("card"));
    let line = PaymentLine { provider, method, reference: reference.into(), money };
    Change::Paid(Paid { seq: ReservationSeq(seq), line, key: None, outcome })
}

pub(super) fn phase(to: Phase) -> Change {
    Change::Phase { campaign: CampaignIx(0), to, by: None }
}

/// One SKU of five units; reservation 0 is held, 1 sold, 2 expired, 3 released, with refund 0 due.
pub(super) fn ledger() -> Ledger {
    let mut ledger = Ledger::new([1, 2]);
    let seq = ReservationSeq;
    let later = NOW + HOLD;
    let mut late = reserved(4, 5);
    late.expires_at = later + HOLD;
    for record in [
        at(NOW, campaign(0, "c")),
        at(NOW, sku(0, "s", 5)),
        at(NOW, phase(Phase::Open)),
        at(NOW, Change::Reserved(Reserved { sku: SkuIx(0), ..reserved(0, 1) })),
        at(NOW, Change::Reserved(reserved(1, 2))),
        at(NOW, Change::Reserved(reserved(2, 3))),
        at(NOW, Change::Reserved(reserved(3, 4))),
        at(NOW, paid(1, "p1", 120, PaidOutcome::Sold)),
        at(NOW, Change::Released { seq: seq(3), key: None }),
        at(later, Change::Expired { seq: seq(2) }),
        at(later, Change::Reserved(late)),
    ] {
        ledger.apply(&record).unwrap_or_else(|e| panic!("{e}"));
    }
    ledger
}

/// What must not apply, and the words of its refusal.
fn what_does_not_follow() -> Vec<(Timestamp, Change, &'static str)> {
    let seq = ReservationSeq;
    let later = NOW + HOLD;
    let new = || Reserved { expires_at: later + HOLD, ..reserved(5, 9) };
    let two = Quantity::new(2).expect("two");
    let refunded = |refund| Change::Refunded { refund, by: by() };
    let cancelled = |n| Change::Cancelled { seq: seq(n), restock: true, by: by() };
    let supplied =
        |ix, units| Change::Supplied { sku: SkuIx(ix), units, source: Source::Operator(by()) };
    let wave = Change::Supplied { sku: SkuIx(0), units: 1, source: Source::Wave(1) };
    let withdrawn = Change::Withdrawn { sku: SkuIx(0), units: 3, by: by() };
    let confirmed = |n| Change::Confirmed { seq: seq(n), key: None };
    let mut crowded = campaign(1, "crowded");
    if let Change::Campaign { terms, .. } = &mut crowded {
        terms.buyers_expected = u32::MAX;
    }
    vec![
        (later, crowded, "expects more buyers"),
        (NOW, phase(Phase::Closed), "time ran back"),
        (later, Change::Reserved(Reserved { seq: seq(6), ..new() }), "dense"),
        (later, Change::Reserved(Reserved { seq: seq(4), ..new() }), "dense"),
        (later, Change::Reserved(Reserved { sku: SkuIx(1), ..new() }), "no such SKU"),
        (later, Change::Reserved(Reserved { expires_at: later, ..new() }), "future"),
        (
            later,
            Change::Reserved(Reserved { buyer: BuyerDigest([5; 16]), quantity: two, ..new() }),
            "INV-6",
        ),
        (later, Change::Expired { seq: seq(4) }, "before its deadline"),
        (later, Change::Expired { seq: seq(1) }, "only a live hold"),
        (later, Change::Expired { seq: seq(2) }, "only a live hold"),
        (later, Change::Expired { seq: seq(5) }, "only a live hold"),
        (later, Change::Released { seq: seq(1), key: None }, "only a live hold"),
        (later, confirmed(2), "only a live hold"),
        (later, confirmed(0), "not covered"),
        (later, Change::Rejected { seq: seq(0), by: by() }, "only a hold under review"),
        (later, Change::Rejected { seq: seq(1), by: by() }, "only a hold under review"),
        (later, paid(0, "p1", 100, PaidOutcome::Sold), "counted twice"),
        (later, paid(0, "p2", 99, PaidOutcome::Sold), "not covered"),
        (later, paid(2, "p2", 100, PaidOutcome::Sold), "only a live hold"),
        (later, paid(1, "p2", 100, PaidOutcome::Partial), "live hold only"),
        (later, paid(0, "p2", 100, PaidOutcome::Retaken), "only an expired hold"),
        (later, paid(2, "p2", 99, PaidOutcome::Retaken), "not covered"),
        (later, Change::Accepted { seq: seq(0), by: by() }, "cannot go"),
        (later, cancelled(0), "cannot go"),
        (later, cancelled(3), "cannot go"),
        (later, refunded(1), "no such refund"),
        (later, campaign(2, "d"), "dense"),
        (later, campaign(1, "c"), "one name"),
        (later, campaign(0, "d"), "changed its name"),
        (later, sku(2, "t", 1), "dense"),
        (later, sku(1, "s", 1), "one name"),
        (later, sku(0, "t", 0), "changed its name"),
        (later, sku(0, "s", 1), "supplied units"),
        (later, sku(1, "t", u32::MAX), "than a slot holds"),
        (later, supplied(1, 1), "no such SKU"),
        (later, supplied(0, (1 << 31) - 5), "than a slot holds"),
        (later, supplied(0, u32::MAX), "than a slot holds"),
        (later, wave, "waves come in order"),
        (later, withdrawn, "more than was free"),
        (later, phase(Phase::Scheduled), "no arrow"),
        (later, phase(Phase::Settled), "no arrow"),
    ]
}

#[test]
fn what_does_not_follow_is_refused() {
    assert_eq!(ledger().skus()[0].units().free, 2, "the table below counts on two free units");
    for (stamp, change, words) in what_does_not_follow() {
        let mut ledger = ledger();
        let lsn = ledger.lsn().next();
        let refused = ledger.apply(&at(stamp, change.clone())).expect_err(words);
        assert_eq!(refused.lsn, lsn);
        assert!(refused.what.contains(words), "{change:?}: {} ({words})", refused.what);
    }
}

#[test]
fn a_divergence_tells_the_record_and_what_did_not_hold() {
    let refused = ledger().apply(&at(NOW, phase(Phase::Closed))).expect_err("it ran back");
    let said = "record 12 does not follow from the state before it: time ran back from 110000ms";
    assert_eq!(refused.to_string(), said);
}

/// Whoever mirrors the ledger adds what the record added: no slot is told to add nothing.
#[test]
fn a_new_sku_moves_the_units_it_brings() {
    let mut ledger = ledger();
    for (ix, supply, stock) in
        [(1, 0, None), (2, 7, Some((SkuIx(2), StockMove::Add(7)))), (1, 0, None)]
    {
        let effect = ledger.apply(&at(NOW + HOLD, sku(ix, &format!("t{ix}"), supply)));
        let effect = effect.expect("it follows");
        assert_eq!((effect.touched, effect.stock), (Touched::Sku(SkuIx(ix)), stock));
    }
    assert_eq!(ledger.stamp(), NOW + HOLD);
}

#[test]
fn a_refund_is_paid_out_once_in_a_journal_too() {
    let mut ledger = ledger();
    let again = at(NOW + HOLD, Change::Refunded { refund: 0, by: by() });
    ledger.apply(&again).expect("the first time");
    assert!(ledger.apply(&again).expect_err("twice").what.contains("twice"));
}

#[test]
fn no_hold_and_no_retake_outside_an_open_sale() {
    for to in [Phase::Paused, Phase::Closed] {
        let mut ledger = ledger();
        let later = NOW + HOLD;
        ledger.apply(&at(later, phase(to))).expect("an arrow");
        let hold = Change::Reserved(Reserved { expires_at: later + HOLD, ..reserved(5, 9) });
        let refused = ledger.apply(&at(later, hold)).expect_err("INV-7");
        assert!(refused.what.contains("INV-7"), "{refused}");
        let refused = ledger.apply(&at(later, paid(2, "p9", 100, PaidOutcome::Retaken)));
        assert!(refused.expect_err("INV-8").what.contains("INV-8"));
    }
}

pub(super) fn image(ledger: &Ledger) -> Vec<(u32, Vec<u8>)> {
    let mut chunks = Vec::new();
    let Ok(()) = ledger.snapshot(|kind, bytes| {
        chunks.push((kind, bytes.to_vec()));
        Ok::<(), std::convert::Infallible>(())
    });
    chunks
}

pub(super) fn load(chunks: &[(u32, Vec<u8>)]) -> Result<Ledger, SnapshotError> {
    let mut loader = SnapshotLoader::new([3, 4]);
    for (kind, bytes) in chunks {
        loader.chunk(*kind, bytes)?;
    }
    loader.finish()
}

#[test]
fn an_image_that_lost_or_doubled_a_chunk_is_refused() {
    let chunks = image(&ledger());
    assert_eq!(chunks.len(), 7, "one chunk of each kind");
    assert_eq!(load(&chunks).map(|l| l.digest()), Ok(ledger().digest()));
    for n in 0..chunks.len() {
        let (mut lost, mut doubled) = (chunks.clone(), chunks.clone());
        lost.remove(n);
        assert!(load(&lost).is_err(), "without chunk {n}");
        doubled.insert(n, chunks[n].clone());
        assert!(load(&doubled).is_err(), "chunk {n} twice");
    }
    assert!(load(&[(99, chunks[0].1.clone())]).is_err(), "an unknown kind");
}

proptest! {
    /// A checksum guards images; but even without it damage must not bring the reader down.
    #[test]
    fn a_damaged_image_is_read_without_panic(
        chunk in 0usize..7, place: prop::sample::Index, flip in 1u8.., cut: bool,
    ) {
        let mut chunks = image(&ledger());
        let bytes = &mut chunks[chunk].1;
        let place = place.index(bytes.len());
        if cut {
            bytes.truncate(place);
        } else {
            bytes[place] ^= flip;
        }
        if let Ok(loaded) = load(&chunks) {
            prop_assert!(loaded.skus().iter().all(|sku| sku.units().holds()));
        }
    }
}
