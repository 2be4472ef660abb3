//! A scorer of somebody else's on a thread of its own: it may hang, and the drop goes on.
//!
//! ```text
//! free ── ask ──► asked ── the thread takes it ──► scoring ── answer ──► answered ── taken ──► free
//!                                     └ the caller gave up: the answer is thrown away ──► free
//! ```
//!
//! One request at a time; a caller waits at most the deadline for its turn and its answer together, and
//! then says what is no probability, which the guard around it turns into the stated default and counts.
//! A scorer that never comes back costs eight deadlines, and then nothing.

use onrush_risk::{Risk, Scorer, Signals};
use parking_lot::{Condvar, Mutex};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Longest time for one score.
pub(super) const DEADLINE: Duration = Duration::from_millis(2);

/// Says that there is no answer.
const NO_ANSWER: Risk =
    Risk { probability: f64::NAN, reasons: [onrush_risk::Reason { signal: None, weight: 0.0 }; 3] };

/// The scorer, seen from outside of its thread.
#[derive(Debug)]
pub(super) struct Isolated {
    shared: Arc<Shared>,
    deadline: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    desk: Mutex<Desk>,
    work: Condvar,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Desk {
    state: State,
    stopped: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Free,
    Asked(Signals),
    Scoring,
    /// The caller gave up while it was scored.
    Abandoned,
    Answered(Risk),
}

impl Isolated {
    /// Start the thread.
    pub(super) fn start(scorer: Arc<dyn Scorer>, deadline: Duration) -> io::Result<Isolated> {
        let shared: Arc<Shared> = Arc::default();
        let theirs = shared.clone();
        let named = thread::Builder::new().name("onrush-scorer".to_owned());
        // Not waited for at the end: it may hang.
        named.spawn(move || serve(&theirs, &*scorer))?;
        Ok(Isolated { shared, deadline })
    }
}

impl Scorer for Isolated {
    fn score(&self, signals: &Signals) -> Risk {
        let until = Instant::now() + self.deadline;
        let Shared { desk, work, moved } = &*self.shared;
        let mut desk = desk.lock();
        while !matches!(desk.state, State::Free) {
            if moved.wait_until(&mut desk, until).timed_out() {
                return NO_ANSWER;
            }
        }
        desk.state = State::Asked(*signals);
        work.notify_one();
        loop {
            if let State::Answered(risk) = desk.state {
                desk.state = State::Free;
                moved.notify_all();
                return risk;
            }
            if moved.wait_until(&mut desk, until).timed_out() {
                break;
            }
        }
        match desk.state {
            // The answer came in the same moment.
            State::Answered(risk) => {
                desk.state = State::Free;
                moved.notify_all();
                risk
            }
            State::Scoring => {
                desk.state = State::Abandoned;
                NO_ANSWER
            }
            _ => {
                desk.state = State::Free;
                moved.notify_all();
                NO_ANSWER
            }
        }
    }
}

impl Drop for Isolated {
    fn drop(&mut self) {
        self.shared.desk.lock().stopped = true;
        self.shared.work.notify_one();
    }
}

fn serve(shared: &Shared, scorer: &dyn Scorer) {
    let mut desk = shared.desk.lock();
    loop {
        if desk.stopped {
            return;
        }
        let State::Asked(signals) = desk.state else {
            shared.work.wait(&mut desk);
            continue;
        };
        desk.state = State::Scoring;
        drop(desk);
        // A panic is an answer that is none; the thread lives on.
        let told = catch_unwind(AssertUnwindSafe(|| scorer.score(&signals))).unwrap_or(NO_ANSWER);
        desk = shared.desk.lock();
        desk.state = match desk.state {
            State::Scoring => State::Answered(told),
            _ => State::Free,
        };
        shared.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onrush_risk::{FAULTS_MAX, Guarded, Scorecard, Signal};
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Hangs until it is let go when there are beacons, panics when there is a replay.
    #[derive(Debug)]
    struct Moody(Mutex<Receiver<()>>);

    impl Scorer for Moody {
        fn score(&self, signals: &Signals) -> Risk {
            assert_eq!(signals.get(Signal::Replay), 0.0);
            if signals.get(Signal::Beacons) > 0.0 {
                let _ = self.0.lock().recv();
            }
            Scorecard.score(signals)
        }
    }

    fn moody(deadline: Duration) -> (Guarded<Isolated>, Sender<()>) {
        let (go, wait) = channel();
        let scorer =
            Isolated::start(Arc::new(Moody(Mutex::new(wait))), deadline).expect("a thread");
        (Guarded::new(scorer, 0.25), go)
    }

    #[test]
    fn answers_like_the_scorer_and_outlives_a_panic() {
        let (guarded, _go) = moody(Duration::from_secs(60));
        let plain = Signals::ZERO;
        assert_eq!(guarded.score(&plain), Scorecard.score(&plain));
        let mut bad = plain;
        bad.set(Signal::Replay, 1.0);
        assert_eq!(guarded.score(&bad), Risk::plain(0.25));
        assert_eq!((guarded.score(&plain), guarded.faults()), (Scorecard.score(&plain), 1));
    }

    #[test]
    fn a_scorer_that_hangs_is_given_up_and_then_not_asked() {
        let (guarded, _go) = moody(Duration::from_millis(1));
        let mut stuck = Signals::ZERO;
        stuck.set(Signal::Beacons, 1.0);
        for fault in 1..=FAULTS_MAX {
            assert_eq!(guarded.score(&stuck), Risk::plain(0.25));
            assert_eq!(guarded.faults(), fault);
        }
        assert!(guarded.is_off());
    }

    #[test]
    fn an_answer_that_came_too_late_is_nobodys() {
        let (guarded, go) = moody(Duration::from_secs(60));
        let short = Isolated { shared: guarded.inner().shared.clone(), deadline: Duration::ZERO };
        let mut stuck = Signals::ZERO;
        stuck.set(Signal::Beacons, 4.0);
        assert!(!short.score(&stuck).is_sound());
        // It was taken, or taken back before: a late word is nobody's either way.
        go.send(()).expect("it may wait");
        let plain = Signals::ZERO;
        assert_eq!(guarded.score(&plain), Scorecard.score(&plain), "not the one of before");
    }
}
