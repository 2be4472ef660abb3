//! The hook in a reserve and in a join.
//!
//! A reserve is looked at inside the engine, after repeat, phase and pass, so a repeat costs nothing and
//! is never asked for a challenge. What it claimed (units of its cluster, its proof) is given back when
//! nothing came of it.

use super::desk::Risks;
use super::sale::{Sale, count};
use super::screened::{Claim, Found, Screened, UsedProof};
use crate::errors::Code;
use crate::gateway::{Ask, Gateway};
use crate::identity::Buyer;
use crate::problem::Problem;
use crate::wire::Details;
use onrush::{Campaign, Pending, Reservation, ReserveRequest, Screen, Timestamp, Verdict};
use onrush_risk::challenge::ProofToken;
use onrush_risk::{Action, Evidence, Scorer, Stage};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;

/// One reserve under watch.
pub(crate) struct Looked<'a> {
    risks: &'a Arc<Risks>,
    sale: Arc<Sale>,
    evidence: Evidence,
    proof: Option<ProofToken>,
    found: Mutex<Option<Found>>,
}

impl Gateway {
    /// Collect what a reserve shows. `None`: risk is not looked at here.
    pub(crate) fn looked<'a>(
        &'a self,
        campaign: &Campaign,
        buyer: &Buyer,
        ask: &Ask<'_>,
        details: &Details<'_>,
        now: Timestamp,
    ) -> Option<Looked<'a>> {
        let sale = self.risks.sale(campaign, now)?;
        let shown = (Stage::Reserve, Some(details));
        let (evidence, proof) = self.evidence(&sale, campaign, buyer, ask, shown, now);
        Some(Looked { risks: &self.risks, sale, evidence, proof, found: Mutex::new(None) })
    }

    /// Look at a join: return the class to join in, and the proof that it used.
    ///
    /// # Errors
    /// A challenge is to be answered first, or there is proof against it.
    pub(crate) fn look_at_join(
        &self,
        campaign: &Campaign,
        buyer: &Buyer,
        ask: &Ask<'_>,
        class: Option<u8>,
        light: impl FnOnce(&str) -> Option<u8>,
        now: Timestamp,
    ) -> Result<(Option<u8>, Option<UsedProof>), Problem> {
        let Some(sale) = self.risks.sale(campaign, now) else { return Ok((class, None)) };
        let shown = (Stage::Join, None);
        let (evidence, proof) = self.evidence(&sale, campaign, buyer, ask, shown, now);
        let looked = Looked { risks: &self.risks, sale, evidence, proof, found: Mutex::new(None) };
        let (mut found, policy) = looked.judge(1, now);
        // At a reserve they would be held to the cap; a place in front would only be lost.
        found.decision.weight |= looked.is_over_card(&policy, now);
        let refusal = match found.decision.action {
            Action::Refuse(_) => Some(refused()),
            Action::Challenge(level) => Some(challenge_required(level)),
            Action::Admit | Action::Weight | Action::Review => None,
        };
        let mut used = None;
        if refusal.is_none()
            && let (Some(proof), Some(challenges)) = (looked.proof, looked.sale.challenges.get())
        {
            found.proof_used = challenges.use_proof(&proof);
            let sale = looked.sale.clone();
            used = found.proof_used.then_some(UsedProof { sale, proof });
        }
        looked.claimed(found).record(0);
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        // Only who would stand with everybody is moved: members and invited ones keep their class.
        Ok(match (class, found.decision.weight) {
            (Some(0), true) => (light(&policy.weight_tier).or(class), used),
            _ => (class, used),
        })
    }
}

