//! The line, asked: what people and operators want of it, what each must be told, and where everybody
//! must see themselves.

use crate::history::{Flow as Ends, Run};
use crate::lexicon::Lexicon;
use crate::oracle::{Holds, Oracle, broken};
use crate::plan::{Flow, LineStep};
use crate::world::{Ask, Shown, Waits, World, by};
use onrush::ledger::Ledger;
use onrush::{CampaignIx, JoinRequest, Outflow, Pass, Phase, Standing, TicketNo, Timestamp};

/// Something asked about a line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say what the variants say")]
pub enum LineAsk {
    Join { camp: usize, buyer: u8, class: u8 },
    Return { camp: usize, at: usize },
    Flow { camp: usize, flow: Flow },
    Value { camp: usize, lane: u8, value: u8 },
}

/// Somebody must be called up this long after the last one, where nothing forbids it.
const CALL_WITHIN_MS: u64 = 1_000;

impl Run<'_> {
    /// Let somebody do something about a line, if there is one.
    pub(crate) fn line_step(&mut self, step: LineStep) -> Ends {
        let camps: Vec<usize> = self.oracle.queues.camps().map(|(camp, _)| camp).collect();
        let Some(last) = camps.len().checked_sub(1) else { return Ok(()) };
        let camp = |camp: u8| camps[usize::from(camp) % (last + 1)];
        let (ask, times) = match step {
            LineStep::Join { camp: c, buyer, class, times } => {
                (LineAsk::Join { camp: camp(c), buyer, class }, times)
            }
            LineStep::Return { camp: c, buyer } => {
                let camp = camp(c);
                let queue = self.oracle.queues.of(camp);
                let Some(at) = queue.and_then(|queue| queue.ticket(buyer)) else { return Ok(()) };
                (LineAsk::Return { camp, at }, 1)
            }
            LineStep::Flow { camp: c, flow } => (LineAsk::Flow { camp: camp(c), flow }, 1),
            LineStep::Value { camp: c, lane, value } => {
                let camp = camp(c);
                let lanes = self.oracle.queues.of(camp).map_or(1, |queue| queue.drawn.len());
                (LineAsk::Value { camp, lane: lane % lanes as u8, value }, 1)
            }
            LineStep::Redeem { buyer, with, sku, units, key, times } => {
                let skus = self.oracle.model.skus.iter().enumerate();
                let skus: Vec<usize> =
                    skus.filter(|(_, sku)| camps.contains(&sku.camp)).map(|(at, _)| at).collect();
                let sku = skus[usize::from(sku) % skus.len()];
                let mut shown = self.oracle.shown(self.oracle.model.skus[sku].camp, with);
                if let (Shown::Pass { number, place }, 2, 6..) = (shown, units, key) {
                    shown = Shown::Altered { number, place };
                }
                let mut ask = |key| {
                    let units = u32::from(units);
                    let ask = Ask::Reserve { sku, buyer, units, key, review: false, shown };
                    self.send(ask, None, false)
                };
                // Twice is with two keys: one pass is good for one of them.
                return (0..times).try_for_each(|n| ask((key + n) % 9));
            }
        };
        (0..times).try_for_each(|_| self.send(Ask::Line(ask), None, false))
    }

    /// Let the indexer work, and see that everybody stands where they must.
    pub(crate) fn index(&mut self) -> Holds {
        if self.oracle.queues.camps().next().is_none() {
            return Ok(());
        }
        self.turns += 1;
        if self.plan.setup.lags && !self.turns.is_multiple_of(4) {
            return Ok(());
        }
        while self.world.driver.index() {}
        let now = self.world.now().0;
        for (camp, queue) in self.oracle.queues.camps() {
            for at in 0..queue.people.len() {
                let number = TicketNo(at as u32);
                let seen = self.world.engine.standing(self.world.campaign(camp), number);
                let known = self.oracle.standing(camp, at, now);
                if !seen.is_some_and(|seen| is_same(&seen, &known)) {
                    let what = format!("ticket {at} stands at {seen:?}; it should be {known:?}");
                    return broken("INV-12", what);
                }
            }
        }
        Ok(())
    }

    /// Whoever can be called up is, where a unit is free and nothing forbids it (INV-13).
    pub(crate) fn nobody_forgotten(&self) -> Holds {
        let now = self.oracle.decided_at();
        for (camp, queue) in self.oracle.queues.camps() {
            let skus = self.oracle.model.skus.iter().enumerate();
            let free = skus
                .filter(|(_, sku)| sku.camp == camp)
                .map(|(sku, _)| self.oracle.model.figures(sku)[0])
                .max();
            let waits = queue.served < queue.servable() || queue.anybody_returns();
            let holds = self.oracle.holds(camp);
            let allowed = queue.flow.per_second.is_none()
                && queue.flow.inside.is_none_or(|most| holds < most)
                && queue.last_call().is_none_or(|at| queue.clock(now) > at + CALL_WITHIN_MS);
            let open = self.oracle.model.camps[camp].phase == Phase::Open;
            if waits && allowed && open && free > Some(0) && queue.out(now) == 0 {
                return broken("INV-13", format!("{free:?} units are free, nobody is called up"));
            }
        }
        Ok(())
    }

    /// Every lane that has started was drawn by the end.
    pub(crate) fn check_drawn(&self) -> Holds {
        let now = self.world.now().0;
        for (camp, queue) in self.oracle.queues.camps() {
            let live = matches!(self.oracle.model.camps[camp].phase, Phase::Open | Phase::Paused);
            let late = (0..queue.drawn.len())
                .find(|lane| !queue.drawn[*lane] && self.oracle.lane_started(camp, *lane, now));
            if let Some(lane) = late.filter(|_| live) {
                return broken("INV-12", format!("lane {lane} of campaign {camp} was never drawn"));
            }
        }
        Ok(())
    }
}

