//! The ledger's side: one owner turns what is queued into one batch, makes it durable with one sync,
//! and only then lets anybody see it.
//!
//! ```text
//! turn:  switches and waves due ─ settle lane ─ expiries due ─ offers ─ reserve lane ─► records
//!        write + fdatasync
//!        1 units that are free   2 read table and claims   3 durable LSN   4 wake callers
//! ```
//!
//! Whatever queues while a sync runs goes into the next batch: batches grow with load and there is
//! no timer. [`Owner::turn`] does not block except in the sync and spawns nothing, so a simulator
//! can call it instead of a thread.

use crate::background::Background;
use crate::error::EngineError;
use crate::flight::{Claimed, Landed, LaneKind, Work};
use crate::publish::{Posted, undo};
use crate::secret::Secret;
use crate::shared::Shared;
use crate::waitlist::WaitMove;
use onrush_core::campaign::Terms;
use onrush_core::front::Slots;
use onrush_core::ledger::{
    Action, Answer, Change, Divergence, Effect, Ledger, Record, StockMove, Take, WaitAction, encode,
};
use onrush_core::line::key::CLASSES_MAX;
use onrush_core::line::terms::LineTerms;
use onrush_core::phase::Phase;
use onrush_core::refusal::Refusal;
use onrush_journal::{Journal, JournalError};
use onrush_types::limits::{
    ATTRIBUTES_BYTES_MAX, DETAILS_BYTES_MAX, NAME_BYTES_MAX, PAYMENTS_PER_RESERVATION_MAX,
    SKUS_PER_CAMPAIGN_MAX, TEXT_BYTES_MAX, TIER_GROUPS_MAX, WAVES_MAX,
};
use onrush_types::planted;
use onrush_types::{CampaignIx, DurationMs, Name, SkuIx, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Requests of one lane in one batch: bounds the time to the sync.
const LANE_BATCH_MAX: u32 = 32_768;
/// Expiries in one batch.
const EXPIRIES_BATCH_MAX: usize = 32_768;
/// A switch that comes within this time may come while a batch is decided.
const SWITCH_NEAR_MS: u64 = 1_000;
/// A planned opening waits so long for the first reserve, to share its sync: alone it would keep the
/// first buyers waiting for a sync that they do not need. The phase follows from the time meanwhile.
const OPENING_ALONE_MS: u64 = 5;
/// Offers from waitlists in one batch.
const OFFERS_BATCH_MAX: usize = 32_768;
/// A durable mark follows a batch within this time when nothing else does.
pub(crate) const MARK_AFTER_MS: u64 = 100;

/// No record of an action other than a campaign is longer than this.
pub(crate) const RECORD_BYTES_MAX: usize = 2_048;
/// No SKU's record, and no wave's part of a campaign's record, is longer than this.
const NAMED_BYTES_MAX: usize = 128;
const _: () = assert!(NAMED_BYTES_MAX > 48 + NAME_BYTES_MAX, "a SKU's record fits");
const _: () = assert!(RECORD_BYTES_MAX > 128 + DETAILS_BYTES_MAX, "a reserve's record fits");
const _: () = assert!(RECORD_BYTES_MAX > 256 + 2 * TEXT_BYTES_MAX, "an operator's record fits");

/// What a turn did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It decided something; there may be more.
    Busy,
    /// Nothing was due or queued; the next thing is due in so many milliseconds, at the latest.
    Idle {
        /// How long to sleep at most.
        sleep_ms: u64,
    },
    /// The engine failed; every request is answered with that from now on.
    Failed,
}

/// The ledger, its journal, and everything that only their one owner may touch.
pub(crate) struct Owner {
    pub(crate) shared: Arc<Shared>,
    pub(crate) ledger: Ledger,
    pub(crate) journal: Journal,
    pub(crate) background: Background,
    batch: Batch,
    /// When the journal last became durable without a mark behind it, in monotonic nanoseconds.
    unmarked_since: Option<u64>,
}

/// One batch on its way. Its vectors are reused.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) posted: Vec<Posted>,
    pub(crate) landings: Vec<Landing>,
    pub(crate) inspections: Vec<(u32, Work)>,
    /// Units that were freed or added in this batch and taken again in it.
    pub(crate) reused: BTreeMap<SkuIx, u32>,
    /// Units that were freed or added in this batch and are not in their slots yet.
    freed: BTreeMap<SkuIx, u32>,
    /// What its records change in the waitlists.
    pub(crate) waits: Vec<WaitMove>,
    buffer: Vec<u8>,
    append_failed: Option<JournalError>,
}