impl Looked<'_> {
    /// Count, score and decide.
    fn judge(&self, units: u32, now: Timestamp) -> (Found, Arc<onrush_risk::Policy>) {
        let Looked { risks, sale, evidence, .. } = self;
        let policy = risks.policy.load_full();
        let models = risks.models.load();
        let begin = Instant::now();
        let signals = sale.sketches.observe(evidence, now);
        let (risk, fell_back) = models.counts.told(&signals);
        risks.scoring.scored(begin.elapsed(), fell_back);
        let decision = sale.decided(&policy, &risk, evidence);
        let mut shadow = -1.0;
        for (at, model) in models.shadows.iter().enumerate() {
            let told = model.score(&signals).probability;
            if at == 0 {
                shadow = told as f32;
            }
            if (told >= 0.5) != (risk.probability >= 0.5) {
                count(&sale.figures.shadow_differs);
            }
        }
        sale.note(evidence, &decision, now);
        let (claimed, proof_used) = (false, false);
        let found = Found { signals, decision, shadow, units, claimed, proof_used, at: now };
        (found, policy)
    }

    /// Tell whether the payment instrument stands for more accounts than one may.
    fn is_over_card(&self, policy: &onrush_risk::Policy, now: Timestamp) -> bool {
        let most = policy.caps.payment_accounts;
        let card = self.evidence.payment.filter(|_| most > 0);
        card.is_some_and(|card| self.sale.sketches.accounts_at_least(card, now) > most)
    }

    /// Claim what an admitted request takes: its proof, and units of what its cluster may have.
    fn claim(&self, found: &mut Found, policy: &onrush_risk::Policy, per_buyer: u32) -> Verdict {
        let Looked { sale, evidence, .. } = self;
        if self.is_over_card(policy, found.at) {
            count(&sale.figures.capped);
            return Verdict::Limit(per_buyer);
        }
        let unpaid = found.signals.get(onrush_risk::Signal::UnpaidHolds) as u32;
        if let (Some(proof), Some(challenges)) = (&self.proof, sale.challenges.get()) {
            if !challenges.use_proof(proof) {
                // Two requests at once with one proof: the other one has it.
                return Verdict::Challenge;
            }
            found.proof_used = true;
        }
        let most = policy.caps.units(unpaid, per_buyer);
        let claim =
            sale.sketches.claim(evidence.account, found.units, most.unwrap_or(u32::MAX), found.at);
        if claim.is_err() {
            count(&sale.figures.capped);
            return Verdict::Limit(most.unwrap_or(u32::MAX));
        }
        found.claimed = true;
        if found.decision.action == Action::Review {
            return Verdict::Review;
        }
        match policy.caps.halvings(unpaid) {
            0 => Verdict::Admit,
            halvings => {
                count(&sale.figures.shortened);
                Verdict::Shorten(halvings)
            }
        }
    }

    /// Say what the engine answered at once.
    pub(crate) fn settle(self, granted: bool) {
        let found = self.found.lock().take();
        if let Some(found) = found {
            self.claimed(found).settle(granted);
        }
    }

    /// Wait for the ledger, and settle then. The other way round where nothing was looked at: a repeat.
    ///
    /// # Errors
    /// The request, which took nothing.
    pub(crate) fn settle_later(
        self,
        pending: Pending<Reservation>,
    ) -> Result<Screened, Pending<Reservation>> {
        let found = self.found.lock().take();
        match found {
            Some(found) => Ok(self.claimed(found).under_way(pending)),
            None => Err(pending),
        }
    }

    fn claimed(&self, found: Found) -> Claim {
        Claim {
            risks: self.risks.clone(),
            sale: self.sale.clone(),
            evidence: self.evidence,
            proof: self.proof,
            found,
        }
    }
}

impl Screen for Looked<'_> {
    fn screen(&self, request: &ReserveRequest<'_>, now: Timestamp) -> Verdict {
        let (mut found, policy) = self.judge(request.quantity.get(), now);
        let verdict = match found.decision.action {
            Action::Refuse(_) => Verdict::Refuse,
            Action::Challenge(_) => Verdict::Challenge,
            Action::Admit | Action::Weight | Action::Review => {
                let per_buyer = request.campaign.terms().limit_per_buyer;
                self.claim(&mut found, &policy, per_buyer)
            }
        };
        *self.found.lock() = Some(found);
        verdict
    }
}

fn refused() -> Problem {
    let detail = "something came with this request that does not belong to this account; if this is \
                  wrong, contact the shop and quote the time of the request";
    Problem::new(Code::RefusedRisk, detail)
}

fn challenge_required(level: u8) -> Problem {
    let detail = format!(
        "a short check comes first: `POST …/challenges` with level {level}, answer it, and send the \
         proof as `Onrush-Proof` with this request; it can also be answered by waiting"
    );
    Problem::new(Code::ChallengeRequired, detail)
}
