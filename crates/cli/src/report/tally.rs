//! What only the records tell: when things happened, who did them by hand, how the line went. Seen once,
//! in the order of the journal; what the ledger keeps anyway is read from it afterwards.
//!
//! Memory: eight bytes a reservation, what a line's own report needs a ticket, and tables of bounded size.

use super::series::{Event, Series};
use hdrhistogram::Histogram;
use onrush::ledger::{
    By, Change, Holds, Ledger, NodeChange, PaidOutcome, Record, Source, WaitChange,
};
use onrush::{CampaignIx, Phase, ReservationSeq, Secret, SkuIx, State, Timestamp};
use onrush_core::line::fairness::History;
use onrush_core::line::fairness_facts::FactReader;

/// Things done by hand that are listed; the rest is counted.
const BY_HAND_MAX: usize = 10_000;
/// Spans beyond this count as this long: eleven days.
const SPAN_MS_MAX: u64 = 1_000_000_000;

/// Everything noted while the journal was read.
#[derive(Debug)]
pub(super) struct Tally {
    secret: Secret,
    pub(super) campaigns: Vec<CampaignTally>,
    pub(super) skus: Vec<SkuTally>,
    /// When each reservation was sold last; zero: never.
    sold_at: Vec<Timestamp>,
    /// From the sale to its first plan.
    pub(super) planned_after: Histogram<u64>,
    /// From the sale to the store's handing it over.
    pub(super) handed_over_after: Histogram<u64>,
    pub(super) by_hand: Vec<ByHand>,
    pub(super) by_hand_more: u64,
}

/// What was noted about a campaign.
#[derive(Debug)]
pub(super) struct CampaignTally {
    pub(super) whole: Series,
    pub(super) opening: Option<Series>,
    pub(super) opened_at: Option<Timestamp>,
    pub(super) closed_at: Option<Timestamp>,
    /// From the hold to its payment, for what was paid in time.
    pub(super) paid_after: Histogram<u64>,
    /// Payments after the deadline that found units, and those that found none.
    pub(super) retaken: u64,
    pub(super) too_late: u64,
    /// Holds under review that were accepted and rejected.
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    /// The facts of its line, if it has one.
    pub(super) line: Option<(FactReader, History)>,
}

/// What was noted about a SKU.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SkuTally {
    pub(super) first_sold_at: Option<Timestamp>,
    pub(super) last_sold_at: Option<Timestamp>,
    /// When no unit was free for the first time.
    pub(super) all_taken_at: Option<Timestamp>,
    /// Units that people wished for on the waitlist, and that were offered to them.
    pub(super) wished_units: u64,
    pub(super) offered_units: u64,
    /// Units of late payments that found none.
    pub(super) too_late_units: u64,
}

/// Something an operator or a key did.
#[derive(Debug)]
pub(super) struct ByHand {
    pub(super) at: Timestamp,
    pub(super) campaign: String,
    /// A key of the words.
    pub(super) what: &'static str,
    /// To what: a SKU with units, a phase.
    pub(super) on: String,
    pub(super) who: String,
    pub(super) why: String,
}

impl Tally {
    /// Begin; `secret` is the folder's, for the pseudonyms of its lines.
    pub(super) fn new(secret: Secret) -> Tally {
        Tally {
            secret,
            campaigns: Vec::new(),
            skus: Vec::new(),
            sold_at: Vec::new(),
            planned_after: spans(),
            handed_over_after: spans(),
            by_hand: Vec::new(),
            by_hand_more: 0,
        }
    }

