//! What clients send, field by field. `deny_unknown_fields` everywhere: a misspelt field must not
//! be taken for one that was left out.

use super::details::{Attribution, Delivery, Destination, Window};
use serde::Deserialize;
use std::borrow::Cow;

/// `POST /v1/campaigns/{campaign}/reservations`. Only `sku` is required.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReserveBody<'a> {
    /// Which SKU.
    #[serde(borrow)]
    pub sku: Cow<'a, str>,
    /// How many units.
    #[serde(default = "one")]
    pub quantity: u32,
    /// For whom, when a back end asks.
    #[serde(borrow, default)]
    pub buyer: Option<Cow<'a, str>>,
    /// Where it goes.
    #[serde(default)]
    pub destination: Option<Destination>,
    /// How it gets there.
    #[serde(default)]
    pub delivery: Option<Delivery>,
    /// The store it is collected from.
    #[serde(borrow, default)]
    pub pickup_node: Option<Cow<'a, str>>,
    /// When it should arrive.
    #[serde(borrow, default)]
    pub window: Option<Window<'a>>,
    /// Who brought the buyer.
    #[serde(borrow, default)]
    pub attribution: Option<Attribution<'a>>,
}

fn one() -> u32 {
    1
}

/// `POST /admin/v1/reservations:batch`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchBody<'a> {
    /// The campaign of all of them.
    #[serde(borrow)]
    pub campaign: Cow<'a, str>,
    /// At most a thousand.
    #[serde(borrow)]
    pub reservations: Vec<BatchEntry<'a>>,
}

/// One reservation of a batch: a reserve with its buyer and its key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchEntry<'a> {
    /// The idempotency key.
    #[serde(borrow)]
    pub key: Cow<'a, str>,
    /// For whom.
    #[serde(borrow)]
    pub buyer: Cow<'a, str>,
    /// Which SKU.
    #[serde(borrow)]
    pub sku: Cow<'a, str>,
    /// How many units.
    #[serde(default = "one")]
    pub quantity: u32,
    /// The buyer's pass, where the campaign has a line.
    #[serde(borrow, default)]
    pub pass: Option<Cow<'a, str>>,
    /// Where it goes.
    #[serde(default)]
    pub destination: Option<Destination>,
    /// How it gets there.
    #[serde(default)]
    pub delivery: Option<Delivery>,
    /// The store it is collected from.
    #[serde(borrow, default)]
    pub pickup_node: Option<Cow<'a, str>>,
    /// When it should arrive.
    #[serde(borrow, default)]
    pub window: Option<Window<'a>>,
    /// Who brought the buyer.
    #[serde(borrow, default)]
    pub attribution: Option<Attribution<'a>>,
}

/// `POST /v1/sessions`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionBody<'a> {
    /// Set the session as an HttpOnly cookie and leave it out of the answer.
    #[serde(default)]
    pub cookie: bool,
    /// For whom, when a back end asks.
    #[serde(borrow, default)]
    pub buyer: Option<Cow<'a, str>>,
    /// A code from the buyer's other device, in place of an identity.
    #[serde(borrow, default)]
    pub handoff: Option<Cow<'a, str>>,
}

/// `POST /v1/payments/{provider}`: a payment provider's notice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentNotice<'a> {
    /// The provider's event.
    #[serde(borrow)]
    pub event_id: Cow<'a, str>,
    /// The reservation's public id.
    #[serde(borrow)]
    pub reservation: Cow<'a, str>,
    /// The provider's reference of the payment.
    #[serde(borrow)]
    pub reference: Cow<'a, str>,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217.
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    /// When it was paid.
    #[serde(borrow)]
    pub paid_at: Cow<'a, str>,
}

/// `POST /admin/v1/reservations/{id}/confirm`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody<'a> {
    /// Payments; none for what costs nothing or is paid already.
    #[serde(borrow, default)]
    pub payments: Vec<PaymentBody<'a>>,
}

/// One payment of a confirm.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentBody<'a> {
    /// How it was paid: card, points, …
    #[serde(borrow)]
    pub method: Cow<'a, str>,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217, or the shop's code for points.
    #[serde(borrow)]
    pub currency: Cow<'a, str>,
    /// The provider's reference.
    #[serde(borrow)]
    pub reference: Cow<'a, str>,
    /// Who reports it; the API key's name when left out. With `reference` it counts once.
    #[serde(borrow, default)]
    pub provider: Option<Cow<'a, str>>,
}

/// `POST /admin/v1/reservations/{id}/cancel`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelBody<'a> {
    /// Why; kept for the audit.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
    /// Whether the units go back on sale (otherwise they are withdrawn).
    #[serde(default = "yes")]
    pub restock: bool,
}

fn yes() -> bool {
    true
}

/// `POST /admin/v1/reservations/{id}/judge`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeBody<'a> {
    /// Accept the hold, or release it.
    pub accept: bool,
    /// Why; kept for the audit.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
}

/// `POST /admin/v1/campaigns/{campaign}/supply`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplyBody<'a> {
    /// Which SKU.
    #[serde(borrow)]
    pub sku: Cow<'a, str>,
    /// How many units; negative withdraws.
    pub quantity: i64,
    /// Why; kept for the audit.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
}

/// `POST /admin/v1/campaigns/{campaign}/phase`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseBody<'a> {
    /// `paused`, `open`, `closed` or `settled`.
    #[serde(borrow)]
    pub to: Cow<'a, str>,
    /// Why; kept for the audit.
    #[serde(borrow)]
    pub reason: Cow<'a, str>,
}

/// `POST /admin/v1/refunds/{refund}/paid`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundedBody<'a> {
    /// The payment provider's reference of the refund; kept for the audit.
    #[serde(borrow)]
    pub reference: Cow<'a, str>,
}
