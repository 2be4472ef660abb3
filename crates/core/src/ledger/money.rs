//! Decisions about money: a payment counts once, a sale needs its price covered, and money that
//! does not become a sale becomes exactly one refund due (INV-5, INV-8).

use super::action::Take;
use super::decide::{Outcome, Sink, already, done, refuse};
use super::record::{Change, Paid, PaidOutcome, PaymentLine};
use super::state::{Ledger, ReservationState};
use crate::refusal::Refusal;
use crate::reservation::State;
use onrush_types::limits::{AMOUNT_MAX, PAYMENTS_PER_RESERVATION_MAX, TEXT_BYTES_MAX};
use onrush_types::planted;
use onrush_types::{KeyDigest, RequestDigest, ReservationSeq, Timestamp};

impl Ledger {
    pub(super) fn confirm(
        &mut self,
        seq: ReservationSeq,
        lines: Vec<PaymentLine>,
        key: Option<(KeyDigest, RequestDigest)>,
        now: Timestamp,
        take: &mut dyn Take,
        sink: Sink<'_>,
    ) -> Outcome {
        let Some(&r) = self.reservation(seq) else { return refuse(Refusal::NotFound) };
        if self.confirm_key_used_elsewhere(&r, seq, key) {
            return refuse(Refusal::KeyReused);
        }
        if lines.is_empty() {
            return self.confirm_without_money(seq, &r, key, now, sink);
        }
        if lines.len() > PAYMENTS_PER_RESERVATION_MAX {
            return too_many_payments();
        }
        // All lines are checked before the first is recorded: a bad one leaves nothing half done.
        let mut new = 0;
        for (at, line) in lines.iter().enumerate() {
            let same =
                |l: &PaymentLine| l.provider == line.provider && l.reference == line.reference;
            if lines[..at].iter().any(same) {
                let what = format!("payments: {} appears twice; send each once", line.reference);
                return refuse(Refusal::Invalid(what));
            }
            match self.payment(&line.provider, &line.reference) {
                Some((known, at)) => {
                    let same = known == seq
                        && self.lines(seq)[usize::from(at)].payment.money == line.money;
                    if !same {
                        return refuse(Refusal::KeyReused);
                    }
                }
                None => new += 1,
            }
            if let Err(what) = check_line(line) {
                return refuse(Refusal::Invalid(what));
            }
        }
        if self.lines(seq).len() + new > PAYMENTS_PER_RESERVATION_MAX {
            return too_many_payments();
        }
        for line in lines {
            if self.payment(&line.provider, &line.reference).is_none() {
                self.pay(seq, line, key, now, take, sink)?;
            }
        }
        if new > 0 { done(seq) } else { already(seq) }
    }

    fn confirm_without_money(
        &mut self,
        seq: ReservationSeq,
        r: &ReservationState,
        key: Option<(KeyDigest, RequestDigest)>,
        now: Timestamp,
        sink: Sink<'_>,
    ) -> Outcome {
        match r.state {
            State::Review => {
                let what = "this hold waits for a look and can be sold once it is accepted";
                refuse(Refusal::Invalid(what.to_owned()))
            }
            State::Held if self.paid_towards(seq) >= r.amount => {
                self.record(Change::Confirmed { seq, key }, now, sink)?;
                done(seq)
            }
            State::Held => {
                let due = r.amount - self.paid_towards(seq);
                let what = format!("payments do not cover the price: {due} still due");
                refuse(Refusal::Invalid(what))
            }
            State::Sold => already(seq),
            State::Expired => refuse(Refusal::Expired),
            State::Released | State::Cancelled => refuse(Refusal::AlreadyFinal),
        }
    }

