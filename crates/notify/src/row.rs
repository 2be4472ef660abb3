//! What is kept of one reminder, and the states it passes through.
//!
//! ```text
//! waiting ─► sending ─┬─► sent        handed over and accepted
//!    ▲          │     ├─► failed      refused for good, or given up
//!    │          │     └─► unknown     nobody can tell; never sent again
//!    ├──retry───┘
//!    ├─► missed                       the sale started first
//!    └─► failed                       its address could not be read back
//! ```
//! Every state but `waiting` and `sending` is final: its address is destroyed with it.
//!
//! Bytes of a row, big-endian:
//! ```text
//! version 1 │ state 1 │ locale 1 │ attempts 1 │ text version 2 │ consent ms 8 │ made ms 8
//! │ first attempt ms 8 │ next attempt ms 8 │ address digest 16 │ sealed address …
//! ```

use crate::address::Locale;
use onrush_types::Timestamp;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 54;

/// What became of a reminder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// It will be sent.
    Waiting = 0,
    /// It is being handed over.
    Sending = 1,
    /// It was handed over, and accepted.
    Sent = 2,
    /// It was refused for good, or given up.
    Failed = 3,
    /// It may or may not have been handed over.
    Unknown = 4,
    /// The sale started before it could be sent.
    Missed = 5,
}

impl State {
    /// Every state, in the order of its number.
    pub const ALL: [State; 6] =
        [State::Waiting, State::Sending, State::Sent, State::Failed, State::Unknown, State::Missed];

    /// Return its name in answers and figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Sending => "sending",
            State::Sent => "sent",
            State::Failed => "failed",
            State::Unknown => "unknown",
            State::Missed => "missed",
        }
    }

    /// Tell whether nothing follows.
    pub const fn is_final(self) -> bool {
        !matches!(self, State::Waiting | State::Sending)
    }

    /// Tell whether `next` may follow.
    pub const fn can_move_to(self, next: State) -> bool {
        use State::{Failed, Missed, Sending, Sent, Unknown, Waiting};
        matches!(
            (self, next),
            (Waiting, Sending | Missed | Failed) | (Sending, Waiting | Sent | Failed | Unknown)
        )
    }
}

/// One reminder as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    state: State,
    pub(crate) locale: Locale,
    pub(crate) attempts: u8,
    /// Which version of the consent's text the buyer agreed to.
    pub(crate) text_version: u16,
    /// When the buyer agreed.
    pub(crate) consent_at: Timestamp,
    pub(crate) made_at: Timestamp,
    /// Zero before the first attempt.
    pub(crate) first_try_at: Timestamp,
    /// Zero: as soon as the campaign's reminders are due.
    pub(crate) next_try_at: Timestamp,
    /// Counts the reminders to one address; zero once it is destroyed.
    pub(crate) address: [u8; 16],
    /// Under the person's key; empty once it is destroyed.
    pub(crate) sealed: Vec<u8>,
}

impl Row {
    /// Make a row that waits.
    pub(crate) fn new(
        locale: Locale,
        consent_at: Timestamp,
        text_version: u16,
        now: Timestamp,
        address: [u8; 16],
        sealed: Vec<u8>,
    ) -> Row {
        Row {
            state: State::Waiting,
            locale,
            attempts: 0,
            text_version,
            consent_at,
            made_at: now,
            first_try_at: Timestamp(0),
            next_try_at: Timestamp(0),
            address,
            sealed,
        }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Move to `next`; a final state takes the address with it.
    ///
    /// # Panics
    /// When `next` may not follow: the caller looked at another row.
    pub(crate) fn set_state(&mut self, next: State) {
        assert!(self.state.can_move_to(next), "{:?} does not lead to {next:?}", self.state);
        self.state = next;
        if next.is_final() {
            self.sealed = Vec::new();
            self.address = [0; 16];
        }
    }

    /// Return where it stands in its campaign's queue; what does not wait stands at the end.
    pub(crate) fn queued_at(&self) -> u64 {
        match self.state {
            State::Waiting => self.next_try_at.0,
            _ => u64::MAX,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.sealed.len());
        out.extend_from_slice(&[VERSION, self.state as u8, self.locale as u8, self.attempts]);
        out.extend_from_slice(&self.text_version.to_be_bytes());
        for at in [self.consent_at, self.made_at, self.first_try_at, self.next_try_at] {
            out.extend_from_slice(&at.0.to_be_bytes());
        }
        out.extend_from_slice(&self.address);
        assert_eq!(out.len(), HEAD_BYTES, "the head's layout is fixed");
        out.extend_from_slice(&self.sealed);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Row> {
        let (head, sealed) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let at = |from: usize| {
            Timestamp(u64::from_be_bytes(*head[from..].first_chunk().expect("8 bytes")))
        };
        if head[0] != VERSION {
            return None;
        }
        Some(Row {
            state: *State::ALL.get(usize::from(head[1]))?,
            locale: Locale::numbered(head[2])?,
            attempts: head[3],
            text_version: u16::from_be_bytes([head[4], head[5]]),
            consent_at: at(6),
            made_at: at(14),
            first_try_at: at(22),
            next_try_at: at(30),
            address: *head[38..].first_chunk().expect("16 bytes"),
            sealed: sealed.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagram_is_the_table() {
        let allowed = [
            ("waiting", "sending"),
            ("waiting", "missed"),
            ("waiting", "failed"),
            ("sending", "waiting"),
            ("sending", "sent"),
            ("sending", "failed"),
            ("sending", "unknown"),
        ];
        for from in State::ALL {
            for to in State::ALL {
                let expected = allowed.contains(&(from.as_str(), to.as_str()));
                assert_eq!(from.can_move_to(to), expected, "{from:?} {to:?}");
                assert!(!(from.is_final() && expected));
            }
        }
    }

    #[test]
    fn a_row_reads_back_and_its_bytes_stay() {
        let consent = Timestamp(0x0102_0304_0506_0708);
        let mut row = Row::new(Locale::En, consent, 3, Timestamp(9), [0xaa; 16], vec![1, 2]);
        row.attempts = 2;
        row.first_try_at = Timestamp(10);
        row.next_try_at = Timestamp(11);
        let bytes = row.encode();
        assert_eq!(Row::decode(&bytes), Some(row.clone()));
        assert_eq!(bytes[..14], [1, 0, 1, 2, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes[21], 9);
        assert_eq!((bytes[29], bytes[37], bytes[38], bytes.len()), (10, 11, 0xaa, 56));
        assert_eq!(Row::decode(&bytes[..53]), None);
        assert_eq!(Row::decode(&[&[2], &bytes[1..]].concat()), None);
        assert_eq!(row.queued_at(), 11);
        row.set_state(State::Sending);
        assert_eq!(row.queued_at(), u64::MAX);
        row.set_state(State::Sent);
        assert!(row.sealed.is_empty() && row.address == [0; 16]);
    }

    #[test]
    #[should_panic(expected = "does not lead to")]
    fn a_final_state_stays() {
        let mut row = Row::new(Locale::Zh, Timestamp(1), 1, Timestamp(1), [0; 16], vec![]);
        row.set_state(State::Missed);
        row.set_state(State::Sending);
    }
}
