//! Tickets and passes as text that only we can write.
//!
//! ```text
//! ticket  kind 1 │ key 1 │ campaign 2 │ buyer 16 │ number 4 │ class 1 │ lane 1 │ issued, ms 8 │ MAC 32 = 66
//! pass    kind 1 │ key 1 │ campaign 2 │ buyer 16 │ number 4 │ class 1 │ place 4 │ until, ms 8 │ MAC 32 = 69
//! entry   as a pass, with the pseudonym in the buyer's place: what a gate keeps in its cookie
//! ```
//! in base64url without padding: exactly 88 and 92 characters, with no spare bits that could differ
//! unnoticed. Integers are big-endian. The key's number is the period's, modulo 256. The MAC is
//! HMAC-SHA256 over everything before it and is compared in constant time; nothing in a token is
//! believed, or compared with anything, before its MAC was. Source: RFC 2104, RFC 4648 §5.

use super::figures::{Figures, Refused};
use super::ring::Ring;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use onrush::{BuyerDigest, CampaignIx, Timestamp};
use onrush_types::planted;
use sha2::Sha256;
use std::sync::Arc;

const MAC_BYTES: usize = 32;
const TICKET_BYTES: usize = 34 + MAC_BYTES;
const PASS_BYTES: usize = 37 + MAC_BYTES;

/// Characters of a ticket's text.
pub(crate) const TICKET_CHARS: usize = 88;
/// Characters of a pass's text.
pub(crate) const PASS_CHARS: usize = 92;

const _: () = assert!(TICKET_BYTES.is_multiple_of(3) && TICKET_BYTES / 3 * 4 == TICKET_CHARS);
const _: () = assert!(PASS_BYTES.is_multiple_of(3) && PASS_BYTES / 3 * 4 == PASS_CHARS);

/// What a token is for; its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Ticket = 0xB1,
    Pass = 0xB2,
    Entry = 0xB3,
}

/// A place in line, as its holder shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TicketToken {
    pub(crate) campaign: CampaignIx,
    pub(crate) buyer: BuyerDigest,
    pub(crate) number: u32,
    pub(crate) class: u8,
    pub(crate) lane: u8,
    pub(crate) issued_at: Timestamp,
    /// It was signed in the period before: its holder is given a new one.
    pub(crate) by_old_key: bool,
}

/// The right to reserve, as its holder shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PassToken {
    pub(crate) campaign: CampaignIx,
    pub(crate) buyer: BuyerDigest,
    pub(crate) number: u32,
    pub(crate) class: u8,
    pub(crate) place: u32,
    pub(crate) until: Timestamp,
}

/// Signs and opens tickets and passes; counts what it does not open.
#[derive(Debug)]
pub(crate) struct Tokens {
    ring: Ring<Hmac<Sha256>>,
    figures: Arc<Figures>,
}

