//! Plays a crowd over a [`Net`], on the calling thread: open loop, every acknowledgement kept.
//!
//! ```text
//! guests (by due time) ──┐
//!                        ├─► issue ─ due? a connection? ─► net.send ─► flights
//! agenda (next steps) ───┘                                    │ net.wait
//!        ▲──────────── pay, look again, try again ── hear ◄───┘
//! ```
//!
//! A request is due at a time that does not depend on the answers of others; its latency counts from
//! there, waiting for a connection included (*coordinated omission*, Gil Tene). Time and transport are
//! arguments, so a test plays hours of a stalled server in no time.
//!
//! Invariants: a guest's case lives as long as something of it is due or under way; what was sent and
//! got no answer ends in [`Told::unknown`].

mod case;
mod hear;
mod line;
mod plan;
mod shop;
mod tally;

pub use shop::{OnrushShop, Shop};
pub use tally::{ByBehaviour, InLine, Order, Series, Slice, Tally};

use crate::crowd::Guest;
use crate::told::Told;
use crate::wire::{Net, Side};
use case::Cases;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::iter::Peekable;
use std::time::Duration;

/// How often a watcher is called.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// What is asked in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// The page of the sale.
    Page,
    Join,
    Look,
    Return,
    Listen,
    Reserve,
    ReserveWithPass,
    /// A look at one's own reservation.
    LookAt,
    Pay,
    /// To sell what costs nothing.
    SettleFree,
    Release,
    Cancel,
}

impl Step {
    const COUNT: usize = Step::Cancel as usize + 1;

    /// What a buyer asks under their own name.
    const OF_BUYERS: [Step; 6] = [
        Step::Join,
        Step::Return,
        Step::Reserve,
        Step::ReserveWithPass,
        Step::LookAt,
        Step::Release,
    ];

    fn reserves(self) -> bool {
        matches!(self, Step::Reserve | Step::ReserveWithPass)
    }
}

/// How a crowd meets a waiting line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queueing {
    /// Joins when a reserve is refused for want of a pass, then polls.
    Auto,
    /// Joins first, and looks as often as it is told to.
    Poll,
    /// Joins first, and listens to the stream of events, each on a connection of its own.
    Listen,
}

/// How a crowd is played.
#[derive(Clone, Debug)]
pub struct PlaySpec {
    /// Where it goes.
    pub shop: Shop,
    /// What [`Guest::sku`] counts.
    pub skus: Vec<String>,
    /// How long a hold lives: who pays late waits longer.
    pub hold: Duration,
    /// How long somebody without an answer asks again.
    pub patience: Duration,
    /// When the last guest arrives.
    pub arrive_until: Duration,
    /// How long after that requests that wait for a connection are still sent.
    pub drain: Duration,
    /// How often somebody comes back who was told `all_held`.
    pub come_back_max: u32,
    /// Requests that are due earlier are played and checked, and not measured.
    pub warm_up: Duration,
    /// How it queues.
    pub queueing: Queueing,
    /// Streams at most; whoever finds none polls.
    pub streams_max: usize,
    /// How long people stay in a line.
    pub stay: Duration,
    /// Width of a slice of [`Series`].
    pub slice: Duration,
}

/// What a run gave.
#[derive(Debug)]
pub struct Played {
    /// Acknowledgements and unknown outcomes.
    pub told: Told,
    /// Counts and latencies.
    pub tally: Tally,
    /// The watcher ended it early.
    pub stopped: bool,
}

/// Play `guests`, who come in the order of their times, until everybody is done. `watch` is called ten
/// times a second with what was counted so far; `false` ends the run.
pub fn play<N: Net>(
    spec: &PlaySpec,
    net: &mut N,
    guests: impl Iterator<Item = Guest>,
    watch: &mut dyn FnMut(&Tally, Duration) -> bool,
) -> Played {
    let mut drive = Drive { net, crowd: Crowd::new(spec), guests: guests.peekable() };
    let stopped = !drive.run(watch);
    let mut crowd = drive.crowd;
    crowd.give_up_all();
    crowd.tally.finish(drive.net.now(), drive.net.opened());
    Played { told: crowd.told, tally: crowd.tally, stopped }
}

struct Drive<'a, N, G: Iterator<Item = Guest>> {
    net: &'a mut N,
    crowd: Crowd<'a>,
    guests: Peekable<G>,
}

/// Everybody's state, apart from how it travels.
struct Crowd<'a> {
    spec: &'a PlaySpec,
    cases: Cases,
    flights: Vec<Option<Flight>>,
    free_flights: Vec<u32>,
    flying: usize,
    /// Next steps, by side: what waits for one side must not hold up the other.
    agenda: [BinaryHeap<Due>; 2],
    order: u64,
    /// Streams that are open or planned.
    streams: usize,
    /// Streams that nobody needs any more.
    ended: Vec<u32>,
    told: Told,
    tally: Tally,
    request: Vec<u8>,
    scratch: Vec<u8>,
}

/// A step and when it is due. The earliest is the greatest, as a heap wants it.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: Duration,
    order: u64,
    case: u32,
    step: Step,
    /// The part of a payment, and how much.
    part: u8,
    amount: i64,
    tries: u32,
    /// When it was due for the first time.
    since: Duration,
    /// It was sent and may have been done.
    open: bool,
}

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct Flight {
    due: Due,
    /// The newest of its kind that was heard before this was sent: what comes must be newer.
    mark: u64,
    /// Nobody waits for the answer.
    abandoned: bool,
}

