//! What a waiting room did, told from its journal: who was called out of turn, whether the draw was
//! even, how long whom waited, who did not come, and how good the shown waits were.
//!
//! Nothing is taken from the places that the journal states: they are recomputed from the list, the
//! seed and the turn by one plain sort, and what is stated is compared with them.

use super::chi2::chi2_p;
use super::draw::{Seed, Spots, Turn};
use super::eta::{Forecaster, Sample};
use super::key::{Key, Weights};
use super::list::Pseudonym;
use onrush_types::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// Something that happened in a line, in the order of the journal.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The weights of its classes were set.
    Weights(Weights),
    /// A ticket was given out. Numbers are dense from 0.
    Joined {
        /// Its class.
        class: u8,
        /// Its lane.
        lane: u8,
        /// The buyer's pseudonym.
        pseudonym: Pseudonym,
        /// When.
        at: Timestamp,
    },
    /// A lane was drawn: the first `count` of its tickets took part.
    Drawn {
        /// The lane.
        lane: u8,
        /// How many took part.
        count: u32,
        /// Its seed.
        seed: Seed,
        /// What turned its wheel.
        turn: Turn,
        /// When.
        at: Timestamp,
    },
    /// All places below `through` were called up, and the first `again` of those who came back.
    Called {
        /// All below it.
        through: u32,
        /// Second calls.
        again: u32,
        /// The operator's rate then.
        per_second: Option<u32>,
        /// When.
        at: Timestamp,
    },
    /// The sale was paused or went on.
    Paused {
        /// Whether it is paused from now on.
        paused: bool,
        /// When.
        at: Timestamp,
    },
    /// Somebody who was passed over asked to be called again.
    Returned {
        /// The ticket.
        number: u32,
    },
    /// Somebody used a pass.
    Used {
        /// The ticket.
        number: u32,
        /// The place that the pass stated.
        place: u32,
        /// When.
        at: Timestamp,
    },
}

/// What there is to say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Tickets given out.
    pub tickets: u32,
    /// Places called up.
    pub called: u32,
    /// Passes used before their ticket's place was called up, or with a place that is not the
    /// ticket's. Zero in an honest line.
    pub inversions: u32,
    /// Whether the order of the draws had to do with the order of joining; `None` while too few
    /// were drawn.
    pub uniformity: Option<Uniformity>,
    /// By class: those with tickets.
    pub tiers: Vec<TierReport>,
    /// Passes used.
    pub used: u32,
    /// Called up, and not come (yet) since.
    pub unused: u32,
    /// Of those who were passed over, how many asked to be called again.
    pub came_back: u32,
    /// How good the shown waits were; `None` while nobody waited.
    pub eta: Option<EtaReport>,
}

/// A χ² test of tickets by tenths of joining and of rank, in each class of each lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uniformity {
    /// The sum over all cells.
    pub chi2: f64,
    /// Degrees of freedom.
    pub degrees: u32,
    /// How often an honest draw is at least as uneven. Below 0.001 ask why.
    pub p: f64,
}

/// People of one tier.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TierReport {
    /// Its class.
    pub class: u8,
    /// Its weight.
    pub weight: u8,
    /// Tickets.
    pub tickets: u32,
    /// Of them called up.
    pub called: u32,
    /// Of them used.
    pub used: u32,
    /// Half of those called up waited at most so long, from joining or the draw of their lane.
    pub wait_p50_ms: u64,
    /// Nine of ten.
    pub wait_p90_ms: u64,
}

/// Waits as the estimator shows them, against those that followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EtaReport {
    /// Waits compared: some places at each step of the outflow.
    pub shown: u32,
    /// Share of real waits that were at most the shown p50.
    pub within_p50: f64,
    /// Share of real waits that were at most the shown p90.
    pub within_p90: f64,
    /// Median of the shown p90 by the real wait.
    pub p90_to_real: f64,
}

/// Tell what a line did. Cost: one sort of each draw, and some 60 bytes a ticket.
pub fn report(facts: impl IntoIterator<Item = Fact>) -> Report {
    let mut history = History::default();
    facts.into_iter().for_each(|fact| history.note(fact));
    history.report()
}

#[derive(Clone, Copy, Debug)]
struct Ticket {
    class: u8,
    lane: u8,
    pseudonym: Pseudonym,
    joined_at: Timestamp,
    used: bool,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    number: u32,
    place: u32,
    at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    through: u32,
    at: Timestamp,
    per_second: Option<u32>,
    paused: bool,
}

#[derive(Clone, Copy, Debug)]
struct Draw {
    count: u32,
    seed: Seed,
    turn: Turn,
    at: Timestamp,
}

/// Takes facts one by one, for callers who cannot hand over an iterator.
#[derive(Debug, Default)]
pub struct History {
    weights: Option<Weights>,
    tickets: Vec<Ticket>,
    draws: BTreeMap<u8, Draw>,
    calls: Vec<Call>,
    uses: Vec<Use>,
    waiting_again: VecDeque<u32>,
    called_again: BTreeMap<u32, Timestamp>,
    came_back: u32,
}