    /// Record one payment that is new.
    fn pay(
        &mut self,
        seq: ReservationSeq,
        line: PaymentLine,
        key: Option<(KeyDigest, RequestDigest)>,
        now: Timestamp,
        take: &mut dyn Take,
        sink: Sink<'_>,
    ) -> Result<(), super::apply::Divergence> {
        let r = *self.reservation(seq).expect("the caller looked");
        let currency = self.campaign_of(r.sku).terms.currency;
        let counts = if planted!("foreign-money-counts", true, line.money.currency == currency) {
            line.money.amount
        } else {
            0
        };
        let outcome = match r.state {
            State::Held
                if planted!(
                    "partial-sells",
                    counts > 0,
                    self.paid_towards(seq) + counts >= r.amount
                ) =>
            {
                PaidOutcome::Sold
            }
            State::Held | State::Review => PaidOutcome::Partial,
            State::Expired if counts >= r.amount && self.may_retake(&r, now, take) => {
                PaidOutcome::Retaken
            }
            State::Expired | State::Sold | State::Released | State::Cancelled => {
                PaidOutcome::Refund
            }
        };
        self.record(Change::Paid(Paid { seq, line, key, outcome }), now, sink)
    }

    /// Late money takes units again only while the sale is open, within the buyer's limit and only
    /// where units are free (INV-8). The units are taken when this returns `true`.
    fn may_retake(&self, r: &ReservationState, now: Timestamp, take: &mut dyn Take) -> bool {
        self.retake_allowed(r, now)
            && self.skus[r.sku.index()].free >= r.quantity.get()
            && planted!("late-money-untaken", true, take.take(r.sku, r.quantity.get()))
    }

    /// Tell whether the sale, the buyer's limit and those who wait allow an expired hold to be taken
    /// again.
    pub(super) fn retake_allowed(&self, r: &ReservationState, now: Timestamp) -> bool {
        let campaign = self.skus[r.sku.index()].campaign;
        let latest = self.latest_of(campaign, r.buyer);
        !r.unaccepted
            && planted!("late-money-after-close", true, self.open(campaign, now).is_ok())
            && planted!("late-money-passes", true, !self.waits.is_waiting(r.sku))
            && planted!(
                "late-money-over-limit",
                true,
                self.over_limit(campaign, latest, r.sku, r.quantity).is_none()
            )
    }

    /// Return the money kept towards the price, in the campaign's currency.
    pub fn paid_towards(&self, seq: ReservationSeq) -> i64 {
        let Some(r) = self.reservation(seq) else { return 0 };
        let currency = self.campaign_of(r.sku).terms.currency;
        let lines = self.lines(seq).iter();
        lines
            .filter(|line| line.payment.money.currency == currency)
            .map(|line| line.payment.money.amount - line.refunded)
            .sum()
    }

    fn confirm_key_used_elsewhere(
        &self,
        r: &ReservationState,
        seq: ReservationSeq,
        key: Option<(KeyDigest, RequestDigest)>,
    ) -> bool {
        let Some((key, request)) = planted!("confirm-key-reused", None, key) else { return false };
        let campaign = self.skus[r.sku.index()].campaign;
        self.chain(self.latest_of(campaign, r.buyer)).any(|(other, _)| {
            let without_money = self.extra_of(other).and_then(|extra| extra.confirm);
            let with_money = self.lines(other).iter().filter_map(|line| line.key);
            with_money.chain(without_money).any(|(k, q)| k == key && (other != seq || q != request))
        })
    }
}

fn too_many_payments() -> Outcome {
    let most = PAYMENTS_PER_RESERVATION_MAX;
    let what = format!("a reservation has at most {most} payments; settle this one by hand");
    refuse(Refusal::Invalid(what))
}

fn check_line(line: &PaymentLine) -> Result<(), String> {
    if !(1..=AMOUNT_MAX).contains(&line.money.amount) {
        return Err(format!("a payment is 1 to {AMOUNT_MAX} minor units"));
    }
    if line.reference.is_empty() || line.reference.len() > TEXT_BYTES_MAX {
        return Err(format!("a payment's reference has 1 to {TEXT_BYTES_MAX} bytes"));
    }
    Ok(())
}
