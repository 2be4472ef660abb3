//! Building a batch in memory: records into frames, frames into runs, runs into segments.
//!
//! Everything is decided while records come in, exactly: which segment a frame goes to and where. So
//! a record that was taken always has its place, and a full disk is known before, not after. Checksums
//! and chain follow when the batch is written.

use crate::batch::{Batch, Part, PartKind, Run};
use crate::chain::Chain;
use crate::frame::FrameHeader;
use crate::layout::{
    FRAME_HEADER_BYTES, JournalId, RECORD_HEADER_BYTES, SECTOR_BYTES, SEGMENT_HEADER_BYTES,
    sectors_up,
};
use crate::segment::{Segment, SegmentHeader};
use onrush_types::Lsn;
use onrush_types::planted;
use std::collections::VecDeque;

/// The writing end of a journal, without the disk.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(crate) id: JournalId,
    pub(crate) epoch: u64,
    /// Where a frame is closed.
    frame_bytes: usize,
    /// After the last batch that was handed back.
    pub(crate) chain: Chain,
    /// Of the next record.
    pub(crate) next: Lsn,
    pub(crate) current: Segment,
    /// Where in the current segment the next frame goes.
    tail: u64,
    /// Zeroed segments, next first.
    pub(crate) ready: VecDeque<Segment>,
    buffer: Vec<u8>,
    runs: Vec<Run>,
    parts: Vec<Part>,
    /// Where the current run starts in the segment, and the last LSN before it.
    run_offset: u64,
    run_synced: Lsn,
    open: Option<OpenFrame>,
    /// Empty buffers of earlier batches, so that a steady load allocates nothing.
    spare: Option<Batch>,
}

/// What the first frame links to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) id: JournalId,
    pub(crate) epoch: u64,
    pub(crate) chain: Chain,
    pub(crate) last: Lsn,
}

/// A frame that still takes records.
#[derive(Debug)]
struct OpenFrame {
    /// Where in the buffer it starts.
    start: usize,
    /// Where in the buffer it must end.
    limit: usize,
    first_lsn: Lsn,
    records: u32,
}

impl Builder {
    /// Continue a journal at `tail` of the segment `current`.
    pub(crate) fn new(
        link: Link,
        frame_bytes: usize,
        current: Segment,
        tail: u64,
        ready: VecDeque<Segment>,
    ) -> Builder {
        let Link { id, epoch, chain, last } = link;
        let mut builder = Builder {
            id,
            epoch,
            frame_bytes,
            chain,
            next: last.next(),
            current,
            tail,
            ready,
            buffer: Vec::new(),
            runs: Vec::new(),
            parts: Vec::new(),
            run_offset: tail,
            run_synced: last,
            open: None,
            spare: None,
        };
        if tail == 0 {
            builder.begin_segment();
        }
        builder
    }

    /// Add a record, or say that there is no room.
    #[inline]
    pub(crate) fn append(&mut self, payload: &[u8]) -> Option<Lsn> {
        let needs = RECORD_HEADER_BYTES + payload.len();
        let fits = self.open.as_ref().is_some_and(|open| self.buffer.len() + needs <= open.limit);
        if !fits && !self.open_frame(needs) {
            return None;
        }
        let open = self.open.as_mut()?;
        self.buffer.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(payload);
        open.records += 1;
        let lsn = self.next;
        self.next = lsn.next();
        Some(lsn)
    }

    /// Add a frame without records, if there is room.
    pub(crate) fn append_mark(&mut self) -> bool {
        self.open_frame(0)
    }

    /// Tell whether records of `bytes` in all fit, their lengths counted, with `reserve` ready
    /// segments left untouched. Never wrong when it says yes.
    pub(crate) fn fits(&self, bytes: u64, reserve: usize) -> bool {
        // Once the reserve itself is in use, its rest is no room for what must leave it alone.
        if self.ready.len() < planted!("reserve-not-kept", 0, reserve) {
            return false;
        }
        let open_rest = self.open.as_ref().map_or(0, |open| open.limit - self.buffer.len()) as u64;
        // The open frame may grow into one more sector before a new one starts.
        let slack = if self.open.is_some() { SECTOR_BYTES as u64 } else { 0 };
        let here = (self.current.bytes - self.tail_with_open()).saturating_sub(slack);
        if bytes <= open_rest || fits_room(here, bytes, self.frame_bytes as u64) {
            return true;
        }
        let next = self.ready.front().filter(|_| self.ready.len() > reserve);
        next.is_some_and(|next| {
            let room = next.bytes - SEGMENT_HEADER_BYTES as u64;
            fits_room(room, bytes, self.frame_bytes as u64)
        })
    }

