//! The figures of one line, told to the last one: who was called up when, what is forgotten, what
//! was learned. Everybody here comes after the opening, so a ticket's place is its number.

use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms};
use crate::line::Seed;
use crate::line::draw::recompute;
use crate::line::outflow::{Learned, Outflow};
use crate::line::terms::LineTerms;
use crate::phase::{Phase, Schedule};
use onrush_types::*;

#[path = "line_image_tests.rs"]
mod image;
#[path = "line_record_tests.rs"]
mod records;
#[path = "line_time_tests.rs"]
mod times;

const CAMPAIGN: CampaignIx = CampaignIx(0);
const OPENS: u64 = 100_000;
const PASS: u64 = 4_000;
const GRACE: u64 = 6_000;
const HOLD: u64 = 9_000;
const LIMIT: u32 = 10;

struct Sale {
    ledger: Ledger,
    takes: Takes,
}

/// Grants everything, and promises the seed that is set.
struct Takes {
    seed: u8,
}

impl Take for Takes {
    fn take(&mut self, _: SkuIx, _: u32) -> bool {
        true
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, lane: u8) -> [u8; 32] {
        Seed([self.seed + lane; 32]).commitment()
    }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

fn by() -> By {
    By::new("a test", "to see")
}

fn buyer(n: u32) -> BuyerDigest {
    BuyerDigest([n as u8 + 1; 16])
}

fn terms() -> LineTerms {
    LineTerms { pass: DurationMs(PASS), grace: DurationMs(GRACE), ..LineTerms::equal() }
}

fn spec(line: LineTerms) -> CampaignSpec {
    let schedule = Schedule { opens_at: Some(Timestamp(OPENS)), ..Schedule::default() };
    let (limit_per_buyer, hold) = (LIMIT, DurationMs(HOLD));
    CampaignSpec {
        waitlist: None,
        name: name("drop"),
        terms: Terms { schedule, limit_per_buyer, hold, ..Terms::open_now(Currency::CNY) },
        skus: vec![SkuSpec::new(name("unit"), 100, 20)],
        line: Some(line),
    }
}

fn served(through: u32, returned: u32) -> Change {
    Change::Served { campaign: CAMPAIGN, through, returned, per_second: None }
}

impl Sale {
    /// A campaign that was put and has not opened.
    fn put(spec: CampaignSpec) -> Sale {
        let mut sale = Sale { ledger: Ledger::new([1, 2]), takes: Takes { seed: 1 } };
        let answer = sale.act(1_000, Action::Put(Box::new(spec)));
        assert_eq!(answer, Answer::Done(Subject::Campaign(CAMPAIGN)));
        sale
    }

    /// A sale that has opened, its first lane drawn with nobody in it, and `people` who came then.
    fn open(spec: CampaignSpec, people: u32) -> Sale {
        let mut sale = Sale::put(spec);
        sale.switch(OPENS);
        sale.draw(OPENS);
        sale.join(OPENS, people);
        sale
    }

    fn switch(&mut self, now: u64) {
        while let Some(change) = self.ledger.due_switch(Timestamp(now)) {
            self.record(now, change);
        }
    }

    /// Draw the first lane, which nobody joined.
    fn draw(&mut self, now: u64) {
        let seed = Seed([1; 32]);
        let drawing = recompute(&seed, None, &[], self.line().terms.weights()).expect("a list");
        let (list_digest, turn) = (drawing.list_digest, drawing.turn);
        let facts = DrawFacts { lane: 0, count: 0, list_digest, turn, seed };
        let answer = self.act(now, Action::Draw { campaign: CAMPAIGN, facts });
        assert_eq!(answer, Answer::Done(Subject::Campaign(CAMPAIGN)));
    }

    fn join(&mut self, now: u64, people: u32) {
        for _ in 0..people {
            let number = TicketNo(self.line().joined());
            let (campaign, buyer) = (CAMPAIGN, buyer(number.0));
            let answer = self.act(now, Action::Join { campaign, buyer, class: 0 });
            assert_eq!(answer, Answer::Done(Subject::Ticket(CAMPAIGN, number)));
        }
    }

    fn reserve(&mut self, now: u64, number: u32, units: u32) {
        let answer = self.act(
            now,
            Action::Reserve(Reserve {
                sku: SkuIx(0),
                quantity: Quantity::new(units).expect("a few"),
                buyer: buyer(number),
                key: KeyDigest(u64::from(number) + 1),
                request: RequestDigest(0),
                review: false,
                halvings: 0,
                details: None,
                pass: Some(PassUse { number: TicketNo(number), place: number }),
            }),
        );
        assert!(matches!(answer, Answer::Done(_)), "{answer:?}");
    }

    fn come_back(&mut self, now: u64, number: u32) -> Answer {
        let (campaign, place) = (CAMPAIGN, number);
        self.act(now, Action::Return { campaign, number: TicketNo(number), place })
    }

    fn act(&mut self, now: u64, action: Action) -> Answer {
        let now = Timestamp(now);
        self.ledger.perform(action, now, &mut self.takes, &mut |_, _| {}).expect("it applies")
    }

