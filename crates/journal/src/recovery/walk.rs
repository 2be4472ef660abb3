//! The forward pass of recovery: find the segments, follow the frames, hand out the records.

use super::scan::{Expected, scan};
use super::{Leftover, Place};
use crate::chain::Chain;
use crate::error::{Damage, JournalError, OpenError};
use crate::frame::Frame;
use crate::layout::{
    JournalId, SECTOR_BYTES, SEGMENT_BYTES_MIN, SEGMENT_HEADER_BYTES, segment_name, segment_number,
};
use crate::opening::Cut;
use crate::segment::{HeaderFault, Segment, SegmentHeader};
use crate::storage::Storage;
use crate::window::Window;
use onrush_types::Lsn;

/// What the forward pass found.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) id: JournalId,
    /// The highest epoch of any frame that was followed.
    pub(crate) epoch: u64,
    pub(crate) oldest: Lsn,
    pub(crate) last: Lsn,
    pub(crate) chain: Chain,
    pub(crate) replayed: u64,
    /// The contiguous segments, oldest first; those after the tail are ready for use once zeroed.
    pub(crate) segments: Vec<Segment>,
    /// Where the next frame goes.
    pub(crate) tail: Place,
    /// Where, in the tail's segment, the last run starts: nothing proves that it was synced.
    pub(crate) run_offset: u64,
    pub(crate) leftovers: Vec<Leftover>,
    /// Segments below a gap, left by a removal that was cut short.
    pub(crate) obsolete: Vec<u64>,
}

impl Walk {
    /// Return what repair will cut, if anything.
    pub(crate) fn cut(&self) -> Option<Cut> {
        (!self.leftovers.is_empty()).then(|| Cut {
            file: self.segments[self.tail.index].name(),
            offset: self.tail.offset,
            bytes: self.leftovers.iter().map(|leftover| leftover.bytes).sum(),
        })
    }
}

/// Read the journal, handing out every record after `after`, and judge its end.
///
/// Returns nothing if there is no journal, or one whose creation was cut short.
pub(crate) fn walk<E>(
    storage: &dyn Storage,
    after: Lsn,
    mut replay: impl FnMut(Lsn, &[u8]) -> Result<(), E>,
) -> Result<Option<Walk>, OpenError<E>> {
    let mut window = Window::default();
    let found = find_segments(storage, &mut window)?;
    let Some(id) = found.headers.iter().flatten().next().map(|header| header.journal) else {
        check_never_begun(&found, &mut window)?;
        if after > Lsn::ZERO {
            return Err(JournalError::SnapshotAhead { snapshot: after, last: Lsn::ZERO }.into());
        }
        return Ok(None);
    };
    let start = start_segment(&found, id, after)?;
    let mut steps = Steps::new(id, start, &found);
    let fault = loop {
        match steps.step(&found, &mut window)? {
            Step::Frame(frame) => {
                for (lsn, record) in frame.records() {
                    if lsn > after {
                        replay(lsn, record).map_err(|error| OpenError::Replay { lsn, error })?;
                        steps.replayed += 1;
                    }
                }
            }
            Step::Segment => {}
            Step::End(fault) => break fault,
        }
    };
    let Steps { place, next, epoch, .. } = steps;
    let expected = Expected { id, place, next, epoch, fault };
    let leftovers = scan(&found.segments, &expected, &mut window)?;
    let last = Lsn(steps.next.0 - 1);
    if last < after {
        return Err(JournalError::SnapshotAhead { snapshot: after, last }.into());
    }
    Ok(Some(Walk {
        id,
        epoch: steps.epoch,
        oldest: found.headers.iter().flatten().map(|h| h.first_lsn).min().unwrap_or(Lsn(1)),
        last,
        chain: steps.chain,
        replayed: steps.replayed,
        segments: found.segments,
        tail: steps.place,
        run_offset: steps.run_offset,
        leftovers,
        obsolete: found.obsolete,
    }))
}

