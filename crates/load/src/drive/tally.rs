//! What a run counts: figures, latencies, slices of time, who got what, and what came out of order.

use super::Step;
use crate::crowd::{Behaviour, Guest};
use crate::run::figures::{histogram, record};
use crate::run::{Figures, Kind, Latency};
use crate::verdict::Check;
use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

/// Slices kept; when there are more, two become one.
const SLICES_MAX: usize = 600;

/// Kinds of answers by what they are timed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timed {
    Granted,
    Refused,
    Settled,
    Joined,
    Looked,
    Paged,
}

/// Everything that was counted so far.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Counts, and the latencies of reserves and settlements.
    pub figures: Figures,
    /// Latencies of all reserves.
    pub reserves: Histogram<u64>,
    /// Latencies of joining a line.
    pub joins: Histogram<u64>,
    /// Latencies of looks at a place.
    pub looks: Histogram<u64>,
    /// Latencies of pages and of looks at a reservation.
    pub pages: Histogram<u64>,
    /// How late requests were sent that did not have to wait for a connection: the load's own doing.
    pub lag: Histogram<u64>,
    /// Requests that waited for a connection.
    pub queued: u64,
    /// Arrivals that were never sent, because no connection became free.
    pub unsent: u64,
    /// Requests that were walked away from.
    pub abandoned: u64,
    /// Holds that were given back, at a described target.
    pub released: u64,
    /// Requests sent.
    pub sent: u64,
    /// Connections opened.
    pub connections: u64,
    /// By behaviour.
    pub by_behaviour: [ByBehaviour; Behaviour::ALL.len()],
    /// The line.
    pub in_line: InLine,
    /// What came in which order.
    pub order: Order,
    /// By time.
    pub series: Series,
    refusals: Vec<(u16, Box<str>, u64)>,
    warm_up: Duration,
}

/// What those who behave in one way came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByBehaviour {
    /// Guests.
    pub guests: u64,
    /// Holds.
    pub holds: u64,
    /// Units held.
    pub units: u64,
    /// Sales.
    pub sales: u64,
}

/// The line as the crowd met it.
#[derive(Clone, Debug)]
pub struct InLine {
    /// New tickets.
    pub joined: u64,
    /// Passes that were shown.
    pub called_up: u64,
    /// Told that all is sold.
    pub in_vain: u64,
    /// Left, since it took too long.
    pub left: u64,
    /// Pieces of streams.
    pub events: u64,
    /// From joining to the pass.
    pub waits: Histogram<u64>,
}

/// What must not go backwards, watched as it is heard. A request that was sent after something was
/// heard must be behind it; requests that overlap may come in any order.
#[derive(Clone, Debug)]
pub struct Order {
    lsn_max: u64,
    number_max: u64,
    served_max: u64,
    /// Each: what was looked at, and what was wrong.
    checks: [Check; 3],
}

/// Slices of a run, of equal width.
#[derive(Clone, Debug)]
pub struct Series {
    width: Duration,
    slices: Vec<Slice>,
    present: Slice,
    latencies: Histogram<u64>,
    /// When the present slice ends.
    ends: Duration,
}

/// One slice of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Slice {
    /// When it began, from the start of the run.
    pub at_ms: u64,
    /// Arrivals.
    pub arrived: u64,
    /// Answers.
    pub answered: u64,
    /// Reserves that were granted.
    pub granted: u64,
    /// Reserves that were refused.
    pub refused: u64,
    /// Requests without an answer.
    pub unanswered: u64,
    /// Median of all latencies, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 were faster.
    pub p99_us: u64,
    /// The slowest.
    pub max_us: u64,
}

impl Tally {
    /// Begin with nothing counted, nothing left out, and slices of a second.
    pub fn empty() -> Tally {
        Tally::new(Duration::ZERO, Duration::from_secs(1))
    }

    pub(super) fn new(warm_up: Duration, slice: Duration) -> Tally {
        Tally {
            figures: Figures::default(),
            reserves: histogram(),
            joins: histogram(),
            looks: histogram(),
            pages: histogram(),
            lag: histogram(),
            queued: 0,
            unsent: 0,
            abandoned: 0,
            released: 0,
            sent: 0,
            connections: 0,
            by_behaviour: Default::default(),
            in_line: InLine {
                joined: 0,
                called_up: 0,
                in_vain: 0,
                left: 0,
                events: 0,
                waits: histogram(),
            },
            order: Order::new(),
            series: Series::new(slice),
            refusals: Vec::new(),
            warm_up,
        }
    }

    pub(super) fn arrived(&mut self, guest: &Guest) {
        self.figures.arrived += 1;
        self.by_behaviour[guest.behaviour as usize].guests += 1;
        self.series.present.arrived += 1;
    }

