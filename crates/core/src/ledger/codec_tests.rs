//! The bytes of records: round trip, one golden example of each kind, and hostile bytes.

use super::*;
use crate::campaign::{Terms, Wave};
use line::{any_line_change, golden_line};
use proptest::prelude::*;

#[path = "line_codec_tests.rs"]
mod line;

fn any_name() -> impl Strategy<Value = Name> {
    "[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}".prop_map(|text| Name::new(&text).expect("a legal name"))
}

fn any_by() -> impl Strategy<Value = By> {
    ("\\PC{0,40}", "\\PC{0,40}").prop_map(|(who, why)| By::new(&who, &why))
}

fn any_key() -> impl Strategy<Value = Option<(KeyDigest, RequestDigest)>> {
    proptest::option::of(any::<(u64, u32)>().prop_map(|(k, r)| (KeyDigest(k), RequestDigest(r))))
}

fn any_currency() -> impl Strategy<Value = Currency> {
    "[A-Z]{3}".prop_map(|code| Currency::new(&code).expect("three capitals"))
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let time = || proptest::option::of((1u64..).prop_map(Timestamp));
    let schedule = (time(), time(), time(), time()).prop_map(|(a, b, c, d)| Schedule {
        preheat_at: a,
        draw_at: b,
        opens_at: c,
        closes_at: d,
    });
    let wave = (any::<u64>(), any_name(), any::<u32>());
    let waves = proptest::collection::vec(
        wave.prop_map(|(at, sku, units)| Wave { at: Timestamp(at), sku, units }),
        0..4,
    );
    let figures = any::<(bool, u32, u64, u32)>();
    (figures, schedule, any_currency(), waves, "\\PC{0,60}").prop_map(
        |((published, limit_per_buyer, hold, buyers_expected), schedule, currency, waves, text)| {
            let hold = DurationMs(hold);
            let attributes = text;
            Terms {
                published,
                schedule,
                currency,
                limit_per_buyer,
                hold,
                buyers_expected,
                waves,
                supply_from_stores: limit_per_buyer % 2 == 1,
                attributes,
            }
        },
    )
}

fn any_reserved() -> impl Strategy<Value = Reserved> {
    let figures = any::<(u32, u32, [u8; 16], u64, u32, i64, u64, bool)>();
    let details = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..50));
    let pass = proptest::option::of(any::<(u32, u32)>());
    (figures, 1u32..=1000, details, pass).prop_map(
        |((seq, sku, buyer, key, request, amount, expires_at, review), quantity, details, pass)| {
            Reserved {
                seq: ReservationSeq(seq),
                sku: SkuIx(sku),
                quantity: Quantity::new(quantity).expect("in range"),
                buyer: BuyerDigest(buyer),
                key: KeyDigest(key),
                request: RequestDigest(request),
                amount,
                expires_at: Timestamp(expires_at),
                review,
                details: details.map(Vec::into_boxed_slice),
                pass: pass.map(|(number, place)| PassUse { number: TicketNo(number), place }),
            }
        },
    )
}

