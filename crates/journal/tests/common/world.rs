//! A journal under attack, beside the plainest model of what it promises: two lists of records.

use super::{options, prepare};
use onrush_journal::{FakeDisk, Journal, JournalError, Loss, OpenError, Prepared, verify};
use onrush_types::Lsn;
use std::convert::Infallible;
use std::sync::Arc;

pub(crate) struct World {
    pub(crate) disk: FakeDisk,
    pub(crate) journal: Option<Journal>,
    /// What was acknowledged: must come back, whatever happens.
    pub(crate) acked: Vec<Vec<u8>>,
    /// What was appended since: may come back, from its beginning.
    pub(crate) pending: Vec<Vec<u8>>,
    /// Counts openings, so that no two records are alike and a stale one is told from a new one.
    life: u64,
}

impl World {
    pub(crate) fn new(disk: FakeDisk) -> World {
        World { disk, journal: None, acked: Vec::new(), pending: Vec::new(), life: 0 }
    }

    /// Copy the disk and the model; the copy's journal is not open.
    pub(crate) fn fork(&self) -> World {
        World {
            disk: self.disk.fork(),
            journal: None,
            acked: self.acked.clone(),
            pending: self.pending.clone(),
            life: self.life,
        }
    }

    /// Append one record of this many bytes; refusals and failures are part of life.
    pub(crate) fn append(&mut self, bytes: usize) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let number = (self.acked.len() + self.pending.len() + 1) as u64;
        let record = content(self.life, number, bytes.clamp(1, journal.record_bytes_max()));
        let promised = journal.has_room(record.len() + 4);
        match journal.append(&record) {
            Ok(lsn) => {
                assert_eq!(lsn, Lsn(number), "LSNs are dense");
                self.pending.push(record);
                Ok(())
            }
            Err(error) => {
                assert!(!promised, "room was promised, then refused: {error}");
                Err(error)
            }
        }
    }

    pub(crate) fn commit(&mut self) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let durable = journal.commit()?;
        self.acked.append(&mut self.pending);
        assert_eq!(durable, Lsn(self.acked.len() as u64));
        Ok(())
    }

    /// Commit what is pending while more is appended, as two threads do.
    pub(crate) fn commit_while_appending(&mut self, bytes: usize) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let Some(mut batch) = journal.take_batch()? else { return Ok(()) };
        let covered = self.pending.len();
        let appended = self.append(bytes);
        batch.write_and_sync();
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let durable = journal.synced(batch)?;
        self.acked.extend(self.pending.drain(..covered));
        assert_eq!(durable, Lsn(self.acked.len() as u64));
        appended
    }

    pub(crate) fn mark(&mut self) -> Result<(), JournalError> {
        self.journal.as_mut().map_or(Ok(()), Journal::mark)
    }

    pub(crate) fn prepare(&mut self) -> Result<Prepared, JournalError> {
        self.journal.as_mut().map_or(Ok(Prepared::Enough), prepare)
    }

    /// Open what the disk holds, and compare with the model. Fails only as the disk does.
    pub(crate) fn open(&mut self) -> Result<(), JournalError> {
        self.journal = None;
        let (seen_before, _) = self.verify()?;
        let mut records = Vec::new();
        let keep = |lsn: Lsn, record: &[u8]| {
            records.push(record.to_vec());
            assert_eq!(lsn, Lsn(records.len() as u64), "replay is dense");
            Ok::<(), Infallible>(())
        };
        let storage = Arc::new(self.disk.clone());
        let (journal, recovered) = match Journal::open(storage, &options(), Lsn::ZERO, keep) {
            Ok(opened) => opened,
            Err(OpenError::Journal(error)) => return Err(error),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(recovered.last_lsn, Lsn(records.len() as u64));
        assert_eq!(records.len(), seen_before, "a check sees what an opening does");
        assert!(!self.verify()?.1, "nothing is left of what was cut");
        self.compare(&records);
        self.acked = records;
        self.pending.clear();
        self.journal = Some(journal);
        self.life += 1;
        Ok(())
    }

    fn compare(&self, records: &[Vec<u8>]) {
        let (acked, got) = (self.acked.len(), records.len());
        assert!(got >= acked, "{acked} records were acknowledged, {got} came back");
        let written: Vec<_> = self.acked.iter().chain(&self.pending).collect();
        assert!(got <= written.len(), "{got} came back, only {} were written", written.len());
        for (at, (got, wrote)) in records.iter().zip(written).enumerate() {
            assert!(got == wrote, "record {} came back changed", at + 1);
        }
    }

    /// How many records a check finds, and whether it finds a torn tail.
    fn verify(&self) -> Result<(usize, bool), JournalError> {
        let before = self.disk.operations();
        let nothing = |_: Lsn, _: &[u8]| Ok::<(), Infallible>(());
        let found = verify(&self.disk, Lsn::ZERO, nothing);
        assert_eq!(self.disk.operations(), before, "a check changes nothing");
        match found {
            Ok(Some(found)) => Ok((found.replayed as usize, found.torn.is_some())),
            Ok(None) => Ok((0, false)),
            Err(OpenError::Journal(error)) => Err(error),
            Err(other) => panic!("{other}"),
        }
    }

    /// Cut the power, open, and let what came back prove itself: more is written, everything
    /// unsynced is lost, and all of it must still be there.
    pub(crate) fn crash_and_check(&mut self, loss: Loss) {
        self.disk.power_cut(loss);
        self.open().expect("a torn tail is no damage");
        self.prove();
    }

    pub(crate) fn prove(&mut self) {
        for bytes in [9, 700] {
            self.append(bytes).unwrap();
            self.commit().unwrap();
        }
        self.disk.power_cut(Loss::Everything);
        self.open().expect("what was acknowledged is durable");
    }
}

/// Bytes that differ between lives and numbers.
pub(crate) fn content(life: u64, number: u64, bytes: usize) -> Vec<u8> {
    let seed = (life << 32 | number).to_le_bytes();
    (0..bytes).map(|i| seed[i % 8] ^ (i / 8) as u8).collect()
}
