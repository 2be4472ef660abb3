//! Criterion benches of the hot paths, for comparing two versions of the code.
#![allow(missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use onrush::{
    CampaignSpec, Currency, Engine, Name, Options, Parts, ReserveRequest, SkuSpec, Terms,
};
use onrush_core::front::Slot;
use onrush_core::ledger::{Change, Record, decode, encode};
use std::hint::black_box;

fn slot(c: &mut Criterion) {
    let sold_out = Slot::default();
    c.bench_function("slot/sold_out", |b| b.iter(|| black_box(&sold_out).look().shortage(1)));
    let slot = Slot::default();
    slot.add(1_000);
    c.bench_function("slot/take_give_back", |b| {
        b.iter(|| {
            black_box(&slot).take(1).expect("free");
            slot.give_back(1);
        })
    });
}

fn refusal(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("folder");
    let parts = Parts::on_disk(dir.path()).expect("parts");
    let (engine, mut driver) = Engine::open_driven(parts, Options::default()).expect("open");
    let put = engine.put_campaign(CampaignSpec::new(
        Name::new("bench").expect("name"),
        Terms::open_now(Currency::CNY),
        vec![SkuSpec::new(Name::new("unit").expect("name"), 100, 0)],
    ));
    driver.settle();
    let campaign = put.wait().expect("put").granted().expect("granted");
    let ask = ReserveRequest::new(&campaign, "unit", engine.buyer("ann"), "k");
    c.bench_function("reserve/sold_out", |b| b.iter(|| black_box(engine.reserve(&ask))));
    c.bench_function("buyer_digest", |b| b.iter(|| black_box(engine.buyer(black_box("ann")))));
}

fn codec(c: &mut Criterion) {
    let change = Change::Expired { seq: onrush::ReservationSeq(7) };
    let record = Record { stamp: onrush::Timestamp(9), change };
    let mut bytes = Vec::new();
    encode(&record, &mut bytes);
    c.bench_function("record/encode", |b| {
        b.iter(|| {
            let mut out = Vec::with_capacity(64);
            encode(black_box(&record), &mut out);
            out
        })
    });
    c.bench_function("record/decode", |b| b.iter(|| decode(black_box(&bytes))));
}

criterion_group!(benches, slot, refusal, codec);
criterion_main!(benches);
