//! `POST /v1/campaigns/{campaign}/reservations`: the hot path.
//!
//! Shape, then identity, then one call of the engine, which checks campaign, repeat, phase, limit,
//! stock and capacity in this order. Nothing is awaited before the action is in the engine's queue,
//! so a connection that closes changes nothing.

use crate::funnel::{Row, Source};
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::Caller;
use crate::jitter::Jitter;
use crate::problem::Problem;
use crate::risk::Looked;
use crate::routes::Route;
use crate::stores::{Outlook, Wanted, in_units};
use crate::waiting::{Settled, Waiting, What};
use crate::wire::{Attribution, Details, ReserveBody};
use http::{HeaderMap, HeaderName};
use onrush::{
    Campaign, Decision, PassShown, Pending, Phase, Quantity, Refusal, Reservation, ReserveRequest,
    Timestamp,
};
use onrush_types::Name;
use onrush_types::limits::{KEY_BYTES_MAX, NAME_BYTES_MAX};
use onrush_types::planted;
use std::sync::Arc;

/// SKUs named as alternatives, and SKUs looked at to find them.
const ALTERNATIVES_MAX: usize = 4;
const ALTERNATIVES_SEEN_MAX: usize = 32;

impl Gateway {
    pub(crate) fn reserve(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
        jitter: &Jitter,
    ) -> Result<Reply, Problem> {
        let body = ReserveBody::read(ask.headers, ask.body)?;
        let quantity = Quantity::new(body.quantity).map_err(|e| Problem::invalid(e.to_string()))?;
        if body.sku.is_empty() || body.sku.len() > NAME_BYTES_MAX {
            return Err(Problem::invalid(format!("sku: 1 to {NAME_BYTES_MAX} characters")));
        }
        let key = idempotency_key(ask.headers)?.ok_or_else(|| {
            Problem::invalid(
                "send an `Idempotency-Key` header: a new value for each thing you want, the same \
                 one when you ask again",
            )
        })?;
        let ReserveBody {
            sku, buyer, destination, delivery, pickup_node, window, attribution, ..
        } = body;
        let asked = Details { destination, delivery, pickup_node, window, attribution };
        let details = asked.encode().map_err(Problem::invalid)?;

        let caller = self.caller(ask, now)?;
        let buyer = caller.buyer(buyer.as_deref(), &self.engine)?;
        let campaign = self.visible(campaign, now)?;
        let pass = self.pass_shown(&campaign, buyer, ask.headers, now);
        let request = ReserveRequest {
            campaign: &campaign,
            sku: &sku,
            quantity,
            buyer,
            key,
            review: false,
            details: details.as_deref(),
            pass,
        };
        let outlook = self.outlook_if_granted(&request, &asked, now)?;
        // A back end shows its own headers, not the buyer's: there is nothing to look at.
        let looked = match &caller {
            Caller::Buyer(buyer) => self.looked(&campaign, buyer, ask, &asked, now),
            Caller::BackEnd(_) => None,
        };
        let mut pending = match &looked {
            None => self.engine.reserve_at(&request, now),
            Some(looked) => self.engine.reserve_screened(&request, looked),
        };
        let settled = pending.try_take();
        let is_new = settled.as_ref().map(|outcome| matches!(outcome, Ok(Decision::Done(_))));
        let what = settle(looked, is_new, pending);
        if let Some(Ok(Decision::Refused(refusal))) = settled {
            self.count_replay(pass, &refusal);
            return Err(self.refused(&campaign, &request, &asked, refusal));
        }
        let outlook = outlook.unwrap_or_else(|| self.outlook(&request, &asked, now));
        let from = self.row_of(&campaign, asked.attribution.as_ref(), pass);
        let funnels = &self.lines.funnels;
        Ok(match settled {
            None => {
                let waiting = Waiting::of(Route::Reserve, what).tallied(funnels.hold(from));
                Reply::Wait(waiting.with_promise(outlook.promise()))
            }
            Some(outcome) => {
                funnels.reserved(from, &outcome);
                let settled = Settled::reservation(Route::Reserve, outcome, outlook.promise());
                Reply::Ready(settled.answer(&self.engine, jitter))
            }
        })
    }

    /// Find the funnel's row of a reserve: by what it says of itself, else by its place in line.
    pub(crate) fn row_of(
        &self,
        campaign: &Campaign,
        said: Option<&Attribution<'_>>,
        pass: PassShown,
    ) -> Row {
        let ticket = match pass {
            PassShown::Valid(pass) => Some(pass.number),
            PassShown::Invalid | PassShown::NotShown => None,
        };
        let source = Source::of_attribution(said);
        self.lines.funnels.row(campaign.name(), source.as_ref(), ticket)
    }

