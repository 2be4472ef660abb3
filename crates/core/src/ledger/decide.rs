//! Decisions about reservations. Each one looks at the state, records at most a few changes and
//! applies them at once; a refusal changes nothing.

use super::action::{Action, Answer, Reserve, Subject, Take};
use super::apply::{Divergence, Effect};
use super::catalogue::check_by;
use super::record::{By, Change, Record, Reserved};
use super::state::{Ledger, ReservationState};
use crate::phase::{Phase, phase_at};
use crate::refusal::Refusal;
use crate::reservation::State;
use onrush_types::limits::{HOLD_CLASSES_MAX, RESERVATIONS_MAX, RESERVATIONS_PER_BUYER_MAX};
use onrush_types::planted;
use onrush_types::{
    CampaignIx, DurationMs, KeyDigest, Quantity, RequestDigest, ReservationSeq, SkuIx, Timestamp,
};

/// A hold is halved at most so often, and never under a time in which a person can pay.
const HALVINGS_MAX: u8 = 3;
const HOLD_MS_SHORTEST: u64 = 30_000;

/// Capacity refusals ask the client to come back after this long.
pub(super) const RETRY_MS: u32 = 1_000;

/// The answer, or the news that the ledger is unusable.
pub type Outcome = Result<Answer, Divergence>;

/// Where decided records go: each with the effect it had.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&Record, Effect);

impl Ledger {
    /// Decide `action` at `now`, apply what was decided, and hand each record to `sink` in order.
    ///
    /// Time never runs back: a record is stamped with the later of `now` and the last stamp.
    /// Phase switches that are due must have been applied before (see [`Ledger::due_switch`]).
    ///
    /// # Errors
    /// Only when a record that was just decided does not apply: a bug, and the end of this ledger.
    pub fn perform(
        &mut self,
        action: Action,
        now: Timestamp,
        take: &mut dyn Take,
        sink: &mut dyn FnMut(&Record, Effect),
    ) -> Outcome {
        let now = now.max(self.stamp);
        match action {
            Action::Reserve(reserve) => self.reserve(reserve, now, sink),
            Action::Release { seq, key } => self.release(seq, key, now, sink),
            Action::Confirm { seq, lines, key } => self.confirm(seq, lines, key, now, take, sink),
            Action::Cancel { seq, restock, by } => self.cancel(seq, restock, by, now, sink),
            Action::Judge { seq, accept, by } => self.judge(seq, accept, by, now, sink),
            Action::Extend { holds, more, by } => self.extend(holds, more, by, now, sink),
            Action::Refunded { refund, by } => self.refunded(refund, by, now, sink),
            Action::Nodes(ask) => self.perform_nodes(*ask, now, take, sink),
            Action::Put(spec) => self.put(*spec, now, take, sink),
            Action::Supply { sku, units, by } => self.supply(sku, units, by, now, take, sink),
            Action::Move { campaign, to, by } => self.move_phase(campaign, to, by, now, sink),
            Action::Wait(action) => self.wait(action, now, sink),
            Action::Join { campaign, buyer, class } => self.join(campaign, buyer, class, now, sink),
            Action::Draw { campaign, facts } => self.draw(campaign, facts, now, sink),
            Action::Return { campaign, number, place } => {
                self.return_to_line(campaign, number, place, now, sink)
            }
            Action::SetOutflow { campaign, outflow, by } => {
                self.set_outflow(campaign, outflow, by, now, sink)
            }
            Action::SetPublicValue { campaign, lane, value, by } => {
                self.set_public_value(campaign, lane, value, by, now, sink)
            }
        }
    }

    /// Record and apply a change that was decided elsewhere (what falls due with time).
    ///
    /// # Errors
    /// As [`Ledger::perform`].
    pub fn record(
        &mut self,
        change: Change,
        now: Timestamp,
        sink: &mut dyn FnMut(&Record, Effect),
    ) -> Result<(), Divergence> {
        let record = Record { stamp: now.max(self.stamp), change };
        let effect = self.apply(&record)?;
        sink(&record, effect);
        Ok(())
    }

