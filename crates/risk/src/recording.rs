//! What was seen in a drop, for back-tests and training: signals and outcomes, digests only.
//!
//! ```text
//! line 1: onrush-risk 1 signals 1\n
//! rows of 224 bytes, little endian:
//! 0      1       2        3       4         8        16           24        28        32
//! │ kind │ stage │ action │ level │ units 4 │ at ms 8 │ account 8 │ score 4 │ shadow 4 │ signals 48 × 4 │
//! ```
//!
//! Kind 1 is a decision, kind 2 the end of a hold (`stage` is how). A file that ends within a row was
//! cut: whole rows count.

use crate::evidence::Stage;
use crate::signals::{SIGNALS, SIGNALS_VERSION, Signals};
use crate::sketches::Outcome;
use onrush_types::Timestamp;
use std::fmt;

/// Bytes of one row.
pub const ROW_BYTES: usize = 32 + SIGNALS * 4;

/// One row. Large and small alike are copied through a queue of fixed size, never one by one.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RecordedRow {
    /// A request was decided.
    Decided(Decided),
    /// A hold ended.
    Ended {
        /// When.
        at: Timestamp,
        /// Whose it was.
        account: u64,
        /// Its units.
        units: u32,
        /// How.
        outcome: Outcome,
    },
}

/// A request as it was decided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decided {
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub account: u64,
    /// Where.
    pub stage: Stage,
    /// What was done: see [`Action::number`](crate::Action::number).
    pub action: u8,
    /// The level of the challenge, if that was it.
    pub level: u8,
    /// Units that were asked for, and granted where `action` let them through.
    pub units: u32,
    /// The score that counted.
    pub probability: f32,
    /// The score of the first shadow; -1 where there is none.
    pub shadow: f32,
    /// What was seen.
    pub signals: Signals,
}

/// A recording that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingError(String);

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the recording cannot be read: {}", self.0)
    }
}

impl std::error::Error for RecordingError {}

/// Return the first line of a recording.
pub fn header() -> String {
    format!("onrush-risk 1 signals {SIGNALS_VERSION}\n")
}

impl RecordedRow {
    /// Return the bytes of the row.
    pub fn encode(&self) -> [u8; ROW_BYTES] {
        let mut row = [0; ROW_BYTES];
        match self {
            RecordedRow::Decided(d) => {
                row[..4].copy_from_slice(&[1, d.stage as u8, d.action, d.level]);
                row[4..8].copy_from_slice(&d.units.to_le_bytes());
                row[8..16].copy_from_slice(&d.at.0.to_le_bytes());
                row[16..24].copy_from_slice(&d.account.to_le_bytes());
                row[24..28].copy_from_slice(&d.probability.to_le_bytes());
                row[28..32].copy_from_slice(&d.shadow.to_le_bytes());
                for (place, value) in row[32..].chunks_exact_mut(4).zip(d.signals.values()) {
                    place.copy_from_slice(&value.to_le_bytes());
                }
            }
            RecordedRow::Ended { at, account, units, outcome } => {
                row[..4].copy_from_slice(&[2, *outcome as u8, 0, 0]);
                row[4..8].copy_from_slice(&units.to_le_bytes());
                row[8..16].copy_from_slice(&at.0.to_le_bytes());
                row[16..24].copy_from_slice(&account.to_le_bytes());
            }
        }
        row
    }

    /// Read the bytes of a row.
    ///
    /// # Errors
    /// When they are none.
    pub fn decode(row: &[u8; ROW_BYTES]) -> Result<RecordedRow, RecordingError> {
        let wrong = |what: &str| RecordingError(what.to_owned());
        let u32_at = |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().expect("four"));
        let u64_at = |at: usize| u64::from_le_bytes(row[at..at + 8].try_into().expect("eight"));
        let (units, at, account) = (u32_at(4), Timestamp(u64_at(8)), u64_at(16));
        match row[0] {
            1 => {
                let stage = match row[1] {
                    1 => Stage::Join,
                    2 => Stage::Reserve,
                    3 => Stage::Beacon,
                    _ => return Err(wrong("a stage")),
                };
                let values = std::array::from_fn(|n| f32::from_bits(u32_at(32 + n * 4)));
                Ok(RecordedRow::Decided(Decided {
                    at,
                    account,
                    stage,
                    action: row[2],
                    level: row[3],
                    units,
                    probability: f32::from_bits(u32_at(24)),
                    shadow: f32::from_bits(u32_at(28)),
                    signals: Signals::new(values),
                }))
            }
            2 => {
                let all = [Outcome::Sold, Outcome::Released, Outcome::Expired, Outcome::Cancelled];
                let outcome = all.into_iter().find(|outcome| *outcome as u8 == row[1]);
                let outcome = outcome.ok_or_else(|| wrong("an outcome"))?;
                Ok(RecordedRow::Ended { at, account, units, outcome })
            }
            _ => Err(wrong("a kind of row")),
        }
    }
}

/// Read the rows of a whole recording.
///
/// # Errors
/// When it is none, or of another version.
pub fn read(bytes: &[u8]) -> Result<Vec<RecordedRow>, RecordingError> {
    let expected = header();
    let Some(rows) = bytes.strip_prefix(expected.as_bytes()) else {
        let wanted = expected.trim_end();
        return Err(RecordingError(format!("its first line is not \"{wanted}\"")));
    };
    let whole = rows.chunks_exact(ROW_BYTES);
    whole.map(|row| RecordedRow::decode(row.try_into().expect("a whole row"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_come_back(
            at: u64, account: u64, units: u32, action in 0u8..5, level in 0u8..4,
            values in proptest::collection::vec(-1e6f32..1e6, SIGNALS), score in 0f32..1.0, cut in 0usize..224,
        ) {
            let signals = Signals::new(values.try_into().expect("all of them"));
            let at = Timestamp(at);
            let decided = RecordedRow::Decided(Decided {
                at, account, stage: Stage::Join, action, level, units, probability: score,
                shadow: -1.0, signals,
            });
            let ended = RecordedRow::Ended { at, account, units, outcome: Outcome::Expired };
            let mut file = header().into_bytes();
            file.extend(decided.encode());
            file.extend(ended.encode());
            prop_assert_eq!(read(&file), Ok(vec![decided, ended]));
            file.extend(&decided.encode()[..cut]);
            prop_assert_eq!(read(&file).map(|rows| rows.len()), Ok(2), "a row that was cut");
        }

        #[test]
        fn any_row_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), ROW_BYTES)) {
            let row: [u8; ROW_BYTES] = bytes.try_into().expect("a row");
            let _ = RecordedRow::decode(&row);
        }
    }

    #[test]
    fn another_version_is_refused() {
        assert!(read(b"onrush-risk 1 signals 2\n").is_err());
        assert!(read(b"").is_err());
        assert_eq!(read(header().as_bytes()), Ok(vec![]));
    }
}