    /// Ask the stores before a hold that the engine would grant, so that none is made that no store
    /// can serve. `None`: not asked. The crowd after the last unit costs the router nothing, and
    /// repeats, phase and stock stay the engine's to answer.
    ///
    /// # Errors
    /// The delivery can be served by no store.
    fn outlook_if_granted(
        &self,
        request: &ReserveRequest<'_>,
        details: &Details<'_>,
        now: Timestamp,
    ) -> Result<Option<Outlook>, Problem> {
        let campaign = request.campaign;
        if request.details.is_none() {
            return Ok(None);
        }
        let Some(sku) = campaign.sku(request.sku) else { return Ok(None) };
        let free = self.engine.units(sku.ix).map_or(0, |units| units.free);
        if campaign.phase(now) != Phase::Open || free < request.quantity.get() {
            return Ok(None);
        }
        match self.outlook(request, details, now) {
            Outlook::Refused(problem) if !self.engine.is_repeat(request) => Err(problem),
            outlook => Ok(Some(outlook)),
        }
    }

    /// Tell what a hold of this is promised.
    fn outlook(
        &self,
        request: &ReserveRequest<'_>,
        details: &Details<'_>,
        now: Timestamp,
    ) -> Outlook {
        let sku = request.details.and_then(|_| request.campaign.sku(request.sku));
        sku.map_or(Outlook::Open, |sku| {
            let units = request.quantity.get();
            let value = in_units(sku.price.amount) * f64::from(units);
            let wanted = Wanted { sku: sku.ix, units, value, placed: now, ready: now };
            self.stores.outlook(&wanted, details)
        })
    }

    /// Find a campaign that buyers may know of.
    pub(crate) fn visible(&self, name: &str, now: Timestamp) -> Result<Arc<Campaign>, Problem> {
        self.engine
            .campaign(name)
            .filter(|c| planted!("draft-shown", true, c.phase(now) != Phase::Draft))
            .ok_or_else(Problem::not_found)
    }

    fn refused(
        &self,
        campaign: &Campaign,
        request: &ReserveRequest<'_>,
        details: &Details<'_>,
        refusal: Refusal,
    ) -> Problem {
        let is_short = matches!(refusal, Refusal::SoldOut { .. } | Refusal::AllHeld { .. });
        let mut problem = Problem::of_refusal(refusal);
        problem.waitlist = is_short && campaign.waitlist().is_some();
        if is_short && campaign.skus().len() > 1 {
            problem.alternatives = self.alternatives(campaign, request);
        }
        // Where the stores' stock is what was sold, units they still show are spoken for.
        let others = is_short && !campaign.terms().supply_from_stores;
        if let (true, Some(destination), Some(sku)) =
            (others, &details.destination, campaign.sku(request.sku))
        {
            let units = request.quantity.get();
            problem.near = self.near_stores(sku.ix, request.sku, units, destination);
        }
        problem
    }

    /// Name other SKUs of the campaign that have enough units now.
    fn alternatives(&self, campaign: &Campaign, request: &ReserveRequest<'_>) -> Vec<Name> {
        let seen = campaign.skus().take(ALTERNATIVES_SEEN_MAX);
        let fits = seen.filter(|sku| {
            let units = self.engine.units(sku.ix);
            sku.name.as_str() != request.sku
                && units.is_some_and(|units| units.free >= request.quantity.get())
        });
        fits.take(ALTERNATIVES_MAX).map(|sku| sku.name.clone()).collect()
    }
}

/// Settle what was claimed for a request, or wait with it for the ledger; `is_new` is known already where
/// the engine decided at once.
fn settle(looked: Option<Looked<'_>>, is_new: Option<bool>, pending: Pending<Reservation>) -> What {
    match (looked, is_new) {
        (None, _) => What::Reservation(pending),
        (Some(looked), None) => {
            looked.settle_later(pending).map_or_else(What::Reservation, What::Screened)
        }
        (Some(looked), Some(is_new)) => {
            looked.settle(is_new);
            What::Reservation(pending)
        }
    }
}

/// Read the idempotency key, if there is one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    static NAME: HeaderName = HeaderName::from_static("idempotency-key");
    let mut values = headers.get_all(&NAME).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    let wrong = || {
        let detail =
            format!("Idempotency-Key: send one value of 1 to {KEY_BYTES_MAX} visible characters");
        Problem::invalid(detail)
    };
    let key = value.to_str().map_err(|_| wrong())?;
    if key.is_empty() || key.len() > KEY_BYTES_MAX || values.next().is_some() {
        return Err(wrong());
    }
    Ok(Some(key))
}
