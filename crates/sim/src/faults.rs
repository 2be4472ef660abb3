//! What breaks, and how the machine comes up again. Whoever was told something before must find it
//! there afterwards; whoever was not asks again.

use crate::history::{Armed, Flight, Flow, Run, Stop};
use crate::line_asks::LineAsk;
use crate::oracle::broken;
use crate::plan::Fault;
use crate::said::{How, Said};
use crate::world::{Ask, World};
use onrush::journal::{Loss, Storage};
use onrush::{OpenError, State};
use std::mem;

impl Run<'_> {
    /// Let something break, now or soon.
    pub(crate) fn fault(&mut self, fault: Fault) -> Flow {
        let done = self.world.disk.operations();
        let disk = &self.world.disk;
        let later = |after: u16| u64::from(after) - 1;
        match fault {
            Fault::PowerCut { after: 0, loss } => return self.crash(Armed::PowerCut(loss), None),
            Fault::Kill { after: 0 } => return self.crash(Armed::Kill, None),
            Fault::CutRecovery { after, loss } => {
                return self.crash(Armed::PowerCut(loss), Some((after, loss)));
            }
            Fault::FlipBit { at } => return self.flip(at),
            Fault::Room => disk.set_capacity(None),
            Fault::Fill { leave } => {
                disk.set_capacity(Some(disk.used_bytes() + u64::from(leave)));
                self.full = true;
            }
            // One thing breaks at a time: what is armed already goes first.
            _ if self.armed.is_some() => {}
            Fault::PowerCut { after, loss } => {
                disk.cut_power_at(done.changes + later(after));
                self.armed = Some(Armed::PowerCut(loss));
            }
            Fault::Kill { after } => {
                disk.cut_power_at(done.changes + later(after));
                self.armed = Some(Armed::Kill);
            }
            Fault::FailSync { after } => {
                disk.fail_sync(done.syncs + u64::from(after));
                let kill = after.is_multiple_of(2);
                let armed = if kill { Armed::Kill } else { Armed::PowerCut(Loss::Random) };
                self.armed = Some(armed);
            }
            Fault::FailWrite { after } => {
                disk.fail_write(done.writes + u64::from(after));
                self.armed = Some(Armed::Kill);
            }
            Fault::Misdirect { after, sectors } => {
                disk.misdirect_write(done.writes + u64::from(after), i64::from(sectors));
                self.astray = true;
            }
        }
        Ok(())
    }

    /// The engine failed in its turn. Everybody who waits must have been told so, or told the truth.
    pub(crate) fn failed(&mut self) -> Flow {
        let cause = self.world.engine.status().failed.unwrap_or_default();
        self.tell(|| format!("       the engine failed: {cause}"));
        let Some(armed) = self.armed.take() else {
            return Ok(broken("INV-9", format!("the engine failed by itself: {cause}"))?);
        };
        let later = self.world.engine.release(onrush::ReservationSeq(0), None).try_take();
        if !matches!(later, Some(Err(_))) {
            return Ok(broken("INV-4", "a failed engine still takes requests")?);
        }
        self.crash(armed, None)
    }

    /// Take the machine down, start it again, and check what is there. With `during`, the power goes
    /// once more while it starts.
    pub(crate) fn crash(&mut self, how: Armed, during: Option<(u16, Loss)>) -> Flow {
        self.tell(|| format!("       down: {how:?}"));
        self.stats.crashes += 1;
        let mut lost = mem::take(&mut self.settles);
        lost.append(&mut mem::take(&mut self.reserves));
        lost.append(&mut mem::take(&mut self.joins));
        let failed = self.world.engine.status().failed.is_some();
        let mut told = Vec::new();
        let mut again = Vec::new();
        for mut flight in lost {
            let awaited = flight.waits.is_awaited();
            match flight.waits.take(&self.world) {
                None if failed && awaited => {
                    broken("INV-9", format!("{:?} waits at a failed engine", flight.ask))?;
                }
                Some(said) if said.is_granted() => told.push(said),
                Some(said) if said.how == How::Refused => {}
                _ => again.push(flight),
            }
        }
        self.flying.clear();
        self.batches.clear();
        self.late.clear();
        self.oracle.flying_units.fill(0);
        self.armed = None;
        self.down(how);
        if let Some((after, loss)) = during {
            let changes = self.world.disk.operations().changes;
            self.world.disk.cut_power_at(changes + u64::from(after));
            if self.open().is_err() {
                self.tell(|| "       down again while it starts".to_owned());
            }
            self.down(Armed::PowerCut(loss));
        }
        self.up()?;
        self.check_told(&told)?;
        if matches!(how, Armed::Kill) && self.plan.seed.is_multiple_of(2) {
            // What a killed process left readable counts from its recovery on, whatever comes.
            self.tell(|| "       and the power goes, too".to_owned());
            self.down(Armed::PowerCut(Loss::Everything));
            self.up()?;
        }
        self.ask_again(again)
    }

    fn down(&mut self, how: Armed) {
        match how {
            Armed::PowerCut(loss) => self.world.disk.power_cut(loss),
            Armed::Kill => self.world.disk.kill(),
        }
        self.world.disk.forget_faults();
    }

    fn open(&mut self) -> Result<(), OpenError> {
        let (disk, clock) = (self.world.disk.clone(), self.world.clock.clone());
        let mut world = World::open(disk, clock, &self.plan.setup, self.lexicon)?;
        world.papers = std::mem::take(&mut self.world.papers);
        self.world = world;
        Ok(())
    }

    /// Start the machine, and follow what the journal has beyond what is known.
    fn up(&mut self) -> Flow {
        if let Err(error) = self.open() {
            if self.astray {
                self.tell(|| format!("       refused, rightly: {error}"));
                return Err(Stop::Refused);
            }
            // A sync or write that was to fail may do so while the journal is opened.
            self.world.disk.kill();
            if let Err(again) = self.open() {
                return Ok(broken("INV-4", format!("does not start: {error}; then: {again}"))?);
            }
        }
        let durable = self.world.driver.ledger().lsn();
        let known = self.told.max(self.oracle.lsn);
        self.tell(|| format!("       up at LSN {durable}"));
        if durable < known {
            return Ok(broken("INV-4", format!("LSN {known} was told of, {durable} is left"))?);
        }
        self.oracle.begin_unseen_turn();
        match self.world.records(self.oracle.lsn) {
            Ok(records) => {
                for (lsn, record) in &records {
                    self.follow_one(*lsn, record)?;
                }
            }
            Err(what) => broken("INV-10", format!("opened, but not readable: {what}"))?,
        }
        self.told = durable;
        // What came before the crash, and marks of the start, may have used the journal's reserve.
        self.reserve_kept = false;
        self.last_now = 0;
        self.oracle.moved_at.fill(durable);
        self.oracle.compare(self.world.driver.ledger())?;
        match self.world.driver.check_mirror() {
            Ok(()) => Ok(()),
            // The journal ends before the offer; the next turn makes it.
            Err(what) if what.contains("while somebody waits") => Ok(()),
            Err(what) => Ok(broken("INV-3", what)?),
        }
    }

    /// Who was granted something at the last moment must find it.
    fn check_told(&self, told: &[Said]) -> Flow {
        for said in told {
            let tickets = self.oracle.queues.camps().map(|(_, queue)| queue.people.len());
            if said.ticket.is_some_and(|ticket| tickets.max().is_none_or(|most| ticket >= most)) {
                broken("INV-11", format!("{said} was told, and there is no such ticket"))?;
            }
            let Some(n) = said.seq else { continue };
            let state = self.oracle.model.res.get(n).map_or("", |r| r.state);
            if said.lsn > self.oracle.lsn || !leads_to(said.state, state) {
                broken("INV-4", format!("{said} was told; now it is {state:?}"))?;
            }
        }
        Ok(())
    }

    /// Who was told nothing asks again with the same key; the provider sends its notice again.
    fn ask_again(&mut self, flights: Vec<Flight>) -> Flow {
        for Flight { ask, notice, .. } in flights {
            match (ask, notice) {
                (Ask::Reserve { .. } | Ask::Line(LineAsk::Join { .. }), _) => {
                    self.send(ask, None, false)?;
                }
                (_, Some(notice)) => self.post.push((self.at + 2, notice)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Reading found damage after a write went astray: starting again must find it too.
    pub(crate) fn crash_and_expect_refusal(&mut self) -> Flow {
        self.told = self.world.engine.durable_lsn();
        self.settles.clear();
        self.reserves.clear();
        self.joins.clear();
        self.stats.crashes += 1;
        self.down(Armed::Kill);
        match self.open() {
            Err(_) => Err(Stop::Refused),
            Ok(()) => {
                let (told, left) = (self.told, self.world.driver.ledger().lsn());
                if left >= told {
                    // A snapshot covers what cannot be read; nothing is lost.
                    return Err(Stop::Refused);
                }
                let what = format!("LSN {told} was told of and cannot be read, {left} is left");
                Ok(broken("INV-4", what)?)
            }
        }
    }

    /// Flip a bit of some file while nobody runs: it is refused, or does not matter. A mark states
    /// that all was synced, so a torn tail is no excuse.
    fn flip(&mut self, at: u32) -> Flow {
        // Waves, deadlines and offers may come up; a turn that finds nothing to do writes the mark.
        loop {
            let before = self.oracle.lsn;
            let quiet = self.is_quiet();
            self.world.clock.pass(100);
            self.turn()?;
            // A crash in it makes clients ask again.
            let quiet = quiet && self.is_quiet();
            if quiet && self.oracle.lsn == before {
                break;
            }
        }
        if self.armed.is_some() || self.astray || self.full {
            return Ok(());
        }
        let disk = self.world.disk.clone();
        let mut names = disk.list().expect("the power is on");
        names.sort_unstable();
        let file = names[at as usize % names.len()].clone();
        let content = disk.content(&file).expect("it was listed");
        let used = content.iter().rposition(|&byte| byte != 0).map_or(512, |last| last + 1);
        let bit = u64::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15) % (used as u64 * 8);
        self.down(Armed::Kill);
        let before = self.flipped;
        self.flipped |= disk.flip_bit(&file, bit);
        self.stats.crashes += 1;
        self.tell(|| format!("       bit {bit} of {file} flips"));
        if let Err(error) = self.open() {
            self.tell(|| format!("       refused, rightly: {error}"));
            disk.flip_bit(&file, bit);
            disk.kill();
            self.flipped = before;
        }
        let known = self.oracle.lsn;
        self.up()?;
        if self.oracle.lsn > known {
            return Ok(broken("INV-10", "records appeared out of nothing")?);
        }
        Ok(())
    }

    /// Tell whether nothing waits to be decided, or to be looked at again before it is answered.
    fn is_quiet(&self) -> bool {
        self.settles.is_empty()
            && self.reserves.is_empty()
            && self.joins.is_empty()
            && self.late.is_empty()
    }

    /// Take turns until nothing is left to do.
    pub(crate) fn settle(&mut self) -> Flow {
        for _ in 0..8 {
            self.turn()?;
            if self.is_quiet() {
                return Ok(());
            }
        }
        Ok(broken("INV-9", "eight turns did not decide what was queued")?)
    }
}

/// Tell whether a reservation can go from one state to another, over any number of steps.
fn leads_to(from: &str, to: &str) -> bool {
    let named = |text: &str| State::ALL.into_iter().find(|state| state.as_str() == text);
    let (Some(from), Some(to)) = (named(from), named(to)) else { return false };
    reaches(from, to)
}

fn reaches(from: State, to: State) -> bool {
    from == to || State::ALL.into_iter().any(|next| from.can_move_to(next) && reaches(next, to))
}
