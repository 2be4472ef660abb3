//! The phases of a campaign.
//!
//! ```text
//! draft ─► scheduled ─► preheat ─► draw ─► open ⇄ paused ─► closed ─► settled
//! ```
//!
//! Phases between two may be skipped where their time is not set. Planned switches are computed
//! from the time of each request ([`Schedule::planned_at`]); the ledger journals the first decision
//! of a new phase. A phase never goes back by itself: what was reached stays reached, whatever the
//! clock does afterwards (INV-7). "Sold out" is no phase; it is derived per SKU from its slot.

use onrush_types::Timestamp;
use onrush_types::planted;

/// Where a campaign stands. Numbers are part of the journal format and grow along the diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Phase {
    /// Not announced; nobody outside sees it.
    Draft = 0,
    /// Announced.
    Scheduled = 1,
    /// Reminders, joining the line.
    Preheat = 2,
    /// The line is being drawn.
    Draw = 3,
    /// Units can be reserved.
    Open = 4,
    /// An operator stopped new reservations for now; live holds go on.
    Paused = 5,
    /// No new reservations ever again; live holds may still be confirmed.
    Closed = 6,
    /// Everything is accounted for.
    Settled = 7,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Phase; 8] = [
        Phase::Draft,
        Phase::Scheduled,
        Phase::Preheat,
        Phase::Draw,
        Phase::Open,
        Phase::Paused,
        Phase::Closed,
        Phase::Settled,
    ];

    /// Return the phase with this number.
    pub const fn from_u8(number: u8) -> Option<Phase> {
        if (number as usize) < Phase::ALL.len() { Some(Phase::ALL[number as usize]) } else { None }
    }

    /// Tell whether the diagram has a way `self → to`: forward, or back from paused to open.
    pub const fn can_move_to(self, to: Phase) -> bool {
        match (self, to) {
            (Phase::Paused, Phase::Open) => true,
            // Only what is open can be paused, and only what is closed can be settled.
            (from, Phase::Paused) => matches!(from, Phase::Open),
            (from, Phase::Settled) => matches!(from, Phase::Closed),
            (from, to) => (from as u8) < (to as u8),
        }
    }

    /// Return the word that the outside sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Draft => "draft",
            Phase::Scheduled => "scheduled",
            Phase::Preheat => "preheat",
            Phase::Draw => "draw",
            Phase::Open => "open",
            Phase::Paused => "paused",
            Phase::Closed => "closed",
            Phase::Settled => "settled",
        }
    }
}

/// The planned times of a campaign. Each one that is set is later than those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// From when people may register and join; `None`: no such phase.
    pub preheat_at: Option<Timestamp>,
    /// From when the line is drawn; `None`: no draw.
    pub draw_at: Option<Timestamp>,
    /// From when units can be reserved; `None`: only an operator opens it.
    pub opens_at: Option<Timestamp>,
    /// From when no new reservation is accepted; `None`: only an operator closes it.
    pub closes_at: Option<Timestamp>,
}

impl Schedule {
    /// Return the phase the plan alone gives for `now`.
    #[inline]
    pub fn planned_at(&self, now: Timestamp) -> Phase {
        let reached = |at: Option<Timestamp>| {
            at.is_some_and(|at| now.0 >= planted!("switch-late", at.0 + 1, at.0))
        };
        if reached(self.closes_at) {
            Phase::Closed
        } else if reached(self.opens_at) {
            Phase::Open
        } else if reached(self.draw_at) {
            Phase::Draw
        } else if reached(self.preheat_at) {
            Phase::Preheat
        } else {
            Phase::Scheduled
        }
    }

    /// Return the next planned switch after `now`, if there is one.
    pub fn next_switch_after(&self, now: Timestamp) -> Option<Timestamp> {
        self.times().into_iter().flatten().find(|at| *at > now)
    }

    /// Return the first planned time, past or future, at which a later phase than `reached` begins.
    pub fn first_after(&self, reached: Phase) -> Option<Timestamp> {
        let begins = [
            (Phase::Preheat, self.preheat_at),
            (Phase::Draw, self.draw_at),
            (Phase::Open, self.opens_at),
            (Phase::Closed, self.closes_at),
        ];
        begins.into_iter().filter(|(phase, _)| *phase > reached).find_map(|(_, at)| at)
    }

    /// Return all four times, in order.
    pub(crate) fn times(&self) -> [Option<Timestamp>; 4] {
        [self.preheat_at, self.draw_at, self.opens_at, self.closes_at]
    }

    /// Tell whether the times are in order.
    pub fn is_ordered(&self) -> bool {
        let set: Vec<Timestamp> = self.times().into_iter().flatten().collect();
        set.windows(2).all(|pair| pair[0] < pair[1])
    }
}

/// Return the phase at `now` of a campaign that had `reached` a phase before.
///
/// A draft stays a draft until it is published; paused stays paused until it is resumed or the plan
/// closes it; otherwise the later of the plan and what was reached.
#[inline]
pub fn phase_at(schedule: &Schedule, reached: Phase, now: Timestamp) -> Phase {
    match (reached, schedule.planned_at(now)) {
        (Phase::Draft, _) => Phase::Draft,
        (reached, planned) => reached.max(planned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Schedule = Schedule {
        preheat_at: Some(Timestamp(100)),
        draw_at: None,
        opens_at: Some(Timestamp(200)),
        closes_at: Some(Timestamp(300)),
    };

    #[test]
    fn all_pairs_of_phases() {
        use Phase::*;
        for from in Phase::ALL {
            assert_eq!(Phase::from_u8(from as u8), Some(from));
            for to in Phase::ALL {
                let expected = match (from, to) {
                    (Paused, Open) | (Open, Paused) | (Closed, Settled) => true,
                    (_, Paused | Settled) => false,
                    _ => (from as u8) < (to as u8),
                };
                assert_eq!(from.can_move_to(to), expected, "{from:?} -> {to:?}");
            }
        }
        assert_eq!(Phase::from_u8(8), None);
    }

    #[test]
    fn switches_exactly_at_the_millisecond() {
        for (now, phase) in [
            (99, Phase::Scheduled),
            (100, Phase::Preheat),
            (199, Phase::Preheat),
            (200, Phase::Open),
            (299, Phase::Open),
            (300, Phase::Closed),
        ] {
            assert_eq!(PLAN.planned_at(Timestamp(now)), phase, "at {now}");
        }
        assert_eq!(PLAN.next_switch_after(Timestamp(200)), Some(Timestamp(300)));
        assert_eq!(PLAN.next_switch_after(Timestamp(300)), None);
        for (reached, first) in [
            (Phase::Scheduled, Some(Timestamp(100))),
            (Phase::Draw, Some(Timestamp(200))),
            (Phase::Open, Some(Timestamp(300))),
            (Phase::Paused, Some(Timestamp(300))),
            (Phase::Closed, None),
        ] {
            assert_eq!(PLAN.first_after(reached), first, "after {reached:?}");
        }
    }

    #[test]
    fn never_goes_back_by_itself() {
        for reached in Phase::ALL {
            for now in [0, 150, 250, 350] {
                let phase = phase_at(&PLAN, reached, Timestamp(now));
                assert!(phase >= reached, "{reached:?} at {now} became {phase:?}");
            }
        }
        assert_eq!(phase_at(&PLAN, Phase::Paused, Timestamp(250)), Phase::Paused);
        assert_eq!(phase_at(&PLAN, Phase::Paused, Timestamp(300)), Phase::Closed);
        assert_eq!(phase_at(&PLAN, Phase::Draft, Timestamp(250)), Phase::Draft);
    }
}
