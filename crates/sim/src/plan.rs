//! What happens in a history: written down before it is lived, so that it can be told, repeated and
//! shortened. Everything follows from the seed.
//!
//! A seed means the same for ever: what a seed below [`SECOND_SCRIPT`] does is written here, what the
//! others do in `script.rs`. A third script gets numbers of its own, so that no seed that found something
//! once turns into another history.
//!
//! A step names what it is about by a number that is taken modulo what is there when its turn comes;
//! so any part of a plan is a plan.

use crate::random::Random;
use crate::script;
pub use crate::step::{Fault, LineStep, Step, StoreStep, Sum};
use onrush::Phase;
use onrush::journal::Loss;

/// Steps of a history, its faults included.
pub const STEPS: usize = 200;
/// Keys that buyers use, the greedy ones among them; others use the first few, again and again.
pub const KEYS: u8 = 24;
const FEW_KEYS: u64 = 9;
/// Buyers of a history at most.
pub const BUYERS_MAX: u8 = 10;
/// Seeds from here on have lines, stores and batches in their histories.
pub const SECOND_SCRIPT: u64 = 100_000_000;
/// Seeds from here on follow the third script: sales of both, and operators put deadlines off.
pub const THIRD_SCRIPT: u64 = 200_000_000;
/// Stores of a history at most.
pub const NODES_MAX: u8 = 3;
/// Reservations in one batch at most.
pub const BATCH_MAX: usize = 3;

/// A whole history.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it follows from.
    pub seed: u64,
    /// How the sale is set up.
    pub setup: Setup,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// How a sale is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whether buyers, the provider and operators come through the gateway.
    pub http: bool,
    /// Its campaigns.
    pub camps: Vec<CampSetup>,
    /// Its buyers.
    pub buyers: u8,
    /// Whether few buyers want everything there is, again and again.
    pub greedy: bool,
    /// Bounds of the two lanes.
    pub reserves_max: u32,
    /// The other bound.
    pub settles_max: u32,
    /// Bytes of a journal segment.
    pub segment_bytes: u64,
    /// How far the wall clock runs ahead or behind, in thousandths.
    pub drift_permille: i64,
    /// Its stores, and what they have first: store, SKU, units.
    pub nodes: u8,
    /// The other part.
    pub stock: Vec<(u8, usize, u32)>,
    /// The line's indexer comes late.
    pub lags: bool,
}

/// A campaign.
#[derive(Clone, Debug)]
pub struct CampSetup {
    /// Milliseconds until it opens; none: it is open.
    pub opens_in_ms: u64,
    /// Milliseconds until it closes, if it does by itself.
    pub closes_in_ms: Option<u64>,
    /// Units one buyer may have.
    pub limit: u32,
    /// How long a hold lives.
    pub hold_ms: u64,
    /// Its SKUs: price, limit, supply.
    pub skus: Vec<(i64, u32, u32)>,
    /// Its waves: when, which of its SKUs, units.
    pub waves: Vec<(u64, usize, u32)>,
    /// How long a unit is kept for whom the waitlist offers it, if there is a waitlist.
    pub offer_ms: Option<u64>,
    /// Its line, if it has one.
    pub line: Option<LineSetup>,
    /// Its supply is what the stores have.
    pub from_stores: bool,
}

/// The line of a campaign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LineSetup {
    /// How long a pass is good for.
    pub pass_ms: u64,
    /// How long after that it may be taken up again.
    pub grace_ms: u64,
    /// How long before the opening joining ends, if it ends before.
    pub draw_ms: Option<u64>,
    /// How long after the others those of the first tier enter.
    pub later_ms: u64,
    /// Only members may join.
    pub invite_only: bool,
    /// How fast people are let in.
    pub flow: Flow,
}

/// How fast people are let in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// People a second.
    pub per_second: Option<u32>,
    /// People with a pass or a hold.
    pub inside: Option<u32>,
    /// Passes for each unit.
    pub most: u32,
}

impl Plan {
    /// Write the history of `seed` down.
    pub fn of(seed: u64) -> Plan {
        Plan::with(seed, STEPS)
    }

