//! What becomes of one reservation.
//!
//! ```text
//! reserve ─► held ───┬─ covered ──► sold ─ cancel ─► cancelled
//!    │         ▲     ├─ release ─► released
//!    │       accept  └─ expire ──► expired ─ late money, where INV-8 allows ─► sold
//!    └► review ┴─ reject ─► released      (review also expires, and is not sold late then)
//! ```

/// The state of a reservation. Numbers are part of the journal and snapshot formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Units are set aside until the deadline.
    Held = 1,
    /// Held, and waiting for somebody to look at it. Money is kept, but sells only what was accepted.
    Review = 2,
    /// Paid for; the units are gone.
    Sold = 3,
    /// Given up before it was paid; the units are free.
    Released = 4,
    /// The deadline passed; the units are free.
    Expired = 5,
    /// Sold, then taken back by the shop.
    Cancelled = 6,
}

impl State {
    /// Every state, in the order of its number.
    pub const ALL: [State; 6] = [
        State::Held,
        State::Review,
        State::Sold,
        State::Released,
        State::Expired,
        State::Cancelled,
    ];

    /// Return the state with this number.
    pub const fn from_u8(number: u8) -> Option<State> {
        match number {
            1 => Some(State::Held),
            2 => Some(State::Review),
            3 => Some(State::Sold),
            4 => Some(State::Released),
            5 => Some(State::Expired),
            6 => Some(State::Cancelled),
            _ => None,
        }
    }

    /// Tell whether the arrow `self → to` is in the diagram above.
    pub const fn can_move_to(self, to: State) -> bool {
        matches!(
            (self, to),
            (State::Held, State::Sold | State::Released | State::Expired)
                | (State::Review, State::Held | State::Released | State::Expired)
                | (State::Expired, State::Sold)
                | (State::Sold, State::Cancelled)
        )
    }

    /// Tell whether units are set aside and may come back.
    pub const fn is_held(self) -> bool {
        matches!(self, State::Held | State::Review)
    }

    /// Tell whether the units count towards the buyer's limit.
    pub const fn counts_towards_limit(self) -> bool {
        matches!(self, State::Held | State::Review | State::Sold)
    }

    /// Return the word that the outside sees.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Held => "held",
            State::Review => "review",
            State::Sold => "sold",
            State::Released => "released",
            State::Expired => "expired",
            State::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pairs_of_states() {
        let arrows = "held>sold held>released held>expired review>held \
                      review>released review>expired expired>sold sold>cancelled";
        for from in State::ALL {
            assert_eq!(State::from_u8(from as u8), Some(from));
            for to in State::ALL {
                let arrow = format!("{}>{}", from.as_str(), to.as_str());
                let drawn = arrows.split_whitespace().any(|a| a == arrow);
                assert_eq!(from.can_move_to(to), drawn, "{arrow}");
            }
        }
        assert_eq!(State::from_u8(0), None);
        assert_eq!(State::from_u8(7), None);
    }
}
