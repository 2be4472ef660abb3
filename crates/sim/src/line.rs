//! The line, as plainly as the naive model tells the rest: a list of people, each with a place, and a
//! clock that stands still while the sale is paused. Each buyer has one place (INV-11), nobody is called
//! up before somebody ahead (INV-12), and a pass is used once, by whom it belongs to (INV-13).

use crate::lexicon::Lexicon;
use crate::oracle::{Holds, Oracle, broken};
use onrush::draw_rule::draw::recompute;
use onrush::draw_rule::{Pseudonyms, Weights};
use onrush::ledger::{Change, DrawFacts, Reserved};
use onrush::{BuyerDigest, CampaignIx, LineTerms, Outflow, Phase, TicketNo};

/// The lines of all campaigns.
#[derive(Debug, Default)]
pub struct Queues(Vec<Option<Queue>>);

/// The line of one campaign.
#[derive(Debug)]
pub struct Queue {
    /// Its terms.
    pub terms: LineTerms,
    /// How fast people are let in.
    pub flow: Outflow,
    /// Everybody who joined, in that order.
    pub people: Vec<Person>,
    /// Places that were called up.
    pub served: u32,
    /// Public values, by lane.
    pub values: Vec<Option<String>>,
    /// Lanes that were drawn.
    pub drawn: Vec<bool>,
    /// When the sale opened.
    opened_at: Option<u64>,
    paused_at: Option<u64>,
    /// How long it was paused, over all pauses that ended.
    paused_ms: u64,
    commitments: Vec<[u8; 32]>,
    pseudonyms: Pseudonyms,
    /// Who was passed over and waits, the first first.
    waiting: Vec<usize>,
    /// (when, how many) were called up since the flow was last changed.
    calls: Vec<(u64, u32)>,
}

/// Somebody in the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub buyer: u8,
    /// The tier.
    pub class: u8,
    /// Where they enter.
    pub lane: usize,
    /// Their place, once it is known.
    pub place: Option<u32>,
    /// When they were called up, on the clock of the line.
    pub called: Option<u64>,
    /// They came back, and when they were called up again.
    pub again: Option<Option<u64>>,
    /// A reservation was made with their pass.
    pub used: bool,
}

impl Queues {
    /// Return the line of a campaign.
    pub fn of(&self, camp: usize) -> Option<&Queue> {
        self.0.get(camp)?.as_ref()
    }

    fn of_mut(&mut self, camp: usize) -> Result<&mut Queue, crate::oracle::Violation> {
        let queue = self.0.get_mut(camp).and_then(Option::as_mut);
        queue.map_or_else(|| broken("INV-11", "a campaign without a line has one"), Ok)
    }

    /// Return the campaigns with a line.
    pub fn camps(&self) -> impl Iterator<Item = (usize, &Queue)> {
        self.0.iter().enumerate().filter_map(|(camp, queue)| Some((camp, queue.as_ref()?)))
    }
}