/// An outcome and what to undo with it.
pub(crate) struct Landing {
    pub(crate) credit: u32,
    pub(crate) outcome: Landed,
    pub(crate) claimed: Option<Claimed>,
}

/// Why the engine cannot go on.
#[derive(Debug)]
pub(crate) enum Fatal {
    Journal(JournalError),
    Ledger(Divergence),
    Mirror(String),
}

impl std::fmt::Display for Fatal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fatal::Journal(e) => e.fmt(f),
            Fatal::Ledger(e) => e.fmt(f),
            Fatal::Mirror(what) => f.write_str(what),
        }
    }
}

impl From<Divergence> for Fatal {
    fn from(divergence: Divergence) -> Fatal {
        Fatal::Ledger(divergence)
    }
}

impl From<JournalError> for Fatal {
    fn from(error: JournalError) -> Fatal {
        Fatal::Journal(error)
    }
}

impl Owner {
    pub(crate) fn new(
        shared: Arc<Shared>,
        ledger: Ledger,
        journal: Journal,
        background: Background,
    ) -> Owner {
        let batch = Batch::default();
        Owner { shared, ledger, journal, background, batch, unmarked_since: None }
    }

    /// Decide what is due and queued, make it durable, let callers know.
    pub(crate) fn turn(&mut self) -> Turn {
        if self.shared.failed.get().is_some() {
            self.answer_all(&EngineError::JournalFailed { cause: self.cause() });
            return Turn::Failed;
        }
        match self.try_turn() {
            Ok(turn) => turn,
            Err(fatal) => {
                self.fail(&fatal);
                Turn::Failed
            }
        }
    }

    fn try_turn(&mut self) -> Result<Turn, Fatal> {
        self.shared.bell.begin();
        let began_ns = self.shared.time.monotonic_ns();
        let last = self.ledger.stamp();
        // A step after the close must not end holds early or keep them alive.
        let frozen =
            self.ledger.has_live_hold() || self.ledger.clock_is_frozen(self.shared.time.now());
        let now = self.shared.time.observe(frozen).max(last);
        self.background.step(&self.shared, &mut self.journal)?;
        if !self.opening_waits(now) {
            planted!("switches-forgotten", (), self.switches(now)?);
        }
        self.lane(LaneKind::Settle, now)?;
        self.expiries(now)?;
        self.offers(now)?;
        self.call_up(now)?;
        let reserves = self.lane(LaneKind::Reserve, now)?;
        self.lane(LaneKind::Join, now)?;
        let decided = !self.batch.landings.is_empty() || !self.batch.posted.is_empty();
        let busy = decided || !self.batch.inspections.is_empty();
        let unsynced = !self.batch.posted.is_empty();
        planted!("told-before-sync", self.publish()?, ());
        if unsynced {
            self.sync()?;
        }
        self.publish()?;
        if reserves > 0 {
            let took_ns = self.shared.time.monotonic_ns() - began_ns;
            self.shared.admission.batch_took(reserves, took_ns);
        }
        if busy { Ok(Turn::Busy) } else { self.idle(now) }
    }

    /// Tell whether only an opening is due, so short ago that nobody is queued yet. Where a line is
    /// drawn at the opening it does not wait: nobody can reserve before.
    fn opening_waits(&self, now: Timestamp) -> bool {
        let due_at = self.ledger.next_switch_at();
        (due_at..due_at + DurationMs(OPENING_ALONE_MS)).contains(&now)
            && !self.shared.flights.waiting()
            && matches!(
                self.ledger.due_switch(now),
                Some(Change::Phase { to: Phase::Open, campaign, .. })
                    if self.ledger.line(campaign).is_none()
            )
    }

    fn switches(&mut self, now: Timestamp) -> Result<(), Fatal> {
        while self.journal.has_room(RECORD_BYTES_MAX) {
            let Some(change) = self.ledger.due_switch(now) else { break };
            self.record(change, now)?;
        }
        Ok(())
    }

    fn expiries(&mut self, now: Timestamp) -> Result<(), Fatal> {
        for _ in 0..EXPIRIES_BATCH_MAX {
            if !self.journal.has_room(RECORD_BYTES_MAX) {
                break;
            }
            let Some(seq) = self.ledger.due_expiry(now) else { break };
            self.record(Change::Expired { seq }, now)?;
        }
        Ok(())
    }

