//! Power cuts at every change of the disk in a random history of a waitlist: nobody who was told of a
//! place loses it, nobody passes anybody, and a torn tail never splits an offer (INV-14, INV-4).

mod common;

use common::story::check_prefixes;
use common::*;
use onrush::journal::Loss;
use onrush::ledger::{Change, WaitChange};
use onrush::*;
use std::collections::BTreeMap;
use std::sync::Arc;

const TURNS: usize = 40;
const BUYERS: u64 = 14;
const LOSSES: [Loss; 4] = [Loss::Everything, Loss::Nothing, Loss::Random, Loss::Percent(40)];

/// What buyers did and were told.
struct Line {
    campaign: Arc<Campaign>,
    sku: SkuIx,
    random: Random,
    /// The place that a buyer was told last, until they were told that it is over.
    told: BTreeMap<u64, u32>,
    /// Offers that buyers saw, and the state in which they saw them.
    offers: BTreeMap<ReservationSeq, (u64, State)>,
    keys: u64,
    joining: Vec<(u64, Pending<WaitTicket>)>,
    leaving: Vec<(u64, Pending<WaitTicket>)>,
    seen: usize,
}

impl Line {
    fn new(world: &mut World, seed: u64) -> Line {
        let mut sale = spec("drop", &[("unit", 2)]);
        sale.terms.limit_per_buyer = 3;
        sale.terms.hold = DurationMs(60 * SECOND);
        sale.waitlist = Some(WaitTerms { offer: DurationMs(20 * SECOND) });
        let campaign = world.put(sale);
        let sku = world.sku(&campaign, "unit");
        let (told, offers) = (BTreeMap::new(), BTreeMap::new());
        let random = Random::new(seed);
        let (joining, leaving) = (Vec::new(), Vec::new());
        Line { campaign, sku, random, told, offers, keys: 0, joining, leaving, seen: 0 }
    }

    fn digest(world: &World, buyer: u64) -> BuyerDigest {
        world.engine.buyer(&format!("buyer-{buyer}"))
    }

    /// Live through some turns; returns whether the engine still lives.
    fn run(&mut self, world: &mut World, turns: usize) -> bool {
        for _ in 0..turns {
            for _ in 0..=self.random.below(4) {
                self.act(world);
            }
            if self.random.below(3) == 0 {
                world.clock.advance(self.random.below(30 * SECOND));
            }
            let failed = world.driver.turn() == Turn::Failed;
            self.listen(world);
            if failed {
                return false;
            }
        }
        true
    }

    fn act(&mut self, world: &World) {
        let buyer = self.random.below(BUYERS);
        let digest = Line::digest(world, buyer);
        match self.random.below(24) {
            0..8 => {
                let quantity = Quantity::new(1 + self.random.below(2) as u32).expect("1 or 2");
                let (campaign, buyer_digest) = (&self.campaign, digest);
                let ask = WaitRequest { campaign, sku: "unit", quantity, buyer: buyer_digest };
                self.joining.push((buyer, world.engine.join_waitlist(&ask)));
            }
            8 => self.leaving.push((buyer, world.engine.leave_waitlist(self.sku, digest))),
            9..14 => {
                self.keys += 1;
                let key = format!("k{}", self.keys);
                let ask = ReserveRequest::new(&self.campaign, "unit", digest, &key);
                drop(world.engine.reserve(&ask));
            }
            14..23 => {
                let count = u64::from(world.driver.ledger().reservation_count());
                if count > 0 {
                    let seq = ReservationSeq(self.random.below(count) as u32);
                    match self.random.below(8) {
                        0 => {
                            drop(world.engine.confirm(seq, vec![pay(&seq.to_string(), 300)], None))
                        }
                        _ => drop(world.engine.release(seq, None)),
                    }
                }
            }
            _ => drop(world.engine.supply(self.sku, 1, by())),
        }
    }

