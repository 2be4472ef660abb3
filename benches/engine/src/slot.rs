//! Slots alone: a look when sold out, and takes by one and two threads.

use crate::{Row, Setup, median};
use crossbeam_utils::CachePadded;
use onrush_core::front::Slot;
use std::hint::black_box;
use std::time::Instant;

const TAKES: u32 = 100_000_000;

/// Measure the slot.
pub(crate) fn run(_: &Setup) -> Vec<Row> {
    let (ns, low, high) = median((0..5).map(|_| sold_out_ns()).collect());
    let look = Row {
        what: "slot check when sold out",
        target: "≤ 5 ns",
        measured: format!("{ns:.2} ns ({low:.2}–{high:.2})"),
        reached: ns <= 5.0,
    };
    let (m1, low1, high1) = median((0..5).map(|_| takes_per_us(1)).collect());
    let (m2, low2, high2) = median((0..5).map(|_| takes_per_us(2)).collect());
    vec![
        look,
        Row {
            what: "slot take, 1 thread",
            target: "≥ 30 M/s",
            measured: format!("{m1:.1} M/s ({low1:.1}–{high1:.1})"),
            reached: m1 >= 30.0,
        },
        Row {
            what: "slot take, 2 threads on one SKU, in all",
            target: "≥ 30 M/s",
            measured: format!("{m2:.1} M/s ({low2:.1}–{high2:.1})"),
            reached: m2 >= 30.0,
        },
    ]
}

fn sold_out_ns() -> f64 {
    let slot = CachePadded::new(Slot::default());
    let started = Instant::now();
    for _ in 0..TAKES {
        black_box(black_box(&slot).look().shortage(black_box(1)));
    }
    started.elapsed().as_nanos() as f64 / f64::from(TAKES)
}

fn takes_per_us(threads: u32) -> f64 {
    let slot = CachePadded::new(Slot::default());
    slot.add(TAKES);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while black_box(&slot).take(1).is_ok() {});
        }
    });
    assert_eq!(slot.look().held, TAKES);
    f64::from(TAKES) / started.elapsed().as_micros() as f64
}
