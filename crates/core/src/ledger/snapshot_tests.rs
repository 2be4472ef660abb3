//! Images that are whole and still not a ledger, digests that tell states apart, and pauses.

use super::*;
use crate::ledger::apply_tests::{HOLD, NOW, at, image, ledger, load, phase, reserved};
use crate::ledger::{Change, Reserved};

/// Change one word of the chunk of reservations, so that the archive stays whole.
fn changed(word: usize, change: impl Fn(u64) -> u64) -> Result<Ledger, SnapshotError> {
    let mut chunks = image(&ledger());
    let (_, bytes) = chunks.iter_mut().find(|(kind, _)| *kind == RESERVATIONS).expect("a chunk");
    let archived = rkyv::access::<ArchivedChunk, rancor::Error>(bytes).expect("an archive");
    let words = archived.words.iter().map(|word| word.to_native()).collect();
    let mut chunk = Chunk { words, bytes: archived.bytes.to_vec() };
    chunk.words[word] = change(chunk.words[word]);
    *bytes = rkyv::to_bytes::<rancor::Error>(&chunk).expect("two vectors").to_vec();
    load(&chunks)
}

/// Each of these numbers is used as an index later: none may be let in.
#[test]
fn a_reservation_that_points_nowhere_is_refused() {
    assert_eq!(changed(5, |word| word).map(|it| it.digest()), Ok(ledger().digest()));
    let low = |n: u64| move |word: u64| word >> 32 << 32 | n;
    let high = |n: u64| move |word: u64| word & 0xffff_ffff | n << 32;
    let byte = |n: u64, at: u32| move |word: u64| word & !(0xff << at) | n << at;
    let second = 8;
    for (image, said) in [
        (changed(5, low(1)), "points nowhere"),
        (changed(second + 5, low(u32::MAX.into())), "points nowhere"),
        (changed(7, byte(1, 8)), "points nowhere"),
        (changed(second + 7, byte(255, 8)), "points nowhere"),
        (changed(6, high(0)), "points nowhere"),
        (changed(second + 6, high(1)), "points nowhere"),
        (changed(second + 6, high(0xffff_fffe)), "points nowhere"),
        (changed(6, low(99)), "details are missing"),
        (changed(7, byte(0, 0)), "state"),
        (changed(7, byte(7, 0)), "state"),
        (changed(7, high(0)), "a quantity"),
        (changed(7, high(1_001)), "a quantity"),
    ] {
        let refused = image.expect_err(said);
        assert!(refused.what.contains(said), "{refused} ({said})");
    }
    // An earlier one of the same table is a place that exists.
    assert!(changed(second + 6, high(0)).is_ok());
}

#[test]
fn a_refusal_says_what_is_read_instead() {
    let refused = changed(5, |word| word | 1).expect_err("no such SKU");
    let said = "the snapshot cannot be used (a reservation points nowhere); the journal is read \
                instead";
    assert_eq!(refused.to_string(), said);
}

/// Two ledgers are compared by this number alone: replay, images and copies rest on it.
#[test]
fn every_record_makes_another_digest() {
    let later = NOW + HOLD;
    let mut ledger = ledger();
    let mut digests = vec![Ledger::new([1, 2]).digest(), ledger.digest()];
    let hold = Reserved { expires_at: later + HOLD, ..reserved(5, 9) };
    for change in [
        Change::Reserved(hold),
        Change::Released { seq: ReservationSeq(5), key: None },
        phase(Phase::Paused),
        phase(Phase::Closed),
    ] {
        ledger.apply(&at(later, change)).expect("it follows");
        digests.push(ledger.digest());
    }
    for (n, digest) in digests.iter().enumerate() {
        assert!(!digests[..n].contains(digest), "{n}");
    }
}

/// The thread that reads an image lets others run after so many reservations, not before.
#[test]
fn an_image_is_read_with_pauses() {
    let mut ledger = ledger();
    ledger.skus[0].supplied += 10_000;
    ledger.skus[0].free += 10_000;
    for (count, expected) in [(5, 0), (2_047, 0), (2_048, 1), (2_049, 1), (4_095, 1), (4_096, 2)] {
        while ledger.reservation_count() < count {
            let n = ledger.reservation_count();
            let mut buyer = [7; 16];
            buyer[..4].copy_from_slice(&n.to_le_bytes());
            let expires_at = NOW + HOLD + HOLD;
            let buyer = BuyerDigest(buyer);
            let hold = Reserved { buyer, expires_at, details: None, ..reserved(n, 0) };
            ledger.apply(&at(NOW + HOLD, Change::Reserved(hold))).expect("it follows");
        }
        let mut loader = SnapshotLoader::new([3, 4]);
        ledger.snapshot(|kind, bytes| loader.chunk(kind, bytes)).expect("it loads");
        let mut pauses = 0;
        let loaded = loader.finish_with(&mut || pauses += 1).expect("it is complete");
        assert_eq!((pauses, loaded.digest()), (expected, ledger.digest()), "{count}");
    }
}
