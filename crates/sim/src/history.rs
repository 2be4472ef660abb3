//! One history, lived: buyers, the provider and operators act, the ledger takes turns, things break;
//! the oracle looks at everything.

use crate::batch::Sent;
use crate::clock::{SimClock, T0};
use crate::counter::Late;
use crate::front::Flying;
use crate::http;
use crate::lexicon::Lexicon;
use crate::line_asks::LineAsk;
use crate::oracle::{Holds, Oracle, Violation, broken};
use crate::plan::{Plan, Step};
use crate::said::{How, Said};
use crate::world::{Ask, JOINS_MAX, Shown, Waits, World};
use onrush::journal::{FakeDisk, Loss};
use onrush::ledger::naive_model::Line;
use onrush::{CampaignIx, Lsn, ReservationSeq, TicketNo};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a history came to.
#[derive(Clone, Debug, Default)]
pub struct Lived {
    /// The promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// Figures.
    pub stats: Stats,
    /// What happened, line by line, if it was asked for.
    pub story: Vec<String>,
}

/// Figures of histories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Steps that did something.
    pub actions: u64,
    /// Records that were followed.
    pub records: u64,
    /// Times that the machine went down.
    pub crashes: u64,
    /// Histories that ended because damage was refused, as it must be.
    pub refused: u64,
    /// Changes of the disk after the sale was set up.
    pub changes: u64,
}

/// Why a history ends before its last step.
#[derive(Debug)]
pub(crate) enum Stop {
    Broken(Violation),
    /// Damage was found and refused: nothing is left to be promised.
    Refused,
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Stop {
        Stop::Broken(violation)
    }
}

pub(crate) type Flow = Result<(), Stop>;

/// A request that the ledger has to decide.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) ask: Ask,
    pub(crate) waits: Waits,
    pub(crate) notice: Option<usize>,
}

/// A payment that the provider knows of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    pub(crate) n: usize,
    pub(crate) line: Line,
    pub(crate) key: Option<u8>,
    /// Whether the provider was told that it is known, or why it never will be.
    pub(crate) answered: bool,
    /// Whether it was told that the money is known.
    pub(crate) known: bool,
}

/// What breaks the machine next, and how it comes up again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Armed {
    PowerCut(Loss),
    Kill,
}

pub(crate) struct Run<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) lexicon: &'a Lexicon,
    pub(crate) world: World,
    pub(crate) oracle: Oracle,
    pub(crate) settles: Vec<Flight>,
    pub(crate) reserves: Vec<Flight>,
    pub(crate) joins: Vec<Flight>,
    /// Batches under way, and what must be said of entries that were decided at once.
    pub(crate) batches: Vec<Sent>,
    /// What was decided and is answered a turn later.
    pub(crate) late: Vec<Late>,
    pub(crate) flying: Vec<Flying>,
    pub(crate) notices: Vec<Notice>,
    /// (step, notice) of what the provider is about to send.
    pub(crate) post: Vec<(usize, usize)>,
    pub(crate) armed: Option<Armed>,
    /// A write went astray: reading may find damage from now on, and must refuse it.
    pub(crate) astray: bool,
    /// A bit flipped where nobody has looked since.
    pub(crate) flipped: bool,
    /// The disk is or was full: refusals for that reason are right.
    pub(crate) full: bool,
    /// The last records that were written had new holds among them, so the journal kept a segment.
    pub(crate) reserve_kept: bool,
    /// The last record that somebody was told of.
    pub(crate) told: Lsn,
    /// Sale time of the last turn of this life.
    pub(crate) last_now: u64,
    pub(crate) at: usize,
    /// Turns in which the indexer may have been late.
    pub(crate) turns: u32,
    set_up_changes: u64,
    pub(crate) stats: Stats,
    pub(crate) story: Option<Vec<String>>,
}

