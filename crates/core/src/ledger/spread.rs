//! A hash table that never grows at once.
//!
//! A table of millions that doubles moves all of them while everybody waits: 200 ms at two million
//! (profile), in the middle of a rush that was larger than expected. Here entries are spread over 256
//! tables of unequal shares: the largest gets twice as many as the smallest. So the tables reach their
//! limits one after the other, evenly over the time in which the whole doubles, and each move is a
//! 256th of the whole at most twice over.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Tables. Their headers take 8 KiB.
const TABLES: usize = 256;

/// What is reserved in a table beyond its share, in parts of it: shares vary by chance.
const SLACK_PART: usize = 16;

/// As `hashbrown::HashTable`: the caller brings hashes, which must be uniform in all bits.
#[derive(Debug)]
pub(super) struct Spread<T> {
    tables: Box<[HashTable<T>]>,
}

impl<T> Default for Spread<T> {
    fn default() -> Spread<T> {
        Spread { tables: (0..TABLES).map(|_| HashTable::new()).collect() }
    }
}

impl<T> Spread<T> {
    /// Find an entry. Cost: as in one table, and a square root.
    #[inline]
    pub(super) fn find(&self, hash: u64, same: impl FnMut(&T) -> bool) -> Option<&T> {
        self.tables[table_of(hash)].find(hash, same)
    }

    /// Find an entry or a place for it. Cost: where its table is full, moving what is in it.
    #[inline]
    pub(super) fn entry(
        &mut self,
        hash: u64,
        same: impl FnMut(&T) -> bool,
        rehash: impl Fn(&T) -> u64,
    ) -> Entry<'_, T> {
        self.tables[table_of(hash)].entry(hash, same, rehash)
    }

    /// Insert what is not there. Cost: as of [`entry`](Spread::entry).
    pub(super) fn insert_unique(&mut self, hash: u64, value: T, rehash: impl Fn(&T) -> u64) {
        self.tables[table_of(hash)].insert_unique(hash, value, rehash);
    }

    /// Make room for so many more.
    pub(super) fn reserve(&mut self, more: usize, rehash: impl Fn(&T) -> u64) {
        for (n, table) in self.tables.iter_mut().enumerate() {
            // The shares of 256 tables grow by even steps from two thirds to four thirds of the mean.
            let share = more.saturating_mul(2 * TABLES + 2 * n + 1) / (3 * TABLES * TABLES);
            table.reserve(share + share / SLACK_PART, &rehash);
        }
    }
}

/// Return the table of a hash, by bits that the tables themselves do not use: they take the highest
/// seven, and the lowest up to the 24th at the most buyers there may be.
///
/// With `u` of `0..1` it is `256 (√(1 + 3u) − 1)`, whose steps cover shares of `u` that grow evenly.
#[inline]
fn table_of(hash: u64) -> usize {
    let u = (hash >> 32) as u32 & 0xffff;
    ((1 << 16) + 3 * u).isqrt() as usize - TABLES
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    impl<T> Spread<T> {
        /// Return how many entries fit each table before it moves.
        pub(in crate::ledger) fn rooms(&self) -> Vec<usize> {
            self.tables.iter().map(HashTable::capacity).collect()
        }
    }

    /// SplitMix64: uniform bits from a count.
    fn hash(n: u64) -> u64 {
        let mut z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn insert(spread: &mut Spread<u64>, n: u64) {
        spread.insert_unique(hash(n), n, |&n| hash(n));
    }

    #[test]
    fn every_table_is_used_and_none_beyond() {
        let tables: Vec<usize> = (0..=0xffff_u64).map(|u| table_of(u << 32)).collect();
        assert_eq!((tables[0], tables[0xffff]), (0, TABLES - 1));
        assert!(tables.windows(2).all(|pair| pair[1] - pair[0] <= 1));
        let share = |n| tables.iter().filter(|&&table| table == n).count();
        let (least, most) = (share(0), share(TABLES - 1));
        assert!((168..=174).contains(&least) && (336..=344).contains(&most), "{least} {most}");
    }

    #[test]
    fn tables_grow_one_after_the_other() {
        let mut spread = Spread::default();
        let mut grown_at = Vec::new();
        let capacity = |spread: &Spread<u64>| -> usize { spread.rooms().iter().sum() };
        for n in 0..400_000 {
            let before = capacity(&spread);
            insert(&mut spread, n);
            if n >= 200_000 && capacity(&spread) > before {
                grown_at.push(n);
            }
        }
        assert!(grown_at.len() >= TABLES, "all of them within a doubling");
        // A sixteenth of the doubling sees a sixteenth of the moves, not all of them.
        for from in (200_000..400_000).step_by(12_500) {
            let moves = grown_at.iter().filter(|&&at| (from..from + 12_500).contains(&at)).count();
            assert!(moves <= TABLES / 4, "{moves} at {from}");
        }
        assert!((0..400_000).all(|n| spread.find(hash(n), |&found| found == n).is_some()));
    }

    #[test]
    fn what_was_expected_moves_nothing() {
        let mut spread = Spread::default();
        spread.reserve(300_000, |&n| hash(n));
        let before = spread.rooms();
        (0..300_000).for_each(|n| insert(&mut spread, n));
        assert_eq!(before, spread.rooms());
    }

    /// Memory for what is expected, and for the chance that shares vary by, is there before the rush;
    /// and not several times as much.
    #[test]
    fn what_is_expected_has_room_in_every_table_and_no_more_than_that() {
        for expected in [400_000, 800_000] {
            let mut spread: Spread<u64> = Spread::default();
            spread.reserve(expected, |&n| hash(n));
            let mut come = [0; TABLES];
            (0..expected as u64).for_each(|n| come[table_of(hash(n))] += 1);
            let rooms = spread.rooms();
            for (n, (room, come)) in rooms.iter().zip(come).enumerate() {
                assert!(*room >= come, "table {n} has room for {room} of {come}");
            }
            assert!(rooms.iter().sum::<usize>() <= 2 * expected);
        }
    }

    proptest! {
        #[test]
        fn holds_what_a_map_holds(keys in prop::collection::vec((0_u64..64, any::<bool>()), 0..300)) {
            let mut spread: Spread<(u64, usize)> = Spread::default();
            let mut model = BTreeMap::new();
            for (at, &(key, replace)) in keys.iter().enumerate() {
                match spread.entry(hash(key), |e| e.0 == key, |e| hash(e.0)) {
                    Entry::Occupied(mut entry) if replace => {
                        entry.get_mut().1 = at;
                        model.insert(key, at);
                    }
                    Entry::Occupied(_) => {}
                    Entry::Vacant(entry) => {
                        entry.insert((key, at));
                        model.insert(key, at);
                    }
                }
            }
            for key in 0..64 {
                let found = spread.find(hash(key), |e| e.0 == key).map(|e| e.1);
                prop_assert_eq!(found, model.get(&key).copied());
            }
        }
    }
}
