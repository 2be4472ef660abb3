//! Random histories against the naive model: the same answers, units, states and refunds after
//! every action, whatever the order; and what must hold of the ledger by itself.

use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms, Wave};
use crate::phase::{Phase, Schedule};
use crate::refusal::Refusal;
use naive_model::{self as model, Camp, Line as Pay, Model, Sku};
use onrush_types::*;
use proptest::prelude::*;

const START: u64 = 1_000_000;
const END_MS: u64 = 200_000;

#[derive(Clone, Debug)]
enum Act {
    Reserve {
        sku: usize,
        buyer: u8,
        units: u32,
        key: u64,
        review: bool,
    },
    Confirm {
        res: usize,
        lines: Vec<Pay>,
        key: Option<u64>,
        busy: bool,
    },
    Release {
        res: usize,
        key: Option<u64>,
    },
    Cancel {
        res: usize,
        restock: bool,
    },
    Judge {
        res: usize,
        accept: bool,
    },
    /// Put deadlines off: of one, or of all of a campaign.
    Extend {
        camp: usize,
        res: Option<usize>,
        more: u64,
    },
    Refunded {
        refund: usize,
    },
    Supply {
        sku: usize,
        units: i32,
        busy: bool,
    },
    Move {
        camp: usize,
        to: Phase,
    },
    Put {
        camp: usize,
        limit: u32,
        hold: u64,
        price: i64,
    },
    Pass {
        ms: u64,
    },
    /// Go on with the loaded image.
    Restart,
    /// Repeat the act so many places before this one.
    Again {
        back: usize,
    },
}

fn any_line() -> impl Strategy<Value = Pay> {
    let amount = prop_oneof![Just(0i64), Just(50), Just(100), Just(100), Just(200), Just(250)];
    (0u8..40, amount, proptest::bool::weighted(0.15)).prop_map(|(reference, amount, foreign)| Pay {
        reference,
        amount,
        foreign,
        back: 0,
    })
}

fn any_act() -> impl Strategy<Value = Act> {
    let key = || proptest::option::of(0u64..5);
    let rare = || proptest::bool::weighted(0.1);
    let phases = [Phase::Open, Phase::Paused, Phase::Closed, Phase::Settled, Phase::Preheat];
    let phases = phases.map(|phase| if phase == Phase::Closed { (1, phase) } else { (3, phase) });
    let phase = proptest::strategy::Union::new_weighted(
        phases.into_iter().map(|(weight, phase)| (weight, Just(phase))).collect(),
    );
    let passes = prop_oneof![Just(0u64), Just(1), 1u64..2_000, 1u64..9_000, Just(5_000)];
    prop_oneof![
        8 => (0usize..4, 0u8..3, 1u32..4, 0u64..20, rare()).prop_map(
            |(sku, buyer, units, key, review)| Act::Reserve { sku, buyer, units, key, review }),
        7 => (0usize..40, proptest::collection::vec(any_line(), 0..4), key(), rare()).prop_map(
            |(res, lines, key, busy)| Act::Confirm { res, lines, key, busy }),
        2 => (0usize..40, key()).prop_map(|(res, key)| Act::Release { res, key }),
        1 => (0usize..40, any::<bool>()).prop_map(|(res, restock)| Act::Cancel { res, restock }),
        1 => (0usize..40, any::<bool>()).prop_map(|(res, accept)| Act::Judge { res, accept }),
        1 => (0usize..2, proptest::option::of(0usize..40), 0usize..3).prop_map(
            |(camp, res, more)| Act::Extend { camp, res, more: [1_000, 5_000, 10_000][more] }),
        1 => (0usize..20).prop_map(|refund| Act::Refunded { refund }),
        1 => (0usize..4, -3i32..4, rare()).prop_map(
            |(sku, units, busy)| Act::Supply { sku, units, busy }),
        1 => (0usize..2, phase).prop_map(|(camp, to)| Act::Move { camp, to }),
        1 => (0usize..2, 1u32..7, 1u64..4, 0i64..3).prop_map(|(camp, limit, hold, price)| {
            Act::Put { camp, limit, hold: hold * 5_000, price: price * 100 }
        }),
        4 => passes.prop_map(|ms| Act::Pass { ms }),
        1 => Just(Act::Restart),
        4 => (0usize..6).prop_map(|back| Act::Again { back }),
    ]
}

struct Pair {
    ledger: Ledger,
    model: Model,
    records: Vec<Record>,
    /// The waves as they were planned; the model forgets those that came.
    waves: [Vec<(u64, usize, u32)>; 2],
    limit_max: [u32; 2],
}

