//! Who comes to a sale, and how they behave.
//!
//! A crowd is a list of [`Visit`]s in the order in which they are due. The same specification and
//! seed give the same crowd.

use crate::arrivals::Arrivals;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::time::Duration;

/// What a visitor does once the sale is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Behaviour {
    /// Reserves and pays.
    Buys,
    /// Sends the reserve twice at once with the same key, and the payment too.
    DoubleClicks,
    /// Sends two reserves at once with different keys, to get more than the limit.
    Grabs,
    /// Reserves and never pays.
    NeverPays,
    /// Pays after the hold has expired.
    PaysLate,
    /// Pays in two parts.
    PaysInParts,
    /// Pays the first part only.
    PaysHalf,
    /// Reserves, and gives it back.
    Releases,
    /// Reserves, pays, and asks for the money back: the shop cancels the sale.
    Cancels,
}

impl Behaviour {
    /// Every behaviour.
    pub const ALL: [Behaviour; 9] = [
        Behaviour::Buys,
        Behaviour::DoubleClicks,
        Behaviour::Grabs,
        Behaviour::NeverPays,
        Behaviour::PaysLate,
        Behaviour::PaysInParts,
        Behaviour::PaysHalf,
        Behaviour::Releases,
        Behaviour::Cancels,
    ];

    /// Return the words for a report.
    pub const fn as_str(self) -> &'static str {
        match self {
            Behaviour::Buys => "buys",
            Behaviour::DoubleClicks => "double-clicks",
            Behaviour::Grabs => "grabs",
            Behaviour::NeverPays => "never pays",
            Behaviour::PaysLate => "pays late",
            Behaviour::PaysInParts => "pays in parts",
            Behaviour::PaysHalf => "pays half",
            Behaviour::Releases => "releases",
            Behaviour::Cancels => "cancels",
        }
    }
}

/// How many of a crowd behave in which way, as weights.
pub type Mix = [(Behaviour, u32); 9];

/// Everybody buys.
pub const PLAIN: Mix = [
    (Behaviour::Buys, 1),
    (Behaviour::DoubleClicks, 0),
    (Behaviour::Grabs, 0),
    (Behaviour::NeverPays, 0),
    (Behaviour::PaysLate, 0),
    (Behaviour::PaysInParts, 0),
    (Behaviour::PaysHalf, 0),
    (Behaviour::Releases, 0),
    (Behaviour::Cancels, 0),
];

/// The mix of the demo: most people buy, many do not.
pub const MIXED: Mix = [
    (Behaviour::Buys, 45),
    (Behaviour::DoubleClicks, 15),
    (Behaviour::Grabs, 5),
    (Behaviour::NeverPays, 12),
    (Behaviour::PaysLate, 7),
    (Behaviour::PaysInParts, 6),
    (Behaviour::PaysHalf, 3),
    (Behaviour::Releases, 5),
    (Behaviour::Cancels, 2),
];

/// One request for units by one buyer.
#[derive(Clone, Debug, PartialEq)]
pub struct Visit {
    /// When it is due, from the start of the run.
    pub at: Duration,
    /// Who asks.
    pub buyer: Box<str>,
    /// The idempotency key.
    pub key: Box<str>,
    /// The SKU asked for.
    pub sku: Box<str>,
    /// How many units.
    pub quantity: u32,
    /// What the buyer does.
    pub behaviour: Behaviour,
    /// How long the buyer takes for the next step.
    pub think: Duration,
}

/// A crowd that wants one SKU each.
#[derive(Clone, Debug)]
pub struct CrowdSpec {
    /// How many come.
    pub buyers: u32,
    /// When they come.
    pub arrivals: Arrivals,
    /// How they behave.
    pub mix: Mix,
    /// What they may want; each wants one, the first ones more than the others.
    pub skus: Vec<String>,
    /// The longest time a buyer takes between two steps.
    pub think_max: Duration,
    /// What all of it follows from.
    pub seed: u64,
}

impl CrowdSpec {
    /// Return the crowd, in the order in which it comes. Lazy: a visit is made when it is asked for.
    ///
    /// # Panics
    /// When there is no SKU, or every weight of the mix is zero.
    pub fn visits(self) -> impl Iterator<Item = Visit> {
        let weights: u32 = self.mix.iter().map(|&(_, weight)| weight).sum();
        assert!(weights > 0 && !self.skus.is_empty(), "a crowd needs a behaviour and a SKU");
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ 0xc0_ffee);
        let times = self.arrivals.times(self.buyers, self.seed);
        times.enumerate().map(move |(n, at)| {
            let mut pick = rng.random_range(0..weights);
            let mut behaviour = Behaviour::Buys;
            for (b, weight) in self.mix {
                if pick < weight {
                    behaviour = b;
                    break;
                }
                pick -= weight;
            }
            // The square of a uniform number: what stands first is wanted most.
            let taste = rng.random::<f64>().powi(2) * self.skus.len() as f64;
            Visit {
                at,
                buyer: format!("buyer-{}-{n}", self.seed).into(),
                key: format!("{}-{n}", self.seed).into(),
                sku: self.skus[taste as usize].as_str().into(),
                quantity: 1,
                behaviour,
                think: self.think_max.mul_f64(rng.random::<f64>()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn spec(seed: u64) -> CrowdSpec {
        CrowdSpec {
            buyers: 10_000,
            arrivals: Arrivals::Poisson { per_second: 1_000.0 },
            mix: MIXED,
            skus: vec!["a".to_owned(), "b".to_owned()],
            think_max: Duration::from_secs(1),
            seed,
        }
    }

    #[test]
    fn a_seed_gives_the_same_crowd_again() {
        let crowd: Vec<Visit> = spec(5).visits().collect();
        assert_eq!(crowd, spec(5).visits().collect::<Vec<_>>());
        assert_ne!(crowd, spec(6).visits().collect::<Vec<_>>());
    }

    #[test]
    fn behaviours_come_by_their_weights_and_keys_are_distinct() {
        let crowd: Vec<Visit> = spec(5).visits().collect();
        let total: u32 = MIXED.iter().map(|(_, w)| w).sum();
        for (behaviour, weight) in MIXED {
            let count = crowd.iter().filter(|v| v.behaviour == behaviour).count() as f64;
            let share = f64::from(weight) / f64::from(total);
            assert!((count / 10_000.0 - share).abs() < 0.02, "{behaviour:?}: {count}");
        }
        let keys: HashSet<_> = crowd.iter().map(|v| (&v.buyer, &v.key)).collect();
        assert_eq!(keys.len(), crowd.len());
        let first = crowd.iter().filter(|v| &*v.sku == "a").count() as f64 / 10_000.0;
        assert!((first - 0.5_f64.sqrt()).abs() < 0.02, "{first}");
        assert!(crowd.iter().all(|v| v.think <= Duration::from_secs(1)));
    }
}