    /// Note how late a request goes out. If it waited for a connection, that says nothing of us.
    pub(super) fn sent_late(&mut self, late: Duration, blocked: bool, due: Duration) {
        self.sent += 1;
        if blocked {
            self.queued += 1;
        } else if due >= self.warm_up {
            record(&mut self.lag, late);
        }
    }

    pub(super) fn answered(
        &mut self,
        kind: Timed,
        latency: Duration,
        due: Duration,
        now: Duration,
    ) {
        self.series.reach(now);
        self.series.present.answered += 1;
        record(&mut self.series.latencies, latency);
        match kind {
            Timed::Granted => self.series.present.granted += 1,
            Timed::Refused => self.series.present.refused += 1,
            _ => {}
        }
        self.figures.answered += 1;
        if due < self.warm_up {
            return;
        }
        match kind {
            Timed::Granted => self.figures.timed(Kind::Granted, latency),
            Timed::Refused => self.figures.timed(Kind::Refused, latency),
            Timed::Settled => self.figures.timed(Kind::Settled, latency),
            Timed::Joined => record(&mut self.joins, latency),
            Timed::Looked => record(&mut self.looks, latency),
            Timed::Paged => record(&mut self.pages, latency),
        }
        if matches!(kind, Timed::Granted | Timed::Refused) {
            record(&mut self.reserves, latency);
        }
    }

    pub(super) fn unanswered(&mut self, now: Duration) {
        self.series.reach(now);
        self.series.present.unanswered += 1;
        self.figures.unanswered += 1;
    }

    pub(super) fn refused(&mut self, status: u16, code: &str) {
        let known = self.refusals.iter_mut().find(|(s, c, _)| *s == status && **c == *code);
        match known {
            Some((.., count)) => *count += 1,
            None => self.refusals.push((status, code.into(), 1)),
        }
    }

    /// Return how many answers said no so far.
    pub fn refusals(&self) -> u64 {
        self.refusals.iter().map(|(.., count)| count).sum()
    }

    pub(super) fn held(
        &mut self,
        behaviour: Behaviour,
        quantity: u32,
        lsn: u64,
        out_of_order: bool,
    ) {
        self.figures.holds += 1;
        let by = &mut self.by_behaviour[behaviour as usize];
        by.holds += 1;
        by.units += u64::from(quantity);
        self.order.held(lsn, out_of_order);
    }

    pub(super) fn paid(&mut self, behaviour: Behaviour, sold: bool) {
        self.figures.payments += 1;
        self.figures.sales += u64::from(sold);
        self.by_behaviour[behaviour as usize].sales += u64::from(sold);
    }

    /// Close the slices that ended before `now`.
    pub(super) fn go_on_to(&mut self, now: Duration) {
        self.figures.took = now;
        self.series.reach(now);
    }

    pub(super) fn finish(&mut self, now: Duration, connections: u64) {
        self.go_on_to(now);
        self.series.close();
        self.connections = connections;
        for (status, code, count) in std::mem::take(&mut self.refusals) {
            *self.figures.refusals.entry(format!("{status} {code}")).or_default() += count;
        }
    }

    /// Return the latencies of all reserves.
    pub fn reserve_latency(&self) -> Latency {
        Latency::of(&self.reserves)
    }
}

impl InLine {
    pub(super) fn called_up(&mut self, waited: Duration) {
        self.called_up += 1;
        record(&mut self.waits, waited);
    }
}

impl Order {
    fn new() -> Order {
        Order {
            lsn_max: 0,
            number_max: 0,
            served_max: 0,
            checks: [
                Check::new("holds behind earlier ones in the journal", "INV-4", "holds"),
                Check::new("tickets ahead of earlier ones", "INV-11", "tickets, places"),
                Check::new("people passed by those behind them", "INV-12", "looks"),
            ],
        }
    }

    /// Return the newest that was heard, of what a step asks for.
    pub(super) fn mark(&self, step: Step) -> u64 {
        match step {
            Step::Reserve | Step::ReserveWithPass => self.lsn_max,
            Step::Join => self.number_max,
            Step::Look => self.served_max,
            _ => 0,
        }
    }

    fn held(&mut self, lsn: u64, out_of_order: bool) {
        if lsn == 0 {
            return;
        }
        let newest = self.lsn_max;
        self.checks[0].look(!out_of_order, || {
            format!("a hold at LSN {lsn} was asked for after LSN {newest} had been told")
        });
        self.lsn_max = newest.max(lsn);
    }

    pub(super) fn joined(&mut self, number: u64, mark: u64) {
        self.checks[1].look(number >= mark, || {
            format!("ticket {number} was asked for after ticket {mark} had been told")
        });
        self.number_max = self.number_max.max(number);
    }

