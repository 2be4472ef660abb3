//! Writing a snapshot, and what a written one entitles to.

use super::read::{ChunkInfo, SnapshotReader, find_snapshots};
use super::{
    CHUNK_ALIGN, CHUNK_HEADER_BYTES, FOOTER_BYTES, Footer, SnapshotError, SnapshotHeader,
    encode_chunk,
};
use crate::layout::{CHUNK_BYTES_MAX, JournalId, SNAPSHOT_TEMP_NAME, snapshot_name};
use crate::storage::{Storage, StorageError, StorageFile};
use onrush_types::Lsn;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Snapshots kept: the newest, and one to fall back to.
pub const SNAPSHOTS_KEPT: usize = 2;

/// Bytes after which what was written is synced. A disk that is given a large file at once has the next
/// sync of the journal wait for all of it; it waits for this much at most.
const BYTES_A_SYNC: u64 = 1 << 18;

/// Writes one snapshot, chunk by chunk, on any thread. One at a time in a folder.
#[derive(Debug)]
pub struct SnapshotWriter {
    storage: Arc<dyn Storage>,
    file: Arc<dyn StorageFile>,
    header: SnapshotHeader,
    offset: u64,
    /// Bytes of it that were synced.
    synced: u64,
    chunks: u32,
    hash: Sha256,
    /// One chunk with its header, so that each is one write.
    buffer: Vec<u8>,
}

impl SnapshotWriter {
    /// Begin a snapshot of the state after the record at `header.lsn`, under a temporary name.
    ///
    /// # Errors
    /// A storage error; [`StorageError::Full`] among them.
    pub fn create(
        storage: Arc<dyn Storage>,
        header: SnapshotHeader,
    ) -> Result<SnapshotWriter, SnapshotError> {
        let file = storage.create(SNAPSHOT_TEMP_NAME)?;
        let buffer = Vec::new();
        let hash = Sha256::new();
        let (offset, synced, chunks) = (0, 0, 0);
        let mut writer =
            SnapshotWriter { storage, file, header, offset, synced, chunks, hash, buffer };
        writer.buffer.extend_from_slice(&header.encode());
        writer.flush()?;
        Ok(writer)
    }

    /// Write one chunk. `kind` is for the caller to tell chunks apart.
    ///
    /// # Errors
    /// [`SnapshotError::ChunkSize`] above 4 MiB; a storage error.
    ///
    /// Cost: one copy, one write, CRC-32C and SHA-256 over the bytes; a sync for each 256 KiB.
    pub fn write_chunk(&mut self, kind: u32, bytes: &[u8]) -> Result<(), SnapshotError> {
        if bytes.len() > CHUNK_BYTES_MAX {
            return Err(SnapshotError::ChunkSize { bytes: bytes.len() });
        }
        let info = ChunkInfo { kind, bytes: bytes.len() as u32, index: self.chunks };
        self.buffer.extend_from_slice(&encode_chunk(info, self.header.lsn, bytes));
        self.buffer.extend_from_slice(bytes);
        let whole = CHUNK_HEADER_BYTES + bytes.len().next_multiple_of(CHUNK_ALIGN);
        self.buffer.resize(whole, 0);
        self.chunks += 1;
        self.flush()
    }

    /// Make it durable under its own name (C10, C11), read it back whole, and return the proof.
    ///
    /// # Errors
    /// A storage error, or [`SnapshotError::Damaged`] when it does not read back as written.
    ///
    /// Cost: two syncs; reads the whole file.
    pub fn finish(self) -> Result<VerifiedSnapshot, SnapshotError> {
        self.finish_with(&mut || ())
    }

    /// As [`finish`](SnapshotWriter::finish), with a `pause` after each chunk that is read.
    ///
    /// # Errors
    /// As of `finish`.
    pub fn finish_with(
        mut self,
        pause: &mut dyn FnMut(),
    ) -> Result<VerifiedSnapshot, SnapshotError> {
        let file_bytes = self.offset + FOOTER_BYTES as u64;
        let digest = self.hash.clone().finalize().into();
        let footer = Footer { chunks: self.chunks, file_bytes, digest };
        self.buffer.extend_from_slice(&footer.encode());
        self.flush()?;
        self.file.sync_data()?;
        self.storage.rename(SNAPSHOT_TEMP_NAME, &snapshot_name(self.header.lsn))?;
        self.storage.sync_dir()?;
        self.file.forget_cached();
        let reader =
            SnapshotReader::open(&*self.storage, self.header.lsn, self.header.fingerprint)?;
        reader.verify_with(pause)
    }

    /// Write the buffer at the end of the file.
    fn flush(&mut self) -> Result<(), SnapshotError> {
        self.file.write_at(self.offset, &self.buffer)?;
        self.hash.update(&self.buffer);
        self.offset += self.buffer.len() as u64;
        self.buffer.clear();
        if self.offset - self.synced >= BYTES_A_SYNC {
            self.file.sync_data()?;
            self.synced = self.offset;
        }
        Ok(())
    }
}

/// Proof that a snapshot was read back whole and correct. Not copied: it stands for one reading.
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedSnapshot {
    header: SnapshotHeader,
}

impl VerifiedSnapshot {
    pub(crate) fn new(header: SnapshotHeader) -> VerifiedSnapshot {
        VerifiedSnapshot { header }
    }

    /// Return the LSN it holds the state of.
    pub fn lsn(&self) -> Lsn {
        self.header.lsn
    }

    /// Return the journal it belongs to.
    pub fn journal(&self) -> JournalId {
        self.header.journal
    }
}

/// Remove all but the [`SNAPSHOTS_KEPT`] newest snapshots, once the newest was read back. Returns
/// how many went.
///
/// # Errors
/// A storage error.
pub fn remove_old_snapshots(
    storage: &dyn Storage,
    newest: &VerifiedSnapshot,
) -> Result<usize, StorageError> {
    let old: Vec<Lsn> = find_snapshots(storage)?
        .into_iter()
        .filter(|&lsn| lsn <= newest.lsn())
        .skip(SNAPSHOTS_KEPT)
        .collect();
    for &lsn in &old {
        storage.remove(&snapshot_name(lsn))?;
    }
    if !old.is_empty() {
        storage.sync_dir()?;
    }
    Ok(old.len())
}
