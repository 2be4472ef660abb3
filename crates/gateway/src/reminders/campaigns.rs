//! The engine's campaigns as reminders see them.

use crate::config::Shown;
use onrush::{BuyerDigest, Campaign, CampaignIx, Engine, Name, Phase, Timestamp};
use onrush_notify::{Campaigns, Facts, Stage};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Issues a ticket in advance and returns its link.
pub type TicketLink = Box<dyn Fn(&Campaign, BuyerDigest) -> Option<String> + Send + Sync>;

/// Campaigns by number.
pub(super) struct EngineCampaigns {
    engine: Engine,
    /// A campaign keeps its number and name; at most one entry a campaign.
    names: RwLock<BTreeMap<CampaignIx, Name>>,
    tickets: Arc<OnceLock<TicketLink>>,
}

impl EngineCampaigns {
    pub(super) fn new(engine: Engine, tickets: Arc<OnceLock<TicketLink>>) -> EngineCampaigns {
        EngineCampaigns { engine, names: RwLock::default(), tickets }
    }

    fn campaign(&self, ix: CampaignIx) -> Option<Arc<Campaign>> {
        if let Some(name) = self.names.read().get(&ix) {
            return self.engine.campaign(name.as_str());
        }
        let campaign = self.engine.campaigns().into_iter().find(|campaign| campaign.ix() == ix)?;
        self.names.write().insert(ix, campaign.name().clone());
        Some(campaign)
    }
}

impl Campaigns for EngineCampaigns {
    fn facts(&self, ix: CampaignIx, now: Timestamp) -> Option<Facts> {
        let campaign = self.campaign(ix)?;
        let phase = campaign.phase(now);
        let terms = campaign.terms();
        Some(Facts {
            name: campaign.name().clone(),
            title: Shown::of(terms).title,
            // What is a draft again is announced to nobody.
            opens_at: terms.schedule.opens_at.filter(|_| phase != Phase::Draft),
            stage: if has_started(phase) { Stage::Started } else { Stage::Before },
        })
    }

    fn ticket_link(&self, buyer: BuyerDigest, ix: CampaignIx) -> Option<String> {
        let issue = self.tickets.get()?;
        issue(&*self.campaign(ix)?, buyer)
    }
}

/// Tell whether a reminder would come too late.
pub(super) fn has_started(phase: Phase) -> bool {
    !matches!(phase, Phase::Draft | Phase::Scheduled | Phase::Preheat | Phase::Draw)
}
