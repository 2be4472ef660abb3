//! Records as bytes: fixed layout, little endian, hand-encoded, so that a journal written today can
//! be read by any later version and by other languages. `docs/record-format.md` is their table.
//!
//! ```text
//! 0      1      2          4               8                        16
//! │ kind │ flag │ small 16 │ index 32      │ stamp, ms 64           │ body by kind …
//! ```
//!
//! A text is a 16-bit length and UTF-8. Decoding checks everything it reads, never panics, and
//! refuses what is left over.

use super::action::PassUse;
use super::extend::Holds;
use super::line_codec;
use super::record::{By, Change, Paid, PaidOutcome, PaymentLine, Record, Reserved, Source};
use crate::campaign::{Terms, Wave};
use crate::phase::{Phase, Schedule};
use onrush_types::planted;
use onrush_types::{
    BuyerDigest, CampaignIx, Currency, DurationMs, KeyDigest, Money, Name, Quantity, RequestDigest,
    ReservationSeq, SkuIx, TicketNo, Timestamp,
};
use std::fmt;

#[path = "nodes_codec.rs"]
mod nodes;

mod kind {
    pub(super) const CAMPAIGN: u8 = 1;
    pub(super) const SKU: u8 = 2;
    pub(super) const SUPPLIED: u8 = 3;
    pub(super) const WITHDRAWN: u8 = 4;
    pub(super) const PHASE: u8 = 5;
    pub(super) const RESERVED: u8 = 16;
    pub(super) const PAID: u8 = 17;
    pub(super) const CONFIRMED: u8 = 18;
    pub(super) const RELEASED: u8 = 19;
    pub(super) const EXPIRED: u8 = 20;
    pub(super) const ACCEPTED: u8 = 21;
    pub(super) const CANCELLED: u8 = 22;
    pub(super) const REFUNDED: u8 = 23;
    pub(super) const REJECTED: u8 = 24;
    pub(super) const EXTENDED: u8 = 25;
    pub(super) const RESERVED_WITH_PASS: u8 = 39;
}

/// A record that cannot be read: not written by a version this one knows, or damaged in memory
/// (damage on disk is caught by the frame's checksum before).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What did not fit.
    pub what: &'static str,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a record of this version: {}", self.what)
    }
}

impl std::error::Error for DecodeError {}

/// Append the bytes of `record` to `out`. No allocation when `out` has room.
pub fn encode(record: &Record, out: &mut Vec<u8>) {
    let w = &mut Writer { out, stamp: record.stamp };
    match &record.change {
        Change::Wait(change) => waitlist::encode(w, change),
        Change::Reserved(r) => reserved(w, r),
        Change::Expired { seq } => w.head(kind::EXPIRED, 0, 0, seq.0),
        Change::Confirmed { seq, key } => {
            w.head(kind::CONFIRMED, u8::from(key.is_some()), 0, seq.0);
            w.key(*key);
        }
        Change::Released { seq, key } => {
            w.head(kind::RELEASED, u8::from(key.is_some()), 0, seq.0);
            w.key(*key);
        }
        Change::Paid(p) => {
            w.head(kind::PAID, u8::from(p.key.is_some()), p.outcome as u16, p.seq.0);
            w.u64(p.line.money.amount as u64);
            w.bytes(&p.line.money.currency.to_bytes());
            w.text(p.line.provider.as_str());
            w.text(p.line.method.as_str());
            w.text(&p.line.reference);
            w.key(p.key);
        }
        Change::Extended { holds, more, by } => {
            match *holds {
                Holds::Campaign(campaign) => w.head(kind::EXTENDED, 0, campaign.0, 0),
                Holds::One(seq) => w.head(kind::EXTENDED, 1, 0, seq.0),
            }
            w.u64(more.0);
            w.by(by);
        }
        Change::Accepted { seq, by } => {
            w.head(kind::ACCEPTED, 0, 0, seq.0);
            w.by(by);
        }
        Change::Rejected { seq, by } => {
            w.head(kind::REJECTED, 0, 0, seq.0);
            w.by(by);
        }
        Change::Cancelled { seq, restock, by } => {
            w.head(kind::CANCELLED, u8::from(*restock), 0, seq.0);
            w.by(by);
        }
        Change::Refunded { refund, by } => {
            w.head(kind::REFUNDED, 0, 0, *refund);
            w.by(by);
        }
        Change::Campaign { campaign, name, terms } => campaign_terms(w, *campaign, name, terms),
        Change::Sku { sku, campaign, name, price, limit_per_buyer, supply } => {
            w.head(kind::SKU, 0, campaign.0, sku.0);
            w.u64(*price as u64);
            w.u32(*limit_per_buyer);
            w.u32(*supply);
            w.text(name.as_str());
        }
        Change::Supplied { sku, units, source } => supplied(w, *sku, *units, source),
        Change::Nodes(change) => nodes::encode(w, change),
        Change::Withdrawn { sku, units, by } => {
            w.head(kind::WITHDRAWN, 0, 0, sku.0);
            w.u32(*units);
            w.by(by);
        }
        Change::Phase { campaign, to, by } => {
            w.head(kind::PHASE, u8::from(by.is_some()), campaign.0, *to as u32);
            if let Some(by) = by {
                w.by(by);
            }
        }
        Change::Line { .. }
        | Change::Joined { .. }
        | Change::Drawn { .. }
        | Change::Served { .. }
        | Change::Returned { .. }
        | Change::Outflow { .. }
        | Change::PublicValue { .. } => line_codec::encode(w, &record.change),
    }
}

