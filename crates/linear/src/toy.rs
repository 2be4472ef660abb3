//! A server of a few lines and its callers, from a seed: correct, or with one fault. What it makes is a
//! history and a journal, as a recording against the real one gives.

use crate::history::{Ask, History, Op, Said, Terms};
use crate::order::{Entry, Order, Units};
use onrush::State;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Oversells,
    ReadsThePast,
    ForgetsWhatItTold,
    RefusesFreeUnits,
    IgnoresTheLimit,
    ForgetsKeys,
    ReleasesTheSold,
    ExpiresTheSold,
}

impl Fault {
    pub(crate) const ALL: [Fault; 8] = [
        Fault::Oversells,
        Fault::ReadsThePast,
        Fault::ForgetsWhatItTold,
        Fault::RefusesFreeUnits,
        Fault::IgnoresTheLimit,
        Fault::ForgetsKeys,
        Fault::ReleasesTheSold,
        Fault::ExpiresTheSold,
    ];
}

const STEPS: usize = 160;
const SKUS: u32 = 3;
const KEYS: u32 = 8;
const HOLD_US: u64 = 60_000;
const STEP_US: u64 = 1_000;

/// How far the server is with a call.
#[derive(Clone, Debug)]
enum Stage {
    Called,
    /// The units are taken in memory; nothing is on disk.
    Taken,
    Done(Said),
}

struct Call {
    op: usize,
    stage: Stage,
    is_heard: bool,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    sku: u32,
    key: u32,
    state: State,
    lsn: u64,
    before: (State, u64),
    due_us: u64,
    is_paid: bool,
    is_told: bool,
}

pub(crate) struct Toy {
    rng: ChaCha8Rng,
    fault: Option<Fault>,
    history: History,
    calls: Vec<Call>,
    kept: Vec<Kept>,
    log: Vec<Entry>,
    lsn: u64,
    us: u64,
}

/// Play a sale.
pub(crate) fn play(seed: u64, fault: Option<Fault>) -> (History, Order) {
    let mut toy = Toy {
        rng: ChaCha8Rng::seed_from_u64(seed),
        fault,
        history: History::default(),
        calls: Vec::new(),
        kept: Vec::new(),
        log: Vec::new(),
        lsn: 0,
        us: 0,
    };
    for n in 0..SKUS {
        toy.history.sku(Terms { supply: 1 + n, limit: 1 + n % 2, hold_us: HOLD_US });
    }
    for _ in 0..STEPS {
        toy.step();
    }
    toy.end();
    let mut order = Order::default();
    for n in 0..toy.kept.len() {
        order.name(&format!("r{n}"), n as u32);
    }
    toy.log.into_iter().for_each(|entry| order.push(entry));
    (toy.history, order)
}

/// The buyer and the units of a key follow from its number.
fn wish(key: u32) -> (u32, u32) {
    (key % 3, 1 + u32::from(key % 4 == 3))
}

impl Toy {
    fn step(&mut self) {
        self.us += STEP_US;
        match self.rng.random_range(0..100) {
            0..30 if self.calls.len() < 6 => {
                let sku = self.rng.random_range(0..SKUS);
                let key = self.rng.random_range(0..KEYS);
                let ask = match self.rng.random_range(0..10) {
                    _ if !self.is_told(sku, key) => Ask::Reserve,
                    0 | 1 => Ask::Reserve,
                    2..5 => Ask::Release,
                    5 | 6 => Ask::Confirm,
                    7 if self.kept_of(sku, key).is_some_and(|n| self.kept[n].is_paid) => {
                        Ask::Cancel
                    }
                    _ => Ask::Look,
                };
                self.call(sku, key, ask);
            }
            30..34 => self.expire(),
            34..36 => self.crash(),
            36..40 if !self.calls.is_empty() => {
                let n = self.rng.random_range(0..self.calls.len());
                self.calls[n].is_heard = false;
            }
            _ if !self.calls.is_empty() => {
                let n = self.rng.random_range(0..self.calls.len());
                self.advance(n);
            }
            _ => {}
        }
    }

