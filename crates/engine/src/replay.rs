//! Reading a data folder without running it: for `verify`, `export` and audits.

use crate::error::OpenError;
use crate::open::JOURNAL_FOLDER;
use onrush_core::ledger::{Ledger, Record, decode};
use onrush_journal::{DiskStorage, Storage, verify};
use onrush_types::Lsn;
use std::path::Path;

/// A data folder, replayed from its first record.
#[derive(Debug)]
pub struct Replayed {
    /// The state after the last record.
    pub ledger: Ledger,
    /// The oldest record that is kept.
    pub oldest_lsn: Lsn,
    /// The chain's value after the last frame: one number that stands for the whole journal.
    pub chain: [u8; 32],
    /// How many records were replayed.
    pub records: u64,
    /// A torn tail, which the next start will cut: its file, offset and bytes.
    pub torn: Option<String>,
}

/// Replay a data folder from its first record and change nothing in it. `visit` sees each record
/// after it was applied.
///
/// # Errors
/// When the folder is in use by a running engine, has no journal, is damaged at a place that was
/// synced, or does not replay. The text names the place.
pub fn replay(
    dir: impl AsRef<Path>,
    mut visit: impl FnMut(Lsn, &Record, &Ledger),
) -> Result<Replayed, OpenError> {
    let folder = dir.as_ref().join(JOURNAL_FOLDER);
    if !folder.is_dir() {
        let what =
            format!("{} has no journal; is it a data folder of onrush?", dir.as_ref().display());
        return Err(OpenError::Journal(what));
    }
    let storage = DiskStorage::open(&folder).map_err(|e| OpenError::Journal(e.to_string()))?;
    replay_storage(&storage, &mut visit)
}

/// Replay a journal on any storage, from its first record.
///
/// # Errors
/// As [`replay`].
pub fn replay_storage(
    storage: &dyn Storage,
    visit: &mut dyn FnMut(Lsn, &Record, &Ledger),
) -> Result<Replayed, OpenError> {
    let mut ledger = Ledger::new([0; 2]);
    let found = verify(storage, Lsn::ZERO, |lsn, bytes: &[u8]| {
        let record = decode(bytes).map_err(|e| e.to_string())?;
        let effect = ledger.apply(&record).map_err(|e| e.to_string())?;
        if effect.lsn != lsn {
            return Err(format!("the ledger is at LSN {}", effect.lsn));
        }
        visit(lsn, &record, &ledger);
        Ok(())
    })?;
    let found = found.ok_or_else(|| OpenError::Journal("there is no journal yet".to_owned()))?;
    Ok(Replayed {
        ledger,
        oldest_lsn: found.oldest_lsn,
        chain: found.chain.to_bytes(),
        records: found.replayed,
        torn: found.torn.map(|cut| format!("{cut:?}")),
    })
}
