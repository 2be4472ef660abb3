//! Where a ticket stands on the wheel, and the key that orders it once the wheel was turned.
//!
//! Keys are those of Efraimidis and Spirakis (*Weighted random sampling with a reservoir*,
//! Information Processing Letters 97, 2006) in their exponential form: −log2(uniform) ÷ weight is
//! the time of a ticket's first arrival in a race where it runs `weight` times as fast, so the
//! chance to be first, and first among those left, is the ticket's share of the weights.

use super::draw::Turn;
use super::log2::{minus_log2, minus_log2_of};

/// Weight classes that a line can tell apart.
pub const CLASSES_MAX: usize = 8;

/// A ticket's fixed place on the wheel, uniform over 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot(pub u64);

impl Spot {
    /// Return the uniform number of this spot after `turn`.
    #[inline]
    pub const fn turned(self, turn: Turn) -> u64 {
        self.0.wrapping_add(turn.0)
    }
}

/// What a draw sorts by, the smallest first: −log2 of the uniform number with 48 bits behind the
/// point, divided by the weight and cut to an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

impl Key {
    /// Return the key of the uniform number `u` for a ticket of `weight`.
    ///
    /// For one weight it never rises when `u` rises.
    ///
    /// # Panics
    /// When `weight` is zero.
    #[inline]
    pub const fn of(u: u64, weight: u8) -> Key {
        Key(minus_log2(u) / weight as u64)
    }

    /// Return [`Key::of`] of several numbers, in less time than one by one.
    ///
    /// # Panics
    /// When `weight` is zero.
    #[inline]
    pub fn of_each<const N: usize>(u: [u64; N], weight: u8) -> [Key; N] {
        minus_log2_of(u).map(|key| Key(key / u64::from(weight)))
    }
}

/// The weight of each class: 1 to 255, at most eight of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weights {
    // Zero stands for a class that does not exist.
    of: [u8; CLASSES_MAX],
}

impl Weights {
    /// Everybody is in class 0 and has the same chance.
    pub const EQUAL: Weights = Weights { of: [1, 0, 0, 0, 0, 0, 0, 0] };

    /// Take the weights of classes 0, 1, …; `None` when there are none, more than eight, or a zero.
    pub fn new(weights: &[u8]) -> Option<Weights> {
        let mut of = [0; CLASSES_MAX];
        of.get_mut(..weights.len())?.copy_from_slice(weights);
        (!weights.is_empty() && !weights.contains(&0)).then_some(Weights { of })
    }

    /// Return the weight of `class`; `None` when there is no such class.
    #[inline]
    pub fn get(self, class: u8) -> Option<u8> {
        self.of.get(usize::from(class)).copied().filter(|&weight| weight > 0)
    }

    /// Return the weights of the classes that exist.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        self.of.into_iter().take_while(|&weight| weight > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_checked_once() {
        let eight = [1, 2, 3, 4, 5, 6, 7, 255];
        let weights = Weights::new(&eight).expect("eight classes");
        assert_eq!(weights.iter().collect::<Vec<_>>(), eight);
        assert_eq!((weights.get(7), weights.get(8)), (Some(255), None));
        assert_eq!((Weights::EQUAL.get(0), Weights::EQUAL.get(1)), (Some(1), None));
        for bad in [&[][..], &[0], &[1, 0], &[1; 9]] {
            assert_eq!(Weights::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_divided_and_cut() {
        assert_eq!(Key::of(0, 1), Key(64 << 48));
        assert_eq!(Key::of(0, 3), Key((64 << 48) / 3));
        assert_eq!(Key::of(0, 255), Key((64 << 48) / 255));
        assert_eq!(Key::of(u64::MAX, 1), Key(0));
        assert_eq!(Key::of_each([0, 7], 3), [0, 7].map(|u| Key::of(u, 3)));
        assert_eq!(Key::of(u64::MAX - 1, 2), Key(0), "half of the least is cut to nothing");
    }

    #[test]
    fn a_turn_goes_round() {
        assert_eq!(Spot(u64::MAX).turned(Turn(1)), 0);
        assert_eq!(Spot(5).turned(Turn(u64::MAX)), 4);
    }
}
