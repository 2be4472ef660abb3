//! Who is asking, and what they already have: one entry per buyer of a campaign.
//!
//! An entry holds two chain heads: the buyer's durable reservations (linked through the
//! [`Board`]) and the requests of theirs that are in flight (linked through [`FlightLinks`]). Limits
//! are *derived* by walking both, at most [`RESERVATIONS_PER_BUYER_MAX`] steps, so there is no
//! counter that could drift from the truth. A claim and the look that allowed it happen under one
//! shard lock: however many connections race, they are ordered here (INV-6).

use super::board::Board;
use crate::sync::point;
use crossbeam_utils::Backoff;
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use dashmap::mapref::one::Ref;
use onrush_types::limits::RESERVATIONS_PER_BUYER_MAX;
use onrush_types::planted;
use onrush_types::{BuyerDigest, KeyDigest, RequestDigest, ReservationSeq, SkuIx};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// The end of a chain.
pub const NONE: u32 = u32::MAX;

/// A request that wants a claim.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Who.
    pub buyer: BuyerDigest,
    /// Digest of the idempotency key.
    pub key: KeyDigest,
    /// Digest of the rest of the request.
    pub request: RequestDigest,
    /// Which SKU.
    pub sku: SkuIx,
    /// How many units.
    pub quantity: u32,
    /// Units one buyer may have in the campaign.
    pub limit: u32,
    /// Units one buyer may have of this SKU.
    pub sku_limit: u32,
}

/// How a buyer stands towards a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing speaks against it.
    Clear,
    /// The key was used for this very request.
    Repeat(ReservationSeq),
    /// The key was used for another request.
    KeyReused,
    /// The key is in flight with this very request.
    KeyInFlight,
    /// Granting it would pass a limit; the number is that limit.
    Limit(u32),
    /// No room for another buyer.
    Full,
}

impl Standing {
    /// Return the standing of a buyer who has nothing in the campaign.
    #[inline]
    pub fn of_newcomer(quantity: u32, limit: u32, sku_limit: u32) -> Standing {
        limit_passed(quantity, limit, quantity, sku_limit).unwrap_or(Standing::Clear)
    }
}

/// The chain links of requests in flight, one per credit of the queue.
///
/// All fields are guarded by the shard lock of the buyer whose chain they are in; they are atomics
/// only because the table is shared.
#[derive(Debug)]
pub struct FlightLinks(Box<[FlightLink]>);

#[derive(Debug)]
struct FlightLink {
    key: AtomicU64,
    sku_quantity: AtomicU64,
    request: AtomicU32,
    next: AtomicU32,
}

