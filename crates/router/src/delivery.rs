//! The delivery forms, when each is due, and what can be promised.
//!
//! | form | who may ship | due | where to |
//! |---|---|---|---|
//! | standard | every node | the order's deadline, if any | destination |
//! | one_hour, four_hours | every node in reach | that long after the order | destination |
//! | same_day, next_day | every node in reach | end of that day at the node | destination |
//! | scheduled | every node in reach | the order's deadline, not before the window opens | destination |
//! | pickup | the chosen node; others when it lacks stock and transfers are on | the order's deadline, if any | the chosen node |
//! | ship_from_store | stores | the order's deadline, if any | destination |
//! | in_store_home | every node; the selling store may use its safety stock | the order's deadline, if any | destination |
//! | transfer | nodes near the chosen one | the order's deadline, if any | the chosen node |
//!
//! *Order here, collect there* is `pickup` with a node in another city. A live-stream order is any
//! form with a channel; policies weigh and limit it by channel.
//!
//! **Time model.** A shipment starts when the node works and has a place, takes the node's handling
//! time, waits `start_minutes` for the carrier, and travels at `speed_kmh`. Its duration is taken as
//! normal around that sum with a standard deviation of `spread` times the duration. Confidence is
//! the chance to arrive by the promised time, times the chance that the node accepts.

use crate::node::NodeKind;
use onrush_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// How an order reaches its buyer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Shipped, without a form of its own.
    #[default]
    Standard,
    /// Within an hour.
    OneHour,
    /// Within four hours.
    FourHours,
    /// Before the end of the day.
    SameDay,
    /// Before the end of the next day.
    NextDay,
    /// In a window the buyer chose.
    Scheduled,
    /// Collected at a node the buyer chose.
    Pickup,
    /// Shipped by a store.
    ShipFromStore,
    /// Bought in a store, delivered home.
    InStoreHome,
    /// Moved from a nearby node to the one that hands it over.
    Transfer,
}

impl Delivery {
    /// Every form, in the order of their numbers.
    pub const ALL: [Delivery; 10] = [
        Delivery::Standard,
        Delivery::OneHour,
        Delivery::FourHours,
        Delivery::SameDay,
        Delivery::NextDay,
        Delivery::Scheduled,
        Delivery::Pickup,
        Delivery::ShipFromStore,
        Delivery::InStoreHome,
        Delivery::Transfer,
    ];

    /// Return the name used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Delivery::Standard => "standard",
            Delivery::OneHour => "one_hour",
            Delivery::FourHours => "four_hours",
            Delivery::SameDay => "same_day",
            Delivery::NextDay => "next_day",
            Delivery::Scheduled => "scheduled",
            Delivery::Pickup => "pickup",
            Delivery::ShipFromStore => "ship_from_store",
            Delivery::InStoreHome => "in_store_home",
            Delivery::Transfer => "transfer",
        }
    }

    /// Say whether the order names the node where the buyer collects it.
    pub const fn is_collected(self) -> bool {
        matches!(self, Delivery::Pickup | Delivery::Transfer)
    }

    /// Return the rule that holds unless a policy states another.
    pub const fn default_rule(self) -> Rule {
        let any = Rule {
            due: Due::Given,
            start_minutes: 0.0,
            speed_kmh: 50.0,
            spread: 0.2,
            max_km: f64::INFINITY,
            min_confidence: 0.5,
            kinds: 0b1111,
        };
        match self {
            Delivery::Standard => Rule { start_minutes: 720.0, ..any },
            Delivery::OneHour => Rule {
                due: Due::AfterMinutes(60),
                start_minutes: 8.0,
                speed_kmh: 18.0,
                max_km: 15.0,
                min_confidence: 0.9,
                ..any
            },
            Delivery::FourHours => Rule {
                due: Due::AfterMinutes(240),
                start_minutes: 30.0,
                speed_kmh: 25.0,
                max_km: 40.0,
                min_confidence: 0.9,
                ..any
            },
            Delivery::SameDay => Rule {
                due: Due::EndOfDay(0),
                start_minutes: 60.0,
                speed_kmh: 40.0,
                max_km: 150.0,
                min_confidence: 0.9,
                ..any
            },
            Delivery::NextDay => Rule {
                due: Due::EndOfDay(1),
                start_minutes: 240.0,
                max_km: 1_500.0,
                min_confidence: 0.9,
                ..any
            },
            Delivery::Scheduled => Rule {
                start_minutes: 15.0,
                speed_kmh: 25.0,
                max_km: 60.0,
                min_confidence: 0.9,
                ..any
            },
            Delivery::Pickup | Delivery::Transfer => {
                Rule { start_minutes: 15.0, speed_kmh: 25.0, max_km: 40.0, ..any }
            }
            Delivery::ShipFromStore => {
                Rule { start_minutes: 720.0, kinds: NodeKind::Store.bit(), ..any }
            }
            Delivery::InStoreHome => Rule { start_minutes: 240.0, ..any },
        }
    }
}

impl FromStr for Delivery {
    type Err = UnknownDelivery;

    fn from_str(text: &str) -> Result<Delivery, UnknownDelivery> {
        Delivery::ALL.into_iter().find(|form| form.as_str() == text).ok_or(UnknownDelivery)
    }
}

/// A delivery form the router does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownDelivery;

