//! Campaigns, supply and phases by hand.

use super::{Listing, by, checked_reason, listing};
use crate::config::{CampaignBody, Scope, phase_named};
use crate::gateway::{Ask, Gateway, Reply};
use crate::line::parameter;
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::{Waiting, What};
use crate::wire::{PhaseBody, SupplyBody, read_json};
use onrush::Timestamp;

impl Gateway {
    pub(crate) fn put_campaign(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: CampaignBody = read_json(ask.headers, ask.body)?;
        let spec = self.checked_campaign(campaign, &body)?;
        let reason = parameter(ask.query.unwrap_or_default(), "reason");
        let reason = reason.as_deref().map(checked_reason).transpose()?;
        let key = self.authorised(ask, now, Scope::Admin)?;
        // Terms have no author in the journal: who put them, and why, is in the log.
        tracing::info!(who = key.name.as_str(), campaign, reason, "campaign put");
        Ok(wait(Route::AdminPut, What::Campaign(self.engine.put_campaign(spec))))
    }

    pub(crate) fn supply(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: SupplyBody<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        let by = by(&*self.authorised(ask, now, Scope::Operate)?, reason);
        let campaign = self.engine.campaign(campaign).ok_or_else(Problem::not_found)?;
        let sku = campaign.sku(&body.sku).ok_or_else(Problem::not_found)?;
        let pending = self.engine.supply(sku.ix, body.quantity, by);
        Ok(wait(Route::AdminSupply, What::Units(pending)))
    }

    pub(crate) fn move_phase(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: PhaseBody<'_> = read_json(ask.headers, ask.body)?;
        let to = phase_named(&body.to).ok_or_else(|| {
            Problem::invalid("to: one of \"open\", \"paused\", \"closed\" and \"settled\"")
        })?;
        let reason = checked_reason(&body.reason)?;
        let by = by(&*self.authorised(ask, now, Scope::Operate)?, reason);
        let campaign = self.engine.campaign(campaign).ok_or_else(Problem::not_found)?;
        let pending = self.engine.move_phase(&campaign, to, by);
        Ok(wait(Route::AdminPhase, What::Campaign(pending)))
    }

    pub(crate) fn list_campaigns(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let page = listing::Page::read(ask.query)?;
        let inspect = self.engine.inspect(move |ledger| Some(Listing::campaigns(ledger, &page)));
        Ok(wait(Route::AdminCampaigns, What::Listing(inspect)))
    }

    pub(crate) fn show_campaign(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let name = campaign.to_owned();
        let inspect = self.engine.inspect(move |ledger| Listing::campaign(ledger, &name));
        Ok(wait(Route::AdminCampaign, What::Listing(inspect)))
    }
}

pub(super) fn wait(route: Route, what: What) -> Reply {
    Reply::Wait(Waiting::of(route, what))
}