fn supplied(w: &mut Writer<'_>, sku: SkuIx, units: u32, source: &Source) {
    let (flag, wave) = match source {
        Source::Operator(_) => (0, 0),
        Source::Wave(wave) => (1, *wave),
    };
    w.head(kind::SUPPLIED, flag, wave, sku.0);
    w.u32(units);
    if let Source::Operator(by) = source {
        w.by(by);
    }
}

fn reserved(w: &mut Writer<'_>, r: &Reserved) {
    let flag = u8::from(r.review) | u8::from(r.details.is_some()) << 1;
    let kind = if r.pass.is_some() { kind::RESERVED_WITH_PASS } else { kind::RESERVED };
    w.head(kind, flag, r.quantity.get() as u16, r.sku.0);
    w.bytes(&r.buyer.0);
    w.u64(r.key.0);
    w.u32(r.request.0);
    w.u32(r.seq.0);
    w.u64(r.amount as u64);
    w.u64(r.expires_at.0);
    if let Some(pass) = r.pass {
        w.u32(pass.number.0);
        w.u32(pass.place);
    }
    if let Some(details) = &r.details {
        assert!(details.len() <= usize::from(u16::MAX), "details are bounded where they enter");
        w.u16(details.len() as u16);
        w.bytes(details);
    }
}

fn campaign_terms(w: &mut Writer<'_>, campaign: CampaignIx, name: &Name, terms: &Terms) {
    let flag = u8::from(terms.published) | u8::from(terms.supply_from_stores) << 1;
    w.head(kind::CAMPAIGN, flag, campaign.0, 0);
    for at in terms.schedule.times() {
        // A planned time is never zero: checked where terms enter.
        w.u64(at.map_or(0, |at| at.0));
    }
    w.bytes(&terms.currency.to_bytes());
    w.u32(terms.limit_per_buyer);
    w.u64(terms.hold.0);
    w.u32(terms.buyers_expected);
    w.text(name.as_str());
    w.text(&terms.attributes);
    w.u16(terms.waves.len() as u16);
    for wave in &terms.waves {
        w.u64(wave.at.0);
        w.u32(wave.units);
        w.text(wave.sku.as_str());
    }
}

