//! Runs the text tables in `tests/scenarios`: each line is an action and, after its known words,
//! the outcome it must have. `tests/scenarios/README.md` lists the words.
//!
//! After every line the whole ledger is audited, its slots are compared, the records so far are
//! replayed and an image is taken and loaded (INV-1, INV-10). Every table runs twice: once on one
//! ledger, once on a ledger that is replaced by its loaded image after each line, which must behave
//! the same.

use std::fs;
use std::path::PathBuf;
use world::World;

#[path = "scenario_world.rs"]
mod world;

fn tables() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut tables: Vec<(String, String)> = fs::read_dir(folder)
        .expect("the scenario folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).expect("a readable table"))
        })
        .collect();
    tables.sort();
    tables
}

/// Run one table and return what it was found to do wrong, with the places.
fn run(name: &str, table: &str, restore: bool) -> (Vec<String>, [u8; 32]) {
    let mut world = World::new();
    let mut wrong = Vec::new();
    let mut lines = 0;
    for (at, line) in table.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        lines += 1;
        let (actual, expected) = world.line(line);
        if actual != expected {
            let place = format!("{name}:{}: {line}", at + 1);
            wrong.push(format!("{place}\n  expected: {expected}\n  actual:   {actual}"));
        }
        world.check(&format!("{name}:{}", at + 1));
        if restore {
            world.restore();
        }
    }
    assert!(lines > 3, "{name} checks nothing");
    (wrong, world.ledger.digest())
}

#[test]
fn every_table_holds() {
    let tables = tables();
    assert!(tables.len() >= 20, "the scenario folder lost its tables");
    let mut wrong = Vec::new();
    for (name, table) in &tables {
        let (found, digest) = run(name, table, false);
        let (found_restored, digest_restored) = run(name, table, true);
        assert_eq!(found, found_restored, "{name} differs after a restart from a snapshot");
        assert_eq!(digest, digest_restored, "{name} ends elsewhere after restarts");
        wrong.extend(found);
    }
    assert!(wrong.is_empty(), "{} lines failed\n{}", wrong.len(), wrong.join("\n"));
}

/// The runner itself must be able to fail: a wrong expectation is found, in its place.
#[test]
fn a_wrong_expectation_is_found() {
    let table = "campaign C done phase C open\nsku S1 in C supply 1 done\nreserve R1 S1 buyer A held\n\
                 reserve R2 S1 buyer B held";
    let (wrong, _) = run("inline", table, false);
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].starts_with("inline:4: reserve R2"), "{}", wrong[0]);
    assert!(wrong[0].ends_with("refused all_held free 0"), "{}", wrong[0]);
}
