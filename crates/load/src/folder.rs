//! Reads the truth from a data folder that no engine runs on.

use crate::history::History;
use crate::truth::{PaymentTruth, ReservationTruth, SkuTruth, Truth};
use crate::verdict::{Check, Verdict};
use onrush::journal::{DiskStorage, FakeDisk};
use onrush::ledger::{Ledger, Record};
use onrush::{Engine, Lsn, Options, Parts, PublicId, Replayed, ReservationSeq, Secret, SkuIx};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a data folder gives no truth.
#[derive(Debug)]
#[non_exhaustive]
pub enum FolderError {
    /// It cannot be read: not there, in use, or not allowed.
    Unreadable(String),
    /// It can be read, and is damaged or does not replay.
    Broken(String),
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (FolderError::Unreadable(what) | FolderError::Broken(what)) = self;
        f.write_str(what)
    }
}

impl std::error::Error for FolderError {}

/// A data folder, replayed.
#[derive(Debug)]
pub struct Folder {
    /// The ledger's view, and the chain.
    pub replayed: Replayed,
    /// The second opinion.
    pub history: History,
    /// Never runs: it stands for the folder's secret, to name reservations.
    names: Engine,
}

impl Folder {
    /// Replay `dir` from its first record; nothing in it is changed. `also` sees each record.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read(dir: &Path, mut also: impl FnMut(Lsn, &Record)) -> Result<Folder, FolderError> {
        Folder::read_beside(dir, |lsn, record, _| also(lsn, record))
    }

    /// As [`read`](Folder::read); `also` sees the ledger too, as of each record.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read_beside(
        dir: &Path,
        mut also: impl FnMut(Lsn, &Record, &Ledger),
    ) -> Result<Folder, FolderError> {
        let unreadable =
            |what: &dyn fmt::Display| FolderError::Unreadable(format!("{}: {what}", dir.display()));
        let journal = journal_of(dir)?;
        let mut history = History::default();
        let storage = DiskStorage::open(&journal).map_err(|e| unreadable(&e))?;
        let replayed = onrush::replay_storage(&storage, &mut |lsn, record, ledger| {
            history.visit(lsn, record);
            also(lsn, record, ledger);
        });
        let replayed =
            replayed.map_err(|e| FolderError::Broken(format!("{}: {e}", dir.display())))?;
        drop(storage);
        let parts = Parts::on_disk(dir).map_err(|e| unreadable(&e))?;
        let parts = Parts { storage: Arc::new(FakeDisk::new(0)), ..parts };
        let options = Options { segment_bytes: 1 << 16, ..Options::default() };
        let (names, _driver) = Engine::open_driven(parts, options).map_err(|e| unreadable(&e))?;
        Ok(Folder { replayed, history, names })
    }

    /// Return the secret of a data folder, without changing anything in it.
    ///
    /// # Errors
    /// [`FolderError::Unreadable`].
    pub fn secret(dir: &Path) -> Result<Secret, FolderError> {
        // Opening the parts of a folder would make a secret where there is none.
        journal_of(dir)?;
        let parts = Parts::on_disk(dir);
        let parts =
            parts.map_err(|e| FolderError::Unreadable(format!("{}: {e}", dir.display())))?;
        Ok(parts.secret)
    }

    /// Return the public id of a reservation.
    pub fn id_of(&self, seq: ReservationSeq) -> PublicId {
        self.names.id_of(seq)
    }

    /// Return the names of the campaigns.
    pub fn campaigns(&self) -> impl Iterator<Item = &str> {
        self.replayed.ledger.campaigns().iter().map(|campaign| campaign.name.as_str())
    }

    /// Return the state of a campaign; empty when there is none of this name.
    pub fn truth(&self, campaign: &str) -> Truth {
        let ledger = &self.replayed.ledger;
        let Some(campaign) = ledger.campaign_named(campaign) else { return Truth::default() };
        let mut truth = Truth::default();
        let name_of = |sku: SkuIx| ledger.skus()[sku.index()].name.to_string();
        for sku in ledger.skus().iter().filter(|sku| sku.campaign == campaign) {
            let units = sku.units();
            let units = SkuTruth {
                supplied: units.supplied.into(),
                free: units.free.into(),
                held: units.held.into(),
                sold: units.sold.into(),
                withdrawn: units.withdrawn.into(),
            };
            truth.skus.insert(sku.name.to_string(), units);
        }
        let mut refunds = vec![Vec::new(); ledger.reservation_count() as usize];
        for refund in ledger.refunds() {
            refunds[refund.seq.0 as usize].push(refund.amount);
        }
        for n in 0..ledger.reservation_count() {
            let seq = ReservationSeq(n);
            let Some(r) = ledger.reservation(seq) else { continue };
            if ledger.skus()[r.sku.index()].campaign != campaign {
                continue;
            }
            let payments = ledger.lines(seq).iter().map(|line| PaymentTruth {
                reference: line.payment.reference.to_string(),
                amount: line.payment.money.amount,
            });
            let reservation = ReservationTruth {
                buyer: Some(hex(&r.buyer.0)),
                sku: name_of(r.sku),
                quantity: r.quantity.get(),
                state: r.state,
                amount: r.amount,
                payments: payments.collect(),
                refunds: std::mem::take(&mut refunds[n as usize]),
            };
            truth.reservations.insert(self.id_of(seq).to_string(), reservation);
        }
        truth
    }

    /// Return what can be said of the folder alone: the ledger's audit and the second opinion.
    pub fn verdict(&self) -> Verdict {
        let mut audit = Check::new("faults in the ledger's own audit", "INV-1", "reservations");
        audit.looked_at = u64::from(self.replayed.ledger.reservation_count());
        if let Err(violation) = self.replayed.ledger.audit() {
            audit.violate(|| violation.to_string());
        }
        let mut verdict = Verdict { checks: vec![audit] };
        verdict.extend(self.history.verdict());
        verdict
    }

    /// Return the chain's value as text: one number that stands for the whole journal.
    pub fn chain(&self) -> String {
        hex(&self.replayed.chain)
    }
}

/// Return where the journal of a data folder is, if it is one and has one.
fn journal_of(dir: &Path) -> Result<PathBuf, FolderError> {
    let unreadable =
        |what: &dyn fmt::Display| FolderError::Unreadable(format!("{}: {what}", dir.display()));
    let journal = dir.join("journal");
    if !journal.is_dir() || !dir.join("secret").is_file() {
        let what = "this is no data folder of onrush: it has no `journal` and `secret`; give \
                    the folder that `serve` was given as --data";
        return Err(unreadable(&what));
    }
    let has_segment = |entry: std::fs::DirEntry| {
        Path::new(&entry.file_name()).extension().is_some_and(|kind| kind == "journal")
    };
    let mut files = std::fs::read_dir(&journal).map_err(|e| unreadable(&e))?;
    if !files.any(|entry| entry.is_ok_and(has_segment)) {
        return Err(unreadable(&"there is no journal yet; the server never ran on it"));
    }
    Ok(journal)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