    fn reserve(&mut self, ask: Reserve, now: Timestamp, sink: Sink<'_>) -> Outcome {
        let Some(sku) = self.skus.get(ask.sku.index()) else { return refuse(Refusal::NotFound) };
        let (campaign, free, held) = (sku.campaign, sku.free, sku.held);
        let terms = &self.campaigns[campaign.index()].terms;
        let amount = sku.price * planted!("price-of-one", 1, i64::from(ask.quantity.get()));
        let hold = self.hold_of(terms.hold, ask.halvings);
        let expires_at = planted!("hold-twice-as-long", (now + hold) + hold, now + hold);
        let latest = self.latest_of(campaign, ask.buyer);
        if let Some(answer) = self.repeat_of(latest, &ask) {
            return Ok(answer);
        }
        if let Err(refusal) = self.open(campaign, now) {
            return refuse(refusal);
        }
        if let Err(refusal) = self.check_pass(campaign, ask.pass, ask.buyer, now) {
            return refuse(refusal);
        }
        if let Some(limit) = self.limit_passed(campaign, latest, ask.sku, ask.quantity) {
            return refuse(Refusal::LimitReached { limit });
        }
        if let Some(refusal) = self.behind_waitlist(ask.sku) {
            return refuse(refusal);
        }
        if free < ask.quantity.get() {
            // The slot let it through and the ledger has less: the slot is corrected by the caller.
            let shortage =
                if held > 0 { Refusal::AllHeld { free } } else { Refusal::SoldOut { free } };
            return refuse(shortage);
        }
        if self.reservations.len as usize >= RESERVATIONS_MAX {
            return refuse(Refusal::Overloaded { retry_after_ms: RETRY_MS });
        }
        let seq = ReservationSeq(self.reservations.len);
        let pass = ask.pass.filter(|_| self.line(campaign).is_some());
        let Reserve { sku, quantity, buyer, key, request, review, details, .. } = ask;
        let change = Change::Reserved(Reserved {
            seq,
            sku,
            quantity,
            buyer,
            key,
            request,
            amount,
            expires_at,
            review,
            details,
            pass,
        });
        self.record(change, now, sink)?;
        done(seq)
    }

    /// Return how long a hold lives that is to be halved so often: never under [`HOLD_MS_SHORTEST`],
    /// and the whole time where the ledger has no room for one more duration.
    fn hold_of(&self, hold: DurationMs, halvings: u8) -> DurationMs {
        let halved = DurationMs(hold.0 >> halvings.min(HALVINGS_MAX));
        let short = halved.max(DurationMs(HOLD_MS_SHORTEST)).min(hold);
        let known = self.hold_classes.iter().any(|class| class.hold == short);
        if known || self.hold_classes.len() < HOLD_CLASSES_MAX / 2 { short } else { hold }
    }

    /// Return the earlier answer when the buyer used the key before.
    fn repeat_of(&self, latest: u32, ask: &Reserve) -> Option<Answer> {
        let (seq, r) = self.chain(latest).find(|(_, r)| r.key == ask.key)?;
        Some(if r.request == ask.request {
            Answer::Already(Subject::Reservation(seq))
        } else {
            Answer::Refused(Refusal::KeyReused)
        })
    }

    /// As [`over_limit`](Ledger::over_limit), or the number of reservations that are remembered.
    pub(super) fn limit_passed(
        &self,
        campaign: CampaignIx,
        latest: u32,
        sku: SkuIx,
        quantity: Quantity,
    ) -> Option<u32> {
        self.over_limit(campaign, latest, sku, quantity).or_else(|| {
            let full = self.chain(latest).count() >= RESERVATIONS_PER_BUYER_MAX;
            full.then_some(RESERVATIONS_PER_BUYER_MAX as u32)
        })
    }

    /// Return the limit that `quantity` more units of `sku` would pass for the buyer whose latest
    /// reservation is `latest`, if they would (INV-6).
    pub(super) fn over_limit(
        &self,
        campaign: CampaignIx,
        latest: u32,
        sku: SkuIx,
        quantity: Quantity,
    ) -> Option<u32> {
        let (mut units, mut units_of_sku) = (quantity.get(), quantity.get());
        for (_, r) in self.chain(latest) {
            if r.state.counts_towards_limit() {
                units += r.quantity.get();
                units_of_sku += if planted!("sku-limit-new-only", false, r.sku == sku) {
                    r.quantity.get()
                } else {
                    0
                };
            }
        }
        let limit = self.campaigns[campaign.index()].terms.limit_per_buyer;
        let sku_limit = self.skus[sku.index()].limit_per_buyer;
        let over = |n: u32, limit: u32| {
            (n > planted!("limit-plus-one", limit + 1, limit)).then_some(limit)
        };
        over(units, limit).or(over(units_of_sku, sku_limit))
    }

    /// Refuse unless the campaign is open at `now` (INV-7).
    pub(super) fn open(&self, campaign: CampaignIx, now: Timestamp) -> Result<(), Refusal> {
        let c = &self.campaigns[campaign.index()];
        refusal_of_phase(phase_at(&c.terms.schedule, c.reached, now), c.terms.schedule.opens_at)
    }

