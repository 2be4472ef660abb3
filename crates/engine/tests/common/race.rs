//! A start for many threads at once.

use std::sync::Barrier;
use std::thread;

/// Let `threads` callers start at once, and collect what they return.
pub(crate) fn race<T: Send>(threads: usize, call: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|n| {
                let (start, call) = (&start, &call);
                let thread = thread::Builder::new().stack_size(256 * 1_024);
                let caller = move || {
                    start.wait();
                    call(n)
                };
                thread.spawn_scoped(scope, caller).expect("a thread")
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    })
}
