//! The waitlist against the plainest statement of its rules: two lists and a loop. And what a journal
//! may not say about it.

use super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms, WaitTerms};
use crate::phase::{Phase, Schedule};
use crate::refusal::Refusal;
use crate::wait_queue::Wish;
use onrush_types::*;
use proptest::prelude::*;

const START: u64 = 1_000_000;
const CLOSES: u64 = START + 300_000;
const HOLD: u64 = 10_000;
const OFFER: u64 = 4_000;
const LIMIT: u32 = 4;

#[derive(Clone, Debug)]
enum Act {
    Join { sku: usize, buyer: u8, units: u32 },
    Leave { sku: usize, buyer: u8 },
    Reserve { sku: usize, buyer: u8, units: u32 },
    Pay { res: usize },
    Release { res: usize },
    Cancel { res: usize, restock: bool },
    Supply { sku: usize, units: i64 },
    Move { to: Phase },
    Pass { ms: u64 },
    Restart,
}

fn any_act() -> impl Strategy<Value = Act> {
    let sku = || 0usize..2;
    let buyer = || 0u8..7;
    prop_oneof![
        6 => (sku(), buyer(), 1u32..4).prop_map(|(sku, buyer, units)| Act::Join { sku, buyer, units }),
        1 => (sku(), buyer()).prop_map(|(sku, buyer)| Act::Leave { sku, buyer }),
        6 => (sku(), buyer(), 1u32..4)
            .prop_map(|(sku, buyer, units)| Act::Reserve { sku, buyer, units }),
        3 => (0usize..60).prop_map(|res| Act::Pay { res }),
        3 => (0usize..60).prop_map(|res| Act::Release { res }),
        1 => (0usize..60, any::<bool>()).prop_map(|(res, restock)| Act::Cancel { res, restock }),
        2 => (sku(), -2i64..4).prop_map(|(sku, units)| Act::Supply { sku, units }),
        1 => prop_oneof![8 => Just(Phase::Open), 4 => Just(Phase::Paused), 1 => Just(Phase::Closed)]
            .prop_map(|to| Act::Move { to }),
        4 => prop_oneof![Just(OFFER), Just(HOLD), 1u64..6_000].prop_map(|ms| Act::Pass { ms }),
        1 => Just(Act::Restart),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Hold {
    sku: usize,
    buyer: u8,
    units: u32,
    state: State,
    expires: u64,
}

/// The rules once more: who waits, in order, and every hold.
struct Plain {
    now: u64,
    phase: Phase,
    free: [u32; 2],
    lines: [Vec<(u8, u32)>; 2],
    holds: Vec<Hold>,
    skipped: usize,
}

use crate::reservation::State;

impl Plain {
    fn owned(&self, buyer: u8) -> u32 {
        let theirs = self.holds.iter().filter(|hold| hold.buyer == buyer);
        theirs.filter(|hold| hold.state.counts_towards_limit()).map(|hold| hold.units).sum()
    }

    fn may_have(&self, buyer: u8, units: u32) -> bool {
        let remembered = self.holds.iter().filter(|hold| hold.buyer == buyer).count();
        self.owned(buyer) + units <= LIMIT && remembered < 16
    }

    fn hold(&mut self, sku: usize, buyer: u8, units: u32, ms: u64) {
        self.free[sku] -= units;
        let expires = self.now + ms;
        self.holds.push(Hold { sku, buyer, units, state: State::Held, expires });
    }

    /// Serve the lines: whoever is first gets what is there, up to the wish and the limit.
    fn serve(&mut self) {
        for sku in 0..2 {
            while self.phase == Phase::Open && self.free[sku] > 0 && !self.lines[sku].is_empty() {
                let (buyer, wish) = self.lines[sku][0];
                let most = wish.min(self.free[sku]);
                match (1..=most).rev().find(|units| self.may_have(buyer, *units)) {
                    None => {
                        self.lines[sku].remove(0);
                        self.skipped += 1;
                    }
                    Some(units) => {
                        self.hold(sku, buyer, units, OFFER);
                        self.lines[sku][0].1 -= units;
                        self.lines[sku].retain(|(_, wish)| *wish > 0);
                    }
                }
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms;
        if self.now >= CLOSES {
            self.close();
        }
        let now = self.now;
        for hold in &mut self.holds {
            if hold.state == State::Held && hold.expires <= now {
                hold.state = State::Expired;
                self.free[hold.sku] += hold.units;
            }
        }
    }

    fn close(&mut self) {
        self.phase = self.phase.max(Phase::Closed);
        self.lines = Default::default();
    }
}

struct Pair {
    ledger: Ledger,
    plain: Plain,
    records: Vec<Record>,
    payments: u32,
}

/// Grants what the ledger has: nobody else takes.
struct Grants;

impl Take for Grants {
    fn take(&mut self, _: SkuIx, _: u32) -> bool {
        true
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, _: u8) -> [u8; 32] {
        unreachable!("no campaign here has a line")
    }
}

fn buyer(n: u8) -> BuyerDigest {
    BuyerDigest([n + 1; 16])
}

fn by() -> By {
    By::new("model", "test")
}

fn start() -> Pair {
    let schedule = Schedule {
        opens_at: Some(Timestamp(START)),
        closes_at: Some(Timestamp(CLOSES)),
        ..Schedule::default()
    };
    let terms = Terms {
        schedule,
        limit_per_buyer: LIMIT,
        hold: DurationMs(HOLD),
        ..Terms::open_now(Currency::CNY)
    };
    let sku = |n: &str| SkuSpec::new(Name::new(n).expect("a name"), 100, 3);
    let spec = CampaignSpec {
        waitlist: Some(WaitTerms { offer: DurationMs(OFFER) }),
        ..CampaignSpec::new(Name::new("c").expect("a name"), terms, vec![sku("a"), sku("b")])
    };
    let plain = Plain {
        now: START,
        phase: Phase::Open,
        free: [3; 2],
        lines: Default::default(),
        holds: vec![],
        skipped: 0,
    };
    let mut pair = Pair { ledger: Ledger::new([7, 8]), plain, records: vec![], payments: 0 };
    assert_eq!(pair.ask(Action::Put(Box::new(spec))), "done");
    pair.catch_up();
    pair
}

impl Pair {
    fn ask(&mut self, action: Action) -> &'static str {
        let records = &mut self.records;
        let sink = &mut |record: &Record, _| records.push(record.clone());
        let now = Timestamp(self.plain.now);
        match self.ledger.perform(action, now, &mut Grants, sink).expect("applies") {
            Answer::Done(_) => "done",
            Answer::Already(_) => "already",
            Answer::Refused(refusal) => refusal.code(),
        }
    }

    /// Do what is due, as the engine does in every turn.
    fn catch_up(&mut self) {
        let now = Timestamp(self.plain.now);
        let records = &mut self.records;
        let sink = &mut |record: &Record, _: Effect| records.push(record.clone());
        while let Some(change) = self.ledger.due_switch(now) {
            self.ledger.record(change, now, sink).expect("a switch applies");
        }
        while let Some(seq) = self.ledger.due_expiry(now) {
            self.ledger.record(Change::Expired { seq }, now, sink).expect("an expiry applies");
        }
        while let Some(change) = self.ledger.due_offer(now, &mut Grants) {
            self.ledger.record(change, now, sink).expect("an offer applies");
        }
    }

    /// Do `act` on both sides and return both answers.
    fn step(&mut self, act: &Act) -> (&'static str, &'static str) {
        let there =
            |res: usize, plain: &Plain| plain.holds.len().checked_sub(1).map(|last| res.min(last));
        match *act {
            Act::Join { sku, buyer: b, units } => {
                let (ix, quantity) = (SkuIx(sku as u32), Quantity::new(units).expect("1 to 3"));
                let join = WaitAction::Join { sku: ix, buyer: buyer(b), quantity };
                (self.ask(Action::Wait(join)), self.join(sku, b, units))
            }
            Act::Leave { sku, buyer: b } => {
                let leave = WaitAction::Leave { sku: SkuIx(sku as u32), buyer: buyer(b) };
                let line = &mut self.plain.lines[sku];
                let before = line.len();
                line.retain(|(who, _)| *who != b);
                let expected = if line.len() < before { "done" } else { "not_found" };
                (self.ask(Action::Wait(leave)), expected)
            }
            Act::Reserve { sku, buyer: b, units } => {
                let ask = Reserve {
                    sku: SkuIx(sku as u32),
                    quantity: Quantity::new(units).expect("1 to 3"),
                    buyer: buyer(b),
                    key: KeyDigest(1 + self.records.len() as u64),
                    request: RequestDigest(0),
                    review: false,
                    halvings: 0,
                    details: None,
                    pass: None,
                };
                (self.ask(Action::Reserve(ask)), self.reserve(sku, b, units))
            }
            Act::Pay { res } => there(res, &self.plain).map_or(("", ""), |n| self.pay(n)),
            Act::Release { res } => {
                let Some(n) = there(res, &self.plain) else { return ("", "") };
                let seq = ReservationSeq(n as u32);
                let expected = match self.plain.holds[n].state {
                    State::Held => self.end(n, State::Released),
                    State::Released => "already",
                    State::Expired => "expired",
                    _ => "already_final",
                };
                (self.ask(Action::Release { seq, key: None }), expected)
            }
            Act::Cancel { res, restock } => {
                let Some(n) = there(res, &self.plain) else { return ("", "") };
                let seq = ReservationSeq(n as u32);
                let expected = match self.plain.holds[n].state {
                    State::Sold if restock => self.end(n, State::Cancelled),
                    State::Sold => {
                        self.plain.holds[n].state = State::Cancelled;
                        "done"
                    }
                    State::Cancelled => "already",
                    State::Held | State::Review => "invalid_request",
                    _ => "already_final",
                };
                (self.ask(Action::Cancel { seq, restock, by: by() }), expected)
            }
            Act::Supply { sku, units } => {
                let free = i64::from(self.plain.free[sku]) + units;
                let fits = units != 0 && free >= 0;
                self.plain.free[sku] = if fits { free as u32 } else { self.plain.free[sku] };
                let expected = if fits { "done" } else { "invalid_request" };
                let sku = SkuIx(sku as u32);
                (self.ask(Action::Supply { sku, units, by: by() }), expected)
            }
            Act::Move { to } => {
                let from = self.plain.phase;
                let expected = if from == to {
                    "already"
                } else if from == Phase::Closed {
                    "invalid_request"
                } else {
                    "done"
                };
                if expected == "done" {
                    self.plain.phase = to;
                }
                if to == Phase::Closed {
                    self.plain.close();
                }
                (self.ask(Action::Move { campaign: CampaignIx(0), to, by: by() }), expected)
            }
            Act::Pass { ms } => {
                self.plain.pass(ms);
                ("", "")
            }
            Act::Restart => {
                self.ledger = loaded(&self.ledger);
                ("", "")
            }
        }
    }

    fn join(&mut self, sku: usize, b: u8, units: u32) -> &'static str {
        let plain = &mut self.plain;
        if plain.lines[sku].iter().any(|(who, _)| *who == b) {
            return "already";
        }
        if plain.phase == Phase::Closed {
            return "ended";
        }
        if !plain.may_have(b, units) {
            return "limit_reached";
        }
        if plain.free[sku] > 0 && plain.lines[sku].is_empty() {
            return "units_free";
        }
        plain.lines[sku].push((b, units));
        "done"
    }

    fn reserve(&mut self, sku: usize, b: u8, units: u32) -> &'static str {
        let plain = &mut self.plain;
        match plain.phase {
            Phase::Open => {}
            Phase::Paused => return "paused",
            _ => return "ended",
        }
        if !plain.may_have(b, units) {
            return "limit_reached";
        }
        if plain.free[sku] < units || !plain.lines[sku].is_empty() {
            let live = |hold: &Hold| hold.sku == sku && hold.state == State::Held;
            return if plain.holds.iter().any(live) { "all_held" } else { "sold_out" };
        }
        plain.hold(sku, b, units, HOLD);
        "done"
    }

    /// Pay for a hold in full, under a new reference each time.
    fn pay(&mut self, n: usize) -> (&'static str, &'static str) {
        let hold = self.plain.holds[n];
        let late = hold.state == State::Expired
            && self.plain.phase == Phase::Open
            && self.plain.lines[hold.sku].is_empty()
            && self.plain.free[hold.sku] >= hold.units
            && self.plain.owned(hold.buyer) + hold.units <= LIMIT;
        if late {
            self.plain.free[hold.sku] -= hold.units;
        }
        if late || hold.state == State::Held {
            self.plain.holds[n].state = State::Sold;
        }
        self.payments += 1;
        let line = PaymentLine {
            provider: Name::new("shop").expect("a name"),
            method: Name::new("card").expect("a name"),
            reference: format!("p{}", self.payments).into(),
            money: Money { amount: i64::from(hold.units) * 100, currency: Currency::CNY },
        };
        let seq = ReservationSeq(n as u32);
        if self.ledger.lines(seq).len() == limits::PAYMENTS_PER_RESERVATION_MAX {
            return ("", "");
        }
        (self.ask(Action::Confirm { seq, lines: vec![line], key: None }), "done")
    }

    fn end(&mut self, n: usize, state: State) -> &'static str {
        let hold = &mut self.plain.holds[n];
        hold.state = state;
        self.plain.free[hold.sku] += hold.units;
        "done"
    }

    fn check(&self) {
        self.ledger.audit().expect("the audit");
        for sku in 0..2 {
            let ix = SkuIx(sku as u32);
            let queue = self.ledger.wait_queue(ix).into_iter().flat_map(|queue| queue.iter());
            let line: Vec<_> = queue.map(|wish| (wish.buyer, wish.quantity.get())).collect();
            let expected = self.plain.lines[sku].iter();
            let expected: Vec<_> = expected.map(|(b, units)| (buyer(*b), *units)).collect();
            assert_eq!(line, expected, "the line before {sku}");
            assert_eq!(self.ledger.skus()[sku].free, self.plain.free[sku], "free units of {sku}");
            let served = self.plain.phase == Phase::Open && self.plain.free[sku] > 0;
            assert!(!served || line.is_empty(), "a unit lies idle while somebody waits");
        }
        assert_eq!(self.ledger.reservation_count() as usize, self.plain.holds.len());
        for (n, hold) in self.plain.holds.iter().enumerate() {
            let r = self.ledger.reservation(ReservationSeq(n as u32)).expect("it exists");
            let same = (r.buyer, r.quantity.get(), r.state, r.expires_at.0);
            assert_eq!(same, (buyer(hold.buyer), hold.units, hold.state, hold.expires), "{n}");
        }
        for b in 0..7 {
            assert!(self.plain.owned(b) <= LIMIT, "INV-6");
        }
    }

    fn check_end(&self) {
        let skipped: u32 =
            self.ledger.wait_queues().map(|(_, queue)| queue.figures().skipped).sum();
        assert_eq!(skipped as usize, self.plain.skipped);
        let mut replayed = Ledger::new([9, 9]);
        for record in &self.records {
            let mut bytes = Vec::new();
            encode(record, &mut bytes);
            replayed.apply(&decode(&bytes).expect("decodes")).expect("replays");
        }
        assert_eq!(replayed.digest(), self.ledger.digest(), "INV-10");
        assert_eq!(loaded(&self.ledger).digest(), self.ledger.digest(), "INV-10");
    }
}

