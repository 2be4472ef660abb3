//! Decisions about campaigns, SKUs, supply and phases: what operators do.

use super::action::{Answer, Subject, Take};
use super::decide::{Outcome, Sink, refuse};
use super::record::{By, Change, Source};
use super::state::{CampaignState, Ledger};
use super::waitlist::WaitChange;
use crate::campaign::{CampaignSpec, SkuSpec, Terms, Wave};
use crate::phase::Phase;
use crate::refusal::Refusal;
use onrush_types::limits::{
    CAMPAIGNS_MAX, HOLD_CLASSES_MAX, SKUS_MAX, SKUS_PER_CAMPAIGN_MAX, SUPPLY_MAX, TEXT_BYTES_MAX,
};
use onrush_types::planted;
use onrush_types::{CampaignIx, Name, SkuIx, Timestamp};
use std::collections::BTreeMap;

impl Ledger {
    pub(super) fn put(
        &mut self,
        spec: CampaignSpec,
        now: Timestamp,
        take: &mut dyn Take,
        sink: Sink<'_>,
    ) -> Outcome {
        if let Err(error) = spec.check() {
            return refuse(Refusal::Invalid(error.to_string()));
        }
        let known = self.campaign_named(spec.name.as_str());
        let campaign = known.unwrap_or(CampaignIx(self.campaigns.len() as u16));
        let before = self.campaigns.get(campaign.index());
        let line_checked = self.check_put_line(campaign, spec.line.as_ref());
        if let Err(what) = self.check_put(&spec, before).and(line_checked) {
            return refuse(Refusal::Invalid(what));
        }
        let subject = Subject::Campaign(campaign);
        let same_terms = before.is_some_and(|c| c.terms == spec.terms);
        let same_waitlist = self.wait_terms(campaign) == spec.waitlist;
        let name = spec.name.clone();
        let mut commitment = |lane| take.commitment(campaign, &name, lane);
        let line = self.put_line(campaign, spec.line.as_ref(), &mut commitment);
        if same_terms
            && same_waitlist
            && line.is_none()
            && spec.skus.iter().all(|sku| self.put_sku(campaign, sku).is_none())
        {
            return Ok(Answer::Already(subject));
        }
        if before.is_some_and(|c| c.reached == Phase::Settled) {
            let what = "the campaign is settled and cannot change; make a new one";
            return refuse(Refusal::Invalid(what.to_owned()));
        }
        if let (None, Some(_)) = (before, &line) {
            // Should a crash cut a put short, nobody must see the campaign without its line.
            let terms = Box::new(Terms { published: false, ..spec.terms.clone() });
            self.record(Change::Campaign { campaign, name, terms }, now, sink)?;
        }
        if let Some(line) = line {
            self.record(line, now, sink)?;
        }
        if self.campaigns.get(campaign.index()).is_none_or(|c| c.terms != spec.terms) {
            let (name, terms) = (spec.name, Box::new(spec.terms));
            self.record(Change::Campaign { campaign, name, terms }, now, sink)?;
        }
        if !same_waitlist {
            let terms = spec.waitlist;
            self.record(Change::Wait(WaitChange::Terms { campaign, terms }), now, sink)?;
        }
        for sku in &spec.skus {
            if let Some(change) = self.put_sku(campaign, sku) {
                self.record(change, now, sink)?;
            }
        }
        Ok(Answer::Done(subject))
    }

    /// Return what a SKU's terms change, if they change anything. Its supply acts once.
    fn put_sku(&self, campaign: CampaignIx, spec: &SkuSpec) -> Option<Change> {
        let SkuSpec { name, price, limit_per_buyer, supply } = spec.clone();
        match self.campaigns[campaign.index()].skus.get(&name) {
            None => {
                let sku = SkuIx(self.skus.len() as u32);
                Some(Change::Sku { sku, campaign, name, price, limit_per_buyer, supply })
            }
            Some(&sku) => {
                let s = &self.skus[sku.index()];
                let changed = s.price != price || s.limit_per_buyer != limit_per_buyer;
                changed.then_some(Change::Sku {
                    sku,
                    campaign,
                    name,
                    price,
                    limit_per_buyer,
                    supply: 0,
                })
            }
        }
    }

