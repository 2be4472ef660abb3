//! The only mutation of the ledger. Live and in replay alike, a record is checked against the state
//! it meets before anything changes, and the SKU it touched is checked for conservation afterwards.

use super::record::{Change, Paid, PaidOutcome, Record, RefundDue, Reserved, Source};
use super::state::{CampaignState, Extra, HoldClass, Ledger, Line, ReservationState, SkuState};
use crate::campaign::Terms;
use crate::front::NONE;
use crate::phase::Phase;
use crate::reservation::State;
use onrush_types::limits::{
    BUYERS_PER_CAMPAIGN_MAX, CAMPAIGNS_MAX, HOLD_CLASSES_MAX, PAYMENTS_PER_RESERVATION_MAX,
    RESERVATIONS_MAX, SKUS_MAX, SUPPLY_MAX,
};
use onrush_types::planted;
use onrush_types::{
    CampaignIx, DurationMs, KeyDigest, Lsn, Name, NodeNo, ReservationSeq, SkuIx, TicketNo,
    Timestamp,
};
use std::collections::BTreeMap;
use std::fmt;

/// A record that does not follow from the state it meets: the journal is not this ledger's, or
/// there is a bug. The ledger must not be used any further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The record's LSN.
    pub lsn: Lsn,
    /// What did not hold.
    pub what: String,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} does not follow from the state before it: {}", self.lsn, self.what)
    }
}

impl std::error::Error for Divergence {}

/// What a record touched, for whoever mirrors the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The record.
    pub lsn: Lsn,
    /// What it touched.
    pub touched: Touched,
    /// What it moved in a slot.
    pub stock: Option<(SkuIx, StockMove)>,
}

/// What a record touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// A campaign's terms or phase.
    Campaign(CampaignIx),
    /// A SKU's terms or units.
    Sku(SkuIx),
    /// A reservation that is new, in this state.
    New(ReservationSeq, State),
    /// A reservation; the state it is in now.
    Reservation(ReservationSeq, State),
    /// Deadlines of one campaign's live holds, from the first to the last of them.
    Deadlines(ReservationSeq, ReservationSeq),
    /// A refund that was paid out.
    Refund(u32),
    /// The waitlist of a SKU.
    Waitlist(SkuIx),
    /// The line of a campaign.
    Line(CampaignIx),
    /// A ticket: it is new, or its owner came back.
    Ticket(CampaignIx, TicketNo),
    /// A store or its stock.
    Node(NodeNo),
    /// A sold reservation's order.
    Order(ReservationSeq),
    /// The routing policy.
    Routing,
}

/// What a record moves in the slot of a SKU once it is durable. A new hold moves nothing: its units
/// were taken before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockMove {
    /// Units from held back to free.
    GiveBack(u32),
    /// Units out of held for good.
    Keep(u32),
    /// New free units.
    Add(u32),
}

pub(super) type Applied = Result<(Touched, Option<(SkuIx, StockMove)>), String>;

impl Ledger {
    /// Apply one record.
    ///
    /// # Errors
    /// When the record does not follow from the state; the ledger is unusable then.
    pub fn apply(&mut self, record: &Record) -> Result<Effect, Divergence> {
        let lsn = self.lsn.next();
        let diverged = |what| Divergence { lsn, what };
        if record.stamp < self.stamp {
            return Err(diverged(format!("time ran back from {:?}", self.stamp)));
        }
        let before = self.stock_before(&record.change);
        let (touched, stock) = self.change(record).map_err(diverged)?;
        if let Some(before) = before {
            self.stock_after(before, &record.change);
        }
        if let Some((sku, _)) = stock {
            self.skus[sku.index()].check().map_err(diverged)?;
            self.note_free(sku);
        }
        self.lsn = lsn;
        self.stamp = record.stamp;
        Ok(Effect { lsn, touched, stock })
    }

    /// Apply a campaign's record that a snapshot carries: the state changes, the journal does not.
    pub(super) fn apply_unlogged(
        &mut self,
        record: &Record,
    ) -> Result<(), super::snapshot::SnapshotError> {
        let applied =
            matches!(record.change, Change::Campaign { .. }) && self.change(record).is_ok();
        applied.then_some(()).ok_or(super::snapshot::SnapshotError { what: "a campaign" })
    }