impl Oracle {
    /// Return the pass that a buyer can show: of the ticket of `with`, or none.
    fn shown(&self, camp: usize, with: u8) -> Shown {
        let Some(queue) = self.queues.of(camp) else { return Shown::Nothing };
        let Some(at) = queue.ticket(with) else { return Shown::Nothing };
        let pass = |place| Shown::Pass { number: at as u32, place };
        // Nobody who has no place has a pass that the gateway signed.
        queue.people[at].place.map_or(Shown::Forged, pass)
    }

    /// Return why a reserve is stopped at its pass, if it is.
    pub(crate) fn stopped_at_pass(
        &self,
        camp: usize,
        buyer: u8,
        shown: Shown,
        now: u64,
    ) -> Option<&'static str> {
        let queue = self.queues.of(camp)?;
        match shown {
            Shown::Nothing => Some("pass_required"),
            Shown::Forged | Shown::Altered { .. } => Some("pass_invalid"),
            Shown::Pass { number, .. } => {
                let at = number as usize;
                let good = queue.people[at].buyer == buyer && queue.is_up(at, now);
                (!good).then_some("pass_invalid")
            }
        }
    }

    /// Return what something asked about a line comes to.
    pub(crate) fn line_answer(&self, ask: LineAsk) -> String {
        match ask {
            LineAsk::Join { camp, buyer, class } => self.join_line(camp, buyer, class).to_owned(),
            LineAsk::Return { camp, at } => self.return_to_line(camp, at).to_owned(),
            LineAsk::Flow { camp, flow } => {
                let same = self.queues.of(camp).is_some_and(|q| q.flow == outflow(flow));
                if same { "already" } else { "done" }.to_owned()
            }
            LineAsk::Value { camp, lane, value } => {
                self.value(camp, usize::from(lane), &word(value)).to_owned()
            }
        }
    }

    /// Return what joining a line comes to.
    pub(crate) fn join_line(&self, camp: usize, buyer: u8, class: u8) -> &'static str {
        let now = self.decided_at();
        let Some(queue) = self.queues.of(camp) else { return "not_found" };
        if queue.ticket(buyer).is_some() {
            return "already";
        }
        let phase = self.model.camps[camp].phase_at(now);
        if phase >= Phase::Closed {
            return "ended";
        }
        if queue.terms.invite_only && class == 0 {
            return "not_eligible";
        }
        let Some((lane, started)) = self.lane_to_join(camp, class, now) else {
            return "invalid_request";
        };
        let closed = self.lane_closes(camp, lane).is_some_and(|at| at <= now);
        if !started && (closed || lane == 0 && phase == Phase::Draw) {
            return "not_open";
        }
        "done"
    }

    /// Return what coming back to a line comes to.
    pub(crate) fn return_to_line(&self, camp: usize, at: usize) -> &'static str {
        let now = self.decided_at();
        let Some(queue) = self.queues.of(camp) else { return "not_found" };
        let Some(person) = queue.people.get(at) else { return "not_found" };
        if person.used {
            return "pass_invalid";
        }
        if self.model.camps[camp].phase_at(now) >= Phase::Closed {
            return "ended";
        }
        if person.again.is_some() {
            let up = queue.returns(at) || queue.is_up(at, now);
            return if up { "already" } else { "pass_invalid" };
        }
        let Some(called) = person.called else { return "already" };
        match queue.clock(now) - called {
            ms if ms < queue.terms.pass.0 => "already",
            ms if ms < queue.terms.pass.0 + queue.terms.grace.0 => "done",
            _ => "pass_invalid",
        }
    }

    /// Return what setting the public value of a lane comes to.
    pub(crate) fn value(&self, camp: usize, lane: usize, value: &str) -> &'static str {
        let now = self.decided_at();
        let Some(queue) = self.queues.of(camp) else { return "not_found" };
        match &queue.values[lane] {
            Some(set) if set == value => return "already",
            Some(_) => return "invalid_request",
            None => {}
        }
        let early = self.lane_closes(camp, lane).is_none_or(|at| now < at);
        let no_source = queue.terms.public_value_source.is_empty();
        let late = self.lane_started(camp, lane, now);
        if no_source || late || early { "invalid_request" } else { "done" }
    }

    /// Return where ticket `at` stands.
    fn standing(&self, camp: usize, at: usize, now: u64) -> Standing {
        let queue = self.queues.of(camp).expect("it has people");
        let person = &queue.people[at];
        let (pass, grace) = (queue.terms.pass.0, queue.terms.grace.0);
        let number = TicketNo(at as u32);
        let Some(place) = person.place else {
            let waits = |p: &&crate::line::Person| p.lane == person.lane && p.place.is_none();
            let joined = queue.people.iter().filter(waits).count() as u32;
            let opens_at = self.lane_starts(camp, person.lane).map(Timestamp);
            return Standing::BeforeDraw { opens_at, joined };
        };
        if person.used {
            return Standing::Used;
        }
        let served = |called: u64| {
            let until = Timestamp(queue.told(called) + pass);
            Standing::Served { pass: Pass { number, place, until } }
        };
        match (person.again, person.called) {
            (Some(None), _) => Standing::Returning,
            (Some(Some(called)), _) if queue.is_up(at, now) => served(called),
            (Some(Some(_)), _) => Standing::Lost,
            (None, None) => {
                let (eta, odds) = (None, onrush::Odds::None);
                Standing::Waiting { place, ahead: place - queue.served, eta, odds }
            }
            (None, Some(called)) if queue.is_up(at, now) => served(called),
            (None, Some(called)) if queue.clock(now) < called + pass + grace => {
                let until = Timestamp(queue.told(called) + pass + grace);
                Standing::PassedOver { until }
            }
            (None, Some(_)) => Standing::Lost,
        }
    }

    /// Compare every line with the ledger's (INV-11 to 13).
    pub(crate) fn compare_lines(&self, ledger: &Ledger) -> Holds {
        for (camp, queue) in self.queues.camps() {
            let Some(line) = ledger.line(CampaignIx(camp as u16)) else {
                return broken("INV-11", format!("the line of campaign {camp} is lost"));
            };
            if (line.joined() as usize, line.served()) != (queue.people.len(), queue.served) {
                let what = format!("{} joined, {} called up", line.joined(), line.served());
                let known = (queue.people.len(), queue.served);
                return broken("INV-11", format!("{what}; it should be {known:?}"));
            }
            for (at, person) in queue.people.iter().enumerate() {
                let row = line.ticket(TicketNo(at as u32)).expect("it joined");
                let seen = (row.class, usize::from(row.lane), row.used, row.returned);
                let known = (person.class, person.lane, person.used, person.again.is_some());
                let placed = row.place.is_none() || row.place == person.place;
                if seen != known || !placed {
                    let what = format!("ticket {at} is {row:?}; it should be {person:?}");
                    return broken("INV-11", what);
                }
            }
        }
        Ok(())
    }
}

