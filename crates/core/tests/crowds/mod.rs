//! Five shapes of a crowd that waits, each from a seed: who was called up when, tick by tick, under
//! an outflow that is bound to the stock. Written apart from the product's own outflow, so that the
//! estimator is measured on a world that it does not share code with.

use onrush_core::line::{Chances, Forecaster, Odds, Sample};
use onrush_types::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Milliseconds between two ticks of the outflow.
pub(crate) const TICK_MS: u64 = 200;

/// A shape: what the operator, the shop and the people do.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// Its name.
    pub(crate) name: &'static str,
    people: u32,
    units: u32,
    /// People with a pass or a hold at most.
    inside: u32,
    /// What the operator sets, from when on in seconds: people a second; zero is a pause.
    rates: &'static [(u64, u32)],
    /// One in so many who are called up comes not.
    no_show_percent: u64,
    /// Holds that come back.
    back_percent: u64,
    /// The shop stumbles every so many seconds on average; zero for never.
    stumbles_every_s: u64,
}

/// The five shapes of the figures.
pub(crate) const SHAPES: [Shape; 5] = [
    Shape {
        name: "constant outflow",
        people: 30_000,
        units: 100_000,
        inside: 900,
        rates: &[(0, 1_000)],
        no_show_percent: 3,
        back_percent: 5,
        stumbles_every_s: 0,
    },
    Shape {
        name: "bound to the stock, slows down",
        people: 20_000,
        units: 6_000,
        inside: 100_000,
        rates: &[(0, 40)],
        no_show_percent: 10,
        back_percent: 20,
        stumbles_every_s: 0,
    },
    Shape {
        name: "operator changes the rate",
        people: 30_000,
        units: 100_000,
        inside: 100_000,
        rates: &[(0, 50), (200, 35), (420, 60), (600, 45)],
        no_show_percent: 10,
        back_percent: 5,
        stumbles_every_s: 0,
    },
    Shape {
        name: "a pause in the middle",
        people: 30_000,
        units: 100_000,
        inside: 2_500,
        rates: &[(0, 50), (280, 0), (340, 50)],
        no_show_percent: 10,
        back_percent: 5,
        stumbles_every_s: 0,
    },
    Shape {
        name: "bursts of a slow shop, no-shows",
        people: 30_000,
        units: 100_000,
        inside: 100_000,
        rates: &[(0, 60)],
        no_show_percent: 30,
        back_percent: 10,
        stumbles_every_s: 40,
    },
];

/// What was known at one tick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) at_ms: u64,
    /// People called up so far.
    pub(crate) served: u32,
    /// People behind them.
    pub(crate) waiting: u32,
    /// People a second that the operator allows.
    pub(crate) rate: u32,
    pub(crate) free: u32,
    pub(crate) held: u32,
    pub(crate) share_back_milli: u32,
    /// Passes that are out.
    pub(crate) outstanding: u32,
    pub(crate) units_per_pass_milli: u32,
}

impl Tick {
    /// Return the chances of somebody with `ahead` people before who were not called up.
    pub(crate) fn chances(&self, ahead: u32) -> Chances {
        Chances {
            ahead: ahead + self.outstanding,
            free: self.free,
            held: self.held,
            share_back_milli: self.share_back_milli,
            units_per_pass_milli: self.units_per_pass_milli,
        }
    }
}

/// What happened.
pub(crate) struct Trace {
    pub(crate) ticks: Vec<Tick>,
    /// When each place was called up; the rest never was.
    pub(crate) served_at_ms: Vec<u64>,
}

/// Numbers from a seed (splitmix64).
pub(crate) struct Chance(pub u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    /// Return a time that is exponentially distributed.
    pub(crate) fn about_ms(&mut self, mean_ms: u64) -> u64 {
        let uniform = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        (-(1.0 - uniform).ln() * mean_ms as f64) as u64
    }
}

const PASS_MS: u64 = 60_000;
const HOLD_MS: u64 = 90_000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Uses,
    Lapses,
    Pays,
    GivesBack,
}

