//! What somebody was told, in the words of the reference model.

use onrush::{Decision, EngineError, Lsn, Refusal, Reservation};
use std::fmt;

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Not decided yet.
    Waiting,
    /// It was done.
    Done,
    /// It had been done before.
    Already,
    /// One of the two: HTTP does not always say which.
    Ok,
    /// It was refused.
    Refused,
    /// The engine failed while it was under way.
    Unknown,
    /// The engine had failed before.
    Failed,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// How it went.
    pub how: How,
    /// The refusal's code.
    pub code: &'static str,
    /// The number that comes with a refusal: a limit, or free units.
    pub number: Option<u32>,
    /// Which ticket it is about.
    pub ticket: Option<usize>,
    /// Which reservation it is about.
    pub seq: Option<usize>,
    /// That reservation's state.
    pub state: &'static str,
    /// The record that made it.
    pub lsn: Lsn,
}

impl Said {
    /// Say how it went, and no more.
    pub fn only(how: How) -> Said {
        Said { how, code: "", number: None, ticket: None, seq: None, state: "", lsn: Lsn::ZERO }
    }

    /// Say that it was refused.
    pub fn refused(code: &'static str, number: Option<u32>) -> Said {
        Said { code, number, ..Said::only(How::Refused) }
    }

    /// Put an answer of the engine into words.
    pub fn of<T>(
        answer: Result<Decision<T>, EngineError>,
        see: impl FnOnce(&mut Said, &T),
    ) -> Said {
        let (how, subject) = match answer {
            Ok(Decision::Done(subject)) => (How::Done, subject),
            Ok(Decision::Already(subject)) => (How::Already, subject),
            Ok(Decision::Refused(refusal)) => {
                let number = match refusal {
                    Refusal::LimitReached { limit } => Some(limit),
                    Refusal::SoldOut { free } | Refusal::AllHeld { free } => Some(free),
                    _ => None,
                };
                return Said::refused(refusal.code(), number);
            }
            Err(EngineError::OutcomeUnknown) => return Said::only(How::Unknown),
            Err(_) => return Said::only(How::Failed),
        };
        let mut said = Said::only(how);
        see(&mut said, &subject);
        said
    }

    /// Note which reservation it is about.
    pub fn see(&mut self, r: &Reservation) {
        (self.seq, self.state, self.lsn) = (Some(r.seq.index()), r.state.as_str(), r.lsn);
    }

    /// Tell whether it was granted, now or before.
    pub fn is_granted(&self) -> bool {
        matches!(self.how, How::Done | How::Already | How::Ok)
    }

    /// Tell whether it is what the model expects: "done 3 held", "limit_reached 4", "key_reused".
    /// The state is compared later: others may have moved it in the same turn.
    pub fn is(&self, expected: &str) -> bool {
        let mut words = expected.split(' ');
        let (how, number) = (words.next().unwrap_or_default(), words.next());
        let number: Option<usize> = number.and_then(|number| number.parse().ok());
        let granted = match (how, self.how) {
            ("done", How::Done | How::Ok) | ("already", How::Already | How::Ok) => true,
            ("done" | "already", _) => return false,
            _ => false,
        };
        if granted {
            return self.seq.is_none() || number.is_none() || self.seq == number;
        }
        let same = self.number.is_none() || self.number.map(|n| n as usize) == number;
        self.how == How::Refused && self.code == how && same
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.how {
            How::Refused => f.write_str(self.code)?,
            how => write!(f, "{how:?}")?,
        }
        if let Some(number) = self.number {
            write!(f, " {number}")?;
        }
        if let Some(ticket) = self.ticket {
            write!(f, " ticket {ticket}")?;
        }
        if let Some(seq) = self.seq {
            write!(f, " #{seq} {} at LSN {}", self.state, self.lsn)?;
        }
        Ok(())
    }
}
