//! Personal data under a key per person, and the file those keys live in.
//!
//! ```text
//! slot of 64 bytes:  nonce 12 │ the person's key, sealed under the master key 48 │ zero 4
//! ```
//! A person's key is wrapped under a master key derived from the data folder's secret, bound to its
//! slot and its person. **Destroying** a key overwrites its slot in place and syncs: the database
//! beside it copies pages on write, so what is deleted there can be read from old pages for a while,
//! but only with a key that is gone. (A copy-on-write file system, a flash disk's spare blocks and a
//! backup can still hold the old slot; the documentation says so.)
//!
//! AES-256-GCM with random 96-bit nonces. A person's key seals a handful of addresses, the master
//! key at most 2²⁰ live slots, far from the 2³² of NIST SP 800-38D §8.3.

use crate::entropy::{Entropy, NoEntropy};
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use onrush_types::BuyerDigest;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

const SLOT_BYTES: usize = 64;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const KEY_BYTES: usize = 32;
const SEALED_KEY_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;

const _: () = assert!(SEALED_KEY_BYTES <= SLOT_BYTES);

/// A person's key. Wiped when dropped.
pub(crate) type PersonKey = Zeroizing<[u8; KEY_BYTES]>;

/// The file of wrapped keys.
pub(crate) struct Vault {
    file: File,
    master: Aes256Gcm,
    slots: u32,
    free: Vec<u32>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({} slots, {} free)", self.slots, self.free.len())
    }
}

impl Vault {
    /// Open or make the file at `path`. Which slots are in use is for [`keep_only`](Vault::keep_only).
    pub(crate) fn open(path: &Path, master: &[u8; 32]) -> io::Result<Vault> {
        let mut options = OpenOptions::new();
        let file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let slots = u32::try_from(file.metadata()?.len().div_ceil(SLOT_BYTES as u64))
            .map_err(|_| io::Error::other("the file of keys is larger than it can be"))?;
        Ok(Vault { file, master: Aes256Gcm::new(&(*master).into()), slots, free: Vec::new() })
    }

    /// Destroy every slot that `in_use`, in rising order, does not name: what a crash left behind.
    /// Return the slots in use whose key is gone.
    pub(crate) fn keep_only(&mut self, in_use: &[u32]) -> io::Result<Vec<u32>> {
        let mut lost: Vec<u32> =
            in_use.iter().copied().filter(|slot| *slot >= self.slots).collect();
        let mut used = in_use.iter().copied().peekable();
        for slot in 0..self.slots {
            let is_empty = self.slot(slot)? == [0; SLOT_BYTES];
            if used.next_if_eq(&slot).is_some() {
                lost.extend(is_empty.then_some(slot));
                continue;
            }
            if !is_empty {
                self.destroy(slot)?;
            }
            self.free.push(slot);
        }
        self.sync()?;
        Ok(lost)
    }

    /// Make a key for a person and return its slot. Durable after [`sync`](Vault::sync).
    pub(crate) fn occupy(
        &mut self,
        buyer: BuyerDigest,
        entropy: &mut dyn Entropy,
    ) -> Result<(u32, PersonKey), VaultError> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots += 1;
                self.slots - 1
            }
        };
        let mut key = PersonKey::default();
        entropy.fill(&mut *key)?;
        let sealed = seal(&self.master, &bound(slot, buyer), &*key, entropy)?;
        let mut bytes = [0; SLOT_BYTES];
        bytes[..SEALED_KEY_BYTES].copy_from_slice(&sealed);
        self.file.write_all_at(&bytes, place(slot))?;
        Ok((slot, key))
    }

    /// Read a person's key; `None` when it was destroyed or is not theirs.
    pub(crate) fn key(&self, slot: u32, buyer: BuyerDigest) -> io::Result<Option<PersonKey>> {
        if slot >= self.slots {
            return Ok(None);
        }
        let bytes = self.slot(slot)?;
        let opened = open(&self.master, &bound(slot, buyer), &bytes[..SEALED_KEY_BYTES]);
        let key = opened.and_then(|key| <[u8; KEY_BYTES]>::try_from(key.as_slice()).ok());
        Ok(key.map(Zeroizing::new))
    }

    /// Overwrite a slot. Durable after [`sync`](Vault::sync); it is not used again before
    /// [`release`](Vault::release).
    pub(crate) fn destroy(&mut self, slot: u32) -> io::Result<()> {
        self.file.write_all_at(&[0; SLOT_BYTES], place(slot))
    }

    /// Let destroyed slots be used again: the database no longer names them.
    pub(crate) fn release(&mut self, slots: Vec<u32>) {
        self.free.extend(slots);
    }

    /// Make everything written so far durable. One system call.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn slot(&self, slot: u32) -> io::Result<[u8; SLOT_BYTES]> {
        let mut bytes = [0; SLOT_BYTES];
        match self.file.read_exact_at(&mut bytes, place(slot)) {
            // A crash may have cut the last slot short: it was not acknowledged.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok([0; SLOT_BYTES]),
            Err(error) => Err(error),
            Ok(()) => Ok(bytes),
        }
    }
}

