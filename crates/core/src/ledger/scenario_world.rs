//! The words of the scenario tables, and the world they act on: a ledger, its slots as callers
//! would see them, and a second ledger that hears only the encoded records.

use super::super::*;
use crate::campaign::{CampaignSpec, SkuSpec, Terms, WaitTerms, Wave};
use crate::front::Slot;
use crate::line::Seed;
use crate::phase::{Phase, Schedule, phase_at};
use crate::refusal::Refusal;
use onrush_types::*;
use std::collections::{BTreeMap, VecDeque};

/// "0s" in a table.
const START: Timestamp = Timestamp(1_000_000);

pub(super) struct World {
    pub(super) ledger: Ledger,
    replica: Ledger,
    slots: Vec<Slot>,
    /// Units that callers took and whose records are not decided yet.
    queued: Vec<u32>,
    now: Timestamp,
    labels: BTreeMap<String, ReservationSeq>,
    terms: BTreeMap<String, (Terms, Option<WaitTerms>)>,
    /// Buyers by their digests, for the labels of what the waitlist offers them.
    buyers: BTreeMap<BuyerDigest, String>,
    records: Vec<Vec<u8>>,
    refunds_told: usize,
    waiting: Waiting,
}

/// The seed of a lane's draw.
pub(super) fn seed(lane: u8) -> Seed {
    Seed([lane + 1; 32])
}

struct Takes<'a>(&'a [Slot]);

impl Take for Takes<'_> {
    fn take(&mut self, sku: SkuIx, units: u32) -> bool {
        self.0[sku.index()].take(units).is_ok()
    }

    fn commitment(&mut self, _: CampaignIx, _: &Name, lane: u8) -> [u8; 32] {
        seed(lane).commitment()
    }
}

impl World {
    pub(super) fn new() -> World {
        World {
            ledger: Ledger::new([1, 2]),
            replica: Ledger::new([3, 4]),
            slots: Vec::new(),
            queued: Vec::new(),
            now: START,
            labels: BTreeMap::new(),
            terms: BTreeMap::new(),
            buyers: BTreeMap::new(),
            records: Vec::new(),
            refunds_told: 0,
            waiting: Waiting::default(),
        }
    }

    /// Do what `line` says; return what happened and what the line expects.
    pub(super) fn line(&mut self, line: &str) -> (String, String) {
        let mut w = Words(line.split_whitespace().collect());
        let mut told = match w.next() {
            "campaign" => self.campaign(&mut w),
            "sku" => self.sku(&mut w),
            "supply" => {
                let sku = self.sku_ix(w.next());
                let units = w.number();
                self.act(Action::Supply { sku, units, by: w.by() })
            }
            "move" => {
                let campaign = self.campaign_ix(w.next());
                let to = phase(w.next());
                self.act(Action::Move { campaign, to, by: w.by() })
            }
            "reserve" => self.reserve(&mut w),
            "confirm" => self.confirm(&mut w),
            "release" => {
                let seq = self.seq(w.next());
                let key = w.option("key").map(key_digest);
                let request = w.option("as").map_or(seq.0, |n| n.parse().expect("a number"));
                let key = key.map(|key| (key, RequestDigest(request)));
                self.act(Action::Release { seq, key })
            }
            "judge" => {
                let seq = self.seq(w.next());
                let accept = w.next() == "accept";
                self.act(Action::Judge { seq, accept, by: w.by() })
            }
            "cancel" => {
                let seq = self.seq(w.next());
                let restock = w.next() == "restock";
                self.act(Action::Cancel { seq, restock, by: w.by() })
            }
            "extend" => {
                let holds = match w.option("all") {
                    Some("none") => Holds::Campaign(CampaignIx(77)),
                    Some(campaign) => Holds::Campaign(self.campaign_ix(campaign)),
                    None => Holds::One(self.seq(w.next())),
                };
                w.next();
                let more = DurationMs(w.time());
                self.act(Action::Extend { holds, more, by: w.by() })
            }
            "refunded" => {
                let refund = w.number() as u32;
                self.act(Action::Refunded { refund, by: w.by() })
            }
            "wish" | "leave" => self.wish(line, &mut w),
            "wishes" => vec![self.waiting(w.next())],
            "tick" => self.pass_time(w.time(), true),
            "wait" => self.pass_time(w.time(), false),
            "back" => {
                self.now = self.now - DurationMs(w.time());
                Vec::new()
            }
            "queued" => {
                let (sku, units) = (self.sku_ix(w.next()), w.number());
                self.queue(sku, units);
                Vec::new()
            }
            "units" => vec![self.units(w.next())],
            "phase" => vec![self.phase(w.next())],
            "state" => vec![self.state(w.next())],
            "next" => {
                let at = self.ledger.next_due_at();
                vec![at.map_or("never".to_owned(), since_start)]
            }
            word => self.line_word(word, &mut w),
        };
        told.extend(self.switches());
        told.extend(self.offers());
        (told.join(" "), w.rest())
    }

