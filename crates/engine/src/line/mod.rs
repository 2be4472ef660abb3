//! The line of a campaign, as callers use it.
//!
//! | file | idea |
//! |---|---|
//! | `ask.rs` | what may be asked: join, return, outflow, public value |
//! | `standing.rs` | where a ticket stands, from memory alone |
//! | `view.rs` | what everybody may know about a line, published after each sync |
//! | `pass.rs` | the check of a pass before a reserve, in its place in the contract |
//! | `indexer.rs` | the draw and everybody's place, in the background |
//!
//! A ticket counts once its record is durable. Its place in a draw follows from the seed, the list and
//! the turn, so it is computed again after a restart and comes out the same.

mod ask;
pub(crate) mod indexer;
pub(crate) mod pass;
mod standing;
mod view;

pub use ask::{JoinRequest, Ticket};
pub use onrush_core::line::{Eta, Odds};
pub use pass::{Pass, PassShown};
pub use standing::Standing;
pub use view::{DrawView, LaneView, LineView};

use crate::secret::Secret;
use arc_swap::ArcSwap;
use onrush_core::ledger::{Ledger, LineState};
use onrush_core::line::outflow::ShopHealth;
use onrush_core::line::terms::LineTerms;
use onrush_core::line::tickets::Tickets;
use onrush_core::line::wheel::LANES_MAX;
use onrush_core::line::{
    Forecast, Forecaster, ListDigest, Places, Pseudonyms, Sample, Seed, Weights,
};
use onrush_types::{CampaignIx, Name, Timestamp};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use view::Published;

/// A line in which nobody is called up is looked at this often.
const FORECAST_EVERY_MS: u64 = 100;

/// What callers, the ledger thread and the indexer share about one line.
pub(crate) struct LineShared {
    pub(crate) campaign: CampaignIx,
    pub(crate) tickets: Arc<Tickets>,
    pub(crate) pseudonyms: Pseudonyms,
    pub(crate) seeds: Vec<Seed>,
    pub(crate) weights: Weights,
    pub(crate) terms: LineTerms,
    pub(crate) published: ArcSwap<Published>,
    /// About where tickets stand that have no place yet, for each lane that was drawn.
    pub(crate) places: [OnceLock<Places>; LANES_MAX],
    /// Every so many participants of a lane, the number of a ticket: where to look for a page.
    pub(crate) marks: Mutex<Vec<Vec<u32>>>,
    /// The list of each lane that is closed and waits for its draw.
    pub(crate) closed: Mutex<Vec<Option<(u32, ListDigest)>>>,
    /// Learns how long it takes. Ledger thread only.
    forecaster: Mutex<Forecaster>,
    health: Mutex<ShopHealth>,
    health_milli: AtomicU32,
}

impl std::fmt::Debug for LineShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LineShared({:?})", self.campaign)
    }
}

impl LineShared {
    fn new(
        campaign: CampaignIx,
        name: &Name,
        line: &LineState,
        secret: &Secret,
        published: Published,
    ) -> LineShared {
        let lanes = line.lanes.len();
        let health = ShopHealth::default();
        LineShared {
            campaign,
            tickets: line.tickets().clone(),
            pseudonyms: pseudonyms(secret, campaign, name),
            seeds: (0..lanes).map(|lane| seed(secret, campaign, name, lane as u8)).collect(),
            weights: line.terms.weights(),
            terms: line.terms.clone(),
            published: ArcSwap::from_pointee(published),
            places: Default::default(),
            marks: Mutex::new(vec![Vec::new(); lanes]),
            closed: Mutex::new(vec![None; lanes]),
            health_milli: AtomicU32::new(health.milli()),
            forecaster: Mutex::default(),
            health: Mutex::new(health),
        }
    }

    /// Return the line of a campaign for callers: the one there was, or a new one.
    pub(crate) fn of(
        ledger: &Ledger,
        campaign: CampaignIx,
        before: Option<&Arc<LineShared>>,
        secret: &Secret,
    ) -> Option<Arc<LineShared>> {
        let line = ledger.line(campaign)?;
        if let Some(same) = before.filter(|before| Arc::ptr_eq(&before.tickets, line.tickets())) {
            return Some(same.clone());
        }
        let published = Published::of(ledger, campaign, None)?;
        let name = &ledger.campaigns()[campaign.index()].name;
        Some(Arc::new(LineShared::new(campaign, name, line, secret, published)))
    }

    /// Let callers see the line as it is in `ledger`, after the sync.
    pub(crate) fn publish(&self, ledger: &Ledger) {
        let Some(line) = ledger.line(self.campaign) else { return };
        self.tickets.publish(line.joined());
        let before = self.published.load();
        if let Some(next) = Published::of(ledger, self.campaign, Some(&before)) {
            let (forecast, forecast_at) = self.forecast(&next.view, &before);
            self.published.store(Arc::new(Published { forecast, forecast_at, ..next }));
        }
    }

    /// Learn from the line as it is now: when people were called up, and now and then when not.
    fn forecast(&self, now: &LineView, before: &Published) -> (Forecast, Timestamp) {
        let ticked = now.serving != before.view.serving
            || now.paused != before.view.paused
            || now.outflow != before.view.outflow
            || now.at.since(before.forecast_at).0 >= FORECAST_EVERY_MS;
        // Before the first draw there is nothing to learn from.
        if !ticked || now.length == 0 {
            return (before.forecast, before.forecast_at);
        }
        let mut forecaster = self.forecaster.lock();
        forecaster.tick(Sample {
            at: now.at,
            served: now.serving,
            waiting: now.length - now.serving,
            per_second: now.outflow.per_second,
            // A line in which everybody was called up is not slow.
            paused: now.paused || now.length == now.serving,
        });
        (forecaster.forecast(), now.at)
    }

    /// Return how much of its people the shop can take, in thousandths.
    pub(crate) fn health_milli(&self) -> u32 {
        // Relaxed: a figure that stands alone.
        self.health_milli.load(Ordering::Relaxed)
    }

    /// Take a report of the shop into account.
    pub(crate) fn report(&self, good: bool, now: Timestamp) {
        let mut health = self.health.lock();
        health.report(good, now);
        // Relaxed: as above.
        self.health_milli.store(health.milli(), Ordering::Relaxed);
    }
}

/// Derive the seed of a lane's draw. It follows from the data folder's secret, so no restart and no
/// second attempt draws another one.
pub(crate) fn seed(secret: &Secret, campaign: CampaignIx, name: &Name, lane: u8) -> Seed {
    Seed(secret.derive(&format!("draw/{campaign}/{name}/{lane}")))
}

/// Return what makes the pseudonyms of a campaign, for whoever has the data folder's secret.
pub fn pseudonyms(secret: &Secret, campaign: CampaignIx, name: &Name) -> Pseudonyms {
    Pseudonyms::new(&pseudonym_key(secret, campaign, name))
}

fn pseudonym_key(secret: &Secret, campaign: CampaignIx, name: &Name) -> [u8; 32] {
    secret.derive(&format!("draw/{campaign}/{name}/pseudonyms"))
}
