//! How fast people are let in: what an operator wants, what was learned about people who were
//! called up, and how the shop behind is doing. Integers only, so that replay is exact.

use crate::campaign::{SpecError, wrong};
use onrush_types::limits::{OUTFLOW_MAX, PASSES_PER_UNIT_MAX};
use onrush_types::{DurationMs, Timestamp};

/// One whole, in thousandths.
pub const WHOLE: u32 = 1_000;

/// How fast people are let in. Changed live; every limit that is set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outflow {
    /// People a second at most; `None`: as many as the stock allows.
    pub per_second: Option<u32>,
    /// People with a pass or a hold at one time, at most; `None`: as many as the stock allows.
    pub inside: Option<u32>,
    /// Passes out for each unit that can still be sold, at most, however few come.
    pub passes_per_unit_max: u32,
    /// A shop that answers slower than this, in milliseconds, gets fewer people.
    pub shop_latency_ms_max: u32,
}

impl Default for Outflow {
    fn default() -> Outflow {
        Outflow {
            per_second: None,
            inside: None,
            passes_per_unit_max: 3,
            shop_latency_ms_max: 1_000,
        }
    }
}

impl Outflow {
    /// Check each figure.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), SpecError> {
        let legal = |n: Option<u32>| n.is_none_or(|n| (1..=OUTFLOW_MAX).contains(&n));
        if !legal(self.per_second) {
            let what = format!("must be 1 to {OUTFLOW_MAX}; pause the sale to let nobody in");
            return Err(wrong("line.outflow.per_second", what));
        }
        if !legal(self.inside) {
            return Err(wrong("line.outflow.inside", format!("must be 1 to {OUTFLOW_MAX}")));
        }
        if !(1..=PASSES_PER_UNIT_MAX).contains(&self.passes_per_unit_max) {
            let what = format!("must be 1 to {PASSES_PER_UNIT_MAX}");
            return Err(wrong("line.outflow.passes_per_unit_max", what));
        }
        if self.shop_latency_ms_max == 0 {
            return Err(wrong("line.outflow.shop_latency_ms_max", "must be 1 or more".to_owned()));
        }
        Ok(())
    }
}

/// What became of passes and of holds so far, older ones counting less.
///
/// Two shares with a few made-up observations each, so that the first real ones do not swing them:
/// a pass takes one unit, a hold does not come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    pub(crate) passes: u32,
    pub(crate) units: u32,
    pub(crate) ended: u32,
    pub(crate) back: u32,
}

/// Made-up observations.
const PRIOR: u64 = 8;
/// Beyond so many observations all count half.
const FORGET_AT: u32 = 4_096;

impl Learned {
    /// Note passes that were used or are over, and the units that were taken with them.
    pub(crate) fn passes_over(&mut self, passes: u32, units: u32) {
        self.passes = self.passes.saturating_add(passes);
        self.units = self.units.saturating_add(units);
        while self.passes > FORGET_AT {
            (self.passes, self.units) = (self.passes / 2, self.units / 2);
        }
    }

    /// Note units of holds that ended, and how many of them came back.
    pub(crate) fn holds_over(&mut self, ended: u32, back: u32) {
        self.ended = self.ended.saturating_add(ended);
        self.back = self.back.saturating_add(back);
        while self.ended > FORGET_AT {
            (self.ended, self.back) = (self.ended / 2, self.back / 2);
        }
    }

    /// Return how many thousandths of a unit a pass takes.
    pub fn units_per_pass_milli(&self) -> u32 {
        let units = (u64::from(self.units) + PRIOR) * u64::from(WHOLE);
        u32::try_from(units / (u64::from(self.passes) + PRIOR)).unwrap_or(u32::MAX)
    }

    /// Return how many thousandths of held units come back.
    pub fn share_back_milli(&self) -> u32 {
        let back = u64::from(self.back) * u64::from(WHOLE);
        (back / (u64::from(self.ended) + PRIOR)) as u32
    }

