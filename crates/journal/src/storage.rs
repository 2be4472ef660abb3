//! What the journal asks of a disk, as an object-safe trait, so that the real disk, the faulty fake
//! and a simulator share one binary.
//!
//! The contract, on which every crash case of `docs/journal-format.md` rests:
//! - what was written is durable only after `sync_data` of that file returned `Ok`;
//! - a name made, changed or removed is durable only after `sync_dir` returned `Ok`;
//! - after an error of either, nothing is known, and trying again proves nothing.

use std::fmt;
use std::io;
use std::sync::Arc;

/// One folder of named files. Names contain no path separators.
pub trait Storage: Send + Sync + fmt::Debug {
    /// Create an empty file under `name`, replacing any that is there.
    ///
    /// # Errors
    /// [`StorageError::Full`] when there is no room, else what the system said.
    fn create(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError>;

    /// Open the file called `name` for reading and writing.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when there is none.
    fn open(&self, name: &str) -> Result<Arc<dyn StorageFile>, StorageError>;

    /// Give the file `from` the name `to`, replacing any that is there.
    ///
    /// # Errors
    /// What the system said.
    fn rename(&self, from: &str, to: &str) -> Result<(), StorageError>;

    /// Remove the name; a file that is open stays readable through its handle.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] when there is none.
    fn remove(&self, name: &str) -> Result<(), StorageError>;

    /// List the names in the folder, in any order.
    ///
    /// # Errors
    /// What the system said.
    fn list(&self) -> Result<Vec<String>, StorageError>;

    /// Make every change of names so far durable.
    ///
    /// # Errors
    /// What the system said; the caller must not try again.
    fn sync_dir(&self) -> Result<(), StorageError>;
}

/// One open file. Calls may come from several threads.
pub trait StorageFile: Send + Sync + fmt::Debug {
    /// Return the length in bytes.
    ///
    /// # Errors
    /// What the system said.
    fn bytes(&self) -> Result<u64, StorageError>;

    /// Read from `offset` until `into` is full or the file ends; return how much was read.
    ///
    /// # Errors
    /// What the system said.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, StorageError>;

    /// Write all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What the system said; a part may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StorageError>;

    /// Write `count` zero bytes at `offset`, really, so that later writes find their blocks there.
    ///
    /// # Errors
    /// As for [`StorageFile::write_at`].
    fn write_zeros(&self, offset: u64, count: u64) -> Result<(), StorageError>;

    /// Make everything written to this file so far durable, with the length.
    ///
    /// # Errors
    /// What the system said; the caller must not try again.
    fn sync_data(&self) -> Result<(), StorageError>;

    /// Let the system forget what it keeps of this file in memory, so that the next read comes from
    /// the disk. A hint.
    fn forget_cached(&self);
}

/// What a storage operation failed with: the operation, the file, and what the system said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageError {
    /// No room on the disk, or in the quota.
    Full(Failure),
    /// No file of that name.
    NotFound(Failure),
    /// Another process has the folder open.
    Locked(Failure),
    /// Anything else.
    Failed(Failure),
}

/// The place and cause of a [`StorageError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was tried.
    pub operation: &'static str,
    /// On which file; the folder, if empty.
    pub file: String,
    /// The kind of error.
    pub kind: io::ErrorKind,
    /// The system's error number, if it gave one.
    pub errno: Option<i32>,
    /// What it said, in words.
    pub message: String,
}

impl StorageError {
    /// Sort an I/O error into its class.
    pub fn from_io(operation: &'static str, file: &str, error: &io::Error) -> StorageError {
        let failure = Failure {
            operation,
            file: file.to_owned(),
            kind: error.kind(),
            errno: error.raw_os_error(),
            message: error.to_string(),
        };
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                StorageError::Full(failure)
            }
            io::ErrorKind::NotFound => StorageError::NotFound(failure),
            _ => StorageError::Failed(failure),
        }
    }

    /// Make an error for something asked wrongly, with the remedy as its message.
    pub fn invalid(operation: &'static str, file: &str, message: &str) -> StorageError {
        StorageError::Failed(Failure {
            operation,
            file: file.to_owned(),
            kind: io::ErrorKind::InvalidInput,
            errno: None,
            message: message.to_owned(),
        })
    }

    /// Return the place and cause.
    pub fn failure(&self) -> &Failure {
        match self {
            StorageError::Full(f)
            | StorageError::NotFound(f)
            | StorageError::Locked(f)
            | StorageError::Failed(f) => f,
        }
    }

    /// Tell whether the disk was full.
    pub fn is_full(&self) -> bool {
        matches!(self, StorageError::Full(_))
    }

    /// Tell whether there was no such file.
    pub fn is_not_found(&self) -> bool {
        matches!(self, StorageError::NotFound(_))
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { operation, file, message, .. } = self.failure();
        let file = if file.is_empty() { "the data folder" } else { file };
        match self {
            StorageError::Full(_) => write!(
                f,
                "no room to {operation} on {file} ({message}): make room on the disk, service \
                 resumes by itself"
            ),
            StorageError::NotFound(_) => write!(f, "cannot {operation} on {file}: {message}"),
            StorageError::Locked(_) => write!(
                f,
                "{file} is in use by another process: stop that one first, or choose another folder"
            ),
            StorageError::Failed(_) => write!(f, "cannot {operation} on {file}: {message}"),
        }
    }
}

impl std::error::Error for StorageError {}
