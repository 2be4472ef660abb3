//! One atomic word per SKU: how many units are free and how many may still come back.
//!
//! ```text
//! bit  63 62 | 61 ………………………… 31 | 30 ………………………… 0
//!      0   0 |  held (31 bits)  |  free (31 bits)
//! ```
//!
//! | from            | operation     | to                  | by            | when                         |
//! |-----------------|---------------|---------------------|---------------|------------------------------|
//! | free f, held h  | `take(q)`     | free f−q, held h+q  | any caller    | before its record is queued  |
//! | free f, held h  | `give_back(q)`| free f+q, held h−q  | ledger thread | after the record is durable  |
//! | free f, held h  | `keep(q)`     | free f,   held h−q  | ledger thread | after the sale is durable    |
//! | free f, held h  | `add(q)`      | free f+q, held h    | ledger thread | after the supply is durable  |
//! | free f, held h  | `add_held(q)` | free f,   held h+q  | ledger thread | as `add`, when it was taken  |
//!
//! Legal: free + held ≤ 2³¹ − 1 ([`SUPPLY_MAX`]), top bits zero. `free` here never exceeds the
//! ledger's `free`: takes lower it before the ledger hears of them, and only the ledger thread
//! raises it, after the sync. So a bug here can cost a wrong refusal, never an oversell (INV-2).
//!
//! [`SUPPLY_MAX`]: onrush_types::limits::SUPPLY_MAX

use crate::sync::{AtomicU64, Ordering};
use crossbeam_utils::Backoff;
use onrush_types::limits::SUPPLY_MAX;

const FIELD_BITS: u32 = 31;
const FIELD_MASK: u64 = (1 << FIELD_BITS) - 1;
const _: () = assert!(SUPPLY_MAX as u64 <= FIELD_MASK, "every supply fits a field of the word");

/// The stock of one SKU as callers see it.
#[derive(Debug, Default)]
pub struct Slot {
    word: AtomicU64,
}

/// What a slot holds at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotView {
    /// Units that a take would get.
    pub free: u32,
    /// Units on hold: they may be free again.
    pub held: u32,
}

/// Why a slot has not enough units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// Nothing is on hold, so nothing comes back by itself.
    SoldOut {
        /// Units that are free, fewer than were asked for.
        free: u32,
    },
    /// Some units are on hold and may come back.
    AllHeld {
        /// Units that are free, fewer than were asked for.
        free: u32,
    },
}

impl SlotView {
    #[inline]
    fn of(word: u64) -> SlotView {
        debug_assert_eq!(word >> (2 * FIELD_BITS), 0, "the top bits of a slot are zero");
        SlotView {
            free: (word & FIELD_MASK) as u32,
            held: ((word >> FIELD_BITS) & FIELD_MASK) as u32,
        }
    }

    /// Return why `quantity` units cannot be had, or `None` when they can.
    #[inline]
    pub fn shortage(self, quantity: u32) -> Option<Shortage> {
        if self.free >= quantity {
            None
        } else if self.held > 0 {
            Some(Shortage::AllHeld { free: self.free })
        } else {
            Some(Shortage::SoldOut { free: self.free })
        }
    }
}

impl Slot {
    /// Return free and held as they are now. One load.
    #[inline]
    pub fn look(&self) -> SlotView {
        // Relaxed: a hint for refusing early; whoever acts on it goes through `take`.
        SlotView::of(self.word.load(Ordering::Relaxed))
    }

    /// Take `quantity` units, or none of them.
    ///
    /// Lock-free: a failed exchange means that another caller moved the word. Never goes negative.
    ///
    /// # Errors
    /// The shortage, when fewer are free.
    #[inline]
    pub fn take(&self, quantity: u32) -> Result<(), Shortage> {
        debug_assert!(quantity > 0);
        let moved = (u64::from(quantity) << FIELD_BITS) - u64::from(quantity);
        // Relaxed: only a first guess for the exchange below.
        let mut word = self.word.load(Ordering::Relaxed);
        let backoff = Backoff::new();
        loop {
            if let Some(shortage) = SlotView::of(word).shortage(quantity) {
                return Err(shortage);
            }
            // AcqRel: pairs with the Release in `give_back`/`add`, so that who takes a returned
            // unit sees the board entry that freed it; Release hands on the same to the next taker.
            match self.word.compare_exchange_weak(
                word,
                word + moved,
                Ordering::AcqRel,
                Ordering::Relaxed, // the failed value is only the next guess
            ) {
                Ok(_) => return Ok(()),
                Err(seen) => word = seen,
            }
            // Two takers that retry at once keep taking the line from each other.
            backoff.spin();
        }
    }

    /// Move `quantity` units from held back to free. Ledger thread only, after the sync.
    pub fn give_back(&self, quantity: u32) {
        let moved = (u64::from(quantity) << FIELD_BITS) - u64::from(quantity);
        // Release: pairs with the Acquire in `take`; the board was written before.
        let before = SlotView::of(self.word.fetch_sub(moved, Ordering::Release));
        assert!(before.held >= quantity, "gave back {quantity} of {} held units", before.held);
    }

    /// Drop `quantity` units from held: they were sold or withdrawn. Ledger thread only.
    pub fn keep(&self, quantity: u32) {
        // Relaxed: nothing is published; a taker cannot use what leaves the word.
        let before =
            SlotView::of(self.word.fetch_sub(u64::from(quantity) << FIELD_BITS, Ordering::Relaxed));
        assert!(before.held >= quantity, "kept {quantity} of {} held units", before.held);
    }

