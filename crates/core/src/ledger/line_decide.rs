//! Decisions about the line: who joins, who is called up, who comes back, what operators change.

use super::action::{Answer, PassUse, Subject};
use super::catalogue::check_by;
use super::decide::{Outcome, Sink, refuse};
use super::line::{Called, LineState};
use super::record::{By, Change};
use super::state::Ledger;
use crate::line::draw::{Seed, Turn};
use crate::line::list::ListDigest;
use crate::line::outflow::{Outflow, WHOLE};
use crate::line::terms::LineTerms;
use crate::phase::{Phase, phase_at};
use crate::refusal::Refusal;
use onrush_types::limits::{RETURNS_MAX, TEXT_BYTES_MAX, TICKETS_MAX};
use onrush_types::planted;
use onrush_types::{BuyerDigest, CampaignIx, TicketNo, Timestamp};

/// Capacity refusals ask the client to come back after this long.
const RETRY_MS: u32 = 1_000;

/// The facts of a draw that the engine computed, for the ledger to check and record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawFacts {
    /// Which lane.
    pub lane: u8,
    /// How many took part.
    pub count: u32,
    /// The digest of their list.
    pub list_digest: ListDigest,
    /// The number that turns the wheel.
    pub turn: Turn,
    /// The seed that was promised.
    pub seed: Seed,
}

impl Ledger {
    /// Give a buyer the one ticket that is theirs.
    pub(super) fn join(
        &mut self,
        campaign: CampaignIx,
        buyer: BuyerDigest,
        class: u8,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(line) = self.line(campaign) else { return refuse(Refusal::NotFound) };
        if let Some(number) = line.ticket_of(buyer) {
            return Ok(Answer::Already(Subject::Ticket(campaign, number)));
        }
        let lane = match self.may_join(campaign, line, class, now) {
            Ok(lane) => lane,
            Err(refusal) => return refuse(refusal),
        };
        if line.joined() as usize >= TICKETS_MAX {
            return refuse(Refusal::Overloaded { retry_after_ms: RETRY_MS });
        }
        let number = TicketNo(line.joined());
        self.record(Change::Joined { campaign, number, buyer, class, lane }, now, sink)?;
        Ok(Answer::Done(Subject::Ticket(campaign, number)))
    }

    fn may_join(
        &self,
        campaign: CampaignIx,
        line: &LineState,
        class: u8,
        now: Timestamp,
    ) -> Result<u8, Refusal> {
        let c = &self.campaigns[campaign.index()];
        let schedule = &c.terms.schedule;
        let phase = phase_at(schedule, c.reached, now);
        match phase {
            Phase::Draft => return Err(Refusal::NotFound),
            Phase::Closed | Phase::Settled => return Err(Refusal::Ended),
            Phase::Scheduled if schedule.preheat_at.is_some() => {
                return Err(Refusal::NotOpen { opens_at: schedule.preheat_at });
            }
            _ => {}
        }
        if line.terms.invite_only && class == 0 {
            return Err(Refusal::NotEligible);
        }
        let Some((lane, started)) = self.lane_to_join(campaign, class, now) else {
            let what = format!("class: this line has {} tiers", line.terms.tiers.len());
            return Err(Refusal::Invalid(what));
        };
        let closed = self.lane_closes_at(campaign, lane).is_some_and(|at| now >= at);
        if !started && (closed || lane == 0 && phase == Phase::Draw) {
            return Err(Refusal::NotOpen { opens_at: self.lane_starts_at(campaign, lane) });
        }
        Ok(lane)
    }

