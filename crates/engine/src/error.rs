//! What can go wrong with the machinery. Refusals are not here: they are answers.

use std::fmt;

/// Why the engine could not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EngineError {
    /// The journal failed while the request was under way: it may or may not have been recorded.
    /// Restart, then ask again with the same key; the answer will be the one that was recorded.
    OutcomeUnknown,
    /// The journal failed earlier; nothing was touched. Restart the process: opening the data folder
    /// again recovers everything that was acknowledged.
    JournalFailed {
        /// What failed, for the operator's log.
        cause: String,
    },
    /// The engine was shut down; nothing was touched.
    Stopped,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineError::OutcomeUnknown => f.write_str(
                "the journal failed while this was under way; ask again with the same key after \
                 the restart",
            ),
            EngineError::JournalFailed { cause } => {
                write!(f, "the journal failed and the engine must be restarted: {cause}")
            }
            EngineError::Stopped => f.write_str("the engine was shut down"),
        }
    }
}

impl std::error::Error for EngineError {}

/// Why a data folder could not be opened. Nothing in it was changed, except that a torn tail may
/// have been cut.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The journal cannot be read or written; the text names the place.
    Journal(String),
    /// The secret cannot be read or made.
    Secret(String),
    /// A record does not follow from those before it.
    Replay(String),
    /// An option is out of its range.
    Options(&'static str),
    /// The system did not start a thread.
    Thread(std::io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Journal(what) => write!(f, "the journal cannot be opened: {what}"),
            OpenError::Secret(what) => write!(f, "the data folder's secret: {what}"),
            OpenError::Replay(what) => write!(f, "the journal does not replay: {what}"),
            OpenError::Options(what) => f.write_str(what),
            OpenError::Thread(e) => write!(f, "a thread could not be started: {e}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl<E: fmt::Display> From<onrush_journal::OpenError<E>> for OpenError {
    fn from(error: onrush_journal::OpenError<E>) -> OpenError {
        match error {
            onrush_journal::OpenError::Replay { .. } => OpenError::Replay(error.to_string()),
            other => OpenError::Journal(other.to_string()),
        }
    }
}

/// Why events cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventsError {
    /// The records asked for are no longer kept: start from a snapshot or from `oldest`.
    Truncated {
        /// The oldest LSN that is kept.
        oldest: onrush_types::Lsn,
    },
    /// The journal cannot be read.
    Journal(String),
}

impl fmt::Display for EventsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventsError::Truncated { oldest } => {
                write!(f, "records before LSN {oldest} are no longer kept; start there")
            }
            EventsError::Journal(what) => write!(f, "the journal cannot be read: {what}"),
        }
    }
}

impl std::error::Error for EventsError {}

impl From<onrush_journal::JournalError> for EventsError {
    fn from(error: onrush_journal::JournalError) -> EventsError {
        match error {
            onrush_journal::JournalError::Truncated { oldest } => EventsError::Truncated { oldest },
            other => EventsError::Journal(other.to_string()),
        }
    }
}
