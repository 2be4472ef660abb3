//! What came of a drop, by kind of visitor, and what it cost the owners of programs.

use crate::visitor::{Crowd, Kind};
use serde_json::Value;

/// What became of one kind of visitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tickets given out.
    pub tickets: u32,
    /// Of these with less weight in the draw.
    pub light: u32,
    /// Accounts that were asked for a challenge at least once.
    pub challenged: u32,
    /// Challenges waited out.
    pub waited: u32,
    /// Puzzles solved.
    pub solved: u32,
    /// Hashes for them.
    pub hashes: u64,
    /// Requests refused on proof.
    pub refused: u32,
    /// Accounts held to what their cluster may have.
    pub capped: u32,
    /// Holds that waited for a look.
    pub reviewed: u32,
    /// Holds.
    pub held: u32,
    /// Units bought.
    pub sold: u32,
    /// Time that units were on hold.
    pub held_ms: u64,
    /// Requests sent.
    pub requests: u64,
}

/// What came of a drop.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The kinds of the crowd.
    pub kinds: Vec<Kind>,
    /// One for each.
    pub tallies: Vec<Tally>,
    /// Units there were.
    pub units: u32,
    /// Who sent each join, in the order in which they were sent.
    pub joins: Vec<usize>,
    /// What an operator sees of risk at the end.
    pub shown: Value,
}

impl Outcome {
    pub(crate) fn new(crowd: &Crowd, units: u32) -> Outcome {
        let kinds = crowd.kinds.clone();
        let tallies = vec![Tally::default(); kinds.len()];
        Outcome { kinds, tallies, units, joins: Vec::new(), shown: Value::Null }
    }

    /// Add up a figure over people, or over programs.
    pub fn of(&self, programs: bool, figure: impl Fn(&Tally) -> u64) -> u64 {
        let all = self.kinds.iter().zip(&self.tallies);
        all.filter(|(kind, _)| kind.is_program == programs).map(|(_, tally)| figure(tally)).sum()
    }

    /// Return how many accounts came, of people or of programs.
    pub fn accounts(&self, programs: bool) -> u64 {
        let all = self.kinds.iter().filter(|kind| kind.is_program == programs);
        all.map(|kind| u64::from(kind.accounts)).sum()
    }

    /// Return the share of the units sold that programs bought, 0 to 1.
    pub fn share(&self) -> f64 {
        share(self.of(true, |t| t.sold.into()), self.of(false, |t| t.sold.into()))
    }

    /// Return the share of the time on hold that was programs', 0 to 1.
    pub fn held_share(&self) -> f64 {
        share(self.of(true, |t| t.held_ms), self.of(false, |t| t.held_ms))
    }

    /// Return the share of the payment instruments that were programs', 0 to 1.
    pub fn card_share(&self) -> f64 {
        let cards = |programs: bool| {
            let all = self.kinds.iter().filter(move |kind| kind.is_program == programs);
            all.map(|kind| u64::from(kind.cards)).sum()
        };
        share(cards(true), cards(false))
    }

    /// Return what the owners of the programs spent, in US dollars.
    pub fn spent(&self, prices: &Prices) -> f64 {
        let each = self.kinds.iter().zip(&self.tallies).filter(|(kind, _)| kind.is_program);
        each.map(|(kind, tally)| prices.of(kind, tally)).sum()
    }

    /// Return what one unit cost them; nothing where they got none.
    pub fn unit_cost(&self, prices: &Prices) -> Option<f64> {
        let sold = self.of(true, |t| t.sold.into());
        (sold > 0).then(|| self.spent(prices) / sold as f64)
    }
}

fn share(part: u64, rest: u64) -> f64 {
    if part + rest == 0 { 0.0 } else { part as f64 / (part + rest) as f64 }
}

/// What things cost the owner of programs, in US dollars: assumptions, not measurements.
#[derive(Clone, Copy, Debug)]
pub struct Prices {
    /// An account that was registered.
    pub account: f64,
    /// A payment instrument.
    pub card: f64,
    /// An address of a home for a day.
    pub residential: f64,
    /// An address of a data centre for a day.
    pub datacentre: f64,
    /// A browser for a quarter of an hour.
    pub browser: f64,
    /// An hour of a core.
    pub core_hour: f64,
    /// Nanoseconds of a core for a hash.
    pub hash_ns: f64,
    /// Microseconds of a core for a request.
    pub request_us: f64,
}

impl Default for Prices {
    fn default() -> Prices {
        Prices {
            account: 0.10,
            card: 1.00,
            residential: 0.05,
            datacentre: 0.001,
            browser: 0.01,
            core_hour: 0.04,
            hash_ns: 100.0,
            request_us: 100.0,
        }
    }
}

impl Prices {
    fn of(&self, kind: &Kind, tally: &Tally) -> f64 {
        let address = if kind.residential { self.residential } else { self.datacentre };
        let browser = if kind.browser { self.browser } else { 0.0 };
        let accounts = f64::from(kind.accounts) * (self.account + address + browser);
        let core_s = tally.hashes as f64 * self.hash_ns / 1e9
            + tally.requests as f64 * self.request_us / 1e6;
        accounts + f64::from(kind.cards) * self.card + core_s / 3_600.0 * self.core_hour
    }
}
