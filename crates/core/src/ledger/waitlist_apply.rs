//! What the records of a waitlist change, what follows from other records for it, its audit and its
//! part of the ledger's image.
//!
//! ```text
//! row of the image, four words:
//! terms   0 │ campaign << 8    offer, ms                  0                     0
//! wish    1 │ SKU << 8         number << 32 │ quantity    buyer, low half       high half
//! end     2 │ SKU << 8         next << 32 │ offers        left << 32 │ skipped  0
//! ```

use super::apply::{Applied, Touched, ensure};
use super::check::Violation;
use super::state::Ledger;
use super::waitlist::{Offered, WaitChange, Waits};
use crate::campaign::WaitTerms;
use crate::phase::Phase;
use crate::wait_queue::{WaitFigures, WaitQueue, Wish};
use onrush_types::planted;
use onrush_types::{BuyerDigest, CampaignIx, DurationMs, Quantity, SkuIx, Timestamp};

/// Rows in one chunk of the image: 1 MiB.
const ROWS_PER_CHUNK: usize = 1 << 15;

const TERMS: u64 = 0;
const WISH: u64 = 1;
const END: u64 = 2;

type Row = [u64; 4];

impl Ledger {
    pub(super) fn apply_wait(&mut self, change: &WaitChange, stamp: Timestamp) -> Applied {
        match *change {
            WaitChange::Terms { campaign, terms } => {
                ensure(campaign.index() < self.campaigns.len(), "no such campaign")?;
                match terms {
                    Some(terms) => {
                        self.hold_class(terms.offer)?;
                        self.waits.terms.insert(campaign, terms);
                    }
                    None => {
                        let kept =
                            self.check_waitlist_kept(&self.campaigns[campaign.index()], None);
                        kept?;
                        self.waits.terms.remove(&campaign);
                    }
                }
                Ok((Touched::Campaign(campaign), None))
            }
            WaitChange::Joined { sku, wish } => {
                let s = self.skus.get(sku.index()).ok_or("no such SKU")?;
                let (campaign, free) = (s.campaign, s.free);
                ensure(self.waits.terms.contains_key(&campaign), "there is no waitlist")?;
                let reached = self.campaigns[campaign.index()].reached;
                ensure(reached < Phase::Closed, "a waitlist was joined after its sale")?;
                let waiting = self.waits.is_waiting(sku);
                ensure(free == 0 || waiting, "a waitlist was begun while units were free")?;
                self.waits.queues.entry(sku).or_default().join(wish)?;
                self.waits.waiting += 1;
                self.note_free(sku);
                Ok((Touched::Waitlist(sku), None))
            }
            WaitChange::Left { sku, number } => self.end_wish(sku, |queue| queue.leave(number)),
            WaitChange::Skipped { sku, number } => {
                self.ensure_first(sku, number)?;
                self.end_wish(sku, |queue| queue.skip(number))
            }
            WaitChange::Offered(ref offered) => self.apply_offered(offered, stamp),
        }
    }

    /// An offer is a hold: everything that holds for one holds for it.
    fn apply_offered(&mut self, offered: &Offered, stamp: Timestamp) -> Applied {
        let Offered { sku, wish, .. } = *offered;
        let first = self.ensure_first(sku, wish.number)?;
        ensure(first.buyer == wish.buyer, "an offer went to somebody else (INV-14)")?;
        self.end_wish(sku, |queue| queue.meet(wish.number, wish.quantity))?;
        self.apply_reserved(&offered.hold(), stamp)
    }

    fn ensure_first(&self, sku: SkuIx, number: u32) -> Result<Wish, String> {
        let first = self.wait_queue(sku).and_then(WaitQueue::head);
        let first = first.filter(|wish| wish.number == number);
        first
            .ok_or_else(|| "the turn of somebody who was not the first in line (INV-14)".to_owned())
    }

    fn end_wish(
        &mut self,
        sku: SkuIx,
        end: impl FnOnce(&mut WaitQueue) -> Result<(), &'static str>,
    ) -> Applied {
        let queue = self.waits.queues.get_mut(&sku).ok_or("nobody ever waited for this SKU")?;
        let before = queue.waiting();
        end(queue)?;
        self.waits.waiting -= (before - queue.waiting()) as usize;
        Ok((Touched::Waitlist(sku), None))
    }

    /// A line ends with the sale; one that was paused goes on when it is opened again.
    pub(super) fn wait_phase(&mut self, campaign: CampaignIx, to: Phase) {
        if self.waits.waiting == 0 {
            return;
        }
        let Ledger { waits, skus, .. } = self;
        let of_campaign = |sku: &SkuIx| skus[sku.index()].campaign == campaign;
        for (sku, queue) in waits.queues.iter_mut().filter(|(sku, _)| of_campaign(sku)) {
            if planted!("line-outlives-sale", false, to >= Phase::Closed) {
                waits.waiting -= queue.waiting() as usize;
                queue.end();
            } else if queue.is_waiting() && skus[sku.index()].free > 0 {
                waits.ready.insert(*sku);
            }
        }
    }

