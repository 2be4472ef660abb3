//! Random histories of a line against its rules stated a second time, as plainly as can be: a list of
//! people, each with a place, and a clock that stands still while the sale is paused.

use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms};
use crate::line::draw::recompute;
use crate::line::outflow::Outflow;
use crate::line::terms::{LineTerms, Tier};
use crate::line::{Pseudonyms, Seed};
use crate::phase::{Phase, Schedule};
use crate::refusal::Refusal;
use onrush_types::*;
use proptest::prelude::*;
use std::collections::HashSet;

const CAMPAIGN: CampaignIx = CampaignIx(0);
const OPENS: u64 = 10_000;
const LATER: u64 = 20_000;
const PASS: u64 = 4_000;
const GRACE: u64 = 6_000;
const HOLD: u64 = 9_000;

#[derive(Clone, Debug)]
enum Op {
    Join { buyer: u8, class: u8 },
    Pass(u64),
    Serve { health: u32 },
    Reserve { buyer: u8, with: u8, units: u32 },
    Settle { nth: u8, sell: bool },
    Return { buyer: u8 },
    Outflow { per_second: Option<u32>, inside: Option<u32>, most: u32 },
    Pause,
    Supply(u32),
}

fn any_op() -> impl Strategy<Value = Op> {
    let limit = |most: u32| proptest::option::of(1..most);
    prop_oneof![
        6 => (0u8..60, 0u8..3).prop_map(|(buyer, class)| Op::Join { buyer, class }),
        5 => (1u64..3_000).prop_map(Op::Pass),
        6 => (0u32..=1_400).prop_map(|health| Op::Serve { health: health.min(1_000) }),
        6 => (0u8..60, 0u8..20, 1u32..6).prop_map(|(buyer, near, units)| {
            // Mostly with one's own pass.
            Op::Reserve { buyer, with: if near < 17 { buyer } else { buyer + 1 }, units }
        }),
        3 => any::<(u8, bool)>().prop_map(|(nth, sell)| Op::Settle { nth, sell }),
        3 => (0u8..60).prop_map(|buyer| Op::Return { buyer }),
        1 => (limit(40), limit(12), 1u32..5)
            .prop_map(|(per_second, inside, most)| Op::Outflow { per_second, inside, most }),
        1 => Just(Op::Pause),
        1 => (1u32..20).prop_map(Op::Supply),
    ]
}

/// A person in the model.
#[derive(Clone, Debug)]
struct Person {
    buyer: u8,
    lane: u8,
    place: Option<u32>,
    /// On the clock of the line.
    called: Option<u64>,
    returned: Option<Option<u64>>,
    used: bool,
}

struct World {
    ledger: Ledger,
    replica: Ledger,
    now: u64,
    /// Time in which the sale was not paused.
    line_clock: u64,
    paused: bool,
    people: Vec<Person>,
    drawn: [bool; 2],
    waiting: Vec<usize>,
    key: u64,
}

struct Granting;

impl Take for Granting {
    fn take(&mut self, _: SkuIx, _: u32) -> bool {
        true
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, lane: u8) -> [u8; 32] {
        Seed([lane + 1; 32]).commitment()
    }
}

fn digest(buyer: u8) -> BuyerDigest {
    BuyerDigest([buyer + 1; 16])
}

fn spec() -> CampaignSpec {
    let name = |text: &str| Name::new(text).expect("a name");
    let tier = |text: &str, weight, after| Tier {
        name: name(text),
        groups: vec![],
        weight,
        after: DurationMs(after),
    };
    let schedule = Schedule { opens_at: Some(Timestamp(OPENS)), ..Schedule::default() };
    CampaignSpec {
        waitlist: None,
        name: name("drop"),
        terms: Terms {
            schedule,
            limit_per_buyer: 10,
            hold: DurationMs(HOLD),
            ..Terms::open_now(Currency::CNY)
        },
        skus: vec![SkuSpec::new(name("unit"), 0, 20)],
        line: Some(LineTerms {
            tiers: vec![tier("all", 1, LATER), tier("gold", 3, 0), tier("silver", 2, 0)],
            pass: DurationMs(PASS),
            grace: DurationMs(GRACE),
            ..LineTerms::equal()
        }),
    }
}