fn loaded(ledger: &Ledger) -> Ledger {
    let mut loader = SnapshotLoader::new([3, 4]);
    ledger.snapshot(|kind, bytes| loader.chunk(kind, bytes)).expect("its own image");
    loader.finish().expect("a whole image")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// First come first served, nobody passed, nothing idle, limits and units kept (INV-14, INV-6,
    /// INV-1): whatever buyers, operators and time do.
    #[test]
    fn behaves_like_the_plainest_waitlist(acts in proptest::collection::vec(any_act(), 1..160)) {
        let mut pair = start();
        for (at, act) in acts.iter().enumerate() {
            let (actual, expected) = pair.step(act);
            prop_assert_eq!(actual, expected, "act {}: {:?}", at, act);
            pair.plain.serve();
            pair.catch_up();
            pair.check();
        }
        pair.check_end();
    }
}

/// A ledger with one SKU whose two units are held by buyers 1 and 2, and 3 and 4 in line.
fn with_a_line() -> Ledger {
    let mut pair = start();
    assert_eq!(pair.ask(Action::Supply { sku: SkuIx(0), units: -1, by: by() }), "done");
    for (act, expected) in [
        (Act::Reserve { sku: 0, buyer: 1, units: 1 }, "done"),
        (Act::Join { sku: 0, buyer: 3, units: 1 }, "units_free"),
        (Act::Reserve { sku: 0, buyer: 2, units: 1 }, "done"),
        (Act::Join { sku: 0, buyer: 3, units: 1 }, "done"),
        (Act::Join { sku: 0, buyer: 4, units: 2 }, "done"),
    ] {
        assert_eq!(pair.step(&act).0, expected, "{act:?}");
    }
    pair.ledger
}

