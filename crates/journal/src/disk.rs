//! The real disk: the only module of this crate that does I/O.
//!
//! `fdatasync` is enough for a file: it writes the length too where the length is needed to read the
//! data back. `EINTR` and short writes are continued by the standard library; every other error is
//! handed up once and never tried again.

use crate::storage::{Failure, Storage, StorageError, StorageFile};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder on a real disk, locked against other processes for as long as this lives.
#[derive(Debug)]
pub struct DiskStorage {
    folder: PathBuf,
    /// The folder itself, for syncing names.
    folder_file: File,
    /// Holds the lock; the system releases it when the process ends, however it ends.
    _lock: File,
}

const LOCK_NAME: &str = "lock";
/// Written again and again where zeros are wanted.
static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];

impl DiskStorage {
    /// Open `folder`, creating it if needed, and lock it.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another process has it; else what the system said.
    pub fn open(folder: &Path) -> Result<DiskStorage, StorageError> {
        let shown = folder.display().to_string();
        make_folder(folder).map_err(|e| StorageError::from_io("create folder", &shown, &e))?;
        let folder_file =
            File::open(folder).map_err(|e| StorageError::from_io("open folder", &shown, &e))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join(LOCK_NAME))
            .map_err(|e| StorageError::from_io("open the lock", &shown, &e))?;
        match lock.try_lock() {
            Ok(()) => Ok(DiskStorage { folder: folder.to_owned(), folder_file, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StorageError::Locked(Failure {
                operation: "lock folder",
                file: shown,
                kind: io::ErrorKind::WouldBlock,
                errno: None,
                message: "locked".to_owned(),
            })),
            Err(TryLockError::Error(e)) => Err(StorageError::from_io("lock folder", &shown, &e)),
        }
    }

    fn wrap(&self, name: &str, file: File) -> Arc<dyn StorageFile> {
        Arc::new(DiskFile { name: name.to_owned(), file })
    }
}

impl Storage for DiskStorage {
    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
        OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(self.folder.join(name))
            .map(|file| self.wrap(name, file))
            .map_err(|e| StorageError::from_io("create", name, &e))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.folder.join(name))
            .map(|file| self.wrap(name, file))
            .map_err(|e| StorageError::from_io("open", name, &e))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        std::fs::rename(self.folder.join(from), self.folder.join(to))
            .map_err(|e| StorageError::from_io("rename", from, &e))
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        std::fs::remove_file(self.folder.join(name))
            .map_err(|e| StorageError::from_io("remove", name, &e))
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        let failed = |e: io::Error| StorageError::from_io("list", "", &e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            // A name that is not text is not one of ours.
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn sync_dir(&self) -> Result<(), StorageError> {
        self.folder_file.sync_all().map_err(|e| StorageError::from_io("sync folder", "", &e))
    }
}

/// Create the folder and what is missing above it; each is durable once the one above it is synced.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = match folder.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        _ => Path::new("."),
    };
    make_folder(above)?;
    match std::fs::create_dir(folder) {
        Err(e) if !folder.is_dir() => Err(e),
        // Another process may have made it just now.
        _ => File::open(above)?.sync_all(),
    }
}

#[derive(Debug)]
struct DiskFile {
    name: String,
    file: File,
}

impl DiskFile {
    fn failed(&self, operation: &'static str) -> impl Fn(io::Error) -> StorageError + '_ {
        move |e| StorageError::from_io(operation, &self.name, &e)
    }
}

impl StorageFile for DiskFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        self.file.metadata().map(|m| m.len()).map_err(self.failed("measure"))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(&mut into[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.failed("read")(e)),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_all_at(bytes, offset).map_err(self.failed("write"))
    }

    fn write_zeros(&self, offset: u64, count: u64) -> Result<(), StorageError> {
        let mut done = 0;
        while done < count {
            let step = (count - done).min(ZEROS.len() as u64);
            self.write_at(offset + done, &ZEROS[..step as usize])?;
            done += step;
        }
        Ok(())
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        self.file.sync_data().map_err(self.failed("sync"))
    }

    fn forget_cached(&self) {
        // Nothing depends on the answer: at worst the next read comes from memory.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
    }
}
