//! The journal: append, commit, and nothing else that could fail quietly.
//!
//! Invariants:
//! - `durable_lsn` grows only after the sync that covers it returned `Ok`;
//! - a run is written only after every run before it was synced (one batch in flight at a time);
//! - after a failed write or sync nothing is ever written again: the sync is not retried, because
//!   the system may have dropped what failed and report success (Rebello et al., USENIX ATC 2020);
//! - a sector that was synced is never written with other content, except zeroed beyond a torn tail.

use crate::batch::Batch;
use crate::builder::{Builder, Link};
use crate::chain::Chain;
use crate::error::{JournalError, OpenError};
use crate::layout::{JournalId, check_sizes, record_bytes_max, segment_name, segment_number};
use crate::opening::{Options, Prepared, Recovered};
use crate::prepare::{Prepare, PrepareJob};
use crate::recovery::{self, Walk};
use crate::snapshot::{VerifiedSnapshot, find_snapshots};
use crate::storage::{Storage, StorageError};
use onrush_types::Lsn;
use onrush_types::planted;
use std::collections::VecDeque;
use std::sync::Arc;

/// The writing end of a journal. One owner; readers use [`crate::JournalReader`].
#[derive(Debug)]
pub struct Journal {
    storage: Arc<dyn Storage>,
    segment_bytes: u64,
    ready_segments_min: usize,
    /// Fits the smallest segment at hand.
    record_bytes_max: usize,
    builder: Builder,
    durable: Lsn,
    in_flight: bool,
    /// Whether records were written that no later frame states as synced yet.
    unmarked: bool,
    preparing: bool,
    inline_job: Option<PrepareJob>,
    failed: Option<StorageError>,
}

impl Journal {
    /// Open the journal in `storage`, creating it if there is none, and replay every record after
    /// `after` in order.
    ///
    /// What was acknowledged is all handed out; behind it possibly a part of what was on its way
    /// when the last process ended, from its beginning, which is durable from now on. A torn tail is
    /// cut. `after` is the LSN of the snapshot the caller starts from, or [`Lsn::ZERO`].
    ///
    /// # Errors
    /// [`JournalError::Damaged`] where something that was synced cannot be read, nothing changed;
    /// [`JournalError::Truncated`], [`JournalError::SnapshotAhead`] where `after` does not fit what
    /// is kept; the replay's own error; a storage error, after which opening may be tried again.
    ///
    /// Cost: reads every segment from the one with `after` on; memory for one window of 512 KiB.
    pub fn open<E>(
        storage: Arc<dyn Storage>,
        options: &Options,
        after: Lsn,
        replay: impl FnMut(Lsn, &[u8]) -> Result<(), E>,
    ) -> Result<(Journal, Recovered), OpenError<E>> {
        check_sizes(options.segment_bytes, options.frame_bytes, options.ready_segments)?;
        let (mut journal, recovered) = match recovery::walk(&*storage, after, replay)? {
            Some(walk) => {
                recovery::repair(&*storage, &walk)?;
                Journal::resume(storage, options, walk)
            }
            None => {
                check_no_snapshot(&*storage)?;
                Journal::create(storage, options)?
            }
        };
        journal.unmarked = true;
        journal.prepare_now()?;
        journal.mark()?;
        Ok((journal, recovered))
    }

    fn create(
        storage: Arc<dyn Storage>,
        options: &Options,
    ) -> Result<(Journal, Recovered), JournalError> {
        // C1: whatever an earlier attempt left was never a journal. The first segment goes last, or
        // what remains would look like a journal that lost its beginning.
        let mut left: Vec<u64> = storage.list()?.iter().filter_map(|n| segment_number(n)).collect();
        left.sort_unstable();
        for number in left.into_iter().rev() {
            storage.remove(&segment_name(number))?;
            storage.sync_dir()?;
        }
        let job = PrepareJob::new(storage.clone(), 1, options.segment_bytes).run();
        let first = job.finish().expect("every step was run")?;
        let id = options.new_id;
        let chain = Chain::start(id);
        let link = Link { id, epoch: 1, chain, last: Lsn::ZERO };
        let builder = Builder::new(link, options.frame_bytes, first, 0, VecDeque::new());
        let recovered = Recovered {
            created: true,
            oldest_lsn: Lsn(1),
            last_lsn: Lsn::ZERO,
            replayed: 0,
            chain,
            cut: None,
        };
        Ok((Journal::with(storage, options, builder), recovered))
    }

