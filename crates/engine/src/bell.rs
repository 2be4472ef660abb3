//! Wakes the ledger thread, and only when it sleeps.
//!
//! | word     | meaning                                   | moved there by            |
//! |----------|-------------------------------------------|---------------------------|
//! | RUNNING  | the ledger thread looks at its queues     | ledger thread             |
//! | RUNG     | something came since it began to look     | any caller, after a push  |
//! | SLEEPING | it is parked, or about to be              | ledger thread             |
//!
//! Every move is a swap of one word, so callers and ledger thread agree on their order: a ring that
//! comes after the ledger's swap to SLEEPING sees SLEEPING and unparks; one that comes before leaves
//! RUNG, which that swap sees. No ring is lost, and a busy ledger costs a caller one swap.

use crate::sync::{AtomicU32, Mutex, Ordering, Thread, current, park_timeout};
use std::time::Duration;

const RUNNING: u32 = 0;
const RUNG: u32 = 1;
const SLEEPING: u32 = 2;

#[derive(Debug, Default)]
pub(crate) struct Bell {
    word: AtomicU32,
    sleeper: Mutex<Option<Thread>>,
}

impl Bell {
    /// Name this thread as the one that answers; before it sleeps for the first time.
    pub(crate) fn answered_here(&self) {
        *self.sleeper.lock() = Some(current());
    }

    /// Make sure the ledger thread looks at its queues after this.
    #[inline]
    pub(crate) fn ring(&self) {
        // AcqRel: Release publishes the push to the swap in `begin`/`sleep`; Acquire orders the
        // unpark after the sleeper's registration.
        if self.word.swap(RUNG, Ordering::AcqRel) == SLEEPING
            && let Some(thread) = &*self.sleeper.lock()
        {
            thread.unpark();
        }
    }

    /// Begin a look at the queues: rings from now on count for the next one.
    pub(crate) fn begin(&self) {
        // AcqRel: Acquire pairs with the Release of `ring`, so the pushes before it are seen.
        self.word.swap(RUNNING, Ordering::AcqRel);
    }

    /// Sleep until somebody rings or `timeout` has passed; not at all when somebody rang since
    /// `begin`.
    pub(crate) fn sleep(&self, timeout: Duration) {
        // AcqRel: partner of the swap in `ring`, see above.
        if self.word.swap(SLEEPING, Ordering::AcqRel) == RUNG {
            return;
        }
        park_timeout(timeout);
    }
}
