//! A reader beside a folder that changes and a disk that fails: it says what happened, and takes
//! neither for damage.

mod common;

use common::*;
use onrush_journal::{
    FakeDisk, JournalError, JournalReader, Storage, StorageError, StorageFile, oldest_lsn,
};
use onrush_types::Lsn;
use std::io;
use std::sync::{Arc, Mutex};

const FIRST: &str = "segment-000000000001.journal";
const SECOND: &str = "segment-000000000002.journal";

/// A folder of which one opening fails when told, and that may list a file that is gone.
#[derive(Debug)]
struct Moody {
    disk: FakeDisk,
    fails_once: Mutex<Option<&'static str>>,
    gone: Option<&'static str>,
}

fn moody(disk: &FakeDisk) -> Moody {
    Moody { disk: disk.clone(), fails_once: Mutex::new(None), gone: None }
}

fn input_output() -> StorageError {
    StorageError::from_io("open", SECOND, &io::Error::from_raw_os_error(5))
}

impl Storage for Moody {
    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
        self.disk.create(name)
    }

    fn open(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
        let mut fails = self.fails_once.lock().unwrap();
        if *fails == Some(name) {
            *fails = None;
            return Err(input_output());
        }
        self.disk.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.disk.remove(name)
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        let mut names = self.disk.list()?;
        names.extend(self.gone.map(str::to_owned));
        Ok(names)
    }

    fn sync_dir(&self) -> Result<(), StorageError> {
        self.disk.sync_dir()
    }
}

fn written(count: u64, batch: u64) -> FakeDisk {
    let disk = FakeDisk::new(1);
    let (mut journal, ..) = open(&disk).unwrap();
    fill(&mut journal, count, batch).unwrap();
    disk
}

#[test]
fn a_failure_that_passes_is_not_taken_for_damage() {
    let storage = Arc::new(moody(&written(40, 3)));
    let mut reader = JournalReader::open(storage.clone(), Lsn(1)).unwrap();
    *storage.fails_once.lock().unwrap() = Some(SECOND);
    let mut failures = 0;
    let mut next = 1;
    while next <= 40 {
        match reader.next(Lsn(40)) {
            Ok(found) => {
                assert_eq!(found, Some((Lsn(next), record(next).as_slice())));
                next += 1;
            }
            Err(error) => {
                assert_eq!(error, JournalError::Storage(input_output()));
                failures += 1;
            }
        }
    }
    assert_eq!(failures, 1, "it is told once, and then reading goes on where it was");
}

#[test]
fn a_failure_while_the_segments_are_looked_at_is_told() {
    let storage = Arc::new(moody(&written(40, 3)));
    *storage.fails_once.lock().unwrap() = Some(SECOND);
    let error = JournalReader::open(storage.clone(), Lsn(30)).unwrap_err();
    assert_eq!(error, JournalError::Storage(input_output()));
    *storage.fails_once.lock().unwrap() = Some(SECOND);
    assert_eq!(oldest_lsn(&*storage), Err(JournalError::Storage(input_output())));
    JournalReader::open(storage, Lsn(30)).unwrap();
}

#[test]
fn a_segment_that_went_after_it_was_listed_is_left_out() {
    let gone = Some("segment-000000000099.journal");
    let storage = Arc::new(Moody { gone, ..moody(&written(40, 3)) });
    assert_eq!(oldest_lsn(&*storage), Ok(Some(Lsn(1))));
    let mut reader = JournalReader::open(storage, Lsn(40)).unwrap();
    assert_eq!(reader.next(Lsn(40)).unwrap(), Some((Lsn(40), record(40).as_slice())));
}

#[test]
fn a_segment_under_another_name_is_not_a_place_to_start() {
    let disk = written(40, 3);
    let last = disk.list().unwrap().pop().unwrap();
    let first = disk.content(FIRST).unwrap();
    disk.open(&last).unwrap().write_at(0, &first).unwrap();
    let mut reader = JournalReader::open(Arc::new(disk), Lsn(40)).unwrap();
    assert_eq!(reader.next(Lsn(40)).unwrap(), Some((Lsn(40), record(40).as_slice())));
}

/// A whole frame that links to the one before, and yet was written for another place or another LSN.
#[test]
fn a_frame_is_handed_out_only_in_its_place_and_under_its_number() {
    const OFFSET: usize = 32;
    const FIRST_LSN: usize = 48;
    for (at, value) in [(OFFSET, 2_048_u32), (FIRST_LSN, 3)] {
        let disk = written(3, 1);
        // Header, mark, then a sector for each record.
        let mut frame = disk.content(FIRST).unwrap()[1_536..2_048].to_vec();
        frame[at..at + 4].copy_from_slice(&value.to_le_bytes());
        let end = 96 + u32::from_le_bytes(frame[64..68].try_into().unwrap()) as usize;
        let checksum = crc32c::crc32c(&frame[8..end]);
        frame[4..8].copy_from_slice(&checksum.to_le_bytes());
        disk.open(FIRST).unwrap().write_at(1_536, &frame).unwrap();
        let mut reader = JournalReader::open(Arc::new(disk), Lsn(1)).unwrap();
        assert_eq!(reader.next(Lsn(3)).unwrap(), Some((Lsn(1), record(1).as_slice())));
        match reader.next(Lsn(3)) {
            Err(JournalError::Damaged(found)) => {
                assert_eq!((found.lsn, found.offset), (Lsn(2), 1_536), "byte {at} = {value}");
            }
            other => panic!("byte {at} = {value}: {other:?}"),
        }
    }
}
