//! Random requests against the plainest model of a sale: a few numbers and lists, no threads, no
//! journal. Whatever the engine answers, the model must have answered; after each step callers, the
//! ledger and the model see the same.

mod common;

use common::*;
use onrush::*;
use proptest::prelude::*;
use std::sync::Arc;

const HOLD: u64 = 300 * SECOND;
const LIMIT: u32 = 4;
const PRICE: i64 = 100;
const SKUS: [&str; 2] = ["coat", "hat"];

#[derive(Clone, Debug)]
enum Step {
    Reserve { buyer: u8, key: u8, sku: usize, units: u32 },
    Pay { which: usize, percent: i64 },
    Release { which: usize },
    Cancel { which: usize, restock: bool },
    Supply { sku: usize, units: i64 },
    Move { to: Phase },
    Wait { ms: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || any::<proptest::sample::Index>().prop_map(|index| index.index(1 << 20));
    prop_oneof![
        12 => (0u8..5, 0u8..4, 0usize..2, 1u32..4)
            .prop_map(|(buyer, key, sku, units)| Step::Reserve { buyer, key, sku, units }),
        5 => (which(), prop_oneof![Just(100i64), Just(100), Just(50), Just(130)])
            .prop_map(|(which, percent)| Step::Pay { which, percent }),
        3 => which().prop_map(|which| Step::Release { which }),
        1 => (which(), any::<bool>())
            .prop_map(|(which, restock)| Step::Cancel { which, restock }),
        2 => (0usize..2, -4i64..5).prop_map(|(sku, units)| Step::Supply { sku, units }),
        1 => prop_oneof![3 => Just(Phase::Open), 2 => Just(Phase::Paused)]
            .prop_map(|to| Step::Move { to }),
        3 => (1u64..HOLD).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Restart),
    ]
}

/// A reservation as the model has it.
#[derive(Clone, Debug)]
struct Kept {
    buyer: u8,
    key: u8,
    sku: usize,
    units: u32,
    state: State,
    expires_at: u64,
    paid: i64,
}

/// The plainest sale.
struct Model {
    now: u64,
    open: bool,
    free: [i64; 2],
    withdrawn: [i64; 2],
    supplied: [i64; 2],
    kept: Vec<Kept>,
    refunded: i64,
}

impl Model {
    fn live(&self, kept: &Kept) -> bool {
        matches!(kept.state, State::Held | State::Sold) && kept.units > 0
    }

    fn over_limit(&self, buyer: u8, units: u32) -> bool {
        let theirs = self.kept.iter().filter(|kept| kept.buyer == buyer && self.live(kept));
        theirs.map(|kept| kept.units).sum::<u32>() + units > LIMIT
    }

    fn expire(&mut self) {
        for kept in &mut self.kept {
            if kept.state == State::Held && kept.expires_at <= self.now {
                kept.state = State::Expired;
                self.free[kept.sku] += i64::from(kept.units);
                self.refunded += kept.paid;
                kept.paid = 0;
            }
        }
    }

    fn reserve(&mut self, buyer: u8, key: u8, sku: usize, units: u32) -> &'static str {
        let known = self.kept.iter().find(|kept| kept.buyer == buyer && kept.key == key);
        if let Some(kept) = known {
            let same = kept.sku == sku && kept.units == units;
            return if same { "already" } else { "key_reused" };
        }
        if !self.open {
            return "paused";
        }
        // Four keys a buyer: the sixteen that are remembered are never used up.
        if self.over_limit(buyer, units) {
            return "limit_reached";
        }
        if self.free[sku] < i64::from(units) {
            let held = self.kept.iter().any(|k| k.sku == sku && k.state == State::Held);
            return if held { "all_held" } else { "sold_out" };
        }
        self.free[sku] -= i64::from(units);
        let (state, expires_at, paid) = (State::Held, self.now + HOLD, 0);
        self.kept.push(Kept { buyer, key, sku, units, state, expires_at, paid });
        "done"
    }

    fn pay(&mut self, at: usize, amount: i64) {
        let Kept { buyer, sku, units, state, paid, .. } = self.kept[at].clone();
        let price = PRICE * i64::from(units);
        let retake = state == State::Expired
            && amount >= price
            && self.open
            && !self.over_limit(buyer, units)
            && self.free[sku] >= i64::from(units);
        let kept = &mut self.kept[at];
        if state == State::Held && paid + amount < price {
            kept.paid += amount;
        } else if state == State::Held || retake {
            kept.state = State::Sold;
            kept.paid = price;
            self.refunded += paid + amount - price;
            self.free[sku] -= if retake { i64::from(units) } else { 0 };
        } else {
            self.refunded += amount;
        }
    }

    fn release(&mut self, at: usize) -> &'static str {
        let kept = &mut self.kept[at];
        match kept.state {
            State::Held => {
                kept.state = State::Released;
                self.free[kept.sku] += i64::from(kept.units);
                self.refunded += std::mem::take(&mut kept.paid);
                "done"
            }
            State::Released => "already",
            State::Expired => "expired",
            _ => "already_final",
        }
    }

    fn cancel(&mut self, at: usize, restock: bool) -> &'static str {
        let kept = &mut self.kept[at];
        match kept.state {
            State::Sold => {
                kept.state = State::Cancelled;
                let to = if restock { &mut self.free } else { &mut self.withdrawn };
                to[kept.sku] += i64::from(kept.units);
                self.refunded += std::mem::take(&mut kept.paid);
                "done"
            }
            State::Cancelled => "already",
            State::Held => "invalid_request",
            _ => "already_final",
        }
    }

    fn supply(&mut self, sku: usize, units: i64) -> &'static str {
        if units == 0 || -units > self.free[sku] {
            return "invalid_request";
        }
        self.free[sku] += units;
        self.supplied[sku] += units.max(0);
        self.withdrawn[sku] += (-units).max(0);
        "done"
    }
}

