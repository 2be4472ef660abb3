//! Records of the line, applied: each is checked against the state it meets before anything changes.

use super::apply::{Applied, Touched, ensure};
use super::line::{Again, Called, Drawn, LaneState, LineState, Step, StockSum};
use super::line_decide::{DrawFacts, check_draw};
use super::record::{By, Change, Reserved};
use super::state::Ledger;
use super::waitlist::WaitChange;
use crate::line::terms::LineTerms;
use crate::line::tickets::TicketRow;
use crate::phase::Phase;
use onrush_types::limits::{LINE_STEPS_MAX, RETURNS_MAX, TICKETS_MAX};
use onrush_types::planted;
use onrush_types::{BuyerDigest, CampaignIx, KeyDigest, SkuIx, TicketNo, Timestamp};

/// A SKU before a record that may move its units, in a campaign with a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct StockBefore {
    campaign: CampaignIx,
    units: StockSum,
}

impl Ledger {
    pub(super) fn apply_line_change(&mut self, change: &Change, stamp: Timestamp) -> Applied {
        match change {
            Change::Line { campaign, terms, commitments } => {
                self.apply_line(*campaign, terms, commitments)
            }
            Change::Joined { campaign, number, buyer, class, lane } => {
                self.apply_joined(*campaign, *number, *buyer, (*class, *lane), stamp)
            }
            Change::Drawn { campaign, public_value, facts } => {
                self.apply_drawn(*campaign, public_value.as_deref(), facts, stamp)
            }
            Change::Served { campaign, through, returned, per_second } => {
                self.apply_served(*campaign, (*through, *returned), *per_second, stamp)
            }
            Change::Returned { campaign, number, place } => {
                self.apply_returned(*campaign, *number, *place, stamp)
            }
            Change::Outflow { campaign, outflow, .. } => {
                let line = self.line_mut(*campaign)?;
                line.outflow = *outflow;
                Ok((Touched::Line(*campaign), None))
            }
            Change::PublicValue { campaign, lane, value, .. } => {
                let late = self.lane_started(*campaign, *lane, stamp);
                ensure(!late, "a public value after the lane had started")?;
                let line = self.line_mut(*campaign)?;
                let state = line.lanes.get_mut(usize::from(*lane)).ok_or("no such lane")?;
                ensure(state.public_value.is_none(), "a public value was set twice")?;
                state.public_value = Some(value.clone());
                Ok((Touched::Line(*campaign), None))
            }
            _ => Err("not a record of the line".to_owned()),
        }
    }

    pub(super) fn line_mut(&mut self, campaign: CampaignIx) -> Result<&mut LineState, String> {
        let line = self.lines.get_mut(campaign.index()).and_then(Option::as_deref_mut);
        line.ok_or_else(|| "no such line".to_owned())
    }

    fn apply_line(
        &mut self,
        campaign: CampaignIx,
        terms: &LineTerms,
        commitments: &[[u8; 32]],
    ) -> Applied {
        let c = self.campaigns.get(campaign.index()).ok_or("no such campaign")?;
        terms.check().map_err(|e| e.to_string())?;
        let lanes = terms.lanes().len();
        ensure(commitments.len() == lanes, "one commitment for each lane")?;
        let touched = Ok((Touched::Line(campaign), None));
        if self.line(campaign).is_some() {
            let reached = c.reached;
            let line = self.line_mut(campaign)?;
            let outflow_only = LineTerms { outflow: line.terms.outflow, ..terms.clone() };
            if outflow_only == line.terms && line.commitments == commitments {
                // What an operator set live stays, unless the terms themselves say another thing.
                if terms.outflow != line.terms.outflow {
                    line.outflow = terms.outflow;
                }
                line.terms.outflow = terms.outflow;
                return touched;
            }
            let draft = reached == Phase::Draft;
            ensure(draft, "the terms of a line changed after it was published")?;
        }
        let c = &self.campaigns[campaign.index()];
        ensure(c.reached < Phase::Draw, "a line came after the draw")?;
        let mut line = LineState::new(terms.clone(), commitments.to_vec());
        for sku in c.skus.values() {
            line.stock.add(self.units_of(*sku));
        }
        if self.lines.len() <= campaign.index() {
            self.lines.resize_with(campaign.index() + 1, || None);
        }
        self.lines[campaign.index()] = Some(Box::new(line));
        touched
    }

