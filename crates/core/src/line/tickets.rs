//! The tickets of one line: an append-only table that the ledger writes and everybody reads.
//!
//! ```text
//! buyer digest (128 bits) │ place (32) │ facts (32):
//! class (3) │ lane (3) │ used (1) │ returned (1) │ used, told (1) │ returned, told (1) │ joined (22)
//! ```
//!
//! *joined* counts seconds after the first ticket; after 48 days it stands still.
//!
//! | what | written by | read by |
//! |---|---|---|
//! | digest, joined, class, lane | ledger thread, before the ticket counts | all, below `count` |
//! | used, returned | ledger thread, when it decides | ledger thread |
//! | used, returned, told | ledger thread, after the sync | all |
//! | place | ledger thread (arrivals), indexer (drawn), once | all |
//!
//! A reader looks only below [`Tickets::count`], which grows after the sync, so what is read here is
//! durable (INV-4). 24 bytes a ticket, so a look at one misses the cache once; the ledger's index and the
//! wheel add at most 24.

use crate::front::ChunkTable;
use onrush_types::limits::TICKETS_MAX;
use onrush_types::{BuyerDigest, DurationMs, TicketNo, Timestamp};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Tickets in one chunk: 0.4 MiB.
const TICKETS_PER_CHUNK: usize = 1 << 14;
/// Stands for a place that is not known yet.
const NO_PLACE: u32 = u32::MAX;
/// One step of `joined`.
const SECOND_MS: u64 = 1_000;
const JOINED_SHIFT: u32 = 10;
const JOINED_MAX: u64 = (1 << 22) - 1;

const USED: u32 = 1 << 6;
const RETURNED: u32 = 1 << 7;
/// From what was decided to what may be told.
const TOLD_SHIFT: u32 = 2;

/// The tickets of one line.
#[derive(Debug)]
pub struct Tickets {
    rows: ChunkTable<Row>,
    /// Tickets that the ledger made.
    made: AtomicU32,
    /// Tickets that are durable.
    count: AtomicU32,
    /// When the first ticket was made, in milliseconds.
    first_ms: AtomicU64,
}

#[derive(Debug)]
struct Row {
    digest: [AtomicU64; 2],
    place: AtomicU32,
    facts: AtomicU32,
}

impl Default for Row {
    fn default() -> Row {
        let place = AtomicU32::new(NO_PLACE);
        Row { digest: Default::default(), place, facts: AtomicU32::default() }
    }
}

const _: () = assert!(size_of::<Row>() == 24, "the memory budget");

/// A ticket as it is in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketRow {
    /// Whose it is.
    pub buyer: BuyerDigest,
    /// When it was made, to a second.
    pub joined_at: Timestamp,
    /// The tier's place in the terms.
    pub class: u8,
    /// Where its owner enters.
    pub lane: u8,
    /// Its place in the whole line, where that is known.
    pub place: Option<u32>,
    /// A reservation was made with it.
    pub used: bool,
    /// It was passed over and asked to be called up again.
    pub returned: bool,
}

impl Default for Tickets {
    fn default() -> Tickets {
        Tickets {
            rows: ChunkTable::new(TICKETS_PER_CHUNK, TICKETS_MAX),
            made: AtomicU32::new(0),
            count: AtomicU32::new(0),
            first_ms: AtomicU64::new(0),
        }
    }
}

impl Tickets {
    /// Return how many tickets are durable.
    #[inline]
    pub fn count(&self) -> u32 {
        // Acquire: pairs with the Release in `publish`; the rows below are there.
        self.count.load(Ordering::Acquire)
    }

    /// Return a durable ticket, with what may be told about it. O(1), no lock.
    #[inline]
    pub fn read(&self, number: TicketNo) -> Option<TicketRow> {
        if number.0 < self.count() { self.row(number, TOLD_SHIFT) } else { None }
    }

    /// Return whose a durable ticket is.
    #[inline]
    pub fn buyer(&self, number: TicketNo) -> Option<BuyerDigest> {
        if number.0 < self.count() { self.digest(number) } else { None }
    }

    /// Tell readers about the first `count` tickets. Ledger thread only, after the sync.
    pub fn publish(&self, count: u32) {
        // Relaxed: this thread made them.
        debug_assert!(count <= self.made.load(Ordering::Relaxed));
        // Release: pairs with the Acquire in `count`.
        self.count.store(count, Ordering::Release);
    }

