//! What must be true: the naive model follows the journal record by record and has to agree with
//! each, and with every answer. It is core's `naive_model`; nothing of the ledger is used here.

use crate::lexicon::Lexicon;
use crate::line::Queues;
use crate::plan::Setup;
use crate::store::{Order, Stores};
use crate::waits::Lines;
use crate::world::Ask;
use onrush::ledger::naive_model::{Key, Line, Model, Sku};
use onrush::ledger::{Change, Paid, PaidOutcome, PaymentLine, Record, Reserved};
use onrush::{Currency, KeyDigest, Lsn, Phase, RequestDigest, ReservationSeq};
use std::fmt;

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// Holds, or a broken promise.
pub type Holds = Result<(), Violation>;

/// Return a violation.
pub fn broken<T>(promise: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { promise, what: what.into() })
}

/// The model, and what is known about the journal.
#[derive(Debug, Default)]
pub struct Oracle {
    /// The state as of `lsn`.
    pub model: Model,
    /// Who waits.
    pub waits: Lines,
    /// Who is in line.
    pub queues: Queues,
    /// What stores have, and have to do.
    pub stores: Stores,
    /// The last record followed.
    pub lsn: Lsn,
    /// The record that last moved each reservation.
    pub moved_at: Vec<Lsn>,
    /// Units that callers have taken and the ledger has not decided about, by SKU.
    pub flying_units: Vec<u32>,
    /// SKUs that got units in this turn: until it ends, not everybody can take them.
    pub(crate) freed: Vec<usize>,
    /// What this turn's records touched.
    pub(crate) touched: (Vec<usize>, Vec<usize>),
    pub(crate) stamp: u64,
    /// Sale time fell in this turn, far from any switch.
    pub fell_back: bool,
}

impl Oracle {
    /// A turn begins: forget what the last one did.
    pub fn begin_turn(&mut self) {
        self.freed.clear();
        self.touched.0.clear();
        self.touched.1.clear();
        self.stores.touched = false;
    }

    /// Records follow whose turn nobody saw the end of: what others took in it is not known.
    pub fn begin_unseen_turn(&mut self) {
        self.begin_turn();
        self.freed.extend(0..self.model.skus.len());
    }

    /// Follow one record; the model must have come to the same.
    ///
    /// # Errors
    /// When it did not.
    pub fn record(&mut self, lsn: Lsn, record: &Record, lexicon: &Lexicon) -> Holds {
        if lsn != self.lsn.next() {
            return broken("INV-10", format!("LSN {lsn} follows {}", self.lsn));
        }
        if record.stamp.0 < self.stamp {
            return broken("INV-7", format!("the stamp of LSN {lsn} runs back"));
        }
        (self.lsn, self.stamp, self.model.now) = (lsn, record.stamp.0, record.stamp.0);
        let seq = match &record.change {
            Change::Reserved(r) => self.reserved(r, lexicon)?,
            Change::Paid(paid) => self.paid(paid)?,
            Change::Confirmed { seq, key } => {
                let key = symbol(*key, confirm_request(seq.index(), None));
                let expected = self.model.confirm(seq.index(), &[], key, false);
                self.moved(*seq, "INV-5", &expected)?
            }
            Change::Released { seq, key } => {
                let expected = self.model.release(seq.index(), symbol(*key, seq.0));
                self.freed.push(self.model.res[seq.index()].sku);
                self.moved(*seq, "INV-5", &expected)?
            }
            Change::Expired { seq } => self.expired(*seq)?,
            Change::Accepted { seq, .. } => {
                let expected = self.model.accept(seq.index());
                self.moved(*seq, "INV-5", &expected)?
            }
            Change::Rejected { seq, .. } => {
                let expected = self.model.judge(seq.index(), false);
                self.freed.push(self.model.res[seq.index()].sku);
                self.moved(*seq, "INV-5", &expected)?
            }
            Change::Extended { holds, more, .. } => return self.extended(*holds, more.0),
            Change::Cancelled { seq, restock, .. } => {
                self.taken_back(seq.index(), *restock)?;
                let expected = self.model.cancel(seq.index(), *restock);
                self.freed.push(self.model.res[seq.index()].sku);
                self.moved(*seq, "INV-5", &expected)?
            }
            Change::Wait(change) => match self.waited(change, lexicon)? {
                Some(seq) => seq,
                None => return Ok(()),
            },
            Change::Line { .. }
            | Change::Joined { .. }
            | Change::Drawn { .. }
            | Change::Served { .. }
            | Change::Returned { .. }
            | Change::Outflow { .. }
            | Change::PublicValue { .. } => return self.queued(&record.change, lexicon),
            Change::Nodes(change) => return self.stored(change),
            other => return self.other(other),
        };
        self.moved_at.resize(self.model.res.len(), Lsn::ZERO);
        self.moved_at[seq] = lsn;
        self.touched.0.push(seq);
        self.check_sku(self.model.res[seq].sku)
    }