    /// Return how many bytes wait to be taken.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Close what is open and take it all.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        self.close_frame();
        if self.buffer.is_empty() {
            return None;
        }
        self.close_run();
        let last_lsn = Lsn(self.next.0 - 1);
        let mut batch = self.spare.take().unwrap_or_else(|| Batch::empty(self.chain));
        (batch.chain, batch.last_lsn, batch.outcome) = (self.chain, last_lsn, None);
        std::mem::swap(&mut batch.buffer, &mut self.buffer);
        std::mem::swap(&mut batch.runs, &mut self.runs);
        std::mem::swap(&mut batch.parts, &mut self.parts);
        self.begin_run(self.tail);
        Some(batch)
    }

    /// Go on from a batch that was written, and keep its memory.
    pub(crate) fn recycle(&mut self, mut batch: Batch) {
        self.chain = batch.chain;
        batch.buffer.clear();
        batch.runs.clear();
        assert!(batch.parts.is_empty(), "what was written was sealed");
        self.spare = Some(batch);
    }

    /// Where the tail is once the open frame is closed.
    fn tail_with_open(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| sectors_up(self.buffer.len() - open.start));
        self.tail + open as u64
    }

    /// Open a frame with room for `needs` bytes, in the next segment if this one is full.
    #[cold]
    fn open_frame(&mut self, needs: usize) -> bool {
        let whole = sectors_up(FRAME_HEADER_BYTES + needs) as u64;
        let here = self.tail_with_open() + whole <= self.current.bytes;
        if !here {
            let next_bytes = self.ready.front().map_or(0, |next| next.bytes);
            if SEGMENT_HEADER_BYTES as u64 + whole > next_bytes {
                return false;
            }
        }
        self.close_frame();
        if !here {
            self.close_run();
            if let Some(next) = self.ready.pop_front() {
                assert_eq!(next.number, self.current.number + 1, "segments are used in order");
                self.current = next;
                self.begin_segment();
            }
        }
        let start = self.buffer.len();
        let most = self.frame_bytes.max(whole as usize) as u64;
        let room = (self.current.bytes - self.tail).min(most) as usize;
        self.buffer.resize(start + FRAME_HEADER_BYTES, 0);
        self.open =
            Some(OpenFrame { start, limit: start + room, first_lsn: self.next, records: 0 });
        true
    }

    /// Settle the open frame's header, and pad it to a whole sector.
    fn close_frame(&mut self) {
        let Some(OpenFrame { start, first_lsn, records, .. }) = self.open.take() else { return };
        let header = FrameHeader {
            journal: self.id,
            segment: self.current.number,
            offset: self.tail as u32,
            run_offset: self.run_offset as u32,
            epoch: self.epoch,
            first_lsn,
            synced_lsn: self.run_synced,
            chain_before: [0; 16],
        };
        let end = self.buffer.len();
        self.parts.push(Part { start, end, kind: PartKind::Frame(header, records) });
        self.buffer.resize(start + sectors_up(end - start), 0);
        self.tail += (self.buffer.len() - start) as u64;
        assert!(self.tail <= self.current.bytes, "a frame ends within its segment");
    }

    /// Settle the header of the current segment, as the start of a new run.
    fn begin_segment(&mut self) {
        let header = SegmentHeader {
            journal: self.id,
            number: self.current.number,
            epoch: self.epoch,
            first_lsn: self.next,
            bytes: self.current.bytes,
            chain: self.chain,
        };
        self.begin_run(0);
        let start = self.buffer.len();
        let end = start + SEGMENT_HEADER_BYTES;
        self.parts.push(Part { start, end, kind: PartKind::Segment(header) });
        self.buffer.resize(end, 0);
        self.tail = SEGMENT_HEADER_BYTES as u64;
    }

    fn begin_run(&mut self, offset: u64) {
        self.run_offset = offset;
        self.run_synced = Lsn(self.next.0 - 1);
    }

    fn close_run(&mut self) {
        let start = self.runs.last().map_or(0, |run| run.end);
        let end = self.buffer.len();
        if end > start {
            let file = self.current.file.clone();
            self.runs.push(Run { file, offset: self.run_offset, start, end });
        }
    }
}

/// Tell whether records of `bytes` in all surely fit into `room` bytes of a segment, however they
/// fall into frames of `frame_bytes`.
///
/// They fit one frame, or else any two neighbouring frames together hold more than one frame's worth
/// (or they would be one), each with a header and less than a sector of padding.
fn fits_room(room: u64, bytes: u64, frame_bytes: u64) -> bool {
    let header = FRAME_HEADER_BYTES as u64;
    let overhead = header + SECTOR_BYTES as u64 - 1;
    let one_frame = header + bytes <= frame_bytes.max(SECTOR_BYTES as u64);
    if one_frame {
        return sectors_up((header + bytes) as usize) as u64 <= room;
    }
    let pairs = bytes / (frame_bytes - header + 1);
    bytes + (2 * pairs + 1) * overhead <= room
}

#[cfg(test)]
mod tests {
    use super::fits_room;

    #[test]
    fn what_fits_is_counted_to_the_byte() {
        // Frames of 1,024 bytes hold 928; 607 bytes more may be lost with each.
        for (bytes, frame_bytes, room) in [
            (1, 1_024, 512),
            (416, 1_024, 512),
            (417, 1_024, 1_024),
            (928, 1_024, 1_024),
            (929, 1_024, 929 + 3 * 607),
            (1_857, 1_024, 1_857 + 3 * 607),
            (1_858, 1_024, 1_858 + 5 * 607),
            (416, 512, 512),
            (417, 512, 417 + 3 * 607),
        ] {
            assert!(fits_room(room, bytes, frame_bytes), "{bytes} bytes in {room}");
            assert!(!fits_room(room - 1, bytes, frame_bytes), "{bytes} bytes in {room} less one");
        }
    }
}
