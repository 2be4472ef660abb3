//! The ledger's tables. Plain data; every index is dense and never reused.

use super::nodes::Nodes;
use super::record::{PaymentLine, RefundDue};
use super::spread::Spread;
use super::waitlist::Waits;
use crate::campaign::Terms;
use crate::front::NONE;
use crate::phase::Phase;
use crate::reservation::State;
use onrush_types::planted;
use onrush_types::{
    BuyerDigest, CampaignIx, DurationMs, KeyDigest, Lsn, Name, Quantity, RequestDigest,
    ReservationSeq, SkuIx, Timestamp,
};
use siphasher::sip::SipHasher13;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

/// Reservations in one chunk of the slab.
const SLAB_CHUNK: usize = 1 << 15;

/// The state of everything, as of its last record.
#[derive(Debug)]
pub struct Ledger {
    pub(super) lsn: Lsn,
    pub(super) stamp: Timestamp,
    pub(super) campaigns: Vec<CampaignState>,
    pub(super) campaign_names: BTreeMap<Name, CampaignIx>,
    pub(super) skus: Vec<SkuState>,
    pub(super) reservations: Slab,
    /// Latest reservation of each buyer of each campaign; keys are read from the slab.
    pub(super) buyers: Spread<u32>,
    pub(super) extras: Vec<Extra>,
    /// (reservation, line) by provider and reference; keys are read from the extras.
    pub(super) payments: Spread<(u32, u8)>,
    pub(super) refunds: Vec<RefundDue>,
    pub(super) hold_classes: Vec<HoldClass>,
    pub(super) nodes: Nodes,
    pub(super) waits: Waits,
    /// The line of each campaign that has one.
    pub(super) lines: Vec<Option<Box<super::line::LineState>>>,
    /// No phase switch or wave is due before this; not part of the state, derived.
    pub(super) next_switch_at: Timestamp,
    hash_key: [u64; 2],
}

/// A campaign as the ledger knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct CampaignState {
    /// Its name.
    pub name: Name,
    /// Its terms.
    pub terms: Terms,
    /// The latest phase that was journaled.
    pub reached: Phase,
    /// Waves that were supplied.
    pub waves_done: u16,
    /// Its SKUs by name.
    pub skus: BTreeMap<Name, SkuIx>,
}

/// A SKU as the ledger knows it. `free + held + sold + withdrawn = supplied` (INV-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkuState {
    /// The campaign it belongs to.
    pub campaign: CampaignIx,
    /// Its name.
    pub name: Name,
    /// Price of one unit.
    pub price: i64,
    /// Units one buyer may have of it.
    pub limit_per_buyer: u32,
    /// Units ever supplied.
    pub supplied: u32,
    /// Units nobody holds.
    pub free: u32,
    /// Units on hold, in review included.
    pub held: u32,
    /// Units sold.
    pub sold: u32,
    /// Units taken out of the sale.
    pub withdrawn: u32,
}

/// A reservation as the ledger knows it: 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservationState {
    /// For whom.
    pub buyer: BuyerDigest,
    /// Digest of the idempotency key of the reserve.
    pub key: KeyDigest,
    /// The hold's deadline.
    pub expires_at: Timestamp,
    /// Price of all units.
    pub amount: i64,
    /// Digest of the request that came with the key.
    pub request: RequestDigest,
    /// Which SKU.
    pub sku: SkuIx,
    /// The buyer's previous reservation in this campaign, or [`NONE`].
    pub previous: u32,
    /// Its place among the extras, or [`NONE`].
    pub(super) extra: u32,
    /// Units.
    pub quantity: Quantity,
    /// What became of it.
    pub state: State,
    /// The place of its hold duration among the hold classes.
    pub(super) hold_class: u8,
    /// It was held for a look, and nobody has accepted it: no money sells it, late money neither.
    pub unaccepted: bool,
}

const _: () = assert!(size_of::<ReservationState>() == 64, "the memory budget counts on 64 bytes");

/// What only some reservations have.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Extra {
    pub(super) details: Option<Box<[u8]>>,
    pub(super) lines: Vec<Line>,
    /// The key of a confirm without money; one with money keeps it with its lines.
    pub(super) confirm: Option<(KeyDigest, RequestDigest)>,
    pub(super) release: Option<(KeyDigest, RequestDigest)>,
}

