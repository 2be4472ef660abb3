//! Above the queue: what many caller threads share. Everything here is a bounded table of atomic
//! words, plus one sharded map for buyers. It mirrors the ledger's durable state and nothing else:
//! the ledger thread writes it after each sync, in the order board, slots, durable LSN, callers.

mod board;
mod chunks;
mod claims;
mod slot;

pub use board::{Board, Posting};
pub use chunks::ChunkTable;
pub use claims::{Claim, Claims, FlightLinks, NONE, Standing};
pub use slot::{Shortage, Slot, SlotView};

/// SKUs in one chunk of the slot table.
const SLOTS_PER_CHUNK: usize = 1_024;

/// One padded slot per SKU, addressed by [`onrush_types::SkuIx`].
pub type Slots = ChunkTable<crossbeam_utils::CachePadded<Slot>>;

/// Make the slot table: no memory is used for SKUs that do not exist.
pub fn slots() -> Slots {
    ChunkTable::new(SLOTS_PER_CHUNK, onrush_types::limits::SKUS_MAX)
}