    /// Note one record; `ledger` is as of it.
    pub(super) fn visit(&mut self, record: &Record, ledger: &Ledger) {
        self.grow(ledger);
        let at = record.stamp;
        match &record.change {
            Change::Line { campaign, .. } => self.line(*campaign, ledger),
            Change::Joined { campaign, .. } => {
                self.campaigns[campaign.index()].event(at, Event::Joined);
            }
            Change::Phase { campaign, to, .. } => self.campaigns[campaign.index()].phase(*to, at),
            Change::Reserved(reserved) => self.held(reserved.sku, at, ledger),
            Change::Wait(WaitChange::Offered(offered)) => {
                self.skus[offered.sku.index()].offered_units += units(offered.wish.quantity);
                self.held(offered.sku, at, ledger);
            }
            Change::Wait(WaitChange::Joined { sku, wish }) => {
                self.skus[sku.index()].wished_units += units(wish.quantity);
            }
            Change::Confirmed { seq, .. } => self.sold(*seq, at, true, ledger),
            Change::Paid(paid) => match paid.outcome {
                PaidOutcome::Sold => self.sold(paid.seq, at, true, ledger),
                PaidOutcome::Retaken => self.sold(paid.seq, at, false, ledger),
                PaidOutcome::Refund => self.refused_money(paid.seq, ledger),
                PaidOutcome::Partial => {}
            },
            Change::Accepted { seq, .. } => self.campaign_of(*seq, ledger).accepted += 1,
            Change::Rejected { seq, .. } => self.campaign_of(*seq, ledger).rejected += 1,
            Change::Nodes(change) => self.nodes(change, at),
            _ => {}
        }
        self.note_by_hand(record, ledger);
        for campaign in &mut self.campaigns {
            if let Some((reader, history)) = &mut campaign.line
                && let Some(fact) = reader.read(record, ledger)
            {
                history.note(fact);
            }
        }
    }

    /// Make room for what the ledger knows by now.
    fn grow(&mut self, ledger: &Ledger) {
        self.campaigns.resize_with(ledger.campaigns().len(), CampaignTally::new);
        self.skus.resize(ledger.skus().len(), SkuTally::default());
        self.sold_at.resize(ledger.reservation_count() as usize, Timestamp(0));
    }

    fn line(&mut self, campaign: CampaignIx, ledger: &Ledger) {
        let name = &ledger.campaigns()[campaign.index()].name;
        let pseudonyms = onrush::pseudonyms(&self.secret, campaign, name);
        let line = &mut self.campaigns[campaign.index()].line;
        line.get_or_insert_with(|| (FactReader::new(campaign, pseudonyms), History::default()));
    }

    fn held(&mut self, sku: SkuIx, at: Timestamp, ledger: &Ledger) {
        let state = &ledger.skus()[sku.index()];
        self.campaigns[state.campaign.index()].event(at, Event::Held);
        if state.free == 0 {
            self.skus[sku.index()].all_taken_at.get_or_insert(at);
        }
    }

    fn sold(&mut self, seq: ReservationSeq, at: Timestamp, in_time: bool, ledger: &Ledger) {
        let Some(reservation) = ledger.reservation(seq) else { return };
        let sku = &mut self.skus[reservation.sku.index()];
        sku.first_sold_at.get_or_insert(at);
        sku.last_sold_at = Some(at);
        self.sold_at[seq.0 as usize] = at;
        let campaign = self.campaign_of(seq, ledger);
        campaign.event(at, Event::Sold);
        match ledger.held_at(seq).filter(|_| in_time) {
            Some(held_at) => note_span(&mut campaign.paid_after, held_at, at),
            None => campaign.retaken += 1,
        }
    }

    /// Money that is due back whole: of interest where it came for a hold that had expired.
    fn refused_money(&mut self, seq: ReservationSeq, ledger: &Ledger) {
        let Some(r) = ledger.reservation(seq).filter(|r| r.state == State::Expired) else { return };
        self.skus[r.sku.index()].too_late_units += units(r.quantity);
        self.campaign_of(seq, ledger).too_late += 1;
    }

    fn nodes(&mut self, change: &NodeChange, at: Timestamp) {
        match change {
            NodeChange::Planned(planned) if planned.attempt == 1 => {
                let sold_at = self.sold_at.get(planned.seq.0 as usize).copied();
                if let Some(sold_at) = sold_at.filter(|sold_at| sold_at.0 > 0) {
                    note_span(&mut self.planned_after, sold_at, at);
                }
            }
            NodeChange::Dispatched { seq, .. } | NodeChange::Collected { seq, .. } => {
                let sold_at = self.sold_at.get(seq.0 as usize).copied();
                if let Some(sold_at) = sold_at.filter(|sold_at| sold_at.0 > 0) {
                    note_span(&mut self.handed_over_after, sold_at, at);
                }
            }
            _ => {}
        }
    }