fn any_paid() -> impl Strategy<Value = Paid> {
    let line = (any_name(), any_name(), "\\PC{0,40}", any::<i64>(), any_currency());
    (any::<u32>(), line, any_key(), 1u8..=4).prop_map(|(seq, line, key, outcome)| {
        let (provider, method, reference, amount, currency) = line;
        let money = Money { amount, currency };
        let line = PaymentLine { provider, method, reference: reference.into(), money };
        let outcome = PaidOutcome::from_u8(outcome).expect("in range");
        Paid { seq: ReservationSeq(seq), line, key, outcome }
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    let seq = || any::<u32>().prop_map(ReservationSeq);
    let campaign = || any::<u16>().prop_map(CampaignIx);
    let source =
        prop_oneof![any_by().prop_map(Source::Operator), any::<u16>().prop_map(Source::Wave)];
    let sku = any::<(u32, u16, i64, u32, u32)>();
    let phase = (0u8..8).prop_map(|n| Phase::from_u8(n).expect("in range"));
    prop_oneof![
        (campaign(), any_name(), any_terms()).prop_map(|(campaign, name, terms)| {
            Change::Campaign { campaign, name, terms: Box::new(terms) }
        }),
        (sku, any_name()).prop_map(|((sku, campaign, price, limit_per_buyer, supply), name)| {
            let (sku, campaign) = (SkuIx(sku), CampaignIx(campaign));
            Change::Sku { sku, campaign, name, price, limit_per_buyer, supply }
        }),
        (any::<(u32, u32)>(), source).prop_map(|((sku, units), source)| {
            Change::Supplied { sku: SkuIx(sku), units, source }
        }),
        (any::<(u32, u32)>(), any_by())
            .prop_map(|((sku, units), by)| { Change::Withdrawn { sku: SkuIx(sku), units, by } }),
        (campaign(), phase, proptest::option::of(any_by()))
            .prop_map(|(campaign, to, by)| Change::Phase { campaign, to, by }),
        any_reserved().prop_map(Change::Reserved),
        any_paid().prop_map(Change::Paid),
        (seq(), any_key()).prop_map(|(seq, key)| Change::Confirmed { seq, key }),
        (seq(), any_key()).prop_map(|(seq, key)| Change::Released { seq, key }),
        seq().prop_map(|seq| Change::Expired { seq }),
        (seq(), any_by()).prop_map(|(seq, by)| Change::Accepted { seq, by }),
        (campaign(), any::<u64>(), any_by()).prop_map(|(campaign, more, by)| Change::Extended {
            holds: Holds::Campaign(campaign),
            more: DurationMs(more),
            by
        }),
        (seq(), any::<u64>(), any_by()).prop_map(|(seq, more, by)| Change::Extended {
            holds: Holds::One(seq),
            more: DurationMs(more),
            by
        }),
        (seq(), any_by()).prop_map(|(seq, by)| Change::Rejected { seq, by }),
        (seq(), any::<bool>(), any_by()).prop_map(|(seq, restock, by)| Change::Cancelled {
            seq,
            restock,
            by
        }),
        (any::<u32>(), any_by()).prop_map(|(refund, by)| Change::Refunded { refund, by }),
        nodes::tests::any_change().prop_map(|change| Change::Nodes(Box::new(change))),
        super::waitlist::tests::any_wait().prop_map(Change::Wait),
        any_line_change(),
    ]
}

fn any_record() -> impl Strategy<Value = Record> {
    (any::<u64>(), any_change())
        .prop_map(|(stamp, change)| Record { stamp: Timestamp(stamp), change })
}

fn bytes_of(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(record, &mut bytes);
    bytes
}

/// Whatever the bytes, they are refused or they are the one encoding of what they decode to.
fn refused_or_canonical(bytes: &[u8]) {
    if let Ok(record) = decode(bytes) {
        assert_eq!(bytes_of(&record), bytes, "two encodings of {record:?}");
    }
}

proptest! {
    #[test]
    fn every_record_comes_back(record in any_record(), before in any::<[u8; 3]>()) {
        let mut bytes = before.to_vec();
        encode(&record, &mut bytes);
        prop_assert_eq!(&bytes[..3], &before, "encoding appends");
        prop_assert_eq!(decode(&bytes[3..]), Ok(record));
    }

    #[test]
    fn a_cut_or_longer_record_is_refused(record in any_record(), more: u8) {
        let mut bytes = bytes_of(&record);
        for cut in 0..bytes.len() {
            prop_assert!(decode(&bytes[..cut]).is_err(), "cut at {} of {}", cut, bytes.len());
        }
        bytes.push(more);
        prop_assert!(decode(&bytes).is_err(), "a byte left over");
    }

    #[test]
    fn a_damaged_record_is_refused_or_is_another(
        record in any_record(), at: prop::sample::Index, flip in 1u8..,
    ) {
        let mut bytes = bytes_of(&record);
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        refused_or_canonical(&bytes);
        prop_assert_ne!(decode(&bytes), Ok(record), "byte {} means nothing", at);
    }

    #[test]
    fn any_bytes_are_read_without_panic(
        kind in prop_oneof![1u8..6, 16u8..25, 32u8..40, 48u8..54, 64u8..72], flag in 0u8..4,
        rest in proptest::collection::vec(any::<u8>(), 0..120),
    ) {
        let mut bytes = vec![kind, flag];
        bytes.extend(rest);
        refused_or_canonical(&bytes);
    }
}

fn golden_name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn golden_by() -> By {
    By::new("ann", "why")
}

/// One record of each kind about campaigns and SKUs, and its bytes in the fields of
/// `docs/record-format.md`.
fn golden_catalogue() -> Vec<(Change, &'static str)> {
    let (name, by) = (golden_name, golden_by);
    let (sku, campaign, to) = (SkuIx(3), CampaignIx(2), Phase::Paused);
    let (price, limit_per_buyer, supply, units) = (100, 4, 9, 5);
    let schedule = Schedule {
        preheat_at: None,
        draw_at: None,
        opens_at: Some(Timestamp(0x0a)),
        closes_at: Some(Timestamp(0x0b)),
    };
    let terms = Box::new(Terms {
        published: true,
        schedule,
        currency: Currency::CNY,
        limit_per_buyer: 4,
        hold: DurationMs(30_000),
        buyers_expected: 5,
        waves: vec![Wave { at: Timestamp(6), sku: name("s"), units: 9 }],
        supply_from_stores: false,
        attributes: "{}".to_owned(),
    });
    vec![
        (
            Change::Campaign { campaign, name: name("c"), terms },
            "01 01 0200 00000000 efbeadde00000000 0000000000000000 0000000000000000 \
             0a00000000000000 0b00000000000000 434e59 04000000 3075000000000000 05000000 \
             0100 63 0200 7b7d 0100 0600000000000000 09000000 0100 73",
        ),
        (
            Change::Sku { sku, campaign, name: name("s"), price, limit_per_buyer, supply },
            "02 00 0200 03000000 efbeadde00000000 6400000000000000 04000000 09000000 \
             0100 73",
        ),
        (
            Change::Supplied { sku, units, source: Source::Operator(by()) },
            "03 00 0000 03000000 efbeadde00000000 05000000 0300 616e6e 0300 776879",
        ),
        (
            Change::Supplied { sku, units, source: Source::Wave(1) },
            "03 01 0100 03000000 efbeadde00000000 05000000",
        ),
        (
            Change::Withdrawn { sku, units, by: by() },
            "04 00 0000 03000000 efbeadde00000000 05000000 0300 616e6e 0300 776879",
        ),
        (
            Change::Phase { campaign, to, by: Some(by()) },
            "05 01 0200 05000000 efbeadde00000000 0300 616e6e 0300 776879",
        ),
        (Change::Phase { campaign, to, by: None }, "05 00 0200 05000000 efbeadde00000000"),
    ]
}

/// The same for reservations.
fn golden_reservations() -> Vec<(Change, &'static str)> {
    let (name, by) = (golden_name, golden_by);
    let (seq, sku, refund) = (ReservationSeq(7), SkuIx(3), 6);
    let key = Some((KeyDigest(0x1122_3344_5566_7788), RequestDigest(0x99aa_bbcc)));
    let money = Money { amount: 100, currency: Currency::CNY };
    let reserved = Reserved {
        seq,
        sku,
        quantity: Quantity::new(2).expect("two"),
        buyer: BuyerDigest(*b"0123456789abcdef"),
        key: KeyDigest(0x0102_0304_0506_0708),
        request: RequestDigest(0x0a0b_0c0d),
        amount: 200,
        expires_at: Timestamp(0x1234),
        review: true,
        details: Some(Box::from(*b"xyz")),
        pass: None,
    };
    let line =
        PaymentLine { provider: name("shop"), method: name("card"), reference: "p1".into(), money };
    let paid = Paid { seq, line, key, outcome: PaidOutcome::Sold };
    vec![
        (
            Change::Reserved(reserved),
            "10 03 0200 03000000 efbeadde00000000 30313233343536373839616263646566 \
             0807060504030201 0d0c0b0a 07000000 c800000000000000 3412000000000000 0300 \
             78797a",
        ),
        (
            Change::Paid(paid),
            "11 01 0200 07000000 efbeadde00000000 6400000000000000 434e59 0400 73686f70 \
             0400 63617264 0200 7031 8877665544332211 ccbbaa99",
        ),
        (
            Change::Confirmed { seq, key },
            "12 01 0000 07000000 efbeadde00000000 8877665544332211 ccbbaa99",
        ),
        (
            Change::Released { seq, key },
            "13 01 0000 07000000 efbeadde00000000 8877665544332211 ccbbaa99",
        ),
        (Change::Released { seq, key: None }, "13 00 0000 07000000 efbeadde00000000"),
        (Change::Expired { seq }, "14 00 0000 07000000 efbeadde00000000"),
        (
            Change::Accepted { seq, by: by() },
            "15 00 0000 07000000 efbeadde00000000 0300 616e6e 0300 776879",
        ),
        (
            Change::Rejected { seq, by: by() },
            "18 00 0000 07000000 efbeadde00000000 0300 616e6e 0300 776879",
        ),
        (
            Change::Extended {
                holds: Holds::Campaign(CampaignIx(5)),
                more: DurationMs(600_000),
                by: by(),
            },
            "19 00 0500 00000000 efbeadde00000000 c027090000000000 0300 616e6e 0300 776879",
        ),
        (
            Change::Extended { holds: Holds::One(seq), more: DurationMs(600_000), by: by() },
            "19 01 0000 07000000 efbeadde00000000 c027090000000000 0300 616e6e 0300 776879",
        ),
        (
            Change::Cancelled { seq, restock: true, by: by() },
            "16 01 0000 07000000 efbeadde00000000 0300 616e6e 0300 776879",
        ),
        (
            Change::Refunded { refund, by: by() },
            "17 00 0000 06000000 efbeadde00000000 0300 616e6e 0300 776879",
        ),
    ]
}

#[test]
fn golden_bytes_of_every_kind() {
    let waits = super::waitlist::tests::golden().into_iter();
    let waits = waits.map(|(change, expected)| (Change::Wait(change), expected));
    let all = golden_catalogue().into_iter().chain(golden_reservations()).chain(golden_line());
    for (change, expected) in all.chain(waits) {
        let record = Record { stamp: Timestamp(0xdead_beef), change };
        let hex: String = bytes_of(&record).iter().map(|byte| format!("{byte:02x}")).collect();
        let expected: String = expected.split_whitespace().collect();
        assert_eq!(hex, expected, "the format drifted: {record:?}");
        assert_eq!(decode(&bytes_of(&record)), Ok(record));
    }
}

/// A text, and details, that do not fit their length are a bug upstream, never cut short.
#[test]
#[should_panic(expected = "bounded where they enter")]
fn refuses_to_write_what_does_not_fit() {
    let by = By::new(&"x".repeat(1 << 16), "");
    bytes_of(&Record { stamp: Timestamp(1), change: Change::Refunded { refund: 0, by } });
}

/// Who reads it in a log must know why the journal stopped being read.
#[test]
fn a_record_that_cannot_be_read_says_why() {
    let change = Change::Expired { seq: ReservationSeq(7) };
    let mut longer = bytes_of(&Record { stamp: Timestamp(1), change });
    longer.push(0);
    for (bytes, what) in [(&longer[..], "bytes left over"), (&longer[..5], "too short")] {
        let said = format!("not a record of this version: {what}");
        assert_eq!(decode(bytes).expect_err(what).to_string(), said);
    }
}
