//! What may be asked about a line.

use super::{LineShared, LineView, Standing};
use crate::catalogue::Campaign;
use crate::engine::Engine;
use crate::flight::{LaneKind, Work};
use crate::pending::{Pending, View};
use crate::shared::Shared;
use onrush_core::ledger::{Action, By, Subject};
use onrush_core::line::outflow::Outflow;
use onrush_core::line::terms::LineTerms;
use onrush_core::line::{ListDigest, Pseudonym};
use onrush_core::refusal::Refusal;
use onrush_types::{BuyerDigest, TicketNo, Timestamp};
use std::sync::Arc;

/// Participants in one page at most.
const PAGE_MAX: usize = 65_536;
/// A mark is kept for each so many participants.
pub(super) const MARK_EVERY: u32 = 4_096;

/// A request for a place in a line.
#[derive(Clone, Copy, Debug)]
pub struct JoinRequest<'a> {
    /// The campaign.
    pub campaign: &'a Campaign,
    /// For whom.
    pub buyer: BuyerDigest,
    /// The tier the buyer was found to be in: its place in the line's terms; 0 is everybody.
    pub class: u8,
}

/// A place in a line, of one buyer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its number, dense from 0 in the order of joining.
    pub number: TicketNo,
    /// The tier's place in the line's terms.
    pub class: u8,
    /// Where its owner enters.
    pub lane: u8,
    /// When it was made, to a second.
    pub joined_at: Timestamp,
}

impl View for Ticket {
    fn of(shared: &Shared, subject: Subject) -> Option<Ticket> {
        let Subject::Ticket(campaign, number) = subject else { return None };
        let catalogue = shared.catalogue.load();
        let line = catalogue.list.get(campaign.index())?.line.as_ref()?;
        let row = line.tickets.read(number)?;
        Some(Ticket { number, class: row.class, lane: row.lane, joined_at: row.joined_at })
    }
}

impl Engine {
    /// Join the line of a campaign.
    ///
    /// One ticket a buyer and campaign, however often and from however many devices it is asked for:
    /// resolves to `Done` with a new one once it is durable, to `Already` with the one there was.
    /// Refused before preheat, and for a lane while it is being drawn (`NotOpen`, with the time to
    /// come back), after the close (`Ended`), and where only members may join (`NotEligible`).
    pub fn join(&self, ask: &JoinRequest<'_>) -> Pending<Ticket> {
        let JoinRequest { campaign, buyer, class } = *ask;
        self.shared().join(Action::Join { campaign: campaign.ix, buyer, class })
    }

    /// Return where a ticket stands, from what is durable. `None`: no such ticket. About 0.1 µs, no
    /// lock, no allocation.
    pub fn standing(&self, campaign: &Campaign, number: TicketNo) -> Option<Standing> {
        campaign.line.as_ref()?.standing(number, self.now())
    }

    /// Return a durable ticket.
    pub fn ticket(&self, campaign: &Campaign, number: TicketNo) -> Option<Ticket> {
        let row = campaign.line.as_ref()?.tickets.read(number)?;
        Some(Ticket { number, class: row.class, lane: row.lane, joined_at: row.joined_at })
    }

    /// Return whose a ticket is.
    pub fn ticket_buyer(&self, campaign: &Campaign, number: TicketNo) -> Option<BuyerDigest> {
        campaign.line.as_ref()?.tickets.buyer(number)
    }

    /// Return what everybody may know about the line of a campaign; `None`: it has none.
    pub fn line(&self, campaign: &Campaign) -> Option<Arc<LineView>> {
        Some(campaign.line.as_ref()?.published.load().view.clone())
    }

    /// Take up a place that was passed over: it is called up once more, ahead of new ones. `Already`
    /// when there is nothing to take up yet, [`Refusal::PassInvalid`] when it is too late.
    pub fn return_to_line(&self, campaign: &Campaign, number: TicketNo) -> Pending<Ticket> {
        let line = campaign.line.as_deref();
        let Some(row) = line.and_then(|line| line.tickets.read(number)) else {
            return Pending::refused(Refusal::NotFound);
        };
        let Some(place) = row.place else {
            // Places are being counted: nobody without one was called up and told so.
            let retry_after_ms = crate::front::OVERLOADED_RETRY_MS;
            return Pending::refused(Refusal::Overloaded { retry_after_ms });
        };
        self.shared().settle(Action::Return { campaign: campaign.ix, number, place })
    }

