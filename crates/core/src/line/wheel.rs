//! A draw of millions without a sort: tickets hang in the buckets of a wheel from the moment they
//! are known, and the draw only turns it.
//!
//! ```text
//!  spot     0 ──────────────── s ──────────── 2⁶⁴     fixed when a ticket joins
//!  bucket   [ 0 ][ 1 ] … [  b  ] …  [ 65,535 ]        by the upper 16 bits of the spot
//!  turn     U = spot + turn; s is the spot where U is the largest
//!  order    b up to s, b − 1, …, 0, 65,535, …, b + 1, the rest of b
//! ```
//!
//! Within a class keys never fall when U falls, so walking the buckets backwards from `s` meets the
//! tickets in order, a bucket at a time; up to eight classes are merged by key. Two tickets of
//! neighbouring buckets can have equal keys (a key has fewer bits than a spot), so a ticket is given
//! out only when its key is below all that the next bucket could hold.
//!
//! Invariant: a ticket is in exactly one chain, that of its lane, class and bucket. Cost of its own:
//! 12 bytes a ticket, and 512 KiB for each class of a lane that has any.

use super::draw::Turn;
use super::key::{CLASSES_MAX, Key, Spot, Weights};
use super::list::Pseudonym;
use std::cmp::Ordering;
use std::ops::Range;

/// Groups of people who may enter at different times, in one line.
pub const LANES_MAX: usize = 8;

const BUCKET_BITS: u32 = 16;
const BUCKETS: usize = 1 << BUCKET_BITS;
const BUCKET_SHIFT: u32 = 64 - BUCKET_BITS;
/// Buckets whose chains are walked side by side, at most.
const STRIDE_MAX: usize = 8;
/// Ends a chain. Tickets are numbered below it.
const NONE: u32 = u32::MAX;

/// All tickets of a line that take part in a draw.
#[derive(Debug, Default)]
pub struct Wheel {
    chunks: Vec<Box<[Entry]>>,
    /// One more than the highest ticket.
    end: u32,
    lanes: [Lane; LANES_MAX],
}

/// A ticket in its chain. The spot is split so that an entry needs no padding, and kept beside the
/// link so that walking a chain misses the cache once a ticket.
#[derive(Clone, Copy, Debug)]
struct Entry {
    spot_high: u32,
    spot_low: u32,
    next: u32,
}

#[derive(Debug, Default)]
struct Lane {
    classes: [Option<Class>; CLASSES_MAX],
    count: u32,
}

#[derive(Debug)]
struct Class {
    /// The latest ticket of each bucket.
    heads: Box<[u32]>,
    counts: Box<[u32]>,
}

impl Wheel {
    /// Tickets in one piece of memory, so that growing never copies.
    const CHUNK: usize = 1 << 16;

    /// Put a ticket at its spot.
    ///
    /// # Panics
    /// When tickets do not come in ascending order, or lane or class are 8 or more.
    pub fn push(&mut self, ticket: u32, lane: u8, spot: Spot, class: u8) {
        assert!(ticket >= self.end && ticket != NONE, "ticket {ticket} is not after {}", self.end);
        let at = ticket as usize;
        while self.chunks.len() <= at / Wheel::CHUNK {
            let none = Entry { spot_high: 0, spot_low: 0, next: NONE };
            self.chunks.push(vec![none; Wheel::CHUNK].into_boxed_slice());
        }
        let lane = &mut self.lanes[usize::from(lane)];
        let class = lane.classes[usize::from(class)].get_or_insert_with(Class::default);
        let bucket = bucket(spot);
        self.chunks[at / Wheel::CHUNK][at % Wheel::CHUNK] = Entry {
            spot_high: (spot.0 >> 32) as u32,
            spot_low: spot.0 as u32,
            next: class.heads[bucket],
        };
        class.heads[bucket] = ticket;
        class.counts[bucket] += 1;
        lane.count += 1;
        self.end = ticket + 1;
    }

