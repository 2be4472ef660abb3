//! Real threads: however many join, look and buy, one buyer has one ticket and one pass is used once.

mod common;

use common::crowd::*;
use common::race::race;
use common::*;
use onrush::journal::FakeDisk;
use onrush::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;

fn running() -> (Engine, Arc<ManualClock>) {
    let clock = ManualClock::new();
    let options = Options {
        reserves_max: 4_096,
        joins_max: 8_192,
        settles_max: 4_096,
        segment_bytes: 16 << 20,
        ..options()
    };
    let parts = parts(&FakeDisk::new(1), &clock);
    (Engine::open_with(parts, options).expect("a new disk opens"), clock)
}

fn put(engine: &Engine, spec: CampaignSpec) -> Arc<Campaign> {
    granted(engine.put_campaign(spec).wait().expect("healthy"))
}

/// The first promise of the issue: however often and from however many devices.
#[test]
fn a_thousand_threads_of_one_buyer_get_one_ticket() {
    let (engine, _) = running();
    let campaign = put(&engine, waiting_line("drop", 10));
    let buyer = engine.buyer("ann");
    let tickets = race(1_000, |_| {
        let ask = JoinRequest { campaign: &campaign, buyer, class: 0 };
        match engine.join(&ask).wait().expect("healthy") {
            Decision::Done(ticket) => (ticket, true),
            other => (already(other), false),
        }
    });
    assert_eq!(tickets.iter().filter(|(_, new)| *new).count(), 1);
    assert!(tickets.iter().all(|(ticket, _)| *ticket == tickets[0].0));
    assert_eq!(engine.line(&campaign).expect("a line").joined, 1);
    engine.inspect(check_ledger).wait().expect("healthy");
    engine.shutdown().expect("healthy");
}

/// Threads join; time moves on to the start; the draw is held and places are counted by the engine's
/// own threads; then everybody who is called up buys, twice over.
#[test]
fn a_crowd_of_threads_waits_and_buys_exactly_the_stock() {
    let (engine, clock) = running();
    let campaign = put(&engine, waiting_line("drop", 40));
    let per_thread = 50;
    let numbers = race(16, |thread| {
        let mut mine = Vec::new();
        for n in 0..per_thread {
            // Neighbours overlap: half of the buyers are asked for by two threads.
            let n = (thread * per_thread / 2 + n) as u32;
            let ask = JoinRequest { campaign: &campaign, buyer: engine.buyer(&buyer(n)), class: 0 };
            let ticket = engine.join(&ask).wait().expect("healthy").granted().expect("granted");
            assert!(engine.standing(&campaign, ticket.number).is_some(), "told, so it is there");
            mine.push((n, ticket.number));
        }
        mine
    });
    let all: BTreeSet<_> = numbers.into_iter().flatten().collect();
    let buyers: BTreeSet<_> = all.iter().map(|(n, _)| *n).collect();
    let tickets: BTreeSet<_> = all.iter().map(|(_, ticket)| *ticket).collect();
    assert_eq!((buyers.len(), tickets.len()), (all.len(), all.len()), "one buyer, one ticket");
    clock.advance(OPENS);
    let joined = all.len() as u32;
    let placed = |ticket: &TicketNo| {
        let standing = engine.standing(&campaign, *ticket).expect("a ticket");
        matches!(standing, Standing::Waiting { .. } | Standing::Served { .. })
    };
    while !(0..joined).map(TicketNo).all(|ticket| placed(&ticket)) {
        thread::yield_now();
    }
    let all: Vec<_> = all.into_iter().collect();
    let bought = race(16, |thread| {
        let mut bought = 0;
        for (n, ticket) in all.iter().filter(|(n, _)| *n as usize % 8 == thread / 2) {
            let Some(Standing::Served { pass }) = engine.standing(&campaign, *ticket) else {
                continue;
            };
            let key = format!("{n}-{thread}");
            let mut ask = ReserveRequest::new(&campaign, "unit", engine.buyer(&buyer(*n)), &key);
            ask.pass = PassShown::Valid(pass);
            let done = matches!(engine.reserve(&ask).wait().expect("healthy"), Decision::Done(_));
            bought += u32::from(done);
        }
        bought
    });
    assert_eq!(bought.iter().sum::<u32>(), 40, "each pass once, each unit once");
    engine.inspect(check_ledger).wait().expect("healthy");
    engine.check_mirror().expect("callers and ledger agree");
    engine.shutdown().expect("healthy");
}
