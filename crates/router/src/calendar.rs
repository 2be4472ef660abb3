//! When a node works: opening hours in its own time zone, holidays and the daily cut-off.
//!
//! Hours are given as wall-clock times and compiled once into instants (`compile`), for a stated
//! range of days. A decision then only searches a sorted list: no time zone rule is evaluated for an
//! order. Daylight saving follows RFC 5545's reading, as `jiff` resolves it: a time that a change
//! skips is the same distance after the gap, a time that happens twice is the first one.

use crate::limits::CALENDAR_DAYS_MAX;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use onrush_types::Timestamp;
use std::fmt;

/// Opening hours as an operator states them.
#[derive(Clone, Debug, PartialEq)]
pub struct Hours {
    /// Opening and closing time of each weekday from Monday; `None` is closed. A closing time at or
    /// before the opening time is on the next day.
    pub week: [Option<(Time, Time)>; 7],
    /// Days the node is closed, sorted.
    pub holidays: Vec<Date>,
    /// Orders after this time are handled on the next working day.
    pub cut_off: Option<Time>,
    /// The node's own time zone.
    pub zone: TimeZone,
}

impl Hours {
    /// Open every day from `opens` to `closes` in `zone`.
    pub fn daily(opens: Time, closes: Time, zone: TimeZone) -> Hours {
        Hours { week: [Some((opens, closes)); 7], holidays: Vec::new(), cut_off: None, zone }
    }

    /// Compile the hours of the days from the one that holds `from` to the one that holds `to`.
    ///
    /// The range is widened by two days on both sides and bounded by [`CALENDAR_DAYS_MAX`].
    ///
    /// # Errors
    /// When a date leaves the years the time zone database covers.
    pub fn compile(&self, from: Timestamp, to: Timestamp) -> Result<Calendar, CalendarError> {
        let first = date_in(&self.zone, from)?;
        let last = date_in(&self.zone, to)?;
        let (mut shifts, mut day_ends) = (Vec::new(), Vec::new());
        let mut day = first.yesterday().and_then(Date::yesterday).map_err(out_of_range)?;
        let end = last.tomorrow().and_then(Date::tomorrow).map_err(out_of_range)?;
        for _ in 0..CALENDAR_DAYS_MAX {
            if day > end {
                break;
            }
            if let Some(shift) = self.shift(day)? {
                push_shift(&mut shifts, shift);
            }
            day = day.tomorrow().map_err(out_of_range)?;
            let midnight = self.instant(day, Time::midnight())?;
            day_ends.push(Timestamp(midnight.0 - 1));
        }
        Ok(Calendar { shifts, day_ends })
    }

    fn shift(&self, day: Date) -> Result<Option<Shift>, CalendarError> {
        let Some((opens, closes)) = self.week[weekday_index(day.weekday())] else {
            return Ok(None);
        };
        if self.holidays.binary_search(&day).is_ok() {
            return Ok(None);
        }
        let closing_day = if closes <= opens { day.tomorrow().map_err(out_of_range)? } else { day };
        let opens = self.instant(day, opens)?;
        let closes = self.instant(closing_day, closes)?;
        let cut_off = match self.cut_off {
            Some(time) => self.instant(day, time)?.clamp(opens, closes),
            None => closes,
        };
        Ok((opens < closes).then_some(Shift { opens, cut_off, closes }))
    }

    fn instant(&self, day: Date, time: Time) -> Result<Timestamp, CalendarError> {
        let zoned = day.to_datetime(time).to_zoned(self.zone.clone()).map_err(out_of_range)?;
        let ms = zoned.timestamp().as_millisecond();
        u64::try_from(ms).map(Timestamp).map_err(|_| CalendarError)
    }
}

/// One stretch of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// First instant at which handling may start.
    pub opens: Timestamp,
    /// From here on, new orders wait for the next shift.
    pub cut_off: Timestamp,
    /// Handling has to end by here.
    pub closes: Timestamp,
}

/// Compiled opening hours: shifts in order, without overlap. No shifts means always closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calendar {
    shifts: Vec<Shift>,
    day_ends: Vec<Timestamp>,
}

impl Calendar {
    /// Never open.
    pub const CLOSED: Calendar = Calendar { shifts: Vec::new(), day_ends: Vec::new() };