    /// Tell readers what became of a ticket. Ledger thread only, after the sync.
    pub fn tell(&self, number: TicketNo) {
        let Some(Row { facts, .. }) = self.rows.get(number.index()) else { return };
        // Relaxed: only this thread writes.
        let decided = facts.load(Ordering::Relaxed);
        let told = decided | (decided & (USED | RETURNED)) << TOLD_SHIFT;
        // Relaxed: a fact that stands alone; no reader concludes from it that another was written.
        facts.store(told, Ordering::Relaxed);
    }

    /// Tell readers everything: what was recovered is durable. Before any reader is there.
    pub fn publish_all(&self) {
        let made = self.made();
        (0..made).for_each(|number| self.tell(TicketNo(number)));
        self.publish(made);
    }

    /// Set the place of a drawn ticket. Indexer only.
    #[inline]
    pub fn set_place(&self, number: TicketNo, place: u32) {
        if let Some(row) = self.rows.get(number.index()) {
            // Relaxed: a number that stands alone; it is written once.
            row.place.store(place, Ordering::Relaxed);
        }
    }

    /// Return how many tickets were made, durable or not. Ledger thread only.
    pub(crate) fn made(&self) -> u32 {
        // Relaxed: only this thread writes.
        self.made.load(Ordering::Relaxed)
    }

    /// Return a ticket as the ledger decided it. Ledger thread only.
    pub(crate) fn decided(&self, number: TicketNo) -> Option<TicketRow> {
        if number.0 < self.made() { self.row(number, 0) } else { None }
    }

    /// Make the next ticket. Ledger thread only; the ledger bounds how many there are.
    pub(crate) fn push(&self, ticket: &TicketRow) -> TicketNo {
        let number = self.made();
        let at = number as usize;
        let row = self.rows.ensure(at).expect("the ledger bounds tickets");
        if number == 0 {
            // Relaxed: published with the first ticket, by `publish`.
            self.first_ms.store(ticket.joined_at.0, Ordering::Relaxed);
        }
        let (low, high) = ticket.buyer.0.split_at(8);
        let word = |half: &[u8]| u64::from_le_bytes(half.try_into().expect("half of sixteen"));
        let seconds = self.seconds(ticket.joined_at);
        // Relaxed, all of these: published with the count, by `publish`.
        row.digest[0].store(word(low), Ordering::Relaxed);
        row.digest[1].store(word(high), Ordering::Relaxed);
        row.place.store(ticket.place.unwrap_or(NO_PLACE), Ordering::Relaxed);
        let flags = [(ticket.used, USED), (ticket.returned, RETURNED)];
        let flags = flags.iter().filter(|flag| flag.0).map(|flag| flag.1).sum::<u32>();
        let of_tier = u32::from(ticket.class) | u32::from(ticket.lane) << 3;
        // Relaxed, both: published with the count, by `publish`.
        row.facts.store(seconds << JOINED_SHIFT | of_tier | flags, Ordering::Relaxed);
        self.made.store(number + 1, Ordering::Relaxed);
        TicketNo(number)
    }

    /// Note that a ticket was used. Ledger thread only.
    pub(crate) fn set_used(&self, number: TicketNo) {
        self.set(number, USED);
    }

    /// Note that a ticket's owner came back. Ledger thread only.
    pub(crate) fn set_returned(&self, number: TicketNo) {
        self.set(number, RETURNED);
    }

