//! Figures about the engine itself, for operators and metrics.

use onrush_types::Lsn;
use std::sync::atomic::AtomicU64;

/// Running totals. Each stands alone; none publishes anything, so all are moved with `Relaxed`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_ns: AtomicU64,
    pub(crate) sync_ns_max: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) journal_bytes: AtomicU64,
    pub(crate) vetoes: AtomicU64,
    pub(crate) snapshots: AtomicU64,
    pub(crate) snapshots_failed: AtomicU64,
}

/// How the engine is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// `None`: healthy. Otherwise why it must be restarted.
    pub failed: Option<String>,
    /// It was asked to stop.
    pub stopping: bool,
    /// The last durable record.
    pub durable_lsn: Lsn,
    /// Reserves under way, and how many there can be.
    pub reserves_in_flight: usize,
    /// The bound of `reserves_in_flight`: the credits there are, or fewer while batches take long.
    pub reserves_in_flight_max: usize,
    /// Other actions under way.
    pub settles_in_flight: usize,
    /// Requests to join a line under way.
    pub joins_in_flight: usize,
    /// Syncs so far.
    pub syncs: u64,
    /// Nanoseconds spent in them, the write included.
    pub sync_ns: u64,
    /// The longest of them, in nanoseconds.
    pub sync_ns_max: u64,
    /// Records made durable since the start of the process.
    pub records: u64,
    /// Bytes of them.
    pub journal_bytes: u64,
    /// Reserves that the ledger refused after the slot had let them through.
    pub vetoes: u64,
    /// Snapshots taken.
    pub snapshots: u64,
    /// Snapshots that could not be taken; the next start takes longer.
    pub snapshots_failed: u64,
    /// Steps of the wall clock that were seen near or in a sale, and not followed.
    pub clock_steps: u64,
}