/// Read one record from exactly `bytes`.
///
/// # Errors
/// When the bytes are not exactly one record of a known kind with legal values.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let r = &mut Reader { rest: bytes };
    let [kind, flag] = [r.u8()?, r.u8()?];
    let (small, index, stamp) = (r.u16()?, r.u32()?, Timestamp(r.u64()?));
    if nodes::KINDS.contains(&kind) {
        let change = Change::Nodes(Box::new(nodes::decode(r, kind, flag, small, index)?));
        return whole(r, Record { stamp, change });
    }
    if waitlist::KINDS.contains(&kind) {
        let change = Change::Wait(waitlist::decode(r, (kind, flag, small, index))?);
        return whole(r, Record { stamp, change });
    }
    check_unused(kind, flag, small, index)?;
    let seq = ReservationSeq(index);
    let change = match kind {
        kind::RESERVED | kind::RESERVED_WITH_PASS => {
            let with_pass = kind == kind::RESERVED_WITH_PASS;
            Change::Reserved(read_reserved(r, flag, small, SkuIx(index), with_pass)?)
        }
        kind::EXPIRED => Change::Expired { seq },
        kind::CONFIRMED => Change::Confirmed { seq, key: r.key(flag)? },
        kind::RELEASED => Change::Released { seq, key: r.key(flag)? },
        kind::PAID => Change::Paid(read_paid(r, flag, small, seq)?),
        kind::ACCEPTED => Change::Accepted { seq, by: r.by()? },
        kind::EXTENDED => Change::Extended {
            holds: if boolean(flag)? {
                Holds::One(seq)
            } else {
                Holds::Campaign(CampaignIx(small))
            },
            more: DurationMs(r.u64()?),
            by: r.by()?,
        },
        kind::REJECTED => Change::Rejected { seq, by: r.by()? },
        kind::CANCELLED => Change::Cancelled { seq, restock: boolean(flag)?, by: r.by()? },
        kind::REFUNDED => Change::Refunded { refund: index, by: r.by()? },
        kind::CAMPAIGN => read_campaign(r, flag, CampaignIx(small))?,
        kind::SKU => Change::Sku {
            sku: SkuIx(index),
            campaign: CampaignIx(small),
            price: r.u64()? as i64,
            limit_per_buyer: r.u32()?,
            supply: r.u32()?,
            name: r.name()?,
        },
        kind::SUPPLIED => {
            let units = r.u32()?;
            let source =
                if boolean(flag)? { Source::Wave(small) } else { Source::Operator(r.by()?) };
            Change::Supplied { sku: SkuIx(index), units, source }
        }
        kind::WITHDRAWN => Change::Withdrawn { sku: SkuIx(index), units: r.u32()?, by: r.by()? },
        kind::PHASE => Change::Phase {
            campaign: CampaignIx(small),
            to: u8::try_from(index).ok().and_then(Phase::from_u8).ok_or(bad("phase"))?,
            by: if boolean(flag)? { Some(r.by()?) } else { None },
        },
        _ => line_codec::decode(r, kind, flag, small, index)?,
    };
    whole(r, Record { stamp, change })
}

fn whole(r: &Reader<'_>, record: Record) -> Result<Record, DecodeError> {
    if r.rest.is_empty() { Ok(record) } else { Err(bad("bytes left over")) }
}

/// Refuse a value in a head field that its kind does not use: every record has exactly one encoding.
fn check_unused(kind: u8, flag: u8, small: u16, index: u32) -> Result<(), DecodeError> {
    if let Some([flag_used, index_used]) = line_codec::uses(kind) {
        let unused_are_zero = (flag_used || flag == 0) && (index_used || index == 0);
        return unused_are_zero.then_some(()).ok_or(bad("a field that this kind does not use"));
    }
    let flag_used = !matches!(
        kind,
        kind::SKU
            | kind::WITHDRAWN
            | kind::EXPIRED
            | kind::ACCEPTED
            | kind::REFUNDED
            | kind::REJECTED
    );
    let small_used = match kind {
        kind::CAMPAIGN | kind::SKU | kind::PHASE => true,
        kind::RESERVED | kind::RESERVED_WITH_PASS | kind::PAID => true,
        kind::SUPPLIED => flag == 1,
        kind::EXTENDED => flag == 0,
        _ => false,
    };
    let index_used = kind != kind::CAMPAIGN && (kind != kind::EXTENDED || flag == 1);
    if (flag_used || flag == 0) && (small_used || small == 0) && (index_used || index == 0) {
        Ok(())
    } else {
        Err(bad("a field that this kind does not use"))
    }
}

fn read_reserved(
    r: &mut Reader<'_>,
    flag: u8,
    quantity: u16,
    sku: SkuIx,
    with_pass: bool,
) -> Result<Reserved, DecodeError> {
    if flag > 3 {
        return Err(bad("flag"));
    }
    Ok(Reserved {
        sku,
        quantity: Quantity::new(u32::from(quantity)).map_err(|_| bad("quantity"))?,
        buyer: BuyerDigest(r.array()?),
        key: KeyDigest(r.u64()?),
        request: RequestDigest(r.u32()?),
        seq: ReservationSeq(r.u32()?),
        amount: r.u64()? as i64,
        expires_at: Timestamp(r.u64()?),
        pass: if with_pass {
            Some(PassUse { number: TicketNo(r.u32()?), place: r.u32()? })
        } else {
            None
        },
        review: flag & 1 != 0 && planted!("review-not-replayed", false, true),
        details: if flag & 2 != 0 {
            let length = r.u16()?;
            Some(r.take(usize::from(length))?.into())
        } else {
            None
        },
    })
}

fn read_paid(
    r: &mut Reader<'_>,
    flag: u8,
    outcome: u16,
    seq: ReservationSeq,
) -> Result<Paid, DecodeError> {
    let outcome = u8::try_from(outcome).ok().and_then(PaidOutcome::from_u8);
    let amount = r.u64()? as i64;
    let currency = Currency::from_bytes(r.array()?).map_err(|_| bad("currency"))?;
    let line = PaymentLine {
        money: Money { amount, currency },
        provider: r.name()?,
        method: r.name()?,
        reference: r.text()?.into(),
    };
    Ok(Paid { seq, line, outcome: outcome.ok_or(bad("payment outcome"))?, key: r.key(flag)? })
}

