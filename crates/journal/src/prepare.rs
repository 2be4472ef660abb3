//! Preparing the next segment, away from the commit path.
//!
//! A segment is zeroed and synced in steps of 4 MiB under a temporary name, then gets its own (C3).
//! The job owns what it needs, so an engine runs it on another thread and hands it back; a simulator
//! runs it a step at a time in between. A full disk ends the job and gives its room back; the next
//! job starts afresh.

use crate::layout::{PREPARE_STEP_BYTES, PREPARING_NAME, segment_name};
use crate::segment::Segment;
use crate::storage::{Storage, StorageError, StorageFile};
use onrush_types::planted;
use std::sync::Arc;

/// One segment being prepared. Made by `Journal::prepare`, handed back to `Journal::prepared`.
#[derive(Debug)]
#[must_use = "hand the job back to the journal, or it never prepares another"]
pub struct PrepareJob {
    storage: Arc<dyn Storage>,
    number: u64,
    bytes: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    Zeroing { file: Option<Arc<dyn StorageFile>>, done: u64 },
    Ready(Arc<dyn StorageFile>),
    Failed(StorageError),
}

/// Whether a job needs more steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepare {
    /// Call `step` again.
    More,
    /// Hand the job back.
    Done,
}

impl PrepareJob {
    pub(crate) fn new(storage: Arc<dyn Storage>, number: u64, bytes: u64) -> PrepareJob {
        PrepareJob { storage, number, bytes, state: State::Zeroing { file: None, done: 0 } }
    }

    /// Do a bounded piece of the work: at most 4 MiB written, and one sync.
    ///
    /// Failure is kept in the job and told when it is handed back.
    pub fn step(&mut self) -> Prepare {
        if !matches!(self.state, State::Zeroing { .. }) {
            return Prepare::Done;
        }
        match self.try_step(PREPARE_STEP_BYTES) {
            Ok(more) => more,
            Err(error) => {
                self.give_up(error);
                Prepare::Done
            }
        }
    }

    fn try_step(&mut self, bytes_max: u64) -> Result<Prepare, StorageError> {
        let State::Zeroing { file, done } = &mut self.state else { return Ok(Prepare::Done) };
        let file = match file {
            Some(file) => file,
            None => file.insert(self.storage.create(PREPARING_NAME)?),
        };
        if *done < self.bytes {
            let step = (self.bytes - *done).min(bytes_max);
            file.write_zeros(*done, step)?;
            file.sync_data()?;
            *done += step;
            return Ok(Prepare::More);
        }
        let file = file.clone();
        self.storage.rename(PREPARING_NAME, &segment_name(self.number))?;
        planted!("segment-name-unsynced", (), self.storage.sync_dir()?);
        self.state = State::Ready(file);
        Ok(Prepare::Done)
    }

    /// Keep the error, and give the room back if there was not enough.
    fn give_up(&mut self, error: StorageError) {
        let error = match error.is_full().then(|| self.storage.remove(PREPARING_NAME)) {
            Some(Err(other)) if !other.is_not_found() => other,
            _ => error,
        };
        self.state = State::Failed(error);
    }

    /// Do all the work at once, with a single sync: for an opening, when nothing else waits.
    pub(crate) fn run(mut self) -> PrepareJob {
        while matches!(self.state, State::Zeroing { .. }) {
            if let Err(error) = self.try_step(u64::MAX) {
                self.give_up(error);
            }
        }
        self
    }

    /// Return the outcome, or nothing if steps are missing.
    pub(crate) fn finish(self) -> Option<Result<Segment, StorageError>> {
        match self.state {
            State::Ready(file) => {
                Some(Ok(Segment { number: self.number, file, bytes: self.bytes }))
            }
            State::Failed(error) => Some(Err(error)),
            State::Zeroing { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeDisk;
    use std::io;

    /// A full disk that answers removals with this.
    #[derive(Debug)]
    struct FullDisk(io::ErrorKind);

    fn full() -> StorageError {
        StorageError::from_io("create", PREPARING_NAME, &io::ErrorKind::StorageFull.into())
    }

    impl FullDisk {
        fn removal(&self) -> StorageError {
            StorageError::from_io("remove", PREPARING_NAME, &self.0.into())
        }
    }

    impl Storage for FullDisk {
        fn create(&self, _: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
            Err(full())
        }

        fn open(&self, _: &str) -> Result<Arc<dyn StorageFile>, StorageError> {
            Err(full())
        }

        fn rename(&self, _: &str, _: &str) -> Result<(), StorageError> {
            Ok(())
        }

        fn remove(&self, _: &str) -> Result<(), StorageError> {
            Err(self.removal())
        }

        fn list(&self) -> Result<Vec<String>, StorageError> {
            Ok(Vec::new())
        }

        fn sync_dir(&self) -> Result<(), StorageError> {
            Ok(())
        }
    }

    /// A full disk is waited for, a failing one stops the journal: which of both it is may not be lost
    /// while room is given back.
    #[test]
    fn a_full_disk_that_fails_besides_is_a_failing_one() {
        for kind in [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied] {
            let disk = FullDisk(kind);
            let told = if kind == io::ErrorKind::NotFound { full() } else { disk.removal() };
            let mut job = PrepareJob::new(Arc::new(disk), 1, 4_096);
            assert_eq!(job.step(), Prepare::Done);
            let outcome = job.finish().expect("it ended").map(|segment| segment.number);
            assert_eq!(outcome, Err(told), "{kind}");
        }
    }

    #[test]
    fn a_segment_gets_its_size_and_no_more_in_steps() {
        let disk = FakeDisk::new(1);
        let bytes = PREPARE_STEP_BYTES + PREPARE_STEP_BYTES / 2;
        let mut job = PrepareJob::new(Arc::new(disk.clone()), 3, bytes);
        for done in [PREPARE_STEP_BYTES, bytes] {
            assert_eq!((job.step(), disk.used_bytes()), (Prepare::More, done));
        }
        assert_eq!((job.step(), disk.used_bytes()), (Prepare::Done, bytes));
        assert_eq!(disk.list().expect("it lists"), [segment_name(3)]);
        let segment = job.finish().expect("it ended").expect("there was room");
        assert_eq!((segment.number, segment.bytes), (3, bytes));
    }
}
