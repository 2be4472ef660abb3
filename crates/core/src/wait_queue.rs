//! Who waits for one SKU, in the order in which they asked.
//!
//! Plain data that two owners keep: the ledger, which decides by it, and the layer that answers
//! polls, which repeats each durable change on a copy. Every wish has a number that only grows and
//! is never used again; the order of the numbers is the order of the line (INV-14).
//!
//! Wishes lie in chunks with a count of those that still wait, so how many are ahead of one costs a
//! few counts and one chunk, and leaving costs no move of others.

use hashbrown::HashTable;
use onrush_types::limits::{WAIT_SPAN_MAX, WAITING_PER_SKU_MAX};
use onrush_types::{BuyerDigest, Quantity};
use std::collections::VecDeque;

/// Wishes in one chunk.
const CHUNK: u32 = 1_024;

/// A wish for units that were not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Its number among all wishes ever made for the SKU.
    pub number: u32,
    /// Who wishes.
    pub buyer: BuyerDigest,
    /// Units still wished for.
    pub quantity: Quantity,
}

/// What became of all wishes, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitFigures {
    /// Offers made.
    pub offers: u32,
    /// Buyers who left the line themselves.
    pub left: u32,
    /// Buyers whose turn came when they had reached their limit.
    pub skipped: u32,
}

/// The line before one SKU.
#[derive(Clone, Debug, Default)]
pub struct WaitQueue {
    chunks: VecDeque<Chunk>,
    /// The chunk number of the first chunk.
    first_chunk: u32,
    /// The number of the next wish.
    next: u32,
    waiting: u32,
    /// Numbers by buyer; keys are read from the chunks.
    by_buyer: HashTable<u32>,
    figures: WaitFigures,
}

#[derive(Clone, Debug, Default)]
struct Chunk {
    waiting: u32,
    /// Empty once nobody in it waits any more.
    wishes: Vec<(BuyerDigest, Option<Quantity>)>,
}

impl WaitQueue {
    /// Return how many buyers wait.
    pub fn waiting(&self) -> u32 {
        self.waiting
    }

    /// Tell whether somebody waits.
    pub fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    /// Return the number that the next wish gets: so many were ever made.
    pub fn next_number(&self) -> u32 {
        self.next
    }

    /// Return what became of earlier wishes.
    pub fn figures(&self) -> WaitFigures {
        self.figures
    }

    /// Tell whether another wish has room: by those who wait, and by the span of their numbers.
    pub fn has_room(&self) -> bool {
        let span = self.next - self.first_chunk * CHUNK;
        (self.waiting as usize) < WAITING_PER_SKU_MAX && (span as usize) < WAIT_SPAN_MAX
    }

    /// Return the wish that comes next. O(chunk).
    pub fn head(&self) -> Option<Wish> {
        let at = self.chunks.iter().position(|chunk| chunk.waiting > 0)?;
        let wishes = &self.chunks[at].wishes;
        let within = wishes.iter().position(|(_, quantity)| quantity.is_some())?;
        self.wish((self.first_chunk + at as u32) * CHUNK + within as u32)
    }

    /// Return a wish that still waits. O(1).
    pub fn wish(&self, number: u32) -> Option<Wish> {
        let chunk = (number / CHUNK).checked_sub(self.first_chunk)?;
        let wishes = &self.chunks.get(chunk as usize)?.wishes;
        let (buyer, quantity) = *wishes.get((number % CHUNK) as usize)?;
        Some(Wish { number, buyer, quantity: quantity? })
    }

    /// Return the wish of a buyer who waits. O(1).
    pub fn wish_of(&self, buyer: BuyerDigest) -> Option<Wish> {
        let is_theirs = |&number: &u32| self.wish(number).is_some_and(|wish| wish.buyer == buyer);
        self.wish(*self.by_buyer.find(buyer.hash64(), is_theirs)?)
    }