impl FlightLinks {
    /// Make links for `credits` requests.
    pub fn new(credits: usize) -> FlightLinks {
        FlightLinks(
            (0..credits)
                .map(|_| FlightLink {
                    key: AtomicU64::new(0),
                    sku_quantity: AtomicU64::new(0),
                    request: AtomicU32::new(0),
                    next: AtomicU32::new(NONE),
                })
                .collect(),
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct Chains {
    /// The latest durable reservation.
    reservation: u32,
    /// The latest request in flight.
    flight: u32,
}

const EMPTY: Chains = Chains { reservation: NONE, flight: NONE };

/// Buyer digests are uniform under a secret key, so their own bits are the hash.
#[derive(Debug, Default)]
struct DigestBits(u64);

impl Hasher for DigestBits {
    fn write(&mut self, bytes: &[u8]) {
        let mut word = [0; 8];
        let n = bytes.len().min(8);
        word[..n].copy_from_slice(&bytes[..n]);
        // The length prefix that `Hash for [u8]` adds comes first and is the same for all.
        self.0 ^= u64::from_le_bytes(word);
    }
    fn write_usize(&mut self, _length: usize) {}
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The buyers of one campaign.
#[derive(Debug)]
pub struct Claims {
    buyers: DashMap<BuyerDigest, Chains, BuildHasherDefault<DigestBits>>,
    count: AtomicUsize,
    buyers_max: usize,
    /// Writers that readers stand back for.
    kept_out: AtomicUsize,
    /// Touches that are left until the memory is there.
    cold: AtomicUsize,
}

/// Tries for the lock of an entry before readers are asked to stand back.
const TRIES: u32 = 64;

/// Expected buyers for each touch: a page of entries is touched three times on average, so that 95 %
/// of all pages are.
const BUYERS_A_TOUCH: usize = 32;

/// Expected buyers for each shard: what moves at once, under one lock, where more come than expected.
const BUYERS_A_SHARD: usize = 1_024;
const SHARDS_MIN: usize = 16;
const SHARDS_MAX: usize = 1_024;

impl Claims {
    /// Make a table for at most `buyers_max` buyers with memory for `buyers_expected` of them.
    pub fn new(buyers_expected: usize, buyers_max: usize) -> Claims {
        let expected = buyers_expected.min(buyers_max);
        let shards = (expected / BUYERS_A_SHARD).next_power_of_two().clamp(SHARDS_MIN, SHARDS_MAX);
        let hasher = BuildHasherDefault::default();
        Claims {
            buyers: DashMap::with_capacity_and_hasher_and_shard_amount(expected, hasher, shards),
            count: AtomicUsize::new(0),
            buyers_max,
            kept_out: AtomicUsize::new(0),
            cold: AtomicUsize::new(expected / BUYERS_A_TOUCH),
        }
    }

    /// Touch memory that was set aside, in at most `touches` places; return whether there is more.
    ///
    /// The system hands out pages at their first use. Each of the first buyers would pay for one, since
    /// entries are scattered: 8 % of what a hold costs (profile). For one thread beside the crowd; nobody
    /// sees anything of it.
    pub fn warm(&self, touches: usize) -> bool {
        // Relaxed: a count of the one thread that warms.
        let left = self.cold.load(Ordering::Relaxed);
        let after = left.saturating_sub(touches);
        for n in after..left {
            if let Entry::Vacant(entry) = self.entry(scattered(n as u64)) {
                // Under one lock, so no buyer of this digest is ever seen.
                entry.insert_entry(EMPTY).remove();
            }
        }
        // Relaxed: as above.
        self.cold.store(after, Ordering::Relaxed);
        after > 0
    }

    /// Return how many buyers have, had or are getting a reservation.
    pub fn buyers(&self) -> usize {
        // Relaxed: a figure for people; the bound is kept by `claim`.
        self.count.load(Ordering::Relaxed)
    }

    /// Look at a buyer's standing without claiming anything; `None` when the buyer has nothing here,
    /// so that only the limits could speak against them (see [`Standing::of_newcomer`]).
    ///
    /// `claim` is called only for a buyer who is known: in the rush most are not, and its digests
    /// would cost as much as the look itself.
    #[inline]
    pub fn look(
        &self,
        buyer: BuyerDigest,
        claim: impl FnOnce() -> Claim,
        board: &Board,
        flights: &FlightLinks,
    ) -> Option<Standing> {
        let chains = self.chains(buyer)?;
        Some(standing(*chains, &claim(), board, flights))
    }

    /// Look again and, when the buyer is clear, enter the request as flight `credit`.
    ///
    /// May allocate while the table grows past what was expected; nothing is taken yet then.
    pub fn claim(
        &self,
        claim: &Claim,
        credit: u32,
        board: &Board,
        flights: &FlightLinks,
    ) -> Standing {
        match self.entry(claim.buyer) {
            Entry::Occupied(mut entry) => {
                let standing = standing(*entry.get(), claim, board, flights);
                if standing == Standing::Clear {
                    link(entry.get_mut(), claim, credit, flights);
                }
                standing
            }
            Entry::Vacant(entry) => {
                let standing = Standing::of_newcomer(claim.quantity, claim.limit, claim.sku_limit);
                if standing != Standing::Clear {
                    return standing;
                }
                // Relaxed: the count bounds memory and publishes nothing.
                if self.count.fetch_add(1, Ordering::Relaxed) >= self.buyers_max {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    return Standing::Full;
                }
                let mut chains = EMPTY;
                link(&mut chains, claim, credit, flights);
                entry.insert(chains);
                Standing::Clear
            }
        }
    }

    /// Take back a claim whose request came to nothing (lost the race, or was vetoed).
    pub fn undo(&self, buyer: BuyerDigest, credit: u32, flights: &FlightLinks) {
        if let Entry::Occupied(mut entry) = self.entry(buyer) {
            unlink(entry.get_mut(), credit, flights);
            if entry.get().reservation == NONE && entry.get().flight == NONE {
                entry.remove();
                // Relaxed: as in `claim`.
                self.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Turn flight `credit` into the durable reservation `seq`, and return the buyer's previous one.
    ///
    /// `post` is called with the previous reservation before the new one can be seen.
    pub fn land(
        &self,
        buyer: BuyerDigest,
        credit: Option<u32>,
        seq: ReservationSeq,
        flights: &FlightLinks,
        post: impl FnOnce(u32),
    ) {
        let mut entry = match self.entry(buyer) {
            Entry::Occupied(entry) => entry.into_ref(),
            Entry::Vacant(entry) => {
                // Relaxed: as in `claim`. A replay and an offer of the waitlist land what was not
                // claimed before; the ledger bounds both.
                self.count.fetch_add(1, Ordering::Relaxed);
                entry.insert(EMPTY)
            }
        };
        if let Some(credit) = credit {
            planted!("landed-still-flying", (), unlink(&mut entry, credit, flights));
        }
        post(entry.reservation);
        entry.reservation = seq.0;
    }

    /// Lock a buyer's entry for writing.
    ///
    /// The table's locks let readers in past a writer that waits. A crowd that looks without a pause,
    /// with more threads than cores, always has some that were interrupted in the middle of a look, and
    /// would keep the ledger out for ever.
    fn entry(&self, buyer: BuyerDigest) -> Entry<'_, BuyerDigest, Chains> {
        point();
        let tries = (0..TRIES).find_map(|_| {
            let entry = self.buyers.try_entry(buyer);
            if entry.is_none() {
                std::hint::spin_loop();
            }
            entry
        });
        tries.unwrap_or_else(|| {
            // Relaxed: pairs with the loads of readers; it asks them to wait and publishes nothing.
            self.kept_out.fetch_add(1, Ordering::Relaxed);
            let entry = self.buyers.entry(buyer);
            // Relaxed: as above.
            self.kept_out.fetch_sub(1, Ordering::Relaxed);
            entry
        })
    }

    /// Lock a buyer's entry for reading, once no writer waits any more.
    #[inline]
    fn chains(&self, buyer: BuyerDigest) -> Option<Ref<'_, BuyerDigest, Chains>> {
        point();
        // Relaxed: it publishes nothing; whoever does not see it yet looks once more.
        if self.kept_out.load(Ordering::Relaxed) > 0 {
            self.stand_back();
        }
        self.buyers.get(&buyer)
    }

    #[cold]
    fn stand_back(&self) {
        let backoff = Backoff::new();
        // Relaxed: as in `chains`.
        while self.kept_out.load(Ordering::Relaxed) > 0 {
            backoff.snooze();
        }
    }

    /// Call `visit` with each durable reservation of `buyer`, latest first, until it returns `false`.
    pub fn reservations(
        &self,
        buyer: BuyerDigest,
        board: &Board,
        mut visit: impl FnMut(ReservationSeq, &super::Posting) -> bool,
    ) {
        let Some(mut at) = self.chains(buyer).map(|chains| chains.reservation) else { return };
        // Outside the lock: links behind a durable head never change.
        while at != NONE {
            let Some(posting) = board.read(ReservationSeq(at)) else { return };
            if !visit(ReservationSeq(at), &posting) {
                return;
            }
            at = posting.previous;
        }
    }
}

/// Return the `n`th of digests that are spread over the whole table (splitmix64, Steele et al. 2014).
fn scattered(n: u64) -> BuyerDigest {
    let mut z = n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let word = (z ^ (z >> 31)).to_le_bytes();
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&word);
    digest[8..].copy_from_slice(&word);
    BuyerDigest(digest)
}

/// Compare with the campaign's limit first: the ledger names the same one.
fn limit_passed(units: u32, limit: u32, units_of_sku: u32, sku_limit: u32) -> Option<Standing> {
    if units > limit {
        Some(Standing::Limit(limit))
    } else if units_of_sku > sku_limit {
        Some(Standing::Limit(sku_limit))
    } else {
        None
    }
}

fn standing(chains: Chains, claim: &Claim, board: &Board, flights: &FlightLinks) -> Standing {
    let mut units = claim.quantity;
    let mut units_of_sku = claim.quantity;
    let mut remembered = 0;
    let mut at = chains.reservation;
    while at != NONE {
        let seq = ReservationSeq(at);
        let Some(posting) = board.read(seq) else { break };
        if posting.key == claim.key {
            let same = posting.request == claim.request;
            return if same { Standing::Repeat(seq) } else { Standing::KeyReused };
        }
        if posting.state.counts_towards_limit() {
            units += posting.quantity.get();
            units_of_sku += if posting.sku == claim.sku { posting.quantity.get() } else { 0 };
        }
        remembered += 1;
        at = posting.previous;
    }
    let mut at = chains.flight;
    while at != NONE {
        let flight = &flights.0[at as usize];
        // Relaxed here and below: guarded by the buyer's shard lock.
        if planted!(
            "key-in-flight-missed",
            false,
            flight.key.load(Ordering::Relaxed) == claim.key.0
        ) {
            let same = flight.request.load(Ordering::Relaxed) == claim.request.0;
            return if same { Standing::KeyInFlight } else { Standing::KeyReused };
        }
        let sku_quantity = flight.sku_quantity.load(Ordering::Relaxed);
        units += planted!("flights-uncounted", 0, sku_quantity as u32);
        units_of_sku +=
            if (sku_quantity >> 32) as u32 == claim.sku.0 { sku_quantity as u32 } else { 0 };
        remembered += 1;
        at = flight.next.load(Ordering::Relaxed);
    }
    if let Some(limit) = limit_passed(units, claim.limit, units_of_sku, claim.sku_limit) {
        limit
    } else if planted!(
        "seventeen-remembered",
        remembered > RESERVATIONS_PER_BUYER_MAX,
        remembered >= RESERVATIONS_PER_BUYER_MAX
    ) {
        Standing::Limit(RESERVATIONS_PER_BUYER_MAX as u32)
    } else {
        Standing::Clear
    }
}

fn link(chains: &mut Chains, claim: &Claim, credit: u32, flights: &FlightLinks) {
    let flight = &flights.0[credit as usize];
    // Relaxed: guarded by the buyer's shard lock.
    flight.key.store(claim.key.0, Ordering::Relaxed);
    flight.request.store(claim.request.0, Ordering::Relaxed);
    let sku_quantity = u64::from(claim.sku.0) << 32 | u64::from(claim.quantity);
    flight.sku_quantity.store(sku_quantity, Ordering::Relaxed);
    flight.next.store(chains.flight, Ordering::Relaxed);
    chains.flight = credit;
}

fn unlink(chains: &mut Chains, credit: u32, flights: &FlightLinks) {
    // Relaxed here and below: guarded by the buyer's shard lock.
    let next = flights.0[credit as usize].next.load(Ordering::Relaxed);
    if chains.flight == credit {
        chains.flight = next;
        return;
    }
    let mut at = chains.flight;
    while at != NONE {
        let link = &flights.0[at as usize].next;
        let following = link.load(Ordering::Relaxed);
        if following == credit {
            link.store(next, Ordering::Relaxed);
            return;
        }
        at = following;
    }
    unreachable!("a flight that was claimed is in its buyer's chain until it lands or is undone")
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