    /// Return the digest of a ticket that was made. For the ledger's index.
    #[inline]
    pub(crate) fn digest(&self, number: TicketNo) -> Option<BuyerDigest> {
        let row = self.rows.get(number.index())?;
        // Relaxed: written once, before the ticket counted.
        let [low, high] = [&row.digest[0], &row.digest[1]].map(|half| half.load(Ordering::Relaxed));
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&low.to_le_bytes());
        digest[8..].copy_from_slice(&high.to_le_bytes());
        Some(BuyerDigest(digest))
    }

    fn set(&self, number: TicketNo, flag: u32) {
        let Row { facts, .. } = self.rows.get(number.index()).expect("the ledger looked");
        // Relaxed: only this thread writes, and nobody else reads these two bits.
        facts.store(facts.load(Ordering::Relaxed) | flag, Ordering::Relaxed);
    }

    #[inline]
    fn row(&self, number: TicketNo, shift: u32) -> Option<TicketRow> {
        let row = self.rows.get(number.index())?;
        // Relaxed, all of these: written before the ticket counted, or standing alone.
        let facts = row.facts.load(Ordering::Relaxed);
        let place = row.place.load(Ordering::Relaxed);
        let first = Timestamp(self.first_ms.load(Ordering::Relaxed));
        Some(TicketRow {
            buyer: self.digest(number)?,
            joined_at: first + DurationMs(u64::from(facts >> JOINED_SHIFT) * SECOND_MS),
            class: (facts & 7) as u8,
            lane: (facts >> 3 & 7) as u8,
            place: Some(place).filter(|place| *place != NO_PLACE),
            used: facts & USED << shift != 0,
            returned: facts & RETURNED << shift != 0,
        })
    }

    fn seconds(&self, at: Timestamp) -> u32 {
        // Relaxed: only this thread writes.
        let first = Timestamp(self.first_ms.load(Ordering::Relaxed));
        (at.since(first).0 / SECOND_MS).min(JOINED_MAX) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(n: u8, joined_ms: u64) -> TicketRow {
        TicketRow {
            buyer: BuyerDigest([n; 16]),
            joined_at: Timestamp(joined_ms),
            class: n % 8,
            lane: n % 5,
            place: None,
            used: false,
            returned: false,
        }
    }

    #[test]
    fn nothing_is_seen_before_it_is_published() {
        let tickets = Tickets::default();
        let number = tickets.push(&row(3, 70_000));
        assert_eq!((tickets.read(number), tickets.buyer(number)), (None, None));
        assert_eq!(tickets.decided(number), Some(row(3, 70_000)));
        tickets.publish(1);
        assert_eq!(tickets.read(number), Some(row(3, 70_000)));
        tickets.set_used(number);
        tickets.set_returned(number);
        assert_eq!(tickets.read(number), Some(row(3, 70_000)), "decided and not told");
        let after = TicketRow { used: true, returned: true, ..row(3, 70_000) };
        assert_eq!(tickets.decided(number), Some(after));
        tickets.tell(number);
        assert_eq!(tickets.read(number), Some(after));
        assert_eq!(tickets.read(TicketNo(1)), None);
    }

    impl Tickets {
        /// Say that so many were made, for tests of the last ones.
        pub(crate) fn pretend_made(&self, made: u32) {
            self.made.store(made, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_buyer_is_told_below_what_is_published_and_a_ticket_below_what_was_made() {
        let tickets = Tickets::default();
        let numbers = [1, 2, 3].map(|n| tickets.push(&row(n, 70_000)));
        assert_eq!(numbers.map(|number| number.0), [0, 1, 2]);
        tickets.publish(2);
        let told = numbers.map(|number| tickets.buyer(number));
        assert_eq!(told, [Some(row(1, 0).buyer), Some(row(2, 0).buyer), None]);
        assert_eq!(tickets.decided(TicketNo(2)), Some(row(3, 70_000)));
        assert_eq!(tickets.decided(TicketNo(3)), None, "its memory is there, it is not");
    }

    #[test]
    fn what_was_noted_or_told_twice_stays() {
        let tickets = Tickets::default();
        let number = tickets.push(&row(5, 70_000));
        tickets.publish(1);
        for _ in 0..2 {
            tickets.set_used(number);
            tickets.set_returned(number);
            tickets.tell(number);
            let row = TicketRow { used: true, returned: true, ..row(5, 70_000) };
            assert_eq!(tickets.decided(number), Some(row));
            assert_eq!(tickets.read(number), Some(row));
        }
    }

    proptest! {
        #[test]
        fn reads_what_was_made(
            tickets in proptest::collection::vec(
                (any::<[u8; 16]>(), 0u64..1 << 40, 0u8..8, 0u8..8, any::<(bool, bool)>()), 1..30,
            ),
            place in proptest::option::of(0..u32::MAX),
        ) {
            let table = Tickets::default();
            let mut last = 0;
            let rows: Vec<TicketRow> = tickets.into_iter().map(|t| {
                last += t.1 % 400_000_000;
                let (class, lane, (used, returned)) = (t.2, t.3, t.4);
                let joined_at = Timestamp(last);
                TicketRow { buyer: BuyerDigest(t.0), joined_at, class, lane, place, used, returned }
            }).collect();
            for row in &rows {
                table.push(row);
            }
            table.publish_all();
            let first = rows[0].joined_at;
            for (n, row) in rows.iter().enumerate() {
                let seconds = (row.joined_at.since(first).0 / 1_000).min((1 << 22) - 1);
                let joined_at = first + DurationMs(seconds * 1_000);
                let number = TicketNo(n as u32);
                prop_assert_eq!(table.read(number), Some(TicketRow { joined_at, ..*row }));
                if place.is_none() {
                    table.set_place(number, 9);
                    prop_assert_eq!(table.read(number).and_then(|row| row.place), Some(9));
                }
            }
        }
    }
}