    fn plain_terms() -> Terms {
        Terms {
            published: true,
            schedule: Schedule { opens_at: Some(START), ..Schedule::default() },
            currency: Currency::CNY,
            limit_per_buyer: 10,
            hold: DurationMs::from_secs(30),
            buyers_expected: 10,
            waves: Vec::new(),
            supply_from_stores: false,
            attributes: String::new(),
        }
    }

    fn campaign(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let name = w.next();
        let plain = || (World::plain_terms(), None);
        let (mut terms, mut waitlist) = self.terms.get(name).cloned().unwrap_or_else(plain);
        loop {
            match w.front() {
                "draft" | "published" => terms.published = w.next() == "published",
                "currency" => terms.currency = Currency::new(w.value()).expect("a currency"),
                "limit" => terms.limit_per_buyer = w.value().parse().expect("a limit"),
                "hold" => terms.hold = DurationMs(ms(w.value())),
                "preheat" => terms.schedule.preheat_at = moment(w.value()),
                "draw" => terms.schedule.draw_at = moment(w.value()),
                "opens" => terms.schedule.opens_at = moment(w.value()),
                "closes" => terms.schedule.closes_at = moment(w.value()),
                "wave" => {
                    let at = moment(w.value()).expect("a wave has a time");
                    let (sku, units) = (self::name(w.next()), w.number() as u32);
                    terms.waves.push(Wave { at, sku, units });
                }
                "waitlist" => {
                    let offer = w.value();
                    let terms = |ms| WaitTerms { offer: DurationMs(ms) };
                    waitlist = (offer != "none").then(|| terms(ms(offer)));
                }
                "waveless" => {
                    w.next();
                    terms.waves.clear();
                }
                _ => break,
            }
        }
        let line = self.waiting.terms.get(name).cloned();
        let plain = CampaignSpec::new(self::name(name), terms.clone(), vec![]);
        let spec = CampaignSpec { waitlist, line, ..plain };
        let told = self.act(Action::Put(Box::new(spec)));
        if told[0] != "refused" {
            self.terms.insert(name.to_owned(), (terms, waitlist));
        }
        told
    }

    fn sku(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let (name, campaign) = (name(w.next()), w.option("in").expect("in which campaign"));
        let mut sku = SkuSpec { name, price: 100, limit_per_buyer: 10, supply: 0 };
        loop {
            match w.front() {
                "price" => sku.price = w.value().parse().expect("a price"),
                "limit" => sku.limit_per_buyer = w.value().parse().expect("a limit"),
                "supply" => sku.supply = w.value().parse().expect("a supply"),
                _ => break,
            }
        }
        let (terms, waitlist) = self.terms[campaign].clone();
        let line = self.waiting.terms.get(campaign).cloned();
        let plain = CampaignSpec::new(self::name(campaign), terms, vec![sku]);
        let spec = CampaignSpec { waitlist, line, ..plain };
        self.act(Action::Put(Box::new(spec)))
    }

