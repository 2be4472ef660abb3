//! The read table: what is durable about each reservation, for callers to read.
//!
//! Five words a reservation, addressed by its sequence number:
//!
//! ```text
//! word 0   lsn of the last change (48 bits) │ quantity (12) │ state (4)     state 0: no entry
//! word 1   digest of the idempotency key (64)
//! word 2   SKU (32)                          │ the buyer's previous reservation (32)
//! word 3   low half of request digest (16)   │ expires_at, ms (48)
//! word 4   high half of request digest (16)  │ amount, minor units (48)
//! ```
//!
//! Words 1–4 are written before word 0 first becomes non-zero; afterwards only word 0 moves, so one
//! load of it is a consistent state, and, where a deadline is put off, word 3: later, and by itself.
//! A reader may see the new deadline with the old LSN, never the old one with the new LSN. Only the ledger thread writes, only after a sync: what
//! is read here has been durable before anybody read it (INV-4).

use super::chunks::ChunkTable;
use crate::reservation::State;
use onrush_types::limits::{AMOUNT_MAX, RESERVATIONS_MAX};
use onrush_types::planted;
use onrush_types::{KeyDigest, Lsn, Quantity, RequestDigest, ReservationSeq, SkuIx, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries in one chunk: 2.6 MB, so a small sale stays small.
const ENTRIES_PER_CHUNK: usize = 1 << 16;
/// The first entries have a small chunk of their own: the first reservation of a small sale does not
/// wait for 2.6 MB to be zeroed.
const FIRST_ENTRIES: usize = 1 << 10;
const LOW_48: u64 = (1 << 48) - 1;
const _: () = assert!(AMOUNT_MAX as u64 <= LOW_48, "an amount fits its 48 bits");

/// What is posted about one reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Its state.
    pub state: State,
    /// The record that made it so.
    pub lsn: Lsn,
    /// Units.
    pub quantity: Quantity,
    /// Which SKU.
    pub sku: SkuIx,
    /// Digest of the idempotency key of the reserve.
    pub key: KeyDigest,
    /// Digest of the request that came with it.
    pub request: RequestDigest,
    /// The hold's deadline.
    pub expires_at: Timestamp,
    /// Price of all units, in minor units of the campaign's currency.
    pub amount: i64,
    /// The buyer's previous reservation in this campaign, or [`super::NONE`].
    pub previous: u32,
}

#[derive(Debug, Default)]
struct Entry([AtomicU64; 5]);

/// The read table.
#[derive(Debug)]
pub struct Board {
    first: ChunkTable<Entry>,
    entries: ChunkTable<Entry>,
}

impl Default for Board {
    fn default() -> Board {
        Board {
            first: ChunkTable::new(FIRST_ENTRIES, FIRST_ENTRIES),
            entries: ChunkTable::new(ENTRIES_PER_CHUNK, RESERVATIONS_MAX),
        }
    }
}

impl Board {
    /// Return what is posted for `seq`, if anything is. O(1), five loads.
    #[inline]
    pub fn read(&self, seq: ReservationSeq) -> Option<Posting> {
        let Entry([head, key, place, expiry, price]) = self.chunks(seq).get(seq.index())?;
        // Acquire: pairs with the Release in `post`, so that words 1–4 are there.
        let head = head.load(Ordering::Acquire);
        let state = State::from_u8((head & 0xf) as u8)?;
        // Relaxed: written before the Release store that was just acquired. A deadline that was put off
        // since is durable as well.
        let [key, place, expiry, price] =
            [key, place, expiry, price].map(|word| word.load(Ordering::Relaxed));
        Some(Posting {
            state,
            lsn: Lsn(head >> 16),
            quantity: Quantity::new(((head >> 4) & 0xfff) as u32).ok()?,
            sku: SkuIx((place >> 32) as u32),
            key: KeyDigest(key),
            request: RequestDigest((expiry >> 48) as u32 | ((price >> 48) as u32) << 16),
            expires_at: Timestamp(expiry & LOW_48),
            amount: (price & LOW_48) as i64,
            previous: place as u32,
        })
    }

    /// Post a new reservation. Ledger thread only, after the sync.
    ///
    /// # Panics
    /// When `seq` is beyond [`RESERVATIONS_MAX`]; the ledger refuses before.
    pub fn post(&self, seq: ReservationSeq, p: &Posting) {
        let entry = self.chunks(seq).ensure(seq.index()).expect("the ledger bounds reservations");
        let Entry([head, key, place, expiry, price]) = entry;
        let RequestDigest(request) = p.request;
        // Relaxed: published by the Release store of the head below.
        key.store(p.key.0, Ordering::Relaxed);
        place.store(u64::from(p.sku.0) << 32 | u64::from(p.previous), Ordering::Relaxed);
        expiry
            .store(u64::from(request & 0xffff) << 48 | p.expires_at.0 & LOW_48, Ordering::Relaxed);
        price.store(u64::from(request >> 16) << 48 | p.amount as u64 & LOW_48, Ordering::Relaxed);
        // Release: pairs with the Acquire in `read`.
        head.store(pack_head(p.state, p.quantity, p.lsn), Ordering::Release);
    }