    /// Hear the answers, and look as a buyer who polls would.
    fn listen(&mut self, world: &World) {
        for (buyer, mut pending) in std::mem::take(&mut self.joining) {
            if let Some(Ok(Decision::Done(ticket) | Decision::Already(ticket))) = pending.try_take()
            {
                self.told.insert(buyer, ticket.number);
            }
        }
        for (buyer, _) in std::mem::take(&mut self.leaving) {
            // Whether or not it is known to be over: the place may be gone now.
            self.told.remove(&buyer);
        }
        for buyer in 0..BUYERS {
            let digest = Line::digest(world, buyer);
            let stands = world.engine.waitlisted(&self.campaign, self.sku, digest);
            let place = stands.as_ref().and_then(|stands| stands.place);
            if self.told.get(&buyer).is_some_and(|told| place.map(|p| p.number) != Some(*told)) {
                self.told.remove(&buyer);
            }
            if let Some(offer) = stands.and_then(|stands| stands.offer) {
                self.offers.insert(offer.seq, (buyer, offer.state));
                self.seen += 1;
            }
        }
    }

    /// Check that everything that was told is there, in the order in which it was.
    fn check_recovered(&self, world: &World) {
        check_ledger(world.driver.ledger());
        check_prefixes(&world.disk, world.driver.ledger());
        let mut last: BTreeMap<SkuIx, u32> = BTreeMap::new();
        let mut ends: BTreeMap<u32, &str> = BTreeMap::new();
        let replayed = replay_storage(&world.disk, &mut |lsn, record, ledger| {
            let Change::Wait(change) = &record.change else { return };
            match change {
                WaitChange::Offered(o) => {
                    let before = last.insert(o.sku, o.wish.number);
                    assert!(before.is_none_or(|b| b <= o.wish.number), "{lsn}: a jump");
                    let r = ledger.reservation(o.seq).expect("the hold came with its offer");
                    assert_eq!((r.buyer, r.state), (o.wish.buyer, State::Held));
                    ends.insert(o.wish.number, "offered");
                }
                WaitChange::Skipped { number, .. } => drop(ends.insert(*number, "skipped")),
                WaitChange::Left { number, .. } => drop(ends.insert(*number, "left")),
                WaitChange::Joined { .. } | WaitChange::Terms { .. } => {}
            }
        });
        drop(replayed.expect("the journal replays"));
        for (&buyer, &number) in &self.told {
            let digest = Line::digest(world, buyer);
            let stands = world.engine.waitlisted(&self.campaign, self.sku, digest);
            let place = stands.and_then(|stands| stands.place).map(|place| place.number);
            let over = ends.get(&number);
            assert!(place == Some(number) || over.is_some(), "{buyer} lost place {number}");
        }
        for (&seq, &(buyer, state)) in &self.offers {
            let digest = Line::digest(world, buyer);
            let now = world.engine.look_as(seq, digest).expect("an offer that was seen is there");
            let same = now.state == state || state == State::Held || now.state == State::Sold;
            assert!(same, "{seq:?}: {state:?} became {now:?}");
        }
    }
}

fn changes(seed: u64) -> u64 {
    let mut world = World::new(seed);
    let mut line = Line::new(&mut world, seed);
    let before = world.disk.operations().changes;
    assert!(line.run(&mut world, TURNS), "nothing fails by itself");
    assert!(line.seen > 60 && line.offers.len() > 10, "{} offers", line.offers.len());
    let total = world.disk.operations().changes - before;
    world.driver.settle();
    line.check_recovered(&world);
    world.check();
    total
}

#[test]
fn a_power_cut_at_any_change_moves_nobody_in_line() {
    for (seed, losses) in [(31, &LOSSES[..]), (32, &LOSSES[2..3])] {
        let total = changes(seed);
        assert!(total > 40, "the history is worth cutting: {total}");
        for at in 0..total {
            for &loss in losses {
                let _case = Case(format!("seed {seed}, cut at change {at}, {loss:?}"));
                let mut world = World::new(seed);
                let mut line = Line::new(&mut world, seed);
                world.disk.reseed(seed ^ (at << 8));
                world.disk.cut_power_at(world.disk.operations().changes + at);
                assert!(!line.run(&mut world, TURNS), "the power goes");
                let mut world = world.crash(loss).expect("a torn tail is no damage");
                line.check_recovered(&world);
                // What the cut left undone is done now: nobody waits for a unit that is free.
                world.driver.settle();
                world.check();
                assert!(line.run(&mut world, 3));
                let mut world = world.crash(Loss::Everything).expect("all of it was synced");
                line.check_recovered(&world);
                world.driver.settle();
                world.check();
            }
        }
    }
}