fn read_campaign(
    r: &mut Reader<'_>,
    flag: u8,
    campaign: CampaignIx,
) -> Result<Change, DecodeError> {
    let mut times = [None; 4];
    for at in &mut times {
        *at = Some(r.u64()?).filter(|at| *at != 0).map(Timestamp);
    }
    let [preheat_at, draw_at, opens_at, closes_at] = times;
    let schedule = Schedule { preheat_at, draw_at, opens_at, closes_at };
    let currency = Currency::from_bytes(r.array()?).map_err(|_| bad("currency"))?;
    let (limit_per_buyer, hold, buyers_expected) = (r.u32()?, DurationMs(r.u64()?), r.u32()?);
    let name = r.name()?;
    let attributes = r.text()?.to_owned();
    let waves = (0..r.u16()?)
        .map(|_| Ok(Wave { at: Timestamp(r.u64()?), units: r.u32()?, sku: r.name()? }))
        .collect::<Result<_, _>>()?;
    if flag > 3 {
        return Err(bad("flag"));
    }
    let (published, supply_from_stores) = (flag & 1 != 0, flag & 2 != 0);
    let terms = Box::new(Terms {
        published,
        schedule,
        currency,
        limit_per_buyer,
        hold,
        buyers_expected,
        waves,
        supply_from_stores,
        attributes,
    });
    Ok(Change::Campaign { campaign, name, terms })
}

pub(super) fn bad(what: &'static str) -> DecodeError {
    DecodeError { what }
}

pub(super) fn boolean(flag: u8) -> Result<bool, DecodeError> {
    if flag <= 1 { Ok(flag == 1) } else { Err(bad("flag")) }
}

pub(super) struct Writer<'a> {
    out: &'a mut Vec<u8>,
    stamp: Timestamp,
}

impl Writer<'_> {
    pub(super) fn head(&mut self, kind: u8, flag: u8, small: u16, index: u32) {
        let mut head = [0; 16];
        head[0] = kind;
        head[1] = flag;
        head[2..4].copy_from_slice(&small.to_le_bytes());
        head[4..8].copy_from_slice(&index.to_le_bytes());
        head[8..].copy_from_slice(&self.stamp.0.to_le_bytes());
        self.out.extend_from_slice(&head);
    }
    pub(super) fn u16(&mut self, v: u16) {
        self.out.extend_from_slice(&v.to_le_bytes());
    }
    pub(super) fn u32(&mut self, v: u32) {
        self.out.extend_from_slice(&v.to_le_bytes());
    }
    pub(super) fn u64(&mut self, v: u64) {
        self.out.extend_from_slice(&v.to_le_bytes());
    }
    pub(super) fn bytes(&mut self, v: &[u8]) {
        self.out.extend_from_slice(v);
    }
    pub(super) fn text(&mut self, v: &str) {
        assert!(v.len() <= usize::from(u16::MAX), "texts are bounded where they enter");
        self.u16(v.len() as u16);
        self.bytes(v.as_bytes());
    }
    pub(super) fn key(&mut self, key: Option<(KeyDigest, RequestDigest)>) {
        if let Some((KeyDigest(key), RequestDigest(request))) = key {
            self.u64(key);
            self.u32(request);
        }
    }
    pub(super) fn by(&mut self, by: &By) {
        self.text(&by.who);
        self.text(&by.why);
    }
}

pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(bad("too short"))?;
        self.rest = rest;
        Ok(taken)
    }
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(bad("too short"))?;
        self.rest = rest;
        Ok(*taken)
    }
    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_le_bytes(self.array()?))
    }
    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }
    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    pub(super) fn text(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.u16()?;
        std::str::from_utf8(self.take(usize::from(length))?).map_err(|_| bad("text"))
    }
    pub(super) fn name(&mut self) -> Result<Name, DecodeError> {
        Name::new(self.text()?).map_err(|_| bad("name"))
    }
    pub(super) fn by(&mut self) -> Result<By, DecodeError> {
        Ok(By::new(self.text()?, self.text()?))
    }
    pub(super) fn key(
        &mut self,
        flag: u8,
    ) -> Result<Option<(KeyDigest, RequestDigest)>, DecodeError> {
        if boolean(flag)? {
            Ok(Some((KeyDigest(self.u64()?), RequestDigest(self.u32()?))))
        } else {
            Ok(None)
        }
    }
}

#[path = "waitlist_codec.rs"]
mod waitlist;

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
