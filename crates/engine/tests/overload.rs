//! More is asked than can be decided in time: who is let in waits no longer than is promised, and the
//! rest is told so at once, with nothing touched (INV-9).

mod common;

use common::watched::Watched;
use common::*;
use onrush::journal::FakeDisk;
use onrush::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const CREDITS: u32 = 8_192;

/// A world whose disk takes `sync_ms` for each sync, as long as that is not zero.
struct Slow {
    clock: Arc<ManualClock>,
    disk: Watched,
    engine: Engine,
    driver: Driver,
    campaign: Arc<Campaign>,
    asked: u32,
}

impl Slow {
    fn new() -> Slow {
        let (disk, clock) = (Watched::new(FakeDisk::new(1)), ManualClock::new());
        let parts = Parts { storage: Arc::new(disk.clone()), ..parts(&FakeDisk::new(2), &clock) };
        let options =
            Options { reserves_max: CREDITS, segment_bytes: 4 << 20, ..common::options() };
        let (engine, mut driver) = Engine::open_driven(parts, options).expect("a new disk opens");
        let put = engine.put_campaign(spec("drop", &[("unit", 1_000_000)]));
        driver.settle();
        let campaign = put.wait().expect("healthy").granted().expect("granted");
        Slow { clock, disk, engine, driver, campaign, asked: 0 }
    }

    fn sync_takes(&self, ms: u64) {
        let clock = self.clock.clone();
        self.disk.at_sync(Some(Box::new(move || clock.advance(ms))));
    }

    /// Let `crowd` more buyers ask at once; return those who wait, and how many were told to come back.
    fn rush(&mut self, crowd: u32) -> (Vec<Pending<Reservation>>, u32) {
        let (mut waiting, mut told) = (Vec::new(), 0);
        for n in self.asked..self.asked + crowd {
            let buyer = self.engine.buyer(&format!("buyer-{n}"));
            let ask = ReserveRequest::new(&self.campaign, "unit", buyer, "k");
            let mut pending = self.engine.reserve(&ask);
            match pending.try_take() {
                None => waiting.push(pending),
                Some(Ok(Decision::Refused(Refusal::Overloaded { .. }))) => told += 1,
                other => panic!("{other:?}"),
            }
        }
        self.asked += crowd;
        (waiting, told)
    }

    fn all_granted(&mut self, waiting: Vec<Pending<Reservation>>) {
        self.driver.settle();
        for mut pending in waiting {
            let answer = pending.try_take().expect("settled").expect("healthy");
            assert!(answer.granted().is_some());
        }
    }

    fn held(&self) -> u32 {
        let sku = self.campaign.sku("unit").expect("a SKU").ix;
        self.engine.units(sku).expect("units").held
    }
}

#[test]
fn a_slow_batch_lets_fewer_in_and_a_quick_one_more() {
    let mut slow = Slow::new();
    let (waiting, told) = slow.rush(CREDITS);
    assert_eq!((waiting.len() as u32, told), (CREDITS, 0), "every credit, at first");
    slow.sync_takes(40);
    slow.all_granted(waiting);
    // 8,192 in 40 ms are 2,048 in the 10 ms that a batch may take; two batches of them may wait.
    let (waiting, told) = slow.rush(CREDITS);
    assert_eq!((waiting.len(), told), (4_096, 4_096));
    assert_eq!(slow.held(), CREDITS + 4_096, "nothing was taken for the rest");
    slow.sync_takes(0);
    slow.all_granted(waiting);
    let (waiting, _) = slow.rush(CREDITS);
    assert_eq!(waiting.len(), 6_144, "by half more after a quick batch");
    slow.all_granted(waiting);
    let (waiting, told) = slow.rush(CREDITS);
    assert_eq!((waiting.len() as u32, told), (CREDITS, 0), "and all again");
    slow.all_granted(waiting);
}

#[test]
fn goodput_does_not_collapse_on_a_slow_disk() {
    let mut slow = Slow::new();
    slow.sync_takes(400);
    let mut granted = 0;
    for _ in 0..10 {
        let (waiting, _) = slow.rush(CREDITS);
        granted += waiting.len();
        slow.all_granted(waiting);
    }
    // After the first batch each one is of those that cost the disk nothing more.
    assert_eq!(granted, CREDITS as usize + 9 * 1_024);
}

#[test]
fn payments_and_releases_are_let_in_when_reserves_are_not() {
    let mut slow = Slow::new();
    let (waiting, _) = slow.rush(CREDITS);
    let mut release = slow.engine.release(ReservationSeq(0), None);
    let (_, told) = slow.rush(1);
    assert_eq!(told, 1, "no credit is left");
    assert!(release.try_take().is_none(), "it waits for the ledger, not for a reserve's credit");
    slow.all_granted(waiting);
    // The lane of those goes first: there was nothing to release yet.
    let answer = release.try_take().expect("settled").expect("healthy");
    assert!(matches!(answer, Decision::Refused(Refusal::NotFound)), "{answer:?}");
}

/// What claims nothing and changes nothing is dropped when nobody waits for it any more.
#[test]
fn a_look_for_somebody_who_left_is_not_taken() {
    let mut slow = Slow::new();
    let looks = Arc::new(AtomicU32::new(0));
    let look = |looks: &Arc<AtomicU32>| {
        let looks = looks.clone();
        slow.engine.inspect(move |_| looks.fetch_add(1, Ordering::Relaxed))
    };
    let (stays, leaves) = (look(&looks), look(&looks));
    drop(leaves);
    slow.driver.settle();
    stays.wait().expect("healthy");
    assert_eq!(looks.load(Ordering::Relaxed), 1);
}