/// Make a period's key: it has absorbed its bytes, so that a check starts from there.
pub(crate) fn mac_key(_period: u64, key: [u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(&key).expect("HMAC takes keys of any length")
}

impl Tokens {
    pub(crate) fn new(ring: Ring<Hmac<Sha256>>, figures: Arc<Figures>) -> Tokens {
        Tokens { ring, figures }
    }

    /// Write a ticket. Two SHA-256 blocks.
    pub(crate) fn ticket(&self, ticket: &TicketToken, now: Timestamp) -> [u8; TICKET_CHARS] {
        let mut bytes = [0; TICKET_BYTES];
        bytes[2..4].copy_from_slice(&ticket.campaign.0.to_be_bytes());
        bytes[4..20].copy_from_slice(&ticket.buyer.0);
        bytes[20..24].copy_from_slice(&ticket.number.to_be_bytes());
        bytes[24] = ticket.class;
        bytes[25] = ticket.lane;
        bytes[26..34].copy_from_slice(&ticket.issued_at.0.to_be_bytes());
        self.seal(Kind::Ticket, &mut bytes, now);
        text(&bytes)
    }

    /// Write a pass. Two SHA-256 blocks.
    pub(crate) fn pass(&self, pass: &PassToken, now: Timestamp) -> [u8; PASS_CHARS] {
        self.write(Kind::Pass, pass, now)
    }

    /// Write what a gate remembers a pass by: the same, with a pseudonym where a pass has its buyer.
    pub(crate) fn entry(&self, pass: &PassToken, now: Timestamp) -> [u8; PASS_CHARS] {
        self.write(Kind::Entry, pass, now)
    }

    fn write(&self, kind: Kind, pass: &PassToken, now: Timestamp) -> [u8; PASS_CHARS] {
        let mut bytes = [0; PASS_BYTES];
        bytes[2..4].copy_from_slice(&pass.campaign.0.to_be_bytes());
        bytes[4..20].copy_from_slice(&pass.buyer.0);
        bytes[20..24].copy_from_slice(&pass.number.to_be_bytes());
        bytes[24] = pass.class;
        bytes[25..29].copy_from_slice(&pass.place.to_be_bytes());
        bytes[29..37].copy_from_slice(&pass.until.0.to_be_bytes());
        self.seal(kind, &mut bytes, now);
        text(&bytes)
    }

    /// Read a ticket of `campaign` back. No allocation.
    pub(crate) fn open_ticket(
        &self,
        text: &str,
        campaign: CampaignIx,
        now: Timestamp,
    ) -> Result<TicketToken, Refused> {
        let mut bytes = [0; TICKET_BYTES];
        let opened = self.open(Kind::Ticket, text, TICKET_CHARS, &mut bytes, now);
        let opened = opened.map(|by_old_key| TicketToken {
            campaign: CampaignIx(short(&bytes, 2)),
            buyer: buyer(&bytes),
            number: word(&bytes, 20),
            class: bytes[24],
            lane: bytes[25],
            issued_at: Timestamp(long(&bytes, 26)),
            by_old_key,
        });
        let found = opened.and_then(|ticket| match ticket.campaign == campaign {
            true => Ok(ticket),
            false => Err(Refused::OtherCampaign),
        });
        found.inspect_err(|why| self.figures.refused(*why))
    }

    /// Read a pass of `campaign` and `buyer` back. No allocation.
    pub(crate) fn open_pass(
        &self,
        text: &str,
        campaign: CampaignIx,
        buyer: Option<BuyerDigest>,
        now: Timestamp,
    ) -> Result<PassToken, Refused> {
        self.read(Kind::Pass, text, campaign, buyer, now)
    }

    /// Read what a gate remembers back. No allocation.
    pub(crate) fn open_entry(
        &self,
        text: &str,
        campaign: CampaignIx,
        now: Timestamp,
    ) -> Result<PassToken, Refused> {
        self.read(Kind::Entry, text, campaign, None, now)
    }

    fn read(
        &self,
        kind: Kind,
        text: &str,
        campaign: CampaignIx,
        buyer: Option<BuyerDigest>,
        now: Timestamp,
    ) -> Result<PassToken, Refused> {
        let mut bytes = [0; PASS_BYTES];
        let opened = self.open(kind, text, PASS_CHARS, &mut bytes, now).map(|_| PassToken {
            campaign: CampaignIx(short(&bytes, 2)),
            buyer: self::buyer(&bytes),
            number: word(&bytes, 20),
            class: bytes[24],
            place: word(&bytes, 25),
            until: Timestamp(long(&bytes, 29)),
        });
        let found = opened.and_then(|pass| {
            if pass.campaign != campaign {
                Err(Refused::OtherCampaign)
            } else if buyer.is_some_and(|buyer| pass.buyer != buyer) {
                Err(Refused::OtherBuyer)
            } else if pass.until <= now {
                Err(Refused::Stale)
            } else {
                Ok(pass)
            }
        });
        found.inspect_err(|why| self.figures.refused(*why))
    }

    fn seal(&self, kind: Kind, bytes: &mut [u8], now: Timestamp) {
        let keys = self.ring.at(now);
        bytes[0] = kind as u8;
        bytes[1] = keys.period as u8;
        let (said, mac) = bytes.split_at_mut(bytes.len() - MAC_BYTES);
        let mut signer = keys.current.clone();
        signer.update(said);
        mac.copy_from_slice(&signer.finalize().into_bytes());
    }

    fn open(
        &self,
        kind: Kind,
        text: &str,
        chars: usize,
        bytes: &mut [u8],
        now: Timestamp,
    ) -> Result<bool, Refused> {
        let length = URL_SAFE_NO_PAD.decode_slice(text, bytes);
        if text.len() != chars || length != Ok(bytes.len()) || bytes[0] != kind as u8 {
            return Err(Refused::Forged);
        }
        let keys = self.ring.at(now);
        let (key, is_old) = if bytes[1] == keys.period as u8 {
            (&keys.current, false)
        } else if bytes[1] == keys.period.wrapping_sub(1) as u8 && self.ring.overlaps(now) {
            (&keys.previous, true)
        } else {
            return Err(Refused::Stale);
        };
        let (said, mac) = bytes.split_at(bytes.len() - MAC_BYTES);
        let mut check = key.clone();
        check.update(said);
        // Compares in constant time.
        let signed = planted!("pass-unsigned", true, check.verify_slice(mac).is_ok());
        if signed { Ok(is_old) } else { Err(Refused::Altered) }
    }
}

fn text<const BYTES: usize, const CHARS: usize>(bytes: &[u8; BYTES]) -> [u8; CHARS] {
    let mut text = [0; CHARS];
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
    assert_eq!(written, Ok(CHARS), "the lengths are checked above");
    text
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(*bytes[at..].first_chunk().expect("2 bytes"))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().expect("4 bytes"))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(*bytes[at..].first_chunk().expect("8 bytes"))
}

fn buyer(bytes: &[u8]) -> BuyerDigest {
    BuyerDigest(*bytes[4..].first_chunk().expect("16 bytes"))
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
