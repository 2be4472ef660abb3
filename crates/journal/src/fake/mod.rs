//! A disk in memory that fails on demand, the same way for the same seed.
//!
//! What was written and not synced is kept apart by sectors of 512 bytes. A power cut keeps or loses
//! each of them by itself, so writes are lost, torn and reordered; names changed and not synced are
//! kept in order up to some point. A failed sync leaves the data readable and clean without having
//! stored it, as Linux does. Zeroed files cost no memory.
//!
//! Out of scope, here and for the journal: a disk that reports a sync it did not do.

mod state;

use crate::storage::{Storage, StorageError, StorageFile};
use parking_lot::Mutex;
use state::State;
use std::sync::Arc;

/// What a power cut does to sectors that were written and not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of them are lost.
    Everything,
    /// None is lost.
    Nothing,
    /// Each is lost with a chance of one in two, drawn from the disk's seed.
    Random,
    /// Each is lost with this chance in percent.
    Percent(u8),
}

/// A folder on a fake disk. Cloning gives another handle to the same disk.
#[derive(Clone, Debug)]
pub struct FakeDisk {
    state: Arc<Mutex<State>>,
}

/// How much was asked of a disk so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Everything that changes the disk: the places where power can be cut.
    pub changes: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Writes to files, of zeros too.
    pub writes: u64,
    /// Bytes of these writes.
    pub bytes: u64,
}

impl FakeDisk {
    /// Make an empty disk whose chances follow from `seed`.
    pub fn new(seed: u64) -> FakeDisk {
        FakeDisk { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// Copy the disk as it is, with what was not synced, its faults and its chances; open files stay
    /// with the original.
    pub fn fork(&self) -> FakeDisk {
        FakeDisk { state: Arc::new(Mutex::new(self.state.lock().fork())) }
    }

    /// Start the chances again from another seed.
    pub fn reseed(&self, seed: u64) {
        self.state.lock().reseed(seed);
    }

    /// Return how much was asked of the disk so far.
    pub fn operations(&self) -> Operations {
        self.state.lock().operations
    }

    /// Cut the power now and put it back: unsynced sectors are lost as told, open files are gone,
    /// planned faults are forgotten.
    pub fn power_cut(&self, loss: Loss) {
        self.state.lock().power_cut(loss);
    }

    /// End the process that uses the disk: open files are gone, everything written stays visible,
    /// and what was not synced stays so. Ends what [`FakeDisk::cut_power_at`] began: then it was the
    /// process that died at that change, and not the power.
    pub fn kill(&self) {
        self.state.lock().kill();
    }

    /// Cut the power in the middle of the change with this number, counted from the disk's first as
    /// [`Operations::changes`] does. It and all that follow fail until [`FakeDisk::power_cut`] or
    /// [`FakeDisk::kill`].
    pub fn cut_power_at(&self, change: u64) {
        self.state.lock().faults.cut_power_at = Some(change);
    }

    /// Let the sync with this number, counted from the disk's first, fail with EIO.
    pub fn fail_sync(&self, sync: u64) {
        self.state.lock().faults.fail_sync = Some(sync);
    }

    /// Let the write with this number, counted from the disk's first, fail with EIO, some or all of it done.
    pub fn fail_write(&self, write: u64) {
        self.state.lock().faults.fail_write = Some(write);
    }

    /// Let the write with this number land so many sectors further on (or back).
    pub fn misdirect_write(&self, write: u64, sectors: i64) {
        self.state.lock().faults.misdirect = Some((write, sectors));
    }

    /// Forget the faults that were planned and did not come yet.
    pub fn forget_faults(&self) {
        self.state.lock().faults = Default::default();
    }

    /// Set how many bytes all files may have together; nothing for no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().capacity = bytes;
    }

    /// Return how many bytes all files have together.
    pub fn used_bytes(&self) -> u64 {
        self.state.lock().used_bytes()
    }

    /// Flip one bit of a file, in memory and on the disk, as a failing medium would. Returns whether
    /// the file is that long.
    pub fn flip_bit(&self, file: &str, bit: u64) -> bool {
        self.state.lock().flip_bit(file, bit)
    }

    /// Cut a file to this length, as an operator's accident would. Returns whether there is one.
    pub fn truncate(&self, file: &str, bytes: u64) -> bool {
        self.state.lock().truncate(file, bytes)
    }

    /// Return the content of a file as a process would read it.
    pub fn content(&self, file: &str) -> Option<Vec<u8>> {
        self.state.lock().content(file)
    }

    fn handle(&self, name: &str, node: u64) -> Arc<dyn StorageFile> {
        let life = self.state.lock().life;
        Arc::new(FakeFile { state: self.state.clone(), name: name.to_owned(), node, life })
    }
}

impl Storage for FakeDisk {
    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
        let node = self.state.lock().create(name)?;
        Ok(self.handle(name, node))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
        let node = self.state.lock().open(name)?;
        Ok(self.handle(name, node))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError> {
        self.state.lock().rename(from, to)
    }

    fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.state.lock().remove(name)
    }

    fn list(&self) -> Result<Vec<String>, StorageError> {
        self.state.lock().list()
    }

    fn sync_dir(&self) -> Result<(), StorageError> {
        self.state.lock().sync_dir()
    }
}

/// An open file; it works until the process or the power ends.
#[derive(Debug)]
struct FakeFile {
    state: Arc<Mutex<State>>,
    name: String,
    node: u64,
    life: u64,
}

impl FakeFile {
    /// Run something on the disk, unless this handle's process is gone.
    fn with<T>(
        &self,
        operation: &'static str,
        run: impl FnOnce(&mut State, u64) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        let mut state = self.state.lock();
        if state.life != self.life {
            return Err(StorageError::invalid(operation, &self.name, "its process has ended"));
        }
        run(&mut state, self.node)
    }
}

impl StorageFile for FakeFile {
    fn bytes(&self) -> Result<u64, StorageError> {
        self.with("measure", |state, node| state.bytes(node, &self.name))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError> {
        self.with("read", |state, node| state.read(node, &self.name, offset, into))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        self.with("write", |state, node| state.write(node, &self.name, offset, bytes))
    }

    fn write_zeros(&self, offset: u64, count: u64) -> Result<(), StorageError> {
        self.with("write", |state, node| state.write_zeros(node, &self.name, offset, count))
    }

    fn sync_data(&self) -> Result<(), StorageError> {
        self.with("sync", |state, node| state.sync(node, &self.name))
    }

    fn forget_cached(&self) {}
}
