//! Whether people waited as long as they had been told: a sample of promises, and what came of them.
//!
//! Every so often what one look at a ticket promised is noted; when its place is called up, the wait is
//! held against it. When the notes are full every second one is dropped and notes are taken half as
//! often: long waits are not pushed out by short ones. Nothing is kept over a restart. Pauses count as
//! waiting, for whoever waits does not wait less in them.

use onrush::{CampaignIx, Eta, Timestamp};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// Promises of one line that are open.
const OPEN_MAX: usize = 256;
/// The latest waits of which the median is told.
const LATEST_MAX: usize = 512;
/// Time between two looks at what is open; the crowd looks more often than that.
const LOOK_MS: u64 = 100;

/// The promises of all lines.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// When the next look is due of those who wait, and of all others: these must not use up the
    /// looks that have something to note.
    waiting_at: AtomicU64,
    others_at: AtomicU64,
    lines: Mutex<BTreeMap<CampaignIx, Line>>,
}

/// What came of the promises of one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Promises noted whose place was not called up yet.
    pub(crate) open: u64,
    /// Waits that were compared, since the start.
    pub(crate) judged: u64,
    /// Of these: no longer than half of such waits should be.
    pub(crate) within_p50: u64,
    /// Of these: no longer than nine of ten should be.
    pub(crate) within_p90: u64,
    /// How far the wait was from the middle of what was told, half of the latest ones at most.
    pub(crate) error_ms_median: Option<u64>,
}

#[derive(Debug, Default)]
struct Line {
    open: Vec<Promise>,
    /// The next note is not taken before.
    note_at: u64,
    every_ms: u64,
    kept: Kept,
    errors: VecDeque<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Promise {
    place: u32,
    at: Timestamp,
    eta: Eta,
}

impl Promises {
    /// Somebody looked: `promised` is the place and what was told, if it waits; places before
    /// `serving` were called up. One load unless a look is due.
    pub(crate) fn looked(
        &self,
        campaign: CampaignIx,
        promised: Option<(u32, Eta)>,
        serving: u32,
        now: Timestamp,
    ) {
        let due = if promised.is_some() { &self.waiting_at } else { &self.others_at };
        // Relaxed: only spaces looks out; what they find is under the lock.
        if now.0 < due.load(Ordering::Relaxed) {
            return;
        }
        // Who comes while another looks has nothing to add.
        let Some(mut lines) = self.lines.try_lock() else { return };
        // Relaxed: as above.
        due.store(now.0 + LOOK_MS, Ordering::Relaxed);
        let line = lines.entry(campaign).or_default();
        line.settle(serving, now);
        if let Some((place, eta)) = promised.filter(|(place, _)| *place >= serving) {
            line.note(Promise { place, at: now, eta });
        }
    }

    /// Return what came of a line's promises, as of `serving`.
    pub(crate) fn kept(&self, campaign: CampaignIx, serving: u32, now: Timestamp) -> Kept {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(&campaign) else { return Kept::default() };
        line.settle(serving, now);
        let mut errors: Vec<u64> = line.errors.iter().copied().collect();
        errors.sort_unstable();
        let error_ms_median = errors.get(errors.len() / 2).copied();
        Kept { open: line.open.len() as u64, error_ms_median, ..line.kept }
    }
}

impl Line {
    fn note(&mut self, promise: Promise) {
        if promise.at.0 < self.note_at || self.open.iter().any(|it| it.place == promise.place) {
            return;
        }
        if self.open.len() >= OPEN_MAX {
            let mut n = 0;
            self.open.retain(|_| {
                n += 1;
                n % 2 == 0
            });
            self.every_ms = self.every_ms.max(LOOK_MS) * 2;
        }
        self.note_at = promise.at.0 + self.every_ms;
        self.open.push(promise);
    }

    fn settle(&mut self, serving: u32, now: Timestamp) {
        let Line { open, kept, errors, .. } = self;
        open.retain(|promise| {
            let Promise { place, at, eta } = *promise;
            if place >= serving {
                return true;
            }
            let waited_ms = now.since(at).0;
            kept.judged += 1;
            kept.within_p50 += u64::from(waited_ms <= eta.p50_ms);
            kept.within_p90 += u64::from(waited_ms <= eta.p90_ms);
            if errors.len() == LATEST_MAX {
                errors.pop_front();
            }
            errors.push_back(waited_ms.abs_diff(eta.p50_ms));
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: CampaignIx = CampaignIx(3);

    fn eta(p50_ms: u64, p90_ms: u64) -> Eta {
        Eta { p50_ms, p90_ms }
    }

    #[test]
    fn waits_are_held_against_what_was_told() {
        let promises = Promises::default();
        let told = [(0, 1_000, 2_000), (1, 5_000, 9_000), (2, 500, 4_000), (3, 500, 900)];
        for (n, (place, p50, p90)) in told.into_iter().enumerate() {
            let now = Timestamp(10_000 + n as u64 * LOOK_MS);
            promises.looked(LINE, Some((place, eta(p50, p90))), 0, now);
        }
        // Too soon after the last look, and at a place that is noted already: not another one.
        promises.looked(LINE, Some((4, eta(1, 1))), 0, Timestamp(10_301));
        promises.looked(LINE, Some((3, eta(1, 1))), 0, Timestamp(10_500));
        let kept = promises.kept(LINE, 0, Timestamp(10_500));
        assert_eq!(kept, Kept { open: 4, ..Kept::default() });
        // Waits of 2,000, 1,900, 1,800 and 1,700 ms.
        let kept = promises.kept(LINE, 3, Timestamp(12_000));
        let half =
            Kept { open: 1, judged: 3, within_p50: 1, within_p90: 3, error_ms_median: Some(1_300) };
        assert_eq!(kept, half);
        promises.looked(LINE, None, 4, Timestamp(12_000));
        let kept = promises.kept(LINE, 4, Timestamp(99_000));
        assert_eq!((kept.open, kept.judged, kept.within_p50, kept.within_p90), (0, 4, 1, 3));
        assert_eq!(promises.kept(CampaignIx(4), 9, Timestamp(12_000)), Kept::default());
    }

    /// A place that was called up while its owner looked promises nothing any more.
    #[test]
    fn what_was_called_up_is_not_noted() {
        let promises = Promises::default();
        promises.looked(LINE, Some((4, eta(1, 1))), 5, Timestamp(10_000));
        assert_eq!(promises.kept(LINE, 5, Timestamp(10_000)), Kept::default());
    }

    #[test]
    fn notes_are_bounded_and_long_waits_stay_among_them() {
        let promises = Promises::default();
        let mut now = Timestamp(10_000);
        for place in 0..5_000 {
            promises.looked(LINE, Some((place, eta(1, 2))), 0, now);
            now = Timestamp(now.0 + LOOK_MS);
        }
        let lines = promises.lines.lock();
        let open = &lines[&LINE].open;
        assert!((OPEN_MAX / 2..=OPEN_MAX).contains(&open.len()), "{}", open.len());
        let early = open.iter().filter(|it| it.place < 2_500).count();
        assert!(early * 3 > open.len(), "{early} of {} are of the first half", open.len());
        drop(lines);
        assert_eq!(promises.kept(LINE, 5_000, now).open, 0);
        assert!(promises.lines.lock()[&LINE].errors.len() <= LATEST_MAX);
    }
}
