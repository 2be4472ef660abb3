//! Programs, by what their owners put into them.
//!
//! Two lists: thresholds, points and policy may be chosen by what [`calibration`] shows; [`test()`] has
//! other clients, rhythms and sizes, is looked at afterwards, and changes nothing. An owner runs many
//! accounts over fewer devices and payment instruments: that is what a farm costs, and what is seen.

use crate::drop::{JOINING_MS, OPENS_MS};
use crate::looks::Look;
use crate::visitor::{Answering, Crowd, Kind, Visitor, between, skewed};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// When accounts of a family ask for their tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// Every so many milliseconds from some seconds before joining opens until there is a ticket.
    Loop(u64),
    /// Once, within so many milliseconds after joining opens.
    Rush(u64),
    /// Once, at any time, as people come.
    Spread,
}

/// A family of programs.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// What it is called.
    pub name: &'static str,
    /// The largest share of the units it should get with nine tenths of the entries, in percent;
    /// nothing: its share of the payment instruments.
    pub target_percent: Option<f64>,
    /// What it seems to be.
    pub looks: &'static [Look],
    /// What it does with a challenge.
    pub answering: Answering,
    /// When it comes.
    pub rhythm: Rhythm,
    /// Accounts of one owner.
    pub owner: u32,
    /// Accounts for each payment instrument.
    pub card: u32,
    /// Accounts for each device token; 0: it shows none.
    pub device: u32,
    /// Accounts for each /24.
    pub prefix: u32,
    /// Whether its addresses are those of homes.
    pub residential: bool,
    /// Whether each account runs a whole browser.
    pub browser: bool,
    /// Whether it pays for what it holds.
    pub pays: bool,
}

const PLAIN: Family = Family {
    name: "",
    target_percent: Some(2.0),
    looks: &[Look::Requests],
    answering: Answering::Waits,
    rhythm: Rhythm::Loop(500),
    owner: 300,
    card: 50,
    device: 0,
    prefix: 60,
    residential: false,
    browser: false,
    pays: true,
};

const LISTED: &[Look] = &[Look::Chrome];

/// Return the families by which points, thresholds and policy may be chosen.
pub fn calibration() -> Vec<Family> {
    let solver = Family {
        name: "native solver",
        target_percent: Some(5.0),
        looks: LISTED,
        answering: Answering::Solves(400, 3_000),
        rhythm: Rhythm::Rush(8_000),
        device: 1,
        ..PLAIN
    };
    let farm = Family { target_percent: None, residential: true, rhythm: Rhythm::Spread, ..solver };
    vec![
        Family { name: "plain loop", ..PLAIN },
        Family { name: "browser-like headers", looks: &[Look::FirefoxCopy], ..PLAIN },
        Family { name: "imitated TLS", looks: LISTED, rhythm: Rhythm::Loop(400), ..PLAIN },
        solver,
        Family {
            name: "stealth browser, modelled",
            target_percent: Some(15.0),
            card: 20,
            owner: 40,
            prefix: 4,
            residential: true,
            browser: true,
            rhythm: Rhythm::Spread,
            ..solver
        },
        Family { name: "farm, shared", card: 25, device: 20, prefix: 200, owner: 200, ..farm },
        Family { name: "farm, separate", card: 1, owner: 200, prefix: 1, ..farm },
        Family { name: "holders who never pay", pays: false, ..solver },
    ]
}

/// Return the families that are only tested on: other clients, rhythms, sizes and ways to share.
pub fn test() -> Vec<Family> {
    let solver = Family {
        name: "native solver",
        target_percent: Some(5.0),
        looks: &[Look::Chrome, Look::ChromePhone, Look::Safari, Look::Firefox],
        answering: Answering::Solves(700, 9_000),
        rhythm: Rhythm::Spread,
        owner: 120,
        card: 30,
        device: 1,
        prefix: 10,
        ..PLAIN
    };
    let farm = Family { target_percent: None, residential: true, ..solver };
    vec![
        Family {
            name: "plain loop",
            looks: &[Look::Go, Look::Bare],
            rhythm: Rhythm::Loop(330),
            owner: 1_000,
            card: 40,
            ..PLAIN
        },
        Family {
            name: "browser-like headers",
            looks: &[Look::ChromeCopy],
            rhythm: Rhythm::Rush(3_000),
            card: 40,
            ..PLAIN
        },
        Family {
            name: "imitated TLS",
            looks: &[Look::Firefox, Look::Safari],
            rhythm: Rhythm::Rush(20_000),
            owner: 100,
            card: 25,
            device: 1,
            ..PLAIN
        },
        solver,
        Family {
            name: "stealth browser, modelled",
            target_percent: Some(15.0),
            owner: 30,
            card: 10,
            prefix: 1,
            residential: true,
            browser: true,
            ..solver
        },
        Family { name: "farm, shared", owner: 500, card: 6, device: 50, prefix: 500, ..farm },
        Family { name: "farm, separate", card: 1, owner: 50, prefix: 1, ..farm },
        Family { name: "holders who never pay", pays: false, card: 12, ..solver },
    ]
}

/// Make `accounts` accounts of a family, the same for the same seed.
pub fn programs(family: &Family, accounts: u32, seed: u64) -> Crowd {
    let mut dice = ChaCha8Rng::seed_from_u64(seed ^ 0x626f_7473);
    let visitors = (0..accounts).map(|n| account(family, n, &mut dice)).collect();
    let kind = Kind {
        name: family.name,
        is_program: true,
        accounts,
        cards: accounts.div_ceil(family.card),
        residential: family.residential,
        browser: family.browser,
    };
    Crowd { kinds: vec![kind], visitors }
}

fn account(family: &Family, n: u32, dice: &mut ChaCha8Rng) -> Visitor {
    let prefix = n / family.prefix;
    let first = if family.residential { 60 } else { 45 };
    let owner = n / family.owner;
    Visitor {
        kind: 0,
        account: format!("bot-{n}"),
        look: family.looks[n as usize % family.looks.len()],
        address: format!("{first}.{}.{}.3", prefix / 250, prefix % 250),
        device: (family.device > 0).then(|| format!("bot-device-{}", n / family.device)),
        card: Some(format!("bot-card-{}", n / family.card)),
        phone: Some(format!("bot-phone-{n}")),
        // Where parcels go: one place an owner, or a drop point for each card.
        place: (22.0 + f64::from(owner) / 1_000.0, 114.0 + f64::from(n / family.card) / 1_000.0),
        joins: joins(family.rhythm, n, dice),
        answering: family.answering,
        reacts_ms: (300, 4_000),
        pays_ms: family.pays.then_some((1_000, 20_000)),
    }
}

fn joins(rhythm: Rhythm, n: u32, dice: &mut ChaCha8Rng) -> Vec<u64> {
    match rhythm {
        Rhythm::Loop(every_ms) => {
            let first = JOINING_MS - 3_000 + u64::from(n % 97) * 5;
            (0..14).map(|at| first + at * every_ms + dice.random_range(0..3)).collect()
        }
        Rhythm::Rush(within_ms) => vec![JOINING_MS + between(dice, (5, within_ms))],
        Rhythm::Spread => vec![match dice.random_bool(0.5) {
            true => JOINING_MS + skewed(dice, (400, 60_000)),
            false => between(dice, (JOINING_MS + 60_000, OPENS_MS - 1_000)),
        }],
    }
}