/// Forecasts are not compared: they promise nothing.
fn is_same(seen: &Standing, known: &Standing) -> bool {
    match (seen, known) {
        (
            Standing::Waiting { place, ahead, .. },
            Standing::Waiting { place: known, ahead: known_ahead, .. },
        ) => (place, ahead) == (known, known_ahead),
        _ => seen == known,
    }
}

/// Ask the engine.
pub(crate) fn ask(world: &World, ask: LineAsk, lexicon: &Lexicon) -> Waits {
    let engine = &world.engine;
    match ask {
        LineAsk::Join { camp, class, buyer } => {
            let (campaign, buyer) = (world.campaign(camp), lexicon.digest(buyer));
            Waits::Ticket(engine.join(&JoinRequest { campaign, buyer, class }))
        }
        LineAsk::Return { camp, at } => {
            Waits::Ticket(engine.return_to_line(world.campaign(camp), TicketNo(at as u32)))
        }
        LineAsk::Flow { camp, flow } => {
            Waits::Campaign(engine.set_outflow(world.campaign(camp), outflow(flow), by()))
        }
        LineAsk::Value { camp, lane, value } => {
            let campaign = world.campaign(camp);
            Waits::Campaign(engine.set_public_value(campaign, lane, &word(value), by()))
        }
    }
}

/// Return a flow as the engine takes it.
pub(crate) fn outflow(flow: Flow) -> Outflow {
    Outflow {
        per_second: flow.per_second,
        inside: flow.inside,
        passes_per_unit_max: flow.most,
        ..Outflow::default()
    }
}

fn word(value: u8) -> String {
    format!("{value} of a lottery")
}
