//! One turn of the ledger, followed: its records in their order, each request's answer, and what must
//! hold after it.

use crate::counter::Late;
use crate::history::{Flight, Flow, Run, Stop};
use crate::line_asks::{self, LineAsk};
use crate::oracle::{Holds, broken};
use crate::said::{How, Said};
use crate::world::{Ask, Waits, World};
use onrush::ledger::{Change, Holds as HoldsMeant, Record, Source, WaitChange};
use onrush::{KeyDigest, Lsn, Phase, RequestDigest, Turn};
use onrush_types::limits::{PAYMENTS_PER_RESERVATION_MAX, RESERVATIONS_PER_BUYER_MAX};

pub(crate) type Records = [(Lsn, Record)];

/// How long an opening waits for company at most.
const OPENING_ALONE_MS: u64 = 5;

impl Run<'_> {
    /// Let the ledger take a turn, and follow it.
    pub(crate) fn turn(&mut self) -> Flow {
        let before = self.world.now().0;
        let frozen = self.is_frozen(before);
        self.oracle.begin_turn();
        if self.world.driver.turn() == Turn::Failed {
            return self.failed();
        }
        let now = self.world.now().0;
        if frozen && now != before {
            return Ok(broken("INV-7", format!("sale time went from {before} to {now} at once"))?);
        }
        if now < self.last_now {
            let what = format!("sale time went back from {} to {now}", self.last_now);
            return Ok(broken("INV-7", what)?);
        }
        self.last_now = now;
        self.oracle.fell_back = now < before;
        let records = match self.world.records(self.oracle.lsn) {
            Ok(records) => records,
            Err(_) if self.astray => return self.crash_and_expect_refusal(),
            Err(what) => return Ok(broken("INV-4", format!("durable records: {what}"))?),
        };
        self.follow(&records, now)?;
        if !records.is_empty() {
            let new = |(_, record): &(Lsn, Record)| matches!(record.change, Change::Reserved(_));
            self.reserve_kept = records.iter().any(new);
        }
        self.check_turn()?;
        Ok(self.index()?)
    }

    /// As [`turn`](Run::turn), while the model does not know the waves yet.
    pub(crate) fn turn_without_waves(&mut self) -> Flow {
        self.turn()?;
        match self.settles.is_empty() {
            true => Ok(()),
            false => Ok(broken("INV-9", "a campaign was not decided")?),
        }
    }

    /// Tell whether the wall clock must not be followed now: a sale is open, a hold lives, or a
    /// switch is less than ten seconds away.
    fn is_frozen(&self, now: u64) -> bool {
        let model = &self.oracle.model;
        let near = |at: u64| at > now && at - now <= 10_000;
        let of_camp = |c: &onrush::ledger::naive_model::Camp| {
            let phase = c.phase_at(now);
            let next = if c.opens > now { c.opens } else { c.closes };
            matches!(phase, Phase::Open | Phase::Paused) || near(next) && phase < Phase::Closed
        };
        model.camps.iter().any(of_camp)
            || model.res.iter().any(|r| r.state == "held" || r.state == "review")
    }

    fn follow(&mut self, records: &Records, now: u64) -> Flow {
        let mut rest = records;
        self.late_answered()?;
        self.follow_while(&mut rest, |change| {
            matches!(
                change,
                Change::Phase { by: None, .. } | Change::Supplied { source: Source::Wave(_), .. }
            )
        })?;
        self.oracle.model.now = now;
        if !self.full {
            self.nothing_due_switch(now)?;
        }
        let mut told = Vec::new();
        for mut flight in std::mem::take(&mut self.settles) {
            self.follow_draws(&mut rest)?;
            told.extend(self.decided(&mut flight, &mut rest)?);
        }
        self.follow_draws(&mut rest)?;
        self.follow_while(&mut rest, |change| matches!(change, Change::Expired { .. }))?;
        self.oracle.model.now = now;
        if let Some(n) = self.oracle.model.due_hold().filter(|_| !self.full) {
            return Ok(broken("INV-3", format!("#{n} is past its deadline and lives on"))?);
        }
        self.follow_while(&mut rest, |change| {
            matches!(change, Change::Wait(WaitChange::Offered(_) | WaitChange::Skipped { .. }))
        })?;
        if !self.full {
            self.oracle.nothing_idle(&self.flying)?;
        }
        self.follow_while(&mut rest, |change| matches!(change, Change::Served { .. }))?;
        if !self.full {
            self.nobody_forgotten()?;
        }
        for mut flight in std::mem::take(&mut self.reserves) {
            told.extend(self.decided(&mut flight, &mut rest)?);
            if let Ask::Reserve { sku, units, .. } = flight.ask {
                self.oracle.flying_units[sku] -= units;
            }
        }
        self.flying.clear();
        for mut flight in std::mem::take(&mut self.joins) {
            told.extend(self.decided(&mut flight, &mut rest)?);
        }
        if let Some((lsn, record)) = rest.first() {
            return Ok(broken("INV-5", format!("LSN {lsn} that nobody asked for: {record:?}"))?);
        }
        for said in told {
            self.check_state(&said)?;
        }
        Ok(self.batches_answered()?)
    }

    /// The indexer sends draws among what settles.
    fn follow_draws(&mut self, rest: &mut &Records) -> Flow {
        self.follow_while(rest, |change| matches!(change, Change::Drawn { .. }))
    }

    fn follow_while(&mut self, rest: &mut &Records, of: impl Fn(&Change) -> bool) -> Flow {
        while let Some(((lsn, record), after)) = rest.split_first()
            && of(&record.change)
        {
            self.follow_one(*lsn, record)?;
            *rest = after;
        }
        Ok(())
    }

    pub(crate) fn follow_one(&mut self, lsn: Lsn, record: &Record) -> Flow {
        self.tell(|| format!("       LSN {lsn}: {:?}", record.change));
        self.stats.records += 1;
        Ok(self.oracle.record(lsn, record, self.lexicon)?)
    }

    /// An opening is recorded with its first reserves: while nobody asks, it may wait a moment.
    fn opening_waits(&self, now: u64) -> bool {
        let due = |c: &onrush::ledger::naive_model::Camp| {
            c.phase < Phase::Open && (c.opens..c.opens + OPENING_ALONE_MS).contains(&now)
        };
        self.settles.is_empty()
            && self.reserves.is_empty()
            && self.oracle.model.camps.iter().any(due)
    }

    fn nothing_due_switch(&self, now: u64) -> Holds {
        if self.opening_waits(now) {
            return Ok(());
        }
        for (camp, c) in self.oracle.model.camps.iter().enumerate() {
            if c.phase_at(now) != c.phase {
                return broken("INV-7", format!("campaign {camp} is still {:?} at {now}", c.phase));
            }
            if let Some((sku, units)) = self.oracle.model.due_wave(camp) {
                return broken("INV-7", format!("a wave of {units} units of SKU {sku} is late"));
            }
        }
        Ok(())
    }

    /// Follow the records of one request and compare its answer; returns what its caller was told.
    fn decided(&mut self, flight: &mut Flight, rest: &mut &Records) -> Result<Option<Said>, Stop> {
        let awaited = flight.waits.is_awaited();
        let said = flight.waits.take(&self.world);
        let ask = flight.ask;
        let later = awaited && said.is_none() && self.answers_later(&ask);
        if awaited && said.is_none() && !later {
            broken("INV-9", format!("{ask:?} was not answered in its turn"))?;
        }
        if let Some(said) = said {
            self.tell(|| format!("       {ask:?}: {said}"));
        }
        let granted = said.is_none_or(|said| matches!(said.how, How::Done | How::Ok));
        let mut count = if granted { belong(&ask, rest, self) } else { 0 };
        let first_seq = self.oracle.model.res.len();
        let (mine, after) = rest.split_at(count);
        *rest = after;
        for (lsn, record) in mine {
            self.follow_one(*lsn, record)?;
        }
        // Segments this small are used up before the next is ready: what is new waits then, too.
        let cramped = self.plan.setup.segment_bytes < 8 * 1_024 && !ends_something(&ask);
        let full = (self.full || cramped) && said.is_none_or(|said| said.code == "overloaded");
        if full && said.is_some() && self.reserve_kept && ends_something(&ask) {
            broken("INV-9", format!("{ask:?} is refused for lack of room that was kept for it"))?;
        }
        let expected = if count > 0 {
            let n = if let Ask::Reserve { .. } = ask { Some(first_seq) } else { subject(&ask) };
            n.map_or("done".to_owned(), |n| format!("done {n}"))
        } else if full {
            count = 1;
            "overloaded".to_owned()
        } else {
            self.oracle.without_record(&ask, self.lexicon)
        };
        if later {
            let waits = std::mem::replace(&mut flight.waits, Waits::Gone);
            self.late.push(Late { waits, ask, expected: expected.clone() });
        }
        if let Some(notice) = flight.notice.filter(|_| expected != "overloaded") {
            self.notices[notice].answered = said.is_some();
            self.notices[notice].known = said.is_some_and(|said| said.is_granted());
        }
        match said {
            None if count == 0 && expected.starts_with("done") => {
                let veto =
                    ["not_open", "paused", "ended", "pass_invalid", "limit_reached", "all_held"];
                if !veto.iter().any(|code| self.oracle.may_veto(&ask, code)) {
                    broken("INV-6", format!("{ask:?}, whose caller is gone, was not decided"))?;
                }
            }
            None => {}
            Some(said) if said.is(&expected) && (count > 0 || !expected.starts_with("done")) => {}
            Some(said) if said.how == How::Refused && self.oracle.may_veto(&ask, said.code) => {}
            Some(said) => {
                let promise = if said.is_granted() { "INV-4" } else { "INV-5" };
                broken(promise, format!("{ask:?} is {said}; it should be {expected}"))?;
            }
        }
        let said = said.filter(Said::is_granted);
        if let (Some(said), Ask::Line(LineAsk::Join { camp, buyer, .. })) = (said, ask) {
            let theirs = self.oracle.queues.of(camp).and_then(|queue| queue.ticket(buyer));
            if said.ticket != theirs {
                broken("INV-11", format!("buyer {buyer} is told {said}; they have {theirs:?}"))?;
            }
        }
        Ok(said)
    }

    /// Count the records of a campaign that is new: its terms, its waitlist's, one for each SKU.
    fn new_records(&self, camp: usize) -> usize {
        let c = &self.plan.setup.camps[camp];
        // One with a line is a draft before the line is put.
        1 + 2 * usize::from(c.line.is_some()) + usize::from(c.offer_ms.is_some()) + c.skus.len()
    }

    /// What must hold after every turn (INV-1, 2, 6, 9).
    fn check_turn(&mut self) -> Holds {
        let ledger = self.world.driver.ledger();
        self.told = self.world.engine.durable_lsn();
        if ledger.lsn() != self.oracle.lsn {
            let (lsn, known) = (ledger.lsn(), self.oracle.lsn);
            return broken("INV-4", format!("the ledger is at LSN {lsn}, the disk at {known}"));
        }
        self.oracle.compare_touched(ledger)?;
        check_slots(&self.world)
    }

    /// Bounds that only grow slowly: looked at when all is quiet (INV-9).
    pub(crate) fn check_bounds(&self) -> Holds {
        let model = &self.oracle.model;
        if let Some(r) = model.res.iter().find(|r| r.lines.len() > PAYMENTS_PER_RESERVATION_MAX) {
            return broken("INV-9", format!("{} payments of one reservation", r.lines.len()));
        }
        for camp in 0..model.camps.len() {
            for buyer in 0..self.plan.setup.buyers {
                let count = model.of_buyer(camp, buyer).count();
                if count > RESERVATIONS_PER_BUYER_MAX {
                    return broken("INV-9", format!("buyer {buyer} has {count} reservations"));
                }
            }
        }
        let status = self.world.engine.status();
        let (reserves, settles) = (status.reserves_in_flight, status.settles_in_flight);
        if (reserves, settles) != (0, 0) {
            let what = format!("{reserves} reserves and {settles} settles under way, at rest");
            return broken("INV-9", what);
        }
        Ok(())
    }
}