/// What a journal may not say about a line, and the words of its refusal (INV-14, INV-8).
#[test]
fn what_does_not_follow_in_a_line_is_refused() {
    let now = Timestamp(START);
    let wish = |number, b, units| Wish {
        number,
        buyer: buyer(b),
        quantity: Quantity::new(units).expect("in range"),
    };
    let sku = SkuIx(0);
    let offered = |wish| {
        let (seq, expires_at) = (ReservationSeq(2), now + DurationMs(OFFER));
        Change::Wait(WaitChange::Offered(Offered { sku, wish, seq, amount: 100, expires_at }))
    };
    let wait = Change::Wait;
    let direct = Change::Reserved(Reserved {
        key: KeyDigest(77),
        ..Offered {
            sku,
            wish: wish(0, 6, 1),
            seq: ReservationSeq(2),
            amount: 100,
            expires_at: now + DurationMs(HOLD),
        }
        .hold()
    });
    let released = Change::Released { seq: ReservationSeq(0), key: None };
    let phase = |to| Change::Phase { campaign: CampaignIx(0), to, by: None };
    let terms = |campaign, terms| WaitChange::Terms { campaign: CampaignIx(campaign), terms };
    let of_b = |sku| WaitChange::Joined { sku, wish: wish(0, 6, 1) };
    for (before, change, words) in [
        (vec![], offered(wish(0, 3, 1)), "more than was free"),
        (vec![released.clone()], offered(wish(1, 4, 1)), "not the first in line"),
        (vec![released.clone()], offered(wish(0, 4, 1)), "somebody else"),
        (vec![released.clone()], offered(wish(0, 3, 2)), "more than was wished"),
        (vec![released.clone()], direct, "passed those who wait"),
        (vec![released.clone(), phase(Phase::Paused)], offered(wish(0, 3, 1)), "INV-7"),
        (vec![phase(Phase::Closed)], offered(wish(0, 3, 1)), "not the first in line"),
        (vec![phase(Phase::Closed)], wait(of_b(sku)), "after its sale"),
        (vec![], wait(WaitChange::Joined { sku, wish: wish(3, 6, 1) }), "numbered one by one"),
        (vec![], wait(WaitChange::Joined { sku, wish: wish(2, 3, 1) }), "waits once"),
        (vec![], wait(of_b(SkuIx(1))), "while units were free"),
        (vec![], wait(of_b(SkuIx(2))), "no such SKU"),
        (vec![], wait(WaitChange::Left { sku, number: 2 }), "nobody waits"),
        (vec![], wait(WaitChange::Left { sku: SkuIx(1), number: 0 }), "nobody ever waited"),
        (vec![], wait(WaitChange::Skipped { sku, number: 1 }), "not the first in line"),
        (vec![], wait(terms(1, None)), "no such campaign"),
        (vec![], wait(terms(0, None)), "2 wait"),
    ] {
        let mut ledger = with_a_line();
        for change in before {
            ledger.apply(&Record { stamp: now, change }).expect("follows");
        }
        let record = Record { stamp: now, change };
        let divergence = ledger.apply(&record).expect_err(words);
        assert!(divergence.what.contains(words), "{words}: {divergence}");
    }
}