    /// Return the first shift in which work of `handling_ms` for an order placed at `placed` can
    /// start at or after `earliest`, and when it starts.
    ///
    /// An order placed after a shift's cut-off waits for the next shift; so does work that would
    /// not end before closing. `O(log shifts)`.
    pub fn start(
        &self,
        placed: Timestamp,
        earliest: Timestamp,
        handling_ms: u64,
    ) -> Option<(Timestamp, Shift)> {
        let from = self.shifts.partition_point(|shift| shift.closes <= earliest);
        self.shifts[from..].iter().find_map(|shift| {
            let start = shift.opens.max(earliest);
            let ends = start.0.saturating_add(handling_ms);
            let fits = placed < shift.cut_off && start < shift.closes && ends <= shift.closes.0;
            fits.then_some((start, *shift))
        })
    }

    /// Say whether the node is open at `at`.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let from = self.shifts.partition_point(|shift| shift.closes <= at);
        self.shifts.get(from).is_some_and(|shift| shift.opens <= at)
    }

    /// Return the last instant of the day `days` after the one that holds `at`, on this node's clock.
    pub fn end_of_day(&self, at: Timestamp, days: u8) -> Option<Timestamp> {
        let today = self.day_ends.partition_point(|&end| end < at);
        self.day_ends.get(today + usize::from(days)).copied()
    }

    /// Return the shift that holds `at`, or the next one.
    pub fn shift_at(&self, at: Timestamp) -> Option<Shift> {
        let from = self.shifts.partition_point(|shift| shift.closes <= at);
        self.shifts.get(from).copied()
    }
}

/// Shifts that touch (open around the clock) become one, unless a cut-off divides the days.
fn push_shift(shifts: &mut Vec<Shift>, shift: Shift) {
    if let Some(last) = shifts.last_mut()
        && shift.opens <= last.closes
        && last.cut_off == last.closes
    {
        last.closes = last.closes.max(shift.closes);
        last.cut_off = if shift.cut_off == shift.closes { last.closes } else { shift.cut_off };
        return;
    }
    let opens = shifts.last().map_or(shift.opens, |last| shift.opens.max(last.closes));
    if opens < shift.closes {
        shifts.push(Shift { opens, cut_off: shift.cut_off.max(opens), ..shift });
    }
}

fn weekday_index(day: Weekday) -> usize {
    day.to_monday_zero_offset() as usize
}

/// Return the civil date at an instant in a zone.
pub(crate) fn date_in(zone: &TimeZone, at: Timestamp) -> Result<Date, CalendarError> {
    let ms = i64::try_from(at.0).map_err(|_| CalendarError)?;
    let at = jiff::Timestamp::from_millisecond(ms).map_err(out_of_range)?;
    Ok(zone.to_datetime(at).date())
}

fn out_of_range(_: jiff::Error) -> CalendarError {
    CalendarError
}

/// A date outside the years the time zone database covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarError;

impl fmt::Display for CalendarError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is outside the years 1970 to 9999; check the orders' time column")
    }
}

