//! The order of the journal: each change of a reservation, by its LSN.

use onrush::ledger::{Change, PaidOutcome, Record};
use onrush::{Lsn, ReservationSeq, State};
use onrush_load::folder::{Folder, FolderError};
use std::collections::HashMap;
use std::path::Path;

/// What one record did to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its LSN.
    pub lsn: u64,
    /// The reservation, counted from the first.
    pub reservation: u32,
    /// Its state from then on.
    pub state: State,
    /// What happened to its units.
    pub units: Units,
}

/// What a record does to the units of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// They stay as they are.
    Stay,
    /// They are taken, for the first time or again.
    Taken,
    /// They are free again.
    Freed,
}

/// A journal as far as reservations go.
#[derive(Clone, Debug, Default)]
pub struct Order {
    entries: Vec<Entry>,
    /// Index into `entries`, by LSN; [`NONE`] where a record is about something else.
    at: Vec<u32>,
    reservations: HashMap<Box<str>, u32>,
    /// The LSNs of each reservation.
    of: Vec<Vec<u64>>,
}

const NONE: u32 = u32::MAX;

impl Order {
    /// Read it from a data folder that no server runs on, and with it what the folder is worth alone.
    ///
    /// # Errors
    /// When the folder cannot be read or does not replay.
    pub fn read(data: &Path) -> Result<(Order, Folder), FolderError> {
        let (mut order, mut states) = (Order::default(), Vec::new());
        let folder = Folder::read(data, |lsn, record| order.visit(lsn, record, &mut states))?;
        for n in 0..states.len() as u32 {
            order.name(&folder.id_of(ReservationSeq(n)).to_string(), n);
        }
        Ok((order, folder))
    }

    /// Add an entry; LSNs rise.
    pub fn push(&mut self, entry: Entry) {
        self.at.resize(entry.lsn as usize, NONE);
        self.at.push(self.entries.len() as u32);
        let reservation = entry.reservation as usize;
        self.of.resize_with(self.of.len().max(reservation + 1), Vec::new);
        self.of[reservation].push(entry.lsn);
        self.entries.push(entry);
    }

    /// Note the public id of a reservation.
    pub fn name(&mut self, id: &str, reservation: u32) {
        self.reservations.insert(id.into(), reservation);
    }

    /// Return all entries by LSN.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Return the entry at an LSN. O(1).
    pub fn at(&self, lsn: u64) -> Option<&Entry> {
        let at = *self.at.get(usize::try_from(lsn).ok()?)?;
        self.entries.get(at as usize)
    }

    /// Find a reservation by its public id. O(1).
    pub fn reservation(&self, id: &str) -> Option<u32> {
        self.reservations.get(id).copied()
    }

    /// Return the LSNs of a reservation's entries.
    pub fn of(&self, reservation: u32) -> &[u64] {
        self.of.get(reservation as usize).map_or(&[], Vec::as_slice)
    }

    /// Return the last entry of a reservation up to `lsn`. Its entries are a handful.
    pub fn as_of(&self, reservation: u32, lsn: u64) -> Option<&Entry> {
        let of = self.of(reservation);
        let last = of.partition_point(|&at| at <= lsn).checked_sub(1)?;
        self.at(of[last])
    }

    fn visit(&mut self, lsn: Lsn, record: &Record, states: &mut Vec<State>) {
        let (seq, to, units) = match &record.change {
            Change::Reserved(reserved) => {
                let to = if reserved.review { State::Review } else { State::Held };
                states.push(to);
                (states.len() as u32 - 1, to, Units::Taken)
            }
            Change::Paid(paid) => match paid.outcome {
                PaidOutcome::Sold => (paid.seq.0, State::Sold, Units::Stay),
                PaidOutcome::Retaken => (paid.seq.0, State::Sold, Units::Taken),
                PaidOutcome::Partial | PaidOutcome::Refund => {
                    (paid.seq.0, states[paid.seq.0 as usize], Units::Stay)
                }
            },
            Change::Confirmed { seq, .. } => (seq.0, State::Sold, Units::Stay),
            Change::Accepted { seq, .. } => (seq.0, State::Held, Units::Stay),
            Change::Released { seq, .. } => (seq.0, State::Released, Units::Freed),
            Change::Expired { seq } => (seq.0, State::Expired, Units::Freed),
            Change::Cancelled { seq, .. } => (seq.0, State::Cancelled, Units::Freed),
            _ => return,
        };
        states[seq as usize] = to;
        self.push(Entry { lsn: lsn.0, reservation: seq, state: to, units });
    }
}