    /// Return how many tickets of `lane` are on the wheel.
    pub fn count(&self, lane: u8) -> u32 {
        self.lanes[usize::from(lane)].count
    }

    /// Return the spot of a ticket that was pushed.
    ///
    /// # Panics
    /// When `ticket` is higher than every ticket that was pushed.
    #[inline]
    pub fn spot(&self, ticket: u32) -> Spot {
        self.entry(ticket).spot()
    }

    /// Return the memory of the wheel in bytes.
    pub fn bytes(&self) -> usize {
        let classes = self.lanes.iter().flat_map(|lane| &lane.classes).flatten().count();
        let entries = self.chunks.len() * Wheel::CHUNK * size_of::<Entry>();
        entries + classes * BUCKETS * 2 * size_of::<u32>()
    }

    /// Return the approximate places of a lane whose draw has closed, without a look at each ticket.
    /// Cost: 65,536 additions for each class.
    ///
    /// # Panics
    /// When a ticket of the lane is of a class without weight.
    pub fn places(&self, lane: u8, turn: Turn, weights: Weights) -> Places {
        let top = top_spot(turn);
        let classes = self.classes(lane, weights).map(|(_, weight, class)| {
            let split = self.chain(class.heads[bucket(top)]);
            let first = split.filter(|(_, spot)| *spot <= top).count() as u32;
            let mut before = Vec::with_capacity(BUCKETS + 2);
            before.extend([0, first]);
            let mut sum = first;
            for step in 1..BUCKETS {
                sum += class.counts[bucket_of_step(top, step)];
                before.push(sum);
            }
            before.push(sum + class.counts[bucket(top)] - first);
            Steps { weight, before: before.into_boxed_slice() }
        });
        Places { turn, weights, classes: classes.collect() }
    }

    fn classes(&self, lane: u8, weights: Weights) -> impl Iterator<Item = (u8, u8, &Class)> {
        let classes = (0_u8..).zip(&self.lanes[usize::from(lane)].classes);
        classes.filter_map(move |(class, table)| {
            let weight = || weights.get(class).expect("each class of the wheel has a weight");
            table.as_ref().map(|table| (class, weight(), table))
        })
    }

    /// Walk a chain from `head`: tickets and their spots.
    fn chain(&self, head: u32) -> impl Iterator<Item = (u32, Spot)> {
        let mut ticket = head;
        std::iter::from_fn(move || {
            let entry = (ticket != NONE).then(|| self.entry(ticket))?;
            Some((std::mem::replace(&mut ticket, entry.next), entry.spot()))
        })
    }

    #[inline]
    fn entry(&self, ticket: u32) -> Entry {
        self.chunks[ticket as usize / Wheel::CHUNK][ticket as usize % Wheel::CHUNK]
    }
}

impl Entry {
    #[inline]
    fn spot(self) -> Spot {
        Spot(u64::from(self.spot_high) << 32 | u64::from(self.spot_low))
    }
}

impl Default for Class {
    fn default() -> Class {
        let table = |value| vec![value; BUCKETS].into_boxed_slice();
        Class { heads: table(NONE), counts: table(0) }
    }
}

/// The order of one lane, given out ticket by ticket. It keeps its own state, so that the wheel may
/// grow in other lanes meanwhile.
#[derive(Debug)]
pub struct Order {
    lane: u8,
    turn: Turn,
    runs: Vec<Run>,
    /// Tickets of the lane when it began.
    count: u32,
}

/// One class on its way around the wheel.
#[derive(Debug)]
struct Run {
    class: u8,
    weight: u8,
    /// Steps that were walked, of `BUCKETS + 1`: the bucket of the top is met twice.
    steps: usize,
    /// Steps to walk at the next time.
    stride: usize,
    /// Keys and tickets of the steps walked that were not given out, the first at the end.
    ready: Vec<(Key, u32)>,
    /// No ticket of the steps to come has a smaller key.
    bound: Key,
}

