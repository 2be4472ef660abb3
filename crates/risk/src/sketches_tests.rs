use super::*;
use crate::key::EntityId;

const T0: Timestamp = Timestamp(1_000_000);

fn id(n: u64) -> EntityId {
    EntityId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
}

fn reserve(account: u64) -> Evidence {
    Evidence { opens_at: Some(T0), ..Evidence::of(id(account), Stage::Reserve) }
}

fn at(ms: u64) -> Timestamp {
    Timestamp(T0.0 + ms)
}

#[test]
fn a_device_with_many_accounts_is_one_cluster_and_an_address_is_none() {
    let sketches = Sketches::new(1_000, T0);
    for n in 0..40 {
        let shared = Evidence { device: Some(id(900)), ..reserve(n) };
        sketches.observe(&shared, at(n));
        let behind = Evidence { address: Some(id(901)), ..reserve(100 + n) };
        sketches.observe(&behind, at(n));
    }
    let farm = sketches.observe(&Evidence { device: Some(id(900)), ..reserve(3) }, at(50));
    assert_eq!(farm.get(Signal::ClusterSize), 40.0);
    assert!(farm.get(Signal::DeviceAccounts) > 20.0);
    assert!(farm.get(Signal::ClusterGrowth) > 30.0);
    let campus = sketches.observe(&Evidence { address: Some(id(901)), ..reserve(103) }, at(50));
    assert_eq!(campus.get(Signal::ClusterSize), 0.0);
    assert!(campus.get(Signal::AddressAccounts) > 20.0);
}

#[test]
fn a_delivery_address_joins_a_family_and_no_office() {
    let sketches = Sketches::new(1_000, T0);
    for n in 0..60 {
        let office = Evidence { destination: Some(id(800)), ..reserve(n) };
        sketches.observe(&office, at(n));
    }
    for n in 200..203 {
        let home = Evidence { destination: Some(id(801)), ..reserve(n) };
        sketches.observe(&home, at(n));
    }
    assert_eq!(sketches.cluster(id(201), at(300)).accounts, 3);
    assert!(sketches.cluster(id(59), at(300)).accounts <= 12, "the first few, before it was known");
    assert_eq!(sketches.cluster(id(55), at(300)).accounts, 0, "later colleagues join nobody");
}

#[test]
fn caps_count_what_races_and_come_back() {
    let sketches = Sketches::new(1_000, T0);
    for n in 0..3 {
        sketches.observe(&Evidence { payment: Some(id(700)), ..reserve(n) }, at(n));
    }
    assert_eq!(sketches.claim(id(0), 1, 2, at(5)), Ok(()));
    assert_eq!(sketches.claim(id(1), 1, 2, at(5)), Ok(()));
    assert_eq!(sketches.claim(id(2), 1, 2, at(5)), Err(2));
    sketches.unclaim(id(1), 1, at(6));
    assert_eq!(sketches.claim(id(2), 1, 2, at(6)), Ok(()));
    sketches.ended(id(0), 1, Outcome::Expired, at(7));
    sketches.ended(id(2), 1, Outcome::Sold, at(7));
    let facts = sketches.cluster(id(1), at(8));
    assert_eq!((facts.units, facts.unpaid, facts.ended), (1, 1, 2));
    let s = sketches.observe(&reserve(2), at(9));
    assert_eq!((s.get(Signal::UnpaidHolds), s.get(Signal::UnpaidShare)), (1.0, 0.5));
    assert_eq!(sketches.claim(id(50), 1, 1, at(9)), Ok(()), "somebody without a cluster");
    assert_eq!(sketches.claim(id(50), 1, 1, at(9)), Err(1));
}

#[test]
fn time_before_and_after_the_opening() {
    let sketches = Sketches::new(1_000, Timestamp(0));
    let before = Timestamp(T0.0 - 2_000);
    let s = sketches.observe(&reserve(1), before);
    assert_eq!((s.get(Signal::OpeningOffset), s.get(Signal::PhaseLock)), (-2.0, 0.0));
    assert_eq!(s.get(Signal::ProbesBefore), 1.0);
    let s = sketches.observe(&reserve(1), at(25));
    assert_eq!((s.get(Signal::OpeningOffset), s.get(Signal::PhaseLock)), (0.025, 0.9));
    assert_eq!((s.get(Signal::ProbesBefore), s.get(Signal::SinceLast)), (1.0, 2.025));
    let unplanned = Evidence { opens_at: None, ..reserve(2) };
    assert_eq!(sketches.observe(&unplanned, at(0)).get(Signal::PhaseLock), 0.0);
}

#[test]
fn memory_stays_as_stated_under_random_entities() {
    let sketches = Sketches::new(10_000, T0);
    let bytes = sketches.figures().bytes;
    for n in 0..300_000u64 {
        let e = Evidence { device: Some(id(n + 1_000_000)), ..reserve(n) };
        sketches.observe(&e, at(n / 100));
    }
    let figures = sketches.figures();
    assert_eq!(figures.bytes, bytes);
    assert!(figures.evicted > 0 && figures.clusters_full > 0, "{figures:?}");
    assert!(figures.entities <= bytes / 40);
}