/// An image that lost a row, or says what cannot be, is not loaded.
#[test]
fn a_damaged_image_of_a_line_is_refused() {
    let ledger = with_a_line();
    let mut chunks: Vec<(u32, Vec<u8>)> = Vec::new();
    let Ok(()) = ledger.snapshot(|kind, bytes| {
        chunks.push((kind, bytes.to_vec()));
        Ok::<(), std::convert::Infallible>(())
    });
    let load = |chunks: &[(u32, Vec<u8>)]| {
        let mut loader = SnapshotLoader::new([3, 4]);
        chunks.iter().try_for_each(|(kind, bytes)| loader.chunk(*kind, bytes))?;
        loader.finish()
    };
    assert_eq!(load(&chunks).expect("whole").digest(), ledger.digest());
    let without: Vec<_> = chunks.iter().filter(|(kind, _)| *kind != 48).cloned().collect();
    assert_eq!(without.len() + 1, chunks.len());
    load(&without).expect_err("its end is missing");
    let mut ledger = loaded(&ledger);
    for row in [
        &[1, 2, 3][..],
        &[2 << 8, 0, 0, 0],
        &[1 | 2 << 8, 1, 0, 0],
        &[1, 1 << 32, 0, 0],
        &[1, 5 << 32 | 2_000, 0, 0],
        &[2, 1 << 32, 0, 0],
        &[3, 0, 0, 0],
        &[1 << 8, OFFER, 0, 0],
    ] {
        assert!(ledger.load_waits(row).is_err(), "{row:?}");
    }
}

/// A full line is an ordinary answer, and so is a full one over all SKUs (INV-9).
#[test]
fn lines_are_bounded() {
    let mut ledger = with_a_line();
    ledger.waits.waiting = limits::WAITING_MAX;
    let join = WaitAction::Join { sku: SkuIx(0), buyer: buyer(6), quantity: Quantity::ONE };
    let sink = &mut |_: &Record, _: Effect| panic!("nothing is recorded");
    let answer = ledger.perform(Action::Wait(join), Timestamp(START), &mut Grants, sink);
    let answer = answer.expect("decided");
    assert!(matches!(answer, Answer::Refused(Refusal::Overloaded { .. })), "{answer:?}");
}

#[path = "waitlist_due_tests.rs"]
mod due;