    /// The same with so many steps.
    pub fn with(seed: u64, steps: usize) -> Plan {
        let mut random = Random::new(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x0b5e_55ed);
        type Script = (fn(&mut Random) -> Setup, fn(&mut Random, &Setup) -> Step);
        let (setup, step): Script = match seed {
            ..SECOND_SCRIPT => (setup, step),
            SECOND_SCRIPT..THIRD_SCRIPT => (script::setup, script::step),
            THIRD_SCRIPT.. => (third_setup, third_step),
        };
        let setup = setup(&mut random);
        let mut list: Vec<Step> = (0..steps).map(|_| step(&mut random, &setup)).collect();
        let faults = 1 + random.below(3);
        for _ in 0..faults {
            let at = random.below(steps as u64) as usize;
            let fault = fault(&mut random, &setup);
            list[at] = Step::Fault(fault);
            // A full disk is felt only once the segments at hand are used up; the end makes room.
            if matches!(fault, Fault::Fill { .. }) && random.chance(50) {
                let later = (at + 20 + random.below(120) as usize).min(steps - 1);
                list[later] = Step::Fault(Fault::Room);
            }
        }
        Plan { seed, setup, steps: list }
    }
}

pub(crate) fn setup(random: &mut Random) -> Setup {
    let camps = 1 + usize::from(random.chance(25));
    let greedy = random.chance(4);
    let buyers = if greedy { 2 } else { random.between(2, u64::from(BUYERS_MAX)) as u8 };
    Setup {
        http: random.chance(12),
        camps: (0..camps).map(|_| camp(random, greedy)).collect(),
        buyers,
        greedy,
        reserves_max: random.pick(&[4, 8, 24, 24]),
        settles_max: random.pick(&[3, 8, 16, 16]),
        segment_bytes: random.pick(&[4, 8, 8, 16]) * 1_024,
        drift_permille: random.pick(&[0, 0, 0, 20, -20]),
        nodes: 0,
        stock: Vec::new(),
        lags: false,
    }
}

fn camp(random: &mut Random, greedy: bool) -> CampSetup {
    let skus = 1 + random.below(3) as usize;
    let opens_in_ms = if random.chance(25) { random.between(1, 40_000) } else { 0 };
    let closes = random.chance(20);
    let sku = |random: &mut Random| {
        let price = if random.chance(10) { 0 } else { 100 };
        let supply = if greedy { 60 } else { random.between(1, 6) as u32 };
        (price, if greedy { 99 } else { random.pick(&[2, 3, 99]) }, supply)
    };
    let mut waves: Vec<(u64, usize, u32)> = Vec::new();
    if random.chance(30) {
        for _ in 0..random.between(1, 3) {
            let sku = random.below(skus as u64) as usize;
            waves.push((random.between(1, 90_000), sku, random.between(1, 4) as u32));
        }
        waves.sort_unstable();
    }
    CampSetup {
        opens_in_ms,
        closes_in_ms: closes.then(|| opens_in_ms + random.between(10_000, 180_000)),
        limit: if greedy { 99 } else { random.pick(&[1, 2, 4, 6, 9]) },
        hold_ms: random.pick(&[2_000, 20_000, 20_000, 300_000]),
        skus: (0..skus).map(|_| sku(random)).collect(),
        waves,
        offer_ms: random.chance(40).then(|| random.pick(&[1_000, 15_000])),
        line: None,
        from_stores: false,
    }
}