impl Order {
    /// Begin with the first ticket of `lane`, whose draw has closed.
    ///
    /// # Panics
    /// When a ticket of the lane is of a class without weight.
    pub fn new(wheel: &Wheel, lane: u8, turn: Turn, weights: Weights) -> Order {
        let runs = wheel.classes(lane, weights).map(|(class, weight, _)| Run {
            class,
            weight,
            steps: 0,
            stride: 1,
            ready: Vec::new(),
            bound: Key(0),
        });
        Order { lane, turn, runs: runs.collect(), count: wheel.count(lane) }
    }

    /// Return the next ticket of the order, or `None` after the last.
    ///
    /// `tie` tells the pseudonym of a ticket; it is asked only about tickets of equal keys. Cost:
    /// O(tickets ÷ 65,536) where a bucket is reached, else O(classes).
    ///
    /// # Panics
    /// When tickets were pushed to the lane after the order had begun.
    pub fn next_ticket(&mut self, wheel: &Wheel, tie: &impl Fn(u32) -> Pseudonym) -> Option<u32> {
        assert_eq!(wheel.count(self.lane), self.count, "joined a draw that had closed");
        let mut best: Option<(usize, (Key, u32))> = None;
        for (at, run) in self.runs.iter_mut().enumerate() {
            let lane = &wheel.lanes[usize::from(self.lane)];
            let class = lane.classes[usize::from(run.class)].as_ref();
            let class = class.expect("a run has tickets, and tickets stay");
            let Some(first) = run.first(wheel, class, self.turn, tie) else { continue };
            if best.is_none_or(|(_, other)| compare(first, other, tie) == Ordering::Less) {
                best = Some((at, first));
            }
        }
        let (at, (_, ticket)) = best?;
        self.runs[at].ready.pop();
        Some(ticket)
    }
}

impl Run {
    /// Return the first ticket not given out, once it is certain that none to come is before it.
    #[inline]
    fn first(
        &mut self,
        wheel: &Wheel,
        class: &Class,
        turn: Turn,
        tie: &impl Fn(u32) -> Pseudonym,
    ) -> Option<(Key, u32)> {
        loop {
            match self.ready.last() {
                Some(&first) if first.0 < self.bound || self.steps > BUCKETS => return Some(first),
                None if self.steps > BUCKETS => return None,
                _ => self.walk(wheel, class, turn, tie),
            }
        }
    }

    /// Walk on until there are tickets, or to the end.
    fn walk(&mut self, wheel: &Wheel, class: &Class, turn: Turn, tie: &impl Fn(u32) -> Pseudonym) {
        let top = top_spot(turn);
        let had = self.ready.len();
        while self.steps <= BUCKETS && self.ready.len() == had {
            let from = self.steps;
            self.steps = (from + self.stride).min(BUCKETS + 1);
            self.stride = (self.stride * 2).min(STRIDE_MAX);
            self.collect(wheel, class, from..self.steps, top);
        }
        self.key(had, turn);
        self.ready.sort_unstable_by(|&a, &b| compare(b, a, tie));
        // The highest spot of the next step is just below the lowest of this one.
        let lowest = (bucket_of_step(top, self.steps - 1) as u64) << BUCKET_SHIFT;
        self.bound = Key::of(Spot(lowest.wrapping_sub(1)).turned(turn), self.weight);
    }

    /// Take the tickets of some steps, with their spots for keys. The chains are walked side by side:
    /// each ticket is a miss of the cache, and misses of several chains do not wait for each other.
    fn collect(&mut self, wheel: &Wheel, class: &Class, steps: Range<usize>, top: Spot) {
        let mut cursors = [(NONE, 0); STRIDE_MAX];
        let mut live = 0;
        for step in steps {
            let head = class.heads[bucket_of_step(top, step)];
            if head != NONE {
                cursors[live] = (head, step);
                live += 1;
            }
        }
        while live > 0 {
            let mut at = 0;
            while at < live {
                let (ticket, step) = cursors[at];
                let entry = wheel.entry(ticket);
                let spot = entry.spot();
                // The bucket of the top is met twice: below the top first, above it last.
                let here = match step {
                    0 => spot <= top,
                    BUCKETS => spot > top,
                    _ => true,
                };
                if here {
                    self.ready.push((Key(spot.0), ticket));
                }
                if entry.next == NONE {
                    live -= 1;
                    cursors[at] = cursors[live];
                } else {
                    cursors[at].0 = entry.next;
                    at += 1;
                }
            }
        }
    }

