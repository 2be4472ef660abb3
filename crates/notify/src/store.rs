//! The side store of reminders: a database and a file of keys, beside the journal.
//!
//! Everything happens in `Store::write`, one transaction, in an order that a crash cannot turn
//! against anybody:
//!
//! | step | a crash after it leaves | what the next opening does |
//! |---|---|---|
//! | S1 new keys and overwritten slots are written and synced | slots that no person has | destroys them |
//! | | persons whose key is gone (their reminders were about to go) | drops those reminders |
//! | S2 the database commits | nothing half | |
//! | S3 overwritten slots may be used again | | finds them free |
//!
//! A reminder that is *sending* at the opening was in somebody's hands when the process died: it
//! becomes `unknown` and is not sent again.
//!
//! redb was chosen over an own file format: `docs/decisions/0008-side-store.md`.

use crate::entropy::{Entropy, NoEntropy};
use crate::limits::{PER_ADDRESS_MAX, REMINDERS_MAX};
use crate::records::{Figures, Key};
use crate::row::{Row, State};
use crate::tables::{
    ADDRESSES, AddressKey, META, PERSONS, QUEUE, QueueKey, REMINDERS, RowKey, address_key,
    key_of_queue, key_of_row, queue_end, queue_key, queue_start, row_key,
};
use crate::vault::{PersonKey, Vault, VaultError, open_for, seal_for};
use hmac::{Hmac, KeyInit, Mac};
use onrush_types::{BuyerDigest, CampaignIx};
use redb::{Database, ReadableDatabase, ReadableTable, Table};
use sha2::Sha256;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The database's file in the side folder.
const DATABASE: &str = "reminders.redb";
/// The keys' file beside it.
const KEYS: &str = "reminders.keys";

/// Reminders on disk. One owner; a second process is refused by the database's lock.
#[derive(Debug)]
pub struct Store {
    database: Database,
    vault: Vault,
    digest_key: [u8; 32],
    figures: Arc<Figures>,
    rows: u64,
    rows_max: u64,
    failed: bool,
}

impl Store {
    /// Tell whether `folder` holds reminders.
    pub fn exists(folder: &Path) -> bool {
        folder.join(DATABASE).exists()
    }

    /// Open or make the store in `folder`. `secret` is derived from the data folder's secret.
    ///
    /// Reads every row once.
    ///
    /// # Errors
    /// When the folder cannot be used, another process has it, or it is damaged.
    pub fn open(folder: &Path, secret: &[u8; 32]) -> Result<Store, StoreError> {
        std::fs::create_dir_all(folder)?;
        let database = Database::create(folder.join(DATABASE)).map_err(redb::Error::from)?;
        let vault = Vault::open(&folder.join(KEYS), &derived(secret, b"master"))?;
        let figures = Arc::new(Figures::default());
        let digest_key = derived(secret, b"address digest");
        let rows_max = REMINDERS_MAX;
        let mut store =
            Store { database, vault, digest_key, figures, rows: 0, rows_max, failed: false };
        store.recognise(&derived(secret, b"recognition"))?;
        let in_use = store.persons()?;
        let lost = store.vault.keep_only(&in_use)?;
        store.recover(&lost.into_iter().collect())?;
        Ok(store)
    }

    /// Keep at most `rows_max` reminders, and never more than [`REMINDERS_MAX`].
    pub fn with_room_for(mut self, rows_max: u64) -> Store {
        self.rows_max = rows_max.min(REMINDERS_MAX);
        self
    }

    /// Return the figures, which stay true while the store is written.
    pub fn figures(&self) -> Arc<Figures> {
        self.figures.clone()
    }

    /// Return how many reminders are kept.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// Tell whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Tell whether anything stands in a campaign's queue at `until` or before. Writes nothing.
    pub(crate) fn has_queued(&self, campaign: CampaignIx, until: u64) -> Result<bool, StoreError> {
        let transaction = self.database.begin_read().map_err(redb::Error::from)?;
        let queue = transaction.open_table(QUEUE).map_err(redb::Error::from)?;
        let first = queue.range(queue_start(campaign)..=queue_end(campaign, until))?.next();
        Ok(first.transpose()?.is_some())
    }

