//! The judgement of recovery: torn tail, or damage to what was synced?
//!
//! A frame or header found beyond the place where reading ended was written by this journal, and
//! states what was synced by then. Sectors of one run may reach the disk in any order, so a later
//! frame of the *same* run proves nothing; one of a later run proves that the damaged run was synced.

use super::{Leftover, Place};
use crate::error::{Damage, JournalError};
use crate::frame::RawFrame;
use crate::layout::{JournalId, SECTOR_BYTES};
use crate::segment::{Segment, SegmentHeader};
use crate::storage::StorageError;
use crate::window::Window;
use onrush_types::Lsn;
use onrush_types::planted;

/// Where reading ended, and what should have been there.
pub(crate) struct Expected {
    pub(crate) id: JournalId,
    pub(crate) place: Place,
    pub(crate) next: Lsn,
    /// Of the last frame that was followed.
    pub(crate) epoch: u64,
    pub(crate) fault: &'static str,
}

/// Bytes compared with zero at once.
const STRIDE_BYTES: usize = 64 * 1024;
static ZEROS: [u8; STRIDE_BYTES] = [0; STRIDE_BYTES];

/// Look at everything from the end of reading on: return what is not zero there, to be cut.
///
/// # Errors
/// [`JournalError::Damaged`] if anything there proves that the place was synced.
pub(crate) fn scan(
    segments: &[Segment],
    expected: &Expected,
    window: &mut Window,
) -> Result<Vec<Leftover>, JournalError> {
    let mut leftovers = Vec::new();
    let mut place = expected.place;
    while let Some(segment) = segments.get(place.index) {
        if place.offset >= segment.bytes {
            place = Place { index: place.index + 1, offset: 0 };
            continue;
        }
        let stretch = window.view(segment, place.offset, STRIDE_BYTES)?;
        if stretch == &ZEROS[..stretch.len()] {
            place.offset += stretch.len().max(1) as u64;
            continue;
        }
        let sector = window.view(segment, place.offset, SECTOR_BYTES)?;
        if sector != &ZEROS[..sector.len()] {
            let proof = proof(segment, place, expected, window)?;
            if let Some(proof) = proof {
                return Err(damaged(segments, expected, proof));
            }
            add(&mut leftovers, place);
        }
        place.offset += SECTOR_BYTES as u64;
    }
    Ok(leftovers)
}

/// Say what the sector at `place` proves about the place where reading ended, if anything.
fn proof(
    segment: &Segment,
    place: Place,
    expected: &Expected,
    window: &mut Window,
) -> Result<Option<String>, StorageError> {
    let at = format!("at byte {} of {}", place.offset, segment.name());
    let sector = window.view(segment, place.offset, SECTOR_BYTES)?;
    if let Ok(header) = SegmentHeader::decode(sector)
        && header.journal == expected.id
    {
        return Ok(Some(match place.offset {
            // C6: a segment is begun only when all before it is synced.
            0 => format!("the header {at} was written after that was synced"),
            _ => format!("a header lies {at}: the disk wrote in the wrong place"),
        }));
    }
    if let Some((id, number, offset)) = RawFrame::claimed_place(sector)
        && id == expected.id
        && (number, u64::from(offset)) != (segment.number, place.offset)
    {
        // C15: no torn write looks like this, whole or not: the rest of it may have been lost.
        return Ok(Some(format!(
            "the frame {at} was written for byte {offset} of segment {number}: the disk wrote in \
             the wrong place"
        )));
    }
    let Ok(frame) = window.frame(segment, place.offset)? else { return Ok(None) };
    let header = frame.header();
    if header.journal != expected.id {
        return Ok(None);
    }
    let follows = place == expected.place && header.first_lsn == expected.next;
    if follows && header.epoch == expected.epoch {
        // C6: nothing is cut within an epoch, so the frames it links to were here once.
        return Ok(Some(format!(
            "the frame {at} was written after other frames than are there now"
        )));
    }
    // C2: a frame of the run that starts where reading ended, or before, proves nothing.
    let run = Place { index: place.index, offset: u64::from(header.run_offset) };
    if planted!(
        "damage-taken-for-tail",
        false,
        header.synced_lsn >= expected.next || starts_after(run, expected.place)
    ) {
        let synced = header.synced_lsn;
        return Ok(Some(format!(
            "the frame {at} was written after that was synced (it states LSN {synced})"
        )));
    }
    Ok(None)
}

/// Tell whether a run that starts at `run` leaves room for another between `end` and it. The start of
/// the next segment is where a run goes that does not fit behind `end`.
fn starts_after(run: Place, end: Place) -> bool {
    run > end && run != Place { index: end.index + 1, offset: 0 }
}

fn damaged(segments: &[Segment], expected: &Expected, proof: String) -> JournalError {
    JournalError::Damaged(Damage {
        file: segments[expected.place.index].name(),
        offset: expected.place.offset,
        lsn: expected.next,
        what: expected.fault.to_owned(),
        proof,
    })
}

/// Add a sector, joining it to the stretch before it.
fn add(leftovers: &mut Vec<Leftover>, place: Place) {
    let sector = SECTOR_BYTES as u64;
    match leftovers.last_mut() {
        Some(Leftover { start, bytes })
            if start.index == place.index && start.offset + *bytes == place.offset =>
        {
            *bytes += sector;
        }
        _ => leftovers.push(Leftover { start: place, bytes: sector }),
    }
}
