//! Two clocks that move when a history says so.

use onrush::{Clock, Timestamp};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where every history's wall clock starts.
pub const T0: u64 = 1_800_000_000_000;

/// A wall clock that steps and drifts, and a monotonic one that does neither.
#[derive(Debug)]
pub struct SimClock {
    wall_ms: AtomicU64,
    monotonic_ms: AtomicU64,
    drift_permille: i64,
}

impl SimClock {
    /// Start both.
    pub fn new(drift_permille: i64) -> SimClock {
        let (wall_ms, monotonic_ms) = (AtomicU64::new(T0), AtomicU64::new(7));
        SimClock { wall_ms, monotonic_ms, drift_permille }
    }

    /// Let time pass: the wall clock a little faster or slower.
    pub fn pass(&self, ms: u64) {
        // Relaxed here and below: one thread uses a history's clock.
        self.monotonic_ms.fetch_add(ms, Ordering::Relaxed);
        self.step_wall(ms as i64 + ms as i64 * self.drift_permille / 1_000);
    }

    /// Step the wall clock alone.
    pub fn step_wall(&self, ms: i64) {
        // Relaxed: as above.
        let wall = self.wall_ms.load(Ordering::Relaxed).saturating_add_signed(ms);
        // Relaxed: as above.
        self.wall_ms.store(wall, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn wall(&self) -> Timestamp {
        // Relaxed: as above.
        Timestamp(self.wall_ms.load(Ordering::Relaxed))
    }

    fn monotonic_ns(&self) -> u64 {
        // Relaxed: as above.
        self.monotonic_ms.load(Ordering::Relaxed) * 1_000_000
    }
}
