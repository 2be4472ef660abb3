//! One history, crashed at each of its changes of the disk in turn.

use crate::history::{Stats, live};
use crate::lexicon::Lexicon;
use crate::oracle::Violation;
use crate::plan::{Plan, Step};
use crate::random::Random;
use onrush::journal::Loss;

/// Steps of a history that is crashed everywhere: short, because it is lived once for each change.
pub const STEPS: usize = 60;

/// What crashing everywhere came to.
#[derive(Clone, Debug, Default)]
pub struct Crashed {
    /// Crash points tried.
    pub points: u64,
    /// Figures of all lives together.
    pub stats: Stats,
    /// The first one that broke a promise: where the power went, and how.
    pub violation: Option<(u64, Loss, Violation)>,
}

/// Return the plan of `seed`, without faults of its own.
pub fn plan(seed: u64) -> Plan {
    let mut plan = Plan::with(seed, STEPS);
    plan.steps.retain(|step| !matches!(step, Step::Fault(_)));
    plan
}

/// Live the history of `seed` to its end, then once for each change with the power cut there.
pub fn everywhere(seed: u64, lexicon: &Lexicon) -> Crashed {
    let plan = plan(seed);
    let mut crashed = Crashed::default();
    let whole = live(&plan, lexicon, false, None);
    crashed.stats.add(&whole.stats);
    if let Some(violation) = whole.violation {
        crashed.violation = Some((u64::MAX, Loss::Nothing, violation));
        return crashed;
    }
    let mut random = Random::new(seed);
    for at in 0..whole.stats.changes {
        let loss = random.pick(&[Loss::Everything, Loss::Random, Loss::Random, Loss::Percent(85)]);
        let lived = live(&plan, lexicon, false, Some((at, loss)));
        crashed.points += 1;
        crashed.stats.add(&lived.stats);
        if let Some(violation) = lived.violation {
            crashed.violation = Some((at, loss, violation));
            break;
        }
    }
    crashed
}

impl Stats {
    /// Add another history's figures.
    pub fn add(&mut self, other: &Stats) {
        self.actions += other.actions;
        self.records += other.records;
        self.crashes += other.crashes;
        self.refused += other.refused;
        self.changes += other.changes;
    }
}