    /// Offer what is free to those who wait, before a reserve is looked at: a unit that was freed in
    /// this batch is never seen by callers meanwhile.
    fn offers(&mut self, now: Timestamp) -> Result<(), Fatal> {
        for _ in 0..OFFERS_BATCH_MAX {
            // An offer is a new hold: on a full disk it waits like others.
            if !self.journal.has_room_for_new(RECORD_BYTES_MAX) {
                break;
            }
            let Owner { shared, ledger, batch, .. } = self;
            let Batch { freed, reused, .. } = batch;
            let mut take =
                LikeACaller { slots: &shared.slots, freed, reused, secret: &shared.secret };
            let Some(change) = ledger.due_offer(now, &mut take) else { break };
            self.record(change, now)?;
        }
        Ok(())
    }

    /// Call people up, in every line in which it is time.
    fn call_up(&mut self, now: Timestamp) -> Result<(), Fatal> {
        let lines: Vec<CampaignIx> = self.ledger.waiting_lines().map(|(ix, _)| ix).collect();
        for ix in lines {
            // Nobody is called up for what could not be recorded.
            if !self.journal.has_room_for_new(RECORD_BYTES_MAX) {
                break;
            }
            let catalogue = self.shared.catalogue.load();
            let line = catalogue.list.get(ix.index()).and_then(|campaign| campaign.line.as_ref());
            // A line that was put in this very batch is not mirrored yet, nor has anybody joined it.
            let Some(health) = line.map(|line| line.health_milli()) else { continue };
            if let Some(change) = self.ledger.due_served(ix, health, now) {
                self.record(change, now)?;
            }
        }
        Ok(())
    }

    fn record(&mut self, change: Change, now: Timestamp) -> Result<(), Fatal> {
        let Owner { ledger, journal, batch, .. } = self;
        ledger
            .record(change, now, &mut |record, effect| batch.add(journal, record, effect, None))?;
        batch.appended()
    }

    /// Decide what is queued in a lane, and return how much that was.
    fn lane(&mut self, kind: LaneKind, mut now: Timestamp) -> Result<u32, Fatal> {
        let switch_is_near = now + DurationMs(SWITCH_NEAR_MS) >= self.ledger.next_switch_at();
        for done in 0..LANE_BATCH_MAX {
            let Some((credit, work)) = self.shared.flights.next(kind) else { return Ok(done) };
            if switch_is_near {
                // What came after the switch must not be decided by the time before it: a caller
                // that saw the sale open would be told that it is not.
                now = now.max(self.shared.time.now());
                self.switches(now)?;
            }
            match work {
                Work::Reserve(action, claimed) => {
                    let room = self.journal.has_room_for_new(RECORD_BYTES_MAX);
                    let decided = self.decide(action, Some(credit), room, now);
                    let claimed = match decided {
                        Ok(Answer::Done(_)) => None,
                        _ => Some(claimed),
                    };
                    self.land_later(credit, decided, claimed)?;
                }
                Work::Act(action) => {
                    let bytes = bytes_max(&action);
                    let room = if is_new(&action) {
                        self.journal.has_room_for_new(bytes)
                    } else {
                        self.journal.has_room(bytes)
                    };
                    let decided = self.decide(action, None, room, now);
                    self.land_later(credit, decided, None)?;
                }
                look => self.batch.inspections.push((credit, look)),
            }
        }
        Ok(LANE_BATCH_MAX)
    }

    /// Keep an outcome for after the sync. One that could not be decided is kept too: its caller
    /// waits like the others and must be told.
    fn land_later(
        &mut self,
        credit: u32,
        decided: Result<Answer, Fatal>,
        claimed: Option<Claimed>,
    ) -> Result<(), Fatal> {
        let (outcome, end) = match decided {
            Ok(answer) => (Ok(answer), Ok(())),
            Err(fatal) => (Err(EngineError::OutcomeUnknown), Err(fatal)),
        };
        self.batch.landings.push(Landing { credit, outcome, claimed });
        end
    }

