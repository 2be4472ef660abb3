//! A random history of a sale, what its callers were told, and what must be there afterwards.
//!
//! Callers queue a few requests, the engine takes one turn, callers read their answers; some walk
//! away before. Everything follows from a seed. When the engine fails in the middle, what was told
//! until then is what a recovery owes.

use super::*;
use onrush::journal::Storage;
use std::collections::BTreeSet;

pub(crate) const HOLD_MS: u64 = 600 * SECOND;
const SKUS: [&str; 3] = ["coat", "hat", "scarf"];
const BUYERS: u64 = 12;
const KEYS: u64 = 5;

/// A hold that a caller was told of, and the last state it was told.
#[derive(Clone, Debug)]
struct Told {
    buyer: String,
    key: String,
    units: u32,
    reservation: Reservation,
}

impl Told {
    /// Answers may be read in another order than they were given; the later record counts.
    fn learn(&mut self, news: Reservation) {
        let known = &self.reservation;
        let (before, after) = if news.lsn < known.lsn { (&news, known) } else { (known, &news) };
        assert!(leads_to(before.state, after.state), "{before:?} became {after:?}");
        if news.lsn >= known.lsn {
            self.reservation = news;
        }
    }
}

/// A request under way and what is known about it if it succeeds.
enum Flying {
    Reserve { buyer: String, key: String, units: u32, pending: Pending<Reservation> },
    Change { paid: Option<String>, pending: Pending<Reservation> },
    Supply { units: i64, pending: Pending<SkuIx> },
    Move { to: Phase, pending: Pending<Arc<Campaign>> },
}

/// What callers did and were told.
pub(crate) struct Story {
    pub(crate) campaign: Arc<Campaign>,
    random: Random,
    told: Vec<Told>,
    cancelled: BTreeSet<ReservationSeq>,
    /// (reservation, payment reference) of each payment that was acknowledged.
    paid: Vec<(ReservationSeq, String)>,
    supplied: [i64; 3],
    withdrawn: [i64; 3],
    /// The last phase asked for by hand, and whether that was acknowledged.
    moved: Option<(Phase, bool)>,
    flying: Vec<Flying>,
    references: u64,
    /// How many requests were granted: a history in which nothing happens proves nothing.
    pub(crate) granted: usize,
}

impl Story {
    /// Put the campaign; it is durable when this returns.
    pub(crate) fn new(world: &mut World, seed: u64) -> Story {
        let mut sale = spec("drop", &SKUS.map(|sku| (sku, 12)));
        sale.terms.hold = DurationMs(HOLD_MS);
        sale.terms.limit_per_buyer = 6;
        Story {
            campaign: world.put(sale),
            random: Random::new(seed),
            told: Vec::new(),
            cancelled: BTreeSet::new(),
            paid: Vec::new(),
            supplied: [12; 3],
            withdrawn: [0; 3],
            moved: None,
            flying: Vec::new(),
            references: 0,
            granted: 0,
        }
    }

    /// Live through some turns; returns whether the engine still lives.
    pub(crate) fn run(&mut self, world: &mut World, turns: usize) -> bool {
        for _ in 0..turns {
            for _ in 0..=self.random.below(7) {
                self.act(world);
            }
            match self.random.below(6) {
                0 => world.clock.advance(self.random.below(HOLD_MS / 2)),
                1 => world.clock.advance(150),
                _ => {}
            }
            let failed = world.driver.turn() == Turn::Failed;
            self.read_answers(world);
            if failed {
                return false;
            }
        }
        world.driver.settle() != Turn::Failed
    }

