//! The journal as a stream, for whoever follows: exports, mirrors, webhooks.

use crate::error::{EngineError, EventsError};
use crate::shared::Shared;
use onrush_core::ledger::{Record, decode};
use onrush_journal::JournalReader;
use onrush_types::Lsn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Reads durable records in order, from any LSN that is still kept.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    reader: JournalReader,
}

impl Events {
    pub(crate) fn open(shared: Arc<Shared>, from: Lsn) -> Result<Events, EventsError> {
        let reader = JournalReader::open(shared.storage.clone(), from)?;
        Ok(Events { shared, reader })
    }

    /// Return the next durable record; wait up to `wait` for one to come.
    ///
    /// A record is returned only after it is durable, so what a follower has seen never goes away.
    ///
    /// # Errors
    /// [`EventsError::Truncated`] when the record was removed meanwhile; a journal error.
    pub fn next(&mut self, wait: Duration) -> Result<Option<(Lsn, Record)>, EventsError> {
        if self.shared.durable_lsn() < self.reader.next_lsn() {
            self.wait_for_more(wait);
        }
        let durable = self.shared.durable_lsn();
        match self.reader.next(durable)? {
            None => Ok(None),
            Some((lsn, bytes)) => {
                let record = decode(bytes).map_err(|e| EventsError::Journal(e.to_string()))?;
                Ok(Some((lsn, record)))
            }
        }
    }

    fn wait_for_more(&self, wait: Duration) {
        let (mutex, more) = &self.shared.watch;
        // AcqRel: partner of the look in `publish_lsn`; whoever publishes after this notifies.
        self.shared.watchers.fetch_add(1, Ordering::AcqRel);
        let mut guard = mutex.lock();
        if self.shared.durable_lsn() < self.reader.next_lsn() && self.shared.failed.get().is_none()
        {
            more.wait_for(&mut guard, wait);
        }
        drop(guard);
        // Relaxed: one watcher less only saves a notification.
        self.shared.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl From<EngineError> for EventsError {
    fn from(error: EngineError) -> EventsError {
        EventsError::Journal(error.to_string())
    }
}