    /// Return how many thousandths of a pass may be out for each unit: the inverse of what a pass
    /// takes, between what takes all a buyer may have and `passes_per_unit_max`.
    pub fn passes_per_unit_milli(&self, limit_per_buyer: u32, passes_per_unit_max: u32) -> u32 {
        let whole = u64::from(WHOLE);
        let taken = u64::from(self.units_per_pass_milli()).max(1);
        let least = (whole / u64::from(limit_per_buyer.max(1))).max(1);
        let most = (whole * u64::from(passes_per_unit_max)).max(least);
        (whole * whole / taken).clamp(least, most) as u32
    }
}

/// Lets `per_second` through, with a small burst: the cell rate algorithm of ITU-T I.371 in virtual
/// time. `paid_us` is the time up to which all that was let through is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    pub(crate) paid_us: u64,
}

impl Pace {
    /// Return how many may pass at `now`.
    pub(crate) fn room(&self, now: Timestamp, per_second: u32, spacing: DurationMs) -> u32 {
        let since_us = us(now).saturating_sub(self.floor(now, per_second, spacing));
        (since_us * u64::from(per_second) / 1_000_000) as u32
    }

    /// Note that `n` passed.
    pub(crate) fn pay(&mut self, now: Timestamp, n: u32, per_second: u32, spacing: DurationMs) {
        let cost_us = u64::from(n) * 1_000_000 / u64::from(per_second);
        self.paid_us = self.floor(now, per_second, spacing) + cost_us;
    }

    /// Tell whether all that passed was paid for at `now`.
    pub(crate) fn is_paid(&self, now: Timestamp) -> bool {
        self.paid_us <= us(now)
    }

    /// Return when one more may pass.
    pub(crate) fn next_at(&self, per_second: u32) -> Timestamp {
        Timestamp((self.paid_us + 1_000_000_u64.div_ceil(u64::from(per_second))).div_ceil(1_000))
    }

    fn floor(&self, now: Timestamp, per_second: u32, spacing: DurationMs) -> u64 {
        // What a quiet time saves up: two ticks, or one person where that takes longer.
        let one_us = 1_000_000_u64.div_ceil(u64::from(per_second));
        let burst_us = (2_000 * spacing.0).max(200_000).max(one_us);
        self.paid_us.max(us(now).saturating_sub(burst_us))
    }
}

fn us(at: Timestamp) -> u64 {
    at.0.saturating_mul(1_000)
}

/// How much of its people the shop behind can take: added to slowly while it does well, halved when
/// it does not (AIMD, Chiu and Jain 1989). It is not journaled: a new start trusts the shop again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShopHealth {
    milli: u32,
    halved_at: Timestamp,
    raised_at: Timestamp,
}

impl Default for ShopHealth {
    fn default() -> ShopHealth {
        ShopHealth { milli: WHOLE, halved_at: Timestamp(0), raised_at: Timestamp(0) }
    }
}

/// One report halves at most this often: what is under way tells of before.
const HALVE_EVERY_MS: u64 = 1_000;
/// Good reports add a twentieth this often.
const RAISE_EVERY_MS: u64 = 1_000;
const RAISE_MILLI: u32 = 50;
/// Somebody must go in, or nobody would learn that the shop is well again.
const HEALTH_MILLI_MIN: u32 = 10;

impl ShopHealth {
    /// Take a report into account: `good` says that the shop answered well and in time.
    pub fn report(&mut self, good: bool, now: Timestamp) {
        if good && now.since(self.raised_at).0 >= RAISE_EVERY_MS {
            self.milli = (self.milli + RAISE_MILLI).min(WHOLE);
            self.raised_at = now;
        } else if !good && now.since(self.halved_at).0 >= HALVE_EVERY_MS {
            self.milli = (self.milli / 2).max(HEALTH_MILLI_MIN);
            (self.halved_at, self.raised_at) = (now, now);
        }
    }