/// The segment files, and the headers of those that were begun.
struct Found {
    segments: Vec<Segment>,
    headers: Vec<Option<SegmentHeader>>,
    obsolete: Vec<u64>,
}

fn find_segments(storage: &dyn Storage, window: &mut Window) -> Result<Found, JournalError> {
    let mut numbers: Vec<u64> =
        storage.list()?.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    let gap = numbers.windows(2).rposition(|pair| pair[0] + 1 != pair[1]);
    let kept = numbers.split_off(gap.map_or(0, |at| at + 1));
    let mut found = Found { segments: Vec::new(), headers: Vec::new(), obsolete: numbers };
    for number in kept {
        let file = storage.open(&segment_name(number))?;
        let bytes = file.bytes()?;
        let segment = Segment { number, file, bytes };
        if bytes < SEGMENT_BYTES_MIN || !bytes.is_multiple_of(SECTOR_BYTES as u64) {
            let known = found.headers.iter().flatten().map(|header| header.first_lsn).max();
            return Err(shortened(&segment, known.unwrap_or(Lsn(1))));
        }
        let sector = window.view(&segment, 0, SEGMENT_HEADER_BYTES)?;
        let header = match SegmentHeader::decode(sector) {
            Ok(header) if header.number == number && header.bytes == bytes => Some(header),
            Ok(header) => return Err(misnamed(&segment, &header)),
            Err(HeaderFault::NoHeader) => None,
            Err(HeaderFault::Version { version }) => {
                return Err(JournalError::Version { file: segment_name(number), version });
            }
        };
        found.segments.push(segment);
        found.headers.push(header);
    }
    check_one_journal(&found)?;
    Ok(found)
}

/// A file of another journal got here by mistake; treating it as a torn tail would erase it.
fn check_one_journal(found: &Found) -> Result<(), JournalError> {
    let mut begun = found.headers.iter().flatten();
    let Some(first) = begun.next() else { return Ok(()) };
    begun.find(|header| header.journal != first.journal).map_or(Ok(()), |foreign| {
        Err(JournalError::Damaged(Damage {
            file: segment_name(foreign.number),
            offset: 0,
            lsn: foreign.first_lsn,
            what: format!("it belongs to journal {}", foreign.journal),
            proof: format!("this is journal {}", first.journal),
        }))
    })
}

/// A segment gets its name only when it is whole (C3), so a shorter one was cut by somebody.
fn shortened(segment: &Segment, lsn: Lsn) -> JournalError {
    JournalError::Damaged(Damage {
        file: segment.name(),
        offset: segment.bytes,
        lsn,
        what: format!("the file has {} bytes", segment.bytes),
        proof: "a segment is whole before it gets its name".to_owned(),
    })
}

/// A whole header that does not fit its file was not torn: the file was renamed or cut.
fn misnamed(segment: &Segment, header: &SegmentHeader) -> JournalError {
    JournalError::Damaged(Damage {
        file: segment.name(),
        offset: 0,
        lsn: header.first_lsn,
        what: format!("the file has {} bytes", segment.bytes),
        proof: format!("its header is whole, of segment {}, {} bytes", header.number, header.bytes),
    })
}

/// Tell a journal whose creation was cut short (C1) from one whose only header was destroyed.
fn check_never_begun(found: &Found, window: &mut Window) -> Result<(), JournalError> {
    let Some(first) = found.segments.first() else { return Ok(()) };
    let damage = |proof: String| {
        Err(JournalError::Damaged(Damage {
            file: first.name(),
            offset: 0,
            lsn: Lsn(1),
            what: "its header cannot be read".to_owned(),
            proof,
        }))
    };
    if !found.obsolete.is_empty() {
        return Err(JournalError::SegmentMissing { number: first.number - 1 });
    }
    if first.number != 1 {
        return damage("earlier segments were in use".to_owned());
    }
    for segment in &found.segments {
        let mut offset = 0;
        while offset < segment.bytes {
            if let Ok(frame) = window.frame(segment, offset)?
                && (frame.header().run_offset > 0 || frame.header().segment > 1)
            {
                let file = segment.name();
                return damage(format!("a frame at byte {offset} of {file} was written after it"));
            }
            offset += SECTOR_BYTES as u64;
        }
    }
    Ok(())
}

