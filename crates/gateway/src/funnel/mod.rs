//! How far people of each source come: arrived, challenged, joined, passed, held, paid.
//!
//! A *source* is what a request says of itself: the channel and the touchpoint that brought the buyer.
//!
//! ```text
//! page ?channel=…&touchpoint=… ─► arrived, once a browser: kept in a cookie
//! challenge answered, by address or cookie ─► challenged
//! ticket, by address or cookie ─► joined    its number ─► its source
//! ticket, called up and shown ─► passed     its source
//! reserve, by its attribution, else by its pass ─► held    its number ─► its source
//! payment ─► paid                           its source
//! ```
//!
//! **Once.** A ticket and a reservation count once each, however often they are asked about: a byte
//! for each ([`Marks`]) says from which source it came and how far it is. **Bounded.** A campaign has
//! [`SOURCES_MAX`] sources; the rest is *other*. Strangers can open pages, so those alone make at most
//! half of them. **Live, not kept.** Figures are since the start of the process: the report has the
//! journal's.

mod admin;
mod marks;
mod source;

pub(crate) use admin::{describe, schemas};
pub(crate) use source::{FROM_COOKIE, Source};

use arc_swap::ArcSwap;
use marks::Marks;
use onrush::{Decision, EngineError, Name, Reservation, State, TicketNo};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sources with a row of their own, in each campaign.
pub(crate) const SOURCES_MAX: usize = 32;

/// Of those, as many may be first heard of by somebody who only opened a page.
const SOURCES_ARRIVED_MAX: usize = SOURCES_MAX / 2;

/// The row of requests that say nothing, those of the sources, and the row of all others.
const ROWS: usize = SOURCES_MAX + 2;
const OTHER: usize = ROWS - 1;

// A mark has six bits for a row and its absence.
const _: () = assert!(ROWS < 64);

/// How far somebody is, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Step {
    /// Opened the drop page.
    Arrived,
    /// Answered a challenge.
    Challenged,
    /// Got a ticket.
    Joined,
    /// Was called up, and looked.
    Passed,
    /// Held a unit.
    Held,
    /// Paid for it.
    Paid,
}

impl Step {
    /// Every step with its name, in order.
    pub(crate) const ALL: [(Step, &'static str); 6] = [
        (Step::Arrived, "arrived"),
        (Step::Challenged, "challenged"),
        (Step::Joined, "joined"),
        (Step::Passed, "passed"),
        (Step::Held, "held"),
        (Step::Paid, "paid"),
    ];
}

/// A source's place in its campaign's figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row(u8);

/// The funnels of all campaigns.
#[derive(Debug, Default)]
pub(crate) struct Funnels {
    all: ArcSwap<BTreeMap<Name, Arc<Funnel>>>,
    /// By number: those of all campaigns come one after the other.
    reservations: Marks,
}

/// One campaign's.
#[derive(Debug)]
struct Funnel {
    names: RwLock<Vec<Source<'static>>>,
    counts: [[AtomicU64; Step::ALL.len()]; ROWS],
    tickets: Marks,
}

/// What a reservation's outcome is to be counted as.
#[derive(Debug)]
pub(crate) struct Tally {
    funnels: Arc<Funnels>,
    /// A new hold's source; `None`: it is about a payment.
    from: Option<Row>,
}

/// One row of figures as they are read.
#[derive(Debug)]
struct Shown {
    source: Option<Source<'static>>,
    is_other: bool,
    counts: [u64; Step::ALL.len()],
}

impl Funnels {
    /// Count somebody from this source. O(sources).
    pub(crate) fn count(&self, campaign: &Name, source: &Source<'_>, step: Step) {
        let funnel = self.of(campaign);
        let row = funnel.row(source, step);
        funnel.add(row, step);
    }

    /// Count a ticket of somebody from this source.
    pub(crate) fn joined(&self, campaign: &Name, source: &Source<'_>, ticket: TicketNo) {
        let funnel = self.of(campaign);
        let row = funnel.row(source, Step::Joined);
        if funnel.tickets.begin(ticket.0, row) {
            funnel.add(row, Step::Joined);
        }
    }

    /// Count a ticket that was called up.
    pub(crate) fn passed(&self, campaign: &Name, ticket: TicketNo) {
        let funnel = self.of(campaign);
        if let Some(row) = funnel.tickets.go_on(ticket.0) {
            funnel.add(row, Step::Passed);
        }
    }