    fn resume(storage: Arc<dyn Storage>, options: &Options, walk: Walk) -> (Journal, Recovered) {
        let cut = walk.cut();
        let mut segments = VecDeque::from(walk.segments).split_off(walk.tail.index);
        let ready = segments.split_off(1);
        let current = segments.remove(0).expect("the tail lies in a segment");
        let recovered = Recovered {
            created: false,
            oldest_lsn: walk.oldest,
            last_lsn: walk.last,
            replayed: walk.replayed,
            chain: walk.chain,
            cut,
        };
        let link = Link { id: walk.id, epoch: walk.epoch + 1, chain: walk.chain, last: walk.last };
        let builder = Builder::new(link, options.frame_bytes, current, walk.tail.offset, ready);
        (Journal::with(storage, options, builder), recovered)
    }

    fn with(storage: Arc<dyn Storage>, options: &Options, builder: Builder) -> Journal {
        let at_hand = builder.ready.iter().map(|s| s.bytes).min().unwrap_or(u64::MAX);
        let smallest = at_hand.min(builder.current.bytes).min(options.segment_bytes);
        Journal {
            storage,
            segment_bytes: options.segment_bytes,
            ready_segments_min: options.ready_segments,
            record_bytes_max: record_bytes_max(smallest),
            durable: Lsn(builder.next.0 - 1),
            builder,
            in_flight: false,
            unmarked: false,
            preparing: false,
            inline_job: None,
            failed: None,
        }
    }

    /// Add a record to the batch being built, and return its LSN. It is not durable before a commit
    /// that returns this LSN or a later one.
    ///
    /// # Errors
    /// [`JournalError::NoRoom`] when the prepared segments are used up, nothing changed: ask
    /// [`Journal::has_room`] before deciding anything that must be written.
    /// [`JournalError::RecordSize`]; [`JournalError::Failed`] after a failure.
    ///
    /// Cost: a copy; no allocation once buffers have grown, no system call.
    #[inline]
    pub fn append(&mut self, record: &[u8]) -> Result<Lsn, JournalError> {
        if let Some(error) = &self.failed {
            return Err(JournalError::Failed(error.clone()));
        }
        let bytes_max = self.record_bytes_max;
        if record.is_empty() || record.len() > bytes_max {
            return Err(JournalError::RecordSize { bytes: record.len(), bytes_max });
        }
        self.builder.append(record).ok_or(JournalError::NoRoom)
    }

    /// Write what was appended, sync it, and return the last durable LSN. Does nothing if nothing
    /// was appended.
    ///
    /// # Errors
    /// [`JournalError::Failed`], for good: whether the batch is on the disk is not known.
    ///
    /// Cost: one write and one `fdatasync`; twice that where the batch crosses into a new segment.
    pub fn commit(&mut self) -> Result<Lsn, JournalError> {
        match self.take_batch()? {
            Some(mut batch) => {
                batch.write_and_sync();
                self.synced(batch)
            }
            None => Ok(self.durable),
        }
    }

    /// Hand out what was appended, to be sealed and written elsewhere while the next batch is built.
    /// Returns nothing if nothing was appended.
    ///
    /// # Errors
    /// [`JournalError::BatchInFlight`] until the batch before was handed back;
    /// [`JournalError::Failed`] after a failure.
    pub fn take_batch(&mut self) -> Result<Option<Batch>, JournalError> {
        self.check()?;
        if self.in_flight {
            return Err(JournalError::BatchInFlight);
        }
        let batch = self.builder.take();
        self.in_flight = batch.is_some();
        Ok(batch)
    }