    fn end(&mut self) {
        while !self.calls.is_empty() {
            self.us += STEP_US;
            self.advance(0);
        }
        for (sku, key) in (0..SKUS).flat_map(|sku| (0..KEYS).map(move |key| (sku, key))) {
            let of = |op: &&Op| (op.sku, op.key) == (sku, key);
            let is_open = self.history.ops.iter().filter(of).any(|op| op.heard.is_none());
            let asks =
                [is_open.then_some(Ask::Reserve), self.is_told(sku, key).then_some(Ask::Look)];
            for ask in asks.into_iter().flatten() {
                self.call(sku, key, ask);
                while !self.calls.is_empty() {
                    self.us += STEP_US;
                    self.advance(0);
                }
            }
        }
    }

    fn call(&mut self, sku: u32, key: u32, ask: Ask) {
        let (buyer, quantity) = wish(key);
        let called = self.history.moment(self.us);
        let op = self.history.call(Op { sku, buyer, key, quantity, ask, called, heard: None });
        self.calls.push(Call { op, stage: Stage::Called, is_heard: true });
    }

    fn advance(&mut self, n: usize) {
        match self.calls[n].stage.clone() {
            Stage::Called => self.calls[n].stage = self.act(self.calls[n].op),
            Stage::Taken => {
                let op = self.calls[n].op;
                self.calls[n].stage = Stage::Done(self.keep(op));
            }
            Stage::Done(said) => {
                let call = self.calls.swap_remove(n);
                if call.is_heard {
                    if let Said::Is { id, .. } = &said {
                        let n: usize = id[1..].parse().expect("made here");
                        self.kept[n].is_told = true;
                    }
                    self.history.hear(call.op, self.us, said);
                }
            }
        }
    }

    fn act(&mut self, n: usize) -> Stage {
        let Op { sku, buyer, key, quantity, ask, .. } = self.history.ops[n];
        let known = self.kept_of(sku, key);
        if ask == Ask::Reserve {
            let known = known.filter(|_| !self.wrong(Fault::ForgetsKeys));
            if let Some(n) = known {
                return Stage::Done(self.is(n, false));
            }
            if self.calls.iter().any(|call| self.takes(call, sku, Some(key))) {
                return Stage::Done(Said::Nothing);
            }
            let Terms { supply, limit, .. } = self.history.skus[sku as usize];
            if self.owned(sku, buyer) + quantity > limit && !self.wrong(Fault::IgnoresTheLimit) {
                return Stage::Done(Said::Limit);
            }
            let is_short = self.taken(sku) + quantity > supply && !self.wrong(Fault::Oversells);
            if is_short || self.wrong(Fault::RefusesFreeUnits) {
                return Stage::Done(Said::NoUnits);
            }
            return Stage::Taken;
        }
        let n = known.expect("only what was told is asked about");
        match (ask, self.kept[n].state) {
            (Ask::Look, _) if self.wrong(Fault::ReadsThePast) => {
                let (state, lsn) = self.kept[n].before;
                return Stage::Done(Said::Is {
                    id: format!("r{n}").into(),
                    state,
                    lsn,
                    new: false,
                });
            }
            (Ask::Release, State::Held) => self.turn(n, State::Released),
            (Ask::Release, State::Sold) if self.wrong(Fault::ReleasesTheSold) => {
                self.turn(n, State::Released);
            }
            (Ask::Release, State::Sold | State::Cancelled) => return Stage::Done(Said::Final),
            (Ask::Release, State::Expired) => return Stage::Done(Said::Expired),
            (Ask::Cancel, State::Sold) => self.turn(n, State::Cancelled),
            (Ask::Confirm, state) if !self.kept[n].is_paid => {
                self.kept[n].is_paid = true;
                let Terms { supply, limit, .. } = self.history.skus[sku as usize];
                let fits = self.taken(sku) + quantity <= supply
                    && self.owned(sku, buyer) + quantity <= limit;
                if state == State::Held || (state == State::Expired && fits) {
                    self.turn(n, State::Sold);
                }
            }
            _ => {}
        }
        Stage::Done(self.is(n, false))
    }

