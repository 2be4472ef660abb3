//! Every bound of reminders, in one place.

/// Reminders kept, over all campaigns; one more is answered as full.
pub const REMINDERS_MAX: u64 = 1 << 20;

/// Reminders of one campaign to one address. A family may share a mailbox; nobody should fill one.
pub const PER_ADDRESS_MAX: u8 = 4;

/// Bytes of an address, a push subscription's endpoint and keys included.
pub const ADDRESS_BYTES_MAX: usize = 1_024;

/// Bytes of the reference a webhook carries, and of a WeChat openid.
pub const REFERENCE_BYTES_MAX: usize = 128;

/// Orders that wait for the owner thread.
pub const ORDERS_MAX: usize = 4_096;

/// Orders and outcomes that share one commit.
pub const BATCH_MAX: usize = 256;

/// Reminders that are being handed over at one moment.
pub const IN_FLIGHT_MAX: usize = 64;

/// How often the owner thread looks for what is due.
pub const TICK_MS: u64 = 100;

/// Attempts at one reminder.
pub const ATTEMPTS_MAX: u8 = 8;

/// First wait after a refusal; it doubles with each.
pub const BACKOFF_MS_MIN: u64 = 2_000;

/// Longest wait between two attempts.
pub const BACKOFF_MS_MAX: u64 = 5 * 60 * 1_000;

/// Longest time for one hand-over, connecting included.
pub const SEND_MS_MAX: u64 = 15_000;

/// Bytes read of what a service answers.
pub const ANSWER_BYTES_MAX: usize = 64 * 1_024;

/// How long after the start a campaign's reminders are remembered, without addresses.
pub const KEEP_MS: u64 = 7 * 24 * 3_600 * 1_000;

/// Campaigns that reminders may belong to.
pub const CAMPAIGNS_MAX: usize = onrush_types::limits::CAMPAIGNS_MAX;

// What is being sent must fit one commit of outcomes.
const _: () = assert!(IN_FLIGHT_MAX <= BATCH_MAX);
// A key slot is numbered in 32 bits; each person with a live reminder has one.
const _: () = assert!(REMINDERS_MAX < u32::MAX as u64);
