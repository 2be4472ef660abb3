//! A table of fixed size: what is known of each address prefix, device, account and so on.
//!
//! Buckets of eight. The keys of a bucket fill one cache line and a row half of one, so a look costs
//! two misses however large the table is. A new entity in a full bucket takes the place of the one
//! that was not seen for the longest time: what an attacker floods out is forgotten, which makes a
//! score milder, never harsher. 40 bytes an entity, none more.

use crate::counters::Counts;
use crate::hll::Distinct;
use crate::key::EntityId;
use crate::limits::ENTITY_BYTES;

/// Entities in a bucket.
const WAYS: usize = 8;

/// What is known of one entity. Times are milliseconds since the sketches were made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    /// When it was last seen.
    pub last_ms: u32,
    /// When it was first seen.
    pub first_ms: u32,
    /// How often, at `last_ms`.
    pub counts: Counts,
    /// The cluster it belongs to, 0: none.
    pub cluster: u32,
    /// Distinct accounts seen with it; of an account: its rhythm.
    pub more: u64,
}

const _: () = assert!(size_of::<Row>() + size_of::<u64>() == ENTITY_BYTES);

#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Bucket([u64; WAYS]);

/// The table.
#[derive(Debug)]
pub struct Entities {
    keys: Box<[Bucket]>,
    rows: Box<[Row]>,
    used: usize,
    evicted: u64,
}

impl Entities {
    /// Make room for at least `capacity` entities. All memory is taken here.
    pub fn new(capacity: usize) -> Entities {
        let buckets = capacity.div_ceil(WAYS).max(1);
        Entities {
            keys: vec![Bucket::default(); buckets].into(),
            rows: vec![Row::default(); buckets * WAYS].into(),
            used: 0,
            evicted: 0,
        }
    }

    /// Bring what `ids` need into the cache, all at once: the misses of one overlap with those of the
    /// others, where one look after the other would wait for each.
    #[inline]
    pub fn warm(&self, ids: &[Option<EntityId>]) {
        let mut seen = 0;
        for id in ids.iter().flatten() {
            seen ^= self.keys[self.bucket(*id)].0[0];
        }
        std::hint::black_box(seen);
        let mut seen = 0;
        for id in ids.iter().flatten() {
            let bucket = self.bucket(*id);
            let at = self.keys[bucket].0.iter().position(|key| *key == id.0).unwrap_or(0);
            seen ^= self.rows[bucket * WAYS + at].last_ms;
        }
        std::hint::black_box(seen);
    }

    #[inline]
    fn bucket(&self, id: EntityId) -> usize {
        (((id.0 >> 32) * self.keys.len() as u64) >> 32) as usize
    }

    /// Return the row of `id`, a new one where there is none. O(1), no allocation.
    #[inline]
    pub fn row(&mut self, id: EntityId, now_ms: u32) -> &mut Row {
        debug_assert!(id.0 != 0, "0 means that a place is empty");
        let bucket = self.bucket(id);
        let keys = &mut self.keys[bucket].0;
        let first = bucket * WAYS;
        let at = match keys.iter().position(|key| *key == id.0) {
            Some(at) => at,
            None => {
                let rows = &self.rows[first..first + WAYS];
                let at = match keys.iter().position(|key| *key == 0) {
                    Some(at) => at,
                    None => {
                        self.evicted += 1;
                        let oldest = (0..WAYS).min_by_key(|at| rows[*at].last_ms);
                        oldest.expect("a bucket has ways")
                    }
                };
                self.used += usize::from(keys[at] == 0);
                keys[at] = id.0;
                self.rows[first + at] = Row { last_ms: now_ms, first_ms: now_ms, ..Row::default() };
                at
            }
        };
        &mut self.rows[first + at]
    }

    /// Return how many entities are in it.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Tell whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Return how many entities were forgotten to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Return the memory it takes, however much is in it.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.keys) + size_of_val(&*self.rows)
    }
}

impl Row {
    /// Count one event, and return the counts with it.
    #[inline]
    pub fn count(&mut self, now_ms: u32) -> Counts {
        self.counts = self.counts.decayed(now_ms.saturating_sub(self.last_ms)).plus_one();
        self.last_ms = self.last_ms.max(now_ms);
        self.counts
    }

    /// Note an account, and return about how many there are.
    #[inline]
    pub fn with_account(&mut self, account: EntityId) -> f32 {
        let distinct = Distinct(self.more).with(account.0);
        self.more = distinct.0;
        distinct.estimate()
    }
}

