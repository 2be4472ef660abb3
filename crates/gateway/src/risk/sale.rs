//! What one campaign remembers. Dropped with the campaign: the key is overwritten, and what digests
//! were written down mean nothing from then on.

use onrush::{BuyerDigest, Campaign, CampaignIx, Timestamp};
use onrush_risk::backtest::{CALIBRATE_EVERY, read_thresholds};
use onrush_risk::challenge::Challenges;
use onrush_risk::{
    Action, Calibration, Decision, Evidence, Kind, Policy, RULES_MAX, Risk, RiskKey, Sketches,
    Stage,
};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Decisions that an operator can look at; earlier ones are counted only.
const RECENT_MAX: usize = 256;

/// A campaign under watch.
#[derive(Debug)]
pub(crate) struct Sale {
    pub(crate) campaign: CampaignIx,
    pub(crate) name: String,
    pub(crate) key: RiskKey,
    pub(crate) sketches: Sketches,
    pub(crate) challenges: OnceLock<Challenges>,
    scores: Mutex<Scores>,
    pub(crate) figures: SaleFigures,
    recent: Mutex<VecDeque<Noted>>,
}

/// The scores so far, and what a policy makes of them.
#[derive(Debug, Default)]
struct Scores {
    seen: Calibration,
    thresholds: Vec<Option<f64>>,
}

/// What was done, counted.
#[derive(Debug, Default)]
pub(crate) struct SaleFigures {
    /// By [`Action::number`].
    pub(crate) actions: [AtomicU64; 5],
    /// By the place of the rule that a decision follows from.
    pub(crate) rules: [AtomicU64; RULES_MAX],
    pub(crate) capped: AtomicU64,
    pub(crate) shortened: AtomicU64,
    pub(crate) issued: AtomicU64,
    pub(crate) passed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) shadow_differs: AtomicU64,
    pub(crate) rows_lost: AtomicU64,
    pub(crate) outside_failed: AtomicU64,
}

/// A decision that was not to admit, for operators.
#[derive(Clone, Debug)]
pub(crate) struct Noted {
    pub(crate) at: Timestamp,
    pub(crate) account: u64,
    pub(crate) stage: Stage,
    pub(crate) decision: Decision,
}

impl Sale {
    pub(crate) fn new(campaign: &Campaign, random: [u8; 32], now: Timestamp) -> Sale {
        Sale {
            campaign: campaign.ix(),
            name: campaign.name().to_string(),
            key: RiskKey::new(random),
            sketches: Sketches::new(campaign.terms().buyers_expected as usize, now),
            challenges: OnceLock::new(),
            scores: Mutex::default(),
            figures: SaleFigures::default(),
            recent: Mutex::new(VecDeque::with_capacity(RECENT_MAX)),
        }
    }

    /// Return the account's digest.
    pub(crate) fn account(&self, buyer: BuyerDigest) -> onrush_risk::EntityId {
        self.key.digest(Kind::Account, &buyer.0)
    }

    /// Count a score, and decide by what this drop has shown so far. No allocation.
    pub(crate) fn decided(&self, policy: &Policy, risk: &Risk, evidence: &Evidence) -> Decision {
        let mut scores = self.scores.lock();
        let Scores { seen, thresholds } = &mut *scores;
        seen.add(risk.probability);
        if seen.samples().is_multiple_of(CALIBRATE_EVERY) {
            read_thresholds(policy, seen, thresholds);
        }
        onrush_risk::decide(policy, risk, thresholds, evidence)
    }

    /// Read the thresholds of another policy off what is known.
    pub(crate) fn recalibrate(&self, policy: &Policy) {
        let mut scores = self.scores.lock();
        let Scores { seen, thresholds } = &mut *scores;
        read_thresholds(policy, seen, thresholds);
    }

    /// Return the thresholds in force, and how many scores they rest on.
    pub(crate) fn calibration(&self) -> (Vec<Option<f64>>, u32) {
        let scores = self.scores.lock();
        (scores.thresholds.clone(), scores.seen.samples())
    }

    /// Count a decision, and keep it where it was not to admit.
    pub(crate) fn note(&self, evidence: &Evidence, decision: &Decision, now: Timestamp) {
        count(&self.figures.actions[usize::from(decision.action.number())]);
        if let Some(rule) = decision.rule.and_then(|at| self.figures.rules.get(usize::from(at))) {
            count(rule);
        }
        if decision.action == Action::Admit {
            return;
        }
        let (account, stage) = (evidence.account.0, evidence.stage);
        let mut recent = self.recent.lock();
        if recent.len() == RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(Noted { at: now, account, stage, decision: *decision });
    }

    /// Return the decisions that are still kept, the latest first.
    pub(crate) fn recent(&self) -> Vec<Noted> {
        self.recent.lock().iter().rev().cloned().collect()
    }

    /// Return the challenges, made at the first call: some tens of milliseconds.
    pub(crate) fn challenges(&self) -> &Challenges {
        self.challenges.get_or_init(|| {
            Challenges::new(&self.key, self.campaign.0, &mut |bytes: &mut [u8]| {
                getrandom::fill(bytes).expect("the system gives random bytes");
            })
        })
    }
}

/// Count one.
pub(crate) fn count(figure: &AtomicU64) {
    // Relaxed: a figure that stands alone.
    figure.fetch_add(1, Ordering::Relaxed);
}

/// Read a figure.
pub(crate) fn figure(figure: &AtomicU64) -> u64 {
    // Relaxed: a figure that stands alone.
    figure.load(Ordering::Relaxed)
}