    fn decide(
        &mut self,
        action: Action,
        credit: Option<u32>,
        room: bool,
        now: Timestamp,
    ) -> Result<Answer, Fatal> {
        if !room {
            return Ok(Answer::Refused(Refusal::DiskFull));
        }
        let Owner { shared, ledger, journal, batch, .. } = self;
        let Batch { posted, reused, freed, waits, buffer, append_failed, .. } = batch;
        let before = posted.len();
        let mut take = LikeACaller { slots: &shared.slots, freed, reused, secret: &shared.secret };
        let answer = ledger.perform(action, now, &mut take, &mut |record, effect| {
            append(journal, buffer, append_failed, record);
            waits.extend(WaitMove::of(record));
            posted.push(Posted::new(record, effect, credit));
        })?;
        posted[before..].iter().for_each(|posted| note_freed(freed, &posted.effect));
        batch.appended()?;
        Ok(answer)
    }

    fn sync(&mut self) -> Result<(), Fatal> {
        let counters = &self.shared.counters;
        let started = self.shared.time.monotonic_ns();
        let bytes = self.journal.pending_bytes() as u64;
        self.journal.commit()?;
        let ended = self.shared.time.monotonic_ns();
        // Relaxed: figures for people.
        counters.syncs.fetch_add(1, Ordering::Relaxed);
        counters.sync_ns.fetch_add(ended - started, Ordering::Relaxed);
        counters.sync_ns_max.fetch_max(ended - started, Ordering::Relaxed);
        counters.journal_bytes.fetch_add(bytes, Ordering::Relaxed);
        counters.records.fetch_add(self.batch.posted.len() as u64, Ordering::Relaxed);
        self.unmarked_since = Some(ended);
        Ok(())
    }

    fn idle(&mut self, now: Timestamp) -> Result<Turn, Fatal> {
        let mut sleep_ms = crate::background::IDLE_MS_MAX;
        if let Some(since) = self.unmarked_since {
            let waited_ms = (self.shared.time.monotonic_ns() - since) / 1_000_000;
            if waited_ms + 1 >= MARK_AFTER_MS {
                self.journal.mark()?;
                self.unmarked_since = None;
            } else {
                sleep_ms = sleep_ms.min(MARK_AFTER_MS - waited_ms - 1);
            }
        }
        let lines = self.ledger.waiting_lines();
        let called = lines.filter_map(|(ix, _)| self.ledger.next_served_at(ix, now)).min();
        if let Some(due) = called {
            sleep_ms = sleep_ms.min(due.since(now).0.max(1));
        }
        if let Some(due) = self.ledger.next_due_at() {
            sleep_ms = sleep_ms.min(due.since(now).0.max(1));
        }
        Ok(Turn::Idle { sleep_ms })
    }

    /// Nothing can be recorded any more: tell everybody who waits, and whoever comes.
    fn fail(&mut self, fatal: &Fatal) {
        let cause = fatal.to_string();
        let _ = self.shared.failed.set(cause);
        let unknown = EngineError::OutcomeUnknown;
        for landing in std::mem::take(&mut self.batch.landings) {
            self.wake(
                landing.credit,
                planted!("granted-though-failed", landing.outcome, Err(unknown.clone())),
            );
        }
        self.answer_all(&unknown);
        self.shared.call_failure_hook();
    }

    fn cause(&self) -> String {
        self.shared.failed.get().cloned().unwrap_or_default()
    }

    /// Answer everything that is queued with `error`. None of it was decided: what reserves took
    /// goes back, so that a claim never outlives its credit.
    pub(crate) fn answer_all(&mut self, error: &EngineError) {
        for (credit, _look) in self.batch.inspections.drain(..) {
            self.shared.flights.give_back(credit);
        }
        for kind in [LaneKind::Settle, LaneKind::Reserve, LaneKind::Join] {
            while let Some((credit, work)) = self.shared.flights.next(kind) {
                match work {
                    Work::Act(_) => {}
                    Work::Reserve(_, claimed) => undo(&self.shared, credit, &claimed, true),
                    // Nobody polls for these: dropping the work tells who waits.
                    Work::Inspect(_) | Work::Prune(_) => {
                        self.shared.flights.give_back(credit);
                        continue;
                    }
                }
                self.wake(credit, Err(error.clone()));
            }
        }
    }

    pub(crate) fn wake(&self, credit: u32, outcome: Landed) {
        if let Some(waker) = self.shared.flights.land(credit, outcome) {
            waker.wake();
        }
    }

    pub(crate) fn batch_mut(&mut self) -> (&mut Batch, &Shared, &Ledger) {
        (&mut self.batch, &self.shared, &self.ledger)
    }
}

