//! The policy file's form. Every field optional, none unknown; ranges are checked in [`super::check`].

use crate::delivery::Delivery;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PolicyFile {
    pub(super) version: Option<u32>,
    pub(super) costs: CostsFile,
    pub(super) distance: DistanceFile,
    pub(super) split: SplitFile,
    pub(super) prices: PricesFile,
    pub(super) filters: FiltersFile,
    pub(super) priority: Vec<PriorityFile>,
    pub(super) protect: BTreeMap<String, u32>,
    pub(super) weights: Vec<WeightsFile>,
    pub(super) delivery: BTreeMap<Delivery, RuleFile>,
    pub(super) pickup: PickupFile,
    pub(super) hold: HoldFile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CostsFile {
    pub(super) fixed_per_shipment: Option<f64>,
    pub(super) per_unit: Option<f64>,
    pub(super) per_unit_km: Option<f64>,
    pub(super) unfilled_fixed: Option<f64>,
    pub(super) unfilled_per_unit: Option<f64>,
    pub(super) per_rejection: Option<f64>,
    pub(super) per_late_shipment: Option<f64>,
    pub(super) fixed_per_pickup: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DistanceFile {
    pub(super) detour: Option<f64>,
    pub(super) max_km: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SplitFile {
    pub(super) limit: Option<i64>,
    pub(super) min_value: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PricesFile {
    pub(super) enabled: Option<bool>,
    pub(super) reprice_every: Option<i64>,
    pub(super) forecast: Option<String>,
    pub(super) horizon_orders: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FiltersFile {
    pub(super) kinds: Vec<String>,
    pub(super) owner: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) exclude_groups: Vec<String>,
    pub(super) exclude_nodes: Vec<String>,
    pub(super) min_accept: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriorityFile {
    pub(super) group: String,
    pub(super) cost: f64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WeightsFile {
    pub(super) channel: Option<String>,
    pub(super) delivery: Option<Delivery>,
    pub(super) shipment: Option<f64>,
    pub(super) distance: Option<f64>,
    pub(super) handling: Option<f64>,
    pub(super) lateness: Option<f64>,
    pub(super) rejection: Option<f64>,
    pub(super) max_km: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RuleFile {
    pub(super) due_minutes: Option<u32>,
    pub(super) due_end_of_day: Option<u8>,
    pub(super) start_minutes: Option<f64>,
    pub(super) speed_kmh: Option<f64>,
    pub(super) spread: Option<f64>,
    pub(super) max_km: Option<f64>,
    pub(super) min_confidence: Option<f64>,
    pub(super) kinds: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PickupFile {
    pub(super) transfers: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HoldFile {
    pub(super) minutes: Option<f64>,
}