/// A slot never has more free units than the ledger (INV-2).
fn check_slots(world: &World) -> Holds {
    for (n, sku) in world.driver.ledger().skus().iter().enumerate() {
        let slot = world.engine.units(onrush::SkuIx(n as u32));
        if slot.is_none_or(|slot| slot.free > sku.free) {
            let free = sku.free;
            return broken("INV-2", format!("callers see {slot:?} of SKU {n}, free are {free}"));
        }
    }
    Ok(())
}

/// Tell whether `ask` ends something: on a full disk, the last segment is kept for that.
fn ends_something(ask: &Ask) -> bool {
    !matches!(
        ask,
        Ask::Reserve { .. }
            | Ask::Put { .. }
            | Ask::Supply { units: 1.., .. }
            | Ask::Join { .. }
            | Ask::Line(_)
            | Ask::Store(_)
    )
}

/// Return the reservation that `ask` is about.
fn subject(ask: &Ask) -> Option<usize> {
    match *ask {
        Ask::Confirm { n, .. }
        | Ask::Release { n, .. }
        | Ask::Cancel { n, .. }
        | Ask::Extend { one: Some(n), .. }
        | Ask::Judge { n, .. } => Some(n),
        Ask::Store(ask) => ask.subject(),
        _ => None,
    }
}

