//! The line of a campaign as the ledger knows it: tickets, lanes, who was called up when.
//!
//! Places are dense over the whole line: lane 0 (its draw, then those who came after), lane 1, … The
//! first `served()` places were called up, in *steps*. A step is valid for the pass time, can be taken
//! up again for the grace time, and is forgotten then: its unused places are lost. A place that was
//! passed over and asked to return is called up once more, ahead of new places.

use super::state::Ledger;
use crate::line::draw::{Seed, Turn};
use crate::line::list::ListDigest;
use crate::line::outflow::{Learned, Outflow, Pace};
use crate::line::terms::LineTerms;
use crate::line::tickets::{TicketRow, Tickets};
use crate::phase::Phase;
use hashbrown::HashTable;
use onrush_types::limits::LINE_STEPS_MAX;
use onrush_types::planted;
use onrush_types::{BuyerDigest, CampaignIx, DurationMs, TicketNo, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;

/// Two steps are at least this far apart.
const STEP_MS_MIN: u64 = 20;

/// The line of one campaign.
#[derive(Debug)]
pub struct LineState {
    /// Its terms, as they were put.
    pub terms: LineTerms,
    /// How fast people are let in now; an operator may have changed it since.
    pub outflow: Outflow,
    /// What was promised about the seed of each lane.
    pub commitments: Vec<[u8; 32]>,
    /// Its lanes.
    pub lanes: Vec<LaneState>,
    /// When the sale opened.
    pub opened_at: Option<Timestamp>,
    /// Since when it is paused, if it is.
    pub paused_at: Option<Timestamp>,
    pub(super) tickets: Arc<Tickets>,
    /// Tickets by buyer; keys are read from the tickets.
    pub(super) index: HashTable<u32>,
    /// Steps that are not forgotten, oldest first.
    pub(super) steps: VecDeque<Step>,
    /// Places of steps that are forgotten.
    pub(super) forgotten: u32,
    /// Passed over, and waiting to be called up again, in that order.
    pub(super) waiting: VecDeque<u32>,
    /// Called up again and neither used nor over, in the order of their times.
    pub(super) again: VecDeque<Again>,
    pub(super) learned: Learned,
    pub(super) pace: Pace,
    pub(super) used: u32,
    pub(super) stock: StockSum,
    /// Tickets of each lane so far, while a snapshot is loaded.
    pub(super) loaded: Vec<u32>,
}

/// People who enter at the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneState {
    /// How long after the opening it starts.
    pub after: DurationMs,
    /// Who joined before it started, and is drawn.
    pub participants: u32,
    /// Who came after that, in the order in which they came.
    pub arrivals: u32,
    /// The public value, once it is set.
    pub public_value: Option<String>,
    /// Its draw, once it was held.
    pub drawn: Option<Drawn>,
}

/// What was made known about a draw when it was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// How many took part.
    pub count: u32,
    /// The digest of their list.
    pub list_digest: ListDigest,
    /// The number that turned the wheel.
    pub turn: Turn,
    /// The seed, secret until then.
    pub seed: Seed,
}

/// Places that were called up together: those from the step before up to `through`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// All places before this one were called up by then.
    pub through: u32,
    /// When; later by the length of each pause since.
    pub at: Timestamp,
    /// How many of them were used.
    pub used: u32,
    /// How many units were taken with them.
    pub units: u32,
    /// Its time is over, and was counted.
    pub counted: bool,
}

/// A ticket that was called up a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// Which ticket.
    pub number: TicketNo,
    /// When.
    pub at: Timestamp,
}

/// The units of all SKUs of a campaign together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StockSum {
    /// Units nobody holds.
    pub free: u64,
    /// Units on hold.
    pub held: u64,
    /// Units sold or withdrawn.
    pub gone: u64,
    /// Holds.
    pub holds: u32,
}

/// Where a place stands that was called up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// It can be used until then.
    Up {
        /// Until when.
        until: Timestamp,
    },
    /// It was passed over and can be taken up again until then.
    PassedOver {
        /// Until when.
        until: Timestamp,
    },
    /// It is over.
    Lost,
}

