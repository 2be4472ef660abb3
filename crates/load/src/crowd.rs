//! Who comes to a sale, and how they behave.
//!
//! A crowd is a list of [`Visit`]s in the order in which they are due. The same specification and
//! seed give the same crowd.

use crate::arrivals::Arrivals;
use crate::template::Who;
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
    /// Loads the page again and again, before and after reserving.
    Refreshes,
    /// Reserves and is gone before the answer comes.
    Abandons,
    /// A bot that asks in a loop, with a new key each time, whatever it is told.
    Loops,
    /// A bot that sends one captured request several times at once.
    Replays,
    /// A bot that holds, never pays, and takes again what it let expire.
    Hoards,
    /// A bot with many accounts, which all ask at once.
    ManyAccounts,
}

impl Behaviour {
    /// Every behaviour.
    pub const ALL: [Behaviour; 15] = [
        Behaviour::Buys,
        Behaviour::DoubleClicks,
        Behaviour::Grabs,
        Behaviour::NeverPays,
        Behaviour::PaysLate,
        Behaviour::PaysInParts,
        Behaviour::PaysHalf,
        Behaviour::Releases,
        Behaviour::Cancels,
        Behaviour::Refreshes,
        Behaviour::Abandons,
        Behaviour::Loops,
        Behaviour::Replays,
        Behaviour::Hoards,
        Behaviour::ManyAccounts,
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
            Behaviour::Refreshes => "refreshes",
            Behaviour::Abandons => "abandons",
            Behaviour::Loops => "bot: asks in a loop",
            Behaviour::Replays => "bot: replays a request",
            Behaviour::Hoards => "bot: holds, never pays",
            Behaviour::ManyAccounts => "bot: many accounts",
        }
    }

    /// Return the word for a command line or a file.
    pub const fn word(self) -> &'static str {
        match self {
            Behaviour::Buys => "buys",
            Behaviour::DoubleClicks => "double-clicks",
            Behaviour::Grabs => "grabs",
            Behaviour::NeverPays => "never-pays",
            Behaviour::PaysLate => "pays-late",
            Behaviour::PaysInParts => "pays-in-parts",
            Behaviour::PaysHalf => "pays-half",
            Behaviour::Releases => "releases",
            Behaviour::Cancels => "cancels",
            Behaviour::Refreshes => "refreshes",
            Behaviour::Abandons => "abandons",
            Behaviour::Loops => "bot-loops",
            Behaviour::Replays => "bot-replays",
            Behaviour::Hoards => "bot-hoards",
            Behaviour::ManyAccounts => "bot-many-accounts",
        }
    }

    /// Tell whether somebody who behaves like this pays, if there is a way.
    pub const fn pays(self) -> bool {
        !matches!(
            self,
            Behaviour::NeverPays | Behaviour::Abandons | Behaviour::Hoards | Behaviour::Releases
        )
    }

    /// Tell whether it is a program and not a person.
    pub const fn is_bot(self) -> bool {
        matches!(
            self,
            Behaviour::Loops | Behaviour::Replays | Behaviour::Hoards | Behaviour::ManyAccounts
        )
    }
}

/// How many of a crowd behave in which way, as weights: one for each of [`Behaviour::ALL`], in its
/// order or any other.
pub type Mix = [(Behaviour, u32); Behaviour::ALL.len()];

/// Read a mix: `buys=60,double-clicks=20,bot-loops=5`. Whatever is not named does not come.
///
/// # Errors
/// When a word or a number is wrong, or everything is 0; with the words there are.
pub fn mix_named(text: &str) -> Result<Mix, String> {
    let mut mix = PLAIN.map(|(behaviour, _)| (behaviour, 0));
    for part in text.split(',') {
        let (word, weight) = part.trim().split_once('=').unwrap_or((part.trim(), "1"));
        let Some(entry) = mix.iter_mut().find(|(behaviour, _)| behaviour.word() == word) else {
            let words = Behaviour::ALL.map(Behaviour::word).join(", ");
            return Err(format!("{word:?} is no behaviour; there are {words}"));
        };
        let number = weight.parse::<u32>().ok().filter(|&weight| weight <= 1_000_000);
        entry.1 = number.ok_or_else(|| format!("{weight:?} is no weight up to 1,000,000"))?;
    }
    if mix.iter().all(|&(_, weight)| weight == 0) {
        return Err("nobody would come: give at least one behaviour a weight".to_owned());
    }
    Ok(mix)
}

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
    (Behaviour::Refreshes, 0),
    (Behaviour::Abandons, 0),
    (Behaviour::Loops, 0),
    (Behaviour::Replays, 0),
    (Behaviour::Hoards, 0),
    (Behaviour::ManyAccounts, 0),
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
    (Behaviour::Refreshes, 0),
    (Behaviour::Abandons, 0),
    (Behaviour::Loops, 0),
    (Behaviour::Replays, 0),
    (Behaviour::Hoards, 0),
    (Behaviour::ManyAccounts, 0),
];

