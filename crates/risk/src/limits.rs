//! Every bound of this crate in one place, with the assertions that tie them to the memory budget.

/// Entities that one campaign's sketches keep at most.
pub const ENTITIES_MAX: usize = 10_000_000;

/// Entities for which even a small campaign has room.
pub const ENTITIES_MIN: usize = 1 << 16;

/// Clusters of entities that one campaign keeps at most.
pub const CLUSTERS_MAX: usize = 3_500_000;

/// Places of the synchrony table.
pub const SYNCHRONY_SLOTS: usize = 1 << 16;

/// Memory of all sketches of a campaign.
pub const SKETCH_BYTES_MAX: usize = 512 << 20;

/// Bytes that an entity takes: its key and its row.
pub const ENTITY_BYTES: usize = 8 + 32;

/// Bytes that a cluster takes.
pub const CLUSTER_BYTES: usize = 24;

/// Bytes of a place in the synchrony table.
pub const SYNCHRONY_BYTES: usize = 16;

// Everything at its largest fits the budget, a thousandth for locks and headers included.
const _: () = assert!(
    (ENTITIES_MAX + (1 << 16)) * ENTITY_BYTES
        + CLUSTERS_MAX * CLUSTER_BYTES
        + SYNCHRONY_SLOTS * SYNCHRONY_BYTES
        + SKETCH_BYTES_MAX / 1_000
        <= SKETCH_BYTES_MAX
);

/// Largest model file.
pub const MODEL_BYTES_MAX: usize = 64 << 20;

/// Trees of a model.
pub const TREES_MAX: usize = 4_096;

/// Nodes of a model, leaves included.
pub const NODES_MAX: usize = 1 << 20;

/// Decisions on the way to a leaf.
pub const DEPTH_MAX: usize = 64;

/// Models that only record, beside the one that counts.
pub const SHADOWS_MAX: usize = 3;

/// Largest policy file.
pub const POLICY_BYTES_MAX: usize = 64 << 10;

/// Challenges that one campaign gives out; each is known by its number, so that one bit remembers it.
pub const CHALLENGES_MAX: u32 = 1 << 24;

/// Rows of one recording: 10 million people who join and reserve.
pub const RECORDING_ROWS_MAX: u64 = 20_000_000;
