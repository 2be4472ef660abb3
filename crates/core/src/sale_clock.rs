//! Time as a sale sees it: the wall clock while there is time to correct it, monotonic time around
//! the start and during the sale.
//!
//! A wall clock may step (an operator, NTP, a virtual machine that was moved). Until
//! [`FREEZE_BEFORE_MS`] before a switch the sale follows it; from then until it is told that no
//! switch or open sale is near, sale time is the last wall reading plus monotonic time. A step in
//! that span raises an alert and changes nothing (INV-7). Sale time never runs backwards.
//!
//! Wall readings are whole milliseconds, rounded down, and monotonic ones nanoseconds, so that sale
//! time is up to a millisecond behind the wall clock and never before it: nothing opens early.

use onrush_types::Timestamp;
use onrush_types::planted;

/// How long before a switch the wall clock is no longer followed.
pub const FREEZE_BEFORE_MS: u64 = 10_000;

/// A difference between wall clock and sale time that is reported as a step.
pub const STEP_MS: u64 = 100;

/// Turns readings of two clocks into sale time. Reads none itself.
#[derive(Debug, Clone)]
pub struct SaleClock {
    /// Sale time minus monotonic time, in nanoseconds.
    offset_ns: i128,
    latest: Timestamp,
    steps_seen: u64,
    stepped: bool,
}

/// One reading of both clocks, as close together as can be.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// What the wall clock says.
    pub wall: Timestamp,
    /// Nanoseconds of a clock that never steps.
    pub monotonic_ns: u64,
}

const NS_PER_MS: i128 = 1_000_000;

impl SaleClock {
    /// Start at the later of the wall clock and the last stamp in the journal.
    pub fn new(first: Reading, last_stamp: Timestamp) -> SaleClock {
        let start = first.wall.max(last_stamp);
        SaleClock {
            offset_ns: i128::from(start.0) * NS_PER_MS - i128::from(first.monotonic_ns),
            latest: start,
            steps_seen: 0,
            stepped: false,
        }
    }

    /// Return what to add to monotonic nanoseconds to get sale time in nanoseconds. Fits until the
    /// year 2262.
    pub fn offset_ns(&self) -> i64 {
        self.offset_ns as i64
    }

    /// Return how many steps of the wall clock were seen and not followed.
    pub fn steps_seen(&self) -> u64 {
        self.steps_seen
    }