    fn release(
        &mut self,
        seq: ReservationSeq,
        key: Option<(KeyDigest, RequestDigest)>,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(&r) = self.reservation(seq) else { return refuse(Refusal::NotFound) };
        if self.key_used_elsewhere(&r, seq, key, |extra| extra.release) {
            return refuse(Refusal::KeyReused);
        }
        match r.state {
            State::Held | State::Review => {
                self.record(Change::Released { seq, key }, now, sink)?;
                done(seq)
            }
            State::Released => already(seq),
            State::Sold | State::Cancelled => refuse(Refusal::AlreadyFinal),
            State::Expired => refuse(Refusal::Expired),
        }
    }

    /// Tell whether the buyer used `key` on this route for another reservation or request.
    fn key_used_elsewhere(
        &self,
        r: &ReservationState,
        seq: ReservationSeq,
        key: Option<(KeyDigest, RequestDigest)>,
        of: impl Fn(&super::state::Extra) -> Option<(KeyDigest, RequestDigest)>,
    ) -> bool {
        let Some((key, request)) = planted!("release-key-reused", None, key) else { return false };
        let campaign = self.skus[r.sku.index()].campaign;
        self.chain(self.latest_of(campaign, r.buyer)).any(|(other, _)| {
            let used = self.extra_of(other).and_then(&of);
            used.is_some_and(|(k, q)| k == key && (other != seq || q != request))
        })
    }

    fn cancel(
        &mut self,
        seq: ReservationSeq,
        restock: bool,
        by: By,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(r) = self.reservation(seq) else { return refuse(Refusal::NotFound) };
        if let Err(what) = check_by(&by) {
            return refuse(Refusal::Invalid(what));
        }
        match r.state {
            State::Sold => {
                if restock && self.has_left(seq) {
                    let what = "it has left its store: cancel it with restock false, and add what \
                                comes back to that store's stock";
                    return refuse(Refusal::Invalid(what.to_owned()));
                }
                self.record(Change::Cancelled { seq, restock, by }, now, sink)?;
                done(seq)
            }
            State::Cancelled => already(seq),
            State::Held | State::Review => {
                let what = "only a sale is cancelled; release this hold instead";
                refuse(Refusal::Invalid(what.to_owned()))
            }
            State::Released | State::Expired => refuse(Refusal::AlreadyFinal),
        }
    }

    fn judge(
        &mut self,
        seq: ReservationSeq,
        accept: bool,
        by: By,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(r) = self.reservation(seq) else { return refuse(Refusal::NotFound) };
        if let Err(what) = check_by(&by) {
            return refuse(Refusal::Invalid(what));
        }
        let paid = r.amount > 0 && self.paid_towards(seq) >= r.amount;
        match (r.state, accept) {
            (State::Review, _) if planted!("reject-accepts", true, accept) => {
                self.record(Change::Accepted { seq, by }, now, sink)?;
                if paid {
                    self.record(Change::Confirmed { seq, key: None }, now, sink)?;
                }
                done(seq)
            }
            // A torn tail kept the acceptance and lost the sale.
            (State::Held, true) if paid => {
                self.record(Change::Confirmed { seq, key: None }, now, sink)?;
                done(seq)
            }
            (State::Review, false) => {
                self.record(Change::Rejected { seq, by }, now, sink)?;
                done(seq)
            }
            (State::Held, true) | (State::Released, false) => already(seq),
            (State::Expired, _) => refuse(Refusal::Expired),
            _ => refuse(Refusal::AlreadyFinal),
        }
    }

    fn refunded(&mut self, refund: u32, by: By, now: Timestamp, sink: Sink<'_>) -> Outcome {
        let Some(due) = self.refunds.get(refund as usize) else { return refuse(Refusal::NotFound) };
        if let Err(what) = check_by(&by) {
            return refuse(Refusal::Invalid(what));
        }
        if due.done {
            return Ok(Answer::Already(Subject::Refund(refund)));
        }
        self.record(Change::Refunded { refund, by }, now, sink)?;
        Ok(Answer::Done(Subject::Refund(refund)))
    }
}

/// Return why nothing can be reserved in `phase`, or nothing when it can.
pub(crate) fn refusal_of_phase(phase: Phase, opens_at: Option<Timestamp>) -> Result<(), Refusal> {
    match phase {
        Phase::Open => Ok(()),
        Phase::Paused => Err(Refusal::Paused),
        Phase::Closed | Phase::Settled => Err(Refusal::Ended),
        // A draft is invisible: it answers like what does not exist.
        Phase::Draft => Err(Refusal::NotFound),
        Phase::Scheduled | Phase::Preheat | Phase::Draw => Err(Refusal::NotOpen { opens_at }),
    }
}

pub(super) fn refuse(refusal: Refusal) -> Outcome {
    Ok(Answer::Refused(refusal))
}

pub(super) fn done(seq: ReservationSeq) -> Outcome {
    Ok(Answer::Done(Subject::Reservation(seq)))
}

pub(super) fn already(seq: ReservationSeq) -> Outcome {
    Ok(Answer::Already(Subject::Reservation(seq)))
}