    fn change(&mut self, record: &Record) -> Applied {
        match &record.change {
            Change::Reserved(r) => self.apply_reserved(r, record.stamp),
            Change::Expired { seq } => {
                let (r, _) = self.close(*seq, State::Expired)?;
                ensure(record.stamp >= r.expires_at, "a hold expired before its deadline")?;
                Ok((Touched::Reservation(*seq, r.state), Some((r.sku, give_back(&r)))))
            }
            Change::Released { seq, key } => {
                let (r, extra) = self.close(*seq, State::Released)?;
                if key.is_some() {
                    self.extra_mut(*seq, extra).release = *key;
                }
                Ok((Touched::Reservation(*seq, r.state), Some((r.sku, give_back(&r)))))
            }
            Change::Paid(paid) => self.apply_paid(paid, record.stamp),
            Change::Confirmed { seq, key } => {
                let (r, extra) = self.close(*seq, State::Sold)?;
                // Fails when the price is not covered by what was paid before.
                self.refund_surplus(*seq, &r)?;
                if key.is_some() {
                    self.extra_mut(*seq, extra).confirm = *key;
                }
                let kept = StockMove::Keep(r.quantity.get());
                Ok((Touched::Reservation(*seq, r.state), Some((r.sku, kept))))
            }
            Change::Accepted { seq, .. } => {
                self.move_state(*seq, State::Held)?;
                self.reservations.get_mut(seq.0).expect("it was moved").unaccepted = false;
                Ok((Touched::Reservation(*seq, State::Held), None))
            }
            Change::Rejected { seq, .. } => {
                let waits = self.reservations.get(seq.0).is_some_and(|r| r.state == State::Review);
                ensure(waits, "only a hold under review is rejected")?;
                let (r, _) = self.close(*seq, State::Released)?;
                Ok((Touched::Reservation(*seq, r.state), Some((r.sku, give_back(&r)))))
            }
            Change::Extended { holds, more, .. } => self.apply_extended(*holds, *more),
            Change::Cancelled { seq, restock, .. } => {
                self.take_plan_back(*seq, *restock, record.stamp)?;
                self.apply_cancelled(*seq, *restock)
            }
            Change::Nodes(change) => self.apply_nodes(change, record.stamp),
            Change::Refunded { refund, .. } => {
                let due = self.refunds.get_mut(*refund as usize).ok_or("no such refund")?;
                ensure(!due.done, "a refund was paid out twice")?;
                due.done = true;
                Ok((Touched::Refund(*refund), None))
            }
            Change::Wait(change) => self.apply_wait(change, record.stamp),
            Change::Campaign { campaign, name, terms } => {
                self.apply_campaign(*campaign, name, terms)
            }
            Change::Sku { sku, campaign, name, price, limit_per_buyer, supply } => {
                let terms = (*price, *limit_per_buyer, *supply);
                self.apply_sku(*sku, *campaign, name, terms)
            }
            Change::Supplied { sku, units, source } => self.apply_supplied(*sku, *units, source),
            Change::Withdrawn { sku, units, .. } => {
                let s = self.sku_mut(*sku)?;
                s.free = s.free.checked_sub(*units).ok_or("withdrew more than was free")?;
                s.withdrawn += units;
                Ok((Touched::Sku(*sku), Some((*sku, StockMove::Keep(*units)))))
            }
            Change::Phase { campaign, to, by } => {
                let c = self.campaigns.get_mut(campaign.index()).ok_or("no such campaign")?;
                ensure(c.reached.can_move_to(*to), "a phase went where the diagram has no arrow")?;
                c.reached = *to;
                self.note_switches();
                self.wait_phase(*campaign, *to);
                self.line_phase(*campaign, *to, by.as_ref(), record.stamp);
                Ok((Touched::Campaign(*campaign), None))
            }
            Change::Line { .. }
            | Change::Joined { .. }
            | Change::Drawn { .. }
            | Change::Served { .. }
            | Change::Returned { .. }
            | Change::Outflow { .. }
            | Change::PublicValue { .. } => self.apply_line_change(&record.change, record.stamp),
        }
    }