impl History {
    /// Take the next fact.
    pub fn note(&mut self, fact: Fact) {
        match fact {
            Fact::Weights(weights) => self.weights = Some(weights),
            Fact::Joined { class, lane, pseudonym, at } => {
                let ticket = Ticket { class, lane, pseudonym, joined_at: at, used: false };
                self.tickets.push(ticket);
            }
            Fact::Drawn { lane, count, seed, turn, at } => {
                self.draws.insert(lane, Draw { count, seed, turn, at });
            }
            Fact::Called { through, again, per_second, at } => {
                for _ in 0..again {
                    let number = self.waiting_again.pop_front();
                    number.map(|number| self.called_again.insert(number, at));
                }
                self.calls.push(Call { through, at, per_second, paused: false });
            }
            Fact::Paused { paused, at } => {
                let last = self.calls.last();
                let (through, per_second) = last.map_or((0, None), |c| (c.through, c.per_second));
                self.calls.push(Call { through, at, per_second, paused });
            }
            Fact::Returned { number } => {
                self.waiting_again.push_back(number);
                self.came_back += 1;
            }
            Fact::Used { number, place, at } => {
                self.uses.push(Use { number, place, at });
                if let Some(ticket) = self.tickets.get_mut(number as usize) {
                    ticket.used = true;
                }
            }
        }
    }

    /// Tell what the line did so far. Cost: as [`report`].
    pub fn report(&self) -> Report {
        let weights = self.weights.unwrap_or(Weights::EQUAL);
        let order = self.order(weights);
        let mut places = vec![None; self.tickets.len()];
        for (place, &number) in (0_u32..).zip(&order) {
            places[number as usize] = Some(place);
        }
        let called = self.calls.last().map_or(0, |call| call.through).min(order.len() as u32);
        let unused = order[..called as usize].iter();
        let unused = unused.filter(|&&number| !self.tickets[number as usize].used).count();
        Report {
            tickets: self.tickets.len() as u32,
            called,
            inversions: self.uses.iter().filter(|one| self.out_of_turn(one, &places)).count()
                as u32,
            uniformity: self.uniformity(&order),
            tiers: self.tiers(weights, &places),
            used: self.uses.len() as u32,
            unused: unused as u32,
            came_back: self.came_back,
            eta: self.eta(),
        }
    }

    /// Return the tickets in the order of their places, as far as lanes were drawn.
    fn order(&self, weights: Weights) -> Vec<u32> {
        let mut lanes: Vec<Vec<u32>> = vec![Vec::new(); usize::from(u8::MAX) + 1];
        for (number, ticket) in (0..).zip(&self.tickets) {
            lanes[usize::from(ticket.lane)].push(number);
        }
        let mut order = Vec::with_capacity(self.tickets.len());
        for (lane, tickets) in (0_u8..=u8::MAX).zip(&lanes) {
            // What stands behind a lane that is not drawn has no place yet.
            let Some(draw) = self.draws.get(&lane) else {
                if tickets.is_empty() {
                    continue;
                }
                break;
            };
            let (drawn, arrived) = tickets.split_at((draw.count as usize).min(tickets.len()));
            let spots = Spots::new(&draw.seed);
            let mut sorted: Vec<(Key, Pseudonym, u32)> = drawn
                .iter()
                .map(|&number| {
                    let Ticket { pseudonym, class, .. } = self.tickets[number as usize];
                    // A class without weight is no class of the draw: its ticket goes last.
                    let u = spots.of(pseudonym).turned(draw.turn);
                    let key = weights.get(class).map_or(Key(u64::MAX), |w| Key::of(u, w));
                    (key, pseudonym, number)
                })
                .collect();
            sorted.sort_unstable();
            order.extend(sorted.into_iter().map(|(.., number)| number));
            order.extend(arrived);
        }
        order
    }

    /// Return when a place was called up first.
    fn called_at(&self, place: u32) -> Option<Timestamp> {
        let at = self.calls.partition_point(|call| call.through <= place);
        self.calls.get(at).map(|call| call.at)
    }

    fn out_of_turn(&self, one: &Use, places: &[Option<u32>]) -> bool {
        let Some(place) = places.get(one.number as usize).copied().flatten() else { return true };
        let in_time = |at: Timestamp| at <= one.at;
        let called = self.called_at(place).is_some_and(in_time);
        let again = self.called_again.get(&one.number).copied().is_some_and(in_time);
        place != one.place || !(called || again)
    }

    fn uniformity(&self, order: &[u32]) -> Option<Uniformity> {
        let mut groups: BTreeMap<(u8, u8), Vec<u32>> = BTreeMap::new();
        let mut drawn_left: BTreeMap<u8, u32> =
            self.draws.iter().map(|(lane, draw)| (*lane, draw.count)).collect();
        for &number in order {
            let ticket = &self.tickets[number as usize];
            let left = drawn_left.get_mut(&ticket.lane)?;
            if *left > 0 {
                *left -= 1;
                groups.entry((ticket.lane, ticket.class)).or_default().push(number);
            }
        }
        let (mut chi2, mut degrees) = (0.0, 0);
        for ranked in groups.values() {
            let (sum, free) = table(ranked);
            chi2 += sum;
            degrees += free;
        }
        (degrees > 0).then(|| Uniformity { chi2, degrees, p: chi2_p(chi2, degrees) })
    }

