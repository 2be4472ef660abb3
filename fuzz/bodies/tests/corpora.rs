//! Every committed corpus through its target, and whether it still reaches what it was made for.

use onrush_fuzz::{TARGETS, config, connection, frame, ledger, record, request, snapshot, token};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Read a target's corpus, in the order of its file names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = fuzz().join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).expect("each target has a corpus");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("listed").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "write it: cargo xtask corpus");
    paths.iter().map(|path| std::fs::read(path).expect("listed")).collect()
}

#[test]
fn every_target_has_its_file_and_every_file_its_target() {
    let files = std::fs::read_dir(fuzz().join("fuzz_targets")).expect("the fuzz package");
    let files: BTreeSet<String> = files
        .map(|file| file.expect("listed").path())
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(files, targets);
}

#[test]
fn records_of_every_kind_decode() {
    let kinds: BTreeSet<u8> =
        corpus("record").iter().filter(|data| record(data).is_some()).map(|data| data[0]).collect();
    let expected: BTreeSet<u8> = (1..=5).chain(16..=25).chain(48..=52).collect();
    assert_eq!(kinds, expected);
}

#[test]
fn the_ledger_reaches_every_change_and_state() {
    let (mut changes, mut states) = (BTreeSet::new(), BTreeSet::new());
    for data in corpus("ledger") {
        let reached = ledger(&data);
        changes.extend(reached.changes);
        states.extend(reached.states);
    }
    assert_eq!(changes.len(), 20, "{changes:?}");
    assert_eq!(states.len(), 6, "{states:?}");
}

#[test]
fn snapshots_load() {
    let corpus = corpus("snapshot");
    let loaded = corpus.iter().filter(|data| snapshot(data)).count();
    assert!(loaded >= 8, "{loaded} of {}", corpus.len());
}

#[test]
fn frames_pass_as_written_and_mended() {
    let corpus = corpus("frame");
    for mend in [0, 1] {
        let of = corpus.iter().filter(|data| data[0] == mend);
        assert!(of.filter_map(|data| frame(data)).any(|records| records > 1), "{mend}");
    }
}

#[test]
fn configurations_are_read_and_refused() {
    let corpus = corpus("config");
    let read = corpus.iter().filter(|data| config(data)).count();
    assert!(read >= 2 && read < corpus.len(), "{read} of {}", corpus.len());
}

#[test]
fn requests_are_granted_and_refused() {
    let statuses: BTreeSet<u16> =
        corpus("request").iter().filter_map(|data| request(data)).collect();
    assert!(statuses.contains(&201) && statuses.contains(&200), "{statuses:?}");
    assert!(statuses.contains(&400) || statuses.contains(&422), "{statuses:?}");
}

#[test]
fn only_the_token_that_was_given_out_is_believed() {
    let believed = corpus("token").iter().filter(|data| token(data)).count();
    assert_eq!(believed, 3, "as a bearer's, in the header, as a cookie");
}

#[test]
fn connections_are_answered() {
    let answers: Vec<usize> = corpus("connection").iter().map(|data| connection(data)).collect();
    assert!(answers.contains(&1), "{answers:?}");
}

/// Cuts and flips of every seed: a beginning of what a fuzzer does.
#[test]
fn damaged_seeds_break_no_promise() {
    for (target, body) in TARGETS.iter().filter(|(name, _)| *name != "ledger") {
        // Each image that loads asks for megabytes, so fewer places of it are tried.
        // A connection is a real one, a request has a whole sale behind it.
        let step = match *target {
            "snapshot" => 29,
            "connection" => 61,
            "config" => 47,
            "request" | "token" => 11,
            _ => 1,
        };
        for data in corpus(target).iter().map(|data| &data[..data.len().min(1_600)]) {
            for at in (0..data.len()).step_by(step) {
                body(&data[..at]);
                for bit in [0, 6, 7] {
                    let mut flipped = data.to_vec();
                    flipped[at] ^= 1 << bit;
                    body(&flipped);
                }
            }
        }
    }
}