    pub(super) fn apply_reserved(&mut self, r: &Reserved, stamp: Timestamp) -> Applied {
        ensure(r.seq.0 == self.reservations.len, "reservation numbers are dense")?;
        ensure(r.seq.index() < RESERVATIONS_MAX, "more reservations than the ledger holds")?;
        let campaign = self.sku_mut(r.sku)?.campaign;
        ensure(r.expires_at > stamp, "a hold's deadline is in its future")?;
        ensure(self.open(campaign, stamp).is_ok(), "a hold while the sale was not open (INV-7)")?;
        let passed = r.key != KeyDigest::OFFER && self.waits.is_waiting(r.sku);
        ensure(!passed, "a hold passed those who wait (INV-14)")?;
        let latest = self.latest_of(campaign, r.buyer);
        let over = self.over_limit(campaign, latest, r.sku, r.quantity);
        ensure(over.is_none(), "a hold past the buyer's limit (INV-6)")?;
        self.use_pass(campaign, r, stamp)?;
        let hold_class = self.hold_class(r.expires_at.since(stamp))?;
        let s = self.sku_mut(r.sku)?;
        s.free = s.free.checked_sub(r.quantity.get()).ok_or("held more than was free")?;
        s.held += r.quantity.get();
        let extra = match &r.details {
            None => NONE,
            Some(details) => {
                self.extras.push(Extra { details: Some(details.clone()), ..Extra::default() });
                (self.extras.len() - 1) as u32
            }
        };
        let previous = self.swap_latest(campaign, r.buyer, r.seq.0);
        self.reservations.push(ReservationState {
            buyer: r.buyer,
            key: r.key,
            expires_at: r.expires_at,
            amount: r.amount,
            request: r.request,
            sku: r.sku,
            previous,
            extra,
            quantity: r.quantity,
            state: if r.review { State::Review } else { State::Held },
            hold_class,
            unaccepted: r.review,
        });
        self.skus[r.sku.index()].check()?;
        Ok((Touched::New(r.seq, if r.review { State::Review } else { State::Held }), None))
    }

    /// Move a live hold to a final state and its units to where they belong; money that did not
    /// become a sale falls due back.
    fn close(&mut self, seq: ReservationSeq, to: State) -> Result<(ReservationState, u32), String> {
        let live = self.reservations.get(seq.0).is_some_and(|r| r.state.is_held());
        ensure(live, "only a live hold is closed")?;
        let r = self.move_state(seq, to)?;
        let s = &mut self.skus[r.sku.index()];
        let units = r.quantity.get();
        s.held = s.held.checked_sub(units).ok_or("more left a hold than was held")?;
        if to == State::Sold {
            s.sold += units;
        } else {
            s.free += units;
            planted!("release-keeps-money", (), self.refund_all(seq));
        }
        Ok((r, r.extra))
    }

    fn apply_paid(&mut self, paid: &Paid, stamp: Timestamp) -> Applied {
        let Paid { seq, line, key, outcome } = paid;
        let r = *self.reservations.get(seq.0).ok_or("no such reservation")?;
        let known = self.payment(&line.provider, &line.reference);
        ensure(known.is_none(), "a payment was counted twice")?;
        let extra = self.extra_mut(*seq, r.extra);
        ensure(extra.lines.len() < PAYMENTS_PER_RESERVATION_MAX, "too many payment lines")?;
        let at = extra.lines.len() as u8;
        extra.lines.push(Line { payment: line.clone(), key: *key, refunded: 0 });
        self.index_payment(*seq, at);
        let units = r.quantity.get();
        let stock = match outcome {
            PaidOutcome::Partial => {
                ensure(r.state.is_held(), "a partial payment is kept with a live hold only")?;
                None
            }
            PaidOutcome::Refund => {
                self.refund(*seq, at, line.money.amount);
                None
            }
            PaidOutcome::Sold => {
                self.close(*seq, State::Sold)?;
                self.refund_surplus(*seq, &r)?;
                Some((r.sku, StockMove::Keep(units)))
            }
            PaidOutcome::Retaken => {
                ensure(r.state == State::Expired, "only an expired hold is taken again")?;
                let allowed = self.retake_allowed(&r, stamp);
                ensure(allowed, "a unit was taken again after the sale or past the limit (INV-8)")?;
                self.move_state(*seq, State::Sold)?;
                let s = &mut self.skus[r.sku.index()];
                s.free = s.free.checked_sub(units).ok_or("took again more than was free")?;
                s.sold += units;
                self.refund_surplus(*seq, &r)?;
                Some((r.sku, StockMove::Keep(units)))
            }
        };
        let state = self.reservations.get(seq.0).map_or(r.state, |r| r.state);
        Ok((Touched::Reservation(*seq, state), stock))
    }

