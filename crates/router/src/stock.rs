//! Stock for each node and SKU, taken by many threads at once, all lines or none.
//!
//! One word an entry decides; two counters follow it:
//!
//! | field | bits of the word | meaning |
//! |---|---|---|
//! | free | 63..32 | units that are neither held nor sold, safety stock included |
//! | held | 31..0 | units of plans that are not confirmed yet |
//!
//! | operation | free | held | sold | gone | withdrawn |
//! |---|---|---|---|---|---|
//! | take | −q | +q | | | |
//! | give back | +q | −q | | | |
//! | confirm | | −q | +q | | |
//! | dispatch | | | −q | +q | |
//! | put back (sold, too busy) | +q | | −q | | |
//! | withdraw (sold, damaged or missing) | | | −q | | +q |
//! | write off (count says nothing is left) | → 0 | | | | +free |
//!
//! Units on their way from another node are *in transfer*: known, but nobody's to take until they
//! arrive, which supplies them.
//!
//! **Conservation**, when no operation is under way: `free + held + sold + gone + withdrawn =
//! supplied`. ATP is `free − safety stock`; a take names the floor that must stay.

use crate::limits::ON_HAND_MAX;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

/// The place of one (node, SKU) pair in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryIx(pub u32);

/// Stock of one SKU at one node.
#[derive(Debug)]
pub struct Entry {
    word: AtomicU64,
    sold: AtomicU32,
    gone: AtomicU32,
    withdrawn: AtomicU32,
    supplied: AtomicU32,
    in_transfer: AtomicU32,
    safety: u32,
    /// Opportunity price of a unit, in micro-units.
    price: AtomicI64,
}

/// A consistent look at one entry when nothing moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Neither held nor sold.
    pub free: u32,
    /// In plans that are not confirmed.
    pub held: u32,
    /// Confirmed, still at the node.
    pub sold: u32,
    /// Dispatched.
    pub gone: u32,
    /// Found damaged or missing.
    pub withdrawn: u32,
    /// Ever supplied.
    pub supplied: u32,
    /// On the way here from another node; not supplied yet.
    pub in_transfer: u32,
    /// Kept for the node itself.
    pub safety: u32,
}

impl Levels {
    /// Say whether every unit is accounted for.
    pub fn is_conserved(&self) -> bool {
        let parts = [self.free, self.held, self.sold, self.gone, self.withdrawn];
        parts.iter().map(|&units| u64::from(units)).sum::<u64>() == u64::from(self.supplied)
    }
}

impl Entry {
    /// Start with `on_hand` units, of which `safety` are kept for the node itself.
    pub fn new(on_hand: u32, safety: u32) -> Entry {
        let on_hand = on_hand.min(ON_HAND_MAX);
        Entry {
            word: AtomicU64::new(u64::from(on_hand) << 32),
            sold: AtomicU32::new(0),
            gone: AtomicU32::new(0),
            withdrawn: AtomicU32::new(0),
            supplied: AtomicU32::new(on_hand),
            in_transfer: AtomicU32::new(0),
            safety,
            price: AtomicI64::new(0),
        }
    }

    /// Return the units above `floor` that can be taken.
    #[inline]
    pub fn available(&self, floor: u32) -> u32 {
        // Relaxed: advice for a decision; `take` decides on the word itself.
        ((self.word.load(Ordering::Relaxed) >> 32) as u32).saturating_sub(floor)
    }

    /// Return the units kept for the node itself.
    #[inline]
    pub fn safety(&self) -> u32 {
        self.safety
    }

    /// Take `units` if `floor` units stay free; say whether it did.
    #[must_use]
    pub fn take(&self, units: u32, floor: u32) -> bool {
        let needed = u64::from(units) + u64::from(floor);
        let step = |word: u64| {
            (word >> 32 >= needed).then(|| word - (u64::from(units) << 32) + u64::from(units))
        };
        // Relaxed: the word alone carries the claim; no other memory is published by it.
        self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }

    /// Return held units to the free ones.
    pub fn give_back(&self, units: u32) {
        self.move_held(units, u64::from(units) << 32);
    }

    /// Turn held units into sold ones.
    pub fn confirm(&self, units: u32) {
        self.move_held(units, 0);
        // Relaxed: a counter read only when nothing moves.
        self.sold.fetch_add(units, Ordering::Relaxed);
    }

    /// Sold units left the node.
    pub fn dispatch(&self, units: u32) {
        self.move_sold(units);
        // Relaxed: as in `confirm`.
        self.gone.fetch_add(units, Ordering::Relaxed);
    }