    /// Return the share, in thousandths.
    pub fn milli(&self) -> u32 {
        self.milli
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: DurationMs = DurationMs(20);

    #[test]
    fn a_pace_is_kept_over_time_whatever_the_ticks() {
        for (per_second, every_ms) in [(75, 20), (1, 100), (3, 7), (1_000_000, 20), (999, 333)] {
            let mut pace = Pace::default();
            let (mut let_in, mut now) = (0_u64, Timestamp(1_000_000));
            for _ in 0..3_000 {
                let n = pace.room(now, per_second, DurationMs(every_ms.max(20)));
                if n > 0 {
                    pace.pay(now, n, per_second, DurationMs(every_ms.max(20)));
                    assert!(pace.is_paid(now));
                }
                let_in += u64::from(n);
                now = now + DurationMs(every_ms);
            }
            let ideal = 3_000 * every_ms * u64::from(per_second) / 1_000;
            let burst = 2 + u64::from(per_second) * 700 / 1_000;
            assert!(let_in.abs_diff(ideal) <= burst, "{per_second}/s: {let_in}, not {ideal}");
        }
    }

    #[test]
    fn more_than_the_room_is_not_paid() {
        let (mut pace, now) = (Pace::default(), Timestamp(50_000));
        let room = pace.room(now, 100, TICK);
        assert_eq!(room, 20, "a fifth of a second was saved up");
        pace.pay(now, room + 1, 100, TICK);
        assert!(!pace.is_paid(now));
        assert_eq!(pace.room(now, 100, TICK), 0);
        assert_eq!(pace.next_at(100), Timestamp(50_020));
    }

    #[test]
    fn no_shows_let_more_passes_out_and_hoarders_fewer() {
        let mut learned = Learned::default();
        assert_eq!(learned.passes_per_unit_milli(4, 3), 1_000, "at first a pass takes a unit");
        learned.passes_over(4_000, 2_000);
        assert!((1_990..=2_000).contains(&learned.passes_per_unit_milli(4, 3)));
        learned.passes_over(4_000, 0);
        assert_eq!(learned.passes_per_unit_milli(4, 3), 3_000, "bounded");
        for _ in 0..20 {
            learned.passes_over(4_000, 16_000);
        }
        assert!((250..=252).contains(&learned.passes_per_unit_milli(4, 3)));
        assert_eq!(learned.passes_per_unit_milli(1, 3), 1_000, "nobody takes more than one");
    }

    #[test]
    fn what_came_back_is_expected_to_come_back() {
        let mut learned = Learned::default();
        assert_eq!(learned.share_back_milli(), 0, "nothing is expected of nothing");
        learned.holds_over(992, 500);
        assert_eq!(learned.share_back_milli(), 500);
        learned.holds_over(40_000, 0);
        assert!(learned.share_back_milli() < 15, "old observations fade");
    }

    #[test]
    fn a_slow_shop_gets_fewer_people_and_recovers() {
        let mut health = ShopHealth::default();
        health.report(false, Timestamp(5_000));
        health.report(false, Timestamp(5_500));
        assert_eq!(health.milli(), 500, "once a second");
        (6..60).for_each(|s| health.report(false, Timestamp(s * 1_000)));
        assert_eq!(health.milli(), 10, "never nobody");
        (60..90).for_each(|s| health.report(true, Timestamp(s * 1_000)));
        assert_eq!(health.milli(), 1_000);
    }

    #[test]
    fn observations_are_halved_past_4096_and_not_before() {
        let mut learned = Learned::default();
        learned.passes_over(FORGET_AT, 100);
        assert_eq!((learned.passes, learned.units), (4_096, 100));
        learned.passes_over(1, 1);
        assert_eq!((learned.passes, learned.units), (2_048, 50));
        learned.holds_over(FORGET_AT, 6);
        assert_eq!((learned.ended, learned.back), (4_096, 6));
        learned.holds_over(3, 1);
        assert_eq!((learned.ended, learned.back), (2_049, 3));
        learned.holds_over(4 * FORGET_AT, 13);
        assert_eq!((learned.ended, learned.back), (2_304, 2), "as often as it takes");
    }

    #[test]
    fn a_shop_gets_a_twentieth_more_a_second_while_it_does_well() {
        let mut health = ShopHealth::default();
        health.report(false, Timestamp(5_000));
        let mut reported = |at| {
            health.report(true, Timestamp(at));
            health.milli()
        };
        let milli = [5_999, 6_000, 6_999, 7_000, 8_500].map(&mut reported);
        assert_eq!(milli, [500, 550, 550, 600, 650]);
    }
}
