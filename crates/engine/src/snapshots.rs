//! Snapshots of the ledger: read at the start, taken in the background from the journal itself.

use crate::error::OpenError;
use crate::flight::Work;
use crate::shared::Shared;
use onrush_core::ledger::{LAYOUT, Ledger, SnapshotLoader, decode};
use onrush_core::phase::Phase;
use onrush_journal::{
    JournalReader, SnapshotHeader, SnapshotReader, SnapshotWriter, Storage, VerifiedSnapshot,
    find_snapshots, remove_old_snapshots,
};
use onrush_types::Lsn;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Records that are applied between two pauses: some 300 µs.
const RECORDS_A_PAUSE: u64 = 512;

/// Why a snapshot was not taken. The journal is not affected.
#[derive(Debug)]
pub(crate) struct NotTaken(String);

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn why(error: impl fmt::Display) -> NotTaken {
    NotTaken(error.to_string())
}

/// Load the newest snapshot that is whole; an older one, or nothing, where it is not.
pub(crate) fn load(storage: &dyn Storage, hash_key: [u64; 2]) -> Result<Option<Ledger>, OpenError> {
    load_with(storage, hash_key, &mut || ())
}

fn load_with(
    storage: &dyn Storage,
    hash_key: [u64; 2],
    pause: &mut dyn FnMut(),
) -> Result<Option<Ledger>, OpenError> {
    let found = find_snapshots(storage).map_err(|e| OpenError::Journal(e.to_string()))?;
    // A damaged snapshot is not an error: the journal behind it is longer, that is all.
    Ok(found.into_iter().find_map(|lsn| read(storage, lsn, hash_key, pause).ok()))
}

fn read(
    storage: &dyn Storage,
    lsn: Lsn,
    hash_key: [u64; 2],
    pause: &mut dyn FnMut(),
) -> Result<Ledger, NotTaken> {
    let mut reader = SnapshotReader::open(storage, lsn, LAYOUT).map_err(why)?;
    let mut loader = SnapshotLoader::new(hash_key);
    let mut bytes = Vec::new();
    while let Some(chunk) = reader.next_chunk().map_err(why)? {
        bytes.resize(chunk.bytes as usize, 0);
        reader.read_chunk(&mut bytes).map_err(why)?;
        loader.chunk(chunk.kind, &bytes).map_err(why)?;
        pause();
    }
    let ledger = loader.finish_with(pause).map_err(why)?;
    if ledger.lsn() == lsn { Ok(ledger) } else { Err(why("it is of another LSN than its name")) }
}

pub(crate) fn newest_lsn(shared: &Shared) -> Lsn {
    let found = find_snapshots(&*shared.storage).ok();
    found.and_then(|found| found.first().copied()).unwrap_or(Lsn::ZERO)
}

/// Take a snapshot of everything durable now: the newest snapshot plus the records since, applied to
/// a ledger of its own. The sale goes on meanwhile, and has the core to itself during each `pause`,
/// which comes every few hundred microseconds of work.
pub(crate) fn take(shared: &Shared, pause: &mut dyn FnMut()) -> Result<Lsn, NotTaken> {
    let target = shared.durable_lsn();
    let hash_key = shared.digests.table().0;
    let base = load_with(&*shared.storage, hash_key, pause).map_err(why)?;
    let mut ledger = base.unwrap_or_else(|| Ledger::new(hash_key));
    if ledger.lsn() >= target {
        return Ok(ledger.lsn());
    }
    let mut reader =
        JournalReader::open(shared.storage.clone(), ledger.lsn().next()).map_err(why)?;
    while let Some((lsn, bytes)) = reader.next(target).map_err(why)? {
        let record = decode(bytes).map_err(why)?;
        let effect = ledger.apply(&record).map_err(why)?;
        debug_assert_eq!(effect.lsn, lsn);
        if lsn.0.is_multiple_of(RECORDS_A_PAUSE) {
            pause();
        }
    }
    let verified = write(shared.storage.clone(), shared, &ledger, pause)?;
    // Relaxed: a figure for people.
    shared.counters.snapshots.fetch_add(1, Ordering::Relaxed);
    remove_old_snapshots(&*shared.storage, &verified).map_err(why)?;
    prune(shared, &ledger, verified)?;
    Ok(target)
}

fn write(
    storage: Arc<dyn Storage>,
    shared: &Shared,
    ledger: &Ledger,
    pause: &mut dyn FnMut(),
) -> Result<VerifiedSnapshot, NotTaken> {
    let header =
        SnapshotHeader { journal: shared.journal_id, lsn: ledger.lsn(), fingerprint: LAYOUT };
    let mut writer = SnapshotWriter::create(storage, header).map_err(why)?;
    let mut put = |kind, bytes: &[u8]| {
        pause();
        writer.write_chunk(kind, bytes)
    };
    ledger.snapshot(&mut put).map_err(why)?;
    // Reads the whole file back before it counts.
    writer.finish_with(pause).map_err(why)
}

/// Segments are kept until every campaign is settled; then those that two snapshots cover go.
fn prune(shared: &Shared, ledger: &Ledger, newest: VerifiedSnapshot) -> Result<(), NotTaken> {
    let settled = |c: &onrush_core::ledger::CampaignState| c.reached == Phase::Settled;
    if ledger.campaigns().is_empty() || !ledger.campaigns().iter().all(settled) {
        return Ok(());
    }
    let found = find_snapshots(&*shared.storage).map_err(why)?;
    let Some(&older) = found.iter().find(|&&lsn| lsn < newest.lsn()) else { return Ok(()) };
    let older = SnapshotReader::open(&*shared.storage, older, LAYOUT).map_err(why)?;
    let older = older.verify().map_err(why)?;
    // A full or stopping engine does not take it; the next snapshot tries again.
    let _ = shared.send_settle(Work::Prune(Box::new((newest, older))));
    Ok(())
}
