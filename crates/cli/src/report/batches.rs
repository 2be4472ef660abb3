//! How the journal was written: one write and one sync for each run of frames. Read from the frames' own
//! headers; how long a sync took is not in them.

use hdrhistogram::Histogram;
use onrush::journal::frame::{FrameHeader, RawFrame};
use onrush::journal::layout::SECTOR_BYTES;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Runs of so many records or more count as so many.
const RECORDS_MAX: u64 = 1 << 20;

/// How many records were written at once.
#[derive(Clone, Debug)]
pub(super) struct Batches {
    /// Records of each run: its count is the number of syncs that stored records.
    pub(super) records: Histogram<u64>,
    /// Bytes written, in whole sectors.
    pub(super) bytes: u64,
}

/// Where a run began.
type Run = (u64, u64, u32);

/// Read the segments of a journal that was verified before; what does not follow from what is before it
/// is not counted. Memory: one frame.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn read(journal: &Path) -> io::Result<Batches> {
    let records = Histogram::new_with_bounds(1, RECORDS_MAX, 3).expect("the bounds are in order");
    let mut batches = Batches { records, bytes: 0 };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(journal)? {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "journal") {
            files.push(path);
        }
    }
    files.sort();
    let mut run: Option<(Run, u64)> = None;
    for path in files {
        let mut file = BufReader::new(File::open(path)?);
        skip(&mut file, SECTOR_BYTES)?;
        while let Some((header, records, bytes)) = frame(&mut file)? {
            batches.bytes += bytes as u64;
            let this = (header.epoch, header.segment, header.run_offset);
            match &mut run {
                Some((open, sum)) if *open == this => *sum += u64::from(records),
                _ => {
                    batches.end(run.take());
                    run = Some((this, records.into()));
                }
            }
        }
    }
    batches.end(run);
    Ok(batches)
}

impl Batches {
    fn end(&mut self, run: Option<(Run, u64)>) {
        // A mark has no records: it only states what was synced.
        if let Some((_, records)) = run.filter(|&(_, records)| records > 0) {
            self.records.saturating_record(records);
        }
    }
}

/// Read the next frame and the zeros behind it; nothing at the end of what was written.
fn frame(file: &mut impl Read) -> io::Result<Option<(FrameHeader, u32, usize)>> {
    let mut bytes = vec![0; SECTOR_BYTES];
    if !fill(file, &mut bytes)? {
        return Ok(None);
    }
    // At most 256 KiB, and whole sectors.
    let Ok(claimed) = RawFrame::claimed_bytes(&bytes) else { return Ok(None) };
    bytes.resize(claimed, 0);
    if !fill(file, &mut bytes[SECTOR_BYTES..])? {
        return Ok(None);
    }
    let Ok(frame) = RawFrame::new(&bytes).and_then(RawFrame::check) else { return Ok(None) };
    Ok(Some((*frame.header(), frame.record_count(), claimed)))
}

/// Fill `bytes`; `false` at the end of the file.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

fn skip(file: &mut impl Read, bytes: usize) -> io::Result<()> {
    fill(file, &mut vec![0; bytes]).map(drop)
}
