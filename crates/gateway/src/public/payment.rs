//! `POST /v1/payments/{provider}`: a payment provider's signed notice.
//!
//! The signature covers the raw body and is checked before the body is parsed: what is not signed is
//! not looked into. A notice that comes late or again is answered 200 too, because the provider has
//! done its part; the ledger decides what becomes of the money.

use crate::gateway::{Ask, Gateway, Reply};
use crate::problem::Problem;
use crate::routes::Route;
use crate::waiting::Waiting;
use crate::wire::{PaymentNotice, parse_timestamp, read_json};
use onrush::{Currency, Money, PaymentLine, Timestamp};
use onrush_types::limits::{AMOUNT_MAX, TEXT_BYTES_MAX};
use onrush_types::planted;

impl Gateway {
    pub(crate) fn payment(
        &self,
        provider: &str,
        ask: &Ask<'_>,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let provider = self.providers.verified(provider, ask.headers, ask.body, now)?;
        let notice: PaymentNotice<'_> = read_json(ask.headers, ask.body)?;
        if notice.event_id.is_empty() || notice.event_id.len() > TEXT_BYTES_MAX {
            return Err(Problem::invalid(format!("event_id: 1 to {TEXT_BYTES_MAX} bytes")));
        }
        let wrong = |field: &str, what: String| Problem::invalid(format!("{field}: {what}"));
        parse_timestamp(&notice.paid_at).map_err(|what| wrong("paid_at", what))?;
        let money =
            checked_money(notice.amount, planted!("currency-assumed", "CNY", &*notice.currency))?;
        let reference = checked_reference(&notice.reference)?;
        let seq = self
            .engine
            .seq_of(&notice.reservation)
            .filter(|seq| self.engine.look(*seq).is_some())
            .ok_or_else(Problem::not_found)?;
        let line = PaymentLine {
            provider: provider.name.clone(),
            method: provider.method.clone(),
            reference: reference.into(),
            money,
        };
        // Provider and reference identify the payment; the event's id adds nothing to that.
        let pending = self.engine.confirm(seq, vec![line], None);
        let waiting = Waiting::reservation(Route::Payment, pending);
        Ok(Reply::Wait(waiting.tallied(self.lines.funnels.payment())))
    }
}

/// Check an amount of money that came in.
pub(crate) fn checked_money(amount: i64, currency: &str) -> Result<Money, Problem> {
    let currency =
        Currency::new(currency).map_err(|error| Problem::invalid(format!("currency: {error}")))?;
    if !(1..=AMOUNT_MAX).contains(&amount) {
        return Err(Problem::invalid(format!("amount: 1 to {AMOUNT_MAX} minor units")));
    }
    Ok(Money { amount, currency })
}

/// Check a provider's reference.
pub(crate) fn checked_reference(reference: &str) -> Result<&str, Problem> {
    match reference.len() {
        1..=TEXT_BYTES_MAX => Ok(reference),
        _ => Err(Problem::invalid(format!("reference: 1 to {TEXT_BYTES_MAX} bytes"))),
    }
}