/// Stands for the shared stock: it grants unless callers were quicker.
struct Busy(bool);

impl Take for Busy {
    fn take(&mut self, _: SkuIx, _: u32) -> bool {
        !self.0
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, lane: u8) -> [u8; 32] {
        [lane; 32]
    }
}

fn buyer(n: u8) -> BuyerDigest {
    BuyerDigest([n + 1; 16])
}

fn sku_name(n: usize) -> Name {
    Name::new(&format!("s{n}")).expect("a name")
}

fn by() -> By {
    By::new("model", "test")
}

/// Two campaigns of two SKUs: one is open, the other opens later and has waves.
fn start() -> Pair {
    let waves = [vec![], vec![(START + 12_000, 2, 2), (START + 30_000, 3, 4)]];
    let camp = |opens, closes, waves: &Vec<_>| {
        let (waves, phase) = (waves.clone(), Phase::Scheduled);
        Camp { opens, closes, draw: u64::MAX, waves, limit: 4, hold: 10_000, phase }
    };
    let first = camp(START, START + END_MS, &waves[0]);
    let second = camp(START + 6_000, START + 60_000, &waves[1]);
    let sku = |camp| Sku { camp, price: 100, limit: 3, supplied: 0, withdrawn: 0 };
    let model = Model {
        now: START,
        camps: vec![first, second],
        skus: vec![sku(0), sku(0), sku(1), sku(1)],
        ..Model::default()
    };
    let ledger = Ledger::new([7, 8]);
    let mut pair = Pair { ledger, model, records: vec![], waves, limit_max: [4; 2] };
    for camp in 0..2 {
        let spec = pair.spec(camp, 5);
        assert_eq!(pair.ask(Action::Put(Box::new(spec)), false), "done");
        for sku in &mut pair.model.skus {
            sku.supplied += if sku.camp == camp { 5 } else { 0 };
        }
    }
    pair.pass(0);
    pair
}

impl Pair {
    fn spec(&self, camp: usize, supply: u32) -> CampaignSpec {
        let c = &self.model.camps[camp];
        let time = |ms| Some(Timestamp(ms));
        let schedule =
            Schedule { opens_at: time(c.opens), closes_at: time(c.closes), ..Schedule::default() };
        let wave = |&(at, sku, units): &(u64, usize, u32)| Wave {
            at: Timestamp(at),
            sku: sku_name(sku),
            units,
        };
        let terms = Terms {
            published: true,
            schedule,
            currency: Currency::CNY,
            limit_per_buyer: c.limit,
            hold: DurationMs(c.hold),
            buyers_expected: 3,
            waves: self.waves[camp].iter().map(wave).collect(),
            supply_from_stores: false,
            attributes: String::new(),
        };
        let skus = self.model.skus.iter().enumerate().filter(|(_, s)| s.camp == camp);
        let spec = |(n, s): (usize, &Sku)| SkuSpec {
            name: sku_name(n),
            price: s.price,
            limit_per_buyer: s.limit,
            supply,
        };
        let name = Name::new(&format!("c{camp}")).expect("a name");
        CampaignSpec::new(name, terms, skus.map(spec).collect())
    }

    /// Ask the ledger and tell its answer in the model's words.
    fn ask(&mut self, action: Action, busy: bool) -> String {
        let (records, now) = (&mut self.records, Timestamp(self.model.now));
        let sink = &mut |record: &Record, _| records.push(record.clone());
        let answer = self.ledger.perform(action, now, &mut Busy(busy), sink).expect("applies");
        let (how, subject) = match answer {
            Answer::Done(subject) => ("done", subject),
            Answer::Already(subject) => ("already", subject),
            Answer::Refused(refusal) => {
                return match &refusal {
                    Refusal::LimitReached { limit } => format!("limit_reached {limit}"),
                    Refusal::SoldOut { free } | Refusal::AllHeld { free } => {
                        format!("{} {free}", refusal.code())
                    }
                    _ => refusal.code().to_owned(),
                };
            }
        };
        match subject {
            Subject::Reservation(seq) => {
                let state = self.ledger.reservation(seq).expect("answered").state;
                format!("{how} {seq} {}", state.as_str())
            }
            Subject::Extended(count) => format!("{how} {count}"),
            _ => how.to_owned(),
        }
    }