impl LineState {
    pub(super) fn new(terms: LineTerms, commitments: Vec<[u8; 32]>) -> LineState {
        let lane = |after| LaneState {
            after,
            participants: 0,
            arrivals: 0,
            public_value: None,
            drawn: None,
        };
        LineState {
            lanes: terms.lanes().into_iter().map(lane).collect(),
            outflow: terms.outflow,
            terms,
            commitments,
            opened_at: None,
            paused_at: None,
            tickets: Arc::default(),
            index: HashTable::new(),
            steps: VecDeque::new(),
            forgotten: 0,
            waiting: VecDeque::new(),
            again: VecDeque::new(),
            learned: Learned::default(),
            pace: Pace::default(),
            used: 0,
            stock: StockSum::default(),
            loaded: Vec::new(),
        }
    }

    /// Return its tickets, which others may read while the ledger goes on.
    pub fn tickets(&self) -> &Arc<Tickets> {
        &self.tickets
    }

    /// Return how many joined.
    pub fn joined(&self) -> u32 {
        self.tickets.made()
    }

    /// Return a ticket as it was decided.
    pub fn ticket(&self, number: TicketNo) -> Option<TicketRow> {
        self.tickets.decided(number)
    }

    /// Find the ticket of a buyer.
    pub fn ticket_of(&self, buyer: BuyerDigest) -> Option<TicketNo> {
        let is_theirs = |&number: &u32| self.tickets.digest(TicketNo(number)) == Some(buyer);
        self.index.find(buyer.hash64(), is_theirs).map(|&number| TicketNo(number))
    }

    /// Return how many places were called up.
    pub fn served(&self) -> u32 {
        self.steps.back().map_or(self.forgotten, |step| step.through)
    }

    /// Return the steps that are not forgotten, oldest first.
    pub fn steps(&self) -> &VecDeque<Step> {
        &self.steps
    }

    /// Return how many places belong to steps that are forgotten.
    pub fn forgotten(&self) -> u32 {
        self.forgotten
    }

    /// Return who was passed over and waits to be called up again, the first first.
    pub fn returning(&self) -> impl Iterator<Item = TicketNo> {
        self.waiting.iter().map(|&number| TicketNo(number))
    }

    /// Return who was called up again.
    pub fn called_again(&self) -> &VecDeque<Again> {
        &self.again
    }

    /// Return how many tickets were used.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// Return what was learned about passes and holds, with all that is over at `now`. O(steps).
    pub fn learned(&self, now: Timestamp) -> Learned {
        let now = self.as_of(now);
        let mut learned = self.learned;
        let mut from = self.forgotten;
        for step in &self.steps {
            if !step.counted && now >= step.at + self.terms.pass {
                learned.passes_over(step.through - from, step.units);
            }
            from = step.through;
        }
        for _ in self.again.iter().take_while(|again| now >= again.at + self.terms.pass) {
            learned.passes_over(1, 0);
        }
        learned
    }

    /// Return the units of all SKUs together.
    pub fn stock(&self) -> StockSum {
        self.stock
    }

    /// Return the passes that can be used at `now`.
    pub fn outstanding(&self, now: Timestamp) -> u32 {
        let now = self.as_of(now);
        let mut from = self.forgotten;
        let mut out = 0;
        for step in &self.steps {
            if now < step.at + self.terms.pass {
                out += step.through - from - step.used;
            }
            from = step.through;
        }
        let over = self.again.partition_point(|again| again.at + self.terms.pass <= now);
        out + planted!("second-calls-uncounted", 0, (self.again.len() - over) as u32)
    }

    /// Tell what a place that was called up is worth at `now`; `None`: it was not. O(log steps).
    pub fn called(&self, place: u32, now: Timestamp) -> Option<Called> {
        if place >= self.served() {
            return None;
        }
        if place < self.forgotten {
            return Some(Called::Lost);
        }
        let step = &self.steps[self.step_of(place)];
        Some(self.called_at(step.at, now))
    }

    pub(super) fn called_at(&self, at: Timestamp, now: Timestamp) -> Called {
        let now = self.as_of(now);
        let (until, lost_at) = (at + self.terms.pass, at + self.terms.pass + self.terms.grace);
        if now < until {
            Called::Up { until }
        } else if now < lost_at {
            Called::PassedOver { until: lost_at }
        } else {
            Called::Lost
        }
    }

    pub(super) fn step_of(&self, place: u32) -> usize {
        self.steps.partition_point(|step| step.through <= place)
    }