    fn reserved(&mut self, r: &Reserved, lexicon: &Lexicon) -> Result<usize, Violation> {
        let Some(buyer) = lexicon.buyer_of(r.buyer) else {
            return broken("INV-5", format!("{:?} belongs to nobody", r.seq));
        };
        let (sku, units) = (r.sku.index(), r.quantity.get());
        let key = (r.key.0, reserve_request(sku, units));
        if self.waits.is_waiting(sku) {
            return broken("INV-14", format!("{:?} passes those who wait for SKU {sku}", r.seq));
        }
        self.redeemed(self.model.skus[sku].camp, r, buyer)?;
        let expected = self.model.reserve(sku, buyer, units, key, r.review);
        let promise = match expected.split(' ').next().unwrap_or_default() {
            "limit_reached" => "INV-6",
            "not_open" | "paused" | "ended" => "INV-7",
            "sold_out" | "all_held" => "INV-2",
            _ => "INV-5",
        };
        let seq = self.moved(r.seq, promise, &expected)?;
        let res = &self.model.res[seq];
        if (res.amount, res.expires) != (r.amount, r.expires_at.0) {
            let (amount, expires) = (res.amount, res.expires);
            return broken(
                "INV-7",
                format!(
                    "#{seq} costs {}, until {:?}; it should be {amount}, until {expires}",
                    r.amount, r.expires_at
                ),
            );
        }
        Ok(seq)
    }

    fn paid(&mut self, paid: &Paid) -> Result<usize, Violation> {
        let n = paid.seq.index();
        let line = line(&paid.line);
        let refunded = paid.outcome == PaidOutcome::Refund;
        if refunded && self.takes_again(n, &line) {
            let sku = self.model.res[n].sku;
            if self.flying_units.get(sku).is_none_or(|units| *units == 0)
                && !self.freed.contains(&sku)
            {
                return broken(
                    "INV-8",
                    format!("late money for #{n} falls due back, though nothing forbids the sale"),
                );
            }
        }
        let before = self.model.res.get(n).map_or("", |r| r.state);
        let key = symbol(paid.key, confirm_request(n, Some(&line)));
        let expected = self.model.confirm(n, &[line], key, refunded);
        let seq = self.moved(paid.seq, "INV-5", &expected)?;
        let outcome = match (before, self.model.res[n].state) {
            ("expired", "sold") => PaidOutcome::Retaken,
            ("held" | "review", "sold") => PaidOutcome::Sold,
            ("held" | "review", _) => PaidOutcome::Partial,
            _ => PaidOutcome::Refund,
        };
        if outcome == PaidOutcome::Retaken && self.waits.is_waiting(self.model.res[n].sku) {
            return broken("INV-14", format!("late money for #{n} passes those who wait"));
        }
        if outcome != paid.outcome {
            return broken(
                "INV-8",
                format!(
                    "a payment for #{n} ({before}) was {:?}, it should be {outcome:?}",
                    paid.outcome
                ),
            );
        }
        Ok(seq)
    }

    /// Tell whether this late payment takes units again, if nobody is quicker.
    fn takes_again(&self, n: usize, line: &Line) -> bool {
        let Some(r) = self.model.res.get(n) else { return false };
        r.state == "expired"
            && !r.unaccepted
            && !line.foreign
            && line.amount >= r.amount
            && self.model.camp_of(r.sku).phase == Phase::Open
            && self.model.over_limit(r.sku, r.buyer, r.units).is_none()
            && self.model.figures(r.sku)[0] >= r.units
            && !self.waits.is_waiting(r.sku)
    }

