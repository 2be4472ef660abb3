//! The public face: what an embedder calls.

use crate::catalogue::Campaign;
use crate::error::{EngineError, EventsError};
use crate::events::Events;
use crate::flight::{LaneKind, Work};
use crate::front::{Both, ReserveRequest, Screen};
use crate::owner::{Owner, Turn};
use crate::pending::{Decision, Extended, Inspect, Pending};
use crate::public_id::PublicId;
use crate::shared::{Reservation, Shared};
use crate::status::Status;
use onrush_core::campaign::CampaignSpec;
use onrush_core::front::SlotView;
use onrush_core::ledger::{Action, By, Holds, Ledger, NodeAction, PaymentLine};
use onrush_core::phase::Phase;
use onrush_core::refusal::Refusal;
use onrush_types::planted;
use onrush_types::{BuyerDigest, DurationMs, Lsn, ReservationSeq, SkuIx, Timestamp};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A running engine. Cloning it copies a pointer; the last clone that goes stops it.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    screen: Option<Arc<dyn Screen>>,
    running: Option<Arc<Running>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("durable_lsn", &self.durable_lsn()).finish_non_exhaustive()
    }
}

impl Engine {
    pub(crate) fn new(
        shared: Arc<Shared>,
        screen: Option<Arc<dyn Screen>>,
        running: Option<Running>,
    ) -> Engine {
        Engine { shared, screen, running: running.map(Arc::new) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Return sale time: the wall clock, except around a start and in a sale, where it does not
    /// follow steps.
    pub fn now(&self) -> Timestamp {
        self.shared.time.now()
    }

    /// Return the digest that stands for a buyer. The same identity gives the same digest as long as
    /// the data folder keeps its secret. About 0.3 µs: keep it where the buyer comes often.
    pub fn buyer(&self, identity: &str) -> BuyerDigest {
        self.shared.digests.buyer(identity)
    }

    /// Derive a key for a purpose of the caller's own from the data folder's secret.
    pub fn derive_key(&self, purpose: &str) -> [u8; 32] {
        self.shared.secret.derive(purpose)
    }

    /// Return the public id of a reservation.
    pub fn id_of(&self, seq: ReservationSeq) -> PublicId {
        self.shared.ids.id_of(seq)
    }

    /// Return the reservation that a public id names, if it is one of ours. It may not exist yet.
    pub fn seq_of(&self, id: &str) -> Option<ReservationSeq> {
        self.shared.ids.seq_of(id)
    }

    /// Find a campaign by name. Drafts are found too; check the phase.
    pub fn campaign(&self, name: &str) -> Option<Arc<Campaign>> {
        self.shared.catalogue.load().named(name).cloned()
    }

    /// Return all campaigns, oldest first.
    pub fn campaigns(&self) -> Vec<Arc<Campaign>> {
        self.shared.catalogue.load().list.clone()
    }

    /// Return the free and held units of a SKU as callers see them now. One load.
    pub fn units(&self, sku: SkuIx) -> Option<SlotView> {
        // A slot of the same chunk exists for numbers that are not SKUs yet; the tag tells.
        self.shared.tag(sku)?;
        Some(self.shared.slots.get(sku.index())?.look())
    }

    /// Ask for units.
    ///
    /// Resolves to `Done` with the hold once it is durable, to `Already` with the present state when
    /// the buyer used the key for the same request before, or to the first refusal in the order of
    /// [`Refusal`]. Never blocks; a refusal touches nothing and is there at once.
    pub fn reserve(&self, ask: &ReserveRequest<'_>) -> Pending<Reservation> {
        self.reserve_at(ask, self.now())
    }

    /// As [`reserve`](Engine::reserve), for who has just read [`now`](Engine::now).
    pub fn reserve_at(&self, ask: &ReserveRequest<'_>, now: Timestamp) -> Pending<Reservation> {
        self.shared.reserve(ask, self.screen.as_deref(), now)
    }

    /// As [`reserve`](Engine::reserve), asking `screen` after the screen of the options: the place of
    /// a decision that knows how the request came in. `screen` is not kept.
    pub fn reserve_screened(
        &self,
        ask: &ReserveRequest<'_>,
        screen: &dyn Screen,
    ) -> Pending<Reservation> {
        let now = self.now();
        match self.screen.as_deref() {
            Some(own) => self.shared.reserve(ask, Some(&Both(own, screen)), now),
            None => self.shared.reserve(ask, Some(screen), now),
        }
    }

    /// Add payments to a reservation, and sell it when they cover its price.
    ///
    /// Trusted callers only. A payment is known by provider and reference and counts once, whatever
    /// the key. Money that comes too late takes units again only where the campaign, its limits and
    /// its stock allow; otherwise it becomes exactly one refund due.
    pub fn confirm(
        &self,
        seq: ReservationSeq,
        lines: Vec<PaymentLine>,
        key: Option<&str>,
    ) -> Pending<Reservation> {
        let money: Vec<String> = lines.iter().map(|line| line.money.to_string()).collect();
        let seq_bytes = seq.0.to_le_bytes();
        let mut parts: Vec<&[u8]> = vec![&seq_bytes];
        for (line, money) in lines.iter().zip(&money) {
            let texts = [line.provider.as_str(), line.method.as_str(), &line.reference, money];
            parts.extend(texts.map(str::as_bytes));
        }
        match self.shared.keyed(key, &parts) {
            Ok(key) => self.shared.settle(Action::Confirm { seq, lines, key }),
            Err(refusal) => Pending::refused(refusal),
        }
    }

    /// Give up a hold. Asking again is answered `Already`.
    pub fn release(&self, seq: ReservationSeq, key: Option<&str>) -> Pending<Reservation> {
        match self.shared.keyed(key, &[&seq.0.to_le_bytes()]) {
            Ok(key) => self.shared.settle(Action::Release { seq, key }),
            Err(refusal) => Pending::refused(refusal),
        }
    }

    /// Take a sale back; its money becomes due back.
    pub fn cancel(&self, seq: ReservationSeq, restock: bool, by: By) -> Pending<Reservation> {
        self.shared.settle(Action::Cancel { seq, restock, by })
    }

    /// Accept or reject a hold under review.
    pub fn judge(&self, seq: ReservationSeq, accept: bool, by: By) -> Pending<Reservation> {
        self.shared.settle(Action::Judge { seq, accept, by })
    }

    /// Put the deadlines of a campaign's live holds off, of those under review too.
    ///
    /// Counts again each time it is asked for; `Already` when there is no live hold. Deciding waits
    /// meanwhile: O(reservations since the oldest live hold).
    pub fn extend_holds(&self, campaign: &Campaign, more: DurationMs, by: By) -> Pending<Extended> {
        let holds = Holds::Campaign(campaign.ix);
        self.shared.settle(Action::Extend { holds, more, by })
    }

    /// Put the deadline of one live hold off.
    pub fn extend_hold(
        &self,
        seq: ReservationSeq,
        more: DurationMs,
        by: By,
    ) -> Pending<Reservation> {
        self.shared.settle(Action::Extend { holds: Holds::One(seq), more, by })
    }

    /// Create or update a campaign; see [`CampaignSpec`].
    pub fn put_campaign(&self, spec: CampaignSpec) -> Pending<Arc<Campaign>> {
        self.shared.settle(Action::Put(Box::new(spec)))
    }

    /// Add units to a SKU, or withdraw free ones (negative).
    pub fn supply(&self, sku: SkuIx, units: i64, by: By) -> Pending<SkuIx> {
        self.shared.settle(Action::Supply { sku, units, by })
    }

    /// Pause, resume, open early, close or settle a campaign.
    pub fn move_phase(&self, campaign: &Campaign, to: Phase, by: By) -> Pending<Arc<Campaign>> {
        self.shared.settle(Action::Move { campaign: campaign.ix, to, by })
    }

    /// Note that a refund due was paid out.
    pub fn refunded(&self, refund: u32, by: By) -> Pending<u32> {
        self.shared.settle(Action::Refunded { refund, by })
    }

    pub(crate) fn act<T: crate::pending::View>(&self, ask: NodeAction) -> Pending<T> {
        self.shared.settle(Action::Nodes(Box::new(ask)))
    }

    /// Return a reservation's durable state, whoever it belongs to.
    pub fn look(&self, seq: ReservationSeq) -> Option<Reservation> {
        self.shared.reservation(seq)
    }

    /// Return a reservation's durable state if it belongs to `buyer`.
    pub fn look_as(&self, seq: ReservationSeq, buyer: BuyerDigest) -> Option<Reservation> {
        let found = self.shared.reservation(seq)?;
        let tag = self.shared.tag(self.shared.board.read(seq)?.sku)?;
        let catalogue = self.shared.catalogue.load();
        let campaign = catalogue.list.get(tag.campaign.index())?;
        let mut theirs = false;
        campaign.claims.reservations(buyer, &self.shared.board, |of_buyer, _| {
            theirs = planted!("anyone-may-look", true, of_buyer == seq);
            !theirs
        });
        theirs.then_some(found)
    }

    /// Return what a buyer has in a campaign, latest first; at most sixteen.
    pub fn reservations_of(&self, campaign: &Campaign, buyer: BuyerDigest) -> Vec<Reservation> {
        let mut found = Vec::new();
        let catalogue = self.shared.catalogue.load();
        let Some(campaign) = catalogue.list.get(campaign.ix.index()) else { return found };
        campaign.claims.reservations(buyer, &self.shared.board, |seq, posting| {
            found.extend(self.shared.described(seq, posting));
            true
        });
        found
    }

    /// Look at the whole durable state on the ledger's own thread. Deciding waits meanwhile: copy
    /// what is needed and return.
    pub fn inspect<T: Send + 'static>(
        &self,
        f: impl FnOnce(&Ledger) -> T + Send + 'static,
    ) -> Inspect<T> {
        let (inspect, looker) = Inspect::new();
        if let Some(error) = self.shared.failure() {
            looker.refuse(error);
            return inspect;
        }
        // When the lane is full or stopped the work is dropped here, and its looker says `Stopped`.
        let look = move |ledger: &Ledger| looker.look(ledger, f);
        let _ = self.shared.send_settle(Work::Inspect(Box::new(look)));
        inspect
    }

    /// Read durable records from `from` on, and follow those that come.
    ///
    /// # Errors
    /// [`EventsError::Truncated`] when `from` is no longer kept.
    pub fn events(&self, from: Lsn) -> Result<Events, EventsError> {
        Events::open(self.shared.clone(), from)
    }

    /// Return the last durable record's LSN.
    pub fn durable_lsn(&self) -> Lsn {
        self.shared.durable_lsn()
    }

    /// Return figures about the engine itself.
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let counters = &shared.counters;
        // Relaxed: figures that stand alone.
        let figure = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            failed: shared.failed.get().cloned(),
            stopping: shared.stopping(),
            durable_lsn: shared.durable_lsn(),
            reserves_in_flight: shared.flights.in_use(LaneKind::Reserve),
            reserves_in_flight_max: shared.admission.admitted() as usize,
            settles_in_flight: shared.flights.in_use(LaneKind::Settle),
            joins_in_flight: shared.flights.in_use(LaneKind::Join),
            syncs: figure(&counters.syncs),
            sync_ns: figure(&counters.sync_ns),
            sync_ns_max: figure(&counters.sync_ns_max),
            records: figure(&counters.records),
            journal_bytes: figure(&counters.journal_bytes),
            vetoes: figure(&counters.vetoes),
            snapshots: figure(&counters.snapshots),
            snapshots_failed: figure(&counters.snapshots_failed),
            clock_steps: shared.time.steps_seen(),
        }
    }

    /// Call `f` once if the engine fails: a binary exits there. Replaces an earlier one. Called on the
    /// ledger thread, or here when the engine has failed already. It must not wait for the engine:
    /// the thread that would answer is the one that calls.
    pub fn on_failure(&self, f: impl FnOnce(&EngineError) + Send + 'static) {
        *self.shared.failure_hook.lock() = Some(Box::new(f));
        // A failure before this line found no hook; one after it takes the hook, and once only.
        self.shared.call_failure_hook();
    }

    /// Have `who` told around the wakes of each batch, unless somebody else is told already.
    pub fn tell_of_wakes(&self, who: Arc<dyn crate::BatchWakes>) {
        self.shared.wakes.set(who);
    }

    /// Stop: refuse what is new, finish and sync what was accepted, answer everybody.
    ///
    /// # Errors
    /// [`EngineError::JournalFailed`] when the journal failed before or meanwhile.
    pub fn shutdown(&self) -> Result<(), EngineError> {
        // Release: pairs with the Acquire in `stopping`.
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.bell.ring();
        if let Some(running) = &self.running {
            running.wait_until_stopped();
        }
        self.shared.failure().map_or(Ok(()), Err)
    }

    /// Check that callers and ledger agree on every SKU. Only when nothing is under way; O(SKUs).
    ///
    /// # Errors
    /// The first SKU on which they differ, or why nobody could look.
    pub fn check_mirror(&self) -> Result<(), String> {
        let shared = self.shared.clone();
        let check = self.inspect(move |ledger| check_mirror(&shared, ledger));
        check.wait().map_err(|e| e.to_string())?
    }
}