    /// Time stands still for passes while the sale is paused.
    fn as_of(&self, now: Timestamp) -> Timestamp {
        self.paused_at.map_or(now, |paused| now.min(paused))
    }

    /// Return the first place of a lane. Fixed once the lane has started.
    pub fn base(&self, lane: usize) -> u32 {
        self.lanes[..lane].iter().map(|lane| lane.participants + lane.arrivals).sum()
    }

    /// Return how many places can be called up: those of lanes that were drawn, up to the first that
    /// was not.
    pub fn servable(&self) -> u32 {
        let fence = |lane: &&LaneState| planted!("draw-fence-skipped", true, lane.drawn.is_some());
        let drawn = self.lanes.iter().take_while(fence);
        drawn.map(|lane| lane.participants + lane.arrivals).sum()
    }

    /// Return how far apart steps are at least, so that those not forgotten stay within bounds.
    pub fn spacing(&self) -> DurationMs {
        let kept_ms = self.terms.pass.0 + self.terms.grace.0;
        DurationMs(kept_ms.div_ceil(LINE_STEPS_MAX as u64).max(STEP_MS_MIN))
    }

    /// Return how many passes may be out at `now`: what can still be sold, by what a pass takes.
    pub fn passes_max(&self, limit_per_buyer: u32, now: Timestamp) -> u32 {
        let learned = self.learned(now);
        let back = u64::from(learned.share_back_milli());
        let units_milli = self.stock.free * 1_000 + self.stock.held * back;
        if units_milli == 0 {
            return 0;
        }
        let most = self.outflow.passes_per_unit_max;
        let k_milli = learned.passes_per_unit_milli(limit_per_buyer, most);
        let passes = u128::from(units_milli) * u128::from(k_milli) / 1_000_000;
        u32::try_from(passes).unwrap_or(u32::MAX).max(1)
    }
}

impl Ledger {
    /// Return the line of a campaign, if it has one.
    pub fn line(&self, campaign: CampaignIx) -> Option<&LineState> {
        self.lines.get(campaign.index())?.as_deref()
    }

    /// Return the campaigns that have a line.
    pub fn waiting_lines(&self) -> impl Iterator<Item = (CampaignIx, &LineState)> {
        let numbered = (0..).map(CampaignIx).zip(&self.lines);
        numbered.filter_map(|(ix, line)| Some((ix, line.as_deref()?)))
    }

    /// Return when a lane starts, where that is planned or known.
    pub fn lane_starts_at(&self, campaign: CampaignIx, lane: u8) -> Option<Timestamp> {
        let line = self.line(campaign)?;
        let planned = self.campaigns[campaign.index()].terms.schedule.opens_at;
        let opened_at = line.opened_at.or(planned)?;
        Some(opened_at + line.lanes.get(usize::from(lane))?.after)
    }

    /// Return when joining the draw of a lane ends and its public value may be set: as long before
    /// the lane starts as the campaign draws before it opens.
    pub fn lane_closes_at(&self, campaign: CampaignIx, lane: u8) -> Option<Timestamp> {
        let schedule = &self.campaigns.get(campaign.index())?.terms.schedule;
        let starts_at = self.lane_starts_at(campaign, lane)?;
        let window = schedule.opens_at?.since(schedule.draw_at?);
        Some(starts_at - window)
    }

    /// Tell whether a lane has started at `now`.
    pub fn lane_started(&self, campaign: CampaignIx, lane: u8, now: Timestamp) -> bool {
        let started = self.lane_starts_at(campaign, lane).is_some_and(|at| at <= now);
        started && self.campaigns[campaign.index()].reached != Phase::Draft
    }

    /// Return the lane that somebody of `class` joins at `now`, and whether it has started.
    pub(super) fn lane_to_join(
        &self,
        campaign: CampaignIx,
        class: u8,
        now: Timestamp,
    ) -> Option<(u8, bool)> {
        let line = self.line(campaign)?;
        let own = line.terms.lane_of(class)?;
        let lanes = (0..line.lanes.len() as u8).rev();
        let latest = lanes.into_iter().find(|&lane| self.lane_started(campaign, lane, now));
        let lane = planted!("latecomers-first", own, own.max(latest.unwrap_or(0)));
        Some((lane, latest.is_some_and(|latest| lane <= latest)))
    }
}
