//! What caller threads and the ledger thread share.

use crate::admission::Admission;
use crate::bell::Bell;
use crate::catalogue::{Catalogue, Dirt};
use crate::clock::SaleTime;
use crate::error::EngineError;
use crate::flight::Flights;
use crate::line::LineShared;
use crate::public_id::{Ids, PublicId};
use crate::secret::{Digests, Secret};
use crate::status::Counters;
use crate::waitlist::WaitRooms;
use crate::wakes::Told;
use arc_swap::ArcSwap;
use onrush_core::front::{self, Board, ChunkTable, FlightLinks, Posting, Slots};
use onrush_core::ledger::{Ledger, ReservationState};
use onrush_core::reservation::State;
use onrush_journal::{JournalId, Storage};
use onrush_types::limits::SKUS_MAX;
use onrush_types::planted;
use onrush_types::{
    CampaignIx, Currency, Lsn, Money, Name, Quantity, ReservationSeq, SkuIx, Timestamp,
};
use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A reservation, as its durable records left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Its number inside.
    pub seq: ReservationSeq,
    /// Its name outside.
    pub id: PublicId,
    /// Its campaign.
    pub campaign: Name,
    /// Its SKU.
    pub sku: Name,
    /// Units.
    pub quantity: Quantity,
    /// What became of it so far.
    pub state: State,
    /// Price of all units.
    pub price: Money,
    /// The hold's deadline.
    pub expires_at: Timestamp,
    /// The record that made its state; after a restart, for what was there before it, the last
    /// record that was recovered.
    pub lsn: Lsn,
}

/// What never changes about a SKU, by number.
#[derive(Debug)]
pub(crate) struct SkuTag {
    pub(crate) campaign: CampaignIx,
    pub(crate) campaign_name: Name,
    pub(crate) name: Name,
    pub(crate) currency: Currency,
}

pub(crate) struct Shared {
    pub(crate) slots: Slots,
    pub(crate) board: Board,
    pub(crate) links: FlightLinks,
    pub(crate) flights: Flights,
    pub(crate) admission: Admission,
    pub(crate) tags: ChunkTable<OnceLock<SkuTag>>,
    pub(crate) waits: WaitRooms,
    pub(crate) catalogue: ArcSwap<Catalogue>,
    pub(crate) bell: Bell,
    /// Wakes the indexer.
    pub(crate) index_bell: Bell,
    pub(crate) time: SaleTime,
    pub(crate) digests: Digests,
    pub(crate) ids: Ids,
    pub(crate) secret: Secret,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) journal_id: JournalId,
    pub(crate) counters: Counters,
    pub(crate) durable: AtomicU64,
    pub(crate) stopping: AtomicBool,
    pub(crate) failed: OnceLock<String>,
    /// Readers of events that wait for the next durable record.
    pub(crate) watchers: AtomicUsize,
    pub(crate) watch: (Mutex<()>, Condvar),
    pub(crate) failure_hook: Mutex<Option<FailureHook>>,
    pub(crate) wakes: Told,
    /// Stores that are durable.
    pub(crate) stores: AtomicU32,
}

