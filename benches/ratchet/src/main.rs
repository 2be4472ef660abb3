//! One case of the hot path, again and again, for `cargo xtask ratchet` to count instructions.
//!
//! The whole way of a request is walked, hyper and runtime included, on one thread: connections are
//! in memory, the ledger takes its turn when it is told to, clock and keys stand still. So the counts
//! of two runs differ by next to nothing. Argument: `hello`, `refusal`, `hold` or `poll`.
#![allow(clippy::print_stdout)]

mod hello;
mod shop;
mod tape;

use bytes::Bytes;
use onrush::Driver;
use tape::Tape;
use tokio::runtime::Runtime;

/// Keep-alive connections, each with one request at a time.
const CONNECTIONS: usize = 32;
/// Rounds over all connections before anything is counted, and while it is. The warm ones go past the
/// first 1,024 reservations: the read table's next chunk (2.6 MB, for 65,536 of them) is zeroed there.
const ROUNDS_WARM: usize = 40;
const ROUNDS: usize = 64;

/// Something that answers on tapes.
struct Case {
    tapes: Vec<Tape>,
    requests: Vec<Bytes>,
    next: usize,
    status: &'static str,
    driver: Option<Driver>,
    /// What has to live as long as the case.
    _keep: Box<dyn std::any::Any>,
}

fn main() {
    let name = std::env::args().nth(1).expect("a case: hello, refusal, hold or poll");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("runtime");
    let mut case = runtime.block_on(async {
        match name.as_str() {
            "hello" => hello::case(),
            "refusal" => shop::refusal(),
            "hold" => shop::hold((ROUNDS_WARM + ROUNDS) * CONNECTIONS),
            "poll" => shop::poll(),
            other => panic!("no such case: {other}"),
        }
    });
    runtime.block_on(case.ask(ROUNDS_WARM));
    counted(&runtime, &mut case);
    // Valgrind counts calls from the start, costs in `counted` only.
    println!("{} {}", ROUNDS * CONNECTIONS, (ROUNDS_WARM + ROUNDS) * CONNECTIONS);
}

/// The part that is counted: valgrind is told its name.
#[inline(never)]
fn counted(runtime: &Runtime, case: &mut Case) {
    runtime.block_on(case.ask(ROUNDS));
}

impl Case {
    /// Send a request on every connection and wait for all answers, `rounds` times.
    async fn ask(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for tape in &self.tapes {
                let request = self.requests[self.next % self.requests.len()].clone();
                tape.send(request, self.status);
                self.next += 1;
            }
            while !self.tapes.iter().all(Tape::is_answered) {
                // Connections run in between; what they queue becomes one batch.
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                if let Some(driver) = &mut self.driver {
                    driver.turn();
                }
            }
        }
    }
}

/// Make the connections, handing the server's ends to `serve`.
fn tapes(serve: impl Fn(Tape)) -> Vec<Tape> {
    let tapes: Vec<Tape> = (0..CONNECTIONS).map(|_| Tape::default()).collect();
    tapes.iter().cloned().for_each(serve);
    tapes
}
