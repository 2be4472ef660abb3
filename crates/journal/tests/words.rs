//! What people and their programs read: ids, faults, and the cause below each error.

mod common;

use common::*;
use onrush_journal::frame::FrameFault;
use onrush_journal::{FakeDisk, JournalError, JournalId, OpenError, SnapshotError, StorageError};
use onrush_types::Lsn;
use std::error::Error;
use std::io;

#[test]
fn ids_and_chains_are_shown_in_hex() {
    let id = JournalId([0xa7; 16]);
    assert_eq!(id.to_string(), "a7".repeat(16));
    assert_eq!(format!("{id:?}"), format!("JournalId({})", "a7".repeat(16)));
    let (journal, ..) = open(&FakeDisk::new(1)).unwrap();
    let chain = journal.chain();
    let hex: String = chain.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((chain.to_string(), hex.len()), (hex.clone(), 64));
    assert_eq!(format!("{chain:?}"), format!("Chain({hex})"));
}

#[test]
fn each_fault_of_a_frame_has_its_words() {
    for (fault, words) in [
        (FrameFault::TooShort, "ends inside a frame"),
        (FrameFault::NoMagic, "no frame starts"),
        (FrameFault::LengthOutOfBounds, "out of bounds"),
        (FrameFault::Checksum, "checksum does not match"),
        (FrameFault::Records, "do not fill it"),
        (FrameFault::Fields, "contradicts itself"),
    ] {
        assert!(fault.to_string().contains(words), "{fault}");
    }
}

#[test]
fn what_the_system_said_is_sorted_into_its_class() {
    use io::ErrorKind::*;
    for (kind, full, not_found) in [
        (StorageFull, true, false),
        (QuotaExceeded, true, false),
        (NotFound, false, true),
        (PermissionDenied, false, false),
        (Interrupted, false, false),
    ] {
        let error = StorageError::from_io("open", "a", &kind.into());
        assert_eq!((error.is_full(), error.is_not_found()), (full, not_found), "{kind}");
        assert_eq!((error.failure().operation, error.failure().kind), ("open", kind));
    }
    assert!(!StorageError::invalid("open", "a", "b").is_not_found());
}

/// Whoever reports an error walks down to its cause.
#[test]
fn each_error_names_the_cause_below_it() {
    fn cause(error: &dyn Error) -> Option<String> {
        error.source().map(ToString::to_string)
    }
    let storage = StorageError::from_io("sync", "a", &io::Error::from_raw_os_error(5));
    let said = Some(storage.to_string());
    assert_eq!(cause(&JournalError::Failed(storage.clone())), said);
    assert_eq!(cause(&JournalError::Storage(storage.clone())), said);
    assert_eq!(cause(&JournalError::NoRoom), None);
    assert_eq!(cause(&SnapshotError::Storage(storage.clone())), said);
    assert_eq!(cause(&SnapshotError::ChunkSize { bytes: 9 }), None);
    let journal: OpenError<StorageError> = OpenError::Journal(JournalError::NoRoom);
    assert_eq!(cause(&journal), Some(JournalError::NoRoom.to_string()));
    assert_eq!(cause(&OpenError::Replay { lsn: Lsn(3), error: storage }), said);
}