/// What an embedder wants done when the engine fails.
pub(crate) type FailureHook = Box<dyn FnOnce(&EngineError) + Send>;

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    pub(crate) fn durable_lsn(&self) -> Lsn {
        // Acquire: pairs with the Release in `publish_lsn`; the board was written before.
        Lsn(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn publish_lsn(&self, lsn: Lsn) {
        // Release: pairs with the Acquire in `durable_lsn`.
        self.durable.store(lsn.0, Ordering::Release);
        // AcqRel: partner of the increment in `Events::next`; a watcher that was not seen here has
        // not yet looked at the LSN stored above.
        if self.watchers.fetch_add(0, Ordering::AcqRel) > 0 {
            let _guard = self.watch.0.lock();
            self.watch.1.notify_all();
        }
    }

    /// Return the error for requests that come after a failure.
    pub(crate) fn failure(&self) -> Option<EngineError> {
        self.failed.get().map(|cause| EngineError::JournalFailed { cause: cause.clone() })
    }

    /// Tell the embedder of a failure, if there was one and nobody told it yet.
    pub(crate) fn call_failure_hook(&self) {
        let Some(error) = self.failure() else { return };
        // Not called under the lock: the hook may set another one.
        let hook = self.failure_hook.lock().take();
        if let Some(hook) = hook {
            hook(&error);
        }
    }

    pub(crate) fn stopping(&self) -> bool {
        // Acquire: pairs with the Release in `shutdown`; late requests are answered either way.
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn tag(&self, sku: SkuIx) -> Option<&SkuTag> {
        self.tags.get(sku.index())?.get()
    }

    /// Return a reservation as it is posted on the board.
    pub(crate) fn reservation(&self, seq: ReservationSeq) -> Option<Reservation> {
        let posting = self.board.read(seq)?;
        self.described(seq, &posting)
    }

    pub(crate) fn described(&self, seq: ReservationSeq, posting: &Posting) -> Option<Reservation> {
        let tag = self.tag(posting.sku)?;
        Some(Reservation {
            seq,
            id: self.ids.id_of(seq),
            campaign: tag.campaign_name.clone(),
            sku: tag.name.clone(),
            quantity: posting.quantity,
            state: posting.state,
            price: Money { amount: posting.amount, currency: tag.currency },
            expires_at: posting.expires_at,
            lsn: posting.lsn,
        })
    }

    /// Make the slot and the tag of a SKU.
    pub(crate) fn make_sku(&self, ledger: &Ledger, sku: SkuIx) {
        self.slots.ensure(sku.index()).expect("the ledger bounds SKUs");
        let tag = self.tags.ensure(sku.index()).expect("the ledger bounds SKUs");
        let state = &ledger.skus()[sku.index()];
        let campaign = &ledger.campaigns()[state.campaign.index()];
        tag.get_or_init(|| SkuTag {
            campaign: state.campaign,
            campaign_name: campaign.name.clone(),
            name: state.name.clone(),
            currency: campaign.terms.currency,
        });
    }

    /// Mirror a ledger that was just recovered. Before any caller can see it.
    pub(crate) fn mirror(&self, ledger: &Ledger) {
        for (n, sku) in ledger.skus().iter().enumerate() {
            let ix = SkuIx(n as u32);
            self.make_sku(ledger, ix);
            let slot = self.slots.get(n).expect("just made");
            slot.add(sku.free + sku.held);
            if sku.held > 0 {
                planted!("restart-frees-holds", (), slot.take(sku.held).expect("just added"));
            }
        }
        self.update_catalogue(ledger, |_| Dirt::Skus);
        let catalogue = self.catalogue.load();
        for n in planted!("restart-forgets-first", 1, 0)..ledger.reservation_count() {
            let seq = ReservationSeq(n);
            let r = ledger.reservation(seq).expect("dense");
            let campaign = ledger.skus()[r.sku.index()].campaign;
            let claims = &catalogue.list[campaign.index()].claims;
            claims.land(r.buyer, None, seq, &self.links, |previous| {
                debug_assert_eq!(previous, r.previous);
                self.board.post(seq, &posting(r, ledger.lsn(), previous));
            });
        }
        self.publish_stores(ledger);
        self.waits.mirror(ledger);
        for (_, line) in ledger.waiting_lines() {
            line.tickets().publish_all();
        }
        self.publish_lsn(ledger.lsn());
    }

    pub(crate) fn update_catalogue(&self, ledger: &Ledger, dirty: impl Fn(CampaignIx) -> Dirt) {
        let hasher = self.digests.table();
        let line =
            |ix, before: Option<&Arc<LineShared>>| LineShared::of(ledger, ix, before, &self.secret);
        let next = self.catalogue.load().update(ledger, dirty, hasher, line);
        self.catalogue.store(Arc::new(next));
    }
}

/// Return what to post about a reservation.
pub(crate) fn posting(r: &ReservationState, lsn: Lsn, previous: u32) -> Posting {
    Posting {
        state: r.state,
        lsn,
        quantity: r.quantity,
        sku: r.sku,
        key: r.key,
        request: r.request,
        expires_at: r.expires_at,
        amount: r.amount,
        previous,
    }
}

/// Make the tag table: no memory is used for SKUs that do not exist.
pub(crate) fn tags() -> ChunkTable<OnceLock<SkuTag>> {
    ChunkTable::new(1_024, SKUS_MAX)
}

/// Make the slot table.
pub(crate) fn slots() -> Slots {
    front::slots()
}