    fn record(&mut self, stamp: u64, change: Change) {
        let record = Record { stamp: Timestamp(stamp), change };
        self.ledger.apply(&record).unwrap_or_else(|e| panic!("{record:?}: {e}"));
    }

    /// Apply a record that does not follow, and return what is said about it.
    fn refused(&mut self, stamp: u64, change: Change) -> String {
        let record = Record { stamp: Timestamp(stamp), change };
        self.ledger.apply(&record).expect_err("it does not follow").what
    }

    fn line(&self) -> &LineState {
        self.ledger.line(CAMPAIGN).expect("it has a line")
    }

    fn line_mut(&mut self) -> &mut LineState {
        self.ledger.line_mut(CAMPAIGN).expect("it has a line")
    }

    fn learned(&self, now: u64) -> Learned {
        self.line().learned(Timestamp(now))
    }
}

fn passes(passes: u32, units: u32) -> Learned {
    Learned { passes, units, ..Learned::default() }
}

fn step(through: u32, at: u64, counted: bool) -> Step {
    Step { through, at: Timestamp(at), used: 0, units: 0, counted }
}

#[test]
fn steps_are_counted_when_their_passes_are_over_and_forgotten_after_the_grace() {
    let mut sale = Sale::open(spec(terms()), 6);
    assert_eq!((sale.line().forgotten(), sale.line().steps().len()), (0, 0));
    sale.record(OPENS, served(2, 0));
    sale.record(OPENS + 1_000, served(5, 0));
    let both = [step(2, OPENS, false), step(5, OPENS + 1_000, false)];
    assert!(sale.line().steps().iter().eq(&both), "{:?}", sale.line().steps());
    // What is over is told before it is counted.
    assert_eq!(sale.learned(OPENS + PASS - 1), passes(0, 0));
    assert_eq!(sale.learned(OPENS + PASS), passes(2, 0));
    assert_eq!(sale.learned(OPENS + 1_000 + PASS), passes(5, 0));
    let now = OPENS + PASS + GRACE;
    sale.record(now, served(6, 0));
    let left = [step(5, OPENS + 1_000, true), step(6, now, false)];
    assert!(sale.line().steps().iter().eq(&left), "{:?}", sale.line().steps());
    assert_eq!((sale.line().forgotten(), sale.line().served()), (2, 6));
    assert_eq!(sale.learned(now), passes(5, 0), "each pass once");
    sale.join(now, 1);
    let now = now + PASS + GRACE;
    sale.record(now, served(7, 0));
    assert!(sale.line().steps().iter().eq(&[step(7, now, false)]));
    assert_eq!((sale.line().forgotten(), sale.learned(now)), (6, passes(6, 0)));
}

#[test]
fn who_comes_back_is_called_up_once_more_and_counted_once_more() {
    let mut sale = Sale::open(spec(terms()), 4);
    sale.record(OPENS, served(2, 0));
    for number in [1, 0] {
        let ticket = Subject::Ticket(CAMPAIGN, TicketNo(number));
        assert_eq!(sale.come_back(OPENS + PASS, number), Answer::Done(ticket));
    }
    assert!(sale.line().returning().eq([1, 0].map(TicketNo)), "in the order in which they came");
    let now = OPENS + PASS + 100;
    sale.record(now, served(2, 2));
    let again = [1, 0].map(|n| Again { number: TicketNo(n), at: Timestamp(now) });
    assert!(sale.line().called_again().iter().eq(&again), "{:?}", sale.line().called_again());
    assert_eq!(sale.line().returning().count(), 0);
    assert_eq!(sale.line().steps().len(), 1, "a second call makes no step");
    assert_eq!(sale.learned(now + PASS - 1), passes(2, 0));
    assert_eq!(sale.learned(now + PASS), passes(4, 0));
    // The one who takes units leaves the other one's pass alone.
    sale.reserve(now + 10, 1, 3);
    assert!(sale.line().called_again().iter().eq(&again[1..]));
    assert_eq!(sale.learned(now + 10), passes(3, 3));
    assert_eq!(sale.line().outstanding(Timestamp(now + 10)), 1);
    sale.ledger.audit().unwrap_or_else(|v| panic!("{v}"));
}

#[test]
fn steps_are_so_far_apart_that_those_kept_stay_few() {
    for (pass, grace, spacing) in
        [(86_400_000, 86_400_000, 42_188), (81_920, 1, 21), (81_920, 0, 20), (PASS, GRACE, 20)]
    {
        let (pass, grace) = (DurationMs(pass), DurationMs(grace));
        let line = LineState::new(LineTerms { pass, grace, ..terms() }, vec![[0; 32]]);
        assert_eq!(line.spacing(), DurationMs(spacing), "{pass:?} {grace:?}");
    }
}

#[test]
fn held_units_count_for_what_is_known_to_come_back() {
    let mut line = LineState::new(terms(), vec![[0; 32]]);
    line.learned = Learned { ended: 8, back: 8, ..Learned::default() };
    for (free, held, most) in [(10, 4, 12), (0, 4, 2), (0, 1, 1), (10, 0, 10), (0, 0, 0)] {
        line.stock = StockSum { free, held, ..StockSum::default() };
        assert_eq!(line.passes_max(LIMIT, Timestamp(OPENS)), most, "{free} free, {held} held");
    }
}
