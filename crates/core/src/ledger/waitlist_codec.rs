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

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::record::{Change, Record};
    use super::*;
    use proptest::prelude::*;

    /// Any record of the waitlist, for the properties that hold for every record.
    pub(in super::super) fn any_wait() -> impl Strategy<Value = WaitChange> {
        let wish = || {
            (any::<(u32, [u8; 16])>(), 1u32..=1000).prop_map(|((number, buyer), units)| Wish {
                number,
                buyer: BuyerDigest(buyer),
                quantity: Quantity::new(units).expect("in range"),
            })
        };
        let sku = || any::<u32>().prop_map(SkuIx);
        let figures = any::<(u32, i64, u64)>();
        prop_oneof![
            (any::<u16>(), proptest::option::of(any::<u64>())).prop_map(|(campaign, offer)| {
                let terms = offer.map(|offer| WaitTerms { offer: DurationMs(offer) });
                WaitChange::Terms { campaign: CampaignIx(campaign), terms }
            }),
            (sku(), wish()).prop_map(|(sku, wish)| WaitChange::Joined { sku, wish }),
            (sku(), any::<u32>()).prop_map(|(sku, number)| WaitChange::Left { sku, number }),
            (sku(), wish(), figures).prop_map(|(sku, wish, (seq, amount, at))| {
                let (seq, expires_at) = (ReservationSeq(seq), Timestamp(at));
                WaitChange::Offered(Offered { sku, wish, seq, amount, expires_at })
            }),
            (sku(), any::<u32>()).prop_map(|(sku, number)| WaitChange::Skipped { sku, number }),
        ]
    }

    /// One record of each kind, and its bytes in the fields of `docs/record-format.md`.
    pub(in super::super) fn golden() -> Vec<(WaitChange, &'static str)> {
        let (sku, campaign, number) = (SkuIx(3), CampaignIx(2), 0x11);
        let quantity = Quantity::new(2).expect("two");
        let wish = Wish { number, buyer: BuyerDigest(*b"0123456789abcdef"), quantity };
        let offered = Offered {
            sku,
            wish,
            seq: ReservationSeq(7),
            amount: 200,
            expires_at: Timestamp(0x1234),
        };
        vec![
            (
                WaitChange::Terms {
                    campaign,
                    terms: Some(WaitTerms { offer: DurationMs(30_000) }),
                },
                "30 01 0200 00000000 efbeadde00000000 3075000000000000",
            ),
            (WaitChange::Terms { campaign, terms: None }, "30 00 0200 00000000 efbeadde00000000"),
            (
                WaitChange::Joined { sku, wish },
                "31 00 0200 03000000 efbeadde00000000 30313233343536373839616263646566 11000000",
            ),
            (WaitChange::Left { sku, number }, "32 00 0000 03000000 efbeadde00000000 11000000"),
            (
                WaitChange::Offered(offered),
                "33 00 0200 03000000 efbeadde00000000 30313233343536373839616263646566 11000000 \
                 07000000 c800000000000000 3412000000000000",
            ),
            (WaitChange::Skipped { sku, number }, "34 00 0000 03000000 efbeadde00000000 11000000"),
        ]
    }

    #[test]
    fn a_field_that_a_kind_does_not_use_is_zero() {
        const FLAG: usize = 1;
        const SMALL: usize = 2;
        const INDEX: usize = 4;
        for (n, (change, _)) in golden().into_iter().enumerate() {
            let record = Record { stamp: Timestamp(1), change: Change::Wait(change) };
            let mut bytes = Vec::new();
            super::super::encode(&record, &mut bytes);
            assert_eq!(super::super::decode(&bytes), Ok(record));
            let unused: &[(usize, u8)] = match bytes[0] {
                WAIT_TERMS => &[(FLAG, 2), (INDEX, 1)],
                JOINED | OFFERED => &[(FLAG, 1)],
                _ => &[(FLAG, 1), (SMALL, 1)],
            };
            for &(at, value) in unused {
                let mut wrong = bytes.clone();
                wrong[at] = value;
                let error = super::super::decode(&wrong).expect_err("it says nothing there");
                assert!(error.what.contains("does not use"), "record {n}, byte {at}: {error}");
            }
        }
    }
}