    /// Return how many wait in front of a number. O(chunks before it + chunk).
    pub fn ahead_of(&self, number: u32) -> u32 {
        let chunk = (number / CHUNK).saturating_sub(self.first_chunk) as usize;
        let before: u32 = self.chunks.iter().take(chunk).map(|chunk| chunk.waiting).sum();
        let own = self.chunks.get(chunk).map_or(&[][..], |chunk| &chunk.wishes);
        let own = own.iter().take((number % CHUNK) as usize);
        before + own.filter(|(_, quantity)| quantity.is_some()).count() as u32
    }

    /// Return everybody who waits, in order.
    pub fn iter(&self) -> impl Iterator<Item = Wish> {
        let chunks = (self.first_chunk..).zip(&self.chunks);
        chunks.flat_map(move |(chunk, wishes)| {
            let numbers = (0..wishes.wishes.len() as u32).map(move |at| chunk * CHUNK + at);
            numbers.filter_map(|number| self.wish(number))
        })
    }

    /// Add a wish at the end.
    ///
    /// # Errors
    /// When the number is not the next one, or the buyer waits already.
    pub fn join(&mut self, wish: Wish) -> Result<(), &'static str> {
        if wish.number != self.next || self.next == u32::MAX {
            return Err("wishes are numbered one by one");
        }
        self.insert(wish)
    }

    /// Put a wish with its number back, in the order of the numbers, when an image is read.
    ///
    /// # Errors
    /// When the number is not after all others, or the buyer waits already.
    pub fn restore(&mut self, wish: Wish) -> Result<(), &'static str> {
        if wish.number < self.next || wish.number == u32::MAX {
            return Err("wishes are kept in the order of their numbers");
        }
        self.skip_to(wish.number)?;
        self.insert(wish)
    }

    /// Set what an image says beside the wishes themselves.
    ///
    /// # Errors
    /// When the next number was used already.
    pub fn restore_end(&mut self, next: u32, figures: WaitFigures) -> Result<(), &'static str> {
        if next < self.next {
            return Err("the next wish's number was used already");
        }
        self.skip_to(next)?;
        self.figures = figures;
        Ok(())
    }

    /// Take so many units off a wish; it is over when none are left.
    ///
    /// # Errors
    /// When it does not wait, or wishes for fewer.
    pub fn meet(&mut self, number: u32, units: Quantity) -> Result<(), &'static str> {
        let wish = self.wish(number).ok_or("nobody waits under this number")?;
        let rest = wish.quantity.get().checked_sub(units.get()).ok_or("more than was wished")?;
        match Quantity::new(rest) {
            Ok(rest) => self.entry(number).1 = Some(rest),
            Err(_) => self.remove(wish),
        }
        self.figures.offers += 1;
        Ok(())
    }

    /// Let a buyer leave the line.
    ///
    /// # Errors
    /// When nobody waits under this number.
    pub fn leave(&mut self, number: u32) -> Result<(), &'static str> {
        self.remove(self.wish(number).ok_or("nobody waits under this number")?);
        self.figures.left += 1;
        Ok(())
    }

    /// Pass over a buyer who may not take.
    ///
    /// # Errors
    /// When nobody waits under this number.
    pub fn skip(&mut self, number: u32) -> Result<(), &'static str> {
        self.remove(self.wish(number).ok_or("nobody waits under this number")?);
        self.figures.skipped += 1;
        Ok(())
    }

    /// End the line: nobody waits any more. Numbers are not used again.
    pub fn end(&mut self) {
        self.chunks.clear();
        self.by_buyer = HashTable::new();
        self.waiting = 0;
        self.first_chunk = self.next / CHUNK;
        let gone = self.next % CHUNK;
        if gone > 0 {
            self.chunks.push_back(Chunk::gone(gone));
        }
    }

    fn insert(&mut self, wish: Wish) -> Result<(), &'static str> {
        if self.wish_of(wish.buyer).is_some() {
            return Err("one buyer waits once for a SKU");
        }
        if self.next.is_multiple_of(CHUNK) || self.chunks.is_empty() {
            self.chunks.push_back(Chunk::default());
        }
        let chunk = self.chunks.back_mut().expect("pushed above");
        chunk.wishes.push((wish.buyer, Some(wish.quantity)));
        chunk.waiting += 1;
        self.next += 1;
        self.waiting += 1;
        let mut by_buyer = std::mem::take(&mut self.by_buyer);
        by_buyer.insert_unique(wish.buyer.hash64(), wish.number, |&number| {
            self.wish(number).expect("only who waits is in the index").buyer.hash64()
        });
        self.by_buyer = by_buyer;
        Ok(())
    }

    /// Leave numbers out up to `number`, as gone.
    fn skip_to(&mut self, number: u32) -> Result<(), &'static str> {
        if self.chunks.is_empty() {
            self.first_chunk = number / CHUNK;
            self.next = self.first_chunk * CHUNK;
        }
        if (number - self.first_chunk * CHUNK) as usize > WAIT_SPAN_MAX + CHUNK as usize {
            return Err("a line is not that long");
        }
        while self.next < number {
            if self.next.is_multiple_of(CHUNK) || self.chunks.is_empty() {
                self.chunks.push_back(Chunk::default());
            }
            let whole = (CHUNK - self.next % CHUNK).min(number - self.next);
            let chunk = self.chunks.back_mut().expect("pushed above");
            self.next += whole;
            if self.next.is_multiple_of(CHUNK) && chunk.waiting == 0 {
                chunk.wishes = Vec::new();
            } else {
                chunk.wishes.resize(chunk.wishes.len() + whole as usize, GONE);
            }
        }
        Ok(())
    }

    fn remove(&mut self, wish: Wish) {
        let found = self.by_buyer.find_entry(wish.buyer.hash64(), |&number| number == wish.number);
        found.expect("who waits is in the index").remove();
        self.entry(wish.number).1 = None;
        let at = (wish.number / CHUNK - self.first_chunk) as usize;
        self.chunks[at].waiting -= 1;
        self.waiting -= 1;
        // Chunks in front go whole; the last one stays, as new wishes are added to it.
        while self.chunks.len() > 1 && self.chunks[0].waiting == 0 {
            self.chunks.pop_front();
            self.first_chunk += 1;
        }
        let at = (wish.number / CHUNK).checked_sub(self.first_chunk);
        let last = self.chunks.len() - 1;
        if let Some(chunk) = at.map(|at| at as usize).filter(|at| *at < last)
            && self.chunks[chunk].waiting == 0
        {
            self.chunks[chunk].wishes = Vec::new();
        }
    }

    fn entry(&mut self, number: u32) -> &mut (BuyerDigest, Option<Quantity>) {
        let chunk = (number / CHUNK - self.first_chunk) as usize;
        &mut self.chunks[chunk].wishes[(number % CHUNK) as usize]
    }
}