    fn act(&mut self, world: &World) {
        let key = || Some("c");
        let flying = match self.random.below(20) {
            0..10 => return self.reserve(world),
            10..13 => {
                let Some(told) = self.any() else { return };
                return self.confirm(world, &told);
            }
            13..16 => {
                let Some(told) = self.any() else { return };
                let pending = world.engine.release(told.reservation.seq, None);
                Flying::Change { paid: None, pending }
            }
            16 => {
                let Some(told) = self.any() else { return };
                let seq = told.reservation.seq;
                self.cancelled.insert(seq);
                let restock = self.random.below(2) == 0;
                let pending = world.engine.cancel(seq, restock, by());
                Flying::Change { paid: None, pending }
            }
            17 => {
                let Some(told) = self.any() else { return };
                let pending = world.engine.confirm(told.reservation.seq, vec![], key());
                Flying::Change { paid: None, pending }
            }
            18 => {
                let units = self.random.pick(&[-2, -1, 1, 2, 3]);
                let at = self.random.below(3) as usize;
                let sku = world.sku(&self.campaign, SKUS[at]);
                Flying::Supply { units, pending: world.engine.supply(sku, units, by()) }
            }
            _ => {
                let to = self.random.pick(&[Phase::Paused, Phase::Open, Phase::Open]);
                self.moved = Some((to, false));
                Flying::Move { to, pending: world.engine.move_phase(&self.campaign, to, by()) }
            }
        };
        self.flying.push(flying);
    }

    fn reserve(&mut self, world: &World) {
        let buyer = format!("buyer-{}", self.random.below(BUYERS));
        let key = format!("key-{}", self.random.below(KEYS));
        let units = 1 + self.random.below(3) as u32;
        let sku = self.random.pick(&SKUS);
        let pending = world.ask(&self.campaign, sku, &buyer, &key, units);
        self.flying.push(Flying::Reserve { buyer, key, units, pending });
    }

    fn confirm(&mut self, world: &World, told: &Told) {
        self.references += 1;
        // Now and then a payment comes twice.
        let reference = format!("p{}", self.references - self.random.below(2));
        let price = told.reservation.price.amount;
        let amount = self.random.pick(&[price, price, price + 7, price / 2]);
        let pending =
            world.engine.confirm(told.reservation.seq, vec![pay(&reference, amount)], None);
        self.flying.push(Flying::Change { paid: Some(reference), pending });
    }

    fn any(&mut self) -> Option<Told> {
        if self.told.is_empty() {
            return None;
        }
        let at = self.random.below(self.told.len() as u64) as usize;
        Some(self.told[at].clone())
    }