/// A payment line and what is due back of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The payment.
    pub payment: PaymentLine,
    /// The key and request that brought it.
    pub key: Option<(KeyDigest, RequestDigest)>,
    /// How much of it is, or was, due back.
    pub refunded: i64,
}

/// Equal holds expire in the order in which they were made, so a cursor over the slab is their
/// queue. It is derived state: starting from zero again finds the same reservations. A hold that is
/// put off moves to the class of its new duration (`extend.rs`).
#[derive(Clone, Debug)]
pub(super) struct HoldClass {
    pub(super) hold: DurationMs,
    pub(super) cursor: u32,
}

impl Ledger {
    /// Make an empty ledger. `hash_key` keys the tables whose keys outsiders choose; it does not
    /// influence the state.
    pub fn new(hash_key: [u64; 2]) -> Ledger {
        Ledger {
            lsn: Lsn::ZERO,
            stamp: Timestamp(0),
            campaigns: Vec::new(),
            campaign_names: BTreeMap::new(),
            skus: Vec::new(),
            reservations: Slab::default(),
            buyers: Spread::default(),
            extras: Vec::new(),
            payments: Spread::default(),
            refunds: Vec::new(),
            hold_classes: Vec::new(),
            nodes: Nodes::default(),
            waits: Waits::default(),
            lines: Vec::new(),
            next_switch_at: Timestamp::FAR_FUTURE,
            hash_key,
        }
    }

    /// Return the LSN of the last record applied.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Return the stamp of the last record applied.
    pub fn stamp(&self) -> Timestamp {
        self.stamp
    }

    /// Return all campaigns, by index.
    pub fn campaigns(&self) -> &[CampaignState] {
        &self.campaigns
    }

    /// Find a campaign by name.
    pub fn campaign_named(&self, name: &str) -> Option<CampaignIx> {
        self.campaign_names.get(name).copied()
    }

    /// Return all SKUs, by index.
    pub fn skus(&self) -> &[SkuState] {
        &self.skus
    }

    /// Return how many reservations were ever made.
    pub fn reservation_count(&self) -> u32 {
        self.reservations.len
    }

    /// Return a reservation.
    #[inline]
    pub fn reservation(&self, seq: ReservationSeq) -> Option<&ReservationState> {
        self.reservations.get(seq.0)
    }

    /// Return when a reservation was put on hold.
    pub fn held_at(&self, seq: ReservationSeq) -> Option<Timestamp> {
        let r = self.reservation(seq)?;
        let hold = self.hold_classes.get(usize::from(r.hold_class))?.hold;
        Some(Timestamp(r.expires_at.0.saturating_sub(hold.0)))
    }

    /// Return the details journaled with a reservation.
    pub fn details(&self, seq: ReservationSeq) -> Option<&[u8]> {
        self.extra_of(seq)?.details.as_deref()
    }

    /// Return the payment lines of a reservation.
    pub fn lines(&self, seq: ReservationSeq) -> &[Line] {
        self.extra_of(seq).map_or(&[], |extra| &extra.lines)
    }

    /// Return every refund that ever fell due, by number.
    pub fn refunds(&self) -> &[RefundDue] {
        &self.refunds
    }

    /// Make room for `buyers` more buyers, so that the table does not grow in the rush.
    pub fn reserve_buyers(&mut self, buyers: usize) {
        let (reservations, skus) = (&self.reservations, &self.skus);
        self.buyers.reserve(buyers, |&seq| buyer_hash(reservations, skus, seq));
    }

    pub(super) fn extra_of(&self, seq: ReservationSeq) -> Option<&Extra> {
        self.extras.get(self.reservation(seq)?.extra as usize)
    }

    pub(super) fn campaign_of(&self, sku: SkuIx) -> &CampaignState {
        &self.campaigns[self.skus[sku.index()].campaign.index()]
    }

    /// Return the buyer's latest reservation in `campaign`, or [`NONE`].
    #[inline]
    pub(super) fn latest_of(&self, campaign: CampaignIx, buyer: BuyerDigest) -> u32 {
        let is_theirs = |&seq: &u32| {
            let r = self.reservations.get(seq).expect("the buyer table names what exists");
            r.buyer == buyer && self.skus[r.sku.index()].campaign == campaign
        };
        self.buyers.find(hash_of(campaign, buyer), is_theirs).copied().unwrap_or(NONE)
    }

