//! Plays a crowd against a server and keeps what it was told.
//!
//! ```text
//! visits (by due time) ──┐
//!                        ├─► dispatcher ─ due? slot? ─► one task a request ─► told, figures
//! agenda (next steps) ───┘                                    │
//!        ▲──────────── pay, release, try again ───────────────┘
//! ```
//!
//! A request is due at a time that does not depend on earlier answers of *others*; its latency counts
//! from there, waiting for a connection included. Whoever gets no answer asks again with the same key.

pub(crate) mod figures;
mod step;

pub use figures::{Figures, Kind, Latency, Summary};

use crate::client::Client;
use crate::crowd::{Behaviour, Visit};
use crate::told::{Told, Unknown};
use std::cell::{Cell, RefCell};
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::rc::Rc;
use std::time::Duration;
use step::{Case, Due, Step};
use tokio::sync::Notify;
use tokio::time::Instant;

/// How often a watcher is called.
const WATCH_EVERY: Duration = Duration::from_millis(5);

/// How the crowd says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `X-Onrush-Buyer`, believed by a server that runs with `--dev`.
    DevHeader,
    /// A token that a double signs ([`crate::doubles`]).
    Token,
    /// The public client's bearer token is an API key; the body names the buyer.
    ApiKey,
}

/// How a crowd is played.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// The campaign.
    pub campaign: String,
    /// How the crowd says who it is.
    pub identity: Identity,
    /// How long a hold lives: who pays late waits longer.
    pub hold: Duration,
    /// How long somebody without an answer asks again.
    pub patience: Duration,
    /// How often somebody comes back who was told `all_held`.
    pub come_back_max: u32,
    /// Details sent with each reserve, as JSON members (`"delivery":"one_hour"`), or nothing.
    pub details: String,
}

/// What a run gave.
#[derive(Debug)]
pub struct Played {
    /// Acknowledgements and unknown outcomes.
    pub told: Told,
    /// Counts and latencies.
    pub figures: Figures,
}

/// Run a future on this thread, with what [`run`] needs around it.
///
/// # Errors
/// When the system gives no runtime.
pub fn block_on<F: Future>(future: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(tokio::task::LocalSet::new().block_on(&runtime, future))
}

/// Play `visits`, which come in the order of their times, until everybody is done. Without an `admin`
/// client nobody pays or cancels. `watch` is called now and then with the figures so far.
///
/// Must be called inside a [`tokio::task::LocalSet`]; see [`block_on`].
pub async fn run(
    spec: &RunSpec,
    public: &Client,
    admin: Option<&Client>,
    visits: impl Iterator<Item = Visit>,
    watch: impl Fn(&Figures) + 'static,
) -> Played {
    let run = Rc::new(Run {
        spec: spec.clone(),
        public: public.clone(),
        admin: admin.cloned(),
        agenda: RefCell::default(),
        order: Cell::new(0),
        flying: Cell::new(0),
        changed: Notify::new(),
        told: RefCell::default(),
        figures: RefCell::default(),
        start: Instant::now(),
    });
    let watched = run.clone();
    let watcher = tokio::task::spawn_local(async move {
        loop {
            tokio::time::sleep(WATCH_EVERY).await;
            watch(&watched.figures.borrow());
        }
    });
    run.clone().dispatch(visits.peekable()).await;
    watcher.abort();
    run.figures.borrow_mut().took = run.start.elapsed();
    let (told, figures) = (run.told.take(), run.figures.take());
    Played { told, figures }
}

struct Run {
    spec: RunSpec,
    public: Client,
    admin: Option<Client>,
    agenda: RefCell<BinaryHeap<Due>>,
    order: Cell<u64>,
    flying: Cell<usize>,
    changed: Notify,
    told: RefCell<Told>,
    figures: RefCell<Figures>,
    start: Instant,
}

impl Run {
    async fn dispatch(self: Rc<Run>, mut visits: Peekable<impl Iterator<Item = Visit>>) {
        loop {
            let now = self.start.elapsed();
            while let Some(visit) = visits.next_if(|visit| visit.at <= now) {
                self.arrive(visit);
            }
            let next = self.agenda.borrow().peek().map(|due| due.at);
            let at = match (next, visits.peek().map(|visit| visit.at)) {
                (Some(a), Some(b)) => a.min(b),
                (Some(at), None) | (None, Some(at)) => at,
                (None, None) if self.flying.get() == 0 => return,
                (None, None) => {
                    self.changed.notified().await;
                    continue;
                }
            };
            if at > now {
                tokio::select! {
                    () = tokio::time::sleep_until(self.start + at) => {}
                    () = self.changed.notified() => {}
                }
                continue;
            }
            let due = self.agenda.borrow_mut().pop();
            let Some(due) = due else { continue };
            let slot = self.client_of(&due.step).slot().await;
            self.flying.set(self.flying.get() + 1);
            let run = self.clone();
            tokio::task::spawn_local(async move {
                run.perform(due).await;
                drop(slot);
                run.flying.set(run.flying.get() - 1);
                run.changed.notify_one();
            });
        }
    }

    fn arrive(&self, visit: Visit) {
        self.figures.borrow_mut().arrived += 1;
        let at = visit.at;
        if visit.behaviour == Behaviour::Grabs {
            let key = format!("{}-g", visit.key).into();
            self.plan(at, &Rc::new(Case::new(Visit { key, ..visit.clone() })), Step::Reserve);
        }
        let case = Rc::new(Case::new(visit));
        self.plan(at, &case, Step::Reserve);
        if case.visit.behaviour == Behaviour::DoubleClicks {
            self.plan(at, &case, Step::Reserve);
        }
    }

    fn plan(&self, at: Duration, case: &Rc<Case>, step: Step) {
        self.push(Due { at, order: 0, case: case.clone(), step, tries: 0, since: at, open: false });
    }

    fn push(&self, mut due: Due) {
        due.order = self.order.get();
        self.order.set(due.order + 1);
        self.agenda.borrow_mut().push(due);
        self.changed.notify_one();
    }

    /// Ask again later, or give up when patience is at its end.
    fn again(&self, due: Due, wait: Duration) {
        let now = self.start.elapsed();
        if now > due.since + self.spec.patience {
            return self.give_up(&due);
        }
        self.figures.borrow_mut().retries += 1;
        self.push(Due { at: now + wait, tries: due.tries + 1, ..due });
    }

    fn give_up(&self, due: &Due) {
        self.figures.borrow_mut().given_up += 1;
        if due.open {
            self.told.borrow_mut().unknown.push(Unknown {
                asked: due.step.asked(),
                buyer: due.case.visit.buyer.clone(),
                key: due.case.visit.key.clone(),
                id: due.case.id.borrow().clone(),
            });
        }
    }

    fn client_of(&self, step: &Step) -> &Client {
        match step {
            Step::Reserve | Step::Release => &self.public,
            Step::Pay { .. } | Step::Cancel => self.admin.as_ref().unwrap_or(&self.public),
        }
    }
}
