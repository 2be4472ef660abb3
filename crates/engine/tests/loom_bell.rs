//! The bell under every interleaving: no ring is lost. Run with
//! `RUSTFLAGS="--cfg loom" cargo test -p onrush --release --test loom_bell`.
//!
//! The model is made of the engine's own source. A sleep has no timeout in it, so a ring that is
//! lost is a deadlock, which loom reports.

#![cfg(loom)]

#[path = "../src/bell.rs"]
mod bell;
#[path = "../src/sync.rs"]
#[allow(unused_imports, dead_code, reason = "the bell uses its part")]
mod sync;

use bell::Bell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use std::time::Duration;

struct Line {
    bell: Bell,
    /// Stands for the queue. Relaxed throughout: only the bell orders it.
    pushed: AtomicU32,
}

/// Turn as the ledger thread does until it has seen `all` pushes.
fn answer(line: &Line, all: u32) {
    line.bell.answered_here();
    loop {
        line.bell.begin();
        if line.pushed.load(Ordering::Relaxed) == all {
            return;
        }
        line.bell.sleep(Duration::from_millis(1));
    }
}

fn model(callers: u32) {
    loom::model(move || {
        let line = Arc::new(Line { bell: Bell::default(), pushed: AtomicU32::new(0) });
        let callers: Vec<_> = (0..callers)
            .map(|_| {
                let line = line.clone();
                thread::spawn(move || push_then_ring(&line))
            })
            .collect();
        answer(&line, callers.len() as u32);
        for caller in callers {
            caller.join().expect("a caller");
        }
    });
}

fn push_then_ring(line: &Line) {
    line.pushed.fetch_add(1, Ordering::Relaxed);
    line.bell.ring();
}

#[test]
fn one_caller_is_always_heard() {
    model(1);
}

#[test]
fn two_callers_are_always_heard() {
    model(2);
}

#[test]
fn a_caller_that_comes_again_is_heard_again() {
    loom::model(|| {
        let line = Arc::new(Line { bell: Bell::default(), pushed: AtomicU32::new(0) });
        let theirs = line.clone();
        let caller = thread::spawn(move || {
            push_then_ring(&theirs);
            push_then_ring(&theirs);
        });
        answer(&line, 2);
        caller.join().expect("the caller");
    });
}
