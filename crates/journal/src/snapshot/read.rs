//! Reading a snapshot, trusting nothing before its checksum was seen to hold.

use super::write::VerifiedSnapshot;
use super::{
    CHUNK_ALIGN, CHUNK_HEADER_BYTES, FOOTER_BYTES, Footer, HEADER_BYTES, SnapshotError,
    SnapshotHeader, encode_chunk, is_chunk,
};
use crate::layout::{CHUNK_BYTES_MAX, snapshot_lsn, snapshot_name, u32_at};
use crate::storage::{Storage, StorageError, StorageFile};
use onrush_types::Lsn;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// List the snapshots in a folder, newest first, by name only.
///
/// # Errors
/// A storage error.
pub fn find_snapshots(storage: &dyn Storage) -> Result<Vec<Lsn>, StorageError> {
    let mut found: Vec<Lsn> =
        storage.list()?.iter().filter_map(|name| snapshot_lsn(name)).collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    Ok(found)
}

/// What a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkInfo {
    /// The caller's kind.
    pub kind: u32,
    /// How many bytes it has.
    pub bytes: u32,
    /// Its place among the chunks, from 0.
    pub index: u32,
}

/// Reads the chunks of one snapshot in order.
#[derive(Debug)]
pub struct SnapshotReader {
    name: String,
    file: Arc<dyn StorageFile>,
    header: SnapshotHeader,
    footer: Footer,
    offset: u64,
    index: u32,
    hash: Sha256,
    /// The header of a chunk that was announced and not read yet.
    announced: Option<(ChunkInfo, [u8; CHUNK_HEADER_BYTES])>,
}

impl SnapshotReader {
    /// Open the snapshot at `lsn`, and check its header, its length and the layout it states.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`], [`SnapshotError::Layout`], or a storage error.
    pub fn open(
        storage: &dyn Storage,
        lsn: Lsn,
        fingerprint: u64,
    ) -> Result<SnapshotReader, SnapshotError> {
        let name = snapshot_name(lsn);
        let file = storage.open(&name)?;
        let damaged = |offset, what| SnapshotError::Damaged { file: name.clone(), offset, what };
        let mut bytes = [0; HEADER_BYTES];
        file.read_at(0, &mut bytes)?;
        let header = SnapshotHeader::decode(&bytes).map_err(|what| damaged(0, what))?;
        if header.lsn != lsn {
            return Err(damaged(0, "its header states another LSN than its name"));
        }
        if header.fingerprint != fingerprint {
            let (found, wanted) = (header.fingerprint, fingerprint);
            return Err(SnapshotError::Layout { file: name, found, wanted });
        }
        let end = file.bytes()?;
        let footer_at = end.saturating_sub(FOOTER_BYTES as u64);
        let mut footer = [0; FOOTER_BYTES];
        file.read_at(footer_at, &mut footer)?;
        let footer = Footer::decode(&footer)
            .filter(|footer| footer.file_bytes == end)
            .ok_or_else(|| damaged(footer_at, "its end is not whole"))?;
        let hash = Sha256::new_with_prefix(bytes);
        let offset = HEADER_BYTES as u64;
        Ok(SnapshotReader { name, file, header, footer, offset, index: 0, hash, announced: None })
    }

    /// Return what the snapshot is of.
    pub fn header(&self) -> SnapshotHeader {
        self.header
    }

    /// Announce the next chunk, or check the whole file's digest and say that there is none.
    ///
    /// The announcement is bounded but not yet checked: make room for `bytes`, then call
    /// [`SnapshotReader::read_chunk`]. A snapshot counts as good only once this returned `None`.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] or a storage error.
    pub fn next_chunk(&mut self) -> Result<Option<ChunkInfo>, SnapshotError> {
        if let Some((info, _)) = self.announced {
            return Ok(Some(info));
        }
        let footer_at = self.footer.file_bytes - FOOTER_BYTES as u64;
        if self.offset == footer_at {
            return self.check_end().map(|()| None);
        }
        let mut bytes = [0; CHUNK_HEADER_BYTES];
        self.file.read_at(self.offset, &mut bytes)?;
        let info =
            ChunkInfo { kind: u32_at(&bytes, 8), bytes: u32_at(&bytes, 12), index: self.index };
        let end = self.offset + chunk_bytes(info);
        if !is_chunk(&bytes) || info.bytes as usize > CHUNK_BYTES_MAX || end > footer_at {
            return Err(self.damaged("no chunk starts here"));
        }
        self.announced = Some((info, bytes));
        Ok(Some(info))
    }

    /// Read the announced chunk into `into`, which the caller has aligned as it needs it, and check
    /// it. On an error the bytes must not be used.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] or a storage error.
    ///
    /// # Panics
    /// When no chunk is announced, or `into` has another length than it.
    pub fn read_chunk(&mut self, into: &mut [u8]) -> Result<(), SnapshotError> {
        let (info, header) = self.announced.take().expect("announce a chunk before reading it");
        assert_eq!(into.len(), info.bytes as usize, "make room for the chunk exactly");
        let read = self.file.read_at(self.offset + CHUNK_HEADER_BYTES as u64, into)?;
        let expected = encode_chunk(info, self.header.lsn, into);
        if read != into.len() || expected != header {
            return Err(self.damaged("the chunk's checksum does not match"));
        }
        self.hash.update(header);
        self.hash.update(&*into);
        self.hash.update(&[0; CHUNK_ALIGN][..padding(info)]);
        self.offset += chunk_bytes(info);
        self.index += 1;
        Ok(())
    }

    /// Read everything that is left, and return the proof that the snapshot is good.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] or a storage error.
    ///
    /// Cost: reads the file; memory for one chunk.
    pub fn verify(self) -> Result<VerifiedSnapshot, SnapshotError> {
        self.verify_with(&mut || ())
    }

    /// As [`verify`](SnapshotReader::verify), with a `pause` after each chunk.
    ///
    /// # Errors
    /// As of `verify`.
    pub fn verify_with(
        mut self,
        pause: &mut dyn FnMut(),
    ) -> Result<VerifiedSnapshot, SnapshotError> {
        let mut buffer = Vec::new();
        while let Some(info) = self.next_chunk()? {
            buffer.resize(info.bytes as usize, 0);
            self.read_chunk(&mut buffer)?;
            pause();
        }
        Ok(VerifiedSnapshot::new(self.header))
    }

    fn check_end(&self) -> Result<(), SnapshotError> {
        if self.index != self.footer.chunks {
            return Err(self.damaged("chunks are missing"));
        }
        let digest: [u8; 32] = self.hash.clone().finalize().into();
        if digest != self.footer.digest {
            return Err(self.damaged("the digest of the whole does not match"));
        }
        Ok(())
    }

    fn damaged(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Damaged { file: self.name.clone(), offset: self.offset, what }
    }
}

/// Bytes of zeros behind a chunk.
fn padding(info: ChunkInfo) -> usize {
    (info.bytes as usize).next_multiple_of(CHUNK_ALIGN) - info.bytes as usize
}

/// Bytes a chunk takes in the file.
fn chunk_bytes(info: ChunkInfo) -> u64 {
    (CHUNK_HEADER_BYTES + info.bytes as usize + padding(info)) as u64
}
