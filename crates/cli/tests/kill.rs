//! Kills a real server again and again under load, and compares what its clients were told with what
//! its data folder holds.
//!
//! A second test proves the comparison: it takes away the end of a journal, as a server would lose it
//! that answers before its records are durable, and sees that the loss is found.

use onrush_load::crash::{Plan, Sale};
use std::fs;
use std::path::Path;

const BLOWS: u64 = 24;

/// Play a sale in `home`; kill the server now and then, `blows` times at most.
fn sale(home: &Path, blows: u64) -> Sale {
    let program = env!("CARGO_BIN_EXE_onrush").into();
    let plan = Plan { program, home: home.to_owned(), blows, seed: 11 };
    Sale::play(&plan, None).expect("it starts again each time")
}

#[test]
fn a_server_killed_again_and_again_keeps_its_word() {
    let home = tempfile::tempdir().expect("a folder");
    let sale = sale(home.path(), BLOWS);
    // The crowd comes however long a kill takes, so a busy machine has fewer of them in a sale.
    assert!(sale.blows >= BLOWS / 2, "only {} kills", sale.blows);
    assert!(sale.played.figures.unanswered > 0, "no kill met a request under way");
    let (verdict, folder) = sale.judge().expect("it replays");
    assert!(verdict.holds(), "after {} kills:\n{verdict}", sale.blows);
    for check in &verdict.checks {
        assert!(check.looked_at > 0, "{} looked at nothing", check.name);
    }
    let truth = folder.truth("demo");
    assert_eq!(sale.seen.skus, truth.skus);
    assert!(sale.seen.reservations.keys().eq(truth.reservations.keys()));
    assert!(truth.units().sold > 0 && truth.refunds() > 0, "{:?}", truth.units());
}

#[test]
fn a_journal_that_lost_its_end_is_found_out() {
    let home = tempfile::tempdir().expect("a folder");
    let sale = sale(home.path(), 0);
    assert!(sale.judge().expect("it replays").0.holds());
    lose_the_end(&sale.launch.data().join("journal"));
    let (verdict, _) = sale.judge().expect("what is left replays");
    for name in [
        "acknowledged holds lost",
        "acknowledged sales lost",
        "acknowledged payments lost",
        "holds not at the LSN told",
    ] {
        assert!(verdict.violations(name) > 0, "{name}:\n{verdict}");
    }
}

/// Zero the last third of what is written, marks included: the disk never saw it.
fn lose_the_end(journal: &Path) {
    let mut written = Vec::new();
    for entry in fs::read_dir(journal).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = fs::read(&path).expect("a file");
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            written.push((last, path, bytes));
        }
    }
    // One segment holds the whole sale; the next one is prepared and has a header only.
    let (last, path, mut bytes) =
        written.into_iter().max_by_key(|(last, ..)| *last).expect("a segment");
    bytes[last / 3 * 2..].fill(0);
    fs::write(path, bytes).expect("written");
}