    fn check_put(&self, spec: &CampaignSpec, before: Option<&CampaignState>) -> Result<(), String> {
        let say = |problem: &str| Err(problem.to_owned());
        let none = BTreeMap::new();
        let known = before.map_or(&none, |c| &c.skus);
        let new = spec.skus.iter().filter(|sku| !known.contains_key(&sku.name)).count();
        if known.len() + new > SKUS_PER_CAMPAIGN_MAX || self.skus.len() + new > SKUS_MAX {
            return say("skus: no room for that many; settle old campaigns first");
        }
        if before.is_none() && self.campaigns.len() >= CAMPAIGNS_MAX {
            return say("no room for another campaign in this data folder");
        }
        let offer = spec.waitlist.map(|terms| terms.offer).filter(|it| *it != spec.terms.hold);
        let known_hold = |hold| self.hold_classes.iter().any(|class| class.hold == hold);
        let new_holds = offer.into_iter().chain([spec.terms.hold]).filter(|it| !known_hold(*it));
        if self.hold_classes.len() + new_holds.count() > HOLD_CLASSES_MAX {
            return say("hold: too many different durations; use one that was used before");
        }
        let has_sku = |name| known.contains_key(name) || spec.skus.iter().any(|s| s.name == *name);
        if let Some(wave) = spec.terms.waves.iter().find(|wave| !has_sku(&wave.sku)) {
            return Err(format!("waves: {} is not a SKU of this campaign", wave.sku));
        }
        if let Some(c) = before {
            check_change(c, &spec.terms)?;
            self.check_waitlist_kept(c, spec.waitlist)?;
        }
        let done = before.map_or(0, |c| usize::from(c.waves_done));
        self.check_wave_room(&spec.terms.waves[done..], spec, known)
    }

    /// Refuse waves that would not fit their SKU's slot when their time comes: nobody could be told
    /// then, and the record would not apply.
    fn check_wave_room(
        &self,
        waves: &[Wave],
        spec: &CampaignSpec,
        known: &BTreeMap<Name, SkuIx>,
    ) -> Result<(), String> {
        let mut totals: BTreeMap<&Name, u64> = BTreeMap::new();
        for wave in waves {
            let supplied = || match known.get(&wave.sku) {
                Some(sku) => self.skus[sku.index()].supplied,
                None => spec.skus.iter().find(|s| s.name == wave.sku).map_or(0, |s| s.supply),
            };
            let total = totals.entry(&wave.sku).or_insert_with(|| u64::from(supplied()));
            *total += u64::from(wave.units);
            if *total > u64::from(SUPPLY_MAX) {
                let sku = &wave.sku;
                return Err(format!(
                    "waves: {sku} would be supplied {total} units; at most {SUPPLY_MAX} fit a SKU"
                ));
            }
        }
        Ok(())
    }

    /// Return the units that waves have yet to supply to `sku`.
    fn units_to_come(&self, sku: SkuIx) -> u64 {
        let s = &self.skus[sku.index()];
        let c = &self.campaigns[s.campaign.index()];
        let waves = c.terms.waves.iter().skip(usize::from(c.waves_done));
        waves.filter(|wave| wave.sku == s.name).map(|wave| u64::from(wave.units)).sum()
    }

