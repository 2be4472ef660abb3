//! Real threads against a real ledger thread: however many race, the counts are exact.

mod common;

use common::race::race;
use common::*;
use onrush::journal::FakeDisk;
use onrush::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// An engine with its threads, on a disk in memory.
fn running(options: Options) -> Engine {
    let parts = parts(&FakeDisk::new(1), &ManualClock::new());
    Engine::open_with(parts, options).expect("a new disk opens")
}

/// Large enough that no race ends for lack of credits or journal room.
fn roomy() -> Options {
    Options {
        reserves_max: 4_096,
        joins_max: 4_096,
        settles_max: 4_096,
        segment_bytes: 16 << 20,
        snapshot_every: None,
        screen: None,
    }
}

fn put(engine: &Engine, spec: CampaignSpec) -> std::sync::Arc<Campaign> {
    granted(engine.put_campaign(spec).wait().expect("healthy"))
}

fn check(engine: &Engine) {
    engine.check_mirror().expect("callers and ledger agree");
    engine.inspect(check_ledger).wait().expect("healthy");
    let status = engine.status();
    assert_eq!((status.reserves_in_flight, status.failed), (0, None));
}

/// INV-6, as the issue puts it.
#[test]
fn a_thousand_threads_of_one_buyer_with_limit_one_get_one() {
    let engine = running(roomy());
    let mut sale = spec("drop", &[("unit", 2_000)]);
    sale.terms.limit_per_buyer = 1;
    let campaign = put(&engine, sale);
    let buyer = engine.buyer("ann");
    let codes = race(1_000, |n| {
        let key = format!("key-{n}");
        let ask = ReserveRequest::new(&campaign, "unit", buyer, &key);
        match engine.reserve(&ask).wait().expect("healthy") {
            Decision::Done(_) => "done",
            other => refused(other).code(),
        }
    });
    assert_eq!(codes.iter().filter(|code| **code == "done").count(), 1);
    assert!(codes.iter().all(|code| matches!(*code, "done" | "limit_reached")), "{codes:?}");
    assert_eq!(campaign.buyers(), 1);
    check(&engine);
}

/// INV-5: a double click, five hundred times.
#[test]
fn many_threads_with_one_key_get_one_reservation() {
    let engine = running(roomy());
    let campaign = put(&engine, spec("drop", &[("unit", 2_000)]));
    let ask = ReserveRequest::new(&campaign, "unit", engine.buyer("ann"), "one");
    let done_now = AtomicU32::new(0);
    let ids = race(500, |_| {
        loop {
            match engine.reserve(&ask).wait().expect("healthy") {
                Decision::Done(held) => {
                    done_now.fetch_add(1, Ordering::Relaxed);
                    return held.seq;
                }
                Decision::Already(held) => return held.seq,
                Decision::Refused(refusal) => assert_eq!(refusal, Refusal::KeyInFlight),
            }
        }
    });
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(done_now.load(Ordering::Relaxed), 1);
    check(&engine);
}

