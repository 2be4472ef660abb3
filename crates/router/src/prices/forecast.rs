//! Expected demand as order classes: orders alike in lines, form, channel and place.

use crate::delivery::Delivery;
use crate::limits::FORECAST_CLASSES_MAX;
use crate::node::NodeIx;
use crate::order::{ChannelNo, Order};
use std::collections::HashMap;

/// Orders seen before a forecast is judged by them.
const JUDGED_ORDERS_MIN: f64 = 100.0;

/// What makes two orders one class. Places are told apart by a hundredth of a degree.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    place: (i32, i32),
    delivery: Delivery,
    channel: Option<ChannelNo>,
    pickup: Option<NodeIx>,
    lines: Vec<(u32, u32)>,
}

impl Key {
    fn fill(&mut self, order: &Order) {
        let round = |degrees: f64| (degrees * 100.0).round() as i32;
        self.place = (round(order.destination.lat()), round(order.destination.lon()));
        self.delivery = order.delivery;
        self.channel = order.channel;
        self.pickup = order.pickup;
        self.lines.clear();
        self.lines.extend(order.lines.iter().map(|line| (line.sku.0, line.units)));
        self.lines.sort_unstable();
    }
}

/// Order classes and how often each is expected or was seen.
#[derive(Clone, Debug)]
pub struct Forecast {
    by_key: HashMap<Key, u32>,
    probe: Key,
    keys: Vec<Key>,
    /// One order of each class.
    pub(super) examples: Vec<Order>,
    /// Count of each class.
    pub(super) counts: Vec<f64>,
    total: f64,
    /// Grows when classes are folded, which renumbers them.
    pub(super) folds: u32,
}

impl Default for Forecast {
    fn default() -> Forecast {
        Forecast {
            by_key: HashMap::new(),
            probe: Key {
                place: (0, 0),
                delivery: Delivery::Standard,
                channel: None,
                pickup: None,
                lines: Vec::new(),
            },
            keys: Vec::new(),
            examples: Vec::new(),
            counts: Vec::new(),
            total: 0.0,
            folds: 0,
        }
    }
}

impl Forecast {
    /// Learn from past orders: each counts once.
    pub fn learn<'a>(orders: impl IntoIterator<Item = &'a Order>) -> Forecast {
        let mut forecast = Forecast::default();
        for order in orders {
            forecast.add(order, 1.0);
        }
        forecast
    }

    /// State rates: an example of each class and how many orders of it are expected.
    pub fn rates<'a>(classes: impl IntoIterator<Item = (&'a Order, f64)>) -> Forecast {
        let mut forecast = Forecast::default();
        for (order, count) in classes {
            forecast.add(order, count);
        }
        forecast
    }

    /// Count an order and return its class. Folds classes beyond [`FORECAST_CLASSES_MAX`].
    pub fn add(&mut self, order: &Order, count: f64) -> u32 {
        self.total += count;
        self.probe.fill(order);
        if let Some(&class) = self.by_key.get(&self.probe) {
            self.counts[class as usize] += count;
            return class;
        }
        if self.examples.len() == FORECAST_CLASSES_MAX {
            self.fold();
        }
        let class = self.examples.len() as u32;
        self.by_key.insert(self.probe.clone(), class);
        self.keys.push(self.probe.clone());
        self.examples.push(order.clone());
        self.counts.push(count);
        class
    }

    /// Return the number of orders counted.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Return the number of classes.
    pub fn classes(&self) -> usize {
        self.examples.len()
    }

    /// Return an example of each class and its count.
    pub fn weights(&self) -> impl Iterator<Item = (&Order, f64)> {
        self.examples.iter().zip(self.counts.iter().copied())
    }

    /// Return each class's share of all orders, so that they sum to one.
    pub(super) fn shares(&self) -> Vec<f64> {
        let kept: f64 = self.counts.iter().sum();
        self.counts.iter().map(|count| count / kept.max(f64::MIN_POSITIVE)).collect()
    }

    /// Return the mean units of one order.
    pub(super) fn units_per_order(&self) -> f64 {
        let kept: f64 = self.counts.iter().sum();
        let units = self.examples.iter().zip(&self.counts);
        units.map(|(order, count)| f64::from(order.units()) * count).sum::<f64>()
            / kept.max(f64::MIN_POSITIVE)
    }

    /// Return how many orders seen this forecast is worth, judged by how well it foretells them.
    ///
    /// Moments of the Dirichlet-multinomial: counts spread more than chance allows by a factor that
    /// falls with the prior's worth. Infinite when they spread no more than chance.
    pub(super) fn worth_against(&self, seen: &Forecast) -> f64 {
        let orders: f64 = seen.counts.iter().sum();
        if orders < JUDGED_ORDERS_MIN || self.examples.is_empty() {
            return f64::INFINITY;
        }
        let kept: f64 = self.counts.iter().sum();
        let mut foretold = vec![None; self.examples.len()];
        let mut strangers = 0.0;
        for class in 0..seen.examples.len() {
            match self.by_key.get(&seen.keys[class]) {
                Some(&mine) => foretold[mine as usize] = Some(seen.counts[class]),
                None => strangers += seen.counts[class],
            }
        }
        // Half an order for everything the forecast never saw.
        let total = kept + 0.5;
        let term = |count: f64, share: f64| {
            let expected = orders * share;
            (count - expected).powi(2) / expected
        };
        let known = self.counts.iter().zip(&foretold);
        let spread: f64 = known.map(|(mine, seen)| term(seen.unwrap_or(0.0), mine / total)).sum();
        let spread = (spread + term(strangers, 0.5 / total)) / self.examples.len() as f64;
        if spread <= 1.0 { f64::INFINITY } else { (orders - 1.0) / (spread - 1.0) }
    }

    /// Keep every second class: a systematic sample of what was seen, in the order it was seen.
    fn fold(&mut self) {
        let keep = |n: &usize| n.is_multiple_of(2);
        let classes = self.examples.len();
        self.examples = (0..classes).filter(keep).map(|n| self.examples[n].clone()).collect();
        self.counts = (0..classes).filter(keep).map(|n| self.counts[n]).collect();
        self.folds += 1;
        self.keys = (0..classes).filter(keep).map(|n| self.keys[n].clone()).collect();
        let numbered = self.keys.iter().cloned().zip(0..);
        self.by_key = numbered.collect();
    }
}