impl std::fmt::Display for UnknownDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a delivery is one of ")?;
        let names: Vec<&str> = Delivery::ALL.iter().map(|form| form.as_str()).collect();
        f.write_str(&names.join(", "))
    }
}

impl std::error::Error for UnknownDelivery {}

/// When a delivery form is due; a deadline in the order always comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Only by the order's own deadline.
    Given,
    /// So many minutes after the order was placed.
    AfterMinutes(u32),
    /// At the end of the day this many days after the order's, at the node.
    EndOfDay(u8),
}

/// What a delivery form asks of a node, and how fast it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// When it is due.
    pub due: Due,
    /// From the end of handling until the carrier leaves, in minutes.
    pub start_minutes: f64,
    /// Speed on the road, in km/h.
    pub speed_kmh: f64,
    /// Standard deviation of the duration, as a share of it.
    pub spread: f64,
    /// Farthest road distance, in km.
    pub max_km: f64,
    /// Lowest confidence that is still promised.
    pub min_confidence: f64,
    /// Kinds of node that may ship, as [`NodeKind::bit`]s.
    pub kinds: u8,
}

/// What a buyer is told before buying.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Promise {
    /// In the buyer's hands, or ready to collect, by this time.
    pub at: Timestamp,
    /// Chance that it is, between 0 and 1.
    pub confidence: f64,
}

/// Confidence of a promise that no deadline asked for.
pub const OPEN_CONFIDENCE: f64 = 0.95;
/// The standard normal quantile of [`OPEN_CONFIDENCE`].
const OPEN_QUANTILE: f64 = 1.644_853_626_951_472_7;

/// When a shipment that starts at `start` arrives, as mean and standard deviation in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arrival {
    /// Mean, in ms since 1970.
    pub mean_ms: f64,
    /// Standard deviation, in ms.
    pub sd_ms: f64,
}

impl Arrival {
    /// Estimate the arrival of a shipment.
    #[inline]
    pub fn estimate(rule: &Rule, start: Timestamp, handling_ms: f64, km: f64) -> Arrival {
        let travel_ms = rule.start_minutes * 60_000.0 + km / rule.speed_kmh * 3_600_000.0;
        let duration_ms = handling_ms + travel_ms;
        Arrival { mean_ms: start.0 as f64 + duration_ms, sd_ms: rule.spread * duration_ms }
    }

    /// Return the chance to arrive by `due`.
    #[inline]
    pub fn on_time(&self, due: Timestamp) -> f64 {
        let early_ms = due.0 as f64 - self.mean_ms;
        if self.sd_ms <= 0.0 {
            return if early_ms >= 0.0 { 1.0 } else { 0.0 };
        }
        normal_cdf(early_ms / self.sd_ms)
    }

    /// Promise `due`, or the time kept with [`OPEN_CONFIDENCE`] when nothing is due.
    pub fn promise(&self, due: Option<Timestamp>, accept: f64) -> Promise {
        match due {
            Some(at) => Promise { at, confidence: self.on_time(at) * accept },
            None => {
                let at_ms = self.mean_ms + OPEN_QUANTILE * self.sd_ms;
                Promise { at: Timestamp(at_ms.ceil() as u64), confidence: OPEN_CONFIDENCE * accept }
            }
        }
    }
}

/// The standard normal distribution function, to about 1e-7.
///
/// Source: Abramowitz and Stegun (1964), formula 26.2.17.
pub fn normal_cdf(z: f64) -> f64 {
    if z.abs() > 8.0 {
        return if z > 0.0 { 1.0 } else { 0.0 };
    }
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-0.5 * z * z).exp() * 0.398_942_280_401_432_7 * poly;
    if z >= 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_matches_tables() {
        for (z, p) in [(0.0, 0.5), (1.0, 0.841_344_7), (-1.644_853_6, 0.05), (2.326_347_9, 0.99)] {
            assert!((normal_cdf(z) - p).abs() < 2e-7, "{z}");
        }
        assert_eq!(normal_cdf(9.0), 1.0);
        assert_eq!(normal_cdf(-9.0), 0.0);
    }

    #[test]
    fn arrival_adds_handling_waiting_and_the_road() {
        let rule = Rule { spread: 0.0, ..Delivery::OneHour.default_rule() };
        let arrival = Arrival::estimate(&rule, Timestamp(0), 10.0 * 60_000.0, 9.0);
        assert_eq!(arrival.mean_ms, (10.0 + 8.0 + 30.0) * 60_000.0);
        assert_eq!(arrival.on_time(Timestamp(48 * 60_000)), 1.0);
        assert_eq!(arrival.on_time(Timestamp(48 * 60_000 - 1)), 0.0);
    }

    #[test]
    fn an_open_promise_is_kept_nineteen_times_in_twenty() {
        let arrival = Arrival { mean_ms: 1e6, sd_ms: 1e5 };
        let promise = arrival.promise(None, 1.0);
        assert!((arrival.on_time(promise.at) - OPEN_CONFIDENCE).abs() < 1e-3);
        let even = arrival.promise(Some(Timestamp(1_000_000)), 0.8);
        assert!((even.confidence - 0.5 * 0.8).abs() < 1e-6);
    }

    #[test]
    fn names_are_the_ones_of_the_files() {
        for form in Delivery::ALL {
            assert_eq!(form.as_str().parse(), Ok(form));
        }
        assert!("express".parse::<Delivery>().is_err());
    }
}
