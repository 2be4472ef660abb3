//! Reservation ids for the outside: unguessable, checkable, and stored nowhere.
//!
//! An id is one AES-128 block: the sequence number and twelve zero bytes, encrypted under a key of
//! the data folder, in lower-case base32. Without the key an id tells neither how many there are nor
//! what the next one is; a made-up id decrypts to twelve zero bytes with probability 2⁻⁹⁶.

use crate::secret::Secret;
use aes::Aes128;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use data_encoding::BASE32_DNSSEC;
use onrush_types::ReservationSeq;
use std::fmt;

/// Characters of an id.
pub const PUBLIC_ID_CHARS: usize = 26;

/// A reservation's public name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicId([u8; PUBLIC_ID_CHARS]);

impl PublicId {
    /// Return its 26 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base32 is ASCII")
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicId({})", self.as_str())
    }
}

/// Makes and reads ids.
pub(crate) struct Ids(Aes128);

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids(…)")
    }
}

impl Ids {
    pub(crate) fn new(secret: &Secret) -> Ids {
        let key = secret.derive("onrush reservation id v1");
        Ids(Aes128::new(&Array(*key.first_chunk::<16>().expect("16 of 32 bytes"))))
    }

    pub(crate) fn id_of(&self, seq: ReservationSeq) -> PublicId {
        let mut block = Array([0; 16]);
        block[..4].copy_from_slice(&seq.0.to_le_bytes());
        self.0.encrypt_block(&mut block);
        let mut id = [0; PUBLIC_ID_CHARS];
        BASE32_DNSSEC.encode_mut(&block, &mut id);
        PublicId(id)
    }

    pub(crate) fn seq_of(&self, id: &str) -> Option<ReservationSeq> {
        if id.len() != PUBLIC_ID_CHARS {
            return None;
        }
        let mut block = Array([0; 16]);
        BASE32_DNSSEC.decode_mut(id.as_bytes(), &mut block).ok()?;
        self.0.decrypt_block(&mut block);
        let (seq, tag) = block.split_first_chunk::<4>()?;
        tag.iter().all(|&byte| byte == 0).then_some(ReservationSeq(u32::from_le_bytes(*seq)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_its_own_and_nothing_else() {
        let [ids, other] = [1, 2].map(|n| Ids::new(&Secret::from_bytes([n; 32])));
        for seq in [0, 1, 77, u32::MAX].map(ReservationSeq) {
            let id = ids.id_of(seq).to_string();
            assert_eq!(ids.seq_of(&id), Some(seq));
            assert_eq!(other.seq_of(&id), None);
            for at in 0..id.len() {
                let mut changed = id.clone().into_bytes();
                changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
                let changed = String::from_utf8(changed).expect("ASCII");
                assert_eq!(ids.seq_of(&changed), None, "{changed}");
            }
        }
        for bad in ["", "0", "é", &"z".repeat(26), &"0".repeat(27)] {
            assert_eq!(ids.seq_of(bad), None);
        }
    }
}
