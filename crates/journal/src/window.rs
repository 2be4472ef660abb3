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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StorageFile;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A file that counts how often it is read.
    #[derive(Debug)]
    struct Counted {
        content: Vec<u8>,
        reads: AtomicUsize,
    }

    impl StorageFile for Counted {
        fn bytes(&self) -> Result<u64, StorageError> {
            Ok(self.content.len() as u64)
        }

        fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let rest = &self.content[offset as usize..];
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }

        fn write_at(&self, _: u64, _: &[u8]) -> Result<(), StorageError> {
            Ok(())
        }

        fn write_zeros(&self, _: u64, _: u64) -> Result<(), StorageError> {
            Ok(())
        }

        fn sync_data(&self) -> Result<(), StorageError> {
            Ok(())
        }

        fn forget_cached(&self) {}
    }

    /// Recovery of a large journal costs one read for each half MiB, not one for each frame.
    #[test]
    fn what_the_window_shows_is_read_once() {
        let size = 3 * FRAME_BYTES_MAX;
        let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8 ^ (i >> 12) as u8).collect();
        let file = Arc::new(Counted { content, reads: AtomicUsize::new(0) });
        let segment = Segment { number: 1, file: file.clone(), bytes: size as u64 };
        let mut window = Window::default();
        for (offset, bytes, reads) in [
            (0, 512, 1),
            (512, 1_000, 1),
            (512, WINDOW_BYTES - 512, 1),
            (512, WINDOW_BYTES - 511, 2),
            (700, 100_000, 2),
            (0, 512, 3),
            (size - 100, 512, 4),
            (size - 50, 512, 4),
            (size, 512, 4),
        ] {
            let end = (offset + bytes).min(size);
            let shown = window.view(&segment, offset as u64, bytes).expect("it can be read");
            assert!(shown == &file.content[offset..end], "{bytes} bytes at {offset}");
            assert_eq!(file.reads.load(Ordering::Relaxed), reads, "{bytes} bytes at {offset}");
        }
        let other = Segment { number: 2, ..segment };
        window.view(&other, 0, 512).expect("it can be read");
        assert_eq!(file.reads.load(Ordering::Relaxed), 5, "of another segment nothing is shown");
        window.forget();
        window.view(&other, 0, 512).expect("it can be read");
        assert_eq!(file.reads.load(Ordering::Relaxed), 6, "what was forgotten is read again");
    }
}
