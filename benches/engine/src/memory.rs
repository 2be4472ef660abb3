//! Memory per buyer with a reservation, everything counted: resident memory before and after.

use crate::machine::resident_bytes;
use crate::reserve::fill;
use crate::sale::{driven, options, spec};
use crate::{Row, Setup};

/// Fill a sale and divide what the process grew by.
pub(crate) fn run(setup: &Setup) -> Vec<Row> {
    let dir = tempfile::tempdir_in(&setup.folder).expect("folder");
    let buyers = setup.buyers;
    // Before the engine opens: its queue and its tables count as well.
    let before = resident_bytes();
    let (engine, mut driver, campaign) = driven(dir.path(), options(131_072), spec(buyers, buyers));
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
