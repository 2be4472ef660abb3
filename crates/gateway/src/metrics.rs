//! Figures about requests and connections, and the page that shows them with the engine's own.
//!
//! Every label has few values: routes, codes, and campaigns and SKUs that an operator named.

// Relaxed in this file: totals that stand alone; none of them publishes anything.

use crate::errors::{CODES, Code, all};
use crate::line::{LinePage, Lines};
use crate::risk::{RiskPage, Risks};
use crate::routes::Route;
use onrush::{Engine, Status};
use onrush_notify::Figures;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// SKUs whose stock is shown, per campaign; a page must stay readable for Prometheus.
const SKUS_SHOWN_MAX: usize = 1_000;

const ROUTES: usize = Route::ALL.len();

/// Upper bounds of the latency buckets in microseconds; one more catches the rest.
const LATENCY_US: [u64; 14] = [
    50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400, 409_600,
    1_638_400,
];

/// Counters of one gateway. Relaxed everywhere: each figure stands alone and publishes nothing.
pub struct Metrics {
    /// By route and code; the last column is success.
    answers: Box<[[AtomicU64; CODES + 1]; ROUTES]>,
    latency: Box<[Latency; ROUTES]>,
    connections_accepted: AtomicU64,
    connections_closed: AtomicU64,
    connections_refused: AtomicU64,
}

#[derive(Debug, Default)]
struct Latency {
    buckets: [AtomicU64; LATENCY_US.len() + 1],
    total_ns: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            answers: Box::new(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0)))),
            latency: Box::new(std::array::from_fn(|_| Latency::default())),
            connections_accepted: AtomicU64::new(0),
            connections_closed: AtomicU64::new(0),
            connections_refused: AtomicU64::new(0),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Count an answer.
    #[inline]
    pub fn answered(&self, route: Route, code: Option<Code>, took: Duration) {
        let column = code.map_or(CODES, |code| code as usize);
        self.answers[route as usize][column].fetch_add(1, Ordering::Relaxed);
        let latency = &self.latency[route as usize];
        let us = took.as_micros() as u64;
        let bucket = LATENCY_US.iter().position(|bound| us <= *bound);
        latency.buckets[bucket.unwrap_or(LATENCY_US.len())].fetch_add(1, Ordering::Relaxed);
        latency.total_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Return how many answers a route gave with a code (`None`: success).
    pub fn answers(&self, route: Route, code: Option<Code>) -> u64 {
        let column = code.map_or(CODES, |code| code as usize);
        self.answers[route as usize][column].load(Ordering::Relaxed)
    }

    pub(crate) fn accepted(&self) {
        self.connections_accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.connections_closed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// Write the page. O(routes × codes + SKUs shown).
pub(crate) fn page(
    metrics: &Metrics,
    lines: &Lines,
    engine: &Engine,
    reminders: Option<Arc<Figures>>,
    risks: &Risks,
) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot {
        answers: std::array::from_fn(|route| {
            std::array::from_fn(|code| metrics.answers[route][code].load(Ordering::Relaxed))
        }),
        latency: std::array::from_fn(|route| metrics.latency[route].read()),
        accepted: metrics.connections_accepted.load(Ordering::Relaxed),
        closed: metrics.connections_closed.load(Ordering::Relaxed),
        refused: metrics.connections_refused.load(Ordering::Relaxed),
        status: engine.status(),
        stock: stock(engine),
        line: LinePage::read(lines, engine),
        reminders,
        risk: RiskPage::read(risks),
    }));
    let mut text = String::with_capacity(16 * 1_024);
    prometheus_client::encoding::text::encode(&mut text, &registry)
        .expect("writing into a string does not fail");
    text
}

fn stock(engine: &Engine) -> Vec<Stock> {
    let mut stock = Vec::new();
    for campaign in engine.campaigns() {
        for sku in campaign.skus().take(SKUS_SHOWN_MAX) {
            let Some(units) = engine.units(sku.ix) else { continue };
            stock.push(Stock {
                campaign: campaign.name().to_string(),
                sku: sku.name.to_string(),
                free: units.free,
                held: units.held,
                waiting: engine.wait_view(sku.ix).waiting,
            });
        }
    }
    stock
}