    /// Put keys in the place of the spots of the tickets from `had` on.
    fn key(&mut self, had: usize, turn: Turn) {
        let (fours, rest) = self.ready[had..].as_chunks_mut::<4>();
        for four in fours {
            let keys = Key::of_each(four.map(|(spot, _)| Spot(spot.0).turned(turn)), self.weight);
            four.iter_mut().zip(keys).for_each(|(ticket, key)| ticket.0 = key);
        }
        for (spot, _) in rest {
            *spot = Key::of(Spot(spot.0).turned(turn), self.weight);
        }
    }
}

/// Tells about where tickets will stand, before the order has reached them.
#[derive(Debug)]
pub struct Places {
    turn: Turn,
    weights: Weights,
    classes: Vec<Steps>,
}

/// How many tickets of a class stand before each step.
#[derive(Debug)]
struct Steps {
    weight: u8,
    before: Box<[u32]>,
}

impl Places {
    /// Return about the place of the ticket at `spot` in its lane. Off by no more than what one
    /// bucket of each class holds. Cost: O(classes).
    ///
    /// # Panics
    /// When `class` has no weight.
    pub fn about(&self, spot: Spot, class: u8) -> u32 {
        let weight = self.weights.get(class).expect("each class of the wheel has a weight");
        let depth = u64::MAX - spot.turned(self.turn);
        // With p = 1 − depth ÷ 2⁶⁴, keys are equal where p of this weight = p′ to the power of the
        // ratio of the weights. Near the top p is near 1, so the difference to 1 is what is computed.
        let range = 2_f64.powi(64);
        let log_p = (-(depth as f64) / range).ln_1p();
        let before = |steps: &Steps| {
            let depth = if steps.weight == weight {
                depth
            } else {
                let ratio = f64::from(weight).recip() * f64::from(steps.weight);
                (-(log_p * ratio).exp_m1() * range) as u64
            };
            steps.before_depth(depth, self.turn)
        };
        self.classes.iter().map(before).sum::<f64>() as u32
    }
}

impl Steps {
    /// Return about how many tickets have a U that is less than `depth` below the highest.
    fn before_depth(&self, depth: u64, turn: Turn) -> f64 {
        let width = 2_f64.powi(BUCKET_SHIFT as i32);
        let first_width = (top_spot(turn).0 & ((1 << BUCKET_SHIFT) - 1)) + 1;
        let (step, part) = match depth.checked_sub(first_width) {
            None => (0, depth as f64 / first_width as f64),
            Some(rest) => {
                let within = rest & ((1 << BUCKET_SHIFT) - 1);
                (1 + (rest >> BUCKET_SHIFT) as usize, within as f64 / width)
            }
        };
        let (from, to) = (f64::from(self.before[step]), f64::from(self.before[step + 1]));
        from + (to - from) * part
    }
}

#[inline]
fn bucket(spot: Spot) -> usize {
    (spot.0 >> BUCKET_SHIFT) as usize
}

/// Return the spot where U is the largest.
#[inline]
fn top_spot(turn: Turn) -> Spot {
    Spot(u64::MAX.wrapping_sub(turn.0))
}

/// Return the bucket that is `step` steps from the top; the last step meets the first bucket again.
#[inline]
fn bucket_of_step(top: Spot, step: usize) -> usize {
    bucket(top).wrapping_sub(step) % BUCKETS
}

#[inline]
fn compare(a: (Key, u32), b: (Key, u32), tie: &impl Fn(u32) -> Pseudonym) -> Ordering {
    a.0.cmp(&b.0).then_with(|| if a.1 == b.1 { Ordering::Equal } else { tie(a.1).cmp(&tie(b.1)) })
}

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