/// Seal `text` under a person's key; `context` must be shown again to open it.
pub(crate) fn seal_for(
    key: &PersonKey,
    context: &[u8],
    text: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, NoEntropy> {
    seal(&Aes256Gcm::new(&(**key).into()), context, text, entropy)
}

/// Open what was sealed under a person's key.
pub(crate) fn open_for(
    key: &PersonKey,
    context: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    open(&Aes256Gcm::new(&(**key).into()), context, sealed).map(Zeroizing::new)
}

fn seal(
    cipher: &Aes256Gcm,
    context: &[u8],
    text: &[u8],
    entropy: &mut dyn Entropy,
) -> Result<Vec<u8>, NoEntropy> {
    let mut nonce = [0; NONCE_BYTES];
    entropy.fill(&mut nonce)?;
    let payload = Payload { msg: text, aad: context };
    let sealed = cipher.encrypt(&Nonce::from(nonce), payload);
    let sealed = sealed.expect("AES-GCM takes texts up to 64 GiB");
    Ok([&nonce[..], &sealed].concat())
}

fn open(cipher: &Aes256Gcm, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: context }).ok()
}

fn bound(slot: u32, buyer: BuyerDigest) -> Vec<u8> {
    [b"onrush person key v1".as_slice(), &slot.to_be_bytes(), &buyer.0].concat()
}

fn place(slot: u32) -> u64 {
    u64::from(slot) * SLOT_BYTES as u64
}

/// Why a key could not be made.
#[derive(Debug)]
pub(crate) enum VaultError {
    Io(io::Error),
    NoEntropy,
}

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> VaultError {
        VaultError::Io(error)
    }
}

impl From<NoEntropy> for VaultError {
    fn from(NoEntropy: NoEntropy) -> VaultError {
        VaultError::NoEntropy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const ANN: BuyerDigest = BuyerDigest([1; 16]);
    const BEN: BuyerDigest = BuyerDigest([2; 16]);

    #[test]
    fn a_key_opens_what_it_sealed_until_it_is_destroyed() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("keys");
        let entropy = &mut SystemEntropy;
        let mut vault = Vault::open(&path, &[9; 32]).expect("made");
        let (slot, key) = vault.occupy(ANN, entropy).expect("a slot");
        let sealed = seal_for(&key, b"here", b"ann@shop.example", entropy).expect("sealed");
        assert!(!sealed.windows(3).any(|three| three == b"ann"));

        let mut vault = Vault::open(&path, &[9; 32]).expect("opened");
        assert_eq!(vault.keep_only(&[slot]).expect("kept"), [0; 0]);
        let key = vault.key(slot, ANN).expect("read").expect("there");
        let opened = open_for(&key, b"here", &sealed).expect("opens");
        assert_eq!(opened.as_slice(), b"ann@shop.example");
        assert!(open_for(&key, b"there", &sealed).is_none(), "bound to its context");
        assert!(vault.key(slot, BEN).expect("read").is_none(), "bound to its person");
        let other = Vault::open(&path, &[8; 32]).expect("opened");
        assert!(other.key(slot, ANN).expect("read").is_none(), "bound to the master key");

        let before = std::fs::read(&path).expect("read");
        vault.destroy(slot).expect("destroyed");
        assert!(vault.key(slot, ANN).expect("read").is_none());
        let after = std::fs::read(&path).expect("read");
        assert_ne!(before, after);
        assert!(after.iter().all(|byte| *byte == 0), "overwritten in place");
    }

    #[test]
    fn slots_are_used_again_once_released_and_orphans_are_destroyed() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("keys");
        let entropy = &mut SystemEntropy;
        let mut vault = Vault::open(&path, &[9; 32]).expect("made");
        let slots: Vec<u32> =
            (0..3).map(|_| vault.occupy(ANN, entropy).expect("a slot").0).collect();
        assert_eq!(slots, [0, 1, 2]);
        vault.destroy(1).expect("destroyed");
        assert_eq!(vault.occupy(ANN, entropy).expect("a slot").0, 3, "1 is not released yet");
        vault.release(vec![1]);
        assert_eq!(vault.occupy(ANN, entropy).expect("a slot").0, 1);

        let mut vault = Vault::open(&path, &[9; 32]).expect("opened");
        vault.destroy(3).expect("destroyed");
        assert_eq!(vault.keep_only(&[0, 3, 7]).expect("kept"), [7, 3], "what is gone is told");
        assert!(vault.key(0, ANN).expect("read").is_some());
        assert!(
            vault.key(1, ANN).expect("read").is_none()
                && vault.key(2, ANN).expect("read").is_none()
        );
        assert!(vault.key(9, ANN).expect("read").is_none(), "beyond the end");
        assert_eq!(vault.occupy(BEN, entropy).expect("a slot").0, 2);
    }
}