    fn apply_joined(
        &mut self,
        campaign: CampaignIx,
        number: TicketNo,
        buyer: BuyerDigest,
        (class, lane): (u8, u8),
        stamp: Timestamp,
    ) -> Applied {
        let expected = self.lane_to_join(campaign, class, stamp).ok_or("no such line or class")?;
        ensure(lane == expected.0, "a ticket in a lane that is not its own")?;
        let closes_at = self.lane_closes_at(campaign, lane).filter(|_| !expected.1);
        ensure(closes_at.is_none_or(|at| stamp < at), "a ticket for a draw that was closed")?;
        let line = self.line_mut(campaign)?;
        ensure(number.0 == line.joined(), "ticket numbers are dense")?;
        ensure(number.index() < TICKETS_MAX, "more tickets than a line holds")?;
        ensure(line.ticket_of(buyer).is_none(), "a buyer got two tickets")?;
        let ticket = TicketRow {
            buyer,
            joined_at: stamp,
            class,
            lane,
            place: None,
            used: false,
            returned: false,
        };
        line.add_ticket(&ticket, expected.1)?;
        Ok((Touched::Ticket(campaign, number), None))
    }

    fn apply_drawn(
        &mut self,
        campaign: CampaignIx,
        public_value: Option<&str>,
        facts: &DrawFacts,
        stamp: Timestamp,
    ) -> Applied {
        let started = self.lane_started(campaign, facts.lane, stamp);
        ensure(started, "a lane was drawn before it started")?;
        let line = self.line_mut(campaign)?;
        let at = usize::from(facts.lane);
        let lane = line.lanes.get(at).ok_or("no such lane")?;
        ensure(lane.drawn.is_none(), "a lane was drawn twice")?;
        ensure(lane.public_value.as_deref() == public_value, "not the public value that was set")?;
        let before = line.lanes[..at].iter().all(|lane| lane.drawn.is_some());
        ensure(before, "a lane was drawn before an earlier one")?;
        check_draw(line, facts)?;
        let DrawFacts { count, list_digest, turn, seed, .. } = *facts;
        line.lanes[at].drawn = Some(Drawn { count, list_digest, turn, seed });
        Ok((Touched::Line(campaign), None))
    }

    fn apply_served(
        &mut self,
        campaign: CampaignIx,
        (through, returned): (u32, u32),
        per_second: Option<u32>,
        stamp: Timestamp,
    ) -> Applied {
        let c = self.campaigns.get(campaign.index()).ok_or("no such campaign")?;
        ensure(c.reached == Phase::Open, "people were called up while the sale was not open")?;
        let limit = c.terms.limit_per_buyer;
        let line = self.line_mut(campaign)?;
        let served = line.served();
        ensure((served..=line.servable()).contains(&through), "places are called up in order")?;
        ensure(returned as usize <= line.waiting.len(), "more came back than had asked to")?;
        let called = returned + (through - served);
        ensure(called > 0, "nobody was called up")?;
        line.forget(stamp);
        ensure(line.steps.len() <= LINE_STEPS_MAX, "steps closer than their spacing")?;
        line.call_up(through, returned, stamp);
        // The bound of the whole line: nobody is called up for what cannot be sold.
        let out = line.outstanding(stamp);
        ensure(out <= line.passes_max(limit, stamp), "more passes than the stock is good for")?;
        let inside = u64::from(out) + u64::from(line.stock.holds);
        let inside_max = line.outflow.inside.map_or(u64::MAX, u64::from);
        ensure(inside <= inside_max, "more people inside than were to be")?;
        if let Some(most) = line.outflow.per_second {
            let rate = per_second.filter(|rate| (1..=most).contains(rate));
            let rate = rate.ok_or("faster than people were to be let in")?;
            let spacing = line.spacing();
            line.pace.pay(stamp, called, rate, spacing);
            ensure(line.pace.is_paid(stamp), "more people than the rate allows")?;
        }
        Ok((Touched::Line(campaign), None))
    }

    fn apply_returned(
        &mut self,
        campaign: CampaignIx,
        number: TicketNo,
        place: u32,
        stamp: Timestamp,
    ) -> Applied {
        let line = self.line_mut(campaign)?;
        let ticket = line.ticket(number).ok_or("no such ticket")?;
        ensure(!ticket.used && !ticket.returned, "a ticket came back that cannot")?;
        ensure(ticket.place.is_none_or(|known| known == place), "a ticket of another place")?;
        let passed_over = matches!(line.called(place, stamp), Some(Called::PassedOver { .. }));
        ensure(passed_over, "a place came back that was not passed over")?;
        ensure(line.waiting.len() + line.again.len() < RETURNS_MAX, "more than may come back")?;
        line.tickets.set_returned(number);
        line.waiting.push_back(number.0);
        Ok((Touched::Ticket(campaign, number), None))
    }