    /// Sold units stay at the node and are free again.
    pub fn put_back(&self, units: u32) {
        self.move_sold(units);
        // Relaxed: pairs with `take`, on the word alone.
        self.word.fetch_add(u64::from(units) << 32, Ordering::Relaxed);
    }

    /// Sold units turned out not to be there, or not fit to send.
    pub fn withdraw(&self, units: u32) {
        self.move_sold(units);
        // Relaxed: as in `confirm`.
        self.withdrawn.fetch_add(units, Ordering::Relaxed);
    }

    /// Withdraw every free unit: the node says the shelf is empty.
    pub fn write_off(&self) {
        // Relaxed: the word alone carries the change.
        let before = self.word.fetch_and(0xFFFF_FFFF, Ordering::Relaxed);
        // Relaxed: as in `confirm`.
        self.withdrawn.fetch_add((before >> 32) as u32, Ordering::Relaxed);
    }

    /// Add units; those beyond [`ON_HAND_MAX`] ever supplied are refused.
    #[must_use]
    pub fn supply(&self, units: u32) -> bool {
        let step = |all: u32| all.checked_add(units).filter(|&all| all <= ON_HAND_MAX);
        // Relaxed: counts before the units appear, so free never exceeds what was supplied.
        if self.supplied.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_err() {
            return false;
        }
        // Relaxed: pairs with `take`, on the word alone.
        self.word.fetch_add(u64::from(units) << 32, Ordering::Relaxed);
        true
    }

    /// Units left another node for this one.
    pub fn announce(&self, units: u32) {
        // Relaxed: a counter that decides nothing; `arrive` pairs with it on the counter alone.
        self.in_transfer.fetch_add(units, Ordering::Relaxed);
    }

    /// Announced units arrived; false, and nothing changed, when fewer were announced or more would
    /// ever have been supplied than the limit.
    #[must_use]
    pub fn arrive(&self, units: u32) -> bool {
        let step = |left: u32| left.checked_sub(units);
        // Relaxed: the counter alone carries the claim.
        if self.in_transfer.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_err() {
            return false;
        }
        let is_supplied = self.supply(units);
        if !is_supplied {
            self.announce(units);
        }
        is_supplied
    }

    /// Return the opportunity price of a unit, in micro-units.
    #[inline]
    pub fn price_micros(&self) -> i64 {
        // Relaxed: an estimate; any mix of old and new prices gives a valid plan.
        self.price.load(Ordering::Relaxed)
    }

    /// Set the opportunity price of a unit, in micro-units; below zero counts as zero.
    #[inline]
    pub fn set_price_micros(&self, micros: i64) {
        // Relaxed: as in `price_micros`.
        self.price.store(micros.max(0), Ordering::Relaxed);
    }

    /// Return every count. Consistent only while nothing moves.
    pub fn levels(&self) -> Levels {
        // Relaxed: the caller made sure that nothing moves.
        let word = self.word.load(Ordering::Relaxed);
        let read = |counter: &AtomicU32| counter.load(Ordering::Relaxed); // Relaxed: as above.
        Levels {
            free: (word >> 32) as u32,
            held: word as u32,
            sold: read(&self.sold),
            gone: read(&self.gone),
            withdrawn: read(&self.withdrawn),
            supplied: read(&self.supplied),
            in_transfer: read(&self.in_transfer),
            safety: self.safety,
        }
    }

    fn move_held(&self, units: u32, add: u64) {
        // Relaxed: pairs with `take`, on the word alone.
        let before = self.word.fetch_add(add.wrapping_sub(u64::from(units)), Ordering::Relaxed);
        assert!(before as u32 >= units, "a plan gives back no more than it holds");
    }

    fn move_sold(&self, units: u32) {
        // Relaxed: a counter read only when nothing moves.
        let before = self.sold.fetch_sub(units, Ordering::Relaxed);
        assert!(before >= units, "no more leaves than was sold");
    }
}

/// Units one channel may still take of one entry.
#[derive(Debug)]
pub struct Quota {
    left: AtomicU32,
    most: u32,
}

impl Quota {
    /// Start with a number of units.
    pub fn new(units: u32) -> Quota {
        Quota { left: AtomicU32::new(units), most: units }
    }

    /// Return the units it started with.
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Return what is left.
    #[inline]
    pub fn left(&self) -> u32 {
        // Relaxed: advice for a decision; `take` decides on the counter itself.
        self.left.load(Ordering::Relaxed)
    }

