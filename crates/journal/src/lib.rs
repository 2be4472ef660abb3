//! A durable, checksummed, chained journal of opaque records, with group commit and snapshots.
//!
//! Records are byte strings with dense numbers ([`onrush_types::Lsn`], the first is 1). What
//! [`Journal::commit`] returned is on the disk and stays there: whatever happens to the process or
//! the power, opening again hands out exactly these records in this order, possibly followed by a
//! beginning of what was on its way. Damage to anything that was synced is refused with its place,
//! never skipped. This crate knows nothing of what records mean, reads no clock, draws no random
//! numbers, starts no threads; all I/O lies in one module, behind [`Storage`].
//!
//! `docs/journal-format.md` has the bytes, the assumptions about disks, and the numbered crash cases
//! (C1, C2, …) whose labels stand in comments and test names here.
//!
//! ```
//! use onrush_journal::{FakeDisk, Journal, JournalId, Options};
//! use onrush_types::Lsn;
//! use std::sync::Arc;
//!
//! let disk = Arc::new(FakeDisk::new(1));
//! let options = Options { segment_bytes: 16 * 1024, ..Options::new(JournalId([7; 16])) };
//! let nothing = |_: Lsn, _: &[u8]| Ok::<(), std::convert::Infallible>(());
//! let (mut journal, _) = Journal::open(disk.clone(), &options, Lsn::ZERO, nothing)?;
//! journal.append(b"first")?;
//! assert_eq!(journal.commit()?, Lsn(1));
//! drop(journal);
//!
//! disk.power_cut(onrush_journal::Loss::Everything);
//! let mut seen = Vec::new();
//! let keep = |_: Lsn, record: &[u8]| Ok::<(), std::convert::Infallible>(seen.push(record.to_vec()));
//! Journal::open(disk, &options, Lsn::ZERO, keep)?;
//! assert_eq!(seen, [b"first"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod builder;
mod chain;
mod disk;
mod error;
pub mod fake;
pub mod frame;
mod journal;
pub mod layout;
mod opening;
mod prepare;
mod reader;
mod recovery;
mod segment;
mod snapshot;
mod storage;
mod verify;
mod window;

pub use batch::Batch;
pub use chain::Chain;
pub use disk::DiskStorage;
pub use error::{Damage, JournalError, OpenError};
pub use fake::{FakeDisk, Loss};
pub use journal::Journal;
pub use layout::JournalId;
pub use opening::{Cut, Options, Prepared, Recovered};
pub use prepare::{Prepare, PrepareJob};
pub use reader::JournalReader;
pub use segment::{FORMAT_VERSION, HeaderFault, SegmentHeader};
pub use snapshot::{
    ChunkInfo, SNAPSHOTS_KEPT, SnapshotError, SnapshotHeader, SnapshotReader, SnapshotWriter,
    VerifiedSnapshot, find_snapshots, remove_old_snapshots,
};
pub use storage::{Failure, Storage, StorageError, StorageFile};
pub use verify::{Verified, oldest_lsn, verify};