    /// Somebody waits at `position`; those who had been called up before this look was sent must
    /// stand before it.
    pub(super) fn waiting(&mut self, position: u64, before: Option<u64>, mark: u64) {
        self.checks[1].look(before.is_none_or(|before| before == position), || {
            format!("a place went from {before:?} to {position}")
        });
        self.checks[2].look(position > mark, || {
            format!("place {position} waits, and place {mark} had been called up before it asked")
        });
    }

    pub(super) fn served(&mut self, position: Option<u64>, now_serving: u64) {
        let Some(position) = position else { return };
        self.checks[2].look(position <= now_serving, || {
            format!("place {position} has a pass, and {now_serving} places were called up")
        });
        self.served_max = self.served_max.max(position);
    }

    /// Return what was found, as far as there was something to look at.
    pub fn checks(&self) -> impl Iterator<Item = Check> {
        self.checks.iter().filter(|check| check.looked_at > 0).cloned()
    }
}

impl Series {
    fn new(width: Duration) -> Series {
        Series {
            width,
            slices: Vec::new(),
            present: Slice::default(),
            latencies: histogram(),
            ends: width,
        }
    }

    /// Return the slices that are over.
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    fn reach(&mut self, now: Duration) {
        while now >= self.ends {
            self.close();
        }
    }

    fn close(&mut self) {
        let latency = Latency::of(&self.latencies);
        self.present.p50_us = latency.p50_us;
        self.present.p99_us = latency.p99_us;
        self.present.max_us = latency.max_us;
        self.latencies.reset();
        let at_ms = u64::try_from(self.ends.as_millis()).unwrap_or(u64::MAX);
        self.slices.push(std::mem::replace(&mut self.present, Slice { at_ms, ..Slice::default() }));
        self.ends += self.width;
        if self.slices.len() >= SLICES_MAX {
            self.widen();
        }
    }

    /// Make one slice of two, so that a long run has as many as a short one.
    fn widen(&mut self) {
        let joined = self.slices.chunks(2).map(|pair| match pair {
            [a, b] => a.with(b),
            _ => pair[0],
        });
        self.slices = joined.collect();
        // The slice that has just begun becomes as wide as the others.
        self.ends += self.width;
        self.width *= 2;
    }
}

impl Slice {
    fn with(&self, next: &Slice) -> Slice {
        Slice {
            at_ms: self.at_ms,
            arrived: self.arrived + next.arrived,
            answered: self.answered + next.answered,
            granted: self.granted + next.granted,
            refused: self.refused + next.refused,
            unanswered: self.unanswered + next.unanswered,
            // The percentile of both together is between the two: the worse is shown.
            p50_us: self.p50_us.max(next.p50_us),
            p99_us: self.p99_us.max(next.p99_us),
            max_us: self.max_us.max(next.max_us),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_backwards_is_found_and_what_overlaps_is_not() {
        let mut order = Order::new();
        order.held(5, false);
        order.held(3, false);
        order.joined(7, 0);
        order.joined(6, 0);
        order.served(Some(2), 2);
        order.waiting(3, None, 2);
        order.waiting(3, Some(3), 2);
        assert!(order.checks().all(|check| check.violations == 0));
        assert_eq!(order.checks().count(), 3);
        assert_eq!((order.mark(Step::Reserve), order.mark(Step::Join)), (5, 7));
        order.held(4, true);
        order.joined(6, 7);
        order.waiting(4, Some(3), 2);
        order.waiting(2, None, 2);
        order.served(Some(9), 8);
        let found: Vec<u64> = order.checks().map(|check| check.violations).collect();
        assert_eq!(found, [1, 2, 2]);
    }

    #[test]
    fn slices_have_one_width_and_a_long_run_has_as_many() {
        let mut tally = Tally::new(Duration::ZERO, Duration::from_millis(100));
        for ms in (0..100_000).step_by(10) {
            let at = Duration::from_millis(ms);
            tally.answered(Timed::Granted, Duration::from_micros(ms), at, at);
        }
        tally.finish(Duration::from_secs(100), 1);
        let slices = tally.series.slices();
        assert!(slices.len() < SLICES_MAX, "{}", slices.len());
        assert_eq!(slices.iter().map(|slice| slice.granted).sum::<u64>(), 10_000);
        assert!(slices.is_sorted_by_key(|slice| slice.at_ms));
        assert_eq!(slices[1].at_ms - slices[0].at_ms, 200);
    }

    #[test]
    fn what_was_due_in_the_warm_up_is_counted_and_not_timed() {
        let second = Duration::from_secs(1);
        let mut tally = Tally::new(second, second);
        for (due, latency) in [(second / 2, second), (second, second / 4)] {
            tally.answered(Timed::Refused, latency, due, due + latency);
        }
        tally.finish(2 * second, 1);
        assert_eq!(tally.figures.answered, 2);
        assert_eq!(tally.figures.latency(Kind::Refused).count, 1);
        assert!(tally.reserve_latency().max_us < 260_000);
    }
}