    /// Note that `sku` may have units for who waits.
    pub(super) fn note_free(&mut self, sku: SkuIx) {
        if self.waits.is_waiting(sku) && self.skus[sku.index()].free > 0 {
            self.waits.ready.insert(sku);
        }
    }

    /// As [`note_free`](Ledger::note_free), of all SKUs, when an image was read.
    pub(super) fn note_all_free(&mut self) {
        let waited: Vec<SkuIx> = self.waits.queues.keys().copied().collect();
        waited.into_iter().for_each(|sku| self.note_free(sku));
    }

    pub(super) fn audit_waits(&self) -> Result<(), Violation> {
        let mut waiting = 0;
        for (sku, queue) in self.wait_queues() {
            let s = &self.skus[sku.index()];
            let c = &self.campaigns[s.campaign.index()];
            waiting += queue.waiting() as usize;
            let told = if queue.iter().count() != queue.waiting() as usize {
                "counts others than those who wait"
            } else if queue.is_waiting() && c.reached >= Phase::Closed {
                "waits for a sale that is over"
            } else if queue.is_waiting() && !self.waits.terms.contains_key(&s.campaign) {
                "waits without terms"
            } else if queue.is_waiting()
                && s.free > 0
                && c.reached == Phase::Open
                && !self.waits.ready.contains(&sku)
            {
                "waits though units are free, and nobody will look"
            } else {
                continue;
            };
            let what = format!("the line before {} {told}", s.name);
            return Err(Violation { promise: "INV-14", what });
        }
        if waiting != self.waits.waiting {
            let what = format!("{waiting} wait, {} were counted", self.waits.waiting);
            return Err(Violation { promise: "INV-14", what });
        }
        Ok(())
    }

    /// Return the image of all waitlists, in chunks.
    pub(super) fn wait_chunks(&self) -> impl Iterator<Item = (Vec<u64>, Vec<u8>)> {
        let mut rows = self.waits.image().peekable();
        std::iter::from_fn(move || {
            rows.peek()?;
            let chunk = rows.by_ref().take(ROWS_PER_CHUNK).flatten().collect();
            Some((chunk, Vec::new()))
        })
    }

    /// Read a chunk of the image.
    pub(super) fn load_waits(&mut self, words: &[u64]) -> Result<(), &'static str> {
        let (rows, rest) = words.as_chunks::<4>();
        if !rest.is_empty() {
            return Err("part of a waitlist's row");
        }
        rows.iter().try_for_each(|row| self.load_wait(row))
    }

    fn load_wait(&mut self, &[head, a, b, c]: &Row) -> Result<(), &'static str> {
        let index = head >> 8;
        if head & 0xff == TERMS {
            let known = index < self.campaigns.len() as u64;
            let terms = WaitTerms { offer: DurationMs(a) };
            self.waits.terms.insert(CampaignIx(index as u16), terms);
            return if known { Ok(()) } else { Err("a waitlist's campaign") };
        }
        if index >= self.skus.len() as u64 {
            return Err("a waitlist's SKU");
        }
        let queue = self.waits.queues.entry(SkuIx(index as u32)).or_default();
        let [high, low] = [(a >> 32) as u32, a as u32];
        match head & 0xff {
            WISH => {
                let mut buyer = [0; 16];
                buyer[..8].copy_from_slice(&b.to_le_bytes());
                buyer[8..].copy_from_slice(&c.to_le_bytes());
                let quantity = Quantity::new(low).map_err(|_| "a wish's quantity")?;
                self.waits.waiting += 1;
                queue.restore(Wish { number: high, buyer: BuyerDigest(buyer), quantity })
            }
            END => {
                let (left, skipped) = ((b >> 32) as u32, b as u32);
                queue.restore_end(high, WaitFigures { offers: low, left, skipped })
            }
            _ => Err("a waitlist's row"),
        }
    }
}

impl Waits {
    /// Return how many rows the image has.
    pub(super) fn rows(&self) -> usize {
        self.terms.len() + self.waiting + self.queues.len()
    }

    fn image(&self) -> impl Iterator<Item = Row> {
        let terms = self.terms.iter();
        let terms = terms.map(|(ix, terms)| [TERMS | u64::from(ix.0) << 8, terms.offer.0, 0, 0]);
        terms.chain(self.queues.iter().flat_map(|(sku, queue)| {
            let of = u64::from(sku.0) << 8;
            let WaitFigures { offers, left, skipped } = queue.figures();
            let next = pair(queue.next_number(), offers);
            let wishes = queue.iter().map(move |wish| {
                let (low, high) = wish.buyer.0.split_at(8);
                let word =
                    |half: &[u8]| u64::from_le_bytes(half.try_into().expect("half of sixteen"));
                [WISH | of, pair(wish.number, wish.quantity.get()), word(low), word(high)]
            });
            wishes.chain([[END | of, next, pair(left, skipped), 0]])
        }))
    }
}

fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
