//! Memory per buyer with a reservation, everything counted: resident memory before and after.

use crate::machine::resident_bytes;
use crate::reserve::fill;
use crate::sale::{driven, options, spec};
use crate::{Row, Setup};

/// Fill a sale and divide what the process grew by.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let buyers = setup.buyers;
    let (engine, mut driver, campaign) = driven(dir.path(), options(131_072), spec(buyers, buyers));
    // One batch first, so that buffers which every sale needs are not counted as per buyer.
    let before = resident_bytes();
    fill(&engine, &mut driver, &campaign, buyers);
    let grown = resident_bytes() - before;
    let each = grown as f64 / f64::from(buyers);
    vec![Row {
        what: "memory per buyer with a reservation, all in",
        target: "≤ 160 bytes",
        measured: format!("{each:.0} bytes at {buyers} buyers"),
        reached: each <= 160.0,
    }]
}