/// The engine beside the model.
struct Pair {
    world: Option<World>,
    campaign: Arc<Campaign>,
    model: Model,
    payments: u32,
}

fn code<T: std::fmt::Debug>(decision: Decision<T>) -> &'static str {
    match decision {
        Decision::Done(_) => "done",
        Decision::Already(_) => "already",
        Decision::Refused(refusal) => refusal.code(),
    }
}

impl Pair {
    fn new() -> Pair {
        let mut world = World::new(1);
        let mut sale = spec("drop", &SKUS.map(|sku| (sku, 7)));
        sale.terms.hold = DurationMs(HOLD);
        sale.terms.limit_per_buyer = LIMIT;
        let campaign = world.put(sale);
        let model = Model {
            now: T0,
            open: true,
            free: [7; 2],
            withdrawn: [0; 2],
            supplied: [7; 2],
            kept: Vec::new(),
            refunded: 0,
        };
        Pair { world: Some(world), campaign, model, payments: 0 }
    }

    fn take(&mut self, step: &Step) {
        let Pair { world, campaign, model, payments } = self;
        let w = world.as_mut().expect("it is open");
        let any = |which: usize| (!model.kept.is_empty()).then(|| which % model.kept.len());
        let (answer, expected) = match *step {
            Step::Reserve { buyer, key, sku, units } => {
                let (who, what) = (format!("buyer-{buyer}"), format!("key-{key}"));
                let answer = code(w.reserve(campaign, SKUS[sku], &who, &what, units));
                (answer, model.reserve(buyer, key, sku, units))
            }
            Step::Pay { which, percent } => {
                let Some(at) = any(which) else { return };
                *payments += 1;
                let amount = PRICE * i64::from(model.kept[at].units) * percent / 100;
                let line = pay(&format!("p{payments}"), amount);
                let asked = w.engine.confirm(ReservationSeq(at as u32), vec![line], None);
                model.pay(at, amount);
                (code(w.done(asked)), "done")
            }
            Step::Release { which } => {
                let Some(at) = any(which) else { return };
                let asked = w.engine.release(ReservationSeq(at as u32), None);
                (code(w.done(asked)), model.release(at))
            }
            Step::Cancel { which, restock } => {
                let Some(at) = any(which) else { return };
                let asked = w.engine.cancel(ReservationSeq(at as u32), restock, by());
                (code(w.done(asked)), model.cancel(at, restock))
            }
            Step::Supply { sku, units } => {
                let ix = w.sku(campaign, SKUS[sku]);
                let asked = w.engine.supply(ix, units, by());
                (code(w.done(asked)), model.supply(sku, units))
            }
            Step::Move { to } => {
                let asked = w.engine.move_phase(campaign, to, by());
                let expected = if model.open == (to == Phase::Open) { "already" } else { "done" };
                model.open = to == Phase::Open;
                (code(w.done(asked)), expected)
            }
            Step::Wait { ms } => {
                w.clock.advance(ms);
                w.driver.settle();
                model.now += ms;
                model.expire();
                return;
            }
            Step::Restart => {
                let restarted = world.take().expect("it is open").restart();
                *campaign = restarted.engine.campaign("drop").expect("it is kept");
                *world = Some(restarted);
                return;
            }
        };
        assert_eq!(answer, expected, "{step:?}");
    }

    /// Callers, the ledger and the model see the same.
    fn compare(&self) {
        let w = self.world.as_ref().expect("it is open");
        w.check();
        let ledger = w.driver.ledger();
        assert_eq!(ledger.reservation_count() as usize, self.model.kept.len());
        for (at, kept) in self.model.kept.iter().enumerate() {
            let seq = ReservationSeq(at as u32);
            let seen = w.engine.look(seq).expect("it is posted");
            assert_eq!(seen.state, kept.state, "{kept:?}");
            assert_eq!(seen.expires_at.0, kept.expires_at);
            assert_eq!(ledger.reservation(seq).map(|r| r.state), Some(kept.state));
            assert_eq!(ledger.paid_towards(seq), kept.paid, "{kept:?}");
            let buyer = w.engine.buyer(&format!("buyer-{}", kept.buyer));
            assert_eq!(w.engine.look_as(seq, buyer).map(|r| r.id), Some(seen.id));
            assert_eq!(w.engine.look_as(seq, w.engine.buyer("a stranger")), None);
            let theirs = w.engine.reservations_of(&self.campaign, buyer);
            assert!(theirs.iter().any(|r| r.seq == seq && r.state == kept.state));
            assert!(theirs.windows(2).all(|pair| pair[0].seq > pair[1].seq), "latest first");
        }
        for (at, sku) in ledger.skus().iter().enumerate() {
            let model = &self.model;
            let seen = [sku.free, sku.withdrawn, sku.supplied].map(i64::from);
            assert_eq!(seen, [model.free[at], model.withdrawn[at], model.supplied[at]]);
        }
        let refunds: i64 = ledger.refunds().iter().map(|due| due.amount).sum();
        assert_eq!(refunds, self.model.refunded, "INV-8: money that is no sale goes back once");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_answers_like_the_plainest_sale(steps in prop::collection::vec(step(), 1..60)) {
        let mut pair = Pair::new();
        for step in &steps {
            pair.take(step);
            pair.compare();
        }
    }
}