    fn keep(&mut self, n: usize) -> Said {
        let Op { sku, key, .. } = self.history.ops[n];
        let kept = self.kept.len();
        self.lsn += 1;
        let (state, lsn, due_us) = (State::Held, self.lsn, self.us + HOLD_US);
        let before = (state, lsn);
        self.kept.push(Kept {
            sku,
            key,
            state,
            lsn,
            before,
            due_us,
            is_paid: false,
            is_told: false,
        });
        self.log.push(Entry { lsn, reservation: kept as u32, state, units: Units::Taken });
        self.is(kept, true)
    }

    fn turn(&mut self, n: usize, state: State) {
        self.lsn += 1;
        let kept = &mut self.kept[n];
        let units = match (kept.state, state) {
            (State::Expired, State::Sold) => Units::Taken,
            (_, State::Sold) => Units::Stay,
            _ => Units::Freed,
        };
        kept.before = (kept.state, kept.lsn);
        (kept.state, kept.lsn) = (state, self.lsn);
        self.log.push(Entry { lsn: self.lsn, reservation: n as u32, state, units });
    }

    fn expire(&mut self) {
        let over = |kept: &Kept| kept.state == State::Held && kept.due_us <= self.us;
        let mut due = self.kept.iter().position(over);
        if due.is_none() && self.wrong(Fault::ExpiresTheSold) {
            due = self.kept.iter().position(|kept| kept.state == State::Sold);
        }
        if let Some(n) = due {
            self.turn(n, State::Expired);
        }
    }

    fn crash(&mut self) {
        self.calls.clear();
        self.history.crash(self.us);
        let told = |kept: &Kept| kept.is_told && kept.state == State::Held;
        if self.wrong(Fault::ForgetsWhatItTold)
            && let Some(n) = self.kept.iter().position(told)
        {
            // It stays where it is, so that numbers do not move, under a key that nobody uses.
            self.kept[n].key = u32::MAX;
            self.kept[n].state = State::Released;
            self.log.retain(|entry| entry.reservation != n as u32);
        }
    }

    fn is(&self, n: usize, new: bool) -> Said {
        let Kept { state, lsn, .. } = self.kept[n];
        Said::Is { id: format!("r{n}").into(), state, lsn, new }
    }

    fn takes(&self, call: &Call, sku: u32, key: Option<u32>) -> bool {
        let op = &self.history.ops[call.op];
        matches!(call.stage, Stage::Taken) && op.sku == sku && key.is_none_or(|key| op.key == key)
    }

    fn counted(&self, sku: u32, whose: impl Fn(u32) -> bool) -> u32 {
        let kept = self.kept.iter().filter(|kept| kept.sku == sku && kept.key != u32::MAX);
        let kept = kept.filter(|kept| kept.state.counts_towards_limit()).map(|kept| wish(kept.key));
        let calls = self.calls.iter().filter(|call| self.takes(call, sku, None));
        let calls = calls.map(|call| wish(self.history.ops[call.op].key));
        kept.chain(calls).filter(|&(buyer, _)| whose(buyer)).map(|(_, units)| units).sum()
    }

    fn taken(&self, sku: u32) -> u32 {
        self.counted(sku, |_| true)
    }

    fn owned(&self, sku: u32, buyer: u32) -> u32 {
        self.counted(sku, |whose| whose == buyer)
    }

    fn kept_of(&self, sku: u32, key: u32) -> Option<usize> {
        self.kept.iter().rposition(|kept| (kept.sku, kept.key) == (sku, key))
    }

    fn is_told(&self, sku: u32, key: u32) -> bool {
        self.kept_of(sku, key).is_some_and(|n| self.kept[n].is_told)
    }

    /// Tell whether the server does this wrong now: if it has the fault, one time in two.
    fn wrong(&mut self, fault: Fault) -> bool {
        self.fault == Some(fault) && self.rng.random_range(0..2) == 0
    }
}
