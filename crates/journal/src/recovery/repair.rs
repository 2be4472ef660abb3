//! The writing half of recovery. Idempotent: a crash at any point leaves what a next run repairs.

use super::Walk;
use crate::layout::{PREPARING_NAME, SNAPSHOT_TEMP_NAME, segment_name};
use crate::storage::{Storage, StorageError};
use onrush_types::planted;
use std::collections::BTreeSet;

/// Bytes copied at once when the last run is written again.
const COPY_BYTES: usize = 1 << 20;

/// Make the kept tail durable, everything after it zero, and the names durable.
///
/// - C7: the last run may be readable without being durable (the process died between write and
///   sync, or a sync failed and the system forgot which pages were dirty). It is written again, with
///   the same content, and synced, before anything is built on it.
/// - C8: what lies beyond the tail is zeroed and synced, so that no later reading can revive it.
/// - C9: a segment's name may be visible without being durable; the folder is synced.
pub(crate) fn repair(storage: &dyn Storage, walk: &Walk) -> Result<(), StorageError> {
    let tail = &walk.segments[walk.tail.index];
    let mut buffer = Vec::new();
    let mut offset = walk.run_offset;
    while offset < walk.tail.offset {
        buffer.resize(COPY_BYTES.min((walk.tail.offset - offset) as usize), 0);
        let read = tail.file.read_at(offset, &mut buffer)?;
        planted!("tail-not-rewritten", (), tail.file.write_at(offset, &buffer[..read])?);
        offset += buffer.len() as u64;
    }
    let mut touched = BTreeSet::from([walk.tail.index]);
    for leftover in &walk.leftovers {
        let segment = &walk.segments[leftover.start.index];
        planted!(
            "tail-not-cut",
            (),
            segment.file.write_zeros(leftover.start.offset, leftover.bytes)?
        );
        touched.insert(leftover.start.index);
    }
    for index in touched {
        walk.segments[index].file.sync_data()?;
    }
    remove_leftover_files(storage, &walk.obsolete)?;
    storage.sync_dir()
}

/// Remove files whose making or removal was cut short (C3, C10, C12).
fn remove_leftover_files(storage: &dyn Storage, obsolete: &[u64]) -> Result<(), StorageError> {
    for name in storage.list()? {
        if name == PREPARING_NAME || name == SNAPSHOT_TEMP_NAME {
            storage.remove(&name)?;
        }
    }
    obsolete.iter().try_for_each(|&number| storage.remove(&segment_name(number)))
}