/// Ask until told that nothing is left; one unit at the end, so that no rest remains.
fn buy_out(engine: &Engine, campaign: &Campaign, sku: &str, who: &str, random: &mut Random) -> u32 {
    let mut got = 0;
    for n in 0.. {
        let mut units = 1 + random.below(4) as u32;
        let buyer = engine.buyer(&format!("{who}-{n}"));
        loop {
            let mut ask = ReserveRequest::new(campaign, sku, buyer, "k");
            ask.quantity = Quantity::new(units).expect("1 to 4");
            match engine.reserve(&ask).wait().expect("healthy") {
                Decision::Done(held) => {
                    got += held.quantity.get();
                    break;
                }
                Decision::Refused(Refusal::AllHeld { .. } | Refusal::SoldOut { .. }) => {
                    if units == 1 {
                        return got;
                    }
                    units = 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    unreachable!("stock is finite")
}

#[test]
fn many_threads_sell_out_many_skus_exactly() {
    let engine = running(roomy());
    let names: Vec<String> = (0..12).map(|n| format!("sku-{n}")).collect();
    let supplies: Vec<_> =
        names.iter().enumerate().map(|(n, name)| (name.as_str(), 37 + 11 * n as u32)).collect();
    // Two campaigns with the same SKU names and the same buyers: neither knows the other's.
    let campaigns = ["one", "two"].map(|campaign| put(&engine, spec(campaign, &supplies)));
    let got = race(16, |n| {
        let mut random = Random::new(n as u64);
        let mut got = Vec::new();
        for campaign in &campaigns {
            for at in 0..names.len() {
                let sku = (at + n) % names.len();
                let who = format!("{n}-{sku}");
                let units = buy_out(&engine, campaign, &names[sku], &who, &mut random);
                got.push((campaign.ix(), sku, units));
            }
        }
        got
    });
    for campaign in &campaigns {
        for (at, (sku, supply)) in supplies.iter().enumerate() {
            let mine = got.iter().flatten().filter(|g| g.0 == campaign.ix() && g.1 == at);
            assert_eq!(mine.map(|g| g.2).sum::<u32>(), *supply, "{sku}");
            let view = engine.units(campaign.sku(sku).expect("it has it").ix);
            assert_eq!(view, Some(SlotView { free: 0, held: *supply }));
        }
    }
    check(&engine);
}

/// Holds, payments, releases, late lookers and callers that walk away, all at once.
#[test]
fn a_crowd_that_does_everything_leaks_nothing() {
    let engine = running(roomy());
    let campaign = put(&engine, spec("drop", &[("coat", 40), ("hat", 25)]));
    race(8, |thread| {
        let mut random = Random::new(77 + thread as u64);
        for n in 0..150 {
            let buyer = engine.buyer(&format!("buyer-{}", random.below(60)));
            let key = format!("{thread}-{n}");
            let sku = random.pick(&["coat", "hat"]);
            let mut ask = ReserveRequest::new(&campaign, sku, buyer, &key);
            ask.quantity = Quantity::new(1 + random.below(3) as u32).expect("1 to 3");
            let pending = engine.reserve(&ask);
            if random.below(6) == 0 {
                continue;
            }
            let Some(held) = pending.wait().expect("healthy").granted() else { continue };
            assert_eq!(engine.look_as(held.seq, buyer).map(|r| r.id), Some(held.id));
            match random.below(4) {
                0 => {
                    let price = held.price.amount;
                    let paid = engine.confirm(held.seq, vec![pay(&key, price)], None);
                    assert_eq!(done(paid.wait().expect("healthy")).state, State::Sold);
                    let cancelled = engine.cancel(held.seq, random.below(2) == 0, by());
                    done(cancelled.wait().expect("healthy"));
                }
                1 => drop(engine.release(held.seq, None)),
                2 => {
                    let released = engine.release(held.seq, None).wait().expect("healthy");
                    assert_eq!(done(released).state, State::Released);
                }
                _ => {}
            }
        }
    });
    check(&engine);
}

#[test]
fn skus_are_added_supplied_and_withdrawn_while_the_sale_runs() {
    let engine = running(roomy());
    let campaign = put(&engine, spec("drop", &[("sku-0", 30)]));
    let over = AtomicBool::new(false);
    let supplied = AtomicU32::new(30);
    let got = race(5, |n| {
        if n == 0 {
            for sku in 1..25 {
                let mut more = spec("drop", &[]);
                more.skus = vec![SkuSpec::new(name(&format!("sku-{sku}")), 100, 10)];
                let now = put(&engine, more);
                let ix = now.sku(&format!("sku-{sku}")).expect("it was just added").ix;
                let added = done(engine.supply(ix, 7, by()).wait().expect("healthy"));
                assert_eq!(added, ix);
                supplied.fetch_add(17, Ordering::Relaxed);
                let withdrawn = engine.supply(ix, -3, by()).wait().expect("healthy");
                if let Decision::Done(_) = withdrawn {
                    supplied.fetch_sub(3, Ordering::Relaxed);
                }
            }
            over.store(true, Ordering::Release);
            return 0;
        }
        let mut random = Random::new(n as u64);
        let (mut got, mut round) = (0, 0);
        loop {
            let last = over.load(Ordering::Acquire);
            let now = engine.campaign(campaign.name().as_str()).expect("it is there");
            let skus: Vec<Name> = now.skus().map(|sku| sku.name.clone()).collect();
            for sku in &skus {
                round += 1;
                got += buy_out(&engine, &now, sku.as_str(), &format!("{n}-{round}"), &mut random);
            }
            if last {
                return got;
            }
        }
    });
    assert_eq!(got.iter().sum::<u32>(), supplied.load(Ordering::Relaxed));
    check(&engine);
}

/// The largest campaign of the limits is put at once and sells from its first to its last SKU.
#[test]
fn a_campaign_of_100_000_skus_sells_every_one() {
    let engine = running(Options { segment_bytes: 64 << 20, ..roomy() });
    let skus = onrush::limits::SKUS_PER_CAMPAIGN_MAX;
    let mut sale = spec("drop", &[]);
    let sku = |n: usize| name(&format!("{n:0>64}"));
    sale.skus = (0..skus).map(|n| SkuSpec::new(sku(n), 100, 1)).collect();
    let campaign = put(&engine, sale.clone());
    assert_eq!(campaign.skus().len(), skus);
    for n in (0..skus).step_by(9_999) {
        let ask = |buyer: &str| {
            let buyer = engine.buyer(buyer);
            let sku = sku(n);
            engine.reserve(&ReserveRequest::new(&campaign, sku.as_str(), buyer, "k")).wait()
        };
        done(ask(&format!("buyer-{n}")).expect("healthy"));
        assert_eq!(refused(ask("late").expect("healthy")), Refusal::AllHeld { free: 0 });
    }
    sale.skus = vec![SkuSpec::new(name("one-too-many"), 100, 1)];
    let refusal = refused(engine.put_campaign(sale).wait().expect("healthy"));
    assert_eq!(refusal.code(), "invalid_request");
    check(&engine);
}
