//! Records of the line: any of them for the properties, one of each kind as golden bytes.

use super::*;
use crate::ledger::DrawFacts;
use crate::line::outflow::Outflow;
use crate::line::terms::{LineTerms, Tier};
use crate::line::{ListDigest, Seed, Turn};

fn any_outflow() -> impl Strategy<Value = Outflow> {
    let limit = || proptest::option::of(1u32..);
    (limit(), limit(), any::<u32>(), any::<u32>()).prop_map(|(per_second, inside, most, slow)| {
        Outflow { per_second, inside, passes_per_unit_max: most, shop_latency_ms_max: slow }
    })
}

fn any_line_terms() -> impl Strategy<Value = LineTerms> {
    let groups = proptest::collection::vec("\\PC{0,20}", 0..3);
    let tier = (any_name(), groups, any::<u8>(), any::<u64>());
    let tier = tier.prop_map(|(name, groups, weight, after)| Tier {
        name,
        groups,
        weight,
        after: DurationMs(after),
    });
    let tiers = proptest::collection::vec(tier, 0..4);
    (tiers, any::<(u64, u64, bool)>(), any_outflow(), "\\PC{0,30}").prop_map(
        |(tiers, (pass, grace, invite_only), outflow, public_value_source)| LineTerms {
            tiers,
            pass: DurationMs(pass),
            grace: DurationMs(grace),
            outflow,
            public_value_source,
            invite_only,
        },
    )
}

pub(super) fn any_line_change() -> impl Strategy<Value = Change> {
    let campaign = || any::<u16>().prop_map(CampaignIx);
    let commitments = proptest::collection::vec(any::<[u8; 32]>(), 0..3);
    let drawn = any::<(u8, u32, [u8; 32], u64, [u8; 32])>();
    prop_oneof![
        (campaign(), any_line_terms(), commitments).prop_map(|(campaign, terms, commitments)| {
            Change::Line { campaign, terms: Box::new(terms), commitments }
        }),
        (campaign(), any::<(u32, [u8; 16])>(), 0u8..8, 0u8..8).prop_map(
            |(campaign, (number, buyer), class, lane)| {
                let (number, buyer) = (TicketNo(number), BuyerDigest(buyer));
                Change::Joined { campaign, number, buyer, class, lane }
            }
        ),
        (campaign(), drawn, proptest::option::of("\\PC{1,30}")).prop_map(
            |(campaign, (lane, count, list, turn, seed), public_value)| {
                let (list_digest, turn, seed) = (ListDigest(list), Turn(turn), Seed(seed));
                let facts = DrawFacts { lane, count, list_digest, turn, seed };
                Change::Drawn { campaign, public_value, facts }
            }
        ),
        (campaign(), any::<(u32, u32)>(), proptest::option::of(1u32..)).prop_map(
            |(campaign, (through, returned), per_second)| {
                Change::Served { campaign, through, returned, per_second }
            }
        ),
        (campaign(), any::<(u32, u32)>()).prop_map(|(campaign, (number, place))| {
            Change::Returned { campaign, number: TicketNo(number), place }
        }),
        (campaign(), any_outflow(), any_by()).prop_map(|(campaign, outflow, by)| Change::Outflow {
            campaign,
            outflow,
            by
        }),
        (campaign(), any::<u8>(), "\\PC{0,30}", any_by()).prop_map(
            |(campaign, lane, value, by)| Change::PublicValue { campaign, lane, value, by }
        ),
    ]
}

const GOLDEN_OUTFLOW: Outflow = Outflow {
    per_second: Some(20),
    inside: None,
    passes_per_unit_max: 3,
    shop_latency_ms_max: 1_000,
};

fn golden_terms() -> Box<LineTerms> {
    let tier = Tier {
        name: golden_name("gold"),
        groups: vec!["vip".to_owned()],
        weight: 5,
        after: DurationMs(600),
    };
    Box::new(LineTerms {
        tiers: vec![tier],
        pass: DurationMs(120_000),
        grace: DurationMs(300_000),
        outflow: GOLDEN_OUTFLOW,
        public_value_source: "dice".to_owned(),
        invite_only: true,
    })
}