impl Queue {
    fn new(terms: &LineTerms, commitments: &[[u8; 32]], pseudonyms: Pseudonyms) -> Queue {
        let lanes = terms.lanes().len();
        Queue {
            flow: terms.outflow,
            terms: terms.clone(),
            people: Vec::new(),
            served: 0,
            values: vec![None; lanes],
            drawn: vec![false; lanes],
            opened_at: None,
            paused_at: None,
            paused_ms: 0,
            commitments: commitments.to_vec(),
            pseudonyms,
            waiting: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// Find the ticket of a buyer.
    pub fn ticket(&self, buyer: u8) -> Option<usize> {
        self.people.iter().position(|person| person.buyer == buyer)
    }

    /// Return the time that counts for passes.
    pub fn clock(&self, now: u64) -> u64 {
        self.paused_at.map_or(now, |at| now.min(at)).saturating_sub(self.paused_ms)
    }

    /// Return the time of day of a time that counts for passes, as told to people.
    pub fn told(&self, clock: u64) -> u64 {
        clock + self.paused_ms
    }

    /// Tell whether the pass of ticket `at` can be used.
    pub fn is_up(&self, at: usize, now: u64) -> bool {
        let person = &self.people[at];
        let called = person.again.unwrap_or(person.called);
        !person.used && called.is_some_and(|called| self.clock(now) < called + self.terms.pass.0)
    }

    /// Count the passes that are out.
    pub fn out(&self, now: u64) -> u32 {
        (0..self.people.len()).filter(|&at| self.is_up(at, now)).count() as u32
    }

    /// Tell whether ticket `at` waits to be called up again.
    pub fn returns(&self, at: usize) -> bool {
        self.waiting.contains(&at)
    }

    /// Tell whether anybody does.
    pub fn anybody_returns(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Return when somebody was last called up.
    pub fn last_call(&self) -> Option<u64> {
        let called = self.people.iter().filter_map(|p| p.again.unwrap_or(p.called).or(p.called));
        called.max()
    }

    /// Return how many places may be called up: up to the first lane that was not drawn.
    pub fn servable(&self) -> u32 {
        let undrawn = self.drawn.iter().position(|drawn| !drawn).unwrap_or(self.drawn.len());
        self.people.iter().filter(|person| person.lane < undrawn).count() as u32
    }

    /// Return the next moment after `now` at which a pass runs out.
    pub fn next_lapse(&self, now: u64) -> Option<u64> {
        let lapse = |person: &Person| person.again.unwrap_or(person.called);
        let lapses = self.people.iter().filter_map(lapse);
        lapses.map(|at| self.told(at) + self.terms.pass.0).filter(|at| *at > now).min()
    }
}

impl Oracle {
    /// Return when the ledger decides: its time never runs back.
    pub(crate) fn decided_at(&self) -> u64 {
        self.model.now.max(self.stamp)
    }

    /// Return when a lane starts, where that is known.
    pub(crate) fn lane_starts(&self, camp: usize, lane: usize) -> Option<u64> {
        let queue = self.queues.of(camp)?;
        let planned = Some(self.model.camps[camp].opens).filter(|at| *at != u64::MAX);
        Some(queue.opened_at.or(planned)? + queue.terms.lanes()[lane].0)
    }

    pub(crate) fn lane_started(&self, camp: usize, lane: usize, now: u64) -> bool {
        self.lane_starts(camp, lane).is_some_and(|at| at <= now)
    }

    /// Return when joining the draw of a lane ends, if it ends before its start.
    pub(crate) fn lane_closes(&self, camp: usize, lane: usize) -> Option<u64> {
        let c = &self.model.camps[camp];
        let window = c.opens.checked_sub(c.draw)?;
        Some(self.lane_starts(camp, lane)?.saturating_sub(window))
    }

    /// Return the lane that `class` enters, and whether it has started.
    pub(crate) fn lane_to_join(&self, camp: usize, class: u8, now: u64) -> Option<(usize, bool)> {
        let queue = self.queues.of(camp)?;
        let own = usize::from(queue.terms.lane_of(class)?);
        let lanes = (0..queue.drawn.len()).rev();
        let latest = lanes.into_iter().find(|lane| self.lane_started(camp, *lane, now));
        let lane = own.max(latest.unwrap_or(0));
        Some((lane, latest.is_some_and(|latest| lane <= latest)))
    }

    /// Follow a record of a line.
    pub(crate) fn queued(&mut self, change: &Change, lexicon: &Lexicon) -> Holds {
        match change {
            Change::Line { campaign, terms, commitments } => {
                self.line_put(*campaign, terms, commitments, lexicon)
            }
            Change::Joined { campaign, number, buyer, class, lane } => {
                let asked = (*class, usize::from(*lane));
                self.joined(campaign.index(), *number, *buyer, asked, lexicon)
            }
            Change::Drawn { campaign, public_value, facts } => {
                self.drawn(campaign.index(), public_value.as_deref(), facts, lexicon)
            }
            Change::Served { campaign, through, returned, per_second } => {
                self.served(campaign.index(), *through, *returned as usize, *per_second)
            }
            Change::Returned { campaign, number, place } => {
                self.came_back(campaign.index(), number.index(), *place)
            }
            Change::Outflow { campaign, outflow, .. } => {
                let queue = self.queues.of_mut(campaign.index())?;
                queue.flow = *outflow;
                queue.calls.clear();
                Ok(())
            }
            Change::PublicValue { campaign, lane, value, .. } => {
                let (camp, lane) = (campaign.index(), usize::from(*lane));
                let expected = self.value(camp, lane, value);
                if expected != "done" {
                    let what = format!("lane {lane} has a public value; it should be {expected}");
                    return broken("INV-12", what);
                }
                self.queues.of_mut(camp)?.values[lane] = Some(value.clone());
                Ok(())
            }
            other => broken("INV-10", format!("a record nobody expects: {other:?}")),
        }
    }

    fn line_put(
        &mut self,
        campaign: CampaignIx,
        terms: &LineTerms,
        commitments: &[[u8; 32]],
        lexicon: &Lexicon,
    ) -> Holds {
        let camp = campaign.index();
        if self.queues.of(camp).is_some() {
            return broken("INV-12", format!("the line of campaign {camp} was put again"));
        }
        if self.queues.0.len() <= camp {
            self.queues.0.resize_with(camp + 1, || None);
        }
        let queue = Queue::new(terms, commitments, lexicon.pseudonyms(campaign));
        self.queues.0[camp] = Some(queue);
        Ok(())
    }

    fn joined(
        &mut self,
        camp: usize,
        number: TicketNo,
        digest: BuyerDigest,
        (class, lane): (u8, usize),
        lexicon: &Lexicon,
    ) -> Holds {
        let Some(buyer) = lexicon.buyer_of(digest) else {
            return broken("INV-11", "a ticket of nobody");
        };
        let now = self.decided_at();
        let expected = self.join_line(camp, buyer, class);
        if expected != "done" {
            let what = format!("buyer {buyer} got ticket {number}; it should be {expected}");
            return broken("INV-11", what);
        }
        let known = self.lane_to_join(camp, class, now);
        let Some((_, started)) = known.filter(|known| known.0 == lane) else {
            let what = format!("ticket {number} of class {class} is in lane {lane}, not {known:?}");
            return broken("INV-12", what);
        };
        let queue = self.queues.of_mut(camp)?;
        if number.index() != queue.people.len() {
            let next = queue.people.len();
            return broken("INV-11", format!("ticket {number} follows {next} tickets"));
        }
        // Whoever comes after the start of a lane is behind all who are in it.
        let before = queue.people.iter().filter(|person| person.lane <= lane).count() as u32;
        let (place, called, again) = (started.then_some(before), None, None);
        queue.people.push(Person { buyer, class, lane, place, called, again, used: false });
        Ok(())
    }

    fn drawn(
        &mut self,
        camp: usize,
        value: Option<&str>,
        facts: &DrawFacts,
        lexicon: &Lexicon,
    ) -> Holds {
        let (lane, now) = (usize::from(facts.lane), self.decided_at());
        let started = self.lane_started(camp, lane, now);
        let queue = self.queues.of_mut(camp)?;
        let next = queue.drawn.iter().position(|drawn| !drawn);
        if next != Some(lane) || !started {
            return broken("INV-12", format!("lane {lane} was drawn; it should be {next:?}"));
        }
        if facts.seed.commitment() != queue.commitments[lane]
            || value != queue.values[lane].as_deref()
        {
            return broken("INV-12", format!("lane {lane} was not drawn as was promised"));
        }
        let drawn = |p: &Person| p.lane == lane && p.place.is_none();
        let theirs: Vec<usize> =
            (0..queue.people.len()).filter(|&at| drawn(&queue.people[at])).collect();
        let entry = |&at: &usize| {
            let person = &queue.people[at];
            (queue.pseudonyms.of(lexicon.digest(person.buyer)), person.class)
        };
        let list: Vec<_> = theirs.iter().map(entry).collect();
        let weights: Weights = queue.terms.weights();
        let drawing = recompute(&facts.seed, value, &list, weights);
        let said = (facts.count as usize, facts.list_digest, facts.turn);
        let Some(drawing) = drawing.ok().filter(|d| (list.len(), d.list_digest, d.turn) == said)
        else {
            return broken("INV-12", format!("the draw of lane {lane} is not that of its list"));
        };
        let base = queue.people.iter().filter(|person| person.lane < lane).count() as u32;
        for (&at, rank) in theirs.iter().zip(drawing.ranks()) {
            queue.people[at].place = Some(base + rank);
        }
        queue.drawn[lane] = true;
        Ok(())
    }

    fn served(&mut self, camp: usize, through: u32, returned: usize, rate: Option<u32>) -> Holds {
        if self.model.camps[camp].phase != Phase::Open {
            return broken("INV-7", "people were called up while the sale was not open");
        }
        let now = self.decided_at();
        let queue = self.queues.of_mut(camp)?;
        let clock = queue.clock(now);
        if through < queue.served || through > queue.servable() || returned > queue.waiting.len() {
            let (served, servable) = (queue.served, queue.servable());
            let what =
                format!("called up to {through} and {returned}; from {served} to {servable}");
            return broken("INV-12", what);
        }
        for at in queue.waiting.drain(..returned) {
            queue.people[at].again = Some(Some(clock));
        }
        let turn = queue.served..through;
        let mut called = 0;
        for person in &mut queue.people {
            if person.place.is_some_and(|place| turn.contains(&place)) {
                person.called = Some(clock);
                called += 1;
            }
        }
        if called != through - queue.served || called + returned as u32 == 0 {
            return broken("INV-12", format!("{called} people have the places {turn:?}"));
        }
        queue.served = through;
        queue.calls.push((now, called + returned as u32));
        self.few_enough(camp, now, rate)
    }

    /// No more passes are out than the stock, the operator and the rate allow.
    fn few_enough(&self, camp: usize, now: u64, rate: Option<u32>) -> Holds {
        let Some(queue) = self.queues.of(camp) else { return Ok(()) };
        let skus = (0..self.model.skus.len()).filter(|sku| self.model.skus[*sku].camp == camp);
        let good_for: u32 = skus.map(|s| self.model.figures(s)[..2].iter().sum::<u32>()).sum();
        let out = queue.out(now);
        if out > good_for * queue.flow.passes_per_unit_max {
            return broken("INV-13", format!("{out} passes are out for {good_for} units"));
        }
        let inside = out + self.holds(camp);
        if queue.flow.inside.is_some_and(|most| inside > most) {
            return broken("INV-13", format!("{inside} people are inside: {:?}", queue.flow));
        }
        let Some(most) = queue.flow.per_second else { return Ok(()) };
        // What a quiet time saves up: a fifth of a second, or one person.
        let burst = 1 + most / 5;
        let second = queue.calls.iter().rev().take_while(|(at, _)| at + 1_000 > now);
        let called: u32 = second.map(|(_, called)| called).sum();
        if called > most + burst || rate.is_none_or(|rate| rate > most) {
            return broken("INV-13", format!("{called} people in a second, {most} are let in"));
        }
        Ok(())
    }

    pub(crate) fn holds(&self, camp: usize) -> u32 {
        let held = |r: &&onrush::ledger::naive_model::Res| {
            matches!(r.state, "held" | "review") && self.model.skus[r.sku].camp == camp
        };
        self.model.res.iter().filter(held).count() as u32
    }

    fn came_back(&mut self, camp: usize, at: usize, place: u32) -> Holds {
        let expected = self.return_to_line(camp, at);
        let queue = self.queues.of_mut(camp)?;
        let theirs = queue.people.get(at).is_some_and(|person| person.place == Some(place));
        if expected != "done" || !theirs {
            let what = format!("ticket {at} came back to {place}; it should be {expected}");
            return broken("INV-12", what);
        }
        queue.people[at].again = Some(None);
        queue.waiting.push(at);
        Ok(())
    }

    /// Follow the pass of a new hold: its buyer's own, in its time, once.
    pub(crate) fn redeemed(&mut self, camp: usize, r: &Reserved, buyer: u8) -> Holds {
        let now = self.decided_at();
        let Some(pass) = r.pass else {
            return match self.queues.of(camp) {
                Some(_) => broken("INV-13", format!("{:?} was made without a pass", r.seq)),
                None => Ok(()),
            };
        };
        let at = pass.number.index();
        let queue = self.queues.of_mut(camp)?;
        let is_theirs = queue.people.get(at).is_some_and(|person| person.buyer == buyer);
        if !is_theirs || queue.people[at].place != Some(pass.place) {
            return broken("INV-13", format!("{pass:?} is not the pass of buyer {buyer}"));
        }
        if !queue.is_up(at, now) {
            let person = &queue.people[at];
            return broken("INV-13", format!("{pass:?} was used, over or not called: {person:?}"));
        }
        queue.people[at].used = true;
        Ok(())
    }

    /// Follow a phase that a campaign entered: passes do not age in a pause.
    pub(crate) fn line_phase(&mut self, camp: usize, to: Phase, by_hand: bool) {
        let (now, planned) = (self.stamp, self.model.camps[camp].opens);
        let Some(queue) = self.queues.0.get_mut(camp).and_then(Option::as_mut) else { return };
        match to {
            Phase::Open => {
                let opened_at = if by_hand || planned == u64::MAX { now } else { planned };
                queue.opened_at.get_or_insert(opened_at);
                if let Some(paused_at) = queue.paused_at.take() {
                    queue.paused_ms += now - paused_at;
                }
            }
            Phase::Paused => queue.paused_at = Some(now),
            _ => {}
        }
    }
}
