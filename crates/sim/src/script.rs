//! The second script: the first one's sales with lines, stores and batches in them.
//!
//! Every history has one of the three at least; a campaign with a line has no waitlist, because whoever
//! waits there waits in the line.

use crate::plan;
use crate::plan::{
    BATCH_MAX, CampSetup, Flow, LineSetup, LineStep, NODES_MAX, Setup, Step, StoreStep, Sum,
};
use crate::random::Random;
use onrush::ledger::Reason;

/// Keys that are used with passes and in batches.
const KEYS: u64 = 9;

/// Draw how a sale is set up.
pub(crate) fn setup(random: &mut Random) -> Setup {
    let mut setup = plan::setup(random);
    let (lines, stores) = random.pick(&[(true, false), (true, false), (false, true), (true, true)]);
    if lines {
        for camp in &mut setup.camps {
            if random.chance(75) {
                line_up(random, camp);
            }
        }
        setup.lags = random.chance(30);
    }
    if stores {
        open_stores(random, &mut setup);
    }
    // A put with a line, and what a store says of seven shipments, need room in one segment.
    setup.segment_bytes = random.pick(&[24, 32, 32, 48]) * 1_024;
    setup
}

fn line_up(random: &mut Random, camp: &mut CampSetup) {
    let opens_in_ms = if random.chance(80) { random.between(2_500, 30_000) } else { 0 };
    let late_ms = opens_in_ms - camp.opens_in_ms.min(opens_in_ms);
    camp.closes_in_ms = camp.closes_in_ms.map(|ms| ms + late_ms);
    camp.opens_in_ms = opens_in_ms;
    camp.offer_ms = None;
    camp.line = Some(LineSetup {
        pass_ms: random.pick(&[1_000, 4_000, 30_000]),
        grace_ms: random.pick(&[0, 5_000, 30_000]),
        draw_ms: (opens_in_ms > 0 && random.chance(50)).then(|| random.pick(&[500, 2_000])),
        later_ms: random.pick(&[0, 0, 3_000, 15_000]),
        invite_only: random.chance(10),
        flow: flow(random),
    });
}

fn flow(random: &mut Random) -> Flow {
    Flow {
        per_second: random.chance(30).then(|| random.pick(&[1, 2, 10])),
        inside: random.chance(30).then(|| random.between(1, 4) as u32),
        most: random.between(1, 3) as u32,
    }
}

fn open_stores(random: &mut Random, setup: &mut Setup) {
    setup.nodes = random.between(1, u64::from(NODES_MAX)) as u8;
    let mut first = 0;
    for camp in &mut setup.camps {
        camp.from_stores = random.chance(60);
        if camp.from_stores {
            camp.waves.clear();
            camp.skus.iter_mut().for_each(|sku| sku.2 = 0);
        }
        for sku in first..first + camp.skus.len() {
            for node in 0..setup.nodes {
                if camp.from_stores || random.chance(60) {
                    setup.stock.push((node, sku, random.between(1, 4) as u32));
                }
            }
        }
        first += camp.skus.len();
    }
}

/// Draw what happens next.
pub(crate) fn step(random: &mut Random, setup: &Setup) -> Step {
    let lines = setup.camps.iter().any(|camp| camp.line.is_some());
    match random.below(100) {
        0..4 => batch(random, setup),
        4..44 if lines && (setup.nodes == 0 || random.chance(50)) => line(random, setup),
        4..44 if setup.nodes > 0 => store(random),
        44..52 => Step::Turn,
        _ => plan::step(random, setup),
    }
}

fn buyer(random: &mut Random, setup: &Setup) -> u8 {
    random.below(u64::from(setup.buyers)) as u8
}

fn batch(random: &mut Random, setup: &Setup) -> Step {
    let entry = |random: &mut Random| {
        let units = random.pick(&[1, 1, 2]);
        (buyer(random, setup), random.draw() as u8, units, random.below(KEYS) as u8)
    };
    let entries: [_; BATCH_MAX] = std::array::from_fn(|_| entry(random));
    Step::Batch { camp: random.draw() as u8, entries }
}

fn line(random: &mut Random, setup: &Setup) -> Step {
    let camp = random.draw() as u8;
    let buyer = buyer(random, setup);
    match random.below(100) {
        0..26 => Step::Line(LineStep::Join {
            camp,
            buyer,
            class: random.pick(&[0, 0, 1, 2]),
            times: 1 + u8::from(random.chance(15)),
        }),
        26..60 => Step::Line(LineStep::Redeem {
            buyer,
            with: if random.chance(85) { buyer } else { self::buyer(random, setup) },
            sku: random.draw() as u8,
            units: random.pick(&[1, 1, 2]),
            key: random.below(KEYS) as u8,
            times: 1 + u8::from(random.chance(20)),
        }),
        60..68 => Step::Line(LineStep::Return { camp, buyer }),
        68..72 => Step::Line(LineStep::Flow { camp, flow: flow(random) }),
        72..75 => Step::Line(LineStep::Value {
            camp,
            lane: random.below(2) as u8,
            value: random.below(2) as u8,
        }),
        75..85 => Step::Pass { ms: random.pick(&[20, 150, 500, 1_000, 2_500, 5_000]) },
        85..89 => Step::PassTo { off_ms: random.below(3) as i8 - 1 },
        _ => Step::Turn,
    }
}

fn store(random: &mut Random) -> Step {
    let which = random.draw() as u16;
    let (node, sku) = (random.below(u64::from(NODES_MAX)) as u8, random.draw() as u8);
    match random.below(100) {
        0..26 => Step::Pay { which, sum: Sum::Exact, lag: 0, copies: 1, key: None },
        26..30 => Step::Free { which, key: None },
        30..54 => Step::Store(StoreStep::Plan {
            which,
            first: node,
            times: 1 + u8::from(random.chance(25)),
            off: if random.chance(90) { 0 } else { random.pick(&[-1, 1]) },
        }),
        54..61 => Step::Store(StoreStep::Dispatch { which, node }),
        61..70 => {
            let reason = random.pick(&Reason::ALL);
            Step::Store(StoreStep::Reject { which, node, reason })
        }
        70..76 => Step::Store(StoreStep::Collect { which, times: 1 + u8::from(random.chance(30)) }),
        76..83 => Step::Store(StoreStep::Add { node, sku, units: random.pick(&[-3, -1, 1, 2, 4]) }),
        83..87 => Step::Store(StoreStep::Count {
            node,
            sku,
            on_hand: random.below(7) as u8,
            safety: random.below(3) as u8,
        }),
        87 => Step::Store(StoreStep::Put { node, attributes: random.below(3) as u8 }),
        _ => Step::Turn,
    }
}