    /// Record the draw of a lane that has started, after checking what can be checked here.
    pub(super) fn draw(
        &mut self,
        campaign: CampaignIx,
        facts: DrawFacts,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(line) = self.line(campaign) else { return refuse(Refusal::NotFound) };
        let lane = usize::from(facts.lane);
        let Some(state) = line.lanes.get(lane) else { return refuse(Refusal::NotFound) };
        if state.drawn.is_some() {
            return Ok(Answer::Already(Subject::Campaign(campaign)));
        }
        let undrawn_before = line.lanes[..lane].iter().any(|lane| lane.drawn.is_none());
        if undrawn_before || !self.lane_started(campaign, facts.lane, now) {
            return refuse(Refusal::Invalid(
                "draw: lanes are drawn in order, each at its start".into(),
            ));
        }
        if let Err(what) = check_draw(line, &facts) {
            return refuse(Refusal::Invalid(what.to_owned()));
        }
        let public_value = state.public_value.clone();
        self.record(Change::Drawn { campaign, public_value, facts }, now, sink)?;
        Ok(Answer::Done(Subject::Campaign(campaign)))
    }

    /// Let a place that was passed over be called up once more.
    pub(super) fn return_to_line(
        &mut self,
        campaign: CampaignIx,
        number: TicketNo,
        place: u32,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(line) = self.line(campaign) else { return refuse(Refusal::NotFound) };
        let Some(ticket) = line.ticket(number) else { return refuse(Refusal::NotFound) };
        let already = Ok(Answer::Already(Subject::Ticket(campaign, number)));
        if ticket.place.is_some_and(|known| known != place) || ticket.used {
            return refuse(Refusal::PassInvalid);
        }
        if let Err(refusal) = self.not_over(campaign, now) {
            return refuse(refusal);
        }
        if ticket.returned {
            let waits = line.waiting.contains(&number.0);
            let up = waits || self.returned_is_up(line, number, now);
            return if up { already } else { refuse(Refusal::PassInvalid) };
        }
        match line.called(place, now) {
            None | Some(Called::Up { .. }) => already,
            Some(Called::Lost) => refuse(Refusal::PassInvalid),
            Some(Called::PassedOver { .. })
                if line.waiting.len() + line.again.len() >= RETURNS_MAX =>
            {
                refuse(Refusal::Overloaded { retry_after_ms: RETRY_MS })
            }
            Some(Called::PassedOver { .. }) => {
                self.record(Change::Returned { campaign, number, place }, now, sink)?;
                Ok(Answer::Done(Subject::Ticket(campaign, number)))
            }
        }
    }

    fn not_over(&self, campaign: CampaignIx, now: Timestamp) -> Result<(), Refusal> {
        let c = &self.campaigns[campaign.index()];
        let over = phase_at(&c.terms.schedule, c.reached, now) >= Phase::Closed;
        if over { Err(Refusal::Ended) } else { Ok(()) }
    }

    /// Change how fast people are let in.
    pub(super) fn set_outflow(
        &mut self,
        campaign: CampaignIx,
        outflow: Outflow,
        by: By,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(line) = self.line(campaign) else { return refuse(Refusal::NotFound) };
        if let Err(what) = check_by(&by) {
            return refuse(Refusal::Invalid(what));
        }
        if let Err(error) = outflow.check() {
            return refuse(Refusal::Invalid(error.to_string()));
        }
        if line.outflow == outflow {
            return Ok(Answer::Already(Subject::Campaign(campaign)));
        }
        self.record(Change::Outflow { campaign, outflow, by }, now, sink)?;
        Ok(Answer::Done(Subject::Campaign(campaign)))
    }