fn golden_reserved(pass: PassUse) -> Reserved {
    Reserved {
        pass: Some(pass),
        seq: ReservationSeq(7),
        sku: SkuIx(3),
        quantity: Quantity::new(2).expect("two"),
        buyer: BuyerDigest(*b"0123456789abcdef"),
        key: KeyDigest(0x0102_0304_0506_0708),
        request: RequestDigest(0x0a0b_0c0d),
        amount: 200,
        expires_at: Timestamp(0x1234),
        review: false,
        details: Some(Box::from(*b"xyz")),
    }
}

/// One record of each kind of the line, and its bytes in the fields of `docs/record-format.md`.
pub(super) fn golden_line() -> Vec<(Change, &'static str)> {
    let (campaign, number) = (CampaignIx(2), TicketNo(7));
    let (terms, outflow) = (golden_terms(), GOLDEN_OUTFLOW);
    let facts = DrawFacts {
        lane: 1,
        count: 3,
        list_digest: ListDigest([0xaa; 32]),
        turn: Turn(0x0102),
        seed: Seed([0xbb; 32]),
    };
    let reserved = golden_reserved(PassUse { number, place: 9 });
    let (value, by) = ("42".to_owned(), golden_by());
    vec![
        (
            Change::Line { campaign, terms, commitments: vec![[0xcc; 32]] },
            "20 01 0200 00000000 efbeadde00000000 c0d4010000000000 e093040000000000 14000000 \
             00000000 03000000 e8030000 0400 64696365 0100 5802000000000000 0500 0400 676f6c64 \
             0100 0300 766970 0100 \
             cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
        ),
        (
            Change::Joined {
                campaign,
                number,
                buyer: BuyerDigest(*b"0123456789abcdef"),
                class: 3,
                lane: 1,
            },
            "21 13 0200 07000000 efbeadde00000000 30313233343536373839616263646566",
        ),
        (
            Change::Drawn { campaign, public_value: Some(value.clone()), facts },
            "22 01 0200 03000000 efbeadde00000000 \
             aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0201000000000000 \
             bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb 0200 3432",
        ),
        (
            Change::Served { campaign, through: 50, returned: 2, per_second: Some(20) },
            "23 00 0200 32000000 efbeadde00000000 02000000 14000000",
        ),
        (
            Change::Returned { campaign, number, place: 9 },
            "24 00 0200 07000000 efbeadde00000000 09000000",
        ),
        (
            Change::Outflow { campaign, outflow, by: by.clone() },
            "25 00 0200 00000000 efbeadde00000000 14000000 00000000 03000000 e8030000 \
             0300 616e6e 0300 776879",
        ),
        (
            Change::PublicValue { campaign, lane: 1, value, by },
            "26 01 0200 00000000 efbeadde00000000 0200 3432 0300 616e6e 0300 776879",
        ),
        (
            Change::Reserved(reserved),
            "27 02 0200 03000000 efbeadde00000000 30313233343536373839616263646566 \
             0807060504030201 0d0c0b0a 07000000 c800000000000000 3412000000000000 07000000 \
             09000000 0300 78797a",
        ),
    ]
}

#[test]
fn classes_and_lanes_are_0_to_7() {
    let bytes = |flag: u8| {
        let head = [0x21, flag, 2, 0, 7, 0, 0, 0];
        [&head[..], &0xdead_beef_u64.to_le_bytes(), b"0123456789abcdef"].concat()
    };
    for (class, lane) in [(0, 0), (7, 0), (0, 7), (7, 7)] {
        let read = decode(&bytes(class | lane << 4)).expect("a record");
        let is_theirs = matches!(read.change, Change::Joined { class: c, lane: l, .. } if (c, l) == (class, lane));
        assert!(is_theirs, "{read:?}");
    }
    for (class, lane) in [(8, 0), (0, 8), (8, 8), (15, 3), (3, 15)] {
        assert!(decode(&bytes(class | lane << 4)).is_err(), "class {class}, lane {lane}");
    }
}
