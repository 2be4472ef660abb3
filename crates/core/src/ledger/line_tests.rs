//! The figures of one line, told to the last one: who was called up when, what is forgotten, what
//! was learned, and what an audit and an image say of it. Everybody here comes after the opening, so
//! a ticket's place is its number.

use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms};
use crate::line::Seed;
use crate::line::draw::recompute;
use crate::line::outflow::{Learned, Outflow};
use crate::line::terms::LineTerms;
use crate::phase::{Phase, Schedule};
use onrush_types::*;

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

/// Four people hold 2, 3, 1 and 4 of twenty units.
fn four_holds() -> Sale {
    let mut sale = Sale::open(spec(terms()), 5);
    sale.record(OPENS, served(4, 0));
    for (number, units) in (0..).zip([2, 3, 1, 4]) {
        sale.reserve(OPENS, number, units);
    }
    sale
}

fn paid(reference: &str, amount: i64) -> PaymentLine {
    let money = Money { amount, currency: Currency::CNY };
    let (provider, method) = (name("shop"), name("card"));
    PaymentLine { provider, method, reference: reference.into(), money }
}

#[test]
fn the_stock_of_a_line_follows_every_way_that_units_go() {
    let mut sale = four_holds();
    let mut check = |sale: &Sale, free, held, gone, holds, (ended, back)| {
        assert_eq!(sale.line().stock(), StockSum { free, held, gone, holds });
        let learned = sale.line().learned;
        assert_eq!((learned.ended, learned.back), (ended, back));
        sale.ledger.audit().unwrap_or_else(|v| panic!("{v}"));
    };
    let seq = ReservationSeq;
    check(&sale, 10, 10, 0, 4, (0, 0));
    let lines = vec![paid("p1", 200)];
    sale.act(OPENS + 1, Action::Confirm { seq: seq(0), lines, key: None });
    check(&sale, 10, 8, 2, 3, (2, 0));
    sale.act(OPENS + 1, Action::Release { seq: seq(1), key: None });
    check(&sale, 13, 5, 2, 2, (5, 3));
    sale.act(OPENS + 2, Action::Supply { sku: SkuIx(0), units: -5, by: by() });
    check(&sale, 8, 5, 7, 2, (5, 3));
    sale.act(OPENS + 2, Action::Supply { sku: SkuIx(0), units: 2, by: by() });
    check(&sale, 10, 5, 7, 2, (5, 3));
    let lines = vec![paid("p2", 400)];
    sale.act(OPENS + 3, Action::Confirm { seq: seq(3), lines, key: None });
    check(&sale, 10, 1, 11, 1, (9, 3));
    sale.record(OPENS + HOLD, Change::Expired { seq: seq(2) });
    check(&sale, 11, 0, 11, 0, (10, 4));
    sale.act(OPENS + HOLD, Action::Cancel { seq: seq(0), restock: false, by: by() });
    check(&sale, 11, 0, 11, 0, (10, 4));
}

#[test]
fn an_image_keeps_every_figure_of_a_line() {
    let rate = Outflow { per_second: Some(100), ..Outflow::default() };
    let mut sale = Sale::open(spec(LineTerms { outflow: rate, ..terms() }), 8);
    let call = |through, returned| Change::Served {
        campaign: CAMPAIGN,
        through,
        returned,
        per_second: Some(100),
    };
    sale.record(OPENS, call(4, 0));
    sale.reserve(OPENS, 3, 5);
    sale.reserve(OPENS + 1, 2, 3);
    sale.act(OPENS + 1, Action::Release { seq: ReservationSeq(0), key: None });
    let lines = vec![paid("p1", 300)];
    sale.act(OPENS + 1, Action::Confirm { seq: ReservationSeq(1), lines, key: None });
    for number in [0, 1] {
        sale.come_back(OPENS + PASS, number);
    }
    sale.record(OPENS + PASS + 20, call(5, 1));
    let to = Phase::Paused;
    sale.act(OPENS + PASS + 30, Action::Move { campaign: CAMPAIGN, to, by: by() });
    let mut loader = SnapshotLoader::new([5, 6]);
    sale.ledger.snapshot(|kind, bytes| loader.chunk(kind, bytes)).expect("its own image");
    let loaded = loader.finish().expect("a whole image");
    let (ours, theirs) = (sale.line(), loaded.line(CAMPAIGN).expect("it has a line"));
    let learned = Learned { passes: 4, units: 8, ended: 8, back: 5 };
    assert_eq!((ours.learned, theirs.learned), (learned, learned));
    assert_eq!(theirs.steps, ours.steps);
    assert_eq!((theirs.steps[0].used, theirs.steps[0].units), (2, 8));
    assert!(theirs.returning().eq([TicketNo(1)]) && theirs.called_again() == ours.called_again());
    assert_eq!((theirs.opened_at, theirs.paused_at), (ours.opened_at, ours.paused_at));
    assert_eq!((theirs.used, theirs.forgotten, theirs.pace), (2, 0, ours.pace));
    assert_eq!((theirs.stock, theirs.outflow), (ours.stock, rate));
    assert_eq!(theirs.lanes, ours.lanes);
    for number in (0..8).map(TicketNo) {
        assert_eq!(theirs.ticket(number), ours.ticket(number));
    }
    loaded.audit().unwrap_or_else(|v| panic!("{v}"));
}

#[test]
fn readers_of_the_tickets_see_those_of_the_ledger() {
    let sale = four_holds();
    let tickets = sale.line().tickets();
    tickets.publish_all();
    assert_eq!(tickets.count(), 5);
    assert_eq!(tickets.buyer(TicketNo(4)), Some(buyer(4)));
    assert_eq!(tickets.read(TicketNo(3)).map(|row| (row.place, row.used)), Some((Some(3), true)));
}

#[test]
fn an_audit_finds_each_figure_that_is_not_what_the_tickets_say() {
    type Bend = fn(&mut LineState);
    let bends: [(&str, Bend); 8] = [
        ("4 tickets are used, not 5", |line| line.used += 1),
        ("5 tickets are used, not 4", |line| line.tickets.set_used(TicketNo(4))),
        ("4 holds were made with 5 tickets", |line| {
            line.tickets.set_used(TicketNo(4));
            line.used += 1;
        }),
        ("its stock is", |line| line.stock.free += 1),
        ("its stock is", |line| line.stock.holds -= 1),
        ("a lane says", |line| line.lanes[0].arrivals += 1),
        ("ticket 3 has not place 3", |line| line.tickets.set_place(TicketNo(3), 1)),
        ("called up before the draw", |line| line.steps.push_back(step(6, OPENS, false))),
    ];
    four_holds().ledger.audit().unwrap_or_else(|v| panic!("{v}"));
    for (words, bend) in bends {
        let mut sale = four_holds();
        bend(sale.line_mut());
        let found = sale.ledger.audit().expect_err(words);
        assert_eq!(found.promise, "INV-11");
        assert!(found.what.contains(words), "{found} ({words})");
    }
    let mut sale = four_holds();
    sale.line_mut().lanes[0].drawn.as_mut().expect("it was drawn").count = 1;
    assert!(sale.ledger.audit().expect_err("a draw").what.contains("left somebody out"));
    let mut sale = four_holds();
    sale.line_mut().index.clear();
    assert!(sale.ledger.audit().expect_err("an index").what.contains("has another one too"));
}
