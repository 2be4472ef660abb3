//! The draw and everybody's place, in the background.
//!
//! While people join, each durable ticket is put on the wheel and into the digest of its lane's list,
//! so that nothing is left to do at the start but one hash. When a lane starts, its draw is sent to the
//! ledger; once that is durable, places are counted off the wheel, the first ones first. After a
//! restart all of it is built again from the tickets, and comes out the same.
//!
//! When no line has work, the same thread warms the tables of buyers of new campaigns.
//!
//! [`Indexer::step`] does a bounded piece of work and never blocks, so a simulator can call it instead
//! of a thread.

use super::LineShared;
use super::ask::MARK_EVERY;
use crate::catalogue::Campaign;
use crate::pending::Pending;
use crate::shared::Shared;
use onrush_core::ledger::{Action, DrawFacts};
use onrush_core::line::wheel::LANES_MAX;
use onrush_core::line::{Order, Participants, Spots, Turn, Wheel};
use onrush_core::phase::Phase;
use onrush_types::planted;
use onrush_types::{DurationMs, TicketNo, Timestamp};
use std::sync::Arc;

/// Tickets looked at, and places counted, in one step of one line.
const STEP_TICKETS: u32 = 16_384;
/// Places counted in the first step of a lane: who is first need not wait for thousands.
const FIRST_PLACES: u32 = 256;
/// Touches of a table of buyers in one step: about a millisecond.
const TOUCHES_A_STEP: usize = 1_024;
/// A lane's start is looked for at least this often.
pub(crate) const IDLE_MS_MAX: u64 = 50;
/// From the time at which joining a draw ends until its list is told.
const CLOSING_MS: u64 = 1_000;
/// A draw that was refused is sent again after this.
const RETRY_MS: u64 = 5;

/// Puts tickets on wheels and counts places, for all lines.
pub(crate) struct Indexer {
    shared: Arc<Shared>,
    lines: Vec<Option<Indexed>>,
}

/// What the indexer keeps about one line.
struct Indexed {
    line: Arc<LineShared>,
    wheel: Wheel,
    /// The first ticket that was not looked at.
    next: u32,
    lanes: Vec<Lane>,
}

struct Lane {
    spots: Spots,
    list: Participants,
    asked: Option<Pending<Arc<Campaign>>>,
    /// A draw that was refused is not sent again before this.
    not_before: Timestamp,
    order: Option<Order>,
    /// Places counted so far.
    placed: u32,
}

impl Indexer {
    pub(crate) fn new(shared: Arc<Shared>) -> Indexer {
        Indexer { shared, lines: Vec::new() }
    }

    /// Do some work; return whether there is more at once.
    pub(crate) fn step(&mut self) -> bool {
        let catalogue = self.shared.catalogue.load();
        let now = self.shared.time.now();
        let mut busy = false;
        for (n, campaign) in catalogue.list.iter().enumerate() {
            let Some(line) = &campaign.line else { continue };
            if self.lines.len() <= n {
                self.lines.resize_with(n + 1, || None);
            }
            let slot = &mut self.lines[n];
            // A draft's terms may change: its tickets, none yet, are others then.
            if slot.as_ref().is_none_or(|known| !Arc::ptr_eq(&known.line, line)) {
                *slot = Some(Indexed::new(line.clone()));
            }
            let indexed = slot.as_mut().expect("made above");
            busy |= indexed.look() | indexed.hear(now);
            indexed.close(now);
            busy |= indexed.draw(&self.shared, campaign, now) | indexed.place();
        }
        // A draw is waited for; one table at a time, and only where no line has work.
        busy || catalogue.list.iter().any(|campaign| campaign.claims.warm(TOUCHES_A_STEP))
    }

    /// Return how long to sleep at most: until the next lane starts.
    pub(crate) fn idle_ms(&self) -> u64 {
        let now = self.shared.time.now();
        let lines = self.lines.iter().flatten();
        let starts = lines.flat_map(|indexed| {
            let published = indexed.line.published.load();
            let starts: Vec<_> = published.view.lanes.iter().map(|lane| lane.starts_at).collect();
            starts.into_iter().flatten()
        });
        let next = starts.filter(|at| *at > now).map(|at| at.since(now).0).min();
        next.map_or(IDLE_MS_MAX, |ms| ms.clamp(1, IDLE_MS_MAX))
    }
}

impl Indexed {
    fn new(line: Arc<LineShared>) -> Indexed {
        let lane = |seed| Lane {
            spots: Spots::new(seed),
            list: Participants::default(),
            asked: None,
            not_before: Timestamp(0),
            order: None,
            placed: 0,
        };
        let lanes = line.seeds.iter().map(lane).collect();
        Indexed { line, wheel: Wheel::default(), next: 0, lanes }
    }

