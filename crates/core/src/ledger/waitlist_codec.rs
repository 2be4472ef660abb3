//! The bytes of the waitlist's records: kinds 48 to 52, in the frame of `codec.rs`.

use super::super::waitlist::{Offered, WaitChange};
use super::{DecodeError, Reader, Writer, bad};
use crate::campaign::WaitTerms;
use crate::wait_queue::Wish;
use onrush_types::{
    BuyerDigest, CampaignIx, DurationMs, Quantity, ReservationSeq, SkuIx, Timestamp,
};
use std::ops::RangeInclusive;

/// The kinds that are read here.
pub(super) const KINDS: RangeInclusive<u8> = WAIT_TERMS..=SKIPPED;

const WAIT_TERMS: u8 = 48;
const JOINED: u8 = 49;
const LEFT: u8 = 50;
const OFFERED: u8 = 51;
const SKIPPED: u8 = 52;

pub(super) fn encode(w: &mut Writer<'_>, change: &WaitChange) {
    match change {
        WaitChange::Terms { campaign, terms } => {
            w.head(WAIT_TERMS, u8::from(terms.is_some()), campaign.0, 0);
            if let Some(terms) = terms {
                w.u64(terms.offer.0);
            }
        }
        WaitChange::Joined { sku, wish } => {
            w.head(JOINED, 0, wish.quantity.get() as u16, sku.0);
            put_wish(w, wish);
        }
        WaitChange::Left { sku, number } => {
            w.head(LEFT, 0, 0, sku.0);
            w.u32(*number);
        }
        WaitChange::Offered(o) => {
            w.head(OFFERED, 0, o.wish.quantity.get() as u16, o.sku.0);
            put_wish(w, &o.wish);
            w.u32(o.seq.0);
            w.u64(o.amount as u64);
            w.u64(o.expires_at.0);
        }
        WaitChange::Skipped { sku, number } => {
            w.head(SKIPPED, 0, 0, sku.0);
            w.u32(*number);
        }
    }
}

/// Read the body of a record whose head is `(kind, flag, small, index)`.
pub(super) fn decode(
    r: &mut Reader<'_>,
    (kind, flag, small, index): (u8, u8, u16, u32),
) -> Result<WaitChange, DecodeError> {
    let unused = match kind {
        WAIT_TERMS => flag <= 1 && index == 0,
        JOINED | OFFERED => flag == 0,
        _ => flag == 0 && small == 0,
    };
    if !unused {
        return Err(bad("a field that this kind does not use"));
    }
    let sku = SkuIx(index);
    Ok(match kind {
        WAIT_TERMS => WaitChange::Terms {
            campaign: CampaignIx(small),
            terms: match flag {
                0 => None,
                _ => Some(WaitTerms { offer: DurationMs(r.u64()?) }),
            },
        },
        JOINED => WaitChange::Joined { sku, wish: wish(r, small)? },
        LEFT => WaitChange::Left { sku, number: r.u32()? },
        OFFERED => WaitChange::Offered(Offered {
            sku,
            wish: wish(r, small)?,
            seq: ReservationSeq(r.u32()?),
            amount: r.u64()? as i64,
            expires_at: Timestamp(r.u64()?),
        }),
        _ => WaitChange::Skipped { sku, number: r.u32()? },
    })
}

fn put_wish(w: &mut Writer<'_>, wish: &Wish) {
    w.bytes(&wish.buyer.0);
    w.u32(wish.number);
}

fn wish(r: &mut Reader<'_>, quantity: u16) -> Result<Wish, DecodeError> {
    let quantity = Quantity::new(u32::from(quantity)).map_err(|_| bad("quantity"))?;
    Ok(Wish { buyer: BuyerDigest(r.array()?), number: r.u32()?, quantity })
}