impl World {
    fn new() -> World {
        let (ledger, replica) = (Ledger::new([1, 2]), Ledger::new([3, 4]));
        let mut world = World {
            ledger,
            replica,
            now: 1_000,
            line_clock: 0,
            paused: false,
            people: Vec::new(),
            drawn: [false; 2],
            waiting: Vec::new(),
            key: 0,
        };
        assert!(matches!(world.act(Action::Put(Box::new(spec()))), Answer::Done(_)));
        world
    }

    fn act(&mut self, action: Action) -> Answer {
        let mut records = Vec::new();
        let now = Timestamp(self.now);
        let keep = &mut |r: &Record, _: Effect| records.push(r.clone());
        let answer = self.ledger.perform(action, now, &mut Granting, keep).expect("it applies");
        records.iter().for_each(|record| self.hear(record));
        answer
    }

    fn record(&mut self, change: Change) {
        let mut records = Vec::new();
        let keep = &mut |r: &Record, _: Effect| records.push(r.clone());
        self.ledger.record(change, Timestamp(self.now), keep).expect("what is due applies");
        records.iter().for_each(|record| self.hear(record));
    }

    fn hear(&mut self, record: &Record) {
        let mut bytes = Vec::new();
        encode(record, &mut bytes);
        self.replica.apply(&decode(&bytes).expect("a record")).expect("replay follows");
    }

    fn line(&self) -> &LineState {
        self.ledger.line(CAMPAIGN).expect("it has a line")
    }

    /// The latest lane that has started.
    fn latest(&self) -> Option<u8> {
        match self.now {
            now if now >= OPENS + LATER => Some(1),
            now if now >= OPENS => Some(0),
            _ => None,
        }
    }

    fn find(&self, buyer: u8) -> Option<usize> {
        self.people.iter().position(|person| person.buyer == buyer)
    }