/// People as they are, and a fifth of all are bots of each profile.
pub const BOTS: Mix = [
    (Behaviour::Buys, 34),
    (Behaviour::DoubleClicks, 12),
    (Behaviour::Grabs, 4),
    (Behaviour::NeverPays, 8),
    (Behaviour::PaysLate, 4),
    (Behaviour::PaysInParts, 2),
    (Behaviour::PaysHalf, 1),
    (Behaviour::Releases, 4),
    (Behaviour::Cancels, 1),
    (Behaviour::Refreshes, 8),
    (Behaviour::Abandons, 2),
    (Behaviour::Loops, 6),
    (Behaviour::Replays, 4),
    (Behaviour::Hoards, 5),
    (Behaviour::ManyAccounts, 5),
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

/// One guest, without a text of its own: names and keys follow from [`Who`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    /// When the guest is due, from the start of the run.
    pub at: Duration,
    /// Who it is.
    pub who: Who,
    /// The SKU wanted, by its number in [`CrowdSpec::skus`].
    pub sku: u16,
    /// How many units.
    pub quantity: u32,
    /// What the guest does.
    pub behaviour: Behaviour,
    /// How long the guest takes for the next step.
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
    /// As [`guests`](CrowdSpec::guests).
    pub fn visits(self) -> impl Iterator<Item = Visit> {
        let skus = self.skus.clone();
        self.guests().map(move |guest| Visit {
            at: guest.at,
            buyer: guest.who.buyer(),
            key: guest.who.key(0),
            sku: skus[usize::from(guest.sku)].as_str().into(),
            quantity: guest.quantity,
            behaviour: guest.behaviour,
            think: guest.think,
        })
    }

    /// Return the crowd, in the order in which it comes, without texts. Lazy; allocates nothing.
    ///
    /// # Panics
    /// When there is no SKU or more than 65,536, or every weight of the mix is zero.
    pub fn guests(self) -> impl Iterator<Item = Guest> {
        let weights: u32 = self.mix.iter().map(|&(_, weight)| weight).sum();
        assert!(weights > 0 && !self.skus.is_empty(), "a crowd needs a behaviour and a SKU");
        assert!(self.skus.len() <= 1 << 16, "a crowd knows 65,536 SKUs at most");
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
            Guest {
                at,
                who: Who { seed: self.seed, n: n as u64, account: 0 },
                sku: taste as u16,
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
            assert_eq!(behaviour.is_bot(), behaviour.word().starts_with("bot-"));
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

    #[test]
    fn a_mix_is_read_from_words_and_says_what_is_wrong() {
        let mix = mix_named("buys=3, bot-loops=1").expect("a mix");
        let weight = |b: Behaviour| mix.iter().find(|(behaviour, _)| *behaviour == b).map(|m| m.1);
        assert_eq!(weight(Behaviour::Buys), Some(3));
        assert_eq!(weight(Behaviour::Loops), Some(1));
        assert_eq!(mix.iter().map(|(_, weight)| weight).sum::<u32>(), 4);
        assert_eq!(mix_named("grabs"), mix_named("grabs=1"));
        for (text, says) in [
            ("buy=3", "double-clicks"),
            ("buys=x", "no weight"),
            ("buys=0", "nobody would come"),
            ("", "is no behaviour"),
        ] {
            assert!(mix_named(text).is_err_and(|e| e.contains(says)), "{text}");
        }
    }

    #[test]
    fn every_mix_names_every_behaviour_once_in_order() {
        for mix in [PLAIN, MIXED, BOTS] {
            assert_eq!(mix.map(|(behaviour, _)| behaviour), Behaviour::ALL);
        }
        let bots: u32 = BOTS.iter().filter(|(b, _)| b.is_bot()).map(|(_, weight)| weight).sum();
        assert_eq!((bots, BOTS.iter().map(|(_, weight)| weight).sum::<u32>()), (20, 100));
    }
}
