//! Reservations, payments and refunds by hand or by a trusted back end.

use super::campaigns::wait;
use super::{Listing, by, checked_reason, listing};
use crate::config::Scope;
use crate::gateway::{Ask, Gateway, Reply};
use crate::identity::ApiKey;
use crate::problem::Problem;
use crate::public::{checked_money, checked_reference, idempotency_key};
use crate::routes::Route;
use crate::waiting::{Waiting, What};
use crate::wire::{CancelBody, ConfirmBody, JudgeBody, PaymentBody, RefundedBody, read_json};
use onrush::{Money, Name, PaymentLine, ReservationSeq, Timestamp};
use onrush_types::limits::PAYMENTS_PER_RESERVATION_MAX;
use onrush_types::planted;

impl Gateway {
    pub(crate) fn confirm(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: ConfirmBody<'_> = match ask.body.is_empty() {
            true => ConfirmBody { payments: Vec::new() },
            false => read_json(ask.headers, ask.body)?,
        };
        if body.payments.len() > PAYMENTS_PER_RESERVATION_MAX {
            let detail = format!("payments: at most {PAYMENTS_PER_RESERVATION_MAX}");
            return Err(Problem::invalid(detail));
        }
        let idempotency_key = idempotency_key(ask.headers)?;
        let lines: Vec<Line> = body.payments.iter().map(line).collect::<Result<_, _>>()?;
        let key = self.authorised(ask, now, Scope::Confirm)?;
        let lines = lines.into_iter().map(|line| line.reported_by(&key)).collect();
        let seq = self.known(id)?;
        let pending = self.engine.confirm(seq, lines, idempotency_key);
        let waiting = Waiting::reservation(Route::AdminConfirm, pending);
        Ok(Reply::Wait(waiting.tallied(self.lines.funnels.payment())))
    }

    pub(crate) fn cancel(&self, id: &str, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        let body: CancelBody<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        let by = by(&*self.authorised(ask, now, Scope::Operate)?, reason);
        let pending = self.engine.cancel(
            self.known(id)?,
            planted!("restock-inverted", !body.restock, body.restock),
            by,
        );
        Ok(wait(Route::AdminCancel, What::Reservation(pending)))
    }

    pub(crate) fn judge(&self, id: &str, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        let body: JudgeBody<'_> = read_json(ask.headers, ask.body)?;
        let reason = checked_reason(&body.reason)?;
        let by = by(&*self.authorised(ask, now, Scope::Operate)?, reason);
        let pending = self.engine.judge(self.known(id)?, body.accept, by);
        Ok(wait(Route::AdminJudge, What::Reservation(pending)))
    }

    pub(crate) fn refunded(
        &self,
        refund: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let body: RefundedBody<'_> = read_json(ask.headers, ask.body)?;
        let reference = checked_reference(&body.reference)?;
        let by = by(&*self.authorised(ask, now, Scope::Operate)?, reference);
        let refund: u32 = refund.parse().map_err(|_| Problem::not_found())?;
        Ok(wait(Route::AdminRefunded, What::Refund(self.engine.refunded(refund, by))))
    }

    pub(crate) fn show_reservation(
        &self,
        id: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        self.authorised_any(ask, now, &[Scope::Confirm, Scope::View])?;
        let seq = self.known(id)?;
        let inspect = self.engine.inspect(move |ledger| Listing::reservation(ledger, seq));
        Ok(wait(Route::AdminReservation, What::Listing(inspect)))
    }

    pub(crate) fn list_reservations(
        &self,
        campaign: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let page = listing::Page::read(ask.query)?;
        let campaign = self.engine.campaign(campaign).ok_or_else(Problem::not_found)?;
        let ix = campaign.ix();
        let inspect =
            self.engine.inspect(move |ledger| Some(Listing::reservations(ledger, ix, &page)));
        Ok(wait(Route::AdminReservations, What::Listing(inspect)))
    }

    pub(crate) fn list_refunds(&self, ask: &Ask<'_>, now: Timestamp) -> Result<Reply, Problem> {
        self.authorised(ask, now, Scope::View)?;
        let page = listing::Page::read(ask.query)?;
        let inspect = self.engine.inspect(move |ledger| Some(Listing::refunds(ledger, &page)));
        Ok(wait(Route::AdminRefunds, What::Listing(inspect)))
    }

    pub(super) fn known(&self, id: &str) -> Result<ReservationSeq, Problem> {
        let seq = self.engine.seq_of(id);
        seq.filter(|seq| self.engine.look(*seq).is_some()).ok_or_else(Problem::not_found)
    }
}

/// A payment whose reporter is not known yet.
struct Line {
    provider: Option<Name>,
    method: Name,
    reference: Box<str>,
    money: Money,
}

impl Line {
    fn reported_by(self, key: &ApiKey) -> PaymentLine {
        let Line { provider, method, reference, money } = self;
        PaymentLine {
            provider: provider.unwrap_or_else(|| key.name.clone()),
            method,
            reference,
            money,
        }
    }
}

fn line(payment: &PaymentBody<'_>) -> Result<Line, Problem> {
    let name = |field: &str, text: &str| {
        Name::new(text).map_err(|error| Problem::invalid(format!("payments.{field}: {error}")))
    };
    Ok(Line {
        provider: payment.provider.as_deref().map(|text| name("provider", text)).transpose()?,
        method: name("method", &payment.method)?,
        reference: checked_reference(&payment.reference)?.into(),
        money: checked_money(payment.amount, &payment.currency)?,
    })
}