    fn campaign_of(&mut self, seq: ReservationSeq, ledger: &Ledger) -> &mut CampaignTally {
        let sku = ledger.reservation(seq).expect("its record was applied").sku;
        &mut self.campaigns[ledger.skus()[sku.index()].campaign.index()]
    }

    fn note_by_hand(&mut self, record: &Record, ledger: &Ledger) {
        let Some((campaign, what, on, by)) = by_hand(&record.change, ledger) else { return };
        if self.by_hand.len() >= BY_HAND_MAX {
            self.by_hand_more += 1;
            return;
        }
        let campaign =
            campaign.map_or_else(String::new, |ix| ledger.campaigns()[ix.index()].name.to_string());
        let (who, why) = (by.who.to_string(), by.why.to_string());
        self.by_hand.push(ByHand { at: record.stamp, campaign, what, on, who, why });
    }
}

impl CampaignTally {
    fn new() -> CampaignTally {
        CampaignTally {
            whole: Series::whole(),
            opening: None,
            opened_at: None,
            closed_at: None,
            paid_after: spans(),
            retaken: 0,
            too_late: 0,
            accepted: 0,
            rejected: 0,
            line: None,
        }
    }

    fn phase(&mut self, to: Phase, at: Timestamp) {
        match to {
            Phase::Open if self.opened_at.is_none() => {
                self.opened_at = Some(at);
                self.opening = Some(Series::opening(at));
            }
            Phase::Closed => self.closed_at = Some(at),
            _ => {}
        }
    }

    fn event(&mut self, at: Timestamp, event: Event) {
        self.whole.count(at, event);
        if let Some(opening) = &mut self.opening {
            opening.count(at, event);
        }
    }
}

/// Make an empty table of spans: three digits, to the millisecond.
fn spans() -> Histogram<u64> {
    Histogram::new_with_bounds(1, SPAN_MS_MAX, 3).expect("the bounds are in order")
}

fn note_span(spans: &mut Histogram<u64>, from: Timestamp, to: Timestamp) {
    // What lasts longer than the table reaches counts as its end.
    spans.saturating_record(to.0.saturating_sub(from.0));
}

fn units(quantity: onrush::Quantity) -> u64 {
    u64::from(quantity.get())
}

type Deed<'a> = (Option<CampaignIx>, &'static str, String, &'a By);

/// Return what somebody did by hand with a campaign, and to what. What is done for one buyer, and what
/// stores do with each shipment, is not listed: there is too much of it, and the tables have it.
fn by_hand<'a>(change: &'a Change, ledger: &Ledger) -> Option<Deed<'a>> {
    let sku_of = |sku: SkuIx, units: u32| {
        let state = &ledger.skus()[sku.index()];
        (Some(state.campaign), format!("{}: {units}", state.name))
    };
    Some(match change {
        Change::Phase { campaign, to, by: Some(by) } => {
            (Some(*campaign), "did_phase", to.as_str().to_owned(), by)
        }
        Change::Supplied { sku, units, source: Source::Operator(by) } => {
            let (campaign, on) = sku_of(*sku, *units);
            (campaign, "did_supply", on, by)
        }
        Change::Withdrawn { sku, units, by } => {
            let (campaign, on) = sku_of(*sku, *units);
            (campaign, "did_withdraw", on, by)
        }
        Change::Extended { holds, more, by } => {
            let (campaign, whose) = match holds {
                Holds::Campaign(campaign) => (Some(*campaign), "*".to_owned()),
                Holds::One(seq) => {
                    let sku = ledger.reservation(*seq).map(|r| &ledger.skus()[r.sku.index()]);
                    (sku.map(|sku| sku.campaign), format!("#{}", seq.0))
                }
            };
            (campaign, "did_extend", format!("{whose}: +{} s", more.0.div_ceil(1_000)), by)
        }
        Change::Outflow { campaign, outflow, by } => {
            let on = outflow.per_second.map_or_else(String::new, |n| format!("{n}/s"));
            (Some(*campaign), "did_outflow", on, by)
        }
        Change::PublicValue { campaign, value, by, .. } => {
            (Some(*campaign), "did_public_value", value.clone(), by)
        }
        Change::Nodes(change) => match &**change {
            NodeChange::Routing(routing) => {
                (None, "did_policy", routing.version.to_string(), &routing.by)
            }
            _ => return None,
        },
        _ => return None,
    })
}