/// At rest the slots and the ledger agree: nothing leaked, nothing was made up (INV-3).
pub(crate) fn check_mirror(shared: &Shared, ledger: &Ledger) -> Result<(), String> {
    for (n, sku) in ledger.skus().iter().enumerate() {
        let slot = shared.slots.get(n).map(|slot| slot.look());
        let known = SlotView { free: sku.free, held: sku.held };
        if slot != Some(known) {
            return Err(format!("SKU {n}: callers see {slot:?}, the ledger has {known:?}"));
        }
    }
    shared.waits.check(ledger)
}

/// The threads of an engine.
pub(crate) struct Running {
    shared: Arc<Shared>,
    stopped: Arc<(Mutex<bool>, Condvar)>,
    gone: Arc<std::sync::atomic::AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(owner: Owner, mut threads: Vec<JoinHandle<()>>) -> io::Result<Running> {
        let shared = owner.shared.clone();
        let stopped: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let gone: Arc<std::sync::atomic::AtomicBool> = Arc::default();
        let (at_stop, at_gone) = (stopped.clone(), gone.clone());
        let named = thread::Builder::new().name("onrush-ledger".to_owned());
        let ledger = named.spawn(move || run(owner, &at_stop, &at_gone))?;
        threads.push(ledger);
        Ok(Running { shared, stopped, gone, threads })
    }

