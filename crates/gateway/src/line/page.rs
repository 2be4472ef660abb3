//! The line's part of the metrics page.

use super::figures::{Counted, Refused};
use super::lines::Lines;
use onrush::{Engine, Standing, TicketNo};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;

/// What was read about lines for one page.
#[derive(Debug)]
pub(crate) struct LinePage {
    counted: Vec<(&'static str, &'static str, u64)>,
    refused: Vec<(&'static str, u64)>,
    listeners: usize,
    lines: Vec<Figures>,
}

#[derive(Debug)]
struct Figures {
    campaign: String,
    /// `None`: it cannot be told now, and is left out.
    values: [Option<i64>; GAUGES.len()],
}

/// Of each campaign with a line.
const GAUGES: [(&str, &str); 12] = [
    ("onrush_line_joined", "Tickets in the line"),
    ("onrush_line_places", "Places that are known"),
    ("onrush_line_now_serving", "Places called up"),
    ("onrush_line_passes_outstanding", "Passes out and not used"),
    ("onrush_line_per_minute", "People called up a minute"),
    ("onrush_line_paused", "1 while nobody is called up"),
    ("onrush_line_eta_p50_milliseconds", "Wait of who joined last, half of the time no longer"),
    ("onrush_line_eta_p90_milliseconds", "Wait of who joined last, nine of ten times no longer"),
    ("onrush_line_eta_judged", "Waits held against what had been told"),
    ("onrush_line_eta_within_p50", "Of these, no longer than half should be"),
    ("onrush_line_eta_within_p90", "Of these, no longer than nine of ten should be"),
    ("onrush_line_eta_error_milliseconds", "Median distance of the latest waits from the p50 told"),
];

impl LinePage {
    /// Read the figures.
    pub(crate) fn read(lines: &Lines, engine: &Engine) -> LinePage {
        let figures = &lines.figures;
        let campaigns = engine.campaigns();
        let read = campaigns.iter().filter_map(|campaign| {
            let line = engine.line(campaign)?;
            let last = line.joined.checked_sub(1).map(TicketNo);
            let eta = match last.and_then(|last| engine.standing(campaign, last)) {
                Some(Standing::Waiting { eta, .. }) => eta,
                _ => None,
            };
            let kept = lines.promises.kept(campaign.ix(), line.serving, engine.now());
            Some(Figures {
                campaign: campaign.name().to_string(),
                values: [
                    Some(i64::from(line.joined)),
                    Some(i64::from(line.length)),
                    Some(i64::from(line.serving)),
                    Some(i64::from(line.outstanding)),
                    Some(i64::from(line.per_minute)),
                    Some(i64::from(line.paused)),
                    eta.map(|eta| eta.p50_ms as i64),
                    eta.map(|eta| eta.p90_ms as i64),
                    Some(kept.judged as i64),
                    Some(kept.within_p50 as i64),
                    Some(kept.within_p90 as i64),
                    kept.error_ms_median.map(|ms| ms as i64),
                ],
            })
        });
        LinePage {
            counted: Counted::ALL.map(|(what, n, h)| (n, h, figures.counted(what))).into(),
            refused: Refused::ALL.map(|why| (why.as_str(), figures.refusals(why))).into(),
            listeners: lines.streams.open(),
            lines: read.collect(),
        }
    }

    /// Write them.
    pub(crate) fn encode(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        for (name, help, value) in &self.counted {
            let encoder = out.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(*value).encode(encoder)?;
        }
        let (name, help) = ("onrush_line_tokens_refused", "Tickets and passes not accepted");
        let mut family = out.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (reason, value) in &self.refused {
            let labels = [("reason", *reason)];
            ConstCounter::new(*value).encode(family.encode_family(&labels)?)?;
        }
        let (name, help) = ("onrush_line_listeners", "Open streams of events");
        let encoder = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(self.listeners as i64).encode(encoder)?;
        for (at, (name, help)) in GAUGES.into_iter().enumerate() {
            let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for line in &self.lines {
                let labels = [("campaign", line.campaign.as_str())];
                if let Some(value) = line.values[at] {
                    ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }
}