    /// Take a reading into account and return sale time.
    ///
    /// `frozen` says that a switch is less than [`FREEZE_BEFORE_MS`] away or a sale is open.
    pub fn observe(&mut self, reading: Reading, frozen: bool) -> Timestamp {
        let monotonic_ns = i128::from(reading.monotonic_ns);
        let ahead_ns = i128::from(reading.wall.0) * NS_PER_MS - (monotonic_ns + self.offset_ns);
        if planted!("sale-follows-wall", false, frozen) {
            let stepped = ahead_ns.abs() >= i128::from(STEP_MS) * NS_PER_MS;
            self.steps_seen += u64::from(stepped && !self.stepped);
            self.stepped = stepped;
        } else {
            self.stepped = false;
            // A wall clock that went back waits for sale time to catch up: never backwards.
            let floor_ns = i128::from(self.latest.0) * NS_PER_MS - monotonic_ns;
            self.offset_ns = (self.offset_ns + ahead_ns).max(floor_ns);
        }
        let now = u64::try_from((monotonic_ns + self.offset_ns) / NS_PER_MS).unwrap_or(0);
        self.latest = self.latest.max(Timestamp(now));
        self.latest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onrush_types::DurationMs;
    use proptest::prelude::*;

    fn at(wall: u64, monotonic: u64) -> Reading {
        Reading { wall: Timestamp(wall), monotonic_ns: monotonic * 1_000_000 }
    }

    #[test]
    fn follows_the_wall_until_it_is_frozen() {
        let mut clock = SaleClock::new(at(1_000_000, 50), Timestamp(0));
        assert_eq!(clock.observe(at(1_000_100, 150), false), Timestamp(1_000_100));
        assert_eq!(clock.observe(at(4_600_200, 250), false), Timestamp(4_600_200), "an hour ahead");
        assert_eq!(clock.observe(at(8_200_300, 350), true), Timestamp(4_600_300), "not followed");
        assert_eq!(clock.observe(at(8_200_400, 450), true), Timestamp(4_600_400));
        assert_eq!(clock.steps_seen(), 1, "one step, one alert");
    }

    #[test]
    fn never_runs_backwards() {
        let mut clock = SaleClock::new(at(5_000_000, 0), Timestamp(0));
        assert_eq!(clock.observe(at(1_400_100, 100), false), Timestamp(5_000_000));
        assert_eq!(clock.observe(at(1_400_200, 200), false), Timestamp(5_000_000));
        assert_eq!(clock.observe(at(5_000_500, 300), false), Timestamp(5_000_500));
        let mut restarted = SaleClock::new(at(1, 0), Timestamp(5_000_500));
        assert_eq!(
            restarted.observe(at(11, 10), true),
            Timestamp(5_000_510),
            "on from the journal"
        );
    }

    #[test]
    fn a_leap_second_under_freeze_changes_nothing() {
        let mut clock = SaleClock::new(at(10_000, 0), Timestamp(0));
        clock.observe(at(10_000, 0), true);
        assert_eq!(clock.observe(at(10_500, 1_500), true), Timestamp(11_500));
        assert_eq!(clock.steps_seen(), 1);
    }

    /// An alert for every wobble is read by nobody, and a step without one by nobody either.
    #[test]
    fn a_step_is_told_from_a_wobble_to_the_millisecond() {
        for (off, steps) in [(0, 0), (1, 0), (2, 0), (99, 0), (100, 1), (101, 1)] {
            for wall in [1_000_010 + off, 1_000_010 - off] {
                let mut clock = SaleClock::new(at(1_000_000, 0), Timestamp(0));
                assert_eq!(clock.steps_seen(), 0);
                assert_eq!(clock.observe(at(wall, 10), true), Timestamp(1_000_010));
                assert_eq!(clock.steps_seen(), steps, "{off} ms");
            }
        }
        // One that came back and went again is a second one.
        let mut clock = SaleClock::new(at(1_000_000, 0), Timestamp(0));
        for (wall, steps) in [(1_000_100, 1), (1_000_100, 1), (1_000_099, 1), (1_000_100, 2)] {
            clock.observe(at(wall, 0), true);
            assert_eq!(clock.steps_seen(), steps, "at {wall}");
        }
    }

    /// Other threads turn their monotonic readings into sale time with this number alone.
    #[test]
    fn the_offset_turns_monotonic_time_into_sale_time() {
        let mut clock = SaleClock::new(at(1_000_000, 50), Timestamp(0));
        assert_eq!(clock.offset_ns(), 999_950_000_000);
        clock.observe(at(2_000_000, 60), true);
        assert_eq!(clock.offset_ns(), 999_950_000_000, "a step is not followed");
        let now = clock.observe(at(2_000_000, 70), false);
        assert_eq!(clock.offset_ns(), 1_999_930_000_000);
        assert_eq!(now, Timestamp((clock.offset_ns() as u64 + 70_000_000) / 1_000_000));
        // Sale time from a journal that is younger than the machine's clock.
        assert_eq!(SaleClock::new(at(3, 5), Timestamp(4)).offset_ns(), -1_000_000);
    }

    /// Wherever in their milliseconds the two clocks are read: frozen sale time is never before the
    /// true wall time, and less than a millisecond behind it.
    #[test]
    fn a_millisecond_that_is_cut_never_opens_early() {
        for wall_ns in (0..3_000_000u64).step_by(70_001) {
            for monotonic_ns in (0..3_000_000u64).step_by(90_001) {
                let wall = |after: u64| (5_000_000_000 + wall_ns + after) / 1_000_000;
                let reading = |after: u64| Reading {
                    wall: Timestamp(wall(after)),
                    monotonic_ns: monotonic_ns + after,
                };
                let mut clock = SaleClock::new(reading(0), Timestamp(0));
                for after in (0..5_000_000).step_by(110_017) {
                    let now = clock.observe(reading(after), true).0;
                    assert!(now <= wall(after) && now + 1 >= wall(after), "{now} at {after} ns");
                }
            }
        }
    }

    proptest! {
        /// Whatever the wall clock does: never backwards, and while frozen exactly as monotonic
        /// time goes (INV-7).
        #[test]
        fn no_step_of_the_wall_moves_a_frozen_sale(
            first: u32,
            readings in proptest::collection::vec((any::<u32>(), 0u64..5_000, any::<bool>()), 1..40),
        ) {
            let mut clock = SaleClock::new(at(u64::from(first), 0), Timestamp(1_000));
            let (mut monotonic, mut before) = (0, Timestamp(u64::from(first).max(1_000)));
            for (wall, passed, frozen) in readings {
                monotonic += passed;
                let now = clock.observe(at(u64::from(wall), monotonic), frozen);
                let expected = match frozen {
                    true => before + DurationMs(passed),
                    false => before.max(Timestamp(u64::from(wall))),
                };
                prop_assert_eq!(now, expected);
                before = now;
            }
        }
    }
}
