//! `GET /admin/v1/campaigns/{campaign}/waitlist`: every line of a campaign in figures.

use crate::admin::{Listing, Page};
use crate::config::Scope;
use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::{Waiting, What};
use onrush::ledger::Ledger;
use onrush::{CampaignIx, Name, SkuIx, Timestamp, WaitFigures};
use serde_json::{Value, json as value};

/// One line.
#[derive(Debug)]
pub(crate) struct WaitRow {
    sku: Name,
    waiting: u32,
    units: u64,
    joined: u32,
    figures: WaitFigures,
}

impl Gateway {
    pub(crate) fn list_waitlist(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let page = Page::read(ask.query)?;
        let campaign = self.engine.campaign(campaign).ok_or_else(Problem::not_found)?.ix();
        let inspect = self.engine.inspect(move |ledger| Some(lines(ledger, campaign, &page)));
        Ok(Reply::Wait(Waiting::of(Route::AdminWaitlist, What::Listing(inspect))))
    }
}

/// Copy one page. Pages go by the SKU's number; O(lines of the page, and who waits in them).
fn lines(ledger: &Ledger, campaign: CampaignIx, page: &Page) -> Listing {
    let from = SkuIx(page.first());
    let of_campaign = |sku: &SkuIx| ledger.skus()[sku.index()].campaign == campaign;
    let mut queues = ledger.wait_queues().filter(|(sku, _)| *sku >= from && of_campaign(sku));
    let mut rows = Vec::new();
    let mut last = None;
    for (sku, queue) in queues.by_ref().take(page.limit()) {
        last = Some(sku.0);
        rows.push(WaitRow {
            sku: ledger.skus()[sku.index()].name.clone(),
            waiting: queue.waiting(),
            units: queue.iter().map(|wish| u64::from(wish.quantity.get())).sum(),
            joined: queue.next_number(),
            figures: queue.figures(),
        });
    }
    let more = queues.next().is_some();
    Listing::Waitlist(rows, last.filter(|_| more))
}

impl WaitRow {
    pub(crate) fn value(&self) -> Value {
        value!({
            "sku": self.sku.as_str(), "waiting": self.waiting, "units_wished": self.units,
            "joined": self.joined, "offers": self.figures.offers, "left": self.figures.left,
            "skipped": self.figures.skipped,
        })
    }
}