    /// Change the store in one transaction: all of `act`, durably, or nothing.
    ///
    /// # Errors
    /// When the disk or the source of randomness failed. The store takes nothing more then; what it
    /// holds is found at the next opening.
    pub(crate) fn write<T>(
        &mut self,
        act: impl FnOnce(&mut Session<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.failed {
            return Err(StoreError::Failed);
        }
        self.failed = true;
        let done = self.transact(act)?;
        self.failed = false;
        Ok(done)
    }

    fn transact<T>(
        &mut self,
        act: impl FnOnce(&mut Session<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.database.begin_write().map_err(redb::Error::from)?;
        let open = |e: redb::TableError| redb::Error::from(e);
        let (done, counted, destroyed, rows) = {
            let mut session = Session {
                reminders: transaction.open_table(REMINDERS).map_err(open)?,
                queue: transaction.open_table(QUEUE).map_err(open)?,
                persons: transaction.open_table(PERSONS).map_err(open)?,
                addresses: transaction.open_table(ADDRESSES).map_err(open)?,
                vault: &mut self.vault,
                digest_key: &self.digest_key,
                rows: self.rows,
                rows_max: self.rows_max,
                counted: Vec::new(),
                destroyed: Vec::new(),
            };
            let done = act(&mut session)?;
            (done, session.counted, session.destroyed, session.rows)
        };
        // S1
        self.vault.sync()?;
        // S2
        transaction.commit().map_err(redb::Error::from)?;
        // S3
        self.vault.release(destroyed);
        self.rows = rows;
        for (key, state, by) in counted {
            self.figures.count(key, state, by);
        }
        Ok(done)
    }

    /// Refuse a secret that the store was not made with: every key would look destroyed.
    fn recognise(&mut self, mark: &[u8; 32]) -> Result<(), StoreError> {
        let transaction = self.database.begin_write().map_err(redb::Error::from)?;
        let known = {
            let mut meta = transaction.open_table(META).map_err(redb::Error::from)?;
            let known = meta.get("secret")?.map(|entry| entry.value());
            if known.is_none() {
                meta.insert("secret", mark)?;
            }
            known
        };
        if known.is_some_and(|known| known != *mark) {
            return Err(StoreError::WrongSecret);
        }
        transaction.commit().map_err(redb::Error::from)?;
        Ok(())
    }

    /// List the slots in use, rising.
    fn persons(&mut self) -> Result<Vec<u32>, StoreError> {
        let mut slots = self.write(|session| {
            let mut slots = Vec::new();
            for entry in session.persons.iter()? {
                slots.push(entry?.1.value().0);
            }
            Ok(slots)
        })?;
        slots.sort_unstable();
        Ok(slots)
    }

    /// Count what is there, settle what was under way, and drop what lost its key.
    fn recover(&mut self, lost: &BTreeSet<u32>) -> Result<(), StoreError> {
        let figures = self.figures.clone();
        let rows = self.write(|session| {
            let mut rows = Vec::new();
            for entry in session.reminders.iter()? {
                let (key, row) = entry?;
                let key = key_of_row(&key.value()).ok_or(StoreError::Damaged)?;
                let row = Row::decode(row.value()).ok_or(StoreError::Damaged)?;
                figures.count(key, row.state(), 1);
                session.rows += 1;
                let is_live = !row.state().is_final();
                // A look at the person only where somebody's key is gone: at most openings, nobody's.
                let is_lost =
                    is_live && !lost.is_empty() && session.has_slot_in(key.buyer, lost)?;
                if is_lost || row.state() == State::Sending {
                    rows.push((key, row, is_lost));
                }
            }
            Ok(rows)
        })?;
        for part in rows.chunks(crate::limits::BATCH_MAX) {
            self.write(|session| {
                for (key, row, is_lost) in part {
                    if *is_lost {
                        session.remove(*key, row)?;
                    } else {
                        let mut settled = row.clone();
                        settled.set_state(State::Unknown);
                        session.put(*key, Some(row), &settled)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// One transaction.
pub(crate) struct Session<'a> {
    reminders: Table<'a, RowKey, &'static [u8]>,
    queue: Table<'a, QueueKey, ()>,
    persons: Table<'a, [u8; 16], (u32, u32)>,
    addresses: Table<'a, AddressKey, u8>,
    vault: &'a mut Vault,
    digest_key: &'a [u8; 32],
    rows: u64,
    rows_max: u64,
    counted: Vec<(Key, State, i32)>,
    destroyed: Vec<u32>,
}

impl Session<'_> {
    /// Tell whether one more reminder would be too many.
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.rows_max
    }

    pub(crate) fn get(&self, key: Key) -> Result<Option<Row>, StoreError> {
        let Some(bytes) = self.reminders.get(row_key(key))? else { return Ok(None) };
        Row::decode(bytes.value()).map(Some).ok_or(StoreError::Damaged)
    }

    /// Return all of a buyer's reminders.
    pub(crate) fn of_buyer(&self, buyer: BuyerDigest) -> Result<Vec<(Key, Row)>, StoreError> {
        let mut range = ([0; 19], [0xff; 19]);
        range.0[..16].copy_from_slice(&buyer.0);
        range.1[..16].copy_from_slice(&buyer.0);
        let mut found = Vec::new();
        for entry in self.reminders.range(range.0..=range.1)? {
            let (key, row) = entry?;
            let key = key_of_row(&key.value()).ok_or(StoreError::Damaged)?;
            found.push((key, Row::decode(row.value()).ok_or(StoreError::Damaged)?));
        }
        Ok(found)
    }

    /// Return up to `most` reminders of a campaign that stand in its queue at `until` or before.
    pub(crate) fn queued(
        &self,
        campaign: CampaignIx,
        until: u64,
        most: usize,
    ) -> Result<Vec<(Key, Row)>, StoreError> {
        let mut found = Vec::new();
        for entry in
            self.queue.range(queue_start(campaign)..=queue_end(campaign, until))?.take(most)
        {
            let key = key_of_queue(&entry?.0.value()).ok_or(StoreError::Damaged)?;
            found.push((key, self.get(key)?.ok_or(StoreError::Damaged)?));
        }
        Ok(found)
    }

    /// Store a row in place of `before`.
    pub(crate) fn put(
        &mut self,
        key: Key,
        before: Option<&Row>,
        row: &Row,
    ) -> Result<(), StoreError> {
        if let Some(before) = before {
            self.unlink(key, before)?;
        } else {
            self.rows += 1;
        }
        self.reminders.insert(row_key(key), row.encode().as_slice())?;
        self.queue.insert(queue_key(key, row.queued_at()), ())?;
        self.counted.push((key, row.state(), 1));
        if !row.sealed.is_empty() {
            self.count_live(key, row, true)?;
        }
        // After counting: a person's last address may have left and come in one step.
        self.drop_idle(key.buyer)
    }

    /// Forget a reminder.
    pub(crate) fn remove(&mut self, key: Key, row: &Row) -> Result<(), StoreError> {
        self.unlink(key, row)?;
        self.reminders.remove(row_key(key))?;
        self.rows -= 1;
        self.drop_idle(key.buyer)
    }

    fn unlink(&mut self, key: Key, row: &Row) -> Result<(), StoreError> {
        self.queue.remove(queue_key(key, row.queued_at()))?;
        self.counted.push((key, row.state(), -1));
        if row.sealed.is_empty() { Ok(()) } else { self.count_live(key, row, false) }
    }

    /// Count a live address in or out, for its person and for itself.
    fn count_live(&mut self, key: Key, row: &Row, more: bool) -> Result<(), StoreError> {
        let step = |count: u32| if more { Some(count + 1) } else { count.checked_sub(1) };
        let person = self.persons.get(key.buyer.0)?.map(|entry| entry.value());
        let (slot, live) = person.ok_or(StoreError::Damaged)?;
        let live = step(live).ok_or(StoreError::Damaged)?;
        self.persons.insert(key.buyer.0, (slot, live))?;
        let place = address_key(key.campaign, &row.address);
        let count = self.addresses.get(place)?.map_or(0, |entry| entry.value());
        match step(u32::from(count)).ok_or(StoreError::Damaged)? {
            0 => drop(self.addresses.remove(place)?),
            count => {
                let count = u8::try_from(count).map_err(|_| StoreError::Damaged)?;
                self.addresses.insert(place, count)?;
            }
        }
        Ok(())
    }

    /// Destroy the key of a person without live reminders.
    fn drop_idle(&mut self, buyer: BuyerDigest) -> Result<(), StoreError> {
        let person = self.persons.get(buyer.0)?.map(|entry| entry.value());
        if let Some((slot, 0)) = person {
            self.vault.destroy(slot)?;
            self.destroyed.push(slot);
            self.persons.remove(buyer.0)?;
        }
        Ok(())
    }

    /// Return the keyed digest of an address.
    pub(crate) fn digest(&self, address: &crate::Address) -> [u8; 16] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.digest_key).expect("any key length");
        mac.update(&[address.channel() as u8]);
        mac.update(&Zeroizing::new(address.encode()));
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        *full.first_chunk().expect("16 of 32 bytes")
    }

    /// Tell whether an address has as many reminders of a campaign as it may.
    pub(crate) fn is_address_full(
        &self,
        campaign: CampaignIx,
        digest: &[u8; 16],
    ) -> Result<bool, StoreError> {
        let count = self.addresses.get(address_key(campaign, digest))?;
        Ok(count.is_some_and(|count| count.value() >= PER_ADDRESS_MAX))
    }

    /// Seal an address under its person's key, which is made where there is none.
    pub(crate) fn seal(
        &mut self,
        key: Key,
        address: &crate::Address,
        entropy: &mut dyn Entropy,
    ) -> Result<Vec<u8>, StoreError> {
        let person = match self.person_key(key.buyer)? {
            Some(person) => person,
            None => {
                let (slot, person) = self.vault.occupy(key.buyer, entropy)?;
                self.persons.insert(key.buyer.0, (slot, 0))?;
                person
            }
        };
        let text = Zeroizing::new(address.encode());
        Ok(seal_for(&person, &row_key(key), &text, entropy)?)
    }

    /// Open a reminder's address; `None` when its key is gone.
    pub(crate) fn unseal(&self, key: Key, row: &Row) -> Result<Option<crate::Address>, StoreError> {
        let Some(person) = self.person_key(key.buyer)? else { return Ok(None) };
        let text = open_for(&person, &row_key(key), &row.sealed);
        Ok(text.and_then(|text| crate::Address::decode(key.channel, &text)))
    }

    /// Tell whether a person's key is in one of `slots`.
    fn has_slot_in(&self, buyer: BuyerDigest, slots: &BTreeSet<u32>) -> Result<bool, StoreError> {
        let person = self.persons.get(buyer.0)?;
        Ok(person.is_none_or(|person| slots.contains(&person.value().0)))
    }

    fn person_key(&self, buyer: BuyerDigest) -> Result<Option<PersonKey>, StoreError> {
        let Some(person) = self.persons.get(buyer.0)? else { return Ok(None) };
        Ok(self.vault.key(person.value().0, buyer)?)
    }
}

fn derived(secret: &[u8; 32], purpose: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key length");
    mac.update(purpose);
    mac.finalize().into_bytes().into()
}

/// Why the side store cannot be used. Machinery, never a refusal.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The database failed or is in use.
    Database(Box<redb::Error>),
    /// A file of the side folder failed.
    Io(io::Error),
    /// There is no randomness to make keys of.
    NoEntropy,
    /// It was made with another secret.
    WrongSecret,
    /// A row or a count does not read back.
    Damaged,
    /// An earlier write failed.
    Failed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Database(error) => write!(
                f,
                "the store of reminders: {error}; check that no other process uses the data folder"
            ),
            StoreError::Io(error) => {
                write!(f, "the store of reminders: {error}; check the disk and its permissions")
            }
            StoreError::NoEntropy => NoEntropy.fmt(f),
            StoreError::WrongSecret => f.write_str(
                "the store of reminders was made with another secret; put back `secret` and `side/` \
                 of one backup, or move `side/` away to start without reminders",
            ),
            StoreError::Damaged => f.write_str(
                "the store of reminders does not read back; restore `side/` from a backup, or move \
                 it away to start without reminders",
            ),
            StoreError::Failed => {
                f.write_str("the store of reminders failed before; restart once the disk is well")
            }
        }
    }
}

impl std::error::Error for StoreError {}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> StoreError {
        StoreError::Database(Box::new(error))
    }
}

impl From<redb::StorageError> for StoreError {
    fn from(error: redb::StorageError) -> StoreError {
        redb::Error::from(error).into()
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> StoreError {
        StoreError::Io(error)
    }
}

impl From<NoEntropy> for StoreError {
    fn from(NoEntropy: NoEntropy) -> StoreError {
        StoreError::NoEntropy
    }
}

impl From<VaultError> for StoreError {
    fn from(error: VaultError) -> StoreError {
        match error {
            VaultError::Io(error) => StoreError::Io(error),
            VaultError::NoEntropy => StoreError::NoEntropy,
        }
    }
}