    fn apply_cancelled(&mut self, seq: ReservationSeq, restock: bool) -> Applied {
        let r = self.move_state(seq, State::Cancelled)?;
        let units = r.quantity.get();
        let s = &mut self.skus[r.sku.index()];
        s.sold = s.sold.checked_sub(units).ok_or("cancelled more than was sold")?;
        let stock = if restock {
            s.free += units;
            planted!("restock-unseen", None, Some((r.sku, StockMove::Add(units))))
        } else {
            s.withdrawn += units;
            None
        };
        self.skus[r.sku.index()].check()?;
        planted!("cancel-keeps-money", (), self.refund_all(seq));
        Ok((Touched::Reservation(seq, State::Cancelled), stock))
    }

    fn apply_campaign(&mut self, ix: CampaignIx, name: &Name, terms: &Terms) -> Applied {
        ensure(ix.index() <= self.campaigns.len(), "campaign numbers are dense")?;
        ensure(ix.index() < CAMPAIGNS_MAX, "more campaigns than the ledger holds")?;
        // Memory is set aside for as many: a damaged number must not ask for more than there can be.
        let expected = terms.buyers_expected as usize;
        ensure(
            expected <= BUYERS_PER_CAMPAIGN_MAX,
            "a campaign expects more buyers than it may have",
        )?;
        self.hold_class(terms.hold)?;
        if ix.index() == self.campaigns.len() {
            let known = self.campaign_names.insert(name.clone(), ix);
            ensure(known.is_none(), "two campaigns have one name")?;
            self.reserve_buyers(terms.buyers_expected as usize);
            self.campaigns.push(CampaignState {
                name: name.clone(),
                terms: terms.clone(),
                reached: Phase::Draft,
                waves_done: 0,
                skus: BTreeMap::new(),
            });
        }
        let c = &mut self.campaigns[ix.index()];
        ensure(c.name == *name, "a campaign changed its name")?;
        c.terms = terms.clone();
        if terms.published && c.reached == Phase::Draft {
            c.reached = Phase::Scheduled;
        }
        self.note_switches();
        Ok((Touched::Campaign(ix), None))
    }

    fn apply_sku(
        &mut self,
        ix: SkuIx,
        campaign: CampaignIx,
        name: &Name,
        (price, limit_per_buyer, supply): (i64, u32, u32),
    ) -> Applied {
        ensure(ix.index() <= self.skus.len(), "SKU numbers are dense")?;
        ensure(ix.index() < SKUS_MAX, "more SKUs than the ledger holds")?;
        ensure(supply <= SUPPLY_MAX, "more units than a slot holds")?;
        if ix.index() == self.skus.len() {
            let c = self.campaigns.get_mut(campaign.index()).ok_or("no such campaign")?;
            let known = c.skus.insert(name.clone(), ix);
            ensure(known.is_none(), "two SKUs of a campaign have one name")?;
            let (name, supplied, free) = (name.clone(), supply, supply);
            let [held, sold, withdrawn] = [0; 3];
            self.skus.push(SkuState {
                campaign,
                name,
                price,
                limit_per_buyer,
                supplied,
                free,
                held,
                sold,
                withdrawn,
            });
            if self.next_wave(campaign).is_some_and(|wave| wave.sku == self.skus[ix.index()].name) {
                self.note_switches();
            }
            let stock = (supply > 0).then_some((ix, StockMove::Add(supply)));
            return Ok((Touched::Sku(ix), stock));
        }
        ensure(supply == 0, "a change of terms supplied units")?;
        let s = self.sku_mut(ix)?;
        ensure(s.campaign == campaign && s.name == *name, "a SKU changed its name")?;
        (s.price, s.limit_per_buyer) = (price, limit_per_buyer);
        Ok((Touched::Sku(ix), None))
    }