    /// Take back a batch after `write_and_sync`, and return the last durable LSN.
    ///
    /// # Errors
    /// [`JournalError::Failed`], for good, if it was not written and synced whole.
    ///
    /// # Panics
    /// When the batch is not the one in flight.
    pub fn synced(&mut self, batch: Batch) -> Result<Lsn, JournalError> {
        assert!(self.in_flight, "a batch is handed back once");
        assert!(batch.last_lsn >= self.durable, "a batch continues what is durable");
        match &batch.outcome {
            Some(Ok(())) => {
                self.in_flight = false;
                self.unmarked = batch.last_lsn > self.durable;
                self.durable = batch.last_lsn;
                self.builder.recycle(batch);
                Ok(self.durable)
            }
            Some(Err(error)) => {
                planted!("failed-sync-forgiven", Ok(batch.last_lsn), Err(self.fail(error.clone())))
            }
            None => Err(self.fail(StorageError::invalid("commit", "", "write the batch first"))),
        }
    }

    /// Write a durable mark: a frame without records that states what was synced, so that from now
    /// on damage to it is told from a torn tail. Call it within 100 ms after the last commit, and
    /// before a clean end. Does nothing if the last frame is a mark, if records or a batch are on
    /// their way, or if there is no room.
    ///
    /// # Errors
    /// [`JournalError::Failed`], for good.
    pub fn mark(&mut self) -> Result<(), JournalError> {
        self.check()?;
        if !self.unmarked || self.in_flight || self.builder_has_records() {
            return Ok(());
        }
        if self.builder.append_mark() {
            self.commit()?;
        }
        Ok(())
    }