/// Choose the newest segment that starts at or before the first wanted record.
fn start_segment(found: &Found, id: JournalId, after: Lsn) -> Result<usize, JournalError> {
    let starts_in_time =
        |header: &SegmentHeader| header.journal == id && header.first_lsn <= after.next();
    let start =
        found.headers.iter().rposition(|header| header.as_ref().is_some_and(starts_in_time));
    if let Some(start) = start {
        return Ok(start);
    }
    if found.headers[0].is_none() {
        return Err(JournalError::Damaged(Damage {
            file: found.segments[0].name(),
            offset: 0,
            lsn: after.next(),
            what: "its header cannot be read".to_owned(),
            proof: "later segments were begun after it was synced".to_owned(),
        }));
    }
    if !found.obsolete.is_empty() {
        return Err(JournalError::SegmentMissing { number: found.segments[0].number - 1 });
    }
    let oldest = found.headers.iter().flatten().map(|header| header.first_lsn).min();
    Err(JournalError::Truncated { oldest: oldest.unwrap_or(Lsn(1)) })
}

/// What following the frames came upon next.
enum Step<'w> {
    Frame(Frame<'w>),
    Segment,
    End(&'static str),
}

/// The state that each frame must continue.
struct Steps {
    id: JournalId,
    place: Place,
    run_offset: u64,
    next: Lsn,
    epoch: u64,
    chain: Chain,
    replayed: u64,
}

impl Steps {
    fn new(id: JournalId, start: usize, found: &Found) -> Steps {
        let mut steps = Steps {
            id,
            place: Place { index: start, offset: 0 },
            run_offset: 0,
            next: Lsn(1),
            epoch: 0,
            chain: Chain::start(id),
            replayed: 0,
        };
        if let Some(header) = &found.headers[start] {
            steps.next = header.first_lsn;
            steps.epoch = header.epoch;
            steps.chain = header.chain;
        }
        steps.enter(start);
        steps
    }

    fn enter(&mut self, index: usize) {
        self.place = Place { index, offset: SEGMENT_HEADER_BYTES as u64 };
        self.run_offset = 0;
    }

    fn step<'w>(
        &mut self,
        found: &Found,
        window: &'w mut Window,
    ) -> Result<Step<'w>, JournalError> {
        let segment = &found.segments[self.place.index];
        let frame = window.frame(segment, self.place.offset)?;
        let fault = match frame {
            Ok(frame) => match self.accept(segment, &frame) {
                Ok(()) => return Ok(Step::Frame(frame)),
                Err(fault) => fault,
            },
            Err(_) => "no whole frame is there",
        };
        let follows = |header: &SegmentHeader| {
            header.journal == self.id
                && header.first_lsn == self.next
                && header.chain == self.chain
                && header.epoch >= self.epoch
        };
        match found.headers.get(self.place.index + 1) {
            Some(Some(header)) if follows(header) => {
                self.epoch = header.epoch;
                self.enter(self.place.index + 1);
                Ok(Step::Segment)
            }
            _ => Ok(Step::End(fault)),
        }
    }

    fn accept(&mut self, segment: &Segment, frame: &Frame<'_>) -> Result<(), &'static str> {
        let header = frame.header();
        if !frame.belongs(self.id, segment.number, self.place.offset) {
            return Err("the frame there belongs elsewhere");
        }
        if header.first_lsn != self.next || header.epoch < self.epoch {
            return Err("the frame there does not continue the one before");
        }
        let Some(chain) = frame.link(self.chain) else {
            return Err("the frame there does not follow the chain");
        };
        self.chain = chain;
        self.epoch = header.epoch;
        self.next = frame.next_lsn();
        self.run_offset = u64::from(header.run_offset);
        self.place.offset += frame.bytes_in_segment() as u64;
        Ok(())
    }
}
