//! The draw by itself: spots, the first places, all places, against one plain sort.

use crate::machine::on_processor;
use crate::{Row, Setup};
use onrush_core::line::{Key, Order, Pseudonym, Seed, Spot, Spots, Turn, Weights, Wheel};
use std::hint::black_box;
use std::time::Instant;

const TURN: Turn = Turn(0x0123_4567_89ab_cdef);

/// Measure a lane of three classes.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let weights = Weights::new(&[1, 2, 5]).expect("weights");
    let spots = Spots::new(&Seed([4; 32]));
    let mut wheel = Wheel::default();
    let started = on_processor();
    for n in 0..setup.people {
        wheel.push(n, 0, spots.of(pseudonym(n)), (n % 3) as u8);
    }
    let pushed = on_processor() - started;
    // Too short for the figure of the processor's time, which moves in steps.
    let began = Instant::now();
    black_box(wheel.places(0, TURN, weights));
    let about = began.elapsed();
    let (began, started) = (Instant::now(), on_processor());
    let mut order = Order::new(&wheel, 0, TURN, weights);
    black_box(order.next_ticket(&wheel, &pseudonym));
    let first = began.elapsed();
    while let Some(ticket) = order.next_ticket(&wheel, &pseudonym) {
        black_box(ticket);
    }
    let all = on_processor() - started;
    let started = on_processor();
    let mut sorted: Vec<(Key, u32)> = (0..setup.people)
        .map(|n| {
            let Spot(u) = wheel.spot(n);
            let weight = weights.get((n % 3) as u8).expect("a class");
            (Key::of(u.wrapping_add(TURN.0), weight), n)
        })
        .collect();
    sorted.sort_unstable();
    let sort = on_processor() - started;
    black_box(&sorted);
    let each = wheel.bytes() as f64 / f64::from(setup.people);
    let ns = pushed.as_nanos() as f64 / f64::from(setup.people);
    vec![Row {
        what: format!("the wheel alone, by processor time, {} tickets of 3 classes", setup.people),
        target: "",
        measured: format!(
            "{each:.1} bytes and {ns:.0} ns a ticket while joining; first ticket {:.0} µs after the \
             turn, histogram {:.1} ms, whole order {:.2} s (keys and one sort: {:.2} s)",
            first.as_secs_f64() * 1e6,
            about.as_secs_f64() * 1e3,
            all.as_secs_f64(),
            sort.as_secs_f64()
        ),
        reached: true,
    }]
}

fn pseudonym(n: u32) -> Pseudonym {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
    Pseudonym(bytes)
}
