//! What runs beside the ledger thread: preparing journal segments, and snapshots.
//!
//! Neither holds anything that the ledger waits for. A segment is prepared ahead, so the commit path
//! never zeroes one; a snapshot is built from the journal itself, on a thread and a copy of its own,
//! so a sale does not pause for it. A snapshot stands back where a core has other work: on one core a snapshot
//! of a million records took half of it for two seconds, and one reserve in seven waited for a second.

use crate::line::indexer::Indexer;
use crate::shared::Shared;
use crate::snapshots;
use crossbeam_queue::ArrayQueue;
use onrush_journal::{Journal, JournalError, Prepare, PrepareJob, Prepared};
use onrush_types::Lsn;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The ledger thread looks at the clock at least this often.
pub(crate) const IDLE_MS_MAX: u64 = 50;
/// After a full disk, room is looked for again this often.
const RETRY_NS: u64 = 1_000_000_000;
/// The lowest priority that a thread can have.
#[cfg(target_os = "linux")]
const NICEST: i32 = 19;

/// A snapshot leaves core and disk to others for so many times the time that its last step took, which
/// counts its waits for them.
const BREATHS: u64 = 3;
/// Behind by so many snapshots, it rests no more.
const BEHIND_MAX: u64 = 4;
/// The shortest breath, longer than a sync takes, and the longest, for a stop not to wait.
const BREATH: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// The ledger's end of the background.
pub(crate) enum Background {
    /// Work is done in slices by the owner itself: simulators and tests.
    Inline,
    /// Work is done by threads.
    Threads {
        /// Segments to prepare.
        jobs: SyncSender<PrepareJob>,
        /// Segments prepared.
        done: Arc<ArrayQueue<PrepareJob>>,
        /// No preparing before this, in monotonic nanoseconds.
        not_before: u64,
    },
}

impl Background {
    /// Take finished work and hand out new work. Never blocks.
    pub(crate) fn step(
        &mut self,
        shared: &Shared,
        journal: &mut Journal,
    ) -> Result<(), JournalError> {
        match self {
            Background::Inline => {
                journal.prepare_step()?;
            }
            Background::Threads { jobs, done, not_before } => {
                while let Some(job) = done.pop() {
                    if journal.prepared(job)? == Prepared::DiskFull {
                        *not_before = shared.time.monotonic_ns() + RETRY_NS;
                    }
                }
                if shared.time.monotonic_ns() >= *not_before
                    && let Some(job) = journal.prepare()
                {
                    // One job at a time is handed out, so the channel has room for it.
                    let _ = jobs.try_send(job);
                }
            }
        }
        Ok(())
    }
}

/// Start the thread that prepares segments. It ends when the ledger's end of the channel is dropped.
pub(crate) fn start_preparing(shared: &Arc<Shared>) -> io::Result<(Background, JoinHandle<()>)> {
    let (jobs, queue) = sync_channel(1);
    let done = Arc::new(ArrayQueue::new(2));
    let (finished, bell) = (done.clone(), shared.clone());
    let thread = thread::Builder::new().name("onrush-prepare".to_owned());
    let thread = thread.spawn(move || prepare(&queue, &finished, &bell))?;
    Ok((Background::Threads { jobs, done, not_before: 0 }, thread))
}

fn prepare(queue: &Receiver<PrepareJob>, finished: &ArrayQueue<PrepareJob>, shared: &Shared) {
    while let Ok(mut job) = queue.recv() {
        while job.step() == Prepare::More {}
        let _ = finished.push(job);
        shared.bell.ring();
    }
}

/// Take what the others leave of a core.
///
/// On Linux each thread has a nice value of its own (setpriority(2)); elsewhere nothing happens. That it is
/// refused is no harm: the thread runs like the others then.
fn stand_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICEST);
}

/// Makes a snapshot take a small part of a core and of the disk.
///
/// A thread that stands back still runs for the scheduler's slice, some 3 ms, once it has begun, and those
/// who wake meanwhile wait: on one core it began in each sync of the journal, and a sale at 70 % of its
/// capacity fell behind (p99 812 ms); with a millisecond's rest after 300 µs of work it was 140 to 180 ms.
struct Breath {
    /// When the last one ended, in monotonic nanoseconds.
    since: u64,
    /// From this record on it does not rest: it is several snapshots behind.
    hurry_from: Lsn,
}

impl Breath {
    fn take(&mut self, shared: &Shared) {
        if !shared.stopping() && shared.durable_lsn() < self.hurry_from {
            let worked = shared.time.monotonic_ns().saturating_sub(self.since);
            let breath = Duration::from_nanos(worked.saturating_mul(BREATHS));
            thread::sleep(breath.clamp(BREATH.0, BREATH.1));
        }
        self.since = shared.time.monotonic_ns();
    }
}

/// Start the thread that draws lines and counts places. It ends when the engine stops.
pub(crate) fn start_indexing(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name("onrush-line".to_owned());
    thread.spawn(move || {
        let mut indexer = Indexer::new(shared.clone());
        shared.index_bell.answered_here();
        while !shared.stopping() && shared.failed.get().is_none() {
            shared.index_bell.begin();
            if !indexer.step() {
                shared.index_bell.sleep(Duration::from_millis(indexer.idle_ms()));
            }
        }
    })
}

/// Start the thread that takes a snapshot every `every` records. It ends soon after the engine stops.
pub(crate) fn start_snapshots(shared: Arc<Shared>, every: u64) -> io::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name("onrush-snapshot".to_owned());
    thread.spawn(move || {
        stand_back();
        let mut taken = snapshots::newest_lsn(&shared);
        while !shared.stopping() && shared.failed.get().is_none() {
            let durable = shared.durable_lsn();
            if durable.0 >= taken.0 + every {
                let hurry_from = Lsn(durable.0.saturating_add(every.saturating_mul(BEHIND_MAX)));
                let mut breath = Breath { since: shared.time.monotonic_ns(), hurry_from };
                match snapshots::take(&shared, &mut || breath.take(&shared)) {
                    Ok(lsn) => taken = lsn,
                    // A snapshot only saves time at the next start; the journal is what counts. The
                    // figure tells operators, and the next try comes after as many records again.
                    Err(_) => {
                        // Relaxed: a figure for people.
                        shared
                            .counters
                            .snapshots_failed
                            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        taken = shared.durable_lsn();
                    }
                }
            }
            thread::park_timeout(Duration::from_millis(IDLE_MS_MAX));
        }
    })
}