    fn reserve(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let (label, sku) = (w.next(), self.sku_ix(w.next()));
        let mut ask = Reserve {
            sku,
            quantity: Quantity::ONE,
            buyer: buyer("nobody"),
            key: key_digest(label),
            request: RequestDigest(0),
            review: false,
            halvings: 0,
            details: None,
            pass: None,
        };
        loop {
            match w.front() {
                "buyer" => ask.buyer = self.buyer(w.value()),
                "x" => ask.quantity = Quantity::new(w.value().parse().expect("n")).expect("n"),
                "key" => ask.key = key_digest(w.value()),
                "look" => {
                    w.next();
                    ask.review = true;
                }
                "halved" => ask.halvings = w.value().parse().expect("a number"),
                "pass" => {
                    let campaign = self.ledger.skus()[sku.index()].campaign;
                    ask.pass = Some(self.pass_of(campaign, buyer(w.value())));
                }
                "details" => ask.details = Some(w.value().as_bytes().into()),
                _ => break,
            }
        }
        let units = ask.quantity.get();
        ask.request = RequestDigest(sku.0 << 16 | units);
        let took = self.slots[sku.index()].take(units).is_ok();
        let seq = ReservationSeq(self.ledger.reservation_count());
        let details = ask.details.clone();
        let told = self.act(Action::Reserve(ask));
        if self.ledger.reservation_count() > seq.0 {
            assert!(took, "the ledger granted what the slot did not have");
            assert_eq!(self.ledger.details(seq), details.as_deref());
            self.labels.insert(label.to_owned(), seq);
        } else if took {
            self.slots[sku.index()].give_back(units);
        }
        told
    }

    fn confirm(&mut self, w: &mut Words<'_>) -> Vec<String> {
        let seq = self.seq(w.next());
        let key = w.option("key").map(str::to_owned);
        let mut lines = Vec::new();
        while w.front() == "pay" {
            let reference = w.value();
            let (provider, reference) = reference.split_once(':').unwrap_or(("shop", reference));
            let amount = w.number();
            let currency = Currency::new(w.front());
            if currency.is_ok() {
                w.next();
            }
            lines.push(PaymentLine {
                provider: name(provider),
                method: name("card"),
                reference: reference.into(),
                money: Money { amount, currency: currency.unwrap_or(Currency::CNY) },
            });
        }
        let request = format!("{lines:?} of {seq:?}");
        let key = key.map(|key| (key_digest(&key), RequestDigest(key_digest(&request).0 as u32)));
        self.act(Action::Confirm { seq, lines, key })
    }

    /// Perform, take the records through their bytes into the replica, and tell the answer.
    fn act(&mut self, action: Action) -> Vec<String> {
        let mut decided = Vec::new();
        let slots = &self.slots;
        let answer = self
            .ledger
            .perform(action, self.now, &mut Takes(slots), &mut |r, e| decided.push((r.clone(), e)))
            .expect("what was decided applies");
        assert_eq!(matches!(answer, Answer::Done(_)), !decided.is_empty(), "done is recorded");
        self.hear(decided);
        let mut told = self.words_of(&answer);
        told.extend(self.new_refunds());
        told
    }

    fn hear(&mut self, decided: Vec<(Record, Effect)>) {
        for (record, effect) in decided {
            let mut bytes = Vec::new();
            encode(&record, &mut bytes);
            let read = decode(&bytes).expect("what was encoded decodes");
            assert_eq!(read, record);
            assert_eq!(self.replica.apply(&read).as_ref(), Ok(&effect), "replay has one effect");
            self.records.push(bytes);
            if self.slots.len() < self.ledger.skus().len() {
                self.slots.resize_with(self.ledger.skus().len(), Slot::default);
                self.queued.resize(self.slots.len(), 0);
            }
            match effect.stock {
                Some((sku, StockMove::Add(units))) => self.slots[sku.index()].add(units),
                Some((sku, StockMove::Keep(units))) => self.slots[sku.index()].keep(units),
                Some((sku, StockMove::GiveBack(n))) => self.slots[sku.index()].give_back(n),
                None => {}
            }
        }
    }