/// The ledger takes like any caller, or units freed earlier in the same batch.
struct LikeACaller<'a> {
    slots: &'a Slots,
    freed: &'a mut BTreeMap<SkuIx, u32>,
    reused: &'a mut BTreeMap<SkuIx, u32>,
    secret: &'a Secret,
}

impl Take for LikeACaller<'_> {
    fn take(&mut self, sku: SkuIx, units: u32) -> bool {
        let Some(slot) = self.slots.get(sku.index()) else { return false };
        if slot.take(units).is_ok() {
            return true;
        }
        let freed = self.freed.get_mut(&sku).filter(|freed| **freed >= units);
        let Some(freed) = freed else { return false };
        *freed -= units;
        *self.reused.entry(sku).or_default() += units;
        true
    }

    fn commitment(&mut self, campaign: CampaignIx, name: &Name, lane: u8) -> [u8; 32] {
        crate::line::seed(self.secret, campaign, name, lane).commitment()
    }
}

/// Note units that are free in the ledger and not yet in their slot.
fn note_freed(freed: &mut BTreeMap<SkuIx, u32>, effect: &Effect) {
    if let Some((sku, StockMove::GiveBack(units) | StockMove::Add(units))) = effect.stock {
        *freed.entry(sku).or_default() += units;
    }
}

/// An upper bound of the bytes that an action's records take in the journal. Room is promised within
/// one segment, so the bound of a campaign with every SKU it may have stays well below one.
fn bytes_max(action: &Action) -> usize {
    match action {
        Action::Put(spec) => {
            let terms = &spec.terms;
            RECORD_BYTES_MAX
                + terms.attributes.len().min(ATTRIBUTES_BYTES_MAX)
                + spec.line.as_ref().map_or(0, |line| line_bytes_max(line, terms))
                + NAMED_BYTES_MAX * terms.waves.len().min(WAVES_MAX)
                + NAMED_BYTES_MAX * spec.skus.len().min(SKUS_PER_CAMPAIGN_MAX)
        }
        Action::Confirm { lines, .. } => {
            RECORD_BYTES_MAX * lines.len().clamp(1, PAYMENTS_PER_RESERVATION_MAX)
        }
        Action::Nodes(ask) => crate::stores::bytes_max(ask),
        _ => RECORD_BYTES_MAX,
    }
}

/// The same for a line, with the draft of its campaign that comes before it. Texts past their bounds
/// are refused before they are written.
fn line_bytes_max(line: &LineTerms, terms: &Terms) -> usize {
    let groups = line.tiers.iter().take(CLASSES_MAX).flat_map(|tier| tier.groups.iter());
    let groups = groups.map(|group| group.len().min(TEXT_BYTES_MAX) + 2);
    2 * RECORD_BYTES_MAX
        + terms.attributes.len().min(ATTRIBUTES_BYTES_MAX)
        + NAMED_BYTES_MAX * (terms.waves.len().min(WAVES_MAX) + CLASSES_MAX)
        + groups.take(CLASSES_MAX * TIER_GROUPS_MAX).sum::<usize>()
}

/// Tell whether an action adds work for later rather than ending something: on a full disk it waits,
/// and the last segment is left to payments, releases and expiries.
fn is_new(action: &Action) -> bool {
    match action {
        Action::Put(_) | Action::Join { .. } => true,
        Action::Supply { units, .. } => *units > 0,
        Action::Nodes(ask) => crate::stores::is_new(ask),
        Action::Wait(action) => matches!(action, WaitAction::Join { .. }),
        _ => false,
    }
}

fn append(
    journal: &mut Journal,
    buffer: &mut Vec<u8>,
    failed: &mut Option<JournalError>,
    record: &Record,
) {
    buffer.clear();
    encode(record, buffer);
    if let Err(error) = journal.append(buffer) {
        failed.get_or_insert(error);
    }
}

impl Batch {
    /// Forget the last batch, and keep its memory.
    pub(crate) fn clear(&mut self) {
        self.posted.clear();
        self.reused.clear();
        self.freed.clear();
        self.waits.clear();
    }

    fn add(&mut self, journal: &mut Journal, record: &Record, effect: Effect, credit: Option<u32>) {
        append(journal, &mut self.buffer, &mut self.append_failed, record);
        self.waits.extend(WaitMove::of(record));
        note_freed(&mut self.freed, &effect);
        self.posted.push(Posted::new(record, effect, credit));
    }

    fn appended(&mut self) -> Result<(), Fatal> {
        self.append_failed.take().map_or(Ok(()), |error| Err(error.into()))
    }
}