    fn expired(&mut self, seq: ReservationSeq) -> Result<usize, Violation> {
        let n = seq.index();
        let due = self.model.res.get(n).is_some_and(|r| {
            (r.state == "held" || r.state == "review") && r.expires <= self.model.now
        });
        if !due {
            return broken("INV-7", format!("#{n} expired before its time, or twice"));
        }
        self.freed.push(self.model.res[n].sku);
        self.model.end(n, "expired");
        Ok(n)
    }

    /// A record about a reservation must be what the model calls done.
    fn moved(
        &self,
        seq: ReservationSeq,
        promise: &'static str,
        expected: &str,
    ) -> Result<usize, Violation> {
        let n = seq.index();
        let done = expected.strip_prefix("done ").and_then(|rest| rest.split(' ').next());
        if done.and_then(|n| n.parse().ok()) == Some(n) {
            return Ok(n);
        }
        broken(promise, format!("LSN {} moves #{n}; it should be {expected}", self.lsn))
    }

    /// Note that the last record changed these reservations.
    pub(crate) fn touch_reservations(&mut self, seqs: &[usize]) {
        for &seq in seqs {
            self.moved_at[seq] = self.lsn;
            self.touched.0.push(seq);
        }
    }

    /// Note that a SKU got units in this turn.
    pub(crate) fn got_units(&mut self, sku: usize) {
        self.freed.push(sku);
        self.touched.1.push(sku);
    }

    /// Note that a SKU lost units in this turn.
    pub(crate) fn touch_sku(&mut self, sku: usize) {
        self.touched.1.push(sku);
    }

    /// Tell whether the SKU got units in this turn.
    pub(crate) fn added(&self, sku: usize) -> bool {
        self.freed.contains(&sku)
    }

    /// Return the next moment after `now` at which something is planned: a switch, a wave, a deadline.
    pub fn next_moment(&self, now: u64) -> u64 {
        let camps = self.model.camps.iter().flat_map(|c| {
            [c.draw, c.opens, c.closes, c.waves.first().map_or(u64::MAX, |wave| wave.0)]
        });
        let live = self.model.res.iter().filter(|r| matches!(r.state, "held" | "review"));
        let lines = self.queues.camps().flat_map(|(camp, queue)| {
            let starts =
                (0..queue.drawn.len()).filter_map(move |lane| self.lane_starts(camp, lane));
            starts.chain(queue.next_lapse(now))
        });
        let moments = camps.chain(live.map(|r| r.expires)).chain(lines);
        moments.filter(|at| *at > now).min().unwrap_or(u64::MAX)
    }

    /// Note the waves that were planned for the campaigns, once these exist.
    pub fn plan_waves(&mut self, setup: &Setup, start: u64) {
        let mut first = 0;
        for (camp, spec) in self.model.camps.iter_mut().zip(&setup.camps) {
            let wave = |&(ms, sku, units): &(u64, usize, u32)| (start + ms, first + sku, units);
            camp.waves = spec.waves.iter().map(wave).collect();
            first += spec.skus.len();
        }
    }

