//! Risk's part of the metrics page. Labels are campaigns that an operator named, five actions, at most
//! 32 rules and three ends of a challenge.

// Relaxed in this file: totals that stand alone; none of them publishes anything.

use super::desk::Risks;
use super::sale::{Sale, figure};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets of a score's time, in nanoseconds; one more catches the rest.
const SCORE_NS: [u64; 10] =
    [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 64_000, 512_000, 4_000_000];

/// What scoring took, over all campaigns.
#[derive(Debug, Default)]
pub(super) struct Scoring {
    buckets: [AtomicU64; SCORE_NS.len() + 1],
    total_ns: AtomicU64,
    fallbacks: AtomicU64,
}

/// What was read for one page.
#[derive(Debug)]
pub(crate) struct RiskPage {
    enabled: bool,
    buckets: Vec<(f64, u64)>,
    total_s: f64,
    fallbacks: u64,
    faults: u32,
    policy: u32,
    waiting: usize,
    sales: Vec<SalePage>,
}

#[derive(Debug)]
struct SalePage {
    campaign: String,
    actions: [u64; 5],
    rules: Vec<(String, u64)>,
    challenges: [(&'static str, u64); 3],
    figures: [u64; FIGURES.len()],
    bytes: u64,
}

const ACTIONS: [&str; 5] = ["admit", "weight", "challenge", "review", "refuse"];

/// Of each campaign under watch.
const FIGURES: [(&str, &str); 5] = [
    ("onrush_risk_capped", "Requests held to what their cluster may have"),
    ("onrush_risk_holds_shortened", "Holds shortened for holds never paid"),
    ("onrush_risk_shadow_disagreements", "Scores on whose side of one half a shadow was not"),
    ("onrush_risk_rows_lost", "Rows that a recording lacks"),
    ("onrush_risk_outside_failures", "Outside challenges without an answer in time"),
];

impl Scoring {
    /// Count a score.
    #[inline]
    pub(super) fn scored(&self, took: Duration, fell_back: bool) {
        let ns = took.as_nanos() as u64;
        let bucket = SCORE_NS.iter().position(|bound| ns <= *bound).unwrap_or(SCORE_NS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.total_ns.fetch_add(ns, Ordering::Relaxed);
        if fell_back {
            self.fallbacks.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl RiskPage {
    /// Read the figures.
    pub(crate) fn read(risks: &Risks) -> RiskPage {
        let scoring = &risks.scoring;
        let bounds = SCORE_NS.iter().map(|ns| *ns as f64 / 1e9).chain([f64::MAX]);
        let counts = scoring.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        RiskPage {
            enabled: risks.settings().enabled,
            buckets: bounds.zip(counts).collect(),
            total_s: scoring.total_ns.load(Ordering::Relaxed) as f64 / 1e9,
            fallbacks: scoring.fallbacks.load(Ordering::Relaxed),
            faults: risks.models.load().counts.faults(),
            policy: risks.policy.load().version,
            waiting: risks.left_behind.lock().len(),
            sales: risks.sales.load().values().map(|sale| read(sale)).collect(),
        }
    }

    /// Write them; nothing where no risk is looked at.
    pub(crate) fn encode(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        if !self.enabled {
            return Ok(());
        }
        let help = "Time to count and score one request";
        let mut scores = out.encode_descriptor(
            "onrush_risk_score_duration_seconds",
            help,
            None,
            MetricType::Histogram,
        )?;
        let count = self.buckets.iter().map(|(_, count)| count).sum();
        scores.encode_histogram::<[(&str, &str); 0]>(self.total_s, count, &self.buckets, None)?;
        let help = "Scores that the policy's fallback stood in for";
        let fallbacks =
            out.encode_descriptor("onrush_risk_fallbacks", help, None, MetricType::Counter)?;
        ConstCounter::new(self.fallbacks).encode(fallbacks)?;
        for (name, help, value) in [
            ("onrush_risk_scorer_faults", "Failures of the scorer in force", self.faults.into()),
            ("onrush_risk_policy_version", "Version of the policy in force", self.policy.into()),
            (
                "onrush_risk_reserves_left",
                "Reserves whose client left before the ledger decided",
                self.waiting as i64,
            ),
        ] {
            let gauge = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(gauge)?;
        }
        self.encode_sales(out)
    }

    fn encode_sales(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let help = "Requests looked at, by what was done";
        let mut family =
            out.encode_descriptor("onrush_risk_decisions", help, None, MetricType::Counter)?;
        for sale in &self.sales {
            for (action, count) in ACTIONS.iter().zip(sale.actions) {
                let labels = [("campaign", sale.campaign.as_str()), ("action", *action)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Decisions by the place of the rule that they follow from, the first is 1";
        let mut family =
            out.encode_descriptor("onrush_risk_rules", help, None, MetricType::Counter)?;
        for sale in &self.sales {
            for (rule, count) in &sale.rules {
                let labels = [("campaign", sale.campaign.as_str()), ("rule", rule.as_str())];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Challenges by what became of them";
        let mut family =
            out.encode_descriptor("onrush_risk_challenges", help, None, MetricType::Counter)?;
        for sale in &self.sales {
            for (end, count) in sale.challenges {
                let labels = [("campaign", sale.campaign.as_str()), ("result", end)];
                ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
            }
        }
        for (at, (name, help)) in FIGURES.into_iter().enumerate() {
            let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
            for sale in &self.sales {
                let labels = [("campaign", sale.campaign.as_str())];
                ConstCounter::new(sale.figures[at]).encode(family.encode_family(&labels)?)?;
            }
        }
        let help = "Memory of a campaign's sketches";
        let mut family =
            out.encode_descriptor("onrush_risk_sketch_bytes", help, None, MetricType::Gauge)?;
        for sale in &self.sales {
            let labels = [("campaign", sale.campaign.as_str())];
            ConstGauge::new(sale.bytes as i64).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn read(sale: &Sale) -> SalePage {
    let figures = &sale.figures;
    let rules = figures.rules.iter().enumerate().map(|(at, count)| (at + 1, figure(count)));
    SalePage {
        campaign: sale.name.clone(),
        actions: std::array::from_fn(|at| figure(&figures.actions[at])),
        rules: rules.filter(|(_, n)| *n > 0).map(|(at, n)| (at.to_string(), n)).collect(),
        challenges: [
            ("issued", figure(&figures.issued)),
            ("passed", figure(&figures.passed)),
            ("failed", figure(&figures.failed)),
        ],
        figures: [
            figure(&figures.capped),
            figure(&figures.shortened),
            figure(&figures.shadow_differs),
            figure(&figures.rows_lost),
            figure(&figures.outside_failed),
        ],
        bytes: sale.sketches.figures().bytes,
    }
}
