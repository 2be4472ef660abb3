//! Every bound of the router, in one place, with the reason that ties it to the others.

/// Candidate nodes one exact decision weighs; more are cut to this many by their own cost.
pub const CANDIDATES_MAX: usize = 16;

/// Lines (distinct SKUs) of one order.
pub const LINES_MAX: usize = 256;

/// Lines up to which the decision runs over all partitions; above it branches and bounds.
pub const PARTITION_LINES_MAX: usize = 6;

/// Units of one line. The same bound as a reservation's quantity.
pub const UNITS_PER_LINE_MAX: u32 = onrush_types::limits::QUANTITY_MAX;

/// Shipments one order may be split into; the low three bits of a scaled cost count them.
pub const SPLIT_MAX: usize = 7;

/// Largest rate or fixed cost, in micro-units: a million currency units.
pub const COST_MICROS_MAX: i64 = 1_000_000_000_000;

/// Bytes of a node's, SKU's, order's, channel's or group's name.
pub const LABEL_BYTES_MAX: usize = onrush_types::limits::TEXT_BYTES_MAX;

/// Nodes in one network.
pub const NODES_MAX: usize = 1 << 22;

/// SKUs in one network.
pub const SKUS_MAX: usize = 1 << 24;

/// Stock entries (node and SKU) in one network.
pub const ENTRIES_MAX: usize = 1 << 27;

/// Units of one SKU at one node. Free and held keep 32 bits each in one word.
pub const ON_HAND_MAX: u32 = (1 << 31) - 1;

/// Channels of one network; quotas and policies name them.
pub const CHANNELS_MAX: usize = 64;

/// Groups of one network; a node's groups are bits of one word.
pub const GROUPS_MAX: usize = 64;

/// Nodes kept for each destination cell, nearest first.
pub const CELL_NODES: usize = 128;

/// Nodes looked at for one order before the search gives up on finding more.
pub const SEARCH_NODES_MAX: usize = 256;

/// Hour slots of capacity kept for each node: two weeks.
pub const SLOTS_KEPT: usize = 336;

/// Order classes a forecast keeps; the rest is folded into those kept.
pub const FORECAST_CLASSES_MAX: usize = 4_096;

/// Nodes looked at for stores near a place.
pub const NEARBY_NODES_MAX: usize = 512;

/// Different orders that the hindsight bound tells apart.
pub const BOUND_CLASSES_MAX: usize = 100_000;

/// Days for which opening hours are compiled at once: two years.
pub const CALENDAR_DAYS_MAX: u32 = 731;

const _: () = assert!(SPLIT_MAX < 1 << 3, "shipments are counted in three bits");
const _: () = assert!(CANDIDATES_MAX <= 16, "candidate sets are 16-bit masks");
const _: () = assert!(CANDIDATES_MAX <= CELL_NODES, "a cell can fill a decision");
