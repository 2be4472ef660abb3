//! A reserve up to the queue, and a refusal in the order of the contract, both in a full sale.

use crate::sale::{ask, buyer, driven, options, spec};
use crate::{Row, Setup, median};
use onrush::{Campaign, Driver, Engine};
use std::hint::black_box;
use std::time::Instant;

/// As many as are let in however slow the disk is.
const IN_FLIGHT: u32 = 1 << 10;

/// Measure reserves of distinct buyers up to the queue. What the ledger does between is not timed.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let buyers = setup.buyers.min(4_000_000);
    let (engine, mut driver, campaign) =
        driven(dir.path(), options(IN_FLIGHT), spec(buyers, buyers + 1));
    let mut rates = Vec::new();
    let mut next = 0;
    while next + IN_FLIGHT <= buyers {
        rates.push(reserve_up_to_queue(&engine, &mut driver, &campaign, &mut next));
    }
    let (rate, low, high) = median(rates);
    vec![Row {
        what: "reserve up to the queue (distinct buyers, limit 1), 1 thread",
        target: "≥ 2 M/s",
        measured: format!("{rate:.2} M/s ({low:.2}–{high:.2})"),
        reached: rate >= 2.0,
    }]
}

fn reserve_up_to_queue(
    engine: &Engine,
    driver: &mut Driver,
    campaign: &Campaign,
    next: &mut u32,
) -> f64 {
    let from = *next;
    *next += IN_FLIGHT;
    let mut pending = Vec::with_capacity(IN_FLIGHT as usize);
    let started = Instant::now();
    for n in from..*next {
        pending.push(engine.reserve(&ask(campaign, buyer(u64::from(n)))));
    }
    let elapsed = started.elapsed();
    driver.settle();
    for answer in pending {
        assert!(answer.wait().expect("answer").granted().is_some(), "everybody gets one here");
    }
    f64::from(IN_FLIGHT) * 1_000.0 / elapsed.as_nanos() as f64
}

/// Fill a sale and measure the refusals that follow.
pub(crate) fn refusals(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let buyers = setup.buyers;
    let (engine, mut driver, campaign) =
        driven(dir.path(), options(IN_FLIGHT), spec(buyers, buyers));
    fill(&engine, &mut driver, &campaign, buyers);
    let winners = |round| move |n| (round + n * 7_919) % u64::from(buyers);
    let losers = |round| move |n| u64::from(buyers) + round + n * 7_919;
    let again = median((0..5).map(|n| refusal_ns(&engine, &campaign, winners(n))).collect());
    let new = median((0..5).map(|n| refusal_ns(&engine, &campaign, losers(n))).collect());
    let row = |what, (ns, low, high): (f64, f64, f64)| Row {
        what,
        target: "≤ 200 ns",
        measured: format!("{ns:.0} ns ({low:.0}–{high:.0}) at {buyers} buyers"),
        reached: ns <= 200.0,
    };
    vec![
        row("whole refusal, a newcomer: all held", new),
        row("whole refusal, a winner with another key: limit", again),
    ]
}

/// Give each of `buyers` buyers one unit.
pub(crate) fn fill(engine: &Engine, driver: &mut Driver, campaign: &Campaign, buyers: u32) {
    for n in 0..buyers {
        let asked = engine.reserve(&ask(campaign, buyer(u64::from(n))));
        // Not waited for: whoever drops an answer still gets what was asked for.
        drop(asked);
        if n % IN_FLIGHT == IN_FLIGHT - 1 {
            driver.settle();
        }
    }
    driver.settle();
}

fn refusal_ns(engine: &Engine, campaign: &Campaign, who: impl Fn(u64) -> u64) -> f64 {
    const ASKS: u64 = 1_000_000;
    let buyers: Vec<_> = (0..ASKS).map(|n| buyer(who(n))).collect();
    let started = Instant::now();
    for buyer in &buyers {
        let mut request = ask(campaign, *buyer);
        request.key = "another";
        drop(black_box(engine.reserve(&request)));
    }
    let ns = started.elapsed().as_nanos() as f64 / ASKS as f64;
    let mut request = ask(campaign, buyers[0]);
    request.key = "another";
    let refused = engine.reserve(&request).wait().expect("answer");
    assert!(refused.refusal().is_some(), "everybody is refused here");
    ns
}