struct World {
    chance: Chance,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    free: u32,
    held: u32,
    outstanding: u32,
    passes_over: u32,
    units_taken: u32,
    holds_over: u32,
    given_back: u32,
    /// The shop's share of what it could take, in thousandths.
    health: u64,
    stumbles_until_ms: u64,
}

/// Let a shape happen.
pub(crate) fn happen(shape: &Shape, seed: u64) -> Trace {
    let mut world = World {
        chance: Chance(seed),
        events: BinaryHeap::new(),
        free: shape.units,
        held: 0,
        outstanding: 0,
        passes_over: 0,
        units_taken: 0,
        holds_over: 0,
        given_back: 0,
        health: 1_000,
        stumbles_until_ms: 0,
    };
    let mut trace = Trace { ticks: Vec::new(), served_at_ms: Vec::new() };
    let mut saved_milli = 0;
    for at_ms in (0..3_600_000).step_by(TICK_MS as usize) {
        world.pass(at_ms, shape);
        let rate =
            shape.rates.iter().rev().find(|(from, _)| from * 1_000 <= at_ms).expect("a rate").1;
        saved_milli = (saved_milli + u64::from(rate) * TICK_MS * world.health / 1_000)
            .min(u64::from(rate) * 2 * TICK_MS);
        let waiting = shape.people - trace.served_at_ms.len() as u32;
        let inside = shape.inside.saturating_sub(world.outstanding + world.held);
        let n = waiting.min(inside).min(world.room()).min((saved_milli / 1_000) as u32);
        saved_milli -= u64::from(n) * 1_000;
        for _ in 0..n {
            world.call_up(at_ms, shape);
            trace.served_at_ms.push(at_ms);
        }
        let served = trace.served_at_ms.len() as u32;
        trace.ticks.push(world.tick(at_ms, served, shape.people - served, rate));
        let sold_out = world.free == 0 && world.held == 0;
        if sold_out || trace.served_at_ms.len() as u32 == shape.people {
            break;
        }
    }
    trace
}

impl World {
    /// Let time pass until `at_ms`.
    fn pass(&mut self, at_ms: u64, shape: &Shape) {
        while self.events.peek().is_some_and(|Reverse((due, _))| *due <= at_ms) {
            let Some(Reverse((due, event))) = self.events.pop() else { break };
            self.happens(due, event, shape);
        }
        if shape.stumbles_every_s == 0 {
            return;
        }
        if self.chance.next().is_multiple_of(shape.stumbles_every_s * 1_000 / TICK_MS) {
            self.stumbles_until_ms = at_ms + 3_000 + self.chance.about_ms(6_000);
        }
        if at_ms.is_multiple_of(1_000) {
            let slow = at_ms < self.stumbles_until_ms;
            self.health =
                if slow { (self.health / 2).max(50) } else { (self.health + 60).min(1_000) };
        }
    }

    fn happens(&mut self, at_ms: u64, event: Event, shape: &Shape) {
        match event {
            Event::Uses => {
                self.outstanding -= 1;
                self.passes_over += 1;
                if self.free > 0 {
                    self.free -= 1;
                    self.held += 1;
                    self.units_taken += 1;
                    let (event, after) = if self.chance.percent(shape.back_percent) {
                        (Event::GivesBack, HOLD_MS)
                    } else {
                        (Event::Pays, self.chance.about_ms(12_000).min(HOLD_MS))
                    };
                    self.events.push(Reverse((at_ms + after, event)));
                }
            }
            Event::Lapses => {
                self.outstanding -= 1;
                self.passes_over += 1;
            }
            Event::Pays | Event::GivesBack => {
                self.held -= 1;
                self.holds_over += 1;
                if event == Event::GivesBack {
                    self.given_back += 1;
                    self.free += 1;
                }
            }
        }
    }

