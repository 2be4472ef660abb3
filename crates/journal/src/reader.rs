//! Following a journal while it is written.
//!
//! A reader never looks past the LSN it is told is durable, so it needs no lock against the writer:
//! what it reads does not change any more. It checks every frame and link as recovery does.

use crate::chain::Chain;
use crate::error::{Damage, JournalError};
use crate::layout::{
    JournalId, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, segment_name, segment_number, u32_at,
};
use crate::segment::{Segment, SegmentHeader};
use crate::storage::{Storage, StorageError};
use crate::window::Window;
use onrush_types::Lsn;
use std::sync::Arc;

/// Reads records in order from any LSN that is still kept.
#[derive(Debug)]
pub struct JournalReader {
    storage: Arc<dyn Storage>,
    id: JournalId,
    segment: Segment,
    /// Where the next frame starts.
    offset: u64,
    chain: Chain,
    /// The LSN the next frame must start with.
    frame_first: Lsn,
    /// The next record to hand out.
    next: Lsn,
    /// A copy of the frame being handed out, and where its next record starts.
    frame: Vec<u8>,
    at: usize,
    window: Window,
}

impl JournalReader {
    /// Open a reader whose first record is `from`, which need not be written yet.
    ///
    /// # Errors
    /// [`JournalError::Truncated`] when `from` is below the oldest LSN kept, or there is no journal.
    ///
    /// Cost: opens every segment's first sector once.
    pub fn open(storage: Arc<dyn Storage>, from: Lsn) -> Result<JournalReader, JournalError> {
        let from = from.max(Lsn(1));
        let starts = begun_segments(&*storage)?;
        let oldest = starts.first().map_or(Lsn(1), |(_, header)| header.first_lsn);
        let start = starts.into_iter().rev().find(|(_, header)| header.first_lsn <= from);
        let Some((segment, header)) = start else {
            return Err(JournalError::Truncated { oldest });
        };
        Ok(JournalReader {
            storage,
            id: header.journal,
            segment,
            offset: SEGMENT_HEADER_BYTES as u64,
            chain: header.chain,
            frame_first: header.first_lsn,
            next: from,
            frame: Vec::new(),
            at: 0,
            window: Window::default(),
        })
    }

    /// Return the next record, if it is at or below `durable`, the LSN up to which the writer has
    /// synced.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when it cannot be read although it was synced;
    /// [`JournalError::Truncated`] when it was removed meanwhile.
    ///
    /// Cost: a frame is read, checked and copied once; a record costs nothing more.
    pub fn next(&mut self, durable: Lsn) -> Result<Option<(Lsn, &[u8])>, JournalError> {
        if self.next > durable {
            return Ok(None);
        }
        while self.at >= self.frame.len() {
            self.read_frame()?;
        }
        let start = self.at + RECORD_HEADER_BYTES;
        let end = start + u32_at(&self.frame, self.at) as usize;
        self.at = end;
        let lsn = self.next;
        self.next = lsn.next();
        Ok(Some((lsn, &self.frame[start..end])))
    }

    /// Return the LSN that the next record will have.
    pub fn next_lsn(&self) -> Lsn {
        self.next
    }

    /// Load the next frame, and stand at the wanted record if it is in there.
    fn read_frame(&mut self) -> Result<(), JournalError> {
        // What the window shows may have been read before the writer got there.
        for forget in [false, true] {
            if forget {
                self.window.forget();
            }
            if self.load_frame()? {
                return Ok(());
            }
        }
        self.enter_next_segment()
    }

    fn load_frame(&mut self) -> Result<bool, JournalError> {
        let (segment, offset) = (&self.segment, self.offset);
        let Ok(frame) = self.window.frame(segment, offset)? else { return Ok(false) };
        let fits = frame.belongs(self.id, segment.number, offset)
            && frame.header().first_lsn == self.frame_first;
        let Some(chain) = frame.link(self.chain).filter(|_| fits) else { return Ok(false) };
        self.chain = chain;
        self.offset += frame.bytes_in_segment() as u64;
        self.frame_first = frame.next_lsn();
        self.frame.clear();
        self.at = 0;
        if frame.next_lsn() > self.next {
            for (lsn, record) in frame.records().skip_while(|(lsn, _)| *lsn < self.next) {
                debug_assert!(lsn >= self.next);
                self.frame.extend_from_slice(&(record.len() as u32).to_le_bytes());
                self.frame.extend_from_slice(record);
            }
        }
        debug_assert!(self.frame.is_empty() || self.frame.len() > RECORD_HEADER_BYTES);
        Ok(true)
    }

    fn enter_next_segment(&mut self) -> Result<(), JournalError> {
        let number = self.segment.number + 1;
        let opened = open_segment(&*self.storage, number, &mut self.window);
        match opened {
            Ok((segment, Some(header)))
                if header.journal == self.id
                    && header.number == number
                    && header.first_lsn == self.frame_first
                    && header.chain == self.chain =>
            {
                self.segment = segment;
                self.offset = SEGMENT_HEADER_BYTES as u64;
                Ok(())
            }
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Err(self.lost()?),
        }
    }

    /// Say why a durable record is not there: removed, or damaged.
    fn lost(&self) -> Result<JournalError, StorageError> {
        let oldest = begun_segments(&*self.storage)?.first().map(|(_, header)| header.first_lsn);
        Ok(match oldest {
            Some(oldest) if oldest > self.next => JournalError::Truncated { oldest },
            _ => JournalError::Damaged(Damage {
                file: self.segment.name(),
                offset: self.offset,
                lsn: self.frame_first,
                what: "no frame that continues the journal is there".to_owned(),
                proof: format!("the writer has synced LSN {}", self.next),
            }),
        })
    }
}

/// Where a segment starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SegmentStart {
    pub(crate) number: u64,
    pub(crate) first_lsn: Lsn,
}

/// List the segments of `id` that were begun, oldest first.
pub(crate) fn segment_starts(
    storage: &dyn Storage,
    id: JournalId,
) -> Result<Vec<SegmentStart>, StorageError> {
    let begun = begun_segments(storage)?;
    let ours = begun.iter().filter(|(_, header)| header.journal == id);
    Ok(ours.map(|(s, h)| SegmentStart { number: s.number, first_lsn: h.first_lsn }).collect())
}

/// Return the first LSN of the oldest segment that was begun.
pub(crate) fn oldest_lsn(storage: &dyn Storage) -> Result<Option<Lsn>, StorageError> {
    Ok(begun_segments(storage)?.first().map(|(_, header)| header.first_lsn))
}

fn begun_segments(storage: &dyn Storage) -> Result<Vec<(Segment, SegmentHeader)>, StorageError> {
    let mut numbers: Vec<u64> =
        storage.list()?.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    let mut window = Window::default();
    let mut begun = Vec::new();
    for number in numbers {
        match open_segment(storage, number, &mut window) {
            Ok((segment, Some(header))) if header.number == number => begun.push((segment, header)),
            Ok(_) => {}
            // Removed since it was listed.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(begun)
}

fn open_segment(
    storage: &dyn Storage,
    number: u64,
    window: &mut Window,
) -> Result<(Segment, Option<SegmentHeader>), StorageError> {
    let file = storage.open(&segment_name(number))?;
    let segment = Segment { number, bytes: file.bytes()?, file };
    window.forget();
    let header = SegmentHeader::decode(window.view(&segment, 0, SEGMENT_HEADER_BYTES)?).ok();
    window.forget();
    Ok((segment, header))
}
