//! Opening a data folder with a million reservations: from the journal alone, and from a snapshot
//! with a tail.

use crate::reserve::fill;
use crate::sale::{driven, options, spec};
use crate::{Row, Setup, median};
use onrush::{Engine, Parts};
use std::path::Path;
use std::time::Instant;

const RESERVATIONS: u32 = 1_000_000;
const TAIL: u32 = 50_000;

/// Measure both recoveries.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let alone = tempfile::tempdir_in(&setup.folder).expect("folder");
    make(alone.path(), false);
    let with_snapshot = tempfile::tempdir_in(&setup.folder).expect("folder");
    make(with_snapshot.path(), true);
    let (journal, low, high) = median((0..5).map(|_| open_s(alone.path())).collect());
    let (snapshot, low2, high2) = median((0..5).map(|_| open_s(with_snapshot.path())).collect());
    vec![
        Row {
            what: "recovery of 1 M reservations, snapshot + tail of 50,000",
            target: "≤ 1 s",
            measured: format!("{snapshot:.2} s ({low2:.2}–{high2:.2})"),
            reached: snapshot <= 1.0,
        },
        Row {
            what: "recovery of 1 M reservations, journal alone",
            target: "≤ 2 s",
            measured: format!("{journal:.2} s ({low:.2}–{high:.2})"),
            reached: journal <= 2.0,
        },
    ]
}

fn make(dir: &Path, snapshot: bool) {
    let all = spec(RESERVATIONS, RESERVATIONS);
    let (engine, mut driver, campaign) = driven(dir, options(131_072), all);
    fill(&engine, &mut driver, &campaign, RESERVATIONS - TAIL);
    if snapshot {
        driver.snapshot().expect("snapshot");
    }
    fill(&engine, &mut driver, &campaign, RESERVATIONS);
}

fn open_s(dir: &Path) -> f64 {
    let started = Instant::now();
    let parts = Parts::on_disk(dir).expect("parts");
    let (engine, driver) = Engine::open_driven(parts, options(131_072)).expect("open");
    let elapsed = started.elapsed().as_secs_f64();
    assert_eq!(driver.ledger().reservation_count(), RESERVATIONS);
    drop(engine);
    elapsed
}