    /// Tell whether records of `bytes` in all surely fit into the prepared segments. Count
    /// [`crate::layout::RECORD_HEADER_BYTES`] for each.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.failed.is_none() && self.builder.fits(bytes as u64, 0)
    }

    /// Tell the same, but leave the reserve: one whole segment, kept for records that end something
    /// when the disk is full. Says yes again once [`Journal::prepare_step`] or a [`PrepareJob`] found
    /// room.
    pub fn has_room_for_new(&self, bytes: usize) -> bool {
        self.failed.is_none() && self.builder.fits(bytes as u64, 1)
    }

    /// Start preparing a segment on another thread, if one is wanted and none is being prepared.
    pub fn prepare(&mut self) -> Option<PrepareJob> {
        let wanted = self.builder.ready.len() < self.ready_segments_min;
        if !wanted || self.preparing || self.failed.is_some() {
            return None;
        }
        self.preparing = true;
        let last = self.builder.ready.back().unwrap_or(&self.builder.current).number;
        Some(PrepareJob::new(self.storage.clone(), last + 1, self.segment_bytes))
    }

    /// Take back a job that is done. A full disk is no failure: try again when there may be room.
    ///
    /// # Errors
    /// [`JournalError::Failed`], for good, if the disk failed otherwise.
    pub fn prepared(&mut self, job: PrepareJob) -> Result<Prepared, JournalError> {
        self.preparing = false;
        self.check()?;
        match job.finish() {
            Some(Ok(segment)) => {
                self.builder.ready.push_back(segment);
                let enough = self.builder.ready.len() >= self.ready_segments_min;
                Ok(if enough { Prepared::Enough } else { Prepared::More })
            }
            Some(Err(error)) if error.is_full() => Ok(Prepared::DiskFull),
            Some(Err(error)) => Err(self.fail(error)),
            None => Ok(Prepared::More),
        }
    }

    /// Do one bounded step of preparing on this thread: at most 4 MiB written and one sync.
    ///
    /// # Errors
    /// As for [`Journal::prepared`].
    pub fn prepare_step(&mut self) -> Result<Prepared, JournalError> {
        self.check()?;
        let job = self.inline_job.take().or_else(|| self.prepare());
        let Some(mut job) = job else { return Ok(Prepared::Enough) };
        if job.step() == Prepare::More {
            self.inline_job = Some(job);
            return Ok(Prepared::More);
        }
        self.prepared(job)
    }

    fn prepare_now(&mut self) -> Result<(), JournalError> {
        while let Some(job) = self.prepare() {
            if self.prepared(job.run())? == Prepared::DiskFull {
                break;
            }
        }
        Ok(())
    }

    /// Remove the segments that hold only records at or below the older of two snapshots, both read
    /// back: so a damaged newest snapshot still leaves a way to recover. Returns how many went.
    ///
    /// # Errors
    /// [`JournalError::NotCovered`] if the two are the same or in the wrong order;
    /// [`JournalError::Failed`], for good, if the disk failed.
    pub fn remove_segments(
        &mut self,
        newest: &VerifiedSnapshot,
        older: &VerifiedSnapshot,
    ) -> Result<usize, JournalError> {
        self.check()?;
        let ours = newest.journal() == self.builder.id && older.journal() == self.builder.id;
        if !ours || newest.lsn() <= older.lsn() || newest.lsn() > self.durable {
            return Err(JournalError::NotCovered);
        }
        let removed = self.remove_below(older.lsn().next());
        removed.map_err(|error| self.fail(error))
    }

    fn remove_below(&mut self, keep_from: Lsn) -> Result<usize, StorageError> {
        let used = crate::reader::segment_starts(&*self.storage, self.builder.id)?;
        // A segment may go if the next one already starts at or before what must stay.
        let covered = used
            .windows(2)
            .take_while(|pair| pair[1].first_lsn <= keep_from)
            .map(|pair| pair[0].number);
        let mut removed = 0;
        for number in covered.filter(|&number| number < self.builder.current.number) {
            self.storage.remove(&segment_name(number))?;
            removed += 1;
        }
        if removed > 0 {
            self.storage.sync_dir()?;
        }
        Ok(removed)
    }

    /// Return the last LSN whose sync returned `Ok`.
    pub fn durable_lsn(&self) -> Lsn {
        self.durable
    }

    /// Return the LSN of the last record appended.
    pub fn last_lsn(&self) -> Lsn {
        Lsn(self.builder.next.0 - 1)
    }

    /// Return the chain's value after the last frame that was synced.
    pub fn chain(&self) -> Chain {
        self.builder.chain
    }

    /// Return the journal's id.
    pub fn id(&self) -> JournalId {
        self.builder.id
    }

    /// Return how long a record may be.
    pub fn record_bytes_max(&self) -> usize {
        self.record_bytes_max
    }

    /// Return how many bytes wait for the next commit.
    pub fn pending_bytes(&self) -> usize {
        self.builder.pending_bytes()
    }

    /// Return how many segments are ready for use.
    pub fn ready_segments(&self) -> usize {
        self.builder.ready.len()
    }

    /// Return why the journal stopped, if it did.
    pub fn failure(&self) -> Option<&StorageError> {
        self.failed.as_ref()
    }

    fn builder_has_records(&self) -> bool {
        self.last_lsn() > self.durable
    }

    fn check(&self) -> Result<(), JournalError> {
        match &self.failed {
            Some(error) => Err(JournalError::Failed(error.clone())),
            None => Ok(()),
        }
    }

    /// Stop for good.
    fn fail(&mut self, error: StorageError) -> JournalError {
        let error = self.failed.get_or_insert(error);
        JournalError::Failed(error.clone())
    }
}

/// A snapshot without a journal means that the journal was lost, not that it is new.
fn check_no_snapshot(storage: &dyn Storage) -> Result<(), JournalError> {
    match find_snapshots(storage)?.first() {
        Some(&snapshot) => Err(JournalError::SnapshotAhead { snapshot, last: Lsn::ZERO }),
        None => Ok(()),
    }
}
