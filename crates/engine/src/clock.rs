//! The edge where clocks are read. Everything below gets time as a value.

use onrush_core::sale_clock::{Reading, SaleClock};
use onrush_types::Timestamp;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Two clocks: one that people agree on and may step, one that never steps.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Read the wall clock.
    fn wall(&self) -> Timestamp;
    /// Read nanoseconds since some fixed moment; never goes back.
    fn monotonic_ns(&self) -> u64;
}

/// The clocks of this machine.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Timestamp(since.map_or(0, |since| since.as_millis() as u64))
    }

    fn monotonic_ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }
}

/// Sale time for many readers: the ledger thread corrects it, callers add monotonic time.
#[derive(Debug)]
pub(crate) struct SaleTime {
    clock: Arc<dyn Clock>,
    sale: Mutex<SaleClock>,
    offset_ns: AtomicI64,
}

impl SaleTime {
    pub(crate) fn new(clock: Arc<dyn Clock>, last_stamp: Timestamp) -> SaleTime {
        let sale = SaleClock::new(read(&*clock), last_stamp);
        let offset_ns = AtomicI64::new(sale.offset_ns());
        SaleTime { clock, sale: Mutex::new(sale), offset_ns }
    }

    /// Return sale time. One clock read, one load.
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        // Relaxed: a number that stands alone; around a switch it does not change.
        let offset_ns = self.offset_ns.load(Ordering::Relaxed);
        let now_ns = (self.clock.monotonic_ns() as i64).saturating_add(offset_ns);
        Timestamp(u64::try_from(now_ns).unwrap_or(0) / 1_000_000)
    }

    pub(crate) fn monotonic_ns(&self) -> u64 {
        self.clock.monotonic_ns()
    }

    /// Compare both clocks and return sale time. Ledger thread only.
    pub(crate) fn observe(&self, frozen: bool) -> Timestamp {
        let mut sale = self.sale.lock();
        let now = sale.observe(read(&*self.clock), frozen);
        // Relaxed: as in `now`.
        self.offset_ns.store(sale.offset_ns(), Ordering::Relaxed);
        now
    }

    pub(crate) fn steps_seen(&self) -> u64 {
        self.sale.lock().steps_seen()
    }
}

fn read(clock: &dyn Clock) -> Reading {
    // The wall first: time that passes between the two makes sale time late, not early.
    let wall = clock.wall();
    Reading { wall, monotonic_ns: clock.monotonic_ns() }
}
