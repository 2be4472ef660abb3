//! How many others did the same at the same time: requests with one behaviour digest within 250 ms.
//!
//! A table of fixed size, one place for a digest. A place counts the current quarter of a second and
//! keeps the one before; what is told is the current count and the share of the earlier one that is
//! still within 250 ms. Two behaviours that meet in a place push each other out, which tells too few,
//! never too many.

use crate::key::EntityId;
use crate::limits::{SYNCHRONY_BYTES, SYNCHRONY_SLOTS};

const WINDOW_MS: u32 = 250;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tag: u32,
    window: u32,
    now: u32,
    before: u32,
}

const _: () = assert!(size_of::<Slot>() == SYNCHRONY_BYTES);
const _: () = assert!(SYNCHRONY_SLOTS.is_power_of_two());

/// The table.
#[derive(Debug)]
pub struct Synchrony {
    slots: Box<[Slot]>,
}

impl Synchrony {
    /// Make a table of `slots` places, a power of two.
    pub fn new(slots: usize) -> Synchrony {
        Synchrony { slots: vec![Slot::default(); slots.next_power_of_two()].into() }
    }

    /// Count one request, and return how many others there were within 250 ms. O(1).
    #[inline]
    pub fn count(&mut self, behaviour: EntityId, now_ms: u32) -> f32 {
        let at = behaviour.0 as usize & (self.slots.len() - 1);
        let (tag, window) = ((behaviour.0 >> 32) as u32, now_ms / WINDOW_MS);
        let slot = &mut self.slots[at];
        // A request that was stamped a little earlier counts in the window that is there.
        let window = if slot.tag == tag { window.max(slot.window) } else { window };
        if slot.tag != tag || window > slot.window + 1 {
            *slot = Slot { tag, window, now: 0, before: 0 };
        } else if window == slot.window + 1 {
            *slot = Slot { tag, window, now: 0, before: slot.now };
        }
        let share = 1.0 - (now_ms % WINDOW_MS) as f32 / WINDOW_MS as f32;
        let peers = slot.now as f32 + slot.before as f32 * share;
        slot.now = slot.now.saturating_add(1);
        peers
    }

    /// Return the memory it takes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_peers_in_a_quarter_of_a_second() {
        let mut table = Synchrony::new(16);
        let (bot, other) = (EntityId(7 << 32 | 3), EntityId(8 << 32 | 4));
        let told: Vec<f32> = (0..4).map(|n| table.count(bot, n)).collect();
        assert_eq!(told, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(table.count(other, 10), 0.0);
        assert_eq!(table.count(bot, 250), 4.0, "just before");
        assert_eq!(table.count(bot, 375), 1.0 + 4.0 * 0.5);
        assert_eq!(table.count(bot, 2_000), 0.0, "long ago");
    }

    #[test]
    fn a_collision_tells_too_few_and_never_too_many() {
        let mut table = Synchrony::new(16);
        let (one, two) = (EntityId(7 << 32 | 3), EntityId(9 << 32 | 3));
        table.count(one, 0);
        assert_eq!(table.count(two, 1), 0.0);
        assert_eq!(table.count(one, 2), 0.0);
        assert_eq!(table.bytes(), 16 * SYNCHRONY_BYTES);
    }
}
