//! A crowd that reserves, waits, releases and lets pass, on real threads, while an operator pauses and
//! adds units: nobody passes the line, nothing leaks (INV-14, INV-1, INV-6).

mod common;

use common::*;
use onrush::journal::FakeDisk;
use onrush::ledger::{Change, WaitChange};
use onrush::*;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const THREADS: u64 = 6;
const ACTS: u64 = 400;

#[test]
fn a_crowd_never_passes_the_line() {
    let disk = FakeDisk::new(3);
    let clock = ManualClock::new();
    let roomy = Options { segment_bytes: 64 << 20, ..options() };
    let engine = Engine::open_with(parts(&disk, &clock), roomy).expect("opens");
    let mut sale = spec("drop", &[("unit", 5)]);
    sale.terms.limit_per_buyer = 2;
    sale.terms.hold = DurationMs(3 * SECOND);
    sale.waitlist = Some(WaitTerms { offer: DurationMs(SECOND) });
    let campaign = granted(engine.put_campaign(sale).wait().expect("healthy"));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let buyers: Vec<_> = (0..THREADS)
            .map(|n| {
                scope.spawn({
                    let (engine, campaign, clock) = (&engine, &campaign, &clock);
                    move || crowd(engine, campaign, clock, n)
                })
            })
            .collect();
        let operator = scope.spawn(|| operate(&engine, &campaign, &stop));
        buyers.into_iter().for_each(|buyer| buyer.join().expect("no panic"));
        // Release: pairs with the Acquire in `operate`.
        stop.store(true, Ordering::Release);
        operator.join().expect("no panic");
    });
    let moved = engine.move_phase(&campaign, Phase::Open, by()).wait().expect("healthy");
    drop(moved);
    engine.check_mirror().expect("callers and ledger agree");
    engine.inspect(check_ledger).wait().expect("healthy");
    assert_eq!((engine.status().failed, engine.status().reserves_in_flight), (None, 0));
    engine.shutdown().expect("stops");
    let (offers, direct) = no_jump(&disk);
    assert!(offers > 20 && direct > 0, "{offers} offers, {direct} direct holds");
}

fn crowd(engine: &Engine, campaign: &Arc<Campaign>, clock: &ManualClock, n: u64) {
    let mut random = Random::new(n);
    let sku = campaign.sku("unit").expect("it has it").ix;
    for act in 0..ACTS {
        // Sixteen reservations are remembered of one buyer, so there are many.
        let buyer = engine.buyer(&format!("{}", random.below(4) + act / 12 * 10 + n % 2 * 5));
        match random.below(8) {
            0..3 => {
                let ask = ReserveRequest::new(campaign, "unit", buyer, "k");
                drop(engine.reserve(&ask).wait().expect("healthy"));
            }
            3..6 => {
                let quantity = Quantity::new(1 + random.below(2) as u32).expect("1 or 2");
                let ask = WaitRequest { campaign, sku: "unit", quantity, buyer };
                drop(engine.join_waitlist(&ask).wait().expect("healthy"));
            }
            6 => {
                for held in engine.reservations_of(campaign, buyer) {
                    drop(engine.release(held.seq, None).wait().expect("healthy"));
                }
                if random.below(3) == 0 {
                    drop(engine.leave_waitlist(sku, buyer).wait().expect("healthy"));
                }
            }
            _ => clock.advance(random.below(400)),
        }
    }
}

fn operate(engine: &Engine, campaign: &Campaign, stop: &AtomicBool) {
    let sku = campaign.sku("unit").expect("it has it").ix;
    let mut turn = 0;
    // Acquire: pairs with the Release of the test.
    while !stop.load(Ordering::Acquire) {
        turn += 1;
        for to in [Phase::Paused, Phase::Open] {
            drop(engine.move_phase(campaign, to, by()).wait().expect("healthy"));
            thread::yield_now();
        }
        let units = if turn % 2 == 0 { 1 } else { -1 };
        drop(engine.supply(sku, units, by()).wait().expect("healthy"));
    }
}

/// Read the journal with a list of its own: every offer goes to the first in line, and no other hold
/// is made while somebody waits. Returns how many offers and direct holds there were.
fn no_jump(disk: &FakeDisk) -> (usize, usize) {
    let mut line: VecDeque<(u32, u32)> = VecDeque::new();
    let (mut offers, mut direct) = (0, 0);
    let replayed = replay_storage(disk, &mut |lsn, record, _| match &record.change {
        Change::Reserved(_) => {
            assert!(line.is_empty(), "{lsn}: a hold passed {} who wait", line.len());
            direct += 1;
        }
        Change::Wait(WaitChange::Joined { wish, .. }) => {
            line.push_back((wish.number, wish.quantity.get()));
        }
        Change::Wait(WaitChange::Offered(o)) => {
            let first = line.front_mut().expect("somebody waits");
            assert_eq!(first.0, o.wish.number, "{lsn}: not the first in line");
            first.1 -= o.wish.quantity.get();
            if first.1 == 0 {
                line.pop_front();
            }
            offers += 1;
        }
        Change::Wait(WaitChange::Skipped { number, .. } | WaitChange::Left { number, .. }) => {
            line.retain(|(waits, _)| waits != number);
        }
        _ => {}
    });
    drop(replayed.expect("the journal replays"));
    (offers, direct)
}
