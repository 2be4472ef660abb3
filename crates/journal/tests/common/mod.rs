//! What the journal's tests share.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod world;

use onrush_journal::{FakeDisk, Journal, JournalError, JournalId, OpenError, Options, Recovered};
use onrush_types::Lsn;
use std::convert::Infallible;
use std::sync::Arc;

pub(crate) const SEGMENT_BYTES: u64 = 4 * 1024;

pub(crate) type Records = Vec<(Lsn, Vec<u8>)>;

pub(crate) fn options() -> Options {
    Options { segment_bytes: SEGMENT_BYTES, frame_bytes: 1024, ..Options::new(JournalId([7; 16])) }
}

/// Open from the start and collect every record.
pub(crate) fn open(
    disk: &FakeDisk,
) -> Result<(Journal, Recovered, Records), OpenError<Infallible>> {
    open_after(disk, Lsn::ZERO)
}

pub(crate) fn open_after(
    disk: &FakeDisk,
    after: Lsn,
) -> Result<(Journal, Recovered, Records), OpenError<Infallible>> {
    let mut records = Vec::new();
    let keep = |lsn: Lsn, record: &[u8]| {
        records.push((lsn, record.to_vec()));
        Ok(())
    };
    let (journal, recovered) = Journal::open(Arc::new(disk.clone()), &options(), after, keep)?;
    Ok((journal, recovered, records))
}

/// The error of an opening that must fail.
pub(crate) fn open_error(disk: &FakeDisk) -> JournalError {
    match open(disk) {
        Ok((_, recovered, _)) => panic!("opened although it must not: {recovered:?}"),
        Err(OpenError::Journal(error)) => error,
        Err(other) => panic!("{other}"),
    }
}

/// Record number `n`, of a length that varies with it.
pub(crate) fn record(n: u64) -> Vec<u8> {
    let length = 1 + (n * 37 % 300) as usize;
    (0..length).map(|i| (n as usize * 31 + i) as u8).collect()
}

/// The records that a journal of `count` records must hand out.
pub(crate) fn expected(count: u64) -> Records {
    (1..=count).map(|n| (Lsn(n), record(n))).collect()
}

/// Append records so that `total` were appended in all, preparing segments as needed, and commit
/// every `batch`.
pub(crate) fn fill(journal: &mut Journal, total: u64, batch: u64) -> Result<(), JournalError> {
    while journal.last_lsn().0 < total {
        for _ in 0..batch.min(total - journal.last_lsn().0) {
            let next = journal.last_lsn().0 + 1;
            assert_eq!(journal.append(&record(next))?, Lsn(next));
        }
        journal.commit()?;
        prepare(journal)?;
    }
    Ok(())
}

/// Run preparing to its end.
pub(crate) fn prepare(journal: &mut Journal) -> Result<onrush_journal::Prepared, JournalError> {
    loop {
        match journal.prepare_step()? {
            onrush_journal::Prepared::More => {}
            end => return Ok(end),
        }
    }
}
