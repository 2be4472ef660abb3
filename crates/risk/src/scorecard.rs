//! A scorecard: points by steps, added up. It needs no training and can be read aloud.
//!
//! Each line is monotone: more of a suspicious signal never lowers the score, more of a good one never
//! raises it. Points are log-odds; the base says that one in a hundred is a program when nothing is
//! known. An address prefix has no points at all, however many are behind it.

use crate::score::{Risk, Scorer, sigmoid};
use crate::signals::{Signal, Signals};

/// Log-odds when nothing speaks for or against: about 1 %.
const BASE: f32 = -4.6;

/// From `from` on, `points` in all (not in addition to the step below).
#[derive(Clone, Copy, Debug)]
struct Step {
    from: f32,
    points: f32,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    signal: Signal,
    steps: &'static [Step],
}

const fn step(from: f32, points: f32) -> Step {
    Step { from, points }
}

const LINES: &[Line] = &[
    Line { signal: Signal::AgentTool, steps: &[step(1.0, 3.2)] },
    Line { signal: Signal::AgentMismatch, steps: &[step(1.0, 1.5)] },
    Line {
        signal: Signal::HeadersMissing,
        steps: &[step(0.34, 0.4), step(0.6, 1.2), step(0.9, 2.0)],
    },
    Line { signal: Signal::HeaderOrderOdd, steps: &[step(0.5, 0.8)] },
    Line { signal: Signal::Ja4Mismatch, steps: &[step(1.0, 1.8)] },
    Line { signal: Signal::PhaseLock, steps: &[step(0.6, 0.3), step(0.9, 0.8)] },
    Line { signal: Signal::ProbesBefore, steps: &[step(30.0, 0.5), step(120.0, 1.2)] },
    Line { signal: Signal::Regularity, steps: &[step(0.9, 1.2), step(0.97, 2.2)] },
    Line { signal: Signal::AccountCount1s, steps: &[step(5.0, 1.0), step(20.0, 2.2)] },
    Line { signal: Signal::AccountCount1m, steps: &[step(90.0, 0.8), step(400.0, 1.6)] },
    Line {
        signal: Signal::DeviceAccounts,
        steps: &[step(3.5, 0.8), step(6.0, 2.0), step(12.0, 3.4), step(40.0, 4.4)],
    },
    Line {
        signal: Signal::PaymentAccounts,
        steps: &[step(4.5, 1.0), step(7.0, 3.0), step(9.0, 5.5), step(13.0, 7.2)],
    },
    Line { signal: Signal::PhoneAccounts, steps: &[step(3.5, 0.8), step(6.0, 2.0)] },
    Line { signal: Signal::DestinationAccounts, steps: &[step(6.0, 0.4)] },
    Line {
        signal: Signal::ClusterSize,
        steps: &[step(5.0, 0.6), step(10.0, 1.8), step(30.0, 3.2)],
    },
    Line { signal: Signal::ClusterGrowth, steps: &[step(5.0, 0.6), step(15.0, 1.2)] },
    Line { signal: Signal::SyncPeers, steps: &[step(40.0, 0.3)] },
    Line { signal: Signal::UnpaidHolds, steps: &[step(2.0, 0.8), step(5.0, 2.0)] },
    Line { signal: Signal::Replay, steps: &[step(1.0, 6.0)] },
    Line { signal: Signal::Honeypot, steps: &[step(1.0, 6.0)] },
    Line { signal: Signal::DeviceAbsent, steps: &[step(1.0, 0.3)] },
    Line { signal: Signal::Beacons, steps: &[step(1.0, -0.3), step(4.0, -0.6)] },
    Line { signal: Signal::AccountAge, steps: &[step(30.0, -0.3), step(365.0, -0.6)] },
    Line {
        signal: Signal::ChallengeLevel,
        steps: &[step(1.0, -0.6), step(2.0, -1.0), step(3.0, -1.4)],
    },
];

/// The scorecard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scorecard;

impl Scorer for Scorecard {
    fn score(&self, signals: &Signals) -> Risk {
        let mut risk = Risk::default();
        let mut points = BASE;
        for line in LINES {
            let value = signals.get(line.signal);
            let mut reached = 0.0;
            for step in line.steps {
                if value >= step.from {
                    reached = step.points;
                }
            }
            points += reached;
            risk.because(line.signal, reached);
        }
        risk.probability = sigmoid(f64::from(points));
        risk
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::SIGNALS;
    use proptest::prelude::*;

    fn with(set: &[(Signal, f32)]) -> Signals {
        let mut signals = Signals::ZERO;
        set.iter().for_each(|(signal, value)| signals.set(*signal, *value));
        signals
    }

    #[test]
    fn tells_a_loop_and_a_farm_from_people() {
        let loops =
            [(Signal::AgentTool, 1.0), (Signal::HeadersMissing, 1.0), (Signal::Regularity, 0.99)];
        let told = Scorecard.score(&with(&loops));
        assert!(told.probability > 0.9, "{told:?}");
        assert_eq!(told.reasons[0].signal, Some(Signal::AgentTool));
        let farm = [(Signal::DeviceAccounts, 50.0), (Signal::ClusterSize, 50.0)];
        assert!(Scorecard.score(&with(&farm)).probability > 0.9);
        let person = Scorecard.score(&Signals::ZERO);
        assert!(person.probability < 0.02, "{person:?}");
        assert_eq!(person.reasons[0].signal, None);
    }

    #[test]
    fn an_address_alone_never_counts() {
        let campus = [
            (Signal::AddressCount1s, 5_000.0),
            (Signal::AddressCount1m, 50_000.0),
            (Signal::AddressCount1h, 90_000.0),
            (Signal::AddressAccounts, 40_000.0),
        ];
        assert_eq!(Scorecard.score(&with(&campus)), Scorecard.score(&Signals::ZERO));
    }

    #[test]
    fn steps_rise_and_every_line_has_one_direction() {
        for line in LINES {
            let mut last = Step { from: f32::MIN, points: 0.0 };
            for step in line.steps {
                assert!(step.from > last.from && step.points.abs() > last.points.abs(), "{line:?}");
                assert!(step.points * line.steps[0].points > 0.0, "{line:?}");
                last = *step;
            }
        }
    }

    proptest! {
        #[test]
        fn is_monotone(
            values in proptest::collection::vec(0f32..60.0, SIGNALS),
            line in 0..LINES.len(),
            more in 0.01f32..60.0,
        ) {
            let before = Signals::new(values.try_into().expect("as many as there are"));
            let mut after = before;
            let signal = LINES[line].signal;
            after.set(signal, before.get(signal) + more);
            let (before, after) = (Scorecard.score(&before), Scorecard.score(&after));
            if LINES[line].steps[0].points > 0.0 {
                prop_assert!(after.probability >= before.probability);
            } else {
                prop_assert!(after.probability <= before.probability);
            }
            prop_assert!(after.is_sound());
        }
    }
}