    pub(super) fn supply(
        &mut self,
        sku: SkuIx,
        units: i64,
        by: By,
        now: Timestamp,
        take: &mut dyn Take,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(s) = self.skus.get(sku.index()) else { return refuse(Refusal::NotFound) };
        if let Err(what) = check_by(&by) {
            return refuse(Refusal::Invalid(what));
        }
        if self.campaigns[s.campaign.index()].reached == Phase::Settled {
            return refuse(Refusal::Ended);
        }
        if self.campaigns[s.campaign.index()].terms.supply_from_stores {
            let what = "this campaign's supply is the stores' stock; change it at the stores";
            return refuse(Refusal::Invalid(what.to_owned()));
        }
        let room = i64::from(SUPPLY_MAX - s.supplied) - self.units_to_come(sku) as i64;
        let change = match u32::try_from(units.unsigned_abs()) {
            Ok(n) if units > 0 && units <= room => {
                Change::Supplied { sku, units: n, source: Source::Operator(by) }
            }
            Ok(n)
                if units < 0
                    && s.free >= n
                    && planted!("withdraw-untaken", true, take.take(sku, n)) =>
            {
                Change::Withdrawn { sku, units: n, by }
            }
            _ if units > 0 => {
                let what = format!("quantity: at most {room} more units fit this SKU");
                return refuse(Refusal::Invalid(what));
            }
            _ if units < 0 => {
                let what = format!("quantity: only {} units are free to withdraw", s.free);
                return refuse(Refusal::Invalid(what));
            }
            _ => return refuse(Refusal::Invalid("quantity: must not be zero".to_owned())),
        };
        self.record(change, now, sink)?;
        Ok(Answer::Done(Subject::Sku(sku)))
    }

    pub(super) fn move_phase(
        &mut self,
        campaign: CampaignIx,
        to: Phase,
        by: By,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(c) = self.campaigns.get(campaign.index()) else {
            return refuse(Refusal::NotFound);
        };
        if let Err(what) = check_by(&by) {
            return refuse(Refusal::Invalid(what));
        }
        let subject = Subject::Campaign(campaign);
        if c.reached == to {
            return Ok(Answer::Already(subject));
        }
        let by_hand = matches!(to, Phase::Open | Phase::Paused | Phase::Closed | Phase::Settled);
        if !by_hand || c.reached == Phase::Draft || !c.reached.can_move_to(to) {
            let (from, to) = (c.reached.as_str(), to.as_str());
            return refuse(Refusal::Invalid(format!(
                "a campaign that is {from} cannot become {to}"
            )));
        }
        let held: u64 = c.skus.values().map(|sku| u64::from(self.skus[sku.index()].held)).sum();
        if to == Phase::Settled && planted!("settle-over-holds", false, held > 0) {
            let what = format!("{held} units are still on hold; settle after they are decided");
            return refuse(Refusal::Invalid(what));
        }
        self.record(Change::Phase { campaign, to, by: Some(by) }, now, sink)?;
        Ok(Answer::Done(subject))
    }
}

/// Refuse changes of terms that would rewrite what already happened.
fn check_change(before: &CampaignState, terms: &Terms) -> Result<(), String> {
    let say = |problem: &str| Err(problem.to_owned());
    if before.terms.currency != terms.currency {
        return say("currency: cannot change once the campaign exists; make a new campaign");
    }
    if before.terms.supply_from_stores != terms.supply_from_stores {
        return say("supply: cannot change once the campaign exists; make a new campaign");
    }
    if before.terms.published && !terms.published {
        return say("published: cannot be taken back; close the campaign instead");
    }
    let done = usize::from(before.waves_done);
    if terms.waves.get(..done) != before.terms.waves.get(..done) {
        return Err(format!("waves: the first {done} were supplied and must stay as they were"));
    }
    Ok(())
}

pub(super) fn check_by(by: &By) -> Result<(), String> {
    if by.who.is_empty() || by.why.is_empty() {
        return Err("reason: say who does this and why; it is kept for the audit".to_owned());
    }
    if by.who.len() > TEXT_BYTES_MAX || by.why.len() > TEXT_BYTES_MAX {
        return Err(format!("reason: at most {TEXT_BYTES_MAX} bytes"));
    }
    Ok(())
}