    /// Use the pass of a new hold, or see that none was needed.
    pub(super) fn use_pass(
        &mut self,
        campaign: CampaignIx,
        hold: &Reserved,
        stamp: Timestamp,
    ) -> Result<(), String> {
        let (buyer, quantity) = (hold.buyer, hold.quantity);
        let (line, pass) = match (self.line(campaign), hold.pass) {
            (None, None) => return Ok(()),
            // What comes back is offered to those on the waitlist, who have a line of their own.
            (Some(_), None) if hold.key == KeyDigest::OFFER => return Ok(()),
            (Some(line), Some(pass)) => (line, pass),
            (None, Some(_)) => return Err("a pass for a sale without a line".to_owned()),
            (Some(_), None) => return Err("a hold without a pass in a sale with a line".to_owned()),
        };
        if let Some(problem) = self.pass_problem(line, pass, buyer, stamp) {
            return Err(format!("the pass of a hold is {problem}"));
        }
        let line = self.line_mut(campaign)?;
        let returned = line.ticket(pass.number).is_some_and(|ticket| ticket.returned);
        line.tickets.set_used(pass.number);
        line.used += planted!("use-uncounted", 0, 1);
        if returned {
            line.again.retain(|again| again.number != pass.number);
            line.learned.passes_over(1, quantity.get());
        } else {
            let at = line.step_of(pass.place);
            line.steps[at].used += 1;
            line.steps[at].units += quantity.get();
        }
        Ok(())
    }

    /// Follow a phase that a campaign with a line entered: passes do not age while it is paused.
    pub(super) fn line_phase(
        &mut self,
        campaign: CampaignIx,
        to: Phase,
        by: Option<&By>,
        stamp: Timestamp,
    ) {
        let planned = self.campaigns[campaign.index()].terms.schedule.opens_at;
        let Ok(line) = self.line_mut(campaign) else { return };
        match to {
            Phase::Open => {
                let opened_at = if by.is_some() { stamp } else { planned.unwrap_or(stamp) };
                line.opened_at.get_or_insert(opened_at);
                if let Some(paused_at) = line.paused_at.take() {
                    let pause = stamp.since(paused_at);
                    let pause = planted!("passes-age-in-pauses", stamp.since(stamp), pause);
                    line.steps.iter_mut().for_each(|step| step.at = step.at + pause);
                    line.again.iter_mut().for_each(|again| again.at = again.at + pause);
                }
            }
            Phase::Paused => line.paused_at = Some(stamp),
            _ => {}
        }
    }

    /// Note the units of the SKU that `change` is about to touch, where its campaign has a line.
    pub(super) fn stock_before(&self, change: &Change) -> Option<StockBefore> {
        if self.lines.is_empty() {
            return None;
        }
        let sku = self.sku_touched(change)?;
        let campaign = match change {
            Change::Sku { campaign, .. } => *campaign,
            _ => self.skus.get(sku.index())?.campaign,
        };
        self.line(campaign)?;
        let mut units = self.units_of(sku);
        units.holds = self.holds_touched(change);
        Some(StockBefore { campaign, units })
    }

    /// Bring the sums of a line up to what `change` did to a SKU.
    pub(super) fn stock_after(&mut self, before: StockBefore, change: &Change) {
        let sku = self.sku_touched(change).expect("it was touched");
        let mut after = self.units_of(sku);
        after.holds = match change {
            Change::Reserved(_) | Change::Wait(WaitChange::Offered(_)) => 1,
            _ => self.holds_touched(change),
        };
        let back = matches!(
            change,
            Change::Expired { .. } | Change::Released { .. } | Change::Rejected { .. }
        );
        let units = before.units;
        let line = self.line_mut(before.campaign).expect("it was there before");
        line.stock.take_away(units);
        line.stock.add(after);
        if units.holds > after.holds {
            let ended = (units.held - after.held) as u32;
            line.learned.holds_over(ended, if back { ended } else { 0 });
        }
    }

    fn sku_touched(&self, change: &Change) -> Option<SkuIx> {
        match change {
            Change::Reserved(r) => Some(r.sku),
            Change::Wait(WaitChange::Offered(offered)) => Some(offered.sku),
            Change::Sku { sku, .. }
            | Change::Supplied { sku, .. }
            | Change::Withdrawn { sku, .. } => Some(*sku),
            Change::Nodes(change) => self.sku_of_nodes(change),
            _ => self.reservation_touched(change).map(|r| r.sku),
        }
    }

