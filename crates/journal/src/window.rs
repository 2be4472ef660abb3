//! A window onto a segment: frames are read through one buffer that stays in the cache.

use crate::frame::{Frame, FrameFault, RawFrame};
use crate::layout::{FRAME_BYTES_MAX, SECTOR_BYTES};
use crate::segment::Segment;
use crate::storage::StorageError;

/// Bytes read at once. A frame never needs more than two reads.
const WINDOW_BYTES: usize = 2 * FRAME_BYTES_MAX;

/// A part of one segment, kept in memory.
#[derive(Debug, Default)]
pub(crate) struct Window {
    buffer: Vec<u8>,
    /// The segment and place the buffer shows; nothing if empty.
    shows: Option<(u64, u64)>,
    filled: usize,
}

impl Window {
    /// Return up to `bytes` bytes of the segment at `offset`, fewer only at its end.
    pub(crate) fn view(
        &mut self,
        segment: &Segment,
        offset: u64,
        bytes: usize,
    ) -> Result<&[u8], StorageError> {
        let bytes = bytes.min((segment.bytes.saturating_sub(offset)) as usize);
        if bytes == 0 {
            return Ok(&[]);
        }
        if let Some(at) = self.position(segment, offset, bytes) {
            return Ok(&self.buffer[at..at + bytes]);
        }
        let wanted = WINDOW_BYTES.min((segment.bytes - offset) as usize);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        self.shows = None;
        self.filled = segment.file.read_at(offset, &mut self.buffer[..wanted])?;
        self.shows = Some((segment.number, offset));
        Ok(&self.buffer[..bytes.min(self.filled)])
    }

    fn position(&self, segment: &Segment, offset: u64, bytes: usize) -> Option<usize> {
        let (number, start) = self.shows?;
        let at = offset.checked_sub(start)? as usize;
        (number == segment.number && at + bytes <= self.filled).then_some(at)
    }

    /// Forget what was read, so that the next view sees what was written since.
    pub(crate) fn forget(&mut self) {
        self.shows = None;
    }

    /// Read and check the frame at `offset`.
    pub(crate) fn frame(
        &mut self,
        segment: &Segment,
        offset: u64,
    ) -> Result<Result<Frame<'_>, FrameFault>, StorageError> {
        let claimed = match RawFrame::claimed_bytes(self.view(segment, offset, SECTOR_BYTES)?) {
            Ok(bytes) => bytes,
            Err(fault) => return Ok(Err(fault)),
        };
        Ok(RawFrame::new(self.view(segment, offset, claimed)?).and_then(RawFrame::check))
    }
}