/// Count the records at the front of `rest` that answer `ask`.
fn belong(ask: &Ask, rest: &Records, run: &Run<'_>) -> usize {
    let Some((_, first)) = rest.first() else { return 0 };
    // Acceptance sells what was paid for; what costs nothing waits for its own confirm.
    let sold_by_it = |change: &Change, n: usize| {
        sells(change, n) && run.oracle.model.res.get(n).is_some_and(|r| r.amount > 0)
    };
    let is_it = match (&first.change, *ask) {
        (Change::Reserved(r), Ask::Reserve { sku, buyer, units, key, .. }) => {
            r.sku.index() == sku
                && r.buyer == run.lexicon.digest(buyer)
                && r.quantity.get() == units
                && r.key.0 == run.lexicon.key(key)
        }
        (Change::Paid(paid), Ask::Confirm { n, line: Some(line), key }) => {
            paid.seq.index() == n
                && paid.line == crate::world::payment(&line)
                && same_key(paid.key, key, run)
        }
        (Change::Confirmed { seq, key: k }, Ask::Confirm { n, line: None, key })
        | (Change::Released { seq, key: k }, Ask::Release { n, key, .. }) => {
            seq.index() == n && same_key(*k, key, run)
        }
        (Change::Accepted { seq, .. }, Ask::Judge { n, accept: true }) if seq.index() == n => {
            return 1 + usize::from(
                rest.get(1).is_some_and(|(_, next)| sold_by_it(&next.change, n)),
            );
        }
        (change @ Change::Confirmed { .. }, Ask::Judge { n, accept: true }) => {
            sold_by_it(change, n)
        }
        (Change::Rejected { seq, .. }, Ask::Judge { n, accept: false }) => seq.index() == n,
        (Change::Extended { holds, more, .. }, Ask::Extend { camp, one, more_ms }) => {
            let meant = match *holds {
                HoldsMeant::One(seq) => one == Some(seq.index()),
                HoldsMeant::Campaign(ix) => one.is_none() && ix.index() == camp,
            };
            meant && more.0 == more_ms
        }
        (Change::Cancelled { seq, restock: r, .. }, Ask::Cancel { n, restock }) => {
            (seq.index(), *r) == (n, restock)
        }
        (Change::Wait(WaitChange::Joined { sku: s, wish }), Ask::Join { sku, buyer, .. }) => {
            s.index() == sku && run.lexicon.buyer_of(wish.buyer) == Some(buyer)
        }
        (Change::Wait(WaitChange::Left { sku: s, .. }), Ask::Leave { sku, buyer }) => {
            s.index() == sku && run.oracle.waits.place(sku, buyer).is_some()
        }
        (Change::Refunded { refund, .. }, Ask::Refunded { refund: n }) => *refund as usize == n,
        (Change::Supplied { sku: s, units: u, .. }, Ask::Supply { sku, units }) => {
            (s.index(), i64::from(*u)) == (sku, i64::from(units))
        }
        (Change::Withdrawn { sku: s, units: u, .. }, Ask::Supply { sku, units }) => {
            (s.index(), -i64::from(*u)) == (sku, i64::from(units))
        }
        (Change::Phase { campaign, to: t, by: Some(_) }, Ask::Move { camp, to }) => {
            (campaign.index(), *t) == (camp, to)
        }
        (
            Change::Campaign { campaign, .. } | Change::Sku { campaign, .. },
            Ask::Put { camp, .. },
        ) => {
            return if campaign.index() == camp { put_records(ask, run) } else { 0 };
        }
        (_, Ask::Store(ask)) => return run.oracle.store_records(ask, rest),
        (change, Ask::Line(ask)) => answers_line(change, ask, run),
        _ => false,
    };
    usize::from(is_it)
}