const GONE: (BuyerDigest, Option<Quantity>) = (BuyerDigest([0; 16]), None);

impl Chunk {
    fn gone(wishes: u32) -> Chunk {
        Chunk { waiting: 0, wishes: vec![GONE; wishes as usize] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn buyer(n: u32) -> BuyerDigest {
        let mut bytes = [7; 16];
        // Few different hashes, so that the index is searched past equal ones.
        bytes[0] = (n % 3) as u8;
        bytes[8..12].copy_from_slice(&n.to_le_bytes());
        BuyerDigest(bytes)
    }

    fn wish(number: u32, of: u32, units: u32) -> Wish {
        Wish { number, buyer: buyer(of), quantity: Quantity::new(units).expect("in range") }
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        let mut queue = WaitQueue::default();
        assert!(queue.join(wish(1, 1, 1)).is_err(), "the first has number 0");
        queue.join(wish(0, 1, 2)).expect("joins");
        assert!(queue.join(wish(1, 1, 1)).is_err(), "waits already");
        assert!(queue.meet(0, Quantity::new(3).expect("3")).is_err(), "more than was wished");
        assert!(queue.meet(1, Quantity::ONE).is_err() && queue.leave(1).is_err());
        queue.meet(0, Quantity::ONE).expect("a part");
        assert_eq!(queue.head(), Some(wish(0, 1, 1)));
        queue.meet(0, Quantity::ONE).expect("the rest");
        assert!(queue.skip(0).is_err() && !queue.is_waiting());
        queue.join(wish(1, 1, 1)).expect("may ask again, at the end");
        assert_eq!(queue.figures(), WaitFigures { offers: 2, left: 0, skipped: 0 });
    }

    #[test]
    fn an_image_of_a_line_that_cannot_be_is_refused() {
        let mut queue = WaitQueue::default();
        queue.restore(wish(4_000_000_000, 1, 1)).expect("the first may have any number");
        assert!(queue.restore(wish(4_000_000_000, 2, 1)).is_err(), "used");
        assert!(queue.restore(wish(u32::MAX - 1, 2, 1)).is_err(), "too far behind the first");
        queue.restore(wish(4_001_000_000, 2, 1)).expect("not too far");
        assert_eq!(queue.ahead_of(4_001_000_000), 1);
        assert!(queue.restore_end(4_000_000_001, WaitFigures::default()).is_err(), "used");
        queue.restore_end(4_002_000_000, WaitFigures::default()).expect("after all");
        queue.join(wish(4_002_000_000, 3, 1)).expect("the next");
        assert_eq!(queue.iter().count(), 3);
    }

    #[test]
    fn a_long_line_with_gaps_counts_exactly_and_frees_its_memory() {
        let mut queue = WaitQueue::default();
        for n in 0..5_000 {
            queue.join(wish(n, n, 1)).expect("joins");
        }
        for n in (0..5_000).filter(|n| n % 3 != 0) {
            queue.leave(n).expect("waits");
        }
        assert_eq!(queue.ahead_of(4_998), 1_666);
        assert_eq!((queue.waiting(), queue.figures().left), (1_667, 3_333));
        for n in (0..4_998).step_by(3) {
            assert_eq!(queue.head().map(|wish| wish.number), Some(n));
            queue.skip(n).expect("waits");
        }
        assert_eq!((queue.chunks.len(), queue.ahead_of(4_998)), (1, 0));
        queue.end();
        assert_eq!((queue.head(), queue.next_number()), (None, 5_000));
        queue.join(wish(5_000, 1, 1)).expect("numbers go on");
        assert_eq!(queue.wish_of(buyer(1)), Some(wish(5_000, 1, 1)));
    }

    proptest! {
        /// Against a plain list: the same head, places and figures after every change, also on a
        /// queue that is rebuilt from what an image keeps.
        #[test]
        fn behaves_like_a_plain_list(
            acts in proptest::collection::vec((0u8..6, 0u32..24, 1u32..4), 1..200),
        ) {
            let mut queue = WaitQueue::default();
            let mut plain: Vec<(u32, u32, u32)> = Vec::new();
            for (act, of, units) in acts {
                let at = plain.iter().position(|(_, b, _)| *b == of);
                match act {
                    0..=2 => {
                        let number = queue.next_number();
                        let joined = queue.join(wish(number, of, units));
                        prop_assert_eq!(joined.is_ok(), at.is_none());
                        if joined.is_ok() {
                            plain.push((number, of, units));
                        }
                    }
                    3 => if let Some(at) = at {
                        queue.leave(plain.remove(at).0).expect("waits");
                    },
                    4 => if let Some(&(number, _, wished)) = plain.first() {
                        let met = wished.min(units);
                        queue.meet(number, Quantity::new(met).expect("1 or more")).expect("waits");
                        plain[0].2 -= met;
                        plain.retain(|p| p.2 > 0);
                    },
                    _ => {
                        let mut again = WaitQueue::default();
                        for wish in queue.iter() {
                            again.restore(wish).expect("in order");
                        }
                        again.restore_end(queue.next_number(), queue.figures()).expect("after");
                        queue = again;
                    }
                }
                let listed: Vec<Wish> = plain.iter().map(|p| wish(p.0, p.1, p.2)).collect();
                prop_assert_eq!(queue.iter().collect::<Vec<_>>(), listed.clone());
                prop_assert_eq!(queue.head(), listed.first().copied());
                prop_assert_eq!(queue.waiting() as usize, listed.len());
                for (ahead, wish) in listed.iter().enumerate() {
                    prop_assert_eq!(queue.ahead_of(wish.number) as usize, ahead);
                    prop_assert_eq!(queue.wish_of(wish.buyer), Some(*wish));
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "wait_queue_tests.rs"]
mod limit_tests;
