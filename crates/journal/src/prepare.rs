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