fn answers_line(change: &Change, ask: LineAsk, run: &Run<'_>) -> bool {
    match (change, ask) {
        (
            Change::Joined { campaign, buyer: digest, class: c, .. },
            LineAsk::Join { camp, buyer, class },
        ) => {
            let buyer = run.lexicon.digest(buyer);
            (campaign.index(), *digest, *c) == (camp, buyer, class)
        }
        (Change::Returned { campaign, number, .. }, LineAsk::Return { camp, at }) => {
            (campaign.index(), number.index()) == (camp, at)
        }
        (Change::Outflow { campaign, outflow, .. }, LineAsk::Flow { camp, flow }) => {
            (campaign.index(), *outflow) == (camp, line_asks::outflow(flow))
        }
        (Change::PublicValue { campaign, lane: l, .. }, LineAsk::Value { camp, lane, .. }) => {
            (campaign.index(), *l) == (camp, lane)
        }
        _ => false,
    }
}

/// Tell whether `change` sells hold `n` for what was paid before.
fn sells(change: &Change, n: usize) -> bool {
    matches!(change, Change::Confirmed { seq, key: None } if seq.index() == n)
}

/// Tell whether a record carries the key that its request had.
fn same_key(of: Option<(KeyDigest, RequestDigest)>, key: Option<u8>, run: &Run<'_>) -> bool {
    of.map(|(key, _)| key.0) == key.map(|key| run.lexicon.key(key))
}

/// Count the records of a put that changes something: one for its terms, one for each SKU that is new
/// or has another price.
fn put_records(ask: &Ask, run: &Run<'_>) -> usize {
    let Ask::Put { camp, limit, hold_ms, price } = *ask else { return 0 };
    let model = &run.oracle.model;
    let Some(c) = model.camps.get(camp) else { return run.new_records(camp) };
    let terms = (c.limit, c.hold) != (limit, hold_ms);
    let first = model.skus.iter().find(|sku| sku.camp == camp);
    usize::from(terms) + usize::from(first.is_some_and(|sku| sku.price != price))
}