    fn pass(&mut self, ms: u64) {
        self.model.pass(ms);
        let now = Timestamp(self.model.now);
        let records = &mut self.records;
        let sink = &mut |record: &Record, _: Effect| records.push(record.clone());
        while let Some(change) = self.ledger.due_switch(now) {
            self.ledger.record(change, now, sink).expect("a switch applies");
        }
        while let Some(seq) = self.ledger.due_expiry(now) {
            self.ledger.record(Change::Expired { seq }, now, sink).expect("an expiry applies");
        }
        let next = self.ledger.next_due_at();
        assert!(next.is_none_or(|at| at > now), "what was due is done: {next:?} at {now:?}");
    }

    /// Do `act` on both sides; return both answers, or nothing where it names what is not there.
    fn step(&mut self, act: &Act) -> Option<(String, String)> {
        let seq = |n: usize| ReservationSeq(n as u32);
        let there = |n: usize| self.model.res.len().checked_sub(1).map(|last| n.min(last));
        Some(match *act {
            Act::Reserve { sku, buyer: b, units, key, review } => {
                let request = (sku as u32) << 8 | units;
                let expected = self.model.reserve(sku, b, units, (key, request), review);
                let ask = Reserve {
                    sku: SkuIx(sku as u32),
                    quantity: Quantity::new(units).expect("in range"),
                    buyer: buyer(b),
                    key: KeyDigest(key),
                    request: RequestDigest(request),
                    review,
                    halvings: 0,
                    details: None,
                    pass: None,
                };
                (self.ask(Action::Reserve(ask), false), expected)
            }
            Act::Confirm { res, ref lines, key, busy } => {
                let n = there(res)?;
                let request = lines.iter().fold(n as u32, |sum, l| {
                    sum * 31
                        + u32::from(l.reference) * 1_000
                        + l.amount as u32 * 2
                        + u32::from(l.foreign)
                });
                let expected = self.model.confirm(n, lines, key.map(|k| (k, request)), busy);
                let key = key.map(|k| (KeyDigest(k), RequestDigest(request)));
                let lines = lines.iter().map(payment).collect();
                (self.ask(Action::Confirm { seq: seq(n), lines, key }, busy), expected)
            }
            Act::Release { res, key } => {
                let n = there(res)?;
                let expected = self.model.release(n, key.map(|k| (k, n as u32)));
                let key = key.map(|k| (KeyDigest(k), RequestDigest(n as u32)));
                (self.ask(Action::Release { seq: seq(n), key }, false), expected)
            }
            Act::Cancel { res, restock } => {
                let n = there(res)?;
                let expected = self.model.cancel(n, restock);
                (self.ask(Action::Cancel { seq: seq(n), restock, by: by() }, false), expected)
            }
            Act::Judge { res, accept } => {
                let n = there(res)?;
                let expected = self.model.judge(n, accept);
                (self.ask(Action::Judge { seq: seq(n), accept, by: by() }, false), expected)
            }
            Act::Supply { sku, units, busy } => {
                let expected = self.model.supply(sku, units, busy);
                let sku = SkuIx(sku as u32);
                let action = Action::Supply { sku, units: i64::from(units), by: by() };
                (self.ask(action, busy), expected)
            }
            Act::Move { camp, to } => {
                let expected = self.model.move_phase(camp, to);
                let campaign = CampaignIx(camp as u16);
                (self.ask(Action::Move { campaign, to, by: by() }, false), expected)
            }
            _ => return self.step_aside(act),
        })
    }

    fn step_aside(&mut self, act: &Act) -> Option<(String, String)> {
        match *act {
            Act::Extend { camp, res, more } => {
                let last = self.model.res.len().checked_sub(1);
                let one = res.and_then(|n| last.map(|last| n.min(last)));
                let expected = self.model.extend(camp, one, more);
                let holds = match one {
                    Some(n) => Holds::One(ReservationSeq(n as u32)),
                    None => Holds::Campaign(CampaignIx(camp as u16)),
                };
                let action = Action::Extend { holds, more: DurationMs(more), by: by() };
                Some((self.ask(action, false), expected))
            }
            Act::Refunded { refund } => {
                let expected = match self.model.refunds.get_mut(refund) {
                    None => "not_found",
                    Some((.., true)) => "already",
                    Some((.., done)) => {
                        *done = true;
                        "done"
                    }
                };
                let action = Action::Refunded { refund: refund as u32, by: by() };
                Some((self.ask(action, false), expected.to_owned()))
            }
            Act::Put { camp, limit, hold, price } => {
                let before = self.model.clone();
                let c = &mut self.model.camps[camp];
                (c.limit, c.hold) = (limit, hold);
                self.limit_max[camp] = self.limit_max[camp].max(limit);
                self.model.skus[camp * 2].price = price;
                let settled = self.model.camps[camp].phase == Phase::Settled;
                let spec = self.spec(camp, 9);
                let c = &before.camps[camp];
                let same =
                    (c.limit, c.hold) == (limit, hold) && before.skus[camp * 2].price == price;
                let expected = match (same, settled) {
                    (true, _) => "already",
                    (false, true) => "invalid_request",
                    (false, false) => "done",
                };
                if settled {
                    self.model = before;
                }
                Some((self.ask(Action::Put(Box::new(spec)), false), expected.to_owned()))
            }
            Act::Pass { ms } => {
                self.pass(ms);
                None
            }
            Act::Restart => {
                self.ledger = loaded(&self.ledger);
                None
            }
            // A repeat of a repeat, or of nothing.
            _ => None,
        }
    }

