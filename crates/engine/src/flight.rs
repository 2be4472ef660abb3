//! Requests under way: a fixed pool of cells, one per credit.
//!
//! A caller pops a credit, fills the cell, and pushes the credit's number into its lane; the ledger
//! thread pops it, decides, and puts the outcome into the cell after the sync. As many credits as
//! queue places, so a push cannot fail. The credit comes back when the caller has taken the outcome,
//! or when the ledger finds that the caller is gone.
//!
//! Three lanes: reserves, everything that settles (payments, releases, operators), and people who join
//! a line. Settling never waits behind a crowd that reserves, and reserving never behind one that joins.

use crate::credits::Credits;
use crate::error::EngineError;
use crate::sync::{ArrayQueue, Mutex};
use onrush_core::ledger::{Action, Answer, Ledger};
use onrush_journal::VerifiedSnapshot;
use onrush_types::planted;
use onrush_types::{BuyerDigest, CampaignIx, SkuIx};
use std::task::Waker;

/// What the ledger thread is asked to do.
pub(crate) enum Work {
    /// Decide a reserve whose units were claimed and taken.
    Reserve(Action, Claimed),
    /// Decide anything else.
    Act(Action),
    /// Look at the durable state.
    Inspect(Box<dyn FnOnce(&Ledger) + Send>),
    /// Remove the segments that two snapshots cover.
    Prune(Box<(VerifiedSnapshot, VerifiedSnapshot)>),
}

/// What a reserve took above the queue, to be undone if the ledger refuses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    pub(crate) campaign: CampaignIx,
    pub(crate) buyer: BuyerDigest,
    pub(crate) sku: SkuIx,
    pub(crate) quantity: u32,
}

pub(crate) type Landed = Result<Answer, EngineError>;

#[derive(Default)]
struct Cell {
    work: Option<Work>,
    outcome: Option<Landed>,
    waker: Option<Waker>,
    abandoned: bool,
}

/// One lane: its credits and its queue.
struct Lane {
    free: Credits,
    queue: ArrayQueue<u32>,
}

/// Which lane a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneKind {
    Settle,
    Reserve,
    Join,
}

pub(crate) struct Flights {
    cells: Box<[Mutex<Cell>]>,
    reserve: Lane,
    settle: Lane,
    join: Lane,
    reserves: u32,
    settles: u32,
}

impl std::fmt::Debug for Flights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flights({} cells)", self.cells.len())
    }
}

impl Flights {
    pub(crate) fn new(reserves: u32, settles: u32, joins: u32) -> Flights {
        let lane = |from: u32, to: u32| Lane {
            free: Credits::new(from, to),
            queue: ArrayQueue::new((to - from) as usize),
        };
        Flights {
            cells: (0..reserves + settles + joins).map(|_| Mutex::default()).collect(),
            reserve: lane(0, reserves),
            settle: lane(reserves, reserves + settles),
            join: lane(reserves + settles, reserves + settles + joins),
            reserves,
            settles,
        }
    }

    /// Take a credit, if one is free.
    #[inline]
    pub(crate) fn credit(&self, kind: LaneKind) -> Option<u32> {
        self.lane(kind).free.pop()
    }

    /// Give back a credit whose cell was never sent.
    pub(crate) fn give_back(&self, credit: u32) {
        self.lane_of(credit).free.push(credit);
    }

    /// Put work into the cell. Before the claim: filling may drop an earlier allocation.
    pub(crate) fn fill(&self, credit: u32, work: Work) {
        let mut cell = self.cells[credit as usize].lock();
        debug_assert!(cell.work.is_none() && cell.outcome.is_none() && !cell.abandoned);
        cell.work = Some(work);
    }

    /// Take the work out again, when the claim or the take failed.
    pub(crate) fn unfill(&self, credit: u32) {
        self.cells[credit as usize].lock().work = None;
        self.give_back(credit);
    }

    /// Hand a filled cell over to the ledger. Cannot fail: it has a credit.
    #[inline]
    pub(crate) fn send(&self, credit: u32) {
        let lane = self.lane_of(credit);
        lane.queue.push(credit).expect("a credit is a place in the queue");
    }

    /// Ledger thread: take the next request of a lane.
    pub(crate) fn next(&self, kind: LaneKind) -> Option<(u32, Work)> {
        let credit = self.lane(kind).queue.pop()?;
        let work = self.cells[credit as usize].lock().work.take();
        Some((credit, work.expect("a cell is filled before it is sent")))
    }

    /// Ledger thread: put the outcome into the cell and return whom to wake.
    pub(crate) fn land(&self, credit: u32, outcome: Landed) -> Option<Waker> {
        let mut cell = self.cells[credit as usize].lock();
        if cell.abandoned {
            *cell = Cell::default();
            drop(cell);
            planted!("abandoned-credit-lost", (), self.give_back(credit));
            return None;
        }
        cell.outcome = Some(outcome);
        cell.waker.take()
    }

    /// Caller: take the outcome, or leave a waker. Taking it returns the credit.
    pub(crate) fn poll(&self, credit: u32, waker: &Waker) -> Option<Landed> {
        let mut cell = self.cells[credit as usize].lock();
        match cell.outcome.take() {
            Some(outcome) => {
                *cell = Cell::default();
                drop(cell);
                self.give_back(credit);
                Some(outcome)
            }
            None => {
                if !cell.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
                    cell.waker = Some(waker.clone());
                }
                None
            }
        }
    }

    /// Caller: it is no longer interested. The work goes on all the same.
    pub(crate) fn abandon(&self, credit: u32) {
        let mut cell = self.cells[credit as usize].lock();
        if cell.outcome.is_some() {
            *cell = Cell::default();
            drop(cell);
            self.give_back(credit);
        } else {
            cell.abandoned = true;
            cell.waker = None;
        }
    }

    /// Return how many requests of a lane are under way.
    pub(crate) fn in_use(&self, kind: LaneKind) -> usize {
        self.lane(kind).free.used()
    }

    /// Tell whether a lane has requests waiting.
    pub(crate) fn waiting(&self) -> bool {
        [&self.reserve, &self.settle, &self.join].iter().any(|lane| !lane.queue.is_empty())
    }

    fn lane(&self, kind: LaneKind) -> &Lane {
        match kind {
            LaneKind::Reserve => &self.reserve,
            LaneKind::Settle => &self.settle,
            LaneKind::Join => &self.join,
        }
    }

    fn lane_of(&self, credit: u32) -> &Lane {
        if credit < self.reserves {
            &self.reserve
        } else if credit - self.reserves < self.settles {
            &self.settle
        } else {
            &self.join
        }
    }
}