    /// Set the public value of a lane's draw: once, after joining has closed and before it is held.
    pub(super) fn set_public_value(
        &mut self,
        campaign: CampaignIx,
        lane: u8,
        value: String,
        by: By,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(line) = self.line(campaign) else { return refuse(Refusal::NotFound) };
        let Some(state) = line.lanes.get(usize::from(lane)) else {
            return refuse(Refusal::NotFound);
        };
        if let Err(what) = check_by(&by) {
            return refuse(Refusal::Invalid(what));
        }
        if value.is_empty() || value.len() > TEXT_BYTES_MAX {
            let what = format!("value: must have 1 to {TEXT_BYTES_MAX} bytes");
            return refuse(Refusal::Invalid(what));
        }
        let invalid = |what: &str| refuse(Refusal::Invalid(what.to_owned()));
        match &state.public_value {
            Some(set) if *set == value => return Ok(Answer::Already(Subject::Campaign(campaign))),
            Some(_) => return invalid("value: it was set and cannot change"),
            None => {}
        }
        if line.terms.public_value_source.is_empty() {
            return invalid("value: the line's terms name no source for it");
        }
        if self.lane_started(campaign, lane, now) {
            return invalid("value: too late, the lane has started; its draw says it had none");
        }
        if self.lane_closes_at(campaign, lane).is_none_or(|at| now < at) {
            return invalid("value: too early, people still join; set it once joining has closed");
        }
        self.record(Change::PublicValue { campaign, lane, value, by }, now, sink)?;
        Ok(Answer::Done(Subject::Campaign(campaign)))
    }

    /// Refuse a reserve in a campaign with a line unless it comes with a pass that can be used.
    pub(super) fn check_pass(
        &self,
        campaign: CampaignIx,
        pass: Option<PassUse>,
        buyer: BuyerDigest,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(line) = self.line(campaign) else { return Ok(()) };
        let pass = pass.ok_or(Refusal::PassRequired)?;
        match self.pass_problem(line, pass, buyer, now) {
            None => Ok(()),
            Some(_) => Err(Refusal::PassInvalid),
        }
    }