    /// Find the row of a reserve: what it says, else what its ticket said.
    pub(crate) fn row(
        &self,
        campaign: &Name,
        source: Option<&Source<'_>>,
        ticket: Option<TicketNo>,
    ) -> Row {
        match (source, ticket) {
            (None, None) => Row::default(),
            (Some(source), _) => self.of(campaign).row(source, Step::Held),
            (None, Some(ticket)) => self.of(campaign).tickets.row(ticket.0),
        }
    }

    /// Count what a reserve that was said to be of `from` came to.
    pub(crate) fn reserved(&self, from: Row, outcome: &Outcome) {
        if let Ok(Decision::Done(made) | Decision::Already(made)) = outcome
            && self.reservations.begin(made.seq.0, from)
        {
            self.of(&made.campaign).add(from, Step::Held);
        }
    }

    /// Count what a payment came to.
    fn paid(&self, outcome: &Outcome) {
        if let Ok(Decision::Done(paid)) = outcome
            && matches!(paid.state, State::Sold)
            && let Some(row) = self.reservations.go_on(paid.seq.0)
        {
            self.of(&paid.campaign).add(row, Step::Paid);
        }
    }

    /// Have a hold counted.
    pub(crate) fn hold(self: &Arc<Self>, from: Row) -> Tally {
        Tally { funnels: self.clone(), from: Some(from) }
    }

    /// Have a payment counted.
    pub(crate) fn payment(self: &Arc<Self>) -> Tally {
        Tally { funnels: self.clone(), from: None }
    }

    fn of(&self, campaign: &Name) -> Arc<Funnel> {
        if let Some(funnel) = self.all.load().get(campaign) {
            return funnel.clone();
        }
        let new = Arc::new(Funnel::new());
        self.all.rcu(|all| {
            let mut all = BTreeMap::clone(all);
            all.entry(campaign.clone()).or_insert_with(|| new.clone());
            all
        });
        self.all.load().get(campaign).cloned().unwrap_or(new)
    }

    /// Read a campaign's rows that anybody is in.
    fn shown(&self, campaign: &Name) -> Vec<Shown> {
        self.all.load().get(campaign).map(|funnel| funnel.shown()).unwrap_or_default()
    }
}

type Outcome = Result<Decision<Reservation>, EngineError>;

impl Tally {
    /// Count the outcome.
    pub(crate) fn count(&self, outcome: &Outcome) {
        match self.from {
            Some(from) => self.funnels.reserved(from, outcome),
            None => self.funnels.paid(outcome),
        }
    }
}

impl Funnel {
    fn new() -> Funnel {
        Funnel {
            names: RwLock::default(),
            counts: std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))),
            tickets: Marks::default(),
        }
    }

    /// Find a source's row, or give it one.
    fn row(&self, source: &Source<'_>, step: Step) -> Row {
        if source.is_none() {
            return Row::default();
        }
        let find = |names: &[Source<'_>]| names.iter().position(|name| name == source);
        let found = find(&self.names.read());
        let at = found.or_else(|| {
            let mut names = self.names.write();
            let most = if step == Step::Arrived { SOURCES_ARRIVED_MAX } else { SOURCES_MAX };
            // Somebody else may have brought it since.
            find(&names).or_else(|| {
                let has_room = names.len() < most;
                has_room.then(|| names.push(source.to_owned()))?;
                Some(names.len() - 1)
            })
        });
        Row(at.map_or(OTHER, |at| at + 1) as u8)
    }

    fn add(&self, row: Row, step: Step) {
        // Relaxed: a total that stands alone and publishes nothing.
        self.counts[usize::from(row.0)][step as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn shown(&self) -> Vec<Shown> {
        let names = self.names.read();
        let rows = self.counts.iter().enumerate().map(|(at, counts)| Shown {
            source: at.checked_sub(1).and_then(|at| names.get(at)).cloned(),
            is_other: at == OTHER,
            // Relaxed: as in `add`.
            counts: std::array::from_fn(|step| counts[step].load(Ordering::Relaxed)),
        });
        rows.filter(|row| row.counts.iter().any(|count| *count > 0)).collect()
    }
}

#[cfg(test)]
mod tests;