    /// Return what an action that recorded nothing must have been told.
    pub fn without_record(&mut self, ask: &Ask, lexicon: &Lexicon) -> String {
        let digest = |key: Option<u8>, request: u32| key.map(|key| (lexicon.key(key), request));
        match *ask {
            Ask::Confirm { n, line, key } => {
                let key = digest(key, confirm_request(n, line.as_ref()));
                self.model.confirm(n, line.as_slice(), key, false)
            }
            Ask::Release { n, key, .. } => self.model.release(n, digest(key, n as u32)),
            Ask::Cancel { n, restock } => {
                let left = self.stores.orders.get(&n).is_some_and(Order::has_left);
                if restock && left && self.model.res[n].state == "sold" {
                    return "invalid_request".to_owned();
                }
                self.model.cancel(n, restock)
            }
            Ask::Judge { n, accept } => self.model.judge(n, accept),
            Ask::Extend { camp, one, more_ms } => {
                let told = self.model.extend(camp, one, more_ms);
                // How many is in its record only.
                if one.is_some() { told } else { told.split(' ').next().unwrap_or("").to_owned() }
            }
            Ask::Refunded { refund } => match self.model.refunds.get(refund) {
                None => "not_found".to_owned(),
                Some((.., true)) => "already".to_owned(),
                Some(_) => "done".to_owned(),
            },
            Ask::Supply { sku, .. }
                if self.is_from_stores(sku) && self.model.camp_of(sku).phase != Phase::Settled =>
            {
                "invalid_request".to_owned()
            }
            Ask::Supply { sku, units } => {
                let free = self.model.figures(sku)[0];
                let flying = self.flying_units[sku];
                let short = free.saturating_sub(flying) < units.unsigned_abs();
                self.model.supply(sku, units, short || self.freed.contains(&sku))
            }
            Ask::Move { camp, to } => self.model.move_phase(camp, to),
            Ask::Put { camp, limit, hold_ms, price } => {
                let c = &self.model.camps[camp];
                let sku = self.model.skus.iter().find(|sku| sku.camp == camp);
                let same =
                    (c.limit, c.hold) == (limit, hold_ms) && sku.is_some_and(|s| s.price == price);
                match (same, c.phase) {
                    (true, _) => "already".to_owned(),
                    (false, Phase::Settled) => "invalid_request".to_owned(),
                    (false, _) => "done".to_owned(),
                }
            }
            Ask::Join { sku, buyer, units } => self.join(sku, buyer, units),
            Ask::Leave { sku, buyer } => {
                let waits = self.waits.place(sku, buyer).is_some();
                if waits { "done" } else { "not_found" }.to_owned()
            }
            Ask::Reserve { .. } => "done".to_owned(),
            Ask::Line(ask) => self.line_answer(ask),
            Ask::Store(ask) => self.store_answer(ask),
        }
    }

    /// Tell whether the ledger may refuse a reserve that the front let through: only when the sale
    /// closed or paused meanwhile, late money or tighter terms came first, or the clock was set back
    /// while the ledger did not look: it looks twenty times a second, histories do not.
    pub fn may_veto(&self, ask: &Ask, code: &str) -> bool {
        let Ask::Reserve { sku, buyer, units, shown, .. } = *ask else { return false };
        let camp = self.model.skus[sku].camp;
        match code {
            "pass_invalid" => self.stopped_at_pass(camp, buyer, shown, self.decided_at()).is_some(),
            "not_open" => self.fell_back,
            "paused" => self.model.camp_of(sku).phase == Phase::Paused,
            "ended" => self.model.camp_of(sku).phase >= Phase::Closed,
            "limit_reached" => self.limit(sku, buyer, units).is_some(),
            "all_held" | "sold_out" => self.waits.is_waiting(sku),
            _ => false,
        }
    }

    /// No SKU has more held and sold than it was supplied (INV-2).
    fn check_sku(&self, sku: usize) -> Holds {
        let of = |r: &&onrush::ledger::naive_model::Res| {
            r.sku == sku && matches!(r.state, "held" | "review" | "sold")
        };
        let used: u32 = self.model.res.iter().filter(of).map(|r| r.units).sum();
        let Sku { supplied, withdrawn, .. } = self.model.skus[sku];
        if used + withdrawn <= supplied {
            return Ok(());
        }
        broken(
            "INV-2",
            format!("SKU {sku}: {used} units held and sold of {supplied}, {withdrawn} withdrawn"),
        )
    }
}

/// Return what stands for a reserve's request, next to its key.
pub fn reserve_request(sku: usize, units: u32) -> u32 {
    (sku as u32) << 16 | units
}

/// Return what stands for a confirm's request.
fn confirm_request(n: usize, line: Option<&Line>) -> u32 {
    let line = line.map_or(0, |line| {
        (u32::from(line.reference) + 1) << 11
            | (line.amount as u32 & 1_023) << 1
            | u32::from(line.foreign)
    });
    (n as u32) << 20 | line
}

fn symbol(key: Option<(KeyDigest, RequestDigest)>, request: u32) -> Key {
    key.map(|(KeyDigest(key), _)| (key, request))
}

/// Read a payment back.
fn line(payment: &PaymentLine) -> Line {
    let reference = payment.reference.strip_prefix('p').and_then(|n| n.parse().ok());
    Line {
        reference: reference.unwrap_or(u8::MAX),
        amount: payment.money.amount,
        foreign: payment.money.currency != Currency::CNY,
        back: 0,
    }
}