/// How an account asks: the mean of its gaps, their mean deviation, and two counts, in 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rhythm {
    mean_ms: u16,
    deviation_ms: u16,
    pub(crate) probes: u16,
    pub(crate) beacons: u8,
    gaps: u8,
}

/// Gaps that must be known before their regularity says anything.
const GAPS_MIN: u8 = 6;

impl Rhythm {
    pub(crate) fn of(row: &Row) -> Rhythm {
        let [a, b, c, d, e, f, beacons, gaps] = row.more.to_le_bytes();
        Rhythm {
            mean_ms: u16::from_le_bytes([a, b]),
            deviation_ms: u16::from_le_bytes([c, d]),
            probes: u16::from_le_bytes([e, f]),
            beacons,
            gaps,
        }
    }

    pub(crate) fn packed(self) -> u64 {
        let ([a, b], [c, d]) = (self.mean_ms.to_le_bytes(), self.deviation_ms.to_le_bytes());
        let [e, f] = self.probes.to_le_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, self.beacons, self.gaps])
    }

    /// Learn a gap: moving means with a weight of a quarter.
    pub(crate) fn gap(&mut self, gap_ms: u32) {
        let gap = gap_ms.min(u32::from(u16::MAX)) as i32;
        let mean = if self.gaps == 0 { gap } else { i32::from(self.mean_ms) };
        let off = (gap - mean).abs();
        self.mean_ms = (mean + (gap - mean) / 4) as u16;
        let deviation = i32::from(self.deviation_ms);
        self.deviation_ms = (deviation + (off - deviation) / 4).max(0) as u16;
        self.gaps = self.gaps.saturating_add(1);
    }

    /// Return how even the gaps are, 0 to 1; 0 as long as too few are known.
    pub(crate) fn regularity(self) -> f32 {
        if self.gaps < GAPS_MIN || self.mean_ms == 0 {
            return 0.0;
        }
        (1.0 - f32::from(self.deviation_ms) / f32::from(self.mean_ms)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[test]
    fn keeps_what_it_has_room_for_and_forgets_the_oldest() {
        let mut table = Entities::new(8);
        for n in 1..=8u64 {
            table.row(EntityId(n), n as u32).count(n as u32);
        }
        assert_eq!((table.len(), table.evicted()), (8, 0));
        table.row(EntityId(1), 50).count(50);
        assert_eq!(table.row(EntityId(99), 51).counts, Counts::default(), "a new row is empty");
        assert_eq!((table.len(), table.evicted()), (8, 1));
        assert!(table.row(EntityId(1), 52).first_ms == 1, "the one seen last stays");
        assert!(table.row(EntityId(2), 53).first_ms == 53, "the oldest went");
    }

    #[test]
    fn rhythm_tells_a_clock_from_a_person() {
        let mut clock = Rhythm::default();
        let mut person = Rhythm::default();
        for n in 0..20u32 {
            clock.gap(500 + n % 2);
            person.gap(if n % 3 == 0 { 4_000 } else { 300 + (n * 7_919) % 900 });
        }
        assert!(clock.regularity() > 0.95, "{clock:?}");
        assert!(person.regularity() < 0.7, "{person:?}");
        let row = Row { more: person.packed(), ..Row::default() };
        assert_eq!(Rhythm::of(&row), person);
        let mut young = Rhythm::default();
        (0..5).for_each(|_| young.gap(500));
        assert_eq!(young.regularity(), 0.0, "five gaps say nothing");
    }

    proptest! {
        /// As long as nothing is evicted the table is a map; memory never grows.
        #[test]
        fn is_a_map_of_fixed_size(ids in proptest::collection::vec(1u64..4_000, 1..600)) {
            let mut table = Entities::new(512);
            let bytes = table.bytes();
            let mut exact: HashMap<u64, u32> = HashMap::new();
            for (now, id) in ids.iter().enumerate() {
                let spread = EntityId(id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let evicted = table.evicted();
                let row = table.row(spread, now as u32);
                let is_new = row.counts == Counts::default();
                row.count(now as u32);
                if evicted == 0 && table.evicted() == 0 {
                    prop_assert_eq!(is_new, !exact.contains_key(id));
                }
                *exact.entry(*id).or_default() += 1;
            }
            prop_assert_eq!(table.bytes(), bytes);
            prop_assert!(table.len() <= 512);
        }
    }
}
