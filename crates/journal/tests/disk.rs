//! The same promises on a real disk.

mod common;

use common::*;
use onrush_journal::{
    DiskStorage, Journal, JournalReader, SnapshotHeader, SnapshotReader, SnapshotWriter, Storage,
    StorageError,
};
use onrush_types::Lsn;
use std::convert::Infallible;
use std::sync::Arc;

fn reopen(folder: &std::path::Path) -> (Journal, Records, Arc<dyn Storage>) {
    let storage: Arc<dyn Storage> = Arc::new(DiskStorage::open(folder).unwrap());
    let mut records = Vec::new();
    let keep = |lsn: Lsn, record: &[u8]| {
        records.push((lsn, record.to_vec()));
        Ok::<(), Infallible>(())
    };
    let (journal, _) = Journal::open(storage.clone(), &options(), Lsn::ZERO, keep).unwrap();
    (journal, records, storage)
}

#[test]
fn a_journal_lives_in_a_folder() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("made/on/demand");
    let (mut journal, records, storage) = reopen(&folder);
    assert!(records.is_empty());
    fill(&mut journal, 50, 6).unwrap();
    let mut reader = JournalReader::open(storage.clone(), Lsn(20)).unwrap();
    for n in 20..=50 {
        let next = reader.next(journal.durable_lsn()).unwrap();
        assert_eq!(next, Some((Lsn(n), record(n).as_slice())));
    }
    let header = SnapshotHeader { journal: journal.id(), lsn: Lsn(30), fingerprint: 4 };
    let mut writer = SnapshotWriter::create(storage.clone(), header).unwrap();
    writer.write_chunk(1, b"state").unwrap();
    let proof = writer.finish().unwrap();
    assert_eq!(proof.lsn(), Lsn(30));
    assert_eq!(SnapshotReader::open(&*storage, Lsn(30), 4).unwrap().verify().unwrap(), proof);
    drop((journal, reader, storage));
    let (journal, records, _storage) = reopen(&folder);
    assert_eq!((records, journal.durable_lsn()), (expected(50), Lsn(50)));
}

#[test]
fn segments_are_written_in_full_before_use() {
    use std::os::unix::fs::MetadataExt;
    let temp = tempfile::tempdir().unwrap();
    let (_journal, ..) = reopen(temp.path());
    let mut segments = 0;
    for entry in std::fs::read_dir(temp.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with(".journal") {
            let meta = entry.metadata().unwrap();
            assert_eq!(meta.len(), SEGMENT_BYTES);
            assert!(meta.blocks() * 512 >= SEGMENT_BYTES, "no holes");
            segments += 1;
        }
    }
    assert_eq!(segments, 3, "one in use, two ready");
}

#[test]
fn a_folder_is_open_once() {
    let temp = tempfile::tempdir().unwrap();
    let first = DiskStorage::open(temp.path()).unwrap();
    let error = DiskStorage::open(temp.path()).unwrap_err();
    assert!(matches!(error, StorageError::Locked(_)), "{error}");
    assert!(error.to_string().contains("another process"), "{error}");
    drop(first);
    DiskStorage::open(temp.path()).unwrap();
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    std::fs::write(&file, b"in the way").unwrap();
    for folder in [file.clone(), file.join("below")] {
        let error = DiskStorage::open(&folder).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}

#[test]
fn what_could_not_be_made_is_told_as_such() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("file");
    std::fs::write(&file, b"in the way").unwrap();
    let error = DiskStorage::open(&file.join("below")).unwrap_err();
    assert_eq!(error.failure().operation, "create folder", "{error}");
}

/// As where another process makes the folder between the look and the making: making `made` makes
/// `made/..` as well.
#[test]
fn a_folder_that_came_to_be_meanwhile_is_taken() {
    let temp = tempfile::tempdir().unwrap();
    let disk = DiskStorage::open(&temp.path().join("made").join("..")).unwrap();
    disk.create("a").unwrap();
    assert!(temp.path().join("made").is_dir() && temp.path().join("a").is_file());
}

/// The other tests name their folders from the root.
#[test]
fn a_folder_may_be_named_from_where_one_is() {
    let temp = tempfile::tempdir().unwrap();
    let before = std::env::current_dir().unwrap();
    std::env::set_current_dir(temp.path()).unwrap();
    let disk = DiskStorage::open(std::path::Path::new("here")).unwrap();
    disk.create("a").unwrap();
    std::env::set_current_dir(before).unwrap();
    assert!(temp.path().join("here/a").is_file());
}

#[test]
fn a_read_that_fails_is_told_with_its_file() {
    let temp = tempfile::tempdir().unwrap();
    let disk = DiskStorage::open(temp.path()).unwrap();
    // No file has that byte: the system refuses to look for it.
    let error = disk.create("a").unwrap().read_at(u64::MAX, &mut [0; 4]).unwrap_err();
    assert!(matches!(&error, StorageError::Failed(f) if f.file == "a"), "{error}");
    assert_eq!(error.failure().operation, "read");
}

#[test]
fn files_do_what_the_trait_says() {
    let temp = tempfile::tempdir().unwrap();
    let disk = DiskStorage::open(temp.path()).unwrap();
    let file = disk.create("a").unwrap();
    file.write_at(3, b"xyz").unwrap();
    file.write_zeros(4, 1).unwrap();
    file.sync_data().unwrap();
    file.forget_cached();
    let mut bytes = [9; 8];
    assert_eq!((file.read_at(0, &mut bytes), file.bytes()), (Ok(6), Ok(6)));
    assert_eq!(bytes, [0, 0, 0, b'x', 0, b'z', 9, 9]);
    // More than is written at once, from anywhere.
    file.write_zeros(5, 300_000).unwrap();
    assert_eq!((file.read_at(0, &mut bytes), file.bytes()), (Ok(8), Ok(300_005)));
    assert_eq!(bytes, [0, 0, 0, b'x', 0, 0, 0, 0]);
    disk.rename("a", "b").unwrap();
    disk.sync_dir().unwrap();
    assert!(matches!(disk.open("a"), Err(StorageError::NotFound(f)) if f.file == "a"));
    assert_eq!(disk.open("b").unwrap().bytes(), Ok(300_005));
    assert_eq!(disk.create("b").unwrap().bytes(), Ok(0), "creating replaces");
    disk.remove("b").unwrap();
    assert!(disk.remove("b").unwrap_err().is_not_found());
    assert_eq!(disk.list().unwrap(), ["lock"]);
}