    fn holds_touched(&self, change: &Change) -> u32 {
        self.reservation_touched(change).map_or(0, |r| u32::from(r.state.is_held()))
    }

    fn reservation_touched(&self, change: &Change) -> Option<&super::ReservationState> {
        let seq = match change {
            Change::Paid(paid) => paid.seq,
            Change::Expired { seq }
            | Change::Released { seq, .. }
            | Change::Confirmed { seq, .. }
            | Change::Accepted { seq, .. }
            | Change::Rejected { seq, .. }
            | Change::Cancelled { seq, .. } => *seq,
            _ => return None,
        };
        self.reservation(seq)
    }

    /// Return the units of one SKU; none for one that is not there yet.
    pub(super) fn units_of(&self, sku: SkuIx) -> StockSum {
        self.skus.get(sku.index()).map_or(StockSum::default(), |s| StockSum {
            free: u64::from(s.free),
            held: u64::from(s.held),
            gone: u64::from(s.sold) + u64::from(s.withdrawn),
            holds: 0,
        })
    }
}

impl LineState {
    /// Add a ticket to the table, the index and its lane. A place is known at once where the lane has
    /// started.
    pub(super) fn add_ticket(&mut self, ticket: &TicketRow, started: bool) -> Result<(), String> {
        let lane = usize::from(ticket.lane);
        let state = self.lanes.get(lane).ok_or("no such lane")?;
        let after_it = self.lanes[lane + 1..].iter().any(|later| later.arrivals > 0);
        ensure(!after_it, "a ticket in a lane after which others entered")?;
        let rank = state.participants + state.arrivals;
        let place = started.then(|| self.base(lane) + rank);
        self.index_ticket(&TicketRow { place, ..*ticket });
        let LaneState { participants, arrivals, .. } = &mut self.lanes[lane];
        *(if started { arrivals } else { participants }) += 1;
        Ok(())
    }

    /// Add a ticket of a snapshot: the lane says already how many were drawn and how many came after.
    pub(super) fn load_ticket(&mut self, ticket: &TicketRow) -> Result<(), String> {
        let lane = usize::from(ticket.lane);
        let (base, state) = (self.base(lane.min(self.lanes.len())), self.lanes.get(lane));
        let drawn = state.ok_or("no such lane")?.participants;
        self.loaded.resize(self.lanes.len(), 0);
        let rank = self.loaded[lane];
        self.loaded[lane] += 1;
        let place = (rank >= drawn).then(|| base + rank);
        self.used += u32::from(ticket.used);
        self.index_ticket(&TicketRow { place, ..*ticket });
        Ok(())
    }

    fn index_ticket(&mut self, ticket: &TicketRow) {
        let number = self.tickets.push(ticket);
        let tickets = &self.tickets;
        let rehash = |&number: &u32| {
            let buyer = tickets.digest(TicketNo(number)).expect("the index names what exists");
            buyer.hash64()
        };
        self.index.insert_unique(ticket.buyer.hash64(), number.0, rehash);
    }

    /// Count what is over at `now`, and forget steps that cannot be taken up again.
    fn forget(&mut self, now: Timestamp) {
        let (pass, grace) = (self.terms.pass, self.terms.grace);
        let mut from = self.forgotten;
        for step in &mut self.steps {
            if !step.counted && now >= step.at + pass {
                step.counted = true;
                self.learned.passes_over(step.through - from, step.units);
            }
            from = step.through;
        }
        while let Some(step) = self.steps.front().filter(|step| now >= step.at + pass + grace) {
            self.forgotten = step.through;
            self.steps.pop_front();
        }
        while self.again.front().is_some_and(|again| now >= again.at + pass) {
            self.again.pop_front();
            self.learned.passes_over(1, 0);
        }
    }

    fn call_up(&mut self, through: u32, returned: u32, at: Timestamp) {
        for _ in 0..returned {
            let number = self.waiting.pop_front().expect("counted before");
            self.again.push_back(Again { number: TicketNo(number), at });
        }
        if through > self.served() {
            self.steps.push_back(Step { through, at, used: 0, units: 0, counted: false });
        }
    }
}

impl StockSum {
    pub(super) fn add(&mut self, other: StockSum) {
        self.free += other.free;
        self.held += other.held;
        self.gone += other.gone;
        self.holds += other.holds;
    }

    fn take_away(&mut self, other: StockSum) {
        self.free -= other.free;
        self.held -= other.held;
        self.gone -= other.gone;
        self.holds -= other.holds;
    }
}