impl Latency {
    fn read(&self) -> Histogram {
        let bounds = LATENCY_US.iter().map(|us| *us as f64 / 1e6).chain([f64::MAX]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum_secs = self.total_ns.load(Ordering::Relaxed) as f64 / 1e9;
        Histogram { sum_secs, count, buckets }
    }
}

/// What was read for one page.
#[derive(Debug)]
struct Snapshot {
    answers: [[u64; CODES + 1]; ROUTES],
    latency: [Histogram; ROUTES],
    accepted: u64,
    closed: u64,
    refused: u64,
    status: Status,
    stock: Vec<Stock>,
    line: LinePage,
    reminders: Option<Arc<Figures>>,
    risk: RiskPage,
}

/// Times of one route; each bucket has its upper bound in seconds and its own count.
#[derive(Debug)]
struct Histogram {
    sum_secs: f64,
    count: u64,
    buckets: Vec<(f64, u64)>,
}

#[derive(Debug)]
struct Stock {
    waiting: u32,
    campaign: String,
    sku: String,
    free: u32,
    held: u32,
}

impl Collector for Snapshot {
    fn encode(&self, mut out: DescriptorEncoder) -> fmt::Result {
        self.requests(&mut out)?;
        self.engine(&mut out)?;
        self.units(&mut out)?;
        self.line.encode(&mut out)?;
        self.risk.encode(&mut out)?;
        let encode = |figures| crate::reminders::encode_figures(&mut out, figures);
        self.reminders.as_deref().map_or(Ok(()), encode)
    }
}

impl Snapshot {
    fn requests(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let help = "Answers by route and refusal code";
        let mut family =
            out.encode_descriptor("onrush_http_requests", help, None, MetricType::Counter)?;
        for route in Route::ALL {
            let (method, path) = route.describe();
            for (column, count) in self.answers[route as usize].iter().enumerate() {
                let code = all().get(column).map_or("ok", |page| page.code);
                if *count > 0 {
                    let labels = [("method", method), ("path", path), ("code", code)];
                    ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        let help = "Time from the parsed head to the answer";
        let mut family = out.encode_descriptor(
            "onrush_http_request_duration_seconds",
            help,
            None,
            MetricType::Histogram,
        )?;
        for route in Route::ALL {
            let Histogram { sum_secs, count, buckets } = &self.latency[route as usize];
            if *count > 0 {
                let (method, path) = route.describe();
                let labels = [("method", method), ("path", path)];
                let mut encoder = family.encode_family(&labels)?;
                encoder.encode_histogram::<[(&str, &str); 0]>(*sum_secs, *count, buckets, None)?;
            }
        }
        counter(out, "onrush_connections_accepted", "Connections accepted", self.accepted)?;
        counter(out, "onrush_connections_refused", "Connections over the limit", self.refused)?;
        let open = self.accepted.saturating_sub(self.closed);
        gauge(out, "onrush_connections_open", "Connections open", open as i64)
    }

    fn engine(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        let s = &self.status;
        let healthy = i64::from(s.failed.is_none());
        gauge(out, "onrush_engine_healthy", "1 until the journal fails", healthy)?;
        gauge(out, "onrush_durable_lsn", "Last durable record", s.durable_lsn.0 as i64)?;
        let under_way = s.reserves_in_flight as i64;
        gauge(out, "onrush_reserves_in_flight", "Reserves under way", under_way)?;
        let most = s.reserves_in_flight_max as i64;
        gauge(out, "onrush_reserves_in_flight_max", "Bound of reserves under way", most)?;
        let settles = s.settles_in_flight as i64;
        gauge(out, "onrush_settles_in_flight", "Other actions under way", settles)?;
        gauge(out, "onrush_journal_sync_nanoseconds_max", "Longest sync", s.sync_ns_max as i64)?;
        for (name, help, value) in [
            ("onrush_journal_syncs", "Syncs", s.syncs),
            ("onrush_journal_sync_nanoseconds", "Time in syncs", s.sync_ns),
            ("onrush_journal_records", "Records made durable", s.records),
            ("onrush_journal_bytes", "Bytes made durable", s.journal_bytes),
            ("onrush_vetoes", "Reserves refused by the ledger after the slot", s.vetoes),
            ("onrush_snapshots", "Snapshots taken", s.snapshots),
            ("onrush_snapshots_failed", "Snapshots that failed", s.snapshots_failed),
            ("onrush_clock_steps", "Steps of the wall clock seen", s.clock_steps),
        ] {
            counter(out, name, help, value)?;
        }
        Ok(())
    }

    fn units(&self, out: &mut DescriptorEncoder) -> fmt::Result {
        for (name, help, read) in [
            ("onrush_units_free", "Units free", (|stock| stock.free) as fn(&Stock) -> u32),
            ("onrush_units_held", "Units on hold", |stock| stock.held),
            ("onrush_buyers_waiting", "Buyers in the waitlist", |stock| stock.waiting),
        ] {
            let mut family = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for stock in &self.stock {
                let labels = [("campaign", stock.campaign.as_str()), ("sku", stock.sku.as_str())];
                ConstGauge::new(i64::from(read(stock))).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn counter(out: &mut DescriptorEncoder, name: &str, help: &str, value: u64) -> fmt::Result {
    let encoder: MetricEncoder<'_> =
        out.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(encoder)
}

fn gauge(out: &mut DescriptorEncoder, name: &str, help: &str, value: i64) -> fmt::Result {
    let encoder: MetricEncoder<'_> = out.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(encoder)
}