impl Ord for Due {
    fn cmp(&self, other: &Due) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Due) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Due) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl<N: Net, G: Iterator<Item = Guest>> Drive<'_, N, G> {
    /// Returns `false` when the watcher ended it.
    fn run(&mut self, watch: &mut dyn FnMut(&Tally, Duration) -> bool) -> bool {
        let mut next_watch = WATCH_EVERY;
        let mut blocked = [false; 2];
        let ends = self.crowd.spec.arrive_until + self.crowd.spec.drain;
        loop {
            let now = self.net.now();
            let next = self.issue(now, &mut blocked);
            if now >= next_watch {
                next_watch = now + WATCH_EVERY;
                self.crowd.tally.go_on_to(now);
                if !watch(&self.crowd.tally, now) {
                    return false;
                }
            }
            let over = now > ends && blocked.contains(&true);
            if next.is_none() && self.crowd.flying == 0 || over {
                // The hint of a crowd is exact; making millions of guests to count them is not cheap.
                self.crowd.tally.unsent += self.guests.size_hint().0 as u64;
                return true;
            }
            let until = next.unwrap_or(Duration::MAX).min(next_watch);
            let crowd = &mut self.crowd;
            self.net.wait(until, &mut |tag, heard, now| crowd.hear(tag, heard, now));
            for tag in std::mem::take(&mut self.crowd.ended) {
                self.net.hang_up(tag);
            }
        }
    }

    /// Send everything that is due, as far as there are connections. Returns when the next is due;
    /// what waits for a connection is due when one is free, which [`Net::wait`] tells.
    fn issue(&mut self, now: Duration, blocked: &mut [bool; 2]) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        for side in [Side::Admin, Side::Public] {
            let at = side as usize;
            loop {
                let planned = self.crowd.agenda[at].peek().map(|due| due.at);
                let guest = match side {
                    Side::Public => self.guests.peek().map(|guest| guest.at),
                    Side::Admin => None,
                };
                let Some(first) = planned.into_iter().chain(guest).min() else {
                    blocked[at] = false;
                    break;
                };
                if first > now {
                    next = Some(next.map_or(first, |other| other.min(first)));
                    blocked[at] = false;
                    break;
                }
                if !self.net.can_send(side) {
                    blocked[at] = true;
                    next = Some(next.unwrap_or(Duration::MAX));
                    break;
                }
                if guest == Some(first) && planned.is_none_or(|planned| first < planned) {
                    let guest = self.guests.next().expect("it was looked at");
                    self.crowd.arrive(guest);
                    continue;
                }
                let due = self.crowd.agenda[at].pop().expect("it was looked at");
                self.crowd.tally.sent_late(now.saturating_sub(due.at), blocked[at], due.at);
                self.send(due, side);
            }
        }
        next
    }

    fn send(&mut self, due: Due, side: Side) {
        let Some(step) = self.crowd.still_wanted(&due) else { return self.crowd.drop_due(&due) };
        let due = Due { step, ..due };
        let case = &self.crowd.cases[due.case];
        let abandoned = step.reserves() && case.walks_away();
        let streams = step == Step::Listen;
        let mut request = std::mem::take(&mut self.crowd.request);
        request.clear();
        self.crowd.write(&due, &mut request);
        let tag = self.crowd.depart(due, abandoned);
        if streams {
            self.crowd.cases[due.case].stream = Some(tag);
            self.net.listen(side, &request, tag);
        } else {
            self.net.send(side, &request, tag);
        }
        self.crowd.request = request;
        if abandoned {
            self.net.hang_up(tag);
        }
    }
}

impl<'a> Crowd<'a> {
    fn new(spec: &'a PlaySpec) -> Crowd<'a> {
        Crowd {
            spec,
            cases: Cases::default(),
            flights: Vec::new(),
            free_flights: Vec::new(),
            flying: 0,
            agenda: [BinaryHeap::new(), BinaryHeap::new()],
            order: 0,
            streams: 0,
            ended: Vec::new(),
            told: Told::default(),
            tally: Tally::new(spec.warm_up, spec.slice),
            request: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Write a request for a case.
    fn write(&mut self, due: &Due, out: &mut Vec<u8>) {
        let case = &self.cases[due.case];
        let fill = case.fill(&self.spec.skus, due.part, due.amount);
        self.spec.shop.write(due.step, &fill, &mut self.scratch, out);
    }

    /// Note a request that goes out now; returns its tag.
    fn depart(&mut self, due: Due, abandoned: bool) -> u32 {
        let flight = Flight { due, mark: self.tally.order.mark(due.step), abandoned };
        self.flying += 1;
        match self.free_flights.pop() {
            Some(tag) => {
                self.flights[tag as usize] = Some(flight);
                tag
            }
            None => {
                self.flights.push(Some(flight));
                self.flights.len() as u32 - 1
            }
        }
    }

    /// A request came to its end.
    fn land(&mut self, tag: u32) -> Option<Flight> {
        let flight = self.flights.get_mut(tag as usize)?.take()?;
        self.free_flights.push(tag);
        self.flying -= 1;
        Some(flight)
    }
}
