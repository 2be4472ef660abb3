//! How many shipments a node can still prepare in each hour.
//!
//! A ring of words for each node with a limit; slot `h` (hours since 1970) lives at `h` modulo the
//! ring's length. A word keeps the slot it counts for in its high 40 bits and the shipments in its
//! low 24. A newer slot takes over its place by itself; an older one is refused, since its count is
//! gone ([`SLOTS_KEPT`] hours later nobody prepares for it).

use crate::limits::SLOTS_KEPT;
use onrush_types::Timestamp;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Milliseconds of one slot.
pub const SLOT_MS: u64 = 3_600_000;

const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// An hour since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotIx(pub u32);

impl SlotIx {
    /// Return the slot that holds an instant.
    pub const fn of(at: Timestamp) -> SlotIx {
        SlotIx((at.0 / SLOT_MS) as u32)
    }

    /// Return the first instant of the slot.
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0 as u64 * SLOT_MS)
    }

    /// Return the slot after this one.
    pub const fn next(self) -> SlotIx {
        SlotIx(self.0 + 1)
    }
}

/// Capacity of one node.
#[derive(Debug)]
pub struct Capacity {
    per_hour: u32,
    ring: Vec<AtomicU64>,
    prices: Vec<AtomicI64>,
}

impl Capacity {
    /// Allow `per_hour` shipments in each slot.
    pub fn new(per_hour: u32) -> Capacity {
        let per_hour = per_hour.min(COUNT_MASK as u32);
        let ring = (0..SLOTS_KEPT).map(|_| AtomicU64::new(0)).collect();
        let prices = (0..SLOTS_KEPT).map(|_| AtomicI64::new(0)).collect();
        Capacity { per_hour, ring, prices }
    }

    /// Return the shipments each slot allows.
    pub fn per_hour(&self) -> u32 {
        self.per_hour
    }

    /// Return how many more shipments fit into a slot.
    #[inline]
    pub fn left(&self, slot: SlotIx) -> u32 {
        // Relaxed: advice for a decision; `take` decides on the word itself.
        let word = self.ring[place(slot)].load(Ordering::Relaxed);
        match used(word, slot) {
            Some(used) => self.per_hour - used.min(self.per_hour),
            None => 0,
        }
    }

    /// Take a place in a slot; say whether there was one.
    #[must_use]
    pub fn take(&self, slot: SlotIx) -> bool {
        let step = |word: u64| {
            let used = used(word, slot).filter(|&used| used < self.per_hour)?;
            Some(u64::from(slot.0) << COUNT_BITS | u64::from(used + 1))
        };
        // Relaxed: the word alone carries the claim.
        self.ring[place(slot)].fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }

    /// Return a place; without effect once a newer slot has taken over.
    pub fn give_back(&self, slot: SlotIx) {
        let step = |word: u64| {
            (word >> COUNT_BITS == u64::from(slot.0) && word & COUNT_MASK > 0).then(|| word - 1)
        };
        // Relaxed: pairs with `take`, on the word alone. An error means the slot is past.
        let _ = self.ring[place(slot)].fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }

    /// Refuse further shipments in a slot: the node says it is too busy.
    pub fn fill(&self, slot: SlotIx) {
        let step = |word: u64| {
            let used = used(word, slot)?;
            Some(u64::from(slot.0) << COUNT_BITS | u64::from(used.max(self.per_hour)))
        };
        // Relaxed: as in `take`. An error means the slot is past.
        let _ = self.ring[place(slot)].fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }

    /// Return the opportunity price of a place in a slot, in micro-units.
    #[inline]
    pub fn price_micros(&self, slot: SlotIx) -> i64 {
        // Relaxed: an estimate; any mix of old and new prices gives a valid plan.
        self.prices[place(slot)].load(Ordering::Relaxed)
    }

    /// Set the opportunity price of a place in a slot, in micro-units; below zero counts as zero.
    pub fn set_price_micros(&self, slot: SlotIx, micros: i64) {
        // Relaxed: as in `price_micros`.
        self.prices[place(slot)].store(micros.max(0), Ordering::Relaxed);
    }
}

fn place(slot: SlotIx) -> usize {
    slot.0 as usize % SLOTS_KEPT
}

/// The shipments a word counts for `slot`; `None` when the word belongs to a newer slot.
fn used(word: u64, slot: SlotIx) -> Option<u32> {
    match (word >> COUNT_BITS).cmp(&u64::from(slot.0)) {
        std::cmp::Ordering::Less => Some(0),
        std::cmp::Ordering::Equal => Some((word & COUNT_MASK) as u32),
        std::cmp::Ordering::Greater => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_fills_and_the_next_one_is_empty() {
        let capacity = Capacity::new(2);
        let slot = SlotIx(500_000);
        assert!(capacity.take(slot) && capacity.take(slot) && !capacity.take(slot));
        assert_eq!(capacity.left(slot), 0);
        assert_eq!(capacity.left(slot.next()), 2);
        capacity.give_back(slot);
        assert_eq!(capacity.left(slot), 1);
        capacity.fill(slot);
        assert!(!capacity.take(slot));
    }

    #[test]
    fn a_place_in_the_ring_belongs_to_the_newest_slot() {
        let capacity = Capacity::new(1);
        let (old, new) = (SlotIx(1_000), SlotIx(1_000 + SLOTS_KEPT as u32));
        assert!(capacity.take(old));
        assert_eq!(capacity.left(new), 1);
        assert!(capacity.take(new));
        assert!(!capacity.take(old), "its count is gone");
        capacity.give_back(old);
        assert_eq!(capacity.left(new), 0, "the old slot's place is not the new one's");
    }

    #[test]
    fn no_capacity_is_no_place() {
        assert!(!Capacity::new(0).take(SlotIx(1)));
    }
}
