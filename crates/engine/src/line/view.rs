//! What everybody may know about a line. The ledger thread publishes it after each sync that touched
//! the line or its stock, so whatever is read here is durable.

use onrush_core::ledger::{Ledger, LineState, Step};
use onrush_core::line::outflow::Outflow;
use onrush_core::line::{Forecast, ListDigest, Seed, Turn};
use onrush_core::phase::Phase;
use onrush_types::{CampaignIx, DurationMs, TicketNo, Timestamp};
use std::sync::Arc;

/// The line as of the last durable record.
#[derive(Clone, Debug, PartialEq)]
pub struct LineView {
    /// Places that were called up: all before this one.
    pub serving: u32,
    /// Places that are known: those of lanes that were drawn, and who came after.
    pub length: u32,
    /// People who joined.
    pub joined: u32,
    /// Its lanes, the first first.
    pub lanes: Vec<LaneView>,
    /// Passes that can be used now.
    pub outstanding: u32,
    /// People who were passed over and wait to be called up again.
    pub returning: u32,
    /// People called up a minute, over the last ten seconds in which somebody was.
    pub per_minute: u32,
    /// How fast people are let in.
    pub outflow: Outflow,
    /// How long a pass can be used.
    pub pass: DurationMs,
    /// How long after that a place can be taken up again.
    pub grace: DurationMs,
    /// An operator paused the sale.
    pub paused: bool,
    /// Units nobody holds.
    pub free: u64,
    /// Units on hold.
    pub held: u64,
    /// Units that waves have yet to supply.
    pub to_come: u64,
    /// Nothing is left and nothing can come back: whoever waits now waits in vain.
    pub all_sold: bool,
    /// Thousandths of a unit that a pass takes, as measured.
    pub units_per_pass_milli: u32,
    /// Thousandths of held units that come back, as measured.
    pub share_back_milli: u32,
    /// The time of the record.
    pub at: Timestamp,
}

/// One lane.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneView {
    /// When it starts, where that is known.
    pub starts_at: Option<Timestamp>,
    /// When joining its draw ends and its public value may be set, where that is planned.
    pub closes_at: Option<Timestamp>,
    /// Its first place; fixed once it has started.
    pub base: u32,
    /// People who are drawn.
    pub participants: u32,
    /// People who came after it had started.
    pub arrivals: u32,
    /// What was promised about its seed.
    pub commitment: [u8; 32],
    /// The public value, once it is set.
    pub public_value: Option<String>,
    /// The draw, once it was held.
    pub drawn: Option<DrawView>,
}

/// What was made known when a draw was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrawView {
    /// How many took part.
    pub count: u32,
    /// The digest of their list.
    pub list_digest: ListDigest,
    /// The number that turned the wheel.
    pub turn: Turn,
    /// The seed.
    pub seed: Seed,
}

/// The view, and what else [`standing`](crate::Engine::standing) needs.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) view: Arc<LineView>,
    pub(crate) steps: Arc<[Step]>,
    pub(crate) forgotten: u32,
    pub(crate) paused_at: Option<Timestamp>,
    /// How long it takes, for any number of people ahead.
    pub(crate) forecast: Forecast,
    pub(crate) forecast_at: Timestamp,
    /// Who asked to be called up again and is not lost, by number; when they were, if they were.
    pub(crate) returns: Arc<[(TicketNo, Option<Timestamp>)]>,
}

/// The span over which the rate is measured.
const RATE_MS: u64 = 10_000;

impl Published {
    /// Describe the line of `campaign`; what `before` has and did not change is shared.
    pub(crate) fn of(
        ledger: &Ledger,
        campaign: CampaignIx,
        before: Option<&Published>,
    ) -> Option<Published> {
        let line = ledger.line(campaign)?;
        let steps = match before {
            Some(before) if same_steps(&before.steps, line) => before.steps.clone(),
            _ => line.steps().iter().copied().collect(),
        };
        let mut returns: Vec<_> = line.returning().map(|number| (number, None)).collect();
        returns.extend(line.called_again().iter().map(|again| (again.number, Some(again.at))));
        returns.sort_unstable_by_key(|known| known.0);
        Some(Published {
            view: Arc::new(view(ledger, campaign, line)),
            steps,
            forgotten: line.forgotten(),
            paused_at: line.paused_at,
            forecast: Forecast::default(),
            forecast_at: Timestamp(0),
            returns: returns.into(),
        })
    }
}

/// A step is added at the end, and all move when a pause ends; nothing else that a reader sees changes.
fn same_steps(before: &[Step], line: &LineState) -> bool {
    let seen = |step: &Step| (step.through, step.at);
    before.len() == line.steps().len()
        && before.first().map(seen) == line.steps().front().map(seen)
        && before.last().map(seen) == line.steps().back().map(seen)
}

fn view(ledger: &Ledger, campaign: CampaignIx, line: &LineState) -> LineView {
    let c = &ledger.campaigns()[campaign.index()];
    let now = ledger.stamp();
    let (stock, learned) = (line.stock(), line.learned(now));
    let waves = c.terms.waves.iter().skip(usize::from(c.waves_done));
    let to_come = waves.map(|wave| u64::from(wave.units)).sum();
    let nothing_left = stock.free + stock.held + to_come == 0;
    LineView {
        serving: line.served(),
        length: line.servable(),
        joined: line.joined(),
        lanes: (0..line.lanes.len()).map(|n| lane_view(ledger, campaign, line, n)).collect(),
        outstanding: line.outstanding(now),
        returning: line.returning().count() as u32,
        per_minute: per_minute(line, now),
        outflow: line.outflow,
        pass: line.terms.pass,
        grace: line.terms.grace,
        paused: c.reached == Phase::Paused,
        free: stock.free,
        held: stock.held,
        to_come,
        all_sold: nothing_left && stock.gone > 0,
        units_per_pass_milli: learned.units_per_pass_milli(),
        share_back_milli: learned.share_back_milli(),
        at: now,
    }
}

fn lane_view(ledger: &Ledger, campaign: CampaignIx, line: &LineState, n: usize) -> LaneView {
    let lane = &line.lanes[n];
    LaneView {
        starts_at: ledger.lane_starts_at(campaign, n as u8),
        closes_at: ledger.lane_closes_at(campaign, n as u8),
        base: line.base(n),
        participants: lane.participants,
        arrivals: lane.arrivals,
        commitment: line.commitments[n],
        public_value: lane.public_value.clone(),
        drawn: lane.drawn.map(|drawn| DrawView {
            count: drawn.count,
            list_digest: drawn.list_digest,
            turn: drawn.turn,
            seed: drawn.seed,
        }),
    }
}

/// Measure how many were called up, from the first to the last step of the last span with any.
fn per_minute(line: &LineState, now: Timestamp) -> u32 {
    let steps = line.steps();
    let Some(last) = steps.back() else { return 0 };
    let from = last.at - DurationMs(RATE_MS);
    let first = steps.partition_point(|step| step.at < from);
    let before = first.checked_sub(1).map_or(line.forgotten(), |at| steps[at].through);
    let called = u64::from(last.through - before);
    let span_ms = now.since(steps[first].at).0.clamp(1_000, RATE_MS);
    u32::try_from(called * 60_000 / span_ms).unwrap_or(u32::MAX)
}
