//! Durable reservations: many in flight, and one in flight against a bare fdatasync.

use crate::sale::{ask, buyer, options, spec, threaded};
use crate::{Row, Setup, median};
use onrush::{Campaign, Engine};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// Requests that one caller thread keeps in flight: as many as are decided within the longest wait.
const IN_FLIGHT: usize = 1 << 13;
const ROUND: u32 = 2_000_000;

/// Measure durable reservations a second with many in flight, in rounds.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let rates = (0..5).map(|_| {
        let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
        let queue = options(2 * IN_FLIGHT as u32);
        let (engine, campaign) = threaded(dir.path(), queue, spec(ROUND, ROUND));
        let started = Instant::now();
        callers(&engine, &campaign);
        let rate = f64::from(ROUND) / started.elapsed().as_micros() as f64;
        engine.shutdown().expect("shutdown");
        rate
    });
    let (rate, low, high) = median(rates.collect());
    vec![Row {
        what: "durable reservations, embedded, one caller thread, many in flight, real fdatasync",
        target: "≥ 1 M/s",
        measured: format!("{rate:.2} M/s ({low:.2}–{high:.2})"),
        reached: rate >= 1.0,
    }]
}

fn callers(engine: &Engine, campaign: &Campaign) {
    let mut flying = VecDeque::with_capacity(IN_FLIGHT);
    for n in 0..ROUND {
        let request = ask(campaign, buyer(u64::from(n)));
        let asked = loop {
            if flying.len() == IN_FLIGHT {
                land(&mut flying);
            }
            let mut asked = engine.reserve(&request);
            match asked.try_take() {
                None => break asked,
                // After a batch that took long fewer are let in: one has to land first.
                Some(told) => assert!(told.expect("healthy").refusal().is_some(), "not at once"),
            }
            land(&mut flying);
        };
        flying.push_back(asked);
    }
    while !flying.is_empty() {
        land(&mut flying);
    }
}

fn land(flying: &mut VecDeque<onrush::Pending<onrush::Reservation>>) {
    let answer = flying.pop_front().expect("one at least").wait().expect("answer");
    assert!(answer.granted().is_some(), "everybody gets one here");
}

/// Measure one reservation in flight against one bare write and fdatasync, in turn.
pub(crate) fn single(setup: &Setup) -> Vec<Row> {
    const EACH: u32 = 400;
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let (engine, campaign) = threaded(dir.path(), options(1_024), spec(100_000, 100_000));
    let bare = zeroed(&dir.path().join("bare"));
    let (mut ratios, mut engine_us, mut bare_us) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..7 {
        let started = Instant::now();
        for n in 0..EACH {
            let at = u64::from(round * EACH + n) * 512;
            bare.write_all_at(&[1; 512], at).expect("write");
            bare.sync_data().expect("sync");
        }
        let one = started.elapsed().as_micros() as f64 / f64::from(EACH);
        let started = Instant::now();
        for n in 0..EACH {
            let asked = engine.reserve(&ask(&campaign, buyer(u64::from(round * EACH + n))));
            assert!(asked.wait().expect("answer").granted().is_some());
        }
        let other = started.elapsed().as_micros() as f64 / f64::from(EACH);
        ratios.push(other / one);
        engine_us.push(other);
        bare_us.push(one);
    }
    engine.shutdown().expect("shutdown");
    let (ratio, low, high) = median(ratios);
    let (ours, bare) = (median(engine_us).0, median(bare_us).0);
    vec![Row {
        what: "one durable reservation in flight ÷ one bare write + fdatasync",
        target: "≤ 1.3 ×",
        measured: format!("{ratio:.2} × ({low:.2}–{high:.2}; {ours:.0} µs ÷ {bare:.0} µs)"),
        reached: ratio <= 1.3,
    }]
}

fn zeroed(path: &Path) -> File {
    let file = File::options().read(true).write(true).create_new(true).open(path).expect("file");
    file.write_all_at(&vec![0; 4 << 20], 0).expect("zeros");
    file.sync_all().expect("sync");
    file
}
