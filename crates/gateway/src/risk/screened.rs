//! A reserve that was looked at and that the ledger is still deciding.
//!
//! ```text
//! queued ──► decided: granted ──► its claim stands
//!   │           └ vetoed, or the engine failed ──► its claim and its proof are given back
//!   └ the connection closed ──► handed to the thread beside the engine, which waits for the same
//! ```
//!
//! So a claim stands exactly where there is a hold, whoever is still there to hear of it.

use super::desk::Risks;
use super::sale::{Sale, count};
use onrush::{Decision, EngineError, Pending, Reservation};
use onrush_risk::challenge::ProofToken;
use onrush_risk::recording::{Decided, RecordedRow};
use onrush_risk::{Action, Evidence, Signals};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What the screen decided and claimed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) signals: Signals,
    pub(super) decision: onrush_risk::Decision,
    pub(super) shadow: f32,
    pub(super) units: u32,
    pub(super) claimed: bool,
    pub(super) proof_used: bool,
    pub(super) at: onrush::Timestamp,
}

/// What one request took for as long as it is not known whether it is granted.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) risks: Arc<Risks>,
    pub(super) sale: Arc<Sale>,
    pub(super) evidence: Evidence,
    pub(super) proof: Option<ProofToken>,
    pub(super) found: Found,
}

/// A proof that a join used.
#[derive(Clone, Debug)]
pub(crate) struct UsedProof {
    pub(super) sale: Arc<Sale>,
    pub(super) proof: ProofToken,
}

impl UsedProof {
    /// Give it back: the join came to nothing.
    pub(crate) fn give_back(&self) {
        if let Some(challenges) = self.sale.challenges.get() {
            challenges.give_back(&self.proof);
        }
    }
}

/// A screened reserve under way.
#[derive(Debug)]
pub(crate) struct Screened(Option<Box<UnderWay>>);

#[derive(Debug)]
pub(super) struct UnderWay {
    pending: Pending<Reservation>,
    claim: Claim,
}

type Outcome = Result<Decision<Reservation>, EngineError>;

impl Claim {
    /// Say what became of it: record it, and give back what was taken for nothing.
    pub(super) fn settle(&self, granted: bool) {
        let Claim { sale, evidence, proof, found, .. } = self;
        if !granted {
            if found.claimed {
                sale.sketches.unclaim(evidence.account, found.units, found.at);
            }
            if let (true, Some(proof), Some(challenges)) =
                (found.proof_used, proof, sale.challenges.get())
            {
                challenges.give_back(proof);
            }
        }
        self.record(if granted { found.units } else { 0 });
    }

    /// Record the decision, with the units that came of it.
    pub(super) fn record(&self, units: u32) {
        let Claim { risks, sale, evidence, found, .. } = self;
        let rows = risks.rows.load();
        let Some(rows) = rows.as_ref() else { return };
        let level = match found.decision.action {
            Action::Challenge(level) => level,
            _ => 0,
        };
        let row = RecordedRow::Decided(Decided {
            at: found.at,
            account: evidence.account.0,
            stage: evidence.stage,
            action: found.decision.action.number(),
            level,
            units,
            probability: found.decision.probability as f32,
            shadow: found.shadow,
            signals: found.signals,
        });
        if rows.try_send((sale.campaign, row)).is_err() {
            count(&sale.figures.rows_lost);
        }
    }

    /// Wait for the ledger with it.
    pub(super) fn under_way(self, pending: Pending<Reservation>) -> Screened {
        Screened(Some(Box::new(UnderWay { pending, claim: self })))
    }
}

/// A hold that was there before (`Already`) has a claim of its own.
pub(super) fn is_new(outcome: &Outcome) -> bool {
    matches!(outcome, Ok(Decision::Done(_)))
}

impl UnderWay {
    /// Settle the claim if the ledger has decided; tell whether it has.
    pub(super) fn is_settled(&mut self) -> bool {
        let Some(outcome) = self.pending.try_take() else { return false };
        self.claim.settle(is_new(&outcome));
        true
    }
}

impl Screened {
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let under_way = self.0.as_mut().expect("polled after its end");
        let outcome = Pin::new(&mut under_way.pending).poll(cx);
        if let Poll::Ready(outcome) = &outcome {
            under_way.claim.settle(is_new(outcome));
            self.0 = None;
        }
        outcome
    }

    /// Block until the ledger decided.
    pub(crate) fn wait(mut self) -> Outcome {
        let UnderWay { pending, claim } = *self.0.take().expect("polled after its end");
        let outcome = pending.wait();
        claim.settle(is_new(&outcome));
        outcome
    }
}

impl Drop for Screened {
    fn drop(&mut self) {
        if let Some(under_way) = self.0.take() {
            // Bounded by the reserves that the engine lets be under way.
            let risks = under_way.claim.risks.clone();
            risks.left_behind.lock().push(under_way);
        }
    }
}