thread_local! {
    /// What the last panic on this thread said.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keep what panics say for [`live`], and print nothing: a shrinking history panics many times.
pub fn hush_panics() {
    std::panic::set_hook(Box::new(|info| {
        PANIC.with_borrow_mut(|said| *said = info.to_string());
    }));
}

/// Live through `plan`. With `cut`, the power goes at that change of the disk, besides.
pub fn live(plan: &Plan, lexicon: &Lexicon, story: bool, cut: Option<(u64, Loss)>) -> Lived {
    let story = story.then(Vec::new);
    let mut kept: Option<Run<'_>> = None;
    let lived = catch_unwind(AssertUnwindSafe(|| {
        let run = kept.insert(Run::new(plan, lexicon, story));
        run.run(cut)
    }));
    let (stats, story) = kept.map_or_else(Default::default, |run| {
        let changes = run.world.disk.operations().changes - run.set_up_changes;
        (Stats { changes, ..run.stats }, run.story.unwrap_or_default())
    });
    match lived {
        Ok(Ok(())) => Lived { violation: None, stats, story },
        Ok(Err(Stop::Refused)) => {
            Lived { violation: None, stats: Stats { refused: 1, ..stats }, story }
        }
        Ok(Err(Stop::Broken(violation))) => Lived { violation: Some(violation), stats, story },
        Err(_) => {
            let what = PANIC.with_borrow(|said| said.replace('\n', " "));
            let violation = Some(Violation { promise: "panic", what });
            Lived { violation, stats, story }
        }
    }
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, lexicon: &'a Lexicon, story: Option<Vec<String>>) -> Run<'a> {
        let disk = FakeDisk::new(plan.seed);
        let clock = Arc::new(SimClock::new(plan.setup.drift_permille));
        let world = World::open(disk, clock, &plan.setup, lexicon).expect("a new disk opens");
        Run {
            plan,
            lexicon,
            world,
            oracle: Oracle::default(),
            settles: Vec::new(),
            reserves: Vec::new(),
            joins: Vec::new(),
            batches: Vec::new(),
            late: Vec::new(),
            turns: 0,
            flying: Vec::new(),
            notices: Vec::new(),
            post: Vec::new(),
            armed: None,
            astray: false,
            flipped: false,
            full: false,
            reserve_kept: false,
            told: Lsn::ZERO,
            last_now: 0,
            at: 0,
            set_up_changes: 0,
            stats: Stats::default(),
            story,
        }
    }

    fn run(&mut self, cut: Option<(u64, Loss)>) -> Flow {
        self.set_up()?;
        self.set_up_changes = self.world.disk.operations().changes;
        if let Some((after, loss)) = cut {
            self.world.disk.cut_power_at(self.set_up_changes + after);
            self.armed = Some(Armed::PowerCut(loss));
        }
        for at in 0..self.plan.steps.len() {
            self.at = at;
            self.deliver()?;
            let step = self.plan.steps[at];
            self.tell(|| format!("{at:>3}  {step:?}"));
            self.step(step)?;
            self.stats.actions += 1;
        }
        self.finish()
    }

    /// Put the campaigns; they are durable when this returns.
    fn set_up(&mut self) -> Flow {
        for camp in 0..self.plan.setup.camps.len() {
            let c = &self.plan.setup.camps[camp];
            let price = c.skus[0].0;
            self.send(Ask::Put { camp, limit: c.limit, hold_ms: c.hold_ms, price }, None, false)?;
            self.turn_without_waves()?;
        }
        self.oracle.plan_waves(&self.plan.setup, T0);
        self.world.refresh();
        self.set_up_stores()
    }

    fn step(&mut self, step: Step) -> Flow {
        let model = &self.oracle.model;
        let any =
            |which: u16| model.res.len().checked_sub(1).map(|last| usize::from(which) % (last + 1));
        let sku = |sku: u8| usize::from(sku) % model.skus.len();
        let camp = |camp: u8| usize::from(camp) % model.camps.len();
        let (ask, times, vanish) = match step {
            Step::Reserve { buyer, sku: s, units, key, review, times, vanish } => {
                let review = review && self.world.gateway.is_none();
                let (sku, units) = (sku(s), u32::from(units));
                let shown = Shown::Nothing;
                (Ask::Reserve { sku, buyer, units, key, review, shown }, times, vanish)
            }
            Step::Free { which, key } => match any(which) {
                Some(n) => (Ask::Confirm { n, line: None, key }, 1, false),
                None => return Ok(()),
            },
            Step::Release { which, key, times, vanish } => match any(which) {
                Some(n) => (Ask::Release { n, key, buyer: model.res[n].buyer }, times, vanish),
                None => return Ok(()),
            },
            Step::Join { buyer, sku: s, units } => {
                (Ask::Join { sku: sku(s), buyer, units: u32::from(units) }, 1, false)
            }
            Step::Leave { buyer, sku: s } => (Ask::Leave { sku: sku(s), buyer }, 1, false),
            Step::Cancel { which, restock } => match any(which) {
                Some(n) => (Ask::Cancel { n, restock }, 1, false),
                None => return Ok(()),
            },
            Step::Judge { which, accept } => match any(which) {
                Some(n) => (Ask::Judge { n, accept }, 1, false),
                None => return Ok(()),
            },
            Step::Extend { camp: c, which, more_ms } => {
                let one = which.and_then(any);
                (Ask::Extend { camp: camp(c), one, more_ms }, 1, false)
            }
            Step::Refunded { which } => {
                let refund = usize::from(which) % (model.refunds.len() + 1);
                (Ask::Refunded { refund }, 1, false)
            }
            Step::Supply { sku: s, units } => (Ask::Supply { sku: sku(s), units }, 1, false),
            Step::Move { camp: c, to } => (Ask::Move { camp: camp(c), to }, 1, false),
            Step::Put { camp: c, limit, hold_ms, price } => {
                (Ask::Put { camp: camp(c), limit, hold_ms, price }, 1, false)
            }
            Step::Pay { which, sum, lag, copies, key } => {
                if let Some(n) = any(which) {
                    self.pay(n, sum, (lag, copies), key);
                }
                return Ok(());
            }
            Step::Batch { camp: c, entries } => return self.batch(camp(c), entries),
            Step::Line(step) => return self.line_step(step),
            Step::Store(step) => return self.store_step(step),
            Step::Look { buyer, which } => {
                return any(which).map_or(Ok(()), |n| Ok(self.look(n, buyer, which)?));
            }
            _ => return self.step_aside(step),
        };
        (0..times).try_for_each(|_| self.send(ask, None, vanish))
    }

    /// What nobody asks for: turns, time, snapshots, faults.
    fn step_aside(&mut self, step: Step) -> Flow {
        match step {
            Step::Turn => return self.turn(),
            Step::Pass { ms } => {
                self.world.clock.pass(ms);
            }
            Step::PassTo { off_ms } => {
                let now = self.world.now().0;
                let next = self.oracle.next_moment(now).saturating_add_signed(off_ms.into());
                // Far away is never: a campaign without an end.
                if (now + 1..now + 400_000).contains(&next) {
                    self.world.clock.pass(next - now);
                }
            }
            Step::StepWall { ms } => {
                self.world.clock.step_wall(ms);
            }
            Step::Snapshot => {
                // One that cannot be taken costs nothing but time at the next start.
                let _ = self.world.driver.snapshot();
            }
            Step::Fault(fault) => return self.fault(fault),
            _ => unreachable!("somebody asks for the others"),
        }
        Ok(())
    }

    /// Ask, and compare what is said at once with what must be said at once.
    pub(crate) fn send(&mut self, ask: Ask, notice: Option<usize>, vanish: bool) -> Flow {
        let setup = &self.plan.setup;
        let expected = self.expected_at_once(&ask);
        let mut waits = self.world.ask(&ask, self.lexicon, || self.spec(&ask));
        let said = waits.take(&self.world);
        if let Some(said) = said {
            self.tell(|| format!("       {ask:?}: {said}"));
        }
        match (expected, said) {
            (None, None) => {
                let waits = if vanish { Waits::Gone } else { waits };
                self.fly(Flight { ask, waits, notice });
                Ok(())
            }
            (Some(expected), Some(said)) if said.is(&expected) => Ok(self.check_state(&said)?),
            // A prune of old segments takes a place, too, and so does each draw.
            (None, Some(said))
                if said.code == "overloaded"
                    && self.settles.len() + 2 + self.draws() + self.late.len()
                        > setup.settles_max as usize
                    && Flying::of(&ask).is_none() =>
            {
                Ok(())
            }
            (expected, said) => Ok(wrong(&ask, expected, said)?),
        }
    }

    /// Count the draws that may be under way.
    fn draws(&self) -> usize {
        self.oracle.queues.camps().count()
    }

    pub(crate) fn expected_at_once(&self, ask: &Ask) -> Option<String> {
        let setup = &self.plan.setup;
        let now = self.world.now().0;
        let full = |lane: &[Flight], most: u32| {
            (lane.len() >= most as usize).then(|| "overloaded".to_owned())
        };
        let crowd_full = || full(&self.reserves, setup.reserves_max);
        match *ask {
            Ask::Join { sku, buyer, .. } => {
                self.oracle.join_at_once(sku, buyer, now).or_else(crowd_full)
            }
            Ask::Leave { .. } => crowd_full(),
            Ask::Line(LineAsk::Join { .. }) => full(&self.joins, JOINS_MAX),
            // Who was called up and told so has a place; the others wait until it is counted.
            Ask::Line(LineAsk::Return { camp, at }) if !self.is_placed(camp, at) => {
                Some("overloaded".to_owned())
            }
            _ => match Flying::of(ask) {
                Some(reserve) => {
                    let said = self.oracle.at_once(reserve, &self.flying, now, self.lexicon);
                    said.or_else(crowd_full)
                }
                None => full(&self.settles, setup.settles_max),
            },
        }
    }

    /// Tell whether the place of a ticket was counted.
    fn is_placed(&self, camp: usize, at: usize) -> bool {
        let ledger = self.world.driver.ledger();
        let line = ledger.line(CampaignIx(camp as u16));
        let row = line.and_then(|line| line.ticket(TicketNo(at as u32)));
        row.is_some_and(|row| row.place.is_some())
    }

    pub(crate) fn fly(&mut self, flight: Flight) {
        if let Ask::Reserve { sku, units, .. } = flight.ask {
            self.oracle.flying_units[sku] += units;
            self.flying.extend(Flying::of(&flight.ask));
        }
        match flight.ask {
            // Whoever joins or leaves a line is of the crowd, too.
            Ask::Reserve { .. } | Ask::Join { .. } | Ask::Leave { .. } => {
                self.reserves.push(flight);
            }
            Ask::Line(LineAsk::Join { .. }) => self.joins.push(flight),
            _ => self.settles.push(flight),
        }
    }

    /// Whoever is told of a reservation is told its state as the journal has it.
    pub(crate) fn check_state(&self, said: &Said) -> Holds {
        let Some(n) = said.seq.filter(|_| said.is_granted()) else { return Ok(()) };
        let Some(known) = self.oracle.model.res.get(n) else {
            return broken("INV-4", format!("{said}, which no record says"));
        };
        if known.state != said.state || said.lsn != self.oracle.moved_at[n] {
            let (state, at) = (known.state, self.oracle.moved_at[n]);
            return broken("INV-5", format!("{said}; it is {state} since LSN {at}"));
        }
        Ok(())
    }

    /// A buyer sees what is theirs, as the journal has it, and nothing else.
    fn look(&self, n: usize, buyer: u8, which: u16) -> Holds {
        let theirs = self.oracle.model.res[n].buyer == buyer;
        let said = match &self.world.gateway {
            Some(gateway) => {
                let line = Line { reference: 255, amount: 1, foreign: false, back: 0 };
                let fooled = match which % 16 {
                    0 => http::forged(&self.world, gateway, n, &line, true),
                    4 => http::forged(&self.world, gateway, n, &line, false),
                    8 => http::overstepped(&self.world, gateway, n, self.lexicon),
                    12 => http::outlived(&self.world, gateway, buyer, self.lexicon),
                    _ => false,
                };
                if fooled {
                    return broken("INV-8", "the gateway believed what proves nothing");
                }
                http::look(&self.world, gateway, n, buyer, self.lexicon)
            }
            None => {
                let seq = ReservationSeq(n as u32);
                let seen = self.world.engine.look_as(seq, self.lexicon.digest(buyer));
                Some(seen.map_or(Said::refused("not_found", None), |r| {
                    let mut said = Said::only(How::Ok);
                    said.see(&r);
                    said
                }))
            }
        };
        match said {
            Some(said) if theirs == said.is_granted() => self.check_state(&said),
            said => broken("INV-5", format!("buyer {buyer} looks at #{n} and sees {said:?}")),
        }
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }
}

/// Name the promise that a wrong answer breaks.
pub(crate) fn wrong(ask: &Ask, expected: Option<String>, said: Option<Said>) -> Holds {
    let seen = said.map_or_else(|| "left to the ledger".to_owned(), |said| said.to_string());
    let expected = expected.unwrap_or_else(|| "left to the ledger".to_owned());
    let code = expected.split(' ').next().unwrap_or_default();
    let code = if code == "left" { said.map_or("", |said| said.code) } else { code };
    let promise = match code {
        "limit_reached" => "INV-6",
        "not_open" | "paused" | "ended" => "INV-7",
        "overloaded" => "INV-9",
        "pass_required" | "pass_invalid" => "INV-13",
        "sold_out" | "all_held" if said.is_some() => "INV-3",
        "sold_out" | "all_held" => "INV-2",
        _ => "INV-5",
    };
    broken(promise, format!("{ask:?} is {seen}; it should be {expected}"))
}
