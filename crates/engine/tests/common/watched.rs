//! A disk that lets a test look at the engine in the middle of a sync: what was decided is written
//! and not durable yet.

use onrush::journal::{FakeDisk, Storage, StorageError, StorageFile};
use std::sync::{Arc, Mutex};

type Look = Box<dyn FnMut() + Send>;

#[derive(Clone)]
pub(crate) struct Watched {
    disk: FakeDisk,
    look: Arc<Mutex<Option<Look>>>,
}

impl Watched {
    pub(crate) fn new(disk: FakeDisk) -> Watched {
        Watched { disk, look: Arc::default() }
    }

    /// Call `look` before each sync from now on; nothing to stop it.
    pub(crate) fn at_sync(&self, look: Option<Look>) {
        *self.look.lock().expect("no panic in a look") = look;
    }

    fn wrap(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(WatchedFile { file, look: self.look.clone() })
    }
}

impl std::fmt::Debug for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watched")
    }
}

impl Storage for Watched {
    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
        Ok(self.wrap(self.disk.create(name)?))
    }
    fn open(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
        Ok(self.wrap(self.disk.open(name)?))
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.disk.remove(name)
    }
    fn list(&self) -> Result<Vec<String>, StorageError> {
        self.disk.list()
    }
    fn sync_dir(&self) -> Result<(), StorageError> {
        self.disk.sync_dir()
    }
}

struct WatchedFile {
    file: Arc<dyn StorageFile>,
    look: Arc<Mutex<Option<Look>>>,
}

impl std::fmt::Debug for WatchedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WatchedFile")
    }
}

impl StorageFile for WatchedFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        self.file.bytes()
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        self.file.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.file.write_at(offset, bytes)
    }
    fn write_zeros(&self, offset: u64, count: u64) -> Result<(), StorageError> {
        self.file.write_zeros(offset, count)
    }
    fn sync_data(&self) -> Result<(), StorageError> {
        if let Some(look) = &mut *self.look.lock().expect("no panic in a look") {
            look();
        }
        self.file.sync_data()
    }
    fn forget_cached(&self) {
        self.file.forget_cached();
    }
}