pub(crate) fn step(random: &mut Random, setup: &Setup) -> Step {
    let which = random.draw() as u16;
    let key = |random: &mut Random| random.chance(50).then(|| random.below(3) as u8);
    match random.below(100) {
        0..32 => Step::Reserve {
            buyer: random.below(u64::from(setup.buyers)) as u8,
            sku: random.draw() as u8,
            units: random.pick(&[1, 1, 1, 2, 2, 3]),
            key: random.below(if setup.greedy { u64::from(KEYS) } else { FEW_KEYS }) as u8,
            review: random.chance(12),
            times: 1 + u8::from(random.chance(12)),
            vanish: random.chance(8),
        },
        32..38 | 66 => join(random, setup),
        38..48 => Step::Pay {
            which,
            sum: random.pick(&[
                Sum::Exact,
                Sum::Exact,
                Sum::Exact,
                Sum::Exact,
                Sum::Half,
                Sum::Half,
                Sum::Over,
                Sum::Foreign,
                Sum::Again,
            ]),
            lag: if random.chance(70) { random.below(4) as u8 } else { random.below(80) as u8 },
            copies: 1 + u8::from(random.chance(20)) + u8::from(random.chance(5)),
            key: if random.chance(30) { key(random) } else { None },
        },
        48 => Step::Free { which, key: key(random) },
        49..55 => Step::Release {
            which,
            key: key(random),
            times: 1 + u8::from(random.chance(15)),
            vanish: random.chance(8),
        },
        55..57 => Step::Cancel { which, restock: random.chance(50) },
        57..59 => Step::Judge { which, accept: random.chance(50) },
        59 => Step::Refunded { which },
        60..63 => {
            Step::Supply { sku: random.draw() as u8, units: random.pick(&[-3, -2, -1, 1, 2, 4]) }
        }
        63..65 => operator(random),
        65 => Step::Put {
            camp: random.draw() as u8,
            limit: if setup.greedy { 99 } else { random.between(1, 6) as u32 },
            hold_ms: random.pick(&[2_000, 20_000, 40_000, 300_000]),
            price: random.pick(&[0, 100, 100, 250]),
        },
        67 => Step::Leave {
            buyer: random.below(u64::from(setup.buyers)) as u8,
            sku: random.draw() as u8,
        },
        68 => Step::Look { buyer: random.below(u64::from(setup.buyers)) as u8, which },
        69..91 => Step::Turn,
        91..96 => Step::Pass { ms: pass(random) },
        96 | 97 => Step::PassTo { off_ms: random.below(3) as i8 - 1 },
        98 => Step::StepWall { ms: random.pick(&[-3_600_000, -200, 150, 3_600_000]) },
        _ => Step::Snapshot,
    }
}

fn third_setup(random: &mut Random) -> Setup {
    if random.chance(50) { setup(random) } else { script::setup(random) }
}

fn third_step(random: &mut Random, setup: &Setup) -> Step {
    if !random.chance(4) {
        // The second script leaves out what the sale does not have.
        return script::step(random, setup);
    }
    Step::Extend {
        camp: random.draw() as u8,
        which: random.chance(40).then(|| random.draw() as u16),
        more_ms: random.pick(&[1_000, 20_000, 60_000]),
    }
}

fn join(random: &mut Random, setup: &Setup) -> Step {
    Step::Join {
        buyer: random.below(u64::from(setup.buyers)) as u8,
        sku: random.draw() as u8,
        units: random.pick(&[1, 1, 2, 3]),
    }
}

fn operator(random: &mut Random) -> Step {
    let to = random.pick(&[
        Phase::Paused,
        Phase::Paused,
        Phase::Paused,
        Phase::Paused,
        Phase::Open,
        Phase::Open,
        Phase::Open,
        Phase::Open,
        Phase::Open,
        Phase::Open,
        Phase::Open,
        Phase::Open,
        Phase::Open,
        Phase::Closed,
        Phase::Settled,
    ]);
    Step::Move { camp: random.draw() as u8, to }
}

fn pass(random: &mut Random) -> u64 {
    match random.below(6) {
        0 | 1 => random.between(1, 40),
        2 => 150,
        3 => random.between(500, 3_000),
        4 => random.between(3_000, 25_000),
        _ => 20_000,
    }
}

fn fault(random: &mut Random, setup: &Setup) -> Fault {
    let after = if random.chance(25) { 0 } else { random.between(1, 40) as u16 };
    let loss = random.pick(&[
        Loss::Everything,
        Loss::Nothing,
        Loss::Random,
        Loss::Random,
        Loss::Percent(15),
        Loss::Percent(85),
    ]);
    match random.below(20) {
        0..8 => Fault::PowerCut { after, loss },
        8..12 => Fault::Kill { after },
        12 | 13 => Fault::CutRecovery { after: random.below(14) as u16, loss },
        14 | 15 => Fault::FailSync { after },
        16 => Fault::FailWrite { after },
        17 => Fault::Misdirect { after, sectors: random.pick(&[-6, -2, -1, 1, 2, 5]) },
        18 => Fault::Fill { leave: random.below(setup.segment_bytes) as u32 },
        _ => Fault::FlipBit { at: random.draw() as u32 },
    }
}