    /// Move a posted reservation to `state`. Ledger thread only, after the sync.
    pub fn move_to(&self, seq: ReservationSeq, state: State, lsn: Lsn) {
        let Some(Entry([head, ..])) = self.chunks(seq).get(seq.index()) else {
            unreachable!("{seq:?} moves before it was posted")
        };
        // Relaxed: only this thread writes.
        let before = head.load(Ordering::Relaxed);
        debug_assert!(before & 0xf != 0, "{seq:?} moves before it was posted");
        // Release: pairs with the Acquire in `read`.
        head.store(
            planted!("board-behind", before, before & 0xfff0 | lsn.0 << 16 | state as u64),
            Ordering::Release,
        );
    }

    /// Put the deadline of a posted reservation off, if it is a live hold. Ledger thread only, after
    /// the sync.
    pub fn put_off(&self, seq: ReservationSeq, expires_at: Timestamp, lsn: Lsn) {
        let Some(Entry([head, _, _, expiry, _])) = self.chunks(seq).get(seq.index()) else {
            return;
        };
        // Relaxed, both: only this thread writes.
        let (before, word) = (head.load(Ordering::Relaxed), expiry.load(Ordering::Relaxed));
        if !State::from_u8((before & 0xf) as u8).is_some_and(State::is_held) {
            return;
        }
        debug_assert!(word & LOW_48 <= expires_at.0, "{seq:?} is put off to an earlier deadline");
        // Relaxed: published by the Release store of the head below.
        expiry.store(word & !LOW_48 | expires_at.0 & LOW_48, Ordering::Relaxed);
        // Release: pairs with the Acquire in `read`.
        head.store(before & 0xffff | lsn.0 << 16, Ordering::Release);
    }

    #[inline]
    fn chunks(&self, seq: ReservationSeq) -> &ChunkTable<Entry> {
        if seq.index() < FIRST_ENTRIES { &self.first } else { &self.entries }
    }
}

fn pack_head(state: State, quantity: Quantity, lsn: Lsn) -> u64 {
    debug_assert!(lsn.0 >> 48 == 0, "an LSN fits 48 bits for 8,900 years at a million a second");
    lsn.0 << 16 | u64::from(quantity.get()) << 4 | state as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The first entries live apart. None is lost, and none stands for another, where the chunks meet.
    #[test]
    fn every_entry_is_its_own_where_chunks_meet() {
        let board = Board::default();
        let (first, chunk) = (FIRST_ENTRIES as u32, ENTRIES_PER_CHUNK as u32);
        let places = [0, 1, first - 1, first, first + 1, chunk - 1, chunk, chunk + 1, 2 * chunk];
        let posting = |n: u32| Posting {
            state: State::Held,
            lsn: Lsn(1),
            quantity: Quantity::ONE,
            sku: SkuIx(0),
            key: KeyDigest(u64::from(n)),
            request: RequestDigest(n),
            expires_at: Timestamp(9),
            amount: 100,
            previous: super::super::NONE,
        };
        for n in places {
            assert_eq!(board.read(ReservationSeq(n)), None, "{n}");
            board.post(ReservationSeq(n), &posting(n));
        }
        for n in places {
            assert_eq!(board.read(ReservationSeq(n)), Some(posting(n)), "{n}");
        }
        assert_eq!(board.read(ReservationSeq(first + 2)), None);
        assert_eq!(board.read(ReservationSeq(RESERVATIONS_MAX as u32)), None, "past the table");
    }

    proptest! {
        #[test]
        fn reads_what_was_posted(
            state in 0usize..6, lsn in 1u64..1 << 47, quantity in 1u32..=1000, sku: u32, key: u64,
            request: u32, expires in 0u64..1 << 48, amount in 0i64..=AMOUNT_MAX, previous: u32,
        ) {
            let board = Board::default();
            let posting = Posting {
                state: State::ALL[state], lsn: Lsn(lsn), sku: SkuIx(sku), key: KeyDigest(key),
                quantity: Quantity::new(quantity).expect("in range"), previous, amount,
                request: RequestDigest(request), expires_at: Timestamp(expires),
            };
            let seq = ReservationSeq(70_000);
            prop_assert_eq!(board.read(seq), None);
            board.post(seq, &posting);
            prop_assert_eq!(board.read(seq), Some(posting));
            // A live hold's deadline moves, and takes nothing else with it.
            let later = Timestamp((expires + 7).min(LOW_48));
            board.put_off(seq, later, Lsn(lsn + 1));
            let put_off = match State::ALL[state].is_held() {
                true => Posting { lsn: Lsn(lsn + 1), expires_at: later, ..posting },
                false => posting,
            };
            prop_assert_eq!(board.read(seq), Some(put_off));
            board.move_to(seq, State::Sold, Lsn(lsn + 1));
            let moved = Posting { state: State::Sold, lsn: Lsn(lsn + 1), ..put_off };
            prop_assert_eq!(board.read(seq), Some(moved));
            prop_assert_eq!(board.read(ReservationSeq(69_999)), None);
            board.put_off(ReservationSeq(69_999), Timestamp(5), Lsn(lsn));
            prop_assert_eq!(board.read(ReservationSeq(69_999)), None);
        }
    }
}