    fn call_up(&mut self, at_ms: u64, shape: &Shape) {
        self.outstanding += 1;
        let comes = !self.chance.percent(shape.no_show_percent);
        let (event, after) = match self.chance.about_ms(8_000) {
            ms if comes && ms < PASS_MS => (Event::Uses, ms),
            _ => (Event::Lapses, PASS_MS),
        };
        self.events.push(Reverse((at_ms + after, event)));
    }

    /// Return how many more passes the stock bears.
    fn room(&self) -> u32 {
        let units = u64::from(self.free + self.returning());
        let bound = units * 1_000 / u64::from(self.units_per_pass_milli());
        (bound as u32).saturating_sub(self.outstanding)
    }

    fn returning(&self) -> u32 {
        self.held * self.given_back / (self.holds_over + 8)
    }

    fn units_per_pass_milli(&self) -> u32 {
        ((self.units_taken + 8) * 1_000 / (self.passes_over + 8)).max(334)
    }

    fn tick(&self, at_ms: u64, served: u32, waiting: u32, rate: u32) -> Tick {
        Tick {
            at_ms,
            served,
            waiting,
            rate,
            free: self.free,
            held: self.held,
            share_back_milli: self.given_back * 1_000 / (self.holds_over + 8),
            outstanding: self.outstanding,
            units_per_pass_milli: self.units_per_pass_milli(),
        }
    }
}

/// How what was shown compares with what happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Score {
    /// Estimates that were shown to somebody who was called up later.
    pub(crate) shown: usize,
    pub(crate) within_p50: f64,
    pub(crate) within_p90: f64,
    /// The median of the shown p90 by the real wait.
    pub(crate) p90_to_real: f64,
}

/// One person in so many is followed.
const FOLLOWED: usize = 16;

/// Let people poll as they are told to, show them what the estimator knows then, and compare.
pub(crate) fn score(trace: &Trace, seed: u64) -> Score {
    let mut chance = Chance(seed ^ 0x5eed);
    let mut forecaster = Forecaster::new();
    // Their place, when they were called up, and when they poll next.
    let mut followed: Vec<(u32, u64, u64)> = (0_u32..)
        .zip(&trace.served_at_ms)
        .step_by(FOLLOWED)
        .map(|(place, &served_at)| (place, served_at, chance.next() % 2_000))
        .collect();
    let mut ratios: Vec<(f64, f64)> = Vec::new();
    for tick in &trace.ticks {
        forecaster.tick(Sample {
            at: Timestamp(1_000_000 + tick.at_ms),
            served: tick.served,
            waiting: tick.waiting,
            per_second: Some(tick.rate),
            paused: tick.rate == 0,
        });
        let forecast = forecaster.forecast();
        followed.retain(|person| person.1 > tick.at_ms);
        for (place, served_at, poll_at) in &mut followed {
            if *poll_at > tick.at_ms {
                continue;
            }
            let ahead = *place - tick.served;
            let eta = forecast.eta(ahead);
            let every = eta.map_or(5_000, |eta| (eta.p50_ms / 10).clamp(2_000, 30_000));
            *poll_at = tick.at_ms + every * 3 / 4 + chance.next() % (every / 2);
            // Whom the stock will hardly reach is told that, and no time.
            let eta = eta.filter(|_| tick.chances(ahead).odds() != Odds::Unlikely);
            if let Some(eta) = eta {
                let real = (*served_at - tick.at_ms) as f64;
                ratios.push((eta.p50_ms as f64 / real, eta.p90_ms as f64 / real));
            }
        }
    }
    let share = |hits: usize| hits as f64 / ratios.len() as f64;
    let mut wide: Vec<f64> = ratios.iter().map(|ratio| ratio.1).collect();
    wide.sort_by(f64::total_cmp);
    Score {
        shown: ratios.len(),
        within_p50: share(ratios.iter().filter(|ratio| ratio.0 >= 1.0).count()),
        within_p90: share(ratios.iter().filter(|ratio| ratio.1 >= 1.0).count()),
        p90_to_real: wide[wide.len() / 2],
    }
}