    fn record(&mut self, change: Change) -> Vec<String> {
        let mut decided = Vec::new();
        let told = self.words_of_change(&change);
        self.ledger
            .record(change, self.now, &mut |r, e| decided.push((r.clone(), e)))
            .expect("what is due applies");
        self.hear(decided);
        let mut told = vec![told];
        told.extend(self.new_refunds());
        told
    }

    fn wish(&mut self, line: &str, w: &mut Words<'_>) -> Vec<String> {
        let (sku, buyer) = (self.sku_ix(w.next()), self.buyer(w.option("buyer").expect("whom")));
        let units = w.option("x").map_or(1, |n| n.parse().expect("a number"));
        let quantity = Quantity::new(units).expect("a legal quantity");
        self.act(Action::Wait(match line.starts_with("wish") {
            true => WaitAction::Join { sku, buyer, quantity },
            false => WaitAction::Leave { sku, buyer },
        }))
    }

    /// Offer what is free to those who wait, as the engine does in every turn.
    fn offers(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let due = self.ledger.due_offer(self.now, &mut Takes(&self.slots));
            let Some(change) = due else { break };
            if let Change::Wait(WaitChange::Offered(offered)) = &change {
                self.label_offer(offered);
            }
            told.extend(self.record(change));
        }
        told
    }

    fn switches(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(change) = self.ledger.due_switch(self.now) {
            told.extend(self.record(change));
        }
        told
    }

    fn pass_time(&mut self, ms: u64, expire: bool) -> Vec<String> {
        self.now = self.now + DurationMs(ms);
        let mut told = self.switches();
        while expire && let Some(seq) = self.ledger.due_expiry(self.now) {
            told.extend(self.record(Change::Expired { seq }));
        }
        told
    }

    fn queue(&mut self, sku: SkuIx, units: i64) {
        let slot = &self.slots[sku.index()];
        let n = units.unsigned_abs() as u32;
        if units > 0 {
            slot.take(n).expect("enough for the queued take");
            self.queued[sku.index()] += n;
        } else {
            slot.give_back(n);
            self.queued[sku.index()] -= n;
        }
    }

    /// Check all that must hold after every line.
    pub(super) fn check(&self, place: &str) {
        self.ledger.audit().unwrap_or_else(|v| panic!("{place}: {v}"));
        let digest = self.ledger.digest();
        assert_eq!(digest, self.replica.digest(), "{place}: the replica differs (INV-10)");
        assert_eq!(digest, self.loaded().digest(), "{place}: the loaded image differs");
        for (n, sku) in self.ledger.skus().iter().enumerate() {
            assert!(sku.units().holds(), "{place}: INV-1");
            let (seen, queued) = (self.slots[n].look(), self.queued[n]);
            assert_eq!(seen.free + queued, sku.free, "{place}: the slot's free units of {n}");
            assert_eq!(seen.held, sku.held + queued, "{place}: the slot's held units of {n}");
        }
        let mut replayed = Ledger::new([9, 9]);
        for bytes in &self.records {
            let record = decode(bytes).expect("a record");
            replayed.apply(&record).unwrap_or_else(|e| panic!("{place}: {e}"));
        }
        assert_eq!(digest, replayed.digest(), "{place}: replaying everything differs");
    }

    fn loaded(&self) -> Ledger {
        let mut loader = SnapshotLoader::new([5, 6]);
        self.ledger.snapshot(|kind, bytes| loader.chunk(kind, bytes)).expect("its own image");
        loader.finish().expect("a whole image")
    }

    /// Go on with the loaded image, as after a restart.
    pub(super) fn restore(&mut self) {
        self.ledger = self.loaded();
    }
}

#[path = "scenario_line.rs"]
mod line;
#[path = "scenario_words.rs"]
mod words;
use line::Waiting;
use words::*;
