//! Every bound of the product, in one place, with the reason that ties it to the others.
//!
//! Nothing in Onrush grows without one of these (INV-9). What reaches its limit answers
//! `overloaded` or `invalid_request`; nothing live is dropped to make room.

/// How long a reserve that was let in may wait for its turn; more are answered `overloaded` meanwhile.
/// A fifth of what a hand notices: the answer still comes at once.
pub const QUEUE_WAIT_MS_MAX: u64 = 20;

/// Characters in a campaign, SKU, node or channel name.
pub const NAME_BYTES_MAX: usize = 64;

/// Units in one reservation. Fits the twelve bits the reservation word keeps for it.
pub const QUANTITY_MAX: u32 = 1_000;

/// Campaigns in one engine over the life of its data folder.
pub const CAMPAIGNS_MAX: usize = 1_024;

/// SKUs in one campaign.
pub const SKUS_PER_CAMPAIGN_MAX: usize = 100_000;

/// SKUs in one engine, over all campaigns.
pub const SKUS_MAX: usize = 1 << 20;

/// Units that may ever be supplied to one SKU. A slot keeps free and held in 31 bits each.
pub const SUPPLY_MAX: u32 = (1 << 31) - 1;

/// Reservations one engine remembers, over all campaigns that are not settled.
pub const RESERVATIONS_MAX: usize = 1 << 28;

/// Reservations that one buyer may make in one campaign, whatever became of them.
pub const RESERVATIONS_PER_BUYER_MAX: usize = 16;

/// Payment lines on one reservation, before and after it was paid. A shop that sends more is told
/// so; it would have to mend its own books anyway.
pub const PAYMENTS_PER_RESERVATION_MAX: usize = 32;

/// Buyers of one campaign that a hold or a sale can belong to, unless the campaign states fewer.
pub const BUYERS_PER_CAMPAIGN_MAX: usize = 1 << 26;

/// Different hold durations one engine keeps apart (each has its own expiry order).
pub const HOLD_CLASSES_MAX: usize = 256;

/// Bytes of a campaign's attributes: what the gateway shows but the engine does not decide by.
pub const ATTRIBUTES_BYTES_MAX: usize = 16 * 1_024;

/// Largest amount of one payment or price, in minor units. The board keeps it in 48 bits.
pub const AMOUNT_MAX: i64 = 1 << 46;

/// Buyers who wait for one SKU. One more is answered `overloaded`.
pub const WAITING_PER_SKU_MAX: usize = 1 << 20;

/// Buyers who wait, over all SKUs of one engine.
pub const WAITING_MAX: usize = 1 << 22;

/// Numbers from the first who waits for a SKU to the next one to be given: who joins and leaves all
/// the time cannot make the line longer than this.
pub const WAIT_SPAN_MAX: usize = 1 << 24;

/// Waves (planned supplies) of one campaign.
pub const WAVES_MAX: usize = 64;

/// Bytes of an idempotency key.
pub const KEY_BYTES_MAX: usize = 64;

/// Bytes of a buyer's identity, before it becomes a digest.
pub const BUYER_BYTES_MAX: usize = 256;

/// Bytes of a reason, an operator's name, a payment method or reference.
pub const TEXT_BYTES_MAX: usize = 200;

/// Bytes of the details journaled with a reservation (destination, delivery, attribution).
pub const DETAILS_BYTES_MAX: usize = 1_024;

/// Stores and warehouses of one engine. Covers the largest chain networks that are public.
pub const NODES_MAX: usize = 1 << 18;

/// Bytes of what is kept with a node (position, hours, capacity: JSON of the gateway).
pub const NODE_ATTRIBUTES_BYTES_MAX: usize = 1_024;

/// Pairs of node and SKU that have, or had, stock.
pub const NODE_STOCK_MAX: usize = 1 << 22;

/// Shipments of one plan. The router splits an order no further.
pub const SHIPMENTS_PER_PLAN_MAX: usize = 7;

/// Plans made for one reservation: each after the first answers a rejection.
pub const PLANS_PER_RESERVATION_MAX: u16 = 32;

/// Bytes of the explanation journaled with a plan.
pub const PLAN_NOTE_BYTES_MAX: usize = 1_280;

/// Bytes of a routing policy.
pub const ROUTING_BYTES_MAX: usize = 16 * 1_024;
/// Reservations in one request of a shop's back end.
pub const RESERVATIONS_PER_BATCH_MAX: usize = 1_000;

/// Shortest and longest hold.
pub const HOLD_MS_MIN: u64 = 1_000;
/// Longest hold: a week, for shops that take bank transfers.
pub const HOLD_MS_MAX: u64 = 7 * 24 * 3_600 * 1_000;

/// Shortest time by which an operator puts deadlines off.
pub const EXTEND_MS_MIN: u64 = 1_000;
/// Longest time by which deadlines are put off at once: a day. Who needs more looks again tomorrow.
pub const EXTEND_MS_MAX: u64 = 24 * 3_600 * 1_000;

/// Tickets in the line of one campaign.
pub const TICKETS_MAX: usize = 1 << 26;

/// Groups that one tier of a line names.
pub const TIER_GROUPS_MAX: usize = 32;

/// Shortest time in which a pass can be used.
pub const PASS_MS_MIN: u64 = 1_000;
/// Longest time in which a pass can be used, or a place that was passed over taken up again: a day.
pub const PASS_MS_MAX: u64 = 24 * 3_600 * 1_000;

/// How long after the start the last tier may enter: a month.
pub const TIER_AFTER_MS_MAX: u64 = 31 * 24 * 3_600 * 1_000;

/// People let in a second, and people inside, at most.
pub const OUTFLOW_MAX: u32 = 10_000_000;

/// Passes that may be out for each unit that can still be sold.
pub const PASSES_PER_UNIT_MAX: u32 = 100;

/// Steps of a line that are remembered, so that a place that was called up can be used or taken up
/// again. The time between two steps follows from it.
pub const LINE_STEPS_MAX: usize = 4_096;

/// Places that were passed over and wait to be called up again, or were and are not lost yet.
pub const RETURNS_MAX: usize = 65_536;

const _: () = assert!(TICKETS_MAX < u32::MAX as usize, "u32::MAX stands for a place not known yet");
const _: () = assert!(QUANTITY_MAX < 1 << 12, "the reservation word keeps quantity in 12 bits");
const _: () = assert!(SKUS_PER_CAMPAIGN_MAX <= SKUS_MAX, "one campaign fits the engine");
const _: () = assert!(SKUS_MAX <= 1 << 24, "the reservation word keeps the SKU in 24 bits");
const _: () = assert!(
    SHIPMENTS_PER_PLAN_MAX * PLANS_PER_RESERVATION_MAX as usize <= 256,
    "a shipment's place among its reservation's is 8 bits"
);
const _: () = assert!(ROUTING_BYTES_MAX <= u16::MAX as usize, "a text's length is 16 bits");
const _: () = assert!(EXTEND_MS_MAX < HOLD_MS_MAX, "one extension fits the longest hold");
const _: () = assert!(WAITING_PER_SKU_MAX <= WAITING_MAX, "one SKU's line fits the engine");
const _: () = assert!(WAIT_SPAN_MAX < u32::MAX as usize, "numbers of wishes are 32 bits");
const _: () = assert!(CAMPAIGNS_MAX <= u16::MAX as usize, "campaign ids are 16 bits");
const _: () = assert!(RESERVATIONS_MAX < u32::MAX as usize, "u32::MAX stands for none in a chain");