    fn apply_supplied(&mut self, sku: SkuIx, units: u32, source: &Source) -> Applied {
        let s = self.sku_mut(sku)?;
        let supplied = s.supplied.checked_add(units).filter(|&total| total <= SUPPLY_MAX);
        s.supplied = supplied.ok_or("more units than a slot holds")?;
        s.free += units;
        let campaign = s.campaign;
        if let Source::Wave(wave) = source {
            let c = &mut self.campaigns[campaign.index()];
            ensure(*wave == c.waves_done, "waves come in order, each once")?;
            c.waves_done += 1;
            self.note_switches();
        }
        Ok((Touched::Sku(sku), Some((sku, StockMove::Add(units)))))
    }

    /// The one setter of a reservation's state.
    fn move_state(&mut self, seq: ReservationSeq, to: State) -> Result<ReservationState, String> {
        let r = self.reservations.get_mut(seq.0).ok_or("no such reservation")?;
        if !r.state.can_move_to(to) {
            return Err(format!("{seq:?} cannot go from {:?} to {to:?}", r.state));
        }
        r.state = to;
        Ok(*r)
    }

    pub(super) fn sku_mut(&mut self, sku: SkuIx) -> Result<&mut SkuState, String> {
        self.skus.get_mut(sku.index()).ok_or_else(|| "no such SKU".to_owned())
    }

    fn extra_mut(&mut self, seq: ReservationSeq, extra: u32) -> &mut Extra {
        let at = if extra == NONE { self.extras.len() } else { extra as usize };
        if extra == NONE {
            self.extras.push(Extra::default());
            self.reservations.get_mut(seq.0).expect("the caller read it").extra = at as u32;
        }
        &mut self.extras[at]
    }

    pub(super) fn hold_class(&mut self, hold: DurationMs) -> Result<u8, String> {
        let found = self.hold_classes.iter().position(|class| class.hold == hold);
        let at = found.unwrap_or(self.hold_classes.len());
        if found.is_none() {
            ensure(at < HOLD_CLASSES_MAX, "more hold durations than the ledger keeps apart")?;
            self.hold_classes.push(HoldClass {
                hold,
                cursor: planted!(
                    "first-hold-forgotten",
                    self.reservations.len + 1,
                    self.reservations.len
                ),
            });
        }
        Ok(at as u8)
    }

    /// Let `amount` of a line fall due back.
    fn refund(&mut self, seq: ReservationSeq, line: u8, amount: i64) {
        let Some(r) = self.reservations.get(seq.0) else { return };
        let l = &mut self.extras[r.extra as usize].lines[usize::from(line)];
        l.refunded += amount;
        assert!(l.refunded <= l.payment.money.amount, "a line falls due back at most whole");
        let currency = l.payment.money.currency;
        self.refunds.push(RefundDue { seq, line, amount, currency, done: false });
    }

    /// Let all money of a reservation that is not due back yet fall due.
    fn refund_all(&mut self, seq: ReservationSeq) {
        for at in 0..self.lines(seq).len() {
            let line = &self.lines(seq)[at];
            let rest = line.payment.money.amount - line.refunded;
            if rest > 0 {
                self.refund(seq, at as u8, rest);
            }
        }
    }

    /// After a sale: what is too much or of another currency falls due back.
    fn refund_surplus(&mut self, seq: ReservationSeq, r: &ReservationState) -> Result<(), String> {
        let currency = self.campaign_of(r.sku).terms.currency;
        let mut due = r.amount;
        for at in 0..self.lines(seq).len() {
            let line = &self.lines(seq)[at];
            let rest = line.payment.money.amount - line.refunded;
            let used = if line.payment.money.currency == currency { rest.min(due) } else { 0 };
            due -= used;
            if rest > used && planted!("surplus-kept", false, true) {
                self.refund(seq, at as u8, rest - used);
            }
        }
        ensure(due == 0, "a sale was not covered by its payments")
    }
}

fn give_back(r: &ReservationState) -> StockMove {
    StockMove::GiveBack(r.quantity.get())
}

pub(super) fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}