    /// Add `quantity` free units: a supply or a cancelled sale. Ledger thread only, after the sync.
    pub fn add(&self, quantity: u32) {
        // Release: pairs with the Acquire in `take`; the SKU's entry was written before.
        let before = SlotView::of(self.word.fetch_add(u64::from(quantity), Ordering::Release));
        assert!(
            u64::from(before.free) + u64::from(before.held) + u64::from(quantity)
                <= u64::from(SUPPLY_MAX),
            "a slot holds at most SUPPLY_MAX units"
        );
    }

    /// Add `quantity` units that were taken again in the batch that added them. Ledger thread only,
    /// after the sync.
    pub fn add_held(&self, quantity: u32) {
        // Relaxed: nothing is published; a taker cannot use what is on hold.
        let before =
            SlotView::of(self.word.fetch_add(u64::from(quantity) << FIELD_BITS, Ordering::Relaxed));
        assert!(
            u64::from(before.free) + u64::from(before.held) + u64::from(quantity)
                <= u64::from(SUPPLY_MAX),
            "a slot holds at most SUPPLY_MAX units"
        );
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(free: u32, held: u32) -> Slot {
        let slot = Slot::default();
        if free + held > 0 {
            slot.add(free + held);
        }
        if held > 0 {
            slot.take(held).expect("just added");
        }
        slot
    }

    /// The table of states above, row by row, over all small words.
    #[test]
    fn every_legal_move_of_a_small_word() {
        for free in 0..=4 {
            for held in 0..=4 {
                let slot = at(free, held);
                assert_eq!(slot.look(), SlotView { free, held });
                for quantity in 1..=5 {
                    let slot = at(free, held);
                    match slot.take(quantity) {
                        Ok(()) => {
                            assert!(free >= quantity);
                            let after = SlotView { free: free - quantity, held: held + quantity };
                            assert_eq!(slot.look(), after);
                        }
                        Err(Shortage::SoldOut { free: f }) => {
                            assert!(f == free && free < quantity && held == 0);
                        }
                        Err(Shortage::AllHeld { free: f }) => {
                            assert!(f == free && free < quantity && held > 0);
                        }
                    }
                    let more = at(free, held);
                    more.add_held(quantity);
                    assert_eq!(more.look(), SlotView { free, held: held + quantity });
                    if held >= quantity {
                        let back = at(free, held);
                        back.give_back(quantity);
                        let after = SlotView { free: free + quantity, held: held - quantity };
                        assert_eq!(back.look(), after);
                        let kept = at(free, held);
                        kept.keep(quantity);
                        assert_eq!(kept.look(), SlotView { free, held: held - quantity });
                    }
                }
            }
        }
    }

    #[test]
    fn holds_the_largest_supply() {
        let slot = at(SUPPLY_MAX, 0);
        slot.take(SUPPLY_MAX).expect("all of it");
        assert_eq!(slot.look(), SlotView { free: 0, held: SUPPLY_MAX });
        slot.give_back(SUPPLY_MAX);
        assert_eq!(slot.look(), SlotView { free: SUPPLY_MAX, held: 0 });
    }

    #[test]
    #[should_panic(expected = "SUPPLY_MAX")]
    fn refuses_more_than_the_largest_supply() {
        at(SUPPLY_MAX, 0).add(1);
    }

    #[test]
    fn racing_takers_get_exactly_the_supply() {
        let slot = at(10_000, 0);
        let got: u32 = std::thread::scope(|s| {
            let takers: Vec<_> = (0..8)
                .map(|_| s.spawn(|| (0..5_000).filter(|_| slot.take(1).is_ok()).count() as u32))
                .collect();
            takers.into_iter().map(|t| t.join().expect("taker")).sum()
        });
        assert_eq!(got, 10_000);
        assert_eq!(slot.look(), SlotView { free: 0, held: 10_000 });
    }

    proptest! {
        /// The word against two plain counters, over its whole range.
        #[test]
        fn behaves_like_two_counters(
            moves in proptest::collection::vec((0u8..4, 1u32..=SUPPLY_MAX, 0u32..40), 1..60),
        ) {
            let slot = Slot::default();
            let (mut free, mut held) = (0u32, 0u32);
            for (kind, units, shift) in moves {
                // Small and large quantities alike.
                let q = (units >> (shift % 31)).max(1);
                match kind {
                    0 if q <= SUPPLY_MAX - free - held => {
                        slot.add(q);
                        free += q;
                    }
                    1 => {
                        let shortage = match held {
                            0 => Shortage::SoldOut { free },
                            _ => Shortage::AllHeld { free },
                        };
                        let expected = if q <= free { Ok(()) } else { Err(shortage) };
                        prop_assert_eq!(slot.take(q), expected);
                        if q <= free {
                            (free, held) = (free - q, held + q);
                        }
                    }
                    2 if q <= held => {
                        slot.give_back(q);
                        (free, held) = (free + q, held - q);
                    }
                    3 if q <= held => {
                        slot.keep(q);
                        held -= q;
                    }
                    _ => {}
                }
                prop_assert_eq!(slot.look(), SlotView { free, held });
            }
        }
    }
}
