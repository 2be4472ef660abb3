//! Events by time in bounded memory: when the cells run out, pairs of them become one.

use onrush::Timestamp;

/// Cells of a series at most.
const CELLS_MAX: usize = 600;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Somebody joined the line.
    Joined = 0,
    /// Units were held.
    Held = 1,
    /// A hold was sold.
    Sold = 2,
}

/// How many of each [`Event`] there were in one cell.
pub(super) type Counts = [u64; 3];

/// Counts by time. Cells have equal width, a second or more; the first starts at `from`.
#[derive(Clone, Debug)]
pub(super) struct Series {
    from: Option<Timestamp>,
    width_ms: u64,
    cells: Vec<Counts>,
    /// No event after this is counted; none: cells get wider instead.
    until_ms: Option<u64>,
}

impl Series {
    /// Begin with the first event, and become coarser as time goes on.
    pub(super) fn whole() -> Series {
        Series { from: None, width_ms: 1_000, cells: Vec::new(), until_ms: None }
    }

    /// Count the first ten minutes from `from` on, by the second.
    pub(super) fn opening(from: Timestamp) -> Series {
        let until_ms = Some(CELLS_MAX as u64 * 1_000);
        Series { from: Some(from), until_ms, ..Series::whole() }
    }

    /// Count one event. Times must not go back behind the first.
    pub(super) fn count(&mut self, at: Timestamp, event: Event) {
        let from = *self.from.get_or_insert(Timestamp(at.0 / 1_000 * 1_000));
        let Some(since_ms) = at.0.checked_sub(from.0) else { return };
        if self.until_ms.is_some_and(|until_ms| since_ms >= until_ms) {
            return;
        }
        while since_ms / self.width_ms >= CELLS_MAX as u64 {
            self.widen();
        }
        let cell = (since_ms / self.width_ms) as usize;
        if self.cells.len() <= cell {
            self.cells.resize(cell + 1, [0; 3]);
        }
        self.cells[cell][event as usize] += 1;
    }

    /// Return when each cell starts, with its counts.
    pub(super) fn cells(&self) -> impl Iterator<Item = (Timestamp, Counts)> {
        let (from, width_ms) = (self.from.unwrap_or(Timestamp(0)), self.width_ms);
        let starts = (0..).map(move |n| Timestamp(from.0 + n * width_ms));
        starts.zip(self.cells.iter().copied())
    }

    /// Return how wide a cell is.
    pub(super) fn width_ms(&self) -> u64 {
        self.width_ms
    }

    /// Return one event as points: minutes or seconds since the first cell, and how many a second.
    pub(super) fn points(&self, event: Event, unit_ms: f64) -> Vec<(f64, f64)> {
        let width_s = self.width_ms as f64 / 1e3;
        let at = |n: usize| n as f64 * self.width_ms as f64 / unit_ms;
        let rate = |counts: &Counts| counts[event as usize] as f64 / width_s;
        // A line needs two points, and ends at zero.
        let last = (at(self.cells.len()), 0.0);
        let points = self.cells.iter().enumerate().map(|(n, counts)| (at(n), rate(counts)));
        points.chain([last]).collect()
    }

    fn widen(&mut self) {
        self.width_ms *= 2;
        let pairs = self.cells.chunks(2);
        self.cells = pairs
            .map(|pair| std::array::from_fn(|n| pair.iter().map(|counts| counts[n]).sum()))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_however_long_it_takes(steps in proptest::collection::vec(0_u64..4_000_000, 1..300)) {
            let mut series = Series::whole();
            let mut at = 1_800_000_000_123;
            let mut expected = [0; 3];
            let mut times = Vec::new();
            for (n, step) in steps.iter().enumerate() {
                at += step;
                let event = [Event::Joined, Event::Held, Event::Sold][n % 3];
                series.count(Timestamp(at), event);
                expected[event as usize] += 1;
                times.push((at, event));
            }
            let cells: Vec<_> = series.cells().collect();
            prop_assert!(cells.len() <= CELLS_MAX);
            for (start, counts) in cells {
                let end = start.0 + series.width_ms();
                for event in [Event::Joined, Event::Held, Event::Sold] {
                    let inside = |t: &&(u64, Event)| t.1 == event && (start.0..end).contains(&t.0);
                    let count = times.iter().filter(inside).count() as u64;
                    prop_assert_eq!(counts[event as usize], count);
                    expected[event as usize] -= count;
                }
            }
            prop_assert_eq!(expected, [0; 3]);
        }
    }

    #[test]
    fn the_opening_ends_after_ten_minutes() {
        let mut series = Series::opening(Timestamp(5_500));
        for at in [5_499, 5_500, 6_499, 6_500, 605_499, 605_500] {
            series.count(Timestamp(at), Event::Held);
        }
        let counted: Vec<u64> = series.cells().map(|(_, counts)| counts[1]).collect();
        assert_eq!((counted[0], counted[1], counted[599]), (2, 1, 1));
        assert_eq!(counted.iter().sum::<u64>(), 4, "neither before nor after");
    }

    #[test]
    fn points_are_rates() {
        let mut series = Series::opening(Timestamp(0));
        series.count(Timestamp(1_500), Event::Sold);
        series.count(Timestamp(1_900), Event::Sold);
        assert_eq!(series.points(Event::Sold, 1e3), [(0.0, 0.0), (1.0, 2.0), (2.0, 0.0)]);
    }
}