    /// Take units if there are enough; say whether it did.
    #[must_use]
    pub fn take(&self, units: u32) -> bool {
        let step = |left: u32| left.checked_sub(units);
        // Relaxed: the counter alone carries the claim.
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }

    /// Return units.
    pub fn give_back(&self, units: u32) {
        // Relaxed: pairs with `take`, on the counter alone.
        self.left.fetch_add(units, Ordering::Relaxed);
    }
}

/// Finds the entry of a (node, SKU) pair: open addressing over dense ids, at most half full.
///
/// Keys are numbers the network gave out itself, never what a client sent, so an unkeyed mix is
/// safe here.
#[derive(Debug, Default)]
pub struct PairIndex {
    slots: Vec<(u64, u32)>,
    shift: u32,
}

const EMPTY: u64 = u64::MAX;

impl PairIndex {
    /// Index distinct pairs; the n-th pair gets entry n.
    pub fn build(pairs: &[(u32, u32)]) -> PairIndex {
        let size = (pairs.len() * 2).next_power_of_two().max(2);
        let shift = 64 - size.trailing_zeros();
        let mut index = PairIndex { slots: vec![(EMPTY, 0); size], shift };
        for (entry, &(node, sku)) in pairs.iter().enumerate() {
            let key = pair_key(node, sku);
            let mut at = index.home(key);
            while index.slots[at].0 != EMPTY {
                debug_assert_ne!(index.slots[at].0, key, "pairs are distinct");
                at = (at + 1) & (size - 1);
            }
            index.slots[at] = (key, entry as u32);
        }
        index
    }

    /// Return the entry of a pair. `O(1)`.
    #[inline]
    pub fn get(&self, node: u32, sku: u32) -> Option<EntryIx> {
        let key = pair_key(node, sku);
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = self.home(key);
        loop {
            match self.slots[at].0 {
                found if found == key => return Some(EntryIx(self.slots[at].1)),
                EMPTY => return None,
                _ => at = (at + 1) & mask,
            }
        }
    }

    #[inline]
    fn home(&self, key: u64) -> usize {
        // Fibonacci hashing: the high bits of a product with 2⁶⁴/φ.
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }
}

#[inline]
fn pair_key(node: u32, sku: u32) -> u64 {
    u64::from(node) << 32 | u64::from(sku)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_conserves_units() {
        let entry = Entry::new(10, 2);
        assert!(entry.take(5, 2));
        assert!(!entry.take(4, 2), "three are above safety stock");
        assert!(entry.take(4, 0), "a sale in the store may use safety stock");
        entry.give_back(4);
        entry.confirm(5);
        entry.dispatch(1);
        entry.put_back(1);
        entry.withdraw(2);
        assert!(entry.supply(7));
        let levels = entry.levels();
        assert_eq!(
            (levels.free, levels.held, levels.sold, levels.gone, levels.withdrawn),
            (13, 0, 1, 1, 2)
        );
        assert!(levels.is_conserved());
        entry.write_off();
        assert_eq!(entry.levels().free, 0);
        assert!(entry.levels().is_conserved());
    }

    #[test]
    #[should_panic(expected = "no more than it holds")]
    fn giving_back_what_was_not_taken_is_a_bug() {
        Entry::new(3, 0).give_back(1);
    }

    #[test]
    fn supply_is_bounded() {
        let entry = Entry::new(ON_HAND_MAX, 0);
        assert!(!entry.supply(1));
        assert_eq!(entry.levels().free, ON_HAND_MAX);
    }

    #[test]
    fn a_quota_is_a_ceiling() {
        let quota = Quota::new(3);
        assert!(quota.take(2) && !quota.take(2));
        quota.give_back(1);
        assert_eq!(quota.left(), 2);
    }

    #[test]
    fn pairs_are_found_and_strangers_are_not() {
        let pairs: Vec<(u32, u32)> =
            (0..500).flat_map(|node| (0..7).map(move |sku| (node * 3, sku * 11))).collect();
        let index = PairIndex::build(&pairs);
        for (entry, &(node, sku)) in pairs.iter().enumerate() {
            assert_eq!(index.get(node, sku), Some(EntryIx(entry as u32)));
        }
        assert_eq!(index.get(1, 0), None);
        assert_eq!(index.get(0, 1), None);
        assert_eq!(PairIndex::default().get(0, 0), None);
    }
}