impl std::error::Error for CalendarError {}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};

    fn ts(text: &str) -> Timestamp {
        let at: jiff::Timestamp = text.parse().expect("an instant");
        Timestamp(at.as_millisecond() as u64)
    }

    fn hours(opens: (i8, i8), closes: (i8, i8), zone: &str) -> Hours {
        let zone = TimeZone::get(zone).expect("a zone");
        Hours::daily(time(opens.0, opens.1, 0, 0), time(closes.0, closes.1, 0, 0), zone)
    }

    fn calendar(hours: &Hours, around: &str) -> Calendar {
        hours.compile(ts(around), ts(around)).expect("a calendar")
    }

    const MINUTE: u64 = 60_000;

    #[test]
    fn work_starts_when_open_and_ends_before_closing() {
        let shop = hours((9, 0), (21, 0), "Asia/Shanghai");
        let open = calendar(&shop, "2026-11-11T00:00:00Z");
        // 08:30 local: wait for nine. 20:45 local with half an hour of work: tomorrow.
        for (now, start) in [
            ("2026-11-11T00:30:00Z", "2026-11-11T01:00:00Z"),
            ("2026-11-11T05:00:00Z", "2026-11-11T05:00:00Z"),
            ("2026-11-11T12:30:00Z", "2026-11-11T12:30:00Z"),
            ("2026-11-11T12:45:00Z", "2026-11-12T01:00:00Z"),
        ] {
            let found = open.start(ts(now), ts(now), 30 * MINUTE).map(|(at, _)| at);
            assert_eq!(found, Some(ts(start)), "{now}");
        }
    }

    #[test]
    fn daylight_saving_moves_the_instant_not_the_clock() {
        let shop = hours((9, 0), (17, 0), "America/New_York");
        let before = calendar(&shop, "2026-03-07T12:00:00Z");
        // 7 March is EST (UTC−5); on 8 March clocks go forward (UTC−4).
        let at = |now: &str| before.start(ts(now), ts(now), 0).map(|(at, _)| at);
        assert_eq!(at("2026-03-07T10:00:00Z"), Some(ts("2026-03-07T14:00:00Z")));
        assert_eq!(at("2026-03-08T10:00:00Z"), Some(ts("2026-03-08T13:00:00Z")));
    }

    #[test]
    fn a_skipped_opening_time_opens_after_the_gap() {
        let shop = hours((2, 30), (6, 0), "America/New_York");
        let day = calendar(&shop, "2026-03-08T12:00:00Z");
        // 02:30 does not exist on 8 March: 03:30 EDT is 07:30Z.
        let found = day.start(ts("2026-03-08T06:00:00Z"), ts("2026-03-08T06:00:00Z"), 0);
        assert_eq!(found.map(|(at, _)| at), Some(ts("2026-03-08T07:30:00Z")));
    }

    #[test]
    fn a_night_shift_crosses_midnight() {
        let bar = hours((20, 0), (4, 0), "Asia/Shanghai");
        let night = calendar(&bar, "2026-11-11T00:00:00Z");
        assert!(night.is_open(ts("2026-11-11T17:00:00Z")), "01:00 local on the 12th");
        assert!(!night.is_open(ts("2026-11-11T20:00:00Z")), "04:00 local");
        assert!(!night.is_open(ts("2026-11-11T11:59:59Z")));
        assert!(night.is_open(ts("2026-11-11T12:00:00Z")));
    }

    #[test]
    fn holidays_and_closed_weekdays_are_skipped() {
        let mut shop = hours((9, 0), (17, 0), "Europe/Berlin");
        shop.holidays = vec![date(2026, 12, 25)];
        shop.week[6] = None;
        let christmas = calendar(&shop, "2026-12-25T00:00:00Z");
        // Friday the 25th is a holiday; Saturday works; Sunday is closed.
        let at = |now: &str| christmas.start(ts(now), ts(now), 0).map(|(at, _)| at);
        assert_eq!(at("2026-12-24T20:00:00Z"), Some(ts("2026-12-26T08:00:00Z")));
        assert_eq!(at("2026-12-26T18:00:00Z"), None, "Monday is beyond the compiled days");
    }

    #[test]
    fn after_the_cut_off_the_next_day_begins() {
        let mut shop = hours((9, 0), (21, 0), "Asia/Shanghai");
        shop.cut_off = Some(time(14, 0, 0, 0));
        let day = calendar(&shop, "2026-11-11T00:00:00Z");
        let at = |now: &str| day.start(ts(now), ts(now), 0).map(|(at, _)| at);
        assert_eq!(at("2026-11-11T05:59:59Z"), Some(ts("2026-11-11T05:59:59Z")));
        assert_eq!(at("2026-11-11T06:00:00Z"), Some(ts("2026-11-12T01:00:00Z")));
    }

    #[test]
    fn around_the_clock_is_one_shift() {
        let always = hours((0, 0), (0, 0), "America/New_York");
        let autumn = calendar(&always, "2026-11-01T05:00:00Z");
        assert_eq!(autumn.shifts.len(), 1, "{:?}", autumn.shifts);
        assert!(autumn.is_open(ts("2026-11-01T06:30:00Z")), "the hour that happens twice");
    }

    #[test]
    fn the_end_of_a_day_knows_its_length() {
        let shop = calendar(&hours((9, 0), (17, 0), "America/New_York"), "2026-03-08T12:00:00Z");
        let end = |days| shop.end_of_day(ts("2026-03-08T12:00:00Z"), days);
        assert_eq!(end(0), Some(Timestamp(ts("2026-03-09T04:00:00Z").0 - 1)));
        assert_eq!(end(1), Some(Timestamp(ts("2026-03-10T04:00:00Z").0 - 1)));
        assert_eq!(
            shop.end_of_day(ts("2026-03-08T04:59:59.999Z"), 0),
            Some(ts("2026-03-08T04:59:59.999Z")),
            "the last instant of the 7th, which ends in standard time"
        );
    }
}