    /// Put new tickets on the wheel and into their lists.
    fn look(&mut self) -> bool {
        let count = self.line.tickets.count();
        let end = count.min(self.next + STEP_TICKETS);
        for number in self.next..end {
            let row = self.line.tickets.read(TicketNo(number)).expect("it counts");
            // Who came after the start of a lane has a place already, and is not drawn.
            if row.place.is_some() {
                continue;
            }
            let lane = &mut self.lanes[usize::from(row.lane)];
            if lane.list.count().is_multiple_of(MARK_EVERY) {
                self.line.marks.lock()[usize::from(row.lane)].push(number);
            }
            let pseudonym = self.line.pseudonyms.of(row.buyer);
            self.wheel.push(number, row.lane, lane.spots.of(pseudonym), row.class);
            lane.list.push(pseudonym, row.class);
        }
        let some = end > self.next;
        self.next = end;
        some
    }

    /// Fix the lists of lanes in which nobody can join the draw any more.
    fn close(&mut self, now: Timestamp) {
        let published = self.line.published.load();
        for (n, view) in published.view.lanes.iter().enumerate() {
            let list = &self.lanes[n].list;
            // Who joined in time may still be on the way to the disk.
            let is_over = view.closes_at.is_some_and(|at| at + DurationMs(CLOSING_MS) <= now);
            if !is_over || view.drawn.is_some() || list.count() != view.participants {
                continue;
            }
            let mut closed = self.line.closed.lock();
            if closed[n].is_none_or(|(count, _)| count != list.count()) {
                closed[n] = Some((list.count(), list.digest()));
            }
        }
    }

    /// Take the answers to draws, whatever became of the sale: an answer that nobody takes keeps its
    /// place in the settle lane.
    fn hear(&mut self, now: Timestamp) -> bool {
        let mut some = false;
        for lane in &mut self.lanes {
            if lane.asked.as_mut().is_some_and(|asked| asked.try_take().is_some()) {
                // Granted: the view will say so. Refused, because somebody joined in the last moment or
                // there was no room: it is asked again.
                lane.asked = None;
                lane.not_before = now + DurationMs(RETRY_MS);
                some = true;
            }
        }
        some
    }

    /// Send the draw of the next lane to the ledger, once it has started.
    fn draw(&mut self, shared: &Arc<Shared>, campaign: &Campaign, now: Timestamp) -> bool {
        // By the clock, not by the journal: draw and opening share one sync.
        if !matches!(campaign.phase(now), Phase::Open | Phase::Paused) {
            return false;
        }
        let published = self.line.published.load();
        let lanes = published.view.lanes.iter();
        let Some((n, view)) = lanes.enumerate().find(|(_, lane)| lane.drawn.is_none()) else {
            return false;
        };
        let lane = &mut self.lanes[n];
        let started = view.starts_at.is_some_and(|at| at <= now);
        if !started
            || lane.asked.is_some()
            || now < lane.not_before
            || lane.list.count() != view.participants
            || shared.stopping()
        {
            return false;
        }
        let list_digest = lane.list.digest();
        let facts = DrawFacts {
            lane: n as u8,
            count: lane.list.count(),
            list_digest,
            turn: Turn::of(
                list_digest,
                planted!("value-forgotten", None, view.public_value.as_deref()),
            ),
            seed: self.line.seeds[n],
        };
        lane.asked = Some(shared.settle(Action::Draw { campaign: campaign.ix, facts }));
        true
    }

    /// Count places off the wheel, for lanes that were drawn.
    fn place(&mut self) -> bool {
        let published = self.line.published.load();
        let mut left = STEP_TICKETS;
        for n in 0..self.lanes.len().min(LANES_MAX) {
            let view = &published.view.lanes[n];
            let Some(drawn) = &view.drawn else { break };
            let lane = &mut self.lanes[n];
            if lane.placed == drawn.count || self.wheel.count(n as u8) != drawn.count {
                continue;
            }
            let (line, wheel) = (&self.line, &self.wheel);
            let order = lane.order.get_or_insert_with(|| {
                let places = || wheel.places(n as u8, drawn.turn, line.weights);
                line.places[n].get_or_init(places);
                Order::new(wheel, n as u8, drawn.turn, line.weights)
            });
            if lane.placed == 0 {
                left = left.min(FIRST_PLACES);
            }
            let tie = |number| {
                let buyer = line.tickets.buyer(TicketNo(number)).expect("it is on the wheel");
                line.pseudonyms.of(buyer)
            };
            while left > 0 && lane.placed < drawn.count {
                let number = order.next_ticket(wheel, &tie).expect("as many as took part");
                let rank = planted!("places-reversed", drawn.count - 1 - lane.placed, lane.placed);
                line.tickets.set_place(TicketNo(number), view.base + rank);
                (lane.placed, left) = (lane.placed + 1, left - 1);
            }
            if lane.placed == drawn.count {
                lane.order = None;
            }
        }
        left < STEP_TICKETS
    }
}
