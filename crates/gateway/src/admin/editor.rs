//! What a campaign editor needs besides `PUT`: a campaign in the words in which it is written, and what
//! a new version of it would do, without doing it.

use crate::answer::Answer;
use crate::config::{CampaignBody, Scope, as_written};
use crate::errors::Code;
use crate::gateway::{Ask, Gateway};
use crate::problem::Problem;
use crate::routes::Route;
use crate::wire::{format_timestamp, json, read_json};
use http::StatusCode;
use onrush::{Campaign, CampaignSpec, Name, Phase, SkuSpec, Timestamp};
use serde_json::{Value, json as value};

/// SKUs named in one answer; the rest is counted.
const NAMED_MAX: usize = 100;

impl Gateway {
    /// Check a campaign as it was written, under the name of its address.
    ///
    /// # Errors
    /// The field that is wrong, and what to write instead.
    pub(super) fn checked_campaign(
        &self,
        campaign: &str,
        body: &CampaignBody,
    ) -> Result<CampaignSpec, Problem> {
        let name = Name::new(campaign).map_err(|e| Problem::invalid(format!("campaign: {e}")))?;
        if body.campaign.as_ref().is_some_and(|stated| *stated != name) {
            return Err(Problem::invalid("campaign: differs from the one in the address"));
        }
        let (groups, lists) = self.lines.known();
        let line = body.line.as_ref().map_or(Ok(()), |line| line.check(groups, &lists));
        line.map_err(|(field, problem)| Problem::invalid(format!("{field}: {problem}")))?;
        let spec = body.spec(name);
        spec.check().map_err(|error| {
            Problem::invalid(format!("{}: {}", as_written(&error.field), error.problem))
        })?;
        Ok(spec)
    }

    /// `GET /admin/v1/campaigns/{campaign}/terms`: as a `PUT` would write it.
    pub(crate) fn show_terms(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let campaign = self.engine.campaign(campaign).ok_or_else(Problem::not_found)?;
        let body = serde_json::to_value(CampaignBody::of(&campaign)).map_err(|error| {
            Problem::new(Code::Overloaded, format!("it cannot be written: {error}"))
        })?;
        Ok(Answer::json(StatusCode::OK, Route::AdminTerms, json(&body)))
    }

    /// `POST /admin/v1/campaigns/{campaign}/check`: what a `PUT` of this would change.
    pub(crate) fn check_campaign(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let body: CampaignBody = read_json(ask.headers, ask.body)?;
        let spec = self.checked_campaign(campaign, &body)?;
        self.authorised(ask, now, Scope::View)?;
        let known = self.engine.campaign(campaign);
        let mut told = changes(&spec, known.as_deref());
        told["warnings"] = warnings(&spec, known.as_deref(), now).into();
        told["opens_at"] = spec.terms.schedule.opens_at.map(format_timestamp).into();
        Ok(Answer::json(StatusCode::OK, Route::AdminCheck, json(&told)))
    }
}

fn changes(spec: &CampaignSpec, known: Option<&Campaign>) -> Value {
    let old = |sku: &SkuSpec| known.and_then(|known| known.sku(sku.name.as_str()));
    let new = || spec.skus.iter().filter(|sku| old(sku).is_none());
    let changed = spec.skus.iter().filter(|sku| {
        old(sku).is_some_and(|old| {
            old.price.amount != sku.price || old.limit_per_buyer != sku.limit_per_buyer
        })
    });
    let left_out = known.map_or(0, |known| {
        let named = |sku: &onrush::Sku| spec.skus.iter().any(|other| other.name == sku.name);
        known.skus().take(NAMED_MAX * 10).filter(|sku| !named(sku)).count()
    });
    let names = |skus: &mut dyn Iterator<Item = &SkuSpec>| -> Vec<String> {
        skus.take(NAMED_MAX).map(|sku| sku.name.to_string()).collect()
    };
    value!({
        "campaign": spec.name.as_str(),
        "is_new": known.is_none(),
        "terms_change": known.is_some_and(|known| *known.terms() != spec.terms),
        "skus_new": names(&mut new()),
        "skus_changed": names(&mut changed.into_iter()),
        "skus_left_out": left_out,
        "units_new": new().map(|sku| u64::from(sku.supply)).sum::<u64>(),
    })
}

/// Name what is allowed and rarely meant.
fn warnings(spec: &CampaignSpec, known: Option<&Campaign>, now: Timestamp) -> Vec<&'static str> {
    let schedule = &spec.terms.schedule;
    let phase = known.map(|known| known.phase(now));
    let is_running = matches!(phase, Some(Phase::Open | Phase::Paused));
    let units: u64 = spec.skus.iter().map(|sku| u64::from(sku.supply)).sum();
    let waves: u64 = spec.terms.waves.iter().map(|wave| u64::from(wave.units)).sum();
    let all = [
        ("opens_at_once", schedule.opens_at.is_some_and(|at| at <= now) && !is_running),
        ("opened_by_hand", schedule.opens_at.is_none()),
        ("closed_by_hand", schedule.closes_at.is_none()),
        ("wave_in_the_past", spec.terms.waves.iter().any(|wave| wave.at <= now)),
        ("no_units", units + waves == 0 && known.is_none() && !spec.terms.supply_from_stores),
        ("no_line", spec.line.is_none()),
        ("draft", !spec.terms.published),
        ("running", is_running),
        ("over", matches!(phase, Some(Phase::Closed | Phase::Settled))),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(word, _)| word).collect()
}
