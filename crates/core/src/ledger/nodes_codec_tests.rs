//! The bytes of records about stores: strategies for the round trip, and one golden example of each.

use super::super::super::record::{By, Change, Record};
use super::super::{decode, encode};
use super::*;
use proptest::prelude::*;

fn any_by() -> impl Strategy<Value = By> {
    ("\\PC{0,20}", "\\PC{0,20}").prop_map(|(who, why)| By::new(&who, &why))
}

pub(in super::super) fn any_change() -> impl Strategy<Value = NodeChange> {
    let seq = || any::<u32>().prop_map(ReservationSeq);
    let node = || any::<u32>().prop_map(NodeNo);
    let text = || "\\PC{0,30}".prop_map(Box::<str>::from);
    let shipment =
        (node(), any::<u32>(), any::<u64>(), any::<u16>()).prop_map(|(node, units, at, sure)| {
            PlannedShipment { node, units, promise_at: Timestamp(at), sure }
        });
    let shipments = proptest::collection::vec(shipment, 0..=SHIPMENTS_PER_PLAN_MAX);
    let note = proptest::collection::vec(any::<u8>(), 0..40).prop_map(Vec::into_boxed_slice);
    let units = -i64::from(u32::MAX)..=i64::from(u32::MAX);
    let reason = (1u8..=3).prop_map(|n| Reason::from_u8(n).expect("in range"));
    let stock = (node(), any::<u32>(), units, any::<bool>(), any::<u32>(), text(), any_by());
    prop_oneof![
        (node(), text(), text(), any_by()).prop_map(|(node, name, attributes, by)| {
            NodeChange::Node { node, name, attributes, by }
        }),
        stock.prop_map(|(node, sku, units, supplies, safety, attributes, by)| {
            let sku = SkuIx(sku);
            NodeChange::Stock(StockMoved { node, sku, units, supplies, safety, attributes, by })
        }),
        (seq(), any::<u16>(), shipments, note).prop_map(|(seq, attempt, shipments, note)| {
            NodeChange::Planned(Planned { seq, attempt, shipments, note })
        }),
        (seq(), any::<u8>(), reason, any::<(u32, u32)>(), any_by()).prop_map(
            |(seq, shipment, reason, (also_off, withdrawn), by)| {
                NodeChange::Rejected { seq, shipment, reason, also_off, withdrawn, by }
            }
        ),
        (seq(), any::<u8>(), any_by()).prop_map(|(seq, shipment, by)| NodeChange::Dispatched {
            seq,
            shipment,
            by
        }),
        (seq(), any_by()).prop_map(|(seq, by)| NodeChange::Collected { seq, by }),
        (any::<u32>(), text(), any_by()).prop_map(|(version, text, by)| {
            NodeChange::Routing(Routing { version, text: (*text).into(), by })
        }),
    ]
}

fn golden() -> Vec<(NodeChange, &'static str)> {
    let by = || By::new("ann", "why");
    let (node, sku, seq) = (NodeNo(9), SkuIx(3), ReservationSeq(7));
    let moved = |units, supplies| StockMoved {
        node,
        sku,
        units,
        supplies,
        safety: 2,
        attributes: "q".into(),
        by: by(),
    };
    let shipment = PlannedShipment { node, units: 2, promise_at: Timestamp(0x0a), sure: 9_500 };
    let (reason, also_off, withdrawn) = (Reason::Damaged, 0, 1);
    vec![
        (
            NodeChange::Node { node, name: "n".into(), attributes: "{}".into(), by: by() },
            "40 00 0000 09000000 efbeadde00000000 0100 6e 0200 7b7d 0300 616e6e 0300 776879",
        ),
        (
            NodeChange::Stock(moved(5, true)),
            "41 01 0000 09000000 efbeadde00000000 03000000 05000000 02000000 0100 71 \
             0300 616e6e 0300 776879",
        ),
        (
            NodeChange::Stock(moved(-5, false)),
            "41 02 0000 09000000 efbeadde00000000 03000000 05000000 02000000 0100 71 \
             0300 616e6e 0300 776879",
        ),
        (
            NodeChange::Planned(Planned {
                seq,
                attempt: 1,
                shipments: vec![shipment],
                note: Box::from(*b"{}"),
            }),
            "42 00 0100 07000000 efbeadde00000000 0100 09000000 02000000 0a00000000000000 1c25 \
             0200 7b7d",
        ),
        (
            NodeChange::Rejected { seq, shipment: 1, reason, also_off, withdrawn, by: by() },
            "43 02 0100 07000000 efbeadde00000000 00000000 01000000 0300 616e6e 0300 776879",
        ),
        (
            NodeChange::Dispatched { seq, shipment: 1, by: by() },
            "44 00 0100 07000000 efbeadde00000000 0300 616e6e 0300 776879",
        ),
        (
            NodeChange::Collected { seq, by: by() },
            "45 00 0000 07000000 efbeadde00000000 0300 616e6e 0300 776879",
        ),
        (
            NodeChange::Routing(Routing { version: 2, text: "v".into(), by: by() }),
            "46 00 0000 02000000 efbeadde00000000 0100 76 0300 616e6e 0300 776879",
        ),
    ]
}

#[test]
fn golden_bytes_of_every_kind_about_stores() {
    for (change, expected) in golden() {
        let record =
            Record { stamp: Timestamp(0xdead_beef), change: Change::Nodes(Box::new(change)) };
        let mut bytes = Vec::new();
        encode(&record, &mut bytes);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected: String = expected.split_whitespace().collect();
        assert_eq!(hex, expected, "the format drifted: {record:?}");
        assert_eq!(decode(&bytes), Ok(record));
    }
}

#[test]
fn a_field_that_says_nothing_is_refused() {
    let mut bytes = Vec::new();
    let (seq, by) = (ReservationSeq(1), By::new("a", "b"));
    let change = Change::Nodes(Box::new(NodeChange::Collected { seq, by }));
    encode(&Record { stamp: Timestamp(1), change }, &mut bytes);
    for (at, value) in [(1, 1), (2, 1), (3, 1), (0, 71), (0, 79)] {
        let mut wrong = bytes.clone();
        wrong[at] = value;
        assert!(decode(&wrong).is_err(), "byte {at} = {value}");
    }
}

#[test]
fn a_plan_of_seven_shipments_is_read_and_one_of_eight_is_not() {
    for count in [0, 1, SHIPMENTS_PER_PLAN_MAX, SHIPMENTS_PER_PLAN_MAX + 1, 300] {
        let (seq, promise_at) = (ReservationSeq(1), Timestamp(5));
        let shipment = PlannedShipment { node: NodeNo(2), units: 3, promise_at, sure: 4 };
        let shipments = vec![shipment; count];
        let planned = Planned { seq, attempt: 1, shipments, note: Box::default() };
        let change = Change::Nodes(Box::new(NodeChange::Planned(planned)));
        let record = Record { stamp: Timestamp(1), change };
        let mut bytes = Vec::new();
        encode(&record, &mut bytes);
        let read = decode(&bytes);
        if count <= SHIPMENTS_PER_PLAN_MAX {
            assert_eq!(read, Ok(record));
        } else {
            assert_eq!(read.expect_err("too many").what, "too many shipments", "{count}");
        }
    }
}
