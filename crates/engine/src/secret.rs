//! The edge where randomness is drawn, and the keys that are derived from it.
//!
//! A data folder has one secret of 32 bytes, made at its first opening. Every other key is derived
//! from it by HMAC-SHA256 over its purpose, so none of them is stored and none tells another.

use crate::error::OpenError;
use hmac::{Hmac, KeyInit, Mac};
use onrush_journal::JournalId;
use onrush_types::planted;
use onrush_types::{BuyerDigest, KeyDigest, RequestDigest};
use sha2::Sha256;
use siphasher::sip::SipHasher24;
use std::fmt;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::Path;
use zeroize::Zeroize;

const FILE: &str = "secret";

/// The secret of a data folder. Its bytes are wiped when it is dropped.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Use these bytes: for tests and simulations, where everything follows from a seed.
    pub fn from_bytes(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    /// Derive the key for `purpose`.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key length");
        mac.update(purpose.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// Read the secret of a data folder, or make it when the folder is new.
    pub(crate) fn of_folder(folder: &Path) -> Result<Secret, OpenError> {
        let path = folder.join(FILE);
        let secret = |what: &str, e: &dyn fmt::Display| OpenError::Secret(format!("{what}: {e}"));
        match fs::read_to_string(&path) {
            Ok(text) => {
                let bytes = data_encoding::HEXLOWER.decode(text.trim().as_bytes()).ok();
                let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
                bytes.map(Secret).ok_or_else(|| {
                    let what = "the file `secret` is not 64 hexadecimal digits";
                    OpenError::Secret(format!("{what}; put back the one from your backup"))
                })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let bytes = random().map_err(|e| secret("no randomness", &e))?;
                write_new(folder, &bytes).map_err(|e| secret("cannot write `secret`", &e))?;
                Ok(Secret(bytes))
            }
            Err(e) => Err(secret("cannot read `secret`", &e)),
        }
    }
}

/// Draw the id of a new journal.
pub(crate) fn new_journal_id() -> Result<JournalId, OpenError> {
    let bytes = random::<16>().map_err(|e| OpenError::Secret(format!("no randomness: {e}")))?;
    Ok(JournalId(bytes))
}

fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// Write under another name, sync, rename, sync the folder: the secret is there whole or not at all.
fn write_new(folder: &Path, bytes: &[u8; 32]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let temporary = folder.join("secret.new");
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    writeln!(file, "{}", data_encoding::HEXLOWER.encode(bytes))?;
    file.sync_all()?;
    fs::rename(&temporary, folder.join(FILE))?;
    fs::File::open(folder)?.sync_all()
}

/// The digests that stand for what people send.
#[derive(Clone)]
pub(crate) struct Digests {
    buyer: Hmac<Sha256>,
    key: [u64; 2],
    request: [u64; 2],
    table: [u64; 2],
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digests(…)")
    }
}

impl Digests {
    pub(crate) fn new(secret: &Secret) -> Digests {
        let buyer = Hmac::new_from_slice(&secret.derive("onrush buyer v1"));
        Digests {
            buyer: buyer.expect("HMAC takes any key length"),
            key: words(secret.derive("onrush idempotency key v1")),
            request: words(secret.derive("onrush request v1")),
            table: words(secret.derive("onrush tables v1")),
        }
    }

    pub(crate) fn buyer(&self, identity: &str) -> BuyerDigest {
        let mut mac = self.buyer.clone();
        mac.update(identity.as_bytes());
        let full: [u8; 32] = mac.finalize().into_bytes().into();
        BuyerDigest(*full.first_chunk().expect("16 of 32 bytes"))
    }

    pub(crate) fn key(&self, key: &str) -> KeyDigest {
        let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
        hasher.write(planted!("key-cut-short", &key.as_bytes()[..1], key.as_bytes()));
        // Zero is no key's digest: it marks what the waitlist offered.
        KeyDigest(hasher.finish().max(1))
    }

    pub(crate) fn request(&self, parts: &[&[u8]]) -> RequestDigest {
        let mut hasher = SipHasher24::new_with_keys(self.request[0], self.request[1]);
        for part in parts {
            hasher.write_u32(part.len() as u32);
            hasher.write(part);
        }
        RequestDigest(hasher.finish() as u32)
    }

    /// The key of tables that are looked up by what clients send.
    pub(crate) fn table(&self) -> KeyedState {
        KeyedState(self.table)
    }
}

/// A keyed hash for maps that are looked up by what clients send.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyedState(pub(crate) [u64; 2]);

impl BuildHasher for KeyedState {
    type Hasher = siphasher::sip::SipHasher13;
    fn build_hasher(&self) -> Self::Hasher {
        siphasher::sip::SipHasher13::new_with_keys(self.0[0], self.0[1])
    }
}

fn words(key: [u8; 32]) -> [u64; 2] {
    let word = |at: usize| u64::from_le_bytes(*key[at..].first_chunk().expect("32 bytes"));
    [word(0), word(8)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_secret_and_two_folders_differ() {
        let [a, b] = [tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir")];
        let first = Secret::of_folder(a.path()).expect("made");
        assert_eq!(first.0, Secret::of_folder(a.path()).expect("read").0);
        assert_ne!(first.0, Secret::of_folder(b.path()).expect("made").0);
        fs::write(a.path().join(FILE), "short").expect("write");
        assert!(matches!(Secret::of_folder(a.path()), Err(OpenError::Secret(_))));
    }

    #[test]
    fn digests_depend_on_the_secret_and_on_where_parts_end() {
        let [a, b] = [1, 2].map(|n| Digests::new(&Secret::from_bytes([n; 32])));
        assert_eq!(a.buyer("ann"), a.buyer("ann"));
        assert_ne!(a.buyer("ann"), a.buyer("ben"));
        assert_ne!(a.buyer("ann"), b.buyer("ann"));
        assert_ne!(a.key("k"), b.key("k"));
        assert_ne!(a.request(&[b"ab", b"c"]), a.request(&[b"a", b"bc"]));
    }
}