    /// Change how fast people are let in, from now on.
    pub fn set_outflow(
        &self,
        campaign: &Campaign,
        outflow: Outflow,
        by: By,
    ) -> Pending<Arc<Campaign>> {
        self.shared().settle(Action::SetOutflow { campaign: campaign.ix, outflow, by })
    }

    /// Set the public value of a lane's draw: once, between the end of joining and its start.
    pub fn set_public_value(
        &self,
        campaign: &Campaign,
        lane: u8,
        value: &str,
        by: By,
    ) -> Pending<Arc<Campaign>> {
        let value = value.to_owned();
        self.shared().settle(Action::SetPublicValue { campaign: campaign.ix, lane, value, by })
    }

    /// Return participants of a lane's draw in the order of joining, from the `from`th on, at most
    /// `max` (and 65,536): pseudonym and class. One hash each.
    pub fn participants(
        &self,
        campaign: &Campaign,
        lane: u8,
        from: u32,
        max: usize,
    ) -> Vec<(Pseudonym, u8)> {
        let line = campaign.line.as_deref();
        line.map_or_else(Vec::new, |line| line.participants(lane, from, max.min(PAGE_MAX)))
    }

    /// Return the list of a lane whose draw nobody can join any more, and that was not drawn yet: how
    /// many, and the digest that the draw will use.
    pub fn closed_list(&self, campaign: &Campaign, lane: u8) -> Option<(u32, ListDigest)> {
        *campaign.line.as_deref()?.closed.lock().get(usize::from(lane))?
    }

    /// Return the pseudonym of a buyer in a campaign, as the published list has it; `None`: the
    /// campaign has no line.
    pub fn pseudonym(&self, campaign: &Campaign, buyer: BuyerDigest) -> Option<Pseudonym> {
        Some(campaign.line.as_ref()?.pseudonyms.of(buyer))
    }

    /// Tell how the shop behind does: people are let in slower while it is slow or fails. It counts
    /// from now on and is not kept over a restart.
    pub fn report_shop(&self, campaign: &Campaign, latency_ms: u32, ok: bool) {
        if let Some(line) = &campaign.line {
            let most = line.published.load().view.outflow.shop_latency_ms_max;
            line.report(ok && latency_ms <= most, self.now());
        }
    }
}

impl Campaign {
    /// Return the terms of its line as they were put; `None`: it has none.
    #[inline]
    pub fn line(&self) -> Option<&LineTerms> {
        self.line.as_ref().map(|line| &line.terms)
    }
}

impl LineShared {
    fn participants(&self, lane: u8, from: u32, max: usize) -> Vec<(Pseudonym, u8)> {
        let published = self.published.load();
        let Some(of) = published.view.lanes.get(usize::from(lane)) else { return Vec::new() };
        let wanted = of.participants.saturating_sub(from).min(max as u32) as usize;
        let mark = from / MARK_EVERY;
        let Some(start) = self.marks.lock()[usize::from(lane)].get(mark as usize).copied() else {
            return Vec::new();
        };
        let rows = (start..self.tickets.count()).map_while(|n| self.tickets.read(TicketNo(n)));
        let theirs = rows.filter(|row| row.lane == lane);
        let page = theirs.skip((from - mark * MARK_EVERY) as usize).take(wanted);
        page.map(|row| (self.pseudonyms.of(row.buyer), row.class)).collect()
    }
}

impl Shared {
    /// Queue a request for a ticket.
    fn join(self: &Arc<Self>, action: Action) -> Pending<Ticket> {
        if let Some(error) = self.failure() {
            return Pending::ready(Err(error));
        }
        if self.stopping() {
            return Pending::refused(Refusal::Stopping);
        }
        let Some(credit) = self.flights.credit(LaneKind::Join) else {
            let retry_after_ms = crate::front::OVERLOADED_RETRY_MS;
            return Pending::refused(Refusal::Overloaded { retry_after_ms });
        };
        self.flights.fill(credit, Work::Act(action));
        self.flights.send(credit);
        self.bell.ring();
        Pending::flying(self, credit)
    }
}
