//! Looks at the deadlines of all connections of a worker now and then, and tells them to stop.
//!
//! One timer for all of them: a connection of its own has none, and a request moves none.

// Relaxed in this file: everything here is used on the one thread of its worker.

use super::watch::{Look, Watch};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch as channel;
use tokio::time::Instant;

/// Looks in the time in which a deadline may be noticed.
const LOOKS_A_TICK: u32 = 2;

/// The open connections of a worker; as many as have a place there.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    open: Mutex<Open>,
    stopping: AtomicBool,
}

#[derive(Debug, Default)]
struct Open {
    watches: Vec<Option<Arc<Watch>>>,
    free: Vec<usize>,
}

/// A connection's entry; gone when dropped.
#[derive(Debug)]
pub(super) struct Entry {
    rounds: Arc<Rounds>,
    at: usize,
}

impl Rounds {
    /// Look after a connection for as long as its entry lives.
    pub(super) fn enter(self: &Arc<Rounds>, watch: Arc<Watch>) -> Entry {
        let mut open = self.open.lock();
        let at = open.free.pop().unwrap_or_else(|| {
            open.watches.push(None);
            open.watches.len() - 1
        });
        open.watches[at] = Some(watch);
        Entry { rounds: self.clone(), at }
    }

    /// Tell whether connections should end after the request they are at.
    pub(super) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Go round for ever. Runs on the worker's own runtime.
    pub(super) async fn go(
        self: Arc<Rounds>,
        mut stopped: channel::Receiver<bool>,
        tick: Duration,
    ) {
        let mut looks = tokio::time::interval(tick / LOOKS_A_TICK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stop| *stop), if !self.stopping() => {
                    self.stopping.store(true, Ordering::Relaxed);
                    self.each(|watch| watch.wake());
                }
                at = looks.tick() => self.look(at),
            }
        }
    }

    fn look(&self, now: Instant) {
        self.each(|watch| {
            if watch.look(now) != Look::Fine {
                watch.wake();
            }
        });
    }

    fn each(&self, visit: impl Fn(&Watch)) {
        self.open.lock().watches.iter().flatten().for_each(|watch| visit(watch));
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut open = self.rounds.open.lock();
        open.watches[self.at] = None;
        open.free.push(self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::watch::Timeouts;

    fn watch() -> Arc<Watch> {
        let secs = Duration::from_secs;
        Arc::new(Watch::new(Timeouts { header: secs(1), body: secs(2), idle: secs(3) }))
    }

    #[test]
    fn an_entry_is_used_again_once_its_connection_is_gone() {
        let rounds = Arc::new(Rounds::default());
        let first = rounds.enter(watch());
        let second = rounds.enter(watch());
        assert_eq!((first.at, second.at), (0, 1));
        drop(first);
        assert_eq!(rounds.open.lock().watches.iter().flatten().count(), 1);
        let third = rounds.enter(watch());
        assert_eq!(third.at, 0);
        assert_eq!(rounds.open.lock().watches.len(), 2);
    }

    #[test]
    fn a_look_ends_those_that_are_late_and_no_others() {
        let rounds = Arc::new(Rounds::default());
        let (late, busy) = (watch(), watch());
        let _entries = [rounds.enter(late.clone()), rounds.enter(busy.clone())];
        busy.handling();
        rounds.look(Instant::now() + Duration::from_secs(2));
        assert!(late.is_over() && !busy.is_over());
    }
}