    fn wait_until_stopped(&self) {
        let (stopped, changed) = &*self.stopped;
        let mut stopped = stopped.lock();
        while !*stopped {
            changed.wait(&mut stopped);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `stopping` and in `run`.
        self.shared.stopping.store(true, Ordering::Release);
        self.gone.store(true, Ordering::Release);
        self.shared.bell.ring();
        self.shared.index_bell.ring();
        // The failure hook may drop the last engine on the ledger thread itself. The others end only
        // after that one, so none of them can be waited for there.
        let here = thread::current().id();
        if self.threads.iter().any(|thread| thread.thread().id() == here) {
            return;
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The ledger thread: turns while it runs, then answers late comers until the last engine is gone.
fn run(mut owner: Owner, stopped: &(Mutex<bool>, Condvar), gone: &std::sync::atomic::AtomicBool) {
    let shared = owner.shared.clone();
    shared.bell.answered_here();
    loop {
        // Whoever shares this core and has more to queue does so before a sync is spent: without
        // this, 64 connections on the ledger's core got some four requests into a batch.
        thread::yield_now();
        match owner.turn() {
            Turn::Busy => {}
            Turn::Idle { .. } if shared.stopping() && !shared.flights.waiting() => break,
            Turn::Idle { sleep_ms } => shared.bell.sleep(Duration::from_millis(sleep_ms)),
            Turn::Failed => break,
        }
    }
    // A last mark tells the next start that the tail was whole. After a failure there is none.
    let _ = owner.journal.mark();
    *stopped.0.lock() = true;
    stopped.1.notify_all();
    let failure = shared.failure().unwrap_or(EngineError::Stopped);
    // Acquire: pairs with the Release in `drop`.
    while !gone.load(Ordering::Acquire) {
        shared.bell.begin();
        owner.answer_all(&failure);
        shared.bell.sleep(Duration::from_millis(crate::background::IDLE_MS_MAX));
    }
    owner.answer_all(&failure);
}

impl<T> Decision<T> {
    /// Return the refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Decision::Refused(refusal) => Some(refusal),
            Decision::Done(_) | Decision::Already(_) => None,
        }
    }
}