    fn tiers(&self, weights: Weights, places: &[Option<u32>]) -> Vec<TierReport> {
        let mut tiers = Vec::new();
        for (class, weight) in (0_u8..).zip(weights.iter()) {
            let (mut tickets, mut used, mut waits) = (0, 0, Vec::new());
            for (ticket, place) in self.tickets.iter().zip(places) {
                if ticket.class != class {
                    continue;
                }
                tickets += 1;
                used += u32::from(ticket.used);
                if let Some(called_at) = place.and_then(|place| self.called_at(place)) {
                    let drawn_at = self.draws.get(&ticket.lane).map_or(Timestamp(0), |d| d.at);
                    waits.push(called_at.since(ticket.joined_at.max(drawn_at)).0);
                }
            }
            if tickets > 0 {
                waits.sort_unstable();
                let at = |tenths: usize| {
                    waits.get(waits.len() * tenths / 10).or(waits.last()).copied().unwrap_or(0)
                };
                let (wait_p50_ms, wait_p90_ms) = (at(5), at(9));
                let called = waits.len() as u32;
                let tier =
                    TierReport { class, weight, tickets, called, used, wait_p50_ms, wait_p90_ms };
                tiers.push(tier);
            }
        }
        tiers
    }

    /// Show waits again, as the estimator does, and compare them with what followed.
    fn eta(&self) -> Option<EtaReport> {
        let end = self.calls.last()?.through;
        let mut forecaster = Forecaster::new();
        let mut ratios: Vec<(f64, f64)> = Vec::new();
        for (n, call) in self.calls.iter().enumerate() {
            let next_at = self.calls.get(n + 1).map_or(call.at, |next| next.at);
            let mut at = call.at;
            loop {
                forecaster.tick(Sample {
                    at,
                    served: call.through,
                    waiting: end - call.through,
                    per_second: call.per_second,
                    paused: call.paused,
                });
                at = Timestamp(at.0 + QUIET_MS);
                if at >= next_at {
                    break;
                }
            }
            let forecast = forecaster.forecast();
            // Places at 1, 2, 4, … people ahead: as often asked about near the front as people are.
            for ahead in (0..31).map(|power| 1_u32 << power) {
                let Some(place) = call.through.checked_add(ahead).filter(|place| *place < end)
                else {
                    break;
                };
                let (Some(eta), Some(called_at)) = (forecast.eta(ahead), self.called_at(place))
                else {
                    continue;
                };
                let real = called_at.since(call.at).0.max(1) as f64;
                ratios.push((eta.p50_ms as f64 / real, eta.p90_ms as f64 / real));
            }
        }
        let share = |hits: usize| hits as f64 / ratios.len() as f64;
        let mut wide: Vec<f64> = ratios.iter().map(|ratio| ratio.1).collect();
        wide.sort_by(f64::total_cmp);
        Some(EtaReport {
            shown: ratios.len() as u32,
            within_p50: share(ratios.iter().filter(|ratio| ratio.0 >= 1.0).count()),
            within_p90: share(ratios.iter().filter(|ratio| ratio.1 >= 1.0).count()),
            p90_to_real: *wide.get(wide.len() / 2)?,
        })
    }
}

/// The estimator is told at least this often that nothing happened.
const QUIET_MS: u64 = 1_000;

/// Return χ² and degrees of freedom of a table of joining by rank. `ranked` are numbers in the order
/// of the draw; the order of joining is that of the numbers.
fn table(ranked: &[u32]) -> (f64, u32) {
    /// Tickets that each cell expects, at least: the usual rule for the test.
    const CELL_MIN: usize = 5;
    let n = ranked.len();
    let bins = (n / CELL_MIN).isqrt().min(10);
    if bins < 2 {
        return (0.0, 0);
    }
    let mut joined = ranked.to_vec();
    joined.sort_unstable();
    let mut cells = vec![0_u32; bins * bins];
    for (rank, number) in ranked.iter().enumerate() {
        let position = joined.partition_point(|other| other < number);
        cells[position * bins / n * bins + rank * bins / n] += 1;
    }
    let size = |bin: usize| ((bin + 1) * n).div_ceil(bins) - (bin * n).div_ceil(bins);
    let mut chi2 = 0.0;
    for row in 0..bins {
        for column in 0..bins {
            let expected = size(row) as f64 * size(column) as f64 / n as f64;
            let found = f64::from(cells[row * bins + column]);
            chi2 += (found - expected).powi(2) / expected;
        }
    }
    (chi2, ((bins - 1) * (bins - 1)) as u32)
}

#[cfg(test)]
#[path = "fairness_tests.rs"]
mod tests;