    /// Make `seq` the latest reservation of its buyer, and return the one before, or [`NONE`]. The
    /// slab must have `seq` before the next call.
    pub(super) fn swap_latest(
        &mut self,
        campaign: CampaignIx,
        buyer: BuyerDigest,
        seq: u32,
    ) -> u32 {
        let (reservations, skus) = (&self.reservations, &self.skus);
        let same = |&at: &u32| {
            let r = reservations.get(at).expect("the buyer table names what exists");
            r.buyer == buyer && skus[r.sku.index()].campaign == campaign
        };
        let rehash = |&at: &u32| buyer_hash(reservations, skus, at);
        match self.buyers.entry(hash_of(campaign, buyer), same, rehash) {
            hashbrown::hash_table::Entry::Occupied(mut entry) => {
                std::mem::replace(entry.get_mut(), seq)
            }
            hashbrown::hash_table::Entry::Vacant(entry) => {
                entry.insert(seq);
                NONE
            }
        }
    }

    /// Walk a buyer's reservations in a campaign, latest first.
    pub(super) fn chain(
        &self,
        latest: u32,
    ) -> impl Iterator<Item = (ReservationSeq, &ReservationState)> {
        let mut at = latest;
        std::iter::from_fn(move || {
            let r = self.reservations.get(at)?;
            let seq = ReservationSeq(at);
            at = r.previous;
            Some((seq, r))
        })
    }

    /// Remember where a payment is.
    pub(super) fn index_payment(&mut self, seq: ReservationSeq, line: u8) {
        let Ledger { payments, reservations, extras, hash_key, .. } = self;
        let hash = |&(seq, line): &(u32, u8)| {
            let r = reservations.get(seq).expect("the payment table names what exists");
            let p = &extras[r.extra as usize].lines[usize::from(line)].payment;
            payment_hash(*hash_key, &p.provider, &p.reference)
        };
        payments.insert_unique(hash(&(seq.0, line)), (seq.0, line), hash);
    }

    /// Find the payment with this provider and reference.
    pub(super) fn payment(&self, provider: &Name, reference: &str) -> Option<(ReservationSeq, u8)> {
        let is_it = |&(seq, line): &(u32, u8)| {
            let p = &self.lines(ReservationSeq(seq))[usize::from(line)].payment;
            p.provider == *provider && *p.reference == *reference
        };
        let found = self
            .payments
            .find(payment_hash(self.hash_key, provider, reference), is_it)
            .filter(|_| planted!("payment-counts-twice", false, true))?;
        Some((ReservationSeq(found.0), found.1))
    }
}

fn payment_hash([k0, k1]: [u64; 2], provider: &Name, reference: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(k0, k1);
    (provider, reference).hash(&mut hasher);
    hasher.finish()
}

fn hash_of(campaign: CampaignIx, buyer: BuyerDigest) -> u64 {
    // Digests are keyed and uniform; the campaign is spread over the bits by a golden multiple.
    buyer.hash64() ^ u64::from(campaign.0).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn buyer_hash(reservations: &Slab, skus: &[SkuState], seq: u32) -> u64 {
    let r = reservations.get(seq).expect("the buyer table names what exists");
    hash_of(skus[r.sku.index()].campaign, r.buyer)
}

/// Reservations by sequence number, in chunks, so that growing never copies.
#[derive(Debug, Default)]
pub(super) struct Slab {
    chunks: Vec<Vec<ReservationState>>,
    pub(super) len: u32,
}

impl Slab {
    #[inline]
    pub(super) fn get(&self, seq: u32) -> Option<&ReservationState> {
        self.chunks.get(seq as usize / SLAB_CHUNK)?.get(seq as usize % SLAB_CHUNK)
    }

    pub(super) fn get_mut(&mut self, seq: u32) -> Option<&mut ReservationState> {
        self.chunks.get_mut(seq as usize / SLAB_CHUNK)?.get_mut(seq as usize % SLAB_CHUNK)
    }

    pub(super) fn push(&mut self, r: ReservationState) {
        if (self.len as usize).is_multiple_of(SLAB_CHUNK) {
            self.chunks.push(Vec::with_capacity(SLAB_CHUNK));
        }
        self.chunks.last_mut().expect("pushed above").push(r);
        self.len += 1;
    }

    pub(super) fn chunks(&self) -> &[Vec<ReservationState>] {
        &self.chunks
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
