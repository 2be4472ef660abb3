//! Checking a journal without changing it.

use crate::chain::Chain;
use crate::error::{JournalError, OpenError};
use crate::layout::JournalId;
use crate::opening::Cut;
use crate::recovery;
use crate::storage::Storage;
use onrush_types::Lsn;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The journal's id.
    pub id: JournalId,
    /// The oldest LSN kept.
    pub oldest_lsn: Lsn,
    /// The last record.
    pub last_lsn: Lsn,
    /// Records handed out.
    pub replayed: u64,
    /// The chain's value after the last frame.
    pub chain: Chain,
    /// How many segments there are, with those prepared for use.
    pub segments: usize,
    /// A torn tail that the next opening will cut.
    pub torn: Option<Cut>,
}

/// Read every record after `after` as opening would, and change nothing. Returns nothing if there is
/// no journal.
///
/// # Errors
/// As for [`crate::Journal::open`].
pub fn verify<E>(
    storage: &dyn Storage,
    after: Lsn,
    replay: impl FnMut(Lsn, &[u8]) -> Result<(), E>,
) -> Result<Option<Verified>, OpenError<E>> {
    let walk = recovery::walk(storage, after, replay)?;
    Ok(walk.map(|walk| Verified {
        id: walk.id,
        oldest_lsn: walk.oldest,
        last_lsn: walk.last,
        replayed: walk.replayed,
        chain: walk.chain,
        segments: walk.segments.len(),
        torn: walk.cut(),
    }))
}

/// Return the oldest LSN whose record is kept, if there is a journal: start there to read everything.
///
/// # Errors
/// A storage error.
pub fn oldest_lsn(storage: &dyn Storage) -> Result<Option<Lsn>, JournalError> {
    Ok(crate::reader::oldest_lsn(storage)?)
}
