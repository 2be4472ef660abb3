//! Figures about reminders for Prometheus. Labels are channels and states: no campaign, no person.

use onrush_notify::{Channel, Figures, State};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;

/// Write what is kept, and what was tried since the start.
pub(crate) fn encode(out: &mut DescriptorEncoder, figures: &Figures) -> fmt::Result {
    let total = figures.total();
    let help = "Reminders kept, by channel and state";
    let mut family = out.encode_descriptor("onrush_reminders", help, None, MetricType::Gauge)?;
    for channel in Channel::ALL {
        for state in State::ALL {
            let count = total[channel as usize][state as usize];
            let labels = [("channel", channel.as_str()), ("state", state.as_str())];
            ConstGauge::new(i64::from(count)).encode(family.encode_family(&labels)?)?;
        }
    }
    let (attempts, retries) = figures.attempts();
    for (name, help, value) in [
        ("onrush_reminder_attempts", "Attempts to hand a reminder over", attempts),
        ("onrush_reminder_retries", "Attempts after the first", retries),
    ] {
        let encoder = out.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)?;
    }
    Ok(())
}