    fn is_up(&self, at: usize) -> bool {
        let person = &self.people[at];
        let called = match person.returned {
            None => person.called,
            Some(again) => again,
        };
        called.is_some_and(|called| self.line_clock < called + PASS) && !person.used
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Join { buyer, class } => self.join(buyer, class),
            Op::Pass(ms) => self.pass_time(ms),
            Op::Serve { health } => self.serve(health),
            Op::Reserve { buyer, with, units } => self.reserve(buyer, with, units),
            Op::Settle { nth, sell } => {
                let live: Vec<_> = (0..self.ledger.reservation_count())
                    .map(ReservationSeq)
                    .filter(|seq| self.ledger.reservation(*seq).is_some_and(|r| r.state.is_held()))
                    .collect();
                if let Some(&seq) = live.get(usize::from(nth) % live.len().max(1)) {
                    let lines = Vec::new();
                    self.act(if sell {
                        Action::Confirm { seq, lines, key: None }
                    } else {
                        Action::Release { seq, key: None }
                    });
                }
            }
            Op::Return { buyer } => self.come_back(buyer),
            Op::Outflow { per_second, inside, most } => {
                let passes_per_unit_max = most;
                let outflow =
                    Outflow { per_second, inside, passes_per_unit_max, ..Outflow::default() };
                let by = By::new("a test", "to see");
                self.act(Action::SetOutflow { campaign: CAMPAIGN, outflow, by });
            }
            Op::Pause => {
                let to = if self.paused { Phase::Open } else { Phase::Paused };
                let by = By::new("a test", "to see");
                let answer = self.act(Action::Move { campaign: CAMPAIGN, to, by });
                self.paused ^= matches!(answer, Answer::Done(_));
            }
            Op::Supply(units) => {
                let by = By::new("a test", "to see");
                self.act(Action::Supply { sku: SkuIx(0), units: units.into(), by });
            }
        }
    }

    fn join(&mut self, buyer: u8, class: u8) {
        let answer = self.act(Action::Join { campaign: CAMPAIGN, buyer: digest(buyer), class });
        let own = u8::from(class == 0);
        match self.find(buyer) {
            Some(at) => {
                let ticket = Subject::Ticket(CAMPAIGN, TicketNo(at as u32));
                assert_eq!(answer, Answer::Already(ticket), "one buyer, one place");
            }
            None => {
                let number = TicketNo(self.people.len() as u32);
                assert_eq!(answer, Answer::Done(Subject::Ticket(CAMPAIGN, number)));
                let latest = self.latest();
                let lane = latest.map_or(own, |latest| own.max(latest));
                let before = |p: &&Person| p.lane <= lane;
                let started = latest.is_some_and(|latest| lane <= latest);
                // Whoever comes after the start of a lane is behind all who are in it.
                let place = started.then(|| self.people.iter().filter(before).count() as u32);
                let (called, returned, used) = (None, None, false);
                self.people.push(Person { buyer, lane, place, called, returned, used });
            }
        }
    }

    fn pass_time(&mut self, ms: u64) {
        // Lanes start and are drawn on time, as the engine sees to.
        for at in [OPENS, OPENS + LATER] {
            if self.now < at && at <= self.now + ms {
                let rest = self.now + ms - at;
                self.move_clock(at - self.now);
                self.draw_next();
                return self.pass_time(rest);
            }
        }
        self.move_clock(ms);
    }

    fn move_clock(&mut self, ms: u64) {
        self.now += ms;
        self.line_clock += if self.paused { 0 } else { ms };
        while let Some(change) = self.ledger.due_switch(Timestamp(self.now)) {
            self.record(change);
        }
        while let Some(seq) = self.ledger.due_expiry(Timestamp(self.now)) {
            self.record(Change::Expired { seq });
        }
    }

    fn draw_next(&mut self) {
        let lane = u8::from(self.drawn[0]);
        let theirs: Vec<usize> =
            (0..self.people.len()).filter(|&at| self.people[at].lane == lane).collect();
        let pseudonyms = Pseudonyms::new(&[7; 32]);
        let list: Vec<_> = theirs
            .iter()
            .map(|&at| {
                let row = self.line().ticket(TicketNo(at as u32)).expect("a ticket");
                (pseudonyms.of(row.buyer), row.class)
            })
            .collect();
        let (seed, weights) = (Seed([lane + 1; 32]), self.line().terms.weights());
        let drawing = recompute(&seed, None, &list, weights).expect("a list");
        let base = self.people.iter().filter(|person| person.lane < lane).count() as u32;
        for (&at, rank) in theirs.iter().zip(drawing.ranks()) {
            assert_eq!(self.people[at].place, None, "nobody is drawn who came after the start");
            self.people[at].place = Some(base + rank);
        }
        let (list_digest, turn, count) = (drawing.list_digest, drawing.turn, list.len() as u32);
        let facts = DrawFacts { lane, count, list_digest, turn, seed };
        let answer = self.act(Action::Draw { campaign: CAMPAIGN, facts });
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
        self.drawn[usize::from(lane)] = true;
    }

    fn serve(&mut self, health: u32) {
        let change = self.ledger.due_served(CAMPAIGN, health, Timestamp(self.now));
        let Some(change) = change else { return };
        let Change::Served { through, returned, .. } = change else { panic!("{change:?}") };
        assert!(!self.paused && self.now >= OPENS, "nobody is called up while it is not open");
        self.record(change);
        for at in self.waiting.drain(..returned as usize) {
            self.people[at].returned = Some(Some(self.line_clock));
        }
        for person in &mut self.people {
            if person.place.is_some_and(|place| place < through) && person.called.is_none() {
                person.called = Some(self.line_clock);
            }
        }
        let out = (0..self.people.len()).filter(|&at| self.is_up(at)).count() as u32;
        let line = self.line();
        let (stock, most) = (line.stock(), line.outflow.passes_per_unit_max);
        let good_for = (stock.free + stock.held) * u64::from(most);
        assert!(u64::from(out) <= good_for.max(1), "{out} passes for {stock:?}");
        let (now, limit) = (Timestamp(self.now), 10);
        assert!(out <= line.passes_max(limit, now), "{out} passes, {stock:?}");
        let inside = line.outflow.inside.unwrap_or(u32::MAX);
        assert!(out + stock.holds <= inside, "{out} passes and {stock:?}, {inside} inside");
    }

    fn reserve(&mut self, buyer: u8, with: u8, units: u32) {
        self.key += 1;
        let at = self.find(with);
        let place = at.and_then(|at| self.people[at].place).unwrap_or(u32::MAX - 1);
        let number = TicketNo(at.map_or(u32::MAX - 1, |at| at as u32));
        let sku = &self.ledger.skus()[0];
        let enough = sku.free >= units;
        let answer = self.act(Action::Reserve(Reserve {
            sku: SkuIx(0),
            quantity: Quantity::new(units).expect("a few"),
            buyer: digest(buyer),
            key: KeyDigest(self.key),
            request: RequestDigest(0),
            review: false,
            halvings: 0,
            details: None,
            pass: Some(PassUse { number, place }),
        }));
        let theirs = at.filter(|_| buyer == with);
        let expected = match theirs.filter(|&at| self.is_up(at)) {
            _ if self.now < OPENS => Some("not_open"),
            _ if self.paused => Some("paused"),
            None => Some("pass_invalid"),
            Some(_) if !enough => Some("stock"),
            Some(at) => {
                self.people[at].used = true;
                None
            }
        };
        let told = match &answer {
            Answer::Refused(Refusal::SoldOut { .. } | Refusal::AllHeld { .. }) => Some("stock"),
            Answer::Refused(refusal) => Some(refusal.code()),
            _ => None,
        };
        assert_eq!(told, expected, "a reserve by {buyer} with the pass of {with}");
    }

    fn come_back(&mut self, buyer: u8) {
        let Some(at) = self.find(buyer) else { return };
        let person = self.people[at].clone();
        let Some(place) = person.place else { return };
        let number = TicketNo(at as u32);
        let answer = self.act(Action::Return { campaign: CAMPAIGN, number, place });
        let subject = Subject::Ticket(CAMPAIGN, number);
        let since = person.called.map(|called| self.line_clock - called);
        let expected = match (person.used, person.returned, since) {
            (true, ..) => Answer::Refused(Refusal::PassInvalid),
            (_, Some(None), _) => Answer::Already(subject),
            (_, Some(Some(_)), _) if self.is_up(at) => Answer::Already(subject),
            (_, Some(Some(_)), _) => Answer::Refused(Refusal::PassInvalid),
            (_, None, None) => Answer::Already(subject),
            (_, None, Some(ms)) if ms < PASS => Answer::Already(subject),
            (_, None, Some(ms)) if ms < PASS + GRACE => {
                self.people[at].returned = Some(None);
                self.waiting.push(at);
                Answer::Done(subject)
            }
            _ => Answer::Refused(Refusal::PassInvalid),
        };
        assert_eq!(answer, expected, "{person:?} comes back at {}", self.line_clock);
    }

    /// What must hold after every step.
    fn check(&self) {
        self.ledger.audit().unwrap_or_else(|v| panic!("{v}"));
        let line = self.line();
        let mut places = HashSet::new();
        for (at, person) in self.people.iter().enumerate() {
            let ticket = line.ticket(TicketNo(at as u32)).expect("a ticket");
            assert_eq!((ticket.lane, ticket.used), (person.lane, person.used));
            assert!(ticket.place.is_none() || ticket.place == person.place, "{person:?}");
            let Some(place) = person.place else { continue };
            assert!(places.insert(place), "two people have place {place}");
            // No inversion: exactly those before `served` were called up.
            assert_eq!(person.called.is_some(), place < line.served(), "{person:?}");
        }
        let out = (0..self.people.len()).filter(|&at| self.is_up(at)).count() as u32;
        assert_eq!(line.outstanding(Timestamp(self.now)), out, "passes out");
    }

    fn check_replay(&self) {
        let digest = self.ledger.digest();
        assert_eq!(self.replica.digest(), digest, "replay (INV-10)");
        let mut loader = SnapshotLoader::new([5, 6]);
        self.ledger.snapshot(|kind, bytes| loader.chunk(kind, bytes)).expect("its own image");
        let loaded = loader.finish().expect("a whole image");
        assert_eq!(loaded.digest(), digest, "the image");
        loaded.audit().unwrap_or_else(|v| panic!("loaded: {v}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn a_line_behaves_like_a_list_of_people(ops in proptest::collection::vec(any_op(), 1..160)) {
        let mut world = World::new();
        for op in ops {
            world.step(op);
            world.check();
        }
        world.check_replay();
    }
}