    fn check(&self) {
        self.ledger.audit().expect("the audit");
        for (n, sku) in self.ledger.skus().iter().enumerate() {
            let u = sku.units();
            assert!(u.holds(), "INV-1");
            let figures = [u.free, u.held, u.sold, u.withdrawn, u.supplied];
            assert_eq!(figures, self.model.figures(n), "units of SKU {n}");
        }
        for (camp, c) in self.model.camps.iter().enumerate() {
            assert_eq!(self.ledger.campaigns()[camp].reached, c.phase, "phase of {camp}");
            for who in 0..3 {
                let live = |r: &&model::Res| {
                    let counts = ["held", "review", "sold"].contains(&r.state);
                    counts && r.buyer == who && self.model.skus[r.sku].camp == camp
                };
                let units: u32 = self.model.res.iter().filter(live).map(|r| r.units).sum();
                assert!(units <= self.limit_max[camp], "INV-6: buyer {who} has {units}");
            }
        }
        for (n, r) in self.model.res.iter().enumerate() {
            let actual = self.ledger.reservation(ReservationSeq(n as u32)).expect("it exists");
            assert_eq!(actual.state.as_str(), r.state, "state of {n}");
            assert_eq!((actual.amount, actual.expires_at.0), (r.amount, r.expires), "terms of {n}");
        }
        let refunds = self.ledger.refunds().iter();
        let refunds = refunds.map(|d| (d.seq.index(), usize::from(d.line), d.amount, d.done));
        assert_eq!(refunds.collect::<Vec<_>>(), self.model.refunds, "refunds due");
    }

    /// Once everything has expired: nothing leaked, and replay and image are the same state.
    fn check_end(&mut self) {
        self.pass(2 * END_MS);
        self.check();
        for sku in self.ledger.skus() {
            assert_eq!(sku.held, 0, "INV-3");
            assert_eq!(sku.free + sku.sold + sku.withdrawn, sku.supplied, "INV-3");
        }
        let mut replayed = Ledger::new([0, 0]);
        for record in &self.records {
            let mut bytes = Vec::new();
            encode(record, &mut bytes);
            replayed.apply(&decode(&bytes).expect("decodes")).expect("replays");
        }
        assert_eq!(replayed.digest(), self.ledger.digest(), "INV-10");
        assert_eq!(loaded(&self.ledger).digest(), self.ledger.digest(), "INV-10");
    }
}

fn payment(line: &Pay) -> PaymentLine {
    let currency = if line.foreign { Currency::new("PTS").expect("points") } else { Currency::CNY };
    PaymentLine {
        provider: Name::new("shop").expect("a name"),
        method: Name::new("card").expect("a name"),
        reference: format!("p{}", line.reference).into(),
        money: Money { amount: line.amount, currency },
    }
}

fn loaded(ledger: &Ledger) -> Ledger {
    let mut loader = SnapshotLoader::new([3, 4]);
    ledger.snapshot(|kind, bytes| loader.chunk(kind, bytes)).expect("its own image");
    loader.finish().expect("a whole image")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn behaves_like_the_naive_model(acts in proptest::collection::vec(any_act(), 1..150)) {
        let mut pair = start();
        for at in 0..acts.len() {
            let act = match acts[at] {
                Act::Again { back } => &acts[at.saturating_sub(back + 1)],
                _ => &acts[at],
            };
            if let Some((actual, expected)) = pair.step(act) {
                prop_assert_eq!(actual, expected, "act {}: {:?}", at, act);
            }
            pair.check();
        }
        pair.check_end();
    }
}