    /// Say why a pass cannot be used, if it cannot.
    pub(super) fn pass_problem(
        &self,
        line: &LineState,
        pass: PassUse,
        buyer: BuyerDigest,
        now: Timestamp,
    ) -> Option<&'static str> {
        let Some(ticket) = line.ticket(pass.number) else { return Some("of no ticket") };
        if ticket.buyer != buyer {
            return Some("of another buyer");
        }
        if planted!("pass-used-twice", false, ticket.used) {
            return Some("used before");
        }
        if ticket.place.is_some_and(|place| place != pass.place) {
            return Some("of another place");
        }
        let up = if ticket.returned {
            self.returned_is_up(line, pass.number, now)
        } else {
            matches!(line.called(pass.place, now), Some(Called::Up { .. }))
        };
        (!up).then_some("not called up, or over")
    }

    fn returned_is_up(&self, line: &LineState, number: TicketNo, now: Timestamp) -> bool {
        let again = line.again.iter().find(|again| again.number == number);
        again.is_some_and(|again| matches!(line.called_at(again.at, now), Called::Up { .. }))
    }

    /// Return who is to be called up now in a campaign, if anybody is. A pure function of the
    /// ledger's state, the settings and `health_milli`, how much of its people the shop can take in
    /// thousandths. O(steps).
    pub fn due_served(
        &self,
        campaign: CampaignIx,
        health_milli: u32,
        now: Timestamp,
    ) -> Option<Change> {
        let line = self.line(campaign)?;
        let c = &self.campaigns[campaign.index()];
        let (served, servable) = (line.served(), line.servable());
        if (served == servable && line.waiting.is_empty())
            || phase_at(&c.terms.schedule, c.reached, now) != Phase::Open
            || c.reached != Phase::Open
            || line.last_step_at().is_some_and(|at| now < at + line.spacing())
        {
            return None;
        }
        let health = health_milli.min(WHOLE);
        let out = line.outstanding(now);
        let passes_max = line.passes_max(c.terms.limit_per_buyer, now);
        let scaled = (u64::from(passes_max) * u64::from(health) / u64::from(WHOLE)) as u32;
        let mut room = scaled.max(passes_max.min(1)).saturating_sub(out);
        if let Some(inside) = line.outflow.inside {
            room = room.min(inside.saturating_sub(out).saturating_sub(line.stock.holds));
        }
        let per_second = line
            .outflow
            .per_second
            .map(|rate| (u64::from(rate) * u64::from(health) / u64::from(WHOLE)).max(1) as u32);
        if let Some(rate) = per_second {
            room = room.min(line.pace.room(now, rate, line.spacing()));
        }
        let returned = planted!("returned-forgotten", 0, room.min(line.waiting.len() as u32));
        let through = served + (room - returned).min(servable - served);
        let anybody = returned > 0 || through > served;
        anybody.then_some(Change::Served { campaign, through, returned, per_second })
    }

    /// Return when somebody may next be called up in a campaign by the mere passing of time.
    pub fn next_served_at(&self, campaign: CampaignIx, now: Timestamp) -> Option<Timestamp> {
        let line = self.line(campaign)?;
        let c = &self.campaigns[campaign.index()];
        let nobody = line.served() == line.servable() && line.waiting.is_empty();
        if nobody || c.reached != Phase::Open {
            return None;
        }
        let spaced = line.last_step_at().map(|at| at + line.spacing()).filter(|at| *at > now);
        let paid = line.outflow.per_second.map(|rate| line.pace.next_at(rate));
        let lapse = line.steps.iter().map(|step| step.at + line.terms.pass).find(|at| *at > now);
        // Whichever of these holds people back, looking again at the next of them is soon enough:
        // stock and settings change only by an action, which wakes the ledger anyway.
        spaced.into_iter().chain(paid.filter(|at| *at > now)).chain(lapse).min()
    }

    /// Return what a put changes about the line of a campaign, if it changes anything.
    pub(super) fn put_line(
        &self,
        campaign: CampaignIx,
        terms: Option<&LineTerms>,
        commitment: &mut dyn FnMut(u8) -> [u8; 32],
    ) -> Option<Change> {
        let terms = terms?;
        let commitments = match self.line(campaign) {
            Some(line) if line.terms == *terms => return None,
            // What was promised stays promised.
            Some(line) if self.campaigns[campaign.index()].reached != Phase::Draft => {
                line.commitments.clone()
            }
            _ => (0..terms.lanes().len() as u8).map(commitment).collect(),
        };
        Some(Change::Line { campaign, terms: Box::new(terms.clone()), commitments })
    }

    /// Refuse changes of a line that people may have joined under other terms.
    pub(super) fn check_put_line(
        &self,
        campaign: CampaignIx,
        terms: Option<&LineTerms>,
    ) -> Result<(), String> {
        let Some(c) = self.campaigns.get(campaign.index()) else { return Ok(()) };
        let say = |what: &str| Err(what.to_owned());
        match (self.line(campaign), terms) {
            (None, None) => Ok(()),
            (Some(_), None) => say("line: cannot be taken away; make a new campaign"),
            (None, Some(_)) if c.reached >= Phase::Draw => {
                say("line: too late for one; it is put before the draw or the opening")
            }
            (None, Some(_)) => Ok(()),
            (Some(line), Some(terms)) => {
                let fixed = LineTerms { outflow: line.terms.outflow, ..terms.clone() };
                if fixed != line.terms && c.reached != Phase::Draft {
                    return say("line: only its outflow changes once the campaign is published");
                }
                Ok(())
            }
        }
    }
}

impl LineState {
    fn last_step_at(&self) -> Option<Timestamp> {
        let again = self.again.back().map(|again| again.at);
        self.steps.back().map(|step| step.at).max(again)
    }
}

/// Check a draw against what the ledger knows itself.
pub(super) fn check_draw(line: &LineState, facts: &DrawFacts) -> Result<(), &'static str> {
    let lane = &line.lanes[usize::from(facts.lane)];
    if facts.count != lane.participants {
        return Err("draw: not as many took part as joined");
    }
    if facts.seed.commitment() != line.commitments[usize::from(facts.lane)] {
        return Err("draw: not the seed that was promised");
    }
    if facts.turn != Turn::of(facts.list_digest, lane.public_value.as_deref()) {
        return Err("draw: not the turn of the list and the public value");
    }
    Ok(())
}