    fn read_answers(&mut self, world: &World) {
        for flying in std::mem::take(&mut self.flying) {
            // One in eight callers is gone before the answer comes.
            let gone = self.random.below(8) == 0;
            match flying {
                Flying::Reserve { buyer, key, units, mut pending } if !gone => {
                    if let Some(reservation) = answer(&mut pending) {
                        self.granted += 1;
                        let now = world.engine.look(reservation.seq).expect("told after posted");
                        assert!(leads_to(reservation.state, now.state), "{reservation:?} {now:?}");
                        self.note(&buyer, &key, units, reservation);
                    }
                }
                Flying::Change { paid, mut pending } if !gone => {
                    if let Some(now) = answer(&mut pending) {
                        self.granted += 1;
                        self.paid.extend(paid.map(|reference| (now.seq, reference)));
                        let known = |told: &&mut Told| told.reservation.seq == now.seq;
                        let told = self.told.iter_mut().find(known).expect("it was told before");
                        told.learn(now);
                    }
                }
                Flying::Supply { units, mut pending } if !gone => {
                    if let Some(sku) = answer(&mut pending) {
                        self.granted += 1;
                        self.supplied[sku.index()] += units.max(0);
                        self.withdrawn[sku.index()] += (-units).max(0);
                    }
                }
                Flying::Move { to, mut pending } if !gone => {
                    let moved = answer(&mut pending).is_some();
                    if moved && self.moved == Some((to, false)) {
                        self.moved = Some((to, true));
                    }
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, buyer: &str, key: &str, units: u32, reservation: Reservation) {
        let known = self.told.iter_mut().find(|t| t.buyer == buyer && t.key == key);
        if let Some(told) = known {
            assert_eq!(told.reservation.id, reservation.id, "one key, one reservation");
            told.learn(reservation);
            return;
        }
        let (buyer, key) = (buyer.to_owned(), key.to_owned());
        self.told.push(Told { buyer, key, units, reservation });
    }

    /// Check that everything callers were told is there, and that all promises hold.
    pub(crate) fn check_recovered(&self, world: &mut World) {
        world.check();
        check_prefixes(&world.disk, world.driver.ledger());
        for told in &self.told {
            let was = &told.reservation;
            let now = world.engine.look(was.seq).expect("what was told is there");
            let same = (now.id, now.quantity, now.price, now.expires_at);
            assert_eq!(same, (was.id, was.quantity, was.price, was.expires_at));
            let cancelled = now.state == State::Cancelled && !self.cancelled.contains(&was.seq);
            assert!(leads_to(was.state, now.state) && !cancelled, "{was:?} became {now:?}");
            let sku = was.sku.as_str();
            let mut again = world.ask(&self.campaign, sku, &told.buyer, &told.key, told.units);
            let again = again.try_take().expect("a repeat is answered at once").expect("healthy");
            assert_eq!(already(again), now, "INV-5: the same key tells the same");
        }
        let ledger = world.driver.ledger();
        for (seq, reference) in &self.paid {
            let times = ledger.lines(*seq).iter().filter(|l| *l.payment.reference == **reference);
            assert_eq!(times.count(), 1, "{reference} counts once");
        }
        for (at, sku) in ledger.skus().iter().enumerate() {
            assert!(i64::from(sku.supplied) >= self.supplied[at], "a supply was lost");
            assert!(i64::from(sku.withdrawn) >= self.withdrawn[at], "a withdrawal was lost");
        }
        if let Some((phase, true)) = self.moved {
            assert_eq!(ledger.campaigns()[0].reached, phase, "a move was lost");
        }
    }

    /// Let every hold run out: nothing may stay behind (INV-3).
    pub(crate) fn check_quiet(&self, world: &mut World) {
        world.clock.advance(HOLD_MS + 1);
        world.driver.settle();
        world.check();
        for sku in world.driver.ledger().skus() {
            let units = sku.units();
            assert_eq!(units.held, 0, "INV-3: {} {units:?}", sku.name);
            assert_eq!(units.free, units.supplied - units.sold - units.withdrawn);
        }
        assert_eq!(world.engine.status().reserves_in_flight, 0, "INV-9: a credit leaked");
        assert_eq!(world.engine.status().settles_in_flight, 0, "INV-9: a credit leaked");
    }
}

/// Replay from the first record: no prefix breaks a promise, and the end is the state (INV-2, INV-10).
pub(crate) fn check_prefixes(storage: &dyn Storage, ledger: &Ledger) {
    let replayed = replay_storage(storage, &mut |lsn, _, ledger| {
        for sku in ledger.skus() {
            let units = sku.units();
            let sold_over = units.held + units.sold > units.supplied;
            assert!(units.holds() && !sold_over, "at LSN {lsn}: {} {units:?}", sku.name);
        }
    });
    let replayed = replayed.expect("the journal replays");
    assert_eq!(replayed.ledger.lsn(), ledger.lsn());
    assert_eq!(replayed.ledger.digest(), ledger.digest(), "INV-10: replay differs");
}

/// Return what was granted, if the answer is there and it was.
fn answer<T: std::fmt::Debug>(pending: &mut Pending<T>) -> Option<T> {
    match pending.try_take() {
        None => None,
        Some(Ok(decision)) => decision.granted(),
        Some(Err(EngineError::OutcomeUnknown | EngineError::JournalFailed { .. })) => None,
        Some(Err(other)) => panic!("{other}"),
    }
}

/// Tell whether a reservation can go from one state to another, over any number of steps.
fn leads_to(from: State, to: State) -> bool {
    from == to || State::ALL.into_iter().any(|next| from.can_move_to(next) && leads_to(next, to))
}
